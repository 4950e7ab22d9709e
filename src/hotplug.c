/* SPDX-License-Identifier: MIT */
/* hotplug - CPUs that come and go. See hotplug.h. */
#include "hotplug.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <cmwq/workqueue.h>

#include "apply.h"
#include "cap.h"
#include "cm.h"
#include "cpumask.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "manager.h"
#include "os.h"
#include "pwq.h"
#include "registry.h"
#include "rescuer.h"
#include "sentinel.h"
#include "worker.h"

#define STACK	 (256 * 1024)
#define STRAY_NS (1000 * NSEC_PER_MSEC)
#define MAX_ASK	 64

/* A: a bit for each that was taken away; under the registry lock. */
static _Atomic unsigned long offline[CMWQ_NR_CPUS / (8 * sizeof(long))];
static _Atomic bool topology_wanted; /* A: by the timer thread, until done */
static _Atomic bool stray; /* A: by the timer thread: workers are not where they
				were put; until done */
static uint64_t next_stray; /* timer thread: when to believe it again */
static int witness;	    /* timer thread: the pool whose worker is asked */
static _Atomic bool follower_runs; /* A: there is, or was not, a thread */

static void set_offline(int cpu, bool off)
{
	unsigned long bit = 1UL << (cpu % LONG_BITS);

	if (off)
		atomic_fetch_or(&offline[cpu / LONG_BITS], bit);
	else
		atomic_fetch_and(&offline[cpu / LONG_BITS], ~bit);
}

/* What is to be used. False: all of it was taken away, and is used all the same. */
static bool find_cpus(struct cpumask *cpus)
{
	unsigned long any = 0;

	os_granted_cpus(cpus);
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		any |= cpus->bits[i] & ~atomic_load(&offline[i]);
	for (unsigned int i = 0; any && i < cmwq_cpumask_words(); i++)
		cpus->bits[i] &= ~atomic_load(&offline[i]);
	return any;
}

