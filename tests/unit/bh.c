/* SPDX-License-Identifier: MIT */
/*
 * bh - the thread of a CPU's BH items: when it is created, how long it is urgent, who
 * runs items in its place, and what it finds out about them.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager exec symbol nosleep bh
 */
#include "unit/house.h"

#include "bh.h"

#include <errno.h>
#include <limits.h>

HOUSE_TIMER_STUBS
HOUSE_AWAY_STUBS

#define CPU 0

static struct pool *normal, *urgent;
static struct bh_cpu *bh;
static struct workqueue_struct urgent_wq;
static _Atomic(struct pwq *) urgent_table[HOUSE_CPUS];
static _Alignas(64) struct pwq urgent_pwqs[HOUSE_CPUS];
static struct fake_thread *thread; /* of CPU, if there is one */
static int left;		   /* requeueings of item 0 to come */
static uint64_t item_ns;	   /* that an item takes */
static int ran_in[HOUSE_ITEMS];	   /* thread number */
static bool was_urgent[HOUSE_ITEMS];

static int setup(void **state)
{
	(void)state;
	house_build(WQ_BH, INT_MAX);
	house_build_wq(&urgent_wq, urgent_pwqs, urgent_table,
		       WQ_BH | WQ_HIGHPRI, INT_MAX);
	normal = pool_bh(CPU, false);
	urgent = pool_bh(CPU, true);
	bh = &bh_cpus[CPU];
	thread = NULL;
	left = 0;
	item_ns = 0;
	memset(ran_in, 0, sizeof(ran_in));
	memset(was_urgent, 0, sizeof(was_urgent));
	return 0;
}

static void item(struct work_struct *work)
{
	int i = (int)(work - house.item);

	house.runs[i]++;
	ran_in[i] = os_gettid();
	was_urgent[i] = fake_self() && fake_self()->urgent;
	fake.now += item_ns;
	assert_null(current_work());
	assert_non_null(bh_self());
	assert_null(worker_self());
	if (left && !i) {
		left--;
		queue_work_on(CPU, &house.wq, work);
	}
}

struct work_struct *current_work(void)
{
	struct worker *w = worker_self();

	return w ? w->current_work : NULL;
}

static void parking(struct work_struct *work)
{
	item(work);
	fake_park(OS_THREAD_RUNNING);
}

static void queue(int i)
{
	INIT_WORK(&house.item[i], item);
	assert_true(house_queue(CPU, i));
}

static void queue_urgent(int i)
{
	INIT_WORK(&house.item[i], item);
	assert_true(queue_work_on(CPU, &urgent_wq, &house.item[i]));
}

/* A thread that sleeps. */
static void with_thread(void)
{
	bh_create_all();
	thread = fake_thread(CPU);
	fake_start(thread);
	assert_int_equal(thread->state, FAKE_FUTEX);
	assert_int_equal(bh->state, BH_ASLEEP);
}

static void assert_quiet(void)
{
	assert_false(pool_waiting(normal) || pool_waiting(urgent));
	assert_int_equal(bh->lock.word, LOCK_FREE);
	assert_true(list_empty(&normal->busy) && list_empty(&urgent->busy));
	assert_int_equal(normal->nr_running, 0);
	assert_null(bh_self());
	assert_null(worker_self());
}

/* --- the thread --- */

static void test_created_when_asked_for(void **state)
{
	(void)state;
	assert_int_equal(bh->state, BH_ABSENT);
	queue(0);
	assert_true(bh->want);
	assert_int_equal(fake_nr_threads(), 0); /* not by who queues */
	assert_true(house.timer_wakes > 0);
	queue(1);
	fake.on_create = house_is_away;
	bh_create_wanted();
	bh_create_wanted();
	assert_int_equal(fake_nr_threads(), 1);
	fake_start(fake_thread(0));
	assert_int_equal(house.runs[0] + house.runs[1], 2);
	assert_string_equal(fake_thread(0)->name, "cmwq/bh:0");
	assert_int_equal(fake_thread(0)->attr.cpu, 0);
	assert_true(fake_thread(0)->urgent);
	assert_int_equal(bh->state, BH_ASLEEP);
	queue(0);
	assert_int_equal(fake_run(), 1);
	assert_int_equal(house.runs[0], 2);
	assert_int_equal(house.runs[1], 1);
	assert_quiet();
	assert_string_equal(house.log, "");
}

