/* SPDX-License-Identifier: MIT */
/*
 * cancel - taking items back, disabling them.
 *
 * All of it is: become the owner of the item (PENDING), edit the counts in its
 * idle word, give it up. An item with a count is refused by every queueing.
 * cancel_work_sync() counts in a field of its own, which a forked child drops.
 */
#include "cancel.h"

#include "cm.h"
#include "flush.h"
#include "grace.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "pwq.h"
#include "queue.h"
#include "timer.h"
#include "verify.h"
#include "worker.h"

enum grab {
	GRAB_IDLE,
	GRAB_PENDING,
	GRAB_AGAIN
};

/* Flushers of a queueing that is taken back are done. */
static void complete_waiters(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock)
{
	struct waiter *waiter;

	list_for_each_entry_safe (waiter, &pool->waiters, entry) {
		if (waiter->work != work)
			continue;
		list_del(&waiter->entry);
		completion_complete(&waiter->done);
	}
}

/*
 * Who still runs a listed item. Of an ordered workqueue that has moved, the item may
 * run in the old pool, which its word does not tell, and then the new pwq is plugged.
 */
static struct worker *find_runner(struct pool *pool, struct work_struct *work,
				  unsigned long word) REQUIRES(pool->lock)
{
	struct pwq *pwq = word_pwq(word);
	struct worker *w = NULL;

	if (word & WORD_COLLIDES)
		w = pool_find_busy(pool, work);
	if (!w && unlikely(atomic_load(&pwq->plugged)))
		w = worker_find(work, pwq->wq);
	return w;
}

/* Take a listed item out; its word keeps the worker that still runs it. */
static unsigned long dequeue(struct pool *pool, struct work_struct *work,
			     unsigned long word) REQUIRES(pool->lock)
{
	unsigned long idle = word_gen(os_generation()) | CMWQ_WORK_IDLE;
	struct worker *w = find_runner(pool, work, word);

	if (w)
		idle = word_gen(os_generation()) | (unsigned long)w->slot
							   << WORD_SLOT_SHIFT;
	pwq_remove(word_pwq(word), work, word);
	work_exchange(work, idle | WORD_PENDING);
	if (word & WORD_WAITERS)
		complete_waiters(pool, work);
	return idle;
}

static enum grab grab_queued(struct work_struct *work, struct pwq *pwq,
			     unsigned long *old)
{
	struct pool *pool = pwq_pool(pwq);
	enum grab ret = GRAB_AGAIN;
	unsigned long word;

	pool_lock(pool);
	if (os_checks_items())
		verify_item(pool, work);
	word = work_load(work);
	if (lease_lists(pwq, pool, work, word)) {
		*old = dequeue(pool, work, word);
		ret = GRAB_PENDING;
		/* It may have made room for one that nobody knows of. */
		if (!list_empty(&pool->worklist))
			cm_watch(pool, true);
	}
	pool_unlock(pool);
	return ret;
}

/* Take back one whose timer is armed, which it is nearly always. */
static inline bool disarm(struct delayed_work *dwork, unsigned long *old)
{
	const unsigned long bits = WORD_PENDING | WORD_PWQ | WORD_GRACE;
	uint32_t gen = os_generation();
	unsigned long word = atomic_load(work_word(&dwork->work));

	if (!gen || word >> WORD_GEN_SHIFT != gen ||
	    (word & bits) != WORD_PENDING || !timer_del(&dwork->timer))
		return false;
	*old = atomic_load(work_word(&dwork->work)) & ~WORD_PENDING;
	return true;
}

/* Who takes the lock ends the lease that keeps the item. */
static void list_kept(unsigned long word)
{
	struct worker *w = worker_of_slot(word_slot(word));
	struct pool *pool = atomic_load(&w->pool);

	pool_lock(pool);
	pool_unlock(pool);
}

static enum grab try_grab(struct work_struct *work, bool delayed,
			  unsigned long *old)
{
	unsigned long word = work_load(work);

	if (lease_keeps(work, word)) {
		list_kept(word);
		return GRAB_AGAIN;
	}
	if (!(word & WORD_PENDING) && work_claim_idle(work, old))
		return GRAB_IDLE;
	if (word_pwq(word))
		return grab_queued(work, word_pwq(word), old);
	if (word & WORD_GRACE)
		return grace_take(work, old) ? GRAB_PENDING : GRAB_AGAIN;
	if (delayed && disarm(to_delayed_work(work), old))
		return GRAB_PENDING;
	return GRAB_AGAIN;
}

bool cancel_grab(struct work_struct *work, bool delayed, unsigned long *old)
{
	struct backoff backoff = { 0 };
	enum grab got;

	while ((got = try_grab(work, delayed, old)) == GRAB_AGAIN)
		backoff_wait(&backoff);
	return got == GRAB_PENDING;
}

