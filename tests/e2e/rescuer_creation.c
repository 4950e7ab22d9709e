/* SPDX-License-Identifier: MIT */
/*
 * rescuer_creation.c - creations of threads that take long, or fail at a given moment:
 * pthread_create() is ours. While the timer thread sits in one, work comes elsewhere
 * and workers fall asleep, of which nobody but a rescuer can take notice.
 *
 * timeout: 600
 */
#include "rescue.h"

#include <dlfcn.h>

#include "child.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)

TEST(all)
{
	skip("the sanitizer's pthread_create() cannot be replaced");
}

#else

static struct gate creation = { 1 }, next_creation = { 1 };
static _Atomic(struct gate *) gate_of_creations = &creation;
static _Atomic(struct gate *) timer_held_at; /* the timer thread is, here */
static _Atomic int others_held;
static _Atomic unsigned int slow;	 /* ms, at most: so long they take */
static _Atomic int to_succeed = INT_MAX; /* so many, the others fail */

static void wait_at_gate(void)
{
	struct gate *gate = atomic_load(&gate_of_creations);
	char name[32] = "";

	if (atomic_load(&gate->open))
		return;
	prctl(PR_GET_NAME, name);
	if (!strcmp(name, "cmwq/timer")) {
		atomic_store(&timer_held_at, gate);
		gate_wait(gate);
		atomic_store(&timer_held_at, NULL);
	} else {
		atomic_fetch_add(&others_held, 1);
		gate_wait(gate);
		atomic_fetch_sub(&others_held, 1);
	}
}

static void dawdle(void)
{
	static _Atomic unsigned n;

	if (atomic_load(&slow))
		usleep(atomic_fetch_add(&n, 7919) %
		       (atomic_load(&slow) * 1000));
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		    void *) =
		(__typeof__(next))dlsym(RTLD_NEXT, "pthread_create");

	wait_at_gate();
	dawdle();
	if (atomic_fetch_sub(&to_succeed, 1) <= 0)
		return EAGAIN;
	return next(thread, attr, fn, arg);
}

/* --- the timer thread is held --- */

static struct workqueue_struct *fresh;
static struct item first;

/* There is a timer thread, and no worker yet. */
static void start_library(void)
{
	struct delayed_work later;

	INIT_DELAYED_WORK(&later, item_func);
	ASSERT(queue_delayed_work(system_dfl_wq, &later, 1000000));
	ASSERT(cancel_delayed_work(&later));
}

/* In the creation of the first worker of a pool that no test uses otherwise. */
static void hold_timer_thread(void)
{
	start_library();
	fresh = alloc_workqueue("fresh", WQ_PERCPU | WQ_HIGHPRI, 0);
	ASSERT(fresh);
	item_init(&first);
	gate_close(&creation);
	ASSERT(queue_work_on(nth_cpu(0), fresh, &first.work));
	wait_for(atomic_load(&timer_held_at));
}

static void let_go_on(void)
{
	gate_open(&creation);
	gate_open(&next_creation);
	destroy_workqueue(fresh);
	EXPECT_EQ(item_runs(&first), 1);
	check_library_works();
}

/* By its first worker, which leaves another one in reserve. */
static void start_alone(struct workqueue_struct *wq, struct item *it)
{
	ASSERT(queue_work_on(nth_cpu(0), wq, &it->work));
	wait_for(item_started(it));
	wait_for(workers_of(wq) >= 2);
}

static void be_rescued_twice(struct workqueue_struct *wq)
{
	struct item it;

	item_init(&it);
	it.hook = check_rescued;
	be_rescued_in_time(wq, &it, "first");
	be_rescued_in_time(wq, &it, "again");
	EXPECT_EQ(stats_of(wq).rescued, 2);
}

/* On a fresh pool the timer thread is the one that sits there, and it is also the
 * one that tells the time. */
