/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lock.h and lock.c: the mutex in each state of its word, its
 * ranks, completions and events. With fake threads each interleaving is chosen;
 * one test at the end lets real ones meet as they like.
 *
 * rooms: lock
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lock.h"
#include "unit/fake_os.h"

static struct lock mutex;
static int inside;	/* threads that hold it */
static int most_inside; /* at any time */
static int turns;	/* times it was taken */

static int setup(void **state)
{
	(void)state;
	fake_reset();
	lock_init(&mutex, RANK_POOL);
	inside = 0;
	most_inside = 0;
	turns = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return most_inside > 1;
}

static uint32_t word(void)
{
	return atomic_load(&mutex.word);
}

/* --- mutex --- */

static void take(void *unused) NO_ANALYSIS
{
	(void)unused;
	lock(&mutex);
	turns++;
	if (++inside > most_inside)
		most_inside = inside;
	fake_park(OS_THREAD_RUNNING);
	inside--;
	unlock(&mutex);
}

static struct fake_thread *start_taker(void)
{
	struct fake_thread *t = fake_spawn(take, NULL);

	fake_start(t);
	return t;
}

static void test_uncontended_makes_no_call(void **state) NO_ANALYSIS
{
	struct lock fixed = LOCK_INITIALIZER(RANK_SLOT);

	(void)state;
	assert_int_equal(word(), LOCK_FREE);
	for (int i = 0; i < 3; i++) {
		lock(&mutex);
		assert_int_equal(word(), LOCK_TAKEN);
		unlock(&mutex);
		assert_int_equal(word(), LOCK_FREE);
	}
	assert_int_equal(fixed.word, LOCK_FREE);
	assert_int_equal(fixed.rank, RANK_SLOT);
	assert_int_equal(fake.nr_wakes, 0);
}

static void test_waiter_sleeps_and_is_woken(void **state)
{
	struct fake_thread *a, *b;

	(void)state;
	a = start_taker();
	assert_int_equal(a->state, FAKE_PARKED);
	b = start_taker();
	assert_int_equal(b->state, FAKE_FUTEX);
	assert_ptr_equal(b->word, &mutex.word);
	assert_int_equal(b->deadline, 0);
	assert_int_equal(word(), LOCK_CONTENDED);

	fake_unpark(a);
	assert_int_equal(a->state, FAKE_OVER);
	assert_int_equal(word(), LOCK_FREE);
	assert_int_equal(fake_wakes(&mutex.word), 1);
	assert_int_equal(fake_last_wake_nr(&mutex.word), 1);
	assert_int_equal(fake_run(), 1);
	assert_int_equal(b->state, FAKE_PARKED);
	fake_unpark(b);
	assert_int_equal(word(), LOCK_FREE);
	assert_int_equal(turns, 2);
}

