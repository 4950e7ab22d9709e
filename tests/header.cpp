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
#endif

#ifdef USE
#include <cmwq/cmwq.h>
#include <cmwq/jiffies.h>
#include <cmwq/workqueue.h>

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
	return delayed_work_pending(&dwork) || time_after(jiffies, 1UL);
}
#endif
