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
 * Conversions round up, so that a delay is never shorter than what was asked
 * for. A program that has names of its own defines CMWQ_NO_JIFFIES before the
 * first cmwq header: only cmwq_jiffies() remains.
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

#ifndef jiffies
#define jiffies cmwq_jiffies()
#endif
#ifndef HZ /* also in <sys/param.h>, where it means something else */
#define HZ 1000
#endif

#define CMWQ_HZ 1000UL

/* Wrap-safe comparisons: time_after(a, b) is true if a is later than b. */
#ifndef time_after
#define time_after(a, b)     ((long)((b) - (a)) < 0)
#define time_before(a, b)    time_after(b, a)
#define time_after_eq(a, b)  ((long)((a) - (b)) >= 0)
#define time_before_eq(a, b) time_after_eq(b, a)
#endif

static inline unsigned long msecs_to_jiffies(unsigned int ms)
{
	return ms;
}

static inline unsigned long secs_to_jiffies(unsigned int s)
{
	return s * CMWQ_HZ;
}

static inline unsigned long usecs_to_jiffies(unsigned int us)
{
	return us / 1000 + (us % 1000 != 0);
}

static inline unsigned long nsecs_to_jiffies(unsigned long long ns)
{
	return (unsigned long)(ns / 1000000 + (ns % 1000000 != 0));
}

static inline unsigned int jiffies_to_msecs(unsigned long j)
{
	return (unsigned int)j;
}

static inline unsigned int jiffies_to_usecs(unsigned long j)
{
	return (unsigned int)(j * 1000);
}

#endif /* CMWQ_NO_JIFFIES */
#endif
