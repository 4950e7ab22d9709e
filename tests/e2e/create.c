/* SPDX-License-Identifier: MIT */
/*
 * create.c - the creation of a worker takes long.
 *
 * pthread_create() of this program holds up the workers that call it, asleep,
 * while create_gate is closed, as it may in a real process that lacks memory.
 */
#include "harness.h"

#include <dlfcn.h>
#include <sys/prctl.h>

static struct gate create_gate = { .open = 1 };
static _Atomic int creating;

#ifdef __SANITIZE_THREAD__

/* Its own pthread_create() is in the program and cannot be called from here. */
static void need_slow_creation(void)
{
	skip("not with ThreadSanitizer");
}

#else

static void need_slow_creation(void)
{
	need_detector();
}

static bool is_worker(void)
{
	char name[16] = "";

	prctl(PR_GET_NAME, name);
	return !strncmp(name, "cmwq/", 5) && strchr(name, ':');
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr,
		   void *(*fn)(void *), void *arg)
{
	int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
		    void *);

	*(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
	if (is_worker()) {
		atomic_fetch_add(&creating, 1);
		gate_wait(&create_gate);
		atomic_fetch_sub(&creating, 1);
	}
	return real(thread, attr, fn, arg);
}

#endif

static unsigned int nr_workers(void)
{
	struct cmwq_stats stats;

	ASSERT(cmwq_get_stats(system_percpu_wq, &stats));
	return stats.workers;
}

#define MAX_SLEEPERS 64

static struct item item[MAX_SLEEPERS];

/*
 * All workers of the CPU's pool sleep in an item but for one, stuck in making another
 * before it starts the last but one: for a single item it would leave that to the timer
 * thread. Returns which the last is.
 */
static int stick(int cpu)
{
	item_init(&item[0]);
	while (nr_workers() < 2) {
		queue_work_on(cpu, system_percpu_wq, &item[0].work);
		flush_work(&item[0].work);
	}
	wait_for(!atomic_load(&creating));
	gate_close(&create_gate);
	for (int i = 0; i < MAX_SLEEPERS; i += 2) {
		item_init_held(&item[i]);
		item_init_held(&item[i + 1]);
		ASSERT(queue_work_on(cpu, system_percpu_wq, &item[i].work));
		ASSERT(queue_work_on(cpu, system_percpu_wq, &item[i + 1].work));
		wait_for((item_started(&item[i]) &&
			  item_started(&item[i + 1])) ||
			 atomic_load(&creating));
		if (atomic_load(&creating))
			return i + 1;
	}
	ASSERT(!"no worker makes another");
	return 0;
}

static void release_all(int last)
{
	for (int i = 0; i <= last; i++)
		item_release(&item[i]);
}

/* The worker that sleeps in a creation is not one that runs an item. */
TEST(stuck_creation_holds_up_nobody)
{
	int cpu = nth_cpu(0), last;
	struct item after;

	need_slow_creation();
	last = stick(cpu);
	release_all(last);
	wait_for(items_finished(item, last + 1) == last + 1);
	gate_open(&create_gate);
	wait_for(atomic_load(&creating) == 0);
	linger();
	item_init(&after);
	ASSERT(queue_work_on(cpu, system_percpu_wq, &after.work));
	wait_for(item_runs(&after) == 1);
	check_library_works();
}

/* When the new worker is there its item is gone. */
TEST(creation_for_nothing)
{
	int cpu = nth_cpu(0), last;
	struct item after;

	need_slow_creation();
	last = stick(cpu);
	for (int i = last - 1; i <= last; i++)
		EXPECT(cancel_work(&item[i].work) || item_started(&item[i]));
	release_all(last);
	gate_open(&create_gate);
	for (int i = 0; i < 20; i++) {
		item_init(&after);
		ASSERT(queue_work_on(cpu, system_percpu_wq, &after.work));
		flush_work(&after.work);
		EXPECT_EQ(item_runs(&after), 1);
	}
	check_library_works();
}
