#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test.sh DIR [MESON TEST OPTION...] - run the tests of a build directory.
#
# A build with sanitizers gets what they need: five times the time, reports
# that fail the test, and for ThreadSanitizer fixed addresses, as its runtime
# cannot always map its shadow under strong address randomisation.

set -eu
cd "$(dirname "$0")/.."
dir=$1
shift

sanitize=$(meson introspect "$dir" --buildoptions | python3 -c '
import json, sys
print(next(o["value"] for o in json.load(sys.stdin)
	   if o["name"] == "b_sanitize"))')

supp()
{
	[ ! -f "tests/$1.supp" ] || printf ':suppressions=%s' "$PWD/tests/$1.supp"
}

case $sanitize in
none) ;;
*)
	CMWQ_TEST_TIMEOUT_SCALE=${CMWQ_TEST_TIMEOUT_SCALE:-5}
	ASAN_OPTIONS=abort_on_error=0:detect_stack_use_after_return=1$(supp asan)${ASAN_OPTIONS:+:$ASAN_OPTIONS}
	LSAN_OPTIONS=print_suppressions=0$(supp lsan)${LSAN_OPTIONS:+:$LSAN_OPTIONS}
	UBSAN_OPTIONS=print_stacktrace=1$(supp ubsan)${UBSAN_OPTIONS:+:$UBSAN_OPTIONS}
	# Children of a process with threads make threads again. A second's
	# sleep at the exit of each test would be minutes.
	TSAN_OPTIONS=die_after_fork=0:second_deadlock_stack=1:atexit_sleep_ms=20$(supp tsan)${TSAN_OPTIONS:+:$TSAN_OPTIONS}
	CMWQ_STRESS_SECONDS=${CMWQ_STRESS_SECONDS:-1}
	export CMWQ_STRESS_SECONDS
	export CMWQ_TEST_TIMEOUT_SCALE ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS
	export TSAN_OPTIONS
	set -- --timeout-multiplier "$CMWQ_TEST_TIMEOUT_SCALE" "$@"
	;;
esac
case $sanitize in
*thread*)
	if setarch -R true 2>/dev/null; then
		set -- --wrapper 'setarch -R' "$@"
	fi
	;;
esac

exec meson test -C "$dir" --no-rebuild --print-errorlogs "$@" </dev/null
