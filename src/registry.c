/* SPDX-License-Identifier: MIT */
/* registry - the list of all workqueues. See registry.h. */
#include "registry.h"

struct lock registry_lock = LOCK_INITIALIZER(RANK_REGISTRY);
struct list registry = { &registry, &registry };
