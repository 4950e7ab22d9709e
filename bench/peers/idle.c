/* SPDX-License-Identifier: MIT */
/*
 * idle.c - what is left when there is nothing to do.
 *
 * Tasks that sleep, tasks that compute for longer than a tick, and a timer are run;
 * after half a second to settle, 10 s are watched: context switches and CPU time of
 * all threads but the main one, which sleeps. Memory is that of the whole process,
 * to be compared with that of one that did nothing ("empty_mem").
 */
#include <math.h>
#include <stdlib.h>
#include "shared.h"

#define NR_EACH	  16
#define NAP_NS	  (2 * NSEC_PER_MSEC)
#define BURN_NS	  (12 * NSEC_PER_MSEC)
#define ALARM_NS  (3 * NSEC_PER_MSEC)
#define SETTLE_MS 500
#define IDLE_MS	  10000

static void nap(struct peer_task *task)
{
	(void)task;
	sleep_ns(NAP_NS);
	task_finished();
}

static void burn(struct peer_task *task)
{
	(void)task;
	burn_cpu_ns(BURN_NS);
	task_finished();
}

static struct gate rang;

static void ring(struct peer_timer *timer)
{
	(void)timer;
	peer_done(&rang);
}

static void use_timer(void)
{
	struct peer_timer *timer = calloc(1, peer_timer_size);

	if (!timer)
		die("no memory");
	peer_timer_init(timer, ring);
	peer_timer_arm(timer, ALARM_NS);
	peer_wait(&rang);
	free(timer);
}

static void use(void)
{
	struct tasks naps = tasks_new(NR_EACH, 0, nap);
	struct tasks burns = tasks_new(NR_EACH, 0, burn);
	int i;

	expect_tasks(2 * NR_EACH);
	for (i = 0; i < NR_EACH; i++) {
		peer_submit(task_at(&naps, i));
		peer_submit(task_at(&burns, i));
	}
	await_tasks();
	if (peer_timer_arm)
		use_timer();
}

int idle(void)
{
	struct usage before, after;

	use();
	peer_sleep_until(now_ns() +
			 (uint64_t)work_size(SETTLE_MS, 10) * NSEC_PER_MSEC);
	before = read_usage();
	sleep_ns((uint64_t)work_size(IDLE_MS, 10) * NSEC_PER_MSEC);
	after = read_usage();
	emit("threads", after.threads);
	/* A thread that ended meanwhile takes its share with it. */
	emit("switches", (double)llabs(after.switches - before.switches));
	emit("cpu_us", fabs(after.cpu_us - before.cpu_us));
	memory_used();
	return PEER_OK;
}
