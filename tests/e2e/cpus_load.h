/* SPDX-License-Identifier: MIT */
/*
 * cpus_load.h - work of all kinds with exact books, for tests that take CPUs away
 * meanwhile.
 *
 * (A) Each true from a call that queues is one run, or one true from a cancel.
 * (B) No cell runs twice at once.
 * (C) The items of an ordered queue run in the order in which they were queued,
 *     one at a time.
 * (D) What was queued has run when a flush of its workqueue returns.
 */
#ifndef CMWQ_TESTS_CPUS_LOAD_H
#define CMWQ_TESTS_CPUS_LOAD_H

#include "harness.h"

#define LOAD_KINDS 3
#define LOAD_CELLS (8 * LOAD_KINDS)
#define LOAD_RING  64

struct load_cell {
	struct delayed_work dwork;
	struct workqueue_struct *wq;
	_Atomic long trues, runs, taken_back;
	_Atomic int inside;
};

struct load_ordered {
	struct work_struct work;
	long number;
	_Atomic bool busy;
};

static struct load {
	struct load_cell cell[LOAD_CELLS];
	struct load_ordered ring[LOAD_RING];
	struct workqueue_struct *ordered;
	struct thread mixers[2], ordering;
	_Atomic bool stop;
	_Atomic int overlaps, out_of_order, late;
	_Atomic long last_number, total;
	_Atomic int inside_ordered;
} load;

static inline uint64_t load_ns(void)
{
	const char *s = getenv("CMWQ_STRESS_SECONDS");

	return (uint64_t)((s ? atof(s) : 2) * 1e9);
}

static inline void load_cell_func(struct work_struct *work)
{
	struct load_cell *c = from_work(c, work, dwork.work);
	long run;

	if (atomic_fetch_add(&c->inside, 1))
		atomic_fetch_add(&load.overlaps, 1);
	run = atomic_fetch_add(&c->runs, 1);
	atomic_fetch_add(&load.total, 1);
	if (run % 7 == 3)
		burn_us(20);
	else if (run % 31 == 5)
		usleep(100);
	atomic_fetch_sub(&c->inside, 1);
}

static inline void load_ordered_func(struct work_struct *work)
{
	struct load_ordered *o = from_work(o, work, work);

	if (atomic_fetch_add(&load.inside_ordered, 1))
		atomic_fetch_add(&load.overlaps, 1);
	if (o->number != atomic_load(&load.last_number) + 1)
		atomic_fetch_add(&load.out_of_order, 1);
	atomic_store(&load.last_number, o->number);
	atomic_fetch_add(&load.total, 1);
	if (o->number % 16 == 0)
		usleep(20);
	atomic_fetch_sub(&load.inside_ordered, 1);
	atomic_store(&o->busy, false);
}

static inline void load_act(struct load_cell *c, struct rng *r)
{
	int cpu = (int)rng_below(r, (unsigned int)nr_cpu_ids);
	bool queued = false;

	switch (rng_below(r, 16)) {
	case 0:
		if (cancel_delayed_work_sync(&c->dwork))
			atomic_fetch_add(&c->taken_back, 1);
		break;
	case 1:
		if (cancel_work(&c->dwork.work))
			atomic_fetch_add(&c->taken_back, 1);
		break;
	case 2:
		flush_work(&c->dwork.work);
		break;
	case 3:
		flush_workqueue(c->wq);
		break;
	case 4:
	case 5:
		queued = queue_delayed_work_on(cpu, c->wq, &c->dwork,
					       rng_below(r, 4));
		break;
	case 6:
		usleep(rng_below(r, 200));
		break;
	case 7 ... 11:
		queued = queue_work_on(cpu, c->wq, &c->dwork.work);
		break;
	default:
		queued = queue_work(c->wq, &c->dwork.work);
		break;
	}
	if (queued)
		atomic_fetch_add(&c->trues, 1);
}

static inline long load_mix(void *arg)
{
	struct rng r = rng_make((uint64_t)(uintptr_t)arg);

	while (!atomic_load(&load.stop))
		load_act(&load.cell[rng_below(&r, LOAD_CELLS)], &r);
	return 0;
}

static inline long load_order(void *arg)
{
	long n = 0;

	(void)arg;
	while (!atomic_load(&load.stop)) {
		struct load_ordered *o = &load.ring[n % LOAD_RING];

		if (atomic_load(&o->busy)) {
			usleep(50);
			continue;
		}
		atomic_store(&o->busy, true);
		o->number = ++n;
		if (!queue_work(load.ordered, &o->work))
			return -1;
		if (n % 512 == 0) {
			flush_workqueue(load.ordered);
			if (atomic_load(&load.last_number) < n)
				atomic_fetch_add(&load.late, 1);
		}
	}
	return n;
}

static inline void load_start(void)
{
	static const unsigned int flags[LOAD_KINDS] = {
		WQ_PERCPU,
		WQ_UNBOUND,
		WQ_PERCPU | WQ_CPU_INTENSIVE,
	};

	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	load.ordered = alloc_ordered_workqueue("ordered", 0);
	ASSERT(load.ordered);
	for (int kind = 0; kind < LOAD_KINDS; kind++) {
		struct workqueue_struct *wq =
			alloc_workqueue("kind%d", flags[kind], 4, kind);

		ASSERT(wq);
		for (int i = kind; i < LOAD_CELLS; i += LOAD_KINDS) {
			INIT_DELAYED_WORK(&load.cell[i].dwork, load_cell_func);
			load.cell[i].wq = wq;
		}
	}
	for (int i = 0; i < LOAD_RING; i++)
		INIT_WORK(&load.ring[i].work, load_ordered_func);
	for (int i = 0; i < 2; i++)
		thread_start(&load.mixers[i], load_mix,
			     (void *)(uintptr_t)(i + 1));
	thread_start(&load.ordering, load_order, NULL);
}

/* Something of the load has run since it was @total. */
static inline bool load_goes_on(long total)
{
	return atomic_load(&load.total) > total + 100;
}

static inline void load_finish(void)
{
	long n;

	atomic_store(&load.stop, true);
	for (int i = 0; i < 2; i++)
		thread_join(&load.mixers[i]);
	n = thread_join(&load.ordering);
	for (int i = 0; i < LOAD_CELLS; i++)
		flush_delayed_work(&load.cell[i].dwork);
	for (int kind = 0; kind < LOAD_KINDS; kind++)
		destroy_workqueue(load.cell[kind].wq);
	destroy_workqueue(load.ordered);
	for (int i = 0; i < LOAD_CELLS; i++)
		EXPECT_EQ(atomic_load(&load.cell[i].trues),
			  atomic_load(&load.cell[i].runs) +
				  atomic_load(&load.cell[i].taken_back));
	EXPECT_EQ(atomic_load(&load.last_number), n);
	EXPECT_EQ(atomic_load(&load.overlaps), 0);
	EXPECT_EQ(atomic_load(&load.out_of_order), 0);
	EXPECT_EQ(atomic_load(&load.late), 0);
}

#endif
