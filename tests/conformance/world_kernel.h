/* SPDX-License-Identifier: MIT */
/*
 * world_kernel.h - a module in a Linux kernel. See world.h.
 *
 * What the kernel does not export to modules is called by the address that a
 * kprobe finds (world_kernel.c): here its name becomes that of a pointer.
 */
#ifndef CONF_WORLD_KERNEL_H
#define CONF_WORLD_KERNEL_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/version.h>
#include <linux/workqueue.h>

struct world_thread {
	struct task_struct *task;
};

/* Why a case has no result in a kernel older than that, or NULL. */
#define SINCE(major, minor)                                      \
	(LINUX_VERSION_CODE < KERNEL_VERSION(major, minor, 0)    \
		 ? "the kernel is older than " #major "." #minor \
		 : NULL)

/* Names that Debian 13's kernel does not have yet. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define WQ_PERCPU	    0
#define WQ_AFFN_CACHE_SHARD WQ_AFFN_CACHE
#define system_percpu_wq    system_wq
#define system_dfl_wq	    system_unbound_wq
#define system_dfl_long_wq  system_unbound_wq
#define ALLOC_ATTRS(X)	    X(alloc_workqueue_attrs)
#else
#define ALLOC_ATTRS(X) X(alloc_workqueue_attrs_noprof)
#endif

#define UNEXPORTED(X)                   \
	ALLOC_ATTRS(X)                  \
	X(free_workqueue_attrs)         \
	X(apply_workqueue_attrs)        \
	X(workqueue_set_min_active)     \
	X(freeze_workqueues_begin)      \
	X(freeze_workqueues_busy)       \
	X(thaw_workqueues)              \
	X(schedule_on_each_cpu)         \
	X(current_is_workqueue_rescuer) \
	X(workqueue_sysfs_register)     \
	X(print_worker_info)            \
	X(show_all_workqueues)          \
	X(show_one_workqueue)           \
	X(show_freezable_workqueues)    \
	X(wq_worker_comm)

#define DECLARE_UNEXPORTED(fn) extern typeof(&fn) at_##fn;
UNEXPORTED(DECLARE_UNEXPORTED)

#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
#define alloc_workqueue_attrs at_alloc_workqueue_attrs
#else
#define alloc_workqueue_attrs_noprof at_alloc_workqueue_attrs_noprof
#endif
#define free_workqueue_attrs	     at_free_workqueue_attrs
#define apply_workqueue_attrs	     at_apply_workqueue_attrs
#define workqueue_set_min_active     at_workqueue_set_min_active
#define freeze_workqueues_begin	     at_freeze_workqueues_begin
#define freeze_workqueues_busy	     at_freeze_workqueues_busy
#define thaw_workqueues		     at_thaw_workqueues
#define schedule_on_each_cpu	     at_schedule_on_each_cpu
#define current_is_workqueue_rescuer at_current_is_workqueue_rescuer
#define workqueue_sysfs_register     at_workqueue_sysfs_register
#define print_worker_info	     at_print_worker_info
#define show_all_workqueues	     at_show_all_workqueues
#define show_one_workqueue	     at_show_one_workqueue
#define show_freezable_workqueues    at_show_freezable_workqueues
#define wq_worker_comm		     at_wq_worker_comm

/* The macro would say at compile time that system-wide queues are not for this;
 * that is advice for drivers, and not what is looked at here. */
#undef flush_workqueue
#define flush_workqueue(wq) __flush_workqueue(wq)

#endif
