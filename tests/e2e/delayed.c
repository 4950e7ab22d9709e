/* SPDX-License-Identifier: MIT */
/*
 * delayed.c - delayed work: never early, results in every state, which CPU it
 * runs on, order, huge delays. Cancelling is in cancel.c.
 */
#include "harness.h"

#define FAR 1000000 /* jiffies; longer than any test */

static long do_flush_delayed(void *arg)
{
	return flush_delayed_work(arg);
}

static long do_drain(void *arg)
{
	drain_workqueue(arg);
	return 0;
}

/* The clock is read before arming, so it may only be later, not earlier. */
TEST(never_early)
{
	static struct item it[200];
	static uint64_t from[200];
	struct workqueue_struct *wq = alloc_workqueue("early", WQ_UNBOUND, 0);
	struct rng rng = rng_make(1);
	int i;

	for (i = 0; i < 200; i++) {
		item_init(&it[i]);
		it[i].arg = rng_below(&rng, 60);
		from[i] = now_ns();
		EXPECT(queue_delayed_work(wq, &it[i].dwork, it[i].arg));
	}
	wait_for(items_finished(it, 200) == 200);
	for (i = 0; i < 200; i++) {
		EXPECT_EQ(item_runs(&it[i]), 1);
		EXPECT_OP(it[i].at, >=, from[i] + it[i].arg * 1000000);
	}
	destroy_workqueue(wq);
}

/* One after the other: the timer thread is asleep when the next is armed. */
TEST(never_early_single)
{
	struct rng rng = rng_make(2);
	struct item it;
	uint64_t from;
	int i;

	item_init(&it);
	for (i = 0; i < 100; i++) {
		it.arg = 1 + rng_below(&rng, 4);
		from = now_ns();
		EXPECT(schedule_delayed_work(&it.dwork, it.arg));
		wait_for(item_runs(&it) == i + 1);
		EXPECT_OP(it.at, >=, from + it.arg * 1000000);
	}
}

TEST(never_early_by_jiffies)
{
	struct item it;
	unsigned long from;
	int i;

	item_init(&it);
	for (i = 0; i < 50; i++) {
		from = jiffies;
		EXPECT(schedule_delayed_work(&it.dwork, 3));
		wait_for(item_runs(&it) == i + 1);
		EXPECT(time_after_eq(jiffies, from + 3));
	}
}

/* mod_delayed_work() measures from the call that modified. */
TEST(never_early_mod)
{
	struct rng rng = rng_make(3);
	struct item it;
	uint64_t from;
	int i;

	item_init(&it);
	for (i = 0; i < 100; i++) {
		EXPECT(schedule_delayed_work(&it.dwork, i % 2 ? FAR : 1000));
		it.arg = rng_below(&rng, 4);
		from = now_ns();
		EXPECT(mod_delayed_work(system_wq, &it.dwork, it.arg));
		wait_for(item_runs(&it) == i + 1);
		EXPECT_OP(it.at, >=, from + it.arg * 1000000);
	}
}

/* Delay 0 is queue_work(): a flush of the queue sees it. */
TEST(delay_zero)
{
	struct workqueue_struct *wq = alloc_workqueue("zero", WQ_PERCPU, 0);
	struct item it;
	int i;

	item_init(&it);
	for (i = 1; i <= 100; i++) {
		EXPECT(queue_delayed_work(wq, &it.dwork, 0));
		flush_workqueue(wq);
		EXPECT_EQ(item_runs(&it), i);
	}
	destroy_workqueue(wq);
}

TEST(results)
{
	struct workqueue_struct *wq = alloc_workqueue("late", WQ_UNBOUND, 0);
	struct item it;

	item_init_held(&it);
	EXPECT(!delayed_work_pending(&it.dwork));
	EXPECT(queue_delayed_work(wq, &it.dwork, FAR)); /* idle */
	EXPECT(delayed_work_pending(&it.dwork));
	EXPECT(work_pending(&it.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_PENDING);
	EXPECT(!queue_delayed_work(wq, &it.dwork, 1)); /* armed */
	EXPECT(!queue_delayed_work(wq, &it.dwork, 0));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT(cancel_delayed_work(&it.dwork));
	EXPECT(!delayed_work_pending(&it.dwork));

	EXPECT(queue_delayed_work(wq, &it.dwork, 1));
	wait_for(item_started(&it) == 1);
	EXPECT(!delayed_work_pending(&it.dwork));
	EXPECT(queue_delayed_work(wq, &it.dwork, FAR)); /* running */
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_PENDING | WORK_BUSY_RUNNING);
	EXPECT(!queue_work(wq, &it.work)); /* running and armed */
	item_release(&it);
	wait_for(item_runs(&it) == 1);
	EXPECT(delayed_work_pending(&it.dwork));
	EXPECT(cancel_delayed_work(&it.dwork));
	wait_for(item_idle(&it));
	destroy_workqueue(wq);
}

