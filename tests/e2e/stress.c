/* SPDX-License-Identifier: MIT */
/*
 * stress.c - exact accounting under load.
 *
 * Several producers queue a shared set of cells as fast as they can. Whatever
 * the queue:
 *
 * (A) every true from queue_work() is exactly one run, cell by cell;
 * (B) a cell never runs twice at once;
 * (C) no more than max_active run at once, per CPU on a per-CPU queue;
 * (D) what a producer stored before queue_work() is seen by a run that starts
 *     afterwards, be the result true or false, and has been seen when its
 *     flush_work() returns; when its flush_workqueue() returns, what it queued
 *     itself (an item that another thread is still queueing is not covered);
 * (E) at the end everything is idle and the statistics add up.
 *
 * An ordered queue runs one producer's items in the order of queueing. The
 * number of items doubles until the time (CMWQ_STRESS_SECONDS, 2) is up.
 *
 * timeout: 300
 */
#include "harness.h"

#define PRODUCERS 4
#define CELLS	  48
#define RING	  32
#define MAX_CPUS  8192

struct load;

struct cell {
	struct work_struct work;
	struct load *load;
	_Atomic long trues;
	_Atomic long runs;
	_Atomic int in_run;
	/* Relaxed on purpose: only queue_work() orders them. */
	_Atomic long stamp[PRODUCERS];
	_Atomic long seen[PRODUCERS];
};

struct load {
	struct workqueue_struct *wq;
	bool per_cpu;
	int limit;
	long n; /* per producer and round */
	_Atomic int round;
	_Atomic int overlaps;
	_Atomic int too_many;
	_Atomic int unseen;
	_Atomic int running[MAX_CPUS];
	struct cell cell[CELLS];
};

struct producer {
	struct load *load;
	int nr;
	long queued[CELLS]; /* stamp of the last true */
	struct thread thread;
};

static uint64_t stress_ns(void)
{
	const char *s = getenv("CMWQ_STRESS_SECONDS");

	return (uint64_t)((s ? atof(s) : 2) * 1e9);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	struct rng r = { a * 0x9e3779b97f4a7c15ULL ^ b };

	return rng_next(&r);
}

/* Mostly nothing; sometimes give up the CPU, for short or for longer. */
static void behave(uint64_t dice)
{
	switch (dice % 512) {
	case 0:
		usleep(50);
		break;
	case 1 ... 6:
		sched_yield();
		break;
	case 7 ... 20:
		burn_us(3);
		break;
	default:
		break;
	}
}

static void note_seen(struct cell *c)
{
	int p;

	for (p = 0; p < PRODUCERS; p++)
		atomic_store_explicit(
			&c->seen[p],
			atomic_load_explicit(&c->stamp[p],
					     memory_order_relaxed),
			memory_order_relaxed);
}

static void cell_func(struct work_struct *work)
{
	struct cell *c = from_work(c, work, work);
	struct load *l = c->load;
	_Atomic int *running = &l->running[l->per_cpu ? sched_getcpu() : 0];
	long run = atomic_fetch_add(&c->runs, 1);

	if (atomic_fetch_add(&c->in_run, 1))
		atomic_fetch_add(&l->overlaps, 1);
	if (atomic_fetch_add(running, 1) >= l->limit)
		atomic_fetch_add(&l->too_many, 1);
	note_seen(c);
	behave(mix((uint64_t)(c - l->cell), (uint64_t)run));
	atomic_fetch_sub(running, 1);
	atomic_fetch_sub(&c->in_run, 1);
}

static void check_seen(struct producer *p, struct cell *c, long stamp)
{
	if (atomic_load_explicit(&c->seen[p->nr], memory_order_relaxed) < stamp)
		atomic_fetch_add(&p->load->unseen, 1);
}

static void flush_and_check(struct producer *p, struct cell *c, bool all)
{
	int i;

	if (!all) {
		flush_work(&c->work);
		check_seen(p, c,
			   atomic_load_explicit(&c->stamp[p->nr],
						memory_order_relaxed));
		return;
	}
	flush_workqueue(p->load->wq);
	for (i = 0; i < CELLS; i++)
		check_seen(p, &p->load->cell[i], p->queued[i]);
}

static long produce(void *arg)
{
	struct producer *p = arg;
	struct load *l = p->load;
	struct rng r =
		rng_make((uint64_t)(atomic_load(&l->round) * 64 + p->nr + 1));
	long i, stamp;

	for (i = 0; i < l->n; i++) {
		struct cell *c = &l->cell[rng_below(&r, CELLS)];
		unsigned int dice = rng_below(&r, 1024);
		bool queued;

		stamp = atomic_fetch_add_explicit(&c->stamp[p->nr], 1,
						  memory_order_relaxed);
		if (dice < 256)
			queued =
				queue_work_on(nth_cpu((int)dice % nr_allowed()),
					      l->wq, &c->work);
		else
			queued = queue_work(l->wq, &c->work);
		if (queued) {
			atomic_fetch_add(&c->trues, 1);
			p->queued[c - l->cell] = stamp + 1;
		}
		if (dice >= 1014)
			flush_and_check(p, c, dice == 1023);
	}
	return 0;
}

