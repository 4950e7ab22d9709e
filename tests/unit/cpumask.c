/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of <cmwq/cpumask.h>, inline or not, against sets kept as arrays of
 * bool; on machines of several sizes, also such as do not fill a word.
 *
 * rooms: life lock log
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unit/cpus.h"
#include "unit/fake_os.h"

static const int sizes[] = {
	1, 4, 31, 32, 33, 63, 64, 65, 127, 128, 200, 8192
};
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void with_cpus(int nr)
{
	forget_cpus();
	fake_reset();
	os_pretend_cpus(nr);
	assert_int_equal(cpumask_init(), 0);
	assert_int_equal(nr_cpu_ids, nr);
}

struct set {
	bool in[CMWQ_NR_CPUS];
	struct cpumask *mask; /* no larger than it must be */
};

static void set_new(struct set *s)
{
	memset(s->in, 0, sizeof(s->in));
	assert_true(zalloc_cpumask_var(&s->mask, 0));
}

/* Few CPUs, many, none or all of them. */
static void set_fill(struct set *s)
{
	uint64_t kind = fake_below(5);

	cpumask_clear(s->mask);
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		s->in[cpu] = kind == 4 || (kind && fake_below(4) < kind);
		if (s->in[cpu])
			cpumask_set_cpu(cpu, s->mask);
	}
}

static void assert_is(const struct set *s)
{
	unsigned int weight = 0, first = nr_cpu_ids, last = nr_cpu_ids, cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		assert_int_equal(cpumask_test_cpu((int)cpu, s->mask),
				 s->in[cpu]);
		if (!s->in[cpu])
			continue;
		if (!weight++)
			first = cpu;
		last = cpu;
	}
	assert_int_equal(cpumask_weight(s->mask), weight);
	assert_int_equal(cpumask_first(s->mask), first);
	assert_int_equal(cpumask_any(s->mask), first);
	assert_int_equal(cpumask_last(s->mask), last);
	assert_int_equal(cpumask_empty(s->mask), !weight);
	assert_int_equal(cpumask_full(s->mask), weight == nr_cpu_ids);
	for_each_cpu (cpu, s->mask) {
		assert_true(s->in[cpu]);
		weight--;
	}
	assert_int_equal(weight, 0);
}

static void assert_text(const struct set *s)
{
	static char buf[65536];
	struct cpumask *copy = cpumask_new();
	int n;

	n = cpulist_scnprintf(buf, sizeof(buf), s->mask);
	assert_int_equal(n, strlen(buf));
	assert_int_equal(cpulist_parse(buf, copy), 0);
	assert_true(cpumask_equal(copy, s->mask));
	cpumask_setall(copy);
	n = cpumask_scnprintf(buf, sizeof(buf), s->mask);
	assert_int_equal(n, strlen(buf));
	assert_int_equal(n, (nr_cpu_ids + 3) / 4 + (nr_cpu_ids - 1) / 32);
	assert_int_equal(cpumask_parse(buf, copy), 0);
	assert_true(cpumask_equal(copy, s->mask));
	free_cpumask_var(copy);
}

enum op {
	AND,
	ANDNOT,
	OR,
	XOR,
	COMPLEMENT,
	COPY,
	NR_OPS
};

/* The result also where it replaces an operand. */
static void assert_op(enum op op, struct set *d, struct set *a, struct set *b)
{
	bool any = false, said = false;

	switch (op) {
	case AND:
		said = cpumask_and(d->mask, a->mask, b->mask);
		break;
	case ANDNOT:
		said = cpumask_andnot(d->mask, a->mask, b->mask);
		break;
	case OR:
		cpumask_or(d->mask, a->mask, b->mask);
		break;
	case XOR:
		cpumask_xor(d->mask, a->mask, b->mask);
		break;
	case COMPLEMENT:
		cpumask_complement(d->mask, a->mask);
		break;
	default:
		cpumask_copy(d->mask, a->mask);
		break;
	}
	for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
		bool x = a->in[cpu], y = b->in[cpu];

		d->in[cpu] = op == AND		? x && y
			     : op == ANDNOT	? x && !y
			     : op == OR		? x || y
			     : op == XOR	? x != y
			     : op == COMPLEMENT ? !x
						: x;
		any |= d->in[cpu];
	}
	if (op == AND || op == ANDNOT)
		assert_int_equal(said, any);
	assert_is(d);
}

