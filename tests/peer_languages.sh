#!/bin/sh
# SPDX-License-Identifier: MIT
#
# peer_languages.sh - the peers in Go, Java and Rust, those whose toolchain is here:
# every scenario that one lists runs and prints all that it is to print, as numbers.
# A thousandth of the work: the numbers mean nothing.
#
# timeout: 600

set -u
export LC_ALL=C
src=${CMWQ_SOURCE:-$PWD}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

fail()
{
	echo "failed: $*"
	failed=1
}

# promised SCENARIO: the names of its values.
promised()
{
	case $1 in
	submit[124] | chain) echo item_ns ;;
	pingpong | pingpong1) echo p50_us p99_us ;;
	burst) echo p50_us p99_us p999_us max_us ;;
	blocked64_cold) echo run_us threads all_us ;;
	blocked64_warm) echo run_us threads ;;
	blockmix | blockread) echo makespan_x cpu_x ;;
	oversub | quota) echo makespan_x switches ;;
	timers_pair) echo pair_ns ;;
	timers_late) echo p50_us p99_us max_us min_us ;;
	idle) echo threads switches cpu_us rss_kib private_dirty_kib ;;
	forkjoin) echo task_ns ;;
	startup | empty) ;;
	empty_mem) echo rss_kib private_dirty_kib ;;
	*) echo "a scenario that nobody knows" ;;
	esac
}

# check PEER SCENARIO
check()
{
	"$tmp/$1" "$2" --quick >"$tmp/out" 2>"$tmp/err" || {
		fail "$1 $2: status $?"
		cat "$tmp/out" "$tmp/err"
		return
	}
	got=$(sed -n 's/^\([a-z0-9_]*\) -\{0,1\}[0-9][0-9]*\.[0-9]*$/\1/p' \
		"$tmp/out" | tr '\n' ' ')
	[ "$got" = "$(promised "$2" | sed 's/..*/& /')" ] || {
		fail "$1 $2 printed:"
		cat "$tmp/out"
	}
}

check_peer()
{
	"$tmp/$1" --list >"$tmp/list" || fail "$1 --list"
	for scenario in submit1 chain pingpong burst blocked64_warm blockread \
		oversub idle startup; do
		grep -qx "$scenario" "$tmp/list" || fail "$1 has no $scenario"
	done
	while read -r scenario; do
		check "$1" "$scenario"
	done <"$tmp/list"
	"$tmp/$1" nonsense >"$tmp/out" 2>&1
	[ $? = 77 ] || fail "$1 nonsense: status 77 expected"
	"$tmp/$1" >"$tmp/out" 2>&1
	[ $? = 2 ] || fail "$1 without arguments: status 2 expected"
}

# build LANGUAGE PEER...: without a toolchain nothing, and a reason.
build()
{
	language=$1
	shift
	"$src/bench/peers/$language/build.sh" "$tmp" >"$tmp/log" 2>&1
	case $? in
	0) peers="$peers $*" ;;
	77)
		grep -q "^peers/$language: " "$tmp/log" ||
			fail "$language is skipped without a reason"
		cat "$tmp/log"
		;;
	*)
		cat "$tmp/log"
		fail "$language was not built"
		;;
	esac
}

# Where no program at all is found but the shell's own tools.
for language in go java; do
	mkdir -p "$tmp/bin"
	PATH="$tmp/bin" /bin/sh "$src/bench/peers/$language/build.sh" "$tmp" \
		>"$tmp/log" 2>&1
	[ $? = 77 ] || fail "$language without a toolchain: status 77 expected"
	grep -q "^peers/$language: " "$tmp/log" || fail "$language gives no reason"
done

peers=
build go peer-go-goroutines peer-go-channel
build java peer-java-fjp peer-java-cached
build rust peer-rayon peer-tokio
[ -n "$peers$(echo $failed | tr -d 0)" ] || {
	echo "skipped: no toolchain of another language"
	exit 77
}
for peer in $peers; do
	check_peer "$peer"
done
# In these pools a task must not wait for another one.
for peer in peer-go-channel peer-java-cached; do
	if [ -x "$tmp/$peer" ]; then
		"$tmp/$peer" forkjoin 2>/dev/null
		[ $? = 77 ] || fail "$peer forkjoin: status 77 expected"
	fi
done
exit $failed
