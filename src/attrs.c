/* SPDX-License-Identifier: MIT */
/*
 * attrs - the attributes of unbound queues and pools. See attrs.h.
 */
#include "attrs.h"

#include <stdlib.h>

#include "cpumask.h"
#include "param.h"

#define MIN_NICE -20
#define MAX_NICE 19

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

const char *attrs_defect(const struct workqueue_attrs *attrs)
{
	if (!attrs)
		return "no attributes";
	if (!attrs->cpumask)
		return "no cpumask";
	if (attrs->nice < MIN_NICE || attrs->nice > MAX_NICE)
		return "nice is not within -20..19";
	if ((unsigned int)attrs->affn_scope >= WQ_AFFN_NR_TYPES)
		return "no such affinity scope";
	return NULL;
}
