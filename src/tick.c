/* SPDX-License-Identifier: MIT */
/*
 * tick - what the timer thread does for the pools.
 *
 * At any wakeup: print notes, drain pools whose inboxes fill up behind saturated
 * pwqs, create workers and sentinels that were asked for by threads that may not.
 * Every 4 ms, while work waits or a bound pool runs something:
 *
 *  - read the states of the busy workers: those asleep leave nr_running, those
 *    marked that run again come back. In an unbound pool that starts items, of a
 *    few of them, to see whether too many run. None where by their CPU clocks all
 *    have computed since the last tick;
 *  - CPU hogs: an item of a bound pool that used cpu_intensive_thresh_us of CPU
 *    since it was first seen, or since it last slept, holds up no others from
 *    then on, and is counted by its function (hog.c);
 *  - wake again whoever should have been woken, and give an unbound pool that
 *    started nothing for three ticks one worker more;
 *  - let resting sentinels look again, create workers where that failed;
 *  - call the rescuers of a pool that gets no worker (rescuer.h). While threads are
 *    being created one of these does that itself;
 *  - look what CPUs and what quota the process has, and share that out;
 *  - the watchdog's look (watchdog.c), a few times a second.
 *
 * A pool that runs all that its quota lets it is not given more so easily: items
 * that compute take longer with each worker, not less long. But one may wait for
 * another that has not started, in a way that nobody sees. So there is one worker
 * more for the pool that has been stuck for longest, then, if that did not help,
 * for the next after twice the time, and so on: ten in twelve seconds. There, too, each
 * tick takes time from the items. While pools that are short of quota do nothing but
 * compute the ticks are 16 ms apart, and who sleeps then may be found so late.
 *
 * Of BH pools it only repeats the wakeup, and creates the thread.
 *
 * Two ticks that find nothing end it: tick_on = TICK_OFF, then look once more; the
 * starting side pushes, then reads tick_on (cm_start_tick()).
 */
#include "tick.h"

#include <limits.h>

#include "bh.h"
#include "cap.h"
#include "cm.h"
#include "hog.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "quota.h"
#include "rescuer.h"
#include "sentinel.h"
#include "timer.h"

#define MAX_QUIET_TICKS	  2
#define PACE_TICKS	  3 /* longer than an item that is no CPU hog */
#define MAX_DOUBLINGS	  20
#define QUOTA_LOOK_NS	  (1000 * NSEC_PER_MSEC)
#define MAX_SIGHTS	  64
#define SAMPLE		  8
#define TOO_MANY	  5 /* times the CPUs */
#define TOO_MANY_FOR_LONG 2
#define LOOKS		  8 /* which count together */
#define REST		  3 /* ticks after a look, where few run */
#define OLD_NS		  (5 * TICK_NS)
#define MAX_PAUSE_NS	  (4 * TICK_NS)

void (*tick_topology)(void);
void (*tick_cpus)(void);
void (*tick_watchdog)(uint64_t now, bool begins);

/* All of these: timer thread. */
static uint64_t next_tick;  /* 0: none is to come */
static uint64_t pause_ns;   /* from one to the next */
static bool begins;	    /* it is the first */
static bool calm;	    /* all that is at work computes, short of quota */
static uint64_t next_quota; /* look at it */
static int quiet_ticks;
static struct pool *most_stuck; /* of those that are short of quota */
static bool overdrawn;		/* one of them runs more than its share */
static int doublings;		/* of the time until one may have more */
static uint64_t grant_at;	/* that time */

static void check_hog(struct pool *pool, struct worker *w, bool asleep)
	REQUIRES(pool->lock)
{
	uint64_t limit =
		(uint64_t)param_get(cpu_intensive_thresh_us) * NSEC_PER_USEC;
	struct pwq *pwq = atomic_load(&w->current_pwq);
	unsigned long waits;
	uint64_t cpu;

	if (!pool_bound(pool) || w->intensive || !limit)
		return;
	cpu = os_thread_cpu_time(w->tid);
	if (w->tick_seq == w->seq && !asleep && cpu - w->tick_cpu < limit)
		return;
	waits = os_thread_waits(w->tid);
	if (w->tick_seq != w->seq || asleep || waits != w->tick_waits) {
		w->tick_seq = w->seq;
		w->tick_cpu = cpu;
		w->tick_waits = waits;
		return;
	}
	cm_set_intensive(pool, w);
	pwq->cpu_itsv++;
	hog_found(atomic_load(&w->current_func), pwq->wq->name);
}

