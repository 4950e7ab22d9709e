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

/*
 * Keep one idle worker in reserve, or one that is being created: others may
 * leave the pool without one meanwhile, so the manager looks again. True if it
 * dropped the lock. The caller is not counted as running: asleep in the creation
 * of a thread he holds up nobody.
 */
static inline bool manager_keep_reserve(struct pool *pool) REQUIRES(pool->lock)
{
	bool dropped = false;

	while (unlikely(manager_lacks_worker(pool))) {
		dropped = true;
		if (!manager_create(pool))
			break;
	}
	return dropped;
}

/* The pool lost its last user: idle workers end now. */
void manager_end_idle(struct pool *pool);

/* A worker became idle: see that surplus ones end after a while. */
void manager_worker_idle(struct pool *pool) REQUIRES(pool->lock);

#endif
