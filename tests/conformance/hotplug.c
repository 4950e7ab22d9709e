/* SPDX-License-Identifier: MIT */
/*
 * hotplug.c - a CPU that goes and comes back. In the kernel it really does; what a
 * worker's CPU is meanwhile is not recorded.
 */
#include "case.h"

CASE(a_cpu_can_be_taken_away_and_given_back,
     "workqueue_prepare_cpu, workqueue_online_cpu, workqueue_offline_cpu",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(world_offline(), 0);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(world_online(), 0);
	flush_workqueue(wq);
	queue_work_on(world_cpu(1), wq, w(a));
	wait_finished(a, 2);
	RESULT(atomic_read(&a->cpu), 1);
	destroy_workqueue(wq);
}

CASE(items_of_a_cpu_that_goes_are_done,
     "the workers of a CPU that goes away lose their binding and go on",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	queue_work_on(world_cpu(1), wq, w(c));
	RESULT(world_offline(), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	RESULT(work_busy(w(b)), WORK_BUSY_PENDING);
	release(a);
	wait_finished(c, 1);
	flush_workqueue(wq);
	RESULT(world_online(), 0);
	destroy_workqueue(wq);
	ORDER("abc");
}

CASE(an_item_that_runs_while_its_cpu_goes_and_comes_back_goes_on,
     "functions of items go on meanwhile", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	RESULT(world_offline(), 0);
	RESULT(world_online(), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	release(a);
	wait_finished(a, 2);
	RESULT(atomic_read(&a->overlaps), 0);
	RESULT(atomic_read(&a->cpu), 1);
	destroy_workqueue(wq);
}

CASE(items_of_a_cpu_that_went_can_be_cancelled_and_flushed,
     "an item behaves as ever, whatever became of its CPU", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct thread t;

	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	queue_work_on(world_cpu(1), wq, w(c));
	RESULT(world_offline(), 0);
	RESULT(cancel_work(w(b)), 1);
	thread_start(&t, 0, do_flush_work, c);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(world_online(), 0);
	destroy_workqueue(wq);
	ORDER("ac");
}

CASE(an_item_sent_to_a_cpu_that_is_away_runs,
     "queue_work_on an offline CPU: warning, and the item still runs (kernel: "
     "undefined)",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(world_offline(), 0);
	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	wait_finished(a, 1);
	flush_workqueue(wq);
	RESULT(world_online(), 0);
	warned_already();
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(a_timer_of_a_cpu_that_goes_fires,
     "a delayed item runs, whatever became of its CPU", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct item *a = item('a');

	RESULT(queue_delayed_work_on(world_cpu(1), wq, dw(a),
				     msecs_to_jiffies(30)),
	       1);
	RESULT(world_offline(), 0);
	wait_finished(a, 1);
	RESULT(world_online(), 0);
	warned_already();
	destroy_workqueue(wq);
}

CASE(unbound_workqueues_go_on_without_a_cpu,
     "unbound pools use the CPUs that are there", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct workqueue_struct *wq2 = alloc_ordered_workqueue("d", 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	RESULT(world_offline(), 0);
	queue_work(wq2, w(c));
	wait_finished(c, 1);
	release(a);
	wait_finished(b, 1);
	RESULT(world_online(), 0);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("acb");
}
