/* SPDX-License-Identifier: MIT */
/*
 * timer - the wheel behind delayed work, and the library's one timer thread.
 *
 * Seven levels of slots; level 0 has a slot per tick of 1/256 ms (3.9 us), level 1
 * one per half a millisecond, and each further level slots as long as the one before
 * it in all. Timers cascade down as their time comes near, so arming and disarming
 * are O(1) and a timer is never more than its own tick late. A deadline is
 * rounded up, so it is never early: to a tick, or to half a millisecond, with which
 * most delays are content; these share wakeups. One that is not wakes the thread
 * once more, when its half begins.
 *
 * The upper bits of a timer's expires hold the epoch in which it was armed: in a
 * forked child the timers of the parent are idle without being visited.
 *
 * Arming makes a system call only if the thread would sleep too long. Until it has
 * seen that, everybody who arms one so early makes it: the first who did may have
 * stopped before that. A slot's bitmap bit may outlive its last timer: that costs
 * one look.
 *
 * Reading the clock is half the price of arming. While far timers come densely it is
 * read for a batch of them at once. They wait on a list of their own, their delay in
 * expires, until somebody reads the clock with the lock held. That is after each was
 * armed, so none is early; and at most 4 ms after, by which one of 4 s or more may
 * be late: the thread is going to look by then. When DENSE of them have come within
 * 4 ms it is woken and has attention paid from then on (attentive); it looks every
 * 4 ms, and ends this when fewer have come, so after a stream it looks once or twice.
 *
 * Locks: everything is under wheel.lock, but for the futex word, and for a first
 * look at attentive.
 */
#include "timer.h"

#include <string.h>

#include "lock.h"
#include "log.h"
#include "os.h"
#include "os_probe.h"

#define MS_BITS	    8 /* of a tick, below those of the millisecond */
#define STEP_BITS   7 /* below those of what most delays end at */
#define STEP_NS	    (NSEC_PER_MSEC >> (MS_BITS - STEP_BITS))
#define LOW_BITS    16 /* of levels 0 and 1 */
#define HIGH_BITS   6  /* of each further one */
#define LEVELS	    7
#define NR_LOW	    ((1U << STEP_BITS) + (1U << (LOW_BITS - STEP_BITS)))
#define NR_SLOTS    (NR_LOW + (LEVELS - 2) * (1U << HIGH_BITS))
#define MAX_DELTA   ((1ULL << (LOW_BITS + HIGH_BITS * (LEVELS - 2))) - 1)
#define MAX_MS	    (MAX_DELTA >> MS_BITS)
#define EPOCH_BITS  12
#define EPOCH_SHIFT (64 - EPOCH_BITS)
#define EPOCH_MASK  ((1ULL << EPOCH_BITS) - 1)
#define STACK	    (256 * 1024)

#define GIVE_WAY_EVERY 256

#define LOOK_NS (4 * NSEC_PER_MSEC)
#define FAR_MS	4000 /* a thousand times as long */
#define DENSE	1024 /* armings in LOOK_NS that pay for a wakeup */
#define BATCH	64

static struct {
	_Alignas(64) struct lock lock;
	struct cmwq_timer *fresh; /* armed since the clock was read */
	uint64_t epoch;	  /* counts forks; timers of older ones are idle */
	unsigned long nr; /* armed timers */
	unsigned int far; /* far timers armed since a look at their number */
	bool expiring;	  /* clk belongs to the thread that calls functions */
	bool dense;	  /* somebody found that the thread should attend */
	uint32_t looks;	  /* of the thread */
	_Atomic bool attentive;
	uint64_t clk;	     /* first tick that has not been processed */
	uint64_t programmed; /* tick until which the thread sleeps; its own */
	uint64_t looked;     /* when far was 0, in ns */
	struct cmwq_timer *slot[NR_SLOTS]; /* of all levels */
	uint64_t used[NR_SLOTS / 64];
	_Atomic uint32_t word; /* counts reasons to look; the futex */
	uint64_t (*hook)(uint64_t now);
} wheel = { .lock = LOCK_INITIALIZER(RANK_TIMER) };

static __thread bool is_timer_thread;

