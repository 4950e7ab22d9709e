/* SPDX-License-Identifier: MIT */
/*
 * unbound - the pools of unbound workqueues, one for each set of attributes.
 *
 * Two workqueues whose attributes come to the same share their pools. What makes a
 * pool the same is nice, the CPUs that its workers may use, the pod that it serves,
 * and whether they may leave the pod. Everything here is done under the registry
 * lock (wq.c).
 *
 * A pool is counted twice: refs, the pwqs that name it, and users, those of
 * them that still get items. Without users its workers end; they come back if
 * an item does. Without refs the record waits to become another pool. It is never
 * freed: whoever finds an old pointer to it may lock it and look.
 */
#ifndef CMWQ_UNBOUND_H
#define CMWQ_UNBOUND_H

#include <cmwq/cpumask.h>

#include "pool.h"

struct unbound_pool {
	int nice;
	int node;		    /* of all CPUs of the pod, or -1 */
	bool strict;		    /* matters if pod is not all of cpus */
	const struct cpumask *cpus; /* where workers may run */
	const struct cpumask *pod;  /* a part of cpus: where they should */
};

/* The pool with these attributes, a new one if need be; NULL without memory. It is
 * referred to once more. */
struct pool *unbound_get(const struct unbound_pool *want);
void unbound_put(struct pool *pool);

/* The topology is known: on which nodes are the pools that were there before? A pwq
 * counts on its pool's for ever, from when the workqueue has several. */
void unbound_find_nodes(void);

/* Whether it gets items from one pwq more, or less. */
void unbound_use(struct pool *pool);
void unbound_unuse(struct pool *pool);

int unbound_init(void);

/*
 * All of it is confined to the CPUs that are requested (workqueue.unbound_cpus, all
 * at first), and of those to the housekeeping ones, if that leaves any.
 */
enum unbound_mask {
	UNBOUND_REQUESTED,
	UNBOUND_HOUSEKEEPING,
	UNBOUND_MAY_USE, /* what follows from the other two */
	UNBOUND_MASKS,
};

const struct cpumask *unbound_mask(enum unbound_mask which);
/* One of the first two. */
void unbound_set_mask(enum unbound_mask which, const struct cpumask *to);

/* What workers may use of the CPUs that are asked for; if that is nothing, of all. */
void unbound_effective(struct cpumask *cpus, const struct cpumask *asked);

#endif
