/* SPDX-License-Identifier: MIT */
/*
 * rcu_storm.c - RCU work from several threads, with readers of several flavours.
 *
 * (A) The books: each true of queue_rcu_work() is one run, or one true of a cancel
 *     or disable; an item never overlaps itself.
 * (B) The grace period: when a function runs, every reader that was in a section
 *     when its item was queued has left that section.
 * (C) What was taken back may be freed, and a function may free its item.
 *
 * timeout: 300
 */
#include "readers.h"

#define THREADS 3
#define ITEMS	8
#define READERS 2
#define FLAVORS 4

static const struct rcu_flavor_struct *const flavor[FLAVORS] = {
	NULL,
	&urcu_memb_flavor,
	&urcu_mb_flavor,
	&urcu_qsbr_flavor,
};

static _Atomic bool stop;
static struct workqueue_struct *wq[3];

static uint64_t storm_end(void)
{
	const char *s = getenv("CMWQ_STRESS_SECONDS");

	return now_ns() + (uint64_t)(s ? atoi(s) : 2) * 1000000000;
}

static void make_queues(void)
{
	wq[0] = alloc_workqueue("storm_percpu", WQ_PERCPU, 2);
	wq[1] = alloc_workqueue("storm_unbound", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("storm_ordered", 0);
}

static void destroy_queues(void)
{
	for (int i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

/* --- readers: odd while they are in a section --- */

static struct {
	_Alignas(64) _Atomic unsigned long seq;
	struct thread thread;
	int flavor;
} readers[FLAVORS * READERS];

static long read_and_leave(void *arg)
{
	int me = (int)(intptr_t)arg;
	const struct rcu_flavor_struct *f =
		flavor[readers[me].flavor] ?: &urcu_bp_flavor;
	struct rng rng = rng_make(100 + (uint64_t)me);

	f->register_thread();
	while (!atomic_load(&stop)) {
		f->read_lock();
		atomic_fetch_add(&readers[me].seq, 1);
		if (rng_below(&rng, 16) == 0)
			usleep(rng_below(&rng, 500));
		atomic_fetch_add(&readers[me].seq, 1);
		f->read_unlock();
		f->read_quiescent_state();
		if (rng_below(&rng, 4) == 0) {
			f->thread_offline();
			usleep(rng_below(&rng, 100));
			f->thread_online();
		}
	}
	f->unregister_thread();
	return 0;
}

static void start_readers(void)
{
	for (int i = 0; i < FLAVORS * READERS; i++) {
		readers[i].flavor = i / READERS;
		thread_start(&readers[i].thread, read_and_leave,
			     (void *)(intptr_t)i);
	}
}

static void end_readers(void)
{
	for (int i = 0; i < FLAVORS * READERS; i++)
		thread_join(&readers[i].thread);
}

/* --- (A) --- */

static struct thing {
	struct item it; /* first */
	_Atomic long claims;
	_Atomic long ends;
} thing[ITEMS];

static bool take(struct work_struct *work, unsigned int how)
{
	bool taken;

	switch (how) {
	case 0:
		return cancel_work(work);
	case 1:
		return cancel_work_sync(work);
	case 2:
		taken = disable_work(work);
		break;
	default:
		taken = disable_work_sync(work);
	}
	enable_work(work);
	return taken;
}

static long storm(void *arg)
{
	struct rng rng = rng_make((uint64_t)(intptr_t)arg);

	while (!atomic_load(&stop)) {
		struct thing *t = &thing[rng_below(&rng, ITEMS)];

		switch (rng_below(&rng, 8)) {
		case 0:
		case 1:
			if (take(&t->it.work, rng_below(&rng, 4)))
				atomic_fetch_add(&t->ends, 1);
			break;
		case 2:
			flush_rcu_work(&t->it.rwork);
			break;
		case 3:
			cmwq_set_rcu_flavor(flavor[rng_below(&rng, FLAVORS)]);
			break;
		case 4:
			usleep(rng_below(&rng, 200));
			break;
		default:
			if (queue_rcu_work(wq[(t - thing) % 3], &t->it.rwork))
				atomic_fetch_add(&t->claims, 1);
		}
	}
	return 0;
}

static void requeue_now_and_then(struct item *it)
{
	struct thing *t = (struct thing *)it;

	if (it->started % 3 == 0 &&
	    queue_rcu_work(wq[(t - thing) % 3], &it->rwork))
		atomic_fetch_add(&t->claims, 1);
}

TEST(books, .timeout = 120)
{
	static struct thread thread[THREADS];
	uint64_t until = storm_end();

	make_queues();
	for (int i = 0; i < ITEMS; i++) {
		item_init(&thing[i].it);
		thing[i].it.hook = requeue_now_and_then;
	}
	start_readers();
	for (int i = 0; i < THREADS; i++)
		thread_start(&thread[i], storm, (void *)(intptr_t)i);
	while (now_ns() < until)
		usleep(10000);
	atomic_store(&stop, true);
	for (int i = 0; i < THREADS; i++)
		thread_join(&thread[i]);
	end_readers();
	for (int i = 0; i < ITEMS; i++) {
		struct thing *t = &thing[i];

		while (flush_rcu_work(&t->it.rwork))
			;
		EXPECT(item_idle(&t->it));
		EXPECT_EQ(item_runs(&t->it), t->claims - t->ends);
		EXPECT_EQ(t->it.overlaps, 0);
		EXPECT_OP(item_runs(&t->it), >, 0);
	}
	destroy_queues();
}

/* --- (B) and (C) --- */

struct garbage {
	struct rcu_work rwork; /* first */
	int flavor;
	unsigned long seq[READERS];
};

static struct counter made, freed, taken;

static void check_and_free(struct work_struct *work)
{
	struct garbage *g = (struct garbage *)to_rcu_work(work);

	for (int i = 0; i < READERS; i++)
		if (g->seq[i] & 1)
			EXPECT(atomic_load(
				       &readers[g->flavor * READERS + i].seq) !=
			       g->seq[i]);
	free(g);
	counter_inc(&freed);
}

static void make_garbage(struct rng *rng)
{
	struct garbage *g = malloc(sizeof(*g));

	INIT_RCU_WORK(&g->rwork, check_and_free);
	g->flavor = (int)rng_below(rng, FLAVORS);
	EXPECT_EQ(cmwq_set_rcu_flavor(flavor[g->flavor]), 0);
	for (int i = 0; i < READERS; i++)
		g->seq[i] = atomic_load(&readers[g->flavor * READERS + i].seq);
	EXPECT(queue_rcu_work(wq[rng_below(rng, 3)], &g->rwork));
	counter_inc(&made);
}

/* An item that nobody else would free. */
static void keep(struct work_struct *work)
{
	(void)work;
}

static void take_garbage_back(struct rng *rng)
{
	struct rcu_work *rwork = malloc(sizeof(*rwork));

	INIT_RCU_WORK(rwork, keep);
	EXPECT(queue_rcu_work(wq[rng_below(rng, 3)], rwork));
	if (rng_below(rng, 2))
		usleep(rng_below(rng, 100));
	if (take(&rwork->work, rng_below(rng, 2) * 2 + 1))
		counter_inc(&taken);
	free(rwork);
}

/* One thread: the flavour that it chooses is the one that it queues with. */
TEST(grace_periods, .timeout = 120)
{
	struct rng rng = rng_make(1);
	uint64_t until = storm_end();

	make_queues();
	start_readers();
	while (now_ns() < until) {
		if (rng_below(&rng, 4))
			make_garbage(&rng);
		else
			take_garbage_back(&rng);
		if (counter_get(&made) - counter_get(&freed) > 10000)
			usleep(1000);
	}
	atomic_store(&stop, true);
	end_readers();
	wait_for(counter_get(&freed) == counter_get(&made));
	EXPECT_OP(counter_get(&freed), >, 100);
	EXPECT_OP(counter_get(&taken), >, 0);
	destroy_queues();
}
