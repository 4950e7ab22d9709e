/* SPDX-License-Identifier: MIT */
/*
 * condvar.c - the pool that one writes in an hour: a mutex, a condition variable, one
 * queue, and as many threads as CPUs.
 *
 * Tasks are links of the queue, so nothing is allocated; whoever submits signals only
 * if a thread sleeps, and after the unlock; the threads are made with the first task.
 * It has no timers, and no way to be told that tasks block (but for the machine's floor,
 * which is told by trial how many threads are right: condvar.h).
 */
#include <pthread.h>
#include "../util.h"
#include "condvar.h"
#include "peer.h"

struct peer_task {
	struct peer_task *next;
	peer_fn *fn;
};

const char *const peer_name = "condvar";
const char *const peer_variant = NULL;
const size_t peer_task_size = sizeof(struct peer_task);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static struct peer_task *head, **tail = &head;
static int sleeping;
static int nr_threads_told; /* 0: as many as CPUs */
static pthread_once_t once = PTHREAD_ONCE_INIT;

bool peer_can(const char *scenario)
{
	(void)scenario;
	return true;
}

void peer_open(bool variant, int blocked)
{
	(void)variant;
	(void)blocked;
}

void peer_attach(void)
{
}

void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	task->fn = fn;
}

static struct peer_task *next_task(void)
{
	struct peer_task *task;

	pthread_mutex_lock(&mutex);
	while (!head) {
		sleeping++;
		pthread_cond_wait(&cond, &mutex);
		sleeping--;
	}
	task = head;
	head = task->next;
	if (!head)
		tail = &head;
	pthread_mutex_unlock(&mutex);
	return task;
}

static void *work(void *arg)
{
	struct peer_task *task;

	(void)arg;
	for (;;) {
		task = next_task();
		task->fn(task);
	}
	return NULL;
}

static void start_threads(void)
{
	int i, n = nr_threads_told ? nr_threads_told : nr_cpus();
	pthread_t thread;

	for (i = 0; i < n; i++) {
		if (pthread_create(&thread, NULL, work, NULL))
			die("cannot create a thread");
	}
}

static bool all_sleep(void)
{
	bool all;

	pthread_mutex_lock(&mutex);
	all = sleeping == nr_threads_told;
	pthread_mutex_unlock(&mutex);
	return all;
}

void condvar_start(int threads)
{
	nr_threads_told = threads;
	pthread_once(&once, start_threads);
	while (!all_sleep())
		sleep_ns(NSEC_PER_MSEC);
}

void peer_submit(struct peer_task *task)
{
	bool wake;

	pthread_once(&once, start_threads);
	task->next = NULL;
	pthread_mutex_lock(&mutex);
	*tail = task;
	tail = &task->next;
	wake = sleeping > 0;
	pthread_mutex_unlock(&mutex);
	if (wake)
		pthread_cond_signal(&cond);
}
