/* SPDX-License-Identifier: MIT */
/*
 * tick - hogs, states, paced starts, repeated wakeups, its own end.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue cap symbol hog tick
 */
#include "unit/house.h"

#include "bh.h"
#include "hog.h"
#include "cap.h"
#include "quota.h"
#include "sentinel.h"
#include "tick.h"

HOUSE_TIMER_STUBS
HOUSE_RESCUER_STUBS

static struct pool *bound, *unbound;
static int rearmed, sentinels_created, bh_created;

bool manager_create(struct pool *pool)
{
	assert_true(house.away);
	house.created++;
	atomic_fetch_add(&pool->nr_threads, 1);
	return true;
}

void bh_create_wanted(void)
{
	bh_created++;
}

void sentinel_create_wanted(void)
{
	sentinels_created++;
}

void sentinel_rearm_resting(void)
{
	rearmed++;
}

static void build(unsigned int flags)
{
	house_build(flags, 16);
	tick_reset();
	hog_reset();
	tick_hook(fake.now); /* looks at the quota the first time */
	bound = pool_of_cpu(0, false);
	unbound = pool_unbound(false);
	rearmed = 0;
	sentinels_created = 0;
	bh_created = 0;
}

static int setup(void **state)
{
	(void)state;
	build(WQ_PERCPU);
	return 0;
}

static int setup_unbound(void **state)
{
	(void)state;
	build(WQ_UNBOUND);
	return 0;
}

/* The timer thread's round, a tick later. */
static uint64_t tick(void)
{
	fake.now += TICK_NS;
	return tick_hook(fake.now);
}

static void assert_ticks_on(void)
{
	uint64_t next = tick();

	assert_int_equal(next, fake.now + TICK_NS);
}

/* From a tick that has been asked for to one that is due at the next tick(). */
static void start_ticking(void)
{
	cm_start_tick();
	assert_int_equal(tick_hook(fake.now), fake.now + TICK_NS);
}

static struct worker *run_item(struct pool *pool, int i)
{
	return house_busy_worker(pool, &house.pwqs[0], &house.item[i]);
}

/* --- when it ticks --- */

static void test_sleeps_until_asked(void **state)
{
	uint64_t start;

	(void)state;
	assert_int_equal(tick_hook(fake.now), TIMER_NEVER);
	assert_int_equal(sentinels_created, 1);
	run_item(bound, 0);
	assert_int_equal(tick(), TIMER_NEVER);
	assert_int_equal(rearmed, 0);
	cm_start_tick();
	start = fake.now;
	assert_int_equal(tick_hook(start), start + TICK_NS);
	/* Called in between, for a timer: nothing is early or late. */
	fake.now += TICK_NS - 1;
	assert_int_equal(tick_hook(fake.now), start + TICK_NS);
	assert_int_equal(rearmed, 0);
	fake.now += 1;
	assert_int_equal(tick_hook(fake.now), start + 2 * TICK_NS);
	assert_int_equal(rearmed, 1);
}

static void test_stops_after_two_quiet_ticks(void **state)
{
	(void)state;
	start_ticking();
	assert_ticks_on();
	assert_true(tick_on);
	assert_int_equal(tick(), TIMER_NEVER);
	assert_false(tick_on);
	assert_int_equal(tick(), TIMER_NEVER);
}

static void test_busy_ticks_start_the_count_anew(void **state) NO_ANALYSIS
{
	struct worker *w;

	(void)state;
	start_ticking();
	tick();
	w = run_item(bound, 0);
	assert_ticks_on();
	cm_set_asleep(bound, w, true);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	assert_ticks_on();
	assert_true(tick_on);
	assert_int_equal(tick(), TIMER_NEVER);
}

static void test_a_push_starts_it_again(void **state)
{
	(void)state;
	start_ticking();
	tick();
	tick();
	assert_false(tick_on);
	house.timer_wakes = 0;
	house_queue(0, 0);
	assert_true(tick_on);
	assert_true(house.timer_wakes > 0);
	fake.now += 12345;
	assert_int_equal(tick_hook(fake.now), fake.now + TICK_NS);
}

