/* SPDX-License-Identifier: MIT */
/*
 * order - what items have waited for, and whether such waits can meet in a circle.
 *
 * On with the parameter cmwq.lockdep (CMWQ_DEBUG=lockdep). It learns from waits
 * that end well: if an item of A has ever waited for B, and an item of B waits
 * for A, that is reported before it waits, though this time it may end well again.
 */
#ifndef CMWQ_ORDER_H
#define CMWQ_ORDER_H

#include <cmwq/workqueue.h>

#include "wq_struct.h"

/* A workqueue as one end of a wait, copied: it may be gone soon. */
struct order_queue {
	uintptr_t key;
	char name[WQ_NAME_LEN];
};

void order_describe(struct order_queue *queue, struct workqueue_struct *wq);

/*
 * An item of @self with that function is about to wait, at @caller: for the
 * workqueue @wq, or if that is NULL for an item with the function @func.
 */
void order_wait(const struct order_queue *self, work_func_t self_func,
		const struct order_queue *wq, work_func_t func, void *caller);

/* The workqueue is destroyed: nobody can wait for it any more. */
void order_forget(struct workqueue_struct *wq);

void order_reset(void); /* in a forked child, which learns anew */

#endif
