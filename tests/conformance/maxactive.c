/* SPDX-License-Identifier: MIT */
/* maxactive.c - how many items of a workqueue run at once. */
#include "case.h"

/* Queue n held items and say how many have started. */
static int start_some(struct workqueue_struct *wq,
		      struct workqueue_struct *probe, struct item **it, int n)
{
	int i, started = 0;

	for (i = 0; i < n; i++) {
		it[i] = held_item((char)('a' + i));
		queue_work(wq, w(it[i]));
	}
	settle(probe, 0);
	for (i = 0; i < n; i++)
		started += !pending(it[i]);
	return started;
}

static void end_all(struct workqueue_struct *wq, struct workqueue_struct *probe,
		    struct item **it, int n)
{
	int i;

	for (i = 0; i < n; i++)
		release(it[i]);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
}

static int count_started(struct workqueue_struct *probe, struct item **it,
			 int n)
{
	int i, started = 0;

	settle(probe, 0);
	for (i = 0; i < n; i++)
		started += !pending(it[i]);
	return started;
}

CASE(max_active_1_runs_one_at_a_time,
     "max_active: the maximum number of execution contexts per CPU")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[4];

	RESULT(start_some(wq, probe, it, 4), 1);
	go(it[0]);
	wait_started(it[1], 1);
	RESULT(count_started(probe, it, 4), 2);
	end_all(wq, probe, it, 4);
	ORDER("abcd");
}

CASE(max_active_3_runs_three_at_a_time,
     "max_active: the maximum number of execution contexts per CPU")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 3);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[5];

	RESULT(start_some(wq, probe, it, 5), 3);
	go(it[1]);
	wait_started(it[3], 1);
	RESULT(count_started(probe, it, 5), 4);
	end_all(wq, probe, it, 5);
	ORDER("abcde");
}

CASE(max_active_of_a_percpu_queue_is_per_cpu,
     "max_active: per CPU for per-CPU queues; max_active 1 is not ordered "
     "across "
     "CPUs",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = held_item('b');

	queue_work_on(world_cpu(0), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	wait_started(b, 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	release(b);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(max_active_of_an_unbound_queue_is_for_all_cpus,
     "for unbound ones shared out over NUMA nodes", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);
	struct item *a = held_item('a'), *b = held_item('b');

	queue_work_on(world_cpu(0), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	settle(probe, 1);
	RESULT(pending(b), 1);
	release(a);
	wait_started(b, 1);
	release(b);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("ab");
}

CASE(max_active_0_is_the_default_of_1024, "max_active 0 means 1024",
     .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[20];

	RESULT(WQ_DFL_ACTIVE, 1024);
	RESULT(WQ_MAX_ACTIVE, 2048);
	RESULT(start_some(wq, probe, it, 20), 20);
	end_all(wq, probe, it, 20);
}

CASE(negative_max_active_is_1_with_a_warning,
     "Negative max_active gives 1; clamped to 1..2048 with a warning")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, -5);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[3];

	RESULT(warned(), 1);
	RESULT(start_some(wq, probe, it, 3), 1);
	end_all(wq, probe, it, 3);
	ORDER("abc");
}

CASE(max_active_beyond_2048_is_clamped_with_a_warning,
     "clamped to 1..2048 with a warning")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 2049);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 2048);
	struct item *a = item('a');

	RESULT(!!wq, 1);
	RESULT(warned(), 1);
	RESULT(!!wq2, 1);
	RESULT(warned_already(), 0);
	queue_work(wq, w(a));
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("a");
}

CASE(raising_max_active_starts_waiting_items_at_once_in_order,
     "raising it starts inactive ones at once, in order")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[5];

	RESULT(start_some(wq, probe, it, 5), 1);
	workqueue_set_max_active(wq, 3);
	RESULT(count_started(probe, it, 5), 3);
	workqueue_set_max_active(wq, 5);
	RESULT(count_started(probe, it, 5), 5);
	end_all(wq, probe, it, 5);
	ORDER("abcde");
}

CASE(lowering_max_active_lets_running_items_finish,
     "Lowering max_active lets running items finish")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 3);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[5];

	RESULT(start_some(wq, probe, it, 5), 3);
	workqueue_set_max_active(wq, 1);
	RESULT(count_started(probe, it, 5), 3);
	go(it[0]);
	wait_idle(it[0]);
	RESULT(count_started(probe, it, 5), 3);
	go(it[1]);
	wait_idle(it[1]);
	RESULT(count_started(probe, it, 5), 3);
	go(it[2]);
	wait_started(it[3], 1);
	RESULT(count_started(probe, it, 5), 4);
	end_all(wq, probe, it, 5);
	ORDER("abcde");
}

