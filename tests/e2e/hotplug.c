/* SPDX-License-Identifier: MIT */
/*
 * hotplug.c - workqueue_offline_cpu(), workqueue_online_cpu(),
 * workqueue_prepare_cpu(): what the library does with CPUs that it has lost.
 * That it follows those that the system takes away is in cpuset.c.
 *
 * timeout: 300
 */
#include <dirent.h>
#include <cmwq/cpumask.h>

#include "child.h"
#include "cpus_load.h"

#define EIGHT .topology = "l3:2 core:4 pu:1"

static void run_on(int cpu, struct workqueue_struct *wq, struct item *it)
{
	item_init(it);
	ASSERT(queue_work_on(cpu, wq, &it->work));
	flush_work(&it->work);
	ASSERT_EQ(item_runs(it), 1);
}

static bool may_run_on(int tid, int cpu)
{
	cpu_set_t set;

	ASSERT_EQ(sched_getaffinity(tid, sizeof(set), &set), 0);
	return CPU_ISSET(cpu, &set);
}

static bool is_bound_to(int tid, int cpu)
{
	cpu_set_t set;

	ASSERT_EQ(sched_getaffinity(tid, sizeof(set), &set), 0);
	return CPU_ISSET(cpu, &set) && CPU_COUNT(&set) == 1;
}

static void offline(int cpu)
{
	ASSERT_EQ(workqueue_offline_cpu((unsigned int)cpu), 0);
	EXPECT(!cpumask_test_cpu(cpu, cpu_online_mask));
}

static void online(int cpu)
{
	ASSERT_EQ(workqueue_online_cpu((unsigned int)cpu), 0);
	EXPECT(cpumask_test_cpu(cpu, cpu_online_mask));
}

/* Our threads that run items or wait for an idle CPU and may be on @cpu. */
static int threads_on(int cpu)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *de;
	int n = 0;

	ASSERT(dir);
	while ((de = readdir(dir))) {
		char path[300], comm[32] = "";
		cpu_set_t set;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = fopen(path, "re");
		if (f && fgets(comm, sizeof(comm), f) &&
		    !strncmp(comm, "cmwq/", 5) &&
		    strncmp(comm, "cmwq/timer", 10) &&
		    !sched_getaffinity(atoi(de->d_name), sizeof(set), &set))
			n += CPU_ISSET(cpu, &set);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

TEST(runs_elsewhere_and_comes_back)
{
	struct item it;
	int cpu, tid;

	need_cpus(2);
	cpu = nth_cpu(1);
	run_on(cpu, system_wq, &it);
	EXPECT_EQ(it.cpu, cpu);
	tid = it.tid;
	EXPECT(is_bound_to(tid, cpu));
	offline(cpu);
	EXPECT(!may_run_on(tid, cpu));
	run_on(cpu, system_wq, &it);
	EXPECT(it.cpu != cpu);
	wait_for(log_has_both("CPU not available", "events"));
	online(cpu);
	log_clear();
	run_on(cpu, system_wq, &it);
	EXPECT_EQ(it.cpu, cpu);
	/* One that was about to start then has followed before it ran anything. */
	EXPECT(is_bound_to(it.tid, cpu));
	EXPECT(!log_has("CPU not available"));
}

TEST(no_thread_stays_there)
{
	struct item it[8];
	int cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	for (int i = 0; i < 8; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work_on(cpu, i % 2 ? system_wq : system_dfl_wq,
				     &it[i].work));
	}
	wait_for(items_started(it, 8) == 8);
	EXPECT(threads_on(cpu) > 0);
	offline(cpu);
	/* A worker that was being made moves when it is; a sentinel ends. */
	wait_for(threads_on(cpu) == 0);
	EXPECT_EQ(items_finished(it, 8), 0);
	online(cpu);
	for (int i = 0; i < 8; i++)
		EXPECT(may_run_on(it[i].tid, cpu));
	for (int i = 0; i < 8; i++)
		item_release(&it[i]);
	wait_for(items_finished(it, 8) == 8);
}

