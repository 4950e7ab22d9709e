/* SPDX-License-Identifier: MIT */
/* lines - text of many lines, collected under locks and printed without. */
#ifndef CMWQ_LINES_H
#define CMWQ_LINES_H

#include <stddef.h>
#include <cmwq/cmwq.h>

/* All zero: empty. */
struct lines {
	char *buf;
	size_t len, size;
	size_t begin; /* of the line that is being written */
	int in_list;  /* elements that the line's list has already */
	bool lost;    /* no memory for some of it */
};

/* Add to the line that is being written, and end it. */
void lines_add(struct lines *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void lines_end(struct lines *l);

/* Add an element of a list to the line: the comma before it, or a new line if it
 * has become long. lines_end() ends the list. */
void lines_element(struct lines *l, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Give all of them to the log, no lock held; it is empty then. */
void lines_print(struct lines *l, enum cmwq_log_level level);

#endif
