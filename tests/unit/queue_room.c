/* SPDX-License-Identifier: MIT */
/*
 * queue_room - results of queueing, bad input, the worker that still runs it.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

HOUSE_TIMER_STUBS

static struct pool *pool0, *pool1;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	pool0 = pool_of_cpu(0, false);
	pool1 = pool_of_cpu(1, false);
	return 0;
}

static void drain(struct pool *pool) NO_ANALYSIS
{
	pool_lock(pool);
	pool_unlock(pool);
}

static void drain_all(void)
{
	struct pool *pool;

	for_each_pool (pool)
		drain(pool);
}

static void assert_refused(bool result, const char *message)
{
	struct pool *pool;

	assert_false(result);
	assert_string_equal(house.log, "");
	assert_true(house.timer_wakes > 0);
	log_flush(); /* the timer thread prints it */
	assert_true(house_said(message));
	for_each_pool (pool)
		assert_int_equal(pool->inbox, 0);
	house.timer_wakes = 0;
}

/* --- results --- */

static void test_true_once_then_false(void **state)
{
	(void)state;
	assert_true(queue_work(&house.wq, &house.item[0]));
	assert_true(work_pending(&house.item[0]));
	assert_false(queue_work(&house.wq, &house.item[0]));
	assert_false(queue_work_on(1, &house.wq, &house.item[0]));
	drain_all();
	assert_false(queue_work(&house.wq, &house.item[0]));
	assert_int_equal(house_len(&pool0->worklist), 1);
	assert_int_equal(house_len(&pool1->worklist), 0);
	house_run_one(&house.pwqs[0], 0);
	assert_false(work_pending(&house.item[0]));
	assert_false(work_pending(NULL));
	assert_true(queue_work(&house.wq, &house.item[0]));
	log_flush();
	assert_string_equal(house.log, "");
}

static void test_goes_where_it_is_sent(void **state)
{
	(void)state;
	fake.cpu = 2;
	assert_true(queue_work(&house.wq, &house.item[0]));
	assert_true(queue_work_on(1, &house.wq, &house.item[1]));
	assert_true(queue_work_on(WORK_CPU_UNBOUND, &house.wq, &house.item[2]));
	drain_all();
	assert_int_equal(house_at(&pool_of_cpu(2, false)->worklist, 0), 0);
	assert_int_equal(house_at(&pool_of_cpu(2, false)->worklist, 1), 2);
	assert_int_equal(house_at(&pool1->worklist, 0), 1);
	house_build(WQ_PERCPU | WQ_HIGHPRI, 16);
	assert_true(queue_work_on(3, &house.wq, &house.item[0]));
	drain_all();
	assert_int_equal(house_at(&pool_of_cpu(3, true)->worklist, 0), 0);
	house_build(WQ_UNBOUND, 16);
	assert_true(queue_work_on(3, &house.wq, &house.item[0]));
	assert_true(queue_work(&house.wq, &house.item[1]));
	drain_all();
	assert_int_equal(house_len(&pool_unbound(false)->worklist), 2);
}

static void test_wakes_a_worker_once(void **state)
{
	struct worker *idle = house_idle_worker(pool0);

	(void)state;
	queue_work(&house.wq, &house.item[0]);
	assert_int_equal(fake_wakes(&idle->wake), 1);
	queue_work(&house.wq, &house.item[1]);
	queue_work(&house.wq, &house.item[2]);
	assert_int_equal(fake_wakes(&idle->wake), 1);
}

/* --- bad input --- */

static void test_bad_workqueue(void **state)
{
	static uint64_t rubbish[64] = { 1, 2, 3 };

	(void)state;
	assert_refused(queue_work(NULL, &house.item[0]),
		       "workqueue NULL is not one");
	assert_refused(queue_work((struct workqueue_struct *)rubbish,
				  &house.item[0]),
		       "workqueue ? is not one");
	atomic_store(&house.wq.magic, WQ_DEAD_MAGIC);
	assert_refused(queue_work(&house.wq, &house.item[0]),
		       "workqueue house was destroyed");
	assert_false(work_pending(&house.item[0]));
}

static void test_bad_item(void **state)
{
	struct work_struct zero = { 0 };
	struct work_struct poison;

	(void)state;
	memset(&poison, 0x6b, sizeof(poison));
	assert_refused(queue_work(&house.wq, NULL),
		       "NULL work item for workqueue house");
	assert_refused(queue_work(&house.wq, &zero),
		       "uninitialised work item for workqueue house");
	assert_refused(queue_work(&house.wq, &poison),
		       "poisoned work item for workqueue house");
	memset(&poison, 0xff, sizeof(poison));
	assert_refused(queue_work(&house.wq, &poison),
		       "poisoned work item for workqueue house");
}

static void test_item_without_function(void **state)
{
	struct work_struct nothing;

	(void)state;
	INIT_WORK(&nothing, NULL);
	assert_refused(queue_work(&house.wq, &nothing),
		       "work item for workqueue house");
}

