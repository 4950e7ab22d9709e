/* SPDX-License-Identifier: MIT */
/*
 * topo - the machine's topology as pods, by hwloc. See topo.h.
 *
 * hwloc's tree is reduced to three facts per CPU: its core, its last level
 * cache, its node. Pods are made from these, and the tree is freed. A group of CPUs
 * is named by its first CPU everywhere in here.
 *
 * - Core: the CPUs of hwloc's core, in one node.
 * - Last level cache: the highest data cache above a CPU, but cut at the borders
 *   of NUMA nodes, as the scheduler does where a cache serves several (SNC).
 * - Node: of the nodes near a CPU the one that is near the fewest CPUs, then the
 *   one with the lowest number: memory without CPUs of its own is farther away, or
 *   came later.
 *
 * CPUs about which hwloc says nothing (offline, hidden by a container) are a core
 * each, of the lowest node. CPUs without a cache share one, in their node. So on
 * a machine that tells nothing "cache" means the node.
 *
 * A topology is constant once it is published, by a store with release; the one
 * before it stays. topo_lock only keeps two threads from loading at once, and a
 * fork from happening within hwloc, which has locks of its own. A child of _Fork()
 * or clone() made in that very moment does without the topology.
 */
#include "topo.h"

#include <errno.h>
#include <hwloc.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<sys/single_threaded.h>)
#include <sys/single_threaded.h>
#define SINGLE_THREADED __libc_single_threaded
#else
#define SINGLE_THREADED false
#endif

#include "cpumask.h"
#include "lock.h"
#include "log.h"
#include "os.h"
#include "param.h"

struct topology {
	struct topo_pods pods[WQ_AFFN_NR_TYPES];
	struct topology *before; /* somebody may still look at it */
	int nr_nodes;
	int *node_of_cpu;
	struct cpumask **cpus_of_node;
};

/* What is known of the CPUs while a topology is made. */
struct facts {
	int *node;
	int *core; /* the first CPU of the same core, and so on */
	int *cache;
	int *shard;
	int *scratch;
};

/* What topo_load() returned, or one of these. */
enum {
	NOT_LOADED = 1,
	LOADING
};

static struct lock topo_lock = LOCK_INITIALIZER(RANK_TOPO);
static _Atomic int load_result = NOT_LOADED; /* written under topo_lock */
static _Atomic(struct topology *) current;   /* the same */

/* Under topo_lock, from the start until it is loaded and used. */
static hwloc_topology_t tree;
static bool tree_loaded;

const struct topo_pods *topo_pods(enum wq_affn_scope scope)
{
	return &atomic_load_explicit(&current, memory_order_acquire)
			->pods[scope];
}

int topo_nr_nodes(void)
{
	return atomic_load_explicit(&current, memory_order_acquire)->nr_nodes;
}

int topo_node_of_cpu(int cpu)
{
	return atomic_load_explicit(&current, memory_order_acquire)
		->node_of_cpu[cpu];
}

const struct cpumask *topo_cpus_of_node(int node)
{
	const struct topology *t =
		atomic_load_explicit(&current, memory_order_acquire);

	return node >= 0 && node < t->nr_nodes ? t->cpus_of_node[node] : NULL;
}

/* --- from facts to pods --- */

static void free_masks(struct cpumask **mask, int n)
{
	for (int i = 0; mask && i < n; i++)
		free_cpumask_var(mask[i]);
	free(mask);
}

static struct cpumask **new_masks(int n)
{
	struct cpumask **mask = calloc((size_t)n, sizeof(struct cpumask *));

	for (int i = 0; mask && i < n; i++) {
		mask[i] = cpumask_new();
		if (!mask[i]) {
			free_masks(mask, i);
			return NULL;
		}
	}
	return mask;
}

static void free_topology(struct topology *t)
{
	for (int scope = 0; scope < WQ_AFFN_NR_TYPES; scope++) {
		struct topo_pods *pods = &t->pods[scope];

		free(pods->pod_of_cpu);
		free(pods->node_of_pod);
		free_masks(pods->mask, pods->nr_pods);
	}
	free_masks(t->cpus_of_node, t->nr_nodes);
	free(t->node_of_cpu);
	free(t);
}

static int *new_ints(int n)
{
	return calloc((size_t)n, sizeof(int));
}

