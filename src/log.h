/* SPDX-License-Identifier: MIT */
/* log - messages to the program's callback or standard error. */
#ifndef CMWQ_LOG_H
#define CMWQ_LOG_H

#include <stdatomic.h>
#include <cmwq/cmwq.h>

void log_line(enum cmwq_log_level level, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...)  log_line(CMWQ_LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_line(CMWQ_LOG_WARN, __VA_ARGS__)

/* At most once per process for each place in the code. */
#define log_warn_once(...)                                                    \
	do {                                                                  \
		static atomic_flag said = ATOMIC_FLAG_INIT;                   \
		if (!atomic_flag_test_and_set_explicit(&said,                 \
						       memory_order_relaxed)) \
			log_warn(__VA_ARGS__);                                \
	} while (0)

/*
 * For paths that must be async-signal-safe: note a message about a workqueue,
 * to be printed by log_flush(). @fmt takes its name (%s) and the caller's
 * address (%p), in this order. Beyond 32 notes they are only counted.
 */
void log_later(const char *fmt, const char *name, void *caller);
void log_flush(void);
void log_reset(void); /* in a forked child */

#endif
