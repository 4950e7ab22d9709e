// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/** 64 tasks asleep for a second, and an instant one that must not wait for them. */
final class Blocked {
	private static final int SLEEPERS = 64;
	private static final long GIVE_UP = 70 * Clock.SEC;

	private Blocked() {
	}

	/** Returns a counter of those that have started. */
	private static AtomicInteger submitSleepers(Pool pool) {
		AtomicInteger started = new AtomicInteger();
		long nap = Peer.quick ? 20 : 1000;

		for (int i = 0; i < SLEEPERS; i++) {
			pool.execute(Task.of(() -> {
				started.incrementAndGet();
				BlockMix.blockIn(pool, () -> Thread.sleep(nap));
			}));
		}
		return started;
	}

	private static final class Instant extends Task {
		private static final long serialVersionUID = 1;
		private final transient CountDownLatch end = new CountDownLatch(1);
		private long ran;
		private long threads;

		@Override
		public void run() {
			ran = System.nanoTime();
			try {
				threads = Proc.threads();
			} catch (IOException e) {
				throw new UncheckedIOException(e);
			}
			end.countDown();
		}
	}

	/** Returns when the task ran. */
	private static long runInstant(Pool pool) throws Exception {
		Instant task = new Instant();
		long start = System.nanoTime();

		pool.execute(task);
		task.end.await();
		Peer.emit("run_us", (task.ran - start) / 1e3);
		Peer.emit("threads", task.threads);
		return task.ran;
	}

	/** Asks 1 ms after the last sleeper was submitted. */
	static void cold(Pool pool) throws Exception {
		pool.start();
		long begin = System.nanoTime();
		submitSleepers(pool);
		Clock.sleepUntil(System.nanoTime() + Clock.MSEC);
		Peer.emit("all_us", (runInstant(pool) - begin) / 1e3);
	}

	/** Asks once all the sleepers have started. */
	static void warm(Pool pool) throws Exception {
		pool.start();
		long begin = System.nanoTime();
		AtomicInteger started = submitSleepers(pool);
		while (started.get() < SLEEPERS) {
			long waited = System.nanoTime() - begin;

			if (waited > GIVE_UP) {
				Peer.emit("run_us", waited / 1e3);
				Peer.skip("the sleepers do not start");
			}
			Clock.sleepUntil(System.nanoTime() + 100 * Clock.USEC);
		}
		runInstant(pool);
	}
}
