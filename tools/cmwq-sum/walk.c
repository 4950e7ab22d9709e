/* SPDX-License-Identifier: MIT */
/*
 * walk.c - directories are read by work items on an unbound queue.
 *
 * `unread` lists the directories that are known but not read yet, in output
 * order: one that has been read is replaced by its subdirectories. The first
 * ones are read first, WALKERS at a time, so that what is found soonest is
 * also what is printed soonest.
 *
 * Back-pressure. When the tree in memory is full, nothing is started but the
 * one directory that the output is waiting for. That one must be, as only the
 * output frees memory; and it is always the first of the list, since all
 * before it have been printed.
 *
 * walk_lock guards the list, `wanted`, `walkers` and each directory's
 * `started`. It is not held while a directory is read.
 */
#include "sum.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALKERS 8

static pthread_mutex_t walk_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dir unread; /* list head */
static struct dir *wanted;
static int walkers;

/* A directory while it is read: its arrays have room to grow. */
struct reading {
	struct dir *dir;
	size_t room;
	size_t names_len, names_room;
};

static struct entry *add_entry(struct reading *r, const char *name, int kind)
{
	struct dir *dir = r->dir;
	size_t len = strlen(name) + 1;
	struct entry *entry;

	if (dir->nr == r->room) {
		r->room = r->room ? 2 * r->room : 16;
		dir->entries =
			xrealloc(dir->entries, r->room, sizeof(*dir->entries));
	}
	if (r->names_room - r->names_len < len) {
		r->names_room = 2 * r->names_room + len + 256;
		dir->names = xrealloc(dir->names, r->names_room, 1);
	}
	entry = &dir->entries[dir->nr++];
	*entry = (struct entry){ .name = r->names_len, .kind = kind };
	memcpy(dir->names + r->names_len, name, len);
	r->names_len += len;
	return entry;
}

/* A file, a directory, or -1 for what is neither or is gone again. */
static int kind_of(int fd, const struct dirent *de)
{
	struct stat st;

	switch (de->d_type) {
	case DT_REG:
		return KIND_FILE;
	case DT_DIR:
		return KIND_DIR;
	case DT_UNKNOWN: /* some file systems do not say */
		if (fstatat(fd, de->d_name, &st, AT_SYMLINK_NOFOLLOW))
			return -1;
		if (S_ISREG(st.st_mode))
			return KIND_FILE;
		return S_ISDIR(st.st_mode) ? KIND_DIR : -1;
	default:
		return -1;
	}
}

static int by_name(const void *a, const void *b, void *names)
{
	const struct entry *x = a, *y = b;

	return strcmp((char *)names + x->name, (char *)names + y->name);
}

/* Returns 0 or an errno; also then, what could be read is in the directory. */
static int read_entries(struct reading *r, int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *de;
	int error;

	if (!stream) {
		error = errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	for (;;) {
		int kind;

		errno = 0;
		de = stopping() ? NULL : readdir(stream);
		if (!de)
			break;
		if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
			continue;
		kind = kind_of(fd, de);
		if (kind >= 0)
			add_entry(r, de->d_name, kind);
	}
	error = errno;
	closedir(stream);
	return error;
}

static int read_dir(struct dir *dir)
{
	struct reading r = { .dir = dir };
	int fd = dir_pin(dir);
	int error;

	if (fd < 0)
		return errno;
	error = read_entries(&r, fd);
	dir_unpin(dir);
	if (!dir->nr)
		return error;
	dir->entries = xrealloc(dir->entries, dir->nr, sizeof(*dir->entries));
	dir->names = xrealloc(dir->names, r.names_len, 1);
	qsort_r(dir->entries, dir->nr, sizeof(*dir->entries), by_name,
		dir->names);
	return error;
}

/* Put a new directory before @next in the list. */
static void unread_add(struct dir *dir, struct dir *next)
{
	dir->next = next;
	dir->prev = next->prev;
	next->prev->next = dir;
	next->prev = dir;
}

static void read_work(struct work_struct *work);

/* What follows from a directory's having been read: its subdirectories enter
 * the list behind @place, its files can be hashed. */
static void publish(struct dir *dir, struct dir *place)
{
	unsigned long long files = 0;
	struct dir *before;
	size_t i;

	tree_charge(dir->nr);
	pthread_mutex_lock(&walk_lock);
	before = place->next;
	for (i = 0; i < dir->nr; i++) {
		struct entry *entry = &dir->entries[i];

		if (entry->kind == KIND_FILE) {
			files++;
			continue;
		}
		entry->dir = dir_new(dir, i);
		INIT_WORK(&entry->dir->work, read_work);
		unread_add(entry->dir, before);
	}
	pthread_mutex_unlock(&walk_lock);
	atomic_fetch_add(&counters.found, files);
	if (files)
		hash_dir(dir);
}

/* The work item: read one directory. */
static void read_work(struct work_struct *work)
{
	struct dir *dir = from_work(dir, work, work);
	struct entry *entry = dir_entry(dir);

	entry->error = stopping() ? 0 : read_dir(dir);
	publish(dir, dir);
	pthread_mutex_lock(&walk_lock);
	dir->prev->next = dir->next;
	dir->next->prev = dir->prev;
	walkers--;
	pthread_mutex_unlock(&walk_lock);
	entry_done(entry); /* the output may free the directory now */
	walk_more();
}

/* Start reading as many directories as may be read now. */
void walk_more(void)
{
	struct dir *dir;

	pthread_mutex_lock(&walk_lock);
	for (dir = unread.next; dir != &unread; dir = dir->next) {
		if (walkers == WALKERS || stopping())
			break;
		if (dir->started)
			continue;
		if (tree_is_full() && dir != wanted)
			break;
		dir->started = true;
		walkers++;
		queue_work(walk_wq, &dir->work);
	}
	atomic_store(&counters.walking, unread.next != &unread);
	pthread_mutex_unlock(&walk_lock);
}

/* The output has come to this directory and cannot go on without it. */
void walk_want(struct dir *dir)
{
	pthread_mutex_lock(&walk_lock);
	wanted = dir;
	pthread_mutex_unlock(&walk_lock);
	walk_more();
}

/* An argument: links are followed, and what cannot be hashed is an error, as
 * it was asked for by name. */
static void add_argument(struct reading *r, const char *path)
{
	struct entry *entry;
	struct stat st;
	int error = 0;

	if (stat(path, &st))
		error = errno;
	else if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		error = NOT_HASHABLE;
	entry = add_entry(r, path,
			  !error && S_ISDIR(st.st_mode) ? KIND_DIR : KIND_FILE);
	if (error) {
		entry->error = error;
		atomic_store(&entry->done, true);
	}
}

/* Arguments keep their order. */
void walk_start(char **paths, int nr)
{
	struct reading r = { .dir = tree_root };
	int i;

	unread.next = &unread;
	unread.prev = &unread;
	for (i = 0; i < nr; i++)
		add_argument(&r, paths[i]);
	publish(tree_root, &unread);
	walk_more();
}
