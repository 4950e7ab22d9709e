/* SPDX-License-Identifier: MIT */
/*
 * rescuer - when it is called, how many items it runs where, when it leaves, its
 * birth and its end. On a clock that only the test moves, where every creation of a
 * worker is refused unless a test says otherwise.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue manager cap exec rescuer symbol hog tick
 */
#include "unit/house.h"

#include "bh.h"
#include "exec.h"
#include "rescuer.h"
#include "sentinel.h"
#include "tick.h"

HOUSE_TIMER_STUBS

#define MSEC  NSEC_PER_MSEC
#define ITEMS 60

static struct pool *here, *there, *unbound;
static struct work_struct item[ITEMS];
static char ran[ITEMS + 1]; /* pool by pool, in the order of their starts */
static int nr_ran;
static int last_cpu;
static void (*in_item)(void);

void sentinel_create_wanted(void)
{
}

void sentinel_rearm_resting(void)
{
}

void bh_create_wanted(void)
{
}

static void run(struct work_struct *work)
{
	struct worker *w = worker_self();

	assert_non_null(w);
	assert_ptr_equal(w->rescue_wq, &house.wq);
	assert_ptr_equal(atomic_load(&w->current_work), work);
	last_cpu = fake_self()->attr.cpu;
	ran[nr_ran++] = atomic_load(&w->pool) == here ? 'h' : 't';
	if (in_item)
		in_item();
}

static bool ran_is(const char *what)
{
	if (strcmp(ran, what))
		printf("ran %s\n", ran);
	return !strcmp(ran, what);
}

static void build(unsigned int flags)
{
	house_build(flags, ITEMS);
	tick_reset();
	rescuer_reset_all();
	manager_thread = exec_thread;
	pwq_kick = cm_kick;
	here = pool_of_cpu(0, false);
	there = pool_of_cpu(1, false);
	unbound = pool_unbound(false);
	for (int i = 0; i < ITEMS; i++)
		INIT_WORK(&item[i], run);
	memset(ran, 0, sizeof(ran));
	nr_ran = 0;
	in_item = NULL;
	fake.auto_start = true;
	house.wq.rescuer = rescuer_new(&house.wq);
	assert_non_null(house.wq.rescuer);
	fake_run();
	fake.refuse = -1;
}

static int setup(void **state)
{
	(void)state;
	build(WQ_PERCPU | WQ_MEM_RECLAIM);
	return 0;
}

static int setup_unbound(void **state)
{
	(void)state;
	build(WQ_UNBOUND | WQ_MEM_RECLAIM);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rescuer_timer_back();
	rescuer_end(house.wq.rescuer);
	return 0;
}

static struct fake_thread *rescuer_thread(void)
{
	return fake_thread(0);
}

static void queue(int cpu, int i)
{
	assert_true(queue_work_on(cpu, &house.wq, &item[i]));
}

static void call(struct pool *pool, uint64_t when)
{
	pool_lock(pool);
	rescuer_call(pool, when);
	pool_unlock(pool);
	fake_run();
}

/* A millisecond, with the timer thread's rounds. */
static void pass_ms(int ms)
{
	static uint64_t next;

	while (ms--) {
		fake.now += MSEC;
		if (fake.now >= next || house.timer_wakes)
			next = tick_hook(fake.now);
		house.timer_wakes = 0;
		fake_run();
	}
}

/* --- when --- */

static void test_not_before_its_time(void **state)
{
	(void)state;
	queue(0, 0);
	call(here, fake.now + 10 * MSEC);
	fake.now += 10 * MSEC - 1;
	fake_run();
	assert_int_equal(nr_ran, 0);
	fake.now += 1;
	fake_run();
	assert_true(ran_is("h"));
	assert_int_equal(house.pwqs[0].maydays, 1);
	assert_int_equal(house.pwqs[0].rescued, 1);
	/* Bound to no CPU any more, it is none of those that hotplug.c asks. */
	assert_int_equal(here->runner, 0);
	assert_int_equal(here->nr_running, 0);
	assert_true(list_empty(&here->busy));
}

