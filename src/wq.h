/* SPDX-License-Identifier: MIT */
/* wq - making workqueues, the system ones, and all of them across fork. */
#ifndef CMWQ_WQ_H
#define CMWQ_WQ_H

#include <stdarg.h>
#include <cmwq/workqueue.h>

/* What a caller of one of the alloc functions asks for. */
struct wq_request {
	unsigned int flags;
	int max_active;
	const void *lockdep_map;
	struct device *owner; /* see devm.c */
	void *caller;
};

/* alloc_workqueue() */
struct workqueue_struct *wq_alloc(const struct wq_request *req, const char *fmt,
				  va_list ap)
	__attribute__((format(printf, 2, 0)));

int wq_init_system(void);
void wq_fork_prepare(void);
void wq_fork_done(void);
void wq_reset_all(void); /* in a forked child */

#endif
