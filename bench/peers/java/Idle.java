// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * What the process costs when everything was used once and nothing is left to do:
 * the JVM with its own threads, but not the one that sleeps meanwhile.
 */
final class Idle {
	private Idle() {
	}

	private static void use(Pool pool) throws Exception {
		CountDownLatch left = new CountDownLatch(33);

		for (int i = 0; i < 32; i++) {
			boolean busy = i % 2 == 0;

			pool.execute(Task.of(() -> {
				if (busy)
					Clock.burnCpu(12 * Clock.MSEC);
				else
					BlockMix.blockIn(pool,
						() -> Thread.sleep(2));
				left.countDown();
			}));
		}
		new ScheduledThreadPoolExecutor(1)
			.schedule(left::countDown, 3, TimeUnit.MILLISECONDS);
		left.await();
	}

	static void idle(Pool pool) throws Exception {
		pool.start();
		use(pool);
		Proc.usage(false);
		Thread.sleep(500);
		Proc.Usage before = Proc.usage(false);
		Thread.sleep(Peer.amount(10000));
		Proc.Usage after = Proc.usage(false);
		Peer.emit("threads", Proc.threads());
		Peer.emit("switches", Math.abs(after.switches - before.switches));
		Peer.emit("cpu_us", Math.abs(after.cpuUs - before.cpuUs));
		emitMemory();
	}

	/** A scenario as well: of a process that did nothing. */
	static void emitMemory() throws IOException {
		Peer.emit("rss_kib", Proc.field("smaps_rollup", "Rss"));
		Peer.emit("private_dirty_kib",
			  Proc.field("smaps_rollup", "Private_Dirty"));
	}
}
