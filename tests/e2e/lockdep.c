/* SPDX-License-Identifier: MIT */
/*
 * lockdep.c - CMWQ_DEBUG=lockdep: waits of items that can meet in a circle are
 * reported before they do, with all that make up the circle.
 */
#include "harness.h"

#include <dlfcn.h>
#include <sys/wait.h>

#define ON .params = "cmwq.lockdep=1"

/* Items of four functions, each of which does one thing to somebody. */
enum {
	F,
	G,
	H,
	I,
	NR
};

struct job {
	struct delayed_work dwork;
	void (*fn)(struct job *job);
	struct workqueue_struct *wq; /* its target */
	struct job *target;	     /* or this */
	_Atomic int runs;
};

static struct job job[NR];

static void run_job(struct work_struct *work)
{
	struct job *j = container_of(to_delayed_work(work), struct job, dwork);

	if (j->fn)
		j->fn(j);
	atomic_fetch_add(&j->runs, 1);
}

/* Different functions, however clever the compiler is. */
static void item_f(struct work_struct *work)
{
	EXPECT(work == &job[F].dwork.work);
	run_job(work);
}

static void item_g(struct work_struct *work)
{
	EXPECT(work == &job[G].dwork.work);
	run_job(work);
}

static void item_h(struct work_struct *work)
{
	EXPECT(work == &job[H].dwork.work);
	run_job(work);
}

static void item_i(struct work_struct *work)
{
	EXPECT(work == &job[I].dwork.work);
	run_job(work);
}

static const work_func_t funcs[NR] = { item_f, item_g, item_h, item_i };

static void make_jobs(void)
{
	for (int i = 0; i < NR; i++)
		INIT_DELAYED_WORK(&job[i].dwork, funcs[i]);
}

/* --- what they do --- */

static void flush_wq(struct job *j)
{
	flush_workqueue(j->wq);
}

static void drain_wq(struct job *j)
{
	drain_workqueue(j->wq);
}

static void destroy_wq(struct job *j)
{
	destroy_workqueue(j->wq);
}

static void flush_target(struct job *j)
{
	flush_work(&j->target->dwork.work);
}

static void flush_delayed_target(struct job *j)
{
	flush_delayed_work(&j->target->dwork);
}

static void cancel_target(struct job *j)
{
	cancel_work_sync(&j->target->dwork.work);
}

static void cancel_delayed_target(struct job *j)
{
	cancel_delayed_work_sync(&j->target->dwork);
}

static void disable_target(struct job *j)
{
	disable_work_sync(&j->target->dwork.work);
	enable_work(&j->target->dwork.work);
}

/* Run item @who on @wq, which does @fn to @target_wq, or to item @target. */
static void run(struct workqueue_struct *wq, int who, void (*fn)(struct job *j),
		struct workqueue_struct *target_wq, int target)
{
	struct job *j = &job[who];
	int runs = atomic_load(&j->runs);

	j->fn = fn;
	j->wq = target_wq;
	j->target = &job[target];
	EXPECT(queue_work(wq, &j->dwork.work));
	flush_work(&j->dwork.work);
	EXPECT_EQ(atomic_load(&j->runs), runs + 1);
}

static void run_wq(struct workqueue_struct *wq, int who,
		   struct workqueue_struct *target)
{
	run(wq, who, flush_wq, target, who);
}

/* What a message calls one of the functions. */
static const char *name_of(int who)
{
	static char name[NR][256];
	const char *file;
	Dl_info info;

	ASSERT(dladdr((void *)funcs[who], &info));
	file = strrchr(info.dli_fname, '/');
	snprintf(name[who], sizeof(name[who]), "item %s+0x%tx of workqueue",
		 file ? file + 1 : info.dli_fname,
		 (char *)funcs[who] - (char *)info.dli_fbase);
	return name[who];
}

static bool said(int who, const char *of_whom)
{
	return log_has_both(name_of(who), of_whom);
}

/* How many circles were reported. Looks at all lines of them. */
static int reports(void)
{
	log_has("lockdep: ");
	return log_count("that can end in a deadlock") +
	       log_count("both are of the same kind");
}

