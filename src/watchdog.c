/* SPDX-License-Identifier: MIT */
/*
 * watchdog - reports pools that start nothing though work waits.
 *
 * Four times a second, while there is a tick (which there is as long as work waits,
 * also with cmwq.tick=0), the pools are looked at without their locks: one in which
 * work waits and the number of items started is what it was at the last look has
 * not moved, and its workers are looked at, too. After workqueue.watchdog_thresh seconds of that it is reported, and again
 * after as many: what waits, and of each worker with an item where it is.
 *
 * A report can be late by a quarter of a second, and is never early: a time begins
 * with the look that finds work waiting. It begins anew when something is started, when
 * nothing waits, when the tick was off, when it was touched, and when the looks stop
 * for seconds (the process or the machine was stopped).
 *
 * Locks: pool->lock of one that has not moved, for its workers, and while facts are
 * copied. What happens here belongs to the timer thread, but for the touching.
 */
#include "watchdog.h"

#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "lease.h"
#include "life.h"
#include "lines.h"
#include "log.h"
#include "os.h"
#include "os_backtrace.h"
#include "param.h"
#include "pwq.h"
#include "queue.h"
#include "symbol.h"

#define LOOK_NS	     (250 * NSEC_PER_MSEC)
#define STOPPED_NS   (5000 * NSEC_PER_MSEC)
#define NSEC_PER_SEC (1000 * NSEC_PER_MSEC)
#define COMPUTES_NS  (5 * NSEC_PER_MSEC)

static bool watching;	   /* T: since the last look */
static uint64_t last_look; /* T */
static long nr_stalls;	   /* T: looks with a report */

/* Facts of one report, too many for a stack. */
static struct {
	struct dump_items pending;
	struct dump_workers workers;
	int nr_threads, nr_workers, nr_idle;
	struct os_backtrace bt;
} facts; /* T */

static void forget(void)
{
	struct pool *pool;

	for_each_pool (pool)
		atomic_store(&pool->still_since, 0);
}

void watchdog_reset(void)
{
	watching = false;
	nr_stalls = 0;
}

/* Has it used CPU time in this item, without having slept? */
static void look_at_worker(struct worker *w)
{
	uint64_t cpu = os_thread_cpu_time(w->tid);
	unsigned long waits = os_thread_waits(w->tid);

	if (w->watch_seq != w->seq || w->watch_waits != waits) {
		w->watch_seq = w->seq;
		w->watch_waits = waits;
		w->watch_cpu = cpu;
	}
	w->computes = cpu - w->watch_cpu >= COMPUTES_NS;
}

static void look_at_workers(struct pool *pool)
{
	struct worker *w;
	int n = 0;

	pool_lock(pool);
	list_for_each_entry (w, &pool->busy, entry)
		if (n++ < DUMP_WORKERS)
			look_at_worker(w);
	pool_unlock(pool);
}

/* How long the pool has not moved, in ns. */
static uint64_t look_at(struct pool *pool, uint64_t now)
{
	unsigned long seq = atomic_load(&pool->seq);
	uint64_t since = atomic_load(&pool->still_since);
	uint64_t touched = atomic_load(&pool->touched);

	if (!pool_waiting(pool)) {
		atomic_store(&pool->still_since, 0);
		return 0;
	}
	if (!since || pool->watch_seq != seq) {
		atomic_store(&pool->still_since, now);
		pool->watch_seq = seq;
		pool->reported = 0;
		return 0;
	}
	look_at_workers(pool);
	if (touched > since)
		since = touched;
	return now > since ? now - since : 0;
}

static void add_frames(struct lines *l, const struct os_backtrace *bt)
{
	struct symbol name;

	for (int i = 0; i < bt->nr; i++) {
		lines_add(l, "      %p %s", bt->frame[i],
			  symbol_name(&name, bt->frame[i]));
		lines_end(l);
	}
}

/* Where it is, by other means if not by its frames. */
static void add_place(struct lines *l, const struct dump_worker *w)
{
	struct os_backtrace *bt = &facts.bt;
	unsigned int may_stop =
		OS_BACKTRACE_ASLEEP | (w->computes ? OS_BACKTRACE_RUNNING : 0);

	os_backtrace(w->tid, param_get(backtrace) ? may_stop : 0, bt);
	lines_add(l, "    state %c", bt->state ? bt->state : '?');
	if (*bt->wchan)
		lines_add(l, ", sleeps in %s", bt->wchan);
	if (bt->nr)
		lines_add(l, ", was stopped for %lu us to see that it is at",
			  (unsigned long)(bt->stopped_ns / NSEC_PER_USEC));
	lines_end(l);
	add_frames(l, bt);
	if (!bt->obstacle)
		return;
	lines_add(l, "    no %sframes: %s", bt->nr ? "more " : "",
		  bt->obstacle);
	if (bt->err)
		lines_add(l, " (%s)", strerror(bt->err));
	if (bt->tracer)
		lines_add(l, " (%d)", bt->tracer);
	if (*bt->syscall)
		lines_add(l, "; system call: %s", bt->syscall);
	lines_end(l);
}

