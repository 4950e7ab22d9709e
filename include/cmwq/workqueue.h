/* SPDX-License-Identifier: MIT */
/*
 * cmwq/workqueue.h - the Linux kernel's workqueue interface for processes.
 *
 *	#include <cmwq/workqueue.h>
 *
 *	static void hello(struct work_struct *work) { puts("hello"); }
 *	static DECLARE_WORK(work, hello);
 *
 *	int main(void)
 *	{
 *		schedule_work(&work);
 *		flush_work(&work);
 *	}
 *
 * A work item is a function to be called later by a worker thread. Items are
 * queued on workqueues; all workqueues share the workers, which the library
 * creates and lets sleep as the items need them: per CPU one worker runs as
 * long as it does not block, and the moment it blocks the next item starts.
 *
 * Names, arguments and results are those of Linux 7.2's
 * <linux/workqueue.h>; "Documentation/core-api/workqueue.rst" describes them.
 *
 * Contexts. Unless a function says otherwise it may be called from any thread
 * and from within a work function, but not from a signal handler, and it does
 * not sleep for longer than a short lock. "May sleep" is said where it does.
 *
 * Bad input. A call that can tell that its arguments are wrong (NULL, an item
 * that was never initialised, a workqueue that was destroyed recently, a CPU
 * that does not exist) logs a message which names the queue and the caller's
 * address, and returns what is documented; nothing is corrupted. Undefined,
 * because it cannot be seen: an item whose memory was freed or reused while it
 * was queued, and a workqueue destroyed more than 64 destroys ago.
 *
 * Fork. After fork() the child has the same workqueues, all empty, and no
 * threads; they are made again at the first use. Items that were queued or
 * being cancelled are idle in the child. A child that was forked inside a work
 * function continues in it and exits with status 70 when the function returns.
 *
 * Symbols carry the prefix cmwq_ in the object file, so a program with a
 * queue_work() of its own can link this library.
 */
#ifndef CMWQ_WORKQUEUE_H
#define CMWQ_WORKQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <cmwq/jiffies.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The linker's name of a public function or object. */
#ifndef CMWQ_API /* also in <cmwq/cpumask.h> */
#define CMWQ_API(name) __asm__("cmwq_" #name)
#endif

struct workqueue_struct;
struct work_struct;
struct device;
struct lockdep_map;
struct cpumask;

/* A work function. It may sleep (not on a BH queue), requeue its item, and free
 * it. */
typedef void (*work_func_t)(struct work_struct *work);

/* Private link; its type is deliberately not a struct list_head. */
struct cmwq_link {
	void *next;
	void *prev;
};

struct cmwq_timer {
	struct cmwq_timer *next;
	struct cmwq_timer **pprev;
	unsigned long long expires;
	void (*function)(struct cmwq_timer *timer);
};

/* All members are private. */
struct work_struct {
	unsigned long data;
	struct cmwq_link entry;
	work_func_t func;
};

struct delayed_work {
	struct work_struct work;
	struct cmwq_timer timer;
	struct workqueue_struct *wq;
	int cpu;
};

/* Private; its type is deliberately not liburcu's struct rcu_head. */
struct cmwq_rcu_head {
	void *next;
	void *prev;
};

struct rcu_work {
	struct work_struct work;
	struct cmwq_rcu_head rcu;
	struct workqueue_struct *wq;
};

struct execute_work {
	struct work_struct work;
};

enum wq_flags {
	WQ_BH = 1 << 0,		     /* items never sleep and run at once */
	WQ_UNBOUND = 1 << 1,	     /* not bound to any CPU */
	WQ_FREEZABLE = 1 << 2,	     /* frozen with the freezer */
	WQ_MEM_RECLAIM = 1 << 3,     /* needed for reclaiming memory */
	WQ_HIGHPRI = 1 << 4,	     /* served by high priority workers */
	WQ_CPU_INTENSIVE = 1 << 5,   /* its running items hold up no others */
	WQ_SYSFS = 1 << 6,	     /* has files, see cmwq_sysfs_read() */
	WQ_POWER_EFFICIENT = 1 << 7, /* unbound if power_efficient is set */
	WQ_PERCPU = 1 << 8,	     /* bound to the CPU that queues */

	__WQ_DESTROYING = 1 << 15, /* internal */
	__WQ_DRAINING = 1 << 16,   /* internal */
	__WQ_ORDERED = 1 << 17,	   /* internal: one item at a time, in order */
	__WQ_LEGACY = 1 << 18,	   /* internal: create_*workqueue() */
};

/*
 * How far the workers that serve an item of an unbound queue may be from the CPU
 * that queued it: a pod is a set of CPUs that share what is named here, and has
 * workers of its own.
 */
enum wq_affn_scope {
	WQ_AFFN_DFL,	     /* as workqueue.default_affinity_scope says */
	WQ_AFFN_CPU,	     /* each CPU by itself */
	WQ_AFFN_SMT,	     /* the threads of a core */
	WQ_AFFN_CACHE,	     /* what shares the last level cache */
	WQ_AFFN_CACHE_SHARD, /* the same in parts of at most
				workqueue.cache_shard_size cores */
	WQ_AFFN_NUMA,	     /* a NUMA node */
	WQ_AFFN_SYSTEM,	     /* all CPUs */
	WQ_AFFN_NR_TYPES,
};

