/* SPDX-License-Identifier: MIT */
/*
 * unbound.c - how many items an unbound pool runs at once: as many as CPUs,
 * more when some sleep or when nothing else helps. The same with sleepers on a
 * per-CPU pool.
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
