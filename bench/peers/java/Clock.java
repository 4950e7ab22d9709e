// SPDX-License-Identifier: MIT

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;

/** Clocks, work for the CPU, percentiles. */
final class Clock {
	static final long USEC = 1000;
	static final long MSEC = 1000 * USEC;
	static final long SEC = 1000 * MSEC;

	private static volatile long sink;

	private Clock() {
	}

	/** Keeps the CPU busy: a chain that no compiler shortens. */
	private static void turn(long n) {
		long x = n;

		for (long i = 0; i < n; i++)
			x = x * 6364136223846793005L + 1442695040888963407L;
		if (x == 0)
			sink++; // keeps the loop
	}

	private static final long LONG_STEP = 2000;

	/**
	 * Uses so much CPU time, on the monotonic clock. In a step that is long this
	 * thread did not run.
	 */
	static void spin(long ns) {
		long last = System.nanoTime();

		for (long done = 0; done < ns;) {
			long now = System.nanoTime();

			done += Math.min(now - last, LONG_STEP);
			last = now;
		}
	}

	/** Loaded only by what needs the clock of a thread. */
	private static final class Threads {
		static final ThreadMXBean BEAN =
			ManagementFactory.getThreadMXBean();
	}

	/** Uses that much CPU time of this thread. */
	static void burnCpu(long ns) {
		long end = Threads.BEAN.getCurrentThreadCpuTime() + ns;

		while (Threads.BEAN.getCurrentThreadCpuTime() < end)
			turn(200);
	}

	static void sleepUntil(long when) {
		for (long d; (d = when - System.nanoTime()) > 0;)
			LockSupport.parkNanos(d);
	}

	static void await(CountDownLatch latch) {
		try {
			latch.await();
		} catch (InterruptedException e) {
			throw new IllegalStateException(e);
		}
	}

	/**
	 * Prints percentiles in microseconds: 50 and 99, 999 for 99.9, 100 for the
	 * largest and 0 for the smallest. Sorts the times.
	 */
	static void emitLatency(long[] ns, int... percentiles) {
		Arrays.sort(ns);
		for (int p : percentiles) {
			double share = p == 999 ? 0.999 : p / 100.0;
			String name = p == 100 ? "max_us" :
				      p == 0 ? "min_us" : "p" + p + "_us";
			int i = (int)(share * (ns.length - 1) + 0.5);

			Peer.emit(name, ns[i] / 1e3);
		}
	}
}
