/* SPDX-License-Identifier: MIT */
/* rescuer - keeps a WQ_MEM_RECLAIM workqueue going. See rescuer.h. */
#include "rescuer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cm.h"
#include "exec.h"
#include "lease.h"
#include "log.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "verify.h"
#include "worker.h"

#define FIND_MAX   4
#define THREAD_MAX 15 /* of a thread's name */

enum rescuer_state {
	RESCUER_MISSING, /* no thread, on the list of those without */
	RESCUER_MAKING,	 /* the timer thread creates it */
	RESCUER_THERE,
	RESCUER_ENDING,
};

struct rescuer {
	struct workqueue_struct *wq; /* I */
	struct worker *worker;	     /* I: once there is a thread */
	enum rescuer_state state;    /* M */
	struct list without;	     /* M: in missing */
	struct list calls;	     /* M: pwqs, whose turn is first */
	struct list idle;	     /* M: in idle */
	_Atomic uint32_t news;	     /* A: under the lock; the futex */
	struct completion ended;
};

static struct lock mayday_lock = LOCK_INITIALIZER(RANK_MAYDAY);
/* All of these: mayday_lock. */
static struct list missing = { &missing, &missing };
static struct list idle = { &idle, &idle }; /* who is for longest comes first */
static uint64_t away_since; /* is the timer thread, which writes it; or 0 */
static struct rescuer *deputy;
static uint64_t look_at; /* when the deputy does, the next time */

/* --- calls --- */

static void tell(struct rescuer *r) REQUIRES(mayday_lock)
{
	atomic_fetch_add(&r->news, 1);
	os_futex_wake(&r->news, 1);
}

static void call(struct rescuer *r, struct pwq *pwq, uint64_t when)
{
	lock(&mayday_lock);
	if (list_empty(&pwq->mayday)) {
		list_add_tail(&pwq->mayday, &r->calls);
		pwq->mayday_at = when;
		tell(r);
	} else if (when < pwq->mayday_at) {
		pwq->mayday_at = when;
		tell(r);
	}
	unlock(&mayday_lock);
}

void rescuer_call(struct pool *pool, uint64_t when)
{
	struct list *l;

	if (os_checks_items())
		verify_pool(pool);
	for (l = pool->worklist.next; l != &pool->worklist; l = l->next) {
		struct pwq *pwq =
			word_pwq(atomic_load(work_word(entry_work(l))));

		if (pwq->wq->rescuer)
			call(pwq->wq->rescuer, pwq, when);
	}
}

/* The first call whose time has come. Otherwise *next is when one will, 0 for
 * never. */
static struct pwq *find_call(struct rescuer *r, uint64_t *next)
	REQUIRES(mayday_lock)
{
	uint64_t now = os_now();
	struct pwq *pwq;

	*next = 0;
	list_for_each_entry (pwq, &r->calls, mayday) {
		if (pwq->mayday_at <= now)
			return pwq;
		if (!*next || pwq->mayday_at < *next)
			*next = pwq->mayday_at;
	}
	return NULL;
}

/* Is it the turn of others? Then one's own comes after theirs, also if it has been
 * called again meanwhile. */
static bool others_wait(struct rescuer *r, struct pwq *own)
{
	uint64_t now = os_now();
	bool found = false;
	struct pwq *pwq;

	lock(&mayday_lock);
	list_for_each_entry (pwq, &r->calls, mayday)
		found |= pwq != own && pwq->mayday_at <= now;
	if (found && !list_empty(&own->mayday))
		list_move_tail(&own->mayday, &r->calls);
	unlock(&mayday_lock);
	return found;
}

/* --- in the pool that called --- */

/* Work that could start waits, and no worker is to be had. Without the tick nobody
 * else looks who sleeps. */
static bool needs_rescue(struct pool *pool, struct worker *w)
	REQUIRES(pool->lock)
{
	if (pool->nr_idle || list_empty(&pool->worklist))
		return false;
	if (pool->nr_asleep)
		cm_recheck(pool);
	if (cm_may_start(pool))
		return true;
	cm_find_sleepers(pool, w, FIND_MAX, false);
	return cm_may_start(pool) ||
	       (!pool_bound(pool) && atomic_exchange(&pool->grant, false));
}

/* There are only active items on a worklist, so it is never longer than the sum of
 * max_active, however long the backlog. */
static struct work_struct *find_work(struct pool *pool, struct pwq *pwq)
	REQUIRES(pool->lock)
{
	struct list *l;

	if (os_checks_items())
		verify_pool(pool);
	for (l = pool->worklist.next; l != &pool->worklist; l = l->next)
		if (word_pwq(atomic_load(work_word(entry_work(l)))) == pwq)
			return entry_work(l);
	return NULL;
}

