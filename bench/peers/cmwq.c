/* SPDX-License-Identifier: MIT */
/*
 * cmwq.c - the adapter for this library.
 *
 * Tasks are queued on system_dfl_wq, the unbound workqueue that Linux's documentation
 * names as the default, and with the suffix "_percpu" on system_percpu_wq. Nothing is
 * set or initialised; a thread that is going to queue says so, which costs the first
 * item's time. The kernel's timers are delayed works; those in nanoseconds are the
 * library's own.
 */
#include <errno.h>
#include <time.h>
#include <cmwq/cmwq.h>
#include "../util.h"
#include "peer.h"

struct peer_task {
	struct work_struct work;
};

struct peer_timer {
	struct delayed_work dwork;
};

const char *const peer_name = "cmwq";
const char *const peer_variant = "_percpu";
const size_t peer_task_size = sizeof(struct peer_task);
const size_t peer_timer_size = sizeof(struct peer_timer);

static struct workqueue_struct *wq;

bool peer_can(const char *scenario)
{
	(void)scenario;
	return true;
}

void peer_open(bool variant, int blocked)
{
	(void)blocked;
	wq = variant ? system_percpu_wq : system_dfl_wq;
}

void peer_attach(void)
{
	cmwq_thread_prepare();
}

/*
 * The work is all there is of a task, so a pointer to one is a pointer to the other,
 * and the item calls the scenario's function as it would call a user's.
 */
void peer_task_init(struct peer_task *task, peer_fn *fn)
{
	INIT_WORK(&task->work, (work_func_t)fn);
}

void peer_submit(struct peer_task *task)
{
	if (!queue_work(wq, &task->work))
		die("an item was refused");
}

void peer_timer_init(struct peer_timer *timer, peer_timer_fn *fn)
{
	INIT_DELAYED_WORK(&timer->dwork, (work_func_t)fn);
}

uint64_t peer_timer_arm(struct peer_timer *timer, uint64_t ns)
{
	unsigned long delay = (unsigned long)(ns / NSEC_PER_MSEC);

	if (!queue_delayed_work(wq, &timer->dwork, delay))
		die("a delayed item was refused");
	return delay * NSEC_PER_MSEC;
}

uint64_t peer_timer_arm_ns(struct peer_timer *timer, uint64_t ns)
{
	if (!cmwq_queue_delayed_work_ns(wq, &timer->dwork, ns))
		die("a delayed item was refused");
	return ns;
}

void peer_timer_cancel(struct peer_timer *timer)
{
	if (!cancel_delayed_work(&timer->dwork))
		die("an armed timer was not pending");
}
