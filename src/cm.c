/* SPDX-License-Identifier: MIT */
/*
 * cm - concurrency management: who runs, who sleeps, whom to wake.
 *
 * nr_running counts the workers that have an item (or look for one) and are
 * neither found asleep nor CPU hogs. A bound pool starts an item only at 0; an
 * unbound one below its number of CPUs, or once three ticks without progress.
 *
 * Who has gone to sleep takes 5 us to find out, so for an unbound pool nobody looks
 * at each block. A sentinel that sees a CPU idle is proof enough that one of the
 * counted sleeps: pool->lent says how many, so nr_running - lent is what is believed
 * to run, and never below 0. That belief outlives the end of an item that slept for a
 * short time: its worker has woken, but another one will have gone to sleep, and the CPU
 * that it has is better used for the next item than for waking somebody else. It ends
 * with an item that computed for long (other programs come and go, and between them CPUs
 * idle though all items compute) or slept for long, with a worker that has nothing to do, and
 * whenever the tick, which looks at a few of them, finds that too many run, and then at
 * all.
 *
 * No wakeup is lost, though a kick is only a hint:
 *
 *	pusher				worker going to sleep (holds the lock)
 *	P1 push to the inbox		W1 first_idle = itself
 *	P2 read nr_running		W2 nr_running--
 *	P3 if 0, wake first_idle	W3 read the inbox; if not empty, stay
 *
 * All of them are sequentially consistent: either P2 sees W2 (and so W1), or
 * W3 sees P1. The same pattern with nr_running++ covers a worker that starts
 * running: a pusher who still saw 0 is seen in the inbox (exec.c looks again
 * after cm_start_running()), one who saw 1 arms the detectors himself. Modelled
 * in models/kick.pml. A waker stopped between P2 and P3 is made good by the
 * tick, which he or the next pusher asks for (models/stopped.pml).
 */
#include "cm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lease.h"
#include "os.h"
#include "param.h"
#include "place.h"
#include "pwq.h"
#include "timer.h"
#include "cmwq/cmwq.h"

#define RECHECK_MAX	 2
#define RECHECK_INTERVAL (50 * NSEC_PER_USEC)
/* An item that slept, for less, is followed by others of its kind, for all we know. */
#define SHORT_BLOCK_NS (8 * NSEC_PER_MSEC)
/* One that did not sleep says little if it took less: it may be one of a mixture. */
#define SHORT_RUN_NS (500 * NSEC_PER_USEC)

struct sentinel *sentinels;
struct bh_cpu *bh_cpus;
_Atomic int tick_on;

int cm_init(void)
{
	size_t n = (size_t)os_nr_cpus();

	sentinels = aligned_alloc(64, n * sizeof(*sentinels));
	bh_cpus = aligned_alloc(64, n * sizeof(*bh_cpus));
	if (!sentinels || !bh_cpus)
		return -ENOMEM;
	cm_reset();
	return 0;
}

void cm_reset(void)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		atomic_store(&sentinels[cpu].state, SENTINEL_ABSENT);
		atomic_store(&sentinels[cpu].want, false);
		atomic_store(&bh_cpus[cpu].state, BH_ABSENT);
		atomic_store(&bh_cpus[cpu].want, false);
		lock_init(&bh_cpus[cpu].lock, RANK_BH);
		bh_cpus[cpu].tid = 0;
		for (int hi = 0; hi < NR_PRIORITIES; hi++)
			bh_cpus[cpu].worker[hi] = NULL;
	}
	atomic_store(&tick_on, TICK_OFF);
}

/* Until the timer thread has seen it everybody asks: the first who did may have
 * stopped before he woke it. */
void cm_wake_ticker(void)
{
	int state = TICK_OFF;

	atomic_compare_exchange_strong(&tick_on, &state, TICK_ASKED);
	if (state != TICK_ON)
		timer_wake();
}

bool cm_wake_idle(struct pool *pool, bool again)
{
	struct worker *w = atomic_load(&pool->first_idle);

	if (!w)
		return false;
	if (atomic_exchange(&w->wake, 1) && !again)
		return false;
	os_futex_wake(&w->wake, 1);
	return true;
}

