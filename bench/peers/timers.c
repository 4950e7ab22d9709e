/* SPDX-License-Identifier: MIT */
/*
 * timers.c - arm and cancel; lateness.
 *
 * timers_pair: a timer of 60 s is armed and cancelled a million times, by the main
 * thread, which is not the one that runs the timers.
 *
 * timers_late: 100,000 timers are armed, the i-th for 200 ms + i x 10 us from its own
 * arming on, so they end spread over a second. Lateness is against the delay that was
 * asked for in the library's unit: for one of milliseconds it is cut to them. If the
 * least of all is negative, timers came early.
 */
#include <stdio.h>
#include <stdlib.h>
#include "shared.h"

#define NR_PAIRS  1000000
#define PAIRS_NS  (10 * NSEC_PER_SEC)
#define FAR_NS	  (60 * NSEC_PER_SEC)
#define NR_LATE	  100000
#define FIRST_NS  (200 * NSEC_PER_MSEC)
#define SPREAD_NS NSEC_PER_SEC

static void never(struct peer_timer *timer)
{
	(void)timer;
	die("a timer of a minute has run out");
}

int timers_pair(void)
{
	struct peer_timer *timer = calloc(1, peer_timer_size);
	int i, n = work_size(NR_PAIRS, 100);
	uint64_t start, until;

	if (!timer)
		die("no memory");
	peer_timer_init(timer, never);
	/* Whatever the first use makes. */
	peer_timer_arm(timer, FAR_NS);
	peer_timer_cancel(timer);
	start = now_ns();
	until = start + PAIRS_NS;
	for (i = 0; i < n; i++) {
		peer_timer_arm(timer, FAR_NS);
		peer_timer_cancel(timer);
		if (i % 1024 == 1023 && now_ns() > until)
			n = i + 1;
	}
	emit("pair_ns", (double)(now_ns() - start) / n);
	free(timer);
	return PEER_OK;
}

struct alarm {
	uint64_t due;
	double us; /* the result */
};

static size_t timer_space(void)
{
	return (peer_timer_size + 15) / 16 * 16;
}

static struct alarm *alarm_of(struct peer_timer *timer)
{
	return (struct alarm *)((char *)timer + timer_space());
}

static atomic_int alarms_left;
static struct gate all_rang;

static void ring(struct peer_timer *timer)
{
	struct alarm *alarm = alarm_of(timer);

	alarm->us = ((double)now_ns() - (double)alarm->due) / 1e3;
	if (atomic_fetch_sub(&alarms_left, 1) == 1)
		peer_done(&all_rang);
}

static void late(uint64_t (*arm)(struct peer_timer *timer, uint64_t ns),
		 const char *prefix)
{
	size_t size = timer_space() + sizeof(struct alarm), i;
	size_t n = (size_t)work_size(NR_LATE, 100);
	char *timers = calloc(n, size), name[32];
	double *us = malloc(n * sizeof(*us));
	struct peer_timer *timer;
	uint64_t now;

	if (!timers || !us)
		die("no memory");
	for (i = 0; i < n; i++)
		peer_timer_init((void *)(timers + i * size), ring);
	gate_reset(&all_rang);
	atomic_store(&alarms_left, (int)n);
	for (i = 0; i < n; i++) {
		timer = (void *)(timers + i * size);
		now = now_ns();
		alarm_of(timer)->due =
			now + arm(timer, FIRST_NS + i * SPREAD_NS / n);
	}
	peer_wait(&all_rang);
	for (i = 0; i < n; i++)
		us[i] = alarm_of((void *)(timers + i * size))->us;
	emit_percentiles(us, n, prefix);
	snprintf(name, sizeof(name), "%smax_us", prefix);
	emit(name, us[n - 1]);
	snprintf(name, sizeof(name), "%smin_us", prefix);
	emit(name, us[0]);
	free(us);
	free(timers);
}

int timers_late(void)
{
	late(peer_timer_arm, "");
	if (peer_timer_arm_ns)
		late(peer_timer_arm_ns, "ns_");
	return PEER_OK;
}
