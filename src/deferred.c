/* SPDX-License-Identifier: MIT */
/*
 * deferred - delayed work.
 *
 * From the arming on, the item is PENDING and belongs to its timer; disarming
 * the timer (under the wheel's lock) makes one its owner, and so does being the
 * timer thread that took it off the wheel.
 */
#include "cancel.h"
#include "flush.h"
#include "lease.h"
#include "life.h"
#include "list.h"
#include "log.h"
#include "os.h"
#include "queue.h"
#include "timer.h"
#include "verify.h"
#include "work.h"

unsigned long cmwq_jiffies(void)
{
	return (unsigned long)(os_now() / NSEC_PER_MSEC);
}

/* It will not be queued. As far as it is still an item, whoever takes it back must not
 * wait for that. */
static void give_up(struct work_struct *work)
{
	unsigned long word = atomic_load(work_word(work));

	if (word >> WORD_GEN_SHIFT == os_generation() &&
	    (word & (WORD_PENDING | WORD_PWQ)) == WORD_PENDING)
		atomic_compare_exchange_strong(work_word(work), &word,
					       word & ~WORD_PENDING);
}

static void fire(struct cmwq_timer *timer)
{
	struct delayed_work *dwork =
		container_of(timer, struct delayed_work, timer);
	struct work_struct *work = &dwork->work;

	if (os_checks_items() && !verify_expired(dwork)) {
		queue_refuse("item of a delayed work%s, at %p, was overwritten "
			     "while its timer was armed; it is lost",
			     "", work);
		give_up(work);
		return;
	}
	queue_owned(dwork->cpu, dwork->wq, work,
		    work_load(work) & ~WORD_PENDING, NULL);
}

struct delay {
	unsigned long ms;
	unsigned long long ns; /* if that is 0 */
};

/* The caller owns the item, whose idle word is @old. */
static inline void start(int cpu, struct workqueue_struct *wq,
			 struct delayed_work *dwork, struct delay delay,
			 unsigned long old, void *caller)
{
	if (!delay.ms && !delay.ns) {
		queue_owned(cpu, wq, &dwork->work, old, caller);
		return;
	}
	if (cpu == WORK_CPU_UNBOUND && !(wq->flags & WQ_UNBOUND))
		cpu = queue_cpu(wq);
	dwork->wq = wq;
	dwork->cpu = cpu;
	dwork->timer.function = fire;
	if (delay.ms)
		timer_add(&dwork->timer, delay.ms);
	else
		timer_add_ns(&dwork->timer, delay.ns);
}

static inline bool queue_delayed(int cpu, struct workqueue_struct *wq,
				 struct delayed_work *dwork, struct delay delay,
				 void *caller)
{
	uint32_t gen = life_check();
	unsigned long old;

	if (unlikely(!plainly_ok(wq, dwork_work(dwork), cpu, gen)) &&
	    !queue_args_ok(wq, dwork_work(dwork), cpu, caller))
		return false;
	if (lease_keeps(&dwork->work, work_load(&dwork->work)) ||
	    !work_claim_idle(&dwork->work, &old))
		return false;
	if (unlikely(old & WORD_OFF_MASK)) {
		work_exchange(&dwork->work, old);
		return false;
	}
	start(cpu, wq, dwork, delay, old, caller);
	return true;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
			unsigned long delay)
{
	return queue_delayed(WORK_CPU_UNBOUND, wq, dwork,
			     (struct delay){ .ms = delay },
			     __builtin_return_address(0));
}

bool queue_delayed_work_on(int cpu, struct workqueue_struct *wq,
			   struct delayed_work *dwork, unsigned long delay)
{
	return queue_delayed(cpu, wq, dwork, (struct delay){ .ms = delay },
			     __builtin_return_address(0));
}

bool cmwq_queue_delayed_work_ns(struct workqueue_struct *wq,
				struct delayed_work *dwork,
				unsigned long long ns)
{
	return queue_delayed(WORK_CPU_UNBOUND, wq, dwork,
			     (struct delay){ .ns = ns },
			     __builtin_return_address(0));
}

static bool mod_delayed(int cpu, struct workqueue_struct *wq,
			struct delayed_work *dwork, struct delay delay,
			void *caller)
{
	unsigned long old;
	bool was_pending;

	life_check();
	if (!queue_args_ok(wq, dwork_work(dwork), cpu, caller))
		return false;
	was_pending = cancel_grab(&dwork->work, true, &old);
	if (old & WORD_OFF_MASK) {
		work_exchange(&dwork->work, old);
		return false;
	}
	start(cpu, wq, dwork, delay, old, caller);
	return was_pending;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *dwork,
		      unsigned long delay)
{
	return mod_delayed(WORK_CPU_UNBOUND, wq, dwork,
			   (struct delay){ .ms = delay },
			   __builtin_return_address(0));
}

bool mod_delayed_work_on(int cpu, struct workqueue_struct *wq,
			 struct delayed_work *dwork, unsigned long delay)
{
	return mod_delayed(cpu, wq, dwork, (struct delay){ .ms = delay },
			   __builtin_return_address(0));
}

bool cmwq_mod_delayed_work_ns(struct workqueue_struct *wq,
			      struct delayed_work *dwork, unsigned long long ns)
{
	return mod_delayed(WORK_CPU_UNBOUND, wq, dwork,
			   (struct delay){ .ns = ns },
			   __builtin_return_address(0));
}

/* A timer that is firing is on its way to the queue: wait for it to get there. */
bool flush_delayed_work(struct delayed_work *dwork)
{
	struct backoff backoff = { 0 };
	struct work_struct *work = dwork_work(dwork);
	void *caller = __builtin_return_address(0);
	unsigned long word;

	life_check();
	if (!queue_work_ok(work, caller))
		return false;
	while ((word = work_load(work)) & WORD_PENDING && !word_pwq(word)) {
		if (timer_del(&dwork->timer)) {
			fire(&dwork->timer);
			break;
		}
		backoff_wait(&backoff);
	}
	return flush_item(work, caller);
}