static void test_an_earlier_call_counts(void **state)
{
	(void)state;
	queue(0, 0);
	call(here, fake.now + 100 * MSEC);
	call(here, fake.now + 200 * MSEC);
	assert_int_equal(nr_ran, 0);
	call(here, fake.now);
	assert_true(ran_is("h"));
	fake.now += 300 * MSEC;
	fake_run();
	assert_int_equal(house.pwqs[0].maydays, 1);
}

/* From the first push on, with a timer thread that can create nobody: after 10 ms,
 * and what comes while another queue's item keeps the pool in need, every 100. */
static void mayday_times(int cpu)
{
	int at;

	queue(cpu, 0);
	for (at = 0; !nr_ran; at++)
		pass_ms(1);
	assert_int_equal(at, 1 + 10); /* found at 1 */
	/* Nothing waits any more: the next one is a new emergency. */
	pass_ms(50);
	queue(cpu, 1);
	pass_ms(1 + 9);
	assert_int_equal(nr_ran, 1);
	pass_ms(4);
	assert_int_equal(nr_ran, 2);
}

static void test_mayday_times(void **state)
{
	(void)state;
	mayday_times(0);
	assert_int_equal(last_cpu, 0);
}

static void test_mayday_times_unbound(void **state)
{
	(void)state;
	mayday_times(0);
	assert_int_equal(last_cpu, -1);
}

static void test_mayday_times_without_the_tick(void **state)
{
	(void)state;
	params.tick = 0;
	mayday_times(0);
}

static struct workqueue_struct other_wq;
static struct pwq other_pwqs[HOUSE_CPUS];
static _Atomic(struct pwq *) other_table[HOUSE_CPUS];

static void test_mayday_again(void **state)
{
	uint64_t start;

	(void)state;
	house_build_wq(&other_wq, other_pwqs, other_table, WQ_PERCPU, 16);
	assert_true(queue_work_on(0, &other_wq, &house.item[0]));
	pass_ms(1);
	start = fake.now; /* when it was found */
	pass_ms(13);
	for (int i = 0; i < 3; i++) {
		queue(0, i);
		while (nr_ran == i)
			pass_ms(1);
		/* The second call is at the first tick after 10 ms. */
		assert_in_range(fake.now,
				start + (uint64_t)(110 + 100 * i) * MSEC,
				start + (uint64_t)(114 + 100 * i) * MSEC);
		pass_ms(20);
	}
	assert_int_equal(house.runs[0], 0);
	assert_int_equal(house.pwqs[0].maydays, 3);
}

/* --- how many --- */

static void test_sixteen_where_others_wait(void **state)
{
	(void)state;
	for (int i = 0; i < ITEMS; i++)
		queue(i < 40 ? 0 : 1, i);
	pool_lock(there);
	rescuer_call(there, fake.now + MSEC);
	pool_unlock(there);
	fake.now += MSEC;
	call(here, fake.now);
	assert_true(ran_is("tttttttttttttttt"
			   "hhhhhhhhhhhhhhhh"
			   "tttt"
			   "hhhhhhhhhhhhhhhhhhhhhhhh"));
	assert_int_equal(last_cpu, 0);
	assert_int_equal(house.pwqs[0].rescued, 40);
	assert_int_equal(house.pwqs[1].rescued, 20);
}

static void call_both(void)
{
	if (nr_ran != 3)
		return;
	for (int i = 0; i < 2; i++) {
		struct pool *pool = i ? there : here;

		pool_lock(pool);
		rescuer_call(pool, fake.now);
		pool_unlock(pool);
	}
}

/* Called again in the middle of its turn, and before others are. */
static void test_sixteen_also_when_called_again(void **state)
{
	(void)state;
	in_item = call_both;
	for (int i = 0; i < ITEMS; i++)
		queue(i < 40 ? 0 : 1, i);
	call(here, fake.now);
	assert_true(ran_is("hhhhhhhhhhhhhhhh"
			   "tttttttttttttttt"
			   "hhhhhhhhhhhhhhhh"
			   "tttt"
			   "hhhhhhhh"));
}