/* Waiting work keeps it, whichever pool it is in. */
static void test_goes_on_while_work_waits(void **state)
{
	(void)state;
	house_idle_worker(pool_of_cpu(3, false));
	house_queue(3, 0);
	start_ticking();
	for (int i = 0; i < 10; i++)
		assert_ticks_on();
	house_run_one(&house.pwqs[3], 0);
	tick();
	assert_int_equal(tick(), TIMER_NEVER);
}

/* A BH pool keeps it too, and gets its wakeup again, and its thread in time. */
static void test_bh_pools(void **state) NO_ANALYSIS
{
	struct bh_cpu *bh = &bh_cpus[1];

	(void)state;
	build(WQ_BH);
	house_queue(1, 0);
	assert_true(bh->want);
	start_ticking();
	for (int on = 1; on >= 0; on--) {
		params.tick = on;
		atomic_store(&bh->state, BH_AWAKE); /* so says the waker */
		fake_clear_wakes();
		assert_ticks_on();
		assert_int_equal(fake_wakes(&bh->state), 1);
		assert_int_equal(bh->state, BH_AWAKE);
		atomic_store(&bh->state, BH_ASLEEP);
		assert_ticks_on();
		assert_int_equal(fake_wakes(&bh->state), 2);
		assert_int_equal(bh->state, BH_AWAKE);
		atomic_store(&bh->state, BH_ABSENT);
		atomic_store(&bh->want, false);
		assert_ticks_on();
		assert_true(bh->want);
		assert_int_equal(fake_wakes(&bh->state), 2);
	}
	assert_true(bh_created > 0);
	assert_int_equal(house.created, 0);
	pool_lock(pool_bh(1, false));
	pool_unlock(pool_bh(1, false));
	assert_ticks_on();
	house_run_one(&house.pwqs[1], 0);
	tick();
	assert_int_equal(tick(), TIMER_NEVER);
}

static void test_drains_a_crowded_pool(void **state) NO_ANALYSIS
{
	(void)state;
	run_item(bound, 1);
	start_ticking();
	house_queue(0, 0);
	tick_hook(fake.now);
	assert_int_not_equal(bound->inbox, 0);
	atomic_store(&bound->crowded, true);
	tick_hook(fake.now);
	assert_int_equal(bound->inbox, 0);
	assert_false(bound->crowded);
	assert_int_equal(house_len(&bound->worklist), 1);
}

/* One that gets through is left alone; but what it got through may be long ago, and no
 * tick need have come since. */
static void test_drains_a_crowd_behind_a_stream(void **state)
{
	(void)state;
	run_item(unbound, 1);
	house_queue(0, 0);
	atomic_store(&unbound->inbox,
		     atomic_load(&unbound->inbox) | INBOX_QUIET);
	atomic_store(&unbound->stream, true);
	atomic_store(&unbound->crowded, true);
	tick_hook(fake.now);
	assert_int_not_equal(unbound->inbox, 0);
	for (int i = 0; i < 10; i++)
		tick();
	assert_int_not_equal(unbound->inbox, 0);
	atomic_store(&unbound->crowded, true);
	tick_hook(fake.now);
	assert_int_equal(unbound->inbox, 0);
}

static void test_switched_off(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(bound, 0);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	params.tick = 0;
	start_ticking();
	tick();
	assert_int_equal(tick(), TIMER_NEVER);
	assert_false(w->asleep);
	assert_int_equal(rearmed, 0);
}

/* --- states --- */

static void test_reads_states(void **state)
{
	struct worker *a, *b, *c, *hinting, *between;

	(void)state;
	a = run_item(bound, 0);
	b = run_item(bound, 1);
	c = run_item(bound, 2);
	hinting = run_item(bound, 3);
	between = run_item(bound, 4);
	atomic_store(&between->current_work, NULL);
	hinting->hint_depth = 1;
	fake_set_state(a->tid, OS_THREAD_ASLEEP);
	fake_set_state(c->tid, OS_THREAD_UNKNOWN);
	fake_set_state(hinting->tid, OS_THREAD_ASLEEP);
	fake_set_state(between->tid, OS_THREAD_ASLEEP);
	start_ticking();
	tick();
	assert_true(a->asleep);
	assert_false(b->asleep || c->asleep);
	assert_false(hinting->asleep || between->asleep);
	assert_int_equal(bound->nr_running, 4);
	fake_set_state(a->tid, OS_THREAD_UNKNOWN);
	tick();
	assert_true(a->asleep);
	fake_set_state(a->tid, OS_THREAD_RUNNING);
	tick();
	assert_false(a->asleep);
	assert_int_equal(bound->nr_running, 5);
}