/* Take it back and add to one of its counts; a full count is waited for (of
 * cancels in flight) or reported and left (of disables). */
static bool cancel_and_count(struct work_struct *work, bool delayed,
			     unsigned long one, unsigned long mask)
{
	struct backoff backoff = { 0 };
	bool was_pending = false;
	unsigned long old;

	for (;;) {
		was_pending |= cancel_grab(work, delayed, &old);
		if (!one || (old & mask) != mask)
			break;
		if (one == WORD_DISABLE_ONE) {
			log_warn("work item %p is disabled 65535 times; one "
				 "more is not counted",
				 (void *)work);
			one = 0;
			break;
		}
		work_exchange(work, old);
		backoff_wait(&backoff);
	}
	work_exchange(work, old + one);
	return was_pending;
}

static bool end_cancel(struct work_struct *work)
{
	struct backoff backoff = { 0 };
	unsigned long old;

	while (!work_claim_idle(work, &old))
		backoff_wait(&backoff);
	if (old & WORD_CANCEL_MASK)
		old -= WORD_CANCEL_ONE;
	work_exchange(work, old);
	return true;
}

static bool cancel_sync(struct work_struct *work, bool delayed, void *caller)
{
	bool was_pending = cancel_and_count(work, delayed, WORD_CANCEL_ONE,
					    WORD_CANCEL_MASK);

	flush_running(work, caller);
	end_cancel(work);
	return was_pending;
}

static bool disable(struct work_struct *work, bool delayed)
{
	return cancel_and_count(work, delayed, WORD_DISABLE_ONE,
				WORD_DISABLE_MASK);
}

static bool disable_sync(struct work_struct *work, bool delayed, void *caller)
{
	bool was_pending = disable(work, delayed);

	flush_running(work, caller);
	return was_pending;
}

static bool ready(struct work_struct *work, void *caller)
{
	life_check_early();
	return queue_work_ok(work, caller);
}

bool cancel_work(struct work_struct *work)
{
	return ready(work, __builtin_return_address(0)) &&
	       cancel_and_count(work, false, 0, 0);
}

bool cancel_work_sync(struct work_struct *work)
{
	void *caller = __builtin_return_address(0);

	return ready(work, caller) && cancel_sync(work, false, caller);
}

bool cancel_delayed_work(struct delayed_work *dwork)
{
	unsigned long old;

	if (likely(dwork && disarm(dwork, &old))) {
		work_exchange(&dwork->work, old);
		return true;
	}
	return ready(dwork_work(dwork), __builtin_return_address(0)) &&
	       cancel_and_count(&dwork->work, true, 0, 0);
}

bool cancel_delayed_work_sync(struct delayed_work *dwork)
{
	void *caller = __builtin_return_address(0);

	return ready(dwork_work(dwork), caller) &&
	       cancel_sync(&dwork->work, true, caller);
}

bool disable_work(struct work_struct *work)
{
	return ready(work, __builtin_return_address(0)) && disable(work, false);
}

bool disable_work_sync(struct work_struct *work)
{
	void *caller = __builtin_return_address(0);

	return ready(work, caller) && disable_sync(work, false, caller);
}

bool disable_delayed_work(struct delayed_work *dwork)
{
	return ready(dwork_work(dwork), __builtin_return_address(0)) &&
	       disable(&dwork->work, true);
}

bool disable_delayed_work_sync(struct delayed_work *dwork)
{
	void *caller = __builtin_return_address(0);

	return ready(dwork_work(dwork), caller) &&
	       disable_sync(&dwork->work, true, caller);
}

/* A queued item is not disabled. Neither is one that somebody owns otherwise and
 * that has no count; one with a count is being edited, and is waited for. */
static bool surely_enabled(struct work_struct *work)
{
	unsigned long word = work_load(work);

	return word_pwq(word) ||
	       ((word & WORD_PENDING) && !(word & WORD_DISABLE_MASK));
}

static bool enable(struct work_struct *work, void *caller)
{
	struct backoff backoff = { 0 };
	unsigned long old;

	if (!ready(work, caller))
		return false;
	while (!work_claim_idle(work, &old)) {
		if (surely_enabled(work))
			goto unbalanced;
		backoff_wait(&backoff);
	}
	if (old & WORD_DISABLE_MASK) {
		old -= WORD_DISABLE_ONE;
		work_exchange(work, old);
		return !(old & WORD_DISABLE_MASK);
	}
	work_exchange(work, old);
unbalanced:
	log_warn("work item %p enabled more often than disabled, by the "
		 "caller at %p",
		 (void *)work, caller);
	return true;
}

bool enable_work(struct work_struct *work)
{
	return enable(work, __builtin_return_address(0));
}

bool enable_delayed_work(struct delayed_work *dwork)
{
	return enable(dwork_work(dwork), __builtin_return_address(0));
}
