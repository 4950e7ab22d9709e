/* SPDX-License-Identifier: MIT */
/* tick - what the timer thread does for the pools. */
#ifndef CMWQ_TICK_H
#define CMWQ_TICK_H

#include <stdbool.h>
#include <stdint.h>

#define TICK_NS (4 * NSEC_PER_MSEC)

/* The timer thread's hook: services, and every TICK_NS a look at the pools
 * while there is work. Returns when it wants to be called again. */
uint64_t tick_hook(uint64_t now);

/* Called once on the timer thread, after the first unbound worker was created; set
 * before the thread is. */
extern void (*tick_topology)(void);

/* Called on the timer thread when the tick goes on, and at each tick: somebody else
 * may have changed the CPUs that the process may use. */
extern void (*tick_cpus)(void);
/* Called there at each tick, on the timer thread; @begins: it did not tick before.
 * Set before the thread is. */
extern void (*tick_watchdog)(uint64_t now, bool begins);

void tick_reset(void); /* in a forked child */

#endif
