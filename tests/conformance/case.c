/* SPDX-License-Identifier: MIT */
/*
 * case.c - running one case, in either world. See case.h.
 *
 * A case that waits in vain gives up: its thread stays where it is for ever, and
 * what it used is not freed. One that hangs in a call is left alone likewise.
 */
#include "case.h"

static struct {
	const struct conf_case *now;
	char record[8192];
	size_t record_len;
	char notes[2048];
	size_t notes_len;
	int failures;
	char trace[512];
	atomic_t traced;
	struct item *items;
	struct thread thread;
	struct completion over;
	bool gave_up;
} conf;

/* --- results --- */

void conf_failed(int line, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	conf.failures++;
	conf.notes_len +=
		(size_t)scnprintf(conf.notes + conf.notes_len,
				  sizeof(conf.notes) - conf.notes_len,
				  "%sline %d: %s", conf.notes_len ? "; " : "",
				  line, what);
}

static void record(const char *what, const char *value)
{
	conf.record_len +=
		(size_t)scnprintf(conf.record + conf.record_len,
				  sizeof(conf.record) - conf.record_len,
				  "%s%s=%s", conf.record_len ? "; " : "", what,
				  value);
}

void conf_result(const char *what, long value, long want, int line)
{
	char text[32];

	scnprintf(text, sizeof(text), "%ld", value);
	record(what, text);
	if (value != want)
		conf_failed(line, "%s is %ld, not %ld", what, value, want);
}

void conf_text(const char *what, const char *value, const char *want, int line)
{
	record(what, value);
	if (strcmp(value, want))
		conf_failed(line, "%s is '%s', not '%s'", what, value, want);
}

void sort_letters(char *s, int n)
{
	int i, j;
	char c;

	for (i = 1; i < n; i++) {
		c = s[i];
		for (j = i; j > 0 && s[j - 1] > c; j--)
			s[j] = s[j - 1];
		s[j] = c;
	}
}

void conf_order(const char *want, bool sorted, int line)
{
	char got[sizeof(conf.trace)];
	int n = atomic_read(&conf.traced);

	if (n > (int)sizeof(got) - 1)
		n = (int)sizeof(got) - 1;
	memcpy(got, conf.trace, (size_t)n);
	got[n] = 0;
	if (sorted)
		sort_letters(got, n);
	atomic_set(&conf.traced, 0);
	conf_text(sorted ? "started" : "order", got, want, line);
}

void trace(char letter)
{
	int at = atomic_inc_return(&conf.traced) - 1;

	if (at < (int)sizeof(conf.trace))
		conf.trace[at] = letter;
}

/* --- waiting --- */

void conf_nap(unsigned int *round)
{
	if (*round < 20)
		usleep_range(50, 100);
	else
		usleep_range(1000, 2000);
	(*round)++;
}

u64 conf_deadline(void)
{
	return ktime_get_ns() + 20000000000ULL;
}

void conf_give_up(const char *what, int line)
{
	conf_failed(line, "waited in vain for %s", what);
	conf.gave_up = true;
	complete(&conf.over);
	for (;;)
		usleep_range(1000000, 2000000);
}

/* --- items --- */

void item_run(struct work_struct *work)
{
	struct item *it = (struct item *)((char *)work -
					  offsetof(struct item, dwork.work));

	if (atomic_inc_return(&it->running) > 1)
		atomic_inc(&it->overlaps);
	trace(it->letter);
	atomic_set(&it->cpu, world_here());
	atomic_inc(&it->started);
	if (it->body)
		it->body(it);
	if (it->held)
		wait_for_completion(&it->go);
	if (it->tail)
		it->tail(it);
	atomic_dec_return(&it->running);
	atomic_inc(&it->finished);
}

struct item *item(char letter)
{
	struct item *it = kzalloc(sizeof(*it), GFP_KERNEL);

	if (!it)
		conf_give_up("memory", __LINE__);
	it->letter = letter;
	INIT_DELAYED_WORK(&it->dwork, item_run);
	init_completion(&it->go);
	atomic_set(&it->cpu, -1);
	it->next = conf.items;
	conf.items = it;
	return it;
}

