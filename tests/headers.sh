#!/bin/sh
# SPDX-License-Identifier: MIT
#
# headers.sh - every public header compiles alone and without a warning, as
# C11, C17 and C++17, also after <sys/param.h>, which has an HZ of its own, and in
# programs with cpumasks or other kernel names of their own.

set -u
src=${CMWQ_SOURCE:-.}
cc=${CC:-cc}
case $cc in
*clang*) cxx=clang++ ;;
*) cxx=g++ ;;
esac
failed=0
warnings='-Wall -Wextra -Wpedantic -Wshadow -Werror'

# check FILE COMPILER...
check()
{
	file=$1
	shift
	if ! "$@" $warnings -I"$src/include" -fsyntax-only "$src/tests/$file"
	then
		echo "failed: $file, $*"
		failed=1
	fi
}

# check_all FILE OPTION...: in all languages.
check_all()
{
	file=$1
	shift
	check "$file" $cxx -x c++ -std=c++17 "$@"
	for std in gnu11 c11 gnu17 c17; do
		# shellcheck disable=SC2086 # it may be "ccache cc"
		check "$file" $cc -x c -std=$std "$@"
	done
}

if ! command -v $cxx >/dev/null; then
	echo "no $cxx"
	exit 77
fi

for what in cmwq/cmwq.h cmwq/cpumask.h cmwq/jiffies.h cmwq/workqueue.h USE; do
	case $what in
	USE) define=-DUSE ;;
	*) define="-DHEADER=<$what>" ;;
	esac
	for first in -UPARAM_FIRST -DPARAM_FIRST \
		'-DOWN_CPUMASK -DCMWQ_NO_CPUMASK'; do
		# shellcheck disable=SC2086 # a list of words
		check_all header.cpp "$define" $first
	done
done

for where in -DBEFORE '-DBEFORE -DSWITCHED' -DSWITCHED; do
	for first in -UPARAM_FIRST -DPARAM_FIRST; do
		# shellcheck disable=SC2086
		check_all shims.cpp $where $first
	done
done

# The list above is complete.
for header in "$src"/include/cmwq/*.h; do
	grep -q "cmwq/$(basename "$header") " "$0" || {
		echo "not checked: $header"
		failed=1
	}
done
exit $failed
