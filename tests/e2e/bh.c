/* SPDX-License-Identifier: MIT */
/*
 * bh.c - BH workqueues: what can be allocated, where and in which order items run,
 * that all calls work on them. Items that are held sleep, which a debug build
 * reports (bh_context.c).
 */
#include "harness.h"

#include <sys/resource.h>

static struct workqueue_struct *make_bh(unsigned int flags)
{
	struct workqueue_struct *wq = alloc_workqueue("soft", WQ_BH | flags, 0);

	ASSERT(wq);
	log_ignore("slept");
	return wq;
}

static void comm_of(int tid, char *comm, size_t size)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	f = fopen(path, "re");
	ASSERT(f && fgets(comm, (int)size, f));
	fclose(f);
	comm[strcspn(comm, "\n")] = 0;
}

/* --- what can be allocated --- */

static const struct {
	unsigned int flags;
	int max_active;
	bool ok;
} asked[] = {
	{ WQ_BH, 0, true },
	{ WQ_BH | WQ_PERCPU, 0, true },
	{ WQ_BH | WQ_HIGHPRI, 0, true },
	{ WQ_BH | WQ_HIGHPRI | WQ_PERCPU, 0, true },
	{ WQ_BH, 1, false },
	{ WQ_BH, -1, false },
	{ WQ_BH | WQ_UNBOUND, 0, false },
	{ WQ_BH | WQ_PERCPU | WQ_UNBOUND, 0, false },
	{ WQ_BH | WQ_FREEZABLE, 0, false },
	{ WQ_BH | WQ_MEM_RECLAIM, 0, false },
	{ WQ_BH | WQ_CPU_INTENSIVE, 0, false },
	{ WQ_BH | WQ_POWER_EFFICIENT, 0, false },
	{ WQ_BH | __WQ_LEGACY, 0, false },
};

TEST(flags)
{
	size_t i;

	for (i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		char name[32];
		struct workqueue_struct *wq;

		snprintf(name, sizeof(name), "asked%zu", i);
		wq = alloc_workqueue("%s", asked[i].flags, asked[i].max_active,
				     name);
		printf("%#x %d\n", asked[i].flags, asked[i].max_active);
		EXPECT_EQ(wq != NULL, asked[i].ok);
		EXPECT_EQ(log_has_both(name, "WQ_BH"), !asked[i].ok);
		if (wq)
			destroy_workqueue(wq);
	}
	EXPECT(!alloc_ordered_workqueue("line", WQ_BH));
	EXPECT(log_has_both("line", "WQ_BH"));
	check_library_works();
}

TEST(limits_stay)
{
	struct workqueue_struct *wq = make_bh(0);
	static struct item it[3000];
	struct item first;
	int i;

	workqueue_set_max_active(wq, 1);
	EXPECT(log_has_both("soft", "max_active"));
	workqueue_set_min_active(wq, 1);
	EXPECT(log_has_both("soft", "min_active"));
	/* There is no limit: nothing is ever held back. */
	item_init_held(&first);
	EXPECT(queue_work_on(nth_cpu(0), wq, &first.work));
	for (i = 0; i < 3000; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	EXPECT(!workqueue_congested(nth_cpu(0), wq));
	item_release(&first);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, 3000), 3000);
	destroy_workqueue(wq);
}

TEST(system_queues)
{
	struct item it;

	EXPECT(!strcmp(cmwq_name(system_bh_wq), "events_bh"));
	EXPECT(!strcmp(cmwq_name(system_bh_highpri_wq), "events_bh_highpri"));
	item_init(&it);
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	flush_workqueue(system_bh_wq);
	EXPECT(queue_work(system_bh_highpri_wq, &it.work));
	wait_for(item_runs(&it) == 2);
}

/* A BH item is not frozen, and nothing else of it is there. */
TEST(not_frozen)
{
	struct workqueue_struct *wq = make_bh(0);
	struct item it;

	item_init(&it);
	freeze_workqueues_begin();
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_runs(&it) == 1);
	EXPECT(!freeze_workqueues_busy());
	thaw_workqueues();
	destroy_workqueue(wq);
}

/* --- where and how they run --- */

