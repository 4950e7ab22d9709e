/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of param.c: what CMWQ_PARAMS and cmwq_param_set() take and what
 * they refuse, with which words.
 *
 * rooms: param log
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "param.h"
#include "unit/fake_os.h"

#include <cmwq/cmwq.h>

static const struct {
	const char *name;
	_Atomic long *field;
	long value, min, max;
} known[] = {
	{ "workqueue.cpu_intensive_thresh_us", &params.cpu_intensive_thresh_us,
	  10000, 0, 1000000000 },
	{ "workqueue.power_efficient", &params.power_efficient, 0, 0, 1 },
	{ "cmwq.stack_kib", &params.stack_kib, 1024, 80, 1048576 },
	{ "cmwq.idle_timeout_ms", &params.idle_timeout_ms, 300000, 1,
	  2147483647 },
	{ "cmwq.idle_ratio", &params.idle_ratio, 4, 1, 1048576 },
	{ "cmwq.sentinel", &params.sentinel, 1, 0, 1 },
	{ "cmwq.tick", &params.tick, 1, 0, 1 },
	{ "cmwq.hints", &params.hints, 1, 0, 1 },
	{ "cmwq.recheck", &params.recheck, 1, 0, 1 },
	{ "cmwq.pace", &params.pace, 1, 0, 1 },
};
#define NR_KNOWN (sizeof(known) / sizeof(known[0]))

/* Before any other test, since it is about the values of the start. */
static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(sizeof(params), NR_KNOWN * sizeof(long));
	for (size_t i = 0; i < NR_KNOWN; i++) {
		long value = -1;

		assert_int_equal(atomic_load(known[i].field), known[i].value);
		assert_int_equal(cmwq_param_get(known[i].name, &value), 0);
		assert_int_equal(value, known[i].value);
	}
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	for (size_t i = 0; i < NR_KNOWN; i++)
		atomic_store(known[i].field, known[i].value);
	return 0;
}

/* All values but that of @name are what they were. */
static void assert_others_untouched(const char *name)
{
	for (size_t i = 0; i < NR_KNOWN; i++)
		if (strcmp(known[i].name, name))
			assert_int_equal(atomic_load(known[i].field),
					 known[i].value);
}

static void assert_nothing_changed(void)
{
	assert_others_untouched("");
}

/* --- cmwq_param_set() --- */

static void test_set_reaches_its_field(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_KNOWN; i++) {
		long value = -1;

		setup(NULL);
		assert_int_equal(cmwq_param_set(known[i].name, known[i].max),
				 0);
		assert_int_equal(atomic_load(known[i].field), known[i].max);
		assert_int_equal(cmwq_param_get(known[i].name, &value), 0);
		assert_int_equal(value, known[i].max);
		assert_int_equal(cmwq_param_set(known[i].name, known[i].min),
				 0);
		assert_int_equal(atomic_load(known[i].field), known[i].min);
		assert_others_untouched(known[i].name);
		assert_string_equal(fake_stderr(), "");
	}
}

static void refuse(size_t i, long value)
{
	char expected[200];

	fake_clear_stderr();
	assert_int_equal(cmwq_param_set(known[i].name, value), -ERANGE);
	snprintf(expected, sizeof(expected),
		 "cmwq: parameter %s: '%ld' is not within %ld..%ld, stays "
		 "%ld\n",
		 known[i].name, value, known[i].min, known[i].max,
		 known[i].value);
	assert_string_equal(fake_stderr(), expected);
	assert_nothing_changed();
}

static void test_set_out_of_range(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_KNOWN; i++) {
		refuse(i, known[i].min - 1);
		refuse(i, known[i].max + 1);
		refuse(i, LONG_MIN);
		refuse(i, LONG_MAX);
		refuse(i, -10);
	}
}

static void test_unknown_name(void **state)
{
	static const char *const name[] = {
		"",
		"cmwq",
		"cmwq.",
		"cmwq.tick ",
		"cmwq.tic",
		"cmwq.ticks",
		"CMWQ.TICK",
		"tick",
		"cmwq.tick=1",
		"workqueue.tick",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(name) / sizeof(name[0]); i++) {
		char expected[100];
		long value = 77;

		fake_clear_stderr();
		assert_int_equal(cmwq_param_set(name[i], 0), -ENOENT);
		snprintf(expected, sizeof(expected),
			 "cmwq: unknown parameter '%s', ignored\n", name[i]);
		assert_string_equal(fake_stderr(), expected);
		assert_int_equal(cmwq_param_get(name[i], &value), -ENOENT);
		assert_int_equal(value, 77);
	}
	assert_nothing_changed();
}

