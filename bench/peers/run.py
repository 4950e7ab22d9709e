#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
run.py - run the peers' programs and write down what they print.

A scenario is run by all peers, then again by all of them (A B A B), so that a slow
minute of the machine hits everybody. Each run is a process of its own with a time
limit. Everything goes into one JSON file:

	machine		CPU, number of CPUs, kernel, date, versions
	samples		scenario -> peer -> value -> [one per round]
	cannot		scenario -> [peers that cannot do it]
	failed		[scenario, peer, why]
	disturbed	[scenario, peer, CPUs that others used meanwhile]

While something else uses the CPUs nothing is measured: such a run is made again, after
a pause, and if that does not help the least disturbed one counts and is noted.

What this program adds to what the peers print:

	peak_threads	of blockmix, blockread and oversub: the most threads at
			once, the main one excluded, looked at every 10 ms
			(peer-floor says itself how many were right)
	pingpong1	runs on one CPU
	quota		runs in a cgroup with half of the CPUs' time; makespan_x
			is over the ideal there, throttled_ms is the kernel's
	startup		startup_ms: "peer-X startup" (ends in the first task)
			minus "peer-X empty", medians of pairs; also both
"""

import argparse
import datetime
import json
import os
import platform
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

SCENARIOS = [
    "submit1", "submit2", "submit4", "chain", "pingpong", "pingpong1", "burst",
    "blocked64_cold", "blocked64_warm", "blockmix", "blockread", "oversub",
    "quota", "timers_pair", "timers_late", "idle", "startup", "empty_mem",
    "forkjoin", "scopes", "floor",
]
LIMITS = {"blocked64_cold": 140, "blocked64_warm": 140}
DEFAULT_LIMIT = 60
WATCH_THREADS = {"blockmix", "blockread", "oversub", "quota"}
STARTUP_PAIRS = 15
# CPU seconds of others: a share of the run, and what its start and end may blur.
OTHERS_SHARE, OTHERS_SLACK = 0.04, 0.05
PAUSE = 2
UNDISTURBED = {"idle", "empty_mem"}  # whatever others do
CANNOT = 77


class Skip(Exception):
    """This machine cannot do it."""


class Failed(Exception):
    """The run ended otherwise than it should."""


def base_of(name):
    """The scenario that NAME is, or is a variant of: submit1_percpu, submit1."""
    fits = [s for s in SCENARIOS if name == s or name.startswith(s + "_")]
    return max(fits, key=len) if fits else None


def find_peers(directory):
    """Name -> (program, scenarios it has)."""
    peers = {}
    for file in sorted(os.listdir(directory)):
        path = os.path.join(directory, file)
        if not file.startswith("peer-") or not os.path.isfile(path) \
                or not os.access(path, os.X_OK):
            continue
        try:
            out = subprocess.run([path, "--list"], capture_output=True,
                                 text=True, timeout=30, check=True).stdout
        except (OSError, subprocess.SubprocessError) as error:
            print(f"{file} --list: {error}", file=sys.stderr)
            continue
        peers[file[len("peer-"):]] = (path, out.split())
    return peers


class OthersWatch:
    """The CPU time that is not this program's or its children's."""

    def __init__(self):
        self.start = time.monotonic()
        self.cpu = self.others()

    @staticmethod
    def others():
        """Also what the hypervisor gave to other machines."""
        with open("/proc/stat", encoding="ascii") as file:
            user, nice, system, _idle, _io, irq, softirq, steal, *_ = \
                map(int, file.readline().split()[1:])
        busy = user + nice + system + irq + softirq + steal
        busy /= os.sysconf("SC_CLK_TCK")
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
            usage = resource.getrusage(who)
            busy -= usage.ru_utime + usage.ru_stime
        return busy

    def stop(self):
        """(CPUs that others used, whether that is too much)."""
        span = time.monotonic() - self.start
        cpu = max(0, self.others() - self.cpu)
        allowed = OTHERS_SHARE * span * (os.cpu_count() or 1) + OTHERS_SLACK
        return cpu / span, cpu > allowed


class ThreadWatch(threading.Thread):
    """The most threads that a process has had."""

    def __init__(self, pid):
        super().__init__()
        self.path = f"/proc/{pid}/status"
        self.most = 0
        self.ended = threading.Event()

    def run(self):
        while not self.ended.wait(0.01):
            try:
                with open(self.path, encoding="ascii") as status:
                    found = re.search(r"^Threads:\s+(\d+)", status.read(), re.M)
            except OSError:
                return
            if found:
                self.most = max(self.most, int(found.group(1)) - 1)

    def stop(self):
        self.ended.set()
        self.join()
        return self.most


class Cgroup:
    """A cgroup with half of the CPUs' time, of either version."""

    PERIOD = 100000

    def __init__(self):
        self.path = None
        quota = self.PERIOD * len(os.sched_getaffinity(0)) // 2
        parents = self.parents()
        for self.version, parent in parents:
            path = os.path.join(parent, f"cmwq-peers-{os.getpid()}")
            try:
                os.mkdir(path)
            except OSError:
                continue
            self.path = path
            try:
                if self.version == 1:
                    self.write("cpu.cfs_period_us", self.PERIOD)
                    self.write("cpu.cfs_quota_us", quota)
                else:
                    self.write("cpu.max", f"{quota} {self.PERIOD}")
                return
            except OSError:
                self.close()
        raise Skip("no cgroup with a CPU quota can be made here")

    @staticmethod
    def parents():
        """Where this process is, in each hierarchy that has the controller."""
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            lines = [line.strip().split(":", 2) for line in file]
        with open("/proc/mounts", encoding="utf-8") as file:
            mounts = [line.split() for line in file]
        found = []
        for _, point, kind, options, *_ in mounts:
            for _, controllers, path in lines:
                path = path.lstrip("/")
                if kind == "cgroup" and "cpu" in options.split(",") \
                        and "cpu" in controllers.split(","):
                    found.append((1, os.path.join(point, path)))
                elif kind == "cgroup2" and not controllers:
                    # A group with processes may have no children with limits.
                    found += [(2, os.path.join(point, path)), (2, point)]
        return found

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def enter(self):
        self.write("cgroup.procs", os.getpid())

    def throttled_ms(self):
        with open(os.path.join(self.path, "cpu.stat"), encoding="ascii") as file:
            stat = dict(line.split() for line in file)
        if self.version == 1:
            return int(stat["throttled_time"]) / 1e6
        return int(stat["throttled_usec"]) / 1e3

    def close(self):
        if self.path:
            os.rmdir(self.path)
            self.path = None


