/* SPDX-License-Identifier: MIT */
/*
 * place - where a worker goes that was woken, before it sleeps, and whom it takes along.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

#include <errno.h>

#include "place.h"

HOUSE_TIMER_STUBS

#define USEC NSEC_PER_USEC

static struct pool *pool;
static struct worker *w;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_UNBOUND, 16);
	pool = pool_unbound(false);
	w = house_idle_worker(pool);
	fake.cpu = 0;
	fake.last_bound_to = -1;
	return 0;
}

/* Since the last call. */
static int moved_to(void)
{
	int cpu = fake.last_bound_to;

	/* It may run anywhere again. */
	if (cpu >= 0)
		assert_int_equal(fake.last_moved_to, -1);
	fake.last_bound_to = -1;
	return cpu;
}

/* Queued on one CPU, woken on another. */
static void wake_on(int from, int cpu, unsigned int apart)
{
	fake.cpu = from;
	place_note(w, apart);
	fake.cpu = cpu;
	place_woken(w, pool);
}

static void rest(unsigned long items, uint64_t ns)
{
	w->seq += items;
	fake.now += ns;
	w->idle_since = fake.now;
	place_rest(w, pool);
}

static void test_apart_from_who_runs_items(void **state) NO_ANALYSIS
{
	(void)state;
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 2, PLACE_APART);
	assert_int_equal(moved_to(), -1);
	wake_on(1, 1, PLACE_APART);
	assert_int_equal(moved_to(), 2);
	/* The next one that may be used. */
	fake_set_cpus(4, 0x9);
	wake_on(3, 3, PLACE_APART);
	assert_int_equal(moved_to(), 0);
	fake_set_cpus(4, 0x8);
	wake_on(3, 3, PLACE_APART);
	assert_int_equal(moved_to(), -1);
}

static void test_nothing_waits_any_more(void **state)
{
	(void)state;
	wake_on(1, 1, PLACE_APART);
	assert_int_equal(moved_to(), -1);
}

/* A sentinel knows that nobody else runs where it is. */
static void test_to_an_idle_cpu(void **state) NO_ANALYSIS
{
	(void)state;
	wake_on(1, 2, PLACE_HERE);
	assert_int_equal(moved_to(), -1); /* nothing waits */
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 2, PLACE_HERE);
	assert_int_equal(moved_to(), 1);
	wake_on(1, 1, PLACE_HERE);
	assert_int_equal(moved_to(), -1);
	/* It says nothing about how items come, or where they are queued. */
	pool->lone = 16;
	fake.now += NSEC_PER_MSEC;
	wake_on(1, 1, PLACE_HERE);
	assert_int_equal(pool->lone, 16);
	rest(0, 0);
	wake_on(1, 2, PLACE_HERE);
	assert_int_equal(moved_to(), 1);
	rest(1, USEC);
	assert_int_equal(moved_to(), -1);
	fake_set_cpus(4, 0xc);
	wake_on(1, 2, PLACE_HERE); /* has just been lost */
	assert_int_equal(moved_to(), -1);
}

static void test_bound_workers_stay(void **state) NO_ANALYSIS
{
	(void)state;
	pool = pool_of_cpu(1, false);
	w = house_idle_worker(pool);
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 1, PLACE_APART);
	for (int i = 0; i < 100; i++) {
		wake_on(0, 1, 0);
		rest(1, USEC);
	}
	assert_int_equal(moved_to(), -1);
	assert_int_equal(pool->lone, 0);
}

/* A worker that is woken for one short item each time sleeps where it is queued. */
static void come_near(void)
{
	int rounds = 0;

	while (moved_to() < 0) {
		wake_on(1, 2, 0);
		rest(1, USEC);
		assert_true(++rounds < 100);
	}
}

static void test_lone_items_are_run_where_they_are_queued(void **state)
{
	(void)state;
	wake_on(1, 2, 0);
	rest(1, USEC);
	assert_int_equal(moved_to(), -1);
	come_near();
	for (int i = 0; i < 100; i++) {
		wake_on(1, 1, 0);
		rest(1, USEC);
		assert_int_equal(moved_to(), -1);
	}
}

