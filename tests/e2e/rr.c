/* SPDX-License-Identifier: MIT */
/*
 * rr.c - workqueue.debug_force_rr_cpu: items that name no CPU go round.
 */
#include "harness.h"

#define ON     "workqueue.debug_force_rr_cpu=1"
#define ROUNDS 20

static struct item it;

static int cpu_of(struct workqueue_struct *wq, bool (*queue)(void *wq))
{
	int before = item_runs(&it);

	EXPECT(queue(wq));
	wait_for(item_runs(&it) == before + 1);
	wait_for(item_idle(&it));
	return it.cpu;
}

static bool by_queue_work(void *wq)
{
	return queue_work(wq, &it.work);
}

static bool by_delay(void *wq)
{
	return queue_delayed_work(wq, &it.dwork, 1);
}

static bool by_batch(void *wq)
{
	struct work_struct *works = &it.work;

	return cmwq_queue_work_batch(wq, &works, 1) == 1;
}

/* Every CPU gets its share, whichever one it is queued from. */
static void goes_round(bool (*queue)(void *wq))
{
	struct workqueue_struct *wq = alloc_workqueue("rr", WQ_PERCPU, 0);
	int *runs = calloc((size_t)nr_possible(), sizeof(*runs));

	need_cpus(2);
	pin_to(nth_cpu(0));
	item_init(&it);
	for (int i = 0; i < ROUNDS * nr_allowed(); i++)
		runs[cpu_of(wq, queue)]++;
	for (int i = 0; i < nr_allowed(); i++)
		EXPECT_EQ(runs[nth_cpu(i)], ROUNDS);
	free(runs);
	destroy_workqueue(wq);
}

TEST(queue_work, .params = ON)
{
	goes_round(by_queue_work);
}

TEST(delayed, .params = ON)
{
	goes_round(by_delay);
}

TEST(batch, .params = ON)
{
	goes_round(by_batch);
}

/* An item that names its CPU runs there. */
TEST(named_cpu, .params = ON)
{
	need_cpus(2);
	for (int i = 0; i < 20; i++) {
		item_init(&it);
		EXPECT(queue_work_on(nth_cpu(1), system_percpu_wq, &it.work));
		flush_work(&it.work);
		EXPECT_EQ(it.cpu, nth_cpu(1));
	}
}

/* The items of an unbound queue go to each pod in turn. */
TEST(unbound, .params = ON)
{
	struct workqueue_struct *wq = alloc_workqueue("rr", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	int other = 0;

	need_cpus(2);
	attrs->affn_scope = WQ_AFFN_CPU;
	attrs->affn_strict = true;
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	pin_to(nth_cpu(0));
	item_init(&it);
	for (int i = 0; i < ROUNDS * nr_allowed(); i++)
		other += cpu_of(wq, by_queue_work) != nth_cpu(0);
	EXPECT_EQ(other, ROUNDS * (nr_allowed() - 1));
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

/* Workqueues that are there follow, in both directions. */
TEST(set_at_run_time)
{
	need_cpus(2);
	pin_to(nth_cpu(0));
	item_init(&it);
	for (int on = 0; on < 4; on++) {
		int other = 0;

		set_param("workqueue.debug_force_rr_cpu", on % 2);
		for (int i = 0; i < ROUNDS * nr_allowed(); i++)
			other += cpu_of(system_percpu_wq, by_queue_work) !=
				 nth_cpu(0);
		EXPECT_EQ(other, on % 2 ? ROUNDS * (nr_allowed() - 1) : 0);
	}
}
