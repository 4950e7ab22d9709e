/* SPDX-License-Identifier: MIT */
/* symbol - what an address of code is called, for messages. */
#ifndef CMWQ_SYMBOL_H
#define CMWQ_SYMBOL_H

#include <cmwq/workqueue.h>

#define SYMBOL_LEN 96

struct symbol {
	char name[SYMBOL_LEN];
};

/*
 * "function+0x12", or "function" at its start; for one that the dynamic linker
 * does not know, such as a static one, "program+0x1234", which addr2line -f -e
 * program 0x1234 resolves. Takes no lock and no memory, so it answers also while a
 * thread hangs in dlopen(), for instance the one that is reported.
 */
const char *symbol_name(struct symbol *symbol, const void *address);

/* The same of a function. */
static inline const char *symbol_func(struct symbol *symbol,
				      void (*func)(struct work_struct *work))
{
	return symbol_name(symbol, (const void *)func);
}

#endif
