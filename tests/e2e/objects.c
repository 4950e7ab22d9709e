/* SPDX-License-Identifier: MIT */
/*
 * objects.c - CMWQ_DEBUG=objects: items that are initialised or end while they are
 * queued, and items that are overwritten while they are. Each is reported, and
 * all others run as if nothing had been.
 */
#include "child.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <urcu/urcu-bp.h>

#define ON .params = "cmwq.objects=1"
/* Nobody but the test looks at the items while it writes: what is overwritten in the
 * very moment in which the library follows its link cannot be found out. */
#define OVERWRITES .params = "cmwq.objects=1 cmwq.tick=0"
#define N	   6

/* Items that count their runs, in memory that can be taken away. */
struct job {
	struct delayed_work dwork;
	int nr;
};

static struct job *job[N];
static _Atomic int runs[N], order[N], position;

static void run_job(struct work_struct *work)
{
	struct job *j = container_of(to_delayed_work(work), struct job, dwork);

	atomic_fetch_add(&runs[j->nr], 1);
	atomic_store(&order[j->nr], atomic_fetch_add(&position, 1));
}

static void *new_page(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT(page != MAP_FAILED);
	return page;
}

static void make_jobs(void)
{
	atomic_store(&position, 0);
	for (int i = 0; i < N; i++) {
		job[i] = new_page();
		job[i]->nr = i;
		atomic_store(&runs[i], 0);
		INIT_DELAYED_WORK(&job[i]->dwork, run_job);
	}
}

static void end_jobs(void)
{
	for (int i = 0; i < N; i++)
		munmap(job[i], 4096);
}

/* --- initialised again, or ended --- */

static struct workqueue_struct *wq;
static struct item blocker;

/* Nothing of the workqueue runs until release(): with the topology read, or it might
 * go on in another pool. */
static void block(struct workqueue_struct *on)
{
	wq = on;
	workqueue_init_topology();
	item_init_held(&blocker);
	EXPECT(queue_work_on(nth_cpu(0), wq, &blocker.work));
	wait_for(item_started(&blocker));
}

static void release(void)
{
	item_release(&blocker);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&blocker), 1);
	destroy_workqueue(wq);
}

static void check_said(const char *what, const void *where)
{
	char address[32];

	snprintf(address, sizeof(address), "at %p", where);
	wait_for(log_has_both(what, address));
}

TEST(initialised_while_queued, ON)
{
	make_jobs();
	for (int i = 0; i < 2; i++) {
		block(i ? alloc_ordered_workqueue("twice", 0)
			: alloc_workqueue("twice", WQ_PERCPU, 1));
		for (int k = 0; k < 3; k++)
			EXPECT(queue_work_on(nth_cpu(0), wq,
					     &job[k]->dwork.work));
		log_clear();
		INIT_WORK(&job[1]->dwork.work, run_job);
		check_said("is initialised again", job[1]);
		EXPECT(log_has("while it is queued on workqueue twice"));
		EXPECT(!work_busy(&job[1]->dwork.work));
		release();
		EXPECT_EQ(runs[0], i + 1);
		EXPECT_EQ(runs[1], i);
		EXPECT_EQ(runs[2], i + 1);
		EXPECT(queue_work(system_wq, &job[1]->dwork.work));
		flush_work(&job[1]->dwork.work);
		EXPECT_EQ(runs[1], i + 1);
	}
	end_jobs();
	check_library_works();
}

TEST(initialised_while_armed, ON)
{
	make_jobs();
	for (int i = 0; i < 2; i++) {
		EXPECT(queue_delayed_work(system_wq, &job[0]->dwork, 1000000));
		log_clear();
		if (i)
			INIT_DELAYED_WORK(&job[0]->dwork, run_job);
		else
			INIT_WORK(&job[0]->dwork.work, run_job);
		check_said("is initialised again", job[0]);
		EXPECT(log_has("while its timer is armed"));
		EXPECT(!cancel_delayed_work(&job[0]->dwork));
		EXPECT(queue_delayed_work(system_wq, &job[0]->dwork, 1));
		wait_for(runs[0] == i + 1);
	}
	flush_work(&job[0]->dwork.work);
	end_jobs();
}

static bool found_in_grace(struct rcu_work *rwork)
{
	bool found;

	urcu_bp_read_lock();
	queue_rcu_work(system_wq, rwork);
	log_clear();
	INIT_RCU_WORK(rwork, run_job);
	found = log_has_both("is initialised again",
			     "waits for a grace period");
	urcu_bp_read_unlock();
	return found && !work_pending(&rwork->work);
}

