/* SPDX-License-Identifier: MIT */
/*
 * flush.c - what flush_work() and flush_workqueue() wait for, and what not.
 */
#include "harness.h"

static long do_flush_work(void *arg)
{
	return flush_work(arg);
}

static long do_flush_queue(void *arg)
{
	flush_workqueue(arg);
	return 0;
}

static void work_results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;
	struct thread t;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(!flush_work(&it.work)); /* never queued */
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &it.work));

	thread_start(&t, do_flush_work, &it.work); /* pending */
	EXPECT(thread_asleep(&t));
	item_release(&blocker);
	wait_for(item_started(&it));
	EXPECT(thread_asleep(&t));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!flush_work(&it.work)); /* done */

	item_allow(&it, 1);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 2);
	thread_start(&t, do_flush_work, &it.work); /* running */
	EXPECT(thread_asleep(&t));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(work_results_percpu)
{
	work_results_on(alloc_workqueue("flush", WQ_PERCPU, 1));
}

TEST(work_results_unbound)
{
	work_results_on(alloc_workqueue("flush", WQ_UNBOUND, 1));
}

TEST(work_results_ordered)
{
	work_results_on(alloc_ordered_workqueue("flush", 0));
}

/* Held, running, and queued again: the run that is pending is waited for. */
static void requeued_before_on(struct workqueue_struct *wq)
{
	struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_flush_work, &it.work);
	EXPECT(thread_asleep(&t));
	item_allow(&it, 1);
	wait_for(item_started(&it) == 2);
	EXPECT(thread_asleep(&t));
	item_allow(&it, 2);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(requeued_before_percpu)
{
	requeued_before_on(alloc_workqueue("flush", WQ_PERCPU, 0));
}

TEST(requeued_before_unbound)
{
	requeued_before_on(alloc_workqueue("flush", WQ_UNBOUND, 0));
}

TEST(requeued_before_max_active_1)
{
	requeued_before_on(alloc_workqueue("flush", WQ_PERCPU, 1));
}

TEST(requeued_before_ordered)
{
	requeued_before_on(alloc_ordered_workqueue("flush", 0));
}

