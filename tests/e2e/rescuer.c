/* SPDX-License-Identifier: MIT */
/*
 * rescuer.c - what rescuers do: items that they run are items like others, they make
 * room for workers, they come and go with their queues and with forks. Threads are
 * refused by RLIMIT_NPROC; creations that take long are in rescuer_creation.c.
 *
 * timeout: 600
 */
#include "rescue.h"

#include "child.h"

static struct workqueue_struct *plain;

/* From here on no thread is to be had and the first CPU's workers are blocked. */
static void starve(void)
{
	need_detector();
	plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	warm_up(plain);
	refuse_by_limit();
	log_ignore("cannot create a worker");
	capture_all(plain);
}

static void feed(void)
{
	permit_by_limit();
	free_captives();
	destroy_workqueue(plain);
	check_library_works();
}

/* --- its life --- */

TEST(comes_and_goes_with_its_queue)
{
	struct workqueue_struct *wq;

	wq = reclaim("a_name_that_is_long", WQ_PERCPU);
	wait_for(thread_named("cmwq/R-a_name_t"));
	destroy_workqueue(wq);
	wait_for(!thread_named("cmwq/R-a_name_t"));
	wq = create_workqueue("old");
	wait_for(thread_named("cmwq/R-old"));
	destroy_workqueue(wq);
	wq = create_singlethread_workqueue("single");
	wait_for(thread_named("cmwq/R-single"));
	destroy_workqueue(wq);
	wq = create_freezable_workqueue("freeze");
	wait_for(thread_named("cmwq/R-freeze"));
	destroy_workqueue(wq);
	wq = alloc_workqueue("none", WQ_PERCPU, 0);
	linger();
	EXPECT(!thread_named("cmwq/R-none"));
	destroy_workqueue(wq);
	wait_for(count_threads() == 1); /* early_wq's */
}

static struct workqueue_struct *early_wq;

__attribute__((constructor)) static void alloc_early(void)
{
	early_wq = create_workqueue("early");
}

TEST(allocated_in_a_constructor)
{
	struct item it;

	ASSERT(early_wq);
	wait_for(thread_named("cmwq/R-early"));
	item_init(&it);
	EXPECT(queue_work(early_wq, &it.work));
	flush_workqueue(early_wq);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(early_wq);
}

TEST(refused_at_allocation)
{
	struct workqueue_struct *wq;
	int threads, i;

	become_ordinary();
	log_ignore("cannot create a worker"); /* that idles in reserve */
	check_library_works();
	refuse_by_limit();
	threads = count_threads();
	for (i = 0; i < 100; i++) {
		EXPECT(!alloc_workqueue("no%d", WQ_MEM_RECLAIM | WQ_PERCPU, 0,
					i));
		EXPECT(!alloc_workqueue("no%d", WQ_MEM_RECLAIM | WQ_UNBOUND, 0,
					i));
		EXPECT(!create_singlethread_workqueue("single"));
	}
	EXPECT_EQ(log_count("cannot create its rescuer"), 300);
	EXPECT(log_has_both("workqueue no99", "rescuer"));
	EXPECT_OP(count_threads(), <=, threads);
	wq = alloc_workqueue("plain", WQ_PERCPU, 0);
	EXPECT(wq);
	destroy_workqueue(wq);
	permit_by_limit();
	wq = reclaim("yes", WQ_UNBOUND);
	destroy_workqueue(wq);
	check_library_works();
}

static void use_often(struct workqueue_struct *wq)
{
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < 1000; i++) {
		EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
		flush_work(&it.work);
	}
}

/* Workers are there: nobody needs it, whatever goes on. Only while the timer thread
 * creates a thread it keeps an eye on the clock. */
TEST(sleeps_while_nobody_calls)
{
	struct workqueue_struct *wq = reclaim("sleeper", WQ_PERCPU);
	unsigned long before, threads;
	int tid;

	wait_for((tid = thread_named("cmwq/R-sleeper")));
	plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	warm_up(plain);
	do {
		threads = sum_of_threads();
		linger_long();
		wait_asleep_tid(tid);
		before = switches_of(tid);
		use_often(wq);
		linger_long();
	} while (sum_of_threads() != threads);
	EXPECT_EQ(switches_of(tid), before);
	EXPECT_EQ(stats_of(wq).rescued, 0);
	destroy_workqueue(wq);
	destroy_workqueue(plain);
}

/* --- items that it runs are items like others --- */

TEST(highpri)
{
	become_ordinary();
	rescue_on(WQ_PERCPU | WQ_HIGHPRI, refuse_by_limit, permit_by_limit);
}

