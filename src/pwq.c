/* SPDX-License-Identifier: MIT */
/*
 * pwq - what one workqueue has in one pool: colours, max_active, activation.
 *
 * An item is counted in nr_in_flight from the drain to its end, in the colour
 * that was current at the drain (its claimer wrote the one that he saw into its
 * word, which is nearly always right); in nr_active from the moment it is on the
 * worklist. Items beyond max_active wait in order on the inactive list.
 *
 * saturated is set when the first item becomes inactive and cleared when the
 * list is empty again. A pusher that finds it set pushes quietly and looks at
 * it again after the push: either it sees it cleared and kicks, or whoever
 * cleared it looks at the inbox after that, finds the item and kicks (store-buffer
 * pattern, all four accesses sequentially consistent; models/saturation.pml).
 */
#include "pwq.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "worker.h"

#define TURN_NS (100 * NSEC_PER_USEC)

_Atomic(struct pwq_chunk *) pwq_chunks;
uintptr_t (*pwq_verify_inbox)(struct pool *pool, uintptr_t head);
void (*pwq_verify_list)(struct pool *pool, struct list *head);
void (*pwq_kick)(struct pool *pool);
static struct list records = { &records, &records }; /* registry lock: free */

static bool add_chunk(void)
{
	struct pwq_chunk *chunk = aligned_alloc(64, sizeof(*chunk));

	if (!chunk)
		return false;
	/* Bits 48 and up of a state word are taken. */
	if ((uintptr_t)(chunk + 1) & ~(WORD_PWQ_MASK | 63)) {
		log_err("memory beyond 48 bits cannot hold a workqueue");
		free(chunk);
		return false;
	}
	memset(chunk, 0, sizeof(*chunk));
	chunk->next = atomic_load(&pwq_chunks);
	atomic_store(&pwq_chunks, chunk);
	for (int i = 0; i < PWQ_CHUNK; i++)
		list_add_tail(&chunk->pwq[i].wq_link, &records);
	return true;
}

bool pwq_is_record(const struct pwq *pwq)
{
	uintptr_t at = (uintptr_t)pwq;

	for (struct pwq_chunk *chunk = atomic_load(&pwq_chunks); chunk;
	     chunk = chunk->next) {
		uintptr_t first = (uintptr_t)chunk->pwq;

		if (at >= first && at < (uintptr_t)(chunk + 1))
			return !((at - first) % sizeof(*pwq));
	}
	return false;
}

bool pwqs_alloc(struct list *pwqs, int nr)
{
	bool ok = true;

	list_init(pwqs);
	while (nr-- && ok) {
		ok = !list_empty(&records) || add_chunk();
		if (ok)
			list_move_tail(records.next, pwqs);
	}
	if (!ok)
		pwqs_free(pwqs);
	return ok;
}

void pwqs_free(struct list *pwqs)
{
	while (!list_empty(pwqs))
		list_move_tail(pwqs->next, &records);
}

void pwq_init(struct pwq *pwq, struct workqueue_struct *wq, struct pool *pool,
	      int max_active)
{
	pwq->wq = wq;
	pwq->max_active = max_active;
	pwq->node = NULL;
	pwq->started = 0;
	pwq->completed = 0;
	pwq->cpu_itsv = 0;
	pwq->cm_wakeup = 0;
	pwq->cm_overlap = 0;
	pwq->repatriated = 0;
	pwq->maydays = 0;
	pwq->rescued = 0;
	pwq_reset(pwq);
	atomic_store(&pwq->pool, pool);
}

void pwq_reset(struct pwq *pwq)
{
	atomic_store(&pwq->colour, 0);
	pwq->nr_active = 0;
	pwq->limit = pwq->node ? 0 : pwq->max_active;
	pwq->events = 0;
	pwq->successor = NULL;
	pwq->waiter.waiting = false;
	pwq->turned_at = 0;
	atomic_store(&pwq->plugged, false);
	memset(pwq->nr_in_flight, 0, sizeof(pwq->nr_in_flight));
	atomic_store(&pwq->saturated, false);
	list_init(&pwq->inactive);
	list_init(&pwq->held);
	list_init(&pwq->mayday);
}

