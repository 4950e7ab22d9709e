/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of topo.c on synthetic machines, and on the one we are on. The source
 * is included, so that each test can begin before the topology was read.
 *
 * rooms: life lock log param
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <hwloc.h>

/* Makes hwloc fail. */
static int load_errno;

static int topology_load(hwloc_topology_t t)
{
	if (!load_errno)
		return hwloc_topology_load(t);
	errno = load_errno;
	return -1;
}

#define hwloc_topology_load topology_load

#include "../../src/topo.c"

#undef hwloc_topology_load
#include "unit/cpus.h"
#include "unit/fake_os.h"

/* As in early() of init.c. */
static void begin(const char *synthetic)
{
	topo_pretend(synthetic);
	topo_open();
	assert_int_equal(cpumask_init(), 0);
	assert_int_equal(topo_init(), 0);
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	atomic_store(&params.cache_shard_size, 8);
	return 0;
}

static int teardown(void **state)
{
	struct topology *t = atomic_load(&current);

	(void)state;
	if (tree)
		free_tree();
	tree_loaded = false;
	if (t->before)
		free_topology(t->before);
	free_topology(t);
	atomic_store(&current, NULL);
	atomic_store(&load_result, NOT_LOADED);
	forget_cpus();
	return 0;
}

static const char *list_of(const struct cpumask *mask)
{
	static char buf[4096];

	cpulist_scnprintf(buf, sizeof(buf), mask);
	return buf;
}

static void assert_pod(enum wq_affn_scope scope, int pod, const char *list)
{
	assert_string_equal(list_of(topo_pods(scope)->mask[pod]), list);
}

static void assert_nr_pods(int cpu, int smt, int cache, int shard, int numa,
			   int system)
{
	assert_int_equal(topo_pods(WQ_AFFN_CPU)->nr_pods, cpu);
	assert_int_equal(topo_pods(WQ_AFFN_SMT)->nr_pods, smt);
	assert_int_equal(topo_pods(WQ_AFFN_CACHE)->nr_pods, cache);
	assert_int_equal(topo_pods(WQ_AFFN_CACHE_SHARD)->nr_pods, shard);
	assert_int_equal(topo_pods(WQ_AFFN_NUMA)->nr_pods, numa);
	assert_int_equal(topo_pods(WQ_AFFN_SYSTEM)->nr_pods, system);
}

/* What holds on every machine: see the letters. */
static void assert_partition(const struct topo_pods *p)
{
	unsigned int seen = 0, first = 0;

	for (int pod = 0; pod < p->nr_pods; pod++) {
		unsigned int cpu;

		/* No pod is empty, and they are in order. */
		assert_true(cpumask_first(p->mask[pod]) < nr_cpu_ids);
		assert_true(!pod || cpumask_first(p->mask[pod]) > first);
		first = cpumask_first(p->mask[pod]);
		seen += cpumask_weight(p->mask[pod]);
		for_each_cpu (cpu, p->mask[pod]) {
			int node = p->node_of_pod[pod];

			assert_int_equal(p->pod_of_cpu[cpu], pod);
			if (node >= 0)
				assert_int_equal(topo_node_of_cpu((int)cpu),
						 node);
		}
		if (p->node_of_pod[pod] < 0)
			assert_true(cpumask_weight(p->mask[pod]) > 1);
	}
	assert_int_equal(seen, nr_cpu_ids);
}

static void assert_within(enum wq_affn_scope inner, enum wq_affn_scope outer)
{
	const struct topo_pods *in = topo_pods(inner);
	const struct topo_pods *out = topo_pods(outer);

	for (int pod = 0; pod < in->nr_pods; pod++) {
		unsigned int first = cpumask_first(in->mask[pod]);

		assert_true(cpumask_subset(in->mask[pod],
					   out->mask[out->pod_of_cpu[first]]));
	}
}

/* Shards have at most the cores they may have, and those of a cache nearly the
 * same number. */
static void assert_shards(void)
{
	const struct topo_pods *cores = topo_pods(WQ_AFFN_SMT);
	const struct topo_pods *shards = topo_pods(WQ_AFFN_CACHE_SHARD);
	const struct topo_pods *caches = topo_pods(WQ_AFFN_CACHE);
	int size[64], least[64], most[64];

	assert_true(shards->nr_pods <= 64);
	memset(size, 0, sizeof(size));
	for (int core = 0; core < cores->nr_pods; core++)
		size[shards->pod_of_cpu[cpumask_first(cores->mask[core])]]++;
	for (int i = 0; i < caches->nr_pods; i++) {
		least[i] = INT_MAX;
		most[i] = 0;
	}
	for (int i = 0; i < shards->nr_pods; i++) {
		int cache = caches->pod_of_cpu[cpumask_first(shards->mask[i])];

		assert_in_range(size[i], 1, param_get(cache_shard_size));
		least[cache] = size[i] < least[cache] ? size[i] : least[cache];
		most[cache] = size[i] > most[cache] ? size[i] : most[cache];
	}
	for (int i = 0; i < caches->nr_pods; i++)
		assert_true(most[i] - least[i] <= 1);
}

