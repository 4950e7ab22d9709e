/* SPDX-License-Identifier: MIT */
/*
 * hotplug - CPUs that come and go.
 *
 * The process may use the CPUs that the system grants it (os_cpus.h: its cpuset, its
 * affinity, what is online), but for those that workqueue_offline_cpu() took away. If
 * that leaves none it uses all that are granted, since somebody must run.
 *
 * When a CPU is lost its pools go on as unbound ones: their workers run on whatever
 * CPU the process has, and are paced as an unbound pool's are. Its sentinel ends.
 * When it returns the workers are bound to it again and the pool is managed as before:
 * those beyond one stop after the item that they run. Items stay where they
 * are, so none is lost, run twice, or overtaken. Unbound pools count their CPUs anew,
 * and a workqueue whose pod has lost all of its CPUs gets pools that have some.
 *
 * All of that is done under the registry lock, by whoever calls
 * workqueue_offline_cpu() or workqueue_online_cpu(), or by a thread made for the
 * purpose when the timer thread sees that what is granted is not what is used. Not
 * by the timer thread itself: whoever holds the registry lock may be stopped, or wait
 * for a stopped thread (apply.h), and timers and ticks must go on meanwhile. The
 * timer thread compares at every look, so a change that comes while another is being
 * followed, or a thread that cannot be made, or a fork in between, is made good
 * by the next.
 *
 * All threads of the process may be moved away and back between two looks, or to the
 * CPUs that it has anyway ("taskset -a"): then its CPUs are what they were, and
 * no worker is bound any more. So each look asks where one bound worker may run. If
 * that is not its CPU, all are put back; once a second at most, should the system
 * not mean what it says.
 *
 * Locks: the registry lock, then one pool->lock at a time.
 */
#ifndef CMWQ_HOTPLUG_H
#define CMWQ_HOTPLUG_H

/* For tick_cpus and tick_topology, on the timer thread: have the CPUs, or the
 * topology, followed if need be. */
void hotplug_look(void);
void hotplug_topology(void);

void hotplug_reset(void); /* in a forked child */

#endif
