/* SPDX-License-Identifier: MIT */
/*
 * grace - items of RCU work between queue_rcu_work() and their workqueue.
 *
 * From grace_add() on the item is PENDING and WORD_GRACE, and on a list of this
 * room, until the readers of its flavour that were there then are gone. Taking it
 * off that list makes one its owner.
 */
#ifndef CMWQ_GRACE_H
#define CMWQ_GRACE_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

struct rcu_flavor_struct;

/* What waits for the readers of one flavour. Never freed. */
struct grace;

/* NULL without memory. */
struct grace *grace_of(const struct rcu_flavor_struct *flavor);

/*
 * The item, which the caller owns and whose rwork->wq is set, waits for a grace
 * period from now on. The caller then queues the item that is returned, which
 * waits for one and sends on what waited.
 */
struct work_struct *grace_add(struct grace *grace, struct rcu_work *rwork);

/* Take it back: the caller owns it, and *old is its idle word. False if it does
 * not wait for a grace period (any more). */
bool grace_take(struct work_struct *work, unsigned long *old);

/* Does that memory, which may hold anything, wait for a grace period? */
bool grace_holds(struct work_struct *work);

/* Wait for the grace period and the run, for @caller. Returns whether there was
 * something to wait for. */
bool grace_flush(struct work_struct *work, void *caller);

void grace_reset(void); /* in a forked child */

#endif
