/* SPDX-License-Identifier: MIT */
/*
 * order - the graph of waits: circles of every length, what is one workqueue and
 * what is another, and what happens when it is full.
 *
 * The room is included, so that its memory can be freed between two tests.
 *
 * rooms: lock log symbol
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../src/order.c"
#include "unit/fake_os.h"

#include <cmwq/cmwq.h>

#define QUEUES 24

static struct workqueue_struct wqs[QUEUES];
static char said[16384];
static int lines;

static void note(enum cmwq_log_level level, const char *line, void *arg)
{
	size_t len = strlen(said);

	(void)level;
	(void)arg;
	snprintf(said + len, sizeof(said) - len, "%s\n", line);
	lines++;
}

static void free_graph(void) NO_ANALYSIS
{
	for (int i = 0; i < BUCKETS; i++) {
		struct vertex *v = bucket[i], *next;

		for (; v; v = next) {
			next = v->next;
			cut(v, NULL);
			free(v);
		}
		bucket[i] = NULL;
	}
	nr_vertices = 0;
	assert_int_equal(nr_edges, 0);
}

static int setup(void **state)
{
	static uint64_t id;

	(void)state;
	fake_reset();
	free_graph();
	cmwq_set_log(note, NULL);
	said[0] = '\0';
	lines = 0;
	memset(wqs, 0, sizeof(wqs));
	for (int i = 0; i < QUEUES; i++) {
		snprintf(wqs[i].name, sizeof(wqs[i].name), "q%d", i);
		wqs[i].id = ++id;
	}
	return 0;
}

/* Never called; the addresses count. */
static work_func_t func(uintptr_t n)
{
	return (work_func_t)(0x100000 + 16 * n);
}

/* An item with function @f of a queue waits for another queue. */
static void wait_wq(int q, uintptr_t f, int to)
{
	struct order_queue self, target;

	order_describe(&self, &wqs[q]);
	order_describe(&target, &wqs[to]);
	order_wait(&self, func(f), &target, NULL, (void *)0x77);
}

static void wait_func(int q, uintptr_t f, uintptr_t to)
{
	struct order_queue self;

	order_describe(&self, &wqs[q]);
	order_wait(&self, func(f), NULL, func(to), (void *)0x77);
}

static void test_length(void **state)
{
	(void)state;
	for (int n = 2; n <= QUEUES; n++) {
		setup(NULL);
		for (int i = 0; i + 1 < n; i++)
			wait_wq(i, (uintptr_t)i, i + 1);
		assert_int_equal(lines, 0);
		wait_wq(n - 1, 99, 0);
		assert_int_equal(lines, n > 17 ? 18 : n);
		if (n > 17)
			assert_non_null(strstr(said, "and so on"));
		wait_wq(n - 1, 99, 0);
		assert_int_equal(lines, n > 17 ? 18 : n);
	}
}

/* The shortest circle is shown, in its order. */
static void test_shortest(void **state)
{
	char *first, *second, *third;

	(void)state;
	wait_wq(0, 0, 1);
	wait_wq(1, 1, 2);
	wait_wq(2, 2, 3);
	wait_wq(0, 4, 2);
	assert_int_equal(lines, 0);
	wait_wq(3, 3, 0);
	assert_int_equal(lines, 3);
	first = strstr(said, "queue q3 is about to wait for workqueue q0");
	second = strstr(said, "queue q0 waited for workqueue q2");
	third = strstr(said, "queue q2 waited for workqueue q3");
	assert_true(first && first < second && second < third);
}

/* What is no circle: a function on two queues, diamonds, waits both of whose
 * ends are met again. */
static void test_no_circle(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		wait_wq(0, 0, 1);
		wait_wq(2, 0, 1);
		wait_wq(0, 1, 2);
		wait_func(1, 5, 6);
		wait_func(0, 5, 6);
		wait_func(0, 0, 6);
	}
	assert_int_equal(lines, 0);
}

