# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154
#
# The Intel machine: Bochs with a Haswell that has VMX, EPT, VPID and
# unrestricted guest, sourced by machine.  It boots from an ISO with GRUB.

# Instructions in one second of its time.  Many, so that the kernel's own
# timers cost little of what Bochs can do.
BOCHS_IPS=${BOCHS_IPS:-200000000}

bochs_iso() {
	local dir=$work/iso

	mkdir -p "$dir/boot/grub"
	ln "$kdir/vmlinuz" "$dir/boot/vmlinuz" 2>/dev/null ||
		cp "$kdir/vmlinuz" "$dir/boot/vmlinuz"
	mv "$work/initrd" "$dir/boot/initrd"
	cat >"$dir/boot/grub/grub.cfg" <<-END
	linux /boot/vmlinuz $cmdline
	initrd /boot/initrd
	boot
	END
	grub-mkrescue -o "$work/boot.iso" -d /usr/lib/grub/i386-pc \
		--install-modules="biosdisk iso9660 linux normal" \
		--modules="biosdisk iso9660 linux normal" \
		--fonts= --themes= --locales= "$dir" \
		>"$work/mkrescue.log" 2>&1 ||
		{ cat "$work/mkrescue.log" >&2; die "grub-mkrescue failed"; }
	rm -rf "$dir"
}

# The sound and network lines keep Debian's build from aborting on a machine
# without such hardware.  A triple fault is fatal instead of a reset: this is
# how a panic with reboot=t ends the machine.
bochs_configuration() {
	local com1

	com1="mode=file, dev=$work/console.fifo"
	[ "$shell" = 0 ] || com1="mode=term, dev=$(tty)"
	cat >"$work/bochsrc" <<-END
	plugin_ctrl: unmapped=1, biosdev=1, speaker=0, es1370=0, sb16=0, e1000=0, ne2k=0
	config_interface: textconfig
	display_library: rfb, options="timeout=0"
	memory: guest=$mem, host=$mem
	romimage: file=/usr/share/bochs/BIOS-bochs-latest
	vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
	cpu: model=corei7_haswell_4770, count=$smp, ips=$BOCHS_IPS, reset_on_triple_fault=0
	clock: sync=none, time0=1767225600
	sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy
	ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14
	ata0-master: type=cdrom, path=$work/boot.iso, status=inserted
	ata1: enabled=0
	boot: cdrom
	com1: enabled=1, $com1
	com2: enabled=1, mode=file, dev=$work/results.raw
	log: $work/emulator.log
	panic: action=fatal
	error: action=report
	info: action=ignore
	debug: action=ignore
	mouse: enabled=0
	END
	# Debian's build starts in its debugger: tell it to go on.
	echo c >"$work/debugger"
}

bochs_start() {
	BXSHARE=/usr/share/bochs \
	LTDL_LIBRARY_PATH=/usr/lib/x86_64-linux-gnu/bochs/plugins \
		"$@" bochs -q -f "$work/bochsrc" -rc "$work/debugger" \
		</dev/null >"$work/emulator.out" 2>&1
}

bochs_run() {
	local rc=0 reader tty

	bochs_iso
	bochs_configuration
	if [ "$shell" = 1 ]; then
		tty=$(stty -g)
		bochs_start || rc=$?
		stty "$tty"
		return "$rc"
	fi
	mkfifo "$work/console.fifo"
	# Held open here, or the reader would wait for a Bochs that never came.
	exec 3<>"$work/console.fifo"
	{ stdbuf -oL tr -d '\r' <"$work/console.fifo" |
		tee "$work/console"; } 3>&- &
	reader=$!
	bochs_start timeout --foreground -k 5 "$timeout" 3>&- || rc=$?
	exec 3>&-
	wait "$reader"
	return "$rc"
}