static void load(void)
{
	unsigned int seen = 0;

	assert_int_equal(topo_load(), 0);
	assert_string_equal(fake_stderr(), "");
	for (int scope = WQ_AFFN_DFL + 1; scope < WQ_AFFN_NR_TYPES; scope++)
		assert_partition(topo_pods(scope));
	assert_within(WQ_AFFN_CPU, WQ_AFFN_SMT);
	assert_within(WQ_AFFN_SMT, WQ_AFFN_CACHE_SHARD);
	assert_within(WQ_AFFN_CACHE_SHARD, WQ_AFFN_CACHE);
	assert_within(WQ_AFFN_CACHE, WQ_AFFN_NUMA);
	assert_within(WQ_AFFN_NUMA, WQ_AFFN_SYSTEM);
	assert_shards();
	for (int node = 0; node < topo_nr_nodes(); node++)
		seen += cpumask_weight(topo_cpus_of_node(node));
	assert_int_equal(seen, nr_cpu_ids);
	assert_null(topo_cpus_of_node(-1));
	assert_null(topo_cpus_of_node(topo_nr_nodes()));
}

static void test_before_the_load(void **state)
{
	(void)state;
	begin("pack:2 [numa] l3:4 core:8 pu:2");
	assert_int_equal(nr_cpu_ids, 128);
	assert_nr_pods(1, 1, 1, 1, 1, 1);
	assert_pod(WQ_AFFN_CPU, 0, "0-127");
	assert_int_equal(topo_pods(WQ_AFFN_CPU)->node_of_pod[0], 0);
	assert_int_equal(topo_nr_nodes(), 1);
	assert_int_equal(topo_node_of_cpu(127), 0);
	assert_int_equal(cpumask_weight(topo_cpus_of_node(0)), 128);
}

static void test_server(void **state)
{
	(void)state;
	begin("pack:2 [numa] l3:4 core:8 pu:2");
	load();
	assert_nr_pods(128, 64, 8, 8, 2, 1);
	assert_pod(WQ_AFFN_CPU, 77, "77");
	assert_pod(WQ_AFFN_SMT, 1, "2-3");
	assert_pod(WQ_AFFN_CACHE, 1, "16-31");
	assert_pod(WQ_AFFN_CACHE_SHARD, 7, "112-127");
	assert_pod(WQ_AFFN_NUMA, 1, "64-127");
	assert_pod(WQ_AFFN_SYSTEM, 0, "0-127");
	assert_int_equal(topo_nr_nodes(), 2);
	assert_int_equal(topo_node_of_cpu(63), 0);
	assert_int_equal(topo_node_of_cpu(64), 1);
	assert_string_equal(list_of(topo_cpus_of_node(1)), "64-127");
	assert_int_equal(topo_pods(WQ_AFFN_CACHE)->node_of_pod[4], 1);
	assert_int_equal(topo_pods(WQ_AFFN_SYSTEM)->node_of_pod[0], -1);
}

/* As Linux numbers them: all first threads, then all second ones. */
static void test_siblings_far_apart(void **state)
{
	(void)state;
	begin("l3:2 core:10 pu:2(indexes=0,20,1,21,2,22,3,23,4,24,5,25,6,26,7,"
	      "27,8,28,9,29,10,30,11,31,12,32,13,33,14,34,15,35,16,36,17,37,"
	      "18,38,19,39)");
	load();
	assert_nr_pods(40, 20, 2, 4, 1, 1);
	assert_pod(WQ_AFFN_SMT, 19, "19,39");
	assert_pod(WQ_AFFN_CACHE, 1, "10-19,30-39");
	assert_pod(WQ_AFFN_CACHE_SHARD, 1, "5-9,25-29");
	assert_pod(WQ_AFFN_CACHE_SHARD, 2, "10-14,30-34");
}

static void test_one_big_cache(void **state)
{
	(void)state;
	begin("l3:1 core:72 pu:1");
	load();
	assert_nr_pods(72, 72, 1, 9, 1, 1);
	assert_pod(WQ_AFFN_CACHE_SHARD, 0, "0-7");
	assert_pod(WQ_AFFN_CACHE_SHARD, 8, "64-71");
}

