/* SPDX-License-Identifier: MIT */
/*
 * schedule_lease - items that a worker runs in a row without the lock, against
 * everybody who takes it, with a thread stopped at every step.
 * See schedule.h.
 *
 * rooms: log life param symbol
 * timeout: 300
 */
#include "unit/schedule_world.h"

static void build_tiny_one_active(void)
{
	build_tiny();
	build_wq(1);
}

static void queue_the_others(struct item *it)
{
	if (it->runs)
		return;
	for (int i = 1; i < MAX_ITEMS; i++)
		queue_on_cpu(0, i);
}

/* Items 1 to 3 come in one lease, if nobody disturbs. */
static void spawn_lease(void)
{
	items[0].body = queue_the_others;
	sim_spawn(queue_0, NULL);
}

/* That it is what these tests are about. */
static struct work_struct *leased[MAX_ITEMS];

static void note_lease(struct item *it)
{
	struct worker *w = worker_self();

	if (pool_of_cpu(0, false)->lessee == w && !w->lease.ended)
		leased[it - items] = &it->work;
}

static void spawn_undisturbed(void)
{
	memset(leased, 0, sizeof(leased));
	for (int i = 1; i < MAX_ITEMS; i++)
		items[i].body = note_lease;
	spawn_lease();
}

static void check_undisturbed(void)
{
	check_all_ran();
	for (int i = 1; i < MAX_ITEMS; i++)
		sim_check(items[i].runs == 1 && (sim_run.stops || leased[i]));
}

static void test_a_lease(void **state)
{
	const struct sim_scenario sc = {
		"a lease",	   build_tiny, spawn_undisturbed,
		check_undisturbed, end,
	};
	const struct sim_scenario one = {
		"a lease, one item active at a time",
		build_tiny_one_active,
		spawn_undisturbed,
		check_undisturbed,
		end,
	};

	(void)state;
	explore(&sc, 31);
	explore(&one, 31);
}

/* --- taken back, waited for --- */

static void cancel_2(void *arg)
{
	(void)arg;
	cancelled += cancel_work(&items[2].work);
}

static void cancel_2_sync(void *arg)
{
	(void)arg;
	cancelled += cancel_work_sync(&items[2].work);
	sim_check(items[2].inside == 0 || nr_true > 4);
}

static void spawn_cancel(void)
{
	spawn_lease();
	sim_spawn(cancel_2, NULL);
	sim_spawn(cancel_2_sync, NULL);
}

