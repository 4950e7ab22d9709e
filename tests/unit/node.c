/* SPDX-License-Identifier: MIT */
/*
 * node - slots that pwqs share: the limit, the line, whose turn it is.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

HOUSE_TIMER_STUBS

static struct node node;
static struct node_waiter waiter[3];
static struct pool *pool[3];

static int setup(void **state)
{
	(void)state;
	house_build(WQ_UNBOUND, 1);
	memset(waiter, 0, sizeof(waiter));
	for (int i = 0; i < 3; i++)
		pool[i] = pool_of_cpu(i, false);
	node_init(&node, 2);
	return 0;
}

static void test_limit(void **state)
{
	(void)state;
	assert_true(node_take(&node));
	assert_true(node_take(&node));
	assert_false(node_take(&node));
	assert_null(node_give(&node));
	assert_true(node_take(&node));
	atomic_store(&node.max, 3);
	assert_true(node_take(&node));
	/* Lowered below what is taken: what is given back is gone. */
	atomic_store(&node.max, 1);
	assert_null(node_give(&node));
	assert_false(node_take(&node));
	assert_null(node_give(&node));
	assert_false(node_take(&node));
	assert_null(node_give(&node));
	assert_true(node_take(&node));
}

/* Those in line take turns; one that leaves is passed over. */
static void test_line(void **state)
{
	(void)state;
	assert_true(node_take(&node));
	assert_true(node_take(&node));
	for (int i = 0; i < 3; i++)
		node_wait(&node, &waiter[i], pool[i]);
	/* Standing in line twice is once. */
	node_wait(&node, &waiter[0], pool[0]);
	assert_int_equal(node.nr_waiting, 3);
	assert_null(node_next(&node));
	assert_ptr_equal(node_give(&node), pool[0]);
	/* A turn is a hint: until somebody takes it the slot is there. */
	assert_ptr_equal(node_next(&node), pool[1]);
	assert_true(node_take(&node));
	assert_null(node_next(&node));
	node_leave(&node, &waiter[2]);
	assert_ptr_equal(node_give(&node), pool[0]);
	assert_ptr_equal(node_next(&node), pool[1]);
	node_leave(&node, &waiter[0]);
	node_leave(&node, &waiter[0]);
	node_leave(&node, &waiter[1]);
	assert_int_equal(node.nr_waiting, 0);
	assert_null(node_next(&node));
}

/* --- with pwqs: two pools, one node of two slots --- */

static struct pwq *pwq[2];

static void share(void) NO_ANALYSIS
{
	house_build(WQ_PERCPU, 4);
	node_init(&node, 2);
	for (int i = 0; i < 2; i++) {
		pool[i] = pool_of_cpu(i, false);
		pwq[i] = &house.pwqs[i];
		pwq_share(pwq[i], &node);
	}
	pwq_kick = cm_kick;
}

static void look(int i) NO_ANALYSIS
{
	pool_lock(pool[i]);
	pool_unlock(pool[i]);
}

static void queue(int cpu, int from, int to)
{
	for (int i = from; i <= to; i++)
		assert_true(house_queue(cpu, i));
	look(cpu);
}

static void test_pwqs_share(void **state)
{
	(void)state;
	share();
	queue(0, 0, 3);
	queue(1, 4, 6);
	assert_int_equal(house_len(&pool[0]->worklist), 2);
	assert_int_equal(house_len(&pool[1]->worklist), 0);
	assert_int_equal(node.nr_waiting, 2);
	/* Item 0 ends: pool 0 is first in line, and goes on by itself. */
	house_run_one(pwq[0], 0);
	assert_int_equal(house_at(&pool[0]->worklist, 1), 2);
	assert_int_equal(pool[1]->inbox, 0);
	/* The next slot is pool 1's, which is poked. */
	house_run_one(pwq[0], 1);
	assert_int_equal(pool[1]->inbox & INBOX_POKE, INBOX_POKE);
	assert_int_equal(house_len(&pool[1]->worklist), 0);
	look(1);
	assert_int_equal(house_at(&pool[1]->worklist, 0), 4);
	assert_int_equal(node.nr, 2);
	/* And so on until all have run. */
	house_run_one(pwq[0], 2);
	assert_int_equal(house_at(&pool[0]->worklist, 0), 3);
	house_run_one(pwq[1], 4);
	look(1);
	house_run_one(pwq[1], 5);
	house_run_one(pwq[0], 3);
	look(1);
	house_run_one(pwq[1], 6);
	assert_int_equal(node.nr, 0);
	assert_int_equal(node.nr_waiting, 0);
	assert_int_equal(pwq[0]->saturated | pwq[1]->saturated, false);
	assert_true(list_empty(&pool[0]->held));
	assert_true(list_empty(&pool[1]->held));
}

