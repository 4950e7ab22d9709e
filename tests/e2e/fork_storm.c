/* SPDX-License-Identifier: MIT */
/*
 * fork_storm.c - forks in the middle of everything, and inside items.
 *
 * Other threads queue, cancel, flush, allocate and destroy while the process
 * forks, so that a fork meets every step of them. In the child each item is
 * idle and works; in the parent the books of the items stay exact (every true
 * is one run or one cancel that returned true).
 *
 * timeout: 600
 * parallel: no
 */
#include "child.h"

#define THREADS 4
#define CELLS	12

struct cell {
	struct work_struct work;
	_Atomic long trues, taken, runs;
};

static struct cell cell[CELLS];
static struct workqueue_struct *wq[3];
static _Atomic bool stop;

static void cell_func(struct work_struct *work)
{
	struct cell *c = from_work(c, work, work);
	long run = atomic_fetch_add(&c->runs, 1);

	if (run % 64 == 0)
		usleep(100);
}

static void cells_init(void)
{
	int i;

	wq[0] = alloc_workqueue("percpu", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("unbound", WQ_UNBOUND, 2);
	wq[2] = alloc_ordered_workqueue("ordered", 0);
	for (i = 0; i < CELLS; i++)
		INIT_WORK(&cell[i].work, cell_func);
}

static long queue_all_the_time(void *arg)
{
	struct rng r = rng_make(1 + (uint64_t)(long)arg);

	while (!atomic_load(&stop)) {
		int i = (int)rng_below(&r, CELLS);

		if (queue_work(wq[i % 3], &cell[i].work))
			atomic_fetch_add(&cell[i].trues, 1);
	}
	return 0;
}

static long disturb(void *arg)
{
	struct rng r = rng_make(1 + (uint64_t)(long)arg);

	while (!atomic_load(&stop)) {
		int i = (int)rng_below(&r, CELLS);
		unsigned int dice = rng_below(&r, 64);

		if (dice == 0)
			flush_workqueue(wq[i % 3]);
		else if (dice == 1 && i % 3 != 2)
			workqueue_set_max_active(wq[i % 3], 1 + i % 5);
		else if (dice < 4)
			flush_work(&cell[i].work);
		else if (dice < 16 && cancel_work_sync(&cell[i].work))
			atomic_fetch_add(&cell[i].taken, 1);
		else if (dice >= 16 && queue_work(wq[i % 3], &cell[i].work))
			atomic_fetch_add(&cell[i].trues, 1);
	}
	return 0;
}

static long alloc_and_destroy(void *arg)
{
	struct workqueue_struct *q;
	struct cmwq_stats st;
	struct item it;
	long i;

	(void)arg;
	for (i = 0; !atomic_load(&stop); i++) {
		q = alloc_workqueue("short", i % 2 ? WQ_UNBOUND : WQ_PERCPU, 3);
		ASSERT(q);
		item_init(&it);
		ASSERT(queue_delayed_work(q, &it.dwork, (unsigned)i % 3));
		flush_delayed_work(&it.dwork);
		ASSERT(cmwq_get_stats(q, &st));
		destroy_workqueue(q);
		ASSERT_EQ(item_runs(&it), 1);
	}
	return 0;
}

static void child_of_storm(void)
{
	int i, round;
	long runs;

	for (i = 0; i < CELLS; i++)
		CHECK(work_busy(&cell[i].work) == 0);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < CELLS; i++) {
			runs = atomic_load(&cell[i].runs);
			CHECK(queue_work(wq[i % 3], &cell[i].work));
			flush_work(&cell[i].work);
			CHECK(atomic_load(&cell[i].runs) == runs + 1);
		}
	}
	check_library();
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

