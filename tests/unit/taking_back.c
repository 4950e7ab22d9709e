/* SPDX-License-Identifier: MIT */
/*
 * taking_back - cancel.c and flush.c: results and counts, waiting for a run,
 * and for a thread that has claimed an item and not queued it yet.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager exec symbol nosleep bh order depend flush grace cancel
 */
#include "unit/house.h"

#include "cancel.h"
#include "exec.h"
#include "flush.h"

HOUSE_TIMER_STUBS
HOUSE_AWAY_STUBS

static struct pool *pool;
static struct pwq *pwq;
static struct work_struct *item;

static int setup_active(int max_active)
{
	house_build(WQ_PERCPU, max_active);
	manager_thread = exec_thread;
	pool = pool_of_cpu(0, false);
	pwq = &house.pwqs[0];
	item = house.item;
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return setup_active(2);
}

static void queue(int from, int to) NO_ANALYSIS
{
	for (int i = from; i <= to; i++)
		assert_true(house_queue(0, i));
	pool_lock(pool);
	pool_unlock(pool);
}

static void assert_nothing_left(void)
{
	assert_int_equal(pwq_in_flight(pwq), 0);
	assert_int_equal(pwq->nr_active, 0);
	assert_true(list_empty(&pool->worklist));
	assert_true(list_empty(&pwq->inactive));
	assert_true(list_empty(&pool->waiters));
	assert_int_equal(pool->inbox, 0);
}

/* --- cancel --- */

static void test_cancel_in_each_state(void **state)
{
	(void)state;
	assert_false(cancel_work(&item[0])); /* never queued */
	queue(0, 4);
	assert_true(house_queue(0, 5)); /* still in the inbox */
	assert_true(cancel_work(&item[5]));
	assert_false(cancel_work(&item[5]));
	assert_true(cancel_work(&item[3])); /* inactive */
	assert_false(work_pending(&item[3]));
	assert_int_equal(house_len(&pwq->inactive), 2);
	assert_true(cancel_work_sync(&item[0])); /* active: 2 moves up */
	assert_int_equal(house_at(&pool->worklist, 1), 2);
	assert_int_equal(pwq->nr_active, 2);
	assert_int_equal(pwq_in_flight(pwq), 3);
	for (int i = 1; i < 5; i++)
		assert_int_equal(cancel_work_sync(&item[i]), i != 3);
	assert_nothing_left();
	/* All of them can be queued again. */
	queue(0, 5);
	assert_int_equal(pwq_in_flight(pwq), 6);
	assert_string_equal(house.log, "");
}

static void test_cancel_wakes_for_what_it_activates(void **state)
{
	struct worker *idle;

	(void)state;
	setup_active(1);
	idle = house_idle_worker(pool);
	queue(0, 1);
	atomic_store(&idle->wake, 0);
	fake_clear_wakes();
	assert_true(cancel_work(&item[0]));
	assert_int_equal(house_at(&pool->worklist, 0), 1);
	assert_int_equal(fake_wakes(&idle->wake), 1);
}

static void test_cancel_of_bad_items(void **state)
{
	struct work_struct zero = { 0 };

	(void)state;
	assert_false(cancel_work(NULL));
	assert_false(cancel_work_sync(&zero));
	assert_false(disable_work(NULL));
	assert_false(enable_work(&zero));
	assert_false(flush_work(NULL));
	log_flush();
	assert_true(house_said("work item is NULL"));
	assert_false(cancel_work(&zero));
	log_flush();
	assert_true(house_said("was never initialised"));
}

/* --- disable --- */

static void test_disable_nests(void **state)
{
	(void)state;
	queue(0, 0);
	assert_true(disable_work(&item[0])); /* was pending */
	assert_nothing_left();
	assert_false(house_queue(0, 0));
	assert_false(disable_work_sync(&item[0]));
	assert_false(disable_work(&item[0]));
	assert_false(enable_work(&item[0]));
	assert_false(enable_work(&item[0]));
	assert_false(house_queue(0, 0));
	assert_false(work_pending(&item[0]));
	assert_true(enable_work(&item[0]));
	assert_true(house_queue(0, 0));
	assert_string_equal(house.log, "");
}

