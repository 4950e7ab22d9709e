/* SPDX-License-Identifier: MIT */
/*
 * rcu_fork.c - RCU work and fork(): what was in its grace period is idle in the
 * child, whose only reader is its own; a child that liburcu was not told of
 * refuses.
 *
 * timeout: 300
 */
#include "child.h"
#include "readers.h"

static struct workqueue_struct *wq;
static struct reader reader;
static struct item it, waits;

static void check_rcu(void)
{
	struct item own;

	item_init(&own);
	for (int i = 1; i <= 3; i++) {
		CHECK(queue_rcu_work(wq, &own.rwork));
		flush_rcu_work(&own.rwork);
		CHECK(item_runs(&own) == i && item_idle(&own));
	}
}

/* In the parent it may just have run, too. */
static void check_waiting_is_idle(void)
{
	int before = item_runs(&waits);

	CHECK(!work_pending(&waits.work));
	CHECK(!flush_rcu_work(&waits.rwork));
	CHECK(!cancel_work_sync(&waits.work));
	CHECK(queue_rcu_work(wq, &waits.rwork));
	flush_rcu_work(&waits.rwork);
	CHECK(item_runs(&waits) == before + 1 && item_idle(&waits));
}

static void begin(void)
{
	/* Workers that have just been created may be in its allocator. */
	need_busy_fork();
	make_report();
	workqueue_init_topology();
	wq = alloc_workqueue("rcu", WQ_UNBOUND, 0);
	item_init(&it);
	item_init(&waits);
}

static void use_default(void)
{
	EXPECT(queue_rcu_work(wq, &it.rwork));
	finish(&it);
}

static void end(void)
{
	use_default();
	check_library_works();
	destroy_workqueue(wq);
}

static void child_uses_rcu(void)
{
	check_rcu();
	check_library();
	check_rcu();
}

TEST(before_first_use)
{
	begin();
	in_child(FORK, child_uses_rcu);
	in_child(UNDERSCORE_FORK, child_uses_rcu);
	end();
}

TEST(after_use)
{
	begin();
	for (int i = 0; i < 5; i++) {
		use_default();
		in_child(FORK, child_uses_rcu);
	}
	end();
}

static void child_of_waiting(void)
{
	check_waiting_is_idle();
	child_uses_rcu();
}

static long do_fork(void *arg)
{
	(void)arg;
	in_child(FORK, child_of_waiting);
	return 0;
}

/* fork() waits for the grace period that is under way, and no longer. */
TEST(in_a_grace_period)
{
	static struct thread forker;

	begin();
	use_default();
	reader_start(&reader, &urcu_bp_flavor);
	EXPECT(queue_rcu_work(wq, &waits.rwork));
	linger();
	thread_start(&forker, do_fork, NULL);
	linger();
	reader_end(&reader);
	thread_join(&forker);
	wait_for(item_runs(&waits) == 1);
	end();
}

/* A flavour that has nobody to tell: the reader is one of the parent's, and its
 * record is no longer listed. */
static void child_with_memb(void)
{
	check_waiting_is_idle();
	check_rcu();
}

TEST(own_flavour_in_a_grace_period)
{
	begin();
	EXPECT_EQ(cmwq_set_rcu_flavor(&urcu_memb_flavor), 0);
	urcu_bp_read_lock();
	EXPECT_EQ(cmwq_set_rcu_flavor(&urcu_bp_flavor), 0);
	EXPECT(queue_rcu_work(wq, &waits.rwork));
	EXPECT_EQ(cmwq_set_rcu_flavor(&urcu_memb_flavor), 0);
	use_default();
	in_child(FORK, child_with_memb);
	in_child(UNDERSCORE_FORK, child_with_memb);
	urcu_bp_read_unlock();
	wait_for(item_runs(&waits) == 1);
	end();
}

/* --- liburcu was not told --- */

static void child_is_refused(void)
{
	CHECK(!queue_rcu_work(wq, &it.rwork));
	CHECK(!work_pending(&it.work));
	CHECK(atomic_load(&report->messages) == 1);
	CHECK(strstr(report->line, "RCU cannot be used in this process"));
	check_library();
	CHECK(cmwq_set_rcu_flavor(&urcu_memb_flavor) == 0);
	check_rcu();
	atomic_store(&report->messages, 0);
}

TEST(not_told_Fork)
{
	begin();
	use_default();
	in_child(UNDERSCORE_FORK, child_is_refused);
	in_child(CLONE, child_is_refused);
	in_child(FORK, child_uses_rcu);
	end();
}

static void child_of_untold_forks(void)
{
	in_child(FORK, child_is_refused);
}

TEST(not_told_grandchild)
{
	begin();
	use_default();
	in_child(UNDERSCORE_FORK, child_of_untold_forks);
	end();
}

TEST(not_told_in_a_read_section)
{
	begin();
	use_default();
	urcu_bp_read_lock();
	EXPECT(queue_rcu_work(wq, &waits.rwork));
	in_child(FORK, child_is_refused);
	urcu_bp_read_unlock();
	wait_for(item_runs(&waits) == 1);
	end();
}

/* --- a program with hooks of its own --- */

TEST(hooks_of_the_program)
{
	begin();
	use_default();
	EXPECT_EQ(cmwq_set_rcu_flavor(&urcu_bp_flavor), 0);
	pthread_atfork(urcu_bp_before_fork, urcu_bp_after_fork_parent,
		       urcu_bp_after_fork_child);
	use_default();
	in_child(FORK, child_uses_rcu);
	use_default();
	in_child(FORK, child_uses_rcu);
	end();
}

/* --- in the middle of everything --- */

static _Atomic bool stop;

static long churn(void *arg)
{
	struct item *own = arg;

	while (!atomic_load(&stop)) {
		queue_rcu_work(wq, &own->rwork);
		urcu_bp_read_lock();
		urcu_bp_read_unlock();
		if (own->arg++ % 4 == 0)
			cancel_work(&own->work);
		if (own->arg % 8 == 0)
			flush_rcu_work(&own->rwork);
	}
	cancel_work_sync(&own->work);
	return 0;
}

TEST(busy_parent)
{
	static struct thread thread[3];
	static struct item item[3];

	begin();
	for (int i = 0; i < 3; i++) {
		item_init(&item[i]);
		thread_start(&thread[i], churn, &item[i]);
	}
	for (int i = 0; i < 50; i++)
		in_child(FORK, check_rcu);
	atomic_store(&stop, true);
	for (int i = 0; i < 3; i++)
		thread_join(&thread[i]);
	end();
}
