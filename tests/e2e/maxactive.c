/* SPDX-License-Identifier: MIT */
/*
 * maxactive.c - how many items of a queue run at once: the limit, changing it,
 * what its argument is turned into, and workqueue_congested().
 *
 * Which items have started is compared, not the order in which they noticed:
 * they start on several threads.
 */
#include "harness.h"

#define N 12

static void queue_held(int cpu, struct workqueue_struct *wq, struct item *it,
		       int n)
{
	int i;

	for (i = 0; i < n; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(cpu, wq, &it[i].work));
	}
}

static void release_all(struct item *it, int n)
{
	int i;

	for (i = 0; i < n; i++)
		item_release(&it[i]);
}

/* Exactly the first @n have started, and no others follow. */
static void check_started(struct item *it, int all, int n)
{
	wait_for(items_started(it, n) == n);
	linger();
	EXPECT_EQ(items_started(it, all), n);
}

/* One at a time goes, and the next one comes, until all are done. */
static void check_sliding(struct item *it, int all, int limit)
{
	int i;

	for (i = 0; i < all; i++) {
		wait_for(items_started(it, i + limit < all ? i + limit : all) ==
			 (i + limit < all ? i + limit : all));
		EXPECT_OP(items_started(it, all), <=, i + limit);
		item_release(&it[i]);
		wait_for(item_runs(&it[i]));
	}
}

static void limit_on(struct workqueue_struct *wq, int limit)
{
	static struct item it[N];

	need_detector();
	queue_held(nth_cpu(0), wq, it, N);
	check_started(it, N, limit);
	check_sliding(it, N, limit);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	destroy_workqueue(wq);
}

TEST(limit_percpu)
{
	limit_on(alloc_workqueue("limit", WQ_PERCPU, 3), 3);
}

TEST(limit_percpu_one)
{
	limit_on(alloc_workqueue("limit", WQ_PERCPU, 1), 1);
}

TEST(limit_cpu_intensive)
{
	limit_on(alloc_workqueue("limit", WQ_PERCPU | WQ_CPU_INTENSIVE, 3), 3);
}

TEST(limit_unbound)
{
	limit_on(alloc_workqueue("limit", WQ_UNBOUND, 4), 4);
}

TEST(limit_ordered)
{
	limit_on(alloc_ordered_workqueue("limit", 0), 1);
}

/* A per-CPU queue has its limit on each CPU. */
TEST(limit_is_per_cpu)
{
	struct workqueue_struct *wq = alloc_workqueue("limit", WQ_PERCPU, 2);
	static struct item a[4], b[4];

	need_cpus(2);
	need_detector();
	queue_held(nth_cpu(0), wq, a, 4);
	queue_held(nth_cpu(1), wq, b, 4);
	check_started(a, 4, 2);
	check_started(b, 4, 2);
	release_all(a, 4);
	wait_for(items_finished(a, 4) == 4);
	EXPECT_EQ(items_started(b, 4), 2);
	release_all(b, 4);
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(b, 4), 4);
}

/* Queues do not use up each other's limit, though they share the workers. */
TEST(limit_is_per_queue)
{
	struct workqueue_struct *a = alloc_workqueue("qa", WQ_UNBOUND, 1);
	struct workqueue_struct *b = alloc_workqueue("qb", WQ_UNBOUND, 1);
	static struct item ia[3], ib[3];

	need_detector();
	queue_held(nth_cpu(0), a, ia, 3);
	queue_held(nth_cpu(0), b, ib, 3);
	check_started(ia, 3, 1);
	check_started(ib, 3, 1);
	release_all(ia, 3);
	release_all(ib, 3);
	destroy_workqueue(a);
	destroy_workqueue(b);
}

static void raising_on(struct workqueue_struct *wq)
{
	static struct item it[N];

	need_detector();
	queue_held(nth_cpu(0), wq, it, N);
	check_started(it, N, 2);
	workqueue_set_max_active(wq, 5);
	check_started(it, N, 5);
	workqueue_set_max_active(wq, 6);
	check_started(it, N, 6);
	check_sliding(it, N, 6);
	destroy_workqueue(wq);
}

