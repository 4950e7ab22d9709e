/* SPDX-License-Identifier: MIT */
/*
 * worker - the record of a thread that runs items, and its slot.
 *
 * Slots are handed out under slot_lock; the table is read without. What a
 * worker does is in exec.c, its life in manager.c.
 */
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#include "lock.h"

static struct lock slot_lock = LOCK_INITIALIZER(RANK_SLOT);
_Atomic(struct worker *) worker_slots[MAX_WORKERS];
__thread struct worker *worker_tls;
__thread uint32_t worker_tls_gen;
static unsigned int nr_slots;	 /* slot_lock */
static struct worker *free_list; /* slot_lock */

static void worker_init(struct worker *worker, struct pool *pool)
{
	worker->gen = os_generation();
	worker->seq = 0;
	worker->tid = 0;
	worker->is_idle = false;
	worker->asleep = false;
	worker->look = 0;
	worker->began = 0;
	worker->intensive = false;
	worker->die = false;
	worker->came_home = false;
	worker->rescue_wq = NULL;
	worker->hint_depth = 0;
	worker->tick_seq = 0;
	worker->own_round = 0;
	atomic_store(&worker->returned, false);
	worker->moves = 0;
	worker->watch_seq = 0;
	worker->computes = false;
	worker->cpu = -1;
	worker->woken_from = 0;
	worker->woken_at = 0;
	worker->woken_seq = 0;
	worker->followed = 0;
	worker->near = 0;
	worker->misses = 0;
	worker->lease.open = false;
	worker->lease.row = NULL;
	worker->lease.slot = NULL;
	worker->lease.gather = false;
	worker->lease.misses = 0;
	worker->lease.skips = 0;
	atomic_store(&worker->lease.again, NULL);
	worker->desc[0] = '\0';
	list_init(&worker->entry);
	list_init(&worker->scheduled);
	list_init(&worker->waiters);
	atomic_store(&worker->current_work, NULL);
	atomic_store(&worker->wake, 0);
	atomic_store(&worker->pool, pool);
}

struct worker *worker_alloc(struct pool *pool)
{
	struct worker *worker;

	lock(&slot_lock);
	worker = free_list;
	if (worker) {
		free_list = worker->next_free;
	} else if (nr_slots < MAX_WORKERS) {
		worker = aligned_alloc(64, sizeof(*worker));
		if (worker) {
			memset(worker, 0, sizeof(*worker));
			worker->slot = nr_slots++;
		}
	}
	unlock(&slot_lock);
	if (worker) {
		worker_init(worker, pool);
		atomic_store_explicit(&worker_slots[worker->slot], worker,
				      memory_order_release);
	}
	return worker;
}

void worker_free(struct worker *worker)
{
	lock(&slot_lock);
	worker->next_free = free_list;
	free_list = worker;
	unlock(&slot_lock);
}

void worker_leave(struct worker *worker)
{
	worker_tls = NULL;
	worker_free(worker);
}

/*
 * No thread of the parent exists here but the one that forked, perhaps inside an
 * item, and the caller may be yet another. Records of workers with an item are
 * therefore left alone: the thread in it may still read its own.
 */
void worker_reset_all(void)
{
	lock_init(&slot_lock, RANK_SLOT);
	free_list = NULL;
	for (unsigned int i = 0; i < nr_slots; i++) {
		struct worker *worker = atomic_load(&worker_slots[i]);

		if (!worker || atomic_load(&worker->current_work))
			continue;
		worker->next_free = free_list;
		free_list = worker;
	}
}

struct worker *pool_find_busy(struct pool *pool, struct work_struct *work)
{
	struct worker *worker;

	list_for_each_entry (worker, &pool->busy, entry)
		if (worker_runs(worker, work))
			return worker;
	return NULL;
}

struct worker *worker_find(struct work_struct *work,
			   struct workqueue_struct *wq)
{
	struct worker *worker;
	unsigned int n;

	/* A worker that runs something has had its slot for long. */
	lock(&slot_lock);
	n = nr_slots;
	unlock(&slot_lock);
	for (unsigned int i = 0; i < n; i++) {
		worker = worker_of_slot(i);
		if (worker && worker_runs_for(worker, work, wq))
			return worker;
	}
	return NULL;
}

void worker_leave_idle(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	if (!w->is_idle)
		return;
	w->is_idle = false;
	list_del(&w->entry);
	pool->nr_idle--;
	atomic_store(&pool->first_idle,
		     list_empty(&pool->idle)
			     ? NULL
			     : list_first(&pool->idle, struct worker, entry));
}