bool cm_wake_idle_here(struct pool *pool)
{
	struct worker *w = atomic_load(&pool->first_idle);

	/* Also if it is on its way, since it does not come: place_apart(). */
	if (w && !pool_bound(pool))
		place_note(w, PLACE_HERE);
	return cm_wake_idle(pool, false);
}

/* The same by one who goes on running where he is. */
static void wake_idle_from(struct pool *pool, unsigned int apart)
{
	struct worker *w = atomic_load(&pool->first_idle);

	if (!w || atomic_load(&w->wake))
		return;
	if (!pool_bound(pool))
		place_note(w, apart);
	cm_wake_idle(pool, false);
}

void cm_wake_bh(struct pool *pool, bool again)
{
	struct bh_cpu *bh = &bh_cpus[pool->id];
	uint32_t state = atomic_load(&bh->state);

	if (state == BH_ASLEEP)
		again |= atomic_compare_exchange_strong(&bh->state, &state,
							BH_AWAKE);
	if (state == BH_ABSENT && !atomic_exchange(&bh->want, true))
		timer_wake();
	else if (again)
		os_futex_wake(&bh->state, 1);
}

static void arm_one(int cpu, bool rested)
{
	struct sentinel *s = &sentinels[cpu];
	uint32_t state = atomic_load(&s->state);

	while (state == SENTINEL_OFF || (rested && state == SENTINEL_RESTING)) {
		if (atomic_compare_exchange_strong(&s->state, &state,
						   SENTINEL_ARMED)) {
			os_futex_wake(&s->state, 1);
			return;
		}
	}
	if (state == SENTINEL_ABSENT &&
	    !atomic_load_explicit(&s->want, memory_order_relaxed) &&
	    !atomic_exchange(&s->want, true)) {
		timer_wake();
	}
}

static bool serves_all(struct pool *pool)
{
	return !pool_bound(pool) &&
	       pool_cap(pool) == atomic_load_explicit(&pool->nr_cpus,
						      memory_order_relaxed);
}

static void arm_all(struct pool *pool, bool rested)
{
	for (int cpu = pool_next_cpu(pool, 0); cpu < os_nr_cpus();
	     cpu = pool_next_cpu(pool, cpu + 1))
		if (os_cpu_allowed(cpu))
			arm_one(cpu, rested);
}

/* The sentinel of the caller's CPU, if it looks at the pool. */
static void arm_here(struct pool *pool, bool rested)
{
	int here = os_cpu();

	if (pool_has_cpu(pool, here) && os_cpu_allowed(here))
		arm_one(here, rested);
}

static bool is_full(struct pool *pool)
{
	return atomic_load_explicit(&pool->nr_running, memory_order_relaxed) >=
	       pool_cap(pool);
}

/*
 * Of many CPUs some idle most of the time, and to wake all their sentinels for an item
 * would take longer than it. While fewer run than may, whoever queues wakes a worker, and
 * that one the next; where one keeps up with tiny items his CPU is to be watched, in case
 * that he blocks, and in case that he computes the caller's, which idles once that one
 * waits. Of those that rest only the caller's looks again.
 */
static void arm_wide(struct pool *pool, bool rested)
{
	int cpu;

	if (is_full(pool)) {
		arm_all(pool, false);
		if (rested)
			arm_here(pool, true);
	} else if (pool_is_tiny(pool)) {
		cpu = atomic_load_explicit(&pool->runner_cpu,
					   memory_order_relaxed);
		if (pool_has_cpu(pool, cpu) && os_cpu_allowed(cpu))
			arm_one(cpu, false);
		arm_here(pool, false);
	}
}

/*
 * Let the sentinels of the pool's CPUs look out for an idle CPU. Where fewer
 * workers may run than there are CPUs some CPU is always idle and means nothing.
 * A pool that has lost its CPU is left to the tick.
 * @rested: also those that have given up.
 */
static void arm(struct pool *pool, bool rested)
{
	if (!param_get(sentinel))
		return;
	if (pool->cpu >= 0) {
		if (pool_bound(pool))
			arm_one(pool->cpu, rested);
		return;
	}
	if (!serves_all(pool))
		return;
	if (pool_is_wide(pool))
		arm_wide(pool, rested);
	else
		arm_all(pool, rested);
}

