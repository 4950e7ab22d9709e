/* SPDX-License-Identifier: MIT */
/*
 * cancel.c - cancelling and disabling: results in every state, what is waited
 * for, what is refused meanwhile.
 */
#include "harness.h"

static long do_cancel_sync(void *arg)
{
	return cancel_work_sync(arg);
}

static long do_disable_sync(void *arg)
{
	return disable_work_sync(arg);
}

static void results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(!cancel_work(&it.work)); /* never queued */
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));

	EXPECT(queue_work(wq, &it.work));
	EXPECT(cancel_work(&it.work)); /* pending */
	EXPECT(item_idle(&it));
	EXPECT(!cancel_work(&it.work)); /* idle */
	EXPECT(queue_work(wq, &it.work));

	item_release(&blocker);
	wait_for(item_started(&it) == 1);
	EXPECT(!cancel_work(&it.work)); /* running */
	EXPECT(queue_work(wq, &it.work));
	EXPECT(cancel_work(&it.work)); /* running and pending */
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_RUNNING);
	EXPECT(!cancel_work(&it.work));
	EXPECT_EQ(item_runs(&it), 0);
	item_release(&it);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!cancel_work(&it.work)); /* done */
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(results_percpu)
{
	results_on(alloc_workqueue("cancel", WQ_PERCPU, 1));
}

TEST(results_unbound)
{
	results_on(alloc_workqueue("cancel", WQ_UNBOUND, 1));
}

TEST(results_ordered)
{
	results_on(alloc_ordered_workqueue("cancel", 0));
}

static void sync_results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;
	struct thread t;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(!cancel_work_sync(&it.work)); /* never queued */
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &it.work));
	EXPECT(cancel_work_sync(&it.work)); /* pending: nothing to wait for */
	EXPECT(item_idle(&it));
	EXPECT(queue_work(wq, &it.work));
	item_release(&blocker);
	wait_for(item_started(&it) == 1);

	thread_start(&t, do_cancel_sync, &it.work); /* running */
	EXPECT(thread_asleep(&t));
	item_allow(&it, 1);
	EXPECT_EQ(thread_join(&t), false);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!cancel_work_sync(&it.work)); /* done */

	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 2);
	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_cancel_sync, &it.work); /* running and pending */
	EXPECT(thread_asleep(&t));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT(item_idle(&it));
	flush_workqueue(wq);
	EXPECT_EQ(item_started(&it), 2);
	destroy_workqueue(wq);
}

TEST(sync_results_percpu)
{
	sync_results_on(alloc_workqueue("cancel", WQ_PERCPU, 1));
}

TEST(sync_results_unbound)
{
	sync_results_on(alloc_workqueue("cancel", WQ_UNBOUND, 1));
}

TEST(sync_results_ordered)
{
	sync_results_on(alloc_ordered_workqueue("cancel", 0));
}

/* It may also be another queue's thread that cancels, or an item. */
static struct item *victim;
static _Atomic int cancel_result;

static void cancel_victim(struct item *it)
{
	(void)it;
	atomic_store(&cancel_result, cancel_work_sync(&victim->work));
}

TEST(cancel_from_an_item)
{
	struct workqueue_struct *wq = alloc_workqueue("cancel", WQ_UNBOUND, 1);
	struct item it, blocker;

	item_init_held(&blocker);
	victim = &blocker;
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &blocker.work));
	item_init(&it);
	it.hook = cancel_victim;
	EXPECT(queue_work(system_wq, &it.work));
	wait_for(!work_pending(&blocker.work) && item_started(&it));
	item_release(&blocker);
	wait_for(item_runs(&it));
	EXPECT_EQ(cancel_result, true);
	EXPECT_EQ(item_runs(&blocker), 1);
	destroy_workqueue(wq);
}

static struct workqueue_struct *own_wq;
static _Atomic int own_first, own_cancel, own_again;

static void cancel_own_hook(struct item *it)
{
	if (item_started(it) > 1)
		return;
	atomic_store(&own_first, cancel_work(&it->work));
	EXPECT(queue_work(own_wq, &it->work));
	atomic_store(&own_cancel, cancel_work(&it->work));
	atomic_store(&own_again, queue_work(own_wq, &it->work));
}

TEST(cancel_own_requeue)
{
	struct item it;

	own_wq = alloc_workqueue("own", WQ_PERCPU, 0);
	item_init(&it);
	it.hook = cancel_own_hook;
	EXPECT(queue_work(own_wq, &it.work));
	wait_for(item_runs(&it) == 2);
	flush_workqueue(own_wq);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(own_first, false);
	EXPECT_EQ(own_cancel, true);
	EXPECT_EQ(own_again, true);
	destroy_workqueue(own_wq);
}

