/* SPDX-License-Identifier: MIT */
/*
 * freezer.c - freeze_workqueues_begin(), _busy(), thaw_workqueues(), with everything
 * that can happen while they are at it.
 */
#include "harness.h"

#define N 8

static struct item it[N];

static struct workqueue_struct *alloc(unsigned int flags, int max_active)
{
	struct workqueue_struct *wq =
		alloc_workqueue("icy", WQ_FREEZABLE | flags, max_active);

	ASSERT(wq);
	return wq;
}

static void queue(struct workqueue_struct *wq, int from, int to)
{
	for (int i = from; i < to; i++) {
		item_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
}

/* Each started after the one before it. */
static void check_order(int from, int to)
{
	for (int i = from + 1; i < to; i++)
		EXPECT_OP(it[i].order, >, it[i - 1].order);
}

/* What is queued while it is frozen waits, and starts in order. */
static void waits_for_thaw(unsigned int flags)
{
	struct workqueue_struct *wq = alloc(flags, 1);

	pin_to(nth_cpu(0));
	freeze_workqueues_begin();
	queue(wq, 0, N);
	linger();
	EXPECT_EQ(items_started(it, N), 0);
	EXPECT(!freeze_workqueues_busy());
	for (int i = 0; i < N; i++)
		EXPECT_EQ(work_busy(&it[i].work), WORK_BUSY_PENDING);
	thaw_workqueues();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	check_order(0, N);
	destroy_workqueue(wq);
}

TEST(waits_percpu)
{
	waits_for_thaw(WQ_PERCPU);
}

TEST(waits_unbound)
{
	waits_for_thaw(WQ_UNBOUND);
}

TEST(waits_highpri)
{
	waits_for_thaw(WQ_UNBOUND | WQ_HIGHPRI);
}

TEST(waits_ordered)
{
	struct workqueue_struct *wq =
		alloc_ordered_workqueue("icy", WQ_FREEZABLE);

	freeze_workqueues_begin();
	queue(wq, 0, N);
	linger();
	EXPECT_EQ(items_started(it, N), 0);
	thaw_workqueues();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	check_order(0, N);
	destroy_workqueue(wq);
}

/* Items that run go on, and count as busy until they are through. */
TEST(running_items_finish)
{
	struct workqueue_struct *wq = alloc(WQ_UNBOUND, 0);

	item_init_held(&it[0]);
	queue_work(wq, &it[0].work);
	wait_for(item_started(&it[0]));
	freeze_workqueues_begin();
	EXPECT(freeze_workqueues_busy());
	queue(wq, 1, N);
	linger();
	EXPECT_EQ(items_started(it, N), 1);
	item_release(&it[0]);
	wait_for(!freeze_workqueues_busy());
	EXPECT_EQ(item_runs(&it[0]), 1);
	linger();
	EXPECT_EQ(items_started(it, N), 1);
	thaw_workqueues();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	destroy_workqueue(wq);
}

/* An item that queues itself again does not get through. */
static atomic_bool enough;

static void again(struct item *i)
{
	if (!atomic_load(&enough))
		queue_work((struct workqueue_struct *)i->arg, &i->work);
}

TEST(requeueing_item_stops)
{
	struct workqueue_struct *wq = alloc(WQ_UNBOUND, 0);
	int runs;

	item_init(&it[0]);
	it[0].hook = again;
	it[0].arg = (long)wq;
	queue_work(wq, &it[0].work);
	wait_for(item_runs(&it[0]) > 3);
	freeze_workqueues_begin();
	wait_for(!freeze_workqueues_busy());
	runs = item_runs(&it[0]);
	linger();
	EXPECT_EQ(item_runs(&it[0]), runs);
	EXPECT(work_pending(&it[0].work));
	thaw_workqueues();
	wait_for(item_runs(&it[0]) > runs);
	atomic_store(&enough, true);
	destroy_workqueue(wq);
}

static unsigned int queued_on(struct workqueue_struct *wq)
{
	struct cmwq_stats stats;

	EXPECT(cmwq_get_stats(wq, &stats));
	return stats.in_flight;
}

/* Timers fire; their items join those that wait, in one pool in the order of their
 * time. */
TEST(delayed_work_fires_meanwhile)
{
	struct workqueue_struct *wq = alloc(WQ_UNBOUND, 1);

	workqueue_init_topology();
	freeze_workqueues_begin();
	for (int i = 0; i < 3; i++) {
		item_init(&it[i]);
		INIT_DELAYED_WORK(&it[i].dwork, item_func);
		EXPECT(queue_delayed_work_on(nth_cpu(0), wq, &it[i].dwork,
					     (unsigned long)(5 + 20 * i)));
	}
	wait_for(queued_on(wq) == 3);
	linger();
	EXPECT_EQ(items_started(it, 3), 0);
	thaw_workqueues();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, 3), 3);
	check_order(0, 3);
	destroy_workqueue(wq);
}

