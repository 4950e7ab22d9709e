/* SPDX-License-Identifier: MIT */
/*
 * fake_os - src/os.h without an operating system. See fake_os.h.
 *
 * The baton: a thread runs between sem_wait(its turn) and sem_post(back), the
 * test in between. Nothing here is locked, since only its holder looks.
 */
#include "unit/fake_os.h"
#include "os_probe.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmwq/workqueue.h>

#define MAX_STEPS   1000000 /* of fake_run(), before it calls that a livelock */
#define MAX_WORDS   512
#define MAX_TIDS    256
#define MAX_FILES   32
#define STDERR_SIZE 65536

struct fake_private {
	pthread_t thread;
	bool started;
	sem_t turn;
	void *(*of_library)(void *);
	bool woken;
	bool doomed;
	enum os_thread_state parked_as;
};

struct wakes {
	_Atomic uint32_t *word;
	unsigned int calls;
	int last_nr;
};

struct tid_facts {
	int tid;
	bool has_state;
	enum os_thread_state state;
	uint64_t cpu_time;
	unsigned long waits;
};

/* As a constructor of the library may find it, before any fake_reset(). */
struct fake fake = {
	.now = 1000 * NSEC_PER_MSEC,
	.nr_cpus = 4,
	.allowed = 0xf,
	.granted = 0xf,
	.refuse_err = EAGAIN,
	.exit_status = -1,
};

static struct fake_thread threads[FAKE_THREADS];
static struct fake_private privates[FAKE_THREADS];
static int nr_threads;
static __thread struct fake_thread *self;
static sem_t back;

static struct wakes wakes[MAX_WORDS];
static int nr_words;
static bool pretending;
static struct {
	const char *path, *text;
} files[MAX_FILES];
static int nr_files;
static struct tid_facts facts[MAX_TIDS];
static int nr_facts;
static char captured[STDERR_SIZE];
static size_t captured_len;

static _Atomic uint32_t generation[OS_FORK_WORDS];
_Atomic uint32_t *os_generation_word = generation;

/* 0, so that os_cpu() never believes the kernel's number. */
int os_cpu_limit;
__thread unsigned long os_own_waits;

static _Noreturn void give_up(const char *why)
{
	static const char *const state[] = { "new",   "running", "futex",
					     "sleep", "parked",	 "over" };

	fprintf(stderr, "fake_os: %s at %llu ns\n", why,
		(unsigned long long)fake.now);
	for (int i = 0; i < nr_threads; i++)
		fprintf(stderr,
			"fake_os: thread %d %s: %s word %p until %llu\n",
			threads[i].tid, threads[i].name,
			state[threads[i].state], (void *)threads[i].word,
			(unsigned long long)threads[i].deadline);
	if (captured_len)
		fprintf(stderr, "fake_os: captured:\n%s", captured);
	abort();
}

/* --- baton --- */

static void end_if_doomed(void)
{
	if (!self->priv->doomed)
		return;
	self->state = FAKE_OVER;
	pthread_exit(NULL);
}

static void pass_turn(void)
{
	sem_post(&back);
	while (sem_wait(&self->priv->turn))
		;
	end_if_doomed();
}

static void *body(void *arg)
{
	self = arg;
	while (sem_wait(&self->priv->turn))
		;
	end_if_doomed();
	if (self->priv->of_library)
		self->priv->of_library(self->arg);
	else
		self->fn(self->arg);
	self->state = FAKE_OVER;
	sem_post(&back);
	return NULL;
}

static void give_turn(struct fake_thread *t)
{
	if (self)
		give_up("a thread runs another");
	t->state = FAKE_RUNNING;
	sem_post(&t->priv->turn);
	while (sem_wait(&back))
		;
}

static struct fake_thread *new_thread(void (*fn)(void *), void *arg,
				      size_t stack)
{
	struct fake_thread *t = &threads[nr_threads];

	if (nr_threads == FAKE_THREADS)
		give_up("too many threads");
	memset(t, 0, sizeof(*t));
	t->priv = &privates[nr_threads];
	memset(t->priv, 0, sizeof(*t->priv));
	sem_init(&t->priv->turn, 0, 0);
	t->fn = fn;
	t->arg = arg;
	t->stack = stack;
	t->tid = FAKE_TID + nr_threads;
	t->attr.cpu = -1;
	nr_threads++;
	return t;
}

