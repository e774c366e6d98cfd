// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what Xen's validator of page tables got wrong in twenty years,
 * tried here.  A test is named after the advisory.  Where others are tested:
 *
 *	32		dp_pin_test bad_frames, dp_map_test page_operations
 *	37, 58		dp_pin_test writable_within, bad_entries (and the audit)
 *	45, 264, 290	dp_pin_test many_references, batch_of_pins
 *	185, 240, 309	dp_pin_test loops, dp_map_test upper_entries
 *	241		dp_smp_test stale_writable, stale_table
 *	242		dp_root_test unpin_loaded
 *	273		dp_map_test absent_entries
 *	279		dp_map_test update_va_arguments, flushes
 *	299, 310	dp_smp_test pin_race_*, dp_attack_smp_test xsa_299;
 *			dp_slot_test partial_tables
 *	401, 408	dp_attack_smp_test
 *	494		dp_attack_guest_test triple_fault
 *
 * And what cannot happen here:
 *
 *	111		there is no translation of 32-bit arguments
 *	122, 167 (2nd)	no version strings, no superpage marks
 *	159		nothing is allocated for memory_op
 *	176		no shadow page tables
 *	193, 260, 265, 293, 298, 444
 *			segments, debug registers, FS and GS, descriptor tables
 *			and exceptions are the guest's own, in hardware
 *	213		no hypercall changes the privilege level
 *	214		no segment descriptor pages, no transfer of frames
 *	215		no bounce frames
 *	224, 226, 227, 234, 255, 316, 486
 *			no grant tables in KVM; PTEs come by mmu_update only
 *	285, 287, 288, 291
 *			no IOMMU maps memory that can become tables
 *	317, 320	neither is about page tables
 *	410, 438, 495	no shadow page tables, no p2m to tear down
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0x0badc0deULL
#define HOLE		BIT_ULL(47)
#define SIZE_2M		BIT_ULL(21)
#define SIZE_1G		BIT_ULL(30)

/* Machine memory that tests look at: all that the host has, and more. */
#define PROBED		(4 * SIZE_1G)

enum {
	MEM_INCREASE = 0,
	MEM_DECREASE = 1,
	MEM_CURRENT = 3,
	MEM_MFN_LIST = 5,
	MEM_POPULATE = 6,
	MEM_MAP = 9,
	MEM_EXCHANGE = 11,
	MEM_M2P = 12,
};

/* Xen's, which KVM's ABI has no names for. */
#define MARK_SUPER	19
#define UNMARK_SUPER	20

static long memory_op(u64 cmd, u64 arg)
{
	return dp_hypercall(KVM_DP_HC_MEMORY_OP, cmd, arg, 0, 0, 0);
}

/* 29, 212: only the beginning of an array was checked, not what is used. */
DP_TEST(xsa_212)
{
	const u64 ends[] = { -8ULL, -16ULL, HOLE - 8, HOLE - 16, HOLE,
			     ~HOLE + 1, DP_VA, DP_VA + PAGE_SIZE - 8 };
	const u32 counts[] = { 2, 33, 0x7fffffff };
	struct kvm_dp_mmu_update req = {};
	unsigned int i, j;
	long r;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		for (j = 0; j < ARRAY_SIZE(counts); j++) {
			r = dp_mmu_update((void *)ends[i], counts[j], NULL);
			GUEST_ASSERT_EQ(r, -EFAULT);
			r = dp_mmuext((void *)ends[i], counts[j], NULL);
			GUEST_ASSERT_EQ(r, -EFAULT);
			r = dp_multicall((void *)ends[i], counts[j]);
			GUEST_ASSERT_EQ(r, -EFAULT);
		}
		/* Where a result would go; nothing is done then. */
		GUEST_ASSERT_EQ(dp_mmu_update(&req, 0, (u32 *)(ends[i] + 6)),
				-EFAULT);
		GUEST_ASSERT_EQ(memory_op(MEM_M2P, ends[i]), -EFAULT);
		GUEST_ASSERT_EQ(memory_op(MEM_MAP, ends[i]), -EFAULT);
	}
	GUEST_ASSERT_EQ(memory_op(MEM_EXCHANGE, (u64)&req), -ENOSYS);
	GUEST_ASSERT_EQ(memory_op(MEM_MFN_LIST, (u64)&req), -ENOSYS);
}

