/* SPDX-License-Identifier: MIT */
/*
 * child.c - one scenario in a process of its own.
 *
 * The program executes itself, so that nothing of an earlier measurement is
 * left: no threads, no cached stacks, no warm allocator. Values come back
 * through a pipe as lines "NAME VALUE". A child that exceeds its time is
 * killed, after the state of its threads was printed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include "bench.h"

struct child {
	pid_t pid;
	int fd; /* the results come from here */
	bool eof;
	int status;
	size_t used;
	char text[4096];
};

static int result_fd = STDOUT_FILENO;

void emit(const char *name, double v)
{
	if (dprintf(result_fd, "%s %.9g\n", name, v) < 0)
		die("writing a result: %s", strerror(errno));
}

void emit_at(const char *what, unsigned long n, double v)
{
	char name[VALUE_NAME_LEN];

	snprintf(name, sizeof(name), "%s_%lu", what, n);
	emit(name, v);
}

/*
 * Ends with _exit(): workers may still be inside items of this scenario, and
 * how the library takes that is a matter for the tests.
 */
int child_main(const char *name, int fd)
{
	const struct scenario *sc = find_scenario(name, SIZE_MAX);

	if (!sc)
		die("no measurement is called %s", name);
	if (fd >= 0) {
		result_fd = fd;
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	prctl(PR_SET_NAME, "cmwq-bench"); /* it was executed as "exe" */
	_exit(sc->run());
}

_Noreturn static void exec_child(const struct scenario *sc, int fd)
{
	char number[16];

	/* A part does not outlive the scenario that started it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fcntl(fd, F_SETFD, 0);
	snprintf(number, sizeof(number), "%d", fd);
	execl("/proc/self/exe", "cmwq-bench", "--child", sc->name, "--fd",
	      number, (char *)NULL);
	_exit(BENCH_FAILED);
}

static void parse_values(char *text, struct outcome *out)
{
	char *line, *save = NULL;
	struct value *v;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (out->nr_values == MAX_VALUES)
			return;
		v = &out->value[out->nr_values];
		if (sscanf(line, "%31s %lf", v->name, &v->v) == 2)
			out->nr_values++;
	}
}

static void print_task_file(pid_t pid, const char *tid, const char *file)
{
	char path[128], text[80];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%.32s/%s", pid, tid, file);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f)) {
		text[strcspn(text, "\n")] = '\0';
		fprintf(stderr, "  %s", text);
	}
	if (f)
		fclose(f);
}

static void print_threads(pid_t pid)
{
	struct dirent *d;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		print_task_file(pid, d->d_name, "stat");
		print_task_file(pid, d->d_name, "syscall");
		fputc('\n', stderr);
	}
	if (dir)
		closedir(dir);
}

/* Whether a thread of it wants to run: it spins, or the machine is busy. */
static bool any_runnable(pid_t pid)
{
	bool found = false;
	struct dirent *d;
	char path[320], state;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (!found && dir && (d = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", pid,
			 d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		found = fscanf(f, "%*d (%*[^)]) %c", &state) == 1 &&
			state == 'R';
		fclose(f);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* True if it has ended, false at the deadline; may be called again then. */
static bool wait_until(struct child *c, uint64_t deadline)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	uint64_t now;
	ssize_t n;

	while (!c->eof) {
		now = now_ns();
		if (now >= deadline)
			return false;
		if (poll(&p, 1, (int)((deadline - now) / NSEC_PER_MSEC) + 1) <
		    1)
			continue;
		n = read(c->fd, c->text + c->used,
			 sizeof(c->text) - 1 - c->used);
		c->eof = n == 0 || (n < 0 && errno != EINTR);
		if (n > 0)
			c->used += (size_t)n;
	}
	while (waitpid(c->pid, &c->status, WNOHANG) != c->pid) {
		if (now_ns() >= deadline)
			return false;
		sleep_ns(NSEC_PER_MSEC);
	}
	return true;
}

/*
 * On a machine that others keep busy a measurement may take long without
 * being stuck: as long as it wants to run it gets three times its limit.
 */
static bool wait_in_time(struct child *c, unsigned int limit_s)
{
	int i;

	for (i = 0; i < 3; i++) {
		if (wait_until(c, now_ns() + limit_s * NSEC_PER_SEC))
			return true;
		if (!any_runnable(c->pid))
			return false;
	}
	return false;
}

static void judge(int status, struct outcome *out)
{
	if (WIFSIGNALED(status))
		snprintf(out->problem, sizeof(out->problem), "CRASHED: %s",
			 strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == BENCH_SKIP)
		out->skipped = true;
	else if (WEXITSTATUS(status))
		snprintf(out->problem, sizeof(out->problem),
			 "FAILED: exit status %d", WEXITSTATUS(status));
}

static void start_child(struct child *c, const struct scenario *sc)
{
	int fd[2];

	memset(c, 0, sizeof(*c));
	if (pipe2(fd, O_CLOEXEC))
		die("pipe: %s", strerror(errno));
	c->pid = fork();
	if (c->pid < 0)
		die("fork: %s", strerror(errno));
	if (!c->pid)
		exec_child(sc, fd[1]);
	close(fd[1]);
	c->fd = fd[0];
}

void run_child(const struct scenario *sc, struct outcome *out)
{
	struct child c;

	memset(out, 0, sizeof(*out));
	start_child(&c, sc);
	if (wait_in_time(&c, sc->limit_s)) {
		judge(c.status, out);
	} else {
		snprintf(out->problem, sizeof(out->problem),
			 "HUNG: killed after its %u s", sc->limit_s);
		fprintf(stderr,
			"\n%s hangs; its threads (stat, system call):\n",
			sc->name);
		print_threads(c.pid);
		kill(c.pid, SIGKILL);
		waitpid(c.pid, &c.status, 0);
	}
	close(c.fd);
	parse_values(c.text, out);
}

bool outcome_get(const struct outcome *out, const char *name, double *v)
{
	size_t i;

	for (i = 0; i < out->nr_values; i++) {
		if (!strcmp(out->value[i].name, name)) {
			*v = out->value[i].v;
			return true;
		}
	}
	return false;
}
