/* SPDX-License-Identifier: MIT */
/*
 * os - every system call of the library. See os.h.
 *
 * Scheduler calls are raw system calls: they act on threads, and the C
 * library's wrappers differ (musl's refuse). Nothing here logs; failures are
 * results.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmwq/workqueue.h>

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

#ifndef CLOSE_RANGE_UNSHARE
#define CLOSE_RANGE_UNSHARE (1U << 1)
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif

#define STAT_SIZE	       128 /* the name is at most 64 long */
#define DEFAULT_TIMER_SLACK_NS 50000UL
#define PUNCTUAL_SLICE_NS      100000UL
#define RESET_ON_FORK	       1UL /* SCHED_FLAG_RESET_ON_FORK */

/* The kernel's struct sched_attr; libc has no declaration of its own. */
struct os_sched_attr {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime;
	uint64_t deadline;
	uint64_t period;
};

__thread unsigned long os_own_waits;

/* Until os_generation_init(): nothing has started. */
static _Atomic uint32_t not_started[OS_FORK_WORDS];
_Atomic uint32_t *os_generation_word = not_started;

uint64_t os_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

int os_futex_wait(_Atomic uint32_t *word, uint32_t val, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline / 1000000000ULL),
		.tv_nsec = (long)(deadline % 1000000000ULL),
	};
	int saved = errno;
	int err = 0;

	os_own_waits++;
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, val,
		    deadline ? &ts : NULL, NULL, FUTEX_BITSET_MATCH_ANY))
		err = errno;
	errno = saved;
	return err == ETIMEDOUT ? ETIMEDOUT : 0;
}

void os_futex_wake(_Atomic uint32_t *word, int nr)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
	errno = saved;
}

void os_sleep_ns(uint64_t ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(ns / 1000000000ULL),
		.tv_nsec = (long)(ns % 1000000000ULL),
	};
	int saved = errno;

	os_own_waits++;
	/* Not nanosleep(), which is a cancellation point. */
	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, NULL);
	errno = saved;
}

/*
 * Explicit scheduling, since the creator may be anything. It makes the C library stop
 * the thread until its creator has set that, which is two more ways between CPUs; one
 * that inherits the same needs it not.
 */
static void set_scheduling(pthread_attr_t *attr)
{
	struct sched_param param = { .sched_priority = 0 };
	int saved = errno;
	long policy = syscall(SYS_sched_getscheduler, 0);

	errno = saved;
	if (policy == SCHED_OTHER)
		return; /* the default: inherited */
	pthread_attr_setinheritsched(attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(attr, SCHED_OTHER);
	pthread_attr_setschedparam(attr, &param);
}

/* Signals are blocked from the first instruction on, so that no handler of the
 * program runs here. */
int os_thread_create(void *(*fn)(void *), void *arg, size_t stack)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all;
	int err;

	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	set_scheduling(&attr);
	err = pthread_attr_setsigmask_np(&attr, &all); /* takes memory */
	if (stack < (size_t)PTHREAD_STACK_MIN + 65536)
		stack = (size_t)PTHREAD_STACK_MIN + 65536;
	pthread_attr_setstacksize(&attr, stack);
	if (!err)
		err = pthread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return err;
}

/* What the program was started with: nice values count from there. */
static int base_nice;

/*
 * The slice of workers, ns; 0: the default. If two threads have the same, the one
 * that runs keeps its CPU from a thread that it wakes, as long as the system thinks that
 * both have had too little, as it does beside a SCHED_IDLE thread that is runnable. The
 * one with the longer slice does not. A worker is to give way to whom its item woke:
 * if that queues the next item, it is there before the worker has gone to sleep.
 */
static uint64_t patient_slice;

void os_scheduling_init(void)
{
	struct os_sched_attr sa = { .size = 0 };

	base_nice = getpriority(PRIO_PROCESS, (id_t)getpid());
	/* Systems before 6.12 say 0. */
	if (!syscall(SYS_sched_getattr, 0, &sa, sizeof(sa), 0) &&
	    sa.policy == SCHED_OTHER)
		patient_slice = sa.runtime + sa.runtime / 8;
}

