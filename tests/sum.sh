#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sum.sh - cmwq-sum from the outside: its output against sha256sum's, odd
# names, deep and wide trees, errors, signals, closed and slow readers.
#
# timeout: 300

set -u
export LC_ALL=C
sum=$(readlink -f "${CMWQ_BUILD:-build/release}")/tools/cmwq-sum
[ -x "$sum" ] || {
	echo "failed: there is no $sum"
	exit 1
}
tmp=$(mktemp -d)
trap 'chmod -R u+rwx "$tmp/shut" 2>/dev/null; rm -rf "$tmp"' EXIT
chmod 755 "$tmp"
cd "$tmp" || exit 1
failed=0
passed=0

ok()
{
	passed=$((passed + 1))
}

fail()
{
	echo "failed: $*"
	failed=$((failed + 1))
}

# check WHAT COMMAND...: the command must succeed.
check()
{
	what=$1
	shift
	if "$@"; then ok; else fail "$what"; fi
}

# status WANTED WHAT COMMAND...: its exit status; output in out and err.
status()
{
	wanted=$1
	what=$2
	shift 2
	"$@" >out 2>err
	got=$?
	if [ $got = "$wanted" ]; then
		ok
	else
		fail "$what: exit status $got instead of $wanted"
		head -n 5 err
	fi
}

# Wait for a condition, for as long as a very slow machine may take.
until_true()
{
	tries=0
	until "$@" 2>/dev/null; do
		tries=$((tries + 1))
		if [ $tries -gt 3000 ]; then
			fail "never happened: $*"
			return 1
		fi
		sleep 0.02
	done
}

# The files below the arguments, as sha256sum prints them, in our order: by
# byte value in each directory, that is, with the slash before any other byte.
expected()
{
	for top; do
		find "$top" -type f -print0 | tr '/' '\001' | sort -z |
			tr '\001' '/' | xargs -0 -r sha256sum --
	done
}

# Whether $1 is the first part of $2 and ends with a whole line.
whole_part()
{
	size=$(($(wc -c <"$1")))
	[ $size = 0 ] || [ "$(tail -c 1 "$1" | od -An -tx1)" = " 0a" ] || return 1
	head -c $size "$2" | cmp -s - "$1"
}

is_empty()
{
	[ ! -s "$1" ]
}

# A command that is to be interrupted must not inherit "ignored", which is
# what a shell gives to commands in the background.
interruptible='env --default-signal=INT'
$interruptible true 2>/dev/null || interruptible=

make_trees()
{
	mkdir -p tree/a/b tree/a.b tree/a-b tree/empty many
	nl=$(printf 'new\nline')
	cr=$(printf 'carriage\rreturn')
	for name in plain 'two  spaces' '-dash' 'back\slash' "$nl" "$cr" \
		"$(printf '\377\200latin')" '*' ' ' '\' '"' "a\\$nl"; do
		printf '%s' "$name" >"tree/a/b/$name"
	done
	mkdir "tree/dir\\$nl"
	echo inside >"tree/dir\\$nl/file"
	for size in 0 1 55 56 63 64 65 4096 262143 262144 262145 1048576 \
		1048577 4194304 5000001 20000000; do
		yes "$size" | head -c $size >"tree/size$size"
	done
	echo x | tee tree/a/z tree/a.b/z tree/a-b/z tree/a0 >/dev/null
	ln -s a/z tree/link-to-file
	ln -s a tree/link-to-dir
	ln -s nowhere tree/dangling
	ln -s . tree/a/loop
	mkfifo tree/fifo
	i=0
	while [ $i -lt 40 ]; do
		mkdir -p many/$i/x many/$i/y
		j=0
		while [ $j -lt 50 ]; do
			echo $i.$j >many/$i/x/$j
			: >many/$i/$j.empty
			j=$((j + 1))
		done
		i=$((i + 1))
	done
}

