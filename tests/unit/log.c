/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of log.c: where a line goes, and notes, which are messages that
 * wait until somebody may print them.
 *
 * rooms: log
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "unit/fake_os.h"

#define MAX_NOTES  32
#define MAX_LINE   512
#define NOTE	   "'%s' was refused (from %p)"
#define SOMEWHERE  ((void *)0x1234)
#define MAX_LOGGED 128

static struct {
	enum cmwq_log_level level;
	void *arg;
	char line[600];
} logged[MAX_LOGGED];
static int nr_logged;

static void sink(enum cmwq_log_level level, const char *line, void *arg)
{
	assert_true(nr_logged < MAX_LOGGED);
	logged[nr_logged].level = level;
	logged[nr_logged].arg = arg;
	snprintf(logged[nr_logged].line, sizeof(logged[0].line), "%s", line);
	nr_logged++;
}

static void other_sink(enum cmwq_log_level level, const char *line, void *arg)
{
	sink(level, line, arg);
	strcat(logged[nr_logged - 1].line, " (other)");
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	log_reset();
	cmwq_set_log(NULL, NULL);
	nr_logged = 0;
	return 0;
}

static int setup_sink(void **state)
{
	setup(state);
	cmwq_set_log(sink, NULL);
	return 0;
}

/* --- lines --- */

static void test_to_stderr_by_default(void **state)
{
	(void)state;
	log_warn("%d of %s", 3, "them");
	assert_string_equal(fake_stderr(), "cmwq: 3 of them\n");
	log_err("second");
	assert_string_equal(fake_stderr(), "cmwq: 3 of them\ncmwq: second\n");
}

static void test_to_callback(void **state)
{
	int arg;

	(void)state;
	cmwq_set_log(sink, &arg);
	log_err("bad %d", 1);
	log_warn("odd %d", 2);
	log_line(CMWQ_LOG_INFO, "well %d", 3);
	assert_int_equal(nr_logged, 3);
	assert_string_equal(logged[0].line, "cmwq: bad 1");
	assert_int_equal(logged[0].level, CMWQ_LOG_ERR);
	assert_string_equal(logged[1].line, "cmwq: odd 2");
	assert_int_equal(logged[1].level, CMWQ_LOG_WARN);
	assert_string_equal(logged[2].line, "cmwq: well 3");
	assert_int_equal(logged[2].level, CMWQ_LOG_INFO);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(logged[i].arg, &arg);
	assert_string_equal(fake_stderr(), "");
}

static void test_null_callback_is_stderr_again(void **state)
{
	(void)state;
	cmwq_set_log(sink, NULL);
	cmwq_set_log(NULL, &nr_logged);
	log_warn("back");
	assert_int_equal(nr_logged, 0);
	assert_string_equal(fake_stderr(), "cmwq: back\n");
}

/* Each line meets the function and the argument that were set together; old
 * pairs may be freed, never one that is in force. */
static void test_callback_replaced_often(void **state)
{
	int args[50];

	(void)state;
	for (int i = 0; i < 50; i++) {
		cmwq_set_log(i % 2 ? other_sink : sink, &args[i]);
		log_warn("line %d", i);
		assert_int_equal(nr_logged, i + 1);
		assert_ptr_equal(logged[i].arg, &args[i]);
		assert_int_equal(!!strstr(logged[i].line, "(other)"), i % 2);
	}
}

/* Of a line that is too long the end is missing, but not the newline. */
static void test_long_line_is_cut(void **state)
{
	char text[2 * MAX_LINE];
	const char *out = fake_stderr();

	(void)state;
	for (size_t len = MAX_LINE - 16; len < sizeof(text); len++) {
		size_t kept;

		memset(text, 'x', len);
		text[len - 1] = '\0';
		fake_clear_stderr();
		log_warn("%s", text);
		kept = strlen(out);
		assert_true(kept <= MAX_LINE);
		assert_int_equal(out[kept - 1], '\n');
		assert_ptr_equal(strchr(out, '\n'), out + kept - 1);
		assert_memory_equal(out, "cmwq: xxx", 9);
		/* What fits is there as a whole. */
		if (len - 1 + strlen("cmwq: \n") < MAX_LINE - 8)
			assert_int_equal(kept, len - 1 + strlen("cmwq: \n"));
		else
			assert_true(kept >= MAX_LINE - 8);
	}
}

static void warn_once_here(void)
{
	log_warn_once("once %d", 1);
}

static void test_once_per_place(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		warn_once_here();
	for (int i = 0; i < 3; i++)
		log_warn_once("once %d", 2);
	assert_int_equal(nr_logged, 2);
	assert_string_equal(logged[0].line, "cmwq: once 1");
	assert_string_equal(logged[1].line, "cmwq: once 2");
}

/* --- notes --- */

static void note(int i)
{
	char name[16];

	snprintf(name, sizeof(name), "wq%d", i);
	log_later(NOTE, name, SOMEWHERE);
}

static void assert_note(const char *line, int i)
{
	char expected[64];

	snprintf(expected, sizeof(expected),
		 "cmwq: 'wq%d' was refused (from %p)", i, SOMEWHERE);
	assert_string_equal(line, expected);
}

static void test_note_waits_for_flush(void **state)
{
	(void)state;
	log_flush();
	note(1);
	note(2);
	assert_int_equal(nr_logged, 0);
	log_flush();
	assert_int_equal(nr_logged, 2);
	assert_int_equal(logged[0].level, CMWQ_LOG_WARN);
	log_flush();
	assert_int_equal(nr_logged, 2);
}