static bool may_be_fifo(void)
{
	struct sched_param one = { .sched_priority = 1 };
	struct sched_param none = { .sched_priority = 0 };
	bool may = !sched_setscheduler(0, SCHED_FIFO, &one);

	if (may)
		ASSERT(!sched_setscheduler(0, SCHED_OTHER, &none));
	return may;
}

static int policy_of(int tid)
{
	return sched_getscheduler(tid) & ~SCHED_RESET_ON_FORK;
}

/* One thread per CPU, for all queues of both priorities. */
TEST(one_thread_per_cpu)
{
	struct workqueue_struct *wq = make_bh(0);
	struct workqueue_struct *urgent = make_bh(WQ_HIGHPRI);
	bool fifo = may_be_fifo();
	int i;

	for (i = 0; i < nr_allowed(); i++) {
		char comm[32], want[32];
		struct item it[3];
		int cpu = nth_cpu(i);

		for (int k = 0; k < 3; k++)
			item_init(&it[k]);
		EXPECT(queue_work_on(cpu, wq, &it[0].work));
		EXPECT(queue_work_on(cpu, urgent, &it[1].work));
		EXPECT(queue_work_on(cpu, system_bh_wq, &it[2].work));
		wait_for(items_finished(it, 3) == 3);
		for (int k = 0; k < 3; k++) {
			EXPECT_EQ(it[k].cpu, cpu);
			EXPECT_EQ(it[k].tid, it[0].tid);
		}
		snprintf(want, sizeof(want), "cmwq/bh:%d", cpu);
		comm_of(it[0].tid, comm, sizeof(comm));
		EXPECT(!strcmp(comm, want));
		if (fifo)
			wait_for(policy_of(it[0].tid) == SCHED_FIFO);
	}
	destroy_workqueue(wq);
	destroy_workqueue(urgent);
}

static long child_policy;

static long note_policy(void *arg)
{
	(void)arg;
	child_policy = sched_getscheduler(0);
	return 0;
}

static struct thread made_by_item;

static void make_thread(struct item *it)
{
	(void)it;
	thread_start(&made_by_item, note_policy, NULL);
}

/* The priority is the library's; a thread that an item creates has none of it. */
TEST(priority_is_not_inherited)
{
	struct item it;

	log_ignore("slept");
	item_init(&it);
	it.hook = make_thread;
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(item_runs(&it) == 1);
	thread_join(&made_by_item);
	EXPECT_EQ(child_policy, SCHED_OTHER);
}

#define ROW 50

/* Those of high priority first, each in queueing order, whatever queue it is on. */
TEST(order)
{
	struct workqueue_struct *wq[4] = {
		make_bh(0),
		make_bh(0),
		make_bh(WQ_HIGHPRI),
		make_bh(WQ_HIGHPRI),
	};
	static struct item it[2 * ROW];
	struct item first;
	int cpu = nth_cpu(0), i;

	item_init_held(&first);
	EXPECT(queue_work_on(cpu, wq[0], &first.work));
	wait_for(item_started(&first));
	for (i = 0; i < 2 * ROW; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(cpu, wq[i / ROW * 2 + i % 2],
				     &it[i].work));
	}
	item_release(&first);
	for (i = 0; i < 4; i++)
		flush_workqueue(wq[i]);
	for (i = 0; i < 2 * ROW; i++)
		EXPECT_EQ(it[i].order - first.order, (i + ROW) % (2 * ROW) + 1);
	for (i = 0; i < 4; i++)
		destroy_workqueue(wq[i]);
}

/* A normal item queues one of high priority: that is next. */
static struct item overtaker;

static void queue_overtaker(struct item *it)
{
	EXPECT(queue_work_on(it->cpu, system_bh_highpri_wq, &overtaker.work));
}

TEST(high_priority_overtakes)
{
	struct workqueue_struct *wq = make_bh(0);
	struct item it[3];
	int cpu = nth_cpu(0), i;

	item_init_held(&it[0]);
	it[0].tail = queue_overtaker;
	item_init(&it[1]);
	item_init(&it[2]);
	item_init(&overtaker);
	for (i = 0; i < 3; i++)
		EXPECT(queue_work_on(cpu, wq, &it[i].work));
	item_release(&it[0]);
	flush_workqueue(wq);
	EXPECT_EQ(overtaker.order, it[0].order + 1);
	EXPECT_EQ(it[1].order, it[0].order + 2);
	destroy_workqueue(wq);
}

