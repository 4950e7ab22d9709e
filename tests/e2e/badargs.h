/* SPDX-License-Identifier: MIT */
/*
 * badargs.h - every public call with every argument that it can tell is wrong: tables
 * of rows, each of which has the call, what is wrong, whether the result is the
 * documented one, and what the message says (NULL: there is none). After each row
 * the library works.
 *
 *	ROW(cancel_work, "a NULL item", !cancel_work(NULL), "NULL");
 *
 * tests/rows.sh fails if an exported function with arguments has no row. What else
 * is promised about bad input, such as the address of the caller, is in badinput.c.
 */
#ifndef CMWQ_TESTS_BADARGS_H
#define CMWQ_TESTS_BADARGS_H

#include "harness.h"

#include <cmwq/cpumask.h>

static struct work_struct good;
static _Atomic int good_runs;

static inline void count_run(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&good_runs, 1);
}

static inline void row_begin(const char *name, const char *wrong)
{
	printf("%s: %s\n", name, wrong);
	log_clear();
}

static inline void row_end(const char *name, const char *wrong, bool right,
			   const char *says)
{
	int before = atomic_load(&good_runs);

	if (!right)
		harness_failed(__FILE__, __LINE__, "%s: %s: wrong result", name,
			       wrong);
	if (says)
		wait_for(log_has(says));
	else if (log_has(""))
		harness_failed(__FILE__, __LINE__, "%s: %s: a message", name,
			       wrong);
	EXPECT(queue_work(system_wq, &good));
	flush_work(&good);
	EXPECT_EQ(atomic_load(&good_runs), before + 1);
}

/* @right: an expression with the call, true if it did what is documented. */
#define ROW(name, wrong, right, says)                    \
	do {                                             \
		bool right_;                             \
                                                         \
		row_begin(#name, (wrong));               \
		right_ = (right);                        \
		row_end(#name, (wrong), right_, (says)); \
	} while (0)
/* A call without a result. */
#define ROW_VOID(name, wrong, call, says) ROW(name, wrong, ((call), true), says)

static inline void begin(void)
{
	INIT_WORK(&good, count_run);
	check_library_works();
	log_ignore("SCHED_FIFO was refused");
	log_ignore("nice -20 were refused");
}

/* What the compiler cannot see is wrong. */
static const char *volatile no_text __attribute__((unused));
static void *volatile nothing __attribute__((unused));

static const struct {
	const char *wrong;
	int cpu; /* 0: the number of CPUs */
} bad_cpu[] __attribute__((unused)) = {
	{ "CPU -1", -1 },
	{ "CPU -2", -2 },
	{ "the CPU after the last", 0 },
	{ "CPU 8191", 8191 },
	{ "CPU 8193", 8193 },
	{ "CPU INT_MAX", INT_MAX },
	{ "CPU INT_MIN", INT_MIN },
};

#define NR_BAD_CPUS (sizeof(bad_cpu) / sizeof(bad_cpu[0]))

static inline int bad_cpu_nr(size_t i)
{
	return bad_cpu[i].cpu ? bad_cpu[i].cpu : nr_possible();
}

#endif
