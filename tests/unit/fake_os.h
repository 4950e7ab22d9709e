/* SPDX-License-Identifier: MIT */
/*
 * fake_os - src/os.h without an operating system, for unit tests.
 *
 * Time stands still until the test moves it. Threads that the library creates
 * are recorded; the test starts them, and exactly one thread runs at any time:
 * a started one runs until it waits (futex, sleep, fake_park()) and gives the
 * turn back to the test. So a test says who takes which step when, and a run
 * is the same each time, under every sanitizer.
 *
 * The threads are real ones that pass a baton, so thread-local variables are
 * what they are in the library. A futex waiter continues when it is woken or
 * its deadline has come and never because the word changed: a lost wakeup is a
 * thread that stays.
 *
 * When the test's own thread waits, the others run (fake_run()). If that does
 * not wake it, fake.on_wait may help; then a deadline, if there is one, moves
 * the clock; otherwise the test ends with a list of who waits for what.
 *
 *	fake_reset();
 *	timer_start(hook);
 *	fake_start(fake_thread(0));	runs until it waits
 *	timer_add(&t, 5);
 *	fake.now += 5 * NSEC_PER_MSEC;
 *	fake_run();			t's function has been called
 */
#ifndef CMWQ_FAKE_OS_H
#define CMWQ_FAKE_OS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os.h"

#define FAKE_CPUS    64 /* but for os_pretend_cpus() */
#define FAKE_THREADS 128
#define FAKE_MAIN    1	  /* os_gettid() of the test */
#define FAKE_TID     1000 /* that of the first thread created; then 1001, ... */

/* What the test may set, and read, at any time. */
struct fake {
	uint64_t now; /* ns */

	int nr_cpus;
	uint64_t allowed; /* a bit per CPU */
	uint64_t granted; /* what os_granted_cpus() says */
	int ignored;	  /* what os_cpus_ignored() says */
	int cpu;	  /* of threads that are not bound to one */

	bool auto_start;  /* fake_run() starts threads that were created */
	int refuse;	  /* so many creations fail; -1: all from now on */
	int refuse_err;	  /* with this, EAGAIN by default */
	int refuse_setup; /* what os_thread_setup() returns, OS_REFUSED_ bits */
	int refuse_urgent;	/* and os_thread_urgent(true) */
	int bound;		/* what os_thread_is_bound() says; 1 at first */
	int refuse_move;	/* what os_thread_move() returns */
	unsigned long my_waits; /* what os_my_waits() says */
	bool no_wipe;		/* os_generation_init() fails */
	bool private_files;	/* os_private_files() succeeds */

	/* Futex calls reach the kernel, for tests with threads of their own. */
	bool real_futex;
	/* The clock, /proc and priorities are the system's. */
	bool real_threads;

	/* The test's thread has to wait: do something about it and return true,
	 * or return false. */
	bool (*on_wait)(_Atomic uint32_t *word);
	/* A thread is about to wait for a word and has not looked at it. */
	void (*before_wait)(_Atomic uint32_t *word);
	/* Somebody wakes a word; those it wakes can run already. */
	void (*on_wake)(_Atomic uint32_t *word);
	/* Somebody creates a thread, which takes as long as this. */
	void (*on_create)(void);
	/* Somebody asks for the state of a thread. */
	void (*on_state)(int tid);
	/* It sleeps; the clock has been moved. */
	void (*on_sleep)(uint64_t ns);
	/* Which of @n runnable threads goes first; the oldest if NULL. */
	unsigned int (*choose)(unsigned int n);

	unsigned long nr_wakes;	 /* calls of os_futex_wake() */
	unsigned long nr_sleeps; /* calls of os_sleep_ns() */
	unsigned long yields;	 /* calls of os_yield(), */
	uint64_t yield_ns;	 /* each of which takes so long */
	unsigned long looks;	 /* calls of os_look_at_cpus() */
	unsigned long watches;	 /* calls of os_watch_cpus() */
	int asked;		 /* the last tid of os_thread_is_bound() */
	unsigned long files_read;
	unsigned long states_read; /* calls of os_thread_state() */
	unsigned long moves; /* calls of os_thread_move(), and the last: */
	int last_moved, last_moved_to;
	int last_bound_to; /* the last that was a CPU */
	int exit_status;   /* of os_exit_group() in a thread, or -1 */
};

