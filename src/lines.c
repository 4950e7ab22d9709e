/* SPDX-License-Identifier: MIT */
/*
 * lines - text of many lines, collected under locks and printed without.
 *
 * The program's log function may take any time. What is reported about structures
 * that a lock protects is therefore written here first. It is memory of the heap;
 * what does not fit is left out, which is said.
 */
#include "lines.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

#define LONG_LINE 90 /* a list goes on in the next one */
#define MAX_ADD	  400
#define INDENT	  "        "

static bool make_room(struct lines *l, size_t more)
{
	size_t size = l->size ? l->size : 1024;
	char *buf;

	while (size < l->len + more)
		size *= 2;
	if (size == l->size)
		return true;
	buf = realloc(l->buf, size);
	if (!buf) {
		l->lost = true;
		return false;
	}
	l->buf = buf;
	l->size = size;
	return true;
}

__attribute__((format(printf, 2, 0))) static void
add(struct lines *l, const char *fmt, va_list ap)
{
	int n;

	if (!make_room(l, MAX_ADD))
		return;
	n = vsnprintf(l->buf + l->len, MAX_ADD, fmt, ap);
	if (n > 0)
		l->len += n < MAX_ADD ? (size_t)n : MAX_ADD - 1;
}

void lines_add(struct lines *l, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(l, fmt, ap);
	va_end(ap);
}

void lines_end(struct lines *l)
{
	if (make_room(l, 1))
		l->buf[l->len++] = '\n';
	l->begin = l->len;
	l->in_list = 0;
}

void lines_element(struct lines *l, const char *fmt, ...)
{
	va_list ap;

	if (l->in_list)
		lines_add(l, ",");
	if (l->in_list && l->len - l->begin > LONG_LINE) {
		lines_end(l);
		lines_add(l, INDENT);
	}
	lines_add(l, " ");
	va_start(ap, fmt);
	add(l, fmt, ap);
	va_end(ap);
	l->in_list++;
}

void lines_print(struct lines *l, enum cmwq_log_level level)
{
	char *line = l->buf;
	char *end = l->buf + l->len;

	while (line < end) {
		char *nl = memchr(line, '\n', (size_t)(end - line));

		if (!nl)
			break;
		*nl = '\0';
		log_line(level, "%s", line);
		line = nl + 1;
	}
	if (l->lost)
		log_line(level, "(no memory for the rest)");
	free(l->buf);
	memset(l, 0, sizeof(*l));
}
