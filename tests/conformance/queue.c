/* SPDX-License-Identifier: MIT */
/*
 * queue.c - queueing: what it returns in each state of the item, what order items
 * start in, and on which CPU.
 */
#include "case.h"

CASE(queueing_an_idle_item_is_true_and_runs_it_once,
     "queue_work: true if it was queued")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(queue_work(wq, w(a)), 1);
	wait_finished(a, 1);
	flush_workqueue(wq);
	RESULT(runs(a), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(queueing_a_pending_item_is_false_and_adds_no_run,
     "queue_work returns false if the item was already on a queue")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(queue_work(wq, w(b)), 0);
	RESULT(queue_work_on(world_cpu(0), wq, w(b)), 0);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(b), 1);
	ORDER("ab");
}

CASE(a_running_item_can_be_queued_once_more,
     "PENDING is cleared before the function runs: from then on the item can "
     "be "
     "queued again")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(work_pending(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 1);
	RESULT(queue_work(wq, w(a)), 0);
	release(a);
	destroy_workqueue(wq);
	ORDER("aa");
	RESULT(atomic_read(&a->overlaps), 0);
}

static void requeue_twice(struct item *it)
{
	int n = starts(it);

	it->saw[0] += work_pending(w(it));
	if (n <= 2)
		it->saw[n] = queue_work(it->wq, w(it));
}

CASE(an_item_may_queue_itself,
     "the item can be queued again, also by itself; it is not pending in its "
     "function")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	a->wq = wq;
	a->body = requeue_twice;
	RESULT(queue_work(wq, w(a)), 1);
	wait_finished(a, 3);
	destroy_workqueue(wq);
	RESULT(a->saw[0], 0);
	RESULT(a->saw[1], 1);
	RESULT(a->saw[2], 1);
	ORDER("aaa");
}

CASE(an_unbound_item_may_queue_itself,
     "the item can be queued again, also by itself")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct item *a = item('a');

	a->wq = wq;
	a->body = requeue_twice;
	RESULT(queue_work(wq, w(a)), 1);
	wait_finished(a, 3);
	destroy_workqueue(wq);
	RESULT(a->saw[1], 1);
	RESULT(a->saw[2], 1);
	RESULT(atomic_read(&a->overlaps), 0);
	ORDER("aaa");
}

struct mortal {
	struct work_struct work;
	struct completion *dead;
};

static void free_itself(struct work_struct *work)
{
	struct mortal *m = (struct mortal *)work;
	struct completion *dead = m->dead;

	kfree(m);
	complete(dead);
}

CASE(an_item_may_free_itself,
     "from the start of its function on the item can also be freed by itself")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct completion dead;
	struct mortal *m;
	int i;

	init_completion(&dead);
	for (i = 0; i < 20; i++) {
		m = kzalloc(sizeof(*m), GFP_KERNEL);
		m->dead = &dead;
		INIT_WORK(&m->work, free_itself);
		if (!queue_work(wq, &m->work))
			break;
		wait_for_completion(&dead);
	}
	RESULT(i, 20);
	flush_workqueue(wq);
	destroy_workqueue(wq);
}

static void queue_five(struct workqueue_struct *wq)
{
	struct item *it[5];
	int i;

	for (i = 0; i < 5; i++)
		it[i] = item((char)('a' + i));
	for (i = 0; i < 5; i++)
		queue_work(wq, w(it[i]));
	for (i = 0; i < 5; i++)
		wait_finished(it[i], 1);
	destroy_workqueue(wq);
	ORDER("abcde");
}

CASE(items_of_a_cpu_start_in_queueing_order,
     "a worker pool starts its items in the order in which they were queued")
{
	queue_five(alloc_workqueue("c", WQ_PERCPU, 0));
}

CASE(items_of_a_highpri_queue_start_in_queueing_order,
     "WQ_HIGHPRI: a pool of its own per CPU, in the order of queueing")
{
	queue_five(alloc_workqueue("c", WQ_PERCPU | WQ_HIGHPRI, 0));
}

CASE(items_of_an_ordered_queue_start_in_queueing_order,
     "alloc_ordered_workqueue: at most one at a time, in the order of queueing")
{
	queue_five(alloc_ordered_workqueue("c", 0));
}

CASE(an_item_runs_on_the_cpu_that_queues_it,
     "queue_work: queued on the CPU on which it was submitted")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(queue_work(wq, w(a)), 1);
	wait_finished(a, 1);
	RESULT(atomic_read(&a->cpu), 0);
	destroy_workqueue(wq);
}

static long queue_it(void *arg)
{
	struct item *it = arg;

	return queue_work(it->wq, w(it));
}

CASE(an_item_queued_by_a_thread_of_another_cpu_runs_there,
     "queue_work: queued on the CPU on which it was submitted", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	struct thread t;

	a->wq = wq;
	thread_start(&t, 1, queue_it, a);
	RESULT(thread_join(&t), 1);
	wait_finished(a, 1);
	RESULT(atomic_read(&a->cpu), 1);
	destroy_workqueue(wq);
}

CASE(queue_work_on_chooses_the_cpu, "queue_work_on: queue work on specific cpu",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	RESULT(queue_work_on(world_cpu(0), wq, w(b)), 1);
	wait_finished(a, 1);
	wait_finished(b, 1);
	RESULT(atomic_read(&a->cpu), 1);
	RESULT(atomic_read(&b->cpu), 0);
	destroy_workqueue(wq);
}

