#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh - check the models with spin: each must hold, and each must fail when
# the step that it is about is taken out (or the model proves nothing).

set -eu
cd "$(dirname "$0")"
command -v spin >/dev/null || { echo "spin is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

# check MODEL [DEFINE]: errors found by an exhaustive search.
errors()
{
	(
		cp "$1.pml" "$work/m.pml"
		cd "$work"
		spin ${2:+-D"$2"} -a m.pml >/dev/null
		cc -O2 -DSAFETY -w -o pan pan.c
		./pan -m100000 | sed -n 's/.*errors: \([0-9]*\).*/\1/p'
	)
}

expect()
{
	n=$(errors "$1" "${3:-}")
	case $2:$n in
	holds:0) echo "ok   $1 holds" ;;
	fails:[1-9]*) echo "ok   $1 without its step ($3) fails" ;;
	*) echo "FAIL $1 ${3:-}: $n errors, expected that it $2"; failed=1 ;;
	esac
}

expect kick holds
expect kick fails NO_RECHECK
expect stopped holds
expect stopped fails NO_LOOK_AFTER
expect stopped fails NO_SECOND_LOOK
expect saturation holds
expect saturation fails NO_SECOND_LOOK
expect saturation fails NO_LOOK
expect saturation fails NO_LOUD
expect reentry holds
expect reentry fails NO_SLOT_CHECK
expect bh holds
expect bh fails NO_SECOND_LOOK
expect leaving holds
expect leaving fails NO_LOOK_AFTER
expect leaving fails NO_LEAVE
expect lease holds
expect lease fails NO_END
expect lease fails NO_LATE_LOOK
expect repeat holds
expect repeat fails NO_CLEAR
expect repeat fails NO_ORDER
expect repeat fails END_LAST
exit $failed
