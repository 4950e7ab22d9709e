/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of timer.c: far timers that are armed so densely that the clock is read
 * once for many of them. None is early, none is more than 4 ms later than it
 * would be otherwise, and when the stream ends the thread sleeps again.
 *
 * rooms: timer lock log
 */
#include "unit/timer_test.h"

#define FAR    4000 /* ms: the least that may wait for the clock */
#define LOOK   (4 * MSEC)
#define BATCH  64	    /* for so many the clock is read once */
#define STREAM (80 * BATCH) /* armings at one instant: dense beyond doubt */
#define TICK   3907	    /* ns, rounded up */

static void arm_and_del(int n)
{
	struct shot s = { 0 };

	for (int i = 0; i < n; i++) {
		arm(&s, 60 * FAR);
		assert_true(timer_del(&s.timer));
	}
}

/* From here on the thread looks every 4 ms. */
static void begin_stream(void)
{
	arm_and_del(STREAM);
	fake_run();
	assert_true(thread->deadline > fake.now);
	assert_true(thread->deadline <= fake.now + LOOK + TICK);
}

/* When the last of a batch is armed, and not before. */
static void test_clock_is_read_for_many(void **state)
{
	static struct shot s[BATCH];
	uint64_t due;

	(void)state;
	memset(s, 0, sizeof(s));
	begin_stream();
	for (int i = 0; i < BATCH; i++) {
		arm(&s[i], FAR);
		fake.now += LOOK / (2 * BATCH);
	}
	due = round_up(fake.now - LOOK / (2 * BATCH)) + FAR * MSEC;
	pass_until(due - 1);
	for (int i = 0; i < BATCH; i++)
		assert_int_equal(s[i].calls, 0);
	pass_until(due);
	for (int i = 0; i < BATCH; i++)
		assert_int_equal(s[i].calls, 1);
}

/* Before there is a stream it is read for each. */
static void test_clock_is_read_for_each(void **state)
{
	struct shot s = { 0 };
	uint64_t due;

	(void)state;
	arm_and_del(BATCH - 1);
	due = round_up(fake.now) + FAR * MSEC;
	arm(&s, FAR);
	fake.now += LOOK / 2;
	pass_until(due);
	assert_int_equal(s.calls, 1);
}

/* The stream goes on: nobody wakes the thread, it looks by itself. */
static void test_stream_wakes_nobody(void **state)
{
	(void)state;
	begin_stream();
	fake_clear_wakes();
	for (int i = 0; i < 50; i++) {
		arm_and_del(STREAM);
		assert_int_equal(fake_run(), 0);
		fake.now = thread->deadline;
		assert_int_equal(fake_run(), 1);
		assert_true(thread->deadline <= fake.now + LOOK + TICK);
	}
	assert_int_equal(fake.nr_wakes, 0);
}

/* So few are not worth a wakeup every 4 ms. */
static void test_sparse_ones_are_no_stream(void **state)
{
	(void)state;
	for (int i = 0; i < 500; i++) {
		arm_and_del(40);
		fake.now += LOOK / 20;
	}
	fake_run();
	assert_int_equal(thread->deadline, 0);
}

/* Near ones neither: they are never put off. */
static void test_near_ones_are_no_stream(void **state)
{
	struct shot s = { 0 };

	(void)state;
	arm(&s, FAR - 1);
	for (int i = 0; i < 2 * STREAM; i++) {
		assert_true(timer_del(&s.timer));
		arm(&s, FAR - 1);
	}
	fake_run();
	assert_true(thread->deadline > fake.now + 2 * LOOK);
}

/* It is woken, and whoever woke it relies on that before it runs. */
static void test_attention_begins_with_the_wake(void **state)
{
	struct shot s = { 0 };
	uint64_t due;

	(void)state;
	arm_and_del(STREAM);
	arm(&s, FAR);
	fake.now += LOOK / 2;
	due = round_up(fake.now) + FAR * MSEC;
	pass_until(due - 1);
	assert_int_equal(s.calls, 0);
	pass_until(due);
	assert_int_equal(s.calls, 1);
}

