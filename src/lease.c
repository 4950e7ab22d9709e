/* SPDX-License-Identifier: MIT */
/*
 * lease - tiny items run in a row without the pool's lock. See lease.h.
 */
#include "lease.h"

#include "quota.h"

#define FEW	      16 /* items out of the inbox */
#define ENOUGH	      8
#define GATHER_MISSES 10 /* 1023 leases */
#define GATHER_NS     250
#define GATHER_LOOKS  16

static bool is_plain(struct work_struct *work, struct pwq *pwq)
{
	return work->func &&
	       !(atomic_load_explicit(&pwq->wq->flags, memory_order_relaxed) &
		 WQ_CPU_INTENSIVE);
}

/* On the worklist. That it is done is known late, so nobody may wait for that. */
static bool listed_fits(struct work_struct *work, unsigned long word)
{
	return !(word & (WORD_COLLIDES | WORD_WAITERS)) &&
	       is_plain(work, word_pwq(word)) &&
	       !pwq_is_awaited(word_pwq(word));
}

static void give_slot(struct lease *l)
{
	struct pwq *slot = l->slot;

	l->slot = NULL;
	if (unlikely(slot))
		pwq_give_slot(slot);
}

/*
 * May it be run without being admitted? Of those that share max_active one at a time, for
 * which there is a slot in hand; and then nothing else, since that would keep the slot
 * from others for as long as it runs.
 */
static bool has_room(struct lease *l, struct pwq *pwq, int own)
{
	if (unlikely(l->slot && l->slot != pwq))
		return false;
	if (likely(!pwq->node))
		return pwq_has_room(pwq, own);
	if (!pwq_lends_slot(pwq, l->slot))
		return false;
	l->slot = pwq;
	return true;
}

/* Drained, but not admitted. */
static bool drained_fits(struct lease *l, struct work_struct *work,
			 unsigned long word)
{
	if (word & WORD_COLLIDES && worker_runs(work_runner(work), work))
		return false;
	return is_plain(work, word_pwq(word)) && has_room(l, word_pwq(word), 0);
}

static struct lease_item item_listed(struct work_struct *work,
				     unsigned long word, enum lease_from from)
{
	return (struct lease_item){ .work = work,
				    .func = work->func,
				    .pwq = word_pwq(word),
				    .from = (uint8_t)from,
				    .colour = (uint8_t)word_colour(word) };
}

static uint32_t take_listed(struct lease *l, struct pool *pool)
	REQUIRES(pool->lock)
{
	uint32_t n = 0;

	while (!list_empty(&pool->worklist) && n < LEASE_MAX) {
		struct work_struct *work = entry_work(pool->worklist.next);
		unsigned long word = atomic_load_explicit(work_word(work),
							  memory_order_relaxed);

		if (!listed_fits(work, word))
			break;
		list_del(work_entry(work));
		l->item[n++] = item_listed(work, word, FROM_WORKLIST);
	}
	return n;
}

/* One of the pwq's slots is free, and the worker that runs the row fills it. */
static uint32_t take_row(struct lease *l)
{
	struct work_struct *work;
	uint32_t n = 0;

	if (!pwq_lags(l->row))
		return 0;
	while (n < LEASE_MAX && (work = pwq_first_inactive(l->row))) {
		unsigned long word = atomic_load_explicit(work_word(work),
							  memory_order_relaxed);

		if (!listed_fits(work, word))
			break;
		pwq_take_inactive(work);
		l->item[n++] = item_listed(work, word, FROM_INACTIVE);
	}
	return n;
}

static uint32_t take_drained(struct lease *l, struct pool *pool)
	REQUIRES(pool->lock)
{
	struct work_struct *work = pool->drained;
	uint32_t n = 0;

	while (work && n < LEASE_MAX) {
		unsigned long word = atomic_load_explicit(work_word(work),
							  memory_order_relaxed);

		if (!n && l->slot != word_pwq(word))
			give_slot(l);
		/* Behind others there is no slot to be taken. */
		if ((n && !l->slot && word_pwq(word)->node) ||
		    !drained_fits(l, work, word))
			break;
		l->item[n++] = (struct lease_item){ .work = work,
						    .func = work->func,
						    .pwq = word_pwq(word) };
		work = link_work(work->entry.next);
	}
	pool->drained = work;
	return n;
}

/* What was held up comes before what is drained, and is still to be looked at. */
static bool look_at_inbox(struct pool *pool) REQUIRES(pool->lock)
{
	if (!(pool_take_inbox(pool) & INBOX_POKE))
		return true;
	pool_poke(pool);
	return false;
}

static bool nothing_left(struct lease *l, struct pool *pool)
	REQUIRES(pool->lock)
{
	return list_empty(&pool->worklist) && !pool->drained && !l->row;
}

/* Would it start at once if it queued itself again? Ordered workqueues may move. */
static bool may_start_again(struct lease *l, const struct lease_item *item)
{
	unsigned int flags = atomic_load_explicit(&item->pwq->wq->flags,
						  memory_order_relaxed);

	return !(flags & __WQ_ORDERED) &&
	       has_room(l, item->pwq, item->from == FROM_WORKLIST);
}