/* Workers of an unbound pool, of which the last @running run, lent all but as
 * many as there are CPUs; an item waits. */
enum {
	NR_MANY = 24
};
static struct worker *many[NR_MANY];

static void make_many(int running)
{
	for (int i = 0; i < NR_MANY; i++) {
		many[i] = run_item(unbound, i % 12);
		fake_set_state(many[i]->tid, i < NR_MANY - running
						     ? OS_THREAD_ASLEEP
						     : OS_THREAD_RUNNING);
	}
	house_idle_worker(unbound);
	unbound->nr_workers = NR_MANY + 1;
	unbound->lent = NR_MANY - HOUSE_CPUS;
	house_queue(0, 13);
	start_ticking();
}

static int known_asleep(void)
{
	int n = 0;

	for (int i = 0; i < NR_MANY; i++)
		n += many[i]->asleep;
	return n;
}

/* While items start and few seem to run nobody needs to know who sleeps: a look at eight
 * every fourth tick. */
static void test_looks_at_some_of_many(void **state)
{
	(void)state;
	make_many(2);
	for (int i = 0; i < 12; i++) {
		unsigned long before = fake.states_read;

		atomic_fetch_add(&unbound->seq, 1);
		tick();
		assert_int_equal(fake.states_read - before, i % 4 ? 0 : 8);
		assert_int_equal(known_asleep(), 0);
		assert_int_equal(unbound->lent, NR_MANY - HOUSE_CPUS);
	}
	/* Each in its turn. */
	for (int i = 0; i < NR_MANY; i++)
		assert_true(unbound->look - many[i]->look <= 1);
	/* Nothing has started. */
	tick();
	assert_int_equal(known_asleep(), NR_MANY - 2);
	assert_int_equal(unbound->nr_running, 2);
	assert_int_equal(unbound->lent, 0);
}

static void begin_next(int tid)
{
	for (int i = 0; i < NR_MANY; i++)
		if (many[i]->tid == tid && i % 3)
			atomic_fetch_add(&many[i]->seq, 1);
}

/* Of those that begin other items meanwhile it is not known who sleeps, but how many. */
static void test_looks_at_many_that_go_on(void **state)
{
	int running = NR_MANY / 4;

	(void)state;
	make_many(running);
	fake.on_state = begin_next;
	tick();
	fake.on_state = NULL;
	assert_int_equal(known_asleep(), (NR_MANY - running) / 3);
	assert_int_equal(unbound->lent, (NR_MANY - running) / 3 * 2);
	assert_int_equal(unbound->nr_running - unbound->lent, running);
}

static void test_looks_at_all_if_too_many_run(void **state)
{
	(void)state;
	make_many(NR_MANY);
	atomic_fetch_add(&unbound->seq, 1);
	tick();
	assert_int_equal(known_asleep(), 0);
	assert_int_equal(unbound->lent, 0);
}

/* Not so many that one look would be proof; but they do not become fewer. */
static void test_looks_at_all_if_many_run_for_long(void **state)
{
	int run = 4 * HOUSE_CPUS, ticks = 0;

	(void)state;
	make_many(NR_MANY);
	for (int i = run; i < NR_MANY; i++)
		list_del(&many[i]->entry);
	unbound->nr_workers = run + 1;
	unbound->nr_running = run;
	unbound->lent = run - HOUSE_CPUS;
	while (unbound->lent && ticks++ < 50) {
		atomic_fetch_add(&unbound->seq, 1);
		tick();
	}
	assert_in_range(ticks, 3, 16);
	assert_int_equal(unbound->nr_running, run);
}

static void next_item(int tid)
{
	struct worker *w = list_first(&unbound->busy, struct worker, entry);

	assert_int_equal(tid, w->tid);
	assert_int_equal(unbound->lock.word, LOCK_FREE);
	atomic_fetch_add(&w->seq, 1);
}

/* The lock is not held during a look. */
static void test_a_look_at_one_that_goes_on(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(unbound, 0);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	house_queue(0, 8);
	start_ticking();
	fake.on_state = next_item;
	tick();
	fake.on_state = NULL;
	assert_false(w->asleep);
	tick();
	assert_true(w->asleep);
}

