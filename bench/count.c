/* SPDX-License-Identifier: MIT */
/*
 * count.c - how many items have run, at a nanosecond each.
 *
 * An item adds one to a counter of the worker it runs on; no cache line is
 * shared between workers. Whoever waits adds the counters up. They are never
 * reset: a scenario that counts twice remembers where it began.
 */
#include "bench.h"

#define NR_WORKERS 1024

static struct counter {
	_Alignas(CACHELINE) atomic_ulong n;
} counters[NR_WORKERS];
static atomic_uint nr_counters;
static _Thread_local struct counter *my_counter;

static struct counter *new_counter(void)
{
	unsigned int n = atomic_fetch_add(&nr_counters, 1);

	if (n >= NR_WORKERS)
		die("more than %d workers took part", NR_WORKERS);
	return &counters[n];
}

void count_item(struct work_struct *work)
{
	struct counter *c = my_counter;

	(void)work;
	if (!c)
		c = my_counter = new_counter();
	/* The only writer: a plain addition, but one others may read. */
	atomic_store_explicit(
		&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + 1,
		memory_order_release);
}

unsigned long items_run(void)
{
	unsigned int i, n = atomic_load(&nr_counters);
	unsigned long sum = 0;

	for (i = 0; i < n && i < NR_WORKERS; i++)
		sum += atomic_load_explicit(&counters[i].n,
					    memory_order_acquire);
	return sum;
}

unsigned int workers_seen(void)
{
	return atomic_load(&nr_counters);
}

void await_items(unsigned long n)
{
	while (items_run() < n)
		sleep_ns(20 * NSEC_PER_USEC);
}
