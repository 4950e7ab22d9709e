/* SPDX-License-Identifier: MIT */
/* os_probe - memory that may not be there. See os_probe.h. */
#include "os_probe.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "os.h"

#define KNOWN 64

/* By the thread's number: that of the process is its first thread's, which may
 * have ended. */
static bool copy(void *to, const void *from, size_t size)
{
	struct iovec local = { to, size };
	struct iovec remote = { (void *)(uintptr_t)from, size };
	ssize_t n = process_vm_readv(os_gettid(), &local, 1, &remote, 1, 0);

	if (n >= 0 || errno == EFAULT)
		return n == (ssize_t)size;
	memcpy(to, from, size);
	return true;
}

bool os_probe_copy(void *to, const void *from, size_t size)
{
	int err = errno;
	bool ok = copy(to, from, size);

	errno = err;
	return ok;
}

/*
 * Reads /proc/thread-self/maps, whose lines begin "start-end rwxp". By raw system
 * calls: open() and read() are cancellation points, and a thread of the program
 * that somebody cancels may hold a pool's lock here.
 */
struct maps {
	long fd;
	size_t pos, len;
	char buf[1024];
};

static int next_char(struct maps *m)
{
	long n;

	if (m->pos == m->len) {
		n = syscall(SYS_read, m->fd, m->buf, sizeof(m->buf));
		if (n <= 0)
			return -1;
		m->pos = 0;
		m->len = (size_t)n;
	}
	return (unsigned char)m->buf[m->pos++];
}

/* The number that ends at the character *end. */
static uintptr_t next_number(struct maps *m, int *end)
{
	uintptr_t n = 0;
	int c;

	while ((c = next_char(m)) >= 0) {
		if (c >= '0' && c <= '9')
			n = n << 4 | (uintptr_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			n = n << 4 | (uintptr_t)(c - 'a' + 10);
		else
			break;
	}
	*end = c;
	return n;
}

/* One line: is the address in it, and executable? False at the end of all. */
static bool next_map(struct maps *m, uintptr_t address, bool *found)
{
	uintptr_t start, end;
	char prot[3];
	int c;

	start = next_number(m, &c);
	end = next_number(m, &c);
	for (int i = 0; i < 3; i++)
		prot[i] = (char)next_char(m);
	*found =
		c == ' ' && address >= start && address < end && prot[2] == 'x';
	do
		c = next_char(m);
	while (c >= 0 && c != '\n');
	return c >= 0;
}

static bool is_mapped_code(const void *address)
{
	struct maps m = { .fd = syscall(SYS_openat, AT_FDCWD,
					"/proc/thread-self/maps",
					O_RDONLY | O_CLOEXEC) };
	bool found = false;

	if (m.fd < 0)
		return true;
	while (next_map(&m, (uintptr_t)address, &found) && !found)
		;
	syscall(SYS_close, m.fd);
	return found;
}

/*
 * What was code once is asked for no more than to be there: a library can have
 * been unloaded.
 */
bool os_probe_code(const void *address)
{
	static _Atomic uintptr_t known[KNOWN]; /* A: by whoever found out */
	uintptr_t number = (uintptr_t)address;
	_Atomic uintptr_t *slot = &known[(number >> 4) % KNOWN];
	int err = errno;
	bool ok;
	char c;

	if (atomic_load(slot) == number)
		return os_probe_copy(&c, address, 1);
	ok = is_mapped_code(address);
	if (ok)
		atomic_store(slot, number);
	errno = err;
	return ok;
}

void os_signals_block(sigset_t *before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, before);
}

void os_signals_restore(const sigset_t *before)
{
	pthread_sigmask(SIG_SETMASK, before, NULL);
}