/* --- CPU hogs --- */

#define LIMIT (10 * NSEC_PER_MSEC)

static void test_hog_by_cpu_time(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(bound, 0);
	house_queue(0, 1); /* so that it goes on looking */
	fake_set_cpu_time(w->tid, 77 * LIMIT);
	start_ticking();
	tick(); /* the clock starts here */
	fake_set_cpu_time(w->tid, 78 * LIMIT - 1);
	for (int i = 0; i < 5; i++)
		tick();
	assert_false(w->intensive);
	assert_int_equal(bound->nr_running, 1);
	assert_int_equal(house.pwqs[0].cpu_itsv, 0);
	fake_set_cpu_time(w->tid, 78 * LIMIT);
	tick();
	assert_true(w->intensive);
	assert_int_equal(bound->nr_running, 0);
	assert_int_equal(house.pwqs[0].cpu_itsv, 1);
	fake_set_cpu_time(w->tid, 90 * LIMIT);
	tick();
	assert_int_equal(house.pwqs[0].cpu_itsv, 1);
	assert_int_equal(bound->nr_running, 0);
}

static void test_hog_clock_starts_with_each_item(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(bound, 0);
	start_ticking();
	for (int i = 1; i < 10; i++) {
		fake_set_cpu_time(w->tid, (uint64_t)i * 2 * LIMIT);
		tick();
		w->seq++; /* the next item */
	}
	assert_false(w->intensive);
}

static void test_sleeping_resets_the_hog_clock(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(bound, 0);
	house_queue(0, 1); /* so that it looks at a worker that sleeps, too */
	start_ticking();
	tick();
	fake_set_cpu_time(w->tid, LIMIT - 1);
	tick();
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	tick();
	fake_set_state(w->tid, OS_THREAD_RUNNING);
	fake_set_cpu_time(w->tid, 2 * LIMIT - 2);
	tick();
	assert_false(w->intensive);
	fake_set_cpu_time(w->tid, 2 * LIMIT - 1);
	tick();
	assert_true(w->intensive);
}

/* It slept between two ticks: nobody saw it, but the system counted. */
static void test_sleeping_unseen_resets_the_hog_clock(void **state)
{
	struct worker *w;

	(void)state;
	w = run_item(bound, 0);
	start_ticking();
	tick();
	fake_set_cpu_time(w->tid, LIMIT);
	fake_set_waits(w->tid, 1);
	tick();
	assert_false(w->intensive);
	fake_set_cpu_time(w->tid, 2 * LIMIT - 1);
	tick();
	assert_false(w->intensive);
	fake_set_cpu_time(w->tid, 2 * LIMIT);
	tick();
	assert_true(w->intensive);
}

static void test_no_hogs_where_not_wanted(void **state)
{
	struct worker *u, *w;

	(void)state;
	u = run_item(unbound, 0);
	w = run_item(bound, 1);
	params.cpu_intensive_thresh_us = 0;
	house_queue(0, 2);
	start_ticking();
	tick();
	fake_set_cpu_time(u->tid, 100 * LIMIT);
	fake_set_cpu_time(w->tid, 100 * LIMIT);
	tick();
	assert_false(w->intensive);
	params.cpu_intensive_thresh_us = 1;
	unbound->has_work = true; /* so that it is looked at */
	fake_set_cpu_time(u->tid, 200 * LIMIT);
	tick();
	fake_set_cpu_time(u->tid, 300 * LIMIT);
	tick();
	assert_false(u->intensive);
	unbound->has_work = false;
}

/* A hog lets the next item start. */
static void test_hog_lets_the_next_start(void **state)
{
	struct worker *w, *idle;

	(void)state;
	idle = house_idle_worker(bound);
	w = run_item(bound, 0);
	house_queue(0, 1);
	start_ticking();
	tick();
	assert_int_equal(idle->wake, 0);
	fake_set_cpu_time(w->tid, LIMIT);
	tick();
	assert_int_equal(idle->wake, 1);
}

/* --- help for what waits --- */

