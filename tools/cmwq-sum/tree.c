/* SPDX-License-Identifier: MIT */
/*
 * tree.c - directories in memory, and their descriptors.
 *
 * Lifetime. A directory lives as long as somebody refers to it: the output
 * until it has printed all of it, each child because a child is opened
 * relative to its parent, each hash item while it has files of it to read.
 *
 * Memory. `entries` counts what is in memory. Walking ahead pauses when there
 * are KEEP_ENTRIES, so the tree may have any size; only a single directory has
 * to fit, as it is sorted.
 *
 * Descriptors. Every directory is opened relative to its parent, which works
 * at any depth and cannot be led astray by a symbolic link. At most KEEP_FDS
 * stay open beyond those in use; the one idle for longest is closed first, and
 * opened again when it is needed, if need be from the first open ancestor.
 *
 * fd_lock guards fd, users and the idle list. No file is opened under it, so
 * a file system that hangs holds up only its own users.
 */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP_ENTRIES ((size_t)1 << 18)
#define KEEP_FDS     256

struct dir *tree_root;

static atomic_size_t entries;
static pthread_mutex_t fd_lock = PTHREAD_MUTEX_INITIALIZER;
static struct dir idle; /* list head; the longest idle first */
static unsigned int nr_open;

struct dir *dir_new(struct dir *parent, size_t index)
{
	struct dir *dir = xrealloc(NULL, 1, sizeof(*dir));

	*dir = (struct dir){ .parent = parent, .index = index, .fd = -1 };
	atomic_init(&dir->refs, 1);
	if (parent)
		dir_get(parent);
	return dir;
}

void dir_get(struct dir *dir)
{
	atomic_fetch_add(&dir->refs, 1);
}

const char *entry_name(const struct dir *dir, const struct entry *entry)
{
	return dir->names + entry->name;
}

/* The entry that stands for the directory in its parent. */
struct entry *dir_entry(const struct dir *dir)
{
	return &dir->parent->entries[dir->index];
}

bool tree_is_full(void)
{
	return atomic_load(&entries) >= KEEP_ENTRIES;
}

void tree_charge(size_t nr)
{
	atomic_fetch_add(&entries, nr);
}

static void tree_uncharge(size_t nr)
{
	size_t before = atomic_fetch_sub(&entries, nr);

	if (before >= KEEP_ENTRIES && before - nr < KEEP_ENTRIES)
		walk_more();
}

static void idle_add(struct dir *dir)
{
	dir->idle_next = &idle;
	dir->idle_prev = idle.idle_prev;
	idle.idle_prev->idle_next = dir;
	idle.idle_prev = dir;
}

static void idle_del(struct dir *dir)
{
	dir->idle_prev->idle_next = dir->idle_next;
	dir->idle_next->idle_prev = dir->idle_prev;
}

/* Take an idle directory's descriptor away; the caller closes it. */
static int idle_take_fd(struct dir *dir)
{
	int fd = dir->fd;

	idle_del(dir);
	dir->fd = -1;
	nr_open--;
	return fd;
}

static void dir_free(struct dir *dir)
{
	int fd = -1;

	pthread_mutex_lock(&fd_lock);
	if (dir->fd >= 0)
		fd = idle_take_fd(dir);
	pthread_mutex_unlock(&fd_lock);
	if (fd >= 0)
		close(fd);
	tree_uncharge(dir->nr);
	free(dir->entries);
	free(dir->names);
	free(dir);
}

/* A loop, not a recursion: the last file of a deep tree frees it all. */
void dir_put(struct dir *dir)
{
	while (dir && atomic_fetch_sub(&dir->refs, 1) == 1) {
		struct dir *parent = dir->parent;

		dir_free(dir);
		dir = parent;
	}
}

static int dir_open_in(int at, const struct dir *dir)
{
	int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;

	/* Links named as arguments are followed, those below are not. */
	if (dir->parent != tree_root)
		flags |= O_NOFOLLOW;
	return openat(at, entry_name(dir->parent, dir_entry(dir)), flags);
}

/* Open a directory that is @depth levels below one open as @fd. */
static int dir_open_below(int fd, struct dir *dir, size_t depth)
{
	struct dir **chain = xrealloc(NULL, depth, sizeof(*chain));
	int top = fd;
	size_t i;

	for (i = 0; i < depth; i++, dir = dir->parent)
		chain[i] = dir;
	while (depth > 0 && fd >= 0) {
		int next = dir_open_in(fd, chain[--depth]);

		if (fd != top) {
			int saved = errno;

			close(fd);
			errno = saved;
		}
		fd = next;
	}
	free(chain);
	return fd;
}

/* Record a descriptor that we just opened and pin it. Returns the one valid
 * from now on, which is somebody else's if he was faster. */
static int dir_install(struct dir *dir, int fd)
{
	int unneeded = -1;

	pthread_mutex_lock(&fd_lock);
	if (dir->fd >= 0) {
		unneeded = fd;
		if (dir->users == 0)
			idle_del(dir);
	} else {
		dir->fd = fd;
		if (++nr_open > KEEP_FDS && idle.idle_next != &idle)
			unneeded = idle_take_fd(idle.idle_next);
	}
	dir->users++;
	fd = dir->fd;
	pthread_mutex_unlock(&fd_lock);
	if (unneeded >= 0)
		close(unneeded);
	return fd;
}

/*
 * Return a descriptor of the directory, which stays open until dir_unpin().
 * Returns -1 and errno if there is none to be had.
 */
int dir_pin(struct dir *dir)
{
	struct dir *open = dir;
	size_t depth = 0;
	int fd, saved;

	pthread_mutex_lock(&fd_lock);
	while (open->fd < 0) {
		open = open->parent; /* the root is always open */
		depth++;
	}
	if (open->users++ == 0)
		idle_del(open);
	fd = open->fd;
	pthread_mutex_unlock(&fd_lock);
	if (open == dir)
		return fd;

	fd = dir_open_below(fd, dir, depth);
	saved = errno;
	dir_unpin(open);
	if (fd >= 0)
		return dir_install(dir, fd);
	errno = saved;
	return -1;
}

void dir_unpin(struct dir *dir)
{
	int unneeded = -1;

	pthread_mutex_lock(&fd_lock);
	if (--dir->users == 0) {
		idle_add(dir);
		if (nr_open > KEEP_FDS)
			unneeded = idle_take_fd(idle.idle_next);
	}
	pthread_mutex_unlock(&fd_lock);
	if (unneeded >= 0)
		close(unneeded);
}

/* The root stands above the arguments; its descriptor is where we started. */
void tree_start(void)
{
	idle.idle_next = &idle;
	idle.idle_prev = &idle;
	tree_root = dir_new(NULL, 0);
	tree_root->fd = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (tree_root->fd < 0) {
		complain(".", errno);
		exit(EXIT_TROUBLE);
	}
	tree_root->users = 1;
	nr_open = 1;
}
