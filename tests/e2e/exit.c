/* SPDX-License-Identifier: MIT */
/*
 * exit.c - a program may end at any time, in any way.
 *
 * Every way to end (return from main(), exit(), quick_exit(), _exit(), the
 * same from inside an item or from a second thread) meets every state of the
 * library (untouched, idle workers, items running, blocked, pending and
 * inactive, timers about to fire, other threads queueing). Each combination is
 * a process of its own and must end with its status, without a message, a
 * crash or a hang; under a sanitizer, without a leak.
 *
 * timeout: 600
 */
#include "harness.h"

#include <sys/wait.h>

#define STATUS 23

static struct item item[32];
static struct item spinner;
static struct thread noisy[2];

/* --- states --- */

static void idle(void)
{
	int i;

	for (i = 0; i < 32; i++) {
		item_init(&item[i]);
		schedule_work(&item[i].work);
	}
	for (i = 0; i < 32; i++)
		flush_work(&item[i].work);
}

static void running(void)
{
	int i;

	item_init_held(&spinner);
	spinner.spin = true;
	queue_work(system_dfl_wq, &spinner.work);
	for (i = 0; i < 8; i++) {
		item_init_held(&item[i]);
		queue_work(system_dfl_wq, &item[i].work);
	}
	wait_for(items_started(item, 8) == 8 && item_started(&spinner));
}

static void pending(void)
{
	struct workqueue_struct *ordered = alloc_ordered_workqueue("o", 0);
	struct workqueue_struct *percpu = alloc_workqueue("p", WQ_PERCPU, 1);
	int i;

	for (i = 0; i < 32; i++) {
		item_init_held(&item[i]);
		queue_work(i % 2 ? ordered : percpu, &item[i].work);
	}
}

static void again(struct item *it)
{
	queue_delayed_work(system_percpu_wq, &it->dwork, 1);
}

static void timers(void)
{
	int i;

	for (i = 0; i < 32; i++) {
		item_init(&item[i]);
		item[i].tail = again;
		queue_delayed_work(i % 2 ? system_dfl_wq : system_percpu_wq,
				   &item[i].dwork, (unsigned long)i % 3);
	}
	wait_for(item_runs(&item[5]) >= 2);
}

static long make_noise(void *arg)
{
	struct rng r = rng_make((uint64_t)(long)arg);

	for (;;) {
		struct item *it = &item[rng_below(&r, 32)];

		if (rng_below(&r, 2))
			queue_work(system_percpu_wq, &it->work);
		else if (rng_below(&r, 2))
			queue_work(system_dfl_wq, &it->work);
		else if (rng_below(&r, 64))
			queue_delayed_work(system_dfl_wq, &it->dwork, 1);
		else
			flush_delayed_work(&it->dwork);
	}
	return 0;
}

static void noise(void)
{
	int i;

	for (i = 0; i < 32; i++)
		item_init(&item[i]);
	for (i = 0; i < 2; i++)
		thread_start(&noisy[i], make_noise, (void *)(long)(i + 1));
	wait_for(items_finished(item, 32) > 8);
}

static void untouched(void)
{
}

static void initialised(void)
{
	workqueue_init();
}

static void (*const state[])(void) = { untouched, initialised, idle, running,
				       pending,	  timers,      noise };
#define STATES (int)(sizeof(state) / sizeof(state[0]))

static void enter_state(void)
{
	const char *s = getenv("CMWQ_EXIT_STATE");

	/* Refusals and the like may be reported while all goes down. */
	state[s ? atoi(s) % STATES : 2]();
}

/* --- ways out --- */

TEST(way_return, .hidden = true)
{
	enter_state();
}

TEST(way_exit, .hidden = true)
{
	enter_state();
	exit(STATUS);
}

TEST(way_quick_exit, .hidden = true)
{
	enter_state();
	quick_exit(STATUS);
}

TEST(way_underscore_exit, .hidden = true)
{
	enter_state();
	_exit(STATUS);
}

static void exit_func(struct work_struct *work)
{
	(void)work;
	exit(STATUS);
}

static void wait_for_the_end(void)
{
	for (;;)
		pause();
}

TEST(way_item_exits, .hidden = true)
{
	static DECLARE_WORK(work, exit_func);

	enter_state();
	queue_work(system_highpri_wq, &work);
	wait_for_the_end();
}

static long thread_exits(void *arg)
{
	(void)arg;
	exit(STATUS);
}

TEST(way_thread_exits, .hidden = true)
{
	struct thread t;

	enter_state();
	thread_start(&t, thread_exits, NULL);
	wait_for_the_end();
}

/* The rest goes on when main() has left, and somebody may end it later. */
TEST(way_pthread_exit, .hidden = true)
{
	static DECLARE_DELAYED_WORK(dwork, exit_func);

	enter_state();
	queue_delayed_work(system_highpri_wq, &dwork, 20);
	pthread_exit(NULL);
}

/* The library still works in what exit() calls. */
static void work_in_atexit(void)
{
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < 3; i++) {
		ASSERT(queue_work(system_highpri_wq, &it.work));
		flush_work(&it.work);
	}
	ASSERT(queue_delayed_work(system_highpri_wq, &it.dwork, 1));
	flush_delayed_work(&it.dwork);
	ASSERT_EQ(item_runs(&it), 4);
}

TEST(way_atexit, .hidden = true)
{
	atexit(work_in_atexit);
	enter_state();
	atexit(work_in_atexit);
	exit(STATUS);
}

/* --- all of them --- */

static void one_end(const char *way, int status, int i)
{
	char out[4096], nr[16];
	int got;

	snprintf(nr, sizeof(nr), "%d", i);
	setenv("CMWQ_EXIT_STATE", nr, 1);
	got = run_hidden(way, NULL, out, sizeof(out));
	if (!WIFEXITED(got) || WEXITSTATUS(got) != status || out[0])
		printf("%s, state %d: wait status %#x, output:\n%s\n", way, i,
		       (unsigned)got, out);
	EXPECT(WIFEXITED(got));
	EXPECT_EQ(WEXITSTATUS(got), status);
	EXPECT(!out[0]);
}

static void all_ends(const char *way, int status, int first)
{
	int i, k;

	for (k = 0; k < 5; k++)
		for (i = first; i < STATES; i++)
			one_end(way, status, i);
}

TEST(return_from_main, .timeout = 90)
{
	all_ends("way_return", 0, 0);
}

TEST(exit, .timeout = 90)
{
	all_ends("way_exit", STATUS, 0);
}

TEST(quick_exit, .timeout = 90)
{
	all_ends("way_quick_exit", STATUS, 0);
}

TEST(underscore_exit, .timeout = 90)
{
	all_ends("way_underscore_exit", STATUS, 0);
}

TEST(exit_inside_item, .timeout = 90)
{
	all_ends("way_item_exits", STATUS, 0);
}

TEST(exit_in_second_thread, .timeout = 90)
{
	all_ends("way_thread_exits", STATUS, 0);
}

TEST(pthread_exit_from_main, .timeout = 90)
{
	all_ends("way_pthread_exit", STATUS, 0);
}

TEST(atexit_works, .timeout = 90)
{
	all_ends("way_atexit", STATUS, 0);
}

/* For tests/valgrind.sh: one process, everything left lying about. */
TEST(leave_it_all, .hidden = true)
{
	idle();
	pending();
	item_init(&spinner);
	queue_delayed_work(system_dfl_wq, &spinner.dwork, 3600000);
}
