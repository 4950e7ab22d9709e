/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of work.h and work.c: the state word, who gets an item that
 * several want, and what a forked child makes of its parent's words.
 *
 * rooms: work
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "unit/fake_os.h"
#include "work.h"

#define GEN   5U
#define OTHER 4U

static struct work_struct item;
static _Alignas(64) char fake_pwq[64];

static struct pwq *pwq(void)
{
	return (struct pwq *)fake_pwq;
}

static void function(struct work_struct *work)
{
	(void)work;
}

static int setup(void **state)
{
	(void)state;
	fake_reset();
	fake_set_generation(GEN);
	INIT_WORK(&item, function);
	return 0;
}

static unsigned long raw(void)
{
	return atomic_load(work_word(&item));
}

static void set_raw(unsigned long word)
{
	atomic_store(work_word(&item), word);
}

static unsigned long idle(uint32_t gen)
{
	return word_gen(gen) | CMWQ_WORK_IDLE;
}

static unsigned long ran_on(uint32_t gen, unsigned int slot)
{
	return word_gen(gen) | (unsigned long)slot << WORD_SLOT_SHIFT;
}

/* --- layout --- */

static void test_pwq_form(void **state)
{
	const uint32_t gen[] = { 0, 1, GEN, WORD_GEN_MASK };
	/* The highest address of a process, and the lowest that is aligned. */
	struct pwq *const p[] = { pwq(), (struct pwq *)0x7fffffffffc0,
				  (struct pwq *)64 };

	(void)state;
	for (int g = 0; g < 4; g++)
		for (int i = 0; i < 3; i++)
			for (unsigned int c = 0; c < WORD_NR_COLOURS; c++) {
				unsigned long w =
					word_for_pwq(p[i], c, gen[g]) |
					WORD_WAITERS | WORD_COLLIDES;

				assert_ptr_equal(word_pwq(w), p[i]);
				assert_int_equal(word_colour(w), c);
				assert_int_equal(w >> WORD_GEN_SHIFT, gen[g]);
				assert_true(w & WORD_PENDING);
				assert_true(w & WORD_PWQ);
			}
}

static void test_idle_form(void **state)
{
	(void)state;
	assert_null(word_pwq(idle(GEN)));
	assert_null(word_pwq(~0UL & ~WORD_PWQ));
	assert_int_equal(word_slot(idle(GEN)), WORD_NO_SLOT);
	assert_int_equal(word_slot(ran_on(GEN, 0)), 0);
	assert_int_equal(word_slot(ran_on(GEN, 0xfffe) | WORD_OFF_MASK),
			 0xfffe);
}

/* No two fields of a form share a bit, and depths do not run into flags. */
static void test_fields_are_apart(void **state)
{
	const unsigned long flags = WORD_PENDING | WORD_PWQ | WORD_WAITERS |
				    WORD_COLLIDES | WORD_LISTED;
	const unsigned long gens = word_gen(WORD_GEN_MASK);

	(void)state;
	assert_int_equal(__builtin_popcountl(flags), 5);
	assert_int_equal(flags & WORD_OFF_MASK, 0);
	assert_int_equal(flags & WORD_PWQ_MASK, 0);
	assert_int_equal(WORD_CANCEL_MASK & WORD_DISABLE_MASK, 0);
	assert_int_equal(WORD_OFF_MASK & WORD_SLOT_MASK, 0);
	assert_int_equal((WORD_OFF_MASK | WORD_SLOT_MASK) & gens, 0);
	assert_int_equal(WORD_CANCEL_ONE & -WORD_CANCEL_MASK, WORD_CANCEL_ONE);
	assert_int_equal(WORD_DISABLE_MASK / WORD_DISABLE_ONE, 65535);
	assert_int_equal(WORD_CANCEL_MASK / WORD_CANCEL_ONE, 1023);
	assert_int_equal(flags | WORD_PWQ_MASK |
				 (WORD_NR_COLOURS - 1UL) << WORD_COLOUR_SHIFT |
				 gens,
			 ~(1UL << 5));
}

/* --- generations --- */

static void test_own_word_means_itself(void **state)
{
	const unsigned long word[] = {
		idle(GEN),
		ran_on(GEN, 3) | WORD_OFF_MASK | WORD_PENDING,
		word_for_pwq(pwq(), 0, GEN) | WORD_COLLIDES,
	};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(word_now(word[i], GEN), word[i]);
}

/* A forked child: owners, queues, cancels and workers are the parent's. What
 * the user disabled is his own doing and stays. */