static void check_books(void)
{
	int i;

	for (i = 0; i < 3; i++)
		flush_workqueue(wq[i]);
	for (i = 0; i < CELLS; i++) {
		EXPECT_EQ(atomic_load(&cell[i].runs),
			  atomic_load(&cell[i].trues) -
				  atomic_load(&cell[i].taken));
		EXPECT_EQ(work_busy(&cell[i].work), 0);
	}
	for (i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

static void forks_during(long (*fn)(void *arg), int forks)
{
	struct thread t[THREADS];
	int i;

	need_busy_fork();
	make_report();
	cells_init();
	for (i = 0; i < THREADS; i++)
		thread_start(&t[i], i % 2 ? fn : queue_all_the_time,
			     (void *)(long)i);
	for (i = 0; i < forks; i++)
		in_child(FORK, child_of_storm);
	atomic_store(&stop, true);
	for (i = 0; i < THREADS; i++)
		thread_join(&t[i]);
	check_books();
}

static long queue_in_line(void *arg)
{
	struct work_struct *work = &cell[2 + 3 * (long)arg].work;

	while (!atomic_load(&stop))
		queue_work(wq[2], work);
	return 0;
}

/* Threads of the parent that were queueing are not waited for. */
static void child_moves_the_line(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	CHECK(attrs);
	attrs->nice = 5;
	CHECK(!apply_workqueue_attrs(wq[2], attrs));
	free_workqueue_attrs(attrs);
	check_queue(wq[2]);
}

TEST(during_ordered_queueing, .timeout = 240)
{
	struct thread t[2];

	need_busy_fork();
	make_report();
	cells_init();
	for (long i = 0; i < 2; i++)
		thread_start(&t[i], queue_in_line, (void *)i);
	for (int i = 0; i < 20; i++)
		in_child(FORK, child_moves_the_line);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++)
		thread_join(&t[i]);
	for (int i = 0; i < 3; i++)
		destroy_workqueue(wq[i]);
}

/* --- an item that queues itself as fast as it can --- */

static struct work_struct streaming, again[4];
static atomic_int again_runs[4];

static void stream(struct work_struct *work)
{
	if (!atomic_load(&stop))
		queue_work(system_dfl_wq, work);
}

/* Long enough for another worker to be woken, so that several records of the
 * parent's are used. */
static void run_again(struct work_struct *work)
{
	atomic_int *runs = &again_runs[work - again];

	usleep(1000);
	if (atomic_fetch_add(runs, 1) < 9)
		queue_work(system_dfl_wq, work);
}

static void child_runs_again(void)
{
	for (int i = 0; i < 4; i++)
		queue_work(system_dfl_wq, &again[i]);
	for (int i = 0; i < 4; i++)
		while (atomic_load(&again_runs[i]) < 10)
			usleep(1000);
}

TEST(during_a_stream, .timeout = 240)
{
	need_busy_fork();
	make_report();
	INIT_WORK(&streaming, stream);
	for (int i = 0; i < 4; i++)
		INIT_WORK(&again[i], run_again);
	queue_work(system_dfl_wq, &streaming);
	for (int i = 0; i < 60; i++)
		in_child(FORK, child_runs_again);
	atomic_store(&stop, true);
	flush_work(&streaming);
}

TEST(during_queueing, .timeout = 240)
{
	forks_during(queue_all_the_time, 12);
}

TEST(during_cancels_and_flushes, .timeout = 240)
{
	forks_during(disturb, 40);
}

TEST(during_alloc_and_destroy, .timeout = 240)
{
	forks_during(alloc_and_destroy, 40);
}

static long look_at_all(void *arg)
{
	char buf[4096];

	(void)arg;
	while (!atomic_load(&stop))
		ASSERT(cmwq_sysfs_read("", buf, sizeof(buf)) > 0);
	return 0;
}

static void child_sets_a_parameter(void)
{
	CHECK(!cmwq_param_set("workqueue.debug_force_rr_cpu", 0));
	check_queue(system_percpu_wq);
}

/* No handler of ours runs, and somebody has the list of workqueues. */
TEST(child_begins_with_a_parameter, .timeout = 240)
{
	struct thread t;
	int i;

	need_busy_fork();
	make_report();
	thread_start(&t, look_at_all, NULL);
	for (i = 0; i < 100; i++)
		in_child(UNDERSCORE_FORK, child_sets_a_parameter);
	atomic_store(&stop, true);
	thread_join(&t);
}

static long fork_repeatedly(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; i < 4; i++)
		in_child(FORK, child_of_storm);
	return 0;
}

TEST(several_threads_fork, .timeout = 240)
{
	struct thread t[3], noise;
	int i;

	need_busy_fork();
	make_report();
	cells_init();
	thread_start(&noise, disturb, NULL);
	for (i = 0; i < 3; i++)
		thread_start(&t[i], fork_repeatedly, NULL);
	for (i = 0; i < 3; i++)
		thread_join(&t[i]);
	atomic_store(&stop, true);
	thread_join(&noise);
	check_books();
}

/* A child in the parent's memory: the library must not take it for a fork. */
TEST(vfork_and_spawn)
{
	static char *const argv[] = { "true", NULL };
	static char *const envp[] = { NULL };
	struct thread t[2];
	int i, status;
	pid_t pid;

	need_busy_fork();
	make_report();
	cells_init();
	for (i = 0; i < 2; i++)
		thread_start(&t[i], queue_all_the_time, (void *)(long)i);
	for (i = 0; i < 40; i++) {
		if (i % 2) {
			ASSERT_EQ(posix_spawnp(&pid, "true", NULL, NULL, argv,
					       envp),
				  0);
		} else {
			pid = vfork();
			if (!pid)
				_exit(0);
			ASSERT(pid > 0);
		}
		ASSERT_EQ(waitpid(pid, &status, 0), pid);
		EXPECT_EQ(status, 0);
	}
	atomic_store(&stop, true);
	for (i = 0; i < 2; i++)
		thread_join(&t[i]);
	check_books();
}

/* --- inside an item --- */

struct nest {
	struct work_struct work;
	struct workqueue_struct *wq;
	enum how how;
	bool go_back; /* the child returns from the function */
	pid_t child;
};

static struct item neighbour;