/* One wakeup for many items, and none for those that it finds by itself. */
static void test_wakes_once(void **state)
{
	(void)state;
	with_thread();
	fake_clear_wakes();
	for (int i = 0; i < 5; i++)
		queue(i);
	queue_urgent(5);
	assert_int_equal(fake_wakes(&bh->state), 1);
	left = 5;
	fake_run();
	assert_int_equal(fake_wakes(&bh->state), 1);
	assert_int_equal(house.runs[0], 6);
	assert_int_equal(house.runs[5], 1);
	assert_quiet();
}

static void test_all_threads_at_init(void **state)
{
	(void)state;
	fake_set_cpus(4, 0xd);
	bh_create_all();
	bh_create_all();
	assert_int_equal(fake_nr_threads(), 3);
	fake_start(fake_thread(1));
	assert_string_equal(fake_thread(1)->name, "cmwq/bh:2");
	/* That of a CPU that we have not runs anywhere. */
	assert_true(house_queue(1, 0));
	bh_create_wanted();
	fake_start(fake_thread(3));
	assert_string_equal(fake_thread(3)->name, "cmwq/bh:1");
	assert_int_equal(fake_thread(3)->attr.cpu, -1);
	assert_int_equal(house.runs[0], 1);
}

static void test_creation_fails(void **state)
{
	(void)state;
	queue(0);
	fake.refuse = 2;
	bh_create_wanted();
	assert_int_equal(bh->state, BH_ABSENT);
	assert_true(bh->want);
	assert_true(house_said("cannot create a BH thread"));
	bh_create_wanted();
	assert_false(house_said("cannot create a BH thread"));
	bh_create_wanted();
	assert_int_equal(fake_nr_threads(), 1);
	fake_start(fake_thread(0));
	assert_int_equal(house.runs[0], 1);
}

/* All slots of workers are taken for a while. */
static void test_no_record_for_a_worker(void **state)
{
	struct worker *w, *last = NULL;
	int slots = 0;

	(void)state;
	while ((w = worker_alloc(normal))) {
		w->next_free = last;
		last = w;
		slots++;
	}
	assert_true(slots > 1000);
	bh_create_all();
	queue(0);
	fake_start(fake_thread(CPU));
	assert_int_equal(fake_thread(CPU)->state, FAKE_SLEEP);
	assert_true(house_said("no memory for a BH worker"));
	workqueue_softirq_action(false);
	assert_int_equal(house.runs[0], 0);
	for (; last; last = w) {
		w = last->next_free;
		worker_free(last);
	}
	fake.now += 10 * NSEC_PER_MSEC;
	fake_run();
	assert_int_equal(house.runs[0], 1);
	assert_int_equal(normal->nr_workers, 1);
	assert_int_equal(fake_thread(CPU)->state, FAKE_FUTEX);
	assert_quiet();
}

/* --- order and slices --- */

static int order[HOUSE_ITEMS], nr_ran;

static void ordered(struct work_struct *work)
{
	order[nr_ran++] = (int)(work - house.item);
	if (work == &house.item[0]) {
		queue_urgent(9);
		house.item[9].func = ordered;
	}
}

static void test_order(void **state)
{
	static const int expected[] = { 3, 4, 0, 9, 1, 2 };

	(void)state;
	with_thread();
	nr_ran = 0;
	for (int i = 0; i < 5; i++) {
		if (i < 3)
			queue(i);
		else
			queue_urgent(i);
		house.item[i].func = ordered;
	}
	fake_run();
	assert_int_equal(nr_ran, 6);
	for (int i = 0; i < 6; i++)
		assert_int_equal(order[i], expected[i]);
	assert_quiet();
}

/* An item that requeues itself is a round each time. */
static void test_ten_rounds(void **state)
{
	(void)state;
	with_thread();
	left = 9;
	queue(0);
	fake_run();
	assert_int_equal(house.runs[0], 10);
	assert_int_equal(thread->lowered, 0);
	left = 9;
	queue(0);
	queue(1);
	fake_run();
	assert_int_equal(house.runs[0], 20);
	assert_int_equal(thread->lowered, 0);
	left = 100;
	queue(0);
	fake_run();
	assert_int_equal(house.runs[0], 121);
	assert_int_equal(thread->lowered, 1);
	assert_false(was_urgent[0]);
	assert_true(thread->urgent);
	queue(0);
	fake_run();
	assert_true(was_urgent[0]);
	assert_quiet();
}

