/* SPDX-License-Identifier: MIT */
/*
 * call.c - schedule_on_each_cpu(), work_on_cpu(), execute_in_process_context().
 */
#include "harness.h"

#include <cmwq/cpumask.h>

static struct counter calls[8192];
static struct counter all;

static void note_cpu(struct work_struct *work)
{
	(void)work;
	counter_inc(&calls[sched_getcpu()]);
	counter_inc(&all);
}

TEST(each_cpu)
{
	for (int round = 1; round <= 50; round++) {
		EXPECT_EQ(schedule_on_each_cpu(note_cpu), 0);
		EXPECT_EQ(counter_get(&all), round * nr_allowed());
		for (int i = 0; i < nr_allowed(); i++)
			EXPECT_EQ(counter_get(&calls[nth_cpu(i)]), round);
	}
}

TEST(each_cpu_with_one, .one_cpu = true)
{
	EXPECT_EQ(schedule_on_each_cpu(note_cpu), 0);
	EXPECT_EQ(counter_get(&all), 1);
}

/* They are waited for, all of them, and run side by side. */
static void meet(struct work_struct *work)
{
	(void)work;
	counter_inc(&calls[0]);
	counter_wait(&calls[0], nr_allowed());
	counter_inc(&all);
}

TEST(each_cpu_waits)
{
	EXPECT_EQ(schedule_on_each_cpu(meet), 0);
	EXPECT_EQ(counter_get(&all), nr_allowed());
}

static void nested(struct item *it)
{
	(void)it;
	EXPECT_EQ(schedule_on_each_cpu(note_cpu), 0);
}

TEST(each_cpu_from_an_item)
{
	struct item it;

	item_init(&it);
	it.hook = nested;
	for (int i = 1; i <= 20; i++) {
		EXPECT(schedule_work(&it.work));
		flush_work(&it.work);
		EXPECT_EQ(counter_get(&all), i * nr_allowed());
	}
}

static long each_from_thread(void *arg)
{
	for (int i = 0; i < 20; i++)
		EXPECT_EQ(schedule_on_each_cpu(note_cpu), 0);
	return (long)(intptr_t)arg;
}

TEST(each_cpu_from_threads)
{
	static struct thread thread[4];

	for (int i = 0; i < 4; i++)
		thread_start(&thread[i], each_from_thread, NULL);
	for (int i = 0; i < 4; i++)
		thread_join(&thread[i]);
	EXPECT_EQ(counter_get(&all), 4 * 20 * nr_allowed());
}

/* --- work_on_cpu() --- */

static long cpu_plus(void *arg)
{
	return sched_getcpu() + *(long *)arg;
}

TEST(on_cpu)
{
	long add = 0x123456789abL;

	for (int round = 0; round < 20; round++)
		for (int i = 0; i < nr_allowed(); i++)
			EXPECT_EQ(work_on_cpu(nth_cpu(i), cpu_plus, &add),
				  nth_cpu(i) + add);
	EXPECT_EQ(work_on_cpu_key(nth_cpu(0), cpu_plus, &add, &add),
		  nth_cpu(0) + add);
}

static void on_own_cpu(struct item *it)
{
	long add = 1;

	it->arg = work_on_cpu(nth_cpu(0), cpu_plus, &add);
}

TEST(on_cpu_from_an_item_there)
{
	struct item it;

	item_init(&it);
	it.hook = on_own_cpu;
	EXPECT(schedule_work_on(nth_cpu(0), &it.work));
	flush_work(&it.work);
	EXPECT_EQ(it.arg, nth_cpu(0) + 1);
}

/* Where it would wait behind the caller's own item, it is not called later either:
 * its record is gone by then. */
TEST(on_cpu_behind_itself)
{
	struct item it;

	workqueue_set_max_active(system_percpu_wq, 1);
	item_init(&it);
	it.hook = on_own_cpu;
	EXPECT(schedule_work_on(nth_cpu(0), &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT_EQ(it.arg, -EDEADLK);
	log_ignore("");
	workqueue_set_max_active(system_percpu_wq, WQ_DFL_ACTIVE);
	check_library_works();
}

static void each_behind_itself(struct item *it)
{
	it->arg = schedule_on_each_cpu(note_cpu);
}

TEST(each_cpu_behind_itself)
{
	struct item it;

	workqueue_set_max_active(system_percpu_wq, 1);
	item_init(&it);
	it.hook = each_behind_itself;
	EXPECT(schedule_work_on(nth_cpu(0), &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT_EQ(it.arg, -EDEADLK);
	EXPECT_EQ(counter_get(&all), nr_allowed() - 1);
	log_ignore("");
	workqueue_set_max_active(system_percpu_wq, WQ_DFL_ACTIVE);
	check_library_works();
}

/* --- execute_in_process_context() --- */

static struct execute_work ew;
static int ew_tid;

static void execute(struct work_struct *work)
{
	EXPECT(work == &ew.work);
	ew_tid = self_tid();
}

TEST(execute_at_once)
{
	EXPECT_EQ(execute_in_process_context(execute, &ew), 0);
	EXPECT_EQ(ew_tid, self_tid());
}

static void execute_in_item(struct item *it)
{
	it->arg = execute_in_process_context(execute, &ew);
}

TEST(execute_in_an_item)
{
	struct item it;

	item_init(&it);
	it.hook = execute_in_item;
	it.arg = -1;
	EXPECT(schedule_work(&it.work));
	flush_work(&it.work);
	EXPECT_EQ(it.arg, 0);
	EXPECT_EQ(ew_tid, it.tid);
}

static int bh_result;

static void execute_in_bh(struct item *it)
{
	bh_result = execute_in_process_context(execute, &ew);
	it->arg = self_tid();
}

/* It may not sleep there, so a worker calls the function. */
TEST(execute_in_a_bh_item)
{
	struct item it;

	log_ignore("slept"); /* a page fault, or what a sanitizer does */
	item_init(&it);
	it.hook = execute_in_bh;
	EXPECT(queue_work(system_bh_wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(bh_result, 1);
	flush_work(&ew.work);
	EXPECT(ew_tid && ew_tid != it.arg && ew_tid != self_tid());
}

TEST(bad_input)
{
	long add = 0;

	EXPECT_EQ(schedule_on_each_cpu(NULL), -EINVAL);
	EXPECT_EQ(work_on_cpu(nth_cpu(0), NULL, &add), -EINVAL);
	EXPECT_EQ(work_on_cpu(-1, cpu_plus, &add), -EINVAL);
	EXPECT_EQ(work_on_cpu((int)nr_cpu_ids, cpu_plus, &add), -EINVAL);
	EXPECT_EQ(execute_in_process_context(NULL, &ew), -EINVAL);
	EXPECT_EQ(execute_in_process_context(execute, NULL), -EINVAL);
	wait_for(log_count("no such CPU") == 2);
	EXPECT(log_has("schedule_on_each_cpu: no function"));
	EXPECT(log_has("work_on_cpu: no function"));
	EXPECT(log_has("execute_in_process_context: no function"));
	EXPECT(log_has("execute_in_process_context: no struct execute_work"));
	log_clear();
	check_library_works();
}
