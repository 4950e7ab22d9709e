/* SPDX-License-Identifier: MIT */
/*
 * queue - from queue_work() to the inbox.
 *
 * No lock, no allocation, no thread is created, nothing is printed: one
 * compare-and-swap claims the item for a pwq, one pushes it, and only a push
 * that finds nothing else waiting looks whether somebody must be woken. So it
 * may be called from a signal handler, even one that interrupted itself.
 *
 * The claim names the pwq at once. If it turns out that the item still runs
 * somewhere on this queue, its word is changed to that pwq before the push:
 * nobody else may act on a word with PENDING that is not LISTED.
 */
#include "queue.h"

#include "cm.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "pwq.h"
#include "timer.h"
#include "verify.h"

/* Before the library is online nobody would print it later, and queueing is not
 * async-signal-safe yet. */
void queue_refuse(const char *fmt, const char *name, void *caller)
{
	log_later(fmt, name, caller);
	if (atomic_load(&life_online))
		timer_wake();
	else
		log_flush();
}

bool queue_wq_ok(struct workqueue_struct *wq, void *caller)
{
	uint64_t magic =
		wq ? atomic_load_explicit(&wq->magic, memory_order_relaxed) : 0;

	if (likely(magic == WQ_MAGIC))
		return true;
	if (magic == WQ_DEAD_MAGIC)
		queue_refuse(
			"workqueue %s was destroyed; used by the caller at %p",
			wq->name, caller);
	else
		queue_refuse(
			"workqueue %s is not one; used by the caller at %p",
			wq ? "?" : "NULL", caller);
	return false;
}

bool queue_work_ok(struct work_struct *work, void *caller)
{
	const char *defect = work ? work_defect(work) : "is NULL";

	if (!defect && os_checks_items())
		defect = verify_word(work);
	if (likely(!defect))
		return true;
	queue_refuse("work item %s; used by the caller at %p", defect, caller);
	return false;
}

bool queue_args_ok(struct workqueue_struct *wq, struct work_struct *work,
		   int cpu, void *caller)
{
	if (unlikely(!queue_wq_ok(wq, caller)))
		return false;
	if (unlikely(!work || work_defect(work))) {
		queue_refuse(!work ? "NULL work item for workqueue %s; "
				     "queued by the caller at %p"
			     : !work->data
				     ? "uninitialised work item for workqueue "
				       "%s; queued by the caller at %p"
				     : "poisoned work item for workqueue %s; "
				       "queued by the caller at %p",
			     wq->name, caller);
		return false;
	}
	if (likely(cpu == WORK_CPU_UNBOUND))
		return true;
	if (cpu < 0 || cpu >= os_nr_cpus()) {
		queue_refuse(
			"no such CPU; item for workqueue %s refused, queued by "
			"the caller at %p",
			wq->name, caller);
		return false;
	}
	if (!os_cpu_allowed(cpu))
		queue_refuse("CPU not available; item for workqueue %s runs "
			     "elsewhere, queued by the caller at %p",
			     wq->name, caller);
	return true;
}

int queue_next_cpu(void)
{
	static _Atomic unsigned int turn;
	unsigned int n = (unsigned int)os_nr_cpus();
	unsigned int last = atomic_load_explicit(&turn, memory_order_relaxed);
	unsigned int cpu;

	do {
		cpu = (last + 1) % n;
		while (!os_cpu_allowed((int)cpu) && cpu != last % n)
			cpu = (cpu + 1) % n;
	} while (!atomic_compare_exchange_weak(&turn, &last, cpu));
	return (int)cpu;
}

/* work_claim() of an item that a lessee may keep. */
static inline __attribute__((always_inline)) enum claim
claim_word(struct work_struct *work, unsigned long next, unsigned long *old)
{
	unsigned long word =
		atomic_load_explicit(work_word(work), memory_order_relaxed);

	if (word >> WORD_GEN_SHIFT == next >> WORD_GEN_SHIFT &&
	    unlikely(lease_keeps(work, word)))
		return CLAIM_PENDING;
	return work_claim(work, next, old);
}