static struct item requeued;
static _Atomic bool go_on;

static void requeue(struct item *it)
{
	if (atomic_load(&go_on))
		EXPECT(queue_work(system_bh_wq, &it->work));
}

static struct counter steps;

static long step(void *arg)
{
	pin_to((int)(long)arg);
	while (atomic_load(&go_on))
		counter_inc(&steps);
	return 0;
}

/* After its slice the thread is one as others; and urgent when it has been idle. */
TEST(does_not_starve_its_cpu)
{
	int cpu = nth_cpu(0);
	struct thread other;
	int tid;

	atomic_store(&go_on, true);
	item_init(&requeued);
	requeued.tail = requeue;
	EXPECT(queue_work_on(cpu, system_bh_wq, &requeued.work));
	wait_for(item_runs(&requeued) > 100);
	tid = requeued.tid;
	wait_for(policy_of(tid) == SCHED_OTHER);
	EXPECT_EQ(getpriority(PRIO_PROCESS, (id_t)tid), 0);
	thread_start(&other, step, (void *)(long)cpu);
	counter_wait(&steps, 1000);
	EXPECT_EQ(policy_of(tid), SCHED_OTHER);
	atomic_store(&go_on, false);
	thread_join(&other);
	wait_for(item_idle(&requeued));
	if (may_be_fifo())
		wait_for(policy_of(tid) == SCHED_FIFO);
	check_library_works();
}

/* --- the calls --- */

TEST(flush)
{
	struct workqueue_struct *wq = make_bh(0);
	struct cmwq_stats stats;
	struct item it;

	item_init(&it);
	EXPECT(!flush_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(queue_work(wq, &it.work));
	drain_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT(cmwq_get_stats(wq, &stats));
	EXPECT_EQ(stats.started, 2);
	EXPECT_EQ(stats.completed, 2);
	EXPECT_EQ(stats.in_flight, 0);
	EXPECT_OP(stats.workers, >=, 1);
	EXPECT_OP(stats.workers, <=, nr_possible());
	EXPECT(queue_work(wq, &it.work));
	destroy_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 3);
}

static long do_flush(void *arg)
{
	return flush_work(&((struct item *)arg)->work);
}

static long do_cancel_sync(void *arg)
{
	return cancel_work_sync(&((struct item *)arg)->work);
}

static long do_disable_sync(void *arg)
{
	return disable_work_sync(&((struct item *)arg)->work);
}

/* Whoever waits for a run is let go when it ends, and not before. */
TEST(waiting_for_a_run)
{
	static long (*const call[])(void *) = { do_flush, do_cancel_sync,
						do_disable_sync };
	static const bool result[] = { true, false, false };
	struct workqueue_struct *wq = make_bh(0);
	struct thread t;
	struct item it;
	int i;

	for (i = 0; i < 3; i++) {
		item_init_held(&it);
		EXPECT(queue_work(wq, &it.work));
		wait_for(item_started(&it));
		EXPECT_EQ(work_busy(&it.work), WORK_BUSY_RUNNING);
		thread_start(&t, call[i], &it);
		EXPECT(thread_asleep(&t));
		if (i)
			EXPECT(!queue_work(wq, &it.work));
		item_release(&it);
		EXPECT_EQ(thread_join(&t), result[i]);
		EXPECT_EQ(item_runs(&it), 1);
	}
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(enable_work(&it.work));
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_runs(&it) == 2);
	destroy_workqueue(wq);
}

