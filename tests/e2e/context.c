/* SPDX-License-Identifier: MIT */
/*
 * context.c - what a work function finds around itself: errno, signals, stack,
 * the name of its thread, current_work().
 */
#include "harness.h"

#include <signal.h>
#include <sys/prctl.h>

static void errno_hook(struct item *it)
{
	(void)it;
	EXPECT_EQ(errno, 0);
	errno = EBADF;
}

TEST(errno_is_zero)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("errno", 0);
	static struct item it[50];
	int i;

	for (i = 0; i < 50; i++) {
		item_init(&it[i]);
		it[i].hook = errno_hook;
		errno = ENOTTY;
		EXPECT(queue_work(wq, &it[i].work));
	}
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, 50), 50);
	destroy_workqueue(wq);
}

static bool fault_signal(int sig)
{
	return sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE ||
	       sig == SIGILL || sig == SIGTRAP || sig == SIGSYS;
}

/* Faults may stay unblocked, so that a program's handler for them works. */
static void mask_hook(struct item *it)
{
	sigset_t set;
	int sig;

	(void)it;
	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, NULL, &set), 0);
	for (sig = 1; sig <= SIGRTMAX; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP || fault_signal(sig) ||
		    (sig >= 32 && sig < SIGRTMIN))
			continue;
		if (!sigismember(&set, sig))
			printf("signal %d\n", sig);
		EXPECT(sigismember(&set, sig));
	}
}

TEST(signals_blocked)
{
	struct workqueue_struct *wq[3];
	struct item it;
	sigset_t before, after;
	int i, sig;

	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, NULL, &before), 0);
	wq[0] = alloc_workqueue("sig", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("sig", WQ_UNBOUND, 0);
	wq[2] = alloc_workqueue("sig", WQ_PERCPU | WQ_HIGHPRI, 0);
	for (i = 0; i < 3; i++) {
		item_init(&it);
		it.hook = mask_hook;
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it), 1);
		destroy_workqueue(wq[i]);
	}
	/* The caller's own mask is as it was. */
	EXPECT_EQ(pthread_sigmask(SIG_SETMASK, NULL, &after), 0);
	for (sig = 1; sig < SIGRTMAX; sig++)
		EXPECT_EQ(sigismember(&before, sig), sigismember(&after, sig));
}

static _Atomic int handled_by;
static _Atomic int handled;

static void handler(int sig)
{
	(void)sig;
	atomic_store(&handled_by, self_tid());
	atomic_fetch_add(&handled, 1);
}

