/* SPDX-License-Identifier: MIT */
/*
 * bh - BH items: per CPU one at a time, in queueing order, never asleep.
 *
 * Each CPU has two BH pools, normal and high priority, and one thread for both,
 * "cmwq/bh:CPU". Whoever runs items holds the CPU's lock in bh_cpus[]: the thread,
 * or in its place a caller of workqueue_softirq_action() or _dead(). So there is one
 * execution context per CPU, whoever's thread it is, and each pool has one worker, a
 * record that goes with the lock. What is called then is exec.c's way of an item:
 * flush, cancel, non-reentrancy and the counts know nothing of all this.
 *
 * There is no concurrency to manage: an item that blocks keeps its CPU's others
 * waiting, nr_running is 0, no sentinel is armed. Only the tick looks, since it
 * repeats wakeups and creates a thread that could not be created.
 *
 * In BH context the thread is nobody's worker: current_work() is NULL, a hint or a
 * description does nothing, who queues on a draining workqueue is an outsider. This is
 * as in the kernel.
 *
 * Going to sleep (models/bh.pml):
 *
 *	pusher				thread
 *	P1 push to the inbox		T1 state = ASLEEP
 *	P2 read state; if ASLEEP,	T2 read both inboxes; if there is
 *	   AWAKE and wake it		   something, state = AWAKE, go on
 *
 * Either P2 sees T1 or T2 sees P1. Whoever runs items in the thread's place changes
 * nothing about that, also if he leaves some: the thread, once awake, waits for the
 * lock before it looks.
 *
 * The thread is urgent (SCHED_FIFO 1, or nice -20) so that an item starts when it is
 * queued. That must not starve the CPU: what is not done after 2 ms or 10 rounds is
 * done at normal priority, as the kernel leaves it to ksoftirqd, and the scheduler
 * shares the CPU fairly, which neither a yield (SCHED_FIFO yields to its like only)
 * nor a nap (which leaves an idle CPU idle) would do. When nothing is left it is urgent
 * again.
 *
 * Locks: bh_cpus[].lock across items, pool->lock between them.
 */
#include "bh.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cm.h"
#include "exec.h"
#include "lease.h"
#include "life.h"
#include "log.h"
#include "nosleep.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "rescuer.h"

#define SLICE_NS     (2 * NSEC_PER_MSEC)
#define SLICE_ROUNDS 10
#define SHORT_NS     (20 * NSEC_PER_USEC)
#define MAX_UNREAD   16
#define RETRY_NS     (10 * NSEC_PER_MSEC)

/* How long to go on. The clock costs more than a short item: as long as items are
 * short it is looked at every 16 of them. */
struct slice {
	bool limited;
	bool over;
	uint64_t end;
	uint64_t read_at;
	unsigned int unread; /* items until the next look */
	unsigned int every;
	unsigned int rounds;
};

/* A BH thread. */
struct thread {
	int tid;
	bool home;	    /* was put on its CPU last, and not on all */
	bool may_be_urgent; /* and so is to be lowered when it works for long */
};

/* What a thread was before it came into BH context. */
struct outer {
	struct worker *worker;
	uint32_t gen;
	int err;
	int cancel; /* whether pthread_cancel() may end it */
};

static const struct slice unlimited = { .limited = false };
static __thread struct worker *bh_tls;

struct worker *bh_self(void)
{
	return worker_tls_gen == os_generation() ? bh_tls : NULL;
}

/* It is not to be cancelled in an item, which is somebody else's, and with the lock. */
static struct outer enter(void)
{
	struct outer outer = { worker_tls, worker_tls_gen, errno, 0 };

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &outer.cancel);
	worker_tls = NULL;
	worker_tls_gen = os_generation();
	return outer;
}

static void leave(const struct outer *outer)
{
	worker_tls_gen = outer->gen;
	worker_tls = outer->worker;
	errno = outer->err;
	pthread_setcancelstate(outer->cancel, NULL);
}

static int cpu_of(struct bh_cpu *bh)
{
	return (int)(bh - bh_cpus);
}

static struct slice slice_start(void)
{
	uint64_t now = os_now();

	return (struct slice){
		.limited = true,
		.end = now + SLICE_NS,
		.read_at = now,
		.unread = 1,
		.every = 1,
	};
}

static void spend_round(struct slice *s)
{
	if (s->limited && ++s->rounds == SLICE_ROUNDS)
		s->over = true;
}

