/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of timer.c: its thread. How it starts, when it is woken and when
 * not, the hook, and what a forked child keeps of it.
 *
 * rooms: timer lock log
 */
#include "unit/timer_test.h"

#include <errno.h>

/* --- the thread --- */

static void test_thread_attributes(void **state)
{
	(void)state;
	assert_true(thread->was_set_up);
	assert_string_equal(thread->name, "cmwq/timer");
	assert_int_equal(thread->attr.cpu, -1);
	assert_true(thread->attr.punctual);
	assert_false(thread->attr.idle);
	assert_int_equal(thread->attr.nice, 0);
	assert_false(timer_is_current_thread());
}

static void test_start_fails_then_works(void **state)
{
	struct shot s = { 0 };

	(void)state;
	fake.refuse = 1;
	fake.refuse_err = ENOMEM;
	assert_int_equal(timer_start(hook), ENOMEM);
	assert_int_equal(fake_nr_threads(), 0);
	arm(&s, 1);
	start_thread();
	pass_until(fake.now + 2 * MSEC);
	assert_int_equal(s.calls, 1);
}

/* What was armed before there was a thread is served by it; until then there is
 * nobody to be woken. */
static void test_armed_before_the_thread(void **state)
{
	struct shot s[3] = { { .calls = 0 } };

	(void)state;
	arm(&s[0], 1000);
	arm(&s[1], 10);
	arm(&s[2], 0);
	assert_int_equal(fake.nr_wakes, 0);
	fake.now += 5 * MSEC;
	start_thread();
	assert_int_equal(s[2].calls, 1);
	pass_until(fake.now + 10 * MSEC);
	assert_int_equal(s[1].calls, 1);
	assert_int_equal(s[0].calls, 0);
	pass_until(fake.now + 1000 * MSEC);
	assert_int_equal(s[0].calls, 1);
}

static void test_sleeps_for_ever_without_timers(void **state)
{
	struct shot s = { 0 };

	(void)state;
	assert_int_equal(thread->deadline, 0);
	arm(&s, 10);
	fake_run();
	assert_int_not_equal(thread->deadline, 0);
	pass_until(fake.now + 20 * MSEC);
	assert_int_equal(thread->deadline, 0);
}

/* Arming makes a system call only if the thread would sleep too long. */
static void test_wakes_only_for_the_earliest(void **state)
{
	struct shot s[6] = { { .calls = 0 } };

	(void)state;
	fake.now = round_up(fake.now);
	arm(&s[0], 100);
	assert_int_equal(fake.nr_wakes, 1);
	fake_run();
	assert_int_equal(thread->deadline, fake.now + 100 * MSEC);
	arm(&s[1], 101);
	arm(&s[2], 100);
	arm(&s[3], 1000000);
	assert_int_equal(fake.nr_wakes, 1);
	assert_int_equal(fake_run(), 0);
	arm(&s[4], 99);
	assert_int_equal(fake.nr_wakes, 2);
	assert_int_equal(fake_wakes(thread->word), 2);
	/* Before the thread has run: who told it may have stopped before that. */
	arm(&s[5], 99);
	assert_int_equal(fake.nr_wakes, 3);
	assert_int_equal(fake_run(), 1);
	assert_int_equal(thread->deadline, fake.now + 99 * MSEC);
}

/* Disarming the earliest wakes nobody: the thread finds out by itself. */
static void test_del_wakes_nobody(void **state)
{
	struct shot a = { 0 }, b = { 0 };

	(void)state;
	fake.now = round_up(fake.now);
	arm(&a, 10);
	arm(&b, 200);
	fake_run();
	fake_clear_wakes();
	assert_true(timer_del(&a.timer));
	assert_true(timer_del(&b.timer));
	arm(&b, 200);
	assert_int_equal(fake.nr_wakes, 0);
	assert_int_equal(fake_run(), 0);
	pass_until(fake.now + 200 * MSEC);
	assert_int_equal(a.calls, 0);
	assert_int_equal(b.calls, 1);
}

