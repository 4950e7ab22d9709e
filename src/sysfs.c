/* SPDX-License-Identifier: MIT */
/*
 * sysfs - workqueues with files, as below /sys/devices/virtual/workqueue.
 *
 * A process has no place in that tree, so what the kernel shows there is read and
 * written by two calls. Names and formats of the files are the kernel's. Nothing
 * is kept: a file is a name and the functions that show and store the value.
 *
 * All of it is done under the registry lock, so a workqueue that has been found
 * stays.
 */
#include "sysfs.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>

#include "apply.h"
#include "attrs.h"
#include "life.h"
#include "log.h"
#include "param.h"
#include "queue.h"
#include "unbound.h"

/* What has been read: as much as there is room for, and how long it is. */
struct out {
	char *buf;
	size_t size;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void add(struct out *out,
						      const char *fmt, ...)
{
	size_t left = out->len < out->size ? out->size - out->len : 0;
	va_list ap;

	va_start(ap, fmt);
	out->len += (size_t)vsnprintf(left ? out->buf + out->len : NULL, left,
				      fmt, ap);
	va_end(ap);
}

/* Eight digits and a comma for 32 CPUs. */
static void add_mask(struct out *out, const struct cpumask *mask)
{
	char hex[CMWQ_NR_CPUS / 32 * 9 + 1];

	cpumask_scnprintf(hex, sizeof(hex), mask);
	add(out, "%s\n", hex);
}

/* Like the kernel's "%d": a number, whatever stands behind it. But one that is too
 * large for an int is none, rather than what is left of it. */
static bool number(const char *text, int *value)
{
	char *end;
	long all = strtol(text, &end, 10);

	if (end == text || all < INT_MIN || all > INT_MAX)
		return false;
	*value = (int)all;
	return true;
}

/* Its first word, in @word. */
static bool first_word(const char *text, char word[32])
{
	return sscanf(text, "%31s", word) == 1;
}

/* --- the files of a workqueue --- */

static void show_per_cpu(struct workqueue_struct *wq, struct out *out)
{
	add(out, "%d\n", !(wq->flags & WQ_UNBOUND));
}

static void show_max_active(struct workqueue_struct *wq, struct out *out)
{
	add(out, "%d\n", wq->max_active);
}

static int store_max_active(struct workqueue_struct *wq, const char *text)
{
	int value;

	if (!number(text, &value) || value <= 0)
		return -EINVAL;
	workqueue_set_max_active(wq, value);
	return 0;
}

static void show_nice(struct workqueue_struct *wq, struct out *out)
{
	add(out, "%d\n", wq->attrs->nice);
}

static void show_cpumask(struct workqueue_struct *wq, struct out *out)
{
	add_mask(out, wq->attrs->cpumask);
}

static void show_scope(struct workqueue_struct *wq, struct out *out)
{
	enum wq_affn_scope scope = wq->attrs->affn_scope;

	if (scope == WQ_AFFN_DFL)
		add(out, "%s (%s)\n", affn_scope_names[scope],
		    affn_scope_names[attrs_scope(scope)]);
	else
		add(out, "%s\n", affn_scope_names[scope]);
}

static void show_strict(struct workqueue_struct *wq, struct out *out)
{
	add(out, "%d\n", wq->attrs->affn_strict);
}

/* They change one attribute in a copy of all. */
static int parse_nice(struct workqueue_attrs *attrs, const char *text)
{
	return number(text, &attrs->nice) && !attrs_defect(attrs) ? 0 : -EINVAL;
}

static int parse_cpumask(struct workqueue_attrs *attrs, const char *text)
{
	return cpumask_parse(text, attrs->cpumask);
}

static int parse_scope(struct workqueue_attrs *attrs, const char *text)
{
	char word[32];
	int scope = first_word(text, word) ? affn_scope_parse(word) : -EINVAL;

	if (scope < 0)
		return scope;
	attrs->affn_scope = (enum wq_affn_scope)scope;
	return 0;
}

static int parse_strict(struct workqueue_attrs *attrs, const char *text)
{
	int value;

	if (!number(text, &value))
		return -EINVAL;
	attrs->affn_strict = value;
	return 0;
}

static const struct file {
	const char *name;
	bool unbound_only;
	void (*show)(struct workqueue_struct *wq, struct out *out);
	int (*store)(struct workqueue_struct *wq, const char *text);
	int (*parse)(struct workqueue_attrs *attrs, const char *text);
} files[] = {
	{ .name = "per_cpu", .show = show_per_cpu },
	{ .name = "max_active",
	  .show = show_max_active,
	  .store = store_max_active },
	{ .name = "nice",
	  .unbound_only = true,
	  .show = show_nice,
	  .parse = parse_nice },
	{ .name = "cpumask",
	  .unbound_only = true,
	  .show = show_cpumask,
	  .parse = parse_cpumask },
	{ .name = "affinity_scope",
	  .unbound_only = true,
	  .show = show_scope,
	  .parse = parse_scope },
	{ .name = "affinity_strict",
	  .unbound_only = true,
	  .show = show_strict,
	  .parse = parse_strict },
};

#define for_each_file(file, table) \
	for ((file) = (table);     \
	     (file) < (table) + sizeof(table) / sizeof(*(table)); (file)++)

static bool has_file(struct workqueue_struct *wq, const struct file *file)
{
	return !file->unbound_only || wq->flags & WQ_UNBOUND;
}

static int store_attr(struct workqueue_struct *wq, const struct file *file,
		      const char *text)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	int err = -ENOMEM;