static void note_state(struct pool *pool, struct worker *w,
		       enum os_thread_state state) REQUIRES(pool->lock)
{
	if (state == OS_THREAD_ASLEEP)
		cm_saw_asleep(pool, w);
	else if (state == OS_THREAD_RUNNING)
		cm_set_asleep(pool, w, false);
}

static bool is_to_be_seen(struct worker *w)
{
	return !w->hint_depth && worker_is_inside(w);
}

static void look_at_bound(struct pool *pool) REQUIRES(pool->lock)
{
	struct worker *w;

	list_for_each_entry (w, &pool->busy, entry) {
		enum os_thread_state state;

		if (!is_to_be_seen(w))
			continue;
		state = os_thread_state(w->tid);
		note_state(pool, w, state);
		check_hog(pool, w, state == OS_THREAD_ASLEEP);
	}
}

/* A worker with an item, and what was seen of it. */
struct sight {
	struct worker *w;
	unsigned long seq;
	int tid;
	enum os_thread_state state;
};

/* Those who have not been seen in this round. */
static int choose(struct pool *pool, struct sight *sight, int max)
	REQUIRES(pool->lock)
{
	struct worker *w;
	int n = 0;

	list_for_each_entry (w, &pool->busy, entry) {
		if (w->look == pool->look || !is_to_be_seen(w))
			continue;
		w->look = pool->look;
		sight[n++] = (struct sight){ .w = w,
					     .seq = atomic_load(&w->seq),
					     .tid = w->tid };
		if (n == max)
			break;
	}
	return n;
}

/* It takes 5 us each, and others are not to wait for that. */
static void see(struct pool *pool, struct sight *sight, int n)
	REQUIRES(pool->lock)
{
	pool_unlock(pool);
	for (int i = 0; i < n; i++)
		sight[i].state = os_thread_state(sight[i].tid);
	pool_lock(pool);
}

/* In the order in which they were chosen; some may have left since. Returns how many
 * were asleep and have begun another item. */
static int note_sights(struct pool *pool, const struct sight *sight, int n)
	REQUIRES(pool->lock)
{
	int i = 0, gone_on = 0, tried;
	struct worker *w;

	list_for_each_entry (w, &pool->busy, entry) {
		for (tried = 0; tried < n && sight[i].w != w; tried++)
			i = (i + 1) % n;
		if (tried == n || !is_to_be_seen(w))
			continue;
		if (sight[i].seq == atomic_load(&w->seq))
			note_state(pool, w, sight[i].state);
		else if (sight[i].state == OS_THREAD_ASLEEP && !w->asleep)
			gone_on++;
	}
	return gone_on;
}

/* All, the ones that come meanwhile included. */
static void look_at_unbound(struct pool *pool) REQUIRES(pool->lock)
{
	struct sight sight[MAX_SIGHTS];
	int n, gone_on = 0;

	pool->look++;
	while ((n = choose(pool, sight, MAX_SIGHTS))) {
		see(pool, sight, n);
		gone_on += note_sights(pool, sight, n);
	}
	pool->seem = 0;
	cm_looked(pool, gone_on);
}

/*
 * Do so many run that some should stop at the end of their items? Of many workers a
 * few are looked at, in turn. By so few it may seem so when it is not: then what the
 * last looks say together counts more. As long as that is less than half of that, a
 * look at every fourth tick will do, since it takes 70 us.
 */
