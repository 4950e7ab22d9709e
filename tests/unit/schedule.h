/* SPDX-License-Identifier: MIT */
/*
 * schedule - simulated threads that are stopped between atomic operations.
 *
 * Include it before any header of src/: it puts a call of sim_step() before
 * each atomic operation of the code that follows. Simulated threads are real
 * ones of which exactly one has the baton. sim_explore() runs a scenario once
 * undisturbed, then once for each step and each other thread: there the running
 * thread is stopped and the other goes on, until it blocks or ends; then with
 * two such stops; then with stops drawn by a seeded generator.
 *
 * What this covers is every order of sequentially consistent operations with
 * few stops, in the real code. Weaker orders are a matter for the models.
 */
#ifndef CMWQ_UNIT_SCHEDULE_H
#define CMWQ_UNIT_SCHEDULE_H

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SIM_MAX	      12
#define SIM_MAX_STEPS 200000
#define SIM_STOPS     2

enum sim_state {
	SIM_READY,
	SIM_YIELDED, /* waits for a step of somebody else */
	SIM_BLOCKED, /* on a futex */
	SIM_DONE,
};

static struct sim_thread {
	pthread_t thread;
	sem_t go;
	void (*fn)(void *arg);
	void *arg;
	enum sim_state state;
	bool idle; /* SCHED_IDLE: runs if nobody else can */
	long seen; /* sim_run.done when it yielded */
	const void *word;
} sim[SIM_MAX];

static struct {
	const char *name;
	long done;	/* steps of all that were no yields */
	int nr;		/* simulated threads in use */
	int made;	/* real threads behind them */
	bool ending;	/* waits time out */
	int first;	/* starts */
	bool exploring; /* steps are counted, stops happen */
	long steps;
	long stop_at[SIM_STOPS]; /* -1: no stop */
	int stop_to[SIM_STOPS];
	int stops;	 /* that took place */
	uint64_t random; /* 0: no stops by chance */
	uint64_t seed;
	long runs;
} sim_run;

static sem_t sim_main;
static __thread int sim_self = -1;

/* Not an assertion: it may happen in any thread, and the schedule is what one
 * needs to see. */
#define sim_check(cond)                                      \
	do {                                                 \
		if (!(cond))                                 \
			sim_fail(__FILE__, __LINE__, #cond); \
	} while (0)

_Noreturn static void sim_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s: not so: %s\n", file, line, sim_run.name,
		what);
	fprintf(stderr, "start with %d; seed %llu; steps %ld", sim_run.first,
		(unsigned long long)sim_run.seed, sim_run.steps);
	for (int i = 0; i < SIM_STOPS; i++)
		if (sim_run.stop_at[i] >= 0)
			fprintf(stderr, "; stop at step %ld, go on with %d",
				sim_run.stop_at[i], sim_run.stop_to[i]);
	fputc('\n', stderr);
	for (int i = 0; i < sim_run.nr; i++)
		fprintf(stderr, "thread %d: state %d\n", i, (int)sim[i].state);
	_exit(1);
}

static uint64_t sim_rnd(void)
{
	sim_run.random ^= sim_run.random << 13;
	sim_run.random ^= sim_run.random >> 7;
	sim_run.random ^= sim_run.random << 17;
	return sim_run.random;
}

static int sim_first(int from, enum sim_state state, bool idle)
{
	for (int i = 0; i < sim_run.nr; i++) {
		int t = (from + i) % sim_run.nr;

		if (sim[t].state == state && sim[t].idle == idle)
			return t;
	}
	return -1;
}

/* Of those that yielded: who had somebody else take a step since. */
static int sim_first_to_look(int from)
{
	for (int i = 0; i < sim_run.nr; i++) {
		int t = (from + i) % sim_run.nr;

		if (sim[t].state == SIM_YIELDED && !sim[t].idle &&
		    sim[t].seen != sim_run.done)
			return t;
	}
	return -1;
}

/* Round robin. Idle ones, and then those that yielded in vain, if nobody else can: who
 * spins keeps his CPU. */
