/* SPDX-License-Identifier: MIT */
/*
 * shims.h - kernel names as a program may have them that ran kernel code before
 * it knew of cmwq: nothing like ours. Part of tests/shims.cpp.
 */

/* What cmwq does not have at all. */
struct list_head {
	int next_index, prev_index;
};
struct timer_list {
	double due;
};
struct rcu_head {
	char name[3];
};
struct hlist_node {
	char letter;
};
struct device {
	short id;
};
struct lockdep_map {
	long key;
};
#define likely(x)    (x)
#define READ_ONCE(x) (x)

/* What cmwq leaves alone if it is there as a macro; or with the switches. */
#undef HZ
#define HZ				250
#define jiffies				4321UL
#define MAX_JIFFY_OFFSET		99UL
#define NR_CPUS				4
#define container_of(ptr, type, member) ((type *)own_container(ptr))
#define time_after(a, b)		((a) == (b) + 1)
#define time_before(a, b)		((a) + 1 == (b))
#define time_after_eq(a, b)		"after"
#define time_before_eq(a, b)		"before"
#define time_in_range(a, b, c)		'r'
#define time_in_range_open(a, b, c)	'o'
#define time_is_before_jiffies(a)	11
#define time_is_after_jiffies(a)	12
#define time_is_before_eq_jiffies(a)	13
#define time_is_after_eq_jiffies(a)	14
#define msecs_to_jiffies(m)		((m) / 4)
#define secs_to_jiffies(s)		((s)*250)
#define usecs_to_jiffies(u)		((u) / 4000)
#define nsecs_to_jiffies(n)		((n) / 4000000)
#define jiffies_to_msecs(j)		((j)*4)
#define jiffies_to_usecs(j)		((j)*4000)
#define jiffies_to_nsecs(j)		((j)*4000000)
#define jiffies_delta_to_msecs(d)	((d)*4)

static char containers;
static inline void *own_container(void *ptr)
{
	return ptr ? &containers : NULL;
}

/* What needs the switches. */
#ifdef SWITCHED
typedef struct cpumask {
	unsigned char cpu[NR_CPUS];
} cpumask_t, cpumask_var_t[1];
static const int nr_cpu_ids = NR_CPUS;
#define cpu_online_mask (&online)
static cpumask_t online;
static inline void cpumask_set_cpu(int cpu, cpumask_t *mask)
{
	mask->cpu[cpu] = 1;
}
static inline int cpumask_weight(const cpumask_t *mask)
{
	return mask->cpu[0] + mask->cpu[1] + mask->cpu[2] + mask->cpu[3];
}
#define for_each_online_cpu(c) for ((c) = 0; (c) < nr_cpu_ids; (c)++)

#undef secs_to_jiffies
#undef time_after
static inline int secs_to_jiffies(int s)
{
	return s * HZ;
}
static inline int time_after(int a, int b)
{
	return a > b;
}
#endif
