/* SPDX-License-Identifier: MIT */
/*
 * harness.h - runs the tests of one program, each in a process of its own.
 *
 *	#include "harness.h"
 *
 *	TEST(runs_once)
 *	{
 *		struct item it;
 *
 *		item_init(&it);
 *		ASSERT(queue_work(system_wq, &it.work));
 *		ASSERT(flush_work(&it.work));
 *		EXPECT_EQ(item_runs(&it), 1);
 *	}
 *
 * TEST() registers; there is no list to edit and no main() to write. Each test
 * is a fresh exec of the program, so the library starts anew every time.
 *
 *	prog			all tests
 *	prog NAME...		these
 *	prog --list		their names
 *	prog --repeat N ...	each N times
 *	prog --verbose ...	also the output of tests that pass
 *	prog --child NAME	in this process, without a limit (for a debugger)
 *
 * The exit status of a test is 0, 77 (skipped) or something else (failed). One
 * that exceeds its time limit (30 s unless it says otherwise, multiplied by
 * CMWQ_TEST_TIMEOUT_SCALE) is killed after the states of its threads were
 * printed. CMWQ_SEED repeats the random choices of a failed run.
 *
 * Every message of the library is captured. A warning or an error that the
 * test did not look at (log_has(), log_ignore()) fails the test.
 *
 * Tests wait for conditions. linger() is for the opposite case only, giving a
 * wrong library the time to do what must not happen.
 */
#ifndef CMWQ_TESTS_HARNESS_H
#define CMWQ_TESTS_HARNESS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmwq/cmwq.h>
#include <cmwq/workqueue.h>

/* gcc's names for what clang tells in another way. */
#ifdef __has_feature
#if __has_feature(thread_sanitizer)
#define __SANITIZE_THREAD__ 1
#endif
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

/* --- registration --- */

struct test {
	const char *name;
	void (*fn)(void);
	struct test *next;
	/* What a test may say behind its name: TEST(x, .timeout = 60) */
	const char *params;   /* added to CMWQ_PARAMS */
	const char *topology; /* for CMWQ_TOPOLOGY: a machine to pretend; "":
				 none, whatever the runner's has */
	int timeout;	      /* seconds */
	int nice;	      /* to be started with */
	bool one_cpu;	      /* start with one allowed CPU only */
	bool hidden;	      /* only by name, for run_hidden() */
};

/* For .params: of a test that counts on this default, whatever the runner's is. */
#define DEFAULT_SCOPE "workqueue.default_affinity_scope=cache_shard"

void harness_register(struct test *test);

