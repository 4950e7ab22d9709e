/* SPDX-License-Identifier: MIT */
/*
 * cm.c - concurrency management: what starts while something else runs. What waits
 * is queued by the running item itself, so nothing depends on how fast it is.
 */
#include "case.h"

CASE(a_blocked_item_lets_the_next_one_start,
     "when the last running worker goes to sleep, it immediately schedules a "
     "new "
     "worker so that the CPU does not sit idle")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	queue_work(wq, w(b));
	wait_finished(b, 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(an_item_behind_many_blocked_ones_starts,
     "an item starts although any number of others sleep")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *it[24], *z = item('z');
	int i;

	for (i = 0; i < 24; i++) {
		it[i] = held_item((char)('a' + i));
		queue_work(wq, w(it[i]));
	}
	queue_work(wq, w(z));
	wait_finished(z, 1);
	for (i = 0; i < 24; i++)
		release(it[i]);
	destroy_workqueue(wq);
	ORDER("abcdefghijklmnopqrstuvwxz");
}

static void queue_here(struct item *it)
{
	queue_work(it->wq, w(it->other));
}

static void queue_here_and_end(struct item *it)
{
	queue_here(it);
	trace('-');
}

static void behind_a_running_item(struct workqueue_struct *wq,
				  struct workqueue_struct *wq2)
{
	struct item *a = item('a'), *b = item('b');

	a->wq = wq2;
	a->other = b;
	a->body = queue_here_and_end;
	queue_work(wq, w(a));
	wait_finished(b, 1);
	destroy_workqueue(wq);
	if (wq2 != wq)
		destroy_workqueue(wq2);
	ORDER("a-b");
}

CASE(an_item_waits_while_another_runs_on_its_cpu,
     "as long as there are one or more runnable workers on the CPU, the "
     "worker-pool "
     "does not start execution of a new work")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);

	behind_a_running_item(wq, wq);
}

CASE(an_item_waits_for_that_of_another_queue_on_its_cpu,
     "the worker pool of a CPU is shared by its workqueues")
{
	behind_a_running_item(alloc_workqueue("c", WQ_PERCPU, 0),
			      alloc_workqueue("d", WQ_PERCPU, 0));
}

CASE(a_cpu_intensive_item_waits_behind_a_running_one_to_start,
     "WQ_CPU_INTENSIVE exempts an item once it runs; it waits behind a running "
     "normal item to start")
{
	behind_a_running_item(alloc_workqueue("c", WQ_PERCPU, 0),
			      alloc_workqueue("d", WQ_PERCPU | WQ_CPU_INTENSIVE,
					      0));
}

static void spin_for_other(struct item *it)
{
	queue_here(it);
	it->saw[0] = spin_until(&it->flag);
}

static void let_other_go(struct item *it)
{
	atomic_set(&it->other->flag, 1);
}

/* a spins until b, which it queues itself, has started. */
static void start_beside(struct workqueue_struct *wq,
			 struct workqueue_struct *wq2)
{
	struct item *a = item('a'), *b = item('b');

	a->wq = wq2;
	a->other = b;
	b->other = a;
	a->body = spin_for_other;
	b->body = let_other_go;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 1);
	destroy_workqueue(wq);
	if (wq2 != wq)
		destroy_workqueue(wq2);
	ORDER("ab");
}

CASE(a_running_cpu_intensive_item_holds_up_nobody,
     "WQ_CPU_INTENSIVE: work items of a CPU intensive wq do not contribute to "
     "the "
     "concurrency level")
{
	start_beside(alloc_workqueue("c", WQ_PERCPU | WQ_CPU_INTENSIVE, 0),
		     alloc_workqueue("d", WQ_PERCPU, 0));
}

CASE(cpu_intensive_items_run_side_by_side,
     "WQ_CPU_INTENSIVE exempts an item once it runs")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_CPU_INTENSIVE, 0);

	start_beside(wq, wq);
}

CASE(a_cpu_hog_holds_up_others_only_for_a_while,
     "cpu_intensive_thresh_us: an item that runs longer without sleeping is "
     "treated "
     "as WQ_CPU_INTENSIVE",
     .param = "cmwq.tick")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);

	start_beside(wq, wq);
}

CASE(a_highpri_item_does_not_wait_for_a_normal_one,
     "normal and highpri worker-pools do not interact with each other")
{
	start_beside(alloc_workqueue("c", WQ_PERCPU, 0),
		     alloc_workqueue("d", WQ_PERCPU | WQ_HIGHPRI, 0));
}

CASE(a_normal_item_does_not_wait_for_a_highpri_one,
     "normal and highpri worker-pools do not interact with each other",
     .kernel_cannot =
	     "a spinning worker of nice -20 would starve the other's pool")
{
	start_beside(alloc_workqueue("c", WQ_PERCPU | WQ_HIGHPRI, 0),
		     alloc_workqueue("d", WQ_PERCPU, 0));
}

CASE(an_unbound_item_does_not_wait_for_a_bound_one,
     "WQ_UNBOUND: simple execution context provider without concurrency "
     "management")
{
	start_beside(alloc_workqueue("c", WQ_PERCPU, 0),
		     alloc_workqueue("d", WQ_UNBOUND, 0));
}

CASE(a_bound_item_does_not_wait_for_an_unbound_one,
     "WQ_UNBOUND: simple execution context provider without concurrency "
     "management")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_UNBOUND, 0);

	b->other = a;
	a->body = spin_for_other;
	a->wq = wq;
	a->other = b;
	b->body = let_other_go;
	queue_work(wq2, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 1);
	destroy_workqueue(wq2);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(unbound_items_run_side_by_side,
     "unbound items start as soon as possible up to max_active", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);

	start_beside(wq, wq);
}

static void queue_on_other_cpu(struct item *it)
{
	queue_work_on(world_cpu(1), it->wq, w(it->other));
	it->saw[0] = spin_until(&it->flag);
}

CASE(a_running_item_holds_up_only_its_own_cpu,
     "each CPU has worker-pools of its own", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	a->wq = wq;
	a->other = b;
	b->other = a;
	a->body = queue_on_other_cpu;
	b->body = let_other_go;
	queue_work_on(world_cpu(0), wq, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 1);
	RESULT(atomic_read(&b->cpu), 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

static void describe(struct item *it)
{
	set_worker_desc("%s %d and more than thirty-two characters", "item", 1);
	it->saw[0] = 1;
}

CASE(a_worker_can_be_described_from_anywhere,
     "set_worker_desc: no effect outside of a work function; WORKER_DESC_LEN "
     "32")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(WORKER_DESC_LEN, 32);
	set_worker_desc("nobody");
	a->body = describe;
	queue_work(wq, w(a));
	destroy_workqueue(wq);
	RESULT(a->saw[0], 1);
}
