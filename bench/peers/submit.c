/* SPDX-License-Identifier: MIT */
/*
 * submit.c - the price of a task.
 *
 * submit1, 2, 4: so many threads outside the pool submit a million tasks in all, from
 * arrays that were initialised before the clock starts. A task counts itself. The
 * last one of each thread opens a gate, on which that thread sleeps; what still runs
 * then is awaited by adding up the counters. The clock starts when all threads are
 * ready and stops when all tasks have run.
 *
 * chain: a task that submits itself, a million times or for ten seconds.
 *
 * startup: ends the process in the first task, for whoever takes the time of that.
 */
#include <pthread.h>
#include <unistd.h>
#include "shared.h"

#define NR_TASKS      1000000
#define MAX_PRODUCERS 4
#define CHAIN_NS      (10 * NSEC_PER_SEC)

static struct producer {
	pthread_t thread;
	struct tasks tasks;
	struct tasks last;
	struct gate ran;
} producers[MAX_PRODUCERS];

static pthread_barrier_t start_line;

static void count_one(struct peer_task *task)
{
	(void)task;
	count_task();
}

static void count_last(struct peer_task *task)
{
	struct producer **p = task_data(task);

	count_task();
	peer_done(&(*p)->ran);
}

static void *produce(void *arg)
{
	struct producer *p = arg;
	int i;

	peer_attach();
	pthread_barrier_wait(&start_line);
	for (i = 0; i < p->tasks.n; i++)
		peer_submit(task_at(&p->tasks, i));
	peer_submit(task_at(&p->last, 0));
	peer_wait(&p->ran);
	return NULL;
}

static void start_producer(struct producer *p, int n)
{
	p->tasks = tasks_new(n - 1, 0, count_one);
	p->last = tasks_new(1, sizeof(p), count_last);
	*(struct producer **)task_data(task_at(&p->last, 0)) = p;
	gate_reset(&p->ran);
	if (pthread_create(&p->thread, NULL, produce, p))
		die("cannot create a thread");
}

static int submit(int nr_producers)
{
	int n = work_size(NR_TASKS, 1000), i;
	uint64_t start;

	pthread_barrier_init(&start_line, NULL, (unsigned int)nr_producers + 1);
	for (i = 0; i < nr_producers; i++)
		start_producer(&producers[i], n / nr_producers);
	pthread_barrier_wait(&start_line);
	start = now_ns();
	for (i = 0; i < nr_producers; i++)
		pthread_join(producers[i].thread, NULL);
	await_count((uint64_t)n, 0);
	emit("item_ns", (double)(now_ns() - start) / n);
	return PEER_OK;
}

int submit1(void)
{
	return submit(1);
}

int submit2(void)
{
	return submit(2);
}

int submit4(void)
{
	return submit(4);
}

static struct gate chain_end;
static int chain_target, chain_links;
static uint64_t chain_until;

/* One task, so one link at a time: no atomics. */
static void link_task(struct peer_task *task)
{
	int n = ++chain_links;

	if (n == chain_target || (n % 1024 == 0 && now_ns() > chain_until))
		peer_done(&chain_end);
	else
		peer_resubmit(task);
}

int chain(void)
{
	struct tasks tasks = tasks_new(1, 0, link_task);
	uint64_t start;

	chain_target = work_size(NR_TASKS, 1000);
	gate_reset(&chain_end);
	start = now_ns();
	chain_until = start + CHAIN_NS;
	peer_submit(task_at(&tasks, 0));
	peer_wait(&chain_end);
	emit("item_ns", (double)(now_ns() - start) / chain_links);
	return PEER_OK;
}

static void end_here(struct peer_task *task)
{
	(void)task;
	_exit(PEER_OK);
}

int startup(void)
{
	static struct gate never;
	struct tasks tasks = tasks_new(1, 0, end_here);

	peer_submit(task_at(&tasks, 0));
	peer_wait(&never);
	return PEER_FAILED;
}