test_output()
{
	expected tree many >want
	status 0 "a tree" "$sum" tree many
	check "a tree: the output is sha256sum's" cmp out want
	check "a tree: no messages" is_empty err
	check "sha256sum -c" sha256sum -c --quiet out
	for j in 1 2 64; do
		status 0 "-j $j" "$sum" -j $j tree many
		check "-j $j: the same output" cmp out want
	done
	expected many tree >want
	status 0 "order of arguments" "$sum" many tree
	check "order of arguments" cmp out want
	expected . >want
	status 0 "the current directory" "$sum" -q .
	grep -v -e ' \./out$' -e ' \./err$' -e ' \./want$' want >want.rest
	grep -v -e ' \./out$' -e ' \./err$' -e ' \./want$' out >out.rest
	check "the current directory" cmp out.rest want.rest
	rm want.rest out.rest
	expected many/ >want
	status 0 "a slash at the end" "$sum" many/
	check "a slash at the end" cmp out want
	sha256sum -- tree/a0 'tree/a/b/back\slash' tree/a0 >want
	status 0 "files as arguments" "$sum" tree/a0 'tree/a/b/back\slash' \
		-- tree/a0
	check "files as arguments" cmp out want
	(cd tree/a/b && sha256sum -- -dash) >want
	status 0 "an absolute path" "$sum" "$tmp/tree/a/b/-dash"
	check "an absolute path" [ "$(cut -c -64 out)" = "$(cut -c -64 want)" ]
	status 0 "an empty directory" "$sum" tree/empty
	check "an empty directory prints nothing" is_empty out
	sha256sum tree/link-to-file >want
	status 0 "a link as argument" "$sum" tree/link-to-file
	check "a link as argument" cmp out want
	status 0 "a link to a directory as argument" "$sum" tree/link-to-dir
	check "a link to a directory as argument" \
		[ "$(wc -l <out)" = "$(expected tree/a/ | wc -l)" ]
}

# Paths far longer than PATH_MAX, more directories than descriptors.
test_shapes()
{
	python3 - <<-'EOF'
	import os
	os.mkdir("deep")
	os.chdir("deep")
	for i in range(2000):
	    for name in ("a%d" % i, "z%d" % i):
	        with open(name, "w") as f:
	            f.write("%s\n" % name)
	    os.mkdir("level")
	    os.chdir("level")
	EOF
	{
		i=0
		while [ $i -lt 2000 ]; do
			echo a$i
			i=$((i + 1))
		done
		while [ $i -gt 0 ]; do
			i=$((i - 1))
			echo z$i
		done
	} >names
	status 0 "a deep tree" "$sum" deep
	sed 's,.*/,,' out >got
	check "a deep tree: every file, in order" cmp got names
	check "a deep tree: digests" [ "$(sed -n '$s/ .*//p' out)" = \
		"$(echo z0 | sha256sum | cut -c -64)" ]
	cp out want
	status 0 "few descriptors" sh -c \
		'ulimit -n 360 && exec "$@"' sh "$sum" deep many
	expected many >>want
	check "few descriptors: the same output" cmp out want
}

# Run as somebody who is subject to permissions.
as_nobody()
{
	if [ "$(id -u)" != 0 ]; then
		"$@"
	else
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
}

test_errors()
{
	sha256sum tree/a0 tree/a/z >want
	status 1 "a missing file" "$sum" tree/a0 missing tree/a/z
	check "a missing file: the others are printed" cmp out want
	check "a missing file: the message" [ "$(cat err)" = \
		"cmwq-sum: missing: No such file or directory" ]
	status 1 "a FIFO as argument" "$sum" tree/fifo
	check "a FIFO as argument: the message" grep -q tree/fifo err

	mkdir -p shut/b
	echo 1 | tee shut/a shut/b/file shut/c shut/d >/dev/null
	sha256sum shut/a shut/d >want
	chmod 755 shut
	chmod 644 shut/a shut/d
	chmod 0 shut/b shut/c
	if as_nobody test -x "$sum"; then
		status 1 "no permission" as_nobody "$sum" shut
		check "no permission: the others are printed" cmp out want
		printf 'cmwq-sum: shut/%s: Permission denied\n' b c >want
		check "no permission: messages in order" diff want err
	else
		echo "skipped: permissions (nobody cannot run $sum)"
	fi
	chmod 755 shut/b shut/c

	status 1 "standard output is closed" sh -c '"$@" >&-' sh "$sum" tree
	check "standard output is closed: the message" grep -q descriptor err
	status 1 "the disk is full" sh -c '"$@" >/dev/full' sh "$sum" tree
	check "the disk is full: the message" grep -q 'No space left' err
	status 0 "standard input and error are closed" \
		sh -c '"$@" <&- 2>&-' sh "$sum" tree/a0
	check "standard input and error are closed" \
		[ "$(cat out)" = "$(sha256sum tree/a0)" ]

	status 2 "no arguments" "$sum"
	status 2 "-" "$sum" -
	status 2 "an empty argument" "$sum" ''
	status 2 "an unknown option" "$sum" --nonsense tree
	for j in 0 -1 2049 x 1x ''; do
		status 2 "-j $j" "$sum" -j "$j" tree
	done
	status 0 "--help" "$sum" --help
	check "--help" grep -q -e --stats out
	status 0 "--version" "$sum" --version
	check "--version" grep -q '^cmwq-sum [0-9]' out
	status 1 "--help on a full disk" sh -c '"$@" >/dev/full' sh "$sum" --help
}