static inline __attribute__((always_inline)) struct pwq *
select_pwq(struct workqueue_struct *wq, int cpu)
{
	return wq_pwq(wq, cpu == WORK_CPU_UNBOUND ? queue_cpu(wq) : cpu);
}

/*
 * After the push the item may be gone, and soon the queue. The mark is read
 * again, see pwq.c.
 *
 * Whoever's push is the first one kicks; if he stops before that, others must
 * not depend on him: with the tick on somebody looks anyway, and without it
 * each of them kicks (models/stopped.pml).
 */
static inline void push_chain(struct pwq *pwq, struct work_struct *first,
			      struct work_struct *last, bool quiet)
{
	bool saturated = atomic_load(&pwq->saturated);
	struct pool *pool = pwq_pool(pwq);
	bool kick = pool_push_chain(pool, first, last, quiet || saturated);

	if (unlikely(saturated) && !quiet) {
		if (!atomic_load(&pwq->saturated)) {
			/* Not so quiet after all: tick and sentinel must see
			 * it wait. */
			pool_make_loud(pool);
			kick = true;
		} else if (pool_crowds(pool)) {
			timer_wake();
		}
	}
	if (kick || (!quiet && !saturated && unlikely(!cm_ticking())))
		cm_kick(pool);
	if (os_checks_items())
		verify_pushed(pool);
}

static inline void push(struct pwq *pwq, struct work_struct *work, bool quiet)
{
	push_chain(pwq, work, work, quiet);
}

/* By the worker that runs it: nobody else could start it before the function returns,
 * and then he looks himself. */
static inline void push_own(struct worker *self, struct pwq *pwq,
			    struct work_struct *work)
{
	self->requeued = true;
	push(pwq, work, true);
}

/*
 * Where the item is to be pushed, which is the caller's and whose word names @pwq:
 * where it still runs, or there.
 */
static inline struct pwq *place(struct workqueue_struct *wq, struct pwq *pwq,
				struct work_struct *work, unsigned long old,
				uint32_t gen)
{
	struct worker *last = worker_of_slot(word_slot(old));
	struct pwq *there = NULL;

	if (last)
		there = worker_runs_for(last, work, wq);
	/* As an item of another queue it may run at once, but not in one pool. */
	if (!there && last && worker_runs(last, work) &&
	    atomic_load(&last->pool) == pwq_pool(pwq))
		there = pwq;
	if (there) {
		pwq = there;
		work_set_runner(work, last);
		work_exchange(work, pwq_word(pwq, gen) | WORD_COLLIDES);
	}
	return pwq;
}

static inline void push_owned(struct workqueue_struct *wq, struct pwq *pwq,
			      struct work_struct *work, unsigned long old,
			      uint32_t gen)
{
	push(place(wq, pwq, work, old, gen), work, false);
}

/* While a queue drains only its own items may queue on it. */
static bool may_queue(struct workqueue_struct *wq)
{
	unsigned int flags =
		atomic_load_explicit(&wq->flags, memory_order_relaxed);
	struct worker *w;

	if (likely(!(flags & (__WQ_DRAINING | __WQ_DESTROYING))))
		return true;
	w = worker_self();
	return w && atomic_load(&w->current_work) &&
	       atomic_load(&w->current_pwq)->wq == wq;
}

static void drop(struct workqueue_struct *wq, struct work_struct *work,
		 unsigned long old, void *caller)
{
	work_exchange(work, old & ~WORD_PENDING);
	queue_refuse(
		"workqueue %s is draining: item dropped, queued by the caller "
		"at %p",
		wq->name, caller);
}

static bool is_ordered(struct workqueue_struct *wq)
{
	return atomic_load_explicit(&wq->flags, memory_order_relaxed) &
	       __WQ_ORDERED;
}

/* The one pwq of an ordered workqueue. It will not be retired before the caller
 * has left it: P1 and P2 of apply.h. */
