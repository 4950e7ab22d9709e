/* SPDX-License-Identifier: MIT */
/*
 * param - the tunables, by name and as fields.
 *
 * One table gives name, field, range; everything else follows from it. Values
 * are read without a lock wherever they are used.
 */
#include "param.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/cmwq.h>

#include "log.h"

struct params params = {
	.cpu_intensive_thresh_us = 10000,
	.stack_kib = 1024,
	.idle_timeout_ms = 300000,
	.idle_ratio = 4,
	.sentinel = 1,
	.tick = 1,
	.hints = 1,
	.recheck = 1,
	.pace = 1,
};

static const struct {
	const char *name;
	_Atomic long *value;
	long min, max;
} table[] = {
	{ "workqueue.cpu_intensive_thresh_us", &params.cpu_intensive_thresh_us,
	  0, 1000000000 },
	{ "workqueue.power_efficient", &params.power_efficient, 0, 1 },
	{ "cmwq.stack_kib", &params.stack_kib, 80, 1 << 20 },
	{ "cmwq.idle_timeout_ms", &params.idle_timeout_ms, 1, INT_MAX },
	{ "cmwq.idle_ratio", &params.idle_ratio, 1, 1 << 20 },
	{ "cmwq.sentinel", &params.sentinel, 0, 1 },
	{ "cmwq.tick", &params.tick, 0, 1 },
	{ "cmwq.hints", &params.hints, 0, 1 },
	{ "cmwq.recheck", &params.recheck, 0, 1 },
	{ "cmwq.pace", &params.pace, 0, 1 },
};

static int find(const char *name)
{
	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].name, name))
			return (int)i;
	return -1;
}

static int set(const char *name, const char *text, long value)
{
	int i = find(name);

	if (i < 0) {
		log_warn("unknown parameter '%s', ignored", name);
		return -ENOENT;
	}
	if (value < table[i].min || value > table[i].max) {
		log_warn("parameter %s: '%s' is not within %ld..%ld, stays %ld",
			 name, text, table[i].min, table[i].max,
			 atomic_load(table[i].value));
		return -ERANGE;
	}
	atomic_store(table[i].value, value);
	return 0;
}

int cmwq_param_set(const char *name, long value)
{
	char text[24];
	unsigned long v =
		value < 0 ? -(unsigned long)value : (unsigned long)value;
	char *p = text + sizeof(text);

	*--p = '\0';
	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	if (value < 0)
		*--p = '-';
	return set(name ? name : "(null)", p, value);
}

int cmwq_param_get(const char *name, long *value)
{
	int i = find(name ? name : "");

	if (i < 0)
		return -ENOENT;
	*value = atomic_load(table[i].value);
	return 0;
}

static void parse_one(char *word)
{
	char *eq = strchr(word, '=');
	char *end;
	long value;

	if (!eq) {
		log_warn("parameter '%s' has no value, ignored", word);
		return;
	}
	*eq = '\0';
	value = strtol(eq + 1, &end, 0);
	if (find(word) >= 0 && (end == eq + 1 || *end)) {
		log_warn("parameter %s: '%s' is not a number, ignored", word,
			 eq + 1);
		return;
	}
	set(word, eq + 1, value);
}

void param_parse(const char *string)
{
	char *copy, *save = NULL;

	if (!string)
		return;
	copy = strdup(string);
	if (!copy)
		return;
	for (char *w = strtok_r(copy, " \t\n,", &save); w;
	     w = strtok_r(NULL, " \t\n,", &save))
		parse_one(w);
	free(copy);
}
