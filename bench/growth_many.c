/* SPDX-License-Identifier: MIT */
/*
 * growth_many.c - ten thousand workqueues, ten million timers.
 *
 * Workqueues: the time to allocate and to destroy one while there are few and
 * while there are 10,000; items of a stream that goes to one queue, and round all
 * of them; memory of each.
 *
 * Timers: n are armed, with delays of a minute and more, and cancelled, both in
 * no order. What their being scattered costs by itself is shown by "touch": a word
 * of each is read in that order, one after the other; arming and cancelling reach
 * for three lines, the two of the timer and its neighbour's. Then n are armed for milliseconds to come, 2,500 for each,
 * and the CPU time of the process is read from before the first until the last
 * one's item has run: expiry, queueing and run together. Few are done many times
 * over.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/resource.h>
#include <cmwq/cmwq.h>
#include "bench.h"

#define NR_QUEUES    10000
#define NR_FEW	     100 /* timed at either end */
#define STREAM	     1000000UL
#define MOST_TIMERS  10000000UL
#define TIMED_TIMERS 1000000UL
#define FAR_MS	     60000
#define PER_MS	     2500      /* timers */
#define STRIDE	     7368787UL /* a prime: any n of ours goes round */

static struct workqueue_struct *queues[NR_QUEUES];

static void alloc_queues(int from, int to, unsigned int flags, int max_active)
{
	int i;

	for (i = from; i < to; i++) {
		queues[i] = alloc_workqueue("q%d", flags, max_active, i);
		if (!queues[i])
			die("workqueue %d is not allocated", i);
	}
}

static void destroy_queues(int from, int to)
{
	int i;

	for (i = from; i < to; i++)
		destroy_workqueue(queues[i]);
}

static double us_each(uint64_t start, int n)
{
	return (double)(now_ns() - start) / n / 1e3;
}

/* Ns for an item of a stream over the first @n queues. */
static double stream_over(int n)
{
	struct work_struct *items = malloc(STREAM * sizeof(*items));
	unsigned long i, before = items_run();
	uint64_t start;

	if (!items)
		die("no memory for the items");
	for (i = 0; i < STREAM; i++)
		INIT_WORK(&items[i], count_item);
	start = now_ns();
	for (i = 0; i < STREAM; i++)
		queue_work(queues[i % (unsigned long)n], &items[i]);
	await_items(before + STREAM);
	start = now_ns() - start;
	for (i = 0; i < (unsigned long)n; i++)
		flush_workqueue(queues[i]);
	free(items);
	return (double)start / STREAM;
}

static int workqueues(unsigned int flags, int max_active)
{
	double bytes;
	uint64_t start;

	workqueue_init_topology();
	alloc_queues(0, 1, flags, max_active);
	emit("item_1", stream_over(1));
	destroy_queues(0, 1);
	bytes = own_dirty_bytes();
	start = now_ns();
	alloc_queues(0, NR_FEW, flags, max_active);
	emit("alloc_few", us_each(start, NR_FEW));
	alloc_queues(NR_FEW, NR_QUEUES - NR_FEW, flags, max_active);
	start = now_ns();
	alloc_queues(NR_QUEUES - NR_FEW, NR_QUEUES, flags, max_active);
	emit("alloc_10000", us_each(start, NR_FEW));
	emit("kib", (own_dirty_bytes() - bytes) / NR_QUEUES / 1024);
	emit("item_10000", stream_over(NR_QUEUES));
	start = now_ns();
	destroy_queues(NR_QUEUES - NR_FEW, NR_QUEUES);
	emit("destroy_10000", us_each(start, NR_FEW));
	destroy_queues(NR_FEW, NR_QUEUES - NR_FEW);
	start = now_ns();
	destroy_queues(0, NR_FEW);
	emit("destroy_few", us_each(start, NR_FEW));
	return BENCH_OK;
}

int growth_wq_percpu(void)
{
	return workqueues(WQ_PERCPU, 0);
}

