/* SPDX-License-Identifier: MIT */
/* condvar.h - what the condition variable's pool can be told, by peer-floor alone. */
#ifndef CMWQ_PEERS_CONDVAR_H
#define CMWQ_PEERS_CONDVAR_H

/* Before the first task: make so many threads. Returns once all of them wait. */
void condvar_start(int threads);

#endif