/* Where items are tiny a turn is as long as many of them; then it is passed on. */
static void test_tiny_items_keep_the_turn(void **state) NO_ANALYSIS
{
	(void)state;
	share();
	fake.now = NSEC_PER_MSEC * 1000;
	pool[0]->tiny = true;
	queue(0, 0, 9);
	queue(1, 10, 11);
	pwq[0]->turned_at = fake.now;
	for (int i = 0; i < 3; i++)
		house_run_one(pwq[0], i);
	assert_int_equal(house_at(&pool[0]->worklist, 1), 4);
	assert_int_equal(pwq[0]->nr_active, 2);
	assert_int_equal(node.nr, 2);
	assert_int_equal(pool[1]->inbox, 0);
	/* It was pool 0's turn, so the other one is next; and then it has passed it on. */
	fake.now += 100 * NSEC_PER_USEC;
	house_run_one(pwq[0], 3);
	assert_int_equal(house_at(&pool[0]->worklist, 1), 5);
	fake.now += 100 * NSEC_PER_USEC;
	house_run_one(pwq[0], 4);
	assert_int_equal(pool[1]->inbox & INBOX_POKE, INBOX_POKE);
	assert_int_equal(pwq[0]->turned_at, fake.now);
	look(1);
	assert_int_equal(house_at(&pool[1]->worklist, 0), 10);
	house_run_one(pwq[0], 5);
	assert_int_equal(house_at(&pool[0]->worklist, 0), 6);
	/* The limit was lowered: no slot is left that could be kept. */
	atomic_store(&node.max, 1);
	house_run_one(pwq[0], 6);
	assert_int_equal(house_len(&pool[0]->worklist), 0);
	assert_int_equal(node.nr, 1);
	atomic_store(&node.max, 2);
	look(1);
	house_run_one(pwq[1], 10);
	look(0);
	/* The last that waits takes the slot with it, and leaves the line. */
	while (node.nr_waiting) {
		look(0);
		look(1);
		if (!list_empty(&pool[0]->worklist))
			house_run_one(pwq[0], house_at(&pool[0]->worklist, 0));
		else
			house_run_one(pwq[1], house_at(&pool[1]->worklist, 0));
	}
	assert_true(list_empty(&pool[0]->held));
	assert_int_equal(node.nr, house_len(&pool[0]->worklist) +
					  house_len(&pool[1]->worklist));
	pool[0]->tiny = false;
}

/* With a single slot each has it for as long, from when it got it. */
static void test_turns_are_equally_long(void **state) NO_ANALYSIS
{
	(void)state;
	share();
	atomic_store(&node.max, 1);
	fake.now = NSEC_PER_MSEC * 1000;
	pool[0]->tiny = pool[1]->tiny = true;
	queue(0, 0, 5);
	queue(1, 10, 13);
	/* The first in line was pool 0 itself. */
	house_run_one(pwq[0], 0);
	assert_int_equal(house_at(&pool[0]->worklist, 0), 1);
	fake.now += 100 * NSEC_PER_USEC;
	house_run_one(pwq[0], 1);
	assert_int_equal(house_len(&pool[0]->worklist), 0);
	for (int n = 0; n < 2; n++) {
		int other = !n;

		look(other);
		assert_int_equal(house_len(&pool[other]->worklist), 1);
		fake.now += 99 * NSEC_PER_USEC;
		house_run_one(pwq[other], house_at(&pool[other]->worklist, 0));
		assert_int_equal(house_len(&pool[other]->worklist), 1);
		assert_int_equal(pool[n]->inbox, 0);
		fake.now += NSEC_PER_USEC;
		house_run_one(pwq[other], house_at(&pool[other]->worklist, 0));
		assert_int_equal(house_len(&pool[other]->worklist), 0);
		assert_int_equal(pool[n]->inbox & INBOX_POKE, INBOX_POKE);
	}
	pool[0]->tiny = pool[1]->tiny = false;
}

