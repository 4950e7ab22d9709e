/* SPDX-License-Identifier: MIT */
/*
 * pwq - max_active and the inactive list, the saturated mark, colours.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

HOUSE_TIMER_STUBS

static struct pool *pool;
static struct pwq *pwq;

static void build(int max_active)
{
	house_build(WQ_PERCPU, max_active);
	pool = pool_of_cpu(0, false);
	pwq = &house.pwqs[0];
	pwq_kick = cm_kick;
}

static int setup(void **state)
{
	(void)state;
	build(2);
	return 0;
}

/* Queue items @from to @to and drain. */
static void queue(int from, int to) NO_ANALYSIS
{
	for (int i = from; i <= to; i++)
		assert_true(house_queue(0, i));
	pool_lock(pool);
	pool_unlock(pool);
}

static void assert_lists(const char *work, const char *inactive)
{
	char got[64];
	int n = 0;

	for (int i = 0; house_at(&pool->worklist, i) >= 0; i++)
		got[n++] = (char)('0' + house_at(&pool->worklist, i));
	got[n++] = '|';
	for (int i = 0; house_at(&pwq->inactive, i) >= 0; i++)
		got[n++] = (char)('0' + house_at(&pwq->inactive, i));
	got[n] = '\0';
	assert_int_equal(strchr(got, '|') - got, strlen(work));
	assert_memory_equal(got, work, strlen(work));
	assert_string_equal(strchr(got, '|') + 1, inactive);
	assert_int_equal(pwq->saturated, *inactive != '\0');
	assert_int_equal(pool->has_work, *work != '\0');
}

static void test_max_active_in_order(void **state)
{
	unsigned int colour;

	(void)state;
	queue(0, 5);
	assert_lists("01", "2345");
	assert_int_equal(pwq->nr_active, 2);
	assert_int_equal(pwq_in_flight(pwq), 6);
	/* Starting an item makes no room, ending it does. */
	colour = house_take(pool, 0);
	assert_lists("1", "2345");
	assert_int_equal(pwq->nr_active, 2);
	pwq_item_done(pwq, colour);
	assert_lists("12", "345");
	assert_int_equal(pwq->nr_active, 2);
	house_run_one(pwq, 1);
	assert_lists("23", "45");
	/* Whoever comes now waits behind those who wait. */
	queue(0, 0);
	assert_lists("23", "450");
	house_run_one(pwq, 2);
	house_run_one(pwq, 3);
	assert_lists("45", "0");
	house_run_one(pwq, 4);
	assert_lists("50", "");
	house_run_one(pwq, 5);
	assert_lists("0", "");
	queue(1, 1);
	assert_lists("01", "");
	house_run_one(pwq, 0);
	house_run_one(pwq, 1);
	assert_lists("", "");
	assert_int_equal(pwq->nr_active, 0);
	assert_int_equal(pwq_in_flight(pwq), 0);
}

/* A drain that lists nothing for a worker does not say so either. */
static void test_only_inactive_items_come(void **state)
{
	unsigned int colour;

	(void)state;
	build(1);
	queue(0, 0);
	colour = house_take(pool, 0);
	queue(1, 2);
	assert_lists("", "12");
	assert_false(pool_waiting(pool));
	pwq_item_done(pwq, colour);
	assert_lists("1", "2");
}

static void test_each_pwq_has_its_own_limit(void **state)
{
	struct workqueue_struct other;
	static _Alignas(64) struct pwq others[HOUSE_CPUS];
	static _Atomic(struct pwq *) table[HOUSE_CPUS];

	(void)state;
	house_build_wq(&other, others, table, WQ_PERCPU, 1);
	queue(0, 2);
	assert_true(queue_work_on(0, &other, &house.item[7]));
	assert_true(queue_work_on(0, &other, &house.item[8]));
	queue(3, 3);
	assert_lists("017", "23");
	assert_int_equal(house_at(&others[0].inactive, 0), 8);
	assert_true(others[0].saturated);
	house_run_one(pwq, 0);
	assert_lists("172", "3");
	house_run_one(&others[0], 7);
	assert_lists("128", "3");
	assert_false(others[0].saturated);
}