static void test_no_wake_from_a_function(void **state)
{
	struct shot s = { .rearms = 5, .delay = 2 };

	(void)state;
	s.timer.function = rearm;
	arm(&s, 2);
	fake_run();
	fake_clear_wakes();
	pass_until(fake.now + 20 * MSEC);
	assert_int_equal(s.calls, 6);
	assert_int_equal(fake.nr_wakes, 0);
}

/* A spurious wakeup calls nobody early. */
static void test_spurious_wakeup(void **state)
{
	struct shot s = { 0 };

	(void)state;
	arm(&s, 10);
	fake_run();
	for (int i = 0; i < 5; i++) {
		fake.now += MSEC;
		fake_spurious(thread);
		assert_int_equal(thread->state, FAKE_FUTEX);
		assert_int_equal(s.calls, 0);
	}
	pass_until(fake.now + 10 * MSEC);
	assert_int_equal(s.calls, 1);
}

static void test_hook(void **state)
{
	struct shot s = { 0 };
	int before = hook_calls;

	(void)state;
	timer_wake();
	fake_run();
	assert_int_equal(hook_calls, before + 1);
	assert_int_equal(hook_at, fake.now);
	/* Its time counts if it is before the first timer's, in ns. */
	arm(&s, 10);
	hook_result = fake.now + 3 * MSEC + 17;
	timer_wake();
	fake_run();
	assert_int_equal(thread->deadline, hook_result);
	hook_result = TIMER_NEVER;
	pass_until(thread->deadline);
	assert_int_equal(hook_at, fake.now);
	assert_int_equal(s.calls, 0);
	/* And not if it is after. */
	hook_result = fake.now + 100 * MSEC;
	timer_wake();
	fake_run();
	assert_true(thread->deadline < fake.now + 10 * MSEC);
	hook_result = TIMER_NEVER;
	pass_until(fake.now + 10 * MSEC);
	assert_int_equal(s.calls, 1);
	assert_int_equal(thread->deadline, 0);
}

/* timer_wake() between the look and the sleep is not lost. */
static uint64_t waking_hook(uint64_t now)
{
	hook(now);
	if (hook_calls < 3)
		timer_wake();
	return TIMER_NEVER;
}

static void test_wake_before_sleep(void **state)
{
	(void)state;
	assert_int_equal(timer_start(waking_hook), 0);
	fake_start(fake_thread(0));
	assert_int_equal(hook_calls, 3);
	assert_int_equal(fake_thread(0)->state, FAKE_FUTEX);
}

/* The same with a timer: armed after the thread has chosen when to wake. */
static struct shot armed_by_hook;

static uint64_t arming_hook(uint64_t now)
{
	hook(now);
	if (hook_calls == 1)
		arm(&armed_by_hook, 7);
	return TIMER_NEVER;
}

static void test_arming_from_the_hook(void **state)
{
	(void)state;
	memset(&armed_by_hook, 0, sizeof(armed_by_hook));
	assert_int_equal(timer_start(arming_hook), 0);
	thread = fake_thread(0);
	fake_start(thread);
	pass_until(fake.now + 8 * MSEC);
	assert_int_equal(armed_by_hook.calls, 1);
}

/* Armed by another thread after the timer thread has chosen when to wake, and
 * before it sleeps. */
static void arm_before_wait(_Atomic uint32_t *word)
{
	fake.before_wait = NULL;
	(void)word;
	arm(&armed_by_hook, 3);
}

static void test_arming_before_sleep(void **state)
{
	struct shot s = { 0 };

	(void)state;
	memset(&armed_by_hook, 0, sizeof(armed_by_hook));
	arm(&s, 100);
	fake.before_wait = arm_before_wait;
	pass_until(fake.now + 4 * MSEC);
	assert_int_equal(armed_by_hook.calls, 1);
	assert_int_equal(s.calls, 0);
	pass_until(fake.now + 100 * MSEC);
	assert_int_equal(s.calls, 1);
}

/* --- fork --- */

/* In the child all timers are idle, without being visited, and can be armed
 * anew; the parent's links lead nowhere. */
