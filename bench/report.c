/* SPDX-License-Identifier: MIT */
/*
 * report.c - medians, the printed table, JSON.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include "bench.h"

#ifdef CMWQ_LOCKDEP
#define BUILD "WITH LOCK CHECKS"
#elif defined(__OPTIMIZE__)
#define BUILD "optimised"
#else
#define BUILD "NOT OPTIMISED"
#endif

struct summary {
	double median, min, max;
	double target; /* NAN: none */
	size_t n;
	bool reached;
};

static const char *value_name(const struct row *row)
{
	return strchr(row->name, '.') + 1;
}

void report_store(struct report *r, size_t sc, int run,
		  const struct outcome *out)
{
	size_t i;

	for (i = 0; i < nr_rows; i++) {
		if (row_is_of(&rows[i], r->sc[sc]))
			outcome_get(
				out, value_name(&rows[i]),
				&r->sample[i * (size_t)r->runs + (size_t)run]);
	}
	if (out->problem[0] && !r->problem[sc][0])
		memcpy(r->problem[sc], out->problem, sizeof(out->problem));
	r->skipped[sc] |= out->skipped;
}

static double row_target(const struct row *row)
{
	switch (row->kind) {
	case CONTEXT:
		return NAN;
	case WORST_AT_MOST_CPUS:
		return row->target + nr_cpus();
	default:
		return row->target;
	}
}

/* A row of a scenario with a problem in any run is not reached. */
static struct summary summarize(const struct report *r, size_t sc, size_t row)
{
	const double *sample = r->sample + row * (size_t)r->runs;
	struct summary s = { NAN, NAN, NAN, row_target(&rows[row]), 0, false };
	double v[MAX_RUNS];
	int i;

	for (i = 0; i < r->runs; i++) {
		if (!isnan(sample[i]))
			v[s.n++] = sample[i];
	}
	if (!s.n)
		return s;
	s.median = median_of(v, s.n);
	s.min = v[0];
	s.max = v[s.n - 1];
	s.reached = !r->problem[sc][0] &&
		    (rows[row].kind == MEDIAN_AT_MOST ? s.median : s.max) <=
			    s.target;
	return s;
}

static void cpu_model(char *buf, size_t size)
{
	FILE *f = fopen("/proc/cpuinfo", "re");
	char line[256];
	char *colon;

	snprintf(buf, size, "unknown CPU");
	while (f && fgets(line, sizeof(line), f)) {
		colon = strstr(line, ": ");
		if (colon && !strncmp(line, "model name", 10)) {
			colon[strcspn(colon, "\n")] = '\0';
			snprintf(buf, size, "%s", colon + 2);
			break;
		}
	}
	if (f)
		fclose(f);
}

static const char *params(void)
{
	const char *p = getenv("CMWQ_PARAMS");

	return p ? p : "";
}

static void date(char *buf, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void report_header(const struct report *r, FILE *f)
{
	char model[128], when[32];
	struct utsname u;

	cpu_model(model, sizeof(model));
	date(when, sizeof(when));
	uname(&u);
	fprintf(f, "machine  %s, %d CPUs\n", model, nr_cpus());
	fprintf(f, "kernel   %s %s %s\n", u.sysname, u.release, u.machine);
	fprintf(f, "date     %s\n", when);
	fprintf(f, "load     %.2f in the minute before\n", r->load);
	fprintf(f, "build    %s, compiler %s\n", BUILD, __VERSION__);
	fprintf(f, "runs     %d, interleaved\n", r->runs);
	if (params()[0])
		fprintf(f, "params   %s\n", params());
	fputc('\n', f);
}

/* Three significant digits, without an exponent; what is whole stays so. */
static const char *number(char *buf, size_t size, double v)
{
	int digits = fabs(v) >= 100 ? 0 : fabs(v) >= 10 ? 1 : 2;

	if (isnan(v))
		snprintf(buf, size, "-");
	else if (v == floor(v) && fabs(v) < 1e9)
		snprintf(buf, size, "%.0f", v);
	else
		snprintf(buf, size, "%.*f", digits, v);
	return buf;
}

static const char *verdict(const struct row *row, const struct summary *s,
			   bool skipped)
{
	if (row->kind == CONTEXT)
		return "";
	if (skipped)
		return "n/a";
	return s->reached ? "yes" : "NO";
}

static void print_row(const struct report *r, size_t sc, size_t row, FILE *f)
{
	struct summary s = summarize(r, sc, row);
	char target[48] = "", num[32], cell[3][40];
	size_t i;
	const double v[] = { s.median, s.min, s.max };

	if (!isnan(s.target))
		snprintf(target, sizeof(target), "<= %s %s",
			 number(num, sizeof(num), s.target), rows[row].unit);
	for (i = 0; i < ARRAY_SIZE(v); i++)
		number(cell[i], sizeof(cell[i]), v[i]);
	fprintf(f, "%-24s %-38s %-10s %8s %8s %8s  %-2s  %s\n", rows[row].name,
		rows[row].text, target, cell[0], cell[1], cell[2],
		rows[row].unit, verdict(&rows[row], &s, r->skipped[sc]));
}

void report_table(const struct report *r, FILE *f)
{
	size_t i, sc;

	fprintf(f, "%-24s %-38s %-10s %8s %8s %8s  %-4s%s\n", "measure", "",
		"target", "median", "min", "max", "", "reached");
	for (sc = 0; sc < r->nr_sc; sc++) {
		for (i = 0; i < nr_rows; i++) {
			if (row_is_of(&rows[i], r->sc[sc]))
				print_row(r, sc, i, f);
		}
		if (r->problem[sc][0])
			fprintf(f, "%-24s %s\n", r->sc[sc]->name,
				r->problem[sc]);
		else if (r->skipped[sc])
			fprintf(f, "%-24s not possible on this machine\n",
				r->sc[sc]->name);
	}
}

static void json_string(FILE *f, const char *s)
{
	fputc('"', f);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', f);
		if ((unsigned char)*s >= ' ')
			fputc(*s, f);
	}
	fputc('"', f);
}

