/* SPDX-License-Identifier: MIT */
/*
 * signal.c - queueing from signal handlers.
 *
 * (A) After workqueue_init(), in a thread that has queued or was prepared, a
 *     handler may queue wherever it interrupts that thread, also in the middle
 *     of another queue_work(): every true is one run.
 * (B) Handlers run in the program's threads only, and the library changes
 *     neither dispositions nor the masks of those threads.
 * (C) A handler that leaves queue_work() with siglongjmp() may lose the item
 *     that was being queued, and nothing else.
 *
 * timeout: 120
 */
#include "harness.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define CELLS	24
#define THREADS 3
#define PERIOD	200000 /* ns */

struct cell {
	struct work_struct work;
	_Atomic long trues, runs;
	_Atomic int in_run;
};

static struct cell cell[CELLS];
static struct workqueue_struct *wq[3];
static _Atomic long handled, strange;
static _Atomic int mine[THREADS + 1]; /* program threads */
static _Atomic bool stop;

static uint64_t storm_ns(void)
{
	const char *s = getenv("CMWQ_STORM_SECONDS");

	return (uint64_t)((s ? atof(s) : 1) * 1e9);
}

static void cell_func(struct work_struct *work)
{
	struct cell *c = from_work(c, work, work);

	if (atomic_fetch_add(&c->in_run, 1))
		atomic_fetch_add(&strange, 1);
	if (atomic_fetch_add(&c->runs, 1) % 256 == 0)
		sched_yield();
	atomic_fetch_sub(&c->in_run, 1);
}

static void queue_cell(unsigned int i)
{
	if (queue_work(wq[i % 3], &cell[i % CELLS].work))
		atomic_fetch_add(&cell[i % CELLS].trues, 1);
}

static void on_signal(int sig)
{
	unsigned int n = (unsigned int)atomic_fetch_add(&handled, 1);
	int saved = errno, i, tid = self_tid();

	(void)sig;
	for (i = 0; i <= THREADS; i++)
		if (atomic_load(&mine[i]) == tid)
			break;
	if (i > THREADS || current_work())
		atomic_fetch_add(&strange, 1);
	errno = 77;
	queue_cell(n);
	queue_cell(n * 7 + 1);
	if (errno != 77)
		atomic_fetch_add(&strange, 1);
	errno = saved;
}

static void handle(int sig, void (*fn)(int))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = fn;
	sa.sa_flags = SA_RESTART;
	ASSERT_EQ(sigaction(sig, &sa, NULL), 0);
}

