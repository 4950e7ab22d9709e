/* SPDX-License-Identifier: MIT */
/*
 * pool_contended - a push that others get ahead of. The room is compiled into the
 * test, so that something happens right before its exchange, and while it waits.
 *
 * rooms: lock log life param quota work worker node pwq lease place cm verify queue
 */
#include "unit/house.h"

HOUSE_TIMER_STUBS

static void (*ahead)(void); /* once, before the exchange */
static void (*meanwhile)(void);
static int pauses;

static void once(void (**what)(void))
{
	void (*it)(void) = *what;

	*what = NULL;
	if (it)
		it();
}

static void pause_once(void)
{
	pauses++;
	once(&meanwhile);
}

#undef atomic_compare_exchange_weak
#define atomic_compare_exchange_weak(p, e, v) \
	(once(&ahead), atomic_compare_exchange_strong(p, e, v))
#define os_pause() pause_once()
#include "../../src/pool.c"

static struct pool *pool;

static int setup(void **state)
{
	(void)state;
	house_build(WQ_PERCPU, 16);
	pool = pool_of_cpu(0, false);
	pauses = 0;
	return 0;
}

static void put(int i, bool quiet)
{
	uintptr_t head = atomic_load(&pool->inbox);

	house.item[i].entry.next = (void *)(head & ~INBOX_FLAGS);
	atomic_store(&pool->inbox, (uintptr_t)&house.item[i] | quiet);
}

static void put_1(void)
{
	put(1, false);
}

static void put_1_quietly(void)
{
	put(1, true);
}

static void put_2(void)
{
	put(2, false);
}

static void take_all(void)
{
	atomic_store(&pool->inbox, 0);
}

static void assert_item(struct work_struct *work, int i)
{
	assert_ptr_equal(work, &house.item[i]);
}

/* He goes on pushing, and what he did has been seen when it is tried again. */
static void test_pushers(void **state)
{
	(void)state;
	ahead = put_1;
	meanwhile = put_2;
	assert_false(pool_push(pool, &house.item[0], false));
	assert_int_equal(pauses, BACK_OFF);
	assert_item((void *)atomic_load(&pool->inbox), 0);
	assert_item(link_work(house.item[0].entry.next), 2);
	assert_item(link_work(house.item[2].entry.next), 1);
}

/* Who comes after quiet ones kicks, though the inbox was empty at first. */
static void test_quiet_pusher(void **state)
{
	(void)state;
	ahead = put_1_quietly;
	assert_true(pool_push(pool, &house.item[0], false));
	assert_item((void *)atomic_load(&pool->inbox), 0);
	ahead = put_1_quietly;
	assert_false(pool_push(pool, &house.item[2], true));
}

/* All that was there is gone meanwhile: so the push is the one that kicks. */
static void test_drained_meanwhile(void **state)
{
	(void)state;
	ahead = put_1;
	meanwhile = take_all;
	assert_true(pool_push(pool, &house.item[0], false));
	assert_item((void *)atomic_load(&pool->inbox), 0);
	assert_null(house.item[0].entry.next);
}

/* A drain is no reason to wait. */
static void test_drain(void **state)
{
	(void)state;
	put(1, false);
	ahead = take_all;
	assert_true(pool_push(pool, &house.item[0], false));
	assert_int_equal(pauses, 0);
	assert_null(house.item[0].entry.next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pushers, setup),
		cmocka_unit_test_setup(test_quiet_pusher, setup),
		cmocka_unit_test_setup(test_drained_meanwhile, setup),
		cmocka_unit_test_setup(test_drain, setup),
	};

	return cmocka_run_group_tests(tests, NULL, house_end);
}
