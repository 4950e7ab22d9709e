/* SPDX-License-Identifier: MIT */
/*
 * show - what workqueues, pools and workers do, in the log.
 *
 * Everything is collected first and printed when no lock is held, since the
 * program's log function may take its time.
 */
#include <stdio.h>
#include <string.h>
#include <cmwq/cmwq.h>

#include "dump.h"
#include "lease.h"
#include "life.h"
#include "lines.h"
#include "os.h"
#include "queue.h"
#include "registry.h"

#define MAX_IDLE 16

static const struct {
	unsigned int flag;
	const char *name;
} flag_names[] = {
	{ WQ_BH, "WQ_BH" },
	{ WQ_UNBOUND, "WQ_UNBOUND" },
	{ WQ_FREEZABLE, "WQ_FREEZABLE" },
	{ WQ_MEM_RECLAIM, "WQ_MEM_RECLAIM" },
	{ WQ_HIGHPRI, "WQ_HIGHPRI" },
	{ WQ_CPU_INTENSIVE, "WQ_CPU_INTENSIVE" },
	{ WQ_POWER_EFFICIENT, "WQ_POWER_EFFICIENT" },
	{ WQ_PERCPU, "WQ_PERCPU" },
	{ __WQ_DESTROYING, "being destroyed" },
	{ __WQ_DRAINING, "draining" },
	{ __WQ_ORDERED, "ordered" },
	{ __WQ_LEGACY, "legacy" },
};

static void add_flags(struct lines *l, unsigned int flags)
{
	for (size_t i = 0; i < sizeof(flag_names) / sizeof(*flag_names); i++)
		if (flags & flag_names[i].flag)
			lines_element(l, "%s", flag_names[i].name);
}

static void add_head(struct lines *l, struct workqueue_struct *wq)
	REQUIRES(wq->lock)
{
	int nr_flushers = 0;

	for (unsigned int c = 0; c < WORD_NR_COLOURS; c++)
		nr_flushers += atomic_load(&wq->pending[c]) > 0;
	lines_add(l, "workqueue %s:", wq->name);
	add_flags(l, atomic_load(&wq->flags));
	if (!(wq->flags & WQ_BH))
		lines_element(l, "max_active %d", wq->max_active);
	if (wq->nr_nodes)
		lines_element(l, "min_active %d", wq->min_active);
	if (wq->frozen)
		lines_element(l, "frozen");
	if (nr_flushers)
		lines_element(l, "%d flushes", nr_flushers);
	if (wq->nr_drainers)
		lines_element(l, "%d drains", wq->nr_drainers);
	lines_end(l);
}

/* Returns whether it has any items; if not, nothing is said. */
static bool add_wq(struct lines *l, struct workqueue_struct *wq)
{
	bool busy = false;
	struct pwq *pwq;

	lock(&wq->lock);
	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);
		struct dump_pwq copy = { .in_flight = 0 };

		pool_lock(pool);
		if (pwq_in_flight(pwq))
			dump_copy_pwq(pwq, &copy);
		pool_unlock(pool);
		if (!copy.in_flight)
			continue;
		if (!busy)
			add_head(l, wq);
		busy = true;
		dump_add_pwq(l, &copy);
	}
	unlock(&wq->lock);
	return busy;
}

/* Of a pool's workers and their state, as printed. */
struct pool_facts {
	int nr_workers, nr_idle, nr_running, nr_asleep;
	int idle[MAX_IDLE]; /* thread ids */
	int nr_shown;
	bool managed;
	bool waiting;
	uint64_t still; /* s for which nothing was started */
};

static uint64_t still_for(struct pool *pool)
{
	uint64_t since = atomic_load(&pool->still_since);
	uint64_t now = os_now();

	return since && now > since ? (now - since) / (1000 * NSEC_PER_MSEC)
				    : 0;
}

static void copy_pool(struct pool *pool, struct pool_facts *f)
	REQUIRES(pool->lock)
{
	struct worker *w;

	f->nr_workers = pool->nr_workers;
	f->nr_idle = pool->nr_idle;
	f->nr_running = atomic_load(&pool->nr_running);
	f->nr_asleep = pool->nr_asleep;
	f->managed = pool->managed;
	f->waiting = !list_empty(&pool->worklist);
	f->still = f->waiting ? still_for(pool) : 0;
	f->nr_shown = 0;
	list_for_each_entry (w, &pool->idle, entry)
		if (f->nr_shown < MAX_IDLE)
			f->idle[f->nr_shown++] = w->tid;
}

