/* SPDX-License-Identifier: MIT */
/* show.c - dumps, and what workers say of themselves. */
#include "case.h"

CASE(the_dumps_can_be_called_at_any_time,
     "show_all_workqueues, show_one_workqueue, show_freezable_workqueues")
{
	struct workqueue_struct *wq =
		alloc_workqueue("c", WQ_PERCPU | WQ_FREEZABLE, 1);
	struct item *a = held_item('a'), *b = item('b');

	show_one_workqueue(wq);
	queue_work(wq, w(a));
	wait_started(a, 1);
	queue_work(wq, w(b));
	show_one_workqueue(wq);
	show_freezable_workqueues();
	show_all_workqueues();
	warned_already(); /* lines of a dump look like warnings in the kernel */
	release(a);
	destroy_workqueue(wq);
	ORDER("ab");
}

static char after[64];

/* The part behind the name of the thread. */
static void note_comm(struct item *it)
{
	char comm[96] = "";
	char *p;

	if (it->saw[0])
		set_worker_desc("%s", it->saw[0] == 1
					      ? "busy"
					      : "a description of more than "
						"thirty-one characters");
	world_worker_comm(comm, sizeof(comm));
	p = strpbrk(comm, "+-");
	scnprintf(after, sizeof(after), "%s", p ? p : "");
}

static void comm_is(long desc, const char *want)
{
	struct workqueue_struct *wq = alloc_workqueue("queue", WQ_PERCPU, 0);
	struct item *a = item('a');

	a->saw[0] = desc;
	a->body = note_comm;
	queue_work(wq, w(a));
	destroy_workqueue(wq);
	TEXT("comm", after, want);
}

CASE(a_busy_worker_is_named_after_its_workqueue,
     "wq_worker_comm: the name of the worker, + and its description; the "
     "workqueue's name if it said nothing")
{
	comm_is(0, "+queue");
}

CASE(a_worker_that_describes_itself_is_named_so,
     "set_worker_desc: the description is shown instead of the workqueue")
{
	comm_is(1, "+busy");
}

CASE(a_long_description_is_cut_to_31_characters, "WORKER_DESC_LEN 32")
{
	comm_is(2, "+a description of more than thir");
}
