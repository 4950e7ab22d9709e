/* SPDX-License-Identifier: MIT */
/*
 * watchdog.c - pools that stand still are reported, with the stacks of the workers
 * that have items; and those notice nothing.
 *
 * timeout: 180
 */
#include "harness.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define WATCH	 "workqueue.watchdog_thresh=1 "
#define NO_HELP	 WATCH "cmwq.sentinel=0 cmwq.tick=0 cmwq.hints=0"
#define NO_HOGS	 WATCH "workqueue.cpu_intensive_thresh_us=0"
#define STANDING "has started nothing for"

/* Functions that have names. */
void wd_sleeps(struct work_struct *work);
void wd_spins(struct work_struct *work);
void wd_locks(struct work_struct *work);
void wd_deep(struct item *it, int depth);
void wd_waits(struct work_struct *work);

static _Atomic int ends;

void wd_waits(struct work_struct *work)
{
	item_func(work);
}

/* Each level has a frame. */
__attribute__((noinline)) void wd_deep(struct item *it, int depth)
{
	volatile char room[64];

	room[0] = (char)depth;
	if (depth)
		wd_deep(it, depth - 1);
	else
		item_func(&it->work);
	if (room[0] != (char)depth)
		abort();
}

__attribute__((noinline)) void wd_sleeps(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);

	wd_deep(it, 3);
	atomic_fetch_add(&ends, 1); /* so that it stays on the stack */
}

__attribute__((noinline)) void wd_spins(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);

	it->spin = true;
	wd_deep(it, 3);
	atomic_fetch_add(&ends, 1); /* so that it stays on the stack */
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic bool locks;

/* Of a plain mutex, twice by the same thread. */
__attribute__((noinline)) void wd_locks(struct work_struct *work)
{
	(void)work;
	pthread_mutex_lock(&mutex);
	atomic_store(&locks, true);
	pthread_mutex_lock(&mutex);
	abort();
}

/* All of it is said now, as far as it tells of one worker. */
static void wait_reports(int n)
{
	wait_for(log_count(STANDING) >= n &&
		 log_count("state ") + log_count("no worker has an item") >=
			 log_count(STANDING));
	log_ignore("watchdog:");
	log_ignore("  ");
}

/* Are the frames of a worker to be expected here? */
static bool have_frames(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || \
	!(defined(__x86_64__) || defined(__aarch64__))
	return false;
#else
	static int can_trace = -1;
	int status;
	pid_t pid;

	if (can_trace >= 0)
		return can_trace;
	pid = fork();
	if (!pid)
		_exit(ptrace(PTRACE_SEIZE, getppid(), NULL, NULL) != 0);
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	can_trace = status == 0;
	return can_trace;
#endif
}

static void check_frames(const char *leaf, struct item *it)
{
	if (!have_frames()) {
		wait_for(log_has("no frames:"));
		return;
	}
	/* Not in each report, if the worker gets no CPU time to stop. */
	wait_for(log_has("was stopped for"));
	wait_for(log_has(leaf));
	wait_for(log_count(" wd_deep+0x") >= (it ? 4 : 0));
}

/* The pool has a worker in reserve. While it has none, and there is no tick, somebody
 * looks whether the others sleep, and would start the item behind. */
static void wait_reserve(void)
{
	wait_for(({
		log_clear();
		show_all_workqueues();
		log_has_both("pool cmwq/", " idle (threads");
	}));
	log_clear();
}

/* An item that does not end, and one behind it that it holds up. */
static void stand_still(struct item *it, work_func_t func, struct item *behind)
{
	item_init_held(it);
	it->work.func = func;
	item_init(behind);
	behind->work.func = wd_waits;
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &it->work));
	wait_for(func == wd_locks ? atomic_load(&locks) : item_started(it));
	wait_reserve();
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &behind->work));
}

static void go_on(struct item *it, struct item *behind)
{
	item_release(it);
	flush_work(&behind->work);
	EXPECT_EQ(item_runs(it), 1);
	EXPECT_EQ(item_runs(behind), 1);
	check_library_works();
}

