/* SPDX-License-Identifier: MIT */
/* apply - gives unbound workqueues their pools, by their attributes. See apply.h. */
#include "apply.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/cpumask.h>

#include "attrs.h"
#include "flush.h"
#include "lease.h"
#include "life.h"
#include "limit.h"
#include "log.h"
#include "os.h"
#include "param.h"
#include "pwq.h"
#include "queue.h"
#include "registry.h"
#include "topo.h"
#include "unbound.h"

#define PUSHER_TIMEOUT_NS (10000 * NSEC_PER_MSEC)

static bool topology_applied; /* registry lock */

/* What is to be done to one workqueue. */
struct plan {
	struct plan *next;
	struct workqueue_struct *wq;
	struct workqueue_attrs *attrs; /* becomes the workqueue's */
	struct cpumask *cpus;	       /* of them that may be used at all */
	struct cpumask *pod;	       /* scratch */
	struct node *nodes;	       /* if it needs them now */
	struct list pwqs;	       /* new ones */
	struct pwq *of_cpu[];
};

static bool is_ordered(struct workqueue_struct *wq)
{
	return wq->flags & __WQ_ORDERED;
}

static void plan_free(struct plan *plan)
{
	struct pwq *pwq;

	if (!plan)
		return;
	list_for_each_entry (pwq, &plan->pwqs, wq_link)
		unbound_put(pwq_pool(pwq));
	pwqs_free(&plan->pwqs);
	free(plan->nodes);
	free_workqueue_attrs(plan->attrs);
	free_cpumask_var(plan->cpus);
	free_cpumask_var(plan->pod);
	free(plan);
}

static struct plan *plan_alloc(struct workqueue_struct *wq,
			       const struct workqueue_attrs *attrs)
{
	size_t n = (size_t)os_nr_cpus();
	struct plan *plan =
		calloc(1, sizeof(*plan) + n * sizeof(plan->of_cpu[0]));

	if (!plan)
		return NULL;
	list_init(&plan->pwqs);
	plan->wq = wq;
	plan->attrs = alloc_workqueue_attrs();
	if (!plan->attrs || !zalloc_cpumask_var(&plan->cpus, 0) ||
	    !zalloc_cpumask_var(&plan->pod, 0)) {
		plan_free(plan);
		return NULL;
	}
	attrs_copy(plan->attrs, attrs);
	plan->attrs->ordered = is_ordered(wq);
	unbound_effective(plan->cpus, attrs->cpumask);
	return plan;
}

/* An old pwq of an ordered workqueue can begin again when it is through. */
static bool is_through(struct pwq *pwq)
{
	struct pool *pool = pwq_pool(pwq);
	bool through;

	pool_lock(pool);
	through = pwq_is_through(pwq);
	pool_unlock(pool);
	return through;
}

static struct pwq *find_pwq(struct plan *plan, struct pool *pool)
{
	struct workqueue_struct *wq = plan->wq;
	struct pwq *pwq;

	list_for_each_entry (pwq, &plan->pwqs, wq_link)
		if (pwq_pool(pwq) == pool)
			return pwq;
	for_each_pwq (pwq, wq)
		if (pwq_pool(pwq) == pool &&
		    (!is_ordered(wq) || pwq == wq_pwq(wq, 0) ||
		     is_through(pwq)))
			return pwq;
	return NULL;
}

static struct pwq *plan_pwq(struct plan *plan, const struct cpumask *pod,
			    int node)
{
	struct unbound_pool want = {
		.nice = plan->attrs->nice,
		.node = node,
		.cpus = plan->cpus,
		.pod = pod,
		.strict = plan->attrs->affn_strict &&
			  !cpumask_equal(plan->cpus, pod),
	};
	struct pool *pool = unbound_get(&want);
	struct list record;
	struct pwq *pwq;

	if (!pool)
		return NULL;
	pwq = find_pwq(plan, pool);
	if (pwq || !pwqs_alloc(&record, 1)) {
		unbound_put(pool);
		return pwq;
	}
	pwq = list_first(&record, struct pwq, wq_link);
	list_move_tail(&pwq->wq_link, &plan->pwqs);
	pwq_init(pwq, plan->wq, pool, limit_alone(plan->wq));
	return pwq;
}

/* The NUMA node that all CPUs of a mask are on, or -1. */
static int node_of(const struct cpumask *mask)
{
	int node = -1, cpu;

	for_each_cpu (cpu, mask) {
		if (node >= 0 && topo_node_of_cpu(cpu) != node)
			return -1;
		node = topo_node_of_cpu(cpu);
	}
	return node;
}

static bool any_allowed(const struct cpumask *mask)
{
	int cpu;

	for_each_cpu (cpu, mask)
		if (os_cpu_allowed(cpu))
			return true;
	return false;
}

/*
 * A pod is cut down to the CPUs that may be used. If nothing is left of it, and for
 * ordered workqueues, which have one line, all CPUs are the pod.
 */
