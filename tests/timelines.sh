#!/bin/sh
# SPDX-License-Identifier: MIT
#
# timelines.sh - the example program gets the four schedules of the kernel's
# workqueue document, with each detector of blocked workers alone too, and
# draws a picture that is well-formed and complete.
#
# timeout: 240
# parallel: no

set -u
timelines=$CMWQ_BUILD/examples/timelines
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

fail()
{
	echo "FAILED: $*"
	failed=1
}

check()
{
	echo "--- CMWQ_PARAMS=${CMWQ_PARAMS-}"
	if ! "$timelines" --runs 100 --svg "$tmp/t.svg" >"$tmp/out" 2>&1; then
		cat "$tmp/out"
		fail "CMWQ_PARAMS=${CMWQ_PARAMS-}"
		return
	fi
	grep -E '^\(|runs taken' "$tmp/out"
	[ "$(grep -c 'runs taken' "$tmp/out")" = 4 ] || fail 'four scenarios'
	! grep -q NOT "$tmp/out" || fail 'a fact does not hold, but exit 0'
}

# The picture: XML, four titles, three lanes each.
check_svg()
{
	if command -v python3 >/dev/null; then
		python3 -c 'import sys, xml.dom.minidom
xml.dom.minidom.parse(sys.argv[1])' "$1" || fail "$1 is not XML"
	fi
	[ "$(grep -cE '>\([a-d]\) ' "$1")" = 4 ] || fail "$1: titles"
	[ "$(grep -cE '>w[0-2]<' "$1")" = 12 ] || fail "$1: lanes"
}

# Exit status of wrong usage, and of a picture that cannot be written.
check_usage()
{
	"$timelines" --svg 2>/dev/null
	[ $? = 2 ] || fail 'an option without its value'
	"$timelines" --runs 0 2>/dev/null
	[ $? = 2 ] || fail 'no runs at all'
	"$timelines" --svg "$tmp/no/such/dir" >/dev/null 2>&1
	[ $? = 1 ] || fail 'a picture that cannot be written'
}

check
if [ -z "${CMWQ_PARAMS-}" ]; then
	for CMWQ_PARAMS in cmwq.sentinel=0 cmwq.tick=0; do
		export CMWQ_PARAMS
		check
	done
	unset CMWQ_PARAMS
fi
if [ $failed = 0 ]; then
	check_svg "$tmp/t.svg"
	check_usage
fi
exit $failed
