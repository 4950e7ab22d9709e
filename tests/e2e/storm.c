/* SPDX-License-Identifier: MIT */
/*
 * storm.c - random storms of every operation, from several threads, on a small
 * set of shared things (delayed works), each of which belongs to one slot (a
 * workqueue that is drained, destroyed and allocated anew meanwhile).
 *
 * The books. A claim makes an idle thing pending: queue_*() that returned true,
 * or mod_*() (true: it also ended the claim that it replaced). A claim ends in
 * exactly one run, or in exactly one cancel, disable or mod that returned true.
 * So, thing by thing, at the end:
 *
 *	runs == claims - ends
 *
 * Where a result does not tell (mod_*() is false for an idle thing, which it
 * queued, and for a disabled one, which it did not; queue_work() is true for
 * one that a draining queue dropped), the claim counts as possible only and
 * the books are an interval.
 *
 * Besides: a thing never overlaps itself; it does not run between the return
 * of a disable_*_sync() and its enable; it neither runs nor starts after
 * cancel_*_sync() while nobody else queues it; an ordered slot runs one thing
 * at a time; what a flusher wrote before it queued was seen by a run.
 *
 * timeout: 300
 */
#include "harness.h"

#define THREADS 4
#define THINGS	10
#define SLOTS	5

enum op {
	QUEUE,
	QUEUE_ON,
	DELAYED,
	MOD,
	CANCEL,
	CANCEL_SYNC,
	QUIESCE,
	FLUSH,
	FLUSH_DELAYED,
	DISABLE,
	DISABLE_SYNC,
	ENABLE,
	MAX_ACTIVE,
	FLUSH_WQ,
	DRAIN,
	RENEW,
	NAP,
	NR_OPS,
};

struct profile {
	unsigned int weight[NR_OPS];
	int things;	 /* how many are used */
	bool mod_claims; /* nothing is ever disabled: a false mod has queued */
	bool refused;	 /* drains do not keep other threads from queueing */
	bool stamps;	 /* nothing is ever taken back */
};

/*
 * Lock order: slot, thing; functions only try. A reader of a slot may queue on
 * its workqueue and a reader of a thing may queue it. Writers come first.
 */
struct slot {
	pthread_rwlock_t lock;
	struct workqueue_struct *_Atomic wq;
	bool ordered;
	_Atomic int running;
};

struct thing {
	struct delayed_work dwork;
	pthread_rwlock_t lock;
	struct slot *slot;
	_Atomic long claims, maybe, ends, runs;
	_Atomic int in_run;
	_Atomic int held; /* disable_*_sync() that returned and still hold */
	_Atomic long stamp[THREADS], seen[THREADS];
};

struct actor {
	int nr;
	struct rng rng;
	const struct profile *profile;
	unsigned int total; /* of the weights */
	int depth[THINGS];  /* how often we disabled it, */
	int holds[THINGS];  /* of which these count as held */
	int disabled;
	struct thread thread;
};

static struct slot slots[SLOTS];
static struct thing things[THINGS];
static const struct profile *weather;
static uint64_t storm_end;

static uint64_t storm_ns(void)
{
	const char *s = getenv("CMWQ_STORM_SECONDS");

	return (uint64_t)((s ? atof(s) : 2) * 1e9);
}