static struct pwq *enter_ordered(struct workqueue_struct *wq)
{
	struct pwq *pwq = wq_pwq(wq, 0);

	for (;;) {
		struct pwq *now;

		atomic_fetch_add(&pwq->pushers, 1);
		now = atomic_load(&wq->pwq_of[0]);
		if (now == pwq)
			return pwq;
		atomic_fetch_sub(&pwq->pushers, 1);
		pwq = now;
	}
}

static void leave_ordered(struct pwq *pwq)
{
	atomic_fetch_sub(&pwq->pushers, 1);
}

/*
 * Where else it runs as an item of this workqueue does not matter: it waits in line
 * until that is over, also if the line has moved to another pool.
 */
static void place_ordered(struct pwq *pwq, struct work_struct *work,
			  unsigned long old, uint32_t gen)
{
	struct worker *last = worker_of_slot(word_slot(old));

	if (last && worker_runs(last, work) &&
	    atomic_load(&last->pool) == pwq_pool(pwq)) {
		work_set_runner(work, last);
		work_exchange(work, pwq_word(pwq, gen) | WORD_COLLIDES);
	}
}

/* @runner: the calling worker, if it runs the item, or NULL. */
static void push_ordered(struct pwq *pwq, struct work_struct *work,
			 unsigned long old, uint32_t gen, struct worker *runner)
{
	place_ordered(pwq, work, old, gen);
	if (runner)
		push_own(runner, pwq, work);
	else
		push(pwq, work, false);
}

static bool queue_ordered(struct workqueue_struct *wq, struct work_struct *work,
			  uint32_t gen, void *caller)
{
	struct pwq *pwq = enter_ordered(wq);
	struct worker *self = worker_self();
	bool mine = self && worker_runs(self, work) &&
		    atomic_load(&self->current_pwq) == pwq;
	enum claim claim;
	unsigned long old;

	claim = claim_word(work, pwq_word(pwq, gen), &old);
	if (claim == CLAIMED && may_queue(wq))
		push_ordered(pwq, work, old, gen, mine ? self : NULL);
	else if (claim == CLAIMED)
		drop(wq, work, old, caller);
	leave_ordered(pwq);
	return claim == CLAIMED;
}

void queue_owned(int cpu, struct workqueue_struct *wq, struct work_struct *work,
		 unsigned long old, void *caller)
{
	uint32_t gen = os_generation();
	struct pwq *pwq;

	if (unlikely(!may_queue(wq))) {
		drop(wq, work, old, caller);
		return;
	}
	pwq = is_ordered(wq) ? enter_ordered(wq) : select_pwq(wq, cpu);
	work_exchange(work, pwq_word(pwq, gen));
	if (is_ordered(wq)) {
		push_ordered(pwq, work, old, gen, NULL);
		leave_ordered(pwq);
	} else {
		push_owned(wq, pwq, work, old, gen);
	}
}

/*
 * The calling worker queues the very item that it runs, as an item of @wq: it
 * stays with him, which he knows before he claims it. Nobody needs to be woken,
 * he will look when the function returns.
 */
static inline bool requeue_self(struct worker *self,
				struct workqueue_struct *wq,
				struct work_struct *work, uint32_t gen)
{
	struct pwq *pwq =
		atomic_load_explicit(&self->current_pwq, memory_order_relaxed);
	unsigned long old;

	if (lease_requeue(self, wq, work))
		return true;
	if (claim_word(work, pwq_word(pwq, gen) | WORD_COLLIDES, &old) !=
	    CLAIMED)
		return false;
	work_set_runner(work, self);
	push_own(self, pwq, work);
	return true;
}

static inline bool runs_here(struct worker *self, struct workqueue_struct *wq,
			     struct work_struct *work)
{
	return self && worker_runs_for(self, work, wq);
}

