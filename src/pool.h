/* SPDX-License-Identifier: MIT */
/*
 * pool - where items wait and workers live; its inbox.
 *
 * Field letters, here and in pwq.h, worker.h and wq.h:
 *  I  set before the object is published, constant afterwards
 *  P  pool->lock (for a pwq or worker: its pool's)
 *  W  wq->lock
 *  A  atomic; the comment says who writes
 *  S  only the worker itself
 *  T  only the timer thread
 *  M  the mayday lock (rescuer.c)
 *
 * The rule of the house: whoever takes pool->lock drains the inbox before he
 * reasons about the lists, and ends a lease (pool_lock() in lease.h does all that).
 * Then the worklist and the inactive lists are complete, as if every queueing had
 * taken the lock, and every start and end of an item. Only a worker between two
 * items, or before its first one, may put the drain off, by at most 64 items or where
 * they are tiny.
 */
#ifndef CMWQ_POOL_H
#define CMWQ_POOL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <cmwq/workqueue.h>

#include "list.h"
#include "lock.h"
#include "work.h"

struct worker;

#define LONG_BITS ((int)(8 * sizeof(long)))

enum {
	NR_PRIORITIES = 2,		  /* normal, high */
	POOLS_PER_CPU = 2 * NR_PRIORITIES /* with threads, and BH */
};

/* What a sentinel says about its CPU while work waits. */
enum cpu_idle {
	CPU_BUSY,  /* nothing */
	CPU_MAYBE, /* it ran, but others may want to */
	CPU_IDLE,  /* nobody else wants to run */
};

struct pool {
	int cpu;      /* I: whose it is, or -1: an unbound one */
	int id;	      /* I: in thread names: CPU, or number of the pool */
	int nice;     /* I: of its workers */
	bool highpri; /* I: in thread names */
	bool bh; /* I: its items run on the BH thread of its CPU, see bh.c */
	bool strict;	    /* I: workers stay in the pod */
	unsigned int moves; /* P: counts changes of where workers may run */
	int node; /* registry lock: NUMA node of all CPUs of the pod, or -1 */
	_Atomic bool bound;  /* A: runs one item at a time: its CPU may be used,
				else it is as good as unbound; BH: always;
				under lock */
	_Atomic bool pinned; /* A: its workers are bound to cpu; under lock */
	_Atomic int nr_cpus; /* A: CPUs of the pod that we may use */
	_Atomic int cap;     /* A: workers that may run at once */
	/* A: CPUs that it serves, and those on which its workers may run. NULL:
	   all, or the one. Written by unbound.c while nobody uses it. */
	_Atomic(_Atomic unsigned long *) pod;
	_Atomic(_Atomic unsigned long *) cpus;
	_Atomic(struct pool *) next; /* A: in pool_list; set once */
	int refs;		     /* registry lock: pwqs in it */
	_Atomic int users;     /* A: pwqs that get items; under registry lock */
	_Atomic bool deserted; /* A: no more users; under registry lock */

	/* Pushers write it, drainers empty it. */
	_Alignas(64) _Atomic uintptr_t inbox; /* A: first item, INBOX_QUIET */
	/* A: pushers: about so many pushes to saturated pwqs since a drain. */
	_Atomic unsigned int quiet_pushes;

	/* Read by pushers, written by workers at changes of what they say. */
	_Alignas(64) _Atomic int nr_running; /* A: under lock, but for reads */
	_Atomic(struct worker *) first_idle; /* A: written under lock */
	_Atomic bool has_work; /* A: worklist or lease not empty; under lock */
	_Atomic bool tiny;     /* A: items are so short that one worker keeps
				   up with them; under lock. BH: always */
	_Atomic bool stream;   /* A: got through many tiny items since the last
				tick; under lock, T clears it */
	_Atomic int cpu_idle;  /* A: enum cpu_idle, by a sentinel */
	_Atomic int lent;      /* A: of those counted in nr_running so many are
				asleep, nobody has looked who; under lock */
	_Atomic int lone;      /* A: workers; see place.c */
	_Atomic int at; /* A: workers; where one went to work, plus one */
	_Atomic uint64_t behind_at;  /* A: pushers; when one was queued behind
				       who runs, ns; see place.c; 0: that
				       has been seen */
	_Atomic unsigned int doubts; /* A: so many are to follow in time before
					one is left to who runs; under lock */
	_Atomic int runner;	 /* A: thread last counted, if it has not left
				   the pool, or 0; under lock */
	_Atomic int runner_cpu;	 /* A: of a wide pool: where it was then */
	_Atomic int seen_asleep; /* A: the runner, if a sentinel saw it sleep */
	_Atomic unsigned long seen_seq; /* A: and seq was this */
	_Atomic uint64_t seen_until;	/* A: too old to believe from then on */
	_Atomic uint64_t
		back_at;	/* A: an item that slept for a short time ended
				while some were lent, ns; under lock */
	_Atomic bool grant;	/* A: the tick lets one more worker run */
	_Atomic int nr_threads; /* A: workers and those being created */
	_Atomic bool want;	/* A: asks the timer thread for a worker */
	_Atomic bool crowded;	/* A: asks it to drain, see pool_crowds() */