/* An item that requeues itself for ever does not outrun a cancel_sync. */
static void for_ever_tail(struct item *it)
{
	queue_work(own_wq, &it->work);
}

static void for_ever_on(struct workqueue_struct *wq)
{
	struct item it;
	int i, runs;

	own_wq = wq;
	item_init(&it);
	it.tail = for_ever_tail;
	for (i = 0; i < 200; i++) {
		runs = item_started(&it);
		EXPECT(queue_work(wq, &it.work));
		wait_for(item_started(&it) > runs + i % 5);
		cancel_work_sync(&it.work);
		EXPECT(item_idle(&it));
		runs = item_started(&it);
		EXPECT_EQ(item_runs(&it), runs);
		flush_workqueue(wq);
		EXPECT_EQ(item_started(&it), runs);
	}
	EXPECT_EQ(it.overlaps, 0);
	destroy_workqueue(wq);
}

TEST(self_requeue_percpu)
{
	for_ever_on(alloc_workqueue("ever", WQ_PERCPU, 0));
}

TEST(self_requeue_unbound)
{
	for_ever_on(alloc_workqueue("ever", WQ_UNBOUND, 0));
}

TEST(self_requeue_ordered)
{
	for_ever_on(alloc_ordered_workqueue("ever", 0));
}

static void rearm_tail(struct item *it)
{
	queue_delayed_work(own_wq, &it->dwork, it->arg);
}

static long do_cancel_delayed_sync(void *arg)
{
	return cancel_delayed_work_sync(arg);
}

/* One that arms its own timer neither. */
TEST(self_rearm)
{
	struct item it;
	int i, runs;

	own_wq = alloc_workqueue("ever", WQ_UNBOUND, 0);
	item_init(&it);
	it.tail = rearm_tail;
	for (i = 0; i < 200; i++) {
		it.arg = i % 3;
		EXPECT(queue_delayed_work(own_wq, &it.dwork, 0));
		runs = item_started(&it);
		wait_for(item_started(&it) > runs);
		cancel_delayed_work_sync(&it.dwork);
		EXPECT(item_idle(&it));
		runs = item_started(&it);
		flush_workqueue(own_wq);
		EXPECT_EQ(item_started(&it), runs);
	}
	destroy_workqueue(own_wq);
}

static _Atomic int requeue_result;

static void note_requeue(struct item *it)
{
	atomic_store(&requeue_result, queue_work(own_wq, &it->work));
}

/* While a cancel_sync waits, everybody's queueing is refused. */
TEST(refused_during_cancel_sync)
{
	struct item it;
	struct thread t;

	own_wq = alloc_workqueue("refuse", WQ_UNBOUND, 0);
	atomic_store(&requeue_result, -1);
	item_init_held(&it);
	it.tail = note_requeue;
	EXPECT(queue_work(own_wq, &it.work));
	wait_for(item_started(&it) == 1);
	thread_start(&t, do_cancel_sync, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT(!queue_work(own_wq, &it.work));
	EXPECT(!queue_work_on(nth_cpu(0), system_wq, &it.work));
	EXPECT(!queue_delayed_work(own_wq, &it.dwork, 0));
	EXPECT(!queue_delayed_work(own_wq, &it.dwork, 1));
	EXPECT(!mod_delayed_work(own_wq, &it.dwork, 0));
	EXPECT(!mod_delayed_work(own_wq, &it.dwork, 1));
	EXPECT(!work_pending(&it.work));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), false);
	EXPECT_EQ(requeue_result, false);
	EXPECT_EQ(item_started(&it), 1);
	EXPECT(item_idle(&it));
	/* Afterwards all is as before. */
	it.tail = NULL;
	EXPECT(queue_work(own_wq, &it.work));
	flush_workqueue(own_wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(own_wq);
}

static void several_on(struct workqueue_struct *wq)
{
	struct thread t[8];
	struct item it;
	int i, won;

	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_work(wq, &it.work));
	for (i = 0; i < 8; i++)
		thread_start(&t[i], do_cancel_sync, &it.work);
	for (i = 0; i < 8; i++)
		EXPECT(thread_asleep(&t[i]));
	EXPECT(!queue_work(wq, &it.work));
	item_release(&it);
	for (i = 0, won = 0; i < 8; i++)
		won += thread_join(&t[i]) != 0;
	EXPECT_EQ(won, 1);
	EXPECT_EQ(item_started(&it), 1);
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(several_callers_percpu)
{
	several_on(alloc_workqueue("several", WQ_PERCPU, 0));
}

