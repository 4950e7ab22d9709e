/* SPDX-License-Identifier: MIT */
/*
 * quota - how many CPUs' worth of time the cgroups grant the process.
 *
 * /proc/self/cgroup names the process's cgroup in each hierarchy, one line each:
 * "4:cpu,cpuacct:/some/path", or "0::/some/path" for v2. In a hybrid system the
 * cpu controller is in either; both are looked at. /proc/self/mountinfo says where
 * a hierarchy can be seen, and which part of it (the fourth field is the cgroup
 * that is the mount's top). A path that is not below that, or that leads out of the
 * namespace ("/../.."), cannot be followed, and nothing is known then.
 *
 * Where the files are is found out when /proc/self/cgroup says something new.
 */
#include "quota.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

#define MAX_PATH   4096
#define MAX_TEXT   8192
#define MAX_MOUNTS (1 << 20)

enum {
	V1,
	V2,
	NR_VERSIONS
};

/* All but cpus: whoever calls quota_look(). What is short as a rule lies together, so
 * that it is one page and not five of every process. */
static _Atomic int cpus = QUOTA_NONE; /* A: quota_look() */
/* What /proc/self/cgroup said; behind it the directories. */
static char store[MAX_TEXT + NR_VERSIONS * MAX_PATH];
static struct {
	char *dir;  /* in store: of the process's cgroup; NULL: nothing seen */
	size_t top; /* so long is that of the topmost one */
} where[NR_VERSIONS];

int quota_cpus(void)
{
	return atomic_load_explicit(&cpus, memory_order_relaxed);
}

/* The parent's thread may have been about to write them. */
void quota_reset(void)
{
	store[0] = '\0';
	for (int version = V1; version < NR_VERSIONS; version++)
		where[version].dir = NULL;
}

/* Is @word one of a list with commas? @end is where the list ends. */
static bool has_word(const char *list, const char *end, const char *word)
{
	size_t len = strlen(word);

	while (list < end) {
		const char *comma = memchr(list, ',', (size_t)(end - list));
		const char *stop = comma ? comma : end;

		if ((size_t)(stop - list) == len && !memcmp(list, word, len))
			return true;
		list = stop + 1;
	}
	return false;
}

/* The process's cgroup in the hierarchy; false if it is in none. */
static bool find_path(const char *text, int version, char *path)
{
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		const char *list = strchr(line, ':');
		const char *colon = list ? strchr(list + 1, ':') : NULL;
		const char *end = line + strcspn(line, "\n");
		bool it;

		if (!colon || colon > end)
			break;
		list++;
		it = version == V2 ? list == colon && line[0] == '0'
				   : has_word(list, colon, "cpu");
		if (it && end - colon <= MAX_PATH) {
			memcpy(path, colon + 1, (size_t)(end - colon - 1));
			path[end - colon - 1] = '\0';
			return path[0] == '/';
		}
		if (!*end)
			break;
	}
	return false;
}

/* Blanks and backslashes in a path are written as octal numbers. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] &&
		    s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

struct mount {
	char *root, *point, *type, *options;
};

/*
 * "36 35 98:0 /root /point options tags - type source superblock's options".
 * Cuts the line into pieces.
 */
static bool parse_mount(char *line, struct mount *m)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	int i = 0;

	m->root = m->point = NULL;
	for (; word && strcmp(word, "-"); word = strtok_r(NULL, " ", &save)) {
		if (i == 3)
			m->root = word;
		if (i == 4)
			m->point = word;
		i++;
	}
	m->type = strtok_r(NULL, " ", &save);
	strtok_r(NULL, " ", &save);
	m->options = strtok_r(NULL, " ", &save);
	if (!m->point || !m->options)
		return false;
	unescape(m->root);
	unescape(m->point);
	return true;
}

static bool is_hierarchy(const struct mount *m, int version)
{
	if (version == V2)
		return !strcmp(m->type, "cgroup2");
	return !strcmp(m->type, "cgroup") &&
	       has_word(m->options, m->options + strlen(m->options), "cpu");
}

/* The part of @path below the mount's top, or NULL. */
static const char *below(const char *path, const struct mount *m)
{
	size_t len = strlen(m->root);

	if (!strncmp(path, "/..", 3))
		return NULL;
	if (!strcmp(m->root, "/"))
		return path;
	if (strncmp(path, m->root, len) || (path[len] && path[len] != '/'))
		return NULL;
	return path + len;
}

