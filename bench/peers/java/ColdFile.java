// SPDX-License-Identifier: MIT

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import com.sun.nio.file.ExtendedOpenOption;
import jdk.incubator.foreign.CLinker;
import jdk.incubator.foreign.FunctionDescriptor;
import jdk.incubator.foreign.MemoryAddress;
import jdk.incubator.foreign.MemorySegment;

/**
 * A private mapping of a file that is not in memory, of which no page brings its
 * neighbours. It is written around the page cache; that each page shall be read
 * alone only madvise() can say, which Java 17 reaches by a module that incubates.
 */
final class ColdFile {
	static final int PAGE = 4096;
	private static final int MADV_RANDOM = 1;

	private ColdFile() {
	}

	static MappedByteBuffer map(Path dir, int pages) throws Exception {
		Path file = dir.resolve("cold");
		long size = (long)pages * PAGE;

		try (FileChannel f = FileChannel.open(file,
				StandardOpenOption.CREATE,
				StandardOpenOption.WRITE,
				ExtendedOpenOption.DIRECT)) {
			write(f, pages);
			f.force(true);
		}
		try (FileChannel f = FileChannel.open(file,
				StandardOpenOption.READ,
				StandardOpenOption.WRITE)) {
			MappedByteBuffer map = f.map(
				FileChannel.MapMode.PRIVATE, 0, size);

			adviseRandom(map, size);
			return map;
		} finally {
			Files.delete(file);
		}
	}

	private static void write(FileChannel f, int pages) throws Exception {
		ByteBuffer page = ByteBuffer.allocateDirect(2 * PAGE)
					  .alignedSlice(PAGE);

		page.limit(PAGE);
		for (int i = 0; i < pages; i++) {
			page.rewind();
			f.write(page);
		}
	}

	private static void adviseRandom(MappedByteBuffer map, long size)
			throws Exception {
		MethodHandle madvise = CLinker.getInstance().downcallHandle(
			CLinker.systemLookup().lookup("madvise").get(),
			MethodType.methodType(int.class, MemoryAddress.class,
					      long.class, int.class),
			FunctionDescriptor.of(CLinker.C_INT, CLinker.C_POINTER,
					      CLinker.C_LONG, CLinker.C_INT));
		MemoryAddress start = MemorySegment.ofByteBuffer(map).address();
		int failed;

		try {
			failed = (int)madvise.invokeExact(start, size, MADV_RANDOM);
		} catch (Throwable e) {
			throw new IllegalStateException(e);
		}
		if (failed != 0)
			throw new IllegalStateException("madvise() failed");
	}
}