/* A wide pool, at whose CPUs sentinels may look. */
static bool is_wide_and_watched(struct pool *pool)
{
	return pool->cpu < 0 && pool_is_wide(pool) && param_get(sentinel) &&
	       serves_all(pool);
}

/*
 * By a worker that is about to run an item, with work behind it: if it blocks, this is
 * the CPU that idles. @fresh: what is behind it has just come, and was not pushed to
 * any of the others, who may have blocked since they began.
 */
static void arm_own(struct pool *pool, bool rested, bool fresh)
{
	if (!is_wide_and_watched(pool)) {
		arm(pool, rested);
		return;
	}
	if (fresh && is_full(pool))
		arm_all(pool, false);
	arm_here(pool, rested);
}

static int lent(struct pool *pool)
{
	return atomic_load_explicit(&pool->lent, memory_order_relaxed);
}

static void set_lent(struct pool *pool, int n) REQUIRES(pool->lock)
{
	atomic_store_explicit(&pool->lent, n, memory_order_relaxed);
}

static bool may_start(struct pool *pool, int running)
{
	if (pool_bound(pool))
		return running == 0;
	return running < pool_cap(pool) + lent(pool) || !param_get(pace);
}

/* Where items are tiny one worker is enough: a second would cost more in handing
 * over the lock than it takes off. */
static bool worth_waking(struct pool *pool, int running)
{
	return may_start(pool, running) && (!running || !pool_is_tiny(pool));
}

/*
 * Something was queued behind the one worker that runs. Where that ends soon, as far as
 * is known, and whoever queued waits for it, the way of another one from his CPU would
 * take longer. If it blocks, this CPU idles as soon as the caller waits, and the
 * sentinel is told to look, if there is one that looks at this pool; if he does not
 * wait, the tick.
 */
static bool leave_to_runner(struct pool *pool)
{
	int here = os_cpu();
	uint32_t state = atomic_load(&sentinels[here].state);

	if (!param_get(sentinel) || !serves_all(pool) ||
	    !pool_has_cpu(pool, here) ||
	    (state != SENTINEL_OFF && state != SENTINEL_ARMED &&
	     state != SENTINEL_RESTING) ||
	    !place_leaves(pool, here))
		return false;
	cm_start_tick();
	arm_one(here, true);
	return true;
}

static void kick_worker(struct pool *pool, int running)
{
	if (worth_waking(pool, running)) {
		if (running)
			cm_wake_idle(pool, false);
		else
			wake_idle_from(pool, 0);
		if (!atomic_load(&pool->nr_threads) &&
		    !atomic_exchange(&pool->want, true))
			timer_wake();
	}
	cm_start_tick();
	if (running)
		arm(pool, !pool_is_tiny(pool));
}

void cm_kick(struct pool *pool)
{
	int running = atomic_load(&pool->nr_running);

	if (unlikely(pool->bh)) {
		cm_wake_bh(pool, false);
		cm_start_tick();
		return;
	}
	if (running == 1 && !pool_is_tiny(pool) && leave_to_runner(pool))
		return;
	kick_worker(pool, running);
}

void cm_kick_again(struct pool *pool)
{
	int running = atomic_load(&pool->nr_running);

	kick_worker(pool, running);
	/* The one who runs may compute, and then his CPU does not idle. */
	if (running && is_wide_and_watched(pool))
		arm_all(pool, true);
}

bool cm_may_start(struct pool *pool)
{
	return pool_waiting(pool) &&
	       may_start(pool, atomic_load_explicit(&pool->nr_running,
						    memory_order_relaxed));
}

bool cm_may_stay(struct pool *pool)
{
	return pool_waiting(pool) &&
	       worth_waking(pool, atomic_load_explicit(&pool->nr_running,
						       memory_order_relaxed));
}

/* The caller is counted. */
bool cm_may_continue(struct pool *pool)
{
	int running =
		atomic_load_explicit(&pool->nr_running, memory_order_relaxed);

	if (pool_bound(pool))
		return running <= 1;
	if (running > 1 && pool_is_tiny(pool))
		return false;
	return running <= pool_cap(pool) + lent(pool) || !param_get(pace);
}

