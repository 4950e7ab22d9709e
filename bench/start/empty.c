/* SPDX-License-Identifier: MIT */
/*
 * start-empty - the program that does nothing. It is linked with the libraries that
 * cmwq needs, hwloc and liburcu, but not with cmwq.
 */
#include "start.h"

int main(void)
{
	say(stamp());
	live_on();
	return 0;
}
