/* SPDX-License-Identifier: MIT */
/*
 * trip.c - a futex round trip between two threads, bare.
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
