/* SPDX-License-Identifier: MIT */
/*
 * fork.c - the child has a working, empty library; the parent notices nothing.
 *
 * (A) In the child every workqueue of the parent exists and is empty, every
 *     item is idle, whatever the parent's threads were doing to it; disables
 *     that the program asked for stay, those of a cancel in flight do not.
 * (B) The child has no thread of ours until it uses the library.
 * (C) Inside an item the child goes on in the function; when that returns, it
 *     exits with status 70 and a message.
 * (D) All this also where no handler of pthread_atfork() ran: _Fork(), clone().
 *
 * In (D) another thread's lock may have made malloc() and stdio unusable in
 * the child, so nobody allocates while those tests fork.
 *
 * timeout: 300
 */
#include "child.h"

/* Queues and items that were there before the fork. */
static struct workqueue_struct *wq[3];
static struct item blocker, item[8];
static struct item timed[2];
static bool with_timers;

/* With the topology read: who is forked by _Fork() in that very moment does without
 * it, and says so. */
static void alloc_queues(void)
{
	workqueue_init_topology();
	wq[0] = alloc_workqueue("percpu", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("unbound", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("ordered", 0);
	ASSERT(wq[0] && wq[1] && wq[2]);
}

static void destroy_queues(void)
{
	int i;

	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

static void child_uses_old_queues(void)
{
	int i;

	for (i = 0; i < 3; i++)
		check_queue(wq[i]);
	check_library();
	destroy_queues();
	check_library();
}

static void child_of_quiet_parent(void)
{
	CHECK(our_threads() == 0);
	child_uses_old_queues();
}

static void quiet(enum how how)
{
	int i;

	make_report();
	alloc_queues();
	check_library_works();
	/* Else that may be under way: no quiet parent. */
	workqueue_init_topology();
	for (i = 0; i < 5; i++)
		in_child(how, child_of_quiet_parent);
	check_library_works();
	destroy_queues();
}

TEST(quiet_parent)
{
	quiet(FORK);
}

TEST(quiet_parent_Fork)
{
	quiet(UNDERSCORE_FORK);
}

TEST(quiet_parent_clone)
{
	quiet(CLONE);
}

TEST(before_first_use)
{
	make_report();
	in_child(FORK, check_library);
	check_library_works();
}

static void child_does_not_care(void)
{
	CHECK(our_threads() == 0);
	exit(0);
}

TEST(child_that_only_exits)
{
	make_report();
	check_library_works();
	in_child(FORK, child_does_not_care);
	check_library_works();
}

/* --- pending and running items, armed timers --- */

static void check_item(struct item *it, struct workqueue_struct *queue)
{
	CHECK(!work_pending(&it->work));
	CHECK(work_busy(&it->work) == 0);
	CHECK(!cancel_work_sync(&it->work));
	item_init(it);
	CHECK(queue_work(queue, &it->work));
	flush_work(&it->work);
	CHECK(item_runs(it) == 1);
}

/* Nothing of the parent's runs here, and everything can be queued again. */
static void child_of_busy_parent(void)
{
	int i;

	for (i = 0; i < 2 && with_timers; i++) {
		CHECK(!delayed_work_pending(&timed[i].dwork));
		CHECK(!cancel_delayed_work(&timed[i].dwork));
		CHECK(queue_delayed_work(wq[i], &timed[i].dwork, 1));
		CHECK_WAIT(item_runs(&timed[i]) == 1);
	}
	check_queue(wq[2]);
	for (i = 0; i < 8; i++)
		CHECK(item_started(&item[i]) == 0);
	/* Their memory in the child is their own: no need to be held. */
	item_release(&blocker);
	atomic_store(&blocker.finished, 0);
	CHECK(work_busy(&blocker.work) == 0);
	CHECK(queue_work(wq[2], &blocker.work));
	flush_work(&blocker.work);
	CHECK(item_runs(&blocker) == 1);
	for (i = 0; i < 8; i++)
		check_item(&item[i], wq[i % 3]);
	child_uses_old_queues();
}

/* The ordered queue is held, eight items wait behind the blocker. */
static void hold_queue(void)
{
	int i;

	item_init_held(&blocker);
	ASSERT(queue_work(wq[2], &blocker.work));
	wait_for(item_started(&blocker));
	for (i = 0; i < 8; i++) {
		item_init(&item[i]);
		ASSERT(queue_work(wq[2], &item[i].work));
	}
}

static void release_queue(void)
{
	item_release(&blocker);
	flush_workqueue(wq[2]);
	EXPECT_EQ(items_finished(item, 8), 8);
}

static void busy(enum how how)
{
	int i;

	need_busy_fork();
	make_report();
	alloc_queues();
	/* Else a child might be told that this was under way. */
	workqueue_init_topology();
	with_timers = true;
	for (i = 0; i < 2; i++) {
		item_init(&timed[i]);
		ASSERT(queue_delayed_work(wq[i], &timed[i].dwork,
					  i ? 3600000 : 30000));
	}
	hold_queue();
	for (i = 0; i < 5; i++)
		in_child(how, child_of_busy_parent);
	EXPECT_EQ(items_started(item, 8), 0);
	release_queue();
	for (i = 0; i < 2; i++) {
		EXPECT(delayed_work_pending(&timed[i].dwork));
		flush_delayed_work(&timed[i].dwork);
		EXPECT_EQ(item_runs(&timed[i]), 1);
	}
	check_library_works();
	destroy_queues();
}

TEST(busy_parent)
{
	busy(FORK);
}

TEST(busy_parent_Fork)
{
	busy(UNDERSCORE_FORK);
}

TEST(busy_parent_clone)
{
	busy(CLONE);
}

static void child_waits_for_timer(void)
{
	int before = item_started(&timed[0]);

	/* Twice as long as it would have taken. */
	usleep(100000);
	CHECK(item_started(&timed[0]) == before);
	CHECK(!delayed_work_pending(&timed[0].dwork));
	check_library();
	CHECK(item_started(&timed[0]) == before);
}

TEST(timer_does_not_fire_in_the_child)
{
	need_busy_fork();
	make_report();
	alloc_queues();
	item_init(&timed[0]);
	ASSERT(queue_delayed_work(wq[0], &timed[0].dwork, 50));
	in_child(FORK, child_waits_for_timer);
	wait_for(item_runs(&timed[0]) == 1);
	destroy_queues();
}

static void child_destroys(void)
{
	destroy_queues();
	check_library();
}

TEST(destroy_in_the_child)
{
	need_busy_fork();
	make_report();
	alloc_queues();
	hold_queue();
	in_child(FORK, child_destroys);
	release_queue();
	destroy_queues();
}

/* --- waits in flight --- */

static long do_cancel(void *arg)
{
	struct item *it = arg;

	return cancel_work_sync(&it->work);
}

static struct item sick, twice;

static void child_of_cancel(void)
{
	item_release(&sick);
	item_release(&twice);
	atomic_store(&sick.finished, 0);
	atomic_store(&twice.finished, 0);
	CHECK(work_busy(&sick.work) == 0);
	CHECK(queue_work(wq[0], &sick.work));
	flush_work(&sick.work);
	CHECK(item_runs(&sick) == 1);
	/* The user's two disables are still there, the cancel's is not. */
	CHECK(!queue_work(wq[1], &twice.work));
	CHECK(!enable_work(&twice.work));
	CHECK(!queue_work(wq[1], &twice.work));
	CHECK(enable_work(&twice.work));
	CHECK(queue_work(wq[1], &twice.work));
	flush_work(&twice.work);
	CHECK(item_runs(&twice) == 1);
	check_library();
}

static void during_cancel(enum how how)
{
	struct thread t[2];
	int i;

	need_busy_fork();
	make_report();
	alloc_queues();
	item_init_held(&sick);
	item_init_held(&twice);
	ASSERT(queue_work(wq[0], &sick.work));
	ASSERT(queue_work(wq[1], &twice.work));
	wait_for(item_started(&sick) && item_started(&twice));
	EXPECT(!disable_work(&twice.work));
	EXPECT(!disable_work(&twice.work));
	thread_start(&t[0], do_cancel, &sick);
	thread_start(&t[1], do_cancel, &twice);
	ASSERT(thread_asleep(&t[0]));
	ASSERT(thread_asleep(&t[1]));
	for (i = 0; i < 5; i++)
		in_child(how, child_of_cancel);
	EXPECT(!queue_work(wq[0], &sick.work));
	item_release(&sick);
	item_release(&twice);
	EXPECT_EQ(thread_join(&t[0]), 0);
	EXPECT_EQ(thread_join(&t[1]), 0);
	EXPECT(queue_work(wq[0], &sick.work));
	EXPECT(!enable_work(&twice.work));
	EXPECT(enable_work(&twice.work));
	EXPECT(queue_work(wq[1], &twice.work));
	destroy_queues();
}

TEST(during_cancel_sync)
{
	during_cancel(FORK);
}

TEST(during_cancel_sync_Fork)
{
	during_cancel(UNDERSCORE_FORK);
}

TEST(during_cancel_sync_clone)
{
	during_cancel(CLONE);
}

static long do_drain(void *arg)
{
	(void)arg;
	drain_workqueue(wq[2]);
	return 0;
}

static long do_flush(void *arg)
{
	(void)arg;
	flush_workqueue(wq[2]);
	return 0;
}

static long do_flush_work(void *arg)
{
	(void)arg;
	return flush_work(&item[3].work);
}

static void waits_in_flight(long (*fn)(void *arg))
{
	struct thread t[3];
	int i;

	need_busy_fork();
	make_report();
	alloc_queues();
	with_timers = false;
	hold_queue();
	for (i = 0; i < 3; i++)
		thread_start(&t[i], fn, NULL);
	for (i = 0; i < 3; i++)
		ASSERT(thread_asleep(&t[i]));
	in_child(FORK, child_of_busy_parent);
	EXPECT(!thread_done(&t[0]));
	release_queue();
	for (i = 0; i < 3; i++)
		thread_join(&t[i]);
	check_library_works();
	destroy_queues();
}

TEST(during_drain)
{
	waits_in_flight(do_drain);
}

TEST(during_flush)
{
	waits_in_flight(do_flush);
}

TEST(during_flush_work)
{
	waits_in_flight(do_flush_work);
}

/* --- generations --- */

static int generation;

static void child_forks(void)
{
	child_uses_old_queues();
	alloc_queues();
	if (++generation < 4) {
		int status = end_child(start_child(FORK, child_forks));

		CHECK(status == 0);
	}
	child_uses_old_queues();
}

TEST(fork_of_fork)
{
	need_busy_fork();
	make_report();
	alloc_queues();
	in_child(FORK, child_forks);
	check_library_works();
	destroy_queues();
}

/* --- a fork handler that runs before the library's own --- */

static struct work_struct early_item;
static _Atomic int queue_in_handler;

static void early_handler(void)
{
	if (!atomic_load(&queue_in_handler))
		return;
	INIT_WORK(&early_item, child_func);
	queue_work(system_percpu_wq, &early_item);
}

static void register_early(void)
{
	pthread_atfork(NULL, NULL, early_handler);
}

/* Before the constructors of the libraries. */
__attribute__((section(".preinit_array"),
	       used)) static void (*const before_all)(void) = register_early;

static void child_of_handler(void)
{
	flush_work(&early_item);
	CHECK(atomic_load(&child_runs) == 1);
	check_library();
}

TEST(handler_that_queues)
{
	need_busy_fork();
	make_report();
	check_library_works();
	atomic_store(&queue_in_handler, 1);
	for (int i = 0; i < 5; i++)
		in_child(FORK, child_of_handler);
}

/*
 * Threads of the parent that are about to push do not hold up a child that gives the
 * workqueue another pool.
 */
static _Atomic bool stop_pushing;

static long push_on(void *work)
{
	while (!atomic_load(&stop_pushing))
		queue_work(wq[2], work);
	return 0;
}

static void child_moves_ordered(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	CHECK(attrs);
	for (int i = 0; i < 2; i++) {
		attrs->nice = i;
		CHECK(!apply_workqueue_attrs(wq[2], attrs));
		check_queue(wq[2]);
	}
	free_workqueue_attrs(attrs);
}

TEST(child_moves_ordered)
{
	struct work_struct work;
	struct thread t[2];

	need_busy_fork();
	make_report();
	alloc_queues();
	workqueue_init_topology();
	INIT_WORK(&work, child_func);
	for (int i = 0; i < 2; i++)
		thread_start(&t[i], push_on, &work);
	for (int i = 0; i < 10; i++)
		in_child(FORK, child_moves_ordered);
	atomic_store(&stop_pushing, true);
	for (int i = 0; i < 2; i++)
		thread_join(&t[i]);
	destroy_queues();
}