/* Signals to the process go to the program's thread, whoever is asleep. */
TEST(handlers_undisturbed)
{
	struct sigaction sa = { .sa_handler = handler }, now;
	struct workqueue_struct *wq = alloc_workqueue("sig", WQ_UNBOUND, 0);
	struct item it[8];
	int i;

	EXPECT_EQ(sigaction(SIGUSR1, &sa, NULL), 0);
	for (i = 0; i < 8; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(items_started(it, 1) == 1);
	for (i = 0; i < 100; i++) {
		atomic_store(&handled_by, 0);
		EXPECT_EQ(kill(getpid(), SIGUSR1), 0);
		wait_for(atomic_load(&handled) == i + 1);
		EXPECT_EQ(handled_by, self_tid());
	}
	EXPECT_EQ(sigaction(SIGUSR1, NULL, &now), 0);
	EXPECT(now.sa_handler == handler);
	for (i = 0; i < 8; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

/* cmwq/<what>:<number><end> */
static void check_comm(const char *what, const char *end)
{
	char comm[32] = "", want[32];
	char *p = comm;
	size_t n;

	EXPECT_EQ(prctl(PR_GET_NAME, comm), 0);
	n = (size_t)snprintf(want, sizeof(want), "cmwq/%s", what);
	if (strncmp(comm, want, n))
		goto bad;
	strtoul(p + n, &p, 10);
	if (!strcmp(what, "u")) {
		if (*p != ':')
			goto bad;
		strtoul(p + 1, &p, 10);
	}
	if (p[-1] >= '0' && p[-1] <= '9' && !strcmp(p, end))
		return;
bad:
	printf("named %s, wanted cmwq/%sN%s\n", comm, what, end);
	EXPECT(!"name");
}

static void comm_hook(struct item *it)
{
	char what[16];

	snprintf(what, sizeof(what), "%d:", sched_getcpu());
	if (it->arg == 0)
		check_comm(what, "");
	else if (it->arg == 1)
		check_comm(what, "H");
	else
		check_comm("u", it->arg == 2 ? "" : "H");
}

TEST(thread_names)
{
	static const unsigned int flags[] = {
		WQ_PERCPU,
		WQ_PERCPU | WQ_HIGHPRI,
		WQ_UNBOUND,
		WQ_UNBOUND | WQ_HIGHPRI,
	};
	struct workqueue_struct *wq;
	char comm[32] = "";
	struct item it;
	int i;

	for (i = 0; i < 4; i++) {
		wq = alloc_workqueue("names", flags[i], 0);
		item_init(&it);
		it.hook = comm_hook;
		it.arg = i;
		EXPECT(queue_work(wq, &it.work));
		flush_workqueue(wq);
		EXPECT_EQ(item_runs(&it), 1);
		destroy_workqueue(wq);
	}
	EXPECT_EQ(prctl(PR_GET_NAME, comm), 0);
	EXPECT(strncmp(comm, "cmwq/", 5));
}

/* Sanitizers put data of their own on a thread's stack. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define STACK_SHARE 16
#else
#define STACK_SHARE 2
#endif

static void use_stack(size_t bytes)
{
	volatile char area[4096];

	area[0] = area[sizeof(area) - 1] = 1;
	if (bytes > 2 * sizeof(area))
		use_stack(bytes - sizeof(area));
	area[1] = area[0];
}

static void stack_hook(struct item *it)
{
	pthread_attr_t attr;
	size_t size = 0;

	EXPECT_EQ(pthread_getattr_np(pthread_self(), &attr), 0);
	EXPECT_EQ(pthread_attr_getstacksize(&attr, &size), 0);
	EXPECT_OP(size, >=, it->arg * 1024);
	EXPECT_OP(size, <, it->arg * 1024 * 2);
	pthread_attr_destroy(&attr);
	use_stack((size_t)it->arg * 1024 / STACK_SHARE);
}

static void check_stack(long kib)
{
	struct item it;

	EXPECT(param_on("cmwq.stack_kib"));
	item_init(&it);
	it.hook = stack_hook;
	it.arg = kib;
	EXPECT(queue_work(system_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	EXPECT(queue_work(system_dfl_wq, &it.work));
	wait_for(item_runs(&it) == 2);
}

TEST(stack_default)
{
	check_stack(1024);
}

TEST(stack_by_parameter, .params = "cmwq.stack_kib=4096")
{
	check_stack(4096);
}

static void current_hook(struct item *it)
{
	EXPECT(current_work() == &it->work);
	set_worker_desc("item %ld with %s", it->arg,
			"a text that is much longer than what is kept of it");
	EXPECT(current_work() == &it->work);
}

TEST(current_and_desc)
{
	struct workqueue_struct *wq = alloc_workqueue("current", WQ_UNBOUND, 0);
	struct item it[20];
	int i;

	EXPECT(!current_work());
	set_worker_desc("nobody %d", 1);
	for (i = 0; i < 20; i++) {
		item_init(&it[i]);
		it[i].hook = current_hook;
		it[i].arg = i;
		EXPECT(queue_work(i % 2 ? wq : system_wq, &it[i].work));
	}
	flush_workqueue(wq);
	wait_for(items_finished(it, 20) == 20);
	EXPECT(!current_work());
	destroy_workqueue(wq);
}

/* Linking is free: the first threads come with the first item. */
TEST(no_threads_before_use)
{
	EXPECT_EQ(count_threads(), 0);
	EXPECT(system_wq);
	check_library_works();
	wait_for(count_threads() > 0);
}

TEST(init_stages)
{
	struct item it;
	int i;

	for (i = 0; i < 2; i++) {
		workqueue_init_early();
		workqueue_init();
		workqueue_init_topology();
	}
	wait_for(count_threads() > 0);
	item_init(&it);
	EXPECT(queue_work(system_wq, &it.work));
	wait_for(item_runs(&it));
	check_library_works();
}

TEST(param_results)
{
	long value = -1;

	EXPECT_EQ(cmwq_param_get("cmwq.idle_ratio", &value), 0);
	EXPECT_EQ(value, 4);
	EXPECT_EQ(cmwq_param_set("cmwq.idle_ratio", 7), 0);
	EXPECT_EQ(cmwq_param_get("cmwq.idle_ratio", &value), 0);
	EXPECT_EQ(value, 7);
	EXPECT_EQ(cmwq_param_get("workqueue.cpu_intensive_thresh_us", &value),
		  0);
	EXPECT_EQ(value, 10000);
	EXPECT_EQ(cmwq_param_get("cmwq.nosuch", &value), -ENOENT);
	EXPECT_EQ(cmwq_param_set("cmwq.nosuch", 1), -ENOENT);
	EXPECT_EQ(cmwq_param_set("cmwq.stack_kib", -1), -ERANGE);
	EXPECT_EQ(cmwq_param_get("cmwq.stack_kib", &value), 0);
	EXPECT_EQ(value, 1024);
	log_ignore("cmwq.");
}
