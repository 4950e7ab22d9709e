/* SPDX-License-Identifier: MIT */
/*
 * child.h - what the tests of fork() share: making children, and what a child
 * checks. A child reports with its exit status and keeps to what works after
 * a fork of a threaded process.
 */
#ifndef CMWQ_TESTS_CHILD_H
#define CMWQ_TESTS_CHILD_H

#include "harness.h"

#include <dirent.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum how {
	FORK,
	UNDERSCORE_FORK,
	CLONE
};

/* ThreadSanitizer forbids threads in the child of a threaded process. */
static inline void need_fork(void)
{
#ifdef __SANITIZE_THREAD__
	skip("not with ThreadSanitizer");
#endif
	if (getenv("MESON_EXE_WRAPPER"))
		skip("an emulator's fork() is not safe beside threads");
}

/* AddressSanitizer's allocator may be locked by another thread at the time of a
 * fork, and stays so in the child. */
static inline void need_busy_fork(void)
{
	need_fork();
#ifdef __SANITIZE_ADDRESS__
	skip("not with AddressSanitizer");
#endif
}

static inline pid_t fork_by(enum how how)
{
	if (how == UNDERSCORE_FORK)
		return _Fork();
	if (how == CLONE)
		return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
	return fork();
}

/* --- in the child --- */

static inline void child_failed(const char *file, int line, const char *what)
{
	char buf[256];
	int n = snprintf(buf, sizeof(buf), "child: %s:%d: failed: %s\n", file,
			 line, what);

	if (write(2, buf, (size_t)n) != n)
		_exit(2);
	dump_threads(getpid());
	_exit(1);
}

#define CHECK(cond)                                              \
	do {                                                     \
		if (!(cond))                                     \
			child_failed(__FILE__, __LINE__, #cond); \
	} while (0)

#define CHECK_WAIT(cond)                                                 \
	do {                                                             \
		uint64_t end_ = now_ns() + 10000000000ULL;               \
		unsigned int round_ = 0;                                 \
		while (!(cond)) {                                        \
			if (now_ns() > end_)                             \
				child_failed(__FILE__, __LINE__, #cond); \
			nap(&round_);                                    \
		}                                                        \
	} while (0)

/* Shared with the children. */
struct report {
	_Atomic int messages;
	char line[256];
} * report;

static inline void child_log(enum cmwq_log_level level, const char *line,
			     void *arg)
{
	(void)arg;
	if (level == CMWQ_LOG_INFO || strstr(line, "SCHED_IDLE") ||
	    strstr(line, "SCHED_FIFO") || strstr(line, "affinity") ||
	    strstr(line, "nice"))
		return;
	if (!atomic_fetch_add(&report->messages, 1))
		snprintf(report->line, sizeof(report->line), "%s", line);
}

/* Before the first fork. */
static inline void make_report(void)
{
	need_fork();
	report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT(report != MAP_FAILED);
}

static _Atomic int child_runs;

static void child_func(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&child_runs, 1);
}

/* One queue does everything once. */
static inline void check_queue(struct workqueue_struct *wq)
{
	static struct delayed_work d;
	int before = atomic_load(&child_runs);

	CHECK(wq);
	INIT_DELAYED_WORK(&d, child_func);
	CHECK(queue_work(wq, &d.work));
	flush_work(&d.work);
	CHECK(atomic_load(&child_runs) == before + 1);
	CHECK(queue_delayed_work(wq, &d, 1));
	CHECK_WAIT(atomic_load(&child_runs) == before + 2);
	flush_workqueue(wq);
	CHECK(queue_delayed_work(wq, &d, 1000000));
	CHECK(cancel_delayed_work_sync(&d));
	CHECK(queue_delayed_work(wq, &d, 1000000));
	flush_delayed_work(&d);
	drain_workqueue(wq);
	CHECK(atomic_load(&child_runs) == before + 3);
	CHECK(work_busy(&d.work) == 0);
}

static inline void check_library(void)
{
	struct workqueue_struct *wq;

	wq = alloc_workqueue("child_percpu", WQ_PERCPU, 0);
	check_queue(wq);
	destroy_workqueue(wq);
	wq = alloc_workqueue("child_unbound", WQ_UNBOUND, 0);
	check_queue(wq);
	destroy_workqueue(wq);
	wq = alloc_ordered_workqueue("child_ordered", 0);
	check_queue(wq);
	destroy_workqueue(wq);
	wq = alloc_workqueue("child_bh", WQ_BH, 0);
	check_queue(wq);
	destroy_workqueue(wq);
	check_queue(system_bh_wq);
	check_queue(system_percpu_wq);
	check_queue(system_dfl_wq);
}

static inline int our_threads(void)
{
	char path[300], comm[32];
	struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	int n = 0;

	while (dir && (de = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f))
			n += !strncmp(comm, "cmwq/", 5);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return n;
}

/* --- in the parent --- */

static inline pid_t start_child(enum how how, void (*fn)(void))
{
	pid_t pid = fork_by(how);

	if (!pid) {
		cmwq_set_log(child_log, NULL);
		fn();
		_exit(0);
	}
	ASSERT(pid > 0);
	return pid;
}

/* The child waits itself, and is to say for what before we end it. */
static inline int end_child(pid_t pid)
{
	uint64_t now = now_ns(), until = now + 3 * (wait_deadline() - now);
	unsigned int round = 0;
	int status = 0;

	while (!waitpid(pid, &status, WNOHANG)) {
		if (now_ns() > until) {
			dump_threads(pid);
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			EXPECT(!"the child hangs");
			return status;
		}
		nap(&round);
	}
	return status;
}

static inline void in_child(enum how how, void (*fn)(void))
{
	EXPECT_EQ(end_child(start_child(how, fn)), 0);
	EXPECT_EQ(atomic_load(&report->messages), 0);
	if (atomic_load(&report->messages))
		printf("child's message: %s\n", report->line);
}

#endif
