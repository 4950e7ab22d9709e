/* SPDX-License-Identifier: MIT */
/*
 * drain.c - draining and destroying: what may still be queued, what is
 * dropped, and that everything has run when they return.
 */
#include "harness.h"

static long do_drain(void *arg)
{
	drain_workqueue(arg);
	return 0;
}

static long do_destroy(void *arg)
{
	destroy_workqueue(arg);
	return 0;
}

static struct workqueue_struct *chain_wq;

static void chain_tail(struct item *it)
{
	if (item_started(it) <= it->arg)
		EXPECT(queue_work(chain_wq, &it->work));
}

/* An item of the queue may requeue itself, and the drain goes on with it. */
static void requeue_on(struct workqueue_struct *wq)
{
	struct item it;
	struct thread t;

	log_ignore("not empty"); /* long chains are reported */
	chain_wq = wq;
	item_init_held(&it);
	it.tail = chain_tail;
	it.arg = 20;
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	thread_start(&t, do_drain, wq);
	EXPECT(thread_asleep(&t));
	item_release(&it);
	thread_join(&t);
	EXPECT_EQ(item_runs(&it), 21);
	EXPECT(item_idle(&it));
	it.tail = NULL;
	EXPECT(queue_work(wq, &it.work));
	drain_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 22);
	destroy_workqueue(wq);
}

TEST(requeue_percpu)
{
	requeue_on(alloc_workqueue("drain", WQ_PERCPU, 0));
}

TEST(requeue_unbound)
{
	requeue_on(alloc_workqueue("drain", WQ_UNBOUND, 0));
}

TEST(requeue_ordered)
{
	requeue_on(alloc_ordered_workqueue("drain", 0));
}

/* Items that queue two others each, down to a depth. */
struct tree {
	struct work_struct work;
	int depth;
};

static struct counter grown;

static void grow(struct work_struct *work);

static void plant(int depth)
{
	struct tree *tree = malloc(sizeof(*tree));

	ASSERT(tree);
	INIT_WORK(&tree->work, grow);
	tree->depth = depth;
	EXPECT(queue_work(chain_wq, &tree->work));
}

static void grow(struct work_struct *work)
{
	struct tree *tree = from_work(tree, work, work);

	if (tree->depth > 0) {
		plant(tree->depth - 1);
		plant(tree->depth - 1);
	}
	free(tree);
	counter_inc(&grown);
}

static void chained_on(struct workqueue_struct *wq)
{
	log_ignore("not empty"); /* long chains are reported */
	chain_wq = wq;
	plant(10);
	drain_workqueue(wq);
	EXPECT_EQ(counter_get(&grown), 2047);
	plant(9);
	destroy_workqueue(wq);
	EXPECT_EQ(counter_get(&grown), 2047 + 1023);
}

TEST(chained_percpu)
{
	chained_on(alloc_workqueue("chain", WQ_PERCPU, 0));
}

TEST(chained_unbound)
{
	chained_on(alloc_workqueue("chain", WQ_UNBOUND, 0));
}

TEST(chained_max_active_1)
{
	chained_on(alloc_workqueue("chain", WQ_PERCPU, 1));
}

TEST(chained_ordered)
{
	chained_on(alloc_ordered_workqueue("chain", 0));
}

/* A chain that goes to and fro between two pools is never seen in both. */
static struct item ball[2];
static _Atomic int passes;

static void pass_on(struct item *it)
{
	int other = it == &ball[0];

	if (atomic_fetch_sub(&passes, 1) > 0)
		EXPECT(queue_work_on(nth_cpu(other), chain_wq,
				     &ball[other].work));
}

TEST(chained_across_pools)
{
	int i, n;

	need_cpus(2);
	log_ignore("not empty");
	for (n = 0; n < 2000; n++) {
		chain_wq = alloc_workqueue("ball", WQ_PERCPU, 0);
		for (i = 0; i < 2; i++) {
			item_init(&ball[i]);
			ball[i].tail = pass_on;
		}
		atomic_store(&passes, 10);
		EXPECT(queue_work_on(nth_cpu(n % 2), chain_wq,
				     &ball[n % 2].work));
		destroy_workqueue(chain_wq);
		EXPECT_EQ(item_runs(&ball[0]) + item_runs(&ball[1]), 11);
	}
}

/* Anybody else's item: true, dropped, idle, and a message. */
static void outsider_on(struct workqueue_struct *wq)
{
	struct item inside, outside;
	struct thread t;

	item_init_held(&inside);
	item_init(&outside);
	EXPECT(queue_work(wq, &inside.work));
	wait_for(item_started(&inside));
	thread_start(&t, do_drain, wq);
	EXPECT(thread_asleep(&t));
	EXPECT(queue_work(wq, &outside.work));
	EXPECT(item_idle(&outside));
	wait_for(log_has("drainee"));
	log_ignore("drainee"); /* more of them may be one message */
	EXPECT(queue_work_on(nth_cpu(0), wq, &outside.work));
	EXPECT(item_idle(&outside));
	EXPECT(!flush_work(&outside.work));
	item_release(&inside);
	thread_join(&t);
	EXPECT_EQ(item_started(&outside), 0);

	EXPECT(queue_work(wq, &outside.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&outside), 1);
	destroy_workqueue(wq);
}

TEST(outsider_percpu)
{
	outsider_on(alloc_workqueue("drainee", WQ_PERCPU, 0));
}

TEST(outsider_unbound)
{
	outsider_on(alloc_workqueue("drainee", WQ_UNBOUND, 0));
}

TEST(outsider_ordered)
{
	outsider_on(alloc_ordered_workqueue("drainee", 0));
}

static struct item *foreign;