static int from_base(int nice)
{
	int sum = base_nice + nice;

	return sum < -20 ? -20 : sum > 19 ? 19 : sum;
}

/* The lowest nice value that we may have, if not a lower one than @wanted. */
static int best_nice(int wanted)
{
	int best = getpriority(PRIO_PROCESS, (id_t)os_gettid());
	struct rlimit lim;

	if (!getrlimit(RLIMIT_NICE, &lim)) {
		int floor = lim.rlim_cur > 40 ? -20 : 20 - (int)lim.rlim_cur;

		if (floor < best)
			best = floor;
	}
	return best > wanted ? best : wanted;
}

static uint64_t slice_of(const struct os_thread_attr *attr)
{
	if (attr->punctual)
		return PUNCTUAL_SLICE_NS;
	return attr->idle ? 0 : patient_slice;
}

/* A nice value below the creator's takes a privilege; the policy does not. */
static int set_policy(const struct os_thread_attr *attr)
{
	struct os_sched_attr sa = {
		.size = sizeof(sa),
		.policy = attr->idle ? SCHED_IDLE : SCHED_OTHER,
		.nice = from_base(attr->nice),
		.runtime = slice_of(attr),
	};

	/* SCHED_IDLE keeps the slice of the policy before, which may be that of
	 * a punctual creator. */
	if (attr->idle) {
		sa.policy = SCHED_OTHER;
		syscall(SYS_sched_setattr, 0, &sa, 0);
		sa.policy = SCHED_IDLE;
	}
	if (!syscall(SYS_sched_setattr, 0, &sa, 0))
		return 0;
	sa.nice = best_nice(sa.nice);
	if (syscall(SYS_sched_setattr, 0, &sa, 0) && attr->idle)
		return OS_REFUSED_IDLE;
	return attr->idle ? 0 : OS_REFUSED_NICE;
}

static bool try_policy(const struct os_sched_attr *sa)
{
	return !syscall(SYS_sched_setattr, 0, sa, 0);
}

int os_thread_urgent(bool urgent)
{
	struct os_sched_attr sa = {
		.size = sizeof(sa),
		.flags = RESET_ON_FORK,
		.policy = SCHED_FIFO,
		.priority = 1,
	};

	if (urgent && try_policy(&sa))
		return 0;
	sa.policy = SCHED_OTHER;
	sa.priority = 0;
	sa.nice = from_base(urgent ? -20 : 0);
	if (try_policy(&sa))
		return urgent ? OS_REFUSED_FIFO : 0;
	sa.nice = best_nice(sa.nice);
	try_policy(&sa);
	return OS_REFUSED_NICE | (urgent ? OS_REFUSED_FIFO : 0);
}

int os_thread_setup(const struct os_thread_attr *attr)
{
	int refused = 0, err;

	prctl(PR_SET_NAME, attr->name);
	prctl(PR_SET_TIMERSLACK, attr->punctual ? 1UL : DEFAULT_TIMER_SLACK_NS);
	/* An unbound thread that may not leave its CPUs does no harm. */
	err = os_thread_move(0, attr->cpu, attr->cpus);
	if (err && attr->cpu >= 0)
		refused |= err == EINVAL ? OS_LOST_CPU : OS_REFUSED_CPU;
	return refused | set_policy(attr);
}

int os_gettid(void)
{
	return (int)syscall(SYS_gettid);
}

/* Not open() and so on: they are cancellation points, and we may be called by a
 * thread of the program that somebody cancels. Returns the length. */
size_t os_read_task_file(int tid, const char *name, char *buf, size_t size)
{
	char path[48];
	int saved = errno;
	long fd, n = -1;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		n = syscall(SYS_read, fd, buf, size - 1);
		syscall(SYS_close, fd);
	}
	errno = saved;
	n = n < 0 ? 0 : n;
	buf[n] = '\0';
	return (size_t)n;
}

