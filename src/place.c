/* SPDX-License-Identifier: MIT */
/*
 * place - on which CPU a worker of an unbound pool wakes up.
 *
 * The system wakes a thread where it ran last if that CPU is idle, else often where
 * its waker runs, though another CPU may be idle (on small machines it does not look
 * for one that has been busy lately). There the two share a CPU for milliseconds.
 * Whoever wakes a worker therefore leaves a note where he is, and a worker that finds
 * itself on that CPU goes to another one if the two have something to do at once: if
 * its waker runs items himself (place_apart() also prefers a worker that was elsewhere),
 * or if items come in streams, or take long.
 *
 * A sentinel knows that its CPU is idle, so whom it wakes goes there. The system takes a
 * CPU on which only a sentinel runs for idle at times, and at others it does not.
 *
 * It is the other way round where items come one by one, each when the last is done,
 * and take less than a thread's way to another CPU. Then the worker is best off where
 * they are queued: it sleeps there, and is woken there. pool->lone tells these apart:
 * it grows by one with each single short item, and shrinks fast with others. Since
 * a worker that shares its CPU with whoever queues sees items one by one even if
 * they are a stream, it goes elsewhere once in a while to see. If the
 * item has to wait for the CPU there, or the system puts the worker elsewhere all the
 * same, it is given up for a while.
 *
 * Where that is so, whoever waits for an item is often back before its worker sleeps, and
 * what he queues then is left to that worker if it went to work on the same CPU:
 * another one's way there takes ten times as long as the item. What so follows is
 * counted with the lone items; and if it is late, whoever begins it at last, that ends it
 * as well. If he blocks, or needs the CPU of one who does not wait, that may be the
 * time until a tick, a thousand times of what is gained: so then as many have to
 * follow in time, and are not left to anybody, as it takes to gain that (doubts).
 *
 * All that is for pools of few CPUs. With many of them the system looks further, and
 * knows better which one is idle.
 *
 * Nothing here is more than a guess: all fields are written and read without an order,
 * and a worker may always run anywhere in its pool.
 */
#include "place.h"

#define LONE_FEW   (-16)
#define LONE	   16 /* so many in a row: sleep where they are queued */
#define LONE_OTHER 4
#define BRIEF_NS   (25 * NSEC_PER_USEC)
#define LONE_ITEMS 2 /* the next one may come before it sleeps */
#define LATE_NS	   (50 * NSEC_PER_USEC)
#define LEFT	   1U /* in behind_at: nobody else was woken */
#define GAIN_NS	   (4 * NSEC_PER_USEC)
#define MAX_LATE   (100 * NSEC_PER_MSEC)
#define LOOK_EVERY 256
#define MAX_MISSES 4
#define MISS_SKIP  64
#define MAX_LOOKS  4

static int lone(struct pool *pool)
{
	return atomic_load_explicit(&pool->lone, memory_order_relaxed);
}

static void set_lone(struct pool *pool, int n)
{
	if (n != lone(pool))
		atomic_store_explicit(&pool->lone, n, memory_order_relaxed);
}

/* With one CPU there is no choice. Of many the next one is hardly the one to go to, and
 * the system looks for an idle one itself. */
static bool is_to_be_placed(struct pool *pool)
{
	int nr = atomic_load_explicit(&pool->nr_cpus, memory_order_relaxed);

	return !pool_bound(pool) && nr > 1 && !pool_is_wide(pool);
}

static int waker_cpu(unsigned int from)
{
	return (int)(from >> PLACE_SHIFT) - 1;
}

/*
 * It was woken, and while it waits for a CPU, behind the caller for all that is known, a
 * sentinel found its own one idle: put it there. It has no item, and is there as long as
 * it is on the list.
 */
static void fetch(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	unsigned int from =
		atomic_load_explicit(&w->woken_from, memory_order_relaxed);
	int cpu = waker_cpu(from);

	if (likely(!(from & PLACE_HERE)))
		return;
	atomic_store_explicit(&w->woken_from, 0, memory_order_relaxed);
	if (cpu == os_cpu() || !pool_has_cpu(pool, cpu) || !os_cpu_allowed(cpu))
		return;
	os_thread_move(w->tid, cpu, NULL);
	/* If the CPUs of the process have just changed, all workers look again. */
	if (os_thread_move(w->tid, -1, worker_cpus(pool)))
		pool->moves++;
}