static void test_null_name(void **state)
{
	long value = 77;

	(void)state;
	assert_int_equal(cmwq_param_set(NULL, 0), -ENOENT);
	assert_string_equal(fake_stderr(),
			    "cmwq: unknown parameter '(null)', ignored\n");
	assert_int_equal(cmwq_param_get(NULL, &value), -ENOENT);
	assert_int_equal(value, 77);
	assert_nothing_changed();
}

/* --- param_parse() --- */

static void test_parse_nothing(void **state)
{
	static const char *const string[] = { NULL, "", " ", " \t\n,,, " };

	(void)state;
	for (size_t i = 0; i < sizeof(string) / sizeof(string[0]); i++)
		param_parse(string[i]);
	assert_string_equal(fake_stderr(), "");
	assert_nothing_changed();
}

static void test_parse_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_KNOWN; i++) {
		char text[100];

		setup(NULL);
		snprintf(text, sizeof(text), "%s=%ld", known[i].name,
			 known[i].max);
		param_parse(text);
		assert_int_equal(atomic_load(known[i].field), known[i].max);
		snprintf(text, sizeof(text), "%s=%ld", known[i].name,
			 known[i].min);
		param_parse(text);
		assert_int_equal(atomic_load(known[i].field), known[i].min);
		assert_others_untouched(known[i].name);
		assert_string_equal(fake_stderr(), "");
	}
}

static void test_parse_several(void **state)
{
	static const char *const string[] = {
		"cmwq.stack_kib=81 cmwq.tick=0 cmwq.idle_ratio=9",
		"  cmwq.idle_ratio=9\tcmwq.tick=0\n\ncmwq.stack_kib=81\n",
		"cmwq.tick=0,cmwq.stack_kib=81,, cmwq.idle_ratio=9,",
		"cmwq.tick=0x0 cmwq.stack_kib=0x51 cmwq.idle_ratio=+9",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(string) / sizeof(string[0]); i++) {
		setup(NULL);
		param_parse(string[i]);
		assert_int_equal(param_get(stack_kib), 81);
		assert_int_equal(param_get(tick), 0);
		assert_int_equal(param_get(idle_ratio), 9);
		assert_int_equal(param_get(idle_timeout_ms), 300000);
		assert_string_equal(fake_stderr(), "");
	}
}

static void test_parse_last_one_counts(void **state)
{
	(void)state;
	param_parse("cmwq.idle_ratio=7 cmwq.idle_ratio=9");
	assert_int_equal(param_get(idle_ratio), 9);
	param_parse("cmwq.idle_ratio=8 cmwq.idle_ratio=0");
	assert_int_equal(param_get(idle_ratio), 8);
}