/*
 * Attributes of an unbound queue, for apply_workqueue_attrs(). Only
 * alloc_workqueue_attrs() makes them: they may get more members. The mask is
 * one of <cmwq/cpumask.h>.
 */
struct workqueue_attrs {
	int nice; /* -20..19 of its workers, from the process's own */
	struct cpumask *cpumask; /* the CPUs they may use */
	bool affn_strict; /* never leave the pod; else only start there */
	enum wq_affn_scope affn_scope;
	bool ordered; /* the workqueue's; what is set here means nothing */
};

enum {
	WQ_MAX_ACTIVE = 2048,
	WQ_UNBOUND_MAX_ACTIVE = WQ_MAX_ACTIVE,
	WQ_DFL_ACTIVE = WQ_MAX_ACTIVE / 2,
	WQ_DFL_MIN_ACTIVE = 8,
	WORK_CPU_UNBOUND = 8192, /* "this CPU, or none in particular" */
	WORKER_DESC_LEN = 32,
	WORK_BUSY_PENDING = 1 << 0,
	WORK_BUSY_RUNNING = 1 << 1,
};

/*
 * Initialisation. An item must be initialised once before its first use, and
 * never while it is queued or runs. The _ONSTACK forms are for items with
 * automatic storage, which destroy_work_on_stack() ends.
 *
 * With CMWQ_DEBUG=objects (see <cmwq/cmwq.h>) an item that is queued, or whose
 * timer is armed, when it is initialised again or ends is reported and taken back
 * first.
 */
#define CMWQ_WORK_IDLE 0x0000ffff00000000UL /* private: never queued */

#define __WORK_INITIALIZER(f)                       \
	{                                           \
		CMWQ_WORK_IDLE, { NULL, NULL }, (f) \
	}
#define __DELAYED_WORK_INITIALIZER(f)                                   \
	{                                                               \
		__WORK_INITIALIZER(f), { NULL, NULL, 0, NULL }, NULL, 0 \
	}

#define DECLARE_WORK(n, f) struct work_struct n = __WORK_INITIALIZER(f)
#define DECLARE_DELAYED_WORK(n, f) \
	struct delayed_work n = __DELAYED_WORK_INITIALIZER(f)
/* In a process there is no deep idle to preserve: deferrable is delayed. */
#define DECLARE_DEFERRABLE_WORK(n, f) DECLARE_DELAYED_WORK(n, f)

/* Private: with CMWQ_DEBUG=objects the library looks at items that begin or
 * end. */
extern int cmwq_objects_on CMWQ_API(objects_on);
void cmwq_object_begin(struct work_struct *work) CMWQ_API(object_begin);
void cmwq_object_end(struct work_struct *work) CMWQ_API(object_end);

static inline bool cmwq_objects_checked(void)
{
	return __builtin_expect(
		__atomic_load_n(&cmwq_objects_on, __ATOMIC_RELAXED), 0);
}

static inline void cmwq_init_work(struct work_struct *work, work_func_t func)
{
	if (cmwq_objects_checked())
		cmwq_object_begin(work);
	work->data = CMWQ_WORK_IDLE;
	work->entry.next = NULL;
	work->entry.prev = NULL;
	work->func = func;
}

static inline void cmwq_init_delayed_work(struct delayed_work *dwork,
					  work_func_t func)
{
	cmwq_init_work(&dwork->work, func);
	dwork->timer.next = NULL;
	dwork->timer.pprev = NULL;
	dwork->timer.expires = 0;
	dwork->timer.function = NULL;
	dwork->wq = NULL;
	dwork->cpu = 0;
}

static inline void cmwq_init_rcu_work(struct rcu_work *rwork, work_func_t func)
{
	cmwq_init_work(&rwork->work, func);
	rwork->rcu.next = NULL;
	rwork->rcu.prev = NULL;
	rwork->wq = NULL;
}

#define INIT_WORK(work, func)	       cmwq_init_work(work, func)
#define INIT_WORK_ONSTACK(work, func)  cmwq_init_work(work, func)
#define INIT_DELAYED_WORK(dwork, func) cmwq_init_delayed_work(dwork, func)
#define INIT_DELAYED_WORK_ONSTACK(dwork, func) \
	cmwq_init_delayed_work(dwork, func)
#define INIT_DEFERRABLE_WORK(dwork, func) cmwq_init_delayed_work(dwork, func)
#define INIT_DEFERRABLE_WORK_ONSTACK(dwork, func) \
	cmwq_init_delayed_work(dwork, func)
#define INIT_RCU_WORK(rwork, func)	   cmwq_init_rcu_work(rwork, func)
#define INIT_RCU_WORK_ONSTACK(rwork, func) cmwq_init_rcu_work(rwork, func)

static inline void destroy_work_on_stack(struct work_struct *work)
{
	if (cmwq_objects_checked())
		cmwq_object_end(work);
}

static inline void destroy_delayed_work_on_stack(struct delayed_work *dwork)
{
	destroy_work_on_stack(&dwork->work);
}

/* The delayed work that a work item, as passed to its function, is part of. */
static inline struct delayed_work *to_delayed_work(struct work_struct *work)
{
	return (struct delayed_work *)((char *)work -
				       offsetof(struct delayed_work, work));
}

