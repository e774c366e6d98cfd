// SPDX-License-Identifier: GPL-2.0-only
/*
 * VMs with direct paging, as their guest sees them.
 */
#include "dp.h"

/* From a machine frame number to a guest frame number + 1. */
#define M2P_SIZE	8192

struct dp_boot dp_boot;

static u32 m2p_hash[M2P_SIZE];
static u32 free_frames[DP_POOL_PAGES];
static u32 nr_free;
static u32 pool_lock;
static u32 ready;

/* In dp_entry.S. */
kvm_static_assert(offsetof(struct dp_boot, gdt) == 0);
kvm_static_assert(offsetof(struct dp_boot, idt) == 10);

static void lock(u32 *l)
{
	while (__atomic_exchange_n(l, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
}

static void unlock(u32 *l)
{
	__atomic_store_n(l, 0, __ATOMIC_RELEASE);
}

static unsigned int m2p_index(u64 mfn)
{
	unsigned int i = mfn % M2P_SIZE;

	while (m2p_hash[i] && dp_p2m[m2p_hash[i] - 1] != mfn)
		i = (i + 1) % M2P_SIZE;
	return i;
}

bool dp_is_own(u64 mfn)
{
	return m2p_hash[m2p_index(mfn)];
}

u64 dp_gfn(u64 mfn)
{
	u32 gfn = m2p_hash[m2p_index(mfn)];

	return gfn ? gfn - 1 : 0;
}

static void init_frames(void)
{
	u64 gfn;

	for (gfn = 0; gfn < dp_boot.slot0_pages; gfn++)
		m2p_hash[m2p_index(dp_p2m[gfn])] = gfn + 1;
	for (gfn = DP_POOL_GFN; gfn < DP_MAX_GFN; gfn++)
		m2p_hash[m2p_index(dp_p2m[gfn])] = gfn + 1;

	/* The lowest one is taken first. */
	for (gfn = DP_MAX_GFN - 1; gfn >= DP_POOL_GFN + DP_P2M_PAGES; gfn--)
		free_frames[nr_free++] = gfn;
}

void dp_guest_main(dp_guest_fn guest, int cpu);

void dp_guest_main(dp_guest_fn guest, int cpu)
{
	if (!cpu) {
		init_frames();
		__atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
	}
	while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
		cpu_relax();

	guest(cpu);
	GUEST_DONE();
}

long dp_hypercall(u64 nr, u64 a1, u64 a2, u64 a3, u64 a4, u64 a5)
{
	register u64 r10 asm("r10") = a4;
	register u64 r8 asm("r8") = a5;
	long ret = nr;

	if (host_cpu_is_amd)
		asm volatile("vmmcall"
			     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3),
			       "+r" (r10), "+r" (r8)
			     : : "rcx", "r9", "r11", "memory");
	else
		asm volatile("vmcall"
			     : "+a" (ret), "+D" (a1), "+S" (a2), "+d" (a3),
			       "+r" (r10), "+r" (r8)
			     : : "rcx", "r9", "r11", "memory");
	return ret;
}

static u64 *ordinary_entry(u64 maddr)
{
	return (u64 *)(DP_LINEAR + maddr);
}

static long ordinary_mmu_update(struct kvm_dp_mmu_update *reqs, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		WRITE_ONCE(*ordinary_entry(reqs[i].ptr & ~7ULL), reqs[i].val);
	return 0;
}

static long ordinary_mmuext(struct kvm_dp_mmuext_op *ops, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++) {
		switch (ops[i].cmd) {
		case KVM_DP_MMUEXT_NEW_BASEPTR:
			dp_set_cr3(ops[i].arg1 << PAGE_SHIFT);
			break;
		case KVM_DP_MMUEXT_TLB_FLUSH_LOCAL:
			dp_set_cr3(get_cr3());
			break;
		case KVM_DP_MMUEXT_INVLPG_LOCAL:
			dp_invlpg(ops[i].arg1);
			break;
		}
	}
	return 0;
}

static long ordinary_update_va(u64 va, u64 val, u64 flags)
{
	WRITE_ONCE(*ordinary_entry(dp_walk(dp_root(), va, 1)), val);
	if ((flags & KVM_DP_UVMF_FLUSHTYPE_MASK) == KVM_DP_UVMF_INVLPG)
		dp_invlpg(va);
	return 0;
}

long dp_mmu_update(struct kvm_dp_mmu_update *reqs, u32 count, u32 *done)
{
	if (dp_boot.ordinary)
		return ordinary_mmu_update(reqs, count);

	return dp_hypercall(KVM_DP_HC_MMU_UPDATE, (u64)reqs, count, (u64)done,
			    KVM_DP_DOMID_SELF, 0);
}

long dp_mmuext(struct kvm_dp_mmuext_op *ops, u32 count, u32 *done)
{
	if (dp_boot.ordinary)
		return ordinary_mmuext(ops, count);

	return dp_hypercall(KVM_DP_HC_MMUEXT_OP, (u64)ops, count, (u64)done,
			    KVM_DP_DOMID_SELF, 0);
}

long dp_multicall(struct kvm_dp_multicall_entry *list, u32 count)
{
	return dp_hypercall(KVM_DP_HC_MULTICALL, (u64)list, count, 0, 0, 0);
}

long dp_update_va(u64 va, u64 val, u64 flags)
{
	if (dp_boot.ordinary)
		return ordinary_update_va(va, val, flags);

	return dp_hypercall(KVM_DP_HC_UPDATE_VA_MAPPING, va, val, flags, 0, 0);
}

