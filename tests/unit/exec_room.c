/* SPDX-License-Identifier: MIT */
/*
 * exec_room - what a worker looks at before it starts.
 *
 * rooms: lock log life param work pool worker node pwq lease place cm verify queue manager exec
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runs_again_at_start),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
