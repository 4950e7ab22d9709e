/* SPDX-License-Identifier: MIT */
/*
 * tasks.c - arrays of tasks, what ran where, spinning, makespans.
 *
 * Nothing here is in a measured path but count_task() and spin_ns(), which are the
 * work that tasks do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "shared.h"

#define NR_THREADS 8192
#define ALIGN	   16
#define LONG_STEP  2000 /* ns */

static struct counter {
	_Alignas(CACHELINE) atomic_ulong n;
} counters[NR_THREADS];
static atomic_uint nr_counters;
static _Thread_local struct counter *my_counter;

static size_t task_space(void)
{
	return (peer_task_size + ALIGN - 1) / ALIGN * ALIGN;
}

struct tasks tasks_new(int n, size_t data, peer_fn *fn)
{
	struct tasks tasks = { .n = n };
	int i;

	/* Without data as dense as the library's own struct allows. */
	tasks.stride = data ? task_space() + (data + ALIGN - 1) / ALIGN * ALIGN
			    : (peer_task_size + 7) / 8 * 8;
	tasks.base = calloc((size_t)n, tasks.stride);
	if (!tasks.base)
		die("no memory for %d tasks", n);
	for (i = 0; i < n; i++)
		peer_task_init(task_at(&tasks, i), fn);
	return tasks;
}

void tasks_free(struct tasks *tasks)
{
	free(tasks->base);
}

struct peer_task *task_at(const struct tasks *tasks, int i)
{
	return (struct peer_task *)(tasks->base + (size_t)i * tasks->stride);
}

void *task_data(struct peer_task *task)
{
	return (char *)task + task_space();
}

static struct counter *new_counter(void)
{
	unsigned int n = atomic_fetch_add(&nr_counters, 1);

	if (n >= NR_THREADS)
		die("more than %d threads took part", NR_THREADS);
	return &counters[n];
}

void count_task(void)
{
	struct counter *c = my_counter;

	if (!c)
		c = my_counter = new_counter();
	/* The only writer: a plain addition, but one others may read. */
	atomic_store_explicit(
		&c->n, atomic_load_explicit(&c->n, memory_order_relaxed) + 1,
		memory_order_release);
}

uint64_t tasks_counted(void)
{
	unsigned int i, n = atomic_load(&nr_counters);
	uint64_t sum = 0;

	for (i = 0; i < n && i < NR_THREADS; i++)
		sum += atomic_load_explicit(&counters[i].n,
					    memory_order_acquire);
	return sum;
}

void await_count(uint64_t n, uint64_t ns)
{
	if (ns < 20 * NSEC_PER_USEC)
		ns = 20 * NSEC_PER_USEC;
	while (tasks_counted() < n)
		peer_sleep_until(now_ns() + ns);
}

static atomic_int tasks_left;
static struct gate none_left;

void expect_tasks(int n)
{
	atomic_store(&tasks_left, n);
	gate_reset(&none_left);
}

void task_finished(void)
{
	if (atomic_fetch_sub(&tasks_left, 1) == 1)
		peer_done(&none_left);
}

void await_tasks(void)
{
	peer_wait(&none_left);
}

/*
 * By the clock: how many turns of a loop take as long depends on what the other thread
 * of the core, or another machine on it, does. Steps that are long are those in which
 * this thread did not run.
 */
void spin_ns(uint64_t ns)
{
	uint64_t last = now_ns(), now, done = 0;

	while (done < ns) {
		now = now_ns();
		done += now - last < LONG_STEP ? now - last : LONG_STEP;
		last = now;
	}
}

static uint64_t span_start, span_start_cpu;

static uint64_t process_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void span_begin(void)
{
	span_start_cpu = process_cpu_ns();
	span_start = now_ns();
}

void emit_span(int n, uint64_t task_ns, bool blocking)
{
	double ideal = (double)n * (double)task_ns / nr_cpus();

	emit("makespan_x", (double)(now_ns() - span_start) / ideal);
	if (blocking)
		emit("cpu_x", (double)(process_cpu_ns() - span_start_cpu) /
				      nr_cpus() / ideal);
}

int threads_now(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int n = 0;

	if (!f)
		die("/proc is needed");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Threads: %d", &n) == 1)
			break;
	}
	fclose(f);
	return n - 1;
}

void emit_percentiles(double *v, size_t n, const char *prefix)
{
	char name[32];

	sort_doubles(v, n);
	snprintf(name, sizeof(name), "%sp50_us", prefix);
	emit(name, percentile(v, n, 50));
	snprintf(name, sizeof(name), "%sp99_us", prefix);
	emit(name, percentile(v, n, 99));
}
