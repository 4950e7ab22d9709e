/* SPDX-License-Identifier: MIT */
/*
 * Unit test of timer.c: random arming, disarming, passing of time and forks,
 * compared with a model so plain that it cannot be wrong: an array of ticks
 * of half a millisecond.
 *
 * After each step, with the thread at rest:
 *  - what is due in the model has been called, once, and nothing else has;
 *  - the thread sleeps no longer than until the model's first one is due;
 *  - there was a wake exactly if the thread would have slept too long.
 *
 * Now and then far timers come so densely that the clock is not read for each; then
 * one counts from when it was read, which is at the latest when the thread runs.
 *
 * rooms: timer lock log
 */
#include "unit/timer_test.h"

#define TIMERS 200
#define STEPS  60000
#define NEVER  UINT64_MAX
#define FAR    4000 /* ms */
#define LOOK   (4 * MSEC)

struct stormy {
	struct cmwq_timer timer;
	uint64_t tick;	 /* the model: not called before, or NEVER */
	uint64_t latest; /* called by then */
	uint64_t delay;	 /* of a far one until the thread has looked again */
	int looks;	 /* that it had taken then */
	int chain;	 /* what it does when it is called */
};

static struct stormy storm[TIMERS];
static unsigned int crowd;  /* of these so many take part at present */
static uint64_t steps_tick; /* up to which timers are due in this step */
static unsigned long calls, early, unexpected, mismatches;

static uint64_t tick_now(void)
{
	return fake.now / HALF;
}

static uint64_t random_delay(void)
{
	uint64_t edge = 1ULL << (8 + 6 * fake_below(4));

	switch (fake_below(4)) {
	case 0:
		return 1 + fake_below(20);
	case 1:
		return edge - 3 + fake_below(6);
	case 2:
		return 1 + fake_below(edge);
	default:
		return 1 + fake_below(300);
	}
}

/* Now and then by somebody who was stopped after his look at the clock: then
 * its time may be over, and the next tick is early enough. (Where the clock is read
 * for several it is with the lock held.) */
static void arm_stormy(struct stormy *s)
{
	uint64_t delay = random_delay();
	uint64_t now = fake.now;

	s->delay = delay < FAR ? 0 : delay;
	s->looks = hook_calls;
	if (!s->delay && !fake_below(10))
		fake.now -= fake_below(5 * MSEC);
	s->chain = (int)fake_below(4);
	s->tick = round_up(fake.now) / HALF + 2 * delay;
	s->latest = s->tick > now / HALF ? s->tick : now / HALF + 1;
	timer_add(&s->timer, delay);
	fake.now = now;
}

static void del_stormy(struct stormy *s)
{
	if (timer_del(&s->timer) != (s->tick != NEVER))
		mismatches++;
	s->tick = s->latest = NEVER;
}

/* On the wheel's thread: count, since a failure there could not be reported. */
static void storm_call(struct cmwq_timer *t)
{
	struct stormy *s = (struct stormy *)t;
	struct stormy *other = &storm[fake_below(crowd)];

	calls++;
	if (s->tick == NEVER)
		unexpected++;
	if (s->tick > steps_tick)
		early++;
	s->tick = s->latest = NEVER;
	switch (s->chain) {
	case 0:
		arm_stormy(s);
		break;
	case 1:
		del_stormy(other);
		break;
	case 2:
		if (other->tick == NEVER)
			arm_stormy(other);
		break;
	default:
		break;
	}
}

static uint64_t first_tick(void)
{
	uint64_t first = NEVER;

	for (int i = 0; i < TIMERS; i++)
		if (!storm[i].delay && storm[i].latest < first)
			first = storm[i].latest;
	return first;
}

/* Those that were armed before the thread has looked. */
static void note_settled(void)
{
	uint64_t now = round_up(fake.now) / HALF;

	for (int i = 0; i < TIMERS; i++) {
		struct stormy *s = &storm[i];

		if (!s->delay || s->looks == hook_calls)
			continue;
		if (s->tick != NEVER)
			s->latest = now + 2 * s->delay;
		s->delay = 0;
	}
}

static void check_rest(void)
{
	uint64_t first;

	note_settled();
	first = first_tick();
	assert_int_equal(early, 0);
	assert_int_equal(unexpected, 0);
	assert_int_equal(mismatches, 0);
	if (first == NEVER)
		return;
	assert_true(first > tick_now());
	assert_int_not_equal(thread->deadline, 0);
	assert_true(thread->deadline <= first * HALF);
}

static void step_arm(void)
{
	struct stormy *s = &storm[fake_below(crowd)];
	unsigned long wakes = fake.nr_wakes;
	uint64_t asleep_until = thread->deadline ? thread->deadline : NEVER;

	if (s->tick != NEVER)
		del_stormy(s);
	arm_stormy(s);
	assert_int_equal(fake.nr_wakes - wakes, s->tick * HALF < asleep_until);
	fake_run();
}

/* Punctually: the thread runs at each time it asked for. */
static void step_pass(void)
{
	uint64_t until = fake.now + fake_below(400 * MSEC);

	if (!fake_below(50))
		until += fake_below(100000) * MSEC;
	while (thread->deadline && thread->deadline <= until) {
		fake.now = thread->deadline;
		steps_tick = tick_now();
		fake_run();
		check_rest();
	}
	fake.now = until;
}

/* The thread does not get to run for a while. */
static void step_late(void)
{
	fake.now += fake_below(!fake_below(20) ? 50000 * MSEC : 300 * MSEC);
	steps_tick = tick_now();
	if (!thread->deadline || thread->deadline > fake.now)
		return;
	fake_run();
}

static void step_fork(void)
{
	fake_kill(thread);
	timer_reset();
	for (int i = 0; i < TIMERS; i++)
		storm[i].tick = storm[i].latest = NEVER;
	fake_clear_wakes();
	/* There is room for a limited number of fake threads. */
	fake_reset();
	fake.now = clock_kept;
	start_thread();
}

/* The thread will look every 4 ms, as long as it gets to run. */
static void step_dense(void)
{
	struct stormy *s = &storm[fake_below(crowd)];

	del_stormy(s);
	for (int i = 0; i < 3000; i++) {
		timer_add(&s->timer, FAR);
		if (!timer_del(&s->timer))
			mismatches++;
	}
	fake_run();
	if (!thread->deadline || thread->deadline > fake.now + LOOK + MSEC)
		mismatches++;
}

/* A wheel that is empty now and then has ways of its own. */
static void change_crowd(void)
{
	static const unsigned int size[] = { 2, 3, 8, TIMERS };

	for (int i = 0; i < TIMERS; i++)
		del_stormy(&storm[i]);
	crowd = size[fake_below(4)];
}

static void step(void)
{
	steps_tick = tick_now();
	switch (fake_below(7)) {
	case 0:
		step_pass();
		break;
	case 1:
		step_late();
		break;
	case 2:
		del_stormy(&storm[fake_below(crowd)]);
		break;
	default:
		step_arm();
		break;
	}
	clock_kept = fake.now;
	if (!fake_below(20))
		step_dense();
	if (!fake_below(5000))
		step_fork();
	if (!fake_below(500))
		change_crowd();
	check_rest();
}

static void test_storm(void **state)
{
	(void)state;
	for (int i = 0; i < TIMERS; i++) {
		storm[i].timer.function = storm_call;
		storm[i].tick = storm[i].latest = NEVER;
	}
	crowd = TIMERS;
	fake.now += fake_below(1ULL << 34) * MSEC;
	for (int i = 0; i < STEPS; i++)
		step();
	/* It was about something. */
	assert_true(calls > STEPS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_storm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
