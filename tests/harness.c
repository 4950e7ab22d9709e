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

#include <dirent.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
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

static void capture(enum cmwq_log_level level, const char *line, void *arg)
{
	(void)arg;
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
	pthread_mutex_lock(&lg.lock);
	if (lg.ignores < LOG_IGNORES)
		lg.ignore[lg.ignores++] = part;
	pthread_mutex_unlock(&lg.lock);
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

	/* What a sandbox refuses is reported once and is not our subject. */
	log_ignore("SCHED_IDLE");
	log_ignore("affinity");
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

static void futex_wait(_Atomic int *word, int value)
{
	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic int *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void gate_open(struct gate *gate)
{
	atomic_store(&gate->open, 1);
	futex_wake(&gate->open);
}

void gate_close(struct gate *gate)
{
	atomic_store(&gate->open, 0);
}

void gate_wait(struct gate *gate)
{
	while (!atomic_load(&gate->open))
		futex_wait(&gate->open, 0);
}

/* --- threads --- */

int self_tid(void)
{
	return (int)syscall(SYS_gettid);
}

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	atomic_store(&t->tid, self_tid());
	t->result = t->fn(t->arg);
	atomic_store(&t->done, true);
	return NULL;
}

void thread_start(struct thread *t, long (*fn)(void *arg), void *arg)
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
	ASSERT_EQ(pthread_create(&t->id, NULL, thread_main, t), 0);
	wait_for(atomic_load(&t->tid));
}

long thread_join(struct thread *t)
{
	wait_for(thread_done(t));
	ASSERT_EQ(pthread_join(t->id, NULL), 0);
	return t->result;
}

static char state_of(int pid, int tid)
{
	char path[64], buf[512], *p;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", pid, tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (n <= 0)
		return 0;
	buf[n] = 0;
	p = strrchr(buf, ')');
	return p && p[1] ? p[2] : 0;
}

char task_state(int tid)
{
	return state_of(getpid(), tid);
}

/* How often the thread went to sleep so far. */
static long count_sleeps(int tid)
{
	char path[64], line[128];
	long n = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	if (f)
		fclose(f);
	return n;
}

struct sleep_watch {
	uint64_t since;
	long sleeps;
};

/*
 * One and the same sleep for 10 ms: not a lock that is held for a moment. Who
 * is not asleep in what the test means after that would need a holder of such
 * a lock which is off the CPU for as long.
 */
static bool asleep_step(int tid, struct sleep_watch *w)
{
	char state = task_state(tid);
	long sleeps = count_sleeps(tid);

	if ((state != 'S' && state != 'D') || sleeps != w->sleeps || !w->since)
		w->since = now_ns();
	w->sleeps = sleeps;
	return now_ns() - w->since > 10000000;
}

void wait_asleep_tid(int tid)
{
	struct sleep_watch w = { 0, -1 };

	wait_for(asleep_step(tid, &w));
}

bool thread_asleep(struct thread *t)
{
	struct sleep_watch w = { 0, -1 };
	int tid = atomic_load(&t->tid);

	wait_for(thread_done(t) || asleep_step(tid, &w));
	return !thread_done(t);
}

static void print_proc(int pid, const char *tid, const char *file)
{
	char path[320], buf[256];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/%s", pid, tid, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	if (fd >= 0)
		close(fd);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	printf(" %s=%s", file, buf);
}

void dump_threads(int pid)
{
	char path[64];
	struct dirent *de;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (de = readdir(dir))) {
		if (de->d_name[0] == '.')
			continue;
		printf("thread %s: state=%c", de->d_name,
		       state_of(pid, atoi(de->d_name)) ?: '?');
		print_proc(pid, de->d_name, "comm");
		print_proc(pid, de->d_name, "wchan");
		print_proc(pid, de->d_name, "syscall");
		printf("\n");
	}
	if (dir)
		closedir(dir);
	fflush(stdout);
}

