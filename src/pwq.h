/* SPDX-License-Identifier: MIT */
/*
 * pwq - what one workqueue has in one pool: colours, max_active, activation.
 */
#ifndef CMWQ_PWQ_H
#define CMWQ_PWQ_H

#include "lock.h"
#include "node.h"
#include "pool.h"
#include "wq_struct.h"

#define PWQ_RETIRED (1U << WORD_NR_COLOURS) /* has a successor; gets no more */

struct pwq {
	/* Read by pushers; seldom written. 64-aligned: see work.h. */
	_Alignas(64) _Atomic(struct pool *) pool; /* A: set once per life */
	struct workqueue_struct *wq;		  /* I */
	_Atomic bool saturated; /* A: has inactive items; under lock. A push
				   needs no kick then. */
	_Atomic bool plugged;	/* A: nothing starts before its predecessor is
				   empty; under the predecessor's lock */
	_Atomic int pushers;	/* A: of an ordered queue: between reading the
				   table and having pushed */
	_Atomic unsigned int colour; /* A: of what is queued now; under lock */

	/* Written with each item: two lines, and no more of them that go from CPU
	   to CPU where workers take turns. */
	_Alignas(64) int nr_active;   /* P: on the worklist or running */
	int limit;		      /* P: of nr_active; 0: look closer */
	int max_active;		      /* P: 0 if frozen */
	unsigned int events;	      /* P: colours somebody flushes, a bit
					each; PWQ_RETIRED */
	struct list inactive;	      /* P: items over max_active */
	unsigned long long started;   /* P */
	unsigned long long completed; /* P */
	struct node *node;	      /* P: shares max_active, or NULL */
	struct pwq *successor; /* P: gets what still comes; plugged until this
				  one is empty */
	int nr_in_flight[WORD_NR_COLOURS]; /* P */

	struct list wq_link;	   /* W: in wq->pwqs */
	struct node_waiter waiter; /* in line for a slot of node */
	uint64_t turned_at;	   /* P: when its turn began, ns */
	struct list held;	   /* P: in pool->held */
	bool in_use;		   /* registry lock: gets items */
	struct list mayday;	   /* M: in the calls of the queue's rescuer */
	uint64_t mayday_at;	   /* M: not to be answered before, ns */
	unsigned long long cpu_itsv;	/* P */
	unsigned long long cm_wakeup;	/* P */
	unsigned long long cm_overlap;	/* P */
	unsigned long long repatriated; /* P */
	unsigned long long maydays;	/* P */
	unsigned long long rescued;	/* P */
};

/*
 * Records are type-stable: reused for other pwqs, never freed. So a pwq found in
 * an item's word may be looked at without a lock, though the item may have gone
 * on and the workqueue may be destroyed: what was found must be checked under the
 * lock of the pool.
 *
 * pwqs_alloc() takes @nr of them, and none if it cannot have all. The caller of
 * either holds the registry lock (wq.c), which fork takes, too.
 */
bool pwqs_alloc(struct list *pwqs, int nr);
void pwqs_free(struct list *pwqs);

static inline struct pool *pwq_pool(struct pwq *pwq)
{
	return atomic_load_explicit(&pwq->pool, memory_order_relaxed);
}

/* The pwq for callers on a CPU. */
static inline struct pwq *wq_pwq(struct workqueue_struct *wq, int cpu)
{
	return atomic_load_explicit(&wq->pwq_of[cpu], memory_order_acquire);
}

/* Under wq->lock. */
#define for_each_pwq(pwq, wq) list_for_each_entry (pwq, &(wq)->pwqs, wq_link)

/* All of these, but for the first two, need the lock of the pwq's pool. clang
 * cannot see that pwq->pool is the pool whose lock the caller holds. */

void pwq_init(struct pwq *pwq, struct workqueue_struct *wq, struct pool *pool,
	      int max_active);
void pwq_reset(struct pwq *pwq);

/* The word of an item that is claimed for a pwq. */
static inline unsigned long pwq_word(struct pwq *pwq, uint32_t gen)
{
	return word_for_pwq(
		pwq, atomic_load_explicit(&pwq->colour, memory_order_relaxed),
		gen);
}

/* Empty the inbox into pool->drained, which is empty. What flags it had. */
uintptr_t pool_take_inbox(struct pool *pool) REQUIRES(pool->lock);

/* Settle everything in the inbox, in queueing order. */
void pool_drain_slow(struct pool *pool) REQUIRES(pool->lock);

static inline void pool_drain(struct pool *pool) REQUIRES(pool->lock)
{
	if (atomic_load(&pool->inbox))
		pool_drain_slow(pool);
}

/* Admit what is in pool->drained. */
void pool_admit_drained(struct pool *pool) REQUIRES(pool->lock);