TEST(its_own_first_worker)
{
	struct workqueue_struct *wq = reclaim("long", WQ_PERCPU);
	struct item it;

	item_init(&it);
	EXPECT(queue_work(system_dfl_wq, &it.work));
	flush_work(&it.work);
	gate_close(&creation);
	be_rescued_twice(wq);
	gate_open(&creation);
	wait_for(workers_of(wq));
	destroy_workqueue(wq);
	check_library_works();
}

/* Nobody knew of the work when that creation began. */
TEST(first_item_of_another_pool)
{
	struct workqueue_struct *percpu = reclaim("percpu", WQ_PERCPU);
	struct workqueue_struct *unbound = reclaim("unbound", WQ_UNBOUND);

	hold_timer_thread();
	be_rescued_twice(percpu);
	be_rescued_twice(unbound);
	let_go_on();
	destroy_workqueue(percpu);
	destroy_workqueue(unbound);
}

TEST(while_a_sentinel_is_created)
{
	struct workqueue_struct *wq = reclaim("hi", WQ_PERCPU | WQ_HIGHPRI);
	struct workqueue_struct *plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	struct item runs, waits;
	char name[32];

	need_param("cmwq.sentinel");
	set_param("workqueue.cpu_intensive_thresh_us", 0);
	snprintf(name, sizeof(name), "cmwq/idle:%d", nth_cpu(0));
	item_init_held(&runs);
	runs.spin = true;
	item_init(&waits);
	start_alone(plain, &runs);
	EXPECT(!thread_named(name));
	gate_close(&creation);
	EXPECT(queue_work_on(nth_cpu(0), plain, &waits.work));
	wait_for(atomic_load(&timer_held_at));
	be_rescued_twice(wq);
	EXPECT(!thread_named(name));
	gate_open(&creation);
	wait_for(thread_named(name)); /* it has to be there until this: */
	item_release(&runs);
	destroy_workqueue(plain);
	EXPECT_EQ(item_runs(&waits), 1);
	destroy_workqueue(wq);
	check_library_works();
}

/* Both want a worker when the timer thread looks the next time: then it sits in the
 * creation of one of them. */
TEST(two_pools_at_once)
{
	struct workqueue_struct *percpu = reclaim("percpu", WQ_PERCPU);
	struct workqueue_struct *unbound = reclaim("unbound", WQ_UNBOUND);
	struct item it[2];
	int i;

	hold_timer_thread();
	for (i = 0; i < 2; i++)
		item_init(&it[i]);
	be_rescued_in_time(percpu, &it[0], "in the first creation");
	be_rescued_in_time(unbound, &it[1], "in the first creation");
	gate_close(&next_creation);
	atomic_store(&gate_of_creations, &next_creation);
	gate_open(&creation);
	wait_for(atomic_load(&timer_held_at) == &next_creation);
	for (i = 0; i < 2; i++)
		EXPECT(queue_work_on(nth_cpu(0), i ? unbound : percpu,
				     &it[i].work));
	for (i = 0; i < 2; i++)
		wait_for(item_runs(&it[i]) == 2);
	EXPECT_EQ(stats_of(percpu).rescued, 2);
	EXPECT_EQ(stats_of(unbound).rescued, 2);
	let_go_on();
	destroy_workqueue(percpu);
	destroy_workqueue(unbound);
}

/* --- workers fall asleep meanwhile --- */

static _Atomic bool by_rescuer;

static void say_that_it_blocks(struct item *it)
{
	(void)it;
	cmwq_blocking_begin();
}

static void say_that_it_has_blocked(struct item *it)
{
	(void)it;
	cmwq_blocking_end();
}

#define MOST_WORKERS 8

static void note_who(struct item *it)
{
	(void)it;
	if (current_is_workqueue_rescuer())
		atomic_store(&by_rescuer, true);
}