static void test_shard_sizes(void **state)
{
	static const struct {
		const char *synthetic;
		long size;
		int nr;
		const char *first, *second;
	} c[] = {
		{ "l3:1 core:8 pu:1", 8, 1, "0-7", NULL },
		{ "l3:1 core:9 pu:1", 8, 2, "0-4", "5-8" },
		{ "l3:1 core:10 pu:1", 8, 2, "0-4", "5-9" },
		{ "l3:1 core:12 pu:1", 8, 2, "0-5", "6-11" },
		{ "l3:1 core:20 pu:1", 8, 3, "0-6", "7-13" },
		{ "l3:1 core:20 pu:2", 8, 3, "0-13", "14-27" },
		{ "l3:2 core:10 pu:1", 8, 4, "0-4", "5-9" },
		{ "l3:1 core:20 pu:1", 1, 20, "0", "1" },
		{ "l3:1 core:20 pu:2", 3, 7, "0-5", "6-11" },
		{ "l3:1 core:20 pu:1", 8192, 1, "0-19", NULL },
		{ "l3:4 core:2 pu:2", 8, 4, "0-3", "4-7" },
	};

	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++) {
		setup(state);
		atomic_store(&params.cache_shard_size, c[i].size);
		begin(c[i].synthetic);
		load();
		assert_int_equal(topo_pods(WQ_AFFN_CACHE_SHARD)->nr_pods,
				 c[i].nr);
		assert_pod(WQ_AFFN_CACHE_SHARD, 0, c[i].first);
		if (c[i].second)
			assert_pod(WQ_AFFN_CACHE_SHARD, 1, c[i].second);
		teardown(state);
	}
	setup(state);
	begin(NULL);
}

static void test_many_cpus(void **state)
{
	(void)state;
	begin("pack:2 [numa] l3:8 core:16 pu:1");
	assert_int_equal(nr_cpu_ids, 256);
	load();
	assert_nr_pods(256, 256, 16, 32, 2, 1);
}

static void test_one_cpu(void **state)
{
	(void)state;
	begin("pu:1");
	assert_int_equal(nr_cpu_ids, 1);
	load();
	assert_nr_pods(1, 1, 1, 1, 1, 1);
	assert_pod(WQ_AFFN_SYSTEM, 0, "0");
}

/* A node that belongs to all CPUs, as big slow memory does, is nobody's. */
static void test_far_memory(void **state)
{
	(void)state;
	begin("[numa] pack:2 [numa] l3:1 core:4 pu:1");
	load();
	assert_nr_pods(8, 8, 2, 2, 2, 1);
	assert_pod(WQ_AFFN_NUMA, 0, "0-3");
	assert_pod(WQ_AFFN_NUMA, 1, "4-7");
	assert_int_not_equal(topo_node_of_cpu(0), topo_node_of_cpu(4));
}

/* A cache that serves two nodes is cut in two. */
static void test_cache_of_two_nodes(void **state)
{
	(void)state;
	begin("l3:1 group:2 [numa] core:4 pu:2");
	load();
	assert_nr_pods(16, 8, 2, 2, 2, 1);
	assert_pod(WQ_AFFN_CACHE, 0, "0-7");
	assert_pod(WQ_AFFN_CACHE, 1, "8-15");
}

/* Nothing known: each CPU a core, and as many as share a node share a cache. */
static void test_without_caches(void **state)
{
	(void)state;
	begin("group:2 [numa] pu:10");
	load();
	assert_nr_pods(20, 20, 2, 4, 2, 1);
	assert_pod(WQ_AFFN_CACHE, 1, "10-19");
	assert_pod(WQ_AFFN_CACHE_SHARD, 1, "5-9");
}

/*
 * What synthetic descriptions cannot say: nodes of different sizes, one without
 * CPUs, and CPUs (4-7, 9) of which hwloc does not know.
 */
static void test_lopsided(void **state)
{
	static const char file[] = "unit-topo-lopsided.xml";
	hwloc_topology_t t;
	hwloc_bitmap_t set = hwloc_bitmap_alloc();

	(void)state;
	hwloc_topology_init(&t);
	hwloc_topology_set_synthetic(t, "pack:4 [numa] l3:1 core:2 pu:2");
	hwloc_topology_load(t);
	hwloc_bitmap_list_sscanf(set, "0-3,8,10-15");
	assert_int_equal(hwloc_topology_restrict(t, set, 0), 0);
	assert_int_equal(hwloc_topology_export_xml(t, file, 0), 0);
	hwloc_topology_destroy(t);
	hwloc_bitmap_free(set);

	fake_set_cpus(16, 0xffff);
	setenv("HWLOC_XMLFILE", file, 1);
	begin(NULL);
	load();
	unsetenv("HWLOC_XMLFILE");
	remove(file);
	assert_nr_pods(16, 2 + 4 + 1 + 1 + 1 + 2, 4, 4, 3, 1);
	assert_pod(WQ_AFFN_NUMA, 0, "0-7,9");
	assert_pod(WQ_AFFN_NUMA, 1, "8,10-11");
	assert_pod(WQ_AFFN_NUMA, 2, "12-15");
	assert_pod(WQ_AFFN_CACHE, 1, "4-7,9");
	assert_pod(WQ_AFFN_SMT, 2, "4");
	assert_int_equal(topo_pods(WQ_AFFN_NUMA)->node_of_pod[1], 2);
	assert_int_equal(topo_nr_nodes(), 4);
	assert_true(cpumask_empty(topo_cpus_of_node(1)));
}

