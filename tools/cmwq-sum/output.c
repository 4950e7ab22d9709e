/* SPDX-License-Identifier: MIT */
/*
 * output.c - lines are printed in order, by one item on an ordered queue.
 *
 * The item is a cursor: it prints what is done, and at the first entry that is
 * not, it publishes that entry in `waiting` and returns. entry_done() queues
 * it again. Neither side can miss the other, as both use sequentially
 * consistent operations:
 *
 *	output: waiting = entry; read entry->done
 *	hash:	entry->done = true; read waiting
 *
 * Error messages are printed when the cursor comes to the entry, so they are
 * in order too, and nothing but the cursor ever builds a path: the names of
 * the directories that it is in, one after the other.
 *
 * Only whole lines are written, at most PIPE_BUF bytes of them at once, and
 * only when the descriptor is ready: so an interrupt never has to wait for the
 * reader of a pipe, and the reader never sees half a line.
 */
#include "sum.h"
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define RUN_LINES 1024

struct text {
	char *bytes;
	size_t len, room;
};

static void output_work(struct work_struct *work);

static DECLARE_WORK(output_item, output_work);
static _Atomic(struct entry *) waiting;

/* The cursor. Only the item touches what follows. */
static struct dir *cursor_dir;
static size_t cursor_index;
static struct text path;  /* of cursor_dir, with a slash at its end */
static struct text lines; /* complete, not yet written */
static int stop_fd;	  /* readable once the output has to stop */

static void add(struct text *text, const char *bytes, size_t len)
{
	if (len == 0)
		return;
	if (text->room - text->len < len) {
		text->room = 2 * text->len + len + 256;
		text->bytes = xrealloc(text->bytes, text->room, 1);
	}
	memcpy(text->bytes + text->len, bytes, len);
	text->len += len;
}

static void write_failed(void)
{
	if (errno == EPIPE) { /* nobody reads on: no reason to complain */
		finish(EXIT_BY_SIGNAL + SIGPIPE);
		return;
	}
	complain("write error", errno);
	finish(EXIT_UNREADABLE);
}

/* Wait until standard output takes something. False if we are to stop. */
static bool output_ready(void)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = stop_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	return !fds[1].revents;
}

static void lines_write(void)
{
	size_t written = 0;

	if (lines.len == 0)
		return;
	bar_clear();
	while (written < lines.len && (written > 0 || output_ready())) {
		ssize_t n = write(STDOUT_FILENO, lines.bytes + written,
				  lines.len - written);

		if (n >= 0) {
			written += n;
		} else if (errno == EAGAIN) {
			output_ready();
		} else if (errno != EINTR) {
			write_failed();
			break;
		}
	}
	lines.len = 0;
}

/* sha256sum's way: names with these bytes are escaped, and the line says so by
 * a backslash at its start. */
static const char *escape_of(char c)
{
	switch (c) {
	case '\\':
		return "\\\\";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	default:
		return NULL;
	}
}

static void add_escaped(struct text *text, const char *bytes, size_t len)
{
	while (len > 0) {
		const char *escape = escape_of(*bytes);
		size_t plain = 0;

		if (escape) {
			add(text, escape, 2);
			plain = 1;
		} else {
			while (plain < len && !escape_of(bytes[plain]))
				plain++;
			add(text, bytes, plain);
		}
		bytes += plain;
		len -= plain;
	}
}

static bool needs_escape(const char *bytes, size_t len)
{
	while (len-- > 0) {
		if (escape_of(*bytes++))
			return true;
	}
	return false;
}

/* One line: the digest in hex, two spaces, the path. */
static void print_digest(const unsigned char *digest, const char *name)
{
	static const char hex[] = "0123456789abcdef";
	static struct text line;
	size_t len = strlen(name);
	char text[2 * DIGEST_LEN + 2];
	int i;

	line.len = 0;
	if (needs_escape(path.bytes, path.len) || needs_escape(name, len))
		add(&line, "\\", 1);
	for (i = 0; i < DIGEST_LEN; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	text[2 * DIGEST_LEN] = ' ';
	text[2 * DIGEST_LEN + 1] = ' ';
	add(&line, text, sizeof(text));
	add_escaped(&line, path.bytes, path.len);
	add_escaped(&line, name, len);
	add(&line, "\n", 1);

	if (lines.len + line.len > PIPE_BUF)
		lines_write();
	add(&lines, line.bytes, line.len);
}

static void print_error(const struct entry *entry, const char *name)
{
	struct text full = { 0 };

	add(&full, path.bytes, path.len);
	add(&full, name, strlen(name) + 1);
	lines_write();
	bar_clear();
	complain(full.bytes, entry->error);
	free(full.bytes);
	atomic_store(&counters.failed, true);
}

static void enter(struct dir *dir, const char *name)
{
	size_t len = strlen(name);

	add(&path, name, len);
	if (name[len - 1] != '/')
		add(&path, "/", 1);
	cursor_dir = dir;
	cursor_index = 0;
}

/* Back to the parent; the directory is not needed any more. */
static void leave(void)
{
	struct dir *dir = cursor_dir;
	const char *name = entry_name(dir->parent, dir_entry(dir));
	size_t len = strlen(name);

	path.len -= len + (name[len - 1] != '/');
	cursor_dir = dir->parent;
	cursor_index = dir->index + 1;
	dir_put(dir);
}

/* False if the entry is not done: entry_done() will queue the item. */
static bool ready(struct entry *entry)
{
	if (atomic_load(&entry->done))
		return true;
	atomic_store(&waiting, entry);
	if (atomic_load(&entry->done))
		return true;
	if (entry->kind == KIND_DIR)
		walk_want(entry->dir);
	return false;
}

/* Take one step. False if there is none to be taken now. */
static bool step(void)
{
	struct entry *entry;
	const char *name;

	if (cursor_index == cursor_dir->nr) {
		if (cursor_dir != tree_root) {
			leave();
			return true;
		}
		lines_write();
		finish(atomic_load(&counters.failed) ? EXIT_UNREADABLE : 0);
		return false;
	}
	entry = &cursor_dir->entries[cursor_index];
	if (!ready(entry))
		return false;
	name = entry_name(cursor_dir, entry);
	if (entry->error)
		print_error(entry, name);
	else if (entry->kind == KIND_FILE)
		print_digest(entry->digest, name);
	if (entry->kind == KIND_DIR)
		enter(entry->dir, name); /* also what an error has left of it */
	else
		cursor_index++;
	return true;
}

/* The work item. */
static void output_work(struct work_struct *work)
{
	int left = RUN_LINES;

	while (left > 0 && !stopping() && step())
		left--;
	lines_write();
	if (left == 0)
		queue_work(output_wq, work);
}

/* The entry is final. Whoever calls this does not touch it any more: the
 * output may free it, with all of its directory. */
void entry_done(struct entry *entry)
{
	atomic_store(&entry->done, true);
	if (atomic_load(&waiting) == entry)
		queue_work(output_wq, &output_item);
}

void output_start(void)
{
	stop_fd = eventfd(0, EFD_CLOEXEC);
	cursor_dir = tree_root;
	queue_work(output_wq, &output_item);
}

/* Wake the item should it wait for the reader of a pipe, and disable it: from
 * here on it neither runs nor can be queued. */
void output_stop(void)
{
	eventfd_write(stop_fd, 1);
	disable_work_sync(&output_item);
}
