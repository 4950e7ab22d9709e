/* SPDX-License-Identifier: MIT */
/*
 * storm.h - random sequences of operations whose outcome is the same in both
 * worlds.
 *
 * A seed makes a sequence: a few workqueues of some kind, five items, and up to
 * 24 operations. A mask leaves out operations (bit n is operation n), so that a
 * sequence can be made shorter and the rest of it stays as it is.
 *
 *	storm SEED HASH			a line for each sequence of storm_run()
 *	replay SEED MASK RECORD		one of storm_replay(), whose text has
 *					lines of "SEED MASK"
 *
 * with tabs between the fields.
 */
#ifndef CONF_STORM_H
#define CONF_STORM_H

#include "world.h"

void storm_run(u32 from, u32 count);
void storm_replay(char *text);

/* Of the world: where the lines go. */
void storm_out(const char *text, size_t len);

#endif
