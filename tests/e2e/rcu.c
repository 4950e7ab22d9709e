/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - RCU work: readers hold it back, results in every state, cancel and
 * disable in the grace period, flush, flavours.
 */
#include "readers.h"

static struct workqueue_struct *wq;
static struct reader reader;
static struct item it;

static void begin(unsigned int flags)
{
	wq = alloc_workqueue("rcu", flags, 0);
	ASSERT(wq);
	item_init(&it);
	reader_start(&reader, &urcu_bp_flavor);
}

static void end(void)
{
	check_library_works();
	destroy_workqueue(wq);
}

static void requeue(struct item *self)
{
	if (++self->arg < 100)
		EXPECT(queue_rcu_work(wq, &self->rwork));
}

static long do_flush(void *rwork)
{
	return flush_rcu_work(rwork);
}

/* --- the grace period --- */

static void reader_holds_back(unsigned int flags)
{
	begin(flags);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	EXPECT(!queue_rcu_work(wq, &it.rwork));
	EXPECT(!queue_work(wq, &it.work));
	EXPECT_EQ(work_busy(&it.work), WORK_BUSY_PENDING);
	EXPECT(!flush_work(&it.work)); /* it is not queued */
	flush_workqueue(wq);
	linger();
	EXPECT_EQ(item_started(&it), 0);
	reader_end(&reader);
	wait_for(item_runs(&it) == 1);
	end();
	EXPECT_EQ(item_runs(&it), 1);
}

TEST(reader_holds_back_percpu)
{
	reader_holds_back(WQ_PERCPU);
}

TEST(reader_holds_back_unbound)
{
	reader_holds_back(WQ_UNBOUND);
}

TEST(no_reader)
{
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	for (int i = 1; i <= 200; i++) {
		item_init(&it);
		EXPECT(queue_rcu_work(wq, &it.rwork));
		finish(&it);
		EXPECT_EQ(item_runs(&it), 1);
	}
	end();
}

/* A reader may queue: its own section is waited for, too. */
TEST(queued_by_a_reader)
{
	wq = alloc_workqueue("rcu", WQ_PERCPU, 0);
	item_init(&it);
	urcu_bp_read_lock();
	EXPECT(queue_rcu_work(wq, &it.rwork));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	urcu_bp_read_unlock();
	finish(&it);
	EXPECT_EQ(item_runs(&it), 1);
	end();
}

/* What comes during a grace period waits for the next one. */
TEST(two_grace_periods)
{
	static struct reader late;
	static struct item second;

	begin(WQ_UNBOUND);
	item_init(&second);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	linger(); /* let its grace period begin */
	reader_start(&late, &urcu_bp_flavor);
	EXPECT(queue_rcu_work(wq, &second.rwork));
	reader_end(&reader);
	wait_for(item_runs(&it) == 1 || !item_idle(&second));
	linger();
	EXPECT_EQ(item_started(&second), 0);
	reader_end(&late);
	wait_for(item_runs(&second) == 1 && item_runs(&it) == 1);
	end();
}

TEST(ordered_in_one_grace_period)
{
	static struct item item[100];
	struct workqueue_struct *ordered;

	begin(WQ_PERCPU);
	ordered = alloc_ordered_workqueue("rcu_ordered", 0);
	for (int i = 0; i < 100; i++) {
		item_init(&item[i]);
		EXPECT(queue_rcu_work(ordered, &item[i].rwork));
	}
	reader_end(&reader);
	wait_for(items_finished(item, 100) == 100);
	for (int i = 1; i < 100; i++)
		EXPECT_OP(item[i].order, >, item[i - 1].order);
	destroy_workqueue(ordered);
	end();
}

TEST(runs_on_the_calling_cpu)
{
	need_cpus(2);
	wq = alloc_workqueue("rcu", WQ_PERCPU, 0);
	for (int i = 0; i < 20; i++) {
		pin_to(nth_cpu(i % 2));
		item_init(&it);
		EXPECT(queue_rcu_work(wq, &it.rwork));
		finish(&it);
		EXPECT_EQ(it.cpu, nth_cpu(i % 2));
	}
	end();
}