/* Is it a stream? That can be seen from elsewhere only. */
static void test_a_look_from_elsewhere(void **state) NO_ANALYSIS
{
	int rounds = 0;

	(void)state;
	come_near();
	while (fake.last_bound_to < 0) {
		wake_on(1, 1, 0);
		rest(1, USEC);
		assert_true(++rounds < 1000);
	}
	assert_int_equal(moved_to(), 2);
	/* No. */
	wake_on(1, 2, 0);
	rest(1, USEC);
	assert_int_equal(moved_to(), 1);
	while (moved_to() != 2) {
		wake_on(1, 1, 0);
		rest(1, USEC);
	}
	/* Yes. */
	pool_add_work(pool, &house.item[0]);
	for (int i = 0; i < 8; i++) {
		wake_on(1, 2, 0);
		rest(9, 5 * USEC);
	}
	assert_int_equal(moved_to(), -1);
	wake_on(1, 1, 0);
	assert_int_equal(moved_to(), 2);
}

static void test_long_items_are_not_lone(void **state) NO_ANALYSIS
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		wake_on(1, 2, 0);
		rest(1, 30 * USEC);
		assert_int_equal(moved_to(), -1);
	}
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 1, 0);
	assert_int_equal(moved_to(), 2);
}

/* The system has it run elsewhere all the same: then it is left alone. */
static void test_moves_in_vain_end(void **state)
{
	int moves = 0;

	(void)state;
	for (int i = 0; i < 900; i++) {
		wake_on(1, 2, 0);
		rest(1, USEC);
		moves += moved_to() >= 0;
	}
	assert_in_range(moves, 4, 60);
}

/* Whoever queues goes on, and the item waits for its CPU. */
static void test_late_items_end_it(void **state) NO_ANALYSIS
{
	(void)state;
	come_near();
	fake.cpu = 1;
	place_note(w, 0);
	fake.now += 1000 * USEC;
	pool_add_work(pool, &house.item[0]);
	place_woken(w, pool);
	assert_int_equal(moved_to(), 2);
	rest(1, USEC);
	assert_int_equal(moved_to(), -1);
}

static void test_who_was_elsewhere_comes_first(void **state) NO_ANALYSIS
{
	struct worker *other = house_idle_worker(pool);

	(void)state;
	atomic_store(&w->cpu, 2);
	atomic_store(&other->cpu, 1);
	fake.cpu = 1;
	place_apart(pool);
	assert_ptr_equal(pool->first_idle, w);
	assert_ptr_equal(list_first(&pool->idle, struct worker, entry), w);
	place_apart(pool);
	assert_ptr_equal(pool->first_idle, w);
	/* One that is on its way is enough. */
	fake.cpu = 2;
	atomic_store(&w->wake, 1);
	place_apart(pool);
	assert_ptr_equal(pool->first_idle, w);
	atomic_store(&w->wake, 0);
	place_apart(pool);
	assert_ptr_equal(pool->first_idle, other);
}

/* It was woken, but others run where it is, and a sentinel on another CPU. */
static void test_who_does_not_come_is_sent(void **state) NO_ANALYSIS
{
	unsigned int moves = pool->moves;

	(void)state;
	atomic_store(&w->wake, 1);
	fake.cpu = 1;
	place_apart(pool);
	place_note(w, PLACE_APART);
	place_apart(pool);
	assert_int_equal(moved_to(),
			 -1); /* nobody says that it does not come */
	fake.cpu = 3;
	place_note(w, PLACE_HERE);
	place_apart(pool); /* the caller is there by now */
	assert_int_equal(moved_to(), -1);
	place_note(w, PLACE_HERE);
	fake.cpu = 1;
	place_apart(pool);
	assert_int_equal(moved_to(), 3);
	assert_int_equal(fake.last_moved, w->tid);
	place_apart(pool); /* once */
	assert_int_equal(moved_to(), -1);
	assert_int_equal(pool->moves, moves);
	/* The CPUs change: it may be left where it is not to be. */
	fake.cpu = 3;
	place_note(w, PLACE_HERE);
	fake.cpu = 1;
	fake.refuse_move = OS_LOST_CPU;
	place_apart(pool);
	fake.refuse_move = 0;
	assert_int_equal(moved_to(), 3);
	assert_int_equal(pool->moves, moves + 1);
	fake.cpu = 3;
	place_note(w, PLACE_HERE);
	fake.cpu = 1;
	fake_set_cpus(4, 0x7);
	place_apart(pool);
	assert_int_equal(moved_to(), -1);
}

