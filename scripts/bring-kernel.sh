#!/bin/sh
# SPDX-License-Identifier: MIT
#
# bring-kernel.sh [SUITE...] - a Linux kernel with its headers and a compiler,
# from the machine's own Debian mirror, into build/kernel/SUITE:
#
#	root/		a small Debian of that suite, in which modules are built
#	vmlinuz		the kernel
#	release		its name, as "uname -r" would print it
#	version		the version of its package, and the suite
#
# The first of the suites that can be had is taken (default: forky sid trixie)
# and its folder printed. What is there already is kept; remove build/kernel for
# a newer one. Needs root for chroot. All mounts are in a mount namespace of
# their own, so they end with this script, whatever ends it.
#
# Exit status 77: no kernel can be had on this machine; the reason is printed.

set -eu
cd "$(dirname "$0")/.."
suites=${*:-forky sid trixie}
top=$PWD/build/kernel

no()
{
	echo "bring-kernel: $*" >&2
	exit 77
}

for suite in $suites; do
	if [ -f "$top/$suite/version" ]; then
		echo "$top/$suite"
		exit 0
	fi
done

[ "$(uname -m)" = x86_64 ] || no "only for x86-64, this is $(uname -m)"
[ "$(id -u)" = 0 ] || no "needs root, for chroot"
command -v debootstrap >/dev/null || no "no debootstrap"
unshare --mount true 2>/dev/null || no "no mount namespaces here"

# The mirror of the machine's own release.
# shellcheck disable=SC1091,SC2016 # apt's own variables
mirror=$(. /etc/os-release && apt-get indextargets \
	--format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
	'Created-By: Packages' 2>/dev/null |
	awk -v release="$VERSION_CODENAME" \
		'$2 == release && $3 == "main" { print $1; exit }')
[ -n "$mirror" ] || no "no Debian mirror in the apt sources"

in_root()
{
	chroot "$dir/root" env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
		PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

bootstrap()
{
	# Older releases of debootstrap do not know the newest suites by name.
	script=/usr/share/debootstrap/scripts/$suite
	[ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
	debootstrap --variant=minbase "$suite" "$dir/root" "$mirror" "$script" ||
		return 1
	apt-config dump | grep -E '^Acquire::(http|https)::' \
		>"$dir/root/etc/apt/apt.conf.d/99host" || true
	cp -L /etc/resolv.conf "$dir/root/etc/resolv.conf" 2>/dev/null || true
}

# The package with the kernel image, and the image's place in it, have changed
# over time.
fetch_image()
{
	release=$1
	for package in "linux-binary-$release" "linux-image-$release"; do
		rm -f "$dir"/root/tmp/linux-*.deb
		in_root sh -c "cd /tmp && apt-get -qq download $package" || continue
		dpkg-deb --fsys-tarfile "$dir"/root/tmp/linux-*.deb |
			tar -xO --wildcards '*/vmlinuz*' >"$dir/vmlinuz" || true
		[ ! -s "$dir/vmlinuz" ] || return 0
	done
	return 1
}

bring()
{
	rm -rf "$dir"
	mkdir -p "$dir"
	bootstrap || return 1
	mount -t proc proc "$dir/root/proc" || return 1
	in_root apt-get -qq -o Dpkg::Use-Pty=0 install -y \
		--no-install-recommends linux-headers-cloud-amd64 make ||
		return 1
	release=$(basename "$(ls -d "$dir"/root/usr/src/linux-headers-*-cloud-amd64)")
	release=${release#linux-headers-}
	fetch_image "$release" || return 1
	rm -rf "$dir"/root/var/cache/apt/archives/*.deb "$dir"/root/tmp/*
	echo "$release" >"$dir/release"
	# shellcheck disable=SC2016 # dpkg's own variables
	echo "$(in_root dpkg-query -W -f '${Version}' \
		"linux-headers-$release") ($suite)" >"$dir/version.new"
}

if [ "${BRING_KERNEL_INSIDE:-}" != 1 ]; then
	BRING_KERNEL_INSIDE=1 exec unshare --mount --propagation private \
		"$0" "$@"
fi

mkdir -p "$top"
for suite in $suites; do
	dir=$top/$suite
	echo "bring-kernel: $suite from $mirror" >&2
	if bring >"$top/$suite.log" 2>&1; then
		umount "$dir/root/proc"
		mv "$dir/version.new" "$dir/version"
		echo "$dir"
		exit 0
	fi
	tail -n 5 "$top/$suite.log" >&2
	umount "$dir/root/proc" 2>/dev/null || true
done
no "none of these suites could be brought: $suites"