static void test_wakes_for_a_sleeper(void **state)
{
	struct worker *w, *idle;

	(void)state;
	idle = house_idle_worker(bound);
	w = run_item(bound, 0);
	house_queue(0, 1);
	start_ticking();
	tick();
	assert_int_equal(idle->wake, 0);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	tick();
	assert_int_equal(idle->wake, 1);
	assert_int_equal(fake_wakes(&idle->wake), 1);
}

/* A wakeup whose waker was stopped in time is made good each tick. */
static void test_repeats_a_lost_wakeup(void **state)
{
	struct worker *idle;

	(void)state;
	idle = house_idle_worker(bound);
	house_queue(0, 0);
	assert_int_equal(idle->wake, 1);
	fake_clear_wakes(); /* as if the waker had not got so far */
	start_ticking();
	for (unsigned int i = 1; i < 4; i++) {
		tick();
		assert_int_equal(fake_wakes(&idle->wake), i);
	}
	assert_int_equal(house.created, 0);
}

static void test_creates_a_worker_where_there_is_none(void **state)
{
	(void)state;
	start_ticking();
	house_queue(0, 0);
	assert_int_equal(house.created, 0);
	tick_hook(fake.now); /* asked for by the push: at once */
	assert_int_equal(house.created, 1);
	assert_false(house.away);
	assert_false(bound->want);
	tick();
	assert_int_equal(house.created, 1); /* is being created */
	/* That failed: */
	atomic_store(&bound->nr_threads, 0);
	tick();
	assert_int_equal(house.created, 2);
}

/* Switched off as a detector it still sees to that. */
static void test_creation_is_retried_without_the_tick(void **state)
{
	(void)state;
	params.tick = 0;
	start_ticking();
	house_queue(0, 0);
	tick_hook(fake.now);
	assert_int_equal(house.created, 1);
	for (int i = 2; i < 6; i++) {
		atomic_store(&bound->nr_threads, 0); /* failed */
		assert_ticks_on();
		assert_int_equal(house.created, i);
	}
	house_idle_worker(bound);
	assert_ticks_on();
	assert_int_equal(house.created, 5);
	house_run_one(&house.pwqs[0], 0);
	tick();
	assert_int_equal(tick(), TIMER_NEVER);
}

/* --- rescuers --- */

/* Workers of a pool that all sleep in an item, and one item behind them. */
static struct worker *block_all(struct pool *pool)
{
	struct worker *w = run_item(pool, 0);

	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	house_queue(0, 1);
	start_ticking();
	return w;
}

/* At once for in 10 ms, then for those who came meanwhile; then every 100 ms. */
static void calls_until(uint64_t end, const int *at_ms, int nr)
{
	uint64_t start = fake.now + TICK_NS; /* of the tick that finds out */
	int seen = 0;

	while (fake.now < end) {
		int before = house.calls;

		tick();
		if (house.calls == before)
			continue;
		assert_true(seen < nr);
		assert_int_equal(fake.now, start + at_ms[seen] * NSEC_PER_MSEC);
		assert_int_equal(house.called_for,
				 seen ? fake.now : start + 10 * NSEC_PER_MSEC);
		seen++;
	}
	assert_int_equal(seen, nr);
}

static const int call_times[] = { 0, 12, 112, 212, 312 };

static void test_mayday(void **state)
{
	(void)state;
	block_all(bound);
	calls_until(fake.now + 400 * NSEC_PER_MSEC, call_times, 5);
}

static void test_mayday_unbound(void **state)
{
	struct worker *w;

	(void)state;
	for (int i = 1; i < HOUSE_CPUS; i++) {
		w = run_item(unbound, 1 + i);
		fake_set_state(w->tid, OS_THREAD_ASLEEP);
	}
	block_all(unbound);
	calls_until(fake.now + 400 * NSEC_PER_MSEC, call_times, 5);
}

/* As often as nothing has started for three ticks, with all CPUs busy. */
static void test_mayday_of_spinning_workers(void **state)
{
	(void)state;
	for (int i = 1; i < HOUSE_CPUS; i++)
		run_item(unbound, 1 + i);
	run_item(unbound, 0);
	house_queue(0, 1);
	start_ticking();
	for (int i = 0; i < 4; i++)
		tick();
	assert_int_equal(house.calls, 1);
	assert_int_equal(house.called_for, fake.now + 6 * NSEC_PER_MSEC);
	for (int i = 0; i < 3; i++)
		tick();
	assert_int_equal(house.calls, 2);
	for (int i = 0; i < 30; i++)
		tick();
	assert_int_equal(house.calls, 3);
}