static void test_cancel_leaves_it_disabled(void **state)
{
	(void)state;
	disable_work(&item[0]);
	assert_false(cancel_work(&item[0]));
	assert_false(cancel_work_sync(&item[0]));
	assert_false(house_queue(0, 0));
	assert_true(enable_work(&item[0]));
	assert_true(house_queue(0, 0));
	assert_true(cancel_work_sync(&item[0]));
	assert_true(house_queue(0, 0)); /* its own count is gone */
}

static void test_disable_saturates(void **state)
{
	(void)state;
	for (int i = 0; i < 65535; i++)
		assert_false(disable_work(&item[0]));
	assert_string_equal(house.log, "");
	assert_false(disable_work(&item[0]));
	assert_true(house_said("disabled 65535 times"));
	assert_false(cancel_work_sync(&item[0])); /* has its own room */
	for (int i = 0; i < 65534; i++)
		assert_false(enable_work(&item[0]));
	assert_false(house_queue(0, 0));
	assert_true(enable_work(&item[0]));
	assert_true(house_queue(0, 0));
	assert_string_equal(house.log, "");
}

static void test_unbalanced_enable(void **state)
{
	(void)state;
	assert_true(enable_work(&item[0]));
	assert_true(house_said("enabled more often than disabled"));
	assert_true(house_queue(0, 0));
	assert_true(enable_work(&item[0])); /* in the inbox */
	assert_true(house_said("enabled more often than disabled"));
	queue(1, 3);
	assert_true(enable_work(&item[3])); /* inactive */
	assert_true(house_said("enabled more often than disabled"));
	assert_true(work_pending(&item[0]) && work_pending(&item[3]));
	assert_int_equal(pwq_in_flight(pwq), 4);
}

static void test_enable_and_queue(void **state)
{
	(void)state;
	disable_work(&item[0]);
	disable_work(&item[0]);
	assert_false(enable_and_queue_work(&house.wq, &item[0]));
	assert_false(work_pending(&item[0]));
	assert_true(enable_and_queue_work(&house.wq, &item[0]));
	assert_true(work_pending(&item[0]));
}

static void test_delayed_forms(void **state)
{
	struct delayed_work dwork;
	unsigned long old;

	(void)state;
	INIT_DELAYED_WORK(&dwork, house_run);
	assert_false(cancel_delayed_work(&dwork));
	/* Owned by its timer, as deferred.c leaves it. */
	assert_true(work_claim_idle(&dwork.work, &old));
	timer_add(&dwork.timer, 10);
	assert_true(delayed_work_pending(&dwork));
	assert_true(cancel_delayed_work(&dwork));
	assert_null(house.armed);
	assert_false(delayed_work_pending(&dwork));
	assert_true(work_claim_idle(&dwork.work, &old));
	timer_add(&dwork.timer, 10);
	assert_true(disable_delayed_work_sync(&dwork));
	assert_false(queue_work_on(0, &house.wq, &dwork.work));
	assert_false(disable_delayed_work(&dwork));
	assert_false(enable_delayed_work(&dwork));
	assert_true(enable_delayed_work(&dwork));
	assert_true(queue_work_on(0, &house.wq, &dwork.work));
	assert_true(cancel_delayed_work_sync(&dwork));
	assert_nothing_left();
}

/* --- with workers --- */

static struct fake_thread *worker0, *worker1;
static bool park;
static enum os_thread_state park_as;

static void parking(struct work_struct *work)
{
	house.runs[work - house.item]++;
	if (park)
		fake_park(park_as);
}

/* Two workers of the pool, idle; items stop where they are if @stop. */
static void start_workers(bool stop) NO_ANALYSIS
{
	park = stop;
	park_as = OS_THREAD_RUNNING;
	for (int i = 0; i < HOUSE_ITEMS; i++)
		INIT_WORK(&item[i], parking);
	for (int i = 0; i < 2; i++) {
		pool_lock(pool);
		assert_true(manager_create(pool));
		pool_unlock(pool);
		fake_start(fake_thread(i));
		assert_int_equal(fake_thread(i)->state, FAKE_FUTEX);
	}
	worker0 = fake_thread(0);
	worker1 = fake_thread(1);
	assert_int_equal(pool->nr_idle, 2);
}

static struct fake_thread *running(void)
{
	return worker0->state == FAKE_PARKED ? worker0 : worker1;
}

