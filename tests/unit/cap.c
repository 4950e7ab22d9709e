/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of cap.c: how many workers a pool may run, and who gets what of a CPU
 * quota. The machine has 64 CPUs in eight pods.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue cap
 */
#include "unit/house.h"

#include "cap.h"
#include "quota.h"

HOUSE_TIMER_STUBS

#define PODS 8

static struct pool *pod[PODS];
static char limit[32];

static void set_quota(int cpus)
{
	if (cpus)
		snprintf(limit, sizeof(limit), "%d00000 100000\n", cpus);
	else
		strcpy(limit, "max 100000\n");
	fake_file("/proc/self/cgroup", "0::/a\n");
	fake_file("/proc/self/mountinfo", "1 1 0:1 / /c rw - cgroup2 c rw\n");
	fake_file("/c/a/cpu.max", limit);
	quota_look();
	assert_int_equal(quota_cpus(), cpus ? cpus : QUOTA_NONE);
}

static void recount(struct pool *pool) NO_ANALYSIS
{
	lock(&pool->lock);
	cap_recount(pool);
	unlock(&pool->lock);
}

static void make_pods(void)
{
	for (int i = 0; i < PODS; i++) {
		_Atomic unsigned long *bits = calloc(1, sizeof(*bits));

		assert_non_null(bits);
		*bits = 0xffUL << (8 * i);
		pod[i] = pool_new(-1, 100 + i, false, 8);
		assert_non_null(pod[i]);
		pod[i]->pod = bits;
		pool_publish(pod[i]);
	}
}

static int setup(void **state)
{
	struct pool *pool;

	(void)state;
	house_build(WQ_UNBOUND, 16);
	if (!pod[0])
		make_pods();
	fake_set_cpus(64, ~0UL);
	set_quota(0);
	for_each_pool (pool)
		recount(pool);
	cap_share();
	return 0;
}

static void load(int i, int running, bool waiting)
{
	atomic_store(&pod[i]->nr_running, running);
	atomic_store(&pod[i]->has_work, waiting);
}

static int sum_of_shares(void)
{
	int n = 0;

	for (int i = 0; i < PODS; i++)
		n += pool_cap(pod[i]) - 1;
	return n;
}

static void test_counts_cpus(void **state) NO_ANALYSIS
{
	struct pool *bound = pool_of_cpu(1, false);

	(void)state;
	assert_int_equal(pool_cap(pod[3]), 8);
	assert_int_equal(pool_cap(pool_unbound(false)), 64);
	assert_int_equal(pool_cap(bound), 1);
	fake.allowed = 0xfffUL;
	recount(pod[0]);
	recount(pod[1]);
	recount(pod[2]);
	recount(pool_unbound(false));
	recount(bound);
	assert_int_equal(pool_cap(pod[0]), 8);
	assert_int_equal(pool_cap(pod[1]), 4);
	/* Nothing is left of it: its workers run elsewhere, one at least. */
	assert_int_equal(pool_cap(pod[2]), 1);
	assert_int_equal(pool_cap(pool_unbound(false)), 12);
	assert_int_equal(pool_cap(bound), 1);
	/* Lost: like an unbound pool with all CPUs. */
	atomic_store(&bound->bound, false);
	recount(bound);
	assert_int_equal(pool_cap(bound), 12);
	atomic_store(&bound->bound, true);
	recount(bound);
	assert_int_equal(pool_cap(bound), 1);
}

static void test_no_quota_no_shares(void **state)
{
	(void)state;
	load(0, 8, true);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 8);
	set_quota(64);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 8);
	assert_int_equal(pool_cap(pool_unbound(false)), 64);
	assert_false(cap_is_short(pod[0]));
}

/* One pod has all the work: it gets all the quota. */
static void test_one_pool_gets_all(void **state)
{
	(void)state;
	set_quota(2);
	load(5, 1, true);
	cap_share();
	assert_int_equal(pool_cap(pod[5]), 2);
	for (int i = 0; i < PODS; i++)
		if (i != 5)
			assert_int_equal(pool_cap(pod[i]), 1);
	assert_true(cap_is_short(pod[5]));
	set_quota(5);
	cap_share();
	assert_int_equal(pool_cap(pod[5]), 5);
	set_quota(20);
	cap_share();
	assert_int_equal(pool_cap(pod[5]), 8);
	assert_false(cap_is_short(pod[5]));
	/* Bound pools are not concerned. */
	assert_int_equal(pool_cap(pool_of_cpu(0, false)), 1);
}

