/* SPDX-License-Identifier: MIT */
/*
 * exec - the life of a worker thread and of the items it runs.
 *
 * A worker is idle (on pool->idle, asleep on its futex), or busy (on
 * pool->busy, counted in nr_running), or on its way between the two with the
 * lock held. One hold of the lock ends an item and takes the next.
 *
 * The item may be freed by its own function: after PENDING was cleared only the
 * worker's own record is used.
 */
#include "exec.h"

#include <errno.h>
#include <stdio.h>

#include "cm.h"
#include "lease.h"
#include "log.h"
#include "manager.h"
#include "os.h"
#include "place.h"
#include "pwq.h"
#include "timer.h"
#include "verify.h"

#define DRAIN_EVERY   64
#define DRAIN_NS      (10 * NSEC_PER_MSEC)
#define TINY_ITEM_NS  500
#define DRAIN_ITEM_NS 100
#define OWN_ITEMS     16
#define MAX_OWN_ITEMS 256
#define BACK_NS	      (10 * NSEC_PER_MSEC)
#define PREEMPTED_NS  (8 * NSEC_PER_MSEC)
#define FIND_MAX      4
#define EXIT_FORKED   70

/* Flushers of the queueing that starts now move from the pool to the worker. */
static void take_waiters(struct worker *w, struct pool *pool,
			 struct work_struct *work) REQUIRES(pool->lock)
{
	struct waiter *waiter;

	list_for_each_entry_safe (waiter, &pool->waiters, entry)
		if (waiter->work == work)
			list_move_tail(&waiter->entry, &w->waiters);
}

static void complete_waiters(struct worker *w)
{
	while (!list_empty(&w->waiters)) {
		struct waiter *waiter =
			list_first(&w->waiters, struct waiter, entry);

		list_del(&waiter->entry);
		completion_complete(&waiter->done);
	}
}

/* Of pool->seq one may be lost, if a lessee and a holder of the lock count at once: its
 * readers want to know whether anything was started. */
static void count(_Atomic unsigned long *n)
{
	unsigned long v = atomic_load_explicit(n, memory_order_relaxed);

	atomic_store_explicit(n, v + 1, memory_order_relaxed);
}

/* Say what runs here, before PENDING is cleared. */
static inline void publish(struct worker *w, struct pool *pool,
			   struct work_struct *work, work_func_t func,
			   struct pwq *pwq)
{
	count(&w->seq);
	count(&pool->seq);
	atomic_store_explicit(&w->returned, false, memory_order_relaxed);
	atomic_store_explicit(&w->current_pwq, pwq, memory_order_release);
	atomic_store_explicit(&w->current_wq, pwq->wq, memory_order_release);
	atomic_store_explicit(&w->current_func, func, memory_order_release);
	atomic_store_explicit(&w->current_work, work, memory_order_release);
}

/* The exchange reads what failed claims wrote, so the function sees their stores. */
static void clear_pending(struct worker *w, struct work_struct *work)
{
	work_exchange(work, lease_idle_word(w));
}

static struct pwq *begin(struct worker *w, struct pool *pool,
			 struct work_struct *work, bool watch)
	REQUIRES(pool->lock)
{
	unsigned long word =
		atomic_load_explicit(work_word(work), memory_order_relaxed);
	struct pwq *pwq = word_pwq(word);

	pool_del_work(pool, work);
	if (unlikely(word & WORD_WAITERS))
		take_waiters(w, pool, work);
	w->desc[0] = '\0';
	w->current_colour = word_colour(word);
	pwq->started++;
	if (unlikely(w->began ||
		     atomic_load_explicit(&pool->lent, memory_order_relaxed)))
		cm_item_begins(pool, w);
	publish(w, pool, work, work->func, pwq);
	if (unlikely(atomic_load_explicit(&pwq->wq->flags,
					  memory_order_relaxed) &
		     WQ_CPU_INTENSIVE) &&
	    pool_bound(pool))
		cm_set_intensive(pool, w);
	if (atomic_load_explicit(&pool->has_work, memory_order_relaxed) &&
	    (watch || !pool_is_tiny(pool)))
		cm_watch(pool, watch);
	clear_pending(w, work);
	return pwq;
}

