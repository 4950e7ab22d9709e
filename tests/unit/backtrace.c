/* SPDX-License-Identifier: MIT */
/*
 * backtrace - os_backtrace.c on threads of all kinds: it sees where they are, and they
 * see nothing. Prints for how long they were stopped.
 *
 * The room is included, not linked, for what it does not do by itself: to stop a
 * thread in a system call that does not start anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <alloca.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>

#include "../../src/os_backtrace.c"
#include "unit/fake_os.h"

#define LEVELS 20
#define ROUNDS 2000
#define ANY    (OS_BACKTRACE_ASLEEP | OS_BACKTRACE_RUNNING)

#ifdef HAVE_WALK
#define need_walk() (void)0
#else
#define need_walk() skip()
#endif

enum kind {
	SPIN,
	SLEEP,
	EPOLL,
};

struct victim {
	pthread_t thread;
	enum kind kind;
	_Atomic int tid;
	_Atomic bool there; /* at the innermost level */
	_Atomic bool over;
	_Atomic bool done;     /* with its call */
	void *returns[LEVELS]; /* where each level goes back to */
	long result;
	int err;
};

static struct os_backtrace bt;
static struct victim victim;
static bool running; /* the victim is, and has to be joined */

static long innermost(struct victim *v)
{
	struct timespec ts = { 0, 300000000 };
	struct epoll_event event;
	long rc = 0;
	int fd;

	atomic_store(&v->there, true);
	if (v->kind == SPIN)
		while (!atomic_load(&v->over))
			;
	if (v->kind == SLEEP)
		rc = nanosleep(&ts, NULL);
	if (v->kind == EPOLL) {
		fd = epoll_create1(0);
		rc = epoll_wait(fd, &event, 1, 300);
		close(fd);
	}
	atomic_store(&v->done, true);
	return rc;
}

__attribute__((noinline)) static long descend(struct victim *v, int level)
{
	volatile long sum;

	v->returns[level] = __builtin_return_address(0);
	if (level)
		sum = descend(v, level - 1);
	else
		sum = innermost(v);
	return sum * 2;
}

static void *victim_thread(void *arg)
{
	struct victim *v = arg;

	atomic_store(&v->tid, (int)syscall(SYS_gettid));
	errno = 0;
	v->result = descend(v, LEVELS - 1);
	v->err = errno;
	return NULL;
}

static char read_letter(int tid)
{
	struct os_backtrace now;

	memset(&now, 0, sizeof(now));
	read_state(tid, &now);
	return now.state;
}

static void begin(enum kind kind, void *(*function)(void *))
{
	memset(&victim, 0, sizeof(victim));
	victim.kind = kind;
	assert_int_equal(
		pthread_create(&victim.thread, NULL, function, &victim), 0);
	running = true;
	while (!atomic_load(&victim.there))
		usleep(100);
	while (kind != SPIN && !atomic_load(&victim.done) &&
	       read_letter(victim.tid) != 'S')
		usleep(1000);
}

static void end(void)
{
	atomic_store(&victim.over, true);
	pthread_join(victim.thread, NULL);
	running = false;
}

static int setup(void **state)
{
	sigset_t all;

	(void)state;
	fake_reset();
	fake.real_threads = true;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	return 0;
}

/* A test that was skipped, or failed, left in the middle. */
static int teardown(void **state)
{
	(void)state;
	if (running)
		end();
	return 0;
}

static void no_ptrace_no_test(void)
{
	if (bt.obstacle && (!strcmp(bt.obstacle, "ptrace was refused") ||
			    !strcmp(bt.obstacle, "no process could be made")))
		skip();
}

/* Again, if the machine was so busy that it took too long. */
static void look(int tid, unsigned int may_stop)
{
	do
		os_backtrace(tid, may_stop, &bt);
	while (bt.obstacle && !strcmp(bt.obstacle, "it took too long"));
}

