// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the guest of dp_perf_test, which measures one operation after
 * the other.
 */
#include "dp_perf.h"

const struct perf_op *perf_op;
struct kvm_dp_mmu_update perf_reqs[1024];
u64 perf_l1[2];
u64 *perf_l1_ptr[2];
u64 perf_fault_gfn;
bool perf_fault_copies;

static u64 started, ticks;

/*
 * The clock
 */
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

/*
 * Tables, and lists of updates
 */
u64 perf_alloc_table(void)
{
	u64 gfn = dp_alloc();

	/* Above are the blocks of data. */
	GUEST_ASSERT(gfn < DATA_GFN);
	return gfn;
}

u64 perf_linear_slot(u64 gfn)
{
	return dp_walk(dp_boot.root_gfn, (u64)dp_ptr(gfn), 1);
}

void perf_flush_list(u64 n, struct kvm_dp_mmuext_op *ext, u64 nr_ext)
{
	struct kvm_dp_multicall_entry calls[2] = {
		{ .op = KVM_DP_HC_MMU_UPDATE,
		  .args = { (u64)perf_reqs, n, 0, KVM_DP_DOMID_SELF } },
		{ .op = KVM_DP_HC_MMUEXT_OP,
		  .args = { (u64)ext, nr_ext, 0, KVM_DP_DOMID_SELF } },
	};

	if (dp_boot.ordinary) {
		dp_mmu_update(perf_reqs, n, NULL);
		dp_mmuext(ext, nr_ext, NULL);
		return;
	}
	GUEST_ASSERT_EQ(dp_multicall(calls, 2), 0);
	GUEST_ASSERT_EQ(calls[0].result, 0);
	GUEST_ASSERT_EQ(calls[1].result, 0);
}

void perf_update(u64 n)
{
	GUEST_ASSERT_EQ(dp_mmu_update(perf_reqs, n, NULL), 0);
}

/*
 * Page faults
 */

/* Faults may use the stack, but below the red zone of this leaf function. */
noinline void perf_touch(u64 va, u64 npages)
{
	asm volatile("sub $128, %%rsp\n"
		     "1: movb $1, (%0)\n"
		     "add $4096, %0\n"
		     "dec %1\n"
		     "jnz 1b\n"
		     "add $128, %%rsp\n"
		     : "+r" (va), "+r" (npages) : : "memory", "cc");
}

static __always_inline void copy_page(void *to, const void *from)
{
	u64 n = 512;

	asm volatile("rep movsq" : "+D" (to), "+S" (from), "+c" (n)
		     : : "memory");
}

void perf_fault(u64 va, u64 rip);

void perf_fault(u64 va, u64 rip)
{
	u64 i = (va - VA) / PAGE_SIZE;

	if (i >= FORK_PAGES)
		GUEST_FAIL("Page fault at %#lx, RIP %#lx", va, rip);
	if (perf_fault_copies)
		copy_page(dp_ptr(perf_fault_gfn + i), dp_ptr(DATA_GFN + i));
	set_leaf(i, leaf(perf_fault_gfn + i), perf_fault_copies);
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
 * Measurements
 */

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
	perf_touch((u64)dp_ptr(gfn), DP_MAX_GFN - gfn);
	pause_clock();
	report("first_touch", DP_MAX_GFN - gfn);
}

/* Once before it counts, so that what is lazy has been done. */
static void measure(const struct perf_op *op)
{
	u64 pass;

	perf_op = op;
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

static void measure_all(const struct perf_op *ops)
{
	const struct perf_op *op;

	for (op = ops; op->name; op++) {
		if (!op->direct_only || !dp_boot.ordinary)
			measure(op);
	}
}

void perf_guest(int cpu)
{
	take_faults();
	touch_memory();
	perf_make_tables();
	perf_make_roots();
	if (!dp_boot.ordinary && !has_folios())
		GUEST_PRINTF("The data is not in folios of 2 MiB\n");
	measure_all(perf_root_ops);
	measure_all(perf_table_ops);
	measure_all(perf_space_ops);
}