/* A pool whose workers all are idle has nothing to tell. */
static bool add_pool(struct lines *l, struct pool *pool)
{
	struct pool_facts f;

	pool_lock(pool);
	copy_pool(pool, &f);
	pool_unlock(pool);
	if (f.nr_workers == f.nr_idle && !f.waiting)
		return false;
	dump_add_pool(l, pool);
	lines_add(l, ":");
	if (pool->node >= 0)
		lines_element(l, "node %d", pool->node);
	lines_element(l, "%d workers", f.nr_workers);
	lines_element(l, "%d run", f.nr_running);
	lines_element(l, "%d asleep", f.nr_asleep);
	if (f.managed)
		lines_element(l, "one is being created");
	if (f.waiting)
		lines_element(l, "work waits");
	if (f.still)
		lines_element(l, "nothing was started for %lu s",
			      (unsigned long)f.still);
	lines_element(l, "%d idle", f.nr_idle);
	for (int i = 0; i < f.nr_shown; i++)
		lines_add(l, "%s%d", i ? " " : " (threads ", f.idle[i]);
	lines_add(l, "%s%s", f.nr_idle > f.nr_shown ? " ..." : "",
		  f.nr_shown ? ")" : "");
	lines_end(l);
	return true;
}

static void add_pools(struct lines *l)
{
	struct pool *pool;

	for_each_pool (pool)
		add_pool(l, pool);
}

void show_one_workqueue(struct workqueue_struct *wq)
{
	struct lines l = { 0 };

	life_check_early();
	if (!queue_wq_ok(wq, __builtin_return_address(0)))
		return;
	add_wq(&l, wq);
	lines_print(&l, CMWQ_LOG_INFO);
}

/* Those with all of the flags. */
static void show(const char *which, unsigned int flags, bool pools)
{
	struct lines l = { 0 };
	struct workqueue_struct *wq;
	bool any = false;

	life_check_early();
	lines_add(&l, "%s that have items:", which);
	lines_end(&l);
	lock(&registry_lock);
	for_each_wq(wq) if ((atomic_load(&wq->flags) & flags) == flags) any |=
		add_wq(&l, wq);
	if (!any) {
		lines_add(&l, "none");
		lines_end(&l);
	}
	if (pools)
		add_pools(&l);
	unlock(&registry_lock);
	lines_print(&l, CMWQ_LOG_INFO);
}

void show_all_workqueues(void)
{
	show("workqueues", 0, true);
}

void show_freezable_workqueues(void)
{
	show("freezable workqueues", WQ_FREEZABLE, false);
}

/* What is known of a worker's thread. */
struct found {
	bool busy;
	struct dump_worker worker; /* of an idle one: what it did last */
};

/* The workqueue of its last item may be gone. */
static void copy_idle(struct worker *w, struct dump_worker *to)
	REQUIRES(registry_lock)
{
	struct workqueue_struct *wq;

	memset(to, 0, sizeof(*to));
	memcpy(to->desc, w->desc, sizeof(to->desc));
	for_each_wq(wq) if (wq == atomic_load(&w->current_wq))
		memcpy(to->wq, wq->name, sizeof(to->wq));
}

static bool find_in(struct pool *pool, int tid, struct found *f)
	REQUIRES(pool->lock, registry_lock)
{
	struct worker *w;

	list_for_each_entry (w, &pool->busy, entry) {
		if (w->tid != tid)
			continue;
		f->busy = atomic_load(&w->current_work);
		if (f->busy)
			dump_copy_worker(w, &f->worker);
		else
			copy_idle(w, &f->worker);
		return true;
	}
	list_for_each_entry (w, &pool->idle, entry) {
		if (w->tid != tid)
			continue;
		f->busy = false;
		copy_idle(w, &f->worker);
		return true;
	}
	return false;
}

static bool find(int tid, struct found *f)
{
	struct pool *pool;
	bool found = false;

	life_check_early();
	lock(&registry_lock);
	for_each_pool (pool) {
		pool_lock(pool);
		found = find_in(pool, tid, f);
		pool_unlock(pool);
		if (found)
			break;
	}
	unlock(&registry_lock);
	return found;
}

/* The kernel's KERN_ERR and so on: a control character and a digit; or "<3>", or
 * the digit alone. */
static enum cmwq_log_level parse_level(const char *level)
{
	const char *p = level ? level + strspn(level, "\001<") : "";

	if (*p >= '0' && *p <= '3')
		return CMWQ_LOG_ERR;
	return *p == '4' ? CMWQ_LOG_WARN : CMWQ_LOG_INFO;
}

void print_worker_info(const char *log_lvl, int tid)
{
	struct lines l = { 0 };
	struct found f;

	if (!find(tid, &f))
		return;
	lines_add(&l, "worker thread %d", tid);
	if (f.busy) {
		lines_add(&l, ", workqueue %s:", f.worker.wq);
		dump_add_worker(&l, &f.worker);
	} else if (*f.worker.wq) {
		lines_add(&l, " has no item, the last was of %s%s%s",
			  f.worker.wq, *f.worker.desc ? ": " : "",
			  f.worker.desc);
	} else {
		lines_add(&l, " has no item");
	}
	lines_end(&l);
	lines_print(&l, parse_level(log_lvl));
}

void wq_worker_comm(char *buf, size_t size, int tid)
{
	const char *what = "";
	char comm[32];
	struct found f;

	if (!size || !buf)
		return;
	os_read_task_file(tid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	if (find(tid, &f))
		what = *f.worker.desc ? f.worker.desc : f.worker.wq;
	if (*what)
		snprintf(buf, size, "%s%c%s", comm, f.busy ? '+' : '-', what);
	else
		snprintf(buf, size, "%s", comm);
}
