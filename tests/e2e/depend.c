/* SPDX-License-Identifier: MIT */
/*
 * depend.c - items that wait for what they must not: themselves, their own
 * workqueue, what cannot start before they are done, and from WQ_MEM_RECLAIM
 * for what has no such promise. Each is reported with both names, and none hangs.
 */
#include "harness.h"

#include <dlfcn.h>

/* What a message calls a function of this program. */
static const char *name_of(work_func_t func)
{
	static char name[256];
	const char *file;
	Dl_info info;

	ASSERT(dladdr((void *)func, &info));
	file = strrchr(info.dli_fname, '/');
	snprintf(name, sizeof(name), "%s+0x%tx",
		 file ? file + 1 : info.dli_fname,
		 (char *)func - (char *)info.dli_fbase);
	return name;
}

/* What an item does to whom, and what came of it. */
static struct {
	struct workqueue_struct *wq;
	struct delayed_work *target;
	bool (*fn)(struct delayed_work *target);
	int result; /* -1 until it has returned */
} doing;

static bool flush_it(struct delayed_work *target)
{
	return flush_work(&target->work);
}

static bool cancel_it(struct delayed_work *target)
{
	return cancel_work_sync(&target->work);
}

static bool disable_it(struct delayed_work *target)
{
	return disable_work_sync(&target->work);
}

static bool disable_delayed_it(struct delayed_work *target)
{
	return disable_delayed_work_sync(target);
}

static bool flush_queue(struct delayed_work *target)
{
	(void)target;
	flush_workqueue(doing.wq);
	return false;
}

static bool drain_queue(struct delayed_work *target)
{
	(void)target;
	drain_workqueue(doing.wq);
	return false;
}

static bool destroy_queue(struct delayed_work *target)
{
	(void)target;
	destroy_workqueue(doing.wq);
	return false;
}

static _Atomic int done;

static void waits(struct work_struct *work)
{
	doing.result = doing.fn(doing.target ?: to_delayed_work(work));
	atomic_fetch_add(&done, 1);
}

static struct delayed_work item;

/* Run waits() as an item of @wq, which does @fn to @target (or itself). */
static void run(struct workqueue_struct *wq,
		bool (*fn)(struct delayed_work *target),
		struct delayed_work *target)
{
	int before = atomic_load(&done);

	log_clear();
	doing.fn = fn;
	doing.target = target;
	doing.result = -1;
	INIT_DELAYED_WORK(&item, waits);
	ASSERT(queue_work_on(nth_cpu(0), wq, &item.work));
	wait_for(atomic_load(&done) > before);
	flush_work(&item.work);
}

static struct workqueue_struct *make(int kind, const char *name)
{
	switch (kind) {
	case 0:
		return alloc_workqueue("%s", WQ_PERCPU, 0, name);
	case 1:
		return alloc_workqueue("%s", WQ_UNBOUND, 0, name);
	case 2:
		return alloc_workqueue("%s", WQ_UNBOUND, 1, name);
	default:
		return alloc_ordered_workqueue("%s", 0, name);
	}
}

#define KINDS 4

/* --- itself --- */

static const struct {
	const char *name;
	bool (*fn)(struct delayed_work *target);
	bool disables;
} self_calls[] = {
	{ "flush_work", flush_it, false },
	{ "flush_delayed_work", flush_delayed_work, false },
	{ "cancel_work_sync", cancel_it, false },
	{ "cancel_delayed_work_sync", cancel_delayed_work_sync, false },
	{ "disable_work_sync", disable_it, true },
	{ "disable_delayed_work_sync", disable_delayed_it, true },
};

TEST(waits_for_itself)
{
	for (int kind = 0; kind < KINDS; kind++) {
		struct workqueue_struct *wq = make(kind, "mirror");

		for (size_t i = 0; i < 6; i++) {
			printf("kind %d, %s\n", kind, self_calls[i].name);
			run(wq, self_calls[i].fn, NULL);
			EXPECT_EQ(doing.result, false);
			EXPECT(log_has_both("workqueue mirror waits for itself",
					    name_of(waits)));
			if (self_calls[i].disables)
				EXPECT(enable_work(&item.work));
			EXPECT(queue_work(system_wq, &item.work));
			log_ignore("workqueue events waits for itself");
			flush_work(&item.work);
		}
		destroy_workqueue(wq);
	}
	check_library_works();
}

