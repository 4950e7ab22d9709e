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
	{ "submit_unbound1", submit_unbound1, 20, ALWAYS },
	{ "submit_percpu", submit_percpu, 20, ALWAYS },
	{ "submit_dfl", submit_dfl, 20, ALWAYS },
	{ "submit_pinned", submit_pinned, 20, ALWAYS },
	{ "submit_remote", submit_remote, 20, ALWAYS },
	{ "requeue_percpu", requeue_percpu, 20, ALWAYS },
	{ "requeue_unbound", requeue_unbound, 20, ALWAYS },
	{ "pingpong", pingpong, 30, ALWAYS },
	{ "block", block, 60, ALWAYS },
	{ "block_busy", block_busy, 90, ALWAYS },
	{ "blocked64", blocked64, 20, ALWAYS },
	{ "cold64", cold64, 60, ALWAYS },
	{ "cold64_chain", cold64_chain, 10, PART },
	{ "cold64_items", cold64_items, 10, PART },
	{ "cold64_init_items", cold64_init_items, 10, PART },
	{ "oversub", oversub, 30, ALWAYS },
	{ "idle", idle, 40, ALWAYS },
	{ "startup", startup, 30, ALWAYS },
	{ "memory", memory, 60, ALWAYS },
	{ "timers", timers, 30, ALWAYS },
	{ "floor", machine_floor, 30, ALWAYS },
	{ "lines", lines, 600, PART },
	{ "growth_items", growth_items, 60, ASKED },
	{ "growth_producers", growth_producers, 60, ASKED },
	{ "growth_workers", growth_workers, 20, ASKED },
	{ "growth_wq_percpu", growth_wq_percpu, 30, ASKED },
	{ "growth_wq_unbound", growth_wq_unbound, 30, ASKED },
	{ "growth_wq_ordered", growth_wq_ordered, 30, ASKED },
	{ "growth_timers", growth_timers, 90, ASKED },
	{ "growth_stall_items", growth_stall_items, 60, ASKED },
	{ "growth_stall_timers", growth_stall_timers, 90, ASKED },
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
	MEDIAN("startup.percpu", "us", "start to first item, over empty", 1500),
	MEDIAN("startup.unbound", "us", "the same, on system_dfl_wq", 1500),
	SHOW("startup.linked", "us", "  to main(), nothing used"),
	SHOW("startup.empty", "us", "  without the library, to main()"),
	MEDIAN("memory.all", "KiB", "own memory after use, over empty", 300),
	SHOW("memory.unbound", "KiB", "  after one item, unbound"),
	SHOW("memory.percpu", "KiB", "  after one item, per-CPU"),
	SHOW("memory.linked", "KiB", "  nothing used"),
	SHOW("memory.empty", "KiB", "  without the library"),
	MEDIAN("timers.pair", "ns", "arm + cancel a delayed work", 100),
	SHOW("timers.pair_behind", "ns", "  an earlier timer armed"),
	SHOW("timers.crowd", "ns", "  a thousand armed at once"),
	SHOW("floor.atomic", "ns", "floor: uncontended atomic"),
	SHOW("floor.line", "ns", "floor: cache line to a CPU and back"),
	SHOW("floor.mutex", "ns", "floor: pthread mutex pair"),
	SHOW("floor.syscall", "ns", "floor: system call"),
	SHOW("floor.clock", "ns", "floor: clock_gettime"),
	SHOW("floor.futex_one_cpu", "us", "floor: futex round trip, one CPU"),
	SHOW("floor.futex_two_cpus", "us", "floor: futex round trip, two CPUs"),
	SHOW("growth_items.queue_100", "ns", "queue one, 100 in all"),
	SHOW("growth_items.run_100", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_100", "ns", "  change a word of it"),
	SHOW("growth_items.queue_1000", "ns", "queue one, 1,000 in all"),
	SHOW("growth_items.run_1000", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_1000", "ns", "  change a word of it"),
	SHOW("growth_items.queue_10000", "ns", "queue one, 10,000 in all"),
	SHOW("growth_items.run_10000", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_10000", "ns", "  change a word of it"),
	SHOW("growth_items.queue_100000", "ns", "queue one, 100,000 in all"),
	SHOW("growth_items.run_100000", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_100000", "ns", "  change a word of it"),
	SHOW("growth_items.queue_1000000", "ns", "queue one, 1,000,000 in all"),
	SHOW("growth_items.run_1000000", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_1000000", "ns", "  change a word of it"),
	SHOW("growth_items.queue_10000000", "ns",
	     "queue one, 10,000,000 in all"),
	SHOW("growth_items.run_10000000", "ns", "  take it out and run it"),
	SHOW("growth_items.touch_10000000", "ns", "  change a word of it"),
	SHOW("growth_items.bytes", "", "bytes beside the item, while queued"),
	SHOW("growth_producers.percpu_1", "ns",
	     "one item, 1 producer, per-CPU"),
	SHOW("growth_producers.unbound_1", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_2", "ns",
	     "one item, 2 producers, per-CPU"),
	SHOW("growth_producers.unbound_2", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_4", "ns",
	     "one item, 4 producers, per-CPU"),
	SHOW("growth_producers.unbound_4", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_8", "ns",
	     "one item, 8 producers, per-CPU"),
	SHOW("growth_producers.unbound_8", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_16", "ns",
	     "one item, 16 producers, per-CPU"),
	SHOW("growth_producers.unbound_16", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_32", "ns",
	     "one item, 32 producers, per-CPU"),
	SHOW("growth_producers.unbound_32", "ns", "  system_dfl_wq"),
	SHOW("growth_producers.percpu_64", "ns",
	     "one item, 64 producers, per-CPU"),
	SHOW("growth_producers.unbound_64", "ns", "  system_dfl_wq"),
	SHOW("growth_workers.idle", "KiB", "own memory of an idle worker"),
	SHOW("growth_workers.bare", "KiB", "  of a bare thread asleep"),
	SHOW("growth_wq_percpu.alloc_few", "us",
	     "allocate a per-CPU queue, few there"),
	SHOW("growth_wq_percpu.alloc_10000", "us", "  10,000 there"),
	SHOW("growth_wq_percpu.destroy_few", "us", "  destroy one, few there"),
	SHOW("growth_wq_percpu.destroy_10000", "us", "  10,000 there"),
	SHOW("growth_wq_percpu.item_1", "ns", "  one item, all to one queue"),
	SHOW("growth_wq_percpu.item_10000", "ns", "  round 10,000 queues"),
	SHOW("growth_wq_percpu.kib", "KiB", "  own memory of a queue"),
	SHOW("growth_wq_unbound.alloc_few", "us",
	     "allocate an unbound queue, few there"),
	SHOW("growth_wq_unbound.alloc_10000", "us", "  10,000 there"),
	SHOW("growth_wq_unbound.destroy_few", "us", "  destroy one, few there"),
	SHOW("growth_wq_unbound.destroy_10000", "us", "  10,000 there"),
	SHOW("growth_wq_unbound.item_1", "ns", "  one item, all to one queue"),
	SHOW("growth_wq_unbound.item_10000", "ns", "  round 10,000 queues"),
	SHOW("growth_wq_unbound.kib", "KiB", "  own memory of a queue"),
	SHOW("growth_wq_ordered.alloc_few", "us",
	     "allocate an ordered queue, few there"),
	SHOW("growth_wq_ordered.alloc_10000", "us", "  10,000 there"),
	SHOW("growth_wq_ordered.destroy_few", "us", "  destroy one, few there"),
	SHOW("growth_wq_ordered.destroy_10000", "us", "  10,000 there"),
	SHOW("growth_wq_ordered.item_1", "ns", "  one item, all to one queue"),
	SHOW("growth_wq_ordered.item_10000", "ns", "  round 10,000 queues"),
	SHOW("growth_wq_ordered.kib", "KiB", "  own memory of a queue"),
	SHOW("growth_timers.arm_1000", "ns", "arm one, 1,000 in all"),
	SHOW("growth_timers.cancel_1000", "ns", "  cancel it"),
	SHOW("growth_timers.expire_1000", "ns",
	     "  CPU time to expire and run it"),
	SHOW("growth_timers.touch_1000", "ns", "  read a word of it"),
	SHOW("growth_timers.arm_10000", "ns", "arm one, 10,000 in all"),
	SHOW("growth_timers.cancel_10000", "ns", "  cancel it"),
	SHOW("growth_timers.expire_10000", "ns",
	     "  CPU time to expire and run it"),
	SHOW("growth_timers.touch_10000", "ns", "  read a word of it"),
	SHOW("growth_timers.arm_100000", "ns", "arm one, 100,000 in all"),
	SHOW("growth_timers.cancel_100000", "ns", "  cancel it"),
	SHOW("growth_timers.expire_100000", "ns",
	     "  CPU time to expire and run it"),
	SHOW("growth_timers.touch_100000", "ns", "  read a word of it"),
	SHOW("growth_timers.arm_1000000", "ns", "arm one, 1,000,000 in all"),
	SHOW("growth_timers.cancel_1000000", "ns", "  cancel it"),
	SHOW("growth_timers.expire_1000000", "ns",
	     "  CPU time to expire and run it"),
	SHOW("growth_timers.touch_1000000", "ns", "  read a word of it"),
	SHOW("growth_timers.arm_10000000", "ns", "arm one, 10,000,000 in all"),
	SHOW("growth_timers.cancel_10000000", "ns", "  cancel it"),
	SHOW("growth_timers.expire_10000000", "ns",
	     "  CPU time to expire and run it"),
	SHOW("growth_timers.touch_10000000", "ns", "  read a word of it"),
	SHOW("growth_stall_items.instant_100", "us",
	     "item behind 100 that may not start"),
	SHOW("growth_stall_items.instant_1000", "us",
	     "item behind 1,000 that may not start"),
	SHOW("growth_stall_items.instant_10000", "us",
	     "item behind 10,000 that may not start"),
	SHOW("growth_stall_items.instant_100000", "us",
	     "item behind 100,000 that may not start"),
	SHOW("growth_stall_items.instant_1000000", "us",
	     "item behind 1,000,000 that may not start"),
	SHOW("growth_stall_items.instant_10000000", "us",
	     "item behind 10,000,000 that may not start"),
	SHOW("growth_stall_timers.worst_1000", "ms",
	     "longest arming while 1,000 are due"),
	SHOW("growth_stall_timers.worst_10000", "ms",
	     "longest arming while 10,000 are due"),
	SHOW("growth_stall_timers.worst_100000", "ms",
	     "longest arming while 100,000 are due"),
	SHOW("growth_stall_timers.worst_1000000", "ms",
	     "longest arming while 1,000,000 are due"),
	SHOW("growth_stall_timers.worst_10000000", "ms",
	     "longest arming while 10,000,000 are due"),
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