TEST(cpu_intensive)
{
	become_ordinary();
	rescue_on(WQ_PERCPU | WQ_CPU_INTENSIVE, refuse_by_limit,
		  permit_by_limit);
}

TEST(without_the_tick, .params = "cmwq.tick=0")
{
	become_ordinary();
	rescue_on(WQ_PERCPU, refuse_by_limit, permit_by_limit);
}

TEST(without_the_sentinel, .params = "cmwq.sentinel=0")
{
	become_ordinary();
	rescue_on(WQ_UNBOUND, refuse_by_limit, permit_by_limit);
}

#define MANY 300

/* In queueing order, since there is one who runs them. */
TEST(all_of_many)
{
	struct workqueue_struct *wq = reclaim("many", WQ_PERCPU);
	static struct item it[MANY];
	int i;

	become_ordinary();
	starve();
	workqueue_set_max_active(wq, 7);
	for (i = 0; i < MANY; i++) {
		item_init(&it[i]);
		it[i].hook = check_rescued;
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, MANY), MANY);
	for (i = 1; i < MANY; i++)
		EXPECT_OP(it[i].order, >, it[i - 1].order);
	EXPECT_EQ(stats_of(wq).rescued, MANY);
	feed();
	destroy_workqueue(wq);
}

TEST(ordered)
{
	struct workqueue_struct *wq = create_singlethread_workqueue("ordered");
	struct workqueue_struct *held =
		alloc_ordered_workqueue("held", WQ_MEM_RECLAIM);
	static struct item it[MANY];
	struct item first;
	int i;

	become_ordinary();
	need_detector();
	plain = alloc_workqueue("plain", WQ_UNBOUND, 0);
	warm_up(plain);
	refuse_by_limit();
	log_ignore("cannot create a worker");
	capture_all(plain);
	item_init_held(&first);
	EXPECT(queue_work(held, &first.work));
	for (i = 0; i < MANY; i++) {
		item_init(&it[i]);
		EXPECT(queue_work(i % 2 ? held : wq, &it[i].work));
	}
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, MANY), MANY / 2);
	item_release(&first);
	flush_workqueue(held);
	EXPECT_EQ(items_finished(it, MANY), MANY);
	for (i = 2; i < MANY; i++)
		EXPECT_OP(it[i].order, >, it[i - 2].order);
	feed();
	destroy_workqueue(wq);
	destroy_workqueue(held);
}

static struct workqueue_struct *requeue_wq;

static void requeue(struct item *it)
{
	check_rescued(it);
	if (it->started < 20)
		EXPECT(queue_work(requeue_wq, &it->work));
}

TEST(queues_itself)
{
	struct workqueue_struct *wq = reclaim("self", WQ_PERCPU);
	struct item it;

	become_ordinary();
	starve();
	/* What a drain says that has to wait for twenty runs. */
	log_ignore("still not empty");
	requeue_wq = wq;
	log_ignore("not empty"); /* a long drain */
	item_init(&it);
	it.hook = requeue;
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	drain_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 20);
	EXPECT_EQ(it.overlaps, 0);
	feed();
	destroy_workqueue(wq);
}

static long cancel_it(void *arg)
{
	return cancel_work_sync(arg);
}

static long flush_it(void *arg)
{
	return flush_work(arg);
}

