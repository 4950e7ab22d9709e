/* SPDX-License-Identifier: MIT */
/*
 * blocking.c - tasks that sleep.
 *
 * blocked64: 64 tasks sleep for a second, and an instant one comes behind them. Cold:
 * 1 ms after the 64th was submitted, no thread made before. Warm: once all 64 have
 * started; where that takes more than 70 s the peer cannot do it, and the time
 * is printed. From submitting the instant one to its first statement, and how many
 * threads there are then. Cold also from before the first of the 64: some libraries
 * make their threads while they are submitted, others later.
 *
 * blockmix: 2,000 tasks of 50 us CPU, 1 ms sleep and 50 us CPU. The ideal is the CPU
 * time spread over all CPUs, with all sleep hidden behind it.
 */
#include "shared.h"

#define NR_SLEEPERS 64
#define GIVE_UP_NS  (70 * NSEC_PER_SEC)
#define NR_MIX	    2000
#define MIX_CPU_NS  (50 * NSEC_PER_USEC)
#define MIX_NAP_NS  NSEC_PER_MSEC

static atomic_int started;
static uint64_t nap_ns;

static void sleeper(struct peer_task *task)
{
	(void)task;
	atomic_fetch_add(&started, 1);
	sleep_ns(nap_ns);
}

static uint64_t instant_ran_at;
static int instant_threads;
static struct gate instant_ran;

static void instant(struct peer_task *task)
{
	(void)task;
	instant_ran_at = now_ns();
	instant_threads = threads_now();
	peer_done(&instant_ran);
}

static struct tasks submit_sleepers(void)
{
	struct tasks tasks = tasks_new(NR_SLEEPERS, 0, sleeper);
	int i;

	nap_ns = (uint64_t)work_size(NSEC_PER_SEC, 0);
	for (i = 0; i < NR_SLEEPERS; i++)
		peer_submit(task_at(&tasks, i));
	return tasks;
}

static int submit_instant(void)
{
	struct tasks tasks = tasks_new(1, 0, instant);
	uint64_t start = now_ns();

	peer_submit(task_at(&tasks, 0));
	peer_wait(&instant_ran);
	emit("run_us", (double)(instant_ran_at - start) / 1e3);
	emit("threads", instant_threads);
	return PEER_OK;
}

int blocked64_cold(void)
{
	uint64_t start = now_ns();

	submit_sleepers();
	sleep_ns(NSEC_PER_MSEC);
	submit_instant();
	emit("all_us", (double)(instant_ran_at - start) / 1e3);
	return PEER_OK;
}

int blocked64_warm(void)
{
	uint64_t start = now_ns();

	submit_sleepers();
	while (atomic_load(&started) < NR_SLEEPERS) {
		if (now_ns() - start > GIVE_UP_NS) {
			emit("run_us", (double)(now_ns() - start) / 1e3);
			return PEER_CANNOT;
		}
		sleep_ns(100 * NSEC_PER_USEC);
	}
	return submit_instant();
}

static void mix(struct peer_task *task)
{
	(void)task;
	burn_cpu_ns(MIX_CPU_NS);
	sleep_ns(MIX_NAP_NS);
	burn_cpu_ns(MIX_CPU_NS);
	task_finished();
}

int blockmix(void)
{
	int i, n = work_size(NR_MIX, 8);
	struct tasks tasks = tasks_new(n, 0, mix);

	expect_tasks(n);
	span_begin();
	for (i = 0; i < n; i++)
		peer_submit(task_at(&tasks, i));
	await_tasks();
	emit_span(n, 2 * MIX_CPU_NS, true);
	return PEER_OK;
}