/* Who woke it is stopped until the thread has looked, and sleeps for good. */
static void stop_until_idle(_Atomic uint32_t *word)
{
	(void)word;
	fake.on_wake = NULL;
	fake_run();
	while (thread->deadline && thread->deadline < fake.now + FAR * MSEC) {
		fake.now = thread->deadline;
		fake_run();
	}
}

static void test_no_attention_of_a_thread_that_has_looked(void **state)
{
	struct shot other = { 0 }, s = { 0 };
	uint64_t due;

	(void)state;
	/* Let it sleep until something far, so that only density wakes it. */
	arm(&other, 1000 * FAR);
	fake_run();
	fake.on_wake = stop_until_idle;
	while (fake.on_wake)
		arm_and_del(1);
	due = round_up(fake.now) + FAR * MSEC;
	arm(&s, FAR);
	fake.now += LOOK;
	pass_until(due);
	assert_int_equal(s.calls, 1);
}

static void test_idle_after_the_stream(void **state)
{
	unsigned int runs = 0;

	(void)state;
	begin_stream();
	arm_and_del(10);
	while (thread->deadline) {
		fake.now = thread->deadline;
		runs += fake_run();
		assert_in_range(runs, 1, 2);
	}
	assert_true(runs >= 1);
}

/* Armed at any time before the thread looks. */
static void test_never_early_at_most_a_look_late(void **state)
{
	const unsigned long delay[] = { FAR, FAR + 1, 60 * FAR, 1UL << 30,
					MAX_DELTA };

	(void)state;
	for (int d = 0; d < 5; d++)
		for (uint64_t ns = 0; ns < LOOK; ns += LOOK / 7) {
			struct shot s = { 0 };
			uint64_t due;

			begin_stream();
			fake.now += ns;
			due = round_up(fake.now) + delay[d] * MSEC;
			arm(&s, delay[d]);
			pass_until(due - 1);
			assert_int_equal(s.calls, 0);
			pass_until(due + LOOK);
			assert_int_equal(s.calls, 1);
			assert_int_equal(s.at % HALF, 0);
			assert_int_equal(thread->deadline, 0);
		}
}

/* Near ones, and those in nanoseconds, as always. */
static void test_near_ones_in_a_stream(void **state)
{
	struct shot ms = { 0 }, ns = { .timer.function = note_call };
	uint64_t from;

	(void)state;
	begin_stream();
	fake.now += MSEC / 3;
	from = fake.now;
	arm(&ms, FAR - 1);
	timer_add_ns(&ns.timer, 2 * FAR * MSEC);
	pass_until(from + 3 * FAR * MSEC);
	assert_int_equal(ms.at, round_up(from) + (FAR - 1) * MSEC);
	assert_int_equal(ns.calls, 1);
	assert_true(ns.at >= from + 2 * FAR * MSEC);
	assert_true(ns.at <= from + 2 * FAR * MSEC + TICK);
}

/* The thread does not get to run. Whoever arms another batch reads the clock for
 * those before him. */
static void test_batch_does_without_the_thread(void **state)
{
	static struct shot s[2 * BATCH];
	uint64_t due;

	(void)state;
	memset(s, 0, sizeof(s));
	begin_stream();
	due = round_up(fake.now) + FAR * MSEC;
	for (int i = 0; i < 2 * BATCH; i++)
		arm(&s[i], FAR);
	fake.now += FAR / 2 * MSEC;
	pass_until(due - 1);
	for (int i = 0; i < 2 * BATCH; i++)
		assert_int_equal(s[i].calls, 0);
	pass_until(due);
	for (int i = 0; i < 2 * BATCH; i++)
		assert_int_equal(s[i].calls, 1);
}

/* First, middle and last of those that wait for the clock. */
static void test_del_before_the_clock_is_read(void **state)
{
	(void)state;
	for (int gone = 0; gone < 3; gone++) {
		struct shot s[3] = { { .calls = 0 } };

		begin_stream();
		for (int i = 0; i < 3; i++)
			arm(&s[i], FAR);
		assert_true(timer_is_armed(&s[gone].timer));
		assert_true(timer_del(&s[gone].timer));
		assert_false(timer_is_armed(&s[gone].timer));
		assert_false(timer_del(&s[gone].timer));
		pass_until(fake.now + (FAR + 5) * MSEC);
		for (int i = 0; i < 3; i++)
			assert_int_equal(s[i].calls, i != gone);
	}
}

