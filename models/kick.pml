/* SPDX-License-Identifier: MIT */
/*
 * kick - no wakeup is lost between queueing and a worker that goes to sleep.
 *
 * src/cm.c, src/pool.c, src/exec.c. Two pushers, one worker. All accesses are
 * sequentially consistent, as in the C code, so interleaving is exact. What is
 * modelled: the inbox as a count, nr_running, first_idle, the worker's wake
 * word; a pusher kicks only if it found the inbox empty.
 *
 * Claim: at the end (nobody can move) every item has run. NO_RECHECK takes out
 * the worker's second look at the inbox: run.sh expects that to fail.
 */
#define PUSHERS 2

byte inbox = 0;
byte nr_running = 0;
bool first_idle = true; /* the worker starts idle and asleep */
bool wake = false;
byte ran = 0;

proctype pusher()
{
	bool was_empty;

	atomic { was_empty = (inbox == 0); inbox++ } /* compare-and-swap */
	if
	:: was_empty ->
		if
		:: nr_running == 0 ->
			if
			:: first_idle -> wake = true
			:: else -> skip
			fi
		:: else -> skip
		fi
	:: else -> skip
	fi
}

proctype worker()
{
	byte got;

end:	do
	:: wake ->
		first_idle = false;
running:	nr_running++;
		do
		:: atomic { inbox > 0 -> got = inbox; inbox = 0 };
			ran = ran + got
		:: inbox == 0 -> break
		od;
		wake = false;
		first_idle = true;
		nr_running--;
#ifndef NO_RECHECK
		if
		:: inbox > 0 -> first_idle = false; goto running
		:: else -> skip
		fi
#endif
	od
}

init {
	atomic {
		byte i;

		for (i : 1 .. PUSHERS) { run pusher() }
		run worker()
	}
	(timeout);
	assert(ran == PUSHERS && inbox == 0)
}
