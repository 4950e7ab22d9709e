/* SPDX-License-Identifier: MIT */
/*
 * delayed.c - delayed work. HOUR does not end while a case runs; short delays are
 * compared with each other, and the time is asked only for "not earlier".
 */
#include "case.h"

#define HOUR msecs_to_jiffies(3600000)

CASE(a_delay_of_0_queues_at_once,
     "queue_delayed_work: delay 0 is as queue_work")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	RESULT(queue_delayed_work(wq, dw(a), 0), 1);
	wait_started(a, 1);
	RESULT(queue_delayed_work(wq, dw(b), 0), 1);
	RESULT(queue_work(wq, w(c)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("abc");
}

static void note_time(struct item *it)
{
	it->saw[0] = time_after_eq(jiffies, (unsigned long)it->saw[1]);
}

CASE(a_delay_is_never_cut_short, "A delay is never cut short")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	unsigned int i;

	a->body = note_time;
	for (i = 1; i < 40; i += 13) {
		a->saw[1] = (long)(jiffies + msecs_to_jiffies(i));
		RESULT(queue_delayed_work(wq, dw(a), msecs_to_jiffies(i)), 1);
		WAIT(!work_busy(w(a)));
		RESULT(a->saw[0], 1);
	}
	destroy_workqueue(wq);
	RESULT(runs(a), 3);
}

CASE(an_armed_item_is_pending, "delayed_work_pending; work_busy: PENDING")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(delayed_work_pending(dw(a)), 0);
	RESULT(queue_delayed_work(wq, dw(a), HOUR), 1);
	RESULT(delayed_work_pending(dw(a)), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_PENDING);
	RESULT(cancel_delayed_work(dw(a)), 1);
	RESULT(delayed_work_pending(dw(a)), 0);
	destroy_workqueue(wq);
}

CASE(an_armed_item_cannot_be_queued,
     "queue_work, queue_delayed_work: false if it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	queue_delayed_work(wq, dw(a), HOUR);
	RESULT(queue_delayed_work(wq, dw(a), 0), 0);
	RESULT(queue_delayed_work(wq, dw(a), HOUR), 0);
	RESULT(queue_work(wq, w(a)), 0);
	settle(wq, 0);
	RESULT(starts(a), 0);
	RESULT(cancel_delayed_work_sync(dw(a)), 1);
	destroy_workqueue(wq);
}

CASE(mod_of_an_idle_item_is_false_and_arms_it,
     "mod_delayed_work: false if it was idle")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(mod_delayed_work(wq, dw(a), HOUR), 0);
	RESULT(delayed_work_pending(dw(a)), 1);
	RESULT(mod_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 1);
	mod_delayed_work(wq, dw(a), 1);
	wait_finished(a, 2);
	destroy_workqueue(wq);
}

CASE(mod_of_an_armed_item_is_true_and_moves_the_timer,
     "mod_delayed_work: true if a timer was replaced")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	queue_delayed_work(wq, dw(a), msecs_to_jiffies(60));
	RESULT(mod_delayed_work(wq, dw(a), HOUR), 1);
	queue_delayed_work(wq, dw(b), msecs_to_jiffies(100));
	wait_finished(b, 1);
	RESULT(starts(a), 0);
	RESULT(mod_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 1);
	destroy_workqueue(wq);
	ORDER("ba");
}

CASE(mod_with_delay_0_queues_at_once,
     "mod_delayed_work: delay 0 queues at once")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_delayed_work(wq, dw(b), HOUR);
	RESULT(mod_delayed_work(wq, dw(b), 0), 1);
	RESULT(queue_work(wq, w(c)), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("abc");
}

CASE(mod_of_a_queued_item_is_true_and_takes_it_back,
     "mod_delayed_work: true if a queueing was replaced")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_delayed_work(wq, dw(b), 0);
	queue_work(wq, w(c));
	RESULT(mod_delayed_work(wq, dw(b), 0), 1);
	release(a);
	wait_finished(b, 1);
	flush_workqueue(wq);
	ORDER("acb");
	RESULT(mod_delayed_work(wq, dw(b), HOUR), 0);
	RESULT(cancel_delayed_work(dw(b)), 1);
	destroy_workqueue(wq);
}

