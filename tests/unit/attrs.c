/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of attrs.c: what attributes are at first, what becomes of those that a
 * user gave, and when two are the same.
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
static struct cpumask *allowed;

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_set_cpus(16, 0xffff);
	assert_int_equal(cpumask_init(), 0);
	atomic_store(&params.default_affinity_scope, WQ_AFFN_CACHE_SHARD);
	attrs = alloc_workqueue_attrs();
	other = alloc_workqueue_attrs();
	allowed = cpumask_new();
	assert_non_null(attrs);
	assert_non_null(other);
	assert_int_equal(cpulist_parse("0-7", allowed), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free_workqueue_attrs(attrs);
	free_workqueue_attrs(other);
	free_workqueue_attrs(NULL);
	free_cpumask_var(allowed);
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

static void test_normalise(void **state)
{
	(void)state;
	cpulist_parse("6-9", attrs->cpumask);
	attrs->nice = -7;
	attrs->affn_strict = true;
	attrs->ordered = true;
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), 0);
	assert_cpus("6-7");
	assert_int_equal(attrs->affn_scope, WQ_AFFN_CACHE_SHARD);
	assert_int_equal(attrs->nice, -7);
	assert_true(attrs->affn_strict);
	assert_true(attrs->ordered);
	attrs->affn_scope = WQ_AFFN_NUMA;
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), 0);
	assert_int_equal(attrs->affn_scope, WQ_AFFN_NUMA);
	assert_string_equal(fake_stderr(), "");
}

/* A queue whose CPUs are all forbidden uses those that are not. */
static void test_no_cpu_left(void **state)
{
	(void)state;
	cpulist_parse("8-9", attrs->cpumask);
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), 0);
	assert_cpus("0-7");
	cpumask_clear(attrs->cpumask);
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), 0);
	assert_cpus("0-7");
	assert_string_equal(fake_stderr(), "");
}

static void test_nice_range(void **state)
{
	static const struct {
		int given, used;
	} c[] = { { -20, -20 }, { 19, 19 },	    { -21, -20 },
		  { 20, 19 },	{ INT32_MIN, -20 }, { INT32_MAX, 19 } };

	(void)state;
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		fake_clear_stderr();
		attrs->nice = c[i].given;
		assert_int_equal(attrs_normalise(attrs, allowed, "q"), 0);
		assert_int_equal(attrs->nice, c[i].used);
		assert_int_equal(fake_stderr()[0] != 0, i >= 2);
	}
	fake_clear_stderr();
	attrs->nice = 20;
	attrs_normalise(attrs, allowed, "q");
	assert_string_equal(fake_stderr(), "cmwq: workqueue q: nice 20 is not "
					   "within -20..19, it is 19\n");
}

static void test_refused(void **state)
{
	struct cpumask *mask = attrs->cpumask;

	(void)state;
	attrs->nice = 30;
	attrs->affn_scope = WQ_AFFN_NR_TYPES;
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), -EINVAL);
	assert_string_equal(fake_stderr(), "cmwq: workqueue q: there is no "
					   "affinity scope 7\n");
	attrs->affn_scope = (enum wq_affn_scope) - 1;
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), -EINVAL);
	attrs->affn_scope = WQ_AFFN_DFL;
	attrs->cpumask = NULL;
	fake_clear_stderr();
	assert_int_equal(attrs_normalise(attrs, allowed, "q"), -EINVAL);
	assert_string_equal(fake_stderr(), "cmwq: workqueue q: attributes "
					   "without a cpumask\n");
	assert_int_equal(attrs->nice, 30);
	assert_int_equal(attrs->affn_scope, WQ_AFFN_DFL);
	attrs->cpumask = mask;
	assert_cpus("0-15");
}

static void test_default_scope_follows(void **state)
{
	(void)state;
	assert_int_equal(attrs_scope(WQ_AFFN_DFL), WQ_AFFN_CACHE_SHARD);
	atomic_store(&params.default_affinity_scope, WQ_AFFN_NUMA);
	assert_int_equal(attrs_scope(WQ_AFFN_DFL), WQ_AFFN_NUMA);
	assert_int_equal(attrs_scope(WQ_AFFN_CPU), WQ_AFFN_CPU);
}

static void assert_same(bool same)
{
	assert_int_equal(attrs_equal(attrs, other), same);
	assert_int_equal(attrs_equal(other, attrs), same);
	assert_int_equal(attrs_hash(attrs) == attrs_hash(other), same);
	attrs_copy(other, attrs);
	assert_true(attrs_equal(attrs, other));
	assert_int_equal(attrs_hash(attrs), attrs_hash(other));
	assert_int_equal(other->affn_scope, attrs->affn_scope);
	assert_int_equal(other->ordered, attrs->ordered);
	assert_ptr_not_equal(other->cpumask, attrs->cpumask);
}

static void test_equal(void **state)
{
	(void)state;
	assert_same(true);
	attrs->nice = 1;
	assert_same(false);
	attrs->affn_strict = true;
	assert_same(false);
	cpumask_clear_cpu(15, attrs->cpumask);
	assert_same(false);
	cpumask_clear(attrs->cpumask);
	assert_same(false);
	/* What a worker does not care about. */
	attrs->affn_scope = WQ_AFFN_CPU;
	assert_same(true);
	attrs->ordered = true;
	assert_same(true);
}

/* Hashes of attributes that differ in one thing are different enough. */
static void test_hash_spreads(void **state)
{
	unsigned char used[256] = { 0 };
	unsigned int nr = 0;

	(void)state;
	cpumask_clear(attrs->cpumask);
	for (int nice = -20; nice < 20; nice++) {
		attrs->nice = nice;
		for (unsigned int cpu = 0; cpu < 16; cpu++) {
			cpumask_set_cpu(cpu, attrs->cpumask);
			nr += !used[attrs_hash(attrs) % 256]++;
			cpumask_clear_cpu((int)cpu, attrs->cpumask);
		}
	}
	/* 640 in 256 places: 235 are hit at random. */
	assert_true(nr > 200);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_new),		TEST(test_normalise),
		TEST(test_no_cpu_left), TEST(test_nice_range),
		TEST(test_refused),	TEST(test_default_scope_follows),
		TEST(test_equal),	TEST(test_hash_spreads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
