/* SPDX-License-Identifier: MIT */
/*
 * flush - waiting for items and workqueues.
 *
 * For an item the waiter is hung on the pool (queued: W set in its word) or on
 * the worker (running), under pool->lock, and completed when that queueing or
 * that run is over, also by a cancel. A later queueing has waiters of its own.
 *
 * For a queue, epochs: see wq.h. A flush closes the epoch that collects: in
 * each pool, under its lock and with its inbox drained, the pwq goes on to the
 * next colour, and if it has items of the old one its count in pending[] is
 * awaited. Epochs end in order. All 15 being under way, flushers wait; whoever
 * gets the next one takes all along that came before it.
 */
#include "flush.h"

#include "bh.h"
#include "cm.h"
#include "depend.h"
#include "lease.h"
#include "life.h"
#include "os.h"
#include "pwq.h"
#include "queue.h"
#include "worker.h"

#define SPINS	 64
#define SLEEP_NS (50 * NSEC_PER_USEC)
#define MAX_STEP 5

void backoff_wait(struct backoff *b)
{
	unsigned int step;

	if (b->round++ < SPINS)
		return;
	step = b->round - SPINS - 1;
	os_sleep_ns(SLEEP_NS << (step < MAX_STEP ? step : MAX_STEP - 1));
}

static void wait_for(struct waiter *waiter, struct pool *pool)
{
	life_wait_online();
	if (!pool->bh)
		bh_note_sleep();
	cm_block_begin();
	completion_wait(&waiter->done);
	cm_block_end();
}

static void waiter_init(struct waiter *waiter, struct work_struct *work)
{
	waiter->work = work;
	completion_init(&waiter->done);
}

static bool hang_on_worker(struct pool *pool, struct worker *w,
			   struct waiter *waiter) REQUIRES(pool->lock)
{
	if (atomic_load(&w->pool) != pool || !worker_runs(w, waiter->work))
		return false;
	list_add_tail(&waiter->entry, &w->waiters);
	return true;
}

enum run {
	RUN_NONE,   /* it does not run, or must not be waited for */
	RUN_OVER,   /* it was waited for */
	RUN_QUEUED, /* it is queued again, as can be seen now */
};

/* @word is the idle word that the item had. @last: if it runs and is queued again, that
 * is what is to be waited for. */
static enum run flush_worker(struct work_struct *work, unsigned long word,
			     bool last, struct depend *depend)
{
	struct worker *w = worker_of_slot(word_slot(word));
	enum run run = RUN_NONE;
	struct waiter waiter;
	struct pool *pool;

	if (!w || !worker_runs(w, work))
		return RUN_NONE;
	if (w == depend->self) {
		depend_refuse(depend);
		return RUN_NONE;
	}
	waiter_init(&waiter, work);
	pool = atomic_load(&w->pool);
	/* This ends a lease. */
	pool_lock(pool);
	if (last && word_pwq(work_load(work)))
		run = RUN_QUEUED;
	else if (hang_on_worker(pool, w, &waiter))
		run = RUN_OVER;
	if (run == RUN_OVER)
		depend_note(depend, atomic_load(&w->current_wq));
	pool_unlock(pool);
	if (run == RUN_OVER) {
		depend_check(depend);
		wait_for(&waiter, pool);
	}
	return run;
}

bool flush_running(struct work_struct *work, void *caller)
{
	unsigned long word = work_load(work);
	struct depend depend;

	depend_begin(&depend, work, true, caller);
	return !word_pwq(word) &&
	       flush_worker(work, word, false, &depend) == RUN_OVER;
}

enum hang {
	HANG_AGAIN, /* it is not on a list, or not any more */
	HANG_HUNG,
	HANG_NEVER, /* it would be for ever */
};

/* The word said "claimed for @pwq", which is in @pool. */
static enum hang hang_on_queued(struct pwq *pwq, struct pool *pool,
				struct waiter *waiter, struct depend *depend)
{
	struct work_struct *work = waiter->work;
	enum hang hang = HANG_AGAIN;

	pool_lock(pool);
	if (lease_lists(pwq, pool, work, work_load(work))) {
		if (depend_is_behind(depend, pwq)) {
			hang = HANG_NEVER;
		} else {
			work_set(work, WORD_WAITERS);
			list_add_tail(&waiter->entry, &pool->waiters);
			depend_note(depend, pwq->wq);
			hang = HANG_HUNG;
		}
	}
	pool_unlock(pool);
	return hang;
}

