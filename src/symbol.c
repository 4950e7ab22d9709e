/* SPDX-License-Identifier: MIT */
/*
 * symbol - what an address of code is called, for messages. See symbol.h.
 *
 * dladdr() would do, but it waits for the loader's lock, which an item that hangs
 * in dlopen() (in a constructor of what it loads) holds: whoever reports that item
 * would hang with it. _dl_find_object(), made for unwinders, takes no lock and
 * names the object; its table of exported symbols is read here. Where the C library
 * does not have it dladdr() is used after all.
 */
#include "symbol.h"

#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct found {
	const char *object; /* its file, "" for the program */
	uintptr_t base;	    /* where it was loaded */
	const char *name;   /* of the function, or NULL */
	uintptr_t start;
};

#ifdef DLFO_STRUCT_HAS_EH_DBASE

/* What is needed of an object's dynamic section. */
struct tables {
	const ElfW(Sym) * symbols;
	const char *strings;
	const uint32_t *hash;	  /* DT_HASH */
	const uint32_t *gnu_hash; /* DT_GNU_HASH */
};

/* The loader replaces offsets by addresses, but not in the vdso. */
static const void *dynamic_ptr(const struct link_map *map, ElfW(Addr) ptr)
{
	return (const void *)(ptr < map->l_addr ? ptr + map->l_addr : ptr);
}

static bool find_tables(const struct link_map *map, struct tables *t)
{
	memset(t, 0, sizeof(*t));
	for (const ElfW(Dyn) *d = map->l_ld; d && d->d_tag != DT_NULL; d++) {
		const void *ptr = dynamic_ptr(map, d->d_un.d_ptr);

		if (d->d_tag == DT_SYMTAB)
			t->symbols = ptr;
		else if (d->d_tag == DT_STRTAB)
			t->strings = ptr;
		else if (d->d_tag == DT_HASH)
			t->hash = ptr;
		else if (d->d_tag == DT_GNU_HASH)
			t->gnu_hash = ptr;
	}
	return t->symbols && t->strings;
}

/* Only a hash table tells how many symbols there are; GNU's has no count, but
 * its highest chain ends with the last one. */
static uint32_t count_symbols(const struct tables *t)
{
	const uint32_t *buckets, *chains;
	uint32_t nr_buckets, first, last = 0;

	if (t->hash)
		return t->hash[1];
	if (!t->gnu_hash)
		return 0;
	nr_buckets = t->gnu_hash[0];
	first = t->gnu_hash[1];
	buckets = t->gnu_hash + 4 +
		  t->gnu_hash[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
	chains = buckets + nr_buckets;
	for (uint32_t i = 0; i < nr_buckets; i++)
		if (buckets[i] > last)
			last = buckets[i];
	if (last < first)
		return first;
	while (!(chains[last - first] & 1))
		last++;
	return last + 1;
}

static bool is_function(const ElfW(Sym) * s)
{
	unsigned int type = s->st_info & 0xf;

	return s->st_shndx != SHN_UNDEF &&
	       (type == STT_FUNC || type == STT_GNU_IFUNC);
}

static bool find(const void *addr, struct found *f)
{
	struct dl_find_object object;
	const struct link_map *map;
	struct tables t;
	uintptr_t at = (uintptr_t)addr;
	uint32_t n;

	if (_dl_find_object((void *)addr, &object))
		return false;
	map = object.dlfo_link_map;
	f->object = map->l_name;
	f->base = map->l_addr;
	n = find_tables(map, &t) ? count_symbols(&t) : 0;
	for (uint32_t i = 0; i < n; i++) {
		const ElfW(Sym) *s = &t.symbols[i];
		uintptr_t start = map->l_addr + s->st_value;

		if (!is_function(s) || at < start || at - start >= s->st_size ||
		    (f->name && start <= f->start))
			continue;
		f->name = t.strings + s->st_name;
		f->start = start;
	}
	return true;
}

#else

static bool find(const void *addr, struct found *f)
{
	Dl_info info;

	if (!dladdr(addr, &info))
		return false;
	f->object = info.dli_fname;
	f->base = (uintptr_t)info.dli_fbase;
	f->name = info.dli_sname;
	f->start = (uintptr_t)info.dli_saddr;
	return true;
}

#endif

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!*path)
		return program_invocation_short_name;
	return slash ? slash + 1 : path;
}

const char *symbol_name(struct symbol *symbol, const void *address)
{
	struct found f = { .name = NULL };
	uintptr_t at = (uintptr_t)address;
	char *name = symbol->name;

	if (!find(address, &f))
		snprintf(name, SYMBOL_LEN, "%p", address);
	else if (!f.name)
		snprintf(name, SYMBOL_LEN, "%s+0x%zx", file_name(f.object),
			 at - f.base);
	else if (at != f.start)
		snprintf(name, SYMBOL_LEN, "%s+0x%zx", f.name, at - f.start);
	else
		snprintf(name, SYMBOL_LEN, "%s", f.name);
	return name;
}
