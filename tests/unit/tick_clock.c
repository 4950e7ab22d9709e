/* SPDX-License-Identifier: MIT */
/*
 * tick - workers of unbound pools that compute, by their CPU clocks: they are left alone,
 * and where a quota is short they are looked at less often.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue cap symbol hog tick
 */
#include "unit/house.h"

#include "bh.h"
#include "hog.h"
#include "quota.h"
#include "sentinel.h"
#include "tick.h"

HOUSE_TIMER_STUBS
HOUSE_RESCUER_STUBS

#define EIGHTH (TICK_NS / 8)

static struct pool *pool;
static struct worker *w[HOUSE_CPUS], *idle;
static uint64_t used[HOUSE_CPUS];

bool manager_create(struct pool *p)
{
	(void)p;
	return false;
}

void bh_create_wanted(void)
{
}

void sentinel_create_wanted(void)
{
}

void sentinel_rearm_resting(void)
{
}

static void compute(int i, uint64_t ns)
{
	used[i] += ns;
	fake_set_cpu_time(w[i]->tid, used[i]);
}

/* The first @n workers have computed for all of @ns, and something has started. Returns
 * how many states were read. */
static unsigned long go_on(int n, uint64_t ns)
{
	unsigned long before = fake.states_read;

	for (int i = 0; i < n; i++)
		compute(i, ns);
	atomic_fetch_add(&pool->seq, 1);
	fake.now += ns;
	tick_hook(fake.now);
	return fake.states_read - before;
}

/* @n workers run, an item waits, and the tick has seen all that. */
static void start(int n)
{
	for (int i = 0; i < n; i++) {
		w[i] = house_busy_worker(pool, &house.pwqs[0], &house.item[i]);
		used[i] = 1000 * NSEC_PER_MSEC;
		compute(i, 0);
	}
	idle = house_idle_worker(pool);
	house_queue(0, 8);
	cm_start_tick();
	tick_hook(fake.now);
	go_on(n, TICK_NS);
}

static int setup(void **state)
{
	(void)state;
	house_build(WQ_UNBOUND, 16);
	tick_reset();
	hog_reset();
	tick_hook(fake.now); /* looks at the quota the first time */
	pool = pool_unbound(false);
	return 0;
}

static void test_left_alone(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	for (int i = 0; i < 100; i++)
		assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	assert_int_equal(pool->nr_running, HOUSE_CPUS);
	assert_int_equal(idle->wake, 0);
}

static void test_looked_at_if_it_did_not_compute(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	compute(0, TICK_NS - EIGHTH);
	assert_int_equal(go_on(0, 0), 0);
	for (int i = 1; i < HOUSE_CPUS; i++)
		compute(i, TICK_NS);
	fake.now += TICK_NS;
	atomic_fetch_add(&pool->seq, 1);
	tick_hook(fake.now);
	assert_int_equal(fake.states_read, HOUSE_CPUS); /* by start() */
	compute(0, TICK_NS - EIGHTH - 1);
	for (int i = 1; i < HOUSE_CPUS; i++)
		compute(i, TICK_NS);
	assert_int_equal(go_on(0, TICK_NS), HOUSE_CPUS);
}

static void test_a_sleeper_is_found(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	go_on(HOUSE_CPUS, TICK_NS);
	/* Since just now: the others are known to run. */
	fake_set_state(w[HOUSE_CPUS - 1]->tid, OS_THREAD_ASLEEP);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	assert_int_equal(go_on(HOUSE_CPUS - 1, TICK_NS), HOUSE_CPUS);
	assert_true(w[HOUSE_CPUS - 1]->asleep);
	assert_int_equal(idle->wake, 1);
	/* One that is marked must be seen when it runs again. */
	fake_set_state(w[HOUSE_CPUS - 1]->tid, OS_THREAD_RUNNING);
	assert_true(go_on(HOUSE_CPUS, TICK_NS) > 0);
	assert_false(w[HOUSE_CPUS - 1]->asleep);
}

/* What is believed about sleepers ends at a look, so there is one. */
static void test_looked_at_while_some_are_lent(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	atomic_store(&pool->lent, 1);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), HOUSE_CPUS);
	assert_int_equal(pool->lent, 0);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
}

static void test_fewer_run_than_may(void **state)
{
	(void)state;
	start(HOUSE_CPUS - 1);
	atomic_store(&idle->wake, 0);
	go_on(HOUSE_CPUS - 1, TICK_NS);
	assert_int_equal(idle->wake, 1);
}

/* The clock is of another thread, or cannot be read. */
static void test_another_clock(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	used[0] = 0;
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), HOUSE_CPUS);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	w[0]->tid += 100;
	used[0] += 100 * TICK_NS;
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), HOUSE_CPUS);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	used[0] = 0 - TICK_NS;
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), HOUSE_CPUS);
}