/* @first: of each CPU the first one of its pod. */
static int make_pods(struct topology *t, enum wq_affn_scope scope,
		     const int *first)
{
	struct topo_pods *pods = &t->pods[scope];
	int n = (int)nr_cpu_ids;

	for (int cpu = 0; cpu < n; cpu++)
		pods->nr_pods += first[cpu] == cpu;
	pods->pod_of_cpu = new_ints(n);
	pods->node_of_pod = new_ints(pods->nr_pods);
	pods->mask = new_masks(pods->nr_pods);
	if (!pods->pod_of_cpu || !pods->node_of_pod || !pods->mask)
		return -ENOMEM;
	for (int cpu = 0, next = 0; cpu < n; cpu++) {
		int pod = first[cpu] == cpu ? next++
					    : pods->pod_of_cpu[first[cpu]];
		int node = t->node_of_cpu[cpu];

		pods->pod_of_cpu[cpu] = pod;
		cpumask_set_cpu((unsigned int)cpu, pods->mask[pod]);
		if (first[cpu] == cpu)
			pods->node_of_pod[pod] = node;
		else if (pods->node_of_pod[pod] != node)
			pods->node_of_pod[pod] = -1;
	}
	return 0;
}

/* The new topology has nodes, and nothing else yet. */
static struct topology *new_topology(const int *node)
{
	struct topology *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->node_of_cpu = new_ints((int)nr_cpu_ids);
	for (int cpu = 0; cpu < (int)nr_cpu_ids; cpu++)
		if (node[cpu] >= t->nr_nodes)
			t->nr_nodes = node[cpu] + 1;
	t->cpus_of_node = new_masks(t->nr_nodes);
	if (!t->node_of_cpu || !t->cpus_of_node) {
		free_topology(t);
		return NULL;
	}
	for (int cpu = 0; cpu < (int)nr_cpu_ids; cpu++) {
		t->node_of_cpu[cpu] = node[cpu];
		cpumask_set_cpu((unsigned int)cpu, t->cpus_of_node[node[cpu]]);
	}
	return t;
}

/*
 * Cores of a cache that are more than a shard may have go into as few shards as
 * possible, whose sizes differ by one at most: core i of n into shard i * nr / n.
 * The scratch array counts a cache's cores, then those that have been placed.
 */
static void make_shards(struct facts *f, int size)
{
	int n = (int)nr_cpu_ids;
	int *cores = f->scratch, *placed = f->scratch + n;
	int *shard = f->scratch + 2 * n; /* the cache's newest */

	for (int cpu = 0; cpu < n; cpu++)
		cores[f->cache[cpu]] += f->core[cpu] == cpu;
	for (int cpu = 0; cpu < n; cpu++) {
		int cache = f->cache[cpu];
		int nr = (cores[cache] + size - 1) / size;
		int i;

		if (f->core[cpu] != cpu) {
			f->shard[cpu] = f->shard[f->core[cpu]];
			continue;
		}
		i = placed[cache]++;
		if (!i || i * nr / cores[cache] != (i - 1) * nr / cores[cache])
			shard[cache] = cpu;
		f->shard[cpu] = shard[cache];
	}
}

static struct topology *make_topology(struct facts *f)
{
	struct topology *t = new_topology(f->node);
	int n = (int)nr_cpu_ids;
	int *first = f->scratch;

	if (!t)
		return NULL;
	make_shards(f, (int)param_get(cache_shard_size));
	if (make_pods(t, WQ_AFFN_SMT, f->core) ||
	    make_pods(t, WQ_AFFN_CACHE, f->cache) ||
	    make_pods(t, WQ_AFFN_CACHE_SHARD, f->shard))
		goto fail;
	for (int cpu = 0; cpu < n; cpu++)
		first[cpu] = cpu;
	if (make_pods(t, WQ_AFFN_CPU, first))
		goto fail;
	for (int cpu = 0; cpu < n; cpu++)
		first[cpu] = (int)cpumask_first(t->cpus_of_node[f->node[cpu]]);
	if (make_pods(t, WQ_AFFN_NUMA, first))
		goto fail;
	memset(first, 0, (size_t)n * sizeof(*first));
	if (make_pods(t, WQ_AFFN_SYSTEM, first))
		goto fail;
	return t;
fail:
	free_topology(t);
	return NULL;
}

static void free_facts(struct facts *f)
{
	free(f->node);
	free(f->core);
	free(f->cache);
	free(f->shard);
	free(f->scratch);
}

