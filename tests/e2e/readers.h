/* SPDX-License-Identifier: MIT */
/*
 * readers.h - threads that are in a read section of a flavour of liburcu, for
 * the tests of RCU work.
 */
#ifndef CMWQ_TESTS_READERS_H
#define CMWQ_TESTS_READERS_H

#include "harness.h"

#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-mb.h>
#include <urcu/urcu-qsbr.h>

/* <urcu/flavor.h> declares the first of them only. */
extern const struct rcu_flavor_struct urcu_memb_flavor;
extern const struct rcu_flavor_struct urcu_mb_flavor;
extern const struct rcu_flavor_struct urcu_qsbr_flavor;

struct reader {
	const struct rcu_flavor_struct *flavor;
	struct thread thread;
	struct gate leave;
	_Atomic bool inside;
};

static inline long read_on(void *arg)
{
	struct reader *reader = arg;

	reader->flavor->register_thread();
	reader->flavor->read_lock();
	atomic_store(&reader->inside, true);
	gate_wait(&reader->leave);
	reader->flavor->read_unlock();
	reader->flavor->unregister_thread();
	return 0;
}

/* Returns when it is in its read section. */
static inline void reader_start(struct reader *reader,
				const struct rcu_flavor_struct *flavor)
{
	memset(reader, 0, sizeof(*reader));
	reader->flavor = flavor;
	thread_start(&reader->thread, read_on, reader);
	wait_for(atomic_load(&reader->inside));
}

static inline void reader_end(struct reader *reader)
{
	gate_open(&reader->leave);
	thread_join(&reader->thread);
}

/* Whether it finds something to wait for is a matter of luck where no reader holds
 * the item back. */
static inline void finish(struct item *it)
{
	flush_rcu_work(&it->rwork);
	EXPECT(item_idle(it));
}

#endif
