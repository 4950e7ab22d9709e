/* SPDX-License-Identifier: MIT */
/*
 * os_backtrace - where another thread of this process is, without its noticing.
 *
 * A signal would show: it ends sleep() and poll() early. So a child process that
 * shares our memory, but neither threads nor signal handlers (as one of vfork()
 * would), attaches to the thread by ptrace, reads its registers, walks up its stack
 * in place, and detaches. The calling thread waits meanwhile (CLONE_VFORK), all others
 * go on. The child opens, allocates and locks nothing.
 *
 * The unwinder of the C compiler starts where it is called. To have it start in another
 * thread the child sends itself a signal, and the handler puts that thread's registers
 * where the kernel has saved the child's own: above the frame of the handler the
 * unwinder then finds the other stack. It is linked into this library, since the C
 * library's backtrace() would load it from a file, under the loader's lock. Its tables
 * are found without a lock (_dl_find_object() of glibc 2.35).
 *
 * Stopping a thread interrupts its system call. Most start anew afterwards and their
 * caller sees nothing; some return EINTR or a short count, and those have to be left
 * in peace: only_restarts() knows which ones are safe. A thread that runs may be about
 * to enter such a call, or in one and waiting for a CPU, so that it has to be known
 * to compute. If it does enter one just then and that returns EINTR, the child sends
 * it back to begin again (x86-64 only, elsewhere the arguments are lost).
 *
 * It runs at the highest priority that is permitted, so as not to be preempted while it
 * keeps the thread stopped. On a loaded machine that makes 9 us of 18, and 0.2 ms at
 * most of 50.
 *
 * Whatever goes wrong ends the child, by a timer if it takes long, and what it has
 * found by then is kept. The kernel lets go of a thread whose tracer is gone.
 */
#include "os_backtrace.h"

#include <elf.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

#include "os.h"

#define STACK	   (64 * 1024)
#define TIMEOUT_US 100000 /* for the thread to stop, and the walk */
#define SAMPLE	   SIGUSR1

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER
#endif
#endif

/* Their runtimes keep signal handlers in memory that the child shares. */
#if (defined(__x86_64__) || defined(__aarch64__)) && !defined(UNDER_SANITIZER)
#define HAVE_WALK
#endif

static void read_state(int tid, struct os_backtrace *bt)
{
	static const char field[] = "\nTracerPid:";
	char buf[2048];
	char *p;

	if (os_read_task_file(tid, "stat", buf, sizeof(buf))) {
		p = strrchr(buf, ')');
		bt->state = p && p[1] ? p[2] : 0;
	}
	os_read_task_file(tid, "wchan", bt->wchan, sizeof(bt->wchan));
	if (!strcmp(bt->wchan, "0"))
		bt->wchan[0] = '\0';
	os_read_task_file(tid, "syscall", bt->syscall, sizeof(bt->syscall));
	bt->syscall[strcspn(bt->syscall, "\n")] = '\0';
	os_read_task_file(tid, "status", buf, sizeof(buf));
	p = strstr(buf, field);
	bt->tracer = p ? atoi(p + sizeof(field) - 1) : 0;
}

#ifdef HAVE_WALK

/* The call waits for a file, and if interrupted has done nothing yet. */
static bool waits_for_first_byte(int fd)
{
	struct timeval timeout;
	socklen_t len = sizeof(timeout);
	struct stat st;
	int low;

	if (fstat(fd, &st))
		return false;
	if (!S_ISSOCK(st.st_mode))
		return S_ISFIFO(st.st_mode);
	if (getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, &len) ||
	    timeout.tv_sec || timeout.tv_usec)
		return false;
	len = sizeof(low);
	return !getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, &len) && low <= 1;
}

