// SPDX-License-Identifier: MIT

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ForkJoinTask;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;

/**
 * Executors.newCachedThreadPool(): hands a task to an idle thread, or makes a
 * thread. The usual choice for tasks that block; it has no limit and so no queue.
 * Its defaults are left alone.
 */
final class Cached implements Pool {
	private final List<Counter> counters = new CopyOnWriteArrayList<>();
	private ExecutorService pool;

	public static void main(String[] args) throws Exception {
		Peer.main("java-cached", new Cached(), args);
	}

	private static final class WorkerThread extends Thread implements Worker {
		private final Counter ran = new Counter();

		WorkerThread(Runnable r) {
			super(r);
		}

		@Override
		public Counter ran() {
			return ran;
		}
	}

	private Thread newThread(Runnable r) {
		WorkerThread t = new WorkerThread(r);

		counters.add(t.ran());
		return t;
	}

	@Override
	public boolean mayWait() {
		return false;
	}

	@Override
	public void start() {
		counters.clear();
		pool = Executors.newCachedThreadPool(this::newThread);
	}

	@Override
	public void execute(Task task) {
		pool.execute(task);
	}

	@Override
	public void again(Task task) {
		pool.execute(task);
	}

	@Override
	public <T> T invoke(ForkJoinTask<T> task) {
		throw new UnsupportedOperationException();
	}

	@Override
	public Future<?> submit(Runnable task) {
		return pool.submit(task);
	}

	@Override
	public void block(Blocking what) throws Exception {
		what.run();
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
