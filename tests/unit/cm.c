/* SPDX-License-Identifier: MIT */
/*
 * cm - who may run, who counts as running, whom a kick wakes, what it arms.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

HOUSE_TIMER_STUBS

#define USEC NSEC_PER_USEC

static struct pool *bound, *unbound;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	bound = pool_of_cpu(1, false);
	unbound = pool_unbound(false);
	unbound->nr_cpus = unbound->cap = HOUSE_CPUS;
	return 0;
}

static void set_sentinels(enum sentinel_state state)
{
	for (int cpu = 0; cpu < HOUSE_CPUS; cpu++)
		atomic_store(&sentinels[cpu].state, state);
}

static void assert_sentinels(enum sentinel_state a, enum sentinel_state b,
			     enum sentinel_state c, enum sentinel_state d)
{
	assert_int_equal(sentinels[0].state, a);
	assert_int_equal(sentinels[1].state, b);
	assert_int_equal(sentinels[2].state, c);
	assert_int_equal(sentinels[3].state, d);
}

/* --- who may --- */

static void test_bound_pool_runs_one(void **state) NO_ANALYSIS
{
	(void)state;
	assert_false(cm_may_start(bound)); /* nothing waits */
	pool_add_work(bound, &house.item[0]);
	assert_true(cm_may_start(bound));
	bound->nr_running = 1;
	assert_false(cm_may_start(bound));
	assert_true(cm_may_continue(bound));
	bound->nr_running = 2;
	assert_false(cm_may_start(bound));
	assert_false(cm_may_continue(bound));
	/* pace is about unbound pools. */
	params.pace = 0;
	assert_false(cm_may_start(bound));
	assert_false(cm_may_continue(bound));
}

static void test_unbound_pool_runs_as_many_as_cpus(void **state) NO_ANALYSIS
{
	(void)state;
	assert_false(cm_may_start(unbound));
	pool_add_work(unbound, &house.item[0]);
	for (int n = 0; n < HOUSE_CPUS; n++) {
		unbound->nr_running = n;
		assert_true(cm_may_start(unbound));
	}
	unbound->nr_running = HOUSE_CPUS;
	assert_false(cm_may_start(unbound));
	assert_true(cm_may_continue(unbound));
	unbound->nr_running = HOUSE_CPUS + 1;
	assert_false(cm_may_start(unbound));
	assert_false(cm_may_continue(unbound));
	params.pace = 0;
	assert_true(cm_may_start(unbound));
	assert_true(cm_may_continue(unbound));
}

static void test_tiny_items_want_one_worker(void **state) NO_ANALYSIS
{
	(void)state;
	unbound->tiny = true;
	unbound->nr_running = 1;
	assert_true(cm_may_continue(unbound));
	unbound->nr_running = 2;
	assert_false(cm_may_continue(unbound));
	params.pace = 0;
	assert_false(cm_may_continue(unbound));
}

/* Whether to go to sleep at all is asked as a kick would be answered. */
static void test_staying_awake(void **state) NO_ANALYSIS
{
	(void)state;
	assert_false(cm_may_stay(unbound));
	pool_add_work(unbound, &house.item[0]);
	unbound->nr_running = HOUSE_CPUS - 1;
	assert_true(cm_may_stay(unbound));
	unbound->tiny = true;
	assert_false(cm_may_stay(unbound));
	unbound->nr_running = 0;
	assert_true(cm_may_stay(unbound));
	unbound->tiny = false;
	unbound->nr_running = HOUSE_CPUS;
	assert_false(cm_may_stay(unbound));
}

/* --- transitions --- */

enum op {
	OP_SLEEP,
	OP_WAKE,
	OP_HOG,
	OP_DONE,
	NR_OPS
};

static void apply(struct worker *w, enum op op) NO_ANALYSIS
{
	if (op == OP_SLEEP)
		cm_set_asleep(bound, w, true);
	else if (op == OP_WAKE)
		cm_set_asleep(bound, w, false);
	else if (op == OP_HOG)
		cm_set_intensive(bound, w);
	else
		cm_item_done(bound, w);
}

