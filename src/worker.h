/* SPDX-License-Identifier: MIT */
/*
 * worker - a thread that runs items, and its slot.
 *
 * Workers are type-stable: their memory is reused for other workers, never
 * freed, so anybody may look at one at any time. A slot number finds a worker.
 *
 * What it runs is published in current_work, func, pwq before it clears the
 * item's PENDING, and current_work is cleared first when the function has
 * returned. For the owner of PENDING, "it does not run there" is therefore
 * final: it could only start there after being queued by himself.
 */
#ifndef CMWQ_WORKER_H
#define CMWQ_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <cmwq/workqueue.h>

#include "list.h"
#include "pool.h"

struct node;
struct pwq;

#define LEASE_MAX   32	 /* items */
#define LEASE_RUNS  1024 /* of the last one of them, all in all */
#define LEASE_ENDED (1U << 31)

enum lease_from {
	FROM_INBOX,    /* not admitted, so not counted at all */
	FROM_WORKLIST, /* active */
	FROM_INACTIVE, /* in flight, but not active */
};

/* Items that a worker may start and end without the lock; see lease.h. */
struct lease_item {
	struct work_struct *work;
	work_func_t func;
	struct pwq *pwq;
	uint8_t from;	/* enum lease_from */
	uint8_t colour; /* unless from the inbox */
};

struct lease {
	_Atomic uint32_t taken; /* A: S adds; LEASE_ENDED under lock */
	_Atomic uint32_t done;	/* A: S; runs that are over */
	_Atomic uint32_t end;	/* A: S; runs in all */
	bool open;  /* S: nothing is drained behind it, and no run is just being
			 added */
	bool ended; /* P: by somebody else than the lessee */
	bool rerun; /* P: the one that runs runs once more */
	uint32_t known;		 /* P: end as of then */
	unsigned long idle_word; /* S: of an item that he has started last */
	uint32_t nr;		 /* P: of item[]; later runs are the last's */
	struct lease_item *item; /* S: on his stack. P once it has ended */
	/* A: the last item, if the last run was added by itself. S sets it before
	   end, NULL under lock */
	_Atomic(struct work_struct *) again;
	struct work_struct *work; /* P: that ran then or was about to, unless
				     it was queued since */
	struct pwq *running;	  /* P: of it; is counted in it */
	bool gather;		  /* S: at its end; see lease_gather() */
	unsigned int misses;	  /* S: that was in vain, times in a row */
	unsigned int skips;	  /* S: leases before it is tried again */
	struct pwq *slot;  /* P: whose node has given the lessee a slot, for the
			     one that runs out of the inbox; or NULL */
	struct node *line; /* S: that node, whose line ends his runs; or NULL */
	struct pwq *row; /* P: has inactive items that might be active, and are
			    to be leased in a row instead; or NULL */
};

struct worker {
	/* Read by queueing threads. */
	_Alignas(64) _Atomic(struct work_struct *) current_work; /* A: S */
	_Atomic(work_func_t) current_func;			 /* A: S */
	_Atomic(struct pwq *) current_pwq;			 /* A: S */
	_Atomic(struct workqueue_struct *) current_wq;		 /* A: S */
	_Atomic(struct pool *) pool; /* A: set when the slot is taken; a
				rescuer's is where it helped last */
	_Atomic uint32_t wake;	     /* A: set by wakers; the futex */
	_Atomic bool returned;	     /* A: S; the function has, the item is
					not over before it has the lock */

	_Alignas(64) struct list entry; /* P: in pool->idle or busy */
	_Atomic unsigned long seq;	/* A: S; counts its items */
	unsigned int slot;		/* I */
	uint32_t gen;		     /* I: process generation it belongs to */
	int tid;		     /* I: before it is on any list */
	int id;			     /* I: in its name */
	bool is_idle;		     /* P */
	bool asleep;		     /* P: found sleeping; not in nr_running */
	unsigned int look;	     /* P: the look at which it was seen */
	bool intensive;		     /* P: a CPU hog; not in nr_running */
	bool die;		     /* P: culled */
	bool came_home;		     /* S: back in its pod, not counted yet */
	bool requeued;		     /* S: pushed what it ran, and nobody was
					told to look */
	unsigned int moves;	     /* S: pool->moves when it moved; another
					number if it is to */
	_Atomic int hint_depth;	     /* A: S writes; hints in force */
	unsigned int current_colour; /* P */
	_Atomic int cpu;	     /* A: S writes; where it fell asleep */
	_Atomic unsigned int
		woken_from; /* A: where its waker was, or 0; see place.h */
	_Atomic uint64_t kicked_at; /* A: and since when that is, ns */
	uint64_t woken_at;	    /* S: ns */
	unsigned long woken_seq;    /* S: its seq then */
	unsigned long followed;	    /* S: items that came while it ran one */
	unsigned int near;     /* S: slept where its items are queued, times */
	unsigned int misses;   /* S: was not woken there, times in a row */
	struct list scheduled; /* P: items to run after the current one */
	struct list waiters;   /* P: flushers of the current item */
	uint64_t idle_since;   /* P: ns */
	uint64_t began;	       /* S: its item, ns; 0: nothing was lent then */
	long sleeps; /* S: of its thread when that began, as cm.c counts */
	bool sleeps_known;	   /* S: when the item before it ended */
	bool slept;		   /* S: in its item, if began is known */
	unsigned long tick_seq;	   /* P: seq when the hog clock was set */
	uint64_t tick_cpu;	   /* P: CPU time then */
	unsigned long tick_waits;  /* P: how often it had slept then */
	int clock_tid;		   /* T: whose CPU time the tick has read */
	uint64_t clock_cpu;	   /* T: which was that */
	uint64_t clock_at;	   /* T: then, ns */
	unsigned long own_round;   /* P: of its pool, in which it ended an item,
				      plus one */
	unsigned long watch_seq;   /* P: seq when the watchdog saw it first */
	unsigned long watch_waits; /* P: how often it had slept then */
	uint64_t watch_cpu;	   /* P: CPU time then */
	bool computes;		   /* P: it has done nothing else since */
	struct worker *next_free;  /* slot lock */
	struct workqueue_struct *rescue_wq; /* I: a rescuer, of this one */
	char desc[WORKER_DESC_LEN]; /* P: of the current item, or the last */
	_Alignas(64) struct lease lease;
};

