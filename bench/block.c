/* SPDX-License-Identifier: MIT */
/*
 * block.c - from one item blocking to the next one running.
 *
 * Both items are queued on the same CPU of a per-CPU queue by the main thread,
 * which then sleeps. The first item, A, waits (spinning) until the main thread
 * is about to sleep and 50 us more, reads the clock, and calls read() on an
 * empty pipe. The second, B, reads the clock as its first statement. The
 * latency is the difference: it includes A's way into the kernel, the
 * scheduler's switch, the detection, the wakeup of another worker and its way
 * to B's function. It is what a program sees, and a little more than the time
 * since A was off the CPU. The samples go round all CPUs.
 *
 * The process gives up root before it uses the library: detection must not
 * depend on privileges.
 *
 * In the busy variant one thread of normal priority spins on every CPU.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <cmwq/workqueue.h>
#include "bench.h"

#define NOBODY	     65534
#define NR_WARM	     20
#define NR_IDLE	     2000
#define NR_BUSY	     300
#define LEAD_NS	     (50 * NSEC_PER_USEC)
#define MAX_SPINNERS 1024

static struct {
	struct work_struct a, b;
	atomic_bool main_sleeps;
	struct gate a_done, b_ran;
	uint64_t blocked_at, ran_at;
	int pipe[2];
} s;

static void a_item(struct work_struct *work)
{
	uint64_t t;
	char c;

	(void)work;
	while (!atomic_load_explicit(&s.main_sleeps, memory_order_acquire))
		cpu_relax();
	t = now_ns();
	while (now_ns() < t + LEAD_NS)
		cpu_relax();
	s.blocked_at = now_ns();
	if (read(s.pipe[0], &c, 1) != 1)
		die("reading the pipe: %s", strerror(errno));
	gate_open(&s.a_done);
}

static void b_item(struct work_struct *work)
{
	s.ran_at = now_ns();
	(void)work;
	gate_open(&s.b_ran);
}

/* Microseconds; negative if B was started before A blocked. */
static double sample(struct workqueue_struct *wq, int cpu)
{
	gate_reset(&s.a_done);
	gate_reset(&s.b_ran);
	atomic_store(&s.main_sleeps, false);
	queue_work_on(cpu, wq, &s.a);
	queue_work_on(cpu, wq, &s.b);
	atomic_store_explicit(&s.main_sleeps, true, memory_order_release);
	gate_wait(&s.b_ran);
	if (write(s.pipe[1], "", 1) != 1)
		die("writing the pipe: %s", strerror(errno));
	gate_wait(&s.a_done);
	return ((double)s.ran_at - (double)s.blocked_at) / 1e3;
}

static void drop_root(void)
{
	if (geteuid())
		return;
	if (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY))
		die("giving up root: %s", strerror(errno));
	/*
	 * The kernel takes /proc/self away from a process that changes its
	 * user; one that was started by that user would have it.
	 */
	prctl(PR_SET_DUMPABLE, 1);
}

static void prepare(void)
{
	drop_root();
	if (pipe(s.pipe))
		die("pipe: %s", strerror(errno));
	INIT_WORK(&s.a, a_item);
	INIT_WORK(&s.b, b_item);
}

static void measure(int samples, double to_unit)
{
	static double v[NR_IDLE];
	struct workqueue_struct *wq;
	int i, n = 0, early = 0;
	double us;

	wq = alloc_workqueue("block", WQ_PERCPU, 0);
	for (i = -NR_WARM; i < samples; i++) {
		us = sample(wq, nth_cpu((i + NR_WARM) % nr_cpus()));
		/* Not in step with the timer interrupt. */
		sleep_ns((200 + (unsigned int)(i + NR_WARM) * 37 % 211) *
			 NSEC_PER_USEC);
		if (i < 0)
			continue;
		if (us < 0)
			early++;
		else
			v[n++] = us * to_unit;
	}
	if (early > samples / 10)
		die("B ran before A blocked, %d times of %d", early, samples);
	sort_doubles(v, (size_t)n);
	emit("p50", percentile(v, (size_t)n, 50));
	emit("p99", percentile(v, (size_t)n, 99));
	emit("max", v[n - 1]);
	emit("early", early);
}

int block(void)
{
	prepare();
	measure(NR_IDLE, 1);
	return BENCH_OK;
}

static atomic_bool stop_spinning;

static void *spinner(void *arg)
{
	pin_to((int)(long)arg);
	while (!atomic_load_explicit(&stop_spinning, memory_order_relaxed))
		cpu_relax();
	return NULL;
}

int block_busy(void)
{
	pthread_t thread[MAX_SPINNERS];
	int i, n = nr_cpus();

	prepare();
	workqueue_init();
	for (i = 0; i < n; i++) {
		if (pthread_create(&thread[i], NULL, spinner,
				   (void *)(long)nth_cpu(i)))
			die("cannot create a thread");
	}
	measure(NR_BUSY, 1e-3);
	atomic_store(&stop_spinning, true);
	for (i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	return BENCH_OK;
}
