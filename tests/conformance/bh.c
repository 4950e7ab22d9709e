/* SPDX-License-Identifier: MIT */
/*
 * bh.c - BH workqueues, whose items run in softirq context in the kernel. They do not
 * sleep: what is to be pending is queued by a running BH item behind itself.
 */
#include "case.h"

static struct workqueue_struct *bh(void)
{
	return alloc_workqueue("bh", WQ_BH | WQ_PERCPU, 0);
}

CASE(bh_items_run_once_in_order,
     "BH workqueues execute work items in the queueing "
     "CPU's softirq context in the queueing order")
{
	struct workqueue_struct *wq = bh();
	struct item *it[5];
	int i;

	RESULT(!!wq, 1);
	for (i = 0; i < 5; i++) {
		it[i] = item((char)('a' + i));
		RESULT(queue_work(wq, w(it[i])), 1);
	}
	for (i = 0; i < 5; i++)
		wait_finished(it[i], 1);
	destroy_workqueue(wq);
	ORDER("abcde");
}

static void refused(unsigned int flags, int max_active)
{
	struct workqueue_struct *wq = alloc_workqueue("bh", flags, max_active);

	RESULT(!wq, 1);
	RESULT(warned(), 1);
}

CASE(a_bh_queue_cannot_be_unbound,
     "BH queues allow only WQ_HIGHPRI and WQ_PERCPU "
     "besides; else NULL")
{
	refused(WQ_BH | WQ_UNBOUND, 0);
}

CASE(a_bh_queue_cannot_be_freezable,
     "BH queues allow only WQ_HIGHPRI and WQ_PERCPU besides; else NULL")
{
	refused(WQ_BH | WQ_PERCPU | WQ_FREEZABLE, 0);
}

CASE(a_bh_queue_cannot_be_for_memory_reclaim,
     "BH queues allow only WQ_HIGHPRI and WQ_PERCPU besides; else NULL")
{
	refused(WQ_BH | WQ_PERCPU | WQ_MEM_RECLAIM, 0);
}

CASE(a_bh_queue_cannot_be_cpu_intensive,
     "BH queues allow only WQ_HIGHPRI and WQ_PERCPU besides; else NULL")
{
	refused(WQ_BH | WQ_PERCPU | WQ_CPU_INTENSIVE, 0);
}

CASE(a_bh_queue_has_no_max_active,
     "BH queues allow max_active 0 only; else NULL")
{
	refused(WQ_BH | WQ_PERCPU, 1);
}

CASE(a_bh_queue_may_be_highpri,
     "BH queues allow WQ_HIGHPRI and WQ_PERCPU besides")
{
	struct workqueue_struct *wq =
		alloc_workqueue("bh", WQ_BH | WQ_PERCPU | WQ_HIGHPRI, 0);
	struct item *a = item('a');

	RESULT(!!wq, 1);
	RESULT(queue_work(wq, w(a)), 1);
	wait_finished(a, 1);
	destroy_workqueue(wq);
}

CASE(the_bh_system_queues_are_always_there,
     "system_bh_wq, system_bh_highpri_wq")
{
	struct item *a = item('a'), *b = item('b');

	RESULT(queue_work(system_bh_wq, w(a)), 1);
	wait_finished(a, 1);
	RESULT(queue_work(system_bh_highpri_wq, w(b)), 1);
	wait_finished(b, 1);
	ORDER("ab");
}

CASE(a_bh_item_runs_on_the_cpu_that_it_was_queued_on,
     "BH workqueues execute work items in the queueing CPU's softirq context",
     .cpus = 2)
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');
	int i;

	for (i = 0; i < 4; i++) {
		RESULT(queue_work_on(world_cpu(i % 2), wq, w(a)), 1);
		wait_finished(a, i + 1);
		RESULT(atomic_read(&a->cpu), i % 2);
		wait_idle(a);
	}
	destroy_workqueue(wq);
}