long dp_set(u64 maddr, u64 val)
{
	struct kvm_dp_mmu_update req = { .ptr = maddr, .val = val };

	return dp_mmu_update(&req, 1, NULL);
}

long dp_ext(u32 cmd, u64 arg1, u64 arg2)
{
	struct kvm_dp_mmuext_op op = {
		.cmd = cmd,
		.arg1 = arg1,
		.arg2 = arg2,
	};

	return dp_mmuext(&op, 1, NULL);
}

u64 dp_alloc(void)
{
	u64 gfn = 0, *p;
	int i;

	lock(&pool_lock);
	if (nr_free)
		gfn = free_frames[--nr_free];
	unlock(&pool_lock);
	GUEST_ASSERT(gfn);

	p = dp_ptr(gfn);
	for (i = 0; i < 512; i++)
		WRITE_ONCE(p[i], 0);
	return gfn;
}

void dp_free(u64 gfn)
{
	/* What is given back is data again. */
	dp_assert_writable((u64)dp_ptr(gfn));

	lock(&pool_lock);
	free_frames[nr_free++] = gfn;
	unlock(&pool_lock);
}

long dp_linear(u64 gfn, bool writable)
{
	if (dp_boot.ordinary)
		return 0;

	return dp_update_va((u64)dp_ptr(gfn),
			    dp_maddr(gfn) | DP_P | (writable ? DP_RW : 0),
			    KVM_DP_UVMF_INVLPG | KVM_DP_UVMF_ALL);
}

void dp_seal(u64 gfn)
{
	GUEST_ASSERT_EQ(dp_linear(gfn, false), 0);
}

void dp_unseal(u64 gfn)
{
	GUEST_ASSERT_EQ(dp_linear(gfn, true), 0);
}

u64 dp_walk(u64 root_gfn, u64 va, int level)
{
	u64 maddr, entry;
	int l;

	maddr = dp_slot(root_gfn, dp_index(va, 4));
	for (l = 4; l > level; l--) {
		entry = dp_get(maddr);
		if (!(entry & DP_P))
			return 0;
		maddr = PTE_GET_PA(entry) + dp_index(va, l - 1) * sizeof(u64);
	}
	return maddr;
}

u64 dp_link(u64 va)
{
	u64 root = dp_root(), maddr, gfn;
	int level;

	for (level = 4; level > 1; level--) {
		maddr = dp_walk(root, va, level);
		if (dp_get(maddr) & DP_P)
			continue;
		gfn = dp_alloc();
		dp_seal(gfn);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(gfn) | DP_LEAF), 0);
	}
	return dp_walk(root, va, 1);
}

void dp_unlink(u64 va)
{
	u64 root = dp_root(), maddr, gfn[4];
	int level;

	for (level = 1; level < 4; level++)
		gfn[level] = dp_gfn(PTE_GET_PFN(dp_get(dp_walk(root, va,
							       level + 1))));

	/* From the top: what hangs below becomes data with it. */
	maddr = dp_walk(root, va, 4);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	for (level = 1; level < 4; level++) {
		dp_unseal(gfn[level]);
		dp_free(gfn[level]);
	}
}

void dp_map(u64 va, u64 gfn, u64 flags)
{
	GUEST_ASSERT_EQ(dp_update_va(va, dp_maddr(gfn) | flags,
				     KVM_DP_UVMF_INVLPG | KVM_DP_UVMF_ALL), 0);
}

void dp_unmap(u64 va)
{
	GUEST_ASSERT_EQ(dp_update_va(va, 0, KVM_DP_UVMF_INVLPG |
				     KVM_DP_UVMF_ALL), 0);
}

void dp_copy_kernel(u64 root_gfn)
{
	const unsigned int slots[] = { 0, dp_index(DP_LINEAR, 4) };
	int i;

	for (i = 0; i < ARRAY_SIZE(slots); i++)
		dp_ptr(root_gfn)[slots[i]] =
			dp_ptr(dp_boot.root_gfn)[slots[i]];
}

void dp_tree_fill(struct dp_tree *tree, u64 va)
{
	int level;

	tree->va = va;
	for (level = 0; level <= 4; level++)
		tree->gfn[level] = dp_alloc();

	for (level = 1; level <= 4; level++)
		dp_ptr(tree->gfn[level])[dp_index(va, level)] =
			dp_maddr(tree->gfn[level - 1]) | DP_LEAF;
	dp_copy_kernel(tree->gfn[4]);
}

void dp_tree_seal(struct dp_tree *tree)
{
	int level;

	for (level = 1; level <= 4; level++)
		dp_seal(tree->gfn[level]);
}

void dp_tree_unseal(struct dp_tree *tree)
{
	int level;

	for (level = 1; level <= 4; level++)
		dp_unseal(tree->gfn[level]);
}

void dp_tree_free(struct dp_tree *tree)
{
	int level;

	for (level = 0; level <= 4; level++)
		dp_free(tree->gfn[level]);
}

void dp_tree_up(struct dp_tree *tree, u64 va)
{
	dp_tree_fill(tree, va);
	dp_tree_seal(tree);
	GUEST_ASSERT_EQ(dp_pin(4, tree->gfn[4]), 0);
}

void dp_tree_down(struct dp_tree *tree)
{
	GUEST_ASSERT_EQ(dp_unpin(tree->gfn[4]), 0);
	dp_tree_unseal(tree);
	dp_tree_free(tree);
}