static void init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(
		&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

static struct workqueue_struct *make_queue(int nr)
{
	switch (nr) {
	case 0:
		return alloc_workqueue("s%d", WQ_PERCPU, 0, nr);
	case 1:
		return alloc_workqueue("s%d", WQ_UNBOUND, 2, nr);
	case 2:
		return alloc_ordered_workqueue("s%d", 0, nr);
	case 3:
		return alloc_workqueue("s%d", WQ_PERCPU, 1, nr);
	default:
		return alloc_workqueue("s%d", WQ_UNBOUND, 0, nr);
	}
}

/* --- the books --- */

static void add(_Atomic long *n, long by)
{
	atomic_fetch_add(n, by);
}

static bool claimed(struct thing *t, bool queued)
{
	if (queued)
		add(weather->refused ? &t->maybe : &t->claims, 1);
	return queued;
}

static bool ended(struct thing *t, bool taken)
{
	if (taken)
		add(&t->ends, 1);
	return taken;
}

static void modified(struct thing *t, bool was_pending)
{
	if (was_pending)
		ended(t, true);
	if (weather->refused || (!was_pending && !weather->mod_claims))
		add(&t->maybe, 1);
	else
		add(&t->claims, 1);
}

/* --- what the things do --- */

/* Queue a thing of the slot that we run on; it lives as long as we run. */
static void queue_from_inside(struct thing *t, unsigned int dice)
{
	struct workqueue_struct *wq = atomic_load(&t->slot->wq);

	if (pthread_rwlock_tryrdlock(&t->lock))
		return;
	if (dice % 2)
		claimed(t, queue_work(wq, &t->dwork.work));
	else
		claimed(t, queue_work_on(nth_cpu((int)dice % nr_allowed()), wq,
					 &t->dwork.work));
	pthread_rwlock_unlock(&t->lock);
}

static void thing_behave(struct thing *t, struct rng *r)
{
	unsigned int dice = rng_below(r, 100);
	int other;

	if (dice < 6)
		usleep(rng_below(r, 200));
	else if (dice < 12)
		sched_yield();
	else if (dice < 20)
		burn_us(rng_below(r, 30));
	else if (dice < 30)
		queue_from_inside(t, rng_below(r, 64));
	else if (dice < 36) {
		other = (int)rng_below(r, (unsigned int)weather->things);
		if (things[other].slot == t->slot)
			queue_from_inside(&things[other], rng_below(r, 64));
	}
}

static void thing_func(struct work_struct *work)
{
	struct thing *t = from_work(t, work, dwork.work);
	long run = atomic_fetch_add(&t->runs, 1);
	struct rng r = rng_make((uint64_t)(run * THINGS + (t - things) + 1000));
	int i;

	ASSERT_EQ(atomic_fetch_add(&t->in_run, 1), 0);
	ASSERT_EQ(atomic_load(&t->held), 0);
	if (t->slot->ordered)
		ASSERT_EQ(atomic_fetch_add(&t->slot->running, 1), 0);
	for (i = 0; i < THREADS; i++)
		atomic_store_explicit(
			&t->seen[i],
			atomic_load_explicit(&t->stamp[i],
					     memory_order_relaxed),
			memory_order_relaxed);
	thing_behave(t, &r);
	ASSERT_EQ(atomic_load(&t->held), 0);
	if (t->slot->ordered)
		atomic_fetch_sub(&t->slot->running, 1);
	atomic_fetch_sub(&t->in_run, 1);
}

/* --- what the threads do --- */

static void lock_both(struct thing *t)
{
	pthread_rwlock_rdlock(&t->slot->lock);
	pthread_rwlock_rdlock(&t->lock);
}

static void unlock_both(struct thing *t)
{
	pthread_rwlock_unlock(&t->lock);
	pthread_rwlock_unlock(&t->slot->lock);
}

static void do_queueing(struct actor *a, enum op op, struct thing *t)
{
	int cpu = nth_cpu((int)rng_below(&a->rng, (unsigned)nr_allowed()));
	unsigned long delay = rng_below(&a->rng, 4);
	struct workqueue_struct *wq;

	lock_both(t);
	wq = atomic_load(&t->slot->wq);
	add(&t->stamp[a->nr], 1);
	if (op == QUEUE)
		claimed(t, queue_work(wq, &t->dwork.work));
	else if (op == QUEUE_ON)
		claimed(t, queue_work_on(cpu, wq, &t->dwork.work));
	else if (op == DELAYED && delay % 2)
		claimed(t, queue_delayed_work(wq, &t->dwork, delay));
	else if (op == DELAYED)
		claimed(t, queue_delayed_work_on(cpu, wq, &t->dwork, delay));
	else if (delay % 2)
		modified(t, mod_delayed_work(wq, &t->dwork, delay));
	else
		modified(t, mod_delayed_work_on(cpu, wq, &t->dwork, delay));
	unlock_both(t);
}

/* Nobody else queues it: then it is, and stays, at rest. */
static void do_quiesce(struct thing *t)
{
	long runs;

	pthread_rwlock_wrlock(&t->lock);
	ended(t, cancel_delayed_work_sync(&t->dwork));
	ASSERT_EQ(atomic_load(&t->in_run), 0);
	runs = atomic_load(&t->runs);
	sched_yield();
	ASSERT_EQ(atomic_load(&t->in_run), 0);
	ASSERT_EQ(atomic_load(&t->runs), runs);
	pthread_rwlock_unlock(&t->lock);
}

static void do_flush_delayed(struct actor *a, struct thing *t)
{
	pthread_rwlock_rdlock(&t->slot->lock);
	flush_delayed_work(&t->dwork);
	if (weather->stamps)
		ASSERT_EQ(atomic_load(&t->seen[a->nr]),
			  atomic_load(&t->stamp[a->nr]));
	pthread_rwlock_unlock(&t->slot->lock);
}

static void do_enable(struct actor *a, int i)
{
	struct thing *t = &things[i];

	if (!a->depth[i])
		return;
	if (a->holds[i] == a->depth[i]) {
		a->holds[i]--;
		atomic_fetch_sub(&t->held, 1);
	}
	a->depth[i]--;
	a->disabled--;
	enable_delayed_work(&t->dwork);
}

static void enable_some(struct actor *a)
{
	int from = (int)rng_below(&a->rng, THINGS), i;

	for (i = 0; i < THINGS; i++) {
		if (a->depth[(from + i) % THINGS]) {
			do_enable(a, (from + i) % THINGS);
			return;
		}
	}
}

static void do_disable(struct actor *a, bool sync, int i)
{
	struct thing *t = &things[i];

	if (a->disabled >= 2) {
		enable_some(a);
		return;
	}
	if (sync) {
		ended(t, disable_delayed_work_sync(&t->dwork));
		ASSERT_EQ(atomic_load(&t->in_run), 0);
		atomic_fetch_add(&t->held, 1);
		a->holds[i]++;
	} else {
		ended(t, disable_delayed_work(&t->dwork));
	}
	a->depth[i]++;
	a->disabled++;
}

/* A timer that fires on a draining or destroyed queue is the user's bug. */
static void timers_to_queue(struct slot *s)
{
	struct workqueue_struct *wq = atomic_load(&s->wq);
	struct thing *t;

	for (t = things; t < things + THINGS; t++) {
		if (t->slot != s)
			continue;
		pthread_rwlock_rdlock(&t->lock);
		if (ended(t, cancel_delayed_work(&t->dwork)))
			claimed(t, queue_work(wq, &t->dwork.work));
		pthread_rwlock_unlock(&t->lock);
	}
}

static void do_drain(struct slot *s)
{
	if (weather->refused) {
		pthread_rwlock_rdlock(&s->lock);
	} else {
		pthread_rwlock_wrlock(&s->lock);
		timers_to_queue(s);
	}
	drain_workqueue(atomic_load(&s->wq));
	pthread_rwlock_unlock(&s->lock);
}

static void do_renew(struct slot *s)
{
	pthread_rwlock_wrlock(&s->lock);
	timers_to_queue(s);
	destroy_workqueue(atomic_load(&s->wq));
	atomic_store(&s->wq, make_queue((int)(s - slots)));
	ASSERT(atomic_load(&s->wq));
	pthread_rwlock_unlock(&s->lock);
}

static void do_to_queue(struct actor *a, enum op op, struct slot *s)
{
	if (op == DRAIN) {
		do_drain(s);
		return;
	}
	if (op == RENEW) {
		do_renew(s);
		return;
	}
	pthread_rwlock_rdlock(&s->lock);
	if (op == FLUSH_WQ)
		flush_workqueue(atomic_load(&s->wq));
	else if (!s->ordered)
		workqueue_set_max_active(atomic_load(&s->wq),
					 1 + (int)rng_below(&a->rng, 5));
	pthread_rwlock_unlock(&s->lock);
}

static void act(struct actor *a, enum op op, int i)
{
	struct thing *t = &things[i];

	switch (op) {
	case CANCEL:
		ended(t, cancel_delayed_work(&t->dwork));
		break;
	case CANCEL_SYNC:
		ended(t, cancel_delayed_work_sync(&t->dwork));
		break;
	case QUIESCE:
		do_quiesce(t);
		break;
	case FLUSH:
		flush_work(&t->dwork.work);
		break;
	case FLUSH_DELAYED:
		do_flush_delayed(a, t);
		break;
	case DISABLE:
	case DISABLE_SYNC:
		do_disable(a, op == DISABLE_SYNC, i);
		break;
	case ENABLE:
		enable_some(a);
		break;
	case NAP:
		usleep(rng_below(&a->rng, 300));
		break;
	default:
		if (op <= MOD)
			do_queueing(a, op, t);
		else
			do_to_queue(a, op, t->slot);
	}
}

static enum op pick_op(struct actor *a)
{
	unsigned int dice = rng_below(&a->rng, a->total);
	int op = 0;

	while (dice >= a->profile->weight[op])
		dice -= a->profile->weight[op++];
	return (enum op)op;
}

static long storm_thread(void *arg)
{
	struct actor *a = arg;
	int i;

	for (i = 0; i < NR_OPS; i++)
		a->total += a->profile->weight[i];
	while (now_ns() < storm_end)
		act(a, pick_op(a),
		    (int)rng_below(&a->rng, (unsigned)a->profile->things));
	for (i = 0; i < THINGS; i++)
		while (a->depth[i])
			do_enable(a, i);
	return 0;
}

/* --- begin and end --- */

static void storm_init(const struct profile *p)
{
	int i;

	weather = p;
	storm_end = now_ns() + storm_ns();
	for (i = 0; i < SLOTS; i++) {
		init_lock(&slots[i].lock);
		slots[i].ordered = i == 2;
		atomic_store(&slots[i].wq, make_queue(i));
		ASSERT(atomic_load(&slots[i].wq));
	}
	for (i = 0; i < THINGS; i++) {
		init_lock(&things[i].lock);
		things[i].slot = &slots[i % SLOTS];
		INIT_DELAYED_WORK(&things[i].dwork, thing_func);
	}
}

static void check_books(struct thing *t)
{
	long sure = atomic_load(&t->claims) - atomic_load(&t->ends);
	long runs = atomic_load(&t->runs);

	EXPECT_OP(runs, >=, sure);
	EXPECT_OP(runs, <=, sure + atomic_load(&t->maybe));
	EXPECT_EQ(atomic_load(&t->in_run), 0);
	EXPECT_EQ(work_busy(&t->dwork.work), 0);
}

static void check_still_works(struct thing *t)
{
	struct workqueue_struct *wq = atomic_load(&t->slot->wq);
	long runs = atomic_load(&t->runs);

	EXPECT(!delayed_work_pending(&t->dwork));
	EXPECT(queue_delayed_work(wq, &t->dwork, 1000000));
	EXPECT(!queue_work(wq, &t->dwork.work));
	flush_delayed_work(&t->dwork);
	EXPECT_OP(atomic_load(&t->runs), >, runs);
}

static void storm(const struct profile *p)
{
	static struct actor actor[THREADS];
	int i, round;

	storm_init(p);
	for (i = 0; i < THREADS; i++) {
		actor[i].nr = i;
		actor[i].profile = p;
		actor[i].rng = rng_make((uint64_t)i + 1);
		thread_start(&actor[i].thread, storm_thread, &actor[i]);
	}
	for (i = 0; i < THREADS; i++)
		thread_join(&actor[i].thread);
	/* Things queue things, but only a few of them again. */
	for (round = 0; round < 2; round++) {
		for (i = 0; i < THINGS; i++)
			flush_delayed_work(&things[i].dwork);
		for (i = 0; i < SLOTS; i++)
			drain_workqueue(atomic_load(&slots[i].wq));
	}
	for (i = 0; i < THINGS; i++)
		check_books(&things[i]);
	for (i = 0; i < THINGS; i++)
		check_still_works(&things[i]);
	for (i = 0; i < SLOTS; i++)
		destroy_workqueue(atomic_load(&slots[i].wq));
}

TEST(all_but_mod)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 200,
			    [QUEUE_ON] = 100,
			    [DELAYED] = 60,
			    [CANCEL] = 40,
			    [CANCEL_SYNC] = 30,
			    [QUIESCE] = 10,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 10,
			    [DISABLE] = 10,
			    [DISABLE_SYNC] = 10,
			    [ENABLE] = 20,
			    [MAX_ACTIVE] = 5,
			    [FLUSH_WQ] = 5,
			    [DRAIN] = 1,
			    [RENEW] = 1,
			    [NAP] = 5 },
		.things = THINGS,
	};

	storm(&p);
}

