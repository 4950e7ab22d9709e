/* SPDX-License-Identifier: MIT */
/*
 * starved.c - rescuers where the system really refuses threads: under RLIMIT_NPROC
 * as an ordinary user, and in a pids cgroup. What rescuers do in detail is tested in
 * rescuer.c, where threads are refused by the test.
 *
 * timeout: 300
 */
#include "rescue.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* --- RLIMIT_NPROC --- */

TEST(limit_percpu)
{
	become_ordinary();
	rescue_on(WQ_PERCPU, refuse_by_limit, permit_by_limit);
}

TEST(limit_unbound)
{
	become_ordinary();
	rescue_on(WQ_UNBOUND, refuse_by_limit, permit_by_limit);
}

/* Not one worker there is: the rescuer does it all. */
TEST(limit_no_worker)
{
	struct workqueue_struct *wq =
		alloc_workqueue("alone", WQ_PERCPU | WQ_MEM_RECLAIM, 0);
	struct item it[3];
	int i;

	become_ordinary();
	log_ignore("cannot create");
	check_library_works(); /* the timer thread is there */
	refuse_by_limit();
	for (i = 0; i < 3; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(nth_cpu(nr_allowed() - 1), wq,
				     &it[i].work));
	}
	wait_for(items_finished(it, 3) == 3);
	permit_by_limit();
	destroy_workqueue(wq);
	check_library_works();
}

/* --- a pids cgroup --- */

static const char *group(void)
{
	return getenv("CMWQ_TEST_CGROUP");
}

static bool write_group(const char *dir, const char *file, const char *text)
{
	char path[600];
	bool ok;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	if (fd >= 0)
		close(fd);
	return ok;
}

static void permit_by_group(void)
{
	ASSERT(write_group(group(), "pids.max", "max"));
}

static void refuse_by_group(void)
{
	ASSERT(write_group(group(), "pids.max", "1"));
	ASSERT(threads_are_refused());
}

static void in_group(unsigned int flags)
{
	if (!write_group(group(), "cgroup.procs", "0"))
		skip("cannot enter %s", group());
	rescue_on(flags, refuse_by_group, permit_by_group);
}

TEST(in_group_percpu, .hidden = true)
{
	in_group(WQ_PERCPU);
}

TEST(in_group_unbound, .hidden = true)
{
	in_group(WQ_UNBOUND);
}

/* A new one below that of this process; a path of the v1 hierarchy of pids, or of
 * v2 if the controller is on there. */
static bool make_group(char *dir, size_t size)
{
	static const char *const mount[][2] = {
		{ "pids:", "/sys/fs/cgroup/pids" },
		{ "0::", "/sys/fs/cgroup" },
		{ "0::", "/sys/fs/cgroup/unified" },
	};
	FILE *f = fopen("/proc/self/cgroup", "re");
	char line[400], path[600];

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		for (int i = 0; i < 3; i++) {
			char *own = strstr(line, mount[i][0]);

			if (!own)
				continue;
			snprintf(dir, size, "%s%s/cmwq-test-%d", mount[i][1],
				 own + strlen(mount[i][0]), getpid());
			snprintf(path, sizeof(path), "%.500s/pids.max", dir);
			if (mkdir(dir, 0755))
				continue;
			if (!access(path, W_OK)) {
				fclose(f);
				return true;
			}
			rmdir(dir);
		}
	}
	if (f)
		fclose(f);
	return false;
}

static void run_in_group(const char *test)
{
	char dir[512], out[16384];
	unsigned int round = 0;
	int status;

	if (!make_group(dir, sizeof(dir)))
		skip("cannot make a pids cgroup");
	setenv("CMWQ_TEST_CGROUP", dir, 1);
	status = run_hidden(test, NULL, out, sizeof(out));
	/* Those who have ended leave it a little later. */
	for (int i = 0; rmdir(dir) && errno == EBUSY && i < 1000; i++)
		nap(&round);
	printf("%s", out);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip("the cgroup cannot be entered");
	EXPECT_EQ(status, 0);
}

TEST(group_percpu)
{
	run_in_group("in_group_percpu");
}

TEST(group_unbound)
{
	run_in_group("in_group_unbound");
}
