/* SPDX-License-Identifier: MIT */
/*
 * node - the share of max_active that the pwqs of an unbound workqueue on one NUMA
 * node have in common.
 *
 * A pwq that is alone on its node counts for itself and needs none of this. Several
 * take a slot per active item here, whichever comes first. One that gets none waits
 * in line, and whoever gives a slot back is told whose turn it is: the pool of
 * that pwq is poked (pool.h), since its lock is not his. A poke is a hint, the
 * slot is free for anybody until somebody takes it.
 *
 *	waiter				giver
 *	W1 stand in line		G1 nr--
 *	W2 read nr; take if < max	G2 anybody in line? poke the first
 *
 * Either W2 sees G1, or G2 sees W1. Whoever leaves the line or has taken what it was
 * poked for looks again whether there is a slot and somebody in line, so a poke is
 * never used up for nothing.
 *
 * A pwq whose items are tiny keeps the slots of those that are over for the next ones
 * in its own pool for a while (pwq.c): to poke the other pool for each would take more
 * time than they do.
 */
#ifndef CMWQ_NODE_H
#define CMWQ_NODE_H

#include "lock.h"
#include "pool.h"

struct node {
	_Alignas(64) _Atomic int nr; /* A: slots that are taken */
	_Atomic int max;	     /* A: under wq->lock */
	_Atomic int nr_waiting;	     /* A: under lock */
	struct lock lock;
	struct list waiting; /* N: struct node_waiter, whose turn is first */
};

/* A pwq in line. Its pool's lock is held by whoever puts it there or takes it
 * out. */
struct node_waiter {
	struct list entry; /* N */
	struct pool *pool; /* N */
	bool waiting;	   /* P */
};

void node_init(struct node *node, int max);

/* Take a slot if there is one. */
bool node_take(struct node *node);

/* Give it back; the pool to be poked, or NULL. */
struct pool *node_give(struct node *node);

/* Is there a slot, and somebody in line for it? He goes to the end of the line. */
struct pool *node_next(struct node *node);

/* Stand in line; take a slot again after it. */
void node_wait(struct node *node, struct node_waiter *waiter,
	       struct pool *pool);
void node_leave(struct node *node, struct node_waiter *waiter);

/* Is nobody in line? Without the lock the answer may be a moment old. */
static inline bool node_has_no_line(struct node *node)
{
	return !atomic_load(&node->nr_waiting);
}

/* May one that is over hand its slot to another one of its pwq? Not if max was lowered. */
bool node_may_keep(struct node *node);

/* Does this thread hold the lock of one? Only a signal handler can find that it
 * does; it must not wait for any. */
bool node_is_held(void);

#endif