static void release(void)
{
	fake_unpark(running());
	fake_run();
}

struct call {
	bool (*fn)(struct work_struct *work);
	struct work_struct *work;
	int result; /* -1: has not returned */
};

static void do_call(void *arg)
{
	struct call *c = arg;

	c->result = c->fn(c->work);
}

/* In a thread of its own, which runs until it waits. */
static struct fake_thread *start_call(struct call *c)
{
	struct fake_thread *t = fake_spawn(do_call, c);

	c->result = -1;
	fake_start(t);
	return t;
}

static void test_cancel_of_a_running_item(void **state)
{
	struct call sync = { cancel_work_sync, &item[0], 0 };

	(void)state;
	sync.work = &item[0];
	start_workers(true);
	assert_true(house_queue(0, 0));
	fake_run();
	assert_int_equal(house.runs[0], 1);
	/* Not pending, and the plain form does not wait. */
	assert_false(cancel_work(&item[0]));
	assert_true(house_queue(0, 0));
	start_call(&sync);
	fake_run();
	assert_int_equal(sync.result, -1);
	/* Taken back, and refused while it waits. */
	assert_false(work_pending(&item[0]));
	assert_false(house_queue(0, 0));
	release();
	assert_int_equal(sync.result, true);
	assert_int_equal(house.runs[0], 1);
	assert_true(house_queue(0, 0));
	assert_int_equal(house.runs[0], 1);
	fake_run();
	release();
	assert_int_equal(house.runs[0], 2);
	assert_nothing_left();
}

/* Of several callers one gets true, all wait. */
static void test_several_cancels(void **state)
{
	struct call a = { cancel_work_sync, NULL, 0 };
	struct call b = { disable_work_sync, NULL, 0 };
	struct call c = { cancel_work_sync, NULL, 0 };

	(void)state;
	a.work = b.work = c.work = &item[0];
	start_workers(true);
	house_queue(0, 0);
	fake_run();
	house_queue(0, 0);
	start_call(&a);
	start_call(&b);
	start_call(&c);
	fake_run();
	assert_int_equal(a.result + b.result + c.result, -3);
	release();
	assert_int_equal(a.result + b.result + c.result, 1);
	assert_false(house_queue(0, 0));
	assert_true(enable_work(&item[0]));
	assert_nothing_left();
}

static void test_flush_of_each_state(void **state)
{
	struct call queued = { flush_work, NULL, 0 };
	struct call running_one = { flush_work, NULL, 0 };

	(void)state;
	setup_active(1);
	queued.work = &item[1];
	running_one.work = &item[0];
	start_workers(true);
	assert_false(flush_work(&item[0])); /* idle */
	house_queue(0, 0);
	fake_run();
	house_queue(0, 1); /* inactive behind it */
	start_call(&running_one);
	start_call(&queued);
	fake_run();
	assert_int_equal(running_one.result, -1);
	assert_int_equal(queued.result, -1);
	release(); /* ends item 0; item 1 starts */
	assert_int_equal(running_one.result, true);
	assert_int_equal(queued.result, -1);
	assert_int_equal(house.runs[1], 1);
	release();
	assert_int_equal(queued.result, true);
	assert_false(flush_work(&item[1]));
	assert_nothing_left();
}

/* A flush of a running item does not wait for a later queueing. */
static void test_flush_ignores_what_comes_later(void **state)
{
	struct call c = { flush_work, NULL, 0 };

	(void)state;
	c.work = &item[0];
	start_workers(true);
	house_queue(0, 0);
	fake_run();
	start_call(&c);
	house_queue(0, 0);
	release();
	assert_int_equal(house.runs[0], 2); /* runs again, and is parked */
	assert_int_equal(c.result, true);
	release();
}

/* A cancel ends the flush of what it takes back, and no other. */
static void test_cancel_completes_a_flush(void **state)
{
	struct call c = { flush_work, NULL, 0 };
	struct call other = { flush_work, NULL, 0 };

	(void)state;
	c.work = &item[1];
	other.work = &item[2];
	start_workers(true);
	house_queue(0, 0);
	fake_run();
	house_queue(0, 1);
	house_queue(0, 2);
	start_call(&c);
	start_call(&other);
	fake_run();
	assert_int_equal(c.result, -1);
	assert_true(cancel_work(&item[1]));
	fake_run();
	assert_int_equal(c.result, true);
	assert_int_equal(other.result, -1);
	assert_int_equal(house.runs[1], 0);
	release();
	assert_int_equal(other.result, -1);
	release();
	assert_int_equal(other.result, true);
	assert_int_equal(house.runs[2], 1);
	assert_nothing_left();
}

