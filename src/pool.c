/* SPDX-License-Identifier: MIT */
/*
 * pool - where items wait and workers live; its inbox. See pool.h.
 *
 * The inbox is a stack: push by compare-and-swap, emptied by one exchange and
 * reversed. No state of it is half done, so a pusher that stops at any point
 * holds nobody up, and since nothing pops a single item there is no ABA.
 * Who finds that another pusher was faster stays away for a moment. Meanwhile that one
 * pushes one item after another; else the line went back and forth for each of them, and
 * for each vain attempt.
 * The lowest bit of the head says that all items in it are quiet (nobody needs
 * to be woken for them); the first push without it kicks. The next one is a push
 * without an item: pwqs that were held up may go on.
 */
#include "pool.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BACK_OFF \
	20 /* pauses, of some ns each: a few of a line's ways there and back */

_Atomic(struct pool *) pool_list;
_Atomic(struct pool *) pool_list_unbound;
struct pool **cpu_pools;
static struct pool *unbound_pools[NR_PRIORITIES];

static void init_lists(struct pool *pool)
{
	list_init(&pool->worklist);
	list_init(&pool->idle);
	list_init(&pool->busy);
	list_init(&pool->waiters);
	list_init(&pool->held);
}

void pool_init(struct pool *pool, int cpu, int id, bool highpri, int cap)
{
	memset(pool, 0, sizeof(*pool));
	lock_init(&pool->lock, RANK_POOL);
	pool->cpu = cpu;
	pool->id = id;
	pool->nice = highpri ? -20 : 0;
	pool->highpri = highpri;
	pool->node = -1;
	pool->cap = cap;
	pool->nr_cpus = cap;
	pool->bound = cpu >= 0 && os_cpu_allowed(cpu);
	pool->pinned = pool_bound(pool);
	init_lists(pool);
}

void pool_reset(struct pool *pool)
{
	size_t activity = offsetof(struct pool, inbox);

	memset((char *)pool + activity, 0, sizeof(*pool) - activity);
	lock_init(&pool->lock, RANK_POOL);
	pool->pinned = pool_bound(pool);
	pool->tiny = pool->bh;
	init_lists(pool);
}

/* Another one got there first: the head that he left is in @head. If that is none the
 * inbox was drained, once for many pushes, and nobody else wants the line. */
static __attribute__((cold, noinline)) uintptr_t let_go_on(struct pool *pool,
							   uintptr_t head)
{
	if (!head)
		return head;
	for (int i = 0; i < BACK_OFF; i++)
		os_pause();
	return atomic_load_explicit(&pool->inbox, memory_order_relaxed);
}

bool pool_push_chain(struct pool *pool, struct work_struct *first,
		     struct work_struct *last, bool quiet)
{
	uintptr_t head =
		atomic_load_explicit(&pool->inbox, memory_order_relaxed);
	uintptr_t next;
	bool all_quiet;

	for (;;) {
		all_quiet = !head || (head & INBOX_QUIET);
		first->entry.next = (void *)(head & ~INBOX_FLAGS);
		next = (uintptr_t)last | (head & INBOX_POKE) |
		       (quiet && all_quiet);
		/* Pairs with the worker's way to sleep, see cm.c. */
		if (likely(atomic_compare_exchange_weak(&pool->inbox, &head,
							next)))
			return all_quiet && !quiet;
		head = let_go_on(pool, head);
	}
}

bool pool_poke(struct pool *pool)
{
	uintptr_t head =
		atomic_load_explicit(&pool->inbox, memory_order_relaxed);

	while (!atomic_compare_exchange_weak(
		&pool->inbox, &head, (head & ~INBOX_QUIET) | INBOX_POKE))
		;
	return !head || (head & INBOX_QUIET);
}

bool pool_make_loud(struct pool *pool)
{
	uintptr_t head = atomic_load(&pool->inbox);

	return head & INBOX_QUIET &&
	       atomic_fetch_and(&pool->inbox, ~INBOX_QUIET) & INBOX_QUIET;
}

void pool_add_work(struct pool *pool, struct work_struct *work)
{
	list_add_tail(work_entry(work), &pool->worklist);
	atomic_store_explicit(&pool->has_work, true, memory_order_relaxed);
}

void pool_del_work(struct pool *pool, struct work_struct *work)
{
	list_del(work_entry(work));
	if (list_empty(&pool->worklist))
		atomic_store_explicit(&pool->has_work, false,
				      memory_order_relaxed);
}

struct pool *pool_of_cpu(int cpu, bool highpri)
{
	return cpu_pools[cpu * POOLS_PER_CPU + highpri];
}

struct pool *pool_bh(int cpu, bool highpri)
{
	return cpu_pools[cpu * POOLS_PER_CPU + NR_PRIORITIES + highpri];
}

struct pool *pool_unbound(bool highpri)
{
	return unbound_pools[highpri];
}

struct pool *pool_next_on(struct pool *pool, int cpu)
{
	if (pool == pool_of_cpu(cpu, false))
		return pool_of_cpu(cpu, true);
	if (pool == pool_of_cpu(cpu, true)) {
		pool = atomic_load(&pool_list_unbound);
		if (!pool || pool_has_cpu(pool, cpu))
			return pool;
	}
	do
		pool = atomic_load(&pool->next);
	while (pool && !pool_has_cpu(pool, cpu));
	return pool;
}

int pool_next_cpu(struct pool *pool, int cpu)
{
	_Atomic unsigned long *pod = atomic_load(&pool->pod);
	int end = os_nr_cpus();

	while (cpu < end && pod) {
		unsigned long word =
			atomic_load_explicit(&pod[cpu / LONG_BITS],
					     memory_order_relaxed) >>
			(cpu % LONG_BITS);

		if (word)
			return cpu + __builtin_ctzl(word);
		cpu += LONG_BITS - cpu % LONG_BITS;
	}
	return cpu < end ? cpu : end;
}

struct pool *pool_new(int cpu, int id, bool highpri, int cap)
{
	struct pool *pool = aligned_alloc(64, sizeof(*pool));

	if (pool)
		pool_init(pool, cpu, id, highpri, cap);
	return pool;
}

void pool_publish(struct pool *pool)
{
	_Atomic(struct pool *) *end = &pool_list;

	while (atomic_load(end))
		end = &atomic_load(end)->next;
	atomic_store(end, pool);
}

int pools_init(void)
{
	int n = os_nr_cpus();

	cpu_pools = calloc((size_t)n * POOLS_PER_CPU, sizeof(*cpu_pools));
	if (!cpu_pools)
		return -ENOMEM;
	for (int i = 0; i < n * POOLS_PER_CPU; i++) {
		int cpu = i / POOLS_PER_CPU;

		cpu_pools[i] =
			pool_new(cpu, cpu, i % NR_PRIORITIES,
				 os_cpu_allowed(cpu) ? 1 : os_nr_allowed());
		if (!cpu_pools[i])
			return -ENOMEM;
		cpu_pools[i]->bh = i % POOLS_PER_CPU >= NR_PRIORITIES;
		cpu_pools[i]->tiny = cpu_pools[i]->bh;
		cpu_pools[i]->bound |= cpu_pools[i]->bh;
		pool_publish(cpu_pools[i]);
	}
	for (int hi = 0; hi < NR_PRIORITIES; hi++) {
		unbound_pools[hi] = pool_new(-1, n * POOLS_PER_CPU + hi, hi,
					     os_nr_allowed());
		if (!unbound_pools[hi])
			return -ENOMEM;
		pool_publish(unbound_pools[hi]);
	}
	atomic_store(&pool_list_unbound, unbound_pools[0]);
	return 0;
}
