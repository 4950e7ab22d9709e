/* SPDX-License-Identifier: MIT */
/* sentinel - a SCHED_IDLE thread per CPU that notices when the CPU idles. */
#ifndef CMWQ_SENTINEL_H
#define CMWQ_SENTINEL_H

/* On the timer thread: create the sentinels that were asked for. */
void sentinel_create_wanted(void);

/* On the timer thread: let resting ones look again. */
void sentinel_rearm_resting(void);

/* Its CPU was lost, or it may not be there any more: it ends. It may be asked for
 * anew. */
void sentinel_leave(int cpu);

#endif
