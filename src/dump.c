/* SPDX-License-Identifier: MIT */
/* dump - what pools and workqueues have to do. See dump.h. */
#include "dump.h"

#include <stdio.h>
#include <string.h>
#include <cmwq/cpumask.h>

#include "symbol.h"
#include "verify.h"

#define MAX_WALK 1024 /* of a list, under the lock */

/* One more, if its kind of entry has room. */
static void copy_item(struct dump_items *to, struct work_struct *work,
		      struct pwq *pwq)
{
	struct dump_item *item = to->nr ? &to->item[to->nr - 1] : NULL;

	if (item && !to->more && item->func == work->func &&
	    !strcmp(item->wq, pwq->wq->name)) {
		item->nr++;
		return;
	}
	if (to->nr == DUMP_ITEMS) {
		to->more++;
		return;
	}
	item = &to->item[to->nr++];
	item->func = work->func;
	item->work = work;
	item->nr = 1;
	memcpy(item->wq, pwq->wq->name, sizeof(item->wq));
}

/* Those on a list that are of @only, or all if that is NULL. */
static void copy_list(struct dump_items *to, struct list *head,
		      struct pwq *only)
{
	int walked = 0;

	for (struct list *l = head->next; l != head; l = l->next) {
		struct work_struct *work = entry_work(l);
		struct pwq *pwq = word_pwq(atomic_load(work_word(work)));

		if (walked++ == MAX_WALK) {
			to->cut = true;
			return;
		}
		if (!only || pwq == only)
			copy_item(to, work, pwq);
	}
}

void dump_copy_worker(struct worker *w, struct dump_worker *to)
{
	to->tid = w->tid;
	to->work = atomic_load(&w->current_work);
	to->func = atomic_load(&w->current_func);
	memcpy(to->wq, atomic_load(&w->current_wq)->name, sizeof(to->wq));
	memcpy(to->desc, w->desc, sizeof(to->desc));
	to->asleep = w->asleep;
	to->intensive = w->intensive;
	to->rescuer = w->rescue_wq;
	to->computes = w->computes;
}

static void copy_workers(struct pool *pool, struct dump_workers *to,
			 struct pwq *only) REQUIRES(pool->lock)
{
	struct worker *w;

	list_for_each_entry (w, &pool->busy, entry) {
		if (!atomic_load(&w->current_work) ||
		    (only && atomic_load(&w->current_pwq) != only))
			continue;
		if (to->nr < DUMP_WORKERS)
			dump_copy_worker(w, &to->worker[to->nr++]);
		else
			to->more++;
	}
}

/* An item that waits for the worker that runs it is on that worker's list. */
static void copy_pending(struct pool *pool, struct dump_items *to,
			 struct pwq *only) REQUIRES(pool->lock)
{
	struct worker *w;

	copy_list(to, &pool->worklist, only);
	list_for_each_entry (w, &pool->busy, entry)
		copy_list(to, &w->scheduled, only);
}

void dump_copy_pending(struct pool *pool, struct dump_items *to)
{
	memset(to, 0, sizeof(*to));
	if (os_checks_items())
		verify_pool(pool);
	copy_pending(pool, to, NULL);
}

void dump_copy_workers(struct pool *pool, struct dump_workers *to)
{
	memset(to, 0, sizeof(*to));
	copy_workers(pool, to, NULL);
}

/* What is not counted by looking is known from the counts. */
static void count_rest(struct dump_items *items, int all)
{
	for (int i = 0; i < items->nr; i++)
		all -= items->item[i].nr;
	items->more = all > 0 ? all : 0;
	items->cut = false;
}

void dump_copy_pwq(struct pwq *pwq, struct dump_pwq *to)
{
	memset(to, 0, sizeof(*to));
	to->pool = pwq_pool(pwq);
	if (os_checks_items())
		verify_pool(to->pool);
	to->active = pwq->nr_active;
	to->max_active = pwq->max_active;
	to->in_flight = pwq_in_flight(pwq);
	to->plugged = atomic_load(&pwq->plugged);
	to->retired = pwq->events & PWQ_RETIRED;
	copy_workers(to->pool, &to->running, pwq);
	copy_pending(to->pool, &to->pending, pwq);
	count_rest(&to->pending,
		   to->active - to->running.nr - to->running.more);
	copy_list(&to->inactive, &pwq->inactive, NULL);
	count_rest(&to->inactive, to->in_flight - to->active);
}