static void test_each_flush_has_its_item(void **state)
{
	struct call first = { flush_work, NULL, 0 };
	struct call second = { flush_work, NULL, 0 };

	(void)state;
	first.work = &item[1];
	second.work = &item[2];
	start_workers(true);
	house_queue(0, 0);
	fake_run();
	house_queue(0, 1);
	house_queue(0, 2);
	start_call(&first);
	start_call(&second);
	release();
	assert_int_equal(first.result, -1);
	release();
	assert_int_equal(first.result, true);
	assert_int_equal(second.result, -1);
	release();
	assert_int_equal(second.result, true);
	assert_nothing_left();
}

static int self_result;

static void flush_itself(struct work_struct *work)
{
	self_result = flush_work(work);
}

static void test_item_that_waits_for_itself(void **state)
{
	(void)state;
	start_workers(false);
	INIT_WORK(&item[0], flush_itself);
	self_result = -1;
	house_queue(0, 0);
	fake_run();
	assert_int_equal(self_result, false);
	assert_true(house_said("waits for itself"));
	assert_nothing_left();
}

/* --- flush_workqueue --- */

static bool flush_wq(struct work_struct *work)
{
	(void)work;
	flush_workqueue(&house.wq);
	return true;
}

static void test_flush_workqueue(void **state)
{
	struct call c = { flush_wq, NULL, 0 };

	(void)state;
	start_workers(true);
	flush_workqueue(&house.wq); /* nothing there */
	house_queue(0, 0);
	fake_run();
	house_queue(0, 1);
	start_call(&c);
	house_queue(0, 2); /* not awaited */
	release();
	assert_int_equal(house.runs[1], 1);
	assert_int_equal(c.result, -1);
	release();
	assert_int_equal(house.runs[2], 1);
	assert_int_equal(c.result, true);
	release();
	assert_nothing_left();
}

/* More flushes than there are colours: those beyond wait for one, and all end. */
#define FLUSHES 20

static void test_more_flushes_than_colours(void **state)
{
	struct call c[FLUSHES];
	int ended = 0;

	(void)state;
	setup_active(1);
	start_workers(false);
	INIT_WORK(&item[0], parking);
	park = true;
	house_queue(0, 0);
	fake_run();
	for (int i = 0; i < FLUSHES; i++) {
		c[i] = (struct call){ flush_wq, NULL, 0 };
		start_call(&c[i]);
		assert_int_equal(c[i].result, -1);
	}
	assert_true(house.wq.epoch - house.wq.flush_epoch < WORD_NR_COLOURS);
	release();
	for (int i = 0; i < FLUSHES; i++)
		ended += c[i].result == true;
	assert_int_equal(ended, FLUSHES);
	assert_nothing_left();
}

/* --- claimed but not queued yet --- */

static unsigned long old_word;

/* What a thread does that is stopped between claim and push. */
static void claim_only(int i)
{
	assert_int_equal(work_claim(&item[i], word_for_pwq(pwq, 0, 1),
				    &old_word),
			 CLAIMED);
}

static void push_now(int i)
{
	if (pool_push(pool, &item[i], false))
		cm_kick(pool);
}

