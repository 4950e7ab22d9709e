/* SPDX-License-Identifier: MIT */
/*
 * floor.c - what the machine itself takes, to judge the other numbers by.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "bench.h"

#define NR_OPS	 5000000
#define NR_CALLS 500000
#define NR_TRIPS 20000
#define NR_CROSS 5000
#define NR_LINES 200000

static double per(uint64_t start, int n)
{
	return (double)(now_ns() - start) / n;
}

static double atomic_floor(void)
{
	static atomic_ulong word;
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < NR_OPS; i++)
		atomic_fetch_add(&word, 1);
	return per(start, NR_OPS);
}

static double mutex_floor(void)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < NR_OPS; i++) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
	return per(start, NR_OPS);
}

static double syscall_floor(void)
{
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < NR_CALLS; i++)
		syscall(SYS_getppid);
	return per(start, NR_CALLS);
}

static double clock_floor(void)
{
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < NR_CALLS; i++)
		now_ns();
	return per(start, NR_CALLS);
}

static double trip_floor(int cpu, int rounds)
{
	struct partner *p = partner_start(cpu);
	double ns = partner_round_trip(p, rounds);

	partner_stop(p);
	return ns;
}

int machine_floor(void)
{
	pin_to(nth_cpu(0));
	/* With one thread in the process glibc's mutex would be cheaper. */
	emit("futex_one_cpu", trip_floor(nth_cpu(0), NR_TRIPS) / 1e3);
	if (nr_cpus() > 1) {
		emit("futex_two_cpus", trip_floor(nth_cpu(1), NR_CROSS) / 1e3);
		emit("line", line_round_trip(nth_cpu(1), NR_LINES));
	}
	emit("atomic", atomic_floor());
	emit("mutex", mutex_floor());
	emit("syscall", syscall_floor());
	emit("clock", clock_floor());
	return BENCH_OK;
}