/* Say whether the worklist is empty. */
void pool_note_work(struct pool *pool) REQUIRES(pool->lock);

/* May items of it that come out of the inbox be started at once, one after another by
 * the same worker, without being counted? @own: of the active ones are over by then. */
bool pwq_has_room(struct pwq *pwq, int own) NO_ANALYSIS;

/*
 * The same of a pwq that shares max_active, which takes a slot of its node into the
 * caller's hand for that, unless he has one (@own), and not while anybody is in line. One
 * that runs on when the lease is ended keeps it. It is given back by the other.
 */
bool pwq_lends_slot(struct pwq *pwq, bool own) NO_ANALYSIS;
void pwq_give_slot(struct pwq *pwq) NO_ANALYSIS;

/* Does anybody elsewhere wait for the end of its items? */
bool pwq_is_awaited(struct pwq *pwq) NO_ANALYSIS;

/* What was started without being counted runs on: count it. */
void pwq_count_running(struct pwq *pwq, unsigned int colour) NO_ANALYSIS;
/* The same of one of a row, which has been counted as in flight. */
void pwq_count_active(struct pwq *pwq) NO_ANALYSIS;

/* An item that was admitted is gone: finished, or taken back while active. */
void pwq_item_done(struct pwq *pwq, unsigned int colour) NO_ANALYSIS;

/*
 * For a row of inactive items, run one after another by the same worker. An item is
 * over, that was @active, or was in the row; none becomes active in its place before
 * pwq_catch_up(). Does the pwq lag behind with that?
 */
void pwq_item_over(struct pwq *pwq, unsigned int colour,
		   bool active) NO_ANALYSIS;
bool pwq_lags(struct pwq *pwq) NO_ANALYSIS;
void pwq_catch_up(struct pwq *pwq) NO_ANALYSIS;

/* The next one for a row, unless it is the last: so the list is never empty. Off the
 * list, and back in front of it. */
struct work_struct *pwq_first_inactive(struct pwq *pwq) NO_ANALYSIS;
void pwq_take_inactive(struct work_struct *work);
void pwq_put_back_inactive(struct pwq *pwq,
			   struct work_struct *work) NO_ANALYSIS;

/* Take a listed item out, whichever list it is on. The caller owns it. */
void pwq_remove(struct pwq *pwq, struct work_struct *work,
		unsigned long word) NO_ANALYSIS;

void pwq_set_max_active(struct pwq *pwq, int max_active) NO_ANALYSIS;

/* Count active items in @node from now on. */
void pwq_share(struct pwq *pwq, struct node *node) NO_ANALYSIS;

/* A pwq of an ordered workqueue starts nothing until it is unplugged. */
void pwq_plug(struct pwq *pwq) NO_ANALYSIS;

/*
 * What was pushed to this pwq of an ordered workqueue is on its lists. When the
 * last of it is done its successor, which is plugged, may start. What is pushed all
 * the same goes there.
 */
void pwq_retire(struct pwq *pwq, struct pwq *successor) NO_ANALYSIS;

/* Retired, and its last item is done? */
bool pwq_is_through(struct pwq *pwq) NO_ANALYSIS;

/* Wakes whoever a poked pool needs; concurrency management is above us. */
extern void (*pwq_kick)(struct pool *pool);

/* Start a flush of the current colour: true if items of it are in flight. */
bool pwq_start_flush(struct pwq *pwq, unsigned int next_colour) NO_ANALYSIS;

/* An item is gone that was counted, however that came about: as one that was
 * @active, on the worklist or running, or on the inactive list. */
void pwq_item_lost(struct pwq *pwq, unsigned int colour,
		   bool active) NO_ANALYSIS;

/* All records, in use or not, for whoever must not trust a pointer. */
#define PWQ_CHUNK 16

struct pwq_chunk {
	struct pwq_chunk *next; /* I */
	struct pwq pwq[PWQ_CHUNK];
};

extern _Atomic(struct pwq_chunk *) pwq_chunks; /* A: under registry lock */

#define for_each_pwq_record(pwq)                                           \
	for (struct pwq_chunk *chunk_ = atomic_load(&pwq_chunks); chunk_;  \
	     chunk_ = chunk_->next)                                        \
		for ((pwq) = chunk_->pwq; (pwq) < chunk_->pwq + PWQ_CHUNK; \
		     (pwq)++)

bool pwq_is_record(const struct pwq *pwq);

/* With CMWQ_DEBUG=objects: verify.h, which is above us. */
extern uintptr_t (*pwq_verify_inbox)(struct pool *pool, uintptr_t head);
extern void (*pwq_verify_list)(struct pool *pool, struct list *head);

/* Anything queued or running. */
int pwq_in_flight(struct pwq *pwq) NO_ANALYSIS;

#endif