static void assert_relations(struct set *a, struct set *b)
{
	bool equal = true, subset = true, meet = false;
	unsigned int both = 0, cpu;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		equal &= a->in[cpu] == b->in[cpu];
		subset &= !a->in[cpu] || b->in[cpu];
		meet |= a->in[cpu] && b->in[cpu];
		both += a->in[cpu] && b->in[cpu];
	}
	assert_int_equal(cpumask_equal(a->mask, b->mask), equal);
	assert_int_equal(cpumask_subset(a->mask, b->mask), subset);
	assert_int_equal(cpumask_intersects(a->mask, b->mask), meet);
	cpu = cpumask_any_and(a->mask, b->mask);
	assert_int_equal(cpu < nr_cpu_ids, meet);
	for_each_cpu_and (cpu, a->mask, b->mask) {
		assert_true(a->in[cpu] && b->in[cpu]);
		both--;
	}
	assert_int_equal(both, 0);
}

static void test_against_arrays(void **state)
{
	static struct set a, b, d;

	(void)state;
	for (size_t i = 0; i < NR_SIZES; i++) {
		with_cpus(sizes[i]);
		set_new(&a);
		set_new(&b);
		set_new(&d);
		for (int round = 0; round < 12; round++) {
			set_fill(&a);
			set_fill(&b);
			assert_is(&a);
			assert_text(&a);
			assert_relations(&a, &b);
			assert_op(round % NR_OPS, &d, &a, &b);
			assert_op(round % NR_OPS, &b, &a, &b);
			assert_relations(&a, &b);
		}
		free_cpumask_var(a.mask);
		free_cpumask_var(b.mask);
		free_cpumask_var(d.mask);
	}
}

static void test_one_cpu(void **state)
{
	static struct set s;

	(void)state;
	for (size_t i = 0; i < NR_SIZES; i++) {
		int last = sizes[i] - 1;

		with_cpus(sizes[i]);
		set_new(&s);
		assert_false(cpumask_test_and_set_cpu(last, s.mask));
		assert_true(cpumask_test_and_set_cpu(last, s.mask));
		s.in[last] = true;
		assert_is(&s);
		assert_true(
			cpumask_equal(s.mask, cpumask_of((unsigned int)last)));
		assert_true(cpumask_test_and_clear_cpu(last, s.mask));
		assert_false(cpumask_test_and_clear_cpu(last, s.mask));
		/* What is no CPU does nothing. */
		cpumask_set_cpu(nr_cpu_ids, s.mask);
		cpumask_set_cpu((unsigned int)-1, s.mask);
		cpumask_clear_cpu(-1, s.mask);
		assert_false(cpumask_test_and_set_cpu(sizes[i], s.mask));
		assert_false(cpumask_test_and_clear_cpu(-1, s.mask));
		assert_false(cpumask_test_cpu(-1, s.mask));
		assert_false(cpumask_test_cpu(sizes[i], cpu_possible_mask));
		s.in[last] = false;
		assert_is(&s);
		for (unsigned int cpu = 0; cpu < nr_cpu_ids; cpu++) {
			assert_int_equal(cpumask_weight(cpumask_of(cpu)), 1);
			assert_int_equal(cpumask_first(cpumask_of(cpu)), cpu);
		}
		assert_null(cpumask_of(nr_cpu_ids));
		free_cpumask_var(s.mask);
	}
}

