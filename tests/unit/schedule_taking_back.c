/* SPDX-License-Identifier: MIT */
/*
 * schedule_taking_back - cancel, flush and disable against queueing and running,
 * with a thread stopped at every step.
 * See schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#include "unit/schedule_world.h"

/* --- claimed but not queued yet: cancel and flush --- */

/* When it returns the item is not running, and was taken back or not. */
static void cancel_0_sync(void *arg)
{
	(void)arg;
	cancelled += cancel_work_sync(&items[0].work);
	if (nr_true == 1 && sim[4].state == SIM_DONE)
		sim_check(items[0].inside == 0);
}

static void spawn_cancel(void)
{
	sim_spawn(queue_0, NULL);
	sim_spawn(cancel_0_sync, NULL);
	sim_spawn(cancel_0_sync, NULL);
}

static void check_cancel(void)
{
	check_all_ran();
	sim_check(cancelled <= 1);
}

static void test_cancel_against_queue(void **state)
{
	const struct sim_scenario sc = {
		"two cancels against one queueing",
		build,
		spawn_cancel,
		check_cancel,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* An item that would go on for ever; a cancel ends it. */
static void requeue_always(struct item *it)
{
	sim_yield();
	queue_on_cpu(0, (int)(it - items));
}

static void queue_0_then_cancel(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 0);
	cancelled += cancel_work_sync(&items[0].work);
	sim_check(items[0].inside == 0);
	sim_check(!work_pending(&items[0].work));
}

static void spawn_cancel_self(void)
{
	items[0].body = requeue_always;
	sim_spawn(queue_0_then_cancel, NULL);
}

static void test_cancel_ends_a_self_requeue(void **state)
{
	const struct sim_scenario sc = {
		"cancel_work_sync() against an item that queues itself",
		build,
		spawn_cancel_self,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

static void queue_0_then_flush(void *arg)
{
	int runs = items[0].runs;

	(void)arg;
	queue_on_cpu(0, 0);
	flush_work(&items[0].work);
	sim_check(items[0].runs > runs);
}

static void flush_0(void *arg)
{
	int queued = nr_true;

	(void)arg;
	flush_result = flush_work(&items[0].work);
	sim_check(items[0].runs >= queued);
	sim_check(!flush_result || items[0].runs > 0);
}

static void spawn_flush(void)
{
	sim_spawn(queue_0_then_flush, NULL);
	sim_spawn(flush_0, NULL);
}

static void test_flush_against_queue(void **state)
{
	const struct sim_scenario sc = {
		"flush_work() against queueing and running",
		build,
		spawn_flush,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* Done, or taken back: either ends the wait. */
static void only_flush_0(void *arg)
{
	(void)arg;
	flush_work(&items[0].work);
}

static void cancel_0(void *arg)
{
	(void)arg;
	cancelled += cancel_work(&items[0].work);
}

static void spawn_flush_cancel(void)
{
	sim_spawn(queue_0, NULL);
	sim_spawn(only_flush_0, NULL);
	sim_spawn(cancel_0, NULL);
}

static void test_flush_against_cancel(void **state)
{
	const struct sim_scenario sc = {
		"flush_work() against cancel_work()",
		build,
		spawn_flush_cancel,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* Two queue, and each sees its own items done when its flush returns. */
static void queue_and_flush_wq(void *arg)
{
	int first = arg ? 2 : 0;

	queue_on_cpu(0, first);
	queue_on_cpu(1, first + 1);
	flush_workqueue(&wq);
	sim_check(items[first].runs == 1 && items[first + 1].runs == 1);
}

static void spawn_flush_wq(void)
{
	sim_spawn(queue_and_flush_wq, NULL);
	sim_spawn(queue_and_flush_wq, &wq);
}

static void check_flush_wq(void)
{
	check_all_ran();
	for (unsigned int c = 0; c < WORD_NR_COLOURS; c++)
		sim_check(wq.pending[c] == 0);
}

static void test_flush_workqueue_against_queue(void **state)
{
	const struct sim_scenario sc = {
		"flush_workqueue() against queueing and running",
		build,
		spawn_flush_wq,
		check_flush_wq,
		end,
	};

	(void)state;
	explore(&sc, 0);
}

/* --- disable --- */

static void disable_and_enable(void *arg)
{
	int before;

	(void)arg;
	cancelled += disable_work_sync(&items[0].work);
	sim_check(items[0].inside == 0);
	before = items[0].runs;
	sim_step();
	sim_check(!queue_work_on(1, &wq, &items[0].work));
	sim_check(items[0].inside == 0 && items[0].runs == before);
	sim_check(enable_work(&items[0].work));
}

static void let_others(struct item *it)
{
	(void)it;
	sim_yield();
}

static void spawn_disable(void)
{
	items[0].body = let_others;
	sim_spawn(queue_0_twice, NULL);
	sim_spawn(disable_and_enable, NULL);
}

static void test_disable_against_queue(void **state)
{
	const struct sim_scenario sc = {
		"disable_work_sync() against queueing",
		build,
		spawn_disable,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* --- the library's own waits are announced --- */

static void wait_for_1(struct item *it)
{
	(void)it;
	queue_on_cpu(0, 1);
	sim_check(flush_work(&items[1].work) || items[1].runs == 1);
	sim_check(items[1].runs == 1);
}

static void spawn_wait(void)
{
	items[0].body = wait_for_1;
	sim_spawn(queue_0, NULL);
}

static void test_waiting_item_lets_others_run(void **state)
{
	const struct sim_scenario sc = {
		"an item waits for one behind it",
		build,
		spawn_wait,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cancel_against_queue),
		cmocka_unit_test(test_cancel_ends_a_self_requeue),
		cmocka_unit_test(test_flush_against_queue),
		cmocka_unit_test(test_flush_against_cancel),
		cmocka_unit_test(test_flush_workqueue_against_queue),
		cmocka_unit_test(test_disable_against_queue),
		cmocka_unit_test(test_waiting_item_lets_others_run),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
