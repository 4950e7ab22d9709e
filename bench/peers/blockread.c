/* SPDX-License-Identifier: MIT */
/*
 * blockread.c - tasks that really block, in four ways.
 *
 * 2,000 tasks of 50 us CPU, something that blocks, and 50 us CPU; the number of the
 * task, modulo 4, says what:
 *
 *	0	read() from a pipe, into which a thread outside of the pool writes 1 ms
 *		after the task asked it to
 *	1	a small file is made, written, fsync()ed and closed
 *	2	a mutex, which every sixteenth of them holds for 200 us of sleep
 *	3	16 page faults on a private mapping of a file that is not in memory
 *
 * The files are in TMPDIR, else in /var/tmp: in /tmp they may be in memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#include "shared.h"

#define NR_TASKS   2000
#define CPU_NS	   (50 * NSEC_PER_USEC)
#define ANSWER_NS  NSEC_PER_MSEC
#define HOLD_NS	   (200 * NSEC_PER_USEC)
#define HOLD_EVERY 16
#define NR_FAULTS  16
#define PAGE	   4096
#define CHUNK	   (1 << 20)

struct question {
	uint64_t due;
	int fd;
};

static int ask_pipe[2];
static int (*pipes)[2]; /* of the tasks of kind 0 */
static int dir_fd;
static char dir_name[4096];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const volatile char *cold; /* the mapping */

/* All questions wait as long, so they end in the order in which they were asked. */
static void *answer(void *arg)
{
	struct question q;
	uint64_t now;

	(void)arg;
	while (read(ask_pipe[0], &q, sizeof(q)) == sizeof(q)) {
		now = now_ns();
		if (now < q.due)
			sleep_ns(q.due - now);
		if (write(q.fd, "a", 1) != 1)
			die("answering: %s", strerror(errno));
	}
	return NULL;
}

static void read_pipe(int n)
{
	struct question q = { now_ns() + ANSWER_NS, pipes[n][1] };
	char c;

	if (write(ask_pipe[1], &q, sizeof(q)) != sizeof(q) ||
	    read(pipes[n][0], &c, 1) != 1)
		die("asking: %s", strerror(errno));
}

static void sync_file(int n)
{
	char name[32];
	int fd;

	snprintf(name, sizeof(name), "f%d", n);
	fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		    0600);
	if (fd < 0 || write(fd, name, sizeof(name)) != sizeof(name) ||
	    fsync(fd))
		die("a file in %s: %s", dir_name, strerror(errno));
	close(fd);
	unlinkat(dir_fd, name, 0);
}

static void hold_mutex(int n)
{
	pthread_mutex_lock(&mutex);
	if (n % HOLD_EVERY == 0)
		sleep_ns(HOLD_NS);
	pthread_mutex_unlock(&mutex);
}

static void touch_pages(int n)
{
	int i;

	for (i = 0; i < NR_FAULTS; i++)
		(void)cold[((size_t)n * NR_FAULTS + (size_t)i) * PAGE];
}

static void block_on(struct peer_task *task)
{
	static void (*const way[])(int n) = { read_pipe, sync_file, hold_mutex,
					      touch_pages };
	int n = *(int *)task_data(task);

	burn_cpu_ns(CPU_NS);
	way[n % 4](n / 4);
	burn_cpu_ns(CPU_NS);
	task_finished();
}

/* False: not so many files may be open. */
static bool make_pipes(int n)
{
	struct rlimit lim;
	pthread_t thread;
	int i;

	if (getrlimit(RLIMIT_NOFILE, &lim))
		return false;
	lim.rlim_cur = lim.rlim_max;
	setrlimit(RLIMIT_NOFILE, &lim);
	pipes = calloc((size_t)n, sizeof(*pipes));
	if (!pipes || pipe2(ask_pipe, O_CLOEXEC))
		return false;
	for (i = 0; i < n; i++) {
		if (pipe2(pipes[i], O_CLOEXEC))
			return false;
	}
	if (pthread_create(&thread, NULL, answer, NULL))
		die("cannot create a thread");
	return true;
}

static void make_dir(void)
{
	const char *top = getenv("TMPDIR");

	snprintf(dir_name, sizeof(dir_name), "%s/peers-XXXXXX",
		 top ? top : "/var/tmp");
	if (!mkdtemp(dir_name))
		die("%s: %s", dir_name, strerror(errno));
	dir_fd = open(dir_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir_fd < 0)
		die("%s: %s", dir_name, strerror(errno));
}

static void write_pages(int fd, size_t size)
{
	static char chunk[CHUNK];
	size_t done, len;

	memset(chunk, 'x', sizeof(chunk));
	for (done = 0; done < size; done += len) {
		len = size - done < CHUNK ? size - done : CHUNK;
		if (write(fd, chunk, len) != (ssize_t)len)
			die("writing in %s: %s", dir_name, strerror(errno));
	}
}

/* Not in memory, and no page brings its neighbours. */
static void make_cold(int n)
{
	size_t size = (size_t)n * NR_FAULTS * PAGE;
	int fd = openat(dir_fd, "cold", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	void *map;

	if (fd < 0)
		die("a file in %s: %s", dir_name, strerror(errno));
	write_pages(fd, size);
	if (fsync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		die("cooling a file: %s", strerror(errno));
	map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED || madvise(map, size, MADV_RANDOM))
		die("mapping a file: %s", strerror(errno));
	cold = map;
	close(fd);
	unlinkat(dir_fd, "cold", 0);
}

int blockread(void)
{
	int i, n = work_size(NR_TASKS, 8);
	struct tasks tasks = tasks_new(n, sizeof(int), block_on);

	if (!make_pipes(n / 4))
		return PEER_CANNOT;
	make_dir();
	make_cold(n / 4);
	for (i = 0; i < n; i++)
		*(int *)task_data(task_at(&tasks, i)) = i;
	expect_tasks(n);
	span_begin();
	for (i = 0; i < n; i++)
		peer_submit(task_at(&tasks, i));
	await_tasks();
	emit_span(n, 2 * CPU_NS, true);
	close(dir_fd);
	rmdir(dir_name);
	return PEER_OK;
}
