/* SPDX-License-Identifier: MIT */
/*
 * depend - what an item must not wait for.
 *
 * Everything that waits for an item or a workqueue asks here first, with the
 * address of its caller for the message. Threads that run no item may wait for
 * everything; for them all of it is one look at a thread-local variable.
 */
#ifndef CMWQ_DEPEND_H
#define CMWQ_DEPEND_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

#include "order.h"
#include "pwq.h"
#include "worker.h"

/* One wait for an item, by the calling thread. */
struct depend {
	struct worker *self;	     /* NULL if it runs no item */
	struct workqueue_struct *wq; /* of the item that it runs */
	struct node *node;	     /* whose only slot that item has */
	void *caller;		     /* of the public call */
	struct work_struct *work;    /* that is waited for */
	work_func_t func;	     /* of it */
	bool runs;		     /* only a run in progress is */
	struct order_queue target;   /* its workqueue */
	unsigned int flags;	     /* of that workqueue */
	bool in_line;		     /* other items of it may have to end */
};

/*
 * Before a wait for a whole workqueue. False: it is the one whose item calls,
 * so it would never end; reported. @what is what is done to it: "flushed".
 */
bool depend_on_queue(struct workqueue_struct *wq, const char *what,
		     void *caller);

/* Before a wait for an item. @runs: a cancel, which waits for a run that has
 * started and not for one that is to come. */
void depend_begin(struct depend *d, struct work_struct *work, bool runs,
		  void *caller);

/*
 * The item is listed for @pwq, whose pool's lock is held. True: it will not start
 * before the caller's own item is done, whatever anybody else does but raising
 * max_active.
 */
bool depend_is_behind(struct depend *d, struct pwq *pwq) NO_ANALYSIS;

/* Report a wait that would not end, since the item is the caller's own or
 * waits behind that. */
void depend_refuse(struct depend *d);

/* It will wait for the item, as one of @wq. Under the lock of the item's pool,
 * then depend_check() without it. */
void depend_note(struct depend *d, struct workqueue_struct *wq);
void depend_check(struct depend *d);

#endif