/* Would the system call start anew if it was interrupted, as if nothing had been? */
static bool only_restarts(long nr, const unsigned long *arg)
{
	switch (nr) {
	case SYS_restart_syscall:
	case SYS_nanosleep:
	case SYS_clock_nanosleep:
	case SYS_futex:
	case SYS_ppoll:
	case SYS_pselect6:
	case SYS_rt_sigsuspend:
	case SYS_wait4:
	case SYS_waitid:
	case SYS_flock:
	case SYS_fcntl:
	case SYS_msgrcv:
	case SYS_msgsnd:
	case SYS_mq_timedreceive:
	case SYS_mq_timedsend:
#ifdef SYS_poll
	case SYS_poll:
	case SYS_select:
	case SYS_pause:
#endif
		return true;
	case SYS_read:
	case SYS_readv:
	case SYS_accept:
	case SYS_accept4:
		return waits_for_first_byte((int)arg[0]);
	case SYS_recvfrom:
		return !(arg[3] & MSG_WAITALL) &&
		       waits_for_first_byte((int)arg[0]);
	case SYS_recvmsg:
		return !(arg[2] & MSG_WAITALL) &&
		       waits_for_first_byte((int)arg[0]);
	default:
		return false;
	}
}

/* What stands against stopping it, or NULL. */
static const char *obstacle(const struct os_backtrace *bt,
			    unsigned int may_stop)
{
	const char *runs = may_stop & OS_BACKTRACE_RUNNING
				   ? NULL
				   : "it runs, but not all the time";
	unsigned long arg[6];
	char *p;
	long nr;

	if (!bt->state)
		return "the thread is gone";
	if (bt->tracer)
		return "another process traces it";
	if (bt->state == 'D')
		return "it cannot be interrupted";
	if (bt->state == 'R' || !strcmp(bt->syscall, "running"))
		return runs;
	nr = strtol(bt->syscall, &p, 10);
	if (p == bt->syscall)
		return "its system call is not known";
	for (int i = 0; i < 6; i++)
		arg[i] = strtoul(p, &p, 0);
	return nr < 0 || only_restarts(nr, arg)
		       ? NULL
		       : "its system call would not go on after it";
}

/* --- the walk, in the child --- */

#ifdef __x86_64__

typedef struct user_regs_struct regs_t;
typedef gregset_t saved_t;

static uintptr_t regs_pc(const regs_t *r)
{
	return r->rip;
}

/* Puts a thread's registers into a signal frame; what was there goes to @saved. */
static void swap_in(ucontext_t *uc, const regs_t *r, saved_t *saved)
{
	greg_t *g = uc->uc_mcontext.gregs;

	memcpy(*saved, g, sizeof(*saved));
	g[REG_RAX] = (greg_t)r->rax;
	g[REG_RBX] = (greg_t)r->rbx;
	g[REG_RCX] = (greg_t)r->rcx;
	g[REG_RDX] = (greg_t)r->rdx;
	g[REG_RSI] = (greg_t)r->rsi;
	g[REG_RDI] = (greg_t)r->rdi;
	g[REG_RBP] = (greg_t)r->rbp;
	g[REG_RSP] = (greg_t)r->rsp;
	g[REG_R8] = (greg_t)r->r8;
	g[REG_R9] = (greg_t)r->r9;
	g[REG_R10] = (greg_t)r->r10;
	g[REG_R11] = (greg_t)r->r11;
	g[REG_R12] = (greg_t)r->r12;
	g[REG_R13] = (greg_t)r->r13;
	g[REG_R14] = (greg_t)r->r14;
	g[REG_R15] = (greg_t)r->r15;
	g[REG_RIP] = (greg_t)r->rip;
}

static void swap_out(ucontext_t *uc, const saved_t *saved)
{
	memcpy(uc->uc_mcontext.gregs, *saved, sizeof(*saved));
}

/* It entered a system call that we made return EINTR: back to the instruction, two
 * bytes long, with the number of the call where it was; the arguments still are. */
static bool rewind_call(regs_t *r)
{
	if ((long)r->orig_rax < 0 || (long)r->rax != -EINTR)
		return false;
	r->rip -= 2;
	r->rax = r->orig_rax;
	return true;
}

