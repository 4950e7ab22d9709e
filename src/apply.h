/* SPDX-License-Identifier: MIT */
/*
 * apply - gives unbound workqueues their pools, by their attributes.
 *
 * Attributes name the CPUs that workers may use and how these are cut into pods
 * (topo.h). Callers on a pod's CPUs use the pod's pwq: wq->pwq_of[cpu]. To apply is
 * to make a plan (pools and pwqs for all pods, everything that can fail), then to
 * carry it out (a table is written, nothing can fail).
 *
 * A pwq that is in the table no longer stays with the workqueue until that is
 * destroyed, and does what it has been given. An item that was sent there by a
 * caller who had read the table before is safe, and so is one that still runs
 * there and is queued again. If the pool comes back, so does the pwq.
 *
 * An ordered workqueue needs more, since it has one line. Its new pwq is plugged:
 * it collects, but starts nothing before the old one is empty. And nobody may
 * still be about to push to the old one when somebody pushes to the new one, or
 * what one thread queued first might come last:
 *
 *	pusher				apply
 *	P1 pushers++ of the pwq		A1 write the table
 *	P2 read the table again;	A2 wait until pushers of the old one is 0
 *	   other pwq: undo, again	A3 take its pool's lock, which drains
 *	P3 push				A4 no more comes: retire it
 *	P4 pushers--
 *
 * Either P2 sees A1, or A2 sees P1 and waits for P4. A thread may be stopped between
 * P1 and P4 for ever. After ten seconds A4 is done without it, which is reported:
 * what it pushes late is sent on to the new pwq at the drain, in whatever order,
 * but still one at a time.
 *
 * All of it is done under the registry lock.
 */
#ifndef CMWQ_APPLY_H
#define CMWQ_APPLY_H

#include "unbound.h"
#include "wq_struct.h"

/* What an unbound workqueue with these flags begins with; NULL without memory. */
struct workqueue_attrs *apply_default_attrs(unsigned int flags);

/* 0, or -ENOMEM and nothing changed. The attributes are copied. */
int apply_attrs(struct workqueue_struct *wq,
		const struct workqueue_attrs *attrs);

/* To all unbound workqueues, or none: pods or CPUs have changed. */
int apply_again(void);

/* The same with other CPUs for all of them, see unbound.h. */
int apply_mask(enum unbound_mask which, const struct cpumask *mask);

/* Parameters have changed that matter to workqueues that are there. Takes the
 * registry lock. */
void apply_params(void);

/* Load the topology, unless it is, and have all follow it. Takes the registry
 * lock. A few milliseconds. */
void apply_topology(void);

/* The workqueue has no items any more: let go of its pools and attributes. */
void apply_end(struct workqueue_struct *wq);

#endif
