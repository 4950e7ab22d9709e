/* SPDX-License-Identifier: MIT */
/*
 * growth_stall.c - how long much of one thing holds up others.
 *
 * Items: n are queued behind one that blocks, on a queue with max_active 1. Then an
 * item is queued on another queue of the same pool, which has nothing to wait for:
 * the time until it runs, median of a few.
 *
 * Timers: n are armed for about the same quarter of a second, 1 to 2 s ahead; until
 * they are through, one other is armed and cancelled again and again: the
 * longest that this took. (It also is a time in which the machine has done something
 * else.)
 */
#include <stdlib.h>
#include <cmwq/cmwq.h>
#include "bench.h"

#define MOST	    10000000UL
#define NR_INSTANTS 5
#define FAR_MS	    60000
#define SPAN_NS	    (256 * NSEC_PER_MSEC)

static struct gate let_go, instant_ran;
static uint64_t instant_ran_at;

static void first_item(struct work_struct *work)
{
	(void)work;
	gate_wait(&let_go);
}

static void instant_item(struct work_struct *work)
{
	(void)work;
	instant_ran_at = now_ns();
	gate_open(&instant_ran);
}

static double instant_us(struct workqueue_struct *wq)
{
	static DECLARE_WORK(instant, instant_item);
	uint64_t start;

	gate_reset(&instant_ran);
	start = now_ns();
	queue_work(wq, &instant);
	gate_wait(&instant_ran);
	return (double)(instant_ran_at - start) / 1e3;
}

static double behind_items(struct workqueue_struct *many,
			   struct workqueue_struct *other, unsigned long n)
{
	static DECLARE_WORK(first, first_item);
	struct work_struct *items = malloc(n * sizeof(*items));
	double us[NR_INSTANTS];
	unsigned long i;
	int round;

	if (!items)
		die("no memory for %lu items", n);
	for (i = 0; i < n; i++)
		INIT_WORK(&items[i], count_item);
	for (round = 0; round < NR_INSTANTS; round++) {
		gate_reset(&let_go);
		queue_work(many, &first);
		sleep_ns(NSEC_PER_MSEC);
		for (i = 0; i < n; i++)
			queue_work(many, &items[i]);
		us[round] = instant_us(other);
		gate_open(&let_go);
		flush_workqueue(many);
	}
	free(items);
	return median_of(us, NR_INSTANTS);
}

int growth_stall_items(void)
{
	struct workqueue_struct *many = alloc_workqueue("many", WQ_UNBOUND, 1);
	struct workqueue_struct *other =
		alloc_workqueue("other", WQ_UNBOUND, 0);
	unsigned long n;

	workqueue_init_topology();
	for (n = 100; n <= MOST; n *= 10)
		emit_at("instant", n, behind_items(many, other, n));
	return BENCH_OK;
}

static void never_item(struct work_struct *work)
{
	(void)work;
	die("a timer of %d ms has run out", FAR_MS);
}

static double worst_ms_with(unsigned long n)
{
	static DECLARE_DELAYED_WORK(other, never_item);
	struct delayed_work *dw = malloc(n * sizeof(*dw));
	unsigned long i, before = items_run();
	uint64_t due, start, took, worst = 0;

	if (!dw)
		die("no memory for %lu timers", n);
	for (i = 0; i < n; i++)
		INIT_DELAYED_WORK(&dw[i], count_item);
	due = now_ns() + NSEC_PER_SEC + n * 200;
	due += SPAN_NS - due % SPAN_NS;
	for (i = 0; i < n; i++)
		cmwq_queue_delayed_work_ns(system_dfl_wq, &dw[i],
					   due + i * 7919 % n * SPAN_NS / n -
						   now_ns());
	while (items_run() < before + n) {
		start = now_ns();
		queue_delayed_work(system_dfl_wq, &other, FAR_MS);
		cancel_delayed_work(&other);
		took = now_ns() - start;
		if (took > worst)
			worst = took;
	}
	free(dw);
	return (double)worst / 1e6;
}

int growth_stall_timers(void)
{
	unsigned long n;

	workqueue_init_topology();
	for (n = 1000; n <= MOST; n *= 10)
		emit_at("worst", n, worst_ms_with(n));
	return BENCH_OK;
}
