/* SPDX-License-Identifier: MIT */
/* wq.c - making workqueues: flags, names, the ones that are always there. */
#include "case.h"

static void runs_one(struct workqueue_struct *wq)
{
	struct item *a = item('a');

	RESULT(!!wq, 1);
	if (!wq)
		return;
	RESULT(queue_work(wq, w(a)), 1);
	flush_work(w(a));
	RESULT(starts(a), 1);
}

static void makes_and_runs(struct workqueue_struct *wq)
{
	runs_one(wq);
	destroy_workqueue(wq);
}

CASE(a_percpu_queue, "alloc_workqueue(fmt, flags, max_active, ...)")
{
	makes_and_runs(alloc_workqueue("conf_%d_%s", WQ_PERCPU, 0, 7, "x"));
}

CASE(an_unbound_queue, "WQ_UNBOUND: not bound to any cpu")
{
	makes_and_runs(alloc_workqueue("c", WQ_UNBOUND, 0));
}

CASE(a_highpri_queue, "WQ_HIGHPRI")
{
	makes_and_runs(alloc_workqueue("c", WQ_PERCPU | WQ_HIGHPRI, 0));
	makes_and_runs(alloc_workqueue("c", WQ_UNBOUND | WQ_HIGHPRI, 0));
}

CASE(a_mem_reclaim_queue, "WQ_MEM_RECLAIM")
{
	makes_and_runs(alloc_workqueue("c", WQ_PERCPU | WQ_MEM_RECLAIM, 0));
	makes_and_runs(alloc_workqueue("c", WQ_UNBOUND | WQ_MEM_RECLAIM, 1));
}

CASE(a_cpu_intensive_queue, "WQ_CPU_INTENSIVE")
{
	makes_and_runs(alloc_workqueue("c", WQ_PERCPU | WQ_CPU_INTENSIVE, 0));
}

CASE(a_freezable_queue, "WQ_FREEZABLE")
{
	makes_and_runs(alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0));
	makes_and_runs(alloc_workqueue("c", WQ_UNBOUND | WQ_FREEZABLE, 0));
}

CASE(a_power_efficient_queue, "WQ_POWER_EFFICIENT")
{
	makes_and_runs(alloc_workqueue("c", WQ_PERCPU | WQ_POWER_EFFICIENT, 0));
}

CASE(an_ordered_queue, "alloc_ordered_workqueue(fmt, flags, args...)")
{
	makes_and_runs(alloc_ordered_workqueue("c%d", 0, 1));
	makes_and_runs(alloc_ordered_workqueue("c", WQ_MEM_RECLAIM));
	makes_and_runs(alloc_ordered_workqueue("c", WQ_FREEZABLE));
}

CASE(the_old_macros, "create_workqueue, create_freezable_workqueue, "
		     "create_singlethread_workqueue")
{
	makes_and_runs(create_workqueue("c"));
	makes_and_runs(create_freezable_workqueue("c"));
	makes_and_runs(create_singlethread_workqueue("c"));
}

CASE(the_system_queues_are_always_there, "System queues, always there")
{
	runs_one(system_percpu_wq);
	runs_one(system_highpri_wq);
	runs_one(system_long_wq);
	runs_one(system_dfl_wq);
	runs_one(system_freezable_wq);
	runs_one(system_power_efficient_wq);
	runs_one(system_freezable_power_efficient_wq);
	runs_one(system_dfl_long_wq);
}

CASE(the_old_names_of_system_queues_still_work,
     "system_wq and system_unbound_wq: the same queues under their old names",
     .differs = "4, the old names", .kernel_cannot = SINCE(7, 0))
{
	runs_one(system_wq);
	runs_one(system_unbound_wq);
	RESULT(warned_already(), WORLD(1, 0));
}

CASE(neither_percpu_nor_unbound_warns_and_is_percpu,
     "Neither WQ_PERCPU nor WQ_UNBOUND: warn once, per-CPU",
     .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = alloc_workqueue("c", 0, 1);
	struct item *a = item('a');

	RESULT(!!wq, 1);
	RESULT(warned(), 1);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(atomic_read(&a->cpu), 0);
	destroy_workqueue(wq);
}

CASE(both_percpu_and_unbound_warns_and_is_unbound, "Both: warn, unbound",
     .cpus = 2, .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_UNBOUND, 1);
	struct item *a = held_item('a'), *b = item('b');
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);

	RESULT(!!wq, 1);
	RESULT(warned(), 1);
	/* max_active 1 is for all CPUs: it is no per-CPU workqueue. */
	queue_work_on(world_cpu(0), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	settle(probe, 1);
	RESULT(pending(b), 1);
	release(a);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("ab");
}

CASE(a_long_name_is_cut_with_a_warning,
     "Names longer than 31 are cut, with a warning")
{
	struct workqueue_struct *wq;

	wq = alloc_workqueue("%s", WQ_PERCPU, 0,
			     "a_name_of_31_characters_is_fine");
	RESULT(warned_already(), 0);
	makes_and_runs(wq);
	wq = alloc_workqueue("%s", WQ_PERCPU, 0,
			     "a_name_of_32_characters_is_large");
	RESULT(warned(), 1);
	makes_and_runs(wq);
}

CASE(two_queues_may_have_one_name, "the name is for people")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("c", WQ_PERCPU, 0);

	RESULT(wq != wq2, 1);
	makes_and_runs(wq);
	makes_and_runs(wq2);
}

CASE(an_ordered_queue_is_one_at_a_time_whichever_cpu_queues,
     "an ordered queue: at most one item at any time, in queueing order",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct item *a = held_item('a'), *b = held_item('b'), *c = item('c');

	queue_work_on(world_cpu(0), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	queue_work_on(world_cpu(0), wq, w(c));
	RESULT(pending(b), 1);
	go(a);
	wait_started(b, 1);
	RESULT(pending(c), 1);
	go(b);
	wait_finished(c, 1);
	destroy_workqueue(wq);
	ORDER("abc");
}

CASE(a_queue_with_armed_timers_can_be_destroyed_after_they_are_cancelled,
     "drain does not see armed timers; they are cancelled first")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000));
	RESULT(cancel_delayed_work_sync(dw(a)), 1);
	destroy_workqueue(wq);
	wq = alloc_workqueue("d", WQ_PERCPU, 0);
	RESULT(queue_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 1);
	destroy_workqueue(wq);
}

CASE(an_item_may_move_from_queue_to_queue,
     "an idle item can be queued on any workqueue")
{
	struct workqueue_struct *wq[3];
	struct item *a = item('a');
	int i;

	wq[0] = alloc_workqueue("c", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("d", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("e", 0);
	for (i = 0; i < 9; i++) {
		RESULT(queue_work(wq[i % 3], w(a)), 1);
		flush_workqueue(wq[i % 3]);
	}
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
	RESULT(runs(a), 9);
}
