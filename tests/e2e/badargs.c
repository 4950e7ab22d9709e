/* SPDX-License-Identifier: MIT */
/* badargs.c - bad arguments: workqueues, items, CPUs and nodes, functions. */
#include "badargs.h"

/* --- workqueues --- */

static unsigned long zeroes[512], poison[512];

static struct bad_queue {
	const char *wrong;
	struct workqueue_struct *wq;
	const char *says;
} bad_queue[] = {
	{ "a NULL workqueue", NULL, "workqueue NULL" },
	{ "a destroyed workqueue", NULL, "workqueue gone" },
	{ "zeroes for a workqueue", (void *)zeroes, "is not one" },
	{ "poison for a workqueue", (void *)poison, "is not one" },
};

#define for_each_bad_queue(q)                 \
	for (struct bad_queue *q = bad_queue; \
	     q < bad_queue + sizeof(bad_queue) / sizeof(*q); q++)

static void make_bad_queues(void)
{
	begin();
	memset(poison, 0x6b, sizeof(poison));
	bad_queue[1].wq = alloc_workqueue("gone", WQ_UNBOUND, 0);
	destroy_workqueue(bad_queue[1].wq);
}

TEST(queue_on_bad_queues)
{
	static struct delayed_work d;
	static struct rcu_work r;
	struct work_struct *w = &d.work, *batch[2] = { &d.work, &good };

	make_bad_queues();
	INIT_DELAYED_WORK(&d, count_run);
	INIT_RCU_WORK(&r, count_run);
	for_each_bad_queue(q)
	{
		struct workqueue_struct *wq = q->wq;

		ROW(queue_work, q->wrong, !queue_work(wq, w), q->says);
		ROW(queue_work_on, q->wrong, !queue_work_on(0, wq, w), q->says);
		ROW(queue_work_node, q->wrong, !queue_work_node(0, wq, w),
		    q->says);
		ROW(queue_delayed_work, q->wrong,
		    !queue_delayed_work(wq, &d, 1), q->says);
		ROW(queue_delayed_work_on, q->wrong,
		    !queue_delayed_work_on(0, wq, &d, 1), q->says);
		ROW(mod_delayed_work, q->wrong, !mod_delayed_work(wq, &d, 1),
		    q->says);
		ROW(mod_delayed_work_on, q->wrong,
		    !mod_delayed_work_on(0, wq, &d, 0), q->says);
		ROW(cmwq_queue_delayed_work_ns, q->wrong,
		    !cmwq_queue_delayed_work_ns(wq, &d, 1), q->says);
		ROW(cmwq_mod_delayed_work_ns, q->wrong,
		    !cmwq_mod_delayed_work_ns(wq, &d, 0), q->says);
		ROW(queue_rcu_work, q->wrong, !queue_rcu_work(wq, &r), q->says);
		ROW(cmwq_queue_work_batch, q->wrong,
		    !cmwq_queue_work_batch(wq, batch, 2), q->says);
		EXPECT(!work_busy(w) && !work_busy(&r.work));
	}
}

TEST(ask_of_bad_queues)
{
	struct workqueue_attrs *attrs;
	struct cmwq_stats stats;

	make_bad_queues();
	attrs = alloc_workqueue_attrs();
	ASSERT(attrs);
	for_each_bad_queue(q)
	{
		struct workqueue_struct *wq = q->wq;

		ROW_VOID(flush_workqueue, q->wrong, flush_workqueue(wq),
			 q->says);
		ROW_VOID(drain_workqueue, q->wrong, drain_workqueue(wq),
			 q->says);
		ROW_VOID(destroy_workqueue, q->wrong, destroy_workqueue(wq),
			 q->says);
		ROW_VOID(workqueue_set_max_active, q->wrong,
			 workqueue_set_max_active(wq, 3), q->says);
		ROW_VOID(workqueue_set_min_active, q->wrong,
			 workqueue_set_min_active(wq, 3), q->says);
		ROW(workqueue_congested, q->wrong, !workqueue_congested(0, wq),
		    q->says);
		ROW(apply_workqueue_attrs, q->wrong,
		    apply_workqueue_attrs(wq, attrs) == -EINVAL, q->says);
		ROW(workqueue_sysfs_register, q->wrong,
		    workqueue_sysfs_register(wq) == -EINVAL, q->says);
		ROW_VOID(show_one_workqueue, q->wrong, show_one_workqueue(wq),
			 q->says);
		ROW(cmwq_get_stats, q->wrong, !cmwq_get_stats(wq, &stats),
		    q->says);
		ROW(cmwq_name, q->wrong, !strcmp(cmwq_name(wq), "?"), q->says);
	}
	free_workqueue_attrs(attrs);
}

/* --- items --- */

static struct bad_item {
	const char *wrong;
	int fill; /* or -1 */
	struct delayed_work *dwork;
	const char *says;
} bad_item[] = {
	{ "a NULL item", -1, NULL, "NULL" },
	{ "an item of zeroes", 0, NULL, "initialised" },
	{ "an item of 0x6b", 0x6b, NULL, "poisoned" },
	{ "an item of 0xff", 0xff, NULL, "poisoned" },
	{ "an item without function", -1, NULL, "work item" },
};

