/* SPDX-License-Identifier: MIT */
/*
 * storm.c - see storm.h.
 *
 * Deterministic, because one thread controls it and everything comes to rest after
 * each operation (come_to_rest()). Each run of an item waits at its gate, where
 * an operation lets it go on. "Will not start" has no event of its own: probe items
 * go through the same pools, and as pools start items in order, what is still
 * pending behind a probe that has run is held up by something else than time.
 *
 * An operation that waits (flush, drain, cancel_sync, ...) is called from a thread
 * of its own. If it blocks, all gates are opened, one at a time, until nothing runs
 * and nothing waits: however far the operation itself would have waited, the
 * outcome is one and the same.
 *
 * A timer is armed for an hour, or for a jiffy, and then a probe is armed behind
 * it, in the same way for two jiffies more.
 *
 * Where items may start side by side, on different CPUs or on an unbound workqueue
 * with a higher max_active, the order is recorded for each CPU, or not at all.
 */
#include "storm.h"

#include "case.h"

#define NR_ITEMS 5
#define MAX_OPS	 24
#define HOUR_MS	 3600000

enum kind {
	ONE_PERCPU,
	TWO_PERCPU,
	HIGHPRI,
	ORDERED,
	UNBOUND,
	NR_KINDS
};

enum opcode {
	OP_GO, /* lets an item that runs finish this run */
	OP_QUEUE,
	OP_QUEUE_ON,
	OP_DELAYED,
	OP_DELAYED_ON,
	OP_MOD,
	OP_MOD_ON,
	OP_CANCEL,
	OP_CANCEL_DELAYED,
	OP_CANCEL_SYNC,
	OP_CANCEL_DELAYED_SYNC,
	OP_DISABLE,
	OP_DISABLE_SYNC,
	OP_ENABLE,
	OP_FLUSH_WORK,
	OP_FLUSH_DELAYED,
	OP_FLUSH,
	OP_DRAIN,
	OP_MAX_ACTIVE,
	OP_AGAIN, /* the item will queue itself at the end of this or its next run */
	NR_OPS
};

static const char *const op_name[] = {
	"go",
	"queue",
	"queue_on",
	"delayed",
	"delayed_on",
	"mod",
	"mod_on",
	"cancel",
	"cancel_delayed",
	"cancel_sync",
	"cancel_delayed_sync",
	"disable",
	"disable_sync",
	"enable",
	"flush_work",
	"flush_delayed",
	"flush",
	"drain",
	"max_active",
	"again",
};

/* How often each comes up. */
static const unsigned char weight[NR_OPS] = {
	[OP_GO] = 26,
	[OP_QUEUE] = 26,
	[OP_QUEUE_ON] = 8,
	[OP_DELAYED] = 5,
	[OP_DELAYED_ON] = 3,
	[OP_MOD] = 8,
	[OP_MOD_ON] = 3,
	[OP_CANCEL] = 8,
	[OP_CANCEL_DELAYED] = 5,
	[OP_CANCEL_SYNC] = 3,
	[OP_CANCEL_DELAYED_SYNC] = 2,
	[OP_DISABLE] = 4,
	[OP_DISABLE_SYNC] = 2,
	[OP_ENABLE] = 7,
	[OP_FLUSH_WORK] = 3,
	[OP_FLUSH_DELAYED] = 3,
	[OP_FLUSH] = 2,
	[OP_DRAIN] = 2,
	[OP_MAX_ACTIVE] = 6,
	[OP_AGAIN] = 5,
};

struct op {
	enum opcode code;
	int item;
	int cpu;
	int delay; /* 0: none, 1: a jiffy, 2: an hour */
	int max_active;
};

struct sequence {
	enum kind kind;
	int max_active;
	int nr_ops;
	struct op op[MAX_OPS];
};

struct actor {
	struct item *it;
	struct workqueue_struct *wq;
	atomic_t at_gate;
	atomic_t again;
	atomic_t again_result;
	int disabled;
	bool far; /* its timer may be armed for an hour */
};

