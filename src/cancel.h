/* SPDX-License-Identifier: MIT */
/* cancel - taking items back, disabling them. */
#ifndef CMWQ_CANCEL_H
#define CMWQ_CANCEL_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

/*
 * Become the owner of the item whatever its state; waits for short steps of
 * other threads. Returns whether it was pending; *old is its idle word. With
 * @delayed the item is part of a delayed work and its timer is disarmed.
 */
bool cancel_grab(struct work_struct *work, bool delayed, unsigned long *old);

#endif
