/* SPDX-License-Identifier: MIT */
/*
 * registry - the list of all workqueues, and the lock over everything that they
 * share: the records of pwqs, the pools of attributes, the freezer, the CPUs that
 * unbound workqueues may use.
 *
 * It is the outermost lock; memory is allocated under it, and fork takes it, so
 * that a child never sees half of a change. Nothing that queues or runs an
 * item does.
 */
#ifndef CMWQ_REGISTRY_H
#define CMWQ_REGISTRY_H

#include "lock.h"
#include "wq_struct.h"

extern struct lock registry_lock;
extern struct list registry; /* registry lock */

#define for_each_wq(wq) list_for_each_entry (wq, &registry, all)

#endif
