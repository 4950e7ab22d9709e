/* SPDX-License-Identifier: MIT */
/*
 * storm_model.c - random operations against a model, every result exact.
 *
 * One thread, and a queue that runs one item at a time, held by a blocker:
 * nothing starts by itself, so the state of every item is known and each call
 * has one right answer. When the blocker is let go the pending items run once
 * each, in the order of the model's list.
 *
 * timeout: 120
 */
#include "harness.h"

#define ITEMS 6
#define LATER (3600 * 1000UL) /* does not come during the test */

enum where {
	IDLE,
	TIMER,
	QUEUED
};

struct entry {
	struct delayed_work dwork;
	enum where where;
	int depth;
};

static struct entry entry[ITEMS];
static int fifo[ITEMS], queued; /* the model's list */
static int ran[ITEMS], runs;	/* what happened */
static unsigned long long total;
static struct workqueue_struct *wq;
static int cpu;

static void entry_func(struct work_struct *work)
{
	struct entry *e = from_work(e, work, dwork.work);

	ASSERT(runs < ITEMS);
	ran[runs++] = (int)(e - entry);
}

static void model_remove(int i)
{
	int k, n = 0;

	for (k = 0; k < queued; k++)
		if (fifo[k] != i)
			fifo[n++] = fifo[k];
	queued = n;
	entry[i].where = IDLE;
}

static void model_add(int i, unsigned long delay)
{
	if (delay) {
		entry[i].where = TIMER;
		return;
	}
	entry[i].where = QUEUED;
	fifo[queued++] = i;
}

static void try_queue(struct rng *r, int i)
{
	struct entry *e = &entry[i];
	bool expect = e->where == IDLE && !e->depth;
	unsigned long delay = rng_below(r, 2) ? LATER : 0;
	bool got;

	switch (rng_below(r, 4)) {
	case 0:
		delay = 0;
		got = queue_work_on(cpu, wq, &e->dwork.work);
		break;
	case 1:
		got = queue_delayed_work_on(cpu, wq, &e->dwork, delay);
		break;
	case 2:
		got = queue_delayed_work(wq, &e->dwork, delay);
		break;
	default:
		delay = 0;
		got = queue_work(wq, &e->dwork.work);
	}
	ASSERT_EQ(got, expect);
	if (expect)
		model_add(i, delay);
}

static void try_mod(struct rng *r, int i)
{
	struct entry *e = &entry[i];
	bool expect = e->where != IDLE;
	unsigned long delay = rng_below(r, 2) ? LATER : 0;
	bool got;

	if (rng_below(r, 2))
		got = mod_delayed_work(wq, &e->dwork, delay);
	else
		got = mod_delayed_work_on(cpu, wq, &e->dwork, delay);
	ASSERT_EQ(got, expect);
	model_remove(i);
	if (!e->depth)
		model_add(i, delay);
}

static void try_cancel(struct rng *r, int i)
{
	struct entry *e = &entry[i];
	bool expect = e->where != IDLE, got;

	if (e->where != TIMER && rng_below(r, 2))
		got = rng_below(r, 2) ? cancel_work(&e->dwork.work)
				      : cancel_work_sync(&e->dwork.work);
	else
		got = rng_below(r, 2) ? cancel_delayed_work(&e->dwork)
				      : cancel_delayed_work_sync(&e->dwork);
	ASSERT_EQ(got, expect);
	model_remove(i);
}

static void try_disable(struct rng *r, int i)
{
	struct entry *e = &entry[i];
	bool expect = e->where != IDLE, got;

	if (e->where != TIMER && rng_below(r, 2))
		got = rng_below(r, 2) ? disable_work(&e->dwork.work)
				      : disable_work_sync(&e->dwork.work);
	else
		got = rng_below(r, 2) ? disable_delayed_work(&e->dwork)
				      : disable_delayed_work_sync(&e->dwork);
	ASSERT_EQ(got, expect);
	model_remove(i);
	e->depth++;
}

