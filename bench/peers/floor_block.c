/* SPDX-License-Identifier: MIT */
/*
 * floor_block.c - what tasks that block take at best: the condition variable's pool,
 * which is told how many threads are right.
 *
 * Nobody has to find out who sleeps, or to wake or make a thread when one does: all are
 * there before the clock starts, and take one task after the other. What is left over
 * the ideal is the system's: that it takes CPU time to sleep and to wake up, and
 * has CPUs idle by chance. The tasks are those that the peers run.
 *
 * How many are right is found by trying: each number in a process of its own, all of
 * them in turn, some times over. Of their medians the best makespan counts, and as its
 * threads the fewest that come within 1 % of it. "few_x" is the makespan with as many as
 * "blockmix" allows: 11 for each CPU, since a task sleeps for 1 ms of 1.1, and two.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "condvar.h"
#include "floor.h"
#include "shared.h"

#define ROUNDS	    3
#define FEW_PER_CPU 11
#define FEW_MORE    2
#define AS_GOOD	    1.01

/* Threads for each CPU; 0: those that are allowed. */
static const int per_cpu[] = { 4, 8, 10, 0, 14, 16, 20, 24, 32 };

struct
try {
	double makespan_x[ROUNDS], cpu_x[ROUNDS], peak_threads;
};

/* In a child whose standard output is a pipe. Ends as the peers do, see main.c. */
static void run_child(int (*scenario)(void), int threads)
{
	int rc;

	condvar_start(threads);
	rc = scenario();
	emit("peak_threads", threads_now());
	if (fflush(stdout))
		rc = PEER_FAILED;
	_exit(rc);
}

static void read_values(FILE *from, struct try *t, int round)
{
	char name[32];
	double value;

	while (fscanf(from, "%31s %lf", name, &value) == 2) {
		if (!strcmp(name, "makespan_x"))
			t->makespan_x[round] = value;
		else if (!strcmp(name, "cpu_x"))
			t->cpu_x[round] = value;
		else if (!strcmp(name, "peak_threads"))
			t->peak_threads = value;
	}
}

/* Returns what the scenario returned. */
static int try_once(int (*scenario)(void), int threads, struct try *t,
		    int round)
{
	int ends[2], status;
	pid_t pid;
	FILE *from;

	fflush(stdout);
	if (pipe(ends))
		die("no pipe");
	pid = fork();
	if (pid < 0)
		die("no process");
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		close(ends[0]);
		close(ends[1]);
		run_child(scenario, threads);
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	if (!from)
		die("no memory");
	read_values(from, t, round);
	fclose(from);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		die("with %d threads it did not end well", threads);
	return WEXITSTATUS(status);
}

static int threads_of(size_t i)
{
	return per_cpu[i] ? per_cpu[i] * nr_cpus()
			  : FEW_PER_CPU * nr_cpus() + FEW_MORE;
}

static void judge(struct try *t, size_t n)
{
	double x[ARRAY_SIZE(per_cpu)], best = 0;
	size_t i;

	for (i = 0; i < n; i++) {
		x[i] = median_of(t[i].makespan_x, ROUNDS);
		if (!i || x[i] < best)
			best = x[i];
		if (!per_cpu[i])
			emit("few_x", x[i]);
	}
	emit("makespan_x", best);
	for (i = 0; x[i] > best * AS_GOOD;)
		i++;
	emit("cpu_x", median_of(t[i].cpu_x, ROUNDS));
	emit("peak_threads", t[i].peak_threads);
}

int floor_blocking(int (*scenario)(void))
{
	static struct try tries[ARRAY_SIZE(per_cpu)];
	size_t i;
	int round, rc;

	for (round = 0; round < ROUNDS; round++) {
		for (i = 0; i < ARRAY_SIZE(per_cpu); i++) {
			rc = try_once(scenario, threads_of(i), &tries[i],
				      round);
			if (rc != PEER_OK)
				return rc;
		}
	}
	judge(tries, ARRAY_SIZE(per_cpu));
	return PEER_OK;
}