/* The RCU work that a work item is part of. */
static inline struct rcu_work *to_rcu_work(struct work_struct *work)
{
	return (struct rcu_work *)((char *)work -
				   offsetof(struct rcu_work, work));
}

/*
 * The object of @type whose @member is at @ptr. The compiler complains if @ptr is
 * not of the member's type. A program that has a container_of() of its own keeps
 * it, if it is there before this header; if it comes later, it defines
 * CMWQ_NO_CONTAINER_OF before this.
 */
#define cmwq_container_of(ptr, type, member)                      \
	((type *)((char *)(1 ? (ptr) : &((type *)NULL)->member) - \
		  offsetof(type, member)))
#if !defined(container_of) && !defined(CMWQ_NO_CONTAINER_OF)
#define container_of(ptr, type, member) cmwq_container_of(ptr, type, member)
#endif

/* from_work(var, work, member): the object of var's type around an item. */
#define from_work(var, work_ptr, member) \
	cmwq_container_of(work_ptr, __typeof__(*(var)), member)

#define work_data_bits(work) (&(work)->data)

/*
 * True while the item is queued (or its timer is armed) and has not started.
 * A snapshot: it may be outdated when it returns. Any context, also signals.
 */
bool work_pending(const struct work_struct *work) CMWQ_API(work_pending);
#define delayed_work_pending(dwork) work_pending(&(dwork)->work)

/*
 * alloc_workqueue - make a workqueue
 * @fmt:	printf format of its name; more than 31 characters are cut off
 * @flags:	WQ_PERCPU or WQ_UNBOUND, and others of enum wq_flags
 * @max_active:	most items of this queue that run at once, per CPU on a
 *		per-CPU queue; 0 means 1024; clamped to 1..2048 with a message
 *
 * With neither WQ_PERCPU nor WQ_UNBOUND the queue is per-CPU, with both it is
 * unbound; either is reported once. May sleep.
 *
 * A WQ_MEM_RECLAIM queue gets a thread of its own, named cmwq/R-<name>: its rescuer,
 * which sleeps until no worker can be created for items of the queue (a limit on
 * processes, no memory) or until that takes more than 10 ms, and then runs them one
 * by one. Other queues wait until threads can be created again. So give the flag to
 * queues whose items must run for memory, or threads, to become free. A forked
 * child gets a new rescuer with its first use of any queue; if that fails it is
 * reported and tried again while work waits.
 *
 * Returns NULL, with a message, if memory is short, for flags that are unknown or do
 * not go together, or if the rescuer cannot be created.
 */
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags,
					 int max_active, ...)
	CMWQ_API(alloc_workqueue) __attribute__((format(printf, 1, 4)));

/*
 * WQ_BH: a queue for short items that never sleep (no lock that may be held for
 * long, no read(), no flush), and that are to run as soon as they are queued. Each
 * CPU has one thread for all of them, of the highest priority that the process is
 * allowed (SCHED_FIFO 1, or nice -20), which runs them in queueing order, one at a
 * time, those of WQ_HIGHPRI queues first. What is not done after 2 ms or 10 rounds
 * of looking is done at normal priority, so that other threads get their share.
 *
 *	wq = alloc_workqueue("net", WQ_BH, 0);
 *
 * Such a queue is per-CPU, may in addition have WQ_HIGHPRI and WQ_PERCPU and nothing
 * else, and @max_active must be 0: its items are not held back. Otherwise the result
 * is NULL, with a message. All calls work on its items. In one of them, current_work()
 * is NULL, set_worker_desc() does nothing, and queueing on a queue that drains is
 * refused as it is from outside. An item may wait (cancel_work_sync() and so on) for
 * BH items on other CPUs; to wait for one that could only run after itself, or for a
 * BH workqueue, is reported and does not wait. A debug build reports items that
 * sleep.
 */

/* An unbound queue that runs its items one at a time, in queueing order. */
struct workqueue_struct *alloc_ordered_workqueue(const char *fmt,
						 unsigned int flags, ...)
	CMWQ_API(alloc_ordered_workqueue) __attribute__((format(printf, 1, 3)));

/*
 * The same, and what is told to a checker of locks about the workqueue is told as
 * being about @lockdep_map: workqueues that have one in common are one for it. The
 * library only looks at the address.
 */
struct workqueue_struct *
alloc_workqueue_lockdep_map(const char *fmt, unsigned int flags, int max_active,
			    struct lockdep_map *lockdep_map, ...)
	CMWQ_API(alloc_workqueue_lockdep_map)
		__attribute__((format(printf, 1, 5)));

struct workqueue_struct *
alloc_ordered_workqueue_lockdep_map(const char *fmt, unsigned int flags,
				    struct lockdep_map *lockdep_map, ...)
	CMWQ_API(alloc_ordered_workqueue_lockdep_map)
		__attribute__((format(printf, 1, 4)));

/*
 * Workqueues that end with their owner: cmwq_device_release() of <cmwq/cmwq.h>
 * destroys those of @dev, the last one first. Any object can be an owner, the library
 * only looks at the address; in a program without a struct device of its own:
 *
 *	wq = devm_alloc_workqueue((struct device *)server, "server", WQ_PERCPU, 0);
 *
 * NULL, reported, for a NULL owner; otherwise as alloc_workqueue(). May sleep.
 */