/* Every sequence of five transitions of two workers. */
static void test_counts_in_every_order(void **state) NO_ANALYSIS
{
	const int len = 5, choices = 2 * NR_OPS;
	long sequences = 1;

	(void)state;
	for (int i = 0; i < len; i++)
		sequences *= choices;
	for (long s = 0; s < sequences; s++) {
		struct worker w[2];
		long rest = s;

		memset(w, 0, sizeof(w));
		bound->nr_running = 2;
		bound->nr_asleep = 0;
		for (int i = 0; i < len; i++, rest /= choices) {
			int n = (int)(rest % choices) / NR_OPS;
			enum op op = (enum op)(rest % NR_OPS);
			bool hog = w[n].intensive;

			apply(&w[n], op);
			assert_int_equal(w[n].asleep,
					 op == OP_SLEEP ||
						 (op == OP_HOG && w[n].asleep));
			assert_int_equal(w[n].intensive,
					 op == OP_HOG ||
						 (op != OP_DONE && hog));
			assert_int_equal(bound->nr_asleep,
					 w[0].asleep + w[1].asleep);
			assert_int_equal(bound->nr_running,
					 !(w[0].asleep || w[0].intensive) +
						 !(w[1].asleep ||
						   w[1].intensive));
		}
	}
}

/* --- kick --- */

static void test_kick_wakes_the_first_idle(void **state)
{
	struct worker *first = house_idle_worker(bound);
	struct worker *last = house_idle_worker(bound);

	(void)state;
	cm_kick(bound);
	assert_int_equal(fake_wakes(&last->wake), 1);
	assert_int_equal(fake_last_wake_nr(&last->wake), 1);
	assert_int_equal(last->wake, 1);
	assert_int_equal(fake_wakes(&first->wake), 0);
	/* It is on its way: once is enough. */
	cm_kick(bound);
	assert_int_equal(fake_wakes(&last->wake), 1);
	assert_false(cm_wake_idle(bound, false));
	assert_true(cm_wake_idle(bound, true));
	assert_int_equal(fake_wakes(&last->wake), 2);
}

static void test_kick_respects_who_runs(void **state)
{
	struct worker *w = house_idle_worker(bound);
	struct worker *u = house_idle_worker(unbound);

	(void)state;
	bound->nr_running = 1;
	cm_kick(bound);
	assert_int_equal(w->wake, 0);
	unbound->nr_running = HOUSE_CPUS;
	cm_kick(unbound);
	assert_int_equal(u->wake, 0);
	unbound->nr_running = HOUSE_CPUS - 1;
	unbound->tiny = true;
	cm_kick(unbound);
	assert_int_equal(u->wake, 0);
	unbound->nr_running = 0;
	cm_kick(unbound);
	assert_int_equal(u->wake, 1);
	atomic_store(&u->wake, 0);
	unbound->tiny = false;
	unbound->nr_running = HOUSE_CPUS - 1;
	cm_kick(unbound);
	assert_int_equal(u->wake, 1);
}

static void test_kick_without_workers_asks_for_one(void **state)
{
	(void)state;
	atomic_store(&tick_on, TICK_ON);
	cm_kick(bound);
	assert_true(bound->want);
	assert_int_equal(house.timer_wakes, 1);
	cm_kick(bound);
	assert_int_equal(house.timer_wakes, 1);
	assert_false(cm_wake_idle(bound, true));
	/* One is being created, or all are busy: the pool sees to itself. */
	unbound->nr_threads = 1;
	cm_kick(unbound);
	assert_false(unbound->want);
	assert_int_equal(house.timer_wakes, 1);
}

/* Until the timer thread says that it ticks: who asked first may have stopped. */
static void test_kick_asks_for_the_tick(void **state)
{
	(void)state;
	house_idle_worker(bound);
	cm_kick(bound);
	assert_int_equal(tick_on, TICK_ASKED);
	assert_int_equal(house.timer_wakes, 1);
	cm_kick(bound);
	assert_int_equal(house.timer_wakes, 2);
	atomic_store(&tick_on, TICK_ON);
	cm_kick(bound);
	assert_int_equal(house.timer_wakes, 2);
	cm_kick(unbound);
	assert_int_equal(house.timer_wakes, 3); /* wants a worker */
	assert_int_equal(tick_on, TICK_ON);
}

static void test_watch_wakes_a_second_worker(void **state) NO_ANALYSIS
{
	struct worker *w = house_idle_worker(bound);
	struct worker *u = house_idle_worker(unbound);

	(void)state;
	bound->nr_running = 1;
	cm_watch(bound, true);
	assert_int_equal(w->wake, 0);
	assert_true(tick_on);
	unbound->nr_running = 1;
	unbound->tiny = true;
	cm_watch(unbound, false);
	assert_int_equal(u->wake, 0);
	unbound->tiny = false;
	cm_watch(unbound, false);
	assert_int_equal(u->wake, 1);
}