static struct pwq *plan_pod(struct plan *plan, const struct cpumask *pod)
{
	if (is_ordered(plan->wq) || !cpumask_and(plan->pod, pod, plan->cpus) ||
	    !any_allowed(plan->pod))
		cpumask_copy(plan->pod, plan->cpus);
	return plan_pwq(plan, plan->pod, node_of(plan->pod));
}

/* CPUs that the topology does not know. */
static bool plan_rest(struct plan *plan)
{
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++) {
		if (!plan->of_cpu[cpu])
			plan->of_cpu[cpu] = plan_pod(plan, plan->cpus);
		if (!plan->of_cpu[cpu])
			return false;
	}
	return true;
}

static bool plan_nodes(struct plan *plan)
{
	struct workqueue_struct *wq = plan->wq;
	int nr = 0;
	struct pwq *pwq;

	if (wq->nodes || is_ordered(wq))
		return true;
	list_for_each_entry (pwq, &plan->pwqs, wq_link)
		nr++;
	for_each_pwq (pwq, wq)
		nr++;
	if (nr > 1)
		plan->nodes = limit_make_nodes();
	return nr <= 1 || plan->nodes;
}

static struct plan *make_plan(struct workqueue_struct *wq,
			      const struct workqueue_attrs *attrs)
{
	const struct topo_pods *pods =
		topo_pods(attrs_scope(attrs->affn_scope));
	struct plan *plan = plan_alloc(wq, attrs);

	for (int pod = 0; plan && pod < pods->nr_pods; pod++) {
		struct pwq *pwq = plan_pod(plan, pods->mask[pod]);
		int cpu;

		for_each_cpu (cpu, pods->mask[pod])
			plan->of_cpu[cpu] = pwq;
		if (!pwq) {
			plan_free(plan);
			return NULL;
		}
	}
	if (plan && (!plan_rest(plan) || !plan_nodes(plan))) {
		plan_free(plan);
		return NULL;
	}
	return plan;
}

/* From now on all pwqs count their active items in their nodes. */
static void share_nodes(struct workqueue_struct *wq) REQUIRES(wq->lock)
{
	struct pwq *pwq;

	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);
		int node = pool->node < 0 ? wq->nr_nodes : pool->node;

		pool_lock(pool);
		pwq_share(pwq, &wq->nodes[node]);
		pool_unlock(pool);
	}
}

/* The new pwqs become the workqueue's, in the colour that is queued now. */
static void adopt(struct plan *plan, struct workqueue_struct *wq,
		  struct pwq *old) REQUIRES(wq->lock)
{
	struct pwq *pwq, *first = plan->of_cpu[0];

	if (is_ordered(wq) && old && old != first) {
		struct pool *pool = pwq_pool(first);

		pool_lock(pool);
		pwq_plug(first);
		pool_unlock(pool);
		list_move_tail(&first->wq_link, &plan->pwqs);
	}
	list_for_each_entry_safe (pwq, &plan->pwqs, wq_link) {
		atomic_store(&pwq->colour, wq->epoch % WORD_NR_COLOURS);
		list_move_tail(&pwq->wq_link, &wq->pwqs);
	}
	if (plan->nodes) {
		wq->nr_nodes = topo_nr_nodes();
		wq->nodes = plan->nodes;
		plan->nodes = NULL;
	}
}

/* Pools learn who uses them. */
static void count_users(struct workqueue_struct *wq)
{
	struct pwq *pwq;

	for_each_pwq (pwq, wq) {
		bool used = false;

		for (int cpu = 0; cpu < os_nr_cpus() && !used; cpu++)
			used = wq_pwq(wq, cpu) == pwq;
		if (used && !pwq->in_use)
			unbound_use(pwq_pool(pwq));
		if (!used && pwq->in_use)
			unbound_unuse(pwq_pool(pwq));
		pwq->in_use = used;
	}
}

static void wait_for_pushers(struct workqueue_struct *wq, struct pwq *pwq)
{
	uint64_t end = os_now() + PUSHER_TIMEOUT_NS;
	struct backoff backoff = { 0 };

	/* Below 0 is one that forked on its way, in a signal handler. */
	while (atomic_load(&pwq->pushers) > 0) {
		if (os_now() > end) {
			log_warn(
				"workqueue %s: a thread has been stopped while "
				"it queued; what it queues may be late",
				wq->name);
			return;
		}
		backoff_wait(&backoff);
	}
}

static void replace_ordered(struct workqueue_struct *wq, struct pwq *old,
			    struct pwq *new)
{
	struct pool *pool = pwq_pool(old);

	wait_for_pushers(wq, old);
	pool_lock(pool);
	pwq_retire(old, new);
	pool_unlock(pool);
}

