/* SPDX-License-Identifier: MIT */
/*
 * watchdog_room - when a pool is reported, and what is said.
 *
 * rooms: lock log life lines param cpumask quota work pool worker node pwq lease place cm verify queue symbol dump watchdog
 */
#include "unit/house.h"

#include <errno.h>

#include "os_backtrace.h"
#include "watchdog.h"

HOUSE_TIMER_STUBS

#define SECOND (1000 * NSEC_PER_MSEC)
#define THRESH 10
#define TICK   (4 * NSEC_PER_MSEC)

static struct pool *bound, *unbound;
static int nr_backtraces;
static unsigned int last_may_stop;

/* A thread that is where its number says. */
void os_backtrace(int tid, unsigned int may_stop, struct os_backtrace *bt)
{
	nr_backtraces++;
	last_may_stop = may_stop;
	memset(bt, 0, sizeof(*bt));
	bt->state = 'S';
	strcpy(bt->wchan, "do_nothing");
	strcpy(bt->syscall, "1234 0x1");
	if (!may_stop || tid % 2) {
		bt->obstacle = "an obstacle";
		bt->err = EPERM;
		return;
	}
	bt->stopped_ns = 77000;
	bt->frame[bt->nr++] = (void *)0x123450;
	bt->frame[bt->nr++] = (void *)0x123460;
}

static void build(unsigned int flags)
{
	house_build(flags, 16);
	watchdog_reset();
	params.watchdog_thresh = THRESH;
	params.backtrace = 1;
	bound = pool_of_cpu(0, false);
	unbound = pool_unbound(false);
	nr_backtraces = 0;
}

static int setup(void **state)
{
	(void)state;
	build(WQ_PERCPU);
	return 0;
}

static int setup_unbound(void **state)
{
	(void)state;
	build(WQ_UNBOUND);
	return 0;
}

/* Ticks for so long; how many reports there were. */
static int run(uint64_t ns)
{
	uint64_t end = fake.now + ns;
	int reports = 0;

	house.log[0] = '\0';
	while (fake.now < end) {
		fake.now += TICK;
		watchdog_tick(fake.now, false);
	}
	for (const char *p = house.log; (p = strstr(p, "started nothing")); p++)
		reports++;
	return reports;
}

/* A look finds this, or has found it before. */
static void first_look(void)
{
	watchdog_tick(fake.now, true);
}

/* Work that nobody starts. */
static void stand_still(int cpu, int i)
{
	house_queue(cpu, i);
	first_look();
}

static void test_not_early_and_not_late(void **state)
{
	(void)state;
	stand_still(0, 0);
	assert_int_equal(run(THRESH * SECOND - TICK), 0);
	assert_int_equal(run(SECOND / 4 + TICK), 1);
	assert_true(house_said("pool cmwq/0 (CPU 0, nice 0) has started "
			       "nothing for 10 s, though work waits"));
}