/* What others found out about the worker ends with its item, of @pwq, if that is not
 * over already. */
static void settle(struct worker *w, struct pool *pool, struct pwq *pwq)
	REQUIRES(pool->lock)
{
	if (w->asleep || w->intensive) {
		if (pwq && w->asleep && atomic_load(&pool->nr_running) > 0)
			pwq->cm_overlap++;
		cm_item_done(pool, w);
	}
	if (unlikely(atomic_load_explicit(&pool->lent, memory_order_relaxed)))
		cm_item_took(pool, w);
	if (unlikely(
		    atomic_load_explicit(&w->hint_depth, memory_order_relaxed)))
		atomic_store(&w->hint_depth, 0);
	if (unlikely(!list_empty(&w->waiters)))
		complete_waiters(w);
	if (likely(pwq)) {
		pwq->completed++;
		pwq_item_done(pwq, w->current_colour);
	}
}

/* The record may belong to a worker of the child by now. */
static void check_forked(void)
{
	if (likely(os_generation() == worker_tls_gen))
		return;
	log_err("a work function returned in a forked child; the child exits "
		"with status %d",
		EXIT_FORKED);
	os_exit_group(EXIT_FORKED);
}

/* What is judged next begins. */
static void begin_own(struct pool *pool) REQUIRES(pool->lock)
{
	pool->own_items = 0;
	pool->own_ns = 0;
	pool->own_round++;
}

/* Otherwise one may be in an item that is not tiny, and would not keep up. */
static bool all_have_ended_one(struct pool *pool) REQUIRES(pool->lock)
{
	struct worker *w;

	list_for_each_entry (w, &pool->busy, entry)
		if (!w->asleep && !w->intensive &&
		    w->own_round != pool->own_round + 1 && worker_is_inside(w))
			return false;
	return true;
}

/*
 * Where many run at once they wait for the lock, and for CPUs, for longer than items
 * take that are tiny, which then is not to be seen (judge_pace()). So what the functions
 * take is read there, until they are known to be tiny, and all that run have ended one.
 */
static void note_own_time(struct worker *w, struct pool *pool, uint64_t ns)
	REQUIRES(pool->lock)
{
	pool->own_ns += ns;
	w->own_round = pool->own_round + 1;
	if (++pool->own_items % OWN_ITEMS)
		return;
	if (pool->own_ns >= pool->own_items * TINY_ITEM_NS ||
	    pool->own_items >= MAX_OWN_ITEMS) {
		begin_own(pool);
	} else if (all_have_ended_one(pool)) {
		atomic_store(&pool->tiny, true);
		begin_own(pool);
	}
}

static void run_one(struct worker *w, struct pool *pool,
		    struct work_struct *work, bool watch) REQUIRES(pool->lock)
{
	work_func_t func = work->func;
	struct pwq *pwq = begin(w, pool, work, watch);
	bool timed = pool_is_wide(pool) && !pool_is_tiny(pool);
	uint64_t ns;

	unlock(&pool->lock);
	if (unlikely(w->began))
		cm_count_sleeps(w);
	ns = timed ? os_now() : 0;
	errno = 0;
	func(work);
	check_forked();
	atomic_store_explicit(&w->returned, true, memory_order_relaxed);
	ns = timed ? os_now() - ns : 0;
	if (unlikely(w->began))
		cm_item_returned(pool, w);
	pool_lock_undrained(pool);
	if (timed)
		note_own_time(w, pool, ns);
	atomic_store_explicit(&w->current_work, NULL, memory_order_release);
	settle(w, pool, pwq);
}

/* The list has items; NULL if none of them is one any more. */
static inline struct work_struct *first_of(struct pool *pool, struct list *head)
	REQUIRES(pool->lock)
{
	if (os_checks_items()) {
		verify_list(pool, head);
		if (list_empty(head))
			return NULL;
	}
	return entry_work(head->next);
}

void exec_first(struct worker *w, struct pool *pool)
{
	struct work_struct *work = first_of(pool, &pool->worklist);

	if (likely(work))
		run_one(w, pool, work, false);
}

