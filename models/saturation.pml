/* SPDX-License-Identifier: MIT */
/*
 * saturation - a quiet push behind a saturated pwq is never forgotten.
 *
 * src/pwq.c, src/queue.c. The worker clears the mark, then looks at the inbox, and
 * what is quiet in it he makes loud, and kicks; the pusher reads the mark, pushes
 * quietly if it is set, and reads it again. A kick is modelled as the flag that makes
 * the worker look once more.
 *
 * Tick and sentinel pass over an inbox whose items are all quiet, and a kick may
 * find all workers at work: so a pusher whose second look finds the mark cleared
 * makes the inbox loud. At the end there is nothing quiet that nobody looks for.
 *
 * NO_SECOND_LOOK takes out the pusher's second look, NO_LOOK the worker's, NO_LOUD
 * that the pusher makes it loud: run.sh expects them to fail.
 */
byte inbox = 0;
bool saturated = true;
bool all_quiet = true; /* of the items in the inbox */
bool kicked = false;
byte ran = 0;

proctype pusher()
{
	bool quiet;

	quiet = saturated;
	atomic {
		inbox++;
		if
		:: !quiet -> kicked = true; all_quiet = false
		:: else -> skip
		fi
	}
#ifndef NO_SECOND_LOOK
	if
	:: quiet && !saturated ->
#ifndef NO_LOUD
		all_quiet = false;
#endif
		kicked = true
	:: else -> skip
	fi
#endif
}

proctype worker()
{
	saturated = false;
#ifndef NO_LOOK
	if
	:: atomic { inbox > 0 && all_quiet -> all_quiet = false };
	   kicked = true
	:: else -> skip
	fi;
#endif
end:	do
	:: kicked ->
		kicked = false;
		/* It was woken and drains; or the kick met only busy workers,
		 * and what is loud is left to the detectors. */
		if
		:: atomic { true -> ran = ran + inbox; inbox = 0; all_quiet = true }
		:: skip
		fi
	:: inbox > 0 && !all_quiet ->
		atomic { ran = ran + inbox; inbox = 0; all_quiet = true }
	od
}

init {
	atomic { run pusher(); run pusher(); run worker() }
	(timeout);
	assert(ran == 2)
}
