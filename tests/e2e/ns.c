/* SPDX-License-Identifier: MIT */
/*
 * ns.c - delayed work with delays in nanoseconds: never early, the results of
 * queue_delayed_work() and mod_delayed_work() in every state.
 */
#include "harness.h"

#define FAR 1000000000000ULL

TEST(never_early)
{
	static struct item it[300];
	static uint64_t due[300];
	struct workqueue_struct *wq = alloc_workqueue("ns", WQ_UNBOUND, 0);
	struct rng rng = rng_make(1);

	for (int i = 0; i < 300; i++) {
		uint64_t delay = rng_below(&rng, 30000000);

		item_init(&it[i]);
		due[i] = now_ns() + delay;
		EXPECT(cmwq_queue_delayed_work_ns(wq, &it[i].dwork, delay));
	}
	wait_for(items_finished(it, 300) == 300);
	for (int i = 0; i < 300; i++) {
		EXPECT_EQ(item_runs(&it[i]), 1);
		EXPECT_OP(it[i].at, >=, due[i]);
	}
	destroy_workqueue(wq);
}

/* One after the other: the timer thread is asleep when the next is armed. */
TEST(never_early_single)
{
	struct rng rng = rng_make(2);
	struct item it;

	item_init(&it);
	for (int i = 0; i < 200; i++) {
		uint64_t delay = rng_below(&rng, 3000000);
		uint64_t due = now_ns() + delay;

		EXPECT(cmwq_queue_delayed_work_ns(system_wq, &it.dwork, delay));
		wait_for(item_runs(&it) == i + 1);
		EXPECT_OP(it.at, >=, due);
	}
}

/* A later one in nanoseconds does not wait for an earlier one in jiffies, nor does
 * an earlier one hold it up. */
TEST(among_jiffies)
{
	struct item early, late, far;

	item_init(&early);
	item_init(&late);
	item_init(&far);
	EXPECT(schedule_delayed_work(&far.dwork, 1000000));
	EXPECT(cmwq_queue_delayed_work_ns(system_wq, &late.dwork, 20000000));
	EXPECT(cmwq_queue_delayed_work_ns(system_wq, &early.dwork, 300000));
	wait_for(item_runs(&late) == 1);
	EXPECT_EQ(item_runs(&early), 1);
	EXPECT_OP(early.order, <, late.order);
	EXPECT_EQ(item_runs(&far), 0);
	EXPECT(cancel_delayed_work_sync(&far.dwork));
}

TEST(results)
{
	struct workqueue_struct *wq = alloc_workqueue("ns", WQ_PERCPU, 0);
	struct item it;

	item_init(&it);
	EXPECT(cmwq_queue_delayed_work_ns(wq, &it.dwork, FAR));
	EXPECT(!cmwq_queue_delayed_work_ns(wq, &it.dwork, 0));
	EXPECT(!queue_delayed_work(wq, &it.dwork, 0));
	EXPECT(cmwq_mod_delayed_work_ns(wq, &it.dwork, FAR / 2));
	EXPECT(mod_delayed_work(wq, &it.dwork, 1000000));
	EXPECT(cmwq_mod_delayed_work_ns(wq, &it.dwork, 1));
	wait_for(item_runs(&it) == 1);
	EXPECT(!cmwq_mod_delayed_work_ns(wq, &it.dwork, FAR));
	flush_delayed_work(&it.dwork);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT(cmwq_queue_delayed_work_ns(wq, &it.dwork, ULLONG_MAX));
	EXPECT(cancel_delayed_work(&it.dwork));
	EXPECT(!disable_delayed_work(&it.dwork));
	EXPECT(!cmwq_queue_delayed_work_ns(wq, &it.dwork, 1000));
	EXPECT(!cmwq_mod_delayed_work_ns(wq, &it.dwork, 1000));
	EXPECT(item_idle(&it));
	EXPECT(enable_delayed_work(&it.dwork));
	destroy_workqueue(wq);
}

/* 0 is queue_work(): a flush of the queue sees it. */
TEST(delay_zero)
{
	struct workqueue_struct *wq = alloc_workqueue("ns", WQ_UNBOUND, 0);
	struct item it;

	item_init(&it);
	for (int i = 1; i <= 100; i++) {
		if (i % 2)
			EXPECT(cmwq_queue_delayed_work_ns(wq, &it.dwork, 0));
		else
			EXPECT(!cmwq_mod_delayed_work_ns(wq, &it.dwork, 0));
		flush_workqueue(wq);
		EXPECT_EQ(item_runs(&it), i);
	}
	destroy_workqueue(wq);
}

TEST(runs_on_the_arming_cpu)
{
	struct item it;

	need_cpus(2);
	for (int i = 0; i < 20; i++) {
		pin_to(nth_cpu(i % 2));
		item_init(&it);
		EXPECT(cmwq_queue_delayed_work_ns(system_percpu_wq, &it.dwork,
						  100000));
		wait_for(item_runs(&it) == 1);
		EXPECT_EQ(it.cpu, nth_cpu(i % 2));
	}
}

TEST(bad_input)
{
	static struct delayed_work never;
	struct item it;

	item_init(&it);
	EXPECT(!cmwq_queue_delayed_work_ns(NULL, &it.dwork, 1));
	EXPECT(!cmwq_mod_delayed_work_ns(NULL, &it.dwork, 1));
	EXPECT(!cmwq_queue_delayed_work_ns(system_wq, NULL, 1));
	EXPECT(!cmwq_mod_delayed_work_ns(system_wq, NULL, 1));
	EXPECT(!cmwq_queue_delayed_work_ns(system_wq, &never, 1));
	EXPECT(!cmwq_mod_delayed_work_ns(system_wq, &never, 1));
	wait_for(log_count("workqueue NULL is not one") == 2 &&
		 log_count("NULL work item for workqueue events") == 2 &&
		 log_count("uninitialised work item") == 2);
	log_clear();
	check_library_works();
}