/* An item that was claimed while it ran waits for the worker that runs it. */
static bool collides(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock)
{
	struct worker *other;

	if (likely(!(atomic_load_explicit(work_word(work),
					  memory_order_relaxed) &
		     WORD_COLLIDES)))
		return false;
	other = pool_find_busy(pool, work);
	if (!other)
		return false;
	pool_del_work(pool, work);
	if (os_checks_items())
		verify_list(pool, &other->scheduled);
	list_add_tail(work_entry(work), &other->scheduled);
	return true;
}

/* What is run from now on is judged together. Returns when that is. */
static uint64_t pace_begin(struct pool *pool) REQUIRES(pool->lock)
{
	pool->nr_taken = 0;
	return os_now();
}

/*
 * Were they tiny? Not to be held against them: how long the inbox was, or, where they
 * are many, that the thread was without a CPU for a time slice, unless that seems to
 * happen twice in a row. Returns the time from which the next ones count.
 */
static uint64_t judge_pace(struct pool *pool, uint64_t since,
			   unsigned int items) REQUIRES(pool->lock)
{
	uint64_t most = (uint64_t)items * TINY_ITEM_NS +
			(uint64_t)pool->nr_taken * DRAIN_ITEM_NS;
	uint64_t now = pace_begin(pool);
	bool fast = now - since < most;
	bool tiny =
		fast || (pool_is_tiny(pool) && items >= DRAIN_EVERY &&
			 !pool->was_slow && now - since < most + PREEMPTED_NS);

	pool->was_slow = !fast;
	if (tiny != pool_is_tiny(pool))
		atomic_store(&pool->tiny, tiny);
	if (tiny && items >= DRAIN_EVERY)
		atomic_store_explicit(&pool->stream, true,
				      memory_order_relaxed);
	return now;
}

/*
 * In the middle of a long list: is the inbox to be looked at? What is in it came later,
 * so where items are tiny it may wait for its turn, from where it can be run
 * without being admitted. Not for long, though: it may be of another workqueue
 * than all those that wait behind max_active.
 */
static bool drain_is_due(struct pool *pool, uint64_t now) REQUIRES(pool->lock)
{
	if (pool_is_tiny(pool) && now - pool->drained_at < DRAIN_NS)
		return false;
	pool->drained_at = now;
	return true;
}

static void run_scheduled(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	struct work_struct *work = first_of(pool, &w->scheduled);

	if (work)
		run_one(w, pool, work, false);
}

/* The items of a lease, without the lock. How many runs there were. */
static unsigned int run_lease(struct worker *w, struct pool *pool)
{
	struct lease *l = &w->lease;
	struct lease_item *item = l->item;
	int *err = &errno; /* finding it is a call */
	uint32_t n;

	for (n = 0; lease_take(l, n); n++) {
		if (n < l->nr) {
			item = &l->item[n];
			publish(w, pool, item->work, item->func, item->pwq);
			clear_pending(w, item->work);
		} else {
			count(&w->seq);
			count(&pool->seq);
		}
		*err = 0;
		item->func(item->work);
		check_forked();
		if (!lease_done(l, n))
			atomic_store_explicit(&w->current_work, NULL,
					      memory_order_release);
	}
	return n;
}

/* The lease is over, and whatever comes of the item that it ended with. */
static void settle_lease(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	struct pwq *pwq = w->lease.running;

	if (w->lease.rerun) {
		struct lease_item *item = &w->lease.item[w->lease.nr - 1];

		pwq->started++;
		pwq->completed++;
		unlock(&pool->lock);
		errno = 0;
		item->func(item->work);
		check_forked();
		pool_lock_undrained(pool);
	}
	atomic_store_explicit(&w->current_work, NULL, memory_order_release);
	settle(w, pool, pwq);
}

/*
 * As long as they are tiny, items are run under leases. Returns with none drained that
 * is not admitted, and whether there was any lease.
 */
