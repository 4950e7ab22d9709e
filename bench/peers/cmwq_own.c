/* SPDX-License-Identifier: MIT */
/*
 * cmwq_own.c - scenarios of cmwq's program alone.
 *
 * forkjoin: an item per call of fib(27). An item does not wait for the two that it
 * queues: the second one of them to end adds up and goes on with the caller's.
 *
 * scopes: what Linux's lib/test_workqueue.c measures. As many threads as CPUs, each of
 * which 50,000 times queues its one item and waits until it has run; for each affinity
 * scope on an unbound workqueue of it. Items per second of all threads, and the time
 * of the queue_work() call.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmwq/cmwq.h>
#include "shared.h"

#define NR_ROUNDS 50000

struct call {
	struct work_struct work;
	struct call *caller;
	atomic_int waits_for;
	int n;
	atomic_long sum;
};

static struct gate fib_done;
static long fib_sum;

static void call_fn(struct work_struct *work);

static struct work_struct *new_call(struct call *caller, int n)
{
	struct call *call = malloc(sizeof(*call));

	if (!call)
		die("no memory");
	INIT_WORK(&call->work, call_fn);
	call->caller = caller;
	call->n = n;
	atomic_init(&call->waits_for, 2);
	atomic_init(&call->sum, 0);
	return &call->work;
}

static void return_to(struct call *call, long value)
{
	struct call *caller;

	for (; call; call = caller) {
		atomic_fetch_add_explicit(&call->sum, value,
					  memory_order_relaxed);
		if (atomic_fetch_sub(&call->waits_for, 1) > 1)
			return;
		value = atomic_load(&call->sum);
		caller = call->caller;
		free(call);
	}
	fib_sum = value;
	gate_open(&fib_done);
}

static void call_fn(struct work_struct *work)
{
	struct call *self = cmwq_container_of(work, struct call, work);
	struct call *caller = self->caller;
	int n = self->n;

	if (n >= 2) {
		struct work_struct *both[] = { new_call(self, n - 1),
					       new_call(self, n - 2) };

		cmwq_queue_work_batch(system_dfl_wq, both, 2);
	} else {
		free(self);
		return_to(caller, n);
	}
}

static int forkjoin(void)
{
	int n = fib_size();
	uint64_t start = now_ns();

	queue_work(system_dfl_wq, new_call(NULL, n));
	gate_wait(&fib_done);
	emit_fib(n, fib_sum, now_ns() - start);
	return PEER_OK;
}

struct submitter {
	struct work_struct work;
	struct gate ran;
	pthread_t thread;
	double *call_ns;
	int rounds;
};

static struct workqueue_struct *scope_wq;
static pthread_barrier_t start_line;

static void wake_submitter(struct work_struct *work)
{
	gate_open(&cmwq_container_of(work, struct submitter, work)->ran);
}

static void *submit(void *arg)
{
	struct submitter *s = arg;
	uint64_t start;
	int i;

	cmwq_thread_prepare();
	INIT_WORK(&s->work, wake_submitter);
	pthread_barrier_wait(&start_line);
	for (i = 0; i < s->rounds; i++) {
		gate_reset(&s->ran);
		start = now_ns();
		queue_work(scope_wq, &s->work);
		s->call_ns[i] = (double)(now_ns() - start);
		gate_wait(&s->ran);
	}
	return NULL;
}

static void emit_scope(const char *scope, const char *what, double value)
{
	char name[64];

	snprintf(name, sizeof(name), "%s_%s", scope, what);
	emit(name, value);
}

static void run_scope(const char *scope, struct submitter *s, double *ns)
{
	int i, n = nr_cpus(), rounds = work_size(NR_ROUNDS, 50);
	size_t all = (size_t)n * (size_t)rounds;
	uint64_t start;

	pthread_barrier_init(&start_line, NULL, (unsigned int)n + 1);
	for (i = 0; i < n; i++) {
		s[i].rounds = rounds;
		s[i].call_ns = ns + (size_t)i * (size_t)rounds;
		if (pthread_create(&s[i].thread, NULL, submit, &s[i]))
			die("cannot create a thread");
	}
	pthread_barrier_wait(&start_line);
	start = now_ns();
	for (i = 0; i < n; i++)
		pthread_join(s[i].thread, NULL);
	emit_scope(scope, "items_s",
		   (double)all / ((double)(now_ns() - start) / 1e9));
	pthread_barrier_destroy(&start_line);
	sort_doubles(ns, all);
	emit_scope(scope, "p50_ns", percentile(ns, all, 50));
	emit_scope(scope, "p90_ns", percentile(ns, all, 90));
	emit_scope(scope, "p95_ns", percentile(ns, all, 95));
}

static int scopes(void)
{
	static const struct {
		const char *name;
		enum wq_affn_scope scope;
	} all[] = {
		{ "cpu", WQ_AFFN_CPU },
		{ "smt", WQ_AFFN_SMT },
		{ "cache", WQ_AFFN_CACHE },
		{ "cache_shard", WQ_AFFN_CACHE_SHARD },
		{ "numa", WQ_AFFN_NUMA },
		{ "system", WQ_AFFN_SYSTEM },
	};
	size_t n = (size_t)nr_cpus(), i;
	struct submitter *s = aligned_alloc(CACHELINE, n * sizeof(*s));
	double *ns = malloc(n * NR_ROUNDS * sizeof(*ns));
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	scope_wq = alloc_workqueue("scopes", WQ_UNBOUND, 0);
	if (!s || !ns || !attrs || !scope_wq)
		die("no memory");
	for (i = 0; i < ARRAY_SIZE(all); i++) {
		attrs->affn_scope = all[i].scope;
		if (apply_workqueue_attrs(scope_wq, attrs))
			die("scope %s was refused", all[i].name);
		run_scope(all[i].name, s, ns);
	}
	return PEER_OK;
}

const struct scenario peer_scenarios[] = {
	{ "forkjoin", forkjoin, 0, false },
	{ "scopes", scopes, 0, false },
	{ NULL, NULL, 0, false },
};
