/* SPDX-License-Identifier: MIT */
/*
 * lines.c - the operations of the library, between marks, for lines.py.
 *
 * valgrind writes down every instruction and every store of this process; here each
 * operation is done 16 times for either of two CPUs that are far from each other,
 * between stores to two marks. Run as lines.py does: with a pretended machine on
 * which the first CPU and the last one are in different shards of one cache, and
 * without detectors, whose wakeups would come in between.
 *
 * It is the state that matters when much is to be done: pools are full, work
 * waits in them, the tick is on.
 */
#include <stdlib.h>
#include <cmwq/cmwq.h>
#include <cmwq/cpumask.h>
#include "bench.h"

#define NR_TIMES 16
#define NR_SIDES 2
#define POD_CPUS 8 /* of a shard */
#define FAR_MS	 60000
#define NR_KINDS 2

enum op {
	QUEUE_PERCPU,
	QUEUE_UNBOUND,
	RUN_PERCPU,
	RUN_UNBOUND,
	REQUEUE_PERCPU,
	REQUEUE_UNBOUND,
	ARM,
	CANCEL,
	FLUSH_IDLE,
	NR_OPS
}; /* the unbound one comes after the per-CPU one */

static const char *const op_names[NR_OPS] = {
	[QUEUE_PERCPU] = "queue_work(), per-CPU",
	[QUEUE_UNBOUND] = "queue_work(), unbound",
	[RUN_PERCPU] = "run one item, per-CPU",
	[RUN_UNBOUND] = "run one item, unbound",
	[REQUEUE_PERCPU] = "queue_work() by the item itself, per-CPU",
	[REQUEUE_UNBOUND] = "queue_work() by the item itself, unbound",
	[ARM] = "queue_delayed_work()",
	[CANCEL] = "cancel_delayed_work()",
	[FLUSH_IDLE] = "flush_work(), idle item",
};

static struct {
	_Alignas(CACHELINE) volatile unsigned long opens;
	_Alignas(CACHELINE) volatile unsigned long closes;
} marks[NR_OPS][NR_SIDES];

/* An item is a line, or with its timer two, and on no other's. */
static struct item {
	_Alignas(CACHELINE) struct work_struct work;
	struct gate let_go;
	int side, kind;
} items[NR_KINDS][NR_SIDES][NR_TIMES], full[NR_KINDS][NR_SIDES][POD_CPUS],
	requeued[NR_KINDS][NR_SIDES];
static struct {
	_Alignas(CACHELINE) struct delayed_work dw;
} delayed[NR_SIDES][NR_TIMES];

static struct workqueue_struct *queues[NR_KINDS];
static atomic_int nr_there, nr_done;

static int cpu_of(int side)
{
	return side ? (int)nr_cpu_ids - 1 : 0;
}

static void await(atomic_int *n, int value)
{
	while (atomic_load(n) < value)
		sleep_ns(NSEC_PER_MSEC);
}

static void full_item(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);

	atomic_fetch_add(&nr_there, 1);
	gate_wait(&it->let_go);
	atomic_fetch_add(&nr_done, 1);
}

/* How many workers an unbound pool runs, and a per-CPU one. */
static int nr_full(int kind)
{
	return kind ? POD_CPUS : 1;
}

static void fill_pools(void)
{
	int i, n = 0, kind, side;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (side = 0; side < NR_SIDES; side++) {
			for (i = 0; i < nr_full(kind); i++, n++) {
				INIT_WORK(&full[kind][side][i].work, full_item);
				queue_work_on(cpu_of(side), queues[kind],
					      &full[kind][side][i].work);
			}
		}
	}
	await(&nr_there, n);
}

static void nothing(struct work_struct *work)
{
	(void)work;
	atomic_fetch_add(&nr_done, 1);
}

/* The window is from the end of one item's function to the start of the next's. */
static void timed_item(struct work_struct *work)
{
	struct item *it = from_work(it, work, work);
	enum op op = (enum op)(RUN_PERCPU + it->kind);

	marks[op][it->side].closes = 1;
	atomic_fetch_add(&nr_done, 1);
	if (it != &items[it->kind][it->side][NR_TIMES - 1])
		marks[op][it->side].opens = 1;
}

static void queue_timed(int kind, int side, int i)
{
	struct item *it = &items[kind][side][i];
	enum op op = (enum op)(QUEUE_PERCPU + kind);

	INIT_WORK(&it->work, timed_item);
	it->kind = kind;
	it->side = side;
	marks[op][side].opens = 1;
	queue_work_on(cpu_of(side), queues[kind], &it->work);
	marks[op][side].closes = 1;
}

/* From then on the tick is on: the timer thread has been through its duties when
 * it fires what is armed after that, for a pool that is not full. */
