/* SPDX-License-Identifier: MIT */
/*
 * measures.c - the table: what is measured and what must be reached.
 *
 * A row is named SCENARIO.VALUE. Rows with a target come first in their group;
 * the others say what the target's number is made of.
 */
#include <string.h>
#include "bench.h"

const struct scenario scenarios[] = {
	{ "submit_unbound1", submit_unbound1, 20, false },
	{ "submit_percpu", submit_percpu, 20, false },
	{ "submit_dfl", submit_dfl, 20, false },
	{ "submit_pinned", submit_pinned, 20, false },
	{ "submit_remote", submit_remote, 20, false },
	{ "requeue_percpu", requeue_percpu, 20, false },
	{ "requeue_unbound", requeue_unbound, 20, false },
	{ "pingpong", pingpong, 30, false },
	{ "block", block, 60, false },
	{ "block_busy", block_busy, 90, false },
	{ "blocked64", blocked64, 20, false },
	{ "cold64", cold64, 60, false },
	{ "cold64_chain", cold64_chain, 10, true },
	{ "cold64_items", cold64_items, 10, true },
	{ "cold64_init_items", cold64_init_items, 10, true },
	{ "oversub", oversub, 30, false },
	{ "idle", idle, 40, false },
	{ "timers", timers, 30, false },
	{ "floor", machine_floor, 30, false },
};
const size_t nr_scenarios = ARRAY_SIZE(scenarios);

#define SHOW(name, unit, text)               \
	{                                    \
		name, unit, text, CONTEXT, 0 \
	}
#define MEDIAN(name, unit, text, most)                 \
	{                                              \
		name, unit, text, MEDIAN_AT_MOST, most \
	}
#define WORST(name, unit, text, most)                 \
	{                                             \
		name, unit, text, WORST_AT_MOST, most \
	}

const struct row rows[] = {
	MEDIAN("submit_unbound1.item", "ns", "one item, unbound, max_active 1",
	       25),
	SHOW("submit_unbound1.producer", "ns", "  of it queue_work()"),
	MEDIAN("submit_percpu.item", "ns", "one item, per-CPU queue", 25),
	SHOW("submit_percpu.producer", "ns", "  of it queue_work()"),
	SHOW("submit_percpu.workers", "", "  workers that took part"),
	MEDIAN("submit_dfl.item", "ns", "one item, system_dfl_wq", 40),
	SHOW("submit_dfl.producer", "ns", "  of it queue_work()"),
	SHOW("submit_dfl.workers", "", "  workers that took part"),
	SHOW("submit_pinned.item", "ns", "per-CPU, producer pinned to it"),
	SHOW("submit_remote.item", "ns", "per-CPU, to another CPU"),
	MEDIAN("requeue_percpu.item", "ns", "requeue by itself, per-CPU", 25),
	MEDIAN("requeue_unbound.item", "ns", "requeue by itself, unbound", 25),
	MEDIAN("pingpong.ratio", "x", "queue, run, wake / bare futex trip",
	       1.5),
	SHOW("pingpong.wake", "us", "  queue, run, wake"),
	SHOW("pingpong.bare", "us", "  bare futex round trip"),
	SHOW("pingpong.flush", "us", "  queue, flush_work"),
	SHOW("pingpong.flush_ratio", "x", "  the same / bare"),
	MEDIAN("block.p50", "us", "A blocks until B runs, p50", 12),
	MEDIAN("block.p99", "us", "A blocks until B runs, p99", 50),
	SHOW("block.max", "us", "  the worst of 2000"),
	SHOW("block.early", "", "  B ran before A blocked"),
	MEDIAN("block_busy.p99", "ms", "the same, CPUs busy, p99 (3 ticks)",
	       12),
	SHOW("block_busy.p50", "ms", "  p50"),
	SHOW("block_busy.max", "ms", "  the worst of 300"),
	SHOW("block_busy.early", "", "  B ran before A blocked"),
	MEDIAN("blocked64.first", "us", "instant item behind 64 asleep", 200),
	SHOW("blocked64.later", "us", "  the following ones"),
	MEDIAN("cold64.ratio", "x", "64 cold starts / pthread_create chain",
	       1.5),
	SHOW("cold64.items", "ms", "  64 items started"),
	SHOW("cold64.init_items", "ms", "  after workqueue_init()"),
	SHOW("cold64.chain", "ms", "  64 pthread_create in a chain"),
	MEDIAN("oversub.makespan", "x", "200 x 5 ms CPU, makespan / ideal",
	       1.03),
	{ "oversub.running", "", "  most at once (CPUs + 2)",
	  WORST_AT_MOST_CPUS, 2 },
	SHOW("oversub.bare", "x", "  one thread per CPU / ideal"),
	WORST("idle.switches", "", "context switches in 10 s idle", 0),
	WORST("idle.cpu", "us", "CPU time in 10 s idle", 0),
	SHOW("idle.threads", "", "  the library's threads"),
	MEDIAN("timers.pair", "ns", "arm + cancel a delayed work", 100),
	SHOW("timers.pair_behind", "ns", "  an earlier timer armed"),
	SHOW("timers.crowd", "ns", "  a thousand armed at once"),
	SHOW("floor.atomic", "ns", "floor: uncontended atomic"),
	SHOW("floor.mutex", "ns", "floor: pthread mutex pair"),
	SHOW("floor.syscall", "ns", "floor: system call"),
	SHOW("floor.clock", "ns", "floor: clock_gettime"),
	SHOW("floor.futex_one_cpu", "us", "floor: futex round trip, one CPU"),
	SHOW("floor.futex_two_cpus", "us", "floor: futex round trip, two CPUs"),
};
const size_t nr_rows = ARRAY_SIZE(rows);

/* @name need not end after @len characters. */
const struct scenario *find_scenario(const char *name, size_t len)
{
	size_t i;

	len = strnlen(name, len);
	for (i = 0; i < nr_scenarios; i++) {
		if (strlen(scenarios[i].name) == len &&
		    !strncmp(scenarios[i].name, name, len))
			return &scenarios[i];
	}
	return NULL;
}

bool row_is_of(const struct row *row, const struct scenario *sc)
{
	size_t len = strlen(sc->name);

	return !strncmp(row->name, sc->name, len) && row->name[len] == '.';
}