struct workqueue_struct *
devm_alloc_workqueue(struct device *dev, const char *fmt, unsigned int flags,
		     int max_active, ...) CMWQ_API(devm_alloc_workqueue)
	__attribute__((format(printf, 2, 5)));

struct workqueue_struct *devm_alloc_ordered_workqueue(struct device *dev,
						      const char *fmt,
						      unsigned int flags, ...)
	CMWQ_API(devm_alloc_ordered_workqueue)
		__attribute__((format(printf, 2, 4)));

/* Where the kernel counts who allocates what. */
#define alloc_workqueue_noprof	     alloc_workqueue
#define devm_alloc_workqueue_noprof  devm_alloc_workqueue
#define alloc_workqueue_attrs_noprof alloc_workqueue_attrs

#define create_workqueue(name) \
	alloc_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM | WQ_PERCPU, 1, name)
#define create_freezable_workqueue(name)                          \
	alloc_workqueue("%s",                                     \
			__WQ_LEGACY | WQ_FREEZABLE | WQ_UNBOUND | \
				WQ_MEM_RECLAIM,                   \
			1, name)
#define create_singlethread_workqueue(name) \
	alloc_ordered_workqueue("%s", __WQ_LEGACY | WQ_MEM_RECLAIM, name)

/*
 * Drain the workqueue and free it. Nobody may queue on it any more. A queue
 * that is still busy afterwards is reported and leaked. NULL is reported.
 * May sleep; "Waiting in an item" below applies.
 */
void destroy_workqueue(struct workqueue_struct *wq) CMWQ_API(destroy_workqueue);

/*
 * Wait until the queue is empty, also of items that its items queue. While it
 * waits, queueing from anywhere else is refused: queue_work() then returns
 * true as in the kernel, but the item is dropped, idle, and the refusal is
 * logged. Armed timers of delayed work are not seen. May sleep; "Waiting in an
 * item" applies.
 */
void drain_workqueue(struct workqueue_struct *wq) CMWQ_API(drain_workqueue);

/*
 * Wait until every item that was queued before the call has finished; those
 * queued later may or may not have. Callers at the same time share the
 * waiting: 15 may be under way, more wait their turn. Armed timers of delayed
 * work are not seen. May sleep.
 *
 * Waiting in an item. An item may wait for others, but not for what cannot be
 * over before it is itself. Where that is certain, the call reports it with the
 * names of both and does not wait:
 *
 *  - flush_workqueue(), drain_workqueue() and destroy_workqueue() of a workqueue
 *    by one of its own items do nothing. (All items but the caller would not do:
 *    some of them may wait behind it for max_active, or for it as it does.)
 *  - flush_work() and flush_delayed_work() return false for the item that calls
 *    them, and for one that cannot start before that is done because it is
 *    queued behind it where max_active is 1.
 *  - cancel_work_sync(), disable_work_sync() and those for delayed work, for the
 *    item that calls them, take back what is pending and return whether anything
 *    was, like the forms without _sync.
 *
 * Reported once for each pair and then waited for: an item of a WQ_MEM_RECLAIM
 * workqueue waits for a workqueue without that flag, or for an item of one. (Not
 * meant are cancels, which wait for a run that has its thread, and those that
 * create_workqueue() and its kin made.)
 */
void flush_workqueue(struct workqueue_struct *wq) CMWQ_API(flush_workqueue);
#define __flush_workqueue(wq)  flush_workqueue(wq)
#define flush_scheduled_work() flush_workqueue(system_percpu_wq)

/*
 * Change max_active. 0 and negative values mean 1, more than 2048 is clamped
 * with a message. Raising it starts waiting items at once, in order; lowering
 * it lets the running ones finish. On an ordered or BH queue it is reported and
 * nothing changes. May sleep.
 */
void workqueue_set_max_active(struct workqueue_struct *wq, int max_active)
	CMWQ_API(workqueue_set_max_active);

/*
 * How many items of an unbound workqueue may run on each NUMA node at least, however
 * few of its CPUs the node has: max_active is shared out over the nodes in
 * proportion to their CPUs, but none gets less than this (8 at first, and never
 * more than max_active). What is outside of 0..max_active becomes the nearest that is
 * not. On a per-CPU or ordered queue it is reported and nothing changes. May sleep.
 */
void workqueue_set_min_active(struct workqueue_struct *wq, int min_active)
	CMWQ_API(workqueue_set_min_active);

/*
 * The freezer: from freeze_workqueues_begin() to thaw_workqueues() no item of a
 * WQ_FREEZABLE workqueue starts. Those that run may finish;
 * freeze_workqueues_busy() tells whether any still does, so a program that wants
 * to be still polls it:
 *
 *	freeze_workqueues_begin();
 *	while (freeze_workqueues_busy())
 *		usleep(1000);
 *	take_snapshot();
 *	thaw_workqueues();
 *
 * Items can be queued, cancelled and disabled meanwhile, delayed ones join when
 * their time has come, and workqueues can be allocated, frozen from the start; a
 * flush waits for the thaw. After it they start in queueing order, as many as
 * max_active allows, also if that was changed meanwhile. A second begin and a
 * busy without one are reported, a thaw without one is not. They may sleep.
 */