/* Its next run cannot start before this one is over. */
static bool requeue_and_flush(struct delayed_work *target)
{
	static bool again;

	again = !again;
	if (!again)
		return false;
	EXPECT(queue_work(doing.wq, &target->work));
	EXPECT(!flush_work(&target->work));
	/* A cancel takes it back, and so need not wait for it. */
	EXPECT(cancel_work(&target->work));
	EXPECT(queue_work(doing.wq, &target->work));
	return false;
}

TEST(waits_for_its_next_run)
{
	for (int kind = 0; kind < KINDS; kind++) {
		doing.wq = make(kind, "mirror");
		run(doing.wq, requeue_and_flush, NULL);
		flush_workqueue(doing.wq);
		EXPECT(log_has("workqueue mirror waits for itself"));
		destroy_workqueue(doing.wq);
	}
	check_library_works();
}

/* The second run is one of another workqueue: nothing keeps it from starting. */
static struct workqueue_struct *elsewhere;

static void meets_itself(struct work_struct *work)
{
	static _Atomic bool inside;

	if (atomic_exchange(&inside, false))
		return;
	atomic_store(&inside, true);
	EXPECT(queue_work(elsewhere, work));
	flush_work(work); /* false, if it has run already */
	EXPECT(!atomic_load(&inside));
	atomic_fetch_add(&done, 1);
}

TEST(runs_elsewhere_meanwhile)
{
	elsewhere = alloc_workqueue("elsewhere", WQ_UNBOUND, 0);
	INIT_DELAYED_WORK(&item, meets_itself);
	EXPECT(queue_work(system_wq, &item.work));
	wait_for(atomic_load(&done) == 1);
	destroy_workqueue(elsewhere);
}

/* --- its workqueue --- */

static const struct {
	const char *what;
	bool (*fn)(struct delayed_work *target);
} queue_calls[] = {
	{ "flushed", flush_queue },
	{ "drained", drain_queue },
	{ "destroyed", destroy_queue },
};

TEST(waits_for_its_own_queue)
{
	for (int kind = 0; kind < KINDS; kind++) {
		doing.wq = make(kind, "ouroboros");
		for (size_t i = 0; i < 3; i++) {
			char text[64];

			snprintf(text, sizeof(text), "ouroboros is %s by",
				 queue_calls[i].what);
			run(doing.wq, queue_calls[i].fn, NULL);
			EXPECT_EQ(doing.result, false);
			EXPECT(log_has_both(text, name_of(waits)));
		}
		/* It is as good as before. */
		run(doing.wq, flush_it, NULL);
		log_ignore("waits for itself");
		drain_workqueue(doing.wq);
		destroy_workqueue(doing.wq);
	}
	check_library_works();
}

static struct delayed_work mate;

static void does_nothing(struct work_struct *work)
{
	(void)work;
}

/* Items queued behind it still run, and others can still wait for all. */
static bool flush_queue_with_mate(struct delayed_work *target)
{
	EXPECT(queue_work(doing.wq, &mate.work));
	return flush_queue(target);
}

TEST(own_queue_with_others_behind)
{
	for (int kind = 0; kind < KINDS; kind++) {
		doing.wq = make(kind, "ouroboros");
		INIT_DELAYED_WORK(&mate, does_nothing);
		run(doing.wq, flush_queue_with_mate, NULL);
		EXPECT(log_has("ouroboros is flushed by"));
		flush_workqueue(doing.wq);
		EXPECT(!work_busy(&mate.work));
		destroy_workqueue(doing.wq);
	}
}

/* --- what is behind it --- */

static bool flush_mate(struct delayed_work *target)
{
	EXPECT(queue_work(doing.wq, &mate.work));
	return flush_it(target);
}

static bool flush_delayed_mate(struct delayed_work *target)
{
	EXPECT(queue_delayed_work(doing.wq, &mate, 1000000));
	return flush_delayed_work(target);
}