static void spend_item(struct slice *s)
{
	uint64_t now;

	if (!s->limited || --s->unread)
		return;
	now = os_now();
	if (now - s->read_at > SHORT_NS)
		s->every = 1;
	else if (s->every < MAX_UNREAD)
		s->every *= 2;
	s->unread = s->every;
	s->read_at = now;
	if (now >= s->end)
		s->over = true;
}

static bool work_waits(int cpu)
{
	return pool_waiting(pool_bh(cpu, true)) ||
	       pool_waiting(pool_bh(cpu, false));
}

static void set_busy(struct worker *w, struct pool *pool, bool busy)
	REQUIRES(pool->lock)
{
	w->is_idle = !busy;
	list_move_tail(&w->entry, busy ? &pool->busy : &pool->idle);
	pool->nr_idle += busy ? -1 : 1;
}

/* This thread, whose lock it is now, is the worker of both pools. False if there are
 * no records and no memory for them. */
static bool become_worker(struct bh_cpu *bh, int tid) REQUIRES(bh->lock)
{
	bh->runner = tid;
	for (int hi = 0; hi < NR_PRIORITIES; hi++) {
		struct pool *pool = pool_bh(cpu_of(bh), hi);
		struct worker *w = bh->worker[hi];

		if (w)
			continue;
		w = worker_alloc(pool);
		if (!w) {
			log_warn_once("no memory for a BH worker; trying again "
				      "as long as work waits");
			return false;
		}
		bh->worker[hi] = w;
		pool_lock(pool);
		w->is_idle = true;
		list_add(&w->entry, &pool->idle);
		pool->nr_idle = pool->nr_workers = pool->peak = 1;
		pool_unlock(pool);
	}
	return true;
}

/*
 * A round: the items that wait in one pool and those that join them, until
 * nothing is left, the slice is over, or something waits in @urgent.
 */
static void run_round(struct bh_cpu *bh, bool hi, struct pool *urgent,
		      struct slice *slice) REQUIRES(bh->lock)
{
	struct pool *pool = pool_bh(cpu_of(bh), hi);
	struct worker *w = bh->worker[hi];
	char sleeper[WQ_NAME_LEN] = "";
	struct nosleep before;

	bh_tls = w;
	pool_lock(pool);
	w->tid = bh->runner;
	set_busy(w, pool, true);
	while (!list_empty(&pool->worklist)) {
		nosleep_begin(&before);
		exec_first(w, pool);
		/* The checks may sleep: they ask the system. */
		if (nosleep_slept(&before) && !os_checks_items())
			strcpy(sleeper, atomic_load(&w->current_wq)->name);
		spend_item(slice);
		if (slice->over || sleeper[0] ||
		    (urgent && pool_waiting(urgent)))
			break;
	}
	set_busy(w, pool, false);
	w->tid = bh->tid;
	pool_unlock(pool);
	bh_tls = NULL;
	spend_round(slice);
	if (sleeper[0])
		nosleep_report(atomic_load(&w->current_func), sleeper);
}

/* Until the slice is over or nothing waits; high priority first. */
static void run(struct bh_cpu *bh, struct slice *slice) REQUIRES(bh->lock)
{
	int cpu = cpu_of(bh);
	struct pool *urgent = pool_bh(cpu, true);

	while (!slice->over && work_waits(cpu)) {
		bool hi = pool_waiting(urgent);

		run_round(bh, hi, hi ? NULL : urgent, slice);
	}
}

/* Its CPU may have been lost, or have come back, or somebody outside has moved all
 * threads. */
static void follow_cpu(struct thread *t, int cpu)
{
	bool allowed = os_cpu_allowed(cpu);

	if (likely(allowed == t->home && (!allowed || os_cpu() == cpu)))
		return;
	os_thread_move(0, allowed ? cpu : -1, NULL);
	t->home = allowed;
}

/* All there is: urgently at first, and what is left as any other thread. */
static void run_all(struct thread *t, struct bh_cpu *bh) REQUIRES(bh->lock)
{
	bool lowered = false;

	for (;;) {
		struct slice slice = slice_start();

		follow_cpu(t, cpu_of(bh));
		run(bh, &slice);
		if (!work_waits(cpu_of(bh)))
			break;
		if (t->may_be_urgent && !lowered)
			os_thread_urgent(false);
		lowered = true;
	}
	if (t->may_be_urgent && lowered)
		os_thread_urgent(true);
}

/* T1 and T2 above. */
static void sleep_until_kicked(struct bh_cpu *bh)
{
	atomic_store(&bh->state, BH_ASLEEP);
	if (work_waits(cpu_of(bh))) {
		atomic_store(&bh->state, BH_AWAKE);
		return;
	}
	while (atomic_load(&bh->state) == BH_ASLEEP)
		os_futex_wait(&bh->state, BH_ASLEEP, 0);
}

