/* SPDX-License-Identifier: MIT */
/*
 * sentinel - what it does when its CPU idles, when it rests, when it ends.
 *
 * The scheduler lets it run when the CPU has nothing else to do; here the test
 * does. Its race of disarming against arming is in schedule.c.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue sentinel
 */
#include "unit/house.h"

#include "place.h"
#include "sentinel.h"

HOUSE_TIMER_STUBS
HOUSE_AWAY_STUBS

#define CPU 1

static struct pool *bound;
static struct sentinel *s;
static struct fake_thread *thread;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	bound = pool_of_cpu(CPU, false);
	s = &sentinels[CPU];
	return 0;
}

/* A push behind a running worker asks for one; the timer thread makes it. */
static void create(void)
{
	sentinel_create_wanted();
	assert_int_equal(fake_nr_threads(), 1);
	thread = fake_thread(0);
}

/* Work waits behind a worker that runs; another one is idle. */
static struct worker *make_wait(int i)
{
	struct worker *idle = house_idle_worker(bound);

	house_busy_worker(bound, &house.pwqs[CPU], &house.item[15]);
	house_queue(CPU, i);
	return idle;
}

static uint64_t woken_at;

static void note_wake(_Atomic uint32_t *word)
{
	(void)word;
	if (!woken_at)
		woken_at = fake.now;
}

static void test_created_when_asked_for(void **state)
{
	(void)state;
	sentinel_create_wanted();
	assert_int_equal(fake_nr_threads(), 0);
	make_wait(0);
	assert_true(s->want);
	assert_false(house.away);
	fake.on_create = house_is_away;
	create();
	assert_false(s->want);
	assert_int_equal(s->state, SENTINEL_ARMED);
	sentinel_create_wanted();
	assert_int_equal(fake_nr_threads(), 1);
	fake_start(thread);
	assert_int_equal(thread->attr.cpu, CPU);
	assert_true(thread->attr.idle);
	assert_string_equal(thread->name, "cmwq/idle:1");
}

static void test_creation_refused(void **state)
{
	(void)state;
	make_wait(0);
	fake.refuse = 1;
	sentinel_create_wanted();
	assert_int_equal(s->state, SENTINEL_ABSENT);
	assert_int_equal(fake_nr_threads(), 0);
	/* It can be asked for again. */
	house_queue(CPU, 1);
	bound->nr_running = 1;
	cm_kick(bound);
	create();
	assert_int_equal(s->state, SENTINEL_ARMED);
}

static void test_setup_refused(void **state)
{
	(void)state;
	make_wait(0);
	create();
	fake.refuse_setup = OS_REFUSED_CPU;
	fake_start(thread);
	assert_int_equal(thread->state, FAKE_OVER);
	assert_int_equal(s->state, SENTINEL_REFUSED);
	assert_true(house_said("refused"));
	/* For good. */
	cm_kick(bound);
	sentinel_create_wanted();
	sentinel_rearm_resting();
	assert_int_equal(fake_nr_threads(), 1);
	assert_int_equal(s->state, SENTINEL_REFUSED);
}

static void test_wakes_one_worker(void **state)
{
	struct worker *idle;

	(void)state;
	idle = make_wait(0);
	assert_int_equal(idle->wake, 0);
	create();
	fake_start(thread);
	assert_true(bound->cpu_idle);
	assert_int_equal(idle->wake, 1);
	assert_int_equal(fake_wakes(&idle->wake), 1);
	/* Awake it found no more to do: that was in vain, twice. */
	assert_int_equal(s->state, SENTINEL_RESTING);
	assert_int_equal(thread->state, FAKE_FUTEX);
	assert_ptr_equal(thread->word, &s->state);
}

static void test_two_passes_in_vain_then_rest(void **state)
{
	(void)state;
	house_busy_worker(bound, &house.pwqs[CPU], &house.item[15]);
	house_queue(CPU, 0); /* and nobody to wake */
	create();
	fake_start(thread);
	assert_int_equal(s->state, SENTINEL_RESTING);
	/* The tick lets it look again. */
	fake_clear_wakes();
	sentinel_rearm_resting();
	assert_int_equal(s->state, SENTINEL_ARMED);
	assert_int_equal(fake_wakes(&s->state), 1);
	fake_run();
	assert_int_equal(s->state, SENTINEL_RESTING);
	/* A worker came meanwhile. */
	house_idle_worker(bound);
	sentinel_rearm_resting();
	fake_run();
	assert_int_equal(bound->first_idle->wake, 1);
}

