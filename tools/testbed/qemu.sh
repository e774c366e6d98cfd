# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# The AMD machine: QEMU's TCG, sourced by machine.  thread=single, because two
# TCG threads break the kernel's text patching.  With ACCEL=kvm the same
# machine runs on the hardware of the one it is started on.

qemu_arguments() {
	args=(-nodefaults -no-user-config -no-reboot -display none
	      -m "$mem" -smp "$smp"
	      -kernel "$kdir/vmlinuz" -initrd "$work/initrd"
	      -append "$cmdline")
	if [ "$accel" = kvm ]; then
		args+=(-accel kvm -cpu host)
	else
		args+=(-accel tcg,thread=single -cpu max,+svm,+npt)
	fi
	[ "$icount" = 0 ] ||
		args+=(-icount "shift=$shift,sleep=off" -seed 1
		       -rtc base=2026-01-01,clock=vm)
	if [ "$shell" = 1 ]; then
		args+=(-serial mon:stdio)
	else
		args+=(-chardev stdio,id=console,signal=off
		       -serial chardev:console)
	fi
	# How the guest leaves without a farewell on its console.
	args+=(-device isa-debug-exit,iobase=0xf4,iosize=1)
	args+=(-serial "file:$work/results.raw")
}

qemu_run() {
	local args

	qemu_arguments
	if [ "$shell" = 1 ]; then
		qemu-system-x86_64 "${args[@]}"
		return
	fi
	timeout --foreground -k 5 "$timeout" qemu-system-x86_64 "${args[@]}" \
		</dev/null 2>"$work/emulator.log" |
		stdbuf -oL tr -d '\r' | tee "$work/console"
}
