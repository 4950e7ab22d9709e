/* SPDX-License-Identifier: MIT */
/*
 * lease - an item of a lease is either started or given back.
 *
 * src/lease.h, src/exec.c. A lessee runs two items without the lock; the last of them
 * queues itself again as a third entry. Two others take the lock, end the lease
 * and take back the second item if it is there, whose memory is gone then. Each step
 * of theirs on a shared word is apart. At the end every entry has been run once,
 * or taken back; whoever knew that the item had queued itself again found it; what
 * is counted as in flight is balanced.
 *
 * NO_END lets the lessee start whatever others say, NO_LATE_LOOK looks at a lease but
 * once: run.sh expects both to fail.
 */
#define N 2

bool locked = false;
bool lessee = true;		/* pool->lessee */
bool has_ended = false;		/* lease->ended */
bool flag = false;		/* LEASE_ENDED in lease->taken */
byte taken = 0, done = 0, end = N, known = 0;
bool counted = false;		/* lease->running */
byte in_flight = 0;
bool listed[3], freed[3], started[3], again;
byte runs[3], back[3];

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* The entries from first to the end that is known are on lists. */
inline list_from(first)
{
	i = first;
	do
	:: i < known -> listed[i] = true; i++
	:: else -> break
	od
}

proctype the_lessee()
{
	bool stop;
	byte i;

	do
	:: done == end -> break
	:: else ->
		atomic {
			stop = flag;
			taken++;
			if
			:: !stop -> started[done] = true
			:: else -> skip
			fi
		};
#ifndef NO_END
		if
		:: stop -> break
		:: else -> skip
		fi;
#endif
		assert(!freed[done]);
		runs[done]++;
		if
		:: done == N - 1 && !flag -> end = N + 1; again = true
		:: else -> skip
		fi;
		done++
	od;
	lock();
	lessee = false;
	if
	:: has_ended ->
		i = known;
		known = end;
		list_from(i);
		if
		:: counted -> in_flight--
		:: else -> skip
		fi
	:: else -> skip
	fi;
	/* What is listed is run as ever. */
	i = 0;
	do
	:: i < 3 && listed[i] ->
		listed[i] = false;
		assert(!freed[i]);
		runs[i]++;
		i++
	:: i < 3 && !listed[i] -> i++
	:: else -> break
	od;
	unlock()
}

proctype other()
{
	bool knew;
	byte i, t, d;

	knew = again;
	lock();
	if
	:: lessee && !has_ended ->
		atomic { t = taken; flag = true };
		d = done;
		has_ended = true;
		known = end;
		if
		:: t > d -> counted = true; in_flight++
		:: else -> skip
		fi;
		list_from(t)
#ifndef NO_LATE_LOOK
	:: lessee && has_ended ->
		t = known;
		known = end;
		list_from(t)
#endif
	:: else -> skip
	fi;
	assert(!knew || listed[2] || started[2] || runs[2]);
	if
	:: listed[1] -> listed[1] = false; freed[1] = true; back[1]++
	:: skip
	fi;
	unlock()
}

init {
	atomic {
		run the_lessee();
		run other();
		run other()
	};
	_nr_pr == 1;
	assert(runs[0] == 1);
	assert(runs[1] + back[1] == 1);
	assert(runs[2] == again);
	assert(in_flight == 0)
}
