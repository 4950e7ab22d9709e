/* SPDX-License-Identifier: MIT */
/*
 * uv.c - the adapter for libuv: uv_queue_work() and uv_timer_t.
 *
 * A loop belongs to a thread: only that thread may submit to it and use its timers,
 * and hears from it that work is done. So each submitting thread has a loop, which it
 * runs while it waits; a task that is to be submitted again is so by the loop, and
 * timers that another thread could use are not there. All loops share one pool, whose
 * size is given as documented: UV_THREADPOOL_SIZE is as many threads as CPUs, and as
 * many more as are expected to block.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "../util.h"
#include "peer.h"

struct peer_task {
	uv_work_t req;
	peer_fn *fn;
	struct gate *opens;
	bool again;
};

struct peer_timer {
	uv_timer_t uv;
	peer_timer_fn *fn;
};

const char *const peer_name = "uv";
const char *const peer_variant = NULL;
const size_t peer_task_size = sizeof(struct peer_task);
const size_t peer_timer_size = sizeof(struct peer_timer);

static _Thread_local uv_loop_t my_loop;
static _Thread_local struct peer_task *current_task;

bool peer_can(const char *scenario)
{
	return strcmp(scenario, "timers_pair") != 0;
}

void peer_open(bool variant, int blocked)
{
	char size[16];

	(void)variant;
	snprintf(size, sizeof(size), "%d", blocked + nr_cpus());
	setenv("UV_THREADPOOL_SIZE", size, 1);
}

void peer_attach(void)
{
	if (uv_loop_init(&my_loop))
		die("uv_loop_init");
}

void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	task->fn = fn;
}

static void run_task(uv_work_t *req)
{
	struct peer_task *task = (struct peer_task *)req;

	current_task = task;
	task->fn(task);
	current_task = NULL;
}

static void after_task(uv_work_t *req, int status)
{
	struct peer_task *task = (struct peer_task *)req;
	struct gate *gate = task->opens;

	(void)status;
	if (gate) {
		task->opens = NULL;
		atomic_store_explicit(&gate->word, 1, memory_order_relaxed);
	} else if (task->again) {
		task->again = false;
		peer_submit(task);
	}
}

void peer_submit(struct peer_task *task)
{
	if (uv_queue_work(&my_loop, &task->req, run_task, after_task))
		die("uv_queue_work");
}

void peer_resubmit(struct peer_task *task)
{
	task->again = true;
}

/* In a timer's function this is the loop's thread already. */
void peer_done(struct gate *gate)
{
	if (current_task)
		current_task->opens = gate;
	else
		atomic_store_explicit(&gate->word, 1, memory_order_relaxed);
}

void peer_wait(struct gate *gate)
{
	while (!atomic_load_explicit(&gate->word, memory_order_relaxed))
		uv_run(&my_loop, UV_RUN_ONCE);
}

void peer_sleep_until(uint64_t ns)
{
	uv_run(&my_loop, UV_RUN_NOWAIT);
	sleep_until(ns);
}

static void timer_ends(uv_timer_t *uv)
{
	struct peer_timer *timer = (struct peer_timer *)uv;

	timer->fn(timer);
}

void peer_timer_init(struct peer_timer *timer, peer_timer_fn *fn)
{
	uv_timer_init(&my_loop, &timer->uv);
	timer->fn = fn;
}

uint64_t peer_timer_arm(struct peer_timer *timer, uint64_t ns)
{
	uint64_t ms = ns / NSEC_PER_MSEC;

	/* Delays are from when the loop last looked at the clock. */
	uv_update_time(&my_loop);
	uv_timer_start(&timer->uv, timer_ends, ms, 0);
	return ms * NSEC_PER_MSEC;
}

void peer_timer_cancel(struct peer_timer *timer)
{
	uv_timer_stop(&timer->uv);
}