	if (attrs) {
		attrs_copy(attrs, wq->attrs);
		err = file->parse(attrs, text);
		if (!err)
			err = apply_attrs(wq, attrs);
	}
	free_workqueue_attrs(attrs);
	return err;
}

/* --- the files at the top --- */

static void show_isolated(struct out *out)
{
	cpumask_var_t isolated;

	if (!alloc_cpumask_var(&isolated, 0))
		return;
	cpumask_andnot(isolated, cpu_possible_mask,
		       unbound_mask(UNBOUND_HOUSEKEEPING));
	add_mask(out, isolated);
	free_cpumask_var(isolated);
}

static void show_requested(struct out *out)
{
	add_mask(out, unbound_mask(UNBOUND_REQUESTED));
}

static void show_may_use(struct out *out)
{
	add_mask(out, unbound_mask(UNBOUND_MAY_USE));
}

static int store_requested(const char *text)
{
	cpumask_var_t mask;
	int err;

	if (!zalloc_cpumask_var(&mask, 0))
		return -ENOMEM;
	err = cpumask_parse(text, mask);
	if (!err && cpumask_empty(mask))
		err = -EINVAL;
	if (!err)
		err = apply_mask(UNBOUND_REQUESTED, mask);
	free_cpumask_var(mask);
	return err;
}

static const struct top_file {
	const char *name;
	void (*show)(struct out *out);
	int (*store)(const char *text);
} top_files[] = {
	{ "cpumask", show_may_use, store_requested },
	{ "cpumask_isolated", show_isolated, NULL },
	{ "cpumask_requested", show_requested, NULL },
};

/* --- paths --- */

/* A slash in a name would be another directory; as the kernel does, it is '!'. */
static bool is_named(const struct workqueue_struct *wq, const char *name,
		     size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] != (wq->name[i] == '/' ? '!' : wq->name[i]))
			return false;
	return !wq->name[len];
}

static struct workqueue_struct *find(const char *name, size_t len)
	REQUIRES(registry_lock)
{
	struct workqueue_struct *wq;

	for_each_wq(wq) if (wq->sysfs && is_named(wq, name, len)) return wq;
	return NULL;
}

static const struct top_file *find_top(const char *name)
{
	const struct top_file *file;

	for_each_file(file,
		      top_files) if (!strcmp(file->name, name)) return file;
	return NULL;
}

static const struct file *find_file(struct workqueue_struct *wq,
				    const char *name)
{
	const struct file *file;

	for_each_file(file, files) if (has_file(wq, file) &&
				       !strcmp(file->name, name)) return file;
	return NULL;
}

