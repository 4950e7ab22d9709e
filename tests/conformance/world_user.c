/* SPDX-License-Identifier: MIT */
/*
 * world_user.c - cases as a program that uses cmwq. See world.h.
 *
 *	conformance			all cases
 *	conformance --room ROOM...	those of some files
 *	conformance NAME...		these
 *	conformance --list		their names and facts
 *	conformance --results ...	as "make test-kernel" compares them
 *	conformance --storm FROM COUNT	sequences of storm.c, see there
 *	conformance --replay FILE	the same, given as text
 *
 * Each case is a process of its own, so one that crashes or hangs spoils no other,
 * and messages that are printed once are printed for each. Exit status 77: all
 * were skipped.
 */
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "case.h"
#include "storm.h"

#define LIMIT_MS  60000
#define EXIT_SKIP 77

/* --- completions --- */

void init_completion(struct completion *x)
{
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->cond, NULL);
	x->done = 0;
}

void reinit_completion(struct completion *x)
{
	pthread_mutex_lock(&x->lock);
	x->done = 0;
	pthread_mutex_unlock(&x->lock);
}

void complete(struct completion *x)
{
	pthread_mutex_lock(&x->lock);
	if (x->done != UINT_MAX)
		x->done++;
	pthread_cond_signal(&x->cond);
	pthread_mutex_unlock(&x->lock);
}

void complete_all(struct completion *x)
{
	pthread_mutex_lock(&x->lock);
	x->done = UINT_MAX;
	pthread_cond_broadcast(&x->cond);
	pthread_mutex_unlock(&x->lock);
}

void wait_for_completion(struct completion *x)
{
	pthread_mutex_lock(&x->lock);
	while (!x->done)
		pthread_cond_wait(&x->cond, &x->lock);
	if (x->done != UINT_MAX)
		x->done--;
	pthread_mutex_unlock(&x->lock);
}

bool completion_done(struct completion *x)
{
	bool done;

	pthread_mutex_lock(&x->lock);
	done = x->done;
	pthread_mutex_unlock(&x->lock);
	return done;
}

/* --- time and text --- */

u64 ktime_get_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}

void usleep_range(unsigned long min, unsigned long max)
{
	struct timespec ts = { (time_t)(min / 1000000),
			       (long)(min % 1000000 * 1000) };

	(void)max;
	nanosleep(&ts, NULL);
}

int scnprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, size, fmt, ap);
	va_end(ap);
	return n < (int)size ? n : size ? (int)size - 1 : 0;
}

bool world_has(const char *param)
{
	long value = 1;

	if (param)
		cmwq_param_get(param, &value);
	return value != 0;
}

void world_no_hogs(void)
{
	cmwq_param_set("workqueue.cpu_intensive_thresh_us", 0);
}

/* --- processors --- */

static int cpus[2] = { 0, -1 };
static int nr_cpus;

