/* SPDX-License-Identifier: MIT */
/* node - what pwqs of one workqueue and NUMA node share. See node.h. */
#include "node.h"

/* A handler that finds it set has interrupted the holder of such a lock. */
static __thread volatile bool holding;

static void node_lock(struct node *node) ACQUIRE(node->lock)
{
	holding = true;
	atomic_signal_fence(memory_order_seq_cst);
	lock(&node->lock);
}

static void node_unlock(struct node *node) RELEASE(node->lock)
{
	unlock(&node->lock);
	atomic_signal_fence(memory_order_seq_cst);
	holding = false;
}

bool node_is_held(void)
{
	return holding;
}

void node_init(struct node *node, int max)
{
	lock_init(&node->lock, RANK_NODE);
	list_init(&node->waiting);
	atomic_store(&node->nr_waiting, 0);
	atomic_store(&node->nr, 0);
	atomic_store(&node->max, max);
}

bool node_take(struct node *node)
{
	int nr = atomic_load(&node->nr);

	while (nr < atomic_load(&node->max))
		if (atomic_compare_exchange_weak(&node->nr, &nr, nr + 1))
			return true;
	return false;
}

bool node_may_keep(struct node *node)
{
	return atomic_load(&node->nr) <= atomic_load(&node->max);
}

struct pool *node_next(struct node *node)
{
	struct node_waiter *first;
	struct pool *pool = NULL;

	if (!atomic_load(&node->nr_waiting))
		return NULL;
	node_lock(node);
	if (!list_empty(&node->waiting) &&
	    atomic_load(&node->nr) < atomic_load(&node->max)) {
		first = list_first(&node->waiting, struct node_waiter, entry);
		list_move_tail(&first->entry, &node->waiting);
		pool = first->pool;
	}
	node_unlock(node);
	return pool;
}

struct pool *node_give(struct node *node)
{
	atomic_fetch_sub(&node->nr, 1);
	return node_next(node);
}

void node_wait(struct node *node, struct node_waiter *waiter, struct pool *pool)
{
	if (waiter->waiting)
		return;
	waiter->waiting = true;
	waiter->pool = pool;
	node_lock(node);
	list_add_tail(&waiter->entry, &node->waiting);
	atomic_fetch_add(&node->nr_waiting, 1);
	node_unlock(node);
}

void node_leave(struct node *node, struct node_waiter *waiter)
{
	if (!waiter->waiting)
		return;
	waiter->waiting = false;
	node_lock(node);
	list_del(&waiter->entry);
	atomic_fetch_sub(&node->nr_waiting, 1);
	node_unlock(node);
}