size_t os_read_file(const char *path, char *buf, size_t size)
{
	int saved = errno;
	size_t len = 0;
	long fd, n = -1;

	fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		while ((n = syscall(SYS_read, fd, buf + len, size - 1 - len)) >
		       0)
			len += (size_t)n;
		syscall(SYS_close, fd);
	}
	errno = saved;
	if (n < 0)
		len = 0;
	buf[len] = '\0';
	return len;
}

/* The state is the letter after the parenthesised name, which may itself
 * contain parentheses. A thread that is stopped by a tracer (t) is not asleep:
 * os_backtrace.c stops one for a moment, and nobody should take its place. */
static enum os_thread_state parse_state(const char *stat)
{
	const char *p = strrchr(stat, ')');

	if (!p || p[1] != ' ' || !p[2])
		return OS_THREAD_UNKNOWN;
	return strchr("SDIT", p[2]) ? OS_THREAD_ASLEEP : OS_THREAD_RUNNING;
}

enum os_thread_state os_thread_state(int tid)
{
	char buf[STAT_SIZE];

	if (!os_read_task_file(tid, "stat", buf, sizeof(buf)))
		return OS_THREAD_UNKNOWN;
	return parse_state(buf);
}

static __thread struct {
	bool allowed;
	int tid;
	long fd;
} watched;

bool os_private_files(void)
{
	watched.allowed =
		!syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_UNSHARE);
	return watched.allowed;
}

static bool watch(int tid)
{
	char path[48];

	if (watched.tid == tid)
		return true;
	if (watched.tid)
		syscall(SYS_close, watched.fd);
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	watched.fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	watched.tid = watched.fd < 0 ? 0 : tid;
	return watched.tid;
}

enum os_thread_state os_watched_state(int tid)
{
	char buf[STAT_SIZE];
	long n;

	if (!watched.allowed || !watch(tid))
		return OS_THREAD_UNKNOWN;
	n = syscall(SYS_pread64, watched.fd, buf, sizeof(buf) - 1, 0L);
	if (n <= 0) {
		/* It has ended; its number may belong to another by now. */
		syscall(SYS_close, watched.fd);
		watched.tid = 0;
		return OS_THREAD_UNKNOWN;
	}
	buf[n] = '\0';
	return parse_state(buf);
}

void os_yield(void)
{
	sched_yield();
}

uint64_t os_thread_cpu_time(int tid)
{
	/* The kernel's encoding of a thread's CPU clock: ~tid, per thread,
	 * scheduler clock. */
	clockid_t clock = (clockid_t)((~(unsigned int)tid << 3) | 6U);
	struct timespec ts;

	if (clock_gettime(clock, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

unsigned long os_thread_waits(int tid)
{
	static const char field[] = "\nvoluntary_ctxt_switches:";
	char buf[4096];
	const char *p;

	if (!os_read_task_file(tid, "status", buf, sizeof(buf)))
		return 0;
	p = strstr(buf, field);
	return p ? strtoul(p + sizeof(field) - 1, NULL, 10) : 0;
}

unsigned long os_my_waits(void)
{
	struct rusage usage;

	return getrusage(RUSAGE_THREAD, &usage) ? 0
						: (unsigned long)usage.ru_nvcsw;
}

void os_write_stderr(const char *buf, size_t len)
{
	int saved = errno;

	syscall(SYS_write, STDERR_FILENO, buf, len);
	errno = saved;
}

_Noreturn void os_exit_group(int status)
{
	_exit(status);
}

/* Read by the initialisers in the header, which are compiled into programs. */
int cmwq_objects_on;

void os_check_items(bool on)
{
	__atomic_store_n(&cmwq_objects_on, on, __ATOMIC_RELAXED);
	atomic_store(&os_generation_word[3], on);
}

bool os_generation_init(void)
{
	size_t size = (size_t)sysconf(_SC_PAGESIZE);
	void *page;

	page = mmap(NULL, size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		abort();
	os_generation_word = page;
	return !madvise(page, size, MADV_WIPEONFORK);
}
