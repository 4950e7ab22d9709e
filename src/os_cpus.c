/* SPDX-License-Identifier: MIT */
/*
 * os_cpus - which CPUs there are, which the process may use. See os_cpus.h.
 *
 * The thread that stands for the process asks for all possible CPUs, and gets
 * those that its cpuset has and that are online. The kernel remembers what was
 * asked for (from 6.2 on; before, it forgets it at the first change of the cpuset,
 * which comes to the same here), so a cpuset that widens later shows as well. If
 * that is more than the process has had until now, somebody has restricted it by
 * affinity (taskset): then the thread asks for that, and a cpuset that changes
 * shows as far as it concerns these CPUs. What sets the affinity of all threads
 * (taskset -a) includes this one and shows, too. The affinity of single threads
 * of the program is their own business: "taskset -p PID" moves its main thread.
 * Between the start of the program and the first use of the library nobody stands
 * for the process, and what is restricted then is taken for the program's own doing.
 *
 * Scheduler calls are raw system calls: they act on threads, and the C
 * library's wrappers differ (musl's refuse).
 */
#include "os_cpus.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_CPUS  65536 /* of the system; we use the first NR_CPUS */
#define LONG_BITS ((int)(8 * sizeof(long)))
#define NR_WORDS  (CMWQ_NR_CPUS / LONG_BITS)

static struct {
	int nr_cpus;	  /* I */
	int nr_ignored;	  /* I */
	size_t mask_size; /* I: what the kernel wants */
	/* The process's as last seen, at the start or by the thread that stands
	   for it, which alone writes it then; a forked child begins with it. */
	cpu_set_t *last;
	cpu_set_t *look; /* that thread's scratch */
	int nr_real;	 /* I: in last, behind the pretended ones, or 0 */
	cpu_set_t *real; /* I: these */
	/* A: the same as last, as far as we use it. */
	_Atomic unsigned long granted[NR_WORDS];
	_Atomic unsigned long allowed[NR_WORDS]; /* A: os_allow_cpus() */
	_Atomic int nr_allowed;			 /* A: the same */
} topo;

/* Of a thread on a pretended CPU: its number, plus one. */
static __thread int pretended_cpu;

int os_cpu_limit = 1;