/* The mount in which the most ancestors can be seen. @dir has room for a path. */
static void find_dir(char *mounts, const char *path, int version, char *dir)
{
	size_t best = SIZE_MAX;
	char *save = NULL;
	struct mount m;

	for (char *line = strtok_r(mounts, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *rest;

		if (!parse_mount(line, &m) || !is_hierarchy(&m, version))
			continue;
		rest = below(path, &m);
		if (!rest || strlen(m.root) >= best ||
		    strlen(m.point) + strlen(rest) >= MAX_PATH)
			continue;
		best = strlen(m.root);
		strcpy(stpcpy(dir, m.point), strcmp(rest, "/") ? rest : "");
		where[version].dir = dir;
		where[version].top = strlen(m.point);
	}
}

/* All of it, however long; NULL without memory. */
static char *read_mounts(void)
{
	for (size_t size = 16384; size <= MAX_MOUNTS; size *= 4) {
		char *text = malloc(size);

		if (text &&
		    os_read_file("/proc/self/mountinfo", text, size) < size - 1)
			return text;
		free(text);
	}
	return NULL;
}

/* By what is in store. */
static void find_dirs(void)
{
	char *end = store + strlen(store) + 1;
	char path[MAX_PATH];

	for (int version = V1; version < NR_VERSIONS; version++) {
		char *mounts = NULL;

		where[version].dir = NULL;
		if (find_path(store, version, path))
			mounts = read_mounts();
		if (mounts)
			find_dir(mounts, path, version, end);
		free(mounts);
		if (where[version].dir)
			end += strlen(end) + 1;
	}
}

/* A number and what follows it; false if there is none. */
static bool number(const char **text, unsigned long long *value)
{
	char *end;

	if (**text < '0' || **text > '9')
		return false;
	*value = strtoull(*text, &end, 10);
	*text = end + strspn(end, " \t");
	return true;
}

static int to_cpus(unsigned long long quota, unsigned long long period)
{
	unsigned long long n;

	if (!period)
		return QUOTA_NONE;
	n = quota / period + (quota % period != 0);
	return n < 1 ? 1 : n > QUOTA_NONE ? QUOTA_NONE : (int)n;
}

/* "200000 100000"; "max 100000" is none. */
static int parse_v2(const char *text)
{
	unsigned long long quota, period;

	if (!number(&text, &quota) || !number(&text, &period))
		return QUOTA_NONE;
	return to_cpus(quota, period);
}

/* "-1" is none. */
static int parse_v1(const char *quota_text, const char *period_text)
{
	unsigned long long quota, period;

	if (!number(&quota_text, &quota) || !number(&period_text, &period))
		return QUOTA_NONE;
	return to_cpus(quota, period);
}

/* The directory is the first @len characters of @dir. */
static bool read_in(const char *dir, size_t len, const char *name, char *buf,
		    size_t size)
{
	char path[MAX_PATH + 32];

	snprintf(path, sizeof(path), "%.*s/%s", (int)len, dir, name);
	return os_read_file(path, buf, size);
}

/* Of one cgroup. A root has no such file, nor has one without the controller. */
static int read_quota(const char *dir, size_t len, int version)
{
	char quota[64], period[64];

	if (version == V2)
		return read_in(dir, len, "cpu.max", quota, sizeof(quota))
			       ? parse_v2(quota)
			       : QUOTA_NONE;
	if (!read_in(dir, len, "cpu.cfs_quota_us", quota, sizeof(quota)) ||
	    !read_in(dir, len, "cpu.cfs_period_us", period, sizeof(period)))
		return QUOTA_NONE;
	return parse_v1(quota, period);
}

/* From the process's cgroup to the topmost that can be seen. */
static int read_all(int version)
{
	const char *dir = where[version].dir;
	size_t len = dir ? strlen(dir) : 0;
	int least = QUOTA_NONE;

	while (dir) {
		int n = read_quota(dir, len, version);

		if (n < least)
			least = n;
		if (len <= where[version].top)
			break;
		/* Its top is a part of it, and does not end in a slash. */
		while (dir[--len] != '/')
			;
	}
	return least;
}

void quota_look(void)
{
	char text[MAX_TEXT];
	int v1, v2;

	os_read_file("/proc/self/cgroup", text, sizeof(text));
	if (strcmp(text, store)) {
		strcpy(store, text);
		find_dirs();
	}
	v1 = read_all(V1);
	v2 = read_all(V2);
	atomic_store_explicit(&cpus, v1 < v2 ? v1 : v2, memory_order_relaxed);
}
