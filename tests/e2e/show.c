/* SPDX-License-Identifier: MIT */
/*
 * show.c - show_*(), print_worker_info(), wq_worker_comm(): what they say is what is
 * the case, and nobody is held up by it.
 */
#include "harness.h"

#define MANY 200

/* Functions that have names. */
void show_alpha(struct work_struct *work);
void show_beta(struct work_struct *work);

void show_alpha(struct work_struct *work)
{
	item_func(work);
}

void show_beta(struct work_struct *work)
{
	item_func(work);
}

static void nameless(struct work_struct *work)
{
	item_func(work);
}

static void init_as(struct item *it, work_func_t func)
{
	item_init_held(it);
	it->work.func = func;
}

static bool log_has_item(const char *part, struct item *it)
{
	return log_has_address(part, (uintptr_t)&it->work,
			       (uintptr_t)&it->work);
}

static bool log_has_thread(const char *part, struct item *it)
{
	char thread[32];

	snprintf(thread, sizeof(thread), "thread %d", atomic_load(&it->tid));
	return log_has_both(part, thread);
}

TEST(idle_queues_say_nothing)
{
	struct workqueue_struct *wq = alloc_workqueue("quiet", WQ_PERCPU, 0);

	show_one_workqueue(wq);
	EXPECT_EQ(log_count("cmwq:"), 0);
	show_all_workqueues();
	EXPECT(log_has("workqueues that have items"));
	EXPECT(log_has("none"));
	EXPECT(!log_has("quiet"));
	EXPECT(!log_has("pool"));
	destroy_workqueue(wq);
}

/* An item that runs, asleep, and others behind max_active. */
TEST(running_and_inactive)
{
	struct workqueue_struct *wq = alloc_workqueue("disk", WQ_PERCPU, 1);
	struct item first, more[3], other;
	int i;

	init_as(&first, show_alpha);
	init_as(&other, show_beta);
	EXPECT(queue_work_on(nth_cpu(0), wq, &first.work));
	wait_for(item_started(&first));
	for (i = 0; i < 3; i++) {
		init_as(&more[i], show_alpha);
		EXPECT(queue_work_on(nth_cpu(0), wq, &more[i].work));
	}
	EXPECT(queue_work_on(nth_cpu(0), wq, &other.work));
	show_one_workqueue(wq);
	EXPECT(log_has("workqueue disk: WQ_PERCPU, max_active 1"));
	EXPECT(log_has("nice 0): 1 active of 1, 5 in all"));
	EXPECT(log_has_item("running: show_alpha (item", &first));
	EXPECT(log_has_thread("running: show_alpha", &first));
	EXPECT(log_has_item("inactive: 3*show_alpha, show_beta (item", &other));
	EXPECT(!log_has("pending:"));
	for (i = 0; i < 3; i++)
		item_release(&more[i]);
	item_release(&first);
	item_release(&other);
	destroy_workqueue(wq);
}

/* What a spinning item holds up is pending; a function without a name. */
TEST(pending, .params = "workqueue.cpu_intensive_thresh_us=0")
{
	struct item spinner, it[5];
	int i;

	init_as(&spinner, nameless);
	spinner.spin = true;
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &spinner.work));
	wait_for(item_started(&spinner));
	for (i = 0; i < 5; i++) {
		init_as(&it[i], i % 2 ? show_beta : show_alpha);
		EXPECT(queue_work_on(nth_cpu(0),
				     i < 4 ? system_wq : system_long_wq,
				     &it[i].work));
	}
	show_one_workqueue(system_wq);
	EXPECT(log_has("workqueue events:"));
	EXPECT(log_has("5 active of 1024, 5 in all"));
	EXPECT(log_has_both("running: e2e-show+0x", "thread"));
	EXPECT(log_has_item("pending: show_alpha (item", &it[0]));
	EXPECT(!log_has("events_long"));
	log_clear();
	show_all_workqueues();
	EXPECT(log_has("workqueue events:"));
	EXPECT(log_has("workqueue events_long:"));
	EXPECT(log_has_both("pool cmwq/", "work waits"));
	item_release(&spinner);
	for (i = 0; i < 5; i++)
		item_release(&it[i]);
	for (i = 0; i < 5; i++)
		flush_work(&it[i].work);
}

/* The lists have bounds, the counts have not. */
TEST(more_than_fits)
{
	struct workqueue_struct *wq = alloc_workqueue("long", WQ_UNBOUND, 1);
	static struct item it[MANY];
	int i;

	for (i = 0; i < MANY; i++) {
		init_as(&it[i], i % 2 ? show_beta : show_alpha);
		EXPECT(queue_work(wq, &it[i].work));
	}
	wait_for(item_started(&it[0]));
	show_one_workqueue(wq);
	EXPECT(log_has("1 active of 1, 200 in all"));
	/* One runs, 16 are named. */
	EXPECT(log_has("and 183 more"));
	for (i = 0; i < MANY; i++)
		item_release(&it[i]);
	destroy_workqueue(wq);
}

