/* SPDX-License-Identifier: MIT */
/*
 * param - the tunables, by name and as fields.
 *
 * One table gives name, field, range and words; everything else follows from it. Values
 * are read without a lock wherever they are used. One parameter is a text, which is
 * constant from the start on.
 */
#include "param.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>

#include "log.h"
#include "os.h"

struct params params = {
	.cpu_intensive_thresh_us = 10000,
	.cpu_intensive_warning_thresh = 4,
	.default_affinity_scope = WQ_AFFN_CACHE_SHARD,
	.cache_shard_size = 8,
	.watchdog_thresh = 30,
	.stack_kib = 1024,
	.idle_timeout_ms = 300000,
	.idle_ratio = 4,
	.sentinel = 1,
	.tick = 1,
	.hints = 1,
	.recheck = 1,
	.pace = 1,
	.backtrace = 1,
};

const char *const affn_scope_names[WQ_AFFN_NR_TYPES] = {
	[WQ_AFFN_DFL] = "default",
	[WQ_AFFN_CPU] = "cpu",
	[WQ_AFFN_SMT] = "smt",
	[WQ_AFFN_CACHE] = "cache",
	[WQ_AFFN_CACHE_SHARD] = "cache_shard",
	[WQ_AFFN_NUMA] = "numa",
	[WQ_AFFN_SYSTEM] = "system",
};

static const struct {
	const char *name;
	_Atomic long *value;
	long min, max;
	const char *const *words; /* for the values, if they are not numbers */
} table[] = {
	{ "workqueue.cpu_intensive_thresh_us", &params.cpu_intensive_thresh_us,
	  0, 1000000000, NULL },
	{ "workqueue.cpu_intensive_warning_thresh",
	  &params.cpu_intensive_warning_thresh, 0, INT_MAX, NULL },
	{ "workqueue.power_efficient", &params.power_efficient, 0, 1, NULL },
	{ "workqueue.watchdog_thresh", &params.watchdog_thresh, 0, 1000000000,
	  NULL },
	{ "workqueue.panic_on_stall", &params.panic_on_stall, 0, INT_MAX,
	  NULL },
	{ "workqueue.panic_on_stall_time", &params.panic_on_stall_time, 0,
	  1000000000, NULL },
	{ "workqueue.default_affinity_scope", &params.default_affinity_scope,
	  WQ_AFFN_DFL + 1, WQ_AFFN_NR_TYPES - 1, affn_scope_names },
	{ "workqueue.cache_shard_size", &params.cache_shard_size, 1,
	  CMWQ_NR_CPUS, NULL },
	{ "workqueue.debug_force_rr_cpu", &params.debug_force_rr_cpu, 0, 1,
	  NULL },
	{ "cmwq.stack_kib", &params.stack_kib, 80, 1 << 20, NULL },
	{ "cmwq.idle_timeout_ms", &params.idle_timeout_ms, 1, INT_MAX, NULL },
	{ "cmwq.idle_ratio", &params.idle_ratio, 1, 1 << 20, NULL },
	{ "cmwq.sentinel", &params.sentinel, 0, 1, NULL },
	{ "cmwq.tick", &params.tick, 0, 1, NULL },
	{ "cmwq.hints", &params.hints, 0, 1, NULL },
	{ "cmwq.recheck", &params.recheck, 0, 1, NULL },
	{ "cmwq.pace", &params.pace, 0, 1, NULL },
	{ "cmwq.backtrace", &params.backtrace, 0, 1, NULL },
	{ "cmwq.lockdep", &params.lockdep, 0, 1, NULL },
	{ "cmwq.objects", &params.objects, 0, 1, NULL },
};

static const char text_name[] = "workqueue.unbound_cpus";
char param_unbound_cpus[PARAM_TEXT];
void (*param_changed)(void);

static bool is_text(const char *name)
{
	return name && !strcmp(name, text_name);
}

void param_publish(void)
{
	os_check_items(param_get(objects));
}

