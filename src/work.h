/* SPDX-License-Identifier: MIT */
/*
 * work - the state word of an item, work->data. Only this room and work.c know
 * its bits.
 *
 *  63        52 51    48 47            32 31        16 15       6 5 4 3 2 1 0
 *  [generation][   0   ][ worker slot    ][ disabled  ][ cancels ][G 0 0 0 0 P]
 *  [generation][ colour][ pool_workqueue, 64-byte aligned        ][0 C W L Q P]
 *
 *  P PENDING   somebody owns the item: it is queued, its timer is armed, or a
 *              thread is on its way to do either or to take it back. Whoever
 *              sets P owns the item until he clears it or hands it over.
 *  Q PWQ       the second form: claimed for that pool_workqueue.
 *  L LISTED    on a list of that pool; set by the drain. P and Q without L: on
 *              its way to the inbox. Changes under pool->lock.
 *  W WAITERS   flushers wait in pool->waiters for this queueing.
 *  C COLLIDES  was running when it was claimed; whoever starts it looks first.
 *  G GRACE     RCU work that waits for a grace period; under grace_lock.
 *
 *  colour      the pwq's when the claimer looked; the drain puts it right.
 *  disabled    disable_work() depth.   cancels: cancel_work_sync() in flight.
 *  worker slot the worker that started it last, if any. It may still run it.
 *  generation  the process that wrote the word. In a forked child, words of the
 *              parent count as idle: their owners do not exist here. What the
 *              user disabled stays disabled.
 *
 * On which list an item is that waits behind max_active is told by entry.prev
 * (LINK_INACTIVE), under pool->lock: a bit of the word would be set and cleared
 * by two more atomics per item. LISTED is such a bit all the same: who takes an
 * item back has to read it and the pwq at once, since the owner may send the item
 * to another pool up to the push.
 *
 * A thread that finds P set and gives up must do so by a read-modify-write, so
 * that the worker which clears P by another sees the stores before it; every
 * change of the word in between is one as well, which keeps the release
 * sequence (the "false" half of queue_work()'s promise).
 */
#ifndef CMWQ_WORK_H
#define CMWQ_WORK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <cmwq/workqueue.h>

#include "os.h"

struct pwq;

#define WORD_PENDING  (1UL << 0)
#define WORD_PWQ      (1UL << 1)
#define WORD_LISTED   (1UL << 2)
#define WORD_WAITERS  (1UL << 3)
#define WORD_COLLIDES (1UL << 4)
#define WORD_GRACE    (1UL << 5)

#define LINK_INACTIVE ((uintptr_t)1)

#define WORD_CANCEL_ONE	  (1UL << 6)
#define WORD_CANCEL_MASK  (0x3ffUL << 6)
#define WORD_DISABLE_ONE  (1UL << 16)
#define WORD_DISABLE_MASK (0xffffUL << 16)
#define WORD_OFF_MASK	  (WORD_CANCEL_MASK | WORD_DISABLE_MASK)

#define WORD_SLOT_SHIFT 32
#define WORD_SLOT_MASK	(0xffffUL << WORD_SLOT_SHIFT)
#define WORD_NO_SLOT	0xffffU
#define WORD_PWQ_MASK	(0xffffffffffffUL & ~63UL)

#define WORD_COLOUR_SHIFT 48
#define WORD_NR_COLOURS	  16U
#define WORD_GEN_SHIFT	  52
#define WORD_GEN_MASK	  0xfffU

_Static_assert(sizeof(unsigned long) == 8, "the state word needs 64 bits");
_Static_assert(CMWQ_WORK_IDLE == (unsigned long)WORD_NO_SLOT << WORD_SLOT_SHIFT,
	       "a fresh item has no worker and an old generation");

static inline _Atomic unsigned long *work_word(const struct work_struct *work)
{
	return (_Atomic unsigned long *)&((struct work_struct *)work)->data;
}

static inline unsigned long word_gen(uint32_t gen)
{
	return (unsigned long)gen << WORD_GEN_SHIFT;
}

static inline unsigned long word_for_pwq(struct pwq *pwq, unsigned int colour,
					 uint32_t gen)
{
	return (unsigned long)pwq | (unsigned long)colour << WORD_COLOUR_SHIFT |
	       word_gen(gen) | WORD_PENDING | WORD_PWQ;
}

static inline struct pwq *word_pwq(unsigned long word)
{
	return word & WORD_PWQ ? (struct pwq *)(word & WORD_PWQ_MASK) : NULL;
}

