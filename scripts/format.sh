#!/bin/sh
# SPDX-License-Identifier: MIT
#
# format.sh [--check] - clang-format all C files, or say which would change.
# Releases of clang-format differ; version 14 (Debian 12) is the one that
# counts.

set -eu
cd "$(dirname "$0")/.."
tool=$(command -v clang-format-14 || command -v clang-format) || {
	echo "format: no clang-format" >&2
	exit 1
}
case ${1:-} in
--check) set -- --dry-run --Werror ;;
'') set -- -i ;;
*)
	echo "usage: format.sh [--check]" >&2
	exit 2
	;;
esac
find include src tests tools bench examples \
	\( -name '*.[ch]' -o -name '*.cpp' \) -type f -print0 |
	xargs -0 -r "$tool" "$@"
