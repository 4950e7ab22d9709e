/* SPDX-License-Identifier: MIT */
/*
 * schedule_row - inactive items that a worker leases in a row, against everybody who
 * takes the lock, with a thread stopped at every step. See schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#define MAX_ITEMS 6
#include "unit/schedule_world.h"

static int max_active;
static int order[4 * MAX_ITEMS], nr_order;
static bool in_row[MAX_ITEMS];

static void build_rows(int max)
{
	build_tiny();
	build_wq(max);
	max_active = max;
	memset(in_row, 0, sizeof(in_row));
	nr_order = 0;
}

static void build_one(void)
{
	build_rows(1);
}

static void build_pair(void)
{
	build_rows(2);
}

/* Is what runs here leased, and was it inactive? */
static bool runs_in_row(void)
{
	struct worker *w = worker_self();
	struct lease *l = &w->lease;

	return pool_of_cpu(0, false)->lessee == w && !l->ended &&
	       item_of(l, (l->taken & ~LEASE_ENDED) - 1)->from == FROM_INACTIVE;
}

static void note(struct item *it)
{
	sim_check(inside_any++ < max_active);
	order[nr_order++] = (int)(it - items);
	in_row[it - items] |= runs_in_row();
	sim_yield();
	inside_any--;
}

/* All are on the lists before the first one starts, if nobody disturbs. */
static void queue_and_list(void *arg)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		queue_on_cpu(0, i);
	lock_and_unlock(arg);
}

static void spawn_row(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = note;
	sim_spawn(queue_and_list, NULL);
}

static void check_order(void)
{
	check_all_ran();
	for (int i = 1; i < nr_order; i++)
		sim_check(order[i - 1] < order[i]);
}

/* One of them is what these tests are about. */
static void check_row(void)
{
	check_order();
	for (int i = 0; i < MAX_ITEMS; i++)
		sim_check(items[i].runs == 1);
	sim_check(sim_run.stops || (in_row[2] && in_row[3] && in_row[4]));
}

static void test_a_row(void **state)
{
	const struct sim_scenario sc = {
		"a row", build_one, spawn_row, check_row, end,
	};

	(void)state;
	explore(&sc, 101);
}

static void cancel_3_sync(void *arg)
{
	(void)arg;
	cancelled += cancel_work_sync(&items[3].work);
	sim_check(!items[3].inside);
}

static void spawn_cancel(void)
{
	spawn_row();
	sim_spawn(cancel_3, NULL);
	sim_spawn(cancel_3_sync, NULL);
}

static void flush_3(void *arg)
{
	bool queued = work_pending(&items[3].work);

	(void)arg;
	flush_work(&items[3].work);
	sim_check(!queued || items[3].runs == 1);
}

static void spawn_flush(void)
{
	spawn_row();
	sim_spawn(flush_3, NULL);
	sim_spawn(flush_the_queue, NULL);
}

static void test_taken_back(void **state)
{
	const struct sim_scenario sc = {
		"one of a row is taken back",
		build_one,
		spawn_cancel,
		check_order,
		end,
	};

	(void)state;
	explore(&sc, 101);
}

static void test_flushed(void **state)
{
	const struct sim_scenario sc = {
		"a row is flushed", build_one, spawn_flush, check_order, end,
	};

	(void)state;
	explore(&sc, 101);
}

/* The items behind one that sleeps are as inactive as max_active says. */
static void spawn_sleeper(void)
{
	spawn_row();
	items[3].body = sleep_with_a_hint;
	items[4].body = open_gate;
}

static void test_one_sleeps(void **state)
{
	const struct sim_scenario sc = {
		"one of a row waits for the next one",
		build_pair,
		spawn_sleeper,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 101);
}

static void set_max_active(int n) NO_ANALYSIS
{
	struct pool *pool = pool_of_cpu(0, false);

	pwq_set_max_active(&pwqs[0], n);
	if (!list_empty(&pool->worklist))
		cm_watch(pool, true);
}

/* Meanwhile only what was active by then starts. */
static void queue_freeze_and_thaw(void *arg) NO_ANALYSIS
{
	struct pool *pool = pool_of_cpu(0, false);
	int may;

	queue_and_list(arg);
	pool_lock(pool);
	set_max_active(0);
	may = nr_order + pwqs[0].nr_active;
	pool_unlock(pool);
	while (pwqs[0].nr_active)
		sim_yield();
	pool_lock(pool);
	sim_check(nr_order <= may);
	set_max_active(max_active);
	pool_unlock(pool);
}

