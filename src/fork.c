/* SPDX-License-Identifier: MIT */
/*
 * fork - a forked child starts with the same workqueues, empty.
 *
 * The child finds out at its first call: the page with the generation is wiped
 * by the kernel in every kind of fork that copies memory. Then everything that
 * threads of the parent may have left half done is made anew; what is spread
 * over the program's memory (items, timers) is made idle by the new generation.
 *
 * The registry lock is held across fork() so that the list of workqueues is
 * whole in the child, and the lock of the topology. _Fork() and raw clone() run no
 * handlers: a child of those that is forked while another thread allocates or
 * destroys a workqueue may miss that one workqueue, or find malloc locked, as
 * with any library.
 */
#include "fork.h"

#include <pthread.h>

#include "cm.h"
#include "grace.h"
#include "hog.h"
#include "hotplug.h"
#include "life.h"
#include "lock.h"
#include "log.h"
#include "order.h"
#include "param.h"
#include "pool.h"
#include "rcu.h"
#include "rescuer.h"
#include "tick.h"
#include "timer.h"
#include "topo.h"
#include "watchdog.h"
#include "worker.h"
#include "wq.h"

static bool page_is_wiped;

/* liburcu's hook waits for readers, who may want any lock: it is first. */
static void prepare(void)
{
	rcu_fork_prepare();
	topo_fork_prepare();
	wq_fork_prepare();
}

static void done(void)
{
	wq_fork_done();
	topo_fork_done();
}

static void in_parent(void)
{
	done();
	rcu_fork_parent();
}

/*
 * A handler that ran before this one may have used the library, which has begun
 * anew then. Where the kernel does not wipe the page it is done here.
 */
static void in_child(void)
{
	rcu_fork_child();
	if (page_is_wiped) {
		if (!os_generation())
			done();
		return;
	}
	done();
	atomic_store(&os_generation_word[0], 0);
	atomic_store(&os_generation_word[1], 0);
}

void fork_init(bool wiped)
{
	page_is_wiped = wiped;
	pthread_atfork(prepare, in_parent, in_child);
}

void fork_reset_child(void)
{
	struct pool *pool;

	lock_rank_forget();
	log_reset();
	order_reset();
	rcu_fork_child();
	param_publish();
	topo_reset();
	timer_reset();
	tick_reset();
	hog_reset();
	watchdog_reset();
	cm_reset();
	worker_reset_all();
	grace_reset();
	for_each_pool (pool)
		pool_reset(pool);
	hotplug_reset();
	rescuer_reset_all();
	wq_reset_all();
	atomic_store(&life_online, false);
}
