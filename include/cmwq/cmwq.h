/* SPDX-License-Identifier: MIT */
/*
 * cmwq/cmwq.h - what only a process needs: messages, parameters, hints,
 * statistics. The kernel's own names are in <cmwq/workqueue.h>.
 */
#ifndef CMWQ_CMWQ_H
#define CMWQ_CMWQ_H

#include <stdbool.h>
#include <stddef.h>
#include <cmwq/workqueue.h>

#ifdef __cplusplus
extern "C" {
#endif

enum cmwq_log_level {
	CMWQ_LOG_ERR,
	CMWQ_LOG_WARN,
	CMWQ_LOG_INFO,
};

/*
 * Where messages go; NULL means standard error, which is the default. The
 * function gets one line without a newline. It is called from any thread,
 * possibly several at once, and must not call this library.
 */
typedef void (*cmwq_log_fn)(enum cmwq_log_level level, const char *line,
			    void *arg);
void cmwq_set_log(cmwq_log_fn fn, void *arg);

/*
 * Checks, for looking for errors in a program. The environment variable
 * CMWQ_DEBUG has the names of those that are wanted,
 *
 *	CMWQ_DEBUG=lockdep,objects
 *
 * is the same as CMWQ_PARAMS="cmwq.lockdep=1 cmwq.objects=1".
 *
 * lockdep remembers what items have waited for by flush_work(), flush_workqueue()
 * and all other calls of this library that wait for items. Before an item waits
 * for something that may, after all that was seen so far, be waiting for it in
 * turn, that is reported, with all waits that make up the circle:
 *
 *	item commit of workqueue journal is about to wait for workqueue disk, at
 *	commit+0x2a; that can end in a deadlock, since
 *	item write of workqueue disk waited for workqueue journal, at write+0x51
 *
 * It need not happen at the same time, nor end badly this time. Two items with
 * one function count as the same: one that waits for another is reported. (Where
 * that is by design, give them functions of their own.) So do workqueues that
 * share a lockdep map.
 *
 * objects looks at items, each time that one is queued, run or taken back. It
 * reports
 *
 *  - INIT_WORK() and its kin, destroy_work_on_stack() and the one for delayed work
 *    for an item that is queued or whose timer is armed. It is taken back first, so
 *    that nothing runs in memory that is something else from then on. (An item
 *    that runs is not meant: its function may have freed it, and rcu_work that
 *    waits for a grace period is not seen.)
 *  - items that were overwritten while they were queued, or whose memory was
 *    unmapped: their state, their link to others, or a function that is no code.
 *    They are taken out and not run, who waits for them is let go, and all others
 *    run. Several at once can make those between them unreachable; that is
 *    reported, too. Timers that were overwritten while they were armed may take
 *    others of about the same time with them; those can still be cancelled.
 *
 * It costs some system calls for each item. Queueing stays async-signal-safe, but
 * for an item that is initialised again in a signal handler.
 *
 * Parameters. At the start they come from the environment variable
 * CMWQ_PARAMS, for instance
 *
 *	CMWQ_PARAMS="workqueue.cpu_intensive_thresh_us=20000 cmwq.sentinel=0"
 *
 * A bad name or value is reported and the default stays.
 *
 * cmwq_param_set() returns 0, -ENOENT for an unknown name, -ERANGE for a value
 * out of range, -EPERM for a parameter that is read at the start only. A change
 * takes effect for what happens afterwards. cmwq_param_get() returns 0, -ENOENT, or
 * -EINVAL for one whose value is a list, and for a NULL @value. A parameter whose
 * values are words has numbers here, those of its enum.
 *
 * cmwq_param_set_string() takes the value as it stands in CMWQ_PARAMS. It returns
 * the same, or -EINVAL for text that is not a value. cmwq_param_get_string()
 * gives it back in this form, cut to @size bytes with the terminating NUL, and
 * returns its length, or -ENOENT, or -EINVAL for a NULL @buf unless @size is 0.
 *
 *  workqueue.cpu_intensive_thresh_us  10000  CPU time (us) after which a
 *                                            running item holds up no others;
 *                                            0: never
 *  workqueue.cpu_intensive_warning_thresh  4
 *                                            so many times a function must have
 *                                            run into that before it is
 *                                            reported; then again after 1, 2,
 *                                            4, 8, ... more; 0: never
 *  workqueue.power_efficient              0  make WQ_POWER_EFFICIENT unbound;
 *                                            read when a queue is allocated
 *  workqueue.watchdog_thresh             30  seconds after which a pool that
 *                                            starts nothing though work waits
 *                                            is reported, and again; 0: never
 *  workqueue.panic_on_stall               0  abort() at the so manieth report;
 *                                            0: never
 *  workqueue.panic_on_stall_time          0  abort() when a pool has started
 *                                            nothing for so many seconds; 0:
 *                                            never
 *  workqueue.default_affinity_scope  cache_shard
 *                                            scope of unbound queues that name
 *                                            none: cpu, smt, cache, cache_shard,
 *                                            numa, system; also of those that
 *                                            are there
 *  workqueue.cache_shard_size             8  most cores in a cache_shard; read
 *                                            when the topology is loaded
 *  workqueue.unbound_cpus               all  list of the CPUs that unbound queues
 *                                            may use; read at the start, then
 *                                            see cmwq_sysfs_write("cpumask")
 *  workqueue.debug_force_rr_cpu           0  items that name no CPU are queued
 *                                            on each CPU in turn: finds code that
 *                                            relies on the calling one
 *  cmwq.stack_kib                      1024  stack of a worker thread
 *  cmwq.idle_timeout_ms              300000  age at which surplus idle workers
 *                                            and sentinels end
 *  cmwq.idle_ratio                        4  busy workers per surplus idle one
 *  cmwq.sentinel                          1  detect blocking when a CPU idles
 *  cmwq.tick                              1  detect blocking and hogs by a
 *                                            4 ms tick while there is work
 *  cmwq.hints                             1  let the library's own waits, and
 *                                            cmwq_blocking_begin(), announce
 *                                            themselves
 *  cmwq.recheck                           1  notice blocked workers that run
 *                                            again before the next item starts
 *  cmwq.pace                              1  0: unbound items start at once up
 *                                            to max_active, whatever the number
 *                                            of busy CPUs
 *  cmwq.backtrace                         1  the watchdog shows where workers
 *                                            are, by ptrace
 *  cmwq.lockdep                           0  report waits that can end in a
 *                                            deadlock, see above
 *  cmwq.objects                           0  report items that are overwritten
 *                                            while they are queued, see above
 */
int cmwq_param_set(const char *name, long value);
int cmwq_param_get(const char *name, long *value);
int cmwq_param_set_string(const char *name, const char *value);
int cmwq_param_get_string(const char *name, char *buf, size_t size);

/*
 * Around a wait that the operating system cannot see, such as spinning on a
 * device: other items start meanwhile. Pairs nest. Outside of a work function
 * they do nothing.
 */
void cmwq_blocking_begin(void);
void cmwq_blocking_end(void);

/*
 * Queue @n items as queue_work() would one after the other, but with one push for all
 * that go to one place, and one wakeup. Items that are pending, disabled, wrong or
 * NULL are passed over; what is wrong is reported, also a NULL @works unless @n is 0.
 * Returns how many were queued.
 *
 *	struct work_struct *works[64];
 *
 *	n = cmwq_queue_work_batch(wq, works, 64);
 *
 * None of them starts before the last has been looked at. Legal where queue_work()
 * is.
 */
size_t cmwq_queue_work_batch(struct workqueue_struct *wq,
			     struct work_struct *const *works, size_t n);

/*
 * queue_delayed_work() and mod_delayed_work() with a delay in nanoseconds. It ends as
 * soon as the library can wake up after it (within 4 us and what the system adds),
 * where one in jiffies ends at the next full or half millisecond, with others (of 4 s
 * or more, in a stream of hundreds of thousands a second, up to 4 ms later). 0 queues at
 * once.
 */
bool cmwq_queue_delayed_work_ns(struct workqueue_struct *wq,
				struct delayed_work *dwork,
				unsigned long long ns);
bool cmwq_mod_delayed_work_ns(struct workqueue_struct *wq,
			      struct delayed_work *dwork,
			      unsigned long long ns);

/*
 * Destroy all workqueues that devm_alloc_workqueue() made for @dev, the last one
 * first; in the place where the owner ends. Returns how many there were. May sleep.
 */
int cmwq_device_release(struct device *dev);

/*
 * What the kernel shows below /sys/devices/virtual/workqueue. Paths are relative to
 * that. In the directory of a workqueue with WQ_SYSFS (or, see there,
 * workqueue_sysfs_register()), whose name is the workqueue's with '!' for '/':
 *
 *  per_cpu          r   1, or 0 for an unbound workqueue
 *  max_active       rw  as workqueue_set_max_active() has it
 *
 * and for an unbound workqueue its attributes, see apply_workqueue_attrs():
 *
 *  nice             rw  -20..19
 *  cpumask          rw  in hexadecimal
 *  affinity_scope   rw  "default (cache_shard)", or a scope's name
 *  affinity_strict  rw  0 or 1
 *
 * At the top, for all unbound workqueues, in hexadecimal:
 *
 *  cpumask            rw  the CPUs that they may use; what is written is requested
 *  cpumask_requested  r   what was asked for, here or by workqueue.unbound_cpus
 *  cpumask_isolated   r   what workqueue_unbound_housekeeping_update() took away
 *
 * Reading a directory ("" is the top) gives the names in it, one a line, those of
 * directories with a '/' behind.
 *
 *	char buf[64];
 *
 *	cmwq_sysfs_read("crunch/max_active", buf, sizeof(buf));	gives "1024\n"
 *	cmwq_sysfs_write("crunch/max_active", "16");
 *
 * cmwq_sysfs_read() writes at most @size bytes with the terminating NUL, and returns
 * the length of all there is, without it; or -ENOENT; or -EINVAL for NULL (but @buf
 * may be NULL if @size is 0).
 *
 * cmwq_sysfs_write() returns 0; -ENOENT, -EISDIR, -EACCES for a file that can only
 * be read; -EINVAL for a text that is not a value, -EOVERFLOW for CPUs that there
 * are not, -ENOMEM. After an error, which is reported, nothing has changed. May sleep.
 */
int cmwq_sysfs_read(const char *path, char *buf, size_t size);
int cmwq_sysfs_write(const char *path, const char *text);

/* Make queue_work() async-signal-safe in the calling thread from here on. */
void cmwq_thread_prepare(void);

/*
 * Choose whose readers queue_rcu_work() waits for from now on: @flavor is the
 * descriptor of a flavour of liburcu, as <urcu/flavor.h> declares it.
 *
 *	#include <urcu/urcu-memb.h>
 *
 *	cmwq_set_rcu_flavor(&urcu_memb_flavor);
 *
 * (That header declares the flavour that is included first; for further ones say
 * "extern const struct rcu_flavor_struct urcu_qsbr_flavor;".)
 *
 * NULL, the default, is urcu-bp, and the library calls urcu_bp_before_fork() and its
 * two fellows around fork() once RCU work has been queued: fork() then waits for
 * a grace period that is under way. They must not be called twice, so a
 * program that calls them itself passes &urcu_bp_flavor. A child of _Fork(), or of a
 * fork() in a read section, for which they were not called, refuses RCU work until a
 * flavour is set.
 *
 * For a flavour that is set the program sees to all that liburcu asks for around
 * fork(). Returns 0, or -ENOMEM and nothing has changed.
 */
struct rcu_flavor_struct;
int cmwq_set_rcu_flavor(const struct rcu_flavor_struct *flavor);

/* Counters of one workqueue since its allocation, summed over its pools. */
struct cmwq_stats {
	unsigned long long started;	/* items whose function was called */
	unsigned long long completed;	/* items whose function returned */
	unsigned long long cpu_itsv;	/* found to be CPU hogs while running */
	unsigned long long cm_wakeup;	/* starts because another item slept */
	unsigned long long cm_overlap;	/* ran on although a sleeper was back */
	unsigned long long repatriated; /* workers brought back to their pod */
	unsigned long long mayday;	/* calls that its rescuer answered */
	unsigned long long rescued;	/* items that its rescuer ran */
	unsigned int in_flight;		/* queued or running now */
	unsigned int workers;		/* threads of its pools now */
	unsigned int workers_peak;	/* the most its pools had at once */
};

/* Fill in a snapshot. False, with a message, for a bad workqueue or NULL. */
bool cmwq_get_stats(struct workqueue_struct *wq, struct cmwq_stats *stats);

/* The name a workqueue was allocated with; valid as long as the queue is. */
const char *cmwq_name(struct workqueue_struct *wq);

#ifdef __cplusplus
}
#endif
#endif
