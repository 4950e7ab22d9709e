/* SPDX-License-Identifier: MIT */
/*
 * startup.c - what it costs a program to have the library: time until its first
 * item runs, and memory.
 *
 * Compared is with a program that is linked with the same libraries, hwloc and
 * liburcu, and does nothing (start/empty.c). Both are started by turns; the clock
 * starts before posix_spawn() and stops when main() begins, or when the item does
 * (start/item.c). The values are differences of medians.
 *
 * Memory is Private_Dirty of /proc/PID/smaps_rollup, what nobody shares: once the
 * program has come to rest, the topology read and the tick off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

#define NR_STARTS  60
#define NR_LOOKS   5
#define NR_KINDS   5
#define REST_NS	   (300 * NSEC_PER_MSEC)
#define NSEC_IN_US 1e3

extern char **environ;

static const struct kind {
	const char *name; /* of the value */
	const char *program;
	const char *how;
} kinds[NR_KINDS] = {
	{ "empty", "start-empty", NULL },
	{ "linked", "start-item", "linked" },
	{ "percpu", "start-item", "percpu" },
	{ "unbound", "start-item", "unbound" },
	{ "all", "start-item", "all" },
};

struct started {
	pid_t pid;
	int in, out; /* our ends */
	uint64_t began, said;
};

/* They lie beside this program. */
static void find_program(char *path, size_t size, const char *name)
{
	ssize_t n = readlink("/proc/self/exe", path, size - 1);
	char *slash;

	if (n < 0)
		die("/proc/self/exe: %s", strerror(errno));
	path[n] = '\0';
	slash = strrchr(path, '/');
	snprintf(slash + 1, size - (size_t)(slash + 1 - path), "%s", name);
}

static void start(struct started *s, const struct kind *kind)
{
	char path[PATH_MAX];
	char *argv[] = { path, (char *)kind->how, NULL };
	posix_spawn_file_actions_t files;
	int in[2], out[2], err;

	find_program(path, sizeof(path), kind->program);
	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, in[0], STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, out[1], STDOUT_FILENO);
	s->began = now_ns();
	err = posix_spawn(&s->pid, path, &files, NULL, argv, environ);
	if (err)
		die("%s: %s", path, strerror(err));
	posix_spawn_file_actions_destroy(&files);
	close(in[0]);
	close(out[1]);
	s->in = in[1];
	s->out = out[0];
	if (read(s->out, &s->said, sizeof(s->said)) != sizeof(s->said))
		die("%s %s says nothing", path, kind->how ? kind->how : "");
}

static void end(struct started *s)
{
	int status;

	close(s->in);
	close(s->out);
	if (waitpid(s->pid, &status, 0) != s->pid || status)
		die("a program that was started ended with status %#x", status);
}

int startup(void)
{
	double us[NR_KINDS][NR_STARTS];
	struct started s;
	double empty;
	int i, k;

	for (i = -1; i < NR_STARTS; i++) {
		for (k = 0; k < NR_KINDS - 1; k++) {
			start(&s, &kinds[k]);
			end(&s);
			if (i >= 0)
				us[k][i] =
					(double)(s.said - s.began) / NSEC_IN_US;
		}
	}
	empty = median_of(us[0], NR_STARTS);
	emit(kinds[0].name, empty);
	for (k = 1; k < NR_KINDS - 1; k++)
		emit(kinds[k].name, median_of(us[k], NR_STARTS) - empty);
	return BENCH_OK;
}

static double dirty_kib(pid_t pid)
{
	char path[64], line[256];
	double kib = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	if (!f)
		die("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), f))
		sscanf(line, "Private_Dirty: %lf kB", &kib);
	fclose(f);
	if (kib < 0)
		die("%s says nothing of Private_Dirty", path);
	return kib;
}

double own_dirty_bytes(void)
{
	return dirty_kib(getpid()) * 1024;
}

int memory(void)
{
	double kib[NR_KINDS][NR_LOOKS];
	struct started s;
	double empty;
	int i, k;

	for (i = 0; i < NR_LOOKS; i++) {
		for (k = 0; k < NR_KINDS; k++) {
			start(&s, &kinds[k]);
			sleep_ns(REST_NS);
			kib[k][i] = dirty_kib(s.pid);
			end(&s);
		}
	}
	empty = median_of(kib[0], NR_LOOKS);
	emit(kinds[0].name, empty);
	for (k = 1; k < NR_KINDS; k++)
		emit(kinds[k].name, median_of(kib[k], NR_LOOKS) - empty);
	return BENCH_OK;
}
