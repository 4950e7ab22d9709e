#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
report.py - tables and plots from what run.py wrote down.

	report.py [--json FILE] [--markdown FILE] [--svg DIR]

The Markdown goes to standard output, or into FILE: between the lines
<!-- peers --> and <!-- /peers --> if it has them, else it is all of the file. A plot
answers the one question that is its title. They need matplotlib: Debian's is for
Debian's python3, hence the first line.

A number is the median of the rounds, with the least and the greatest. "Best peer" is
the one with the best median of that metric; the machine's own programs (floor, base)
are none. Where cmwq has a second way (per-CPU) the better of both counts, except for
what is asked of unbound workqueues.
"""

import argparse
import json
import os
import re
import statistics
import sys

BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
NO_PEERS = ("floor", "base")
VARIANTS = {"_percpu": " per-CPU"}
TICKS_PER_S, SWITCHES_PER_TICK, SENTINEL_PER_S = 250, 2, 400
OVERSUB_CPU_S = 1.0  # 200 x 5 ms
# Not something to be best at.
FACTS = ("blocked64_cold.threads", "blockmix.peak_threads",
         "blockread.peak_threads", "idle.threads", "blockmix.cpu_x",
         "blockread.cpu_x")
# A goroutine that waits is no thread, and none has to be woken for it.
WAKES_NO_THREAD = {"pingpong": ("go-channel", "go-goroutines"),
                   "pingpong1": ("go-channel", "go-goroutines")}
UNBOUND_ONLY = ("pingpong.p50_us",)
MIX_BLOCK_RATIO = 11  # blockmix: 1.1 ms for each 0.1 ms of CPU


class Result:
    """The samples, asked for by metric: "SCENARIO.VALUE"."""

    def __init__(self, data):
        self.data = data
        self.cpus = data["machine"]["cpus"]

    def get(self, metric, peer):
        """(median, least, greatest) or None."""
        scenario, value = metric.split(".")
        numbers = self.data["samples"].get(scenario, {}).get(peer, {}) \
            .get(value)
        if not numbers:
            return None
        return statistics.median(numbers), min(numbers), max(numbers)

    def all(self, metric):
        """Label -> (median, least, greatest), the best first."""
        scenario, value = metric.split(".")
        found = {}
        for suffix, label in {"": "", **VARIANTS}.items():
            name = scenario + suffix
            for peer in self.data["samples"].get(name, {}):
                numbers = self.get(f"{name}.{value}", peer)
                if numbers and peer not in NO_PEERS:
                    found[peer + label] = numbers
        return dict(sorted(found.items(), key=lambda item: item[1]))

    def best(self, metric, ours):
        barred = WAKES_NO_THREAD.get(metric.split(".")[0], ())
        for label, numbers in self.all(metric).items():
            if is_ours(label) == ours and label not in barred:
                return label, numbers
        return None, None


def is_ours(label):
    return label.split()[0] == "cmwq"


# What must be reached: functions of (result, metric), which give (limit, text) or
# None if something that it is compared with was not measured.

def of_best(ratio):
    def target(result, metric):
        _, best = result.best(metric, ours=False)
        return best and (best[0] * ratio, f"≤ {ratio:g} × best peer")
    return target


def at_most(limit):
    def target(_result, _metric):
        return limit, f"≤ {limit:g}"
    return target


def of_floor(ratio, floor, text):
    def target(result, _metric):
        numbers = result.get(floor, "floor")
        return numbers and (numbers[0] * ratio, f"≤ {ratio:g} × {text}")
    return target


def over_base(limit, base):
    def target(result, _metric):
        numbers = result.get(base, "base")
        return numbers and (numbers[0] + limit,
                            f"≤ an empty program + {limit:g}")
    return target


def few_switches(result, metric):
    _, best = result.best(metric, ours=False)
    _, span = result.best("oversub.makespan_x", ours=True)
    if not best or not span:
        return None
    seconds = span[0] * OVERSUB_CPU_S / result.cpus
    extra = seconds * (SWITCHES_PER_TICK * TICKS_PER_S + SENTINEL_PER_S)
    return best[0] + extra, f"≤ best peer + {extra:.0f}"


def few_threads(result, _metric):
    limit = result.cpus * MIX_BLOCK_RATIO + 2
    return limit, f"≤ {limit}"


# Groups of metrics: (metric, unit, question, target).
GROUPS = {
    "The price of a task": [
        ("submit1.item_ns", "ns", "What does a no-op task cost, submitted by "
         "one thread?", of_best(0.6)),
        ("submit2.item_ns", "ns", "What does a no-op task cost, submitted by "
         "two threads?", of_best(0.6)),
        ("submit4.item_ns", "ns", "What does a no-op task cost, submitted by "
         "four threads?", None),
        ("chain.item_ns", "ns", "What does a task cost that submits itself?",
         of_best(0.6)),
        ("forkjoin.task_ns", "ns", "What does a call of fib(27) cost as a "
         "task?", None),
    ],
    "Latency": [
        ("pingpong1.p50_us", "us", "How long from submitting until the waiter "
         "runs again, on one CPU?",
         of_floor(1.15, "pingpong1.p50_us", "a bare futex round trip")),
        ("pingpong.p50_us", "us", "How long from submitting until the waiter "
         "runs again?", of_best(1)),
        ("pingpong.p99_us", "us", "… and in the worst hundredth?", None),
        ("burst.p50_us", "us", "Bursts: when is a task done, as a rule?", None),
        ("burst.p999_us", "us", "Bursts: when is a task done, in the worst "
         "thousandth?", of_best(1)),
    ],
    "Tasks that block": [
        ("blocked64_warm.run_us", "us", "When does a task start behind 64 that "
         "sleep?", at_most(30)),
        ("blocked64_cold.run_us", "us", "When does a task start behind 64 that "
         "sleep, with no thread made before?",
         of_floor(1.2, "floor.chain64_us", "64 × pthread_create")),
        ("blocked64_cold.all_us", "us", "… from when the first of the 64 was "
         "submitted?", None),
        ("blocked64_cold.threads", "", "… with how many threads?", None),
        ("blockmix.makespan_x", "×", "2,000 tasks that sleep between "
         "computing: how far from the ideal?", at_most(1.08)),
        ("blockmix.cpu_x", "×", "… and how much CPU time over that?", None),
        ("blockmix.peak_threads", "", "… with how many threads?", few_threads),
        ("blockread.makespan_x", "×", "2,000 tasks that block on files, pipes "
         "and a mutex: how far from the ideal?", at_most(1.08)),
        ("blockread.cpu_x", "×", "… and how much CPU time over that?", None),
        ("blockread.peak_threads", "", "… with how many threads?", None),
    ],
    "More tasks than CPUs": [
        ("oversub.makespan_x", "×", "200 tasks that compute: how far from the "
         "ideal?", at_most(1.02)),
        ("oversub.switches", "", "200 tasks that compute: how many context "
         "switches?", few_switches),
        ("quota.makespan_x", "×", "… with half of the CPUs' time: how far from "
         "the ideal?", None),
        ("quota.throttled_ms", "ms", "With half of the CPUs' time: for how long "
         "is the process stopped?", of_best(1)),
    ],
    "Timers": [
        ("timers_pair.pair_ns", "ns", "What does it cost to arm and cancel a "
         "timer?", of_best(0.6)),
        ("timers_late.p50_us", "us", "How late are timers?", None),
        ("timers_late.p99_us", "us", "How late is the hundredth of the timers "
         "that is worst?", at_most(1100)),
        ("timers_late.ns_p50_us", "us", "… those in nanoseconds, as a rule?",
         at_most(100)),
    ],
    "Nothing to do": [
        ("idle.switches", "", "How often does something wake up in 10 s of "
         "idleness?", at_most(0)),
        ("idle.threads", "", "… how many threads are kept?", None),
        ("idle.private_dirty_kib", "KiB", "How much memory is the process's "
         "own, when idle?", over_base(300, "empty_mem.private_dirty_kib")),
        ("startup.run_ms", "ms", "How long does a program run whose first task "
         "ends it?", over_base(1.5, "startup.run_ms")),
    ],
}

PLOTS = [
    "submit1.item_ns", "submit2.item_ns", "submit4.item_ns", "chain.item_ns",
    "forkjoin.task_ns", "pingpong1.p50_us", "pingpong.p50_us", "burst.p999_us",
    "blocked64_warm.run_us", "blocked64_cold.run_us", "blockmix.makespan_x",
    "blockread.makespan_x", "oversub.switches", "quota.throttled_ms",
    "timers_pair.pair_ns", "timers_late.p99_us", "idle.private_dirty_kib",
    "startup.run_ms",
]

SCOPES = ("cpu", "smt", "cache", "cache_shard", "numa", "system")


def number(value):
    if value >= 1e6:
        return f"{value / 1e6:.3g} M"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"


def cell(numbers):
    if not numbers:
        return "–"
    median, least, greatest = (number(n) for n in numbers)
    if least == greatest:
        return median
    return f"{median} ({least}–{greatest})"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def summary_row(result, entry):
    metric, unit, question, target = entry
    found = result.all(metric)
    unbound, percpu = found.get("cmwq"), found.get("cmwq per-CPU")
    if not unbound:
        return None
    ours = unbound
    if percpu and metric not in UNBOUND_ONLY:
        ours = min(unbound, percpu)
    label, best = None, None
    if metric not in FACTS:
        label, best = result.best(metric, ours=False)
    ratio = f"{ours[0] / best[0]:.2f}" if best and best[0] > 0 else ""
    limit = target(result, metric) if target else None
    reached = ""
    if limit:
        reached = "yes" if ours[0] <= limit[0] else "**NO**"
    return row([question, unit, cell(unbound), cell(percpu) if percpu else "",
                f"{label} {cell(best)}" if best else "", ratio,
                limit[1] if limit else "", reached])


def summary(result):
    lines = [row(["question", "unit", "cmwq", "per-CPU queue", "best peer",
                  "cmwq / best", "target", "reached"]),
             row(["---"] * 8)]
    for entries in GROUPS.values():
        lines += filter(None, (summary_row(result, entry) for entry in entries))
    reached = sum(line.endswith("| yes |") for line in lines)
    missed = sum(line.endswith("| **NO** |") for line in lines)
    return lines + ["", f"{reached} of {reached + missed} targets are reached."]


def heading(metric, unit):
    words = metric.replace(".", " ").replace("_", " ").split()
    if len(words) > 2 and words[-1] in ("ns", "us", "ms", "kib", "x"):
        words.pop()
    return " ".join(words + ([unit] if unit else []))


def floor_row(result, entries):
    """What the machine takes itself, where that is known."""
    found = [result.get(metric, "floor") for metric, *_ in entries]
    return [row(["the floor"] + [cell(numbers) for numbers in found])] \
        if any(found) else []


def group_table(result, entries):
    """Peers are rows, the group's metrics are columns."""
    entries = [entry for entry in entries if result.all(entry[0])]
    labels = {}
    for metric, *_ in entries:
        labels.update(dict.fromkeys(result.all(metric)))
    if not labels:
        return []
    heads = [heading(metric, unit) for metric, unit, *_ in entries]
    lines = [row([""] + heads),
             row(["---"] * (len(entries) + 1))]
    for label in sorted(labels, key=lambda name: (not is_ours(name), name)):
        lines.append(row([label] + [cell(result.all(metric).get(label))
                                    for metric, *_ in entries]))
    return lines + floor_row(result, entries)


