/* SPDX-License-Identifier: MIT */
/*
 * bench.h - what the rooms of the benchmark share.
 *
 * A scenario is a function that measures something in a process of its own and
 * emits named values; a row of the report is one value of one scenario with
 * its target. measures.c holds the list of both. The main program executes
 * itself once per scenario and run, so every scenario finds a library that has
 * done nothing yet, and a crash or a hang costs one row.
 *
 *	main.c      options, the order of the runs
 *	measures.c  the table: scenarios, rows, targets
 *	child.c     one scenario in a process, with a time limit
 *	report.c    medians, the printed table, JSON
 *	util.h      clocks, pinning, gates, the usage of threads; also used by
 *	            the peers' programs in peers/
 *	count.c     how many items have run
 *	the rest    scenarios, by what they measure
 */
#ifndef CMWQ_BENCH_H
#define CMWQ_BENCH_H

#include <stdio.h>
#include "util.h"

#define MAX_RUNS       99
#define MAX_VALUES     24
#define VALUE_NAME_LEN 32

/* What a scenario function returns. */
enum {
	BENCH_OK = 0,
	BENCH_FAILED = 1,
	BENCH_SKIP = 77, /* cannot be measured on this machine */
};

struct scenario {
	const char *name;
	int (*run)(void);
	unsigned int limit_s; /* it hangs if it takes longer */
	enum {
		ALWAYS,
		ASKED, /* run if it is named: it takes long */
		PART   /* run by another scenario */
	} when;
};

/* How a row's target is compared. */
enum target_kind {
	CONTEXT,	   /* no target; printed to judge the others by */
	MEDIAN_AT_MOST,	   /* the median over the runs */
	WORST_AT_MOST,	   /* the maximum: "never more than" */
	WORST_AT_MOST_CPUS /* the same, target + number of CPUs */
};

struct row {
	const char *name; /* SCENARIO.VALUE */
	const char *unit;
	const char *text;
	enum target_kind kind;
	double target;
};

extern const struct scenario scenarios[];
extern const size_t nr_scenarios;
extern const struct row rows[];
extern const size_t nr_rows;

const struct scenario *find_scenario(const char *name, size_t len);
bool row_is_of(const struct row *row, const struct scenario *sc);

/* child.c */

struct value {
	char name[VALUE_NAME_LEN];
	double v;
};

struct outcome {
	struct value value[MAX_VALUES];
	size_t nr_values;
	bool skipped;
	char problem[64]; /* empty if it ended well */
};

void run_child(const struct scenario *sc, struct outcome *out);
bool outcome_get(const struct outcome *out, const char *name, double *v);
int child_main(const char *name, int fd);
void emit(const char *name, double v);
void emit_at(const char *what, unsigned long n, double v); /* WHAT_N */

/* report.c */

struct report {
	const struct scenario *sc[MAX_RUNS]; /* selected, in order */
	size_t nr_sc;
	int runs;
	double load;	     /* average of the minute before */
	const char *json;    /* file name or NULL */
	double *sample;	     /* [row * runs + run]; NAN: none */
	char (*problem)[64]; /* per scenario of sc[]: the first one */
	bool *skipped;
};

void report_store(struct report *r, size_t sc, int run,
		  const struct outcome *out);
void report_header(const struct report *r, FILE *f);
void report_table(const struct report *r, FILE *f);
int report_json(const struct report *r);

/* count.c */

struct work_struct;
void count_item(struct work_struct *work); /* a work function */
unsigned long items_run(void);
unsigned int workers_seen(void);
void await_items(unsigned long n);

/* startup.c: Private_Dirty of this process */
double own_dirty_bytes(void);

/* The scenarios; each returns BENCH_OK, or does not return. */

int submit_unbound1(void);
int submit_percpu(void);
int submit_dfl(void);
int submit_pinned(void);
int submit_remote(void);
int requeue_percpu(void);
int requeue_unbound(void);
int timers(void);
int pingpong(void);
int block(void);
int block_busy(void);
int blocked64(void);
int cold64(void);
int cold64_chain(void);
int cold64_items(void);
int cold64_init_items(void);
int oversub(void);
int idle(void);
int startup(void);
int memory(void);
int lines(void);
int growth_items(void);
int growth_producers(void);
int growth_workers(void);
int growth_wq_percpu(void);
int growth_wq_unbound(void);
int growth_wq_ordered(void);
int growth_timers(void);
int growth_stall_items(void);
int growth_stall_timers(void);
int machine_floor(void);

#endif