static void add_workers(struct lines *l, const struct dump_workers *workers)
{
	for (int i = 0; i < workers->nr; i++) {
		const struct dump_worker *w = &workers->worker[i];

		lines_add(l, "  an item of %s is run:", w->wq);
		dump_add_worker(l, w);
		lines_end(l);
		add_place(l, w);
	}
	if (workers->more) {
		lines_add(l, "  and %d more workers have items", workers->more);
		lines_end(l);
	}
	if (workers->nr)
		return;
	lines_add(l,
		  "  no worker has an item; %d are idle, %d are being "
		  "created",
		  facts.nr_idle, facts.nr_threads - facts.nr_workers);
	lines_end(l);
}

/* Something may have been started since the look. */
static bool copy_facts(struct pool *pool)
{
	bool still;

	pool_lock(pool);
	still = atomic_load(&pool->seq) == pool->watch_seq &&
		!list_empty(&pool->worklist);
	if (still) {
		dump_copy_pending(pool, &facts.pending);
		dump_copy_workers(pool, &facts.workers);
		facts.nr_threads = atomic_load(&pool->nr_threads);
		facts.nr_workers = pool->nr_workers;
		facts.nr_idle = pool->nr_idle;
	}
	pool_unlock(pool);
	/* BH pools of a CPU share a thread, and one holds up the other. */
	if (still && pool->bh && !facts.workers.nr) {
		pool = pool_bh(pool->id, !pool->highpri);
		pool_lock(pool);
		dump_copy_workers(pool, &facts.workers);
		pool_unlock(pool);
	}
	return still;
}

static bool report(struct pool *pool, uint64_t now, uint64_t still)
{
	struct lines l = { 0 };

	if (!copy_facts(pool))
		return false;
	pool->reported = now;
	lines_add(&l, "watchdog: ");
	dump_add_pool(&l, pool);
	lines_add(&l, " has started nothing for %lu s, though work waits",
		  (unsigned long)(still / NSEC_PER_SEC));
	lines_end(&l);
	dump_add_items(&l, "  pending", &facts.pending);
	add_workers(&l, &facts.workers);
	lines_print(&l, CMWQ_LOG_ERR);
	return true;
}

_Noreturn static void panic(const char *param, long value)
{
	log_err("watchdog: aborted, as %s=%ld wants it", param, value);
	abort();
}

/* Reports what is due; the longest time that any pool has not moved. */
static uint64_t look(uint64_t now, uint64_t thresh, uint64_t limit)
{
	uint64_t longest = 0;
	struct pool *pool;
	bool any = false;

	for_each_pool (pool) {
		uint64_t still = look_at(pool, now);
		bool due = still >= thresh &&
			   (!pool->reported || now - pool->reported >= thresh);

		if ((due || (limit && still >= limit)) &&
		    report(pool, now, still)) {
			any = true;
			if (still > longest)
				longest = still;
		}
	}
	nr_stalls += any;
	return longest;
}

void watchdog_tick(uint64_t now, bool begins)
{
	uint64_t thresh = (uint64_t)param_get(watchdog_thresh) * NSEC_PER_SEC;
	long stalls = param_get(panic_on_stall);
	long seconds = param_get(panic_on_stall_time);
	uint64_t limit = (uint64_t)seconds * NSEC_PER_SEC;
	uint64_t longest;

	if (!thresh) {
		watching = false;
		return;
	}
	if (begins || !watching || now - last_look >= STOPPED_NS)
		forget();
	else if (now - last_look < LOOK_NS)
		return;
	watching = true;
	last_look = now;
	longest = look(now, thresh, limit);
	if (longest && stalls && nr_stalls >= stalls)
		panic("workqueue.panic_on_stall", stalls);
	if (limit && longest >= limit)
		panic("workqueue.panic_on_stall_time", seconds);
}

void wq_watchdog_touch(int cpu)
{
	struct pool *pool;
	uint64_t now;

	life_check_early();
	if (cpu >= os_nr_cpus() || cpu < -1) {
		queue_refuse("%s: no such CPU, called at %p",
			     "wq_watchdog_touch", __builtin_return_address(0));
		return;
	}
	now = os_now();
	if (cpu < 0) {
		for_each_pool (pool)
			atomic_store(&pool->touched, now);
		return;
	}
	for_each_pool_on(pool, cpu) atomic_store(&pool->touched, now);
	atomic_store(&pool_bh(cpu, false)->touched, now);
	atomic_store(&pool_bh(cpu, true)->touched, now);
}
