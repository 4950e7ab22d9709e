#!/bin/sh
# SPDX-License-Identifier: MIT
#
# storm.sh CONFORMANCE - sequences of operations come out in cmwq as they did in the
# kernel, whose results are in storm.kernel. "make test-kernel" makes more of them
# in both worlds, and that file.

set -eu
export CMWQ_PARAMS="${CMWQ_PARAMS:-} workqueue.default_affinity_scope=system"
here=$(dirname "$0")
count=${CONF_STORM:-$(grep -c '^[0-9]' "$here/storm.kernel")}
"$1" --storm 1 "$count" | awk -F'\t' -v golden="$here/storm.kernel" -v want="$count" '
BEGIN {
	while ((getline line < golden) > 0) {
		split(line, f, " ")
		kernel[f[1]] = f[2]
	}
}
$1 == "storm" {
	n++
	if ($3 != kernel[$2]) {
		print "sequence " $2 " is different from the kernel"
		bad++
	}
}
END {
	print n + 0 " sequences, " bad + 0 " different"
	exit(bad > 0 || n != want)
}'
