/* SPDX-License-Identifier: MIT */
/* attrs.c - attributes of unbound workqueues. */
#include "case.h"

CASE(attributes_start_as_the_defaults,
     "alloc_workqueue_attrs: nice 0, all possible CPUs, the default scope, not "
     "strict, not ordered")
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	RESULT(!!attrs, 1);
	RESULT(attrs->nice, 0);
	RESULT(cpumask_equal(attrs->cpumask, cpu_possible_mask), 1);
	RESULT(attrs->affn_scope == WQ_AFFN_DFL, 1);
	RESULT(attrs->affn_strict, 0);
	RESULT(attrs->ordered, 0);
	free_workqueue_attrs(attrs);
	free_workqueue_attrs(NULL);
}

CASE(the_scopes_have_the_kernels_order,
     "enum wq_affn_scope DFL CPU SMT CACHE CACHE_SHARD NUMA SYSTEM",
     .kernel_cannot = SINCE(7, 0))
{
	RESULT(WQ_AFFN_DFL, 0);
	RESULT(WQ_AFFN_CPU, 1);
	RESULT(WQ_AFFN_SMT, 2);
	RESULT(WQ_AFFN_CACHE, 3);
	RESULT(WQ_AFFN_CACHE_SHARD, 4);
	RESULT(WQ_AFFN_NUMA, 5);
	RESULT(WQ_AFFN_SYSTEM, 6);
	RESULT(WQ_AFFN_NR_TYPES, 7);
}

CASE(attributes_cannot_be_applied_to_a_percpu_queue,
     "apply_workqueue_attrs: -EINVAL for a workqueue that is not unbound, with "
     "a "
     "warning")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	RESULT(apply_workqueue_attrs(wq, attrs), -EINVAL);
	RESULT(warned(), 1);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

CASE(strict_items_run_on_the_cpus_of_the_mask,
     "attributes: cpumask; affn_strict: workers never leave the pod", .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = item('a');
	int i;

	for (i = 0; i < 4; i++) {
		cpumask_clear(attrs->cpumask);
		cpumask_set_cpu((unsigned int)world_cpu(i % 2), attrs->cpumask);
		attrs->affn_strict = true;
		RESULT(apply_workqueue_attrs(wq, attrs), 0);
		queue_work(wq, w(a));
		wait_finished(a, i + 1);
		RESULT(atomic_read(&a->cpu), i % 2);
		wait_idle(a);
	}
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

CASE(one_cpu_per_pod_serves_the_cpu_that_queues,
     "WQ_AFFN_CPU: each CPU by itself; with affn_strict items run where they "
     "were "
     "queued",
     .cpus = 2)
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = item('a');
	int i;

	attrs->affn_scope = WQ_AFFN_CPU;
	attrs->affn_strict = true;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	for (i = 0; i < 4; i++) {
		queue_work_on(world_cpu(i % 2), wq, w(a));
		wait_finished(a, i + 1);
		RESULT(atomic_read(&a->cpu), i % 2);
		wait_idle(a);
	}
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

static void note_nice(struct item *it)
{
	it->saw[0] = world_nice();
}

CASE(workers_have_the_nice_value_of_the_attributes, "attributes: nice")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = item('a');

	a->body = note_nice;
	queue_work(wq, w(a));
	flush_workqueue(wq);
	RESULT(a->saw[0], 0);
	attrs->nice = 7;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	queue_work(wq, w(a));
	flush_workqueue(wq);
	RESULT(a->saw[0], 7);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

CASE(attributes_are_copied, "apply_workqueue_attrs copies them")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = item('a');

	a->body = note_nice;
	attrs->nice = 3;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	attrs->nice = 9;
	queue_work(wq, w(a));
	flush_workqueue(wq);
	RESULT(a->saw[0], 3);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

CASE(items_queued_before_a_change_are_done_where_they_are,
     "apply_workqueue_attrs: in-flight work items finish on the old pools")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = held_item('a'), *b = item('b');

	b->body = note_nice;
	a->tail = note_nice;
	queue_work(wq, w(a));
	wait_started(a, 1);
	attrs->nice = 5;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	RESULT(work_busy(w(a)), WORK_BUSY_RUNNING);
	queue_work(wq, w(b));
	wait_finished(b, 1);
	RESULT(b->saw[0], 5);
	release(a);
	wait_finished(a, 1);
	RESULT(a->saw[0], 0);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
	ORDER("ab");
}

CASE(an_item_that_runs_stays_on_its_old_pool_when_queued_again,
     "a requeue goes to the pool where it still runs and waits there")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = held_item('a');

	a->body = note_nice;
	queue_work(wq, w(a));
	wait_started(a, 1);
	attrs->nice = 5;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	RESULT(queue_work(wq, w(a)), 1);
	go(a);
	wait_started(a, 2);
	go(a);
	wait_idle(a);
	RESULT(a->saw[0], 0);
	RESULT(atomic_read(&a->overlaps), 0);
	queue_work(wq, w(a));
	wait_started(a, 3);
	release(a);
	wait_idle(a);
	RESULT(a->saw[0], 5);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

/* Change the attributes of a busy ordered workqueue. */
static void change_ordered(bool ordered, bool in_order)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("c", 0);
	struct workqueue_struct *probe = alloc_ordered_workqueue("p", 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = held_item('a'), *b = item('b'), *c = held_item('c');
	struct item *d = item('d');

	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	attrs->nice = 4;
	attrs->ordered = ordered;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	RESULT(apply_workqueue_attrs(probe, attrs), 0);
	queue_work(wq, w(c));
	queue_work(wq, w(d));
	settle(probe, 0);
	RESULT(pending(c), in_order);
	release(a);
	wait_finished(b, 1);
	wait_started(c, 1);
	RESULT(pending(d), 1);
	release(c);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
}

CASE(an_ordered_queue_stays_ordered_across_a_change,
     "an ordered queue stays one-at-a-time FIFO across attribute changes (a "
     "new pwq "
     "stays plugged until the old one is empty)")
{
	change_ordered(true, true);
	ORDER("abcd");
}

CASE(an_ordered_queue_stays_ordered_even_if_the_attributes_are_not,
     "an ordered queue stays one-at-a-time FIFO across attribute changes",
     .differs = "3, attrs->ordered is not set")
{
	change_ordered(false, WORLD(0, 1));
	ORDER(WORLD("acbd", "abcd"));
}

CASE(a_change_keeps_max_active, "max_active is of the workqueue")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 1);
	struct workqueue_struct *probe = alloc_workqueue("p", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = held_item('a'), *b = item('b');

	attrs->nice = 6;
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	RESULT(apply_workqueue_attrs(probe, attrs), 0);
	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	settle(probe, 0);
	RESULT(pending(b), 1);
	release(a);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
	destroy_workqueue(probe);
	ORDER("ab");
}

CASE(a_mask_without_usable_cpus_means_all,
     "CPUs that workqueues may not use do not count; if none is left, all that "
     "may "
     "be used are meant")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item *a = item('a');

	cpumask_clear(attrs->cpumask);
	RESULT(apply_workqueue_attrs(wq, attrs), 0);
	queue_work(wq, w(a));
	wait_finished(a, 1);
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}
