#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test-kernel.sh [SEQUENCES [OPTION...]] - run the conformance cases, and so many
# sequences of the storm, in a Linux kernel and in cmwq, and compare. SUITE names the
# Debian suite of the kernel; the options are those of tests/conformance/compare.py.
#
# Exit status 77: no kernel can be had or booted here. Any difference is 1.

set -eu
cd "$(dirname "$0")/.."
storm=${1:-200}
[ $# = 0 ] || shift

scripts/install-deps.sh kernel || {
	echo "test-kernel: skipped, what it needs cannot be installed" >&2
	exit 77
}
scripts/build.sh build/release >build/kernel-build.log || {
	cat build/kernel-build.log
	exit 1
}
# shellcheck disable=SC2086 # several suites
kernel=$(timeout --foreground 900 scripts/bring-kernel.sh ${SUITE:-}) || {
	echo "test-kernel: skipped, no kernel could be brought" >&2
	exit 77
}
exec tests/conformance/compare.py --storm "$storm" "$@" \
	build/release/tests/conformance/conformance "$kernel"
