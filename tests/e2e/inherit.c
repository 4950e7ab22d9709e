/* SPDX-License-Identifier: MIT */
/*
 * inherit.c - library threads are the same whoever makes the library make them.
 *
 * The first queueing, which creates the workers, comes from a thread that is
 * nice, real-time, pinned, has a timer slack, or blocks no signal. Workers are
 * SCHED_OTHER with nice 0 (a high priority pool's: not above it) where that is
 * permitted, are allowed on the pool's CPUs (bound: its own; unbound: all that
 * the process may use), have the default timer slack and block every signal. So does
 * a BH thread, but for its priority, and the slack that comes with that.
 *
 * timeout: 120
 */
#include "harness.h"

#include <dirent.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#define DEFAULT_SLACK 50000

/* What an item finds about the thread it runs in. */
struct probe {
	struct work_struct work;
	_Atomic bool done;
	int policy, nice, slack, cpus, cpu, cpu_now;
	sigset_t mask;
};

static void probe_func(struct work_struct *work)
{
	struct probe *p = from_work(p, work, work);
	cpu_set_t set;

	p->policy = sched_getscheduler(0);
	p->nice = getpriority(PRIO_PROCESS, (id_t)self_tid());
	p->slack = prctl(PR_GET_TIMERSLACK);
	CPU_ZERO(&set);
	sched_getaffinity(0, sizeof(set), &set);
	p->cpus = CPU_COUNT(&set);
	for (p->cpu = 0; !CPU_ISSET(p->cpu, &set); p->cpu++)
		;
	p->cpu_now = sched_getcpu();
	pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
	atomic_store(&p->done, true);
}

static void run_probe(struct probe *p, struct workqueue_struct *wq, int cpu)
{
	memset(p, 0, sizeof(*p));
	INIT_WORK(&p->work, probe_func);
	ASSERT(cpu < 0 ? queue_work(wq, &p->work)
		       : queue_work_on(cpu, wq, &p->work));
	wait_for(atomic_load(&p->done));
	flush_work(&p->work);
}

static bool never_blocked(int sig)
{
	/* Two are the C library's own. */
	return sig == SIGKILL || sig == SIGSTOP || sig == 32 || sig == 33;
}

static void check_mask(sigset_t *mask)
{
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		if (!never_blocked(sig) && !sigismember(mask, sig))
			EXPECT_EQ(sig, 0); /* is not blocked */
}

static void check_probe(struct probe *p, bool highpri)
{
	EXPECT_EQ(p->policy, SCHED_OTHER);
	if (highpri)
		EXPECT_OP(p->nice, <=, 0);
	else
		EXPECT_EQ(p->nice, 0);
	EXPECT_EQ(p->slack, DEFAULT_SLACK);
	check_mask(&p->mask);
}

/* Every kind of pool, each for the first time. */
static void check_pools(void)
{
	struct probe p;
	int i;

	for (i = 0; i < nr_allowed(); i++) {
		run_probe(&p, system_percpu_wq, nth_cpu(i));
		check_probe(&p, false);
		EXPECT_EQ(p.cpus, 1);
		EXPECT_EQ(p.cpu, nth_cpu(i));
		EXPECT_EQ(p.cpu_now, nth_cpu(i));
		run_probe(&p, system_highpri_wq, nth_cpu(i));
		check_probe(&p, true);
		EXPECT_EQ(p.cpus, 1);
		EXPECT_EQ(p.cpu, nth_cpu(i));
		run_probe(&p, system_bh_wq, nth_cpu(i));
		EXPECT_OP(p.nice, <=, 0);
		check_mask(&p.mask);
		EXPECT_EQ(p.cpus, 1);
		EXPECT_EQ(p.cpu, nth_cpu(i));
	}
	run_probe(&p, system_dfl_wq, -1);
	check_probe(&p, false);
	EXPECT_EQ(p.cpus, nr_allowed());
}

static bool is_worker(const char *comm)
{
	int pool, id, n = 0;

	return (sscanf(comm, "cmwq/%d:%d%n", &pool, &id, &n) == 2 ||
		sscanf(comm, "cmwq/u%d:%d%n", &pool, &id, &n) == 2) &&
	       n > 0;
}

static bool read_line(int tid, const char *file, const char *key, char *buf,
		      int size)
{
	char path[64];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, file);
	f = fopen(path, "re");
	while (f && !found && fgets(buf, size, f))
		found = !strncmp(buf, key, strlen(key));
	if (f)
		fclose(f);
	return found;
}

static void check_blocked(int tid)
{
	unsigned long long blocked;
	char buf[256];
	int sig;

	if (!read_line(tid, "status", "SigBlk:", buf, sizeof(buf)))
		return; /* has ended meanwhile */
	blocked = strtoull(buf + 7, NULL, 16);
	for (sig = 1; sig <= 64; sig++)
		if (!never_blocked(sig) && !(blocked >> (sig - 1) & 1))
			EXPECT_EQ(sig, 0); /* is not blocked */
}