static void test_set_max_active(void **state)
{
	(void)state;
	queue(0, 7);
	assert_lists("01", "234567");
	pwq_set_max_active(pwq, 4);
	assert_lists("0123", "4567");
	assert_int_equal(pwq->nr_active, 4);
	/* Down: what is active stays so, nothing more until there is room. */
	pwq_set_max_active(pwq, 2);
	assert_lists("0123", "4567");
	house_run_one(pwq, 0);
	assert_lists("123", "4567");
	house_run_one(pwq, 1);
	assert_lists("23", "4567");
	house_run_one(pwq, 2);
	assert_lists("34", "567");
	pwq_set_max_active(pwq, 2048);
	assert_lists("34567", "");
	assert_int_equal(pwq->nr_active, 5);
	assert_int_equal(pwq_in_flight(pwq), 5);
}

static void test_remove_active_and_inactive(void **state)
{
	(void)state;
	queue(0, 4);
	assert_lists("01", "234");
	pwq_remove(pwq, &house.item[3], work_load(&house.item[3]));
	assert_lists("01", "24");
	assert_int_equal(pwq->nr_active, 2);
	assert_int_equal(pwq_in_flight(pwq), 4);
	pwq_remove(pwq, &house.item[0], work_load(&house.item[0]));
	assert_lists("12", "4");
	assert_int_equal(pwq->nr_active, 2);
	assert_int_equal(pwq_in_flight(pwq), 3);
	/* The last inactive one takes the mark with it. */
	pwq_remove(pwq, &house.item[4], work_load(&house.item[4]));
	assert_lists("12", "");
	pwq_remove(pwq, &house.item[1], work_load(&house.item[1]));
	pwq_remove(pwq, &house.item[2], work_load(&house.item[2]));
	assert_lists("", "");
	assert_int_equal(pwq->nr_active, 0);
	assert_int_equal(pwq_in_flight(pwq), 0);
}

/* An item that became active from the inactive list counts as active. */
static void test_remove_activated(void **state)
{
	(void)state;
	queue(0, 3);
	house_run_one(pwq, 0);
	assert_lists("12", "3");
	pwq_remove(pwq, &house.item[2], work_load(&house.item[2]));
	assert_lists("13", "");
	assert_int_equal(pwq->nr_active, 2);
	assert_int_equal(pwq_in_flight(pwq), 2);
}

/*
 * Whoever clears the mark kicks for items that were pushed quietly while it was set:
 * the end of an item, a cancel, a higher limit.
 */
static void test_clearing_the_mark_kicks(void **state)
{
	for (int how = 0; how < 3; how++) {
		(void)state;
		build(1);
		queue(0, 1);
		assert_lists("0", "1");
		house.timer_wakes = 0;
		atomic_store(&tick_on, TICK_OFF);
		assert_true(house_queue(0, 2));
		assert_true(pool->inbox & INBOX_QUIET);
		assert_false(tick_on); /* was not kicked */
		if (how == 0) {
			house_run_one(pwq, 0);
			assert_lists("1", "");
		} else if (how == 1) {
			pwq_remove(pwq, &house.item[1],
				   work_load(&house.item[1]));
			assert_lists("0", "");
		} else {
			pwq_set_max_active(pwq, 2);
			assert_lists("01", "");
		}
		assert_int_equal(pool->inbox, (uintptr_t)&house.item[2]);
		assert_true(tick_on);
		assert_true(pool_waiting(pool));
		pool_lock(pool);
		pool_unlock(pool);
		assert_int_equal(pool->inbox, 0);
		assert_int_equal(house_at(&pwq->inactive, 0), 2);
	}
}

/* One that does not clear it leaves the inbox alone. */
static void test_quiet_while_saturated(void **state)
{
	(void)state;
	build(1);
	queue(0, 2);
	fake_clear_wakes();
	for (int i = 3; i < 8; i++)
		assert_true(house_queue(0, i));
	assert_int_equal(fake.nr_wakes, 0);
	assert_false(pool_waiting(pool) && !pool->has_work);
	house_run_one(pwq, 0);
	assert_true(pwq->saturated);
	queue(8, 8);
	assert_lists("1", "2345678");
}

static void test_flush_waits_for_its_colour(void **state)
{
	uint32_t seq;

	(void)state;
	queue(0, 1);
	house.wq.pending[0] = 1;
	assert_true(pwq_start_flush(pwq, 1));
	queue(2, 3); /* colour 1 */
	assert_lists("01", "23");
	assert_int_equal(pwq_in_flight(pwq), 4);
	seq = house.wq.flush_event.seq;
	house_run_one(pwq, 0);
	assert_int_equal(house.wq.pending[0], 1);
	assert_int_equal(house.wq.flush_event.seq, seq);
	house_run_one(pwq, 1);
	assert_int_equal(house.wq.pending[0], 0);
	assert_int_not_equal(house.wq.flush_event.seq, seq);
	assert_int_equal(fake_wakes(&house.wq.flush_event.seq), 1);
	/* Nobody flushes colour 1 yet. */
	house_run_one(pwq, 2);
	house_run_one(pwq, 3);
	assert_int_equal(house.wq.pending[1], 0);
	assert_int_equal(fake_wakes(&house.wq.flush_event.seq), 1);
	assert_int_equal(pwq_in_flight(pwq), 0);
}

