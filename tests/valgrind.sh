#!/bin/sh
# SPDX-License-Identifier: MIT
#
# valgrind.sh - the first example, and a program that leaves idle workers,
# blocked and pending items and an armed timer behind, under memcheck: no
# error, no leak, no hang.
#
# timeout: 300

set -u
command -v valgrind >/dev/null || exit 77
[ "${CMWQ_SANITIZE-none}" = none ] || exit 77
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# check EXPECTED_LINES PROGRAM ARGUMENTS...
check()
{
	lines=$1
	shift
	echo "--- $*"
	timeout 120 valgrind --quiet --error-exitcode=1 --leak-check=full --show-leak-kinds=definite,indirect \
		--errors-for-leak-kinds=definite,indirect --fair-sched=try \
		--log-file="$tmp/log" "$@" >"$tmp/out" 2>&1
	status=$?
	cat "$tmp/log"
	if [ $status != 0 ] || [ -s "$tmp/log" ]; then
		cat "$tmp/out"
		echo "FAILED: status $status"
		failed=1
	elif [ "$(wc -l <"$tmp/out")" != "$lines" ]; then
		cat "$tmp/out"
		echo "FAILED: not $lines lines of output"
		failed=1
	fi
}

check 64 "$CMWQ_BUILD/examples/hello"
check 0 "$CMWQ_BUILD/tests/e2e-exit" --child leave_it_all
CMWQ_EXIT_STATE=5 check 0 "$CMWQ_BUILD/tests/e2e-exit" --child way_return
exit $failed
