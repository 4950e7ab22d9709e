/* SPDX-License-Identifier: MIT */
/* unbound - the pools of unbound workqueues. See unbound.h. */
#include "unbound.h"

#include <errno.h>
#include <stdlib.h>

#include "cap.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "topo.h"

static int nr_made; /* registry lock */

static cpumask_var_t masks[UNBOUND_MASKS]; /* registry lock */

int unbound_init(void)
{
	const char *list = param_unbound_cpus;
	struct cpumask *requested;
	int err;

	for (int i = 0; i < UNBOUND_MASKS; i++) {
		if (!alloc_cpumask_var(&masks[i], 0))
			return -ENOMEM;
		cpumask_copy(masks[i], cpu_possible_mask);
	}
	requested = masks[UNBOUND_REQUESTED];
	err = *list ? cpulist_parse(list, requested) : 0;
	if (err || cpumask_empty(requested)) {
		log_warn("parameter workqueue.unbound_cpus: '%s' %s, ignored",
			 list,
			 err == -ERANGE ? "names CPUs that do not exist"
			 : err		? "is not a list of CPUs"
					: "names no CPU");
		cpumask_copy(requested, cpu_possible_mask);
	}
	unbound_set_mask(UNBOUND_REQUESTED, requested);
	return 0;
}

const struct cpumask *unbound_mask(enum unbound_mask which)
{
	return masks[which];
}

void unbound_set_mask(enum unbound_mask which, const struct cpumask *to)
{
	struct cpumask *requested = masks[UNBOUND_REQUESTED];

	cpumask_copy(masks[which], to);
	if (!cpumask_and(masks[UNBOUND_MAY_USE], requested,
			 masks[UNBOUND_HOUSEKEEPING]))
		cpumask_copy(masks[UNBOUND_MAY_USE], requested);
}

void unbound_effective(struct cpumask *cpus, const struct cpumask *asked)
{
	const struct cpumask *may_use = masks[UNBOUND_MAY_USE];

	if (!cpumask_and(cpus, asked, may_use))
		cpumask_copy(cpus, may_use);
}

static int nr_words(void)
{
	return (os_nr_cpus() + LONG_BITS - 1) / LONG_BITS;
}

/* A pool without a mask has all possible CPUs. */
static bool is_all(const struct cpumask *mask)
{
	return cpumask_weight(mask) == (unsigned int)os_nr_cpus();
}

static bool same_mask(const _Atomic unsigned long *bits,
		      const struct cpumask *mask)
{
	if (!bits)
		return is_all(mask);
	for (int i = 0; i < nr_words(); i++)
		if (atomic_load(&bits[i]) != mask->bits[i])
			return false;
	return true;
}

static bool is_same(struct pool *pool, const struct unbound_pool *want)
{
	return pool->nice == want->nice && pool->strict == want->strict &&
	       same_mask(atomic_load(&pool->cpus), want->cpus) &&
	       same_mask(atomic_load(&pool->pod), want->pod);
}

/* Nothing of it is left but the record. */
static bool is_free(struct pool *pool)
{
	bool done;

	if (pool->refs)
		return false;
	pool_lock(pool);
	done = !atomic_load(&pool->nr_threads) && !pool->cull_armed &&
	       !pool->managed && list_empty(&pool->worklist);
	pool_unlock(pool);
	return done;
}

static struct pool *find(const struct unbound_pool *want)
{
	struct pool *pool;

	for (pool = atomic_load(&pool_list_unbound); pool;
	     pool = atomic_load(&pool->next))
		if (is_same(pool, want))
			return pool;
	return NULL;
}

static struct pool *find_free(void)
{
	struct pool *pool;

	for (pool = atomic_load(&pool_list_unbound); pool;
	     pool = atomic_load(&pool->next))
		if (is_free(pool))
			return pool;
	return NULL;
}

/* NULL for all CPUs. A record that has been another pool keeps its memory: a
 * sentinel may be reading it. */
static bool set_mask(_Atomic(_Atomic unsigned long *) *bits,
		     const struct cpumask *mask)
{
	_Atomic unsigned long *to = atomic_load(bits);

	if (!to && is_all(mask))
		return true;
	if (!to)
		to = calloc((size_t)nr_words(), sizeof(*to));
	if (!to)
		return false;
	for (int i = 0; i < nr_words(); i++)
		atomic_store(&to[i], mask->bits[i]);
	atomic_store(bits, to);
	return true;
}

/* Pools have numbers, as the kernel's have: those of CPUs first. */
static int first_id(void)
{
	return os_nr_cpus() * POOLS_PER_CPU + NR_PRIORITIES;
}

static struct pool *make(const struct unbound_pool *want)
{
	struct pool *pool = find_free();
	bool is_new = !pool;

	if (is_new)
		pool = pool_new(-1, first_id() + nr_made++, false, 1);
	if (!pool)
		return NULL;
	/* Without memory it is left with masks that nobody asks for. */
	pool->refs = 0;
	if (is_new)
		pool_publish(pool);
	if (!set_mask(&pool->cpus, want->cpus) ||
	    !set_mask(&pool->pod, want->pod))
		return NULL;
	pool->nice = want->nice;
	pool->highpri = want->nice == -20;
	pool->strict = want->strict;
	pool_lock(pool);
	cap_recount(pool);
	pool_unlock(pool);
	return pool;
}

struct pool *unbound_get(const struct unbound_pool *want)
{
	struct pool *pool = find(want);

	if (!pool)
		pool = make(want);
	if (!pool)
		return NULL;
	pool->node = want->node;
	pool->refs++;
	return pool;
}

static int node_of_pod(struct pool *pool)
{
	int node = -1;

	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		if (!pool_has_cpu(pool, cpu))
			continue;
		if (node >= 0 && topo_node_of_cpu(cpu) != node)
			return -1;
		node = topo_node_of_cpu(cpu);
	}
	return node;
}

void unbound_find_nodes(void)
{
	struct pool *pool;

	for (pool = atomic_load(&pool_list_unbound); pool;
	     pool = atomic_load(&pool->next))
		pool->node = node_of_pod(pool);
}

void unbound_put(struct pool *pool)
{
	pool->refs--;
}

void unbound_use(struct pool *pool)
{
	if (!atomic_fetch_add(&pool->users, 1))
		atomic_store(&pool->deserted, false);
}

void unbound_unuse(struct pool *pool)
{
	if (atomic_fetch_sub(&pool->users, 1) > 1)
		return;
	atomic_store(&pool->deserted, true);
	manager_end_idle(pool);
}
