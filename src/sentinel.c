/* SPDX-License-Identifier: MIT */
/*
 * sentinel - a SCHED_IDLE thread per CPU that notices when the CPU idles.
 *
 * It is runnable only while work waits behind running workers. The scheduler
 * then runs it exactly when its CPU has nothing better to do: a worker blocked,
 * for whatever reason. It takes no lock (a SCHED_IDLE lock holder may be held
 * up for 20 ms), allocates nothing, creates nothing: it reads atomics and one
 * thread's state, stores what it saw, and wakes one worker, who finds out under
 * the lock what happened.
 *
 * A pass is in vain if there is work but no worker to wake, or one is already
 * on its way, or the pool is making progress on tiny items. After two such passes, or
 * sixteen that found the pool's worker running, or workers of a wide pool waiting for
 * its lock (their CPUs idle for that, and one more would have to wait, too), it rests
 * until the tick (or a worker with work behind it) arms it again. Only a pass that finds
 * nothing waiting disarms. From the fourth of the sixteen on it yields after each:
 * that puts a SCHED_IDLE thread far behind all others, but not behind an idle CPU.
 *
 * One whose CPU is lost ends. It must not be created after that: the creator asks
 * whether the CPU is allowed before it says that there is a thread, and the
 * thread after, while hotplug.c takes the CPU away first and then looks for a
 * thread.
 *
 * Disarming: state = OFF, then look at the pools again; the arming side pushes,
 * then reads the state (models/kick.pml, the same pattern).
 */
#include "sentinel.h"

#include <errno.h>
#include <stdio.h>

#include "cm.h"
#include "log.h"
#include "os.h"
#include "param.h"
#include "rescuer.h"

#define STACK	     (128 * 1024)
#define MAX_VAIN     16
#define VAIN	     8
#define VAIN_RUNNER  1
#define YIELD_VAIN   4
#define TINY_WAIT_NS 2000
#define POLL_NS	     NSEC_PER_MSEC
#define BELIEVE_NS   (100 * NSEC_PER_USEC)
#define YIELDS	     3
#define PATIENCE_NS  (20 * NSEC_PER_USEC)
#define YIELD_NS     (10 * NSEC_PER_USEC)

static bool anything_waits(int cpu)
{
	struct pool *pool;

	for_each_pool_on(pool, cpu) if (pool_waiting(pool)) return true;
	return false;
}

/* One that keeps up with tiny items is to be left alone. */
static bool makes_progress(struct pool *pool)
{
	unsigned long seq = atomic_load(&pool->seq);
	uint64_t until = os_now() + TINY_WAIT_NS;

	while (os_now() < until)
		if (atomic_load(&pool->seq) != seq)
			return true;
	return false;
}

/*
 * SCHED_IDLE gets to run on busy CPUs too, now and then: then nobody is to be
 * woken. If the one worker that is counted sleeps, say so, since whoever is woken
 * would need twice as long to find out.
 */
static bool runner_runs(struct pool *pool)
{
	unsigned long seq = atomic_load(&pool->seq);
	int tid = atomic_load(&pool->runner);
	/* From before the look: a worker that wakes interrupts us right after. */
	uint64_t until = os_now() + BELIEVE_NS;
	enum os_thread_state state;

	if (!tid || !atomic_load(&pool->pinned) ||
	    atomic_load(&pool->nr_running) != 1)
		return false;
	state = os_watched_state(tid);
	if (state == OS_THREAD_ASLEEP) {
		atomic_store(&pool->seen_seq, seq);
		atomic_store(&pool->seen_until, until);
		atomic_store(&pool->seen_asleep, tid);
	}
	return state == OS_THREAD_RUNNING;
}

/*
 * Does nobody else want the CPU? Then to yield takes no time; otherwise others get it,
 * and for long. Where an item has just ended that blocked for a short time, more such
 * will go on soon: to wait a little is cheaper than to wake one more worker.
 */
static enum cpu_idle look_at_cpu(struct pool *pool)
{
	/* Before the clock: it is not to be later than now. */
	uint64_t back =
		atomic_load_explicit(&pool->back_at, memory_order_acquire);
	uint64_t now = os_now();
	uint64_t since = now;
	uint64_t patience = now - back < NSEC_PER_MSEC ? PATIENCE_NS : 0;

	for (int i = 0; i < YIELDS;) {
		uint64_t before = now;

		os_yield();
		now = os_now();
		if (now - before > YIELD_NS) {
			since = now;
			i++;
		} else if (now - since >= patience) {
			return CPU_IDLE;
		}
	}
	return CPU_MAYBE;
}