/* --- leases: one slot in hand --- */

static struct worker *become_lessee(int i) NO_ANALYSIS
{
	static struct lease_item item[LEASE_MAX];
	struct worker *w = house_worker(pool[i]);

	w->lease.item = item;
	pool[i]->tiny = true;
	return w;
}

/* Runs all, with nobody there who ends it. */
static void run_lease(struct worker *w) NO_ANALYSIS
{
	for (uint32_t n = 0; lease_take(&w->lease, n); n++) {
		struct work_struct *work = w->lease.item[n].work;

		work_exchange(work, lease_idle_word(w));
		lease_done(&w->lease, n);
	}
	assert_true(lease_end(w, atomic_load(&w->pool)));
}

static void test_a_slot_in_hand(void **state) NO_ANALYSIS
{
	struct worker *w;

	(void)state;
	share();
	w = become_lessee(0);
	for (int i = 0; i < 4; i++)
		house_queue(0, i);
	assert_true(lease_begin(w, pool[0]));
	assert_int_equal(w->lease.nr, 4);
	assert_int_equal(node.nr, 1);
	assert_int_equal(pwq[0]->nr_active, 0);
	run_lease(w);
	/* It is kept for the next lease, and given back after the last. */
	assert_int_equal(node.nr, 1);
	house_queue(0, 4);
	assert_true(lease_begin(w, pool[0]));
	assert_int_equal(node.nr, 1);
	run_lease(w);
	assert_false(lease_begin(w, pool[0]));
	lease_end_row(w);
	assert_int_equal(node.nr, 0);
	assert_int_equal(pwq[0]->completed, 5);
}

/* Whoever is in line comes first: no lease then, and no other one after this. */
static void test_no_lease_before_the_line(void **state) NO_ANALYSIS
{
	struct worker *w;

	(void)state;
	share();
	w = become_lessee(0);
	house_queue(0, 0);
	assert_true(lease_begin(w, pool[0]));
	queue(1, 4, 5);
	assert_int_equal(house_len(&pool[1]->worklist), 1);
	assert_int_equal(node.nr_waiting, 1);
	run_lease(w);
	house_queue(0, 1);
	assert_false(lease_begin(w, pool[0]));
	lease_end_row(w);
	assert_int_equal(pool[1]->inbox & INBOX_POKE, INBOX_POKE);
	look(1);
	assert_int_equal(house_len(&pool[1]->worklist), 2);
	/* The other one stands in line behind them. */
	assert_int_equal(pwq[0]->nr_active, 0);
	assert_int_equal(node.nr_waiting, 1);
	house_run_one(pwq[1], 4);
	look(0);
	house_run_one(pwq[0], 1);
	house_run_one(pwq[1], 5);
	assert_int_equal(node.nr, 0);
	/* No slot: no lease. */
	atomic_store(&node.max, 0);
	house_queue(0, 2);
	assert_false(lease_begin(w, pool[0]));
	assert_null(w->lease.slot);
	assert_int_equal(pwq[0]->nr_active, 0);
}