TEST(taking_back)
{
	struct workqueue_struct *wq = make_bh(0);
	struct item first, it[3];
	int cpu = nth_cpu(0), i;

	item_init_held(&first);
	EXPECT(queue_work_on(cpu, wq, &first.work));
	wait_for(item_started(&first));
	for (i = 0; i < 3; i++) {
		item_init(&it[i]);
		EXPECT(queue_work_on(cpu, wq, &it[i].work));
		EXPECT(!queue_work_on(cpu, wq, &it[i].work));
		EXPECT_EQ(work_busy(&it[i].work), WORK_BUSY_PENDING);
	}
	EXPECT(cancel_work(&it[0].work));
	EXPECT(cancel_work_sync(&it[1].work));
	EXPECT(disable_work(&it[2].work));
	EXPECT(!queue_work_on(cpu, wq, &it[2].work));
	EXPECT(!cancel_work(&it[0].work));
	item_release(&first);
	flush_workqueue(wq);
	EXPECT_EQ(items_started(it, 3), 0);
	EXPECT(enable_and_queue_work(wq, &it[2].work));
	flush_work(&it[2].work);
	EXPECT_EQ(item_runs(&it[2]), 1);
	destroy_workqueue(wq);
}

static void requeue_always(struct item *it)
{
	queue_work(system_bh_wq, &it->work);
}

TEST(shown)
{
	struct workqueue_struct *wq = make_bh(WQ_HIGHPRI);
	struct item first, next;
	char pool[64];

	item_init_held(&first);
	item_init(&next);
	EXPECT(queue_work_on(nth_cpu(0), wq, &first.work));
	EXPECT(queue_work_on(nth_cpu(0), wq, &next.work));
	wait_for(item_started(&first));
	show_all_workqueues();
	snprintf(pool, sizeof(pool), "pool cmwq/bh:%d (CPU %d, high priority)",
		 nth_cpu(0), nth_cpu(0));
	EXPECT(log_has_both("workqueue soft:", "WQ_BH, WQ_HIGHPRI"));
	EXPECT(log_has_both(pool, "2 active, 2 in all"));
	EXPECT(log_has_both(pool, "1 workers"));
	item_release(&first);
	destroy_workqueue(wq);
}

TEST(cancel_sync_ends_a_requeueing_item)
{
	struct item it;
	int runs;

	item_init(&it);
	it.tail = requeue_always;
	EXPECT(queue_work(system_bh_wq, &it.work));
	wait_for(item_runs(&it) > 10);
	cancel_work_sync(&it.work);
	EXPECT(item_idle(&it));
	runs = item_runs(&it);
	linger();
	EXPECT_EQ(item_runs(&it), runs);
}

TEST(delayed)
{
	struct workqueue_struct *wq = make_bh(0);
	uint64_t start = now_ns();
	struct item it;

	item_init(&it);
	EXPECT(queue_delayed_work(wq, &it.dwork, 20));
	EXPECT(delayed_work_pending(&it.dwork));
	wait_for(item_runs(&it) == 1);
	EXPECT_OP(it.at - start, >=, 20000000);
	EXPECT(queue_delayed_work_on(nth_cpu(0), wq, &it.dwork, 100000));
	EXPECT(mod_delayed_work_on(nth_cpu(0), wq, &it.dwork, 1));
	wait_for(item_runs(&it) == 2);
	EXPECT_EQ(it.cpu, nth_cpu(0));
	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	flush_delayed_work(&it.dwork); /* true, unless it is through already */
	EXPECT_EQ(item_runs(&it), 3);
	EXPECT(queue_delayed_work(wq, &it.dwork, 100000));
	EXPECT(cancel_delayed_work_sync(&it.dwork));
	EXPECT(!mod_delayed_work(wq, &it.dwork, 0));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 4);
	destroy_workqueue(wq);
}

/* Where it runs it runs again, though it is sent to another CPU; idle it goes. */
TEST(no_reentrancy)
{
	struct workqueue_struct *wq = make_bh(0);
	struct item it;

	need_cpus(2);
	item_init_held(&it);
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	wait_for(item_started(&it));
	EXPECT(queue_work_on(nth_cpu(1), wq, &it.work));
	linger();
	EXPECT_EQ(item_started(&it), 1);
	item_release(&it);
	wait_for(item_runs(&it) == 2);
	EXPECT_EQ(it.cpu, nth_cpu(0));
	wait_for(item_idle(&it));
	EXPECT(queue_work_on(nth_cpu(1), wq, &it.work));
	wait_for(item_runs(&it) == 3);
	EXPECT_EQ(it.cpu, nth_cpu(1));
	EXPECT_EQ(it.overlaps, 0);
	destroy_workqueue(wq);
}
