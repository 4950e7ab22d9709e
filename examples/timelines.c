/* SPDX-License-Identifier: MIT */
/*
 * timelines.c - the four example schedules of the kernel's workqueue document
 * ("Example Execution Scenarios" in Documentation/core-api/workqueue.rst),
 * run for real, checked and drawn.
 *
 *	timelines [--svg FILE] [--runs N]
 *
 * Three items are queued in the order w0, w1, w2 on one CPU. w0 burns 5 ms of
 * CPU time, sleeps 10 ms and burns 5 ms; w1 and w2 burn 5 ms and sleep 10 ms.
 * What differs from scenario to scenario is the queue.
 *
 * What is checked is who starts while who sleeps, burns or has finished, and
 * never how many milliseconds something took: these facts hold on a slow
 * machine too, and with blocking detected only by the 4 ms tick. Two kinds:
 *
 *  - laws hold whatever else the machine does: every item runs once, and no
 *    more than max_active are under way. Breaking one ends the program.
 *  - facts can be spoilt by other programs on the CPU, for instance when w1
 *    gets no CPU time while w0 sleeps. Then the scenario runs again, at most
 *    --runs times.
 *
 * Exit status: 0 if all four scenarios checked out, 1 if not, 2 for bad usage.
 *
 * The items of a run are written by the worker threads and read by main()
 * after flush_work(), which orders the two.
 */
#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmwq/workqueue.h>

#define NSEC_PER_MSEC 1000000
#define BURN_NS	      (5 * NSEC_PER_MSEC)
#define SLEEP_NS      (10 * NSEC_PER_MSEC)

/* Off the CPU for longer than this while burning: drawn as waiting for it. */
#define GAP_NS	 75000
#define MAX_GAPS 128

#define DFL_RUNS 20
#define COLUMNS	 56 /* of a lane in text, one per ms */
#define MAX_CPUS 8192

enum {
	W0,
	W1,
	W2,
	NR_ITEMS
};
enum {
	START,
	SLEEP,
	WAKE,
	FINISH,
	NR_EVENTS
};

struct span {
	int64_t from;
	int64_t to;
};

struct item {
	struct work_struct work;
	int nr;
	unsigned int calls;
	bool strayed; /* seen on another CPU than it was queued on */
	int64_t at[NR_EVENTS];
	int nr_gaps;
	struct span gap[MAX_GAPS];
};

struct fact {
	const char *text;
	bool (*holds)(const struct item *w);
};

#define MAX_FACTS 3

struct scenario {
	const char *title;
	int max_active;
	bool intensive; /* w1 and w2 go to a WQ_CPU_INTENSIVE queue */
	struct fact fact[MAX_FACTS + 1];
	int doc_ms[NR_ITEMS][NR_EVENTS]; /* the document's schedule */

	int runs; /* how many it took */
	struct item w[NR_ITEMS];
};

enum verdict {
	CHECKED_OUT,
	SPOILT,
	BROKEN
};

static int64_t t0; /* when w0 was queued */
static int home;   /* the CPU everything is queued on */

/* ---- the items -------------------------------------------------------- */

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000 * NSEC_PER_MSEC + ts.tv_nsec;
}

static int64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC) - t0;
}

static void mark(struct item *item, int event)
{
	item->at[event] = now();
	if (sched_getcpu() != home)
		item->strayed = true;
}

/* CPU time, not wall-clock time: two items that share the CPU take longer. */
static void burn(struct item *item)
{
	int64_t end = clock_ns(CLOCK_THREAD_CPUTIME_ID) + BURN_NS;
	int64_t last = now();

	while (clock_ns(CLOCK_THREAD_CPUTIME_ID) < end) {
		int64_t t = now();

		if (t - last > GAP_NS && item->nr_gaps < MAX_GAPS)
			item->gap[item->nr_gaps++] = (struct span){ last, t };
		last = t;
	}
}

