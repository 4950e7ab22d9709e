/* SPDX-License-Identifier: MIT */
/* flush - waiting for items and workqueues. */
#ifndef CMWQ_FLUSH_H
#define CMWQ_FLUSH_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

/* @caller: whom to name in a message. */

/* flush_work() */
bool flush_item(struct work_struct *work, void *caller);
/* Wait for a run in progress, not for a pending one. */
bool flush_running(struct work_struct *work, void *caller);
/* flush_workqueue() of one that is not the calling item's. */
void flush_all(struct workqueue_struct *wq);

/*
 * Waiting for another thread's short step: spin a little, then sleep 50 us,
 * doubling up to 1 ms. Yielding instead would let a SCHED_FIFO waiter keep the
 * other from ever making it.
 */
struct backoff {
	unsigned int round;
};

void backoff_wait(struct backoff *b);

#endif
