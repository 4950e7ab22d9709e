/* SPDX-License-Identifier: MIT */
/*
 * quota - how many CPUs' worth of time the cgroups above the process grant it.
 *
 * The tightest of cpu.max (cgroup v2) and cpu.cfs_quota_us over cpu.cfs_period_us
 * (v1) of the process's cgroup and of all its ancestors that can be seen: those up
 * to the root of the cgroup namespace, or of what is mounted of the hierarchy.
 *
 * quota_look() is called by one thread at a time. No file stays open.
 */
#ifndef CMWQ_QUOTA_H
#define CMWQ_QUOTA_H

#include <limits.h>

#define QUOTA_NONE INT_MAX

/* As last seen, in CPUs, rounded up, at least 1; QUOTA_NONE if there is none. */
int quota_cpus(void);

/* Read it anew. Two files and one or two more for each ancestor. */
void quota_look(void);

void quota_reset(void); /* in a forked child */

#endif
