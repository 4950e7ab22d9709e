#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
#
# lines.py BUILD [--write FILE] - what each operation executes and writes.
#
# valgrind (lackey) writes down all instructions and stores of the scenario "lines" of
# cmwq-bench (lines.c), which does each operation 16 times for the first and the last
# CPU of a pretended machine: 72 cores that share a cache, in shards of 8. From that,
# per operation:
#
#	instructions	executed, of the library and what it calls
#	atomics		of these, that lock a line: prefix "lock", xchg, mfence
#	item, library	cache lines written: the item's and the library's own;
#			not what only the thread has (stack)
#	common		of the library's: written for both CPUs
#
# Medians of the 16; a line counts if it was written in most of them. Numbers do not
# depend on the load of the machine, only on compiler and library.

import bisect
import collections
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading

TOPOLOGY = "l3:1 core:72 pu:1"
LINE = 64
GUARD = 4096
STACK = 1 << 20


class Places:
    """What the program says of itself."""

    def __init__(self):
        self.names = {}
        self.opens = {}  # as lackey writes addresses
        self.closes = {}
        self.items = []
        self.maps = []  # start, end, permissions, offset, file
        self.function = None
        self.stack = None  # of the main thread

    def take(self, line):
        word = line.split(None, 5)
        if word[0] == "op":
            key = int(word[1]), int(word[2])
            self.opens[b"%08x" % int(word[3], 16)] = key
            self.closes[b"%08x" % int(word[4], 16)] = key
            self.names[key[0]] = word[5].strip()
        elif word[0] == "item":
            self.items.append((int(word[1], 16), int(word[2], 16)))
        elif word[0] == "stack":
            self.stack = int(word[1], 16)
        elif word[0] == "function":
            self.function = int(word[1], 16)
        elif word[0] == "map":
            start, end = (int(x, 16) for x in word[1].split("-"))
            rest = line.split(None, 6)
            self.maps.append((start, end, word[2], int(word[3], 16),
                              rest[6].strip() if len(rest) > 6 else ""))

    def is_item(self, address):
        return any(a <= address < b for a, b in self.items)

    def map_of(self, address):
        i = bisect.bisect_right(self.maps, (address, 1 << 64)) - 1
        m = self.maps[i] if i >= 0 else None
        return i if m and address < m[1] else None

    def file_of(self, address):
        i = self.map_of(address)
        return "" if i is None else self.maps[i][4]

    def is_stack(self, address):
        """A thread's: memory without a file, behind one page that nobody may touch."""
        i = self.map_of(address)
        if i is None or abs(address - self.stack) < STACK:
            return True
        start, _, perm, _, name = self.maps[i]
        before = self.maps[i - 1] if i else None
        return (perm.startswith("rw") and not name and before is not None
                and before[1] == start and before[2].startswith("---")
                and before[1] - before[0] == GUARD)


class Window:
    def __init__(self):
        self.executed = []
        self.stores = []  # address, size, by which instruction


def read_trace(trace, places):
    """(op, side): windows. And what valgrind says besides."""
    messages = []
    windows = collections.defaultdict(list)
    is_open = {}
    at = 0
    for line in trace:
        if line[:1] == b"I":
            if is_open:
                at = int(line[3:line.index(b",")], 16)
                for window in is_open.values():
                    window.executed.append(at)
            continue
        if line[1:2] not in (b"S", b"M"):
            if line[:1] != b" ":
                messages.append(line.decode(errors="replace"))
            continue
        address = line[3:line.index(b",")]
        if address in places.opens:
            is_open[places.opens[address]] = Window()
        elif address in places.closes:
            key = places.closes[address]
            if key in is_open:
                windows[key].append(is_open.pop(key))
        elif is_open:
            size = int(line[line.index(b",") + 1:])
            for window in is_open.values():
                window.stores.append((int(address, 16), size, at))
    return windows, messages


class Code:
    """The library's instructions: which are atomic, and whose they are."""

    def __init__(self, path, function):
        self.path = path
        symbol = None
        for line in run("nm", "-D", path).splitlines():
            if re.search(r" T cmwq_queue_work(@|$)", line):
                symbol = int(line.split()[0], 16)
        self.base = function - symbol
        self.atomic = set()
        for line in run("objdump", "-d", "--no-show-raw-insn", path).splitlines():
            m = re.match(r"\s*([0-9a-f]+):\s+(.*)", line)
            if m and re.search(r"\block\b|\bmfence\b|\bxchg\s.*\(", m[2]):
                self.atomic.add(self.base + int(m[1], 16))
        self.cache = {}

    def writer(self, address, places):
        """The innermost function, as the source has it; the file, if another."""
        name = places.file_of(address)
        if os.path.realpath(name) != self.path:
            return os.path.basename(name) or "?"
        if address not in self.cache:
            text = run("addr2line", "-f", "-i", "-e", self.path,
                       hex(address - self.base)).splitlines()
            functions = [t for t in text[::2]
                         if not t.startswith(("list_", "__list", "atomic"))]
            self.cache[address] = functions[0] if functions else text[0]
        return self.cache[address]


