/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of timer.c: delays in nanoseconds, alone and among those in
 * milliseconds.
 *
 * rooms: timer lock log
 */
#include "unit/timer_test.h"

#include <limits.h>

#define TICK  3907 /* ns, rounded up */
#define CROWD 500

static void arm_ns(struct shot *s, uint64_t delay)
{
	if (!s->timer.function)
		s->timer.function = note_call;
	timer_add_ns(&s->timer, delay);
}

/* Not early, and at the end of its own tick. */
static void check_delay(uint64_t delay)
{
	struct shot s = { 0 };
	uint64_t due = fake.now + delay;

	arm_ns(&s, delay);
	if (delay) {
		pass_until(due - 1);
		assert_int_equal(s.calls, 0);
	}
	pass_until(due + TICK);
	assert_int_equal(s.calls, 1);
	assert_true(s.at >= due);
	assert_true(s.at <= due + TICK);
	assert_true(s.on_timer_thread);
	assert_false(timer_del(&s.timer));
	fake.now += fake_below(3 * MSEC);
}

static void test_every_size(void **state)
{
	(void)state;
	for (uint64_t delay = 1; delay < 400ULL * 24 * 3600 * 1000 * MSEC;
	     delay = delay * 3 / 2 + 1)
		check_delay(delay);
}

static void test_around_milliseconds(void **state)
{
	(void)state;
	for (uint64_t ms = 1; ms < 70000; ms = ms * 4 + 1)
		for (int64_t d = -3 * TICK; d <= 3 * TICK; d += TICK / 2)
			check_delay((uint64_t)((int64_t)(ms * MSEC) + d));
}

static void test_extremes(void **state)
{
	struct shot s[3] = { 0 };

	(void)state;
	arm_ns(&s[0], 0);
	arm_ns(&s[1], UINT64_MAX);
	arm_ns(&s[2], UINT64_MAX / 8);
	pass_until(fake.now + TICK);
	assert_int_equal(s[0].calls, 1);
	pass_until(fake.now + 1000 * MSEC);
	assert_int_equal(s[1].calls + s[2].calls, 0);
	assert_true(timer_del(&s[1].timer));
	assert_true(timer_del(&s[2].timer));
}

/* One within the current half millisecond wakes the thread once, another one twice. */
static void test_wakeups(void **state)
{
	struct shot s = { 0 };
	unsigned int runs;

	(void)state;
	for (uint64_t half = 0; half < 2; half++) {
		fake.now = round_up(fake.now + 1) + 1000;
		arm_ns(&s, half * HALF + HALF / 2);
		fake_run();
		for (runs = 0; s.calls == (int)half; runs++) {
			assert_true(thread->deadline > fake.now);
			fake.now = thread->deadline;
			fake_run();
		}
		assert_int_equal(runs, half + 1);
	}
}

static void test_del_and_rearm(void **state)
{
	struct shot s = { 0 };

	(void)state;
	for (uint64_t delay = 1000; delay < 100 * MSEC; delay *= 2) {
		arm_ns(&s, delay);
		assert_true(timer_del(&s.timer));
		pass_until(fake.now + 2 * delay);
		assert_int_equal(s.calls, 0);
	}
	check_delay(123456);
}

/* Each at its own time, those in milliseconds at a full or half one. */
static void test_crowd(void **state)
{
	static struct shot s[CROWD];
	static uint64_t due[CROWD];
	uint64_t end = fake.now + 40 * MSEC;

	(void)state;
	memset(s, 0, sizeof(s));
	for (int i = 0; i < CROWD; i++) {
		fake.now += fake_below(20000);
		if (i % 3) {
			uint64_t delay = fake_below(20 * MSEC);

			due[i] = fake.now + delay;
			arm_ns(&s[i], delay);
		} else {
			unsigned long delay = fake_below(20);

			due[i] = round_up(fake.now) + delay * MSEC;
			arm(&s[i], delay);
		}
		fake_run();
	}
	pass_until(end);
	for (int i = 0; i < CROWD; i++) {
		assert_int_equal(s[i].calls, 1);
		assert_true(s[i].at >= due[i]);
		/* The clock jumped by up to 20 us while they were armed. */
		assert_true(s[i].at <= due[i] + TICK + 20000);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_every_size),	  TEST(test_around_milliseconds),
		TEST(test_extremes),	  TEST(test_wakeups),
		TEST(test_del_and_rearm), TEST(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
