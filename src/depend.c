/* SPDX-License-Identifier: MIT */
/*
 * depend - what an item must not wait for. See depend.h.
 *
 * Certain ones are refused, since they would never end: the item itself, its
 * whole workqueue, and an item that cannot start before the caller's is done, as all
 * BH items of a CPU cannot while one runs. A BH item waits for no BH workqueue. A
 * flush by one of the queue's own items could leave out that item, but not all
 * others that flush the same queue, nor those that wait behind them for
 * max_active; so it waits for nothing at all.
 *
 * Doubtful ones are reported, once for each pair, and then waited for: an item of
 * a WQ_MEM_RECLAIM workqueue, which is promised to go on when no thread can be
 * created, waits for a workqueue without that promise. A cancel waits for a run
 * in progress, which has its thread, so it is not meant; nor are the old
 * create_workqueue() ones, which all have the flag and few of them the need.
 *
 * With cmwq.lockdep, order.c is told of every wait: for the item's function, even if
 * it is idle this time, and for its workqueue if other items of that have to be
 * done first, because it runs one at a time or may have nobody but a rescuer.
 *
 * Locks: none; the pairs are in a table of atomics that only fills.
 */
#include "depend.h"

#include <string.h>

#include "bh.h"
#include "lease.h"
#include "log.h"
#include "param.h"
#include "symbol.h"

#define PAIRS 1024

static _Atomic uint64_t pairs[PAIRS]; /* A: hashes of what was reported */

/* The worker that the calling thread is, if it runs an item, be it a BH item. */
static struct worker *self_with_item(void)
{
	struct worker *w = bh_self();

	if (unlikely(w))
		return w;
	w = worker_self();
	return w && atomic_load(&w->current_work) ? w : NULL;
}

static work_func_t self_func(struct worker *self)
{
	return work_kind(atomic_load(&self->current_work),
			 atomic_load(&self->current_func));
}

/*
 * An item of a workqueue with max_active 1 has the only slot of its pwq, or of
 * its node if the pwqs of that share it. The lock is that of its own pool.
 */
static struct node *only_slot(struct worker *self, struct workqueue_struct *wq)
{
	struct pool *pool = atomic_load(&self->pool);
	struct node *node;

	if (atomic_load(&wq->max_active) != 1)
		return NULL;
	pool_lock(pool);
	node = atomic_load(&self->current_pwq)->node;
	pool_unlock(pool);
	return node;
}

/* @queue: what is waited for, or else @func. */
static void learn(struct worker *self, const struct order_queue *queue,
		  work_func_t func, void *caller)
{
	struct order_queue own;

	order_describe(&own, atomic_load(&self->current_wq));
	order_wait(&own, self_func(self), queue, func, caller);
}

void depend_begin(struct depend *d, struct work_struct *work, bool runs,
		  void *caller)
{
	d->self = self_with_item();
	if (!d->self)
		return;
	d->wq = atomic_load(&d->self->current_wq);
	d->node = runs ? NULL : only_slot(d->self, d->wq);
	d->caller = caller;
	d->work = work;
	d->func = work_kind(work, work->func);
	d->runs = runs;
	if (param_get(lockdep) && !worker_runs(d->self, work))
		learn(d->self, NULL, d->func, caller);
}

/* Of the two BH pools of a CPU only one runs an item at a time. */
static bool shares_bh_context(struct pool *a, struct pool *b)
{
	return a->bh && b->bh && a->id == b->id;
}

bool depend_is_behind(struct depend *d, struct pwq *pwq)
{
	struct worker *self = d->self;

	if (!self)
		return false;
	/* In one pool an item does not run twice, on whichever workqueues. */
	if (worker_runs(self, d->work) &&
	    atomic_load(&self->pool) == pwq_pool(pwq))
		return true;
	if (shares_bh_context(pwq_pool(pwq), atomic_load(&self->pool)))
		return true;
	if (pwq->wq != d->wq || !work_inactive(d->work))
		return false;
	if (atomic_load(&d->wq->flags) & __WQ_ORDERED)
		return true;
	return atomic_load(&d->wq->max_active) == 1 &&
	       (pwq == atomic_load(&self->current_pwq) ||
		(d->node && pwq->node == d->node));
}