#define TEST(id, ...)                                             \
	static void test_##id(void);                              \
	static struct test entry_##id = { .name = #id,            \
					  .fn = test_##id,        \
					  ##__VA_ARGS__ };        \
	__attribute__((constructor)) static void enter_##id(void) \
	{                                                         \
		harness_register(&entry_##id);                    \
	}                                                         \
	static void test_##id(void)

/* --- checks --- */

void harness_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void harness_die(void) __attribute__((noreturn));

/* EXPECT goes on after a failure, ASSERT ends the test. From any thread. */
#define EXPECT(cond)                                                     \
	do {                                                             \
		if (!(cond))                                             \
			harness_failed(__FILE__, __LINE__, "EXPECT(%s)", \
				       #cond);                           \
	} while (0)

#define ASSERT(cond)                                                     \
	do {                                                             \
		if (!(cond)) {                                           \
			harness_failed(__FILE__, __LINE__, "ASSERT(%s)", \
				       #cond);                           \
			harness_die();                                   \
		}                                                        \
	} while (0)

/* op is printed with the two values, all as long long. */
#define EXPECT_OP(a, op, b)                                                \
	do {                                                               \
		long long a_ = (long long)(a), b_ = (long long)(b);        \
		if (!(a_ op b_))                                           \
			harness_failed(__FILE__, __LINE__,                 \
				       "EXPECT(%s %s %s): %lld, %lld", #a, \
				       #op, #b, a_, b_);                   \
	} while (0)
#define EXPECT_EQ(a, b) EXPECT_OP(a, ==, b)
#define ASSERT_EQ(a, b)                                                        \
	do {                                                                   \
		long long c_ = (long long)(a), d_ = (long long)(b);            \
		if (c_ != d_) {                                                \
			harness_failed(__FILE__, __LINE__,                     \
				       "ASSERT(%s == %s): %lld, %lld", #a, #b, \
				       c_, d_);                                \
			harness_die();                                         \
		}                                                              \
	} while (0)

void skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Skip unless the parameter is on (is not 0). */
void need_param(const char *name);
/* Skip unless blocking is detected at all, by the sentinel or the tick. */
void need_detector(void);
bool param_on(const char *name);
void set_param(const char *name, long value);

/* --- waiting --- */

uint64_t now_ns(void);
void nap(unsigned int *round);
uint64_t wait_deadline(void);
void wait_failed(const char *file, int line, const char *what)
	__attribute__((noreturn));

/* Wait until a condition holds; generous, as machines may be busy. */
#define wait_for(cond)                                                  \
	do {                                                            \
		uint64_t until_ = wait_deadline();                      \
		unsigned int round_ = 0;                                \
		while (!(cond)) {                                       \
			if (now_ns() > until_)                          \
				wait_failed(__FILE__, __LINE__, #cond); \
			nap(&round_);                                   \
		}                                                       \
	} while (0)

/* Some ticks; time for something forbidden to show. Proves nothing else. */
void linger(void);

/* Opens and closes; gate_wait() sleeps (in a futex) while it is closed. */
struct gate {
	_Atomic int open;
};
void gate_open(struct gate *gate);
void gate_close(struct gate *gate);
void gate_wait(struct gate *gate);

struct counter {
	_Atomic long value;
};
static inline long counter_inc(struct counter *c)
{
	return atomic_fetch_add(&c->value, 1) + 1;
}
static inline long counter_get(struct counter *c)
{
	return atomic_load(&c->value);
}
#define counter_wait(c, n) wait_for(counter_get(c) >= (n))

/* --- threads --- */

struct thread {
	pthread_t id;
	_Atomic int tid;
	_Atomic bool done;
	long (*fn)(void *arg);
	void *arg;
	long result;
};
void thread_start(struct thread *t, long (*fn)(void *arg), void *arg);
long thread_join(struct thread *t); /* its result */

static inline bool thread_done(struct thread *t)
{
	return atomic_load(&t->done);
}

int self_tid(void);
char task_state(int tid); /* R, S, D, ...; 0 if it is gone */
/* Wait until a thread sleeps, and keeps sleeping, in whatever it does. */
void wait_asleep_tid(int tid);
/* The same; returns at once, false, when the thread is done. */
bool thread_asleep(struct thread *t);
void dump_threads(int pid);
int count_threads(void); /* of the library, by their names */

/* --- processors --- */

int nr_allowed(void);
int nth_cpu(int n); /* the n-th allowed CPU */
int nr_possible(void);
void pin_to(int cpu);
void need_cpus(int n); /* skip if fewer are allowed */
/* With CPUs; an unbound queue's max_active counts on each, in shares that may add up
 * to more. Of the machine that the runner pretends, not of one of the test's own. */
int nr_nodes(void);

/* --- random numbers --- */

struct rng {
	uint64_t s;
};
struct rng rng_make(uint64_t stream); /* from the seed of this run */
uint64_t rng_next(struct rng *r);
static inline unsigned int rng_below(struct rng *r, unsigned int n)
{
	return (unsigned int)((rng_next(r) >> 32) % n);
}

/* --- messages --- */

/* Did the library print a line that contains this? */
bool log_has(const char *part);
/* ... and this other? */
bool log_has_both(const char *part, const char *other);
/* How many lines contain it. */
int log_count(const char *part);
/* A line with @part that has a hexadecimal number of that range in it. */
bool log_has_address(const char *part, uintptr_t from, uintptr_t to);
/* Lines with this in them do not fail the test. */
void log_ignore(const char *part);
/* Forget what was captured so far. */
void log_clear(void);

/*
 * Run a hidden test of this program with more parameters; its standard output
 * and error go to @out. Returns its wait status.
 */
int run_hidden(const char *name, const char *params, char *out, size_t size);

/* --- items --- */

/*
 * An item that counts and notices overlap. Run number k (from 1) goes on when
 * item_allow(k) was said: until then it sleeps, or spins if ->spin is set.
 */
struct item {
	union {
		struct work_struct work;
		struct delayed_work dwork;
		struct rcu_work rwork;
	};
	_Atomic int allowed;
	_Atomic int started;
	_Atomic int finished;
	_Atomic int running;
	_Atomic int overlaps;
	_Atomic int cpu; /* of the last run */
	_Atomic int tid;
	_Atomic int order;   /* of its start among all items, from 1 */
	_Atomic uint64_t at; /* when the last run started */
	bool spin;
	void (*hook)(struct item *it); /* called first */
	void (*tail)(struct item *it); /* called when it was let go on */
	long arg;
};

void item_init(struct item *it);      /* not held */
void item_init_held(struct item *it); /* every run is held */
void item_func(struct work_struct *work);
void item_allow(struct item *it, int runs);
void item_release(struct item *it); /* hold no run any more */

static inline int item_runs(struct item *it)
{
	return atomic_load(&it->finished);
}
static inline int item_started(struct item *it)
{
	return atomic_load(&it->started);
}
static inline bool item_idle(struct item *it)
{
	return !work_busy(&it->work);
}
/* How many of n items have started, have finished, are in between. */
int items_started(struct item *it, int n);
int items_finished(struct item *it, int n);

/* An unbound queue's max_active is one number, not a share for each NUMA node. */
void span_nodes(struct workqueue_struct *wq);
/* Use CPU time, without a system call that could sleep. */
void burn_us(unsigned int us);
/* The library still runs items of every kind. */
void check_library_works(void);

#endif