static void carry_out(struct plan *plan)
{
	struct workqueue_struct *wq = plan->wq;
	struct workqueue_attrs *attrs = wq->attrs;
	struct pwq *old = wq_pwq(wq, 0);

	lock(&wq->lock);
	adopt(plan, wq, old);
	wq->attrs = plan->attrs;
	plan->attrs = attrs;
	if (wq->nodes) {
		limit_settle(wq);
		share_nodes(wq);
	}
	for (int cpu = 0; cpu < os_nr_cpus(); cpu++)
		atomic_store(&wq->pwq_of[cpu], plan->of_cpu[cpu]);
	limit_settle(wq);
	unlock(&wq->lock);
	count_users(wq);
	if (is_ordered(wq) && old && old != plan->of_cpu[0])
		replace_ordered(wq, old, plan->of_cpu[0]);
	plan_free(plan);
}

struct workqueue_attrs *apply_default_attrs(unsigned int flags)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	if (attrs && flags & WQ_HIGHPRI)
		attrs->nice = -20;
	return attrs;
}

int apply_attrs(struct workqueue_struct *wq,
		const struct workqueue_attrs *attrs)
{
	struct plan *plan = make_plan(wq, attrs);

	if (!plan)
		return -ENOMEM;
	carry_out(plan);
	return 0;
}

int apply_again(void)
{
	struct plan *plans = NULL, *plan;
	struct workqueue_struct *wq;
	int err = 0;

	for_each_wq(wq)
	{
		if (!(wq->flags & WQ_UNBOUND) || err)
			continue;
		plan = make_plan(wq, wq->attrs);
		if (plan) {
			plan->next = plans;
			plans = plan;
		} else {
			err = -ENOMEM;
		}
	}
	while ((plan = plans)) {
		plans = plan->next;
		if (err)
			plan_free(plan);
		else
			carry_out(plan);
	}
	return err;
}

void apply_end(struct workqueue_struct *wq)
{
	struct pwq *pwq;

	for_each_pwq (pwq, wq) {
		struct pool *pool = pwq_pool(pwq);

		if (pwq->in_use)
			unbound_unuse(pool);
		pwq->in_use = false;
		unbound_put(pool);
	}
	free_workqueue_attrs(wq->attrs);
	wq->attrs = NULL;
}

void apply_topology(void)
{
	topo_load();
	lock(&registry_lock);
	if (!topology_applied) {
		unbound_find_nodes();
		if (apply_again())
			log_warn("no memory to follow the topology; unbound "
				 "workqueues stay as they are");
	}
	topology_applied = true;
	unlock(&registry_lock);
}

static bool attrs_ok(struct workqueue_struct *wq,
		     const struct workqueue_attrs *attrs)
{
	const char *defect = wq->flags & WQ_UNBOUND
				     ? attrs_defect(attrs)
				     : "the workqueue is per-CPU";

	if (defect)
		log_err("apply_workqueue_attrs: %s; workqueue %s stays as it "
			"is",
			defect, wq->name);
	return !defect;
}

int apply_workqueue_attrs(struct workqueue_struct *wq,
			  const struct workqueue_attrs *attrs)
{
	int err;

	life_check_early();
	if (!queue_wq_ok(wq, __builtin_return_address(0)) ||
	    !attrs_ok(wq, attrs))
		return -EINVAL;
	apply_topology();
	lock(&registry_lock);
	err = apply_attrs(wq, attrs);
	unlock(&registry_lock);
	return err;
}

int apply_mask(enum unbound_mask which, const struct cpumask *mask)
{
	cpumask_var_t before;
	int err;

	if (!alloc_cpumask_var(&before, 0))
		return -ENOMEM;
	cpumask_copy(before, unbound_mask(which));
	unbound_set_mask(which, mask);
	err = apply_again();
	if (err)
		unbound_set_mask(which, before);
	free_cpumask_var(before);
	return err;
}

int workqueue_unbound_housekeeping_update(const struct cpumask *hk)
{
	int err;

	life_check_early();
	if (!hk) {
		log_err("workqueue_unbound_housekeeping_update: NULL mask");
		return -EINVAL;
	}
	apply_topology();
	lock(&registry_lock);
	err = apply_mask(UNBOUND_HOUSEKEEPING, hk);
	unlock(&registry_lock);
	return err;
}

static void set_round_robin(bool on) REQUIRES(registry_lock)
{
	struct workqueue_struct *wq;

	for_each_wq(wq)
	{
		if (on)
			atomic_fetch_or(&wq->flags, WQ_ROUND_ROBIN);
		else
			atomic_fetch_and(&wq->flags, ~WQ_ROUND_ROBIN);
	}
}

/* Those that name no scope follow the default. */
void apply_params(void)
{
	static long scope = WQ_AFFN_CACHE_SHARD; /* registry lock */

	/* In a child it may be the first call: somebody may have the lock. */
	life_check_early();
	lock(&registry_lock);
	set_round_robin(param_get(debug_force_rr_cpu));
	if (scope != param_get(default_affinity_scope)) {
		if (apply_again())
			log_warn("no memory for the new default affinity "
				 "scope; it counts for what is allocated or "
				 "changed from now on");
		scope = param_get(default_affinity_scope);
	}
	unlock(&registry_lock);
}
