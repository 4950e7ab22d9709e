/* SPDX-License-Identifier: MIT */
/* cpumask - sets of CPUs: what <cmwq/cpumask.h> has no inline functions for. */
#ifndef CMWQ_CPUMASK_ROOM_H
#define CMWQ_CPUMASK_ROOM_H

#include <cmwq/cpumask.h>

/* cpu_online_mask itself, for whoever follows the CPUs of the process. */
extern struct cpumask *cpumask_online;

/* Once, when the os room knows the CPUs. 0 or -ENOMEM. */
int cpumask_init(void);

/* A new, empty mask, or NULL. */
struct cpumask *cpumask_new(void);

#endif