#else

typedef struct user_regs_struct regs_t;
typedef mcontext_t saved_t;

static uintptr_t regs_pc(const regs_t *r)
{
	return r->pc;
}

static void swap_in(ucontext_t *uc, const regs_t *r, saved_t *saved)
{
	mcontext_t *m = &uc->uc_mcontext;

	memcpy(saved->regs, m->regs, sizeof(m->regs));
	saved->sp = m->sp;
	saved->pc = m->pc;
	memcpy(m->regs, r->regs, sizeof(m->regs));
	m->sp = r->sp;
	m->pc = r->pc;
}

static void swap_out(ucontext_t *uc, const saved_t *saved)
{
	mcontext_t *m = &uc->uc_mcontext;

	memcpy(m->regs, saved->regs, sizeof(m->regs));
	m->sp = saved->sp;
	m->pc = saved->pc;
}

static bool rewind_call(regs_t *r)
{
	(void)r;
	return false;
}

#endif

/* One walk at a time. */
static struct job {
	struct os_backtrace *bt;
	int tid;
	regs_t regs;
	bool ready;	/* regs are those of the thread */
	bool in_thread; /* the frames are its, no longer our own */
	bool attached;
	uint64_t from; /* when it had stopped */
	int signal; /* that was about to be delivered when it stopped, or 0 */
} job;
static char child_stack[STACK] __attribute__((aligned(64)));

static void give_up(const char *obstacle, int err)
{
	job.bt->obstacle = obstacle;
	job.bt->err = err;
}

/* Frames are the child's own up to the one that a signal interrupted. */
static _Unwind_Reason_Code take_frame(struct _Unwind_Context *c, void *unused)
{
	struct os_backtrace *bt = job.bt;
	int interrupted = 0;
	uintptr_t pc = _Unwind_GetIPInfo(c, &interrupted);

	(void)unused;
	if (interrupted && !job.in_thread) {
		job.in_thread = true;
		/* An unwinder that looks elsewhere would show our own stack. */
		if (pc != regs_pc(&job.regs)) {
			give_up("the unwinder did not follow", 0);
			return _URC_END_OF_STACK;
		}
	}
	if (!job.in_thread)
		return _URC_NO_REASON;
	if (!pc || bt->nr == OS_BACKTRACE_MAX)
		return _URC_END_OF_STACK;
	bt->frame[bt->nr++] = (void *)pc;
	return _URC_NO_REASON;
}

static void on_sample(int sig, siginfo_t *info, void *ucontext)
{
	saved_t saved;

	(void)sig;
	(void)info;
	if (!job.ready)
		return;
	swap_in(ucontext, &job.regs, &saved);
	_Unwind_Backtrace(take_frame, NULL);
	swap_out(ucontext, &saved);
}

static void leave(void)
{
	syscall(SYS_exit_group, 0);
}

static void on_fault(int sig)
{
	(void)sig;
	give_up("its stack cannot be read any further", 0);
	leave();
}

static void on_timeout(int sig)
{
	(void)sig;
	give_up("it took too long", 0);
	leave();
}

static void handle_signals(void)
{
	const struct itimerval timeout = { .it_value.tv_usec = TIMEOUT_US };
	struct sigaction sample = { .sa_sigaction = on_sample,
				    .sa_flags = SA_SIGINFO };
	struct sigaction fault = { .sa_handler = on_fault };
	struct sigaction alarm = { .sa_handler = on_timeout };
	sigset_t set;

	sigaction(SAMPLE, &sample, NULL);
	sigaction(SIGSEGV, &fault, NULL);
	sigaction(SIGBUS, &fault, NULL);
	sigaction(SIGALRM, &alarm, NULL);
	sigemptyset(&set);
	sigaddset(&set, SAMPLE);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	setitimer(ITIMER_REAL, &timeout, NULL);
}

