/* SPDX-License-Identifier: MIT */
/*
 * verify - with CMWQ_DEBUG=objects: have queued items been overwritten?
 *
 * The lists of a pool go through memory of the program. Before a link is followed
 * or changed it is looked at, by asking the system to copy it; an item that is not
 * what it was when it was queued is taken out of line, reported, and not run.
 *
 * Callers test os_checks_items() first. "Sound" is an item that is readable,
 * whose word says that it is queued here, whose neighbours know it, and whose
 * function is code.
 */
#ifndef CMWQ_VERIFY_H
#define CMWQ_VERIFY_H

#include "pwq.h"

/* After this the list is empty, or its first two and its last links are those of
 * sound items. The list is one of the pool's. */
void verify_list(struct pool *pool, struct list *head) REQUIRES(pool->lock);

/* After this all items of the pool are sound; for whoever goes through them. */
void verify_pool(struct pool *pool) REQUIRES(pool->lock);

/* After this the item is sound, or not queued. */
void verify_item(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock);

/* What was in the inbox, without what is not sound. */
uintptr_t verify_inbox(struct pool *pool, uintptr_t head) REQUIRES(pool->lock);

/* An item has been pushed: do not leave it in the inbox, whose links lead in one
 * direction only. Async-signal-safe. */
void verify_pushed(struct pool *pool);

/* Has an item still the word of one whose timer was armed until now? */
bool verify_expired(const struct delayed_work *dwork);

/* What an item has in its word that no item can have: a phrase, or NULL. */
const char *verify_word(const struct work_struct *work);

/*
 * Is that memory, which may hold anything, an item that is queued (then @name is
 * the workqueue's) or whose timer is armed (then it is "")? Of one that is in a
 * thread's hands just now it is not known.
 */
bool verify_is_active(struct work_struct *work, char name[WQ_NAME_LEN]);

#endif
