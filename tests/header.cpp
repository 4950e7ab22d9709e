/* SPDX-License-Identifier: MIT */
/*
 * header.cpp - a public header by itself, as strict C++17 and as C.
 * tests/headers.sh compiles this with -DHEADER for each of them, then with
 * -DUSE, where the macros are expanded too.
 */
#ifdef PARAM_FIRST
#include <sys/param.h>
#endif

#ifdef HEADER
#include HEADER
typedef int not_empty; /* where the header declares nothing */
#endif

#ifdef USE
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>
#include <cmwq/jiffies.h>
#include <cmwq/workqueue.h>

#ifdef OWN_CPUMASK
/* A program with cpumasks of its own, nothing like ours. */
typedef struct cpumask {
	unsigned char cpu[4];
} cpumask_var_t[1];
#define NR_CPUS 4
static const int nr_cpu_ids = 4;
static void cpumask_set_cpu(int cpu, struct cpumask *mask)
{
	mask->cpu[cpu] = 1;
}
static unsigned int cpus(void)
{
	cpumask_var_t mask;

	cpumask_set_cpu(nr_cpu_ids - 1, mask);
	return mask[0].cpu[NR_CPUS - 1];
}
#else
static unsigned int cpus(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct cpumask all;
	cpumask_var_t mask;
	unsigned int cpu, n = 0;
	int signed_cpu;

	cpumask_setall(&all);
	attrs->affn_scope = WQ_AFFN_CACHE;
	if (!zalloc_cpumask_var(&mask, 0))
		return 0;
	for_each_cpu (cpu, &all)
		n += cpumask_test_cpu(1, mask);
	for_each_cpu_and (signed_cpu, attrs->cpumask, cpu_online_mask)
		n++;
	for_each_possible_cpu(cpu) n += cpumask_equal(mask, cpumask_of(cpu));
	cpulist_parse("0-3", attrs->cpumask);
	free_cpumask_var(mask);
	free_workqueue_attrs(attrs);
	return n + cpumask_any_and(&all, cpu_possible_mask) + nr_cpu_ids;
}
#endif

struct job {
	int number;
	struct work_struct work;
	struct delayed_work dwork;
};

static void func(struct work_struct *work)
{
	struct job *job = from_work(job, work, work);

	job->number++;
	schedule_delayed_work(&job->dwork, msecs_to_jiffies(10));
}

static DECLARE_WORK(work, func);
static DECLARE_DELAYED_WORK(dwork, func);

int main(void)
{
	struct workqueue_struct *wq = alloc_workqueue("a", WQ_UNBOUND, 0);
	struct workqueue_struct *wq2 = alloc_workqueue("b%d", WQ_PERCPU, 0, 1);
	struct workqueue_struct *ordered = alloc_ordered_workqueue("o", 0);
	struct workqueue_struct *single = create_singlethread_workqueue("s");
	struct job job;

	INIT_WORK(&job.work, func);
	INIT_DELAYED_WORK(&job.dwork, func);
	queue_work(wq ? wq : system_wq, &job.work);
	queue_work(wq2, &work);
	queue_delayed_work(ordered, &dwork, HZ);
	cancel_delayed_work_sync(to_delayed_work(&dwork.work));
	destroy_workqueue(single);
	return delayed_work_pending(&dwork) || cpus() ||
	       time_after(jiffies, 1UL);
}
#endif