TEST(several_callers_unbound)
{
	several_on(alloc_workqueue("several", WQ_UNBOUND, 0));
}

/* The same as a race, from the pending state and from an armed timer. */
static pthread_barrier_t lap;
static struct counter lap_true;

static long cancel_laps(void *arg)
{
	struct item *it = arg;
	int i;

	for (i = 0; i < 500; i++) {
		pthread_barrier_wait(&lap);
		if (cancel_delayed_work_sync(&it->dwork))
			counter_inc(&lap_true);
		pthread_barrier_wait(&lap);
	}
	return 0;
}

TEST(several_callers_race)
{
	struct workqueue_struct *wq = alloc_workqueue("race", WQ_UNBOUND, 0);
	struct thread t[3];
	struct item it;
	int i, runs = 0;

	item_init(&it);
	pthread_barrier_init(&lap, NULL, 4);
	for (i = 0; i < 3; i++)
		thread_start(&t[i], cancel_laps, &it);
	for (i = 0; i < 500; i++) {
		atomic_store(&lap_true.value, 0);
		EXPECT(queue_delayed_work(wq, &it.dwork,
					  i % 2 ? 100000 : i % 3));
		pthread_barrier_wait(&lap);
		pthread_barrier_wait(&lap);
		/* Either it ran, or one of them has it. */
		EXPECT_EQ(item_runs(&it) - runs + counter_get(&lap_true), 1);
		EXPECT(item_idle(&it));
		runs = item_runs(&it);
	}
	for (i = 0; i < 3; i++)
		thread_join(&t[i]);
	pthread_barrier_destroy(&lap);
	destroy_workqueue(wq);
}

/* Cancels against queueings on two CPUs: every true is one run or one cancel. */
struct tally {
	struct workqueue_struct *wq;
	struct item *it;
	_Atomic bool stop;
	long queued;
	long cancelled;
};

static long queue_often(void *arg)
{
	struct tally *tally = arg;

	while (!atomic_load(&tally->stop))
		tally->queued += queue_work(tally->wq, &tally->it->work);
	return 0;
}

static void accounting_on(struct workqueue_struct *wq)
{
	struct tally tally[2] = { { .wq = wq }, { .wq = wq } };
	struct thread t[2];
	long cancelled = 0;
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < 2; i++) {
		tally[i].it = &it;
		thread_start(&t[i], queue_often, &tally[i]);
	}
	for (i = 0; i < 3000; i++) {
		cancelled += cancel_work(&it.work);
		cancelled += i % 8 ? 0 : cancel_work_sync(&it.work);
	}
	for (i = 0; i < 2; i++)
		atomic_store(&tally[i].stop, true);
	for (i = 0; i < 2; i++)
		thread_join(&t[i]);
	cancelled += cancel_work_sync(&it.work);
	EXPECT_EQ(item_runs(&it) + cancelled,
		  tally[0].queued + tally[1].queued);
	EXPECT_EQ(it.overlaps, 0);
	EXPECT(item_idle(&it));
	destroy_workqueue(wq);
}

TEST(accounting_percpu)
{
	accounting_on(alloc_workqueue("tally", WQ_PERCPU, 0));
}

TEST(accounting_unbound)
{
	accounting_on(alloc_workqueue("tally", WQ_UNBOUND, 0));
}

TEST(accounting_ordered)
{
	accounting_on(alloc_ordered_workqueue("tally", 0));
}

