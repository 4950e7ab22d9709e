/* SPDX-License-Identifier: MIT */
/*
 * devm.c - workqueues with an owner: released in reverse order, and with no other's.
 */
#include "harness.h"

/* Not the library's business. */
struct device {
	int number;
};

static struct device one, other;

static long do_release(void *dev)
{
	return cmwq_device_release(dev);
}

/* Each has an item that holds the release up, so its place can be seen. */
TEST(in_reverse_order)
{
	struct workqueue_struct *wq[3];
	struct item it[3];
	struct thread releaser;

	for (int i = 0; i < 3; i++) {
		wq[i] = devm_alloc_workqueue(&one, "devm%d",
					     i ? WQ_UNBOUND : WQ_PERCPU, 0, i);
		ASSERT(wq[i]);
		item_init_held(&it[i]);
		EXPECT(queue_work(wq[i], &it[i].work));
		wait_for(item_started(&it[i]) == 1);
	}
	EXPECT(!strcmp(cmwq_name(wq[1]), "devm1"));
	thread_start(&releaser, do_release, &one);
	for (int i = 2; i >= 0; i--) {
		struct item probe;

		EXPECT(thread_asleep(&releaser));
		for (int j = 0; j < i; j++) {
			item_init(&probe);
			EXPECT(queue_work(wq[j], &probe.work));
			flush_work(&probe.work);
			EXPECT_EQ(item_runs(&probe), 1);
		}
		item_release(&it[i]);
		if (i)
			wait_for(!item_idle(&it[i - 1]));
	}
	EXPECT_EQ(thread_join(&releaser), 3);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(item_runs(&it[i]), 1);
	EXPECT_EQ(cmwq_device_release(&one), 0);
	check_library_works();
}

TEST(each_his_own)
{
	struct workqueue_struct *a =
		devm_alloc_workqueue(&one, "a", WQ_PERCPU, 0);
	struct workqueue_struct *b = devm_alloc_ordered_workqueue(
		&other, "b%c", WQ_MEM_RECLAIM, 'b');
	struct workqueue_struct *c = alloc_workqueue("c", WQ_PERCPU, 0);
	struct item it;

	ASSERT(a && b && c);
	EXPECT(!strcmp(cmwq_name(b), "bb"));
	EXPECT_EQ(cmwq_device_release(&one), 1);
	item_init(&it);
	EXPECT(!queue_work(a, &it.work));
	wait_for(log_has("workqueue a was destroyed"));
	log_clear();
	EXPECT(queue_work(b, &it.work));
	flush_workqueue(b);
	EXPECT(queue_work(c, &it.work));
	flush_workqueue(c);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(cmwq_device_release(&other), 1);
	destroy_workqueue(c);
}

TEST(ordered_is_ordered)
{
	struct workqueue_struct *wq =
		devm_alloc_ordered_workqueue(&one, "o", 0);
	struct item it[20];

	for (int i = 0; i < 20; i++) {
		item_init(&it[i]);
		EXPECT(queue_work(wq, &it[i].work));
	}
	flush_workqueue(wq);
	for (int i = 1; i < 20; i++)
		EXPECT_OP(it[i].order, >, it[i - 1].order);
	EXPECT_EQ(cmwq_device_release(&one), 1);
}

/* Destroyed before: nothing is left to release. */
TEST(destroyed_by_hand)
{
	destroy_workqueue(devm_alloc_workqueue(&one, "a", WQ_PERCPU, 0));
	EXPECT(devm_alloc_workqueue(&one, "b", WQ_UNBOUND, 0));
	EXPECT_EQ(cmwq_device_release(&one), 1);
	EXPECT_EQ(cmwq_device_release(&one), 0);
}

TEST(bad_input)
{
	EXPECT(!devm_alloc_workqueue(NULL, "x", WQ_PERCPU, 0));
	EXPECT(!devm_alloc_ordered_workqueue(NULL, "x", 0));
	EXPECT_EQ(log_count("no owner, called at"), 2);
	EXPECT(!devm_alloc_workqueue(&one, "x", 1U << 30, 0));
	EXPECT(log_has("unknown flags"));
	EXPECT_EQ(cmwq_device_release(&one), 0);
	EXPECT_EQ(cmwq_device_release(NULL), 0);
	log_clear();
	check_library_works();
}

/* What is told to lockdep is nothing to alloc_workqueue(). */
TEST(lockdep_map)
{
	struct lockdep_map *map = (struct lockdep_map *)&other;
	struct workqueue_struct *wq[2];

	wq[0] = alloc_workqueue_lockdep_map("map%d", WQ_PERCPU, 3, map, 7);
	wq[1] = alloc_ordered_workqueue_lockdep_map("omap%s", 0, map, "x");
	ASSERT(wq[0] && wq[1]);
	EXPECT(!strcmp(cmwq_name(wq[0]), "map7"));
	EXPECT(!strcmp(cmwq_name(wq[1]), "omapx"));
	for (int i = 0; i < 2; i++) {
		struct item it;

		item_init(&it);
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it), 1);
		destroy_workqueue(wq[i]);
	}
}
