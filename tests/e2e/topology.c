/* SPDX-License-Identifier: MIT */
/*
 * topology.c - machines that we do not have: CMWQ_TOPOLOGY makes the library
 * believe in them. And the masks of the one that we have.
 *
 * timeout: 300
 */
#include "harness.h"

#include <sched.h>
#include <sys/prctl.h>
#include <cmwq/cpumask.h>

static void run_on(const char *synthetic, const char *name)
{
	char out[4096];
	int status;

	setenv("CMWQ_TOPOLOGY", synthetic, 1);
	status = run_hidden(name, NULL, out, sizeof(out));
	unsetenv("CMWQ_TOPOLOGY");
	if (status || out[0])
		printf("%s on '%s': wait status %#x, output:\n%s\n", name,
		       synthetic, (unsigned)status, out);
	EXPECT_EQ(status, 0);
	EXPECT(!out[0]);
}

static struct workqueue_struct *percpu, *unbound;

/* One item on each CPU. */
struct everywhere {
	struct work_struct work;
	struct counter *runs;
};

static void count_run(struct work_struct *work)
{
	struct everywhere *e = from_work(e, work, work);

	counter_inc(e->runs);
}

static void queue_everywhere(struct workqueue_struct *wq)
{
	struct everywhere *e = calloc(nr_cpu_ids, sizeof(*e));
	struct counter runs = { 0 };
	unsigned int cpu;

	ASSERT(e);
	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		INIT_WORK(&e[cpu].work, count_run);
		e[cpu].runs = &runs;
	}
	for_each_online_cpu(cpu)
		ASSERT(queue_work_on((int)cpu, wq, &e[cpu].work));
	flush_workqueue(wq);
	EXPECT_EQ(counter_get(&runs), num_online_cpus());
	free(e);
}

static void use_it(void)
{
	percpu = alloc_workqueue("percpu", WQ_PERCPU, 0);
	unbound = alloc_workqueue("unbound", WQ_UNBOUND, 0);
	queue_everywhere(percpu);
	queue_everywhere(unbound);
	workqueue_init_topology();
	queue_everywhere(percpu);
	queue_everywhere(unbound);
	destroy_workqueue(percpu);
	destroy_workqueue(unbound);
}

static long status_field(const char *name)
{
	FILE *f = fopen("/proc/self/status", "r");
	size_t len = strlen(name);
	char line[256];
	long value = -1;

	ASSERT(f);
	while (value < 0 && fgets(line, sizeof(line), f))
		if (!strncmp(line, name, len) && line[len] == ':')
			value = atol(line + len + 1);
	fclose(f);
	return value;
}

/* What it costs to have touched every CPU once: two threads for a pool that was
 * used, a sentinel, and the timer thread; a stack each. */
static void touch_every_cpu(void)
{
	long threads = status_field("Threads"), kib = status_field("VmRSS");
	struct workqueue_struct *wq = alloc_workqueue("touch", WQ_PERCPU, 0);

	queue_everywhere(wq);
	threads = status_field("Threads") - threads;
	kib = status_field("VmRSS") - kib;
	destroy_workqueue(wq);
	EXPECT(threads > 256 && threads <= 3 * 256 + 1);
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
	if (!getenv("MESON_EXE_WRAPPER")) /* an emulator's own */
		EXPECT(kib <= threads * 64);
#endif
}

TEST(machine_of_256, .hidden = true)
{
	ASSERT_EQ(nr_cpu_ids, 256);
	ASSERT_EQ(num_online_cpus(), 256);
	touch_every_cpu();
	use_it();
}

TEST(machine_of_1, .hidden = true)
{
	ASSERT_EQ(nr_cpu_ids, 1);
	use_it();
}

TEST(bigger_machine, .timeout = 90)
{
	run_on("pack:2 [numa] l3:4 core:16 pu:2", "machine_of_256");
}

TEST(smaller_machine)
{
	run_on("pu:1", "machine_of_1");
}

/* A worker of a CPU that does not exist believes that it is there: what it queues
 * runs there too. */
static char thread_name[16];

static void note_name(struct work_struct *work)
{
	(void)work;
	prctl(PR_GET_NAME, thread_name);
}

static DECLARE_WORK(second, note_name);

static void queue_second(struct work_struct *work)
{
	(void)work;
	schedule_work(&second);
}

static DECLARE_WORK(first, queue_second);

TEST(machine_of_8_cores, .hidden = true)
{
	char expected[16];

	for (int cpu = 0; cpu < 8; cpu++) {
		ASSERT(schedule_work_on(cpu, &first));
		flush_work(&first);
		flush_work(&second);
		snprintf(expected, sizeof(expected), "cmwq/%d:", cpu);
		EXPECT(!strncmp(thread_name, expected, strlen(expected)));
	}
}

TEST(workers_know_their_cpu)
{
	run_on("l3:2 core:4 pu:1", "machine_of_8_cores");
}

TEST(bad_topology, .hidden = true)
{
	ASSERT_EQ(nr_cpu_ids, nr_possible());
	use_it();
}

