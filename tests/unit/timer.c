/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of timer.c: the wheel. Punctuality at every distance, arming and
 * disarming, also from timer functions. timer_thread.c tests its thread,
 * timer_storm.c compares it with a naive model.
 *
 * rooms: timer lock log
 */
#include "unit/timer_test.h"

#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

/* --- punctuality --- */

/* Not before the delay has passed, and at the next full or half millisecond. */
static void check_delay(uint64_t delay)
{
	struct shot s = { 0 };
	uint64_t armed_at = fake.now;
	uint64_t due = round_up(armed_at) + delay * MSEC;

	arm(&s, delay);
	pass_until(due - 1);
	assert_int_equal(s.calls, 0);
	pass_until(due);
	assert_int_equal(s.calls, 1);
	assert_true(s.at >= armed_at + delay * MSEC);
	assert_true(s.at < armed_at + delay * MSEC + HALF);
	assert_true(s.on_timer_thread);
	assert_false(timer_del(&s.timer));
	fake.now += fake_below(5) * MSEC / 4;
}

static void test_small_delays(void **state)
{
	(void)state;
	for (uint64_t delay = 1; delay < 600; delay++)
		check_delay(delay);
}

/* At the next tick that has not been processed. */
static void test_no_delay(void **state)
{
	(void)state;
	for (uint64_t ns = 0; ns < 3 * MSEC; ns += MSEC / 8) {
		struct shot s = { 0 };
		uint64_t armed_at;

		fake.now += ns;
		armed_at = fake.now;
		arm(&s, 0);
		pass_until(armed_at + MSEC);
		assert_int_equal(s.calls, 1);
		assert_true(s.at >= armed_at);
	}
}

/* Where one level ends and the next begins: 2^8, 2^14, 2^20, ... ticks. */
static void check_level_boundary(int level)
{
	uint64_t edge = 1ULL << (8 + 6 * level);

	for (uint64_t delay = edge - 3; delay <= edge + 3; delay++)
		check_delay(delay);
	check_delay(edge * 2 - 1);
	check_delay(edge * 2);
	check_delay(edge * 63 / 2);
}

static void test_level_boundaries(void **state)
{
	(void)state;
	for (int level = 0; level < LEVELS - 1; level++)
		check_level_boundary(level);
}

/* The same delay from every place that the wheel's own clock may be at: just
 * before, at, and after the edges at which slots cascade. */
static void test_level_boundaries_from_every_phase(void **state)
{
	(void)state;
	for (int level = 0; level < 4; level++) {
		uint64_t edge = 1ULL << (8 + 6 * level);

		for (int shift = -2; shift <= 2; shift++)
			for (int d = -2; d <= 2; d++) {
				uint64_t tick = fake.now / MSEC / edge * edge;

				fake.now = (tick + 2 * edge + (uint64_t)shift) *
					   MSEC;
				fake.now += fake_below(2) * 7;
				check_delay(edge + (uint64_t)d);
				check_delay(edge * 64 - 3 + (uint64_t)d);
			}
	}
}

/* A timer that was put far out and one that is armed near, for the same tick:
 * both go through the wheel to it, on different ways. */
static void test_far_and_near_meet(void **state)
{
	const uint64_t far[] = { 255,	256,	 257,	  16383,   16384,
				 16640, 1048575, 1048576, 1048832, 67108864 };

	(void)state;
	for (size_t i = 0; i < sizeof(far) / sizeof(far[0]); i++) {
		struct shot a = { 0 }, b = { 0 }, c = { 0 };
		uint64_t due = round_up(fake.now) + far[i] * MSEC;

		arm(&a, far[i]);
		pass_until(due - 100 * MSEC);
		arm(&b, 100);
		pass_until(due - MSEC);
		arm(&c, 1);
		pass_until(due - 1);
		assert_int_equal(a.calls + b.calls + c.calls, 0);
		pass_until(due);
		assert_int_equal(a.calls, 1);
		assert_int_equal(b.calls, 1);
		assert_int_equal(c.calls, 1);
	}
}

static void test_longest_delay(void **state)
{
	(void)state;
	check_delay(MAX_DELTA - 1);
	check_delay(MAX_DELTA);
}

/* Beyond that it is as if the longest had been asked for. */
static void test_beyond_the_longest_delay(void **state)
{
	const unsigned long delay[] = { MAX_DELTA + 1, 1UL << 52, ULONG_MAX };

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct shot s = { 0 };
		uint64_t due = round_up(fake.now) + MAX_DELTA * MSEC;

		arm(&s, delay[i]);
		pass_until(due - 1);
		assert_int_equal(s.calls, 0);
		pass_until(due);
		assert_int_equal(s.calls, 1);
	}
}