static struct {
	u32 seed, mask;
	struct sequence seq;
	struct actor actor[NR_ITEMS];
	struct workqueue_struct *wq[2];
	struct workqueue_struct *probe_wq;
	int max_active; /* the highest so far */
	bool waited;	/* something was held up since all was idle */
	atomic_t open;
	char started[2][64];
	atomic_t nr_started[2];
} st;

/* --- making a sequence --- */

static u32 next_random(u64 *state)
{
	u64 z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return (u32)((z ^ (z >> 31)) >> 32);
}

static int below(u64 *state, u32 n)
{
	return (int)(next_random(state) % n);
}

static enum opcode pick_op(u64 *state)
{
	int sum = 0, at, i;

	for (i = 0; i < NR_OPS; i++)
		sum += weight[i];
	at = below(state, (u32)sum);
	for (i = 0; at >= weight[i]; i++)
		at -= weight[i];
	return (enum opcode)i;
}

static void make_sequence(u32 seed, struct sequence *seq)
{
	u64 state = seed;
	int i;

	next_random(&state);
	seq->kind = (enum kind)below(&state, NR_KINDS);
	seq->max_active = 1 + below(&state, 3);
	seq->nr_ops = 4 + below(&state, MAX_OPS - 3);
	for (i = 0; i < seq->nr_ops; i++) {
		struct op *op = &seq->op[i];

		op->code = pick_op(&state);
		op->item = below(&state, NR_ITEMS);
		op->cpu = below(&state, 2);
		op->delay = below(&state, 3);
		op->max_active = 1 + below(&state, 4);
	}
}

static bool is_unbound(void)
{
	return st.seq.kind == ORDERED || st.seq.kind == UNBOUND;
}

/* --- the items --- */

static int actor_of(struct item *it)
{
	return it->letter - 'a';
}

static void note_start(struct item *it)
{
	int cpu = is_unbound() ? 0 : world_here();
	int at = atomic_inc_return(&st.nr_started[cpu]) - 1;

	if (at < (int)sizeof(st.started[0]))
		st.started[cpu][at] = it->letter;
}

static void stop_at_gate(struct item *it)
{
	struct actor *a = &st.actor[actor_of(it)];

	note_start(it);
	if (!atomic_read(&st.open)) {
		atomic_set(&a->at_gate, 1);
		wait_for_completion(&it->go);
	}
	if (atomic_read(&a->again)) {
		atomic_set(&a->again, 0);
		atomic_set(&a->again_result,
			   1 + queue_work_on(st.seq.kind == UNBOUND
						     ? world_cpu(0)
						     : WORK_CPU_UNBOUND,
					     a->wq, w(it)));
	}
}

static void let_go(struct actor *a)
{
	atomic_set(&a->at_gate, 0);
	go(a->it);
}

/* --- coming to rest --- */

static bool all_at_gates(void)
{
	int i;

	for (i = 0; i < NR_ITEMS; i++)
		if (!(work_busy(w(st.actor[i].it)) & WORK_BUSY_RUNNING) !=
		    !atomic_read(&st.actor[i].at_gate))
			return false;
	return true;
}

static int all_starts(void)
{
	return atomic_read(&st.nr_started[0]) + atomic_read(&st.nr_started[1]);
}

static void come_to_rest(void)
{
	int before;

	do {
		before = all_starts();
		WAIT(all_at_gates());
		settle(st.probe_wq, 0);
		if (!is_unbound())
			settle(st.probe_wq, 1);
		WAIT(all_at_gates());
	} while (all_starts() != before);
}

static struct actor *first_at_gate(void)
{
	int i;

	for (i = 0; i < NR_ITEMS; i++)
		if (atomic_read(&st.actor[i].at_gate))
			return &st.actor[i];
	return NULL;
}

static bool anything_queued(void)
{
	int i;

	for (i = 0; i < NR_ITEMS; i++)
		if (work_busy(w(st.actor[i].it)) & WORK_BUSY_RUNNING)
			return true;
	return false;
}

