/* SPDX-License-Identifier: MIT */
/*
 * os_backtrace - where another thread of this process is, without its noticing.
 *
 * For reports about threads that are stuck. See os_backtrace.c.
 */
#ifndef CMWQ_OS_BACKTRACE_H
#define CMWQ_OS_BACKTRACE_H

#include <stdint.h>

#define OS_BACKTRACE_MAX 48

struct os_backtrace {
	char state;	/* R, S, D, ... as in ps; 0 if the thread is gone */
	char wchan[48]; /* the kernel's function that it sleeps in, or "" */
	char syscall
		[160]; /* its number, arguments, SP and PC; "running"; or "" */
	int nr;	       /* frames */
	void *frame[OS_BACKTRACE_MAX]; /* where it is, then return addresses */
	const char *obstacle; /* why there are no more frames, or NULL */
	int err;	      /* an errno value that belongs to it, or 0 */
	int tracer;	      /* the process that traces it, or 0 */
	uint64_t stopped_ns;  /* for how long it was stopped */
};

/* Whether the thread may be stopped to read its frames. */
enum {
	OS_BACKTRACE_ASLEEP = 1,  /* if it sleeps in a call that starts anew */
	OS_BACKTRACE_RUNNING = 2, /* if it runs: it is known to compute, and not
				     to be about to wait for anything */
};

/*
 * Fill it in for a thread of this process. It will not notice: no system call of it
 * fails or is cut short. One caller at a time, with all signals blocked.
 */
void os_backtrace(int tid, unsigned int may_stop, struct os_backtrace *bt);

#endif