static void probe_func(struct work_struct *work)
{
	struct cell *c = from_work(c, work, work);
	cpu_set_t set;

	if (!sched_getaffinity(0, sizeof(set), &set))
		atomic_store(&c->in_run, CPU_COUNT(&set));
}

/* A sandbox may refuse affinity; then only the sum can be checked. */
static bool workers_are_bound(struct workqueue_struct *wq)
{
	struct cell c;

	memset(&c, 0, sizeof(c));
	INIT_WORK_ONSTACK(&c.work, probe_func);
	ASSERT(queue_work(wq, &c.work));
	flush_work(&c.work);
	destroy_work_on_stack(&c.work);
	return atomic_load(&c.in_run) == 1;
}

/* @limit: of one CPU if the queue is per-CPU. */
static struct load *load_new(struct workqueue_struct *wq, bool per_cpu,
			     int limit)
{
	struct load *l = calloc(1, sizeof(*l));
	int i;

	ASSERT(wq && l);
	l->wq = wq;
	l->limit = limit;
	l->per_cpu = per_cpu && workers_are_bound(wq);
	if (per_cpu && !l->per_cpu)
		l->limit *= nr_allowed();
	for (i = 0; i < CELLS; i++) {
		l->cell[i].load = l;
		INIT_WORK(&l->cell[i].work, cell_func);
	}
	return l;
}

static void check_load(struct load *l)
{
	int i, p;

	for (i = 0; i < CELLS; i++) {
		struct cell *c = &l->cell[i];

		EXPECT_EQ(atomic_load(&c->runs), atomic_load(&c->trues));
		EXPECT_EQ(atomic_load(&c->in_run), 0);
		EXPECT_EQ(work_busy(&c->work), 0);
		for (p = 0; p < PRODUCERS; p++)
			EXPECT_EQ(atomic_load(&c->seen[p]),
				  atomic_load(&c->stamp[p]));
	}
	for (i = 0; i < MAX_CPUS; i++)
		EXPECT_EQ(atomic_load(&l->running[i]), 0);
	EXPECT_EQ(atomic_load(&l->overlaps), 0);
	EXPECT_EQ(atomic_load(&l->too_many), 0);
	EXPECT_EQ(atomic_load(&l->unseen), 0);
}

/* @extra: runs of items that are not cells of @l. */
static void check_stats(struct load *l, long extra)
{
	struct cmwq_stats st;
	long trues = extra;
	int i;

	for (i = 0; i < CELLS; i++)
		trues += atomic_load(&l->cell[i].trues);
	ASSERT(cmwq_get_stats(l->wq, &st));
	EXPECT_EQ(st.started, trues);
	EXPECT_EQ(st.completed, trues);
	EXPECT_EQ(st.in_flight, 0);
}

static void start_round(struct load *l, struct producer *p)
{
	int i;

	atomic_fetch_add(&l->round, 1);
	for (i = 0; i < PRODUCERS; i++) {
		memset(&p[i], 0, sizeof(p[i]));
		p[i].load = l;
		p[i].nr = i;
		thread_start(&p[i].thread, produce, &p[i]);
	}
}

static void end_round(struct load *l, struct producer *p)
{
	int i;

	for (i = 0; i < PRODUCERS; i++)
		thread_join(&p[i].thread);
	flush_workqueue(l->wq);
	check_load(l);
}

static void exact(struct workqueue_struct *wq, bool per_cpu, int limit)
{
	struct load *l = load_new(wq, per_cpu, limit);
	struct producer p[PRODUCERS];
	uint64_t until = now_ns() + stress_ns() / 2;

	for (l->n = 500; now_ns() < until; l->n *= 2) {
		start_round(l, p);
		end_round(l, p);
	}
	check_stats(l, per_cpu ? 1 : 0);
	destroy_workqueue(wq);
	free(l);
}

static void exact_percpu(int max_active)
{
	exact(alloc_workqueue("stress", WQ_PERCPU, max_active), true,
	      max_active ?: WQ_DFL_ACTIVE);
}

static void exact_unbound(int max_active)
{
	exact(alloc_workqueue("stress", WQ_UNBOUND, max_active), false,
	      (max_active ?: WQ_DFL_ACTIVE) * nr_nodes());
}

TEST(percpu)
{
	exact_percpu(0);
}

TEST(percpu_max_1)
{
	exact_percpu(1);
}

TEST(percpu_max_2)
{
	exact_percpu(2);
}

TEST(percpu_max_16)
{
	exact_percpu(16);
}

TEST(percpu_highpri)
{
	exact(alloc_workqueue("stress", WQ_PERCPU | WQ_HIGHPRI, 3), true, 3);
}

TEST(percpu_cpu_intensive)
{
	exact(alloc_workqueue("stress", WQ_PERCPU | WQ_CPU_INTENSIVE, 4), true,
	      4);
}

