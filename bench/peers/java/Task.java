// SPDX-License-Identifier: MIT

import java.util.concurrent.ForkJoinTask;

/**
 * A task for either pool. It is a ForkJoinTask, because that is what ForkJoinPool
 * takes as it is; a Runnable would be wrapped in a new object each time.
 */
abstract class Task extends ForkJoinTask<Void> implements Runnable {
	private static final long serialVersionUID = 1;

	/** False if the task has executed itself again: it is not done then. */
	protected boolean done() {
		return true;
	}

	@Override
	protected final boolean exec() {
		run();
		return done();
	}

	@Override
	public final Void getRawResult() {
		return null;
	}

	@Override
	protected final void setRawResult(Void none) {
	}

	static Task of(Runnable r) {
		return new Task() {
			private static final long serialVersionUID = 1;

			@Override
			public void run() {
				r.run();
			}
		};
	}
}
