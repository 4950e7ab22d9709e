/* SPDX-License-Identifier: MIT */
/*
 * leaving - no sentinel stays on a CPU that was lost, and there is never a second one.
 *
 * src/sentinel.c, src/hotplug.c. The timer thread creates a sentinel that was asked
 * for, somebody takes the CPU away, gives it back, and takes it away again. All
 * accesses are sequentially consistent, as in the C code.
 *
 * Claim: at the end (the CPU is lost, nobody can move) there is no thread.
 * NO_LOOK_AFTER takes out the look of the new thread whether the CPU is allowed,
 * NO_LEAVE that hotplug tells a thread to leave: run.sh expects those to fail.
 */
#define CREATIONS 3
#define ARMINGS   2

mtype = { ABSENT, OFF, ARMED, LEAVING };

bool allowed = true;
mtype state = ABSENT;
byte threads = 0;

proctype sentinel()
{
#ifndef NO_LOOK_AFTER
	if
	:: !allowed -> goto out
	:: else -> skip
	fi;
#endif
end:	do
	:: atomic { state == ARMED -> state = OFF }	/* nothing waits */
	:: state == LEAVING -> goto out			/* OFF: sleeps */
	od;
out:	threads--;
	state = ABSENT
}

proctype creator()
{
	byte n = 0;

	do
	:: n < CREATIONS ->
		n++;
		if
		:: state == ABSENT ->
			if
			:: allowed ->
				state = ARMED;
				threads++;
				assert(threads == 1);
				run sentinel()
			:: else -> skip
			fi
		:: else -> skip
		fi
	:: n == CREATIONS -> break
	od
}

/* Work comes. */
proctype armer()
{
	byte n;

	for (n : 1 .. ARMINGS) {
		atomic {
			if
			:: state == OFF -> state = ARMED
			:: else -> skip
			fi
		}
	}
}

inline leave()
{
	atomic {
		if
#ifndef NO_LEAVE
		:: state != ABSENT && state != LEAVING -> state = LEAVING
#endif
		:: else -> skip
		fi
	}
}

proctype hotplug()
{
	allowed = false;
	leave();
	allowed = true;
	allowed = false;
	leave()
}

init {
	atomic { run creator(); run armer(); run hotplug() }
	(timeout);
	assert(threads == 0 && state == ABSENT)
}
