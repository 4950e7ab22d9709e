/* SPDX-License-Identifier: MIT */
/*
 * harness.c - see harness.h.
 *
 * The runner executes this program again for every test, with the output going
 * to an anonymous file that is shown when the test did not pass. The child
 * dies with the runner, is the leader of a process group, and what it left
 * behind in that group is killed with it.
 *
 * Nothing here is called by the library but capture(), which calls nothing.
 */
#include "harness.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define EXIT_SKIP 77

static struct test *tests;
static struct test **tests_end = &tests;
static uint64_t seed;
static _Atomic int failures;
static bool verbose;

void harness_register(struct test *test)
{
	*tests_end = test;
	tests_end = &test->next;
}

static struct test *find_test(const char *name)
{
	struct test *t;

	for (t = tests; t; t = t->next)
		if (!strcmp(t->name, name))
			return t;
	return NULL;
}

static int timeout_scale(void)
{
	const char *s = getenv("CMWQ_TEST_TIMEOUT_SCALE");
	int scale = s ? atoi(s) : 1;

	return scale > 0 ? scale : 1;
}

/* --- messages --- */

#define LOG_LINES   1024
#define LOG_IGNORES 16

static struct {
	pthread_mutex_t lock;
	int n;
	struct {
		enum cmwq_log_level level;
		bool seen;
		char text[256];
	} line[LOG_LINES];
	int ignores;
	const char *ignore[LOG_IGNORES];
} lg = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Said once, whenever the first such thread is made; no test asks for it. */
static bool is_of_the_sandbox(const char *line)
{
	return strstr(line, "SCHED_FIFO was refused") ||
	       strstr(line, "SCHED_IDLE or binding to a CPU was refused");
}

static void capture(enum cmwq_log_level level, const char *line, void *arg)
{
	(void)arg;
	if (is_of_the_sandbox(line))
		return;
	pthread_mutex_lock(&lg.lock);
	if (lg.n < LOG_LINES) {
		lg.line[lg.n].level = level;
		lg.line[lg.n].seen = false;
		snprintf(lg.line[lg.n].text, sizeof(lg.line[0].text), "%s",
			 line);
		lg.n++;
	}
	pthread_mutex_unlock(&lg.lock);
}

bool log_has_both(const char *part, const char *other)
{
	bool found = false;
	int i;

	pthread_mutex_lock(&lg.lock);
	for (i = 0; i < lg.n; i++) {
		if (strstr(lg.line[i].text, part) &&
		    strstr(lg.line[i].text, other)) {
			lg.line[i].seen = true;
			found = true;
		}
	}
	pthread_mutex_unlock(&lg.lock);
	return found;
}

bool log_has(const char *part)
{
	return log_has_both(part, "");
}

int log_count(const char *part)
{
	int i, n = 0;

	pthread_mutex_lock(&lg.lock);
	for (i = 0; i < lg.n; i++) {
		if (strstr(lg.line[i].text, part)) {
			lg.line[i].seen = true;
			n++;
		}
	}
	pthread_mutex_unlock(&lg.lock);
	return n;
}

static bool address_in(const char *s, uintptr_t from, uintptr_t to)
{
	while ((s = strstr(s, "0x"))) {
		uintptr_t a = strtoull(s, NULL, 16);

		if (a >= from && a <= to)
			return true;
		s += 2;
	}
	return false;
}

bool log_has_address(const char *part, uintptr_t from, uintptr_t to)
{
	bool found = false;
	int i;

	pthread_mutex_lock(&lg.lock);
	for (i = 0; i < lg.n; i++) {
		if (strstr(lg.line[i].text, part) &&
		    address_in(lg.line[i].text, from, to)) {
			lg.line[i].seen = true;
			found = true;
		}
	}
	pthread_mutex_unlock(&lg.lock);
	return found;
}

void log_ignore(const char *part)
{
	int i = 0;

	pthread_mutex_lock(&lg.lock);
	while (i < lg.ignores && strcmp(lg.ignore[i], part))
		i++;
	if (i == lg.ignores && i < LOG_IGNORES)
		lg.ignore[lg.ignores++] = part;
	pthread_mutex_unlock(&lg.lock);
	ASSERT(i < LOG_IGNORES);
}

void log_clear(void)
{
	pthread_mutex_lock(&lg.lock);
	lg.n = 0;
	pthread_mutex_unlock(&lg.lock);
}

static bool log_ignored(const char *text)
{
	int i;

	for (i = 0; i < lg.ignores; i++)
		if (strstr(text, lg.ignore[i]))
			return true;
	return false;
}

/* What nobody asked for is a failure. */
static void log_finish(void)
{
	int i;

	/* What else a sandbox refuses is not our subject. */
	log_ignore("SCHED_FIFO");
	log_ignore("affinity");
#ifdef __SANITIZE_THREAD__
	/* Its runtime has locks, for which it sleeps on behalf of an item. */
	log_ignore("slept; BH items must not");
#endif
	pthread_mutex_lock(&lg.lock);
	for (i = 0; i < lg.n; i++) {
		if (lg.line[i].level == CMWQ_LOG_INFO || lg.line[i].seen ||
		    log_ignored(lg.line[i].text))
			continue;
		printf("unexpected message: %s\n", lg.line[i].text);
		atomic_fetch_add(&failures, 1);
	}
	pthread_mutex_unlock(&lg.lock);
}

