/* SPDX-License-Identifier: MIT */
/* world_user.h - a process with cmwq. See world.h. */
#ifndef CONF_WORLD_USER_H
#define CONF_WORLD_USER_H

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>
#include <cmwq/workqueue.h>

typedef uint64_t u64;
typedef uint32_t u32;

/* Of kernels. */
#define SINCE(major, minor) NULL

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* --- atomics --- */

typedef struct {
	_Atomic int value;
} atomic_t;

static inline int atomic_read(atomic_t *v)
{
	return atomic_load(&v->value);
}

static inline void atomic_set(atomic_t *v, int i)
{
	atomic_store(&v->value, i);
}

static inline int atomic_inc_return(atomic_t *v)
{
	return atomic_fetch_add(&v->value, 1) + 1;
}

static inline int atomic_dec_return(atomic_t *v)
{
	return atomic_fetch_sub(&v->value, 1) - 1;
}

static inline void atomic_inc(atomic_t *v)
{
	atomic_fetch_add(&v->value, 1);
}

/* --- completions --- */

struct completion {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	unsigned int done; /* UINT_MAX: for ever */
};

void init_completion(struct completion *x);
void reinit_completion(struct completion *x);
void complete(struct completion *x);
void complete_all(struct completion *x);
void wait_for_completion(struct completion *x);
bool completion_done(struct completion *x);

struct world_thread {
	pthread_t id;
	int tid;
	int cpu;
};

/* --- memory, time, text --- */

#define GFP_KERNEL 0

static inline void *kzalloc(size_t size, int gfp)
{
	(void)gfp;
	return calloc(1, size);
}

static inline void kfree(void *p)
{
	free(p);
}

u64 ktime_get_ns(void);
void usleep_range(unsigned long min, unsigned long max);

int scnprintf(char *buf, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif
