/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of hotplug.c: what becomes of pools and workers when CPUs change, who
 * follows a change, and what may fail meanwhile.
 *
 * rooms: lock log life param cpumask registry quota work pool worker node pwq lease place cm verify queue manager cap hotplug
 */
#include "unit/house.h"

#include <errno.h>

#include "apply.h"
#include "cpumask.h"
#include "hotplug.h"
#include "sentinel.h"

HOUSE_TIMER_STUBS
HOUSE_AWAY_STUBS

static int applied, topology_applied, apply_result;
static uint64_t left; /* CPUs whose sentinels were told to leave */
static uint64_t change_meanwhile;

int apply_again(void)
{
	applied++;
	if (change_meanwhile)
		fake.granted = change_meanwhile;
	change_meanwhile = 0;
	return apply_result;
}

void apply_topology(void)
{
	topology_applied++;
}

void sentinel_leave(int cpu)
{
	left |= 1ULL << cpu;
}

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	if (!nr_cpu_ids)
		assert_int_equal(cpumask_init(), 0);
	hotplug_reset();
	for (unsigned int cpu = 0; cpu < HOUSE_CPUS; cpu++)
		assert_int_equal(workqueue_online_cpu(cpu), 0);
	cpumask_setall(cpumask_online);
	applied = topology_applied = apply_result = 0;
	left = change_meanwhile = 0;
	house.log[0] = '\0';
	return 0;
}

/* The thread that follows has been made, and runs. */
static void let_it_follow(int nr)
{
	assert_int_equal(fake_nr_threads(), nr);
	fake_start(fake_thread(nr - 1));
	assert_string_equal(fake_thread(nr - 1)->name, "cmwq/cpus");
	assert_int_equal(fake_thread(nr - 1)->state, FAKE_OVER);
}

static void test_looks_and_does_nothing(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		hotplug_look();
	assert_int_equal(fake.looks, 5);
	assert_int_equal(fake_nr_threads(), 0);
	assert_int_equal(applied, 0);
}

static void test_follows_the_system(void **state)
{
	struct pool *pool = pool_of_cpu(2, false);
	struct worker *busy, *idle;

	(void)state;
	busy = house_busy_worker(pool, &house.pwqs[2], &house.item[0]);
	idle = house_idle_worker(pool);
	fake.granted = 0xb;
	hotplug_look();
	/* One at a time, however often it is looked. */
	hotplug_look();
	/* Not before the thread runs. */
	assert_true(pool_bound(pool));
	let_it_follow(1);
	assert_int_equal(fake.allowed, 0xb);
	assert_int_equal(left, 0x4);
	assert_int_equal(applied, 1);
	assert_false(cpumask_test_cpu(2, cpu_online_mask));
	assert_true(cpumask_test_cpu(3, cpu_online_mask));
	assert_false(pool_bound(pool));
	assert_false(atomic_load(&pool->pinned));
	assert_int_equal(pool_cap(pool), 3);
	assert_int_equal(pool_cap(pool_unbound(false)), 3);
	assert_true(pool_bound(pool_of_cpu(1, true)));
	assert_int_equal(fake.moves, 2);
	assert_int_equal(fake.last_moved_to, -1);
	assert_true(busy->moves != pool->moves);
	fake.granted = 0xf;
	hotplug_look();
	let_it_follow(2);
	assert_true(pool_bound(pool));
	assert_true(atomic_load(&pool->pinned));
	assert_int_equal(pool_cap(pool), 1);
	assert_int_equal(fake.moves, 4);
	assert_int_equal(fake.last_moved, idle->tid);
	assert_int_equal(fake.last_moved_to, 2);
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 2);
}

/* Work waited behind the one that runs: it may start now. */
static void test_starts_what_waited(void **state)
{
	struct pool *pool = pool_of_cpu(1, false);
	struct worker *idle;

	(void)state;
	house_busy_worker(pool, &house.pwqs[1], &house.item[0]);
	idle = house_idle_worker(pool);
	house_queue(1, 1);
	assert_int_equal(idle->wake, 0);
	assert_int_equal(workqueue_offline_cpu(1), 0);
	assert_int_equal(idle->wake, 1);
}

static void test_no_thread_to_be_had(void **state)
{
	(void)state;
	fake.granted = 0x3;
	fake.refuse = 2;
	hotplug_look();
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 0);
	assert_int_equal(fake.allowed, 0xf);
	hotplug_look();
	let_it_follow(1);
	assert_int_equal(fake.allowed, 0x3);
}

/* It changes again while it is followed: the same thread goes on. */
static void test_changes_meanwhile(void **state)
{
	(void)state;
	fake.granted = 0x3;
	change_meanwhile = 0x5;
	hotplug_look();
	let_it_follow(1);
	assert_int_equal(applied, 2);
	assert_int_equal(fake.allowed, 0x5);
	assert_true(pool_bound(pool_of_cpu(2, false)));
	assert_false(pool_bound(pool_of_cpu(1, false)));
}

static void test_no_memory(void **state)
{
	(void)state;
	apply_result = -ENOMEM;
	assert_int_equal(workqueue_offline_cpu(3), 0);
	assert_true(house_said("no memory to follow a change of CPUs"));
	assert_int_equal(fake.allowed, 0x7);
}

/* A worker that cannot be bound again: the pool is managed, but not pinned. */
static void test_cannot_be_bound(void **state)
{
	struct pool *pool = pool_of_cpu(3, false);

	(void)state;
	house_idle_worker(pool);
	assert_int_equal(workqueue_offline_cpu(3), 0);
	fake.refuse_move = EPERM;
	assert_int_equal(workqueue_online_cpu(3), 0);
	assert_true(pool_bound(pool));
	assert_false(atomic_load(&pool->pinned));
}

static void test_taken_away_and_not_granted(void **state)
{
	(void)state;
	assert_int_equal(workqueue_offline_cpu(1), 0);
	fake.granted = 0x6;
	hotplug_look();
	let_it_follow(1);
	assert_int_equal(fake.allowed, 0x4);
	/* All that is left was taken away: used all the same, and said. */
	fake.granted = 0x2;
	hotplug_look();
	let_it_follow(2);
	assert_int_equal(fake.allowed, 0x2);
	assert_true(house_said("are offline by workqueue_offline_cpu()"));
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 2);
	/* Given back, it is not there yet. */
	assert_int_equal(workqueue_offline_cpu(3), 0);
	fake.granted = 0x6;
	assert_int_equal(workqueue_online_cpu(3), 0);
	assert_int_equal(fake.allowed, 0x4);
	assert_int_equal(workqueue_online_cpu(1), 0);
	assert_int_equal(fake.allowed, 0x6);
	fake.granted = 0xf;
	hotplug_look();
	let_it_follow(3);
	assert_int_equal(fake.allowed, 0xf);
}

static void test_the_last_one(void **state)
{
	(void)state;
	for (unsigned int cpu = 0; cpu < 3; cpu++)
		assert_int_equal(workqueue_offline_cpu(cpu), 0);
	assert_int_equal(workqueue_offline_cpu(3), -EBUSY);
	assert_true(house_said("CPU 3 is the last one"));
	assert_int_equal(fake.allowed, 0x8);
	/* Gone already: that is fine. */
	assert_int_equal(workqueue_offline_cpu(2), 0);
	assert_int_equal(applied, 3);
	assert_int_equal(workqueue_offline_cpu(4), -EINVAL);
	assert_int_equal(workqueue_online_cpu(4), -EINVAL);
	assert_int_equal(workqueue_prepare_cpu(4), -EINVAL);
}

static void test_topology_once(void **state)
{
	(void)state;
	fake.refuse = 1;
	fake.on_create = house_is_away;
	hotplug_topology();
	assert_int_equal(fake_nr_threads(), 0);
	hotplug_look();
	let_it_follow(1);
	assert_int_equal(topology_applied, 1);
	assert_int_equal(applied, 0);
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 1);
}

static void test_prepare(void **state)
{
	(void)state;
	assert_int_equal(workqueue_prepare_cpu(2), 0);
	assert_int_equal(fake_nr_threads(), 2);
	assert_int_equal(workqueue_prepare_cpu(2), 0);
	assert_int_equal(fake_nr_threads(), 2);
	fake.refuse = -1;
	assert_int_equal(workqueue_prepare_cpu(1), -ENOMEM);
}

/* Somebody moved all threads, and the CPUs are the same. */
static void test_workers_strayed(void **state)
{
	struct pool *pool = pool_of_cpu(2, false);
	struct worker *w;

	(void)state;
	fake.bound = 0;
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 0);
	w = house_busy_worker(pool, &house.pwqs[2], &house.item[0]);
	fake.bound = -1;
	hotplug_look();
	assert_int_equal(fake.asked, w->tid);
	assert_int_equal(fake_nr_threads(), 0);
	fake.bound = 0;
	hotplug_look();
	let_it_follow(1);
	assert_int_equal(fake.moves, 1);
	assert_int_equal(fake.last_moved, w->tid);
	assert_int_equal(fake.last_moved_to, 2);
	assert_true(w->moves != pool->moves);
	assert_int_equal(left, 0xf);
	/* It did not help: not again and again. */
	for (int i = 0; i < 10; i++)
		hotplug_look();
	assert_int_equal(fake_nr_threads(), 1);
	fake.now += 1000 * NSEC_PER_MSEC;
	hotplug_look();
	let_it_follow(2);
	/* It helped: the next time at once. */
	fake.bound = 1;
	hotplug_look();
	fake.bound = 0;
	hotplug_look();
	let_it_follow(3);
	/* Where nobody could be bound there is nothing to stray from. */
	atomic_store(&pool->pinned, false);
	fake.now += 1000 * NSEC_PER_MSEC;
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 3);
}

/* In a child: the thread that followed is gone, half way through or not begun. */
static void test_forked(void **state)
{
	struct pool *pool;

	(void)state;
	fake.granted = 0x3;
	hotplug_look();
	assert_int_equal(fake_nr_threads(), 1);
	fake.allowed = 0x3;
	for_each_pool (pool)
		pool_reset(pool);
	hotplug_reset();
	assert_false(pool_bound(pool_of_cpu(2, false)));
	assert_true(pool_bound(pool_of_cpu(1, false)));
	assert_int_equal(pool_cap(pool_of_cpu(3, true)), 2);
	fake.granted = 0x1;
	hotplug_look();
	let_it_follow(2);
	assert_int_equal(fake.allowed, 0x1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_looks_and_does_nothing, setup),
		cmocka_unit_test_setup(test_follows_the_system, setup),
		cmocka_unit_test_setup(test_starts_what_waited, setup),
		cmocka_unit_test_setup(test_no_thread_to_be_had, setup),
		cmocka_unit_test_setup(test_changes_meanwhile, setup),
		cmocka_unit_test_setup(test_no_memory, setup),
		cmocka_unit_test_setup(test_cannot_be_bound, setup),
		cmocka_unit_test_setup(test_taken_away_and_not_granted, setup),
		cmocka_unit_test_setup(test_the_last_one, setup),
		cmocka_unit_test_setup(test_topology_once, setup),
		cmocka_unit_test_setup(test_prepare, setup),
		cmocka_unit_test_setup(test_workers_strayed, setup),
		cmocka_unit_test_setup(test_forked, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