static inline unsigned int word_slot(unsigned long word)
{
	return (word & WORD_SLOT_MASK) >> WORD_SLOT_SHIFT;
}

static inline unsigned int word_colour(unsigned long word)
{
	return (word >> WORD_COLOUR_SHIFT) & (WORD_NR_COLOURS - 1);
}

/* What a word means to this process: itself, or what is left after a fork. */
static inline unsigned long word_now(unsigned long word, uint32_t gen)
{
	if (likely(word >> WORD_GEN_SHIFT == gen))
		return word;
	return word_gen(gen) | CMWQ_WORK_IDLE |
	       (word & WORD_PWQ ? 0 : word & WORD_DISABLE_MASK);
}

static inline unsigned long work_load(const struct work_struct *work)
{
	return word_now(atomic_load(work_word(work)), os_generation());
}

enum claim {
	CLAIMED,	/* the caller owns the item now */
	CLAIM_PENDING,	/* somebody else does */
	CLAIM_DISABLED, /* idle, but disabled or being cancelled */
};

/* entry.prev: a worker that ran the item when it was claimed, for the drain to
 * look at, see push_owned(); from then on, the list, perhaps marked. */
static inline void work_set_runner(struct work_struct *work, void *worker)
{
	work->entry.prev = worker;
}

static inline void *work_runner(const struct work_struct *work)
{
	return work->entry.prev;
}

static inline bool work_inactive(const struct work_struct *work)
{
	return (uintptr_t)work->entry.prev & LINK_INACTIVE;
}

/*
 * Become the owner of an idle item: one compare-and-swap to @next. *old is the
 * word (as of this process) that it had.
 */
static inline enum claim work_claim(struct work_struct *work,
				    unsigned long next, unsigned long *old)
{
	_Atomic unsigned long *word = work_word(work);
	uint32_t gen = (uint32_t)(next >> WORD_GEN_SHIFT);
	unsigned long raw = atomic_load_explicit(word, memory_order_relaxed);

	for (;;) {
		*old = word_now(raw, gen);
		if (unlikely(*old & (WORD_PENDING | WORD_OFF_MASK))) {
			/* The caller's stores go before what it gave up on. */
			raw = atomic_fetch_add(word, 0);
			*old = word_now(raw, gen);
			if (*old & WORD_PENDING)
				return CLAIM_PENDING;
			if (*old & WORD_OFF_MASK)
				return CLAIM_DISABLED;
		}
		if (atomic_compare_exchange_weak(word, &raw, next))
			return CLAIMED;
	}
}

/* Own an idle item without queueing it; keeps slot and disable depths. */
static inline bool work_claim_idle(struct work_struct *work, unsigned long *old)
{
	_Atomic unsigned long *word = work_word(work);
	uint32_t gen = os_generation();
	unsigned long raw = atomic_load(word);

	do {
		*old = word_now(raw, gen);
		if (unlikely(*old & WORD_PENDING)) {
			raw = atomic_fetch_add(word, 0);
			*old = word_now(raw, gen);
			if (*old & WORD_PENDING)
				return false;
		}
	} while (unlikely(!atomic_compare_exchange_weak(word, &raw,
							*old | WORD_PENDING)));
	return true;
}

/* For the owner: give another word to the item; release to give it up. */
static inline unsigned long work_exchange(struct work_struct *work,
					  unsigned long next)
{
	return atomic_exchange(work_word(work), next);
}

/* Set or clear bits of a word whose owner (or pool->lock) protects it. */
static inline void work_set(struct work_struct *work, unsigned long bits)
{
	atomic_fetch_or_explicit(work_word(work), bits, memory_order_acq_rel);
}

/* Bits whose state is known: sets some and clears others at once. */
static inline void work_flip(struct work_struct *work, unsigned long bits)
{
	atomic_fetch_xor_explicit(work_word(work), bits, memory_order_acq_rel);
}

/* An item of work_on_cpu(), which calls a function of another type. */
struct work_call {
	struct work_struct work;
	long (*fn)(void *arg);
	void *arg;
	long ret;
};

void work_call(struct work_struct *work);

/* What an item does, for telling one kind of item from another: @func, its
 * function, unless that only calls another one. */
static inline work_func_t work_kind(struct work_struct *work, work_func_t func)
{
	struct work_call *c = (struct work_call *)work;

	return func == work_call ? (work_func_t)(void (*)(void))c->fn : func;
}

/* What is visibly wrong with an item: a phrase for the log, or NULL. */
const char *work_defect(const struct work_struct *work);

#endif