/*
 * The inactive list: an item's link to the one before it carries LINK_INACTIVE.
 */
static struct list *before(const struct list *l)
{
	return (struct list *)((uintptr_t)l->prev & ~LINK_INACTIVE);
}

static void set_before(struct list *l, struct list *prev)
{
	l->prev = (struct list *)((uintptr_t)prev | LINK_INACTIVE);
}

static void inactive_add_tail(struct pwq *pwq, struct work_struct *work)
{
	struct list *entry = work_entry(work);
	struct list *last = before(&pwq->inactive);

	set_before(entry, last);
	entry->next = &pwq->inactive;
	last->next = entry;
	set_before(&pwq->inactive, entry);
}

void pwq_put_back_inactive(struct pwq *pwq, struct work_struct *work)
{
	struct list *entry = work_entry(work);
	struct list *next = pwq->inactive.next;

	entry->next = next;
	set_before(entry, &pwq->inactive);
	pwq->inactive.next = entry;
	set_before(next, entry);
}

void pwq_take_inactive(struct work_struct *work)
{
	struct list *entry = work_entry(work);

	before(entry)->next = entry->next;
	set_before(entry->next, before(entry));
	list_init(entry);
}

/* The bits to be changed in the word of an item that comes out of the inbox. */
static unsigned long wrong_bits(struct pwq *pwq, struct work_struct *work,
				unsigned long word) NO_ANALYSIS
{
	unsigned int colour =
		atomic_load_explicit(&pwq->colour, memory_order_relaxed);
	unsigned long bits =
		WORD_LISTED | (unsigned long)(word_colour(word) ^ colour)
				      << WORD_COLOUR_SHIFT;

	if (unlikely(word & WORD_COLLIDES) &&
	    !worker_runs(work_runner(work), work))
		bits |= WORD_COLLIDES;
	return bits;
}

static void set_limit(struct pwq *pwq) NO_ANALYSIS
{
	bool look_closer =
		pwq->node || pwq->successor || atomic_load(&pwq->plugged);

	pwq->limit = look_closer ? 0 : pwq->max_active;
}

/* Count one more as active, if that may be. */
static bool take_slot(struct pwq *pwq) NO_ANALYSIS
{
	if (atomic_load(&pwq->plugged) ||
	    (pwq->node ? !node_take(pwq->node)
		       : pwq->nr_active >= pwq->max_active))
		return false;
	pwq->nr_active++;
	return true;
}

/* It has items, but no slot for reasons beyond this pool. */
static void hold(struct pwq *pwq) NO_ANALYSIS
{
	struct pool *pool = pwq_pool(pwq);

	if (list_empty(&pwq->held))
		list_add_tail(&pwq->held, &pool->held);
	if (pwq->node)
		node_wait(pwq->node, &pwq->waiter, pool);
}

/* A retired one is still to be looked at when it is unplugged. */
static void unhold(struct pwq *pwq) NO_ANALYSIS
{
	if (!(pwq->events & PWQ_RETIRED))
		list_del(&pwq->held);
	if (pwq->node)
		node_leave(pwq->node, &pwq->waiter);
}

/*
 * For a slot that was taken: is there still an item to be given it? Meanwhile the
 * counts of the pool agree with its lists.
 */
static __attribute__((cold, noinline)) bool verify(struct pwq *pwq) NO_ANALYSIS
{
	struct pool *pool = pwq_pool(pwq);

	pwq->nr_active--;
	pwq_verify_list(pool, &pwq->inactive);
	pwq_verify_list(pool, &pool->worklist);
	if (list_empty(&pwq->inactive)) {
		if (pwq->node)
			node_give(pwq->node);
		return false;
	}
	pwq->nr_active++;
	return true;
}

static void activate_first(struct pwq *pwq) NO_ANALYSIS
{
	struct work_struct *work;

	if (os_checks_items() && !verify(pwq))
		return;
	work = entry_work(pwq->inactive.next);
	pwq_take_inactive(work);
	pool_add_work(pwq_pool(pwq), work);
}

static void poke(struct pool *pool)
{
	if (pool_poke(pool))
		pwq_kick(pool);
}

/* The item came after its pwq was retired: its thread was stopped on the way. It
 * is still his word for it, so nobody else changes it. */
