/* SPDX-License-Identifier: MIT */
/*
 * sysfs.c - the files of workqueues: names, formats, and that what is written takes
 * effect.
 */
#include "harness.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <cmwq/cpumask.h>

#define FILES_PERCPU  "per_cpu\nmax_active\n"
#define FILES_UNBOUND "nice\ncpumask\naffinity_scope\naffinity_strict\n"
#define FILES_TOP     "cpumask\ncpumask_isolated\ncpumask_requested\n"

static char buf[8192];

static const char *rd(const char *path)
{
	int len = cmwq_sysfs_read(path, buf, sizeof(buf));

	if (len < 0)
		return strerrorname_np(-len);
	EXPECT_EQ(len, strlen(buf));
	return buf;
}

#define EXPECT_FILE(path, text)                                              \
	do {                                                                 \
		const char *is_ = rd(path);                                  \
		if (strcmp(is_, text))                                       \
			harness_failed(__FILE__, __LINE__, "%s: '%s'", path, \
				       is_);                                 \
	} while (0)

static void expect_write(int line, const char *path, const char *text, int err)
{
	int got = cmwq_sysfs_write(path, text);

	if (got != err)
		harness_failed(__FILE__, line, "write '%s' to %s: %d", text,
			       path, got);
	if (err) {
		EXPECT(log_has_both("cmwq_sysfs_write", path));
		log_clear();
	}
}

#define EXPECT_WRITE(path, text, err) expect_write(__LINE__, path, text, err)

/* In hexadecimal, as a file has it. */
static const char *hex(const struct cpumask *mask)
{
	static char line[4096];

	line[cpumask_scnprintf(line, sizeof(line) - 1, mask)] = '\0';
	return strcat(line, "\n");
}

static const char *hex_cpu(int cpu)
{
	return hex(cpumask_of((unsigned int)cpu));
}

/* More CPUs than any machine has. */
static const char *too_many(void)
{
	for (int i = 0; i < 300; i++)
		strcpy(buf + i * 9, "ffffffff,");
	buf[300 * 9 - 1] = '\0';
	return buf;
}

/* --- what there is --- */

TEST(tree)
{
	struct workqueue_struct *a, *b, *plain;

	EXPECT_FILE("", FILES_TOP);
	a = alloc_workqueue("a", WQ_PERCPU | WQ_SYSFS, 0);
	plain = alloc_workqueue("plain", WQ_PERCPU, 0);
	b = alloc_workqueue("b/%d", WQ_UNBOUND | WQ_SYSFS, 0, 1);
	ASSERT(a && b && plain);
	EXPECT_FILE("", FILES_TOP "a/\nb!1/\n");
	EXPECT_FILE("a", FILES_PERCPU);
	EXPECT_FILE("a/", FILES_PERCPU);
	EXPECT_FILE("b!1", FILES_PERCPU FILES_UNBOUND);
	EXPECT_FILE("b/1", "ENOENT");
	EXPECT_FILE("plain", "ENOENT");
	EXPECT_FILE("plain/per_cpu", "ENOENT");
	EXPECT_FILE("a/nice", "ENOENT");
	EXPECT_FILE("a/per_cp", "ENOENT");
	EXPECT_FILE("a/per_cpu/x", "ENOENT");
	EXPECT_FILE("cpumas", "ENOENT");
	EXPECT_FILE("/a", "ENOENT");
	EXPECT_EQ(workqueue_sysfs_register(plain), 0);
	EXPECT_FILE("plain", FILES_PERCPU);
	destroy_workqueue(a);
	EXPECT_FILE("a", "ENOENT");
	EXPECT_FILE("", FILES_TOP "plain/\nb!1/\n");
	destroy_workqueue(b);
	destroy_workqueue(plain);
	EXPECT_FILE("", FILES_TOP);
}

