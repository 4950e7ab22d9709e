/* SPDX-License-Identifier: MIT */
/*
 * rcu - RCU work, and liburcu across fork.
 *
 * The default flavour is urcu-bp, with which any thread is a reader at any time. A
 * forked child can use it if its hooks were called around the fork, which this room
 * does from the first use of the default on. (Those of call_rcu(), which liburcu
 * advises against having called by pthread_atfork(), are not needed: see
 * grace.c.) They wait for a grace period that is under way, and they must not be
 * called twice; so a program that calls them itself says so by choosing the
 * flavour.
 *
 * They are not called by _Fork(), and not in a read section, in which they might
 * wait for ever. Then the child has readers that do not exist and perhaps
 * locks that nobody holds, and refuses RCU work until a flavour is chosen.
 * Whether they were is told by a word that fork wipes: hooked(). It counts only if
 * the default was used last, and nothing but a fork clears it.
 */
#include "rcu.h"

#include <errno.h>
#include <urcu/urcu-bp.h>
#include <cmwq/cmwq.h>

#include "flush.h"
#include "grace.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "queue.h"
#include "work.h"

static _Atomic(struct grace *) chosen; /* by the program, or NULL */
static _Atomic bool default_used; /* since one was chosen; or in the parent */
/* For the grace periods; made at the first use. */
static _Atomic(struct workqueue_struct *) gp_wq;
static __thread bool in_fork; /* between the hooks */

static _Atomic uint32_t *hooked(void)
{
	return &os_generation_word[2];
}

void rcu_fork_prepare(void)
{
	if (!atomic_load(&default_used) || !atomic_load(hooked()) ||
	    urcu_bp_read_ongoing())
		return;
	urcu_bp_before_fork();
	in_fork = true;
}

void rcu_fork_parent(void)
{
	if (in_fork)
		urcu_bp_after_fork_parent();
	in_fork = false;
}

void rcu_fork_child(void)
{
	if (!in_fork)
		return;
	in_fork = false;
	urcu_bp_after_fork_child();
	atomic_store(hooked(), 1);
}

int cmwq_set_rcu_flavor(const struct rcu_flavor_struct *flavor)
{
	struct grace *grace = NULL;

	life_check_early();
	if (flavor) {
		grace = grace_of(flavor);
		if (!grace)
			return -ENOMEM;
	}
	atomic_store(&chosen, grace);
	if (flavor)
		atomic_store(&default_used, false);
	return 0;
}

static struct grace *default_flavor(void *caller)
{
	struct grace *grace;

	if (!atomic_load(&default_used)) {
		atomic_store(hooked(), 1);
		atomic_store(&default_used, true);
	} else if (!atomic_load(hooked())) {
		log_err("RCU cannot be used in this process: it was forked by "
			"_Fork() or in a read section; RCU work refused, "
			"queued "
			"by the caller at %p",
			caller);
		return NULL;
	}
	grace = grace_of(&urcu_bp_flavor);
	if (!grace)
		log_err("no memory for RCU work, queued by the caller at %p",
			caller);
	return grace;
}

/* Grace periods must go on however scarce threads are. */
static struct workqueue_struct *grace_wq(void)
{
	struct workqueue_struct *wq = atomic_load(&gp_wq), *new;

	if (wq)
		return wq;
	new = alloc_workqueue("rcu_gp", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!new)
		return system_dfl_wq;
	if (atomic_compare_exchange_strong(&gp_wq, &wq, new))
		return new;
	destroy_workqueue(new);
	return wq;
}

bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *rwork)
{
	void *caller = __builtin_return_address(0);
	struct work_struct *work = rwork ? &rwork->work : NULL;
	struct grace *grace;
	unsigned long old;

	life_check();
	if (!queue_args_ok(wq, work, WORK_CPU_UNBOUND, caller))
		return false;
	grace = atomic_load(&chosen);
	if (!grace)
		grace = default_flavor(caller);
	if (!grace || lease_keeps(work, work_load(work)) ||
	    !work_claim_idle(work, &old))
		return false;
	if (old & WORD_OFF_MASK) {
		work_exchange(work, old);
		return false;
	}
	rwork->wq = wq;
	queue_work(grace_wq(), grace_add(grace, rwork));
	return true;
}

bool flush_rcu_work(struct rcu_work *rwork)
{
	void *caller = __builtin_return_address(0);

	life_check();
	return queue_work_ok(rwork ? &rwork->work : NULL, caller) &&
	       grace_flush(&rwork->work, caller);
}