/*
 * One item after the other, each chosen anew: who comes meanwhile, a worker or one
 * that has woken up, finds the rest on the worklist. An item that waits for another
 * one of its queue is thus held up no longer than the want of threads lasts.
 */
static void run_items(struct rescuer *r, struct pool *pool, struct pwq *pwq)
	REQUIRES(pool->lock)
{
	struct worker *w = r->worker;
	struct work_struct *work;
	int items = 0;

	while (needs_rescue(pool, w) && (work = find_work(pool, pwq))) {
		if (!items)
			pwq->maydays++;
		if (items >= RESCUER_BATCH && others_wait(r, pwq))
			return;
		exec_rescue(w, pool, work);
		items++;
	}
}

/* What is left needs somebody. Others whose turn it would be were called with us,
 * and found us running perhaps: they come at once. */
static void leave(struct pool *pool) REQUIRES(pool->lock)
{
	if (list_empty(&pool->worklist))
		return;
	cm_watch(pool, true);
	if (!pool->nr_idle && cm_may_start(pool))
		rescuer_call(pool, os_now());
}

/* To where the pool's workers are, and not under its lock; if that changes meanwhile
 * exec_rescue() follows. */
static void answer(struct rescuer *r, struct pwq *pwq)
{
	struct pool *pool = pwq_pool(pwq);
	struct worker *w = r->worker;
	bool there;

	pool_lock(pool);
	w->moves = pool->moves;
	pool_unlock(pool);
	there = !os_thread_move(0, worker_cpu(pool), worker_cpus(pool));
	pool_lock(pool);
	pool->pinned &= there;
	atomic_store(&w->pool, pool);
	run_items(r, pool, pwq);
	leave(pool);
	pool_unlock(pool);
}

/* --- while the timer thread is away --- */

/* Whom it reaches sees that nobody has the duty, and takes it. */
static void ask_for_deputy(void) REQUIRES(mayday_lock)
{
	if (away_since && !deputy && !list_empty(&idle))
		tell(list_first(&idle, struct rescuer, idle));
}

void rescuer_timer_away(void)
{
	if (away_since)
		return;
	lock(&mayday_lock);
	away_since = os_now();
	ask_for_deputy();
	unlock(&mayday_lock);
}

/* The deputy finds out when it would look the next time. Until then it need not be
 * woken for further creations. */
void rescuer_timer_back(void)
{
	if (!away_since)
		return;
	lock(&mayday_lock);
	away_since = 0;
	unlock(&mayday_lock);
}

/* Is it for this one to look at the pools now? Otherwise *next is not later than when
 * it will be. */
static bool is_to_look(struct rescuer *r, uint64_t *next) REQUIRES(mayday_lock)
{
	uint64_t now = os_now(), due = away_since + MAYDAY_FIRST_NS;

	if (away_since && !deputy)
		deputy = r;
	if (deputy != r)
		return false;
	if (now >= look_at && !away_since) {
		deputy = NULL;
		return false;
	}
	if (now >= look_at && now >= due) {
		look_at = now + MAYDAY_FIRST_NS;
		return true;
	}
	if (now >= look_at)
		look_at = due;
	if (!*next || look_at < *next)
		*next = look_at;
	return false;
}

/* Who runs may have fallen asleep, and the tick would have noticed. */
static void wake_in_place_of_sleeper(struct pool *pool) REQUIRES(pool->lock)
{
	if (!cm_may_start(pool))
		cm_find_sleepers(pool, NULL, FIND_MAX, false);
	if (cm_may_start(pool))
		cm_wake_idle(pool, true);
}

static void look_at_pools(void)
{
	struct pool *pool;

	for_each_pool (pool) {
		if (pool->bh || !pool_waiting(pool))
			continue;
		pool_lock(pool);
		if (!pool->nr_idle)
			rescuer_call(pool, os_now());
		else if (!list_empty(&pool->worklist))
			wake_in_place_of_sleeper(pool);
		pool_unlock(pool);
	}
}

/* --- the thread --- */

static void go_idle(struct rescuer *r) REQUIRES(mayday_lock)
{
	if (list_empty(&r->idle))
		list_add_tail(&r->idle, &idle);
}

static void leave_idle(struct rescuer *r) REQUIRES(mayday_lock)
{
	list_del(&r->idle);
	if (deputy == r)
		deputy = NULL;
	ask_for_deputy();
}

/* Idle it is bound to no CPU, whose other threads could keep it from the next
 * call. */
static struct pwq *wait_for_call(struct rescuer *r)
{
	bool bound = true;

