/* SPDX-License-Identifier: MIT */
/* param - the tunables, by name and as fields. */
#ifndef CMWQ_PARAM_H
#define CMWQ_PARAM_H

#include <stdatomic.h>
#include <cmwq/workqueue.h>

enum {
	PARAM_TEXT = 4096
};

/* Read with param_get(); written by cmwq_param_set() and at the start. */
struct params {
	_Atomic long cpu_intensive_thresh_us;
	_Atomic long cpu_intensive_warning_thresh;
	_Atomic long power_efficient;
	_Atomic long watchdog_thresh; /* s */
	_Atomic long panic_on_stall;
	_Atomic long panic_on_stall_time;    /* s */
	_Atomic long default_affinity_scope; /* enum wq_affn_scope */
	_Atomic long debug_force_rr_cpu;
	_Atomic long cache_shard_size;
	_Atomic long stack_kib;
	_Atomic long idle_timeout_ms;
	_Atomic long idle_ratio;
	_Atomic long sentinel;
	_Atomic long tick;
	_Atomic long hints;
	_Atomic long recheck;
	_Atomic long pace;
	_Atomic long backtrace;
	_Atomic long lockdep;
	_Atomic long objects;
};

extern struct params params;

/* workqueue.unbound_cpus as it was written at the start, "" if it was not. */
extern char param_unbound_cpus[PARAM_TEXT];

/* A value was changed by a call; whoever must do something about it is above us. */
extern void (*param_changed)(void);

#define param_get(name) atomic_load_explicit(&params.name, memory_order_relaxed)

/* The words for an affinity scope, here and wherever one is read or written. */
extern const char *const affn_scope_names[WQ_AFFN_NR_TYPES];
/* The scope, in whatever case it is written, or -EINVAL. */
int affn_scope_parse(const char *name);

/* Take the values in a string like CMWQ_PARAMS, at the start; reports what is bad. */
void param_parse(const char *string);
/* The same for one like CMWQ_DEBUG: a list of names of checks. */
void param_parse_debug(const char *string);

/* Some values are read elsewhere; a forked child puts them there again. */
void param_publish(void);

#endif
