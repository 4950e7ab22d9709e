/* SPDX-License-Identifier: MIT */
/*
 * main.c - options, and the order in which the scenarios run.
 *
 * Runs are interleaved: all scenarios once, then all again, so that a slow
 * minute of the machine spreads over all rows. Exit status: 0, whatever was
 * measured; 1 if a scenario crashed, failed or hung; 2 for wrong usage.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "bench.h"

#define DFL_RUNS 5

enum {
	OPT_CHILD = 256,
	OPT_FD
};

static const struct option options[] = {
	{ "json", required_argument, NULL, 'j' },
	{ "only", required_argument, NULL, 'o' },
	{ "runs", required_argument, NULL, 'r' },
	{ "list", no_argument, NULL, 'l' },
	{ "help", no_argument, NULL, 'h' },
	{ "child", required_argument, NULL, OPT_CHILD },
	{ "fd", required_argument, NULL, OPT_FD },
	{ NULL, 0, NULL, 0 },
};

static void usage(FILE *f)
{
	fputs("Usage: cmwq-bench [--only NAME]... [--runs N] [--json FILE]\n"
	      "       cmwq-bench --list\n"
	      "       cmwq-bench --child NAME\n"
	      "\n"
	      "  --only NAME   only the scenarios whose name starts so, or "
	      "that\n"
	      "                of a row SCENARIO.VALUE; may be repeated. Those "
	      "of\n"
	      "                growth_ run only if they are named\n"
	      "  --runs N      interleaved runs (5; at most 99)\n"
	      "  --json FILE   also write the results, with every sample\n"
	      "  --list        the measures and their targets\n"
	      "  --child NAME  measure once in this very process, without a\n"
	      "                time limit: for profilers and debuggers\n",
	      f);
}

static void list(void)
{
	size_t i;

	for (i = 0; i < nr_rows; i++) {
		printf("%-24s %-38s", rows[i].name, rows[i].text);
		if (rows[i].kind == WORST_AT_MOST_CPUS)
			printf(" <= %g", rows[i].target + nr_cpus());
		else if (rows[i].kind != CONTEXT)
			printf(" <= %g %s", rows[i].target, rows[i].unit);
		putchar('\n');
	}
}

static bool is_selected(const struct report *r, const struct scenario *sc)
{
	size_t i;

	for (i = 0; i < r->nr_sc; i++) {
		if (r->sc[i] == sc)
			return true;
	}
	return false;
}

/* NULL selects all. False if nothing is called so. */
static bool select_scenarios(struct report *r, const char *name)
{
	size_t i, len = name ? strcspn(name, ".") : 0;
	bool found = false;

	for (i = 0; i < nr_scenarios; i++) {
		if (scenarios[i].when == PART ||
		    (!name && scenarios[i].when == ASKED) ||
		    (name && strncmp(scenarios[i].name, name, len)))
			continue;
		/* "block" is a scenario, and not short for "blocked64". */
		if (name && find_scenario(name, len) &&
		    find_scenario(name, len) != &scenarios[i])
			continue;
		found = true;
		if (!is_selected(r, &scenarios[i]))
			r->sc[r->nr_sc++] = &scenarios[i];
	}
	return found;
}

static void prepare(struct report *r)
{
	size_t i, n = nr_rows * (size_t)r->runs;

	if (!r->nr_sc)
		select_scenarios(r, NULL);
	r->sample = malloc(n * sizeof(*r->sample));
	r->problem = calloc(r->nr_sc, sizeof(*r->problem));
	r->skipped = calloc(r->nr_sc, sizeof(*r->skipped));
	if (!r->sample || !r->problem || !r->skipped)
		die("no memory");
	for (i = 0; i < n; i++)
		r->sample[i] = NAN;
}

static void progress(const struct report *r, int run, const char *name)
{
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r\033[Krun %d of %d: %s", run + 1, r->runs,
			name);
}

/* Returns whether all went well. */
static bool run_all(struct report *r)
{
	struct outcome out;
	bool good = true;
	size_t sc;
	int run;

	for (run = 0; run < r->runs; run++) {
		for (sc = 0; sc < r->nr_sc; sc++) {
			progress(r, run, r->sc[sc]->name);
			run_child(r->sc[sc], &out);
			if (out.problem[0]) {
				good = false;
				fprintf(stderr, "\n%s, run %d: %s\n",
					r->sc[sc]->name, run + 1, out.problem);
			}
			report_store(r, sc, run, &out);
		}
	}
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
	return good;
}

static int parse_number(const char *text, int min, int max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*end || end == text || n < min || n > max) {
		fprintf(stderr, "cmwq-bench: %s: not a number from %d to %d\n",
			text, min, max);
		exit(2);
	}
	return (int)n;
}

static void parse(int argc, char **argv, struct report *r)
{
	const char *child = NULL;
	int c, fd = -1;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'j') {
			r->json = optarg;
		} else if (c == 'r') {
			r->runs = parse_number(optarg, 1, MAX_RUNS);
		} else if (c == OPT_CHILD) {
			child = optarg;
		} else if (c == OPT_FD) {
			fd = parse_number(optarg, 0, 1 << 20);
		} else if (c == 'l' || c == 'h') {
			c == 'l' ? list() : usage(stdout);
			exit(0);
		} else if (c != 'o' || !select_scenarios(r, optarg)) {
			if (c == 'o')
				fprintf(stderr,
					"cmwq-bench: no %s; --list "
					"shows what there is\n",
					optarg);
			usage(stderr);
			exit(2);
		}
	}
	if (child)
		exit(child_main(child, fd));
}

int main(int argc, char **argv)
{
	struct report r = { .runs = DFL_RUNS };
	bool good;

	parse(argc, argv, &r);
	prepare(&r);
	if (getloadavg(&r.load, 1) != 1)
		r.load = 0;
	report_header(&r, stdout);
	fflush(stdout);
	good = run_all(&r);
	report_table(&r, stdout);
	if (r.json && report_json(&r))
		good = false;
	free(r.sample);
	free(r.problem);
	free(r.skipped);
	return good ? 0 : 1;
}