/* --- arming sentinels --- */

static void test_arming_a_bound_pool(void **state)
{
	(void)state;
	set_sentinels(SENTINEL_OFF);
	cm_kick(bound); /* nobody runs: a worker was woken, nothing to watch */
	assert_int_equal(sentinels[1].state, SENTINEL_OFF);
	bound->nr_running = 1;
	cm_kick(bound);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_OFF,
			 SENTINEL_OFF);
	assert_int_equal(fake_wakes(&sentinels[1].state), 1);
	cm_kick(bound);
	assert_int_equal(fake_wakes(&sentinels[1].state), 1);
}

static void test_arming_an_unbound_pool(void **state)
{
	(void)state;
	unbound->nr_running = 1;
	set_sentinels(SENTINEL_OFF);
	atomic_store(&sentinels[2].state, SENTINEL_REFUSED);
	fake_set_cpus(HOUSE_CPUS, 0xf);
	cm_kick(unbound);
	assert_sentinels(SENTINEL_ARMED, SENTINEL_ARMED, SENTINEL_REFUSED,
			 SENTINEL_ARMED);
	/* Where fewer may run than there are CPUs, an idle one means nothing */
	set_sentinels(SENTINEL_OFF);
	fake_set_cpus(HOUSE_CPUS, 0x7);
	unbound->cap = 3;
	cm_kick(unbound);
	assert_sentinels(SENTINEL_OFF, SENTINEL_OFF, SENTINEL_OFF,
			 SENTINEL_OFF);
	/* ... and CPUs that are not ours are left alone. */
	unbound->nr_cpus = 3;
	cm_kick(unbound);
	assert_sentinels(SENTINEL_ARMED, SENTINEL_ARMED, SENTINEL_ARMED,
			 SENTINEL_OFF);
	unbound->cap = HOUSE_CPUS;
	unbound->nr_cpus = HOUSE_CPUS;
}

static void make_wide(void)
{
	unbound->nr_cpus = unbound->cap = 8;
}

/* Where fewer run than may who queues wakes a worker, and no sentinel; else those that
 * are off. */
static void test_kick_arms_few_of_many(void **state)
{
	struct worker *u = house_idle_worker(unbound);

	(void)state;
	make_wide();
	set_sentinels(SENTINEL_OFF);
	unbound->nr_running = 7;
	cm_kick(unbound);
	assert_int_equal(u->wake, 1);
	assert_sentinels(SENTINEL_OFF, SENTINEL_OFF, SENTINEL_OFF,
			 SENTINEL_OFF);
	unbound->nr_running = 8;
	atomic_store(&sentinels[2].state, SENTINEL_RESTING);
	cm_kick(unbound);
	assert_sentinels(SENTINEL_ARMED, SENTINEL_ARMED, SENTINEL_RESTING,
			 SENTINEL_ARMED);
	/* Who queues may wait now, and the next one blocks: they look again there. */
	fake.cpu = 2;
	cm_kick(unbound);
	assert_int_equal(sentinels[2].state, SENTINEL_ARMED);
}

/* One keeps up with tiny items: where he is, and where who queues may wait for him. */
static void test_kick_arms_the_runners_cpu(void **state) NO_ANALYSIS
{
	struct worker *w = house_worker(unbound);

	(void)state;
	make_wide();
	unbound->tiny = true;
	set_sentinels(SENTINEL_OFF);
	fake.cpu = 2;
	cm_start_running(unbound, w);
	fake.cpu = 1;
	cm_kick(unbound);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_ARMED,
			 SENTINEL_OFF);
	cm_leave_waiting(unbound);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_ARMED,
			 SENTINEL_OFF);
	/* Both may compute, and without the tick nobody else looks. */
	atomic_store(&sentinels[0].state, SENTINEL_RESTING);
	cm_kick_again(unbound);
	assert_sentinels(SENTINEL_ARMED, SENTINEL_ARMED, SENTINEL_ARMED,
			 SENTINEL_ARMED);
}