/* The fence is between has_work = true and the states of tick and sentinel; its
 * partner is their store of "off" before they look at has_work again. */
void cm_watch(struct pool *pool, bool fresh)
{
	int running =
		atomic_load_explicit(&pool->nr_running, memory_order_relaxed);

	if (fresh)
		atomic_thread_fence(memory_order_seq_cst);
	if (unlikely(pool->bh)) {
		cm_kick(pool);
		return;
	}
	if (worth_waking(pool, running)) {
		place_apart(pool);
		wake_idle_from(pool, PLACE_APART);
	}
	cm_start_tick();
	arm_own(pool, !pool_is_tiny(pool), fresh);
}

void cm_leave_waiting(struct pool *pool)
{
	cm_start_tick();
	if (atomic_load_explicit(&pool->nr_running, memory_order_relaxed))
		arm(pool, false);
}

void cm_start_running(struct pool *pool, struct worker *w)
{
	atomic_store_explicit(&pool->runner, w->tid, memory_order_relaxed);
	if (pool_is_wide(pool))
		atomic_store_explicit(&pool->runner_cpu, os_cpu(),
				      memory_order_relaxed);
	atomic_fetch_add(&pool->nr_running, 1);
}

void cm_stop_running(struct pool *pool, struct worker *w)
{
	int before = atomic_fetch_sub(&pool->nr_running, 1);

	(void)w;
	assert(before > 0);
	if (unlikely(lent(pool) >= before))
		set_lent(pool, before - 1);
}

/* Most of those that end have slept before, so it was probably one of the lent. */
void cm_leave(struct pool *pool, struct worker *w)
{
	int n = lent(pool);

	w->began = 0;
	if (unlikely(n) && !pool_waiting(pool))
		set_lent(pool, n - 1);
	cm_stop_running(pool, w);
}

bool cm_may_lend(struct pool *pool)
{
	return serves_all(pool) && param_get(tick);
}

void cm_lend(struct pool *pool)
{
	int running =
		atomic_load_explicit(&pool->nr_running, memory_order_relaxed);

	set_lent(pool, running + 1 - pool_cap(pool));
}

void cm_looked(struct pool *pool, int gone_on)
{
	int running =
		atomic_load_explicit(&pool->nr_running, memory_order_relaxed);

	if (!cm_may_lend(pool))
		gone_on = 0;
	set_lent(pool, gone_on < running ? gone_on : running);
}

void cm_item_begins(struct pool *pool, struct worker *w)
{
	w->sleeps_known = w->began;
	w->began = lent(pool) ? os_now() : 0;
}

/* How often the thread has gone to sleep, but for waits of the library's. */
static long sleeps(void)
{
	return (long)(os_my_waits() - os_own_waits);
}

void cm_count_sleeps(struct worker *w)
{
	if (!w->sleeps_known)
		w->sleeps = sleeps();
}

/* The count is that for the next item, too: it takes 0.3 us. */
void cm_item_returned(struct pool *pool, struct worker *w)
{
	long before = w->sleeps;

	if (!lent(pool)) {
		w->began = 0;
		return;
	}
	w->sleeps = sleeps();
	w->slept = w->sleeps > before;
}

void cm_item_took(struct pool *pool, struct worker *w)
{
	uint64_t now = os_now();
	uint64_t took = now - w->began;
	int n = lent(pool);

	if (!w->began)
		took = SHORT_BLOCK_NS;
	if (w->slept && took < SHORT_BLOCK_NS)
		atomic_store_explicit(&pool->back_at, now,
				      memory_order_relaxed);
	else if (n && took >= SHORT_RUN_NS)
		set_lent(pool, n - 1);
}

void cm_forget_runner(struct pool *pool, struct worker *w)
{
	if (atomic_load_explicit(&pool->runner, memory_order_relaxed) == w->tid)
		atomic_store_explicit(&pool->runner, 0, memory_order_relaxed);
}

void cm_set_asleep(struct pool *pool, struct worker *w, bool asleep)
{
	if (w->asleep == asleep)
		return;
	w->asleep = asleep;
	pool->nr_asleep += asleep ? 1 : -1;
	if (w->intensive)
		return;
	if (asleep)
		cm_stop_running(pool, w);
	else
		cm_start_running(pool, w);
}