static void mod_results_on(struct workqueue_struct *wq)
{
	struct item blocker, it;

	pin_to(nth_cpu(0)); /* one limit for all of them */
	item_init_held(&blocker);
	item_init_held(&it);
	EXPECT(!mod_delayed_work(wq, &it.dwork, FAR)); /* idle: arms */
	EXPECT(delayed_work_pending(&it.dwork));
	EXPECT(mod_delayed_work(wq, &it.dwork, FAR + 1)); /* armed */
	EXPECT(mod_delayed_work(wq, &it.dwork, 1));	  /* sooner */
	wait_for(item_started(&it) == 1);
	EXPECT(!mod_delayed_work(wq, &it.dwork, 0)); /* running: queues */
	EXPECT(work_pending(&it.work));
	EXPECT(mod_delayed_work(wq, &it.dwork, FAR)); /* takes it back */
	item_release(&it);
	wait_for(item_runs(&it) == 1);
	flush_workqueue(wq);
	EXPECT_EQ(item_started(&it), 1);
	EXPECT(mod_delayed_work(wq, &it.dwork, 0)); /* armed: now */
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);

	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	EXPECT(!mod_delayed_work(wq, &it.dwork, 0));  /* idle: queues */
	EXPECT(mod_delayed_work(wq, &it.dwork, 0));   /* queued: stays so */
	EXPECT(mod_delayed_work(wq, &it.dwork, FAR)); /* queued: later */
	item_release(&blocker);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT(cancel_delayed_work(&it.dwork));
	destroy_workqueue(wq);
}

TEST(mod_results_percpu)
{
	mod_results_on(alloc_workqueue("mod", WQ_PERCPU, 1));
}

TEST(mod_results_unbound)
{
	mod_results_on(alloc_workqueue("mod", WQ_UNBOUND, 1));
}

/* From soon to far: it must not run soon. */
TEST(mod_puts_off)
{
	struct item it;
	int i, put_off = 0;

	item_init(&it);
	for (i = 0; i < 100; i++) {
		int runs = item_runs(&it);

		schedule_delayed_work(&it.dwork, 1 + i % 2);
		if (mod_delayed_work(system_wq, &it.dwork, FAR)) {
			EXPECT_EQ(item_runs(&it), runs);
			put_off++;
		}
	}
	EXPECT_OP(put_off, >, 0);
	linger();
	EXPECT(cancel_delayed_work_sync(&it.dwork));
}

TEST(mod_disabled)
{
	struct item it;

	item_init(&it);
	EXPECT(!disable_delayed_work(&it.dwork));
	EXPECT(!mod_delayed_work(system_wq, &it.dwork, 0));
	EXPECT(!mod_delayed_work(system_wq, &it.dwork, 1));
	EXPECT(item_idle(&it));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(enable_delayed_work(&it.dwork));
	EXPECT(!mod_delayed_work(system_wq, &it.dwork, 1));
	wait_for(item_runs(&it) == 1);
}

TEST(mod_races_expiry)
{
	struct workqueue_struct *wq = alloc_workqueue("race", WQ_UNBOUND, 0);
	struct rng rng = rng_make(4);
	int i, idle = 0;
	struct item it;

	item_init(&it);
	for (i = 0; i < 3000; i++) {
		idle += !mod_delayed_work(wq, &it.dwork, rng_below(&rng, 3));
		if (i % 64 == 0)
			usleep(1000);
	}
	/* What was found idle was started once each; none is lost. */
	wait_for(!delayed_work_pending(&it.dwork));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), idle);
	EXPECT_EQ(it.overlaps, 0);
	destroy_workqueue(wq);
}

TEST(flush_delayed_fires_now)
{
	struct workqueue_struct *wq = alloc_workqueue("late", WQ_UNBOUND, 0);
	struct thread t;
	struct item it;

	item_init(&it);
	EXPECT(!flush_delayed_work(&it.dwork)); /* idle */
	EXPECT(queue_delayed_work(wq, &it.dwork, FAR));
	/* Armed. What it returns is whether there was still something to wait for. */
	flush_delayed_work(&it.dwork);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!flush_delayed_work(&it.dwork)); /* done */

	item_allow(&it, 1);
	EXPECT(queue_delayed_work(wq, &it.dwork, 0));
	wait_for(item_started(&it) == 2);
	EXPECT(queue_delayed_work(wq, &it.dwork, FAR));
	thread_start(&t, do_flush_delayed, &it.dwork); /* running and armed */
	EXPECT(thread_asleep(&t));
	item_allow(&it, 2);
	wait_for(item_started(&it) == 3);
	EXPECT(thread_asleep(&t));
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 3);
	destroy_workqueue(wq);
}