#define for_each_bad_item(i)                \
	for (struct bad_item *i = bad_item; \
	     i < bad_item + sizeof(bad_item) / sizeof(*i); i++)

/* Room for what a delayed or RCU item has behind the item. */
static struct {
	struct delayed_work dwork;
	long more[16];
} memory[5], before[5];

static void make_bad_items(void)
{
	begin();
	for (int i = 1; i < 5; i++) {
		bad_item[i].dwork = &memory[i].dwork;
		if (bad_item[i].fill >= 0)
			memset(&memory[i], bad_item[i].fill, sizeof(memory[i]));
		else
			INIT_DELAYED_WORK(&memory[i].dwork, NULL);
	}
	memcpy(before, memory, sizeof(before));
}

/* They are what they were. */
static void check_untouched(void)
{
	EXPECT(!memcmp(before, memory, sizeof(before)));
}

TEST(queue_bad_items)
{
	make_bad_items();
	for_each_bad_item(i)
	{
		struct delayed_work *d = i->dwork;
		struct work_struct *w = d ? &d->work : NULL;
		struct rcu_work *r = (struct rcu_work *)(void *)d;
		struct workqueue_struct *wq = system_wq;

		ROW(queue_work, i->wrong, !queue_work(wq, w), i->says);
		ROW(queue_work_on, i->wrong, !queue_work_on(0, wq, w), i->says);
		ROW(queue_work_node, i->wrong,
		    !queue_work_node(0, system_dfl_wq, w), i->says);
		ROW(queue_delayed_work, i->wrong, !queue_delayed_work(wq, d, 1),
		    i->says);
		ROW(queue_delayed_work_on, i->wrong,
		    !queue_delayed_work_on(0, wq, d, 0), i->says);
		ROW(mod_delayed_work, i->wrong, !mod_delayed_work(wq, d, 0),
		    i->says);
		ROW(mod_delayed_work_on, i->wrong,
		    !mod_delayed_work_on(0, wq, d, 1), i->says);
		ROW(cmwq_queue_delayed_work_ns, i->wrong,
		    !cmwq_queue_delayed_work_ns(wq, d, 1), i->says);
		ROW(cmwq_mod_delayed_work_ns, i->wrong,
		    !cmwq_mod_delayed_work_ns(wq, d, 1), i->says);
		ROW(queue_rcu_work, i->wrong, !queue_rcu_work(wq, r), i->says);
		check_untouched();
	}
}

static _Atomic int fine_runs;

static void count_fine(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&fine_runs, 1);
}

/* Queued, and run when this returns. */
static size_t run_batch(struct work_struct *const *batch, size_t n)
{
	size_t queued = cmwq_queue_work_batch(system_wq, batch, n);

	flush_workqueue(system_wq);
	return queued;
}

/* Those that are right are queued. */
TEST(batch_with_bad_items)
{
	static struct work_struct fine[2];
	struct work_struct *batch[3];

	make_bad_items();
	INIT_WORK(&fine[0], count_fine);
	INIT_WORK(&fine[1], count_fine);
	for_each_bad_item(i)
	{
		batch[0] = &fine[0];
		batch[1] = i->dwork ? &i->dwork->work : NULL;
		batch[2] = &fine[1];
		ROW(cmwq_queue_work_batch, i->wrong, run_batch(batch, 3) == 2,
		    i->says);
		EXPECT_EQ(atomic_exchange(&fine_runs, 0), 2);
		check_untouched();
	}
	ROW(cmwq_queue_work_batch, "no array",
	    !cmwq_queue_work_batch(system_wq, nothing, 3), "NULL batch");
	ROW(cmwq_queue_work_batch, "no array, and nothing in it",
	    !cmwq_queue_work_batch(system_wq, nothing, 0), NULL);
}

TEST(ask_of_bad_items)
{
	make_bad_items();
	for_each_bad_item(i)
	{
		struct delayed_work *d = i->dwork;
		struct work_struct *w = d ? &d->work : NULL;
		struct rcu_work *r = (struct rcu_work *)(void *)d;

		ROW(flush_work, i->wrong, !flush_work(w), i->says);
		ROW(flush_delayed_work, i->wrong, !flush_delayed_work(d),
		    i->says);
		ROW(flush_rcu_work, i->wrong, !flush_rcu_work(r), i->says);
		ROW(cancel_work, i->wrong, !cancel_work(w), i->says);
		ROW(cancel_work_sync, i->wrong, !cancel_work_sync(w), i->says);
		ROW(cancel_delayed_work, i->wrong, !cancel_delayed_work(d),
		    i->says);
		ROW(cancel_delayed_work_sync, i->wrong,
		    !cancel_delayed_work_sync(d), i->says);
		ROW(disable_work, i->wrong, !disable_work(w), i->says);
		ROW(disable_work_sync, i->wrong, !disable_work_sync(w),
		    i->says);
		ROW(disable_delayed_work, i->wrong, !disable_delayed_work(d),
		    i->says);
		ROW(disable_delayed_work_sync, i->wrong,
		    !disable_delayed_work_sync(d), i->says);
		ROW(enable_work, i->wrong, !enable_work(w), i->says);
		ROW(enable_delayed_work, i->wrong, !enable_delayed_work(d),
		    i->says);
		ROW(work_busy, i->wrong, !work_busy(w), i->says);
		ROW(work_pending, i->wrong, !work_pending(w), NULL);
		check_untouched();
	}
	ROW(enable_work, "an item that is enabled", enable_work(&good),
	    "more often");
	ROW_VOID(cmwq_object_begin, "a NULL item", cmwq_object_begin(NULL),
		 NULL);
	ROW_VOID(cmwq_object_end, "a NULL item", cmwq_object_end(NULL), NULL);
}

