/* SPDX-License-Identifier: MIT */
/*
 * cmwq-sum - SHA-256 of every regular file below the given paths, in the
 * format of sha256sum. The main file: options, start, signals, end.
 *
 * The main thread does no work. It starts the first items and then waits for
 * one of two descriptors: `done`, written by finish(), or `signals`, readable
 * when SIGINT or SIGTERM came. Either way it then sets `stop`, which every
 * item looks at between two steps, and takes the queues down from the last to
 * the first: output, which could still ask for directories; walking, which
 * queues hashing; hashing.
 */
#include "sum.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define VERSION "0.1.0"

/* Descriptors for everything but the hashed files, tree.c's not counted. */
#define OTHER_FDS 320

struct options options;
struct counters counters;
struct workqueue_struct *walk_wq, *hash_wq, *output_wq;

static atomic_bool stop;
static atomic_int status;
static int done_fd, signal_fd;
static sigset_t caught;

static const char usage[] =
	"Usage: " PROGRAM " [OPTIONS] PATH...\n"
	"Print the SHA-256 of every regular file below the paths, in the "
	"format\n"
	"of sha256sum: `sha256sum -c` accepts it. The order is that of the\n"
	"arguments, and by byte value within each directory.\n"
	"\n"
	"  -j, --jobs=N   read and hash at most N files at once (1 to 2048)\n"
	"  -q, --quiet    no progress bar\n"
	"      --stats    at the end, print what each workqueue did\n"
	"      --help     print this and exit\n"
	"      --version  print the version and exit\n"
	"\n"
	"Symbolic links are followed if given as PATH, and skipped below; so "
	"are\n"
	"devices, sockets and FIFOs.\n"
	"\n"
	"Exit status: 0 if all was well, 1 if something could not be read or\n"
	"written, 2 for bad usage, 130 or 143 after SIGINT or SIGTERM.\n";

/* True once the program is about to end: items return at once. */
bool stopping(void)
{
	return atomic_load_explicit(&stop, memory_order_relaxed);
}

/* Called by the output, once, when there is nothing left for it to do. */
void finish(int code)
{
	atomic_store(&status, code);
	atomic_store(&stop, true);
	eventfd_write(done_fd, 1);
}

/* Memory for an array, or the end of the program. */
void *xrealloc(void *old, size_t nr, size_t size)
{
	void *new = reallocarray(old, nr, size);

	if (!new) {
		complain("out of memory", 0);
		_exit(EXIT_TROUBLE);
	}
	return new;
}

/* One message, in one write so that lines of several threads do not mix. */
void complain(const char *what, int error)
{
	const char *why = NULL;

	if (error)
		why = error == NOT_HASHABLE ? "Not a file or directory"
					    : strerror(error);
	dprintf(STDERR_FILENO, PROGRAM ": %s%s%s\n", what, why ? ": " : "",
		why ? why : "");
}

static void __attribute__((noreturn)) bad_usage(const char *why)
{
	if (why)
		complain(why, 0);
	dprintf(STDERR_FILENO, "Try '" PROGRAM " --help'.\n");
	exit(EXIT_TROUBLE);
}

static void __attribute__((noreturn)) print_and_exit(const char *text)
{
	if (fputs(text, stdout) == EOF || fflush(stdout)) {
		complain("write error", errno);
		exit(EXIT_UNREADABLE);
	}
	exit(0);
}

/* Enough to keep a disk busy as well as the CPUs; at most the CPUs' number of
 * them run at once unless they block. */
static int default_jobs(void)
{
	cpu_set_t cpus;
	int nr = 4;

	if (!sched_getaffinity(0, sizeof(cpus), &cpus))
		nr = CPU_COUNT(&cpus);
	return nr <= 8 ? 32 : nr >= 512 ? 2048 : 4 * nr;
}

static int parse_jobs(const char *text)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 10);
	if (errno || end == text || *end || n < 1 || n > WQ_MAX_ACTIVE)
		bad_usage("-j takes a number from 1 to 2048");
	return n;
}