static void test_word_of_the_parent(void **state)
{
	const unsigned long three = 3 * WORD_DISABLE_ONE;

	(void)state;
	assert_int_equal(word_now(idle(OTHER), GEN), idle(GEN));
	assert_int_equal(word_now(idle(0), GEN), idle(GEN));
	assert_int_equal(word_now(ran_on(OTHER, 7), GEN), idle(GEN));
	assert_int_equal(word_now(idle(OTHER) | WORD_PENDING, GEN), idle(GEN));
	assert_int_equal(word_now(ran_on(OTHER, 7) | three, GEN),
			 idle(GEN) | three);
	assert_int_equal(word_now(ran_on(OTHER, 7) | three | WORD_PENDING |
					  5 * WORD_CANCEL_ONE,
				  GEN),
			 idle(GEN) | three);
	assert_int_equal(word_now(idle(OTHER) | WORD_DISABLE_MASK, GEN),
			 idle(GEN) | WORD_DISABLE_MASK);
	/* Where the pointer's bits are those of the depth. */
	assert_int_equal(
		word_now(word_for_pwq((struct pwq *)0x7fffffffffc0, 0, OTHER) |
				 WORD_COLLIDES,
			 GEN),
		idle(GEN));
}

static bool pending(void)
{
	return work_load(&item) & WORD_PENDING;
}

static void test_load_and_pending(void **state)
{
	(void)state;
	assert_false(pending());
	assert_int_equal(work_load(&item), idle(GEN));
	set_raw(idle(GEN) | WORD_PENDING);
	assert_true(pending());
	set_raw(word_for_pwq(pwq(), 0, GEN));
	assert_true(pending());
	assert_int_equal(work_load(&item), raw());
	set_raw(ran_on(GEN, 2) | WORD_OFF_MASK);
	assert_false(pending());
	set_raw(word_for_pwq(pwq(), 0, OTHER));
	assert_false(pending());
	assert_int_equal(work_load(&item), idle(GEN));
	fake_set_generation(OTHER);
	assert_true(pending());
}

/* --- claims --- */

/* In each state: the result, what the claimer is told, and what is left. A
 * failed claim leaves the word as it was, also one of the parent. */
static void check_claim(unsigned long word, enum claim result,
			unsigned long told)
{
	unsigned long next = word_for_pwq(pwq(), 0, GEN);
	unsigned long old = 0x5a5a;

	set_raw(word);
	assert_int_equal(work_claim(&item, next, &old), result);
	assert_int_equal(old, told);
	assert_int_equal(raw(), result == CLAIMED ? next : word);
}

static void test_claim(void **state)
{
	const unsigned long off = 2 * WORD_DISABLE_ONE + WORD_CANCEL_ONE;
	const unsigned long queued =
		word_for_pwq(pwq(), 0, GEN) | WORD_COLLIDES;
	const unsigned long idle_now = idle(GEN), slot = ran_on(GEN, 9);
	unsigned long w;

	(void)state;
	check_claim(CMWQ_WORK_IDLE, CLAIMED, idle_now);
	check_claim(idle_now, CLAIMED, idle_now);
	check_claim(slot, CLAIMED, slot);

	w = idle_now | WORD_PENDING;
	check_claim(w, CLAIM_PENDING, w);
	check_claim(queued, CLAIM_PENDING, queued);
	w = slot | WORD_PENDING | off;
	check_claim(w, CLAIM_PENDING, w);

	w = slot | WORD_DISABLE_ONE;
	check_claim(w, CLAIM_DISABLED, w);
	w = slot | WORD_CANCEL_ONE;
	check_claim(w, CLAIM_DISABLED, w);
	w = slot | WORD_DISABLE_MASK;
	check_claim(w, CLAIM_DISABLED, w);
	w = slot | WORD_CANCEL_MASK;
	check_claim(w, CLAIM_DISABLED, w);
}

static void test_claim_after_fork(void **state)
{
	(void)state;
	check_claim(idle(OTHER), CLAIMED, idle(GEN));
	check_claim(ran_on(OTHER, 9), CLAIMED, idle(GEN));
	check_claim(ran_on(OTHER, 9) | WORD_PENDING, CLAIMED, idle(GEN));
	check_claim(ran_on(OTHER, 9) | WORD_PENDING | WORD_CANCEL_MASK, CLAIMED,
		    idle(GEN));
	check_claim(word_for_pwq(pwq(), 0, OTHER) | WORD_COLLIDES, CLAIMED,
		    idle(GEN));
	check_claim(word_for_pwq((struct pwq *)0x7fffffffffc0, 0, OTHER),
		    CLAIMED, idle(GEN));
	check_claim(ran_on(OTHER, 9) | 4 * WORD_DISABLE_ONE, CLAIM_DISABLED,
		    idle(GEN) | 4 * WORD_DISABLE_ONE);
	check_claim(ran_on(OTHER, 9) | WORD_PENDING | WORD_DISABLE_ONE |
			    WORD_CANCEL_ONE,
		    CLAIM_DISABLED, idle(GEN) | WORD_DISABLE_ONE);
}

