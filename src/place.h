/* SPDX-License-Identifier: MIT */
/* place - on which CPU a worker of an unbound pool wakes up. See place.c. */
#ifndef CMWQ_PLACE_H
#define CMWQ_PLACE_H

#include "os.h"
#include "pool.h"
#include "worker.h"

/* With the CPU, plus one: */
#define PLACE_APART 1U /* whoever woke it runs items himself */
#define PLACE_HERE  2U /* nobody runs there */
#define PLACE_SHIFT 2

/* By whoever is about to wake the worker, and goes on where he is. Any thread, even in
 * a signal handler. */
static inline void place_note(struct worker *w, unsigned int flag)
{
	unsigned int from = (unsigned int)os_cpu() + 1;

	atomic_store_explicit(&w->woken_from, from << PLACE_SHIFT | flag,
			      memory_order_relaxed);
	if (!flag)
		atomic_store_explicit(&w->kicked_at, os_now(),
				      memory_order_relaxed);
}

/* The caller goes on running items here: if there is an idle worker that was last
 * elsewhere, let it be the first. One that was woken, and does not come though another
 * CPU idles, is sent there. */
void place_apart(struct pool *pool) REQUIRES(pool->lock);

/*
 * Something was queued while one worker runs an item: is it to be left to him? Then it
 * is as in a pool of one CPU. @here: the caller's CPU. Any thread, even in a signal
 * handler.
 */
bool place_leaves(struct pool *pool, int here);

/* The worker has ended an item and drained the inbox behind it. */
void place_followed(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

static inline void place_drained(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	if (unlikely(atomic_load_explicit(&pool->behind_at,
					  memory_order_relaxed)))
		place_followed(w, pool);
}

/* What was left to him and is still there when another one begins: was that late? */
void place_came(struct pool *pool) REQUIRES(pool->lock);

static inline void place_begins(struct pool *pool) REQUIRES(pool->lock)
{
	if (unlikely(atomic_load_explicit(&pool->behind_at,
					  memory_order_relaxed)))
		place_came(pool);
}

/* The worker, without the lock, and counted as idle: when it has been woken, and before
 * it sleeps. */
void place_woken(struct worker *w, struct pool *pool);
void place_rest(struct worker *w, struct pool *pool);

#endif