/* Whoever begins an item, with work behind it: his own. */
static void test_watch_arms_one_of_many(void **state) NO_ANALYSIS
{
	(void)state;
	make_wide();
	set_sentinels(SENTINEL_OFF);
	atomic_store(&sentinels[3].state, SENTINEL_RESTING);
	unbound->nr_running = 8;
	fake.cpu = 1;
	cm_watch(unbound, false);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_OFF,
			 SENTINEL_RESTING);
	fake.cpu = 3;
	cm_watch(unbound, false);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_OFF,
			 SENTINEL_ARMED);
	/* Where fewer may run than there are CPUs, an idle one means nothing. */
	fake.cpu = 0;
	unbound->cap = 7;
	cm_watch(unbound, false);
	assert_int_equal(sentinels[0].state, SENTINEL_OFF);
	params.sentinel = 0;
	unbound->cap = 8;
	cm_watch(unbound, false);
	assert_int_equal(sentinels[0].state, SENTINEL_OFF);
}

/* As many run as may, and were told of no work: any of them may have blocked. */
static void test_watch_where_many_may_have_blocked(void **state) NO_ANALYSIS
{
	(void)state;
	make_wide();
	set_sentinels(SENTINEL_OFF);
	fake.cpu = 1;
	unbound->nr_running = 7;
	cm_watch(unbound, true);
	assert_sentinels(SENTINEL_OFF, SENTINEL_ARMED, SENTINEL_OFF,
			 SENTINEL_OFF);
	unbound->nr_running = 8;
	cm_watch(unbound, true);
	assert_sentinels(SENTINEL_ARMED, SENTINEL_ARMED, SENTINEL_ARMED,
			 SENTINEL_ARMED);
}

/* No sentinel looks at it. */
static void test_pool_without_its_cpu_arms_none(void **state) NO_ANALYSIS
{
	(void)state;
	bound->bound = false;
	bound->nr_cpus = bound->cap = 8;
	set_sentinels(SENTINEL_OFF);
	bound->nr_running = 8;
	cm_watch(bound, true);
	cm_kick(bound);
	cm_kick_again(bound);
	bound->bound = true;
	bound->nr_cpus = bound->cap = 1;
	assert_sentinels(SENTINEL_OFF, SENTINEL_OFF, SENTINEL_OFF,
			 SENTINEL_OFF);
}

/* Where items come one by one and are short, the one that runs takes the next: if it
 * blocks, this CPU idles. */
static void test_kick_leaves_it_to_who_runs(void **state)
{
	struct worker *u = house_idle_worker(unbound);

	(void)state;
	unbound->nr_running = 1;
	fake.cpu = 2;
	atomic_store(&unbound->lone, 16);
	atomic_store(&unbound->at, 3);
	set_sentinels(SENTINEL_OFF);
	cm_kick(unbound);
	assert_int_equal(u->wake, 0);
	assert_true(tick_on);
	assert_sentinels(SENTINEL_OFF, SENTINEL_OFF, SENTINEL_ARMED,
			 SENTINEL_OFF);
	/* Not if the timer thread comes for it. */
	cm_kick_again(unbound);
	assert_int_equal(u->wake, 1);
	/* Not if two run, if nobody would look, or somewhere else. */
	unbound->nr_running = 2;
	cm_kick(unbound);
	assert_int_equal(u->wake, 1);
	unbound->nr_running = 1;
	for (int i = 0; i < 3; i++) {
		atomic_store(&u->wake, 0);
		set_sentinels(i ? SENTINEL_OFF : SENTINEL_REFUSED);
		params.sentinel = i != 1;
		fake.cpu = i == 2 ? 1 : 2;
		cm_kick(unbound);
		assert_int_equal(u->wake, 1);
	}
}

/* No sentinel of that CPU is there, or it does not look at this pool. */
static void test_kick_leaves_nothing_where_nobody_looks(void **state)
{
	const enum sentinel_state gone[] = { SENTINEL_ABSENT, SENTINEL_LEAVING,
					     SENTINEL_REFUSED };
	static _Atomic unsigned long pod[1];
	struct worker *u = house_idle_worker(unbound);

	(void)state;
	unbound->nr_running = 1;
	fake.cpu = 2;
	atomic_store(&unbound->lone, 16);
	atomic_store(&unbound->at, 3);
	for (int i = 0; i < 3; i++) {
		atomic_store(&u->wake, 0);
		set_sentinels(gone[i]);
		cm_kick(unbound);
		assert_int_equal(u->wake, 1);
	}
	atomic_store(&u->wake, 0);
	set_sentinels(SENTINEL_OFF);
	atomic_store(&pod[0], 0xb);
	atomic_store(&unbound->pod, pod);
	cm_kick(unbound);
	atomic_store(&unbound->pod, NULL);
	assert_int_equal(u->wake, 1);
}