static void open_all_gates(struct thread *t)
{
	struct actor *a;

	atomic_set(&st.open, 1);
	while ((a = first_at_gate())) {
		let_go(a);
		come_to_rest();
	}
	WAIT(thread_done(t));
	come_to_rest();
	if (anything_queued())
		conf_failed(__LINE__, "something runs although all is open");
	atomic_set(&st.open, 0);
}

/* --- operations --- */

static bool arms(const struct op *op)
{
	return op->code == OP_DELAYED || op->code == OP_DELAYED_ON ||
	       op->code == OP_MOD || op->code == OP_MOD_ON;
}

static unsigned long delay_of(const struct op *op)
{
	return op->delay == 2 ? msecs_to_jiffies(HOUR_MS)
			      : (unsigned long)op->delay;
}

/*
 * An unbound workqueue has a line for each CPU in the kernel, and they take turns
 * (docs/CONFORMANCE.md); so all its items come from one. A short timer is bound to a
 * CPU, lest the kernel lets another one expire it and not the probe's.
 */
static int cpu_of(const struct op *op)
{
	bool on = op->code == OP_QUEUE_ON || op->code == OP_DELAYED_ON ||
		  op->code == OP_MOD_ON;

	if (st.seq.kind == UNBOUND)
		return world_cpu(0);
	if (on)
		return world_cpu(op->cpu);
	return arms(op) && op->delay == 1 ? world_cpu(0) : WORK_CPU_UNBOUND;
}

/* A short timer has fired when one that was armed behind it has. */
static void wait_for_timer(const struct op *op)
{
	struct item *probe = item('?');

	queue_delayed_work_on(cpu_of(op), st.probe_wq, dw(probe),
			      delay_of(op) + 2);
	wait_finished(probe, 1);
}

/*
 * Taking back an item by the functions for plain work waits for its timer, and so
 * is not done to one whose timer may be armed.
 */
static long waiting_op(void *arg)
{
	const struct op *op = arg;
	struct actor *a = &st.actor[op->item];

	switch (op->code) {
	case OP_CANCEL_SYNC:
		if (!a->far)
			return cancel_work_sync(w(a->it));
		return cancel_delayed_work_sync(dw(a->it));
	case OP_CANCEL_DELAYED_SYNC:
		return cancel_delayed_work_sync(dw(a->it));
	case OP_DISABLE_SYNC:
		a->disabled++;
		if (!a->far)
			return disable_work_sync(w(a->it));
		return disable_delayed_work_sync(dw(a->it));
	case OP_FLUSH_WORK:
		return flush_work(w(a->it));
	case OP_FLUSH_DELAYED:
		return flush_delayed_work(dw(a->it));
	case OP_FLUSH:
		flush_workqueue(a->wq);
		return 1;
	case OP_DRAIN:
		drain_workqueue(a->wq);
		return 1;
	default:
		return -1;
	}
}

static long wait_op(const struct op *op)
{
	struct thread t;
	bool blocked;

	thread_start(&t, 0, waiting_op, (void *)op);
	blocked = thread_blocked_for(&t, 2000);
	if (blocked)
		open_all_gates(&t);
	return thread_join(&t) + (blocked ? 10 : 0);
}

/*
 * The kernel keeps an unbound workqueue in line for its node's share, once an item
 * had to wait for it, until the next item ends, even if max_active is raised
 * meanwhile; cmwq does not (docs/CONFORMANCE.md).
 */
static long set_max_active(struct actor *a, int max_active)
{
	if (st.seq.kind == ORDERED || (st.seq.kind == UNBOUND && st.waited))
		return -1;
	workqueue_set_max_active(a->wq, max_active);
	if (max_active > st.max_active)
		st.max_active = max_active;
	return max_active;
}

static long enable(struct actor *a)
{
	if (!a->disabled)
		return -1;
	a->disabled--;
	return enable_delayed_work(dw(a->it));
}