static void spawn_freeze(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = note;
	sim_spawn(queue_freeze_and_thaw, NULL);
}

static void test_frozen(void **state)
{
	const struct sim_scenario sc = {
		"the queue is frozen and thawed",
		build_pair,
		spawn_freeze,
		check_order,
		end,
	};

	(void)state;
	explore(&sc, 101);
}

/*
 * What the queue has in line is moved to the worklist by somebody who looks at the pool
 * for another reason, in the middle of a row.
 */
#define MANY   204 /* a few are left where the inbox is looked at in between */
#define SLOTS  8
#define SLOW_1 10
#define SLOW_2 140
#define POKE   190

static struct work_struct many[MANY];
static int many_ran;

/* So slow that the pool is tiny all the same, and twice is long enough. */
static void count_many(struct work_struct *work)
{
	int i = (int)(work - many);

	if (i == SLOW_1 || i == SLOW_2)
		sim_now += 6 * NSEC_PER_MSEC;
	if (i == POKE)
		pool_poke(pool_of_cpu(0, false));
	many_ran++;
}

static void build_many(void)
{
	build_rows(SLOTS);
	many_ran = 0;
	for (int i = 0; i < MANY; i++)
		INIT_WORK(&many[i], count_many);
}

static void queue_frozen_and_thaw(void *arg) NO_ANALYSIS
{
	struct pool *pool = pool_of_cpu(0, false);

	pool_lock(pool);
	set_max_active(0);
	pool_unlock(pool);
	for (int i = 0; i < MANY; i++)
		queue_work_on(0, &wq, &many[i]);
	lock_and_unlock(arg);
	pool_lock(pool);
	set_max_active(SLOTS);
	pool_unlock(pool);
}

static void spawn_many(void)
{
	sim_spawn(queue_frozen_and_thaw, NULL);
}

static void check_many(void)
{
	check_quiet();
	sim_check(many_ran == MANY);
}

static void test_row_moved(void **state)
{
	const struct sim_scenario sc = {
		"a row ends on the worklist",
		build_many,
		spawn_many,
		check_many,
		end,
	};

	(void)state;
	sim_undisturbed(&sc);
}

static int queued_before;

/* Behind all that is queued by now. */
static void note_and_requeue(struct item *it)
{
	note(it);
	if (it->runs)
		return;
	queued_before = nr_true;
	queue_on_cpu(0, (int)(it - items));
}

static void spawn_requeue(void)
{
	spawn_row();
	items[3].body = note_and_requeue;
}

static void spawn_requeue_and_queue(void)
{
	spawn_requeue();
	sim_spawn(queue_3_elsewhere, NULL);
	sim_spawn(cancel_3_sync, NULL);
}

static void check_requeue(void)
{
	int at = nr_order;

	check_all_ran();
	sim_check(items[3].runs == 2);
	while (order[--at] != 3)
		;
	sim_check(at >= queued_before);
}

static void test_requeued(void **state)
{
	const struct sim_scenario alone = {
		"one of a row queues itself",
		build_one,
		spawn_requeue,
		check_requeue,
		end,
	};
	const struct sim_scenario others = {
		"it is queued elsewhere and taken back, too",
		build_pair,
		spawn_requeue_and_queue,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&alone, 101);
	explore(&others, 101);
}

/* In a forked child records are used again that were left in the middle of a lease. */
static void test_a_record_used_again(void **state)
{
	struct worker *w;

	(void)state;
	build_one();
	w = worker_alloc(pool_of_cpu(0, false));
	w->lease.row = &pwqs[0];
	w->lease.gather = true;
	worker_free(w);
	assert_ptr_equal(worker_alloc(pool_of_cpu(0, false)), w);
	assert_null(w->lease.row);
	assert_false(w->lease.gather);
	worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_row),
		cmocka_unit_test(test_taken_back),
		cmocka_unit_test(test_flushed),
		cmocka_unit_test(test_one_sleeps),
		cmocka_unit_test(test_frozen),
		cmocka_unit_test(test_row_moved),
		cmocka_unit_test(test_requeued),
		cmocka_unit_test(test_a_record_used_again),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
