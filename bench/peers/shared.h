/* SPDX-License-Identifier: MIT */
/*
 * shared.h - what the scenarios share among themselves; adapters do not use it.
 */
#ifndef CMWQ_PEERS_SHARED_H
#define CMWQ_PEERS_SHARED_H

#include "../util.h"
#include "peer.h"

/*
 * An array of tasks, each followed by @data bytes of the scenario's own, initialised
 * and so paged in.
 */
struct tasks {
	char *base;
	size_t stride;
	int n;
};

struct tasks tasks_new(int n, size_t data, peer_fn *fn);
void tasks_free(struct tasks *tasks);
struct peer_task *task_at(const struct tasks *tasks, int i);
void *task_data(struct peer_task *task);

/*
 * Tasks that have run. Each adds one to a counter of the thread it runs on; no cache
 * line is shared between threads.
 */
void count_task(void);
uint64_t tasks_counted(void);
/* Until so many have been counted, looking every 20 us or, longer, @ns. */
void await_count(uint64_t n, uint64_t ns);

/*
 * For tasks that are long enough for a shared count: @n are expected, the last one to
 * finish opens a gate.
 */
void expect_tasks(int n);
void task_finished(void);
void await_tasks(void);

/* Uses so much CPU time, on the monotonic clock. */
void spin_ns(uint64_t ns);

/*
 * From when tasks of @task_ns CPU time each are submitted until all have run: the
 * makespan over the ideal, which is that time spread over all CPUs. For tasks that
 * block also the CPU time of the process over that: blocking takes CPU time in the
 * kernel, which nobody can hide.
 */
void span_begin(void);
void emit_span(int n, uint64_t task_ns, bool blocking);

/* Threads of the process, the main one excluded. */
int threads_now(void);

void emit_percentiles(double *v, size_t n, const char *prefix);

int submit1(void);
int submit2(void);
int submit4(void);
int chain(void);
int startup(void);
int pingpong(void);
int burst(void);
int blocked64_cold(void);
int blocked64_warm(void);
int blockmix(void);
int blockread(void);
int oversub(void);
int timers_pair(void);
int timers_late(void);
int idle(void);
int memory_used(void);

#endif
