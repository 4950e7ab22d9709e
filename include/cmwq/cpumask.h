/* SPDX-License-Identifier: MIT */
/*
 * cmwq/cpumask.h - sets of CPUs, with the kernel's names.
 *
 *	#include <cmwq/cpumask.h>
 *	#include <cmwq/workqueue.h>
 *
 *	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
 *	unsigned int cpu;
 *
 *	cpulist_parse("0-3,8-11", attrs->cpumask);
 *	for_each_cpu_and(cpu, attrs->cpumask, cpu_online_mask)
 *		printf("%u\n", cpu);
 *
 * A mask holds the CPUs 0..nr_cpu_ids-1. Those that the library allocates are
 * no larger than that needs, as in a kernel with CONFIG_CPUMASK_OFFSTACK, so
 * masks are copied with cpumask_copy() and never by assignment. A struct
 * cpumask variable of the program's own has room for all NR_CPUS.
 *
 * cpu_possible_mask has the CPUs that the system is configured for, cpu_online_mask
 * those that this process may use; it changes when these do
 * (workqueue_online_cpu()). Both are there before main().
 *
 * Contexts. All of it may be called anywhere, signal handlers included, but for
 * what allocates, reads or writes text. cpumask_set_cpu(), cpumask_clear_cpu() and the
 * cpumask_test_and_ functions are atomic for their bit (the latter are also full
 * barriers); the others are not, so a mask that others may change needs a
 * lock. A CPU number must be less than nr_cpu_ids; setting or clearing another
 * one does nothing, and testing it gives false.
 *
 * A program that has cpumasks of its own defines CMWQ_NO_CPUMASK before the
 * first cmwq header: then nothing of this is declared. <cmwq/workqueue.h>
 * needs none of it. What such a program passes in struct workqueue_attrs is an
 * array of unsigned long with a bit for each possible CPU.
 *
 * Source: the kernel's <linux/cpumask.h> and Documentation/core-api/cpu_hotplug;
 * formats of lists and masks: cpuset(7).
 */
#ifndef CMWQ_CPUMASK_H
#define CMWQ_CPUMASK_H

#ifndef CMWQ_NO_CPUMASK

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef CMWQ_API /* also in <cmwq/workqueue.h> */
#define CMWQ_API(name) __asm__("cmwq_" #name)
#endif

#define CMWQ_NR_CPUS 8192
#ifndef NR_CPUS
#define NR_CPUS CMWQ_NR_CPUS
#endif

#define CMWQ_BITS_PER_LONG (sizeof(unsigned long) * CHAR_BIT)

struct cpumask {
	unsigned long bits[CMWQ_NR_CPUS / CMWQ_BITS_PER_LONG];
};

typedef struct cpumask cpumask_t;
typedef struct cpumask *cpumask_var_t;

/* The CPU numbers are less than this; constant from before main() on. */
extern unsigned int nr_cpu_ids CMWQ_API(nr_cpu_ids);

extern const struct cpumask *cpu_possible_mask CMWQ_API(cpu_possible_mask);
extern const struct cpumask *cpu_online_mask CMWQ_API(cpu_online_mask);

/*
 * Memory for a mask; zalloc_ also empties it. False, with *mask NULL, if there
 * is none; and for NULL. @gfp stands where the kernel takes its flags, and means
 * nothing. free_cpumask_var(NULL) does nothing.
 */
bool alloc_cpumask_var(cpumask_var_t *mask, unsigned int gfp)
	CMWQ_API(alloc_cpumask_var);
bool zalloc_cpumask_var(cpumask_var_t *mask, unsigned int gfp)
	CMWQ_API(zalloc_cpumask_var);
void free_cpumask_var(cpumask_var_t mask) CMWQ_API(free_cpumask_var);

/* The mask of one CPU, for reading; it need not be freed. NULL if there is no
 * such CPU. */
const struct cpumask *cpumask_of(unsigned int cpu) CMWQ_API(cpumask_of);

/*
 * Read a list of CPUs like "0-3,8,10-63:2/8": numbers, ranges, of a range the
 * first 2 of every 8; "N" is the last CPU, "all" is all of them; the empty list
 * is the empty mask. Or a mask in hexadecimal as in /proc/interrupts: words of
 * up to eight digits separated by commas, the highest first.
 *
 * Return 0, -EINVAL if the text is neither, or for NULL, -ERANGE (list) or -EOVERFLOW
 * (hexadecimal) if it names CPUs from nr_cpu_ids on. After an error the mask is
 * as before. Blanks around the text do not matter.
 */
int cpulist_parse(const char *text, struct cpumask *mask)
	CMWQ_API(cpulist_parse);
int cpumask_parse(const char *text, struct cpumask *mask)
	CMWQ_API(cpumask_parse);

/*
 * Write a mask as a list, or in hexadecimal as printk's %*pb does: for 36 CPUs
 * "f,ffffffff". At most @len bytes with the terminating NUL, which is there
 * unless @len is 0. Return the number of characters written without it; for a NULL
 * buffer or mask that is 0.
 */
int cpulist_scnprintf(char *buf, size_t len, const struct cpumask *mask)
	CMWQ_API(cpulist_scnprintf);
