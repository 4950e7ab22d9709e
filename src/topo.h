/* SPDX-License-Identifier: MIT */
/*
 * topo - the machine's topology as pods.
 *
 * For each affinity scope the possible CPUs are divided into pods. Until
 * topo_load() has read the topology, and when that fails, all CPUs are one pod
 * in every scope, on one NUMA node. What a call returned once stays valid for
 * ever, in forked children too; after topo_load() later calls return something
 * else.
 *
 * All of it is lock-free, but for topo_load().
 */
#ifndef CMWQ_TOPO_H
#define CMWQ_TOPO_H

#include <stdbool.h>
#include <cmwq/cpumask.h>
#include <cmwq/workqueue.h>

/* Each possible CPU is in exactly one pod; pods are in the order of their first
 * CPUs and none is empty. */
struct topo_pods {
	int nr_pods;
	int *pod_of_cpu;
	struct cpumask **mask; /* by pod */
	int *node_of_pod;      /* the node of all its CPUs, or -1 */
};

/* The pods of a scope, which is not WQ_AFFN_DFL. */
const struct topo_pods *topo_pods(enum wq_affn_scope scope);

/*
 * NUMA nodes have the system's numbers, up to the last one that has a CPU; there
 * may be some without CPUs in between.
 */
int topo_nr_nodes(void);
int topo_node_of_cpu(int cpu);
const struct cpumask *topo_cpus_of_node(int node); /* NULL: no such node */

/*
 * At the start, before anything asks for the number of CPUs: take the topology
 * from an hwloc synthetic description (CMWQ_TOPOLOGY) instead of the system, and
 * have the os room pretend its CPUs. NULL: do not.
 */
void topo_pretend(const char *synthetic);

/* At the start, while there is one thread: what is cheaper then (see topo.c). */
void topo_open(void);

/* When nr_cpu_ids is known: make the single pod. 0 or -ENOMEM. */
int topo_init(void);

/*
 * Read the topology, once. Takes milliseconds, opens hundreds of files: never on a
 * path of items. 0 also if it was done before; -errno if it cannot be read, which
 * is reported the first time and not tried again.
 */
int topo_load(void);

/* Around fork(), so that nobody is in topo_load() meanwhile. */
void topo_fork_prepare(void);
void topo_fork_done(void);
void topo_reset(void); /* in a forked child */

#endif