static void test_waits_for_the_push(void **state)
{
	static bool (*const calls[])(struct work_struct *) = {
		cancel_work,	   cancel_work_sync, disable_work,
		disable_work_sync, flush_work,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		struct call c = { calls[i], NULL, 0 };
		bool flushes = calls[i] == flush_work;
		struct fake_thread *t;
		uint64_t step;

		setup_active(2);
		start_workers(false);
		c.work = &item[0];
		claim_only(0);
		t = start_call(&c);
		/* It sleeps, longer each time up to 1 ms, and leaves the lock
		 * free: nobody spins on the one who is stopped. */
		assert_int_equal(t->state, FAKE_SLEEP);
		step = t->deadline - fake.now;
		assert_int_equal(step, 50 * NSEC_PER_USEC);
		for (int n = 0; n < 10; n++) {
			assert_int_equal(pool->lock.word, LOCK_FREE);
			fake.now = t->deadline;
			fake_run();
			assert_int_equal(t->state, FAKE_SLEEP);
			assert_true(t->deadline - fake.now >= step);
			step = t->deadline - fake.now;
			assert_true(step <= NSEC_PER_MSEC);
		}
		assert_true(step > 500 * NSEC_PER_USEC);
		assert_int_equal(c.result, -1);
		assert_false(house_queue(0, 0)); /* somebody else's */
		/* The push comes, but the kick is held up as well. */
		pool_push(pool, &item[0], false);
		fake.now = t->deadline;
		fake_run();
		assert_int_equal(c.result, flushes ? -1 : true);
		cm_kick(pool);
		fake_run();
		assert_int_equal(c.result, true);
		assert_int_equal(house.runs[0], flushes);
		assert_nothing_left();
	}
}

/* The one who claimed gives it up instead: the item was never pending. */
static void test_the_claim_is_given_up(void **state)
{
	struct call c = { cancel_work_sync, NULL, 0 };
	struct fake_thread *t;

	(void)state;
	c.work = &item[0];
	start_workers(false);
	claim_only(0);
	t = start_call(&c);
	assert_int_equal(t->state, FAKE_SLEEP);
	work_exchange(&item[0], old_word); /* drop(), on a draining queue */
	fake.now = t->deadline;
	fake_run();
	assert_int_equal(c.result, false);
	assert_true(house_queue(0, 0));
	fake_run();
	assert_int_equal(house.runs[0], 1);
}

/* enable_work() of an item that is in somebody's hands does not wait. */
static void test_enable_of_a_claimed_item(void **state)
{
	(void)state;
	start_workers(false);
	claim_only(0);
	assert_true(enable_work(&item[0]));
	assert_true(house_said("enabled more often"));
	push_now(0);
	fake_run();
	assert_int_equal(house.runs[0], 1);
}

/* A flush of the queue does not wait for an item that is not queued yet, and
 * loses none: the item has its run after the push. */
static void test_flush_workqueue_passes_a_claim(void **state)
{
	struct call c = { flush_wq, NULL, 0 };

	(void)state;
	start_workers(false);
	claim_only(0);
	start_call(&c);
	fake_run();
	push_now(0);
	fake_run();
	assert_int_equal(c.result, true);
	assert_int_equal(house.runs[0], 1);
	flush_workqueue(&house.wq);
	assert_nothing_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_cancel_in_each_state, setup),
		cmocka_unit_test_setup(test_cancel_wakes_for_what_it_activates,
				       setup),
		cmocka_unit_test_setup(test_cancel_of_bad_items, setup),
		cmocka_unit_test_setup(test_disable_nests, setup),
		cmocka_unit_test_setup(test_cancel_leaves_it_disabled, setup),
		cmocka_unit_test_setup(test_disable_saturates, setup),
		cmocka_unit_test_setup(test_unbalanced_enable, setup),
		cmocka_unit_test_setup(test_enable_and_queue, setup),
		cmocka_unit_test_setup(test_delayed_forms, setup),
		cmocka_unit_test_setup(test_cancel_of_a_running_item, setup),
		cmocka_unit_test_setup(test_several_cancels, setup),
		cmocka_unit_test_setup(test_flush_of_each_state, setup),
		cmocka_unit_test_setup(test_flush_ignores_what_comes_later,
				       setup),
		cmocka_unit_test_setup(test_cancel_completes_a_flush, setup),
		cmocka_unit_test_setup(test_each_flush_has_its_item, setup),
		cmocka_unit_test_setup(test_item_that_waits_for_itself, setup),
		cmocka_unit_test_setup(test_flush_workqueue, setup),
		cmocka_unit_test_setup(test_more_flushes_than_colours, setup),
		cmocka_unit_test_setup(test_waits_for_the_push, setup),
		cmocka_unit_test_setup(test_the_claim_is_given_up, setup),
		cmocka_unit_test_setup(test_enable_of_a_claimed_item, setup),
		cmocka_unit_test_setup(test_flush_workqueue_passes_a_claim,
				       setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
