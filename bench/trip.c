/* SPDX-License-Identifier: MIT */
/*
 * trip.c - a futex round trip between two threads, bare, and one of a cache line.
 */
#include <pthread.h>
#include <stdlib.h>
#include "util.h"

struct partner {
	struct gate ping;
	struct gate pong;
	pthread_t thread;
	int cpu;
	atomic_bool stop;
};

static void *partner_main(void *arg)
{
	struct partner *p = arg;

	pin_to(p->cpu);
	for (;;) {
		gate_wait(&p->ping);
		gate_reset(&p->ping);
		if (atomic_load(&p->stop))
			return NULL;
		gate_open(&p->pong);
	}
}

struct partner *partner_start(int cpu)
{
	struct partner *p = aligned_alloc(CACHELINE, sizeof(*p));

	if (!p)
		die("no memory");
	gate_reset(&p->ping);
	gate_reset(&p->pong);
	atomic_init(&p->stop, false);
	p->cpu = cpu;
	if (pthread_create(&p->thread, NULL, partner_main, p))
		die("cannot create a thread");
	partner_round_trip(p, 100);
	return p;
}

double partner_round_trip(struct partner *p, int rounds)
{
	uint64_t start = now_ns();
	int i;

	for (i = 0; i < rounds; i++) {
		gate_reset(&p->pong);
		gate_open(&p->ping);
		gate_wait(&p->pong);
	}
	return (double)(now_ns() - start) / rounds;
}

void partner_stop(struct partner *p)
{
	atomic_store(&p->stop, true);
	gate_open(&p->ping);
	pthread_join(p->thread, NULL);
	free(p);
}

static struct {
	_Alignas(CACHELINE) atomic_int turn;
} line;
static int line_cpu;

static void *return_line(void *arg)
{
	int i, rounds = *(int *)arg;

	pin_to(line_cpu);
	for (i = 0; i < rounds; i++) {
		while (atomic_load(&line.turn) != 2 * i + 1)
			cpu_relax();
		atomic_store(&line.turn, 2 * i + 2);
	}
	return NULL;
}

double line_round_trip(int cpu, int rounds)
{
	pthread_t thread;
	uint64_t start;
	int i;

	line_cpu = cpu;
	atomic_store(&line.turn, 0);
	if (pthread_create(&thread, NULL, return_line, &rounds))
		die("cannot create a thread");
	sleep_ns(10 * NSEC_PER_MSEC);
	start = now_ns();
	for (i = 0; i < rounds; i++) {
		atomic_store(&line.turn, 2 * i + 1);
		while (atomic_load(&line.turn) != 2 * i + 2)
			cpu_relax();
	}
	start = now_ns() - start;
	pthread_join(thread, NULL);
	return (double)start / rounds;
}