/* Also in a child, where a timer of the same bits would be the parent's. */
TEST(initialised_in_a_grace_period, ON)
{
	struct rcu_work rwork;
	int status;
	pid_t pid;

	need_fork();
	INIT_RCU_WORK(&rwork, run_job);
	EXPECT(found_in_grace(&rwork));
	check_library_works();
	pid = fork();
	if (!pid)
		_exit(!found_in_grace(&rwork));
	ASSERT(pid > 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT(found_in_grace(&rwork));
	check_library_works();
}

static void leave_scope(bool delayed)
{
	struct delayed_work on_stack;

	INIT_DELAYED_WORK_ONSTACK(&on_stack, run_job);
	if (delayed)
		EXPECT(queue_delayed_work(wq, &on_stack, 1000000));
	else
		EXPECT(queue_work_on(nth_cpu(0), wq, &on_stack.work));
	log_clear();
	if (delayed)
		destroy_delayed_work_on_stack(&on_stack);
	else
		destroy_work_on_stack(&on_stack.work);
	check_said("is ended", &on_stack);
	EXPECT(!work_busy(&on_stack.work));
}

TEST(ended_while_active, ON)
{
	block(alloc_ordered_workqueue("stack", 0));
	leave_scope(false);
	EXPECT(log_has("while it is queued on workqueue stack"));
	leave_scope(true);
	EXPECT(log_has("while its timer is armed"));
	release();
	check_library_works();
}

static void init_self(struct work_struct *work)
{
	INIT_WORK(work, run_job);
}

/* What looks like an active item, and is none. */
TEST(not_active, ON)
{
	struct rng rng = rng_make(1);
	struct delayed_work copy[2], *any = new_page();

	make_jobs();
	block(alloc_ordered_workqueue("innocent", 0));
	EXPECT(queue_work(wq, &job[0]->dwork.work));
	EXPECT(queue_delayed_work(wq, &job[1]->dwork, 1000000));
	for (int i = 0; i < 2; i++) {
		memcpy(&copy[i], &job[i]->dwork, sizeof(copy[i]));
		INIT_DELAYED_WORK(&copy[i], run_job);
		memcpy(&copy[i], &job[i]->dwork, sizeof(copy[i]));
		destroy_delayed_work_on_stack(&copy[i]);
	}
	for (int i = 0; i < 20000; i++) {
		uint64_t *words = (uint64_t *)any;

		for (size_t k = 0; k < sizeof(*any) / 8; k++)
			words[k] = rng_next(&rng) >> rng_below(&rng, 64);
		/* Often with the word of an item of this process. */
		if (i % 2)
			words[0] = job[i / 2 % 2]->dwork.work.data ^
				   1UL << rng_below(&rng, 64);
		destroy_work_on_stack(&any->work);
		INIT_DELAYED_WORK(any, run_job);
	}
	EXPECT(cancel_delayed_work(&job[1]->dwork));
	INIT_WORK(&blocker.work, item_func); /* it runs, and is not queued */
	INIT_WORK(&job[2]->dwork.work, init_self);
	EXPECT(queue_work(system_wq, &job[2]->dwork.work));
	flush_workqueue(system_wq);
	EXPECT(!log_has(""));
	release();
	EXPECT_EQ(runs[0], 1);
	end_jobs();
}

/* --- overwritten --- */

enum kind {
	ZERO,
	FILL,
	COPY_OF_NEXT,
	IDLE_AGAIN,
	WORD,
	NEXT_LINK,
	PREV_LINK,
	FUNC_NULL,
	FUNC_DATA,
	UNMAPPED,
	KINDS
};

static const char *const names[KINDS] = {
	"zero",	     "fill",	  "copy of the next", "idle again", "word",
	"next link", "prev link", "no function",      "data",	    "unmapped",
};

/* As a program without these checks would initialise it. */
static void init_unseen(struct delayed_work *dwork)
{
	static DECLARE_DELAYED_WORK(fresh, run_job);

	memcpy(dwork, &fresh, sizeof(fresh));
}

/* It is what ThreadSanitizer is there to find, in a program. */
static void need_races(void)
{
#ifdef __SANITIZE_THREAD__
	skip("not with ThreadSanitizer");
#endif
}

static void overwrite(struct job *victim, struct job *next, enum kind kind)
{
	struct work_struct *work = &victim->dwork.work;

	need_races();
	switch (kind) {
	case ZERO:
		memset(victim, 0, sizeof(*victim));
		break;
	case FILL:
		memset(victim, 0x6b, sizeof(*victim));
		break;
	case COPY_OF_NEXT:
		memcpy(victim, next, sizeof(*victim));
		break;
	case IDLE_AGAIN:
		init_unseen(&victim->dwork);
		break;
	case WORD:
		work->data ^= 0x5555UL << 20;
		break;
	case NEXT_LINK:
		work->entry.next = (void *)0x6b6b6b6b6b6b6b6bUL;
		break;
	case PREV_LINK:
		work->entry.prev = NULL;
		break;
	case FUNC_NULL:
		work->func = NULL;
		break;
	case FUNC_DATA:
		work->func = (work_func_t)(void *)names;
		break;
	default:
		/* Nobody else is to get the address before end_jobs(). */
		ASSERT(mmap(victim, 4096, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			    0) == (void *)victim);
	}
}

static bool queued(int i)
{
	return work_busy(&job[i]->dwork.work) == WORK_BUSY_PENDING;
}

static void queue_jobs(void)
{
	make_jobs();
	for (int i = 0; i < N; i++)
		EXPECT(queue_work_on(nth_cpu(0), wq, &job[i]->dwork.work));
	for (int i = 0; i < N; i++)
		EXPECT(queued(i)); /* and so out of the inbox */
	log_clear();
}

/* All but the victims have run, once and in order. */
static void check_runs(unsigned int victims)
{
	int last = -1;

	flush_workqueue(wq);
	for (int i = 0; i < N; i++) {
		EXPECT_EQ(runs[i], !(victims >> i & 1));
		if (victims >> i & 1)
			continue;
		EXPECT_OP(order[i], >, last);
		last = order[i];
	}
}

/* The workqueue goes on, with as many at a time as before. */
static void check_goes_on(int max_active)
{
	static struct item it[8];

	for (int i = 0; i < max_active + 1; i++) {
		item_init_held(&it[i]);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it[i].work));
	}
	wait_for(items_started(it, max_active + 1) == max_active);
	for (int i = 0; i < max_active + 1; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, max_active + 1), max_active + 1);
}