static void find_cpus(void)
{
	cpu_set_t set;
	int cpu;

	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (cpu = 0; cpu < CPU_SETSIZE && nr_cpus < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[nr_cpus++] = cpu;
}

int world_cpu(int nth)
{
	return cpus[nth];
}

int world_nr_cpus(void)
{
	return nr_cpus;
}

int world_here(void)
{
	return sched_getcpu() == cpus[1];
}

int world_offline(void)
{
	return workqueue_offline_cpu((unsigned int)cpus[1]);
}

int world_online(void)
{
	int err = workqueue_prepare_cpu((unsigned int)cpus[1]);

	return err ? err : workqueue_online_cpu((unsigned int)cpus[1]);
}

void world_worker_comm(char *buf, size_t size)
{
	wq_worker_comm(buf, size, (int)syscall(SYS_gettid));
}

int world_nice(void)
{
	return getpriority(PRIO_PROCESS, 0);
}

bool spin_until(atomic_t *flag)
{
	u64 until = ktime_get_ns() + 20000000000ULL;

	while (!atomic_read(flag))
		if (ktime_get_ns() > until)
			return false;
	return true;
}

/* --- threads --- */

static void *thread_main(void *arg)
{
	struct thread *t = arg;
	cpu_set_t set;

	t->os.tid = (int)syscall(SYS_gettid);
	if (t->os.cpu >= 0) {
		CPU_ZERO(&set);
		CPU_SET(cpus[t->os.cpu], &set);
		sched_setaffinity(0, sizeof(set), &set);
	}
	complete(&t->begun);
	t->result = t->fn(t->arg);
	complete_all(&t->done);
	return NULL;
}

void thread_start(struct thread *t, int cpu, long (*fn)(void *arg), void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->os.cpu = cpu;
	init_completion(&t->begun);
	init_completion(&t->done);
	if (pthread_create(&t->os.id, NULL, thread_main, t))
		conf_give_up("a thread", __LINE__);
	wait_for_completion(&t->begun);
}

long thread_join(struct thread *t)
{
	pthread_join(t->os.id, NULL);
	return t->result;
}

bool thread_done(struct thread *t)
{
	return completion_done(&t->done);
}

static char state_of(int tid, long *sleeps)
{
	char path[64], line[256], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		if (!sscanf(line, "State: %c", &state))
			sscanf(line, "voluntary_ctxt_switches: %ld", sleeps);
	if (f)
		fclose(f);
	return state;
}

bool thread_blocked_for(struct thread *t, unsigned int us)
{
	u64 until = conf_deadline(), since = 0;
	long sleeps = -1, before;
	unsigned int round = 0;
	char state;

	while (!thread_done(t)) {
		before = sleeps;
		state = state_of(t->os.tid, &sleeps);
		if ((state != 'S' && state != 'D') || sleeps != before)
			since = ktime_get_ns();
		else if (ktime_get_ns() - since > us * 1000ULL)
			return true;
		if (ktime_get_ns() > until)
			conf_give_up("a thread to sleep", __LINE__);
		conf_nap(&round);
	}
	return false;
}

/* --- messages --- */

static atomic_t messages;
static int messages_seen;

static void note_message(enum cmwq_log_level level, const char *line, void *arg)
{
	(void)arg;
	fprintf(stderr, "cmwq: %s\n", line);
	/* What a sandbox refuses is reported once and is not our subject. */
	if (level != CMWQ_LOG_INFO && !strstr(line, " refused; "))
		atomic_inc(&messages);
}

bool warned_already(void)
{
	int now = atomic_read(&messages);
	bool any = now != messages_seen;

	messages_seen = now;
	return any;
}

bool warned(void)
{
	u64 until = ktime_get_ns() + 10000000000ULL;
	unsigned int round = 0;

	while (!warned_already()) {
		if (ktime_get_ns() > until)
			return false;
		conf_nap(&round);
	}
	return true;
}

/* --- one case, in the child --- */

static unsigned int limit_ms(void)
{
	const char *scale = getenv("CMWQ_TEST_TIMEOUT_SCALE");

	return LIMIT_MS *
	       (scale && atoi(scale) > 0 ? (unsigned)atoi(scale) : 1);
}

static int run_here(const char *name)
{
	const struct conf_case *c = conf_find(name);
	struct conf_outcome out;

	if (!c)
		return 2;
	cmwq_set_log(note_message, NULL);
	out = conf_run(c, limit_ms());
	dprintf(3, "%d\t%s\t%s", out.verdict, out.record, out.notes);
	if (out.verdict == CONF_FAILED)
		_exit(1); /* threads may be left, in whatever state */
	return 0;
}

/* --- the runner --- */

struct answer {
	int verdict;
	char text[12288];
	char *record;
	char *notes;
};

static void exec_case(const char *name, int out)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out, 3);
	execl("/proc/self/exe", "conformance", "--run", name, (char *)NULL);
	_exit(126);
}

