/* SPDX-License-Identifier: MIT */
/*
 * exec_room - what a worker looks at before it starts.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager exec
 */
#include "unit/house.h"

#include "exec.h"

HOUSE_TIMER_STUBS

static void parking(struct work_struct *work)
{
	house.runs[work - house.item]++;
	fake_park(OS_THREAD_ASLEEP);
}

/*
 * Item 0 sleeps and is found asleep; nothing waits, so no tick comes any more. It
 * runs again. An item queued now does not start beside it.
 */
static void test_runs_again_at_start(void **state) NO_ANALYSIS
{
	struct fake_thread *first;
	struct pool *pool;
	struct worker *w;

	(void)state;
	house_build(WQ_PERCPU, 16);
	manager_thread = exec_thread;
	pool = pool_of_cpu(0, false);
	for (int i = 0; i < 2; i++) {
		INIT_WORK(&house.item[i], parking);
		pool_lock(pool);
		manager_create(pool);
		pool_unlock(pool);
		fake_start(fake_thread(i));
	}
	house_queue(0, 0);
	fake_run();
	assert_int_equal(house.runs[0], 1);
	w = list_first(&pool->busy, struct worker, entry);
	first = fake_thread(w->tid - FAKE_TID);
	pool_lock(pool);
	assert_true(cm_find_sleepers(pool, NULL, 4, false));
	assert_int_equal(pool->nr_asleep, 1);
	pool_unlock(pool);
	fake_set_state(first->tid, OS_THREAD_RUNNING);
	fake.now += NSEC_PER_MSEC;
	house_queue(0, 1);
	fake_run();
	assert_int_equal(house.runs[1], 0);
	fake_unpark(first);
	fake_run();
	assert_int_equal(house.runs[1], 1);
}

/* --- an idle CPU lends an unbound pool one worker more --- */

enum {
	FIRST = HOUSE_CPUS, /* of the items that wait */
	WAITING = 6
};

static struct {
	uint64_t ns;	    /* each of them takes so long, */
	unsigned int slept; /* and so many of the first ones sleep meanwhile */
	uint64_t back_ago;  /* ns: so long ago another one ended that slept */
} lent;

static void computing(struct work_struct *work)
{
	house.runs[work - house.item]++;
	fake_park(OS_THREAD_RUNNING);
}

static void short_item(struct work_struct *work)
{
	house.runs[work - house.item]++;
	fake.now += lent.ns;
	if (work - house.item - FIRST < (long)lent.slept)
		fake.my_waits++;
}

/* As many run as there are CPUs, others wait, and a sentinel finds its CPU idle. */
static struct pool *begin_loan(int workers, int waiting) NO_ANALYSIS
{
	struct pool *pool;

	house_build(WQ_UNBOUND, 16);
	manager_thread = exec_thread;
	pool = pool_unbound(false);
	for (int i = 0; i < workers; i++) {
		pool_lock(pool);
		manager_create(pool);
		pool_unlock(pool);
		fake_start(fake_thread(i));
	}
	for (int i = 0; i < FIRST + waiting; i++) {
		INIT_WORK(&house.item[i], i < FIRST ? computing : short_item);
		house_queue(0, i);
		fake_run();
	}
	assert_int_equal(pool->nr_running, HOUSE_CPUS);
	fake.now += NSEC_PER_MSEC * 1000;
	if (lent.back_ago)
		atomic_store(&pool->back_at, fake.now - lent.back_ago);
	atomic_store(&pool->cpu_idle, CPU_IDLE);
	cm_wake_idle(pool, true);
	fake_run();
	return pool;
}

/* How many of those that wait are run? */
static int run_on_loan(uint64_t ns, unsigned int slept)
{
	int runs = 0;

	lent.ns = ns;
	lent.slept = slept;
	begin_loan(HOUSE_CPUS + 2, WAITING);
	for (int i = FIRST; i < FIRST + WAITING; i++)
		runs += house.runs[i];
	return runs;
}

/* The loan is for one item, unless that slept: then probably others have gone to
 * sleep meanwhile. */
static void test_a_loan_outlives_items_that_sleep(void **state)
{
	(void)state;
	assert_int_equal(run_on_loan(NSEC_PER_MSEC, 0), 1);
	assert_int_equal(run_on_loan(NSEC_PER_MSEC, 1), 2);
	assert_int_equal(run_on_loan(NSEC_PER_MSEC, 3), 4);
	assert_int_equal(run_on_loan(NSEC_PER_MSEC, WAITING), WAITING);
	/* But for long. */
	assert_int_equal(run_on_loan(8 * NSEC_PER_MSEC, WAITING), 1);
}