TEST(registering)
{
	struct workqueue_struct *a, *same, *ordered, *other;

	a = alloc_workqueue("a", WQ_PERCPU | WQ_SYSFS, 0);
	same = alloc_workqueue("a", WQ_UNBOUND, 0);
	ordered = alloc_ordered_workqueue("o", 0);
	ASSERT(a && same && ordered);
	EXPECT_EQ(workqueue_sysfs_register(a), -EEXIST);
	EXPECT_EQ(workqueue_sysfs_register(same), -EEXIST);
	EXPECT_EQ(log_count("workqueue 'a': there are files"), 2);
	EXPECT(!alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0));
	EXPECT_EQ(log_count("workqueue 'a': there are files"), 3);
	EXPECT_EQ(workqueue_sysfs_register(ordered), 0);
	EXPECT_EQ(cmwq_sysfs_write("o/max_active", "2"), 0);
	EXPECT(log_has("workqueue o is ordered"));
	EXPECT_FILE("o/max_active", "1\n");
	other = alloc_workqueue("cpumask", WQ_UNBOUND, 0);
	EXPECT_EQ(workqueue_sysfs_register(other), -EEXIST);
	log_clear();
	destroy_workqueue(a);
	EXPECT_EQ(workqueue_sysfs_register(same), 0);
	EXPECT_FILE("a/per_cpu", "0\n");
	EXPECT_EQ(workqueue_sysfs_register(NULL), -EINVAL);
	EXPECT_EQ(workqueue_sysfs_register(a), -EINVAL);
	wait_for(log_has("workqueue NULL is not one") &&
		 log_has("workqueue a was destroyed"));
	log_clear();
	destroy_workqueue(same);
	destroy_workqueue(ordered);
	destroy_workqueue(other);
	check_library_works();
}

TEST(short_buffers)
{
	struct workqueue_struct *a =
		alloc_workqueue("a", WQ_PERCPU | WQ_SYSFS, 1234);
	char small[4] = "xyz";

	EXPECT_EQ(cmwq_sysfs_read("a/max_active", NULL, 0), 5);
	EXPECT_EQ(cmwq_sysfs_read("a/max_active", small, 4), 5);
	EXPECT(!strcmp(small, "123"));
	EXPECT_EQ(cmwq_sysfs_read("a/max_active", small, 1), 5);
	EXPECT(!small[0]);
	EXPECT_EQ(cmwq_sysfs_read("", small, 4), strlen(FILES_TOP "a/\n"));
	EXPECT_EQ(cmwq_sysfs_read(NULL, small, 4), -EINVAL);
	EXPECT_EQ(cmwq_sysfs_read("", NULL, 4), -EINVAL);
	EXPECT_EQ(cmwq_sysfs_write(NULL, "1"), -EINVAL);
	EXPECT_EQ(cmwq_sysfs_write("a/max_active", NULL), -EINVAL);
	EXPECT_EQ(log_count("cmwq_sysfs_write: NULL"), 2);
	log_clear();
	destroy_workqueue(a);
}

/* --- a workqueue's --- */

TEST(defaults, .params = DEFAULT_SCOPE)
{
	struct workqueue_struct *a =
		alloc_workqueue("a", WQ_PERCPU | WQ_SYSFS, 0);
	struct workqueue_struct *b =
		alloc_workqueue("b", WQ_UNBOUND | WQ_SYSFS, 7);

	EXPECT_FILE("a/per_cpu", "1\n");
	EXPECT_FILE("a/max_active", "1024\n");
	EXPECT_FILE("b/per_cpu", "0\n");
	EXPECT_FILE("b/max_active", "7\n");
	EXPECT_FILE("b/nice", "0\n");
	EXPECT_FILE("b/cpumask", hex(cpu_possible_mask));
	EXPECT_FILE("b/affinity_scope", "default (cache_shard)\n");
	EXPECT_FILE("b/affinity_strict", "0\n");
	EXPECT_WRITE("a", "1", -EISDIR);
	EXPECT_WRITE("a/per_cpu", "1", -EACCES);
	EXPECT_WRITE("a/nice", "1", -ENOENT);
	EXPECT_WRITE("c/nice", "1", -ENOENT);
	destroy_workqueue(a);
	destroy_workqueue(b);
}

