/* SPDX-License-Identifier: MIT */
/* timer - the wheel behind delayed work, and the library's one timer thread. */
#ifndef CMWQ_TIMER_H
#define CMWQ_TIMER_H

#include <stdbool.h>
#include <stdint.h>
#include <cmwq/workqueue.h>

#define TIMER_NEVER UINT64_MAX

/*
 * Arm a timer that is not armed. timer->function runs on the timer thread, not
 * before the delay has passed, no lock held; it may free or arm the timer. Delays of
 * more than 2^38 - 1 ms (8.7 years) are cut to that. One in milliseconds ends on a
 * full or half one, together with others; one in nanoseconds as soon as it can.
 */
void timer_add(struct cmwq_timer *timer, unsigned long delay_ms);
void timer_add_ns(struct cmwq_timer *timer, uint64_t delay_ns);

/* Disarm. False if it was not armed: idle, or its function is being called. */
bool timer_del(struct cmwq_timer *timer);

/* Is this, which may be any memory, an armed timer? */
bool timer_is_armed(const struct cmwq_timer *timer);

/*
 * The thread: calls @hook after each wakeup and sleeps until the first timer or
 * the time the hook returns (TIMER_NEVER for none). timer_wake() makes it look
 * again; async-signal-safe. 0 or an errno value; again after an error, or after
 * timer_reset(), which forgets thread and timers in a forked child.
 */
int timer_start(uint64_t (*hook)(uint64_t now));
void timer_wake(void);
void timer_reset(void);
bool timer_is_current_thread(void);

#endif
