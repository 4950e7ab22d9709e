/* SPDX-License-Identifier: MIT */
/*
 * verify - have queued items been overwritten? See verify.h.
 *
 * A list that is broken is walked from both its ends up to the first item that is
 * not sound; these two ends are joined. What was between them is gone: as a rule
 * one item. Which workqueue it belonged to, and in which colour it was counted,
 * its own memory does not tell any more. The counts do: something is counted that
 * is neither on a list nor running.
 *
 * So whoever calls this has a pool whose counts agree with its lists but for items
 * that were lost; pwq.c counts down before it looks for the next one to start.
 *
 * Messages are noted, and printed by another thread: callers hold pool->lock, and
 * may be in a signal handler.
 */
#include "verify.h"

#include <string.h>

#include "lease.h"
#include "life.h"
#include "log.h"
#include "os_probe.h"
#include "timer.h"
#include "worker.h"

enum defect {
	SOUND,
	UNREADABLE,
	BAD_WORD,
	BAD_LINK,
	BAD_FUNC,
};

static const char *const complaint[] = {
	[UNREADABLE] =
		"item of workqueue %s, at %p: its memory was freed while "
		"it was queued; it is lost",
	[BAD_WORD] =
		"item of workqueue %s, at %p: its state was overwritten, or "
		"it was initialised, while it was queued; it is lost",
	[BAD_LINK] =
		"item of workqueue %s, at %p: its link was overwritten while "
		"it was queued; it is not run",
	[BAD_FUNC] = "item of workqueue %s, at %p: its function is no code; it "
		     "is not run",
};

#define MAX_BAD 4

/* What a repair found. */
struct damage {
	int nr;
	struct {
		struct work_struct *work;
		enum defect defect;
		const char *name; /* of the workqueue, if its word still says */
	} bad[MAX_BAD];
};

static void say(const char *fmt, const char *name, const void *work)
{
	log_later(fmt, name, (void *)(uintptr_t)work);
	if (atomic_load(&life_online))
		timer_wake();
}

/* Of a link that may be anything, NULL included. */
static struct work_struct *work_at(struct list *entry)
{
	return (struct work_struct *)((uintptr_t)entry -
				      offsetof(struct work_struct, entry));
}

static struct list *unmark(struct list *l)
{
	return (struct list *)((uintptr_t)l & ~LINK_INACTIVE);
}

/* The pwq that a word names, if it is one of that pool. */
static struct pwq *pwq_of_word(unsigned long word, struct pool *pool)
{
	struct pwq *pwq = word_pwq(word);

	if (word >> WORD_GEN_SHIFT != os_generation() ||
	    !(word & WORD_PENDING) || !pwq || !pwq_is_record(pwq) ||
	    (pool && pwq_pool(pwq) != pool))
		return NULL;
	return pwq;
}

static bool word_is_listed(unsigned long word, struct pool *pool)
{
	return (word & WORD_LISTED) && pwq_of_word(word, pool);
}

/* The item's own links, and those that lead to it. */
static bool is_linked(const struct work_struct *copy, struct list *entry)
{
	struct list *next = copy->entry.next;
	struct list *prev = unmark(copy->entry.prev);
	struct list near;

	return os_probe_copy(&near, next, sizeof(near)) &&
	       unmark(near.prev) == entry &&
	       os_probe_copy(&near, prev, sizeof(near)) && near.next == entry;
}

/* What is wrong with the item behind a link, which is to be @prev's or @next's. */
static enum defect look(struct pool *pool, struct list *entry,
			struct list *prev, struct list *next)
{
	struct work_struct *work = work_at(entry);
	struct work_struct copy;

	if (!os_probe_copy(&copy, work, sizeof(copy)))
		return UNREADABLE;
	if (!word_is_listed(copy.data, pool))
		return BAD_WORD;
	if (prev && unmark(copy.entry.prev) != prev)
		return BAD_LINK;
	if (next && copy.entry.next != next)
		return BAD_LINK;
	return os_probe_code((void *)(uintptr_t)copy.func) ? SOUND : BAD_FUNC;
}

static void blame(struct damage *damage, struct pool *pool, struct list *entry,
		  enum defect defect)
{
	struct work_struct *work = work_at(entry);
	struct work_struct copy;
	struct pwq *pwq = NULL;

	if (damage->nr == MAX_BAD)
		return;
	for (int i = 0; i < damage->nr; i++)
		if (damage->bad[i].work == work)
			return;
	if (os_probe_copy(&copy, work, sizeof(copy)))
		pwq = pwq_of_word(copy.data, pool);
	damage->bad[damage->nr].work = work;
	damage->bad[damage->nr].defect = defect;
	damage->bad[damage->nr].name = pwq ? pwq->wq->name : NULL;
	damage->nr++;
	/* It is not queued any more, as far as it is still an item. */
	if (pwq)
		work_exchange(work, word_gen(os_generation()) | CMWQ_WORK_IDLE);
}

/* Leave out what cannot be followed from either end. */
static void repair_list(struct pool *pool, struct list *head,
			struct damage *damage) REQUIRES(pool->lock)
{
	uintptr_t mark = (uintptr_t)head->prev & LINK_INACTIVE;
	enum defect front = SOUND, back = SOUND;
	struct list *f = head, *b = head;

