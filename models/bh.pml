/* SPDX-License-Identifier: MIT */
/*
 * bh - no BH item is left behind when the thread goes to sleep, and no two run at
 * once.
 *
 * src/bh.c, src/cm.c. Pushers, the thread, and a caller of
 * workqueue_softirq_action(), who runs an item in its place and leaves what else he
 * took from the inbox on the worklist. All accesses are sequentially consistent, as
 * in the C code, so interleaving is exact. What is modelled: inbox and worklist as
 * counts, the state word, the lock; a pusher kicks only if he found the inbox empty.
 *
 * Claim: at the end (nobody can move) every item has run. NO_SECOND_LOOK takes out
 * the thread's look after it has said that it sleeps: run.sh expects that to fail.
 */
#define PUSHERS 3

mtype = { ASLEEP, AWAKE };

byte inbox = 0;
byte worklist = 0;
byte ran = 0;
byte inside = 0;
bool locked = false;
mtype state = ASLEEP;

inline run_one()
{
	inside++;
	assert(inside == 1);
	worklist--;
	ran++;
	inside--
}

inline drain()
{
	atomic { worklist = worklist + inbox; inbox = 0 }
}

proctype pusher()
{
	bool was_empty;

	atomic { was_empty = (inbox == 0); inbox++ }
	if
	:: was_empty && state == ASLEEP -> state = AWAKE
	:: else -> skip
	fi
}

proctype caller()
{
	if
	:: atomic { !locked -> locked = true };
		drain();
		if
		:: worklist > 0 -> run_one()
		:: else -> skip
		fi;
		locked = false
	:: atomic { locked -> skip }
	fi
}

proctype thread()
{
end:	do
	:: state == AWAKE ->
again:		atomic { !locked -> locked = true };
		drain();
		do
		:: worklist > 0 -> run_one()
		:: worklist == 0 && inbox > 0 -> drain()
		:: worklist == 0 && inbox == 0 -> break
		od;
		locked = false;
		state = ASLEEP;
#ifndef NO_SECOND_LOOK
		if
		:: inbox + worklist > 0 -> state = AWAKE; goto again
		:: else -> skip
		fi
#endif
	od
}

init {
	atomic {
		byte i;

		for (i : 1 .. PUSHERS) { run pusher() }
		run caller();
		run thread()
	}
	(timeout);
	assert(ran == PUSHERS && inbox + worklist == 0)
}