/* The wheel's clock has not been looked at for years when a timer beyond the
 * last level is armed. */
static void test_longest_delay_from_a_clock_that_lags(void **state)
{
	struct shot early = { 0 }, late = { 0 };
	uint64_t due;

	(void)state;
	arm(&early, MAX_DELTA);
	fake_run();
	/* Years in which the thread does not get to run. */
	fake.now += MAX_DELTA / 2 * MSEC + 3;
	due = round_up(fake.now) + MAX_DELTA * MSEC;
	arm(&late, MAX_DELTA);
	pass_until(due - 1);
	assert_int_equal(early.calls, 1);
	assert_int_equal(late.calls, 0);
	pass_until(due);
	assert_int_equal(late.calls, 1);
}

/* A thread that wakes late finds everything that came due, and only that. */
static void test_late_thread(void **state)
{
	static struct shot s[3000];

	(void)state;
	memset(s, 0, sizeof(s));
	for (int i = 0; i < 3000; i++)
		arm(&s[i], (unsigned long)i * 7);
	fake_run();
	fake.now += 10000 * MSEC;
	fake_run();
	for (int i = 0; i < 3000; i++)
		assert_int_equal(s[i].calls, (uint64_t)i * 7 <= 10000);
	fake.now += 11000 * MSEC;
	fake_run();
	for (int i = 0; i < 3000; i++)
		assert_int_equal(s[i].calls, 1);
	assert_int_equal(thread->deadline, 0);
}

/* Cascading costs a timer at most one look per level. */
static void test_wakeups_of_a_lone_timer(void **state)
{
	(void)state;
	for (int level = 0; level < LEVELS; level++) {
		struct shot s = { 0 };

		/* Those that there were before leave no trace. */
		arm(&s, 3);
		assert_true(timer_del(&s.timer));
		arm(&s, 5);
		pass_until(fake.now + 10 * MSEC);
		s.calls = 0;
		fake.now = round_up(fake.now + 12345 * MSEC);
		arm(&s, (1UL << (8 + 6 * level)) - 1);
		fake_run();
		hook_calls = 0;
		while (!s.calls) {
			assert_int_not_equal(thread->deadline, 0);
			pass_until(thread->deadline);
		}
		assert_in_range(hook_calls, 1, level + 1);
	}
}

/* --- arming and disarming --- */

static void test_del(void **state)
{
	struct shot s = { 0 };

	(void)state;
	assert_false(timer_del(&s.timer));
	arm(&s, 5);
	assert_true(timer_del(&s.timer));
	assert_false(timer_del(&s.timer));
	pass_until(fake.now + 1000 * MSEC);
	assert_int_equal(s.calls, 0);
	arm(&s, 5);
	pass_until(fake.now + 6 * MSEC);
	assert_int_equal(s.calls, 1);
	assert_false(timer_del(&s.timer));
}

/* First, middle and last of the timers in one slot, on each level. */
static void test_del_among_others(void **state)
{
	(void)state;
	for (int level = 0; level < LEVELS; level++)
		for (int gone = 0; gone < 3; gone++) {
			unsigned long delay = (1UL << (8 + 6 * level)) - 1;
			struct shot s[3] = { { .calls = 0 } };

			for (int i = 0; i < 3; i++)
				arm(&s[i], delay);
			assert_true(timer_del(&s[gone].timer));
			pass_until(fake.now + (delay + 1) * MSEC);
			for (int i = 0; i < 3; i++)
				assert_int_equal(s[i].calls, i != gone);
		}
}

static void test_rearm(void **state)
{
	struct shot s = { 0 };
	uint64_t due;

	(void)state;
	for (unsigned long i = 0; i < 500; i++) {
		arm(&s, i % 2 ? 3 : 70000);
		pass_until(fake.now + i * MSEC / 250);
		assert_true(timer_del(&s.timer));
	}
	due = round_up(fake.now) + 4 * MSEC;
	arm(&s, 4);
	pass_until(due - 1);
	assert_int_equal(s.calls, 0);
	pass_until(due);
	assert_int_equal(s.calls, 1);
}

/*
 * Arming and disarming look at no more than two other timers, however many
 * there are: the rest cannot even be read meanwhile.
 */
#define CROWD 64