/* All of them have: one each, and what is left beyond that in turn. */
static void test_all_pools_work(void **state)
{
	int got[PODS] = { 0 };

	(void)state;
	set_quota(2);
	for (int i = 0; i < PODS; i++)
		load(i, 1, true);
	cap_share();
	for (int i = 0; i < PODS; i++)
		assert_int_equal(pool_cap(pod[i]), 1);
	set_quota(11);
	for (int round = 0; round < 56; round++) {
		cap_share();
		assert_int_equal(sum_of_shares(), 11 - PODS);
		for (int i = 0; i < PODS; i++)
			got[i] += pool_cap(pod[i]) - 1;
	}
	for (int i = 0; i < PODS; i++)
		assert_in_range(got[i], 10, 32);
}

static void test_in_proportion(void **state)
{
	struct pool *all = pool_unbound(false);

	(void)state;
	set_quota(32);
	load(1, 1, true);
	atomic_store(&all->has_work, true);
	cap_share();
	/* 30 beyond one each, for 7 and 63. */
	assert_int_equal(pool_cap(pod[1]), 4);
	assert_int_equal(pool_cap(all), 28);
}

/* Whoever runs several and has nothing waiting keeps them, if they are not needed. */
static void test_keeps_what_nobody_needs(void **state)
{
	(void)state;
	set_quota(3);
	load(0, 1, true);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 3);
	load(0, 1, false);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 3);
	load(0, 0, false);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 3);
	load(1, 1, false);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 3);
	load(1, 1, true);
	cap_share();
	assert_int_equal(pool_cap(pod[0]), 1);
	assert_int_equal(pool_cap(pod[1]), 3);
	assert_int_equal(sum_of_shares(), 2);
}

/* Whatever happens, all shares together are less than the quota, once it has been
 * seen while anybody worked. */
static void test_never_more_than_the_quota(void **state)
{
	(void)state;
	for (int round = 0; round < 20000; round++) {
		int quota = 1 + (int)fake_below(70), working = 0, over = 0;

		set_quota(quota);
		for (int i = 0; i < PODS; i++)
			load(i, (int)fake_below(4), !fake_below(3));
		load((int)fake_below(PODS), 1, true);
		if (!fake_below(4))
			recount(pod[fake_below(PODS)]);
		cap_share();
		if (quota >= 64)
			continue;
		for (int i = 0; i < PODS; i++) {
			working += pod[i]->nr_running || pod[i]->has_work;
			assert_in_range(pool_cap(pod[i]), 1, 8);
			over += pool_cap(pod[i]) - 1;
		}
		assert_true(over + working <=
			    (quota > working ? quota : working));
	}
}

static void test_quota_ends(void **state)
{
	(void)state;
	set_quota(2);
	load(0, 1, true);
	cap_share();
	assert_int_equal(pool_cap(pod[3]), 1);
	set_quota(0);
	cap_share();
	for (int i = 0; i < PODS; i++)
		assert_int_equal(pool_cap(pod[i]), 8);
}

/* Counted with the quota that was: put right at the next tick. */
static void test_counted_too_early(void **state)
{
	(void)state;
	set_quota(2);
	recount(pod[4]);
	assert_int_equal(pool_cap(pod[4]), 1);
	set_quota(0);
	cap_share();
	assert_int_equal(pool_cap(pod[4]), 8);
	cap_share();
	assert_int_equal(pool_cap(pod[4]), 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_counts_cpus, setup),
		cmocka_unit_test_setup(test_no_quota_no_shares, setup),
		cmocka_unit_test_setup(test_one_pool_gets_all, setup),
		cmocka_unit_test_setup(test_all_pools_work, setup),
		cmocka_unit_test_setup(test_in_proportion, setup),
		cmocka_unit_test_setup(test_keeps_what_nobody_needs, setup),
		cmocka_unit_test_setup(test_never_more_than_the_quota, setup),
		cmocka_unit_test_setup(test_quota_ends, setup),
		cmocka_unit_test_setup(test_counted_too_early, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
