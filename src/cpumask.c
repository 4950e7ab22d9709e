/* SPDX-License-Identifier: MIT */
/*
 * cpumask - sets of CPUs: the masks of this process, and their text forms.
 *
 * Masks are as large as nr_cpu_ids needs, rounded up to words; that number and
 * the possible CPUs never change after cpumask_init(). Nothing here locks: who
 * shares a mask that changes, locks it.
 */
#include "cpumask.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmwq/workqueue.h>

#include "life.h"
#include "os.h"

#define BITS ((unsigned int)CMWQ_BITS_PER_LONG)

unsigned int nr_cpu_ids;
const struct cpumask *cpu_possible_mask;
const struct cpumask *cpu_online_mask;
struct cpumask *cpumask_online;

/*
 * Masks of one CPU each, overlaid: for each bit of a word a row of zeros with that
 * bit in the middle word. A mask begins in its row as many words before the middle
 * as the CPU's own word is after the mask's beginning.
 */
static unsigned long *single;

struct cpumask *cpumask_new(void)
{
	return calloc(cmwq_cpumask_words(), sizeof(unsigned long));
}

static int make_single(void)
{
	size_t words = cmwq_cpumask_words();

	single = calloc(BITS * (2 * words - 1), sizeof(*single));
	if (!single)
		return -ENOMEM;
	for (unsigned int bit = 0; bit < BITS; bit++)
		single[bit * (2 * words - 1) + words - 1] = 1UL << bit;
	return 0;
}

const struct cpumask *cpumask_of(unsigned int cpu)
{
	size_t words = cmwq_cpumask_words();

	if (cpu >= nr_cpu_ids)
		return NULL;
	return (const struct cpumask *)(single + cpu % BITS * (2 * words - 1) +
					(words - 1) - cpu / BITS);
}

int cpumask_init(void)
{
	struct cpumask *possible;

	nr_cpu_ids = (unsigned int)os_nr_cpus();
	possible = cpumask_new();
	cpumask_online = cpumask_new();
	if (!possible || !cpumask_online || make_single())
		return -ENOMEM;
	cpumask_setall(possible);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++)
		if (os_cpu_allowed((int)cpu))
			cpumask_set_cpu(cpu, cpumask_online);
	cpu_possible_mask = possible;
	cpu_online_mask = cpumask_online;
	return 0;
}

/* Other constructors may come before ours, which asks for the number of CPUs. */
bool zalloc_cpumask_var(cpumask_var_t *mask, unsigned int gfp)
{
	(void)gfp;
	life_check_early();
	if (!mask)
		return false;
	*mask = cpumask_new();
	return *mask;
}

bool alloc_cpumask_var(cpumask_var_t *mask, unsigned int gfp)
{
	return zalloc_cpumask_var(mask, gfp);
}

void free_cpumask_var(cpumask_var_t mask)
{
	free(mask);
}

/* --- reading --- */

static const char *skip_blanks(const char *p)
{
	while (isspace((unsigned char)*p))
		p++;
	return p;
}

/* A CPU number or "N"; 0, -EINVAL or -ERANGE. */
static int parse_cpu(const char **text, unsigned int *cpu)
{
	const char *p = *text;
	unsigned long n = 0;

	if (*p == 'N') {
		*cpu = nr_cpu_ids - 1;
		*text = p + 1;
		return 0;
	}
	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (n < CMWQ_NR_CPUS)
			n = n * 10 + (unsigned long)(*p - '0');
	*text = p;
	*cpu = (unsigned int)n;
	return n < nr_cpu_ids ? 0 : -ERANGE;
}

/* The ":used/group" after a range; without one the range is its own group. */
static int parse_group(const char **text, unsigned int *used,
		       unsigned int *group)
{
	unsigned long n[2];
	char *end;

	if (**text != ':')
		return 0;
	for (int i = 0; i < 2; i++) {
		if (!isdigit((unsigned char)(*text)[1]))
			return -EINVAL;
		n[i] = strtoul(*text + 1, &end, 10);
		if (n[i] > CMWQ_NR_CPUS)
			return -ERANGE;
		if (i == 0 && *end != '/')
			return -EINVAL;
		*text = end;
	}
	*used = (unsigned int)n[0];
	*group = (unsigned int)n[1];
	return *group && *used <= *group ? 0 : -EINVAL;
}

/* "5", "0-7", "0-7:1/2", "all" into the mask. */
static int parse_range(const char **text, struct cpumask *mask)
{
	unsigned int first = 0, last = nr_cpu_ids - 1;
	unsigned int used, group;
	int err = 0;

	if (!strncmp(*text, "all", 3)) {
		*text += 3;
	} else {
		err = parse_cpu(text, &first);
		last = first;
		if (!err && **text == '-') {
			++*text;
			err = parse_cpu(text, &last);
		}
	}
	used = group = last - first + 1;
	if (!err && last < first)
		err = -EINVAL;
	if (!err)
		err = parse_group(text, &used, &group);
	if (err)
		return err;
	for (unsigned int cpu = first; cpu <= last; cpu++)
		if ((cpu - first) % group < used)
			cpumask_set_cpu(cpu, mask);
	return 0;
}

