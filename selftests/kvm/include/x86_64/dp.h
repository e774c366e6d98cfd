/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: VMs whose own page tables the hardware walks.
 *
 * The host lays a VM out as every selftest does, then moves it to memory and
 * file descriptors of a VM with direct paging.  The guest sees all its memory
 * in a linear map, page tables read-only, and its tables hold machine frame
 * numbers as soon as it runs.
 */
#ifndef SELFTEST_KVM_DP_H
#define SELFTEST_KVM_DP_H

#include <stdbool.h>

#include <asm/kvm_direct_paging.h>
#include <linux/types.h>

#include "kvm_util.h"
#include "processor.h"

#define DP_MAX_VCPUS	8
#define DP_STACK_PAGES	8

/* Slot 0 is the program, slot 1 what tests take frames from. */
#define DP_POOL_SLOT	1
#define DP_POOL_GFN	0x1000ULL
#define DP_POOL_PAGES	4096ULL
#define DP_MAX_GFN	(DP_POOL_GFN + DP_POOL_PAGES)
#define DP_FREE_SLOT	2

/* The P2M list is what the pool begins with. */
#define DP_P2M_PAGES	(DP_MAX_GFN * sizeof(u64) / PAGE_SIZE)

/* Level-4 slots 2 to 255 are empty at first. */
#define DP_L4_SIZE	BIT_ULL(39)
#define DP_VA		(2 * DP_L4_SIZE)
#define DP_LINEAR	0xffff888000000000ULL

#define DP_GMEM_FLAGS	(GUEST_MEMFD_FLAG_MMAP |			\
			 GUEST_MEMFD_FLAG_INIT_SHARED |			\
			 GUEST_MEMFD_FLAG_PAGE_TABLES)

#define DP_P		PTE_PRESENT_MASK
#define DP_RW		PTE_WRITABLE_MASK
#define DP_US		PTE_USER_MASK
#define DP_PWT		BIT_ULL(3)
#define DP_PCD		BIT_ULL(4)
#define DP_A		PTE_ACCESSED_MASK
#define DP_D		PTE_DIRTY_MASK
#define DP_PS		PTE_LARGE_MASK
#define DP_G		PTE_GLOBAL_MASK
#define DP_NX		PTE_NX_MASK
#define DP_LEAF		(DP_P | DP_RW)

/* A frame number that no machine has. */
#define DP_FOREIGN_MFN	((1ULL << 39) - 5)

typedef void (*dp_guest_fn)(int cpu);

/* What the host tells the guest before it starts. */
struct dp_boot {
	struct desc_ptr gdt;
	struct desc_ptr idt;
	u64 slot0_pages;
	u64 root_gfn;
	int nr_vcpus;
	bool l1tf;
	bool ordinary;
};

extern struct dp_boot dp_boot;
extern char dp_guest_entry[];

/*
 * Host
 */

struct dp_vm {
	struct kvm_vm *vm;
	struct kvm_vcpu *vcpus[DP_MAX_VCPUS];
	int nr_vcpus;
	dp_guest_fn guest;
	int gmem;
	u64 root_gfn;
	vm_vaddr_t stacks[DP_MAX_VCPUS];
	/* Slot 0 as it was before the start, to look addresses up. */
	void *image;
};

/* SKIP if the host has no direct paging. */
void dp_require(void);
/* By its name in /sys/devices/system/cpu/vulnerabilities. */
bool dp_host_has_bug(const char *name);
void dp_turn_auditor(bool on);

/* With tables full of guest frame numbers, without vCPUs, not started. */
void dp_vm_create(struct dp_vm *dp, dp_guest_fn guest, int nr_vcpus);
int __dp_vm_start(struct dp_vm *dp, u64 root_gfn);
void dp_vm_start(struct dp_vm *dp);
void dp_vm_free(struct dp_vm *dp);

/*
 * The same layout and guest in an ordinary VM with one vCPU, to compare.  What
 * the guest takes for machine frame numbers are guest frame numbers, and its
 * tables are writable: it stores entries and flushes instead of calling.
 */
void dp_ordinary_create(struct dp_vm *dp, dp_guest_fn guest);
void dp_ordinary_free(struct dp_vm *dp);

struct kvm_vcpu *dp_vcpu_create(struct dp_vm *dp, int cpu);
struct kvm_x86_dp_start_vcpu dp_vcpu_args(struct dp_vm *dp, int cpu);
void dp_vcpu_start(struct dp_vm *dp, int cpu);

/* Forward what KVM does not answer of Xen's hypercalls. */
void dp_enable_xen(struct dp_vm *dp, u32 flags);

/* Until the guest syncs or is done, which is what it returns. */
u64 dp_run(struct kvm_vcpu *vcpu, struct ucall *uc);
/* Until it reaches that stage, or is done if that is 0. */
void dp_run_until(struct kvm_vcpu *vcpu, u64 stage);
/* All vCPUs, each in a thread, until all are done. */
void dp_run_all(struct dp_vm *dp);

