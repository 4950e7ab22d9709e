/* SPDX-License-Identifier: MIT */
/*
 * case.h - how a case is written.
 *
 *	CASE(cancel_of_a_pending_item_is_true,
 *	     "cancel_work returns whether it was pending and does not wait")
 *	{
 *		struct workqueue_struct *wq = alloc_workqueue("c", WQ_PERCPU, 1);
 *		struct item *a = held_item('a'), *b = item('b');
 *
 *		RESULT(queue_work(wq, w(a)), 1);
 *		wait_started(a, 1);
 *		RESULT(queue_work(wq, w(b)), 1);
 *		RESULT(cancel_work(w(b)), 1);
 *		release(a);
 *		destroy_workqueue(wq);
 *		ORDER("a");
 *	}
 *
 * A case runs in a thread of its own, bound to the first CPU. RESULT() records
 * "expression=value" and asserts the value; the records of the two worlds are
 * compared as text. So they contain nothing that depends on the world, such as
 * addresses, CPU numbers or times.
 *
 * A case waits for what happens (wait_started(), WAIT()). That something does
 * not happen has no event: then a probe item goes through the same pool after
 * it (settle()), as pools start items in order.
 *
 * Items are freed after the case, and are to be idle by then; a warning about
 * workqueues that the case did not ask for by warned() fails it.
 */
#ifndef CONF_CASE_H
#define CONF_CASE_H

#include "world.h"

struct conf_case {
	const char *name;
	const char *fact;
	void (*fn)(void);
	int cpus;		   /* how many it needs; 0 means 1 */
	const char *kernel_cannot; /* why there is no result of this world */
	const char *cmwq_cannot;
	const char
		*differs;  /* the decision by which cmwq's result is another */
	const char *param; /* of cmwq, without which it has no result */
};

#define CASE(id, says, ...)                                               \
	static void case_##id(void);                                      \
	extern const struct conf_case conf_##id;                          \
	const struct conf_case conf_##id = {                              \
		.name = #id, .fact = says, .fn = case_##id, ##__VA_ARGS__ \
	};                                                                \
	static void case_##id(void)

/* All of them, room by room; made by table.sh. */
extern const struct conf_case *const conf_cases[];
extern const char *const conf_rooms[];
extern const int conf_nr_cases;

/* --- results --- */

void conf_result(const char *what, long value, long want, int line);
void conf_text(const char *what, const char *value, const char *want, int line);
void conf_order(const char *want, bool sorted, int line);
void sort_letters(char *s, int n);
void conf_failed(int line, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void conf_give_up(const char *what, int line) __attribute__((noreturn));

#define RESULT(expr, want) \
	conf_result(#expr, (long)(expr), (long)(want), __LINE__)
/* The same where the expression would not say what it is about. */
#define RESULT_OF(what, value, want) \
	conf_result(what, (long)(value), (long)(want), __LINE__)
#define TEXT(what, value, want) conf_text(what, value, want, __LINE__)
/* The letters of the items in the order in which they started; forgets them. */
#define ORDER(want) conf_order(want, false, __LINE__)
/* The same, sorted: items that may start at the same time. */
#define STARTED(want) conf_order(want, true, __LINE__)

/* --- waiting --- */

void conf_nap(unsigned int *round);
u64 conf_deadline(void);

#define WAIT(cond)                                             \
	do {                                                   \
		u64 until_ = conf_deadline();                  \
		unsigned int round_ = 0;                       \
		while (!(cond)) {                              \
			if (ktime_get_ns() > until_)           \
				conf_give_up(#cond, __LINE__); \
			conf_nap(&round_);                     \
		}                                              \
	} while (0)

/* --- items --- */

struct item {
	struct delayed_work dwork;
	struct item *next;
	char letter;
	bool held;
	struct completion go;
	atomic_t started;
	atomic_t finished;
	atomic_t running;
	atomic_t overlaps;
	atomic_t cpu; /* where it started last, as world_here() */
	atomic_t flag;
	void (*body)(struct item *it); /* called after the start was noted */
	void (*tail)(struct item *it); /* called after it was let go on */
	struct workqueue_struct *wq;   /* for these two */
	struct item *other;
	long saw[8];
};

struct item *item(char letter);
/* Each of its runs waits, asleep, until go() was said once more. */
struct item *held_item(char letter);
void go(struct item *it);
void release(struct item *it); /* hold no run any more */
void item_run(struct work_struct *work);
/* Append a letter to what ORDER() will see. */
void trace(char letter);

static inline struct work_struct *w(struct item *it)
{
	return &it->dwork.work;
}

static inline struct delayed_work *dw(struct item *it)
{
	return &it->dwork;
}

static inline int runs(struct item *it)
{
	return atomic_read(&it->finished);
}

static inline int starts(struct item *it)
{
	return atomic_read(&it->started);
}

static inline bool pending(struct item *it)
{
	return work_busy(w(it)) & WORK_BUSY_PENDING;
}

#define wait_started(it, n)  WAIT(starts(it) >= (n))
#define wait_finished(it, n) WAIT(runs(it) >= (n))
#define wait_idle(it)	     WAIT(!work_busy(w(it)))

/*
 * Let a probe item of @wq go through the pool of CPU @cpu (0 or 1). What was
 * queued on the same pool before, and could start, has started: it is not
 * pending any more.
 */
void settle(struct workqueue_struct *wq, int cpu);

/* Calls that wait, as functions of a thread; they take an item or a workqueue. */
long do_flush_work(void *it);
long do_flush_delayed_work(void *it);
long do_cancel_work_sync(void *it);
long do_cancel_delayed_work_sync(void *it);
long do_disable_work_sync(void *it);
long do_flush_workqueue(void *wq);
long do_drain_workqueue(void *wq);
long do_destroy_workqueue(void *wq);

/* --- for the two worlds' runners --- */

enum verdict {
	CONF_OK,
	CONF_FAILED,
	CONF_SKIPPED
};

struct conf_outcome {
	enum verdict verdict;
	const char *record;
	const char *notes;
};

/* Run it in a new thread, for @limit_ms at most. */
struct conf_outcome conf_run(const struct conf_case *c, unsigned int limit_ms);
const struct conf_case *conf_find(const char *name);

#endif
