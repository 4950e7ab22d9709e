/* SPDX-License-Identifier: MIT */
/*
 * wq - making, draining and destroying workqueues; what one can ask of them.
 *
 * All workqueues are on one list under the registry lock, for fork. A destroyed
 * one stays in memory until 64 more are destroyed, so that a use after destroy
 * is told apart and reported instead of corrupting somebody else's memory.
 */
#include "wq.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/cmwq.h>

#include "apply.h"
#include "attrs.h"
#include "bh.h"
#include "cm.h"
#include "depend.h"
#include "flush.h"
#include "lease.h"
#include "life.h"
#include "limit.h"
#include "log.h"
#include "order.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "queue.h"
#include "registry.h"
#include "rescuer.h"
#include "sysfs.h"
#include "topo.h"
#include "worker.h"
#include "wq_struct.h"

#define QUARANTINE 64
#define WQ_FLAGS                                                           \
	(WQ_BH | WQ_UNBOUND | WQ_FREEZABLE | WQ_MEM_RECLAIM | WQ_HIGHPRI | \
	 WQ_CPU_INTENSIVE | WQ_SYSFS | WQ_POWER_EFFICIENT | WQ_PERCPU |    \
	 __WQ_ORDERED | __WQ_LEGACY)

struct workqueue_struct *system_wq;
struct workqueue_struct *system_percpu_wq;
struct workqueue_struct *system_highpri_wq;
struct workqueue_struct *system_long_wq;
struct workqueue_struct *system_unbound_wq;
struct workqueue_struct *system_dfl_wq;
struct workqueue_struct *system_freezable_wq;
struct workqueue_struct *system_power_efficient_wq;
struct workqueue_struct *system_freezable_power_efficient_wq;
struct workqueue_struct *system_dfl_long_wq;
struct workqueue_struct *system_bh_wq;
struct workqueue_struct *system_bh_highpri_wq;

static struct workqueue_struct *quarantine[QUARANTINE]; /* registry lock */
static unsigned int nr_destroyed;			/* registry lock */
static _Atomic uint64_t next_id = 1;

/* BH items run on a CPU and cannot be held back. */
static bool bh_ok(const char *name, unsigned int flags, int max_active)
{
	unsigned int excess =
		flags & ~(unsigned int)(WQ_BH | WQ_HIGHPRI | WQ_PERCPU);

	if (!(flags & WQ_BH))
		return true;
	if (excess)
		log_err("workqueue %s: WQ_BH does not go with the flags %#x, "
			"not allocated",
			name, excess);
	else if (max_active)
		log_err("workqueue %s: WQ_BH has no max_active, and %d was "
			"given; not allocated",
			name, max_active);
	return !excess && !max_active;
}

/* Ordered is one line for all CPUs: a per-CPU queue cannot be it. */
static bool ordered_ok(const char *name, unsigned int flags)
{
	if (!(flags & __WQ_ORDERED) || flags & WQ_UNBOUND)
		return true;
	log_err("workqueue %s: __WQ_ORDERED needs WQ_UNBOUND, not allocated",
		name);
	return false;
}

static int initial_max_active(const char *name, unsigned int flags,
			      int max_active)
{
	if (flags & WQ_BH)
		return INT_MAX;
	if (flags & __WQ_ORDERED)
		return 1;
	return max_active ? limit_clamp(name, max_active) : WQ_DFL_ACTIVE;
}

static unsigned int check_flags(const char *name, unsigned int flags)
{
	if (flags & WQ_BH)
		return flags | WQ_PERCPU;
	if ((flags & WQ_POWER_EFFICIENT) && param_get(power_efficient))
		flags = (flags & ~(unsigned int)WQ_PERCPU) | WQ_UNBOUND;
	if ((flags & WQ_PERCPU) && (flags & WQ_UNBOUND)) {
		log_warn_once("workqueue %s: both WQ_PERCPU and WQ_UNBOUND; "
			      "it is unbound",
			      name);
		flags &= ~(unsigned int)WQ_PERCPU;
	}
	if (!(flags & (WQ_PERCPU | WQ_UNBOUND))) {
		log_warn_once("workqueue %s: neither WQ_PERCPU nor WQ_UNBOUND; "
			      "it is per-CPU",
			      name);
		flags |= WQ_PERCPU;
	}
	return flags;
}

