#!/bin/sh
# SPDX-License-Identifier: MIT
#
# arm64.sh [TEST...] - cross-build for arm64 and run the unit and e2e
# tests under qemu-user.
#
# The arm64 libraries are downloaded by an apt of their own, whose lists and
# packages lie in build/, and unpacked there: nothing is added to the machine's
# architectures or packages. It asks the mirrors that the machine is set up with.

set -eu
cd "$(dirname "$0")/.."
root=$PWD/build/arm64-root
dir=build/arm64

fetch()
{
	apt=$PWD/build/arm64-apt
	rm -rf "$apt" "$root.new"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root.new"
	: >"$apt/status"
	cat >"$apt/apt.conf" <<-END
		Dir::State "$apt";
		Dir::State::lists "$apt/lists";
		Dir::State::status "$apt/status";
		Dir::Cache "$apt/cache";
		APT::Architecture "arm64";
		APT::Architectures { "arm64"; };
		APT::Sandbox::User "$(id -un)";
	END
	for word in update 'install -y --download-only --no-install-recommends
		libc6-dev libhwloc-dev liburcu-dev libcmocka-dev'; do
		# shellcheck disable=SC2086 # a command and its arguments
		APT_CONFIG=$apt/apt.conf apt-get -qq $word </dev/null
	done
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb -x "$deb" "$root.new"
	done
	rm -rf "$apt" "$root"
	mv "$root.new" "$root"
}

[ -d "$root" ] || fetch

cat >"$root/cross.ini" <<END
[binaries]
c = ['aarch64-linux-gnu-gcc', '--sysroot=$root']
ar = 'aarch64-linux-gnu-ar'
strip = 'aarch64-linux-gnu-strip'
objcopy = 'aarch64-linux-gnu-objcopy'
pkgconfig = 'pkg-config'
exe_wrapper = ['qemu-aarch64-static', '-L', '$root']

[properties]
sys_root = '$root'
pkg_config_libdir = '$root/usr/lib/aarch64-linux-gnu/pkgconfig'

[host_machine]
system = 'linux'
cpu_family = 'aarch64'
cpu = 'aarch64'
endian = 'little'
END

scripts/build.sh "$dir" --cross-file "$root/cross.ini" -Dtools=false \
	-Dbenches=false -Dexamples=false

# What the emulator cannot show: it keeps threads, signals and memory of its own,
# which these tests would find in /proc, is no judge of who runs at once, and its
# fork() is not safe beside threads.
tests=$(meson test -C "$dir" --no-rebuild --list --suite unit --suite e2e |
	sed -n 's,.* / ,,p' |
	grep -vxE 'context|inherit|init|quota|os_probe|objects|fork|fork_storm|rcu_fork')

# Emulated threads are slow.
CMWQ_TEST_TIMEOUT_SCALE=${CMWQ_TEST_TIMEOUT_SCALE:-5}
CMWQ_STRESS_SECONDS=${CMWQ_STRESS_SECONDS:-1}
export CMWQ_TEST_TIMEOUT_SCALE CMWQ_STRESS_SECONDS
# shellcheck disable=SC2086 # names of tests
exec scripts/test.sh "$dir" --timeout-multiplier "$CMWQ_TEST_TIMEOUT_SCALE" \
	${*:-$tests}
