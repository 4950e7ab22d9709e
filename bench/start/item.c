/* SPDX-License-Identifier: MIT */
/*
 * start-item HOW - the same program with cmwq, and what it says is when its first
 * item ran:
 *
 *	linked	none is queued; when main() began
 *	percpu	the first call of the program queues it on this CPU
 *	unbound	on system_dfl_wq
 *	all	and then one on each CPU of each kind of system workqueue, and a
 *		delayed one, before it lives on
 */
#include <stdatomic.h>
#include <string.h>
#include <cmwq/cpumask.h>
#include <cmwq/workqueue.h>
#include "start.h"

static void first_item(struct work_struct *work)
{
	(void)work;
	say(stamp());
}

static void item(struct work_struct *work)
{
	(void)work;
}

static void use(struct workqueue_struct *wq)
{
	static DECLARE_WORK(work, item);

	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		queue_work_on((int)cpu, wq, &work);
		flush_work(&work);
	}
}

static void use_all(void)
{
	static DECLARE_DELAYED_WORK(late, item);

	use(system_percpu_wq);
	use(system_highpri_wq);
	use(system_dfl_wq);
	use(system_bh_wq);
	queue_delayed_work(system_percpu_wq, &late, 1);
	flush_delayed_work(&late);
}

int main(int argc, char **argv)
{
	static DECLARE_WORK(first, first_item);
	const char *how = argc == 2 ? argv[1] : "";

	if (!strcmp(how, "linked"))
		say(stamp());
	else if (!strcmp(how, "unbound"))
		queue_work(system_dfl_wq, &first);
	else if (!strcmp(how, "percpu") || !strcmp(how, "all"))
		queue_work(system_percpu_wq, &first);
	else
		return 2;
	if (!strcmp(how, "all"))
		use_all();
	live_on();
	return 0;
}
