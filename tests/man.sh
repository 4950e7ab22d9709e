#!/bin/sh
# SPDX-License-Identifier: MIT
#
# man.sh - the manual pages: mandoc and man find nothing to complain about, and
# what they say is what the headers say (man.py).

set -u
src=${CMWQ_SOURCE:-.}
failed=0

python3 -B "$src/tests/man.py" || failed=1

if ! command -v mandoc >/dev/null; then
	echo "no mandoc"
	[ $failed = 0 ] && exit 77
	exit 1
fi
mandoc -Tlint -W warning "$src"/man/*.[1-9] || failed=1

# A second reader, where it is installed: groff understands a little less.
if command -v man >/dev/null && man --version 2>/dev/null | grep -q '^man 2'
then
	for page in "$src"/man/*.[1-9]; do
		man --warnings -l -E UTF-8 -Tutf8 -Z "$page" 2>&1 >/dev/null |
			sed "s,^,$page: ,"
	done | grep . && failed=1
fi
exit $failed
