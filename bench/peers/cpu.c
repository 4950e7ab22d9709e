/* SPDX-License-Identifier: MIT */
/*
 * cpu.c - more tasks than CPUs, all of which compute.
 *
 * 200 tasks of 5 ms on the CPU clock of their thread. Makespan over the ideal, and
 * the context switches, wanted or not, of the process meanwhile. With a quota of CPU
 * time the ideal is another, which whoever set the quota knows.
 */
#include <sys/resource.h>
#include "shared.h"

#define NR_BURNERS 200
#define BURN_NS	   (5 * NSEC_PER_MSEC)

static void burner(struct peer_task *task)
{
	(void)task;
	burn_cpu_ns(BURN_NS);
	task_finished();
}

static double switches(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (double)(ru.ru_nvcsw + ru.ru_nivcsw);
}

int oversub(void)
{
	int i, n = work_size(NR_BURNERS, 4);
	struct tasks tasks = tasks_new(n, 0, burner);
	double before = switches();

	expect_tasks(n);
	span_begin();
	for (i = 0; i < n; i++)
		peer_submit(task_at(&tasks, i));
	await_tasks();
	emit_span(n, BURN_NS, false);
	emit("switches", switches() - before);
	return PEER_OK;
}
