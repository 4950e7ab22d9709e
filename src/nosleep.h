/* SPDX-License-Identifier: MIT */
/*
 * nosleep - finds BH items that sleep, which they must not. In a debug build
 * (meson -Dlockdep=true); in others nothing is left of it.
 */
#ifndef CMWQ_NOSLEEP_H
#define CMWQ_NOSLEEP_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

#ifdef CMWQ_LOCKDEP
#define NOSLEEP_CHECKS true
#else
#define NOSLEEP_CHECKS false
#endif

struct nosleep {
	unsigned long waits; /* how often the thread had slept */
	unsigned long own;   /* and how often the library had made it sleep */
};

void nosleep_take(struct nosleep *before);
bool nosleep_differs(const struct nosleep *before);

static inline void nosleep_begin(struct nosleep *before)
{
	if (NOSLEEP_CHECKS)
		nosleep_take(before);
}

/* Did this thread go to sleep, and not because of us? */
static inline bool nosleep_slept(const struct nosleep *before)
{
	return NOSLEEP_CHECKS && nosleep_differs(before);
}

/* Say so, once for each function. */
void nosleep_report(work_func_t func, const char *wq_name);

#endif