TEST(freezable)
{
	struct workqueue_struct *ice =
		alloc_workqueue("ice", WQ_PERCPU | WQ_FREEZABLE, 0);
	struct item cold, warm;

	init_as(&cold, show_alpha);
	init_as(&warm, show_beta);
	freeze_workqueues_begin();
	EXPECT(queue_work_on(nth_cpu(0), ice, &cold.work));
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &warm.work));
	wait_for(item_started(&warm));
	show_freezable_workqueues();
	EXPECT(log_has("freezable workqueues that have items"));
	EXPECT(log_has_both("workqueue ice:", "frozen"));
	EXPECT(log_has("0 active of 0, 1 in all"));
	EXPECT(log_has_item("inactive: show_alpha", &cold));
	EXPECT(!log_has("show_beta"));
	EXPECT(!log_has("workqueue events:"));
	thaw_workqueues();
	item_release(&cold);
	item_release(&warm);
	flush_work(&warm.work);
	destroy_workqueue(ice);
}

/* A bad workqueue is reported, and everything goes on. */
TEST(bad_workqueue)
{
	struct workqueue_struct *wq = alloc_workqueue("gone", WQ_PERCPU, 0);

	show_one_workqueue(NULL);
	wait_for(log_has("workqueue NULL is not one"));
	destroy_workqueue(wq);
	show_one_workqueue(wq);
	wait_for(log_has("workqueue gone was destroyed"));
	check_library_works();
}

/* --- no lock is held while the program prints --- */

static struct gate printing, go_on;

static void slow_log(enum cmwq_log_level level, const char *line, void *arg)
{
	(void)level;
	(void)line;
	(void)arg;
	gate_open(&printing);
	gate_wait(&go_on);
}

static long shower(void *arg)
{
	(void)arg;
	show_all_workqueues();
	return 0;
}

TEST(printing_holds_up_nobody)
{
	struct workqueue_struct *wq = alloc_workqueue("busy", WQ_UNBOUND, 0);
	struct thread t;
	struct item held, it;

	item_init_held(&held);
	item_init(&it);
	EXPECT(queue_work(wq, &held.work));
	wait_for(item_started(&held));
	cmwq_set_log(slow_log, NULL);
	thread_start(&t, shower, NULL);
	gate_wait(&printing);
	/* Registry, workqueue and pool can be locked. */
	destroy_workqueue(alloc_workqueue("new", WQ_UNBOUND, 0));
	workqueue_set_max_active(wq, 5);
	EXPECT(queue_work(wq, &it.work));
	flush_work(&it.work);
	item_release(&held);
	destroy_workqueue(wq);
	EXPECT(!thread_done(&t));
	gate_open(&go_on);
	thread_join(&t);
	cmwq_set_log(NULL, NULL);
}

/* --- workers: with the topology read, or their pool may be left, and they end --- */

static void describe(struct item *it)
{
	(void)it;
	set_worker_desc("block %d of %s", 7, "a long way to go, too long");
}

TEST(worker_info)
{
	struct workqueue_struct *wq = alloc_workqueue("info", WQ_UNBOUND, 0);
	struct item it;

	workqueue_init_topology();
	init_as(&it, show_alpha);
	it.hook = describe;
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it));
	wait_asleep_tid(it.tid);
	print_worker_info("\0014", it.tid);
	EXPECT(log_has_item("workqueue info: show_alpha", &it));
	EXPECT(log_has("block 7 of a long way to go, to"));
	EXPECT(!log_has("too"));
	item_release(&it);
	flush_work(&it.work);
	wait_asleep_tid(it.tid);
	print_worker_info(NULL, it.tid);
	EXPECT(log_has_both("has no item, the last was of info", "block 7"));
	destroy_workqueue(wq);
	log_clear();
	print_worker_info("", it.tid);
	EXPECT(log_has("has no item"));
	EXPECT(!log_has("info"));
	log_clear();
	print_worker_info("3", self_tid());
	print_worker_info("3", -1);
	EXPECT_EQ(log_count("cmwq:"), 0);
}

static _Atomic int level_seen;

static void take_level(enum cmwq_log_level level, const char *line, void *arg)
{
	(void)line;
	(void)arg;
	atomic_store(&level_seen, level);
}