static void log_print(void)
{
	int i;

	pthread_mutex_lock(&lg.lock);
	for (i = 0; i < lg.n; i++)
		printf("log: %s\n", lg.line[i].text);
	pthread_mutex_unlock(&lg.lock);
}

/* --- checks --- */

void harness_failed(const char *file, int line, const char *fmt, ...)
{
	char what[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	printf("%s:%d: failed: %s\n", file, line, what);
	fflush(stdout);
	atomic_fetch_add(&failures, 1);
}

void harness_die(void)
{
	log_print();
	fflush(stdout);
	_exit(1);
}

void wait_failed(const char *file, int line, const char *what)
{
	harness_failed(file, line, "wait_for(%s)", what);
	dump_threads(getpid());
	harness_die();
}

void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	fflush(stdout);
	_exit(atomic_load(&failures) ? 1 : EXIT_SKIP);
}

bool param_on(const char *name)
{
	long value = -1;

	ASSERT_EQ(cmwq_param_get(name, &value), 0);
	return value != 0;
}

void set_param(const char *name, long value)
{
	ASSERT_EQ(cmwq_param_set(name, value), 0);
}

void need_param(const char *name)
{
	if (!param_on(name))
		skip("%s is off", name);
}

void need_detector(void)
{
	if (!param_on("cmwq.sentinel") && !param_on("cmwq.tick"))
		skip("no detector of blocking is on");
}

/* --- waiting --- */

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void sleep_us(unsigned int us)
{
	struct timespec ts = { us / 1000000, us % 1000000 * 1000L };

	nanosleep(&ts, NULL);
}

void nap(unsigned int *round)
{
	sleep_us(*round < 20 ? 50 : 1000);
	(*round)++;
}

/* Before the runner's limit, so that the condition is named. */
uint64_t wait_deadline(void)
{
	return now_ns() + 20000000000ULL * (uint64_t)timeout_scale();
}

void linger(void)
{
	sleep_us(40000);
}

/* --- random numbers --- */

