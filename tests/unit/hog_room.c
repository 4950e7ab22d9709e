/* SPDX-License-Identifier: MIT */
/*
 * hog - who is reported when.
 *
 * rooms: hog log param symbol
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <cmwq/cmwq.h>

#include "hog.h"
#include "param.h"
#include "unit/fake_os.h"

#define TABLE 128

static char said[65536];
static const char wq[32] = "house";

static void take(enum cmwq_log_level level, const char *line, void *arg)
{
	size_t len = strlen(said);

	(void)arg;
	assert_int_equal(level, CMWQ_LOG_WARN);
	snprintf(said + len, sizeof(said) - len, "%s\n", line);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	hog_reset();
	params.cpu_intensive_warning_thresh = 4;
	cmwq_set_log(take, NULL);
	said[0] = '\0';
	return 0;
}

/* Functions that are nowhere: named by their address. */
static work_func_t func(int i)
{
	return (work_func_t)(uintptr_t)(0x10 + i);
}

/* Was it reported, with this count and nothing else? */
static bool report_says(int i, int times)
{
	char want[64], count[32];
	bool ok;

	said[0] = '\0';
	hog_report();
	snprintf(want, sizeof(want), "%#x of workqueue house", 0x10 + i);
	snprintf(count, sizeof(count), ", %d times", times);
	ok = strstr(said, want) && strstr(said, count) &&
	     strchr(said, '\n') == strrchr(said, '\n');
	return ok;
}

static bool report_is_silent(void)
{
	said[0] = '\0';
	hog_report();
	return !said[0];
}

/* The times, up to @n, at which it is reported. */
static void check_times(long thresh, int n, const int *want)
{
	params.cpu_intensive_warning_thresh = thresh;
	hog_reset();
	for (int i = 1; i <= n; i++) {
		hog_found(func(0), wq);
		if (i == *want) {
			assert_true(report_says(0, i));
			want++;
		} else {
			assert_true(report_is_silent());
		}
	}
	assert_int_equal(*want, 0);
}

static void test_when(void **state)
{
	(void)state;
	check_times(4, 70, (const int[]){ 4, 5, 7, 11, 19, 35, 67, 0 });
	check_times(1, 20, (const int[]){ 1, 2, 4, 8, 16, 0 });
	check_times(10, 20, (const int[]){ 10, 11, 13, 17, 0 });
	check_times(0, 20, (const int[]){ 0 });
}

static void test_each_function_by_itself(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		hog_found(func(1), wq);
		hog_found(func(2), wq);
	}
	assert_true(report_is_silent());
	hog_found(func(2), wq);
	assert_true(report_says(2, 4));
	hog_found(func(1), wq);
	assert_true(report_says(1, 4));
}

static void test_several_at_once(void **state)
{
	(void)state;
	params.cpu_intensive_warning_thresh = 1;
	for (int i = 0; i < 5; i++)
		hog_found(func(i), wq);
	hog_report();
	for (int i = 0; i < 5; i++) {
		char want[64];

		snprintf(want, sizeof(want), "%#x of workqueue house",
			 0x10 + i);
		assert_non_null(strstr(said, want));
	}
}

/* New ones take the place of those found least often. */
static void test_full(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		hog_found(func(0), wq);
	for (int i = 1; i < 10 * TABLE; i++)
		hog_found(func(i), wq);
	assert_true(report_is_silent());
	hog_found(func(0), wq);
	assert_true(report_says(0, 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_when, setup),
		cmocka_unit_test_setup(test_each_function_by_itself, setup),
		cmocka_unit_test_setup(test_several_at_once, setup),
		cmocka_unit_test_setup(test_full, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