/* Also the threads that run no items. */
static void check_threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *de;
	int workers = 0;

	ASSERT(dir);
	while ((de = readdir(dir))) {
		int tid = atoi(de->d_name), policy;
		char comm[64];

		if (!tid ||
		    !read_line(tid, "comm", "cmwq/", comm, sizeof(comm)))
			continue;
		check_blocked(tid);
		policy = sched_getscheduler(tid);
		if (is_worker(comm)) {
			workers++;
			EXPECT_EQ(policy, SCHED_OTHER);
		} else if (strncmp(comm, "cmwq/bh:", 8)) {
			/* A sentinel; or the timer thread. */
			EXPECT(policy == SCHED_IDLE || policy == SCHED_OTHER ||
			       policy < 0);
		}
	}
	closedir(dir);
	EXPECT_OP(workers, >, 0);
}

static void check_all(void)
{
	check_pools();
	check_threads();
}

static long try_nice_0(void *arg)
{
	(void)arg;
	return setpriority(PRIO_PROCESS, (id_t)self_tid(), 0);
}

TEST(plain)
{
	check_all();
}

TEST(nice_19)
{
	struct thread t;

	ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 19), 0);
	thread_start(&t, try_nice_0, NULL);
	if (thread_join(&t))
		skip("a thread may not become less nice");
	check_all();
	EXPECT_EQ(getpriority(PRIO_PROCESS, 0), 19);
}

/* Where niceness is kept, the library says so, and works. */
TEST(nice_19_for_ever)
{
	struct thread t;
	struct probe p;

	if (!getuid() &&
	    (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		skip("cannot become somebody else");
	prctl(PR_SET_DUMPABLE, 1);
	ASSERT_EQ(setpriority(PRIO_PROCESS, 0, 19), 0);
	thread_start(&t, try_nice_0, NULL);
	if (!thread_join(&t))
		skip("a thread may become less nice");
	run_probe(&p, system_percpu_wq, nth_cpu(0));
	EXPECT_EQ(p.policy, SCHED_OTHER);
	EXPECT_EQ(p.nice, 19);
	check_mask(&p.mask);
	EXPECT_EQ(log_count("nice 0"), 1);
	check_library_works();
	EXPECT_EQ(log_count("nice 0"), 1);
	EXPECT_EQ(log_count("BH threads"), 1);
}

static void set_policy(int policy, int priority)
{
	struct sched_param sp = { .sched_priority = priority };

	if (sched_setscheduler(0, policy, &sp))
		skip("policy %d is not permitted", policy);
}

TEST(sched_fifo)
{
	set_policy(SCHED_FIFO, 1);
	check_all();
	EXPECT_EQ(sched_getscheduler(0), SCHED_FIFO);
}

TEST(sched_rr)
{
	set_policy(SCHED_RR, 50);
	check_all();
	EXPECT_EQ(sched_getscheduler(0), SCHED_RR);
}

TEST(sched_batch)
{
	set_policy(SCHED_BATCH, 0);
	check_all();
	EXPECT_EQ(sched_getscheduler(0), SCHED_BATCH);
}

TEST(sched_idle)
{
	struct sched_param sp = { .sched_priority = 0 };

	set_policy(SCHED_IDLE, 0);
	if (sched_setscheduler(0, SCHED_OTHER, &sp))
		skip("SCHED_IDLE cannot be left");
	set_policy(SCHED_IDLE, 0);
	check_all();
	EXPECT_EQ(sched_getscheduler(0), SCHED_IDLE);
}

static long first_use_pinned(void *arg)
{
	pin_to((int)(long)arg);
	check_all();
	return 0;
}

TEST(pinned_thread)
{
	struct thread t;

	need_cpus(2);
	thread_start(&t, first_use_pinned, (void *)(long)nth_cpu(1));
	thread_join(&t);
}

TEST(pinned_main_thread)
{
	need_cpus(2);
	first_use_pinned((void *)(long)nth_cpu(1));
	EXPECT_EQ(sched_getcpu(), nth_cpu(1));
}

/* What the process was given as a whole does bind the library. */
TEST(one_cpu_only, .one_cpu = true)
{
	ASSERT_EQ(nr_allowed(), 1);
	check_all();
}

TEST(timer_slack)
{
	ASSERT_EQ(prctl(PR_SET_TIMERSLACK, 10000000UL), 0);
	check_all();
	EXPECT_EQ(prctl(PR_GET_TIMERSLACK), 10000000);
}

TEST(no_signal_blocked)
{
	sigset_t set;

	sigemptyset(&set);
	ASSERT_EQ(pthread_sigmask(SIG_SETMASK, &set, NULL), 0);
	check_all();
	pthread_sigmask(SIG_SETMASK, NULL, &set);
	EXPECT_EQ(sigismember(&set, SIGINT), 0);
}

TEST(all_at_once)
{
	ASSERT_EQ(prctl(PR_SET_TIMERSLACK, 10000000UL), 0);
	set_policy(SCHED_FIFO, 2);
	pin_to(nth_cpu(nr_allowed() - 1));
	workqueue_init();
	check_all();
}