int fake_nr_threads(void)
{
	return nr_threads;
}

struct fake_thread *fake_thread(int i)
{
	if (i < 0 || i >= nr_threads)
		give_up("no such thread");
	return &threads[i];
}

struct fake_thread *fake_self(void)
{
	return self;
}

struct fake_thread *fake_spawn(void (*fn)(void *), void *arg)
{
	return new_thread(fn, arg, 0);
}

void fake_start(struct fake_thread *t)
{
	if (t->state != FAKE_NEW)
		give_up("a thread is started twice");
	if (pthread_create(&t->priv->thread, NULL, body, t))
		give_up("pthread_create");
	t->priv->started = true;
	give_turn(t);
}

bool fake_runnable(const struct fake_thread *t)
{
	if (t->state == FAKE_FUTEX && t->priv->woken)
		return true;
	if (t->state == FAKE_FUTEX || t->state == FAKE_SLEEP)
		return t->deadline && t->deadline <= fake.now;
	return t->state == FAKE_NEW && fake.auto_start;
}

bool fake_step(struct fake_thread *t)
{
	if (!fake_runnable(t))
		return false;
	if (t->state == FAKE_NEW)
		fake_start(t);
	else
		give_turn(t);
	return true;
}

static struct fake_thread *pick(void)
{
	struct fake_thread *runnable[FAKE_THREADS];
	unsigned int n = 0;

	for (int i = 0; i < nr_threads; i++)
		if (fake_runnable(&threads[i]))
			runnable[n++] = &threads[i];
	if (!n)
		return NULL;
	return runnable[fake.choose ? fake.choose(n) % n : 0];
}

unsigned int fake_run(void)
{
	struct fake_thread *t;
	unsigned int n = 0;

	while ((t = pick())) {
		fake_step(t);
		if (++n == MAX_STEPS)
			give_up("the threads do not come to rest");
	}
	return n;
}

void fake_park(enum os_thread_state state)
{
	if (!self)
		give_up("the test's own thread cannot be parked");
	self->priv->parked_as = state;
	self->state = FAKE_PARKED;
	pass_turn();
}

void fake_unpark(struct fake_thread *t)
{
	if (t->state != FAKE_PARKED)
		give_up("a thread that is not parked is unparked");
	give_turn(t);
}

void fake_spurious(struct fake_thread *t)
{
	if (t->state != FAKE_FUTEX)
		give_up("a thread that does not wait is woken");
	t->priv->woken = true;
	give_turn(t);
}

void fake_kill(struct fake_thread *t)
{
	if (t == self)
		give_up("a thread kills itself");
	if (t->priv->started) {
		t->priv->doomed = true;
		sem_post(&t->priv->turn);
		pthread_join(t->priv->thread, NULL);
		t->priv->started = false;
	}
	t->state = FAKE_OVER;
}

void fake_reset(void)
{
	static bool first = true;

	if (first)
		sem_init(&back, 0, 0);
	first = false;
	for (int i = 0; i < nr_threads; i++) {
		fake_kill(&threads[i]);
		sem_destroy(&threads[i].priv->turn);
	}
	nr_threads = 0;
	nr_facts = 0;
	nr_files = 0;
	fake_clear_wakes();
	fake_clear_stderr();
	memset(&fake, 0, sizeof(fake));
	fake.now = 1000 * NSEC_PER_MSEC;
	fake.refuse_err = EAGAIN;
	fake.exit_status = -1;
	fake.bound = 1;
	fake_set_cpus(4, 0xf);
	fake_set_generation(1);
	atomic_store(&generation[1], 0);
	atomic_store(&generation[2], 0);
	atomic_store(&generation[3], 0);
}

/* --- time and futexes --- */

uint64_t os_now(void)
{
	struct timespec ts;

	if (!fake.real_threads)
		return fake.now;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static int real_wait(_Atomic uint32_t *word, uint32_t val, uint64_t deadline)
{
	struct timespec ts = {
		.tv_sec = (time_t)(deadline / 1000000000ULL),
		.tv_nsec = (long)(deadline % 1000000000ULL),
	};
	int saved = errno;
	int err = 0;

	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, val,
		    deadline ? &ts : NULL, NULL, FUTEX_BITSET_MATCH_ANY))
		err = errno;
	errno = saved;
	return err == ETIMEDOUT ? ETIMEDOUT : 0;
}