TEST(bh)
{
	log_ignore("slept"); /* a page fault, or what a sanitizer does */
	begin(WQ_BH);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	linger();
	EXPECT_EQ(item_started(&it), 0);
	reader_end(&reader);
	wait_for(item_runs(&it) == 1);
	it.hook = requeue;
	EXPECT(queue_rcu_work(wq, &it.rwork));
	wait_for(item_runs(&it) == 101);
	end();
}

/* --- the function --- */

TEST(requeues_itself)
{
	wq = alloc_workqueue("rcu", WQ_PERCPU, 0);
	item_init(&it);
	it.hook = requeue;
	EXPECT(queue_rcu_work(wq, &it.rwork));
	wait_for(item_runs(&it) == 100);
	EXPECT_EQ(it.overlaps, 0);
	end();
}

static struct counter freed;

static void free_it(struct work_struct *work)
{
	free(to_rcu_work(work));
	counter_inc(&freed);
}

TEST(frees_itself)
{
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	for (int i = 0; i < 1000; i++) {
		struct rcu_work *rwork = malloc(sizeof(*rwork));

		INIT_RCU_WORK(rwork, free_it);
		EXPECT(queue_rcu_work(wq, rwork));
	}
	counter_wait(&freed, 1000);
	end();
}

/* A run in progress holds up the next, grace period or not. */
TEST(does_not_overlap)
{
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	item_init_held(&it);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	wait_for(item_started(&it) == 1);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	wait_for(work_busy(&it.work) & WORK_BUSY_PENDING);
	linger();
	EXPECT_EQ(item_started(&it), 1);
	item_release(&it);
	finish(&it);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(it.overlaps, 0);
	end();
}

/* --- taken back in the grace period --- */

static bool (*const takers[])(struct work_struct *work) = {
	cancel_work,
	cancel_work_sync,
	disable_work,
	disable_work_sync,
};

/* The reader is there all the time, and may even be the caller. */
static void take_back(bool own_section)
{
	begin(WQ_UNBOUND);
	if (own_section)
		urcu_bp_read_lock();
	for (unsigned int i = 0; i < 4; i++) {
		EXPECT(queue_rcu_work(wq, &it.rwork));
		EXPECT(takers[i](&it.work));
		EXPECT(item_idle(&it));
		EXPECT(!takers[i % 2](&it.work));
		if (i < 2)
			continue;
		EXPECT(!queue_rcu_work(wq, &it.rwork));
		EXPECT(item_idle(&it));
		EXPECT(enable_work(&it.work));
	}
	EXPECT(queue_rcu_work(wq, &it.rwork));
	if (own_section)
		urcu_bp_read_unlock();
	reader_end(&reader);
	wait_for(item_runs(&it) == 1);
	end();
	EXPECT_EQ(item_runs(&it), 1);
}

TEST(taken_back)
{
	take_back(false);
}

TEST(taken_back_in_a_read_section)
{
	take_back(true);
}

/* Nobody has it any more: its memory may go, and be another item. */
TEST(freed_after_cancel)
{
	struct rcu_work *rwork[50];

	begin(WQ_PERCPU);
	for (int i = 0; i < 50; i++) {
		rwork[i] = malloc(sizeof(*rwork[i]));
		INIT_RCU_WORK(rwork[i], free_it);
		EXPECT(queue_rcu_work(wq, rwork[i]));
	}
	for (int i = 0; i < 50; i += 2) {
		EXPECT(cancel_work_sync(&rwork[i]->work));
		free(rwork[i]);
	}
	reader_end(&reader);
	counter_wait(&freed, 25);
	end();
	EXPECT_EQ(counter_get(&freed), 25);
}

TEST(drained_meanwhile)
{
	begin(WQ_UNBOUND);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	drain_workqueue(wq);
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(cancel_work(&it.work));
	reader_end(&reader);
	end();
}

static long do_drain(void *queue)
{
	drain_workqueue(queue);
	return 0;
}

