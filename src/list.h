/* SPDX-License-Identifier: MIT */
/*
 * list - circular doubly linked lists.
 *
 * A link that is on no list points to itself; list_del() leaves it so. Not
 * atomic: every list here has a lock.
 */
#ifndef CMWQ_LIST_H
#define CMWQ_LIST_H

#include <stdbool.h>
#include <cmwq/workqueue.h>

struct list {
	struct list *next;
	struct list *prev;
};

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void list_insert(struct list *l, struct list *prev,
			       struct list *next)
{
	l->prev = prev;
	l->next = next;
	prev->next = l;
	next->prev = l;
}

static inline void list_add(struct list *l, struct list *head)
{
	list_insert(l, head, head->next);
}

static inline void list_add_tail(struct list *l, struct list *head)
{
	list_insert(l, head->prev, head);
}

static inline void list_del(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

static inline void list_move_tail(struct list *l, struct list *head)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_add_tail(l, head);
}

#define list_entry(ptr, type, member)  container_of(ptr, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

/* The head is never taken for an entry, not even for its address. */
#define list_for_each_entry(pos, head, member)                                \
	for (struct list *pos##_l = (head)->next;                             \
	     pos##_l != (head) &&                                             \
	     ((pos) = list_entry(pos##_l, __typeof__(*(pos)), member), true); \
	     pos##_l = pos##_l->next)

/* The entry may be taken off the list in the loop. */
#define list_for_each_entry_safe(pos, head, member)                           \
	for (struct list *pos##_l = (head)->next, *pos##_n = pos##_l->next;   \
	     pos##_l != (head) &&                                             \
	     ((pos) = list_entry(pos##_l, __typeof__(*(pos)), member), true); \
	     pos##_l = pos##_n, pos##_n = pos##_l->next)

#endif
