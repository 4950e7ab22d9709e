/* SPDX-License-Identifier: MIT */
/*
 * init - the three stages of the start.
 *
 * early: structures, parameters, system workqueues; from a constructor, or
 * from the first call if another constructor is first. Then the timer thread,
 * at the first call that may queue: from there on every pool gets its workers
 * with its first item. workqueue_init() makes them at once.
 *
 * The stages are done once per process; the lock is a word of the page that
 * fork wipes, so a child can never find it taken by a thread of the parent.
 */
#include <stdlib.h>
#include <string.h>
#include <cmwq/cmwq.h>

#include "apply.h"
#include "bh.h"
#include "cm.h"
#include "cpumask.h"
#include "exec.h"
#include "fork.h"
#include "hotplug.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "manager.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "tick.h"
#include "timer.h"
#include "topo.h"
#include "verify.h"
#include "unbound.h"
#include "watchdog.h"
#include "work.h"
#include "wq.h"

static bool early_done;		 /* start lock */
static uint32_t last_generation; /* start lock */

static _Atomic uint32_t *start_lock(void)
{
	_Atomic uint32_t *word = &os_generation_word[1];

	while (atomic_exchange(word, 1))
		os_sleep_ns(50 * NSEC_PER_USEC);
	return word;
}

static void next_generation(void)
{
	last_generation = (last_generation + 1) & WORD_GEN_MASK;
	if (!last_generation)
		last_generation = 1;
	atomic_store(&os_generation_word[0], last_generation);
}

static void early(void)
{
	bool wiped;

	if (early_done)
		return;
	wiped = os_generation_init();
	if (!wiped)
		log_warn_once("the kernel does not wipe memory on fork; _Fork "
			      "and clone are not noticed");
	os_scheduling_init();
	os_topology_init();
	param_parse(getenv("CMWQ_PARAMS"));
	param_parse_debug(getenv("CMWQ_DEBUG"));
	topo_pretend(getenv("CMWQ_TOPOLOGY"));
	topo_open();
	manager_thread = exec_thread;
	pwq_kick = cm_kick;
	pwq_verify_inbox = verify_inbox;
	pwq_verify_list = verify_list;
	tick_topology = hotplug_topology;
	tick_cpus = hotplug_look;
	tick_watchdog = watchdog_tick;
	param_changed = apply_params;
	next_generation();
	if (cpumask_init() || topo_init() || pools_init() || unbound_init() ||
	    cm_init() || wq_init_system()) {
		log_err("out of memory at the start");
		abort();
	}
	fork_init(wiped);
	early_done = true;
}

/* A forked child has structures, but no generation. */
static void notice_fork(void)
{
	if (!early_done || os_generation())
		return;
	fork_reset_child();
	next_generation();
}

static void go_online(void)
{
	int err;

	if (atomic_load(&life_online))
		return;
	err = timer_start(tick_hook);
	if (err) {
		log_warn_once("cannot create the timer thread (%s); the next "
			      "call tries again",
			      strerror(err));
		return;
	}
	atomic_store_explicit(&life_online, true, memory_order_release);
}

static void start(void)
{
	_Atomic uint32_t *held;

	workqueue_init_early();
	held = start_lock();
	go_online();
	atomic_store(held, 0);
}

/* The word of the lock moves when the page is made, in early(): before that
 * there is one thread, in constructors. */
void workqueue_init_early(void)
{
	_Atomic uint32_t *held = start_lock();

	early();
	notice_fork();
	atomic_store(held, 0);
}

static void __attribute__((constructor(101))) on_load(void)
{
	life_start = start;
	life_start_early = workqueue_init_early;
	workqueue_init_early();
}

void workqueue_init(void)
{
	struct pool *pool;

	life_check();
	for_each_pool (pool) {
		if (pool->bh ||
		    (!pool_bound(pool) && !atomic_load(&pool->users)))
			continue;
		pool_lock(pool);
		if (!atomic_load(&pool->nr_threads))
			manager_keep_reserve(pool);
		pool_unlock(pool);
	}
	bh_create_all();
}

void workqueue_init_topology(void)
{
	life_check();
	apply_topology();
}