def scope_table(result):
    lines = []
    for scope in SCOPES:
        values = [result.get(f"scopes.{scope}_{what}", "cmwq") for what in
                  ("items_s", "p50_ns", "p90_ns", "p95_ns")]
        if values[0]:
            lines.append(row([scope] + [cell(v) for v in values]))
    if not lines:
        return []
    return [row(["affinity scope", "items/s", "queue_work() p50 ns", "p90 ns",
                 "p95 ns"]), row(["---"] * 5)] + lines


def floor_line(result):
    floor = {}
    for scenario in ("floor", "blockmix", "blockread"):
        values = result.data["samples"].get(scenario, {}).get("floor", {})
        prefix = "" if scenario == "floor" else f"{scenario} "
        floor.update((prefix + name, numbers)
                     for name, numbers in values.items())
    parts = [f"{name.replace('_', ' ')} {number(statistics.median(numbers))}"
             for name, numbers in sorted(floor.items())]
    return ["The floor in the same runs: " + ", ".join(parts) + "."] \
        if parts else []


def provenance(result):
    about, data = result.data["machine"], result.data
    rounds = max((len(numbers) for peers in data["samples"].values()
                  for values in peers.values() for numbers in values.values()),
                 default=0)
    kind = "" if about["virtual"] in ("none", "unknown") \
        else f", virtual ({about['virtual']})"
    return [f"{about['cpus']} CPUs, {about['cpu']}{kind}, Linux "
            f"{about['kernel']}, {about['arch']}; {data['date'][:10]}; medians "
            f"of up to {rounds} interleaved rounds, with the least and the "
            "greatest.", "",
            "Versions: " + "; ".join(f"{name} {version}" for name, version in
                                     sorted(data["versions"].items())) + "."]


