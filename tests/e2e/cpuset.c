/* SPDX-License-Identifier: MIT */
/*
 * cpuset.c - the system takes CPUs away from the process and gives them back: its
 * cpuset (a cgroup, v1 or v2), or the affinity of all of its threads, set by another
 * process as "taskset -a" does. Nobody tells the library.
 *
 * timeout: 300
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <cmwq/cpumask.h>

#include "cpus_load.h"

/* The system does not take away CPUs that are pretended. */
#define REAL .topology = ""

/* --- ways to do it --- */

struct way {
	const char *name;
	bool (*begin)(void);
	bool (*set)(const cpu_set_t *cpus); /* all that this process may use */
};

static bool put(const char *dir, const char *name, const char *text)
{
	char path[600];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : write(fd, text, strlen(text));
	if (fd >= 0)
		close(fd);
	return n == (ssize_t)strlen(text);
}

static bool get(const char *dir, const char *name, char *buf, size_t size)
{
	char path[600];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, size - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static char group[300];

/*
 * Another process, from before there are threads. It gets sets of CPUs and moves all
 * threads of this one to them; when this one has ended, however, it removes the
 * cgroup, which has to be empty.
 */
static int helper = -1;

/* Threads may be made while they are gone through, by those that were not moved
 * yet: as taskset, go on until none is new. */
static void move_all_threads(pid_t pid, const cpu_set_t *cpus)
{
	char path[64];
	bool again = true;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	for (int round = 0; again && round < 100; round++) {
		DIR *dir = opendir(path);
		struct dirent *de;

		again = false;
		while (dir && (de = readdir(dir))) {
			cpu_set_t now;
			int tid = atoi(de->d_name);

			if (!tid || sched_getaffinity(tid, sizeof(now), &now))
				continue;
			if (round && CPU_EQUAL(&now, cpus))
				continue;
			again |= !round || CPU_COUNT(&now) > CPU_COUNT(cpus);
			sched_setaffinity(tid, sizeof(*cpus), cpus);
		}
		if (dir)
			closedir(dir);
	}
}

static void serve(int sock, pid_t pid)
{
	cpu_set_t cpus;

	setsid();
	prctl(PR_SET_NAME, "cpuset-helper");
	for (int fd = 0; fd < 256; fd++)
		if (fd != sock)
			close(fd);
	while (read(sock, &cpus, sizeof(cpus)) == sizeof(cpus)) {
		move_all_threads(pid, &cpus);
		if (write(sock, "", 1) != 1)
			break;
	}
	for (int i = 0; group[0] && i < 500; i++) {
		if (!rmdir(group) || errno == ENOENT)
			break;
		usleep(10000);
	}
	_exit(0);
}

static void start_helper(void)
{
	int sock[2];
	pid_t pid = getpid();

	ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock), 0);
	if (!fork())
		serve(sock[1], pid);
	close(sock[1]);
	helper = sock[0];
}

static bool make_group(const char *parent)
{
	snprintf(group, sizeof(group), "%s/cmwq-test-%d", parent, getpid());
	if (mkdir(group, 0755))
		return false;
	start_helper();
	return true;
}

static bool join_group(void)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", getpid());
	return put(group, "cgroup.procs", pid);
}

/* v1: a new cpuset has neither CPUs nor memory. */
static bool begin_v1(void)
{
	static const char top[] = "/sys/fs/cgroup/cpuset";
	char cpus[256], mems[256];

	return get(top, "cpuset.cpus", cpus, sizeof(cpus)) &&
	       get(top, "cpuset.mems", mems, sizeof(mems)) && make_group(top) &&
	       put(group, "cpuset.cpus", cpus) &&
	       put(group, "cpuset.mems", mems) && join_group();
}

static bool begin_v2(void)
{
	static const char top[] = "/sys/fs/cgroup";
	char controllers[256];

	return get(top, "cgroup.controllers", controllers,
		   sizeof(controllers)) &&
	       strstr(controllers, "cpuset") &&
	       put(top, "cgroup.subtree_control", "+cpuset") &&
	       make_group(top) && join_group();
}

