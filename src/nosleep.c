/* SPDX-License-Identifier: MIT */
/*
 * nosleep - finds BH items that sleep. See nosleep.h.
 *
 * The system counts how often a thread gives up its CPU by itself. An item during
 * which the library waited for a lock, or for an item that runs elsewhere, which is
 * allowed, is not judged. A page fault that waits for a disk counts as well.
 */
#include "nosleep.h"

#include <stdatomic.h>

#include "log.h"
#include "os.h"
#include "symbol.h"

#define MAX_REPORTED 64 /* functions; what is more is not reported */

static _Atomic(work_func_t) reported[MAX_REPORTED];

void nosleep_take(struct nosleep *before)
{
	before->own = os_own_waits;
	before->waits = os_my_waits();
}

bool nosleep_differs(const struct nosleep *before)
{
	return before->own == os_own_waits && before->waits != os_my_waits();
}

/* Entries are filled in order and stay. */
static bool is_first(work_func_t func)
{
	for (int i = 0; i < MAX_REPORTED; i++) {
		work_func_t known = NULL;

		if (atomic_compare_exchange_strong(&reported[i], &known, func))
			return true;
		if (known == func)
			return false;
	}
	return false;
}

void nosleep_report(work_func_t func, const char *wq_name)
{
	struct symbol symbol;

	if (is_first(func))
		log_warn("item %s of workqueue %s slept; BH items must not",
			 symbol_func(&symbol, func), wq_name);
}