TEST(sleeps_for_ever, .params = NO_HELP)
{
	struct item it, behind;

	stand_still(&it, wd_sleeps, &behind);
	wait_reports(1);
	EXPECT(log_has_both("pool cmwq/", "though work waits"));
	EXPECT(log_has_address("pending of events: wd_waits (item",
			       (uintptr_t)&behind, (uintptr_t)&behind));
	EXPECT(log_has_address("an item of events is run: wd_sleeps",
			       (uintptr_t)&it, (uintptr_t)&it));
	EXPECT(log_has("state S"));
	check_frames(" wd_sleeps+0x", &it);
	go_on(&it, &behind);
}

static bool have_room(size_t size)
{
	void *p =
		mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p != MAP_FAILED)
		munmap(p, size);
	return p != MAP_FAILED;
}

/* From now on there is no room for their stacks. */
static void no_more_threads(void)
{
	struct rlimit lim;
	long pages;
	FILE *f = fopen("/proc/self/statm", "r");

	ASSERT(f && fscanf(f, "%ld", &pages) == 1);
	fclose(f);
	set_param("cmwq.stack_kib", 1 << 20);
	lim.rlim_cur = (rlim_t)pages * 4096 + (512UL << 20);
	lim.rlim_max = lim.rlim_cur;
	ASSERT(!setrlimit(RLIMIT_AS, &lim));
	if (have_room(1UL << 30))
		skip("RLIMIT_AS does not hold here");
	log_ignore("cannot create a worker");
}

static void stand_still_for_lack_of_threads(int started)
{
	struct workqueue_struct *wq = alloc_workqueue("all", WQ_UNBOUND, 64);
	static struct item it[64];
	int i;

	for (i = 0; i < 64; i++) {
		item_init_held(&it[i]);
		it[i].work.func = wd_sleeps;
	}
	for (i = 0; i < started; i++)
		EXPECT(queue_work(wq, &it[i].work));
	wait_for(items_started(it, 64) == started);
	no_more_threads();
	for (i = started; i < 64; i++)
		EXPECT(queue_work(wq, &it[i].work));
	wait_reports(1);
	EXPECT(log_has_both("pending of all:", "*wd_sleeps"));
	EXPECT_EQ(log_has("an item of all is run: wd_sleeps"), started > 0);
	EXPECT_EQ(log_has("no worker has an item"), !started);
	EXPECT_OP(items_started(it, 64), <, 64);
	for (i = 0; i < 64; i++)
		item_release(&it[i]);
	set_param("cmwq.stack_kib", 256);
	destroy_workqueue(wq);
	EXPECT_EQ(items_finished(it, 64), 64);
}

TEST(no_thread_can_be_created, .params = WATCH)
{
	stand_still_for_lack_of_threads(1);
}

TEST(not_even_the_first, .params = WATCH)
{
	stand_still_for_lack_of_threads(0);
}

TEST(spins_for_ever, .params = NO_HOGS)
{
	struct item it, behind;

	stand_still(&it, wd_spins, &behind);
	wait_reports(2);
	EXPECT(log_has("is run: wd_spins"));
	EXPECT(log_has("state R"));
	check_frames(" wd_spins+0x", &it);
	/* To be looked at is not to go to sleep: nobody takes its place. */
	EXPECT_EQ(item_started(&behind), 0);
	go_on(&it, &behind);
}

/* BH items of a CPU share a thread: also those of the other priority wait. */
TEST(bh, .params = WATCH)
{
	struct item it, behind, high;

	log_ignore("sleep"); /* which a debug build reports */
	item_init_held(&it);
	it.work.func = wd_sleeps;
	item_init(&behind);
	item_init(&high);
	EXPECT(queue_work_on(nth_cpu(0), system_bh_wq, &it.work));
	wait_for(item_started(&it));
	EXPECT(queue_work_on(nth_cpu(0), system_bh_wq, &behind.work));
	EXPECT(queue_work_on(nth_cpu(0), system_bh_highpri_wq, &high.work));
	wait_reports(2);
	EXPECT(log_has_both("pool cmwq/bh:", "normal priority"));
	EXPECT(log_has_both("pool cmwq/bh:", "high priority"));
	EXPECT_OP(log_count("an item of events_bh is run: wd_sleeps"), >=, 2);
	check_frames(" wd_sleeps+0x", &it);
	item_release(&it);
	flush_work(&behind.work);
	flush_work(&high.work);
	check_library_works();
}

