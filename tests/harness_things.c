/* SPDX-License-Identifier: MIT */
/*
 * harness_things.c - what tests are made of: gates, threads, processors, items. See
 * harness.h; the runner is harness.c.
 */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

/* --- gates --- */

static void futex_wait(_Atomic int *word, int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void gate_open(struct gate *gate)
{
	atomic_store(&gate->open, 1);
	futex_wake(&gate->open);
}

void gate_close(struct gate *gate)
{
	atomic_store(&gate->open, 0);
}

void gate_wait(struct gate *gate)
{
	while (!atomic_load(&gate->open))
		futex_wait(&gate->open, 0);
}

/* --- threads --- */

int self_tid(void)
{
	return (int)syscall(SYS_gettid);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	atomic_store(&t->tid, self_tid());
	t->result = t->fn(t->arg);
	atomic_store(&t->done, true);
	return NULL;
}

void thread_start(struct thread *t, long (*fn)(void *arg), void *arg)
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	ASSERT_EQ(pthread_create(&t->id, NULL, thread_main, t), 0);
	wait_for(atomic_load(&t->tid));
}

long thread_join(struct thread *t)
{
	wait_for(thread_done(t));
	ASSERT_EQ(pthread_join(t->id, NULL), 0);
	return t->result;
}

static char state_of(int pid, int tid)
{
	char path[64], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	return p && p[1] ? p[2] : 0;
}

char task_state(int tid)
{
	return state_of(getpid(), tid);
}

/* How often the thread went to sleep so far. */
static long count_sleeps(int tid)
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

struct sleep_watch {
	uint64_t since;
	long sleeps;
};

/*
 * One and the same sleep for 10 ms: not a lock that is held for a moment. Who
 * is not asleep in what the test means after that would need a holder of such
 * a lock which is off the CPU for as long.
 */
static bool asleep_step(int tid, struct sleep_watch *w)
{
	char state = task_state(tid);
	long sleeps = count_sleeps(tid);

	if ((state != 'S' && state != 'D') || sleeps != w->sleeps || !w->since)
		w->since = now_ns();
	w->sleeps = sleeps;
	return now_ns() - w->since > 10000000;
}

void wait_asleep_tid(int tid)
{
	struct sleep_watch w = { 0, -1 };

	wait_for(asleep_step(tid, &w));
}

bool thread_asleep(struct thread *t)
{
	struct sleep_watch w = { 0, -1 };
	int tid = atomic_load(&t->tid);

	wait_for(thread_done(t) || asleep_step(tid, &w));
	return !thread_done(t);
}

static void print_proc(int pid, const char *tid, const char *file)
{
	char path[320], buf[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid, tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	printf(" %s=%s", file, buf);
}

void dump_threads(int pid)
{
	char path[64];
	struct dirent *de;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		printf("thread %s: state=%c", de->d_name,
		       state_of(pid, atoi(de->d_name)) ?: '?');
		print_proc(pid, de->d_name, "comm");
		print_proc(pid, de->d_name, "wchan");
		print_proc(pid, de->d_name, "syscall");
		printf("\n");
	}
	if (dir)
		closedir(dir);
	fflush(stdout);
}

int count_threads(void)
{
	char path[300], comm[16];
	struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	FILE *f;
	int n = 0;

	ASSERT(dir);
	while ((de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = de->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		n += fgets(comm, sizeof(comm), f) && !strncmp(comm, "cmwq", 4);
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* --- processors --- */

static cpu_set_t allowed;
static int allowed_count;

/* Taken before a test narrows its own. */
__attribute__((constructor)) static void read_allowed(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		CPU_ZERO(&allowed);
		CPU_SET(0, &allowed);
	}
	allowed_count = CPU_COUNT(&allowed);
}

int nr_allowed(void)
{
	return allowed_count;
}

int nth_cpu(int n)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && n-- == 0)
			return cpu;
	return -1;
}