/* Bits beyond the last CPU, as a program may leave them, are no CPUs. */
static void test_stray_bits(void **state)
{
	struct cpumask stray, none;

	(void)state;
	with_cpus(5);
	memset(&stray, 0xff, sizeof(stray));
	cpumask_clear(&none);
	assert_int_equal(cpumask_weight(&stray), 5);
	assert_int_equal(cpumask_last(&stray), 4);
	assert_true(cpumask_full(&stray));
	assert_true(cpumask_equal(&stray, cpu_possible_mask));
	assert_true(cpumask_subset(&stray, cpu_possible_mask));
	cpumask_clear(&stray);
	stray.bits[0] = 1UL << 5;
	assert_true(cpumask_empty(&stray));
	assert_true(cpumask_equal(&stray, &none));
	assert_false(cpumask_intersects(&stray, &stray));
	assert_int_equal(cpumask_next(-1, &stray), 5);
}

static void test_process_masks(void **state)
{
	unsigned int cpu, n = 0;

	(void)state;
	forget_cpus();
	fake_reset();
	fake_set_cpus(6, 0x2a);
	assert_int_equal(cpumask_init(), 0);
	assert_int_equal(num_possible_cpus(), 6);
	assert_int_equal(num_online_cpus(), 3);
	assert_true(cpu_possible(0));
	assert_false(cpu_online(0));
	assert_true(cpu_online(5));
	assert_false(cpu_possible(6));
	for_each_online_cpu(cpu) n = n * 10 + cpu;
	assert_int_equal(n, 135);
	assert_int_equal(cpumask_size(), sizeof(long));
	with_cpus(65);
	assert_int_equal(cpumask_size(), 2 * sizeof(long));
	for_each_possible_cpu(cpu);
	assert_int_equal(cpu, 65);
}

struct text {
	const char *text;
	int err;
	const char *list; /* if err is 0 */
};

static void assert_parsed(int (*parse)(const char *, struct cpumask *),
			  const struct text *t)
{
	struct cpumask *mask = cpumask_new();
	char buf[256];

	cpumask_set_cpu(7, mask);
	assert_int_equal(parse(t->text, mask), t->err);
	cpulist_scnprintf(buf, sizeof(buf), mask);
	assert_string_equal(buf, t->err ? "7" : t->list);
	free_cpumask_var(mask);
}

static void test_lists(void **state)
{
	static const struct text c[] = {
		{ "0", 0, "0" },
		{ "0-3,8-11", 0, "0-3,8-11" },
		{ "3,1,2", 0, "1-3" },
		{ " 5 , 6\n", 0, "5-6" },
		{ "5,", 0, "5" },
		{ "", 0, "" },
		{ "\n", 0, "" },
		{ "0-15:2/8", 0, "0-1,8-9" },
		{ "1-9:1/3,20", 0, "1,4,7,20" },
		{ "all", 0, "0-39" },
		{ "all:1/20", 0, "0,20" },
		{ "N", 0, "39" },
		{ "30-N", 0, "30-39" },
		{ "3-3", 0, "3" },
		{ "39", 0, "39" },
		{ "00007", 0, "7" },
		{ NULL, -EINVAL, NULL },
		{ "40", -ERANGE, NULL },
		{ "1,40", -ERANGE, NULL },
		{ "0-40", -ERANGE, NULL },
		{ "99999999999999999999999", -ERANGE, NULL },
		{ "3-1", -EINVAL, NULL },
		{ "1-", -EINVAL, NULL },
		{ "-1", -EINVAL, NULL },
		{ "a", -EINVAL, NULL },
		{ ",1", -EINVAL, NULL },
		{ "1,,2", -EINVAL, NULL },
		{ "1 2", -EINVAL, NULL },
		{ "0x1", -EINVAL, NULL },
		{ "0-9:", -EINVAL, NULL },
		{ "0-9:1", -EINVAL, NULL },
		{ "0-9:1/", -EINVAL, NULL },
		{ "0-9:0/0", -EINVAL, NULL },
		{ "0-9:3/2", -EINVAL, NULL },
		{ "0-9:9999999/9999999", -ERANGE, NULL },
		{ "0-9:+1/2", -EINVAL, NULL },
		{ "0-9-12", -EINVAL, NULL },
	};

	(void)state;
	with_cpus(40);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_parsed(cpulist_parse, &c[i]);
}