void dump_add_worker(struct lines *l, const struct dump_worker *w)
{
	struct symbol name;

	lines_element(l, "%s (item %p, thread %d%s%s%s%s%s)",
		      symbol_func(&name, w->func), (void *)w->work, w->tid,
		      *w->desc ? ": " : "", w->desc,
		      w->asleep ? ", asleep" : "",
		      w->intensive ? ", CPU intensive" : "",
		      w->rescuer ? ", the rescuer" : "");
}

static void add_item(struct lines *l, const struct dump_item *item)
{
	struct symbol name;

	symbol_func(&name, item->func);
	if (item->nr > 1)
		lines_element(l, "%d*%s", item->nr, name.name);
	else
		lines_element(l, "%s (item %p)", name.name, (void *)item->work);
}

static void add_rest(struct lines *l, int more, bool cut)
{
	if (cut)
		lines_element(l, "and more");
	else if (more)
		lines_element(l, "and %d more", more);
	lines_end(l);
}

/* Items that change the workqueue begin a new line, which names it. */
void dump_add_items(struct lines *l, const char *what,
		    const struct dump_items *items)
{
	for (int i = 0; i < items->nr; i++) {
		const struct dump_item *item = &items->item[i];

		if (!i || strcmp(item->wq, item[-1].wq)) {
			if (i)
				lines_end(l);
			lines_add(l, "%s of %s:", what, item->wq);
		}
		add_item(l, item);
	}
	if (items->nr)
		add_rest(l, items->more, items->cut);
}

static void add_pwq_items(struct lines *l, const char *what,
			  const struct dump_items *items)
{
	if (!items->nr && !items->more)
		return;
	lines_add(l, "    %s:", what);
	for (int i = 0; i < items->nr; i++)
		add_item(l, &items->item[i]);
	add_rest(l, items->more, items->cut);
}

void dump_add_pwq(struct lines *l, const struct dump_pwq *pwq)
{
	lines_add(l, "  ");
	dump_add_pool(l, pwq->pool);
	lines_add(l, ": %d active", pwq->active);
	if (!pwq->pool->bh)
		lines_add(l, " of %d", pwq->max_active);
	lines_add(l, ", %d in all%s%s", pwq->in_flight,
		  pwq->retired ? ", replaced" : "",
		  pwq->plugged ? ", waits for the pool before" : "");
	lines_end(l);
	if (pwq->running.nr) {
		lines_add(l, "    running:");
		for (int i = 0; i < pwq->running.nr; i++)
			dump_add_worker(l, &pwq->running.worker[i]);
		add_rest(l, pwq->running.more, false);
	}
	add_pwq_items(l, "pending", &pwq->pending);
	add_pwq_items(l, "inactive", &pwq->inactive);
}

static void add_cpus(struct lines *l, struct pool *pool)
{
	char list[128] = "?";
	cpumask_var_t mask;

	if (zalloc_cpumask_var(&mask, 0)) {
		for (int cpu = pool_next_cpu(pool, 0); cpu < os_nr_cpus();
		     cpu = pool_next_cpu(pool, cpu + 1))
			cpumask_set_cpu((unsigned int)cpu, mask);
		cpulist_scnprintf(list, sizeof(list), mask);
		free_cpumask_var(mask);
	}
	lines_add(l, "CPUs %s", list);
}

void dump_add_pool(struct lines *l, struct pool *pool)
{
	if (pool->bh) {
		lines_add(l, "pool cmwq/bh:%d (CPU %d, %s priority)", pool->id,
			  pool->id, pool->highpri ? "high" : "normal");
		return;
	}
	lines_add(l, "pool cmwq/%s%d%s (", pool->cpu < 0 ? "u" : "", pool->id,
		  pool->highpri ? "H" : "");
	if (pool->cpu >= 0)
		lines_add(l, "CPU %d%s", pool->cpu,
			  pool_bound(pool) ? "" : ", lost");
	else
		add_cpus(l, pool);
	lines_add(l, ", nice %d)", pool->nice);
}
