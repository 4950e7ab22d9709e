/* SPDX-License-Identifier: MIT */
/*
 * cm.c - concurrency management seen from outside: when the next item starts
 * while others run, sleep, spin, or hog a CPU. Each detector is tested with
 * the other one switched off.
 *
 * "Spinners" burn CPU until they are let go. Where a test wants the pool to
 * stay with its one running worker it switches the CPU hog rule off. Unbound
 * pools and hogs have files of their own: unbound.c, hog.c.
 */
#include "harness.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/syscall.h>
#include <time.h>

static void no_hogs(void)
{
	set_param("workqueue.cpu_intensive_thresh_us", 0);
}

static void spinner_init(struct item *it)
{
	item_init_held(it);
	it->spin = true;
}

/* --- the next item starts when one blocks, however it blocks --- */

static int fds[2];
static _Atomic int word;
static _Atomic bool next_ran;

static void in_read(struct item *it)
{
	char c;

	(void)it;
	EXPECT_EQ(read(fds[0], &c, 1), 1);
}

static void in_poll(struct item *it)
{
	struct pollfd p = { .fd = fds[0], .events = POLLIN };

	(void)it;
	EXPECT_EQ(poll(&p, 1, -1), 1);
}

static void in_futex(struct item *it)
{
	(void)it;
	while (!atomic_load(&word))
		syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

/* Not woken by the next item, but asleep nearly all the time. */
static void in_nanosleep(struct item *it)
{
	struct timespec ts = { 0, 50000000 };

	(void)it;
	while (!atomic_load(&next_ran))
		nanosleep(&ts, NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void in_cond(struct item *it)
{
	(void)it;
	pthread_mutex_lock(&mutex);
	while (!atomic_load(&next_ran))
		pthread_cond_wait(&cond, &mutex);
	pthread_mutex_unlock(&mutex);
}

/* What the next item does lets the first one go on. */
static void let_go(struct item *it)
{
	(void)it;
	EXPECT_EQ(write(fds[1], "x", 1), 1);
	atomic_store(&word, 1);
	syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	pthread_mutex_lock(&mutex);
	atomic_store(&next_ran, true);
	pthread_cond_broadcast(&cond);
	pthread_mutex_unlock(&mutex);
}

static void next_starts_on(struct workqueue_struct *wq,
			   void (*block)(struct item *it))
{
	struct item first, next;
	char c;
	int i;

	EXPECT_EQ(pipe2(fds, O_CLOEXEC), 0);
	for (i = 0; i < 20; i++) {
		atomic_store(&word, 0);
		atomic_store(&next_ran, false);
		item_init(&first);
		item_init(&next);
		first.hook = block;
		next.hook = let_go;
		EXPECT(queue_work_on(nth_cpu(0), wq, &first.work));
		if (i % 2)
			wait_for(item_started(&first));
		EXPECT(queue_work_on(nth_cpu(0), wq, &next.work));
		wait_for(item_runs(&first) && item_runs(&next));
		EXPECT_EQ(first.cpu, nth_cpu(0));
		EXPECT_EQ(next.cpu, nth_cpu(0));
		flush_workqueue(wq);
		if (block != in_read)
			EXPECT_EQ(read(fds[0], &c, 1), 1);
	}
	destroy_workqueue(wq);
}

static void next_starts(void (*block)(struct item *it))
{
	need_detector();
	next_starts_on(alloc_workqueue("cm", WQ_PERCPU, 0), block);
}

#define BLOCKS(how, suffix, ...)                     \
	TEST(blocks_in_##how##suffix, ##__VA_ARGS__) \
	{                                            \
		next_starts(in_##how);               \
	}

BLOCKS(read, )
BLOCKS(poll, )
BLOCKS(futex, )
BLOCKS(nanosleep, )
BLOCKS(cond, )
BLOCKS(read, _tick_only, .params = "cmwq.sentinel=0")
BLOCKS(futex, _tick_only, .params = "cmwq.sentinel=0")
BLOCKS(nanosleep, _tick_only, .params = "cmwq.sentinel=0")
BLOCKS(read, _sentinel_only, .params = "cmwq.tick=0")
BLOCKS(futex, _sentinel_only, .params = "cmwq.tick=0")
BLOCKS(nanosleep, _sentinel_only, .params = "cmwq.tick=0")

TEST(blocks_highpri)
{
	need_detector();
	next_starts_on(alloc_workqueue("cm", WQ_PERCPU | WQ_HIGHPRI, 0),
		       in_read);
}

/* Both CPUs are kept busy by the program: a sentinel starves, the tick not. */
static _Atomic bool stop_load;

static long load_cpu(void *arg)
{
	pin_to(nth_cpu(*(int *)arg));
	while (!atomic_load(&stop_load))
		;
	return 0;
}

TEST(blocks_under_load)
{
	struct thread t[8];
	int nth[8], n = nr_allowed() < 8 ? nr_allowed() : 8, i;

	for (i = 0; i < n; i++) {
		nth[i] = i;
		thread_start(&t[i], load_cpu, &nth[i]);
	}
	next_starts(in_read);
	atomic_store(&stop_load, true);
	for (i = 0; i < n; i++)
		thread_join(&t[i]);
}

/* The last of a chain of sleepers lets them all go. */
TEST(chain_of_sleepers)
{
	struct workqueue_struct *wq = alloc_workqueue("chain", WQ_PERCPU, 0);
	static struct item it[40];
	int i;

	need_detector();
	for (i = 0; i < 40; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	wait_for(items_started(it, 40) == 40);
	for (i = 0; i < 40; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(it, 40), 40);
}

/* --- it does not start while one runs --- */

static void spinner_holds_on(struct workqueue_struct *wq,
			     struct workqueue_struct *other)
{
	struct item spinner, it[3];
	int i;

	no_hogs();
	spinner_init(&spinner);
	EXPECT(queue_work_on(nth_cpu(0), wq, &spinner.work));
	wait_for(item_started(&spinner));
	for (i = 0; i < 3; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), i ? other : wq, &it[i].work));
	}
	for (i = 0; i < 5; i++) {
		linger();
		EXPECT_EQ(items_started(it, 3), 0);
	}
	item_release(&spinner);
	wait_for(items_finished(it, 3) == 3);
	destroy_workqueue(wq);
	destroy_workqueue(other);
}

TEST(spinner_holds_pool)
{
	spinner_holds_on(alloc_workqueue("spin", WQ_PERCPU, 0),
			 alloc_workqueue("other", WQ_PERCPU, 0));
}

TEST(spinner_holds_highpri_pool)
{
	spinner_holds_on(alloc_workqueue("spin", WQ_PERCPU | WQ_HIGHPRI, 0),
			 alloc_workqueue("other", WQ_PERCPU | WQ_HIGHPRI, 0));
}

/* A CPU-intensive item waits behind a normal one that runs. */
TEST(spinner_holds_cpu_intensive)
{
	spinner_holds_on(alloc_workqueue("spin", WQ_PERCPU, 0),
			 alloc_workqueue("other", WQ_PERCPU | WQ_CPU_INTENSIVE,
					 0));
}

/* Each pool has a rule of its own: nobody else is held up. */
TEST(spinner_holds_no_other_pool)
{
	struct item spinner, high, unbound, there;

	no_hogs();
	spinner_init(&spinner);
	item_init(&high);
	item_init(&unbound);
	item_init(&there);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &spinner.work));
	wait_for(item_started(&spinner));
	EXPECT(queue_work_on(nth_cpu(0), system_highpri_wq, &high.work));
	EXPECT(queue_work(system_dfl_wq, &unbound.work));
	if (nr_allowed() > 1) {
		EXPECT(queue_work_on(nth_cpu(1), system_wq, &there.work));
		wait_for(item_runs(&there));
	}
	wait_for(item_runs(&high) && item_runs(&unbound));
	item_release(&spinner);
	wait_for(item_runs(&spinner));
}

/* Once it runs, a CPU-intensive one holds up nobody. No detector is needed. */
TEST(cpu_intensive_holds_nobody)
{
	struct workqueue_struct *wq =
		alloc_workqueue("heavy", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	struct item spinner, it;

	no_hogs();
	set_param("cmwq.sentinel", 0);
	set_param("cmwq.tick", 0);
	spinner_init(&spinner);
	item_init(&it);
	EXPECT(queue_work_on(nth_cpu(0), wq, &spinner.work));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	wait_for(item_runs(&it));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	wait_for(item_runs(&it) == 2);
	EXPECT_EQ(item_runs(&spinner), 0);
	item_release(&spinner);
	destroy_workqueue(wq);
}

/* After it, the pool's rule is in force again. */
TEST(cpu_intensive_ends)
{
	struct workqueue_struct *wq =
		alloc_workqueue("heavy", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
	struct item spinner, it;
	int i;

	no_hogs();
	for (i = 0; i < 50; i++) {
		item_init(&it);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
		flush_workqueue(wq);
	}
	spinner_init(&spinner);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &spinner.work));
	wait_for(item_started(&spinner));
	item_init(&it);
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	item_release(&spinner);
	destroy_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
}

/* --- hints --- */

static _Atomic int hint_stage;

static void spin_until(_Atomic int *value, int want)
{
	while (atomic_load(value) < want)
		;
}

static _Atomic int hint_go;

static void hinted(struct item *it)
{
	(void)it;
	cmwq_blocking_begin();
	cmwq_blocking_begin();
	cmwq_blocking_end(); /* pairs nest: still blocking */
	atomic_store(&hint_stage, 1);
	spin_until(&hint_go, 1);
	cmwq_blocking_end();
	atomic_store(&hint_stage, 2);
	spin_until(&hint_go, 2);
}

TEST(hints_alone, .params = "cmwq.sentinel=0 cmwq.tick=0")
{
	struct item it, during, after;

	need_param("cmwq.hints");
	no_hogs();
	item_init(&it);
	item_init(&during);
	item_init(&after);
	it.hook = hinted;
	cmwq_blocking_begin(); /* outside of an item: nothing */
	cmwq_blocking_end();
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &during.work));
	wait_for(item_runs(&during));
	EXPECT_EQ(item_runs(&it), 0);
	atomic_store(&hint_go, 1);
	wait_for(atomic_load(&hint_stage) == 2);
	/* Over: the item counts as running. */
	flush_work(&during.work);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &after.work));
	linger();
	EXPECT_EQ(item_started(&after), 0);
	atomic_store(&hint_go, 2);
	wait_for(item_runs(&after));
}