struct item *held_item(char letter)
{
	struct item *it = item(letter);

	it->held = true;
	return it;
}

void go(struct item *it)
{
	complete(&it->go);
}

void release(struct item *it)
{
	complete_all(&it->go);
}

static void probe_run(struct work_struct *work)
{
	struct item *it = (struct item *)((char *)work -
					  offsetof(struct item, dwork.work));

	atomic_inc(&it->finished);
}

void settle(struct workqueue_struct *wq, int cpu)
{
	struct item *it = item('?');

	INIT_DELAYED_WORK(&it->dwork, probe_run);
	if (!queue_work_on(world_cpu(cpu), wq, w(it)))
		conf_give_up("a probe to be queued", __LINE__);
	wait_finished(it, 1);
}

long do_flush_work(void *it)
{
	return flush_work(w(it));
}

long do_flush_delayed_work(void *it)
{
	return flush_delayed_work(dw(it));
}

long do_cancel_work_sync(void *it)
{
	return cancel_work_sync(w(it));
}

long do_cancel_delayed_work_sync(void *it)
{
	return cancel_delayed_work_sync(dw(it));
}

long do_disable_work_sync(void *it)
{
	return disable_work_sync(w(it));
}

long do_flush_workqueue(void *wq)
{
	flush_workqueue(wq);
	return 1;
}

long do_drain_workqueue(void *wq)
{
	drain_workqueue(wq);
	return 1;
}

long do_destroy_workqueue(void *wq)
{
	destroy_workqueue(wq);
	return 1;
}

/* --- running --- */

/* A run ends in item_run() a little before it does for the workqueue. */
static void check_items(void)
{
	struct item *it;

	for (it = conf.items; it; it = it->next) {
		if (it->letter == '?' || !pending(it)) {
			wait_idle(it);
			continue;
		}
		conf_failed(0, "item %c is left pending", it->letter);
		conf.gave_up = true;
	}
}

static long run_case(void *arg)
{
	const struct conf_case *c = arg;

	c->fn();
	check_items();
	if (warned_already())
		conf_failed(0, "a warning that nobody asked for");
	complete(&conf.over);
	return 0;
}

static void free_items(void)
{
	struct item *it;

	while ((it = conf.items)) {
		conf.items = it->next;
		kfree(it);
	}
}

static const char *cannot(const struct conf_case *c)
{
	const char *why = WORLD(c->kernel_cannot, c->cmwq_cannot);

	if (!why && c->cpus > world_nr_cpus())
		why = "not enough CPUs";
	if (!why && !world_has(c->param))
		why = "a parameter of cmwq is off";
	return why;
}

struct conf_outcome conf_run(const struct conf_case *c, unsigned int limit_ms)
{
	struct conf_outcome out = { CONF_OK, conf.record, conf.notes };
	const char *why = cannot(c);
	u64 until;

	if (why)
		return (struct conf_outcome){ CONF_SKIPPED, "", why };
	memset(&conf, 0, sizeof(conf));
	conf.now = c;
	init_completion(&conf.over);
	warned_already();
	thread_start(&conf.thread, 0, run_case, (void *)c);
	until = ktime_get_ns() + limit_ms * 1000000ULL;
	while (!completion_done(&conf.over)) {
		if (ktime_get_ns() > until) {
			conf_failed(0, "no end after %u ms", limit_ms);
			conf.gave_up = true;
			break;
		}
		usleep_range(200, 1000);
	}
	if (!conf.gave_up) {
		thread_join(&conf.thread);
		free_items();
	}
	if (conf.failures)
		out.verdict = CONF_FAILED;
	return out;
}

const struct conf_case *conf_find(const char *name)
{
	int i;

	for (i = 0; i < conf_nr_cases; i++)
		if (!strcmp(conf_cases[i]->name, name))
			return conf_cases[i];
	return NULL;
}