static bool seem_too_many(struct pool *pool) REQUIRES(pool->lock)
{
	int busy = pool->nr_workers - pool->nr_idle;
	int limit = SAMPLE * LOOKS * TOO_MANY_FOR_LONG * pool_cap(pool);
	struct sight sight[SAMPLE];
	int n, run = 0;

	if (busy <= SAMPLE || !cm_may_lend(pool))
		return true;
	if (pool->rest) {
		pool->rest--;
		return false;
	}
	n = choose(pool, sight, SAMPLE);
	if (n < SAMPLE) {
		pool->look++;
		n += choose(pool, sight + n, SAMPLE - n);
	}
	see(pool, sight, n);
	for (int i = 0; i < n; i++)
		run += sight[i].state == OS_THREAD_RUNNING;
	pool->seem += busy * run - pool->seem / LOOKS;
	if (pool->seem < limit / 2)
		pool->rest = REST;
	return busy * run > SAMPLE * TOO_MANY * pool_cap(pool) ||
	       pool->seem > limit;
}

static void look_at_workers(struct pool *pool) REQUIRES(pool->lock)
{
	if (pool_bound(pool))
		look_at_bound(pool);
	else if (atomic_load(&pool->seq) == pool->tick_seq ||
		 seem_too_many(pool))
		look_at_unbound(pool);
}

/*
 * Has it used seven eighths of the time since the last look, or more? Then it is
 * awake, or has been until just now. To read that takes 0.5 us, its state 5.
 */
static bool has_computed(const struct sight *s, uint64_t now)
{
	uint64_t cpu = os_thread_cpu_time(s->tid);
	struct worker *w = s->w;
	uint64_t span = now - w->clock_at, before = w->clock_cpu;
	bool known = w->clock_tid == s->tid && span < OLD_NS;

	w->clock_tid = s->tid;
	w->clock_cpu = cpu;
	w->clock_at = now;
	return known && cpu > before && cpu - before >= span - span / 8;
}

/*
 * Is an unbound pool to be left alone? As many run as may, nobody is marked or believed
 * asleep, and by their CPU clocks all compute. If the lock is taken its workers are at
 * it, and are not to be held up if they get on.
 */
static bool all_compute(struct pool *pool, bool stuck, uint64_t now)
{
	struct sight sight[MAX_SIGHTS];
	bool all = true;
	int n = MAX_SIGHTS;

	if (pool_bound(pool) ||
	    atomic_load_explicit(&pool->lent, memory_order_relaxed) ||
	    atomic_load(&pool->nr_running) < pool_cap(pool) ||
	    pool->stuck_ticks + stuck >= PACE_TICKS)
		return false;
	if (!lock_try(&pool->lock))
		return !stuck;
	if (!pool->lessee && !pool->nr_asleep) {
		pool->look++;
		n = choose(pool, sight, MAX_SIGHTS);
	}
	unlock(&pool->lock);
	if (n == MAX_SIGHTS)
		return false;
	for (int i = 0; i < n; i++)
		all &= has_computed(&sight[i], now);
	return all;
}

static bool goes_well(struct pool *pool, uint64_t now)
{
	unsigned long seq = atomic_load(&pool->seq);
	bool stuck = seq == pool->tick_seq;

	if (!all_compute(pool, stuck, now))
		return false;
	pool->tick_seq = seq;
	pool->stuck_ticks = stuck ? pool->stuck_ticks + 1 : 0;
	if (!stuck)
		pool->mayday_at = 0;
	return true;
}

static void start_one(struct pool *pool)
{
	if (cm_wake_idle(pool, true))
		pool->mayday_at = 0;
	else
		atomic_store(&pool->want, true);
}

static void grant(struct pool *pool)
{
	pool->stuck_ticks = 0;
	atomic_store(&pool->grant, true);
	start_one(pool);
}

static void help_waiting(struct pool *pool) REQUIRES(pool->lock)
{
	bool stuck = atomic_load(&pool->seq) == pool->tick_seq;

	if (!stuck)
		pool->stuck_ticks = 0;
	else
		pool->stuck_ticks++;
	if (cm_may_start(pool)) {
		start_one(pool);
		return;
	}
	if (pool_bound(pool) || !stuck)
		pool->mayday_at = 0;
	if (pool_bound(pool) || pool->stuck_ticks < PACE_TICKS)
		return;
	if (!cap_is_short(pool))
		grant(pool);
	else if (!most_stuck || most_stuck->stuck_ticks < pool->stuck_ticks)
		most_stuck = pool;
}

