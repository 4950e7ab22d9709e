/* SPDX-License-Identifier: MIT */
/*
 * throughput.c - the price of an item, of a requeue and of a timer.
 *
 * Submit: the main thread queues a million items from an array that was
 * initialised, and so paged in, before the clock starts. An item counts itself
 * (count.c). The last item in the array also opens a gate on which the main
 * thread sleeps; items of other workers that are still on their way are then
 * awaited by adding up the counters. The clock stops when all have run.
 *
 * Requeue: an item that queues itself from its own function, counted by
 * itself, since one item never runs twice at once.
 *
 * Timers: arming a delayed work and cancelling it, by one thread.
 */
#include <stdlib.h>
#include <cmwq/workqueue.h>
#include "bench.h"

#define NR_ITEMS  1000000
#define NR_TIMERS 1000
#define FAR_MS	  60000

static struct gate all_done;

static void count_last_item(struct work_struct *work)
{
	count_item(work);
	gate_open(&all_done);
}

static struct work_struct *make_items(void)
{
	struct work_struct *items = malloc(NR_ITEMS * sizeof(*items));
	int i;

	if (!items)
		die("no memory for the items");
	for (i = 0; i < NR_ITEMS - 1; i++)
		INIT_WORK(&items[i], count_item);
	INIT_WORK(&items[NR_ITEMS - 1], count_last_item);
	return items;
}

static void await_all(void)
{
	gate_wait(&all_done);
	await_items(NR_ITEMS);
}

static int submit(struct workqueue_struct *wq)
{
	struct work_struct *items = make_items();
	uint64_t start, queued;
	int i;

	if (!wq)
		die("no workqueue");
	start = now_ns();
	for (i = 0; i < NR_ITEMS; i++) {
		if (!queue_work(wq, &items[i]))
			die("item %d was refused", i);
	}
	queued = now_ns();
	await_all();
	emit("item", (double)(now_ns() - start) / NR_ITEMS);
	emit("producer", (double)(queued - start) / NR_ITEMS);
	emit("workers", workers_seen());
	return BENCH_OK;
}

int submit_unbound1(void)
{
	return submit(alloc_workqueue("unbound1", WQ_UNBOUND, 1));
}

int submit_percpu(void)
{
	return submit(alloc_workqueue("percpu", WQ_PERCPU, 0));
}

int submit_dfl(void)
{
	return submit(system_dfl_wq);
}

int submit_pinned(void)
{
	workqueue_init(); /* with every CPU, before this thread is pinned */
	pin_to(nth_cpu(0));
	return submit(alloc_workqueue("percpu", WQ_PERCPU, 0));
}

int submit_remote(void)
{
	struct workqueue_struct *wq;
	struct work_struct *items;
	uint64_t start;
	int i, cpu;

	if (nr_cpus() < 2)
		return BENCH_SKIP;
	workqueue_init();
	pin_to(nth_cpu(0));
	cpu = nth_cpu(1);
	wq = alloc_workqueue("percpu", WQ_PERCPU, 0);
	items = make_items();
	start = now_ns();
	for (i = 0; i < NR_ITEMS; i++)
		queue_work_on(cpu, wq, &items[i]);
	await_all();
	emit("item", (double)(now_ns() - start) / NR_ITEMS);
	return BENCH_OK;
}

static struct workqueue_struct *requeue_wq;
static int requeues;

static void requeue_item(struct work_struct *work)
{
	if (++requeues == NR_ITEMS)
		gate_open(&all_done);
	else if (!queue_work(requeue_wq, work))
		die("requeue %d was refused", requeues);
}

static int requeue(struct workqueue_struct *wq)
{
	static DECLARE_WORK(work, requeue_item);
	uint64_t start;

	requeue_wq = wq;
	start = now_ns();
	queue_work(wq, &work);
	gate_wait(&all_done);
	emit("item", (double)(now_ns() - start) / NR_ITEMS);
	return BENCH_OK;
}

int requeue_percpu(void)
{
	return requeue(alloc_workqueue("percpu", WQ_PERCPU, 0));
}

int requeue_unbound(void)
{
	return requeue(alloc_workqueue("unbound", WQ_UNBOUND, 0));
}

static void never_item(struct work_struct *work)
{
	(void)work;
	die("a timer of %d ms has run out", FAR_MS);
}

/* One item, armed and cancelled: nanoseconds a pair. */
static double pairs(struct workqueue_struct *wq, struct delayed_work *dw)
{
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < NR_ITEMS; i++) {
		queue_delayed_work(wq, dw, FAR_MS);
		if (!cancel_delayed_work(dw))
			die("pair %d: the armed timer was not pending", i);
	}
	return (double)(now_ns() - start) / NR_ITEMS;
}

/* A thousand are armed, then a thousand cancelled, in another order. */
static double crowd(struct workqueue_struct *wq)
{
	static struct delayed_work dw[NR_TIMERS];
	uint64_t start;
	int i, round;

	for (i = 0; i < NR_TIMERS; i++)
		INIT_DELAYED_WORK(&dw[i], never_item);
	start = now_ns();
	for (round = 0; round < NR_ITEMS / NR_TIMERS; round++) {
		for (i = 0; i < NR_TIMERS; i++)
			queue_delayed_work(wq, &dw[i],
					   FAR_MS + (unsigned long)i * 7);
		for (i = 0; i < NR_TIMERS; i++)
			cancel_delayed_work(&dw[i * 389 % NR_TIMERS]);
	}
	return (double)(now_ns() - start) / NR_ITEMS;
}

int timers(void)
{
	static DECLARE_DELAYED_WORK(dw, never_item);
	static DECLARE_DELAYED_WORK(earlier, never_item);

	emit("pair", pairs(system_percpu_wq, &dw));
	emit("crowd", crowd(system_percpu_wq));
	/* With an earlier timer armed the earliest deadline never moves. */
	queue_delayed_work(system_percpu_wq, &earlier, FAR_MS / 2);
	emit("pair_behind", pairs(system_percpu_wq, &dw));
	cancel_delayed_work_sync(&earlier);
	return BENCH_OK;
}