static void check_overwritten(unsigned int flags, int max_active, int victim,
			      enum kind kind)
{
	printf("--- %s, item %d\n", names[kind], victim);
	block(alloc_workqueue("hurt", flags, max_active));
	queue_jobs();
	overwrite(job[victim], job[(victim + 1) % N], kind);
	EXPECT(!log_has(""));
	item_release(&blocker);
	check_runs(1U << victim);
	check_said("workqueue hurt", job[victim]);
	EXPECT_EQ(log_count("hurt"), 1);
	check_goes_on(max_active);
	destroy_workqueue(wq);
	end_jobs();
}

static void check_kinds(unsigned int flags)
{
	static const int victims[] = { 0, 2, N - 1 };

	for (int kind = 0; kind < KINDS; kind++)
		for (int i = 0; i < 3; i++)
			check_overwritten(flags, 1, victims[i],
					  (enum kind)kind);
	check_library_works();
}

TEST(overwritten_behind_max_active, OVERWRITES, .timeout = 60)
{
	check_kinds(WQ_PERCPU);
}

TEST(overwritten_on_unbound, OVERWRITES, .timeout = 60)
{
	check_kinds(WQ_UNBOUND);
}

TEST(overwritten_on_ordered, OVERWRITES, .timeout = 60)
{
	check_kinds(WQ_UNBOUND | __WQ_ORDERED);
}

/* Pods that share max_active. */
TEST(overwritten_in_a_pod, OVERWRITES, .timeout = 60,
     .topology = "pack:2 [numa] l3:2 core:2 pu:1")
{
	workqueue_init_topology();
	check_kinds(WQ_UNBOUND);
}

/* Holds up its worker, and is neither found asleep nor a hog. */
static void block_spinning(void)
{
	workqueue_init_topology();
	item_init_held(&blocker);
	blocker.spin = true;
	EXPECT(queue_work_on(nth_cpu(0), wq, &blocker.work));
	wait_for(item_started(&blocker));
}

/* Ready to start: on the list of the pool itself. */
static void check_worklist(unsigned int flags, int victim, enum kind kind)
{
	printf("--- %s, item %d\n", names[kind], victim);
	wq = alloc_workqueue("hurt", flags, 0);
	block_spinning();
	queue_jobs();
	overwrite(job[victim], job[(victim + 1) % N], kind);
	item_release(&blocker);
	check_runs(1U << victim);
	check_said("workqueue hurt", job[victim]);
	destroy_workqueue(wq);
	end_jobs();
}

