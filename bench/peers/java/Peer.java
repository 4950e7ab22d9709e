// SPDX-License-Identifier: MIT

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The peers in Java: two programs that share all scenarios and differ in the
 * executor.
 *
 *	Fjp.java         ForkJoinPool
 *	Cached.java      Executors.newCachedThreadPool()
 *	Pool.java        what a scenario wants from either; Task.java, a task
 *	Peer.java        options, the list of scenarios
 *	Throughput.java  submit, chain, ping-pong
 *	ForkJoin.java    a task per call of fib()
 *	Burst.java       completion latency under bursts
 *	Blocked.java     64 sleepers and one that must not wait for them
 *	BlockMix.java    CPU and sleep mixed
 *	BlockRead.java   CPU and real blocking mixed; ColdFile.java, a part of it
 *	Cpu.java         more tasks with CPU work than CPUs
 *	Timers.java      ScheduledThreadPoolExecutor
 *	Idle.java        what is left when there is nothing to do
 *	Clock.java, Proc.java  clocks, percentiles, what /proc says
 *
 * Chosen for both: the JVM's default settings. Code is compiled while it runs, so
 * every scenario that is about CPU time first does a part of its work without
 * the clock (Peer.warm says how much) and then collects the garbage of that;
 * blocked64 is measured cold, because that is its question, with only its own
 * classes loaded. Tasks are allocated before the clock starts.
 */
final class Peer {
	static final int SKIP = 77;

	/** For the tests: a thousandth of the work, numbers without meaning. */
	static boolean quick;

	private static String name;

	interface Scenario {
		void run() throws Exception;
	}

	private static Map<String, Scenario> scenarios(Pool pool) {
		Map<String, Scenario> s = new LinkedHashMap<>();

		s.put("submit1", () -> Throughput.submit(pool, 1));
		s.put("submit2", () -> Throughput.submit(pool, 2));
		s.put("submit4", () -> Throughput.submit(pool, 4));
		s.put("chain", () -> Throughput.chain(pool));
		s.put("pingpong", () -> Throughput.pingpong(pool));
		s.put("pingpong1", () -> Throughput.pingpong(pool));
		s.put("burst", () -> Burst.burst(pool));
		s.put("blocked64_cold", () -> Blocked.cold(pool));
		s.put("blocked64_warm", () -> Blocked.warm(pool));
		s.put("blockmix", () -> BlockMix.blockmix(pool));
		s.put("blockread", () -> BlockRead.blockread(pool));
		s.put("oversub", () -> Cpu.oversub(pool));
		s.put("quota", () -> Cpu.oversub(pool));
		s.put("timers_pair", Timers::pair);
		s.put("timers_late", Timers::late);
		s.put("idle", () -> Idle.idle(pool));
		if (pool.mayWait())
			s.put("forkjoin", () -> ForkJoin.forkjoin(pool));
		s.put("startup", () -> Throughput.startup(pool));
		s.put("empty", () -> { });
		s.put("empty_mem", Idle::emitMemory);
		return s;
	}

	/** Runs the scenario that the arguments name and ends the process. */
	static void main(String peer, Pool pool, String[] args) throws Exception {
		String which = null;

		name = peer;
		for (String arg : args) {
			if (arg.equals("--quick"))
				quick = true;
			else if (which == null)
				which = arg;
			else
				usage();
		}
		if (which == null)
			usage();
		Map<String, Scenario> all = scenarios(pool);
		if (which.equals("--list"))
			all.keySet().forEach(System.out::println);
		else if (all.containsKey(which))
			all.get(which).run();
		else
			skip("no scenario " + which);
		System.out.flush();
		System.exit(0); // threads of the pool may be left
	}

	private static void usage() {
		System.err.println("usage: peer-" + name +
				   " SCENARIO [--quick] | --list");
		System.exit(2);
	}

	/** Scales a number of repetitions. */
	static int amount(int n) {
		if (!quick)
			return n;
		return n < 8000 ? 8 : n / 1000;
	}

	/** How many repetitions before the clock let the compiler finish. */
	static int warm(int n) {
		return Math.max(amount(n) / 2, 1);
	}

	/** Ends a scenario that this peer cannot do. */
	static void skip(String why) {
		System.err.println("peer-" + name + ": " + why);
		System.out.flush();
		System.exit(SKIP);
	}

	static void emit(String value, double v) {
		System.out.printf(java.util.Locale.ROOT, "%s %.3f%n", value, v);
	}
}