/* 0 if somebody was woken, otherwise how far that is from giving up. */
static int wake_one(int cpu)
{
	enum cpu_idle idle = CPU_BUSY;
	struct pool *pool;
	int vain = VAIN;

	for_each_pool_on(pool, cpu)
	{
		if (!pool_waiting(pool))
			continue;
		if (pool_is_wide(pool) && lock_is_wanted(&pool->lock)) {
			vain = VAIN_RUNNER;
			continue;
		}
		if (!idle && !pool_bound(pool))
			idle = look_at_cpu(pool);
		if (!pool_waiting(pool))
			continue;
		if (atomic_load(&pool->tiny) && makes_progress(pool))
			continue;
		if (runner_runs(pool)) {
			vain = VAIN_RUNNER;
			continue;
		}
		atomic_store(&pool->cpu_idle,
			     pool_bound(pool) ? CPU_MAYBE : idle);
		if (idle == CPU_IDLE ? cm_wake_idle_here(pool)
				     : cm_wake_idle(pool, false))
			return 0;
	}
	return vain;
}

/* Others arm it, or tell it to leave. */
static bool change(struct sentinel *s, uint32_t from, uint32_t to)
{
	return atomic_compare_exchange_strong(&s->state, &from, to);
}

static void watch(struct sentinel *s, int cpu)
{
	int vain = 0;

	while (atomic_load(&s->state) == SENTINEL_ARMED) {
		if (!anything_waits(cpu)) {
			if (!change(s, SENTINEL_ARMED, SENTINEL_OFF) ||
			    !anything_waits(cpu))
				return;
			change(s, SENTINEL_OFF, SENTINEL_ARMED);
			continue;
		}
		vain += wake_one(cpu);
		if (vain >= YIELD_VAIN)
			os_yield();
		if (vain >= MAX_VAIN)
			change(s, SENTINEL_ARMED, SENTINEL_RESTING);
	}
}

/* Asleep until armed. False: nobody needed it for long, and it is off. */
static bool wait_for_work(struct sentinel *s)
{
	uint64_t idle_end =
		os_now() + (uint64_t)param_get(idle_timeout_ms) * NSEC_PER_MSEC;
	uint32_t state;

	while ((state = atomic_load(&s->state)) != SENTINEL_ARMED) {
		/* Without a tick nobody else ends a rest. */
		bool poll = state == SENTINEL_RESTING && !param_get(tick);
		uint64_t end = poll ? os_now() + POLL_NS : idle_end;

		if (state == SENTINEL_LEAVING) {
			change(s, state, SENTINEL_ABSENT);
			return false;
		}
		if (os_futex_wait(&s->state, state, end) != ETIMEDOUT)
			continue;
		if (poll)
			change(s, state, SENTINEL_ARMED);
		else if (state == SENTINEL_OFF &&
			 change(s, state, SENTINEL_ABSENT))
			return false;
		else
			idle_end = os_now() + NSEC_PER_MSEC * 1000;
	}
	return true;
}

static void *sentinel_thread(void *arg)
{
	struct sentinel *s = arg;
	int cpu = (int)(s - sentinels);
	char name[32];
	struct os_thread_attr attr = {
		.name = name,
		.cpu = cpu,
		.idle = true,
	};
	int refused;

	snprintf(name, sizeof(name), "cmwq/idle:%d", cpu);
	refused = os_thread_setup(&attr);
	/* Lost after it was asked for, which may not have been noticed yet. */
	if (refused & OS_LOST_CPU || !os_cpu_allowed(cpu)) {
		atomic_store(&s->state, SENTINEL_ABSENT);
		return NULL;
	}
	if (refused & (OS_REFUSED_CPU | OS_REFUSED_IDLE)) {
		atomic_store(&s->state, SENTINEL_REFUSED);
		log_warn_once("SCHED_IDLE or binding to a CPU was refused; "
			      "blocked workers are found by the tick alone");
		return NULL;
	}
	os_private_files();
	while (wait_for_work(s))
		watch(s, cpu);
	return NULL;
}

void sentinel_create_wanted(void)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		struct sentinel *s = &sentinels[cpu];

		if (!atomic_load_explicit(&s->want, memory_order_relaxed) ||
		    atomic_load(&s->state) != SENTINEL_ABSENT)
			continue;
		if (!os_cpu_allowed(cpu)) {
			atomic_store(&s->want, false);
			continue;
		}
		atomic_store(&s->state, SENTINEL_ARMED);
		atomic_store(&s->want, false);
		rescuer_timer_away();
		if (os_thread_create(sentinel_thread, s, STACK)) {
			atomic_store(&s->state, SENTINEL_ABSENT);
			atomic_store(&s->want, true);
		}
	}
}

void sentinel_leave(int cpu)
{
	struct sentinel *s = &sentinels[cpu];
	uint32_t state = atomic_load(&s->state);

	while (state != SENTINEL_ABSENT && state != SENTINEL_LEAVING) {
		uint32_t next = state == SENTINEL_REFUSED ? SENTINEL_ABSENT
							  : SENTINEL_LEAVING;

		if (!atomic_compare_exchange_weak(&s->state, &state, next))
			continue;
		os_futex_wake(&s->state, 1);
		break;
	}
}

void sentinel_rearm_resting(void)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		uint32_t resting = SENTINEL_RESTING;

		if (atomic_compare_exchange_strong(&sentinels[cpu].state,
						   &resting, SENTINEL_ARMED))
			os_futex_wake(&sentinels[cpu].state, 1);
	}
}
