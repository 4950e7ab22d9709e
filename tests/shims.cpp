/* SPDX-License-Identifier: MIT */
/*
 * shims.cpp - the public headers in a program that has shims of kernel names, as
 * strict C++17 and as C. tests/headers.sh compiles it with the shims BEFORE the
 * headers, as they are; then, with all that can be switched off (SWITCHED) and
 * more shims, BEFORE and after them. The program's names must stay the program's,
 * and ours must work.
 */
#include <stddef.h>
#ifdef PARAM_FIRST
#include <sys/param.h>
#endif
#ifdef SWITCHED
#define CMWQ_NO_CONTAINER_OF
#define CMWQ_NO_CPUMASK
#define CMWQ_NO_JIFFIES
#endif
#ifdef BEFORE
#include "shims.h"
#endif
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>
#include <cmwq/jiffies.h>
#include <cmwq/workqueue.h>
#ifndef BEFORE
#include "shims.h"
#endif

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

static_assert(sizeof(struct work_struct) == 32, "as in the kernel");
static_assert(sizeof(struct delayed_work) <= 88, "as in the kernel");

static_assert(HZ == 250, "HZ");
static_assert(NR_CPUS == 4, "NR_CPUS");
static_assert(jiffies == 4321, "jiffies");
static_assert(MAX_JIFFY_OFFSET == 99, "MAX_JIFFY_OFFSET");
static_assert(msecs_to_jiffies(100) == 25, "msecs_to_jiffies");
static_assert(usecs_to_jiffies(8000) == 2, "usecs_to_jiffies");
static_assert(nsecs_to_jiffies(8000000) == 2, "nsecs_to_jiffies");
static_assert(jiffies_to_msecs(3) == 12, "jiffies_to_msecs");
static_assert(jiffies_to_usecs(3) == 12000, "jiffies_to_usecs");
static_assert(jiffies_to_nsecs(3) == 12000000, "jiffies_to_nsecs");
static_assert(jiffies_delta_to_msecs(3) == 12, "jiffies_delta_to_msecs");
static_assert(time_before(1, 2) && !time_before(1, 3), "time_before");
static_assert(sizeof(time_after_eq(1, 2)) == 6, "time_after_eq");
static_assert(sizeof(time_before_eq(1, 2)) == 7, "time_before_eq");
static_assert(time_in_range(1, 2, 3) == 'r', "time_in_range");
static_assert(time_in_range_open(1, 2, 3) == 'o', "time_in_range_open");
static_assert(time_is_before_jiffies(1) == 11, "time_is_before_jiffies");
static_assert(time_is_after_jiffies(1) == 12, "time_is_after_jiffies");
static_assert(time_is_before_eq_jiffies(1) == 13, "time_is_before_eq_jiffies");
static_assert(time_is_after_eq_jiffies(1) == 14, "time_is_after_eq_jiffies");

struct job {
	struct list_head list;
	struct timer_list timer;
	struct rcu_head rcu;
	struct hlist_node hash;
	struct work_struct work;
	struct delayed_work dwork;
};

static void func(struct work_struct *work)
{
	struct job *job = from_work(job, work, work);

	job->list.next_index++;
	job->timer.due += 0.5;
	queue_delayed_work(system_wq, &job->dwork, secs_to_jiffies(1));
	schedule_delayed_work(&job->dwork, msecs_to_jiffies(100));
}

static DECLARE_WORK(work, func);
static DECLARE_DELAYED_WORK(dwork, func);

#ifdef SWITCHED
static int cpus(void)
{
	cpumask_var_t mask = { { { 0 } } };
	int cpu, n = 0;

	for_each_online_cpu(cpu) n++;
	cpumask_set_cpu(nr_cpu_ids - 1, mask);
	return n + cpumask_weight(mask) + cpumask_weight(cpu_online_mask);
}
#else
static int cpus(void)
{
	static_assert(CMWQ_NR_CPUS == 8192, "whatever NR_CPUS is");
	return (int)cpumask_weight(cpu_online_mask);
}
#endif

int main(void)
{
	struct device dev = { 1 };
	struct lockdep_map map = { 2 };
	struct job job;
	unsigned int n = sizeof(job.rcu.name) + sizeof(job.hash.letter);

	INIT_WORK(&job.work, func);
	INIT_DELAYED_WORK(&job.dwork, func);
	queue_work(devm_alloc_workqueue(&dev, "owned", WQ_PERCPU, 0),
		   &job.work);
	queue_work(alloc_workqueue_lockdep_map("mapped", WQ_PERCPU, 0, &map),
		   &job.work);
	schedule_work(&work);
	cancel_delayed_work_sync(to_delayed_work(&dwork.work));
	return likely(READ_ONCE(n) == 4) && dev.id < map.key && cpus() &&
	       time_after(2, 1) &&
	       container_of(&job.work, struct job, work) != &job &&
	       secs_to_jiffies(2) == 500 && cmwq_jiffies() != jiffies;
}
