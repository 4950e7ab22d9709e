/* SPDX-License-Identifier: MIT */
/* rcu - RCU work, and liburcu across fork. */
#ifndef CMWQ_RCU_H
#define CMWQ_RCU_H

void rcu_fork_prepare(void);
void rcu_fork_parent(void);
void rcu_fork_child(void); /* the first of two calls counts */

#endif
