#!/bin/sh
# SPDX-License-Identifier: MIT
#
# build.sh OUTDIR - put peer-rayon and peer-tokio into OUTDIR. The crates are those
# of Debian's packages, nothing is fetched. Exits 77 where one is not there.

set -eu
registry=/usr/share/cargo/registry
[ $# = 1 ] || {
	echo "usage: build.sh OUTDIR" >&2
	exit 2
}
# Debian's compiler before another one in PATH: its crates are made for it.
cargo=/usr/bin/cargo
rustc=/usr/bin/rustc
for tool in "$cargo" "$rustc"; do
	[ -x "$tool" ] || {
		echo "peers/rust: no $tool (Debian: cargo, rustc)" >&2
		exit 77
	}
done
for crate in rayon tokio libc; do
	set -- "$1" "$registry/$crate"-[0-9]*
	[ -d "$2" ] || {
		echo "peers/rust: no crate $crate (Debian:" \
			"librust-$crate-dev)" >&2
		exit 77
	}
done
mkdir -p "$1"
out=$(cd "$1" && pwd)
cd "$(dirname "$0")"
work=$out/rust
mkdir -p "$work"
# A copy, because cargo writes the versions that it has chosen beside the sources.
cp -R Cargo.toml shared rayon tokio "$work"
RUSTC=$rustc CARGO_HOME=$work/home "$cargo" build --quiet --offline --release \
	--manifest-path "$work/Cargo.toml" --target-dir "$work/target" \
	--config 'source.crates-io.replace-with="debian"' \
	--config "source.debian.directory=\"$registry\""
cp "$work/target/release/peer-rayon" "$work/target/release/peer-tokio" "$out"
