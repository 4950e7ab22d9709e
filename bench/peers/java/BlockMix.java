// SPDX-License-Identifier: MIT

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Tasks that use the CPU, sleep, and use the CPU again: are the sleeps hidden?
 * All is done once before the clock, for the compiler; the pool is a new one
 * then, without threads, because how it gets them is part of the question.
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

	private static Task[] makeTasks(int n, Block block, CountDownLatch end) {
		AtomicInteger left = new AtomicInteger(n);
		Task[] tasks = new Task[n];

		for (int i = 0; i < n; i++) {
			int number = i;

			tasks[i] = Task.of(() -> {
				Clock.burnCpu(CPU);
				call(block, number);
				Clock.burnCpu(CPU);
				if (left.decrementAndGet() == 0)
					end.countDown();
			});
		}
		return tasks;
	}

	/** With the threads of that pool gone, so that the next one makes its own. */
	static void warm(Pool pool, int n, Block block) throws Exception {
		CountDownLatch end = new CountDownLatch(1);

		pool.start();
		for (Task task : makeTasks(n, block, end))
			pool.execute(task);
		end.await();
		pool.stop();
		Proc.usage(true);
		Thread.sleep(200);
	}

	/**
	 * Prints the makespan of the tasks over that of their CPU work alone, spread
	 * over all CPUs, and the CPU time of the process over the same. (The threads
	 * of both pools outlive that.) Block says itself to the pool that it blocks.
	 */
	static void run(Pool pool, int n, Block block) throws Exception {
		CountDownLatch end = new CountDownLatch(1);
		Task[] tasks = makeTasks(n, block, end);
		double ideal = 2.0 * n * CPU / Proc.cpus();

		pool.start();
		double startCpu = Proc.usage(true).cpuUs;
		long start = System.nanoTime();
		for (Task task : tasks)
			pool.execute(task);
		end.await();
		long took = System.nanoTime() - start;
		double cpu = (Proc.usage(true).cpuUs - startCpu) * Clock.USEC;
		Peer.emit("makespan_x", took / ideal);
		Peer.emit("cpu_x", cpu / Proc.cpus() / ideal);
	}

	static void blockmix(Pool pool) throws Exception {
		int n = Peer.amount(TASKS);
		Block sleep = i -> pool.block(() -> Thread.sleep(1));

		warm(pool, n, sleep);
		run(pool, n, sleep);
	}
}