static void parse_options(int argc, char **argv)
{
	static const struct option names[] = {
		{ "jobs", required_argument, NULL, 'j' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "stats", no_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' },
		{ 0 },
	};
	int c;

	options.max_active = default_jobs();
	while ((c = getopt_long(argc, argv, "j:q", names, NULL)) >= 0) {
		switch (c) {
		case 'j':
			options.max_active = parse_jobs(optarg);
			break;
		case 'q':
			options.quiet = true;
			break;
		case 's':
			options.stats = true;
			break;
		case 'h':
			print_and_exit(usage);
		case 'v':
			print_and_exit(PROGRAM " " VERSION "\n");
		default:
			bad_usage(NULL);
		}
	}
	if (optind == argc)
		bad_usage("no path was given");
}

/* In a list for sha256sum a "-" would mean standard input. */
static void check_paths(char **paths)
{
	for (; *paths; paths++) {
		if (!strcmp(*paths, "-"))
			bad_usage("standard input is not read; a file of the "
				  "name - is ./-");
		if (!**paths)
			bad_usage("a path is empty");
	}
}

/* Otherwise the first file that is opened could become standard output. */
static void check_standard_fds(void)
{
	int fd;

	for (fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) >= 0)
			continue;
		if (fd == STDOUT_FILENO) {
			complain("standard output", errno);
			exit(EXIT_UNREADABLE);
		}
		if (open("/dev/null", O_RDWR) != fd)
			exit(EXIT_TROUBLE);
	}
}

/* Ask for as many descriptors as we may have; open fewer files if there are
 * not enough. */
static void check_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
		getrlimit(RLIMIT_NOFILE, &limit);
	}
	while (options.max_active > 1 &&
	       hash_open_files() + OTHER_FDS > limit.rlim_cur)
		options.max_active--;
}

/* Signals come through a descriptor; one that was ignored when we were started
 * (nohup, a shell's background job) stays ignored. */
static void catch_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM };
	struct sigaction old;
	size_t i;

	sigemptyset(&caught);
	for (i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		if (!sigaction(numbers[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaddset(&caught, numbers[i]);
	}
	pthread_sigmask(SIG_BLOCK, &caught, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal_fd = signalfd(-1, &caught, SFD_CLOEXEC | SFD_NONBLOCK);
	done_fd = eventfd(0, EFD_CLOEXEC);
	if (signal_fd < 0 || done_fd < 0) {
		complain("signals", errno);
		exit(EXIT_TROUBLE);
	}
}

/* Wait for the end; returns the exit status. */
static int wait_for_end(void)
{
	struct signalfd_siginfo info;
	struct pollfd fds[] = {
		{ .fd = done_fd, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};

	while (poll(fds, 2, -1) < 0 && errno == EINTR)
		;
	if (fds[0].revents || read(signal_fd, &info, sizeof(info)) < 0)
		return atomic_load(&status);

	/* Whoever is not content with a clean end may ask a second time. */
	pthread_sigmask(SIG_UNBLOCK, &caught, NULL);
	return EXIT_BY_SIGNAL + info.ssi_signo;
}

static void make_queues(void)
{
	walk_wq = alloc_workqueue("sum-walk", WQ_UNBOUND, 0);
	hash_wq = alloc_workqueue("sum-hash", WQ_UNBOUND, options.max_active);
	output_wq = alloc_ordered_workqueue("sum-output", 0);
	if (!walk_wq || !hash_wq || !output_wq) {
		complain("out of memory", 0);
		exit(EXIT_TROUBLE);
	}
}

int main(int argc, char **argv)
{
	int code;

	parse_options(argc, argv);
	check_paths(argv + optind);
	check_standard_fds();
	check_fd_limit();
	catch_signals();
	make_queues();

	hash_start();
	tree_start();
	bar_start();
	walk_start(argv + optind, argc - optind);
	output_start();

	code = wait_for_end();
	atomic_store(&stop, true);
	output_stop();
	bar_stop();
	drain_workqueue(walk_wq);
	drain_workqueue(hash_wq);
	if (options.stats)
		stats_print();

	destroy_workqueue(output_wq);
	destroy_workqueue(walk_wq);
	destroy_workqueue(hash_wq);
	hash_end();
	return code;
}