CASE(mod_of_a_running_item_is_false_and_it_runs_again,
     "mod_delayed_work: false if it was idle, and a running item that is not "
     "pending is")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(mod_delayed_work(wq, dw(a), 0), 0);
	RESULT(mod_delayed_work(wq, dw(a), 0), 1);
	release(a);
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
	RESULT(atomic_read(&a->overlaps), 0);
}

CASE(modifying_twice_gives_one_run,
     "mod_delayed_work replaces what was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	RESULT(mod_delayed_work(wq, dw(a), msecs_to_jiffies(10)), 0);
	RESULT(mod_delayed_work(wq, dw(a), msecs_to_jiffies(3600000)), 1);
	RESULT(mod_delayed_work(wq, dw(a), msecs_to_jiffies(20)), 1);
	queue_delayed_work(wq, dw(b), msecs_to_jiffies(60));
	wait_finished(b, 1);
	ORDER("ab");
	destroy_workqueue(wq);
}

CASE(timers_fire_in_the_order_of_their_times,
     "the item is queued when its delay has passed")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b'), *c = item('c');

	queue_delayed_work(wq, dw(a), msecs_to_jiffies(120));
	queue_delayed_work(wq, dw(b), msecs_to_jiffies(20));
	queue_delayed_work(wq, dw(c), msecs_to_jiffies(60));
	wait_finished(a, 1);
	destroy_workqueue(wq);
	ORDER("bca");
}

CASE(a_delayed_item_runs_on_the_cpu_that_armed_it,
     "The item runs on the CPU that armed the timer (per-CPU queues)")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int i;

	for (i = 0; i < 3; i++) {
		RESULT(queue_delayed_work(wq, dw(a), 1), 1);
		wait_finished(a, i + 1);
		RESULT(atomic_read(&a->cpu), 0);
		wait_idle(a);
	}
	destroy_workqueue(wq);
}

CASE(queue_delayed_work_on_chooses_the_cpu,
     "queue_delayed_work_on: queue work on specific CPU after delay", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a'), *b = item('b');

	RESULT(queue_delayed_work_on(world_cpu(1), wq, dw(a), 1), 1);
	RESULT(queue_delayed_work_on(world_cpu(1), wq, dw(b), 0), 1);
	wait_finished(a, 1);
	wait_finished(b, 1);
	RESULT(atomic_read(&a->cpu), 1);
	RESULT(atomic_read(&b->cpu), 1);
	destroy_workqueue(wq);
}

CASE(mod_delayed_work_on_chooses_the_cpu,
     "mod_delayed_work_on: modify delay of or queue a delayed work on specific "
     "CPU",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(queue_delayed_work_on(world_cpu(0), wq, dw(a), HOUR), 1);
	RESULT(mod_delayed_work_on(world_cpu(1), wq, dw(a), 1), 1);
	wait_finished(a, 1);
	RESULT(atomic_read(&a->cpu), 1);
	wait_idle(a);
	RESULT(mod_delayed_work_on(world_cpu(1), wq, dw(a), 0), 0);
	wait_finished(a, 2);
	RESULT(atomic_read(&a->cpu), 1);
	destroy_workqueue(wq);
}

CASE(flush_delayed_fires_the_timer_now,
     "flush_delayed_work fires the timer now")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	RESULT(flush_delayed_work(dw(a)), 0);
	queue_delayed_work(wq, dw(a), HOUR);
	flush_delayed_work(dw(a));
	RESULT(starts(a), 1);
	RESULT(work_busy(w(a)), 0);
	RESULT(flush_delayed_work(dw(a)), 0);
	destroy_workqueue(wq);
}

CASE(flush_delayed_waits_for_a_run, "flush_delayed_work: wait for a dwork to "
				    "finish executing the last queueing")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');
	struct thread t;

	queue_delayed_work(wq, dw(a), HOUR);
	thread_start(&t, -1, do_flush_delayed_work, a);
	wait_started(a, 1);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	RESULT(work_busy(w(a)), 0);
	destroy_workqueue(wq);
}

CASE(flush_work_does_not_see_an_armed_timer,
     "flush_work on a delayed item does not see an armed timer")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');

	queue_delayed_work(wq, dw(a), HOUR);
	RESULT(flush_work(w(a)), 0);
	flush_workqueue(wq);
	RESULT(delayed_work_pending(dw(a)), 1);
	RESULT(cancel_delayed_work(dw(a)), 1);
	destroy_workqueue(wq);
	ORDER("");
}

