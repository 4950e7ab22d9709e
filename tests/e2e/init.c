/* SPDX-License-Identifier: MIT */
/*
 * init.c - the three stages of the start, and the threads: none before the
 * first use, the initial ones after workqueue_init(), no more than needed when
 * idle, and what happens when none can be made.
 *
 * timeout: 300
 */
#include "harness.h"

#include <ctype.h>
#include <dirent.h>
#include <sys/prctl.h>
#include <sys/resource.h>

/* --- our threads, by name --- */

struct census {
	int tasks; /* of the process */
	int all, workers, highpri, unbound, others;
	int cpu[CPU_SETSIZE], cpu_highpri[CPU_SETSIZE];
};

static void count_name(struct census *c, const char *comm)
{
	int pool, id, n = 0;
	char end = 0;

	c->tasks++;
	if (strncmp(comm, "cmwq/", 5))
		return;
	c->all++;
	if (sscanf(comm, "cmwq/u%d:%d%n", &pool, &id, &n) == 2) {
		c->workers++;
		c->unbound++;
	} else if (sscanf(comm, "cmwq/%d:%d%n%c", &pool, &id, &n, &end) >= 2 &&
		   pool >= 0 && pool < CPU_SETSIZE) {
		c->workers++;
		c->highpri += end == 'H';
		(end == 'H' ? c->cpu_highpri : c->cpu)[pool]++;
	} else {
		c->others++;
	}
}

static struct census take_census(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct census c;
	struct dirent *de;
	char path[320], comm[64];
	FILE *f;

	memset(&c, 0, sizeof(c));
	ASSERT(dir);
	while ((de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = isdigit(de->d_name[0]) ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f))
			count_name(&c, comm);
		fclose(f);
	}
	closedir(dir);
	return c;
}

/* A new thread has its creator's name for a moment. */
static bool all_initial_workers(void)
{
	struct census c = take_census();
	int i;

	for (i = 0; i < nr_allowed(); i++)
		if (!c.cpu[nth_cpu(i)] || !c.cpu_highpri[nth_cpu(i)])
			return false;
	return c.unbound > 0;
}

/* --- stages --- */

TEST(linked_only)
{
	EXPECT_EQ(take_census().all, 0);
#ifndef __SANITIZE_THREAD__ /* has one of its own */
	EXPECT_EQ(take_census().tasks, 1);
#endif
	ASSERT(system_wq);
	ASSERT(system_percpu_wq);
	ASSERT(system_dfl_wq);
}