/* flush_work, flush_workqueue and drain_workqueue do not see a timer. */
TEST(armed_is_not_seen)
{
	struct workqueue_struct *wq = alloc_workqueue("late", WQ_UNBOUND, 0);
	struct item it;

	item_init(&it);
	EXPECT(queue_delayed_work(wq, &it.dwork, FAR));
	EXPECT(!flush_work(&it.work));
	flush_workqueue(wq);
	drain_workqueue(wq);
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(delayed_work_pending(&it.dwork));
	EXPECT(cancel_delayed_work(&it.dwork));
	destroy_workqueue(wq);
}

/* One whose time comes during a drain is an outsider: dropped, idle again. */
TEST(expires_during_drain)
{
	struct workqueue_struct *wq = alloc_workqueue("lateq", WQ_UNBOUND, 0);
	struct item blocker, it;
	struct thread t;

	item_init_held(&blocker);
	item_init(&it);
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker));
	thread_start(&t, do_drain, wq);
	EXPECT(thread_asleep(&t));
	EXPECT(queue_delayed_work(wq, &it.dwork, 1));
	wait_for(log_has("lateq"));
	wait_for(item_idle(&it));
	item_release(&blocker);
	thread_join(&t);
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(queue_delayed_work(wq, &it.dwork, 1));
	wait_for(item_runs(&it) == 1);
	destroy_workqueue(wq);
}

TEST(cpu_of_arming)
{
	struct workqueue_struct *wq = alloc_workqueue("where", WQ_PERCPU, 0);
	struct item it;
	int i, cpu;

	for (i = 0; i < 20; i++) {
		cpu = nth_cpu(i % nr_allowed());
		pin_to(cpu);
		item_init(&it);
		EXPECT(queue_delayed_work(wq, &it.dwork, 1 + i % 3));
		pin_to(nth_cpu((i + 1) % nr_allowed()));
		wait_for(item_runs(&it) == 1);
		EXPECT_EQ(it.cpu, cpu);
		/* flush_delayed_work() too, from anywhere. */
		pin_to(cpu);
		EXPECT(queue_delayed_work(wq, &it.dwork, FAR));
		pin_to(nth_cpu((i + 1) % nr_allowed()));
		flush_delayed_work(&it.dwork);
		EXPECT_EQ(it.cpu, cpu);
	}
	destroy_workqueue(wq);
}

TEST(cpu_by_argument)
{
	struct workqueue_struct *wq = alloc_workqueue("where", WQ_PERCPU, 0);
	struct item it;
	int i, cpu;

	pin_to(nth_cpu(0));
	for (i = 0; i < 20; i++) {
		cpu = nth_cpu(i % nr_allowed());
		item_init(&it);
		EXPECT(queue_delayed_work_on(cpu, wq, &it.dwork, i % 3));
		wait_for(item_runs(&it) == 1);
		EXPECT_EQ(it.cpu, cpu);
		flush_workqueue(wq);
		EXPECT(!mod_delayed_work_on(cpu, wq, &it.dwork, FAR));
		EXPECT(mod_delayed_work_on(cpu, wq, &it.dwork, i % 3));
		wait_for(item_runs(&it) == 2);
		EXPECT_EQ(it.cpu, cpu);
		flush_workqueue(wq);
	}
	destroy_workqueue(wq);
}

/* A pair is compared if no rounding can explain another order. */
TEST(many_in_order)
{
	static struct item it[500];
	static uint64_t from[500], to[500];
	struct workqueue_struct *wq = alloc_ordered_workqueue("order", 0);
	struct rng rng = rng_make(5);
	int i, k;

	for (i = 0; i < 500; i++) {
		item_init(&it[i]);
		it[i].arg = 1 + rng_below(&rng, 400);
		from[i] = now_ns() + it[i].arg * 1000000;
		EXPECT(queue_delayed_work(wq, &it[i].dwork, it[i].arg));
		to[i] = now_ns() + (it[i].arg + 3) * 1000000;
	}
	wait_for(items_finished(it, 500) == 500);
	for (i = 0; i < 500; i++)
		for (k = 0; k < 500; k++)
			if (to[i] < from[k])
				EXPECT_OP(it[i].order, <, it[k].order);
	destroy_workqueue(wq);
}