/* All that there are: one item after another, until a rescuer has to come for one. */
static int block_all(struct workqueue_struct *wq, struct item *blocked)
{
	int n = 0;

	atomic_store(&by_rescuer, false);
	while (!atomic_load(&by_rescuer)) {
		ASSERT(n < MOST_WORKERS);
		item_init_held(&blocked[n]);
		blocked[n].hook = note_who;
		ASSERT(queue_work_on(nth_cpu(0), wq, &blocked[n].work));
		wait_for(item_started(&blocked[n]));
		wait_asleep_tid(blocked[n].tid);
		n++;
	}
	return n;
}

static void block_everybody(unsigned int flags)
{
	struct workqueue_struct *warm = alloc_workqueue("warm", flags, 0);
	struct workqueue_struct *plain = reclaim("plain", flags);
	struct workqueue_struct *wq = reclaim("behind", flags);
	struct item it, blocked[MOST_WORKERS];
	int n;

	/* There is a worker, and for an unbound queue no other pool later. */
	workqueue_init_topology();
	item_init(&it);
	ASSERT(queue_work_on(nth_cpu(0), warm, &it.work));
	destroy_workqueue(warm);
	hold_timer_thread();
	n = block_all(plain, blocked);
	/* By a rescuer, unless a worker was late, and one came for its item. */
	item_init(&it);
	be_rescued_in_time(wq, &it, "first");
	be_rescued_in_time(wq, &it, "again");
	let_go_on();
	while (n--)
		item_release(&blocked[n]);
	destroy_workqueue(plain);
	destroy_workqueue(wq);
}

TEST(all_workers_block)
{
	block_everybody(WQ_PERCPU);
}

TEST(all_unbound_workers_block)
{
	block_everybody(WQ_UNBOUND);
}

TEST(all_workers_block_without_the_sentinel, .params = "cmwq.sentinel=0")
{
	block_everybody(WQ_PERCPU);
}

TEST(all_workers_block_without_the_tick, .params = "cmwq.tick=0")
{
	block_everybody(WQ_PERCPU);
}

static _Atomic bool may_block;

static void run_until_it_may_block(struct item *it)
{
	(void)it;
	while (!atomic_load(&may_block))
		;
}

/* There is a worker for what waits, whom nobody wakes. */
static void block_before_the_reserve(void)
{
	struct workqueue_struct *plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	struct workqueue_struct *wq = reclaim("behind", WQ_PERCPU);
	struct item blocked, it;

	set_param("workqueue.cpu_intensive_thresh_us", 0);
	item_init_held(&blocked);
	blocked.hook = run_until_it_may_block;
	item_init(&it);
	start_alone(plain, &blocked);
	hold_timer_thread();
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	linger();
	atomic_store(&may_block, true);
	wait_for(item_runs(&it) == 1);
	let_go_on();
	item_release(&blocked);
	destroy_workqueue(plain);
	destroy_workqueue(wq);
}

TEST(one_blocks_before_the_reserve)
{
	block_before_the_reserve();
}

TEST(one_blocks_without_the_sentinel, .params = "cmwq.sentinel=0")
{
	block_before_the_reserve();
}

/* With two items before it the worker in reserve creates another one itself, and sits
 * in that. The timer thread does not, so it is the one that calls. */
static void hold_a_worker(void)
{
	struct workqueue_struct *plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	struct workqueue_struct *wq = reclaim("behind", WQ_PERCPU);
	struct item blocked, it[2];
	struct work_struct *both[2];
	char reserve[32];
	int i;

	pin_to(nth_cpu(0));
	snprintf(reserve, sizeof(reserve), "cmwq/%d:2", nth_cpu(0));
	item_init_held(&blocked);
	blocked.hook = say_that_it_blocks;
	blocked.tail = say_that_it_has_blocked;
	start_alone(plain, &blocked);
	/* Its own creation is over for both sides. */
	wait_asleep_tid(thread_named(reserve));
	wait_asleep_tid(thread_named("cmwq/timer"));
	for (i = 0; i < 2; i++) {
		item_init(&it[i]);
		it[i].hook = check_rescued;
		both[i] = &it[i].work;
	}
	gate_close(&creation);
	EXPECT_EQ(cmwq_queue_work_batch(wq, both, 2), 2);
	wait_for(atomic_load(&others_held));
	wait_for(items_finished(it, 2) == 2);
	be_rescued_in_time(wq, &it[0], "and still");
	EXPECT(!atomic_load(&timer_held_at));
	gate_open(&creation);
	item_release(&blocked);
	destroy_workqueue(plain);
	destroy_workqueue(wq);
	check_library_works();
}

