/* SPDX-License-Identifier: MIT */
/* queue - from queue_work() to the inbox. */
#ifndef CMWQ_QUEUE_H
#define CMWQ_QUEUE_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

#include "work.h"
#include "wq_struct.h"

/* Arguments of a call that queues: right, or reported for @caller. */
bool queue_args_ok(struct workqueue_struct *wq, struct work_struct *work,
		   int cpu, void *caller);
bool queue_wq_ok(struct workqueue_struct *wq, void *caller);
bool queue_work_ok(struct work_struct *work, void *caller);

/* What queue_args_ok() would find right, without a call. */
static inline bool plainly_ok(struct workqueue_struct *wq,
			      struct work_struct *work, int cpu, uint32_t gen)
{
	unsigned long word;

	if (!wq || !work || cpu != WORK_CPU_UNBOUND || !work->func ||
	    atomic_load_explicit(&wq->magic, memory_order_relaxed) != WQ_MAGIC)
		return false;
	word = atomic_load_explicit(work_word(work), memory_order_relaxed);
	return word >> WORD_GEN_SHIFT == gen || word == CMWQ_WORK_IDLE;
}

/* Something asked of a workqueue is not done: note it, to be printed by another
 * thread. @fmt takes @name and @caller. Async-signal-safe. */
void queue_refuse(const char *fmt, const char *name, void *caller);

/* The CPU for an item that names none: this one, or the next in turn if that is to be
 * tested (workqueue.debug_force_rr_cpu). Async-signal-safe. */
int queue_next_cpu(void);

static inline int queue_cpu(struct workqueue_struct *wq)
{
	unsigned int flags =
		atomic_load_explicit(&wq->flags, memory_order_relaxed);

	return unlikely(flags & WQ_ROUND_ROBIN) ? queue_next_cpu() : os_cpu();
}

/* queue_work_on() for @caller. */
bool queue_item(int cpu, struct workqueue_struct *wq, struct work_struct *work,
		void *caller);

/* Queue an item that the caller owns and whose word was @old when he claimed
 * it. On a draining queue it is dropped instead. */
void queue_owned(int cpu, struct workqueue_struct *wq, struct work_struct *work,
		 unsigned long old, void *caller);

static inline struct work_struct *dwork_work(struct delayed_work *dwork)
{
	return dwork ? &dwork->work : NULL;
}

#endif
