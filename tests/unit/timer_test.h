/* SPDX-License-Identifier: MIT */
/*
 * timer_test - what the unit tests of the wheel share: a wheel with its thread
 * on a clock that stands still, and timers that count their calls.
 */
#ifndef CMWQ_TIMER_TEST_H
#define CMWQ_TIMER_TEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "timer.h"
#include "unit/fake_os.h"

#define MSEC	  NSEC_PER_MSEC
#define HALF	  (MSEC / 2) /* at such a one delays in milliseconds end */
#define LEVELS	  6
#define MAX_DELTA ((1ULL << 38) - 1) /* 8.7 years */

/* The wheel's clock never goes back, so neither does that of these tests. */
static uint64_t clock_kept = 1000 * MSEC;

struct shot {
	struct cmwq_timer timer;
	int calls;
	uint64_t at; /* of the last call */
	bool on_timer_thread;
	struct shot *other;
	unsigned long delay;
	int rearms;
	bool deleted;
};

static struct fake_thread *thread; /* of the wheel */
static uint64_t hook_result;
static uint64_t hook_at;
static int hook_calls;

static inline uint64_t hook(uint64_t now)
{
	hook_calls++;
	hook_at = now;
	return hook_result;
}

static inline void start_thread(void)
{
	int i = fake_nr_threads();

	assert_int_equal(timer_start(hook), 0);
	assert_int_equal(fake_nr_threads(), i + 1);
	thread = fake_thread(i);
	fake_start(thread);
	assert_int_equal(thread->state, FAKE_FUTEX);
}

static inline int setup_no_thread(void **state)
{
	(void)state;
	fake_reset();
	fake.now = clock_kept;
	timer_reset();
	hook_result = TIMER_NEVER;
	hook_calls = 0;
	return 0;
}

static inline int setup(void **state)
{
	setup_no_thread(state);
	start_thread();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	clock_kept = fake.now + MSEC;
	return 0;
}

static inline struct shot *shot_of(struct cmwq_timer *t)
{
	return (struct shot *)((char *)t - offsetof(struct shot, timer));
}

static inline void note_call(struct cmwq_timer *t)
{
	struct shot *s = shot_of(t);

	s->calls++;
	s->at = fake.now;
	s->on_timer_thread = timer_is_current_thread();
}

static inline void arm(struct shot *s, unsigned long delay)
{
	if (!s->timer.function)
		s->timer.function = note_call;
	timer_add(&s->timer, delay);
}

/* Let time pass as the thread would see it: it wakes when it asked to. */
static inline void pass_until(uint64_t when)
{
	assert_true(when >= fake.now);
	fake_run();
	while (thread->deadline && thread->deadline <= when) {
		assert_true(thread->deadline >= fake.now);
		fake.now = thread->deadline;
		fake_run();
	}
	fake.now = when;
}

static inline uint64_t round_up(uint64_t ns)
{
	return (ns + HALF - 1) / HALF * HALF;
}

static inline void rearm(struct cmwq_timer *t)
{
	struct shot *s = shot_of(t);

	note_call(t);
	if (s->rearms-- > 0)
		timer_add(t, s->delay);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_NO_THREAD(name) \
	cmocka_unit_test_setup_teardown(name, setup_no_thread, teardown)

#endif
