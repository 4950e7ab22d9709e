/* SPDX-License-Identifier: MIT */
/* flush.c - waiting for items and workqueues. */
#include "case.h"

CASE(flush_of_an_idle_item_is_false, "flush_work: false if it was already idle")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(flush_work(w(a)), 0);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	wait_idle(a);
	RESULT(flush_work(w(a)), 0);
	destroy_workqueue(wq);
}

static void flush_pending(struct workqueue_struct *wq)
{
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	thread_start(&t, -1, do_flush_work, b);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(starts(b), 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(flush_of_a_pending_item_waits_and_is_true,
     "flush_work: true if it waited for the work to finish")
{
	flush_pending(alloc_workqueue("c", WQ_PERCPU, 1));
}

CASE(flush_of_a_pending_unbound_item_waits_and_is_true,
     "flush_work: true if it waited for the work to finish")
{
	flush_pending(alloc_workqueue("c", WQ_UNBOUND, 1));
}

CASE(flush_of_a_pending_ordered_item_waits_and_is_true,
     "flush_work: true if it waited for the work to finish")
{
	flush_pending(alloc_ordered_workqueue("c", 0));
}

CASE(flush_of_a_running_item_waits_and_is_true,
     "flush_work: true if it waited for the work to finish")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_flush_work, a);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
}

CASE(flush_ignores_a_requeue_made_afterwards,
     "flush_work on a running item ignores a requeue made afterwards")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_flush_work, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(queue_work(wq, w(a)), 1);
	go(a);
	RESULT(thread_join(&t), 1);
	wait_started(a, 2);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

CASE(flush_waits_for_a_requeue_made_before,
     "flush_work on a running item waits for a requeue that is already pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(a));
	thread_start(&t, -1, do_flush_work, a);
	RESULT(thread_blocked(&t), 1);
	go(a);
	wait_started(a, 2);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
}

CASE(a_flusher_of_a_cancelled_requeue_gets_true_while_the_item_runs,
     "flush_work waits for a requeue already pending; if that one is cancelled "
     "the "
     "flusher wakes and gets true")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(a));
	thread_start(&t, -1, do_flush_work, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(cancel_work(w(a)), 1);
	RESULT(thread_join(&t), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(a_flusher_of_a_cancelled_requeue_that_was_active_gets_true,
     "flush_work waits for a requeue already pending; if that one is cancelled "
     "the "
     "flusher wakes and gets true",
     .differs = "2, behind the run in progress")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(a));
	settle(wq, 0);
	thread_start(&t, -1, do_flush_work, a);
	RESULT(thread_blocked(&t), 1);
	RESULT(cancel_work(w(a)), 1);
	RESULT(thread_blocked(&t), WORLD(1, 0));
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	RESULT(runs(a), 1);
}

CASE(several_threads_may_flush_one_item, "flush_work may be called by several")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t[4];
	int i;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	for (i = 0; i < 4; i++)
		thread_start(&t[i], -1, do_flush_work, i < 2 ? a : b);
	for (i = 0; i < 4; i++)
		RESULT(thread_blocked(&t[i]), 1);
	release(a);
	for (i = 0; i < 4; i++)
		RESULT(thread_join(&t[i]), 1);
	destroy_workqueue(wq);
}

CASE(flush_of_an_empty_workqueue_returns,
     "flush_workqueue waits for what is queued")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_UNBOUND, 0);
	struct item *a = held_item('a');

	flush_workqueue(wq);
	flush_workqueue(wq2);
	queue_work(wq2, w(a));
	wait_started(a, 1);
	flush_workqueue(wq);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	release(a);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
}