	while (f->next != head && !(front = look(pool, f->next, f, NULL)))
		f = f->next;
	if (f->next == head)
		return;
	while (unmark(b->prev) != head &&
	       !(back = look(pool, unmark(b->prev), NULL, b)))
		b = unmark(b->prev);
	if (f == unmark(b->prev) && f != head) {
		/* Only its link forward is wrong. */
		blame(damage, pool, f, BAD_LINK);
		f = unmark(f->prev);
	} else if (f->next == b && b != head) {
		blame(damage, pool, b, BAD_LINK);
		b = b->next;
	} else {
		blame(damage, pool, f->next, front);
		if (back)
			blame(damage, pool, unmark(b->prev), back);
	}
	f->next = b;
	b->prev = (struct list *)((uintptr_t)f | (f == b ? 0 : mark));
}

static void repair_lists(struct pool *pool, struct damage *damage)
	REQUIRES(pool->lock)
{
	struct worker *w;
	struct pwq *pwq;

	repair_list(pool, &pool->worklist, damage);
	list_for_each_entry (w, &pool->busy, entry)
		repair_list(pool, &w->scheduled, damage);
	for_each_pwq_record (pwq)
		if (pwq_pool(pwq) == pool)
			repair_list(pool, &pwq->inactive, damage);
	if (list_empty(&pool->worklist))
		atomic_store(&pool->has_work, false);
}

/* What of a pwq is on lists, or runs. */
struct tally {
	int active;
	int nr[WORD_NR_COLOURS];
};

static void count_list(struct tally *tally, struct pwq *pwq, struct list *head,
		       bool active)
{
	for (struct list *l = head->next; l != head; l = l->next) {
		unsigned long word = atomic_load(work_word(entry_work(l)));

		if (word_pwq(word) != pwq)
			continue;
		tally->nr[word_colour(word)]++;
		tally->active += active;
	}
}

static void count(struct tally *tally, struct pool *pool, struct pwq *pwq)
	REQUIRES(pool->lock)
{
	struct worker *w;

	*tally = (struct tally){ 0 };
	count_list(tally, pwq, &pool->worklist, true);
	count_list(tally, pwq, &pwq->inactive, false);
	list_for_each_entry (w, &pool->busy, entry) {
		count_list(tally, pwq, &w->scheduled, true);
		if (!atomic_load(&w->current_work) ||
		    atomic_load(&w->current_pwq) != pwq)
			continue;
		tally->nr[w->current_colour]++;
		tally->active++;
	}
}

/* One that is counted and not there: count it down, as if it had been taken
 * back. False: there is none. */
static struct pwq *settle_one(struct pool *pool) REQUIRES(pool->lock)
{
	struct tally tally;
	struct pwq *pwq;

	for_each_pwq_record (pwq) {
		if (pwq_pool(pwq) != pool || !pwq_in_flight(pwq))
			continue;
		count(&tally, pool, pwq);
		for (unsigned int c = 0; c < WORD_NR_COLOURS; c++) {
			if (pwq->nr_in_flight[c] <= tally.nr[c])
				continue;
			pwq_item_lost(pwq, c, pwq->nr_active > tally.active);
			return pwq;
		}
	}
	return NULL;
}

static void report(const struct damage *damage, bool *told, struct pwq *pwq)
{
	const char *name = pwq->wq->name;
	int which = -1;

	for (int i = 0; i < damage->nr; i++) {
		const char *its = damage->bad[i].name;

		if (told[i] || (its && its != name))
			continue;
		if (which < 0 || its)
			which = i;
	}
	if (which < 0) {
		say("an item of workqueue %s is lost: the links to it, near "
		    "%p, were overwritten",
		    name, damage->bad[0].work);
		return;
	}
	told[which] = true;
	say(complaint[damage->bad[which].defect], name,
	    damage->bad[which].work);
}

/* Who waits for an item that is not there any more is done. */
static void release_waiters(struct pool *pool) REQUIRES(pool->lock)
{
	struct waiter *waiter;
	struct work_struct copy;

	list_for_each_entry_safe (waiter, &pool->waiters, entry) {
		if (os_probe_copy(&copy, waiter->work, sizeof(copy)) &&
		    word_is_listed(copy.data, pool) &&
		    is_linked(&copy, work_entry(waiter->work)))
			continue;
		list_del(&waiter->entry);
		completion_complete(&waiter->done);
	}
}

void verify_pool(struct pool *pool)
{
	struct damage damage = { 0 };
	bool told[MAX_BAD] = { false };
	struct pwq *pwq;

	repair_lists(pool, &damage);
	if (!damage.nr)
		return;
	release_waiters(pool);
	while ((pwq = settle_one(pool)))
		report(&damage, told, pwq);
}

void verify_list(struct pool *pool, struct list *head)
{
	struct list *first = head->next, *last = unmark(head->prev);
	struct list near;

	if (first == head)
		return;
	if (look(pool, first, head, NULL) ||
	    (first->next != head &&
	     (!os_probe_copy(&near, first->next, sizeof(near)) ||
	      unmark(near.prev) != first)) ||
	    !os_probe_copy(&near, last, sizeof(near)) || near.next != head)
		verify_pool(pool);
}