static void try_enable(struct rng *r, int i)
{
	struct entry *e = &entry[i];
	bool got, and_queue = false;

	if (!e->depth)
		return;
	if (rng_below(r, 3) == 0) {
		and_queue = true;
		got = enable_and_queue_work(wq, &e->dwork.work);
	} else {
		got = rng_below(r, 2) ? enable_work(&e->dwork.work)
				      : enable_delayed_work(&e->dwork);
	}
	e->depth--;
	ASSERT_EQ(got, e->depth == 0);
	if (and_queue && !e->depth)
		model_add(i, 0);
}

static void look(int i)
{
	struct entry *e = &entry[i];
	struct cmwq_stats st;

	ASSERT_EQ(work_pending(&e->dwork.work), e->where != IDLE);
	ASSERT_EQ(delayed_work_pending(&e->dwork), e->where != IDLE);
	ASSERT_EQ(work_busy(&e->dwork.work),
		  e->where == IDLE ? 0 : WORK_BUSY_PENDING);
	ASSERT(cmwq_get_stats(wq, &st));
	ASSERT_EQ(st.in_flight, queued + 1);
	ASSERT_EQ(st.completed, total);
}

static void one_operation(struct rng *r)
{
	int i = (int)rng_below(r, ITEMS);
	unsigned int dice = rng_below(r, 100);

	if (dice < 35)
		try_queue(r, i);
	else if (dice < 55)
		try_mod(r, i);
	else if (dice < 70)
		try_cancel(r, i);
	else if (dice < 78)
		try_disable(r, i);
	else if (dice < 95)
		try_enable(r, i);
	else
		look(i);
}

static void let_run(struct item *blocker)
{
	int i;

	runs = 0;
	item_release(blocker);
	flush_workqueue(wq);
	ASSERT_EQ(runs, queued);
	total += (unsigned long long)runs + 1;
	for (i = 0; i < runs; i++) {
		ASSERT_EQ(ran[i], fifo[i]);
		entry[fifo[i]].where = IDLE;
	}
	queued = 0;
	for (i = 0; i < ITEMS; i++)
		ASSERT_EQ(work_busy(&entry[i].dwork.work),
			  entry[i].where == IDLE ? 0 : WORK_BUSY_PENDING);
}

/* Sometimes a flush of a delayed item, which is queued then, at the end. */
static void flush_one(struct rng *r)
{
	int i = (int)rng_below(r, ITEMS);

	ASSERT_EQ(flush_work(&entry[i].dwork.work), false);
	/* True or false: it may have run before it could be waited for. */
	if (flush_delayed_work(&entry[i].dwork))
		ASSERT_EQ(entry[i].where, TIMER);
	ASSERT_EQ(runs, entry[i].where == TIMER);
	if (entry[i].where == TIMER)
		total++;
	entry[i].where = IDLE;
}

static void against_the_model(struct workqueue_struct *queue)
{
	const char *s = getenv("CMWQ_STORM_SECONDS");
	uint64_t end = now_ns() + (uint64_t)((s ? atof(s) : 1) * 1e9);
	struct rng r = rng_make(7);
	struct item blocker;
	int i, n;

	ASSERT(queue);
	wq = queue;
	cpu = nth_cpu(0);
	for (i = 0; i < ITEMS; i++)
		INIT_DELAYED_WORK(&entry[i].dwork, entry_func);
	while (now_ns() < end) {
		item_init_held(&blocker);
		ASSERT(queue_work_on(cpu, wq, &blocker.work));
		wait_for(item_started(&blocker));
		for (n = 20 + (int)rng_below(&r, 200); n > 0; n--)
			one_operation(&r);
		let_run(&blocker);
		runs = 0;
		flush_one(&r);
	}
	for (i = 0; i < ITEMS; i++)
		ASSERT_EQ(cancel_delayed_work_sync(&entry[i].dwork),
			  entry[i].where == TIMER);
	destroy_workqueue(wq);
}

TEST(model_ordered)
{
	against_the_model(alloc_ordered_workqueue("model", 0));
}

/* In one and the same pool: from pool to pool there is no order. */
TEST(model_unbound)
{
	workqueue_init_topology();
	pin_to(nth_cpu(0));
	against_the_model(alloc_workqueue("model", WQ_UNBOUND, 1));
}

/* Everything on one CPU, as each has a list of its own. */
TEST(model_percpu)
{
	pin_to(nth_cpu(0));
	against_the_model(alloc_workqueue("model", WQ_PERCPU, 1));
}
