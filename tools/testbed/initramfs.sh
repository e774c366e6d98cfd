# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# The initramfs of an emulated machine, sourced by machine.  It is a row of
# uncompressed cpio archives, as the kernel takes them: one with busybox, which
# is cached, and one with the modules, the command and the files of this run.
# The same input gives the same bytes, or --icount would not be deterministic.

# Directory $1 becomes the cpio archive $2.
cpio_pack() {
	find "$1" -exec touch -h -d @0 {} +
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort |
		cpio -o -H newc -R 0:0 --reproducible --quiet) >"$2"
}

base_archive() {
	local box sum dir name

	box=$(command -v busybox)
	! ldd "$box" >/dev/null 2>&1 ||
		die "$box is not static; install busybox-static"
	sum=$(cat "$box" "$here/guest/init" "$here/guest/run-tests" \
		"$here/initramfs.sh" | sha256sum | cut -c1-16)
	base=$CACHE/base-$sum.cpio
	[ ! -s "$base" ] || return 0

	dir=$work/base
	mkdir -p "$dir"/{bin,dev,etc,proc,root,run,sbin,sys,tmp,usr/bin,usr/sbin,var}
	chmod 1777 "$dir/tmp"
	install -m 755 "$box" "$dir/bin/busybox"
	for name in $("$box" --list); do
		[ "$name" = busybox ] || ln -s busybox "$dir/bin/$name"
	done
	install -m 755 "$here/guest/init" "$dir/init"
	install -m 755 "$here/guest/run-tests" "$dir/bin/run-tests"
	printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n' \
		>"$dir/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' >"$dir/etc/group"
	cpio_pack "$dir" "$work/base.cpio"
	mv "$work/base.cpio" "$base"
}

# Where module $1 is: ours or pristine first, then the distribution's.
find_module() {
	local name=$1 dir

	case $modules in
	ours) dir=$BUILD/modules/$flavour ;;
	pristine) dir=$BUILD/pristine/$flavour ;;
	stock) dir=/nonexistent ;;
	esac
	if [ -f "$dir/$name.ko" ]; then
		echo "$dir/$name.ko"
		return
	fi
	case $name in
	kvm | kvm-amd | kvm-intel)
		[ "$modules" = stock ] ||
			die "no $dir/$name.ko; run: make modules"
		;;
	esac
	# A dependency is written with _, its file may be named with -.
	find "$kdir/modules/" -name "${name//[-_]/[-_]}.ko*" | head -n 1
}

# Copy module $1 and, before it, all that it depends on; fill load_order.
add_module() {
	local name=$1 file dep to

	case " $load_order " in
	*" $name "*) return 0 ;;
	esac
	file=$(find_module "$name")
	[ -n "$file" ] || die "kernel $flavour has no module $name"
	for dep in $(modinfo -F depends "$file" | tr , ' '); do
		add_module "$dep"
	done
	to=$dir/modules/$name.ko
	case $file in
	*.xz) xz -dc "$file" >"$to" ;;
	*) cp "$file" "$to" ;;
	esac
	# The signature of a stock file would be lost; it has no debug data.
	[ "${file%.xz}" != "$file" ] || strip --strip-debug "$to"
	load_order="$load_order $name"
}

module_parameters() {
	local name=$1 p

	case $name in
	kvm-amd) printf ' npt=%s' "$npt" ;;
	kvm-intel) printf ' ept=%s' "$npt" ;;
	kvm)
		[ "$modules" != ours ] ||
			printf ' direct_paging=1 direct_paging_audit=1'
		;;
	esac
	for p in "${params[@]}"; do
		[ "${p%%.*}" != "$name" ] || printf ' %s' "${p#*.}"
	done
}

# The kernel itself only warns of a parameter that a module does not have.
check_parameters() {
	local p mod name

	for p in "${params[@]}"; do
		mod=${p%%.*} name=${p#*.}
		name=${name%%=*}
		[ -f "$dir/modules/$mod.ko" ] ||
			die "--param $p: no module $mod is loaded"
		modinfo -F parm "$dir/modules/$mod.ko" | grep -q "^$name:" ||
			die "--param $p: $mod.ko has no parameter $name"
	done
}

# The shared libraries of program $1, at the paths where its loader looks.
add_libraries() {
	local lib

	{ ldd "$1" 2>/dev/null || :; } | sed -n "s,^[^/]*\\(/[^ ]*\\).*,\\1,p" | while read -r lib; do
		[ -e "$dir$lib" ] || install -D -m 755 "$lib" "$dir$lib"
	done
}

add_file() {
	local from=${1%%:*} to=${1#*:} f

	case $1 in
	*:/*) ;;
	*) die "--add $1: wants HOSTFILE:/GUESTPATH" ;;
	esac
	[ -e "$from" ] || die "--add $1: there is no $from"
	mkdir -p "$dir$(dirname "$to")"
	cp -rL "$from" "$dir$to"
	find "$dir$to" -type f -perm /111 | while read -r f; do
		add_libraries "$f"
	done
}

# Under TCG, KVM wants CONSTANT_TSC from an RT kernel: the test-only module.
wants_constant_tsc() {
	[ "$flavour" = rt-amd64 ] && [ "$emulator" = qemu ] && [ "$accel" = tcg ]
}

initramfs_make() {
	local out=$1 dir=$work/root load_order='' m a

	base_archive
	mkdir -p "$dir/modules"
	if wants_constant_tsc; then
		KERNELS=$KERNELS BUILD=$BUILD "$here/build" >&2
		cp "$BUILD/testbed/constant_tsc/constant_tsc.ko" "$dir/modules/"
		load_order=' constant_tsc'
	fi
	add_module "kvm-$cpu"
	check_parameters
	for m in $load_order; do
		printf '%s.ko%s\n' "$m" "$(module_parameters "$m")"
	done >"$dir/modules/order"

	for a in "${adds[@]}"; do
		add_file "$a"
	done
	{
		echo '#!/bin/sh'
		if [ "$shell" = 1 ]; then
			echo 'exec setsid cttyhack sh -l'
		else
			printf 'exec'
			printf ' %q' "${command[@]}"
			echo
		fi
	} >"$dir/command"
	chmod 755 "$dir/command"
	cpio_pack "$dir" "$work/run.cpio"
	cat "$base" "$work/run.cpio" >"$out"
	rm -rf "$dir" "$work/base" "$work/run.cpio"
}