/* With the mutex the test ends: nothing can be done about it. */
TEST(deadlocks, .params = NO_HELP)
{
	static struct item it, behind;

	stand_still(&it, wd_locks, &behind);
	wait_for(atomic_load(&locks));
	wait_reports(1);
	EXPECT(log_has("is run: wd_locks"));
	EXPECT(log_has("state S"));
	check_frames(" wd_locks+0x", NULL);
	if (have_frames())
		wait_for(log_has("pthread_mutex_lock"));
}

/* Once per interval; and not at all when it is off or was touched. */
TEST(again_and_again, .params = NO_HELP)
{
	struct item it, behind;
	uint64_t from = now_ns();
	int n;

	stand_still(&it, wd_sleeps, &behind);
	wait_reports(3);
	n = log_count(STANDING);
	/* The first after a second, each after another. */
	EXPECT_OP(now_ns() - from, >=, (uint64_t)n * 1000000000);
	go_on(&it, &behind);
}

TEST(off, .params = "workqueue.watchdog_thresh=0 cmwq.sentinel=0 cmwq.tick=0")
{
	struct item it, behind;

	stand_still(&it, wd_sleeps, &behind);
	linger();
	set_param("workqueue.watchdog_thresh", 1);
	wait_reports(1);
	go_on(&it, &behind);
}

static _Atomic bool over;

static long toucher(void *arg)
{
	long rounds;

	for (rounds = 0; !atomic_load(&over); rounds++) {
		wq_watchdog_touch(*(int *)arg);
		usleep(10000);
	}
	return rounds;
}

static void touch(int cpu)
{
	struct item it, behind;
	struct thread t;
	uint64_t from = now_ns();

	thread_start(&t, toucher, &cpu);
	stand_still(&it, wd_sleeps, &behind);
	/* Longer than the threshold; a machine that stops the toucher for that
	 * long proves nothing. */
	while (now_ns() - from < 2500000000)
		linger();
	EXPECT_OP(log_count(STANDING), ==, 0);
	atomic_store(&over, true);
	thread_join(&t);
	wait_reports(1);
	go_on(&it, &behind);
}

TEST(touched, .params = NO_HELP)
{
	touch(nth_cpu(0));
}

TEST(all_touched, .params = NO_HELP)
{
	touch(-1);
}

TEST(bad_touches)
{
	wq_watchdog_touch(-2);
	wait_for(log_has_both("wq_watchdog_touch", "no such CPU"));
	log_clear();
	wq_watchdog_touch(INT_MAX);
	wait_for(log_has_both("wq_watchdog_touch", "no such CPU"));
	check_library_works();
}

/* --- panic --- */

/* The watchdog is off until the messages go to the runner. */
static void stall(long thresh)
{
	static struct item it, behind;

	stand_still(&it, wd_sleeps, &behind);
	cmwq_set_log(NULL, NULL);
	set_param("workqueue.watchdog_thresh", thresh);
	wait_for(false);
}

TEST(stall, .hidden = true)
{
	stall(1);
}

TEST(stall_for_a_minute, .hidden = true)
{
	stall(60);
}

static int count_in(const char *text, const char *part)
{
	int n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

/* Returns the number of reports. */
static int check_abort(const char *test, const char *param)
{
	static char out[1 << 16];
	char params[256];
	int status;

	snprintf(params, sizeof(params),
		 NO_HELP " workqueue.watchdog_thresh=0 %s", param);
	status = run_hidden(test, params, out, sizeof(out));
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
	    !strstr(out, param)) {
		printf("%s\n", out);
		EXPECT(!"aborted");
	}
	return count_in(out, STANDING);
}