static void test_hexadecimal(void **state)
{
	static const struct text c[] = {
		{ "0", 0, "" },
		{ "f", 0, "0-3" },
		{ "F0", 0, "4-7" },
		{ " 81\n", 0, "0,7" },
		{ "1,00000000", 0, "32" },
		{ "ff,ffffffff", 0, "0-39" },
		{ "1,1", 0, "0,32" },
		{ "0,0,0,000000ff,0", 0, "32-39" },
		{ NULL, -EINVAL, NULL },
		{ "", -EINVAL, NULL },
		{ ",", -EINVAL, NULL },
		{ "1,", -EINVAL, NULL },
		{ ",1", -EINVAL, NULL },
		{ "0x1", -EINVAL, NULL },
		{ "g", -EINVAL, NULL },
		{ "1 1", -EINVAL, NULL },
		{ "123456789", -EINVAL, NULL },
		{ "100,0", -EOVERFLOW, NULL },
		{ "1,0,0", -EOVERFLOW, NULL },
	};
	char many[3000] = "1";

	(void)state;
	with_cpus(40);
	for (size_t i = 0; i < sizeof(c) / sizeof(c[0]); i++)
		assert_parsed(cpumask_parse, &c[i]);
	for (size_t i = 1; i < sizeof(many) - 1; i += 2)
		memcpy(many + i, ",0", 3);
	assert_parsed(cpumask_parse, &(struct text){ many, -EOVERFLOW, NULL });
	many[0] = '0';
	assert_parsed(cpumask_parse, &(struct text){ many, 0, "" });
}

static void test_written(void **state)
{
	struct cpumask *mask;
	char buf[40];

	(void)state;
	with_cpus(36);
	mask = cpumask_new();
	cpumask_setall(mask);
	assert_int_equal(cpumask_scnprintf(buf, sizeof(buf), mask), 10);
	assert_string_equal(buf, "f,ffffffff");
	assert_int_equal(cpulist_scnprintf(buf, sizeof(buf), mask), 4);
	assert_string_equal(buf, "0-35");
	cpumask_clear(mask);
	assert_int_equal(cpumask_scnprintf(buf, sizeof(buf), mask), 10);
	assert_string_equal(buf, "0,00000000");
	assert_int_equal(cpulist_scnprintf(buf, sizeof(buf), mask), 0);
	assert_string_equal(buf, "");
	free_cpumask_var(mask);
}

/* A buffer that is too small holds the beginning, and a NUL. */
static void test_cut(void **state)
{
	struct cpumask *mask;
	char whole[2][80], buf[80];

	(void)state;
	with_cpus(64);
	mask = cpumask_new();
	cpulist_parse("1,3-5,17,33-40,60", mask);
	cpulist_scnprintf(whole[0], 80, mask);
	cpumask_scnprintf(whole[1], 80, mask);
	for (size_t len = 0; len < 30; len++) {
		for (int hex = 0; hex < 2; hex++) {
			size_t fits = strlen(whole[hex]);

			memset(buf, '#', sizeof(buf));
			if (len && fits > len - 1)
				fits = len - 1;
			if (!len)
				fits = 0;
			assert_int_equal(hex ? cpumask_scnprintf(buf, len, mask)
					     : cpulist_scnprintf(buf, len,
								 mask),
					 fits);
			assert_memory_equal(buf, whole[hex], fits);
			assert_int_equal(buf[fits], len ? '\0' : '#');
			assert_int_equal(buf[len], '#');
		}
	}
	free_cpumask_var(mask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_arrays),
		cmocka_unit_test(test_one_cpu),
		cmocka_unit_test(test_stray_bits),
		cmocka_unit_test(test_process_masks),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_hexadecimal),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_cut),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	forget_cpus();
	return failed;
}