TEST(raising_percpu)
{
	raising_on(alloc_workqueue("raise", WQ_PERCPU, 2));
}

TEST(raising_unbound)
{
	struct workqueue_struct *wq = alloc_workqueue("raise", WQ_UNBOUND, 2);

	span_nodes(wq);
	raising_on(wq);
}

static void lowering_on(struct workqueue_struct *wq)
{
	static struct item it[N];
	int i;

	need_detector();
	queue_held(nth_cpu(0), wq, it, N);
	check_started(it, N, 5);
	workqueue_set_max_active(wq, 2);
	for (i = 0; i < 3; i++) {
		item_release(&it[i]);
		wait_for(item_runs(&it[i]));
	}
	/* Two still run. */
	check_started(it, N, 5);
	item_release(&it[3]);
	check_started(it, N, 6);
	release_all(it, N);
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
}

TEST(lowering_percpu)
{
	lowering_on(alloc_workqueue("lower", WQ_PERCPU, 5));
}

TEST(lowering_unbound)
{
	lowering_on(alloc_workqueue("lower", WQ_UNBOUND, 5));
}

TEST(ordered_is_not_changed)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("fixed", 0);
	static struct item it[N];

	queue_held(nth_cpu(0), wq, it, N);
	check_started(it, N, 1);
	workqueue_set_max_active(wq, 5);
	wait_for(log_has("fixed"));
	check_started(it, N, 1);
	check_sliding(it, N, 1);
	destroy_workqueue(wq);
}

/*
 * How many items of a queue may be active at once, without that many threads:
 * one spins, the others wait in the pool, and the first for which the limit
 * has no room makes the queue congested.
 */
static int measure_limit(struct workqueue_struct *wq)
{
	static struct item it[3000];
	struct item spinner;
	int cpu = nth_cpu(0), i;

	set_param("workqueue.cpu_intensive_thresh_us", 0);
	item_init_held(&spinner);
	spinner.spin = true;
	EXPECT(!workqueue_congested(cpu, wq));
	EXPECT(queue_work_on(cpu, wq, &spinner.work));
	wait_for(item_started(&spinner));
	for (i = 0; i < 2999; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(cpu, wq, &it[i].work));
		if (workqueue_congested(cpu, wq))
			break;
	}
	EXPECT_OP(i, <, 2999);
	EXPECT_EQ(items_started(it, i + 1), 0);
	item_release(&spinner);
	flush_workqueue(wq);
	EXPECT(!workqueue_congested(cpu, wq));
	EXPECT_EQ(items_finished(it, i + 1), i + 1);
	return i + 1;
}

static void alloc_gives(int arg, int want, bool message)
{
	struct workqueue_struct *wq =
		alloc_workqueue("clamp%d", WQ_PERCPU, arg, arg);
	char name[32];

	snprintf(name, sizeof(name), "clamp%d", arg);
	ASSERT(wq);
	EXPECT_EQ(measure_limit(wq), want);
	if (message)
		wait_for(log_has(name));
	else
		EXPECT(!log_has(name));
	destroy_workqueue(wq);
}

TEST(alloc_0_is_1024)
{
	alloc_gives(0, 1024, false);
}

TEST(alloc_1_and_7)
{
	alloc_gives(1, 1, false);
	alloc_gives(7, 7, false);
}

TEST(alloc_2048)
{
	alloc_gives(2048, 2048, false);
}

TEST(alloc_too_many)
{
	alloc_gives(5000, 2048, true);
}

TEST(alloc_largest)
{
	alloc_gives(INT_MAX, 2048, true);
}

TEST(alloc_negative)
{
	alloc_gives(-3, 1, true);
	alloc_gives(INT_MIN, 1, true);
}

TEST(set_is_clamped)
{
	struct workqueue_struct *wq = alloc_workqueue("clamp", WQ_PERCPU, 7);

	workqueue_set_max_active(wq, 0);
	EXPECT_EQ(measure_limit(wq), 1);
	workqueue_set_max_active(wq, 9);
	EXPECT_EQ(measure_limit(wq), 9);
	workqueue_set_max_active(wq, -5);
	EXPECT_EQ(measure_limit(wq), 1);
	log_has("clamp");
	log_clear();
	workqueue_set_max_active(wq, 5000);
	wait_for(log_has("clamp"));
	EXPECT_EQ(measure_limit(wq), 2048);
	destroy_workqueue(wq);
}

