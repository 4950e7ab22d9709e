/* SPDX-License-Identifier: MIT */
/*
 * peer.h - between the scenarios and the library that is measured.
 *
 * A peer's program is the scenarios' objects, which all C and C++ peers have in
 * common, and one adapter, which has the functions below: what a good user of that
 * library would write, with its default settings. So a scenario's own share, and the
 * calls between it and the adapter, cost all of them the same.
 *
 *	main.c      names, options, the table of scenarios
 *	tasks.c     arrays of tasks, what ran where, spinning
 *	submit.c    the price of a task: submit, chain, start-up
 *	latency.c   ping-pong, bursts
 *	blocking.c  tasks that sleep
 *	blockread.c tasks that block on pipes, files, a mutex and page faults
 *	cpu.c       more tasks than CPUs
 *	timers.c    arm and cancel; lateness
 *	idle.c      what is left when nothing is to be done
 *	cmwq_own.c  what only cmwq is asked for
 *
 *	cmwq.c condvar.c glib.c tbb.cpp uv.c dispatch.c   the adapters
 *	floor.c floor_block.c base.c   programs of their own, see there
 *
 * A task is memory of the adapter: it makes what it needs of it (for cmwq a struct
 * work_struct), so none is allocated while the clock runs, where the library lets one
 * do that. It can be submitted again once it has run, not before.
 */
#ifndef CMWQ_PEER_H
#define CMWQ_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gate;
struct peer_task;
typedef void peer_fn(struct peer_task *task);

extern const char *const peer_name;
extern const size_t peer_task_size;

/* Whether it can do what @scenario asks for at all. */
bool peer_can(const char *scenario);

/*
 * Before the first task, and before other threads. A peer may have a second way to
 * be used, for which scenarios have names that end with peer_variant (NULL: it has
 * none). @blocked: about so many tasks will block at once, for those that have a
 * documented way of being told. May not make threads.
 */
extern const char *const peer_variant;
void peer_open(bool variant, int blocked);

/* In a thread that is going to submit, before the clock starts. */
void peer_attach(void);

void peer_task_init(struct peer_task *task, peer_fn *fn);
void peer_submit(struct peer_task *task);
/* The same, by the task itself, as the last thing it does. */
void peer_resubmit(struct peer_task *task);

/*
 * A task opens a gate by peer_done(); the thread that submitted it waits for that in
 * peer_wait(). Where the library has no way of its own they are gate_open() and
 * gate_wait().
 */
void peer_done(struct gate *gate);
void peer_wait(struct gate *gate);

/* The submitting thread has nothing to do until then, on the monotonic clock. */
void peer_sleep_until(uint64_t ns);

/*
 * Timers, if it has any. They call @fn, where the library's timers do that. An
 * adapter without them leaves these functions out.
 */
struct peer_timer;
typedef void peer_timer_fn(struct peer_timer *timer);

#define PEER_OPTIONAL __attribute__((weak))

extern const size_t peer_timer_size PEER_OPTIONAL;
void peer_timer_init(struct peer_timer *timer, peer_timer_fn *fn) PEER_OPTIONAL;
/* Returns the delay in the library's unit, that is the one that was asked for. */
uint64_t peer_timer_arm(struct peer_timer *timer, uint64_t ns) PEER_OPTIONAL;
void peer_timer_cancel(struct peer_timer *timer) PEER_OPTIONAL;
/* Another kind of timers it has; its values get the prefix "ns_". */
uint64_t peer_timer_arm_ns(struct peer_timer *timer, uint64_t ns) PEER_OPTIONAL;

/* Scenarios, those of main.c and those that an adapter has for itself. */

enum {
	PEER_OK = 0,
	PEER_FAILED = 1,
	PEER_CANNOT = 77,
};

struct scenario {
	const char *name; /* NULL ends a table */
	int (*run)(void);
	int blocked;  /* for peer_open(); times the CPUs if negative */
	bool variant; /* also for a peer's second way */
};

extern const struct scenario peer_scenarios[] PEER_OPTIONAL;

void emit(const char *name, double value);

/* @n, or a thousandth of it, but at least @least, for a trial. */
int work_size(int n, int least);

/* Fork-join: fib of this number with a task per call, for emit_fib(). */
int fib_size(void);
void emit_fib(int n, long sum, uint64_t ns);

#ifdef __cplusplus
}
#endif
#endif
