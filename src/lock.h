/* SPDX-License-Identifier: MIT */
/*
 * lock - the mutex with its rank, completion, event.
 *
 * Every lock has a rank; a thread takes locks in rising rank only. With
 * CMWQ_LOCKDEP that is checked at run time; under clang -Wthread-safety the
 * compiler checks the REQUIRES contracts. docs/LOCKING.md lists the ranks.
 */
#ifndef CMWQ_LOCK_H
#define CMWQ_LOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define THREAD_ATTR(x) __attribute__((x))
#else
#define THREAD_ATTR(x)
#endif
#define CAPABILITY	 THREAD_ATTR(capability("mutex"))
#define REQUIRES(...)	 THREAD_ATTR(requires_capability(__VA_ARGS__))
#define ACQUIRE(...)	 THREAD_ATTR(acquire_capability(__VA_ARGS__))
#define RELEASE(...)	 THREAD_ATTR(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...) THREAD_ATTR(try_acquire_capability(true, __VA_ARGS__))
#define NO_ANALYSIS	 THREAD_ATTR(no_thread_safety_analysis)

enum lock_rank {
	RANK_BH,       /* who runs the BH items of a CPU */
	RANK_TOPO,     /* reading the topology */
	RANK_REGISTRY, /* the list of workqueues */
	RANK_WQ,       /* one workqueue: max_active, flush epochs */
	RANK_POOL,     /* one pool: everything about its items and workers */
	RANK_NODE,     /* who waits for a slot of a node's max_active */
	RANK_MAYDAY,   /* whom rescuers are to help */
	RANK_SLOT,     /* worker slots */
	RANK_GRACE,    /* RCU work in its grace period */
	RANK_TIMER,    /* the wheel */
	RANK_ORDER,    /* who has waited for whom */
};

/*
 * A mutex in one word: free, taken, or taken with waiters. It is ours because
 * it is taken twice per item: two atomics a pair, inlined, where the C
 * library's costs a hundred instructions; and because a forked child can make
 * it free again whatever state it was in.
 */
enum {
	LOCK_FREE,
	LOCK_TAKEN,
	LOCK_CONTENDED
};

struct CAPABILITY lock {
	_Atomic uint32_t word;
	enum lock_rank rank;
};

#define LOCK_INITIALIZER(r)    \
	{                      \
		LOCK_FREE, (r) \
	}

static inline void lock_init(struct lock *l, enum lock_rank rank)
{
	atomic_store(&l->word, LOCK_FREE);
	l->rank = rank;
}

/* Does anybody wait for it, as far as is known? */
static inline bool lock_is_wanted(struct lock *l)
{
	return atomic_load_explicit(&l->word, memory_order_relaxed) ==
	       LOCK_CONTENDED;
}

void lock_slow(struct lock *l);
void lock_wake(struct lock *l);

#ifdef CMWQ_LOCKDEP
void lock_rank_acquire(const struct lock *l);
void lock_rank_note(const struct lock *l);
void lock_rank_forget(void); /* all: in a forked child */
void lock_rank_release(const struct lock *l);
#else
static inline void lock_rank_acquire(const struct lock *l)
{
	(void)l;
}
static inline void lock_rank_note(const struct lock *l)
{
	(void)l;
}
static inline void lock_rank_forget(void)
{
}
static inline void lock_rank_release(const struct lock *l)
{
	(void)l;
}
#endif

static inline void lock(struct lock *l) ACQUIRE(*l) NO_ANALYSIS
{
	uint32_t free = LOCK_FREE;

	lock_rank_acquire(l);
	if (!atomic_compare_exchange_strong_explicit(
		    &l->word, &free, LOCK_TAKEN, memory_order_acquire,
		    memory_order_relaxed))
		lock_slow(l);
}

static inline void unlock(struct lock *l) RELEASE(*l) NO_ANALYSIS
{
	lock_rank_release(l);
	if (atomic_exchange_explicit(&l->word, LOCK_FREE,
				     memory_order_release) == LOCK_CONTENDED)
		lock_wake(l);
}

/* In the middle of something long: let those in who sleep until it is free. */
void lock_give_way(struct lock *l) REQUIRES(*l);

/* Take it if it is free. What cannot wait may be tried in any order. */
static inline bool lock_try(struct lock *l) TRY_ACQUIRE(*l) NO_ANALYSIS
{
	uint32_t free = LOCK_FREE;

	if (!atomic_compare_exchange_strong_explicit(
		    &l->word, &free, LOCK_TAKEN, memory_order_acquire,
		    memory_order_relaxed))
		return false;
	lock_rank_note(l);
	return true;
}

/* A completion is used once. Its memory may go when the waiter has returned. */
struct completion {
	_Atomic uint32_t done;
};

static inline void completion_init(struct completion *c)
{
	atomic_init(&c->done, 0);
}

static inline bool completion_done(struct completion *c)
{
	return atomic_load_explicit(&c->done, memory_order_acquire);
}

void completion_wait(struct completion *c);
void completion_complete(struct completion *c);

/*
 * An event: wait until a condition that others make true, without a lock
 * common to both.
 *
 *	waiter: n = event_prepare(e); if (!condition) event_wait(e, n);
 *	waker:  make the condition true; event_signal(e);
 */
struct event {
	_Atomic uint32_t seq;
};

static inline uint32_t event_prepare(struct event *e)
{
	return atomic_load(&e->seq);
}

void event_wait(struct event *e, uint32_t seq);
void event_signal(struct event *e);

#endif