/* What waits for an item finds it with the rescuer, and is woken by it. */
TEST(waited_for)
{
	struct workqueue_struct *wq = reclaim("waited", WQ_PERCPU);
	struct thread canceller, flusher;
	struct item it, next;

	become_ordinary();
	item_init_held(&it);
	item_init(&next);
	starve();
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	EXPECT(queue_work_on(nth_cpu(0), wq, &next.work));
	wait_for(item_started(&it));
	EXPECT(cancel_work(&next.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_RUNNING);
	show_one_workqueue(wq);
	EXPECT(log_has(", the rescuer"));
	permit_by_limit();
	thread_start(&flusher, flush_it, &it.work);
	wait_for(thread_asleep(&flusher));
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	thread_start(&canceller, cancel_it, &it.work);
	wait_for(thread_asleep(&canceller));
	EXPECT(!queue_work(wq, &it.work));
	item_release(&it);
	EXPECT(thread_join(&canceller));
	EXPECT(thread_join(&flusher));
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT_EQ(item_runs(&next), 0);
	feed();
	destroy_workqueue(wq);
}

/* Queued to another CPU while it runs on the rescuer it stays one at a time. */
TEST(runs_once_at_a_time)
{
	struct workqueue_struct *wq = reclaim("once", WQ_PERCPU);
	struct item it;

	need_cpus(2);
	become_ordinary();
	item_init_held(&it);
	starve();
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	wait_for(item_started(&it) == 1);
	permit_by_limit();
	EXPECT(queue_work_on(nth_cpu(1), wq, &it.work));
	linger();
	EXPECT_EQ(item_started(&it), 1);
	item_release(&it);
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(it.overlaps, 0);
	feed();
	destroy_workqueue(wq);
}

/* --- it makes room --- */

static struct item *partner;

static void release_partner(struct item *it)
{
	check_not_rescued(it);
	item_release(partner);
}

/* An item that waits for a later one of its queue: none but the rescuer could run
 * that, until there are threads. What it has not begun is on the worklist. */
TEST(workers_take_over)
{
	struct workqueue_struct *wq = reclaim("over", WQ_PERCPU);
	static struct item it[40];
	int i;

	become_ordinary();
	starve();
	item_init_held(&it[0]);
	partner = &it[0];
	for (i = 1; i < 40; i++)
		item_init(&it[i]);
	it[39].hook = release_partner;
	for (i = 0; i < 40; i++)
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	wait_for(item_started(&it[0]));
	linger();
	EXPECT_EQ(items_started(it, 40), 1);
	permit_by_limit();
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, 40), 40);
	EXPECT_OP(stats_of(wq).rescued, <, 40);
	feed();
	destroy_workqueue(wq);
}

/* Several queues in one pool, each with a rescuer: none waits for a mayday of its
 * own while another one's rescuer has been there. */
TEST(several_queues)
{
	struct workqueue_struct *wq[5];
	struct item it[5];
	uint64_t first = UINT64_MAX, last = 0;
	int i;

	become_ordinary();
	for (i = 0; i < 5; i++)
		wq[i] = reclaim("several", WQ_PERCPU);
	starve();
	for (i = 0; i < 5; i++) {
		item_init(&it[i]);
		it[i].hook = check_rescued;
		EXPECT(queue_work_on(nth_cpu(0), wq[i], &it[i].work));
	}
	wait_for(items_finished(it, 5) == 5);
	for (i = 0; i < 5; i++) {
		first = it[i].at < first ? it[i].at : first;
		last = it[i].at > last ? it[i].at : last;
	}
	printf("five rescues within %.1f ms\n", (double)(last - first) / 1e6);
	feed();
	for (i = 0; i < 5; i++)
		destroy_workqueue(wq[i]);
}

/* Its own pools of two CPUs call it: all is done, on the right ones. */
TEST(two_pools)
{
	struct workqueue_struct *wq = reclaim("two", WQ_PERCPU);
	static struct item it[2 * MANY];
	int i;

	need_cpus(2);
	become_ordinary();
	for (i = 0; i < 2 * MANY; i++)
		item_init(&it[i]);
	starve();
	for (i = 0; i < 2 * MANY; i++)
		EXPECT(queue_work_on(nth_cpu(i % 2), wq, &it[i].work));
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, 2 * MANY), 2 * MANY);
	for (i = 0; i < 2 * MANY; i++)
		EXPECT_EQ(it[i].cpu, nth_cpu(i % 2));
	feed();
	destroy_workqueue(wq);
}

/* Destroying a queue waits for what only its rescuer can do. */
TEST(destroyed_while_called)
{
	struct workqueue_struct *wq[50];
	struct item it[50];
	int i;

	become_ordinary();
	for (i = 0; i < 50; i++)
		wq[i] = reclaim("called", i % 2 ? WQ_PERCPU : WQ_UNBOUND);
	starve();
	for (i = 0; i < 50; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq[i], &it[i].work));
	}
	for (i = 0; i < 50; i++) {
		destroy_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it[i]), 1);
	}
	feed();
}

/* A call that turns out not to be needed, and a queue that is gone before its time
 * has come. */
TEST(destroyed_before_its_call_is_due)
{
	struct item it;
	int i;

	for (i = 0; i < 100; i++) {
		struct workqueue_struct *wq = reclaim("brief", WQ_UNBOUND);

		item_init(&it);
		EXPECT(queue_work(wq, &it.work));
		destroy_workqueue(wq);
		EXPECT_EQ(item_runs(&it), 1);
	}
	wait_for(!thread_named("cmwq/R-brief"));
}

/* --- fork --- */

static struct workqueue_struct *inherited;

static bool child_reported(void)
{
	return atomic_load(&report->messages);
}

