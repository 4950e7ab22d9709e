/* SPDX-License-Identifier: MIT */
/*
 * dump - what pools and workqueues have to do, for show.c and the watchdog.
 *
 * Two steps: facts are copied to bounded records while pool->lock is held, names are
 * looked up and lines are written when it is not.
 */
#ifndef CMWQ_DUMP_H
#define CMWQ_DUMP_H

#include <stdbool.h>

#include "lines.h"
#include "pwq.h"
#include "worker.h"

#define DUMP_ITEMS   16
#define DUMP_WORKERS 16

/* Items that follow each other with the same function are one entry. */
struct dump_item {
	work_func_t func;
	struct work_struct *work; /* the first of them */
	int nr;
	char wq[WQ_NAME_LEN];
};

struct dump_items {
	struct dump_item item[DUMP_ITEMS];
	int nr;	  /* entries */
	int more; /* items that did not fit, */
	bool cut; /* or that were not even counted */
};

/* A worker and its item. */
struct dump_worker {
	int tid;
	work_func_t func;
	struct work_struct *work;
	char wq[WQ_NAME_LEN];
	char desc[WORKER_DESC_LEN];
	bool asleep, intensive, rescuer;
	bool computes;
};

struct dump_workers {
	struct dump_worker worker[DUMP_WORKERS];
	int nr;
	int more;
};

struct dump_pwq {
	struct pool *pool;
	int active, max_active, in_flight;
	bool plugged, retired;
	struct dump_workers running;
	struct dump_items pending, inactive;
};

/* A worker that has an item; a pool's items that wait to be started and the
 * workers that have one; all of one pwq. */
void dump_copy_worker(struct worker *w, struct dump_worker *to) NO_ANALYSIS;
void dump_copy_pending(struct pool *pool, struct dump_items *to)
	REQUIRES(pool->lock);
void dump_copy_workers(struct pool *pool, struct dump_workers *to)
	REQUIRES(pool->lock);
void dump_copy_pwq(struct pwq *pwq, struct dump_pwq *to) NO_ANALYSIS;

/* Without the lock: lines about them. */
void dump_add_worker(struct lines *l, const struct dump_worker *w);
void dump_add_items(struct lines *l, const char *what,
		    const struct dump_items *items);
void dump_add_pwq(struct lines *l, const struct dump_pwq *pwq);

/* "pool cmwq/0H (CPU 0, nice -20)": its threads are called like that. */
void dump_add_pool(struct lines *l, struct pool *pool);

#endif