static void child_inside(struct nest *n)
{
	int i;

	CHECK(current_work() == &n->work);
	CHECK(!work_pending(&neighbour.work));
	item_init(&neighbour);
	for (i = 1; i <= 3; i++) {
		CHECK(queue_work(n->wq, &neighbour.work));
		CHECK_WAIT(item_runs(&neighbour) == i);
		flush_work(&neighbour.work);
	}
	check_library();
	CHECK(current_work() == &n->work);
	_exit(0);
}

static void nest_func(struct work_struct *work)
{
	struct nest *n = from_work(n, work, work);
	pid_t pid;

	/* Let threads that are being made, with malloc(), settle. */
	if (n->how != FORK)
		linger();
	pid = fork_by(n->how);
	if (!pid) {
		cmwq_set_log(child_log, NULL);
		if (!n->go_back)
			child_inside(n);
		return;
	}
	n->child = pid;
}

static int inside(struct workqueue_struct *q, enum how how, bool go_back)
{
	struct nest n = { .wq = q, .how = how, .go_back = go_back };
	int status;

	ASSERT(q);
	INIT_WORK_ONSTACK(&n.work, nest_func);
	item_init_held(&neighbour);
	ASSERT(queue_work(q, &n.work));
	/* Pending or running at the fork, in the parent only. */
	ASSERT(queue_work(q, &neighbour.work));
	flush_work(&n.work);
	status = end_child(n.child);
	item_release(&neighbour);
	flush_work(&neighbour.work);
	EXPECT_EQ(item_runs(&neighbour), 1);
	destroy_work_on_stack(&n.work);
	return status;
}

static void inside_all(enum how how)
{
	struct workqueue_struct *q[4];
	int i, k;

	need_busy_fork();
	make_report();
	q[0] = alloc_workqueue("percpu", WQ_PERCPU, 0);
	q[1] = alloc_workqueue("unbound", WQ_UNBOUND, 0);
	q[2] = alloc_ordered_workqueue("ordered", 0);
	q[3] = alloc_workqueue("percpu1", WQ_PERCPU | WQ_HIGHPRI, 1);
	for (k = 0; k < 3; k++) {
		for (i = 0; i < 4; i++) {
			EXPECT_EQ(inside(q[i], how, false), 0);
			EXPECT_EQ(atomic_load(&report->messages), 0);
		}
	}
	check_library_works();
	for (i = 0; i < 4; i++)
		destroy_workqueue(q[i]);
}

TEST(inside_item)
{
	inside_all(FORK);
}

TEST(inside_item_Fork)
{
	inside_all(UNDERSCORE_FORK);
}

TEST(inside_item_clone)
{
	inside_all(CLONE);
}

static void returns_in_child(enum how how)
{
	struct workqueue_struct *q[2];
	int i, status;

	need_busy_fork();
	make_report();
	q[0] = alloc_workqueue("percpu", WQ_PERCPU, 0);
	q[1] = alloc_ordered_workqueue("ordered", 0);
	for (i = 0; i < 4; i++) {
		status = inside(q[i % 2], how, true);
		EXPECT(WIFEXITED(status));
		EXPECT_EQ(WEXITSTATUS(status), 70);
		EXPECT_EQ(atomic_load(&report->messages), 1);
		EXPECT(strlen(report->line) > 10);
		memset(report, 0, sizeof(*report));
	}
	check_library_works();
	for (i = 0; i < 2; i++)
		destroy_workqueue(q[i]);
}

/* Another thread of the child makes the library start there. */
static struct work_struct child_item;
static _Atomic int forker_status = -1;

static void *use_library(void *arg)
{
	(void)arg;
	INIT_WORK(&child_item, child_func);
	CHECK(queue_work(system_percpu_wq, &child_item));
	flush_work(&child_item);
	CHECK(atomic_load(&child_runs) == 1);
	return NULL;
}

static void forks(struct work_struct *work)
{
	pthread_t thread;
	pid_t pid = fork();

	if (pid) {
		atomic_store(&forker_status, end_child(pid));
		return;
	}
	cmwq_set_log(child_log, NULL);
	CHECK(!pthread_create(&thread, NULL, use_library, NULL));
	pthread_join(thread, NULL);
	CHECK(current_work() == work);
}

TEST(child_thread_starts_the_library)
{
	struct work_struct work;

	need_busy_fork();
	make_report();
	INIT_WORK(&work, forks);
	ASSERT(queue_work(system_percpu_wq, &work));
	flush_work(&work);
	EXPECT(WIFEXITED(atomic_load(&forker_status)));
	EXPECT_EQ(WEXITSTATUS(atomic_load(&forker_status)), 70);
	check_library_works();
}

TEST(child_returns_from_item)
{
	returns_in_child(FORK);
}

TEST(child_returns_from_item_Fork)
{
	returns_in_child(UNDERSCORE_FORK);
}

TEST(child_returns_from_item_clone)
{
	returns_in_child(CLONE);
}
