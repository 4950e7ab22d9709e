#!/bin/sh
# SPDX-License-Identifier: MIT
#
# peers.sh - the peer suite, with the peers that need no further libraries: every
# scenario runs, prints all that it is to print, as finite numbers, and the report
# has a line for each that says what is known. A thousandth of the work: the
# numbers mean nothing.
#
# timeout: 300
# parallel: no

set -u
export LC_ALL=C
src=${CMWQ_SOURCE:-$PWD}
dir=$(readlink -f "${CMWQ_BUILD:-build/release}")/bench/peers
[ -x "$dir/peer-cmwq" ] || {
	echo "skipped: built without benchmarks"
	exit 77
}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

fail()
{
	echo "failed: $*"
	failed=1
}

run()
{
	python3 -B "$src/bench/peers/run.py" --dir "$dir" --quick \
		--json "$tmp/results.json" "$@" >>"$tmp/log" 2>&1 || {
		cat "$tmp/log"
		fail "run.py $*"
	}
}

run --rounds 1
run --rounds 1 --append --only submit1 --peers cmwq

cat >"$tmp/check.py" <<'END'
import json, math, sys

result = json.load(open(sys.argv[1]))
cpus = result["machine"]["cpus"]
promised = {
    "submit1": "item_ns", "submit2": "item_ns", "submit4": "item_ns",
    "chain": "item_ns", "pingpong": "p50_us p99_us",
    "pingpong1": "p50_us p99_us", "burst": "p50_us p99_us p999_us max_us",
    "blocked64_cold": "run_us all_us threads", "blocked64_warm": "run_us threads",
    "blockmix": "makespan_x cpu_x peak_threads",
    "blockread": "makespan_x cpu_x peak_threads",
    "oversub": "makespan_x peak_threads switches",
    "idle": "threads switches cpu_us rss_kib private_dirty_kib",
    "startup": "startup_ms run_ms empty_ms",
    "empty_mem": "rss_kib private_dirty_kib",
}
ours = {
    "timers_pair": "pair_ns",
    "timers_late": "p50_us p99_us min_us max_us "
                   "ns_p50_us ns_p99_us ns_min_us ns_max_us",
    "forkjoin": "task_ns",
    "scopes": " ".join(f"{scope}_{value}" for scope in
                       "cpu smt cache cache_shard numa system".split()
                       for value in "items_s p50_ns p90_ns p95_ns".split()),
}
for name in "submit1 submit2 submit4 chain pingpong pingpong1".split():
    ours[name + "_percpu"] = promised[name]
floor = "chain64_us oversub_x oversub_switches atomic_ns cpuclock_ns futex1_us"
if cpus > 1:
    floor += " futex2_us line_ns"
wanted = [("condvar", name, values) for name, values in promised.items()]
wanted += [("cmwq", name, values)
           for name, values in {**promised, **ours}.items()]
wanted += [("floor", "floor", floor), ("floor", "pingpong1", "p50_us p99_us"),
           ("floor", "blockmix", "few_x makespan_x cpu_x peak_threads"),
           ("floor", "blockread", "few_x makespan_x cpu_x peak_threads"),
           ("base", "empty_mem", "rss_kib private_dirty_kib"),
           ("base", "startup", "startup_ms run_ms empty_ms")]
if "quota" in result["samples"]:
    wanted += [(peer, "quota", "makespan_x throttled_ms switches")
               for peer in ("cmwq", "condvar")]
else:
    print("no cgroup can be made here: quota not looked at")
bad = 0
for scenario in "blockmix", "blockread":
    floor = {value: numbers[0] for value, numbers in
             result["samples"][scenario]["floor"].items()}
    if floor["few_x"] < floor["makespan_x"] or \
            floor["peak_threads"] < 4 * cpus:
        print(f"failed: {scenario}: the best of all cannot be {floor}")
        bad = 1