/* Nobody takes the spinning item for a blocked one, or a hog. */
TEST(overwritten_ready, .timeout = 60,
     .params = "cmwq.objects=1 cmwq.tick=0 cmwq.sentinel=0")
{
	for (int kind = 0; kind < KINDS; kind++) {
		check_worklist(WQ_PERCPU, 0, (enum kind)kind);
		check_worklist(WQ_PERCPU, 3, (enum kind)kind);
		check_worklist(WQ_PERCPU, N - 1, (enum kind)kind);
	}
	check_library_works();
}

static void run_nothing(struct work_struct *work)
{
	(void)work;
}

/* So many at once that the pool's worker takes them for tiny. */
static void run_tiny_ones(void)
{
	static struct work_struct tiny[1024];

	block_spinning();
	for (int i = 0; i < 1024; i++) {
		INIT_WORK(&tiny[i], run_nothing);
		queue_work_on(nth_cpu(0), wq, &tiny[i]);
	}
	item_release(&blocker);
	flush_workqueue(wq);
}

/* The only one that is ready, behind items that were tiny. */
TEST(overwritten_among_tiny, .timeout = 60,
     .params = "cmwq.tick=0 cmwq.sentinel=0")
{
	wq = alloc_workqueue("hurt", WQ_PERCPU, 0);
	for (int kind = 0; kind < KINDS; kind++) {
		make_jobs();
		cmwq_param_set("cmwq.objects", 0);
		run_tiny_ones();
		cmwq_param_set("cmwq.objects", 1);
		block_spinning();
		EXPECT(queue_work_on(nth_cpu(0), wq, &job[0]->dwork.work));
		EXPECT(queued(0));
		log_clear();
		overwrite(job[0], job[1], (enum kind)kind);
		item_release(&blocker);
		flush_workqueue(wq);
		EXPECT_EQ(runs[0], 0);
		check_said("workqueue hurt", job[0]);
		end_jobs();
	}
	destroy_workqueue(wq);
	check_library_works();
}

TEST(overwritten_on_bh, OVERWRITES, .timeout = 60)
{
	for (int kind = 0; kind < KINDS; kind++) {
		check_worklist(WQ_BH, 0, (enum kind)kind);
		check_worklist(WQ_BH, 3, (enum kind)kind);
	}
	log_ignore("SCHED_FIFO was refused");
	log_ignore("nice -20 were refused");
	check_library_works();
}

/* Several: those in between that nobody can find are lost, and said to be. */
static void check_two(int a, int b, unsigned int lost, enum kind kind)
{
	printf("--- %s, items %d and %d\n", names[kind], a, b);
	block(alloc_workqueue("hurt", WQ_PERCPU, 1));
	queue_jobs();
	overwrite(job[a], job[0], kind);
	overwrite(job[b], job[0], kind);
	item_release(&blocker);
	check_runs(lost);
	wait_for(log_count("workqueue hurt") == __builtin_popcount(lost));
	check_said("workqueue hurt", job[a]);
	check_said("workqueue hurt", job[b]);
	check_goes_on(1);
	destroy_workqueue(wq);
	end_jobs();
}

TEST(overwritten_two, OVERWRITES)
{
	for (int kind = FILL; kind <= UNMAPPED; kind += UNMAPPED - FILL) {
		check_two(0, 1, 0x3, (enum kind)kind);
		check_two(2, 3, 0xc, (enum kind)kind);
		check_two(1, 3, 0xe, (enum kind)kind);
		check_two(1, 4, 0x1e, (enum kind)kind);
		check_two(0, N - 1, 0x3f, (enum kind)kind);
	}
}

/* --- whoever else touches it --- */

static long flush_job(void *arg)
{
	return flush_work(&((struct job *)arg)->dwork.work);
}

/* Who waits for it is let go. */
TEST(waiter_of_overwritten, OVERWRITES)
{
	struct thread t;

	block(alloc_workqueue("hurt", WQ_UNBOUND, 1));
	queue_jobs();
	thread_start(&t, flush_job, job[2]);
	EXPECT(thread_asleep(&t));
	overwrite(job[2], job[3], FILL);
	item_release(&blocker);
	EXPECT(thread_join(&t));
	check_runs(1U << 2);
	check_said("workqueue hurt", job[2]);
	destroy_workqueue(wq);
	end_jobs();
}