static int find(const char *name)
{
	for (unsigned int i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (!strcmp(table[i].name, name))
			return (int)i;
	return -1;
}

static int set(int i, const char *text, long value)
{
	if (value < table[i].min || value > table[i].max) {
		log_warn("parameter %s: '%s' is not within %ld..%ld, stays %ld",
			 table[i].name, text, table[i].min, table[i].max,
			 atomic_load(table[i].value));
		return -ERANGE;
	}
	atomic_store(table[i].value, value);
	param_publish();
	return 0;
}

/* -ENOENT, or -EPERM for the text, which is not changed by a call. */
static int find_or_warn(const char *name)
{
	int i = find(name ? name : "");

	if (is_text(name)) {
		log_warn("parameter %s is read at the start; "
			 "cmwq_sysfs_write(\"cpumask\", ...) changes the CPUs",
			 name);
		return -EPERM;
	}
	if (i < 0)
		log_warn("unknown parameter '%s', ignored",
			 name ? name : "(null)");
	return i < 0 ? -ENOENT : i;
}

/* Before the start there is nobody to tell. */
static int changed(int err)
{
	if (!err && param_changed)
		param_changed();
	return err;
}

int cmwq_param_set(const char *name, long value)
{
	int i = find_or_warn(name);
	char text[24];

	if (i < 0)
		return i;
	snprintf(text, sizeof(text), "%ld", value);
	return changed(set(i, text, value));
}

int cmwq_param_get(const char *name, long *value)
{
	int i = find(name ? name : "");

	if (i < 0)
		return is_text(name) ? -EINVAL : -ENOENT;
	if (!value)
		return -EINVAL;
	*value = atomic_load(table[i].value);
	return 0;
}

int cmwq_param_get_string(const char *name, char *buf, size_t size)
{
	int i = find(name ? name : "");
	long value;

	if (i < 0 && !is_text(name))
		return -ENOENT;
	if (size && !buf)
		return -EINVAL;
	if (is_text(name))
		return snprintf(buf, size, "%s", param_unbound_cpus);
	value = atomic_load(table[i].value);
	if (table[i].words)
		return snprintf(buf, size, "%s", table[i].words[value]);
	return snprintf(buf, size, "%ld", value);
}

/* A word of the table's range: numbers are not understood here. */
static int set_word(int i, const char *text)
{
	char all[128] = "";
	size_t len = 0;

	for (long w = table[i].min; w <= table[i].max; w++) {
		if (!strcasecmp(text, table[i].words[w]))
			return set(i, text, w);
		len += (size_t)snprintf(all + len, sizeof(all) - len, " %s",
					table[i].words[w]);
	}
	log_warn("parameter %s: '%s' is none of%s, ignored", table[i].name,
		 text, all);
	return -EINVAL;
}

static int set_text(int i, const char *text)
{
	char *end;
	long value;

	if (table[i].words)
		return set_word(i, text);
	value = strtol(text, &end, 0);
	if (end == text || *end) {
		log_warn("parameter %s: '%s' is not a number, ignored",
			 table[i].name, text);
		return -EINVAL;
	}
	return set(i, text, value);
}

int cmwq_param_set_string(const char *name, const char *value)
{
	int i = find_or_warn(name);

	return i < 0 ? i : changed(set_text(i, value ? value : ""));
}

int affn_scope_parse(const char *name)
{
	for (int i = 0; i < WQ_AFFN_NR_TYPES; i++)
		if (!strcasecmp(name, affn_scope_names[i]))
			return i;
	return -EINVAL;
}

static void add_text(const char *text, bool first)
{
	size_t len = first ? 0 : strlen(param_unbound_cpus);
	char *end = param_unbound_cpus + len;

	if ((size_t)snprintf(end, PARAM_TEXT - len, first ? "%s" : ",%s",
			     text) >= PARAM_TEXT - len) {
		log_warn("parameter %s: more than %d characters, ignored",
			 text_name, PARAM_TEXT - 1);
		param_unbound_cpus[0] = '\0';
	}
}

/* A list of CPUs has commas, which are taken for the ends of words. */
static void parse_one(char *word)
{
	static bool in_list;
	char *eq = strchr(word, '=');
	int i;

	if (!eq && in_list) {
		add_text(word, false);
		return;
	}
	in_list = false;
	if (!eq) {
		log_warn("parameter '%s' has no value, ignored", word);
		return;
	}
	*eq = '\0';
	in_list = is_text(word);
	if (in_list) {
		add_text(eq + 1, true);
		return;
	}
	i = find_or_warn(word);
	if (i >= 0)
		set_text(i, eq + 1);
}

/* Call @fn for each word of a list. */
static void parse_list(const char *string, void (*fn)(char *word))
{
	char *copy, *save = NULL;

	if (!string)
		return;
	copy = strdup(string);
	if (!copy)
		return;
	for (char *w = strtok_r(copy, " \t\n,", &save); w;
	     w = strtok_r(NULL, " \t\n,", &save))
		fn(w);
	free(copy);
}

void param_parse(const char *string)
{
	parse_list(string, parse_one);
}

static void parse_check(char *word)
{
	if (!strcmp(word, "lockdep"))
		cmwq_param_set("cmwq.lockdep", 1);
	else if (!strcmp(word, "objects"))
		cmwq_param_set("cmwq.objects", 1);
	else
		log_warn("CMWQ_DEBUG: '%s' is no check, ignored; there are "
			 "lockdep and objects",
			 word);
}

void param_parse_debug(const char *string)
{
	parse_list(string, parse_check);
}