	/* With what is written under it for each item: one line, which goes to
	   whoever takes it. */
	_Alignas(64) struct lock lock;
	struct list worklist; /* P: items to be started */
	/* A: changes with each item started; under lock, or by the lessee */
	_Atomic unsigned long seq;
	struct worker *lessee; /* P: may run items without the lock: lease.h */
	/* P: out of the inbox, in order, by entry.next, not admitted yet */
	struct work_struct *drained;
	int nr_asleep;	       /* P: busy workers found asleep */
	unsigned int nr_taken; /* P: out of the inbox, since pace_begin() */
	struct list idle;      /* P: workers, last used first */
	struct list busy;      /* P: workers with an item */
	struct list waiters;   /* P: flushers of queued items */
	struct list held;   /* P: pwqs that may start nothing for reasons beyond
			     this pool */
	int nr_workers;	    /* P */
	int nr_idle;	    /* P */
	int peak;	    /* P: the most workers there were */
	int next_worker_id; /* P */
	unsigned int look;  /* P: the tick's present round of looks */
	int seem;	    /* P: workers that run, by its last looks, scaled */
	int rest;	    /* P: ticks until it looks again at a few of many */
	bool managed;	    /* P: somebody creates a worker */
	uint64_t recheck_at;	 /* P: next look at sleepers, ns */
	uint64_t drained_at;	 /* P: though the worklist was not empty, ns */
	unsigned int own_items;	 /* P: wide: since it was last judged */
	uint64_t own_ns;	 /* P: what their functions took */
	unsigned long own_round; /* P: counts these judgements */
	bool was_slow;		 /* P: items took longer than tiny ones */
	struct cmwq_timer cull_timer; /* P: armed while cull_armed */
	bool cull_armed;	      /* P */
	int wants;	 /* T: workers beyond the first that it could use */
	int share;	 /* T: that it may run */
	int stuck_ticks; /* T: in which it started nothing */
	unsigned long tick_seq; /* T: seq at the last tick */
	uint64_t mayday_at; /* T: rescuers are called (again), ns; 0: a worker
				   is there, or none is needed */
	unsigned long watch_seq; /* T: seq at the last look of the watchdog */
	_Atomic uint64_t still_since; /* A: T writes; since it saw work wait and
					 nothing start, ns; or 0 */
	_Atomic uint64_t touched; /* A: wq_watchdog_touch(), by anybody; ns */
	uint64_t reported;	  /* T: by the watchdog, in this standstill */
};

#define INBOX_QUIET 1UL /* nothing in it needs anybody to be woken */
#define INBOX_POKE  2UL /* pwqs in pool->held are to be looked at */
#define INBOX_FLAGS (INBOX_QUIET | INBOX_POKE)

#define POOL_CROWD 16384 /* items; to drain them takes about 0.1 ms */

void pool_init(struct pool *pool, int cpu, int id, bool highpri, int cap);
/* A new one; in the list once it is published. */
struct pool *pool_new(int cpu, int id, bool highpri, int cap);
void pool_publish(struct pool *pool);
void pool_reset(struct pool *pool); /* in a forked child */

static inline struct work_struct *link_work(void *link)
{
	return link;
}

/* The item's link as a list node; the types differ in the public header. */
static inline struct list *work_entry(struct work_struct *work)
{
	return (struct list *)&work->entry;
}

static inline struct work_struct *entry_work(struct list *l)
{
	return container_of((struct cmwq_link *)l, struct work_struct, entry);
}

/*
 * Push owned items, each of which but the first links to the one before it. True if
 * the caller must see to it that somebody looks: nothing but quiet items was there.
 * Lock-free, async-signal-safe.
 */
bool pool_push_chain(struct pool *pool, struct work_struct *first,
		     struct work_struct *last, bool quiet);