/* More start at once. */
TEST(max_active)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 1);
	static struct item it[4];

	span_nodes(wq);
	for (int i = 0; i < 4; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(items_started(it, 4) == 1);
	EXPECT_WRITE("a/max_active", "3\n", 0);
	EXPECT_FILE("a/max_active", "3\n");
	wait_for(items_started(it, 4) == 3);
	EXPECT_WRITE("a/max_active", "0", -EINVAL);
	EXPECT_WRITE("a/max_active", "-1", -EINVAL);
	EXPECT_WRITE("a/max_active", "x", -EINVAL);
	EXPECT_WRITE("a/max_active", "", -EINVAL);
	EXPECT_FILE("a/max_active", "3\n");
	EXPECT_WRITE("a/max_active", "100000", 0);
	EXPECT(log_has("out of range"));
	log_clear();
	EXPECT_FILE("a/max_active", "2048\n");
	for (int i = 0; i < 4; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

static int nice_seen;
static cpu_set_t cpus_seen;
static int pool_seen;

static void look(struct item *it)
{
	char name[32] = "";

	(void)it;
	nice_seen = getpriority(PRIO_PROCESS, (id_t)self_tid());
	sched_getaffinity(0, sizeof(cpus_seen), &cpus_seen);
	prctl(PR_GET_NAME, name);
	pool_seen = -1;
	sscanf(name, "cmwq/u%d:", &pool_seen);
}

static void look_on(int cpu, struct workqueue_struct *wq)
{
	struct item it;

	item_init(&it);
	it.hook = look;
	EXPECT(queue_work_on(cpu, wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
}

TEST(nice)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0);

	EXPECT_WRITE("a/nice", "7\n", 0);
	EXPECT_FILE("a/nice", "7\n");
	look_on(nth_cpu(0), wq);
	EXPECT_EQ(nice_seen, 7);
	EXPECT_WRITE("a/nice", "20", -EINVAL);
	EXPECT_WRITE("a/nice", "-21", -EINVAL);
	EXPECT_WRITE("a/nice", "high", -EINVAL);
	EXPECT_FILE("a/nice", "7\n");
	destroy_workqueue(wq);
}

TEST(cpumask)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0);

	need_cpus(2);
	EXPECT_WRITE("a/cpumask", hex_cpu(nth_cpu(1)), 0);
	EXPECT_FILE("a/cpumask", hex_cpu(nth_cpu(1)));
	look_on(nth_cpu(0), wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), 1);
	EXPECT(CPU_ISSET(nth_cpu(1), &cpus_seen));
	EXPECT_WRITE("a/cpumask", "x", -EINVAL);
	EXPECT_EQ(cmwq_sysfs_write("a/cpumask", too_many()), -EOVERFLOW);
	EXPECT_EQ(cmwq_sysfs_write("cpumask", too_many()), -EOVERFLOW);
	log_clear();
	EXPECT_FILE("a/cpumask", hex_cpu(nth_cpu(1)));
	destroy_workqueue(wq);
}

TEST(affinity, .params = DEFAULT_SCOPE)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0);
	int first;

	need_cpus(2);
	EXPECT_WRITE("a/affinity_scope", "CPU\n", 0);
	EXPECT_FILE("a/affinity_scope", "cpu\n");
	EXPECT_WRITE("a/affinity_strict", "1\n", 0);
	EXPECT_FILE("a/affinity_strict", "1\n");
	look_on(nth_cpu(0), wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), 1);
	EXPECT(CPU_ISSET(nth_cpu(0), &cpus_seen));
	first = pool_seen;
	look_on(nth_cpu(1), wq);
	EXPECT(CPU_ISSET(nth_cpu(1), &cpus_seen));
	EXPECT_OP(pool_seen, !=, first);
	EXPECT_WRITE("a/affinity_scope", "system", 0);
	EXPECT_WRITE("a/affinity_strict", "0", 0);
	look_on(nth_cpu(0), wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), nr_allowed());
	EXPECT_WRITE("a/affinity_scope", "default", 0);
	EXPECT_FILE("a/affinity_scope", "default (cache_shard)\n");
	EXPECT_WRITE("a/affinity_scope", "cach", -EINVAL);
	EXPECT_WRITE("a/affinity_scope", " ", -EINVAL);
	EXPECT_WRITE("a/affinity_strict", "yes", -EINVAL);
	destroy_workqueue(wq);
}

