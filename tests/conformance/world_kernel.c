// SPDX-License-Identifier: MIT
/*
 * world_kernel.c - cases as a module in a Linux kernel. See world.h.
 *
 * Loading the module runs the cases (cases=0: none, only=NAME: one, or a room), then
 * with storm=FROM,COUNT sequences of storm.c; or with replay=FILE just the sequences
 * of a file. The results are written to the file out=, one line each.
 * The module stays loaded: threads of cases that gave up are still in it.
 *
 * Addresses of what is not exported are those of kallsyms_lookup_name(), whose own
 * is a kprobe's. Messages are read as a console.
 */
#include <linux/console.h>
#include <linux/cpu.h>
#include <linux/fs.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#include "case.h"
#include "storm.h"

#define LIMIT_MS 60000

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("conformance cases of cmwq");

static char *out = "/dev/hvc0";
module_param(out, charp, 0);
static char *only;
module_param(only, charp, 0);
static bool cases = true;
module_param(cases, bool, 0);
static unsigned int storm[2];
module_param_array(storm, uint, NULL, 0);
static char *replay;
module_param(replay, charp, 0);

/* --- what is not exported --- */

#define DEFINE_UNEXPORTED(fn) typeof(&(fn)) at_##fn;
#undef alloc_workqueue_attrs
#undef alloc_workqueue_attrs_noprof
#undef free_workqueue_attrs
#undef apply_workqueue_attrs
#undef workqueue_set_min_active
#undef freeze_workqueues_begin
#undef freeze_workqueues_busy
#undef thaw_workqueues
#undef schedule_on_each_cpu
#undef current_is_workqueue_rescuer
#undef workqueue_sysfs_register
#undef print_worker_info
#undef show_all_workqueues
#undef show_one_workqueue
#undef show_freezable_workqueues
#undef wq_worker_comm
UNEXPORTED(DEFINE_UNEXPORTED)

/* Writing to /sys/kernel/debug/clear_warn_once calls it. */
static int (*clear_warn_once)(void *data, u64 val);