static int sim_pick(int from)
{
	int t = sim_first(from, SIM_READY, false);

	if (t < 0)
		t = sim_first_to_look(from);
	if (t < 0)
		t = sim_first(from, SIM_READY, true);
	if (t < 0)
		t = sim_first(from, SIM_YIELDED, false);
	if (t < 0)
		t = sim_first(from, SIM_YIELDED, true);
	if (t >= 0)
		sim[t].state = SIM_READY;
	return t;
}

static void sim_pass_to(int next)
{
	int self = sim_self;
	/* Read before the post: one that is done may be used anew after it. */
	bool wait = self >= 0 && sim[self].state != SIM_DONE;

	if (next == self)
		return;
	sem_post(next < 0 ? &sim_main : &sim[next].go);
	if (wait)
		while (sem_wait(&sim[self].go))
			;
}

/* Give the baton away; the caller has set its state. */
static void sim_give_up(void)
{
	sim_pass_to(sim_pick(sim_self + 1));
}

static void sim_yield(void)
{
	if (sim_self < 0)
		return;
	if (sim_run.steps++ > SIM_MAX_STEPS)
		sim_fail(__FILE__, __LINE__, "some thread gets on");
	sim[sim_self].state = SIM_YIELDED;
	sim[sim_self].seen = sim_run.done;
	sim_give_up();
}

/* Idle threads take a CPU only from each other. */
static void sim_stop(int to)
{
	if (to >= sim_run.nr || to == sim_self || sim[to].state == SIM_DONE ||
	    sim[to].state == SIM_BLOCKED ||
	    (sim[to].idle && !sim[sim_self].idle))
		return;
	sim_run.stops++;
	sim[to].state = SIM_READY;
	sim_pass_to(to);
}

/* Stands before every atomic operation. */
static inline void sim_step(void)
{
	long step;

	if (sim_self < 0 || !sim_run.exploring)
		return;
	step = sim_run.steps++;
	if (step > SIM_MAX_STEPS)
		sim_fail(__FILE__, __LINE__, "it ends");
	sim_run.done++;
	for (int i = 0; i < SIM_STOPS; i++)
		if (sim_run.stop_at[i] == step)
			sim_stop(sim_run.stop_to[i]);
	if (sim_run.random && sim_rnd() % 8 == 0)
		sim_stop((int)(sim_rnd() % (uint64_t)sim_run.nr));
}

/* --- the operating system's part --- */

static inline int sim_futex_wait(_Atomic uint32_t *word, uint32_t val)
{
	if (sim_self < 0)
		sim_fail(__FILE__, __LINE__, "the test itself need not wait");
	if (__extension__ * (volatile uint32_t *)word != val)
		return 0;
	sim[sim_self].state = SIM_BLOCKED;
	sim[sim_self].word = word;
	sim_give_up();
	return 0;
}

static inline void sim_futex_wake(_Atomic uint32_t *word, int nr)
{
	for (int i = 0; i < sim_run.nr && nr > 0; i++) {
		if (sim[i].state != SIM_BLOCKED || sim[i].word != word)
			continue;
		sim[i].state = SIM_READY;
		nr--;
	}
}

static void *sim_body(void *arg)
{
	sim_self = (int)((struct sim_thread *)arg - sim);
	for (;;) {
		while (sem_wait(&sim[sim_self].go))
			;
		sim[sim_self].fn(sim[sim_self].arg);
		sim[sim_self].state = SIM_DONE;
		sim_give_up();
	}
	return NULL;
}

/* --- for scenarios --- */

static int sim_spawn(void (*fn)(void *), void *arg)
{
	int i = sim_run.nr++;

	if (i == SIM_MAX)
		sim_fail(__FILE__, __LINE__, "threads enough");
	sim[i].fn = fn;
	sim[i].arg = arg;
	sim[i].state = SIM_READY;
	sim[i].idle = false;
	if (i == sim_run.made) {
		sem_init(&sim[i].go, 0, 0);
		if (pthread_create(&sim[i].thread, NULL, sim_body, &sim[i]))
			sim_fail(__FILE__, __LINE__, "a thread was created");
		sim_run.made++;
	}
	return i;
}

