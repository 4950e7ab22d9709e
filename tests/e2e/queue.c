/* SPDX-License-Identifier: MIT */
/*
 * queue.c - queueing: results in every state of an item, requeueing, order,
 * and which CPU an item runs on. What a worker thread looks like from inside
 * is in context.c.
 */
#include "harness.h"

/* An item that is idle, pending, running, and running with a requeue. */
static void results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(!work_pending(&it.work));
	EXPECT_EQ(work_busy(&it.work), 0);

	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(queue_work(wq, &it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(work_pending(&it.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_PENDING);

	item_release(&blocker);
	wait_for(item_started(&it));
	EXPECT(!work_pending(&it.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_RUNNING);
	EXPECT(queue_work(wq, &it.work));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(work_pending(&it.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_PENDING | WORK_BUSY_RUNNING);

	item_release(&it);
	wait_for(item_runs(&it) == 2);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(it.overlaps, 0);
	EXPECT_EQ(work_busy(&it.work), 0);
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 3);
	destroy_workqueue(wq);
}

TEST(results_percpu)
{
	results_on(alloc_workqueue("one", WQ_PERCPU, 1));
}

TEST(results_unbound)
{
	results_on(alloc_workqueue("one", WQ_UNBOUND, 1));
}

TEST(results_ordered)
{
	results_on(alloc_ordered_workqueue("one", 0));
}

TEST(results_highpri)
{
	results_on(alloc_workqueue("one", WQ_PERCPU | WQ_HIGHPRI, 1));
}

static struct workqueue_struct *again_wq;

static void again_tail(struct item *it)
{
	if (item_started(it) <= it->arg)
		EXPECT(queue_work(again_wq, &it->work));
}

static void requeue_self_on(struct workqueue_struct *wq)
{
	struct item it;

	item_init(&it);
	it.tail = again_tail;
	it.arg = 5000;
	again_wq = wq;
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_runs(&it) == 5001);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 5001);
	EXPECT_EQ(it.overlaps, 0);
	destroy_workqueue(wq);
}

TEST(requeue_self_percpu)
{
	requeue_self_on(alloc_workqueue("self", WQ_PERCPU, 0));
}

TEST(requeue_self_unbound)
{
	requeue_self_on(alloc_workqueue("self", WQ_UNBOUND, 0));
}

TEST(requeue_self_ordered)
{
	requeue_self_on(alloc_ordered_workqueue("self", 0));
}

/* A requeue goes to the pool where the item runs, and waits for the run. */
TEST(requeue_while_running_same_pool)
{
	struct workqueue_struct *wq = alloc_workqueue("same", WQ_PERCPU, 0);
	int a = nth_cpu(0), b = nth_cpu(1);
	struct item it, probe;

	need_cpus(2);
	item_init_held(&it);
	item_init(&probe);
	EXPECT(queue_work_on(a, wq, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT_EQ(it.cpu, a);
	EXPECT(queue_work_on(b, wq, &it.work));

	/* Something else gets through there meanwhile. */
	EXPECT(queue_work_on(b, wq, &probe.work));
	wait_for(item_runs(&probe));
	EXPECT_EQ(probe.cpu, b);
	linger();
	EXPECT_EQ(item_started(&it), 1);

	item_release(&it);
	wait_for(item_runs(&it) == 2);
	EXPECT_EQ(it.cpu, a);
	EXPECT_EQ(it.overlaps, 0);

	/* Idle, it goes where it is sent. */
	flush_workqueue(wq);
	EXPECT(queue_work_on(b, wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(it.cpu, b);
	destroy_workqueue(wq);
}

/* Two threads queue one item as fast as they can, on different CPUs. */
struct pusher {
	struct workqueue_struct *wq;
	struct item *it;
	int cpu;
	long accepted;
};

static long push_many(void *arg)
{
	struct pusher *p = arg;
	int i;

	for (i = 0; i < 20000; i++)
		p->accepted += queue_work_on(p->cpu, p->wq, &p->it->work);
	return 0;
}

static void no_overlap_on(struct workqueue_struct *wq)
{
	struct pusher p[2];
	struct thread t[2];
	struct item it;
	int i;

	item_init(&it);
	for (i = 0; i < 2; i++) {
		p[i] = (struct pusher){ wq, &it, nth_cpu(i % nr_allowed()), 0 };
		thread_start(&t[i], push_many, &p[i]);
	}
	for (i = 0; i < 2; i++)
		thread_join(&t[i]);
	flush_workqueue(wq);
	EXPECT_EQ(it.overlaps, 0);
	EXPECT_EQ(item_runs(&it), p[0].accepted + p[1].accepted);
	destroy_workqueue(wq);
}

TEST(no_overlap_percpu)
{
	no_overlap_on(alloc_workqueue("overlap", WQ_PERCPU, 0));
}

TEST(no_overlap_unbound)
{
	no_overlap_on(alloc_workqueue("overlap", WQ_UNBOUND, 0));
}

/* Queues that share a pool do not run one item twice at once either. */
TEST(no_overlap_two_queues_one_pool)
{
	struct workqueue_struct *a = alloc_workqueue("qa", WQ_PERCPU, 0);
	struct workqueue_struct *b = alloc_workqueue("qb", WQ_PERCPU, 0);
	struct item it, probe;
	int cpu = nth_cpu(0);

	need_detector();
	item_init_held(&it);
	item_init(&probe);
	EXPECT(queue_work_on(cpu, a, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_work_on(cpu, b, &it.work));
	EXPECT(queue_work_on(cpu, b, &probe.work));
	wait_for(item_runs(&probe));
	EXPECT_EQ(item_started(&it), 1);
	item_release(&it);
	wait_for(item_runs(&it) == 2);
	EXPECT_EQ(it.overlaps, 0);
	destroy_workqueue(a);
	destroy_workqueue(b);
}

/* With another workqueue, elsewhere, it does run twice at once. */
TEST(overlap_on_another_queue)
{
	struct workqueue_struct *a = alloc_workqueue("qa", WQ_PERCPU, 0);
	struct workqueue_struct *b = alloc_workqueue("qb", WQ_UNBOUND, 0);
	struct item it;

	item_init_held(&it);
	EXPECT(queue_work(a, &it.work));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_work(b, &it.work));
	wait_for(item_started(&it) == 2);
	EXPECT_EQ(it.overlaps, 1);
	item_release(&it);
	wait_for(item_runs(&it) == 2);
	destroy_workqueue(a);
	destroy_workqueue(b);
}

static struct counter other_runs;

static void other_func(struct work_struct *work)
{
	(void)work;
	counter_inc(&other_runs);
}

/* With another function too. */
TEST(overlap_with_another_function)
{
	struct workqueue_struct *wq = alloc_workqueue("func", WQ_UNBOUND, 0);
	struct item it;

	need_detector();
	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it) == 1);
	INIT_WORK(&it.work, other_func);
	EXPECT(queue_work(wq, &it.work));
	counter_wait(&other_runs, 1);
	EXPECT_EQ(item_runs(&it), 0);
	item_release(&it);
	wait_for(item_runs(&it) == 1);
	destroy_workqueue(wq);
}

static struct counter freed;

static void free_self(struct work_struct *work)
{
	memset(work, 0x6b, sizeof(*work));
	free(work);
	counter_inc(&freed);
}

static void frees_itself_on(struct workqueue_struct *wq)
{
	struct work_struct *work;
	int i;

	for (i = 0; i < 5000; i++) {
		work = malloc(sizeof(*work));
		ASSERT(work);
		INIT_WORK(work, free_self);
		EXPECT(queue_work(wq, work));
	}
	flush_workqueue(wq);
	EXPECT_EQ(counter_get(&freed), 5000);
	destroy_workqueue(wq);
}

TEST(frees_itself_percpu)
{
	frees_itself_on(alloc_workqueue("free", WQ_PERCPU, 0));
}

TEST(frees_itself_unbound)
{
	frees_itself_on(alloc_workqueue("free", WQ_UNBOUND, 0));
}

TEST(frees_itself_ordered)
{
	frees_itself_on(alloc_ordered_workqueue("free", 0));
}

#define FIFO 300

/* Items queued behind a held one start in the order of queueing. */
static void fifo_on(struct workqueue_struct *wq)
{
	static struct item it[FIFO];
	struct item blocker;
	int i, round;

	for (round = 0; round < 20; round++) {
		item_init_held(&blocker);
		EXPECT(queue_work(wq, &blocker.work));
		if (round % 2)
			wait_for(item_started(&blocker));
		for (i = 0; i < FIFO; i++) {
			item_init(&it[i]);
			EXPECT(queue_work(wq, &it[i].work));
		}
		EXPECT_EQ(items_started(it, FIFO), 0);
		item_release(&blocker);
		flush_workqueue(wq);
		EXPECT_EQ(items_finished(it, FIFO), FIFO);
		for (i = 0; i < FIFO; i++)
			EXPECT_EQ(it[i].order, blocker.order + 1 + i);
	}
	destroy_workqueue(wq);
}

TEST(fifo_ordered)
{
	fifo_on(alloc_ordered_workqueue("fifo", 0));
}

TEST(fifo_unbound_max_active_1)
{
	fifo_on(alloc_workqueue("fifo", WQ_UNBOUND, 1));
}

TEST(fifo_percpu_max_active_1)
{
	pin_to(nth_cpu(0));
	fifo_on(alloc_workqueue("fifo", WQ_PERCPU, 1));
}

/* One item at a time from several threads, each thread's own in order. */
struct lane {
	struct workqueue_struct *wq;
	struct item it[200];
};

static struct counter at_once;
static struct counter at_once_seen;

static void alone_hook(struct item *it)
{
	(void)it;
	if (atomic_fetch_add(&at_once.value, 1))
		counter_inc(&at_once_seen);
}

static void alone_tail(struct item *it)
{
	(void)it;
	atomic_fetch_sub(&at_once.value, 1);
}

static long run_lane(void *arg)
{
	struct lane *lane = arg;
	int i;

	for (i = 0; i < 200; i++)
		EXPECT(queue_work(lane->wq, &lane->it[i].work));
	return 0;
}

TEST(ordered_many_producers)
{
	static struct lane lane[4];
	struct thread t[4];
	struct workqueue_struct *wq = alloc_ordered_workqueue("lanes", 0);
	int i, k;

	for (i = 0; i < 4; i++) {
		lane[i].wq = wq;
		for (k = 0; k < 200; k++) {
			item_init(&lane[i].it[k]);
			lane[i].it[k].hook = alone_hook;
			lane[i].it[k].tail = alone_tail;
		}
	}
	for (i = 0; i < 4; i++)
		thread_start(&t[i], run_lane, &lane[i]);
	for (i = 0; i < 4; i++)
		thread_join(&t[i]);
	flush_workqueue(wq);
	EXPECT_EQ(counter_get(&at_once_seen), 0);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(items_finished(lane[i].it, 200), 200);
		for (k = 1; k < 200; k++)
			EXPECT_OP(lane[i].it[k].order, >,
				  lane[i].it[k - 1].order);
	}
	destroy_workqueue(wq);
}

static void affinity_hook(struct item *it)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	EXPECT_EQ(CPU_COUNT(&set), 1);
	EXPECT(CPU_ISSET((size_t)it->arg, &set));
}

TEST(percpu_bound_to_its_cpu)
{
	struct workqueue_struct *wq = alloc_workqueue("bound", WQ_PERCPU, 0);
	struct item it;
	int i, cpu;

	for (i = 0; i < 20; i++) {
		cpu = nth_cpu(i % nr_allowed());
		item_init(&it);
		it.hook = affinity_hook;
		it.arg = cpu;
		EXPECT(queue_work_on(cpu, wq, &it.work));
		flush_workqueue(wq);
		EXPECT_EQ(it.cpu, cpu);
	}
	/* Without a CPU it is that of the caller. */
	for (i = 0; i < 20; i++) {
		cpu = nth_cpu(i % nr_allowed());
		pin_to(cpu);
		item_init(&it);
		EXPECT(queue_work(wq, &it.work));
		flush_workqueue(wq);
		EXPECT_EQ(it.cpu, cpu);
		item_init(&it);
		EXPECT(queue_work_on(WORK_CPU_UNBOUND, wq, &it.work));
		flush_workqueue(wq);
		EXPECT_EQ(it.cpu, cpu);
	}
	destroy_workqueue(wq);
}

static void wide_hook(struct item *it)
{
	cpu_set_t set;

	(void)it;
	CPU_ZERO(&set);
	EXPECT_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	EXPECT_EQ(CPU_COUNT(&set), nr_allowed());
}

/* However narrow the thread was whose queueing created the worker. */
TEST(unbound_not_narrowed)
{
	struct item it;

	pin_to(nth_cpu(0));
	item_init(&it);
	it.hook = wide_hook;
	EXPECT(queue_work(system_dfl_wq, &it.work));
	EXPECT(flush_work(&it.work) || item_runs(&it));
	EXPECT(queue_work_on(nth_cpu(0), system_dfl_wq, &it.work));
	wait_for(item_runs(&it) == 2);
}

/* The library started with less than all CPUs. */
TEST(cpu_not_allowed, .one_cpu = true)
{
	struct workqueue_struct *wq = alloc_workqueue("stray", WQ_PERCPU, 0);
	int i, other = -1;
	struct item it;

	for (i = 0; i < nr_possible(); i++)
		if (i != nth_cpu(0))
			other = i;
	if (other < 0)
		skip("needs 2 CPUs");
	item_init(&it);
	EXPECT(queue_work_on(other, wq, &it.work));
	wait_for(item_runs(&it) == 1);
	EXPECT_EQ(it.cpu, nth_cpu(0));
	wait_for(log_has("stray"));
	EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	destroy_workqueue(wq);
	check_library_works();
}

TEST(one_cpu_is_enough, .one_cpu = true)
{
	check_library_works();
}

static void check_system_queue(struct workqueue_struct *wq, const char *name)
{
	struct item it;

	ASSERT(wq);
	if (strcmp(cmwq_name(wq), name)) {
		printf("%s, wanted %s\n", cmwq_name(wq), name);
		EXPECT(!"name");
	}
	item_init(&it);
	EXPECT(queue_work(wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
}

TEST(system_queues)
{
	check_system_queue(system_wq, "events");
	check_system_queue(system_percpu_wq, "events");
	check_system_queue(system_highpri_wq, "events_highpri");
	check_system_queue(system_long_wq, "events_long");
	check_system_queue(system_unbound_wq, "events_unbound");
	check_system_queue(system_dfl_wq, "events_unbound");
	check_system_queue(system_freezable_wq, "events_freezable");
	check_system_queue(system_power_efficient_wq, "events_power_efficient");
	check_system_queue(system_freezable_power_efficient_wq,
			   "events_freezable_pwr_efficient");
	check_system_queue(system_dfl_long_wq, "events_dfl_long");
}

TEST(schedule_forms)
{
	struct item it;

	item_init(&it);
	EXPECT(schedule_work(&it.work));
	flush_scheduled_work();
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(schedule_work_on(nth_cpu(0), &it.work));
	flush_scheduled_work();
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(it.cpu, nth_cpu(0));
	EXPECT(schedule_delayed_work(&it.dwork, 2));
	wait_for(item_runs(&it) == 3);
	EXPECT(schedule_delayed_work_on(nth_cpu(0), &it.dwork, 2));
	wait_for(item_runs(&it) == 4);
	flush_scheduled_work();
}

TEST(create_forms)
{
	struct workqueue_struct *wq[3];
	struct item it;
	int i;

	wq[0] = create_workqueue("old");
	wq[1] = create_freezable_workqueue("oldfreezable");
	wq[2] = create_singlethread_workqueue("oldsingle");
	EXPECT(!strcmp(cmwq_name(wq[2]), "oldsingle"));
	for (i = 0; i < 3; i++) {
		ASSERT(wq[i]);
		item_init(&it);
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it), 1);
		destroy_workqueue(wq[i]);
	}
	wq[0] = alloc_workqueue("num%d-%s", WQ_UNBOUND, 0, 7, "x");
	EXPECT(!strcmp(cmwq_name(wq[0]), "num7-x"));
	destroy_workqueue(wq[0]);
}

static DECLARE_WORK(declared, other_func);
static DECLARE_DELAYED_WORK(declared_later, other_func);

TEST(static_items)
{
	EXPECT(!work_pending(&declared));
	EXPECT(!delayed_work_pending(&declared_later));
	EXPECT(queue_work(system_dfl_wq, &declared));
	EXPECT(queue_delayed_work(system_dfl_wq, &declared_later, 1));
	counter_wait(&other_runs, 2);
}

/* Plain variables on purpose: the queueing is what orders them. */
static long stores[512];

static void check_store(struct item *it)
{
	EXPECT_EQ(stores[it->arg], it->arg + 1);
}

TEST(stores_before_are_seen)
{
	static struct item it[512];
	struct workqueue_struct *wq = alloc_workqueue("stores", WQ_UNBOUND, 8);
	int i;

	for (i = 0; i < 512; i++) {
		item_init(&it[i]);
		it[i].hook = check_store;
		it[i].arg = i;
		stores[i] = i + 1;
		EXPECT(queue_work(wq, &it[i].work));
	}
	flush_workqueue(wq);
	destroy_workqueue(wq);
}

static _Atomic long latest;
static _Atomic long latest_seen;

static void see_latest(struct item *it)
{
	(void)it;
	atomic_store_explicit(&latest_seen,
			      atomic_load_explicit(&latest,
						   memory_order_relaxed),
			      memory_order_relaxed);
}

/* Also when queue_work() returns false: the pending run sees them. */
TEST(stores_before_refusal_are_seen)
{
	struct workqueue_struct *wq = alloc_workqueue("stores", WQ_UNBOUND, 0);
	struct item it;
	long i;

	item_init(&it);
	it.hook = see_latest;
	for (i = 1; i <= 20000; i++) {
		atomic_store_explicit(&latest, i, memory_order_relaxed);
		queue_work(wq, &it.work);
		if (i % 16)
			continue;
		flush_workqueue(wq);
		ASSERT_EQ(latest_seen, i);
	}
	destroy_workqueue(wq);
}
