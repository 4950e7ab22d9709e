/* SPDX-License-Identifier: MIT */
/*
 * symbol - names of code addresses.
 *
 * rooms: symbol
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <sys/auxv.h>

#include "symbol.h"

static void one_of_ours(struct work_struct *work)
{
	(void)work;
}

/* The dynamic linker knows what a library exports. */
static void test_exported(void **state)
{
	struct symbol s;
	const char *name;

	(void)state;
	name = symbol_name(&s, (void *)(uintptr_t)free);
	assert_ptr_equal(name, s.name);
	if (!strncmp(name, "unit-symbol", 11))
		skip(); /* a sanitizer's, in the program itself */
	assert_non_null(strstr(name, "free"));
	assert_null(strchr(name, '+'));
	name = symbol_name(&s, (char *)(uintptr_t)free + 1);
	assert_non_null(strstr(name, "free+0x1"));
}

/* Of a static function it knows the program, and where in it. */
static void test_static(void **state)
{
	struct symbol s, next;
	unsigned long off, off_next;

	(void)state;
	symbol_func(&s, one_of_ours);
	symbol_name(&next, (char *)(uintptr_t)one_of_ours + 1);
	assert_int_equal(sscanf(s.name, "unit-symbol+0x%lx", &off), 1);
	assert_int_equal(sscanf(next.name, "unit-symbol+0x%lx", &off_next), 1);
	assert_int_equal(off_next, off + 1);
}

/* What dladdr() says, of whatever kind of function and library. */
static void test_as_dladdr(void **state)
{
	static const char *const functions[] = {
		"qsort", "dlsym", "fputs", "memcpy", "_cmocka_run_group_tests",
	};
	struct symbol s;

	(void)state;
	for (size_t i = 0; i < sizeof(functions) / sizeof(*functions); i++) {
		char *addr = dlsym(RTLD_DEFAULT, functions[i]);
		Dl_info info;

		assert_non_null(addr);
		assert_int_not_equal(dladdr(addr, &info), 0);
		/* Several names can have one address. */
		if (info.dli_sname)
			assert_ptr_equal(dlsym(RTLD_DEFAULT,
					       symbol_name(&s, addr)),
					 addr);
	}
}

/* Its tables hold offsets, not addresses. */
static void test_vdso(void **state)
{
	char *vdso = (char *)getauxval(AT_SYSINFO_EHDR);
	struct symbol s;

	(void)state;
	if (!vdso)
		skip();
	for (int i = 0; i < 4096; i += 16)
		assert_int_not_equal(symbol_name(&s, vdso + i)[0], '\0');
}

static void test_no_code(void **state)
{
	struct symbol s;

	(void)state;
	assert_string_equal(symbol_name(&s, (void *)0x1234), "0x1234");
	symbol_name(&s, NULL);
	assert_true(strlen(s.name) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exported),  cmocka_unit_test(test_static),
		cmocka_unit_test(test_as_dladdr), cmocka_unit_test(test_vdso),
		cmocka_unit_test(test_no_code),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