static bool run_leases(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	struct lease_item item[LEASE_MAX];
	unsigned int items = 0;
	uint64_t since = 0;
	bool mine = true;

	w->lease.item = item;
	w->began = 0;
	while (mine && lease_pays(pool) && cm_may_continue(pool) &&
	       lease_begin(w, pool)) {
		if (!since)
			since = pace_begin(pool);
		if (atomic_load_explicit(&pool->has_work, memory_order_relaxed))
			cm_watch(pool, true);
		unlock(&pool->lock);
		items += run_lease(w, pool);
		if (w->lease.gather)
			lease_gather(&w->lease);
		lock(&pool->lock);
		mine = lease_end(w, pool);
		if (!mine)
			settle_lease(w, pool);
		if (items < DRAIN_EVERY)
			continue;
		since = judge_pace(pool, since, items);
		items = 0;
		/* Inactive items may refill it for long. */
		if ((!list_empty(&pool->worklist) || w->lease.row) &&
		    drain_is_due(pool, since)) {
			pool_admit_drained(pool);
			pool_drain(pool);
		}
	}
	lease_end_row(w);
	w->lease.item = NULL;
	if (items)
		judge_pace(pool, since, items);
	if (pool->drained)
		pool_admit_drained(pool);
	while (unlikely(!list_empty(&w->scheduled)))
		run_scheduled(w, pool);
	return since;
}

/*
 * Of a worker that is going to run items: are they tiny, so that it had better lease
 * them right from the inbox? Not if its start is to be counted (count_start()).
 */
static bool leases_first(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	return list_empty(&pool->worklist) && lease_pays(pool) &&
	       !pool->lessee && !w->came_home &&
	       !atomic_load_explicit(&pool->lent, memory_order_relaxed);
}

/*
 * Run items as long as there are any and this worker is wanted. The inbox is
 * looked at when the worklist is empty and every 64 items: its head is the
 * line that pushers write. And if an item has queued itself, of which nobody else was
 * told: the next one may block, and then nobody would know that work waits.
 */
static void run_items(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	uint64_t since = pace_begin(pool);
	unsigned int items = 0;
	bool watch = true;

	pool->drained_at = since;
	do {
		struct work_struct *work = first_of(pool, &pool->worklist);

		if (unlikely(!work))
			break;
		if (!collides(pool, work)) {
			run_one(w, pool, work, watch);
			while (unlikely(!list_empty(&w->scheduled)))
				run_scheduled(w, pool);
			watch = false;
			items++;
		}
		if (lease_pays(pool) && run_leases(w, pool)) {
			since = pace_begin(pool);
			items = 0;
		}
		if (items == DRAIN_EVERY) {
			since = judge_pace(pool, since, items);
			items = 0;
			watch = true;
			if (drain_is_due(pool, since))
				pool_drain(pool);
		}
		if (list_empty(&pool->worklist) || unlikely(w->requeued)) {
			w->requeued = false;
			pool_drain(pool);
			place_drained(w, pool);
			watch = true;
		}
		if (unlikely(pool->nr_asleep))
			cm_recheck(pool);
	} while (!list_empty(&pool->worklist) && cm_may_continue(pool));
	/* Leaving work to others: they may be asleep for all that is known. */
	if (!list_empty(&pool->worklist))
		cm_watch(pool, true);
	if (items && (items > DRAIN_EVERY / 4 || pool_is_tiny(pool)))
		judge_pace(pool, since, items);
}

/*
 * Is this worker to start? Yes if too few run. If a sentinel found a CPU idle,
 * or the tick no progress, those that sleep are found first. Beyond the rule an
 * unbound pool starts one more if the tick says so, or if an idle CPU may be due
 * to a worker whose state was not seen. (A sentinel also gets to run for a
 * moment now and then on a CPU that is busy.)
 */