void freeze_workqueues_begin(void) CMWQ_API(freeze_workqueues_begin);
bool freeze_workqueues_busy(void) CMWQ_API(freeze_workqueues_busy);
void thaw_workqueues(void) CMWQ_API(thaw_workqueues);

/*
 * alloc_workqueue_attrs - attributes to fill in
 *
 * nice 0, all possible CPUs, the default scope, not strict, not ordered. Nice
 * values count from the one that the process was started with.
 * Returns NULL if memory is short. free_workqueue_attrs(NULL) does nothing.
 */
struct workqueue_attrs *alloc_workqueue_attrs(void)
	CMWQ_API(alloc_workqueue_attrs);
void free_workqueue_attrs(struct workqueue_attrs *attrs)
	CMWQ_API(free_workqueue_attrs);

/*
 * apply_workqueue_attrs - give an unbound workqueue other attributes
 *
 * From the return on items go to pools with these attributes, which all workqueues
 * with equal ones share. Items that were queued before, and one that still runs
 * and is queued again, are done where they are. An ordered workqueue stays one:
 * what is queued from now on waits until the last item from before is done.
 *
 *	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
 *
 *	attrs->nice = 5;
 *	cpulist_parse("0-3", attrs->cpumask);
 *	attrs->affn_scope = WQ_AFFN_NUMA;
 *	apply_workqueue_attrs(wq, attrs);
 *	free_workqueue_attrs(attrs);
 *
 * CPUs that workqueues may not use (workqueue.unbound_cpus, and see below) do not
 * count; if none is left, all that may be used are meant. The attributes are
 * copied. May sleep; loads the topology.
 *
 * Returns 0, -EINVAL for a workqueue that is not unbound or attributes that make no
 * sense, which is reported, or -ENOMEM; after an error nothing has changed.
 */
int apply_workqueue_attrs(struct workqueue_struct *wq,
			  const struct workqueue_attrs *attrs)
	CMWQ_API(apply_workqueue_attrs);

/*
 * Keep all unbound workqueues to these CPUs, as far as workqueue.unbound_cpus
 * contains them; if it contains none, to that. Each keeps its own attributes: what
 * they name beyond it counts again when the mask is widened. May sleep; loads
 * the topology. Returns 0, -EINVAL for NULL, which is reported, or -ENOMEM, and
 * then nothing has changed.
 */
int workqueue_unbound_housekeeping_update(const struct cpumask *hk)
	CMWQ_API(workqueue_unbound_housekeeping_update);

/*
 * Give a workqueue files, as WQ_SYSFS does when it is allocated; cmwq_sysfs_read()
 * in <cmwq/cmwq.h> lists them. It has them until it is destroyed. An ordered one can
 * have them, too; its max_active stays 1. 0, or -EEXIST, reported, if it has files, or
 * another has files under its name. (With WQ_SYSFS the allocation then fails.)
 * -EINVAL for a bad workqueue. May sleep.
 */
int workqueue_sysfs_register(struct workqueue_struct *wq)
	CMWQ_API(workqueue_sysfs_register);

/*
 * queue_work - queue an item
 *
 * Returns true if it was queued, false if it was queued already, is disabled,
 * or was refused (see "Bad input"). If true, the function sees every store
 * made before the call; if false because it was queued, the run that is
 * pending sees them too. An item never runs twice at once while it stays on
 * one workqueue and keeps its function.
 *
 * After workqueue_init(), in a thread that has queued before or has called
 * cmwq_thread_prepare(), async-signal-safe.
 */
bool queue_work(struct workqueue_struct *wq, struct work_struct *work)
	CMWQ_API(queue_work);

/*
 * The same on the given CPU's pool of a per-CPU queue; on an unbound queue the
 * CPU is a hint. A CPU outside 0..possible-1 is refused with false; one that
 * this process may not use is reported and the item runs elsewhere.
 */
bool queue_work_on(int cpu, struct workqueue_struct *wq,
		   struct work_struct *work) CMWQ_API(queue_work_on);

/*
 * Queue on an unbound workqueue, for a NUMA node: as a caller on this CPU would if it
 * is on the node, else as one on another CPU of it would. No such node, none
 * whose CPUs may be used, or the topology is not known yet (see
 * workqueue_init_topology()): as queue_work(). On a per-CPU queue it is reported,
 * and the item is queued.
 */
bool queue_work_node(int node, struct workqueue_struct *wq,
		     struct work_struct *work) CMWQ_API(queue_work_node);

#define schedule_work(work)	    queue_work(system_percpu_wq, work)
#define schedule_work_on(cpu, work) queue_work_on(cpu, system_percpu_wq, work)

/*
 * Call @func on each CPU that the process may use, as an item of system_percpu_wq,
 * and wait until all have returned. May sleep. Returns 0; -ENOMEM; -EINVAL without a
 * function; -EDEADLK if the caller is an item that the call would wait for (see
 * flush_work()), reported.
 */
int schedule_on_each_cpu(work_func_t func) CMWQ_API(schedule_on_each_cpu);