TEST(unbound)
{
	exact_unbound(0);
}

TEST(unbound_max_1)
{
	exact_unbound(1);
}

TEST(unbound_max_2)
{
	exact_unbound(2);
}

TEST(unbound_max_16)
{
	exact_unbound(16);
}

TEST(unbound_no_pace, .params = "cmwq.pace=0")
{
	exact_unbound(8);
}

TEST(ordered)
{
	exact(alloc_ordered_workqueue("stress", 0), false, 1);
}

/* Two queues that share the pools, and an ordered one, all at once. */
TEST(side_by_side)
{
	struct load *l[3];
	struct producer p[3][PRODUCERS];
	uint64_t until = now_ns() + stress_ns() / 2;
	long n;
	int i;

	l[0] = load_new(alloc_workqueue("a", WQ_PERCPU, 2), true, 2);
	l[1] = load_new(alloc_workqueue("b", WQ_UNBOUND, 2), false,
			2 * nr_nodes());
	l[2] = load_new(alloc_ordered_workqueue("c", 0), false, 1);
	for (n = 200; now_ns() < until; n *= 2) {
		for (i = 0; i < 3; i++) {
			l[i]->n = n;
			start_round(l[i], p[i]);
		}
		for (i = 0; i < 3; i++)
			end_round(l[i], p[i]);
	}
	for (i = 0; i < 3; i++) {
		check_stats(l[i], i ? 0 : 1);
		destroy_workqueue(l[i]->wq);
		free(l[i]);
	}
}

/* --- order --- */

struct lane;

struct ticket {
	struct work_struct work;
	struct lane *lane;
	long seq; /* plain: published by queue_work() */
	_Atomic long done;
};

struct lane {
	struct workqueue_struct *wq;
	int cpu; /* -1: queue_work() */
	long n;
	long next; /* plain: one run at a time, handed on by the queue */
	_Atomic int disorder;
	struct ticket ticket[RING];
	struct thread thread;
};

static void ticket_func(struct work_struct *work)
{
	struct ticket *t = from_work(t, work, work);
	struct lane *lane = t->lane;
	long seq = t->seq;

	if (seq != lane->next)
		atomic_fetch_add(&lane->disorder, 1);
	lane->next = seq + 1;
	behave(mix(1, (uint64_t)seq));
	atomic_store_explicit(&t->done, seq, memory_order_release);
}

static bool queue_ticket(struct lane *lane, struct ticket *t)
{
	return lane->cpu < 0 ? queue_work(lane->wq, &t->work)
			     : queue_work_on(lane->cpu, lane->wq, &t->work);
}

static long drive(void *arg)
{
	struct lane *lane = arg;
	long i, from = lane->next;

	for (i = from; i < from + lane->n; i++) {
		struct ticket *t = &lane->ticket[i % RING];

		wait_for(atomic_load_explicit(&t->done, memory_order_acquire) ==
			 t->seq);
		t->seq = i;
		if (!queue_ticket(lane, t))
			atomic_fetch_add(&lane->disorder, 1);
	}
	return 0;
}

static void lane_init(struct lane *lane, struct workqueue_struct *wq, int cpu)
{
	int i;

	memset(lane, 0, sizeof(*lane));
	lane->wq = wq;
	lane->cpu = cpu;
	for (i = 0; i < RING; i++) {
		lane->ticket[i].lane = lane;
		lane->ticket[i].seq = -1;
		atomic_store(&lane->ticket[i].done, -1);
		INIT_WORK(&lane->ticket[i].work, ticket_func);
	}
}

/* One CPU number for all, as a queue with max_active 1 is FIFO per CPU. */
static void in_order(struct workqueue_struct *wq, int cpu)
{
	static struct lane lane[PRODUCERS];
	uint64_t until = now_ns() + stress_ns() / 2;
	long n, total = 0;
	int i;

	ASSERT(wq);
	for (i = 0; i < PRODUCERS; i++)
		lane_init(&lane[i], wq, cpu);
	for (n = 500; now_ns() < until; n *= 2) {
		for (i = 0; i < PRODUCERS; i++) {
			lane[i].n = n;
			thread_start(&lane[i].thread, drive, &lane[i]);
		}
		for (i = 0; i < PRODUCERS; i++)
			thread_join(&lane[i].thread);
		flush_workqueue(wq);
		total += n;
	}
	for (i = 0; i < PRODUCERS; i++) {
		EXPECT_EQ(atomic_load(&lane[i].disorder), 0);
		EXPECT_EQ(lane[i].next, total);
	}
	destroy_workqueue(wq);
}

TEST(order_of_ordered)
{
	in_order(alloc_ordered_workqueue("fifo", 0), -1);
}

TEST(order_of_ordered_with_hints)
{
	in_order(alloc_ordered_workqueue("fifo", 0), nth_cpu(0));
}

TEST(order_on_one_cpu)
{
	in_order(alloc_workqueue("fifo", WQ_PERCPU, 1), nth_cpu(0));
}