static bool set_group(const cpu_set_t *cpus)
{
	char text[4096] = "";
	size_t len = 0;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, cpus))
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s%d", len ? "," : "", cpu);
	return put(group, "cpuset.cpus", text);
}

static bool begin_affinity(void)
{
	start_helper();
	return true;
}

static bool set_affinity(const cpu_set_t *cpus)
{
	char done = 0;

	return write(helper, cpus, sizeof(*cpus)) == sizeof(*cpus) &&
	       read(helper, &done, 1) == 1;
}

static const struct way v1 = { "cpuset of cgroup v1", begin_v1, set_group };
static const struct way v2 = { "cpuset of cgroup v2", begin_v2, set_group };
static const struct way affinity = { "affinity", begin_affinity, set_affinity };

/* --- the tests, each by each way --- */

static cpu_set_t all;

static void run_on(int cpu, struct item *it)
{
	item_init(it);
	ASSERT(queue_work_on(cpu, system_wq, &it->work));
	flush_work(&it->work);
	ASSERT_EQ(item_runs(it), 1);
}

static void begin(const struct way *way)
{
	struct item it;

	need_cpus(2);
	sched_getaffinity(0, sizeof(all), &all);
	if (!way->begin())
		skip("no %s here (%s)", way->name, strerror(errno));
	/* From the first use on the library looks. */
	run_on(nth_cpu(0), &it);
}

static void allow(const struct way *way, int n)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (int cpu = 0, i = 0; cpu < CPU_SETSIZE && i < n; cpu++)
		if (CPU_ISSET(cpu, &all)) {
			CPU_SET(cpu, &set);
			i++;
		}
	if (!way->set(&set))
		skip("%s cannot be set (%s)", way->name, strerror(errno));
}

/* Something is always queued: the tick is on, and looks. */
static _Atomic bool busy_stop;
static struct thread busy_thread;

static long keep_busy(void *arg)
{
	struct item it;

	(void)arg;
	while (!atomic_load(&busy_stop)) {
		item_init(&it);
		queue_work(system_dfl_wq, &it.work);
		flush_work(&it.work);
		usleep(500);
	}
	return 0;
}

static void noticed_while_busy(const struct way *way)
{
	int cpu, n = nr_allowed();
	struct item it;

	begin(way);
	cpu = nth_cpu(n - 1);
	run_on(cpu, &it);
	EXPECT_EQ(it.cpu, cpu);
	thread_start(&busy_thread, keep_busy, NULL);
	for (int round = 0; round < 3; round++) {
		allow(way, n - 1);
		wait_for((int)num_online_cpus() == n - 1);
		EXPECT(!cpumask_test_cpu(cpu, cpu_online_mask));
		log_clear();
		run_on(cpu, &it);
		EXPECT(it.cpu != cpu);
		wait_for(log_has_both("CPU not available", "events"));
		allow(way, n);
		wait_for((int)num_online_cpus() == n);
		log_clear();
		/* The mask is the first thing that changes. */
		wait_for((run_on(cpu, &it), it.cpu == cpu));
		EXPECT(!log_has("CPU not available"));
	}
	atomic_store(&busy_stop, true);
	thread_join(&busy_thread);
}

static void noticed_when_idle(const struct way *way)
{
	int cpu, n = nr_allowed();
	struct item it;

	begin(way);
	cpu = nth_cpu(n - 1);
	run_on(cpu, &it);
	for (int round = 0; round < 3; round++) {
		linger();
		allow(way, n - 1);
		linger();
		run_on(nth_cpu(0), &it);
		wait_for((int)num_online_cpus() == n - 1);
		linger();
		allow(way, n);
		run_on(nth_cpu(0), &it);
		wait_for((int)num_online_cpus() == n);
		log_ignore("CPU not available");
		log_ignore("refusals were not noted");
		wait_for((run_on(cpu, &it), it.cpu == cpu));
	}
}