/* Somebody else looks, then. */
static void test_mayday_without_the_tick(void **state)
{
	(void)state;
	params.tick = 0;
	block_all(bound);
	calls_until(fake.now + 400 * NSEC_PER_MSEC, call_times, 5);
}

/* Wherever the timer thread runs: what was left to who has blocked is not left again. */
static void test_left_to_nobody_without_the_tick(void **state)
{
	struct worker *idle = house_idle_worker(unbound);

	(void)state;
	params.tick = 0;
	for (int cpu = 0; cpu < HOUSE_CPUS; cpu++)
		atomic_store(&sentinels[cpu].state, SENTINEL_OFF);
	unbound->nr_running = 1;
	atomic_store(&unbound->lone, 16);
	atomic_store(&unbound->at, fake.cpu + 1);
	start_ticking();
	house_queue(0, 0);
	tick();
	assert_int_equal(idle->wake, 1);
}

/* With a worker there is no call, and the next want of one begins anew. */
static void mayday_ends_with_a_worker(void)
{
	struct worker *idle;
	int calls;

	block_all(bound);
	for (int i = 0; i < 10; i++)
		tick();
	assert_int_equal(house.calls, 2);
	idle = house_idle_worker(bound);
	for (int i = 0; i < 30; i++)
		tick();
	assert_int_equal(house.calls, 2);
	assert_int_equal(idle->wake, 1);
	bound->nr_idle--;
	list_del(&idle->entry);
	atomic_store(&bound->first_idle, NULL);
	calls = house.calls;
	tick();
	assert_int_equal(house.calls, calls + 1);
	assert_int_equal(house.called_for, fake.now + 10 * NSEC_PER_MSEC);
}

static void test_mayday_ends_with_a_worker(void **state)
{
	(void)state;
	mayday_ends_with_a_worker();
}

static void test_mayday_ends_without_the_tick(void **state)
{
	(void)state;
	params.tick = 0;
	mayday_ends_with_a_worker();
}

/* A worker that runs is one: the rule of bound pools. */
static void test_no_mayday_behind_a_running_worker(void **state)
{
	(void)state;
	fake_set_state(block_all(bound)->tid, OS_THREAD_RUNNING);
	for (int i = 0; i < 50; i++)
		tick();
	assert_int_equal(house.calls, 0);
}

/* Before the first creation, which may take long. */
static void test_called_before_a_creation(void **state)
{
	(void)state;
	start_ticking();
	house_queue(0, 0);
	tick_hook(fake.now);
	assert_int_equal(house.created, 1);
	assert_int_equal(house.calls, 1);
	assert_int_equal(house.called_for, fake.now + 10 * NSEC_PER_MSEC);
	/* It takes, and the worker is not there when its time has come. */
	tick();
	tick();
	assert_int_equal(house.calls, 1);
	tick();
	assert_int_equal(house.created, 1);
	assert_int_equal(house.calls, 2);
	assert_int_equal(house.called_for, fake.now);
	house_run_one(&house.pwqs[0], 0);
	tick();
	assert_int_equal(bound->mayday_at, 0);
}

/* --- an unbound pool in which nothing starts --- */

static void test_paced_start_after_three_ticks(void **state)
{
	struct worker *idle;

	(void)state;
	idle = house_idle_worker(unbound);
	for (int i = 0; i < HOUSE_CPUS; i++)
		run_item(unbound, i);
	house_queue(0, 8);
	start_ticking();
	tick(); /* sees seq for the first time */
	for (int round = 0; round < 3; round++) {
		int ticks = round ? 3 : 2 + (unbound->stuck_ticks == 0);

		for (int i = 1; i < ticks; i++) {
			tick();
			assert_int_equal(idle->wake, 0);
			assert_false(unbound->grant);
		}
		tick();
		assert_int_equal(idle->wake, 1);
		assert_true(unbound->grant);
		unbound->grant = false;
		atomic_store(&idle->wake, 0);
	}
}

