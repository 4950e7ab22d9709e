/* SPDX-License-Identifier: MIT */
/*
 * grace - grace.c with a flavour whose grace period is a function of the test:
 * what comes, goes, and forks while it lasts.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager exec symbol nosleep bh order depend flush grace
 */
#include "unit/house.h"

#include <urcu/flavor.h>

#include "grace.h"

HOUSE_TIMER_STUBS
HOUSE_AWAY_STUBS

static struct rcu_work rwork[4];
static void (*meanwhile)(void); /* in the grace period */
static int periods;
static bool online, in_section;
static int offline_calls, online_calls;
static struct grace *grace;
static struct work_struct *periods_item;

static void synchronize(void)
{
	periods++;
	if (meanwhile)
		meanwhile();
}

static int read_ongoing(void)
{
	return online || in_section;
}

static void go_offline(void)
{
	online = false;
	offline_calls++;
}

static void go_online(void)
{
	online = true;
	online_calls++;
}

static const struct rcu_flavor_struct flavor = {
	.update_synchronize_rcu = synchronize,
	.read_ongoing = read_ongoing,
	.thread_offline = go_offline,
	.thread_online = go_online,
};

static void never(struct work_struct *work)
{
	(void)work;
}

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 4);
	for (int i = 0; i < 4; i++)
		INIT_RCU_WORK(&rwork[i], never);
	meanwhile = NULL;
	periods = offline_calls = online_calls = 0;
	online = in_section = false;
	grace_reset();
	grace = grace_of(&flavor);
	assert_non_null(grace);
	assert_ptr_equal(grace_of(&flavor), grace);
	return 0;
}

static void add(int i)
{
	unsigned long old;

	assert_true(work_claim_idle(&rwork[i].work, &old));
	rwork[i].wq = &house.wq;
	periods_item = grace_add(grace, &rwork[i]);
	assert_true(work_load(&rwork[i].work) & WORD_GRACE);
}

/* A worker runs what grace_add() asks for. */
static void pass_period(void)
{
	periods_item->func(periods_item);
}

static bool waits(int i)
{
	return work_load(&rwork[i].work) & WORD_GRACE;
}

static bool queued(int i)
{
	return word_pwq(work_load(&rwork[i].work));
}

static void test_sent_on_in_order(void **state)
{
	struct pool *pool = pool_of_cpu(0, false);
	struct list *l;

	(void)state;
	for (int i = 0; i < 4; i++)
		add(i);
	pass_period();
	assert_int_equal(periods, 1);
	pool_lock(pool);
	l = pool->worklist.next;
	for (int i = 0; i < 4; i++, l = l->next) {
		assert_false(waits(i));
		assert_ptr_equal(entry_work(l), &rwork[i].work);
	}
	assert_ptr_equal(l, &pool->worklist);
	pool_unlock(pool);
}

static void test_on_the_cpu_that_queued(void **state)
{
	struct pool *pool = pool_of_cpu(2, false);

	(void)state;
	fake.cpu = 2;
	add(0);
	fake.cpu = 1;
	pass_period();
	assert_ptr_equal(pwq_pool(word_pwq(work_load(&rwork[0].work))), pool);
}

static void add_1(void)
{
	assert_false(queued(0));
	add(1);
	meanwhile = NULL;
}

/* Its readers need not have been waited for. */
static void test_comes_in_the_period(void **state)
{
	(void)state;
	add(0);
	meanwhile = add_1;
	pass_period();
	assert_true(queued(0));
	assert_true(waits(1));
	pass_period();
	assert_true(queued(1));
	assert_int_equal(periods, 2);
}

static void take_1_and_add_it_again(void)
{
	unsigned long old;

	assert_true(grace_take(&rwork[1].work, &old));
	assert_int_equal(old & (WORD_PENDING | WORD_GRACE), 0);
	assert_false(grace_take(&rwork[1].work, &old));
	assert_true(work_pending(&rwork[1].work));
	work_exchange(&rwork[1].work, old);
	add(1);
}

static void test_taken_back_in_the_period(void **state)
{
	(void)state;
	add(0);
	add(1);
	meanwhile = take_1_and_add_it_again;
	pass_period();
	assert_true(queued(0));
	assert_true(waits(1));
	meanwhile = NULL;
	pass_period();
	assert_true(queued(1));
}

static void leave_section(void)
{
	in_section = false;
}

static void test_flush(void **state)
{
	unsigned long old;

	(void)state;
	assert_false(grace_flush(&rwork[0].work, NULL));
	add(0);
	in_section = true;
	assert_false(grace_flush(&rwork[0].work, NULL));
	assert_true(house_said("waited for in a read section"));
	assert_true(waits(0));
	meanwhile = leave_section;
	pass_period();
	assert_false(in_section);
	/* Nothing of the flusher's is left. */
	add(1);
	assert_true(grace_take(&rwork[1].work, &old));
}

/* The flusher's own words to liburcu, where a reader is one by being online. */
static void flush_thread(void *arg)
{
	(void)arg;
	online = true;
	assert_true(grace_flush(&rwork[0].work, NULL));
	assert_true(online);
}

static void test_flush_is_offline(void **state)
{
	struct fake_thread *flusher = fake_spawn(flush_thread, NULL);
	unsigned long old;

	(void)state;
	add(0);
	fake_start(flusher);
	assert_int_equal(flusher->state, FAKE_FUTEX);
	assert_false(online);
	assert_true(grace_take(&rwork[0].work, &old));
	work_exchange(&rwork[0].work, old);
	fake_run();
	assert_int_equal(flusher->state, FAKE_OVER);
	assert_int_equal(offline_calls, 1);
	assert_int_equal(online_calls, 1);
}

static void fork_here(void)
{
	fake_set_generation(2);
	grace_reset();
	for (int i = 0; i < 2; i++)
		assert_false(work_pending(&rwork[i].work));
	add(0);
	meanwhile = NULL;
}

/* In the child: nobody is left who would send them on, and they are idle. */
static void test_forked_in_the_period(void **state)
{
	(void)state;
	add(0);
	add(1);
	meanwhile = fork_here;
	synchronize();
	assert_true(waits(0));
	pass_period();
	assert_true(queued(0));
	assert_false(work_pending(&rwork[1].work));
}

static void test_destroyed_workqueue(void **state)
{
	(void)state;
	add(0);
	atomic_store(&house.wq.magic, WQ_DEAD_MAGIC);
	pass_period();
	assert_false(work_pending(&rwork[0].work));
	log_flush();
	assert_true(house_said("workqueue house was destroyed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_sent_on_in_order, setup),
		cmocka_unit_test_setup(test_on_the_cpu_that_queued, setup),
		cmocka_unit_test_setup(test_comes_in_the_period, setup),
		cmocka_unit_test_setup(test_taken_back_in_the_period, setup),
		cmocka_unit_test_setup(test_flush, setup),
		cmocka_unit_test_setup(test_flush_is_offline, setup),
		cmocka_unit_test_setup(test_forked_in_the_period, setup),
		cmocka_unit_test_setup(test_destroyed_workqueue, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