/*
 * Call @fn on a CPU, as an item of system_percpu_wq, wait until it has returned, and
 * return what it did. May sleep. WORK_CPU_UNBOUND is the CPU of the caller. -EINVAL,
 * reported, without a function or for a CPU that does not exist; if the process may
 * not use the CPU, @fn is called on another one, which is reported; -EDEADLK as above.
 */
long work_on_cpu(int cpu, long (*fn)(void *arg), void *arg)
	CMWQ_API(work_on_cpu);
/* @key tells calls apart for the kernel's checker of locks. */
#define work_on_cpu_key(cpu, fn, arg, key) \
	((void)(key), work_on_cpu((cpu), (fn), (arg)))

/*
 * Call @fn where it may sleep: at once, with &ew->work; the result is 0. Or, in an
 * item of a BH queue, as an item of system_percpu_wq; the result is 1, and *ew
 * must stay until then. -EINVAL, reported, for a NULL argument. A signal handler is not
 * noticed.
 */
int execute_in_process_context(work_func_t fn, struct execute_work *ew)
	CMWQ_API(execute_in_process_context);

/*
 * Queue an item after @delay jiffies (milliseconds), never earlier. Delay 0
 * queues at once. On a per-CPU queue it will run on the CPU that armed it.
 * Returns false if the item was pending or disabled. Not for signal handlers.
 */
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay) CMWQ_API(queue_delayed_work);
bool queue_delayed_work_on(int cpu, struct workqueue_struct *wq,
			   struct delayed_work *dwork, unsigned long delay)
	CMWQ_API(queue_delayed_work_on);

/*
 * Set the delay of an item, whatever state it is in: a pending one is taken
 * back first. Returns true if it was pending and was replaced, false if it was
 * idle. A disabled item stays idle; the result is false. May sleep for the
 * short while in which another thread is queueing the same item.
 */
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
		      unsigned long delay) CMWQ_API(mod_delayed_work);
bool mod_delayed_work_on(int cpu, struct workqueue_struct *wq,
			 struct delayed_work *dwork, unsigned long delay)
	CMWQ_API(mod_delayed_work_on);

#define schedule_delayed_work(dwork, delay) \
	queue_delayed_work(system_percpu_wq, dwork, delay)
#define schedule_delayed_work_on(cpu, dwork, delay) \
	queue_delayed_work_on(cpu, system_percpu_wq, dwork, delay)

/*
 * queue_rcu_work - queue an item after an RCU grace period
 *
 * The item is queued when all readers that are in a read section now have left
 * theirs. So its function may free what was unlinked before the call:
 *
 *	struct entry {
 *		struct cds_list_head list;
 *		struct rcu_work rwork;
 *	};
 *
 *	static void entry_free(struct work_struct *work)
 *	{
 *		free(container_of(to_rcu_work(work), struct entry, rwork));
 *	}
 *
 *	cds_list_del_rcu(&entry->list);
 *	INIT_RCU_WORK(&entry->rwork, entry_free);
 *	queue_rcu_work(system_percpu_wq, &entry->rwork);
 *
 * Readers are those of liburcu's urcu-bp, unless another flavour is chosen, see
 * cmwq_set_rcu_flavor(). Any thread may call it, also a reader in its read section
 * and an item's function for itself; not a signal handler. The item is pending from
 * the call on. In its grace period cancel_work(), disable_work() and their _sync
 * forms on &rwork->work take it back at once; flushes and drains of the workqueue
 * do not see it, and the workqueue must not be destroyed. Only an item that
 * INIT_RCU_WORK() initialised may be passed: another is not noticed, and memory
 * around it is overwritten. On a per-CPU queue it runs on the calling CPU.
 *
 * Returns false if the item was pending or disabled, or was refused (see "Bad
 * input", and cmwq_set_rcu_flavor() on forked children).
 */
bool queue_rcu_work(struct workqueue_struct *wq, struct rcu_work *rwork)
	CMWQ_API(queue_rcu_work);

/*
 * Wait for the item's grace period, if it is in one, and its run. Returns whether
 * there was something to wait for. In a read section of the same flavour, where it
 * would wait for its caller, it is reported and false; a thread with urcu-qsbr is
 * offline meanwhile. May sleep.
 */
bool flush_rcu_work(struct rcu_work *rwork) CMWQ_API(flush_rcu_work);

/*
 * Wait until the item's last queueing has run. Returns true if there was
 * something to wait for, false if it was idle. A requeue that happens after a
 * running item was found is not waited for. flush_delayed_work() first queues
 * an item whose timer is armed. May sleep; "Waiting in an item" applies.
 */
bool flush_work(struct work_struct *work) CMWQ_API(flush_work);
bool flush_delayed_work(struct delayed_work *dwork)
	CMWQ_API(flush_delayed_work);

/*
 * Take a pending item back. Returns whether it was pending. cancel_work() does
 * not wait for a run in progress; cancel_work_sync() does, and keeps the item
 * from being queued by anybody (itself included) while it waits: then it is
 * neither queued nor running. Of several callers at once one gets true. The
 * _sync forms may sleep; "Waiting in an item" applies.
 */
bool cancel_work(struct work_struct *work) CMWQ_API(cancel_work);
bool cancel_work_sync(struct work_struct *work) CMWQ_API(cancel_work_sync);
bool cancel_delayed_work(struct delayed_work *dwork)
	CMWQ_API(cancel_delayed_work);