static void nap(void)
{
	struct timespec ts = { 0, SLEEP_NS };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static void run_item(struct work_struct *work)
{
	struct item *item = from_work(item, work, work);

	item->calls++;
	mark(item, START);
	burn(item);
	mark(item, SLEEP);
	nap();
	mark(item, WAKE);
	if (item->nr == W0)
		burn(item);
	mark(item, FINISH);
}

/* ---- what the document says ------------------------------------------- */

static bool sleeps_at(const struct item *item, int64_t t)
{
	return t >= item->at[SLEEP] && t <= item->at[WAKE];
}

static bool w1_after_w0(const struct item *w)
{
	return w[W1].at[START] >= w[W0].at[FINISH];
}

static bool w2_after_w1(const struct item *w)
{
	return w[W2].at[START] >= w[W1].at[FINISH];
}

static bool w1_while_w0_sleeps(const struct item *w)
{
	return sleeps_at(&w[W0], w[W1].at[START]);
}

static bool w2_while_w1_sleeps(const struct item *w)
{
	return sleeps_at(&w[W1], w[W2].at[START]);
}

static bool w2_beside_w1(const struct item *w)
{
	return w[W2].at[START] >= w[W0].at[SLEEP] &&
	       w[W2].at[START] <= w[W1].at[SLEEP];
}

static bool w2_after_first(const struct item *w)
{
	return w[W2].at[START] >= w[W0].at[FINISH] ||
	       w[W2].at[START] >= w[W1].at[FINISH];
}

/*
 * Once w0 or w1 has finished, w2 may start as soon as the other one does not
 * burn. "Soon" is less than a burn: by then the CPU would have been wasted.
 */
static bool w2_soon(const struct item *w)
{
	bool w0_first = w[W0].at[FINISH] <= w[W1].at[FINISH];
	const struct item *first = w0_first ? &w[W0] : &w[W1];
	const struct item *other = w0_first ? &w[W1] : &w[W0];
	int64_t free_at = first->at[FINISH];

	if (free_at < other->at[SLEEP])
		free_at = other->at[SLEEP];
	else if (free_at > other->at[WAKE])
		free_at = other->at[FINISH];
	return w[W2].at[START] - free_at < BURN_NS;
}

static struct scenario scenarios[] = {
	{
		.title = "one item at a time: per-CPU queue, max_active 1",
		.max_active = 1,
		.fact = {
			{ "w1 starts after w0 has finished", w1_after_w0 },
			{ "w2 starts after w1 has finished", w2_after_w1 },
		},
		.doc_ms = {
			{ 0, 5, 15, 20 },
			{ 20, 25, 35, 35 },
			{ 35, 40, 50, 50 },
		},
	},
	{
		.title = "per-CPU queue, max_active 3",
		.max_active = 3,
		.fact = {
			{ "w1 starts while w0 sleeps", w1_while_w0_sleeps },
			{ "w2 starts while w1 sleeps", w2_while_w1_sleeps },
		},
		.doc_ms = {
			{ 0, 5, 15, 20 },
			{ 5, 10, 20, 20 },
			{ 10, 15, 25, 25 },
		},
	},
	{
		.title = "per-CPU queue, max_active 2",
		.max_active = 2,
		.fact = {
			{ "w1 starts while w0 sleeps", w1_while_w0_sleeps },
			{ "w2 waits until w0 or w1 has finished",
			  w2_after_first },
			{ "w2 starts as soon as the CPU is free then",
			  w2_soon },
		},
		.doc_ms = {
			{ 0, 5, 15, 20 },
			{ 5, 10, 20, 20 },
			{ 20, 25, 35, 35 },
		},
	},
	{
		.title = "w0 on a per-CPU queue, w1 and w2 on a "
			 "WQ_CPU_INTENSIVE one",
		.max_active = 3,
		.intensive = true,
		.fact = {
			{ "w1 starts while w0 sleeps", w1_while_w0_sleeps },
			{ "w2 starts beside w1, before w1 sleeps",
			  w2_beside_w1 },
		},
		.doc_ms = {
			{ 0, 5, 15, 20 },
			{ 5, 10, 20, 20 },
			{ 5, 15, 25, 25 },
		},
	},
};

#define NR_SCENARIOS ((int)(sizeof(scenarios) / sizeof(scenarios[0])))

/* ---- running and checking --------------------------------------------- */

static struct workqueue_struct *make_queue(const char *name, unsigned int flags,
					   int max_active)
{
	struct workqueue_struct *wq;

	wq = alloc_workqueue("%s", WQ_PERCPU | flags, max_active, name);
	if (!wq) {
		fprintf(stderr, "timelines: no memory for a workqueue\n");
		exit(1);
	}
	return wq;
}

static void run_once(struct scenario *s)
{
	struct workqueue_struct *q0 = make_queue("q0", 0, s->max_active);
	struct workqueue_struct *q1 = q0;

	if (s->intensive)
		q1 = make_queue("q1", WQ_CPU_INTENSIVE, s->max_active);
	memset(s->w, 0, sizeof(s->w));
	for (int i = 0; i < NR_ITEMS; i++) {
		INIT_WORK(&s->w[i].work, run_item);
		s->w[i].nr = i;
	}
	t0 = clock_ns(CLOCK_MONOTONIC);
	for (int i = 0; i < NR_ITEMS; i++)
		queue_work_on(home, i == W0 ? q0 : q1, &s->w[i].work);
	for (int i = 0; i < NR_ITEMS; i++)
		flush_work(&s->w[i].work);
	if (q1 != q0)
		destroy_workqueue(q1);
	destroy_workqueue(q0);
}

static int most_at_once(const struct item *w)
{
	int most = 0;

	for (int i = 0; i < NR_ITEMS; i++) {
		int n = 0;

		for (int j = 0; j < NR_ITEMS; j++)
			n += w[j].at[START] <= w[i].at[START] &&
			     w[j].at[FINISH] > w[i].at[START];
		if (n > most)
			most = n;
	}
	return most;
}

static bool all_at_home(const struct item *w)
{
	return !w[W0].strayed && !w[W1].strayed && !w[W2].strayed;
}

static enum verdict check(const struct scenario *s)
{
	for (int i = 0; i < NR_ITEMS; i++)
		if (s->w[i].calls != 1)
			return BROKEN;
	if (most_at_once(s->w) > s->max_active)
		return BROKEN;
	if (!all_at_home(s->w))
		return SPOILT;
	for (const struct fact *f = s->fact; f->text; f++)
		if (!f->holds(s->w))
			return SPOILT;
	return CHECKED_OUT;
}

static enum verdict run_scenario(struct scenario *s, int max_runs)
{
	enum verdict verdict = SPOILT;

	for (s->runs = 0; verdict == SPOILT && s->runs < max_runs; s->runs++) {
		run_once(s);
		verdict = check(s);
	}
	return verdict;
}

/* ---- text ------------------------------------------------------------- */

static double ms(int64_t ns)
{
	return (double)ns / NSEC_PER_MSEC;
}

static bool in_gap(const struct item *item, int64_t t)
{
	for (int i = 0; i < item->nr_gaps; i++)
		if (t >= item->gap[i].from && t < item->gap[i].to)
			return true;
	return false;
}

static char glyph(const struct item *item, int64_t t)
{
	if (t < item->at[START] || t >= item->at[FINISH])
		return ' ';
	if (t >= item->at[SLEEP] && t < item->at[WAKE])
		return '.';
	return in_gap(item, t) ? '-' : '#';
}

static void print_item(const struct item *item)
{
	char lane[COLUMNS + 1];

	for (int i = 0; i < COLUMNS; i++)
		lane[i] = glyph(item,
				(int64_t)i * NSEC_PER_MSEC + NSEC_PER_MSEC / 2);
	lane[COLUMNS] = '\0';
	printf("  w%d %5.1f %5.1f %5.1f %6.1f  |%s\n", item->nr,
	       ms(item->at[START]), ms(item->at[SLEEP]), ms(item->at[WAKE]),
	       ms(item->at[FINISH]), lane);
}

static void print_fact(bool ok, const char *text)
{
	printf("  %s  %s\n", ok ? "ok " : "NOT", text);
}

static void print_scenario(const struct scenario *s)
{
	char text[80];

	printf("(%c) %s\n", (char)('a' + (s - scenarios)), s->title);
	printf("     start sleep  wake finish  |0        10        20        "
	       "30        40        50 ms\n");
	for (int i = 0; i < NR_ITEMS; i++)
		print_item(&s->w[i]);
	for (int i = 0; i < NR_ITEMS; i++)
		if (s->w[i].calls != 1)
			printf("  NOT  w%d runs once: it ran %u times\n", i,
			       s->w[i].calls);
	snprintf(text, sizeof(text), "at most %d under way at once",
		 s->max_active);
	print_fact(most_at_once(s->w) <= s->max_active, text);
	snprintf(text, sizeof(text), "all on CPU %d", home);
	print_fact(all_at_home(s->w), text);
	for (const struct fact *f = s->fact; f->text; f++)
		print_fact(f->holds(s->w), f->text);
	printf("  runs taken: %d\n\n", s->runs);
}

/* ---- picture ---------------------------------------------------------- */

/* One panel per scenario, one lane per item, one time axis for all. The colours
 * are of middle brightness, so that it reads on white and on black. */
enum {
	LEFT = 36,
	PLOT = 740,
	WIDTH = LEFT + PLOT + 16,
	LEGEND_Y = 16,
	TOP = 36,
	TITLE = 22,
	LANE = 24,
	BAR = 14,
	PANEL = TITLE + NR_ITEMS * LANE + 14,
	AXIS = 28,
	HEIGHT = TOP + 4 * PANEL + AXIS,
};

static const char *const colour[NR_ITEMS] = { "#3d85c6", "#d9822b", "#3f9e5f" };
static const char *const grey = "#78818b";

enum look {
	BURNS,
	SLEEPS,
	WAITS,
	NR_LOOKS
};
static const char *const looks[NR_LOOKS] = {
	"",
	" fill-opacity=\".18\" stroke-width=\".8\"",
	" fill-opacity=\"0\" stroke-width=\".8\" stroke-dasharray=\"2 2\"",
};

struct picture {
	FILE *f;
	int axis_ms; /* what PLOT stands for */
};

static double x_of(const struct picture *p, double t_ms)
{
	return LEFT + t_ms * PLOT / p->axis_ms;
}

static void draw_text(const struct picture *p, double x, double y,
		      const char *more, const char *text)
{
	fprintf(p->f, "<text x=\"%.1f\" y=\"%.1f\"%s>%s</text>\n", x, y, more,
		text);
}

static void draw_line(const struct picture *p, double x1, double y1, double x2,
		      double y2, const char *more)
{
	fprintf(p->f, "<path d=\"M%.1f %.1fL%.1f %.1f\" stroke=\"%s\"%s/>\n",
		x1, y1, x2, y2, grey, more);
}

static void draw_box(const struct picture *p, double x1, double x2, double y,
		     int nr, enum look look)
{
	/* A sleep of no time at all, and its end, need no box. */
	if (x2 - x1 < 0.4)
		return;
	fprintf(p->f,
		"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" "
		"fill=\"%s\" stroke=\"%s\"%s/>\n",
		x1, y, x2 - x1, BAR, colour[nr], colour[nr], looks[look]);
}

static void draw_span(const struct picture *p, const struct item *item,
		      double y, int64_t from, int64_t to, enum look look)
{
	draw_box(p, x_of(p, ms(from)), x_of(p, ms(to)), y, item->nr, look);
}

/* From @from to @to the item burns, but for the gaps, in which it waits. */
static void draw_burn(const struct picture *p, const struct item *item,
		      double y, int64_t from, int64_t to)
{
	for (int i = 0; i < item->nr_gaps; i++) {
		const struct span *gap = &item->gap[i];

		if (gap->from < from || gap->to > to)
			continue;
		draw_span(p, item, y, from, gap->from, BURNS);
		draw_span(p, item, y, gap->from, gap->to, WAITS);
		from = gap->to;
	}
	draw_span(p, item, y, from, to, BURNS);
}

/* The document's schedule: a thick line where it burns, thin where it sleeps. */
static void draw_doc(const struct picture *p, const int *doc_ms, double y)
{
	double x[NR_EVENTS];

	for (int i = 0; i < NR_EVENTS; i++)
		x[i] = x_of(p, doc_ms[i]);
	draw_line(p, x[START], y, x[SLEEP], y, " stroke-width=\"3\"");
	draw_line(p, x[SLEEP], y, x[WAKE], y, "");
	draw_line(p, x[WAKE], y, x[FINISH], y, " stroke-width=\"3\"");
}

static void draw_lane(const struct picture *p, const struct item *item,
		      const int *doc_ms, double y)
{
	char name[8];

	snprintf(name, sizeof(name), "w%d", item->nr);
	draw_text(p, LEFT - 6, y + 11, " text-anchor=\"end\"", name);
	draw_line(p, LEFT, y + 7, x_of(p, ms(item->at[START])), y + 7,
		  " stroke-dasharray=\"1 4\"");
	draw_burn(p, item, y, item->at[START], item->at[SLEEP]);
	draw_span(p, item, y, item->at[SLEEP], item->at[WAKE], SLEEPS);
	draw_burn(p, item, y, item->at[WAKE], item->at[FINISH]);
	draw_doc(p, doc_ms, y + BAR + 4);
}

static void draw_scenario(const struct picture *p, const struct scenario *s)
{
	int nr = (int)(s - scenarios);
	double y = TOP + nr * PANEL;
	char title[128];

	snprintf(title, sizeof(title), "(%c) %s", (char)('a' + nr), s->title);
	draw_text(p, LEFT, y + 12, " font-weight=\"bold\"", title);
	for (int i = 0; i < NR_ITEMS; i++)
		draw_lane(p, &s->w[i], s->doc_ms[i], y + TITLE + i * LANE);
}

static void draw_axis(const struct picture *p)
{
	int step = p->axis_ms <= 80 ? 5 : p->axis_ms / 100 * 10 + 10;
	double bottom = TOP + NR_SCENARIOS * PANEL;

	for (int t = 0; t <= p->axis_ms; t += step) {
		char label[16];

		draw_line(p, x_of(p, t), TOP + TITLE - 4, x_of(p, t),
			  bottom - 4, " stroke-opacity=\".25\"");
		snprintf(label, sizeof(label), t ? "%d" : "%d ms", t);
		draw_text(p, x_of(p, t), bottom + 10, " text-anchor=\"middle\"",
			  label);
	}
}

static void draw_legend(const struct picture *p)
{
	static const char *const names[NR_LOOKS] = { "burns CPU", "sleeps",
						     "waits for the CPU" };
	double x = LEFT;
	double y = LEGEND_Y - 11;

	for (int i = 0; i < NR_LOOKS; i++) {
		draw_box(p, x, x + 28, y, W0, (enum look)i);
		draw_text(p, x + 34, LEGEND_Y, "", names[i]);
		x += 58 + 6.5 * (double)strlen(names[i]);
	}
	draw_line(p, x, y + 7, x + 28, y + 7, " stroke-dasharray=\"1 4\"");
	draw_text(p, x + 34, LEGEND_Y, "", "queued");
	x += 96;
	draw_line(p, x, y + 7, x + 14, y + 7, " stroke-width=\"3\"");
	draw_line(p, x + 14, y + 7, x + 28, y + 7, "");
	draw_text(p, x + 34, LEGEND_Y, "", "the document's schedule");
}

static int longest_ms(void)
{
	int64_t longest = 0;

	for (int i = 0; i < NR_SCENARIOS; i++)
		for (int j = 0; j < NR_ITEMS; j++)
			if (scenarios[i].w[j].at[FINISH] > longest)
				longest = scenarios[i].w[j].at[FINISH];
	return (int)(longest / NSEC_PER_MSEC) + 1;
}

static bool draw(const char *name)
{
	struct picture p = { .f = fopen(name, "w") };
	bool ok;

	if (!p.f)
		return false;
	p.axis_ms = (longest_ms() + 4) / 5 * 5;
	fprintf(p.f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\" fill=\"%s\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n"
		"<title>Three work items on one CPU, four queues</title>\n",
		WIDTH, HEIGHT, WIDTH, HEIGHT, grey);
	draw_legend(&p);
	draw_axis(&p);
	for (int i = 0; i < NR_SCENARIOS; i++)
		draw_scenario(&p, &scenarios[i]);
	fprintf(p.f, "</svg>\n");
	ok = !ferror(p.f);
	return !fclose(p.f) && ok;
}

/* ---- main ------------------------------------------------------------- */

/* The last CPU we may use: the first ones tend to serve the interrupts. */
static int last_cpu(void)
{
	cpu_set_t *set = CPU_ALLOC(MAX_CPUS);
	int last = sched_getcpu();

	if (set && !sched_getaffinity(0, CPU_ALLOC_SIZE(MAX_CPUS), set))
		for (int cpu = 0; cpu < MAX_CPUS; cpu++)
			if (CPU_ISSET_S(cpu, CPU_ALLOC_SIZE(MAX_CPUS), set))
				last = cpu;
	CPU_FREE(set);
	return last;
}

static int usage(void)
{
	fprintf(stderr, "usage: timelines [--svg FILE] [--runs N]\n");
	return 2;
}

static int run_all(int max_runs)
{
	int failed = 0;

	home = last_cpu();
	workqueue_init();
	for (int i = 0; i < NR_SCENARIOS; i++) {
		enum verdict verdict = run_scenario(&scenarios[i], max_runs);

		print_scenario(&scenarios[i]);
		failed += verdict != CHECKED_OUT;
		if (verdict == BROKEN)
			break;
	}
	return failed;
}

int main(int argc, char **argv)
{
	const char *svg = NULL;
	int max_runs = DFL_RUNS;

	for (int i = 1; i < argc; i += 2) {
		if (i + 1 == argc)
			return usage();
		if (!strcmp(argv[i], "--svg"))
			svg = argv[i + 1];
		else if (!strcmp(argv[i], "--runs"))
			max_runs = atoi(argv[i + 1]);
		else
			return usage();
	}
	if (max_runs < 1)
		return usage();
	if (run_all(max_runs)) {
		fprintf(stderr, "timelines: not as the document says\n");
		return 1;
	}
	if (svg && !draw(svg)) {
		perror(svg);
		return 1;
	}
	return 0;
}