static struct item *waited_for;

static void flush_inside(struct item *it)
{
	(void)it;
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &waited_for->work));
	flush_work(&waited_for->work);
}

/* The library's own waits give hints. */
TEST(own_waits_hint, .params = "cmwq.sentinel=0 cmwq.tick=0")
{
	struct item it, in;
	int i;

	need_param("cmwq.hints");
	for (i = 0; i < 100; i++) {
		item_init(&it);
		item_init(&in);
		waited_for = &in;
		it.hook = flush_inside;
		EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
		wait_for(item_runs(&it));
		EXPECT_EQ(item_runs(&in), 1);
	}
}

/* --- sleepers that run again --- */

#define SLEEPERS 12

static struct counter back;
static _Atomic bool spin_on;

static void back_tail(struct item *it)
{
	(void)it;
	counter_inc(&back);
	while (atomic_load(&spin_on))
		;
}

static void short_burn(struct item *it)
{
	(void)it;
	burn_us(1000);
}

/*
 * They all slept, so the pool thinks that nobody runs. Then they spin, and a
 * few items at most get through before that is noticed.
 */
TEST(overlap_is_bounded)
{
	struct workqueue_struct *wq = alloc_workqueue("back", WQ_PERCPU, 0);
	static struct item sleeper[SLEEPERS], it[50];
	int i;

	need_detector();
	need_param("cmwq.recheck");
	no_hogs();
	atomic_store(&spin_on, true);
	for (i = 0; i < SLEEPERS; i++) {
		item_init_held(&sleeper[i]);
		sleeper[i].tail = back_tail;
		EXPECT(queue_work_on(nth_cpu(0), wq, &sleeper[i].work));
	}
	wait_for(items_started(sleeper, SLEEPERS) == SLEEPERS);
	for (i = 0; i < SLEEPERS; i++)
		wait_asleep_tid(sleeper[i].tid);
	for (i = 0; i < SLEEPERS; i++)
		item_release(&sleeper[i]);
	counter_wait(&back, SLEEPERS);
	for (i = 0; i < 50; i++) {
		item_init(&it[i]);
		it[i].hook = short_burn;
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	linger();
	linger();
	EXPECT_OP(items_started(it, 50), <=, 3);
	atomic_store(&spin_on, false);
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(it, 50), 50);
}

