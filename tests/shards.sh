#!/bin/sh
# SPDX-License-Identifier: MIT
#
# shards.sh - queue_work() on CPUs of two shards of a 72-core cache takes no lock in
# common and writes no common line: valgrind writes down every store of it.
#
# timeout: 300

set -u
[ "$CMWQ_SANITIZE" = none ] || exit 77
command -v valgrind >/dev/null || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkfifo "$tmp/trace"

# What differs between this state and the usual one is who takes the items out.
CMWQ_PARAMS="${CMWQ_PARAMS-} cmwq.tick=0 cmwq.sentinel=0" \
CMWQ_TOPOLOGY='l3:1 core:72 pu:1' \
	timeout 280 valgrind --tool=lackey --basic-counts=no --trace-mem=yes \
	--log-file="$tmp/trace" "$CMWQ_BUILD/tests/e2e-topology" \
	--child queue_on_two_shards >"$tmp/marks" &
grep -E '^ [SM] ' "$tmp/trace" >"$tmp/stores"
wait $! || { cat "$tmp/marks"; exit 1; }

python3 - "$tmp/marks" "$tmp/stores" <<'END'
import sys

words = open(sys.argv[1]).read().split()
opens, closes = int(words[1], 16), int(words[2], 16)
stack = int(words[4], 16)
windows, window = [], None
for line in open(sys.argv[2]):
    address, size = line[3:].split(",")
    address = int(address, 16)
    if address == opens:
        window = set()
    elif address == closes and window is not None:
        windows.append(window)
        window = None
    elif window is not None and abs(address - stack) > 1 << 20:
        # The thread's own stack is nobody else's.
        for byte in (address, address + int(size) - 1):
            window.add(byte // 64)

# The tick or a worker may have had its turn within one or another of them, so a
# line counts if it was written in half of them. Items are written once each.
def written(shard):
    of_shard = windows[shard::2]
    lines = set().union(*of_shard)
    return {l for l in lines
            if sum(l in w for w in of_shard) * 2 > len(of_shard)}

assert len(windows) == 16, f"{len(windows)} windows"
assert all(windows), "a queue_work() that writes nothing"
one, other = written(0), written(1)
print(f"lines written each time: {len(one)} and {len(other)}")
assert one and other, "not even the inbox?"
common = one & other
assert not common, "written by both: " + ", ".join(
    hex(line * 64) for line in common)
END