/* Until nobody can go on. @first starts. */
static void sim_go(int first, bool exploring)
{
	int next = sim_pick(first);

	if (next < 0)
		return;
	sim_run.exploring = exploring;
	sim_pass_to(next);
	while (sem_wait(&sim_main))
		;
	sim_run.exploring = false;
}

struct sim_scenario {
	const char *name;
	/* Build the world; threads spawned are run until they all wait. */
	void (*build)(void);
	/* Spawn what is explored. */
	void (*spawn)(void);
	/* Everybody is done, or waits: is all as it should be? */
	void (*check)(void);
	void (*end)(void); /* make all threads end */
};

/* One run. Returns how many steps it took. */
static long sim_once(const struct sim_scenario *sc)
{
	int world;

	sim_run.name = sc->name;
	sim_run.nr = 0;
	sim_run.steps = 0;
	sim_run.stops = 0;
	sim_run.runs++;
	sc->build();
	sim_go(0, false);
	world = sim_run.nr;
	sc->spawn();
	sim_go(world + sim_run.first % (sim_run.nr - world), true);
	sc->check();
	sc->end();
	sim_go(0, false);
	for (int i = 0; i < sim_run.nr; i++)
		sim_check(sim[i].state == SIM_DONE);
	return sim_run.steps;
}

static void sim_stops(long at0, int to0, long at1, int to1)
{
	sim_run.stop_at[0] = at0;
	sim_run.stop_to[0] = to0;
	sim_run.stop_at[1] = at1;
	sim_run.stop_to[1] = to1;
}

static inline void sim_undisturbed(const struct sim_scenario *sc)
{
	sem_init(&sim_main, 0, 0);
	sim_run.random = 0;
	sim_run.first = 0;
	sim_stops(-1, 0, -1, 0);
	sim_once(sc);
}

static void sim_second_stop(const struct sim_scenario *sc, long at, int to,
			    long steps, long stride)
{
	int nr = sim_run.nr;

	for (long s = at + 1; s < steps; s += stride)
		for (int t = 0; t < nr; t++) {
			sim_stops(at, to, s, t);
			sim_once(sc);
		}
}

/*
 * @stride: with two stops, the second is tried at every that many-th step; 0
 * for one stop only. @draws: runs with stops by chance.
 */
static void sim_explore(const struct sim_scenario *sc, long stride, long draws)
{
	int nr, starters;

	sem_init(&sim_main, 0, 0);
	sim_run.runs = 0;
	sim_run.random = 0;
	sim_run.first = 0;
	sim_stops(-1, 0, -1, 0);
	sim_once(sc);
	nr = sim_run.nr;
	for (starters = 0; starters < 2; starters++) {
		sim_run.first = starters;
		sim_stops(-1, 0, -1, 0);
		for (long at = 0, max = sim_once(sc); at < max; at++)
			for (int to = 0; to < nr; to++) {
				long steps;

				sim_stops(at, to, -1, 0);
				steps = sim_once(sc);
				if (stride && sim_run.stops)
					sim_second_stop(sc, at, to, steps,
							stride);
			}
	}
	sim_stops(-1, 0, -1, 0);
	for (long i = 0; i < draws; i++) {
		sim_run.seed += 0x9e3779b97f4a7c15ULL;
		sim_run.random = sim_run.seed | 1;
		sim_run.first = (int)(sim_rnd() % 8);
		sim_once(sc);
	}
	sim_run.random = 0;
	printf("%s: %ld schedules\n", sc->name, sim_run.runs);
}

