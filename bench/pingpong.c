/* SPDX-License-Identifier: MIT */
/*
 * pingpong.c - queue, run, wake the waiter: a round trip on one CPU.
 *
 * The waiter is pinned and the queue is per-CPU, so the worker is on the same
 * CPU. The item opens a gate on which the waiter sleeps: two futex wakes, two
 * futex waits and two context switches. The bare round trip does exactly that
 * between two threads of this process pinned to the same CPU. A second variant
 * waits with flush_work().
 *
 * The three are measured alternately in short blocks, and the ratio is that of
 * their median blocks, so that a disturbance hits all of them or is dropped.
 */
#include <cmwq/workqueue.h>
#include "bench.h"

#define NR_BLOCKS	 25
#define ROUNDS_PER_BLOCK 2000

static struct gate item_ran;

static void wake_item(struct work_struct *work)
{
	(void)work;
	gate_open(&item_ran);
}

static void noop_item(struct work_struct *work)
{
	(void)work;
}

static double wake_round_trip(struct workqueue_struct *wq, int rounds)
{
	static DECLARE_WORK(work, wake_item);
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < rounds; i++) {
		gate_reset(&item_ran);
		queue_work(wq, &work);
		gate_wait(&item_ran);
	}
	return (double)(now_ns() - start) / rounds;
}

static double flush_round_trip(struct workqueue_struct *wq, int rounds)
{
	static DECLARE_WORK(work, noop_item);
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < rounds; i++) {
		queue_work(wq, &work);
		flush_work(&work);
	}
	return (double)(now_ns() - start) / rounds;
}

int pingpong(void)
{
	double bare[NR_BLOCKS], wake[NR_BLOCKS], flush[NR_BLOCKS];
	struct workqueue_struct *wq;
	struct partner *p;
	int i, cpu = nth_cpu(0);

	workqueue_init(); /* with every CPU, before this thread is pinned */
	wq = alloc_workqueue("pingpong", WQ_PERCPU, 0);
	pin_to(cpu);
	p = partner_start(cpu);
	wake_round_trip(wq, 100);
	flush_round_trip(wq, 100);
	for (i = 0; i < NR_BLOCKS; i++) {
		bare[i] = partner_round_trip(p, ROUNDS_PER_BLOCK);
		wake[i] = wake_round_trip(wq, ROUNDS_PER_BLOCK);
		flush[i] = flush_round_trip(wq, ROUNDS_PER_BLOCK);
	}
	partner_stop(p);
	emit("bare", median_of(bare, NR_BLOCKS) / 1e3);
	emit("wake", median_of(wake, NR_BLOCKS) / 1e3);
	emit("flush", median_of(flush, NR_BLOCKS) / 1e3);
	emit("ratio", median_of(wake, NR_BLOCKS) / median_of(bare, NR_BLOCKS));
	emit("flush_ratio",
	     median_of(flush, NR_BLOCKS) / median_of(bare, NR_BLOCKS));
	return BENCH_OK;
}
