/* SPDX-License-Identifier: MIT */
/*
 * batch.c - cmwq_queue_work_batch() does for each item what queue_work() does.
 */
#include "harness.h"

#define N 64

static struct item it[N];
static struct work_struct *works[N];

static struct workqueue_struct *begin(unsigned int flags)
{
	for (int i = 0; i < N; i++) {
		item_init(&it[i]);
		works[i] = &it[i].work;
	}
	if (flags & __WQ_ORDERED)
		return alloc_ordered_workqueue("batch", 0);
	return alloc_workqueue("batch", flags, 0);
}

static void runs_in_order(unsigned int flags)
{
	struct workqueue_struct *wq = begin(flags);

	if (flags & WQ_PERCPU)
		pin_to(nth_cpu(0));
	for (int round = 1; round <= 20; round++) {
		EXPECT_EQ(cmwq_queue_work_batch(wq, works, N), N);
		flush_workqueue(wq);
		for (int i = 0; i < N; i++)
			EXPECT_EQ(item_runs(&it[i]), round);
		if (!(flags & (WQ_PERCPU | __WQ_ORDERED)))
			continue;
		for (int i = 1; i < N; i++)
			EXPECT_OP(it[i].order, >, it[i - 1].order);
	}
	destroy_workqueue(wq);
}

TEST(percpu)
{
	runs_in_order(WQ_PERCPU);
}

TEST(unbound)
{
	runs_in_order(WQ_UNBOUND);
}

TEST(ordered)
{
	runs_in_order(__WQ_ORDERED);
}

/* Behind what was queued before, before what is queued after it. */
TEST(among_others)
{
	struct workqueue_struct *wq = begin(__WQ_ORDERED);
	struct item first, last;

	item_init_held(&first);
	item_init(&last);
	EXPECT(queue_work(wq, &first.work));
	EXPECT_EQ(cmwq_queue_work_batch(wq, works, N), N);
	EXPECT(queue_work(wq, &last.work));
	linger();
	EXPECT_EQ(items_started(it, N), 0);
	item_release(&first);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	EXPECT_OP(it[0].order, >, first.order);
	EXPECT_OP(last.order, >, it[N - 1].order);
	destroy_workqueue(wq);
}

TEST(empty)
{
	struct workqueue_struct *wq = begin(WQ_UNBOUND);

	EXPECT_EQ(cmwq_queue_work_batch(wq, works, 0), 0);
	EXPECT_EQ(cmwq_queue_work_batch(wq, NULL, 0), 0);
	EXPECT_EQ(cmwq_queue_work_batch(wq, works, 1), 1);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), 1);
	destroy_workqueue(wq);
}

/* Those that queue_work() would refuse, each in its own way. */
static void states(unsigned int flags)
{
	static struct item never, twice;
	struct workqueue_struct *wq = begin(flags);

	item_allow(&it[0], 0);
	EXPECT(queue_work(wq, &it[0].work));
	wait_for(item_started(&it[0]) == 1);
	EXPECT(queue_work(wq, &it[1].work) || flags & __WQ_ORDERED);
	if (!(flags & __WQ_ORDERED))
		flush_work(&it[1].work);
	EXPECT(queue_delayed_work(wq, &it[2].dwork, 1000000)); /* pending */
	EXPECT(!disable_work(&it[3].work));
	works[4] = NULL;
	works[5] = &never.work; /* not initialised */
	item_init(&twice);
	works[6] = works[7] = &twice.work;
	/* 0 runs and is queued again; 2, 3, 4, 5, 7 are passed over; 1 is pending
	 * still where one waits for the other. */
	EXPECT_EQ(cmwq_queue_work_batch(wq, works, 8),
		  flags & __WQ_ORDERED ? 2 : 3);
	EXPECT(!flags || work_busy(&it[0].work) ==
				 (WORK_BUSY_PENDING | WORK_BUSY_RUNNING));
	item_release(&it[0]);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it[0]), 2);
	EXPECT_EQ(it[0].overlaps, 0);
	EXPECT_EQ(item_runs(&it[1]), flags & __WQ_ORDERED ? 1 : 2);
	EXPECT_EQ(item_runs(&it[2]), 0);
	EXPECT_EQ(item_runs(&it[3]), 0);
	EXPECT_EQ(item_runs(&twice), 1);
	wait_for(log_has("NULL work item for workqueue batch") &&
		 log_has("uninitialised work item for workqueue batch"));
	log_clear();
	EXPECT(cancel_delayed_work_sync(&it[2].dwork));
	EXPECT(enable_work(&it[3].work));
	destroy_workqueue(wq);
}

TEST(states_percpu)
{
	states(WQ_PERCPU);
}

TEST(states_unbound)
{
	states(WQ_UNBOUND);
}

TEST(states_ordered)
{
	states(__WQ_ORDERED);
}