def remarks(result):
    lines = []
    if any(label in result.all("pingpong.p50_us")
           for label in WAKES_NO_THREAD["pingpong"]):
        lines.append("In Go no thread is woken for a goroutine that waits; where "
                     "one is asked for, Go is not the best peer.")
    return lines


def disturbances(result):
    disturbed = result.data.get("disturbed", [])
    samples = sum(len(numbers) for peers in result.data["samples"].values()
                  for values in peers.values()
                  for numbers in list(values.values())[:1])
    return [f"{len(disturbed)} of {samples} runs were made while others used "
            "more than 4 % of the CPUs."] if disturbed else []


def failures(result):
    lines = [f"- {peer}, {scenario}: {why}" for scenario, peer, why in
             sorted(set(map(tuple, result.data["failed"])))]
    return ["Runs that did not end well:", ""] + lines if lines else []


def markdown(result, plots):
    """PLOTS: metric -> path of its picture."""
    parts = [provenance(result), summary(result)]
    for title, entries in GROUPS.items():
        table = group_table(result, entries)
        if not table:
            continue
        parts += [[f"### {title}"], table]
        parts += [[f"![{question}]({plots[metric]})"]
                  for metric, _, question, _ in entries if metric in plots]
    table = scope_table(result)
    if table:
        parts += [["### One item in flight per thread, by affinity scope"],
                  table]
    parts += [remarks(result), floor_line(result), disturbances(result), failures(result)]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def plot(pyplot, result, metric, unit, question, file):
    found = result.all(metric)
    labels = list(found)[::-1]
    middle = [found[label][0] for label in labels]
    spread = [[found[label][0] - found[label][1] for label in labels],
              [found[label][2] - found[label][0] for label in labels]]
    colours = ["#c44e52" if is_ours(label) else "#8c9fb5" for label in labels]
    figure, axes = pyplot.subplots(figsize=(7, 0.6 + 0.3 * len(labels)))
    # The length of a bar means nothing on a logarithmic scale.
    wide = min(middle) > 0 and max(middle) > 20 * min(middle)
    if wide:
        axes.set_xscale("log")
        axes.scatter(middle, labels, c=colours, zorder=3)
        axes.grid(axis="x", color="#dddddd")
    else:
        axes.barh(labels, middle, height=0.7, color=colours)
    axes.errorbar(middle, labels, xerr=spread, fmt="none", elinewidth=1,
                  ecolor="#333333")
    for place, value in enumerate(middle):
        axes.annotate(number(value), (found[labels[place]][2], place),
                      xytext=(6, 0), textcoords="offset points", va="center",
                      fontsize=8)
    axes.margins(x=0.12)
    axes.set_title(question, loc="left", fontsize=10)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None}, bbox_inches="tight")
    pyplot.close(figure)