/* A colour that comes round again is not being flushed any more. */
static void test_colours_come_round(void **state)
{
	(void)state;
	queue(0, 0);
	house.wq.pending[0] = 1;
	assert_true(pwq_start_flush(pwq, 1));
	house_run_one(pwq, 0);
	assert_int_equal(house.wq.pending[0], 0);
	assert_false(pwq_start_flush(pwq, 0));
	queue(1, 1);
	house_run_one(pwq, 1);
	assert_int_equal(house.wq.pending[0], 0);
	assert_int_equal(fake_wakes(&house.wq.flush_event.seq), 1);
}

static void test_flush_of_nothing(void **state)
{
	(void)state;
	assert_false(pwq_start_flush(pwq, 1));
	queue(0, 0);
	house_run_one(pwq, 0);
	assert_false(pwq_start_flush(pwq, 2));
	/* The colours were not left waiting. */
	assert_int_equal(pwq->events, 0);
}

/* Two flushes at once; a cancel ends the first, the other goes on. */
static void test_flushes_side_by_side(void **state)
{
	(void)state;
	queue(0, 2);		 /* 2 is inactive */
	house.wq.pending[0] = 2; /* another pool has items too */
	assert_true(pwq_start_flush(pwq, 1));
	queue(3, 3);
	house.wq.pending[1] = 1;
	assert_true(pwq_start_flush(pwq, 2));
	pwq_remove(pwq, &house.item[2], work_load(&house.item[2]));
	house_run_one(pwq, 0);
	house_run_one(pwq, 3);
	assert_int_equal(house.wq.pending[0], 2);
	assert_int_equal(house.wq.pending[1], 0);
	assert_int_equal(fake_wakes(&house.wq.flush_event.seq), 1);
	house_run_one(pwq, 1);
	/* Not the last pool: only that one signals. */
	assert_int_equal(house.wq.pending[0], 1);
	assert_int_equal(fake_wakes(&house.wq.flush_event.seq), 1);
}

static void test_all_colours_are_apart(void **state)
{
	(void)state;
	build(16);
	for (unsigned int c = 0; c < WORD_NR_COLOURS - 1; c++) {
		house.wq.pending[c] = 1;
		queue((int)c, (int)c);
		assert_true(pwq_start_flush(pwq, c + 1));
	}
	for (int c = WORD_NR_COLOURS - 2; c >= 0; c--) {
		assert_int_equal(house.wq.pending[c], 1);
		house_run_one(pwq, c);
		assert_int_equal(house.wq.pending[c], 0);
		assert_int_equal(pwq_in_flight(pwq), c);
	}
}

static void test_reset(void **state)
{
	(void)state;
	queue(0, 4);
	pwq_start_flush(pwq, 1);
	pwq_reset(pwq);
	assert_int_equal(pwq_in_flight(pwq), 0);
	assert_int_equal(pwq->nr_active, 0);
	assert_true(list_empty(&pwq->inactive));
	assert_false(pwq->saturated);
	assert_int_equal(pwq->events, 0);
	assert_int_equal(pwq->colour, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_max_active_in_order, setup),
		cmocka_unit_test_setup(test_only_inactive_items_come, setup),
		cmocka_unit_test_setup(test_each_pwq_has_its_own_limit, setup),
		cmocka_unit_test_setup(test_set_max_active, setup),
		cmocka_unit_test_setup(test_remove_active_and_inactive, setup),
		cmocka_unit_test_setup(test_remove_activated, setup),
		cmocka_unit_test_setup(test_clearing_the_mark_kicks, setup),
		cmocka_unit_test_setup(test_quiet_while_saturated, setup),
		cmocka_unit_test_setup(test_flush_waits_for_its_colour, setup),
		cmocka_unit_test_setup(test_colours_come_round, setup),
		cmocka_unit_test_setup(test_flush_of_nothing, setup),
		cmocka_unit_test_setup(test_flushes_side_by_side, setup),
		cmocka_unit_test_setup(test_all_colours_are_apart, setup),
		cmocka_unit_test_setup(test_reset, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
