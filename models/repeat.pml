/* SPDX-License-Identifier: MIT */
/*
 * repeat - an item of a lease that queues itself is not claimed.
 *
 * src/lease.h, src/queue.c. The item is the only one of a lease and runs. It may have one
 * run more noted for it; its word says idle all the time. Two others queue it, a
 * third one takes the lock. In the worker's next lease, of three, it may be the second.
 * At the end it has run once for each true result; whoever gave up has been followed by
 * a run; and whoever knew of the noted run did not queue the item before that was
 * taken.
 *
 * NO_CLEAR keeps `again' of a lease that others have ended, NO_ORDER clears it before
 * the word is right, END_LAST reads the end after `again': run.sh expects all to fail.
 */
mtype = { IDLE, QUEUED };

mtype word = IDLE;
bool locked = false;
bool lessee = true;		/* pool->lessee */
bool has_ended = false;		/* lease->ended */
bool flag = false;		/* LEASE_ENDED in lease->taken */
bool again = false;		/* lease->again is the item */
bool current = true;		/* worker->current_work is the item */
bool rerun = false;
byte taken = 1, done = 0, end = 1, known = 1;
byte begun = 1, trues = 1;	/* the first run, for a true result */
bool knows = false;		/* the item has said that it is queued */
bool passed = false;		/* L1 of the noted run */
byte queuers = 2;
bool over = false;

inline lock() { atomic { !locked -> locked = true } }
inline unlock() { locked = false }

/* The word as a claim would have left it; if somebody has claimed it the run counts as
 * begun. */
inline claim_repeat()
{
#ifdef NO_ORDER
	again = false;
#endif
	atomic {
		if
		:: word == IDLE -> word = QUEUED
		:: else -> rerun = true
		fi
	};
	again = false
}

inline look_at_end(from)
{
	known = end;
	if
	:: known > from -> claim_repeat()
	:: else -> skip
	fi
}

proctype the_lessee()
{
	bool stop, in;
	byte first;

	/* In the function. */
	if
	:: word == IDLE && taken == end && !flag ->
		again = true;
		end = 2;
		atomic { knows = true; trues++ }
	:: skip
	fi;
	done = 1;
	if
	:: end == 2 ->
		atomic {
			stop = flag;
			taken = 2;
			passed = true;
			if
			:: !stop -> begun++
			:: else -> skip
			fi
		};
		if
		:: !stop -> done = 2
		:: else -> skip
		fi
	:: else -> skip
	fi;
	if
	:: done == end -> current = false
	:: else -> skip
	fi;
	lock();
	lessee = false;
	if
	:: has_ended ->
		first = known;
		look_at_end(first);
#ifndef NO_CLEAR
		again = false
#endif
	:: else -> again = false
	fi;
	if
	:: rerun -> begun++
	:: else -> skip
	fi;
	current = false;
	/* The next lease. */
	end = 3;
	taken = 0;
	flag = false;
	unlock();
	atomic {
		in = word == QUEUED;
		if
		:: word == IDLE -> word = QUEUED; trues++; in = true
		:: skip
		fi
	};
	taken = 1;
	taken = 2;
	if
	:: in ->
		current = true;
		atomic { word = IDLE; begun++ };
		current = false
	:: else -> skip
	fi;
	taken = 3;
	queuers == 0;
	if
	:: word == QUEUED -> word = IDLE; begun++
	:: else -> skip
	fi;
	over = true
}

proctype locker()
{
	byte t;

	lock();
	if
	:: lessee ->
		atomic { t = taken; flag = true };
		has_ended = true;
		look_at_end(t)
	:: else -> skip
	fi;
	unlock()
}

proctype queuer()
{
	bool knew, mine = false, kept = false;
	byte before, t, e;

	atomic { before = begun; knew = knows && !passed };
	if
	:: word == IDLE ->
		if
		:: current && again ->
			t = taken;
#ifdef END_LAST
			kept = again;
			e = end;
#else
			e = end;
			kept = again;
#endif
			kept = kept && e == t + 1
		:: else -> skip
		fi;
		if
		:: !kept ->
			atomic {
				if
				:: word == IDLE ->
					word = QUEUED;
					mine = true;
					trues++;
					assert(!knew || passed)
				:: else -> skip
				fi
			}
		:: else -> skip
		fi
	:: else -> skip
	fi;
	queuers--;
	over;
	assert(mine || begun > before)
}

init {
	atomic {
		run the_lessee();
		run locker();
		run queuer();
		run queuer()
	};
	_nr_pr == 1;
	assert(begun == trues)
}
