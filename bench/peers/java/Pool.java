// SPDX-License-Identifier: MIT

import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLongArray;

/** What a scenario wants from a pool. */
interface Pool {
	/** Only Fjp: may a task wait for another one? */
	boolean mayWait();

	/** Makes the executor, and no thread yet if it can be helped. */
	void start();

	void execute(Task task);

	Future<?> submit(Runnable task);

	/** Only if mayWait(): executes a task and returns its result. */
	<T> T invoke(ForkJoinTask<T> task);

	/** Executes a task that is running once more, from within. */
	void again(Task task);

	/** Runs something that may block, from within a task. */
	void block(Blocking what) throws Exception;

	/** Ends the executor, so that another one can be started. */
	void stop() throws InterruptedException;

	interface Blocking {
		void run() throws Exception;
	}

	/**
	 * A counter that one thread writes and others may read, in lines of its
	 * own.
	 */
	final class Counter {
		private static final int PAD = 16;
		private final AtomicLongArray word = new AtomicLongArray(2 * PAD);

		void add() {
			word.setOpaque(PAD, word.getPlain(PAD) + 1);
		}

		long get() {
			return word.getOpaque(PAD);
		}
	}

	/** A thread of either pool that has a counter. */
	interface Worker {
		Counter ran();
	}

	/** The sum over all workers. */
	long ran();
}
