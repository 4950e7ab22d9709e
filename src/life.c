/* SPDX-License-Identifier: MIT */
/* life - is the library running in this process? See life.h. */
#include "life.h"

_Atomic bool life_online;
void (*life_start)(void);
void (*life_start_early)(void);