static void test_all_where_nobody_waits(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		queue(0, i);
	call(here, fake.now);
	assert_int_equal(nr_ran, 40);
	assert_int_equal(house.pwqs[0].maydays, 1);
}

static void queue_one_more(void)
{
	if (nr_ran < 30)
		queue(0, nr_ran);
}

/* What comes while it is there is part of the turn. */
static void test_what_comes_meanwhile(void **state)
{
	(void)state;
	in_item = queue_one_more;
	queue(0, 0);
	call(here, fake.now);
	assert_int_equal(nr_ran, 30);
	assert_int_equal(house.pwqs[0].maydays, 1);
}

/* --- it makes room --- */

static struct worker *arrived;

static void a_worker_arrives(void)
{
	if (nr_ran == 3)
		arrived = house_idle_worker(here);
}

static void test_leaves_for_an_idle_worker(void **state)
{
	(void)state;
	in_item = a_worker_arrives;
	for (int i = 0; i < 10; i++)
		queue(0, i);
	call(here, fake.now);
	assert_int_equal(nr_ran, 3);
	assert_int_equal(arrived->wake, 1);
	assert_int_equal(house_len(&here->worklist), 7);
	assert_int_equal(here->nr_running, 0);
}

static void test_not_with_an_idle_worker(void **state)
{
	(void)state;
	arrived = house_idle_worker(here);
	queue(0, 0);
	call(here, fake.now);
	assert_int_equal(nr_ran, 0);
	assert_int_equal(house.pwqs[0].maydays, 0);
	assert_int_equal(arrived->wake, 1);
}

/* The rule of bound pools: one at a time. */
static void test_not_beside_a_running_worker(void **state)
{
	struct worker *w;

	(void)state;
	w = house_busy_worker(here, &house.pwqs[0], &house.item[0]);
	queue(0, 0);
	call(here, fake.now);
	assert_int_equal(nr_ran, 0);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	call(here, fake.now);
	assert_true(ran_is("h"));
}

/* Of another queue's item it is none of its business, but somebody is to know. */
static void test_only_its_own(void **state)
{
	(void)state;
	house_build_wq(&other_wq, other_pwqs, other_table, WQ_PERCPU, 16);
	assert_true(queue_work_on(0, &other_wq, &house.item[0]));
	queue(0, 0);
	assert_true(queue_work_on(0, &other_wq, &house.item[1]));
	call(here, fake.now);
	assert_true(ran_is("h"));
	assert_int_equal(house_len(&here->worklist), 2);
	assert_int_equal(tick_on, TICK_ASKED);
}

/* An item that runs elsewhere in the pool waits for the worker that has it. */
static void test_collision(void **state) NO_ANALYSIS
{
	struct worker *w;
	unsigned long old;

	(void)state;
	w = house_busy_worker(here, &house.pwqs[0], &item[0]);
	assert_int_equal(work_claim(&item[0],
				    pwq_word(&house.pwqs[0], w->gen) |
					    WORD_COLLIDES,
				    &old),
			 CLAIMED);
	work_set_runner(&item[0], w);
	pool_push(here, &item[0], false);
	queue(0, 1);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	call(here, fake.now);
	assert_true(ran_is("h"));
	assert_int_equal(house_len(&w->scheduled), 1);
	list_del(w->scheduled.next);
	house.pwqs[0].nr_in_flight[0] = 0;
}

/* --- the timer thread is away --- */

static uint64_t deadline_of(int i)
{
	fake_run();
	return fake_thread(i)->deadline;
}

/* The deputy, since it is the only one, or has idled for longest. */
static void appoint(void)
{
	rescuer_timer_away();
	assert_int_equal(deadline_of(0), fake.now + 10 * MSEC);
}

static void pass(uint64_t ns)
{
	fake.now += ns;
	fake_run();
}

/* Another workqueue's, whose items are house.item[]. */
static void hire_second(void)
{
	house_build_wq(&other_wq, other_pwqs, other_table,
		       WQ_PERCPU | WQ_MEM_RECLAIM, 16);
	fake.refuse = 0;
	other_wq.rescuer = rescuer_new(&other_wq);
	assert_non_null(other_wq.rescuer);
	fake_run();
	fake.refuse = -1;
}

