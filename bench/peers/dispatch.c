/* SPDX-License-Identifier: MIT */
/*
 * dispatch.c - the adapter for libdispatch: dispatch_async_f() on the global queue.
 *
 * Timers are one-shot dispatch sources on that queue. It makes threads by itself when
 * tasks block, and is not told anything.
 */
#include <dispatch/dispatch.h>
#include "../util.h"
#include "peer.h"

struct peer_task {
	peer_fn *fn;
};

struct peer_timer {
	dispatch_source_t source;
	peer_timer_fn *fn;
};

const char *const peer_name = "dispatch";
const char *const peer_variant = NULL;
const size_t peer_task_size = sizeof(struct peer_task);
const size_t peer_timer_size = sizeof(struct peer_timer);

static dispatch_queue_t queue;

bool peer_can(const char *scenario)
{
	(void)scenario;
	return true;
}

void peer_open(bool variant, int blocked)
{
	(void)variant;
	(void)blocked;
	queue = dispatch_get_global_queue(DISPATCH_QUEUE_PRIORITY_DEFAULT, 0);
}

void peer_attach(void)
{
}

void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	task->fn = fn;
}

static void run_task(void *arg)
{
	struct peer_task *task = arg;

	task->fn(task);
}

void peer_submit(struct peer_task *task)
{
	dispatch_async_f(queue, task, run_task);
}

static void timer_ends(void *arg)
{
	struct peer_timer *timer = arg;

	dispatch_source_cancel(timer->source);
	timer->fn(timer);
}

void peer_timer_init(struct peer_timer *timer, peer_timer_fn *fn)
{
	timer->fn = fn;
}

uint64_t peer_timer_arm(struct peer_timer *timer, uint64_t ns)
{
	dispatch_source_t source =
		dispatch_source_create(DISPATCH_SOURCE_TYPE_TIMER, 0, 0, queue);

	timer->source = source;
	dispatch_set_context(source, timer);
	dispatch_source_set_event_handler_f(source, timer_ends);
	dispatch_source_set_timer(source,
				  dispatch_time(DISPATCH_TIME_NOW, (int64_t)ns),
				  DISPATCH_TIME_FOREVER, 0);
	dispatch_resume(source);
	return ns;
}

void peer_timer_cancel(struct peer_timer *timer)
{
	dispatch_source_cancel(timer->source);
	dispatch_release(timer->source);
}