int count_threads(void)
{
	char path[300], comm[16];
	struct dirent *de;
	DIR *dir = opendir("/proc/self/task");
	FILE *f;
	int n = 0;

	ASSERT(dir);
	while ((de = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 de->d_name);
		f = de->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		n += fgets(comm, sizeof(comm), f) && !strncmp(comm, "cmwq", 4);
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* --- processors --- */

static cpu_set_t allowed;
static int allowed_count;

/* Taken before a test narrows its own. */
__attribute__((constructor)) static void read_allowed(void)
{
	if (sched_getaffinity(0, sizeof(allowed), &allowed)) {
		CPU_ZERO(&allowed);
		CPU_SET(0, &allowed);
	}
	allowed_count = CPU_COUNT(&allowed);
}

int nr_allowed(void)
{
	return allowed_count;
}

int nth_cpu(int n)
{
	int cpu;

	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && n-- == 0)
			return cpu;
	return -1;
}

int nr_possible(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	char buf[128];
	char *p;
	int n = 0;

	if (f && fgets(buf, sizeof(buf), f)) {
		p = strrchr(buf, '-') ?: strrchr(buf, ',');
		n = atoi(p ? p + 1 : buf) + 1;
	}
	if (f)
		fclose(f);
	return n > 0 ? n : (int)sysconf(_SC_NPROCESSORS_CONF);
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		skip("cannot pin a thread to CPU %d", cpu);
}

void need_cpus(int n)
{
	if (allowed_count < n)
		skip("needs %d CPUs", n);
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

/* --- items --- */

static _Atomic int start_order;

void item_func(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);
	int run, value;

	if (atomic_fetch_add(&it->running, 1))
		atomic_fetch_add(&it->overlaps, 1);
	/* Whoever waits for the start may read these. */
	atomic_store(&it->at, now_ns());
	atomic_store(&it->order, atomic_fetch_add(&start_order, 1) + 1);
	atomic_store(&it->cpu, sched_getcpu());
	atomic_store(&it->tid, self_tid());
	run = atomic_fetch_add(&it->started, 1) + 1;
	if (it->hook)
		it->hook(it);
	while ((value = atomic_load(&it->allowed)) < run)
		if (!it->spin)
			futex_wait(&it->allowed, value);
	if (it->tail)
		it->tail(it);
	atomic_fetch_sub(&it->running, 1);
	atomic_fetch_add(&it->finished, 1);
}

void item_init(struct item *it)
{
	memset(it, 0, sizeof(*it));
	INIT_DELAYED_WORK(&it->dwork, item_func);
	atomic_store(&it->allowed, INT_MAX);
	atomic_store(&it->cpu, -1);
}

void item_init_held(struct item *it)
{
	item_init(it);
	atomic_store(&it->allowed, 0);
}

void item_allow(struct item *it, int runs)
{
	atomic_store(&it->allowed, runs);
	futex_wake(&it->allowed);
}

void item_release(struct item *it)
{
	item_allow(it, INT_MAX);
}

int items_started(struct item *it, int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += item_started(&it[i]) != 0;
	return sum;
}

int items_finished(struct item *it, int n)
{
	int i, sum = 0;

	for (i = 0; i < n; i++)
		sum += item_runs(&it[i]) != 0;
	return sum;
}

void burn_us(unsigned int us)
{
	struct timespec ts;
	uint64_t t, end;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	end = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec +
	      us * 1000ULL;
	do {
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
		t = (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
	} while (t < end);
}

void check_library_works(void)
{
	struct workqueue_struct *wq[3];
	struct item it;
	int i;

	wq[0] = alloc_workqueue("check_percpu", WQ_PERCPU, 0);
	wq[1] = alloc_workqueue("check_unbound", WQ_UNBOUND, 0);
	wq[2] = alloc_ordered_workqueue("check_ordered", 0);
	for (i = 0; i < 3; i++) {
		ASSERT(wq[i]);
		item_init(&it);
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
		EXPECT_EQ(item_runs(&it), 1);
		EXPECT(queue_delayed_work(wq[i], &it.dwork, 1));
		wait_for(item_runs(&it) == 2);
		destroy_workqueue(wq[i]);
	}
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

static void child_exec(struct test *t, const char *params, int out)
{
	cpu_set_t set;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	child_params(t->params);
	child_params(params);
	if (t->one_cpu) {
		CPU_ZERO(&set);
		CPU_SET(nth_cpu(0), &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			_exit(EXIT_SKIP);
	}
	dup2(out, 1);
	dup2(out, 2);
	execl("/proc/self/exe", program_invocation_name, "--child", t->name,
	      (char *)NULL);
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