static void test_cancel(void **state)
{
	const struct sim_scenario sc = {
		"two cancels against a lease",
		build_tiny,
		spawn_cancel,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

static void flush_2(void *arg)
{
	bool queued = work_pending(&items[2].work);

	(void)arg;
	flush_work(&items[2].work);
	sim_check(!queued || items[2].runs == 1);
}

static void spawn_flush(void)
{
	spawn_lease();
	sim_spawn(flush_2, NULL);
	sim_spawn(flush_the_queue, NULL);
}

static void test_flush(void **state)
{
	const struct sim_scenario sc = {
		"flushes against a lease",
		build_tiny,
		spawn_flush,
		check_all_ran,
		end,
	};
	const struct sim_scenario one = {
		"the same, one item active at a time",
		build_tiny_one_active,
		spawn_flush,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
	explore(&one, 31);
}

/* --- the running item queues itself --- */

static void requeue_twice(struct item *it)
{
	note_lease(it);
	if (it->runs < 2)
		queue_on_cpu(0, (int)(it - items));
}

static void spawn_requeue(void)
{
	spawn_lease();
	memset(leased, 0, sizeof(leased));
	items[3].body = requeue_twice;
}

static void check_requeue(void)
{
	check_all_ran();
	sim_check(items[3].runs == 3 && (sim_run.stops || leased[3]));
}

static void spawn_requeue_and_queue(void)
{
	spawn_requeue();
	sim_spawn(queue_3_elsewhere, NULL);
}

static void flush_3(void *arg)
{
	(void)arg;
	flush_work(&items[3].work);
}

static void spawn_requeue_and_others(void)
{
	spawn_requeue();
	sim_spawn(flush_the_queue, NULL);
	sim_spawn(flush_3, NULL);
}

static void spawn_requeue_and_cancel(void)
{
	spawn_requeue();
	sim_spawn(cancel_3, NULL);
	sim_spawn(flush_the_queue, NULL);
}

static void test_requeue(void **state)
{
	const struct sim_scenario alone = {
		"an item of a lease queues itself",
		build_tiny,
		spawn_requeue,
		check_requeue,
		end,
	};
	const struct sim_scenario queued = {
		"it is queued from elsewhere, too",
		build_tiny,
		spawn_requeue_and_queue,
		check_all_ran,
		end,
	};
	const struct sim_scenario flushed = {
		"it is flushed", build_tiny, spawn_requeue_and_others,
		check_all_ran,	 end,
	};
	const struct sim_scenario taken = {
		"it is taken back", build_tiny, spawn_requeue_and_cancel,
		check_all_ran,	    end,
	};

	(void)state;
	explore(&alone, 31);
	explore(&queued, 31);
	explore(&flushed, 31);
	explore(&taken, 31);
}

/* It has queued itself, and sleeps until somebody has found that. */
static void requeue_and_sleep(struct item *it)
{
	if (it->runs)
		return;
	queue_on_cpu(0, (int)(it - items));
	while (!gate)
		sim_futex_wait(&gate, 0);
}

static void await_pending_and_cancel(void *arg)
{
	bool taken;

	(void)arg;
	while (!items[3].inside || !work_pending(&items[3].work))
		sim_yield();
	taken = cancel_work(&items[3].work);
	sim_check(taken && !work_pending(&items[3].work));
	cancelled += taken;
	open_gate(&items[3]);
}

static void spawn_late(void)
{
	spawn_lease();
	items[3].body = requeue_and_sleep;
	sim_spawn(lock_and_unlock, NULL);
	sim_spawn(await_pending_and_cancel, NULL);
}

/* cancel_work() does not wait for a function to return. */
static void test_requeued_and_taken_back_at_once(void **state)
{
	const struct sim_scenario sc = {
		"a requeued item whose function sleeps is taken back",
		build_tiny,
		spawn_late,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* Whoever knows that it has queued itself is told so, and the next run sees what he
 * wrote before. */
static void await_pending_and_queue(void *arg)
{
	(void)arg;
	while (!items[3].inside || !work_pending(&items[3].work))
		sim_yield();
	sim_check(!queue_on_cpu(1, 3));
	open_gate(&items[3]);
}

/* Whoever waits for it waits for the second run. */
static void await_pending_and_flush(void *arg)
{
	(void)arg;
	while (!items[3].inside || !work_pending(&items[3].work))
		sim_yield();
	open_gate(&items[3]);
	flush_work(&items[3].work);
	sim_check(items[3].runs == 2);
}

static void spawn_known_and_flushed(void)
{
	spawn_lease();
	items[3].body = requeue_and_sleep;
	sim_spawn(await_pending_and_flush, NULL);
}

static void spawn_known(void)
{
	spawn_lease();
	items[3].body = requeue_and_sleep;
	sim_spawn(lock_and_unlock, NULL);
	sim_spawn(await_pending_and_queue, NULL);
}

static void check_known(void)
{
	check_all_ran();
	sim_check(items[3].runs == 2);
	sim_check(items[3].seen == items[3].payload);
}

static void test_requeued_as_somebody_knows(void **state)
{
	const struct sim_scenario sc = {
		"a requeued item is queued by somebody who knows it",
		build_tiny,
		spawn_known,
		check_known,
		end,
	};

	const struct sim_scenario flushed = {
		"a requeued item is flushed by somebody who knows it",
		build_tiny,
		spawn_known_and_flushed,
		check_known,
		end,
	};

	(void)state;
	explore(&sc, 31);
	explore(&flushed, 31);
}

/* Two who do not know claim it at any moment, one of them to take it back. */
static void cancel_3_sync(void *arg)
{
	(void)arg;
	cancelled += cancel_work_sync(&items[3].work);
}

static void disable_3(void *arg)
{
	(void)arg;
	cancelled += disable_work(&items[3].work);
	enable_work(&items[3].work);
}

static void spawn_claimed(void)
{
	spawn_requeue();
	sim_spawn(queue_3_elsewhere, NULL);
	sim_spawn(cancel_3_sync, NULL);
}

static void spawn_disabled(void)
{
	spawn_requeue();
	sim_spawn(disable_3, NULL);
	sim_spawn(flush_3, NULL);
}

static void test_requeued_and_claimed(void **state)
{
	const struct sim_scenario claimed = {
		"it is queued and taken back elsewhere",
		build_tiny,
		spawn_claimed,
		check_all_ran,
		end,
	};
	const struct sim_scenario disabled = {
		"it is disabled, and flushed",
		build_tiny,
		spawn_disabled,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&claimed, 31);
	explore(&disabled, 31);
}

/* --- one of them sleeps --- */

static void spawn_sleeper(void)
{
	spawn_lease();
	items[1].body = sleep_with_a_hint;
	items[3].body = open_gate;
}

static void test_others_run_what_is_behind_a_sleeper(void **state)
{
	const struct sim_scenario sc = {
		"an item of a lease waits for one behind it",
		build_tiny,
		spawn_sleeper,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&sc, 31);
}

/* --- what is on the worklist is leased as well --- */

static void queue_all(void *arg)
{
	(void)arg;
	for (int i = 0; i < MAX_ITEMS; i++)
		queue_on_cpu(0, i);
}

static void spawn_listed(void)
{
	memset(leased, 0, sizeof(leased));
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = note_lease;
	sim_spawn(queue_all, NULL);
}

static void spawn_listed_and_taken(void)
{
	spawn_listed();
	sim_spawn(cancel_2, NULL);
	sim_spawn(cancel_2_sync, NULL);
}

static void spawn_listed_and_flushed(void)
{
	spawn_listed();
	sim_spawn(flush_2, NULL);
	sim_spawn(flush_the_queue, NULL);
}

static void spawn_listed_and_queued_again(void)
{
	spawn_listed();
	items[3].body = requeue_twice;
	sim_spawn(cancel_3, NULL);
	sim_spawn(queue_3_elsewhere, NULL);
}

static void test_a_lease_of_listed_items(void **state)
{
	const struct sim_scenario alone = {
		"a lease of listed items", build_tiny, spawn_listed,
		check_undisturbed,	   end,
	};
	const struct sim_scenario taken = {
		"one of them is taken back",
		build_tiny,
		spawn_listed_and_taken,
		check_all_ran,
		end,
	};
	const struct sim_scenario flushed = {
		"they are flushed", build_tiny, spawn_listed_and_flushed,
		check_all_ran,	    end,
	};
	const struct sim_scenario again = {
		"one of them queues itself, is queued elsewhere and taken back",
		build_tiny,
		spawn_listed_and_queued_again,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&alone, 31);
	explore(&taken, 31);
	explore(&flushed, 31);
	explore(&again, 31);
}

/* --- what a lease must not do --- */

static void reuse_fn(struct work_struct *work)
{
	item_fn(work);
}

/* Freed by its own function, the memory is that of another item. */
static void reuse_and_cancel(struct item *it)
{
	if (it->runs)
		return;
	INIT_WORK(&it->work, reuse_fn);
	if (queue_on_cpu(0, (int)(it - items)))
		cancelled += cancel_work(&it->work);
}

static void spawn_reuse(void)
{
	spawn_lease();
	items[3].body = reuse_and_cancel;
}

static void test_reuse(void **state)
{
	const struct sim_scenario sc = {
		"an item's memory is reused in its function",
		build_tiny,
		spawn_reuse,
		check_all_ran,
		end,
	};
	(void)state;
	explore(&sc, 31);
}

/* --- order --- */

static struct workqueue_struct wq_b;
static _Alignas(64) struct pwq pwq_b[2];
static _Atomic(struct pwq *) table_b[2];
static int order[16], nr_order;

static void build_two(void)
{
	build_tiny_one_active();
	memset(&wq_b, 0, sizeof(wq_b));
	lock_init(&wq_b.lock, RANK_WQ);
	wq_b.magic = WQ_MAGIC;
	wq_b.flags = WQ_PERCPU;
	wq_b.pwq_of = table_b;
	list_init(&wq_b.pwqs);
	wq_b.max_active = 16;
	strcpy(wq_b.name, "b");
	for (int i = 0; i < 2; i++) {
		pwq_init(&pwq_b[i], &wq_b, pool_of_cpu(i, false), 16);
		list_add_tail(&pwq_b[i].wq_link, &wq_b.pwqs);
		table_b[i] = &pwq_b[i];
	}
	nr_order = 0;
}

static void note_order(struct item *it)
{
	order[nr_order++] = (int)(it - items);
	if (it == &items[2] && it->runs < 2)
		queue_on_cpu(0, 2);
}

/* 0 and 1 of b, 2 and 3 of the one with max_active 1; 3 is before 2's second. */
static void queue_two(void *arg)
{
	struct work_struct *b[2] = { &items[0].work, &items[1].work };
	(void)arg;
	pool_lock(pool_of_cpu(0, false));
	queue_work_on(0, &wq_b, b[0]);
	queue_work_on(0, &wq_b, b[1]);
	nr_true += 2;
	queue_on_cpu(0, 2);
	queue_on_cpu(0, 3);
	pool_unlock(pool_of_cpu(0, false));
}

static void spawn_two(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = note_order;
	sim_spawn(queue_two, NULL);
}

static void check_two(void)
{
	int at2 = 0, at3 = -1, n2 = 0;
	check_all_ran();
	for (int i = 0; i < nr_order; i++) {
		if (order[i] == 2 && ++n2 == 2)
			at2 = i;
		if (order[i] == 3)
			at3 = i;
	}
	sim_check(at3 < at2);
}

static void test_order(void **state)
{
	const struct sim_scenario sc = {
		"a requeued item does not overtake an inactive one",
		build_two,
		spawn_two,
		check_two,
		end,
	};
	(void)state;
	explore(&sc, 31);
}

/* --- node --- */

static struct node the_node;

static void build_node(void)
{
	build_two();
	build_wq(1);
	node_init(&the_node, 4);
	pwqs[0].node = &the_node;
	pwqs[1].node = &the_node;
	pwqs[0].limit = pwqs[1].limit = 0;
}

static void note_node(struct item *it)
{
	if (it == &items[2] && it->runs < 2) {
		queue_on_cpu(0, 2);
		if (it->runs == 1) {
			pool_lock(pool_of_cpu(0, false));
			pool_unlock(pool_of_cpu(0, false));
		}
	}
}

static void queue_node(void *arg)
{
	(void)arg;
	pool_lock(pool_of_cpu(0, false));
	queue_work_on(0, &wq_b, &items[0].work);
	queue_work_on(0, &wq_b, &items[1].work);
	nr_true += 2;
	queue_on_cpu(0, 2);
	pool_unlock(pool_of_cpu(0, false));
}

static void spawn_node(void)
{
	for (int i = 0; i < MAX_ITEMS; i++)
		items[i].body = note_node;
	sim_spawn(queue_node, NULL);
}

static void check_node(void)
{
	check_all_ran();
	sim_check(the_node.nr == 0);
}

static void test_node(void **state)
{
	const struct sim_scenario sc = {
		"a slot of a node is taken for each run",
		build_node,
		spawn_node,
		check_node,
		end,
	};
	(void)state;
	explore(&sc, 31);
}

/* --- what was said of a lease that is over --- */

/* Item 3 queues itself, then its lease is ended while it runs. In the next one another
 * is behind it. */
static void outlive_a_lease(struct item *it)
{
	if (it->runs != 1) {
		if (it->runs < 3)
			sim_check(queue_on_cpu(0, 3));
		return;
	}
	lock_and_unlock(NULL);
	for (int i = 1; i <= 3; i++)
		sim_check(queue_on_cpu(0, i == 1 ? 1 : 5 - i));
}

static void queue_3(struct item *it)
{
	if (!it->runs)
		queue_on_cpu(0, 3);
}

static void spawn_outliving(void)
{
	items[0].body = queue_3;
	items[3].body = outlive_a_lease;
	sim_spawn(queue_0, NULL);
}

static void check_outliving(void)
{
	check_all_ran();
	sim_check(items[3].runs == 4 && total_runs() == 7);
}

/* The next lease has as many items as the one before it would have with one run more. */
static void refill(struct item *it)
{
	if (it->runs == 0)
		queue_on_cpu(0, 3);
	if (it->runs != 1)
		return;
	sim_yield();
	for (int i = 0; i < 3; i++)
		queue_on_cpu(0, i);
}

static void queue_3_in_its_second_run(void *arg)
{
	while (!items[3].runs || (items[3].runs == 1 && !items[3].inside))
		sim_yield();
	queue_3_elsewhere(arg);
}

static void spawn_refill(void)
{
	items[0].body = queue_3;
	items[3].body = refill;
	sim_spawn(queue_0, NULL);
	sim_spawn(queue_3_in_its_second_run, NULL);
}

/* Whoever gave up has been seen by a run. */
static void check_seen(void)
{
	check_all_ran();
	sim_check(items[3].seen == items[3].payload);
}

static void test_the_next_lease(void **state)
{
	const struct sim_scenario sc = {
		"an item that has queued itself in an ended lease",
		build_tiny,
		spawn_outliving,
		check_outliving,
		end,
	};
	const struct sim_scenario refilled = {
		"an item is queued in between two leases",
		build_tiny,
		spawn_refill,
		check_seen,
		end,
	};

	(void)state;
	explore(&sc, 101);
	explore(&refilled, 101);
}

/* --- what is known of a requeued item while somebody claims it for the lessee --- */

static bool has_requeued;

static void requeue_and_tell(struct item *it)
{
	if (it->runs)
		return;
	has_requeued = queue_on_cpu(0, 3);
	while (!gate)
		sim_futex_wait(&gate, 0);
}

static void await_pending(void)
{
	while (!has_requeued)
		sim_yield();
}

static void await_pending_and_lock(void *arg)
{
	await_pending();
	lock_and_unlock(arg);
}

static void await_pending_and_look(void *arg)
{
	(void)arg;
	await_pending();
	sim_check(work_pending(&items[3].work));
	sim_check(!queue_on_cpu(1, 3));
	open_gate(&items[3]);
}

static void await_requeue_and_cancel(void *arg)
{
	await_pending();
	await_pending_and_cancel(arg);
}

static void spawn_look(void)
{
	spawn_lease();
	has_requeued = false;
	items[3].body = requeue_and_tell;
	sim_spawn(await_pending_and_lock, NULL);
	sim_spawn(await_pending_and_look, NULL);
}

static void spawn_take_back(void)
{
	spawn_lease();
	has_requeued = false;
	items[3].body = requeue_and_tell;
	sim_spawn(await_pending_and_lock, NULL);
	sim_spawn(await_requeue_and_cancel, NULL);
}

static void test_requeued_and_claimed_for_the_lessee(void **state)
{
	const struct sim_scenario look = {
		"a requeued item is pending all the time",
		build_tiny,
		spawn_look,
		check_known,
		end,
	};
	const struct sim_scenario taken = {
		"a requeued item is taken back all the time",
		build_tiny,
		spawn_take_back,
		check_all_ran,
		end,
	};

	(void)state;
	explore(&look, 101);
	explore(&taken, 101);
}

/* --- signals --- */

/* A handler in the worker, when its run number @n is over or begins. */
static bool requeue_in_handler(struct worker *w)
{
	return lease_requeue(w, &wq, &items[0].work);
}

static void test_a_handler_between_two_runs(void **state)
{
	struct worker *w;
	struct lease *l;

	(void)state;
	build();
	w = worker_alloc(pool_of_cpu(0, false));
	l = &w->lease;
	publish(w, pool_of_cpu(0, false), &items[0].work, item_fn, &pwqs[0]);
	clear_pending(w, &items[0].work);
	*l = (struct lease){
		.nr = 1, .end = 1, .open = true, .idle_word = lease_idle_word(w)
	};
	assert_true(lease_take(l, 0));
	assert_true(requeue_in_handler(w));
	assert_false(requeue_in_handler(w));
	assert_true(work_pending(&items[0].work));
	assert_true(lease_done(l, 0));
	/* It is still to be begun. */
	assert_false(requeue_in_handler(w));
	assert_true(work_pending(&items[0].work));
	assert_true(lease_take(l, 1));
	assert_false(work_pending(&items[0].work));
	assert_true(requeue_in_handler(w));
	assert_true(lease_done(l, 1));
	assert_true(lease_take(l, 2));
	assert_false(lease_done(l, 2));
	assert_false(requeue_in_handler(w));
	assert_false(lease_take(l, 3));
	worker_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_lease),
		cmocka_unit_test(test_cancel),
		cmocka_unit_test(test_flush),
		cmocka_unit_test(test_requeue),
		cmocka_unit_test(test_requeued_and_taken_back_at_once),
		cmocka_unit_test(test_requeued_as_somebody_knows),
		cmocka_unit_test(test_requeued_and_claimed),
		cmocka_unit_test(test_requeued_and_claimed_for_the_lessee),
		cmocka_unit_test(test_the_next_lease),
		cmocka_unit_test(test_a_handler_between_two_runs),
		cmocka_unit_test(test_a_lease_of_listed_items),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_node),
		cmocka_unit_test(test_others_run_what_is_behind_a_sleeper),
	};

	sim_begin();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