static void test_bad_cpu(void **state)
{
	(void)state;
	assert_refused(queue_work_on(-1, &house.wq, &house.item[0]),
		       "no such CPU; item for workqueue house refused");
	assert_refused(queue_work_on(HOUSE_CPUS, &house.wq, &house.item[0]),
		       "no such CPU");
	assert_refused(queue_work_on(WORK_CPU_UNBOUND - 1, &house.wq,
				     &house.item[0]),
		       "no such CPU");
	/* One that exists and is not ours: it runs elsewhere. */
	fake_set_cpus(HOUSE_CPUS, 0x7);
	assert_true(queue_work_on(3, &house.wq, &house.item[0]));
	log_flush();
	assert_true(house_said("CPU not available"));
	assert_true(work_pending(&house.item[0]));
}

static void test_the_caller_is_named(void **state)
{
	char address[32];
	char *at;

	(void)state;
	queue_work(NULL, &house.item[0]);
	log_flush();
	at = strstr(house.log, "caller at ");
	assert_non_null(at);
	assert_int_equal(sscanf(at, "caller at %31s", address), 1);
	assert_true(strtoull(address, NULL, 16) >
		    (uintptr_t)test_the_caller_is_named);
	assert_true(strtoull(address, NULL, 16) <
		    (uintptr_t)test_the_caller_is_named + 4096);
}

/* Before there is a timer thread the message comes at once. */
static void test_said_at_once_when_not_online(void **state)
{
	(void)state;
	atomic_store(&life_online, false);
	assert_false(queue_wq_ok(NULL, NULL));
	assert_true(house_said("workqueue NULL is not one"));
	assert_int_equal(house.timer_wakes, 0);
	atomic_store(&life_online, true);
}

/* --- draining --- */

static void test_dropped_while_draining(void **state)
{
	struct worker *w;

	(void)state;
	atomic_fetch_or(&house.wq.flags, __WQ_DRAINING);
	assert_true(queue_work(&house.wq, &house.item[0]));
	assert_false(work_pending(&house.item[0]));
	log_flush();
	assert_true(house_said("workqueue house is draining: item dropped"));
	drain_all();
	assert_int_equal(house_len(&pool0->worklist), 0);
	/* An item of the queue itself may queue on it, one of another not. */
	w = house_busy_worker(pool0, &house.pwqs[0], &house.item[5]);
	house_as(w);
	assert_true(queue_work(&house.wq, &house.item[0]));
	assert_true(work_pending(&house.item[0]));
	atomic_store(&w->current_work, NULL);
	assert_true(queue_work(&house.wq, &house.item[1]));
	assert_false(work_pending(&house.item[1]));
	atomic_fetch_and(&house.wq.flags, ~(unsigned int)__WQ_DRAINING);
	house_as(NULL);
	assert_true(queue_work(&house.wq, &house.item[1]));
	assert_true(work_pending(&house.item[1]));
}

/* --- not running twice --- */

/* A worker of @pool has begun item 0, as the word says. */
static struct worker *begun(struct pool *pool, int i)
{
	struct pwq *pwq = &house.pwqs[pool->cpu];
	struct worker *w = house_busy_worker(pool, pwq, &house.item[i]);

	work_exchange(&house.item[i],
		      word_gen(1) | (unsigned long)w->slot << WORD_SLOT_SHIFT);
	return w;
}

static void test_goes_where_it_runs(void **state)
{
	struct worker *w = begun(pool0, 0);

	(void)state;
	assert_true(queue_work_on(1, &house.wq, &house.item[0]));
	drain_all();
	assert_int_equal(house_len(&pool1->worklist), 0);
	assert_int_equal(house_at(&pool0->worklist, 0), 0);
	assert_int_equal(pwq_in_flight(&house.pwqs[0]), 1);
	assert_int_equal(pwq_in_flight(&house.pwqs[1]), 0);
	/* Idle, it goes where it is sent. */
	house_run_one(&house.pwqs[0], 0);
	w = begun(pool0, 0);
	atomic_store(&w->current_work, NULL);
	assert_true(queue_work_on(1, &house.wq, &house.item[0]));
	drain_all();
	assert_int_equal(house_at(&pool1->worklist, 0), 0);
}

/* The worker goes on to another item: nothing keeps this one there. */
static void test_slot_of_a_worker_that_runs_another(void **state)
{
	struct worker *w = begun(pool0, 0);

	(void)state;
	atomic_store(&w->current_work, &house.item[3]);
	assert_true(queue_work_on(1, &house.wq, &house.item[0]));
	drain_all();
	assert_int_equal(house_at(&pool1->worklist, 0), 0);
}

static void other_function(struct work_struct *work)
{
	(void)work;
}

static void test_only_item_function_and_queue_together(void **state)
{
	static _Alignas(64) struct pwq others[HOUSE_CPUS];
	static _Atomic(struct pwq *) table[HOUSE_CPUS];
	struct workqueue_struct other;

	(void)state;
	house_build_wq(&other, others, table, WQ_PERCPU, 16);
	begun(pool0, 0);
	assert_true(queue_work_on(1, &other, &house.item[0]));
	drain_all();
	assert_int_equal(house_at(&pool1->worklist, 0), 0);
	begun(pool0, 1);
	house.item[1].func = other_function;
	assert_true(queue_work_on(1, &house.wq, &house.item[1]));
	drain_all();
	assert_int_equal(house_at(&pool1->worklist, 1), 1);
}