/* A cancel of its neighbours, of itself, of one that is far away. */
static void check_cancel(int victim, int cancelled, enum kind kind)
{
	bool itself = victim == cancelled;

	printf("--- %s, cancel %d\n", names[kind], cancelled);
	block(alloc_workqueue("hurt", WQ_UNBOUND, 1));
	queue_jobs();
	overwrite(job[victim], job[0], kind);
	EXPECT_EQ(cancel_work(&job[cancelled]->dwork.work), !itself);
	item_release(&blocker);
	check_runs(1U << victim | 1U << cancelled);
	check_said("workqueue hurt", job[victim]);
	destroy_workqueue(wq);
	end_jobs();
}

TEST(cancel_near_overwritten, OVERWRITES)
{
	for (int i = 0; i < N; i++) {
		if (i != 2)
			check_cancel(2, i, FILL);
		if (i != 2)
			check_cancel(2, i, UNMAPPED);
		check_cancel(2, i, NEXT_LINK);
		check_cancel(2, i, PREV_LINK);
	}
	check_library_works();
}

TEST(calls_on_overwritten, OVERWRITES)
{
	block(alloc_workqueue("hurt", WQ_UNBOUND, 1));
	queue_jobs();
	need_races();
	job[2]->dwork.work.data += 64; /* the pwq */
	EXPECT(!flush_work(&job[2]->dwork.work));
	wait_for(log_has("was overwritten; used by the caller"));
	log_clear();
	EXPECT(!cancel_work_sync(&job[2]->dwork.work));
	wait_for(log_has("was overwritten; used by the caller"));
	log_clear();
	item_release(&blocker);
	check_runs(1U << 2);
	check_said("workqueue hurt", job[2]);
	destroy_workqueue(wq);
	end_jobs();
}

/* Raising max_active looks at the list, too. */
TEST(max_active_with_overwritten, ON)
{
	wq = alloc_workqueue("hurt", WQ_UNBOUND, 1);
	span_nodes(wq);
	block(wq);
	queue_jobs();
	overwrite(job[0], job[1], FILL);
	workqueue_set_max_active(wq, 3);
	wait_for(runs[N - 1]);
	item_release(&blocker);
	flush_workqueue(wq);
	for (int i = 0; i < N; i++)
		EXPECT_EQ(runs[i], i != 0);
	check_said("workqueue hurt", job[0]);
	check_goes_on(3);
	destroy_workqueue(wq);
	end_jobs();
}

/* So does whoever shows what is there. */
TEST(show_overwritten, OVERWRITES)
{
	for (int kind = 0; kind < KINDS; kind++) {
		printf("--- %s\n", names[kind]);
		block(alloc_workqueue("hurt", WQ_UNBOUND, 1));
		queue_jobs();
		overwrite(job[2], job[3], (enum kind)kind);
		if (kind % 2)
			show_one_workqueue(wq);
		else
			show_all_workqueues();
		check_said("item of workqueue hurt", job[2]);
		item_release(&blocker);
		check_runs(1U << 2);
		destroy_workqueue(wq);
		end_jobs();
	}
	check_library_works();
}

/* --- in signal handlers --- */

static struct work_struct in_handler;
static _Atomic int handled;

static void queue_in_handler(int sig)
{
	(void)sig;
	queue_work_on(2, wq, &in_handler);
	atomic_fetch_add(&handled, 1);
}

static void set_alarm(long us)
{
	struct itimerval it = { { 0, us }, { 0, us } };

	ASSERT_EQ(setitimer(ITIMER_REAL, &it, NULL), 0);
}

/* One that interrupts whoever has the lock of what two pods share. */
TEST(handler_beside_a_pod, ON, .timeout = 60,
     .topology = "pack:2 [numa] l3:2 core:2 pu:1")
{
	struct sigaction sa = { .sa_handler = queue_in_handler,
				.sa_flags = SA_RESTART };
	static struct work_struct work;

	workqueue_init_topology();
	INIT_WORK(&work, run_job);
	INIT_WORK(&in_handler, run_job);
	block(alloc_workqueue("pods", WQ_UNBOUND, 1));
	ASSERT_EQ(sigaction(SIGALRM, &sa, NULL), 0);
	set_alarm(100);
	while (atomic_load(&handled) < 10000) {
		EXPECT(queue_work_on(0, wq, &work));
		EXPECT(cancel_work(&work));
		cancel_work(&in_handler);
	}
	set_alarm(0);
	cancel_work(&in_handler);
	release();
}