/* Each is reported in its own words, and changes nothing. */
static void test_parse_bad(void **state)
{
	static const struct {
		const char *string;
		const char *said;
	} bad[] = {
		{ "cmwq.tick", "parameter 'cmwq.tick' has no value, ignored" },
		{ "x", "parameter 'x' has no value, ignored" },
		{ "cmwq.tick=", "parameter cmwq.tick: '' is not a number, "
				"ignored" },
		{ "cmwq.tick=no", "parameter cmwq.tick: 'no' is not a number, "
				  "ignored" },
		{ "cmwq.tick=0x", "parameter cmwq.tick: '0x' is not a number, "
				  "ignored" },
		{ "cmwq.tick=0ms", "parameter cmwq.tick: '0ms' is not a "
				   "number, ignored" },
		{ "cmwq.tick=0=0", "parameter cmwq.tick: '0=0' is not a "
				   "number, ignored" },
		{ "cmwq.tick=0.5", "parameter cmwq.tick: '0.5' is not a "
				   "number, ignored" },
		{ "cmwq.tick=--1", "parameter cmwq.tick: '--1' is not a "
				   "number, ignored" },
		{ "cmwq.tick=2", "parameter cmwq.tick: '2' is not within "
				 "0..1, stays 1" },
		{ "cmwq.tick=-1", "parameter cmwq.tick: '-1' is not within "
				  "0..1, stays 1" },
		{ "cmwq.stack_kib=79", "parameter cmwq.stack_kib: '79' is not "
				       "within 80..1048576, stays 1024" },
		{ "cmwq.stack_kib=0x100001",
		  "parameter cmwq.stack_kib: '0x100001' is not within "
		  "80..1048576, stays 1024" },
		{ "cmwq.idle_timeout_ms=0",
		  "parameter cmwq.idle_timeout_ms: '0' is not within "
		  "1..2147483647, stays 300000" },
		{ "=0", "unknown parameter '', ignored" },
		{ "=", "unknown parameter '', ignored" },
		{ "cmwq.tack=0", "unknown parameter 'cmwq.tack', ignored" },
		/* Of two faults the name is the one to mend first. */
		{ "cmwq.tack=no", "unknown parameter 'cmwq.tack', ignored" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[200];

		fake_clear_stderr();
		param_parse(bad[i].string);
		snprintf(expected, sizeof(expected), "cmwq: %s\n", bad[i].said);
		assert_string_equal(fake_stderr(), expected);
		assert_nothing_changed();
	}
}

/* More than a long holds: whatever is said, the value stays. */
static void test_parse_overflow(void **state)
{
	static const char *const string[] = {
		"cmwq.idle_ratio=18446744073709551620",
		"cmwq.idle_ratio=-18446744073709551612",
		"cmwq.idle_ratio=99999999999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(string) / sizeof(string[0]); i++) {
		fake_clear_stderr();
		param_parse(string[i]);
		assert_non_null(
			strstr(fake_stderr(), "parameter cmwq.idle_ratio: '"));
		assert_nothing_changed();
	}
}

/* errno of somebody's earlier failure is none of ours. */
static void test_parse_with_old_errno(void **state)
{
	(void)state;
	errno = ERANGE;
	param_parse("cmwq.tick=0");
	assert_string_equal(fake_stderr(), "");
	assert_int_equal(param_get(tick), 0);
}

static void test_bad_among_good(void **state)
{
	(void)state;
	param_parse("cmwq.tick=0 cmwq.hints=7 nonsense cmwq.pace=0 a=b "
		    "cmwq.recheck=x cmwq.sentinel=0");
	assert_int_equal(param_get(tick), 0);
	assert_int_equal(param_get(hints), 1);
	assert_int_equal(param_get(pace), 0);
	assert_int_equal(param_get(recheck), 1);
	assert_int_equal(param_get(sentinel), 0);
	assert_string_equal(
		fake_stderr(),
		"cmwq: parameter cmwq.hints: '7' is not within 0..1, stays 1\n"
		"cmwq: parameter 'nonsense' has no value, ignored\n"
		"cmwq: unknown parameter 'a', ignored\n"
		"cmwq: parameter cmwq.recheck: 'x' is not a number, "
		"ignored\n");
}

/* The string is the environment's: it is read, not cut into pieces. */
static void test_parse_leaves_its_string(void **state)
{
	char string[] = "cmwq.tick=0, cmwq.pace=0";

	(void)state;
	param_parse(string);
	assert_string_equal(string, "cmwq.tick=0, cmwq.pace=0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test_setup(test_set_reaches_its_field, setup),
		cmocka_unit_test_setup(test_set_out_of_range, setup),
		cmocka_unit_test_setup(test_unknown_name, setup),
		cmocka_unit_test_setup(test_null_name, setup),
		cmocka_unit_test_setup(test_parse_nothing, setup),
		cmocka_unit_test_setup(test_parse_each, setup),
		cmocka_unit_test_setup(test_parse_several, setup),
		cmocka_unit_test_setup(test_parse_last_one_counts, setup),
		cmocka_unit_test_setup(test_parse_bad, setup),
		cmocka_unit_test_setup(test_parse_overflow, setup),
		cmocka_unit_test_setup(test_parse_with_old_errno, setup),
		cmocka_unit_test_setup(test_bad_among_good, setup),
		cmocka_unit_test_setup(test_parse_leaves_its_string, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