static void test_once_per_interval(void **state)
{
	(void)state;
	stand_still(0, 0);
	assert_int_equal(run((THRESH + 1) * SECOND), 1);
	assert_int_equal(run((THRESH - 2) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
	assert_true(house_said("nothing for 20 s"));
	assert_int_equal(run(10 * THRESH * SECOND), 10);
}

static void test_nothing_waits(void **state)
{
	(void)state;
	first_look();
	assert_int_equal(run(3 * THRESH * SECOND), 0);
	assert_int_equal(nr_backtraces, 0);
}

static void test_what_is_started_counts(void **state)
{
	(void)state;
	stand_still(0, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(run((THRESH - 1) * SECOND), 0);
		atomic_fetch_add(&bound->seq, 1);
	}
	assert_int_equal(run((THRESH + 1) * SECOND), 1);
	/* Then it is a new standstill. */
	atomic_fetch_add(&bound->seq, 1);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
}

/* Taken back, and something else queued a while later. */
static void test_empty_in_between(void **state) NO_ANALYSIS
{
	struct pwq *pwq = &house.pwqs[0];

	(void)state;
	stand_still(0, 0);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	pool_lock(bound);
	house_run_one(pwq, 0);
	pool_unlock(bound);
	assert_int_equal(run(SECOND), 0);
	house_queue(0, 1);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
}

/* The same, with no tick in between that would have seen it. */
static void test_tick_was_off(void **state)
{
	(void)state;
	stand_still(0, 0);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	fake.now += SECOND / 10;
	watchdog_tick(fake.now, true);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
}

/* SIGSTOP, a debugger, a machine that was suspended. */
static void test_process_was_stopped(void **state)
{
	(void)state;
	stand_still(0, 0);
	assert_int_equal(run(SECOND), 0);
	fake.now += 100 * THRESH * SECOND;
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
}

static void test_touched(void **state)
{
	(void)state;
	stand_still(0, 0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(run((THRESH - 1) * SECOND), 0);
		wq_watchdog_touch(i % 2 ? 0 : -1);
	}
	/* Of another CPU, or none. */
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	wq_watchdog_touch(1);
	wq_watchdog_touch(HOUSE_CPUS);
	wq_watchdog_touch(-2);
	assert_int_equal(run(2 * SECOND), 1);
	/* After a report, too. */
	wq_watchdog_touch(0);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
}

static void test_bad_cpus(void **state)
{
	(void)state;
	wq_watchdog_touch(HOUSE_CPUS);
	log_flush();
	assert_true(house_said("wq_watchdog_touch: no such CPU"));
	wq_watchdog_touch(-2);
	log_flush();
	assert_true(house_said("wq_watchdog_touch: no such CPU"));
	wq_watchdog_touch(HOUSE_CPUS - 1);
	log_flush();
	assert_false(house_said("CPU"));
}

/* It serves all CPUs, so whatever was touched means it. */
static void test_unbound(void **state)
{
	(void)state;
	stand_still(2, 0);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	wq_watchdog_touch(3);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
	assert_true(house_said("pool cmwq/u"));
}

static void test_off(void **state)
{
	(void)state;
	params.watchdog_thresh = 0;
	stand_still(0, 0);
	assert_int_equal(run(100 * THRESH * SECOND), 0);
	params.watchdog_thresh = THRESH;
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	assert_int_equal(run(2 * SECOND), 1);
	params.watchdog_thresh = 0;
	assert_int_equal(run(100 * THRESH * SECOND), 0);
	params.watchdog_thresh = 1;
	assert_int_equal(run(SECOND - TICK), 0);
	assert_int_equal(run(SECOND), 1);
}

/* Two at once; a third that is not concerned. */
static void test_several_pools(void **state)
{
	(void)state;
	house_queue(0, 0);
	house_queue(1, 1);
	stand_still(2, 2);
	assert_int_equal(run((THRESH - 1) * SECOND), 0);
	atomic_fetch_add(&pool_of_cpu(2, false)->seq, 1);
	assert_int_equal(run(2 * SECOND), 2);
	assert_non_null(strstr(house.log, "pool cmwq/0 "));
	assert_non_null(strstr(house.log, "pool cmwq/1 "));
	assert_null(strstr(house.log, "pool cmwq/2 "));
}

static void run_to_report(void)
{
	stand_still(0, 0);
	assert_int_equal(run((THRESH + 1) * SECOND), 1);
}

static bool says(const char *text)
{
	return strstr(house.log, text);
}

static void test_says_who_does_what(void **state)
{
	struct worker *even, *odd;
	char text[64];

	(void)state;
	even = house_busy_worker(bound, &house.pwqs[0], &house.item[1]);
	odd = house_busy_worker(bound, &house.pwqs[0], &house.item[2]);
	house_idle_worker(bound);
	even->asleep = true;
	strcpy(odd->desc, "to and fro");
	run_to_report();
	assert_int_equal(nr_backtraces, 2);
	assert_true(says("pending of house: unit-watchdog_room+0x"));
	snprintf(text, sizeof(text), "thread %d, asleep)", even->tid);
	assert_true(says(text));
	snprintf(text, sizeof(text), "thread %d: to and fro)", odd->tid);
	assert_true(says(text));
	assert_true(
		says("state S, sleeps in do_nothing, was stopped for 77 us"));
	assert_true(says("0x123450"));
	assert_true(says("0x123460"));
	assert_true(says("no frames: an obstacle (Operation not permitted); "
			 "system call: 1234 0x1"));
	params.backtrace = 0;
	assert_int_equal(run(THRESH * SECOND), 1);
	assert_int_equal(last_may_stop, 0);
}

/* Only one that is known to compute may be stopped while it runs. */
static void test_who_computes(void **state)
{
	const unsigned int asleep = OS_BACKTRACE_ASLEEP;
	struct worker *w;
	uint64_t cpu = 0;

	(void)state;
	w = house_busy_worker(bound, &house.pwqs[0], &house.item[1]);
	run_to_report();
	assert_int_equal(last_may_stop, asleep);
	/* It uses half of a CPU, ... */
	for (int i = 0; i < THRESH * 20; i++) {
		run(SECOND / 20);
		fake_set_cpu_time(w->tid, cpu += SECOND / 40);
	}
	assert_int_equal(last_may_stop, asleep | OS_BACKTRACE_RUNNING);
	/* ... but sleeps now and then, ... */
	for (int i = 0; i < THRESH * 20; i++) {
		run(SECOND / 20);
		fake_set_cpu_time(w->tid, cpu += SECOND / 40);
		fake_set_waits(w->tid, (unsigned long)i / 4);
	}
	assert_int_equal(last_may_stop, asleep);
	/* ... or has many items, ... */
	for (int i = 0; i < THRESH * 20; i++) {
		run(SECOND / 20);
		fake_set_cpu_time(w->tid, cpu += SECOND / 40);
		w->seq++;
	}
	assert_int_equal(last_may_stop, asleep);
	/* ... or gets no CPU time. */
	run(THRESH * SECOND);
	assert_int_equal(last_may_stop, asleep);
	/* If it gets a little, it takes a while. */
	for (int i = 0; i < THRESH * 20; i++) {
		run(SECOND / 20);
		fake_set_cpu_time(w->tid, cpu += SECOND / 10000);
	}
	assert_int_equal(last_may_stop, asleep | OS_BACKTRACE_RUNNING);
}

static void test_no_worker(void **state)
{
	(void)state;
	house_idle_worker(bound);
	run_to_report();
	assert_true(says("no worker has an item; 1 are idle, 0 are being "
			 "created"));
	assert_int_equal(nr_backtraces, 0);
}

/* However many: a bounded number of stacks. */
static void test_many_workers(void **state)
{
	(void)state;
	for (int i = 0; i < 40; i++)
		house_busy_worker(bound, &house.pwqs[0], &house.item[1]);
	run_to_report();
	assert_int_equal(nr_backtraces, 16);
	assert_true(says("and 24 more workers have items"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_not_early_and_not_late, setup),
		cmocka_unit_test_setup(test_once_per_interval, setup),
		cmocka_unit_test_setup(test_nothing_waits, setup),
		cmocka_unit_test_setup(test_what_is_started_counts, setup),
		cmocka_unit_test_setup(test_empty_in_between, setup),
		cmocka_unit_test_setup(test_tick_was_off, setup),
		cmocka_unit_test_setup(test_process_was_stopped, setup),
		cmocka_unit_test_setup(test_touched, setup),
		cmocka_unit_test_setup(test_bad_cpus, setup),
		cmocka_unit_test_setup(test_unbound, setup_unbound),
		cmocka_unit_test_setup(test_off, setup),
		cmocka_unit_test_setup(test_several_pools, setup),
		cmocka_unit_test_setup(test_says_who_does_what, setup),
		cmocka_unit_test_setup(test_who_computes, setup),
		cmocka_unit_test_setup(test_no_worker, setup),
		cmocka_unit_test_setup(test_many_workers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
