/* SPDX-License-Identifier: MIT */
/*
 * call - functions that workers call while the caller waits: on one CPU, on all of
 * them; or that are called at once where that may be.
 *
 * The items are the caller's own, on his stack or in memory that is freed when he
 * returns. So whatever ended the wait, they are taken back before that: a wait that
 * would never end is refused (depend.h) and leaves the item queued.
 */
#include <errno.h>
#include <stdlib.h>

#include "bh.h"
#include "flush.h"
#include "life.h"
#include "log.h"
#include "os.h"
#include "queue.h"

/* 0 when the item is done, or -EDEADLK if it was not called. */
static int finish(struct work_struct *work, void *caller)
{
	flush_item(work, caller);
	return cancel_work_sync(work) ? -EDEADLK : 0;
}

int schedule_on_each_cpu(work_func_t func)
{
	void *caller = __builtin_return_address(0);
	struct work_struct *works;
	int err = 0;

	life_check();
	if (!func) {
		log_err("schedule_on_each_cpu: no function, called at %p",
			caller);
		return -EINVAL;
	}
	works = calloc((size_t)os_nr_cpus(), sizeof(*works));
	if (!works)
		return -ENOMEM;
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		INIT_WORK(&works[cpu], func);
		if (os_cpu_allowed(cpu))
			queue_item(cpu, system_percpu_wq, &works[cpu], caller);
	}
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++)
		if (finish(&works[cpu], caller))
			err = -EDEADLK;
	free(works);
	return err;
}

long work_on_cpu(int cpu, long (*fn)(void *arg), void *arg)
{
	void *caller = __builtin_return_address(0);
	struct work_call c = { .fn = fn, .arg = arg, .ret = -EDEADLK };

	life_check();
	if (!fn) {
		log_err("work_on_cpu: no function, called at %p", caller);
		return -EINVAL;
	}
	INIT_WORK_ONSTACK(&c.work, work_call);
	if (!queue_item(cpu, system_percpu_wq, &c.work, caller))
		return -EINVAL;
	finish(&c.work, caller);
	destroy_work_on_stack(&c.work);
	return c.ret;
}

int execute_in_process_context(work_func_t fn, struct execute_work *ew)
{
	void *caller = __builtin_return_address(0);

	if (!fn || !ew) {
		log_err("execute_in_process_context: no %s, called at %p",
			fn ? "struct execute_work" : "function", caller);
		return -EINVAL;
	}
	if (!bh_self()) {
		fn(&ew->work);
		return 0;
	}
	INIT_WORK(&ew->work, fn);
	queue_item(WORK_CPU_UNBOUND, system_percpu_wq, &ew->work, caller);
	return 1;
}