test_stats()
{
	status 0 "--stats" "$sum" --stats tree many
	for queue in sum-walk sum-hash sum-output; do
		check "--stats: $queue ran items" \
			grep -Eq "^$queue +[1-9]" err
	done
	files=$(wc -l <out)
	bytes=$(find tree many -type f -printf '%s\n' | awk '{ n += $1 }
		END { print n }')
	check "--stats: the sums" grep -q "^$files files, $bytes bytes, " err
}

# The reader of the pipe goes away.
test_closed_pipe()
{
	{
		"$sum" many many many 2>err
		echo $? >code
	} | head -n 1 >out
	check "closed pipe: status" [ "$(cat code)" = 141 ]
	check "closed pipe: silence" is_empty err
}

# interrupt SIGNAL STATUS: the reader of the pipe is slow, so that the program
# stands still with its output half written.
interrupt()
{
	rm -f pipe
	mkfifo pipe
	$interruptible "$sum" many many many many >pipe 2>err &
	pid=$!
	exec 3<pipe
	IFS= read -r line <&3
	kill -"$1" $pid
	wait $pid
	code=$?
	{
		printf '%s\n' "$line"
		cat <&3
	} >out
	exec 3<&-
	check "SIG$1: exit status $code" [ $code = "$2" ]
	check "SIG$1: whole lines" whole_part out want
	check "SIG$1: not all of them" [ "$(wc -l <out)" -lt "$(wc -l <want)" ]
	check "SIG$1: no messages" is_empty err
}

has_open()
{
	find /proc/"$1"/fd -lname "*/$2" | grep -q .
}

test_signals()
{
	expected many >one
	cat one one one one >want
	[ -z "$interruptible" ] || interrupt INT 130
	interrupt TERM 143

	# In the middle of a file that would take minutes.
	truncate -s 256G huge
	"$sum" huge >out 2>err &
	pid=$!
	until_true has_open $pid huge
	kill -TERM $pid
	wait $pid
	check "interrupted in a file: status" [ $? = 143 ]
	check "interrupted in a file: no output" is_empty out
	rm huge

	# At any time. Many outcomes are right; half a line is none of them.
	for delay in 0 0 0.001 0.002 0.005 0.01 0.02 0.03 0.05 0.08; do
		"$sum" -j 4 many many many many >out 2>err &
		pid=$!
		sleep $delay
		kill -TERM $pid 2>/dev/null
		wait $pid 2>/dev/null
		code=$?
		case $code in
		0) check "not interrupted" cmp out want ;;
		143) check "interrupted after $delay s" whole_part out want ;;
		*) fail "interrupted after $delay s: status $code" ;;
		esac
	done
}

# A signal that was ignored at the start stays ignored.
test_ignored_signal()
{
	rm -f pipe
	mkfifo pipe
	sh -c 'trap "" INT; exec "$@"' sh "$sum" many many many many >pipe &
	pid=$!
	exec 3<pipe
	IFS= read -r line <&3
	kill -INT $pid
	{
		printf '%s\n' "$line"
		cat <&3
	} >out
	exec 3<&-
	wait $pid
	check "ignored SIGINT: status" [ $? = 0 ]
	check "ignored SIGINT: all lines" cmp out want
}

test_bar()
{
	if ! script -qec true /dev/null >/dev/null 2>&1; then
		echo "skipped: progress bar (no script command)"
		return
	fi
	truncate -s 1G sparse
	script -qec "$sum sparse >/dev/null" /dev/null >out </dev/null
	check "a bar on a terminal" grep -q '\[#.* files .*MB/s' out
	check "the bar is taken away at the end" \
		[ "$(tail -c 4 out | od -An -c | tr -d ' \n')" = '\r033[K' ]
	script -qec "$sum -q sparse >/dev/null" /dev/null >out </dev/null
	check "no bar with -q" is_empty out
	status 0 "no terminal" "$sum" sparse
	check "no bar without a terminal" is_empty err
	rm sparse
}

make_trees
test_output
test_shapes
test_errors
test_stats
test_closed_pipe
test_signals
test_ignored_signal
test_bar

echo "$passed checks passed, $failed failed"
[ $failed = 0 ]