/* Side by side, as an unbound workqueue's would; on return one at a time. */
TEST(managed_only_while_there, EIGHT,
     .params = "workqueue.cpu_intensive_thresh_us=0")
{
	struct item it[4];

	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	offline(3);
	for (int i = 0; i < 4; i++) {
		item_init_held(&it[i]);
		it[i].spin = true;
	}
	ASSERT(queue_work_on(3, system_wq, &it[0].work));
	ASSERT(queue_work_on(3, system_wq, &it[1].work));
	wait_for(items_started(it, 2) == 2);
	online(3);
	ASSERT(queue_work_on(3, system_wq, &it[2].work));
	linger();
	EXPECT_EQ(item_started(&it[2]), 0);
	item_release(&it[0]);
	wait_for(item_idle(&it[0]));
	linger();
	EXPECT_EQ(item_started(&it[2]), 0);
	item_release(&it[1]);
	wait_for(item_started(&it[2]) == 1);
	/* What waits when the CPU is lost starts. */
	ASSERT(queue_work_on(3, system_wq, &it[3].work));
	linger();
	EXPECT_EQ(item_started(&it[3]), 0);
	offline(3);
	wait_for(item_started(&it[3]) == 1);
	item_release(&it[2]);
	item_release(&it[3]);
	flush_workqueue(system_wq);
}

TEST(blocked_on_a_lost_cpu)
{
	struct item it[4];
	int cpu;

	need_cpus(2);
	need_param("cmwq.tick");
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	cpu = nth_cpu(1);
	offline(cpu);
	for (int i = 0; i < 4; i++) {
		item_init_held(&it[i]);
		ASSERT(queue_work_on(cpu, system_wq, &it[i].work));
	}
	wait_for(items_started(it, 4) == 4);
	for (int i = 0; i < 4; i++)
		item_release(&it[i]);
	flush_workqueue(system_wq);
}

TEST(bad_cpus)
{
	EXPECT_EQ(workqueue_offline_cpu(nr_cpu_ids), -EINVAL);
	EXPECT(log_has("workqueue_offline_cpu: there is no CPU"));
	EXPECT_EQ(workqueue_online_cpu(nr_cpu_ids + 7), -EINVAL);
	EXPECT(log_has("workqueue_online_cpu: there is no CPU"));
	EXPECT_EQ(workqueue_prepare_cpu(UINT_MAX), -EINVAL);
	EXPECT(log_has("workqueue_prepare_cpu: there is no CPU"));
	check_library_works();
}

/* Twice, or back without having been away, is fine. */
TEST(as_often_as_one_likes, EIGHT)
{
	struct item it;

	for (int i = 0; i < 2; i++)
		offline(5);
	for (int i = 0; i < 2; i++)
		online(5);
	online(2);
	run_on(5, system_wq, &it);
	check_library_works();
}

TEST(all_but_one_and_the_last)
{
	struct item it;
	unsigned int cpu;
	int last = nth_cpu(nr_allowed() - 1);

	for (int n = 0; n < nr_allowed() - 1; n++)
		offline(nth_cpu(n));
	EXPECT_EQ(num_online_cpus(), 1);
	check_library_works();
	log_clear();
	EXPECT_EQ(workqueue_offline_cpu((unsigned int)last), -EBUSY);
	EXPECT(log_has_both("is the last one", "it stays"));
	EXPECT(cpumask_test_cpu(last, cpu_online_mask));
	run_on(last, system_wq, &it);
	EXPECT_EQ(it.cpu, last);
	for_each_possible_cpu(cpu) EXPECT_EQ(workqueue_online_cpu(cpu), 0);
	EXPECT_EQ(num_online_cpus(), nr_allowed());
	check_library_works();
}