/* Nor one run more of an item that queues itself: it may be a long one. */
static void test_no_run_before_the_line(void **state) NO_ANALYSIS
{
	struct work_struct *work = &house.item[0];
	struct worker *w;

	(void)state;
	share();
	atomic_store(&node.max, 1);
	w = become_lessee(0);
	house_queue(0, 0);
	assert_true(lease_begin(w, pool[0]));
	assert_true(lease_take(&w->lease, 0));
	atomic_store(&w->current_wq, &house.wq);
	atomic_store(&w->current_func, work->func);
	atomic_store(&w->current_work, work);
	work_exchange(work, lease_idle_word(w));
	assert_true(lease_requeue(w, &house.wq, work));
	assert_true(lease_done(&w->lease, 0));
	assert_true(lease_take(&w->lease, 1));
	queue(1, 4, 4);
	assert_int_equal(node.nr_waiting, 1);
	assert_false(lease_requeue(w, &house.wq, work));
	assert_false(lease_done(&w->lease, 1));
	atomic_store(&w->current_work, NULL);
	assert_false(lease_take(&w->lease, 2));
	assert_true(lease_end(w, pool[0]));
	lease_end_row(w);
	assert_int_equal(pool[1]->inbox & INBOX_POKE, INBOX_POKE);
	look(1);
	house_run_one(pwq[1], 4);
	assert_int_equal(node.nr, 0);
}

/* Who ends a lease leaves the slot to the item that runs. */
static void test_the_slot_of_one_that_runs_on(void **state) NO_ANALYSIS
{
	struct worker *w;

	(void)state;
	share();
	atomic_store(&node.max, 1);
	w = become_lessee(0);
	house_queue(0, 0);
	house_queue(0, 1);
	assert_true(lease_begin(w, pool[0]));
	assert_true(lease_take(&w->lease, 0));
	work_exchange(&house.item[0], lease_idle_word(w));
	look(0);
	assert_null(w->lease.slot);
	assert_int_equal(pwq[0]->nr_active, 1);
	assert_int_equal(node.nr, 1);
	assert_int_equal(house_len(&pool[0]->worklist), 0);
	lease_done(&w->lease, 0);
	assert_false(lease_end(w, pool[0]));
	assert_ptr_equal(w->lease.running, pwq[0]);
	pwq_item_done(pwq[0], w->current_colour);
	assert_int_equal(house_at(&pool[0]->worklist, 0), 1);
	house_run_one(pwq[0], 1);
	assert_int_equal(node.nr, 0);
	/* Nothing runs: it is given back. */
	house_queue(0, 2);
	assert_true(lease_begin(w, pool[0]));
	assert_int_equal(node.nr, 1);
	look(0);
	assert_int_equal(pwq[0]->nr_active, 1);
	assert_int_equal(node.nr, 1);
	assert_false(lease_take(&w->lease, 0));
	assert_false(lease_end(w, pool[0]));
	assert_null(w->lease.running);
	house_run_one(pwq[0], 2);
	assert_int_equal(node.nr, 0);
}

/* Who is cancelled while it is his turn passes it on. */
static void test_turn_is_passed_on(void **state) NO_ANALYSIS
{
	(void)state;
	share();
	queue(0, 0, 1);
	queue(1, 2, 2);
	queue(0, 3, 3);
	house_run_one(pwq[0], 0);
	assert_int_equal(pool[1]->inbox & INBOX_POKE, INBOX_POKE);
	/* pool 1's lock drains, which takes the slot; that item is taken back. */
	pool_lock(pool[1]);
	pwq_remove(pwq[1], &house.item[2], work_load(&house.item[2]));
	pool_unlock(pool[1]);
	look(0);
	assert_int_equal(house_len(&pool[0]->worklist), 2);
	assert_int_equal(node.nr_waiting, 0);
}

/* Pwqs that have items already when they begin to share. */
static void test_sharing_begins_late(void **state) NO_ANALYSIS
{
	(void)state;
	house_build(WQ_PERCPU, 2);
	node_init(&node, 3);
	pwq_kick = cm_kick;
	for (int i = 0; i < 2; i++) {
		pool[i] = pool_of_cpu(i, false);
		pwq[i] = &house.pwqs[i];
	}
	queue(0, 0, 3);
	queue(1, 4, 6);
	pwq_share(pwq[0], &node);
	pwq_share(pwq[1], &node);
	assert_int_equal(node.nr, 4);
	house_run_one(pwq[0], 0);
	look(1);
	assert_int_equal(house_len(&pool[0]->worklist), 1);
	assert_int_equal(house_len(&pool[1]->worklist), 2);
	house_run_one(pwq[0], 1);
	look(1);
	assert_int_equal(node.nr, 3);
	assert_int_equal(house_len(&pool[0]->worklist) +
				 house_len(&pool[1]->worklist),
			 3);
}

