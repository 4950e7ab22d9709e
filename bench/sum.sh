#!/bin/sh
# SPDX-License-Identifier: MIT
#
# sum.sh - cmwq-sum against its yardsticks.
#
#	sum.sh [BUILD]		BUILD is build/release if not given
#
#	small	50,000 files of 4 KiB, against openssl under find and xargs;
#		with a warm page cache, and with a cold one where this script
#		may drop it
#	big	four files of 1 GiB, warm, against what `openssl speed` says
#		one CPU can do, times the number of CPUs; and per second of
#		CPU time, which tells also on a busy machine
#
# Ours and the yardstick take turns; the medians of ROUNDS turns are compared.
# TMPDIR needs 4.5 GB; FILES, BIG_MB and ROUNDS change the amounts.

set -eu
export LC_ALL=C
build=${1:-build/release}
sum=$(readlink -f "$build/tools/cmwq-sum")
files=${FILES:-50000}
big_mb=${BIG_MB:-1024}
rounds=${ROUNDS:-5}
cpus=$(nproc)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
cd "$tmp"

ours()
{
	"$sum" small >ours.out
}

theirs()
{
	find small -type f -print0 |
		xargs -0 -n 32 -P "$cpus" openssl dgst -sha256 -r >theirs.out
}

# Milliseconds that a command takes.
milliseconds()
{
	start=$(date +%s%N)
	"$@"
	end=$(date +%s%N)
	echo $(((end - start) / 1000000))
}

# Milliseconds of CPU time of this shell's commands, from what `times` wrote.
cpu_milliseconds()
{
	sed -n '2s/[ms]/ /gp' "$1" |
		awk '{ print int(($1 * 60 + $2 + $3 * 60 + $4) * 1000) }'
}

median()
{
	sort -n "$1" | awk '{ v[NR] = $1 } END {
		if (NR % 2) print v[(NR + 1) / 2]
		else print (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

drop_caches()
{
	sync
	echo 3 >/proc/sys/vm/drop_caches
}

make_small()
{
	echo "making $files files of 4 KiB"
	mkdir small
	head -c $((files * 4096)) /dev/urandom >random
	i=0
	while [ $((i * 1000)) -lt "$files" ]; do
		mkdir small/$i
		n=$((files - i * 1000))
		[ $n -le 1000 ] || n=1000
		tail -c +$((i * 4096000 + 1)) random | head -c $((n * 4096)) |
			split -b 4096 -a 4 - small/$i/file
		i=$((i + 1))
	done
	rm random
}

# small_round warm|cold
small_round()
{
	for who in ours theirs; do
		[ "$1" = warm ] || drop_caches
		milliseconds $who >>"$1.$who"
	done
}

# small warm|cold
small()
{
	# The first turn of each only warms what can be warmed.
	ours
	theirs
	i=0
	while [ $i -lt "$rounds" ]; do
		small_round "$1"
		i=$((i + 1))
	done
	o=$(median "$1.ours")
	t=$(median "$1.theirs")
	awk -v o="$o" -v t="$t" -v what="$1" -v n="$files" 'BEGIN {
		printf "%d x 4 KiB, %s: cmwq-sum %d ms, find | xargs " \
			"openssl %d ms, ratio %.2f (at most 1)\n",
			n, what, o, t, o / t }'
	sort -k 2 ours.out | sed 's/  / /' >ours.sorted
	sed 's/ \*/ /' theirs.out | sort -k 2 >theirs.sorted
	cmp ours.sorted theirs.sorted
}

make_big()
{
	echo "making 4 files of $big_mb MiB"
	mkdir big
	for i in 1 2 3 4; do
		dd if=/dev/urandom of=big/$i bs=1M count="$big_mb" status=none
	done
}

# Bytes per second of one CPU; openssl prints thousands of bytes.
openssl_speed()
{
	openssl speed -evp sha256 -seconds 1 -bytes 16384 2>/dev/null |
		sed -n 's/k$//; s/^sha256[^0-9]* //p' | tail -n 1
}

ours_big()
{
	"$sum" big >big.out
}

big()
{
	ours_big # reads the files into the cache
	i=0
	while [ $i -lt "$rounds" ]; do
		times >before # not in $(), which has its own times
		milliseconds ours_big >>big.ours
		times >after
		echo $(($(cpu_milliseconds after) - \
			$(cpu_milliseconds before))) >>big.cpu
		openssl_speed >>big.speed
		i=$((i + 1))
	done
	awk -v ms="$(median big.ours)" -v cpu="$(median big.cpu)" \
		-v speed="$(median big.speed)" \
		-v mb="$big_mb" -v cpus="$cpus" 'BEGIN {
		ours = 4 * mb * 1048.576 / ms
		all = cpus * speed / 1000
		printf "4 x %d MiB, warm: cmwq-sum %d MB/s, openssl speed x " \
			"%d CPUs %d MB/s, ratio %.3f (at least 0.9)\n",
			mb, ours, cpus, all, ours / all
		ours = 4 * mb * 1048.576 / cpu
		printf "the same per second of CPU time: %d MB against %d, " \
			"ratio %.3f\n", ours, all / cpus, ours * cpus / all }'
}

make_small
small warm
if [ -w /proc/sys/vm/drop_caches ]; then
	small cold
else
	echo "cold cache: skipped, /proc/sys/vm/drop_caches cannot be written"
fi
rm -rf small
make_big
big
