// SPDX-License-Identifier: MIT

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** What the kernel knows about this process. */
final class Proc {
	private static final Path SELF = Path.of("/proc/self");

	private Proc() {
	}

	/** The number after "field:" in a file of /proc/self. */
	static long field(String file, String field) throws IOException {
		return find(Files.readString(SELF.resolve(file)), field);
	}

	private static long find(String text, String field) {
		for (String line : text.split("\n")) {
			if (line.startsWith(field + ":")) {
				String v = line.substring(field.length() + 1);

				return Long.parseLong(v.strip().split("\\s")[0]);
			}
		}
		return 0;
	}

	/** The number of threads without the main one. */
	static long threads() throws IOException {
		return field("status", "Threads") - 1;
	}

	/** CPUs that this process may use: unlike the JVM's, not what a quota allows. */
	static int cpus() throws IOException {
		String mask = "";
		int n = 0;

		for (String line : Files.readAllLines(SELF.resolve("status")))
			if (line.startsWith("Cpus_allowed:"))
				mask = line.substring(13).strip();
		for (char c : mask.toCharArray())
			if (c != ',')
				n += Integer.bitCount(Character.digit(c, 16));
		return n;
	}

	/** Context switches and CPU time of the threads that there are now. */
	static final class Usage {
		long switches;
		double cpuUs;
	}

	/** Of all threads, or of all but the calling one. */
	static Usage usage(boolean all) throws IOException {
		Usage u = new Usage();
		Path self = Path.of("/proc/thread-self").toRealPath().getFileName();

		try (DirectoryStream<Path> tasks =
				Files.newDirectoryStream(SELF.resolve("task"))) {
			for (Path task : tasks)
				if (all || !task.getFileName().equals(self))
					add(u, task);
		}
		return u;
	}

	private static void add(Usage u, Path task) throws IOException {
		try {
			String status = Files.readString(task.resolve("status"));
			String sched = Files.readString(task.resolve("schedstat"));

			u.switches += find(status, "voluntary_ctxt_switches") +
				      find(status, "nonvoluntary_ctxt_switches");
			u.cpuUs += Long.parseLong(sched.split(" ")[0]) / 1e3;
		} catch (NoSuchFileException e) {
			return; // that thread has ended
		}
	}
}