/* The name may be gone when the note is printed, and what is left in the slot
 * of a longer one does not show. */
static void test_note_keeps_the_name(void **state)
{
	char name[64];

	(void)state;
	/* One round, so that each slot has held a long name. */
	memset(name, 'n', sizeof(name));
	name[40] = '\0';
	for (int i = 0; i < MAX_NOTES; i++)
		log_later("%s %p", name, NULL);
	memset(name, 'm', sizeof(name) - 1);
	log_flush();
	for (int i = 0; i < MAX_NOTES; i++)
		assert_memory_equal(logged[i].line,
				    "cmwq: nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn ",
				    strlen("cmwq: ") + 32);
	nr_logged = 0;
	note(7);
	log_flush();
	assert_int_equal(nr_logged, 1);
	assert_note(logged[0].line, 7);
}

static void assert_all_notes(int n)
{
	unsigned long seen = 0;

	for (int i = 0; i < nr_logged; i++) {
		int which;

		if (sscanf(logged[i].line, "cmwq: 'wq%d'", &which) != 1)
			continue;
		assert_in_range(which, 0, n - 1);
		assert_note(logged[i].line, which);
		assert_false(seen & 1UL << which);
		seen |= 1UL << which;
	}
	assert_int_equal(seen, (1UL << n) - 1);
}

static void test_as_many_as_promised(void **state)
{
	(void)state;
	for (int round = 0; round < 3; round++) {
		nr_logged = 0;
		for (int i = 0; i < MAX_NOTES; i++)
			note(i);
		log_flush();
		assert_int_equal(nr_logged, MAX_NOTES);
		assert_all_notes(MAX_NOTES);
	}
}

static void test_more_are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < MAX_NOTES + 5; i++)
		note(i);
	log_flush();
	assert_int_equal(nr_logged, MAX_NOTES + 1);
	assert_all_notes(MAX_NOTES);
	assert_string_equal(logged[MAX_NOTES].line,
			    "cmwq: 5 more refusals were not noted");
	/* Said once, and all notes are free again. */
	nr_logged = 0;
	log_flush();
	assert_int_equal(nr_logged, 0);
	for (int i = 0; i < MAX_NOTES; i++)
		note(i);
	log_flush();
	assert_int_equal(nr_logged, MAX_NOTES);
	assert_all_notes(MAX_NOTES);
}

static void test_reset_forgets(void **state)
{
	(void)state;
	for (int i = 0; i < MAX_NOTES + 5; i++)
		note(i);
	log_reset();
	log_flush();
	assert_int_equal(nr_logged, 0);
	note(3);
	log_flush();
	assert_int_equal(nr_logged, 1);
	assert_note(logged[0].line, 3);
}

/* --- a writer that is stopped in the middle of his note --- */

static char *unreadable;
static size_t page_size;
static void (*while_stopped)(void);

static void on_fault(int sig)
{
	(void)sig;
	while_stopped();
	while_stopped = NULL;
	mprotect(unreadable, page_size, PROT_READ | PROT_WRITE);
}

/* Note with a name that cannot be read before @meanwhile has been called. */
static void stop_in_note(void (*meanwhile)(void))
{
	struct sigaction sa = { .sa_handler = on_fault }, old;

	page_size = (size_t)sysconf(_SC_PAGESIZE);
	unreadable = mmap(NULL, page_size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(unreadable, MAP_FAILED);
	strcpy(unreadable, "wq9");
	mprotect(unreadable, page_size, PROT_NONE);
	while_stopped = meanwhile;
	sigaction(SIGSEGV, &sa, &old);
	log_later(NOTE, unreadable, SOMEWHERE);
	sigaction(SIGSEGV, &old, NULL);
	assert_null(while_stopped);
	munmap(unreadable, page_size);
}

static void flush_and_note(void)
{
	log_flush();
	for (int i = 0; i < MAX_NOTES; i++)
		note(i);
	log_flush();
}

/* Others note and print, his own note comes later, and nothing of it before it
 * is complete. */
static void test_stopped_writer_holds_up_nobody(void **state)
{
	(void)state;
	stop_in_note(flush_and_note);
	assert_int_equal(nr_logged, MAX_NOTES);
	assert_all_notes(MAX_NOTES - 1);
	assert_string_equal(logged[MAX_NOTES - 1].line,
			    "cmwq: 1 more refusals were not noted");
	nr_logged = 0;
	log_flush();
	assert_int_equal(nr_logged, 1);
	assert_note(logged[0].line, 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_to_stderr_by_default, setup),
		cmocka_unit_test_setup(test_to_callback, setup),
		cmocka_unit_test_setup(test_null_callback_is_stderr_again,
				       setup),
		cmocka_unit_test_setup(test_callback_replaced_often, setup),
		cmocka_unit_test_setup(test_long_line_is_cut, setup),
		cmocka_unit_test_setup(test_once_per_place, setup_sink),
		cmocka_unit_test_setup(test_note_waits_for_flush, setup_sink),
		cmocka_unit_test_setup(test_note_keeps_the_name, setup_sink),
		cmocka_unit_test_setup(test_as_many_as_promised, setup_sink),
		cmocka_unit_test_setup(test_more_are_counted, setup_sink),
		cmocka_unit_test_setup(test_reset_forgets, setup_sink),
		cmocka_unit_test_setup(test_stopped_writer_holds_up_nobody,
				       setup_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
