// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.Pipe;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Tasks that really block, in four ways by their number modulo 4: a read from a
 * pipe, an fsync, a mutex, page faults. All are done where a pool expects what
 * blocks, the mutex only if it cannot be had at once.
 *
 * The files are in TMPDIR, else in /var/tmp: in /tmp they may be in memory.
 */
final class BlockRead {
	private static final long ANSWER_AFTER = Clock.MSEC;
	private static final int HOLD_EVERY = 16;
	private static final long HOLD_FOR = 200 * Clock.USEC;
	private static final int FAULTS = 16;

	private record Question(long due, Pipe pipe) {
	}

	private final BlockingQueue<Question> questions =
		new LinkedBlockingQueue<>();
	private final ReentrantLock mutex = new ReentrantLock();
	private final Pipe[] pipes;
	private final Path dir;
	private final MappedByteBuffer cold;
	private final Thread helper;
	private final Pool pool;
	private volatile int sink;

	private BlockRead(Pool pool, int n) throws Exception {
		String top = System.getenv("TMPDIR");

		this.pool = pool;
		pipes = new Pipe[n];
		for (int i = 0; i < n; i++)
			pipes[i] = Pipe.open();
		dir = Files.createTempDirectory(
			Path.of(top == null ? "/var/tmp" : top), "peers-");
		cold = ColdFile.map(dir, n * FAULTS);
		helper = new Thread(this::answer);
		helper.setDaemon(true);
		helper.start();
	}

	/**
	 * The helper outside the pool. All questions wait as long, so they end in the
	 * order in which they were asked.
	 */
	private void answer() {
		try {
			for (;;) {
				Question q = questions.take();

				Clock.sleepUntil(q.due());
				q.pipe().sink().write(ByteBuffer.allocate(1));
			}
		} catch (InterruptedException e) {
			return; // all have been answered
		} catch (IOException e) {
			throw new IllegalStateException(e);
		}
	}

	private void readPipe(int n) throws IOException {
		questions.add(new Question(System.nanoTime() + ANSWER_AFTER,
					   pipes[n]));
		pipes[n].source().read(ByteBuffer.allocate(1));
	}

	private void syncFile(int n) throws IOException {
		Path name = dir.resolve("f" + n);

		try (FileChannel f = FileChannel.open(name,
				StandardOpenOption.CREATE,
				StandardOpenOption.TRUNCATE_EXISTING,
				StandardOpenOption.WRITE)) {
			f.write(ByteBuffer.allocate(32));
			f.force(true);
		}
		Files.delete(name);
	}

	private void holdMutex(int n) throws Exception {
		boolean sleeps = n % HOLD_EVERY == 0;

		if (!sleeps && mutex.tryLock()) {
			mutex.unlock();
			return;
		}
		pool.block(() -> {
			mutex.lock();
			if (sleeps)
				Clock.sleepUntil(System.nanoTime() + HOLD_FOR);
			mutex.unlock();
		});
	}

	private void touchPages(int n) {
		int sum = 0;

		for (int i = 0; i < FAULTS; i++)
			sum += cold.get((n * FAULTS + i) * ColdFile.PAGE);
		sink = sum;
	}

	private void block(int i) throws Exception {
		int n = i / 4;

		switch (i % 4) {
		case 0 -> pool.block(() -> readPipe(n));
		case 1 -> pool.block(() -> syncFile(n));
		case 2 -> holdMutex(n);
		default -> pool.block(() -> touchPages(n));
		}
	}

	private void close() throws IOException {
		helper.interrupt();
		for (Pipe p : pipes) {
			p.source().close();
			p.sink().close();
		}
		Files.delete(dir);
	}

	static void blockread(Pool pool) throws Exception {
		int n = Peer.amount(BlockMix.TASKS);
		BlockRead before = new BlockRead(pool, n / 4);

		BlockMix.warm(pool, n, before::block);
		before.close();
		BlockRead b = new BlockRead(pool, n / 4);
		BlockMix.run(pool, n, b::block);
		b.close();
	}
}
