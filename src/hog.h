/* SPDX-License-Identifier: MIT */
/* hog - functions that have been CPU hogs several times. On the timer thread. */
#ifndef CMWQ_HOG_H
#define CMWQ_HOG_H

#include <cmwq/workqueue.h>

/* An item with this function, of that workqueue, was found to be one. Under any
 * lock: says nothing. */
void hog_found(work_func_t func, const char *wq);

/* Say what is due, no lock held. */
void hog_report(void);

void hog_reset(void); /* in a forked child */

#endif
