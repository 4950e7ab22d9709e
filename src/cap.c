/* SPDX-License-Identifier: MIT */
/* cap - how many workers of a pool may run at once. See cap.h. */
#include "cap.h"

#include "os.h"
#include "quota.h"

static unsigned int turn;      /* timer thread */
static _Atomic bool unsettled; /* A: caps may be other than they should be */

/* Is there less than a CPU's time for each CPU? */
static bool scarce(void)
{
	return quota_cpus() < os_nr_allowed();
}

static int nr_cpus(struct pool *pool)
{
	return atomic_load_explicit(&pool->nr_cpus, memory_order_relaxed);
}

static int count_cpus(struct pool *pool)
{
	int n = 0;

	if (pool_bound(pool))
		return 1;
	if (pool->cpu >= 0)
		return os_nr_allowed();
	for (int cpu = pool_next_cpu(pool, 0); cpu < os_nr_cpus();
	     cpu = pool_next_cpu(pool, cpu + 1))
		n += os_cpu_allowed(cpu);
	return n ? n : 1;
}

void cap_recount(struct pool *pool)
{
	int n = count_cpus(pool);

	atomic_store(&pool->nr_cpus, n);
	atomic_store(&pool->cap, scarce() && !pool_bound(pool) ? 1 : n);
	atomic_store(&unsettled, true);
}

static bool at_work(struct pool *pool)
{
	return !pool_bound(pool) &&
	       (pool_waiting(pool) || atomic_load(&pool->nr_running) > 0);
}

/* How many workers beyond the first one it could use. */
static int wants(struct pool *pool)
{
	int running = atomic_load(&pool->nr_running);

	if (pool_waiting(pool))
		return nr_cpus(pool) - 1;
	return running > 1 ? running - 1 : 0;
}

/* What each pool at work wants, so that all of the following reckons with the same
 * numbers. Returns how many there are. */
static int ask(int *wanted)
{
	struct pool *pool;
	int n = 0;

	*wanted = 0;
	for_each_pool (pool) {
		bool works = at_work(pool);

		pool->wants = works ? wants(pool) : 0;
		n += works;
		*wanted += pool->wants;
	}
	return n;
}

/* Each gets of @budget what it is entitled to, rounded down, and the rest is given
 * out one by one, each time from another one on. Returns what nobody wants. */
static int deal(int budget, int wanted)
{
	int rest = budget < wanted ? budget : wanted;
	int left = budget - rest;
	struct pool *pool;
	int part = rest, skip;

	for_each_pool (pool) {
		pool->share =
			wanted ? (int)((long)part * pool->wants / wanted) : 0;
		rest -= pool->share;
	}
	skip = rest ? (int)(turn++ % (unsigned int)wanted) : 0;
	for (int round = 0; round < 2; round++) {
		for_each_pool (pool) {
			if (pool->share >= pool->wants)
				continue;
			if (!rest || (!round && (skip -= pool->wants) >= 0))
				continue;
			pool->share++;
			rest--;
		}
	}
	return left;
}

static void set_caps(int left)
{
	struct pool *pool;

	for_each_pool (pool) {
		int unused = pool_cap(pool) - 1 - pool->share;

		if (pool_bound(pool))
			continue;
		if (unused > 0 && left > 0) {
			unused = unused < left ? unused : left;
			pool->share += unused;
			left -= unused;
		}
		if (pool_cap(pool) != 1 + pool->share)
			atomic_store(&pool->cap, 1 + pool->share);
	}
}

static void share_out(void)
{
	int quota = quota_cpus(), wanted;
	int workers = ask(&wanted);

	if (workers)
		set_caps(deal(quota > workers ? quota - workers : 0, wanted));
}

static void no_shares(void)
{
	struct pool *pool;

	for_each_pool (pool)
		if (!pool_bound(pool))
			atomic_store(&pool->cap, nr_cpus(pool));
}

void cap_share(void)
{
	bool is_scarce = scarce();

	if (atomic_exchange(&unsettled, is_scarce) && !is_scarce)
		no_shares();
	if (is_scarce)
		share_out();
}