static void test_reset_makes_timers_idle(void **state)
{
	struct shot s[4] = { { .calls = 0 } };

	(void)state;
	for (int i = 0; i < 4; i++)
		arm(&s[i], 10);
	fake_run();
	fake_kill(thread);
	timer_reset();
	start_thread();
	fake_clear_wakes();
	assert_int_equal(thread->deadline, 0);
	for (int i = 0; i < 4; i++)
		assert_false(timer_del(&s[i].timer));
	arm(&s[1], 20);
	assert_int_equal(fake.nr_wakes, 1);
	assert_false(timer_del(&s[0].timer));
	assert_false(timer_del(&s[2].timer));
	pass_until(fake.now + 15 * MSEC);
	assert_int_equal(s[1].calls, 0);
	pass_until(fake.now + 10 * MSEC);
	assert_int_equal(s[1].calls, 1);
	assert_int_equal(s[0].calls + s[2].calls + s[3].calls, 0);
	arm(&s[2], 5);
	assert_true(timer_del(&s[2].timer));
	assert_false(timer_del(&s[2].timer));
}

/* The parent's timers are in no slot and counted by nobody: one of the child in
 * the same slot goes alone, and a lone one costs one wakeup. */
static void test_reset_empties_the_slots(void **state)
{
	struct shot old[3] = { { .calls = 0 } }, s = { 0 };

	(void)state;
	for (int i = 0; i < 3; i++)
		arm(&old[i], 10);
	fake_run();
	fake_kill(thread);
	timer_reset();
	start_thread();
	arm(&s, 10);
	pass_until(fake.now + 400 * MSEC);
	assert_int_equal(s.calls, 1);
	assert_int_equal(old[0].calls + old[1].calls + old[2].calls, 0);
	fake.now = round_up(fake.now + 100000 * MSEC);
	arm(&s, 100);
	fake_run();
	hook_calls = 0;
	pass_until(fake.now + 100 * MSEC);
	assert_int_equal(s.calls, 2);
	assert_int_equal(hook_calls, 1);
}

/* The child has no thread until it is started: arming wakes nobody. */
static void test_reset_forgets_the_thread(void **state)
{
	struct shot s = { 0 };

	(void)state;
	arm(&s, 10);
	fake_run();
	fake_kill(thread);
	timer_reset();
	fake_clear_wakes();
	arm(&s, 1);
	assert_int_equal(fake.nr_wakes, 0);
	start_thread();
	pass_until(fake.now + 2 * MSEC);
	assert_int_equal(s.calls, 1);
}

static bool was_timer_thread, is_timer_thread_after;

static void reset_here(struct cmwq_timer *t)
{
	note_call(t);
	was_timer_thread = timer_is_current_thread();
	timer_reset();
	is_timer_thread_after = timer_is_current_thread();
	fake_park(OS_THREAD_RUNNING);
}

/* A timer function forks: its thread is an ordinary one in the child. */
static void test_reset_on_the_timer_thread(void **state)
{
	struct shot s = { 0 }, other = { 0 };

	(void)state;
	s.timer.function = reset_here;
	arm(&other, 50);
	arm(&s, 1);
	fake_run();
	fake.now += 2 * MSEC;
	fake_run();
	assert_true(was_timer_thread);
	assert_false(is_timer_thread_after);
	fake_kill(thread);
	assert_false(timer_del(&other.timer));
	start_thread();
	arm(&other, 1);
	pass_until(fake.now + 2 * MSEC);
	assert_int_equal(other.calls, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_thread_attributes),
		TEST_NO_THREAD(test_start_fails_then_works),
		TEST_NO_THREAD(test_armed_before_the_thread),
		TEST(test_sleeps_for_ever_without_timers),
		TEST(test_wakes_only_for_the_earliest),
		TEST(test_del_wakes_nobody),
		TEST(test_no_wake_from_a_function),
		TEST(test_spurious_wakeup),
		TEST(test_hook),
		TEST_NO_THREAD(test_wake_before_sleep),
		TEST_NO_THREAD(test_arming_from_the_hook),
		TEST(test_arming_before_sleep),
		TEST(test_reset_makes_timers_idle),
		TEST(test_reset_empties_the_slots),
		TEST(test_reset_forgets_the_thread),
		TEST(test_reset_on_the_timer_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