TEST(disable_nests)
{
	struct workqueue_struct *wq = alloc_workqueue("nest", WQ_UNBOUND, 0);
	struct item it;

	item_init(&it);
	EXPECT(!disable_work(&it.work));
	EXPECT(!disable_work(&it.work));
	EXPECT(!disable_work_sync(&it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(item_idle(&it));
	EXPECT(!enable_work(&it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(!enable_work(&it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(enable_work(&it.work));
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(wq);
}

static void disable_results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;
	struct thread t;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &it.work));
	EXPECT(disable_work(&it.work)); /* pending */
	EXPECT(item_idle(&it));
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	EXPECT(disable_work_sync(&it.work)); /* pending */
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	item_release(&blocker);
	wait_for(item_started(&it) == 1);

	EXPECT(!disable_work(&it.work)); /* running: does not wait */
	EXPECT_EQ(item_runs(&it), 0);
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(enable_work(&it.work));

	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_disable_sync, &it.work); /* running and pending */
	EXPECT(thread_asleep(&t));
	EXPECT(!queue_work(wq, &it.work));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!queue_work(wq, &it.work)); /* stays disabled */
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(disable_results_percpu)
{
	disable_results_on(alloc_workqueue("dis", WQ_PERCPU, 1));
}

TEST(disable_results_unbound)
{
	disable_results_on(alloc_workqueue("dis", WQ_UNBOUND, 1));
}

/* cancel_sync's own disabling does not mix with the program's. */
TEST(disable_and_cancel_sync)
{
	struct workqueue_struct *wq = alloc_workqueue("mix", WQ_UNBOUND, 0);
	struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(!disable_work(&it.work));
	EXPECT(!cancel_work(&it.work));
	EXPECT(!cancel_work_sync(&it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(enable_work(&it.work));

	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	thread_start(&t, do_cancel_sync, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT(!disable_work(&it.work));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), false);
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(enable_and_queue)
{
	struct workqueue_struct *wq = alloc_workqueue("enq", WQ_PERCPU, 0);
	struct item it;

	item_init(&it);
	EXPECT(!disable_work(&it.work));
	EXPECT(!disable_work(&it.work));
	EXPECT(!enable_and_queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 0);
	EXPECT(enable_and_queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(wq);
}

TEST(enable_unbalanced)
{
	struct item it;

	item_init(&it);
	EXPECT(enable_work(&it.work));
	wait_for(log_has("enable"));
	EXPECT(queue_work(system_dfl_wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	/* The one too many does not count for the next disable. */
	EXPECT(!disable_work(&it.work));
	EXPECT(!queue_work(system_dfl_wq, &it.work));
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(system_dfl_wq, &it.work));
	wait_for(item_runs(&it) == 2);
}

#define DEEPEST 65535

TEST(disable_depth)
{
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < DEEPEST; i++)
		EXPECT(!disable_work(&it.work));
	EXPECT(!queue_work(system_dfl_wq, &it.work));
	EXPECT(!log_has("isable"));
	/* One more is reported and does not wrap. */
	disable_work(&it.work);
	wait_for(log_has("isable"));
	EXPECT(!queue_work(system_dfl_wq, &it.work));
	for (i = 0; i < DEEPEST - 1; i++)
		EXPECT(!enable_work(&it.work));
	EXPECT(!queue_work(system_dfl_wq, &it.work));
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(system_dfl_wq, &it.work));
	wait_for(item_runs(&it) == 1);
}

TEST(delayed_forms)
{
	struct workqueue_struct *wq = alloc_workqueue("late", WQ_UNBOUND, 0);
	struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(!cancel_delayed_work(&it.dwork));
	EXPECT(!cancel_delayed_work_sync(&it.dwork));
	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	EXPECT(cancel_delayed_work(&it.dwork));
	EXPECT(item_idle(&it));
	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	EXPECT(cancel_delayed_work_sync(&it.dwork));

	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	EXPECT(disable_delayed_work(&it.dwork));
	EXPECT(item_idle(&it));
	EXPECT(!queue_delayed_work(wq, &it.dwork, 1));
	EXPECT(!queue_delayed_work(wq, &it.dwork, 0));
	EXPECT(!disable_delayed_work_sync(&it.dwork));
	EXPECT(!enable_delayed_work(&it.dwork));
	EXPECT(enable_delayed_work(&it.dwork));

	EXPECT(queue_delayed_work(wq, &it.dwork, 1));
	wait_for(item_started(&it) == 1);
	EXPECT(!cancel_delayed_work(&it.dwork));
	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	thread_start(&t, do_cancel_delayed_sync, &it.dwork);
	EXPECT(thread_asleep(&t));
	EXPECT(!delayed_work_pending(&it.dwork));
	EXPECT(!queue_delayed_work(wq, &it.dwork, 0));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_started(&it), 1);
	destroy_workqueue(wq);
}

/* After cancel_sync the item's memory is the caller's again. */
TEST(free_after_cancel_sync)
{
	struct workqueue_struct *wq = alloc_workqueue("free", WQ_PERCPU, 0);
	struct item *it;
	int i;

	for (i = 0; i < 3000; i++) {
		it = malloc(sizeof(*it));
		ASSERT(it);
		item_init(it);
		if (i % 2)
			queue_work(wq, &it->work);
		else
			queue_delayed_work(wq, &it->dwork, i % 3);
		cancel_delayed_work_sync(&it->dwork);
		memset(it, 0x6b, sizeof(*it));
		free(it);
	}
	destroy_workqueue(wq);
}