static void test_this_machine(void **state)
{
	(void)state;
	fake_set_cpus((int)sysconf(_SC_NPROCESSORS_CONF), 1);
	begin(NULL);
	load();
	assert_int_equal(topo_pods(WQ_AFFN_CPU)->nr_pods, nr_cpu_ids);
	assert_int_equal(topo_pods(WQ_AFFN_SYSTEM)->nr_pods, 1);
}

static void test_bad_description(void **state)
{
	(void)state;
	fake_set_cpus(2, 3);
	begin("core:nonsense");
	assert_string_equal(fake_stderr(),
			    "cmwq: CMWQ_TOPOLOGY: hwloc cannot make anything "
			    "of 'core:nonsense', ignored\n");
	assert_int_equal(nr_cpu_ids, 2);
	assert_int_equal(topo_load(), 0);
}

static void test_too_many_cpus(void **state)
{
	(void)state;
	begin("pack:100 [numa] core:100 pu:1");
	assert_int_equal(nr_cpu_ids, NR_CPUS);
	assert_int_equal(topo_load(), 0);
	assert_string_equal(fake_stderr(), "cmwq: 1808 CPUs from number 8192 "
					   "on are not used\n");
	assert_partition(topo_pods(WQ_AFFN_CACHE_SHARD));
	assert_int_equal(topo_pods(WQ_AFFN_NUMA)->nr_pods, 82);
	assert_pod(WQ_AFFN_NUMA, 81, "8100-8191");
}

/* All is one pod, it is said once, and not tried again. */
static void test_failure(void **state)
{
	(void)state;
	begin(NULL);
	load_errno = EMFILE;
	assert_int_equal(topo_load(), -EMFILE);
	load_errno = 0;
	assert_string_equal(fake_stderr(),
			    "cmwq: cannot read the topology (Too many open "
			    "files); all CPUs are one pod\n");
	assert_nr_pods(1, 1, 1, 1, 1, 1);
	fake_clear_stderr();
	assert_int_equal(topo_load(), -EMFILE);
	assert_string_equal(fake_stderr(), "");
}

static void test_second_load(void **state)
{
	const struct topo_pods *before, *pods;

	(void)state;
	begin("l3:2 core:2 pu:1");
	before = topo_pods(WQ_AFFN_CACHE);
	load();
	pods = topo_pods(WQ_AFFN_CACHE);
	atomic_store(&params.cache_shard_size, 1);
	assert_int_equal(topo_load(), 0);
	assert_ptr_equal(topo_pods(WQ_AFFN_CACHE), pods);
	assert_int_equal(topo_pods(WQ_AFFN_CACHE_SHARD)->nr_pods, 2);
	/* Somebody may hold what was there before. */
	assert_partition(before);
	assert_int_equal(before->nr_pods, 1);
}

/* A child keeps what was loaded, loads what was not, and does without what was
 * being loaded. */
static void test_fork(void **state)
{
	(void)state;
	begin("l3:2 core:2 pu:1");
	topo_fork_prepare();
	topo_fork_done();
	topo_reset();
	load();
	assert_int_equal(topo_pods(WQ_AFFN_CACHE)->nr_pods, 2);
	topo_fork_prepare();
	topo_fork_done();
	topo_reset();
	assert_int_equal(topo_pods(WQ_AFFN_CACHE)->nr_pods, 2);
	assert_string_equal(fake_stderr(), "");

	teardown(state);
	begin("l3:2 core:2 pu:1");
	atomic_store(&load_result, LOADING);
	topo_reset();
	assert_string_equal(fake_stderr(),
			    "cmwq: forked while another thread read the "
			    "topology; all CPUs are one pod\n");
	assert_true(topo_load() < 0);
	assert_nr_pods(1, 1, 1, 1, 1, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_before_the_load),
		TEST(test_server),
		TEST(test_siblings_far_apart),
		TEST(test_one_big_cache),
		TEST(test_shard_sizes),
		TEST(test_many_cpus),
		TEST(test_one_cpu),
		TEST(test_far_memory),
		TEST(test_cache_of_two_nodes),
		TEST(test_without_caches),
		TEST(test_lopsided),
		TEST(test_this_machine),
		TEST(test_bad_description),
		TEST(test_too_many_cpus),
		TEST(test_failure),
		TEST(test_second_load),
		TEST(test_fork),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
