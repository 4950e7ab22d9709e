/* SPDX-License-Identifier: MIT */
/*
 * schedule_world - two bound pools, their workers, a workqueue, some items.
 *
 * The rooms are compiled into the test with a scheduling point before every
 * atomic operation (schedule.h). There is no tick, and a sentinel only in its own
 * tests: what is shown is that nothing else needs them.
 */
#ifndef CMWQ_UNIT_SCHEDULE_WORLD_H
#define CMWQ_UNIT_SCHEDULE_WORLD_H

#include "unit/schedule.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "os.h"
#include "quota.h"

/* The simulated system. os_now() makes items neither tiny nor late, if it goes on at
 * this pace. */
static uint64_t sim_now;
static uint64_t sim_pace = 20000;

static void run_worker(void *worker);

static inline int sim_thread_create(void *(*fn)(void *), void *arg,
				    size_t stack)
{
	(void)fn; /* workers only */
	(void)stack;
	sim_spawn(run_worker, arg);
	return 0;
}

static inline int sim_cpu(void)
{
	return 0;
}

static inline int sim_urgent(bool urgent)
{
	(void)urgent;
	return 0;
}

static inline enum os_thread_state sim_thread_state(int tid)
{
	return sim[tid].state == SIM_BLOCKED ? OS_THREAD_ASLEEP
					     : OS_THREAD_RUNNING;
}

/* A thread that never returns ends where it waits. */
static __thread bool sim_is_endless;
static __thread jmp_buf sim_end;

static inline int sim_futex_wait_until(_Atomic uint32_t *word, uint32_t val,
				       uint64_t deadline)
{
	if (sim_run.ending && deadline)
		return ETIMEDOUT;
	if (sim_run.ending && sim_is_endless)
		longjmp(sim_end, 1);
	return sim_futex_wait(word, val);
}

static inline int sim_thread_move(int tid, int cpu,
				  const _Atomic unsigned long *cpus)
{
	(void)tid;
	(void)cpu;
	(void)cpus;
	return 0;
}

#define os_thread_move	      sim_thread_move
#define os_now()	      (sim_now += sim_pace)
#define os_futex_wait	      sim_futex_wait_until
#define os_futex_wake	      sim_futex_wake
#define os_sleep_ns(ns)	      ((void)(ns), sim_yield())
#define os_pause()	      sim_yield()
#define os_nr_cpus()	      2
#define quota_cpus()	      QUOTA_NONE
#define os_nr_allowed()	      2
#define os_cpu_allowed(cpu)   ((cpu) < 2)
#define os_cpu()	      sim_cpu()
#define os_thread_create      sim_thread_create
#define os_thread_setup(attr) ((void)(attr), 0)
#define os_thread_urgent(yes) sim_urgent(yes)
#define os_my_waits()	      0UL
#define os_gettid()	      sim_self
#define os_thread_state(tid)  sim_thread_state(tid)
#define os_generation()	      1U
#define os_checks_items()     false
#define os_exit_group(status) _exit(status)

#include "../../src/lock.c"
#undef SPINS
/* Elsewhere it waits for nobody, and keeps its CPU: no sentinel gets that. */
#undef os_pause
#define os_pause() sim_step()
#include "../../src/work.c"
#include "../../src/pool.c"
#include "../../src/worker.c"
#include "../../src/node.c"
#include "../../src/pwq.c"
#include "../../src/lease.c"
#include "../../src/place.c"
#include "../../src/cm.c"
#include "../../src/manager.c"
#include "../../src/sentinel.c"
#include "../../src/queue.c"
#include "../../src/exec.c"
#include "../../src/nosleep.c"
#include "../../src/bh.c"
#define complete_waiters cancel_complete_waiters
#include "../../src/order.c"
#include "../../src/depend.c"
#include "../../src/flush.c"
#include "../../src/grace.c"
#include "../../src/cancel.c"

#include "param.h"

/* The timer room: nothing here is to depend on it. */
void timer_wake(void)
{
}

void rescuer_timer_away(void)
{
}

void timer_add(struct cmwq_timer *timer, unsigned long delay_ms)
{
	(void)timer;
	(void)delay_ms;
}

