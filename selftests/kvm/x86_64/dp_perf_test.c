// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what work on page tables costs, host and guest together, and
 * the same work of an ordinary VM.
 *
 * Where the TSC counts instructions, as in an emulator with a deterministic
 * clock, so do the results.  Exits are those that KVM counts, without the
 * interrupts of the host and the one that ends each measurement.
 *
 *	dp_perf_test -m direct|ordinary
 *
 * prints a line "csv OP,N,TICKS,EXITS" for each operation, per operation.
 */
#include <getopt.h>
#include <sys/ioctl.h>

#include "dp.h"

#define NR_PAGES	512ULL
#define FORK_PAGES	1000ULL
#define NR_ROOTS	8
#define NR_SPACES	2
#define PERF_PORT	0xe0
#define NO_HYPERCALL	0x7fffffffULL

/* Whole blocks of 2 MiB in the pool.  What is below is for tables. */
#define DATA_GFN	(DP_POOL_GFN + 512)
#define COPY_GFN	(DATA_GFN + 1024)
#define SCATTER_BLOCKS	7

#define VA		DP_VA
#define NEW_TABLE_VA	(DP_VA + (1ULL << 30))

enum {
	STAGE_BEGIN = 1,
	STAGE_PAUSE,
	STAGE_REPORT,
};

struct op {
	const char *name;
	void (*prepare)(void);
	void (*run)(void);
	void (*undo)(void);
	u64 passes;
	u64 n;			/* operations in a pass */
	u64 arg;
	bool direct_only;
};

/* An address space of its own. */
struct space {
	u64 gfn[6];		/* the root, levels 3 and 2, two of level 1 */
	u64 linear[6];		/* entries that map these tables */
	int nr;
};

static u64 roots[NR_ROOTS];
static struct space spaces[NR_SPACES], fresh;
static struct kvm_dp_mmu_update reqs[1024];
static u64 l1[2];		/* machine addresses of two neighbours */
static u64 *l1_ptr[2];
static const struct op *op;
static u64 table_gfn, table_linear, l2_slot;
static u64 started, ticks;

/* What a page fault maps: the frame for VA, and whether it copies the page. */
static u64 fault_gfn;
static bool fault_copies;

static void begin(void)
{
	GUEST_SYNC(STAGE_BEGIN);
	started = rdtsc();
}

static void pause_clock(void)
{
	ticks += rdtsc() - started;
	GUEST_SYNC(STAGE_PAUSE);
}

static __always_inline void port_write(void)
{
	asm volatile("outb %%al, %0" : : "i" (PERF_PORT), "a" (0));
}

/* One store a page; faults may use the stack below a leaf function's red zone. */
static noinline void touch(u64 va, u64 npages)
{
	asm volatile("sub $128, %%rsp\n"
		     "1: movb $1, (%0)\n"
		     "add $4096, %0\n"
		     "dec %1\n"
		     "jnz 1b\n"
		     "add $128, %%rsp\n"
		     : "+r" (va), "+r" (npages) : : "memory", "cc");
}

static __always_inline void clear_page(void *page)
{
	u64 n = 512;

	asm volatile("rep stosq" : "+D" (page), "+c" (n) : "a" (0) : "memory");
}

static __always_inline void copy_page(void *to, const void *from)
{
	u64 n = 512;

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n)
		     : : "memory");
}

/* With A and D from the start, as kernels do for what is about to be used. */
static u64 leaf(u64 gfn)
{
	return dp_maddr(gfn) | DP_LEAF | DP_A | DP_D;
}

static u64 data_leaf(u64 i)
{
	return leaf(DATA_GFN + i);
}

/* Tables come from below the blocks of data. */
static u64 alloc_table(void)
{
	u64 gfn = dp_alloc();

	GUEST_ASSERT(gfn < DATA_GFN);
	return gfn;
}

static u64 linear_slot(u64 gfn)
{
	return dp_walk(dp_boot.root_gfn, (u64)dp_ptr(gfn), 1);
}