/* The highest CPU number in a list like "0-3,8-11", plus one; 0 on error. */
static int read_possible(void)
{
	char buf[256];
	const char *last;
	ssize_t n;
	int fd;

	fd = open("/sys/devices/system/cpu/possible", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = '\0';
	last = buf + strcspn(buf, "\n");
	while (last > buf && last[-1] >= '0' && last[-1] <= '9')
		last--;
	return atoi(last) + 1;
}

static bool has_cpu(const _Atomic unsigned long *cpus, int cpu)
{
	return atomic_load_explicit(&cpus[cpu / LONG_BITS],
				    memory_order_relaxed) >>
		       (cpu % LONG_BITS) &
	       1;
}

static int nr_words(void)
{
	return (topo.nr_cpus + LONG_BITS - 1) / LONG_BITS;
}

void os_allow_cpus(const struct cpumask *cpus)
{
	int n = 0;

	for (int i = 0; i < nr_words(); i++) {
		atomic_store(&topo.allowed[i], cpus->bits[i]);
		n += __builtin_popcountl(cpus->bits[i]);
	}
	atomic_store(&topo.nr_allowed, n);
}

/* What lies beyond NR_CPUS is not ours, unless there is nothing else. */
static void grant(const cpu_set_t *set)
{
	unsigned long any = 0;

	for (int i = 0; i < nr_words(); i++) {
		unsigned long word = 0;

		for (int bit = 0; bit < LONG_BITS; bit++)
			if (i * LONG_BITS + bit < topo.nr_cpus &&
			    CPU_ISSET_S(i * LONG_BITS + bit, topo.mask_size,
					set))
				word |= 1UL << bit;
		any |= word;
		atomic_store(&topo.granted[i], word);
	}
	for (int cpu = 0; cpu < topo.nr_cpus && !any; cpu++)
		atomic_fetch_or(&topo.granted[cpu / LONG_BITS],
				1UL << (cpu % LONG_BITS));
}

void os_granted_cpus(struct cpumask *cpus)
{
	for (int i = 0; i < nr_words(); i++)
		cpus->bits[i] = atomic_load(&topo.granted[i]);
}

/* The kernel wants room for all its CPUs; find how much that is. */
static bool read_mask(void)
{
	long n = -1;

	for (int max = 1024; max <= MAX_CPUS && n < 0; max *= 2) {
		free(topo.last);
		topo.mask_size = CPU_ALLOC_SIZE(max);
		topo.last = calloc(2, topo.mask_size);
		if (!topo.last)
			abort();
		n = syscall(SYS_sched_getaffinity, 0, topo.mask_size,
			    topo.last);
	}
	topo.look = (cpu_set_t *)((char *)topo.last + topo.mask_size);
	return n >= 0;
}

void os_topology_init(void)
{
	long conf = sysconf(_SC_NPROCESSORS_CONF);
	struct cpumask first;
	bool known;

	if (topo.last)
		return;
	known = read_mask();
	topo.nr_cpus = read_possible();
	if (topo.nr_cpus < conf)
		topo.nr_cpus = (int)conf;
	if (topo.nr_cpus < 1)
		topo.nr_cpus = 1;
	for (int cpu = 0; cpu < (int)topo.mask_size * CHAR_BIT; cpu++) {
		if (!known && cpu < topo.nr_cpus)
			CPU_SET_S(cpu, topo.mask_size, topo.last);
		if (CPU_ISSET_S(cpu, topo.mask_size, topo.last) &&
		    cpu >= topo.nr_cpus)
			topo.nr_cpus = cpu + 1;
	}
	if (topo.nr_cpus > CMWQ_NR_CPUS) {
		topo.nr_ignored = topo.nr_cpus - CMWQ_NR_CPUS;
		topo.nr_cpus = CMWQ_NR_CPUS;
	}
	os_cpu_limit = topo.nr_cpus;
	grant(topo.last);
	os_granted_cpus(&first);
	os_allow_cpus(&first);
}

void os_pretend_cpus(int nr)
{
	struct cpumask all = { { 0 } };

	topo.nr_ignored = nr > CMWQ_NR_CPUS ? nr - CMWQ_NR_CPUS : 0;
	topo.nr_cpus = nr - topo.nr_ignored;
	topo.real = topo.last;
	topo.nr_real = CPU_COUNT_S(topo.mask_size, topo.real);
	for (int cpu = 0; cpu < topo.nr_cpus; cpu++)
		all.bits[cpu / LONG_BITS] |= 1UL << (cpu % LONG_BITS);
	for (int i = 0; i < nr_words(); i++)
		atomic_store(&topo.granted[i], all.bits[i]);
	os_allow_cpus(&all);
	os_cpu_limit = 0; /* which makes os_cpu() ask us */
}

int os_nr_cpus(void)
{
	return topo.nr_cpus;
}

int os_nr_allowed(void)
{
	return atomic_load_explicit(&topo.nr_allowed, memory_order_relaxed);
}

int os_cpus_ignored(void)
{
	return topo.nr_ignored;
}

bool os_cpu_allowed(int cpu)
{
	/* Sequentially consistent: see "A CPU is lost" in LOCKING.md. */
	return atomic_load(&topo.allowed[cpu / LONG_BITS]) >>
		       (cpu % LONG_BITS) &
	       1;
}

/* A thread on a pretended CPU that was taken away is on the next one. */
static int where_pretended(void)
{
	int cpu = pretended_cpu - 1;

	for (int n = topo.nr_cpus; n-- > 0 && !os_cpu_allowed(cpu);)
		cpu = (cpu + 1) % topo.nr_cpus;
	return cpu;
}

int os_cpu_slow(void)
{
	int cpu = pretended_cpu ? where_pretended() : sched_getcpu();

	return cpu >= 0 && cpu < topo.nr_cpus ? cpu : 0;
}

/* The CPU to run on for one of ours: where CPUs are pretended they share the
 * real ones. */
static int real_cpu(int cpu)
{
	int n;

	if (!topo.nr_real)
		return cpu;
	n = cpu % topo.nr_real;
	for (cpu = 0; n || !CPU_ISSET_S(cpu, topo.mask_size, topo.real); cpu++)
		n -= CPU_ISSET_S(cpu, topo.mask_size, topo.real);
	return cpu;
}

/* --- the thread that stands for the process --- */

static bool same_mask(const cpu_set_t *a, const cpu_set_t *b)
{
	for (int cpu = 0; cpu < topo.nr_cpus; cpu++)
		if (!CPU_ISSET_S(cpu, topo.mask_size, a) !=
		    !CPU_ISSET_S(cpu, topo.mask_size, b))
			return false;
	return true;
}

static bool get_mask(int tid, cpu_set_t *set)
{
	memset(set, 0, topo.mask_size);
	return syscall(SYS_sched_getaffinity, tid, topo.mask_size, set) >= 0;
}

/* What the calling thread gets if it asks for all CPUs, into topo.look. */
static bool ask_for_all(void)
{
	memset(topo.look, 0, topo.mask_size);
	for (int cpu = 0; cpu < topo.nr_cpus; cpu++)
		CPU_SET_S(cpu, topo.mask_size, topo.look);
	syscall(SYS_sched_setaffinity, 0, topo.mask_size, topo.look);
	return get_mask(0, topo.look);
}

/* Has the main thread just that? The cpuset may have changed since the start. */
static bool main_has_all(void)
{
	cpu_set_t *set = malloc(topo.mask_size);
	bool has = set && get_mask(getpid(), set) && same_mask(set, topo.look);

	free(set);
	return has;
}

void os_watch_cpus(void)
{
	if (topo.nr_real)
		return;
	if (ask_for_all() && !same_mask(topo.look, topo.last) &&
	    !main_has_all())
		syscall(SYS_sched_setaffinity, 0, topo.mask_size, topo.last);
	os_look_at_cpus();
}

int os_thread_is_bound(int tid, int cpu)
{
	if (!get_mask(tid, topo.look))
		return -1;
	return CPU_COUNT_S(topo.mask_size, topo.look) == 1 &&
	       CPU_ISSET_S(real_cpu(cpu), topo.mask_size, topo.look);
}

void os_look_at_cpus(void)
{
	if (topo.nr_real || !get_mask(0, topo.look) ||
	    !memcmp(topo.look, topo.last, topo.mask_size))
		return;
	/* In this order: a child that is forked in between sees that last is old, and
	 * does it again. */
	grant(topo.look);
	memcpy(topo.last, topo.look, topo.mask_size);
}

/* --- who runs where --- */

/* Returns the first of them. */
static int fill(cpu_set_t *set, size_t size, const _Atomic unsigned long *cpus)
{
	int first = -1;

	for (int cpu = 0; cpu < topo.nr_cpus; cpu++) {
		if (!os_cpu_allowed(cpu) || (cpus && !has_cpu(cpus, cpu)))
			continue;
		if (first < 0)
			first = cpu;
		CPU_SET_S(real_cpu(cpu), size, set);
	}
	return first;
}

int os_thread_move(int tid, int cpu, const _Atomic unsigned long *cpus)
{
	cpu_set_t set[CMWQ_NR_CPUS / CPU_SETSIZE];
	int saved = errno, err = 0;

	CPU_ZERO_S(sizeof(set), set);
	if (cpu >= 0)
		CPU_SET_S(real_cpu(cpu), sizeof(set), set);
	else if (cpus)
		cpu = fill(set, sizeof(set), cpus);
	if (cpu < 0)
		fill(set, sizeof(set), NULL);
	if (topo.nr_real && (!tid || tid == (int)syscall(SYS_gettid)))
		pretended_cpu = cpu + 1;
	if (syscall(SYS_sched_setaffinity, tid, sizeof(set), set))
		err = errno;
	errno = saved;
	return err;
}
