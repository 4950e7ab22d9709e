/* SPDX-License-Identifier: MIT */
/* cancel.c - taking items back: results, what is waited for, what is refused. */
#include "case.h"

CASE(cancel_of_an_idle_item_is_false,
     "cancel_work returns whether it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = item('a');

	RESULT(cancel_work(w(a)), 0);
	RESULT(cancel_work_sync(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 1);
	flush_work(w(a));
	RESULT(cancel_work(w(a)), 0);
	RESULT(cancel_work_sync(w(a)), 0);
	destroy_workqueue(wq);
	ORDER("a");
}

static void cancel_pending(struct workqueue_struct *wq)
{
	struct item *a = held_item('a'), *b = item('b');

	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(cancel_work(w(b)), 1);
	RESULT(work_busy(w(b)), 0);
	RESULT(cancel_work(w(b)), 0);
	release(a);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(cancel_of_a_pending_item_is_true,
     "cancel_work returns whether it was pending")
{
	cancel_pending(alloc_workqueue("c", WQ_PERCPU, 1));
}

CASE(cancel_of_a_pending_unbound_item_is_true,
     "cancel_work returns whether it was pending")
{
	cancel_pending(alloc_workqueue("c", WQ_UNBOUND, 1));
}

CASE(cancel_of_a_pending_ordered_item_is_true,
     "cancel_work returns whether it was pending")
{
	cancel_pending(alloc_ordered_workqueue("c", 0));
}

CASE(cancel_of_a_running_item_is_false_and_does_not_wait,
     "cancel_work returns whether it was pending and does not wait")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	RESULT(queue_work(wq, w(a)), 1);
	wait_started(a, 1);
	RESULT(cancel_work(w(a)), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	RESULT(queue_work(wq, w(a)), 1);
	RESULT(cancel_work(w(a)), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(a_cancelled_item_can_be_queued_again,
     "cancel_work: the item is idle afterwards")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(queue_work(wq, w(c)), 1);
	RESULT(cancel_work(w(b)), 1);
	RESULT(queue_work(wq, w(b)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("acb");
}

CASE(cancelling_in_the_middle_keeps_the_order_of_the_others,
     "items held up by max_active start in order as others end")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');
	struct item *d = item('d');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	queue_work(wq, w(d));
	RESULT(cancel_work(w(c)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("abd");
}

CASE(cancel_sync_of_a_pending_item_is_true_and_does_not_wait_for_others,
     "cancel_work_sync: cancel a work and wait for it to finish; true if it "
     "was "
     "pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(cancel_work_sync(w(b)), 1);
	RESULT(work_busy(w(b)), 0);
	release(a);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(cancel_sync_of_a_running_item_waits_and_is_false,
     "_sync waits; true only if it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_cancel_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 0);
	RESULT(work_busy(w(a)), 0);
	RESULT(runs(a), 1);
	destroy_workqueue(wq);
}

CASE(cancel_sync_of_an_item_that_runs_and_is_pending_waits_and_is_true,
     "_sync waits; true if it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(a)), 1);
	thread_start(&t, -1, do_cancel_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(an_item_cannot_be_queued_while_cancel_sync_waits,
     "cancel_work_sync disables the item while it waits: anybody's requeue "
     "returns "
     "false meanwhile")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_cancel_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(queue_delayed_work(wq, dw(a), 1), 0);
	RESULT(mod_delayed_work(wq, dw(a), 0), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	RESULT(thread_join(&t), 0);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

static void requeue(struct item *it)
{
	it->saw[0] = queue_work(it->wq, w(it));
}

CASE(an_item_cannot_queue_itself_while_cancel_sync_waits,
     "cancel_work_sync disables the item while it waits: its own requeue "
     "returns "
     "false meanwhile")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	a->wq = wq;
	a->tail = requeue;
	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_cancel_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 0);
	RESULT(a->saw[0], 0);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(cancel_sync_ends_an_item_that_always_queues_itself,
     "_sync waits, also against an item that requeues itself")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int n, i;

	a->wq = wq;
	a->tail = requeue;
	for (i = 0; i < 10; i++) {
		n = starts(a);
		queue_work(wq, w(a));
		wait_started(a, n + 3);
		cancel_work_sync(w(a));
		if (work_busy(w(a)))
			break;
	}
	RESULT(i, 10);
	RESULT(starts(a) - runs(a), 0);
	destroy_workqueue(wq);
}

CASE(of_concurrent_cancel_sync_callers_one_gets_true,
     "Of several concurrent callers only one gets true")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t[4];
	long sum = 0;
	int i;

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(a)), 1);
	for (i = 0; i < 4; i++)
		thread_start(&t[i], -1, do_cancel_work_sync, a);
	for (i = 0; i < 4; i++)
		RESULT(thread_blocked(&t[i]), 1);
	release(a);
	for (i = 0; i < 4; i++)
		sum += thread_join(&t[i]);
	RESULT(sum, 1);
	RESULT(queue_work(wq, w(a)), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

static void cancel_other(struct item *it)
{
	it->saw[0] = cancel_work_sync(w(it->other));
}

CASE(an_item_may_cancel_another,
     "cancel_work_sync may be called from a function, for another item")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	c->body = cancel_other;
	c->other = b;
	RESULT(queue_work(wq2, w(c)), 1);
	wait_finished(c, 1);
	RESULT(c->saw[0], 1);
	release(a);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("ac");
}

CASE(cancel_delayed_takes_back_an_armed_timer,
     "cancel_delayed_work returns whether it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(cancel_delayed_work(dw(a)), 0);
	RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	RESULT(cancel_delayed_work(dw(a)), 1);
	RESULT(cancel_delayed_work(dw(a)), 0);
	RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	RESULT(cancel_delayed_work_sync(dw(a)), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
	ORDER("");
}

CASE(cancel_delayed_takes_back_a_queued_item,
     "cancel_delayed_work: pending is also what its timer has queued")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_delayed_work(wq, dw(b), 0), 1);
	RESULT(cancel_delayed_work(dw(b)), 1);
	RESULT(queue_delayed_work(wq, dw(b), 0), 1);
	RESULT(cancel_delayed_work_sync(dw(b)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(cancel_delayed_sync_takes_the_timer_and_waits_for_the_run,
     "cancel_delayed_work_sync: cancel a delayed work and wait for it to "
     "finish")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	thread_start(&t, -1, do_cancel_delayed_work_sync, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(cancelling_an_inactive_item_lets_flushers_go,
     "a cancelled item is no longer waited for")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work(wq, w(b)), 1);
	thread_start(&t, -1, do_flush_work, b);
	RESULT(thread_blocked(&t), 1);
	RESULT(cancel_work(w(b)), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(a_cancelled_active_item_gives_its_place_to_an_inactive_one,
     "max_active counts items that are pending or run, not those taken back")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 2);
	struct item *a = held_item('a'), *b = held_item('b'), *c = item('c');
	struct item *d = item('d');

	queue_work(wq, w(a));
	queue_work(wq, w(b));
	wait_started(b, 1);
	queue_work(wq, w(c));
	queue_work(wq, w(d));
	RESULT(cancel_work(w(c)), 1);
	go(a);
	wait_finished(d, 1);
	release(b);
	destroy_workqueue(wq);
	ORDER("abd");
}