static void send_on(struct pwq *to, struct work_struct *work,
		    unsigned long word)
{
	work_exchange(work, pwq_word(to, (uint32_t)(word >> WORD_GEN_SHIFT)) |
				    (word & WORD_COLLIDES));
	if (pool_push(pwq_pool(to), work, false))
		pwq_kick(pwq_pool(to));
}

/* An item comes out of the inbox: count it, and list it. */
static void pwq_admit(struct pwq *pwq, struct work_struct *work,
		      unsigned long word) NO_ANALYSIS
{
	unsigned long bits;
	bool first;

	if (unlikely(!pwq->limit) && pwq->successor) {
		send_on(pwq->successor, work, word);
		return;
	}
	bits = wrong_bits(pwq, work, word);
	first = list_empty(&pwq->inactive);
	pwq->nr_in_flight[word_colour(word ^ bits)]++;
	work_flip(work, bits);
	if (likely(first && pwq->nr_active < pwq->limit)) {
		pwq->nr_active++;
		pool_add_work(pwq_pool(pwq), work);
		return;
	}
	inactive_add_tail(pwq, work);
	if (first && !pwq->limit) {
		set_limit(pwq);
		hold(pwq);
		if (take_slot(pwq)) {
			activate_first(pwq);
			unhold(pwq);
			return;
		}
	}
	if (!atomic_load_explicit(&pwq->saturated, memory_order_relaxed))
		atomic_store(&pwq->saturated, true);
}

/* What was pushed quietly while the mark was set is like any other push now. */
static void clear_saturated(struct pwq *pwq) NO_ANALYSIS
{
	if (!list_empty(&pwq->inactive) ||
	    !atomic_load_explicit(&pwq->saturated, memory_order_relaxed))
		return;
	atomic_store(&pwq->saturated, false);
	if (pool_make_loud(pwq_pool(pwq)))
		pwq_kick(pwq_pool(pwq));
}

/* It had no slot, and has waited for one: others have had their time. */
static void begin_turn(struct pwq *pwq) NO_ANALYSIS
{
	if (pwq->nr_active == 1 && pool_is_tiny(pwq_pool(pwq)))
		pwq->turned_at = os_now();
}

/*
 * The pwqs of a node take turns, one item each. The one whose turn it is in @turn can
 * only be this one; in another pool somebody else goes on from there.
 */
static void go_on_in_turn(struct pwq *pwq, struct pool *turn) NO_ANALYSIS
{
	while (turn == pwq_pool(pwq)) {
		if (!list_empty(&pwq->inactive) && take_slot(pwq)) {
			begin_turn(pwq);
			activate_first(pwq);
		}
		if (list_empty(&pwq->inactive))
			unhold(pwq);
		turn = node_next(pwq->node);
	}
	if (turn)
		poke(turn);
	clear_saturated(pwq);
}

/*
 * Is the slot of an item that is over to be the next one's here? To hand it on to
 * another pool for each tiny item would take many times as long as they do.
 */
static bool keeps_turn(struct pwq *pwq) NO_ANALYSIS
{
	uint64_t now;

	if (!pool_is_tiny(pwq_pool(pwq)) || list_empty(&pwq->inactive) ||
	    atomic_load(&pwq->plugged) || !node_may_keep(pwq->node))
		return false;
	now = os_now();
	if (now - pwq->turned_at < TURN_NS)
		return true;
	pwq->turned_at = now;
	return false;
}

static void go_on(struct pwq *pwq) NO_ANALYSIS
{
	pwq->nr_active++;
	activate_first(pwq);
	if (!list_empty(&pwq->inactive))
		return;
	unhold(pwq);
	go_on_in_turn(pwq, node_next(pwq->node));
}

/* The limit was changed, or whatever held it up. */
void pwq_catch_up(struct pwq *pwq)
{
	set_limit(pwq);
	while (!list_empty(&pwq->inactive) && take_slot(pwq))
		activate_first(pwq);
	if (list_empty(&pwq->inactive))
		unhold(pwq);
	clear_saturated(pwq);
}