static void child_is_rescued(void)
{
	struct item it;
	int i;

	CHECK(!thread_named("cmwq/R-inherit"));
	pin_to(nth_cpu(0));
	check_queue(system_percpu_wq);
	CHECK_WAIT(thread_named("cmwq/R-inherit"));
	plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	warm_up(plain);
	CHECK(!child_reported());
	creation_failed = child_reported;
	refuse_by_limit();
	capture_all(plain);
	CHECK(strstr(report->line, "cannot create a worker"));
	item_init(&it);
	it.hook = check_rescued;
	be_rescued_in_time(inherited, &it, "in the child");
	permit_by_limit();
	for (i = 0; i < nr_captives; i++)
		item_release(&captive[i]);
	destroy_workqueue(inherited);
	CHECK_WAIT(!thread_named("cmwq/R-inherit"));
	atomic_store(&report->messages, 0);
}

TEST(forked)
{
	struct item it;

	need_busy_fork();
	become_ordinary();
	need_detector();
	make_report();
	inherited = reclaim("inherit", WQ_PERCPU);
	in_child(FORK, child_is_rescued);
	in_child(UNDERSCORE_FORK, child_is_rescued);
	item_init(&it);
	EXPECT(queue_work(inherited, &it.work));
	flush_workqueue(inherited);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(inherited);
}

/* A child that never uses the library may still destroy what it has. */
static void child_destroys(void)
{
	CHECK(!thread_named("cmwq/R-inherit"));
	destroy_workqueue(inherited);
	CHECK(!thread_named("cmwq/R-inherit"));
}

TEST(forked_and_destroyed)
{
	need_busy_fork();
	make_report();
	inherited = reclaim("inherit", WQ_UNBOUND);
	in_child(FORK, child_destroys);
	destroy_workqueue(inherited);
}

/* --- storm --- */

#define QUEUES 6
#define ITEMS  400

static _Atomic bool storm_over;

/* Threads come and go, attributes and limits change, items block now and then. */
static long make_weather(void *arg)
{
	struct workqueue_struct **wq = arg;
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct rng r = rng_make(7);

	while (!atomic_load(&storm_over)) {
		limit_to(rng_below(&r, 3));
		attrs->affn_scope =
			rng_below(&r, 2) ? WQ_AFFN_CPU : WQ_AFFN_SYSTEM;
		EXPECT_EQ(apply_workqueue_attrs(wq[1], attrs), 0);
		workqueue_set_max_active(wq[0], 1 + (int)rng_below(&r, 20));
		usleep(rng_below(&r, 40000));
	}
	limit_to(false);
	free_workqueue_attrs(attrs);
	return 0;
}

static void sleep_at_times(struct item *it)
{
	if (it->arg % 16 == 0)
		usleep(2000);
}

TEST(storm, .timeout = 120)
{
	static const unsigned int flags[QUEUES] = {
		WQ_PERCPU | WQ_MEM_RECLAIM,
		WQ_UNBOUND | WQ_MEM_RECLAIM,
		WQ_PERCPU | WQ_MEM_RECLAIM | WQ_HIGHPRI,
		WQ_UNBOUND | WQ_MEM_RECLAIM | __WQ_ORDERED,
		WQ_PERCPU,
		WQ_UNBOUND,
	};
	static struct item it[ITEMS];
	struct workqueue_struct *wq[QUEUES];
	unsigned long long rescued = 0;
	struct rng r = rng_make(8);
	long trues = 0;
	struct thread weather;
	uint64_t end;
	int i;

	become_ordinary();
	log_ignore("cannot create");
	set_param("cmwq.idle_timeout_ms", 5);
	for (i = 0; i < QUEUES; i++)
		wq[i] = alloc_workqueue("storm%d", flags[i], 0, i);
	for (i = 0; i < ITEMS; i++) {
		item_init(&it[i]);
		it[i].hook = sleep_at_times;
		it[i].arg = i;
	}
	thread_start(&weather, make_weather, wq);
	end = now_ns() + 2000000000ULL;
	while (now_ns() < end) {
		for (i = 0; i < ITEMS; i++) {
			struct workqueue_struct *q = wq[i % QUEUES];

			if (rng_below(&r, 20))
				trues += queue_work(q, &it[i].work);
			else
				trues -= cancel_work(&it[i].work);
		}
		if (!rng_below(&r, 8))
			flush_workqueue(wq[rng_below(&r, 4)]);
		usleep(rng_below(&r, 5000));
	}
	atomic_store(&storm_over, true);
	thread_join(&weather);
	for (i = 0; i < QUEUES; i++) {
		flush_workqueue(wq[i]);
		rescued += stats_of(wq[i]).rescued;
		destroy_workqueue(wq[i]);
	}
	check_storm(it, ITEMS, trues, rescued);
	check_library_works();
}
