/* SPDX-License-Identifier: MIT */
/*
 * timer - the wheel behind delayed work, and the library's one timer thread.
 *
 * Six levels of slots; level 0 has a slot per millisecond, each further level
 * is 64 times as coarse as the one before ends. Timers cascade down as their
 * time comes near, so arming and disarming are O(1) and a timer is never more
 * than its own millisecond late. A deadline is kept in ticks of 1 ms, rounded
 * up, so it is never early.
 *
 * The upper bits of a timer's expires hold the epoch in which it was armed: in a
 * forked child the timers of the parent are idle without being visited.
 *
 * Arming makes a system call only if the thread would sleep too long. A slot's
 * bitmap bit may outlive its last timer: that costs one look.
 *
 * Locks: everything is under wheel.lock, but for the futex word.
 */
#include "timer.h"

#include <string.h>

#include "lock.h"
#include "os.h"

#define L0_BITS	    8
#define LN_BITS	    6
#define LEVELS	    6
#define MAX_SLOTS   (1 << L0_BITS)
#define MAX_DELTA   ((1ULL << (L0_BITS + LN_BITS * (LEVELS - 1))) - 1)
#define EPOCH_BITS  12
#define EPOCH_SHIFT (64 - EPOCH_BITS)
#define EPOCH_MASK  ((1ULL << EPOCH_BITS) - 1)
#define STACK	    (256 * 1024)

static struct {
	struct lock lock;
	uint64_t clk;	     /* first tick that has not been processed */
	uint64_t programmed; /* tick for which the thread is set to wake */
	uint64_t epoch;	     /* counts forks; timers of older ones are idle */
	unsigned long nr;    /* armed timers */
	bool expiring; /* clk belongs to the thread that calls functions */
	struct cmwq_timer *slot[LEVELS][MAX_SLOTS];
	uint64_t used[LEVELS][MAX_SLOTS / 64];
	_Atomic uint32_t word; /* counts reasons to look; the futex */
	uint64_t (*hook)(uint64_t now);
} wheel = { .lock = LOCK_INITIALIZER(RANK_TIMER) };

static __thread bool is_timer_thread;

static unsigned int level_shift(int level)
{
	return level ? L0_BITS + LN_BITS * (unsigned int)(level - 1) : 0;
}

static unsigned int level_slots(int level)
{
	return level ? 1U << LN_BITS : 1U << L0_BITS;
}

static uint64_t expires_tick(const struct cmwq_timer *t)
{
	return t->expires & ~(EPOCH_MASK << EPOCH_SHIFT);
}

static void enqueue(struct cmwq_timer *t) REQUIRES(wheel.lock)
{
	uint64_t tick = expires_tick(t);
	uint64_t when = tick < wheel.clk ? wheel.clk : tick;
	uint64_t delta = when - wheel.clk;
	struct cmwq_timer **slot;
	unsigned int i;
	int level = 0;

	if (delta > MAX_DELTA) {
		when = wheel.clk + MAX_DELTA;
		delta = MAX_DELTA;
	}
	while (delta >=
	       1ULL << (level_shift(level) + (level ? LN_BITS : L0_BITS)))
		level++;
	i = (when >> level_shift(level)) & (level_slots(level) - 1);
	slot = &wheel.slot[level][i];
	wheel.used[level][i / 64] |= 1ULL << (i % 64);
	t->next = *slot;
	if (t->next)
		t->next->pprev = &t->next;
	t->pprev = slot;
	*slot = t;
}

static void dequeue(struct cmwq_timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
}

/* Distance from slot @from to the next used one, circularly; slots if none. */
static unsigned int next_used(int level, unsigned int from)
{
	unsigned int n = level_slots(level);
	unsigned int d = 0;

	while (d < n) {
		unsigned int i = (from + d) & (n - 1);
		uint64_t word = wheel.used[level][i / 64] >> (i % 64);

		if (word)
			return d + (unsigned int)__builtin_ctzll(word);
		d += 64 - i % 64;
	}
	return n;
}

/* The first tick at which there is something to expire or to cascade. */
static uint64_t next_event(void) REQUIRES(wheel.lock)
{
	uint64_t first = TIMER_NEVER;

	if (!wheel.nr)
		return first;
	for (int level = 0; level < LEVELS; level++) {
		unsigned int shift = level_shift(level);
		uint64_t mask = (1ULL << shift) - 1;
		/* The slot around clk was taken when clk entered it. */
		uint64_t pos = (wheel.clk + mask) >> shift;
		unsigned int d = next_used(
			level, (unsigned int)pos & (level_slots(level) - 1));
		uint64_t when = (pos + d) << shift;

		if (d < level_slots(level) && when < first)
			first = when;
	}
	return first;
}