TEST(all_but_one_of_eight, EIGHT)
{
	struct item it[8];

	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	for (int cpu = 0; cpu < 7; cpu++)
		offline(cpu);
	EXPECT_EQ(workqueue_offline_cpu(7), -EBUSY);
	EXPECT(log_has("is the last one"));
	for (int cpu = 0; cpu < 8; cpu++) {
		item_init(&it[cpu]);
		ASSERT(queue_work_on(cpu, cpu % 2 ? system_wq : system_dfl_wq,
				     &it[cpu].work));
	}
	flush_workqueue(system_wq);
	flush_workqueue(system_dfl_wq);
	EXPECT_EQ(items_finished(it, 8), 8);
	for (int cpu = 0; cpu < 7; cpu++)
		online(cpu);
	check_library_works();
}

/* Both pods of the workqueue: one loses all of its CPUs, and gets them back. */
TEST(a_pod_without_cpus, EIGHT)
{
	struct workqueue_struct *wq;
	struct item it[8];

	workqueue_init_topology();
	wq = alloc_workqueue("pods", WQ_UNBOUND, 0);
	ASSERT(wq);
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	for (int round = 0; round < 6; round++) {
		for (int cpu = 0; cpu < 4 && round % 2; cpu++)
			offline(cpu);
		for (int cpu = 0; cpu < 8; cpu++) {
			item_init(&it[cpu]);
			ASSERT(queue_work_on(cpu, wq, &it[cpu].work));
		}
		for (int cpu = 0; cpu < 4 && round % 2; cpu++)
			online(cpu);
		flush_workqueue(wq);
		EXPECT_EQ(items_finished(it, 8), 8);
	}
	destroy_workqueue(wq);
}

TEST(delayed_work_of_a_lost_cpu)
{
	struct item it[3];
	int cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	for (int i = 0; i < 3; i++)
		item_init(&it[i]);
	ASSERT(queue_delayed_work_on(cpu, system_wq, &it[0].dwork, 20));
	ASSERT(queue_delayed_work_on(cpu, system_wq, &it[1].dwork, 1000000));
	offline(cpu);
	ASSERT(queue_delayed_work_on(cpu, system_wq, &it[2].dwork, 10));
	wait_for(item_runs(&it[0]) == 1 && item_runs(&it[2]) == 1);
	EXPECT(it[2].cpu != cpu);
	EXPECT(!mod_delayed_work_on(cpu, system_wq, &it[0].dwork, 1000000));
	EXPECT(cancel_delayed_work_sync(&it[0].dwork));
	online(cpu);
	flush_delayed_work(&it[1].dwork);
	EXPECT_EQ(item_runs(&it[1]), 1);
	EXPECT_EQ(it[1].cpu, cpu);
}

/* Still one at a time and in order, on another CPU, and back. The BH thread follows
 * between two slices, so items that it was still awake for may be late. */
TEST(bh_items)
{
	struct item it[6];
	int cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	log_ignore("SCHED_FIFO");
	for (int round = 0; round < 4; round++) {
		bool lost = round % 2;

		if (lost)
			offline(cpu);
		for (int i = 0; i < 6; i++) {
			item_init(&it[i]);
			ASSERT(queue_work_on(cpu, system_bh_wq, &it[i].work));
		}
		flush_workqueue(system_bh_wq);
		EXPECT_EQ(items_finished(it, 6), 6);
		for (int i = 1; i < 6; i++)
			EXPECT(it[i].order == it[i - 1].order + 1);
		wait_for((run_on(cpu, system_bh_wq, &it[0]),
			  (it[0].cpu == cpu) != lost));
		if (lost)
			online(cpu);
	}
}

/* An item takes the CPU away that it runs on. */
static int own_result[2];

static void leave_own_cpu(struct item *it)
{
	unsigned int cpu = (unsigned int)it->arg;

	own_result[0] = workqueue_offline_cpu(cpu);
	EXPECT(!may_run_on(self_tid(), (int)cpu));
	own_result[1] = workqueue_online_cpu(cpu);
	EXPECT(is_bound_to(self_tid(), (int)cpu));
}