/* 31, 158, 231: sizes and nodes of extents without a limit. */
DP_TEST(xsa_31)
{
	struct {
		u64 start;
		u64 nr;
		u32 order;
		u32 flags;
		u16 domid;
	} extents = { -8ULL, ~0ULL, ~0U, ~0U, KVM_DP_DOMID_SELF };
	struct {
		u32 nr;
		u32 pad;
		u64 buffer;
	} map = { ~0U, 0, (u64)dp_ptr(dp_boot.root_gfn) };
	u64 gfn = dp_alloc(), *p = dp_ptr(gfn), first;

	GUEST_ASSERT_EQ(memory_op(MEM_INCREASE, (u64)&extents), 0);
	GUEST_ASSERT_EQ(memory_op(MEM_DECREASE, (u64)&extents), 0);
	GUEST_ASSERT_EQ(memory_op(MEM_POPULATE, (u64)&extents), 0);
	GUEST_ASSERT_EQ(memory_op(MEM_POPULATE | ~0ULL << 6, 0),
			~0U >> 6);

	/* No more than there is, and never into a table. */
	first = *dp_ptr(dp_boot.root_gfn);
	GUEST_ASSERT_EQ(memory_op(MEM_MAP, (u64)&map), -EFAULT);
	GUEST_ASSERT_EQ(*dp_ptr(dp_boot.root_gfn), first);
	p[511] = MARK;
	map.buffer = (u64)p;
	map.nr = ~0U;
	GUEST_ASSERT_EQ(memory_op(MEM_MAP, (u64)&map), 0);
	GUEST_ASSERT(map.nr && map.nr <= KVM_X86_DP_MAX_SLOTS);
	GUEST_ASSERT_EQ(p[511], MARK);
	dp_free(gfn);
}

/* 109: a guest without such page tables asks for changes of them. */
static void guest_ordinary(void)
{
	struct kvm_dp_mmuext_op op = {};

	GUEST_ASSERT_EQ(dp_multicall((void *)&op, 1), -KVM_ENOSYS);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), -KVM_ENOSYS);
	GUEST_ASSERT_EQ(dp_mmuext(&op, 1, NULL), -KVM_ENOSYS);
	GUEST_ASSERT_EQ(memory_op(MEM_CURRENT, (u64)&op), -KVM_ENOSYS);
	GUEST_DONE();
}

TEST(xsa_109)
{
	struct kvm_vcpu *vcpu;
	struct kvm_vm *vm = vm_create_with_one_vcpu(&vcpu, guest_ordinary);

	dp_run_until(vcpu, 0);
	kvm_vm_free(vm);
}

/* 113: a reference of each frame whose number was updated was never dropped. */
DP_TEST(xsa_113)
{
	u64 gfn = dp_alloc();
	int i;

	for (i = 0; i < 1000; i++) {
		GUEST_ASSERT_EQ(dp_set(dp_maddr(gfn) | KVM_DP_MACHPHYS_UPDATE,
				       i), 0);
		GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), i);
	}
	GUEST_ASSERT_EQ(dp_set(dp_maddr(gfn) | KVM_DP_MACHPHYS_UPDATE, gfn), 0);
	dp_seal(gfn);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	dp_free(gfn);
}

static void expect_own_block(u64 maddr)
{
	u64 mfn = maddr >> PAGE_SHIFT, i;

	for (i = 0; i < 512; i++)
		GUEST_ASSERT(dp_is_own(mfn + i));
}