bool cancel_delayed_work_sync(struct delayed_work *dwork)
	CMWQ_API(cancel_delayed_work_sync);

/*
 * Disable an item: it is cancelled as above and every queueing is refused
 * until enable_work() was called as often. The depth counts to 65535.
 * enable_work() returns true when the depth becomes 0; on an item that is not
 * disabled it is reported and returns true.
 */
bool disable_work(struct work_struct *work) CMWQ_API(disable_work);
bool disable_work_sync(struct work_struct *work) CMWQ_API(disable_work_sync);
bool enable_work(struct work_struct *work) CMWQ_API(enable_work);
bool disable_delayed_work(struct delayed_work *dwork)
	CMWQ_API(disable_delayed_work);
bool disable_delayed_work_sync(struct delayed_work *dwork)
	CMWQ_API(disable_delayed_work_sync);
bool enable_delayed_work(struct delayed_work *dwork)
	CMWQ_API(enable_delayed_work);

/* Enable, and queue if that made the depth 0; returns whether it did. */
static inline bool enable_and_queue_work(struct workqueue_struct *wq,
					 struct work_struct *work)
{
	if (enable_work(work)) {
		queue_work(wq, work);
		return true;
	}
	return false;
}

/* WORK_BUSY_PENDING and WORK_BUSY_RUNNING bits; a snapshot for debugging. */
unsigned int work_busy(struct work_struct *work) CMWQ_API(work_busy);

/* The item that the calling worker is running; NULL elsewhere, also in an item of a
 * BH queue. Any context. */
struct work_struct *current_work(void) CMWQ_API(current_work);

/*
 * Is the calling thread the rescuer of a WQ_MEM_RECLAIM queue? Then an item should
 * do no more than it must: while it runs the queue makes no other progress. Any
 * context.
 *
 *	if (current_is_workqueue_rescuer())
 *		write_out(first_page);
 *	else
 *		write_out_all();
 */
bool current_is_workqueue_rescuer(void) CMWQ_API(current_is_workqueue_rescuer);

/*
 * Whether items of @wq wait for max_active on @cpu (WORK_CPU_UNBOUND: this
 * CPU). A snapshot.
 */
bool workqueue_congested(int cpu, struct workqueue_struct *wq)
	CMWQ_API(workqueue_congested);

/*
 * Describe what the calling worker is doing, for print_worker_info(),
 * wq_worker_comm() and reports. At most 31 characters are kept, until the worker
 * starts its next item. Elsewhere it does nothing.
 */
void set_worker_desc(const char *fmt, ...) CMWQ_API(set_worker_desc)
	__attribute__((format(printf, 1, 2)));

/*
 * What there is to do, written to the log line by line (CMWQ_LOG_INFO): each
 * workqueue that has items, its part of each pool, the items there: those that run,
 * with their threads, those that are pending, and those that wait behind max_active
 * (inactive). show_all_workqueues() adds the pools that have anything to do, and
 * show_one_workqueue() writes nothing about a workqueue without items. A snapshot,
 * pool by pool.
 *
 *	workqueue disk: WQ_PERCPU, max_active 2
 *	  pool cmwq/1 (CPU 1, nice 0): 2 active of 2, 6 in all
 *	    running: read_block (item 0x55d0e3c0a0e0, thread 4711, asleep)
 *	    pending: read_block (item 0x55d0e3c0a100)
 *	    inactive: 3*read_block, write_block (item 0x55d0e3c0a180)
 *
 * A function has its name if it is exported: by a shared object, or by a program that
 * was linked with -rdynamic. Otherwise it is "program+0x1234", for addr2line. May
 * sleep.
 */
void show_all_workqueues(void) CMWQ_API(show_all_workqueues);
void show_one_workqueue(struct workqueue_struct *wq)
	CMWQ_API(show_one_workqueue);
void show_freezable_workqueues(void) CMWQ_API(show_freezable_workqueues);

/*
 * One line about a worker: workqueue, function and item that it runs, what
 * set_worker_desc() said; or which workqueue it last worked for. @tid is the id of
 * its thread (where the kernel takes a task); about other threads nothing is said.
 * @log_lvl is one of the kernel's KERN_ strings or a digit: "0" to "3" become
 * CMWQ_LOG_ERR, "4" CMWQ_LOG_WARN, all else and NULL CMWQ_LOG_INFO. May sleep.
 */
void print_worker_info(const char *log_lvl, int tid)
	CMWQ_API(print_worker_info);

/*
 * Write the name of a thread of this process to @buf, cut to @size bytes with the
 * terminating NUL. A worker's is followed by what it does ("cmwq/1:2+disk") or did
 * last ("cmwq/1:2-disk"): the text of set_worker_desc() or the workqueue. Empty if
 * there is no such thread. Nothing is written if @size is 0 or @buf is NULL. May sleep.
 */
void wq_worker_comm(char *buf, size_t size, int tid) CMWQ_API(wq_worker_comm);