static long let_go_op(struct actor *a)
{
	if (!atomic_read(&a->at_gate))
		return -1;
	let_go(a);
	return 1;
}

static long carry_out(const struct op *op)
{
	struct actor *a = &st.actor[op->item];
	int cpu = cpu_of(op);

	switch (op->code) {
	case OP_GO:
		return let_go_op(a);
	case OP_QUEUE:
	case OP_QUEUE_ON:
		return queue_work_on(cpu, a->wq, w(a->it));
	case OP_DELAYED:
	case OP_DELAYED_ON:
		return queue_delayed_work_on(cpu, a->wq, dw(a->it),
					     delay_of(op));
	case OP_MOD:
	case OP_MOD_ON:
		return mod_delayed_work_on(cpu, a->wq, dw(a->it), delay_of(op));
	case OP_CANCEL:
		if (!a->far)
			return cancel_work(w(a->it));
		return cancel_delayed_work(dw(a->it));
	case OP_CANCEL_DELAYED:
		return cancel_delayed_work(dw(a->it));
	case OP_DISABLE:
		a->disabled++;
		if (!a->far)
			return disable_work(w(a->it));
		return disable_delayed_work(dw(a->it));
	case OP_ENABLE:
		return enable(a);
	case OP_MAX_ACTIVE:
		return set_max_active(a, op->max_active);
	case OP_AGAIN:
		atomic_set(&a->again, 1);
		return pending(a->it);
	default:
		return wait_op(op);
	}
}

static void note_far(const struct op *op, long ret)
{
	struct actor *a = &st.actor[op->item];
	bool mod = op->code == OP_MOD || op->code == OP_MOD_ON;

	if (arms(op) && (ret || mod) && !a->disabled)
		a->far = op->delay == 2;
	else if (!pending(a->it))
		a->far = false;
	else if (op->code == OP_FLUSH_DELAYED)
		a->far = false;
}

static void note_waiting(void)
{
	bool idle = true;
	int i;

	for (i = 0; i < NR_ITEMS; i++) {
		struct actor *a = &st.actor[i];

		if (pending(a->it) && !a->far)
			st.waited = true;
		idle = idle && (!work_busy(w(a->it)) || a->far);
	}
	if (idle)
		st.waited = false;
}

/* --- the record --- */

static void take_starts(char *text, size_t size)
{
	int cpu, n;

	*text = 0;
	for (cpu = 0; cpu < (is_unbound() ? 1 : 2); cpu++) {
		n = atomic_read(&st.nr_started[cpu]);
		if (n > (int)sizeof(st.started[0]))
			n = (int)sizeof(st.started[0]);
		if (st.seq.kind == UNBOUND && st.max_active > 1)
			sort_letters(st.started[cpu], n);
		scnprintf(text + strlen(text), size - strlen(text), "%s%.*s",
			  cpu ? "/" : "", n, st.started[cpu]);
		atomic_set(&st.nr_started[cpu], 0);
	}
}

static void take_states(char *text)
{
	int i;

	for (i = 0; i < NR_ITEMS; i++) {
		struct actor *a = &st.actor[i];

		*text++ = ".prb"[work_busy(w(a->it)) & 3];
		if (atomic_read(&a->again_result)) {
			*text++ =
				(char)('0' + atomic_read(&a->again_result) - 1);
			atomic_set(&a->again_result, 0);
		}
	}
	*text = 0;
}

static void record_op(const struct op *op, long ret)
{
	char what[64], text[256], starts_text[160], states[3 * NR_ITEMS];

	take_starts(starts_text, sizeof(starts_text));
	take_states(states);
	scnprintf(what, sizeof(what), "%s(%c,%d,%d,%d)", op_name[op->code],
		  'a' + op->item, op->cpu, op->delay, op->max_active);
	scnprintf(text, sizeof(text), "%ld %s %s", ret, starts_text, states);
	conf_text(what, text, text, __LINE__);
}

/* --- a sequence from beginning to end --- */

