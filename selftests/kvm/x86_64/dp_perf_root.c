// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what it costs to leave the guest, to load a root, and to
 * switch between address spaces.
 */
#include "dp_perf.h"

#define NR_ROOTS	8
#define NR_SPACES	2
#define NO_HYPERCALL	0x7fffffffULL

static u64 roots[NR_ROOTS];
static struct perf_space spaces[NR_SPACES];

void perf_make_roots(void)
{
	u64 gfn;
	int i;

	for (i = 0; i < NR_ROOTS; i++) {
		gfn = perf_alloc_table();
		dp_copy_kernel(gfn);
		dp_seal(gfn);
		GUEST_ASSERT_EQ(dp_pin(4, gfn), 0);
		roots[i] = dp_maddr(gfn);
	}
	for (i = 0; i < NR_SPACES; i++) {
		perf_alloc_space(&spaces[i], 1);
		perf_build_space(&spaces[i], false);
	}
}

static void run_null(void)
{
	u64 i;

	for (i = 0; i < perf_op->n; i++)
		dp_hypercall(NO_HYPERCALL, 0, 0, 0, 0, 0);
}

static void run_port(void)
{
	u64 i;

	for (i = 0; i < perf_op->n; i++)
		port_write();
}

static void run_cr3(void)
{
	u64 i, mask = perf_op->arg - 1;

	for (i = 0; i < perf_op->n; i++)
		dp_set_cr3(roots[i & mask]);
}

static void undo_cr3(void)
{
	load_root(dp_boot.root_gfn);
}

static void run_switch(void)
{
	u64 i;

	for (i = 0; i < perf_op->n; i++) {
		load_root(spaces[i & 1].gfn[0]);
		perf_touch(VA, perf_op->arg);
	}
}

#define LOOP(name, run, undo, n, arg)	\
	{ name, NULL, run, undo, 1, n, arg }

const struct perf_op perf_root_ops[] = {
	LOOP("null_hypercall", run_null, NULL, 4000, 0),
	LOOP("port_write", run_port, NULL, 4000, 0),
	LOOP("cr3_2_roots", run_cr3, undo_cr3, 4000, 2),
	LOOP("cr3_4_roots", run_cr3, undo_cr3, 4000, 4),
	LOOP("cr3_8_roots", run_cr3, undo_cr3, 4000, 8),
	LOOP("switch_touch_8", run_switch, undo_cr3, 2000, 8),
	{}
};
