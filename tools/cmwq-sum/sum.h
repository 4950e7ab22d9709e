/* SPDX-License-Identifier: MIT */
/*
 * sum.h - what the rooms of cmwq-sum share.
 *
 *	walk	reads directories		unbound queue "sum-walk"
 *	hash	reads and hashes files		unbound queue "sum-hash"
 *	output	prints lines in order		ordered queue "sum-output"
 *	bar	shows progress			delayed work on "sum-output"
 *	tree	what walk fills in, hash completes and output prints and frees
 *
 * A directory in memory is an array of entries, sorted by name. Walking adds
 * arrays, hashing fills in digests, and the output is a cursor which goes
 * through the tree depth first and waits at the first entry that is not done.
 * So the printed order never depends on who was faster.
 *
 * Nothing waits inside a work item: an item that cannot go on remembers where
 * it was and returns, and whoever makes it possible to go on queues it again.
 */
#ifndef SUM_H
#define SUM_H

#include <cmwq/cmwq.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRAM	   "cmwq-sum"
#define DIGEST_LEN 32

enum {
	EXIT_UNREADABLE = 1,  /* something could not be read or written */
	EXIT_TROUBLE = 2,     /* bad usage, or no memory */
	EXIT_BY_SIGNAL = 128, /* plus its number, as a shell would say */
};

enum kind {
	KIND_FILE,
	KIND_DIR,
};

/* Instead of an errno: an argument that is neither a file nor a directory. */
#define NOT_HASHABLE (-1)

struct entry {
	size_t name; /* offset in the directory's names */
	union {
		unsigned char digest[DIGEST_LEN]; /* KIND_FILE */
		struct dir *dir;		  /* KIND_DIR */
	};
	int error; /* why it could not be read; 0: it could */
	unsigned char kind;
	atomic_bool done; /* hashed or read: error and the union are final */
};

struct dir {
	struct work_struct work; /* reads it */
	struct dir *parent;
	size_t index; /* of its entry in the parent */
	struct entry *entries;
	size_t nr;
	char *names;	       /* all of them, each with its NUL */
	atomic_size_t claimed; /* entries that hashing has taken */
	atomic_int refs; /* the output's, each child's, each hash item's */
	struct dir *next, *prev; /* walk.c: directories still to be read */
	bool started;		 /* walk.c: its work item was queued */
	int fd;			 /* tree.c: -1 if not open */
	int users;		 /* tree.c: who needs fd open now */
	struct dir *idle_next, *idle_prev; /* tree.c: open, but not needed */
};

struct options {
	int max_active;
	bool quiet;
	bool stats;
};

struct counters {
	atomic_ullong found; /* files that walking has come across */
	atomic_ullong done;  /* files that were hashed, or failed */
	atomic_ullong bytes;
	atomic_ullong expected; /* bytes of the big files come across so far */
	atomic_bool walking;	/* more may be found */
	atomic_bool failed;	/* something was unreadable */
};

extern struct options options;
extern struct counters counters;
extern struct workqueue_struct *walk_wq, *hash_wq, *output_wq;

/* main.c */
bool stopping(void);
void finish(int status);
void *xrealloc(void *old, size_t nr, size_t size);
void complain(const char *path, int error);

/* tree.c */
extern struct dir *tree_root;
struct dir *dir_new(struct dir *parent, size_t index);
void dir_get(struct dir *dir);
void dir_put(struct dir *dir);
const char *entry_name(const struct dir *dir, const struct entry *entry);
struct entry *dir_entry(const struct dir *dir);
int dir_pin(struct dir *dir);
void dir_unpin(struct dir *dir);
bool tree_is_full(void);
void tree_charge(size_t entries);
void tree_start(void);

/* walk.c */
void walk_start(char **paths, int nr);
void walk_more(void);
void walk_want(struct dir *dir);

/* hash.c */
void hash_start(void);
void hash_dir(struct dir *dir);
unsigned int hash_open_files(void);
void hash_end(void);

/* output.c */
void output_start(void);
void output_stop(void);
void entry_done(struct entry *entry);

/* bar.c */
void bar_start(void);
void bar_stop(void);
void bar_clear(void);
void stats_print(void);

#endif
