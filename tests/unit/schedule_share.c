/* SPDX-License-Identifier: MIT */
/*
 * schedule_share - two pools share max_active, and their workers run tiny items in a row:
 * one at a time, with a slot in hand, with a thread stopped at every step.
 * See schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#include "unit/schedule_world.h"

static struct node the_node;
static atomic_int running;
static bool was_leased;

static void build_shared(int max)
{
	build_tiny();
	node_init(&the_node, max);
	for (int i = 0; i < 2; i++) {
		pool_lock(pool_of_cpu(i, false));
		pwq_share(&pwqs[i], &the_node);
		pool_unlock(pool_of_cpu(i, false));
	}
	atomic_store(&running, 0);
	was_leased = false;
}

static void build_one_slot(void)
{
	build_shared(1);
}

static void build_two_slots(void)
{
	build_shared(2);
}

static bool is_leased(void)
{
	struct worker *w = worker_self();
	struct pool *pool = atomic_load(&w->pool);

	return pool->lessee == w && !w->lease.ended && w->lease.slot;
}

/* Never more of them than slots. */
static void run_counted(struct item *it)
{
	was_leased |= is_leased();
	sim_check(atomic_fetch_add(&running, 1) < the_node.max);
	sim_check(atomic_load(&the_node.nr) <= the_node.max);
	sim_yield();
	atomic_fetch_sub(&running, 1);
	(void)it;
}

static void run_counted_twice(struct item *it)
{
	run_counted(it);
	if (it->runs < 2)
		queue_on_cpu(0, (int)(it - items));
}

static void queue_here(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 0);
	queue_on_cpu(0, 1);
	queue_on_cpu(0, 2);
}

static void queue_there(void *arg)
{
	(void)arg;
	queue_on_cpu(1, 3);
}

static void lock_here(void *arg)
{
	(void)arg;
	pool_lock(pool_of_cpu(0, false));
	pool_unlock(pool_of_cpu(0, false));
}

static void cancel_1(void *arg)
{
	(void)arg;
	cancelled += cancel_work(&items[1].work);
}

static void spawn_one_pool(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = run_counted;
	sim_spawn(queue_here, NULL);
}

static void spawn_both(void)
{
	spawn_one_pool();
	sim_spawn(queue_there, NULL);
}

static void spawn_locked(void)
{
	spawn_both();
	sim_spawn(lock_here, NULL);
}

static void spawn_cancelled(void)
{
	spawn_both();
	items[2].body = run_counted_twice;
	sim_spawn(cancel_1, NULL);
}

/* That it is what this is about. */
static void check_leased(void)
{
	check_all_ran();
	sim_check(sim_run.stops || was_leased);
	sim_check(!the_node.nr && !the_node.nr_waiting);
}

static void check_shared(void)
{
	check_all_ran();
	sim_check(!the_node.nr && !the_node.nr_waiting);
}

static void test_one_slot(void **state)
{
	const struct sim_scenario alone = {
		"one slot, one pool",
		build_one_slot,
		spawn_one_pool,
		check_leased,
		end,
	};
	const struct sim_scenario both = {
		"one slot, two pools",
		build_one_slot,
		spawn_both,
		check_shared,
		end,
	};
	const struct sim_scenario locked = {
		"one slot, two pools, leases are ended",
		build_one_slot,
		spawn_locked,
		check_shared,
		end,
	};
	const struct sim_scenario taken_back = {
		"one slot, two pools, one queues itself, one is taken back",
		build_one_slot,
		spawn_cancelled,
		check_shared,
		end,
	};

	(void)state;
	explore(&alone, 3);
	explore(&both, 15);
	explore(&locked, 31);
	explore(&taken_back, 63);
}

/* --- an item of another workqueue comes behind, and does not end --- */

static struct workqueue_struct other;
static _Alignas(64) struct pwq other_pwq[2];
static _Atomic(struct pwq *) other_table[2];

/* One that shares nothing. */
static void build_other(void)
{
	build_shared(1);
	memcpy(&other, &wq, sizeof(other));
	lock_init(&other.lock, RANK_WQ);
	list_init(&other.pwqs);
	other.pwq_of = other_table;
	for (int i = 0; i < 2; i++) {
		pwq_init(&other_pwq[i], &other, pool_of_cpu(i, false), 16);
		list_add_tail(&other_pwq[i].wq_link, &other.pwqs);
		other_table[i] = &other_pwq[i];
	}
}

