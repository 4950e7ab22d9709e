/* SPDX-License-Identifier: MIT */
/*
 * growth.c - what an item costs as there are more of them, and more who queue.
 *
 * Items: one that blocks is in front of n others on a queue with max_active 1.
 * Queueing is timed, then, from letting the first one go until the last has
 * run, taking them out and running them. Few are done many times over, so that
 * at least a million are timed. An item is initialised before, and so in memory;
 * what is in cache of it depends on n. What that alone makes is shown by "touch":
 * one pass that changes a word of each. An item is touched by four passes: it is
 * queued, taken out of the inbox, listed, run.
 *
 * Bytes: Private_Dirty that comes with ten million queued items, beside theirs.
 *
 * Producers: threads that queue a million items together, each its own; from the
 * moment on that they are let go.
 *
 * Workers: Private_Dirty of one that is idle and has slept in an item, and of a
 * bare thread that has done so.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdlib.h>
#include <cmwq/workqueue.h>
#include "bench.h"

#define MOST_ITEMS    10000000UL
#define TIMED_ITEMS   1000000UL
#define NR_PRODUCERS  64
#define NR_WORKERS    256
#define STACK_SIZE    (1024 * 1024)
#define WORKER_NAP_NS (300 * NSEC_PER_MSEC)

static struct gate let_go, last_ran;

static void first_item(struct work_struct *work)
{
	(void)work;
	gate_wait(&let_go);
}

static void middle_item(struct work_struct *work)
{
	(void)work;
}

static void last_item(struct work_struct *work)
{
	(void)work;
	gate_open(&last_ran);
}

static struct work_struct *new_items(unsigned long n, work_func_t func)
{
	struct work_struct *items = malloc(n * sizeof(*items));
	unsigned long i;

	if (!items)
		die("no memory for %lu items", n);
	for (i = 0; i < n; i++)
		INIT_WORK(&items[i], func);
	return items;
}

struct cost {
	uint64_t queue, run;
	double bytes; /* beside the items, when all are queued; all together */
};

static void behind_one(struct workqueue_struct *wq, struct work_struct *items,
		       unsigned long n, struct cost *cost)
{
	static DECLARE_WORK(first, first_item);
	uint64_t start;
	unsigned long i;

	gate_reset(&let_go);
	gate_reset(&last_ran);
	queue_work(wq, &first);
	start = now_ns();
	for (i = 0; i < n; i++)
		queue_work(wq, &items[i]);
	cost->queue += now_ns() - start;
	if (n == MOST_ITEMS)
		cost->bytes += own_dirty_bytes();
	start = now_ns();
	gate_open(&let_go);
	gate_wait(&last_ran);
	cost->run += now_ns() - start;
}

static double touch(struct work_struct *items, unsigned long n)
{
	uint64_t start = now_ns();
	unsigned long i, rounds = TIMED_ITEMS / n + 1, r;

	for (r = 0; r < rounds; r++)
		for (i = 0; i < n; i++)
			*(void *volatile *)&items[i].entry.next = items;
	return (double)(now_ns() - start) / (double)(n * rounds);
}

static void items_at(struct workqueue_struct *wq, unsigned long n)
{
	struct work_struct *items = new_items(n, middle_item);
	unsigned long done;
	struct cost cost = { 0 };

	emit_at("touch", n, touch(items, n));
	INIT_WORK(&items[n - 1], last_item);
	for (done = 0; done < n; done++)
		INIT_WORK(&items[done], done < n - 1 ? middle_item : last_item);
	if (n == MOST_ITEMS)
		cost.bytes = -own_dirty_bytes();
	for (done = 0; done < TIMED_ITEMS; done += n)
		behind_one(wq, items, n, &cost);
	emit_at("queue", n, (double)cost.queue / (double)done);
	emit_at("run", n, (double)cost.run / (double)done);
	if (n == MOST_ITEMS)
		emit("bytes", cost.bytes / (double)n);
	free(items);
}

