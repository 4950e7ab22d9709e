/* SPDX-License-Identifier: MIT */
/*
 * badinput.c - what is promised about wrong arguments beyond the results and messages
 * of badargs.c: for queueing, the message contains the address of the call; the
 * last 64 destroyed workqueues are known; names, flags, the environment.
 *
 * All calls are made by functions in one section, so that "an address in it"
 * is known exactly. None of them may end in a tail call, which would replace
 * the address by that of its own caller: hence result().
 */
#include "harness.h"

#include <sys/wait.h>

#define CALLER	  __attribute__((noinline, section("cmwq_callers")))
#define KINDS	  5
#define DESTROYED 64

extern const char __start_cmwq_callers[], __stop_cmwq_callers[];

static volatile bool sink;

static inline bool result(bool value)
{
	sink = value;
	return value;
}

CALLER static bool call_queue_work(struct workqueue_struct *wq, void *item)
{
	return result(queue_work(wq, item));
}

CALLER static bool call_queue_work_on(struct workqueue_struct *wq, void *item)
{
	return result(queue_work_on(nth_cpu(0), wq, item));
}

CALLER static bool call_queue_delayed(struct workqueue_struct *wq, void *item)
{
	return result(queue_delayed_work(wq, item, 1));
}

CALLER static bool call_queue_delayed_on(struct workqueue_struct *wq,
					 void *item)
{
	return result(queue_delayed_work_on(nth_cpu(0), wq, item, 0));
}

CALLER static bool call_mod_delayed(struct workqueue_struct *wq, void *item)
{
	return result(mod_delayed_work(wq, item, 1));
}

typedef bool (*queue_fn)(struct workqueue_struct *wq, void *item);

static const struct {
	const char *name;
	queue_fn fn;
} calls[KINDS] = {
	{ "queue_work", call_queue_work },
	{ "queue_work_on", call_queue_work_on },
	{ "queue_delayed_work", call_queue_delayed },
	{ "queue_delayed_work_on", call_queue_delayed_on },
	{ "mod_delayed_work", call_mod_delayed },
};

static bool log_has_caller(const char *part)
{
	return log_has_address(part, (uintptr_t)__start_cmwq_callers,
			       (uintptr_t)__stop_cmwq_callers);
}

/* A refused item, then a good one through the same door. */
static void check_refused(int kind, struct workqueue_struct *wq, void *item,
			  const char *part)
{
	printf("%s\n", calls[kind].name);
	log_clear();
	EXPECT(!calls[kind].fn(wq, item));
	wait_for(log_has_caller(part));
}

static struct {
	const char *name;
	int byte;
} fills[] = {
	{ "zero-filled", 0x00 },	  { "freed (0x6b)", 0x6b },
	{ "uninitialised (0x5a)", 0x5a }, { "end of object (0xa5)", 0xa5 },
	{ "stack (0xcc)", 0xcc },	  { "dead (0xdd)", 0xdd },
};

static void check_fills(int kind, struct workqueue_struct *wq)
{
	static struct delayed_work dwork, before;
	size_t i;

	for (i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		printf("%s: ", fills[i].name);
		memset(&dwork, fills[i].byte, sizeof(dwork));
		before = dwork;
		check_refused(kind, wq, &dwork, cmwq_name(wq));
		EXPECT(!memcmp(&dwork, &before, sizeof(dwork)));
	}
}