int cpumask_scnprintf(char *buf, size_t len, const struct cpumask *mask)
	CMWQ_API(cpumask_scnprintf);

/* --- words: private --- */

static inline unsigned int cmwq_cpumask_words(void)
{
	return (unsigned int)((nr_cpu_ids + CMWQ_BITS_PER_LONG - 1) /
			      CMWQ_BITS_PER_LONG);
}

static inline unsigned int cmwq_cpumask_index(unsigned int cpu)
{
	return (unsigned int)(cpu / CMWQ_BITS_PER_LONG);
}

static inline unsigned long cmwq_cpumask_bit(unsigned int cpu)
{
	return 1UL << (cpu % CMWQ_BITS_PER_LONG);
}

/* The bits of a word that stand for CPUs. */
static inline unsigned long cmwq_cpumask_valid(unsigned int word)
{
	unsigned int rest = (unsigned int)(nr_cpu_ids % CMWQ_BITS_PER_LONG);

	if (word + 1 < cmwq_cpumask_words() || !rest)
		return ~0UL;
	return (1UL << rest) - 1;
}

/* Atomic, since the library changes cpu_online_mask while programs read it. */
static inline unsigned long cmwq_cpumask_bits(const struct cpumask *mask,
					      unsigned int word)
{
	return __atomic_load_n(&mask->bits[word], __ATOMIC_RELAXED);
}

static inline unsigned long cmwq_cpumask_word(const struct cpumask *mask,
					      unsigned int word)
{
	return cmwq_cpumask_bits(mask, word) & cmwq_cpumask_valid(word);
}

/* --- one CPU --- */

static inline bool cpumask_test_cpu(int cpu, const struct cpumask *mask)
{
	unsigned int c = (unsigned int)cpu;

	return c < nr_cpu_ids &&
	       (__atomic_load_n(&mask->bits[cmwq_cpumask_index(c)],
				__ATOMIC_RELAXED) &
		cmwq_cpumask_bit(c));
}

static inline void cpumask_set_cpu(unsigned int cpu, struct cpumask *mask)
{
	if (cpu < nr_cpu_ids)
		__atomic_fetch_or(&mask->bits[cmwq_cpumask_index(cpu)],
				  cmwq_cpumask_bit(cpu), __ATOMIC_RELAXED);
}

static inline void cpumask_clear_cpu(int cpu, struct cpumask *mask)
{
	unsigned int c = (unsigned int)cpu;

	if (c < nr_cpu_ids)
		__atomic_fetch_and(&mask->bits[cmwq_cpumask_index(c)],
				   ~cmwq_cpumask_bit(c), __ATOMIC_RELAXED);
}

/* They return whether the CPU was in the mask before. */
static inline bool cpumask_test_and_set_cpu(int cpu, struct cpumask *mask)
{
	unsigned int c = (unsigned int)cpu;

	return c < nr_cpu_ids &&
	       (__atomic_fetch_or(&mask->bits[cmwq_cpumask_index(c)],
				  cmwq_cpumask_bit(c), __ATOMIC_SEQ_CST) &
		cmwq_cpumask_bit(c));
}

static inline bool cpumask_test_and_clear_cpu(int cpu, struct cpumask *mask)
{
	unsigned int c = (unsigned int)cpu;

	return c < nr_cpu_ids &&
	       (__atomic_fetch_and(&mask->bits[cmwq_cpumask_index(c)],
				   ~cmwq_cpumask_bit(c), __ATOMIC_SEQ_CST) &
		cmwq_cpumask_bit(c));
}

/* --- whole masks; @dst may be one of the operands --- */

/* Bytes of an allocated mask. */
static inline unsigned int cpumask_size(void)
{
	return (unsigned int)(cmwq_cpumask_words() * sizeof(unsigned long));
}

static inline unsigned long *cpumask_bits(struct cpumask *mask)
{
	return mask->bits;
}

static inline void cpumask_setall(struct cpumask *dst)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] = cmwq_cpumask_valid(i);
}

static inline void cpumask_clear(struct cpumask *dst)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] = 0;
}

static inline void cpumask_copy(struct cpumask *dst, const struct cpumask *src)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] = cmwq_cpumask_word(src, i);
}

/* cpumask_and() and cpumask_andnot() return whether anything is left. */
static inline bool cpumask_and(struct cpumask *dst, const struct cpumask *a,
			       const struct cpumask *b)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		any |= dst->bits[i] =
			cmwq_cpumask_word(a, i) & cmwq_cpumask_bits(b, i);
	return any != 0;
}

static inline bool cpumask_andnot(struct cpumask *dst, const struct cpumask *a,
				  const struct cpumask *b)
{
	unsigned long any = 0;

	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		any |= dst->bits[i] =
			cmwq_cpumask_word(a, i) & ~cmwq_cpumask_bits(b, i);
	return any != 0;
}

static inline void cpumask_or(struct cpumask *dst, const struct cpumask *a,
			      const struct cpumask *b)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] =
			cmwq_cpumask_word(a, i) | cmwq_cpumask_word(b, i);
}

