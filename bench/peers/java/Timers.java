// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * ScheduledThreadPoolExecutor, Java's timers for either pool, with one thread.
 * Cancelled tasks are removed at once, as its documentation advises where many
 * are cancelled long before they are due.
 */
final class Timers {
	private Timers() {
	}

	private static ScheduledThreadPoolExecutor newTimers() {
		ScheduledThreadPoolExecutor s = new ScheduledThreadPoolExecutor(1);

		s.setRemoveOnCancelPolicy(true);
		s.prestartAllCoreThreads();
		return s;
	}

	private static void pairs(ScheduledThreadPoolExecutor s, int n) {
		Runnable none = () -> { };

		for (int i = 0; i < n; i++)
			s.schedule(none, 60, TimeUnit.SECONDS).cancel(false);
	}

	static void pair() {
		ScheduledThreadPoolExecutor s = newTimers();
		int n = Peer.amount(1000000);

		for (int i = 0; i < 10; i++)
			pairs(s, n / 20);
		System.gc();
		long start = System.nanoTime();
		pairs(s, n);
		Peer.emit("pair_ns", (double)(System.nanoTime() - start) / n);
	}

	/**
	 * The i-th is armed for 200 ms and i times 10 us from then on, so that they
	 * end spread over a second.
	 */
	private static final class Batch {
		private final long[] late;
		private final CountDownLatch left;

		Batch(int n) {
			late = new long[n];
			left = new CountDownLatch(n);
		}

		void run(ScheduledThreadPoolExecutor s) throws Exception {
			for (int i = 0; i < late.length; i++)
				arm(s, i, 200 * Clock.MSEC +
					  i * Clock.SEC / late.length);
			left.await();
		}

		private void arm(ScheduledThreadPoolExecutor s, int i, long delay) {
			long due = System.nanoTime() + delay;

			s.schedule(() -> {
				late[i] = System.nanoTime() - due;
				left.countDown();
			}, delay, TimeUnit.NANOSECONDS);
		}
	}

	static void late() throws Exception {
		ScheduledThreadPoolExecutor s = newTimers();
		Batch batch = new Batch(Peer.amount(100000));

		for (int i = 0; i < 3; i++)
			new Batch(Peer.amount(20000)).run(s);
		System.gc();
		batch.run(s);
		Clock.emitLatency(batch.late, 50, 99, 100, 0);
	}
}
