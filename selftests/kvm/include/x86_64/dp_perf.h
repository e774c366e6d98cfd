/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: what the parts of dp_perf_test share.
 *
 *	dp_perf_guest.c	the guest: its clock, its page faults, lists of updates
 *	dp_perf_root.c	operations on roots, and the bare cost of an exit
 *	dp_perf_table.c	operations on tables of level 1 and their entries
 *	dp_perf_space.c	operations on address spaces
 *	dp_perf_test.c	the host: arguments, exits, results
 *
 * Inline what several of them time: the cost is to be that of page tables, not
 * of calls.
 */
#ifndef SELFTEST_KVM_DP_PERF_H
#define SELFTEST_KVM_DP_PERF_H

#include "dp.h"

#define PERF_PORT	0xe0

enum perf_stage {
	STAGE_BEGIN = 1,
	STAGE_PAUSE,
	STAGE_REPORT,		/* the operation's name, how many, ticks */
};

void perf_guest(int cpu);

/*
 * Guest
 */

#define NR_PAGES	512ULL
#define FORK_PAGES	1000ULL

/* Whole blocks of 2 MiB in the pool.  What is below is for tables. */
#define DATA_GFN	(DP_POOL_GFN + 512)

#define VA		DP_VA

struct perf_op {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	void (*undo)(void);
	u64 passes;
	u64 n;			/* operations in a pass */
	u64 arg;
	bool direct_only;
};

/* The last of each has no name. */
extern const struct perf_op perf_root_ops[], perf_table_ops[], perf_space_ops[];
/* The one that is measured. */
extern const struct perf_op *perf_op;

void perf_make_tables(void);
void perf_make_roots(void);

/* An address space of its own. */
struct perf_space {
	u64 gfn[6];		/* the root, levels 3 and 2, two of level 1 */
	u64 linear[6];		/* entries that map these tables */
	int nr;
};

void perf_alloc_space(struct perf_space *s, int nr_l1);
void perf_build_space(struct perf_space *s, bool load);

extern struct kvm_dp_mmu_update perf_reqs[1024];
/* The tables at VA, which are neighbours: their machine addresses. */
extern u64 perf_l1[2];
extern u64 *perf_l1_ptr[2];

/* What a page fault maps: the frame for VA, and whether it copies the page. */
extern u64 perf_fault_gfn;
extern bool perf_fault_copies;

/* One store a page, and whatever faults that takes. */
void perf_touch(u64 va, u64 npages);
u64 perf_alloc_table(void);
/* Where the entry is by which the linear map maps it. */
u64 perf_linear_slot(u64 gfn);
/* The first n of perf_reqs. */
void perf_update(u64 n);
void perf_flush_list(u64 n, struct kvm_dp_mmuext_op *ext, u64 nr_ext);

static __always_inline void port_write(void)
{
	asm volatile("outb %%al, %0" : : "i" (PERF_PORT), "a" (0));
}

/* With A and D from the start, as kernels do for what is about to be used. */
static inline u64 leaf(u64 gfn)
{
	return dp_maddr(gfn) | DP_LEAF | DP_A | DP_D;
}

static inline u64 data_leaf(u64 i)
{
	return leaf(DATA_GFN + i);
}

static __always_inline void add_req(u64 *n, u64 ptr, u64 val)
{
	perf_reqs[*n].ptr = ptr;
	perf_reqs[*n].val = val;
	++*n;
}

/* A table's own mapping; an ordinary guest leaves it writable. */
static inline void add_linear(u64 *n, u64 slot, u64 gfn, bool writable)
{
	if (!dp_boot.ordinary)
		add_req(n, slot, dp_maddr(gfn) | DP_P | (writable ? DP_RW : 0));
}

/* The same, and one flush. */
static inline void update_and_flush(u64 n)
{
	struct kvm_dp_mmuext_op ext = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };

	perf_flush_list(n, &ext, 1);
}

/* One leaf of the table at VA, as a page fault handler does it. */
static __always_inline void set_leaf(u64 i, u64 val, bool flush)
{
	u64 va = VA + i * PAGE_SIZE;

	if (dp_boot.ordinary) {
		WRITE_ONCE(perf_l1_ptr[i / NR_PAGES][i % NR_PAGES], val);
		if (flush)
			dp_invlpg(va);
		return;
	}
	GUEST_ASSERT_EQ(dp_update_va(va, val, flush ? KVM_DP_UVMF_INVLPG : 0),
			0);
}

static __always_inline void fill_l1(u64 gfn)
{
	u64 *table = dp_ptr(gfn), i;

	for (i = 0; i < NR_PAGES; i++)
		WRITE_ONCE(table[i], data_leaf(i));
}

static inline void load_root(u64 gfn)
{
	dp_set_cr3(dp_maddr(gfn));
}

#endif /* SELFTEST_KVM_DP_PERF_H */