/* 148: a superpage over any memory, by an entry that was but a link. */
DP_TEST(xsa_148)
{
	u64 root = dp_root(), l2, l3, link, maddr, flags;
	long r;

	dp_link(DP_VA);
	l2 = dp_walk(root, DP_VA, 2);
	l3 = dp_walk(root, DP_VA, 3);
	link = dp_get(l2);

	/* The link's own frame, then its low bits cleared. */
	for (flags = 0; flags <= KVM_DP_PT_UPDATE_PRESERVE_AD; flags += 2) {
		GUEST_ASSERT(dp_set(l2 | flags, link | DP_PS) < 0);
		GUEST_ASSERT(dp_set(l2 | flags, (link & ~(SIZE_2M - 1)) |
				    DP_LEAF | DP_PS) < 0);
		GUEST_ASSERT(dp_set(l3 | flags, dp_get(l3) | DP_PS) < 0);
	}
	GUEST_ASSERT_EQ(dp_get(l2) & ~DP_A, link & ~DP_A);

	for (maddr = 0; maddr < PROBED; maddr += SIZE_2M) {
		r = dp_set(l2 + 8, maddr | DP_P | DP_PS);
		if (!r) {
			expect_own_block(maddr);
			GUEST_ASSERT_EQ(dp_set(l2 + 8, 0), 0);
		}
		/* Tables and their neighbours are among it. */
		r = dp_set(l2 + 8, maddr | DP_LEAF | DP_PS);
		if (!r) {
			expect_own_block(maddr);
			GUEST_ASSERT_EQ(dp_set(l2 + 8, 0), 0);
		}
	}
	for (maddr = 0; maddr < PROBED; maddr += SIZE_1G)
		GUEST_ASSERT(dp_set(l3 + 8, maddr | DP_P | DP_PS) < 0);
	GUEST_ASSERT_EQ(dp_get(l2 + 8), 0);
	GUEST_ASSERT_EQ(dp_get(l3 + 8), 0);
	dp_unlink(DP_VA);
}

/* 154, 402: memory that the CPU reads otherwise than the host checks it. */
DP_TEST(xsa_402)
{
	const u64 bits[] = { DP_PWT, DP_PCD, BIT_ULL(7) };
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA), entry, cr3 = get_cr3();
	unsigned int i;

	entry = dp_maddr(gfn) | DP_LEAF;
	for (i = 0; i < ARRAY_SIZE(bits); i++) {
		/* First there is such a mapping already. */
		GUEST_ASSERT_EQ(dp_set(maddr, entry), 0);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | bits[i]), -EINVAL);
		GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_PT_UPDATE_PRESERVE_AD,
				       entry | bits[i]), -EINVAL);
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry | bits[i], 0),
				-EINVAL);
		GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
		GUEST_ASSERT_EQ(dp_set(maddr, (entry & ~DP_RW) | bits[i]),
				-EINVAL);
		GUEST_ASSERT_EQ(dp_get(maddr), 0);
	}
	GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | DP_PCD), GP_VECTOR);
	GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | DP_PWT), GP_VECTOR);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* 167: an index out of a number without a limit. */
DP_TEST(xsa_167)
{
	unsigned int shift;

	for (shift = 0; shift < 64; shift++) {
		GUEST_ASSERT_EQ(dp_ext(MARK_SUPER, BIT_ULL(shift), 0),
				-EOPNOTSUPP);
		GUEST_ASSERT_EQ(dp_ext(UNMARK_SUPER, ~0ULL << shift, 0),
				-EOPNOTSUPP);
	}
}

/* 173: numbers of frames wider than what keeps them. */
DP_TEST(xsa_173)
{
	u64 gfn = dp_alloc(), data = dp_alloc(), mfn, maddr = dp_link(DP_VA);
	unsigned int bit;

	dp_seal(gfn);
	for (bit = 32; bit < 64; bit++) {
		mfn = dp_p2m[gfn] | BIT_ULL(bit);
		GUEST_ASSERT_EQ(dp_pin_mfn(1, mfn), -EINVAL);
		GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_NEW_BASEPTR,
				       dp_p2m[dp_boot.root_gfn] | BIT_ULL(bit),
				       0), -EINVAL);
		GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, mfn, 0),
				-EINVAL);
		GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_COPY_PAGE, dp_p2m[data],
				       mfn), -EINVAL);
		if (bit >= 52)
			continue;
		GUEST_ASSERT_EQ(dp_set(mfn << PAGE_SHIFT, MARK), -EINVAL);
		GUEST_ASSERT_EQ(dp_set(mfn << PAGE_SHIFT |
				       KVM_DP_MACHPHYS_UPDATE, MARK), -EINVAL);
		if (bit < 40)
			GUEST_ASSERT_EQ(dp_set(maddr, mfn << PAGE_SHIFT | DP_P),
					-EPERM);
	}
	/* A number that the guest chooses, of any size, means nothing. */
	GUEST_ASSERT_EQ(dp_set(dp_maddr(gfn) | KVM_DP_MACHPHYS_UPDATE, ~0ULL),
			0);
	GUEST_ASSERT_EQ(dp_set(dp_maddr(gfn) | KVM_DP_MACHPHYS_UPDATE, gfn), 0);
	dp_unseal(gfn);
	dp_unlink(DP_VA);
	dp_free(gfn);
	dp_free(data);
}