TEST(a_worker_creates, .params = "cmwq.sentinel=0")
{
	hold_a_worker();
}

TEST(a_worker_creates_without_the_tick, .params = "cmwq.sentinel=0 cmwq.tick=0")
{
	hold_a_worker();
}

/* --- who stands in for it is needed --- */

#define TURNS 4

/* Each rescuer is held up in an item, until nobody is left to look. */
TEST(each_in_turn)
{
	struct workqueue_struct *wq[TURNS];
	struct item it[TURNS], more;
	int i;

	for (i = 0; i < TURNS; i++) {
		wq[i] = reclaim("turn", WQ_PERCPU);
		item_init_held(&it[i]);
	}
	item_init(&more);
	hold_timer_thread();
	for (i = 0; i < TURNS; i++) {
		EXPECT(queue_work_on(nth_cpu(0), wq[i], &it[i].work));
		wait_for(item_started(&it[i]));
		wait_asleep_tid(it[i].tid);
	}
	/* In a pool where its rescuer is not, if there is one. */
	EXPECT(queue_work_on(nth_cpu(nr_allowed() > 1), wq[0], &more.work));
	linger();
	EXPECT_EQ(item_started(&more), 0);
	item_release(&it[0]);
	wait_for(item_runs(&more) == 1);
	let_go_on();
	for (i = 0; i < TURNS; i++) {
		item_release(&it[i]);
		destroy_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it[i]), 1);
	}
}

/* Queues that come and go while it is away, and with them who stands in for it. */
TEST(they_come_and_go)
{
	struct workqueue_struct *last = reclaim("last", WQ_PERCPU);
	struct item it;
	int i;

	item_init(&it);
	hold_timer_thread();
	/* For other threads, while the timer thread stays at the old one. */
	atomic_store(&gate_of_creations, &next_creation);
	for (i = 0; i < 20; i++) {
		struct workqueue_struct *wq;

		wq = reclaim("come", i % 2 ? WQ_PERCPU : WQ_UNBOUND);
		if (i % 4 < 2)
			be_rescued_in_time(wq, &it, "in passing");
		destroy_workqueue(i % 3 ? wq : last);
		if (i % 3 == 0)
			last = wq;
	}
	be_rescued_in_time(last, &it, "the last");
	let_go_on();
	destroy_workqueue(last);
}

/* Once it is back nobody looks at the clock any more. */
TEST(idle_afterwards)
{
	struct workqueue_struct *wq = reclaim("after", WQ_PERCPU);
	unsigned long threads, before;
	struct item it;
	int tid;

	item_init(&it);
	hold_timer_thread();
	be_rescued_in_time(wq, &it, "before");
	let_go_on();
	tid = thread_named("cmwq/R-after");
	do {
		threads = sum_of_threads();
		linger_long();
		wait_asleep_tid(tid);
		before = switches_of(tid);
		linger_long();
	} while (sum_of_threads() != threads);
	EXPECT_EQ(switches_of(tid), before);
	destroy_workqueue(wq);
}

/* --- fork --- */

static struct workqueue_struct *inherited;

/* Others than in the parent, where the timer thread is held. */
static void child_is_held(void)
{
	struct item unbound, it;

	gate_open(&creation);
	check_queue(system_percpu_wq);
	CHECK_WAIT(thread_named("cmwq/R-inherit"));
	gate_close(&creation);
	atomic_store(&timer_held_at, NULL);
	item_init(&unbound);
	CHECK(queue_work(system_dfl_wq, &unbound.work));
	CHECK_WAIT(atomic_load(&timer_held_at));
	item_init(&it);
	it.hook = check_rescued;
	be_rescued_in_time(inherited, &it, "in the child");
	be_rescued_in_time(inherited, &it, "and again");
	gate_open(&creation);
	CHECK_WAIT(item_runs(&unbound));
	destroy_workqueue(inherited);
}