/* Its last item is done: the one that replaced it may start. */
static void unplug_successor(struct pwq *pwq) NO_ANALYSIS
{
	struct pwq *next = pwq->successor;

	if (pwq_in_flight(pwq) || atomic_load(&pwq->plugged))
		return;
	pwq->events &= ~PWQ_RETIRED;
	list_del(&pwq->held);
	atomic_store(&next->plugged, false);
	poke(pwq_pool(next));
}

/*
 * Somebody said that pwqs of this pool may go on. A drain in between can change the
 * list, so it is gone through by turning it round.
 */
static void look_at_held(struct pool *pool) REQUIRES(pool->lock)
{
	int n = 0;

	for (struct list *l = pool->held.next; l != &pool->held; l = l->next)
		n++;
	while (n-- && !list_empty(&pool->held)) {
		struct pwq *pwq = list_first(&pool->held, struct pwq, held);

		list_move_tail(&pwq->held, &pool->held);
		if (pwq->node)
			go_on_in_turn(pwq, pool);
		else
			pwq_catch_up(pwq);
		if (pwq->events & PWQ_RETIRED)
			unplug_successor(pwq);
	}
}

uintptr_t pool_take_inbox(struct pool *pool)
{
	struct work_struct *work, *next, *first = NULL;
	unsigned int n = 0;
	uintptr_t head;

	/* So that nobody who looks at the inbox, then at has_work, sees nothing
	 * at all while items are on their way from the one to the other. */
	atomic_store_explicit(&pool->has_work, true, memory_order_relaxed);
	head = atomic_exchange(&pool->inbox, 0);
	atomic_store_explicit(&pool->quiet_pushes, 0, memory_order_relaxed);
	if (os_checks_items())
		head = pwq_verify_inbox(pool, head);
	work = link_work((void *)(head & ~INBOX_FLAGS));
	for (; work; work = next, n++) {
		next = link_work(work->entry.next);
		work->entry.next = first;
		first = work;
	}
	pool->drained = first;
	pool->nr_taken += n;
	return head & INBOX_FLAGS;
}

/* An item that is admitted may make others start, and so have the inbox drained. */
static void admit_all(struct pool *pool) REQUIRES(pool->lock)
{
	struct work_struct *work, *next = pool->drained;

	pool->drained = NULL;
	while ((work = next)) {
		unsigned long word = atomic_load_explicit(work_word(work),
							  memory_order_relaxed);

		next = link_work(work->entry.next);
		/* Queued again, or other work at its address: it has started. */
		if (unlikely(pool->lessee) && pool->lessee->lease.work == work)
			pool->lessee->lease.work = NULL;
		pwq_admit(word_pwq(word), work, word);
	}
}

void pool_note_work(struct pool *pool)
{
	atomic_store_explicit(&pool->has_work, !list_empty(&pool->worklist),
			      memory_order_relaxed);
}

void pool_admit_drained(struct pool *pool)
{
	admit_all(pool);
	pool_note_work(pool);
}

void pool_drain_slow(struct pool *pool)
{
	uintptr_t flags;

	admit_all(pool);
	flags = pool_take_inbox(pool);
	admit_all(pool);
	if (unlikely(flags & INBOX_POKE))
		look_at_held(pool);
	if (list_empty(&pool->worklist))
		pool_note_work(pool);
}

bool pwq_has_room(struct pwq *pwq, int own)
{
	return pwq->limit && pwq->nr_active - own < pwq->limit &&
	       list_empty(&pwq->inactive);
}

bool pwq_lends_slot(struct pwq *pwq, bool own)
{
	return list_empty(&pwq->inactive) && !pwq->successor &&
	       !atomic_load(&pwq->plugged) && node_has_no_line(pwq->node) &&
	       (own || node_take(pwq->node));
}

void pwq_give_slot(struct pwq *pwq)
{
	go_on_in_turn(pwq, node_give(pwq->node));
}

bool pwq_is_awaited(struct pwq *pwq)
{
	return pwq->events || pwq->node;
}

void pwq_count_running(struct pwq *pwq, unsigned int colour)
{
	pwq->nr_in_flight[colour]++;
	pwq->nr_active++;
}

void pwq_count_active(struct pwq *pwq)
{
	pwq->nr_active++;
}

