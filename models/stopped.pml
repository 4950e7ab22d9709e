/* SPDX-License-Identifier: MIT */
/*
 * stopped - a pusher that stops for ever between push and the end of his kick holds up
 * nobody.
 *
 * src/queue.c push(), src/tick.c stop_ticking(). Two pushers, of which the first
 * may stop at each step of it (a debugger, a siglongjmp); one worker, and the tick.
 * A pusher kicks, which starts the tick, if it was the first or finds the tick off
 * after its push. The tick wakes a worker for what waits; it stops when nothing
 * does, and looks once more after it has said so.
 *
 * Claim: at the end (nobody can move) the item of the other pusher has run. (That
 * of the stopped one waits for him if it is alone: his call has not returned.)
 * NO_LOOK_AFTER takes out the step of the pusher, NO_SECOND_LOOK that of the tick:
 * run.sh expects those to fail.
 */
byte inbox = 0;
byte nr_running = 0;
bool first_idle = true;
bool wake = false;  /* the word; who finds it set need not wake */
bool awake = false; /* the system call has been made */
bool tick_on = false;
bool pushed = false; /* the second pusher's item */
bool ran = false;

inline may_stop_here()
{
	if
	:: may_stop -> goto stopped
	:: true -> skip
	fi
}

inline kick()
{
	if
	:: nr_running == 0 ->
		if
		:: first_idle && !wake ->
			wake = true;
			may_stop_here();
			awake = true
		:: else -> skip
		fi
	:: else -> skip
	fi;
	may_stop_here();
	tick_on = true
}

proctype pusher(bool may_stop)
{
	bool was_empty;

	atomic { was_empty = (inbox == 0); inbox++;
		pushed = pushed || !may_stop }
	may_stop_here();
	if
	:: was_empty -> kick()
#ifndef NO_LOOK_AFTER
	:: !was_empty && !tick_on -> kick()
#endif
	:: else -> skip
	fi;
stopped:
	skip
}

proctype worker()
{
end:	do
	:: awake ->
		first_idle = false;
running:	nr_running++;
		do
		:: atomic { inbox > 0 -> inbox = 0; ran = pushed }
		:: inbox == 0 -> break
		od;
		wake = false;
		awake = false;
		first_idle = true;
		nr_running--;
		if
		:: inbox > 0 -> first_idle = false; goto running
		:: else -> skip
		fi
	od
}

proctype ticker()
{
end:	do
	:: tick_on && inbox > 0 && nr_running == 0 && first_idle && !awake ->
		wake = true;
		awake = true
	:: tick_on && inbox == 0 ->
		tick_on = false;
#ifndef NO_SECOND_LOOK
		if
		:: inbox > 0 -> tick_on = true
		:: else -> skip
		fi
#endif
	od
}

init {
	atomic {
		if
		:: tick_on = true
		:: skip
		fi;
		run pusher(true);
		run pusher(false);
		run worker();
		run ticker()
	}
	(timeout);
	assert(pushed && ran)
}