static void parse(struct answer *a, int status)
{
	a->record = strchr(a->text, '\t');
	a->notes = a->record ? strchr(a->record + 1, '\t') : NULL;
	if (!a->notes) {
		a->verdict = CONF_FAILED;
		a->record = (char *)"";
		snprintf(a->text, sizeof(a->text), "no answer, wait status %#x",
			 (unsigned int)status);
		a->notes = a->text;
		return;
	}
	*a->record++ = 0;
	*a->notes++ = 0;
	a->verdict = atoi(a->text);
	if (status && a->verdict != CONF_FAILED) {
		a->verdict = CONF_FAILED;
		a->notes = (char *)"it crashed at its exit";
	}
}

static void run_case(const char *name, struct answer *a)
{
	ssize_t got, n = 0;
	int fd[2], status;
	pid_t pid;

	if (pipe2(fd, O_CLOEXEC) || (pid = fork()) < 0) {
		perror("conformance");
		exit(2);
	}
	if (!pid)
		exec_case(name, fd[1]);
	close(fd[1]);
	while ((got = read(fd[0], a->text + n,
			   sizeof(a->text) - 1 - (size_t)n)) > 0)
		n += got;
	a->text[n] = 0;
	close(fd[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	parse(a, status);
}

static bool chosen(int i, bool room, int argc, char **argv)
{
	const char *name = room ? conf_rooms[i] : conf_cases[i]->name;
	int a;

	for (a = 0; a < argc; a++)
		if (!strcmp(argv[a], name))
			return true;
	return !argc;
}

static int run_chosen(bool results, bool room, int argc, char **argv)
{
	static const char *const word[] = { "ok", "not ok", "skipped" };
	static struct answer a;
	int i, n[3] = { 0 };

	for (i = 0; i < conf_nr_cases; i++) {
		if (!chosen(i, room, argc, argv))
			continue;
		run_case(conf_cases[i]->name, &a);
		n[a.verdict]++;
		if (results)
			printf("case\t%s\t%d\t%s\t%s\n", conf_cases[i]->name,
			       a.verdict, a.record, a.notes);
		else
			printf("%s %s: %s%s%s\n", word[a.verdict],
			       conf_cases[i]->name, a.record,
			       *a.notes ? " # " : "", a.notes);
		fflush(stdout);
	}
	if (!results)
		printf("%d ok, %d failed, %d skipped\n", n[0], n[1], n[2]);
	if (n[CONF_FAILED] || n[0] + n[1] + n[2] == 0)
		return 1;
	return n[CONF_OK] ? 0 : EXIT_SKIP;
}

static int list(void)
{
	int i;

	for (i = 0; i < conf_nr_cases; i++) {
		const struct conf_case *c = conf_cases[i];

		printf("%s\t%s\t%s\t%s\n", conf_rooms[i], c->name, c->fact,
		       c->differs ?: "");
	}
	return 0;
}

/* --- sequences --- */

void storm_out(const char *text, size_t len)
{
	fwrite(text, 1, len, stdout);
}

static int run_storm(u32 from, u32 count)
{
	cmwq_set_log(note_message, NULL);
	setvbuf(stdout, NULL, _IOFBF, 0);
	storm_run(from, count);
	printf("end\n");
	fflush(stdout);
	return 0;
}

static int replay_storm(const char *path)
{
	static char text[1 << 20];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	if (!f || !n) {
		perror(path);
		return 2;
	}
	fclose(f);
	text[n] = 0;
	cmwq_set_log(note_message, NULL);
	storm_replay(text);
	printf("end\n");
	return 0;
}

int main(int argc, char **argv)
{
	bool results, room;

	setvbuf(stdout, NULL, _IOLBF, 0);
	find_cpus();
	if (argc == 3 && !strcmp(argv[1], "--run"))
		return run_here(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "--list"))
		return list();
	if (argc == 4 && !strcmp(argv[1], "--storm"))
		return run_storm((u32)atol(argv[2]), (u32)atol(argv[3]));
	if (argc == 3 && !strcmp(argv[1], "--replay"))
		return replay_storm(argv[2]);
	results = argc > 1 && !strcmp(argv[1], "--results");
	argc -= results;
	argv += results;
	room = argc > 1 && !strcmp(argv[1], "--room");
	argc -= room;
	argv += room;
	return run_chosen(results, room, argc - 1, argv + 1);
}
