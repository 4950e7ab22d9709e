/* SPDX-License-Identifier: MIT */
/*
 * util.h - what measuring programs need, whatever they measure: clocks, CPUs,
 * percentiles, gates, a partner for futex round trips, the usage of threads.
 *
 * Nothing here uses a library that is measured.
 */
#ifndef CMWQ_BENCH_UTIL_H
#define CMWQ_BENCH_UTIL_H

#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define NSEC_PER_USEC 1000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_SEC  1000000000ULL
#define CACHELINE     64

uint64_t now_ns(void);
uint64_t thread_cpu_ns(void);
void sleep_ns(uint64_t ns);
void sleep_until(uint64_t ns); /* on the clock of now_ns() */
void burn_cpu_ns(uint64_t ns);
void cpu_relax(void);

/* CPUs this process may use, as it was started; not changed by pin_to(). */
int nr_cpus(void);
int nth_cpu(int n);
void pin_to(int cpu);
void unpin(void);
int nr_threads(void); /* of this process */

void sort_doubles(double *v, size_t n);
double percentile(const double *sorted, size_t n, double p);
double median_of(double *v, size_t n);

/*
 * A gate: one thread sleeps on it, another one opens it. Opening always makes
 * the futex call, so that the price of a wakeup does not depend on luck.
 */
struct gate
#ifndef __cplusplus
{
	_Alignas(CACHELINE) atomic_uint word;
}
#endif
;

void gate_open(struct gate *g);
void gate_wait(struct gate *g);
void gate_reset(struct gate *g);

/* Prints to stderr and ends the process: the scenario has failed. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/*
 * trip.c: a partner is a thread pinned to @cpu; a round trip with it is two futex
 * wakes and two waits. In nanoseconds.
 */

struct partner;
struct partner *partner_start(int cpu);
double partner_round_trip(struct partner *p, int rounds);
void partner_stop(struct partner *p);

/* A cache line goes to @cpu and back, without a system call. */
double line_round_trip(int cpu, int rounds);

/* usage.c: the sum over all threads of the process but the main one */

struct usage {
	long long switches;
	double cpu_us;
	int threads;
};

struct usage read_usage(void);

#ifdef __cplusplus
}
#endif

#endif