static void turn_on_tick(void)
{
	static DECLARE_WORK(one, nothing);
	static DECLARE_WORK(other, nothing);
	static DECLARE_DELAYED_WORK(timed, nothing);

	queue_work_on(cpu_of(0), queues[0], &one);
	queue_work_on(cpu_of(1), queues[0], &other);
	queue_delayed_work(system_highpri_wq, &timed, 1);
	while (delayed_work_pending(&timed))
		sleep_ns(NSEC_PER_MSEC);
}

static void do_queue(void)
{
	int i, kind, side;

	for (kind = 0; kind < NR_KINDS; kind++)
		for (i = 0; i < NR_TIMES; i++)
			for (side = 0; side < NR_SIDES; side++)
				queue_timed(kind, side, i);
}

static void do_run(void)
{
	int before, kind, side;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (side = 0; side < NR_SIDES; side++) {
			before = atomic_load(&nr_done);
			gate_open(&full[kind][side][0].let_go);
			await(&nr_done, before + 1 + NR_TIMES);
		}
	}
}

static void requeued_item(struct work_struct *work)
{
	static int n;
	struct item *it = from_work(it, work, work);
	enum op op = (enum op)(REQUEUE_PERCPU + it->kind);

	if (n++ % (NR_TIMES + 1) == NR_TIMES) {
		atomic_fetch_add(&nr_done, 1);
		return;
	}
	marks[op][it->side].opens = 1;
	queue_work_on(cpu_of(it->side), queues[it->kind], work);
	marks[op][it->side].closes = 1;
}

static void do_requeue(void)
{
	int before, kind, side;

	for (kind = 0; kind < NR_KINDS; kind++) {
		for (side = 0; side < NR_SIDES; side++) {
			struct item *it = &requeued[kind][side];

			INIT_WORK(&it->work, requeued_item);
			it->kind = kind;
			it->side = side;
			before = atomic_load(&nr_done);
			queue_work_on(cpu_of(side), queues[kind], &it->work);
			await(&nr_done, before + 1);
		}
	}
}

/* One is armed that is earlier, as it is in a program with many. */
static void do_timers(void)
{
	static DECLARE_DELAYED_WORK(earlier, nothing);
	int i, side;

	queue_delayed_work(queues[0], &earlier, FAR_MS / 2);
	for (i = 0; i < NR_TIMES; i++) {
		for (side = 0; side < NR_SIDES; side++) {
			struct delayed_work *dw = &delayed[side][i].dw;

			INIT_DELAYED_WORK(dw, nothing);
			marks[ARM][side].opens = 1;
			queue_delayed_work_on(cpu_of(side), queues[0], dw,
					      FAR_MS);
			marks[ARM][side].closes = 1;
			marks[CANCEL][side].opens = 1;
			cancel_delayed_work(dw);
			marks[CANCEL][side].closes = 1;
		}
	}
	cancel_delayed_work(&earlier);
}

static void do_flush(void)
{
	int i, side;

	for (i = 0; i < NR_TIMES; i++) {
		for (side = 0; side < NR_SIDES; side++) {
			marks[FLUSH_IDLE][side].opens = 1;
			flush_work(&items[0][side][i].work);
			marks[FLUSH_IDLE][side].closes = 1;
		}
	}
}

static void end_rest(void)
{
	int i, kind, side;

	for (kind = 0; kind < NR_KINDS; kind++)
		for (side = 0; side < NR_SIDES; side++)
			for (i = 1; i < nr_full(kind); i++)
				gate_open(&full[kind][side][i].let_go);
	for (kind = 0; kind < NR_KINDS; kind++)
		flush_workqueue(queues[kind]);
}

/* Where things are: marks, what is an item's, what is of this program only, and
 * where the library is. */
static void print_places(void)
{
	int op, side;

	printf("stack %p\n", (void *)&op);
	for (op = 0; op < NR_OPS; op++)
		for (side = 0; side < NR_SIDES; side++)
			printf("op %d %d %p %p %s\n", op, side,
			       (void *)&marks[op][side].opens,
			       (void *)&marks[op][side].closes, op_names[op]);
	printf("item %p %p\n", (void *)items,
	       (void *)((char *)items + sizeof(items)));
	printf("item %p %p\n", (void *)delayed,
	       (void *)((char *)delayed + sizeof(delayed)));
	printf("item %p %p\n", (void *)requeued,
	       (void *)((char *)requeued + sizeof(requeued)));
	printf("function %p queue_work\n", (void *)(uintptr_t)queue_work);
	fflush(stdout);
}

static void print_maps(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];

	if (!f)
		die("/proc is needed");
	while (fgets(line, sizeof(line), f))
		printf("map %s", line);
	fclose(f);
	fflush(stdout);
}

int lines(void)
{
	workqueue_init_topology();
	queues[0] = alloc_workqueue("lines", WQ_PERCPU, 0);
	queues[1] = alloc_workqueue("lines", WQ_UNBOUND, 0);
	print_places();
	getchar(); /* lines.py has read them */
	fill_pools();
	turn_on_tick();
	do_queue();
	do_timers();
	do_run();
	do_requeue();
	do_flush();
	end_rest();
	print_maps();
	return BENCH_OK;
}
