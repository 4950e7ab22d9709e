/* SPDX-License-Identifier: MIT */
/* system.c - calls around work items: on each CPU, on one, in process context. */
#include "case.h"

static atomic_t on_cpu[2];
static atomic_t others;

static void count_here(struct work_struct *work)
{
	if (current_work() == work)
		atomic_inc(&on_cpu[world_here()]);
	else
		atomic_inc(&others);
}

CASE(schedule_on_each_cpu_runs_once_on_each_and_waits,
     "schedule_on_each_cpu waits for all", .cpus = 2)
{
	int i;

	atomic_set(&on_cpu[0], 0);
	atomic_set(&on_cpu[1], 0);
	for (i = 0; i < 3; i++) {
		RESULT(schedule_on_each_cpu(count_here), 0);
		RESULT(atomic_read(&on_cpu[1]), i + 1);
	}
	/* More CPUs than two are counted as the first. */
	RESULT(atomic_read(&on_cpu[0]) >= 3, 1);
	RESULT(atomic_read(&others), 0);
}

static long where(void *arg)
{
	atomic_inc((atomic_t *)arg);
	return 1000 + world_here();
}

CASE(work_on_cpu_returns_the_functions_long,
     "work_on_cpu returns the function's long", .cpus = 2)
{
	atomic_t calls;

	atomic_set(&calls, 0);
	RESULT(work_on_cpu(world_cpu(1), where, &calls), 1001);
	RESULT(work_on_cpu(world_cpu(0), where, &calls), 1000);
	RESULT(atomic_read(&calls), 2);
}

static long minus_one(void *arg)
{
	(void)arg;
	return -1;
}

CASE(work_on_cpu_returns_negative_values,
     "work_on_cpu returns the function's long")
{
	RESULT(work_on_cpu(world_cpu(0), minus_one, NULL), -1);
}

static long nested(void *arg)
{
	return work_on_cpu(world_cpu(1), where, arg);
}

CASE(work_on_cpu_nests, "work_on_cpu may be called from a work function",
     .cpus = 2)
{
	atomic_t calls;

	atomic_set(&calls, 0);
	RESULT(work_on_cpu(world_cpu(0), nested, &calls), 1001);
	RESULT(atomic_read(&calls), 1);
}

static atomic_t executed;

static void execute(struct work_struct *work)
{
	(void)work;
	atomic_inc(&executed);
}

CASE(in_process_context_the_function_is_called_at_once,
     "execute_in_process_context: 0 if it was executed, 1 if it was scheduled")
{
	static struct execute_work ew;
	int before = atomic_read(&executed);

	RESULT(execute_in_process_context(execute, &ew), 0);
	RESULT(atomic_read(&executed) - before, 1);
}

static struct execute_work from_bh;

static void execute_from_bh(struct item *it)
{
	it->saw[0] = execute_in_process_context(execute, &from_bh);
}

CASE(in_bh_context_the_function_is_scheduled,
     "execute_in_process_context: 0 if it was executed, 1 if it was scheduled")
{
	struct workqueue_struct *wq =
		alloc_workqueue("bh", WQ_BH | WQ_PERCPU, 0);
	struct item *a = item('a');
	int before = atomic_read(&executed);

	a->body = execute_from_bh;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	WAIT(atomic_read(&executed) == before + 1);
	RESULT(a->saw[0], 1);
	destroy_workqueue(wq);
}

static void look_for_rescuer(struct item *it)
{
	it->saw[0] = current_is_workqueue_rescuer();
}

CASE(normal_workers_are_no_rescuers,
     "current_is_workqueue_rescuer: is %current a workqueue rescuer?")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	struct item *a = item('a');

	a->saw[0] = -1;
	a->body = look_for_rescuer;
	RESULT(current_is_workqueue_rescuer(), 0);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 0);
	destroy_workqueue(wq);
}

CASE(unbound_and_percpu_queues_can_be_shown_in_sysfs,
     "workqueue_sysfs_register: make a workqueue visible in sysfs")
{
	struct workqueue_struct *wq = alloc_workqueue("conf_s1", WQ_UNBOUND, 0);
	struct workqueue_struct *wq2 =
		alloc_workqueue("conf_s2", WQ_PERCPU | WQ_SYSFS, 0);
	struct item *a = item('a'), *b = item('b');

	RESULT(!!wq2, 1);
	RESULT(workqueue_sysfs_register(wq), 0);
	queue_work(wq, w(a));
	queue_work(wq2, w(b));
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	STARTED("ab");
}

CASE(an_ordered_queue_can_be_shown_in_sysfs,
     "workqueue_sysfs_register: make a workqueue visible in sysfs")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("conf_s3", 0);
	struct item *a = item('a');

	RESULT(workqueue_sysfs_register(wq), 0);
	queue_work(wq, w(a));
	destroy_workqueue(wq);
	ORDER("a");
}