static bool alloc_pwqs(struct workqueue_struct *wq) REQUIRES(registry_lock)
{
	bool hi = wq->flags & WQ_HIGHPRI;
	bool bh = wq->flags & WQ_BH;
	struct pwq *pwq;
	int cpu = 0;

	if (!pwqs_alloc(&wq->pwqs, os_nr_cpus()))
		return false;
	for_each_pwq (pwq, wq) {
		pwq_init(pwq, wq, bh ? pool_bh(cpu, hi) : pool_of_cpu(cpu, hi),
			 limit_alone(wq));
		atomic_store(&wq->pwq_of[cpu++], pwq);
	}
	return true;
}

static bool alloc_unbound(struct workqueue_struct *wq) REQUIRES(registry_lock)
{
	struct workqueue_attrs *attrs = apply_default_attrs(wq->flags);
	bool ok;

	list_init(&wq->pwqs);
	ok = attrs && !apply_attrs(wq, attrs);
	free_workqueue_attrs(attrs);
	return ok;
}

static void free_wq(struct workqueue_struct *wq)
{
	if (!wq)
		return;
	free(wq->nodes);
	free(wq->pwq_of);
	free(wq);
}

/* Its pools, and what else needs the registry. 0 or a negative errno value. */
static int enter_registry(struct workqueue_struct *wq) REQUIRES(registry_lock)
{
	int err = wq->flags & WQ_SYSFS ? sysfs_add(wq) : 0;

	wq->frozen = limit_freezing() && (wq->flags & WQ_FREEZABLE);
	if (!err &&
	    !(wq->flags & WQ_UNBOUND ? alloc_unbound(wq) : alloc_pwqs(wq)))
		err = -ENOMEM;
	if (err)
		return err;
	if (param_get(debug_force_rr_cpu))
		wq->flags |= WQ_ROUND_ROBIN;
	atomic_store(&wq->magic, WQ_MAGIC);
	list_add_tail(&wq->all, &registry);
	return 0;
}

/* All of it that has no place in any pool. */
static struct workqueue_struct *make_struct(const char *name,
					    unsigned int flags, int max_active)
{
	struct workqueue_struct *wq = calloc(1, sizeof(*wq));

	if (wq)
		wq->pwq_of = calloc((size_t)os_nr_cpus(), sizeof(*wq->pwq_of));
	if (!wq || !wq->pwq_of) {
		log_err("workqueue %s: out of memory, not allocated", name);
		free_wq(wq);
		return NULL;
	}
	snprintf(wq->name, sizeof(wq->name), "%s", name);
	wq->id = atomic_fetch_add(&next_id, 1);
	lock_init(&wq->lock, RANK_WQ);
	wq->flags = flags;
	wq->max_active = initial_max_active(name, flags, max_active);
	wq->min_active = wq->max_active < WQ_DFL_MIN_ACTIVE ? wq->max_active
							    : WQ_DFL_MIN_ACTIVE;
	if (flags & WQ_MEM_RECLAIM)
		wq->rescuer = rescuer_new(wq);
	if (flags & WQ_MEM_RECLAIM && !wq->rescuer) {
		free_wq(wq);
		return NULL;
	}
	return wq;
}

static struct workqueue_struct *make(const char *name,
				     const struct wq_request *req)
{
	unsigned int flags = req->flags;
	struct workqueue_struct *wq;
	int err;

	if (flags & ~(unsigned int)WQ_FLAGS) {
		log_err("workqueue %s: unknown flags %#x, not allocated", name,
			flags & ~(unsigned int)WQ_FLAGS);
		return NULL;
	}
	if (!bh_ok(name, flags, req->max_active) || !ordered_ok(name, flags))
		return NULL;
	wq = make_struct(name, check_flags(name, flags), req->max_active);
	if (!wq)
		return NULL;
	wq->owner = req->owner;
	wq->lockdep_map = req->lockdep_map;
	lock(&registry_lock);
	err = enter_registry(wq);
	unlock(&registry_lock);
	if (!err)
		return wq;
	if (err == -ENOMEM)
		log_err("workqueue %s: out of memory, not allocated", name);
	rescuer_end(wq->rescuer);
	free_wq(wq);
	return NULL;
}