/* Its grace period ends while the queue drains: dropped, as by queue_work(). */
TEST(dropped_by_a_drain)
{
	static struct thread drainer, flusher;
	static struct item blocker;

	begin(WQ_UNBOUND);
	item_init_held(&blocker);
	EXPECT(queue_work(wq, &blocker.work));
	wait_for(item_started(&blocker) == 1);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	thread_start(&flusher, do_flush, &it.rwork);
	thread_start(&drainer, do_drain, wq);
	ASSERT(thread_asleep(&drainer) && thread_asleep(&flusher));
	reader_end(&reader);
	EXPECT_EQ(thread_join(&flusher), true);
	EXPECT(item_idle(&it));
	EXPECT_EQ(item_started(&it), 0);
	wait_for(log_has("is draining"));
	item_release(&blocker);
	thread_join(&drainer);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	finish(&it);
	EXPECT_EQ(item_runs(&it), 1);
	end();
}

/* --- flush --- */

TEST(flush_waits_for_both)
{
	static struct thread flusher[3];

	begin(WQ_UNBOUND);
	item_allow(&it, 0);
	EXPECT(!flush_rcu_work(&it.rwork));
	EXPECT(queue_rcu_work(wq, &it.rwork));
	for (int i = 0; i < 3; i++)
		thread_start(&flusher[i], do_flush, &it.rwork);
	for (int i = 0; i < 3; i++)
		EXPECT(thread_asleep(&flusher[i]));
	reader_end(&reader);
	wait_for(item_started(&it) == 1);
	for (int i = 0; i < 3; i++)
		EXPECT(thread_asleep(&flusher[i]));
	item_release(&it);
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(thread_join(&flusher[i]), true);
	EXPECT_EQ(item_runs(&it), 1);
	EXPECT(!flush_rcu_work(&it.rwork));
	end();
}

TEST(flush_ends_with_a_cancel)
{
	static struct thread flusher[3];

	begin(WQ_UNBOUND);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	for (int i = 0; i < 3; i++) {
		thread_start(&flusher[i], do_flush, &it.rwork);
		EXPECT(thread_asleep(&flusher[i]));
	}
	EXPECT(cancel_work_sync(&it.work));
	for (int i = 0; i < 3; i++)
		EXPECT_EQ(thread_join(&flusher[i]), true);
	reader_end(&reader);
	end();
	EXPECT_EQ(item_started(&it), 0);
}

/* It would wait for its own caller. */
TEST(flush_in_a_read_section)
{
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	item_init(&it);
	urcu_bp_read_lock();
	EXPECT(queue_rcu_work(wq, &it.rwork));
	EXPECT(!flush_rcu_work(&it.rwork));
	EXPECT(log_has("in a read section"));
	log_clear();
	urcu_bp_read_unlock();
	finish(&it);
	EXPECT_EQ(item_runs(&it), 1);
	end();
}

/* From an item, on a workqueue that runs one at a time. */
static void flush_other(struct item *self)
{
	EXPECT(queue_rcu_work(system_dfl_wq, &it.rwork));
	finish(&it);
	(void)self;
}

TEST(flush_in_an_item, .one_cpu = true)
{
	static struct item outer;

	wq = alloc_workqueue("rcu", WQ_UNBOUND, 1);
	item_init(&it);
	item_init(&outer);
	outer.hook = flush_other;
	EXPECT(queue_work(wq, &outer.work));
	flush_work(&outer.work);
	EXPECT_EQ(item_runs(&outer), 1);
	EXPECT_EQ(item_runs(&it), 1);
	end();
}

/* --- flavours --- */

/* Readers of @flavor hold back what was queued while it was chosen, and readers of
 * @other do not. */