/* The test's thread is a waiter like others, on the list while it waits. */
static struct {
	_Atomic uint32_t *word;
	bool woken;
} main_waiter;

static int main_wait(_Atomic uint32_t *word, uint64_t deadline)
{
	int err = 0;

	main_waiter.word = word;
	main_waiter.woken = false;
	while (!main_waiter.woken) {
		if (fake_run())
			continue;
		if (fake.on_wait && fake.on_wait(word))
			continue;
		if (!deadline)
			give_up("the test waits and nobody will wake it");
		if (fake.now < deadline)
			fake.now = deadline;
		fake_run();
		if (!main_waiter.woken)
			err = ETIMEDOUT;
		break;
	}
	main_waiter.word = NULL;
	return err;
}

int os_futex_wait(_Atomic uint32_t *word, uint32_t val, uint64_t deadline)
{
	bool woken;

	if (fake.real_futex)
		return real_wait(word, val, deadline);
	os_own_waits++;
	if (fake.before_wait)
		fake.before_wait(word);
	if (atomic_load(word) != val)
		return 0;
	if (!self)
		return main_wait(word, deadline);
	self->word = word;
	self->deadline = deadline;
	self->priv->woken = false;
	self->state = FAKE_FUTEX;
	pass_turn();
	woken = self->priv->woken;
	self->word = NULL;
	self->deadline = 0;
	return woken ? 0 : ETIMEDOUT;
}

static void record_wake(_Atomic uint32_t *word, int nr)
{
	int i = 0;

	fake.nr_wakes++;
	while (i < nr_words && wakes[i].word != word)
		i++;
	if (i == MAX_WORDS)
		give_up("too many futexes");
	if (i == nr_words) {
		wakes[i].word = word;
		wakes[i].calls = 0;
		nr_words++;
	}
	wakes[i].calls++;
	wakes[i].last_nr = nr;
}

void os_futex_wake(_Atomic uint32_t *word, int nr)
{
	if (fake.real_futex) {
		int saved = errno;

		syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, nr, NULL, NULL, 0);
		errno = saved;
		return;
	}
	record_wake(word, nr);
	for (int i = 0; i < nr_threads && nr; i++) {
		struct fake_thread *t = &threads[i];

		if (t->state != FAKE_FUTEX || t->word != word || t->priv->woken)
			continue;
		t->priv->woken = true;
		nr--;
	}
	if (nr && main_waiter.word == word)
		main_waiter.woken = true;
	if (fake.on_wake)
		fake.on_wake(word);
}

void os_sleep_ns(uint64_t ns)
{
	fake.nr_sleeps++;
	os_own_waits++;
	if (self) {
		self->deadline = fake.now + ns;
		self->state = FAKE_SLEEP;
		pass_turn();
		self->deadline = 0;
		return;
	}
	fake.now += ns;
	fake_run();
	if (fake.on_sleep)
		fake.on_sleep(ns);
}

unsigned int fake_wakes(_Atomic uint32_t *word)
{
	for (int i = 0; i < nr_words; i++)
		if (wakes[i].word == word)
			return wakes[i].calls;
	return 0;
}

int fake_last_wake_nr(_Atomic uint32_t *word)
{
	for (int i = 0; i < nr_words; i++)
		if (wakes[i].word == word)
			return wakes[i].last_nr;
	return 0;
}

void fake_clear_wakes(void)
{
	nr_words = 0;
	fake.nr_wakes = 0;
}

/* --- chance --- */

static uint64_t first_random(void)
{
	const char *given = getenv("CMWQ_SEED");
	struct timespec ts;
	uint64_t seed;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	seed = (uint64_t)ts.tv_sec * 1000000007ULL + (uint64_t)ts.tv_nsec;
	if (given)
		seed = strtoull(given, NULL, 0);
	printf("CMWQ_SEED=%#llx\n", (unsigned long long)seed);
	fflush(stdout);
	return seed;
}

/* A Weyl sequence, mixed. */
uint64_t fake_random(void)
{
	static bool seeded;
	static uint64_t state;
	uint64_t x;

	if (!seeded)
		state = first_random();
	seeded = true;
	state += 0x9e3779b97f4a7c15ULL;
	x = state;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
	return x ^ (x >> 32);
}

uint64_t fake_below(uint64_t n)
{
	return fake_random() % n;
}

/* --- threads as the library sees them --- */

