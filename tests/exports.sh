#!/bin/sh
# SPDX-License-Identifier: MIT
#
# exports.sh - the shared library exports what the public headers declare and
# the version script lists, and nothing else; and it needs only libc, hwloc
# and liburcu.

set -u
export LC_ALL=C
src=${CMWQ_SOURCE:-.}
lib=$CMWQ_BUILD/libcmwq.so
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# What the compiler understands of the headers: declarations that are neither
# inline nor types, by their names for the linker.
for header in "$src"/include/cmwq/*.h; do
	${CC:-cc} -E -P -I"$src/include" "$header"
done | tr '\n' ' ' | sed 's/[;{}]/&\n/g' | grep -v typedef |
	grep -v 'static inline' |
	sed -nE -e 's/"[ ]*"//g' \
		-e 's/.*__asm__ *\("([a-z_]+)"\).*/\1/p' -e t \
		-e '/^ *return /d' \
		-e 's/^ *[A-Za-z_][A-Za-z_ ]*[ *](cmwq_[a-z_]+)\(.*;/\1/p' |
	sort -u >"$tmp/declared"

sed -n 's/^[ 	]*\(cmwq_[a-z_]*\);/\1/p' "$src/src/cmwq.map" |
	sort -u >"$tmp/listed"

nm -D --defined-only --without-symbol-versions "$lib" |
	awk '$2 != "A" { print $3 }' | sort -u >"$tmp/exported"

compare()
{
	if ! diff "$tmp/$1" "$tmp/$2" >"$tmp/diff"; then
		echo "'<' is $1 only, '>' is $2 only:"
		grep '^[<>]' "$tmp/diff"
		failed=1
	fi
}

[ -s "$tmp/declared" ] || { echo "no declarations found"; failed=1; }
compare declared listed
compare listed exported

if [ "${CMWQ_SANITIZE:-none}" = none ]; then
	readelf -d "$lib" >"$tmp/dynamic"
	grep -q 'NODELETE' "$tmp/dynamic" || {
		echo "the library could be unloaded under its threads"
		failed=1
	}
	grep -q 'soname: \[libcmwq.so.0\]' "$tmp/dynamic" || {
		echo "soname is not libcmwq.so.0"
		failed=1
	}
	if grep NEEDED "$tmp/dynamic" | grep -vE 'libc\.so|ld-linux|libhwloc|liburcu-(bp|common)'; then
		echo "the library needs more than the C library, hwloc and liburcu"
		failed=1
	fi
fi
exit $failed
