/* SPDX-License-Identifier: MIT */
/*
 * util.c - clocks, CPUs, gates and percentiles.
 *
 * Nothing here uses the library that is measured.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <math.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "util.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t now_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void sleep_ns(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC),
			       (long)(ns % NSEC_PER_SEC) };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

void sleep_until(uint64_t ns)
{
	struct timespec ts = { (time_t)(ns / NSEC_PER_SEC),
			       (long)(ns % NSEC_PER_SEC) };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) ==
	       EINTR)
		;
}

void cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * Use up CPU time of the calling thread. The clock is a system call, so it is
 * read about every 2 us only; the overshoot is below 0.1% of 5 ms.
 */
void burn_cpu_ns(uint64_t ns)
{
	uint64_t end = thread_cpu_ns() + ns;
	int i;

	while (thread_cpu_ns() < end) {
		for (i = 0; i < 50; i++)
			cpu_relax();
	}
}

static cpu_set_t start_mask;

/* Before main(), as pin_to() must not have been called yet. */
__attribute__((constructor)) static void remember_mask(void)
{
	if (sched_getaffinity(0, sizeof(start_mask), &start_mask)) {
		CPU_ZERO(&start_mask);
		CPU_SET(0, &start_mask);
	}
}

int nr_cpus(void)
{
	return CPU_COUNT(&start_mask);
}

int nth_cpu(int n)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &start_mask) && n-- == 0)
			return cpu;
	}
	die("this machine has no CPU number %d", n);
}

void pin_to(int cpu)
{
	cpu_set_t mask;

	CPU_ZERO(&mask);
	CPU_SET(cpu, &mask);
	if (sched_setaffinity(0, sizeof(mask), &mask))
		die("pinning to CPU %d: %s", cpu, strerror(errno));
}

void unpin(void)
{
	if (sched_setaffinity(0, sizeof(start_mask), &start_mask))
		die("unpinning: %s", strerror(errno));
}

int nr_threads(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int n = 0;

	while (f && !n && fgets(line, sizeof(line), f))
		sscanf(line, "Threads: %d", &n);
	if (!n)
		die("/proc/self/status is needed");
	fclose(f);
	return n;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void sort_doubles(double *v, size_t n)
{
	qsort(v, n, sizeof(*v), compare_doubles);
}

/* The smallest value that at least p percent of all do not exceed. */
double percentile(const double *sorted, size_t n, double p)
{
	size_t rank = (size_t)ceil((double)n * p / 100.0);

	return sorted[rank ? rank - 1 : 0];
}

double median_of(double *v, size_t n)
{
	sort_doubles(v, n);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

static void futex(atomic_uint *word, int op, unsigned int val)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, val, NULL, NULL, 0);
}

void gate_open(struct gate *g)
{
	atomic_store_explicit(&g->word, 1, memory_order_release);
	futex(&g->word, FUTEX_WAKE, 1);
}

void gate_wait(struct gate *g)
{
	while (!atomic_load_explicit(&g->word, memory_order_acquire))
		futex(&g->word, FUTEX_WAIT, 0);
}

void gate_reset(struct gate *g)
{
	atomic_store_explicit(&g->word, 0, memory_order_relaxed);
}

void die(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	_exit(1);
}
