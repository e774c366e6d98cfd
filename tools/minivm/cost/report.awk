# SPDX-License-Identifier: GPL-2.0-only
#
# What boot.csv says, and the bars.  Exit status 1 if one is missed.
#
# Memory is zeroed by a string instruction, of which QEMU counts each step: 4096
# for a page by bytes, 512 by words.  So the difference of two runs says how
# many pages were zeroed, and what is left without them.

function value(clear, item, guest, mem, name)
{
	return v[clear, item, guest, mem, name]
}

function zeroed(guest, mem,    bytes, words)
{
	bytes = value("bytes", "step", guest, mem, "memory")
	words = value("words", "step", guest, mem, "memory")
	return (bytes - words) / (4096 - 512)
}

# What that takes by words, as all else was measured there.
function zeroing(guest, mem)
{
	return 513 * zeroed(guest, mem)
}

function beyond(guest, mem)
{
	return value("words", "total", guest, mem, "ready") - zeroing(guest, mem)
}

function million(n)
{
	return sprintf("%.2f", n / 1e6)
}

# A step of the start, without the zeroing that is all in one of them.
function step_of(guest, mem, name,    cost)
{
	cost = value("words", "step", guest, mem, name)
	return name == "memory" ? cost - zeroing(guest, mem) : cost
}

# What a page more costs in a step.
function a_page(guest, name,    more)
{
	more = step_of(guest, 1024, name) - step_of(guest, 128, name)
	return more / ((1024 - 128) * 256)
}

function traced(guest, mem, name)
{
	return value("words", "who", guest, mem, name)
}

function starts(guest,    i, m, z)
{
	for (i = 1; i <= 4; i++) {
		m = sizes[i]
		z = zeroing(guest, m)
		printf "%-6s %5d %10s %10s %9.2f %8s %9s %8s %6s %7s %7d %6d\n",
			guest, m,
			million(value("bytes", "total", guest, m, "ready")),
			million(value("words", "total", guest, m, "ready")),
			zeroed(guest, m) / m / 256,
			million(beyond(guest, m)),
			million(traced(guest, m, "first_instruction") - z),
			million(traced(guest, m, "kernel") - z),
			million(traced(guest, m, "tool")),
			million(traced(guest, m, "guest")),
			traced(guest, m, "entries"), traced(guest, m, "calls")
	}
}

function steps(guest, mem,    i)
{
	printf "\n%s, %d MiB, million instructions (memory: without zeroing):\n",
		guest, mem
	for (i = 1; i <= nr_steps[guest]; i++)
		printf "  %-32s %8s\n", step[guest, i],
			million(step_of(guest, mem, step[guest, i]))
}

function seen(guest, mem, name)
{
	return value("words", "memory", guest, mem, name)
}

function own(guest, mem)
{
	return seen(guest, mem, "hwm") - seen(guest, mem, "guest")
}

function memory(guest,    i, m)
{
	for (i = 1; i <= 4; i++) {
		m = sizes[i]
		printf "%-6s %5d %8d %8d %12d %10d %10.2f\n", guest, m,
			seen(guest, m, "rss"), seen(guest, m, "hwm"),
			seen(guest, m, "guest"),
			own(guest, m), kernel_memory(guest, m) / m / 10.24
	}
}

# All that is less free than without the VM, but for what others show.
function kernel_memory(guest, mem)
{
	return seen(guest, mem, "taken") - mem * 1024 - seen(guest, mem, "anon")
}

function code(kind, module, flavour)
{
	return value("-", "code", flavour, "-", kind " " module)
}

function more(module, flavour)
{
	return code("modules", module, flavour) - code("pristine", module, flavour)
}

function bar(ok, what, got, limit)
{
	printf "%-6s %s: %s, limit %s\n", ok ? "met" : "MISSED", what, got, limit
	missed += !ok
	total++
}

BEGIN {
	FS = ","
	split("16 32 128 1024", sizes, " ")
}

