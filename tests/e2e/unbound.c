/* SPDX-License-Identifier: MIT */
/*
 * unbound.c - how many items an unbound pool runs at once: as many as CPUs,
 * more when some sleep or when nothing else helps. The same with sleepers on a
 * per-CPU pool. It runs alone: between the bursts of other programs CPUs idle, which
 * is taken as a sign that workers sleep.
 *
 * parallel: no
 */
#include "harness.h"

static void spinner_init(struct item *it)
{
	item_init_held(it);
	it->spin = true;
}

TEST(sixty_four_sleepers_unbound)
{
	static struct item it[64], instant;
	int i;

	need_detector();
	for (i = 0; i < 64; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work(system_dfl_wq, &it[i].work));
	}
	wait_for(items_started(it, 64) == 64);
	item_init(&instant);
	EXPECT(queue_work(system_dfl_wq, &instant.work));
	wait_for(item_runs(&instant));
	EXPECT_EQ(items_finished(it, 64), 0);
	for (i = 0; i < 64; i++)
		item_release(&it[i]);
	flush_workqueue(system_dfl_wq);
	EXPECT_EQ(items_finished(it, 64), 64);
}

TEST(sixty_four_sleepers_percpu)
{
	static struct item it[64], instant;
	int i;

	need_detector();
	for (i = 0; i < 64; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), system_wq, &it[i].work));
	}
	wait_for(items_started(it, 64) == 64);
	item_init(&instant);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &instant.work));
	wait_for(item_runs(&instant));
	EXPECT_EQ(items_finished(it, 64), 0);
	for (i = 0; i < 64; i++)
		item_release(&it[i]);
	flush_workqueue(system_wq);
	EXPECT_EQ(items_finished(it, 64), 64);
}

#define BURNERS 300
#define TICK_NS 4000000ULL

static struct counter burning;
static _Atomic long burning_most;
static uint64_t burned_at[BURNERS];
static struct counter burned;

static void burner_hook(struct item *it)
{
	long now = counter_inc(&burning), most = atomic_load(&burning_most);

	(void)it;
	while (now > most &&
	       !atomic_compare_exchange_weak(&burning_most, &most, now))
		;
	burn_us(1000);
	atomic_fetch_sub(&burning.value, 1);
	burned_at[counter_inc(&burned) - 1] = now_ns();
}

/*
 * CPU burners do not get more threads than CPUs and two more. Only a tick in
 * which none ended, as other programs kept them from running, allows another.
 */
TEST(unbound_burners)
{
	struct workqueue_struct *wq = alloc_workqueue("burn", WQ_UNBOUND, 0);
	static struct item it[BURNERS];
	long stalls = 0;
	int i;

	need_param("cmwq.pace");
	for (i = 0; i < BURNERS; i++) {
		item_init(&it[i]);
		it[i].hook = burner_hook;
	}
	for (i = 0; i < BURNERS; i++)
		EXPECT(queue_work(wq, &it[i].work));
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, BURNERS), BURNERS);
	for (i = 1; i < BURNERS; i++)
		if (burned_at[i] > burned_at[i - 1])
			stalls += (long)((burned_at[i] - burned_at[i - 1]) /
					 TICK_NS);
	EXPECT_OP(burning_most, <=, nr_allowed() + 2 + stalls);
	EXPECT_OP(burning_most, >=, 1);
	destroy_workqueue(wq);
}