static void check_constant_time(struct shot *s, size_t page,
				unsigned long delay)
{
	struct shot *crowd[CROWD];
	struct shot mine = { 0 };

	for (int i = 0; i < CROWD; i++) {
		crowd[i] = (struct shot *)((char *)s + (size_t)i * page);
		memset(crowd[i], 0, sizeof(*crowd[i]));
		/* In the middle of the slot, one neighbour on each side. */
		if (i == CROWD / 2)
			arm(&mine, delay);
		arm(crowd[i], delay);
	}
	for (int i = 0; i < CROWD; i++)
		if (i != CROWD / 2 - 1 && i != CROWD / 2)
			mprotect(crowd[i], page, PROT_NONE);
	assert_true(timer_del(&mine.timer));
	mprotect(crowd[CROWD - 1], page, PROT_READ | PROT_WRITE);
	arm(&mine, delay);
	assert_true(timer_del(&mine.timer));
	arm(&mine, delay);
	mprotect(s, CROWD * page, PROT_READ | PROT_WRITE);
	pass_until(fake.now + (delay + 1) * MSEC);
	for (int i = 0; i < CROWD; i++)
		assert_int_equal(crowd[i]->calls, 1);
	assert_int_equal(mine.calls, 1);
}

static void test_constant_time(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct shot *s = mmap(NULL, CROWD * page, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(s, MAP_FAILED);
	check_constant_time(s, page, 10);
	check_constant_time(s, page, 1000);
	check_constant_time(s, page, 100000000);
	munmap(s, CROWD * page);
}

/* --- from timer functions --- */

/* So many in one slot of a higher level that the lock is given away on the way. */
static void test_cascade_of_many(void **state)
{
	enum {
		MANY = 2000
	};
	static struct shot s[MANY];
	uint64_t due = round_up(fake.now) + 100000 * MSEC;

	(void)state;
	for (int i = 0; i < MANY; i++)
		arm(&s[i], 100000 + (unsigned long)i % 7);
	for (int i = 0; i < MANY; i += 3)
		assert_true(timer_del(&s[i].timer));
	pass_until(due - 1);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(s[i].calls, 0);
	pass_until(due + 7 * MSEC);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(s[i].calls, i % 3 != 0);
}

static void test_function_arms_itself(void **state)
{
	const unsigned long delay[] = { 1, 255, 256, 257, 16384 };

	(void)state;
	for (int d = 0; d < 5; d++) {
		struct shot s = { .rearms = 20, .delay = delay[d] };
		uint64_t due = round_up(fake.now) + 3 * MSEC;

		s.timer.function = rearm;
		arm(&s, 3);
		for (int i = 0; i <= 20; i++) {
			pass_until(due - 1);
			assert_int_equal(s.calls, i);
			pass_until(due);
			assert_int_equal(s.calls, i + 1);
			due += delay[d] * MSEC;
		}
		assert_int_equal(thread->deadline, 0);
	}
}

static void arm_other(struct cmwq_timer *t)
{
	struct shot *s = shot_of(t);

	note_call(t);
	arm(s->other, s->delay);
}

/* What is armed for the running tick is called in it. */
static void test_function_arms_other(void **state)
{
	(void)state;
	for (unsigned long delay = 0; delay < 300; delay++) {
		struct shot b = { 0 };
		struct shot a = { .other = &b, .delay = delay };
		uint64_t due = round_up(fake.now) + 2 * MSEC;

		a.timer.function = arm_other;
		arm(&a, 2);
		pass_until(due);
		assert_int_equal(a.calls, 1);
		assert_int_equal(b.calls, !delay);
		pass_until(due + delay * MSEC);
		assert_int_equal(b.calls, 1);
		assert_int_equal(b.at, due + delay * MSEC);
	}
}

/*
 * The same from a function that is called late: the only timer that there was
 * is gone, the wheel's clock is behind, and the new one is to be found.
 */
static void check_late_function(unsigned long late, unsigned long delay)
{
	struct shot b = { 0 };
	struct shot a = { .other = &b, .delay = delay };
	uint64_t due;

	a.timer.function = arm_other;
	arm(&a, 2);
	fake_run();
	fake.now = round_up(fake.now) + (2 + late) * MSEC;
	due = fake.now + delay * MSEC;
	fake_run();
	assert_int_equal(a.calls, 1);
	assert_int_equal(b.calls, !delay);
	pass_until(due);
	assert_int_equal(b.calls, 1);
	assert_int_equal(b.at, due);
}

static void test_late_function_arms_at_once(void **state)
{
	(void)state;
	for (unsigned long late = 0; late < 300; late++)
		check_late_function(late, 0);
}

/* Also where the new one has the slot of the one that is being called, a turn
 * of the level later. */
static void test_late_function_arms_for_a_turn_later(void **state)
{
	(void)state;
	for (unsigned long late = 0; late < 250; late++)
		for (unsigned long d = 0; d < 5; d++)
			check_late_function(late, 254 - late + d);
}

/*
 * While a function runs, two others arm timers. One looked at the clock and
 * was stopped for 5 ms before he got on; the wheel's clock is past his tick.
 */
static struct shot by_stopped, by_other;

static void two_arm(struct cmwq_timer *t)
{
	uint64_t now = fake.now;

	note_call(t);
	arm(&by_other, 50);
	fake.now = now - 5 * MSEC;
	arm(&by_stopped, 1);
	fake.now = now;
}

static void test_arming_overtaken_by_the_clock(void **state)
{
	struct shot a = { 0 };

	(void)state;
	memset(&by_stopped, 0, sizeof(by_stopped));
	memset(&by_other, 0, sizeof(by_other));
	a.timer.function = two_arm;
	arm(&a, 2);
	fake_run();
	fake.now += 20 * MSEC;
	fake_run();
	assert_int_equal(a.calls, 1);
	pass_until(fake.now + MSEC);
	assert_int_equal(by_stopped.calls, 1);
	assert_int_equal(by_other.calls, 0);
	pass_until(fake.now + 50 * MSEC);
	assert_int_equal(by_other.calls, 1);
}

static void delete_other(struct cmwq_timer *t)
{
	struct shot *s = shot_of(t);

	note_call(t);
	s->deleted = timer_del(&s->other->timer);
}

/* Two of the same tick, each of which deletes the other: one wins. */
static void test_function_deletes_other_of_its_tick(void **state)
{
	struct shot a = { 0 }, b = { .other = &a };

	(void)state;
	a.other = &b;
	a.timer.function = delete_other;
	b.timer.function = delete_other;
	arm(&a, 300);
	arm(&b, 300);
	pass_until(fake.now + 302 * MSEC);
	assert_int_equal(a.calls + b.calls, 1);
	assert_true(a.calls ? a.deleted : b.deleted);
}

static void test_function_deletes_later_one(void **state)
{
	struct shot later = { 0 }, s = { .other = &later };

	(void)state;
	s.timer.function = delete_other;
	arm(&later, 400);
	arm(&s, 300);
	pass_until(fake.now + 1000 * MSEC);
	assert_int_equal(s.calls, 1);
	assert_true(s.deleted);
	assert_int_equal(later.calls, 0);
}

/* While its function is called a timer is not armed. */
static void test_function_deletes_itself(void **state)
{
	struct shot s = { .deleted = true };

	(void)state;
	s.other = &s;
	s.timer.function = delete_other;
	arm(&s, 1);
	pass_until(fake.now + 10 * MSEC);
	assert_int_equal(s.calls, 1);
	assert_false(s.deleted);
}

static void wipe(struct cmwq_timer *t)
{
	struct shot *s = shot_of(t);

	memset(s, 0xee, sizeof(*s));
}

/* A function may free its timer: nothing looks at it any more. */
static void test_function_frees_its_timer(void **state)
{
	struct shot s[3] = { { .calls = 0 } };

	(void)state;
	s[1].timer.function = wipe;
	for (int i = 0; i < 3; i++)
		arm(&s[i], 20);
	pass_until(fake.now + 30 * MSEC);
	assert_int_equal(s[0].calls, 1);
	assert_int_equal(s[2].calls, 1);
	for (size_t i = 0; i < sizeof(s[1]); i++)
		assert_int_equal(((unsigned char *)&s[1])[i], 0xee);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_small_delays),
		TEST(test_no_delay),
		TEST(test_level_boundaries),
		TEST(test_level_boundaries_from_every_phase),
		TEST(test_far_and_near_meet),
		TEST(test_longest_delay),
		TEST(test_beyond_the_longest_delay),
		TEST(test_longest_delay_from_a_clock_that_lags),
		TEST(test_late_thread),
		TEST(test_wakeups_of_a_lone_timer),
		TEST(test_del),
		TEST(test_del_among_others),
		TEST(test_rearm),
		TEST(test_constant_time),
		TEST(test_cascade_of_many),
		TEST(test_function_arms_itself),
		TEST(test_function_arms_other),
		TEST(test_late_function_arms_at_once),
		TEST(test_late_function_arms_for_a_turn_later),
		TEST(test_arming_overtaken_by_the_clock),
		TEST(test_function_deletes_other_of_its_tick),
		TEST(test_function_deletes_later_one),
		TEST(test_function_deletes_itself),
		TEST(test_function_frees_its_timer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