static bool is_used(const struct cpumask *cpus)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cpus->bits[i] !=
		    __atomic_load_n(&cpumask_online->bits[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

/* Move those on the pool's lists, in whatever they are; others see that moves has
 * changed before they run anything. Returns whether all could be moved. */
static bool move_workers(struct pool *pool) REQUIRES(pool->lock)
{
	const _Atomic unsigned long *cpus = worker_cpus(pool);
	int cpu = worker_cpu(pool);
	struct worker *w;
	bool ok = true;

	pool->moves++;
	list_for_each_entry (w, &pool->busy, entry)
		ok &= !os_thread_move(w->tid, cpu, cpus);
	list_for_each_entry (w, &pool->idle, entry)
		ok &= !os_thread_move(w->tid, cpu, cpus);
	return ok;
}

/* Its thread follows by itself when it wakes, and after each slice. The worker's record does not tell which
 * thread that is: it may be one of the program's. */
static void wake_bh(struct pool *pool)
{
	if (atomic_load(&bh_cpus[pool->cpu].state) != BH_ABSENT)
		cm_wake_bh(pool, false);
}

/*
 * The CPUs that may be used have changed. Workers of CPUs that have not are moved,
 * too: somebody may have moved all threads of the process. A pool that is not bound
 * any more may start items that waited for others.
 */
static void settle_pool(struct pool *pool)
{
	bool bound = pool->cpu >= 0 && os_cpu_allowed(pool->cpu);
	bool moved;

	if (pool->bh) {
		wake_bh(pool);
		return;
	}
	pool_lock(pool);
	atomic_store(&pool->bound, bound);
	moved = move_workers(pool);
	atomic_store(&pool->pinned, bound && moved);
	cap_recount(pool);
	if (!list_empty(&pool->worklist))
		cm_watch(pool, true);
	pool_unlock(pool);
}

/* @all: put everybody back, though the CPUs may be the same. */
static void follow_cpus(bool all) REQUIRES(registry_lock)
{
	struct cpumask cpus;
	struct pool *pool;

	if (!find_cpus(&cpus))
		log_warn("all CPUs that the process may use are offline by "
			 "workqueue_offline_cpu(); they are used all the same");
	if (!all && is_used(&cpus))
		return;
	os_allow_cpus(&cpus);
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		__atomic_store_n(&cpumask_online->bits[i], cpus.bits[i],
				 __ATOMIC_RELAXED);
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++)
		if (all || !os_cpu_allowed(cpu))
			sentinel_leave(cpu);
	for_each_pool (pool)
		settle_pool(pool);
	if (apply_again())
		log_warn("no memory to follow a change of CPUs; unbound "
			 "workqueues keep their pools");
}

/* --- noticing --- */

static bool anything_to_do(void)
{
	struct cpumask cpus;

	if (atomic_load(&topology_wanted) || atomic_load(&stray))
		return true;
	find_cpus(&cpus);
	return !is_used(&cpus);
}

static void follow(void)
{
	if (atomic_load(&topology_wanted)) {
		apply_topology();
		atomic_store(&topology_wanted, false);
	}
	lock(&registry_lock);
	follow_cpus(atomic_exchange(&stray, false));
	unlock(&registry_lock);
}

/* Whoever finds something to do after follower_runs was cleared is seen by it, or
 * sees that it was cleared. */
static void *follower_thread(void *arg)
{
	const struct os_thread_attr attr = { .name = "cmwq/cpus", .cpu = -1 };

	(void)arg;
	os_thread_setup(&attr);
	do {
		follow();
		atomic_store(&follower_runs, false);
	} while (anything_to_do() && !atomic_exchange(&follower_runs, true));
	return NULL;
}

/* If there can be no thread now the next tick tries again. */
static void look(void)
{
	if (!anything_to_do() || atomic_exchange(&follower_runs, true))
		return;
	rescuer_timer_away();
	if (os_thread_create(follower_thread, NULL, STACK))
		atomic_store(&follower_runs, false);
}

/* Is the worker that ran last in a bound pool where it was put? -1 if there is none. The
 * first pool that has one is asked again the next time. */
static int is_home(void)
{
	int n = os_nr_cpus() * POOLS_PER_CPU;

	for (int i = 0; i < n && i < MAX_ASK; i++) {
		struct pool *pool = cpu_pools[witness];
		int tid = atomic_load(&pool->runner);
		int bound = -1;

		if (tid && !pool->bh && atomic_load(&pool->pinned))
			bound = os_thread_is_bound(tid, pool->cpu);
		if (bound >= 0)
			return bound;
		witness = (witness + 1) % n;
	}
	return -1;
}

void hotplug_look(void)
{
	uint64_t now = os_now();
	int home = is_home();

	os_look_at_cpus();
	if (home > 0)
		next_stray = 0;
	if (!home && now >= next_stray) {
		next_stray = now + STRAY_NS;
		atomic_store(&stray, true);
	}
	look();
}

void hotplug_topology(void)
{
	atomic_store(&topology_wanted, true);
	look();
}

/* What was taken away stays so. The follower may have been half way through. */
void hotplug_reset(void)
{
	struct pool *pool;

	atomic_store(&follower_runs, false);
	next_stray = 0;
	for_each_pool (pool)
		settle_pool(pool);
}

/* --- calls --- */

static bool cpu_ok(const char *call, unsigned int cpu)
{
	if (cpu < nr_cpu_ids)
		return true;
	log_err("%s: there is no CPU %u", call, cpu);
	return false;
}

/* Is there another one than @cpu that may be used? */
static bool is_last(int cpu)
{
	return os_cpu_allowed(cpu) && os_nr_allowed() == 1;
}

int workqueue_offline_cpu(unsigned int cpu)
{
	int err = 0;

	life_check();
	if (!cpu_ok("workqueue_offline_cpu", cpu))
		return -EINVAL;
	lock(&registry_lock);
	if (is_last((int)cpu)) {
		log_err("workqueue_offline_cpu: CPU %u is the last one that "
			"may be used; it stays",
			cpu);
		err = -EBUSY;
	} else {
		set_offline((int)cpu, true);
		follow_cpus(false);
	}
	unlock(&registry_lock);
	return err;
}

int workqueue_online_cpu(unsigned int cpu)
{
	life_check();
	if (!cpu_ok("workqueue_online_cpu", cpu))
		return -EINVAL;
	lock(&registry_lock);
	set_offline((int)cpu, false);
	follow_cpus(false);
	unlock(&registry_lock);
	return 0;
}

static bool has_worker(struct pool *pool)
{
	pool_lock(pool);
	if (!atomic_load(&pool->nr_threads))
		manager_keep_reserve(pool);
	pool_unlock(pool);
	return atomic_load(&pool->nr_threads);
}

int workqueue_prepare_cpu(unsigned int cpu)
{
	struct pool *pool;
	int err = 0;

	life_check();
	if (!cpu_ok("workqueue_prepare_cpu", cpu))
		return -EINVAL;
	for_each_pool (pool)
		if (pool->cpu == (int)cpu && !pool->bh && !has_worker(pool))
			err = -ENOMEM;
	return err;
}