TEST(from_an_item)
{
	struct item it;

	need_cpus(2);
	item_init(&it);
	it.hook = leave_own_cpu;
	it.arg = nth_cpu(1);
	ASSERT(queue_work_on(nth_cpu(1), system_wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(own_result[0], 0);
	EXPECT_EQ(own_result[1], 0);
}

TEST(prepare_makes_workers)
{
	int before, cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	offline(cpu);
	wait_for(count_threads() == 1);
	before = count_threads();
	EXPECT_EQ(workqueue_prepare_cpu((unsigned int)cpu), 0);
	wait_for(count_threads() > before);
	linger(); /* they are counted by their names, which come late */
	before = count_threads();
	EXPECT_EQ(workqueue_prepare_cpu((unsigned int)cpu), 0);
	linger();
	EXPECT_EQ(count_threads(), before);
	online(cpu);
	wait_for(threads_on(cpu) >= before - 1);
	check_library_works();
}

/* Waiting for, taking back, and destroying what is on a CPU that goes. */
TEST(flush_cancel_destroy_meanwhile)
{
	struct workqueue_struct *wq;
	struct item it[4];
	int cpu;

	need_cpus(2);
	cpu = nth_cpu(1);
	log_ignore("CPU not available");
	log_ignore("refusals were not noted");
	for (int round = 0; round < 40; round++) {
		wq = alloc_workqueue("goes", WQ_PERCPU, 1);
		ASSERT(wq);
		for (int i = 0; i < 4; i++) {
			item_init(&it[i]);
			ASSERT(queue_work_on(cpu, wq, &it[i].work));
		}
		ASSERT_EQ(round % 2 ? workqueue_online_cpu((unsigned int)cpu)
				    : workqueue_offline_cpu((unsigned int)cpu),
			  0);
		flush_work(&it[0].work);
		EXPECT_EQ(item_runs(&it[0]), 1);
		EXPECT_EQ(cancel_work_sync(&it[3].work) + item_runs(&it[3]), 1);
		destroy_workqueue(wq);
		EXPECT_EQ(items_finished(it, 3), 3);
	}
}

static void check_child(void)
{
	CHECK(!cpumask_test_cpu(nth_cpu(1), cpu_online_mask));
	check_library();
	CHECK(!workqueue_online_cpu((unsigned int)nth_cpu(1)));
	CHECK(cpumask_test_cpu(nth_cpu(1), cpu_online_mask));
	check_library();
}

TEST(a_child_keeps_it)
{
	need_fork();
	need_cpus(2);
	make_report();
	workqueue_init_topology();
	check_library_works();
	offline(nth_cpu(1));
	for (enum how how = 0; how <= CLONE; how++)
		in_child(how, check_child);
	EXPECT(!cpumask_test_cpu(nth_cpu(1), cpu_online_mask));
}

static void toggle_until(uint64_t end)
{
	struct rng r = rng_make(77);
	bool off[CPU_SETSIZE] = { false };

	log_ignore("is the last one");
	while (now_ns() < end) {
		unsigned int cpu = rng_below(&r, nr_cpu_ids);

		if (!off[cpu])
			off[cpu] = !workqueue_offline_cpu(cpu);
		else
			off[cpu] = workqueue_online_cpu(cpu);
		usleep(rng_below(&r, 3000));
	}
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		EXPECT_EQ(workqueue_online_cpu(cpu), 0);
}

static void storm(void)
{
	load_start();
	toggle_until(now_ns() + load_ns());
	load_finish();
	check_library_works();
}

TEST(storm_here, .timeout = 90)
{
	need_cpus(2);
	storm();
}

TEST(storm_on_eight, EIGHT, .timeout = 90)
{
	workqueue_init_topology();
	storm();
}