static bool stop(int tid)
{
	struct iovec iov = { &job.regs, sizeof(job.regs) };
	int status;

	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL)) {
		give_up(errno == ESRCH ? "the thread is gone"
				       : "ptrace was refused",
			errno);
		return false;
	}
	job.attached = true;
	if (ptrace(PTRACE_INTERRUPT, tid, NULL, NULL) ||
	    waitpid(tid, &status, __WALL) != tid || !WIFSTOPPED(status)) {
		give_up("it could not be stopped", errno);
		return false;
	}
	job.from = os_now();
	if (ptrace(PTRACE_GETREGSET, tid, (void *)NT_PRSTATUS, &iov)) {
		give_up("its registers could not be read", errno);
		return false;
	}
	if (status >> 16 != PTRACE_EVENT_STOP)
		job.signal = WSTOPSIG(status);
	return true;
}

static void let_go(int tid)
{
	struct iovec iov = { &job.regs, sizeof(job.regs) };

	if (!job.signal && rewind_call(&job.regs))
		ptrace(PTRACE_SETREGSET, tid, (void *)NT_PRSTATUS, &iov);
	ptrace(PTRACE_DETACH, tid, NULL, (void *)(intptr_t)job.signal);
	job.bt->stopped_ns = os_now() - job.from;
}

/* kill() and raise() of the C library go by what the calling thread was. */
static int child(void *unused)
{
	(void)unused;
	handle_signals();
	os_thread_urgent(true);
	if (stop(job.tid)) {
		job.ready = true;
		syscall(SYS_tgkill, syscall(SYS_getpid), syscall(SYS_gettid),
			SAMPLE);
		job.ready = false;
		let_go(job.tid);
	}
	leave();
	return 0;
}

static _Unwind_Reason_Code stop_at_once(struct _Unwind_Context *c, void *unused)
{
	(void)c;
	(void)unused;
	return _URC_END_OF_STACK;
}

static void run_child(int tid, struct os_backtrace *bt)
{
	int pid;

	memset(&job, 0, sizeof(job));
	job.bt = bt;
	job.tid = tid;
	bt->nr = 0;
	bt->obstacle = NULL;
	bt->err = 0;
	/* Files are shared so that no copy of them keeps any open. */
	pid = clone(child, child_stack + STACK,
		    CLONE_VM | CLONE_VFORK | CLONE_FILES | CLONE_FS |
			    CLONE_UNTRACED,
		    NULL);
	if (pid < 0) {
		give_up("no process could be made", errno);
		return;
	}
	/* It has no exit signal, so nobody else gets it who does not ask for
	 * such. */
	waitpid(pid, NULL, __WALL);
	if (job.from && !bt->stopped_ns)
		bt->stopped_ns = os_now() - job.from;
}

/*
 * Under Yama a process traces its descendants only, unless the traced one agrees,
 * which it does for this moment. Elsewhere the call fails, and nothing changes.
 */
static void read_frames(int tid, struct os_backtrace *bt)
{
	int saved = errno;

	_Unwind_Backtrace(stop_at_once, NULL); /* sets itself up, once */
	run_child(tid, bt);
	if (bt->err == EPERM && !job.attached &&
	    !prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0)) {
		run_child(tid, bt);
		prctl(PR_SET_PTRACER, 0, 0, 0, 0);
	}
	errno = saved;
}

#else

static const char *obstacle(const struct os_backtrace *bt,
			    unsigned int may_stop)
{
	(void)bt;
	(void)may_stop;
#ifdef UNDER_SANITIZER
	return "not under a sanitizer";
#else
	return "not on this kind of processor";
#endif
}

static void read_frames(int tid, struct os_backtrace *bt)
{
	(void)tid;
	(void)bt;
}

#endif

void os_backtrace(int tid, unsigned int may_stop, struct os_backtrace *bt)
{
	memset(bt, 0, sizeof(*bt));
	read_state(tid, bt);
	bt->obstacle = may_stop ? obstacle(bt, may_stop) : "not asked for";
	if (!bt->obstacle)
		read_frames(tid, bt);
}
