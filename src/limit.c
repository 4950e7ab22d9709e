/* SPDX-License-Identifier: MIT */
/* limit - how many items of a workqueue may be active. See limit.h. */
#include "limit.h"

#include <stdlib.h>

#include "attrs.h"
#include "cm.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "queue.h"
#include "registry.h"
#include "topo.h"

static bool freezing; /* registry lock; kept by a forked child */

bool limit_freezing(void)
{
	return freezing;
}

int limit_alone(struct workqueue_struct *wq)
{
	return wq->frozen ? 0 : wq->max_active;
}

struct node *limit_make_nodes(void)
{
	int n = topo_nr_nodes() + 1;
	struct node *nodes = aligned_alloc(64, (size_t)n * sizeof(*nodes));

	for (int i = 0; nodes && i < n; i++)
		node_init(&nodes[i], 0);
	return nodes;
}

/* How many of the CPUs that the workqueue may use are on a node, or in all. */
static int count_cpus(struct workqueue_struct *wq, int node)
{
	int n = 0, cpu;

	for_each_cpu (cpu, wq->attrs->cpumask)
		if (os_cpu_allowed(cpu) &&
		    (node < 0 || topo_node_of_cpu(cpu) == node))
			n++;
	return n;
}

/* What the workqueue left on a node that it may not use any more is done there: only
 * one that is frozen has nothing. */
static int least_share(struct workqueue_struct *wq, int max)
{
	int min = wq->min_active > 1 ? wq->min_active : 1;

	return min < max ? min : max;
}

static int share_of_node(struct workqueue_struct *wq, int node)
{
	int max = limit_alone(wq);
	int min = least_share(wq, max);
	int all = count_cpus(wq, -1);
	int share;

	if (node == wq->nr_nodes)
		return max;
	if (!all)
		return min;
	share = (max * count_cpus(wq, node) + all - 1) / all;
	return share < min ? min : share > max ? max : share;
}

void limit_settle(struct workqueue_struct *wq)
{
	struct pwq *pwq;

	for (int i = 0; wq->nodes && i <= wq->nr_nodes; i++)
		atomic_store(&wq->nodes[i].max, share_of_node(wq, i));
	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		pool_lock(pool);
		pwq_set_max_active(pwq, limit_alone(wq));
		if (!list_empty(&pool->worklist))
			cm_watch(pool, true);
		pool_unlock(pool);
	}
}

int limit_clamp(const char *name, int max_active)
{
	int val = max_active < 1	       ? 1
		  : max_active > WQ_MAX_ACTIVE ? WQ_MAX_ACTIVE
					       : max_active;

	if (val != max_active)
		log_warn("workqueue %s: max_active %d is out of range, %d is "
			 "used (1..%d)",
			 name, max_active, val, WQ_MAX_ACTIVE);
	return val;
}

static bool may_change(struct workqueue_struct *wq, const char *what,
		       void *caller)
{
	if (!queue_wq_ok(wq, caller))
		return false;
	if (wq->flags & __WQ_ORDERED)
		log_warn("workqueue %s is ordered; %s stays 1", wq->name, what);
	if (wq->flags & WQ_BH)
		log_warn("workqueue %s is a BH workqueue; it has no %s",
			 wq->name, what);
	return !(wq->flags & (__WQ_ORDERED | WQ_BH));
}

void workqueue_set_max_active(struct workqueue_struct *wq, int max_active)
{
	life_check_early();
	if (!may_change(wq, "max_active", __builtin_return_address(0)))
		return;
	max_active = limit_clamp(wq->name, max_active);
	lock(&wq->lock);
	wq->max_active = max_active;
	limit_settle(wq);
	unlock(&wq->lock);
}

void workqueue_set_min_active(struct workqueue_struct *wq, int min_active)
{
	life_check_early();
	if (!may_change(wq, "min_active", __builtin_return_address(0)))
		return;
	if (!(wq->flags & WQ_UNBOUND)) {
		log_warn("workqueue %s is per-CPU; it has no min_active",
			 wq->name);
		return;
	}
	lock(&wq->lock);
	wq->min_active = min_active < 0		       ? 0
			 : min_active > wq->max_active ? wq->max_active
						       : min_active;
	limit_settle(wq);
	unlock(&wq->lock);
}

static void set_frozen(bool frozen) REQUIRES(registry_lock)
{
	struct workqueue_struct *wq;

	freezing = frozen;
	for_each_wq(wq)
	{
		if (!(wq->flags & WQ_FREEZABLE))
			continue;
		lock(&wq->lock);
		wq->frozen = frozen;
		limit_settle(wq);
		unlock(&wq->lock);
	}
}

void freeze_workqueues_begin(void)
{
	life_check_early();
	lock(&registry_lock);
	if (freezing)
		log_warn("freeze_workqueues_begin: frozen already");
	else
		set_frozen(true);
	unlock(&registry_lock);
}

static bool runs_any(struct workqueue_struct *wq) REQUIRES(wq->lock)
{
	struct pwq *pwq;
	int n = 0;

	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		pool_lock(pool);
		n += pwq->nr_active;
		pool_unlock(pool);
	}
	return n;
}

bool freeze_workqueues_busy(void)
{
	struct workqueue_struct *wq;
	bool busy = false;

	life_check_early();
	lock(&registry_lock);
	if (!freezing)
		log_warn("freeze_workqueues_busy: nothing is being frozen");
	for_each_wq(wq)
	{
		if (!freezing || busy || !wq->frozen)
			continue;
		lock(&wq->lock);
		busy = runs_any(wq);
		unlock(&wq->lock);
	}
	unlock(&registry_lock);
	return busy;
}

void thaw_workqueues(void)
{
	life_check();
	lock(&registry_lock);
	if (freezing)
		set_frozen(false);
	unlock(&registry_lock);
}

void limit_reset(struct workqueue_struct *wq)
{
	for (int i = 0; wq->nodes && i <= wq->nr_nodes; i++)
		node_init(&wq->nodes[i], share_of_node(wq, i));
}