uint64_t rng_next(struct rng *r)
{
	uint64_t z = (r->s += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

struct rng rng_make(uint64_t stream)
{
	struct rng r = { seed };

	r.s ^= rng_next(&r) + stream * 0xd1342543de82ef95ULL;
	return r;
}

/* --- one test, in the child --- */

static void read_seed(void)
{
	const char *s = getenv("CMWQ_SEED");
	char text[32];

	if (s)
		seed = strtoull(s, NULL, 0);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		seed = now_ns();
	snprintf(text, sizeof(text), "%#llx", (unsigned long long)seed);
	setenv("CMWQ_SEED", text, 1);
}

static int run_child(const char *name)
{
	struct test *t = find_test(name);

	if (!t) {
		fprintf(stderr, "no test %s\n", name);
		return 2;
	}
	read_seed();
	setvbuf(stdout, NULL, _IOLBF, 0);
	cmwq_set_log(capture, NULL);
	t->fn();
	log_finish();
	if (atomic_load(&failures))
		log_print();
	return atomic_load(&failures) != 0;
}

/* --- the runner --- */

static void child_params(const char *more)
{
	const char *old = getenv("CMWQ_PARAMS");
	char buf[1024];

	if (!more)
		return;
	snprintf(buf, sizeof(buf), "%s%s%s", old ?: "", old ? " " : "", more);
	setenv("CMWQ_PARAMS", buf, 1);
}

/* Meson says what it takes to run a program of another architecture. */
static void exec_self(const char *test)
{
	char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (!getenv("MESON_EXE_WRAPPER")) {
		execl("/proc/self/exe", program_invocation_name, "--child",
		      test, (char *)NULL);
		return;
	}
	path[n < 0 ? 0 : n] = '\0';
	execl("/bin/sh", "sh", "-c", "exec $MESON_EXE_WRAPPER \"$@\"", "sh",
	      path, "--child", test, (char *)NULL);
}

static void child_exec(struct test *t, const char *params, int out)
{
	cpu_set_t set;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_params(t->params);
	child_params(params);
	/* All CPUs of a machine that is pretended may be used. */
	if (t->one_cpu || (t->topology && !t->topology[0]))
		unsetenv("CMWQ_TOPOLOGY");
	if (t->topology && t->topology[0])
		setenv("CMWQ_TOPOLOGY", t->topology, 1);
	if (t->one_cpu) {
		CPU_ZERO(&set);
		CPU_SET(nth_cpu(0), &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			_exit(EXIT_SKIP);
	}
	/* However nice the runner is; if it may not be less, tests may fail. */
	if (setpriority(PRIO_PROCESS, 0, t->nice) && t->nice)
		_exit(EXIT_SKIP);
	dup2(out, 1);
	dup2(out, 2);
	exec_self(t->name);
	_exit(126);
}

static void show(int fd)
{
	char buf[4096];
	off_t at = 0;
	ssize_t n;

	fflush(stdout);
	while ((n = pread(fd, buf, sizeof(buf), at)) > 0) {
		if (write(1, buf, (size_t)n) != n)
			break;
		at += n;
	}
}

/* Reap, or kill at the end of the time. Returns the wait status. */
static int wait_child(pid_t pid, int limit, bool *timed_out)
{
	uint64_t until = now_ns() + (uint64_t)limit * 1000000000;
	unsigned int round = 0;
	int status;

	*timed_out = false;
	while (!waitpid(pid, &status, WNOHANG)) {
		if (now_ns() > until && !*timed_out) {
			*timed_out = true;
			printf("no end after %d s\n", limit);
			dump_threads(pid);
			kill(-pid, SIGKILL);
		}
		nap(&round);
	}
	/* Also what it left behind. */
	kill(-pid, SIGKILL);
	return status;
}

static pid_t start_child(struct test *t, const char *params, int fd)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid)
		child_exec(t, params, fd);
	setpgid(pid, pid);
	return pid;
}

static int test_limit(struct test *t)
{
	return (t->timeout ?: 30) * timeout_scale();
}

int run_hidden(const char *name, const char *params, char *out, size_t size)
{
	struct test *t = find_test(name);
	bool timed_out;
	ssize_t n;
	int fd, status;

	ASSERT(t);
	fd = memfd_create("out", MFD_CLOEXEC);
	ASSERT(fd >= 0);
	status = wait_child(start_child(t, params, fd), test_limit(t),
			    &timed_out);
	n = pread(fd, out, size - 1, 0);
	out[n > 0 ? n : 0] = 0;
	close(fd);
	return status;
}

struct totals {
	int passed, failed, skipped;
};

static void run_one(struct test *t, struct totals *sum)
{
	int fd = memfd_create("out", MFD_CLOEXEC), status;
	uint64_t from = now_ns();
	bool timed_out;
	const char *word;

	if (fd < 0) {
		perror("memfd_create");
		exit(2);
	}
	status =
		wait_child(start_child(t, NULL, fd), test_limit(t), &timed_out);
	if (!timed_out && WIFEXITED(status) && !WEXITSTATUS(status)) {
		word = "ok";
		sum->passed++;
	} else if (!timed_out && WIFEXITED(status) &&
		   WEXITSTATUS(status) == EXIT_SKIP) {
		word = "skip";
		sum->skipped++;
	} else {
		word = "FAIL";
		sum->failed++;
	}
	printf("%-4s %s (%llu ms)", word, t->name,
	       (unsigned long long)(now_ns() - from) / 1000000);
	if (!strcmp(word, "FAIL"))
		printf(" %s %d, CMWQ_SEED=%#llx",
		       timed_out	     ? "time limit, status"
		       : WIFSIGNALED(status) ? "signal"
					     : "status",
		       WIFSIGNALED(status) ? WTERMSIG(status)
					   : WEXITSTATUS(status),
		       (unsigned long long)seed);
	printf("\n");
	if (verbose || strcmp(word, "ok"))
		show(fd);
	close(fd);
}

static void new_seed(bool given)
{
	if (!given)
		unsetenv("CMWQ_SEED");
	read_seed();
}

static int usage(void)
{
	fprintf(stderr,
		"usage: %s [--list] [--repeat N] [--verbose] [NAME...]\n",
		program_invocation_short_name);
	return 2;
}

static int list_tests(void)
{
	struct test *t;

	for (t = tests; t; t = t->next)
		if (!t->hidden)
			printf("%s\n", t->name);
	return 0;
}

static int run_all(int repeat, char **names)
{
	bool given = getenv("CMWQ_SEED");
	struct totals sum = { 0, 0, 0 };
	struct test *t;
	char **name;
	int i;

	for (i = 0; i < repeat; i++) {
		for (t = *names ? NULL : tests; t; t = t->next) {
			if (t->hidden)
				continue;
			new_seed(given);
			run_one(t, &sum);
		}
		for (name = names; *name; name++) {
			t = find_test(*name);
			if (!t) {
				fprintf(stderr, "no test %s\n", *name);
				return 2;
			}
			new_seed(given);
			run_one(t, &sum);
		}
	}
	if (sum.skipped)
		printf("%d skipped\n", sum.skipped);
	printf("%d passed, %d failed\n", sum.passed, sum.failed);
	if (!sum.failed && !sum.passed && sum.skipped)
		return EXIT_SKIP;
	return sum.failed != 0;
}

int main(int argc, char **argv)
{
	int repeat = 1, i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (!strcmp(argv[i], "--child") && i + 1 < argc)
			return run_child(argv[i + 1]);
		else if (!strcmp(argv[i], "--list"))
			return list_tests();
		else if (!strcmp(argv[i], "--repeat") && i + 1 < argc)
			repeat = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--verbose"))
			verbose = true;
		else
			return usage();
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	return run_all(repeat, argv + i);
}
