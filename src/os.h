/* SPDX-License-Identifier: MIT */
/*
 * os - every system call of the library, so that a test can replace them.
 *
 * Unit tests link a fake instead of os.c. Nothing else in src/ calls the
 * kernel, but for memory (malloc) and the pthread mutex in lock.c.
 */
#ifndef CMWQ_OS_H
#define CMWQ_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "os_cpus.h"

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#define OS_RSEQ
#endif

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

/* Where a thread is, as the scheduler sees it. */
enum os_thread_state {
	OS_THREAD_RUNNING, /* on a CPU or waiting for one */
	OS_THREAD_ASLEEP,
	OS_THREAD_UNKNOWN, /* no /proc, or the thread is gone */
};

/* How a thread of ours is to be scheduled, whoever creates it. */
struct os_thread_attr {
	const char *name;
	int cpu;			   /* to be bound to, or -1 */
	const _Atomic unsigned long *cpus; /* those, see os_thread_move() */
	int nice;			   /* over that of the process */
	bool idle;			   /* SCHED_IDLE */
	bool punctual; /* short slice and timer slack, for the tick; others
			  but idle ones have a slice longer than the process's */
	size_t stack;  /* bytes */
};

uint64_t os_now(void); /* ns, CLOCK_MONOTONIC */

/* Sleep while *word is val; 0 if woken (or spuriously), ETIMEDOUT. deadline is
 * absolute in os_now() time, 0 for none. Preserves errno. */
int os_futex_wait(_Atomic uint32_t *word, uint32_t val, uint64_t deadline);
void os_futex_wake(_Atomic uint32_t *word, int nr);
void os_sleep_ns(uint64_t ns);
/* How often this thread has called one of the two that sleep, and how often it has
 * gone to sleep for whatever reason. */
extern __thread unsigned long os_own_waits;
unsigned long os_my_waits(void);

/* In a loop that waits for another CPU. */
static inline void os_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* The CPU we are on, always less than os_nr_cpus(). Async-signal-safe. */
static inline int os_cpu(void);

/* Start a thread, detached, all signals blocked. 0 or an errno value. */
int os_thread_create(void *(*fn)(void *), void *arg, size_t stack);
/* First call in a new thread: its name, CPUs, policy. Returns what the system
 * refused, 0 if nothing. */
enum {
	OS_REFUSED_CPU = 1,
	OS_REFUSED_NICE = 2,
	OS_REFUSED_IDLE = 4,
	OS_REFUSED_FIFO = 8,
	OS_LOST_CPU = 16 /* it is none of the process's */
};
int os_thread_setup(const struct os_thread_attr *attr);
/* At the start: what the process's nice value and time slice are. */
void os_scheduling_init(void);
/*
 * The calling thread gets the highest priority that is allowed (SCHED_FIFO 1, or
 * else nice -20, or else the best there is), or is one as any other. What it
 * starts, threads and processes, never inherits that. Returns what was refused.
 */
int os_thread_urgent(bool urgent);
int os_gettid(void);
enum os_thread_state os_thread_state(int tid);
/*
 * Let go of all files of the process and have a table of its own, in this thread
 * only. False if that is not possible. Then this thread may ask for states by
 * os_watched_state(), which keeps the file of the last thread open and takes half
 * the time; without it the answer is "unknown".
 */
bool os_private_files(void);
enum os_thread_state os_watched_state(int tid);
void os_yield(void);
/* CPU time a thread has used, in ns; 0 if unknown. */
uint64_t os_thread_cpu_time(int tid);
/* How often it has gone to sleep; 0 if unknown. */
unsigned long os_thread_waits(int tid);
/* A file of /proc about a thread of ours, as a string that is cut to fit. Returns
 * its length, 0 if it cannot be read. No cancellation point; keeps errno. */
size_t os_read_task_file(int tid, const char *name, char *buf, size_t size);

/* As much of a file as fits, and a NUL; the length, 0 if it cannot be read. */
size_t os_read_file(const char *path, char *buf, size_t size);

void os_write_stderr(const char *buf, size_t len);
_Noreturn void os_exit_group(int status);

/*
 * Fork generation. Zero in a process that was forked (by whatever means) and
 * has not started the library anew: the page is wiped by fork. The words after
 * it are wiped too and serve as the lock of the start (init.c), to say that
 * liburcu knows of the fork (rcu.c), and whether items are checked
 * (CMWQ_DEBUG=objects): queueing and running them read this line anyway.
 */
enum {
	OS_FORK_WORDS = 4
};
extern _Atomic uint32_t *os_generation_word;
bool os_generation_init(void); /* false if fork will not wipe it */

static inline uint32_t os_generation(void)
{
	return atomic_load_explicit(os_generation_word, memory_order_relaxed);
}

void os_check_items(bool on);

static inline bool os_checks_items(void)
{
	return unlikely(atomic_load_explicit(&os_generation_word[3],
					     memory_order_relaxed));
}

/* The kernel keeps the number up to date in the thread's rseq area. */
static inline int os_cpu(void)
{
#ifdef OS_RSEQ
	struct rseq *rs = (struct rseq *)((char *)__builtin_thread_pointer() +
					  __rseq_offset);
	unsigned int cpu;

	if (likely(__rseq_size)) {
		cpu = __atomic_load_n(&rs->cpu_id, __ATOMIC_RELAXED);
		if (likely(cpu < (unsigned int)os_cpu_limit))
			return (int)cpu;
	}
#endif
	return os_cpu_slow();
}

#endif
