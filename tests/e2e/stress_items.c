/* SPDX-License-Identifier: MIT */
/*
 * stress_items.c - items that free, queue and requeue items, and visibility.
 *
 * (A) An item may be freed by its own function; nothing looks at it then.
 * (B) What items queue is counted, drained and flushed like everything else.
 * (C) Plain memory, written before queue_work(), is read by the function, and
 *     the function's by whoever flushed it: in plain memory, so that
 *     ThreadSanitizer judges it, also where queue_work() returned false.
 *
 * timeout: 300
 */
#include "harness.h"

static uint64_t stress_ns(void)
{
	const char *s = getenv("CMWQ_STRESS_SECONDS");

	return (uint64_t)((s ? atof(s) : 2) * 1e9);
}

/* --- items that make items --- */

static _Atomic long born, dead;
static struct workqueue_struct *family_wq[3];

struct child {
	struct work_struct work;
	int depth;
};

static void child_func(struct work_struct *work);

static void give_birth(int depth, unsigned int where)
{
	struct child *c = malloc(sizeof(*c));

	ASSERT(c);
	c->depth = depth;
	INIT_WORK(&c->work, child_func);
	atomic_fetch_add(&born, 1);
	ASSERT(queue_work(family_wq[where % 3], &c->work));
}

/* Frees its item first: the library must not look at it any more. */
static void child_func(struct work_struct *work)
{
	struct child *c = from_work(c, work, work);
	int depth = c->depth;

	memset(c, 0x6b, sizeof(*c));
	free(c);
	if (depth > 0) {
		give_birth(depth - 1, (unsigned int)depth);
		give_birth(depth - 1, (unsigned int)depth + 1);
	}
	atomic_fetch_add(&dead, 1);
}

TEST(self_freeing_family)
{
	uint64_t until = now_ns() + stress_ns() / 2;
	int i, depth;

	family_wq[0] = alloc_workqueue("f0", WQ_PERCPU, 0);
	family_wq[1] = alloc_workqueue("f1", WQ_UNBOUND, 3);
	family_wq[2] = alloc_ordered_workqueue("f2", 0);
	for (depth = 6; now_ns() < until && depth < 20; depth++) {
		long before = atomic_load(&dead), size = (2L << depth) - 1;

		give_birth(depth, 0);
		wait_for(atomic_load(&dead) >= before + size);
		EXPECT_EQ(atomic_load(&dead), before + size);
		EXPECT_EQ(atomic_load(&born), atomic_load(&dead));
	}
	for (i = 0; i < 3; i++)
		destroy_workqueue(family_wq[i]);
	EXPECT_EQ(atomic_load(&born), atomic_load(&dead));
}

/* A destroy waits for what items queue, and frees nothing too early. */
TEST(drained_family)
{
	uint64_t until = now_ns() + stress_ns() / 2;
	int kind = 0;

	for (; now_ns() < until; kind++) {
		long before = atomic_load(&dead);
		struct workqueue_struct *wq =
			kind % 3 == 0 ? alloc_workqueue("d", WQ_PERCPU, 0)
			: kind % 3 == 1
				? alloc_workqueue("d", WQ_UNBOUND, kind % 5)
				: alloc_ordered_workqueue("d", 0);

		family_wq[0] = family_wq[1] = family_wq[2] = wq;
		give_birth(5, 0);
		destroy_workqueue(wq);
		EXPECT_EQ(atomic_load(&dead), before + 63);
	}
}

struct runner {
	struct work_struct work;
	struct workqueue_struct *wq;
	struct runner *next; /* itself, or another one */
	_Atomic long *left;
	_Atomic long runs;
	_Atomic long trues;
};

static void runner_func(struct work_struct *work)
{
	struct runner *r = from_work(r, work, work);

	atomic_fetch_add(&r->runs, 1);
	if (atomic_fetch_sub(r->left, 1) <= 0)
		return;
	if (queue_work(r->next->wq, &r->next->work))
		atomic_fetch_add(&r->next->trues, 1);
}

static void runner_init(struct runner *r, struct workqueue_struct *wq,
			struct runner *next, _Atomic long *left)
{
	memset(r, 0, sizeof(*r));
	r->wq = wq;
	r->next = next;
	r->left = left;
	INIT_WORK(&r->work, runner_func);
}

static void race(struct runner *r, int n, _Atomic long *left, long length)
{
	int i;

	atomic_store(left, length);
	for (i = 0; i < n; i++)
		if (queue_work(r[i].wq, &r[i].work))
			atomic_fetch_add(&r[i].trues, 1);
	/* Every token that is not swallowed by a pending runner ends it. */
	wait_for(atomic_load(left) <= 0);
	for (i = 0; i < n; i++)
		flush_workqueue(r[i].wq);
	for (i = 0; i < n; i++)
		flush_workqueue(r[i].wq);
	for (i = 0; i < n; i++)
		EXPECT_EQ(atomic_load(&r[i].runs), atomic_load(&r[i].trues));
}