void place_apart(struct pool *pool)
{
	struct worker *w = atomic_load(&pool->first_idle);
	int here = os_cpu(), looks = 0;

	if (!is_to_be_placed(pool) || !w)
		return;
	if (atomic_load(&w->wake)) {
		fetch(w, pool);
		return;
	}
	list_for_each_entry (w, &pool->idle, entry) {
		if (atomic_load_explicit(&w->cpu, memory_order_relaxed) !=
		    here) {
			list_del(&w->entry);
			list_add(&w->entry, &pool->idle);
			atomic_store(&pool->first_idle, w);
			return;
		}
		if (++looks == MAX_LOOKS)
			return;
	}
}

/* If the CPUs of the process have just changed that may fail. Then it is done again
 * before the worker runs its next items (follow_pool()). */
static void let_go(struct worker *w, struct pool *pool)
{
	if (os_thread_move(0, -1, worker_cpus(pool)))
		w->moves--;
}

/* The system may move it again, but has no reason to. */
static void move_to(struct worker *self, struct pool *pool, int cpu)
{
	os_thread_move(0, cpu, NULL);
	let_go(self, pool);
}

static void move_off(struct worker *self, struct pool *pool, int here)
{
	int nr = os_nr_cpus();

	for (int i = 1; i < nr; i++) {
		int cpu = (here + i) % nr;

		if (pool_has_cpu(pool, cpu) && os_cpu_allowed(cpu)) {
			move_to(self, pool, cpu);
			return;
		}
	}
}

/*
 * Workers of a pod that need not stay in it are put where the system likes; one that
 * was woken elsewhere goes back to where its items were queued, and may then be
 * moved again.
 */
static void come_home(struct worker *w, struct pool *pool)
{
	_Atomic unsigned long *pod = atomic_load(&pool->pod);

	if (likely(!pod || pool->strict || pool_has_cpu(pool, os_cpu())))
		return;
	os_thread_move(0, -1, pod);
	os_thread_move(0, -1, worker_cpus(pool));
	w->came_home = true;
}

/* A sentinel says that nobody else runs there. */
static void go_to(struct worker *w, struct pool *pool, int cpu)
{
	if (os_cpu() != cpu && pool_has_cpu(pool, cpu) && os_cpu_allowed(cpu) &&
	    pool_waiting(pool))
		move_to(w, pool, cpu);
}

/* It may have been put beside whoever woke it. */
static void part(struct worker *w, struct pool *pool, unsigned int from)
{
	if (!from || os_cpu() != waker_cpu(from))
		return;
	if (!(from & PLACE_APART) &&
	    w->woken_at - atomic_load_explicit(&w->kicked_at,
					       memory_order_relaxed) >
		    LATE_NS)
		set_lone(pool, LONE_FEW);
	if ((from & PLACE_APART || lone(pool) < 0) && pool_waiting(pool))
		move_off(w, pool, os_cpu());
}

static void note_where(struct pool *pool)
{
	int here = os_cpu() + 1;

	if (atomic_load_explicit(&pool->at, memory_order_relaxed) != here)
		atomic_store_explicit(&pool->at, here, memory_order_relaxed);
}

void place_woken(struct worker *w, struct pool *pool)
{
	unsigned int from;

	if (pool_bound(pool))
		return;
	come_home(w, pool);
	if (!is_to_be_placed(pool))
		return;
	w->woken_seq = w->seq;
	w->woken_at = os_now();
	w->followed = 0;
	from = atomic_load_explicit(&w->woken_from, memory_order_relaxed);
	if (from & PLACE_HERE)
		go_to(w, pool, waker_cpu(from));
	else
		part(w, pool, from);
	if (pool_waiting(pool))
		note_where(pool);
}

