/* SPDX-License-Identifier: MIT */
/*
 * lease - tiny items run in a row without the pool's lock.
 *
 * Where items are tiny a worker takes up to 32 of them in a lease, from the worklist,
 * or from what has come out of the inbox and is not admitted yet, and starts and ends
 * them with one atomic addition per item. It is the one lessee of the pool, and stays
 * so until somebody else takes pool->lock, who first ends the lease: what is done is
 * done, the item that runs is counted as if it had been started under the lock,
 * and the rest goes back to where it was. So under the lock it is again as if the lock
 * had been taken for every start and every end.
 *
 *	lessee				who has taken the lock
 *	L1 taken++, get what it was	R1 taken |= ENDED, get what it was
 *	L2 start the item unless ENDED	R2 items from there on are not the lessee's
 *
 * Both are read-modify-writes of one word: they have an order, so an item is either
 * started or given back, never both. Before L1 the lessee touches the item's memory
 * no more, since whoever ends the lease may give it to its owner, who frees it. From
 * L1 until PENDING is cleared the item is on its way, as before the push: who wants to
 * take it back looks again (lease_lists()). models/lease.pml.
 *
 * What came from the worklist has been counted. What has not been admitted is not
 * counted at all, unless it runs when the lease ends: a pwq that is below its limit and
 * has no inactive items stays so, since one worker runs them one after another.
 * Items that are CPU_INTENSIVE, that still run, that are waited for, or whose pwq is
 * flushed or shares its max_active are run as ever, since the end of a leased item is
 * known late: at the end of the lease, or when somebody takes the lock.
 *
 * The item that runs may queue itself again: it goes to the end of the lease, if
 * nothing has come before it (lease_requeue()). At that moment somebody may end the
 * lease and not see the item. So an ended lease stays that of the pool until the
 * lessee comes back, and everybody who takes the lock looks at its end again: who
 * knows that the item has been queued finds it.
 */
#ifndef CMWQ_LEASE_H
#define CMWQ_LEASE_H

#include "pwq.h"
#include "worker.h"

/* Is one worth while? For a single item on the worklist it is not; and if a worker is
 * asleep it must be seen when it runs again. */
static inline bool lease_pays(struct pool *pool) REQUIRES(pool->lock)
{
	const struct list *l = &pool->worklist;

	return pool_is_tiny(pool) && !pool->nr_asleep &&
	       (list_empty(l) || l->next->next != l);
}

/* Take a lease of what is to be started next. False: of none. */
bool lease_begin(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

/*
 * The lessee has left the lock and taken it again, for the lease is over. True: nobody
 * had ended it before. False: whatever others have found out about the worker meanwhile
 * is to be settled, and the run of an item of @w->lease.running, if that is not NULL.
 */
bool lease_end(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

/* By whoever has taken the lock and is not the lessee. */
void lease_revoke(struct pool *pool) REQUIRES(pool->lock);

/*
 * The lessee, without the lock: the next item, which is his from then on, or NULL.
 * What he reads of the lease only he writes, until it is over.
 */
static inline struct lease_item *lease_next(struct worker *w)
{
	struct lease *l = &w->lease;
	uint32_t i = atomic_load_explicit(&l->done, memory_order_relaxed);

	if (i == atomic_load_explicit(&l->end, memory_order_relaxed) ||
	    atomic_fetch_add(&l->taken, 1) & LEASE_ENDED)
		return NULL;
	return &l->item[i];
}

/* The function of the item has returned, and nothing says that it runs. */
static inline void lease_done(struct worker *w)
{
	struct lease *l = &w->lease;
	uint32_t i = atomic_load_explicit(&l->done, memory_order_relaxed);

	atomic_store_explicit(&l->done, i + 1, memory_order_release);
}

/*
 * The calling worker owns the very item that it runs and has claimed it for @pwq.
 * True: it will run it again next.
 */
static inline bool lease_requeue(struct worker *w, struct pwq *pwq,
				 struct work_struct *work)
{
	struct lease *l = &w->lease;
	uint32_t end = atomic_load_explicit(&l->end, memory_order_relaxed);

	if (!l->open || end == LEASE_MAX ||
	    end != atomic_load_explicit(&l->done, memory_order_relaxed) + 1 ||
	    atomic_load_explicit(&l->taken, memory_order_relaxed) &
		    LEASE_ENDED ||
	    atomic_load_explicit(&pwq_pool(pwq)->inbox, memory_order_relaxed))
		return false;
	l->item[end] = (struct lease_item){ .work = work,
					    .func = work->func,
					    .pwq = pwq };
	atomic_store_explicit(&l->end, end + 1, memory_order_release);
	return true;
}

static inline void pool_lock(struct pool *pool) ACQUIRE(pool->lock)
{
	lock(&pool->lock);
	if (unlikely(pool->lessee))
		lease_revoke(pool);
	pool_drain(pool);
}

/*
 * Is an item with this word on a list of @pool, as one of @pwq? The caller found
 * @pwq in the word, and then @pool in it, before he took the lock. One that a lessee
 * is about to start has the word of one that is listed, for a moment. What is admitted
 * at that address is another queueing (pool_admit_drained()).
 */
static inline bool lease_lists(struct pwq *pwq, struct pool *pool,
			       struct work_struct *work, unsigned long word)
	REQUIRES(pool->lock)
{
	if (!(word & WORD_LISTED) || word_pwq(word) != pwq ||
	    pwq_pool(pwq) != pool)
		return false;
	return likely(!pool->lessee) || pool->lessee->lease.work != work;
}

#endif
