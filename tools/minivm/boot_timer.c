// SPDX-License-Identifier: GPL-2.0-only
/* What the start of a VM takes, step by step, in nanoseconds since main(). */
#include <stdio.h>
#include <time.h>

#include "minivm.h"

static bool on;
static long long begin, last;

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

void boot_timer_start(void)
{
	begin = last = now();
}

/* Whoever started the tool can tell from it what came before. */
void boot_timer_show(void)
{
	long long t = now(), main_at = begin;

	on = true;
	fprintf(stderr, "minivm: boot-timer: main() at %lld of CLOCK_MONOTONIC\n",
		main_at);
	t = now() - t;
	begin += t;
	last += t;
}

void boot_timer(const char *what)
{
	long long t;

	if (!on)
		return;
	t = now();
	fprintf(stderr, "minivm: boot-timer: %10lld +%lld %s\n", t - begin,
		t - last, what);
	/* What it takes to say so is nobody's. */
	last = now();
	begin += last - t;
}