/* Nothing broken, nothing partial, and nested paging never on. */
struct kvm_x86_dp_audit dp_audit(struct dp_vm *dp);

/* A VM with one vCPU, started, and run until stage 1. */
struct kvm_vcpu *dp_vm_begin(struct dp_vm *dp, dp_guest_fn guest);
/* Until its guest is done; an audit; and freed. */
void dp_vm_end(struct dp_vm *dp);

/* All of that for one guest. */
void dp_test(dp_guest_fn guest, int nr_vcpus);

void *dp_gfn_hva(struct dp_vm *dp, u64 gfn);

/* As the P2M list says, which the guest has no reason to change. */
static inline u64 dp_host_mfn(struct dp_vm *dp, u64 gfn)
{
	return ((u64 *)dp_gfn_hva(dp, DP_POOL_GFN))[gfn];
}

/* By the tables as they were before the start. */
void *dp_gva_hva(struct dp_vm *dp, vm_vaddr_t gva);
u64 *dp_boot_entry(struct dp_vm *dp, u64 va, int level);

u64 dp_vcpu_stat(struct kvm_vcpu *vcpu, const char *name);
int __dp_set_slot(struct dp_vm *dp, u32 slot, u32 flags, u64 gfn, u64 npages,
		  void *hva, int gmem, u64 offset);

#define dp_read_global(dp, g)						\
	READ_ONCE(*(typeof(g) *)dp_gva_hva(dp, (vm_vaddr_t)&(g)))
#define dp_write_global(dp, g, v)					\
	WRITE_ONCE(*(typeof(g) *)dp_gva_hva(dp, (vm_vaddr_t)&(g)), v)

/* The call, its result, and what errno has to be; 0 for success. */
#define DP_EXPECT(call, error)						\
do {									\
	int __r = (call);						\
	int __e = __r < 0 ? errno : 0;					\
	int __want = (error);						\
									\
	TEST_ASSERT(__e == __want, "%s: errno %d (%s), not %d (%s)",	\
		    #call, __e, strerror(__e), __want,			\
		    strerror(__want));					\
} while (0)

/*
 * A test that is all in the guest.  Emulated machines are slow, so the time
 * limit of the harness is not the usual one.
 */
#define DP_TIMEOUT_S	600

#define DP_SMP_TEST(name, nr_vcpus)					\
static void guest_##name(int cpu);					\
TEST(name)								\
{									\
	dp_test(guest_##name, nr_vcpus);				\
}									\
static void guest_##name(int cpu)

#define DP_TEST(name)	DP_SMP_TEST(name, 1)

/*
 * Guest
 */

#define dp_p2m	((const u64 *)(DP_LINEAR + (DP_POOL_GFN << PAGE_SHIFT)))
#define dp_m2p	((const u64 *)KVM_DP_M2P_BASE)

/*
 * For a guest that loops without an exit: while it has interrupts disabled,
 * Bochs keeps those of the host pending, so nothing else would ever run.
 */
static inline void dp_enable_interrupts(void)
{
	asm volatile("sti");
}

long dp_hypercall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5);
long dp_mmu_update(struct kvm_dp_mmu_update *reqs, u32 count, u32 *done);
long dp_mmuext(struct kvm_dp_mmuext_op *ops, u32 count, u32 *done);
long dp_multicall(struct kvm_dp_multicall_entry *list, u32 count);
long dp_update_va(u64 va, u64 val, u64 flags);

/* One entry by its machine address, which may carry a command. */
long dp_set(u64 maddr, u64 val);
/* One operation. */
long dp_ext(u32 cmd, u64 arg1, u64 arg2);

static inline long dp_pin_mfn(int level, u64 mfn)
{
	return dp_ext(KVM_DP_MMUEXT_PIN_L1_TABLE + level - 1, mfn, 0);
}

static inline long dp_pin(int level, u64 gfn)
{
	return dp_pin_mfn(level, dp_p2m[gfn]);
}

static inline long dp_unpin(u64 gfn)
{
	return dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, dp_p2m[gfn], 0);
}

static inline long dp_baseptr(u64 gfn)
{
	return dp_ext(KVM_DP_MMUEXT_NEW_BASEPTR, dp_p2m[gfn], 0);
}

/* Frames of the pool, zeroed, writable in the linear map. */
u64 dp_alloc(void);
void dp_free(u64 gfn);

static inline u64 *dp_ptr(u64 gfn)
{
	return (u64 *)(DP_LINEAR + (gfn << PAGE_SHIFT));
}

static inline u64 dp_maddr(u64 gfn)
{
	return dp_p2m[gfn] << PAGE_SHIFT;
}

/* 0 if the frame is not the VM's. */
bool dp_is_own(u64 mfn);
u64 dp_gfn(u64 mfn);

static inline u64 *dp_entry_ptr(u64 maddr)
{
	return dp_ptr(dp_gfn(maddr >> PAGE_SHIFT)) +
	       (maddr & (PAGE_SIZE - 1)) / sizeof(u64);
}