/* The generation of a claim is that of the word it puts there. */
static void test_claim_goes_by_its_own_generation(void **state)
{
	unsigned long next = word_for_pwq(pwq(), 0, OTHER);
	unsigned long old;

	(void)state;
	set_raw(idle(GEN) | WORD_PENDING);
	assert_int_equal(work_claim(&item, next, &old), CLAIMED);
	assert_int_equal(raw(), next);
	assert_int_equal(old, idle(OTHER));
}

static void check_claim_idle(unsigned long word, bool result,
			     unsigned long told)
{
	unsigned long old = 0x5a5a;

	set_raw(word);
	assert_int_equal(work_claim_idle(&item, &old), result);
	assert_int_equal(old, told);
	assert_int_equal(raw(), result ? told | WORD_PENDING : word);
}

/* This one takes disabled items too: it is for those who change depths. */
static void test_claim_idle(void **state)
{
	const unsigned long off = 2 * WORD_DISABLE_ONE + WORD_CANCEL_ONE;
	const unsigned long slot = ran_on(GEN, 9);
	unsigned long w;

	(void)state;
	check_claim_idle(CMWQ_WORK_IDLE, true, idle(GEN));
	check_claim_idle(slot, true, slot);
	check_claim_idle(slot | off, true, slot | off);
	w = slot | WORD_PENDING;
	check_claim_idle(w, false, w);
	w = slot | WORD_PENDING | off;
	check_claim_idle(w, false, w);
	w = word_for_pwq(pwq(), 0, GEN);
	check_claim_idle(w, false, w);
	/* After a fork. */
	check_claim_idle(ran_on(OTHER, 9) | WORD_PENDING | off, true,
			 idle(GEN) | 2 * WORD_DISABLE_ONE);
	check_claim_idle(word_for_pwq(pwq(), 0, OTHER), true, idle(GEN));
}

static void test_bits(void **state)
{
	unsigned long w = word_for_pwq(pwq(), 0, GEN);

	(void)state;
	set_raw(w);
	work_set(&item, WORD_COLLIDES | WORD_WAITERS);
	assert_int_equal(raw(), w | WORD_COLLIDES | WORD_WAITERS);
	work_set(&item, WORD_WAITERS);
	assert_int_equal(raw(), w | WORD_COLLIDES | WORD_WAITERS);
	work_flip(&item, WORD_WAITERS | 1UL << WORD_COLOUR_SHIFT);
	assert_int_equal(raw(), w | WORD_COLLIDES | 1UL << WORD_COLOUR_SHIFT);
	work_flip(&item, WORD_COLLIDES | 1UL << WORD_COLOUR_SHIFT);
	assert_int_equal(raw(), w);
	assert_int_equal(work_exchange(&item, idle(GEN)), w);
	assert_int_equal(raw(), idle(GEN));
}

/* --- several at once --- */

#define CLAIMERS 3
#define ROUNDS	 3000

static pthread_barrier_t gate;
static _Atomic int winners;

static void *claimer(void *idle_form)
{
	for (int i = 0; i < ROUNDS; i++) {
		unsigned long old;
		bool won;

		pthread_barrier_wait(&gate);
		if (idle_form)
			won = work_claim_idle(&item, &old);
		else
			won = work_claim(&item, word_for_pwq(pwq(), 0, GEN),
					 &old) == CLAIMED;
		if (won)
			atomic_fetch_add(&winners, 1);
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
	}
	return NULL;
}

static void test_one_claimer_wins(void **state)
{
	pthread_t thread[CLAIMERS];

	(void)state;
	pthread_barrier_init(&gate, NULL, CLAIMERS + 1);
	for (int i = 0; i < CLAIMERS; i++)
		pthread_create(&thread[i], NULL, claimer,
			       i % 2 ? &winners : NULL);
	for (int i = 0; i < ROUNDS; i++) {
		atomic_store(&winners, 0);
		set_raw(i % 2 ? idle(GEN) : word_for_pwq(pwq(), 0, OTHER));
		pthread_barrier_wait(&gate);
		pthread_barrier_wait(&gate);
		assert_int_equal(atomic_load(&winners), 1);
		assert_true(pending());
		pthread_barrier_wait(&gate);
	}
	for (int i = 0; i < CLAIMERS; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&gate);
}

/*
 * "False" from queue_work(): who gave up on a pending item has his stores seen
 * by its run. The flag orders the two threads in time, but not for the memory
 * model, so ThreadSanitizer reports a claim that fails without publishing.
 */