/* The last look is so old that it says little about now. */
static void test_an_old_look(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	assert_int_equal(go_on(HOUSE_CPUS, 5 * TICK_NS - 1), 0);
	assert_int_equal(go_on(HOUSE_CPUS, 5 * TICK_NS), HOUSE_CPUS);
}

/* Whoever has the lock gets on: he is not waited for. */
static void test_lock_is_taken(void **state) NO_ANALYSIS
{
	(void)state;
	start(HOUSE_CPUS);
	lock(&pool->lock);
	assert_int_equal(go_on(HOUSE_CPUS, TICK_NS), 0);
	unlock(&pool->lock);
}

/* They may all wait for one that has not started, by spinning. */
static void test_all_compute_and_nothing_starts(void **state)
{
	int ticks = 0;

	(void)state;
	start(HOUSE_CPUS);
	while (!pool->grant && ticks++ < 10) {
		for (int i = 0; i < HOUSE_CPUS; i++)
			compute(i, TICK_NS);
		fake.now += TICK_NS;
		tick_hook(fake.now);
	}
	assert_int_equal(ticks, 3);
	assert_int_equal(idle->wake, 1);
}

static void give_quota(const char *limit)
{
	fake_file("/proc/self/cgroup", "0::/a\n");
	fake_file("/proc/self/mountinfo", "1 1 0:1 / /c rw - cgroup2 c rw\n");
	fake_file("/c/a/cpu.max", limit);
	/* It is looked at again. */
	fake.now += 1000 * NSEC_PER_MSEC;
}

/* The tick at which all compute; returns how long after it the next one is. */
static uint64_t pause_after(int n, uint64_t ns)
{
	uint64_t now;

	go_on(n, ns);
	now = fake.now;
	return tick_hook(now) - now;
}

static void test_slower_under_a_quota(void **state)
{
	uint64_t pause = TICK_NS;

	(void)state;
	give_quota("200000 100000\n");
	start(2);
	assert_int_equal(pool_cap(pool), 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pause_after(2, pause), 2 * pause);
		pause *= 2;
	}
	for (int i = 0; i < 10; i++)
		assert_int_equal(pause_after(2, pause), pause);
	/* One does something else than compute. */
	assert_int_equal(pause_after(1, pause), TICK_NS);
	assert_int_equal(pause_after(2, TICK_NS), 2 * TICK_NS);
	/* Somebody else's worker, of which that is not known. */
	house_busy_worker(pool_of_cpu(0, false), &house.pwqs[0],
			  &house.item[12]);
	assert_int_equal(pause_after(2, 2 * TICK_NS), TICK_NS);
	assert_int_equal(pause_after(2, TICK_NS), TICK_NS);
}

static void test_not_slower_without(void **state)
{
	(void)state;
	start(HOUSE_CPUS);
	for (int i = 0; i < 10; i++)
		assert_int_equal(pause_after(HOUSE_CPUS, TICK_NS), TICK_NS);
}

/* Slow as it was, what begins after a rest is not to wait for it. */
static void test_begins_anew(void **state) NO_ANALYSIS
{
	(void)state;
	give_quota("200000 100000\n");
	start(2);
	assert_int_equal(pause_after(2, TICK_NS), 2 * TICK_NS);
	assert_int_equal(pause_after(2, 2 * TICK_NS), 4 * TICK_NS);
	pool_lock(pool);
	pool_del_work(pool, &house.item[8]);
	pool_unlock(pool);
	for (int i = 0; i < 2; i++) {
		fake.now += 4 * TICK_NS;
		tick_hook(fake.now);
	}
	assert_int_equal(tick_on, TICK_OFF);
	cm_start_tick();
	assert_int_equal(tick_hook(fake.now), fake.now + TICK_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_left_alone, setup),
		cmocka_unit_test_setup(test_looked_at_if_it_did_not_compute,
				       setup),
		cmocka_unit_test_setup(test_a_sleeper_is_found, setup),
		cmocka_unit_test_setup(test_looked_at_while_some_are_lent,
				       setup),
		cmocka_unit_test_setup(test_fewer_run_than_may, setup),
		cmocka_unit_test_setup(test_another_clock, setup),
		cmocka_unit_test_setup(test_an_old_look, setup),
		cmocka_unit_test_setup(test_lock_is_taken, setup),
		cmocka_unit_test_setup(test_all_compute_and_nothing_starts,
				       setup),
		cmocka_unit_test_setup(test_slower_under_a_quota, setup),
		cmocka_unit_test_setup(test_not_slower_without, setup),
		cmocka_unit_test_setup(test_begins_anew, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
