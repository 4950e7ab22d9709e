/* SPDX-License-Identifier: MIT */
/*
 * glib.c - the adapter for GLib: GThreadPool, and timeout sources of a GMainContext
 * that a thread of its own runs.
 *
 * The pool is exclusive, with as many threads as CPUs; where tasks block, with as many
 * more as are expected to. For blocked64 it has no limit (-1), which GLib only offers
 * for pools that share threads: those are made when tasks come.
 */
#include <glib.h>
#include <string.h>
#include "../util.h"
#include "peer.h"

struct peer_task {
	peer_fn *fn;
};

struct peer_timer {
	GSource *source;
	peer_timer_fn *fn;
};

const char *const peer_name = "glib";
const char *const peer_variant = NULL;
const size_t peer_task_size = sizeof(struct peer_task);
const size_t peer_timer_size = sizeof(struct peer_timer);

static GThreadPool *pool;
static GMainContext *timer_context;

bool peer_can(const char *scenario)
{
	(void)scenario;
	return true;
}

static void run_task(gpointer data, gpointer unused)
{
	struct peer_task *task = data;

	(void)unused;
	task->fn(task);
}

void peer_open(bool variant, int blocked)
{
	gboolean unlimited = blocked == 64;
	GError *error = NULL;

	(void)variant;
	pool = g_thread_pool_new(run_task, NULL,
				 unlimited ? -1 : blocked + nr_cpus(),
				 !unlimited, &error);
	if (!pool || error)
		die("g_thread_pool_new: %s", error ? error->message : "");
}

void peer_attach(void)
{
}

void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	task->fn = fn;
}

void peer_submit(struct peer_task *task)
{
	g_thread_pool_push(pool, task, NULL);
}

static gpointer run_timers(gpointer unused)
{
	GMainLoop *loop = g_main_loop_new(timer_context, FALSE);

	(void)unused;
	g_main_loop_run(loop);
	return NULL;
}

void peer_timer_init(struct peer_timer *timer, peer_timer_fn *fn)
{
	if (!timer_context) {
		timer_context = g_main_context_new();
		g_thread_new("timers", run_timers, NULL);
	}
	timer->fn = fn;
}

static gboolean timer_ends(gpointer data)
{
	struct peer_timer *timer = data;

	timer->fn(timer);
	return G_SOURCE_REMOVE;
}

uint64_t peer_timer_arm(struct peer_timer *timer, uint64_t ns)
{
	guint ms = (guint)(ns / NSEC_PER_MSEC);

	timer->source = g_timeout_source_new(ms);
	g_source_set_callback(timer->source, timer_ends, timer, NULL);
	g_source_attach(timer->source, timer_context);
	return ms * NSEC_PER_MSEC;
}

void peer_timer_cancel(struct peer_timer *timer)
{
	g_source_destroy(timer->source);
	g_source_unref(timer->source);
}
