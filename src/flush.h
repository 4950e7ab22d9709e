/* SPDX-License-Identifier: MIT */
/* flush - waiting for items and workqueues. */
#ifndef CMWQ_FLUSH_H
#define CMWQ_FLUSH_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

/* Wait for a run in progress, not for a pending one. */
bool flush_running(struct work_struct *work);

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
