/* SPDX-License-Identifier: MIT */
/*
 * hog.c - CPU hogs: an item that used the CPU time of the threshold holds up
 * its pool no longer. Only a tick can see it.
 */
#include "harness.h"

#include <time.h>

static void spinner_init(struct item *it)
{
	item_init_held(it);
	it->spin = true;
}

static clockid_t hog_clock;
static _Atomic uint64_t hog_began;
static _Atomic uint64_t hog_seen;

static uint64_t read_hog_clock(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(hog_clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void hog_hook(struct item *it)
{
	(void)it;
	pthread_getcpuclockid(pthread_self(), &hog_clock);
	atomic_store(&hog_began, read_hog_clock());
}

static void hog_observer(struct item *it)
{
	(void)it;
	atomic_store(&hog_seen, read_hog_clock());
}

/* Not before it used the CPU time of the threshold. */
static void hog_after(uint64_t thresh_us)
{
	struct workqueue_struct *wq = alloc_workqueue("hog", WQ_PERCPU, 0);
	struct cmwq_stats stats;
	struct item hog, it;

	need_param("cmwq.tick");
	log_ignore("hog");
	spinner_init(&hog);
	hog.hook = hog_hook;
	item_init(&it);
	it.hook = hog_observer;
	EXPECT(queue_work_on(nth_cpu(0), wq, &hog.work));
	wait_for(atomic_load(&hog_began));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	wait_for(item_runs(&it));
	EXPECT_EQ(item_runs(&hog), 0);
	/* The clock of the library began a little before ours. */
	EXPECT_OP(hog_seen - hog_began, >=, thresh_us * 900);
	EXPECT(cmwq_get_stats(wq, &stats));
	EXPECT_EQ(stats.cpu_itsv, 1);
	item_release(&hog);
	destroy_workqueue(wq);
}

TEST(hog_default)
{
	hog_after(10000);
}

TEST(hog_100ms, .params = "workqueue.cpu_intensive_thresh_us=100000")
{
	hog_after(100000);
}

TEST(hog_without_tick, .params = "cmwq.tick=0")
{
	struct item hog, it;

	spinner_init(&hog);
	item_init(&it);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &hog.work));
	wait_for(item_started(&hog));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it.work));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	item_release(&hog);
	wait_for(item_runs(&it));
}

/* An item that sleeps again and again is none, however long it takes. */
static void nap_hook(struct item *it)
{
	struct timespec ts = { 0, 1000000 };
	int i;

	(void)it;
	for (i = 0; i < 60; i++) {
		burn_us(500);
		nanosleep(&ts, NULL);
	}
}

TEST(sleeping_is_no_hog)
{
	struct workqueue_struct *wq = alloc_workqueue("naps", WQ_PERCPU, 0);
	struct cmwq_stats stats;
	struct item it;

	item_init(&it);
	it.hook = nap_hook;
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	flush_workqueue(wq);
	EXPECT(cmwq_get_stats(wq, &stats));
	EXPECT_EQ(stats.cpu_itsv, 0);
	EXPECT_EQ(stats.completed, 1);
	destroy_workqueue(wq);
}