static void become_lessee(struct worker *w, struct pool *pool, uint32_t n)
	REQUIRES(pool->lock)
{
	struct lease *l = &w->lease;

	l->open = nothing_left(l, pool) && may_start_again(l, &l->item[n - 1]);
	l->line = l->slot ? l->slot->node : NULL;
	l->ended = false;
	l->idle_word = lease_idle_word(w);
	l->rerun = false;
	l->nr = n;
	l->work = NULL;
	l->running = NULL;
	atomic_store_explicit(&l->done, 0, memory_order_relaxed);
	/* Who sees it sees that again is of no lease before: lease_repeats(). */
	atomic_store_explicit(&l->end, n, memory_order_release);
	atomic_store_explicit(&l->taken, 0, memory_order_relaxed);
	pool->lessee = w;
	w->desc[0] = '\0';
	/* In the inbox there may be what has queued itself, see run_items(). */
	atomic_store_explicit(&pool->has_work,
			      n > 1 || !nothing_left(l, pool) ||
				      atomic_load(&pool->inbox),
			      memory_order_relaxed);
}

/*
 * Is it worth while to wait at the end of this lease? While somebody pushes on another
 * CPU, which only shows in how much the last time gathered. If it did not, then for a
 * growing number of leases not. Never where the wait takes time from somebody who
 * has to share a CPU or a quota with us.
 */
static void judge_gathering(struct lease *l, struct pool *pool, uint32_t n)
	REQUIRES(pool->lock)
{
	bool few = n && n < FEW && l->item[0].from == FROM_INBOX &&
		   nothing_left(l, pool);

	if (l->gather && n >= ENOUGH)
		l->misses = 0;
	else if (l->gather && l->misses < GATHER_MISSES)
		l->misses++;
	if (l->gather)
		l->skips = (1U << l->misses) - 1;
	l->gather = few && !l->skips && os_nr_allowed() > 1 &&
		    quota_cpus() >= os_nr_allowed();
	if (few && l->skips)
		l->skips--;
}

/* Whoever ends the lease may wait for us. */
void lease_gather(struct lease *l)
{
	uint64_t end = os_now() + GATHER_NS;
	int n = 0;

	while (n++ < GATHER_LOOKS && os_now() < end &&
	       !(atomic_load_explicit(&l->taken, memory_order_relaxed) &
		 LEASE_ENDED))
		os_pause();
}

bool lease_has_row(struct pool *pool)
{
	struct work_struct *first = entry_work(pool->worklist.next);
	unsigned long word =
		atomic_load_explicit(work_word(first), memory_order_relaxed);

	return pwq_first_inactive(word_pwq(word));
}

/* After that nothing is inactive that need not be. It may have been moved to the worklist
 * before, and be over, with has_work left as it was for the row (look_at_held()). */
void lease_end_row(struct worker *w)
{
	struct pwq *pwq = w->lease.row;

	give_slot(&w->lease);
	w->lease.row = NULL;
	if (!pwq)
		return;
	pwq_catch_up(pwq);
	pool_note_work(pwq_pool(pwq));
}

bool lease_begin(struct worker *w, struct pool *pool)
{
	uint32_t n = 0;

	if (pool->lessee)
		return false;
	if (!list_empty(&pool->worklist))
		n = take_listed(&w->lease, pool);
	else if (w->lease.row)
		n = take_row(&w->lease);
	else if (pool->drained ||
		 (atomic_load(&pool->inbox) && look_at_inbox(pool)))
		n = take_drained(&w->lease, pool);
	judge_gathering(&w->lease, pool, n);
	if (n)
		become_lessee(w, pool, n);
	else if (pool->drained)
		pool_admit_drained(pool);
	return n;
}

static bool is_repeat(const struct lease *l, uint32_t run)
{
	return run >= l->nr;
}

static struct lease_item *item_of(struct lease *l, uint32_t run)
{
	return &l->item[is_repeat(l, run) ? l->nr - 1 : run];
}

static void put_back(struct pool *pool, struct work_struct *work)
	REQUIRES(pool->lock)
{
	work->entry.next = pool->drained;
	pool->drained = work;
}

/*
 * The last item has queued itself, as nobody can see: do it for everybody to see. Who
 * knows of it sees the one or the other: again is cleared when the word is right.
 */
static void claim_repeat(struct worker *w, struct pool *pool)
	REQUIRES(pool->lock)
{
	struct lease_item *item = item_of(&w->lease, w->lease.nr);
	unsigned long idle = lease_idle_word(w);
	bool mine = atomic_compare_exchange_strong(work_word(item->work), &idle,
						   pwq_word(item->pwq, w->gen) |
							   WORD_COLLIDES);

	atomic_store(&w->lease.again, NULL);
	if (!mine) {
		w->lease.rerun = true;
		return;
	}
	work_set_runner(item->work, w);
	put_back(pool, item->work);
}