static void test_function(void **state)
{
	(void)state;
	wait_func(0, 1, 2);
	wait_func(1, 2, 3);
	assert_int_equal(lines, 0);
	wait_func(2, 3, 1);
	assert_int_equal(lines, 3);
	said[0] = '\0';
	wait_func(3, 4, 4);
	assert_int_equal(lines, 4);
	assert_non_null(strstr(said, "of the same kind"));
}

/* A function and a queue are not mixed up, whatever their keys. */
static void test_kinds(void **state)
{
	(void)state;
	wqs[1].lockdep_map = (void *)(uintptr_t)func(1);
	wait_wq(0, 0, 1);
	wait_func(2, 1, 0);
	assert_int_equal(lines, 0);
}

static void test_map(void **state)
{
	static int map;

	(void)state;
	wqs[1].lockdep_map = &map;
	wqs[2].lockdep_map = &map;
	wait_wq(0, 0, 1);
	assert_int_equal(lines, 0);
	wait_wq(2, 1, 0);
	assert_int_equal(lines, 2);
	/* Others share the map still when one of them goes. */
	order_forget(&wqs[1]);
	order_forget(&wqs[2]);
	wqs[3].lockdep_map = &map;
	wait_wq(6, 6, 0);
	wait_wq(3, 5, 6);
	assert_int_equal(lines, 5);
}

static void test_forget(void **state)
{
	(void)state;
	wait_wq(0, 0, 1);
	wait_wq(1, 1, 2);
	order_forget(&wqs[1]);
	order_forget(&wqs[5]); /* nobody knows it */
	wait_wq(2, 2, 0);
	assert_int_equal(lines, 0);
	/* The function is still one that waits for q2. */
	wait_func(2, 3, 1);
	assert_int_equal(lines, 2);
	assert_non_null(
		strstr(said, "of workqueue q1 waited for workqueue q2"));
}

static void test_nameless(void **state)
{
	(void)state;
	wqs[0].name[0] = '\0';
	wait_wq(0, 0, 1);
	wait_wq(1, 1, 0);
	assert_int_equal(lines, 2);
	assert_non_null(strstr(said, "about to wait for workqueue (no name)"));
}

/* A child learns anew. */
static void test_reset(void **state)
{
	struct vertex *before[BUCKETS];
	unsigned int vertices, edges;

	(void)state;
	wait_wq(0, 0, 1);
	memcpy(before, bucket, sizeof(before));
	vertices = nr_vertices;
	edges = nr_edges;
	/* Another thread of the parent had it. */
	atomic_store(&graph_lock.word, LOCK_TAKEN);
	order_reset();
	wait_wq(1, 1, 0);
	assert_int_equal(lines, 0);
	free_graph();
	memcpy(bucket, before, sizeof(before));
	nr_vertices = vertices;
	nr_edges = edges;
	free_graph();
	wait_wq(1, 1, 0);
	wait_wq(0, 0, 1);
	assert_int_equal(lines, 2);
}

/* Full: said once, and what is known still works. */
static void test_full(void **state)
{
	int before;

	(void)state;
	wait_wq(0, 0, 1);
	for (uintptr_t i = 1; i < 20000; i++)
		wait_func(0, i, i + 1);
	assert_int_equal(lines, 1);
	assert_non_null(strstr(said, "no room"));
	before = lines;
	wait_wq(1, 0, 0);
	assert_int_equal(lines, before + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_length, setup),
		cmocka_unit_test_setup(test_shortest, setup),
		cmocka_unit_test_setup(test_no_circle, setup),
		cmocka_unit_test_setup(test_function, setup),
		cmocka_unit_test_setup(test_kinds, setup),
		cmocka_unit_test_setup(test_map, setup),
		cmocka_unit_test_setup(test_forget, setup),
		cmocka_unit_test_setup(test_nameless, setup),
		cmocka_unit_test_setup(test_reset, setup),
		cmocka_unit_test_setup(test_full, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