/* False: look again. Otherwise it was waited for, if the waiter is done. */
static bool flush_queued(struct pwq *pwq, struct waiter *waiter,
			 struct depend *depend, struct backoff *backoff)
{
	struct pool *pool = pwq_pool(pwq);

	switch (hang_on_queued(pwq, pool, waiter, depend)) {
	case HANG_AGAIN:
		backoff_wait(backoff);
		return false;
	case HANG_HUNG:
		depend_check(depend);
		wait_for(waiter, pool);
		return true;
	case HANG_NEVER:
		break;
	}
	depend_refuse(depend);
	return true;
}

bool flush_item(struct work_struct *work, void *caller)
{
	struct backoff backoff = { 0 };
	struct waiter waiter;
	struct depend depend;
	unsigned long word;

	life_check_early();
	if (!queue_work_ok(work, caller))
		return false;
	depend_begin(&depend, work, false, caller);
	waiter_init(&waiter, work);
	for (;;) {
		word = work_load(work);
		if (word_pwq(word)) {
			if (flush_queued(word_pwq(word), &waiter, &depend,
					 &backoff))
				return completion_done(&waiter.done);
		} else {
			enum run run = flush_worker(work, word, true, &depend);

			if (run == RUN_OVER)
				return true;
			/* Idle, unless it was queued while we looked. */
			if (run == RUN_NONE && work_load(work) == word)
				return false;
		}
	}
}

bool flush_work(struct work_struct *work)
{
	return flush_item(work, __builtin_return_address(0));
}

/* Those who wait for an epoch or a colour may have no worker's signal to come,
 * so whoever ends an epoch tells them. */
static bool end_epochs(struct workqueue_struct *wq) REQUIRES(wq->lock)
{
	uint64_t before = wq->flush_epoch;

	while (wq->flush_epoch < wq->epoch &&
	       !atomic_load(&wq->pending[wq->flush_epoch % WORD_NR_COLOURS]))
		wq->flush_epoch++;
	if (wq->flush_epoch == before)
		return false;
	event_signal(&wq->flush_event);
	return true;
}

static bool colour_free(struct workqueue_struct *wq) REQUIRES(wq->lock)
{
	return wq->epoch - wq->flush_epoch < WORD_NR_COLOURS - 1;
}

/* One pending count more while we go through the pools, so that it does not
 * reach 0 before we are through. */
static void start_epoch_flush(struct workqueue_struct *wq) REQUIRES(wq->lock)
{
	unsigned int colour = wq->epoch % WORD_NR_COLOURS;
	unsigned int next = (colour + 1) % WORD_NR_COLOURS;
	struct pwq *pwq;

	atomic_store(&wq->pending[colour], 1);
	wq->epoch++;
	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		atomic_fetch_add(&wq->pending[colour], 1);
		pool_lock(pool);
		if (!pwq_start_flush(pwq, next))
			atomic_fetch_sub(&wq->pending[colour], 1);
		pool_unlock(pool);
	}
	atomic_fetch_sub(&wq->pending[colour], 1);
}

static void wait_for_event(struct workqueue_struct *wq, uint32_t seq)
	REQUIRES(wq->lock)
{
	unlock(&wq->lock);
	life_wait_online();
	bh_note_sleep();
	cm_block_begin();
	event_wait(&wq->flush_event, seq);
	cm_block_end();
	lock(&wq->lock);
}

/* Any epoch that is closed from now on has all items queued before us. */
void flush_all(struct workqueue_struct *wq)
{
	uint64_t ticket;
	uint32_t seq;

	lock(&wq->lock);
	ticket = wq->epoch;
	for (;;) {
		seq = event_prepare(&wq->flush_event);
		end_epochs(wq);
		if (wq->epoch != ticket)
			break;
		if (colour_free(wq)) {
			start_epoch_flush(wq);
			break;
		}
		wait_for_event(wq, seq);
	}
	for (;;) {
		seq = event_prepare(&wq->flush_event);
		if (end_epochs(wq))
			continue;
		if (wq->flush_epoch > ticket)
			break;
		wait_for_event(wq, seq);
	}
	unlock(&wq->lock);
}

void flush_workqueue(struct workqueue_struct *wq)
{
	void *caller = __builtin_return_address(0);

	life_check_early();
	if (queue_wq_ok(wq, caller) && depend_on_queue(wq, "flushed", caller))
		flush_all(wq);
}