void cm_saw_asleep(struct pool *pool, struct worker *w)
{
	int n = lent(pool);

	if (n && !w->asleep && !w->intensive)
		set_lent(pool, n - 1);
	cm_set_asleep(pool, w, true);
}

void cm_set_intensive(struct pool *pool, struct worker *w)
{
	if (w->intensive)
		return;
	w->intensive = true;
	if (!w->asleep)
		cm_stop_running(pool, w);
}

void cm_item_done(struct pool *pool, struct worker *w)
{
	bool counted = !w->asleep && !w->intensive;

	if (w->asleep) {
		pool->nr_asleep--;
		if (!w->hint_depth && cm_may_lend(pool))
			set_lent(pool, lent(pool) + 1);
	}
	w->asleep = false;
	w->intensive = false;
	if (!counted)
		cm_start_running(pool, w);
}

/* Whom a sentinel saw asleep just now, in the item that was started last; 0 if
 * nobody. */
static int take_seen(struct pool *pool) REQUIRES(pool->lock)
{
	int tid = atomic_load(&pool->seen_asleep);

	if (!tid)
		return 0;
	atomic_store(&pool->seen_asleep, 0);
	if (atomic_load(&pool->seen_seq) != atomic_load(&pool->seq) ||
	    os_now() >= atomic_load(&pool->seen_until))
		return 0;
	return tid;
}

bool cm_find_sleepers(struct pool *pool, struct worker *self, int max,
		      bool trust)
{
	int known = take_seen(pool);
	struct worker *w;
	bool sure = true;
	int looked = 0;

	list_for_each_entry (w, &pool->busy, entry) {
		enum os_thread_state state;

		if (w == self || w->asleep || w->intensive)
			continue;
		if (looked++ == max)
			return false;
		state = w->tid == known ? OS_THREAD_ASLEEP
					: os_thread_state(w->tid);
		/* After the look: it may have been for the lock that it slept. */
		if (!worker_is_inside(w))
			continue;
		if (state == OS_THREAD_ASLEEP ||
		    (state == OS_THREAD_UNKNOWN && trust))
			cm_saw_asleep(pool, w);
		else if (state == OS_THREAD_UNKNOWN)
			sure = false;
	}
	if (sure)
		cm_looked(pool, 0);
	return sure;
}

void cm_recheck(struct pool *pool)
{
	struct worker *w;
	int looked = 0;
	uint64_t now;

	if (!pool_bound(pool) || !param_get(recheck))
		return;
	now = os_now();
	if (now < pool->recheck_at)
		return;
	pool->recheck_at = now + RECHECK_INTERVAL;
	list_for_each_entry_safe (w, &pool->busy, entry) {
		if (!w->asleep || w->hint_depth)
			continue;
		if (looked++ == RECHECK_MAX)
			break;
		if (os_thread_state(w->tid) == OS_THREAD_RUNNING)
			cm_set_asleep(pool, w, false);
	}
}

/*
 * The depth keeps the tick from taking the mark off a worker that spins. The
 * mark is set before any other worker is woken.
 */
void cm_block_begin(void)
{
	struct worker *w = worker_self();
	struct pool *pool;

	if (!w || !param_get(hints) || atomic_fetch_add(&w->hint_depth, 1))
		return;
	pool = atomic_load(&w->pool);
	pool_lock(pool);
	cm_set_asleep(pool, w, true);
	if (cm_may_start(pool))
		cm_wake_idle(pool, false);
	pool_unlock(pool);
}

void cm_block_end(void)
{
	struct worker *w = worker_self();
	struct pool *pool;

	if (!w || !w->hint_depth || atomic_fetch_sub(&w->hint_depth, 1) > 1)
		return;
	pool = atomic_load(&w->pool);
	pool_lock(pool);
	cm_set_asleep(pool, w, false);
	pool_unlock(pool);
}

void cmwq_blocking_begin(void)
{
	cm_block_begin();
}

void cmwq_blocking_end(void)
{
	cm_block_end();
}
