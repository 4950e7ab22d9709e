/* SPDX-License-Identifier: MIT */
/* manager - creates workers, and ends those that have been idle for long. */
#ifndef CMWQ_MANAGER_H
#define CMWQ_MANAGER_H

#include <stdbool.h>

#include "worker.h"

/* The body of a worker thread, so that floors stay floors. */
extern void *(*manager_thread)(void *worker);

/* Create a worker. Drops and retakes the lock. A failure is reported once; the
 * timer thread tries again as long as work waits. */
bool manager_create(struct pool *pool) REQUIRES(pool->lock);

/* No worker is idle, and none is on its way. */
static inline bool manager_lacks_worker(struct pool *pool) REQUIRES(pool->lock)
{
	return !pool->nr_idle && !pool->managed &&
	       atomic_load(&pool->nr_threads) == pool->nr_workers;
}

/* No worker is idle, and none is being created. */
static inline bool manager_is_needed(struct pool *pool) REQUIRES(pool->lock)
{
	return unlikely(!pool->nr_idle && !pool->managed &&
			atomic_load(&pool->nr_threads) == pool->nr_workers);
}

/*
 * Keep one idle worker in reserve, or one that is being created: others may
 * leave the pool without one while the lock is dropped, so it looks again.
 */
static inline void manager_keep_reserve(struct pool *pool) REQUIRES(pool->lock)
{
	while (manager_is_needed(pool) && manager_create(pool))
		;
}

/* The pool lost its last user: idle workers end now. */
void manager_end_idle(struct pool *pool);

/* A worker became idle: see that surplus ones end after a while. */
void manager_worker_idle(struct pool *pool) REQUIRES(pool->lock);

#endif
