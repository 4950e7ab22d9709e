#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install.sh - what "make install" installs is enough to build and run the
# smallest program, with pkg-config, against either library; and each name of a
# manual page leads to it.

set -eu
[ "${CMWQ_SANITIZE:-none}" = none ] || exit 77
src=${CMWQ_SOURCE:-.}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

meson install -C "$CMWQ_BUILD" --no-rebuild --quiet --destdir "$root"

man=$(dirname "$(find "$root" -name cmwq.7)")/..
for page in cmwq.7 cmwq-sum.1 queue_work.3 schedule_work.3 HZ.3; do
	[ -s "$man/man${page##*.}/$page" ] || { echo "no $page"; exit 1; }
done
[ -z "$(find "$man" -type l ! -exec test -e {} ';' -print)" ]

pc=$(find "$root" -name cmwq.pc)
[ -n "$pc" ] || { echo "no cmwq.pc"; exit 1; }
PKG_CONFIG_SYSROOT_DIR=$root
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_PATH
libdir=$root$(pkg-config --variable=libdir cmwq | sed "s,^$root,,")

# shellcheck disable=SC2046,SC2086 # lists of words
{
	${CC:-cc} -o "$root/shared" "$src/examples/hello.c" \
		$(pkg-config --cflags --libs cmwq)
	${CC:-cc} -o "$root/static" "$src/examples/hello.c" \
		$(pkg-config --cflags cmwq) "$libdir/libcmwq.a" \
		$(pkg-config --libs --static cmwq | sed 's/-lcmwq//')
}

for kind in shared static; do
	LD_LIBRARY_PATH=$libdir "$root/$kind" >"$root/out"
	[ -s "$root/out" ] || { echo "$kind: no output"; exit 1; }
done