static inline void cpumask_xor(struct cpumask *dst, const struct cpumask *a,
			       const struct cpumask *b)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] =
			cmwq_cpumask_word(a, i) ^ cmwq_cpumask_word(b, i);
}

static inline void cpumask_complement(struct cpumask *dst,
				      const struct cpumask *src)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		dst->bits[i] =
			~cmwq_cpumask_bits(src, i) & cmwq_cpumask_valid(i);
}

static inline bool cpumask_equal(const struct cpumask *a,
				 const struct cpumask *b)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cmwq_cpumask_word(a, i) != cmwq_cpumask_word(b, i))
			return false;
	return true;
}

/* Whether all CPUs of @a are in @b. */
static inline bool cpumask_subset(const struct cpumask *a,
				  const struct cpumask *b)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cmwq_cpumask_word(a, i) & ~cmwq_cpumask_bits(b, i))
			return false;
	return true;
}

static inline bool cpumask_intersects(const struct cpumask *a,
				      const struct cpumask *b)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cmwq_cpumask_word(a, i) & cmwq_cpumask_bits(b, i))
			return true;
	return false;
}

static inline bool cpumask_empty(const struct cpumask *mask)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cmwq_cpumask_word(mask, i))
			return false;
	return true;
}

static inline bool cpumask_full(const struct cpumask *mask)
{
	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		if (cmwq_cpumask_word(mask, i) != cmwq_cpumask_valid(i))
			return false;
	return true;
}

static inline unsigned int cpumask_weight(const struct cpumask *mask)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < cmwq_cpumask_words(); i++)
		n += (unsigned int)__builtin_popcountl(
			cmwq_cpumask_word(mask, i));
	return n;
}

/* --- searching: nr_cpu_ids or more means that there is none --- */

/* The first CPU from @from on that is in both masks. Private. */
static inline unsigned int cmwq_cpumask_find(unsigned int from,
					     const struct cpumask *a,
					     const struct cpumask *b)
{
	unsigned int i = cmwq_cpumask_index(from);
	unsigned long word, skip = cmwq_cpumask_bit(from) - 1;

	for (; i < cmwq_cpumask_words(); i++, skip = 0) {
		word = cmwq_cpumask_word(a, i) & cmwq_cpumask_bits(b, i) &
		       ~skip;
		if (word)
			return (unsigned int)(i * CMWQ_BITS_PER_LONG) +
			       (unsigned int)__builtin_ctzl(word);
	}
	return nr_cpu_ids;
}

static inline unsigned int cpumask_first(const struct cpumask *mask)
{
	return cmwq_cpumask_find(0, mask, mask);
}

static inline unsigned int cpumask_first_and(const struct cpumask *a,
					     const struct cpumask *b)
{
	return cmwq_cpumask_find(0, a, b);
}

/* The next CPU after @n; -1 gives the first one. */
static inline unsigned int cpumask_next(int n, const struct cpumask *mask)
{
	return cmwq_cpumask_find((unsigned int)(n + 1), mask, mask);
}

static inline unsigned int cpumask_next_and(int n, const struct cpumask *a,
					    const struct cpumask *b)
{
	return cmwq_cpumask_find((unsigned int)(n + 1), a, b);
}

static inline unsigned int cpumask_last(const struct cpumask *mask)
{
	for (unsigned int i = cmwq_cpumask_words(); i-- > 0;) {
		unsigned long word = cmwq_cpumask_word(mask, i);

		if (word)
			return (unsigned int)((i + 1) * CMWQ_BITS_PER_LONG) -
			       1 - (unsigned int)__builtin_clzl(word);
	}
	return nr_cpu_ids;
}

#define cpumask_any(mask)     cpumask_first(mask)
#define cpumask_any_and(a, b) cpumask_first_and(a, b)

/* @cpu is an integer variable; nr_cpu_ids or more after the last one. */
#define for_each_cpu(cpu, mask)                                             \
	for ((cpu) = cpumask_first(mask); (unsigned int)(cpu) < nr_cpu_ids; \
	     (cpu) = cpumask_next((int)(cpu), (mask)))
#define for_each_cpu_and(cpu, a, b)               \
	for ((cpu) = cpumask_first_and((a), (b)); \
	     (unsigned int)(cpu) < nr_cpu_ids;    \
	     (cpu) = cpumask_next_and((int)(cpu), (a), (b)))
#define for_each_possible_cpu(cpu) for_each_cpu (cpu, cpu_possible_mask)
#define for_each_online_cpu(cpu)   for_each_cpu (cpu, cpu_online_mask)

static inline bool cpu_possible(unsigned int cpu)
{
	return cpumask_test_cpu((int)cpu, cpu_possible_mask);
}

static inline bool cpu_online(unsigned int cpu)
{
	return cpumask_test_cpu((int)cpu, cpu_online_mask);
}

static inline unsigned int num_possible_cpus(void)
{
	return cpumask_weight(cpu_possible_mask);
}

static inline unsigned int num_online_cpus(void)
{
	return cpumask_weight(cpu_online_mask);
}

#ifdef __cplusplus
}
#endif
#endif /* CMWQ_NO_CPUMASK */
#endif
