/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of <cmwq/jiffies.h>: comparisons around the wrap of the counter,
 * conversions at their limits. The clock is the test's. And of container_of().
 *
 * rooms:
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <limits.h>

#include <cmwq/workqueue.h>

static unsigned long now;

unsigned long cmwq_jiffies(void)
{
	return now;
}

/* Pairs of times where the first is earlier, by less than half the range. */
static const unsigned long pairs[][2] = {
	{ 0, 1 },
	{ 0, LONG_MAX },
	{ 1000, 1000 + MAX_JIFFY_OFFSET },
	{ LONG_MAX, (unsigned long)LONG_MAX + 1 },
	{ ULONG_MAX, 0 },
	{ ULONG_MAX - 5, 7 },
	{ ULONG_MAX, LONG_MAX - 1 },
	{ (unsigned long)LONG_MAX + 1, ULONG_MAX },
};
#define NR_PAIRS (sizeof(pairs) / sizeof(pairs[0]))

static void test_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_PAIRS; i++) {
		unsigned long a = pairs[i][0], b = pairs[i][1];

		assert_true(time_after(b, a) && !time_after(a, b));
		assert_true(time_before(a, b) && !time_before(b, a));
		assert_true(time_after_eq(b, a) && !time_after_eq(a, b));
		assert_true(time_before_eq(a, b) && !time_before_eq(b, a));
		assert_false(time_after(a, a) || time_before(b, b));
		assert_true(time_after_eq(a, a) && time_before_eq(b, b));
	}
}

static void test_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_PAIRS; i++) {
		unsigned long a = pairs[i][0], b = pairs[i][1];

		assert_true(time_in_range(a, a, b));
		assert_true(time_in_range(b, a, b));
		assert_true(time_in_range(a, a, a));
		assert_false(time_in_range(a - 1, a, b));
		assert_true(time_in_range_open(a, a, b));
		assert_true(time_in_range_open(b - 1, a, b));
		assert_false(time_in_range_open(b, a, b));
		assert_false(time_in_range_open(a, a, a));
	}
	assert_false(time_in_range(8, 5, 7));
	assert_false(time_in_range_open(4, 5, 7));
	assert_true(time_in_range(3, ULONG_MAX - 3, 3));
	assert_false(time_in_range_open(3, ULONG_MAX - 3, 3));
	assert_false(time_in_range(4, ULONG_MAX - 3, 3));
}

static void test_now(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_PAIRS; i++) {
		unsigned long past = pairs[i][0], future = pairs[i][1];

		now = future;
		assert_int_equal(jiffies, future);
		assert_true(time_is_before_jiffies(past));
		assert_true(time_is_before_eq_jiffies(past));
		assert_false(time_is_after_jiffies(past));
		assert_false(time_is_after_eq_jiffies(past));
		now = past;
		assert_false(time_is_before_jiffies(future));
		assert_false(time_is_before_eq_jiffies(future));
		assert_true(time_is_after_jiffies(future));
		assert_true(time_is_after_eq_jiffies(future));
		assert_false(time_is_before_jiffies(now));
		assert_false(time_is_after_jiffies(now));
		assert_true(time_is_before_eq_jiffies(now));
		assert_true(time_is_after_eq_jiffies(now));
	}
}

/* An argument is used once. */
static void test_arguments(void **state)
{
	unsigned long a = 10;

	(void)state;
	assert_true(time_in_range(a++, 10, 10));
	assert_false(time_in_range_open(a++, 10, 11));
	assert_int_equal(a, 12);
}

static void test_to_jiffies(void **state)
{
	static char constant[secs_to_jiffies(2)];

	(void)state;
	assert_int_equal(HZ, 1000);
	assert_int_equal(sizeof(constant), 2 * HZ);
	assert_int_equal(secs_to_jiffies(0), 0);
	assert_int_equal(secs_to_jiffies(UINT_MAX), UINT_MAX * 1000UL);

	assert_int_equal(msecs_to_jiffies(0), 0);
	assert_int_equal(msecs_to_jiffies(1), 1);
	assert_int_equal(msecs_to_jiffies(INT_MAX), INT_MAX);
	assert_int_equal(msecs_to_jiffies((unsigned int)INT_MAX + 1),
			 MAX_JIFFY_OFFSET);
	assert_int_equal(msecs_to_jiffies(-1), MAX_JIFFY_OFFSET);

	assert_int_equal(usecs_to_jiffies(0), 0);
	assert_int_equal(usecs_to_jiffies(1), 1);
	assert_int_equal(usecs_to_jiffies(999), 1);
	assert_int_equal(usecs_to_jiffies(1000), 1);
	assert_int_equal(usecs_to_jiffies(1001), 2);
	assert_int_equal(usecs_to_jiffies(UINT_MAX - 1999), 4294966);
	assert_int_equal(usecs_to_jiffies(UINT_MAX - 1998), MAX_JIFFY_OFFSET);
	assert_int_equal(usecs_to_jiffies(UINT_MAX), MAX_JIFFY_OFFSET);

	assert_int_equal(nsecs_to_jiffies(0), 0);
	assert_int_equal(nsecs_to_jiffies(999999), 0);
	assert_int_equal(nsecs_to_jiffies(1000000), 1);
	assert_int_equal(nsecs_to_jiffies(1999999), 1);
	assert_int_equal(nsecs_to_jiffies(ULLONG_MAX), 18446744073709UL);
}

static void test_from_jiffies(void **state)
{
	(void)state;
	assert_int_equal(jiffies_to_msecs(0), 0);
	assert_int_equal(jiffies_to_msecs(UINT_MAX), UINT_MAX);
	assert_int_equal(jiffies_to_msecs(UINT_MAX + 7UL), 6);
	assert_int_equal(jiffies_to_usecs(4294967), 4294967000U);
	assert_int_equal(jiffies_to_usecs(4294968), 704);
	assert_true(jiffies_to_nsecs(4294968) == 4294968000000ULL);
	assert_int_equal(jiffies_delta_to_msecs(5), 5);
	assert_int_equal(jiffies_delta_to_msecs(0), 0);
	assert_int_equal(jiffies_delta_to_msecs(-1), 0);
	assert_int_equal(jiffies_delta_to_msecs(LONG_MIN), 0);
	/* For ever stays so, and a deadline that far is in the future. */
	now = ULONG_MAX - 100;
	assert_true(time_is_after_jiffies(jiffies + MAX_JIFFY_OFFSET));
	assert_int_equal(MAX_JIFFY_OFFSET, (LONG_MAX >> 1) - 1);
}

struct outer {
	char before[40];
	struct work_struct work;
	int array[3];
};

static void test_container_of(void **state)
{
	struct outer o;
	const struct work_struct *constant = &o.work;
	struct outer *found = from_work(found, &o.work, work);
	void *any = &o.array[2];
	int evaluated = 0;

	(void)state;
	assert_ptr_equal(found, &o);
	assert_ptr_equal(container_of(&o.work, struct outer, work), &o);
	assert_ptr_equal(container_of(constant, struct outer, work), &o);
	assert_ptr_equal(container_of(any, struct outer, array[2]), &o);
	assert_ptr_equal(container_of((evaluated++, &o.array[1]), struct outer,
				      array[1]),
			 &o);
	assert_int_equal(evaluated, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_to_jiffies),
		cmocka_unit_test(test_from_jiffies),
		cmocka_unit_test(test_container_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
