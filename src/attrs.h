/* SPDX-License-Identifier: MIT */
/*
 * attrs - the attributes of unbound queues and pools.
 *
 * struct workqueue_attrs belongs to who has it: nothing here locks.
 */
#ifndef CMWQ_ATTRS_H
#define CMWQ_ATTRS_H

#include <cmwq/cpumask.h>
#include <cmwq/workqueue.h>

void attrs_copy(struct workqueue_attrs *to, const struct workqueue_attrs *from);

/* What makes them impossible to apply, or NULL. */
const char *attrs_defect(const struct workqueue_attrs *attrs);

/* The scope that WQ_AFFN_DFL stands for now; others are themselves. */
enum wq_affn_scope attrs_scope(enum wq_affn_scope scope);

#endif