/* Inlined into two, of which one knows @cpu. */
static inline __attribute__((always_inline)) bool
queue_on(int cpu, struct workqueue_struct *wq, struct work_struct *work,
	 void *caller)
{
	uint32_t gen = life_check();
	struct worker *self = worker_self_in(gen);
	unsigned long old;
	struct pwq *pwq;

	if (unlikely(!plainly_ok(wq, work, cpu, gen)) &&
	    !queue_args_ok(wq, work, cpu, caller))
		return false;
	if (unlikely(is_ordered(wq)))
		return queue_ordered(wq, work, gen, caller);
	if (runs_here(self, wq, work))
		return requeue_self(self, wq, work, gen);
	pwq = select_pwq(wq, cpu);
	if (claim_word(work, pwq_word(pwq, gen), &old) != CLAIMED)
		return false;
	if (unlikely(!may_queue(wq))) {
		drop(wq, work, old, caller);
		return true;
	}
	push_owned(wq, pwq, work, old, gen);
	return true;
}

static __attribute__((noinline)) bool
queue_anywhere(struct workqueue_struct *wq, struct work_struct *work,
	       void *caller)
{
	return queue_on(WORK_CPU_UNBOUND, wq, work, caller);
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
{
	struct worker *self = worker_self();

	if (self && lease_requeue(self, wq, work))
		return true;
	return queue_anywhere(wq, work, __builtin_return_address(0));
}

bool queue_work_on(int cpu, struct workqueue_struct *wq,
		   struct work_struct *work)
{
	return queue_item(cpu, wq, work, __builtin_return_address(0));
}

bool queue_item(int cpu, struct workqueue_struct *wq, struct work_struct *work,
		void *caller)
{
	return queue_on(cpu, wq, work, caller);
}

/* --- several at once --- */

/* Items that are owned, in the order of the batch, to be pushed at once: each links
 * to the one before, as in the inbox. */
struct batch {
	struct work_struct *first;
	struct work_struct *last;
};

static void batch_add(struct batch *batch, struct work_struct *work)
{
	if (batch->first)
		work->entry.next = batch->last;
	else
		batch->first = work;
	batch->last = work;
}

/* One item of a batch for @pwq: whether it was queued, or dropped by a drain, for which
 * the result is the same. */
static bool add_one(struct workqueue_struct *wq, struct pwq *pwq,
		    struct work_struct *work, struct batch *batch, uint32_t gen,
		    void *caller)
{
	struct pwq *to = pwq;
	unsigned long old;

	if (!plainly_ok(wq, work, WORK_CPU_UNBOUND, gen) &&
	    !queue_args_ok(wq, work, WORK_CPU_UNBOUND, caller))
		return false;
	if (claim_word(work, pwq_word(pwq, gen), &old) != CLAIMED)
		return false;
	if (!may_queue(wq)) {
		drop(wq, work, old, caller);
		return true;
	}
	if (is_ordered(wq))
		place_ordered(pwq, work, old, gen);
	else
		to = place(wq, pwq, work, old, gen);
	if (to == pwq)
		batch_add(batch, work);
	else
		push(to, work, false);
	return true;
}

size_t cmwq_queue_work_batch(struct workqueue_struct *wq,
			     struct work_struct *const *works, size_t n)
{
	void *caller = __builtin_return_address(0);
	uint32_t gen = life_check();
	struct batch batch = { NULL, NULL };
	size_t queued = 0;
	struct pwq *pwq;

	if (!queue_wq_ok(wq, caller))
		return 0;
	if (!works && n) {
		queue_refuse(
			"NULL batch for workqueue %s; queued by the caller "
			"at %p",
			wq->name, caller);
		return 0;
	}
	pwq = is_ordered(wq) ? enter_ordered(wq)
			     : select_pwq(wq, WORK_CPU_UNBOUND);
	for (size_t i = 0; i < n; i++)
		queued += add_one(wq, pwq, works[i], &batch, gen, caller);
	if (batch.first)
		push_chain(pwq, batch.first, batch.last, false);
	if (is_ordered(wq))
		leave_ordered(pwq);
	return queued;
}

/* Touch what is set up at first use: thread-local storage, lazy binding. */
void cmwq_thread_prepare(void)
{
	life_check();
	worker_self();
	os_cpu();
}
