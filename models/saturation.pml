/* SPDX-License-Identifier: MIT */
/*
 * saturation - a quiet push behind a saturated pwq is never forgotten.
 *
 * src/pwq.c, src/queue.c. The worker clears the mark, then drains; the pusher
 * reads the mark, pushes quietly if it is set, and reads it again. A kick is
 * modelled as the flag that makes the worker look once more.
 *
 * NO_SECOND_LOOK takes out the pusher's second look; NO_DRAIN the worker's
 * drain: run.sh expects both to fail.
 */
byte inbox = 0;
bool saturated = true;
bool kicked = false;
byte ran = 0;

proctype pusher()
{
	bool quiet;

	quiet = saturated;
	atomic {
		inbox++;
		if
		:: !quiet -> kicked = true
		:: else -> skip
		fi
	}
#ifndef NO_SECOND_LOOK
	if
	:: quiet && !saturated -> kicked = true
	:: else -> skip
	fi
#endif
}

proctype worker()
{
	saturated = false;
#ifndef NO_DRAIN
	atomic { ran = ran + inbox; inbox = 0 };
#endif
end:	do
	:: kicked ->
		kicked = false;
		atomic { ran = ran + inbox; inbox = 0 }
	od
}

init {
	atomic { run pusher(); run pusher(); run worker() }
	(timeout);
	assert(ran == 2)
}