static void test_progress_delays_the_paced_start(void **state)
{
	struct worker *idle;

	(void)state;
	idle = house_idle_worker(unbound);
	for (int i = 0; i < HOUSE_CPUS; i++)
		run_item(unbound, i);
	house_queue(0, 8);
	start_ticking();
	for (int i = 0; i < 20; i++) {
		tick();
		if (i % 2)
			atomic_fetch_add(&unbound->seq, 1);
	}
	assert_int_equal(idle->wake, 0);
	assert_false(unbound->grant);
}

/* A bound pool gets no such grant: one at a time is a promise. */
static void test_no_grant_for_bound_pools(void **state)
{
	struct worker *idle;

	(void)state;
	idle = house_idle_worker(bound);
	run_item(bound, 0);
	house_queue(0, 1);
	start_ticking();
	for (int i = 0; i < 20; i++)
		tick();
	assert_int_equal(idle->wake, 0);
	assert_false(bound->grant);
}

/* --- CPUs and quota --- */

static int cpus_looked_at;

static void look_at_cpus(void)
{
	cpus_looked_at++;
}

static void give_quota(const char *limit)
{
	fake_file("/proc/self/cgroup", "0::/a\n");
	fake_file("/proc/self/mountinfo", "1 1 0:1 / /c rw - cgroup2 c rw\n");
	fake_file("/c/a/cpu.max", limit);
	/* It is looked at again. */
	fake.now += 1000 * NSEC_PER_MSEC;
}

/* CPUs: when it goes on and at each tick; the quota: at most once a second. Neither
 * when it is off. */
static void test_looks_around(void **state)
{
	unsigned long files;

	(void)state;
	tick_cpus = look_at_cpus;
	cpus_looked_at = 0;
	give_quota("200000 100000\n");
	files = fake.files_read;
	tick();
	assert_int_equal(cpus_looked_at, 0);
	assert_int_equal(fake.files_read, files);
	run_item(bound, 0);
	start_ticking();
	assert_int_equal(cpus_looked_at, 1);
	assert_int_equal(quota_cpus(), 2);
	files = fake.files_read;
	for (int i = 0; i < 249; i++)
		tick();
	assert_int_equal(cpus_looked_at, 250);
	assert_int_equal(fake.files_read, files);
	tick();
	assert_true(fake.files_read > files);
	tick_cpus = NULL;
	give_quota("max 100000\n");
	for (int i = 0; i < 250; i++)
		tick();
	assert_int_equal(quota_cpus(), QUOTA_NONE);
}

/* Beyond its share of a quota a pool gets one worker more after three ticks, the next
 * after six, and so on; anew when those are gone. */
static void test_pace_under_a_quota(void **state)
{
	struct worker *idle;
	int ticks = 0;

	(void)state;
	give_quota("200000 100000\n");
	run_item(unbound, 0);
	run_item(unbound, 1);
	idle = house_idle_worker(unbound);
	house_queue(0, 8);
	start_ticking();
	assert_int_equal(pool_cap(unbound), 2);
	while (!unbound->grant) {
		tick();
		ticks++;
	}
	assert_in_range(ticks, 3, 5);
	for (int wait = 6; wait < 100; wait *= 2) {
		unbound->grant = false;
		atomic_store(&idle->wake, 0);
		atomic_fetch_add(&unbound->nr_running, 1);
		for (ticks = 0; !unbound->grant; ticks++)
			tick();
		assert_int_equal(ticks, wait);
		assert_int_equal(idle->wake, 1);
	}
	/* The ones beyond the quota are done. */
	unbound->grant = false;
	atomic_store(&unbound->nr_running, 2);
	tick();
	for (ticks = 0; !unbound->grant; ticks++)
		tick();
	assert_in_range(ticks, 1, 3);
}

/* The other pool has started nothing for longer. */
static void test_most_stuck_pool_goes_first(void **state)
{
	struct pool *other = pool_unbound(true);

	(void)state;
	give_quota("100000 100000\n");
	run_item(unbound, 0);
	house_queue(0, 8);
	start_ticking();
	for (int i = 0; i < 20; i++) {
		tick();
		atomic_fetch_add(&unbound->seq, 1);
	}
	house_busy_worker(other, &house.pwqs[0], &house.item[9]);
	atomic_store(&other->has_work, true);
	pool_lock(other);
	pool_add_work(other, &house.item[10]);
	pool_unlock(other);
	for (int i = 0; i < 20 && !other->grant; i++) {
		tick();
		assert_false(unbound->grant);
		if (i < 2)
			atomic_fetch_add(&unbound->seq, 1);
	}
	assert_true(other->grant);
	other->grant = false;
	atomic_fetch_add(&other->seq, 1);
	for (int i = 0; i < 20 && !unbound->grant; i++)
		tick();
	assert_true(unbound->grant);
}

