/* SPDX-License-Identifier: MIT */
/*
 * bh_process.c - BH items and the process around them: threads that cannot be had,
 * fork, signals, CPUs that are not ours, callers that run items themselves.
 */
#include "child.h"

#include <sys/prctl.h>
#include <sys/resource.h>

static bool has_comm(const char *want)
{
	char path[300], comm[32];
	struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	bool found = false;

	while (dir && !found && (de = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f)) {
			comm[strcspn(comm, "\n")] = 0;
			found = !strcmp(comm, want);
		}
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool has_thread(int cpu)
{
	char name[32];

	snprintf(name, sizeof(name), "cmwq/bh:%d", cpu);
	return has_comm(name);
}

/* --- threads --- */

TEST(threads_at_init_or_first_use)
{
	struct item it;
	int i;

	item_init(&it);
	EXPECT(queue_work_on(nth_cpu(0), system_percpu_wq, &it.work));
	flush_work(&it.work);
	EXPECT(!has_thread(nth_cpu(0)));
	EXPECT(queue_work_on(nth_cpu(0), system_bh_wq, &it.work));
	wait_for(item_runs(&it) == 2);
	EXPECT(has_thread(nth_cpu(0)));
	if (nr_allowed() > 1)
		EXPECT(!has_thread(nth_cpu(1)));
	workqueue_init();
	for (i = 0; i < nr_allowed(); i++)
		wait_for(has_thread(nth_cpu(i)));
}

static long sleeps_of(int tid)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

TEST(idle_means_idle)
{
	struct item it;
	long sleeps;

	item_init(&it);
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	wait_asleep_tid(it.tid);
	sleeps = sleeps_of(it.tid);
	linger();
	EXPECT_EQ(sleeps_of(it.tid), sleeps);
}

static void set_nproc(bool allow)
{
	struct rlimit rl;

	ASSERT_EQ(getrlimit(RLIMIT_NPROC, &rl), 0);
	rl.rlim_cur = allow ? rl.rlim_max : 0;
	ASSERT_EQ(setrlimit(RLIMIT_NPROC, &rl), 0);
}

static void *nothing(void *arg)
{
	return arg;
}

/* The item waits while the thread cannot be created; it runs when it can. */
TEST(no_thread_then_recover)
{
	struct item it;
	pthread_t t;

	if (!getuid() &&
	    (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		skip("cannot become somebody else");
	prctl(PR_SET_DUMPABLE, 1);
	log_ignore("nice");
	log_ignore("cannot create a worker"); /* that idles in reserve */
	item_init(&it);
	EXPECT(queue_work(system_percpu_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	set_nproc(false);
	if (!pthread_create(&t, NULL, nothing, NULL)) {
		pthread_join(t, NULL);
		skip("threads cannot be refused");
	}
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(log_has("cannot create a BH thread"));
	linger();
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(work_pending(&it.work));
	set_nproc(true);
	wait_for(item_runs(&it) == 2);
}

/* An ordinary user's has no priority, and the same meaning. */
TEST(without_privileges)
{
	struct item it;

	if (!getuid() &&
	    (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		skip("cannot become somebody else");
	log_ignore("nice");
	item_init(&it);
	for (int i = 1; i <= 100; i++) {
		EXPECT(queue_work(system_bh_wq, &it.work));
		flush_work(&it.work);
		EXPECT_EQ(item_runs(&it), i);
	}
	check_library_works();
}

/* --- CPUs that are not ours --- */

TEST(cpu_that_is_not_ours, .one_cpu = true)
{
	static struct item it[100];
	int other, i;

	for (other = 0; other < nr_possible(); other++)
		if (other != nth_cpu(0))
			break;
	if (other == nr_possible())
		skip("there is one CPU");
	workqueue_softirq_dead((unsigned int)nth_cpu(0));
	EXPECT(log_has("runs its BH items itself"));
	workqueue_softirq_dead(65536);
	EXPECT(log_has("does not exist"));
	log_ignore("not available");
	log_ignore("refusals");
	for (i = 0; i < 100; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(other, system_bh_wq, &it[i].work));
	}
	workqueue_softirq_dead((unsigned int)other);
	EXPECT_EQ(items_finished(it, 100), 100);
	for (i = 1; i < 100; i++)
		EXPECT_OP(it[i].order, >, it[i - 1].order);
	/* Nobody calls: its thread runs somewhere. */
	EXPECT(queue_work_on(other, system_bh_wq, &it[0].work));
	wait_for(item_runs(&it[0]) == 2);
	EXPECT(has_thread(other));
}

static struct item endless;
static _Atomic bool go_on;

static void requeue(struct item *it)
{
	if (atomic_load(&go_on))
		queue_work(system_bh_wq, &it->work);
}

/* A CPU is lost and comes back while its thread has no moment of rest. */
TEST(cpu_is_lost_and_returns)
{
	struct item it;
	int cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	log_ignore("not available");
	atomic_store(&go_on, true);
	item_init(&endless);
	endless.tail = requeue;
	EXPECT(queue_work_on(cpu, system_bh_wq, &endless.work));
	wait_for(item_started(&endless));
	EXPECT_EQ(endless.cpu, cpu);
	EXPECT_EQ(workqueue_offline_cpu((unsigned int)cpu), 0);
	wait_for(endless.cpu != cpu);
	atomic_store(&go_on, false);
	item_init(&it);
	EXPECT(queue_work_on(cpu, system_bh_wq, &it.work));
	workqueue_softirq_dead((unsigned int)cpu);
	EXPECT_EQ(item_runs(&it), 1);
	wait_for(item_idle(&endless));
	atomic_store(&go_on, true);
	EXPECT(queue_work_on(cpu, system_bh_wq, &endless.work));
	EXPECT_EQ(workqueue_online_cpu((unsigned int)cpu), 0);
	wait_for(endless.cpu == cpu);
	atomic_store(&go_on, false);
	wait_for(item_idle(&endless));
	EXPECT_EQ(endless.overlaps, 0);
	check_library_works();
}

/* --- callers that run items themselves --- */

/* At a higher priority than the thread's and on the one CPU there is, the caller is
 * not interrupted. */
TEST(softirq_action, .one_cpu = true)
{
	struct sched_param two = { .sched_priority = 2 };
	static struct item it[20], urgent;
	int i;

	workqueue_init();
	wait_for(has_thread(nth_cpu(0)));
	if (sched_setscheduler(0, SCHED_FIFO, &two))
		skip("SCHED_FIFO is not permitted");
	item_init(&urgent);
	EXPECT(queue_work(system_bh_highpri_wq, &urgent.work));
	for (i = 0; i < 20; i++) {
		item_init(&it[i]);
		EXPECT(queue_work(system_bh_wq, &it[i].work));
	}
	workqueue_softirq_action(false);
	EXPECT_EQ(items_finished(it, 20), 20);
	for (i = 0; i < 20; i++)
		EXPECT_EQ(it[i].tid, self_tid());
	EXPECT_EQ(item_runs(&urgent), 0);
	workqueue_softirq_action(true);
	EXPECT_EQ(urgent.tid, self_tid());
	EXPECT(!current_work());
	check_library_works();
}

static void be_cancelled(struct item *it)
{
	(void)it;
	pthread_testcancel();
}

static void *act_cancelled(void *arg)
{
	struct item *it = arg;

	pthread_cancel(pthread_self());
	queue_work(system_bh_wq, &it->work);
	workqueue_softirq_action(false);
	pthread_testcancel();
	return NULL;
}

/* An item is not the caller's: a caller that is cancelled in it ends afterwards,
 * without the CPU's lock. */
TEST(softirq_action_and_cancellation, .one_cpu = true)
{
	struct sched_param two = { .sched_priority = 2 };
	static struct item it;
	pthread_t t;
	void *ret;

	workqueue_init();
	wait_for(has_thread(nth_cpu(0)));
	if (sched_setscheduler(0, SCHED_FIFO, &two))
		skip("SCHED_FIFO is not permitted");
	item_init(&it);
	it.hook = be_cancelled;
	ASSERT_EQ(pthread_create(&t, NULL, act_cancelled, &it), 0);
	ASSERT_EQ(pthread_join(t, &ret), 0);
	EXPECT(ret == PTHREAD_CANCELED);
	EXPECT_EQ(item_runs(&it), 1);
	check_library_works();
}

static struct item own;

static void act_in_item(struct item *it)
{
	for (int i = 0; i < 1000; i++) {
		queue_work(system_bh_wq, &own.work);
		workqueue_softirq_action(false);
		EXPECT(current_work() == &it->work);
	}
}

/* Called by an item of a queue with threads, which stays that item. */
TEST(softirq_action_in_an_item)
{
	struct item it;

	item_init(&it);
	item_init(&own);
	it.hook = act_in_item;
	EXPECT(queue_work(system_percpu_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	wait_for(item_idle(&own));
	EXPECT_EQ(own.overlaps, 0);
	EXPECT_OP(item_runs(&own), >, 0);
}

/* --- signals --- */

#define RINGS 200

static struct item rung[RINGS];
static _Atomic int next;

static void ring(int sig)
{
	int i = atomic_fetch_add(&next, 1);

	(void)sig;
	if (i < RINGS)
		queue_work(i % 2 ? system_bh_wq : system_bh_highpri_wq,
			   &rung[i].work);
}

TEST(queueing_in_a_signal_handler)
{
	struct item it;
	int i;

	workqueue_init();
	cmwq_thread_prepare();
	ASSERT(signal(SIGUSR1, ring) != SIG_ERR);
	item_init(&it);
	for (i = 0; i < RINGS; i++)
		item_init(&rung[i]);
	for (i = 0; i < RINGS; i++) {
		queue_work(system_bh_wq, &it.work);
		ASSERT(!raise(SIGUSR1));
		workqueue_softirq_action(i % 2);
	}
	wait_for(items_finished(rung, RINGS) == RINGS);
}

/* --- fork --- */

static struct workqueue_struct *wq;
static struct item held, waiting[8];

static void child_of_busy_parent(void)
{
	int i;

	CHECK(our_threads() == 0);
	for (i = 0; i < 8; i++)
		CHECK(!work_busy(&waiting[i].work));
	CHECK(!work_busy(&held.work));
	check_queue(wq);
	check_library();
	for (i = 0; i < 8; i++)
		CHECK(queue_work(wq, &waiting[i].work));
	flush_workqueue(wq);
	workqueue_softirq_action(false);
	for (i = 0; i < 8; i++)
		CHECK(item_runs(&waiting[i]) == 1);
}

/* One runs, others wait behind it: in the child there are none. */
TEST(fork_while_items_wait)
{
	int i;

	need_busy_fork();
	log_ignore("slept");
	make_report();
	wq = alloc_workqueue("bh", WQ_BH, 0);
	item_init_held(&held);
	EXPECT(queue_work_on(nth_cpu(0), wq, &held.work));
	wait_for(item_started(&held));
	for (i = 0; i < 8; i++) {
		item_init(&waiting[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq, &waiting[i].work));
	}
	in_child(FORK, child_of_busy_parent);
	in_child(UNDERSCORE_FORK, child_of_busy_parent);
	item_release(&held);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(waiting, 8), 8);
	destroy_workqueue(wq);
}

static _Atomic pid_t child_of_item;

static void fork_here(struct item *it)
{
	pid_t pid = fork();

	(void)it;
	if (pid) {
		atomic_store(&child_of_item, pid);
		return;
	}
	cmwq_set_log(child_log, NULL);
	CHECK(sched_getscheduler(0) == SCHED_OTHER);
	check_library();
	workqueue_softirq_action(false);
}

/* The child goes on in the function, uses the library, and ends when it returns. */
TEST(fork_in_an_item)
{
	struct item it;
	int status;

	need_busy_fork();
	log_ignore("slept");
	make_report();
	item_init(&it);
	it.hook = fork_here;
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	status = end_child(atomic_load(&child_of_item));
	EXPECT(WIFEXITED(status));
	EXPECT_EQ(WEXITSTATUS(status), 70);
	EXPECT_EQ(atomic_load(&report->messages), 1);
	EXPECT(strstr(report->line, "returned in a forked child"));
	check_library_works();
}