static __always_inline void add_req(u64 *n, u64 ptr, u64 val)
{
	reqs[*n].ptr = ptr;
	reqs[*n].val = val;
	++*n;
}

/* A table's own mapping; an ordinary guest leaves it writable. */
static void add_linear(u64 *n, u64 slot, u64 gfn, bool writable)
{
	if (!dp_boot.ordinary)
		add_req(n, slot, dp_maddr(gfn) | DP_P | (writable ? DP_RW : 0));
}

static void flush_list(u64 n, struct kvm_dp_mmuext_op *ext, u64 nr_ext)
{
	struct kvm_dp_multicall_entry calls[2] = {
		{ .op = KVM_DP_HC_MMU_UPDATE,
		  .args = { (u64)reqs, n, 0, KVM_DP_DOMID_SELF } },
		{ .op = KVM_DP_HC_MMUEXT_OP,
		  .args = { (u64)ext, nr_ext, 0, KVM_DP_DOMID_SELF } },
	};

	if (dp_boot.ordinary) {
		dp_mmu_update(reqs, n, NULL);
		dp_mmuext(ext, nr_ext, NULL);
		return;
	}
	GUEST_ASSERT_EQ(dp_multicall(calls, 2), 0);
	GUEST_ASSERT_EQ(calls[0].result, 0);
	GUEST_ASSERT_EQ(calls[1].result, 0);
}

/* All of reqs, and one flush. */
static void update_and_flush(u64 n)
{
	struct kvm_dp_mmuext_op ext = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };

	flush_list(n, &ext, 1);
}

static void update(u64 n)
{
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, n, NULL), 0);
}

/* One leaf of the table at VA, as a page fault handler does it. */
static __always_inline void set_leaf(u64 i, u64 val, bool flush)
{
	u64 va = VA + i * PAGE_SIZE;

	if (dp_boot.ordinary) {
		WRITE_ONCE(l1_ptr[i / NR_PAGES][i % NR_PAGES], val);
		if (flush)
			dp_invlpg(va);
		return;
	}
	GUEST_ASSERT_EQ(dp_update_va(va, val, flush ? KVM_DP_UVMF_INVLPG : 0),
			0);
}

/*
 * Page faults
 */
void perf_fault(u64 va, u64 rip);

void perf_fault(u64 va, u64 rip)
{
	u64 i = (va - VA) / PAGE_SIZE;

	if (i >= FORK_PAGES)
		GUEST_FAIL("Page fault at %#lx, RIP %#lx", va, rip);
	if (fault_copies)
		copy_page(dp_ptr(fault_gfn + i), dp_ptr(DATA_GFN + i));
	set_leaf(i, leaf(fault_gfn + i), fault_copies);
}

void perf_fault_entry(void);

asm(".pushsection .text\n"
	".globl perf_fault_entry\n"
	"perf_fault_entry:\n"
	"	push %rax; push %rcx; push %rdx; push %rsi; push %rdi\n"
	"	push %r8; push %r9; push %r10; push %r11\n"
	"	sub $8, %rsp\n"
	"	mov %cr2, %rdi\n"
	"	mov 88(%rsp), %rsi\n"
	"	cld\n"
	"	call perf_fault\n"
	"	add $8, %rsp\n"
	"	pop %r11; pop %r10; pop %r9; pop %r8\n"
	"	pop %rdi; pop %rsi; pop %rdx; pop %rcx; pop %rax\n"
	"	add $8, %rsp\n"
	"	iretq\n"
	".popsection\n");

static void take_faults(void)
{
	struct idt_entry *gate = (struct idt_entry *)dp_boot.idt.address +
				 PF_VECTOR;
	u64 entry = (u64)perf_fault_entry;

	gate->offset0 = entry;
	gate->offset1 = entry >> 16;
	gate->offset2 = entry >> 32;
}

/*
 * Calls, roots, flushes
 */
static void run_null(void)
{
	u64 i;

	for (i = 0; i < op->n; i++)
		dp_hypercall(NO_HYPERCALL, 0, 0, 0, 0, 0);
}