TEST(huge_delays)
{
	static const unsigned long delay[] = {
		ULONG_MAX,	 ULONG_MAX - 1,	      ULONG_MAX / 2 + 1,
		ULONG_MAX / 2,	 ULONG_MAX / 1000000, ULONG_MAX / 1000000 + 1,
		1UL << 40,	 1UL << 33,	      1UL << 32,
		(1UL << 32) + 1, 1UL << 31,	      1UL << 24,
	};
	enum {
		N = sizeof(delay) / sizeof(delay[0])
	};
	static struct item it[N], soon;
	int i;

	for (i = 0; i < N; i++) {
		item_init(&it[i]);
		EXPECT(queue_delayed_work(system_dfl_wq, &it[i].dwork,
					  delay[i]));
		EXPECT(delayed_work_pending(&it[i].dwork));
	}
	/* They neither fire nor stand in the way of one that is due. */
	item_init(&soon);
	for (i = 0; i < 20; i++) {
		EXPECT(queue_delayed_work(system_dfl_wq, &soon.dwork, 3));
		wait_for(item_runs(&soon) == i + 1);
	}
	for (i = 0; i < N; i++) {
		EXPECT_EQ(item_started(&it[i]), 0);
		EXPECT(mod_delayed_work(system_dfl_wq, &it[i].dwork,
					delay[N - 1 - i]));
	}
	linger();
	for (i = 0; i < N; i++) {
		EXPECT_EQ(item_started(&it[i]), 0);
		EXPECT(cancel_delayed_work(&it[i].dwork));
	}
}

/* A shorter one armed later is not held up by the longer one. */
TEST(shorter_overtakes)
{
	struct item longer, shorter;

	item_init(&longer);
	item_init(&shorter);
	EXPECT(schedule_delayed_work(&longer.dwork, FAR));
	EXPECT(schedule_delayed_work(&shorter.dwork, 5));
	wait_for(item_runs(&shorter));
	EXPECT_EQ(item_started(&longer), 0);
	EXPECT(cancel_delayed_work(&longer.dwork));
}

/* Across every level of a wheel: all expire, none early, none twice. */
TEST(many_spans)
{
	static struct item it[2000];
	static uint64_t from[2000];
	struct workqueue_struct *wq = alloc_workqueue("span", WQ_UNBOUND, 0);
	struct rng rng = rng_make(6);
	int i;

	for (i = 0; i < 2000; i++) {
		item_init(&it[i]);
		it[i].arg = rng_below(&rng, i % 4 ? 100 : 1500);
		from[i] = now_ns();
		EXPECT(queue_delayed_work(wq, &it[i].dwork, it[i].arg));
	}
	wait_for(items_finished(it, 2000) == 2000);
	flush_workqueue(wq);
	for (i = 0; i < 2000; i++) {
		EXPECT_EQ(item_runs(&it[i]), 1);
		EXPECT_OP(it[i].at, >=, from[i] + it[i].arg * 1000000);
	}
	destroy_workqueue(wq);
}

static struct workqueue_struct *tick_wq;

static void tick_tail(struct item *it)
{
	if (item_started(it) < 30)
		EXPECT(queue_delayed_work(tick_wq, &it->dwork, 1));
}

TEST(periodic)
{
	struct item it;
	uint64_t from = now_ns();

	tick_wq = alloc_workqueue("tick", WQ_UNBOUND, 0);
	item_init(&it);
	it.tail = tick_tail;
	EXPECT(queue_delayed_work(tick_wq, &it.dwork, 1));
	wait_for(item_runs(&it) == 30);
	EXPECT_OP(now_ns() - from, >=, 30 * 1000000);
	destroy_workqueue(tick_wq);
}

/* Every arm that returned true is one run or one cancel. */
static long arm_and_cancel(void *arg)
{
	struct item *it = arg;
	struct rng rng = rng_make((uint64_t)it->arg);
	long armed = 0, cancelled = 0;
	int i;

	for (i = 0; i < 20000; i++) {
		armed += queue_delayed_work(system_dfl_wq, &it->dwork,
					    rng_below(&rng, 20));
		if (rng_below(&rng, 3))
			cancelled += cancel_delayed_work(&it->dwork);
	}
	cancelled += cancel_delayed_work_sync(&it->dwork);
	EXPECT_EQ(item_runs(it) + cancelled, armed);
	EXPECT_EQ(it->overlaps, 0);
	return 0;
}

TEST(arm_cancel_accounting)
{
	static struct item it[4];
	struct thread t[4];
	int i;

	for (i = 0; i < 4; i++) {
		item_init(&it[i]);
		it[i].arg = i + 10;
		thread_start(&t[i], arm_and_cancel, &it[i]);
	}
	for (i = 0; i < 4; i++)
		thread_join(&t[i]);
}