/* One that runs on another CPU goes there and waits; the others do not. */
TEST(runs_elsewhere)
{
	struct workqueue_struct *wq = begin(WQ_PERCPU);

	need_cpus(2);
	item_allow(&it[5], 0);
	EXPECT(queue_work_on(nth_cpu(1), wq, &it[5].work));
	wait_for(item_started(&it[5]) == 1);
	pin_to(nth_cpu(0));
	EXPECT_EQ(cmwq_queue_work_batch(wq, works, N), N);
	wait_for(items_finished(it, N) == N - 1);
	EXPECT_EQ(item_started(&it[5]), 1);
	item_release(&it[5]);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it[5]), 2);
	EXPECT_EQ(it[5].cpu, nth_cpu(1));
	EXPECT_EQ(it[5].overlaps, 0);
	destroy_workqueue(wq);
}

/* An item queues itself and others. */
static struct workqueue_struct *own;

static void queue_all(struct item *self)
{
	if (self->started == 1)
		EXPECT_EQ(cmwq_queue_work_batch(own, works, N), N);
}

static void from_an_item(unsigned int flags)
{
	own = begin(flags);
	it[3].hook = queue_all;
	EXPECT(queue_work(own, &it[3].work));
	wait_for(items_finished(it, N) == N && item_runs(&it[3]) == 2);
	flush_workqueue(own);
	EXPECT_EQ(it[3].overlaps, 0);
	destroy_workqueue(own);
}

TEST(from_an_item_percpu)
{
	from_an_item(WQ_PERCPU);
}

TEST(from_an_item_unbound)
{
	from_an_item(WQ_UNBOUND);
}

TEST(from_an_item_ordered)
{
	from_an_item(__WQ_ORDERED);
}

static long do_drain(void *wq)
{
	drain_workqueue(wq);
	return 0;
}

/* Dropped, which counts as queued: queue_work() returns true. */
TEST(draining)
{
	struct workqueue_struct *wq = begin(WQ_UNBOUND);
	struct item blocker;
	struct thread drainer;

	item_init_held(&blocker);
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker) == 1);
	thread_start(&drainer, do_drain, wq);
	EXPECT(thread_asleep(&drainer));
	EXPECT_EQ(cmwq_queue_work_batch(wq, works, 10), 10);
	for (int i = 0; i < 10; i++)
		EXPECT(item_idle(&it[i]));
	wait_for(log_has("is draining"));
	log_ignore("is draining");
	log_ignore("more messages");
	item_release(&blocker);
	thread_join(&drainer);
	EXPECT_EQ(items_started(it, N), 0);
	destroy_workqueue(wq);
}

TEST(bad_input)
{
	EXPECT_EQ(cmwq_queue_work_batch(NULL, works, N), 0);
	EXPECT_EQ(cmwq_queue_work_batch(system_wq, NULL, 3), 0);
	wait_for(log_has("workqueue NULL is not one") &&
		 log_has("NULL batch for workqueue events"));
	log_clear();
	check_library_works();
}

/* A pwq at max_active: quiet pushes, and nothing is left behind. */
TEST(saturated)
{
	struct workqueue_struct *wq;
	struct item blocker;

	begin(WQ_UNBOUND);
	wq = alloc_workqueue("narrow", WQ_UNBOUND, 1);
	for (int round = 1; round <= 20; round++) {
		item_init_held(&blocker);
		EXPECT(queue_work(wq, &blocker.work));
		EXPECT_EQ(cmwq_queue_work_batch(wq, works, N / 2), N / 2);
		EXPECT_EQ(cmwq_queue_work_batch(wq, works, N), N / 2);
		item_release(&blocker);
		wait_for(item_runs(&it[N - 1]) == round);
		flush_workqueue(wq);
		for (int i = 0; i < N; i++)
			EXPECT_EQ(item_runs(&it[i]), round);
	}
	destroy_workqueue(wq);
}

/* --- several threads, the same items --- */

static _Atomic bool stop;
static _Atomic long claims[N], ends[N];

static long storm(void *wq)
{
	struct rng rng = rng_make((uint64_t)self_tid());
	struct work_struct *some[N];

	while (!atomic_load(&stop)) {
		unsigned int n = rng_below(&rng, N), i = rng_below(&rng, N);

		if (rng_below(&rng, 4) == 0 && cancel_work(&it[i].work))
			atomic_fetch_add(&ends[i], 1);
		for (i = 0; i < n; i++)
			some[i] = works[rng_below(&rng, N)];
		atomic_fetch_add(&claims[0],
				 (long)cmwq_queue_work_batch(wq, some, n));
	}
	return 0;
}

static void books(unsigned int flags)
{
	static struct thread thread[3];
	struct workqueue_struct *wq = begin(flags);
	long runs = 0, cancelled = 0;

	for (int i = 0; i < 3; i++)
		thread_start(&thread[i], storm, wq);
	wait_for(claims[0] > 20000);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		thread_join(&thread[i]);
	flush_workqueue(wq);
	for (int i = 0; i < N; i++) {
		EXPECT(item_idle(&it[i]));
		EXPECT_EQ(it[i].overlaps, 0);
		runs += item_runs(&it[i]);
		cancelled += ends[i];
	}
	EXPECT_EQ(runs, claims[0] - cancelled);
	destroy_workqueue(wq);
}

TEST(books_percpu)
{
	books(WQ_PERCPU);
}

TEST(books_unbound)
{
	books(WQ_UNBOUND);
}

TEST(books_ordered)
{
	books(__WQ_ORDERED);
}