def draw(result, directory):
    """Returns metric -> file."""
    try:
        import matplotlib
    except ImportError:
        print("report: no matplotlib, so no plots", file=sys.stderr)
        return {}
    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "cmwq", "svg.fonttype": "none"})
    from matplotlib import pyplot
    os.makedirs(directory, exist_ok=True)
    files = {}
    for entries in GROUPS.values():
        for metric, unit, question, _ in entries:
            if metric not in PLOTS or not result.all(metric):
                continue
            file = os.path.join(directory, metric.replace(".", "-") + ".svg")
            plot(pyplot, result, metric, unit, question, file)
            files[metric] = file
    return files


def write_into(file, text):
    old = ""
    if os.path.exists(file):
        with open(file, encoding="utf-8") as stream:
            old = stream.read()
    pattern = re.compile(re.escape(BEGIN) + ".*" + re.escape(END), re.S)
    if pattern.search(old):
        text = pattern.sub(lambda _: f"{BEGIN}\n\n{text}\n{END}", old)
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(text)


def main():
    parser = argparse.ArgumentParser(description="Report on the peer suite.")
    parser.add_argument("--json", default="build/peers/results.json")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--svg", metavar="DIR")
    args = parser.parse_args()
    with open(args.json, encoding="utf-8") as stream:
        result = Result(json.load(stream))
    files = draw(result, args.svg) if args.svg else {}
    start = os.path.dirname(args.markdown or "") or "."
    text = markdown(result, {metric: os.path.relpath(file, start)
                             for metric, file in files.items()})
    if args.markdown:
        write_into(args.markdown, text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main()