	for (;;) {
		uint32_t seen = atomic_load(&r->news);
		struct pwq *pwq;
		uint64_t next;
		bool look;

		lock(&mayday_lock);
		pwq = find_call(r, &next);
		if (pwq || r->state == RESCUER_ENDING) {
			if (pwq)
				list_del(&pwq->mayday);
			leave_idle(r);
			unlock(&mayday_lock);
			return pwq;
		}
		go_idle(r);
		look = is_to_look(r, &next);
		unlock(&mayday_lock);
		if (bound)
			os_thread_move(0, -1, NULL);
		bound = false;
		if (look)
			look_at_pools();
		else
			os_futex_wait(&r->news, seen, next);
	}
}

/* Without the privilege for its nice value it runs as others do; that is no
 * promise, and no reason for a message. */
static void setup(struct rescuer *r)
{
	char name[THREAD_MAX + 1];
	const struct os_thread_attr attr = {
		.name = name,
		.cpu = -1,
		.nice = -20,
	};

	snprintf(name, sizeof(name), "cmwq/R-%.8s", r->wq->name);
	r->worker->tid = os_gettid();
	worker_tls = r->worker;
	worker_tls_gen = r->worker->gen;
	os_thread_setup(&attr);
}

static void *rescuer_thread(void *arg)
{
	struct rescuer *r = arg;
	struct pwq *pwq;

	setup(r);
	while ((pwq = wait_for_call(r)))
		answer(r, pwq);
	worker_leave(r->worker);
	/* The last that is done with it. */
	completion_complete(&r->ended);
	return NULL;
}

/* Its record is on no list before it helps a pool, and belongs to none. */
static int create(struct rescuer *r)
{
	int err = ENOMEM;

	r->worker = worker_alloc(atomic_load(&pool_list));
	if (r->worker) {
		r->worker->rescue_wq = r->wq;
		err = os_thread_create(rescuer_thread, r,
				       (size_t)param_get(stack_kib) * 1024);
	}
	if (r->worker && err)
		worker_free(r->worker);
	return err;
}

/* --- its life --- */

struct rescuer *rescuer_new(struct workqueue_struct *wq)
{
	struct rescuer *r = calloc(1, sizeof(*r));
	int err = r ? 0 : ENOMEM;

	if (r) {
		r->wq = wq;
		r->state = RESCUER_THERE;
		list_init(&r->without);
		list_init(&r->calls);
		list_init(&r->idle);
		err = create(r);
	}
	if (!err)
		return r;
	log_err("workqueue %s: cannot create its rescuer (%s)", wq->name,
		strerror(err));
	free(r);
	return NULL;
}

/* It may be the timer thread's turn, which creates a thread in a bounded time or
 * fails. */
static bool tell_to_end(struct rescuer *r)
{
	bool has_thread;

	lock(&mayday_lock);
	while (r->state == RESCUER_MAKING) {
		unlock(&mayday_lock);
		os_sleep_ns(50 * NSEC_PER_USEC);
		lock(&mayday_lock);
	}
	has_thread = r->state == RESCUER_THERE;
	r->state = RESCUER_ENDING;
	list_del(&r->without);
	if (has_thread)
		tell(r);
	unlock(&mayday_lock);
	return has_thread;
}

/*
 * Nothing of the queue is on any list, so nobody calls any more. Calls that are
 * left are answered first, in vain; those whose time has not come are dropped.
 */
void rescuer_end(struct rescuer *r)
{
	if (!r)
		return;
	if (tell_to_end(r))
		completion_wait(&r->ended);
	while (!list_empty(&r->calls))
		list_del(r->calls.next);
	free(r);
}

static struct rescuer *take_missing(void)
{
	struct rescuer *r = NULL;

	lock(&mayday_lock);
	if (!list_empty(&missing)) {
		r = list_first(&missing, struct rescuer, without);
		list_del(&r->without);
		r->state = RESCUER_MAKING;
	}
	unlock(&mayday_lock);
	return r;
}

void rescuer_create_missing(void)
{
	struct rescuer *r;
	int err = 0;

	while (!err && (r = take_missing())) {
		rescuer_timer_away();
		err = create(r);
		lock(&mayday_lock);
		r->state = err ? RESCUER_MISSING : RESCUER_THERE;
		if (err)
			list_add(&r->without, &missing);
		unlock(&mayday_lock);
	}
	if (err)
		log_warn_once(
			"cannot create a rescuer (%s); trying again, until "
			"then its workqueue has none",
			strerror(err));
}

void rescuer_reset_all(void)
{
	lock_init(&mayday_lock, RANK_MAYDAY);
	list_init(&missing);
	list_init(&idle);
	away_since = 0;
	deputy = NULL;
	look_at = 0;
}

void rescuer_reset(struct rescuer *r)
{
	r->state = RESCUER_MISSING;
	r->worker = NULL;
	list_init(&r->calls);
	list_init(&r->idle);
	list_add_tail(&r->without, &missing);
	atomic_store(&r->news, 0);
	completion_init(&r->ended);
}
