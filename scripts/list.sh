#!/bin/sh
# SPDX-License-Identifier: MIT
#
# list.sh - what the build finds in the tree. Meson asks at configure time.
#
#	list.sh sources DIR	C files of DIR, one per line
#	list.sh programs DIR	C files of DIR that have a main(), one per line
#	list.sh tests DIR	C files of DIR as PATH;TIMEOUT;PARALLEL;ROOMS
#	list.sh cases DIR	C files of DIR with cases of tests/conformance
#	list.sh scripts DIR	shell scripts of DIR as PATH;TIMEOUT;PARALLEL;
#	list.sh pages		manual pages as PATH;NAMES, without the first one
#	list.sh signature	changes when the build must be configured anew
#
# A test says what it needs in its first 40 lines, one per line:
#
#	rooms: timer lock log	the files of src/ that a unit test links
#	timeout: 300		seconds, where 120 are not enough
#	parallel: no		for one that must have the machine to itself
#
# DIR is relative to the root of the tree.

set -eu
export LC_ALL=C
cd "$(dirname "$0")/.."

files()
{
	[ ! -d "$1" ] || find "$1" -maxdepth "$2" -name "$3" -type f | sort
}

# The value of a "name: value" line in the first comment of a file.
field()
{
	head -n 40 "$1" | sed -n "s/^[ 	*#/]*$2:[ 	]*//p" |
		sed 's,[ 	]*\*/.*$,,; s/[, 	][, 	]*/ /g; s/ $//' | head -n 1
}

describe()
{
	while IFS= read -r f; do
		timeout=$(field "$f" timeout)
		parallel=true
		[ "$(field "$f" parallel)" != no ] || parallel=false
		printf '%s;%s;%s;%s\n' "$f" "${timeout:-120}" "$parallel" \
			"$(field "$f" rooms)"
	done
}

pages()
{
	files man 1 '*.[1-9]' | while IFS= read -r f; do
		printf '%s;' "$f"
		sed -n '/^\.Nd/q; s/^\.Nm \([^ ]*\).*/\1/p' "$f" |
			sed 1d | tr '\n' ' '
		echo
	done
}

case "${1:-}" in
sources)
	files "$2" 1 '*.c'
	;;
programs)
	files "$2" 1 '*.c' | while IFS= read -r f; do
		if grep -qE '^(int )?main\(' "$f"; then
			printf '%s\n' "$f"
		fi
	done
	;;
tests)
	files "$2" 1 '*.c' | describe
	;;
cases)
	files "$2" 1 '*.c' | while IFS= read -r f; do
		if grep -q '^CASE(' "$f"; then
			printf '%s\n' "$f"
		fi
	done
	;;
scripts)
	files "$2" 1 '*.sh' | describe
	;;
pages)
	pages
	;;
signature)
	for d in src bench bench/peers tools/cmwq-sum; do
		"$0" sources "$d"
	done
	"$0" programs examples
	for d in tests/e2e tests/unit; do
		"$0" tests "$d"
	done
	"$0" cases tests/conformance
	"$0" scripts tests
	"$0" pages
	;;
*)
	echo "usage: list.sh sources|programs|tests|cases|scripts|pages|signature [DIR]" >&2
	exit 2
	;;
esac