static void under_load(const struct way *way)
{
	int n = nr_allowed();
	long total;

	begin(way);
	load_start();
	for (uint64_t end = now_ns() + load_ns(); now_ns() < end;) {
		total = atomic_load(&load.total);
		allow(way, n - 1);
		wait_for(num_online_cpus() == (unsigned int)n - 1);
		wait_for(load_goes_on(total));
		total = atomic_load(&load.total);
		allow(way, n);
		wait_for(num_online_cpus() == (unsigned int)n);
		wait_for(load_goes_on(total));
	}
	load_finish();
	check_library_works();
}

TEST(busy_v1, REAL)
{
	noticed_while_busy(&v1);
}

TEST(busy_v2, REAL)
{
	noticed_while_busy(&v2);
}

TEST(busy_affinity, REAL)
{
	noticed_while_busy(&affinity);
}

TEST(idle_v1, REAL)
{
	noticed_when_idle(&v1);
}

TEST(idle_v2, REAL)
{
	noticed_when_idle(&v2);
}

TEST(idle_affinity, REAL)
{
	noticed_when_idle(&affinity);
}

TEST(load_v1, REAL, .timeout = 60)
{
	under_load(&v1);
}

TEST(load_v2, REAL, .timeout = 60)
{
	under_load(&v2);
}

TEST(load_affinity, REAL, .timeout = 60)
{
	under_load(&affinity);
}

/* Started with one CPU of several: those are not the process's, whatever its
 * cpuset has, until somebody gives them to all of its threads. */
TEST(started_with_one, .one_cpu = true)
{
	cpu_set_t two;
	struct item it;

	if (nr_possible() < 2)
		skip("one CPU");
	start_helper();
	CPU_ZERO(&two);
	CPU_SET(0, &two);
	CPU_SET(1, &two);
	run_on(nth_cpu(0), &it);
	linger();
	run_on(nth_cpu(0), &it);
	EXPECT_EQ(num_online_cpus(), 1);
	ASSERT(set_affinity(&two));
	sched_getaffinity(0, sizeof(two), &two);
	if (CPU_COUNT(&two) < 2)
		skip("there is no second CPU for us");
	run_on(nth_cpu(0), &it);
	wait_for(num_online_cpus() == 2);
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	wait_for((run_on(1, &it), it.cpu == 1));
}

/* A program that binds its own threads has not changed what the process may use. */
TEST(main_thread_alone, REAL)
{
	struct item it;

	need_cpus(2);
	pin_to(nth_cpu(0));
	run_on(nth_cpu(1), &it);
	EXPECT_EQ(it.cpu, nth_cpu(1));
	linger();
	run_on(nth_cpu(1), &it);
	EXPECT_EQ(it.cpu, nth_cpu(1));
	EXPECT_EQ(num_online_cpus(), nr_allowed());
}

static bool is_bound_to(int tid, int cpu)
{
	cpu_set_t set;

	return !sched_getaffinity(tid, sizeof(set), &set) &&
	       CPU_ISSET(cpu, &set) && CPU_COUNT(&set) == 1;
}

/* All threads are moved, and moved back, while nobody looks: our own mask is what it
 * was, and yet workers are not where they belong. */
TEST(moved_and_back_unseen, REAL)
{
	cpu_set_t one;
	struct item it;
	int cpu;

	need_cpus(2);
	start_helper();
	cpu = nth_cpu(1);
	sched_getaffinity(0, sizeof(all), &all);
	CPU_ZERO(&one);
	CPU_SET(nth_cpu(0), &one);
	for (int round = 0; round < 3; round++) {
		run_on(cpu, &it);
		linger();
		if (round % 2)
			ASSERT(set_affinity(&one));
		ASSERT(set_affinity(&all));
		log_ignore("CPU not available");
		log_ignore("refusals were not noted");
		wait_for((run_on(cpu, &it),
			  it.cpu == cpu && is_bound_to(it.tid, cpu)));
	}
	EXPECT_EQ(num_online_cpus(), nr_allowed());
}
