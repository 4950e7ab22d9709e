/* SPDX-License-Identifier: MIT */
/* wq - the system workqueues, and all workqueues across fork. */
#ifndef CMWQ_WQ_H
#define CMWQ_WQ_H

int wq_init_system(void);
void wq_fork_prepare(void);
void wq_fork_done(void);
void wq_reset_all(void); /* in a forked child */

#endif
