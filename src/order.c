/* SPDX-License-Identifier: MIT */
/*
 * order - what items have waited for, and whether such waits can meet in a circle.
 * See order.h.
 *
 * A directed graph. Its vertices are workqueues and functions of items: two items
 * with one function are taken to do the same. An edge from X to Y says that
 * what is X has waited for what is Y, and how that came about. An item that
 * waits adds two, from its workqueue and from its function. A new edge that closes
 * a circle is reported with one wait for each edge of it, and stays, so each is
 * reported once.
 *
 * An item that never waits can be in no circle, so nothing is noted when an item
 * is run. That an item of B waited for A says that whoever waits for B may wait for
 * A as well.
 *
 * Locks: graph_lock, a leaf; memory is allocated under it, nothing printed.
 */
#include "order.h"

#include <stdlib.h>
#include <string.h>

#include "lock.h"
#include "log.h"
#include "symbol.h"

#define BUCKETS	     256
#define MAX_VERTICES 16384
#define MAX_EDGES    65536
#define MAX_CHAIN    16

struct vertex;

/* One wait. */
struct edge {
	struct edge *next;	/* graph lock: from the same vertex */
	struct vertex *to;	/* I */
	work_func_t func;	/* I: of the item that waited */
	char name[WQ_NAME_LEN]; /* I: its workqueue */
	void *caller;		/* I */
};

/* A workqueue, which has a name, or a function, which has none. */
struct vertex {
	struct vertex *next;	/* graph lock: in its bucket */
	uintptr_t key;		/* I */
	char name[WQ_NAME_LEN]; /* I */
	struct edge *edges;	/* graph lock */
	unsigned int search;	/* graph lock: the last that came here */
	struct vertex *line;	/* graph lock: to be looked at after this one */
	struct vertex *from;	/* graph lock: whence it came */
	struct edge *via;	/* graph lock: by which edge */
};

/* What is printed of a wait when the lock is not held any more. */
struct wait {
	work_func_t func;
	char name[WQ_NAME_LEN];
	bool for_queue;
	uintptr_t key;
	char to_name[WQ_NAME_LEN];
	void *caller;
};

struct chain {
	int nr; /* waits that close the circle, beginning with the target's */
	struct wait wait[MAX_CHAIN];
};

static struct lock graph_lock = LOCK_INITIALIZER(RANK_ORDER);
static struct vertex *bucket[BUCKETS]; /* graph lock */
static unsigned int nr_vertices;       /* graph lock */
static unsigned int nr_edges;	       /* graph lock */
static unsigned int nr_searches;       /* graph lock */

/* Workqueues of one lockdep map are one. Numbers are odd, maps are not. */
void order_describe(struct order_queue *queue, struct workqueue_struct *wq)
{
	queue->key = wq->lockdep_map ? (uintptr_t)wq->lockdep_map
				     : (uintptr_t)wq->id << 1 | 1;
	memcpy(queue->name, wq->name, sizeof(queue->name));
}

static struct vertex **find(uintptr_t key, bool is_queue) REQUIRES(graph_lock)
{
	struct vertex **v = &bucket[(key >> 4 ^ key) % BUCKETS];

	while (*v && ((*v)->key != key || !!(*v)->name[0] != is_queue))
		v = &(*v)->next;
	return v;
}

/* @name: of a workqueue, or "". */
static struct vertex *get(uintptr_t key, const char *name) REQUIRES(graph_lock)
{
	struct vertex **where = find(key, name[0]);
	struct vertex *v = *where;

	if (v || nr_vertices == MAX_VERTICES)
		return v;
	v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	v->key = key;
	memcpy(v->name, name, strnlen(name, WQ_NAME_LEN - 1));
	nr_vertices++;
	*where = v;
	return v;
}

static struct vertex *get_queue(const struct order_queue *queue)
	REQUIRES(graph_lock)
{
	return get(queue->key, queue->name[0] ? queue->name : "(no name)");
}

/* The edge if it is new; NULL if there is one, or no room: *full. */
static struct edge *connect(struct vertex *from, struct vertex *to, bool *full)
	REQUIRES(graph_lock)
{
	struct edge *e;

	for (e = from->edges; e; e = e->next)
		if (e->to == to)
			return NULL;
	if (nr_edges < MAX_EDGES)
		e = calloc(1, sizeof(*e));
	if (!e) {
		*full = true;
		return NULL;
	}
	nr_edges++;
	e->to = to;
	e->next = from->edges;
	from->edges = e;
	return e;
}

static void describe(struct wait *wait, const struct edge *e)
{
	wait->func = e->func;
	memcpy(wait->name, e->name, sizeof(wait->name));
	wait->for_queue = e->to->name[0];
	wait->key = e->to->key;
	memcpy(wait->to_name, e->to->name, sizeof(wait->to_name));
	wait->caller = e->caller;
}

/* The way by which a search came to @end. */
static void trace(struct chain *chain, const struct vertex *end)
	REQUIRES(graph_lock)
{
	const struct vertex *v;
	int i = 0;

	for (v = end; v->from; v = v->from)
		i++;
	chain->nr = i;
	for (v = end; v->from; v = v->from)
		if (--i < MAX_CHAIN)
			describe(&chain->wait[i], v->via);
}