struct workqueue_struct *wq_alloc(const struct wq_request *req, const char *fmt,
				  va_list ap)
{
	char name[WQ_NAME_LEN];

	life_check_early();
	if (!fmt) {
		log_err("alloc_workqueue: NULL name, called from %p",
			req->caller);
		return NULL;
	}
	if (vsnprintf(name, sizeof(name), fmt, ap) >= (int)sizeof(name))
		log_warn("workqueue name cut to '%s', 31 characters at most",
			 name);
	return make(name, req);
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags,
					 int max_active, ...)
{
	const struct wq_request req = {
		.flags = flags,
		.max_active = max_active,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, max_active);
	wq = wq_alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

struct workqueue_struct *
alloc_workqueue_lockdep_map(const char *fmt, unsigned int flags, int max_active,
			    struct lockdep_map *lockdep_map, ...)
{
	const struct wq_request req = {
		.flags = flags,
		.max_active = max_active,
		.lockdep_map = lockdep_map,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, lockdep_map);
	wq = wq_alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

struct workqueue_struct *
alloc_ordered_workqueue_lockdep_map(const char *fmt, unsigned int flags,
				    struct lockdep_map *lockdep_map, ...)
{
	const struct wq_request req = {
		.flags = WQ_UNBOUND | __WQ_ORDERED | flags,
		.max_active = 1,
		.lockdep_map = lockdep_map,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, lockdep_map);
	wq = wq_alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

struct workqueue_struct *alloc_ordered_workqueue(const char *fmt,
						 unsigned int flags, ...)
{
	const struct wq_request req = {
		.flags = WQ_UNBOUND | __WQ_ORDERED | flags,
		.max_active = 1,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, flags);
	wq = wq_alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

static int in_flight(struct workqueue_struct *wq, unsigned long long *completed)
{
	struct pwq *pwq;
	int n = 0;

	*completed = 0;
	lock(&wq->lock);
	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		pool_lock(pool);
		n += pwq_in_flight(pwq);
		*completed += pwq->completed;
		pool_unlock(pool);
	}
	unlock(&wq->lock);
	return n;
}

/*
 * Pools are looked at one after the other: an item may queue another in one that has
 * been looked at, and end in one that has not. So twice: what was in flight between
 * the two looks still is at the second, or has been completed since the first. (Or it
 * was taken back without having run, and so has queued nothing.)
 */
static bool is_empty(struct workqueue_struct *wq)
{
	unsigned long long before, now;

	return !in_flight(wq, &before) && !in_flight(wq, &now) && now == before;
}

static void drain(struct workqueue_struct *wq)
{
	unsigned int tries = 0;

	lock(&wq->lock);
	if (!wq->nr_drainers++)
		atomic_fetch_or(&wq->flags, __WQ_DRAINING);
	unlock(&wq->lock);
	do {
		flush_all(wq);
		if (++tries == 10 || tries == 100 || tries == 1000)
			log_warn("workqueue %s: still not empty after %u "
				 "flushes of a drain",
				 wq->name, tries);
	} while (!is_empty(wq));
	lock(&wq->lock);
	if (!--wq->nr_drainers)
		atomic_fetch_and(&wq->flags, ~(unsigned int)__WQ_DRAINING);
	unlock(&wq->lock);
}

void drain_workqueue(struct workqueue_struct *wq)
{
	void *caller = __builtin_return_address(0);

	life_check_early();
	if (queue_wq_ok(wq, caller) && depend_on_queue(wq, "drained", caller))
		drain(wq);
}

/* A child that is forked meanwhile is to find it or nothing. */
static void end_rescuer(struct workqueue_struct *wq)
{
	struct rescuer *rescuer;

	lock(&registry_lock);
	rescuer = wq->rescuer;
	wq->rescuer = NULL;
	unlock(&registry_lock);
	rescuer_end(rescuer);
}

static void destroy(struct workqueue_struct *wq)
{
	struct workqueue_struct *old;

	atomic_fetch_or(&wq->flags, __WQ_DESTROYING);
	drain(wq);
	if (!is_empty(wq)) {
		log_err("workqueue %s: busy after it was drained; leaked",
			wq->name);
		return;
	}
	end_rescuer(wq);
	order_forget(wq);
	lock(&registry_lock);
	atomic_store(&wq->magic, WQ_DEAD_MAGIC);
	list_del(&wq->all);
	if (wq->flags & WQ_UNBOUND)
		apply_end(wq);
	pwqs_free(&wq->pwqs);
	old = quarantine[nr_destroyed % QUARANTINE];
	quarantine[nr_destroyed++ % QUARANTINE] = wq;
	unlock(&registry_lock);
	if (old)
		free_wq(old);
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	void *caller = __builtin_return_address(0);

	life_check_early();
	if (queue_wq_ok(wq, caller) && depend_on_queue(wq, "destroyed", caller))
		destroy(wq);
}

/* This CPU if it is on the node, or else another one of it. */
static int cpu_of_node(int node)
{
	int cpu = os_cpu();

	if (topo_node_of_cpu(cpu) == node)
		return cpu;
	for (cpu = 0; cpu < os_nr_cpus(); cpu++)
		if (topo_node_of_cpu(cpu) == node && os_cpu_allowed(cpu))
			return cpu;
	return WORK_CPU_UNBOUND;
}

bool queue_work_node(int node, struct workqueue_struct *wq,
		     struct work_struct *work)
{
	void *caller = __builtin_return_address(0);

	life_check();
	if (!queue_wq_ok(wq, caller))
		return false;
	if (!(wq->flags & WQ_UNBOUND))
		queue_refuse(
			"workqueue %s is per-CPU: queue_work_node() queues on "
			"whatever CPU, called at %p",
			wq->name, caller);
	return queue_item(cpu_of_node(node), wq, work, caller);
}

bool workqueue_congested(int cpu, struct workqueue_struct *wq)
{
	struct pwq *pwq;
	struct pool *pool;
	bool congested;

	life_check_early();
	if (!queue_wq_ok(wq, __builtin_return_address(0)))
		return false;
	if (cpu == WORK_CPU_UNBOUND)
		cpu = os_cpu();
	if (cpu < 0 || cpu >= os_nr_cpus()) {
		log_warn("workqueue_congested: no CPU %d, workqueue %s", cpu,
			 wq->name);
		return false;
	}
	pwq = wq_pwq(wq, cpu);
	pool = pwq_pool(pwq);
	pool_lock(pool);
	congested = !list_empty(&pwq->inactive);
	pool_unlock(pool);
	return congested;
}

unsigned int work_busy(struct work_struct *work)
{
	unsigned int busy = 0;
	struct worker *w;
	unsigned long word;
	struct pool *pool;

	life_check_early();
	if (!queue_work_ok(work, __builtin_return_address(0)))
		return 0;
	if (work_pending(work))
		busy |= WORK_BUSY_PENDING;
	word = work_load(work);
	if (word_pwq(word)) {
		pool = pwq_pool(word_pwq(word));
		pool_lock(pool);
		w = pool_find_busy(pool, work);
		pool_unlock(pool);
	} else {
		w = worker_of_slot(word_slot(word));
	}
	if (w && worker_runs(w, work))
		busy |= WORK_BUSY_RUNNING;
	return busy;
}

struct work_struct *current_work(void)
{
	struct worker *w = worker_tls;

	return w ? atomic_load(&w->current_work) : NULL;
}

bool current_is_workqueue_rescuer(void)
{
	struct worker *w = worker_tls;

	return w && w->rescue_wq;
}

void set_worker_desc(const char *fmt, ...)
{
	struct worker *w = worker_self();
	char desc[WORKER_DESC_LEN] = "";
	struct pool *pool;
	va_list ap;

	if (!w || !fmt)
		return;
	va_start(ap, fmt);
	vsnprintf(desc, sizeof(desc), fmt, ap);
	va_end(ap);
	pool = atomic_load(&w->pool);
	pool_lock(pool);
	memcpy(w->desc, desc, sizeof(w->desc));
	pool_unlock(pool);
}

bool cmwq_get_stats(struct workqueue_struct *wq, struct cmwq_stats *stats)
{
	void *caller = __builtin_return_address(0);
	struct pwq *pwq;

	if (stats)
		memset(stats, 0, sizeof(*stats));
	life_check_early();
	if (!queue_wq_ok(wq, caller))
		return false;
	if (!stats) {
		log_err("cmwq_get_stats: nowhere to put those of workqueue %s, "
			"called at %p",
			wq->name, caller);
		return false;
	}
	lock(&wq->lock);
	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		pool_lock(pool);
		stats->started += pwq->started;
		stats->completed += pwq->completed;
		stats->cpu_itsv += pwq->cpu_itsv;
		stats->cm_wakeup += pwq->cm_wakeup;
		stats->cm_overlap += pwq->cm_overlap;
		stats->repatriated += pwq->repatriated;
		stats->mayday += pwq->maydays;
		stats->rescued += pwq->rescued;
		stats->in_flight += (unsigned int)pwq_in_flight(pwq);
		stats->workers += (unsigned int)pool->nr_workers;
		stats->workers_peak += (unsigned int)pool->peak;
		pool_unlock(pool);
	}
	unlock(&wq->lock);
	return true;
}

const char *cmwq_name(struct workqueue_struct *wq)
{
	return queue_wq_ok(wq, __builtin_return_address(0)) ? wq->name : "?";
}

static struct workqueue_struct *make_system(const char *name,
					    unsigned int flags, int max_active)
{
	const struct wq_request req = {
		.flags = flags,
		.max_active = max_active,
	};

	return make(name, &req);
}

int wq_init_system(void)
{
	system_percpu_wq = system_wq = make_system("events", WQ_PERCPU, 0);
	system_highpri_wq =
		make_system("events_highpri", WQ_PERCPU | WQ_HIGHPRI, 0);
	system_long_wq = make_system("events_long", WQ_PERCPU, 0);
	system_dfl_wq = system_unbound_wq =
		make_system("events_unbound", WQ_UNBOUND, WQ_MAX_ACTIVE);
	system_freezable_wq =
		make_system("events_freezable", WQ_PERCPU | WQ_FREEZABLE, 0);
	system_power_efficient_wq = make_system(
		"events_power_efficient", WQ_PERCPU | WQ_POWER_EFFICIENT, 0);
	system_freezable_power_efficient_wq =
		make_system("events_freezable_pwr_efficient",
			    WQ_PERCPU | WQ_FREEZABLE | WQ_POWER_EFFICIENT, 0);
	system_dfl_long_wq =
		make_system("events_dfl_long", WQ_UNBOUND, WQ_MAX_ACTIVE);
	system_bh_wq = make_system("events_bh", WQ_BH | WQ_PERCPU, 0);
	system_bh_highpri_wq = make_system("events_bh_highpri",
					   WQ_BH | WQ_PERCPU | WQ_HIGHPRI, 0);
	return system_wq && system_highpri_wq && system_long_wq &&
			       system_dfl_wq && system_freezable_wq &&
			       system_power_efficient_wq &&
			       system_freezable_power_efficient_wq &&
			       system_dfl_long_wq && system_bh_wq &&
			       system_bh_highpri_wq
		       ? 0
		       : -1;
}

static void reset(struct workqueue_struct *wq)
{
	struct pwq *pwq;

	lock_init(&wq->lock, RANK_WQ);
	atomic_fetch_and(&wq->flags,
			 ~(unsigned int)(__WQ_DRAINING | __WQ_DESTROYING));
	wq->nr_drainers = 0;
	wq->epoch = 0;
	wq->flush_epoch = 0;
	for (unsigned int c = 0; c < WORD_NR_COLOURS; c++)
		atomic_store(&wq->pending[c], 0);
	limit_reset(wq);
	if (wq->rescuer)
		rescuer_reset(wq->rescuer);
	for_each_pwq (pwq, wq) {
		pwq->max_active = limit_alone(wq);
		pwq_reset(pwq);
	}
}

/* Who was about to push is not there to leave, also where the record is free: he
 * may have been late. */
static void forget_pushers(void)
{
	struct pwq *pwq;

	for_each_pwq_record (pwq)
		atomic_store(&pwq->pushers, 0);
}

void wq_reset_all(void)
{
	struct workqueue_struct *wq;

	lock_init(&registry_lock, RANK_REGISTRY);
	forget_pushers();
	for_each_wq(wq) reset(wq);
}

void wq_fork_prepare(void) NO_ANALYSIS
{
	lock(&registry_lock);
}

void wq_fork_done(void) NO_ANALYSIS
{
	unlock(&registry_lock);
}