static void dismiss_second(void)
{
	rescuer_end(other_wq.rescuer);
}

static void test_back_in_time(void **state)
{
	(void)state;
	queue(0, 0);
	appoint();
	pass(10 * MSEC - 1);
	rescuer_timer_back();
	pass(1);
	assert_int_equal(deadline_of(0), 0);
	pass(100 * MSEC);
	assert_int_equal(nr_ran, 0);
}

/* What waits already, what comes meanwhile, and nothing once it is back. */
static void test_back_late(void **state)
{
	(void)state;
	queue(0, 0);
	appoint();
	pass(10 * MSEC - 1);
	assert_int_equal(nr_ran, 0);
	pass(1);
	assert_true(ran_is("h"));
	queue(1, 1);
	pass(10 * MSEC - 1);
	assert_int_equal(nr_ran, 1);
	pass(1);
	assert_true(ran_is("ht"));
	pass(500 * MSEC);
	queue(0, 2);
	pass(10 * MSEC);
	assert_int_equal(nr_ran, 3);
	rescuer_timer_back();
	queue(0, 3);
	pass(10 * MSEC);
	assert_int_equal(deadline_of(0), 0);
	pass(100 * MSEC);
	assert_int_equal(nr_ran, 3);
}

/* Many short creations: it is woken for the first, and looks at nothing. */
static void test_woken_once_for_many(void **state)
{
	unsigned long wakes = fake.nr_wakes;

	(void)state;
	queue(0, 0);
	appoint();
	for (int i = 0; i < 9; i++) {
		rescuer_timer_back();
		pass(MSEC);
		rescuer_timer_away();
	}
	assert_int_equal(fake.nr_wakes, wakes + 1);
	/* The last one began at 9 ms. */
	pass(MSEC);
	assert_int_equal(nr_ran, 0);
	assert_int_equal(deadline_of(0), fake.now + 9 * MSEC);
	pass(9 * MSEC - 1);
	assert_int_equal(nr_ran, 0);
	pass(1);
	assert_int_equal(nr_ran, 1);
	rescuer_timer_back();
}

static void park_first(void)
{
	if (nr_ran == 1)
		fake_park(OS_THREAD_ASLEEP);
}

/* The deputy's own queue needs it: then another one has the duty. */
static void test_passes_the_duty_on(void **state)
{
	(void)state;
	hire_second();
	in_item = park_first;
	queue(0, 0);
	appoint();
	assert_int_equal(deadline_of(1), 0);
	pass(10 * MSEC);
	assert_int_equal(nr_ran, 1);
	assert_true(queue_work_on(1, &other_wq, &house.item[0]));
	pass(10 * MSEC);
	assert_int_equal(house.runs[0], 1);
	/* Back in its duty, or not: what it is called for is done by itself. */
	fake_unpark(rescuer_thread());
	queue(1, 1);
	pass(10 * MSEC);
	assert_true(ran_is("ht"));
	rescuer_timer_back();
	pass(20 * MSEC);
	assert_int_equal(deadline_of(0), 0);
	assert_int_equal(deadline_of(1), 0);
	dismiss_second();
}

/* Nobody idles when the timer thread goes: the first that does is late already. */
static void test_takes_a_vacant_duty(void **state)
{
	(void)state;
	in_item = park_first;
	queue(0, 0);
	call(here, fake.now);
	assert_int_equal(nr_ran, 1);
	rescuer_timer_away();
	queue(1, 1);
	pass(30 * MSEC);
	assert_int_equal(nr_ran, 1);
	fake_unpark(rescuer_thread());
	fake_run();
	assert_true(ran_is("ht"));
	rescuer_timer_back();
}

/* Who is asked has a call of its own by the time it wakes up. */
static void test_asked_and_called_at_once(void **state)
{
	(void)state;
	hire_second();
	in_item = park_first;
	queue(0, 0);
	assert_true(queue_work_on(1, &other_wq, &house.item[0]));
	rescuer_timer_away();
	call(here, fake.now);
	assert_int_equal(nr_ran, 1);
	assert_int_equal(deadline_of(1), fake.now + 10 * MSEC);
	pass(10 * MSEC);
	assert_int_equal(house.runs[0], 1);
	fake_unpark(rescuer_thread());
	rescuer_timer_back();
	dismiss_second();
}

