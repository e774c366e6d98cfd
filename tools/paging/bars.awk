# SPDX-License-Identifier: GPL-2.0-only
#
# Holds paging.csv against the bars.  Exit status 1 if one is missed.

function bar(cpu, ok, what, got, limit)
{
	printf "%-6s %-6s %s: %s, limit %s\n", ok ? "met" : "MISSED", cpu, what,
		got, limit
	if (!ok)
		missed++
	total++
}

# A row's ticks, or exits, at most that.
function at_most(cpu, op, limit, what)
{
	if (!((cpu, "direct", op) in ticks))
		bar(cpu, 0, what ? what : op, "not measured", limit)
	else
		bar(cpu, ticks[cpu, "direct", op] <= limit, what ? what : op,
			ticks[cpu, "direct", op], limit)
}

# A rest is what the host does for itself, such as an NMI.
function exits_at_most(cpu, op, limit, what)
{
	bar(cpu, (cpu, "direct", op) in exits &&
		exits[cpu, "direct", op] < limit + 0.01,
		"exits of " op, exits[cpu, "direct", op], limit what)
}

function ratio(cpu, op, mode, factor,    a, b)
{
	a = ticks[cpu, "direct", op]
	b = ticks[cpu, mode, op]
	bar(cpu, a != "" && a <= factor * b, op " against " mode,
		sprintf("%s, %.3f times", a, b ? a / b : 0),
		sprintf("%.2f times %s", factor, b))
}

BEGIN {
	FS = ","
}

NR > 1 {
	seen[$1] = 1
	ticks[$1, $2, $3] = $5
	exits[$1, $2, $3] = $6
}

# The baseline is that of nested paging with two port writes, before.
function judge(cpu, null, va, one, baseline)
{
	at_most(cpu, "null_hypercall", null)
	at_most(cpu, "update_va_mapping", va)
	at_most(cpu, "mmu_update_1", one)
	at_most(cpu, "map_512", 100, "an entry in a batch of 512")
	at_most(cpu, "type_l1_folio", 30, "typing an entry, 2 MiB folio")
	at_most(cpu, "type_l1_scattered", 60, "typing an entry, scattered")
	at_most(cpu, "protect_512", 1290)
	ratio(cpu, "protect_512", "shadow", 1)
	at_most(cpu, "unmap_512", 1350)
	ratio(cpu, "unmap_512", "shadow", 1)
	at_most(cpu, "fresh_space_2_ports", 5 * baseline,
		"fresh_space_2_ports against the baseline of nested")
	ratio(cpu, "fresh_space", "nested", 5)
	ratio(cpu, "fresh_space", "shadow", 0.05)
	ratio(cpu, "fresh_space_2_ports", "nested", 5)
	ratio(cpu, "fresh_space_2_ports", "shadow", 0.05)
	exits_at_most(cpu, "invlpg", 0)
	exits_at_most(cpu, "fault_set_pte", 1, " (its hypercall)")
	exits_at_most(cpu, "fresh_touch_port", 1, " (its port write)")
}

END {
	print "Bars"
	if (seen["amd"]) {
		judge("amd", 3500, 4100, 4100, 3103 + 5209)
		at_most("amd", "cr3_2_roots",
			1.35 * ticks["amd", "direct", "null_hypercall"],
			"CR3 load, 1.35 null hypercalls")
	}
	if (seen["intel"]) {
		judge("intel", 1260, 1570, 1900, 3441 + 5621)
		exits_at_most("intel", "cr3_4_roots", 0)
	}
	printf "%d bars, %d missed\n", total, missed
	exit missed ? 1 : 0
}