static void cascade(int level, unsigned int i) REQUIRES(wheel.lock)
{
	struct cmwq_timer *t = wheel.slot[level][i], *next;

	wheel.slot[level][i] = NULL;
	wheel.used[level][i / 64] &= ~(1ULL << (i % 64));
	for (; t; t = next) {
		next = t->next;
		enqueue(t);
	}
}

/* Call what is due in the slot of tick clk. The lock is dropped around each
 * call, so the slot is looked at anew each time. */
static void expire_slot(unsigned int i) REQUIRES(wheel.lock)
{
	struct cmwq_timer *t;

	while ((t = wheel.slot[0][i])) {
		void (*function)(struct cmwq_timer *) = t->function;

		dequeue(t);
		wheel.nr--;
		unlock(&wheel.lock);
		function(t);
		lock(&wheel.lock);
	}
	wheel.used[0][i / 64] &= ~(1ULL << (i % 64));
}

static void run_until(uint64_t now) REQUIRES(wheel.lock)
{
	wheel.expiring = true;
	while (wheel.clk <= now) {
		uint64_t next = next_event();

		if (next > now) {
			wheel.clk = now + 1;
			break;
		}
		wheel.clk = next;
		for (int level = LEVELS - 1; level > 0; level--) {
			unsigned int shift = level_shift(level);

			if (!(wheel.clk & ((1ULL << shift) - 1)))
				cascade(level,
					(wheel.clk >> shift) &
						(level_slots(level) - 1));
		}
		expire_slot(wheel.clk & (MAX_SLOTS - 1));
		wheel.clk++;
	}
	wheel.expiring = false;
}

/* Slots of one tick are stacks; a list in order of arming would cost a tail
 * pointer per slot and buy an order that nobody may rely on. */
void timer_add(struct cmwq_timer *timer, unsigned long delay_ms)
{
	uint64_t now = os_now();
	bool wake = false;
	uint64_t tick;

	if (delay_ms > MAX_DELTA)
		delay_ms = MAX_DELTA;
	tick = (now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC + delay_ms;
	lock(&wheel.lock);
	timer->expires = tick | wheel.epoch << EPOCH_SHIFT;
	if (!wheel.nr++ && !wheel.expiring && wheel.clk < now / NSEC_PER_MSEC)
		wheel.clk = now / NSEC_PER_MSEC;
	enqueue(timer);
	if (tick < wheel.programmed) {
		wheel.programmed = tick;
		wake = true;
	}
	unlock(&wheel.lock);
	if (wake)
		timer_wake();
}

bool timer_del(struct cmwq_timer *timer)
{
	bool armed;

	lock(&wheel.lock);
	armed = timer->pprev && timer->expires >> EPOCH_SHIFT == wheel.epoch;
	if (armed) {
		dequeue(timer);
		wheel.nr--;
	}
	unlock(&wheel.lock);
	return armed;
}

static void *timer_thread(void *arg)
{
	const struct os_thread_attr attr = {
		.name = "cmwq/timer",
		.cpu = -1,
		.punctual = true,
	};

	(void)arg;
	is_timer_thread = true;
	os_thread_setup(&attr);
	os_watch_cpus();
	for (;;) {
		uint32_t seen = atomic_load(&wheel.word);
		uint64_t now = os_now();
		uint64_t hook_next = wheel.hook(now);
		uint64_t next;

		lock(&wheel.lock);
		run_until(os_now() / NSEC_PER_MSEC);
		next = next_event();
		wheel.programmed = next;
		unlock(&wheel.lock);
		next = next == TIMER_NEVER ? next : next * NSEC_PER_MSEC;
		if (hook_next < next)
			next = hook_next;
		os_futex_wait(&wheel.word, seen,
			      next == TIMER_NEVER ? 0 : next);
	}
	return NULL;
}

int timer_start(uint64_t (*hook)(uint64_t now))
{
	wheel.hook = hook;
	return os_thread_create(timer_thread, NULL, STACK);
}

void timer_wake(void)
{
	atomic_fetch_add(&wheel.word, 1);
	os_futex_wake(&wheel.word, 1);
}

void timer_reset(void)
{
	lock_init(&wheel.lock, RANK_TIMER);
	memset(wheel.slot, 0, sizeof(wheel.slot));
	memset(wheel.used, 0, sizeof(wheel.used));
	wheel.epoch = (wheel.epoch + 1) & EPOCH_MASK;
	wheel.nr = 0;
	wheel.expiring = false;
	wheel.programmed = 0;
	is_timer_thread = false;
}

bool timer_is_current_thread(void)
{
	return is_timer_thread;
}
