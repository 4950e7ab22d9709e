/* SPDX-License-Identifier: MIT */
/*
 * reentry - one item never runs on two workers at once.
 *
 * src/worker.h, src/queue.c, src/exec.c. Two pools with a worker each; one
 * queuer for each pool queues the same item; the word says who owns PENDING and
 * which worker started it last. Steps under a pool's lock are atomic blocks;
 * claim, look at the slot, and push are apart, as in the code.
 *
 * NO_SLOT_CHECK lets a queuer push to its own pool in any case: run.sh expects
 * that to fail.
 */
#define NOBODY 2

bool pending = false;
byte slot = NOBODY;	/* of the idle word */
bool current[2];	/* the worker publishes that it runs the item */
byte queued[2];		/* the item is in that pool */
byte inside = 0;

proctype queuer(byte mine)
{
	byte last, target;
	byte n;

	for (n : 1 .. 2) {
		if
		:: atomic { !pending -> pending = true; last = slot };
			target = mine;
#ifndef NO_SLOT_CHECK
			if
			:: last != NOBODY && current[last] -> target = last
			:: else -> skip
			fi;
#endif
			queued[target]++
		:: pending -> skip
		fi
	}
}

proctype worker(byte me)
{
end:	do
	:: atomic { queued[me] > 0 -> queued[me]--; current[me] = true };
		atomic { pending = false; slot = me };
		inside++;
		assert(inside == 1);
		inside--;
		current[me] = false
	od
}

init {
	atomic {
		run queuer(0);
		run queuer(1);
		run worker(0);
		run worker(1)
	}
}