/* Workqueues that name no scope follow the default while they are in use. */
TEST(default_scope)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0);
	int first;

	need_cpus(2);
	workqueue_init_topology();
	EXPECT_WRITE("a/affinity_strict", "1", 0);
	EXPECT_EQ(cmwq_param_set_string("workqueue.default_affinity_scope",
					"cpu"),
		  0);
	EXPECT_FILE("a/affinity_scope", "default (cpu)\n");
	look_on(nth_cpu(0), wq);
	first = pool_seen;
	look_on(nth_cpu(1), wq);
	EXPECT_OP(pool_seen, !=, first);
	EXPECT_EQ(cmwq_param_set_string("workqueue.default_affinity_scope",
					"system"),
		  0);
	look_on(nth_cpu(0), wq);
	first = pool_seen;
	look_on(nth_cpu(1), wq);
	EXPECT_EQ(pool_seen, first);
	destroy_workqueue(wq);
}

/* --- of all unbound ones --- */

TEST(top)
{
	struct workqueue_struct *wq = alloc_workqueue("a", WQ_UNBOUND, 0);
	cpumask_var_t others;

	need_cpus(2);
	EXPECT(zalloc_cpumask_var(&others, 0));
	EXPECT_FILE("cpumask", hex(cpu_possible_mask));
	EXPECT_FILE("cpumask_requested", hex(cpu_possible_mask));
	EXPECT_FILE("cpumask_isolated", hex(others));
	EXPECT_WRITE("cpumask", hex_cpu(nth_cpu(1)), 0);
	EXPECT_FILE("cpumask", hex_cpu(nth_cpu(1)));
	EXPECT_FILE("cpumask_requested", hex_cpu(nth_cpu(1)));
	look_on(nth_cpu(0), wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), 1);
	EXPECT(CPU_ISSET(nth_cpu(1), &cpus_seen));
	EXPECT_WRITE("cpumask", "0", -EINVAL);
	EXPECT_WRITE("cpumask", "x", -EINVAL);
	EXPECT_WRITE("cpumask_requested", "1", -EACCES);
	EXPECT_WRITE("cpumask_isolated", "1", -EACCES);
	EXPECT_FILE("cpumask", hex_cpu(nth_cpu(1)));

	/* What is isolated does not count, unless nothing is left. */
	cpumask_copy(others, cpu_possible_mask);
	cpumask_clear_cpu(nth_cpu(1), others);
	EXPECT_EQ(workqueue_unbound_housekeeping_update(others), 0);
	EXPECT_FILE("cpumask_isolated", hex_cpu(nth_cpu(1)));
	EXPECT_FILE("cpumask", hex_cpu(nth_cpu(1)));
	EXPECT_WRITE("cpumask", hex(cpu_possible_mask), 0);
	EXPECT_FILE("cpumask_requested", hex(cpu_possible_mask));
	EXPECT_FILE("cpumask", hex(others));
	look_on(nth_cpu(1), wq);
	EXPECT(!CPU_ISSET(nth_cpu(1), &cpus_seen));
	EXPECT_EQ(workqueue_unbound_housekeeping_update(cpu_possible_mask), 0);
	EXPECT_FILE("cpumask", hex(cpu_possible_mask));
	free_cpumask_var(others);
	destroy_workqueue(wq);
}

