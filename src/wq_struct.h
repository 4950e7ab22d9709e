/* SPDX-License-Identifier: MIT */
/*
 * wq_struct - struct workqueue_struct. The calls on it are in wq.c and flush.c; the
 * structure is known from floor 2 on.
 */
#ifndef CMWQ_WQ_STRUCT_H
#define CMWQ_WQ_STRUCT_H

#include <stdatomic.h>
#include <stdint.h>
#include <cmwq/workqueue.h>

#include "list.h"
#include "lock.h"
#include "work.h"

struct pwq;
struct rescuer;

#define WQ_MAGIC      0x71776d6331ULL
#define WQ_DEAD_MAGIC 0x6465616471ULL
#define WQ_NAME_LEN   32

/* Beside those of enum wq_flags: workqueue.debug_force_rr_cpu is set. */
#define WQ_ROUND_ROBIN (1U << 24)

/*
 * Flushes are numbered by epochs; an epoch's items carry the colour epoch % 16.
 * epoch is the one that collects now, those from flush_epoch up to it are being
 * waited for. pending[c] counts the pwqs with items of colour c that a flush
 * waits for; the worker that makes it 0 signals flush_event.
 */
struct workqueue_struct {
	_Atomic uint64_t magic;	       /* A: WQ_MAGIC while it may be used */
	_Atomic unsigned int flags;    /* A: draining, destroying: under lock */
	_Atomic(struct pwq *) *pwq_of; /* A: by CPU of the caller; under lock */
	char name[WQ_NAME_LEN];	       /* I */
	uint64_t id;		       /* I: of no other, ever */
	const void *lockdep_map;       /* I: what is one for lockdep, or NULL */

	struct lock lock;
	struct list pwqs;	/* W: all that it has or had, oldest first */
	_Atomic int max_active; /* A: as set by the user; under lock */
	int min_active;		/* W: of an unbound one, on each NUMA node */
	bool frozen;		/* W: and under the registry lock */
	int nr_nodes;		/* I: with nodes */
	struct node *nodes;	/* W: by NUMA node, then "none"; set once */
	struct workqueue_attrs *attrs; /* registry lock: of an unbound one */
	struct rescuer *rescuer; /* registry lock: of a WQ_MEM_RECLAIM one */
	int nr_drainers;	 /* W */
	uint64_t epoch;		 /* W */
	uint64_t flush_epoch;	 /* W */
	struct event flush_event;
	_Atomic int pending[WORD_NR_COLOURS]; /* A: up under lock, down by
						 workers */
	struct list all;      /* registry lock: link in the list of all */
	struct device *owner; /* registry lock: see devm.c */
	bool sysfs;	      /* registry lock: see sysfs.c */
};

#endif