TEST(mod_and_cancel)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 100,
			    [QUEUE_ON] = 50,
			    [DELAYED] = 100,
			    [MOD] = 200,
			    [CANCEL] = 50,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 20,
			    [MAX_ACTIVE] = 5,
			    [FLUSH_WQ] = 5,
			    [DRAIN] = 1,
			    [RENEW] = 1,
			    [NAP] = 10 },
		.things = THINGS,
		.mod_claims = true,
	};

	storm(&p);
}

TEST(everything)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 100,
			    [QUEUE_ON] = 50,
			    [DELAYED] = 50,
			    [MOD] = 60,
			    [CANCEL] = 20,
			    [CANCEL_SYNC] = 20,
			    [QUIESCE] = 10,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 10,
			    [DISABLE] = 10,
			    [DISABLE_SYNC] = 10,
			    [ENABLE] = 20,
			    [MAX_ACTIVE] = 10,
			    [FLUSH_WQ] = 10,
			    [DRAIN] = 3,
			    [RENEW] = 3,
			    [NAP] = 5 },
		.things = THINGS,
	};

	storm(&p);
}

/* Two things only, so that the operations meet all the time. */
TEST(crowded)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 60,
			    [QUEUE_ON] = 60,
			    [DELAYED] = 30,
			    [CANCEL] = 30,
			    [CANCEL_SYNC] = 40,
			    [QUIESCE] = 10,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 10,
			    [DISABLE] = 20,
			    [DISABLE_SYNC] = 20,
			    [ENABLE] = 40 },
		.things = 2,
	};

	storm(&p);
}

