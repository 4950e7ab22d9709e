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
	{ "workqueue.cpu_intensive_warning_thresh",
	  &params.cpu_intensive_warning_thresh, 4, 0, 2147483647 },
	{ "workqueue.power_efficient", &params.power_efficient, 0, 0, 1 },
	{ "workqueue.watchdog_thresh", &params.watchdog_thresh, 30, 0,
	  1000000000 },
	{ "workqueue.panic_on_stall", &params.panic_on_stall, 0, 0,
	  2147483647 },
	{ "workqueue.panic_on_stall_time", &params.panic_on_stall_time, 0, 0,
	  1000000000 },
	{ "workqueue.default_affinity_scope", &params.default_affinity_scope,
	  WQ_AFFN_CACHE_SHARD, WQ_AFFN_CPU, WQ_AFFN_SYSTEM },
	{ "workqueue.cache_shard_size", &params.cache_shard_size, 8, 1, 8192 },
	{ "workqueue.debug_force_rr_cpu", &params.debug_force_rr_cpu, 0, 0, 1 },
	{ "cmwq.stack_kib", &params.stack_kib, 1024, 80, 1048576 },
	{ "cmwq.idle_timeout_ms", &params.idle_timeout_ms, 300000, 1,
	  2147483647 },
	{ "cmwq.idle_ratio", &params.idle_ratio, 4, 1, 1048576 },
	{ "cmwq.sentinel", &params.sentinel, 1, 0, 1 },
	{ "cmwq.tick", &params.tick, 1, 0, 1 },
	{ "cmwq.hints", &params.hints, 1, 0, 1 },
	{ "cmwq.recheck", &params.recheck, 1, 0, 1 },
	{ "cmwq.pace", &params.pace, 1, 0, 1 },
	{ "cmwq.backtrace", &params.backtrace, 1, 0, 1 },
	{ "cmwq.lockdep", &params.lockdep, 0, 0, 1 },
	{ "cmwq.objects", &params.objects, 0, 0, 1 },
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

/* "name=value", in words where the values are words. */
static void assignment(char *text, size_t size, size_t i, long value)
{
	if (known[i].field == &params.default_affinity_scope)
		snprintf(text, size, "%s=%s", known[i].name,
			 affn_scope_names[value]);
	else
		snprintf(text, size, "%s=%ld", known[i].name, value);
}

static void test_parse_each(void **state)
{
	(void)state;
	for (size_t i = 0; i < NR_KNOWN; i++) {
		char text[100];

		setup(NULL);
		assignment(text, sizeof(text), i, known[i].max);
		param_parse(text);
		assert_int_equal(atomic_load(known[i].field), known[i].max);
		assignment(text, sizeof(text), i, known[i].min);
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

/* --- words, strings --- */

#define SCOPE "workqueue.default_affinity_scope"

static void test_words(void **state)
{
	static const struct {
		const char *word;
		enum wq_affn_scope scope;
	} good[] = {
		{ "cpu", WQ_AFFN_CPU },
		{ "smt", WQ_AFFN_SMT },
		{ "cache", WQ_AFFN_CACHE },
		{ "cache_shard", WQ_AFFN_CACHE_SHARD },
		{ "numa", WQ_AFFN_NUMA },
		{ "system", WQ_AFFN_SYSTEM },
	};
	static const char *const bad[] = { "default", "",  "caches",
					   "cach",    "3", "cache_",
					   "-1" };
	char buf[20];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(cmwq_param_set_string(SCOPE, good[i].word), 0);
		assert_int_equal(param_get(default_affinity_scope),
				 good[i].scope);
		assert_int_equal(cmwq_param_get_string(SCOPE, buf, sizeof(buf)),
				 strlen(good[i].word));
		assert_string_equal(buf, good[i].word);
	}
	assert_int_equal(cmwq_param_set_string(SCOPE, "NUMA"), 0);
	assert_string_equal(fake_stderr(), "");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char expected[200];

		fake_clear_stderr();
		assert_int_equal(cmwq_param_set_string(SCOPE, bad[i]), -EINVAL);
		snprintf(expected, sizeof(expected),
			 "cmwq: parameter " SCOPE ": '%s' is none of cpu smt "
			 "cache cache_shard numa system, ignored\n",
			 bad[i]);
		assert_string_equal(fake_stderr(), expected);
		assert_int_equal(param_get(default_affinity_scope),
				 WQ_AFFN_NUMA);
	}
	assert_others_untouched(SCOPE);
}

