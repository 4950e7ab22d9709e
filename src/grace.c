/* SPDX-License-Identifier: MIT */
/*
 * grace - items of RCU work between queue_rcu_work() and their workqueue.
 *
 * Each flavour has an item of its own, which takes all that waits, waits for one
 * grace period, and queues them in the order in which they came. What comes
 * meanwhile waits for the next: it is listed before the wait for it begins, so
 * every reader that could have seen what it is to free is waited for.
 *
 * Why synchronize_rcu() on a worker and not call_rcu(): the items stay on lists of
 * ours. So they can be taken back at once, and in a forked child they are idle;
 * liburcu would call them there. Its thread for callbacks, if it cannot be
 * created, ends the process; it looks at its list every 10 ms only; and it does
 * not take callbacks from threads that are not readers, as workers are not.
 *
 * Locks: all lists are under grace_lock, and so is WORD_GRACE of an item. The
 * lists that a run has taken are on its stack. Functions of liburcu are called
 * without a lock.
 */
#include "grace.h"

#include <stdint.h>
#include <stdlib.h>
#include <urcu/flavor.h>

#include "bh.h"
#include "cm.h"
#include "flush.h"
#include "life.h"
#include "list.h"
#include "lock.h"
#include "log.h"
#include "os_probe.h"
#include "queue.h"
#include "work.h"
#include "worker.h"

struct grace {
	const struct rcu_flavor_struct *flavor; /* I */
	struct grace *next;			/* I */
	struct work_struct item; /* waits for the grace periods */
	struct list waiting;	 /* grace lock: for the next one */
};

static struct lock grace_lock = LOCK_INITIALIZER(RANK_GRACE);
static struct grace *flavors;				/* grace lock */
static struct list flushers = { &flushers, &flushers }; /* grace lock */

static struct list *rwork_link(struct rcu_work *rwork)
{
	return (struct list *)&rwork->rcu;
}

static struct rcu_work *link_rwork(struct list *link)
{
	return container_of((struct cmwq_rcu_head *)link, struct rcu_work, rcu);
}

/* While the item waits here its other link says for whom, and where it is to run. */
static void set_place(struct work_struct *work, struct grace *grace, int cpu)
{
	work->entry.next = grace;
	work->entry.prev = (void *)(uintptr_t)cpu;
}

static struct grace *grace_of_work(const struct work_struct *work)
{
	return work->entry.next;
}

/* Those who wait for this item go to @to. */
static void take_flushers(struct work_struct *work, struct list *to)
	REQUIRES(grace_lock)
{
	struct waiter *waiter;

	list_init(to);
	list_for_each_entry_safe (waiter, &flushers, entry)
		if (waiter->work == work)
			list_move_tail(&waiter->entry, to);
}

static void complete_flushers(struct list *waiters)
{
	while (!list_empty(waiters)) {
		struct waiter *waiter =
			list_first(waiters, struct waiter, entry);

		list_del(&waiter->entry);
		completion_complete(&waiter->done);
	}
}

/* Off its list; returns its idle word. */
static unsigned long leave_grace(struct rcu_work *rwork, struct list *waiters)
	REQUIRES(grace_lock)
{
	struct work_struct *work = &rwork->work;

	list_del(rwork_link(rwork));
	take_flushers(work, waiters);
	work_flip(work, WORD_GRACE);
	return work_load(work) & ~WORD_PENDING;
}

/* Flushers go on when the item is where flush_work() finds it. */
static bool send_on_first(struct list *done)
{
	struct list waiters;
	struct rcu_work *rwork;
	unsigned long old;
	int cpu;

	lock(&grace_lock);
	if (list_empty(done)) {
		unlock(&grace_lock);
		return false;
	}
	rwork = link_rwork(done->next);
	cpu = (int)(uintptr_t)rwork->work.entry.prev;
	old = leave_grace(rwork, &waiters);
	unlock(&grace_lock);
	if (queue_wq_ok(rwork->wq, NULL))
		queue_owned(cpu, rwork->wq, &rwork->work, old, NULL);
	else
		work_exchange(&rwork->work, old);
	complete_flushers(&waiters);
	return true;
}

static void pass_period(struct work_struct *work)
{
	struct grace *grace = container_of(work, struct grace, item);
	struct list done;

	list_init(&done);
	lock(&grace_lock);
	while (!list_empty(&grace->waiting))
		list_move_tail(grace->waiting.next, &done);
	unlock(&grace_lock);
	cm_block_begin();
	grace->flavor->update_synchronize_rcu();
	cm_block_end();
	while (send_on_first(&done))
		;
}

static struct grace *find_flavor(const struct rcu_flavor_struct *flavor)
	REQUIRES(grace_lock)
{
	struct grace *grace = flavors;

	while (grace && grace->flavor != flavor)
		grace = grace->next;
	return grace;
}