static void test_deputy_ends(void **state)
{
	(void)state;
	hire_second();
	appoint();
	assert_int_equal(deadline_of(1), 0);
	rescuer_end(house.wq.rescuer);
	house.wq.rescuer = NULL;
	assert_int_equal(deadline_of(1), fake.now + 10 * MSEC);
	assert_true(queue_work_on(1, &other_wq, &house.item[0]));
	pass(10 * MSEC);
	assert_int_equal(house.runs[0], 1);
	rescuer_timer_back();
	dismiss_second();
}

static void test_last_deputy_ends(void **state)
{
	(void)state;
	appoint();
	rescuer_end(house.wq.rescuer);
	house.wq.rescuer = NULL;
	rescuer_timer_back();
	rescuer_timer_away();
	hire_second();
	assert_int_equal(deadline_of(1), fake.now + 10 * MSEC);
	rescuer_timer_back();
	dismiss_second();
}

/* The tick would have seen that one sleeps, and would have woken the other. */
static void test_wakes_one_that_idles(void **state)
{
	struct worker *w, *idle;

	(void)state;
	w = house_busy_worker(here, &house.pwqs[0], &house.item[0]);
	idle = house_idle_worker(here);
	queue(0, 0);
	appoint();
	pass(10 * MSEC);
	assert_int_equal(idle->wake, 0);
	fake_set_state(w->tid, OS_THREAD_ASLEEP);
	pass(10 * MSEC);
	assert_int_equal(idle->wake, 1);
	assert_int_equal(nr_ran, 0);
	rescuer_timer_back();
}

static int creations;

/* Of a worker for this pool. Work comes, also elsewhere; then it fails. */
static void be_created_for_long(void)
{
	if (creations++)
		return;
	queue(0, 1);
	queue(1, 2);
	pass(10 * MSEC);
	assert_true(ran_is("hht"));
	queue(0, 3);
	pass(10 * MSEC);
	assert_true(ran_is("hhth"));
}

static void test_in_a_creation(void **state)
{
	(void)state;
	creations = 0;
	fake.on_create = be_created_for_long;
	queue(0, 0);
	tick_hook(fake.now);
	assert_int_equal(nr_ran, 4);
	pass(10 * MSEC);
	assert_int_equal(deadline_of(0), 0);
}

/* --- between looking and sleeping --- */

static void call_it(_Atomic uint32_t *word)
{
	(void)word;
	fake.before_wait = NULL;
	pool_lock(here);
	rescuer_call(here, fake.now);
	pool_unlock(here);
}

static void test_called_on_its_way_to_sleep(void **state)
{
	(void)state;
	queue(0, 0);
	fake.before_wait = call_it;
	fake_spurious(rescuer_thread());
	fake_run();
	assert_true(ran_is("h"));
}

/* --- birth and end --- */

static void test_ends_with_a_call_to_come(void **state)
{
	(void)state;
	queue(0, 0);
	call(here, fake.now + 10 * MSEC);
	pool_lock(here);
	pwq_remove(&house.pwqs[0], &item[0], work_load(&item[0]));
	pool_unlock(here);
	rescuer_end(house.wq.rescuer);
	house.wq.rescuer = NULL;
	assert_int_equal(rescuer_thread()->state, FAKE_OVER);
	assert_true(list_empty(&house.pwqs[0].mayday));
}

static void test_refused(void **state)
{
	struct rescuer *r;

	(void)state;
	snprintf(house.wq.name, sizeof(house.wq.name), "refused");
	r = rescuer_new(&house.wq);
	assert_null(r);
	assert_true(house_said("workqueue refused: cannot create its rescuer"));
	fake.refuse = 0;
	r = rescuer_new(&house.wq);
	assert_non_null(r);
	fake_run();
	assert_string_equal(fake_thread(1)->name, "cmwq/R-refused");
	assert_int_equal(fake_thread(1)->attr.nice, -20);
	rescuer_end(r);
	assert_int_equal(fake_thread(1)->state, FAKE_OVER);
}