static struct workqueue_struct *a, *b, *c;

static void make_queues(void)
{
	a = alloc_workqueue("A", WQ_UNBOUND, 0);
	b = alloc_workqueue("B", WQ_PERCPU, 0);
	c = alloc_workqueue("C", WQ_UNBOUND, 0);
	make_jobs();
}

static void end_queues(void)
{
	destroy_workqueue(a);
	destroy_workqueue(b);
	destroy_workqueue(c);
}

/* --- circles --- */

TEST(order_is_kept, ON)
{
	make_queues();
	for (int i = 0; i < 3; i++) {
		run_wq(a, F, b);
		run_wq(b, G, c);
		run_wq(a, H, c);
		run_wq(a, I, b);
	}
	EXPECT(!log_has(""));
	end_queues();
}

TEST(two_queues, ON)
{
	make_queues();
	run_wq(b, G, a);
	EXPECT(!log_has(""));
	run_wq(a, F, b);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "of workqueue A is about to wait for workqueue B"));
	EXPECT(said(G, "of workqueue B waited for workqueue A"));
	/* Known by now; others still are not. */
	log_clear();
	run_wq(b, G, a);
	run_wq(a, F, b);
	EXPECT(!log_has(""));
	run_wq(b, G, c);
	EXPECT(!log_has(""));
	run_wq(c, H, a);
	EXPECT_EQ(reports(), 1);
	EXPECT(log_has_both("is about to wait for workqueue A", "queue C"));
	end_queues();
}

TEST(three_queues, ON)
{
	make_queues();
	run_wq(a, F, b);
	run_wq(b, G, c);
	EXPECT(!log_has(""));
	run_wq(c, H, a);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(H, "of workqueue C is about to wait for workqueue A"));
	EXPECT(said(F, "of workqueue A waited for workqueue B"));
	EXPECT(said(G, "of workqueue B waited for workqueue C"));
	EXPECT_EQ(log_count("lockdep: "), 3);
	end_queues();
}

/* An item waits for one that has waited for it, by whatever call. */
static void check_items(void (*fn)(struct job *j), void (*back)(struct job *j))
{
	make_queues();
	run(a, F, fn, NULL, G);
	EXPECT(!log_has(""));
	run(b, G, back, NULL, F);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(G, "of workqueue B is about to wait for item"));
	EXPECT(said(F, "of workqueue A waited for item"));
	end_queues();
}

TEST(items_flush, ON)
{
	check_items(flush_target, flush_target);
}

TEST(items_flush_delayed, ON)
{
	check_items(flush_target, flush_delayed_target);
}

TEST(items_cancel, ON)
{
	check_items(cancel_target, flush_target);
}

TEST(items_cancel_delayed, ON)
{
	check_items(flush_target, cancel_delayed_target);
}

TEST(items_disable, ON)
{
	check_items(disable_target, flush_target);
}

/* Through a queue one way and an item the other. */
TEST(queue_and_item, ON)
{
	make_queues();
	run_wq(b, G, a);
	run(a, F, flush_target, NULL, G);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "of workqueue A is about to wait for item"));
	EXPECT(said(G, "of workqueue B waited for workqueue A"));
	end_queues();
}

static void check_queue_call(void (*fn)(struct job *j))
{
	make_queues();
	run_wq(b, G, a);
	run(a, F, fn, b, F);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "of workqueue A is about to wait for workqueue B"));
	destroy_workqueue(a);
	destroy_workqueue(c);
}

TEST(drain, ON)
{
	check_queue_call(drain_wq);
	destroy_workqueue(b);
}

TEST(destroy, ON)
{
	check_queue_call(destroy_wq);
}

/* Item h is innocent, but it may have to wait for g if they run one by one. */
static struct gate gate;

static void wait_gate(struct job *j)
{
	(void)j;
	gate_wait(&gate);
}

static long open_gate(void *arg)
{
	wait_asleep_tid((int)(long)arg);
	gate_open(&gate);
	return 0;
}