$5 ~ /^part / {
	part[++nr_parts] = sprintf("  %-26s %6d", substr($5, 6), $6)
}

NR > 1 {
	v[$1, $2, $3, $4, $5] = $6
	if ($1 == "words" && $2 == "step" && $4 == 32)
		step[$3, ++nr_steps[$3]] = $5
}

END {
	print "From exec to ready (GRUB's prompt, the demo guest's first line), in million"
	print "instructions of host, tool and guest.  QEMU counts a string instruction by its"
	print "steps: zeroing is counted by bytes, then by words, then left out.\n"
	print "guest    MiB   by bytes   by words    zeroed  without: first   kernel   tool   guest entries  calls"
	print "                                     (times)    ready  instr."
	starts("grub")
	starts("loop")
	print "\nfirst instr.: the guest's; kernel, tool, guest: of a traced run, which costs"
	print "more; calls: of the tool to its kernel.  The tool's page faults are its own."
	steps("grub", 32)
	steps("loop", 32)
	printf "\nInstructions for each page of memory, beyond zeroing:\n"
	printf "  %-36s %8.1f\n", "memory slot, frame table", a_page("loop", "memory")
	printf "  %-36s %8.1f\n", "list of frames (P2M), boot tables",
		a_page("loop", "image page tables")
	printf "  %-36s %8.1f\n", "validation of the boot tables",
		a_page("loop", "page tables are the guest's")
	print "\nMemory in KiB: the tool's, and the kernel's for the VM in percent of the guest's\n"
	print "guest    MiB    VmRSS    VmHWM  guest's part   overhead  kernel, %"
	memory("grub")
	memory("loop")
	printf "\nKernel's memory for a VM of 16 MiB: %d KiB, of 1024 MiB: %d KiB\n",
		kernel_memory("loop", 16), kernel_memory("loop", 1024)
	print "\nBytes of code beyond that of modules without our patches\n"
	n = split("amd64 rt-amd64", f, " ")
	for (i = 1; i <= n; i++)
		printf "%-9s kvm %d, kvm-amd %d, kvm-intel %d\n", f[i],
			more("kvm", f[i]), more("kvm-amd", f[i]),
			more("kvm-intel", f[i])

	print "\nBars"
	got = value("bytes", "total", "grub", 32, "ready")
	bar(got && got < 26e6, "GRUB's prompt at 32 MiB, zeroing by bytes",
		million(got) " M", "26 M")
	got = value("words", "total", "grub", 32, "ready")
	bar(got && got < 26e6, "GRUB's prompt at 32 MiB, zeroing by words",
		million(got) " M", "26 M")
	bar(got && beyond("grub", 32) < 26e6,
		"GRUB's prompt at 32 MiB, beyond zeroing",
		million(beyond("grub", 32)) " M", "26 M")
	printf "       (what the guest itself executes: %s M)\n",
		million(traced("grub", 32, "guest"))
	n = split("bytes words", kinds, " ")
	for (i = 1; i <= n; i++) {
		got = value(kinds[i], "total", "loop", 32, "ready")
		limit = value(kinds[i], "total", "linux", 128, "ready") / 100
		bar(got && got <= limit,
			"the demo guest at 32 MiB against Linux by PVH, zeroing by " kinds[i],
			million(got) " M", million(limit) " M")
	}
	bar(got && beyond("loop", 32) <= beyond("linux", 128) / 100,
		"the same, beyond zeroing", million(beyond("loop", 32)) " M",
		million(beyond("linux", 128) / 100) " M")
	got = own("grub", 1024)
	bar(got && got < 2048, "resident overhead of the tool, 1024 MiB",
		got " KiB", "2048 KiB")
	got = more("kvm", "amd64") + more("kvm-amd", "amd64")
	got += more("kvm-intel", "amd64")
	bar(got && got < 65536, "code of the three modules, amd64",
		got " bytes more", "65536")
	printf "%d bars, %d missed\n", total, missed
	exit missed > 0
}
