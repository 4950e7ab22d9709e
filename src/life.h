/* SPDX-License-Identifier: MIT */
/*
 * life - is the library running in this process?
 *
 * Public calls begin with life_check(). It costs two loads; when the library
 * has not started, or this is a forked child that has not used it yet, it
 * starts it through a pointer to the roof (init.c).
 */
#ifndef CMWQ_LIFE_H
#define CMWQ_LIFE_H

#include "os.h"

extern _Atomic bool life_online;
extern void (*life_start)(void);
extern void (*life_start_early)(void);

/* Returns the generation of this process, never 0. */
static inline uint32_t life_check(void)
{
	uint32_t gen = os_generation();

	if (unlikely(!gen || !atomic_load_explicit(&life_online,
						   memory_order_acquire))) {
		life_start();
		gen = os_generation();
	}
	return gen;
}

/* For calls that need structures but no threads. */
static inline void life_check_early(void)
{
	if (unlikely(!os_generation()))
		life_start_early();
}

/* Before waiting for work to be done: without threads it never will be. */
static inline void life_wait_online(void)
{
	while (unlikely(!atomic_load(&life_online))) {
		life_start();
		if (!atomic_load(&life_online))
			os_sleep_ns(10 * NSEC_PER_MSEC);
	}
}

#endif