int growth_items(void)
{
	struct workqueue_struct *wq;
	unsigned long n;

	wq = alloc_workqueue("growth", WQ_UNBOUND, 1);
	for (n = 100; n <= MOST_ITEMS; n *= 10)
		items_at(wq, n);
	return BENCH_OK;
}

/* --- producers --- */

static pthread_barrier_t all_there;

struct producer {
	pthread_t thread;
	struct workqueue_struct *wq;
	struct work_struct *items;
	unsigned long n;
};

static void *produce(void *arg)
{
	struct producer *p = arg;
	unsigned long i;

	pthread_barrier_wait(&all_there);
	for (i = 0; i < p->n; i++)
		queue_work(p->wq, &p->items[i]);
	return NULL;
}

static double producers_at(struct workqueue_struct *wq, unsigned int nr,
			   struct work_struct *items)
{
	static struct producer p[NR_PRODUCERS];
	unsigned long before = items_run(), each = TIMED_ITEMS / nr;
	unsigned int i;
	uint64_t start;

	pthread_barrier_init(&all_there, NULL, nr + 1);
	for (i = 0; i < nr; i++) {
		p[i].wq = wq;
		p[i].items = items + i * each;
		p[i].n = each;
		if (pthread_create(&p[i].thread, NULL, produce, &p[i]))
			die("cannot create thread %u", i);
	}
	start = now_ns();
	pthread_barrier_wait(&all_there);
	await_items(before + each * nr);
	start = now_ns() - start;
	for (i = 0; i < nr; i++)
		pthread_join(p[i].thread, NULL);
	pthread_barrier_destroy(&all_there);
	return (double)start / (double)(each * nr);
}

int growth_producers(void)
{
	struct work_struct *items = new_items(TIMED_ITEMS, count_item);
	struct workqueue_struct *wq;
	unsigned int nr;

	wq = alloc_workqueue("growth", WQ_PERCPU, 0);
	for (nr = 1; nr <= NR_PRODUCERS; nr *= 2) {
		emit_at("percpu", nr, producers_at(wq, nr, items));
		emit_at("unbound", nr, producers_at(system_dfl_wq, nr, items));
	}
	return BENCH_OK;
}

/* --- idle workers --- */

static atomic_uint nr_asleep;

static void nap_item(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&nr_asleep, 1);
	sleep_ns(WORKER_NAP_NS);
}

static double worker_bytes(void)
{
	struct workqueue_struct *wq = alloc_workqueue("nap", WQ_UNBOUND, 0);
	struct work_struct *items = new_items(NR_WORKERS, nap_item);
	struct work_struct *warm = new_items(1, count_item);
	double before;
	int i, threads;

	workqueue_init_topology();
	queue_work(wq, warm);
	flush_work(warm);
	before = own_dirty_bytes();
	threads = nr_threads();
	for (i = 0; i < NR_WORKERS; i++)
		queue_work(wq, &items[i]);
	flush_workqueue(wq);
	return (own_dirty_bytes() - before) / (nr_threads() - threads);
}

static struct gate never;

static void *bare_thread(void *arg)
{
	nap_item(arg);
	gate_wait(&never);
	return NULL;
}

static double thread_bytes(void)
{
	pthread_attr_t attr;
	double before = own_dirty_bytes();
	pthread_t thread;
	int i;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	for (i = 0; i < NR_WORKERS; i++)
		if (pthread_create(&thread, &attr, bare_thread, NULL))
			die("cannot create thread %d", i);
	while (atomic_load(&nr_asleep) < NR_WORKERS)
		sleep_ns(NSEC_PER_MSEC);
	sleep_ns(2 * WORKER_NAP_NS);
	return (own_dirty_bytes() - before) / NR_WORKERS;
}

int growth_workers(void)
{
	emit("bare", thread_bytes() / 1024);
	emit("idle", worker_bytes() / 1024);
	return BENCH_OK;
}
