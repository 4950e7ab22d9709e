/* SPDX-License-Identifier: MIT */
/*
 * quota.c - CPU quotas: a cgroup grants the process less than a CPU's time for each
 * of its CPUs. The CPUs are 64 that the library is made to believe in, the quota
 * is a real cgroup's (v1 or v2) where one can be made, and otherwise files in a mount
 * namespace of the test's own that look like one.
 *
 * timeout: 300
 * parallel: no
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "harness.h"

#define MACHINE                                                          \
	.topology = "pack:1 l3:1 core:64 pu:1", .params = DEFAULT_SCOPE, \
	.timeout = 60
#define PODS  8 /* of 8 cores each */
#define ITEMS 256

/* --- cgroups --- */

static bool put(const char *dir, const char *name, const char *text)
{
	char path[600];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text);
}

static char group[300];
static enum {
	NO_GROUP,
	GROUP_V1,
	GROUP_V2,
	GROUP_FAKED
} kind;

/* Removed by another process when this one has ended, however. */
static void remove_group_at_the_end(void)
{
	int pipefd[2];
	char c;

	ASSERT_EQ(pipe2(pipefd, 0), 0);
	if (fork()) {
		close(pipefd[0]);
		fcntl(pipefd[1], F_SETFD, FD_CLOEXEC);
		return;
	}
	setsid();
	prctl(PR_SET_NAME, "rmcgroup");
	for (int fd = 0; fd < 256; fd++)
		if (fd != pipefd[0])
			close(fd);
	while (read(pipefd[0], &c, 1) > 0)
		;
	for (int i = 0; i < 500 && rmdir(group) && errno != ENOENT; i++)
		usleep(10000);
	_exit(0);
}

static bool set_quota_of_group(int percent)
{
	char text[64];

	if (kind == GROUP_V1) {
		snprintf(text, sizeof(text), "%d",
			 percent ? percent * 1000 : -1);
		return put(group, "cpu.cfs_quota_us", text);
	}
	snprintf(text, sizeof(text), percent ? "%d 100000" : "max 100000",
		 percent * 1000);
	return put(group, "cpu.max", text);
}

static bool make_group(const char *parent, int percent)
{
	char pid[16];

	snprintf(group, sizeof(group), "%s/cmwq-test-%d", parent, getpid());
	snprintf(pid, sizeof(pid), "%d", getpid());
	if (mkdir(group, 0755))
		return false;
	remove_group_at_the_end();
	return set_quota_of_group(percent) && put(group, "cgroup.procs", pid);
}

/* --- files that look like a cgroup of v2 --- */

static bool own_namespace(void)
{
	char text[64];
	uid_t uid = getuid();
	gid_t gid = getgid();

	if (!unshare(CLONE_NEWNS))
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return false;
	snprintf(text, sizeof(text), "0 %d 1", uid);
	if (!put("/proc/self", "setgroups", "deny") ||
	    !put("/proc/self", "uid_map", text))
		return false;
	snprintf(text, sizeof(text), "0 %d 1", gid);
	return put("/proc/self", "gid_map", text);
}

static bool cover(const char *name, const char *text)
{
	char from[64], to[64];

	snprintf(from, sizeof(from), "/tmp/%s", name);
	snprintf(to, sizeof(to), "/proc/self/%s", name);
	return put("/tmp", name, text) && !mount(from, to, NULL, MS_BIND, NULL);
}

/* Nothing of it is left outside, or when the process has ended. */
static bool fake_group(int percent)
{
	if (!own_namespace() ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/tmp", "tmpfs", 0, NULL) ||
	    mkdir("/tmp/cg", 0755) || mkdir("/tmp/cg/a", 0755))
		return false;
	strcpy(group, "/tmp/cg/a");
	kind = GROUP_FAKED;
	return set_quota_of_group(percent) && cover("cgroup", "0::/a\n") &&
	       cover("mountinfo",
		     "30 23 0:26 / /tmp/cg rw - cgroup2 cgroup2 rw\n");
}

/* --- */

/* Before the library has threads: a namespace is of a process with one. */
static void need_quota(int percent)
{
	kind = GROUP_V1;
	if (make_group("/sys/fs/cgroup/cpu", percent) ||
	    make_group("/sys/fs/cgroup/cpu,cpuacct", percent))
		return;
	kind = GROUP_V2;
	if (!access("/sys/fs/cgroup/cgroup.controllers", F_OK) &&
	    put("/sys/fs/cgroup", "cgroup.subtree_control", "+cpu") &&
	    make_group("/sys/fs/cgroup", percent))
		return;
	if (!fake_group(percent))
		skip("no cgroup and no mount namespace can be made (%s)",
		     strerror(errno));
}

static struct load {
	struct work_struct work[ITEMS];
	_Atomic int running, most, done;
	_Atomic bool stop;
	unsigned int us;
} load;

static void compute(struct work_struct *work)
{
	int n = atomic_fetch_add(&load.running, 1) + 1;
	int most = atomic_load(&load.most);

	(void)work;
	while (n > most && !atomic_compare_exchange_weak(&load.most, &most, n))
		;
	if (load.us)
		burn_us(load.us);
	while (!load.us && !atomic_load(&load.stop))
		burn_us(100);
	atomic_fetch_sub(&load.running, 1);
	atomic_fetch_add(&load.done, 1);
}