extern struct fake fake;

enum fake_state {
	FAKE_NEW,     /* created, not started */
	FAKE_RUNNING, /* has the turn */
	FAKE_FUTEX,   /* waits for a wake or a deadline */
	FAKE_SLEEP,   /* waits for the clock */
	FAKE_PARKED,  /* in fake_park() */
	FAKE_OVER,    /* has returned, or was killed */
};

struct fake_thread {
	void (*fn)(void *);
	void *arg;
	size_t stack;
	int tid;
	enum fake_state state;
	bool urgent;	 /* os_thread_urgent() said so */
	int lowered;	 /* how often it said otherwise */
	bool was_set_up; /* os_thread_setup() with: */
	char name[32];
	struct os_thread_attr attr; /* attr.name is name */
	_Atomic uint32_t *word;	    /* FAKE_FUTEX: waits here */
	uint64_t deadline;	    /* FAKE_FUTEX, FAKE_SLEEP: 0 for none */
	struct fake_private *priv;
};

/*
 * Everything as at the start: time 1 s, 4 CPUs, all allowed, we are on CPU 0,
 * generation 1, no threads (those that were there have ended), nothing
 * recorded. In each test's setup.
 */
void fake_reset(void);

/* --- threads --- */

int fake_nr_threads(void);
struct fake_thread *fake_thread(int i); /* in order of creation */
struct fake_thread *fake_self(void);	/* NULL in the test's thread */

/* A thread of the test's own, not started. */
struct fake_thread *fake_spawn(void (*fn)(void *), void *arg);

/* Start a new thread; returns when it waits or is over. */
void fake_start(struct fake_thread *t);

/* Has it been woken, or has its time come? */
bool fake_runnable(const struct fake_thread *t);

/* Let it run until it waits again. False if it is not runnable. */
bool fake_step(struct fake_thread *t);

/* Let all run until none is runnable. Returns how often one did. */
unsigned int fake_run(void);

/* For functions of items: stop here until fake_unpark(), which runs it. To the
 * library the thread is meanwhile in @state: asleep (it waits for something),
 * running (it computes). */
void fake_park(enum os_thread_state state);
void fake_unpark(struct fake_thread *t);

/* A spurious wakeup of a futex waiter; it runs. */
void fake_spurious(struct fake_thread *t);

/* It ends where it waits. */
void fake_kill(struct fake_thread *t);

/* What os_thread_state(), os_thread_cpu_time() and os_thread_waits() say of any
 * tid. A thread is otherwise asleep if it waits and running if not, others are
 * unknown; CPU time and waits are otherwise 0. */
void fake_set_state(int tid, enum os_thread_state state);
void fake_set_cpu_time(int tid, uint64_t ns);
void fake_set_waits(int tid, unsigned long n);

/* --- CPUs, process --- */

void fake_set_cpus(int nr, uint64_t allowed);
void fake_set_generation(uint32_t gen);

/* What os_read_file() reads, NULL for nothing. The strings are not copied. */
void fake_file(const char *path, const char *text);

/* --- chance --- */

/* Random numbers from CMWQ_SEED, or from a seed that is printed: the next one,
 * and one less than @n. */
uint64_t fake_random(void);
uint64_t fake_below(uint64_t n);

/* --- recorded --- */

/* Calls of os_futex_wake() for @word since fake_clear_wakes(). */
unsigned int fake_wakes(_Atomic uint32_t *word);
/* The number of threads that the last of these asked for. */
int fake_last_wake_nr(_Atomic uint32_t *word);
void fake_clear_wakes(void);

/* What went to standard error since fake_clear_stderr(). */
const char *fake_stderr(void);
void fake_clear_stderr(void);

#endif