static void check_behind(struct workqueue_struct *wq)
{
	doing.wq = wq;
	for (int i = 0; i < 2; i++) {
		INIT_DELAYED_WORK(&mate, does_nothing);
		run(wq, i ? flush_delayed_mate : flush_mate, &mate);
		EXPECT_EQ(doing.result, false);
		EXPECT(log_has_both("workqueue narrow waits for one that "
				    "cannot start",
				    name_of(does_nothing)));
		flush_work(&mate.work);
		EXPECT(!work_busy(&mate.work));
	}
	destroy_workqueue(wq);
}

static void check_not_behind(struct workqueue_struct *wq)
{
	doing.wq = wq;
	for (int i = 0; i < 2; i++) {
		INIT_DELAYED_WORK(&mate, does_nothing);
		run(wq, i ? flush_delayed_mate : flush_mate, &mate);
		EXPECT(!log_has("waits for"));
		EXPECT(!work_busy(&mate.work));
	}
	destroy_workqueue(wq);
}

TEST(behind_on_ordered)
{
	check_behind(alloc_ordered_workqueue("narrow", 0));
}

TEST(behind_on_unbound)
{
	check_behind(alloc_workqueue("narrow", WQ_UNBOUND, 1));
}

TEST(behind_on_percpu)
{
	pin_to(nth_cpu(0));
	check_behind(alloc_workqueue("narrow", WQ_PERCPU, 1));
}

/* The pods of a node share the only slot. */
static bool flush_mate_in_pod(struct delayed_work *target)
{
	EXPECT(queue_work_on(2, doing.wq, &mate.work));
	return flush_it(target);
}

TEST(behind_in_another_pod, .topology = "pack:1 [numa] l3:4 core:2 pu:1")
{
	struct workqueue_struct *wq = alloc_workqueue("narrow", WQ_UNBOUND, 1);

	doing.wq = wq;
	workqueue_init_topology();
	INIT_DELAYED_WORK(&mate, does_nothing);
	run(wq, flush_mate_in_pod, &mate);
	EXPECT_EQ(doing.result, false);
	EXPECT(log_has("workqueue narrow waits for one that cannot start"));
	destroy_workqueue(wq);
}

TEST(not_behind_on_another_node, .topology = "pack:2 [numa] core:2 pu:1")
{
	struct workqueue_struct *wq = alloc_workqueue("wide", WQ_UNBOUND, 1);

	doing.wq = wq;
	workqueue_init_topology();
	INIT_DELAYED_WORK(&mate, does_nothing);
	run(wq, flush_mate_in_pod, &mate);
	EXPECT(!log_has("waits for"));
	EXPECT(!work_busy(&mate.work));
	destroy_workqueue(wq);
}

TEST(not_behind)
{
	check_not_behind(alloc_workqueue("wide", WQ_PERCPU, 2));
	check_not_behind(alloc_workqueue("wide", WQ_UNBOUND, 2));
	check_not_behind(alloc_workqueue("wide", WQ_UNBOUND | WQ_HIGHPRI, 0));
}

static bool flush_mate_on_other_cpu(struct delayed_work *target)
{
	EXPECT(queue_work_on(nth_cpu(1), doing.wq, &mate.work));
	return flush_it(target);
}

TEST(not_behind_on_another_cpu)
{
	need_cpus(2);
	doing.wq = alloc_workqueue("wide", WQ_PERCPU, 1);
	INIT_DELAYED_WORK(&mate, does_nothing);
	run(doing.wq, flush_mate_on_other_cpu, &mate);
	EXPECT(!log_has("waits for"));
	EXPECT(!work_busy(&mate.work));
	destroy_workqueue(doing.wq);
}

/* --- memory reclaim --- */

/* What an item of one workqueue does to an item of another. */
static struct workqueue_struct *other;

static bool queue_and_flush(struct delayed_work *target)
{
	EXPECT(queue_work(other, &target->work));
	flush_work(&target->work); /* false, if it has run already */
	return true;
}

static bool flush_other(struct delayed_work *target)
{
	(void)target;
	flush_workqueue(other);
	return true;
}

static bool drain_other(struct delayed_work *target)
{
	(void)target;
	drain_workqueue(other);
	return true;
}

static struct gate gate;

static void waits_for_gate(struct work_struct *work)
{
	(void)work;
	gate_wait(&gate);
}

static long open_gate(void *arg)
{
	wait_asleep_tid((int)(long)arg);
	gate_open(&gate);
	return 0;
}