/* How many workers are being created after that by who goes to work? */
static int created(int workers, int waiting)
{
	struct pool *pool = begin_loan(workers, waiting);

	return atomic_load(&pool->nr_threads) - workers;
}

/* Where items block the last of them is to leave a worker that is there: two are kept
 * as long as more items wait. */
static void test_two_in_reserve_where_items_block(void **state)
{
	(void)state;
	lent.ns = NSEC_PER_MSEC;
	lent.slept = 0;
	assert_int_equal(created(HOUSE_CPUS + 1, 2), 2);
	assert_int_equal(created(HOUSE_CPUS + 2, 2), 1);
	assert_int_equal(created(HOUSE_CPUS + 3, 2), 0);
	/* Sleepers come back, and will be idle soon. */
	lent.back_ago = 9 * NSEC_PER_MSEC;
	assert_int_equal(created(HOUSE_CPUS + 1, 2), 1);
	assert_int_equal(created(HOUSE_CPUS + 2, 2), 0);
	lent.back_ago = 11 * NSEC_PER_MSEC;
	assert_int_equal(created(HOUSE_CPUS + 1, 2), 2);
	lent.back_ago = 0;
	/* A single one does not wait for that. */
	assert_int_equal(created(HOUSE_CPUS + 1, 1), 0);
	assert_true(pool_unbound(false)->want);
	assert_int_equal(created(HOUSE_CPUS + 2, 1), 0);
	assert_false(pool_unbound(false)->want);
}

/* --- tiny items, of which many run at once --- */

/* Sixteen items that take so long each, one by one. Is the pool one of tiny items? */
static bool tiny_after(int nr_cpus, uint64_t ns, int items)
{
	struct pool *pool;

	house_build(WQ_UNBOUND, 16);
	manager_thread = exec_thread;
	lent.ns = ns;
	lent.slept = 0;
	pool = pool_unbound(false);
	pool->nr_cpus = pool->cap = nr_cpus;
	for (int i = 0; i < 2; i++) {
		pool_lock(pool);
		manager_create(pool);
		pool_unlock(pool);
		fake_start(fake_thread(i));
	}
	for (int i = 0; i < items; i++) {
		INIT_WORK(&house.item[i], short_item);
		house_queue(0, i);
		fake_run();
		assert_int_equal(house.runs[i], 1);
	}
	pool->nr_cpus = pool->cap = HOUSE_CPUS;
	return pool_is_tiny(pool);
}

/* On many CPUs a single item says it, too; what others do meanwhile does not count. */
static void test_own_time_of_items(void **state)
{
	(void)state;
	assert_true(tiny_after(8, 499, 16));
	assert_false(tiny_after(8, 499, 15));
	assert_false(tiny_after(8, 500, 16));
	assert_false(tiny_after(4, 499, 16));
}

static void again(struct pool *pool, int items)
{
	for (int i = 0; i < items; i++) {
		house_queue(0, 1);
		fake_run();
	}
	assert_int_equal(pool->nr_running, list_empty(&pool->busy) ? 0 : 1);
}

/* One keeps up with them only if nobody is in an item that is not tiny. */
static void test_own_time_beside_a_long_item(void **state)
{
	struct pool *pool;

	(void)state;
	house_build(WQ_UNBOUND, 16);
	manager_thread = exec_thread;
	lent.ns = 10;
	lent.slept = 0;
	pool = pool_unbound(false);
	pool->nr_cpus = pool->cap = 8;
	for (int i = 0; i < 3; i++) {
		pool_lock(pool);
		manager_create(pool);
		pool_unlock(pool);
		fake_start(fake_thread(i));
	}
	INIT_WORK(&house.item[0], computing);
	INIT_WORK(&house.item[1], short_item);
	house_queue(0, 0);
	fake_run();
	again(pool, 400);
	assert_int_equal(house.runs[1], 400);
	assert_false(pool_is_tiny(pool));
	fake.now += NSEC_PER_MSEC;
	fake_unpark(fake_thread(
		list_first(&pool->busy, struct worker, entry)->tid - FAKE_TID));
	fake_run();
	again(pool, 32);
	pool->nr_cpus = pool->cap = HOUSE_CPUS;
	assert_true(pool_is_tiny(pool));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_again_at_start),
		cmocka_unit_test(test_a_loan_outlives_items_that_sleep),
		cmocka_unit_test(test_two_in_reserve_where_items_block),
		cmocka_unit_test(test_own_time_of_items),
		cmocka_unit_test(test_own_time_beside_a_long_item),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