static void test_arming_a_resting_sentinel(void **state)
{
	(void)state;
	bound->nr_running = 1;
	set_sentinels(SENTINEL_RESTING);
	bound->tiny = true;
	cm_kick(bound);
	assert_int_equal(sentinels[1].state, SENTINEL_RESTING);
	bound->tiny = false;
	cm_kick(bound);
	assert_int_equal(sentinels[1].state, SENTINEL_ARMED);
	assert_int_equal(fake_wakes(&sentinels[1].state), 1);
}

static void test_absent_sentinel_is_asked_for(void **state)
{
	(void)state;
	atomic_store(&tick_on, TICK_ON);
	bound->nr_running = 1;
	cm_kick(bound);
	assert_true(sentinels[1].want);
	assert_false(sentinels[0].want);
	assert_int_equal(sentinels[1].state, SENTINEL_ABSENT);
	assert_int_equal(house.timer_wakes, 1);
	cm_kick(bound);
	assert_int_equal(house.timer_wakes, 1);
}

static void test_sentinels_can_be_switched_off(void **state)
{
	(void)state;
	set_sentinels(SENTINEL_OFF);
	params.sentinel = 0;
	bound->nr_running = 1;
	cm_kick(bound);
	assert_int_equal(sentinels[1].state, SENTINEL_OFF);
}

/* --- looking for sleepers --- */

static struct worker *busy[6];

static void make_busy(struct pool *pool, int n)
{
	for (int i = n - 1; i >= 0; i--) /* busy[0] is first on the list */
		busy[i] =
			house_busy_worker(pool, &house.pwqs[1], &house.item[i]);
}

static void test_find_sleepers(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(unbound, 6);
	for (int i = 0; i < 6; i++)
		fake_set_state(busy[i]->tid, OS_THREAD_ASLEEP);
	fake_set_state(busy[1]->tid, OS_THREAD_RUNNING);
	cm_set_intensive(unbound, busy[2]);
	/* Not itself, not those known, and three looks at most; those it has
	 * not looked at may run or not. */
	assert_false(cm_find_sleepers(unbound, busy[0], 3, false));
	assert_false(busy[0]->asleep);
	assert_false(busy[1]->asleep);
	assert_false(busy[2]->asleep);
	assert_true(busy[3]->asleep);
	assert_true(busy[4]->asleep);
	assert_false(busy[5]->asleep);
	assert_int_equal(unbound->nr_running, 3);
	assert_int_equal(unbound->nr_asleep, 2);
	assert_true(cm_find_sleepers(unbound, busy[0], 3, false));
	assert_true(busy[5]->asleep);
	assert_true(cm_find_sleepers(unbound, busy[0], 3, false));
	assert_int_equal(unbound->nr_running, 2);
	assert_true(cm_find_sleepers(unbound, NULL, 3, false));
	assert_true(busy[0]->asleep);
	assert_int_equal(unbound->nr_running, 1);
}

/* Whose function has returned waits for the lock: he goes on as soon as he has it. */
static void test_who_waits_for_the_lock_is_no_sleeper(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(unbound, 2);
	for (int i = 0; i < 2; i++)
		fake_set_state(busy[i]->tid, OS_THREAD_ASLEEP);
	atomic_store(&busy[0]->returned, true);
	assert_true(cm_find_sleepers(unbound, NULL, 4, false));
	assert_false(busy[0]->asleep);
	assert_true(busy[1]->asleep);
	assert_int_equal(unbound->nr_running, 1);
}

/* --- sleepers of whom nobody knows who they are --- */

/* As many run as may, and an item waits. */
static void fill(void) NO_ANALYSIS
{
	make_busy(unbound, HOUSE_CPUS);
	pool_add_work(unbound, &house.item[8]);
	assert_false(cm_may_start(unbound));
}

static void test_an_idle_cpu_is_lent(void **state) NO_ANALYSIS
{
	(void)state;
	fill();
	for (int n = 1; n < 4; n++) {
		cm_lend(unbound);
		assert_int_equal(unbound->lent, n);
		assert_true(cm_may_start(unbound));
		atomic_fetch_add(&unbound->nr_running, 1);
		assert_false(cm_may_start(unbound));
		assert_true(cm_may_continue(unbound));
	}
	unbound->lent--;
	assert_false(cm_may_continue(unbound));
	cm_looked(unbound, 0);
	assert_int_equal(unbound->lent, 0);
}