/* The other queues do not feel it. */
TEST(others_go_on)
{
	struct workqueue_struct *icy = alloc(WQ_PERCPU, 0);
	struct item other;

	item_init(&other);
	freeze_workqueues_begin();
	queue(icy, 0, 1);
	ASSERT(schedule_work(&other.work));
	flush_work(&other.work);
	EXPECT_EQ(item_runs(&other), 1);
	check_library_works();
	EXPECT_EQ(item_started(&it[0]), 0);
	thaw_workqueues();
	flush_workqueue(icy);
	EXPECT_EQ(item_runs(&it[0]), 1);
	destroy_workqueue(icy);
}

TEST(queue_allocated_while_frozen)
{
	struct workqueue_struct *percpu, *unbound;

	freeze_workqueues_begin();
	percpu = alloc(WQ_PERCPU, 0);
	unbound = alloc(WQ_UNBOUND, 0);
	queue(percpu, 0, 2);
	queue(unbound, 2, 4);
	linger();
	EXPECT_EQ(items_started(it, 4), 0);
	thaw_workqueues();
	flush_workqueue(percpu);
	flush_workqueue(unbound);
	EXPECT_EQ(items_finished(it, 4), 4);
	destroy_workqueue(percpu);
	destroy_workqueue(unbound);
}

/* What max_active is set to meanwhile counts after the thaw. */
static void change_meanwhile(int before, int meanwhile)
{
	struct workqueue_struct *wq = alloc(WQ_UNBOUND, before);

	need_detector();
	span_nodes(wq);
	freeze_workqueues_begin();
	for (int i = 0; i < N; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	workqueue_set_max_active(wq, meanwhile);
	linger();
	EXPECT_EQ(items_started(it, N), 0);
	thaw_workqueues();
	wait_for(items_started(it, N) == meanwhile);
	linger();
	EXPECT_EQ(items_started(it, N), meanwhile);
	for (int i = 0; i < N; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	destroy_workqueue(wq);
}

TEST(max_active_raised_meanwhile)
{
	change_meanwhile(1, 5);
}

TEST(max_active_lowered_meanwhile)
{
	change_meanwhile(6, 2);
}

TEST(cancel_and_disable_meanwhile)
{
	struct workqueue_struct *wq = alloc(WQ_UNBOUND, 0);

	freeze_workqueues_begin();
	queue(wq, 0, N);
	EXPECT(cancel_work_sync(&it[2].work));
	EXPECT(disable_work_sync(&it[3].work));
	EXPECT(!queue_work(wq, &it[3].work));
	thaw_workqueues();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N - 2);
	EXPECT_EQ(item_runs(&it[2]), 0);
	EXPECT_EQ(item_runs(&it[3]), 0);
	EXPECT(enable_work(&it[3].work));
	destroy_workqueue(wq);
}

static long flusher(void *wq)
{
	flush_workqueue(wq);
	return 0;
}

TEST(flush_waits_for_the_thaw)
{
	struct workqueue_struct *wq = alloc(WQ_PERCPU, 0);
	struct thread t;

	freeze_workqueues_begin();
	queue(wq, 0, 3);
	thread_start(&t, flusher, wq);
	wait_asleep_tid(t.tid);
	EXPECT(!thread_done(&t));
	thaw_workqueues();
	thread_join(&t);
	EXPECT_EQ(items_finished(it, 3), 3);
	destroy_workqueue(wq);
}

TEST(again_and_again)
{
	struct workqueue_struct *percpu = alloc(WQ_PERCPU, 2);
	struct workqueue_struct *unbound = alloc(WQ_UNBOUND, 2);
	struct workqueue_struct *ordered =
		alloc_ordered_workqueue("icy", WQ_FREEZABLE);
	struct workqueue_struct *wq[3] = { percpu, unbound, ordered };
	long queued = 0;

	for (int i = 0; i < N; i++)
		item_init(&it[i]);
	for (int round = 0; round < 300; round++) {
		for (int i = 0; i < N; i++)
			queued += queue_work(wq[i % 3], &it[i].work);
		freeze_workqueues_begin();
		for (int i = 0; i < N; i++)
			queued += queue_work(wq[i % 3], &it[i].work);
		if (round % 3 == 0)
			wait_for(!freeze_workqueues_busy());
		thaw_workqueues();
	}
	for (int i = 0; i < 3; i++)
		flush_workqueue(wq[i]);
	for (int i = 0; i < N; i++) {
		queued -= item_runs(&it[i]);
		EXPECT_EQ(it[i].overlaps, 0);
	}
	EXPECT_EQ(queued, 0);
	for (int i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

TEST(calls_out_of_turn)
{
	struct workqueue_struct *wq = alloc(WQ_PERCPU, 0);

	thaw_workqueues();
	EXPECT(!freeze_workqueues_busy());
	EXPECT(log_has("nothing is being frozen"));
	freeze_workqueues_begin();
	freeze_workqueues_begin();
	EXPECT(log_has("frozen already"));
	thaw_workqueues();
	queue(wq, 0, 1);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it[0]), 1);
	destroy_workqueue(wq);
}