struct grace *grace_of(const struct rcu_flavor_struct *flavor)
{
	struct grace *new = NULL, *grace;

	lock(&grace_lock);
	grace = find_flavor(flavor);
	unlock(&grace_lock);
	if (grace)
		return grace;
	new = calloc(1, sizeof(*new));
	if (!new)
		return NULL;
	new->flavor = flavor;
	new->item = (struct work_struct)__WORK_INITIALIZER(pass_period);
	list_init(&new->waiting);
	lock(&grace_lock);
	grace = find_flavor(flavor);
	if (!grace) {
		new->next = flavors;
		flavors = grace = new;
		new = NULL;
	}
	unlock(&grace_lock);
	free(new);
	return grace;
}

struct work_struct *grace_add(struct grace *grace, struct rcu_work *rwork)
{
	bool unbound = rwork->wq->flags & WQ_UNBOUND;

	set_place(&rwork->work, grace,
		  unbound ? WORK_CPU_UNBOUND : queue_cpu(rwork->wq));
	lock(&grace_lock);
	list_add_tail(rwork_link(rwork), &grace->waiting);
	work_set(&rwork->work, WORD_GRACE);
	unlock(&grace_lock);
	return &grace->item;
}

bool grace_take(struct work_struct *work, unsigned long *old)
{
	struct list waiters;
	bool taken;

	list_init(&waiters);
	lock(&grace_lock);
	taken = work_load(work) & WORD_GRACE;
	if (taken)
		*old = leave_grace(to_rcu_work(work), &waiters);
	unlock(&grace_lock);
	complete_flushers(&waiters);
	return taken;
}

/* Copies of items are no items: their neighbours do not know them. */
bool grace_holds(struct work_struct *work)
{
	struct list *link = rwork_link(to_rcu_work(work));
	struct list copy, near;
	unsigned long word;
	bool holds;

	if (!os_probe_copy(&word, &work->data, sizeof(word)) ||
	    !(word_now(word, os_generation()) & WORD_GRACE))
		return false;
	lock(&grace_lock);
	holds = work_load(work) & WORD_GRACE &&
		os_probe_copy(&copy, link, sizeof(copy)) &&
		os_probe_copy(&near, copy.next, sizeof(near)) &&
		near.prev == link &&
		os_probe_copy(&near, copy.prev, sizeof(near)) &&
		near.next == link;
	unlock(&grace_lock);
	return holds;
}

/* Which flavour's readers it waits for, or NULL. */
static struct grace *waits_for(struct work_struct *work)
{
	struct grace *grace = NULL;

	lock(&grace_lock);
	if (work_load(work) & WORD_GRACE)
		grace = grace_of_work(work);
	unlock(&grace_lock);
	return grace;
}

static bool hang_on(struct grace *grace, struct waiter *waiter)
{
	struct work_struct *work = waiter->work;
	bool hung = false;

	lock(&grace_lock);
	if (work_load(work) & WORD_GRACE && grace_of_work(work) == grace) {
		list_add_tail(&waiter->entry, &flushers);
		hung = true;
	}
	unlock(&grace_lock);
	return hung;
}

static void wait_for_grace(struct grace *grace, struct work_struct *work)
{
	struct waiter waiter = { .work = work };

	completion_init(&waiter.done);
	if (!hang_on(grace, &waiter))
		return;
	life_wait_online();
	bh_note_sleep();
	cm_block_begin();
	completion_wait(&waiter.done);
	cm_block_end();
}

/* With quiescent states a thread is a reader all the time, unless it goes offline. In
 * a read section of another flavour it still is one after that. */
static bool flush_offline(struct grace *grace, struct work_struct *work,
			  void *caller)
{
	const struct rcu_flavor_struct *flavor = grace->flavor;
	bool online = flavor->read_ongoing();

	if (online)
		flavor->thread_offline();
	if (flavor->read_ongoing()) {
		log_err("RCU work item %p is waited for in a read section that "
			"it waits for, by the caller at %p; not waiting",
			(void *)work, caller);
		return false;
	}
	wait_for_grace(grace, work);
	flush_item(work, caller);
	if (online)
		flavor->thread_online();
	return true;
}

/* One that is PENDING but neither here nor queued is on its way, a short step. */
bool grace_flush(struct work_struct *work, void *caller)
{
	struct backoff backoff = { 0 };
	unsigned long word;

	while ((word = work_load(work)) & WORD_PENDING && !word_pwq(word)) {
		struct grace *grace = waits_for(work);

		if (grace)
			return flush_offline(grace, work, caller);
		backoff_wait(&backoff);
	}
	return flush_item(work, caller);
}

void grace_reset(void)
{
	struct grace *grace;

	lock_init(&grace_lock, RANK_GRACE);
	list_init(&flushers);
	for (grace = flavors; grace; grace = grace->next)
		list_init(&grace->waiting);
}
