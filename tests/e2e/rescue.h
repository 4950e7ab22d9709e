/* SPDX-License-Identifier: MIT */
/*
 * rescue.h - what the tests of rescuers share: a pool whose workers are all blocked,
 * and no thread to be had.
 */
#ifndef CMWQ_TESTS_RESCUE_H
#define CMWQ_TESTS_RESCUE_H

#include "harness.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* --- no threads --- */

static inline void *nothing(void *arg)
{
	return arg;
}

static inline bool threads_are_refused(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, nothing, NULL))
		return true;
	pthread_join(t, NULL);
	return false;
}

/* The limit does not hold for root. */
static inline void become_ordinary(void)
{
	uid_t uid = 64000 + (uid_t)getpid() % 1000;

	if (!getuid() && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
		skip("cannot become an ordinary user");
	prctl(PR_SET_DUMPABLE, 1); /* /proc/self is ours again */
	log_ignore("nice");
}

static inline void limit_to(bool none)
{
	struct rlimit rl;

	ASSERT_EQ(getrlimit(RLIMIT_NPROC, &rl), 0);
	rl.rlim_cur = none ? 0 : rl.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_NPROC, &rl), 0);
}

static inline void permit_by_limit(void)
{
	limit_to(false);
}

static inline void refuse_by_limit(void)
{
	limit_to(true);
	if (threads_are_refused())
		return;
	skip("RLIMIT_NPROC does not hold here");
}

/* --- a pool without a free worker --- */

static inline struct workqueue_struct *reclaim(const char *name,
					       unsigned int flags)
{
	struct workqueue_struct *wq =
		alloc_workqueue("%s", flags | WQ_MEM_RECLAIM, 0, name);

	ASSERT(wq);
	return wq;
}

#define MAX_CAPTIVES 64

static struct item captive[MAX_CAPTIVES];
static int nr_captives;

static inline int workers_of(struct workqueue_struct *wq)
{
	struct cmwq_stats stats;

	ASSERT(cmwq_get_stats(wq, &stats));
	return (int)stats.workers;
}

static inline struct cmwq_stats stats_of(struct workqueue_struct *wq)
{
	struct cmwq_stats stats;

	ASSERT(cmwq_get_stats(wq, &stats));
	return stats;
}

/* The pool on the first CPU has workers, and who finds out that they block. Only pools
 * of @wq that have been used have any. With the topology read, or an unbound queue
 * might go on in another pool. */