/* It can look at the counted worker's state itself, and does so first. */
static void test_leaves_a_runner_alone(void **state)
{
	struct worker *idle;

	(void)state;
	fake.private_files = true;
	idle = make_wait(0);
	create();
	fake_start(thread);
	assert_false(bound->cpu_idle);
	assert_int_equal(idle->wake, 0);
	assert_int_equal(fake.yields, 13);
	assert_int_equal(s->state, SENTINEL_RESTING);
}

/* The counted worker sleeps, the sentinel sees it, and then it runs again. */
static struct worker *seen_asleep(void)
{
	struct worker *runner;

	fake.private_files = true;
	make_wait(0);
	runner = list_first(&bound->busy, struct worker, entry);
	fake_set_state(runner->tid, OS_THREAD_ASLEEP);
	create();
	fake_start(thread);
	fake_set_state(runner->tid, OS_THREAD_RUNNING);
	return runner;
}

static void test_says_who_sleeps(void **state) NO_ANALYSIS
{
	struct worker *idle, *runner;

	(void)state;
	fake.private_files = true;
	idle = make_wait(0);
	runner = list_first(&bound->busy, struct worker, entry);
	fake_set_state(runner->tid, OS_THREAD_ASLEEP);
	create();
	fake_start(thread);
	assert_true(bound->cpu_idle);
	assert_int_equal(idle->wake, 1);
	/* It is believed for 100 us, and as long as nothing else starts. */
	fake_set_state(runner->tid, OS_THREAD_RUNNING);
	fake.now += 100 * NSEC_PER_USEC - 1;
	assert_true(cm_find_sleepers(bound, idle, 4, false));
	assert_true(runner->asleep);
	/* Once. */
	cm_set_asleep(bound, runner, false);
	assert_true(cm_find_sleepers(bound, idle, 4, false));
	assert_false(runner->asleep);
}

static void test_is_not_believed_for_long(void **state) NO_ANALYSIS
{
	struct worker *runner = seen_asleep();

	(void)state;
	fake.now += 100 * NSEC_PER_USEC;
	assert_true(cm_find_sleepers(bound, NULL, 4, false));
	assert_false(runner->asleep);
}

static void test_is_not_believed_of_another_item(void **state) NO_ANALYSIS
{
	struct worker *runner = seen_asleep();

	(void)state;
	atomic_fetch_add(&bound->seq, 1);
	assert_true(cm_find_sleepers(bound, NULL, 4, false));
	assert_false(runner->asleep);
}

static void test_disarms_when_nothing_waits(void **state)
{
	struct worker *idle;

	(void)state;
	idle = make_wait(0);
	create();
	bound->inbox = 0; /* somebody took it */
	fake_start(thread);
	assert_int_equal(s->state, SENTINEL_OFF);
	assert_false(bound->cpu_idle);
	assert_int_equal(idle->wake, 0);
	sentinel_rearm_resting(); /* does not concern it */
	assert_int_equal(s->state, SENTINEL_OFF);
	assert_int_equal(thread->state, FAKE_FUTEX);
	/* The next push behind a running worker arms it. */
	INIT_WORK(&house.item[0], house_run);
	house_queue(CPU, 0);
	assert_int_equal(s->state, SENTINEL_ARMED);
	fake_run();
	assert_int_equal(idle->wake, 1);
}

/* Quiet items need nobody. */
static void test_quiet_items_do_not_wait(void **state)
{
	unsigned long old;

	(void)state;
	make_wait(0);
	create();
	bound->inbox = 0;
	work_claim(&house.item[1], word_for_pwq(&house.pwqs[CPU], 0, 1), &old);
	pool_push(bound, &house.item[1], true);
	fake_start(thread);
	assert_int_equal(s->state, SENTINEL_OFF);
}