/* Of a tick, below those that number the slots of a level. */
static unsigned int level_shift(int level)
{
	if (level < 2)
		return level ? STEP_BITS : 0;
	return LOW_BITS + HIGH_BITS * ((unsigned int)level - 2);
}

static unsigned int level_slots(int level)
{
	return 1U << (level_shift(level + 1) - level_shift(level));
}

static unsigned int level_first(int level)
{
	if (level < 2)
		return level ? 1U << STEP_BITS : 0;
	return NR_LOW + ((unsigned int)level - 2) * (1U << HIGH_BITS);
}

/* The slot of a tick on a level. */
static unsigned int slot_of(int level, uint64_t tick)
{
	unsigned int i = (unsigned int)(tick >> level_shift(level));

	return level_first(level) + (i & (level_slots(level) - 1));
}

/* 256 ticks are 10^6 ns, so 4 are 15625. */
static uint64_t ns_to_tick(uint64_t ns)
{
	return ns * 4 / 15625;
}

static uint64_t ns_to_tick_up(uint64_t ns)
{
	return (ns * 4 + 15624) / 15625;
}

static uint64_t tick_to_ns(uint64_t tick)
{
	uint64_t rest = tick & ((1 << MS_BITS) - 1);

	return (tick >> MS_BITS) * NSEC_PER_MSEC + (rest * 15625 + 3) / 4;
}

/* When a delay in milliseconds ends that begins now. */
static uint64_t deadline(uint64_t now, uint64_t delay_ms)
{
	return ((now + STEP_NS - 1) / STEP_NS << STEP_BITS) +
	       (delay_ms << MS_BITS);
}

static uint64_t expires_tick(const struct cmwq_timer *t)
{
	return t->expires & ~(EPOCH_MASK << EPOCH_SHIFT);
}

/* Of memory that may have been overwritten: do its links lead back to it? */
static bool is_linked(const struct cmwq_timer *t) REQUIRES(wheel.lock)
{
	struct cmwq_timer copy, *there;

	return os_probe_copy(&copy, t, sizeof(copy)) && copy.pprev &&
	       copy.expires >> EPOCH_SHIFT == wheel.epoch &&
	       os_probe_copy(&there, copy.pprev, sizeof(there)) && there == t;
}

/* With CMWQ_DEBUG=objects: what was overwritten is cut off, and with it what is
 * behind it. */
static void verify(struct cmwq_timer **link) REQUIRES(wheel.lock)
{
	struct cmwq_timer *t = *link;

	if (!t || (is_linked(t) && t->pprev == link &&
		   os_probe_code((void *)(uintptr_t)t->function)))
		return;
	log_later("%s at %p was overwritten while it was armed; it is lost, "
		  "and so may be others of about the same time",
		  "timer", t);
	*link = NULL;
}

/* The first one of a slot; it can be dequeued. */
static struct cmwq_timer *first_of(struct cmwq_timer **slot)
	REQUIRES(wheel.lock)
{
	if (os_checks_items()) {
		verify(slot);
		if (*slot)
			verify(&(*slot)->next);
	}
	return *slot;
}

static void push(struct cmwq_timer *t, struct cmwq_timer **slot)
	REQUIRES(wheel.lock)
{
	t->next = first_of(slot);
	if (t->next)
		t->next->pprev = &t->next;
	t->pprev = slot;
	*slot = t;
}

static void enqueue(struct cmwq_timer *t) REQUIRES(wheel.lock)
{
	uint64_t tick = expires_tick(t);
	uint64_t when = tick < wheel.clk ? wheel.clk : tick;
	uint64_t delta = when - wheel.clk;
	unsigned int i;
	int level = 0;

	if (delta > MAX_DELTA) {
		when = wheel.clk + MAX_DELTA;
		delta = MAX_DELTA;
	}
	while (delta >= (uint64_t)level_slots(level) << level_shift(level))
		level++;
	i = slot_of(level, when);
	wheel.used[i / 64] |= 1ULL << (i % 64);
	push(t, &wheel.slot[i]);
}

static void dequeue(struct cmwq_timer *t)
{
	*t->pprev = t->next;
	if (t->next)
		t->next->pprev = t->pprev;
	t->pprev = NULL;
}