def parse(text):
    values = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2:
            values[words[0]] = float(words[1])
    return values


def execute(argv, limit, watch=False, before=None):
    """Run a peer. Returns (exit status, values)."""
    scratch = tempfile.mkdtemp(prefix="peers-", dir="/var/tmp")
    env = dict(os.environ, TMPDIR=scratch)
    watcher = None
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env=env, preexec_fn=before,
                          start_new_session=True) as process:
        try:
            if watch:
                watcher = ThreadWatch(process.pid)
                watcher.start()
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise Failed(f"not done after {limit} s") from None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            peak = watcher.stop() if watcher else None
    if process.returncode not in (0, CANNOT):
        last = err.strip().splitlines()[-1:]
        raise Failed(" ".join([f"exit status {process.returncode}"] + last))
    values = parse(out)
    if watcher:
        values.setdefault("peak_threads", peak)
    return process.returncode, values


def wall_ms(argv, limit):
    """From before it is started until it has ended. (subprocess would poll.)"""
    null = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    start = time.monotonic()
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=null)
    alarm = threading.Timer(limit, os.kill, (pid, signal.SIGKILL))
    alarm.start()
    try:
        _, status = os.waitpid(pid, 0)
        end = time.monotonic()
    finally:
        alarm.cancel()
    if status:
        raise Failed(f"wait status {status}")
    return (end - start) * 1e3


def run_startup(path, name, limit, extra):
    run, empty = [], []
    for _ in range(2 if extra else STARTUP_PAIRS):
        run.append(wall_ms([path, name], limit))
        empty.append(wall_ms([path, "empty"], limit))
    run, empty = statistics.median(run), statistics.median(empty)
    return {"startup_ms": run - empty, "run_ms": run, "empty_ms": empty}


def run_quota(argv, limit):
    group = Cgroup()
    try:
        status, values = execute(argv, limit, watch=True, before=group.enter)
        if "makespan_x" in values:
            values["makespan_x"] /= 2
        values["throttled_ms"] = group.throttled_ms()
    finally:
        group.close()
    return status, values


def one_cpu():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def run_one(path, name, extra):
    """One sample of a scenario, or a variant of it. None: it cannot do this."""
    base = base_of(name)
    limit = LIMITS.get(base, DEFAULT_LIMIT)
    argv = [path, name] + extra
    if base == "startup":
        return run_startup(path, name, limit, extra)
    if base == "quota":
        status, values = run_quota(argv, limit)
    else:
        status, values = execute(argv, limit, watch=base in WATCH_THREADS,
                                 before=one_cpu if base == "pingpong1" else None)
    if status == CANNOT:
        return None
    if not values:
        raise Failed("it printed nothing")
    return values


def run_undisturbed(path, name, args):
    """Returns (values or None, what others used if it was too much)."""
    best = None
    for attempt in range(args.attempts):
        if attempt:
            time.sleep(PAUSE)
        watch = OthersWatch()
        values = run_one(path, name, args.extra)
        used, disturbed = watch.stop()
        if values is None or not disturbed or base_of(name) in UNDISTURBED:
            return values, None
        if best is None or used < best[1]:
            best = values, used
    return best