/* The running item queues itself: it stays, quietly. */
static void test_self_requeue_is_quiet(void **state)
{
	struct worker *idle = house_idle_worker(pool0);

	(void)state;
	house_as(begun(pool0, 0));
	fake.cpu = 1; /* wherever the thread may be */
	assert_true(queue_work(&house.wq, &house.item[0]));
	assert_false(queue_work(&house.wq, &house.item[0]));
	assert_int_equal(idle->wake, 0);
	assert_false(tick_on);
	drain_all();
	assert_int_equal(house_at(&pool0->worklist, 0), 0);
	assert_int_equal(house_len(&pool1->worklist), 0);
	/* Another item goes where the thread is. */
	assert_true(queue_work(&house.wq, &house.item[1]));
	drain_all();
	assert_int_equal(house_at(&pool1->worklist, 0), 1);
}

/* Nobody is woken for them, but when many have come the timer thread is, once, to
 * take them out of the inbox. */
static void test_a_crowd_behind_a_saturated_pwq(void **state)
{
	static struct work_struct crowd[POOL_CROWD + 1];

	(void)state;
	house_build(WQ_PERCPU, 1);
	house_queue(0, 0);
	house_queue(0, 1);
	drain(pool0);
	assert_true(house.pwqs[0].saturated);
	house.timer_wakes = 0;
	for (int i = 0; i <= POOL_CROWD; i++) {
		assert_int_equal(house.timer_wakes, i == POOL_CROWD);
		assert_int_equal(pool0->crowded, i == POOL_CROWD);
		INIT_WORK(&crowd[i], house_run);
		queue_work_on(0, &house.wq, &crowd[i]);
	}
	assert_int_equal(house.timer_wakes, 1);
	drain(pool0);
	assert_int_equal(pool0->quiet_pushes, 0);
	assert_int_equal(house_len(&house.pwqs[0].inactive), POOL_CROWD + 2);
}

static void test_a_forked_childs_items_are_idle(void **state)
{
	(void)state;
	assert_true(queue_work(&house.wq, &house.item[0]));
	fake_set_generation(2);
	pool_reset(pool0);
	assert_false(work_pending(&house.item[0]));
	assert_true(queue_work(&house.wq, &house.item[0]));
	drain_all();
	assert_int_equal(house_at(&pool0->worklist, 0), 0);
}

/* --- somebody stopped between his push and his kick --- */

static struct worker *stopped_pusher(bool ticking)
{
	struct worker *idle = house_idle_worker(pool0);
	unsigned long old;

	work_claim(&house.item[0], word_for_pwq(&house.pwqs[0], 0, 1), &old);
	assert_true(pool_push(pool0, &house.item[0], false));
	atomic_store(&tick_on, ticking ? TICK_ON : TICK_OFF);
	return idle;
}

static void test_kicks_for_one_who_stopped(void **state)
{
	struct worker *idle = stopped_pusher(false);

	(void)state;
	assert_true(queue_work_on(0, &house.wq, &house.item[1]));
	assert_int_equal(idle->wake, 1);
	assert_true(tick_on);
}

/* With the tick on that is the tick's business, and costs no wakeup. */
static void test_leaves_it_to_the_tick(void **state)
{
	struct worker *idle = stopped_pusher(true);

	(void)state;
	assert_true(queue_work_on(0, &house.wq, &house.item[1]));
	assert_int_equal(idle->wake, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_true_once_then_false, setup),
		cmocka_unit_test_setup(test_goes_where_it_is_sent, setup),
		cmocka_unit_test_setup(test_wakes_a_worker_once, setup),
		cmocka_unit_test_setup(test_bad_workqueue, setup),
		cmocka_unit_test_setup(test_bad_item, setup),
		cmocka_unit_test_setup(test_item_without_function, setup),
		cmocka_unit_test_setup(test_bad_cpu, setup),
		cmocka_unit_test_setup(test_the_caller_is_named, setup),
		cmocka_unit_test_setup(test_said_at_once_when_not_online,
				       setup),
		cmocka_unit_test_setup(test_dropped_while_draining, setup),
		cmocka_unit_test_setup(test_goes_where_it_runs, setup),
		cmocka_unit_test_setup(test_slot_of_a_worker_that_runs_another,
				       setup),
		cmocka_unit_test_setup(
			test_only_item_function_and_queue_together, setup),
		cmocka_unit_test_setup(test_self_requeue_is_quiet, setup),
		cmocka_unit_test_setup(test_kicks_for_one_who_stopped, setup),
		cmocka_unit_test_setup(test_leaves_it_to_the_tick, setup),
		cmocka_unit_test_setup(test_a_crowd_behind_a_saturated_pwq,
				       setup),
		cmocka_unit_test_setup(test_a_forked_childs_items_are_idle,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