/* Queued from CPUs of so many pods, in turn. */
static void queue_all(struct workqueue_struct *wq, int pods, int items,
		      unsigned int us)
{
	load.us = us;
	atomic_store(&load.most, 0);
	atomic_store(&load.done, 0);
	atomic_store(&load.stop, false);
	for (int i = 0; i < items; i++) {
		INIT_WORK(&load.work[i], compute);
		ASSERT(queue_work_on(i % pods * 8, wq, &load.work[i]));
	}
}

static int run_all(struct workqueue_struct *wq, int pods, unsigned int us)
{
	queue_all(wq, pods, ITEMS, us);
	flush_workqueue(wq);
	EXPECT_EQ(atomic_load(&load.done), ITEMS);
	return atomic_load(&load.most);
}

static struct workqueue_struct *begin(int percent)
{
	struct workqueue_struct *wq;

	need_param("cmwq.tick");
	need_quota(percent);
	workqueue_init_topology();
	wq = alloc_workqueue("compute", WQ_UNBOUND, 0);
	ASSERT(wq);
	return wq;
}

/*
 * What the pace may have added since @begun: one worker after 12 ms in which nothing
 * was started, the next 24 ms later, and so on. On a busy machine that happens to
 * short items, too.
 */
static int paced(uint64_t begun)
{
	uint64_t at = 12000000, now = now_ns();
	int n = 1;

	for (uint64_t pause = 24000000; begun + at < now; pause *= 2) {
		at += pause;
		n++;
	}
	return n;
}

TEST(one_pod_runs_the_quota, MACHINE)
{
	struct workqueue_struct *wq = begin(200);
	uint64_t begun;

	/* It is read when the tick goes on the first time. */
	run_all(wq, 1, 100);
	begun = now_ns();
	EXPECT_OP(run_all(wq, 1, 500), <=, 2 + paced(begun));
	EXPECT(atomic_load(&load.most) >= 2);
}

/* Whoever had the second worker of the quota may still have it at first. */
TEST(all_pods_run_one_each, MACHINE)
{
	struct workqueue_struct *wq = begin(200);
	uint64_t begun;

	run_all(wq, PODS, 100);
	begun = now_ns();
	EXPECT_OP(run_all(wq, PODS, 500), <=, PODS + 1 + paced(begun));
}

/* Items that never end by themselves: as many as there are pods, and then fewer and
 * fewer more. Without the quota all 64 run at once. */
TEST(endless_items, MACHINE)
{
	struct workqueue_struct *wq = begin(200);
	uint64_t begun;

	run_all(wq, PODS, 100);
	begun = now_ns();
	queue_all(wq, PODS, ITEMS, 0);
	wait_for(atomic_load(&load.running) > PODS);
	while (now_ns() < begun + 1500000000ULL)
		usleep(10000);
	EXPECT_OP(atomic_load(&load.most), <=, PODS + 1 + paced(begun));
	printf("%d at once\n", atomic_load(&load.most));
	atomic_store(&load.stop, true);
	flush_workqueue(wq);
	EXPECT_EQ(atomic_load(&load.done), ITEMS);
}

/* Live: raised, lifted, set anew, while the pool is busy. */
TEST(followed_live, MACHINE)
{
	struct workqueue_struct *wq = begin(100);

	run_all(wq, 1, 100);
	queue_all(wq, 1, ITEMS, 0);
	wait_for(atomic_load(&load.running) >= 1);
	ASSERT(set_quota_of_group(0));
	/* The pod's eight, at once; more come slowly, see the pace. */
	wait_for(atomic_load(&load.running) >= 8);
	ASSERT(set_quota_of_group(100));
	atomic_store(&load.stop, true);
	flush_workqueue(wq);
	wait_for((run_all(wq, 1, 500), atomic_load(&load.most) <= 4));
}

/* No item is lost to it, whatever waits for what. */
TEST(items_that_wait_for_each_other, MACHINE)
{
	struct workqueue_struct *wq = begin(100);
	struct item it[3];

	run_all(wq, 1, 100);
	for (int i = 0; i < 3; i++) {
		item_init_held(&it[i]);
		it[i].spin = true;
		ASSERT(queue_work_on(0, wq, &it[i].work));
	}
	/* Each spins until all have started. */
	wait_for(items_started(it, 3) == 3);
	for (int i = 0; i < 3; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
}

TEST(sleepers_are_no_matter, MACHINE)
{
	struct workqueue_struct *wq = begin(100);
	struct item it[32];

	run_all(wq, 1, 100);
	for (int i = 0; i < 32; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work_on(0, wq, &it[i].work));
	}
	wait_for(items_started(it, 32) == 32);
	for (int i = 0; i < 32; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
}

/* The same files for everybody, faked, so that this path is gone everywhere. */
TEST(faked, MACHINE)
{
	struct workqueue_struct *wq;
	uint64_t begun;

	need_param("cmwq.tick");
	if (!fake_group(200))
		skip("no mount namespace can be made (%s)", strerror(errno));
	workqueue_init_topology();
	wq = alloc_workqueue("compute", WQ_UNBOUND, 0);
	ASSERT(wq);
	run_all(wq, 1, 100);
	begun = now_ns();
	EXPECT_OP(run_all(wq, 1, 500), <=, 2 + paced(begun));
}