static void look_around(struct item *it)
{
	it->saw[0] = !current_work();
	it->saw[1] = (long)work_busy(w(it));
	it->saw[2] = work_pending(w(it));
}

CASE(in_a_bh_item_current_work_is_null, "In BH context current_work() is NULL")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	a->body = look_around;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 1);
	RESULT(a->saw[1], WORK_BUSY_RUNNING);
	RESULT(a->saw[2], 0);
	destroy_workqueue(wq);
}

static void requeue_twice(struct item *it)
{
	int n = starts(it);

	if (n <= 2)
		it->saw[n] = queue_work(it->wq, w(it));
}

CASE(a_bh_item_may_queue_itself, "the item can be queued again, also by itself")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	a->wq = wq;
	a->body = requeue_twice;
	queue_work(wq, w(a));
	wait_finished(a, 3);
	RESULT(a->saw[1], 1);
	RESULT(a->saw[2], 1);
	RESULT(atomic_read(&a->overlaps), 0);
	destroy_workqueue(wq);
	ORDER("aaa");
}

static void take_back(struct item *it)
{
	struct item *b = it->other;

	it->saw[0] = queue_work(it->wq, w(b));
	it->saw[1] = queue_work(it->wq, w(b));
	it->saw[2] = cancel_work(w(b));
	it->saw[3] = cancel_work(w(b));
	it->saw[4] = (long)work_busy(w(b));
}

CASE(a_pending_bh_item_can_be_cancelled,
     "cancel_work returns whether it was pending")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a'), *b = item('b');

	a->wq = wq;
	a->other = b;
	a->body = take_back;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	RESULT(a->saw[0], 1);
	RESULT(a->saw[1], 0);
	RESULT(a->saw[2], 1);
	RESULT(a->saw[3], 0);
	RESULT(a->saw[4], 0);
	destroy_workqueue(wq);
	ORDER("a");
}

static void disable_other(struct item *it)
{
	struct item *b = it->other;

	queue_work(it->wq, w(b));
	it->saw[0] = disable_work(w(b));
	it->saw[1] = queue_work(it->wq, w(b));
	it->saw[2] = enable_and_queue_work(it->wq, w(b));
}

CASE(a_bh_item_can_be_disabled_and_enabled,
     "disabling cancels; enable_and_queue_work, for what tasklets did")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a'), *b = item('b');

	a->wq = wq;
	a->other = b;
	a->body = disable_other;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	wait_finished(b, 1);
	RESULT(a->saw[0], 1);
	RESULT(a->saw[1], 0);
	RESULT(a->saw[2], 1);
	destroy_workqueue(wq);
	ORDER("ab");
}

static void queue_other_and_end(struct item *it)
{
	queue_work(it->wq, w(it->other));
	trace('-');
}

CASE(bh_items_of_a_cpu_run_one_at_a_time,
     "BH pools: one execution context per CPU")
{
	struct workqueue_struct *wq = bh(), *wq2 = bh();
	struct item *a = item('a'), *b = item('b');

	a->wq = wq2;
	a->other = b;
	a->body = queue_other_and_end;
	queue_work(wq, w(a));
	wait_finished(b, 1);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("a-b");
}

CASE(a_bh_item_can_be_flushed, "flush_work waits for BH items as well")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	RESULT(flush_work(w(a)), 0);
	queue_work(wq, w(a));
	flush_work(w(a));
	RESULT(starts(a), 1);
	RESULT(work_busy(w(a)), 0);
	queue_work(wq, w(a));
	flush_workqueue(wq);
	RESULT(starts(a), 2);
	queue_work(wq, w(a));
	drain_workqueue(wq);
	RESULT(starts(a), 3);
	RESULT(cancel_work_sync(w(a)), 0);
	RESULT(disable_work_sync(w(a)), 0);
	RESULT(queue_work(wq, w(a)), 0);
	RESULT(enable_work(w(a)), 1);
	destroy_workqueue(wq);
}

