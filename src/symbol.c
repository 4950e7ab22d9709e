/* SPDX-License-Identifier: MIT */
/* symbol - what an address of code is called, for messages. See symbol.h. */
#include "symbol.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

const char *symbol_name(struct symbol *symbol, const void *address)
{
	char *name = symbol->name;
	size_t off;
	Dl_info info;

	if (!dladdr(address, &info)) {
		snprintf(name, SYMBOL_LEN, "%p", address);
	} else if (!info.dli_sname) {
		off = (uintptr_t)address - (uintptr_t)info.dli_fbase;
		snprintf(name, SYMBOL_LEN, "%s+0x%zx",
			 base_name(info.dli_fname), off);
	} else if ((off = (uintptr_t)address - (uintptr_t)info.dli_saddr)) {
		snprintf(name, SYMBOL_LEN, "%s+0x%zx", info.dli_sname, off);
	} else {
		snprintf(name, SYMBOL_LEN, "%s", info.dli_sname);
	}
	return name;
}