static inline u64 dp_get(u64 maddr)
{
	return READ_ONCE(*dp_entry_ptr(maddr));
}

static inline unsigned int dp_index(u64 va, int level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

static inline u64 dp_slot(u64 table_gfn, unsigned int index)
{
	return dp_maddr(table_gfn) + index * sizeof(u64);
}

/* How a frame is mapped in the linear map, flushed on all vCPUs. */
long dp_linear(u64 gfn, bool writable);
void dp_seal(u64 gfn);
void dp_unseal(u64 gfn);

static inline u64 dp_root(void)
{
	return dp_gfn(get_cr3() >> PAGE_SHIFT);
}

/* Where the entry of that level is in a tree, or 0. */
u64 dp_walk(u64 root_gfn, u64 va, int level);
/* The same for level 1 of the loaded tree, with new tables if need be. */
u64 dp_link(u64 va);
/* Take them out again, and give them back; no neighbour may be in use. */
void dp_unlink(u64 va);
/* Assert that it works. */
void dp_map(u64 va, u64 gfn, u64 flags);
void dp_unmap(u64 va);

/*
 * A tree for one page, filled as data: gfn[0] is the page, gfn[4] the root,
 * which also maps all that the guest needs to run.
 */
struct dp_tree {
	u64 va;
	u64 gfn[5];
};

void dp_tree_fill(struct dp_tree *tree, u64 va);
void dp_tree_seal(struct dp_tree *tree);
void dp_tree_unseal(struct dp_tree *tree);
void dp_tree_free(struct dp_tree *tree);
/* Sealed, pinned; and all of it undone. */
void dp_tree_up(struct dp_tree *tree, u64 va);
void dp_tree_down(struct dp_tree *tree);
/* What each address space has. */
void dp_copy_kernel(u64 root_gfn);

static inline u64 dp_read_cr2(void)
{
	u64 cr2;

	asm volatile("mov %%cr2, %0" : "=r" (cr2));
	return cr2;
}

static inline void dp_invlpg(u64 va)
{
	asm volatile("invlpg (%0)" : : "r" (va) : "memory");
}

static inline void dp_set_cr3(u64 maddr)
{
	asm volatile("mov %0, %%cr3" : : "r" (maddr) : "memory");
}

/*
 * These may fault: 0, or the vector.  The handler runs on the same stack, on
 * which a function that calls no other may use what is below its pointer.  So
 * all are inlined into functions that assert something.
 */
static __always_inline u8 dp_store_ec(u64 va, u64 val, u64 *error)
{
	u64 e = 0;
	u8 v;

	barrier();
	v = kvm_asm_safe_ec("mov %[val], (%[va])", e,
			    [va] "r" (va), [val] "r" (val));
	barrier();
	*error = e;
	return v;
}

static __always_inline u8 dp_store(u64 va, u64 val)
{
	u64 error;

	return dp_store_ec(va, val, &error);
}

static __always_inline u8 dp_load_ec(u64 va, u64 *error)
{
	u64 e = 0;
	u8 v;

	barrier();
	v = kvm_asm_safe_ec("testb $0, (%[va])", e, [va] "r" (va));
	barrier();
	*error = e;
	return v;
}

static __always_inline u8 dp_load(u64 va)
{
	u64 error;

	return dp_load_ec(va, &error);
}

static __always_inline u8 dp_mov_cr0(u64 val)
{
	return kvm_asm_safe("mov %[val], %%cr0", [val] "r" (val));
}

static __always_inline u8 dp_mov_cr3(u64 val)
{
	u8 v;

	barrier();
	v = kvm_asm_safe("mov %[val], %%cr3", [val] "r" (val));
	barrier();
	return v;
}

static __always_inline u8 dp_mov_cr4(u64 val)
{
	return kvm_asm_safe("mov %[val], %%cr4", [val] "r" (val));
}

/* Present and writable: the one thing that a page table must not be. */
static __always_inline void dp_assert_writable(u64 va)
{
	u64 val = READ_ONCE(*(u64 *)va);

	GUEST_ASSERT_EQ(dp_store(va, ~val), 0);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)va), ~val);
	WRITE_ONCE(*(u64 *)va, val);
}

/* There, but a write is a fault of the guest's own. */
static __always_inline void dp_assert_read_only(u64 va)
{
	u64 error;

	GUEST_ASSERT_EQ(dp_load(va), 0);
	GUEST_ASSERT_EQ(dp_store_ec(va, 0, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_PRESENT_MASK | PFERR_WRITE_MASK);
	GUEST_ASSERT_EQ(dp_read_cr2(), va);
}

static __always_inline void dp_assert_unmapped(u64 va)
{
	u64 error;

	GUEST_ASSERT_EQ(dp_load_ec(va, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, 0);
	GUEST_ASSERT_EQ(dp_read_cr2(), va);
}

#endif /* SELFTEST_KVM_DP_H */
