/* SPDX-License-Identifier: MIT */
/*
 * own_cpus - items of an unbound workqueue that bind their thread to a CPU for as long as
 * they run stay there, though other CPUs idle and more work waits.
 */
#include "harness.h"

#define MAX_ITEMS 4 /* on more CPUs no worker is moved */
#define ROUNDS	  20

struct bound_item {
	struct work_struct work;
	_Atomic bool started;
	bool moved;
};

static struct bound_item bound_item[MAX_ITEMS];
static struct work_struct last;
static _Atomic bool last_ran;
static cpu_set_t one;

static void last_func(struct work_struct *work)
{
	(void)work;
	atomic_store(&last_ran, true);
}

/* Computes until the one that waits behind has been run. */
static void bound_func(struct work_struct *work)
{
	struct bound_item *item = from_work(item, work, work);
	cpu_set_t before, now;

	sched_getaffinity(0, sizeof(before), &before);
	sched_setaffinity(0, sizeof(one), &one);
	atomic_store(&item->started, true);
	while (!atomic_load(&last_ran)) {
		sched_getaffinity(0, sizeof(now), &now);
		item->moved |= !CPU_EQUAL(&now, &one);
	}
	sched_setaffinity(0, sizeof(before), &before);
}

TEST(items_that_bind_their_thread)
{
	struct workqueue_struct *wq = alloc_workqueue("bound", WQ_UNBOUND, 0);
	cpu_set_t all;
	int nr, cpu;

	need_param("cmwq.tick"); /* without it nothing starts beside these */
	sched_getaffinity(0, sizeof(all), &all);
	nr = CPU_COUNT(&all);
	if (nr < 2)
		skip("one CPU");
	if (nr > MAX_ITEMS)
		nr = MAX_ITEMS;
	for (cpu = 0; !CPU_ISSET(cpu, &all); cpu++)
		;
	CPU_SET(cpu, &one);
	INIT_WORK(&last, last_func);
	for (int round = 0; round < ROUNDS; round++) {
		atomic_store(&last_ran, false);
		for (int i = 0; i < nr; i++) {
			atomic_store(&bound_item[i].started, false);
			INIT_WORK(&bound_item[i].work, bound_func);
			ASSERT(queue_work(wq, &bound_item[i].work));
			wait_for(atomic_load(&bound_item[i].started));
		}
		ASSERT(queue_work(wq, &last));
		wait_for(atomic_load(&last_ran));
		flush_workqueue(wq);
		for (int i = 0; i < nr; i++)
			EXPECT(!bound_item[i].moved);
	}
	destroy_workqueue(wq);
}
