/* SPDX-License-Identifier: MIT */
/* exec - the life of a worker thread and of the items it runs. */
#ifndef CMWQ_EXEC_H
#define CMWQ_EXEC_H

#include "worker.h"

/* The body of a worker thread; the argument is its struct worker. */
void *exec_thread(void *worker);

#endif
