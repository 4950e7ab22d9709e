/* SPDX-License-Identifier: MIT */
/* disable.c - disabling and enabling: depth, results, what is refused. */
#include "case.h"

CASE(a_disabled_item_cannot_be_queued,
     "queueing a disabled item returns false and leaves it idle")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(disable_work(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(disable_takes_back_a_pending_item, "disabling cancels")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(disable_work(w(b)), 1);
	RESULT(work_busy(w(b)), 0);
	RESULT(disable_work(w(b)), 0);
	release(a);
	RESULT(enable_work(w(b)), 0);
	RESULT(enable_work(w(b)), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(disable_nests,
     "disable nests; enable returns true only when the depth reaches 0")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(disable_work(w(a)), 0);
	RESULT(disable_work_sync(w(a)), 0);
	RESULT(disable_work(w(a)), 0);
	RESULT(enable_work(w(a)), 0);
	RESULT(enable_work(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(enable_does_not_queue_what_was_taken_back,
     "enable_work only undoes the disabling")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	RESULT(disable_work(w(b)), 1);
	RESULT(enable_work(w(b)), 1);
	RESULT(work_busy(w(b)), 0);
	release(a);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(enable_and_queue_queues_at_depth_0_only,
     "enable_and_queue_work: enable, and queue if the depth reached 0")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	disable_work(w(a));
	disable_work(w(a));
	RESULT(enable_and_queue_work(wq, w(a)), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(enable_and_queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(disable_of_a_running_item_does_not_wait,
     "disable_work: disable and cancel; only _sync waits")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(disable_work(w(a)), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	RESULT(queue_work(wq, w(a)), 0);
	release(a);
	flush_work(w(a));
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(disable_of_an_item_that_runs_and_is_pending_is_true,
     "disabling cancels; true if it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(a));
	RESULT(disable_work(w(a)), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(disable_sync_of_a_running_item_waits,
     "disable_work_sync: disable, cancel and drain")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_disable_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(queue_work(wq, w(a)), 0);
	release(a);
	RESULT(thread_join(&t), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

static void requeue(struct item *it)
{
	it->saw[0] = queue_work(it->wq, w(it));
}

CASE(a_disabled_running_item_cannot_queue_itself,
     "queueing a disabled item returns false")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	a->wq = wq;
	a->tail = requeue;
	queue_work(wq, w(a));
	wait_started(a, 1);
	disable_work(w(a));
	a->saw[0] = -1;
	release(a);
	wait_idle(a);
	RESULT(a->saw[0], 0);
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

static void disable_itself(struct item *it)
{
	it->saw[0] = disable_work(w(it));
	it->saw[1] = queue_work(it->wq, w(it));
	it->saw[2] = enable_work(w(it));
	it->saw[3] = starts(it) > 1 ? -1 : queue_work(it->wq, w(it));
}

CASE(an_item_may_disable_and_enable_itself,
     "disable_work may be called from any context, also from the function")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	a->wq = wq;
	a->body = disable_itself;
	queue_work(wq, w(a));
	wait_finished(a, 2);
	destroy_workqueue(wq);
	RESULT(a->saw[0], 0);
	RESULT(a->saw[1], 0);
	RESULT(a->saw[2], 1);
	RESULT(runs(a), 2);
}

CASE(a_disabled_delayed_item_can_be_neither_armed_nor_modified,
     "mod_delayed_work returns false without queueing when the item is "
     "disabled")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(disable_delayed_work(dw(a)), 0);
	RESULT(queue_delayed_work(wq, dw(a), 0), 0);
	RESULT(queue_delayed_work(wq, dw(a), 1), 0);
	RESULT(mod_delayed_work(wq, dw(a), 0), 0);
	RESULT(mod_delayed_work(wq, dw(a), 1), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(enable_delayed_work(dw(a)), 1);
	RESULT(mod_delayed_work(wq, dw(a), 0), 0);
	wait_finished(a, 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(disable_delayed_takes_back_an_armed_timer,
     "disable_delayed_work: disable and cancel")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000));
	RESULT(disable_delayed_work(dw(a)), 1);
	RESULT(disable_delayed_work_sync(dw(a)), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(enable_delayed_work(dw(a)), 0);
	RESULT(enable_delayed_work(dw(a)), 1);
	destroy_workqueue(wq);
	ORDER("");
}

CASE(enabling_more_often_than_disabling_warns_and_is_true,
     "Unbalanced enable_work warns and returns true")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(enable_work(w(a)), 1);
	RESULT(warned(), 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(cancel_sync_leaves_a_disabled_item_disabled,
     "a cancel's own disabling ends with it and leaves the others")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	disable_work(w(a));
	RESULT(cancel_work(w(a)), 0);
	RESULT(cancel_work_sync(w(a)), 0);
	RESULT(flush_work(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
	ORDER("");
}

CASE(disabling_while_cancel_sync_waits_outlives_it,
     "disable nests: what cancel_work_sync adds while it waits is its own")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_cancel_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(disable_work(w(a)), 0);
	release(a);
	RESULT(thread_join(&t), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

CASE(the_depth_counts_to_65535_and_warns_beyond, "disable nests (16 bits)")
{
	struct item *a = item('a');
	long ones = 0;
	int i;

	for (i = 0; i < 65535; i++)
		disable_work(w(a));
	RESULT(disable_work(w(a)), 0);
	RESULT(warned(), 1);
	for (i = 0; i < 65534; i++)
		ones += enable_work(w(a));
	RESULT(ones, 0);
	RESULT(enable_work(w(a)), 1);
}

CASE(an_unbound_item_can_be_disabled_while_it_waits_in_line,
     "disabling cancels, whatever the item's workqueue")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	RESULT(disable_work(w(b)), 1);
	RESULT(enable_work(w(b)), 1);
	RESULT(queue_work(wq, w(b)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("acb");
}