/* The target is running, so that there is something to wait for. */
static bool wait_running(struct delayed_work *target,
			 bool (*fn)(struct delayed_work *target))
{
	struct thread t;

	gate_close(&gate);
	EXPECT(queue_work(other, &target->work));
	wait_for(work_busy(&target->work) == WORK_BUSY_RUNNING);
	thread_start(&t, open_gate, (void *)(long)self_tid());
	fn(target);
	thread_join(&t);
	return true;
}

static bool flush_running(struct delayed_work *target)
{
	return wait_running(target, flush_it);
}

static bool cancel_running(struct delayed_work *target)
{
	return wait_running(target, cancel_it);
}

static bool disable_running(struct delayed_work *target)
{
	wait_running(target, disable_it);
	return enable_work(&target->work);
}

static void run_on_other(struct workqueue_struct *wq,
			 bool (*fn)(struct delayed_work *target), bool warns)
{
	static struct delayed_work target;

	INIT_DELAYED_WORK(&target, waits_for_gate);
	gate_open(&gate);
	run(wq, fn, &target);
	EXPECT_EQ(doing.result, true);
	EXPECT_EQ(log_count("which is WQ_MEM_RECLAIM, waits for"), warns);
	if (warns)
		EXPECT(log_has_both("workqueue saver", "workqueue spender"));
}

TEST(reclaim_waits_for_ordinary)
{
	struct workqueue_struct *wq =
		alloc_workqueue("saver", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);

	other = alloc_workqueue("spender", WQ_UNBOUND, 0);
	/* Once for each pair. */
	run_on_other(wq, flush_other, true);
	run_on_other(wq, flush_other, false);
	run_on_other(wq, drain_other, false);
	EXPECT(!log_has(""));
	run_on_other(wq, flush_running, true);
	EXPECT(log_has(name_of(waits_for_gate)));
	run_on_other(wq, flush_running, false);
	/* A run in progress has its thread. */
	run_on_other(wq, cancel_running, false);
	run_on_other(wq, disable_running, false);
	destroy_workqueue(other);
	destroy_workqueue(wq);
	/* Another workqueue of the name is no other pair. */
	wq = alloc_workqueue("saver", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	other = alloc_workqueue("spender", WQ_UNBOUND, 0);
	run_on_other(wq, flush_other, false);
	destroy_workqueue(other);
	other = alloc_workqueue("spender two", WQ_UNBOUND, 0);
	run_on_other(wq, flush_other, true);
	destroy_workqueue(other);
	destroy_workqueue(wq);
}

TEST(cancel_is_no_promise_broken)
{
	struct workqueue_struct *wq =
		alloc_workqueue("saver", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);

	other = alloc_workqueue("spender", WQ_UNBOUND, 0);
	run_on_other(wq, cancel_running, false);
	run_on_other(wq, disable_running, false);
	destroy_workqueue(other);
	destroy_workqueue(wq);
}

TEST(reclaim_exempt)
{
	static const unsigned int from[] = {
		WQ_UNBOUND,
		WQ_UNBOUND | WQ_MEM_RECLAIM,
		WQ_UNBOUND | WQ_MEM_RECLAIM | __WQ_LEGACY,
	};
	static const unsigned int to[] = {
		WQ_UNBOUND,
		WQ_UNBOUND | WQ_MEM_RECLAIM,
		WQ_UNBOUND,
	};

	for (int i = 0; i < 3; i++) {
		struct workqueue_struct *wq =
			alloc_workqueue("saver", from[i], 0);

		other = alloc_workqueue("spender", to[i], 0);
		run_on_other(wq, flush_other, false);
		run_on_other(wq, queue_and_flush, false);
		run_on_other(wq, flush_running, false);
		destroy_workqueue(other);
		destroy_workqueue(wq);
	}
}

/* A thread that runs no item may wait for everything. */
TEST(other_threads_may)
{
	struct workqueue_struct *wq =
		alloc_workqueue("saver", WQ_PERCPU | WQ_MEM_RECLAIM, 0);

	INIT_DELAYED_WORK(&mate, does_nothing);
	EXPECT(queue_work(system_wq, &mate.work));
	flush_work(&mate.work);
	flush_workqueue(system_wq);
	destroy_workqueue(wq);
}
