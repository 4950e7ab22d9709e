/* SPDX-License-Identifier: MIT */
/*
 * latency.c - how long it takes until a task has run.
 *
 * pingpong: submit a task, which wakes the thread that submitted it, 20,000 times or
 * for 20 seconds. The program does not pin anything; for pingpong1 it is started on
 * one CPU.
 *
 * burst: every 10 ms for 10 s, on an absolute timetable, a thousand tasks of 1 us, a
 * thousand of 5 us and a hundred of 100 us CPU, in this order and at once. That is
 * 16 ms of CPU time. A task's latency is its end minus the time at which its burst
 * was due, so a late burst counts against whoever made it late.
 */
#include <stdio.h>
#include <stdlib.h>
#include "shared.h"

#define NR_TRIPS  20000
#define WARM_UP	  100
#define TRIPS_NS  (20 * NSEC_PER_SEC)
#define PERIOD_NS (10 * NSEC_PER_MSEC)
#define PERIODS	  1000

static struct gate pong;

static void answer(struct peer_task *task)
{
	(void)task;
	peer_done(&pong);
}

static double trip_us(struct peer_task *task)
{
	uint64_t start = now_ns();

	gate_reset(&pong);
	peer_submit(task);
	peer_wait(&pong);
	return (double)(now_ns() - start) / 1e3;
}

int pingpong(void)
{
	struct tasks tasks = tasks_new(1, 0, answer);
	int i, n = work_size(NR_TRIPS, 20);
	static double us[NR_TRIPS];
	uint64_t until;

	for (i = 0; i < work_size(WARM_UP, 1); i++)
		trip_us(task_at(&tasks, 0));
	until = now_ns() + TRIPS_NS;
	for (i = 0; i < n && now_ns() < until; i++)
		us[i] = trip_us(task_at(&tasks, 0));
	emit_percentiles(us, (size_t)i, "");
	return PEER_OK;
}

static const struct kind {
	int n;
	uint64_t ns;
} kinds[] = {
	{ 1000, 1000 },
	{ 1000, 5000 },
	{ 100, 100000 },
};

#define NR_BURST 2100

struct load {
	uint64_t due;
	uint32_t ns;
	float us; /* the result */
};

static void carry(struct peer_task *task)
{
	struct load *load = task_data(task);

	spin_ns(load->ns);
	load->us = (float)((double)(now_ns() - load->due) / 1e3);
	count_task();
}

static void fill(const struct tasks *tasks, int period)
{
	int i, n = period * NR_BURST;
	size_t kind;

	for (kind = 0; kind < ARRAY_SIZE(kinds); kind++) {
		for (i = 0; i < kinds[kind].n; i++) {
			struct load *load = task_data(task_at(tasks, n++));

			load->ns = (uint32_t)kinds[kind].ns;
		}
	}
}

static void send(const struct tasks *tasks, int period, uint64_t due)
{
	int i, n = period * NR_BURST;
	struct load *load;

	for (i = n; i < n + NR_BURST; i++) {
		load = task_data(task_at(tasks, i));
		load->due = due;
		peer_submit(task_at(tasks, i));
	}
}

static void emit_loads(const struct tasks *tasks)
{
	size_t n = (size_t)tasks->n, i;
	double *us = malloc(n * sizeof(*us));

	if (!us)
		die("no memory");
	for (i = 0; i < n; i++)
		us[i] = (double)((struct load *)task_data(
					 task_at(tasks, (int)i)))
				->us;
	emit_percentiles(us, n, "");
	emit("p999_us", percentile(us, n, 99.9));
	emit("max_us", us[n - 1]);
	free(us);
}

int burst(void)
{
	int i, periods = work_size(PERIODS, 2);
	struct tasks tasks =
		tasks_new(periods * NR_BURST, sizeof(struct load), carry);
	uint64_t start;

	for (i = 0; i < periods; i++)
		fill(&tasks, i);
	start = now_ns() + PERIOD_NS;
	for (i = 0; i < periods; i++) {
		peer_sleep_until(start + (uint64_t)i * PERIOD_NS);
		send(&tasks, i, start + (uint64_t)i * PERIOD_NS);
	}
	await_count((uint64_t)tasks.n, NSEC_PER_MSEC);
	emit_loads(&tasks);
	return PEER_OK;
}