int os_thread_create(void *(*fn)(void *), void *arg, size_t stack)
{
	if (fake.on_create)
		fake.on_create();
	if (fake.refuse) {
		if (fake.refuse > 0)
			fake.refuse--;
		return fake.refuse_err;
	}
	new_thread(NULL, arg, stack)->priv->of_library = fn;
	return 0;
}

int os_thread_move(int tid, int cpu, const _Atomic unsigned long *cpus)
{
	struct fake_thread *t = self;

	fake.moves++;
	fake.last_moved = tid ? tid : os_gettid();
	fake.last_moved_to = cpu;
	if (cpu >= 0)
		fake.last_bound_to = cpu;
	if (tid >= FAKE_TID && tid < FAKE_TID + nr_threads)
		t = &threads[tid - FAKE_TID];
	if (t && (!tid || t->tid == tid) && !fake.refuse_move) {
		t->attr.cpu = cpu;
		t->attr.cpus = cpus;
	}
	return fake.refuse_move;
}

int os_thread_setup(const struct os_thread_attr *attr)
{
	if (!self)
		return fake.refuse_setup;
	self->was_set_up = true;
	self->attr = *attr;
	snprintf(self->name, sizeof(self->name), "%s", attr->name);
	self->attr.name = self->name;
	if (fake.refuse_setup & (OS_REFUSED_CPU | OS_LOST_CPU))
		self->attr.cpu = -1;
	return fake.refuse_setup;
}

int os_thread_urgent(bool urgent)
{
	const struct sched_param fifo = { .sched_priority = 1 };

	if (fake.real_threads)
		return (int)syscall(SYS_sched_setscheduler, 0, SCHED_FIFO,
				    &fifo);
	if (self)
		self->urgent = urgent;
	if (self && !urgent)
		self->lowered++;
	return urgent ? fake.refuse_urgent : 0;
}

unsigned long os_my_waits(void)
{
	return fake.my_waits;
}

int os_gettid(void)
{
	return self ? self->tid : FAKE_MAIN;
}

static struct tid_facts *facts_of(int tid, bool make)
{
	for (int i = 0; i < nr_facts; i++)
		if (facts[i].tid == tid)
			return &facts[i];
	if (!make)
		return NULL;
	if (nr_facts == MAX_TIDS)
		give_up("too many thread numbers");
	memset(&facts[nr_facts], 0, sizeof(facts[0]));
	facts[nr_facts].tid = tid;
	return &facts[nr_facts++];
}

void fake_set_state(int tid, enum os_thread_state state)
{
	struct tid_facts *f = facts_of(tid, true);

	f->has_state = true;
	f->state = state;
}

void fake_set_cpu_time(int tid, uint64_t ns)
{
	facts_of(tid, true)->cpu_time = ns;
}

void fake_set_waits(int tid, unsigned long n)
{
	facts_of(tid, true)->waits = n;
}

enum os_thread_state os_thread_state(int tid)
{
	struct tid_facts *f = facts_of(tid, false);
	struct fake_thread *t;

	fake.states_read++;
	if (fake.on_state)
		fake.on_state(tid);
	if (f && f->has_state)
		return f->state;
	if (tid == FAKE_MAIN)
		return OS_THREAD_RUNNING;
	if (tid < FAKE_TID || tid >= FAKE_TID + nr_threads)
		return OS_THREAD_UNKNOWN;
	t = &threads[tid - FAKE_TID];
	switch (t->state) {
	case FAKE_PARKED:
		return t->priv->parked_as;
	case FAKE_FUTEX:
	case FAKE_SLEEP:
		return fake_runnable(t) ? OS_THREAD_RUNNING : OS_THREAD_ASLEEP;
	case FAKE_NEW:
	case FAKE_OVER:
		return OS_THREAD_UNKNOWN;
	default:
		return OS_THREAD_RUNNING;
	}
}

uint64_t os_thread_cpu_time(int tid)
{
	struct tid_facts *f = facts_of(tid, false);

	return f ? f->cpu_time : 0;
}

bool os_private_files(void)
{
	return fake.private_files;
}

enum os_thread_state os_watched_state(int tid)
{
	return fake.private_files ? os_thread_state(tid) : OS_THREAD_UNKNOWN;
}

void os_yield(void)
{
	fake.yields++;
	fake.now += fake.yield_ns;
}

