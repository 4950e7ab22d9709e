/* SPDX-License-Identifier: MIT */
/*
 * priority.c - WQ_HIGHPRI: workers of their own, as nice as is permitted; the slices of
 * workers; and WQ_POWER_EFFICIENT, which is about where items run.
 */
#include "harness.h"

#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmwq/cpumask.h>

#define MIXED 64

static int nice_of(int tid)
{
	return getpriority(PRIO_PROCESS, (id_t)tid);
}

/* May a thread of ours have this nice value? */
static bool permitted(int nice)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(setpriority(PRIO_PROCESS, 0, nice) != 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

static void run_held(struct item *it, struct workqueue_struct *wq)
{
	item_init_held(it);
	EXPECT(queue_work(wq, &it->work));
	wait_for(item_started(it));
}

static void end(struct item *it)
{
	item_release(it);
	flush_work(&it->work);
}

/* Of a worker that runs an item of the workqueue. */
static int worker_nice(struct workqueue_struct *wq)
{
	struct item it;
	int nice;

	run_held(&it, wq);
	nice = nice_of(it.tid);
	end(&it);
	return nice;
}

static void check_nice(int nice, int high_nice)
{
	struct workqueue_struct *wq =
		alloc_workqueue("high", WQ_UNBOUND | WQ_HIGHPRI, 0);

	EXPECT_EQ(worker_nice(system_wq), nice);
	EXPECT_EQ(worker_nice(system_unbound_wq), nice);
	EXPECT_EQ(worker_nice(system_highpri_wq), high_nice);
	EXPECT_EQ(worker_nice(wq), high_nice);
	destroy_workqueue(wq);
}

TEST(highpri)
{
	if (!permitted(-20))
		skip("nice -20 is not permitted");
	check_nice(0, -20);
	EXPECT(!log_has("nice"));
}

/* Nobody who starts a program with nice wants its workers to be the exception. */
TEST(started_with_nice, .nice = 7)
{
	struct workqueue_struct *wq = alloc_workqueue("mild", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	ASSERT(attrs);
	attrs->nice = 5;
	EXPECT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	EXPECT_EQ(worker_nice(wq), 12);
	attrs->nice = 15;
	EXPECT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	EXPECT_EQ(worker_nice(wq), 19);
	destroy_workqueue(wq);
	free_workqueue_attrs(attrs);
	if (!permitted(-13))
		skip("nice -13 is not permitted");
	check_nice(7, -13);
	EXPECT(!log_has("nice"));
}

static void drop_cap_sys_nice(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	ASSERT(!syscall(SYS_capget, &header, data));
	data[CAP_SYS_NICE / 32].effective &= ~(1U << CAP_SYS_NICE % 32);
	data[CAP_SYS_NICE / 32].permitted &= ~(1U << CAP_SYS_NICE % 32);
	ASSERT(!syscall(SYS_capset, &header, data));
}

/* Let nice values down to 20 - @limit be permitted, and what we have. */
static void limit_nice(rlim_t limit)
{
	struct rlimit lim = { limit, limit };

	if (setrlimit(RLIMIT_NICE, &lim))
		skip("RLIMIT_NICE cannot be raised");
	drop_cap_sys_nice();
	EXPECT(!permitted(-20));
}

/* The best that is permitted, which is said once. */
TEST(highpri_as_far_as_permitted)
{
	limit_nice(25);
	check_nice(0, -5);
	EXPECT_EQ(log_count("nice -20 was refused"), 1);
}

/* Then they are what the program is. */
TEST(highpri_without_privilege)
{
	limit_nice(0);
	check_nice(0, 0);
	EXPECT_EQ(log_count("was refused"), 1);
}

/* Workers cannot be what they should be, but come as near as they may. */
TEST(nice_program_as_far_as_permitted)
{
	limit_nice(17);
	ASSERT(!setpriority(PRIO_PROCESS, 0, 15));
	check_nice(3, 3);
	EXPECT_EQ(log_count("was refused"), 1);
}

/* The same if it was so from the start, of which nothing need be said. */
TEST(started_with_nice_without_privilege, .nice = 7)
{
	struct workqueue_struct *wq = alloc_workqueue("mild", WQ_UNBOUND, 0);

	limit_nice(0);
	EXPECT_EQ(worker_nice(system_wq), 7);
	EXPECT_EQ(worker_nice(wq), 7);
	EXPECT_EQ(log_count("was refused"), 0);
	destroy_workqueue(wq);
}

TEST(nice_program_without_privilege)
{
	limit_nice(0);
	ASSERT(!setpriority(PRIO_PROCESS, 0, 15));
	check_nice(15, 15);
	EXPECT_EQ(log_count("was refused"), 1);
}

/* --- slices --- */

/* The kernel's struct sched_attr, as of its first version. */
struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* In ns; 0 where the system does not tell. */
static uint64_t slice_of(int tid)
{
	struct attr attr = { .size = sizeof(attr) };

	if (syscall(SYS_sched_getattr, tid, &attr, sizeof(attr), 0))
		return 0;
	return attr.runtime;
}

static void check_slice(struct workqueue_struct *wq, uint64_t own)
{
	struct item it;

	run_held(&it, wq);
	EXPECT_OP(slice_of(it.tid), >, own);
	EXPECT_OP(slice_of(it.tid), <, 2 * own);
	end(&it);
}

/* Whom an item wakes goes on before its worker: what is queued then needs no wakeup. */
TEST(workers_have_longer_slices)
{
	uint64_t own = slice_of(0);

	if (!own)
		skip("the system does not tell slices");
	check_slice(system_wq, own);
	check_slice(system_unbound_wq, own);
	EXPECT_EQ(slice_of(0), own);
}

/* --- nobody's worker runs an item of the other kind --- */

static bool is_highpri_worker(int tid)
{
	char comm[64];

	wq_worker_comm(comm, sizeof(comm), tid);
	comm[strcspn(comm, "+-")] = '\0';
	return comm[strlen(comm) - 1] == 'H';
}

static _Atomic int misplaced;

static void check_own(struct item *it)
{
	if (is_highpri_worker(self_tid()) != it->arg)
		atomic_fetch_add(&misplaced, 1);
	if (it->order % 3 == 0)
		usleep(100);
}

TEST(highpri_workers_are_apart)
{
	static struct item it[MIXED];
	struct workqueue_struct *wq[4] = {
		alloc_workqueue("normal", WQ_PERCPU, 0),
		alloc_workqueue("high", WQ_PERCPU | WQ_HIGHPRI, 0),
		alloc_workqueue("wide", WQ_UNBOUND, 0),
		alloc_workqueue("high_wide", WQ_UNBOUND | WQ_HIGHPRI, 0),
	};
	int i, round;

	log_ignore("nice -20 was refused");
	for (i = 0; i < MIXED; i++) {
		item_init(&it[i]);
		it[i].hook = check_own;
		it[i].arg = i % 2;
	}
	for (round = 0; round < 20; round++) {
		for (i = 0; i < MIXED; i++)
			queue_work(wq[i % 4], &it[i].work);
		for (i = 0; i < 4; i++)
			flush_workqueue(wq[i]);
	}
	EXPECT_EQ(items_finished(it, MIXED), MIXED);
	EXPECT_EQ(misplaced, 0);
	for (i = 0; i < 4; i++)
		destroy_workqueue(wq[i]);
}

/* --- WQ_POWER_EFFICIENT --- */

static bool is_unbound_worker(int tid)
{
	char comm[64];

	wq_worker_comm(comm, sizeof(comm), tid);
	return !strncmp(comm, "cmwq/u", 6);
}

static void check_bound(struct workqueue_struct *wq, bool unbound)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item it;

	run_held(&it, wq);
	EXPECT_EQ(is_unbound_worker(it.tid), unbound);
	end(&it);
	EXPECT_EQ(apply_workqueue_attrs(wq, attrs), unbound ? 0 : -EINVAL);
	EXPECT_EQ(log_has("the workqueue is per-CPU"), !unbound);
	log_clear();
	free_workqueue_attrs(attrs);
}

static void check_power(bool unbound)
{
	struct workqueue_struct *wq =
		alloc_workqueue("saving", WQ_PERCPU | WQ_POWER_EFFICIENT, 0);
	struct workqueue_struct *fast = alloc_workqueue("fast", WQ_PERCPU, 0);

	check_bound(system_power_efficient_wq, unbound);
	check_bound(system_freezable_power_efficient_wq, unbound);
	check_bound(wq, unbound);
	check_bound(fast, false);
	check_bound(system_wq, false);
	destroy_workqueue(wq);
	destroy_workqueue(fast);
}

TEST(power_efficient_off)
{
	check_power(false);
}

TEST(power_efficient_on, .params = "workqueue.power_efficient=1")
{
	check_power(true);
}

/* Only workqueues allocated afterwards are what the parameter says. */
TEST(power_efficient_later)
{
	struct workqueue_struct *before =
		alloc_workqueue("before", WQ_PERCPU | WQ_POWER_EFFICIENT, 0);
	struct workqueue_struct *after;

	set_param("workqueue.power_efficient", 1);
	after = alloc_workqueue("after", WQ_PERCPU | WQ_POWER_EFFICIENT, 0);
	check_bound(before, false);
	check_bound(after, true);
	destroy_workqueue(before);
	destroy_workqueue(after);
}

TEST(power_efficient_freezes, .params = "workqueue.power_efficient=1")
{
	struct item it;

	item_init(&it);
	freeze_workqueues_begin();
	EXPECT(queue_work(system_freezable_power_efficient_wq, &it.work));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	thaw_workqueues();
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
}