/* --- the parameter --- */

TEST(confined, .hidden = true)
{
	char list[16];

	snprintf(list, sizeof(list), "%d", nth_cpu(1));
	EXPECT_EQ(cmwq_param_get_string("workqueue.unbound_cpus", buf,
					sizeof(buf)),
		  strlen(list));
	EXPECT(!strcmp(buf, list));
	EXPECT_FILE("cpumask", hex_cpu(nth_cpu(1)));
	EXPECT_FILE("cpumask_requested", hex_cpu(nth_cpu(1)));
	look_on(nth_cpu(0), system_dfl_wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), 1);
	EXPECT(CPU_ISSET(nth_cpu(1), &cpus_seen));
	workqueue_init_topology();
	look_on(nth_cpu(0), system_dfl_wq);
	EXPECT_EQ(CPU_COUNT(&cpus_seen), 1);
}

static void run(const char *name, const char *value, const char *said)
{
	char params[200], out[4096];
	int status;

	snprintf(params, sizeof(params), "workqueue.unbound_cpus=%s", value);
	status = run_hidden(name, params, out, sizeof(out));
	if (status || !strstr(out, said))
		printf("%s: wait status %#x, output:\n%s\n", params,
		       (unsigned)status, out);
	EXPECT_EQ(status, 0);
	EXPECT(strstr(out, said));
}

TEST(unbound_cpus)
{
	char list[16];

	need_cpus(2);
	snprintf(list, sizeof(list), "%d", nth_cpu(1));
	run("confined", list, "");
}

/* Reported at the start, before the harness listens. */
TEST(all_cpus, .hidden = true)
{
	EXPECT_FILE("cpumask", hex(cpu_possible_mask));
	check_library_works();
}

TEST(unbound_cpus_bad)
{
	run("all_cpus", "x", "'x' is not a list of CPUs, ignored");
	run("all_cpus", "0,y", "'0,y' is not a list of CPUs, ignored");
	run("all_cpus", "0-9999", "names CPUs that do not exist, ignored");
	run("all_cpus", "", "");
	run("all_cpus", "all", "");
}

/* --- against others --- */

static _Atomic bool stop;

static long write_all(void *arg)
{
	static const char *const scope[] = { "cpu", "numa", "system",
					     "default" };
	unsigned int n = 0;

	while (!atomic_load(&stop)) {
		char number[8];

		snprintf(number, sizeof(number), "%u", n % 5 + 1);
		EXPECT_EQ(cmwq_sysfs_write("a/nice", number), 0);
		EXPECT_EQ(cmwq_sysfs_write("a/max_active", number), 0);
		EXPECT_EQ(cmwq_sysfs_write("a/affinity_scope", scope[n++ % 4]),
			  0);
		cmwq_sysfs_read("b/affinity_scope", buf, sizeof(buf));
		cmwq_sysfs_read("", NULL, 0);
	}
	return (long)(intptr_t)arg;
}

/* While work runs and workqueues come and go. */
TEST(storm)
{
	struct workqueue_struct *wq =
		alloc_workqueue("a", WQ_UNBOUND | WQ_SYSFS, 0);
	static struct item it[8];
	struct thread writer;

	for (int i = 0; i < 8; i++)
		item_init(&it[i]);
	thread_start(&writer, write_all, NULL);
	for (int round = 1; round <= 300; round++) {
		struct workqueue_struct *b =
			alloc_workqueue("b", WQ_UNBOUND | WQ_SYSFS, 0);

		for (int i = 0; i < 8; i++)
			EXPECT(queue_work(i % 2 ? wq : b, &it[i].work));
		flush_workqueue(wq);
		destroy_workqueue(b);
		for (int i = 0; i < 8; i++)
			EXPECT_EQ(item_runs(&it[i]), round);
	}
	atomic_store(&stop, true);
	thread_join(&writer);
	destroy_workqueue(wq);
}