/* All CPUs are used by them. */
TEST(unbound_uses_all_cpus)
{
	struct workqueue_struct *wq = alloc_workqueue("all", WQ_UNBOUND, 0);
	static struct item it[64];
	int n = nr_allowed() < 64 ? nr_allowed() : 64, i;

	need_detector();
	for (i = 0; i < n; i++) {
		spinner_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(items_started(it, n) == n);
	for (i = 0; i < n; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

/* With spinners on every CPU another item still gets its turn, by the tick. */
TEST(unbound_spinners_starve_nobody)
{
	struct workqueue_struct *wq = alloc_workqueue("all", WQ_UNBOUND, 0);
	static struct item it[64], instant;
	int n = nr_allowed() < 60 ? nr_allowed() + 2 : 62, i;

	need_param("cmwq.tick");
	for (i = 0; i < n; i++) {
		spinner_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	item_init(&instant);
	EXPECT(queue_work(wq, &instant.work));
	wait_for(item_runs(&instant));
	for (i = 0; i < n; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

/* Without pacing all start at once. */
TEST(unbound_no_pace, .params = "cmwq.pace=0 cmwq.sentinel=0 cmwq.tick=0")
{
	struct workqueue_struct *wq = alloc_workqueue("all", WQ_UNBOUND, 0);
	static struct item it[10];
	int i;

	set_param("workqueue.cpu_intensive_thresh_us", 0);
	for (i = 0; i < 10; i++) {
		spinner_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(items_started(it, 10) == 10);
	for (i = 0; i < 10; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

/* --- an item that queues itself, before one that blocks --- */

static void again_once(struct item *it)
{
	if (item_started(it) == 1)
		EXPECT(queue_work((void *)it->arg, &it->work));
}

/* The only one that may run goes on to an item that waits for the second run. */
static void blocks_after_requeue(unsigned int flags)
{
	struct workqueue_struct *wq = alloc_workqueue("again", flags, 0);
	struct item again, blocks;
	struct work_struct *both[] = { &again.work, &blocks.work };
	unsigned int round;

	need_detector();
	/* Afterwards there is a reserve, and nobody looks by chance. */
	for (round = 0; round < 2; round++) {
		item_init_held(&again);
		item_init_held(&blocks);
		EXPECT_EQ(cmwq_queue_work_batch(wq, both, 2), 2);
		wait_for(item_started(&again) && item_started(&blocks));
		item_release(&again);
		item_release(&blocks);
		flush_workqueue(wq);
		linger();
	}
	item_init(&again);
	again.hook = again_once;
	again.arg = (long)wq;
	item_init_held(&blocks);
	EXPECT_EQ(cmwq_queue_work_batch(wq, both, 2), 2);
	wait_for(item_runs(&again) == 2);
	item_release(&blocks);
	destroy_workqueue(wq);
}

TEST(blocks_after_requeue_unbound, .one_cpu = true)
{
	blocks_after_requeue(WQ_UNBOUND);
}

TEST(blocks_after_requeue_percpu, .one_cpu = true)
{
	blocks_after_requeue(WQ_PERCPU);
}

/* --- the same under leases, if items are found to be tiny --- */

#define TINY 33 /* as many as a lease holds, and one */

static struct workqueue_struct *tiny_wq;
static struct work_struct tiny[TINY];
static struct work_struct *tiny_ptr[TINY];
static _Atomic int tiny_runs, again_runs;
static _Atomic bool blocked, let_go;

static void tiny_func(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&tiny_runs, 1);
}

static void tiny_again(struct work_struct *work)
{
	if (atomic_fetch_add(&again_runs, 1) == 0)
		EXPECT(queue_work(tiny_wq, work));
}

static void tiny_blocks(struct work_struct *work)
{
	unsigned int round = 0;

	(void)work;
	atomic_store(&blocked, true);
	while (!atomic_load(&let_go))
		nap(&round);
}

static void queue_tiny(struct work_struct *work)
{
	(void)work;
	EXPECT_EQ(cmwq_queue_work_batch(tiny_wq, tiny_ptr, TINY), TINY);
}

static void init_tiny(work_func_t first, work_func_t last)
{
	for (int i = 0; i < TINY; i++) {
		INIT_WORK(&tiny[i], i == 0	    ? first
				    : i == TINY - 1 ? last
						    : tiny_func);
		tiny_ptr[i] = &tiny[i];
	}
}

TEST(blocks_after_requeue_tiny, .one_cpu = true)
{
	struct work_struct queuer;
	int i;

	need_detector();
	tiny_wq = alloc_workqueue("tiny", WQ_UNBOUND, 0);
	INIT_WORK(&queuer, queue_tiny);
	init_tiny(tiny_func, tiny_func);
	for (i = 0; i < 1000; i++) {
		EXPECT(queue_work(tiny_wq, &queuer));
		flush_workqueue(tiny_wq);
	}
	flush_workqueue(tiny_wq); /* what the last one queued */
	linger();
	init_tiny(tiny_again, tiny_blocks);
	EXPECT(queue_work(tiny_wq, &queuer));
	wait_for(atomic_load(&blocked) && atomic_load(&again_runs) == 2);
	atomic_store(&let_go, true);
	destroy_workqueue(tiny_wq);
}
