/* SPDX-License-Identifier: MIT */
/*
 * bar.c - the progress bar, and the summary of --stats.
 *
 * The bar is a delayed work that arms itself again. It runs on the ordered
 * output queue, and so never at the same time as what prints lines: no lock is
 * needed for the terminal, and `shown` belongs to that queue.
 */
#include "sum.h"
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PERIOD_MS   100
#define MAX_COLUMNS 200

static void bar_work(struct work_struct *work);

static DECLARE_DELAYED_WORK(bar_item, bar_work);
static bool shown;
static unsigned long started; /* jiffies, which are milliseconds */

static double seconds(void)
{
	unsigned long ms = jiffies_to_msecs(jiffies - started);

	return (ms ? ms : 1) / 1000.0;
}

static double megabytes(void)
{
	return atomic_load(&counters.bytes) / 1e6;
}

static int columns(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) || size.ws_col == 0)
		return 80;
	return size.ws_col < MAX_COLUMNS ? size.ws_col : MAX_COLUMNS;
}

static void show(const char *text, size_t len)
{
	/* A terminal that takes nothing has no use for a progress bar. */
	if (write(STDERR_FILENO, text, len) < 0)
		shown = false;
}

/*
 * How much of what is known is done, as a part of @width. Every file counts
 * one, a big one also its megabytes, so that few big files move the bar too.
 */
static int part_of(int width)
{
	double all = atomic_load(&counters.found) +
		     atomic_load(&counters.expected) / 1e6;
	double part = (atomic_load(&counters.done) + megabytes()) * width;

	if (all < 1)
		return 0;
	return part < all * width ? (int)(part / all) : width;
}

static void draw(void)
{
	char numbers[160], cells[MAX_COLUMNS + 1], text[512];
	int width, done;

	width = columns() - 4;
	width -= snprintf(numbers, sizeof(numbers),
			  "%llu/%llu%s files  %.0f MB  %.0f MB/s",
			  atomic_load(&counters.done),
			  atomic_load(&counters.found),
			  atomic_load(&counters.walking) ? "+" : "",
			  megabytes(), megabytes() / seconds());
	if (width < 0)
		width = 0;
	done = part_of(width);
	memset(cells, '#', done);
	memset(cells + done, '.', width - done);
	width = snprintf(text, sizeof(text), "\r[%.*s] %s\033[K", width, cells,
			 numbers);
	shown = true;
	show(text, width);
}

static void bar_work(struct work_struct *work)
{
	struct delayed_work *dwork = to_delayed_work(work);

	if (stopping())
		return;
	draw();
	queue_delayed_work(output_wq, dwork, msecs_to_jiffies(PERIOD_MS));
}

/* Called on the output queue, or when nothing runs on it any more. */
void bar_clear(void)
{
	if (shown)
		show("\r\033[K", 4);
	shown = false;
}

void bar_start(void)
{
	started = jiffies;
	if (!options.quiet && isatty(STDERR_FILENO))
		queue_delayed_work(output_wq, &bar_item,
				   msecs_to_jiffies(PERIOD_MS));
}

void bar_stop(void)
{
	cancel_delayed_work_sync(&bar_item);
	bar_clear();
}

static void queue_stats(struct workqueue_struct *wq)
{
	struct cmwq_stats stats;

	if (!cmwq_get_stats(wq, &stats))
		return;
	fprintf(stderr, "%-12s %10llu %13u %11llu %9llu\n", cmwq_name(wq),
		stats.completed, stats.workers_peak, stats.cm_wakeup,
		stats.cpu_itsv);
}

/*
 * Items: how many ran. Workers peak: the most threads that the pools of the
 * queue had at once; queues share pools. CM wakeups: starts because another
 * item slept. CPU hogs: items that were found to compute for long.
 */
void stats_print(void)
{
	double time = seconds();

	fprintf(stderr, "%-12s %10s %13s %11s %9s\n", "queue", "items",
		"workers peak", "CM wakeups", "CPU hogs");
	queue_stats(walk_wq);
	queue_stats(hash_wq);
	queue_stats(output_wq);
	fprintf(stderr, "%llu files, %llu bytes, %.3f s, %.1f MB/s\n",
		atomic_load(&counters.done), atomic_load(&counters.bytes), time,
		megabytes() / time);
}
