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
 *	util.c      clocks, pinning, gates, percentiles
 *	the rest    scenarios, by what they measure
 */
#ifndef CMWQ_BENCH_H
#define CMWQ_BENCH_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_USEC  1000ULL
#define NSEC_PER_MSEC  1000000ULL
#define NSEC_PER_SEC   1000000000ULL
#define CACHELINE      64
#define MAX_RUNS       99
#define MAX_VALUES     16
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
	bool part;	      /* only run by another scenario */
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

/* util.c */

uint64_t now_ns(void);
uint64_t thread_cpu_ns(void);
void sleep_ns(uint64_t ns);
void burn_cpu_ns(uint64_t ns);
void cpu_relax(void);

/* CPUs this process may use, as it was started; not changed by pin_to(). */
int nr_cpus(void);
int nth_cpu(int n);
void pin_to(int cpu);
void unpin(void);

void sort_doubles(double *v, size_t n);
double percentile(const double *sorted, size_t n, double p);
double median_of(double *v, size_t n);

/*
 * A gate: one thread sleeps on it, another one opens it. Opening always makes
 * the futex call, so that the price of a wakeup does not depend on luck.
 */
struct gate {
	_Alignas(CACHELINE) atomic_uint word;
};

void gate_open(struct gate *g);
void gate_wait(struct gate *g);
void gate_reset(struct gate *g);

/* Prints to stderr and ends the process: the scenario has failed. */
_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* pingpong.c: ns per futex round trip between two threads, for floor.c too */

struct partner;
struct partner *partner_start(int cpu);
double partner_round_trip(struct partner *p, int rounds);
void partner_stop(struct partner *p);

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
int machine_floor(void);

#endif