static void flush_not_later(struct workqueue_struct *wq)
{
	struct item *a = held_item('a'), *b = held_item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_flush_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	queue_work(wq, w(b));
	release(a);
	RESULT(thread_join(&t), 1);
	wait_started(b, 1);
	RESULT(work_busy(w(b)), WORK_BUSY_RUNNING);
	release(b);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(a_flush_does_not_wait_for_later_items,
     "A flush waits for the items queued before it, not for later ones")
{
	flush_not_later(alloc_workqueue("c", WQ_PERCPU, 0));
}

CASE(a_flush_of_an_unbound_queue_does_not_wait_for_later_items,
     "A flush waits for the items queued before it, not for later ones")
{
	flush_not_later(alloc_workqueue("c", WQ_UNBOUND, 0));
}

CASE(a_flush_of_an_ordered_queue_does_not_wait_for_later_items,
     "A flush waits for the items queued before it, not for later ones")
{
	flush_not_later(alloc_ordered_workqueue("c", 0));
}

CASE(a_flush_waits_for_items_held_up_by_max_active,
     "A flush waits for the items queued before it")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = held_item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	thread_start(&t, -1, do_flush_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	wait_started(b, 1);
	RESULT(thread_blocked(&t), 1);
	release(b);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
}

CASE(a_flush_waits_for_all_cpus, "flush_workqueue: all items, of every CPU",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = held_item('b');
	struct thread t;

	queue_work_on(world_cpu(0), wq, w(a));
	queue_work_on(world_cpu(1), wq, w(b));
	wait_started(a, 1);
	wait_started(b, 1);
	thread_start(&t, -1, do_flush_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_blocked(&t), 1);
	release(b);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
}

#define FLUSHERS 12

CASE(each_flusher_returns_when_its_own_earlier_items_are_done,
     "About a dozen concurrent flush_workqueue callers each return as soon as "
     "their "
     "own earlier items are done")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *it[FLUSHERS];
	static struct thread t[FLUSHERS];
	int i;

	for (i = 0; i < FLUSHERS; i++) {
		it[i] = held_item((char)('a' + i));
		queue_work(wq, w(it[i]));
		wait_started(it[i], 1);
		thread_start(&t[i], -1, do_flush_workqueue, wq);
		RESULT_OF("blocked", thread_blocked(&t[i]), 1);
	}
	for (i = 0; i < FLUSHERS; i++) {
		release(it[i]);
		RESULT_OF("done", thread_join(&t[i]), 1);
		if (i + 1 < FLUSHERS)
			RESULT_OF("next blocked", thread_blocked(&t[i + 1]), 1);
	}
	destroy_workqueue(wq);
	ORDER("abcdefghijkl");
}

CASE(flushers_beyond_the_colours_all_return,
     "Several flushers coalesce by colour (16, of which 15 usable at once); "
     "beyond "
     "that they wait their turn")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	static struct thread t[24];
	struct item *it[24];
	long sum = 0;
	int i;

	for (i = 0; i < 24; i++) {
		it[i] = held_item((char)('a' + i));
		queue_work(wq, w(it[i]));
		wait_started(it[i], 1);
		thread_start(&t[i], -1, do_flush_workqueue, wq);
		sum += thread_blocked(&t[i]);
	}
	RESULT(sum, 24);
	for (i = 23; i >= 0; i--)
		release(it[i]);
	for (i = 0, sum = 0; i < 24; i++)
		sum += thread_join(&t[i]);
	RESULT(sum, 24);
	destroy_workqueue(wq);
}

CASE(a_later_item_that_ends_first_does_not_end_the_flush,
     "A flush waits for the items queued before it")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	thread_start(&t, -1, do_flush_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	queue_work(wq, w(b));
	wait_finished(b, 1);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
}

static void flush_other_queue(struct item *it)
{
	flush_workqueue(it->wq);
	it->saw[0] = runs(it->other);
}

CASE(an_item_may_flush_another_workqueue,
     "flush_workqueue may be called from a function, for another workqueue")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("d", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');

	queue_work(wq, w(a));
	wait_started(a, 1);
	b->wq = wq;
	b->other = a;
	b->body = flush_other_queue;
	queue_work(wq2, w(b));
	wait_started(b, 1);
	RESULT(runs(b), 0);
	release(a);
	wait_finished(b, 1);
	RESULT(b->saw[0], 1);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
}

static void flush_other_item(struct item *it)
{
	it->saw[0] = flush_work(w(it->other));
	it->saw[1] = runs(it->other);
}

CASE(an_item_may_flush_an_item_behind_it,
     "flush_work from a function: the flushing worker sleeps, so the pool goes "
     "on")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a'), *b = item('b');

	a->tail = flush_other_item;
	a->other = b;
	queue_work(wq, w(a));
	wait_started(a, 1);
	b->held = true;
	queue_work(wq, w(b));
	wait_started(b, 1);
	go(a);
	release(b);
	wait_finished(a, 1);
	RESULT(a->saw[1], 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(system_workqueues_can_be_flushed,
     "__flush_workqueue waits for what was queued before")
{
	struct item *a = item('a'), *b = item('b');

	RESULT(schedule_work(w(a)), 1);
	RESULT(queue_work(system_dfl_wq, w(b)), 1);
	__flush_workqueue(system_percpu_wq);
	__flush_workqueue(system_dfl_wq);
	RESULT(starts(a), 1);
	RESULT(starts(b), 1);
}
