/* SPDX-License-Identifier: MIT */
/*
 * pool - the inbox: order, the quiet bit, who has to kick; the table of pools.
 *
 * rooms: lock log life param quota work pool worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

#include <pthread.h>

HOUSE_TIMER_STUBS

static struct pool *pool;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	pool = pool_of_cpu(0, false);
	return 0;
}

/* As a queueing thread does, up to the push and without the kick. */
static bool push(int i, bool quiet)
{
	unsigned long old;

	assert_int_equal(work_claim(&house.item[i],
				    word_for_pwq(&house.pwqs[0], 0, 1), &old),
			 CLAIMED);
	return pool_push(pool, &house.item[i], quiet);
}

static void drain(void) NO_ANALYSIS
{
	pool_lock(pool);
	pool_unlock(pool);
}

static void test_inbox_keeps_order(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++)
		push(i, i % 3 == 0);
	drain();
	assert_int_equal(house_len(&pool->worklist), 8);
	for (int i = 0; i < 8; i++)
		assert_int_equal(house_at(&pool->worklist, i), i);
	push(8, false);
	push(9, false);
	drain();
	assert_int_equal(house_at(&pool->worklist, 8), 8);
	assert_int_equal(house_at(&pool->worklist, 9), 9);
	assert_int_equal(pool->inbox, 0);
}

static void test_first_push_kicks(void **state)
{
	(void)state;
	assert_true(push(0, false));
	assert_false(push(1, false));
	assert_false(push(2, false));
	drain();
	assert_true(push(3, false));
}

/* Quiet items never kick, and do not hide that nobody has kicked. */
static void test_quiet_pushes(void **state)
{
	(void)state;
	assert_false(push(0, true));
	assert_false(pool_waiting(pool));
	assert_false(push(1, true));
	assert_false(pool_waiting(pool));
	assert_true(push(2, false));
	assert_true(pool_waiting(pool));
	/* A quiet one after a loud one does not make the inbox quiet again. */
	assert_false(push(3, true));
	assert_true(pool_waiting(pool));
	assert_false(push(4, false));
	drain();
	assert_int_equal(house_len(&pool->worklist), 5);
	for (int i = 0; i < 5; i++)
		assert_int_equal(house_at(&pool->worklist, i), i);
	assert_false(push(5, true));
	assert_true(push(6, false));
}

static void test_waiting_says_what_the_worklist_has(void **state) NO_ANALYSIS
{
	(void)state;
	assert_false(pool_waiting(pool));
	pool_add_work(pool, &house.item[0]);
	pool_add_work(pool, &house.item[1]);
	assert_true(pool_waiting(pool));
	pool_del_work(pool, &house.item[0]);
	assert_true(pool_waiting(pool));
	assert_int_equal(house_at(&pool->worklist, 0), 1);
	pool_del_work(pool, &house.item[1]);
	assert_false(pool_waiting(pool));
}

static void test_table_of_pools(void **state)
{
	struct pool *p;
	int n = 0;

	(void)state;
	for_each_pool (p)
		n++;
	assert_int_equal(n, HOUSE_CPUS * POOLS_PER_CPU + NR_PRIORITIES);
	for (int i = 0; i < HOUSE_CPUS * POOLS_PER_CPU; i++) {
		int cpu = i / POOLS_PER_CPU, hi = i % 2;
		bool bh = i / 2 % 2;

		p = bh ? pool_bh(cpu, hi) : pool_of_cpu(cpu, hi);
		assert_int_equal(p->cpu, cpu);
		assert_int_equal(p->id, cpu);
		assert_int_equal(p->highpri, hi);
		assert_int_equal(p->bh, bh);
		assert_int_equal(p->cap, 1);
		assert_true(p->pinned);
	}
	for (int hi = 0; hi < 2; hi++) {
		p = pool_unbound(hi);
		assert_int_equal(p->cpu, -1);
		assert_int_equal(p->highpri, hi);
		assert_int_equal(p->cap, HOUSE_CPUS);
		assert_false(p->pinned);
	}
}

/* A CPU that the process may not use has a pool bound to nothing. */
static void test_pools_of_forbidden_cpus(void **state)
{
	struct pool **saved = cpu_pools;
	struct pool *list = pool_list;
	struct pool *list_unbound = pool_list_unbound;
	struct pool *p, *next;
	int n = 0;

	(void)state;
	fake_set_cpus(3, 0x5);
	pool_list = NULL;
	assert_int_equal(pools_init(), 0);
	for_each_pool (p)
		n++;
	assert_int_equal(n, 3 * POOLS_PER_CPU + NR_PRIORITIES);
	assert_int_equal(pool_of_cpu(0, false)->cpu, 0);
	assert_int_equal(pool_of_cpu(1, false)->cpu, 1);
	assert_true(pool_bound(pool_of_cpu(0, false)));
	assert_false(pool_bound(pool_of_cpu(1, false)));
	assert_int_equal(pool_of_cpu(1, false)->cap, 2);
	assert_int_equal(pool_of_cpu(2, true)->cpu, 2);
	assert_int_equal(pool_unbound(false)->cap, 2);
	for (p = pool_list; p; p = next) {
		next = p->next;
		free(p);
	}
	free(cpu_pools);
	cpu_pools = saved;
	pool_list = list;
	pool_list_unbound = list_unbound;
}