/* Returns whether its priority is to be changed when it works for long: one that
 * is hardly above the others does not starve them. */
static bool prepare_thread(int cpu)
{
	char name[32];
	struct os_thread_attr attr = {
		.name = name,
		.cpu = os_cpu_allowed(cpu) ? cpu : -1,
	};
	int refused;

	snprintf(name, sizeof(name), "cmwq/bh:%d", cpu);
	if (os_thread_setup(&attr) & OS_REFUSED_CPU)
		log_warn_once("binding a thread to its CPU was refused; BH "
			      "threads run where the system puts them");
	refused = os_thread_urgent(true);
	if (refused & OS_REFUSED_NICE)
		log_warn_once(
			"SCHED_FIFO and nice -20 were refused; BH threads "
			"run at the best that is allowed");
	else if (refused)
		log_warn_once("SCHED_FIFO was refused; BH threads run at nice "
			      "-20");
	return !(refused & OS_REFUSED_NICE);
}

static void *bh_thread(void *arg)
{
	struct bh_cpu *bh = arg;
	struct thread t = {
		.tid = os_gettid(),
		.home = true,
		.may_be_urgent = prepare_thread(cpu_of(bh)),
	};

	enter();
	for (;;) {
		bool ready;

		lock(&bh->lock);
		bh->tid = t.tid;
		ready = become_worker(bh, t.tid);
		if (ready)
			run_all(&t, bh);
		unlock(&bh->lock);
		if (ready)
			sleep_until_kicked(bh);
		else
			os_sleep_ns(RETRY_NS);
	}
	return NULL;
}

static void create(struct bh_cpu *bh)
{
	uint32_t absent = BH_ABSENT;
	int err;

	atomic_store(&bh->want, false);
	if (!atomic_compare_exchange_strong(&bh->state, &absent, BH_AWAKE))
		return;
	err = os_thread_create(bh_thread, bh,
			       (size_t)param_get(stack_kib) * 1024);
	if (!err)
		return;
	atomic_store(&bh->state, BH_ABSENT);
	atomic_store(&bh->want, true);
	log_warn_once("cannot create a BH thread (%s); trying again as long as "
		      "work waits",
		      strerror(err));
}

void bh_create_wanted(void)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		if (!atomic_load_explicit(&bh_cpus[cpu].want,
					  memory_order_relaxed))
			continue;
		rescuer_timer_away();
		create(&bh_cpus[cpu]);
	}
}

void bh_create_all(void)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++)
		if (os_cpu_allowed(cpu))
			create(&bh_cpus[cpu]);
}

void workqueue_softirq_action(bool highpri)
{
	struct slice slice;
	struct outer outer;
	struct bh_cpu *bh;
	struct pool *pool;

	life_check();
	if (bh_self())
		return;
	bh = &bh_cpus[os_cpu()];
	pool = pool_bh(cpu_of(bh), highpri);
	if (!pool_waiting(pool) || !lock_try(&bh->lock))
		return;
	outer = enter();
	if (become_worker(bh, os_gettid())) {
		slice = slice_start();
		while (!slice.over && pool_waiting(pool))
			run_round(bh, highpri, NULL, &slice);
	}
	leave(&outer);
	unlock(&bh->lock);
}

void workqueue_softirq_dead(unsigned int cpu)
{
	struct slice slice = unlimited;
	struct outer outer;
	struct bh_cpu *bh;

	life_check();
	if (cpu >= (unsigned int)os_nr_cpus() || os_cpu_allowed((int)cpu)) {
		log_warn("workqueue_softirq_dead: CPU %u %s, called from %p",
			 cpu,
			 cpu >= (unsigned int)os_nr_cpus()
				 ? "does not exist"
				 : "is there and runs its BH items itself",
			 __builtin_return_address(0));
		return;
	}
	if (bh_self()) {
		log_err("workqueue_softirq_dead: called in BH context, from "
			"%p; "
			"nothing is done",
			__builtin_return_address(0));
		return;
	}
	bh = &bh_cpus[cpu];
	lock(&bh->lock);
	outer = enter();
	while (!become_worker(bh, os_gettid()))
		os_sleep_ns(RETRY_NS);
	run(bh, &slice);
	leave(&outer);
	unlock(&bh->lock);
}

void bh_note_sleep(void)
{
	struct worker *w = NOSLEEP_CHECKS ? bh_self() : NULL;

	if (unlikely(w))
		nosleep_report(atomic_load(&w->current_func),
			       atomic_load(&w->current_wq)->name);
}
