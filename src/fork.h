/* SPDX-License-Identifier: MIT */
/* fork - a forked child starts with the same workqueues, empty. */
#ifndef CMWQ_FORK_H
#define CMWQ_FORK_H

#include <stdbool.h>

/* @wiped: the kernel wipes the generation page in a child. */
void fork_init(bool wiped);
void fork_reset_child(void);

#endif
