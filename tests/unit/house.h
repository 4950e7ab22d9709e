/* SPDX-License-Identifier: MIT */
/*
 * house.h - pools, a workqueue and workers by hand, for tests of single rooms.
 *
 * house_build() makes four CPUs' pools and the unbound ones anew, and one
 * workqueue, per-CPU or unbound. Workers are records without threads: a test
 * takes a worker's steps itself. Whoever includes this links at least the rooms
 * os needs of: lock log life param work pool worker pwq cm queue.
 */
#ifndef CMWQ_UNIT_HOUSE_H
#define CMWQ_UNIT_HOUSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "cm.h"
#include "life.h"
#include "lock.h"
#include "log.h"
#include "manager.h"
#include "param.h"
#include "pool.h"
#include "lease.h"
#include "pwq.h"
#include "queue.h"
#include "rescuer.h"
#include "timer.h"
#include "worker.h"
#include "unit/fake_os.h"

#define HOUSE_CPUS  4
#define HOUSE_ITEMS 16
#define HOUSE_TID   500 /* of the first worker without a thread */

static struct house {
	struct workqueue_struct wq;
	_Atomic(struct pwq *) table[HOUSE_CPUS];
	_Alignas(64) struct pwq pwqs[HOUSE_CPUS];
	struct work_struct item[HOUSE_ITEMS];
	int runs[HOUSE_ITEMS];
	int next_tid;
	/* What the stubs of other rooms recorded. */
	int timer_wakes;
	struct cmwq_timer *armed; /* the last timer that was added */
	unsigned long armed_delay;
	int armings;
	int created; /* calls of manager_create() where that is a stub */
	int calls;   /* of rescuer_call(), likewise */
	uint64_t called_for; /* when they were to come, the last time */
	bool away;	     /* rescuer_timer_away(), and not back since */
	char log[4096];
} house;

static inline void house_log(enum cmwq_log_level level, const char *line,
			     void *arg)
{
	size_t len = strlen(house.log);

	(void)level;
	(void)arg;
	snprintf(house.log + len, sizeof(house.log) - len, "%s\n", line);
}

/* Was this said? Forgets what was said until now. */
static inline bool house_said(const char *what)
{
	bool said = strstr(house.log, what);

	house.log[0] = '\0';
	return said;
}

static inline void house_run(struct work_struct *work)
{
	house.runs[work - house.item]++;
}

static inline void house_build_wq(struct workqueue_struct *wq, struct pwq *pwqs,
				  _Atomic(struct pwq *) *table,
				  unsigned int flags, int max_active)
{
	bool hi = flags & WQ_HIGHPRI;

	memset(wq, 0, sizeof(*wq));
	lock_init(&wq->lock, RANK_WQ);
	atomic_store(&wq->magic, WQ_MAGIC);
	atomic_store(&wq->flags, flags);
	wq->pwq_of = table;
	list_init(&wq->pwqs);
	wq->max_active = max_active;
	strcpy(wq->name, "house");
	for (int i = 0; i < HOUSE_CPUS; i++) {
		struct pwq *pwq = flags & WQ_UNBOUND ? pwqs : &pwqs[i];

		if (pwq == &pwqs[i]) {
			pwq_init(pwq, wq,
				 flags & WQ_UNBOUND ? pool_unbound(hi)
				 : flags & WQ_BH    ? pool_bh(i, hi)
						    : pool_of_cpu(i, hi),
				 max_active);
			list_add_tail(&pwq->wq_link, &wq->pwqs);
		}
		table[i] = pwq;
	}
}

/* The test's thread is this worker's, or none. */
static inline void house_as(struct worker *w)
{
	worker_tls = w;
	worker_tls_gen = w ? w->gen : 0;
}

static inline void house_params(void)
{
	params.cpu_intensive_thresh_us = 10000;
	params.stack_kib = 1024;
	params.idle_timeout_ms = 300000;
	params.idle_ratio = 4;
	params.sentinel = 1;
	params.tick = 1;
	params.hints = 1;
	params.recheck = 1;
	params.pace = 1;
}

static inline void house_build(unsigned int flags, int max_active)
{
	struct pool *pool;

	fake_reset();
	if (!atomic_load(&pool_list))
		assert_int_equal(pools_init() | cm_init(), 0);
	for_each_pool (pool)
		pool_reset(pool);
	cm_reset();
	house_params();
	house_as(NULL);
	atomic_store(&life_online, true);
	memset(&house, 0, sizeof(house));
	house.next_tid = HOUSE_TID;
	house_build_wq(&house.wq, house.pwqs, house.table, flags, max_active);
	for (int i = 0; i < HOUSE_ITEMS; i++)
		INIT_WORK(&house.item[i], house_run);
	cmwq_set_log(house_log, NULL);
	log_reset();
}

