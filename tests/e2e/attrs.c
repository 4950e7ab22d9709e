/* SPDX-License-Identifier: MIT */
/*
 * attrs.c - apply_workqueue_attrs() at run time: what workers get of it, that nothing
 * is lost, doubled or out of order while it is done, and who shares what.
 *
 * timeout: 120
 */
#include <sys/prctl.h>
#include <sys/resource.h>
#include <cmwq/cpumask.h>

#include "harness.h"

#define N 12

/* What a worker is like. */
struct look {
	struct item it;
	int nice;
	int pool; /* the number in its name */
	cpu_set_t cpus;
};

static void look(struct item *it)
{
	struct look *l = (struct look *)it; /* its first member */
	char name[32] = "";

	l->nice = getpriority(PRIO_PROCESS, (id_t)self_tid());
	sched_getaffinity(0, sizeof(l->cpus), &l->cpus);
	prctl(PR_GET_NAME, name);
	l->pool = -1;
	sscanf(name, "cmwq/u%d:", &l->pool);
}

static void look_on(int cpu, struct workqueue_struct *wq, struct look *l)
{
	item_init(&l->it);
	l->it.hook = look;
	ASSERT(queue_work_on(cpu, wq, &l->it.work));
	flush_work(&l->it.work);
	ASSERT_EQ(item_runs(&l->it), 1);
}

static struct workqueue_attrs *attrs_of(int nice, enum wq_affn_scope scope)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	ASSERT(attrs);
	attrs->nice = nice;
	attrs->affn_scope = scope;
	return attrs;
}

static void apply(struct workqueue_struct *wq, int nice,
		  enum wq_affn_scope scope, int cpu)
{
	struct workqueue_attrs *attrs = attrs_of(nice, scope);

	if (cpu >= 0) {
		cpumask_clear(attrs->cpumask);
		cpumask_set_cpu((unsigned int)cpu, attrs->cpumask);
	}
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	free_workqueue_attrs(attrs);
}

TEST(defaults)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	ASSERT(attrs);
	EXPECT_EQ(attrs->nice, 0);
	EXPECT_EQ(attrs->affn_scope, WQ_AFFN_DFL);
	EXPECT(!attrs->affn_strict);
	EXPECT(!attrs->ordered);
	EXPECT(cpumask_equal(attrs->cpumask, cpu_possible_mask));
	free_workqueue_attrs(attrs);
	free_workqueue_attrs(NULL);
}

TEST(workers_get_nice)
{
	struct workqueue_struct *wq = alloc_workqueue("nice", WQ_UNBOUND, 0);
	struct look l;

	look_on(nth_cpu(0), wq, &l);
	EXPECT_EQ(l.nice, 0);
	apply(wq, 7, WQ_AFFN_DFL, -1);
	look_on(nth_cpu(0), wq, &l);
	EXPECT_EQ(l.nice, 7);
	apply(wq, 0, WQ_AFFN_DFL, -1);
	look_on(nth_cpu(0), wq, &l);
	EXPECT_EQ(l.nice, 0);
	destroy_workqueue(wq);
}

TEST(workers_get_cpus)
{
	struct workqueue_struct *wq = alloc_workqueue("cpus", WQ_UNBOUND, 0);
	struct look l;

	need_cpus(2);
	apply(wq, 0, WQ_AFFN_DFL, nth_cpu(1));
	for (int i = 0; i < nr_allowed(); i++) {
		look_on(nth_cpu(i), wq, &l);
		EXPECT_EQ(CPU_COUNT(&l.cpus), 1);
		EXPECT(CPU_ISSET(nth_cpu(1), &l.cpus));
	}
	destroy_workqueue(wq);
}

/* The pods of scope CPU: strict workers stay, others may leave. */
static void pods_of_cpus(bool strict)
{
	struct workqueue_struct *wq = alloc_workqueue("pods", WQ_UNBOUND, 0);
	struct workqueue_attrs *attrs = attrs_of(0, WQ_AFFN_CPU);
	int first = -1;

	need_cpus(2);
	attrs->affn_strict = strict;
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	for (int i = 0; i < 2; i++) {
		struct look l;

		look_on(nth_cpu(i), wq, &l);
		EXPECT_OP(l.pool, !=, first);
		first = l.pool;
		EXPECT_EQ(CPU_COUNT(&l.cpus), strict ? 1 : nr_allowed());
		EXPECT(CPU_ISSET(nth_cpu(i), &l.cpus));
	}
	free_workqueue_attrs(attrs);
	destroy_workqueue(wq);
}

