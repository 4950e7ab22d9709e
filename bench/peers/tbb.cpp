/* SPDX-License-Identifier: MIT */
/*
 * tbb.cpp - the adapters for oneTBB: task_arena::enqueue() and, with PEER_GROUP,
 * task_group.
 *
 * enqueue: for work that nobody helps with. TBB counts the thread that submits as one
 * of its workers and by default makes one less than CPUs, so it is allowed one more,
 * and the arena keeps no place for that thread.
 *
 * task_group: the thread that waits works meanwhile, so everything is as it comes. Where
 * the submitting thread has to be woken, or is to do something else, this is not
 * the way to use TBB, and it cannot do that. Fork-join is what it is made for.
 *
 * TBB has no timers, and no way to be told that tasks block.
 */
#include <cstring>
#include <optional>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include "../util.h"
#include "peer.h"

namespace tbb = oneapi::tbb;

struct peer_task {
	peer_fn *fn;
};

/* extern: in C++ constants are local otherwise. */
extern const char *const peer_variant = nullptr;
extern const size_t peer_task_size = sizeof(struct peer_task);

void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	task->fn = fn;
}

void peer_resubmit(struct peer_task *task)
{
	peer_submit(task);
}

void peer_done(struct gate *gate)
{
	gate_open(gate);
}

void peer_sleep_until(uint64_t ns)
{
	sleep_until(ns);
}

void peer_attach(void)
{
}

#ifndef PEER_GROUP

extern const char *const peer_name = "tbb-arena";

static std::optional<tbb::global_control> control;
static std::optional<tbb::task_arena> arena;

bool peer_can(const char *)
{
	return true;
}

void peer_open(bool, int)
{
	control.emplace(tbb::global_control::max_allowed_parallelism,
			(size_t)nr_cpus() + 1);
	arena.emplace(nr_cpus(), 0);
}

void peer_submit(struct peer_task *task)
{
	arena->enqueue([task] { task->fn(task); });
}

void peer_wait(struct gate *gate)
{
	gate_wait(gate);
}

#else

extern const char *const peer_name = "tbb-group";

static tbb::task_group group;

bool peer_can(const char *scenario)
{
	static const char *const can[] = { "submit1", "submit2",  "submit4",
					   "chain",   "blockmix", "blockread",
					   "oversub", "quota",	  "startup",
					   "empty",   "idle",	  "empty_mem",
					   "forkjoin" };

	for (const char *name : can) {
		if (!strcmp(name, scenario))
			return true;
	}
	return false;
}

void peer_open(bool, int)
{
}

void peer_submit(struct peer_task *task)
{
	group.run([task] { task->fn(task); });
}

/* Ends when nothing of the group is left, also of other threads. */
void peer_wait(struct gate *gate)
{
	group.wait();
	gate_wait(gate);
}

static long fib(int n)
{
	long a, b;

	if (n < 2)
		return n;
	tbb::task_group calls;
	calls.run([&] { a = fib(n - 1); });
	calls.run([&] { b = fib(n - 2); });
	calls.wait();
	return a + b;
}

static int forkjoin(void)
{
	int n = fib_size();
	uint64_t start = now_ns();
	long sum = fib(n);

	emit_fib(n, sum, now_ns() - start);
	return PEER_OK;
}

const struct scenario peer_scenarios[] = {
	{ "forkjoin", forkjoin, 0, false },
	{ nullptr, nullptr, 0, false },
};

#endif