static bool wanted(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	enum cpu_idle cpu_idle =
		(enum cpu_idle)atomic_exchange(&pool->cpu_idle, CPU_BUSY);
	bool grant = atomic_exchange(&pool->grant, false);
	bool all_run;

	if (leases_first(w, pool) && cm_may_start(pool))
		return true;
	pool_drain(pool);
	if (list_empty(&pool->worklist))
		return false;
	place_begins(pool);
	if (unlikely(pool->nr_asleep))
		cm_recheck(pool);
	if (cm_may_start(pool))
		return true;
	/* Where many wait for the lock it may be one of them whose CPU idles. */
	if (cpu_idle == CPU_IDLE && cm_may_lend(pool) &&
	    !(pool_is_wide(pool) && lock_is_wanted(&pool->lock))) {
		cm_lend(pool);
		return true;
	}
	if (!cpu_idle && !grant)
		return false;
	all_run = cm_find_sleepers(pool, w, FIND_MAX, cpu_idle && pool->pinned);
	if (cm_may_start(pool))
		return true;
	return !pool_bound(pool) && (grant || !all_run);
}

/* The order is that of cm.c's proof: first_idle, nr_running, inbox. */
static void enter_idle(struct worker *w, struct pool *pool, bool was_running)
	REQUIRES(pool->lock)
{
	w->is_idle = true;
	list_del(&w->entry);
	list_add(&w->entry, &pool->idle);
	pool->nr_idle++;
	atomic_store(&w->wake, 0);
	atomic_store(&pool->first_idle, w);
	if (was_running)
		cm_leave(pool, w);
	pool_drain(pool);
}

static void sleep_idle(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	w->idle_since = os_now();
	manager_worker_idle(pool);
	pool_unlock(pool);
	place_rest(w, pool);
	while (!atomic_load_explicit(&w->wake, memory_order_acquire))
		os_futex_wait(&w->wake, 0, 0);
	place_woken(w, pool);
	pool_lock_undrained(pool);
}

/* Returns whether it could be bound to its CPU. */
static bool setup(struct worker *w, struct pool *pool)
{
	struct os_thread_attr attr = {
		.cpu = worker_cpu(pool),
		.nice = pool->nice,
		.cpus = worker_cpus(pool),
	};
	char name[32];
	int refused;

	snprintf(name, sizeof(name), "cmwq/%s%d:%d%s", pool->cpu < 0 ? "u" : "",
		 pool->id, w->id, pool->highpri ? "H" : "");
	attr.name = name;
	worker_tls = w;
	worker_tls_gen = w->gen;
	refused = os_thread_setup(&attr);
	if (refused & OS_REFUSED_CPU)
		log_warn_once("binding a thread to its CPU was refused; "
			      "workers run where the system puts them");
	if (refused & OS_REFUSED_NICE)
		log_warn_once("nice %d was refused; workers run at the best "
			      "that is allowed",
			      attr.nice);
	return !(refused & (OS_REFUSED_CPU | OS_LOST_CPU));
}

/* What made it start counts for the workqueue of the first item. */
static void count_start(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	struct work_struct *first = entry_work(pool->worklist.next);
	struct pwq *pwq = word_pwq(atomic_load(work_word(first)));

	if (pool->nr_asleep ||
	    atomic_load_explicit(&pool->lent, memory_order_relaxed))
		pwq->cm_wakeup++;
	if (unlikely(w->came_home))
		pwq->repatriated++;
	w->came_home = false;
}

/*
 * Where workers of this pool may run has changed. Those on its lists were moved at
 * once, but one that was not, or that moved itself just then, is late.
 */
static void follow_pool(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	if (likely(w->moves == pool->moves))
		return;
	w->moves = pool->moves;
	os_thread_move(0, worker_cpu(pool), worker_cpus(pool));
}

/* At most, on the worklist. Of items that are checked none is touched for that. */
static bool one_waits(struct pool *pool) REQUIRES(pool->lock)
{
	const struct list *l = &pool->worklist;

	return list_empty(l) || (!os_checks_items() && l->next->next == l);
}

/*
 * Where items block one after another, the last of them begins with a single item left,
 * and what comes behind it is to find a worker that is there. So they keep two, unless
 * items that slept come to their end all the time: each of them leaves a worker.
 */
static bool lacks_second(struct pool *pool) REQUIRES(pool->lock)
{
	return unlikely(atomic_load_explicit(&pool->lent,
					     memory_order_relaxed)) &&
	       !pool->managed && !one_waits(pool) &&
	       pool->nr_idle + atomic_load(&pool->nr_threads) -
			       pool->nr_workers <
		       2 &&
	       os_now() - atomic_load_explicit(&pool->back_at,
					       memory_order_relaxed) >
		       BACK_NS;
}