/* --- CPUs and nodes --- */

static long one(void *arg)
{
	(void)arg;
	return 1;
}

TEST(bad_cpus)
{
	static struct delayed_work d;

	begin();
	INIT_DELAYED_WORK(&d, count_run);
	for (size_t i = 0; i < NR_BAD_CPUS; i++) {
		const char *wrong = bad_cpu[i].wrong;
		int cpu = bad_cpu_nr(i);

		ROW(queue_work_on, wrong,
		    !queue_work_on(cpu, system_wq, &d.work), "no such CPU");
		ROW(queue_delayed_work_on, wrong,
		    !queue_delayed_work_on(cpu, system_wq, &d, 1),
		    "no such CPU");
		ROW(mod_delayed_work_on, wrong,
		    !mod_delayed_work_on(cpu, system_dfl_wq, &d, 0),
		    "no such CPU");
		ROW(workqueue_congested, wrong,
		    !workqueue_congested(cpu, system_wq), "no CPU");
		ROW(work_on_cpu, wrong, work_on_cpu(cpu, one, NULL) == -EINVAL,
		    "CPU");
		EXPECT(!work_busy(&d.work));
	}
	/* It is a number of no CPU, but not a wrong one here. */
	ROW(work_on_cpu, "no CPU in particular",
	    work_on_cpu(WORK_CPU_UNBOUND, one, NULL) == 1, NULL);
	ROW(workqueue_congested, "no CPU in particular",
	    !workqueue_congested(WORK_CPU_UNBOUND, system_wq), NULL);
}

TEST(bad_cpus_unsigned)
{
	begin();
	for (size_t i = 0; i < NR_BAD_CPUS; i++) {
		const char *wrong = bad_cpu[i].wrong;
		unsigned int cpu = (unsigned int)bad_cpu_nr(i);

		ROW(workqueue_prepare_cpu, wrong,
		    workqueue_prepare_cpu(cpu) == -EINVAL, "CPU");
		ROW(workqueue_online_cpu, wrong,
		    workqueue_online_cpu(cpu) == -EINVAL, "CPU");
		ROW(workqueue_offline_cpu, wrong,
		    workqueue_offline_cpu(cpu) == -EINVAL, "CPU");
		ROW_VOID(workqueue_softirq_dead, wrong,
			 workqueue_softirq_dead(cpu), "does not exist");
		ROW(cpumask_of, wrong, !cpumask_of(cpu), NULL);
		if (cpu != UINT_MAX)
			ROW_VOID(wq_watchdog_touch, wrong,
				 wq_watchdog_touch((int)cpu), "CPU");
	}
	ROW_VOID(workqueue_softirq_dead, "a CPU that is there",
		 workqueue_softirq_dead((unsigned int)nth_cpu(0)), "is there");
	ROW_VOID(workqueue_softirq_action, "nothing to do",
		 workqueue_softirq_action(true), NULL);
	ROW_VOID(wq_watchdog_touch, "all CPUs", wq_watchdog_touch(-1), NULL);
}

/* As queue_work(): a node is a hint. */
TEST(bad_nodes)
{
	static const int nodes[] = { -1, 1 << 20, INT_MAX, INT_MIN };
	static struct work_struct w;

	begin();
	INIT_WORK(&w, count_fine);
	for (size_t i = 0; i < 4; i++) {
		ROW(queue_work_node, "no such node",
		    queue_work_node(nodes[i], system_dfl_wq, &w), NULL);
		flush_work(&w);
	}
	ROW(queue_work_node, "a per-CPU workqueue",
	    queue_work_node(0, system_wq, &w), "is per-CPU");
	flush_work(&w);
}

/* --- functions --- */

static work_func_t volatile no_func;
static long (*volatile no_fn)(void *arg);

TEST(no_function)
{
	struct execute_work ew;

	begin();
	ROW(schedule_on_each_cpu, "no function",
	    schedule_on_each_cpu(no_func) == -EINVAL, "no function");
	ROW(work_on_cpu, "no function",
	    work_on_cpu(nth_cpu(0), no_fn, NULL) == -EINVAL, "no function");
	ROW(execute_in_process_context, "no function",
	    execute_in_process_context(no_func, &ew) == -EINVAL, "no ");
	ROW(execute_in_process_context, "no item",
	    execute_in_process_context(count_run, nothing) == -EINVAL, "no ");
}