TEST(crowded_mod)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 20,
			    [QUEUE_ON] = 20,
			    [DELAYED] = 30,
			    [MOD] = 100,
			    [CANCEL] = 30,
			    [FLUSH_DELAYED] = 10 },
		.things = 1,
		.mod_claims = true,
	};

	storm(&p);
}

/* Nothing is taken back, so whoever queues and flushes has been served. */
TEST(served)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 100,
			    [QUEUE_ON] = 50,
			    [DELAYED] = 50,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 60,
			    [MAX_ACTIVE] = 5,
			    [FLUSH_WQ] = 10 },
		.things = THINGS,
		.stamps = true,
	};

	storm(&p);
}

/* Queueing from outside meets draining queues, and is dropped. */
TEST(refused)
{
	static const struct profile p = {
		.weight = { [QUEUE] = 100,
			    [QUEUE_ON] = 50,
			    [DELAYED] = 50,
			    [MOD] = 30,
			    [CANCEL] = 20,
			    [CANCEL_SYNC] = 20,
			    [QUIESCE] = 10,
			    [FLUSH] = 10,
			    [FLUSH_DELAYED] = 10,
			    [DISABLE] = 10,
			    [DISABLE_SYNC] = 10,
			    [ENABLE] = 20,
			    [MAX_ACTIVE] = 5,
			    [FLUSH_WQ] = 10,
			    [DRAIN] = 20,
			    [RENEW] = 2 },
		.things = THINGS,
		.refused = true,
	};

	log_ignore("drain");
	log_ignore("refusals");
	storm(&p);
}
