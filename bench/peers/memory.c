/* SPDX-License-Identifier: MIT */
/*
 * memory.c - the memory of the process, as the kernel counts it.
 */
#include <stdio.h>
#include "shared.h"

int memory_used(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	double kib;

	if (!f)
		die("/proc/self/smaps_rollup is needed");
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %lf", &kib) == 1)
			emit("rss_kib", kib);
		else if (sscanf(line, "Private_Dirty: %lf", &kib) == 1)
			emit("private_dirty_kib", kib);
	}
	fclose(f);
	return PEER_OK;
}
