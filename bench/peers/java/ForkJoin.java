// SPDX-License-Identifier: MIT

import java.util.concurrent.RecursiveTask;

/**
 * A task per call of fib(), without a cutoff, as the documentation of
 * RecursiveTask does it: fork one half, compute the other, join. The pool is in
 * its default mode (last in, first out).
 */
final class ForkJoin {
	private ForkJoin() {
	}

	private static final class Fib extends RecursiveTask<Integer> {
		private static final long serialVersionUID = 1;
		private final int n;

		Fib(int n) {
			this.n = n;
		}

		@Override
		protected Integer compute() {
			if (n < 2)
				return n;
			Fib half = new Fib(n - 1);
			half.fork();
			return new Fib(n - 2).compute() + half.join();
		}
	}

	static void forkjoin(Pool pool) throws Exception {
		int n = Peer.quick ? 12 : 27;
		int sum = 0;
		int next = 1;

		for (int i = 0; i < n; i++) {
			int both = sum + next;

			sum = next;
			next = both;
		}
		pool.start();
		for (int i = 0; i < 10; i++)
			run(pool, n, sum);
		System.gc();
		long took = run(pool, n, sum);
		Peer.emit("task_ns", (double)took / (2 * next - 1));
	}

	private static long run(Pool pool, int n, int sum) throws Exception {
		long start = System.nanoTime();
		int got = pool.invoke(new Fib(n));

		if (got != sum)
			throw new IllegalStateException("fib(" + n + ") is not " + got);
		return System.nanoTime() - start;
	}
}
