/* SPDX-License-Identifier: MIT */
/*
 * hog.c - CPU hogs: an item that used the CPU time of the threshold holds up
 * its pool no longer. Only a tick can see it.
 */
#include "harness.h"

#include <time.h>

/* Functions that have names. */
void hog_one(struct work_struct *work);
void hog_two(struct work_struct *work);

void hog_one(struct work_struct *work)
{
	item_func(work);
}

void hog_two(struct work_struct *work)
{
	item_func(work);
}

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

/* --- functions that are hogs again and again --- */

static unsigned long long nr_hogs(struct workqueue_struct *wq)
{
	struct cmwq_stats stats;

	EXPECT(cmwq_get_stats(wq, &stats));
	return stats.cpu_itsv;
}

static void be_hog(struct workqueue_struct *wq, work_func_t func)
{
	unsigned long long before = nr_hogs(wq);
	struct item it;

	spinner_init(&it);
	it.work.func = func;
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	wait_for(nr_hogs(wq) == before + 1);
	item_release(&it);
	flush_work(&it.work);
}

static bool said_times(const char *name, int times)
{
	char text[32];

	snprintf(text, sizeof(text), "%d times by now", times);
	return log_has_both(name, text);
}

TEST(hogs_are_reported, .params = "workqueue.cpu_intensive_thresh_us=1000")
{
	struct workqueue_struct *a = alloc_workqueue("fields", WQ_PERCPU, 0);
	struct workqueue_struct *b = alloc_workqueue("woods", WQ_PERCPU, 0);
	int i;

	need_param("cmwq.tick");
	for (i = 0; i < 3; i++) {
		be_hog(a, hog_one);
		be_hog(b, hog_two);
	}
	/* What is due is said before the next one is found. */
	EXPECT(!log_has("hog_one"));
	EXPECT(!log_has("hog_two"));
	be_hog(a, hog_one);
	wait_for(said_times("hog_one of workqueue fields", 4));
	EXPECT(log_has_both("more than 1000 us", "WQ_UNBOUND"));
	be_hog(b, hog_one);
	wait_for(said_times("hog_one of workqueue woods", 5));
	be_hog(a, hog_one);
	be_hog(a, hog_one);
	wait_for(said_times("hog_one of workqueue fields", 7));
	EXPECT_EQ(log_count("hog_one"), 3);
	EXPECT(!log_has("hog_two"));
	destroy_workqueue(a);
	destroy_workqueue(b);
}

TEST(hogs_are_not_reported,
     .params = "workqueue.cpu_intensive_thresh_us=1000 "
	       "workqueue.cpu_intensive_warning_thresh=0")
{
	int i;

	need_param("cmwq.tick");
	for (i = 0; i < 6; i++)
		be_hog(system_wq, hog_one);
	/* Would have been said with the 4th or 5th. */
	EXPECT(!log_has("hog_one"));
}
