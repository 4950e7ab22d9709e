/* SPDX-License-Identifier: MIT */
/*
 * freezer.c - the freezer. In the kernel other subsystems have freezable workqueues
 * as well, which stand still for the moment of a case.
 */
#include "case.h"

CASE(a_frozen_queue_starts_nothing_until_thaw,
     "Freezing: new ones wait, thaw runs them in order")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b'), *c = item('c');

	freeze_workqueues_begin();
	RESULT(queue_work(wq, w(a)), 1);
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(queue_work(wq, w(c)), 1);
	RESULT(queue_work(wq, w(c)), 0);
	settle(probe, 0);
	RESULT(pending(a) + pending(b) + pending(c), 3);
	thaw_workqueues();
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("abc");
}

CASE(a_frozen_unbound_queue_starts_nothing_until_thaw,
     "Freezing: new ones wait, thaw runs them in order")
{
	struct workqueue_struct *wq =
		alloc_ordered_workqueue("c", WQ_FREEZABLE);
	struct workqueue_struct *probe = alloc_ordered_workqueue("p", 0);
	struct item *a = item('a'), *b = item('b');

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	queue_work(wq, w(b));
	settle(probe, 0);
	RESULT(pending(a) + pending(b), 2);
	thaw_workqueues();
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("ab");
}

CASE(items_that_run_finish_in_the_freezer,
     "Freezing: items already running finish; freeze_workqueues_busy tells "
     "whether "
     "any still does")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	freeze_workqueues_begin();
	RESULT(queue_work(wq, w(b)), 1);
	RESULT(freeze_workqueues_busy(), 1);
	release(a);
	wait_idle(a);
	WAIT(!freeze_workqueues_busy());
	RESULT(pending(b), 1);
	thaw_workqueues();
	wait_finished(b, 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(other_queues_go_on_in_the_freezer,
     "the freezer is about WQ_FREEZABLE queues")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	wait_finished(a, 1);
	thaw_workqueues();
	destroy_workqueue(wq);
	ORDER("a");
}

CASE(a_queue_made_in_the_freezer_is_frozen,
     "alloc_workqueue while frozen: frozen from the start")
{
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct workqueue_struct *wq;
	struct item *a = item('a');

	freeze_workqueues_begin();
	wq = alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	queue_work(wq, w(a));
	settle(probe, 0);
	RESULT(pending(a), 1);
	thaw_workqueues();
	wait_finished(a, 1);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
}

CASE(a_frozen_item_can_be_cancelled_and_disabled,
     "cancel_work: true if it was pending, frozen or not")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct item *a = item('a'), *b = item('b'), *c = item('c');

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	RESULT(cancel_work(w(a)), 1);
	RESULT(cancel_work_sync(w(a)), 0);
	RESULT(disable_work(w(b)), 1);
	RESULT(enable_work(w(b)), 1);
	thaw_workqueues();
	destroy_workqueue(wq);
	ORDER("c");
}

CASE(a_delayed_item_joins_a_frozen_queue_when_due,
     "Freezing: new ones wait; timers go on")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct workqueue_struct *other = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	freeze_workqueues_begin();
	RESULT(queue_delayed_work(wq, dw(a), 1), 1);
	RESULT(queue_delayed_work(other, dw(b), 4), 1);
	wait_finished(b, 1);
	RESULT(pending(a), 1);
	RESULT(mod_delayed_work(wq, dw(a), 0), 1);
	thaw_workqueues();
	wait_finished(a, 1);
	destroy_workqueue(wq);
	destroy_workqueue(other);
	ORDER("ba");
}

CASE(max_active_set_in_the_freezer_holds_after_thaw,
     "thaw runs them in order, as many as max_active allows")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 4);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = held_item('b'),
		    *c = held_item('c');

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	queue_work(wq, w(b));
	queue_work(wq, w(c));
	workqueue_set_max_active(wq, 2);
	settle(probe, 0);
	RESULT(pending(a), 1);
	thaw_workqueues();
	settle(probe, 0);
	RESULT(pending(a), 0);
	RESULT(pending(b), 0);
	RESULT(pending(c), 1);
	release(a);
	release(b);
	release(c);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("abc");
}

CASE(a_frozen_queue_is_congested_when_something_waits,
     "workqueue_congested: something waits")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct item *a = item('a');

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	RESULT(workqueue_congested(world_cpu(0), wq), 1);
	thaw_workqueues();
	wait_finished(a, 1);
	destroy_workqueue(wq);
}

CASE(a_flush_waits_for_the_thaw, "a flush waits for the items queued before it")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct item *a = item('a');
	struct thread t;

	freeze_workqueues_begin();
	queue_work(wq, w(a));
	thread_start(&t, -1, do_flush_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	thaw_workqueues();
	RESULT(thread_join(&t), 1);
	RESULT(runs(a), 1);
	destroy_workqueue(wq);
}

CASE(a_second_freeze_warns,
     "freeze_workqueues_begin: called once before a thaw")
{
	freeze_workqueues_begin();
	RESULT(warned_already(), 0);
	freeze_workqueues_begin();
	RESULT(warned(), 1);
	thaw_workqueues();
}

CASE(busy_without_freeze_warns,
     "freeze_workqueues_busy is for between begin and thaw")
{
	RESULT(freeze_workqueues_busy(), 0);
	RESULT(warned(), 1);
}

CASE(a_thaw_without_freeze_is_nothing, "thaw_workqueues")
{
	struct item *a = item('a');

	thaw_workqueues();
	queue_work(system_freezable_wq, w(a));
	wait_finished(a, 1);
}
