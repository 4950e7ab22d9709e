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
 * Where many are inactive they are leased in a row, right from their list, once there
 * is nothing on the worklist: as active items of theirs end none is moved there
 * (pwq_item_over()), so a slot is free, and the lessee is the one who fills it. One
 * item stays behind, so for all others the pwq is as saturated as it was. When the
 * lease is ended by somebody, or the lessee goes on to something else, the pwq
 * catches up.
 * Items that are CPU_INTENSIVE, that still run, that are waited for, or whose pwq is
 * flushed are run as ever, since the end of a leased item is known late: at the end of
 * the lease, or when somebody takes the lock. So are admitted ones of a pwq that shares
 * max_active with other pools, each of which has a slot that others may want. Those that
 * are not admitted run one after another with a single slot in the lessee's hand
 * (lease.slot), as long as nobody is in line for one. It is for the one that runs: that
 * keeps it when the lease is ended, and if none runs it is given back.
 *
 * The item that runs may queue itself again: if nothing has come before it the lessee
 * notes one run more, and that is all (lease_requeue()). Its word goes on saying that
 * it is idle, and who ran it last. So whoever finds such a word asks that worker
 * (lease_keeps()), and who takes the lock claims the item for the lessee, puts it where
 * a push would have put it, and the word is right again. If somebody else, who did
 * not know, has claimed it before, there are two queueings: the lessee's is as good as
 * started, so he runs it once more whatever happens to the other (rerun).
 *
 * At that moment somebody may end the lease and not see the run. So an ended lease
 * stays that of the pool until the lessee comes back, and everybody who takes the
 * lock looks at its end again: who knows that the item has been queued finds it.
 */
#ifndef CMWQ_LEASE_H
#define CMWQ_LEASE_H

#include "node.h"
#include "pwq.h"
#include "worker.h"

/* The worklist is not empty: are inactive items of the first one's pwq behind it? */
bool lease_has_row(struct pool *pool) REQUIRES(pool->lock);

/* Is one worth while? For a single item it is not; and if a worker is asleep it must be
 * seen when it runs again. Items that are checked are not touched before that. */
static inline bool lease_pays(struct pool *pool) REQUIRES(pool->lock)
{
	const struct list *l = &pool->worklist;

	return pool_is_tiny(pool) && !pool->nr_asleep && !os_checks_items() &&
	       (list_empty(l) || l->next->next != l || lease_has_row(pool));
}

/* Take a lease of what is to be started next. False: of none. */
bool lease_begin(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

/*
 * The lessee has left the lock and taken it again, for the lease is over. True: nobody
 * had ended it before. False: whatever others have found out about the worker meanwhile
 * is to be settled, and the run of an item of @w->lease.running, if that is not NULL.
 */
bool lease_end(struct worker *w, struct pool *pool) REQUIRES(pool->lock);

/*
 * The lessee has nothing more to run, without the lock. In a dense stream of which he
 * found little in the inbox he stays away from it for a moment, so that he finds more:
 * each look takes its line away from the pushers, and that takes longer than an item.
 */
void lease_gather(struct lease *l);

/* The lessee, who has the lock, is going to do something else than begin the next one.
 * After that has_work is right, but for what is drained. */
void lease_end_row(struct worker *w) NO_ANALYSIS;

/* By whoever has taken the lock and is not the lessee. */
void lease_revoke(struct pool *pool) REQUIRES(pool->lock);

/*
 * The lessee, without the lock: is run number @n his to start? What he reads of the
 * lease only he writes, until it is over.
 */
static inline bool lease_take(struct lease *l, uint32_t n)
{
	return n != atomic_load_explicit(&l->end, memory_order_relaxed) &&
	       !(atomic_fetch_add(&l->taken, 1) & LEASE_ENDED);
}

/*
 * The function has returned, in run number @n. True: the next run is of the same item,
 * which may be said to run on. A signal handler that comes after the store adds none.
 */
static inline bool lease_done(struct lease *l, uint32_t n)
{
	atomic_store_explicit(&l->done, n + 1, memory_order_release);
	atomic_signal_fence(memory_order_seq_cst);
	return n + 1 >= l->nr &&
	       n + 1 != atomic_load_explicit(&l->end, memory_order_relaxed);
}

/* The word of an item that @w has started last. */
static inline unsigned long lease_idle_word(struct worker *w)
{
	return word_gen(w->gen) | (unsigned long)w->slot << WORD_SLOT_SHIFT;
}

/* Does the worker run that item of that workqueue, as the last one of a lease, with
 * nothing behind it, and has nobody claimed it? All runs are taken and one is not
 * done: a signal handler may come between two. (And the lease has not ended.) */
static inline bool lease_may_repeat(struct worker *w,
				    struct workqueue_struct *wq,
				    struct work_struct *work)
{
	struct lease *l = &w->lease;
	struct pool *pool =
		atomic_load_explicit(&w->pool, memory_order_relaxed);
	uint32_t end = atomic_load_explicit(&l->end, memory_order_relaxed);

	return work &&
	       atomic_load_explicit(&w->current_work, memory_order_relaxed) ==
		       work &&
	       atomic_load_explicit(&w->current_wq, memory_order_relaxed) ==
		       wq &&
	       atomic_load_explicit(&w->current_func, memory_order_relaxed) ==
		       work->func &&
	       end == 1 + atomic_load_explicit(&l->done,
					       memory_order_relaxed) &&
	       end < LEASE_RUNS &&
	       atomic_load_explicit(work_word(work), memory_order_relaxed) ==
		       l->idle_word &&
	       atomic_load_explicit(&l->taken, memory_order_relaxed) == end &&
	       !atomic_load_explicit(&pool->inbox, memory_order_relaxed) &&
	       (likely(!l->line) || node_has_no_line(l->line));
}

/*
 * The calling worker queues an item on @wq. True: it is the very one that it runs, and
 * it will run it once more next. A signal handler that comes in between the look
 * and the store finds the lease not open, and queues as others do.
 */
static inline bool lease_requeue(struct worker *w, struct workqueue_struct *wq,
				 struct work_struct *work)
{
	struct lease *l = &w->lease;
	bool may;

	if (!l->open)
		return false;
	l->open = false;
	atomic_signal_fence(memory_order_seq_cst);
	may = lease_may_repeat(w, wq, work);
	if (may) {
		uint32_t end =
			atomic_load_explicit(&l->end, memory_order_relaxed);

		atomic_store_explicit(&l->again, work, memory_order_relaxed);
		atomic_store_explicit(&l->end, end + 1, memory_order_release);
	}
	atomic_signal_fence(memory_order_seq_cst);
	l->open = true;
	return may;
}

/* Is @work to be run once more by @w, who runs it? Who gives up for that has his stores
 * seen by that run. */
bool lease_repeats(struct work_struct *work, struct worker *w);

/* The same of an item with that word, which is of this process. */
static inline bool lease_keeps(struct work_struct *work, unsigned long word)
{
	return !(word & WORD_PENDING) && word_slot(word) != WORD_NO_SLOT &&
	       lease_repeats(work, worker_of_slot(word_slot(word)));
}

/* By a worker that looks at the inbox before it goes to sleep: what is in it may be run
 * without being admitted. */
static inline void pool_lock_undrained(struct pool *pool) ACQUIRE(pool->lock)
{
	lock(&pool->lock);
	if (unlikely(pool->lessee))
		lease_revoke(pool);
}

static inline void pool_lock(struct pool *pool) ACQUIRE(pool->lock)
{
	pool_lock_undrained(pool);
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