#define QUEUE_TESTS(kind)                                        \
	TEST(poisoned_item_##kind)                               \
	{                                                        \
		struct workqueue_struct *wq =                    \
			alloc_workqueue("victim", WQ_PERCPU, 0); \
                                                                 \
		check_fills(kind, wq);                           \
		check_fills(kind, system_dfl_wq);                \
		destroy_workqueue(wq);                           \
		check_library_works();                           \
	}                                                        \
	TEST(null_item_##kind)                                   \
	{                                                        \
		check_refused(kind, system_highpri_wq, NULL,     \
			      "events_highpri");                 \
		check_library_works();                           \
	}                                                        \
	TEST(null_queue_##kind)                                  \
	{                                                        \
		struct item it;                                  \
                                                                 \
		item_init(&it);                                  \
		check_refused(kind, NULL, &it, "");              \
		EXPECT(item_idle(&it));                          \
		EXPECT(queue_work(system_wq, &it.work));         \
		wait_for(item_runs(&it));                        \
		check_library_works();                           \
	}                                                        \
	TEST(destroyed_queue_##kind)                             \
	{                                                        \
		check_destroyed(kind);                           \
	}

/* The name is still known, of each of the last 64. */
static void check_destroyed(int kind)
{
	static struct workqueue_struct *wq[DESTROYED];
	static const unsigned int flags[3] = { WQ_PERCPU, WQ_UNBOUND,
					       WQ_UNBOUND | __WQ_ORDERED };
	struct item it;
	char name[32];
	int i;

	item_init(&it);
	for (i = 0; i < DESTROYED; i++) {
		wq[i] = alloc_workqueue("gone%d-", flags[i % 3], 1, i);
		ASSERT(wq[i]);
		EXPECT(queue_work(wq[i], &it.work));
		flush_workqueue(wq[i]);
	}
	for (i = 0; i < DESTROYED; i++)
		destroy_workqueue(wq[i]);
	for (i = 0; i < DESTROYED; i++) {
		snprintf(name, sizeof(name), "gone%d-", i);
		check_refused(kind, wq[i], &it, name);
		EXPECT(item_idle(&it));
	}
	EXPECT_EQ(item_runs(&it), DESTROYED);
	check_library_works();
}

QUEUE_TESTS(0)
QUEUE_TESTS(1)
QUEUE_TESTS(2)
QUEUE_TESTS(3)
QUEUE_TESTS(4)

/* --- a CPU that does not exist --- */

CALLER static bool call_on_cpu(int cpu, struct item *it)
{
	return result(queue_work_on(cpu, system_wq, &it->work));
}

CALLER static bool call_delayed_on_cpu(int cpu, struct item *it)
{
	return result(queue_delayed_work_on(cpu, system_wq, &it->dwork, 1));
}

CALLER static bool call_mod_on_cpu(int cpu, struct item *it)
{
	return result(mod_delayed_work_on(cpu, system_wq, &it->dwork, 0));
}

static void check_cpu_range(bool (*call)(int cpu, struct item *it))
{
	int cpus[] = { -1,	nr_possible(),	      nr_possible() + 1,
		       INT_MAX, WORK_CPU_UNBOUND - 1, WORK_CPU_UNBOUND + 1,
		       INT_MIN };
	struct item it;
	size_t i;

	item_init(&it);
	for (i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
		printf("CPU %d\n", cpus[i]);
		log_clear();
		EXPECT(!call(cpus[i], &it));
		EXPECT(item_idle(&it));
		wait_for(log_has_caller("events"));
	}
	linger();
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(queue_work(system_wq, &it.work));
	wait_for(item_runs(&it));
	check_library_works();
}

TEST(cpu_range_queue_work)
{
	check_cpu_range(call_on_cpu);
}

TEST(cpu_range_queue_delayed_work)
{
	check_cpu_range(call_delayed_on_cpu);
}

TEST(cpu_range_mod_delayed_work)
{
	check_cpu_range(call_mod_on_cpu);
}

/* --- queueing on a draining queue --- */

static long do_drain(void *arg)
{
	drain_workqueue(arg);
	return 0;
}

TEST(draining_names_the_caller)
{
	struct workqueue_struct *wq = alloc_workqueue("drainee", WQ_UNBOUND, 0);
	struct item inside, it;
	struct thread t;

	item_init_held(&inside);
	item_init(&it);
	EXPECT(queue_work(wq, &inside.work));
	wait_for(item_started(&inside));
	thread_start(&t, do_drain, wq);
	EXPECT(thread_asleep(&t));
	EXPECT(call_queue_work(wq, &it.work));
	wait_for(log_has_caller("drainee"));
	item_release(&inside);
	thread_join(&t);
	EXPECT_EQ(item_started(&it), 0);
	destroy_workqueue(wq);
	check_library_works();
}

/* A timer that expires after its queue is gone. */
TEST(destroyed_with_timer_armed)
{
	struct workqueue_struct *wq = alloc_workqueue("early", WQ_UNBOUND, 0);
	struct item it;

	item_init(&it);
	EXPECT(queue_delayed_work(wq, &it.dwork, 30));
	destroy_workqueue(wq);
	wait_for(log_has("early"));
	wait_for(item_idle(&it));
	EXPECT_EQ(item_started(&it), 0);
	EXPECT(queue_work(system_wq, &it.work));
	wait_for(item_runs(&it));
	check_library_works();
}

/* --- allocation --- */

TEST(name_too_long)
{
	struct workqueue_struct *wq;

	wq = alloc_workqueue("a234567890123456789012345678901", WQ_UNBOUND, 0);
	ASSERT(wq);
	EXPECT_EQ(strlen(cmwq_name(wq)), 31);
	EXPECT(!log_has("a23456789"));
	destroy_workqueue(wq);
	wq = alloc_workqueue("b2345678901234567890123456789012", WQ_UNBOUND, 0);
	ASSERT(wq);
	EXPECT(!strcmp(cmwq_name(wq), "b234567890123456789012345678901"));
	wait_for(log_has("b23456789"));
	destroy_workqueue(wq);
	wq = alloc_workqueue("%s%0200d", WQ_PERCPU, 0, "c", 1);
	ASSERT(wq);
	EXPECT(!strcmp(cmwq_name(wq), "c000000000000000000000000000000"));
	wait_for(log_has("c00000000"));
	destroy_workqueue(wq);
	check_library_works();
}

TEST(unknown_flags)
{
	static const unsigned int flags[] = { 1U << 28, 1U << 31, 1U << 12,
					      UINT_MAX };
	char name[32];
	size_t i;

	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		snprintf(name, sizeof(name), "strange%zu", i);
		EXPECT(!alloc_workqueue("%s", WQ_UNBOUND | flags[i], 0, name));
		wait_for(log_has(name));
	}
	check_library_works();
}

/* Neither or both of per-CPU and unbound. */
TEST(neither_percpu_nor_unbound)
{
	struct workqueue_struct *wq;
	struct item it;
	int i;

	for (i = 0; i < 3; i++) {
		wq = alloc_workqueue("neither", 0, 0);
		ASSERT(wq);
		item_init(&it);
		EXPECT(queue_work_on(nth_cpu(0), wq, &it.work));
		flush_workqueue(wq);
		EXPECT_EQ(it.cpu, nth_cpu(0));
		destroy_workqueue(wq);
	}
	wait_for(log_has("neither"));
	EXPECT_EQ(log_count("neither"), 1); /* once is enough */
}

TEST(both_percpu_and_unbound)
{
	struct workqueue_struct *wq;
	struct item it;

	wq = alloc_workqueue("both", WQ_PERCPU | WQ_UNBOUND, 0);
	ASSERT(wq);
	wait_for(log_has("both"));
	item_init(&it);
	EXPECT(queue_work(wq, &it.work));
	flush_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
	destroy_workqueue(wq);
}

/* --- parameters in the environment --- */

TEST(print_params, .hidden = true)
{
	static const char *const names[] = {
		"cmwq.stack_kib",
		"cmwq.idle_ratio",
		"cmwq.idle_timeout_ms",
	};
	long value = -1;
	size_t i;

	cmwq_set_log(NULL, NULL);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		EXPECT_EQ(cmwq_param_get(names[i], &value), 0);
		printf("<%s=%ld>\n", names[i], value);
	}
	check_library_works();
}

static const struct {
	const char *params;
	const char *message; /* besides the values */
	const char *value;
} bad_params[] = {
	{ "cmwq.nosuch=1", "cmwq.nosuch", "<cmwq.stack_kib=1024>" },
	{ "cmwq.stack_kib=big", "cmwq.stack_kib", "<cmwq.stack_kib=1024>" },
	{ "cmwq.stack_kib=12x", "cmwq.stack_kib", "<cmwq.stack_kib=1024>" },
	{ "cmwq.stack_kib=", "cmwq.stack_kib", "<cmwq.stack_kib=1024>" },
	{ "cmwq.stack_kib=-5", "cmwq.stack_kib", "<cmwq.stack_kib=1024>" },
	{ "cmwq.stack_kib=99999999999999999999999", "cmwq.stack_kib",
	  "<cmwq.stack_kib=1024>" },
	{ "cmwq.idle_ratio", "cmwq.idle_ratio", "<cmwq.idle_ratio=4>" },
	{ "=3", "=3", "<cmwq.idle_ratio=4>" },
	{ "rubbish", "rubbish", "<cmwq.idle_ratio=4>" },
	{ "rubbish cmwq.idle_ratio=9 more", "rubbish", "<cmwq.idle_ratio=9>" },
	{ "cmwq.idle_ratio=5  cmwq.idle_timeout_ms=77", "",
	  "<cmwq.idle_timeout_ms=77>" },
};

TEST(params_in_environment)
{
	static char out[65536];
	int status;
	size_t i;

	for (i = 0; i < sizeof(bad_params) / sizeof(bad_params[0]); i++) {
		printf("--- %s\n", bad_params[i].params);
		status = run_hidden("print_params", bad_params[i].params, out,
				    sizeof(out));
		printf("%s", out);
		EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
		EXPECT(strstr(out, bad_params[i].message));
		EXPECT(strstr(out, bad_params[i].value));
	}
}

/* A name or text of any length does not hurt. */
TEST(params_very_long)
{
	static char params[700], out[65536];
	int status;

	memset(params, 'x', sizeof(params) - 1);
	status = run_hidden("print_params", params, out, sizeof(out));
	EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	EXPECT(strstr(out, "<cmwq.stack_kib=1024>"));
	EXPECT(strstr(out, "xxxxxxxx"));
}