static inline bool pool_push(struct pool *pool, struct work_struct *work,
			     bool quiet)
{
	return pool_push_chain(pool, work, work, quiet);
}

/*
 * After a push to a saturated pwq, for which nobody is woken: whether so many have
 * come that the timer thread is to be woken for a drain. Otherwise whoever takes the
 * lock next would hold it for all of them.
 */
static inline bool pool_crowds(struct pool *pool)
{
	unsigned int n = 1 + atomic_load_explicit(&pool->quiet_pushes,
						  memory_order_relaxed);

	atomic_store_explicit(&pool->quiet_pushes, n, memory_order_relaxed);
	if (likely(n % POOL_CROWD))
		return false;
	atomic_store(&pool->crowded, true);
	return true;
}

/* Make the next one who takes the lock look at pool->held. True if the caller
 * must see to it that somebody does. Lock-free. */
bool pool_poke(struct pool *pool);

/* Nothing in the inbox is quiet any more. True if all was, and the caller must see
 * to it that somebody looks. Lock-free. */
bool pool_make_loud(struct pool *pool);

/*
 * Whether there is something that a worker could start and has not. In this
 * order: a drain says has_work before it empties the inbox (pool_drain_slow()).
 */
static inline bool pool_waiting(struct pool *pool)
{
	uintptr_t head = atomic_load(&pool->inbox);

	if (head && !(head & INBOX_QUIET))
		return true;
	return atomic_load(&pool->has_work);
}

static inline void pool_unlock(struct pool *pool) RELEASE(pool->lock)
{
	unlock(&pool->lock);
}

void pool_add_work(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock);
void pool_del_work(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock);

/*
 * All pools, CPU pools first, then unbound ones. The list only grows, and its
 * records are never freed: anybody may follow it, and a pointer to a pool that
 * was read long ago is still one to a pool.
 */
extern _Atomic(struct pool *) pool_list;
extern _Atomic(struct pool *) pool_list_unbound;
extern struct pool **cpu_pools; /* by CPU, BH, priority */
struct pool *pool_of_cpu(int cpu, bool highpri);
struct pool *pool_bh(int cpu, bool highpri);
struct pool *pool_unbound(bool highpri);
int pools_init(void);

#define for_each_pool(pool)                            \
	for ((pool) = atomic_load(&pool_list); (pool); \
	     (pool) = atomic_load(&(pool)->next))

static inline int pool_cap(struct pool *pool)
{
	return atomic_load_explicit(&pool->cap, memory_order_relaxed);
}

static inline bool pool_is_tiny(struct pool *pool)
{
	return atomic_load_explicit(&pool->tiny, memory_order_relaxed);
}

/*
 * Does one CPU belong to it alone, or is it an unbound pool or one that has lost its
 * CPU? Without the lock the answer may be a moment old: then whoever was woken in
 * vain sleeps again, and who was not is woken by the tick.
 */
static inline bool pool_bound(struct pool *pool)
{
	return atomic_load_explicit(&pool->bound, memory_order_relaxed);
}

/* Beyond so many a look at each CPU of a pool takes longer than many an item. */
#define FEW_CPUS 4

static inline bool pool_is_wide(struct pool *pool)
{
	return !pool_bound(pool) &&
	       atomic_load_explicit(&pool->nr_cpus, memory_order_relaxed) >
		       FEW_CPUS;
}

/* Is it one of the CPUs that it serves? */
static inline bool pool_has_cpu(struct pool *pool, int cpu)
{
	_Atomic unsigned long *pod = atomic_load(&pool->pod);

	if (pool_bound(pool))
		return pool->cpu == cpu;
	return !pod || atomic_load_explicit(&pod[cpu / LONG_BITS],
					    memory_order_relaxed) >>
				       (cpu % LONG_BITS) &
			       1;
}

/* The first CPU from @cpu on that it serves; os_nr_cpus() if there is none. */
int pool_next_cpu(struct pool *pool, int cpu);

/*
 * Those whose workers may run items on a CPU. Pools that have lost theirs are not
 * among them: on a machine of which the process may use a small part they are the
 * most.
 */
static inline struct pool *pool_first_on(int cpu)
{
	return pool_of_cpu(cpu, false);
}
struct pool *pool_next_on(struct pool *pool, int cpu);

#define for_each_pool_on(pool, cpu)               \
	for ((pool) = pool_first_on(cpu); (pool); \
	     (pool) = pool_next_on(pool, cpu))

#endif
