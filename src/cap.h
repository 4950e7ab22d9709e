/* SPDX-License-Identifier: MIT */
/*
 * cap - how many workers of a pool may run at once.
 *
 * A bound pool: 1. An unbound one: as many as it has CPUs that the process may use,
 * and with a CPU quota (quota.h) less. The quota is the process's, so the pools share
 * it: each may run one worker whatever the others do, since an item must not wait
 * for another queue's to end; what the quota leaves beyond that goes to the
 * pools that have work waiting, in proportion to their CPUs. With k pools at work and
 * a quota of q they run max(k, q) at most.
 *
 * The shares are dealt out anew at each tick, by the timer thread, from what each pool
 * runs and has waiting. So the paths of items read their own pool's cap as always, and
 * know nothing of other pools. A pool without work keeps its share until another
 * needs it: it would be wrong to begin a burst with one worker if nobody else is
 * there. All shares together never come to more than the quota less one, so pools that
 * all wake up at once run k + q - 1 until the next tick.
 *
 * A quota that grants as many CPUs as the process may use is none. Bound pools are
 * not concerned: one item per CPU is what per-CPU workqueues promise.
 */
#ifndef CMWQ_CAP_H
#define CMWQ_CAP_H

#include "pool.h"

/* The CPUs of the pool, or those that the process may use, have changed. */
void cap_recount(struct pool *pool) REQUIRES(pool->lock);

/* On the timer thread: deal out the quota. */
void cap_share(void);

/* Does the quota keep it from using all its CPUs? */
static inline bool cap_is_short(struct pool *pool)
{
	return pool_cap(pool) <
	       atomic_load_explicit(&pool->nr_cpus, memory_order_relaxed);
}

#endif