/* --- statistics --- */

TEST(stats_count)
{
	struct workqueue_struct *wq = alloc_workqueue("count", WQ_PERCPU, 0);
	struct cmwq_stats s;
	struct item it[3];
	int i;

	need_detector();
	EXPECT(cmwq_get_stats(wq, &s));
	EXPECT_EQ(s.started, 0);
	EXPECT_EQ(s.in_flight, 0);
	for (i = 0; i < 3; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	wait_for(items_started(it, 3) == 3);
	EXPECT(cmwq_get_stats(wq, &s));
	EXPECT_EQ(s.started, 3);
	EXPECT_EQ(s.completed, 0);
	EXPECT_EQ(s.in_flight, 3);
	EXPECT_OP(s.workers, >=, 3);
	EXPECT_OP(s.workers_peak, >=, 3);
	EXPECT_OP(s.cm_wakeup, >=, 2);
	for (i = 0; i < 3; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
	EXPECT(cmwq_get_stats(wq, &s));
	EXPECT_EQ(s.completed, 3);
	EXPECT_EQ(s.in_flight, 0);
	destroy_workqueue(wq);
}

/* --- it sleeps, runs again, and sleeps once more --- */

static struct gate next_gate;
static struct item beside, behind;

/* Found asleep because of @beside; @behind comes while it runs again. */
static void in_two_sleeps(struct item *it)
{
	(void)it;
	ASSERT(queue_work_on(nth_cpu(0), system_percpu_wq, &beside.work));
	wait_for(item_runs(&beside) == 1);
	ASSERT(queue_work_on(nth_cpu(0), system_percpu_wq, &behind.work));
	burn_us(6000); /* whoever was woken sees that, and leaves */
	gate_wait(&next_gate);
}

static void opens_gate(struct item *it)
{
	(void)it;
	gate_open(&next_gate);
}

/* Whoever leaves the item waiting must see to it that the second is noticed. */
static void sleeps_twice(void)
{
	struct item it;

	need_detector();
	no_hogs();
	for (int i = 0; i < 10; i++) {
		gate_close(&next_gate);
		item_init(&it);
		it.hook = in_two_sleeps;
		item_init(&beside);
		item_init(&behind);
		behind.hook = opens_gate;
		ASSERT(queue_work_on(nth_cpu(0), system_percpu_wq, &it.work));
		wait_for(item_runs(&it) == 1 && item_runs(&behind) == 1);
		flush_work(&behind.work);
		flush_work(&it.work);
	}
}

TEST(sleeps_twice_both)
{
	sleeps_twice();
}

TEST(sleeps_twice_sentinel_only, .params = "cmwq.tick=0")
{
	sleeps_twice();
}

TEST(sleeps_twice_tick_only, .params = "cmwq.sentinel=0")
{
	sleeps_twice();
}