/* Where not all CPUs are to be used one that is idle means nothing. */
static void test_who_may_lend(void **state) NO_ANALYSIS
{
	(void)state;
	assert_true(cm_may_lend(unbound));
	assert_false(cm_may_lend(bound));
	unbound->cap--;
	assert_false(cm_may_lend(unbound));
	unbound->nr_asleep = 100;
	unbound->lent = 1;
	cm_looked(unbound, 1);
	assert_int_equal(unbound->lent, 0);
	unbound->cap++;
	params.tick = 0;
	assert_false(cm_may_lend(unbound));
	/* A CPU that idles is looked for all the same. */
	make_busy(unbound, HOUSE_CPUS);
	sentinels[0].state = SENTINEL_OFF;
	cm_kick(unbound);
	assert_int_equal(sentinels[0].state, SENTINEL_ARMED);
	params.tick = 1;
}

/* It runs an item in which it sleeps so often, by its own will or the library's. */
static void run_for(struct worker *w, uint64_t ns,
		    unsigned int waits) NO_ANALYSIS
{
	cm_item_begins(unbound, w);
	cm_count_sleeps(w);
	fake.now += ns;
	fake.my_waits += waits;
	cm_item_returned(unbound, w);
	cm_item_took(unbound, w);
}

static void test_a_loan_outlives_short_sleepers(void **state) NO_ANALYSIS
{
	(void)state;
	fill();
	unbound->lent = 3;
	run_for(busy[0], 8 * NSEC_PER_MSEC - 1, 1);
	assert_int_equal(unbound->lent, 3);
	assert_int_equal(unbound->back_at, fake.now);
	fake.now++; /* between the items nothing counts but what the library does */
	os_own_waits++;
	fake.my_waits++;
	run_for(busy[0], 8 * NSEC_PER_MSEC - 1, 1);
	assert_int_equal(unbound->lent, 3);
	assert_int_equal(unbound->back_at, fake.now);
	run_for(busy[0], 8 * NSEC_PER_MSEC, 1);
	assert_int_equal(unbound->lent, 2);
	/* It only computed, or waited in the library; in no time: that says nothing. */
	run_for(busy[0], 500 * USEC - 1, 0);
	assert_int_equal(unbound->lent, 2);
	run_for(busy[0], 500 * USEC, 0);
	assert_int_equal(unbound->lent, 1);
	os_own_waits++;
	run_for(busy[0], 500 * USEC, 1);
	assert_int_equal(unbound->lent, 0);
}

/* Nobody knows what an item did that began before, or what its thread did before that. */
static void test_items_that_begin_before_the_loan(void **state) NO_ANALYSIS
{
	(void)state;
	fill();
	cm_item_begins(unbound, busy[0]);
	assert_int_equal(busy[0]->began, 0);
	fake.my_waits++;
	unbound->lent = 3;
	cm_item_took(unbound, busy[0]);
	assert_int_equal(unbound->lent, 2);
	fake.my_waits++;
	run_for(busy[0], NSEC_PER_MSEC, 0);
	assert_int_equal(unbound->lent, 1);
	run_for(busy[0], 1, 1);
	assert_int_equal(unbound->lent, 1);
	/* It is over before its item is. */
	cm_item_begins(unbound, busy[0]);
	cm_count_sleeps(busy[0]);
	unbound->lent = 0;
	cm_item_returned(unbound, busy[0]);
	assert_int_equal(busy[0]->began, 0);
	/* A worker that was idle starts anew. */
	unbound->lent = 2;
	run_for(busy[1], 1, 1);
	cm_leave(unbound, busy[1]);
	fake.my_waits++;
	run_for(busy[1], NSEC_PER_MSEC, 0);
	assert_int_equal(unbound->lent, 1);
}

static void test_sleepers_who_have_gone_on(void **state) NO_ANALYSIS
{
	(void)state;
	fill();
	cm_looked(unbound, 3);
	assert_int_equal(unbound->lent, 3);
	cm_looked(unbound, HOUSE_CPUS + 1);
	assert_int_equal(unbound->lent, HOUSE_CPUS);
}