static void queue_foreign(struct item *it)
{
	(void)it;
	EXPECT(queue_work(chain_wq, &foreign->work));
}

/* An item that runs on another queue is an outsider. */
TEST(outsider_item)
{
	struct workqueue_struct *wq = alloc_workqueue("drainee", WQ_UNBOUND, 0);
	struct item inside, other, dropped;
	struct thread t;

	chain_wq = wq;
	foreign = &dropped;
	item_init_held(&inside);
	item_init(&other);
	item_init(&dropped);
	other.hook = queue_foreign;
	EXPECT(queue_work(wq, &inside.work));
	wait_for(item_started(&inside));
	thread_start(&t, do_drain, wq);
	EXPECT(thread_asleep(&t));
	EXPECT(queue_work(system_wq, &other.work));
	wait_for(item_runs(&other));
	EXPECT(item_idle(&dropped));
	wait_for(log_has("drainee"));
	item_release(&inside);
	thread_join(&t);
	EXPECT_EQ(item_started(&dropped), 0);
	destroy_workqueue(wq);
}

TEST(several_drainers)
{
	struct workqueue_struct *wq = alloc_workqueue("drainee", WQ_UNBOUND, 0);
	struct item it, outside;
	struct thread t[6];
	int i;

	item_init_held(&it);
	item_init(&outside);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it));
	for (i = 0; i < 6; i++) {
		thread_start(&t[i], do_drain, wq);
		EXPECT(thread_asleep(&t[i]));
	}
	item_release(&it);
	for (i = 0; i < 6; i++)
		thread_join(&t[i]);
	/* Only the last one ends the draining. */
	EXPECT(queue_work(wq, &outside.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&outside), 1);
	destroy_workqueue(wq);
}

TEST(drain_empty)
{
	struct workqueue_struct *wq = alloc_workqueue("empty", WQ_PERCPU, 0);
	int i;

	for (i = 0; i < 50; i++)
		drain_workqueue(wq);
	destroy_workqueue(wq);
}

static void destroy_drains_on(struct workqueue_struct *wq)
{
	static struct item it[100];
	struct item chained;
	int i;

	chain_wq = wq;
	log_ignore("not empty"); /* long chains are reported */
	item_init(&chained);
	chained.tail = chain_tail;
	chained.arg = 50;
	EXPECT(queue_work(wq, &chained.work));
	for (i = 0; i < 100; i++) {
		item_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(it, 100), 100);
	EXPECT_EQ(item_runs(&chained), 51);
	EXPECT(item_idle(&chained));
}

TEST(destroy_drains_percpu)
{
	destroy_drains_on(alloc_workqueue("end", WQ_PERCPU, 0));
}

TEST(destroy_drains_unbound)
{
	destroy_drains_on(alloc_workqueue("end", WQ_UNBOUND, 3));
}

TEST(destroy_drains_ordered)
{
	destroy_drains_on(alloc_ordered_workqueue("end", 0));
}

TEST(destroy_waits)
{
	struct workqueue_struct *wq = alloc_workqueue("end", WQ_UNBOUND, 1);
	struct item it[2];
	struct thread t;
	int i;

	for (i = 0; i < 2; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(item_started(&it[0]));
	thread_start(&t, do_destroy, wq);
	EXPECT(thread_asleep(&t));
	item_release(&it[0]);
	wait_for(item_started(&it[1]));
	EXPECT(thread_asleep(&t));
	item_release(&it[1]);
	thread_join(&t);
	EXPECT_EQ(item_runs(&it[1]), 1);
}

static void destroy_own(struct item *it)
{
	(void)it;
	destroy_workqueue(chain_wq);
}

/* From its own item: reported, and the queue stays as it is. */
static void destroy_own_on(struct workqueue_struct *wq)
{
	struct item it;

	chain_wq = wq;
	item_init(&it);
	it.hook = destroy_own;
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_runs(&it) == 1);
	wait_for(log_has("suicide"));
	it.hook = NULL;
	flush_workqueue(wq);
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
}

TEST(destroy_own_percpu)
{
	destroy_own_on(alloc_workqueue("suicide", WQ_PERCPU, 0));
}

TEST(destroy_own_unbound)
{
	destroy_own_on(alloc_workqueue("suicide", WQ_UNBOUND, 0));
}

static void destroy_other(struct item *it)
{
	(void)it;
	destroy_workqueue(chain_wq);
}

/* An item may destroy any other queue. */
TEST(destroy_from_an_item)
{
	struct item it, inside;

	chain_wq = alloc_workqueue("other", WQ_PERCPU, 0);
	item_init(&inside);
	item_init(&it);
	it.hook = destroy_other;
	EXPECT(queue_work_on(nth_cpu(0), chain_wq, &inside.work));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	wait_for(item_runs(&it));
	EXPECT_EQ(item_runs(&inside), 1);
}

/* Queues come and go, and leave no threads behind. */
TEST(alloc_destroy_many)
{
	struct workqueue_struct *wq;
	int i, threads = 0;
	struct item it;

	for (i = 0; i < 600; i++) {
		if (i % 3 == 0)
			wq = alloc_workqueue("q%d", WQ_PERCPU, 0, i);
		else if (i % 3 == 1)
			wq = alloc_workqueue("q%d", WQ_UNBOUND, 0, i);
		else
			wq = alloc_ordered_workqueue("q%d", 0, i);
		ASSERT(wq);
		item_init(&it);
		EXPECT(queue_work(wq, &it.work));
		if (i % 2)
			flush_workqueue(wq);
		destroy_workqueue(wq);
		EXPECT_EQ(item_runs(&it), 1);
		if (i == 300)
			threads = count_threads();
	}
	EXPECT_OP(count_threads(), <=, threads + 8);
}