static void give_back_item(struct pool *pool, struct lease_item *item)
	REQUIRES(pool->lock)
{
	if (item->from == FROM_WORKLIST)
		list_add(work_entry(item->work), &pool->worklist);
	else if (item->from == FROM_INACTIVE)
		pwq_put_back_inactive(item->pwq, item->work);
	else
		put_back(pool, item->work);
}

/* From @first on, to where they came from. */
static void give_back(struct worker *w, struct pool *pool, uint32_t first)
	REQUIRES(pool->lock)
{
	struct lease *l = &w->lease;

	for (uint32_t i = l->known; i-- > first;) {
		if (is_repeat(l, i))
			claim_repeat(w, pool);
		else
			give_back_item(pool, &l->item[i]);
	}
}

/* Some of its active items are over. What is inactive is leased once there is nothing on
 * the worklist, rather than moved there; of one pwq at a time. */
static void note_row(struct lease *l, struct pwq *pwq)
{
	if (l->row == pwq || !pwq_lags(pwq))
		return;
	if (l->row)
		pwq_catch_up(l->row);
	l->row = pwq;
}

static void count_done(struct lease *l, uint32_t n)
{
	uint32_t items = n < l->nr ? n : l->nr;
	uint32_t i = 0, first;

	while (i < items) {
		struct pwq *pwq = l->item[i].pwq;

		for (first = i; i < items && l->item[i].pwq == pwq; i++)
			if (l->item[i].from != FROM_INBOX)
				pwq_item_over(pwq, l->item[i].colour,
					      l->item[i].from == FROM_WORKLIST);
		if (i == l->nr)
			i = n;
		pwq->started += i - first;
		pwq->completed += i - first;
		note_row(l, pwq);
	}
}

static void count_running(struct worker *w, uint32_t run) NO_ANALYSIS
{
	struct lease *l = &w->lease;
	struct lease_item *item = item_of(l, run);
	bool admitted = item->from != FROM_INBOX && !is_repeat(l, run);

	l->work = item->work;
	l->running = item->pwq;
	w->current_colour =
		admitted ? item->colour : atomic_load(&item->pwq->colour);
	item->pwq->started++;
	if (item->from == FROM_INACTIVE && admitted)
		pwq_count_active(item->pwq);
	if (admitted)
		return;
	pwq_count_running(item->pwq, w->current_colour);
	/* The slot is the item's now. */
	if (item->pwq == l->slot)
		l->slot = NULL;
}

/* Look at done before end: who has done an item has queued it again before. A run that
 * another one follows whatever comes goes on until that is over. */
static void end_lease(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	struct lease *l = &w->lease;
	uint32_t taken = atomic_fetch_or(&l->taken, LEASE_ENDED);
	uint32_t done = atomic_load_explicit(&l->done, memory_order_acquire);

	l->ended = true;
	l->known = atomic_load_explicit(&l->end, memory_order_acquire);
	give_back(w, pool, taken);
	if (l->rerun)
		done = taken - 1;
	if (taken > done)
		count_running(w, done);
	count_done(l, done);
	lease_end_row(w);
}

/* The item that runs has queued itself again since the end was said. */
static void take_late(struct worker *w, struct pool *pool) REQUIRES(pool->lock)
{
	struct lease *l = &w->lease;
	uint32_t first = l->known;

	l->known = atomic_load_explicit(&l->end, memory_order_acquire);
	give_back(w, pool, first);
}

void lease_revoke(struct pool *pool)
{
	struct worker *w = pool->lessee;

	if (w->lease.ended)
		take_late(w, pool);
	else
		end_lease(w, pool);
	pool_admit_drained(pool);
}

bool lease_end(struct worker *w, struct pool *pool)
{
	struct lease *l = &w->lease;

	pool->lessee = NULL;
	l->open = false;
	if (l->ended)
		take_late(w, pool);
	/* Whichever run it was that is over as well. */
	atomic_store(&l->again, NULL);
	if (l->ended) {
		pool_admit_drained(pool);
		return false;
	}
	count_done(l, atomic_load_explicit(&l->end, memory_order_relaxed));
	if (nothing_left(l, pool))
		pool_note_work(pool);
	return true;
}

/*
 * The item may be claimed for the lessee meanwhile, and the next lease begin, whose end
 * is another's: so again is read last. If it is that of a later lease the item
 * has queued itself there since taken was written.
 */
bool lease_repeats(struct work_struct *work, struct worker *w)
{
	uint32_t taken, end;
	struct lease *l;

	if (!w || !worker_runs(w, work))
		return false;
	l = &w->lease;
	if (atomic_load(&l->again) != work)
		return false;
	taken = atomic_fetch_add(&l->taken, 0) & ~LEASE_ENDED;
	end = atomic_load(&l->end);
	return end == taken + 1 && atomic_load(&l->again) == work;
}

bool work_pending(const struct work_struct *work)
{
	unsigned long word = work ? work_load(work) : 0;

	if (word & WORD_PENDING)
		return true;
	if (!word)
		return false;
	/* If it is not kept any more its word says so. */
	return lease_keeps((struct work_struct *)work, word) ||
	       work_load(work) & WORD_PENDING;
}
