/* SPDX-License-Identifier: MIT */
/* floor.h - between the rooms of peer-floor. */
#ifndef CMWQ_PEERS_FLOOR_H
#define CMWQ_PEERS_FLOOR_H

/* What blockmix() or blockread() takes at best. Returns a scenario's status. */
int floor_blocking(int (*scenario)(void));

#endif
