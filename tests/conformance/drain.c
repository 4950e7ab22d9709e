/* SPDX-License-Identifier: MIT */
/* drain.c - draining and destroying. */
#include "case.h"

#define HOUR msecs_to_jiffies(3600000)

static void requeue_twice(struct item *it)
{
	int n = starts(it);

	if (n <= 2)
		it->saw[n] = queue_work(it->wq, w(it));
}

static void drain_chain(struct workqueue_struct *wq)
{
	struct item *a = held_item('a');
	struct thread t;

	a->wq = wq;
	a->tail = requeue_twice;
	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(a->saw[1], 1);
	RESULT(a->saw[2], 1);
	RESULT(runs(a), 3);
	destroy_workqueue(wq);
}

CASE(a_drain_waits_for_what_running_items_queue,
     "during a drain items running on the queue may queue on it")
{
	drain_chain(alloc_workqueue("c", WQ_PERCPU, 0));
}

CASE(a_drain_of_an_unbound_queue_waits_for_what_running_items_queue,
     "during a drain items running on the queue may queue on it")
{
	drain_chain(alloc_workqueue("c", WQ_UNBOUND, 0));
}

CASE(a_drain_of_an_ordered_queue_waits_for_what_running_items_queue,
     "during a drain items running on the queue may queue on it")
{
	drain_chain(alloc_ordered_workqueue("c", 0));
}

static void queue_other(struct item *it)
{
	it->saw[0] = queue_work(it->wq, w(it->other));
}

CASE(an_item_may_queue_others_of_its_queue_during_a_drain,
     "during a drain items running on the queue may queue on it")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	a->wq = wq;
	a->other = b;
	a->tail = queue_other;
	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(a->saw[0], 1);
	RESULT(runs(b), 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(queueing_from_outside_during_a_drain_warns_and_drops,
     "Queueing from outside onto a draining queue: queue_work still returns "
     "true, a "
     "warning is printed, the item is dropped with PENDING clear again",
     .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(warned(), 1);
	RESULT(work_busy(w(b)), 0);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(queue_work(wq, w(b)), 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(an_item_of_another_queue_is_an_outsider_to_a_drain,
     "only items running on the queue may queue on it, others are refused with "
     "a "
     "warning",
     .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	b->wq = wq;
	b->other = c;
	b->body = queue_other;
	queue_work(wq2, w(b));
	wait_finished(b, 1);
	RESULT(b->saw[0], 1);
	RESULT(warned(), 1);
	RESULT(work_busy(w(c)), 0);
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("ab");
}

CASE(a_timer_that_fires_during_a_drain_is_dropped,
     "others are refused with a warning", .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	RESULT(queue_delayed_work(wq, dw(b), 1), 1);
	RESULT(warned(), 1);
	WAIT(!work_busy(w(b)));
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(a_drain_does_not_see_an_armed_timer,
     "flush_workqueue and drain_workqueue do not see an armed timer")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	queue_delayed_work(wq, dw(a), HOUR);
	drain_workqueue(wq);
	RESULT(delayed_work_pending(dw(a)), 1);
	flush_delayed_work(dw(a));
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(a_drained_queue_goes_on, "drain_workqueue: wait until the workqueue "
			      "becomes empty; it can be used again")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int i;

	for (i = 0; i < 3; i++) {
		RESULT(queue_work(wq, w(a)), 1);
		drain_workqueue(wq);
		RESULT(runs(a), i + 1);
	}
	destroy_workqueue(wq);
}

CASE(drains_nest, "drain_workqueue may be called by several at once")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t[2];

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t[0], -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t[0]), 1);
	thread_start(&t[1], -1, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t[1]), 1);
	release(a);
	RESULT(thread_join(&t[0]), 1);
	RESULT(thread_join(&t[1]), 1);
	RESULT(queue_work(wq, w(b)), 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(destroy_runs_what_is_queued, "destroy drains first")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	thread_start(&t, -1, do_destroy_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	ORDER("abc");
}

CASE(destroy_of_an_ordered_queue_runs_what_is_queued_in_order,
     "destroy drains first")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	thread_start(&t, -1, do_destroy_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	ORDER("abc");
}

CASE(destroy_lets_items_queue_themselves,
     "destroy drains first; items running on the queue may queue on it")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct item *a = held_item('a');
	struct thread t;

	a->wq = wq;
	a->tail = requeue_twice;
	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_destroy_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(runs(a), 3);
}
