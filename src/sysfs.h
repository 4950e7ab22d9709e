/* SPDX-License-Identifier: MIT */
/* sysfs - workqueues with files, as below /sys/devices/virtual/workqueue. */
#ifndef CMWQ_SYSFS_H
#define CMWQ_SYSFS_H

#include "registry.h"

/* Give the workqueue its directory, which it has until it is destroyed. 0, -EINVAL or
 * -EEXIST with a message. */
int sysfs_add(struct workqueue_struct *wq) REQUIRES(registry_lock);

#endif
