/* SPDX-License-Identifier: MIT */
/*
 * log - messages to the program's callback or standard error.
 *
 * A line is formatted on the stack and handed over whole; no lock is held, so
 * the callback may be called by several threads at once. Function and argument
 * are one object that is replaced as a whole: a line never meets the one's
 * function with the other's argument.
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os.h"

struct sink {
	cmwq_log_fn fn;
	void *arg;
};

static _Atomic(struct sink *) sink;

void cmwq_set_log(cmwq_log_fn fn, void *arg)
{
	struct sink *s = NULL;

	if (fn) {
		s = malloc(sizeof(*s));
		if (!s) {
			log_err("cmwq_set_log: out of memory");
			return;
		}
		s->fn = fn;
		s->arg = arg;
	}
	/* Another thread may be calling the old one: it is freed only when eight
	 * more have been set. */
	static _Atomic(struct sink *) retired[8];
	static _Atomic unsigned int nr;
	struct sink *old = atomic_exchange(&sink, s);
	unsigned int i = atomic_fetch_add(&nr, 1) % 8;

	free(atomic_exchange(&retired[i], old));
}

/*
 * A note is FREE, then WRITING, then READY; only its writer and log_flush()
 * move it on, so a writer that stops holds up nobody but his own note.
 */
#define NOTES 32

enum note_state {
	NOTE_FREE,
	NOTE_WRITING,
	NOTE_READY
};

static struct {
	_Atomic int state;
	const char *fmt;
	char name[32];
	void *caller;
} notes[NOTES];
static _Atomic unsigned int notes_lost;
static _Atomic unsigned int note_next;

void log_later(const char *fmt, const char *name, void *caller)
{
	unsigned int i = atomic_fetch_add(&note_next, 1) % NOTES;
	int expect = NOTE_FREE;

	if (!atomic_compare_exchange_strong(&notes[i].state, &expect,
					    NOTE_WRITING)) {
		atomic_fetch_add(&notes_lost, 1);
		return;
	}
	notes[i].fmt = fmt;
	strncpy(notes[i].name, name, sizeof(notes[i].name) - 1);
	notes[i].caller = caller;
	atomic_store(&notes[i].state, NOTE_READY);
}

void log_flush(void)
{
	unsigned int lost;

	for (int i = 0; i < NOTES; i++) {
		if (atomic_load(&notes[i].state) != NOTE_READY)
			continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		log_warn(notes[i].fmt, notes[i].name, notes[i].caller);
#pragma GCC diagnostic pop
		atomic_store(&notes[i].state, NOTE_FREE);
	}
	if (atomic_load(&notes_lost)) {
		lost = atomic_exchange(&notes_lost, 0);
		log_warn("%u more refusals were not noted", lost);
	}
}

void log_reset(void)
{
	for (int i = 0; i < NOTES; i++)
		atomic_store(&notes[i].state, NOTE_FREE);
	atomic_store(&notes_lost, 0);
}

void log_line(enum cmwq_log_level level, const char *fmt, ...)
{
	char buf[512] = "cmwq: ";
	struct sink *s = atomic_load(&sink);
	size_t len = strlen(buf);
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + len, sizeof(buf) - len - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = strlen(buf);
	if (s) {
		s->fn(level, buf, s->arg);
		return;
	}
	buf[len] = '\n';
	os_write_stderr(buf, len + 1);
}