/* Each who slept takes it as contended, so that the next one is woken too. */
static void test_all_waiters_get_it(void **state)
{
	struct fake_thread *t[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		t[i] = start_taker();
	for (int i = 0; i < 5; i++) {
		assert_int_equal(t[i]->state, FAKE_PARKED);
		assert_int_equal(turns, i + 1);
		fake_unpark(t[i]);
		assert_int_equal(fake_run(), i < 4);
	}
	assert_int_equal(word(), LOCK_FREE);
}

/* Between unlock and the wakened waiter somebody else takes it: the waiter
 * sleeps again and is not forgotten. */
static void test_stolen_from_the_waiter(void **state)
{
	struct fake_thread *a, *b, *thief;

	(void)state;
	a = start_taker();
	b = start_taker();
	fake_unpark(a);
	thief = start_taker();
	assert_int_equal(thief->state, FAKE_PARKED);
	assert_int_equal(word(), LOCK_TAKEN);
	assert_int_equal(fake_run(), 1);
	assert_int_equal(b->state, FAKE_FUTEX);
	assert_int_equal(word(), LOCK_CONTENDED);
	fake_unpark(thief);
	assert_int_equal(fake_run(), 1);
	assert_int_equal(b->state, FAKE_PARKED);
	fake_unpark(b);
	assert_int_equal(turns, 3);
}

static void test_spurious_wakeup_of_a_waiter(void **state)
{
	struct fake_thread *a, *b;

	(void)state;
	a = start_taker();
	b = start_taker();
	for (int i = 0; i < 3; i++) {
		fake_spurious(b);
		assert_int_equal(b->state, FAKE_FUTEX);
	}
	fake_unpark(a);
	fake_run();
	assert_int_equal(b->state, FAKE_PARKED);
	fake_unpark(b);
}

/* In a forked child a lock is free again, whatever it was. */
/* Who holds it for long lets in whoever sleeps on it, and nobody else. */
static int turns_at_return;

static void hold_for_long(void *arg) NO_ANALYSIS
{
	(void)arg;
	lock(&mutex);
	lock_give_way(&mutex);
	fake_park(OS_THREAD_RUNNING);
	lock_give_way(&mutex);
	turns_at_return = turns;
	assert_int_not_equal(word(), LOCK_FREE);
	unlock(&mutex);
}

static void test_gives_way(void **state)
{
	struct fake_thread *holder, *waiter;

	(void)state;
	holder = fake_spawn(hold_for_long, NULL);
	fake_start(holder);
	assert_int_equal(holder->state, FAKE_PARKED);
	assert_int_equal(fake.nr_wakes, 0);
	waiter = start_taker();
	assert_int_equal(waiter->state, FAKE_FUTEX);
	fake_unpark(holder);
	assert_int_equal(holder->state, FAKE_SLEEP);
	fake_run();
	assert_int_equal(waiter->state, FAKE_PARKED);
	assert_int_equal(turns, 1);
	fake_unpark(waiter);
	fake.now += NSEC_PER_MSEC;
	fake_run();
	assert_int_equal(holder->state, FAKE_OVER);
	assert_int_equal(turns_at_return, 1);
	assert_int_equal(word(), LOCK_FREE);
}

static void test_init_frees(void **state)
{
	struct fake_thread *t;

	(void)state;
	start_taker();
	start_taker();
	assert_int_equal(word(), LOCK_CONTENDED);
	lock_init(&mutex, RANK_TIMER);
	assert_int_equal(word(), LOCK_FREE);
	assert_int_equal(mutex.rank, RANK_TIMER);
	inside = 0;
	t = start_taker();
	assert_int_equal(t->state, FAKE_PARKED);
	assert_int_equal(word(), LOCK_TAKEN);
}

#define REAL_THREADS 4
#define REAL_TURNS   20000

static unsigned long counter;

static void *count(void *unused) NO_ANALYSIS
{
	(void)unused;
	for (int i = 0; i < REAL_TURNS; i++) {
		lock(&mutex);
		counter++;
		if (i % 1024 == 0)
			usleep(1);
		unlock(&mutex);
	}
	return NULL;
}

static void test_real_threads(void **state)
{
	pthread_t thread[REAL_THREADS];

	(void)state;
	fake.real_futex = true;
	counter = 0;
	for (int i = 0; i < REAL_THREADS; i++)
		pthread_create(&thread[i], NULL, count, NULL);
	for (int i = 0; i < REAL_THREADS; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(counter, REAL_THREADS * REAL_TURNS);
	assert_int_equal(word(), LOCK_FREE);
}

/* --- ranks --- */

#ifdef CMWQ_LOCKDEP

/* What a child that runs @fn says, and how it ends. */
static int in_child(void (*fn)(int, int), int a, int b, char *said, size_t size)
{
	const struct rlimit no_core = { 0, 0 };
	int fd[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fd), 0);
	fflush(stdout);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		setrlimit(RLIMIT_CORE, &no_core);
		signal(SIGABRT, SIG_DFL);
		dup2(fd[1], STDERR_FILENO);
		fn(a, b);
		_exit(0);
	}
	close(fd[1]);
	n = read(fd[0], said, size - 1);
	said[n > 0 ? n : 0] = '\0';
	/* An emulator adds a line of its own. */
	if (strchr(said, '\n'))
		strchr(said, '\n')[1] = '\0';
	close(fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool aborted(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static bool ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static struct lock first, second, third;

static void nest(int a, int b) NO_ANALYSIS
{
	lock_init(&first, (enum lock_rank)a);
	lock_init(&second, (enum lock_rank)b);
	lock(&first);
	lock(&second);
	unlock(&second);
	unlock(&first);
}

/* Every pair: rising is allowed, falling and equal end the process. */
static void test_ranks(void **state)
{
	char said[200], expected[200];

	(void)state;
	for (int a = RANK_REGISTRY; a <= RANK_TIMER; a++)
		for (int b = RANK_REGISTRY; b <= RANK_TIMER; b++) {
			int status = in_child(nest, a, b, said, sizeof(said));

			if (a < b) {
				assert_true(ended_well(status));
				assert_string_equal(said, "");
				continue;
			}
			assert_true(aborted(status));
			snprintf(expected, sizeof(expected),
				 "cmwq: lock rank %d taken with %d held\n", b,
				 a);
			assert_string_equal(said, expected);
		}
}

/* The innermost counts, and what was released counts no more. */
static void nest_three(int a, int b) NO_ANALYSIS
{
	lock_init(&first, RANK_REGISTRY);
	lock_init(&second, RANK_SLOT);
	lock_init(&third, RANK_POOL);
	lock(&first);
	lock(&second);
	if (a)
		unlock(&second);
	lock(&third);
	unlock(&third);
	if (!a)
		unlock(&second);
	unlock(&first);
	if (b)
		lock(&first);
}

static void test_rank_of_the_innermost(void **state)
{
	char said[200], want[200];

	(void)state;
	assert_true(ended_well(in_child(nest_three, 1, 1, said, sizeof(said))));
	assert_true(aborted(in_child(nest_three, 0, 0, said, sizeof(said))));
	snprintf(want, sizeof(want), "cmwq: lock rank %d taken with %d held\n",
		 RANK_POOL, RANK_SLOT);
	assert_string_equal(said, want);
}

/* What is tried may be of any rank, and counts when it is held. */
static void try_lower(int a, int b) NO_ANALYSIS
{
	(void)b;
	lock_init(&first, RANK_POOL);
	lock_init(&second, RANK_WQ);
	lock_init(&third, RANK_WQ);
	lock(&first);
	if (!lock_try(&second) || lock_try(&second))
		_exit(1);
	if (a)
		lock(&third);
	unlock(&second);
	if (!lock_try(&second))
		_exit(1);
	unlock(&second);
	unlock(&first);
}

static void test_tried_locks(void **state)
{
	char said[200];

	(void)state;
	assert_true(ended_well(in_child(try_lower, 0, 0, said, sizeof(said))));
	assert_true(aborted(in_child(try_lower, 1, 0, said, sizeof(said))));
}

static void release_outer(int a, int b) NO_ANALYSIS
{
	(void)a;
	(void)b;
	lock_init(&first, RANK_WQ);
	lock_init(&second, RANK_POOL);
	lock(&first);
	lock(&second);
	unlock(&first);
}

static void test_release_out_of_order(void **state)
{
	char said[200], want[200];

	(void)state;
	assert_true(aborted(in_child(release_outer, 0, 0, said, sizeof(said))));
	snprintf(want, sizeof(want),
		 "cmwq: lock rank %d released out of order\n", RANK_WQ);
	assert_string_equal(said, want);
}

/* fork() runs handlers in the child too: what the parent's thread took there
 * is given back by a thread that may hold nothing. */
static void release_what_is_not_held(int a, int b) NO_ANALYSIS
{
	(void)a;
	(void)b;
	lock_init(&first, RANK_REGISTRY);
	atomic_store(&first.word, LOCK_TAKEN);
	unlock(&first);
	lock(&first);
	unlock(&first);
}

static void test_release_what_is_not_held(void **state)
{
	char said[200];

	(void)state;
	assert_true(ended_well(
		in_child(release_what_is_not_held, 0, 0, said, sizeof(said))));
	assert_string_equal(said, "");
}

/* Ranks are a thread's own. */
static void other_thread(void *unused) NO_ANALYSIS
{
	(void)unused;
	lock(&first);
	unlock(&first);
}

static void test_ranks_are_per_thread(void **state) NO_ANALYSIS
{
	struct fake_thread *t;

	(void)state;
	lock_init(&first, RANK_REGISTRY);
	lock_init(&second, RANK_TIMER);
	lock(&second);
	t = fake_spawn(other_thread, NULL);
	fake_start(t);
	assert_int_equal(t->state, FAKE_OVER);
	unlock(&second);
}

#endif

/* --- completion --- */

static void wait_completion(void *c)
{
	completion_wait(c);
	turns++;
}

static void test_completed_before(void **state)
{
	struct completion c;

	(void)state;
	completion_init(&c);
	assert_int_equal(atomic_load(&c.done), 0);
	completion_complete(&c);
	completion_wait(&c);
	completion_wait(&c);
}

static void test_completion_wakes_all(void **state)
{
	struct fake_thread *t[3];
	struct completion c;

	(void)state;
	completion_init(&c);
	for (int i = 0; i < 3; i++) {
		t[i] = fake_spawn(wait_completion, &c);
		fake_start(t[i]);
		assert_int_equal(t[i]->state, FAKE_FUTEX);
		assert_ptr_equal(t[i]->word, &c.done);
		assert_int_equal(t[i]->deadline, 0);
	}
	completion_complete(&c);
	assert_int_equal(fake_last_wake_nr(&c.done), INT_MAX);
	assert_int_equal(fake_run(), 3);
	assert_int_equal(turns, 3);
}

static void test_completion_spurious_wakeup(void **state)
{
	struct fake_thread *t;
	struct completion c;

	(void)state;
	completion_init(&c);
	t = fake_spawn(wait_completion, &c);
	fake_start(t);
	fake_spurious(t);
	assert_int_equal(t->state, FAKE_FUTEX);
	completion_complete(&c);
	fake_run();
	assert_int_equal(t->state, FAKE_OVER);
}

/* The waiter is quick: its memory is gone while the completer is still in its
 * system call. (A sanitizer or valgrind sees an access after that.) */
static void free_when_done(void *arg)
{
	completion_wait(arg);
	turns++;
	free(arg);
}

static void run_woken(_Atomic uint32_t *w)
{
	assert_int_equal(atomic_load(w), 1);
	assert_int_equal(fake_run(), 1);
}

static void test_completion_may_be_freed(void **state)
{
	struct completion *c = malloc(sizeof(*c));

	(void)state;
	completion_init(c);
	fake_start(fake_spawn(free_when_done, c));
	fake.on_wake = run_woken;
	completion_complete(c);
	assert_int_equal(turns, 1);
}

/* --- event --- */

static struct event event;
static bool condition;

static void wait_for_condition(void *unused)
{
	(void)unused;
	for (;;) {
		uint32_t seen = event_prepare(&event);

		if (condition)
			return;
		event_wait(&event, seen);
		turns++;
	}
}

static void test_event_between_prepare_and_wait(void **state)
{
	uint32_t seen;

	(void)state;
	seen = event_prepare(&event);
	event_signal(&event);
	event_wait(&event, seen);
	assert_int_not_equal(event_prepare(&event), seen);
}

static void test_event_wakes_all(void **state)
{
	struct fake_thread *t[3];

	(void)state;
	condition = false;
	for (int i = 0; i < 3; i++) {
		t[i] = fake_spawn(wait_for_condition, NULL);
		fake_start(t[i]);
		assert_int_equal(t[i]->state, FAKE_FUTEX);
		assert_ptr_equal(t[i]->word, &event.seq);
	}
	event_signal(&event);
	assert_int_equal(fake_last_wake_nr(&event.seq), INT_MAX);
	assert_int_equal(fake_run(), 3);
	assert_int_equal(turns, 3);
	condition = true;
	assert_int_equal(fake_run(), 0);
	event_signal(&event);
	assert_int_equal(fake_run(), 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(t[i]->state, FAKE_OVER);
}

/* The number goes round after 2^32 signals. */
static void test_event_number_wraps(void **state)
{
	struct fake_thread *t;

	(void)state;
	condition = false;
	atomic_store(&event.seq, UINT32_MAX);
	t = fake_spawn(wait_for_condition, NULL);
	fake_start(t);
	condition = true;
	event_signal(&event);
	fake_run();
	assert_int_equal(t->state, FAKE_OVER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_uncontended_makes_no_call, setup),
		cmocka_unit_test_setup_teardown(test_waiter_sleeps_and_is_woken,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_waiters_get_it, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_stolen_from_the_waiter,
						setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_spurious_wakeup_of_a_waiter, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gives_way, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_init_frees, setup,
						teardown),
#ifdef CMWQ_LOCKDEP
		cmocka_unit_test_setup(test_ranks, setup),
		cmocka_unit_test_setup(test_rank_of_the_innermost, setup),
		cmocka_unit_test_setup(test_tried_locks, setup),
		cmocka_unit_test_setup(test_release_out_of_order, setup),
		cmocka_unit_test_setup(test_release_what_is_not_held, setup),
		cmocka_unit_test_setup(test_ranks_are_per_thread, setup),
#endif
		cmocka_unit_test_setup(test_completed_before, setup),
		cmocka_unit_test_setup(test_completion_wakes_all, setup),
		cmocka_unit_test_setup(test_completion_spurious_wakeup, setup),
		cmocka_unit_test_setup(test_completion_may_be_freed, setup),
		cmocka_unit_test_setup(test_event_between_prepare_and_wait,
				       setup),
		cmocka_unit_test_setup(test_event_wakes_all, setup),
		cmocka_unit_test_setup(test_event_number_wraps, setup),
		cmocka_unit_test_setup(test_real_threads, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
