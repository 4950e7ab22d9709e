/* SPDX-License-Identifier: MIT */
/*
 * start.h - what the two programs that startup.c starts have in common: they say
 * on standard output when they were there, and live until standard input ends.
 * Nothing but system calls, so that neither has memory that the other has not.
 */
#ifndef CMWQ_BENCH_START_H
#define CMWQ_BENCH_START_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t stamp(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static inline void say(uint64_t when)
{
	if (write(STDOUT_FILENO, &when, sizeof(when)) != sizeof(when))
		_exit(EXIT_FAILURE);
}

static inline void live_on(void)
{
	char c;

	while (read(STDIN_FILENO, &c, 1) > 0)
		;
}

#endif
