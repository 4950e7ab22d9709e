#!/bin/sh
# SPDX-License-Identifier: MIT
#
# test-pods.sh DIR [MESON TEST OPTION...] - the programs of a build directory, on this
# machine's CPUs as if they were several pods of unbound workqueues: each CPU one on
# its own, then each a NUMA node.
#
# What is pretended has the CPUs 0 to N-1, and the tests ask the system where they
# run: both are the same only where the process may use just these. Elsewhere this
# ends with 77.

set -eu
cd "$(dirname "$0")/.."
dir=$1
shift

list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status)
last=$(echo "$list" | sed -n 's/^0-\([0-9]*\)$/\1/p; /^0$/p')
if [ -z "$last" ]; then
	echo "test-pods: the CPUs that may be used are $list, not all from 0 on"
	exit 77
fi
n=$((last + 1))

rc=0
export CMWQ_STRESS_SECONDS="${CMWQ_STRESS_SECONDS:-1}"
for pod in l3 numa; do
	export CMWQ_TOPOLOGY="$pod:$n core:1 pu:1"
	echo "CMWQ_TOPOLOGY=\"$CMWQ_TOPOLOGY\""
	scripts/test.sh "$dir" --logbase "testlog-$pod" \
		--suite e2e --suite conformance "$@" || rc=1
done
exit $rc
