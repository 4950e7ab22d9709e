/* SPDX-License-Identifier: MIT */
/*
 * delayed_stream.c - delayed work in a dense stream of far delays that are cancelled,
 * in which the library does not read the clock for each.
 */
#include "harness.h"

#define FAR 1000000 /* jiffies; longer than any test */

/* The clock is read before arming, so it may only be later, not earlier. */
TEST(never_early)
{
	static struct item it[300];
	static uint64_t from[300];
	struct workqueue_struct *wq = alloc_workqueue("dense", WQ_UNBOUND, 0);
	struct rng rng = rng_make(7);
	struct item other;
	int i, j;

	item_init(&other);
	for (i = 0; i < 300; i++) {
		for (j = 0; j < 50; j++) {
			EXPECT(queue_delayed_work(wq, &other.dwork, FAR));
			EXPECT(cancel_delayed_work(&other.dwork));
		}
		item_init(&it[i]);
		it[i].arg = 3950 + rng_below(&rng, 100);
		from[i] = now_ns();
		EXPECT(queue_delayed_work(wq, &it[i].dwork, it[i].arg));
	}
	wait_for(items_finished(it, 300) == 300);
	for (i = 0; i < 300; i++) {
		EXPECT_EQ(item_runs(&it[i]), 1);
		EXPECT_OP(it[i].at, >=, from[i] + it[i].arg * 1000000);
	}
	EXPECT_EQ(item_runs(&other), 0);
	destroy_workqueue(wq);
}