TEST(panic_on_stall)
{
	EXPECT_EQ(check_abort("stall", "workqueue.panic_on_stall=1"), 1);
	EXPECT_EQ(check_abort("stall", "workqueue.panic_on_stall=3"), 3);
}

/* One report a second, or less if the machine is busy. */
TEST(panic_on_stall_time)
{
	EXPECT_OP(check_abort("stall", "workqueue.panic_on_stall_time=2"), >=,
		  1);
}

/* Before anything would be reported otherwise. */
TEST(panic_before_report)
{
	EXPECT_EQ(check_abort("stall_for_a_minute",
			      "workqueue.panic_on_stall_time=1"),
		  1);
}

/* --- what an item in a system call notices: nothing --- */

static int fd[2], sock[2], lock_fd, epoll_fd;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static char lock_path[] = "/tmp/cmwq-watchdog-XXXXXX";

static uint64_t ms_since(uint64_t from)
{
	return (now_ns() - from) / 1000000;
}

static long do_nanosleep(void)
{
	struct timespec ts = { 2, 0 }, rest = { 0, 0 };

	return nanosleep(&ts, &rest);
}

static long do_clock_nanosleep(void)
{
	struct timespec ts = { 2, 0 };

	return clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

static long do_poll(void)
{
	struct pollfd p = { .fd = fd[0], .events = POLLIN };

	return poll(&p, 1, 2000);
}

static long do_ppoll(void)
{
	struct timespec ts = { 2, 0 };

	return ppoll(NULL, 0, &ts, NULL);
}

static long do_select(void)
{
	struct timeval tv = { 2, 0 };

	return select(0, NULL, NULL, NULL, &tv);
}

static long do_epoll(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, 2000);
}

static long do_epoll_for_ever(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, -1) - 1;
}

static long do_cond_timedwait(void)
{
	struct timespec ts;
	long rc;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_sec += 2;
	pthread_mutex_lock(&mutex);
	rc = pthread_cond_timedwait(&cond, &mutex, &ts);
	pthread_mutex_unlock(&mutex);
	return rc == ETIMEDOUT ? 0 : -1;
}

static long do_read_pipe(void)
{
	char c;

	return read(fd[0], &c, 1) - 1;
}

static long do_recv(void)
{
	char c;

	return recv(sock[0], &c, 1, 0) - 1;
}

