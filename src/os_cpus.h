/* SPDX-License-Identifier: MIT */
/*
 * os_cpus - which CPUs there are, which the process may use, who runs where.
 *
 * The possible CPUs are 0..os_nr_cpus()-1 and never change. The allowed ones do:
 * they are what the system grants the process, less what it was told to leave
 * (hotplug.c), which decides and says so by os_allow_cpus(). Anybody may ask at any
 * time, signal handlers included, and must live with an answer that is a moment
 * old.
 *
 * What the system grants a process is not recorded anywhere: CPUs belong to
 * threads. One thread of ours stands for the process, see os_watch_cpus().
 */
#ifndef CMWQ_OS_CPUS_H
#define CMWQ_OS_CPUS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <cmwq/cpumask.h>

void os_topology_init(void);
int os_nr_cpus(void);	   /* possible CPUs */
int os_cpus_ignored(void); /* CPUs that are not possible ones: >= NR_CPUS */
/*
 * For tests: from now on there are @nr CPUs, all allowed. Threads for them are
 * bound to the real ones in turn and believe that they run on their own.
 */
void os_pretend_cpus(int nr);

bool os_cpu_allowed(int cpu);
int os_nr_allowed(void);
/* At least one of them. One caller at a time. */
void os_allow_cpus(const struct cpumask *cpus);

/*
 * In the thread that stands for the process, once: from now on its CPUs change
 * when the process's do. Not to be created by a thread of the program that may be
 * bound to some CPUs for reasons of its own and then inherit them.
 */
void os_watch_cpus(void);
/* In the same thread: look at them. A system call. */
void os_look_at_cpus(void);
/* In the same thread: is thread @tid bound to @cpu alone? -1: there is no such thread,
 * or it cannot be told. */
int os_thread_is_bound(int tid, int cpu);
/* What was last seen. */
void os_granted_cpus(struct cpumask *cpus);

/*
 * Thread @tid (0: the calling one) may run on @cpu, or if that is -1 on those of
 * @cpus (os_nr_cpus() bits, NULL: all) that are allowed, or if there are none on
 * all that are. 0 or an errno value: EINVAL if the system does not grant it any of
 * them. Keeps errno.
 */
int os_thread_move(int tid, int cpu, const _Atomic unsigned long *cpus);

int os_cpu_slow(void);
extern int os_cpu_limit; /* possible CPUs */

#endif
