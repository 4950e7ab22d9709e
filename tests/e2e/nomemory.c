/* SPDX-License-Identifier: MIT */
/*
 * nomemory.c - alloc_workqueue() and apply_workqueue_attrs() with the allocation of
 * memory failing at each point in turn, and with no thread to be had: they say so,
 * change nothing, and nothing stays behind. What is kept by design (records of pools,
 * workers and pool_workqueues, which are used again) does not grow when the same
 * is done again.
 *
 * timeout: 300
 */
#include "rescue.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
TEST(none)
{
	skip("the sanitizer has an allocator of its own");
}
#else

#include <sys/resource.h>

#define SETTLE 120
#define AGAIN  10

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nr, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t align, size_t size);
void __libc_free(void *block);

static _Atomic long live; /* blocks */
/* Of each thread. */
static __thread long countdown;
static __thread bool failed;

static bool fails(void)
{
	if (!countdown || --countdown)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

static void *counted(void *block)
{
	if (block)
		atomic_fetch_add(&live, 1);
	return block;
}

void *malloc(size_t size)
{
	return fails() ? NULL : counted(__libc_malloc(size));
}

void *calloc(size_t nr, size_t size)
{
	return fails() ? NULL : counted(__libc_calloc(nr, size));
}

void *aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : counted(__libc_memalign(align, size));
}

void *realloc(void *old, size_t size)
{
	void *block;

	if (fails())
		return NULL;
	block = __libc_realloc(old, size);
	return old ? block : counted(block);
}

void free(void *block)
{
	if (block)
		atomic_fetch_sub(&live, 1);
	__libc_free(block);
}

/* --- alloc_workqueue() --- */

static struct workqueue_struct *alloc_failing(unsigned int flags, long n)
{
	struct workqueue_struct *wq;

	failed = false;
	countdown = n;
	wq = alloc_workqueue("victim", flags, 0);
	countdown = 0;
	return wq;
}

/* Without memory there is no queue. */
static void attempt(unsigned int flags, long n)
{
	struct workqueue_struct *wq = alloc_failing(flags, n);

	EXPECT(!wq == failed);
	if (failed)
		EXPECT(log_has("workqueue victim: "));
	log_clear();
	if (wq)
		destroy_workqueue(wq);
}

/*
 * A failure may leave records, with which the next attempt gets further, until it
 * succeeds, perhaps; a destroyed queue is kept until 64 more are. But that ends, and
 * so does what other threads do meanwhile. What each attempt leaves behind does not.
 */
static void nothing_stays(unsigned int flags, long n)
{
	long grown = AGAIN;
	int i, round;

	for (i = 0; i < SETTLE; i++)
		attempt(flags, n);
	for (round = 0; round < 12 && grown >= AGAIN; round++) {
		grown = -atomic_load(&live);
		for (i = 0; i < AGAIN; i++)
			attempt(flags, n);
		grown += atomic_load(&live);
	}
	EXPECT_OP(grown, <, AGAIN);
}

