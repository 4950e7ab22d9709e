/* SPDX-License-Identifier: MIT */
/* exec - the life of a worker thread and of the items it runs. */
#ifndef CMWQ_EXEC_H
#define CMWQ_EXEC_H

#include "worker.h"

/* The body of a worker thread; the argument is its struct worker. */
void *exec_thread(void *worker);

/* Run the first item of the worklist of a pool whose only worker is @w: in this
 * thread. Drops and retakes the lock. */
void exec_first(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

/* A rescuer runs an item of the pool's worklist, and those that must wait for the
 * one who runs it. Drops and retakes the lock. */
void exec_rescue(struct worker *w, struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock);

#endif