TEST(congested)
{
	struct workqueue_struct *wq = alloc_workqueue("jam", WQ_PERCPU, 2);
	static struct item it[3];
	int cpu = nth_cpu(0);

	need_detector();
	EXPECT(!workqueue_congested(cpu, wq));
	queue_held(cpu, wq, it, 2);
	check_started(it, 2, 2);
	EXPECT(!workqueue_congested(cpu, wq));
	queue_held(cpu, wq, it + 2, 1);
	EXPECT(workqueue_congested(cpu, wq));
	pin_to(cpu);
	EXPECT(workqueue_congested(WORK_CPU_UNBOUND, wq));
	if (nr_allowed() > 1)
		EXPECT(!workqueue_congested(nth_cpu(1), wq));
	item_release(&it[1]);
	wait_for(item_started(&it[2]));
	EXPECT(!workqueue_congested(cpu, wq));
	release_all(it, 3);
	destroy_workqueue(wq);
}

TEST(congested_unbound)
{
	struct workqueue_struct *wq = alloc_workqueue("jam", WQ_UNBOUND, 1);
	static struct item it[2];

	queue_held(nth_cpu(0), wq, it, 1);
	EXPECT(!workqueue_congested(WORK_CPU_UNBOUND, wq));
	queue_held(nth_cpu(0), wq, it + 1, 1);
	EXPECT(workqueue_congested(WORK_CPU_UNBOUND, wq));
	release_all(it, 2);
	flush_workqueue(wq);
	EXPECT(!workqueue_congested(WORK_CPU_UNBOUND, wq));
	destroy_workqueue(wq);
}

/* Cancelling an item that was active lets the next one in. */
TEST(cancel_makes_room)
{
	struct workqueue_struct *wq = alloc_workqueue("room", WQ_PERCPU, 2);
	struct item spinner, it[2];
	int cpu = nth_cpu(0);

	set_param("workqueue.cpu_intensive_thresh_us", 0);
	item_init_held(&spinner);
	spinner.spin = true;
	EXPECT(queue_work_on(cpu, wq, &spinner.work));
	wait_for(item_started(&spinner));
	queue_held(cpu, wq, it, 2);
	EXPECT(workqueue_congested(cpu, wq));
	EXPECT(cancel_work(&it[0].work));
	EXPECT(!workqueue_congested(cpu, wq));
	item_release(&it[1]);
	item_release(&spinner);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it[0]), 0);
	EXPECT_EQ(item_runs(&it[1]), 1);
	destroy_workqueue(wq);
}

/* Changing the limit while items stream through loses and doubles none. */
struct stream {
	struct workqueue_struct *wq;
	struct item *it;
	int n;
};

static long stream_items(void *arg)
{
	struct stream *s = arg;
	int i;

	for (i = 0; i < s->n; i++)
		EXPECT(queue_work(s->wq, &s->it[i].work));
	return 0;
}

static void storm_on(struct workqueue_struct *wq)
{
	static struct item it[20000];
	struct stream s = { wq, it, 20000 };
	struct rng rng = rng_make(1);
	struct thread t;
	int i;

	for (i = 0; i < s.n; i++)
		item_init(&it[i]);
	thread_start(&t, stream_items, &s);
	while (!thread_done(&t))
		workqueue_set_max_active(wq, 1 + (int)rng_below(&rng, 10));
	thread_join(&t);
	flush_workqueue(wq);
	for (i = 0; i < s.n; i++)
		ASSERT_EQ(item_runs(&it[i]), 1);
	destroy_workqueue(wq);
}

TEST(storm_percpu)
{
	storm_on(alloc_workqueue("storm", WQ_PERCPU, 1));
}

TEST(storm_unbound)
{
	storm_on(alloc_workqueue("storm", WQ_UNBOUND, 1));
}
