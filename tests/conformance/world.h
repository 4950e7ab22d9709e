/* SPDX-License-Identifier: MIT */
/*
 * world.h - what a case has in both worlds: a process with cmwq, and a module in
 * a Linux kernel. Names are the kernel's where it has one. Nothing but the two
 * headers and sources world_user and world_kernel differs between the worlds.
 *
 * Both give: completions, atomic_t, ktime_get_ns(), usleep_range(), kzalloc()
 * and kfree(), cpumasks, RCU read sections, printing into buffers, the workqueue
 * interface, and what is declared here.
 */
#ifndef CONF_WORLD_H
#define CONF_WORLD_H

#ifdef __KERNEL__
#include "world_kernel.h"
#else
#include "world_user.h"
#endif

/* The result that is right in this world, where a decision makes two. */
#ifdef __KERNEL__
#define WORLD(kernel, cmwq) (kernel)
#else
#define WORLD(kernel, cmwq) (cmwq)
#endif

/* --- threads --- */

struct thread {
	long (*fn)(void *arg);
	void *arg;
	long result;
	struct completion begun;
	struct completion done;
	struct world_thread os;
};

/* On CPU @cpu (0 or 1, see world_cpu()); -1: on any. */
void thread_start(struct thread *t, int cpu, long (*fn)(void *arg), void *arg);
long thread_join(struct thread *t); /* its result */
bool thread_done(struct thread *t);

/*
 * Wait until the thread sleeps, and goes on sleeping in the same place for some
 * time (thread_blocked(): ten milliseconds), or is done. Returns whether it sleeps.
 */
bool thread_blocked_for(struct thread *t, unsigned int us);
static inline bool thread_blocked(struct thread *t)
{
	return thread_blocked_for(t, 10000);
}

/* --- processors --- */

/* The number of the first or second CPU that can be used. */
int world_cpu(int nth);
int world_nr_cpus(void);
/* The opposite: 0 or 1, where the caller runs. */
int world_here(void);
/* Take the second CPU away from workqueues, and give it back; 0 or an error. In the
 * kernel it leaves the system. */
int world_offline(void);
int world_online(void);
/* What wq_worker_comm() says of the caller. */
void world_worker_comm(char *buf, size_t size);
/* The caller's nice value. */
int world_nice(void);

/* Whether a parameter of cmwq is on; true in the kernel, and for NULL. */
bool world_has(const char *param);

/* From now on no item is taken for a CPU hog, however slow the machine is. */
void world_no_hogs(void);

/* Spin without sleeping until *@flag is not 0, for twenty seconds at most. */
bool spin_until(atomic_t *flag);

/* --- messages --- */

/*
 * Whether a warning about a workqueue was printed since the last call. Waits
 * for one: up to ten seconds, as cmwq prints some of them from another thread.
 */
bool warned(void);
/* The same without waiting. */
bool warned_already(void);

#endif
