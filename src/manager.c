/* SPDX-License-Identifier: MIT */
/*
 * manager - creates workers, and ends those that have been idle for long.
 *
 * A worker is created by one that is about to leave the pool without an idle one while
 * more work waits, or by the timer thread for a pool that has none. Two idle workers are
 * always kept; beyond that one per idle_ratio busy ones, and the rest end when
 * idle for idle_timeout_ms.
 *
 * If no thread can be created the would-be manager runs items itself: nothing
 * stops but the reserve, and the tick tries again as long as work waits.
 */
#include "manager.h"

#include <string.h>

#include "lease.h"
#include "log.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "timer.h"

#define KEEP_IDLE 2

void *(*manager_thread)(void *worker);

bool manager_create(struct pool *pool)
{
	struct worker *w;
	int err = 0;

	atomic_fetch_add(&pool->nr_threads, 1);
	pool->managed = true;
	pool_unlock(pool);

	w = worker_alloc(pool);
	if (w)
		err = os_thread_create(manager_thread, w,
				       (size_t)param_get(stack_kib) * 1024);
	if (w && err)
		worker_free(w);
	if (!w || err)
		log_warn_once("cannot create a worker (%s); trying again as "
			      "long as work waits",
			      w ? strerror(err) : "no slot");

	pool_lock(pool);
	pool->managed = false;
	if (w && !err)
		return true;
	atomic_fetch_sub(&pool->nr_threads, 1);
	return false;
}

static bool too_many(struct pool *pool) REQUIRES(pool->lock)
{
	int surplus = pool->nr_idle - KEEP_IDLE;
	int busy = pool->nr_workers - pool->nr_idle;

	if (unlikely(atomic_load(&pool->deserted)))
		return pool->nr_idle;
	return surplus > 0 && surplus * param_get(idle_ratio) >= busy;
}

/* How long a surplus worker is kept, in ns. */
static uint64_t idle_timeout(struct pool *pool)
{
	if (atomic_load(&pool->deserted))
		return 0;
	return (uint64_t)param_get(idle_timeout_ms) * NSEC_PER_MSEC;
}

static void arm_cull(struct pool *pool, uint64_t in_ns) REQUIRES(pool->lock)
{
	pool->cull_armed = true;
	timer_add(&pool->cull_timer,
		  (unsigned long)(in_ns / NSEC_PER_MSEC) + 1);
}

/* On the timer thread. The list's tail has been idle for the longest. */
static void cull(struct cmwq_timer *timer)
{
	struct pool *pool = container_of(timer, struct pool, cull_timer);
	uint64_t timeout, now;

	/* Under the lock: nobody is idle since later than now, and a pool that was
	 * deserted before is known to be. */
	pool_lock(pool);
	timeout = idle_timeout(pool);
	now = os_now();
	pool->cull_armed = false;
	while (too_many(pool)) {
		struct worker *w =
			list_entry(pool->idle.prev, struct worker, entry);

		if (now - w->idle_since < timeout) {
			arm_cull(pool, timeout - (now - w->idle_since));
			break;
		}
		w->die = true;
		worker_leave_idle(w, pool);
		pool->nr_workers--;
		atomic_fetch_sub(&pool->nr_threads, 1);
		atomic_store(&w->wake, 1);
		os_futex_wake(&w->wake, 1);
	}
	pool_unlock(pool);
}

/* A cull that is being called looks at deserted when it has the lock. */
void manager_end_idle(struct pool *pool)
{
	pool_lock(pool);
	/* One that is armed is for a time when there were users; who is busy now
	 * would wait for it. */
	if (pool->cull_armed ? timer_del(&pool->cull_timer) : pool->nr_idle) {
		pool->cull_timer.function = cull;
		arm_cull(pool, 0);
	}
	pool_unlock(pool);
}

void manager_worker_idle(struct pool *pool)
{
	if (pool->cull_armed || !too_many(pool))
		return;
	pool->cull_timer.function = cull;
	arm_cull(pool, idle_timeout(pool));
}
