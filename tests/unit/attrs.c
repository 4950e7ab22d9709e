/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of attrs.c: what attributes are at first, copies, and what is wrong
 * with those that a user gave.
 *
 * rooms: attrs life lock log param
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>

#include "attrs.h"
#include "param.h"
#include "unit/cpus.h"
#include "unit/fake_os.h"

static struct workqueue_attrs *attrs, *other;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_set_cpus(16, 0xffff);
	assert_int_equal(cpumask_init(), 0);
	atomic_store(&params.default_affinity_scope, WQ_AFFN_CACHE_SHARD);
	attrs = alloc_workqueue_attrs();
	other = alloc_workqueue_attrs();
	assert_non_null(attrs);
	assert_non_null(other);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free_workqueue_attrs(attrs);
	free_workqueue_attrs(other);
	free_workqueue_attrs(NULL);
	forget_cpus();
	return 0;
}

static void assert_cpus(const char *list)
{
	char buf[64];

	cpulist_scnprintf(buf, sizeof(buf), attrs->cpumask);
	assert_string_equal(buf, list);
}

static void test_new(void **state)
{
	(void)state;
	assert_int_equal(attrs->nice, 0);
	assert_int_equal(attrs->affn_scope, WQ_AFFN_DFL);
	assert_false(attrs->affn_strict);
	assert_false(attrs->ordered);
	assert_cpus("0-15");
}

static void test_copy(void **state)
{
	(void)state;
	attrs->nice = 3;
	attrs->affn_scope = WQ_AFFN_NUMA;
	attrs->affn_strict = true;
	attrs->ordered = true;
	assert_int_equal(cpulist_parse("2-5", attrs->cpumask), 0);
	attrs_copy(other, attrs);
	assert_int_equal(other->nice, 3);
	assert_int_equal(other->affn_scope, WQ_AFFN_NUMA);
	assert_true(other->affn_strict);
	assert_true(other->ordered);
	assert_ptr_not_equal(other->cpumask, attrs->cpumask);
	assert_true(cpumask_equal(other->cpumask, attrs->cpumask));
}

static void test_defects(void **state)
{
	struct cpumask *mask = attrs->cpumask;

	(void)state;
	assert_null(attrs_defect(attrs));
	assert_string_equal(attrs_defect(NULL), "no attributes");
	attrs->cpumask = NULL;
	assert_string_equal(attrs_defect(attrs), "no cpumask");
	attrs->cpumask = mask;
	for (int nice = -25; nice < 25; nice++) {
		attrs->nice = nice;
		assert_int_equal(!attrs_defect(attrs), nice > -21 && nice < 20);
	}
	attrs->nice = 0;
	attrs->affn_scope = WQ_AFFN_NR_TYPES;
	assert_string_equal(attrs_defect(attrs), "no such affinity scope");
	attrs->affn_scope = WQ_AFFN_SYSTEM;
	assert_null(attrs_defect(attrs));
}

static void test_default_scope_follows(void **state)
{
	(void)state;
	assert_int_equal(attrs_scope(WQ_AFFN_DFL), WQ_AFFN_CACHE_SHARD);
	atomic_store(&params.default_affinity_scope, WQ_AFFN_NUMA);
	assert_int_equal(attrs_scope(WQ_AFFN_DFL), WQ_AFFN_NUMA);
	assert_int_equal(attrs_scope(WQ_AFFN_CPU), WQ_AFFN_CPU);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),
		TEST(test_copy),
		TEST(test_defects),
		TEST(test_default_scope_follows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
