/* SPDX-License-Identifier: MIT */
/*
 * cpus.h - machines one after the other in one test: the room cpumask, which counts the
 * CPUs once in a process, with a way to forget them.
 */
#ifndef CMWQ_UNIT_CPUS_H
#define CMWQ_UNIT_CPUS_H

#include "../../src/cpumask.c"

static void forget_cpus(void)
{
	free(single);
	free(cpumask_online);
	free((void *)cpu_possible_mask);
	single = NULL;
	cpumask_online = NULL;
	cpu_online_mask = cpu_possible_mask = NULL;
	nr_cpu_ids = 0;
}

#endif