int cpulist_parse(const char *text, struct cpumask *mask)
{
	struct cpumask found;
	int err;

	if (!text || !mask)
		return -EINVAL;
	cpumask_clear(&found);
	text = skip_blanks(text);
	while (*text) {
		err = parse_range(&text, &found);
		if (err)
			return err;
		text = skip_blanks(text);
		if (!*text)
			break;
		if (*text != ',')
			return -EINVAL;
		/* A trailing comma is none of a user's worries, as in the
		 * kernel. */
		text = skip_blanks(text + 1);
	}
	cpumask_copy(mask, &found);
	return 0;
}

/* One hexadecimal word of at most eight digits; its number of digits. */
static int parse_word(const char *p, unsigned long *word)
{
	int n;

	*word = 0;
	for (n = 0; isxdigit((unsigned char)p[n]); n++) {
		int c = tolower((unsigned char)p[n]);

		*word = *word << 4 |
			(unsigned long)(c <= '9' ? c - '0' : c - 'a' + 10);
		if (n >= 8)
			return 0;
	}
	return n;
}

static int set_word(struct cpumask *mask, unsigned int from, unsigned long word)
{
	for (unsigned int bit = 0; bit < 32; bit++) {
		if (!(word >> bit & 1))
			continue;
		if (from + bit >= nr_cpu_ids)
			return -EOVERFLOW;
		cpumask_set_cpu(from + bit, mask);
	}
	return 0;
}

int cpumask_parse(const char *text, struct cpumask *mask)
{
	struct cpumask found;
	const char *p;
	unsigned int words = 1;
	unsigned long word;
	int n, err;

	if (!text || !mask)
		return -EINVAL;
	cpumask_clear(&found);
	text = skip_blanks(text);
	for (p = text; *p; p++)
		words += *p == ',';
	for (p = text; words-- > 0; p += n + 1) {
		n = parse_word(p, &word);
		if (!n || (words ? p[n] != ',' : *skip_blanks(p + n)))
			return -EINVAL;
		/* Words of zeros may go on to the left for ever. */
		err = word ? set_word(&found,
				      words < CMWQ_NR_CPUS ? words * 32
							   : CMWQ_NR_CPUS,
				      word)
			   : 0;
		if (err)
			return err;
	}
	cpumask_copy(mask, &found);
	return 0;
}

/* --- writing --- */

/* What fits into a buffer, always with its NUL. */
struct out {
	char *buf;
	size_t len, used;
};

static void __attribute__((format(printf, 2, 3)))
out(struct out *o, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->used, o->len - o->used, fmt, ap);
	va_end(ap);
	o->used += (size_t)n;
	if (o->used >= o->len)
		o->used = o->len - 1;
}

static unsigned int end_of_range(unsigned int cpu, const struct cpumask *mask)
{
	while (cpumask_test_cpu((int)cpu + 1, mask))
		cpu++;
	return cpu;
}

int cpulist_scnprintf(char *buf, size_t len, const struct cpumask *mask)
{
	struct out o = { buf, len, 0 };
	const char *comma = "";
	unsigned int cpu, last;

	if (!len || !buf)
		return 0;
	buf[0] = '\0';
	if (!mask)
		return 0;
	for (cpu = cpumask_first(mask); cpu < nr_cpu_ids;
	     cpu = cpumask_next((int)last, mask)) {
		last = end_of_range(cpu, mask);
		if (last > cpu)
			out(&o, "%s%u-%u", comma, cpu, last);
		else
			out(&o, "%s%u", comma, cpu);
		comma = ",";
	}
	return (int)o.used;
}

int cpumask_scnprintf(char *buf, size_t len, const struct cpumask *mask)
{
	struct out o = { buf, len, 0 };
	unsigned int words = (nr_cpu_ids + 31) / 32;
	unsigned int bits = nr_cpu_ids - (words - 1) * 32;

	if (!len || !buf)
		return 0;
	buf[0] = '\0';
	if (!mask)
		return 0;
	while (words-- > 0) {
		unsigned long word = 0;

		for (unsigned int bit = 0; bit < bits; bit++)
			if (cpumask_test_cpu((int)(words * 32 + bit), mask))
				word |= 1UL << bit;
		out(&o, "%0*lx%s", (int)(bits + 3) / 4, word, words ? "," : "");
		bits = 32;
	}
	return (int)o.used;
}