/* 182: a table that is mapped read-only, then nothing but RW changes. */
DP_TEST(xsa_182)
{
	u64 maddr = dp_link(DP_VA), root = dp_root(), entry, l4;
	int level;

	for (level = 1; level <= 4; level++) {
		entry = PTE_GET_PA(dp_walk(root, DP_VA, level)) | DP_P;
		GUEST_ASSERT_EQ(dp_set(maddr, entry), 0);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_RW), -EBUSY);
		GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_PT_UPDATE_PRESERVE_AD,
				       entry | DP_RW), -EBUSY);
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry | DP_RW | DP_A | DP_D,
					     0), -EBUSY);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_US | DP_G), 0);
		dp_assert_read_only(DP_VA + (DP_VA >> 36 & 0xff8));
		GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	}

	/* Xen's linear page tables: the root in itself. */
	l4 = dp_slot(root, dp_index(DP_VA, 4) + 1);
	GUEST_ASSERT_EQ(dp_set(l4, dp_maddr(root) | DP_P), -EBUSY);
	GUEST_ASSERT_EQ(dp_set(l4, dp_maddr(root) | DP_LEAF), -EBUSY);
	GUEST_ASSERT_EQ(dp_get(l4), 0);
	dp_unlink(DP_VA);
}

/* 248: memory of the hypervisor that the guest knows the number of. */
DP_TEST(xsa_248)
{
	u64 maddr = dp_link(DP_VA), entry, mfn;
	int level;

	entry = dp_ptr(dp_root())[KVM_DP_M2P_SLOT];
	GUEST_ASSERT(entry & DP_P);
	mfn = PTE_GET_PFN(entry);
	GUEST_ASSERT_EQ(dp_set(maddr, mfn << PAGE_SHIFT | DP_P), -EPERM);
	GUEST_ASSERT_EQ(dp_set(maddr, mfn << PAGE_SHIFT | DP_LEAF), -EPERM);
	GUEST_ASSERT_EQ(dp_set(mfn << PAGE_SHIFT, 0), -EINVAL);
	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(dp_pin_mfn(level, mfn), -EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, mfn, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, mfn, 0), -EINVAL);

	/* Nor as a table of level 3 of another slot. */
	GUEST_ASSERT_EQ(dp_set(dp_slot(dp_root(), 9), entry), -EPERM);
	dp_unlink(DP_VA);
}

/*
 * 286: a table is replaced and changed in one list, and the hypervisor changes
 * the one that was there before.
 */
DP_TEST(xsa_286)
{
	struct kvm_dp_multicall_entry list[2] = {};
	u64 old = dp_alloc(), new = dp_alloc(), data = dp_alloc(), l2;
	struct kvm_dp_mmu_update req;

	dp_link(DP_VA);
	l2 = dp_walk(dp_root(), DP_VA, 2) + sizeof(u64);
	dp_seal(old);
	dp_seal(new);
	GUEST_ASSERT_EQ(dp_set(l2, dp_maddr(old) | DP_LEAF), 0);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA + SIZE_2M, dp_maddr(data) | DP_LEAF,
				     0), 0);
	dp_assert_writable(DP_VA + SIZE_2M);

	req.ptr = l2;
	req.val = dp_maddr(new) | DP_LEAF;
	list[0].op = KVM_DP_HC_MMU_UPDATE;
	list[0].args[0] = (u64)&req;
	list[0].args[1] = 1;
	list[0].args[3] = KVM_DP_DOMID_SELF;
	list[1].op = KVM_DP_HC_UPDATE_VA_MAPPING;
	list[1].args[0] = DP_VA + SIZE_2M + PAGE_SIZE;
	list[1].args[1] = dp_maddr(data) | DP_LEAF;
	GUEST_ASSERT_EQ(dp_multicall(list, 2), 0);
	GUEST_ASSERT_EQ(list[0].result, 0);
	GUEST_ASSERT_EQ(list[1].result, 0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(old)[1]), 0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(new)[1]), dp_maddr(data) | DP_LEAF);

	/* The old one is data, whatever this CPU still knows of it. */
	GUEST_ASSERT_EQ(dp_update_va((u64)dp_ptr(old), dp_maddr(old) | DP_LEAF,
				     KVM_DP_UVMF_INVLPG), 0);
	WRITE_ONCE(dp_ptr(old)[2], DP_FOREIGN_MFN << PAGE_SHIFT | DP_LEAF);
	dp_assert_unmapped(DP_VA + SIZE_2M + 2 * PAGE_SIZE);
	WRITE_ONCE(dp_ptr(old)[2], 0);
	dp_free(old);
	GUEST_ASSERT_EQ(dp_set(l2, 0), 0);
	dp_unseal(new);
	dp_free(new);
	dp_unlink(DP_VA);
	dp_free(data);
}