def first_line(*argv):
    try:
        out = subprocess.run(argv, capture_output=True, text=True, timeout=30,
                             check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    lines = (out.stdout + out.stderr).strip().splitlines()
    return lines[0] if lines else None


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        found = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    return found.group(1) if found else platform.machine()


def versions():
    tools = {
        "cc": first_line("cc", "--version"),
        "go": first_line("go", "version"),
        "java": first_line("java", "-version"),
        "rustc": first_line("/usr/bin/rustc", "--version"),
        "cmwq": first_line("git", "-C", os.path.dirname(__file__) or ".",
                           "describe", "--always", "--dirty"),
    }
    for package in ("libglib2.0-dev", "libtbb-dev", "libuv1-dev",
                    "libdispatch-dev", "librust-rayon-dev",
                    "librust-tokio-dev"):
        tools[package] = first_line("dpkg-query", "-W", "-f", "${Version}\n",
                                    package)
    return {name: version for name, version in tools.items() if version}


def machine():
    return {
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "arch": platform.machine(),
        "virtual": first_line("systemd-detect-virt", "--vm") or "unknown",
    }


def new_result():
    return {"format": 1, "machine": machine(), "versions": versions(),
            "date": datetime.datetime.now(datetime.timezone.utc)
            .isoformat(timespec="seconds"),
            "samples": {}, "cannot": {}, "failed": [], "disturbed": []}


def open_result(file, append):
    if not append or not os.path.exists(file):
        return new_result()
    with open(file, encoding="utf-8") as stream:
        result = json.load(stream)
    if result["machine"] != machine():
        sys.exit(f"{file} is of another machine; its numbers are not comparable")
    result["versions"].update(versions())
    return result


def save(result, file):
    with open(file + ".new", "w", encoding="utf-8") as stream:
        json.dump(result, stream, indent=1, sort_keys=True)
        stream.write("\n")
    os.replace(file + ".new", file)


def note(result, name, peer, values):
    if values is None:
        peers = result["cannot"].setdefault(name, [])
        if peer not in peers:
            peers.append(peer)
        return "cannot"
    for value, number in values.items():
        result["samples"].setdefault(name, {}).setdefault(peer, {}) \
            .setdefault(value, []).append(number)
    return "  ".join(f"{value} {number:.6g}" for value, number in values.items())


def run_scenario(scenario, peers, args, result):
    jobs = [(peer, path, name) for peer, (path, names) in peers.items()
            for name in names if base_of(name) == scenario]
    for peer, (_, names) in peers.items():
        if scenario not in names:
            note(result, scenario, peer, None)
    for turn in range(args.rounds):
        for job in list(jobs):
            peer, path, name = job
            try:
                values, others = run_undisturbed(path, name, args)
                text = note(result, name, peer, values)
            except Skip as reason:
                print(f"{scenario}: skipped, {reason}", file=sys.stderr)
                return
            except (Failed, OSError, subprocess.SubprocessError) as error:
                text = f"FAILED: {error}"
                result["failed"].append([name, peer, str(error)])
                jobs.remove(job)  # it has had its chance
            else:
                if others:
                    result["disturbed"].append([name, peer, round(others, 2)])
                    text += f"  (others used {others:.2f} CPUs)"
            print(f"{name} {turn + 1} {peer}: {text}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description="Run the peer suite.")
    parser.add_argument("--dir", default="build/peers",
                        help="where the programs are (build/peers)")
    parser.add_argument("--only", action="append", metavar="SCENARIO",
                        help="may be repeated; with all its variants")
    parser.add_argument("--peers", metavar="NAME,NAME",
                        help="only these")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", default="build/peers/results.json")
    parser.add_argument("--append", action="store_true",
                        help="add samples to what the file has")
    parser.add_argument("--attempts", type=int, default=5,
                        help="while others disturb (5)")
    parser.add_argument("--quick", dest="extra", action="store_const",
                        const=["--quick"], default=[],
                        help="a thousandth of the work; numbers mean nothing")
    args = parser.parse_args()
    if args.extra:
        args.attempts = 1
    for name in args.only or []:
        if name not in SCENARIOS:
            parser.error(f"no {name}; there are: {' '.join(SCENARIOS)}")
    return args


def main():
    args = arguments()
    peers = find_peers(args.dir)
    if args.peers:
        wanted = args.peers.split(",")
        for name in wanted:
            if name not in peers:
                sys.exit(f"there is no {args.dir}/peer-{name}")
        peers = {name: peers[name] for name in wanted}
    if not peers:
        sys.exit(f"no peers in {args.dir}")
    result = open_result(args.json, args.append)
    failed = len(result["failed"])
    for scenario in args.only or SCENARIOS:
        run_scenario(scenario, peers, args, result)
        save(result, args.json)
    return 1 if len(result["failed"]) > failed else 0


if __name__ == "__main__":
    sys.exit(main())