TEST(strict_pods)
{
	pods_of_cpus(true);
}

TEST(loose_pods)
{
	pods_of_cpus(false);
}

/* A worker of a loose pod that was moved away goes back there to work. */
TEST(workers_come_home)
{
	struct workqueue_struct *wq = alloc_workqueue("home", WQ_UNBOUND, 0);
	struct cmwq_stats stats;
	struct look l;

	need_cpus(2);
	apply(wq, 0, WQ_AFFN_CPU, -1);
	look_on(nth_cpu(0), wq, &l);
	do {
		cpu_set_t away, all = l.cpus;

		wait_asleep_tid(l.it.tid);
		CPU_ZERO(&away);
		CPU_SET(nth_cpu(1), &away);
		sched_setaffinity(l.it.tid, sizeof(away), &away);
		sched_setaffinity(l.it.tid, sizeof(all), &all);
		look_on(nth_cpu(0), wq, &l);
		EXPECT_EQ(CPU_COUNT(&l.cpus), nr_allowed());
		cmwq_get_stats(wq, &stats);
	} while (!stats.repatriated);
	destroy_workqueue(wq);
}

static pthread_key_t key;
static _Atomic bool ends, may_end;
static struct work_struct *_Atomic last_work;

static void set_key(struct item *it)
{
	pthread_setspecific(key, it);
}

static void at_end(void *arg)
{
	(void)arg;
	atomic_store(&ends, true);
	wait_for(atomic_load(&may_end));
	atomic_store(&last_work, current_work());
	atomic_store(&ends, false);
}

/* What a thread has left to do at its end it does as nobody: its record may be
 * another worker's by then. */
TEST(worker_that_ends_is_none)
{
	struct workqueue_struct *wq = alloc_workqueue("short", WQ_UNBOUND, 0);
	static struct item it, others[N];

	need_detector();
	pthread_key_create(&key, at_end);
	apply(wq, 1, WQ_AFFN_SYSTEM, -1);
	item_init(&it);
	it.hook = set_key;
	EXPECT(queue_work(wq, &it.work));
	destroy_workqueue(wq);
	wait_for(atomic_load(&ends));
	wq = alloc_workqueue("next", WQ_UNBOUND, 0);
	for (int i = 0; i < N; i++) {
		item_init_held(&others[i]);
		EXPECT(queue_work(wq, &others[i].work));
	}
	for (int i = 0; i < N; i++)
		wait_for(item_started(&others[i]));
	atomic_store(&may_end, true);
	wait_for(!atomic_load(&ends));
	EXPECT(!atomic_load(&last_work));
	for (int i = 0; i < N; i++)
		item_release(&others[i]);
	destroy_workqueue(wq);
}

TEST(equal_attributes_share_workers)
{
	struct workqueue_struct *a = alloc_workqueue("a", WQ_UNBOUND, 0);
	struct workqueue_struct *b = alloc_workqueue("b", WQ_UNBOUND, 0);
	struct look la, lb;

	apply(a, 3, WQ_AFFN_SYSTEM, -1);
	apply(b, 3, WQ_AFFN_SYSTEM, -1);
	look_on(nth_cpu(0), a, &la);
	look_on(nth_cpu(0), b, &lb);
	EXPECT_EQ(la.pool, lb.pool);
	apply(b, 4, WQ_AFFN_SYSTEM, -1);
	look_on(nth_cpu(0), b, &lb);
	EXPECT_OP(la.pool, !=, lb.pool);
	destroy_workqueue(a);
	destroy_workqueue(b);
}

/* Without users the workers of a pool end, and its record is used again. */
TEST(pools_come_and_go)
{
	int threads, first = -1;

	check_library_works();
	workqueue_init_topology();
	threads = count_threads();
	for (int round = 0; round < 20; round++) {
		struct workqueue_struct *wq =
			alloc_workqueue("short", WQ_UNBOUND, 0);
		struct look l;

		apply(wq, 1 + round % 19, WQ_AFFN_SYSTEM, -1);
		look_on(nth_cpu(0), wq, &l);
		EXPECT_EQ(l.nice, 1 + round % 19);
		if (!round)
			first = l.pool;
		EXPECT_OP(l.pool - first, <, 5);
		destroy_workqueue(wq);
		/* Those of the pool, not of others, which may be more now. */
		wait_for(count_threads() <= threads + 2);
	}
}