/* It may have been cut off. */
static void unlink_armed(struct cmwq_timer *t) REQUIRES(wheel.lock)
{
	if (os_checks_items()) {
		if (!is_linked(t)) {
			t->pprev = NULL;
			return;
		}
		verify(&t->next);
	}
	dequeue(t);
}

/* Distance from slot @from to the next used one, circularly; slots if none. */
static unsigned int next_used(int level, unsigned int from)
{
	unsigned int first = level_first(level);
	unsigned int n = level_slots(level);
	unsigned int d = 0;

	while (d < n) {
		unsigned int i = first + ((from + d) & (n - 1));
		uint64_t word = wheel.used[i / 64] >> (i % 64);

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

/* A slot may hold millions: others get the lock in between, and take timers from
 * what is left of it as from any list. */
static void cascade(unsigned int i) REQUIRES(wheel.lock)
{
	struct cmwq_timer *all = first_of(&wheel.slot[i]), *t;
	unsigned int n = 0;

	wheel.slot[i] = NULL;
	wheel.used[i / 64] &= ~(1ULL << (i % 64));
	if (all)
		all->pprev = &all;
	while ((t = first_of(&all))) {
		dequeue(t);
		enqueue(t);
		if (!(++n % GIVE_WAY_EVERY))
			lock_give_way(&wheel.lock);
	}
}

/* Call what is due in the slot of tick clk. The lock is dropped around each
 * call, so the slot is looked at anew each time. */
static void expire_slot(unsigned int i) REQUIRES(wheel.lock)
{
	struct cmwq_timer *t;

	while ((t = first_of(&wheel.slot[i]))) {
		void (*function)(struct cmwq_timer *) = t->function;

		dequeue(t);
		wheel.nr--;
		unlock(&wheel.lock);
		function(t);
		lock(&wheel.lock);
	}
	wheel.used[i / 64] &= ~(1ULL << (i % 64));
}

/* What was armed since is put where it belongs, as if it were armed now. */
static void settle(uint64_t now) REQUIRES(wheel.lock)
{
	struct cmwq_timer *t;

	while ((t = first_of(&wheel.fresh))) {
		dequeue(t);
		t->expires = deadline(now, expires_tick(t)) |
			     wheel.epoch << EPOCH_SHIFT;
		enqueue(t);
	}
}

static void run_until(uint64_t now) REQUIRES(wheel.lock)
{
	wheel.expiring = true;
	while (wheel.clk <= now) {
		uint64_t next;

		/* Before clk goes on: a slot that it passes must be seen. */
		if (unlikely(wheel.fresh))
			settle(os_now());
		next = next_event();
		if (next > now) {
			wheel.clk = now + 1;
			break;
		}
		wheel.clk = next;
		for (int level = LEVELS - 1; level > 0; level--) {
			unsigned int shift = level_shift(level);

			if (!(wheel.clk & ((1ULL << shift) - 1)))
				cascade(slot_of(level, wheel.clk));
		}
		expire_slot(slot_of(0, wheel.clk));
		wheel.clk++;
	}
	wheel.expiring = false;
}

/* Without attention: far timers come so densely that it should be paid. */
static bool is_dense(uint64_t now) REQUIRES(wheel.lock)
{
	if (++wheel.far < DENSE)
		return false;
	wheel.dense = now - wheel.looked < LOOK_NS;
	wheel.looked = now;
	wheel.far = 0;
	return wheel.dense;
}

/*
 * The caller has woken the thread, which may take two ticks of the system to run. If it
 * has not looked since @looks, it will; if it has, it has decided by itself, and may not
 * look again.
 */
static void attend_at_once(uint32_t looks)
{
	lock(&wheel.lock);
	if (wheel.looks == looks)
		atomic_store_explicit(&wheel.attentive, true,
				      memory_order_relaxed);
	unlock(&wheel.lock);
}

/* Slots of one tick are stacks; a list in order of arming would cost a tail
 * pointer per slot and buy an order that nobody may rely on. */
static void add(struct cmwq_timer *timer, uint64_t tick, uint64_t now, bool far)
{
	bool dense, wake;
	uint32_t looks;

	lock(&wheel.lock);
	timer->expires = tick | wheel.epoch << EPOCH_SHIFT;
	if (!wheel.nr++ && !wheel.expiring && wheel.clk < ns_to_tick(now))
		wheel.clk = ns_to_tick(now);
	enqueue(timer);
	dense = far && is_dense(now);
	wake = dense || tick < wheel.programmed;
	looks = wheel.looks;
	unlock(&wheel.lock);
	if (wake)
		timer_wake();
	if (dense)
		attend_at_once(looks);
}

/* While attention is paid. */
static bool add_fresh(struct cmwq_timer *timer, unsigned long delay_ms)
{
	bool attentive;

	lock(&wheel.lock);
	attentive =
		atomic_load_explicit(&wheel.attentive, memory_order_relaxed);
	if (likely(attentive)) {
		timer->expires = delay_ms | wheel.epoch << EPOCH_SHIFT;
		wheel.nr++;
		push(timer, &wheel.fresh);
		if (!(++wheel.far % BATCH))
			settle(os_now());
	}
	unlock(&wheel.lock);
	return attentive;
}

void timer_add(struct cmwq_timer *timer, unsigned long delay_ms)
{
	uint64_t now;

	if (unlikely(delay_ms > MAX_MS))
		delay_ms = MAX_MS;
	if (delay_ms >= FAR_MS &&
	    atomic_load_explicit(&wheel.attentive, memory_order_relaxed) &&
	    add_fresh(timer, delay_ms))
		return;
	now = os_now();
	add(timer, deadline(now, delay_ms), now, delay_ms >= FAR_MS);
}

void timer_add_ns(struct cmwq_timer *timer, uint64_t delay_ns)
{
	uint64_t now = os_now();

	if (delay_ns / NSEC_PER_MSEC >= MAX_MS)
		delay_ns = MAX_MS * NSEC_PER_MSEC;
	add(timer, ns_to_tick_up(now + delay_ns), now, false);
}

bool timer_del(struct cmwq_timer *timer)
{
	bool armed;

	lock(&wheel.lock);
	armed = timer->pprev && timer->expires >> EPOCH_SHIFT == wheel.epoch;
	if (armed) {
		unlink_armed(timer);
		wheel.nr--;
	}
	unlock(&wheel.lock);
	return armed;
}

bool timer_is_armed(const struct cmwq_timer *timer)
{
	bool armed;

	lock(&wheel.lock);
	armed = is_linked(timer);
	unlock(&wheel.lock);
	return armed;
}

/* Is it worth while to promise a look? What is decided holds until then. */
static void attend(uint64_t now) REQUIRES(wheel.lock)
{
	bool attentive =
		atomic_load_explicit(&wheel.attentive, memory_order_relaxed);

	if (likely(!attentive && !wheel.dense))
		return;
	if (attentive && now - wheel.looked < LOOK_NS)
		return;
	atomic_store_explicit(&wheel.attentive,
			      wheel.dense || wheel.far >= DENSE,
			      memory_order_relaxed);
	wheel.dense = false;
	wheel.looked = now;
	wheel.far = 0;
}

/* Tick until which it may sleep. */
static uint64_t look(void)
{
	uint64_t now, next;

	lock(&wheel.lock);
	now = os_now();
	wheel.looks++;
	attend(now);
	settle(now);
	run_until(ns_to_tick(now));
	next = next_event();
	if (atomic_load_explicit(&wheel.attentive, memory_order_relaxed) &&
	    ns_to_tick_up(wheel.looked + LOOK_NS) < next)
		next = ns_to_tick_up(wheel.looked + LOOK_NS);
	wheel.programmed = next;
	unlock(&wheel.lock);
	return next;
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
		uint64_t next = look();

		next = next == TIMER_NEVER ? next : tick_to_ns(next);
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
	wheel.fresh = NULL;
	wheel.far = 0;
	wheel.dense = false;
	atomic_store(&wheel.attentive, false);
	is_timer_thread = false;
}

bool timer_is_current_thread(void)
{
	return is_timer_thread;
}