static void test_prints_notes(void **state)
{
	(void)state;
	log_later("note about %s from %p", "house", NULL);
	assert_false(house_said("note about"));
	log_later("note about %s from %p", "house", NULL);
	tick_hook(fake.now);
	assert_true(house_said("note about house"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sleeps_until_asked, setup),
		cmocka_unit_test_setup(test_stops_after_two_quiet_ticks, setup),
		cmocka_unit_test_setup(test_busy_ticks_start_the_count_anew,
				       setup),
		cmocka_unit_test_setup(test_a_push_starts_it_again, setup),
		cmocka_unit_test_setup(test_goes_on_while_work_waits, setup),
		cmocka_unit_test_setup(test_bh_pools, setup),
		cmocka_unit_test_setup(test_drains_a_crowded_pool, setup),
		cmocka_unit_test_setup(test_drains_a_crowd_behind_a_stream,
				       setup_unbound),
		cmocka_unit_test_setup(test_switched_off, setup),
		cmocka_unit_test_setup(test_reads_states, setup),
		cmocka_unit_test_setup(test_looks_at_some_of_many,
				       setup_unbound),
		cmocka_unit_test_setup(test_left_to_nobody_without_the_tick,
				       setup_unbound),
		cmocka_unit_test_setup(test_looks_at_many_that_go_on,
				       setup_unbound),
		cmocka_unit_test_setup(test_looks_at_all_if_too_many_run,
				       setup_unbound),
		cmocka_unit_test_setup(test_looks_at_all_if_many_run_for_long,
				       setup_unbound),
		cmocka_unit_test_setup(test_a_look_at_one_that_goes_on,
				       setup_unbound),
		cmocka_unit_test_setup(test_hog_by_cpu_time, setup),
		cmocka_unit_test_setup(test_hog_clock_starts_with_each_item,
				       setup),
		cmocka_unit_test_setup(test_sleeping_resets_the_hog_clock,
				       setup),
		cmocka_unit_test_setup(
			test_sleeping_unseen_resets_the_hog_clock, setup),
		cmocka_unit_test_setup(test_no_hogs_where_not_wanted, setup),
		cmocka_unit_test_setup(test_hog_lets_the_next_start, setup),
		cmocka_unit_test_setup(test_wakes_for_a_sleeper, setup),
		cmocka_unit_test_setup(test_repeats_a_lost_wakeup, setup),
		cmocka_unit_test_setup(
			test_creates_a_worker_where_there_is_none, setup),
		cmocka_unit_test_setup(
			test_creation_is_retried_without_the_tick, setup),
		cmocka_unit_test_setup(test_mayday, setup),
		cmocka_unit_test_setup(test_mayday_of_spinning_workers,
				       setup_unbound),
		cmocka_unit_test_setup(test_mayday_unbound, setup_unbound),
		cmocka_unit_test_setup(test_mayday_without_the_tick, setup),
		cmocka_unit_test_setup(test_mayday_ends_with_a_worker, setup),
		cmocka_unit_test_setup(test_mayday_ends_without_the_tick,
				       setup),
		cmocka_unit_test_setup(test_no_mayday_behind_a_running_worker,
				       setup),
		cmocka_unit_test_setup(test_called_before_a_creation, setup),
		cmocka_unit_test_setup(test_paced_start_after_three_ticks,
				       setup_unbound),
		cmocka_unit_test_setup(test_progress_delays_the_paced_start,
				       setup_unbound),
		cmocka_unit_test_setup(test_no_grant_for_bound_pools, setup),
		cmocka_unit_test_setup(test_looks_around, setup),
		cmocka_unit_test_setup(test_pace_under_a_quota, setup_unbound),
		cmocka_unit_test_setup(test_most_stuck_pool_goes_first,
				       setup_unbound),
		cmocka_unit_test_setup(test_prints_notes, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