/* Where there are many CPUs the next one is as good as any. */
static void test_many_cpus_are_left_to_the_system(void **state) NO_ANALYSIS
{
	int nr = atomic_exchange(&pool->nr_cpus, 16);

	(void)state;
	fake.cpu = 3;
	for (int i = 0; i < 100; i++) {
		wake_on(1, 2, 0);
		rest(1, USEC);
	}
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 1, PLACE_APART);
	atomic_store(&pool->nr_cpus, nr);
	assert_int_equal(fake.moves, 0);
}

/* --- what is queued while one runs --- */

/* Queued on that CPU while the worker runs an item; how long until it looks. */
static bool follow(int cpu, int items, uint64_t ns) NO_ANALYSIS
{
	bool left;

	fake.cpu = cpu;
	left = place_leaves(pool, fake.cpu);
	fake.now += ns;
	for (int i = 0; i < items; i++)
		pool_add_work(pool, &house.item[i]);
	place_drained(w, pool);
	for (int i = 0; i < items; i++)
		pool_del_work(pool, &house.item[i]);
	w->seq += (unsigned long)items;
	return left;
}

static void start_following(void) NO_ANALYSIS
{
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 1, 0);
	pool_del_work(pool, &house.item[0]);
}

static void learn(void)
{
	int rounds = 0;

	start_following();
	while (!follow(1, 1, USEC))
		assert_true(++rounds < 100);
	assert_in_range(rounds, 10, 20);
}

static void test_followers_are_left_to_who_runs(void **state)
{
	(void)state;
	learn();
	for (int i = 0; i < 1000; i++)
		assert_true(follow(1, 1, 10 * USEC));
	/* From elsewhere the way is as far as to an idle one. */
	fake.cpu = 2;
	assert_false(place_leaves(pool, fake.cpu));
}

/* A worker that has run very many, one after another, sleeps where they are queued. */
static void test_followers_are_lone_items(void **state)
{
	(void)state;
	learn();
	for (int i = 0; i < 1000; i++)
		follow(1, 1, 10 * USEC);
	rest(0, USEC);
	assert_int_equal(moved_to(), -1);
	start_following();
	assert_true(follow(1, 1, USEC));
}

static void test_a_late_follower_ends_it(void **state)
{
	(void)state;
	learn();
	assert_true(follow(1, 1, 1000 * USEC));
	for (int i = 0; i < 16; i++)
		assert_false(follow(1, 1, USEC));
}

/* How many follow in time before one is left again. */
static int until_left(void)
{
	int n = 0;

	while (!follow(1, 1, USEC))
		assert_true(++n < 100000);
	return n;
}

/* What that has cost is to be gained first. */
static void test_the_later_the_longer_it_is_over(void **state)
{
	(void)state;
	learn();
	assert_true(follow(1, 1, 100 * USEC));
	assert_in_range(until_left(), 16, 50);
	assert_true(follow(1, 1, 4000 * USEC));
	assert_in_range(until_left(), 900, 1100);
	assert_true(follow(1, 1, 10000000 * USEC));
	assert_in_range(until_left(), 1000, 30000);
}

/* Whoever runs has blocked: another worker begins what was left to him. */
static void test_another_one_begins_it(void **state) NO_ANALYSIS
{
	(void)state;
	learn();
	assert_true(place_leaves(pool, 1));
	fake.now += 4000 * USEC;
	/* It is out of the inbox, and somebody else queues another one. */
	assert_false(place_leaves(pool, 2));
	pool_add_work(pool, &house.item[0]);
	place_begins(pool);
	pool_del_work(pool, &house.item[0]);
	assert_in_range(until_left(), 900, 1100);
	/* In time. */
	assert_true(place_leaves(pool, 1));
	fake.now += 20 * USEC;
	place_begins(pool);
	assert_true(follow(1, 1, USEC));
}

