/* SPDX-License-Identifier: MIT */
/* bh - BH items: per CPU one at a time, in queueing order, never asleep. */
#ifndef CMWQ_BH_H
#define CMWQ_BH_H

#include <stdbool.h>

#include "worker.h"
#include "wq_struct.h"

/* In BH context, the worker whose item this thread runs; else NULL. To worker_self()
 * it is no worker. */
struct worker *bh_self(void);

/* The calling thread is about to sleep until a thread has run something. In BH
 * context, a debug build reports it. */
void bh_note_sleep(void);

/* On the timer thread: create the threads that were asked for. */
void bh_create_wanted(void);
void bh_create_all(void);

#endif