TEST(requeue_itself)
{
	struct workqueue_struct *wq[3];
	uint64_t until = now_ns() + stress_ns() / 2;
	static _Atomic long left;
	struct runner r[3];
	long length;
	int i;

	wq[0] = alloc_workqueue("r0", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("r1", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("r2", 0);
	for (i = 0; i < 3; i++)
		runner_init(&r[i], wq[i], &r[i], &left);
	for (length = 1000; now_ns() < until; length *= 2)
		race(r, 3, &left, length);
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

/* Items that queue the next one, on another queue: the token goes round. */
TEST(relay)
{
	struct workqueue_struct *wq[4];
	uint64_t until = now_ns() + stress_ns() / 2;
	static _Atomic long left;
	struct runner r[12];
	long length;
	int i;

	wq[0] = alloc_workqueue("r0", WQ_PERCPU, 1);
	wq[1] = alloc_workqueue("r1", WQ_UNBOUND, 1);
	wq[2] = alloc_ordered_workqueue("r2", 0);
	wq[3] = alloc_workqueue("r3", WQ_PERCPU | WQ_HIGHPRI, 0);
	for (i = 0; i < 12; i++)
		runner_init(&r[i], wq[i % 4], &r[(i + 1) % 12], &left);
	for (length = 1000; now_ns() < until; length *= 2)
		race(r, 1, &left, length);
	for (i = 0; i < 4; i++)
		destroy_workqueue(wq[i]);
}

/* --- visibility, in plain memory, so that ThreadSanitizer can judge --- */

struct letter {
	struct work_struct work;
	long text[4];
	long reply;
};

static void letter_func(struct work_struct *work)
{
	struct letter *l = from_work(l, work, work);

	l->reply = l->text[0] + l->text[1] + l->text[2] + l->text[3];
}

static long correspond(void *arg)
{
	struct workqueue_struct *wq = arg;
	struct letter l;
	long i;

	memset(&l, 0, sizeof(l));
	INIT_WORK_ONSTACK(&l.work, letter_func);
	for (i = 0; i < 2000; i++) {
		l.text[i % 4] = i;
		ASSERT(queue_work(wq, &l.work));
		flush_work(&l.work);
		ASSERT_EQ(l.reply,
			  l.text[0] + l.text[1] + l.text[2] + l.text[3]);
		if (i % 16)
			continue;
		l.text[3]++;
		ASSERT(queue_work(wq, &l.work));
		flush_workqueue(wq);
		ASSERT_EQ(l.reply,
			  l.text[0] + l.text[1] + l.text[2] + l.text[3]);
	}
	destroy_work_on_stack(&l.work);
	return 0;
}

TEST(stores_are_seen_both_ways)
{
	struct workqueue_struct *wq[3];
	struct thread t[3];
	int i;

	wq[0] = alloc_workqueue("v0", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("v1", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("v2", 0);
	for (i = 0; i < 3; i++)
		thread_start(&t[i], correspond, wq[i]);
	for (i = 0; i < 3; i++)
		thread_join(&t[i]);
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

struct late {
	struct workqueue_struct *wq;
	struct letter letter;
	_Atomic long round;   /* orders the last run before the next write */
	_Atomic long written; /* relaxed: must not order anything */
	_Atomic int wrong;
};

/* Writes plain memory, then queues an item that is pending already. */
static long write_late(void *arg)
{
	struct late *late = arg;
	long i;

	for (i = 1; i <= 300; i++) {
		wait_for(atomic_load_explicit(&late->round,
					      memory_order_acquire) >= i);
		late->letter.text[1] = i;
		if (queue_work(late->wq, &late->letter.work))
			atomic_fetch_add(&late->wrong, 1);
		atomic_store_explicit(&late->written, i, memory_order_relaxed);
	}
	return 0;
}

TEST(false_publishes_too)
{
	static struct late late;
	struct item blocker;
	struct thread t;
	long i;

	late.wq = alloc_ordered_workqueue("late", 0);
	INIT_WORK(&late.letter.work, letter_func);
	item_init_held(&blocker);
	thread_start(&t, write_late, &late);
	for (i = 1; i <= 300; i++) {
		ASSERT(queue_work(late.wq, &blocker.work));
		ASSERT(queue_work(late.wq, &late.letter.work));
		atomic_store_explicit(&late.round, i, memory_order_release);
		wait_for(atomic_load_explicit(&late.written,
					      memory_order_relaxed) >= i);
		item_allow(&blocker, (int)i);
		flush_work(&late.letter.work);
		EXPECT_EQ(late.letter.reply, i);
	}
	thread_join(&t);
	EXPECT_EQ(atomic_load(&late.wrong), 0);
	destroy_workqueue(late.wq);
}
