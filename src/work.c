/* SPDX-License-Identifier: MIT */
/* work - the state word of an item. See work.h. */
#include "work.h"

/*
 * Allocators and debuggers fill memory with one byte. A valid word looks like that
 * only by chance, in a process that is many forks deep: its generation would have
 * to repeat what the other fields say.
 */
const char *work_defect(const struct work_struct *work)
{
	unsigned long word = atomic_load(work_word(work));

	if (!word)
		return "was never initialised";
	if (word == (word & 0xff) * 0x0101010101010101UL)
		return "is poisoned";
	if (!work->func)
		return "has no function";
	return NULL;
}

void work_call(struct work_struct *work)
{
	struct work_call *c = (struct work_call *)work;

	c->ret = c->fn(c->arg);
}