/* A worker that was granted may take a while to start. */
static void look_whether_overdrawn(struct pool *pool)
{
	if (!pool_bound(pool) && cap_is_short(pool) &&
	    (atomic_load(&pool->grant) ||
	     atomic_load(&pool->nr_running) > pool_cap(pool)))
		overdrawn = true;
}

/* See above. @overdrawn: what was granted before is still in use. */
static void grant_beyond_quota(uint64_t now)
{
	if (!overdrawn)
		doublings = 0;
	if (most_stuck && (!doublings || now >= grant_at)) {
		grant(most_stuck);
		if (doublings < MAX_DOUBLINGS)
			doublings++;
		grant_at = now + (PACE_TICKS * TICK_NS << doublings);
	}
	most_stuck = NULL;
	overdrawn = false;
}

/* Does it get through many tiny items? Then there is nothing that it could be told, and
 * its worker is not to lose its lease for that. */
static bool keeps_up(struct pool *pool)
{
	if (!atomic_load_explicit(&pool->stream, memory_order_relaxed))
		return false;
	atomic_store_explicit(&pool->stream, false, memory_order_relaxed);
	pool->tick_seq = atomic_load(&pool->seq);
	pool->stuck_ticks = 0;
	pool->mayday_at = 0;
	return true;
}

/* Returns whether the pool needs the tick. */
static bool tick_pool(struct pool *pool, uint64_t now)
{
	bool waiting = pool_waiting(pool);

	if (pool->bh) {
		if (waiting)
			cm_wake_bh(pool, true);
		calm &= !waiting;
		return waiting;
	}
	if (!waiting)
		pool->mayday_at = 0;
	look_whether_overdrawn(pool);
	if (!waiting &&
	    (!pool_bound(pool) || atomic_load(&pool->nr_running) <= 0))
		return false;
	if (keeps_up(pool) || goes_well(pool, now)) {
		calm &= cap_is_short(pool);
		return true;
	}
	calm = false;
	pool_lock(pool);
	look_at_workers(pool);
	if (!list_empty(&pool->worklist))
		help_waiting(pool);
	pool->tick_seq = atomic_load(&pool->seq);
	pool_unlock(pool);
	return true;
}

static void call_rescuers(struct pool *pool, uint64_t now) REQUIRES(pool->lock)
{
	if (!pool->mayday_at) {
		pool->mayday_at = now + MAYDAY_FIRST_NS;
		rescuer_call(pool, pool->mayday_at);
	} else if (now >= pool->mayday_at) {
		pool->mayday_at = now + MAYDAY_AGAIN_NS;
		rescuer_call(pool, now);
	}
}

/* First have the rescuers come if there is no worker in time. */
static void help_wanting(struct pool *pool, uint64_t now) REQUIRES(pool->lock)
{
	if (!pool->nr_idle && (cm_may_start(pool) || atomic_load(&pool->grant)))
		call_rescuers(pool, now);
	if (manager_is_needed(pool))
		rescuer_timer_away();
	manager_keep_reserve(pool);
}

static void create_wanted(uint64_t now)
{
	struct pool *pool;

	for_each_pool (pool) {
		if (!atomic_load_explicit(&pool->want, memory_order_relaxed))
			continue;
		atomic_store(&pool->want, false);
		pool_lock(pool);
		help_wanting(pool, now);
		pool_unlock(pool);
	}
	rescuer_create_missing();
	sentinel_create_wanted();
	bh_create_wanted();
}

/* Much has come that nobody was woken for. A worker that is about to get there anyway is
 * not to be disturbed; if it is held up, as much again comes and is drained. The tick
 * may be off: where all else waits behind max_active it is not needed. */
static void drain_crowded(void)
{
	struct pool *pool;

	for_each_pool (pool) {
		if (!atomic_load_explicit(&pool->crowded, memory_order_relaxed))
			continue;
		atomic_store(&pool->crowded, false);
		if (atomic_exchange(&pool->stream, false))
			continue;
		pool_lock(pool);
		pool_unlock(pool);
	}
}