TEST(early_runs_nothing)
{
	struct workqueue_struct *wq;
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < 3; i++)
		workqueue_init_early();
	wq = alloc_workqueue("early", WQ_PERCPU, 0);
	ASSERT(wq);
	EXPECT(!work_pending(&it.work));
	EXPECT(!cancel_work(&it.work));
	EXPECT(!flush_work(&it.work));
	EXPECT(!disable_work(&it.work));
	EXPECT(enable_work(&it.work));
	flush_workqueue(wq);
	EXPECT_EQ(take_census().workers, 0);
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(queue_work(wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT_OP(take_census().workers, >=, 1);
	destroy_workqueue(wq);
}

TEST(first_queueing_starts)
{
	struct item it;

	item_init(&it);
	EXPECT(queue_work_on(nth_cpu(0), system_percpu_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	/* One pool has been used: at most two threads of its own. */
	EXPECT_OP(take_census().workers, <=, 2);
	check_library_works();
}

TEST(first_delayed_starts)
{
	struct item it;

	item_init(&it);
	EXPECT(queue_delayed_work(system_percpu_wq, &it.dwork, 2));
	wait_for(item_runs(&it) == 1);
}

TEST(init_makes_initial_workers)
{
	struct census before, after;

	workqueue_init();
	wait_for(all_initial_workers());
	before = take_census();
	workqueue_init();
	workqueue_init();
	after = take_census();
	/* By number: some of them may not have their names yet. */
	EXPECT_EQ(after.tasks, before.tasks);
	EXPECT(all_initial_workers());
	check_library_works();
}

TEST(stages_in_order)
{
	int i;

	for (i = 0; i < 3; i++)
		workqueue_init_early();
	for (i = 0; i < 3; i++)
		workqueue_init();
	for (i = 0; i < 3; i++)
		workqueue_init_topology();
	check_library_works();
	workqueue_init_early();
	workqueue_init();
	workqueue_init_topology();
	check_library_works();
}

TEST(last_stage_first)
{
	workqueue_init_topology();
	check_library_works();
	workqueue_init_early();
	workqueue_init();
	check_library_works();
}

TEST(stages_around_use)
{
	struct item it;

	item_init_held(&it);
	ASSERT(queue_work(system_dfl_wq, &it.work));
	wait_for(item_started(&it));
	workqueue_init();
	workqueue_init_topology();
	wait_for(all_initial_workers());
	EXPECT_EQ(item_runs(&it), 0);
	item_release(&it);
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	check_library_works();
}

static struct gate all_start;

static long start_racer(void *arg)
{
	long nr = (long)arg;
	struct item it;

	item_init(&it);
	gate_wait(&all_start);
	switch (nr % 4) {
	case 0:
		workqueue_init();
		break;
	case 1:
		workqueue_init_topology();
		break;
	default:
		break;
	}
	ASSERT(queue_work(nr % 2 ? system_dfl_wq : system_percpu_wq, &it.work));
	flush_work(&it.work);
	ASSERT_EQ(item_runs(&it), 1);
	return 0;
}

TEST(first_use_from_many_threads)
{
	struct thread t[12];
	int i;

	for (i = 0; i < 12; i++)
		thread_start(&t[i], start_racer, (void *)(long)i);
	gate_open(&all_start);
	for (i = 0; i < 12; i++)
		thread_join(&t[i]);
	check_library_works();
}

/* --- fewer threads when idle --- */

static int most_pools(void)
{
	return 2 * nr_allowed() + 1;
}

/* More than idle ones may stay. */
static void use_many_workers(void)
{
	int i, n = 32 + 2 * most_pools();
	struct item *it = calloc((size_t)n, sizeof(*it));

	ASSERT(it);
	for (i = 0; i < n; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work(i % 2 ? system_dfl_wq : system_percpu_wq,
				  &it[i].work));
	}
	wait_for(items_started(it, n) == n);
	EXPECT_OP(take_census().workers, >=, n);
	for (i = 0; i < n; i++)
		item_release(&it[i]);
	flush_workqueue(system_dfl_wq);
	flush_workqueue(system_percpu_wq);
	free(it);
}

/* A pool keeps two idle workers. Used were at most one pool per CPU, one per pod, and
 * that of all CPUs. */
TEST(idle_workers_end, .params = "cmwq.idle_timeout_ms=30")
{
	int round;

	need_detector();
	for (round = 0; round < 3; round++) {
		use_many_workers();
		wait_for(take_census().workers <= 2 * most_pools());
		EXPECT_OP(take_census().workers, >=, 1);
		check_library_works();
	}
}

TEST(idle_workers_stay)
{
	int before;

	need_detector();
	workqueue_init_topology(); /* or a pool is left, with its workers */
	use_many_workers();
	before = take_census().workers;
	linger();
	EXPECT_EQ(take_census().workers, before);
}

/* The sentinels' turn: what remains is workers and one timer thread. */
TEST(sentinels_end, .params = "cmwq.idle_timeout_ms=30")
{
	need_param("cmwq.sentinel");
	use_many_workers();
	wait_for(take_census().others <= 2);
	check_library_works();
}

/* --- no threads to be had --- */

/* Limits do not hold for root; nobody's other processes do not matter. */
static void become_nobody(void)
{
	if (!getuid() &&
	    (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		skip("cannot become somebody else");
	prctl(PR_SET_DUMPABLE, 1); /* /proc/self is ours again */
	log_ignore("nice");	   /* raising a priority is not permitted */
	log_ignore("priority");
}

static void *nothing(void *arg)
{
	return arg;
}

static void refuse_threads(void)
{
	struct rlimit rl;
	pthread_t t;

	ASSERT_EQ(getrlimit(RLIMIT_NPROC, &rl), 0);
	rl.rlim_cur = 0;
	ASSERT_EQ(setrlimit(RLIMIT_NPROC, &rl), 0);
	if (!pthread_create(&t, NULL, nothing, NULL)) {
		pthread_join(t, NULL);
		skip("threads cannot be refused");
	}
}

static void permit_threads(void)
{
	struct rlimit rl;

	ASSERT_EQ(getrlimit(RLIMIT_NPROC, &rl), 0);
	rl.rlim_cur = rl.rlim_max;
	ASSERT_EQ(setrlimit(RLIMIT_NPROC, &rl), 0);
}

/* Items wait while no worker can be made; they run when that changes. */
TEST(no_more_workers_then_recover)
{
	static struct item it[24];
	int i, started;

	become_nobody();
	need_detector();
	log_ignore("thread");
	log_ignore("worker");
	workqueue_init();
	wait_for(all_initial_workers());
	refuse_threads();
	for (i = 0; i < 24; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work(i % 2 ? system_dfl_wq : system_percpu_wq,
				  &it[i].work));
	}
	wait_for(items_started(it, 24) >= 1);
	linger();
	started = items_started(it, 24);
	EXPECT_OP(started, <, 24);
	permit_threads();
	/* Nobody calls the library meanwhile. */
	wait_for(items_started(it, 24) == 24);
	for (i = 0; i < 24; i++)
		item_release(&it[i]);
	flush_workqueue(system_dfl_wq);
	flush_workqueue(system_percpu_wq);
	check_library_works();
}

/* Even the last worker goes on: items are run by those that there are. */
TEST(few_workers_do_it_all)
{
	static struct item it[64];
	int i;

	become_nobody();
	log_ignore("thread");
	log_ignore("worker");
	workqueue_init();
	wait_for(all_initial_workers());
	refuse_threads();
	for (i = 0; i < 64; i++) {
		item_init(&it[i]);
		ASSERT(queue_work(i % 2 ? system_dfl_wq : system_percpu_wq,
				  &it[i].work));
	}
	wait_for(items_finished(it, 64) == 64);
	permit_threads();
	check_library_works();
}

/* Not even the first thread: the flush that waits is the one that retries. */
TEST(no_first_worker_then_recover)
{
	struct item it[3];
	int i;

	become_nobody();
	log_ignore("thread");
	log_ignore("worker");
	refuse_threads();
	for (i = 0; i < 3; i++)
		item_init(&it[i]);
	EXPECT(queue_work(system_percpu_wq, &it[0].work));
	EXPECT(queue_work(system_dfl_wq, &it[1].work));
	EXPECT(!queue_work(system_dfl_wq, &it[1].work));
	EXPECT(queue_work(system_highpri_wq, &it[2].work));
	linger();
	EXPECT_EQ(items_started(it, 3), 0);
	EXPECT_EQ(take_census().workers, 0);
	permit_threads();
	for (i = 0; i < 3; i++)
		flush_work(&it[i].work);
	EXPECT_EQ(items_finished(it, 3), 3);
	check_library_works();
}

TEST(init_without_threads_then_again)
{
	become_nobody();
	log_ignore("thread");
	log_ignore("worker");
	refuse_threads();
	workqueue_init();
	EXPECT_EQ(take_census().all, 0);
	permit_threads();
	workqueue_init();
	wait_for(all_initial_workers());
	check_library_works();
}

/* The limit comes and goes under load. */
TEST(threads_refused_at_times)
{
	static struct item it[256];
	struct rng r = rng_make(1);
	uint64_t end = now_ns() + 1000000000ULL;
	long trues = 0, runs = 0;
	int i;

	become_nobody();
	log_ignore("thread");
	log_ignore("worker");
	set_param("cmwq.idle_timeout_ms", 5);
	for (i = 0; i < 256; i++)
		item_init(&it[i]);
	while (now_ns() < end) {
		if (rng_below(&r, 2))
			refuse_threads();
		else
			permit_threads();
		for (i = 0; i < 256; i++) {
			trues += queue_work(i % 2 ? system_dfl_wq
						  : system_percpu_wq,
					    &it[i].work);
		}
		usleep(rng_below(&r, 10000));
	}
	permit_threads();
	for (i = 0; i < 256; i++) {
		flush_work(&it[i].work);
		runs += item_runs(&it[i]);
	}
	EXPECT_EQ(runs, trues);
	check_library_works();
}