TEST(worker_info_levels)
{
	static const struct {
		const char *log_lvl;
		int level;
	} levels[] = {
		{ "\0010", CMWQ_LOG_ERR },  { "\0013", CMWQ_LOG_ERR },
		{ "\0014", CMWQ_LOG_WARN }, { "\0015", CMWQ_LOG_INFO },
		{ "\0017", CMWQ_LOG_INFO }, { "\001c", CMWQ_LOG_INFO },
		{ "<2>", CMWQ_LOG_ERR },    { "<6>", CMWQ_LOG_INFO },
		{ "4", CMWQ_LOG_WARN },	    { "", CMWQ_LOG_INFO },
		{ NULL, CMWQ_LOG_INFO },
	};
	struct item it;
	size_t i;

	workqueue_init_topology();
	item_init(&it);
	EXPECT(queue_work(system_unbound_wq, &it.work));
	flush_work(&it.work);
	wait_asleep_tid(it.tid);
	cmwq_set_log(take_level, NULL);
	for (i = 0; i < sizeof(levels) / sizeof(*levels); i++) {
		atomic_store(&level_seen, -1);
		print_worker_info(levels[i].log_lvl, it.tid);
		EXPECT_EQ(level_seen, levels[i].level);
	}
	cmwq_set_log(NULL, NULL);
}

static bool comm_is(int tid, const char *before, const char *after)
{
	char comm[64];
	size_t n = strlen(before), m = strlen(after);

	wq_worker_comm(comm, sizeof(comm), tid);
	return strlen(comm) >= n + m && !strncmp(comm, before, n) &&
	       !strcmp(comm + strlen(comm) - m, after);
}

TEST(worker_comm)
{
	struct workqueue_struct *wq = alloc_workqueue("comm", WQ_UNBOUND, 0);
	char comm[64] = "unchanged";
	struct item it;

	pthread_setname_np(pthread_self(), "its own name");
	wq_worker_comm(comm, sizeof(comm), self_tid());
	EXPECT(!strcmp(comm, "its own name"));
	wq_worker_comm(comm, 4, self_tid());
	EXPECT(!strcmp(comm, "its"));
	wq_worker_comm(comm, 0, self_tid());
	EXPECT(!strcmp(comm, "its"));
	wq_worker_comm(comm, sizeof(comm), -1);
	EXPECT(!strcmp(comm, ""));

	workqueue_init_topology();
	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it));
	EXPECT(comm_is(it.tid, "cmwq/u", "+comm"));
	item_release(&it);
	flush_work(&it.work);
	wait_asleep_tid(it.tid);
	EXPECT(comm_is(it.tid, "cmwq/u", "-comm"));

	item_init_held(&it);
	it.hook = describe;
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it));
	wait_asleep_tid(it.tid);
	EXPECT(comm_is(it.tid, "cmwq/u", "+block 7 of a long way to go, to"));
	item_release(&it);
	flush_work(&it.work);
	wait_asleep_tid(it.tid);
	EXPECT(comm_is(it.tid, "cmwq/u", "-block 7 of a long way to go, to"));
	destroy_workqueue(wq);
	EXPECT(comm_is(it.tid, "cmwq/u", "-block 7 of a long way to go, to"));

	/* Nothing is left of the description in the next item. */
	item_init_held(&it);
	EXPECT(queue_work(system_unbound_wq, &it.work));
	wait_for(item_started(&it));
	EXPECT(comm_is(it.tid, "cmwq/u", "+events_unbound"));
	item_release(&it);
	flush_work(&it.work);
}

/* --- while everything changes --- */

static _Atomic bool over;

static long changer(void *arg)
{
	long rounds = 0;

	(void)arg;
	while (!atomic_load(&over)) {
		struct workqueue_struct *wq = alloc_workqueue(
			"brief", rounds % 2 ? WQ_UNBOUND : WQ_PERCPU, 2);
		struct item it[4];
		int i;

		for (i = 0; i < 4; i++) {
			item_init(&it[i]);
			it[i].hook = describe;
			queue_work(wq, &it[i].work);
		}
		destroy_workqueue(wq);
		rounds++;
	}
	return rounds;
}

static void look_at_all_workers(void)
{
	char comm[64];
	int tid = getpid();

	for (int i = 0; i < 30; i++) {
		print_worker_info("6", tid + i);
		wq_worker_comm(comm, sizeof(comm), tid + i);
	}
}

TEST(storm)
{
	struct thread t[2];
	int i;

	for (i = 0; i < 2; i++)
		thread_start(&t[i], changer, NULL);
	for (i = 0; i < 300; i++) {
		show_all_workqueues();
		show_freezable_workqueues();
		show_one_workqueue(system_wq);
		look_at_all_workers();
		log_clear();
	}
	atomic_store(&over, true);
	for (i = 0; i < 2; i++)
		EXPECT_OP(thread_join(&t[i]), >, 0);
	check_library_works();
}
