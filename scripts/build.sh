#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh DIR [MESON OPTION...] - configure DIR if that is needed, and build.
#
# Meson reads lists of files at configure time, so a file that was added or
# removed since then, or other options, configure the directory anew.

set -eu
cd "$(dirname "$0")/.."
dir=$1
shift

stamp=$dir/.configured-for
now=$(printf '%s\n' "$@"; scripts/list.sh signature)

if [ ! -f "$dir/build.ninja" ]; then
	# What an interrupted configuration left cannot be continued.
	rm -rf "$dir"
	meson setup "$dir" "$@"
	printf '%s\n' "$now" >"$stamp"
elif [ "$(cat "$stamp" 2>/dev/null)" != "$now" ]; then
	meson setup --reconfigure "$dir" "$@"
	printf '%s\n' "$now" >"$stamp"
fi
exec ninja -C "$dir"
