/* SPDX-License-Identifier: MIT */
/*
 * objects - with CMWQ_DEBUG=objects: items that are initialised again, or whose
 * storage ends, while they are queued or their timer is armed.
 *
 * The header calls this before it writes to the item, whose memory may hold
 * anything. One that is active is taken back, so that no list leads into memory
 * that is something else from now on.
 *
 * An item that runs may be either: its function may have freed it, or said that it
 * is done with it, and somebody else may use the memory by now. So that is not
 * reported, nor waited for.
 *
 * Locks: none; verify.c takes that of the item's pool, or the wheel's, and grace.c
 * its own.
 */
#include <cmwq/workqueue.h>

#include "grace.h"
#include "life.h"
#include "log.h"
#include "symbol.h"
#include "verify.h"

static void check(struct work_struct *work, const char *what, void *caller)
{
	const char *state = "it waits for a grace period";
	char name[WQ_NAME_LEN] = "";
	struct symbol func, at;
	bool armed = false;

	life_check_early();
	if (!work)
		return;
	if (!grace_holds(work)) {
		if (!verify_is_active(work, name))
			return;
		armed = !name[0];
		state = armed ? "its timer is armed"
			      : "it is queued on workqueue ";
	}
	log_err("item %s at %p %s by %s while %s%s; it is taken back first",
		symbol_func(&func, work->func), (void *)work, what,
		symbol_name(&at, caller), state, name);
	if (armed)
		cancel_delayed_work(to_delayed_work(work));
	else
		cancel_work(work);
}

void cmwq_object_begin(struct work_struct *work)
{
	check(work, "is initialised again", __builtin_return_address(0));
}

void cmwq_object_end(struct work_struct *work)
{
	check(work, "is ended", __builtin_return_address(0));
}
