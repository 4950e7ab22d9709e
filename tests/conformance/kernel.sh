#!/bin/sh
# SPDX-License-Identifier: MIT
#
# kernel.sh DIR OUT [PARAMETER...] - run the cases in a Linux kernel.
#
# DIR is what scripts/bring-kernel.sh made. The module is built there, put into an
# initial file system with busybox, and booted under qemu with these parameters
# of the module; its results go to the file OUT, and all that the kernel printed to
# OUT.console. CONF_FILE is a file that the module finds as /input.
#
# KVM is used where it works (CONF_ACCEL=tcg: never). Exit status 77: it never got as
# far as the initial file system.

set -eu
dir=$1
out=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
limit=${CONF_LIMIT:-1500}
release=$(cat "$dir/release")
src=$dir/root/conf
initrd=$dir/initrd

build_module()
{
	mkdir -p "$src"
	cp -pu "$here"/*.[ch] "$src"
	rm -f "$src"/world_user.*
	rooms=$("$here/../../scripts/list.sh" cases tests/conformance)
	# shellcheck disable=SC2086 # several files
	(cd "$here/../.." && sh "$here/table.sh" $rooms) >"$src/table.c.new"
	cmp -s "$src/table.c.new" "$src/table.c" ||
		mv "$src/table.c.new" "$src/table.c"
	{
		echo 'obj-m := conf.o'
		echo 'conf-y := case.o storm.o table.o world_kernel.o'
		for room in $rooms; do
			echo "conf-y += $(basename "$room" .c).o"
		done
	} >"$src/Makefile"
	# objtool wants /proc; the mount ends with this command.
	# shellcheck disable=SC2016 # of the inner shell
	unshare --mount --propagation private sh -c '
		mount -t proc proc "$1/root/proc" &&
		exec chroot "$1/root" env PATH=/usr/sbin:/usr/bin:/sbin:/bin \
			make -s -j2 -C "/usr/src/linux-headers-$2" M=/conf modules
	' sh "$dir" "$release" >"$dir/module.log" 2>&1 || {
		cat "$dir/module.log" >&2
		echo "kernel.sh: the module could not be built" >&2
		exit 1
	}
	if grep -E '^/conf/.*warning:|^conf/.*warning:' "$dir/module.log" >&2; then
		echo "kernel.sh: the module was built with warnings" >&2
		exit 1
	fi
}

make_initrd()
{
	rm -rf "$initrd"
	mkdir -p "$initrd/bin" "$initrd/dev" "$initrd/proc" "$initrd/sys"
	cp "$(command -v busybox)" "$initrd/bin/busybox"
	cp "$src/conf.ko" "$initrd"
	[ -z "${CONF_FILE:-}" ] || cp "$CONF_FILE" "$initrd/input"
	cat >"$initrd/init" <<-EOF
		#!/bin/busybox sh
		/bin/busybox mount -t proc proc /proc
		/bin/busybox mount -t sysfs sysfs /sys
		/bin/busybox mount -t devtmpfs dev /dev
		/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
		exec 3<>/dev/hvc0
		/bin/busybox stty -F /dev/hvc0 raw
		echo "release \$(/bin/busybox uname -r)" >&3
		/bin/busybox insmod /conf.ko $*
		/bin/busybox sleep 1
		/bin/busybox poweroff -f
	EOF
	chmod +x "$initrd/init"
	(cd "$initrd" && find . | cpio -o -H newc --quiet | gzip -1) \
		>"$dir/initrd.gz"
}

boot()
{
	accel="-accel tcg,thread=multi -cpu max"
	if [ "${CONF_ACCEL:-}" != tcg ] && kvm_works; then
		accel="-accel kvm -cpu host"
	fi
	echo "kernel.sh: $release, qemu $accel" >&2
	# shellcheck disable=SC2086 # several words
	nice -n 5 qemu-system-x86_64 $accel \
		-m 2G -smp 2,sockets=1,cores=2 -nodefaults -no-user-config \
		-display none -no-reboot -kernel "$dir/vmlinuz" \
		-initrd "$dir/initrd.gz" \
		-append "console=ttyS0 panic=-1 ibt=off \
workqueue.cpu_intensive_thresh_us=10000 \
workqueue.default_affinity_scope=system" \
		-serial "file:$out.console" \
		-device virtio-serial-pci \
		-chardev "file,id=results,path=$out" \
		-device virtconsole,chardev=results </dev/null >&2 &
	qemu=$!
	watch "$qemu"
	wait "$qemu"
}

# One that does not get far enough in time is ended.
watch()
{
	seconds=0
	while kill -0 "$1" 2>/dev/null; do
		if [ "$seconds" -gt "$limit" ] || { [ "$seconds" -gt 180 ] &&
			! grep -q '^release' "$out" 2>/dev/null; }; then
			kill -KILL "$1"
		fi
		sleep 1
		seconds=$((seconds + 1))
	done
}

# That /dev/kvm is there does not say that a guest can run.
kvm_works()
{
	[ -w /dev/kvm ] || return 1
	grep -qwE 'vmx|svm' /proc/cpuinfo || return 1
	timeout -s KILL 20 qemu-system-x86_64 -accel kvm -cpu host -m 64 \
		-nodefaults -display none -S -monitor stdio >/dev/null 2>&1 \
		<<-EOF
			quit
		EOF
}

qemu=
trap '[ -z "$qemu" ] || kill -KILL "$qemu" 2>/dev/null' EXIT
trap 'exit 1' INT TERM

build_module
make_initrd "$@"
# Emulation of several CPUs by several threads now and then trips over code that
# the kernel patches while it runs, mostly during the boot.
for try in 1 2 3; do
	rm -f "$out"
	boot || echo "kernel.sh: qemu failed, or took too long" >&2
	qemu=
	! grep -q '^end' "$out" || exit 0
	echo "kernel.sh: try $try: no end; see $out.console" >&2
	cp "$out.console" "$out.console.$try"
done
grep -q '^release' "$out" || exit 77
exit 1