/* Items that run, and those that wait for them, are done where they are. */
TEST(work_in_flight)
{
	struct workqueue_struct *wq = alloc_workqueue("flight", WQ_UNBOUND, 2);
	static struct item it[N];

	need_detector();
	workqueue_init_topology();
	pin_to(nth_cpu(
		0)); /* on one node, the others have limits of their own */
	for (int i = 0; i < N; i++)
		item_init_held(&it[i]);
	for (int i = 0; i < N; i++) {
		EXPECT(queue_work(wq, &it[i].work));
		if (i % 3 == 2)
			apply(wq, i, WQ_AFFN_CPU, -1);
	}
	wait_for(items_started(it, N) == 2);
	linger();
	/* max_active holds across old and new pools. */
	EXPECT_EQ(items_started(it, N), 2);
	for (int i = 0; i < N; i++)
		item_release(&it[i]);
	flush_workqueue(wq);
	EXPECT_EQ(items_finished(it, N), N);
	destroy_workqueue(wq);
}

/* A flush that began before, and one after, wait for the old pool's items. */
static long flusher(void *wq)
{
	flush_workqueue(wq);
	return 0;
}

TEST(flush_across)
{
	struct workqueue_struct *wq = alloc_workqueue("flush", WQ_UNBOUND, 0);
	struct thread before, after;
	struct item it, late;

	item_init_held(&it);
	item_init_held(&late);
	queue_work(wq, &it.work);
	wait_for(item_started(&it));
	thread_start(&before, flusher, wq);
	wait_asleep_tid(before.tid);
	apply(wq, 1, WQ_AFFN_CPU, -1);
	queue_work(wq, &late.work);
	thread_start(&after, flusher, wq);
	wait_asleep_tid(after.tid);
	item_release(&it);
	thread_join(&before);
	EXPECT_EQ(item_runs(&it), 1);
	linger();
	EXPECT(!thread_done(&after));
	item_release(&late);
	thread_join(&after);
	EXPECT_EQ(item_runs(&late), 1);
	destroy_workqueue(wq);
}

static long do_cancel(void *work)
{
	return cancel_work_sync(work);
}

/* The new pwq of an ordered queue is plugged until the old one is empty. */
TEST(ordered_waits_for_the_old)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("line", 0);
	static struct look l[6];

	need_detector();
	for (int i = 0; i < 6; i++) {
		item_init_held(&l[i].it);
		l[i].it.hook = look;
		EXPECT(queue_work(wq, &l[i].it.work));
		if (i % 2)
			apply(wq, i, WQ_AFFN_DFL, -1);
	}
	for (int i = 0; i < 6; i++) {
		wait_for(item_started(&l[i].it));
		linger();
		for (int k = i + 1; k < 6; k++)
			EXPECT_EQ(item_started(&l[k].it), 0);
		item_release(&l[i].it);
		wait_for(item_runs(&l[i].it));
		EXPECT_EQ(l[i].nice, i < 2 ? 0 : i < 4 ? 1 : 3);
	}
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&l[5].it), 1);
	destroy_workqueue(wq);
}

/* Back to a pool that is still busy with this queue, and to one that is not. */
TEST(ordered_back_and_forth)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("line", 0);
	static struct item it[N];
	int order = 0;

	for (int round = 0; round < 30; round++) {
		bool held = round % 2;

		for (int i = 0; i < N; i++) {
			item_init(&it[i]);
			if (held)
				item_init_held(&it[i]);
			EXPECT(queue_work(wq, &it[i].work));
			apply(wq, i % 3, WQ_AFFN_DFL, -1);
		}
		for (int i = 0; i < N; i++)
			item_release(&it[i]);
		flush_workqueue(wq);
		for (int i = 0; i < N; i++) {
			EXPECT_EQ(item_runs(&it[i]), 1);
			EXPECT_OP(it[i].order, >, order);
			order = it[i].order;
		}
	}
	destroy_workqueue(wq);
}

/* Its run goes on in the old pool, where nobody looks who only knows the new one. */
TEST(ordered_cancel_waits_for_the_old)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("line", 0);
	static struct item it;
	struct thread t;

	item_init_held(&it);
	EXPECT(queue_work(wq, &it.work));
	wait_for(item_started(&it));
	apply(wq, 1, WQ_AFFN_DFL, -1);
	EXPECT(queue_work(wq, &it.work));
	thread_start(&t, do_cancel, &it.work);
	EXPECT(thread_asleep(&t));
	EXPECT_EQ(item_runs(&it), 0);
	item_release(&it);
	EXPECT_EQ(thread_join(&t), true);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(wq);
}

