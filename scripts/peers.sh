#!/bin/sh
# SPDX-License-Identifier: MIT
#
# peers.sh - build what the peer suite compares, into build/peers: a program
# peer-NAME for each peer. Those that cannot be built here are named, with the reason
# in build/peers/NAME.log, and left out.

set -u
cd "$(dirname "$0")/.." || exit
out=$PWD/build/peers
mkdir -p "$out"
rm -f "$out"/peer-*

# What was not there when it was configured may be there now.
rm -f build/peers/c/.configured-for

# part NAME COMMAND...
part()
{
	name=$1
	shift
	if "$@" >"$out/$name.log" 2>&1; then
		return 0
	fi
	echo "peers: $name was not built, see build/peers/$name.log:" >&2
	tail -n 3 "$out/$name.log" >&2
	return 1
}

if part c scripts/build.sh build/peers/c --buildtype=release -Dpeers=true \
	-Dtests=false -Dtools=false -Dexamples=false; then
	for program in build/peers/c/bench/peers/peer-*; do
		[ ! -f "$program" ] || [ ! -x "$program" ] ||
			ln -sf "$PWD/$program" "$out/"
	done
	for library in glib uv tbb-arena tbb-group dispatch; do
		[ -x "$out/peer-$library" ] ||
			echo "peers: no $library on this machine" >&2
	done
fi
for language in go java rust; do
	[ ! -x "bench/peers/$language/build.sh" ] ||
		part "$language" "bench/peers/$language/build.sh" "$out"
done
[ -x "$out/peer-cmwq" ] || exit 1