static int new_facts(struct facts *f)
{
	int n = (int)nr_cpu_ids;

	f->node = new_ints(n);
	f->core = new_ints(n);
	f->cache = new_ints(n);
	f->shard = new_ints(n);
	f->scratch = new_ints(3 * n);
	if (f->node && f->core && f->cache && f->shard && f->scratch)
		return 0;
	free_facts(f);
	return -ENOMEM;
}

int topo_init(void)
{
	struct topology *t = NULL;
	int *zeros = new_ints((int)nr_cpu_ids);

	if (zeros)
		t = new_topology(zeros);
	for (int scope = WQ_AFFN_DFL + 1; t && scope < WQ_AFFN_NR_TYPES;
	     scope++) {
		if (make_pods(t, (enum wq_affn_scope)scope, zeros)) {
			free_topology(t);
			t = NULL;
		}
	}
	free(zeros);
	if (!t)
		return -ENOMEM;
	atomic_store_explicit(&current, t, memory_order_release);
	return 0;
}

/* --- from hwloc to facts --- */

/* The lowest CPU of a set that is on the node: each CPU passed is in it. */
static int first_cpu(hwloc_const_cpuset_t set, const struct facts *f, int node)
{
	unsigned int cpu;

	hwloc_bitmap_foreach_begin(cpu, set) if (cpu < nr_cpu_ids &&
						 f->node[cpu] ==
							 node) return (int)cpu;
	hwloc_bitmap_foreach_end();
	abort();
}

static int near_node(hwloc_obj_t pu)
{
	int best_weight = INT_MAX, best = -1, weight;
	unsigned int node;
	hwloc_obj_t obj;

	hwloc_bitmap_foreach_begin(node, pu->nodeset) obj =
		hwloc_get_numanode_obj_by_os_index(tree, node);
	if (!obj || !hwloc_bitmap_isset(obj->cpuset, pu->os_index))
		continue;
	weight = hwloc_bitmap_weight(obj->cpuset);
	if (weight < best_weight) {
		best_weight = weight;
		best = (int)node;
	}
	hwloc_bitmap_foreach_end();
	return best;
}

static hwloc_obj_t last_level_cache(hwloc_obj_t obj)
{
	hwloc_obj_t cache = NULL;

	for (; obj; obj = obj->parent)
		if (hwloc_obj_type_is_dcache(obj->type))
			cache = obj;
	return cache;
}

static hwloc_obj_t next_pu(hwloc_obj_t pu)
{
	do
		pu = hwloc_get_next_obj_by_type(tree, HWLOC_OBJ_PU, pu);
	while (pu && pu->os_index >= nr_cpu_ids);
	return pu;
}

static void find_nodes(struct facts *f)
{
	int lowest = INT_MAX;
	hwloc_obj_t pu;

	for (int cpu = 0; cpu < (int)nr_cpu_ids; cpu++)
		f->node[cpu] = -1;
	for (pu = next_pu(NULL); pu; pu = next_pu(pu)) {
		int node = near_node(pu);

		f->node[pu->os_index] = node;
		if (node >= 0 && node < lowest)
			lowest = node;
	}
	for (int cpu = 0; cpu < (int)nr_cpu_ids; cpu++)
		if (f->node[cpu] < 0)
			f->node[cpu] = lowest == INT_MAX ? 0 : lowest;
}

/* Those without a cache share one with the first such CPU on their node. From
 * the last to the first, so that it can still be told which have none. */
static void share_no_cache(struct facts *f)
{
	for (int cpu = (int)nr_cpu_ids - 1; cpu >= 0; cpu--) {
		int first = 0;

		if (f->cache[cpu] >= 0)
			continue;
		while (f->cache[first] >= 0 || f->node[first] != f->node[cpu])
			first++;
		f->cache[cpu] = first;
	}
}

static void find_facts(struct facts *f)
{
	hwloc_obj_t pu, core, cache;

	find_nodes(f);
	for (int cpu = 0; cpu < (int)nr_cpu_ids; cpu++) {
		f->core[cpu] = cpu;
		f->cache[cpu] = -1;
	}
	for (pu = next_pu(NULL); pu; pu = next_pu(pu)) {
		int cpu = (int)pu->os_index;

		core = hwloc_get_ancestor_obj_by_type(tree, HWLOC_OBJ_CORE, pu);
		if (core)
			f->core[cpu] = first_cpu(core->cpuset, f, f->node[cpu]);
		cache = last_level_cache(pu);
		if (cache)
			f->cache[cpu] =
				first_cpu(cache->cpuset, f, f->node[cpu]);
	}
	share_no_cache(f);
}

