/* SPDX-License-Identifier: MIT */
/*
 * devm - workqueues that end with their owner.
 *
 * An owner is any address: a program's own struct device, or whatever it casts to
 * that. Nothing is kept for it but a pointer in each of its workqueues, so the list
 * of what is to be released is the registry, which is in the order of allocation.
 */
#include <stdarg.h>
#include <cmwq/cmwq.h>

#include "life.h"
#include "log.h"
#include "registry.h"
#include "wq.h"

__attribute__((format(printf, 2, 0))) static struct workqueue_struct *
alloc(const struct wq_request *req, const char *fmt, va_list ap)
{
	if (req->owner)
		return wq_alloc(req, fmt, ap);
	log_err("devm_alloc_workqueue: no owner, called at %p", req->caller);
	return NULL;
}

struct workqueue_struct *devm_alloc_workqueue(struct device *dev,
					      const char *fmt,
					      unsigned int flags,
					      int max_active, ...)
{
	const struct wq_request req = {
		.flags = flags,
		.max_active = max_active,
		.owner = dev,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, max_active);
	wq = alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

struct workqueue_struct *devm_alloc_ordered_workqueue(struct device *dev,
						      const char *fmt,
						      unsigned int flags, ...)
{
	const struct wq_request req = {
		.flags = WQ_UNBOUND | __WQ_ORDERED | flags,
		.max_active = 1,
		.owner = dev,
		.caller = __builtin_return_address(0),
	};
	struct workqueue_struct *wq;
	va_list ap;

	va_start(ap, flags);
	wq = alloc(&req, fmt, ap);
	va_end(ap);
	return wq;
}

static struct workqueue_struct *last_of(const struct device *dev)
	REQUIRES(registry_lock)
{
	struct workqueue_struct *wq, *last = NULL;

	for_each_wq(wq) if (wq->owner == dev) last = wq;
	if (last)
		last->owner = NULL;
	return last;
}

int cmwq_device_release(struct device *dev)
{
	struct workqueue_struct *wq;
	int n = 0;

	life_check_early();
	for (;;) {
		lock(&registry_lock);
		wq = dev ? last_of(dev) : NULL;
		unlock(&registry_lock);
		if (!wq)
			return n;
		destroy_workqueue(wq);
		n++;
	}
}