CASE(a_running_item_queued_to_another_cpu_runs_again_where_it_runs,
     "An item running on CPU 0 and queued to CPU 1 runs again on CPU 0",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	settle(wq, 1);
	RESULT(work_busy(w(a)), WORK_BUSY_PENDING | WORK_BUSY_RUNNING);
	RESULT(starts(a), 1);
	go(a);
	wait_started(a, 2);
	RESULT(atomic_read(&a->cpu), 0);
	release(a);
	destroy_workqueue(wq);
	RESULT(atomic_read(&a->overlaps), 0);
}

CASE(an_idle_item_goes_where_it_is_sent,
     "An item running on CPU 0 and queued to CPU 1 runs again on CPU 0; idle, "
     "it "
     "goes where it was sent",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int i;

	for (i = 0; i < 4; i++) {
		RESULT(queue_work_on(world_cpu(i % 2), wq, w(a)), 1);
		flush_work(w(a));
		RESULT(atomic_read(&a->cpu), i % 2);
	}
	destroy_workqueue(wq);
}

CASE(another_workqueue_may_run_an_item_at_the_same_time,
     "Non-reentrancy binds item + function + workqueue: queued to another "
     "workqueue it may run concurrently",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work_on(world_cpu(1), wq2, w(a)), 1);
	wait_started(a, 2);
	RESULT(atomic_read(&a->overlaps), 1);
	release(a);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	RESULT(runs(a), 2);
}

CASE(two_percpu_workqueues_share_a_pool_and_do_not_overlap_on_one_item,
     "Two per-CPU workqueues on one CPU share a pool and still do not overlap "
     "on "
     "one item")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work(wq2, w(a)), 1);
	settle(wq2, 0);
	RESULT(starts(a), 1);
	go(a);
	wait_started(a, 2);
	release(a);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	RESULT(atomic_read(&a->overlaps), 0);
	RESULT(runs(a), 2);
}

static void run_otherwise(struct work_struct *work)
{
	item_run(work);
}

CASE(an_item_with_another_function_may_run_at_the_same_time,
     "Non-reentrancy binds item + function + workqueue: with another function "
     "it "
     "may run concurrently",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 1);
	wait_started(a, 1);
	w(a)->func = run_otherwise;
	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	wait_started(a, 2);
	RESULT(atomic_read(&a->cpu), 1);
	RESULT(atomic_read(&a->overlaps), 1);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

CASE(an_unbound_item_never_runs_twice_at_once,
     "One item never runs twice at once while its function is the same, it "
     "stays "
     "on one queue and is not re-initialised, whichever CPUs queue it",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct item *a = held_item('a');

	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work_on(world_cpu(1), wq, w(a)), 1);
	settle(wq, 0);
	settle(wq, 1);
	RESULT(starts(a), 1);
	go(a);
	wait_started(a, 2);
	release(a);
	destroy_workqueue(wq);
	RESULT(atomic_read(&a->overlaps), 0);
}

CASE(work_busy_tells_pending_and_running,
     "work_busy: WORK_BUSY_PENDING and WORK_BUSY_RUNNING bits")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	RESULT(work_busy(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	RESULT(queue_work(wq, w(a)), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_PENDING | WORK_BUSY_RUNNING);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(work_busy(w(b)), WORK_BUSY_PENDING);
	release(a);
	destroy_workqueue(wq);
	RESULT(work_busy(w(a)), 0);
	RESULT(work_busy(w(b)), 0);
	ORDER("aab");
}

static void look_at_current(struct item *it)
{
	it->saw[0] = current_work() == w(it);
}

CASE(current_work_is_the_item_in_its_function_and_null_elsewhere,
     "current_work: the work item that %current is running, NULL if none")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	a->body = look_at_current;
	RESULT(!current_work(), 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	RESULT(a->saw[0], 1);
	RESULT(!current_work(), 1);
}

CASE(queue_work_node_queues_on_an_unbound_workqueue,
     "queue_work_node: queue work on a node of an unbound workqueue")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct item *a = held_item('a');

	RESULT(queue_work_node(0, wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work_node(0, wq, w(a)), 1);
	RESULT(queue_work_node(0, wq, w(a)), 0);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

CASE(queue_work_node_warns_on_a_percpu_workqueue_and_queues,
     "queue_work_node is for unbound workqueues; elsewhere it is reported and "
     "the "
     "item is queued")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(queue_work_node(0, wq, w(a)), 1);
	RESULT(warned(), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(a_cpu_that_cannot_exist_is_refused,
     "a CPU outside 0..nr_cpu_ids-1 returns false",
     .kernel_cannot = "undefined there: it would write beyond its arrays")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(queue_work_on(8191, wq, w(a)), 0);
	RESULT(warned(), 1);
	RESULT(queue_work_on(-1, wq, w(a)), 0);
	RESULT(warned(), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
}

CASE(a_chain_of_items_runs_in_the_order_of_their_queueing,
     "queue_work called from a function queues behind what waits already")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	a->wq = wq;
	a->tail = requeue_twice;
	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	release(a);
	wait_finished(a, 3);
	destroy_workqueue(wq);
	ORDER("abaa");
}
