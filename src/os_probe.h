/* SPDX-License-Identifier: MIT */
/*
 * os_probe - memory that may not be there any more, or never was. The system is
 * asked, so it costs a system call. Async-signal-safe; errno is preserved.
 */
#ifndef CMWQ_OS_PROBE_H
#define CMWQ_OS_PROBE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

/* Copy memory; false if not all of it can be read. Where the system does not let
 * us ask, it is taken to be there. */
bool os_probe_copy(void *to, const void *from, size_t size);

/* Can it be code? Where that cannot be told, it is taken to be. */
bool os_probe_code(const void *address);

/* Keep all signals from this thread, as a handler may never return. */
void os_signals_block(sigset_t *before);
void os_signals_restore(const sigset_t *before);

#endif