static void test_strings(void **state)
{
	char buf[8] = "untouch";

	(void)state;
	assert_int_equal(cmwq_param_set_string("cmwq.idle_ratio", "0x10"), 0);
	assert_int_equal(param_get(idle_ratio), 16);
	assert_int_equal(cmwq_param_get_string("cmwq.idle_ratio", buf, 8), 2);
	assert_string_equal(buf, "16");
	assert_string_equal(fake_stderr(), "");
	assert_int_equal(cmwq_param_set_string("cmwq.idle_ratio", "x"),
			 -EINVAL);
	assert_int_equal(cmwq_param_set_string("cmwq.idle_ratio", NULL),
			 -EINVAL);
	assert_int_equal(cmwq_param_set_string("cmwq.idle_ratio", "0"),
			 -ERANGE);
	assert_int_equal(cmwq_param_set_string("cmwq.x", "0"), -ENOENT);
	assert_int_equal(cmwq_param_set_string(NULL, "0"), -ENOENT);
	assert_int_equal(param_get(idle_ratio), 16);
	assert_int_equal(cmwq_param_get_string("cmwq.x", buf, 8), -ENOENT);
	assert_int_equal(cmwq_param_get_string(NULL, buf, 8), -ENOENT);
	assert_string_equal(buf, "16");
	/* Cut, but with the length that it has. */
	assert_int_equal(cmwq_param_get_string(SCOPE, buf, 8), 11);
	assert_string_equal(buf, "cache_s");
}

static void test_scope_names(void **state)
{
	(void)state;
	for (int i = 0; i < WQ_AFFN_NR_TYPES; i++)
		assert_int_equal(affn_scope_parse(affn_scope_names[i]), i);
	assert_int_equal(affn_scope_parse("default"), WQ_AFFN_DFL);
	assert_int_equal(affn_scope_parse("Cache_Shard"), WQ_AFFN_CACHE_SHARD);
	assert_int_equal(affn_scope_parse(""), -EINVAL);
	assert_int_equal(affn_scope_parse("cache shard"), -EINVAL);
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

/* --- the parameter that is a text --- */

#define CPUS "workqueue.unbound_cpus"

static void assert_cpus(const char *expected)
{
	char buf[40] = "untouched";

	assert_string_equal(param_unbound_cpus, expected);
	assert_int_equal(cmwq_param_get_string(CPUS, buf, sizeof(buf)),
			 strlen(expected));
	assert_string_equal(buf, expected);
	assert_nothing_changed();
}

static void test_text(void **state)
{
	long value = 77;

	(void)state;
	assert_cpus("");
	param_parse(CPUS "=0-3");
	assert_cpus("0-3");
	param_parse(CPUS "=0,2-3,5," CPUS "=1,3, cmwq.tick=1");
	assert_cpus("1,3");
	param_parse("cmwq.tick=1," CPUS "=");
	assert_cpus("");
	param_parse(CPUS "=0,2");
	assert_string_equal(fake_stderr(), "");
	assert_int_equal(cmwq_param_get(CPUS, &value), -EINVAL);
	assert_int_equal(value, 77);
	assert_int_equal(cmwq_param_set(CPUS, 3), -EPERM);
	assert_int_equal(cmwq_param_set_string(CPUS, "3"), -EPERM);
	assert_non_null(strstr(fake_stderr(), CPUS " is read at the start"));
	assert_cpus("0,2");
	fake_clear_stderr();
	param_parse("cmwq.tick=1,x");
	assert_string_equal(fake_stderr(),
			    "cmwq: parameter 'x' has no value, ignored\n");
	assert_cpus("0,2");
}

static void test_text_too_long(void **state)
{
	char string[PARAM_TEXT + 100];
	size_t len = strlen(strcpy(string, CPUS "="));

	(void)state;
	while (len < PARAM_TEXT + 50)
		len += (size_t)sprintf(string + len, "1,");
	param_parse(string);
	assert_non_null(strstr(fake_stderr(), "4095 characters, ignored"));
	assert_true(strlen(param_unbound_cpus) < 100);
	param_parse(CPUS "=");
	assert_cpus("");
}

/* --- who is told --- */

static int told;

static void tell(void)
{
	told++;
}

static void test_changed(void **state)
{
	(void)state;
	param_changed = tell;
	told = 0;
	cmwq_param_set("cmwq.tick", 0);
	assert_int_equal(told, 1);
	cmwq_param_set("cmwq.tick", 2);
	cmwq_param_set("cmwq.tock", 2);
	cmwq_param_set_string("cmwq.tick", "x");
	cmwq_param_set_string(CPUS, "0");
	assert_int_equal(told, 1);
	cmwq_param_set_string("cmwq.tick", "1");
	assert_int_equal(told, 2);
	param_parse("cmwq.tick=1");
	assert_int_equal(told, 2);
	param_changed = NULL;
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
		cmocka_unit_test_setup(test_words, setup),
		cmocka_unit_test_setup(test_strings, setup),
		cmocka_unit_test_setup(test_scope_names, setup),
		cmocka_unit_test_setup(test_parse_overflow, setup),
		cmocka_unit_test_setup(test_parse_with_old_errno, setup),
		cmocka_unit_test_setup(test_bad_among_good, setup),
		cmocka_unit_test_setup(test_parse_leaves_its_string, setup),
		cmocka_unit_test_setup(test_text, setup),
		cmocka_unit_test_setup(test_text_too_long, setup),
		cmocka_unit_test_setup(test_changed, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
