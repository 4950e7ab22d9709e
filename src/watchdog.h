/* SPDX-License-Identifier: MIT */
/* watchdog - reports pools that start nothing though work waits. */
#ifndef CMWQ_WATCHDOG_H
#define CMWQ_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

/* On the timer thread, at each tick; @begins: it did not tick before. */
void watchdog_tick(uint64_t now, bool begins);
void watchdog_reset(void); /* in a forked child */

#endif
