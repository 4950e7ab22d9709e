// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

/** What a task costs: submitted from outside, by itself, and with a waiter. */
final class Throughput {
	private static final int MILLION = 1000000;

	private Throughput() {
	}

	/** Says that it ran, in a counter of its thread. */
	private static final class Noop extends Task {
		private static final long serialVersionUID = 1;

		@Override
		public void run() {
			((Pool.Worker)Thread.currentThread()).ran().add();
		}
	}

	/** Threads outside the pool submit a million tasks. */
	static void submit(Pool pool, int producers) throws Exception {
		int n = Peer.amount(MILLION) / producers * producers;

		for (int i = 0; i < 6; i++)
			submitRun(pool, producers, n / 10 / producers * producers);
		Peer.emit("item_ns", (double)submitRun(pool, producers, n) / n);
	}

	private static long submitRun(Pool pool, int producers, int n)
			throws Exception {
		Task[] tasks = new Task[n];
		CountDownLatch gun = new CountDownLatch(1);
		int each = n / producers;

		for (int i = 0; i < n; i++)
			tasks[i] = new Noop();
		pool.start();
		for (int p = 1; p < producers; p++) {
			int from = p * each;

			new Thread(() -> {
				Clock.await(gun);
				send(pool, tasks, from, from + each);
			}).start();
		}
		System.gc();
		long start = System.nanoTime();
		gun.countDown();
		send(pool, tasks, 0, each);
		while (pool.ran() < n)
			LockSupport.parkNanos(20 * Clock.USEC);
		long took = System.nanoTime() - start;
		pool.stop();
		return took;
	}

	private static void send(Pool pool, Task[] tasks, int from, int to) {
		for (int i = from; i < to; i++)
			pool.execute(tasks[i]);
	}

	/** One task that executes itself again. */
	private static final class Link extends Task {
		private static final long serialVersionUID = 1;
		private final transient Pool pool;
		private final transient CountDownLatch end = new CountDownLatch(1);
		private int left;

		Link(Pool pool, int n) {
			this.pool = pool;
			left = n;
		}

		@Override
		public void run() {
			if (--left > 0)
				pool.again(this);
			else
				end.countDown();
		}

		@Override
		protected boolean done() {
			return false; // executed again, and that one may be on
		}
	}

	static void chain(Pool pool) throws Exception {
		int n = Peer.amount(MILLION);

		for (int i = 0; i < 4; i++)
			chainRun(pool, n / 10);
		Peer.emit("item_ns", (double)chainRun(pool, n) / n);
	}

	private static long chainRun(Pool pool, int n) throws Exception {
		Link task = new Link(pool, n);

		pool.start();
		System.gc();
		long start = System.nanoTime();
		pool.execute(task);
		task.end.await();
		long took = System.nanoTime() - start;
		pool.stop();
		return took;
	}

	/** Waits for one result at a time, through its Future. */
	static void pingpong(Pool pool) throws Exception {
		long[] trips = new long[Peer.amount(20000)];
		Runnable task = () -> { };

		pool.start();
		for (int i = Peer.warm(60000); i > 0; i--)
			pool.submit(task).get();
		System.gc();
		for (int i = 0; i < trips.length; i++) {
			long start = System.nanoTime();
			pool.submit(task).get();
			trips[i] = System.nanoTime() - start;
		}
		Clock.emitLatency(trips, 50, 99);
	}

	/** Ends the process in the first task, for whoever takes the time of that. */
	static void startup(Pool pool) throws Exception {
		pool.start();
		pool.submit(() -> System.exit(0)).get();
	}
}