unsigned long os_thread_waits(int tid)
{
	struct tid_facts *f = facts_of(tid, false);

	return f ? f->waits : 0;
}

size_t os_read_task_file(int tid, const char *name, char *buf, size_t size)
{
	char path[64];
	size_t n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/%s", tid, name);
	f = fake.real_threads ? fopen(path, "r") : NULL;
	if (f) {
		n = fread(buf, 1, size - 1, f);
		fclose(f);
	}
	buf[n] = '\0';
	return n;
}

/* --- CPUs and process --- */

void fake_set_cpus(int nr, uint64_t allowed)
{
	if (nr < 1 || nr > FAKE_CPUS)
		give_up("not a number of CPUs");
	fake.nr_cpus = nr;
	fake.allowed = fake.granted = allowed;
	pretending = false;
}

int os_nr_cpus(void)
{
	return fake.nr_cpus;
}

int os_nr_allowed(void)
{
	return pretending ? fake.nr_cpus : __builtin_popcountll(fake.allowed);
}

bool os_cpu_allowed(int cpu)
{
	if (pretending)
		return cpu >= 0 && cpu < fake.nr_cpus;
	return cpu >= 0 && cpu < FAKE_CPUS && (fake.allowed >> cpu & 1);
}

void os_allow_cpus(const struct cpumask *cpus)
{
	fake.allowed = cpus->bits[0];
	pretending = false;
}

void os_granted_cpus(struct cpumask *cpus)
{
	cpus->bits[0] = fake.granted;
}

void os_look_at_cpus(void)
{
	fake.looks++;
}

int os_thread_is_bound(int tid, int cpu)
{
	(void)cpu;
	fake.asked = tid;
	return fake.bound;
}

void os_watch_cpus(void)
{
	fake.watches++;
}

/* As the real one does: there are no more than NR_CPUS. */
void os_pretend_cpus(int nr)
{
	fake.nr_cpus = nr < CMWQ_NR_CPUS ? nr : CMWQ_NR_CPUS;
	fake.ignored = nr - fake.nr_cpus;
	pretending = true;
}

int os_cpus_ignored(void)
{
	return fake.ignored;
}

void os_scheduling_init(void)
{
}

void os_topology_init(void)
{
}

int os_cpu_slow(void)
{
	return self && self->attr.cpu >= 0 ? self->attr.cpu : fake.cpu;
}

void fake_set_generation(uint32_t gen)
{
	atomic_store(&generation[0], gen);
}

bool os_probe_copy(void *to, const void *from, size_t size)
{
	memcpy(to, from, size);
	return true;
}

bool os_probe_code(const void *address)
{
	return address;
}

void os_signals_block(sigset_t *before)
{
	sigemptyset(before);
}

void os_signals_restore(const sigset_t *before)
{
	(void)before;
}

/* Of the initialisers in the header. */
int cmwq_objects_on;

void cmwq_object_begin(struct work_struct *work)
{
	(void)work;
}

void os_check_items(bool on)
{
	atomic_store(&generation[3], on);
}

bool os_generation_init(void)
{
	return !fake.no_wipe;
}

void fake_file(const char *path, const char *text)
{
	int i = 0;

	while (i < nr_files && strcmp(files[i].path, path))
		i++;
	if (i == MAX_FILES)
		give_up("too many files");
	if (i == nr_files)
		nr_files++;
	files[i].path = path;
	files[i].text = text;
}

size_t os_read_file(const char *path, char *buf, size_t size)
{
	int i = 0;

	fake.files_read++;
	while (i < nr_files && strcmp(files[i].path, path))
		i++;
	buf[0] = '\0';
	if (i == nr_files || !files[i].text)
		return 0;
	snprintf(buf, size, "%s", files[i].text);
	return strlen(buf);
}

void os_write_stderr(const char *buf, size_t len)
{
	if (captured_len + len >= sizeof(captured))
		give_up("too much for standard error");
	memcpy(captured + captured_len, buf, len);
	captured_len += len;
	captured[captured_len] = '\0';
}

const char *fake_stderr(void)
{
	return captured;
}

void fake_clear_stderr(void)
{
	captured_len = 0;
	captured[0] = '\0';
}

_Noreturn void os_exit_group(int status)
{
	if (!self)
		_exit(status);
	fake.exit_status = status;
	self->state = FAKE_OVER;
	sem_post(&back);
	pthread_exit(NULL);
}