int nr_possible(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	char buf[128];
	char *p;
	int n = 0;

	if (f && fgets(buf, sizeof(buf), f)) {
		p = strrchr(buf, '-') ?: strrchr(buf, ',');
		n = atoi(p ? p + 1 : buf) + 1;
	}
	if (f)
		fclose(f);
	return n > 0 ? n : (int)sysconf(_SC_NPROCESSORS_CONF);
}

/* How many numbers a list like "0-3,8" has. */
static int count_list(const char *list)
{
	int n = 0, from, to, len;

	while (sscanf(list, "%d%n", &from, &len) == 1) {
		list += len;
		to = from;
		if (sscanf(list, "-%d%n", &to, &len) == 1)
			list += len;
		n += to - from + 1;
		list += *list == ',';
	}
	return n;
}

int nr_nodes(void)
{
	const char *pretended = getenv("CMWQ_TOPOLOGY");
	char list[256] = "";
	int n = 0;
	FILE *f;

	if (pretended) {
		pretended = strstr(pretended, "numa:");
		return pretended ? atoi(pretended + 5) : 1;
	}
	f = fopen("/sys/devices/system/node/has_cpu", "re");
	if (f && fgets(list, sizeof(list), f))
		n = count_list(list);
	if (f)
		fclose(f);
	return n > 0 ? n : 1;
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		skip("cannot pin a thread to CPU %d", cpu);
}

void need_cpus(int n)
{
	if (allowed_count < n)
		skip("needs %d CPUs", n);
}

/* --- items --- */

static _Atomic int start_order;

void item_func(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);
	int run, value;

	if (atomic_fetch_add(&it->running, 1))
		atomic_fetch_add(&it->overlaps, 1);
	/* Whoever waits for the start may read these. */
	atomic_store(&it->at, now_ns());
	atomic_store(&it->order, atomic_fetch_add(&start_order, 1) + 1);
	atomic_store(&it->cpu, sched_getcpu());
	atomic_store(&it->tid, self_tid());
	run = atomic_fetch_add(&it->started, 1) + 1;
	if (it->hook)
		it->hook(it);
	while ((value = atomic_load(&it->allowed)) < run)
		if (!it->spin)
			futex_wait(&it->allowed, value);
	if (it->tail)
		it->tail(it);
	atomic_fetch_sub(&it->running, 1);
	atomic_fetch_add(&it->finished, 1);
}

void item_init(struct item *it)
{
	memset(it, 0, sizeof(*it));
	INIT_DELAYED_WORK(&it->dwork, item_func);
	atomic_store(&it->allowed, INT_MAX);
	atomic_store(&it->cpu, -1);
}

void item_init_held(struct item *it)
{
	item_init(it);
	atomic_store(&it->allowed, 0);
}

void item_allow(struct item *it, int runs)
{
	atomic_store(&it->allowed, runs);
	futex_wake(&it->allowed);
}

void item_release(struct item *it)
{
	item_allow(it, INT_MAX);
}

int items_started(struct item *it, int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += item_started(&it[i]) != 0;
	return sum;
}

int items_finished(struct item *it, int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += item_runs(&it[i]) != 0;
	return sum;
}

void span_nodes(struct workqueue_struct *wq)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	ASSERT(attrs);
	attrs->affn_scope = WQ_AFFN_SYSTEM;
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	free_workqueue_attrs(attrs);
}

void burn_us(unsigned int us)
{
	struct timespec ts;
	uint64_t t, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	end = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec +
	      us * 1000ULL;
	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
		t = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	} while (t < end);
}

void check_library_works(void)
{
	struct workqueue_struct *wq[4];
	struct item it;
	int i;

	wq[0] = alloc_workqueue("check_percpu", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("check_unbound", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("check_ordered", 0);
	wq[3] = alloc_workqueue("check_bh", WQ_BH, 0);
	for (i = 0; i < 4; i++) {
		ASSERT(wq[i]);
		item_init(&it);
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it), 1);
		EXPECT(queue_delayed_work(wq[i], &it.dwork, 1));
		wait_for(item_runs(&it) == 2);
		destroy_workqueue(wq[i]);
	}
}