CASE(set_max_active_0_is_1, "workqueue_set_max_active(0) gives 1 too")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 2);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *it[3];

	workqueue_set_max_active(wq, 0);
	RESULT(warned(), 1);
	RESULT(start_some(wq, probe, it, 3), 1);
	end_all(wq, probe, it, 3);
	ORDER("abc");
}

CASE(set_max_active_of_an_ordered_queue_warns_and_changes_nothing,
     "set_max_active on an ordered queue warns, does nothing")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct workqueue_struct *probe = alloc_ordered_workqueue("p", 0);
	struct item *it[3];

	workqueue_set_max_active(wq, 3);
	RESULT(warned(), 1);
	RESULT(start_some(wq, probe, it, 3), 1);
	end_all(wq, probe, it, 3);
	ORDER("abc");
}

CASE(raising_max_active_of_an_unbound_queue_starts_waiting_items,
     "raising it starts inactive ones at once")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);
	struct item *it[4];

	RESULT(start_some(wq, probe, it, 4), 1);
	workqueue_set_max_active(wq, 3);
	wait_started(it[2], 1);
	RESULT(count_started(probe, it, 4), 3);
	end_all(wq, probe, it, 4);
	STARTED("abcd");
}

CASE(after_raising_max_active_a_new_unbound_item_starts_at_once,
     "raising it starts inactive ones at once",
     .differs = "1, in line for a node's share")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);
	struct item *a = held_item('a'), *b = held_item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(a));
	workqueue_set_max_active(wq, 4);
	queue_work(wq, w(b));
	settle(probe, 0);
	RESULT(pending(b), WORLD(1, 0));
	release(a);
	release(b);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	STARTED("aab");
}

CASE(waiting_items_of_an_unbound_queue_start_in_order,
     "raising it starts inactive ones in order; unbound queues have one limit "
     "for all "
     "CPUs",
     .cpus = 2, .differs = "5, turns of the CPUs")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct item *d = item('d');

	queue_work_on(world_cpu(0), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(0), wq, w(b));
	queue_work_on(world_cpu(0), wq, w(c));
	queue_work_on(world_cpu(1), wq, w(d));
	release(a);
	destroy_workqueue(wq);
	ORDER(WORLD("abdc", "abcd"));
}

CASE(two_queues_have_limits_of_their_own,
     "max_active is of a workqueue, not of the pool that its items share")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = held_item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq2, w(b));
	wait_started(b, 1);
	release(a);
	release(b);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("ab");
}

CASE(a_queue_with_waiting_items_is_congested,
     "workqueue_congested: whether the workqueue is congested on that CPU")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	RESULT(workqueue_congested(WORK_CPU_UNBOUND, wq), 0);
	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(workqueue_congested(world_cpu(0), wq), 0);
	queue_work(wq, w(b));
	RESULT(workqueue_congested(world_cpu(0), wq), 1);
	RESULT(workqueue_congested(WORK_CPU_UNBOUND, wq), 1);
	release(a);
	wait_finished(b, 1);
	flush_workqueue(wq);
	RESULT(workqueue_congested(world_cpu(0), wq), 0);
	destroy_workqueue(wq);
}

CASE(one_cpu_is_congested_and_the_other_is_not,
     "workqueue_congested is about one CPU", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	queue_work_on(world_cpu(1), wq, w(b));
	RESULT(workqueue_congested(world_cpu(0), wq), 0);
	RESULT(workqueue_congested(world_cpu(1), wq), 1);
	release(a);
	destroy_workqueue(wq);
}

CASE(min_active_of_a_percpu_queue_warns,
     "workqueue_set_min_active is for unbound workqueues that are not ordered")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 4);
	struct workqueue_struct *wq2 = alloc_ordered_workqueue("d", 0);
	struct item *a = item('a');

	workqueue_set_min_active(wq, 2);
	RESULT(warned(), 1);
	queue_work(wq, w(a));
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("a");
}

CASE(min_active_of_an_unbound_queue_can_be_set,
     "each NUMA node gets at least min_active (8 or max_active)")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 2);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);
	struct item *it[3];

	RESULT(WQ_DFL_MIN_ACTIVE, 8);
	workqueue_set_min_active(wq, 1);
	workqueue_set_min_active(wq, 100);
	workqueue_set_min_active(wq, 0);
	RESULT(start_some(wq, probe, it, 3), 2);
	end_all(wq, probe, it, 3);
	STARTED("abc");
}

CASE(an_item_that_ends_lets_the_next_one_start_before_itself_again,
     "items held up by max_active start in queueing order")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = held_item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	queue_work(wq, w(a));
	go(a);
	wait_started(b, 1);
	RESULT(starts(a), 1);
	release(b);
	release(a);
	destroy_workqueue(wq);
	ORDER("aba");
}
