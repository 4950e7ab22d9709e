/* SPDX-License-Identifier: MIT */
/* manager - creates workers, and ends those that have been idle for long. */
#ifndef CMWQ_MANAGER_H
#define CMWQ_MANAGER_H

#include <stdbool.h>

#include "worker.h"

/* The body of a worker thread, so that floors stay floors. */
extern void (*manager_thread)(void *worker);

/* Create a worker. Drops and retakes the lock. A failure is reported once; the
 * tick tries again. */
bool manager_create(struct pool *pool) REQUIRES(pool->lock);

/* From a worker about to start: keep one idle worker in reserve, or one that is
 * being created. */
static inline void manager_keep_reserve(struct pool *pool) REQUIRES(pool->lock)
{
	if (!pool->nr_idle &&
	    atomic_load(&pool->nr_threads) == pool->nr_workers)
		manager_create(pool);
}

/* A worker became idle: see that surplus ones end after a while. */
void manager_worker_idle(struct pool *pool) REQUIRES(pool->lock);

#endif
