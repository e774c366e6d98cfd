// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what it costs to change the entries of a table of level 1, and
 * to make a table of a page.
 */
#include "dp_perf.h"

#define SCATTER_BLOCKS	7
#define NEW_TABLE_VA	(DP_VA + (1ULL << 30))

static u64 table_gfn, table_linear, l2_slot;

void perf_make_tables(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		perf_l1[i] = dp_link(VA + i * NR_PAGES * PAGE_SIZE);
		perf_l1_ptr[i] = dp_entry_ptr(perf_l1[i]);
	}
	dp_link(NEW_TABLE_VA);
	l2_slot = dp_walk(dp_boot.root_gfn, NEW_TABLE_VA, 2);
	GUEST_ASSERT_EQ(dp_set(l2_slot, 0), 0);
}

/*
 * Entries
 */
static void run_invlpg(void)
{
	u64 i;

	for (i = 0; i < perf_op->n; i++)
		dp_invlpg(VA);
}

static void run_map(void)
{
	u64 i, n;

	for (i = 0; i < NR_PAGES;) {
		for (n = 0; n < perf_op->arg; i++)
			add_req(&n, perf_l1[0] + i * sizeof(u64), data_leaf(i));
		perf_update(n);
	}
}

static void run_unmap(void)
{
	u64 i, n;

	for (i = 0; i < NR_PAGES;) {
		for (n = 0; n < perf_op->arg; i++)
			add_req(&n, perf_l1[0] + i * sizeof(u64), 0);
		update_and_flush(n);
	}
}

static void map_all(void)
{
	u64 i, n = 0;

	for (i = 0; i < NR_PAGES; i++)
		add_req(&n, perf_l1[0] + i * sizeof(u64), data_leaf(i));
	perf_update(n);
	perf_touch(VA, NR_PAGES);
}

static void unmap_all(void)
{
	u64 i, n = 0;

	for (i = 0; i < NR_PAGES; i++)
		add_req(&n, perf_l1[0] + i * sizeof(u64), 0);
	update_and_flush(n);
}

static void run_unmap_one(void)
{
	u64 i;

	for (i = 0; i < NR_PAGES; i++)
		set_leaf(i, 0, true);
}

static void run_protect(void)
{
	u64 i, n = 0;

	for (i = 0; i < NR_PAGES; i++)
		add_req(&n, (perf_l1[0] + i * sizeof(u64)) |
			KVM_DP_PT_UPDATE_PRESERVE_AD,
			dp_maddr(DATA_GFN + i) | DP_P | DP_A | DP_D);
	update_and_flush(n);
}

static void run_update_va(void)
{
	u64 i;

	for (i = 0; i < NR_PAGES; i++)
		set_leaf(i, data_leaf(i), true);
}

static void run_mmu_update(void)
{
	u64 i;

	for (i = 0; i < NR_PAGES; i++)
		GUEST_ASSERT_EQ(dp_set(perf_l1[0] + i * sizeof(u64),
				       data_leaf(i)), 0);
}

static void run_rewrite(void)
{
	u64 i;

	for (i = 0; i < NR_PAGES; i++) {
		set_leaf(0, data_leaf(i), true);
		perf_touch(VA, 1);
	}
}

static void run_fault(void)
{
	WRITE_ONCE(perf_fault_gfn, DATA_GFN);
	WRITE_ONCE(perf_fault_copies, false);
	perf_touch(VA, NR_PAGES);
}

/*
 * Tables
 */
static void prepare_table(void)
{
	table_gfn = perf_alloc_table();
	table_linear = perf_linear_slot(table_gfn);
}

static void run_new_table(void)
{
	u64 n = 0;

	fill_l1(table_gfn);
	add_linear(&n, table_linear, table_gfn, false);
	add_req(&n, l2_slot, leaf(table_gfn));
	perf_update(n);
	perf_touch(NEW_TABLE_VA, NR_PAGES);
}

static void undo_new_table(void)
{
	u64 n = 0;

	add_req(&n, l2_slot, 0);
	update_and_flush(n);
	dp_unseal(table_gfn);
}

/* No neighbour of an entry is in the same block. */
static void scatter_l1(u64 gfn)
{
	u64 *table = dp_ptr(gfn), i;

	for (i = 0; i < NR_PAGES; i++)
		WRITE_ONCE(table[i], data_leaf(i % SCATTER_BLOCKS * 512 +
					       i * 67 % 512));
}

static void prepare_type(void)
{
	prepare_table();
	if (perf_op->arg)
		scatter_l1(table_gfn);
	else
		fill_l1(table_gfn);
	dp_seal(table_gfn);
}

static void run_pin(void)
{
	GUEST_ASSERT_EQ(dp_pin(1, table_gfn), 0);
}

static void run_unpin(void)
{
	GUEST_ASSERT_EQ(dp_unpin(table_gfn), 0);
}

static void undo_type(void)
{
	run_unpin();
	dp_unseal(table_gfn);
}

static void prepare_unpin(void)
{
	prepare_type();
	run_pin();
}

static void undo_unpin(void)
{
	dp_unseal(table_gfn);
}

#define TABLE(name, prepare, run, undo, arg)	\
	{ name, prepare, run, undo, 4, NR_PAGES, arg }
#define TYPE(name, prepare, run, undo, arg)	\
	{ name, prepare, run, undo, 4, NR_PAGES, arg, true }

const struct perf_op perf_table_ops[] = {
	{ "invlpg", map_all, run_invlpg, unmap_all, 1, 4000 },
	TABLE("fault_set_pte", NULL, run_fault, unmap_all, 0),
	TABLE("rewrite_touch", map_all, run_rewrite, unmap_all, 0),
	TABLE("update_va_mapping", NULL, run_update_va, unmap_all, 0),
	TABLE("mmu_update_1", NULL, run_mmu_update, unmap_all, 0),
	TABLE("map_1", NULL, run_map, unmap_all, 1),
	TABLE("map_8", NULL, run_map, unmap_all, 8),
	TABLE("map_64", NULL, run_map, unmap_all, 64),
	TABLE("map_512", NULL, run_map, unmap_all, 512),
	TABLE("unmap_1", map_all, run_unmap_one, NULL, 1),
	TABLE("unmap_8", map_all, run_unmap, NULL, 8),
	TABLE("unmap_64", map_all, run_unmap, NULL, 64),
	TABLE("unmap_512", map_all, run_unmap, NULL, 512),
	TABLE("protect_512", map_all, run_protect, unmap_all, 0),
	TYPE("type_l1_folio", prepare_type, run_pin, undo_type, 0),
	TYPE("type_l1_scattered", prepare_type, run_pin, undo_type, 1),
	TYPE("untype_l1_folio", prepare_unpin, run_unpin, undo_unpin, 0),
	TYPE("untype_l1_scattered", prepare_unpin, run_unpin, undo_unpin, 1),
	{ "touch_new_table", prepare_table, run_new_table, undo_new_table, 8, 1 },
	{}
};
