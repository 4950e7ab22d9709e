/* SPDX-License-Identifier: MIT */
/*
 * base.c - peer-base: a program that is linked with what cmwq needs, and does nothing.
 *
 *	peer-base empty | startup | empty_mem | --list
 *
 * What a program with cmwq takes more than this is cmwq's. A call of each library,
 * never made, keeps them from being left out.
 */
#include <stdio.h>
#include <string.h>
#include <hwloc.h>
#include <urcu/urcu-bp.h>
#include "shared.h"

void (*volatile base_unused[])(void) = {
	(void (*)(void))hwloc_topology_init,
	(void (*)(void))urcu_bp_synchronize_rcu,
};

void emit(const char *name, double value)
{
	printf("%s %.4f\n", name, value);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (!strcmp(argv[1], "empty") || !strcmp(argv[1], "startup"))
		return 0;
	if (!strcmp(argv[1], "empty_mem"))
		return memory_used();
	if (!strcmp(argv[1], "--list")) {
		puts("empty\nstartup\nempty_mem");
		return 0;
	}
	return 77;
}