CASE(set_max_active_of_a_bh_queue_warns_and_changes_nothing,
     "on ordered and BH queues set_max_active warns and changes nothing")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	workqueue_set_max_active(wq, 5);
	RESULT(warned(), 1);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	destroy_workqueue(wq);
}

CASE(set_min_active_of_a_bh_queue_warns,
     "workqueue_set_min_active is for unbound workqueues that are not ordered")
{
	struct workqueue_struct *wq = bh();

	workqueue_set_min_active(wq, 5);
	RESULT(warned(), 1);
	destroy_workqueue(wq);
}

CASE(delayed_work_on_a_bh_queue, "queue_delayed_work on a BH workqueue")
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	RESULT(queue_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 1);
	wait_idle(a);
	RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	RESULT(mod_delayed_work(wq, dw(a), 0), 1);
	wait_finished(a, 2);
	wait_idle(a);
	RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	flush_delayed_work(dw(a));
	RESULT(starts(a), 3);
	RESULT(cancel_delayed_work_sync(dw(a)), 0);
	destroy_workqueue(wq);
}

static void wait_then_requeue(struct item *it)
{
	it->saw[0] = spin_until(&it->flag);
	it->saw[1] = queue_work(it->wq, w(it));
}

CASE(a_bh_item_that_requeues_itself_is_an_outsider_to_a_drain,
     "a BH item that requeues itself during a drain counts as an outsider",
     .cpus = 2, .kernel_cannot = SINCE(7, 0))
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');
	struct thread t;

	a->wq = wq;
	a->body = wait_then_requeue;
	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	thread_start(&t, 0, do_drain_workqueue, wq);
	RESULT(thread_blocked(&t), 1);
	atomic_set(&a->flag, 1);
	RESULT(thread_join(&t), 1);
	RESULT(a->saw[0], 1);
	RESULT(a->saw[1], 1);
	RESULT(warned(), 1);
	RESULT(starts(a), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
}

CASE(a_running_bh_item_queued_to_another_cpu_runs_again_where_it_runs,
     "a requeue goes to the pool where it still runs and waits there",
     .cpus = 2)
{
	struct workqueue_struct *wq = bh();
	struct item *a = item('a');

	a->wq = wq;
	a->body = wait_then_requeue;
	queue_work_on(world_cpu(1), wq, w(a));
	wait_started(a, 1);
	RESULT(queue_work_on(world_cpu(0), wq, w(a)), 1);
	atomic_set(&a->flag, 1);
	wait_started(a, 2);
	RESULT(atomic_read(&a->cpu), 1);
	cancel_work_sync(w(a));
	destroy_workqueue(wq);
	RESULT(atomic_read(&a->overlaps), 0);
}

CASE(an_item_may_move_between_a_bh_and_a_normal_queue,
     "all calls work on BH items; an idle item can be queued anywhere")
{
	struct workqueue_struct *wq = bh();
	struct workqueue_struct *wq2 = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int i;

	for (i = 0; i < 6; i++) {
		RESULT(queue_work(i % 2 ? wq2 : wq, w(a)), 1);
		flush_work(w(a));
		RESULT(starts(a), i + 1);
		RESULT(cancel_work_sync(w(a)), 0);
	}
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
}

static void queue_normal(struct item *it)
{
	it->saw[0] = queue_work(it->wq, w(it->other));
}

CASE(a_bh_item_may_queue_a_normal_one,
     "queue_work may be called from BH context")
{
	struct workqueue_struct *wq = bh();
	struct workqueue_struct *wq2 = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	a->wq = wq2;
	a->other = b;
	a->body = queue_normal;
	queue_work(wq, w(a));
	wait_finished(a, 1);
	wait_finished(b, 1);
	RESULT(a->saw[0], 1);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	ORDER("ab");
}