def run(*argv):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                          text=True).stdout


def trace_program(build, places):
    with tempfile.TemporaryDirectory() as tmp:
        fifo = os.path.join(tmp, "trace")
        os.mkfifo(fifo)
        env = dict(os.environ, CMWQ_TOPOLOGY=TOPOLOGY,
                   CMWQ_PARAMS="cmwq.tick=0 cmwq.sentinel=0 "
                   "workqueue.cpu_intensive_thresh_us=0 "
                   "workqueue.watchdog_thresh=0")
        child = subprocess.Popen(
            ["valgrind", "--tool=lackey", "--basic-counts=no", "--trace-mem=yes",
             "--fair-sched=try", "--log-file=" + fifo,
             os.path.join(build, "bench", "cmwq-bench"), "--child", "lines"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)

        def listen():
            for line in child.stdout:
                places.take(line)
                if line.startswith("function"):
                    child.stdin.write("\n")
                    child.stdin.flush()

        listener = threading.Thread(target=listen)
        listener.start()
        with open(fifo, "rb", buffering=1 << 20) as trace:
            windows, messages = read_trace(trace, places)
        listener.join()
        if child.wait():
            sys.exit("".join(messages) + "lines.py: cmwq-bench ended with "
                     f"status {child.returncode}")
        places.maps.sort()
        return windows


class Side:
    """What one operation does for one CPU."""

    def __init__(self, windows, places, code):
        self.instructions = statistics.median_low(
            len(w.executed) for w in windows)
        self.atomics = statistics.median_low(
            sum(a in code.atomic for a in w.executed) for w in windows)
        items, lines = [], collections.Counter()
        self.writers = collections.defaultdict(collections.Counter)
        program = next(m[4] for m in places.maps
                       if m[4].endswith("/cmwq-bench"))
        for w in windows:
            of_items, of_library = set(), set()
            for address, size, at in w.stores:
                for byte in {address, address + size - 1}:
                    line = byte // LINE
                    if places.is_item(byte):
                        of_items.add(line)
                        continue
                    if places.map_of(byte) is None or places.is_stack(byte):
                        continue
                    if program in (places.file_of(byte), places.file_of(at)):
                        continue
                    of_library.add(line)
                    self.writers[line][code.writer(at, places)] += 1
            items.append(len(of_items))
            lines.update(of_library)
        self.items = statistics.median_low(items)
        self.lines = {l for l, n in lines.items() if 2 * n > len(windows)}


def table(windows, places, code):
    head = ("| operation | instructions | atomics | item's lines | "
            "library's lines | common |\n|---|---|---|---|---|---|\n")
    rows, notes = "", ""
    for op, name in sorted(places.names.items()):
        one, other = (Side(windows[op, side], places, code) for side in (0, 1))
        common = one.lines & other.lines
        rows += (f"| {name} | {one.instructions} | {one.atomics} | {one.items} "
                 f"| {len(one.lines)} | {len(common)} |\n")
        notes += f"{name}:\n"
        for line in sorted(one.lines):
            by = [f for f, n in one.writers[line].most_common()
                  if 2 * n > len(windows[op, 0])]
            notes += (f"    {'common' if line in common else '':6} "
                      f"{', '.join(by)}\n")
    return head + rows, notes


def write(path, text):
    """Between the two lines that say so."""
    old = open(path).read()
    new, n = re.subn(r"(<!-- lines.py -->\n).*?(<!-- end -->)",
                     lambda m: m[1] + text + m[2], old, flags=re.S)
    if not n:
        sys.exit(f"lines.py: {path} has no place for the table")
    open(path, "w").write(new)


def main():
    build = sys.argv[1]
    places = Places()
    windows = trace_program(build, places)
    for op in places.names:
        for side in (0, 1):
            if len(windows[op, side]) < 8:
                sys.exit(f"lines.py: {places.names[op]}: only "
                         f"{len(windows[op, side])} windows")
    code = Code(os.path.realpath(os.path.join(build, "libcmwq.so")),
                places.function)
    rows, notes = table(windows, places, code)
    print(rows)
    print("Who writes the library's lines:\n")
    print(notes, end="")
    if sys.argv[2:3] == ["--write"]:
        write(sys.argv[3], rows)


main()