static struct workqueue_struct *make_wq(const char *name, int max_active)
{
	switch (st.seq.kind) {
	case HIGHPRI:
		return alloc_workqueue("%s", WQ_PERCPU | WQ_HIGHPRI, max_active,
				       name);
	case ORDERED:
		return alloc_ordered_workqueue("%s", 0, name);
	case UNBOUND:
		return alloc_workqueue("%s", WQ_UNBOUND, max_active, name);
	default:
		return alloc_workqueue("%s", WQ_PERCPU, max_active, name);
	}
}

static void set_up(void)
{
	int i;

	st.max_active = st.seq.max_active;
	st.wq[0] = make_wq("storm0", st.seq.max_active);
	st.wq[1] = st.seq.kind == TWO_PERCPU
			   ? make_wq("storm1", st.seq.max_active)
			   : st.wq[0];
	st.probe_wq = make_wq("probe", 1);
	if (!st.wq[0] || !st.wq[1] || !st.probe_wq)
		conf_give_up("workqueues", __LINE__);
	for (i = 0; i < NR_ITEMS; i++) {
		struct actor *a = &st.actor[i];

		a->it = item((char)('a' + i));
		a->it->body = stop_at_gate;
		a->wq = st.wq[i % 2];
	}
}

static void tear_down(void)
{
	struct actor *a;
	int i;

	atomic_set(&st.open, 1);
	for (i = 0; i < NR_ITEMS; i++) {
		atomic_set(&st.actor[i].again, 0);
		cancel_delayed_work(dw(st.actor[i].it));
	}
	while ((a = first_at_gate())) {
		let_go(a);
		come_to_rest();
	}
	for (i = 0; i < NR_ITEMS; i++)
		while (st.actor[i].disabled--)
			enable_delayed_work(dw(st.actor[i].it));
	destroy_workqueue(st.wq[0]);
	if (st.wq[1] != st.wq[0])
		destroy_workqueue(st.wq[1]);
	destroy_workqueue(st.probe_wq);
}

static void run_sequence(void)
{
	int i;

	set_up();
	for (i = 0; i < st.seq.nr_ops; i++) {
		const struct op *op = &st.seq.op[i];
		long ret;

		if (!(st.mask & 1U << i))
			continue;
		ret = carry_out(op);
		if (arms(op) && op->delay == 1)
			wait_for_timer(op);
		come_to_rest();
		note_far(op, ret);
		note_waiting();
		record_op(op, ret);
	}
	tear_down();
}

static const struct conf_case one_sequence = {
	.name = "storm",
	.fn = run_sequence,
	.cpus = 2,
};

static struct conf_outcome run_seed(u32 seed, u32 mask)
{
	memset(&st, 0, sizeof(st));
	st.seed = seed;
	st.mask = mask;
	make_sequence(seed, &st.seq);
	return conf_run(&one_sequence, 120000);
}

/* FNV-1a. */
static u64 hash(u64 h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h;
}

void storm_run(u32 from, u32 count)
{
	char line[64];
	u32 seed;

	world_no_hogs();
	for (seed = from; seed < from + count; seed++) {
		struct conf_outcome o = run_seed(seed, ~0U);
		u64 h = hash(hash(0xcbf29ce484222325ULL, o.record), o.notes);
		int n = scnprintf(line, sizeof(line), "storm\t%u\t%016llx\n",
				  seed, (unsigned long long)h);

		storm_out(line, (size_t)n);
	}
}

void storm_replay(char *text)
{
	static char line[12288];
	char *next;
	u32 seed, mask;

	world_no_hogs();
	for (; text && *text; text = next) {
		struct conf_outcome o;
		int n;

		next = strchr(text, '\n');
		if (next)
			*next++ = 0;
		if (sscanf(text, "%u %x", &seed, &mask) != 2)
			continue;
		o = run_seed(seed, mask);
		n = scnprintf(line, sizeof(line), "replay\t%u\t%x\t%s\t%s\n",
			      seed, mask, o.record, o.notes);
		storm_out(line, (size_t)n);
	}
}
