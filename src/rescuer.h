/* SPDX-License-Identifier: MIT */
/*
 * rescuer - the thread that keeps a WQ_MEM_RECLAIM workqueue going when no worker
 * can be had.
 *
 * Creating a thread may fail, or take long, just when items are needed that
 * would give memory back. So each such workqueue has a thread from the start. It
 * sleeps until a pool calls it (mayday): work of its queue waits there, nobody is
 * idle, and no worker has come for MAYDAY_FIRST_NS, then every MAYDAY_AGAIN_NS. It
 * goes to that pool, takes items of its queue from the worklist one by one, and
 * runs them as any worker would, for as long as the pool needs it.
 *
 * A call has a time before which it is not answered, and the rescuer keeps that
 * time itself: who called may be the timer thread, which then sits in the
 * creation of a worker.
 *
 * It is the timer thread that calls, and it also creates what others may not:
 * workers, sentinels, BH threads. While it is away for that, for MAYDAY_FIRST_NS or
 * longer, an idle rescuer does its looking, for all pools: the deputy. It calls
 * rescuers, itself among them, and where a worker idles since nobody has noticed
 * that another one sleeps, it wakes that one. Before it answers a call, or ends, it
 * passes the duty on; where none is idle, the next to be so takes it. It is woken
 * at most once in MAYDAY_FIRST_NS, and soon after the timer thread is back it sleeps
 * as the others. Workers that create workers leave the timer thread free.
 *
 * Guarantees:
 *  - an item on the worklist of a pool that cannot get a worker is started, if its
 *    queue has a rescuer that is not held up in another item of the queue; also
 *    while threads are being created, however long that takes;
 *  - of several pools that call one rescuer none waits for more than RESCUER_BATCH
 *    items of each other;
 *  - a rescuer leaves as soon as the pool has an idle worker, and wakes it;
 *  - when rescuer_end() returns nothing of the rescuer is used any more.
 *
 * What waits for the timer thread all the same: timers, and that an unbound pool
 * whose workers compute for long is given one more.
 *
 * Locks: the mayday lock protects who is called, who has a thread, who idles and
 * who is the deputy; nothing is taken under it.
 */
#ifndef CMWQ_RESCUER_H
#define CMWQ_RESCUER_H

#include <stdint.h>

#include "pool.h"
#include "wq_struct.h"

#define MAYDAY_FIRST_NS (10 * NSEC_PER_MSEC)
#define MAYDAY_AGAIN_NS (100 * NSEC_PER_MSEC)
#define RESCUER_BATCH	16

struct rescuer;

/* For a workqueue that nobody knows yet, with its thread; NULL, with a message, if
 * memory or thread cannot be had. */
struct rescuer *rescuer_new(struct workqueue_struct *wq);

/* The workqueue has no items any more: wait for the thread to end, and free. */
void rescuer_end(struct rescuer *r);

/* Call the rescuers of all that waits on the worklist. They come at @when unless
 * there is a worker by then. */
void rescuer_call(struct pool *pool, uint64_t when) REQUIRES(pool->lock);

/* On the timer thread: it is about to create a thread, which may take long; and it
 * looks at the pools again itself. Cheap if it has been away, or back, before. */
void rescuer_timer_away(void);
void rescuer_timer_back(void);

/* On the timer thread: in a forked child rescuers have no threads at first. A
 * failure is reported once; the next wakeup tries again. */
void rescuer_create_missing(void);

/* In a forked child; the first for all, before the other for each. */
void rescuer_reset_all(void);
void rescuer_reset(struct rescuer *r);

#endif
