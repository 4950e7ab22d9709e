#!/bin/sh
# SPDX-License-Identifier: MIT
#
# install-deps.sh [run|test|sanitize|all|arm64|kernel|peers] - install what is missing
# on a Debian machine, as root or through sudo. Says nothing and does nothing when all is
# there. Each of the first four groups includes the ones before it.
#
#	run		build the library and its tools
#	test		build and run the tests
#	sanitize	the same under the sanitizers
#	all		the formatter and the models
#	arm64		what "test" includes, and to build for arm64 and run that
#	kernel		what "test" includes, and to bring a Linux kernel and boot it
#	peers		what "run" includes, and to build what the peer suite compares

set -eu
group=${1:-all}
missing=
wanted=

# need PACKAGE COMMAND...: the package, unless the command succeeds.
need()
{
	package=$1
	shift
	"$@" >/dev/null 2>&1 || missing="$missing $package"
}

# want PACKAGE COMMAND...: the same for what not every release has; where apt does not
# know it, it is left out.
want()
{
	package=$1
	shift
	"$@" >/dev/null 2>&1 || wanted="$wanted $package"
}

links()
{
	echo '#include <pthread.h>
	      int main(void) { return 0; }' | "$@" -x c -o /dev/null -
}

has()
{
	command -v "$1"
}

crate()
{
	ls -d "/usr/share/cargo/registry/$1"-[0-9]*
}

formats()
{
	has clang-format-14 || has clang-format
}

need gcc has cc
need libc6-dev links cc
need make has make
need meson has meson
need ninja-build has ninja
need pkg-config has pkg-config
need python3 has python3
need libhwloc-dev pkg-config --exists 'hwloc >= 2.8'
need liburcu-dev pkg-config --exists 'liburcu-bp >= 0.13'
need libssl-dev pkg-config --exists libcrypto

if [ "$group" != run ] && [ "$group" != peers ]; then
	need g++ has g++
	need binutils has nm
	need libcmocka-dev pkg-config --exists cmocka
	need mandoc has mandoc
	need openssl has openssl
	need valgrind has valgrind
fi

case $group in
run | test) ;;
arm64)
	need gcc-aarch64-linux-gnu has aarch64-linux-gnu-gcc
	need qemu-user-static has qemu-aarch64-static
	;;
kernel)
	need qemu-system-x86 has qemu-system-x86_64
	need debootstrap has debootstrap
	need debian-archive-keyring test -e \
		/usr/share/keyrings/debian-archive-keyring.gpg
	need busybox-static has busybox
	need cpio has cpio
	need util-linux has unshare
	;;
peers)
	need g++ has g++
	need git has git
	need libglib2.0-dev pkg-config --exists glib-2.0
	need libtbb-dev pkg-config --exists 'tbb >= 2021'
	need libuv1-dev pkg-config --exists libuv
	want libdispatch-dev test -e /usr/include/dispatch/dispatch.h
	need golang-go has go
	need default-jdk-headless has javac
	need cargo test -x /usr/bin/cargo
	need rustc test -x /usr/bin/rustc
	need librust-rayon-dev crate rayon
	need librust-tokio-dev crate tokio
	need python3-matplotlib /usr/bin/python3 -c 'import matplotlib'
	;;
sanitize | all)
	need clang has clang
	need libclang-rt-dev links clang -fsanitize=thread
	;;
*)
	echo "usage: install-deps.sh [run|test|sanitize|all|arm64|kernel|peers]" >&2
	exit 2
	;;
esac

if [ "$group" = all ]; then
	need clang-format formats
	need spin has spin
fi

# known: of what is wanted, that which apt knows.
known()
{
	for package in $wanted; do
		if apt-cache show "$package" >/dev/null 2>&1; then
			echo "$package"
		fi
	done
}

[ -n "$missing$(known)" ] || exit 0

if ! command -v apt-get >/dev/null; then
	echo "install-deps: install these, under Debian's names:$missing" >&2
	exit 1
fi

as_root=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "install-deps: needs root or sudo to install:$missing" >&2
		exit 1
	fi
	as_root=sudo
fi

apt()
{
	$as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
# Old lists can name packages that the mirror no longer has, so always update.
# shellcheck disable=SC2086 # one word per package
if ! apt update >"$log" 2>&1 || {
	missing="$missing $(known | tr '\n' ' ')"
	echo "install-deps: installing$missing" >&2
	! apt install -y --no-install-recommends $missing >>"$log" 2>&1
}; then
	cat "$log" >&2
	echo "install-deps: could not install$missing" >&2
	exit 1
fi