TEST(forked_meanwhile)
{
	struct item it;

	need_busy_fork();
	make_report();
	start_library();
	inherited = reclaim("inherit", WQ_PERCPU | WQ_HIGHPRI);
	item_init(&it);
	gate_close(&creation);
	EXPECT(queue_work(system_dfl_wq, &it.work));
	wait_for(atomic_load(&timer_held_at));
	in_child(FORK, child_is_held);
	in_child(UNDERSCORE_FORK, child_is_held);
	be_rescued_twice(inherited);
	gate_open(&creation);
	wait_for(item_runs(&it));
	destroy_workqueue(inherited);
}

/* The first thread is the one for timers; that of the rescuer cannot be had. */
static void child_waits_for_it(void)
{
	struct item it;

	atomic_store(&to_succeed, 1);
	item_init(&it);
	CHECK(queue_work(inherited, &it.work));
	CHECK_WAIT(atomic_load(&report->messages) >= 2);
	CHECK(strstr(report->line, "cannot create"));
	CHECK(!item_started(&it));
	atomic_store(&report->messages, 0);
	atomic_store(&to_succeed, INT_MAX);
	CHECK_WAIT(item_runs(&it) == 1);
	CHECK_WAIT(thread_named("cmwq/R-inherit"));
}

TEST(forked_without_threads)
{
	need_busy_fork();
	make_report();
	inherited = reclaim("inherit", WQ_PERCPU);
	in_child(FORK, child_waits_for_it);
	destroy_workqueue(inherited);
}

/* --- storm --- */

#define QUEUES 5
#define ITEMS  60

static void sleep_at_times(struct item *it)
{
	if (it->arg % 3 == 0)
		usleep(1000);
}

/* Every creation takes up to 40 ms, workers and queues come and go. */
TEST(storm, .timeout = 120)
{
	static const unsigned int flags[QUEUES] = {
		WQ_PERCPU,
		WQ_UNBOUND,
		WQ_PERCPU | WQ_HIGHPRI,
		WQ_UNBOUND | __WQ_ORDERED,
		WQ_UNBOUND | WQ_HIGHPRI,
	};
	static struct item it[ITEMS];
	struct workqueue_struct *wq[QUEUES];
	unsigned long long rescued = 0;
	struct rng r = rng_make(9);
	long trues = 0;
	uint64_t end;
	int i;

	set_param("cmwq.idle_timeout_ms", 1);
	for (i = 0; i < QUEUES; i++)
		wq[i] = reclaim("storm", flags[i]);
	for (i = 0; i < ITEMS; i++) {
		item_init(&it[i]);
		it[i].hook = sleep_at_times;
		it[i].arg = i;
	}
	atomic_store(&slow, 40);
	end = now_ns() + 3000000000ULL;
	while (now_ns() < end) {
		for (i = 0; i < ITEMS; i++)
			if (rng_below(&r, 2))
				trues +=
					queue_work(wq[i % QUEUES], &it[i].work);
		usleep(rng_below(&r, 30000));
		i = (int)rng_below(&r, 4 * QUEUES);
		if (i < QUEUES) {
			rescued += stats_of(wq[i]).rescued;
			destroy_workqueue(wq[i]);
			wq[i] = reclaim("storm", flags[i]);
		}
	}
	for (i = 0; i < QUEUES; i++) {
		flush_workqueue(wq[i]);
		rescued += stats_of(wq[i]).rescued;
		destroy_workqueue(wq[i]);
	}
	check_storm(it, ITEMS, trues, rescued);
	atomic_store(&slow, 0);
	check_library_works();
}

#endif