static int payload;
static _Atomic bool gave_up;
static bool (*give_up_on)(void);

static bool fail_claim(void)
{
	unsigned long old;

	return work_claim(&item, word_for_pwq(pwq(), 0, GEN), &old) ==
	       CLAIM_PENDING;
}

static bool fail_claim_idle(void)
{
	unsigned long old;

	return !work_claim_idle(&item, &old);
}

static void *give_up_claim(void *unused)
{
	(void)unused;
	payload++;
	if (!give_up_on())
		payload = -1;
	atomic_store_explicit(&gave_up, true, memory_order_relaxed);
	return NULL;
}

static void check_giving_up(bool (*how)(void))
{
	pthread_t thread;
	int before = payload;

	set_raw(idle(GEN) | WORD_PENDING);
	atomic_store(&gave_up, false);
	give_up_on = how;
	pthread_create(&thread, NULL, give_up_claim, NULL);
	while (!atomic_load_explicit(&gave_up, memory_order_relaxed))
		os_pause();
	work_exchange(&item, idle(GEN));
	assert_int_equal(payload, before + 1);
	pthread_join(thread, NULL);
}

static void test_giving_up_publishes(void **state)
{
	(void)state;
	check_giving_up(fail_claim);
	check_giving_up(fail_claim_idle);
}

/* --- defects --- */

static void test_no_defect(void **state)
{
	const unsigned int slot[] = { 0, 1, 0x101, 0xfffe, WORD_NO_SLOT };

	(void)state;
	assert_null(work_defect(&item));
	for (uint32_t gen = 1; gen <= WORD_GEN_MASK; gen++) {
		for (int s = 0; s < 5; s++) {
			set_raw(ran_on(gen, slot[s]));
			assert_null(work_defect(&item));
			set_raw(ran_on(gen, slot[s]) | WORD_PENDING);
			assert_null(work_defect(&item));
			set_raw(ran_on(gen, slot[s]) | WORD_DISABLE_ONE);
			assert_null(work_defect(&item));
			set_raw(ran_on(gen, slot[s]) | WORD_OFF_MASK);
			assert_null(work_defect(&item));
		}
		for (unsigned int c = 0; c < WORD_NR_COLOURS; c++) {
			set_raw(word_for_pwq(pwq(), c, gen) | WORD_COLLIDES);
			assert_null(work_defect(&item));
		}
	}
}

static void test_defect_zero(void **state)
{
	(void)state;
	memset(&item, 0, sizeof(item));
	assert_string_equal(work_defect(&item), "was never initialised");
	item.func = function;
	assert_string_equal(work_defect(&item), "was never initialised");
}

static void test_defect_poison(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++) {
		memset(&item, byte, sizeof(item));
		assert_non_null(work_defect(&item));
		assert_string_equal(work_defect(&item), "is poisoned");
	}
}

/* One byte that differs is not poison. */
static void test_near_poison(void **state)
{
	(void)state;
	for (int byte = 1; byte < 256; byte++)
		for (size_t i = 0; i < sizeof(unsigned long); i++) {
			memset(&item.data, byte, sizeof(item.data));
			((unsigned char *)&item.data)[i] ^= 0x10;
			assert_null(work_defect(&item));
		}
}

static void test_defect_no_function(void **state)
{
	(void)state;
	INIT_WORK(&item, NULL);
	assert_string_equal(work_defect(&item), "has no function");
	set_raw(word_for_pwq(pwq(), 0, GEN));
	assert_string_equal(work_defect(&item), "has no function");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_pwq_form, setup),
		cmocka_unit_test_setup(test_idle_form, setup),
		cmocka_unit_test_setup(test_fields_are_apart, setup),
		cmocka_unit_test_setup(test_own_word_means_itself, setup),
		cmocka_unit_test_setup(test_word_of_the_parent, setup),
		cmocka_unit_test_setup(test_load_and_pending, setup),
		cmocka_unit_test_setup(test_claim, setup),
		cmocka_unit_test_setup(test_claim_after_fork, setup),
		cmocka_unit_test_setup(test_claim_goes_by_its_own_generation,
				       setup),
		cmocka_unit_test_setup(test_claim_idle, setup),
		cmocka_unit_test_setup(test_bits, setup),
		cmocka_unit_test_setup(test_one_claimer_wins, setup),
		cmocka_unit_test_setup(test_giving_up_publishes, setup),
		cmocka_unit_test_setup(test_no_defect, setup),
		cmocka_unit_test_setup(test_defect_zero, setup),
		cmocka_unit_test_setup(test_defect_poison, setup),
		cmocka_unit_test_setup(test_near_poison, setup),
		cmocka_unit_test_setup(test_defect_no_function, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