static void json_member(FILE *f, const char *key, const char *value)
{
	fprintf(f, "  \"%s\": ", key);
	json_string(f, value);
	fputs(",\n", f);
}

static void json_number(FILE *f, const char *key, double v)
{
	if (isnan(v))
		fprintf(f, ", \"%s\": null", key);
	else
		fprintf(f, ", \"%s\": %.9g", key, v);
}

static void json_row(const struct report *r, size_t sc, size_t row, FILE *f)
{
	const double *sample = r->sample + row * (size_t)r->runs;
	struct summary s = summarize(r, sc, row);
	const char *comma = "";
	int i;

	fputs("    { \"name\": ", f);
	json_string(f, rows[row].name);
	fputs(", \"unit\": ", f);
	json_string(f, rows[row].unit);
	json_number(f, "target", s.target);
	json_number(f, "median", s.median);
	json_number(f, "min", s.min);
	json_number(f, "max", s.max);
	if (rows[row].kind == CONTEXT || r->skipped[sc])
		fputs(", \"reached\": null", f);
	else
		fprintf(f, ", \"reached\": %s", s.reached ? "true" : "false");
	fputs(", \"samples\": [", f);
	for (i = 0; i < r->runs; i++) {
		if (isnan(sample[i]))
			continue;
		fprintf(f, "%s%.9g", comma, sample[i]);
		comma = ", ";
	}
	fputs("] }", f);
}

static void json_rows(const struct report *r, FILE *f)
{
	const char *comma = "";
	size_t i, sc;

	for (sc = 0; sc < r->nr_sc; sc++) {
		for (i = 0; i < nr_rows; i++) {
			if (!row_is_of(&rows[i], r->sc[sc]))
				continue;
			fprintf(f, "%s\n", comma);
			json_row(r, sc, i, f);
			comma = ",";
		}
	}
}

static void json_problems(const struct report *r, FILE *f)
{
	const char *comma = "";
	size_t sc;

	for (sc = 0; sc < r->nr_sc; sc++) {
		if (!r->problem[sc][0])
			continue;
		fprintf(f, "%s\n    ", comma);
		json_string(f, r->sc[sc]->name);
		fputs(": ", f);
		json_string(f, r->problem[sc]);
		comma = ",";
	}
}

int report_json(const struct report *r)
{
	char model[128], when[32];
	struct utsname u;
	FILE *f = fopen(r->json, "we");

	if (!f) {
		fprintf(stderr, "cmwq-bench: %s: %s\n", r->json,
			strerror(errno));
		return -1;
	}
	cpu_model(model, sizeof(model));
	date(when, sizeof(when));
	uname(&u);
	fputs("{\n", f);
	json_member(f, "machine", model);
	fprintf(f, "  \"cpus\": %d,\n", nr_cpus());
	json_member(f, "kernel", u.release);
	json_member(f, "date", when);
	fprintf(f, "  \"load\": %.2f,\n", r->load);
	json_member(f, "build", BUILD);
	json_member(f, "params", params());
	fprintf(f, "  \"runs\": %d,\n  \"measures\": [", r->runs);
	json_rows(r, f);
	fputs("\n  ],\n  \"problems\": {", f);
	json_problems(r, f);
	fputs("\n  }\n}\n", f);
	return fclose(f) ? -1 : 0;
}
