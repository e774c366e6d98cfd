# SPDX-License-Identifier: GPL-2.0-only
#
# Holds the numbers against the bars.  Input: rows of latency.csv and
# latency-more.csv, and "log KERNEL WORD ..." lines of the machines.  Variables:
# cpu, and rt_us, the rt budget that was in force in the spinning run.

function bar(kernel, ok, what, got, limit)
{
	printf "%-6s %-6s %s: %s, limit %s\n", ok ? "pass" : "FAIL", kernel,
		what, got, limit
	if (!ok)
		failed++
	total++
}

function missing(kernel, what, a, b)
{
	if (a != "" && b != "")
		return 0
	bar(kernel, 0, what, "not measured", "-")
	return 1
}

# a at most factor times b
function ratio(kernel, what, a, b, factor)
{
	if (!missing(kernel, what, a, b))
		bar(kernel, a <= factor * b, what,
		    sprintf("%d ns, %.2f times", a, a / b),
		    sprintf("%.1f times %d", factor, b))
}

# a at least factor times better than b
function better(kernel, what, a, b, factor)
{
	if (!missing(kernel, what, a, b))
		bar(kernel, b >= factor * a, what,
		    sprintf("%.0f times better (%d against %d ns)", b / a, a, b),
		    sprintf("%d times", factor))
}

function within(kernel, what, a, b, plus)
{
	if (!missing(kernel, what, a, b))
		bar(kernel, a <= b + plus, what, sprintf("%d ns", a),
		    sprintf("%d + %d ns", b, plus))
}

BEGIN {
	FS = ","
}

/^log / {
	split($0, w, " ")
	if (!(w[2] in kernels))
		kernels[w[2]] = 1
	if (w[3] == "false") {
		seen_guest[w[2]] += w[7]
		seen_host[w[2]] += w[8]
		if (w[7] != w[8])
			differ[w[2]] = differ[w[2]] " " w[4] "/" w[5] "/" w[6]
	} else if (w[3] == "share") {
		if (!(w[2] in share) || w[7] < share[w[2]])
			share[w[2]] = w[7]
	} else if (w[3] == "stalls") {
		stalls[w[2]] += w[4]
	} else if (w[3] == "hvtimer") {
		if (w[4] ~ /^pv/)
			hvtimer[w[2]] += w[7]
		else
			hvtimer_stock[w[2]] += w[7]
	}
	next
}

$4 == "all" {
	max[$1, $2, $3] = $6
	p999[$1, $2, $3] = $7
	if (!n[$1] || $5 < n[$1])
		n[$1] = $5
}

function judge_amd(k)
{
	ratio(k, "guest 99.9 %, pv against static", p999[k, "pv", "guest"],
	      p999[k, "static", "guest"], 1.2)
	ratio(k, "guest max, pv against static", max[k, "pv", "guest"],
	      max[k, "static", "guest"], 1.4)
	better(k, "guest max, pv against plain", max[k, "pv", "guest"],
	       max[k, "plain", "guest"], 500)
	within(k, "host max, pv against native", max[k, "pv", "host"],
	       max[k, "native", "host"], 30000)
	better(k, "host max, pv against static", max[k, "pv", "host"],
	       max[k, "static", "host"], 50)
	within(k, "host max, guest task below against interrupts alone",
	       max[k, "pv_below", "host"], max[k, "pv_irq", "host"], 5000)
	within(k, "host_above max, pv against plain",
	       max[k, "pv", "host_above"], max[k, "plain", "host_above"], 5000)
	within(k, "host max, a guest that never says done, against native",
	       max[k, "pv_nodone", "host"], max[k, "native", "host"],
	       500000 + 30000)
	within(k, "host max, a guest that spins at FIFO 99, against native",
	       max[k, "pv_spin", "host"], max[k, "native", "host"],
	       rt_us * 1000 + 30000)
	bar(k, share[k] >= 5000000,
	    "CPU time outside the spinning VM in any 100 ms",
	    sprintf("at least %d ns", share[k]), "5000000 ns")
	bar(k, k in stalls && !stalls[k], "RCU stalls",
	    k in stalls ? stalls[k] : "not counted", "0")
	bar(k, !(k in differ), "false deliveries, guest against host",
	    seen_guest[k] + 0 " against " seen_host[k] + 0 differ[k], "equal")
	bar(k, n[k] >= 9000, "events a row", n[k] + 0, "at least 9000")
}

function judge_intel(k)
{
	better(k, "guest max, pv against plain", max[k, "pv", "guest"],
	       max[k, "plain", "guest"], 20)
	ratio(k, "guest max, pv against static", max[k, "pv", "guest"],
	      max[k, "static", "guest"], 3)
	better(k, "host max, pv against static", max[k, "pv", "host"],
	       max[k, "static", "host"], 10)
	# That it is counted at all shows in the runs without the feature.
	bar(k, !hvtimer[k] && hvtimer_stock[k],
	    "VMX preemption timer used with the feature",
	    hvtimer[k] + 0 " times, without it " hvtimer_stock[k] + 0, "0")
	bar(k, !seen_guest[k], "false deliveries", seen_guest[k] + 0, "0")
}

END {
	print "Bars"
	nk = split("amd64 rt", order, " ")
	for (i = 1; i <= nk; i++)
		if (order[i] in kernels) {
			if (cpu == "amd")
				judge_amd(order[i])
			else
				judge_intel(order[i])
		}
	printf "%d bars, %d missed\n", total, failed
	exit failed ? 1 : 0
}
