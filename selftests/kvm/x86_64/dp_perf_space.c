// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what it costs to build an address space, to use and to drop
 * it, and what fork() does with one.
 */
#include "dp_perf.h"

#define COPY_GFN	(DATA_GFN + 1024)

static struct perf_space fresh;

static __always_inline void clear_page(void *page)
{
	u64 n = 512;

	asm volatile("rep stosq" : "+D" (page), "+c" (n) : "a" (0) : "memory");
}

void perf_alloc_space(struct perf_space *s, int nr_l1)
{
	int i;

	s->nr = 3 + nr_l1;
	for (i = 0; i < s->nr; i++) {
		s->gfn[i] = perf_alloc_table();
		s->linear[i] = perf_linear_slot(s->gfn[i]);
	}
}

/* What the kernel has, and upper tables; the lowest are the caller's. */
static void fill_upper(struct perf_space *s)
{
	int i;

	for (i = 0; i < s->nr; i++)
		clear_page(dp_ptr(s->gfn[i]));
	dp_copy_kernel(s->gfn[0]);
	dp_ptr(s->gfn[0])[dp_index(VA, 4)] = leaf(s->gfn[1]);
	dp_ptr(s->gfn[1])[dp_index(VA, 3)] = leaf(s->gfn[2]);
	for (i = 3; i < s->nr; i++)
		dp_ptr(s->gfn[2])[i - 3] = leaf(s->gfn[i]);
}

static void seal_space(struct perf_space *s, u64 *n)
{
	int i;

	for (i = 0; i < s->nr; i++)
		add_linear(n, s->linear[i], s->gfn[i], false);
}

/* One call for all of it; perf_reqs may have other updates to begin with. */
static void up_space(struct perf_space *s, u64 n, bool load)
{
	u64 mfn = dp_p2m[s->gfn[0]];
	struct kvm_dp_mmuext_op ext[2] = {
		{ .cmd = KVM_DP_MMUEXT_PIN_L4_TABLE, .arg1 = mfn },
		{ .cmd = KVM_DP_MMUEXT_NEW_BASEPTR, .arg1 = mfn },
	};

	seal_space(s, &n);
	perf_flush_list(n, ext, load ? 2 : 1);
}

void perf_build_space(struct perf_space *s, bool load)
{
	fill_upper(s);
	fill_l1(s->gfn[3]);
	up_space(s, 0, load);
}

static void down_space(struct perf_space *s)
{
	struct kvm_dp_mmuext_op ext = {
		.cmd = KVM_DP_MMUEXT_UNPIN_TABLE,
		.arg1 = dp_p2m[s->gfn[0]],
	};
	u64 n = 0;
	int i;

	load_root(dp_boot.root_gfn);
	GUEST_ASSERT_EQ(dp_mmuext(&ext, 1, NULL), 0);
	for (i = 0; i < s->nr; i++)
		add_linear(&n, s->linear[i], s->gfn[i], true);
	perf_update(n);
}

static void prepare_fresh(void)
{
	perf_alloc_space(&fresh, 1);
}

static void prepare_built(void)
{
	prepare_fresh();
	perf_build_space(&fresh, false);
}

static void prepare_loaded(void)
{
	prepare_fresh();
	perf_build_space(&fresh, true);
}

static void prepare_touched(void)
{
	prepare_loaded();
	perf_touch(VA, NR_PAGES);
}

static void run_fresh(void)
{
	perf_build_space(&fresh, true);
	perf_touch(VA, NR_PAGES);
}

static void run_fresh_ports(void)
{
	perf_build_space(&fresh, true);
	port_write();
	perf_touch(VA, NR_PAGES);
	port_write();
}

static void run_build(void)
{
	perf_build_space(&fresh, false);
}

static void run_load(void)
{
	load_root(fresh.gfn[0]);
	port_write();
}

static void run_touch(void)
{
	perf_touch(VA, NR_PAGES);
	port_write();
}

static void undo_fresh(void)
{
	down_space(&fresh);
}

/*
 * fork(): the parent's entries lose their right to write, and the child has
 * copies of them.  Then the child writes to all.
 */
static u64 parent_slot(u64 i)
{
	return perf_l1[i / NR_PAGES] + i % NR_PAGES * sizeof(u64);
}

static void map_parent(void)
{
	u64 i, n = 0;

	for (i = 0; i < FORK_PAGES; i++)
		add_req(&n, parent_slot(i), data_leaf(i));
	perf_update(n);
	perf_touch(VA, FORK_PAGES);
}

static void unmap_parent(void)
{
	u64 i, n = 0;

	for (i = 0; i < FORK_PAGES; i++)
		add_req(&n, parent_slot(i), 0);
	update_and_flush(n);
}

static void prepare_fork(void)
{
	map_parent();
	perf_alloc_space(&fresh, 2);
}

static void run_fork(void)
{
	u64 i, entry, n = 0;

	fill_upper(&fresh);
	for (i = 0; i < FORK_PAGES; i++) {
		entry = READ_ONCE(perf_l1_ptr[i / NR_PAGES][i % NR_PAGES]) &
			~DP_RW;
		add_req(&n, parent_slot(i) | KVM_DP_PT_UPDATE_PRESERVE_AD,
			entry);
		dp_ptr(fresh.gfn[3 + i / NR_PAGES])[i % NR_PAGES] = entry;
	}
	up_space(&fresh, n, true);
}

/* WRITE_ONCE(), as the compiler does not know that the page faults. */
static void set_l1_ptr(u64 *first, u64 *second)
{
	WRITE_ONCE(perf_l1_ptr[0], first);
	WRITE_ONCE(perf_l1_ptr[1], second);
}

/* The child's tables take the place of the parent's for set_leaf(). */
static void run_cow(void)
{
	u64 *first = perf_l1_ptr[0], *second = perf_l1_ptr[1];

	set_l1_ptr(dp_ptr(fresh.gfn[3]), dp_ptr(fresh.gfn[4]));
	WRITE_ONCE(perf_fault_gfn, COPY_GFN);
	WRITE_ONCE(perf_fault_copies, true);
	perf_touch(VA, FORK_PAGES);
	set_l1_ptr(first, second);
}

static void run_fork_cow(void)
{
	run_fork();
	run_cow();
}

static void prepare_cow(void)
{
	prepare_fork();
	run_fork();
}

static void undo_fork(void)
{
	undo_fresh();
	unmap_parent();
}

#define ONCE(name, prepare, run, undo)	\
	{ name, prepare, run, undo, 8, 1 }
#define FORK(name, prepare, run)	\
	{ name, prepare, run, undo_fork, 2, FORK_PAGES }

const struct perf_op perf_space_ops[] = {
	ONCE("fresh_space", prepare_fresh, run_fresh, undo_fresh),
	ONCE("fresh_space_2_ports", prepare_fresh, run_fresh_ports, undo_fresh),
	ONCE("fresh_build", prepare_fresh, run_build, undo_fresh),
	ONCE("fresh_switch_port", prepare_built, run_load, undo_fresh),
	ONCE("fresh_touch_port", prepare_loaded, run_touch, undo_fresh),
	ONCE("fresh_teardown", prepare_touched, undo_fresh, NULL),
	FORK("fork_copy", prepare_fork, run_fork),
	FORK("fork_cow_fault", prepare_cow, run_cow),
	FORK("fork_1000", prepare_fork, run_fork_cow),
	{}
};
