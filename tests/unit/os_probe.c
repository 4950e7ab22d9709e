/* SPDX-License-Identifier: MIT */
/*
 * os_probe - memory that is there, that is not, and that is code. The real room,
 * under other names than the fake one's.
 *
 * rooms:
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "unit/fake_os.h"

#define os_probe_copy	   real_copy
#define os_probe_code	   real_code
#define os_signals_block   real_block
#define os_signals_restore real_restore
#define os_gettid()	   ((int)syscall(SYS_gettid))
#include "../../src/os_probe.c"

#define PAGE 4096

static char *pages(int prot)
{
	char *p =
		mmap(NULL, 2 * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

static void test_copy(void **state)
{
	char *p = pages(PROT_READ | PROT_WRITE);
	char to[64];

	(void)state;
	strcpy(p, "something");
	errno = 77;
	assert_true(os_probe_copy(to, p, sizeof(to)));
	assert_string_equal(to, "something");
	assert_false(os_probe_copy(to, NULL, 1));
	assert_false(os_probe_copy(to, (void *)0x6b6b6b6b6b6b6b6bUL, 8));
	assert_false(os_probe_copy(to, (void *)UINTPTR_MAX, 8));
	/* Half of it. */
	munmap(p + PAGE, PAGE);
	assert_false(os_probe_copy(to, p + PAGE - 32, sizeof(to)));
	assert_true(os_probe_copy(to, p + PAGE - 64, sizeof(to)));
	mprotect(p, PAGE, PROT_NONE);
	assert_false(os_probe_copy(to, p, 1));
	munmap(p, PAGE);
	assert_false(os_probe_copy(to, p, 1));
	assert_int_equal(errno, 77);
}

static void test_code(void **state)
{
	char *p = pages(PROT_READ | PROT_WRITE);
	int on_stack;

	(void)state;
	errno = 77;
	for (int i = 0; i < 2; i++) { /* found out, and known */
		assert_true(os_probe_code((void *)(uintptr_t)test_code));
		assert_true(os_probe_code((void *)(uintptr_t)free));
		assert_false(os_probe_code(NULL));
		assert_false(os_probe_code(&on_stack));
		assert_false(os_probe_code(p));
		assert_false(os_probe_code((void *)UINTPTR_MAX));
	}
	assert_int_equal(errno, 77);
	munmap(p, 2 * PAGE);
}

/* A library that is loaded, and gone again. */
static void test_unloaded(void **state)
{
	char *p = pages(PROT_READ | PROT_EXEC);

	(void)state;
	assert_true(os_probe_code(p));
	assert_true(os_probe_code(p));
	munmap(p, 2 * PAGE);
	assert_false(os_probe_code(p));
}

/* Many lines before the one that counts. */
static void test_many_maps(void **state)
{
	enum {
		N = 300
	};
	static char *p[N];

	(void)state;
	for (int i = 0; i < N; i++) {
		p[i] = pages(PROT_READ);
		mprotect(p[i], PAGE, PROT_READ | PROT_EXEC);
	}
	for (int i = 0; i < N; i++) {
		assert_true(os_probe_code(p[i]));
		assert_true(os_probe_code(p[i] + PAGE - 1));
		assert_false(os_probe_code(p[i] + PAGE));
	}
	for (int i = 0; i < N; i++)
		munmap(p[i], 2 * PAGE);
}

static void *probe_cancelled(void *page)
{
	pthread_cancel(pthread_self());
	return (void *)(uintptr_t)(os_probe_code(page) + 1);
}

/* Whoever asks may hold locks, so it is no cancellation point. */
static void test_cancelled(void **state)
{
	char *p = pages(PROT_READ | PROT_EXEC);
	pthread_t thread;
	void *result;

	(void)state;
	assert_false(pthread_create(&thread, NULL, probe_cancelled, p + 100));
	assert_false(pthread_join(thread, &result));
	assert_int_equal((uintptr_t)result, 2);
	munmap(p, 2 * PAGE);
}

static void test_signals(void **state)
{
	sigset_t before, now;

	(void)state;
	os_signals_block(&before);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	assert_int_equal(sigismember(&now, SIGUSR1), 1);
	os_signals_restore(&before);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &now), 0);
	assert_int_equal(sigismember(&now, SIGUSR1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_code),
		cmocka_unit_test(test_unloaded),
		cmocka_unit_test(test_cancelled),
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_many_maps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