static void flush_running(struct job *j)
{
	struct thread t;

	gate_close(&gate);
	j->target->fn = wait_gate;
	EXPECT(queue_work(j->wq, &j->target->dwork.work));
	wait_for(work_busy(&j->target->dwork.work) == WORK_BUSY_RUNNING);
	thread_start(&t, open_gate, (void *)(long)self_tid());
	flush_target(j);
	thread_join(&t);
}

static void check_in_line(struct workqueue_struct *wq, bool reported)
{
	make_queues();
	run_wq(wq, G, a);
	EXPECT(!log_has("lockdep: "));
	run(a, F, flush_running, wq, H);
	EXPECT_EQ(reports(), reported);
	if (reported)
		EXPECT(said(F, "A is about to wait for workqueue line"));
	log_ignore("which is WQ_MEM_RECLAIM");
	destroy_workqueue(wq);
	end_queues();
}

TEST(one_at_a_time, ON)
{
	check_in_line(alloc_ordered_workqueue("line", 0), true);
	log_clear();
	check_in_line(alloc_workqueue("line", WQ_UNBOUND, 1), true);
}

TEST(rescuer, ON)
{
	check_in_line(alloc_workqueue("line", WQ_UNBOUND | WQ_MEM_RECLAIM, 0),
		      true);
}

TEST(many_at_a_time, ON)
{
	check_in_line(alloc_workqueue("line", WQ_UNBOUND, 2), false);
}

/* Two of one kind that wait for each other would look just like this. */
TEST(same_function, ON)
{
	static struct job twin;

	make_queues();
	INIT_DELAYED_WORK(&twin.dwork, item_f);
	job[F].fn = flush_target;
	job[F].target = &twin;
	EXPECT(queue_work(a, &job[F].dwork.work));
	flush_work(&job[F].dwork.work);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "both are of the same kind"));
	end_queues();
}

/* --- other calls that wait --- */

static long call_nothing(void *arg)
{
	(void)arg;
	return 0;
}

static long flush_a(void *arg)
{
	flush_workqueue(a);
	return (long)arg;
}

static long flush_c(void *arg)
{
	flush_workqueue(c);
	return (long)arg + 1;
}

static void on_cpu(struct job *j)
{
	work_on_cpu(nth_cpu(0),
		    j->wq == a	 ? flush_a
		    : j->wq == c ? flush_c
				 : call_nothing,
		    NULL);
}

/* Functions that are called on a CPU are told apart. */
TEST(call_on_cpu, ON)
{
	make_queues();
	run_wq(a, F, b);
	run(b, G, on_cpu, NULL, G);
	run(a, H, on_cpu, c, H);
	EXPECT(!log_has(""));
	run(c, I, on_cpu, a, I);
	EXPECT_EQ(reports(), 1);
	/* By him who calls, or by what he calls, if that is quicker. */
	EXPECT(log_has("of workqueue events is about to wait for workqueue "
		       "A") ||
	       log_has("of workqueue C is about to wait for item"));
	end_queues();
}

static struct job each;

/* The item of each CPU is none of the jobs. */
static void item_each(struct work_struct *work)
{
	(void)work;
	flush_workqueue(each.wq);
}

static void on_each_cpu(struct job *j)
{
	(void)j;
	schedule_on_each_cpu(item_each);
}

TEST(call_on_each_cpu, ON)
{
	make_queues();
	each.wq = b;
	run(a, F, on_each_cpu, NULL, F);
	EXPECT(!log_has(""));
	run_wq(b, G, a);
	EXPECT_EQ(reports(), 1);
	EXPECT(log_has("of workqueue events waited for workqueue B"));
	end_queues();
}

static struct rcu_work rcu;

static void item_rcu(struct work_struct *work)
{
	(void)work;
	flush_work(&job[F].dwork.work);
}

static void flush_rcu(struct job *j)
{
	(void)j;
	flush_rcu_work(&rcu);
}

TEST(flush_of_rcu_work, ON)
{
	make_queues();
	INIT_RCU_WORK(&rcu, item_rcu);
	EXPECT(queue_rcu_work(b, &rcu));
	flush_rcu_work(&rcu);
	EXPECT(!log_has(""));
	run(a, F, flush_rcu, NULL, F);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "of workqueue A is about to wait for item"));
	end_queues();
}

