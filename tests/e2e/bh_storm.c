/* SPDX-License-Identifier: MIT */
/*
 * bh_storm.c - many threads do everything to a few BH items at once; the books are
 * exact.
 *
 * (A) Every true of a queueing is one run, but for what was taken back.
 * (B) No item runs twice at once.
 * (C) Of the items of one CPU, whatever their queues, no two run at once, though
 *     threads of the program run some of them in the BH thread's place.
 *
 * An item of even number is never disabled, nor cancelled with waiting, so that what
 * mod_delayed_work() returns says what it did.
 *
 * timeout: 120
 */
#include "harness.h"

#include <cmwq/cpumask.h>

#define CELLS	32
#define THREADS 4
#define QUEUES	3

static struct cell {
	struct delayed_work dwork;
	int nr;
	int home; /* its one CPU, or -1 */
	_Atomic int inside;
	_Atomic long trues, taken, runs;
} cell[CELLS];

static struct workqueue_struct *wq[QUEUES];
static _Atomic int inside[CMWQ_NR_CPUS]; /* items of a CPU */
static _Atomic long strange;
static _Atomic bool stop;

static uint64_t storm_ns(void)
{
	const char *s = getenv("CMWQ_STORM_SECONDS");

	return (uint64_t)((s ? atof(s) : 1) * 1e9);
}

static bool may_be_disabled(struct cell *c)
{
	return c->nr % 2;
}

/* An item keeps its queue. */
static struct workqueue_struct *queue_of(struct cell *c)
{
	return wq[c->nr / 2 % QUEUES];
}

static int some_cpu(struct cell *c, struct rng *r)
{
	if (c->home >= 0)
		return c->home;
	return nth_cpu((int)rng_below(r, (unsigned int)nr_allowed()));
}

static void enter(struct cell *c)
{
	if (atomic_fetch_add(&c->inside, 1))
		atomic_fetch_add(&strange, 1);
	if (c->home >= 0 && atomic_fetch_add(&inside[c->home], 1))
		atomic_fetch_add(&strange, 1);
}

static void leave(struct cell *c)
{
	if (c->home >= 0)
		atomic_fetch_sub(&inside[c->home], 1);
	atomic_fetch_sub(&c->inside, 1);
	atomic_fetch_add(&c->runs, 1);
}

static void queue_cell(struct cell *c, struct rng *r)
{
	if (queue_work_on(some_cpu(c, r), queue_of(c), &c->dwork.work))
		atomic_fetch_add(&c->trues, 1);
}

static __thread struct rng mine;
static _Atomic uint64_t streams;

static struct rng *my_rng(void)
{
	if (!mine.s)
		mine = rng_make(atomic_fetch_add(&streams, 1));
	return &mine;
}

/* Some queue themselves or others, some take a while. */
static void cell_func(struct work_struct *work)
{
	struct cell *c = from_work(c, to_delayed_work(work), dwork);
	struct rng *r = my_rng();

	enter(c);
	if (current_work())
		atomic_fetch_add(&strange, 1);
	if (!atomic_load(&stop)) {
		if (!rng_below(r, 4))
			queue_cell(c, r);
		if (!rng_below(r, 4))
			queue_cell(&cell[rng_below(r, CELLS)], r);
	}
	for (unsigned int i = rng_below(r, 2000); i; i--)
		atomic_signal_fence(memory_order_seq_cst);
	leave(c);
}

static void took(struct cell *c, bool was_pending)
{
	if (was_pending)
		atomic_fetch_add(&c->taken, 1);
}

static void modify(struct cell *c, struct rng *r)
{
	bool was_pending;

	was_pending = mod_delayed_work_on(some_cpu(c, r), queue_of(c),
					  &c->dwork, rng_below(r, 3));
	took(c, was_pending);
	atomic_fetch_add(&c->trues, 1);
}

static void disable(struct cell *c, struct rng *r)
{
	if (rng_below(r, 2))
		took(c, disable_delayed_work(&c->dwork));
	else
		took(c, disable_delayed_work_sync(&c->dwork));
	enable_delayed_work(&c->dwork);
}

static void act(struct cell *c, struct rng *r)
{
	switch (rng_below(r, 16)) {
	case 0:
		if (queue_delayed_work_on(some_cpu(c, r), queue_of(c),
					  &c->dwork, rng_below(r, 3)))
			atomic_fetch_add(&c->trues, 1);
		break;
	case 1:
		took(c, cancel_delayed_work(&c->dwork));
		break;
	case 2:
		if (may_be_disabled(c))
			took(c, cancel_delayed_work_sync(&c->dwork));
		else
			modify(c, r);
		break;
	case 3:
		if (may_be_disabled(c))
			disable(c, r);
		break;
	case 4:
		flush_work(&c->dwork.work);
		break;
	case 5:
		flush_workqueue(queue_of(c));
		break;
	case 6:
	case 7:
		workqueue_softirq_action(rng_below(r, 2));
		break;
	default:
		queue_cell(c, r);
	}
}

static long actor(void *arg)
{
	struct rng *r = my_rng();

	(void)arg;
	while (!atomic_load(&stop))
		act(&cell[rng_below(r, CELLS)], r);
	return 0;
}

static void start(void)
{
	log_ignore("slept"); /* a page fault, or what a sanitizer does */
	wq[0] = alloc_workqueue("storm0", WQ_BH, 0);
	wq[1] = alloc_workqueue("storm1", WQ_BH | WQ_HIGHPRI, 0);
	wq[2] = system_bh_wq;
	for (int i = 0; i < CELLS; i++) {
		INIT_DELAYED_WORK(&cell[i].dwork, cell_func);
		cell[i].nr = i;
		cell[i].home = i % 3 ? nth_cpu(i % nr_allowed()) : -1;
	}
}

static void check_books(void)
{
	long runs = 0;

	for (int i = 0; i < CELLS; i++) {
		struct cell *c = &cell[i];

		flush_delayed_work(&c->dwork);
		EXPECT_EQ(work_busy(&c->dwork.work), 0);
	}
	for (int i = 0; i < CELLS; i++) {
		EXPECT_EQ(cell[i].runs, cell[i].trues - cell[i].taken);
		runs += cell[i].runs;
	}
	EXPECT_EQ(atomic_load(&strange), 0);
	EXPECT_OP(runs, >, 100);
	printf("%ld runs\n", runs);
}

TEST(storm, .timeout = 60)
{
	uint64_t end = now_ns() + storm_ns();
	struct thread t[THREADS];
	int i;

	start();
	for (i = 0; i < THREADS; i++)
		thread_start(&t[i], actor, NULL);
	while (now_ns() < end)
		usleep(1000);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		thread_join(&t[i]);
	check_books();
	destroy_workqueue(wq[0]);
	destroy_workqueue(wq[1]);
	check_library_works();
}

/* With one CPU whoever runs items is in the way of all others. */
TEST(storm_on_one_cpu, .timeout = 60, .one_cpu = true)
{
	test_storm();
}