/*
 * See that a worker stays in reserve. Not counted as running meanwhile: asleep in the
 * creation of a thread one holds up nobody. False: somebody else has started in a
 * bound pool, which may have been the reserve; the caller is it then. With a single
 * item, or tiny ones, there is nothing that the reserve could do yet: they are not to
 * wait for it.
 */
static bool leave_reserve(struct pool *pool) REQUIRES(pool->lock)
{
	if (manager_is_needed(pool) && one_waits(pool)) {
		if (!atomic_exchange(&pool->want, true))
			timer_wake();
		return true;
	}
	while (manager_is_needed(pool) || lacks_second(pool)) {
		bool created = manager_create(pool);

		if (pool_bound(pool) && !cm_may_start(pool))
			return false;
		if (!created)
			break;
	}
	return true;
}

/*
 * Become busy, with a worker left in reserve, and work until not wanted. Only
 * workers that hold the lock or run an item are busy and counted as running,
 * so whatever else one is found asleep in can be held against its item.
 */
static bool start_working(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	bool leased;

	if (!wanted(w, pool))
		return false;
	worker_leave_idle(w, pool);
	if (!leave_reserve(pool))
		return false;
	follow_pool(w, pool);
	cm_start_running(pool, w);
	list_del(&w->entry);
	list_add(&w->entry, &pool->busy);
	/* Pushers who still saw nr_running 0 are seen here. */
	leased = leases_first(w, pool) && run_leases(w, pool);
	pool_drain(pool);
	if (list_empty(&pool->worklist) || !first_of(pool, &pool->worklist))
		return true;
	if (!leased)
		count_start(w, pool);
	else if (!cm_may_continue(pool)) {
		cm_watch(pool, true);
		return true;
	}
	run_items(w, pool);
	return true;
}

/* As long as it has an item a rescuer is a worker of the pool like others. */
void exec_rescue(struct worker *w, struct pool *pool, struct work_struct *work)
{
	if (collides(pool, work))
		return;
	follow_pool(w, pool);
	cm_start_running(pool, w);
	list_add(&w->entry, &pool->busy);
	pool_drain(pool);
	pool_del_work(pool, work);
	list_add(work_entry(work), &w->scheduled);
	while (!list_empty(&w->scheduled) &&
	       (work = first_of(pool, &w->scheduled))) {
		word_pwq(atomic_load(work_word(work)))->rescued++;
		run_one(w, pool, work, true);
	}
	list_del(&w->entry);
	cm_leave(pool, w);
	cm_forget_runner(pool, w);
	pool_drain(pool);
}

void *exec_thread(void *arg)
{
	struct worker *w = arg;
	struct pool *pool = atomic_load(&w->pool);
	bool ran, pinned;

	pool_lock_undrained(pool);
	w->tid = os_gettid();
	w->id = ++pool->next_worker_id;
	w->moves = pool->moves;
	pool_unlock(pool);
	pinned = setup(w, pool);
	pool_lock_undrained(pool);
	pool->pinned &= pinned;
	/* Until here it counts as being created, however long it was kept from
	 * its CPU, so that nobody creates another meanwhile. */
	if (++pool->nr_workers > pool->peak)
		pool->peak = pool->nr_workers;
	for (;;) {
		follow_pool(w, pool);
		ran = start_working(w, pool);
		if (!w->is_idle)
			enter_idle(w, pool, ran);
		else
			atomic_store(&w->wake, 0);
		if (cm_may_stay(pool))
			continue;
		if (pool_waiting(pool))
			cm_leave_waiting(pool);
		sleep_idle(w, pool);
		if (unlikely(w->die))
			break;
	}
	cm_forget_runner(pool, w);
	pool_unlock(pool);
	worker_leave(w);
	/* The last one: who pushed before that could still wake nobody else. */
	if (pool_waiting(pool))
		cm_kick(pool);
	return NULL;
}