/* It serves all pools that its CPU is part of, the bound ones first. */
static void test_serves_every_pool_of_its_cpu(void **state)
{
	struct pool *of[] = { bound, pool_of_cpu(CPU, true),
			      pool_unbound(false), pool_unbound(true) };
	struct worker *idle[4];

	(void)state;
	make_wait(0);
	create();
	bound->inbox = 0;
	bound->first_idle = NULL;
	for (int i = 0; i < 4; i++) {
		idle[i] = house_idle_worker(of[i]);
		of[i]->has_work = true;
	}
	pool_of_cpu(0, false)->has_work = true; /* not its business */
	house_idle_worker(pool_of_cpu(0, false));
	fake_start(thread);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(idle[i]->wake, 1);
		assert_true(of[i]->cpu_idle);
	}
	assert_false(pool_of_cpu(0, false)->cpu_idle);
	assert_int_equal(pool_of_cpu(0, false)->first_idle->wake, 0);
}

/* Work waits in an unbound pool, and a worker is idle. */
static struct worker *wait_unbound(void)
{
	struct pool *unbound = pool_unbound(false);
	struct worker *idle = house_idle_worker(unbound);

	make_wait(0);
	create();
	bound->inbox = 0;
	unbound->has_work = true;
	fake.now += NSEC_PER_MSEC; /* nothing has ended just now */
	return idle;
}

/* Another thread would get the CPU, and for long. */
static void test_yields_to_see_whether_its_cpu_is_idle(void **state)
{
	struct worker *idle = wait_unbound();

	(void)state;
	fake.yield_ns = 10 * NSEC_PER_USEC;
	fake_start(thread);
	assert_int_equal(pool_unbound(false)->cpu_idle, CPU_IDLE);
	assert_int_equal(idle->wake, 1);
	assert_int_equal(fake_wakes(&idle->wake), 1);
	/* Who is woken comes here. */
	assert_int_equal(idle->woken_from,
			 (CPU + 1) << PLACE_SHIFT | PLACE_HERE);
}

/* Of many CPUs one may idle because its worker waits for the lock of the pool. */
static void test_leaves_a_wanted_lock_alone(void **state)
{
	struct worker *idle = wait_unbound();
	struct pool *pool = pool_unbound(false);

	(void)state;
	atomic_store(&pool->nr_cpus, 8);
	atomic_store(&pool->cap, 8);
	atomic_store(&pool->lock.word, LOCK_CONTENDED);
	fake_start(thread);
	assert_int_equal(idle->wake, 0);
	assert_int_equal(s->state, SENTINEL_RESTING);
	/* When it looks again: */
	atomic_store(&pool->lock.word, LOCK_TAKEN);
	atomic_store(&s->state, SENTINEL_ARMED);
	os_futex_wake(&s->state, 1);
	fake_run();
	assert_int_equal(idle->wake, 1);
	atomic_store(&pool->lock.word, LOCK_FREE);
	atomic_store(&pool->nr_cpus, HOUSE_CPUS);
	atomic_store(&pool->cap, HOUSE_CPUS);
}

/* It has been woken, and is not here: somebody else may send it. */
static void test_says_where_one_on_its_way_may_run(void **state)
{
	struct worker *idle = wait_unbound();

	(void)state;
	atomic_store(&idle->wake, 1);
	fake_start(thread);
	assert_int_equal(fake_wakes(&idle->wake), 0);
	assert_int_equal(idle->woken_from,
			 (CPU + 1) << PLACE_SHIFT | PLACE_HERE);
}

static void test_is_not_sure_if_others_run(void **state)
{
	struct worker *idle = wait_unbound();

	(void)state;
	fake.yield_ns = 10 * NSEC_PER_USEC + 1;
	fake_start(thread);
	assert_int_equal(pool_unbound(false)->cpu_idle, CPU_MAYBE);
	assert_int_equal(idle->wake, 1);
	assert_int_equal(idle->woken_from, 0);
}