/* All levels, in order, without gaps. */
static void check_frames(void)
{
	int i = 0;

	no_ptrace_no_test();
	assert_null(bt.obstacle);
	while (i < bt.nr && bt.frame[i] != victim.returns[0])
		i++;
	for (int level = 0; level < LEVELS; level++, i++) {
		assert_true(i < bt.nr);
		assert_ptr_equal(bt.frame[i], victim.returns[level]);
	}
	assert_true(bt.nr < LEVELS + 10);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Often, so that some of it happens at a bad time. */
static void measure(const char *what)
{
	static uint64_t ns[ROUNDS];

	for (int i = 0; i < ROUNDS; i++) {
		os_backtrace(victim.tid, ANY, &bt);
		if (!bt.obstacle)
			check_frames();
		ns[i] = bt.stopped_ns;
	}
	qsort(ns, ROUNDS, sizeof(*ns), compare);
	printf("%s: stopped for %.1f us, 99%% at most %.1f us, all at most "
	       "%.1f us\n",
	       what, (double)ns[ROUNDS / 2] / 1e3,
	       (double)ns[ROUNDS * 99 / 100] / 1e3,
	       (double)ns[ROUNDS - 1] / 1e3);
}

static void test_spinning(void **state)
{
	(void)state;
	need_walk();
	begin(SPIN, victim_thread);
	look(victim.tid, ANY);
	assert_int_equal(bt.state, 'R');
	check_frames();
	measure("a thread that runs");
	end();
}

/* What was seen holds if the call is not over yet. */
static void test_sleeping(void **state)
{
	(void)state;
	need_walk();
	begin(SLEEP, victim_thread);
	for (;;) {
		look(victim.tid, ANY);
		if (atomic_load(&victim.done))
			break;
		no_ptrace_no_test();
		if (!bt.obstacle)
			check_frames();
	}
	end();
	assert_int_equal(victim.result, 0);
	assert_int_equal(victim.err, 0);
}

/* Its call would return EINTR; if it has to, it begins again. */
static void test_call_that_does_not_start_anew(void **state)
{
	(void)state;
	need_walk();
	begin(EPOLL, victim_thread);
	look(victim.tid, ANY);
	if (!atomic_load(&victim.done)) {
		assert_string_equal(bt.obstacle, "its system call would not go "
						 "on after it");
		assert_int_equal(bt.nr, 0);
		assert_int_equal(bt.stopped_ns, 0);
	}
#if defined(__x86_64__) && defined(HAVE_WALK)
	for (int i = 0; i < 10 && !atomic_load(&victim.done); i++)
		read_frames(victim.tid, &bt);
#endif
	end();
	assert_int_equal(victim.result, 0);
	assert_int_equal(victim.err, 0);
}

/* --- signals for the thread --- */

static _Atomic int handled;
static _Atomic bool enough;

static void count_signal(int sig)
{
	(void)sig;
	atomic_fetch_add(&handled, 1);
}

static void *signal_thread(void *arg)
{
	struct victim *v = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	return victim_thread(v);
}

static void *sender(void *arg)
{
	struct victim *v = arg;
	long sent;

	for (sent = 0; !atomic_load(&enough); sent++) {
		pthread_kill(v->thread, SIGUSR2);
		while (atomic_load(&handled) <= sent)
			;
	}
	return (void *)sent;
}

static void test_signals_arrive(void **state)
{
	pthread_t thread;
	void *sent;

	(void)state;
	need_walk();
	signal(SIGUSR2, count_signal);
	begin(SPIN, signal_thread);
	pthread_create(&thread, NULL, sender, &victim);
	for (int i = 0; i < ROUNDS / 4; i++)
		look(victim.tid, ANY);
	atomic_store(&enough, true);
	pthread_join(thread, &sent);
	end();
	assert_int_equal((long)sent, handled);
}

/* --- what can go wrong --- */

static void test_no_such_thread(void **state)
{
	(void)state;
	need_walk();
	look(INT32_MAX, ANY);
	assert_int_equal(bt.state, 0);
	assert_string_equal(bt.obstacle, "the thread is gone");
	begin(SPIN, victim_thread);
	look(victim.tid, 0);
	assert_string_equal(bt.obstacle, "not asked for");
	assert_int_equal(bt.state, 'R');
	assert_int_equal(bt.stopped_ns, 0);
	look(victim.tid, OS_BACKTRACE_ASLEEP);
	assert_string_equal(bt.obstacle, "it runs, but not all the time");
	assert_int_equal(bt.stopped_ns, 0);
	end();
}

static void use(void *p)
{
	*(volatile char *)p = 0;
}

/* Both have a frame pointer, since they have memory of unknown size on the stack. */
__attribute__((noinline)) static void break_stack(struct victim *v, size_t n)
{
	use(alloca(n));
	*(void *volatile *)__builtin_frame_address(0) = (void *)0x1000;
	atomic_store(&v->there, true);
	for (;;)
		use(&v->result);
}

__attribute__((noinline)) static void *broken_thread(void *arg)
{
	struct victim *v = arg;

	atomic_store(&v->tid, (int)syscall(SYS_gettid));
	use(alloca((size_t)v->tid % 100 + 1));
	break_stack(v, (size_t)v->tid % 100 + 1);
	use(v);
	return NULL;
}

/* The unwinder follows it to where there is no memory. */
static void test_broken_stack(void **state)
{
	static struct victim v;

	(void)state;
	need_walk();
	pthread_create(&v.thread, NULL, broken_thread, &v);
	while (!atomic_load(&v.there))
		usleep(100);
	for (int i = 0; i < 10; i++) {
		look(v.tid, ANY);
		no_ptrace_no_test();
		assert_string_equal(bt.obstacle,
				    "its stack cannot be read any further");
		assert_in_range(bt.nr, 1, 2);
		assert_int_equal(bt.state, 'R');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_spinning, setup, teardown),
		cmocka_unit_test_setup_teardown(test_sleeping, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_call_that_does_not_start_anew, setup, teardown),
		cmocka_unit_test_setup_teardown(test_signals_arrive, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_no_such_thread, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_broken_stack, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
