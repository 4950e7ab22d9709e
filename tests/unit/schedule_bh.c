/* SPDX-License-Identifier: MIT */
/*
 * schedule_bh - BH items: queueing against the thread that goes to sleep, others who
 * run items in its place, two CPUs; with a thread stopped at every step. See
 * schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#include "unit/schedule_world.h"

static struct workqueue_struct urgent_wq;
static _Alignas(64) struct pwq urgent_pwqs[2];
static _Atomic(struct pwq *) urgent_table[2];
static atomic_int inside_cpu[2];

static void make_bh_queue(struct workqueue_struct *q, struct pwq *of,
			  _Atomic(struct pwq *) *t, bool hi)
{
	memset(q, 0, sizeof(*q));
	lock_init(&q->lock, RANK_WQ);
	q->magic = WQ_MAGIC;
	q->flags = WQ_BH | WQ_PERCPU;
	q->pwq_of = t;
	list_init(&q->pwqs);
	q->max_active = INT_MAX;
	strcpy(q->name, "schedule");
	for (int i = 0; i < 2; i++) {
		pwq_init(&of[i], q, pool_bh(i, hi), INT_MAX);
		list_add_tail(&of[i].wq_link, &q->pwqs);
		t[i] = &of[i];
	}
}

/* The threads of both CPUs, asleep. */
static void build_bh(void)
{
	nr_workers = 0;
	build();
	make_bh_queue(&wq, pwqs, table, false);
	make_bh_queue(&urgent_wq, urgent_pwqs, urgent_table, true);
	inside_cpu[0] = inside_cpu[1] = 0;
	for (int cpu = 0; cpu < 2; cpu++) {
		atomic_store(&bh_cpus[cpu].state, BH_AWAKE);
		sim_spawn(run_bh, &bh_cpus[cpu]);
	}
}

/* Of an item that is queued on CPU 0 only. */
static void alone_on_cpu_0(struct item *it)
{
	(void)it;
	sim_check(atomic_fetch_add(&inside_cpu[0], 1) == 0);
	sim_check(bh_self() && !worker_self());
	sim_step();
	sim_check(atomic_fetch_sub(&inside_cpu[0], 1) == 1);
}

static void all_alone_on_cpu_0(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = alone_on_cpu_0;
}

static void queue_1_and_urgent_2(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 1);
	nr_true += queue_work_on(0, &urgent_wq, &items[2].work);
}

static void act(void *arg)
{
	workqueue_softirq_action(arg);
}

static void check_three(void)
{
	check_all_ran();
	sim_check(total_runs() == 3);
	for (int cpu = 0; cpu < 2; cpu++) {
		sim_check(bh_cpus[cpu].state == BH_ASLEEP);
		sim_check(bh_cpus[cpu].lock.word == LOCK_FREE);
	}
}

static void spawn_queueing(void)
{
	all_alone_on_cpu_0();
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_1_and_urgent_2, NULL);
}

static void test_no_wakeup_is_lost(void **state)
{
	const struct sim_scenario sc = {
		"queueing against a BH thread that goes to sleep",
		build_bh,
		spawn_queueing,
		check_three,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

static void spawn_in_its_place(void)
{
	spawn_queueing();
	sim_spawn(act, NULL);
	sim_spawn(act, &wq);
}

static void test_in_its_place(void **state)
{
	const struct sim_scenario sc = {
		"items that others run in the thread's place",
		build_bh,
		spawn_in_its_place,
		check_three,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* Afterwards it cannot be queued any more. */
static void disable_1(void *arg)
{
	(void)arg;
	cancelled += disable_work_sync(&items[1].work);
	sim_check(!atomic_load(&items[1].inside));
}

static void spawn_taking_back(void)
{
	spawn_queueing();
	sim_spawn(disable_1, NULL);
	sim_spawn(act, NULL);
}

static void test_taking_back(void **state)
{
	const struct sim_scenario sc = {
		"taking back and waiting for a BH item",
		build_bh,
		spawn_taking_back,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

static void spawn_two_cpus(void)
{
	sim_spawn(queue_0_twice, NULL);
	sim_spawn(queue_0_twice, &wq);
	sim_spawn(act, NULL);
}

static void test_no_item_runs_twice_at_once(void **state)
{
	const struct sim_scenario sc = {
		"one BH item on two CPUs",
		build_bh,
		spawn_two_cpus,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* It waits in BH context of CPU 0 for a run on CPU 1. */
static void flushes_1(struct item *it)
{
	(void)it;
	flush_result = flush_work(&items[1].work);
	sim_check(items[1].runs == 1 || !flush_result);
}

static void queue_1_on_cpu_1(void *arg)
{
	(void)arg;
	queue_on_cpu(1, 1);
}

static void spawn_waiting(void)
{
	items[0].body = flushes_1;
	sim_spawn(queue_1_on_cpu_1, NULL);
	sim_spawn(queue_0, NULL);
}

static void test_waiting_across_cpus(void **state)
{
	const struct sim_scenario sc = {
		"a BH item that waits for one on another CPU",
		build_bh,
		spawn_waiting,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_wakeup_is_lost),
		cmocka_unit_test(test_in_its_place),
		cmocka_unit_test(test_taking_back),
		cmocka_unit_test(test_no_item_runs_twice_at_once),
		cmocka_unit_test(test_waiting_across_cpus),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
