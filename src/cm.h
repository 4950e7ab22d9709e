/* SPDX-License-Identifier: MIT */
/* cm - concurrency management: who runs, who sleeps, whom to wake. */
#ifndef CMWQ_CM_H
#define CMWQ_CM_H

#include <stdbool.h>

#include "pool.h"
#include "worker.h"

/* The sentinel of a CPU; see sentinel.c. */
enum sentinel_state {
	SENTINEL_ABSENT,  /* no thread */
	SENTINEL_OFF,	  /* sleeps: nothing waits */
	SENTINEL_ARMED,	  /* runs as soon as its CPU idles */
	SENTINEL_RESTING, /* found work waiting, but nothing to do about it */
	SENTINEL_REFUSED, /* cannot be had on this CPU */
	SENTINEL_LEAVING, /* its CPU was lost: it ends */
};

struct sentinel {
	_Alignas(64) _Atomic uint32_t state; /* A: enum; the futex */
	_Atomic bool want; /* A: asks the timer thread for the thread */
};

extern struct sentinel *sentinels; /* by CPU */

/* Who runs the BH items of a CPU; see bh.c. */
enum bh_state {
	BH_ABSENT, /* no thread */
	BH_ASLEEP, /* on the futex, or about to look once more */
	BH_AWAKE,  /* looks before it sleeps again; or is being created */
};

struct bh_cpu {
	/* Read by those who queue. */
	_Alignas(64) _Atomic uint32_t state; /* A: enum; the futex */
	_Atomic bool want; /* A: asks the timer thread for the thread */

	/* Held by the one who runs items, the thread or in its place another. */
	_Alignas(64) struct lock lock;
	struct worker *worker[NR_PRIORITIES]; /* lock: of the pools */
	int runner; /* lock: id of the thread that has it */
	int tid;    /* lock: of the CPU's own, once it has had the lock */
};

extern struct bh_cpu *bh_cpus; /* by CPU */

int cm_init(void);
void cm_reset(void); /* in a forked child */

/* After a push that found nothing but quiet items: see that somebody looks. */
void cm_kick(struct pool *pool);

/* The same again, in case that this came to nothing; not of a BH pool. */
void cm_kick_again(struct pool *pool);

/* Wake the pool's first idle worker; @again even if it has been woken. False
 * if there is none, or it is on its way. */
bool cm_wake_idle(struct pool *pool, bool again);

/* The same by a sentinel, whose CPU is idle. */
bool cm_wake_idle_here(struct pool *pool);

/* Of a BH pool: wake who runs its items; @again even if that has been done. */
void cm_wake_bh(struct pool *pool, bool again);

/* May a worker that is not running yet start an item, is it not even worth
 * while to go to sleep, may one that finished take another? */
bool cm_may_start(struct pool *pool) REQUIRES(pool->lock);
bool cm_may_stay(struct pool *pool) REQUIRES(pool->lock);
bool cm_may_continue(struct pool *pool) REQUIRES(pool->lock);

/* Work waits and a worker is about to run: wake a second one, or watch it.
 * @fresh: the worklist may have been empty before. */
void cm_watch(struct pool *pool, bool fresh) REQUIRES(pool->lock);

/* A worker goes to sleep though work waits: those who run must be watched. */
void cm_leave_waiting(struct pool *pool) REQUIRES(pool->lock);

/* Transitions of a worker. */
void cm_start_running(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
void cm_stop_running(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
/* It has no item any more and goes idle. */
void cm_leave(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
/* It leaves the pool: what its thread does from now on says nothing about the pool,
 * and its number may become another's. */
void cm_forget_runner(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
void cm_set_asleep(struct pool *pool, struct worker *w, bool asleep)
	REQUIRES(pool->lock);
/* Somebody has looked: if it is one of the lent, it is one less. */
void cm_saw_asleep(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
void cm_set_intensive(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
/* The item is over: whatever was found about its worker ends. */
void cm_item_done(struct pool *pool, struct worker *w) REQUIRES(pool->lock);

/* Look at the threads of up to @max workers counted as running, @self not
 * among them; mark those asleep. If a state cannot be read it counts as asleep
 * if @trust. Returns whether those left in nr_running are known to run. */
bool cm_find_sleepers(struct pool *pool, struct worker *self, int max,
		      bool trust) REQUIRES(pool->lock);

/* A CPU of the unbound pool is idle though as many run as may, as far as is known. So
 * one of them sleeps: the caller takes its place. */
void cm_lend(struct pool *pool) REQUIRES(pool->lock);

/*
 * By the worker, if something is lent, or was when the last item began: about to begin
 * one; without the lock, before and after its function (if w->began says that something
 * is lent), how often it has slept; and that it is over. If it did not sleep, or took
 * long, another one that the worker begins need not be a sleeper.
 */
void cm_item_begins(struct pool *pool, struct worker *w) REQUIRES(pool->lock);
void cm_count_sleeps(struct worker *w);
void cm_item_returned(struct pool *pool, struct worker *w);
void cm_item_took(struct pool *pool, struct worker *w) REQUIRES(pool->lock);

/* All busy workers have been looked at: it is known who sleeps, but that @gone_on of them
 * have begun another item since, and so many others will have gone to sleep. */
void cm_looked(struct pool *pool, int gone_on) REQUIRES(pool->lock);

/* Does it serve all CPUs of its pod? Where it is to keep fewer busy, one that is idle
 * means nothing. And without the tick nobody finds out that too many run. */
bool cm_may_lend(struct pool *pool);

/* Before its next item: notice workers marked asleep that run again. */
void cm_recheck(struct pool *pool) REQUIRES(pool->lock);

/* Hints: the calling thread is about to wait, and has. */
void cm_block_begin(void);
void cm_block_end(void);

/* The tick is asked for by whoever leaves work waiting; the timer thread says that
 * it is on, and off, see tick.c. */
enum {
	TICK_OFF,
	TICK_ASKED,
	TICK_ON
};
extern _Atomic int tick_on;
void cm_wake_ticker(void);

static inline bool cm_ticking(void)
{
	return atomic_load(&tick_on) == TICK_ON;
}

static inline void cm_start_tick(void)
{
	if (unlikely(!cm_ticking()))
		cm_wake_ticker();
}

#endif