int growth_wq_unbound(void)
{
	return workqueues(WQ_UNBOUND, 0);
}

int growth_wq_ordered(void)
{
	return workqueues(WQ_UNBOUND | __WQ_ORDERED, 1);
}

/* --- timers --- */

static void never_item(struct work_struct *work)
{
	(void)work;
	die("a timer of %d ms has run out", FAR_MS);
}

static double cpu_ns(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return ((double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec) * 1e9 +
	       ((double)u.ru_utime.tv_usec + (double)u.ru_stime.tv_usec) * 1e3;
}

struct cost {
	double arm, cancel, expire;
	unsigned long n;
};

/* The i-th of n in an order that no prefetcher sees through. */
static unsigned long scattered(unsigned long i, unsigned long n)
{
	return i * STRIDE % n;
}

/* Each address depends on what was read before, though that is always nothing. */
static double touch(struct delayed_work *dw, unsigned long n)
{
	static volatile unsigned long nothing;
	unsigned long i, at = 0, mask = nothing;
	unsigned long rounds = (TIMED_TIMERS / n + 1) * n;
	uint64_t start = now_ns();

	for (i = 0; i < rounds; i++)
		at = (at + STRIDE +
		      (*(volatile unsigned long *)&dw[at].work.data & mask)) %
		     n;
	return (double)(now_ns() - start) / (double)rounds;
}

static void arm_and_cancel(struct delayed_work *dw, unsigned long n,
			   struct cost *cost)
{
	uint64_t start = now_ns();
	unsigned long i;

	for (i = 0; i < n; i++)
		queue_delayed_work(system_dfl_wq, &dw[scattered(i, n)],
				   FAR_MS + i % FAR_MS);
	cost->arm += (double)(now_ns() - start);
	start = now_ns();
	for (i = 0; i < n; i++)
		cancel_delayed_work(&dw[scattered(i + n / 3, n)]);
	cost->cancel += (double)(now_ns() - start);
}

static void expire(struct delayed_work *dw, unsigned long n, struct cost *cost)
{
	unsigned long i, before = items_run(), wait = n / 2500 + 10;
	uint64_t begin = now_ns() / NSEC_PER_MSEC + wait;
	double cpu;

	for (i = 0; i < n; i++)
		queue_delayed_work(system_dfl_wq, &dw[scattered(i, n)],
				   begin + i / PER_MS -
					   now_ns() / NSEC_PER_MSEC);
	cpu = cpu_ns();
	if (now_ns() / NSEC_PER_MSEC >= begin)
		die("arming %lu timers takes too long", n);
	while (items_run() < before + n)
		sleep_ns(NSEC_PER_MSEC);
	cost->expire += cpu_ns() - cpu;
}

static void timers_at(unsigned long n)
{
	struct delayed_work *dw = malloc(n * sizeof(*dw));
	struct cost cost = { 0 };
	unsigned long i;

	if (!dw)
		die("no memory for %lu timers", n);
	for (i = 0; i < n; i++)
		INIT_DELAYED_WORK(&dw[i], never_item);
	emit_at("touch", n, touch(dw, n));
	for (cost.n = 0; cost.n < TIMED_TIMERS; cost.n += n)
		arm_and_cancel(dw, n, &cost);
	emit_at("arm", n, cost.arm / (double)cost.n);
	emit_at("cancel", n, cost.cancel / (double)cost.n);
	for (i = 0; i < n; i++)
		INIT_DELAYED_WORK(&dw[i], count_item);
	for (cost.n = 0; cost.n < TIMED_TIMERS; cost.n += n)
		expire(dw, n, &cost);
	emit_at("expire", n, cost.expire / (double)cost.n);
	free(dw);
}

int growth_timers(void)
{
	unsigned long n;

	workqueue_init_topology();
	for (n = 1000; n <= MOST_TIMERS; n *= 10)
		timers_at(n);
	return BENCH_OK;
}