static inline void warm_up(struct workqueue_struct *wq)
{
	struct item it[4];
	int i;

	workqueue_init_topology();
	for (i = 0; i < 4; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	wait_for(items_started(it, 4) == 4);
	for (i = 0; i < 4; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
}

static inline bool was_reported(void)
{
	return log_has("cannot create a worker");
}

/* Has a creation failed? Then none is under way in the pool. */
static bool (*creation_failed)(void) = was_reported;

/* With threads refused: an item that stays in each worker, and none that waits. */
static inline void capture_all(struct workqueue_struct *wq)
{
	int i, n;

	for (i = 0; i < MAX_CAPTIVES; i++) {
		item_init_held(&captive[i]);
		ASSERT(queue_work_on(nth_cpu(0), wq, &captive[i].work));
	}
	wait_for(creation_failed());
	n = workers_of(wq);
	ASSERT(n < MAX_CAPTIVES);
	wait_for(items_started(captive, n) == n);
	for (i = 0; i < n; i++)
		wait_asleep_tid(captive[i].tid);
	for (i = n; i < MAX_CAPTIVES; i++)
		ASSERT(cancel_work(&captive[i].work));
	nr_captives = n;
}

static inline void free_captives(void)
{
	int i;

	for (i = 0; i < nr_captives; i++)
		item_release(&captive[i]);
	wait_for(items_finished(captive, nr_captives) == nr_captives);
}

/* The thread of a name, 0 if there is none. */
static inline int thread_named(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], comm[32];
	struct dirent *de;
	int tid = 0;

	while (dir && (de = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = de->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = '\0';
			if (!strcmp(comm, name))
				tid = atoi(de->d_name);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return tid;
}

static inline unsigned long switches_of(int tid)
{
	char path[64], line[256];
	unsigned long n, sum = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	ASSERT(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, "ctxt_switches") &&
		    sscanf(strchr(line, ':') + 1, "%lu", &n) == 1)
			sum += n;
	fclose(f);
	return sum;
}

/* It changes with each thread that comes or goes. */
static inline unsigned long sum_of_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned long sum = 0;
	struct dirent *de;

	ASSERT(dir);
	while ((de = readdir(dir)))
		sum = sum * 31 + strtoul(de->d_name, NULL, 10);
	closedir(dir);
	return sum;
}

static inline void linger_long(void)
{
	int i;

	for (i = 0; i < 10; i++)
		linger();
}

static inline void read_name(char *name, size_t size)
{
	FILE *f = fopen("/proc/thread-self/comm", "re");

	if (!f || !fgets(name, (int)size, f))
		name[0] = '\0';
	name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
}

/* A rescuer runs it, and everything an item can ask about itself is as always. */
static inline void check_rescued(struct item *it)
{
	char name[64];

	read_name(name, sizeof(name));
	EXPECT(!strncmp(name, "cmwq/R-", 7));
	EXPECT(current_is_workqueue_rescuer());
	EXPECT(current_work() == &it->work);
	EXPECT_EQ(work_busy(&it->work), WORK_BUSY_RUNNING);
	set_worker_desc("rescues %d", 1);
}

static inline void check_not_rescued(struct item *it)
{
	EXPECT(!current_is_workqueue_rescuer());
	EXPECT(current_work() == &it->work);
}

/* Queue an item behind the captives. Returns how long it waited, in ms. */
static inline double be_rescued(struct workqueue_struct *wq, struct item *it)
{
	int runs = item_runs(it);
	uint64_t from = now_ns();

	ASSERT(queue_work_on(nth_cpu(0), wq, &it->work));
	wait_for(item_runs(it) == runs + 1);
	return (double)(atomic_load(&it->at) - from) / 1e6;
}

/* Each of them has run as often as it was queued, and never twice at once. */
static inline void check_storm(struct item *it, int nr, long queued,
			       unsigned long long rescued)
{
	long runs = 0;
	int i;

	for (i = 0; i < nr; i++) {
		runs += item_runs(&it[i]);
		EXPECT_EQ(it[i].overlaps, 0);
	}
	EXPECT_EQ(runs, queued);
	printf("%ld runs, %llu by rescuers\n", runs, rescued);
}

/* What is promised is 150 ms, which nobody can assert on a busy machine. But
 * without a rescuer it would never be. */
static inline void be_rescued_in_time(struct workqueue_struct *wq,
				      struct item *it, const char *when)
{
	double ms = be_rescued(wq, it);

	printf("%s, %s: started after %.1f ms\n", cmwq_name(wq), when, ms);
	EXPECT_OP(ms, <, 10000);
}

/*
 * All workers are blocked, and items wait behind them. That of a queue without a
 * rescuer waits until there are threads again, that of one with a rescuer does not.
 */
static inline void rescue_on(unsigned int flags, void (*refuse)(void),
			     void (*permit)(void))
{
	const char *kind = flags & WQ_UNBOUND ? "unbound" : "per-CPU";
	struct workqueue_struct *plain = alloc_workqueue("plain", flags, 0);
	struct workqueue_struct *wq =
		alloc_workqueue("%s", flags | WQ_MEM_RECLAIM, 0, kind);
	struct item waiting, it;

	need_detector();
	warm_up(plain);
	refuse();
	capture_all(plain);
	linger(); /* the want of a worker is over */
	item_init(&it);
	it.hook = check_rescued;
	be_rescued_in_time(wq, &it, "nothing waited before");
	item_init(&waiting);
	waiting.hook = check_not_rescued;
	EXPECT(queue_work_on(nth_cpu(0), plain, &waiting.work));
	linger();
	be_rescued_in_time(wq, &it, "behind one that waits");
	if (flags & WQ_PERCPU)
		EXPECT_EQ(it.cpu, nth_cpu(0));
	flush_workqueue(wq);
	EXPECT_EQ(stats_of(wq).rescued, 2);
	EXPECT_EQ(stats_of(wq).completed, 2);
	EXPECT_OP(stats_of(wq).mayday, >=, 2);
	EXPECT_EQ(stats_of(plain).rescued, 0);
	EXPECT_EQ(item_started(&waiting), 0);
	permit();
	wait_for(item_runs(&waiting) == 1);
	free_captives();
	EXPECT(log_has("cannot create a worker"));
	destroy_workqueue(plain);
	destroy_workqueue(wq);
	check_library_works();
}

#endif