static void fork_it(void)
{
	fake_kill(rescuer_thread());
	worker_reset_all();
	rescuer_reset_all();
	rescuer_reset(house.wq.rescuer);
	pwq_reset(&house.pwqs[0]);
}

/* In a forked child. */
static void test_missing_ones_are_created(void **state)
{
	int threads;

	(void)state;
	fork_it();
	threads = fake_nr_threads();
	tick_hook(fake.now);
	assert_int_equal(fake_nr_threads(), threads);
	tick_hook(fake.now);
	fake.refuse = 0;
	tick_hook(fake.now);
	assert_int_equal(fake_nr_threads(), threads + 1);
	tick_hook(fake.now);
	assert_int_equal(fake_nr_threads(), threads + 1);
	fake_run();
	fake.refuse = -1;
	queue(0, 0);
	call(here, fake.now);
	assert_true(ran_is("h"));
	assert_true(house_said("cannot create a rescuer"));
}

/* The timer thread of the parent was away; the child's is not. */
static void test_forked_while_away(void **state)
{
	(void)state;
	appoint();
	fork_it();
	fake.refuse = 0;
	tick_hook(fake.now);
	fake.refuse = -1;
	assert_int_equal(deadline_of(1), 0);
	queue(0, 0);
	rescuer_timer_away();
	assert_int_equal(deadline_of(1), fake.now + 10 * MSEC);
	pass(10 * MSEC);
	assert_true(ran_is("h"));
	rescuer_timer_back();
}

static void test_one_without_a_thread_ends(void **state)
{
	(void)state;
	fork_it();
	queue(0, 0);
	call(here, fake.now);
	rescuer_end(house.wq.rescuer);
	house.wq.rescuer = NULL;
	assert_true(list_empty(&house.pwqs[0].mayday));
	fake.refuse = 0;
	rescuer_create_missing();
	assert_int_equal(fake_nr_threads(), 1);
}

/* --- unbound --- */

/* All CPUs are busy with what may be waiting for the item: as the tick grants one
 * more worker, it grants the rescuer. */
static void test_spinning_workers(void **state)
{
	(void)state;
	for (int i = 0; i < HOUSE_CPUS; i++)
		house_busy_worker(unbound, &house.pwqs[0], &house.item[i]);
	queue(0, 0);
	queue(0, 1);
	call(unbound, fake.now);
	assert_int_equal(nr_ran, 0);
	atomic_store(&unbound->grant, true);
	call(unbound, fake.now);
	assert_int_equal(nr_ran, 1);
	assert_false(atomic_load(&unbound->grant));
}

#define T(name)	  cmocka_unit_test_setup_teardown(name, setup, teardown)
#define T_U(name) cmocka_unit_test_setup_teardown(name, setup_unbound, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_not_before_its_time),
		T(test_an_earlier_call_counts),
		T(test_mayday_times),
		T_U(test_mayday_times_unbound),
		T(test_mayday_times_without_the_tick),
		T(test_mayday_again),
		T(test_sixteen_where_others_wait),
		T(test_sixteen_also_when_called_again),
		T(test_all_where_nobody_waits),
		T(test_what_comes_meanwhile),
		T(test_leaves_for_an_idle_worker),
		T(test_not_with_an_idle_worker),
		T(test_not_beside_a_running_worker),
		T(test_only_its_own),
		T(test_collision),
		T(test_back_in_time),
		T(test_back_late),
		T(test_woken_once_for_many),
		T(test_passes_the_duty_on),
		T(test_takes_a_vacant_duty),
		T(test_asked_and_called_at_once),
		T(test_deputy_ends),
		T(test_last_deputy_ends),
		T(test_wakes_one_that_idles),
		T(test_in_a_creation),
		T(test_called_on_its_way_to_sleep),
		T(test_ends_with_a_call_to_come),
		T(test_refused),
		T(test_missing_ones_are_created),
		T(test_forked_while_away),
		T(test_one_without_a_thread_ends),
		T_U(test_spinning_workers),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