/* --- hwloc --- */

/*
 * All CPUs, whether we may use them or not, and nothing that is not asked here. Never
 * bind the calling thread to one CPU after the other to ask it.
 */
#define TREE_FLAGS                                                            \
	(HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED |                             \
	 HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING |                            \
	 HWLOC_TOPOLOGY_FLAG_NO_DISTANCES | HWLOC_TOPOLOGY_FLAG_NO_MEMATTRS | \
	 HWLOC_TOPOLOGY_FLAG_NO_CPUKINDS)

static const char plugins[] = "HWLOC_PLUGINS_PATH";

/*
 * hwloc loads its plugins when a tree is made while there is no other, and these
 * bring libraries for GPUs and X with them: 27 ms the first time. They tell us
 * nothing, but only the environment can forbid them, and it can be changed while
 * there are no other threads: at the start, as a rule.
 */
static int new_tree(void)
{
	bool forbid = SINGLE_THREADED && !getenv(plugins);
	int err;

	if (forbid)
		setenv(plugins, "", 1);
	err = hwloc_topology_init(&tree);
	if (forbid)
		unsetenv(plugins);
	if (err) {
		tree = NULL;
		return -ENOMEM;
	}
	hwloc_topology_set_io_types_filter(tree, HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_icache_types_filter(tree,
					       HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_type_filter(tree, HWLOC_OBJ_MISC,
				       HWLOC_TYPE_FILTER_KEEP_NONE);
	hwloc_topology_set_flags(tree, TREE_FLAGS);
	return 0;
}

static void free_tree(void)
{
	hwloc_topology_destroy(tree);
	tree = NULL;
}

/* The files of hwloc are read by functions that pthread_cancel() ends. */
static int load_tree(void)
{
	int state, err = 0;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	if (hwloc_topology_load(tree))
		err = errno ? -errno : -EINVAL;
	pthread_setcancelstate(state, NULL);
	return err;
}

/* If this fails now it may succeed when it is needed. */
void topo_open(void)
{
	if (SINGLE_THREADED && !tree)
		new_tree();
}

void topo_pretend(const char *synthetic)
{
	if (!synthetic)
		return;
	if (new_tree() || hwloc_topology_set_synthetic(tree, synthetic) ||
	    load_tree()) {
		log_warn("CMWQ_TOPOLOGY: hwloc cannot make anything of '%s', "
			 "ignored",
			 synthetic);
		if (tree)
			free_tree();
		return;
	}
	tree_loaded = true;
	os_pretend_cpus(1 + hwloc_bitmap_last(
				    hwloc_topology_get_topology_cpuset(tree)));
}

static int publish(void)
{
	struct facts f;
	struct topology *t;

	if (new_facts(&f))
		return -ENOMEM;
	find_facts(&f);
	t = make_topology(&f);
	free_facts(&f);
	if (!t)
		return -ENOMEM;
	t->before = atomic_load(&current);
	atomic_store_explicit(&current, t, memory_order_release);
	return 0;
}

static int read_tree(void)
{
	int err = tree ? 0 : new_tree();

	if (!err && !tree_loaded)
		err = load_tree();
	if (!err)
		err = publish();
	if (tree)
		free_tree();
	return err;
}

int topo_load(void)
{
	int result = atomic_load(&load_result);

	if (result <= 0)
		return result;
	lock(&topo_lock);
	if (atomic_load(&load_result) <= 0) {
		unlock(&topo_lock);
		return atomic_load(&load_result);
	}
	atomic_store(&load_result, LOADING);
	result = read_tree();
	atomic_store(&load_result, result);
	unlock(&topo_lock);
	if (result)
		log_warn("cannot read the topology (%s); all CPUs are one pod",
			 strerror(-result));
	else if (os_cpus_ignored())
		log_warn("%d CPUs from number %u on are not used",
			 os_cpus_ignored(), nr_cpu_ids);
	return result;
}

void topo_fork_prepare(void) NO_ANALYSIS
{
	lock(&topo_lock);
}

void topo_fork_done(void) NO_ANALYSIS
{
	unlock(&topo_lock);
}

void topo_reset(void)
{
	lock_init(&topo_lock, RANK_TOPO);
	if (atomic_load(&load_result) != LOADING)
		return;
	atomic_store(&load_result, -EDEADLK);
	log_warn("forked while another thread read the topology; all CPUs are "
		 "one pod");
}
