/* SPDX-License-Identifier: MIT */
/*
 * hog - functions that have been CPU hogs several times.
 *
 * One that has been found workqueue.cpu_intensive_warning_thresh times is reported,
 * then after 1, 2, 4, 8 and so on further times, as by the kernel (with 4: at 4, 5, 7,
 * 11, 19). They are counted in a table of bounded size; when it is full the one
 * that was found least often makes room.
 *
 * Everything here is the timer thread's (T).
 */
#include "hog.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "log.h"
#include "param.h"
#include "symbol.h"
#include "wq_struct.h"

#define MAX_HOGS 128

static struct hog {
	work_func_t func;
	unsigned long times;
	bool due;	      /* to be reported */
	char wq[WQ_NAME_LEN]; /* of the last time */
} hogs[MAX_HOGS];
static bool any_due;

static struct hog *entry_for(work_func_t func)
{
	struct hog *least = &hogs[0];

	for (int i = 0; i < MAX_HOGS; i++) {
		if (hogs[i].func == func)
			return &hogs[i];
		if (hogs[i].times < least->times)
			least = &hogs[i];
	}
	memset(least, 0, sizeof(*least));
	least->func = func;
	return least;
}

static bool is_due(unsigned long times)
{
	unsigned long thresh =
		(unsigned long)param_get(cpu_intensive_warning_thresh);
	unsigned long since = times + 1 - thresh;

	return thresh && times >= thresh && !(since & (since - 1));
}

void hog_found(work_func_t func, const char *wq)
{
	struct hog *hog = entry_for(func);

	hog->times++;
	memcpy(hog->wq, wq, sizeof(hog->wq));
	if (is_due(hog->times))
		any_due = hog->due = true;
}

void hog_report(void)
{
	struct symbol name;

	if (!any_due)
		return;
	any_due = false;
	for (int i = 0; i < MAX_HOGS; i++) {
		struct hog *hog = &hogs[i];

		if (!hog->due)
			continue;
		hog->due = false;
		log_warn("%s of workqueue %s has used more than %ld us of CPU "
			 "time at a stretch, %lu times by now; its items are "
			 "better off on a workqueue with WQ_UNBOUND or "
			 "WQ_CPU_INTENSIVE",
			 symbol_func(&name, hog->func), hog->wq,
			 param_get(cpu_intensive_thresh_us), hog->times);
	}
}

void hog_reset(void)
{
	memset(hogs, 0, sizeof(hogs));
	any_due = false;
}
