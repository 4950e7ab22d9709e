// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Tasks that use the CPU, sleep, and use the CPU again: are the sleeps hidden?
 * Only what uses the CPU is compiled beforehand; the pool starts
 * without threads, because how it gets them is part of the question.
 */
final class BlockMix {
	static final int TASKS = 2000;
	private static final long CPU = 50 * Clock.USEC; // before and after

	interface Block {
		void run(int i) throws Exception;
	}

	private BlockMix() {
	}

	private static void call(Block block, int i) {
		try {
			block.run(i);
		} catch (RuntimeException e) {
			throw e;
		} catch (Exception e) {
			throw new IllegalStateException(e);
		}
	}

	/** For a task that has no exceptions. */
	static void blockIn(Pool pool, Pool.Blocking what) {
		try {
			pool.block(what);
		} catch (RuntimeException e) {
			throw e;
		} catch (Exception e) {
			throw new IllegalStateException(e);
		}
	}

	/**
	 * Prints the makespan of the tasks over that of their CPU work alone, spread
	 * over all CPUs, and the CPU time of the process over the same. (The threads
	 * of both pools outlive that.) Block says itself to the pool that it blocks.
	 */
	static void run(Pool pool, int tasks, Block block) throws Exception {
		AtomicInteger left = new AtomicInteger(tasks);
		CountDownLatch end = new CountDownLatch(1);
		double ideal = 2.0 * tasks * CPU / Proc.cpus();
		Task[] all = new Task[tasks];

		for (int i = 0; i < tasks; i++) {
			int number = i;

			all[i] = Task.of(() -> {
				Clock.burnCpu(CPU);
				call(block, number);
				Clock.burnCpu(CPU);
				if (left.decrementAndGet() == 0)
					end.countDown();
			});
		}
		for (int i = Peer.amount(10000); i > 0; i--)
			Clock.burnCpu(10 * Clock.USEC);
		pool.start();
		Proc.usage(true);
		double startCpu = Proc.usage(true).cpuUs;
		long start = System.nanoTime();
		for (Task task : all)
			pool.execute(task);
		end.await();
		long took = System.nanoTime() - start;
		double cpu = (Proc.usage(true).cpuUs - startCpu) * Clock.USEC;
		Peer.emit("makespan_x", took / ideal);
		Peer.emit("cpu_x", cpu / Proc.cpus() / ideal);
	}

	static void blockmix(Pool pool) throws Exception {
		run(pool, Peer.amount(TASKS),
		    i -> pool.block(() -> Thread.sleep(1)));
	}
}
