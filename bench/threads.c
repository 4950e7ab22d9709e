/* SPDX-License-Identifier: MIT */
/*
 * threads.c - how many workers there are and how fast they come.
 *
 * Blocked64: 64 items sleep on an unbound queue. Once all have started, an
 * instant item is queued; the latency is from just before queue_work() to the
 * first statement of its function. The first one decides; more follow every
 * 20 ms while the 64 still sleep.
 *
 * Cold64: from just before the first queue_work() of a process, so with the
 * library's own start included, until the 64th sleeping item has started. The
 * bare chain is 64 threads with the library's stack size, each of which
 * creates the next as its first action; from just before the first
 * pthread_create() until the 64th runs. Both are measured in new processes, by
 * turns, as finished threads would leave their stacks to the next ones.
 *
 * Oversub: 200 items that use 5 ms of CPU time each. The number running at
 * once is counted by the items. For comparison the same load on one thread per
 * CPU: what that exceeds 1 by is the machine's doing.
 */
#include <limits.h>
#include <pthread.h>
#include <cmwq/cmwq.h>
#include "bench.h"

#define NR_SLEEPERS  64
#define NR_PROBES    20
#define NR_COLD	     9
#define STACK_SIZE   (1024 * 1024)
#define NR_BURNERS   200
#define BURN_NS	     (5 * NSEC_PER_MSEC)
#define MAX_BARE_CPU 1024

static atomic_int started;
static uint64_t all_started_at;
static struct gate all_started;

static void note_start(void)
{
	if (atomic_fetch_add(&started, 1) + 1 == NR_SLEEPERS) {
		all_started_at = now_ns();
		gate_open(&all_started);
	}
}

static void sleeping_item(struct work_struct *work)
{
	(void)work;
	note_start();
	sleep_ns(NSEC_PER_SEC);
}

/* Queue the 64; returns when that began. */
static uint64_t queue_sleepers(struct workqueue_struct *wq)
{
	static struct work_struct work[NR_SLEEPERS];
	uint64_t start;
	int i;

	for (i = 0; i < NR_SLEEPERS; i++)
		INIT_WORK(&work[i], sleeping_item);
	start = now_ns();
	for (i = 0; i < NR_SLEEPERS; i++)
		queue_work(wq, &work[i]);
	gate_wait(&all_started);
	return start;
}

static uint64_t probe_ran_at;
static struct gate probe_ran;

static void probe_item(struct work_struct *work)
{
	(void)work;
	probe_ran_at = now_ns();
	gate_open(&probe_ran);
}

int blocked64(void)
{
	static DECLARE_WORK(work, probe_item);
	struct workqueue_struct *wq;
	double us[NR_PROBES];
	uint64_t start;
	int i;

	wq = alloc_workqueue("blocked64", WQ_UNBOUND, 0);
	queue_sleepers(wq);
	for (i = 0; i < NR_PROBES; i++) {
		gate_reset(&probe_ran);
		start = now_ns();
		queue_work(wq, &work);
		gate_wait(&probe_ran);
		us[i] = (double)(probe_ran_at - start) / 1e3;
		sleep_ns(20 * NSEC_PER_MSEC);
	}
	emit("first", us[0]);
	emit("later", median_of(us + 1, NR_PROBES - 1));
	return BENCH_OK;
}

int cold64_items(void)
{
	struct workqueue_struct *wq;
	uint64_t start;

	wq = alloc_workqueue("cold64", WQ_UNBOUND, 0);
	start = queue_sleepers(wq);
	emit("ms", (double)(all_started_at - start) / 1e6);
	return BENCH_OK;
}

int cold64_init_items(void)
{
	workqueue_init();
	return cold64_items();
}

static pthread_attr_t chain_attr;
static struct gate chain_end; /* never opened */

static void *chain_thread(void *arg)
{
	long n = (long)arg;
	pthread_t next;

	if (n < NR_SLEEPERS &&
	    pthread_create(&next, &chain_attr, chain_thread, (void *)(n + 1)))
		die("cannot create thread %ld", n + 1);
	note_start();
	gate_wait(&chain_end);
	return NULL;
}

int cold64_chain(void)
{
	pthread_t first;
	uint64_t start;

	pthread_attr_init(&chain_attr);
	pthread_attr_setstacksize(&chain_attr, STACK_SIZE);
	start = now_ns();
	if (pthread_create(&first, &chain_attr, chain_thread, (void *)1L))
		die("cannot create a thread");
	gate_wait(&all_started);
	emit("ms", (double)(all_started_at - start) / 1e6);
	return BENCH_OK;
}

static double part_ms(const char *name)
{
	struct outcome out;
	double ms;

	run_child(find_scenario(name, SIZE_MAX), &out);
	if (out.problem[0] || !outcome_get(&out, "ms", &ms))
		die("%s: %s", name, out.problem);
	return ms;
}

int cold64(void)
{
	double chain[NR_COLD], items[NR_COLD], init[NR_COLD];
	int i;

	for (i = 0; i < NR_COLD; i++) {
		chain[i] = part_ms("cold64_chain");
		items[i] = part_ms("cold64_items");
		init[i] = part_ms("cold64_init_items");
	}
	emit("chain", median_of(chain, NR_COLD));
	emit("items", median_of(items, NR_COLD));
	emit("init_items", median_of(init, NR_COLD));
	emit("ratio", median_of(items, NR_COLD) / median_of(chain, NR_COLD));
	return BENCH_OK;
}

static atomic_int burning, most_burning, burnt;
static struct gate all_burnt;

static void burning_item(struct work_struct *work)
{
	int n = atomic_fetch_add(&burning, 1) + 1;
	int most = atomic_load(&most_burning);

	(void)work;
	while (n > most &&
	       !atomic_compare_exchange_weak(&most_burning, &most, n))
		;
	burn_cpu_ns(BURN_NS);
	atomic_fetch_sub(&burning, 1);
	if (atomic_fetch_add(&burnt, 1) + 1 == NR_BURNERS)
		gate_open(&all_burnt);
}

static double over_ideal(uint64_t ns)
{
	return (double)ns / ((double)NR_BURNERS * BURN_NS / nr_cpus());
}

static void *burning_thread(void *arg)
{
	static atomic_int taken;

	pin_to(nth_cpu((int)(long)arg));
	while (atomic_fetch_add(&taken, 1) < NR_BURNERS)
		burn_cpu_ns(BURN_NS);
	return NULL;
}

static double bare_burners(void)
{
	pthread_t thread[MAX_BARE_CPU];
	uint64_t start = now_ns();
	long i, n = nr_cpus();

	for (i = 0; i < n; i++) {
		if (pthread_create(&thread[i], NULL, burning_thread, (void *)i))
			die("cannot create a thread");
	}
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	return over_ideal(now_ns() - start);
}

int oversub(void)
{
	static struct work_struct work[NR_BURNERS];
	struct workqueue_struct *wq;
	uint64_t start;
	int i;

	emit("bare", bare_burners());
	wq = alloc_workqueue("oversub", WQ_UNBOUND, 0);
	for (i = 0; i < NR_BURNERS; i++)
		INIT_WORK(&work[i], burning_item);
	start = now_ns();
	for (i = 0; i < NR_BURNERS; i++)
		queue_work(wq, &work[i]);
	gate_wait(&all_burnt);
	emit("makespan", over_ideal(now_ns() - start));
	emit("running", atomic_load(&most_burning));
	return BENCH_OK;
}
