/* SPDX-License-Identifier: MIT */
/* rcu.c - RCU work: an item that is queued after a grace period. */
#include "case.h"

struct rcu_item {
	struct rcu_work rwork;
	atomic_t runs;
	struct completion go;
	bool held;
	struct workqueue_struct *again;
};

static void run_rcu_item(struct work_struct *work)
{
	struct rcu_item *r = (struct rcu_item *)to_rcu_work(work);

	atomic_inc(&r->runs);
	if (r->again && atomic_read(&r->runs) == 1)
		queue_rcu_work(r->again, &r->rwork);
	if (r->held)
		wait_for_completion(&r->go);
}

/* They outlive the case: a grace period may still be under way if it fails. */
static struct rcu_item *rcu_item(void)
{
	static struct rcu_item items[16];
	static int used;
	struct rcu_item *r = &items[used++ % 16];

	atomic_set(&r->runs, 0);
	init_completion(&r->go);
	r->held = false;
	r->again = NULL;
	INIT_RCU_WORK(&r->rwork, run_rcu_item);
	return r;
}

static long do_flush_rcu_work(void *rwork)
{
	return flush_rcu_work(rwork);
}

CASE(rcu_work_runs_after_a_grace_period,
     "queue_rcu_work: true if it was queued")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct rcu_item *r = rcu_item();

	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	flush_rcu_work(&r->rwork);
	RESULT(atomic_read(&r->runs), 1);
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	WAIT(atomic_read(&r->runs) == 2);
	destroy_workqueue(wq);
}

CASE(flush_rcu_work_of_an_idle_item_is_false,
     "flush_rcu_work: false if there was nothing to wait for")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct rcu_item *r = rcu_item();

	RESULT(flush_rcu_work(&r->rwork), 0);
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	flush_rcu_work(&r->rwork);
	RESULT(flush_rcu_work(&r->rwork), 0);
	destroy_workqueue(wq);
	RESULT(atomic_read(&r->runs), 1);
}

CASE(pending_rcu_work_cannot_be_queued,
     "queue_rcu_work: false if it was pending")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
	struct item *a = held_item('a');
	struct rcu_item *r = rcu_item();
	struct thread t;

	queue_work(wq, w(a));
	wait_started(a, 1);
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	RESULT(queue_rcu_work(wq, &r->rwork), 0);
	RESULT(work_pending(&r->rwork.work), 1);
	thread_start(&t, -1, do_flush_rcu_work, &r->rwork);
	RESULT(thread_blocked(&t), 1);
	release(a);
	RESULT(thread_join(&t), 1);
	destroy_workqueue(wq);
	RESULT(atomic_read(&r->runs), 1);
}

CASE(running_rcu_work_can_be_queued_again,
     "PENDING is cleared before the function runs")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct rcu_item *r = rcu_item();

	r->held = true;
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	WAIT(atomic_read(&r->runs) == 1);
	RESULT(work_busy(&r->rwork.work), WORK_BUSY_RUNNING);
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	RESULT(queue_rcu_work(wq, &r->rwork), 0);
	complete_all(&r->go);
	flush_rcu_work(&r->rwork);
	RESULT(atomic_read(&r->runs), 2);
	destroy_workqueue(wq);
}

CASE(rcu_work_of_an_unbound_queue, "queue_rcu_work works on every workqueue")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_UNBOUND, 0);
	struct workqueue_struct *wq2 = alloc_ordered_workqueue("d", 0);
	struct rcu_item *r = rcu_item(), *s = rcu_item();

	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	RESULT(queue_rcu_work(wq2, &s->rwork), 1);
	flush_rcu_work(&r->rwork);
	flush_rcu_work(&s->rwork);
	destroy_workqueue(wq);
	destroy_workqueue(wq2);
	RESULT(atomic_read(&r->runs) + atomic_read(&s->runs), 2);
}

CASE(disabled_rcu_work_cannot_be_queued,
     "queueing a disabled item returns false and leaves it idle",
     .differs = "6, disabled RCU work")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct rcu_item *r = rcu_item();

	RESULT(disable_work(&r->rwork.work), 0);
	RESULT(queue_rcu_work(wq, &r->rwork), 0);
	RESULT(warned_already(), WORLD(1, 0));
	RESULT(work_busy(&r->rwork.work), 0);
	RESULT(enable_work(&r->rwork.work), 1);
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	flush_rcu_work(&r->rwork);
	destroy_workqueue(wq);
	RESULT(atomic_read(&r->runs), 1);
}

CASE(rcu_work_may_be_queued_by_its_own_function,
     "the item can be queued again, also by itself")
{
	struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 0);
	struct rcu_item *r = rcu_item();

	r->again = wq;
	RESULT(queue_rcu_work(wq, &r->rwork), 1);
	WAIT(atomic_read(&r->runs) == 2);
	flush_rcu_work(&r->rwork);
	RESULT(work_busy(&r->rwork.work), 0);
	destroy_workqueue(wq);
	RESULT(atomic_read(&r->runs), 2);
}
