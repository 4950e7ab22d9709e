/* SPDX-License-Identifier: MIT */
/*
 * plain.c - what most peers have no way of their own for: a task submits itself as any
 * other, and who waits for one, or for a moment, sleeps in the system.
 */
#include "../util.h"
#include "peer.h"

void peer_resubmit(struct peer_task *task)
{
	peer_submit(task);
}

void peer_done(struct gate *gate)
{
	gate_open(gate);
}

void peer_wait(struct gate *gate)
{
	gate_wait(gate);
}

void peer_sleep_until(uint64_t ns)
{
	sleep_until(ns);
}