int sysfs_add(struct workqueue_struct *wq)
{
	char name[WQ_NAME_LEN];
	size_t len = strlen(wq->name);

	for (size_t i = 0; i <= len; i++)
		name[i] = (char)(wq->name[i] == '/' ? '!' : wq->name[i]);
	if (wq->sysfs || !len || find_top(name) || find(name, len)) {
		log_warn("workqueue '%s': there are files of this name already",
			 wq->name);
		return -EEXIST;
	}
	wq->sysfs = true;
	return 0;
}

int workqueue_sysfs_register(struct workqueue_struct *wq)
{
	int err;

	life_check_early();
	if (!queue_wq_ok(wq, __builtin_return_address(0)))
		return -EINVAL;
	lock(&registry_lock);
	err = sysfs_add(wq);
	unlock(&registry_lock);
	return err;
}

/* A path into a workqueue's directory or none, and a file or none. */
struct place {
	struct workqueue_struct *wq;
	const struct file *file;
	const struct top_file *top;
};

/* 0, -ENOENT, or -EISDIR. */
static int look_up(const char *path, struct place *place)
	REQUIRES(registry_lock)
{
	size_t len = strcspn(path, "/");
	const char *name = path + len + strspn(path + len, "/");

	memset(place, 0, sizeof(*place));
	if (!*path)
		return -EISDIR;
	if (!path[len] && (place->top = find_top(path)))
		return 0;
	place->wq = find(path, len);
	if (!place->wq)
		return -ENOENT;
	if (!*name)
		return -EISDIR;
	place->file = find_file(place->wq, name);
	return place->file ? 0 : -ENOENT;
}

static void list_top(struct out *out) REQUIRES(registry_lock)
{
	const struct top_file *file;
	struct workqueue_struct *wq;

	for_each_file(file, top_files) add(out, "%s\n", file->name);
	for_each_wq(wq)
	{
		if (!wq->sysfs)
			continue;
		for (const char *c = wq->name; *c; c++)
			add(out, "%c", *c == '/' ? '!' : *c);
		add(out, "/\n");
	}
}

static void list_wq(struct workqueue_struct *wq, struct out *out)
{
	const struct file *file;

	for_each_file(file, files) if (has_file(wq, file))
		add(out, "%s\n", file->name);
}

static int read_path(const char *path, struct out *out) REQUIRES(registry_lock)
{
	struct place place;
	int err = look_up(path, &place);

	if (err == -EISDIR && place.wq)
		list_wq(place.wq, out);
	else if (err == -EISDIR)
		list_top(out);
	else if (err)
		return err;
	else if (place.top)
		place.top->show(out);
	else
		place.file->show(place.wq, out);
	return 0;
}

static int write_path(const char *path, const char *text)
	REQUIRES(registry_lock)
{
	struct place place;
	int err = look_up(path, &place);

	if (err)
		return err;
	if (place.top)
		return place.top->store ? place.top->store(text) : -EACCES;
	if (place.file->store)
		return place.file->store(place.wq, text);
	if (place.file->parse)
		return store_attr(place.wq, place.file, text);
	return -EACCES;
}

int cmwq_sysfs_read(const char *path, char *buf, size_t size)
{
	struct out out = { .buf = buf, .size = size };
	int err;

	life_check_early();
	if (!path || (size && !buf))
		return -EINVAL;
	if (size)
		buf[0] = '\0';
	lock(&registry_lock);
	err = read_path(path, &out);
	unlock(&registry_lock);
	return err ? err : (int)out.len;
}

int cmwq_sysfs_write(const char *path, const char *text)
{
	int err;

	life_check();
	if (!path || !text) {
		log_warn("cmwq_sysfs_write: NULL for the %s",
			 path ? "text" : "path");
		return -EINVAL;
	}
	apply_topology();
	lock(&registry_lock);
	err = write_path(path, text);
	unlock(&registry_lock);
	if (err)
		log_warn("cmwq_sysfs_write: '%s' cannot be written to '%s' "
			 "(%s)",
			 text, path, strerror(-err));
	return err;
}
