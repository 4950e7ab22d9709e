/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of list.h: order, ends, and that a link taken off is whole.
 *
 * rooms:
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "list.h"

struct node {
	char before[24]; /* so that no member has the address of its node */
	struct list link;
	char name;
};

static struct list head;
static struct node node[4];

static int setup(void **state)
{
	(void)state;
	list_init(&head);
	for (int i = 0; i < 4; i++) {
		list_init(&node[i].link);
		node[i].name = (char)('a' + i);
	}
	return 0;
}

/* The list forwards, and the same from behind. */
static void assert_list(const char *expected)
{
	char forwards[8] = "", backwards[8] = "", reversed[8] = "";
	size_t n = strlen(expected);
	struct node *pos;
	size_t len = 0;

	list_for_each_entry (pos, &head, link) {
		assert_true(len < sizeof(forwards) - 1);
		forwards[len++] = pos->name;
	}
	len = 0;
	for (struct list *l = head.prev; l != &head; l = l->prev) {
		assert_true(len < sizeof(backwards) - 1);
		backwards[len++] = list_entry(l, struct node, link)->name;
	}
	for (size_t i = 0; i < n; i++)
		reversed[i] = expected[n - 1 - i];
	assert_string_equal(forwards, expected);
	assert_string_equal(backwards, reversed);
	assert_int_equal(list_empty(&head), !n);
}

static void test_empty(void **state)
{
	(void)state;
	assert_list("");
	assert_true(list_empty(&node[0].link));
}

static void test_add_puts_in_front(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		list_add(&node[i].link, &head);
	assert_list("dcba");
	assert_ptr_equal(list_first(&head, struct node, link), &node[3]);
}

static void test_add_tail_puts_behind(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		list_add_tail(&node[i].link, &head);
	assert_list("abcd");
	assert_ptr_equal(list_first(&head, struct node, link), &node[0]);
}

static void test_insert_between(void **state)
{
	(void)state;
	list_add_tail(&node[0].link, &head);
	list_add_tail(&node[2].link, &head);
	list_insert(&node[1].link, &node[0].link, &node[2].link);
	assert_list("abc");
}

/* First, middle, last, only one; what is off points to itself. */
static void test_del(void **state)
{
	static const struct {
		int which;
		const char *left;
	} step[] = { { 1, "acd" }, { 0, "cd" }, { 3, "c" }, { 2, "" } };

	(void)state;
	for (int i = 0; i < 4; i++)
		list_add_tail(&node[i].link, &head);
	for (int i = 0; i < 4; i++) {
		struct list *l = &node[step[i].which].link;

		list_del(l);
		assert_list(step[i].left);
		assert_true(list_empty(l));
		assert_ptr_equal(l->next, l);
		assert_ptr_equal(l->prev, l);
	}
}

static void test_del_twice_harms_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		list_add_tail(&node[i].link, &head);
	list_del(&node[1].link);
	list_del(&node[1].link);
	assert_list("ac");
}

static void test_move_tail(void **state)
{
	struct list other;

	(void)state;
	list_init(&other);
	for (int i = 0; i < 3; i++)
		list_add_tail(&node[i].link, &head);
	list_move_tail(&node[0].link, &head);
	assert_list("bca");
	list_move_tail(&node[0].link, &head);
	assert_list("bca");
	list_move_tail(&node[2].link, &other);
	assert_list("ba");
	assert_ptr_equal(other.next, &node[2].link);
	assert_ptr_equal(other.prev, &node[2].link);
	assert_ptr_equal(node[2].link.next, &other);
}

/* Every entry is visited although each leaves in its turn. */
static void test_safe_loop(void **state)
{
	struct node *pos;
	char seen[8] = "";
	int n = 0;

	(void)state;
	for (int i = 0; i < 4; i++)
		list_add_tail(&node[i].link, &head);
	list_for_each_entry_safe (pos, &head, link) {
		seen[n++] = pos->name;
		list_del(&pos->link);
		memset(&pos->link, 0, sizeof(pos->link));
	}
	assert_string_equal(seen, "abcd");
	assert_list("");
}

/* A loop that did not stop early leaves the last entry, never the head. */
static void test_loops_over_nothing(void **state)
{
	struct node *pos = NULL;
	int n = 0;

	(void)state;
	list_for_each_entry (pos, &head, link)
		n++;
	list_for_each_entry_safe (pos, &head, link)
		n++;
	assert_int_equal(n, 0);
	assert_null(pos);
}

static void test_container_of(void **state)
{
	(void)state;
	assert_ptr_equal(container_of(&node[2].link, struct node, link),
			 &node[2]);
	assert_ptr_equal(container_of(&node[2].name, struct node, name),
			 &node[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, setup),
		cmocka_unit_test_setup(test_add_puts_in_front, setup),
		cmocka_unit_test_setup(test_add_tail_puts_behind, setup),
		cmocka_unit_test_setup(test_insert_between, setup),
		cmocka_unit_test_setup(test_del, setup),
		cmocka_unit_test_setup(test_del_twice_harms_nobody, setup),
		cmocka_unit_test_setup(test_move_tail, setup),
		cmocka_unit_test_setup(test_safe_loop, setup),
		cmocka_unit_test_setup(test_loops_over_nothing, setup),
		cmocka_unit_test_setup(test_container_of, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