/* In one round, items of a tenth of the slice each. */
static void test_two_milliseconds(void **state)
{
	(void)state;
	with_thread();
	item_ns = 2 * NSEC_PER_MSEC / 10;
	for (int i = 0; i < 12; i++)
		queue(i);
	fake_run();
	assert_int_equal(thread->lowered, 1);
	for (int i = 0; i < 12; i++) {
		assert_int_equal(house.runs[i], 1);
		assert_int_equal(was_urgent[i], i < 10);
	}
	assert_true(thread->urgent);
	assert_quiet();
}

/* Short items do not hide for long that the time is over. */
static void count_urgent(struct work_struct *work)
{
	(void)work;
	fake.now += 10 * NSEC_PER_USEC;
	nr_ran += fake_self()->urgent;
}

static void test_short_items_are_timed(void **state)
{
	static struct work_struct many[1000];

	(void)state;
	with_thread();
	nr_ran = 0;
	for (int i = 0; i < 1000; i++) {
		INIT_WORK(&many[i], count_urgent);
		queue_work_on(CPU, &house.wq, &many[i]);
	}
	fake_run();
	assert_int_equal(thread->lowered, 1);
	assert_in_range(nr_ran, 200, 216);
	assert_quiet();
}

/* What is not above the others anyway stays as it is. */
static void test_priority_refused(void **state)
{
	(void)state;
	fake.refuse_urgent = OS_REFUSED_FIFO;
	with_thread();
	assert_true(house_said("SCHED_FIFO was refused"));
	left = 20;
	queue(0);
	fake_run();
	assert_int_equal(thread->lowered, 1);
	setup(NULL);
	fake.refuse_urgent = OS_REFUSED_FIFO | OS_REFUSED_NICE;
	with_thread();
	assert_true(house_said("SCHED_FIFO and nice -20 were refused"));
	left = 20;
	queue(0);
	fake_run();
	assert_int_equal(house.runs[0], 21);
	assert_int_equal(thread->lowered, 0);
	setup(NULL);
	fake.refuse_setup = OS_REFUSED_CPU;
	with_thread();
	assert_true(house_said("binding a thread to its CPU was refused"));
}

/* --- in the thread's place --- */

static void test_softirq_action(void **state)
{
	struct worker *w = house_worker(pool_of_cpu(1, false));

	(void)state;
	with_thread();
	for (int i = 0; i < 3; i++)
		queue(i);
	queue_urgent(3);
	house_as(w);
	errno = 5;
	workqueue_softirq_action(false);
	assert_int_equal(errno, 5);
	assert_ptr_equal(worker_self(), w);
	house_as(NULL);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(house.runs[i], 1);
		assert_int_equal(ran_in[i], FAKE_MAIN);
	}
	assert_int_equal(house.runs[3], 0);
	workqueue_softirq_action(true);
	assert_int_equal(ran_in[3], FAKE_MAIN);
	assert_quiet();
	/* Whose they were they are again. */
	assert_int_equal(bh->worker[0]->tid, thread->tid);
	assert_int_equal(bh->worker[1]->tid, thread->tid);
	/* The thread was woken, finds nothing, and is there for the next. */
	fake_run();
	queue(0);
	fake_run();
	assert_int_equal(ran_in[0], thread->tid);
	workqueue_softirq_action(false);
	workqueue_softirq_action(true);
	assert_quiet();
}

/* Before there is a thread. */
static void test_softirq_action_first(void **state)
{
	(void)state;
	queue(0);
	workqueue_softirq_action(false);
	assert_int_equal(ran_in[0], FAKE_MAIN);
	bh_create_wanted();
	fake_start(fake_thread(0));
	queue(0);
	fake_run();
	assert_int_equal(ran_in[0], FAKE_TID);
	assert_int_equal(normal->nr_workers, 1);
	assert_quiet();
}

/* What a slice leaves is the thread's. */
static void test_softirq_action_ends(void **state)
{
	(void)state;
	with_thread();
	left = 15;
	queue(0);
	queue(1);
	workqueue_softirq_action(false);
	assert_int_equal(house.runs[0], 10);
	assert_int_equal(ran_in[0], FAKE_MAIN);
	assert_int_equal(ran_in[1], FAKE_MAIN);
	fake_run();
	assert_int_equal(house.runs[0], 16);
	assert_int_equal(ran_in[0], thread->tid);
	assert_quiet();
}

static void nesting(struct work_struct *work)
{
	item(work);
	queue(1);
	workqueue_softirq_action(false);
	assert_int_equal(house.runs[1], 1);
}

