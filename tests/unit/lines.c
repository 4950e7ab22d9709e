/* SPDX-License-Identifier: MIT */
/*
 * lines - text collected and printed later.
 *
 * rooms: lines log
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "lines.h"
#include "unit/fake_os.h"

static char printed[65536];
static int nr_printed;
static size_t longest;

static void take(enum cmwq_log_level level, const char *line, void *arg)
{
	size_t len = strlen(printed);

	(void)arg;
	nr_printed++;
	if (strlen(line) > longest)
		longest = strlen(line);
	snprintf(printed + len, sizeof(printed) - len, "%d%s\n", (int)level,
		 line);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	cmwq_set_log(take, NULL);
	printed[0] = '\0';
	nr_printed = 0;
	longest = 0;
	return 0;
}

static void test_prints_what_was_added(void **state)
{
	struct lines l = { 0 };

	(void)state;
	lines_print(&l, CMWQ_LOG_INFO);
	assert_string_equal(printed, "");
	lines_add(&l, "one %d", 1);
	lines_add(&l, " and %s", "two");
	lines_end(&l);
	lines_end(&l);
	lines_add(&l, "%%s");
	lines_end(&l);
	assert_string_equal(printed, "");
	lines_print(&l, CMWQ_LOG_WARN);
	assert_string_equal(printed, "1cmwq: one 1 and two\n1cmwq: \n"
				     "1cmwq: %s\n");
	/* Empty again. */
	lines_print(&l, CMWQ_LOG_WARN);
	assert_int_equal(nr_printed, 3);
}

static void test_lists(void **state)
{
	struct lines l = { 0 };

	(void)state;
	lines_add(&l, "of a:");
	lines_element(&l, "%d", 1);
	lines_element(&l, "%d", 2);
	lines_end(&l);
	lines_add(&l, "of b:");
	lines_element(&l, "%d", 3);
	lines_end(&l);
	lines_print(&l, CMWQ_LOG_ERR);
	assert_string_equal(printed, "0cmwq: of a: 1, 2\n0cmwq: of b: 3\n");
}

/* However many elements: no line is cut, none is lost. */
static void test_long_lists_go_on_in_the_next_line(void **state)
{
	struct lines l = { 0 };
	char name[32];

	(void)state;
	lines_add(&l, "list:");
	for (int i = 0; i < 1000; i++)
		lines_element(&l, "element%d", i);
	lines_end(&l);
	lines_print(&l, CMWQ_LOG_INFO);
	assert_in_range(longest, 60, 130);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), " element%d%s", i,
			 i == 999 ? "\n" : ",");
		assert_non_null(strstr(printed, name));
	}
}

/* An element of any length is cut rather than written beyond its room. */
static void test_very_long_text_is_cut(void **state)
{
	static char text[5000];
	struct lines l = { 0 };

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (int i = 0; i < 20; i++)
		lines_element(&l, "%s", text);
	lines_end(&l);
	lines_print(&l, CMWQ_LOG_INFO);
	assert_int_equal(nr_printed, 20);
	assert_in_range(longest, 300, 511);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_prints_what_was_added, setup),
		cmocka_unit_test_setup(test_lists, setup),
		cmocka_unit_test_setup(test_long_lists_go_on_in_the_next_line,
				       setup),
		cmocka_unit_test_setup(test_very_long_text_is_cut, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
