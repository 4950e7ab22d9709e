/* SPDX-License-Identifier: MIT */
/*
 * manager - creating workers, also where it is refused; ending idle ones.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager cap symbol hog tick
 */
#include "unit/house.h"

#include "bh.h"
#include "sentinel.h"
#include "tick.h"

HOUSE_TIMER_STUBS
HOUSE_RESCUER_STUBS

#define MSEC	NSEC_PER_MSEC
#define TIMEOUT 300000 /* ms */

static struct pool *pool;

void bh_create_wanted(void)
{
}

void sentinel_create_wanted(void)
{
}

void sentinel_rearm_resting(void)
{
}

static void *started;

static void *body(void *worker)
{
	started = worker;
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	tick_reset();
	manager_thread = body;
	pool = pool_of_cpu(2, false);
	return 0;
}

static bool create(void) NO_ANALYSIS
{
	bool ret;

	pool_lock(pool);
	ret = manager_create(pool);
	pool_unlock(pool);
	return ret;
}

static void keep_reserve(void) NO_ANALYSIS
{
	pool_lock(pool);
	manager_keep_reserve(pool);
	pool_unlock(pool);
}

/* --- creating --- */

static void test_creates_a_thread(void **state)
{
	struct worker *w;

	(void)state;
	assert_true(create());
	assert_int_equal(fake_nr_threads(), 1);
	assert_int_equal(fake_thread(0)->stack, 1024 * 1024);
	fake_start(fake_thread(0));
	w = started;
	assert_non_null(w);
	assert_ptr_equal(w->pool, pool);
	assert_ptr_equal(worker_of_slot(w->slot), w);
	assert_int_equal(pool->nr_threads, 1);
	/* It counts itself when it runs. */
	assert_int_equal(pool->nr_workers, 0);
}

static void test_refusal_leaves_no_trace(void **state)
{
	struct worker *before, *after;

	(void)state;
	before = worker_alloc(pool);
	worker_free(before);
	fake.refuse = 2;
	assert_false(create());
	assert_int_equal(pool->nr_threads, 0);
	assert_int_equal(fake_nr_threads(), 0);
	assert_true(house_said("cannot create a worker"));
	assert_false(create());
	assert_false(house_said("cannot create a worker")); /* once */
	/* The record went back to where it came from. */
	after = worker_alloc(pool);
	assert_ptr_equal(before, after);
	worker_free(after);
	assert_true(create());
	assert_int_equal(pool->nr_threads, 1);
}

static void test_reserve(void **state)
{
	(void)state;
	keep_reserve();
	assert_int_equal(pool->nr_threads, 1);
	keep_reserve(); /* one is on its way */
	assert_int_equal(pool->nr_threads, 1);
	pool->nr_workers = 1; /* it is here, and busy */
	keep_reserve();
	assert_int_equal(pool->nr_threads, 2);
	pool->nr_workers = 2;
	pool->nr_idle = 1;
	keep_reserve();
	assert_int_equal(pool->nr_threads, 2);
}

/* While somebody creates one nobody else does. */
static void test_one_manager_at_a_time(void **state) NO_ANALYSIS
{
	(void)state;
	pool_lock(pool);
	pool->managed = true;
	manager_keep_reserve(pool);
	assert_int_equal(pool->nr_threads, 0);
	pool->managed = false;
	manager_keep_reserve(pool);
	assert_int_equal(pool->nr_threads, 1);
	assert_false(pool->managed);
	assert_false(manager_is_needed(pool));
	pool_unlock(pool);
}

/* The lock is free while the thread is created: others may queue meanwhile. */
static void test_work_that_comes_meanwhile_is_drained(void **state) NO_ANALYSIS
{
	(void)state;
	pool_lock(pool);
	house_queue(2, 0); /* into the inbox */
	assert_true(list_empty(&pool->worklist));
	manager_create(pool);
	assert_int_equal(house_at(&pool->worklist, 0), 0);
	pool_unlock(pool);
}

static void test_the_tick_tries_again(void **state)
{
	(void)state;
	fake.refuse = 3;
	house_queue(2, 0);
	tick_hook(fake.now); /* the push asked for a worker: refused */
	assert_int_equal(pool->nr_threads, 0);
	for (int i = 0; i < 2; i++) {
		fake.now += TICK_NS;
		tick_hook(fake.now);
		assert_int_equal(pool->nr_threads, 0);
	}
	assert_int_equal(fake.refuse, 0);
	fake.now += TICK_NS;
	tick_hook(fake.now);
	assert_int_equal(pool->nr_threads, 1);
	assert_int_equal(fake_nr_threads(), 1);
	fake.now += TICK_NS;
	tick_hook(fake.now);
	assert_int_equal(fake_nr_threads(), 1);
}

/* --- ending --- */

static struct worker *idle[8];

/* Workers that became idle a second apart. */
static void make_idle(int from, int to) NO_ANALYSIS
{
	for (int i = from; i <= to; i++) {
		idle[i] = house_worker(pool);
		pool_lock(pool);
		house_idle(idle[i]);
		manager_worker_idle(pool);
		pool_unlock(pool);
		fake.now += 1000 * MSEC;
	}
}

/* Its timer expires, no earlier than it was armed for. */
static void expire(uint64_t armed_at)
{
	struct cmwq_timer *t = house.armed;
	uint64_t due = armed_at + house.armed_delay * MSEC;

	assert_non_null(t);
	house.armed = NULL;
	if (fake.now < due)
		fake.now = due;
	t->function(t);
}

static int dying(int n)
{
	int d = 0;

	for (int i = 0; i < n; i++)
		d += idle[i]->die;
	return d;
}