static void wait_for_gate(struct item *it)
{
	(void)it;
	while (!gate)
		sim_futex_wait(&gate, 0);
}

static void run_counted_open(struct item *it)
{
	run_counted(it);
	open_gate(it);
}

static void queue_before_other(void *arg)
{
	(void)arg;
	queue_on_cpu(0, 0);
	nr_true += queue_work_on(0, &other, &items[1].work);
}

/* So that the next lease is of the other one alone. */
static void run_counted_queue(struct item *it)
{
	run_counted(it);
	nr_true += queue_work_on(0, &other, &items[1].work);
}

static void spawn_gated(void (*queue)(void *arg))
{
	items[0].body = run_counted;
	items[1].body = wait_for_gate;
	items[3].body = run_counted_open;
	sim_spawn(queue, NULL);
	sim_spawn(queue_there, NULL);
}

static void spawn_behind(void)
{
	spawn_gated(queue_before_other);
}

static void spawn_next(void)
{
	spawn_gated(queue_0);
	items[0].body = run_counted_queue;
}

/* It has no slot, and nobody waits for it who waits for one. */
static void test_behind(void **state)
{
	const struct sim_scenario behind = {
		"one slot, one of another workqueue waits for the other pool",
		build_other,
		spawn_behind,
		check_shared,
		end,
	};
	const struct sim_scenario next = {
		"one slot, one of another workqueue in the next lease waits",
		build_other,
		spawn_next,
		check_shared,
		end,
	};

	(void)state;
	explore(&behind, 63);
	explore(&next, 63);
}

/* --- the limit is changed, or they begin to share --- */

static void build_not_shared(void)
{
	build_shared(2);
	for (int i = 0; i < 2; i++) {
		pool_lock(pool_of_cpu(i, false));
		pwqs[i].node = NULL;
		pwq_set_max_active(&pwqs[i], 2);
		pool_unlock(pool_of_cpu(i, false));
	}
}

static void begin_to_share(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		pool_lock(pool_of_cpu(i, false));
		pwq_share(&pwqs[i], &the_node);
		pool_unlock(pool_of_cpu(i, false));
	}
}

static void set_max(int max)
{
	atomic_store(&the_node.max, max);
	for (int i = 0; i < 2; i++) {
		struct pool *pool = pool_of_cpu(i, false);

		pool_lock(pool);
		pwq_set_max_active(&pwqs[i], max);
		if (!list_empty(&pool->worklist))
			cm_watch(pool, true);
		pool_unlock(pool);
	}
}

/* Frozen, nothing runs once that is said. */
static void freeze_and_thaw(void *arg)
{
	int active = 0, n;

	(void)arg;
	set_max(0);
	for (int i = 0; i < 2; i++) {
		pool_lock(pool_of_cpu(i, false));
		active += pwqs[i].nr_active;
		pool_unlock(pool_of_cpu(i, false));
	}
	n = total_runs();
	sim_yield();
	if (!active) {
		sim_check(the_node.nr == 0);
		sim_check(n == total_runs());
	}
	set_max(1);
}

static void run_plain(struct item *it)
{
	if (it->runs < 2)
		queue_on_cpu(0, (int)(it - items));
	sim_yield();
}

static void spawn_frozen(void)
{
	spawn_both();
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = run_plain;
	sim_spawn(freeze_and_thaw, NULL);
}

static void spawn_sharing(void)
{
	spawn_both();
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = run_plain;
	sim_spawn(begin_to_share, NULL);
}

static void test_changes(void **state)
{
	const struct sim_scenario frozen = {
		"one slot, two pools, frozen and thawed",
		build_one_slot,
		spawn_frozen,
		check_shared,
		end,
	};
	const struct sim_scenario sharing = {
		"two slots, two pools, they begin to share",
		build_not_shared,
		spawn_sharing,
		check_shared,
		end,
	};

	(void)state;
	explore(&frozen, 127);
	explore(&sharing, 127);
}

static void test_two_slots(void **state)
{
	const struct sim_scenario both = {
		"two slots, two pools",
		build_two_slots,
		spawn_both,
		check_shared,
		end,
	};
	const struct sim_scenario taken_back = {
		"two slots, two pools, one queues itself, one is taken back",
		build_two_slots,
		spawn_cancelled,
		check_shared,
		end,
	};

	(void)state;
	explore(&both, 15);
	explore(&taken_back, 63);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_one_slot),
		cmocka_unit_test(test_two_slots),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
