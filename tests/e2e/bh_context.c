/* SPDX-License-Identifier: MIT */
/*
 * bh_context.c - what is different in an item of a BH workqueue: it is nobody's
 * worker, may wait for items on other CPUs and not for what only runs after itself,
 * and must not sleep, which a debug build reports.
 */
#include "harness.h"

static struct item inner;
static struct workqueue_struct *context_wq;
static long results[4];

/* Where items are held, they sleep. */
static void make_queue(void)
{
	context_wq = alloc_workqueue("soft", WQ_BH, 0);
	ASSERT(context_wq);
	log_ignore("slept");
}

static void run_in_bh(void (*hook)(struct item *it), int cpu)
{
	struct item it;

	item_init(&it);
	it.hook = hook;
	EXPECT(queue_work_on(cpu, context_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	flush_workqueue(context_wq);
}

static void be_nobody(struct item *it)
{
	(void)it;
	EXPECT(!current_work());
	set_worker_desc("%s", "nobody");
	cmwq_blocking_begin();
	cmwq_blocking_end();
	EXPECT(!current_work());
}

TEST(no_current_work)
{
	make_queue();
	run_in_bh(be_nobody, nth_cpu(0));
	destroy_workqueue(context_wq);
}

static void requeue_on_own(struct item *it)
{
	results[0] = queue_work(context_wq, &it->work);
}

static long do_drain(void *arg)
{
	drain_workqueue(arg);
	return 0;
}

/* It is an outsider there: "true", a warning, dropped. */
TEST(requeue_in_a_drain_is_dropped)
{
	struct thread t;
	struct item it;

	make_queue();
	item_init_held(&it);
	it.tail = requeue_on_own;
	EXPECT(queue_work(context_wq, &it.work));
	wait_for(item_started(&it));
	thread_start(&t, do_drain, context_wq);
	EXPECT(thread_asleep(&t));
	item_release(&it);
	thread_join(&t);
	EXPECT_EQ(results[0], true);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!work_pending(&it.work));
	wait_for(log_has_both("soft", "draining"));
	it.tail = NULL;
	EXPECT(queue_work(context_wq, &it.work));
	destroy_workqueue(context_wq);
	EXPECT_EQ(item_runs(&it), 2);
}

static void wait_for_inner(struct item *it)
{
	(void)it;
	results[0] = flush_work(&inner.work);
	results[1] = item_runs(&inner);
}

static void cancel_inner(struct item *it)
{
	(void)it;
	results[0] = cancel_work_sync(&inner.work);
	results[1] = item_runs(&inner);
	results[2] = disable_work_sync(&inner.work);
	results[3] = enable_work(&inner.work);
}

/* An item on another CPU may be waited for. */
static void across(void (*hook)(struct item *it), bool result)
{
	struct item it;

	need_cpus(2);
	make_queue();
	item_init_held(&inner);
	EXPECT(queue_work_on(nth_cpu(1), context_wq, &inner.work));
	wait_for(item_started(&inner));
	item_init(&it);
	it.hook = hook;
	EXPECT(queue_work_on(nth_cpu(0), context_wq, &it.work));
	wait_for(item_started(&it));
	wait_asleep_tid(it.tid);
	EXPECT(!item_runs(&it));
	item_release(&inner);
	wait_for(item_runs(&it) == 1);
	EXPECT_EQ(results[0], result);
	EXPECT_EQ(results[1], 1);
	destroy_workqueue(context_wq);
}

TEST(flush_across_cpus)
{
	across(wait_for_inner, true);
}

TEST(cancel_across_cpus)
{
	across(cancel_inner, false);
	EXPECT_EQ(results[2], false);
	EXPECT_EQ(results[3], true);
}

static void wait_for_oneself(struct item *it)
{
	results[0] = flush_work(&it->work);
	results[1] = cancel_work_sync(&it->work);
	results[2] = disable_work_sync(&it->work);
	results[3] = enable_work(&it->work);
}

TEST(waiting_for_oneself)
{
	make_queue();
	run_in_bh(wait_for_oneself, nth_cpu(0));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(results[i], i == 3);
	EXPECT_EQ(log_count("waits for itself"), 3);
	EXPECT(log_has_both("waits for itself", "soft"));
	destroy_workqueue(context_wq);
}

static void wait_for_the_next(struct item *it)
{
	EXPECT(queue_work_on(it->cpu, context_wq, &inner.work));
	results[0] = flush_work(&inner.work);
	EXPECT(!item_started(&inner));
	/* Taking it back is another matter. */
	results[1] = cancel_work_sync(&inner.work);
	EXPECT(queue_work_on(it->cpu, system_bh_highpri_wq, &inner.work));
	results[2] = flush_work(&inner.work);
}

TEST(waiting_for_the_same_cpu)
{
	make_queue();
	item_init(&inner);
	run_in_bh(wait_for_the_next, nth_cpu(0));
	flush_work(&inner.work);
	EXPECT_EQ(item_runs(&inner), 1);
	EXPECT_EQ(results[0], false);
	EXPECT_EQ(results[1], true);
	EXPECT_EQ(results[2], false);
	EXPECT_EQ(log_count("cannot start before it is done"), 2);
	EXPECT(log_has_both("cannot start before it is done", "soft"));
	destroy_workqueue(context_wq);
}

static void wait_for_queues(struct item *it)
{
	(void)it;
	flush_workqueue(context_wq);
	drain_workqueue(context_wq);
	flush_workqueue(system_bh_wq);
	destroy_workqueue(context_wq);
	flush_workqueue(system_wq);
}

/* Of a queue with threads it may, though it should not. */
TEST(waiting_for_queues)
{
	struct item it;

	make_queue();
	item_init(&it);
	EXPECT(queue_work(system_wq, &it.work));
	run_in_bh(wait_for_queues, nth_cpu(0));
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(log_has_both("soft", "flushed by its own item"));
	EXPECT(log_has_both("soft", "drained by its own item"));
	EXPECT(log_has_both("soft", "destroyed by its own item"));
	EXPECT(log_has_both("events_bh", "flushed by the BH item"));
	destroy_workqueue(context_wq);
}

/* --- items that sleep --- */

static void nap_shortly(struct item *it)
{
	(void)it;
	usleep(1000);
}

/* Each function is named once; not those that compute. */
TEST(sleeping_is_reported)
{
	struct item it;

#ifndef CMWQ_LOCKDEP
	skip("in debug builds");
#endif
	context_wq = alloc_workqueue("soft", WQ_BH, 0);
	item_init(&it);
	for (int i = 1; i <= 3; i++) {
		EXPECT(queue_work(context_wq, &it.work));
		wait_for(item_runs(&it) == i);
	}
	flush_workqueue(context_wq);
	EXPECT_EQ(log_count("slept"), 0);
	it.hook = nap_shortly;
	for (int i = 4; i <= 6; i++) {
		EXPECT(queue_work(context_wq, &it.work));
		wait_for(item_runs(&it) == i);
	}
	flush_workqueue(context_wq);
	wait_for(log_has_both("slept", "soft"));
	EXPECT_EQ(log_count("slept"), 1);
	destroy_workqueue(context_wq);
}

TEST(waiting_for_threads_is_reported)
{
	struct item it;

#ifndef CMWQ_LOCKDEP
	skip("in debug builds");
#endif
	context_wq = alloc_workqueue("soft", WQ_BH, 0);
	item_init_held(&inner);
	EXPECT(queue_work(system_wq, &inner.work));
	wait_for(item_started(&inner));
	item_init(&it);
	it.hook = wait_for_inner;
	EXPECT(queue_work(context_wq, &it.work));
	wait_for(log_has_both("slept", "soft"));
	item_release(&inner);
	wait_for(item_runs(&it) == 1);
	EXPECT_EQ(results[0], true);
	destroy_workqueue(context_wq);
}