/* --- under load --- */

#define PRODUCERS 3
#define PER	  64

struct storm {
	struct workqueue_struct *wq;
	struct item it[PER];
	atomic_bool *stop;
	long queued;
	int last;     /* of its items that ran, in queueing order */
	int disorder; /* times it was not so */
};

static atomic_int running;
static atomic_int most;

static void count_in(struct item *it)
{
	int n = atomic_fetch_add(&running, 1) + 1;
	int seen = atomic_load(&most);

	while (n > seen && !atomic_compare_exchange_weak(&most, &seen, n))
		;
	if (it->arg % 7 == 0)
		sched_yield();
	atomic_fetch_sub(&running, 1);
}

/* Queue items in turn, and each again as soon as it is idle. */
static long produce(void *arg)
{
	struct storm *s = arg;

	for (int i = 0; !atomic_load(s->stop); i = (i + 1) % PER)
		s->queued += queue_work(s->wq, &s->it[i].work);
	return 0;
}

static void storm(struct workqueue_struct *wq, int max, int rounds)
{
	static struct storm s[PRODUCERS];
	struct thread t[PRODUCERS];
	atomic_bool stop = false;

	for (int p = 0; p < PRODUCERS; p++) {
		s[p].wq = wq;
		s[p].stop = &stop;
		for (int i = 0; i < PER; i++) {
			item_init(&s[p].it[i]);
			s[p].it[i].hook = count_in;
			s[p].it[i].arg = i;
		}
		thread_start(&t[p], produce, &s[p]);
	}
	for (int r = 0; r < rounds; r++)
		apply(wq, r % 4, r % 3 ? WQ_AFFN_CPU : WQ_AFFN_SYSTEM,
		      r % 5 == 4 ? nth_cpu(0) : -1);
	atomic_store(&stop, true);
	for (int p = 0; p < PRODUCERS; p++)
		thread_join(&t[p]);
	flush_workqueue(wq);
	for (int p = 0; p < PRODUCERS; p++) {
		long runs = 0;

		for (int i = 0; i < PER; i++) {
			runs += item_runs(&s[p].it[i]);
			EXPECT_EQ(s[p].it[i].overlaps, 0);
		}
		EXPECT_EQ(runs, s[p].queued);
	}
	EXPECT_OP(most, <=, max);
	destroy_workqueue(wq);
}

TEST(storm_unbound)
{
	int nodes = nr_nodes();

	/* Of each node, and of what spans them. */
	storm(alloc_workqueue("storm", WQ_UNBOUND, 3),
	      3 * (nodes > 1 ? nodes + 1 : 1), 300);
}

TEST(storm_ordered)
{
	storm(alloc_ordered_workqueue("storm", 0), 1, 300);
}

TEST(storm_on_many_pods, .topology = "numa:2 l3:2 core:2 pu:2")
{
	storm(alloc_workqueue("storm", WQ_UNBOUND, 32), 64, 300);
}

/* One producer's items run in the order in which it queued them. */
#define LINE 200000

struct ticket {
	struct work_struct work;
	int nr;
};

static atomic_int next_nr;
static atomic_int misplaced;

static void run_ticket(struct work_struct *work)
{
	struct ticket *t = from_work(t, work, work);

	if (atomic_fetch_add(&next_nr, 1) != t->nr)
		misplaced++;
	free(t);
}

static long queue_line(void *wq)
{
	for (int i = 0; i < LINE; i++) {
		struct ticket *t = malloc(sizeof(*t));

		INIT_WORK(&t->work, run_ticket);
		t->nr = i;
		queue_work(wq, &t->work);
		if (i % 1000 == 999)
			wait_for(atomic_load(&next_nr) > i - 20000);
	}
	return 0;
}

TEST(order_under_load)
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("line", 0);
	struct thread t;
	int rounds = 0;

	thread_start(&t, queue_line, wq);
	while (!thread_done(&t))
		apply(wq, rounds++ % 3, WQ_AFFN_DFL, -1);
	thread_join(&t);
	flush_workqueue(wq);
	EXPECT_EQ(atomic_load(&next_nr), LINE);
	EXPECT_EQ(atomic_load(&misplaced), 0);
	EXPECT_OP(rounds, >, 1);
	destroy_workqueue(wq);
}

