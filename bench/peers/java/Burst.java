// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Bursts on an absolute timetable: how late is the last of a crowd, and do the
 * short tasks wait for long ones? A tenth of the bursts is run before the clock.
 */
final class Burst {
	private static final long PERIOD = 10 * Clock.MSEC;

	/** A burst in its order: how many tasks of how much CPU. */
	private static final int[] TASKS = { 1000, 1000, 100 };
	private static final long[] WORK = { Clock.USEC, 5 * Clock.USEC,
					     100 * Clock.USEC };
	private static final int PER_BURST = 2100;

	private final long[] late;
	private final Part[] parts;
	private final AtomicInteger left;
	private final CountDownLatch end = new CountDownLatch(1);
	private final int bursts;
	private long start;

	private static long work(int i) {
		int kind = 0;

		while (i >= TASKS[kind])
			i -= TASKS[kind++];
		return WORK[kind];
	}

	/** One task; its latency is from the due time of its burst. */
	private final class Part extends Task {
		private static final long serialVersionUID = 1;
		private final int slot;
		private final long work;

		Part(int slot) {
			this.slot = slot;
			work = Burst.work(slot % PER_BURST);
		}

		@Override
		public void run() {
			Clock.spin(work);
			late[slot] = System.nanoTime() - start -
				     slot / PER_BURST * PERIOD;
			if (left.decrementAndGet() == 0)
				end.countDown();
		}
	}

	private Burst(int bursts) {
		this.bursts = bursts;
		late = new long[bursts * PER_BURST];
		left = new AtomicInteger(late.length);
		parts = new Part[late.length];
		for (int i = 0; i < parts.length; i++)
			parts[i] = new Part(i);
	}

	private long[] run(Pool pool) throws Exception {
		System.gc();
		start = System.nanoTime() + PERIOD;
		for (int b = 0; b < bursts; b++) {
			Clock.sleepUntil(start + b * PERIOD);
			for (int i = 0; i < PER_BURST; i++)
				pool.execute(parts[b * PER_BURST + i]);
		}
		end.await();
		return late;
	}

	static void burst(Pool pool) throws Exception {
		pool.start();
		new Burst(Peer.amount(100)).run(pool);
		Clock.emitLatency(new Burst(Peer.amount(1000)).run(pool), 50,
				  99, 999, 100);
	}
}