static void drop_in_flight(struct pwq *pwq, unsigned int colour) NO_ANALYSIS
{
	struct workqueue_struct *wq = pwq->wq;

	if (--pwq->nr_in_flight[colour] ||
	    !(pwq->events & (1U << colour | PWQ_RETIRED)))
		return;
	if (pwq->events & PWQ_RETIRED)
		unplug_successor(pwq);
	if (!(pwq->events & 1U << colour))
		return;
	pwq->events &= ~(1U << colour);
	/* The flusher may be gone, and the queue with it, right after the last
	 * of these; event_signal() only touches the word's address then. */
	if (atomic_fetch_sub(&wq->pending[colour], 1) == 1)
		event_signal(&wq->flush_event);
}

void pwq_item_over(struct pwq *pwq, unsigned int colour, bool active)
{
	pwq->nr_active -= active;
	drop_in_flight(pwq, colour);
}

void pwq_item_done(struct pwq *pwq, unsigned int colour)
{
	pwq_item_over(pwq, colour, true);
	if (likely(!pwq->node)) {
		if (unlikely(!list_empty(&pwq->inactive)))
			pwq_catch_up(pwq);
	} else if (keeps_turn(pwq)) {
		go_on(pwq);
	} else {
		go_on_in_turn(pwq, node_give(pwq->node));
	}
}

bool pwq_lags(struct pwq *pwq)
{
	return !list_empty(&pwq->inactive) && pwq->nr_active < pwq->limit;
}

struct work_struct *pwq_first_inactive(struct pwq *pwq)
{
	struct list *first = pwq->inactive.next;

	return first->next == &pwq->inactive ? NULL : entry_work(first);
}

void pwq_item_lost(struct pwq *pwq, unsigned int colour, bool active)
{
	if (active) {
		pwq_item_done(pwq, colour);
		return;
	}
	drop_in_flight(pwq, colour);
	if (list_empty(&pwq->inactive)) {
		unhold(pwq);
		/* It may have been this one's turn. */
		if (pwq->node)
			go_on_in_turn(pwq, node_next(pwq->node));
	}
	clear_saturated(pwq);
}

void pwq_remove(struct pwq *pwq, struct work_struct *work, unsigned long word)
{
	bool active = !work_inactive(work);

	if (active)
		pool_del_work(pwq_pool(pwq), work);
	else
		pwq_take_inactive(work);
	pwq_item_lost(pwq, word_colour(word), active);
}

void pwq_set_max_active(struct pwq *pwq, int max_active)
{
	pwq->max_active = max_active;
	if (pwq->node)
		go_on_in_turn(pwq, pwq_pool(pwq));
	else
		pwq_catch_up(pwq);
}

void pwq_share(struct pwq *pwq, struct node *node)
{
	if (pwq->node)
		return;
	pwq->node = node;
	atomic_fetch_add(&node->nr, pwq->nr_active);
	set_limit(pwq);
	if (!list_empty(&pwq->inactive))
		hold(pwq);
}

void pwq_plug(struct pwq *pwq)
{
	atomic_store(&pwq->plugged, true);
	pwq->successor = NULL;
	set_limit(pwq);
}

void pwq_retire(struct pwq *pwq, struct pwq *successor)
{
	pwq->events |= PWQ_RETIRED;
	pwq->successor = successor;
	set_limit(pwq);
	/* Itself plugged, it may get no item that would show its end. */
	if (atomic_load(&pwq->plugged))
		hold(pwq);
	unplug_successor(pwq);
}

bool pwq_is_through(struct pwq *pwq)
{
	return pwq->successor && !(pwq->events & PWQ_RETIRED);
}

bool pwq_start_flush(struct pwq *pwq, unsigned int next_colour)
{
	unsigned int colour = atomic_load(&pwq->colour);

	atomic_store(&pwq->colour, next_colour);
	if (!pwq->nr_in_flight[colour])
		return false;
	pwq->events |= 1U << colour;
	return true;
}

int pwq_in_flight(struct pwq *pwq)
{
	int n = 0;

	for (unsigned int c = 0; c < WORD_NR_COLOURS; c++)
		n += pwq->nr_in_flight[c];
	return n;
}