static void still_works(void)
{
	struct item it;

	item_init(&it);
	EXPECT(queue_work(system_dfl_wq, &it.work));
	flush_work(&it.work);
	EXPECT(queue_work(system_percpu_wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 2);
}

static void alloc_fails_everywhere(unsigned int flags)
{
	struct workqueue_struct *wq;
	struct item it;
	long n;

	for (n = 1; !(wq = alloc_failing(flags, n)); n++) {
		EXPECT(failed);
		nothing_stays(flags, n);
		still_works();
	}
	EXPECT(!failed);
	printf("flags %#x: %ld allocations\n", flags, n - 1);
	EXPECT_OP(n, >, 2);
	item_init(&it);
	EXPECT(queue_work(wq, &it.work));
	destroy_workqueue(wq);
	EXPECT_EQ(item_runs(&it), 1);
}

static const unsigned int all_flags[] = {
	WQ_PERCPU,
	WQ_PERCPU | WQ_HIGHPRI,
	WQ_PERCPU | WQ_MEM_RECLAIM,
	WQ_PERCPU | WQ_MEM_RECLAIM | WQ_FREEZABLE,
	WQ_UNBOUND,
	WQ_UNBOUND | WQ_HIGHPRI,
	WQ_UNBOUND | WQ_MEM_RECLAIM,
	WQ_UNBOUND | __WQ_ORDERED,
	WQ_UNBOUND | __WQ_ORDERED | WQ_MEM_RECLAIM,
	WQ_UNBOUND | __WQ_ORDERED | WQ_MEM_RECLAIM | WQ_HIGHPRI,
};

static void each_alloc_fails(void)
{
	size_t i;

	log_ignore("victim");
	workqueue_init();
	workqueue_init_topology();
	check_library_works();
	set_param("cmwq.idle_timeout_ms", 86400000);
	for (i = 0; i < sizeof(all_flags) / sizeof(all_flags[0]); i++)
		alloc_fails_everywhere(all_flags[i]);
	check_library_works();
}

TEST(alloc, .timeout = 100)
{
	each_alloc_fails();
}

/* Sixteen pods on two nodes. */
TEST(alloc_pods, .timeout = 100, .topology = "pack:2 [numa] l3:8 core:2 pu:1")
{
	each_alloc_fails();
}

/* --- apply_workqueue_attrs() --- */

static _Atomic int item_nice;

static void read_nice(struct item *it)
{
	(void)it;
	atomic_store(&item_nice, getpriority(PRIO_PROCESS, (id_t)self_tid()));
}

static int nice_on(struct workqueue_struct *wq)
{
	struct item it;

	item_init(&it);
	it.hook = read_nice;
	EXPECT(queue_work(wq, &it.work));
	flush_work(&it.work);
	EXPECT_EQ(item_runs(&it), 1);
	return atomic_load(&item_nice);
}

static int apply_failing(struct workqueue_struct *wq,
			 struct workqueue_attrs *attrs, long n)
{
	int err;

	failed = false;
	countdown = n;
	err = apply_workqueue_attrs(wq, attrs);
	countdown = 0;
	return err;
}

/* With the records of earlier attempts it may succeed. */
static void apply_and_undo(struct workqueue_struct *wq,
			   struct workqueue_attrs *attrs,
			   struct workqueue_attrs *plain, long n)
{
	int err = apply_failing(wq, attrs, n);

	EXPECT_EQ(err, failed ? -ENOMEM : 0);
	if (!err)
		EXPECT_EQ(apply_workqueue_attrs(wq, plain), 0);
}

static void apply_fails_everywhere(struct workqueue_struct *wq, int nice)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();
	struct workqueue_attrs *plain = alloc_workqueue_attrs();
	int old = nice_on(wq), err, i;
	long n, before;

	ASSERT(attrs && plain);
	plain->nice = old;
	attrs->nice = nice;
	attrs->affn_scope = WQ_AFFN_CPU;
	for (n = 1; (err = apply_failing(wq, attrs, n)); n++) {
		EXPECT_EQ(err, -ENOMEM);
		EXPECT(failed);
		EXPECT_EQ(nice_on(wq), old);
		for (i = 0; i < SETTLE; i++)
			apply_and_undo(wq, attrs, plain, n);
		before = live;
		for (i = 0; i < AGAIN; i++)
			apply_and_undo(wq, attrs, plain, n);
		EXPECT_OP(live, <, before + AGAIN);
	}
	printf("%s: %ld allocations\n", cmwq_name(wq), n - 1);
	EXPECT(!failed);
	EXPECT_OP(n, >, 2);
	EXPECT_EQ(nice_on(wq), nice);
	free_workqueue_attrs(attrs);
	free_workqueue_attrs(plain);
}

static void each_apply_fails(void)
{
	struct workqueue_struct *wq, *ordered;

	workqueue_init();
	workqueue_init_topology();
	check_library_works();
	/* Not WQ_MEM_RECLAIM: a rescuer has a nice value of its own. */
	wq = alloc_workqueue("attrs", WQ_UNBOUND, 0);
	ordered = alloc_ordered_workqueue("ordered", 0);
	set_param("cmwq.idle_timeout_ms", 86400000);
	apply_fails_everywhere(wq, 3);
	apply_fails_everywhere(wq, 5);
	apply_fails_everywhere(ordered, 3);
	destroy_workqueue(wq);
	destroy_workqueue(ordered);
	check_library_works();
}

TEST(apply)
{
	each_apply_fails();
}

TEST(apply_pods, .topology = "pack:2 [numa] l3:8 core:2 pu:1")
{
	each_apply_fails();
}

/* --- no thread --- */

TEST(no_rescuer)
{
	static const unsigned int flags[] = { WQ_PERCPU, WQ_UNBOUND,
					      WQ_UNBOUND | __WQ_ORDERED };
	long before;
	int i;

	become_ordinary();
	check_library_works();
	refuse_by_limit();
	EXPECT(!alloc_workqueue("victim", WQ_PERCPU | WQ_MEM_RECLAIM, 0));
	before = atomic_load(&live);
	for (i = 0; i < 300; i++)
		EXPECT(!alloc_workqueue("victim", flags[i % 3] | WQ_MEM_RECLAIM,
					0));
	EXPECT_OP(live, <, before + 300);
	EXPECT_EQ(log_count("workqueue victim: cannot create its rescuer"),
		  301);
	permit_by_limit();
	check_library_works();
}
#endif