static void start(void)
{
	int i;

	workqueue_init();
	cmwq_thread_prepare();
	wq[0] = alloc_workqueue("percpu", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("unbound", WQ_UNBOUND, 2);
	wq[2] = alloc_ordered_workqueue("ordered", 0);
	for (i = 0; i < CELLS; i++)
		INIT_WORK(&cell[i].work, cell_func);
	atomic_store(&mine[THREADS], self_tid());
}

static void finish(void)
{
	int i;

	for (i = 0; i < 3; i++)
		flush_workqueue(wq[i]);
	for (i = 0; i < CELLS; i++) {
		EXPECT_EQ(atomic_load(&cell[i].runs),
			  atomic_load(&cell[i].trues));
		EXPECT_EQ(work_busy(&cell[i].work), 0);
	}
	EXPECT_EQ(atomic_load(&strange), 0);
	EXPECT_OP(atomic_load(&handled), >, 10);
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
	check_library_works();
}

static void itimer(int period_us)
{
	struct itimerval it;

	memset(&it, 0, sizeof(it));
	it.it_interval.tv_usec = period_us;
	it.it_value.tv_usec = period_us;
	ASSERT_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
}

/* The signal goes to the process: whoever does not block it gets it. */
static void alarm_storm(bool main_queues)
{
	uint64_t end = now_ns() + storm_ns();
	struct rng r = rng_make(1);

	start();
	handle(SIGALRM, on_signal);
	itimer(PERIOD / 1000);
	while (now_ns() < end || atomic_load(&handled) <= 10) {
		if (main_queues)
			queue_cell((unsigned int)rng_next(&r));
	}
	itimer(0);
	finish();
}

TEST(alarms)
{
	alarm_storm(false);
}

TEST(alarms_while_queueing)
{
	alarm_storm(true);
}

/* Whatever the main thread does meanwhile: it is interrupted everywhere. */
TEST(alarms_while_flushing)
{
	uint64_t end = now_ns() + storm_ns();
	struct rng r = rng_make(2);

	start();
	handle(SIGALRM, on_signal);
	itimer(PERIOD / 1000);
	while (now_ns() < end || atomic_load(&handled) <= 10) {
		unsigned int i = rng_below(&r, CELLS);

		queue_cell(i);
		if (rng_below(&r, 8))
			continue;
		flush_work(&cell[i].work);
		if (!rng_below(&r, 16))
			flush_workqueue(wq[i % 3]);
	}
	itimer(0);
	finish();
}

/* --- each thread with a timer of its own --- */

static timer_t thread_timer(int sig)
{
	struct itimerspec its = { { 0, PERIOD }, { 0, PERIOD } };
	struct sigevent ev;
	timer_t timer;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_THREAD_ID;
	ev.sigev_signo = sig;
#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif
	ev.sigev_notify_thread_id = self_tid();
	ASSERT_EQ(timer_create(CLOCK_MONOTONIC, &ev, &timer), 0);
	ASSERT_EQ(timer_settime(timer, 0, &its, NULL), 0);
	return timer;
}

static long queue_under_fire(void *arg)
{
	int nr = (int)(long)arg;
	struct rng r = rng_make((uint64_t)nr + 10);
	timer_t timer;

	atomic_store(&mine[nr], self_tid());
	cmwq_thread_prepare();
	timer = thread_timer(SIGRTMIN + nr);
	while (!atomic_load(&stop))
		queue_cell((unsigned int)rng_next(&r));
	timer_delete(timer);
	return 0;
}

TEST(timers_in_several_threads)
{
	uint64_t end = now_ns() + storm_ns();
	struct thread t[THREADS];
	int i;

	start();
	for (i = 0; i < THREADS; i++) {
		handle(SIGRTMIN + i, on_signal);
		thread_start(&t[i], queue_under_fire, (void *)(long)i);
	}
	while (now_ns() < end || atomic_load(&handled) <= 10)
		usleep(1000);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		thread_join(&t[i]);
	finish();
}

/* --- leaving queue_work() for good --- */

#define JUMPS 2000

static sigjmp_buf out;
static _Atomic bool may_jump;
static struct work_struct lost[JUMPS];

static void on_jump(int sig)
{
	(void)sig;
	if (atomic_exchange(&may_jump, false))
		siglongjmp(out, 1);
}

/* Queue one item, which nobody uses again, until a signal takes us away. */
static void queue_until_taken(struct work_struct *work, int kind)
{
	if (sigsetjmp(out, 1))
		return;
	atomic_store(&may_jump, true);
	for (;;)
		queue_work(wq[kind], work);
}

static void lost_func(struct work_struct *work)
{
	(void)work;
}

static void jump_storm(void)
{
	uint64_t end = now_ns() + storm_ns();
	unsigned int i;

	for (i = 0; i < JUMPS && now_ns() < end; i++) {
		INIT_WORK(&lost[i], lost_func);
		queue_until_taken(&lost[i], (int)i % 3);
		queue_cell(i);
		wait_for(atomic_load(&cell[i % CELLS].runs) ==
			 atomic_load(&cell[i % CELLS].trues));
		atomic_fetch_add(&handled, 1);
	}
}

TEST(siglongjmp_out_of_queue_work)
{
	struct workqueue_struct *other;
	struct item it;
	int i;

	/* Only the tick repeats a wakeup that was abandoned half-way. */
	need_param("cmwq.tick");
	start();
	other = alloc_workqueue("other", WQ_PERCPU, 0);
	item_init(&it);
	handle(SIGALRM, on_jump);
	itimer(PERIOD / 1000);
	jump_storm();
	itimer(0);
	for (i = 0; i < CELLS; i++)
		EXPECT_EQ(atomic_load(&cell[i].runs),
			  atomic_load(&cell[i].trues));
	EXPECT_EQ(atomic_load(&strange), 0);
	EXPECT_OP(atomic_load(&handled), >, 10);
	/* Grace periods still end, and other queues come and go. */
	EXPECT(queue_work(other, &it.work));
	destroy_workqueue(other);
	EXPECT_EQ(item_runs(&it), 1);
	check_library_works();
}

/* --- hands off --- */

static void look_at_signals(struct sigaction *sa, sigset_t *mask)
{
	int sig;

	for (sig = 1; sig < NSIG; sig++) {
		memset(&sa[sig], 0, sizeof(sa[sig]));
		sigaction(sig, NULL, &sa[sig]);
	}
	sigemptyset(mask);
	pthread_sigmask(SIG_SETMASK, NULL, mask);
}

TEST(nothing_is_changed)
{
	static struct sigaction before[NSIG], after[NSIG];
	sigset_t mask, mask_after;
	int sig;

	look_at_signals(before, &mask);
	check_library_works();
	workqueue_init();
	look_at_signals(after, &mask_after);
	for (sig = 1; sig < NSIG; sig++) {
		EXPECT(before[sig].sa_handler == after[sig].sa_handler);
		EXPECT_EQ(sigismember(&mask, sig),
			  sigismember(&mask_after, sig));
	}
}

static _Atomic int caught_by;

static void note_thread(int sig)
{
	(void)sig;
	atomic_store(&caught_by, self_tid());
}

/* With the main thread blocking it, a signal stays pending: no worker eats it. */
TEST(workers_take_no_signals)
{
	struct item it[8];
	sigset_t set, pending;
	int i;

	workqueue_init();
	for (i = 0; i < 8; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work(system_dfl_wq, &it[i].work));
	}
	wait_for(items_started(it, 8) == 8);
	handle(SIGUSR1, note_thread);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ASSERT_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
	kill(getpid(), SIGUSR1);
	linger();
	ASSERT_EQ(sigpending(&pending), 0);
	EXPECT(sigismember(&pending, SIGUSR1));
	EXPECT_EQ(atomic_load(&caught_by), 0);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	wait_for(atomic_load(&caught_by));
	EXPECT_EQ(atomic_load(&caught_by), self_tid());
	for (i = 0; i < 8; i++)
		item_release(&it[i]);
	flush_workqueue(system_dfl_wq);
}