/* 292, 294: a load of CR3 that leaves translations behind. */
DP_TEST(xsa_292)
{
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA), cr3 = get_cr3();

	GUEST_ASSERT_EQ(dp_mov_cr3(cr3 | BIT_ULL(63)), GP_VECTOR);
	GUEST_ASSERT_EQ(dp_mov_cr4(get_cr4() | X86_CR4_PCIDE), GP_VECTOR);
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(gfn) | DP_LEAF), 0);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	GUEST_ASSERT_EQ(dp_mov_cr3(cr3), 0);
	dp_assert_unmapped(DP_VA);
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(gfn) | DP_LEAF), 0);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	GUEST_ASSERT_EQ(dp_baseptr(dp_root()), 0);
	dp_assert_unmapped(DP_VA);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* 111, 296: continuations that nobody began. */
DP_TEST(xsa_296)
{
	const s32 results[] = { 0, -EINVAL, -EBUSY, 12345, -1 };
	const u32 begun = KVM_DP_PREEMPTED | KVM_DP_BEGUN;
	struct kvm_dp_mmu_update req = {};
	struct kvm_dp_mmuext_op op;
	struct dp_tree tree;
	unsigned int i;
	u32 done = 5;
	long r;

	for (i = 0; i < ARRAY_SIZE(results); i++) {
		r = dp_hypercall(KVM_DP_HC_MMU_UPDATE, 0, KVM_DP_PREEMPTED, 0,
				 results[i], 0);
		GUEST_ASSERT_EQ(r, results[i]);
		r = dp_hypercall(KVM_DP_HC_MMUEXT_OP, 0, KVM_DP_PREEMPTED, 0,
				 results[i], 0);
		GUEST_ASSERT_EQ(r, results[i]);
	}
	r = dp_hypercall(KVM_DP_HC_MMUEXT_OP, 0, KVM_DP_PREEMPTED, 0, -EAGAIN,
			 0);
	GUEST_ASSERT_EQ(r, 0);
	GUEST_ASSERT_EQ(dp_mmu_update(NULL, KVM_DP_PREEMPTED | 1, NULL),
			-EFAULT);
	GUEST_ASSERT_EQ(dp_mmu_update(&req, KVM_DP_PREEMPTED, (u32 *)8),
			-EFAULT);
	/* What is done before counts, and only what is done. */
	GUEST_ASSERT_EQ(dp_mmu_update(&req, KVM_DP_PREEMPTED | 1, &done),
			-EINVAL);
	GUEST_ASSERT_EQ(done, 5);

	/* To claim a pin of what is pinned takes no second reference. */
	dp_tree_up(&tree, DP_VA);
	op.cmd = KVM_DP_MMUEXT_PIN_L4_TABLE;
	op.arg1 = dp_p2m[tree.gfn[4]];
	for (i = 0; i < 3; i++)
		GUEST_ASSERT_EQ(dp_mmuext(&op, begun | 1, NULL), 0);
	GUEST_ASSERT_EQ(dp_mmuext(&op, KVM_DP_PREEMPTED | 1, NULL), -EINVAL);
	op.cmd = KVM_DP_MMUEXT_PIN_L3_TABLE;
	GUEST_ASSERT_EQ(dp_mmuext(&op, begun | 1, NULL), -EINVAL);
	op.cmd = KVM_DP_MMUEXT_UNPIN_TABLE;
	GUEST_ASSERT_EQ(dp_mmuext(&op, KVM_DP_PREEMPTED | 1, NULL), 0);
	GUEST_ASSERT_EQ(dp_mmuext(&op, KVM_DP_PREEMPTED | 1, NULL), -EINVAL);
	dp_tree_unseal(&tree);
	dp_tree_free(&tree);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
