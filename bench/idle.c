/* SPDX-License-Identifier: MIT */
/*
 * idle.c - what the library does when there is nothing to do.
 *
 * Every kind of thread the library has is put to use: bound and unbound
 * workers, sentinels (items that block while others wait), the tick (items
 * longer than a tick), the timer. Then all is flushed, and after half a second
 * to settle the context switches and the CPU time of every thread but the main
 * one are read twice, 10 s apart. The main thread sleeps meanwhile.
 */
#include <math.h>
#include <stdlib.h>
#include <cmwq/workqueue.h>
#include "bench.h"

#define NR_EACH	  32
#define SETTLE_NS (500 * NSEC_PER_MSEC)
#define IDLE_NS	  (10 * NSEC_PER_SEC)

static void sleep_item(struct work_struct *work)
{
	(void)work;
	sleep_ns(2 * NSEC_PER_MSEC);
}

static void burn_item(struct work_struct *work)
{
	(void)work;
	burn_cpu_ns(12 * NSEC_PER_MSEC);
}

static void use(struct workqueue_struct *wq)
{
	struct work_struct work[NR_EACH];
	struct delayed_work dw;
	int i;

	INIT_DELAYED_WORK_ONSTACK(&dw, sleep_item);
	queue_delayed_work(wq, &dw, 3);
	for (i = 0; i < NR_EACH; i++) {
		INIT_WORK_ONSTACK(&work[i], i % 4 ? sleep_item : burn_item);
		queue_work_on(nth_cpu(i % nr_cpus()), wq, &work[i]);
	}
	for (i = 0; i < NR_EACH; i++) {
		flush_work(&work[i]);
		destroy_work_on_stack(&work[i]);
	}
	flush_delayed_work(&dw);
	destroy_delayed_work_on_stack(&dw);
}

int idle(void)
{
	struct workqueue_struct *wq;
	struct usage before, after;

	use(system_percpu_wq);
	use(system_highpri_wq);
	use(system_dfl_wq);
	wq = alloc_workqueue("idle", WQ_UNBOUND, 3);
	use(wq);
	flush_workqueue(wq);
	sleep_ns(SETTLE_NS);
	before = read_usage();
	sleep_ns(IDLE_NS);
	after = read_usage();
	/* A thread that ended meanwhile takes its share with it. */
	emit("switches", (double)llabs(after.switches - before.switches));
	emit("cpu", fabs(after.cpu_us - before.cpu_us));
	emit("threads", after.threads);
	return BENCH_OK;
}
