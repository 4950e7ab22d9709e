/* SPDX-License-Identifier: MIT */
/*
 * attrs - the attributes of unbound queues and pools.
 *
 * struct workqueue_attrs belongs to who has it: nothing here locks.
 */
#ifndef CMWQ_ATTRS_H
#define CMWQ_ATTRS_H

#include <stdbool.h>
#include <stdint.h>
#include <cmwq/cpumask.h>
#include <cmwq/workqueue.h>

enum {
	ATTRS_MIN_NICE = -20,
	ATTRS_MAX_NICE = 19
};

void attrs_copy(struct workqueue_attrs *to, const struct workqueue_attrs *from);

/*
 * Make what a user gave into what is used: nice within its range, a scope that is
 * not the default one, CPUs that are in @allowed, or all of these if none is.
 * 0, or -EINVAL if there is no such scope or no mask; then nothing has changed.
 * Reports what was wrong, with @name of the workqueue.
 */
int attrs_normalise(struct workqueue_attrs *attrs,
		    const struct cpumask *allowed, const char *name);

/*
 * Whether workers with the one may serve queues with the other, if these have
 * the same pod: nice, CPUs, strictness. Scope and order do not matter to a worker.
 * Equal ones have equal hashes.
 */
bool attrs_equal(const struct workqueue_attrs *a,
		 const struct workqueue_attrs *b);
uint32_t attrs_hash(const struct workqueue_attrs *attrs);

/* The scope that WQ_AFFN_DFL stands for now; others are themselves. */
enum wq_affn_scope attrs_scope(enum wq_affn_scope scope);

#endif