/* One runs at a time: to hand the baton over within a CPU takes half as long. */
static void sim_stay_on_one_cpu(void)
{
	int cpu = sched_getcpu();
	cpu_set_t set;

	if (cpu < 0 || cpu >= CPU_SETSIZE)
		return;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void sim_begin(void)
{
	const char *seed = getenv("CMWQ_SEED");

	sim_run.seed = seed ? strtoull(seed, NULL, 0) : (uint64_t)getpid();
	printf("CMWQ_SEED=%llu\n", (unsigned long long)sim_run.seed);
	fflush(stdout);
	sim_stay_on_one_cpu();
}

/* --- atomic operations, each with a step before it --- */

#undef atomic_load
#undef atomic_load_explicit
#undef atomic_store
#undef atomic_store_explicit
#undef atomic_exchange
#undef atomic_exchange_explicit
#undef atomic_compare_exchange_strong
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak
#undef atomic_compare_exchange_weak_explicit
#undef atomic_fetch_add
#undef atomic_fetch_sub
#undef atomic_fetch_or
#undef atomic_fetch_and
#undef atomic_fetch_xor
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_fetch_xor_explicit

#ifdef __clang__
#define SIM_LOAD(p, mo)	    __c11_atomic_load(p, mo)
#define SIM_STORE(p, v, mo) __c11_atomic_store(p, v, mo)
#define SIM_XCHG(p, v, mo)  __c11_atomic_exchange(p, v, mo)
#define SIM_CAS(p, e, v, s, f) \
	__c11_atomic_compare_exchange_strong(p, e, v, s, f)
#define SIM_FETCH(op, p, v, mo) __c11_atomic_fetch_##op(p, v, mo)
#else
#define SIM_LOAD(p, mo)		__atomic_load_n(p, mo)
#define SIM_STORE(p, v, mo)	__atomic_store_n(p, v, mo)
#define SIM_XCHG(p, v, mo)	__atomic_exchange_n(p, v, mo)
#define SIM_CAS(p, e, v, s, f)	__atomic_compare_exchange_n(p, e, v, 0, s, f)
#define SIM_FETCH(op, p, v, mo) __atomic_fetch_##op(p, v, mo)
#endif

#define SEQ_CST				  memory_order_seq_cst
#define atomic_load_explicit(p, mo)	  (sim_step(), SIM_LOAD(p, mo))
#define atomic_load(p)			  atomic_load_explicit(p, SEQ_CST)
#define atomic_store_explicit(p, v, mo)	  (sim_step(), SIM_STORE(p, v, mo))
#define atomic_store(p, v)		  atomic_store_explicit(p, v, SEQ_CST)
#define atomic_exchange_explicit(p, v, m) (sim_step(), SIM_XCHG(p, v, m))
#define atomic_exchange(p, v)		  atomic_exchange_explicit(p, v, SEQ_CST)
#define atomic_compare_exchange_strong_explicit(p, e, v, s, f) \
	(sim_step(), SIM_CAS(p, e, v, s, f))
#define atomic_compare_exchange_weak_explicit \
	atomic_compare_exchange_strong_explicit
#define atomic_compare_exchange_strong(p, e, v) \
	atomic_compare_exchange_strong_explicit(p, e, v, SEQ_CST, SEQ_CST)
#define atomic_compare_exchange_weak atomic_compare_exchange_strong
#define atomic_fetch_add_explicit(p, v, mo) \
	(sim_step(), SIM_FETCH(add, p, v, mo))
#define atomic_fetch_sub_explicit(p, v, mo) \
	(sim_step(), SIM_FETCH(sub, p, v, mo))
#define atomic_fetch_or_explicit(p, v, mo) (sim_step(), SIM_FETCH(or, p, v, mo))
#define atomic_fetch_and_explicit(p, v, mo) \
	(sim_step(), SIM_FETCH(and, p, v, mo))
#define atomic_fetch_xor_explicit(p, v, mo) \
	(sim_step(), SIM_FETCH(xor, p, v, mo))
#define atomic_fetch_add(p, v) atomic_fetch_add_explicit(p, v, SEQ_CST)
#define atomic_fetch_sub(p, v) atomic_fetch_sub_explicit(p, v, SEQ_CST)
#define atomic_fetch_or(p, v)  atomic_fetch_or_explicit(p, v, SEQ_CST)
#define atomic_fetch_and(p, v) atomic_fetch_and_explicit(p, v, SEQ_CST)
#define atomic_fetch_xor(p, v) atomic_fetch_xor_explicit(p, v, SEQ_CST)

#endif