bool timer_del(struct cmwq_timer *timer)
{
	(void)timer;
	return false;
}

static void run_worker(void *worker)
{
	exec_thread(worker);
}

static inline void run_sentinel(void *sentinel)
{
	sentinel_thread(sentinel);
}

static inline void run_bh(void *arg)
{
	struct bh_cpu *bh = arg;

	sim_is_endless = true;
	if (!setjmp(sim_end))
		bh_thread(bh);
	sim_is_endless = false;
	for (int hi = 0; hi < NR_PRIORITIES; hi++)
		if (bh->worker[hi])
			worker_free(bh->worker[hi]);
}

/* --- the world: two bound pools with two workers each, one workqueue --- */

#ifndef MAX_ITEMS
#define MAX_ITEMS 4
#endif

static struct workqueue_struct wq;
static _Alignas(64) struct pwq pwqs[2];
static _Atomic(struct pwq *) table[2];

static struct item {
	struct work_struct work;
	void (*body)(struct item *it);
	atomic_int inside; /* calls of the function that have not returned */
	int runs;
	int payload; /* what queueing threads wrote before they queued */
	int seen;    /* payload at the last run */
} items[MAX_ITEMS];

static int nr_true;	      /* of queue_work() */
static int cancelled;	      /* true results of cancels */
static int flush_result;      /* of flush_work() */
static int nr_workers = 2;    /* of each pool, in the next build */
static _Atomic uint32_t gate; /* items wait for others here */
static int inside_any;	      /* functions of an ordered queue under way */

static inline void item_fn(struct work_struct *work)
{
	struct item *it = container_of(work, struct item, work);

	sim_check(atomic_fetch_add(&it->inside, 1) == 0);
	it->seen = it->payload;
	if (it->body)
		it->body(it);
	sim_check(atomic_fetch_sub(&it->inside, 1) == 1);
	it->runs++;
}

static inline void build_wq(int max_active)
{
	memset(&wq, 0, sizeof(wq));
	lock_init(&wq.lock, RANK_WQ);
	wq.magic = WQ_MAGIC;
	wq.flags = WQ_PERCPU;
	wq.pwq_of = table;
	list_init(&wq.pwqs);
	wq.max_active = max_active;
	strcpy(wq.name, "schedule");
	for (int i = 0; i < 2; i++) {
		pwq_init(&pwqs[i], &wq, pool_of_cpu(i, false), max_active);
		list_add_tail(&pwqs[i].wq_link, &wq.pwqs);
		table[i] = &pwqs[i];
	}
}

static inline void build(void)
{
	static bool once;
	struct pool *pool;

	if (!once && (pools_init() || cm_init()))
		sim_fail(__FILE__, __LINE__, "memory");
	once = true;
	manager_thread = exec_thread;
	pwq_kick = cm_kick;
	params.sentinel = 0;
	params.tick = 1; /* which does not come */
	sim_run.ending = false;
	gate = 0;
	atomic_store(&life_online, true);
	for_each_pool (pool)
		pool_reset(pool);
	cm_reset();
	build_wq(16);
	nr_true = 0;
	cancelled = 0;
	flush_result = -1;
	inside_any = 0;
	for (int i = 0; i < MAX_ITEMS; i++) {
		memset(&items[i], 0, sizeof(items[i]));
		INIT_WORK(&items[i].work, item_fn);
	}
	for (int i = 0; i < 4; i++) {
		pool = pool_of_cpu(i / 2, false);
		pool->nr_threads++;
		if (i % 2 < nr_workers)
			sim_spawn(run_worker, worker_alloc(pool));
	}
	nr_workers = 2;
}

/* Items are tiny: what comes while one runs is run under a lease. */
static inline void build_tiny(void)
{
	struct pool *pool;

	build();
	sim_pace = 1;
	for_each_pool (pool)
		pool->tiny = true;
}

/* The second worker of each pool is still being created. */
static inline void build_one_worker(void)
{
	nr_workers = 1;
	build();
}

static inline void build_one_active(void)
{
	build();
	build_wq(1);
}

static inline int total_runs(void)
{
	int n = 0;

	for (int i = 0; i < MAX_ITEMS; i++)
		n += items[i].runs;
	return n;
}