/* --- other machines --- */

/* How many of the items held on @cpu start. */
static int started_on(int cpu, struct workqueue_struct *wq, struct item *it,
		      int n, int expected)
{
	for (int i = 0; i < n; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work_on(cpu, wq, &it[i].work));
	}
	wait_for(items_started(it, n) >= expected);
	linger();
	return items_started(it, n);
}

static void end_all(struct item *it, int n)
{
	for (int i = 0; i < n; i++)
		item_release(&it[i]);
	wait_for(items_finished(it, n) == n);
}

#define MANY 40

/* Two nodes of 4 and 4 CPUs: each gets half of max_active, or min_active. */
TEST(nodes_share_max_active, .topology = "numa:2 core:4 pu:1")
{
	struct workqueue_struct *wq;
	static struct item a[MANY], b[MANY];

	need_detector();
	workqueue_init_topology();
	wq = alloc_workqueue("nodes", WQ_UNBOUND, 20);
	EXPECT_EQ(started_on(0, wq, a, MANY, 10), 10);
	EXPECT_EQ(started_on(5, wq, b, MANY, 10), 10);
	workqueue_set_min_active(wq, 12);
	wait_for(items_started(a, MANY) == 12 && items_started(b, MANY) == 12);
	linger();
	EXPECT_EQ(items_started(a, MANY), 12);
	workqueue_set_max_active(wq, 40);
	wait_for(items_started(a, MANY) == 20 && items_started(b, MANY) == 20);
	linger();
	EXPECT_EQ(items_started(b, MANY), 20);
	end_all(a, MANY);
	end_all(b, MANY);
	destroy_workqueue(wq);
}

/* Pods of one node take turns, so none starves behind another's long queue. */
TEST(pods_take_turns, .topology = "numa:1 l3:4 core:2 pu:1")
{
	struct workqueue_struct *wq;
	static struct item first[4], second[3];

	need_detector();
	workqueue_init_topology();
	wq = alloc_workqueue("turns", WQ_UNBOUND, 2);
	workqueue_set_min_active(wq, 1);
	EXPECT_EQ(started_on(0, wq, first, 4, 2), 2);
	EXPECT_EQ(started_on(6, wq, second, 3, 0), 0);
	/* This takes the pool's lock: now it stands in line, if it did not yet. */
	EXPECT(cancel_work(&second[2].work));
	item_release(&first[0]);
	wait_for(items_started(first, 4) + items_started(second, 2) == 3);
	item_release(&first[1]);
	wait_for(items_started(first, 4) + items_started(second, 2) == 4);
	linger();
	EXPECT_EQ(items_started(first, 4), 3);
	EXPECT_EQ(items_started(second, 2), 1);
	end_all(first, 4);
	end_all(second, 2);
	destroy_workqueue(wq);
}

/* 24 cores behind one cache: three shards of eight, and no more. */
TEST(cache_shards, .topology = "numa:1 l3:1 core:24 pu:2",
     .params = DEFAULT_SCOPE)
{
	struct workqueue_struct *wq;
	int pools[3];

	workqueue_init_topology();
	wq = alloc_workqueue("shards", WQ_UNBOUND, 0);
	for (int cpu = 0; cpu < 48; cpu++) {
		struct look l;

		look_on(cpu, wq, &l);
		if (cpu % 16 == 0)
			pools[cpu / 16] = l.pool;
		EXPECT_EQ(l.pool, pools[cpu / 16]);
	}
	EXPECT_OP(pools[0], !=, pools[1]);
	EXPECT_OP(pools[1], !=, pools[2]);
	EXPECT_OP(pools[0], !=, pools[2]);
	destroy_workqueue(wq);
}