/* A function arms far ones: the thread itself is part of the stream, and others may
 * be while it calls functions. */
static struct shot armed[3 * BATCH / 2];

static void arm_far_ones(struct cmwq_timer *t)
{
	note_call(t);
	for (size_t i = 0; i < sizeof(armed) / sizeof(armed[0]); i++)
		arm(&armed[i], FAR);
}

static void test_function_arms_far_ones(void **state)
{
	struct shot a = { .timer.function = arm_far_ones };
	uint64_t due;

	(void)state;
	memset(armed, 0, sizeof(armed));
	arm(&a, 1);
	begin_stream();
	due = round_up(fake.now) + (FAR + 1) * MSEC;
	pass_until(due - 1);
	assert_int_equal(a.calls, 1);
	for (size_t i = 0; i < sizeof(armed) / sizeof(armed[0]); i++)
		assert_int_equal(armed[i].calls, 0);
	pass_until(due + LOOK);
	for (size_t i = 0; i < sizeof(armed) / sizeof(armed[0]); i++)
		assert_int_equal(armed[i].calls, 1);
}

/*
 * The thread is late, and far ones come while it calls what is overdue. Seen from where
 * it is they belong into a slot of a high level that has begun when it is through.
 */
static void arm_across(struct cmwq_timer *t)
{
	note_call(t);
	arm(&armed[0], shot_of(t)->delay);
}

static void test_far_one_while_the_thread_is_late(void **state)
{
	const uint64_t slot = 1 << 14; /* ms, of level 3 */

	(void)state;
	for (unsigned int late = 1; late < 400; late += 7) {
		struct shot a = { .timer.function = arm_across,
				  .delay = slot - late };
		uint64_t begin = (fake.now / MSEC / slot + 2) * slot * MSEC;

		memset(armed, 0, sizeof(armed));
		fake.now = begin - 10 * MSEC;
		arm(&a, 10 - 5);
		begin_stream();
		arm_and_del(STREAM);
		fake.now = begin + late * MSEC - MSEC;
		fake_run();
		assert_int_equal(a.calls, 1);
		pass_until(fake.now + a.delay * MSEC - 1);
		assert_int_equal(armed[0].calls, 0);
		pass_until(fake.now + 1 + LOOK);
		assert_int_equal(armed[0].calls, 1);
	}
}

/* A child has no stream, and what waited for the clock is idle. */
static void test_reset_in_a_stream(void **state)
{
	struct shot s[3] = { { .calls = 0 } };

	(void)state;
	begin_stream();
	for (int i = 0; i < 3; i++)
		arm(&s[i], FAR);
	fake_kill(thread);
	timer_reset();
	assert_false(timer_del(&s[0].timer));
	arm(&s[1], FAR);
	start_thread();
	assert_true(thread->deadline > fake.now + 2 * LOOK);
	pass_until(fake.now + 2 * FAR * MSEC);
	assert_int_equal(s[0].calls + s[2].calls, 0);
	assert_int_equal(s[1].calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_clock_is_read_for_many),
		TEST(test_clock_is_read_for_each),
		TEST(test_stream_wakes_nobody),
		TEST(test_sparse_ones_are_no_stream),
		TEST(test_near_ones_are_no_stream),
		TEST(test_attention_begins_with_the_wake),
		TEST(test_no_attention_of_a_thread_that_has_looked),
		TEST(test_idle_after_the_stream),
		TEST(test_never_early_at_most_a_look_late),
		TEST(test_near_ones_in_a_stream),
		TEST(test_batch_does_without_the_thread),
		TEST(test_del_before_the_clock_is_read),
		TEST(test_function_arms_far_ones),
		TEST(test_far_one_while_the_thread_is_late),
		TEST(test_reset_in_a_stream),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