/* A thread in flush_work() or a cancel: woken when the item's run is over. */
struct waiter {
	struct list entry;	  /* P */
	struct work_struct *work; /* P: whose queueing it waits for */
	struct completion done;
};

#define MAX_WORKERS WORD_NO_SLOT

extern _Atomic(struct worker *) worker_slots[MAX_WORKERS];
extern __thread struct worker *worker_tls;
/* The process that made this thread a worker; a forked child has another. */
extern __thread uint32_t worker_tls_gen;

/* Is it in the function of an item? What sleeps outside of one waits for the pool's
 * lock, and gets it soon. */
static inline bool worker_is_inside(struct worker *w)
{
	return atomic_load(&w->current_work) && !atomic_load(&w->returned);
}

/* The worker of a slot, or NULL. */
static inline struct worker *worker_of_slot(unsigned int slot)
{
	if (slot == WORD_NO_SLOT)
		return NULL;
	return atomic_load_explicit(&worker_slots[slot], memory_order_acquire);
}

/* Of this thread; NULL outside of workers and in a forked child. */
static inline struct worker *worker_self_in(uint32_t gen)
{
	return worker_tls_gen == gen ? worker_tls : NULL;
}

static inline struct worker *worker_self(void)
{
	return worker_self_in(os_generation());
}

/* Memory for a new worker of @pool, or NULL. */
struct worker *worker_alloc(struct pool *pool);
/* Give back the calling thread's own record: what the thread does from then on, in
 * destructors of the program, it does as nobody. */
void worker_leave(struct worker *worker);
void worker_free(struct worker *worker);
void worker_reset_all(void); /* in a forked child */

static inline bool worker_runs(struct worker *worker, struct work_struct *work)
{
	return atomic_load_explicit(&worker->current_work,
				    memory_order_acquire) == work;
}

/*
 * For the owner of @work: the pwq in which that worker runs it as an item of
 * @wq, or NULL, which is final.
 *
 * current_work is read again after the pwq: had the worker gone on to another
 * item meanwhile, the second read would see the NULL in between or what came
 * after, and never @work again, since its owner is here.
 */
static inline struct pwq *worker_runs_for(struct worker *worker,
					  struct work_struct *work,
					  struct workqueue_struct *wq)
{
	struct workqueue_struct *its_wq;
	work_func_t func;
	struct pwq *pwq;

	if (!worker_runs(worker, work))
		return NULL;
	func = atomic_load_explicit(&worker->current_func,
				    memory_order_acquire);
	pwq = atomic_load_explicit(&worker->current_pwq, memory_order_acquire);
	its_wq =
		atomic_load_explicit(&worker->current_wq, memory_order_acquire);
	if (!worker_runs(worker, work))
		return NULL;
	return func == work->func && its_wq == wq ? pwq : NULL;
}

/* For the owner of @work: the worker, of whatever pool, that runs it as an item of
 * @wq, or NULL. Takes long; for when nothing tells where to look. */
struct worker *worker_find(struct work_struct *work,
			   struct workqueue_struct *wq);

/* Where the workers of a pool may run, for os_thread_move(). */
static inline int worker_cpu(struct pool *pool)
{
	return pool_bound(pool) ? pool->cpu : -1;
}

static inline const _Atomic unsigned long *worker_cpus(struct pool *pool)
{
	return atomic_load(pool->strict ? &pool->pod : &pool->cpus);
}

/* Off the list of idle ones, if it is on it. */
void worker_leave_idle(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock);

/* The worker of the pool that runs @work, or NULL. */
struct worker *pool_find_busy(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock);

#endif