TEST(queue_on_a_node, .topology = "numa:3 core:2 pu:1")
{
	struct workqueue_struct *wq, *percpu;
	struct look by_node, by_cpu;
	struct item it;

	workqueue_init_topology();
	wq = alloc_workqueue("node", WQ_UNBOUND, 0);
	percpu = alloc_workqueue("percpu", WQ_PERCPU, 0);
	for (int node = 0; node < 3; node++) {
		item_init(&by_node.it);
		by_node.it.hook = look;
		ASSERT(queue_work_node(node, wq, &by_node.it.work));
		flush_work(&by_node.it.work);
		look_on(node * 2, wq, &by_cpu);
		EXPECT_EQ(by_node.pool, by_cpu.pool);
	}
	item_init(&it);
	EXPECT(queue_work_node(7, wq, &it.work));
	flush_work(&it.work);
	EXPECT(queue_work_node(-1, wq, &it.work));
	flush_work(&it.work);
	EXPECT(queue_work_node(0, percpu, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 3);
	wait_for(log_has("queue_work_node"));
	destroy_workqueue(wq);
	destroy_workqueue(percpu);
}

/* On the pool that it had before the topology was known, too, where all of max_active
 * is one number. */
TEST(nodes_come_later, .topology = "numa:2 core:1 pu:1")
{
	struct workqueue_struct *wq = alloc_workqueue("late", WQ_UNBOUND, 2);
	static struct item it[N];

	need_detector();
	span_nodes(wq);
	EXPECT_EQ(started_on(0, wq, it, N, 2), 2);
	workqueue_set_max_active(wq, 8);
	wait_for(items_started(it, N) == 8);
	linger();
	EXPECT_EQ(items_started(it, N), 8);
	end_all(it, N);
	destroy_workqueue(wq);
}

/* A queue that was there before the topology was known follows it. */
TEST(topology_comes_later, .topology = "numa:1 l3:2 core:2 pu:1")
{
	struct look a, b;

	do {
		look_on(0, system_dfl_wq, &a);
		look_on(2, system_dfl_wq, &b);
	} while (a.pool == b.pool);
	check_library_works();
}

TEST(housekeeping, .topology = "numa:1 core:4 pu:1")
{
	struct workqueue_struct *wq = alloc_workqueue("keep", WQ_UNBOUND, 0);
	cpumask_var_t mask;
	struct look l, whole;

	ASSERT(zalloc_cpumask_var(&mask, 0));
	workqueue_init_topology();
	look_on(0, wq, &whole);
	EXPECT_EQ(workqueue_unbound_housekeeping_update(NULL), -EINVAL);
	EXPECT(log_has("housekeeping"));
	cpumask_set_cpu(2, mask);
	EXPECT_EQ(workqueue_unbound_housekeeping_update(mask), 0);
	look_on(0, wq, &l);
	EXPECT_OP(l.pool, !=, whole.pool);
	/* No CPU at all cannot be meant. */
	cpumask_clear(mask);
	EXPECT_EQ(workqueue_unbound_housekeeping_update(mask), 0);
	look_on(0, wq, &l);
	EXPECT_EQ(l.pool, whole.pool);
	free_cpumask_var(mask);
	destroy_workqueue(wq);
}

/* --- bad input --- */

TEST(refused)
{
	struct workqueue_struct *wq = alloc_workqueue("good", WQ_UNBOUND, 0);
	struct workqueue_struct *percpu =
		alloc_workqueue("percpu", WQ_PERCPU, 0);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	static const int nices[] = { -21, 20, INT_MAX, INT_MIN };

	EXPECT_EQ(apply_workqueue_attrs(NULL, attrs), -EINVAL);
	wait_for(log_has("NULL"));
	EXPECT_EQ(apply_workqueue_attrs(percpu, attrs), -EINVAL);
	EXPECT(log_has_both("per-CPU", "percpu"));
	EXPECT_EQ(apply_workqueue_attrs(wq, NULL), -EINVAL);
	EXPECT(log_has_both("no attributes", "good"));
	for (int i = 0; i < 4; i++) {
		log_clear();
		attrs->nice = nices[i];
		EXPECT_EQ(apply_workqueue_attrs(wq, attrs), -EINVAL);
		EXPECT(log_has_both("nice", "good"));
	}
	attrs->nice = 0;
	attrs->affn_scope = WQ_AFFN_NR_TYPES;
	EXPECT_EQ(apply_workqueue_attrs(wq, attrs), -EINVAL);
	EXPECT(log_has_both("scope", "good"));
	workqueue_set_min_active(percpu, 3);
	EXPECT(log_has_both("min_active", "percpu"));
	/* No CPU of ours: all of them, as in the kernel. */
	attrs->affn_scope = WQ_AFFN_DFL;
	cpumask_clear(attrs->cpumask);
	EXPECT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	free_workqueue_attrs(attrs);
	check_library_works();
	destroy_workqueue(wq);
	destroy_workqueue(percpu);
}