/*
 * Run BH items here. workqueue_softirq_action() runs what is queued on the calling
 * thread's CPU, on WQ_HIGHPRI queues or on others, for up to 2 ms or 10 rounds, in
 * place of the CPU's BH thread. If that (or another caller) is at it already, or the
 * caller is itself a BH item, it does nothing. A program calls it where it has just
 * queued several items and wants to save the switch to the other thread, or to work
 * them off before it goes on to wait. Not for signal handlers.
 *
 * workqueue_softirq_dead() runs what is queued on a CPU that the process may not use
 * (any more), until nothing is left, after waiting for whoever runs some of it now.
 * Without the call its thread does that on another CPU. A CPU that does not exist,
 * or that may be used, is reported and nothing is done. May sleep.
 */
void workqueue_softirq_action(bool highpri) CMWQ_API(workqueue_softirq_action);
void workqueue_softirq_dead(unsigned int cpu) CMWQ_API(workqueue_softirq_dead);

/*
 * The watchdog. A pool in which work waits and nothing was started for
 * workqueue.watchdog_thresh seconds is reported (CMWQ_LOG_ERR): what waits, and for
 * each worker with an item the item, the state of its thread, and where it is. So one
 * sees what an item hangs in that keeps others from running: it computes for ever,
 * or it sleeps and no thread can be created that would take its place.
 *
 * The frames of a thread are read by a short-lived process, through ptrace, while the
 * thread is stopped for some ten microseconds; no system call of it fails. Where ptrace
 * is not permitted, and in system calls that would fail, the report says so and shows
 * the call. Names of functions are those of show_all_workqueues().
 *
 * wq_watchdog_touch() says that the pools of a CPU (-1: of all) are not stuck
 * although they look like it: their time begins anew. Async-signal-safe. Another
 * number is reported.
 */
void wq_watchdog_touch(int cpu) CMWQ_API(wq_watchdog_touch);

/*
 * The three stages of the start. They run by themselves: the first before
 * main(), the second bit by bit as pools get their first items, the third soon
 * after the first item on an unbound queue. A program calls workqueue_init() to
 * have all initial workers at a time of its own choice. Each may be called any
 * number of times.
 */
void workqueue_init_early(void) CMWQ_API(workqueue_init_early);
void workqueue_init(void) CMWQ_API(workqueue_init);
void workqueue_init_topology(void) CMWQ_API(workqueue_init_topology);

/*
 * CPUs that come and go. The library follows the CPUs that the process may use by
 * itself: its cpuset, the affinity of all of its threads ("taskset -a"; that of
 * its main thread alone is not the process's), CPUs that are taken out of the
 * system. It looks at once while work waits, and at the next queueing otherwise.
 * Items of a lost CPU run elsewhere; those of one per-CPU workqueue that were queued
 * there may then run side by side. When the CPU returns they run there again.
 *
 * These calls do the same on purpose. From workqueue_offline_cpu() to
 * workqueue_online_cpu() the library uses the CPU for nothing, though the process
 * may; the program's own threads can still run there, and what they queue is kept
 * where it is. Both return when it is done: threads have been moved, functions
 * of items go on meanwhile. workqueue_prepare_cpu() creates the first workers of
 * the CPU's pools if they have none, so that later queueing need not wait for it.
 *
 *	workqueue_offline_cpu(3);	leave CPU 3 to something else
 *	...
 *	workqueue_prepare_cpu(3);
 *	workqueue_online_cpu(3);
 *
 * 0; -EINVAL (and a message) if there is no such CPU; -EBUSY (and a message) if it is
 * the last one that the process may use, since somebody must run; -ENOMEM if
 * workqueue_prepare_cpu() could not create a worker. To take away a CPU twice, or one
 * that the process may not use, or to give back one that was not taken away, does
 * no harm; a CPU is used again when it is given back and the process may use it.
 * They may be called from items. A forked child keeps what was taken away.
 */
int workqueue_prepare_cpu(unsigned int cpu) CMWQ_API(workqueue_prepare_cpu);
int workqueue_online_cpu(unsigned int cpu) CMWQ_API(workqueue_online_cpu);
int workqueue_offline_cpu(unsigned int cpu) CMWQ_API(workqueue_offline_cpu);

/* Workqueues that are always there. */
extern struct workqueue_struct *system_wq CMWQ_API(system_wq);
extern struct workqueue_struct *system_percpu_wq CMWQ_API(system_percpu_wq);
extern struct workqueue_struct *system_highpri_wq CMWQ_API(system_highpri_wq);
extern struct workqueue_struct *system_long_wq CMWQ_API(system_long_wq);
extern struct workqueue_struct *system_unbound_wq CMWQ_API(system_unbound_wq);
extern struct workqueue_struct *system_dfl_wq CMWQ_API(system_dfl_wq);
extern struct workqueue_struct *
	system_freezable_wq CMWQ_API(system_freezable_wq);
extern struct workqueue_struct *
	system_power_efficient_wq CMWQ_API(system_power_efficient_wq);
extern struct workqueue_struct *system_freezable_power_efficient_wq CMWQ_API(
	system_freezable_power_efficient_wq);
extern struct workqueue_struct *system_dfl_long_wq CMWQ_API(system_dfl_long_wq);
extern struct workqueue_struct *system_bh_wq CMWQ_API(system_bh_wq);
extern struct workqueue_struct *
	system_bh_highpri_wq CMWQ_API(system_bh_highpri_wq);

#ifdef __cplusplus
}
#endif
#endif
