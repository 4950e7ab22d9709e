/* SPDX-License-Identifier: MIT */
/* fork - a forked child starts with the same workqueues, empty. */
#ifndef CMWQ_FORK_H
#define CMWQ_FORK_H

void fork_init(void);
void fork_reset_child(void);

#endif