static void run_port(void)
{
	u64 i;

	for (i = 0; i < op->n; i++)
		port_write();
}

static void run_cr3(void)
{
	u64 i, mask = op->arg - 1;

	for (i = 0; i < op->n; i++)
		dp_set_cr3(roots[i & mask]);
}

static void undo_cr3(void)
{
	dp_set_cr3(dp_maddr(dp_boot.root_gfn));
}

static void run_invlpg(void)
{
	u64 i;

	for (i = 0; i < op->n; i++)
		dp_invlpg(VA);
}

/*
 * Leaves of one table
 */
static void run_map(void)
{
	u64 i, n;

	for (i = 0; i < NR_PAGES;) {
		for (n = 0; n < op->arg; i++)
			add_req(&n, l1[0] + i * sizeof(u64), data_leaf(i));
		update(n);
	}
}

static void run_unmap(void)
{
	u64 i, n;

	for (i = 0; i < NR_PAGES;) {
		for (n = 0; n < op->arg; i++)
			add_req(&n, l1[0] + i * sizeof(u64), 0);
		update_and_flush(n);
	}
}

static void map_all(void)
{
	u64 i, n = 0;

	for (i = 0; i < NR_PAGES; i++)
		add_req(&n, l1[0] + i * sizeof(u64), data_leaf(i));
	update(n);
	touch(VA, NR_PAGES);
}