/* A requeue after the flush began is not its business. */
static void requeued_after_on(struct workqueue_struct *wq)
{
	struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	thread_start(&t, do_flush_work, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT(queue_work(wq, &it.work));
	item_allow(&it, 1);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 1);
	wait_for(item_started(&it) == 2);
	item_allow(&it, 2);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(requeued_after_percpu)
{
	requeued_after_on(alloc_workqueue("flush", WQ_PERCPU, 0));
}

TEST(requeued_after_unbound)
{
	requeued_after_on(alloc_workqueue("flush", WQ_UNBOUND, 0));
}

TEST(requeued_after_ordered)
{
	requeued_after_on(alloc_ordered_workqueue("flush", 0));
}

/* The awaited item is cancelled: the flusher wakes, with true. */
static void cancelled_on(struct workqueue_struct *wq)
{
	struct item blocker, it;
	struct thread t;

	need_detector();
	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init(&it);
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_flush_work, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT(cancel_work(&it.work));
	EXPECT_EQ(thread_join(&t), true); /* the blocker still runs */
	EXPECT_EQ(item_started(&it), 0);
	item_release(&blocker);
	destroy_workqueue(wq);
}

TEST(cancelled_percpu)
{
	cancelled_on(alloc_workqueue("flush", WQ_PERCPU, 1));
}

TEST(cancelled_unbound)
{
	cancelled_on(alloc_workqueue("flush", WQ_UNBOUND, 1));
}

TEST(cancelled_ordered)
{
	cancelled_on(alloc_ordered_workqueue("flush", 0));
}

static void requeue_cancelled_on(struct workqueue_struct *wq)
{
	struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_flush_work, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT(cancel_work(&it.work));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(wq);
}

TEST(requeue_cancelled_percpu)
{
	requeue_cancelled_on(alloc_workqueue("flush", WQ_PERCPU, 0));
}

TEST(requeue_cancelled_unbound)
{
	requeue_cancelled_on(alloc_workqueue("flush", WQ_UNBOUND, 0));
}

TEST(many_flush_one_item)
{
	struct workqueue_struct *wq = alloc_workqueue("flush", WQ_PERCPU, 1);
	struct item blocker, it;
	struct thread t[20];
	int i;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(queue_work(wq, &blocker.work));
	EXPECT(queue_work(wq, &it.work));
	for (i = 0; i < 10; i++)
		thread_start(&t[i], do_flush_work, &it.work);
	for (i = 0; i < 10; i++)
		EXPECT(thread_asleep(&t[i]));
	item_release(&blocker);
	wait_for(item_started(&it));
	for (; i < 20; i++) {
		thread_start(&t[i], do_flush_work, &it.work);
		EXPECT(thread_asleep(&t[i]));
	}
	item_release(&it);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(thread_join(&t[i]), true);
	destroy_workqueue(wq);
}

TEST(flush_empty_queue)
{
	struct workqueue_struct *wq = alloc_workqueue("empty", WQ_UNBOUND, 0);
	int i;

	for (i = 0; i < 100; i++)
		flush_workqueue(wq);
	destroy_workqueue(wq);
	wq = alloc_workqueue("empty", WQ_PERCPU, 0);
	for (i = 0; i < 100; i++)
		flush_workqueue(wq);
	destroy_workqueue(wq);
	flush_scheduled_work();
}

/* Items queued before are waited for, later ones are not. */
static void earlier_only_on(struct workqueue_struct *wq)
{
	struct item earlier, later;
	struct thread t;

	need_detector();
	item_init_held(&earlier);
	item_init_held(&later);
	EXPECT(queue_work(wq, &earlier.work));
	thread_start(&t, do_flush_queue, wq);
	EXPECT(thread_asleep(&t));
	EXPECT(queue_work(wq, &later.work));
	item_release(&earlier);
	thread_join(&t);
	EXPECT_EQ(item_runs(&earlier), 1);
	EXPECT_EQ(item_runs(&later), 0);
	item_release(&later);
	destroy_workqueue(wq);
}

TEST(earlier_only_percpu)
{
	earlier_only_on(alloc_workqueue("early", WQ_PERCPU, 0));
}

TEST(earlier_only_unbound)
{
	earlier_only_on(alloc_workqueue("early", WQ_UNBOUND, 0));
}

/* Inactive ones are waited for as well. */
TEST(earlier_only_max_active_1)
{
	earlier_only_on(alloc_workqueue("early", WQ_PERCPU, 1));
}

TEST(earlier_only_ordered)
{
	earlier_only_on(alloc_ordered_workqueue("early", 0));
}

/* A flusher also waits for the items of other CPUs. */
TEST(flush_all_cpus)
{
	struct workqueue_struct *wq = alloc_workqueue("wide", WQ_PERCPU, 0);
	static struct item it[64];
	int n = nr_allowed() < 64 ? nr_allowed() : 64, i;
	struct thread t;

	for (i = 0; i < n; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(nth_cpu(i), wq, &it[i].work));
	}
	thread_start(&t, do_flush_queue, wq);
	for (i = 0; i < n; i++) {
		EXPECT(thread_asleep(&t));
		item_release(&it[i]);
	}
	thread_join(&t);
	EXPECT_EQ(items_finished(it, n), n);
	destroy_workqueue(wq);
}

/*
 * Item, flusher, item, flusher, ...: each flusher returns as soon as the items
 * before it are done, whatever becomes of those behind.
 */
static void dozen_on(struct workqueue_struct *wq, int n)
{
	struct item it[16];
	struct thread t[16];
	int i, k;

	need_detector();
	for (i = 0; i < n; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
		thread_start(&t[i], do_flush_queue, wq);
		EXPECT(thread_asleep(&t[i]));
	}
	for (i = 0; i < n; i++) {
		for (k = i; k < n; k++)
			EXPECT(!thread_done(&t[k]));
		item_release(&it[i]);
		thread_join(&t[i]);
	}
	destroy_workqueue(wq);
}

TEST(twelve_flushers_percpu)
{
	dozen_on(alloc_workqueue("dozen", WQ_PERCPU, 0), 12);
}

TEST(twelve_flushers_unbound)
{
	dozen_on(alloc_workqueue("dozen", WQ_UNBOUND, 0), 12);
}

TEST(twelve_flushers_ordered)
{
	dozen_on(alloc_ordered_workqueue("dozen", 0), 12);
}

/* The items end in the opposite order: nobody returns until the first. */
TEST(twelve_flushers_backwards)
{
	struct workqueue_struct *wq = alloc_workqueue("dozen", WQ_UNBOUND, 0);
	struct item it[12];
	struct thread t[12];
	int i, k;

	need_detector();
	for (i = 0; i < 12; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
		thread_start(&t[i], do_flush_queue, wq);
		EXPECT(thread_asleep(&t[i]));
	}
	for (i = 11; i > 0; i--) {
		item_release(&it[i]);
		wait_for(item_runs(&it[i]));
		for (k = 0; k < 12; k++)
			EXPECT(!thread_done(&t[k]));
	}
	item_release(&it[0]);
	for (i = 0; i < 12; i++)
		thread_join(&t[i]);
	destroy_workqueue(wq);
}

