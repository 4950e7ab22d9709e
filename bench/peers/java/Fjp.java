// SPDX-License-Identifier: MIT

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * ForkJoinPool with as many workers as there are CPUs.
 *
 * In async mode, which the class recommends for tasks that nobody joins, except
 * for fork-join itself. Whatever blocks does it in a ManagedBlocker. The smallest
 * number of workers that are not blocked is set to that of the CPUs: by default
 * it is one, and then blocked workers are replaced only when all but one are.
 */
final class Fjp implements Pool {
	private final List<Counter> counters = new CopyOnWriteArrayList<>();
	private final boolean async;
	private ForkJoinPool pool;

	Fjp(boolean async) {
		this.async = async;
	}

	public static void main(String[] args) throws Exception {
		boolean joins = List.of(args).contains("forkjoin");

		Peer.main("java-fjp", new Fjp(!joins), args);
	}

	private static final class Thread extends ForkJoinWorkerThread
			implements Worker {
		private final Counter ran = new Counter();

		Thread(ForkJoinPool pool) {
			super(pool);
		}

		@Override
		public Counter ran() {
			return ran;
		}
	}

	private ForkJoinWorkerThread newThread(ForkJoinPool pool) {
		Thread t = new Thread(pool);

		counters.add(t.ran());
		return t;
	}

	@Override
	public boolean mayWait() {
		return true;
	}

	@Override
	public void start() {
		int n = Runtime.getRuntime().availableProcessors();

		counters.clear();
		pool = new ForkJoinPool(n, this::newThread, null, async, n,
					32767, n, null, 60, TimeUnit.SECONDS);
	}

	@Override
	public void execute(Task task) {
		pool.execute((ForkJoinTask<?>)task);
	}

	@Override
	public void again(Task task) {
		task.fork();
	}

	@Override
	public <T> T invoke(ForkJoinTask<T> task) {
		return pool.invoke(task);
	}

	@Override
	public Future<?> submit(Runnable task) {
		return pool.submit(task);
	}

	@Override
	public void block(Blocking what) throws Exception {
		ForkJoinPool.managedBlock(new Blocker(what));
	}

	private static final class Blocker implements ForkJoinPool.ManagedBlocker {
		private final Blocking what;
		private boolean done;

		Blocker(Blocking what) {
			this.what = what;
		}

		@Override
		public boolean block() throws InterruptedException {
			try {
				what.run();
			} catch (InterruptedException | RuntimeException e) {
				throw e;
			} catch (Exception e) {
				throw new IllegalStateException(e);
			}
			done = true;
			return true;
		}

		@Override
		public boolean isReleasable() {
			return done;
		}
	}

	@Override
	public long ran() {
		long sum = 0;

		for (Counter c : counters)
			sum += c.get();
		return sum;
	}

	@Override
	public void stop() throws InterruptedException {
		pool.shutdown();
		pool.awaitTermination(1, TimeUnit.HOURS);
	}
}