/* The harness takes messages from main() on; this one comes earlier. */
TEST(description_is_no_topology)
{
	char out[4096];

	setenv("CMWQ_TOPOLOGY", "core:many", 1);
	EXPECT_EQ(run_hidden("bad_topology", NULL, out, sizeof(out)), 0);
	EXPECT(strstr(out, "cmwq: CMWQ_TOPOLOGY: hwloc cannot make anything of "
			   "'core:many', ignored\n"));
}

TEST(masks_of_this_machine, .topology = "")
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	unsigned int cpu;
	int n = 0;

	ASSERT(attrs);
	EXPECT_EQ(nr_cpu_ids, nr_possible());
	EXPECT_EQ(num_possible_cpus(), nr_possible());
	EXPECT_EQ(num_online_cpus(), nr_allowed());
	for_each_online_cpu(cpu) EXPECT_EQ(cpu, nth_cpu(n++));
	EXPECT_EQ(n, nr_allowed());
	EXPECT(cpumask_equal(attrs->cpumask, cpu_possible_mask));
	free_workqueue_attrs(attrs);
}

/* hwloc must not move the thread that asks it, and any number may ask. */
static long init_topology(void *arg)
{
	cpu_set_t before, after;

	(void)arg;
	sched_getaffinity(0, sizeof(before), &before);
	workqueue_init_topology();
	sched_getaffinity(0, sizeof(after), &after);
	return CPU_EQUAL(&before, &after);
}

TEST(many_load_it)
{
	struct thread t[8];

	for (int i = 0; i < 8; i++)
		thread_start(&t[i], init_topology, NULL);
	for (int i = 0; i < 8; i++)
		EXPECT_EQ(thread_join(&t[i]), 1);
}

/*
 * For tests/shards.sh, which has valgrind write down every access: what
 * queue_work() does on CPUs of two shards, between stores to the two marks. Both
 * pools are full and have work waiting, and the tick is on: as it is when it
 * matters.
 */
enum {
	SHARD_CPUS = 8,
	NR_PUSHED = 16
};
static _Alignas(64) _Atomic int window_opens, window_closes;
static struct {
	_Alignas(64) struct work_struct work;
} pushed[NR_PUSHED];
static struct item holder[2 * SHARD_CPUS];

static void nothing(struct work_struct *work)
{
	(void)work;
}

static void queue_watched(struct workqueue_struct *wq, int i)
{
	int cpu = i % 2 ? 71 : 0;

	INIT_WORK(&pushed[i].work, nothing);
	atomic_store(&window_opens, i);
	queue_work_on(cpu, wq, &pushed[i].work);
	atomic_store(&window_closes, i);
}

/* From then on the tick is on: the timer thread has been through its duties when
 * it fires what is armed after that. */
static void leave_two_waiting(struct workqueue_struct *wq)
{
	static DECLARE_WORK(one, nothing);
	static DECLARE_WORK(other, nothing);
	static DECLARE_DELAYED_WORK(timed, nothing);

	queue_work_on(0, wq, &one);
	queue_work_on(71, wq, &other);
	ASSERT(schedule_delayed_work(&timed, 1));
	wait_for(!delayed_work_pending(&timed));
}

TEST(queue_on_two_shards, .hidden = true)
{
	struct workqueue_struct *wq = alloc_workqueue("shards", WQ_UNBOUND, 0);
	const int n = 2 * SHARD_CPUS;
	int local;

	ASSERT_EQ(nr_cpu_ids, 72);
	workqueue_init_topology();
	for (int i = 0; i < n; i++) {
		item_init_held(&holder[i]);
		queue_work_on(i % 2 ? 71 : 0, wq, &holder[i].work);
	}
	wait_for(items_started(holder, n) == n);
	leave_two_waiting(wq);
	printf("marks %p %p stack %p\n", (void *)&window_opens,
	       (void *)&window_closes, (void *)&local);
	fflush(stdout);
	for (int i = 0; i < NR_PUSHED; i++)
		queue_watched(wq, i);
	for (int i = 0; i < n; i++)
		item_release(&holder[i]);
	destroy_workqueue(wq);
}

/*
 * The workqueue leaves a node on which one of its items waits for another. However
 * little is promised to a node, its share never is nothing.
 */
TEST(leaves_a_node, .topology = "numa:2 core:2 pu:1")
{
	struct workqueue_struct *wq = alloc_workqueue("moves", WQ_UNBOUND, 2);
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct item it[2];

	ASSERT_EQ(nr_cpu_ids, 4);
	workqueue_set_min_active(wq, 0);
	attrs->affn_scope = WQ_AFFN_NUMA;
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	item_init_held(&it[0]);
	item_init(&it[1]);
	for (int i = 0; i < 2; i++)
		ASSERT(queue_work_on(3, wq, &it[i].work));
	wait_for(item_started(&it[0]));
	cpumask_clear(attrs->cpumask);
	cpumask_set_cpu(0, attrs->cpumask);
	cpumask_set_cpu(1, attrs->cpumask);
	ASSERT_EQ(apply_workqueue_attrs(wq, attrs), 0);
	free_workqueue_attrs(attrs);
	item_release(&it[0]);
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it[1]), 1);
	destroy_workqueue(wq);
}