/* Breadth first, so that the shortest circle is shown. */
static bool search(struct vertex *start, const struct vertex *a,
		   const struct vertex *b, struct chain *chain)
	REQUIRES(graph_lock)
{
	struct vertex *v, *last = start;

	nr_searches++;
	start->search = nr_searches;
	start->from = NULL;
	start->line = NULL;
	for (v = start; v; v = v->line) {
		if (v == a || v == b) {
			trace(chain, v);
			return true;
		}
		for (struct edge *e = v->edges; e; e = e->next) {
			if (e->to->search == nr_searches)
				continue;
			e->to->search = nr_searches;
			e->to->from = v;
			e->to->via = e;
			e->to->line = NULL;
			last->line = e->to;
			last = e->to;
		}
	}
	return false;
}

/*
 * A wait of what is @from, two vertices, for @to. Of an edge that was there all
 * circles are known.
 */
static bool add(struct vertex *from[2], struct vertex *to,
		const struct wait *wait, struct chain *chain, bool *full)
	REQUIRES(graph_lock)
{
	const struct vertex *fresh[2] = { NULL, NULL };

	for (int i = 0; i < 2; i++) {
		struct edge *e = connect(from[i], to, full);

		if (!e)
			continue;
		e->func = wait->func;
		memcpy(e->name, wait->name, sizeof(e->name));
		e->caller = wait->caller;
		fresh[i] = from[i];
	}
	return (fresh[0] || fresh[1]) && search(to, fresh[0], fresh[1], chain);
}

static const char *target(const struct wait *wait, struct symbol *symbol)
{
	return wait->for_queue ? wait->to_name
			       : symbol_name(symbol, (const void *)wait->key);
}

static void report(const struct wait *wait, const struct chain *chain)
{
	const char *how = chain->nr ? "; that can end in a deadlock, since"
				    : ", which may be waiting for it: both "
				      "are of the same kind";
	struct symbol func, to, at;

	log_err("lockdep: item %s of workqueue %s is about to wait for %s %s, "
		"at %s%s",
		symbol_func(&func, wait->func), wait->name,
		wait->for_queue ? "workqueue" : "item", target(wait, &to),
		symbol_name(&at, wait->caller), how);
	for (int i = 0; i < chain->nr && i < MAX_CHAIN; i++) {
		wait = &chain->wait[i];
		log_err("lockdep: item %s of workqueue %s waited for %s %s, "
			"at %s",
			symbol_func(&func, wait->func), wait->name,
			wait->for_queue ? "workqueue" : "item",
			target(wait, &to), symbol_name(&at, wait->caller));
	}
	if (chain->nr > MAX_CHAIN)
		log_err("lockdep: and so on, %d more", chain->nr - MAX_CHAIN);
}

void order_wait(const struct order_queue *self, work_func_t self_func,
		const struct order_queue *wq, work_func_t func, void *caller)
{
	struct wait wait = {
		.func = self_func,
		.for_queue = wq,
		.caller = caller,
	};
	bool full = false, circle = false;
	struct vertex *from[2], *to;
	struct chain chain;

	memcpy(wait.name, self->name, sizeof(wait.name));
	lock(&graph_lock);
	from[0] = get_queue(self);
	from[1] = get((uintptr_t)self_func, "");
	to = wq ? get_queue(wq) : get((uintptr_t)func, "");
	if (from[0] && from[1] && to) {
		wait.key = to->key;
		memcpy(wait.to_name, to->name, sizeof(wait.to_name));
		circle = add(from, to, &wait, &chain, &full);
	} else {
		full = true;
	}
	unlock(&graph_lock);
	if (full)
		log_warn_once("lockdep: no room for more waits; some circles "
			      "will not be found");
	if (circle)
		report(&wait, &chain);
}

static void cut(struct vertex *v, const struct vertex *to) REQUIRES(graph_lock)
{
	struct edge **e = &v->edges, *old;

	while ((old = *e)) {
		if (to && old->to != to) {
			e = &old->next;
			continue;
		}
		*e = old->next;
		free(old);
		nr_edges--;
	}
}

/* Others may come with its map. */
void order_forget(struct workqueue_struct *wq)
{
	struct order_queue queue;
	struct vertex **where, *old;

	order_describe(&queue, wq);
	lock(&graph_lock);
	where = find(queue.key, true);
	old = wq->lockdep_map ? NULL : *where;
	if (old) {
		*where = old->next;
		nr_vertices--;
		cut(old, NULL);
		for (int i = 0; i < BUCKETS; i++)
			for (struct vertex *v = bucket[i]; v; v = v->next)
				cut(v, old);
		free(old);
	}
	unlock(&graph_lock);
}

/* Another thread may have been changing it: its memory is not touched. */
void order_reset(void)
{
	lock_init(&graph_lock, RANK_ORDER);
	memset(bucket, 0, sizeof(bucket));
	nr_vertices = 0;
	nr_edges = 0;
}