static void unmap_all(void)
{
	u64 i, n = 0;

	for (i = 0; i < NR_PAGES; i++)
		add_req(&n, l1[0] + i * sizeof(u64), 0);
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
		add_req(&n, (l1[0] + i * sizeof(u64)) |
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
		GUEST_ASSERT_EQ(dp_set(l1[0] + i * sizeof(u64), data_leaf(i)),
				0);
}

static void run_rewrite(void)
{
	u64 i;

	for (i = 0; i < NR_PAGES; i++) {
		set_leaf(0, data_leaf(i), true);
		touch(VA, 1);
	}
}

static void run_fault(void)
{
	WRITE_ONCE(fault_gfn, DATA_GFN);
	WRITE_ONCE(fault_copies, false);
	touch(VA, NR_PAGES);
}

/*
 * Tables of level 1
 */
static __always_inline void fill_l1(u64 gfn)
{
	u64 *table = dp_ptr(gfn), i;

	for (i = 0; i < NR_PAGES; i++)
		WRITE_ONCE(table[i], data_leaf(i));
}

static void prepare_table(void)
{
	table_gfn = alloc_table();
	table_linear = linear_slot(table_gfn);
}

static void run_new_table(void)
{
	u64 n = 0;

	fill_l1(table_gfn);
	add_linear(&n, table_linear, table_gfn, false);
	add_req(&n, l2_slot, leaf(table_gfn));
	update(n);
	touch(NEW_TABLE_VA, NR_PAGES);
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
	if (op->arg)
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

/*
 * Address spaces
 */
static void alloc_space(struct space *s, int nr_l1)
{
	int i;

	s->nr = 3 + nr_l1;
	for (i = 0; i < s->nr; i++) {
		s->gfn[i] = alloc_table();
		s->linear[i] = linear_slot(s->gfn[i]);
	}
}

/* What the kernel has, and upper tables; the lowest are the caller's. */
static void fill_upper(struct space *s)
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

static void seal_space(struct space *s, u64 *n)
{
	int i;

	for (i = 0; i < s->nr; i++)
		add_linear(n, s->linear[i], s->gfn[i], false);
}

/* One call for all of it; reqs may have other updates to begin with. */
static void up_space(struct space *s, u64 n, bool load)
{
	u64 mfn = dp_p2m[s->gfn[0]];
	struct kvm_dp_mmuext_op ext[2] = {
		{ .cmd = KVM_DP_MMUEXT_PIN_L4_TABLE, .arg1 = mfn },
		{ .cmd = KVM_DP_MMUEXT_NEW_BASEPTR, .arg1 = mfn },
	};

	seal_space(s, &n);
	flush_list(n, ext, load ? 2 : 1);
}

static void build_space(struct space *s, bool load)
{
	fill_upper(s);
	fill_l1(s->gfn[3]);
	up_space(s, 0, load);
}

static void load_space(struct space *s)
{
	dp_set_cr3(dp_maddr(s->gfn[0]));
}

static void down_space(struct space *s)
{
	struct kvm_dp_mmuext_op ext = {
		.cmd = KVM_DP_MMUEXT_UNPIN_TABLE,
		.arg1 = dp_p2m[s->gfn[0]],
	};
	u64 n = 0;
	int i;

	undo_cr3();
	GUEST_ASSERT_EQ(dp_mmuext(&ext, 1, NULL), 0);
	for (i = 0; i < s->nr; i++)
		add_linear(&n, s->linear[i], s->gfn[i], true);
	update(n);
}

static void prepare_fresh(void)
{
	alloc_space(&fresh, 1);
}

static void prepare_built(void)
{
	prepare_fresh();
	build_space(&fresh, false);
}

static void prepare_loaded(void)
{
	prepare_fresh();
	build_space(&fresh, true);
}

static void prepare_touched(void)
{
	prepare_loaded();
	touch(VA, NR_PAGES);
}

static void run_fresh(void)
{
	build_space(&fresh, true);
	touch(VA, NR_PAGES);
}

static void run_fresh_ports(void)
{
	build_space(&fresh, true);
	port_write();
	touch(VA, NR_PAGES);
	port_write();
}

static void run_build(void)
{
	build_space(&fresh, false);
}

static void run_load(void)
{
	load_space(&fresh);
	port_write();
}

static void run_touch(void)
{
	touch(VA, NR_PAGES);
	port_write();
}

static void undo_fresh(void)
{
	down_space(&fresh);
}

static void run_switch(void)
{
	u64 i;

	for (i = 0; i < op->n; i++) {
		load_space(&spaces[i & 1]);
		touch(VA, op->arg);
	}
}

/*
 * fork(): the parent's entries lose their right to write, and the child has
 * copies of them.  Then the child writes to all.
 */
static void map_parent(void)
{
	u64 i, n = 0;

	for (i = 0; i < FORK_PAGES; i++)
		add_req(&n, l1[i / NR_PAGES] + i % NR_PAGES * sizeof(u64),
			data_leaf(i));
	update(n);
	touch(VA, FORK_PAGES);
}

static void unmap_parent(void)
{
	u64 i, n = 0;

	for (i = 0; i < FORK_PAGES; i++)
		add_req(&n, l1[i / NR_PAGES] + i % NR_PAGES * sizeof(u64), 0);
	update_and_flush(n);
}

static void prepare_fork(void)
{
	map_parent();
	alloc_space(&fresh, 2);
}

static void run_fork(void)
{
	u64 i, entry, n = 0;

	fill_upper(&fresh);
	for (i = 0; i < FORK_PAGES; i++) {
		entry = READ_ONCE(l1_ptr[i / NR_PAGES][i % NR_PAGES]) & ~DP_RW;
		add_req(&n, (l1[i / NR_PAGES] + i % NR_PAGES * sizeof(u64)) |
			KVM_DP_PT_UPDATE_PRESERVE_AD, entry);
		dp_ptr(fresh.gfn[3 + i / NR_PAGES])[i % NR_PAGES] = entry;
	}
	up_space(&fresh, n, true);
}

/* WRITE_ONCE(), as the compiler does not know that the page faults. */
static void set_l1_ptr(u64 *first, u64 *second)
{
	WRITE_ONCE(l1_ptr[0], first);
	WRITE_ONCE(l1_ptr[1], second);
}

/* The child's tables take the place of the parent's for set_leaf(). */
static void run_cow(void)
{
	u64 *first = l1_ptr[0], *second = l1_ptr[1];

	set_l1_ptr(dp_ptr(fresh.gfn[3]), dp_ptr(fresh.gfn[4]));
	WRITE_ONCE(fault_gfn, COPY_GFN);
	WRITE_ONCE(fault_copies, true);
	touch(VA, FORK_PAGES);
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

#define LOOP(name, run, undo, n, arg)	\
	{ name, NULL, run, undo, 1, n, arg }
#define TABLE(name, prepare, run, undo, arg)	\
	{ name, prepare, run, undo, 4, NR_PAGES, arg }
#define TYPE(name, prepare, run, undo, arg)	\
	{ name, prepare, run, undo, 4, NR_PAGES, arg, true }
#define ONCE(name, prepare, run, undo)	\
	{ name, prepare, run, undo, 8, 1 }
#define FORK(name, prepare, run)	\
	{ name, prepare, run, undo_fork, 2, FORK_PAGES }

static const struct op ops[] = {
	LOOP("null_hypercall", run_null, NULL, 4000, 0),
	LOOP("port_write", run_port, NULL, 4000, 0),
	LOOP("cr3_2_roots", run_cr3, undo_cr3, 4000, 2),
	LOOP("cr3_4_roots", run_cr3, undo_cr3, 4000, 4),
	LOOP("cr3_8_roots", run_cr3, undo_cr3, 4000, 8),
	LOOP("switch_touch_8", run_switch, undo_cr3, 2000, 8),
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
	ONCE("touch_new_table", prepare_table, run_new_table, undo_new_table),
	ONCE("fresh_space", prepare_fresh, run_fresh, undo_fresh),
	ONCE("fresh_space_2_ports", prepare_fresh, run_fresh_ports, undo_fresh),
	ONCE("fresh_build", prepare_fresh, run_build, undo_fresh),
	ONCE("fresh_switch_port", prepare_built, run_load, undo_fresh),
	ONCE("fresh_touch_port", prepare_loaded, run_touch, undo_fresh),
	ONCE("fresh_teardown", prepare_touched, undo_fresh, NULL),
	FORK("fork_copy", prepare_fork, run_fork),
	FORK("fork_cow_fault", prepare_cow, run_cow),
	FORK("fork_1000", prepare_fork, run_fork_cow),
};

/* The pool's data is one run of machine memory in each block. */
static bool has_folios(void)
{
	u64 i;

	for (i = 0; i < 512; i++) {
		if (dp_p2m[DATA_GFN + i] != dp_p2m[DATA_GFN] + i)
			return false;
	}
	return dp_p2m[DATA_GFN] % 512 == 0;
}

static void make_roots(void)
{
	u64 gfn;
	int i;

	for (i = 0; i < NR_ROOTS; i++) {
		gfn = alloc_table();
		dp_copy_kernel(gfn);
		dp_seal(gfn);
		GUEST_ASSERT_EQ(dp_pin(4, gfn), 0);
		roots[i] = dp_maddr(gfn);
	}
	for (i = 0; i < NR_SPACES; i++) {
		alloc_space(&spaces[i], 1);
		build_space(&spaces[i], false);
	}
}

static void report(const char *name, u64 n)
{
	GUEST_SYNC_ARGS(STAGE_REPORT, (u64)name, n, ticks, 0);
	ticks = 0;
}

/* The host has all memory then, and an ordinary VM maps it. */
static void touch_memory(void)
{
	u64 gfn = DP_POOL_GFN + DP_P2M_PAGES;

	begin();
	touch((u64)dp_ptr(gfn), DP_MAX_GFN - gfn);
	pause_clock();
	report("first_touch", DP_MAX_GFN - gfn);
}

static void make_tables(void)
{
	int i;

	for (i = 0; i < 2; i++) {
		l1[i] = dp_link(VA + i * NR_PAGES * PAGE_SIZE);
		l1_ptr[i] = dp_entry_ptr(l1[i]);
	}
	dp_link(NEW_TABLE_VA);
	l2_slot = dp_walk(dp_boot.root_gfn, NEW_TABLE_VA, 2);
	GUEST_ASSERT_EQ(dp_set(l2_slot, 0), 0);
}

/* Once before it counts, so that what is lazy has been done. */
static void measure(void)
{
	u64 pass;

	for (pass = 0; pass <= op->passes; pass++) {
		if (op->prepare)
			op->prepare();
		if (pass)
			begin();
		op->run();
		if (pass)
			pause_clock();
		if (op->undo)
			op->undo();
	}
	report(op->name, op->passes * op->n);
}

static void guest_perf(int cpu)
{
	u64 i;

	take_faults();
	touch_memory();
	make_tables();
	make_roots();
	if (!dp_boot.ordinary && !has_folios())
		GUEST_PRINTF("The data is not in folios of 2 MiB\n");
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		op = &ops[i];
		if (op->direct_only && dp_boot.ordinary)
			continue;
		measure();
	}
}

/*
 * Host
 */
static u64 count_exits(struct kvm_vcpu *vcpu)
{
	return dp_vcpu_stat(vcpu, "exits") - dp_vcpu_stat(vcpu, "irq_exits");
}

/* The name is the guest's, which is this program. */
static void print_result(struct ucall *uc, u64 exits)
{
	const char *name = (const char *)uc->args[2];
	double n = uc->args[3];

	printf("csv %s,%lu,%.1f,%.3f\n", name, (unsigned long)uc->args[3],
	       uc->args[4] / n, exits / n);
	fflush(stdout);
}

static void run_until_ucall(struct kvm_vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	int r;

	do {
		r = ioctl(vcpu->fd, KVM_RUN, NULL);
		TEST_ASSERT(!r || errno == EINTR, KVM_IOCTL_ERROR(KVM_RUN, r));
	} while (r || (run->exit_reason == KVM_EXIT_IO &&
		       run->io.port == PERF_PORT));
}

static void measure_vcpu(struct kvm_vcpu *vcpu)
{
	u64 begin = 0, exits = 0;
	struct ucall uc;

	for (;;) {
		run_until_ucall(vcpu);
		switch (get_ucall(vcpu, &uc)) {
		case UCALL_PRINTF:
			REPORT_GUEST_PRINTF(uc);
			continue;
		case UCALL_ABORT:
			REPORT_GUEST_ASSERT(uc);
			break;
		case UCALL_DONE:
			return;
		case UCALL_SYNC:
			break;
		default:
			TEST_FAIL("Exit %u (%s)", vcpu->run->exit_reason,
				  exit_reason_str(vcpu->run->exit_reason));
		}

		switch (uc.args[1]) {
		case STAGE_BEGIN:
			begin = count_exits(vcpu);
			break;
		case STAGE_PAUSE:
			exits += count_exits(vcpu) - begin - 1;
			break;
		case STAGE_REPORT:
			print_result(&uc, exits);
			exits = 0;
			break;
		}
	}
}

static void measure_direct(void)
{
	struct dp_vm dp;

	dp_require();
	dp_turn_auditor(false);
	dp_vm_create(&dp, guest_perf, 1);
	dp_vm_start(&dp);
	measure_vcpu(dp.vcpus[0]);
	/* That nested paging was off, too. */
	dp_turn_auditor(true);
	dp_audit(&dp);
	dp_vm_free(&dp);
}

static void measure_ordinary(void)
{
	struct dp_vm dp;

	dp_ordinary_create(&dp, guest_perf);
	measure_vcpu(dp.vcpus[0]);
	dp_ordinary_free(&dp);
}

static void help(const char *name)
{
	printf("usage: %s [-m direct|ordinary]\n", name);
	exit(KSFT_FAIL);
}

int main(int argc, char *argv[])
{
	const char *mode = "direct";
	int c;

	while ((c = getopt(argc, argv, "hm:")) != -1) {
		if (c != 'm')
			help(argv[0]);
		mode = optarg;
	}

	if (!strcmp(mode, "direct"))
		measure_direct();
	else if (!strcmp(mode, "ordinary"))
		measure_ordinary();
	else
		help(argv[0]);
	return 0;
}