void verify_item(struct pool *pool, struct work_struct *work)
{
	struct work_struct copy;

	if (os_probe_copy(&copy, work, sizeof(copy)) &&
	    word_is_listed(copy.data, pool) &&
	    !is_linked(&copy, work_entry(work)))
		verify_pool(pool);
}

/* A pusher's item, the one behind it in *next. */
static enum defect look_at_pushed(struct pool *pool, struct work_struct *work,
				  struct work_struct **next)
{
	struct work_struct copy;

	if (!os_probe_copy(&copy, work, sizeof(copy)))
		return UNREADABLE;
	*next = link_work(copy.entry.next);
	if (copy.data & WORD_LISTED || !pwq_of_word(copy.data, pool))
		return BAD_WORD;
	return SOUND;
}

/* Nothing of it has been counted. What is behind memory that is gone is lost. */
uintptr_t verify_inbox(struct pool *pool, uintptr_t head)
{
	uintptr_t flags = head & INBOX_FLAGS;
	struct work_struct *work = link_work((void *)(head & ~INBOX_FLAGS));
	struct work_struct *first = NULL, *last = NULL, *next = NULL;
	const struct work_struct *anchor = NULL;
	unsigned int n = 0;
	enum defect defect;

	for (; work && work != anchor; work = next) {
		/* Overwritten by a copy of another, it leads in a circle. */
		if (!(n & (n + 1)))
			anchor = work;
		n++;
		defect = look_at_pushed(pool, work, &next);
		if (defect) {
			say(complaint[defect], "?", work);
			if (defect == UNREADABLE)
				break;
			continue;
		}
		verify_list(pool, &word_pwq(work_load(work))->inactive);
		if (last)
			last->entry.next = work;
		else
			first = work;
		last = work;
	}
	if (last)
		last->entry.next = NULL;
	verify_list(pool, &pool->worklist);
	return (uintptr_t)first | flags;
}

/* Quietly, and only if nobody has the lock: he will drain the inbox. A handler that
 * interrupted the holder of a node's lock, which a drain may want, leaves it to
 * whoever is next. */
void verify_pushed(struct pool *pool)
{
	sigset_t before;

	if (node_is_held())
		return;
	os_signals_block(&before);
	if (lock_try(&pool->lock)) {
		/* From before the checks were switched on. */
		if (unlikely(pool->lessee))
			lease_revoke(pool);
		pool_drain(pool);
		pool_unlock(pool);
	}
	os_signals_restore(&before);
}

static const void *magic_of(struct workqueue_struct *wq)
{
	return (void *)((uintptr_t)wq +
			offsetof(struct workqueue_struct, magic));
}

bool verify_expired(const struct delayed_work *dwork)
{
	unsigned long word = atomic_load(work_word(&dwork->work));
	uint64_t magic;

	return os_probe_copy(&magic, magic_of(dwork->wq), sizeof(magic)) &&
	       (magic == WQ_MAGIC || magic == WQ_DEAD_MAGIC) &&
	       word >> WORD_GEN_SHIFT == os_generation() &&
	       word & WORD_PENDING && !(word & WORD_PWQ) &&
	       os_probe_code((void *)(uintptr_t)dwork->work.func);
}

const char *verify_word(const struct work_struct *work)
{
	unsigned long word = work_load(work);
	struct pwq *pwq = word_pwq(word);

	return pwq && !pwq_is_record(pwq) ? "was overwritten" : NULL;
}

static bool is_queued(struct work_struct *work, struct pwq *pwq,
		      char name[WQ_NAME_LEN])
{
	struct pool *pool = pwq_pool(pwq);
	struct work_struct copy;
	bool queued;

	pool_lock(pool);
	queued = os_probe_copy(&copy, work, sizeof(copy)) &&
		 word_is_listed(copy.data, pool) &&
		 word_pwq(copy.data) == pwq &&
		 is_linked(&copy, work_entry(work));
	if (queued)
		memcpy(name, pwq->wq->name, WQ_NAME_LEN);
	pool_unlock(pool);
	return queued;
}

/* Copies of items are no items: their neighbours do not know them. */
bool verify_is_active(struct work_struct *work, char name[WQ_NAME_LEN])
{
	struct work_struct copy;
	struct pwq *pwq;

	if (!os_probe_copy(&copy, work, sizeof(copy)) ||
	    copy.data >> WORD_GEN_SHIFT != os_generation() ||
	    !(copy.data & WORD_PENDING))
		return false;
	/* What is behind it is no timer. */
	if (!(copy.data & WORD_PWQ) && copy.data & WORD_GRACE)
		return false;
	if (copy.data & WORD_PWQ) {
		pwq = pwq_of_word(copy.data, NULL);
		return pwq && pwq_pool(pwq) && is_queued(work, pwq, name);
	}
	name[0] = '\0';
	return timer_is_armed(&to_delayed_work(work)->timer);
}
