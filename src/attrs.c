/* SPDX-License-Identifier: MIT */
/*
 * attrs - the attributes of unbound queues and pools. See attrs.h.
 */
#include "attrs.h"

#include <errno.h>
#include <stdlib.h>

#include "cpumask.h"
#include "log.h"
#include "param.h"

struct workqueue_attrs *alloc_workqueue_attrs(void)
{
	struct workqueue_attrs *attrs = calloc(1, sizeof(*attrs));

	if (!attrs)
		return NULL;
	if (!alloc_cpumask_var(&attrs->cpumask, 0)) {
		free(attrs);
		return NULL;
	}
	cpumask_copy(attrs->cpumask, cpu_possible_mask);
	attrs->affn_scope = WQ_AFFN_DFL;
	return attrs;
}

void free_workqueue_attrs(struct workqueue_attrs *attrs)
{
	if (!attrs)
		return;
	free_cpumask_var(attrs->cpumask);
	free(attrs);
}

void attrs_copy(struct workqueue_attrs *to, const struct workqueue_attrs *from)
{
	to->nice = from->nice;
	to->affn_strict = from->affn_strict;
	to->affn_scope = from->affn_scope;
	to->ordered = from->ordered;
	cpumask_copy(to->cpumask, from->cpumask);
}

enum wq_affn_scope attrs_scope(enum wq_affn_scope scope)
{
	if (scope != WQ_AFFN_DFL)
		return scope;
	return (enum wq_affn_scope)param_get(default_affinity_scope);
}

static int clamp_nice(int nice, const char *name)
{
	int in = nice < ATTRS_MIN_NICE	 ? ATTRS_MIN_NICE
		 : nice > ATTRS_MAX_NICE ? ATTRS_MAX_NICE
					 : nice;

	if (in != nice)
		log_warn("workqueue %s: nice %d is not within %d..%d, it is %d",
			 name, nice, ATTRS_MIN_NICE, ATTRS_MAX_NICE, in);
	return in;
}

int attrs_normalise(struct workqueue_attrs *attrs,
		    const struct cpumask *allowed, const char *name)
{
	unsigned int scope = attrs->affn_scope;

	if (scope >= WQ_AFFN_NR_TYPES) {
		log_warn("workqueue %s: there is no affinity scope %d", name,
			 (int)scope);
		return -EINVAL;
	}
	if (!attrs->cpumask) {
		log_warn("workqueue %s: attributes without a cpumask", name);
		return -EINVAL;
	}
	attrs->nice = clamp_nice(attrs->nice, name);
	attrs->affn_scope = attrs_scope(attrs->affn_scope);
	if (!cpumask_and(attrs->cpumask, attrs->cpumask, allowed))
		cpumask_copy(attrs->cpumask, allowed);
	return 0;
}

bool attrs_equal(const struct workqueue_attrs *a,
		 const struct workqueue_attrs *b)
{
	return a->nice == b->nice && a->affn_strict == b->affn_strict &&
	       cpumask_equal(a->cpumask, b->cpumask);
}

/* A 64-bit multiply and fold for each word. */
static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * 0x9e3779b97f4a7c15ULL;
	return hash ^ hash >> 32;
}

uint32_t attrs_hash(const struct workqueue_attrs *attrs)
{
	unsigned int cpu;
	uint64_t hash = mix((uint64_t)(attrs->nice - ATTRS_MIN_NICE),
			    attrs->affn_strict);

	for_each_cpu (cpu, attrs->cpumask)
		hash = mix(hash, cpu);
	return (uint32_t)hash;
}
