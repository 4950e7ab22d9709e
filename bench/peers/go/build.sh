#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh OUTDIR - put peer-go-goroutines and peer-go-channel into OUTDIR.
# Exits 77 where there is no Go.

set -eu
[ $# = 1 ] || {
	echo "usage: build.sh OUTDIR" >&2
	exit 2
}
command -v go >/dev/null || {
	echo "peers/go: no go command (Debian: golang-go)" >&2
	exit 77
}
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
for pool in goroutines channel; do
	# Nothing is fetched: only the standard library is used.
	GOPROXY=off GO111MODULE=on GOTOOLCHAIN=local \
		go build -trimpath -tags "$pool" -o "$out/peer-go-$pool" .
done
