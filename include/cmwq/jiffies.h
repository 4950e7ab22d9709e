/* SPDX-License-Identifier: MIT */
/*
 * cmwq/jiffies.h - the kernel's time base, for delayed work.
 *
 * A jiffy here is one millisecond (HZ is 1000) of CLOCK_MONOTONIC. `jiffies`
 * reads the clock; it costs one clock_gettime().
 *
 *	unsigned long deadline = jiffies + msecs_to_jiffies(250);
 *
 *	while (time_before(jiffies, deadline))
 *		poll_device();
 *
 * Results are the kernel's: milliseconds and microseconds are rounded up, so that
 * a delay is never shorter than what was asked for, and what stands for "for
 * ever" (a negative number of milliseconds) becomes MAX_JIFFY_OFFSET. All of it is
 * legal in every context.
 *
 * A program may have names of its own. One that it has as a macro before the first
 * cmwq header is left to it, so HZ of <sys/param.h>, which is 100 and means
 * something else, stays. Of the others it gets rid by defining CMWQ_NO_JIFFIES
 * before that: then only cmwq_jiffies() is declared.
 */
#ifndef CMWQ_JIFFIES_H
#define CMWQ_JIFFIES_H

#ifdef __cplusplus
extern "C" {
#endif

/* Milliseconds of CLOCK_MONOTONIC. Legal in every context. */
unsigned long cmwq_jiffies(void);

#ifdef __cplusplus
}
#endif

#ifndef CMWQ_NO_JIFFIES

#include <limits.h>
#include <stdbool.h>

#ifndef jiffies
#define jiffies cmwq_jiffies()
#endif
#ifndef HZ
#define HZ 1000
#endif
#define CMWQ_HZ 1000UL

/* The longest time that is told apart from "long ago". */
#ifndef MAX_JIFFY_OFFSET
#define MAX_JIFFY_OFFSET CMWQ_MAX_JIFFY_OFFSET
#endif
#define CMWQ_MAX_JIFFY_OFFSET (ULONG_MAX / 4 - 1)

/*
 * Comparisons that hold across the wrap of the counter, if the two are less than
 * half its range apart: time_after(a, b) is true if a is later than b.
 */
#ifndef time_after
static inline bool time_after(unsigned long a, unsigned long b)
{
	return (long)(b - a) < 0;
}
#endif

#ifndef time_before
static inline bool time_before(unsigned long a, unsigned long b)
{
	return (long)(a - b) < 0;
}
#endif

#ifndef time_after_eq
static inline bool time_after_eq(unsigned long a, unsigned long b)
{
	return (long)(a - b) >= 0;
}
#endif

#ifndef time_before_eq
static inline bool time_before_eq(unsigned long a, unsigned long b)
{
	return (long)(b - a) >= 0;
}
#endif

/* From b to c, both included; with _open, c is not. */
#ifndef time_in_range
static inline bool time_in_range(unsigned long a, unsigned long b,
				 unsigned long c)
{
	return (long)(a - b) >= 0 && (long)(c - a) >= 0;
}
#endif

#ifndef time_in_range_open
static inline bool time_in_range_open(unsigned long a, unsigned long b,
				      unsigned long c)
{
	return (long)(a - b) >= 0 && (long)(c - a) > 0;
}
#endif

/* Whether a is in the past (before now), in the future, or now. */
#ifndef time_is_before_jiffies
static inline bool time_is_before_jiffies(unsigned long a)
{
	return (long)(a - cmwq_jiffies()) < 0;
}
#endif

#ifndef time_is_after_jiffies
static inline bool time_is_after_jiffies(unsigned long a)
{
	return (long)(cmwq_jiffies() - a) < 0;
}
#endif

#ifndef time_is_before_eq_jiffies
static inline bool time_is_before_eq_jiffies(unsigned long a)
{
	return (long)(cmwq_jiffies() - a) >= 0;
}
#endif

#ifndef time_is_after_eq_jiffies
static inline bool time_is_after_eq_jiffies(unsigned long a)
{
	return (long)(a - cmwq_jiffies()) >= 0;
}
#endif

/* What is negative as an int means for ever. */
#ifndef msecs_to_jiffies
static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ms > INT_MAX ? CMWQ_MAX_JIFFY_OFFSET : ms;
}
#endif

/* Can be a constant, unlike the others. */
#ifndef secs_to_jiffies
#define secs_to_jiffies(s) ((unsigned long)(s)*CMWQ_HZ)
#endif

/* Rounded up; more than UINT_MAX - 1999 means for ever, which has -1 in it. */
#ifndef usecs_to_jiffies
static inline unsigned long usecs_to_jiffies(unsigned int us)
{
	if (us > UINT_MAX - 1999)
		return CMWQ_MAX_JIFFY_OFFSET;
	return us / 1000 + (us % 1000 != 0);
}
#endif

/* Rounded down, for measuring rather than for delays. */
#ifndef nsecs_to_jiffies
static inline unsigned long nsecs_to_jiffies(unsigned long long ns)
{
	return (unsigned long)(ns / 1000000);
}
#endif

/* As much as fits into an unsigned int: 49 days. */
#ifndef jiffies_to_msecs
static inline unsigned int jiffies_to_msecs(unsigned long j)
{
	return (unsigned int)j;
}
#endif

/* As much as fits into an unsigned int: 71 minutes. */
#ifndef jiffies_to_usecs
static inline unsigned int jiffies_to_usecs(unsigned long j)
{
	return (unsigned int)(j * 1000);
}
#endif

/* 584 years fit. */
#ifndef jiffies_to_nsecs
static inline unsigned long long jiffies_to_nsecs(unsigned long j)
{
	return j * 1000000ULL;
}
#endif

/* Of a difference of two times; 0 if it is negative. */
#ifndef jiffies_delta_to_msecs
static inline unsigned int jiffies_delta_to_msecs(long delta)
{
	return delta < 0 ? 0 : (unsigned int)delta;
}
#endif

#endif /* CMWQ_NO_JIFFIES */
#endif
