/* SPDX-License-Identifier: MIT */
/*
 * floor.c - peer-floor: what the machine itself takes.
 *
 *	peer-floor floor | pingpong1 | blockmix | blockread | --list
 *
 * floor: an uncontended atomic addition; a cache line that goes to another CPU and
 * back; a futex round trip on one CPU and between two; 64 threads each of which makes
 * the next as its first action, with stacks as cmwq's workers have them, until the
 * last one runs; reading a thread's CPU clock; makespan over ideal and switches of one
 * thread per CPU that shares 200 times 5 ms with the others, which is what "oversub"
 * could be at best.
 *
 * pingpong1: percentiles of the bare futex round trip, where the program is allowed one
 * CPU.
 *
 * blockmix, blockread: the peers' tasks in a pool that knows how many threads are right,
 * see floor_block.c.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include "floor.h"
#include "shared.h"

#define NR_OPS	   5000000
#define NR_CALLS   500000
#define NR_TRIPS   20000
#define NR_CROSS   5000
#define NR_LINES   200000
#define NR_CHAIN   64
#define STACK_SIZE (1024 * 1024)
#define NR_BURNS   200
#define BURN_NS	   (5 * NSEC_PER_MSEC)
#define MAX_CPUS   1024

static int divide = 1; /* the work, for a trial */

void emit(const char *name, double value)
{
	printf("%s %.4f\n", name, value);
}

int work_size(int n, int least)
{
	return n / divide > least ? n / divide : least;
}

static double atomic_ns(void)
{
	static atomic_ulong word;
	int i, n = NR_OPS / divide;
	uint64_t start = now_ns();

	for (i = 0; i < n; i++)
		atomic_fetch_add(&word, 1);
	return (double)(now_ns() - start) / n;
}

static double clock_ns(void)
{
	int i, n = NR_CALLS / divide;
	uint64_t start = now_ns();

	for (i = 0; i < n; i++)
		thread_cpu_ns();
	return (double)(now_ns() - start) / n;
}

static double trip_us(int cpu, int rounds)
{
	struct partner *p = partner_start(cpu);
	double ns = partner_round_trip(p, rounds);

	partner_stop(p);
	return ns / 1e3;
}

static pthread_attr_t chain_attr;
static struct gate chain_end;

static void *link_thread(void *arg);

static void make_link(intptr_t n)
{
	pthread_t thread;

	if (pthread_create(&thread, &chain_attr, link_thread, (void *)n))
		die("cannot create a thread");
}

/* None ends, or its stack would be the next one's. */
static void *link_thread(void *arg)
{
	static struct gate never;
	intptr_t n = (intptr_t)arg;

	if (n == NR_CHAIN)
		gate_open(&chain_end);
	else
		make_link(n + 1);
	gate_wait(&never);
	return NULL;
}

static double chain_us(void)
{
	uint64_t start;

	pthread_attr_init(&chain_attr);
	pthread_attr_setstacksize(&chain_attr, STACK_SIZE);
	pthread_attr_setdetachstate(&chain_attr, PTHREAD_CREATE_DETACHED);
	start = now_ns();
	make_link(1);
	gate_wait(&chain_end);
	return (double)(now_ns() - start) / 1e3;
}

static atomic_int burns_left;

static void *burn(void *arg)
{
	(void)arg;
	while (atomic_fetch_sub(&burns_left, 1) > 0)
		burn_cpu_ns(BURN_NS);
	return NULL;
}

static void share_cpus(void)
{
	int i, n = nr_cpus(), burns = NR_BURNS / (divide > 1 ? 50 : 1);
	struct rusage before, after;
	pthread_t thread[MAX_CPUS];
	uint64_t start;

	if (n > MAX_CPUS)
		n = MAX_CPUS;
	atomic_store(&burns_left, burns);
	getrusage(RUSAGE_SELF, &before);
	start = now_ns();
	for (i = 0; i < n; i++) {
		if (pthread_create(&thread[i], NULL, burn, NULL))
			die("cannot create a thread");
	}
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	emit("oversub_x", (double)(now_ns() - start) * nr_cpus() /
				  ((double)burns * BURN_NS));
	getrusage(RUSAGE_SELF, &after);
	emit("oversub_switches", (double)(after.ru_nvcsw + after.ru_nivcsw -
					  before.ru_nvcsw - before.ru_nivcsw));
}

/* The chain first: it wants a process that has had no threads. */
static void machine_floor(void)
{
	emit("chain64_us", chain_us());
	share_cpus();
	pin_to(nth_cpu(0));
	emit("atomic_ns", atomic_ns());
	emit("cpuclock_ns", clock_ns());
	emit("futex1_us", trip_us(nth_cpu(0), NR_TRIPS / divide));
	if (nr_cpus() > 1) {
		emit("futex2_us", trip_us(nth_cpu(1), NR_CROSS / divide));
		emit("line_ns", line_round_trip(nth_cpu(1), NR_LINES / divide));
	}
}

static void pingpong1(void)
{
	int i, n = NR_TRIPS / divide;
	static double us[NR_TRIPS];
	struct partner *p = partner_start(nth_cpu(0));

	for (i = 0; i < n; i++)
		us[i] = partner_round_trip(p, 1) / 1e3;
	partner_stop(p);
	sort_doubles(us, (size_t)n);
	emit("p50_us", percentile(us, (size_t)n, 50));
	emit("p99_us", percentile(us, (size_t)n, 99));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (argc == 3 && !strcmp(argv[2], "--quick")) {
		divide = 1000;
	} else if (argc != 2) {
		fputs("Usage: peer-floor floor|pingpong1|blockmix|blockread|"
		      "--list [--quick]\n",
		      stderr);
		return 2;
	}
	if (!strcmp(what, "floor"))
		machine_floor();
	else if (!strcmp(what, "pingpong1"))
		pingpong1();
	else if (!strcmp(what, "blockmix"))
		return floor_blocking(blockmix);
	else if (!strcmp(what, "blockread"))
		return floor_blocking(blockread);
	else if (!strcmp(what, "--list"))
		puts("floor\npingpong1\nblockmix\nblockread");
	else
		return 77;
	return 0;
}
