/* SPDX-License-Identifier: MIT */
/*
 * limit - how many items of a workqueue may be active: max_active, min_active, the
 * freezer.
 *
 * A per-CPU workqueue may have max_active on each CPU. An unbound one with a single
 * pwq has them there. One with several shares them out over the NUMA nodes, by the
 * number of CPUs that each has, rounded up and at least min_active: on each node
 * its pwqs take slots of one count (node.h). What belongs to no node (a pool whose
 * CPUs are on several) has a count of its own with the full max_active.
 *
 * While the freezer is on, a freezable workqueue has 0 of everything; what is
 * set meanwhile counts from the thaw on.
 */
#ifndef CMWQ_LIMIT_H
#define CMWQ_LIMIT_H

#include "pwq.h"
#include "wq_struct.h"

/* Is the freezer on? Under the registry lock. */
bool limit_freezing(void);

/* Into 1..WQ_MAX_ACTIVE, with a warning if it is not. */
int limit_clamp(const char *name, int max_active);

/* What a pwq that is alone may have. */
int limit_alone(struct workqueue_struct *wq);

/* Nodes for a workqueue that is about to have several pwqs, or NULL. */
struct node *limit_make_nodes(void);

/* max_active, the freezer, or the CPUs have changed: pwqs follow. */
void limit_settle(struct workqueue_struct *wq) REQUIRES(wq->lock);

void limit_reset(struct workqueue_struct *wq); /* in a forked child */

#endif