/* There are never more than are counted. */
static void test_loans_of_workers_that_leave(void **state) NO_ANALYSIS
{
	(void)state;
	fill();
	unbound->lent = 3;
	cm_leave(unbound, busy[0]); /* too many: the rest is as it was */
	assert_int_equal(unbound->lent, 3);
	pool_del_work(unbound, &house.item[8]);
	cm_leave(unbound, busy[1]); /* nothing to do */
	assert_int_equal(unbound->lent, 2);
	assert_int_equal(unbound->nr_running, HOUSE_CPUS - 2);
	while (unbound->nr_running) {
		cm_stop_running(unbound, busy[0]);
		assert_true(unbound->lent <= unbound->nr_running);
	}
	assert_int_equal(unbound->lent, 0);
}

static void test_who_is_known_is_not_lent(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(unbound, 6);
	unbound->lent = 2;
	cm_saw_asleep(unbound, busy[0]);
	assert_int_equal(unbound->lent, 1);
	cm_saw_asleep(unbound, busy[0]);
	assert_int_equal(unbound->lent, 1);
	assert_int_equal(unbound->nr_running, 5);
	/* It ends, and probably another has gone to sleep. */
	cm_item_done(unbound, busy[0]);
	assert_int_equal(unbound->lent, 2);
	assert_int_equal(unbound->nr_running, 6);
	/* Of one that said so that is not to be expected. */
	cm_set_asleep(unbound, busy[1], true);
	busy[1]->hint_depth = 1;
	cm_item_done(unbound, busy[1]);
	assert_int_equal(unbound->lent, 2);
	/* All are looked at. */
	assert_true(cm_find_sleepers(unbound, NULL, 6, false));
	assert_int_equal(unbound->lent, 0);
}

static void test_unknown_states_are_trusted_or_not(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(bound, 2);
	fake_set_state(busy[0]->tid, OS_THREAD_UNKNOWN);
	assert_false(cm_find_sleepers(bound, NULL, 4, false));
	assert_int_equal(bound->nr_running, 2);
	assert_true(cm_find_sleepers(bound, NULL, 4, true));
	assert_true(busy[0]->asleep);
	assert_false(busy[1]->asleep);
}

/* --- noticing that they run again --- */

static void test_recheck_looks_at_two_each_50us(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(bound, 5);
	for (int i = 0; i < 5; i++)
		cm_set_asleep(bound, busy[i], true);
	assert_int_equal(bound->nr_running, 0);
	fake_set_state(busy[0]->tid, OS_THREAD_ASLEEP);
	cm_recheck(bound);
	assert_true(busy[0]->asleep);
	assert_false(busy[1]->asleep);
	assert_true(busy[2]->asleep);
	assert_int_equal(bound->nr_running, 1);
	cm_recheck(bound);
	fake.now += 50 * USEC - 1;
	cm_recheck(bound);
	assert_true(busy[2]->asleep);
	fake.now += 1;
	cm_recheck(bound);
	assert_false(busy[2]->asleep);
	assert_true(busy[3]->asleep);
	assert_int_equal(bound->nr_running, 2);
	fake.now += 50 * USEC;
	fake_set_state(busy[3]->tid, OS_THREAD_UNKNOWN);
	cm_recheck(bound);
	assert_true(busy[3]->asleep);
	fake_set_state(busy[0]->tid, OS_THREAD_RUNNING);
	fake_set_state(busy[3]->tid, OS_THREAD_RUNNING);
	fake.now += 50 * USEC;
	cm_recheck(bound);
	assert_int_equal(bound->nr_running, 4);
	assert_true(busy[4]->asleep);
}

static void test_recheck_leaves_alone(void **state) NO_ANALYSIS
{
	(void)state;
	make_busy(bound, 2);
	cm_set_asleep(bound, busy[0], true);
	cm_set_asleep(bound, busy[1], true);
	/* One that said it would spin is believed. */
	busy[0]->hint_depth = 1;
	params.recheck = 0;
	cm_recheck(bound);
	assert_true(busy[1]->asleep);
	params.recheck = 1;
	cm_recheck(bound);
	assert_true(busy[0]->asleep);
	assert_false(busy[1]->asleep);
	/* Unbound pools keep no such promise. */
	make_busy(unbound, 1);
	cm_set_asleep(unbound, busy[0], true);
	cm_recheck(unbound);
	assert_true(busy[0]->asleep);
}

/* --- hints --- */