/* Never two at once: not beside the thread, and not inside an item. */
static void test_softirq_action_is_exclusive(void **state)
{
	(void)state;
	with_thread();
	queue(0);
	house.item[0].func = parking;
	fake_run();
	assert_int_equal(thread->state, FAKE_PARKED);
	queue(1);
	queue_urgent(2);
	workqueue_softirq_action(false);
	workqueue_softirq_action(true);
	assert_int_equal(house.runs[1] + house.runs[2], 0);
	fake_unpark(thread);
	fake_run();
	assert_int_equal(house.runs[1] + house.runs[2], 2);
	queue(0);
	house.item[0].func = nesting;
	workqueue_softirq_action(false);
	assert_int_equal(house.runs[0], 2);
	assert_int_equal(house.runs[1], 2);
	assert_quiet();
}

static void test_softirq_dead(void **state)
{
	(void)state;
	workqueue_softirq_dead(HOUSE_CPUS);
	assert_true(house_said("does not exist"));
	workqueue_softirq_dead(CPU);
	assert_true(house_said("runs its BH items itself"));
	with_thread();
	fake_set_cpus(4, 0xe);
	left = 100;
	for (int i = 0; i < 5; i++) {
		INIT_WORK(&house.item[i], item);
		house_queue(CPU, i);
	}
	workqueue_softirq_dead(CPU);
	assert_int_equal(left, 0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(ran_in[i], FAKE_MAIN);
	assert_quiet();
	fake_run();
}

static bool unpark(_Atomic uint32_t *word)
{
	(void)word;
	if (thread->state != FAKE_PARKED)
		return false;
	fake_unpark(thread);
	return true;
}

static void calls_dead(struct work_struct *work)
{
	item(work);
	workqueue_softirq_dead(CPU);
}

static void test_softirq_dead_waits(void **state)
{
	(void)state;
	with_thread();
	queue(0);
	house.item[0].func = parking;
	fake_run();
	fake_set_cpus(4, 0xe);
	house_queue(CPU, 1);
	fake.on_wait = unpark;
	workqueue_softirq_dead(CPU);
	assert_int_equal(house.runs[0], 1);
	assert_quiet();
	/* A BH item cannot. */
	INIT_WORK(&house.item[2], calls_dead);
	house_queue(CPU, 2);
	fake_run();
	assert_int_equal(house.runs[2], 1);
	assert_true(house_said("called in BH context"));
}

/* --- items that sleep --- */

static void sleeping(struct work_struct *work)
{
	house.runs[work - house.item]++;
	fake.my_waits++;
}

static void sleeping_too(struct work_struct *work)
{
	sleeping(work);
}

/* The library made it sleep. */
static void waiting(struct work_struct *work)
{
	sleeping(work);
	os_own_waits++;
}

static void run_with(work_func_t func, int i)
{
	queue(i);
	house.item[i].func = func;
	fake_run();
	assert_int_equal(house.runs[i], 1);
}

static void test_sleepers_are_named_once(void **state)
{
	(void)state;
	with_thread();
	run_with(item, 0);
	run_with(waiting, 1);
	assert_string_equal(house.log, "");
	run_with(sleeping, 2);
	assert_true(house_said("of workqueue house slept"));
	run_with(sleeping, 3);
	assert_string_equal(house.log, "");
	run_with(sleeping_too, 4);
	assert_true(house_said("of workqueue house slept"));
	assert_quiet();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_created_when_asked_for, setup),
		cmocka_unit_test_setup(test_wakes_once, setup),
		cmocka_unit_test_setup(test_all_threads_at_init, setup),
		cmocka_unit_test_setup(test_creation_fails, setup),
		cmocka_unit_test_setup(test_no_record_for_a_worker, setup),
		cmocka_unit_test_setup(test_order, setup),
		cmocka_unit_test_setup(test_ten_rounds, setup),
		cmocka_unit_test_setup(test_two_milliseconds, setup),
		cmocka_unit_test_setup(test_short_items_are_timed, setup),
		cmocka_unit_test_setup(test_priority_refused, setup),
		cmocka_unit_test_setup(test_softirq_action, setup),
		cmocka_unit_test_setup(test_softirq_action_first, setup),
		cmocka_unit_test_setup(test_softirq_action_ends, setup),
		cmocka_unit_test_setup(test_softirq_action_is_exclusive, setup),
		cmocka_unit_test_setup(test_softirq_dead, setup),
		cmocka_unit_test_setup(test_softirq_dead_waits, setup),
		cmocka_unit_test_setup(test_sleepers_are_named_once, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
