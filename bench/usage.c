/* SPDX-License-Identifier: MIT */
/*
 * usage.c - context switches and CPU time of the threads of this process.
 *
 * The main thread does not count: it is the one that asks.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "util.h"

static FILE *open_task(const char *tid, const char *file)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/task/%.32s/%s", tid, file);
	return fopen(path, "re");
}

static long long task_switches(const char *tid)
{
	FILE *f = open_task(tid, "status");
	long long n, sum = 0;
	char line[256];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "voluntary_ctxt_switches: %lld", &n) == 1 ||
		    sscanf(line, "nonvoluntary_ctxt_switches: %lld", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

/* In nanoseconds where the kernel has schedstat, else in clock ticks. */
static double task_cpu_us(const char *tid)
{
	unsigned long long ns, user, sys;
	double us = 0;
	FILE *f;

	f = open_task(tid, "schedstat");
	if (f) {
		if (fscanf(f, "%llu", &ns) == 1)
			us = (double)ns / 1e3;
		fclose(f);
		return us;
	}
	f = open_task(tid, "stat");
	if (f) {
		if (fscanf(f,
			   "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u "
			   "%*u %*u %llu %llu",
			   &user, &sys) == 2)
			us = (double)(user + sys) * 1e6 /
			     (double)sysconf(_SC_CLK_TCK);
		fclose(f);
	}
	return us;
}

struct usage read_usage(void)
{
	struct usage u = { 0, 0, 0 };
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;

	if (!dir)
		die("/proc is needed");
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.' || atoi(d->d_name) == getpid())
			continue;
		u.switches += task_switches(d->d_name);
		u.cpu_us += task_cpu_us(d->d_name);
		u.threads++;
	}
	closedir(dir);
	return u;
}