void depend_refuse(struct depend *d)
{
	bool itself = worker_runs(d->self, d->work);
	struct symbol self, func, caller;

	log_err("item %s of workqueue %s waits for %s%s, at %s; that would "
		"never end, so it does not wait",
		symbol_func(&self, self_func(d->self)), d->wq->name,
		itself ? "itself" : "one that cannot start before it is done, ",
		itself ? "" : symbol_func(&func, d->func),
		symbol_name(&caller, d->caller));
}

void depend_note(struct depend *d, struct workqueue_struct *wq)
{
	if (!d->self)
		return;
	order_describe(&d->target, wq);
	d->flags = atomic_load(&wq->flags);
	d->in_line =
		atomic_load(&wq->max_active) == 1 || d->flags & WQ_MEM_RECLAIM;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *byte = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ byte[i]) * 0x100000001b3ULL;
	return hash;
}

/* Names and not addresses, which another workqueue may have next. */
static uint64_t hash_pair(work_func_t func, const char *name, work_func_t to,
			  const char *to_name)
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	hash = hash_bytes(hash, &func, sizeof(func));
	hash = hash_bytes(hash, name, strlen(name) + 1);
	hash = hash_bytes(hash, &to, sizeof(to));
	hash = hash_bytes(hash, to_name, strlen(to_name) + 1);
	return hash ? hash : 1;
}

static bool is_new_pair(uint64_t hash)
{
	for (unsigned int i = 0; i < PAIRS; i++) {
		_Atomic uint64_t *pair = &pairs[(hash + i) % PAIRS];
		uint64_t known = 0;

		if (atomic_compare_exchange_strong(pair, &known, hash))
			return true;
		if (known == hash)
			return false;
	}
	log_warn_once("more than %d pairs of workqueues depend on each other "
		      "wrongly; others are not reported",
		      PAIRS);
	return false;
}

/* @to and @func are what is waited for; the latter NULL: all of it. */
static void check_reclaim(struct worker *self, const char *to,
			  unsigned int flags, work_func_t func, void *caller)
{
	struct workqueue_struct *wq = atomic_load(&self->current_wq);
	unsigned int reclaim =
		atomic_load(&wq->flags) & (WQ_MEM_RECLAIM | __WQ_LEGACY);
	struct symbol from, item, at;

	if (flags & WQ_MEM_RECLAIM || reclaim != WQ_MEM_RECLAIM ||
	    !is_new_pair(hash_pair(self_func(self), wq->name, func, to)))
		return;
	log_warn("item %s of workqueue %s, which is WQ_MEM_RECLAIM, waits for "
		 "%s%sworkqueue %s, which is not, at %s",
		 symbol_func(&from, self_func(self)), wq->name,
		 func ? symbol_func(&item, func) : "", func ? " of " : "", to,
		 symbol_name(&at, caller));
}

void depend_check(struct depend *d)
{
	if (!d->self || d->runs)
		return;
	check_reclaim(d->self, d->target.name, d->flags, d->func, d->caller);
	if (d->in_line && param_get(lockdep))
		learn(d->self, &d->target, NULL, d->caller);
}

bool depend_on_queue(struct workqueue_struct *wq, const char *what,
		     void *caller)
{
	struct worker *self = self_with_item();
	struct order_queue queue;
	struct symbol func, at;

	if (!self)
		return true;
	if (atomic_load(&self->current_wq) == wq) {
		log_err("workqueue %s is %s by its own item %s, at %s; that "
			"would never end, so nothing is done",
			wq->name, what, symbol_func(&func, self_func(self)),
			symbol_name(&at, caller));
		return false;
	}
	if (wq->flags & WQ_BH && atomic_load(&self->pool)->bh) {
		log_err("workqueue %s is %s by the BH item %s, at %s, behind "
			"which its items may wait; nothing is done",
			wq->name, what, symbol_func(&func, self_func(self)),
			symbol_name(&at, caller));
		return false;
	}
	check_reclaim(self, wq->name, atomic_load(&wq->flags), NULL, caller);
	if (param_get(lockdep)) {
		order_describe(&queue, wq);
		learn(self, &queue, NULL, caller);
	}
	return true;
}
