// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * More tasks with CPU work than CPUs: does the pool stay out of their way? In a
 * cgroup with a quota the same program shows what throttling does to it; the JVM
 * then counts fewer processors, and the pool has fewer workers, by default.
 */
final class Cpu {
	private static final long WORK = 5 * Clock.MSEC;

	private Cpu() {
	}

	static void oversub(Pool pool) throws Exception {
		int n = Peer.amount(200);
		AtomicInteger left = new AtomicInteger(n);
		CountDownLatch end = new CountDownLatch(1);
		double ideal = (double)n * WORK / Proc.cpus();
		Task[] tasks = new Task[n];

		for (int i = 0; i < n; i++) {
			tasks[i] = Task.of(() -> {
				Clock.burnCpu(WORK);
				if (left.decrementAndGet() == 0)
					end.countDown();
			});
		}
		for (int i = Peer.amount(200); i > 0; i--)
			Clock.burnCpu(Clock.MSEC);
		pool.start();
		Proc.usage(true);
		Proc.Usage before = Proc.usage(true);
		long start = System.nanoTime();
		for (Task task : tasks)
			pool.execute(task);
		end.await();
		long took = System.nanoTime() - start;
		Proc.Usage after = Proc.usage(true);
		Peer.emit("makespan_x", took / ideal);
		Peer.emit("switches", after.switches - before.switches);
	}
}