static void arm_itself(struct item *it)
{
	it->saw[0] += queue_delayed_work(it->wq, dw(it), 1);
}

CASE(a_delayed_item_may_arm_itself_and_cancel_sync_ends_it,
     "cancel_delayed_work_sync waits, also against an item that requeues "
     "itself")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = item('a');
	int n;

	a->wq = wq;
	a->tail = arm_itself;
	queue_delayed_work(wq, dw(a), 1);
	wait_finished(a, 4);
	cancel_delayed_work_sync(dw(a));
	n = starts(a);
	RESULT(work_busy(w(a)), 0);
	settle(wq, 0);
	RESULT(starts(a) - n, 0);
	RESULT(a->saw[0] >= 4, 1);
	destroy_workqueue(wq);
}

CASE(delayed_work_on_an_ordered_queue_waits_in_line_when_due,
     "a delayed item joins the queue when its time has come")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct item *a = held_item('a'), *b = item('b'), *c = item('c');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_delayed_work(wq, dw(b), HOUR);
	queue_work(wq, w(c));
	RESULT(mod_delayed_work(wq, dw(b), 0), 1);
	release(a);
	destroy_workqueue(wq);
	ORDER("acb");
}

CASE(a_running_delayed_item_can_be_armed,
     "PENDING is cleared before the function runs")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item *a = held_item('a');

	queue_delayed_work(wq, dw(a), 0);
	wait_started(a, 1);
	RESULT(queue_delayed_work(wq, dw(a), HOUR), 1);
	RESULT(work_busy(w(a)), WORK_BUSY_PENDING | WORK_BUSY_RUNNING);
	release(a);
	flush_workqueue(wq);
	RESULT(work_busy(w(a)), WORK_BUSY_PENDING);
	flush_delayed_work(dw(a));
	destroy_workqueue(wq);
	RESULT(runs(a), 2);
}

CASE(an_unbound_delayed_item_runs_when_due,
     "queue_delayed_work works on unbound workqueues")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct item *a = item('a');

	RESULT(queue_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 1);
	wait_idle(a);
	RESULT(mod_delayed_work(wq, dw(a), HOUR), 0);
	RESULT(mod_delayed_work(wq, dw(a), 1), 1);
	wait_finished(a, 2);
	destroy_workqueue(wq);
}

static atomic_t deferrable_runs;

static void run_deferrable(struct work_struct *work)
{
	if (to_delayed_work(work))
		atomic_inc(&deferrable_runs);
}

CASE(deferrable_work_runs,
     "INIT_DEFERRABLE_WORK: its timer may wait for a busy CPU, the rest is as "
     "delayed work")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	static struct delayed_work d;
	int before = atomic_read(&deferrable_runs);

	INIT_DEFERRABLE_WORK(&d, run_deferrable);
	RESULT(queue_delayed_work(wq, &d, HOUR), 1);
	RESULT(queue_delayed_work(wq, &d, 1), 0);
	RESULT(mod_delayed_work(wq, &d, 0), 1);
	WAIT(atomic_read(&deferrable_runs) == before + 1);
	RESULT(queue_delayed_work(wq, &d, HOUR), 1);
	flush_delayed_work(&d);
	destroy_workqueue(wq);
	RESULT(atomic_read(&deferrable_runs) - before, 2);
}

static DECLARE_DELAYED_WORK(declared_delayed, run_deferrable);
static DECLARE_WORK(declared, run_deferrable);

CASE(declared_items_are_ready, "DECLARE_WORK, DECLARE_DELAYED_WORK")
{
	int before = atomic_read(&deferrable_runs);

	RESULT(schedule_delayed_work(&declared_delayed, 0), 1);
	flush_delayed_work(&declared_delayed);
	RESULT(schedule_work(&declared), 1);
	flush_work(&declared);
	RESULT(atomic_read(&deferrable_runs) - before, 2);
	RESULT(schedule_delayed_work_on(world_cpu(0), &declared_delayed, HOUR),
	       1);
	RESULT(cancel_delayed_work_sync(&declared_delayed), 1);
}