static long do_recv_timeout(void)
{
	struct timeval tv = { 2, 0 };
	char c;
	long rc;

	setsockopt(sock[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	rc = recv(sock[0], &c, 1, 0);
	return rc == -1 && errno == EAGAIN ? 0 : -1;
}

static long do_sigtimedwait(void)
{
	struct timespec ts = { 2, 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	return sigtimedwait(&set, NULL, &ts) == -1 && errno == EAGAIN ? 0 : -1;
}

static long do_write_pipe(void)
{
	static char much[1 << 20];

	return write(fd[1], much, sizeof(much)) - (long)sizeof(much);
}

static long do_fcntl(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int own = open(lock_path, O_RDWR | O_CLOEXEC);
	long rc = fcntl(own, F_OFD_SETLKW, &l);

	close(own);
	return rc;
}

static long do_waitpid(void)
{
	pid_t pid = fork();

	if (!pid) {
		usleep(2000000);
		_exit(0);
	}
	return waitpid(pid, NULL, 0) - pid;
}

static const struct call {
	const char *name;
	long (*fn)(void);
	bool takes_time; /* 2 s; others end when the test lets them */
	bool frames;	 /* are read */
} calls[] = {
	{ "nanosleep", do_nanosleep, true, true },
	{ "clock_nanosleep", do_clock_nanosleep, true, true },
	{ "poll", do_poll, true, true },
	{ "ppoll", do_ppoll, true, true },
	{ "select", do_select, true, true },
	{ "pthread_cond_timedwait", do_cond_timedwait, true, true },
	{ "read", do_read_pipe, false, true },
	{ "recv", do_recv, false, true },
	{ "fcntl", do_fcntl, false, true },
	{ "waitpid", do_waitpid, true, true },
	{ "epoll_wait", do_epoll, true, false },
	{ "epoll_wait for ever", do_epoll_for_ever, false, false },
	{ "recv with a timeout", do_recv_timeout, true, false },
	{ "sigtimedwait", do_sigtimedwait, true, false },
	{ "write", do_write_pipe, false, false },
};

struct caller {
	struct work_struct work;
	const struct call *call;
	_Atomic bool began;
	long result;
	int err;
	uint64_t ms;
	_Atomic bool ended;
};

static void call_func(struct work_struct *work)
{
	struct caller *c = from_work(c, work, work);
	uint64_t from = now_ns();

	atomic_store(&c->began, true);
	errno = 0;
	c->result = c->call->fn();
	c->err = errno;
	c->ms = ms_since(from);
	atomic_store(&c->ended, true);
}

/* Whatever the call waits for comes. */
static void end_calls(void)
{
	static char buf[1 << 16];
	ssize_t got = 0, n;

	EXPECT_EQ(write(sock[1], "x", 1), 1);
	while (got < 1 << 20 && (n = read(fd[0], buf, sizeof(buf))) > 0)
		got += n;
	EXPECT_EQ(got, 1 << 20);
}

static void open_files(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	ASSERT(!pipe(fd));
	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	lock_fd = mkstemp(lock_path);
	ASSERT(lock_fd >= 0 && !fcntl(lock_fd, F_OFD_SETLKW, &l));
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ASSERT(!epoll_ctl(epoll_fd, EPOLL_CTL_ADD, sock[0], &event));
}

static void close_files(void)
{
	unlink(lock_path);
	close(lock_fd);
}

/* Let a call that does not end by itself end. */
static void end_call(const struct call *call)
{
	struct flock l = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	if (call->fn == do_read_pipe)
		EXPECT_EQ(write(fd[1], "x", 1), 1);
	if (call->fn == do_recv || call->fn == do_epoll_for_ever)
		EXPECT_EQ(write(sock[1], "x", 1), 1);
	if (call->fn == do_fcntl)
		EXPECT(!fcntl(lock_fd, F_OFD_SETLKW, &l));
	if (call->fn == do_write_pipe)
		end_calls();
}

/*
 * The call is looked at by at least one report, unless the machine is so busy that it
 * ends before; its result is the one that it has without.
 */
static void check_call(const struct call *call)
{
	struct caller c = { .call = call };
	struct item behind;

	INIT_WORK(&c.work, call_func);
	item_init(&behind);
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &c.work));
	wait_for(atomic_load(&c.began));
	wait_reserve();
	EXPECT(queue_work_on(nth_cpu(0), system_wq, &behind.work));
	wait_for(log_has("state ") || atomic_load(&c.ended));
	log_ignore("watchdog:");
	log_ignore("  ");
	if (!call->frames) {
		EXPECT(!log_has("was stopped for"));
	} else if (have_frames() && log_has("state ")) {
		wait_for(log_has("was stopped for") || log_has("no frames:"));
		EXPECT(log_has("was stopped for") || log_has("took too long") ||
		       log_has("not all the time"));
	}
	end_call(call);
	flush_work(&c.work);
	flush_work(&behind.work);
	if (c.result)
		printf("%s: %s\n", call->name, strerror(c.err));
	EXPECT_EQ(c.result, 0);
	if (call->takes_time)
		EXPECT_OP(c.ms, >=, 1990);
}

/* Each in a process of its own: what is stopped is the whole pool. */
#define CALL_TEST(id, i)                   \
	TEST(call_##id, .params = NO_HELP) \
	{                                  \
		open_files();              \
		check_call(&calls[i]);     \
		close_files();             \
	}

CALL_TEST(nanosleep, 0)
CALL_TEST(clock_nanosleep, 1)
CALL_TEST(poll, 2)
CALL_TEST(ppoll, 3)
CALL_TEST(select, 4)
CALL_TEST(pthread_cond_timedwait, 5)
CALL_TEST(read, 6)
CALL_TEST(recv, 7)
CALL_TEST(fcntl, 8)
CALL_TEST(waitpid, 9)
CALL_TEST(epoll_wait, 10)
CALL_TEST(epoll_wait_for_ever, 11)
CALL_TEST(recv_with_a_timeout, 12)
CALL_TEST(sigtimedwait, 13)
CALL_TEST(write, 14)

/* --- where ptrace is of no use --- */

static void refuse_ptrace(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { sizeof(filter) / sizeof(*filter), filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		skip("no seccomp: %s", strerror(errno));
}

TEST(ptrace_is_refused, .params = NO_HELP)
{
	struct item it, behind;
	char call[32];

	if (!have_frames())
		skip("no ptrace here");
	refuse_ptrace();
	stand_still(&it, wd_sleeps, &behind);
	wait_reports(1);
	EXPECT(log_has("state S"));
	snprintf(call, sizeof(call), "system call: %d 0x", SYS_futex);
	wait_for(log_has_both("no frames: ptrace was refused (Operation "
			      "not permitted)",
			      call));
	EXPECT(!log_has(" wd_deep+0x"));
	go_on(&it, &behind);
}

TEST(no_backtrace_wanted, .params = NO_HELP " cmwq.backtrace=0")
{
	struct item it, behind;

	stand_still(&it, wd_sleeps, &behind);
	wait_reports(1);
	wait_for(log_has("no frames: not asked for"));
	EXPECT(!log_has("was stopped"));
	go_on(&it, &behind);
}

/* A debugger that has the worker. */
TEST(another_tracer, .params = NO_HELP)
{
	struct item it, behind;
	char text[32];
	int pipe_fd[2];
	pid_t pid;
	char c;

	if (!have_frames())
		skip("no ptrace here");
	stand_still(&it, wd_sleeps, &behind);
	ASSERT(!pipe(pipe_fd));
	pid = fork();
	if (!pid) {
		c = ptrace(PTRACE_SEIZE, it.tid, NULL, NULL) ? 'n' : 'y';
		if (write(pipe_fd[1], &c, 1) == 1)
			pause();
		_exit(0);
	}
	ASSERT_EQ(read(pipe_fd[0], &c, 1), 1);
	ASSERT_EQ(c, 'y');
	wait_reports(1);
	snprintf(text, sizeof(text), "traces it (%d)", pid);
	wait_for(log_has(text));
	EXPECT(log_has("is run: wd_sleeps"));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	go_on(&it, &behind);
}

/* The program's own children are what it waits for, its handlers are not called. */
static _Atomic int handled;

static void handler(int sig)
{
	atomic_fetch_add(&handled, sig);
}

TEST(the_program_sees_nothing, .params = NO_HELP)
{
	struct item it, behind;

	for (int sig = 1; sig < 32; sig++)
		signal(sig, handler);
	stand_still(&it, wd_sleeps, &behind);
	wait_for(({
		EXPECT_EQ(waitpid(-1, NULL, WNOHANG), -1);
		EXPECT_EQ(errno, ECHILD);
		log_count(STANDING) >= 2;
	}));
	wait_reports(2);
	EXPECT_EQ(handled, 0);
	check_frames(" wd_sleeps+0x", &it);
	go_on(&it, &behind);
}

/* A forked child has a watchdog of its own, and no old times. */
TEST(child, .params = NO_HELP)
{
	struct item it, behind;
	int status;
	pid_t pid;

	if (getenv("MESON_EXE_WRAPPER"))
		skip("an emulator's fork() is not safe beside threads");
	stand_still(&it, wd_sleeps, &behind);
	wait_reports(1);
	pid = fork();
	if (!pid) {
		static struct item its, other;

		log_clear();
		check_library_works();
		if (log_has(STANDING))
			_exit(1);
		stand_still(&its, wd_sleeps, &other);
		wait_reports(1);
		_exit(0);
	}
	ASSERT_EQ(waitpid(pid, &status, 0), pid);
	EXPECT_EQ(status, 0);
	go_on(&it, &behind);
}
