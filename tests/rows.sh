#!/bin/sh
# SPDX-License-Identifier: MIT
#
# rows.sh - every exported function that takes arguments has a row in the tables of
# bad arguments, tests/e2e/badargs*.c.

set -u
export LC_ALL=C
src=${CMWQ_SOURCE:-.}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

# Declarations as the compiler sees them, one a line, with the linker's name.
for header in "$src"/include/cmwq/*.h; do
	${CC:-cc} -E -P -I"$src/include" "$header"
done | tr '\n' ' ' | sed 's/[;{}]/&\n/g' | sed 's/"[ ]*"//g' >"$tmp/text"

# Of a symbol: the declaration.
declaration()
{
	grep -v 'static inline' "$tmp/text" | grep -E "__asm__ *\(\"$1\"\)|[ *]$1\(" |
		head -n 1
}

rows=0
for symbol in $(sed -n 's/^[ 	]*\(cmwq_[a-z_]*\);/\1/p' "$src/src/cmwq.map"); do
	declared=$(declaration "$symbol")
	case $declared in
	'')
		echo "$symbol is not declared"
		failed=1
		continue
		;;
	*extern*) continue ;;
	*'(void)'*) continue ;;
	esac
	# The kernel's name, or ours.
	if grep -qsE "ROW(_VOID)?\((cmwq_)?${symbol#cmwq_}," \
		"$src"/tests/e2e/badargs*.c; then
		rows=$((rows + 1))
	else
		echo "$symbol has no row in tests/e2e/badargs*.c"
		failed=1
	fi
done
echo "$rows functions have rows"
[ "$rows" -ge 70 ] || { echo "too few: are the headers understood?"; failed=1; }
exit $failed