static void flavour(const struct rcu_flavor_struct *flavor,
		    const struct rcu_flavor_struct *other)
{
	static struct reader own;
	static struct item free_one;

	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	item_init(&it);
	item_init(&free_one);
	EXPECT_EQ(cmwq_set_rcu_flavor(flavor), 0);
	reader_start(&reader, other);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	finish(&it);
	EXPECT_EQ(item_runs(&it), 1);
	reader_end(&reader);

	reader_start(&own, flavor);
	EXPECT(queue_rcu_work(wq, &it.rwork));
	EXPECT_EQ(cmwq_set_rcu_flavor(other), 0);
	EXPECT(queue_rcu_work(wq, &free_one.rwork));
	finish(&free_one);
	EXPECT_EQ(item_started(&it), 1);
	reader_end(&own);
	finish(&it);
	EXPECT_EQ(item_runs(&it), 2);
	EXPECT_EQ(cmwq_set_rcu_flavor(NULL), 0);
	item_init(&it);
	it.hook = requeue;
	EXPECT(queue_rcu_work(wq, &it.rwork));
	wait_for(item_runs(&it) == 100);
	end();
}

TEST(flavour_memb)
{
	flavour(&urcu_memb_flavor, &urcu_bp_flavor);
}

TEST(flavour_mb)
{
	flavour(&urcu_mb_flavor, &urcu_memb_flavor);
}

TEST(flavour_qsbr)
{
	flavour(&urcu_qsbr_flavor, &urcu_mb_flavor);
}

/* Online all the time, so it has to go offline to wait. */
TEST(flush_with_qsbr)
{
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	item_init(&it);
	EXPECT_EQ(cmwq_set_rcu_flavor(&urcu_qsbr_flavor), 0);
	urcu_qsbr_register_thread();
	for (int i = 1; i <= 50; i++) {
		EXPECT(queue_rcu_work(wq, &it.rwork));
		finish(&it);
		EXPECT_EQ(item_runs(&it), i);
		EXPECT(urcu_qsbr_read_ongoing());
	}
	EXPECT(queue_rcu_work(wq, &it.rwork));
	linger();
	EXPECT_EQ(item_started(&it), 50);
	urcu_qsbr_thread_offline();
	finish(&it);
	EXPECT(!urcu_qsbr_read_ongoing());
	urcu_qsbr_thread_online();
	urcu_qsbr_unregister_thread();
	end();
}

/* --- bad input --- */

TEST(bad_input)
{
	static struct rcu_work never;
	static struct workqueue_struct *old;

	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	old = alloc_workqueue("gone", WQ_UNBOUND, 0);
	destroy_workqueue(old);
	item_init(&it);
	EXPECT(!queue_rcu_work(NULL, &it.rwork));
	EXPECT(!queue_rcu_work(wq, NULL));
	EXPECT(!queue_rcu_work(wq, &never));
	EXPECT(!queue_rcu_work(old, &it.rwork));
	EXPECT(!flush_rcu_work(NULL));
	EXPECT(!flush_rcu_work(&never));
	wait_for(log_has("workqueue NULL is not one") &&
		 log_has("NULL work item for workqueue rcu") &&
		 log_has("uninitialised work item for workqueue rcu") &&
		 log_has("workqueue gone was destroyed") &&
		 log_has("work item is NULL") &&
		 log_has("work item was never initialised"));
	log_clear();
	EXPECT(item_idle(&it));
	end();
}

/* Destroyed in the grace period: noticed, and the item is idle. */
TEST(destroyed_meanwhile)
{
	struct workqueue_struct *gone = alloc_workqueue("gone", WQ_UNBOUND, 0);

	begin(WQ_UNBOUND);
	EXPECT(queue_rcu_work(gone, &it.rwork));
	destroy_workqueue(gone);
	reader_end(&reader);
	wait_for(item_idle(&it));
	wait_for(log_has("workqueue gone was destroyed"));
	log_clear();
	EXPECT_EQ(item_started(&it), 0);
	end();
}

/* Linking and initialising creates nothing; the first use does. */
TEST(no_thread_unless_used)
{
	item_init(&it);
	EXPECT_EQ(cmwq_set_rcu_flavor(NULL), 0);
	EXPECT(!cancel_work_sync(&it.work));
	EXPECT_EQ(count_threads(), 0);
}