/* Workqueues of one map are one. */
TEST(lockdep_map, ON)
{
	static int map;
	struct lockdep_map *m = (struct lockdep_map *)(void *)&map;
	struct workqueue_struct *x, *y;

	make_queues();
	x = alloc_workqueue_lockdep_map("X", WQ_UNBOUND, 0, m);
	y = alloc_ordered_workqueue_lockdep_map("Y", 0, m);
	run_wq(x, F, a);
	EXPECT(!log_has(""));
	run_wq(a, G, y);
	EXPECT_EQ(reports(), 1);
	EXPECT(said(F, "of workqueue X waited for workqueue A"));
	destroy_workqueue(x);
	destroy_workqueue(y);
	end_queues();
}

/* It really happens: said before the end. */
static struct gate go;

static void wait_then_flush(struct job *j)
{
	gate_wait(&go);
	flush_wq(j);
}

TEST(before_it_happens, ON)
{
	make_queues();
	job[F].fn = wait_then_flush;
	job[F].wq = b;
	job[G].fn = wait_then_flush;
	job[G].wq = a;
	EXPECT(queue_work(a, &job[F].dwork.work));
	EXPECT(queue_work(b, &job[G].dwork.work));
	gate_open(&go);
	wait_for(reports() == 1);
	wait_for(log_has("of workqueue A"));
	wait_for(log_has("of workqueue B"));
	linger();
	EXPECT_EQ(atomic_load(&job[F].runs) + atomic_load(&job[G].runs), 0);
}

/* --- no circles --- */

static void circle(void)
{
	make_queues();
	run_wq(b, G, a);
	run_wq(a, F, b);
	end_queues();
}

TEST(off)
{
	set_param("cmwq.lockdep", 0);
	circle();
	EXPECT(!log_has(""));
}

TEST(switched_on_and_off)
{
	set_param("cmwq.lockdep", 1);
	circle();
	EXPECT_EQ(reports(), 1);
	log_clear();
	set_param("cmwq.lockdep", 0);
	make_queues();
	run_wq(c, H, a);
	run_wq(a, F, c);
	EXPECT(!log_has(""));
	end_queues();
}

/* Workqueues of the same names are others. */
TEST(destroyed_is_forgotten, ON)
{
	for (int i = 0; i < 200; i++) {
		make_queues();
		if (i % 2)
			run_wq(b, G, a);
		else
			run_wq(a, F, b);
		end_queues();
	}
	EXPECT(!log_has(""));
}

/* Threads that run no item hold nothing up. */
TEST(other_threads, ON)
{
	make_queues();
	run_wq(a, F, b);
	flush_workqueue(a);
	flush_workqueue(b);
	EXPECT(!log_has(""));
	end_queues();
}

/* --- the environment --- */

TEST(print_lockdep, .hidden = true)
{
	long value = -1;

	cmwq_set_log(NULL, NULL);
	EXPECT_EQ(cmwq_param_get("cmwq.lockdep", &value), 0);
	printf("<lockdep=%ld>\n", value);
	check_library_works();
}

TEST(environment)
{
	static const struct {
		const char *words;
		const char *out[2];
	} table[] = {
		{ "", { "<lockdep=0>", "" } },
		{ "lockdep", { "<lockdep=1>", "" } },
		{ ",lockdep,,", { "<lockdep=1>", "" } },
		{ "nonsense", { "<lockdep=0>", "'nonsense'" } },
		{ "nonsense,lockdep", { "<lockdep=1>", "'nonsense'" } },
		{ "Lockdep", { "<lockdep=0>", "'Lockdep'" } },
	};
	static char out[65536];

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		printf("--- %s\n", table[i].words);
		ASSERT(!setenv("CMWQ_DEBUG", table[i].words, 1));
		EXPECT_EQ(run_hidden("print_lockdep", "", out, sizeof(out)), 0);
		printf("%s", out);
		EXPECT(strstr(out, table[i].out[0]));
		EXPECT(strstr(out, table[i].out[1]));
		if (!table[i].out[1][0])
			EXPECT(!strstr(out, "CMWQ_DEBUG"));
	}
}