/* --- an ordered workqueue's pwqs one after the other --- */

static void test_successor(void **state) NO_ANALYSIS
{
	(void)state;
	house_build(WQ_PERCPU, 1);
	pwq_kick = cm_kick;
	for (int i = 0; i < 2; i++) {
		pool[i] = pool_of_cpu(i, false);
		pwq[i] = &house.pwqs[i];
	}
	pwq_plug(pwq[1]);
	queue(0, 0, 1);
	queue(1, 2, 3);
	assert_int_equal(house_len(&pool[1]->worklist), 0);
	pwq_retire(pwq[0], pwq[1]);
	assert_false(pwq_is_through(pwq[0]));
	house_run_one(pwq[0], 0);
	assert_int_equal(house_at(&pool[0]->worklist, 0), 1);
	look(1);
	assert_int_equal(house_len(&pool[1]->worklist), 0);
	house_run_one(pwq[0], 1);
	assert_true(pwq_is_through(pwq[0]));
	look(1);
	assert_int_equal(house_at(&pool[1]->worklist, 0), 2);
	/* What comes late goes on to the successor, behind what is there. */
	queue(0, 4, 4);
	assert_int_equal(house_len(&pool[0]->worklist), 0);
	assert_int_equal(pwq_in_flight(pwq[0]), 0);
	look(1);
	assert_int_equal(pwq_in_flight(pwq[1]), 3);
	house_run_one(pwq[1], 2);
	house_run_one(pwq[1], 3);
	assert_int_equal(house_at(&pool[1]->worklist, 0), 4);
}

/* An empty one is through at once; a plugged one when it was unplugged. */
static void test_chain_of_successors(void **state) NO_ANALYSIS
{
	(void)state;
	house_build(WQ_PERCPU, 1);
	pwq_kick = cm_kick;
	for (int i = 0; i < 3; i++)
		pool[i] = pool_of_cpu(i, false);
	pwq_plug(&house.pwqs[1]);
	pwq_plug(&house.pwqs[2]);
	queue(0, 0, 0);
	queue(2, 1, 1);
	pwq_retire(&house.pwqs[1], &house.pwqs[2]);
	assert_false(pwq_is_through(&house.pwqs[1]));
	pwq_retire(&house.pwqs[0], &house.pwqs[1]);
	look(1);
	look(2);
	assert_int_equal(house_len(&pool[2]->worklist), 0);
	house_run_one(&house.pwqs[0], 0);
	look(1);
	assert_true(pwq_is_through(&house.pwqs[1]));
	look(2);
	assert_int_equal(house_at(&pool[2]->worklist, 0), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_limit, setup),
		cmocka_unit_test_setup(test_line, setup),
		cmocka_unit_test_setup(test_pwqs_share, setup),
		cmocka_unit_test_setup(test_tiny_items_keep_the_turn, setup),
		cmocka_unit_test_setup(test_turns_are_equally_long, setup),
		cmocka_unit_test_setup(test_a_slot_in_hand, setup),
		cmocka_unit_test_setup(test_no_lease_before_the_line, setup),
		cmocka_unit_test_setup(test_no_run_before_the_line, setup),
		cmocka_unit_test_setup(test_the_slot_of_one_that_runs_on,
				       setup),
		cmocka_unit_test_setup(test_turn_is_passed_on, setup),
		cmocka_unit_test_setup(test_sharing_begins_late, setup),
		cmocka_unit_test_setup(test_successor, setup),
		cmocka_unit_test_setup(test_chain_of_successors, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