for peer, scenario, values in wanted:
    there = result["samples"].get(scenario, {}).get(peer, {})
    for value in values.split():
        numbers = there.get(value, [])
        rounds = 2 if (peer, scenario) in (("cmwq", "submit1"),
                                           ("cmwq", "submit1_percpu")) else 1
        if len(numbers) != rounds or not all(map(math.isfinite, numbers)):
            print(f"failed: {peer} {scenario} {value}: {numbers}")
            bad = 1
for peer, scenario, value in (("cmwq", "submit1", "item_ns"),
                              ("condvar", "pingpong", "p50_us"),
                              ("cmwq", "blockmix", "makespan_x"),
                              ("floor", "blockmix", "makespan_x"),
                              ("floor", "blockread", "makespan_x")):
    if not result["samples"][scenario][peer][value][0] > 0:
        print(f"failed: {peer} {scenario} took no time")
        bad = 1
if "timers_pair" not in result["cannot"] or \
        "condvar" not in result["cannot"]["timers_pair"]:
    print("failed: condvar has no timers, which is not noted")
    bad = 1
sys.exit(bad)
END
python3 -B "$tmp/check.py" "$tmp/results.json" || failed=1

"$dir/peer-condvar" timers_pair 2>/dev/null
[ $? = 77 ] || fail "condvar has no timers: status 77 expected"
"$dir/peer-cmwq" nonsense 2>/dev/null
[ $? = 77 ] || fail "a scenario that does not exist: status 77 expected"

# A report of known numbers: the target reached, and not.
cat >"$tmp/small.json" <<'END'
{"format": 1, "date": "2026-01-02T03:04:05+00:00", "failed":
	[["submit1", "glib", "not done after 60 s"]], "cannot": {},
 "machine": {"cpu": "abacus", "cpus": 2, "kernel": "7.2", "arch": "x",
	"virtual": "none"},
 "versions": {"cc": "12"},
 "samples": {
  "submit1": {"cmwq": {"item_ns": [30, 10, 20]}, "go": {"item_ns": [40, 41, 45]},
	"condvar": {"item_ns": [90]}},
  "submit1_percpu": {"cmwq": {"item_ns": [50]}},
  "pingpong": {"cmwq": {"p50_us": [5]}, "tokio": {"p50_us": [6]},
	"go-channel": {"p50_us": [0.25]}},
  "chain": {"cmwq": {"item_ns": [25]}, "condvar": {"item_ns": [26]}},
  "chain_percpu": {"cmwq": {"item_ns": [24]}},
  "blockmix": {"cmwq": {"makespan_x": [1.25]}, "glib": {"makespan_x": [1.5]},
	"floor": {"makespan_x": [1.125], "few_x": [1.375]}}
 }}
END
report="python3 -B $src/bench/peers/report.py --json"
printf 'before\n<!-- peers -->\nold\n<!-- /peers -->\nafter\n' >"$tmp/doc.md"
$report "$tmp/small.json" --markdown "$tmp/doc.md" || fail "report.py"
expect()
{
	grep -qF "$1" "$tmp/doc.md" || {
		cat "$tmp/doc.md"
		fail "the report lacks: $1"
	}
}
expect '| ns | 20 (10–30) | 50 | go 41 (40–45) | 0.49 | ≤ 0.6 × best peer | yes |'
expect '| ns | 25 | 24 | condvar 26 | 0.92 | ≤ 0.6 × best peer | **NO** |'
expect '| us | 5 |  | tokio 6 | 0.83 | ≤ 1 × best peer | yes |'
expect '2 of 4 targets are reached.'
expect '| × | 1.25 |  | glib 1.5 | 0.83 | ≤ 1.08 | **NO** |'
expect '| the floor | 1.12 |'
expect 'blockmix few x 1.38, blockmix makespan x 1.12.'
expect '| cmwq per-CPU | 50 | 24 |'
expect '| condvar | 90 | 26 |'
expect 'glib, submit1: not done after 60 s'
expect 'abacus'
expect before
expect after
! grep -qx old "$tmp/doc.md" || fail "the old report is still there"
$report "$tmp/results.json" >"$tmp/report" || fail "report.py on what was run"
[ "$(grep -c '^|' "$tmp/report")" -gt 40 ] || fail "a report without tables"
exit $failed