static void test_hints_nest(void **state)
{
	struct worker *other = house_idle_worker(bound);

	(void)state;
	make_busy(bound, 1);
	house_as(busy[0]);
	house_queue(1, 7);
	assert_int_equal(other->wake, 0);
	cm_block_begin();
	assert_true(busy[0]->asleep);
	assert_int_equal(bound->nr_running, 0);
	assert_int_equal(fake_wakes(&other->wake), 1);
	cm_block_begin();
	cm_block_end();
	assert_true(busy[0]->asleep);
	cm_block_end();
	assert_false(busy[0]->asleep);
	assert_int_equal(bound->nr_running, 1);
	cm_block_end(); /* one too many */
	assert_int_equal(busy[0]->hint_depth, 0);
	assert_int_equal(bound->nr_running, 1);
}

static void test_hints_elsewhere_do_nothing(void **state)
{
	(void)state;
	cm_block_begin();
	cm_block_end();
	make_busy(bound, 1);
	house_as(busy[0]);
	params.hints = 0;
	cm_block_begin();
	assert_false(busy[0]->asleep);
	params.hints = 1;
	/* Nothing waits: nobody is woken. */
	house_idle_worker(bound);
	cmwq_blocking_begin();
	assert_true(busy[0]->asleep);
	assert_int_equal(fake.nr_wakes, 0);
	cmwq_blocking_end();
	assert_false(busy[0]->asleep);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_bound_pool_runs_one, setup),
		cmocka_unit_test_setup(test_unbound_pool_runs_as_many_as_cpus,
				       setup),
		cmocka_unit_test_setup(test_tiny_items_want_one_worker, setup),
		cmocka_unit_test_setup(test_staying_awake, setup),
		cmocka_unit_test_setup(test_counts_in_every_order, setup),
		cmocka_unit_test_setup(test_kick_wakes_the_first_idle, setup),
		cmocka_unit_test_setup(test_kick_respects_who_runs, setup),
		cmocka_unit_test_setup(test_kick_without_workers_asks_for_one,
				       setup),
		cmocka_unit_test_setup(test_kick_asks_for_the_tick, setup),
		cmocka_unit_test_setup(test_watch_wakes_a_second_worker, setup),
		cmocka_unit_test_setup(test_arming_a_bound_pool, setup),
		cmocka_unit_test_setup(test_arming_an_unbound_pool, setup),
		cmocka_unit_test_setup(test_kick_arms_few_of_many, setup),
		cmocka_unit_test_setup(test_kick_arms_the_runners_cpu, setup),
		cmocka_unit_test_setup(test_watch_arms_one_of_many, setup),
		cmocka_unit_test_setup(test_watch_where_many_may_have_blocked,
				       setup),
		cmocka_unit_test_setup(test_pool_without_its_cpu_arms_none,
				       setup),
		cmocka_unit_test_setup(test_kick_leaves_it_to_who_runs, setup),
		cmocka_unit_test_setup(
			test_kick_leaves_nothing_where_nobody_looks, setup),
		cmocka_unit_test_setup(test_arming_a_resting_sentinel, setup),
		cmocka_unit_test_setup(test_absent_sentinel_is_asked_for,
				       setup),
		cmocka_unit_test_setup(test_sentinels_can_be_switched_off,
				       setup),
		cmocka_unit_test_setup(test_find_sleepers, setup),
		cmocka_unit_test_setup(
			test_who_waits_for_the_lock_is_no_sleeper, setup),
		cmocka_unit_test_setup(test_an_idle_cpu_is_lent, setup),
		cmocka_unit_test_setup(test_who_may_lend, setup),
		cmocka_unit_test_setup(test_a_loan_outlives_short_sleepers,
				       setup),
		cmocka_unit_test_setup(test_items_that_begin_before_the_loan,
				       setup),
		cmocka_unit_test_setup(test_sleepers_who_have_gone_on, setup),
		cmocka_unit_test_setup(test_loans_of_workers_that_leave, setup),
		cmocka_unit_test_setup(test_who_is_known_is_not_lent, setup),
		cmocka_unit_test_setup(test_unknown_states_are_trusted_or_not,
				       setup),
		cmocka_unit_test_setup(test_recheck_looks_at_two_each_50us,
				       setup),
		cmocka_unit_test_setup(test_recheck_leaves_alone, setup),
		cmocka_unit_test_setup(test_hints_nest, setup),
		cmocka_unit_test_setup(test_hints_elsewhere_do_nothing, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