/* More flushers than colours. */
struct own_flush {
	struct workqueue_struct *wq;
	struct item it;
	struct thread t;
};

static long queue_and_flush(void *arg)
{
	struct own_flush *own = arg;

	EXPECT(queue_work(own->wq, &own->it.work));
	flush_workqueue(own->wq);
	return item_runs(&own->it);
}

static void forty_on(struct workqueue_struct *wq)
{
	static struct own_flush own[40];
	int i;

	for (i = 0; i < 40; i++) {
		item_init_held(&own[i].it);
		own[i].wq = wq;
		thread_start(&own[i].t, queue_and_flush, &own[i]);
	}
	for (i = 0; i < 40; i++)
		EXPECT(thread_asleep(&own[i].t));
	for (i = 0; i < 40; i++)
		item_release(&own[i].it);
	for (i = 0; i < 40; i++)
		EXPECT_EQ(thread_join(&own[i].t), 1);
	flush_workqueue(wq);
	destroy_workqueue(wq);
}

TEST(forty_flushers_percpu)
{
	forty_on(alloc_workqueue("forty", WQ_PERCPU, 0));
}

TEST(forty_flushers_unbound)
{
	forty_on(alloc_workqueue("forty", WQ_UNBOUND, 0));
}

TEST(forty_flushers_ordered)
{
	forty_on(alloc_ordered_workqueue("forty", 0));
}

/* The same without holding: colours wrap many times. */
static long flush_own_often(void *arg)
{
	struct own_flush *own = arg;
	int i;

	for (i = 1; i <= 300; i++) {
		EXPECT(queue_work(own->wq, &own->it.work));
		flush_workqueue(own->wq);
		ASSERT_EQ(item_runs(&own->it), i);
	}
	return 0;
}

static void flush_storm_on(struct workqueue_struct *wq)
{
	static struct own_flush own[24];
	int i;

	for (i = 0; i < 24; i++) {
		item_init(&own[i].it);
		own[i].wq = wq;
	}
	for (i = 0; i < 24; i++)
		thread_start(&own[i].t, flush_own_often, &own[i]);
	for (i = 0; i < 24; i++)
		thread_join(&own[i].t);
	destroy_workqueue(wq);
}

TEST(flush_storm_percpu)
{
	flush_storm_on(alloc_workqueue("storm", WQ_PERCPU, 0));
}

TEST(flush_storm_unbound)
{
	flush_storm_on(alloc_workqueue("storm", WQ_UNBOUND, 2));
}

TEST(flush_storm_ordered)
{
	flush_storm_on(alloc_ordered_workqueue("storm", 0));
}

static long flush_item_often(void *arg)
{
	struct own_flush *own = arg;
	int i;

	for (i = 1; i <= 3000; i++) {
		EXPECT(queue_work(own->wq, &own->it.work));
		flush_work(&own->it.work);
		ASSERT_EQ(item_runs(&own->it), i);
	}
	return 0;
}

TEST(flush_work_storm)
{
	static struct own_flush own[4];
	int i;

	for (i = 0; i < 4; i++) {
		item_init(&own[i].it);
		own[i].wq = i % 2 ? system_wq : system_dfl_wq;
		thread_start(&own[i].t, flush_item_often, &own[i]);
	}
	for (i = 0; i < 4; i++)
		thread_join(&own[i].t);
}

/* An item may flush another queue, and another item of its own CPU. */
static struct item *inner;

static void flush_inner(struct item *it)
{
	(void)it;
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &inner->work));
	flush_work(&inner->work);
	EXPECT_EQ(item_runs(inner), 1);
}

TEST(flush_from_an_item)
{
	struct workqueue_struct *wq = alloc_workqueue("outer", WQ_PERCPU, 0);
	struct item it, in;

	if (!param_on("cmwq.hints"))
		need_detector();
	item_init(&in);
	inner = &in;
	item_init(&it);
	it.hook = flush_inner;
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	wait_for(item_runs(&it));
	destroy_workqueue(wq);
}

static void flush_events(struct item *it)
{
	(void)it;
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &inner->work));
	flush_workqueue(system_wq);
	EXPECT_EQ(item_runs(inner), 1);
}

TEST(flush_queue_from_an_item)
{
	struct workqueue_struct *wq = alloc_workqueue("outer", WQ_PERCPU, 0);
	struct item it, in;

	if (!param_on("cmwq.hints"))
		need_detector();
	item_init(&in);
	inner = &in;
	item_init(&it);
	it.hook = flush_events;
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	wait_for(item_runs(&it));
	destroy_workqueue(wq);
}