static void test_two_are_kept(void **state)
{
	(void)state;
	make_idle(0, 1);
	assert_int_equal(house.armings, 0);
	assert_false(pool->cull_armed);
}

static void test_culls_the_oldest_at_the_timeout(void **state)
{
	uint64_t start = fake.now;

	(void)state;
	make_idle(0, 3);
	/* Armed by the third, for its own time. */
	assert_int_equal(house.armings, 1);
	assert_true(house.armed_delay >= TIMEOUT);
	expire(start + 2000 * MSEC);
	/* By then the oldest two have been idle long enough. */
	assert_true(idle[0]->die && idle[1]->die);
	assert_int_equal(dying(4), 2);
	assert_int_equal(idle[0]->wake, 1);
	assert_int_equal(fake_wakes(&idle[0]->wake), 1);
	assert_int_equal(pool->nr_idle, 2);
	assert_int_equal(pool->nr_workers, 2);
	assert_int_equal(pool->nr_threads, 2);
	assert_int_equal(house_len(&pool->idle), 2);
	assert_false(idle[0]->is_idle);
	assert_true(idle[2]->is_idle);
	/* Two are left: no timer is armed for them. */
	assert_null(house.armed);
	assert_false(pool->cull_armed);
	assert_ptr_equal(pool->first_idle, idle[3]);
}

/* Those whose time has not come yet get a timer for when it does. */
static void test_the_young_wait_their_turn(void **state)
{
	uint64_t start = fake.now;

	(void)state;
	make_idle(0, 2);
	fake.now = start + TIMEOUT / 2 * MSEC;
	make_idle(3, 5);
	expire(start + 2000 * MSEC);
	/* The first three of the four that are too many. */
	assert_int_equal(dying(6), 3);
	assert_true(idle[2]->die);
	assert_true(pool->cull_armed);
	assert_in_range(house.armed_delay, TIMEOUT / 2 - 3000, TIMEOUT / 2);
	expire(fake.now);
	assert_true(idle[3]->die);
	assert_int_equal(dying(6), 4);
	assert_null(house.armed);
}

/* Used again meanwhile: it is young again. */
static void test_a_used_worker_is_young(void **state) NO_ANALYSIS
{
	uint64_t start = fake.now;

	(void)state;
	make_idle(0, 2);
	fake.now = start + (TIMEOUT - 1) * MSEC;
	for (int i = 0; i < 3; i++) {
		pool->nr_idle--;
		house_idle(idle[i]);
	}
	expire(start + 2000 * MSEC);
	assert_int_equal(dying(3), 0);
	assert_true(house.armed_delay > TIMEOUT - 5000);
}

/* A pool that lost its users while all are busy: they end with their items, not when a
 * cull from before is due. */
static void test_deserted_ones_end_after_their_work(void **state) NO_ANALYSIS
{
	uint64_t start = fake.now;

	(void)state;
	make_idle(0, 2);
	assert_true(pool->cull_armed);
	for (int i = 0; i < 3; i++)
		worker_leave_idle(idle[i], pool);
	atomic_store(&pool->deserted, true);
	manager_end_idle(pool);
	assert_true(house.armed_delay <= 1);
	expire(start);
	assert_false(pool->cull_armed);
	make_idle(0, 0);
	assert_true(house.armed_delay <= 1);
	expire(fake.now);
	assert_true(idle[0]->die);
	assert_int_equal(pool->nr_idle, 0);
	atomic_store(&pool->deserted, false);
}

/* One more idle worker may stay for each idle_ratio busy ones. */
static void test_ratio(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++)
		house_busy_worker(pool, &house.pwqs[2], NULL);
	make_idle(0, 3); /* surplus 2, times 4 < 9 busy */
	assert_int_equal(house.armings, 0);
	pool->nr_workers--; /* 8 busy: now one of the two is too many */
	pool_lock(pool);
	manager_worker_idle(pool);
	pool_unlock(pool);
	assert_int_equal(house.armings, 1);
	fake.now += 2 * (uint64_t)TIMEOUT * MSEC;
	expire(0);
	assert_int_equal(dying(4), 1);
	params.idle_ratio = 8;
	pool_lock(pool);
	manager_worker_idle(pool);
	pool_unlock(pool);
	expire(0);
	assert_int_equal(dying(4), 2);
}

static void test_timeout_is_a_parameter(void **state)
{
	(void)state;
	params.idle_timeout_ms = 7;
	make_idle(0, 2);
	assert_in_range(house.armed_delay, 7, 8);
	expire(0);
	assert_int_equal(dying(3), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_creates_a_thread, setup),
		cmocka_unit_test_setup(test_refusal_leaves_no_trace, setup),
		cmocka_unit_test_setup(test_reserve, setup),
		cmocka_unit_test_setup(test_one_manager_at_a_time, setup),
		cmocka_unit_test_setup(
			test_work_that_comes_meanwhile_is_drained, setup),
		cmocka_unit_test_setup(test_the_tick_tries_again, setup),
		cmocka_unit_test_setup(test_two_are_kept, setup),
		cmocka_unit_test_setup(test_culls_the_oldest_at_the_timeout,
				       setup),
		cmocka_unit_test_setup(test_the_young_wait_their_turn, setup),
		cmocka_unit_test_setup(test_a_used_worker_is_young, setup),
		cmocka_unit_test_setup(test_deserted_ones_end_after_their_work,
				       setup),
		cmocka_unit_test_setup(test_ratio, setup),
		cmocka_unit_test_setup(test_timeout_is_a_parameter, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
