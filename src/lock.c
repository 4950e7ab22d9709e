/* SPDX-License-Identifier: MIT */
/*
 * lock - the mutex with its rank, completion, event. See lock.h.
 */
#include "lock.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "os.h"

#define SPINS	    100
#define GIVE_WAY_NS (50 * NSEC_PER_USEC) /* a wakeup takes so long */

/* Holds are short: look for a while before sleeping. Whoever has slept takes
 * the lock as contended, since there may be others. */
void lock_slow(struct lock *l)
{
	for (int i = 0; i < SPINS; i++) {
		uint32_t free = LOCK_FREE;

		if (atomic_load_explicit(&l->word, memory_order_relaxed) ==
			    LOCK_FREE &&
		    atomic_compare_exchange_strong_explicit(
			    &l->word, &free, LOCK_TAKEN, memory_order_acquire,
			    memory_order_relaxed))
			return;
		os_pause();
	}
	while (atomic_exchange_explicit(&l->word, LOCK_CONTENDED,
					memory_order_acquire) != LOCK_FREE)
		os_futex_wait(&l->word, LOCK_CONTENDED, 0);
}

void lock_wake(struct lock *l)
{
	os_futex_wake(&l->word, 1);
}

/* Whoever is woken finds it taken again unless we stay away for so long. */
void lock_give_way(struct lock *l) NO_ANALYSIS
{
	bool wanted = lock_is_wanted(l);

	unlock(l);
	if (wanted)
		os_sleep_ns(GIVE_WAY_NS);
	lock(l);
}

#ifdef CMWQ_LOCKDEP
#define MAX_HELD 8

static __thread const struct lock *held[MAX_HELD];
static __thread int nr_held;

void lock_rank_acquire(const struct lock *l)
{
	if (nr_held && held[nr_held - 1]->rank >= l->rank) {
		fprintf(stderr, "cmwq: lock rank %d taken with %d held\n",
			(int)l->rank, (int)held[nr_held - 1]->rank);
		abort();
	}
	lock_rank_note(l);
}

void lock_rank_note(const struct lock *l)
{
	if (nr_held == MAX_HELD)
		abort();
	held[nr_held++] = l;
}

void lock_rank_forget(void)
{
	nr_held = 0;
}

void lock_rank_release(const struct lock *l)
{
	/* A forked child brings locks back that it "held" as another thread. */
	if (!nr_held)
		return;
	if (held[nr_held - 1] != l) {
		fprintf(stderr, "cmwq: lock rank %d released out of order\n",
			(int)l->rank);
		abort();
	}
	nr_held--;
}
#endif

void completion_wait(struct completion *c)
{
	while (!atomic_load_explicit(&c->done, memory_order_acquire))
		os_futex_wait(&c->done, 0, 0);
}

/* After the store the waiter may be gone with its stack; the wake then meets
 * nobody, or a waiter that looks at its condition again. */
void completion_complete(struct completion *c)
{
	atomic_store_explicit(&c->done, 1, memory_order_release);
	os_futex_wake(&c->done, INT_MAX);
}

void event_wait(struct event *e, uint32_t seq)
{
	os_futex_wait(&e->seq, seq, 0);
}

void event_signal(struct event *e)
{
	atomic_fetch_add(&e->seq, 1);
	os_futex_wake(&e->seq, INT_MAX);
}