static bool tick(uint64_t now)
{
	struct pool *pool;
	bool active = false;

	calm = true;
	for_each_pool (pool)
		if (tick_pool(pool, now))
			active = true;
	grant_beyond_quota(now);
	hog_report();
	sentinel_rearm_resting();
	if (!calm || !active)
		pause_ns = TICK_NS;
	else if (pause_ns < MAX_PAUSE_NS)
		pause_ns *= 2;
	next_tick = now + pause_ns;
	return active;
}

/* Somebody has to look, once per call: without a worker nobody else does. */
static void help_unwatched(struct pool *pool, uint64_t now)
{
	atomic_store(&pool->want, true);
	pool_lock(pool);
	if (!cm_may_start(pool) && now >= pool->mayday_at)
		cm_find_sleepers(pool, NULL, INT_MAX, false);
	if (!cm_may_start(pool))
		pool->mayday_at = 0;
	pool_unlock(pool);
}

/* Without the detector: what is left is to repeat what somebody may not have got
 * round to, or what failed. */
static bool repeat_kicks(uint64_t now)
{
	struct pool *pool;
	bool waiting = false;

	for_each_pool (pool) {
		bool idle = atomic_load(&pool->first_idle);

		if (idle || !pool_waiting(pool))
			pool->mayday_at = 0;
		if (!pool_waiting(pool))
			continue;
		waiting = true;
		if (pool->bh)
			cm_wake_bh(pool, true);
		else if (idle)
			cm_kick_again(pool);
		else
			help_unwatched(pool, now);
	}
	return waiting;
}

/* It takes milliseconds, and no first item should wait for it. */
static void follow_topology(void)
{
	struct pool *pool = atomic_load(&pool_list_unbound);

	while (tick_topology && pool) {
		if (atomic_load(&pool->nr_threads)) {
			tick_topology();
			tick_topology = NULL;
		}
		pool = atomic_load(&pool->next);
	}
}

static bool any_pool_waits(void)
{
	struct pool *pool;

	for_each_pool (pool)
		if (pool_waiting(pool))
			return true;
	return false;
}

static void stop_ticking(void)
{
	quiet_ticks = 0;
	atomic_store(&tick_on, TICK_OFF);
	if (any_pool_waits())
		atomic_store(&tick_on, TICK_ON);
	else
		next_tick = 0;
}

/* What does the process have? Others change that. */
static void look_around(uint64_t now)
{
	if (tick_cpus)
		tick_cpus();
	if (now >= next_quota) {
		quota_look();
		next_quota = now + QUOTA_LOOK_NS;
	}
	cap_share();
}

/* Is it on, or asked for? */
static bool turn_on(void)
{
	int state = TICK_ASKED;

	atomic_compare_exchange_strong(&tick_on, &state, TICK_ON);
	return state != TICK_OFF;
}

/* Unless one is to come. */
static bool begin(uint64_t now)
{
	if (next_tick)
		return false;
	pause_ns = TICK_NS;
	next_tick = now + pause_ns;
	begins = true;
	return true;
}

static void watch_pools(uint64_t now)
{
	if (tick_watchdog)
		tick_watchdog(now, begins);
	begins = false;
}

/* When to come again. */
static uint64_t go_round(uint64_t now)
{
	log_flush();
	/* The first time, before there is any worker. */
	if (!next_quota)
		look_around(now);
	drain_crowded();
	create_wanted(now);
	if (!turn_on())
		return TIMER_NEVER;
	if (begin(now))
		look_around(now);
	if (now < next_tick)
		return next_tick;
	next_tick = now + TICK_NS;
	look_around(now);
	follow_topology();
	if (param_get(tick) ? tick(now) : repeat_kicks(now))
		quiet_ticks = 0;
	else if (++quiet_ticks >= MAX_QUIET_TICKS)
		stop_ticking();
	watch_pools(now);
	create_wanted(now);
	if (!turn_on())
		return TIMER_NEVER;
	/* Somebody may have started it again since it was stopped. */
	begin(now);
	return next_tick;
}

/* Threads may have been created, which is when others look at the pools. */
uint64_t tick_hook(uint64_t now)
{
	uint64_t next = go_round(now);

	rescuer_timer_back();
	return next;
}

void tick_reset(void)
{
	next_tick = 0;
	next_quota = 0;
	quiet_ticks = 0;
	doublings = 0;
	quota_reset();
}