/* Queue item @i on @cpu's part of the workqueue. */
static inline bool house_queue(int cpu, int i)
{
	return queue_work_on(cpu, &house.wq, &house.item[i]);
}

/* Which item is at this place of a list, -1 for none. */
static inline int house_at(struct list *head, int place)
{
	struct list *l = head->next;

	while (place-- > 0 && l != head)
		l = l->next;
	return l == head ? -1 : (int)(entry_work(l) - house.item);
}

static inline int house_len(struct list *head)
{
	int n = 0;

	for (struct list *l = head->next; l != head; l = l->next)
		n++;
	return n;
}

/* What a worker does with the first item of the worklist: take it ... */
static inline unsigned int house_take(struct pool *pool, int i) NO_ANALYSIS
{
	unsigned long word = work_load(&house.item[i]);

	pool_del_work(pool, &house.item[i]);
	INIT_WORK(&house.item[i], house_run);
	return word_colour(word);
}

/* ... and end it. */
static inline void house_run_one(struct pwq *pwq, int i) NO_ANALYSIS
{
	pwq_item_done(pwq, house_take(pwq->pool, i));
}

/* --- workers without threads --- */

static inline struct worker *house_worker(struct pool *pool)
{
	struct worker *w = worker_alloc(pool);

	assert_non_null(w);
	w->tid = house.next_tid++;
	fake_set_state(w->tid, OS_THREAD_RUNNING);
	pool->nr_workers++;
	atomic_fetch_add(&pool->nr_threads, 1);
	return w;
}

static inline void house_idle(struct worker *w) NO_ANALYSIS
{
	struct pool *pool = atomic_load(&w->pool);

	list_del(&w->entry);
	list_add(&w->entry, &pool->idle);
	w->is_idle = true;
	w->idle_since = os_now();
	pool->nr_idle++;
	atomic_store(&w->wake, 0);
	atomic_store(&pool->first_idle, w);
}

static inline struct worker *house_idle_worker(struct pool *pool)
{
	struct worker *w = house_worker(pool);

	house_idle(w);
	return w;
}

/* A worker that runs @work, as item of @pwq. */
static inline struct worker *
house_busy_worker(struct pool *pool, struct pwq *pwq,
		  struct work_struct *work) NO_ANALYSIS
{
	struct worker *w = house_worker(pool);

	list_add(&w->entry, &pool->busy);
	cm_start_running(pool, w);
	atomic_store(&w->current_pwq, pwq);
	atomic_store(&w->current_wq, pwq ? pwq->wq : NULL);
	atomic_store(&w->current_func, work ? work->func : NULL);
	atomic_store(&w->current_work, work);
	w->seq++;
	return w;
}

/* For fake.on_create: others look at the pools while the timer thread creates one. */
static inline void house_is_away(void)
{
	assert_true(house.away);
}

/* After the last test: no thread is left behind. */
static inline int house_end(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

/* The timer room, for tests that do not link it. */
#define HOUSE_TIMER_STUBS                                             \
	void timer_wake(void)                                         \
	{                                                             \
		house.timer_wakes++;                                  \
	}                                                             \
	void timer_add(struct cmwq_timer *timer, unsigned long delay) \
	{                                                             \
		house.armed = timer;                                  \
		house.armed_delay = delay;                            \
		house.armings++;                                      \
	}                                                             \
	bool timer_del(struct cmwq_timer *timer)                      \
	{                                                             \
		bool armed = timer == house.armed;                    \
                                                                      \
		if (armed)                                            \
			house.armed = NULL;                           \
		return armed;                                         \
	}                                                             \
	bool timer_is_armed(const struct cmwq_timer *timer)           \
	{                                                             \
		return timer == house.armed;                          \
	}

/* The rescuer room, likewise. */
#define HOUSE_RESCUER_STUBS                                  \
	void rescuer_call(struct pool *pool_, uint64_t when) \
	{                                                    \
		(void)pool_;                                 \
		house.calls++;                               \
		house.called_for = when;                     \
	}                                                    \
	void rescuer_create_missing(void)                    \
	{                                                    \
	}                                                    \
	HOUSE_AWAY_STUBS

/* Of it only what rooms call that create threads on the timer thread. */
#define HOUSE_AWAY_STUBS              \
	void rescuer_timer_away(void) \
	{                             \
		house.away = true;    \
	}                             \
	void rescuer_timer_back(void) \
	{                             \
		house.away = false;   \
	}

#endif