static int find_unexported(void)
{
	struct kprobe probe = { .symbol_name = "kallsyms_lookup_name" };
	unsigned long (*lookup)(const char *name);
	int err = register_kprobe(&probe);

	if (err)
		return err;
	lookup = (void *)probe.addr;
	unregister_kprobe(&probe);
#define LOOK_UP(fn)                           \
	at_##fn = (void *)lookup(#fn);        \
	if (!at_##fn) {                       \
		pr_err("conf: no " #fn "\n"); \
		return -ENOENT;               \
	}
	UNEXPORTED(LOOK_UP)
	clear_warn_once = (void *)lookup("clear_warn_once_set");
	return clear_warn_once ? 0 : -ENOENT;
}

/* --- processors --- */

static int cpus[2], nr_cpus;

/* Once: the second one goes away at times. */
static void find_cpus(void)
{
	cpus[0] = cpumask_first(cpu_online_mask);
	cpus[1] = cpumask_next(cpus[0], cpu_online_mask);
	nr_cpus = num_online_cpus();
}

int world_cpu(int nth)
{
	return cpus[nth];
}

int world_nr_cpus(void)
{
	return nr_cpus;
}

int world_offline(void)
{
	return remove_cpu(cpus[1]);
}

int world_online(void)
{
	return add_cpu(cpus[1]);
}

void world_worker_comm(char *buf, size_t size)
{
	at_wq_worker_comm(buf, size, current);
}

int world_here(void)
{
	return raw_smp_processor_id() == world_cpu(1);
}

int world_nice(void)
{
	return task_nice(current);
}

bool world_has(const char *param)
{
	return true;
}

bool spin_until(atomic_t *flag)
{
	u64 until = ktime_get_ns() + 20000000000ULL;

	while (!atomic_read(flag)) {
		if (ktime_get_ns() > until)
			return false;
		cpu_relax();
		cond_resched(); /* for kernels that preempt none of theirs */
	}
	return true;
}

#define HOG_PARAM "/sys/module/workqueue/parameters/cpu_intensive_thresh_us"

void world_no_hogs(void)
{
	struct file *f = filp_open(HOG_PARAM, O_WRONLY, 0);
	loff_t pos = 0;

	if (IS_ERR(f) || kernel_write(f, "100000000", 9, &pos) != 9)
		pr_err("conf: cannot write " HOG_PARAM "\n");
	if (!IS_ERR(f))
		filp_close(f, NULL);
}

/* --- threads --- */

static int thread_main(void *arg)
{
	struct thread *t = arg;

	t->result = t->fn(t->arg);
	complete_all(&t->done);
	return 0;
}

void thread_start(struct thread *t, int cpu, long (*fn)(void *arg), void *arg)
{
	t->fn = fn;
	t->arg = arg;
	init_completion(&t->done);
	t->os.task = kthread_create(thread_main, t, "conf");
	if (IS_ERR(t->os.task))
		conf_give_up("a thread", __LINE__);
	if (cpu >= 0)
		kthread_bind(t->os.task, world_cpu(cpu));
	get_task_struct(t->os.task);
	wake_up_process(t->os.task);
}

long thread_join(struct thread *t)
{
	wait_for_completion(&t->done);
	put_task_struct(t->os.task);
	return t->result;
}

bool thread_done(struct thread *t)
{
	return completion_done(&t->done);
}

bool thread_blocked_for(struct thread *t, unsigned int us)
{
	u64 until = conf_deadline(), since = 0;
	unsigned long sleeps = -1UL, before;
	unsigned int round = 0;

	while (!thread_done(t)) {
		before = sleeps;
		sleeps = READ_ONCE(t->os.task->nvcsw);
		if (task_is_running(t->os.task) || sleeps != before)
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

static bool about_workqueues(const char *text, unsigned int len)
{
	if (strnstr(text, "hogged CPU", len))
		return false;
	return strnstr(text, "workqueue: ", len) ||
	       strnstr(text, "WARNING:", len);
}

static void note_message(struct console *con, const char *text,
			 unsigned int len)
{
	if (about_workqueues(text, len))
		atomic_inc(&messages);
}

static struct console listener = {
	.name = "conf",
	.write = note_message,
	.flags = CON_ENABLED,
	.index = -1,
};

bool warned_already(void)
{
	bool any;
	int now;

	console_lock();
	console_unlock();
	now = atomic_read(&messages);
	any = now != messages_seen;
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

/* What the kernel says once is to be said once for each case. */
static void forget_warnings(void)
{
	clear_warn_once(NULL, 1);
}

/* --- results --- */

static struct file *results;

void storm_out(const char *text, size_t len)
{
	loff_t pos = 0;
	ssize_t n;

	while (len) {
		n = kernel_write(results, text, len, &pos);
		if (n <= 0) {
			pr_err("conf: cannot write results: %zd\n", n);
			return;
		}
		text += n;
		len -= n;
	}
}

static void run_all(void)
{
	static char line[12288];
	struct conf_outcome o;
	int i, n;

	for (i = 0; i < conf_nr_cases; i++) {
		if (only && strcmp(only, conf_cases[i]->name) &&
		    strcmp(only, conf_rooms[i]))
			continue;
		pr_info("conf: %s\n", conf_cases[i]->name);
		forget_warnings();
		o = conf_run(conf_cases[i], LIMIT_MS);
		n = scnprintf(line, sizeof(line), "case\t%s\t%d\t%s\t%s\n",
			      conf_cases[i]->name, o.verdict, o.record,
			      o.notes);
		storm_out(line, n);
	}
}

static char *read_file(const char *path)
{
	struct file *f = filp_open(path, O_RDONLY, 0);
	size_t size = 1 << 20;
	char *text = kzalloc(size, GFP_KERNEL);
	loff_t pos = 0;
	ssize_t n;

	if (IS_ERR(f) || !text)
		return NULL;
	while ((n = kernel_read(f, text + pos, size - 1 - pos, &pos)) > 0)
		;
	filp_close(f, NULL);
	return text;
}

static int __init conf_init(void)
{
	int err = find_unexported();
	char *text;

	if (err)
		return err;
	find_cpus();
	results = filp_open(out, O_WRONLY, 0);
	if (IS_ERR(results))
		return PTR_ERR(results);
	register_console(&listener);
	if (replay) {
		text = read_file(replay);
		if (text)
			storm_replay(text);
	} else {
		if (cases)
			run_all();
		storm_run(storm[0], storm[1]);
	}
	storm_out("end\n", 4);
	filp_close(results, NULL);
	unregister_console(&listener);
	__module_get(THIS_MODULE);
	return 0;
}
module_init(conf_init);

/* Modules without one cannot be unloaded. */