/* --- armed timers --- */

static void check_armed(enum kind kind)
{
	printf("--- %s\n", names[kind]);
	make_jobs();
	for (int i = 0; i < N; i++)
		EXPECT(queue_delayed_work(system_wq, &job[i]->dwork,
					  i < 3 ? 30 : 1000000));
	log_clear();
	overwrite(job[1], job[0], kind);
	wait_for(log_has("overwritten while"));
	EXPECT_EQ(runs[1], 0);
	/* Those of another time, at least, are not lost. */
	EXPECT(mod_delayed_work(system_wq, &job[5]->dwork, 1));
	wait_for(runs[5]);
	for (int i = 0; i < N; i++)
		if (i != 1)
			cancel_delayed_work_sync(&job[i]->dwork);
	EXPECT(queue_delayed_work(system_wq, &job[4]->dwork, 1));
	wait_for(runs[4]);
	flush_work(&job[4]->dwork.work);
	end_jobs();
	log_clear();
}

TEST(overwritten_while_armed, OVERWRITES)
{
	check_armed(ZERO);
	check_armed(FILL);
	check_armed(IDLE_AGAIN);
	check_armed(UNMAPPED);
	check_library_works();
}

/* Of what the wheel does not look at. */
TEST(item_overwritten_while_armed, OVERWRITES)
{
	need_races();
	make_jobs();
	for (int i = 0; i < 3; i++)
		EXPECT(queue_delayed_work(system_wq, &job[i]->dwork, 30));
	job[0]->dwork.work.data = 0;
	job[1]->dwork.work.func = NULL;
	job[2]->dwork.wq = (void *)names;
	wait_for(log_count("was overwritten while its timer was armed") == 3);
	check_library_works();
	EXPECT_EQ(runs[0] + runs[1] + runs[2], 0);
	/* What is still an item is idle. */
	EXPECT(!work_pending(&job[2]->dwork.work));
	EXPECT(!cancel_delayed_work_sync(&job[2]->dwork));
	EXPECT(queue_delayed_work(system_wq, &job[2]->dwork, 1));
	wait_for(runs[2]);
	flush_work(&job[2]->dwork.work);
	end_jobs();
}

/* --- on and off --- */

/* What is reported otherwise costs nothing and says nothing. */
TEST(off)
{
	struct delayed_work on_stack;

	set_param("cmwq.objects", 0);
	block(alloc_ordered_workqueue("off", 0));
	INIT_DELAYED_WORK_ONSTACK(&on_stack, run_job);
	destroy_delayed_work_on_stack(&on_stack);
	EXPECT(queue_delayed_work(wq, &on_stack, 1000000));
	destroy_delayed_work_on_stack(&on_stack);
	EXPECT(!log_has(""));
	EXPECT(cancel_delayed_work_sync(&on_stack));
	release();
}

/* With items queued. */
TEST(switched_on_late)
{
	block(alloc_workqueue("late", WQ_UNBOUND, 1));
	queue_jobs();
	set_param("cmwq.objects", 1);
	INIT_DELAYED_WORK(&job[2]->dwork, run_job);
	check_said("is initialised again", job[2]);
	overwrite(job[3], job[4], FILL);
	item_release(&blocker);
	check_runs(1U << 2 | 1U << 3);
	check_said("workqueue late", job[3]);
	destroy_workqueue(wq);
	end_jobs();
}

/* A child is checked as its parent is. */
TEST(forked, ON)
{
	struct delayed_work dwork;
	int status;
	pid_t pid;

#ifdef __SANITIZE_THREAD__
	skip("not with ThreadSanitizer");
#endif
	check_library_works();
	INIT_DELAYED_WORK(&dwork, run_job);
	EXPECT(queue_delayed_work(system_wq, &dwork, 1000000));
	pid = fork();
	if (!pid) {
		/* Armed in the parent only. */
		INIT_DELAYED_WORK(&dwork, run_job);
		if (log_has("is initialised again"))
			_exit(1);
		queue_delayed_work(system_wq, &dwork, 1000000);
		INIT_DELAYED_WORK(&dwork, run_job);
		_exit(log_has("is initialised again") ? 0 : 2);
	}
	ASSERT(pid > 0);
	EXPECT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	EXPECT(cancel_delayed_work_sync(&dwork));
}