static void test_reset_forgets_all_but_identity(void **state) NO_ANALYSIS
{
	struct pool *p = pool_of_cpu(2, true);

	(void)state;
	assert_false(p->tiny);
	assert_true(pool_bh(2, true)->tiny);
	pool_add_work(p, &house.item[0]);
	p->nr_running = 3;
	p->nr_asleep = 2;
	p->lock.word = LOCK_CONTENDED;
	p->pinned = false;
	pool_push(p, &house.item[1], false);
	pool_reset(p);
	assert_int_equal(p->cpu, 2);
	assert_true(p->highpri);
	assert_int_equal(p->cap, 1);
	assert_true(p->pinned);
	assert_false(pool_waiting(p));
	assert_int_equal(p->inbox, 0);
	assert_true(list_empty(&p->worklist));
	assert_int_equal(p->nr_running, 0);
	assert_int_equal(p->nr_asleep, 0);
	assert_int_equal(p->lock.word, LOCK_FREE);
	assert_false(p->tiny);
	pool_reset(pool_bh(2, true));
	assert_true(pool_bh(2, true)->bh && pool_bh(2, true)->tiny);
}

/* Items @from to @to at once. */
static bool push_chain(int from, int to, bool quiet)
{
	unsigned long old;

	for (int i = from; i <= to; i++) {
		assert_int_equal(work_claim(&house.item[i],
					    word_for_pwq(&house.pwqs[0], 0, 1),
					    &old),
				 CLAIMED);
		if (i > from)
			house.item[i].entry.next = &house.item[i - 1];
	}
	return pool_push_chain(pool, &house.item[from], &house.item[to], quiet);
}

/* One push: it kicks, or is quiet, as a whole, and is in its place among others. */
static void test_chains(void **state)
{
	(void)state;
	assert_false(push_chain(0, 2, true));
	assert_false(pool_waiting(pool));
	assert_true(push_chain(3, 6, false));
	assert_true(pool_waiting(pool));
	assert_false(push(7, false));
	assert_false(push_chain(8, 8, false));
	assert_false(push_chain(9, 11, false));
	drain();
	assert_int_equal(house_len(&pool->worklist), 12);
	for (int i = 0; i < 12; i++)
		assert_int_equal(house_at(&pool->worklist, i), i);
	assert_int_equal(pool->inbox, 0);
}

/*
 * Several threads push at once, single items and chains, one drains: nothing is
 * lost, each thread's items stay in order, and as many pushes say "kick" as there
 * were inboxes with something in them.
 */
#define PUSHERS 3
#define PER	20000

static struct work_struct many[PUSHERS][PER];
static atomic_int kicks;
static atomic_int pushed;

static void *pusher(void *arg)
{
	struct work_struct *mine = arg;

	for (int i = 0, n; i < PER; i += n) {
		n = 1 + i % 7 % (PER - i);
		for (int j = i; j < i + n; j++) {
			atomic_store(work_word(&mine[j]),
				     word_for_pwq(&house.pwqs[0], 0, 1));
			if (j > i)
				mine[j].entry.next = &mine[j - 1];
		}
		kicks += pool_push_chain(pool, &mine[i], &mine[i + n - 1],
					 false);
		pushed += n;
	}
	return NULL;
}

static int check_batch(int next[PUSHERS]) NO_ANALYSIS
{
	int n = 0;

	while (!list_empty(&pool->worklist)) {
		struct work_struct *work = entry_work(pool->worklist.next);
		int of = (int)((work - &many[0][0]) / PER);

		assert_ptr_equal(work, &many[of][next[of]]);
		next[of]++;
		pool_del_work(pool, work);
		n++;
	}
	return n;
}

static void test_many_pushers(void **state) NO_ANALYSIS
{
	int next[PUSHERS] = { 0 }, got = 0, batches = 0;
	pthread_t threads[PUSHERS];

	(void)state;
	fake.real_futex = true;
	pwq_set_max_active(&house.pwqs[0], PUSHERS * PER);
	for (int i = 0; i < PUSHERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, pusher, many[i]), 0);
	while (got < PUSHERS * PER) {
		int n;

		drain();
		n = check_batch(next);
		got += n;
		batches += n > 0;
		if (!n)
			sched_yield();
	}
	for (int i = 0; i < PUSHERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(kicks, batches);
	assert_int_equal(pushed, PUSHERS * PER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_inbox_keeps_order, setup),
		cmocka_unit_test_setup(test_first_push_kicks, setup),
		cmocka_unit_test_setup(test_quiet_pushes, setup),
		cmocka_unit_test_setup(test_chains, setup),
		cmocka_unit_test_setup(test_waiting_says_what_the_worklist_has,
				       setup),
		cmocka_unit_test_setup(test_table_of_pools, setup),
		cmocka_unit_test_setup(test_pools_of_forbidden_cpus, setup),
		cmocka_unit_test_setup(test_reset_forgets_all_but_identity,
				       setup),
		cmocka_unit_test_setup(test_many_pushers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