/* Others were woken for it: it was not for that that it was late. */
static void test_late_but_not_left(void **state) NO_ANALYSIS
{
	(void)state;
	learn();
	assert_false(place_leaves(pool, 2));
	fake.now += 4000 * USEC;
	place_begins(pool);
	assert_true(follow(1, 1, USEC));
	assert_false(follow(2, 1, 4000 * USEC));
	assert_in_range(until_left(), 16, 50);
}

static void test_crowds_do_not_follow(void **state)
{
	(void)state;
	start_following();
	for (int i = 0; i < 100; i++)
		assert_false(follow(1, 3, USEC));
	/* Nor what is gone before anybody looks. */
	for (int i = 0; i < 100; i++)
		assert_false(follow(1, 0, USEC));
}

static void test_followers_elsewhere(void **state)
{
	struct pool *bound = pool_of_cpu(1, false);
	int nr = atomic_exchange(&pool->nr_cpus, 16);

	(void)state;
	atomic_store(&pool->lone, 16);
	atomic_store(&pool->at, 2);
	fake.cpu = 1;
	assert_false(place_leaves(pool, fake.cpu));
	atomic_store(&pool->nr_cpus, 1);
	assert_false(place_leaves(pool, fake.cpu));
	atomic_store(&pool->nr_cpus, nr);
	assert_true(place_leaves(pool, fake.cpu));
	atomic_store(&bound->lone, 16);
	atomic_store(&bound->at, 2);
	assert_false(place_leaves(bound, fake.cpu));
	assert_int_equal(bound->behind_at, 0);
}

/* The CPUs change in between: it must not stay bound to one. */
static void test_a_move_that_fails_is_made_good(void **state) NO_ANALYSIS
{
	unsigned int moves = pool->moves;

	(void)state;
	w->moves = moves;
	pool_add_work(pool, &house.item[0]);
	wake_on(1, 1, PLACE_APART);
	assert_int_equal(w->moves, moves);
	fake.refuse_move = EINVAL;
	wake_on(1, 1, PLACE_APART);
	assert_int_not_equal(w->moves, moves);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_apart_from_who_runs_items, setup),
		cmocka_unit_test_setup(test_who_does_not_come_is_sent, setup),
		cmocka_unit_test_setup(test_nothing_waits_any_more, setup),
		cmocka_unit_test_setup(test_to_an_idle_cpu, setup),
		cmocka_unit_test_setup(test_bound_workers_stay, setup),
		cmocka_unit_test_setup(
			test_lone_items_are_run_where_they_are_queued, setup),
		cmocka_unit_test_setup(test_a_look_from_elsewhere, setup),
		cmocka_unit_test_setup(test_long_items_are_not_lone, setup),
		cmocka_unit_test_setup(test_moves_in_vain_end, setup),
		cmocka_unit_test_setup(test_late_items_end_it, setup),
		cmocka_unit_test_setup(test_who_was_elsewhere_comes_first,
				       setup),
		cmocka_unit_test_setup(test_many_cpus_are_left_to_the_system,
				       setup),
		cmocka_unit_test_setup(test_followers_are_left_to_who_runs,
				       setup),
		cmocka_unit_test_setup(test_followers_are_lone_items, setup),
		cmocka_unit_test_setup(test_a_late_follower_ends_it, setup),
		cmocka_unit_test_setup(test_the_later_the_longer_it_is_over,
				       setup),
		cmocka_unit_test_setup(test_another_one_begins_it, setup),
		cmocka_unit_test_setup(test_late_but_not_left, setup),
		cmocka_unit_test_setup(test_crowds_do_not_follow, setup),
		cmocka_unit_test_setup(test_followers_elsewhere, setup),
		cmocka_unit_test_setup(test_a_move_that_fails_is_made_good,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
