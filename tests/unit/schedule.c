/* SPDX-License-Identifier: MIT */
/*
 * schedule - queueing, going to sleep, not running twice, the sentinel: the
 * protocols of docs/LOCKING.md with a thread stopped at every step.
 * See schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#include "unit/schedule_world.h"

/* --- queueing against a worker that goes to sleep --- */

static void queue_1_then_2(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 1);
	queue_on_cpu(0, 2);
}

static void spawn_kick(void)
{
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_1_then_2, NULL);
}

static void check_kick(void)
{
	check_all_ran();
	sim_check(nr_true == 3 && total_runs() == 3);
}

static void test_no_wakeup_is_lost(void **state)
{
	const struct sim_scenario sc = {
		"queueing against a worker that goes to sleep",
		build,
		spawn_kick,
		check_kick,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* Nobody but this worker could find it. */
static void test_no_wakeup_of_a_single_worker_is_lost(void **state)
{
	const struct sim_scenario sc = {
		"queueing against the only worker",
		build_one_worker,
		spawn_kick,
		check_kick,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* An item on its way from the inbox to the worklist is seen in one of them. */
static bool pushed;

static void push_and_say(void *arg)
{
	queue_1_then_2(arg);
	pushed = true;
}

static void look(void *arg)
{
	bool before = pushed;

	(void)arg;
	sim_check(pool_waiting(pool_of_cpu(0, false)) || !before);
}

static void spawn_look(void)
{
	pushed = false;
	pool_of_cpu(0, false)->nr_running++; /* so that no item starts */
	sim_spawn(push_and_say, NULL);
	sim_spawn(lock_and_unlock, NULL);
	sim_spawn(look, NULL);
}

static void check_look(void)
{
	sim_check(pool_waiting(pool_of_cpu(0, false)));
	pool_of_cpu(0, false)->nr_running--;
}

static void test_draining_hides_nothing(void **state)
{
	const struct sim_scenario sc = {
		"a look at a pool that is being drained",
		build,
		spawn_look,
		check_look,
		end,
	};

	(void)state;
	explore(&sc, 3);
}

/* --- quiet pushes and a saturated pwq --- */

static void one_at_a_time(struct item *it)
{
	(void)it;
	sim_check(++inside_any == 1);
	sim_step();
	inside_any--;
}

static void spawn_saturated(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = one_at_a_time;
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_1_then_2, NULL);
}

static void test_quiet_push_is_found(void **state)
{
	const struct sim_scenario sc = {
		"quiet pushes and a saturated pwq",
		build_one_active,
		spawn_saturated,
		check_kick,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* A cancel that empties the inactive list clears the mark. */
static void cancel_1(void *arg)
{
	(void)arg;
	cancelled += cancel_work(&items[1].work);
}

static void spawn_saturated_cancel(void)
{
	spawn_saturated();
	sim_spawn(cancel_1, NULL);
}

static void test_cancel_clears_the_mark(void **state)
{
	const struct sim_scenario sc = {
		"a cancel empties the inactive list",
		build_one_active,
		spawn_saturated_cancel,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* --- not running twice; "false" from queue_work() --- */

static void spawn_reentry(void)
{
	sim_spawn(queue_0_twice, NULL);
	sim_spawn(queue_0_twice, &items[0]);
}

/* Whatever was written before any of the calls was seen by the last run. */
static void check_reentry(void)
{
	check_all_ran();
	sim_check(items[0].payload == 4 && items[0].seen == 4);
}

static void test_no_item_runs_twice_at_once(void **state)
{
	const struct sim_scenario sc = {
		"one item queued on two CPUs",
		build,
		spawn_reentry,
		check_reentry,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* An item that queues itself while it runs, and others do so too. */
static void requeue_twice(struct item *it)
{
	if (it->runs < 2)
		queue_on_cpu(0, (int)(it - items));
}

static void queue_0_on_1(void *arg)
{
	(void)arg;
	queue_on_cpu(1, 0);
}

static void spawn_self(void)
{
	items[0].body = requeue_twice;
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_0_on_1, NULL);
}

static void check_self(void)
{
	check_all_ran();
	sim_check(total_runs() >= 3);
	sim_check(items[0].seen == items[0].payload ||
		  items[0].seen == items[0].payload - 1);
}

static void test_self_requeue(void **state)
{
	const struct sim_scenario sc = {
		"an item that queues itself",
		build,
		spawn_self,
		check_self,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* An item that is queued again while it sleeps waits for its own worker, though
 * another one is free. */
static void queue_1(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 1);
}

static void spawn_sleeper(void)
{
	items[0].body = sleep_with_a_hint;
	items[1].body = open_gate;
	sim_spawn(queue_0_twice, NULL);
	sim_spawn(queue_0_twice, &items[0]);
	sim_spawn(queue_1, NULL);
}

static void test_queued_again_while_it_sleeps(void **state)
{
	const struct sim_scenario sc = {
		"an item queued again while it sleeps",
		build,
		spawn_sleeper,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* --- the sentinel: a worker blocks, and nobody was told --- */

static void block_at_gate(struct item *it)
{
	(void)it;
	while (!gate)
		sim_futex_wait(&gate, 0);
}

static int spawn_sentinel(enum sentinel_state state)
{
	int t;

	params.sentinel = 1;
	items[0].body = block_at_gate;
	items[1].body = open_gate;
	atomic_store(&sentinels[0].state, state);
	sim_spawn(queue_0, NULL);
	t = sim_spawn(run_sentinel, &sentinels[0]);
	sim[t].idle = true;
	return sim_spawn(queue_1, NULL);
}

/* The push comes at any time; the sentinel was off. */
static void spawn_arming(void)
{
	spawn_sentinel(SENTINEL_OFF);
}

static void spawn_arming_tiny(void)
{
	pool_of_cpu(0, false)->tiny = true;
	spawn_sentinel(SENTINEL_OFF);
}

/* The sentinel finds nothing waiting and goes off: the push comes just then,
 * on a CPU of its own. */
static void spawn_disarming(void)
{
	sim[spawn_sentinel(SENTINEL_ARMED)].idle = true;
}

/* Item 1, if it came first, has opened the gate before. */
static void check_gate(void)
{
	check_all_ran();
	sim_check(total_runs() == 2);
}

static void test_sentinel_is_armed(void **state)
{
	const struct sim_scenario sc = {
		"a push behind a worker that will block",
		build,
		spawn_arming,
		check_gate,
		end,
	};
	const struct sim_scenario tiny = {
		"the same where items are tiny",
		build,
		spawn_arming_tiny,
		check_gate,
		end,
	};

	(void)state;
	explore(&sc, 31);
	explore(&tiny, 31);
}

static void test_sentinel_disarms(void **state)
{
	const struct sim_scenario sc = {
		"a push while the sentinel goes off",
		build,
		spawn_disarming,
		check_gate,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* --- an item that is left to the worker which runs another --- */

/* The unbound pool, of which it is known that items come one by one and are short. */
static void build_left(void)
{
	struct pool *pool = pool_unbound(false);

	nr_workers = 0;
	build();
	wq.flags = WQ_UNBOUND;
	list_init(&wq.pwqs);
	pwq_init(&pwqs[0], &wq, pool, 16);
	list_add_tail(&pwqs[0].wq_link, &wq.pwqs);
	table[1] = &pwqs[0];
	params.sentinel = 1;
	atomic_store(&pool->lone, LONE);
	atomic_store(&pool->at, sim_cpu() + 1);
	for (int i = 0; i < 2; i++)
		pool_of_cpu(i, false)->nr_threads = 0;
	for (int i = 0; i < 2; i++) {
		pool->nr_threads++;
		sim_spawn(run_worker, worker_alloc(pool));
	}
}

static void spawn_left_and_announced(void)
{
	items[0].body = sleep_with_a_hint;
	items[1].body = open_gate;
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_1, NULL);
}

static void test_left_items_are_run(void **state)
{
	const struct sim_scenario sc = {
		"queueing behind a worker that is about to be done",
		build_left,
		spawn_kick,
		check_kick,
		end,
	};
	const struct sim_scenario announced = {
		"the same behind one that says that it blocks",
		build_left,
		spawn_left_and_announced,
		check_gate,
		end,
	};
	const struct sim_scenario blocks = {
		"the same behind one that blocks, with a sentinel",
		build_left,
		spawn_arming,
		check_gate,
		end,
	};

	(void)state;
	explore(&sc, 31);
	explore(&announced, 31);
	explore(&blocks, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_wakeup_is_lost),
		cmocka_unit_test(test_no_wakeup_of_a_single_worker_is_lost),
		cmocka_unit_test(test_draining_hides_nothing),
		cmocka_unit_test(test_quiet_push_is_found),
		cmocka_unit_test(test_cancel_clears_the_mark),
		cmocka_unit_test(test_no_item_runs_twice_at_once),
		cmocka_unit_test(test_self_requeue),
		cmocka_unit_test(test_queued_again_while_it_sleeps),
		cmocka_unit_test(test_sentinel_is_armed),
		cmocka_unit_test(test_sentinel_disarms),
		cmocka_unit_test(test_left_items_are_run),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