bool place_leaves(struct pool *pool, int here)
{
	uint64_t now = os_now() & ~(uint64_t)LEFT;
	bool left;

	if (!is_to_be_placed(pool))
		return false;
	left = lone(pool) == LONE &&
	       !atomic_load_explicit(&pool->doubts, memory_order_relaxed) &&
	       atomic_load_explicit(&pool->at, memory_order_relaxed) ==
		       here + 1;
	if (!(atomic_load_explicit(&pool->behind_at, memory_order_relaxed) &
	      LEFT))
		atomic_store_explicit(&pool->behind_at, now | left,
				      memory_order_relaxed);
	return left;
}

static void set_doubts(struct pool *pool, unsigned int n)
{
	if (n != atomic_load_explicit(&pool->doubts, memory_order_relaxed))
		atomic_store_explicit(&pool->doubts, n, memory_order_relaxed);
}

/* Where something waits that was queued while one ran: is it late? */
static bool is_late(struct pool *pool, uint64_t since) REQUIRES(pool->lock)
{
	uint64_t late = os_now() - (since & ~(uint64_t)LEFT);

	if (late <= LATE_NS)
		return false;
	set_lone(pool, LONE_FEW);
	if (late > MAX_LATE)
		late = MAX_LATE;
	if (since & LEFT)
		set_doubts(pool, (unsigned int)(late / GAIN_NS));
	return true;
}

static uint64_t take_behind_at(struct pool *pool) REQUIRES(pool->lock)
{
	uint64_t since =
		atomic_load_explicit(&pool->behind_at, memory_order_relaxed);

	atomic_store_explicit(&pool->behind_at, 0, memory_order_relaxed);
	return since;
}

void place_followed(struct worker *w, struct pool *pool)
{
	uint64_t since = take_behind_at(pool);
	const struct list *l = &pool->worklist;
	unsigned int doubts =
		atomic_load_explicit(&pool->doubts, memory_order_relaxed);
	int n = lone(pool);

	if (list_empty(l))
		return;
	note_where(pool);
	if (!is_late(pool, since) && l->next->next == l) {
		w->followed++;
		set_lone(pool, n < LONE ? n + 1 : LONE);
		set_doubts(pool, doubts ? doubts - 1 : 0);
	}
}

void place_came(struct pool *pool)
{
	uint64_t since =
		atomic_load_explicit(&pool->behind_at, memory_order_relaxed);

	if (since & LEFT && is_late(pool, since))
		take_behind_at(pool);
}

/* What the time since it was woken says about the items. */
static void judge(struct worker *w, struct pool *pool)
{
	unsigned long items = w->seq - w->woken_seq;
	uint64_t brief = BRIEF_NS * (1 + w->followed);
	int n = lone(pool);

	if (!items)
		return;
	if (items <= LONE_ITEMS + w->followed &&
	    w->idle_since - w->woken_at < brief) {
		set_lone(pool, n < LONE ? n + 1 : LONE);
	} else {
		n -= LONE_OTHER;
		set_lone(pool, n < LONE_FEW ? LONE_FEW : n);
	}
}

/* Sleep where the items are queued, as far as the system has it so. */
static void sleep_near(struct worker *w, struct pool *pool, int from)
{
	if (os_cpu() == from) {
		w->misses = 0;
		if (++w->near % LOOK_EVERY)
			return;
		set_lone(pool, LONE - 1);
		move_off(w, pool, from);
	} else if (w->misses < MAX_MISSES) {
		w->misses++;
		move_to(w, pool, from);
	} else if (++w->misses == MAX_MISSES + MISS_SKIP) {
		w->misses = 0;
	}
}

void place_rest(struct worker *w, struct pool *pool)
{
	unsigned int from =
		atomic_load_explicit(&w->woken_from, memory_order_relaxed);
	int cpu = waker_cpu(from);

	if (!is_to_be_placed(pool))
		return;
	judge(w, pool);
	if (from && !(from & (PLACE_APART | PLACE_HERE)) &&
	    lone(pool) == LONE && pool_has_cpu(pool, cpu))
		sleep_near(w, pool, cpu);
	atomic_store_explicit(&w->cpu, os_cpu(), memory_order_relaxed);
	atomic_store_explicit(&w->woken_from, 0, memory_order_relaxed);
}