/* Nothing is left of anything, and all workers sleep. */
static inline void check_quiet(void)
{
	struct pool *pool;

	for_each_pool (pool) {
		sim_check(!pool->inbox && !pool->has_work);
		sim_check(list_empty(&pool->worklist));
		sim_check(!pool->drained && !pool->lessee);
		sim_check(list_empty(&pool->waiters));
		sim_check(list_empty(&pool->busy));
		sim_check(pool->nr_running == 0 && pool->nr_asleep == 0);
		sim_check(pool->lent == 0);
		sim_check(pool->nr_idle == pool->nr_workers);
		sim_check(pool->lock.word == LOCK_FREE);
	}
	for (int i = 0; i < 2; i++) {
		sim_check(pwqs[i].nr_active == 0);
		sim_check(pwq_in_flight(&pwqs[i]) == 0);
		sim_check(list_empty(&pwqs[i].inactive) && !pwqs[i].saturated);
	}
	for (int i = 0; i < MAX_ITEMS; i++)
		sim_check(!work_pending(&items[i].work));
	for (int i = 0; i < sim_run.nr; i++)
		sim_check(sim[i].state == SIM_DONE || sim[i].fn == run_worker ||
			  sim[i].fn == run_sentinel || sim[i].fn == run_bh);
}

static inline void check_all_ran(void)
{
	check_quiet();
	sim_check(total_runs() == nr_true - cancelled);
}

static inline void end(void)
{
	struct pool *pool;

	sim_run.ending = true;
	atomic_store(&sentinels[0].state, SENTINEL_OFF);
	sim_futex_wake((_Atomic uint32_t *)&sentinels[0].state, 1);
	for (int cpu = 0; cpu < 2; cpu++)
		sim_futex_wake((_Atomic uint32_t *)&bh_cpus[cpu].state, 1);
	for_each_pool (pool)
		while (!pool->bh && !list_empty(&pool->idle)) {
			struct worker *w =
				list_first(&pool->idle, struct worker, entry);

			list_del(&w->entry);
			w->die = true;
			w->wake = 1;
			sim_futex_wake(&w->wake, 1);
		}
}

static inline bool queue_on_cpu(int cpu, int i)
{
	bool ret;

	items[i].payload++;
	ret = queue_work_on(cpu, &wq, &items[i].work);
	nr_true += ret;
	return ret;
}

static inline void queue_0(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 0);
}

/* On CPU 1 if there is an argument. */
static inline void queue_0_twice(void *arg)
{
	int cpu = arg ? 1 : 0;

	queue_on_cpu(cpu, 0);
	queue_on_cpu(cpu, 0);
}

static inline void sleep_with_a_hint(struct item *it)
{
	(void)it;
	cmwq_blocking_begin();
	while (!gate)
		sim_futex_wait(&gate, 0);
	cmwq_blocking_end();
}

static inline void open_gate(struct item *it)
{
	(void)it;
	atomic_store(&gate, 1);
	sim_futex_wake(&gate, 1);
}

static inline void lock_and_unlock(void *arg) NO_ANALYSIS
{
	(void)arg;
	pool_lock(pool_of_cpu(0, false));
	pool_unlock(pool_of_cpu(0, false));
}

/* --- threads that interfere with what is queued --- */

static inline void queue_3_elsewhere(void *arg)
{
	(void)arg;
	queue_on_cpu(1, 3);
}

static inline void cancel_3(void *arg)
{
	(void)arg;
	cancelled += cancel_work(&items[3].work);
}

static inline void flush_the_queue(void *arg)
{
	int queued = nr_true;

	(void)arg;
	flush_workqueue(&wq);
	sim_check(total_runs() + cancelled >= queued);
}

static inline int seconds_of_stress(void)
{
	const char *s = getenv("CMWQ_STRESS_SECONDS");

	return s ? atoi(s) : 0;
}

static inline void explore(const struct sim_scenario *sc, long stride)
{
	/* Sanitizers make a step a hundred times as dear. */
	bool slow = seconds_of_stress() == 1;

	sim_explore(sc, slow ? 0 : stride, slow ? 100 : 500);
}

#endif