/* Where items that block a short time have just ended others will. */
static void test_waits_for_those_that_wake_soon(void **state)
{
	struct worker *idle = wait_unbound();
	uint64_t start = fake.now;

	(void)state;
	pool_unbound(false)->back_at = start - NSEC_PER_MSEC + 1;
	fake.yield_ns = NSEC_PER_USEC;
	fake.on_wake = note_wake;
	woken_at = 0;
	fake_start(thread);
	assert_int_equal(idle->wake, 1);
	assert_int_equal(woken_at - start, 20 * NSEC_PER_USEC);
}

/* With no tick to end its rest it looks every millisecond by itself. */
static void test_polls_without_a_tick(void **state)
{
	struct worker *idle;

	(void)state;
	params.tick = 0;
	house_busy_worker(bound, &house.pwqs[CPU], &house.item[15]);
	house_queue(CPU, 0);
	create();
	fake_start(thread);
	assert_int_equal(s->state, SENTINEL_RESTING);
	idle = house_idle_worker(bound);
	fake.now += NSEC_PER_MSEC - 1;
	assert_int_equal(fake_run(), 0);
	fake.now += 1;
	fake_run();
	assert_int_equal(idle->wake, 1);
}

static void test_with_a_tick_it_does_not_poll(void **state)
{
	(void)state;
	house_busy_worker(bound, &house.pwqs[CPU], &house.item[15]);
	house_queue(CPU, 0);
	create();
	fake_start(thread);
	assert_int_equal(s->state, SENTINEL_RESTING);
	fake.now += 100 * NSEC_PER_MSEC;
	assert_int_equal(fake_run(), 0);
	/* Not even at the end of its idle time does it leave while resting. */
	fake.now += 300000 * NSEC_PER_MSEC;
	fake_run();
	assert_int_equal(thread->state, FAKE_FUTEX);
	assert_int_equal(s->state, SENTINEL_RESTING);
}

static void test_ends_when_idle_for_long(void **state)
{
	(void)state;
	make_wait(0);
	create();
	bound->inbox = 0;
	fake_start(thread);
	fake.now += 299999 * NSEC_PER_MSEC;
	fake_run();
	assert_int_equal(s->state, SENTINEL_OFF);
	fake.now += NSEC_PER_MSEC;
	fake_run();
	assert_int_equal(s->state, SENTINEL_ABSENT);
	assert_int_equal(thread->state, FAKE_OVER);
	/* And comes again. */
	INIT_WORK(&house.item[0], house_run);
	house_queue(CPU, 0);
	assert_true(s->want);
	sentinel_create_wanted();
	assert_int_equal(fake_nr_threads(), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_created_when_asked_for, setup),
		cmocka_unit_test_setup(test_creation_refused, setup),
		cmocka_unit_test_setup(test_setup_refused, setup),
		cmocka_unit_test_setup(test_wakes_one_worker, setup),
		cmocka_unit_test_setup(test_two_passes_in_vain_then_rest,
				       setup),
		cmocka_unit_test_setup(test_leaves_a_runner_alone, setup),
		cmocka_unit_test_setup(test_says_who_sleeps, setup),
		cmocka_unit_test_setup(test_is_not_believed_for_long, setup),
		cmocka_unit_test_setup(test_is_not_believed_of_another_item,
				       setup),
		cmocka_unit_test_setup(test_disarms_when_nothing_waits, setup),
		cmocka_unit_test_setup(test_quiet_items_do_not_wait, setup),
		cmocka_unit_test_setup(test_serves_every_pool_of_its_cpu,
				       setup),
		cmocka_unit_test_setup(
			test_yields_to_see_whether_its_cpu_is_idle, setup),
		cmocka_unit_test_setup(test_leaves_a_wanted_lock_alone, setup),
		cmocka_unit_test_setup(test_says_where_one_on_its_way_may_run,
				       setup),
		cmocka_unit_test_setup(test_is_not_sure_if_others_run, setup),
		cmocka_unit_test_setup(test_waits_for_those_that_wake_soon,
				       setup),
		cmocka_unit_test_setup(test_polls_without_a_tick, setup),
		cmocka_unit_test_setup(test_with_a_tick_it_does_not_poll,
				       setup),
		cmocka_unit_test_setup(test_ends_when_idle_for_long, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
