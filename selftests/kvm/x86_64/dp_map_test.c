// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: mapping and unmapping pages, one entry at a time and in
 * lists, and which entries are refused.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0x1122334455667788ULL
#define UNTOUCHED	77
#define OTHER_VA	(DP_VA + BIT_ULL(39))

/* Frame 1 of the machine: the host's, and never zero. */
#define LOW_ADDRESS	BIT_ULL(PAGE_SHIFT)

DP_TEST(map_remap_unmap)
{
	u64 a = dp_alloc(), b = dp_alloc();

	dp_link(DP_VA);
	dp_assert_unmapped(DP_VA);

	*dp_ptr(a) = MARK;
	*dp_ptr(b) = ~MARK;
	dp_map(DP_VA, a, DP_LEAF);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), MARK);
	dp_map(DP_VA, b, DP_LEAF);
	GUEST_ASSERT_EQ(READ_ONCE(*(u64 *)DP_VA), ~MARK);
	dp_assert_writable(DP_VA);

	dp_unmap(DP_VA);
	dp_assert_unmapped(DP_VA);
	dp_unlink(DP_VA);
	dp_free(a);
	dp_free(b);
}

/* What the guest takes away is a fault of its own, with its error code. */
DP_TEST(protect)
{
	u64 gfn = dp_alloc(), error;

	dp_link(DP_VA);
	dp_map(DP_VA, gfn, DP_LEAF);
	dp_assert_writable(DP_VA);
	dp_map(DP_VA, gfn, DP_P);
	dp_assert_read_only(DP_VA);
	dp_assert_read_only(DP_VA + PAGE_SIZE - sizeof(u64));
	dp_map(DP_VA, gfn, DP_LEAF | DP_NX);
	dp_assert_writable(DP_VA);

	dp_unmap(DP_VA);
	GUEST_ASSERT_EQ(dp_store_ec(DP_VA, 0, &error), PF_VECTOR);
	GUEST_ASSERT_EQ(error, PFERR_WRITE_MASK);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* All tables that translate an address, wherever they are mapped. */
DP_TEST(own_tables)
{
	const u64 vas[] = { (u64)&dp_boot, DP_LINEAR, DP_VA };
	u64 maddr, va;
	int i, level;

	dp_link(DP_VA);
	for (i = 0; i < ARRAY_SIZE(vas); i++) {
		for (level = 1; level <= 4; level++) {
			maddr = dp_walk(dp_root(), vas[i], level);
			va = (u64)dp_entry_ptr(maddr);
			dp_assert_read_only(va);

			/* Nor elsewhere, but to read it is fine. */
			GUEST_ASSERT_EQ(dp_update_va(DP_VA, PTE_GET_PA(maddr) |
						     DP_LEAF, 0), -EBUSY);
			dp_map(DP_VA, dp_gfn(maddr >> PAGE_SHIFT), DP_P);
			dp_assert_read_only(DP_VA + (va & (PAGE_SIZE - 1)));
			dp_unmap(DP_VA);
		}
	}
	dp_unlink(DP_VA);
}

/* An entry for the frame at hand, and what becomes of it. */
struct entry_case {
	const char *name;
	u64 flags;
	int error;
};

static const struct entry_case entry_cases[] = {
	{ "P", DP_P, 0 },
	{ "RW", DP_LEAF, 0 },
	{ "US", DP_LEAF | DP_US, 0 },
	{ "A", DP_LEAF | DP_A, 0 },
	{ "A D", DP_LEAF | DP_A | DP_D, 0 },
	{ "D of a read-only page", DP_P | DP_D, 0 },
	{ "G", DP_LEAF | DP_G, 0 },
	{ "NX", DP_LEAF | DP_NX, 0 },
	{ "bits 9 to 11", DP_LEAF | 7ULL << 9, 0 },
	{ "bits 52 to 58", DP_LEAF | 0x7fULL << 52, 0 },
	{ "PWT", DP_LEAF | DP_PWT, EINVAL },
	{ "PCD", DP_LEAF | DP_PCD, EINVAL },
	{ "PAT", DP_LEAF | BIT_ULL(7), EINVAL },
	{ "PWT read-only", DP_P | DP_PWT, EINVAL },
	{ "bit 59", DP_LEAF | BIT_ULL(59), EINVAL },
	{ "bit 62", DP_LEAF | BIT_ULL(62), EINVAL },
	{ "bit 51", DP_LEAF | BIT_ULL(51), EPERM },
};

static void check_entry(const struct entry_case *c, u64 gfn, bool by_va)
{
	u64 maddr = dp_walk(dp_root(), DP_VA, 1);
	u64 entry = dp_maddr(gfn) | c->flags;
	u64 old = dp_get(maddr);
	long r;

	if (by_va)
		r = dp_update_va(DP_VA, entry, KVM_DP_UVMF_INVLPG);
	else
		r = dp_set(maddr, entry);
	__GUEST_ASSERT(r == -c->error, "%s: %ld, not %d", c->name, r,
		       -c->error);
	GUEST_ASSERT_EQ(dp_get(maddr), r ? old : entry);
}

DP_TEST(entries)
{
	u64 gfn = dp_alloc();
	int i;

	dp_link(DP_VA);
	for (i = 0; i < ARRAY_SIZE(entry_cases); i++) {
		check_entry(&entry_cases[i], gfn, false);
		dp_unmap(DP_VA);
		check_entry(&entry_cases[i], gfn, true);
		/* The next one replaces it, or leaves it alone. */
	}
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* What the CPU ignores, it may still read through (L1TF). */
static void check_absent(u64 maddr, int level)
{
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	GUEST_ASSERT_EQ(dp_set(maddr, DP_RW | DP_US | DP_A | DP_D), 0);
	GUEST_ASSERT_EQ(dp_set(maddr, DP_NX), 0);
	GUEST_ASSERT_EQ(dp_set(maddr, LOW_ADDRESS),
			dp_boot.l1tf ? -EINVAL : 0);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	GUEST_ASSERT_EQ(dp_set(maddr, LOW_ADDRESS | BIT_ULL(51) | DP_NX),
			dp_boot.l1tf ? -EINVAL : 0);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	if (level > 1)
		GUEST_ASSERT_EQ(dp_set(maddr, DP_PS),
				dp_boot.l1tf ? -EINVAL : 0);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
}

DP_TEST(absent_entries)
{
	int level;

	dp_link(DP_VA);
	for (level = 1; level <= 4; level++)
		check_absent(dp_walk(dp_root(), DP_VA, level) + sizeof(u64),
			     level);
	dp_unlink(DP_VA);
}

/* Entries of higher tables take no frame but one of the level below. */
DP_TEST(upper_entries)
{
	u64 root = dp_root(), data = dp_alloc(), maddr, entry;
	int level;

	dp_link(DP_VA);
	for (level = 2; level <= 4; level++) {
		maddr = dp_walk(root, DP_VA, level);
		entry = dp_get(maddr);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_PWT), -EINVAL);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_PCD), -EINVAL);
		GUEST_ASSERT_EQ(dp_set(maddr, entry | BIT_ULL(60)), -EINVAL);

		/* Itself, data that is mapped writable, no frame of its own. */
		GUEST_ASSERT_EQ(dp_set(maddr, PTE_GET_PA(maddr) | DP_LEAF),
				-EBUSY);
		GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(data) | DP_LEAF),
				-EBUSY);
		GUEST_ASSERT_EQ(dp_set(maddr, DP_FOREIGN_MFN << PAGE_SHIFT |
				       DP_LEAF), -EPERM);
		GUEST_ASSERT_EQ(dp_get(maddr) & ~DP_A, entry & ~DP_A);

		/* What the CPU takes no notice of. */
		GUEST_ASSERT_EQ(dp_set(maddr, entry | 7ULL << 9 | DP_A), 0);
		GUEST_ASSERT_EQ(dp_set(maddr, entry), 0);
	}
	maddr = dp_walk(root, DP_VA, 4);
	entry = dp_get(maddr);
	GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_PS), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(maddr, entry | DP_G), -EINVAL);
	dp_unlink(DP_VA);
	dp_free(data);
}

/* A reserved part of each level-4 table. */
DP_TEST(host_slots)
{
	u64 root = dp_root(), old, error;
	unsigned int i, slot;

	for (i = 0; i < KVM_DP_HOST_SLOTS; i++) {
		slot = KVM_DP_M2P_SLOT + i;
		old = dp_ptr(root)[slot];
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, slot), 0), -EPERM);
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, slot),
				       dp_ptr(root)[0]), -EPERM);
		GUEST_ASSERT_EQ(dp_set(dp_slot(root, slot) |
				       KVM_DP_PT_UPDATE_PRESERVE_AD, old),
				-EPERM);
		GUEST_ASSERT_EQ(dp_ptr(root)[slot] & ~DP_A, old & ~DP_A);
	}

	GUEST_ASSERT_EQ(dp_update_va(KVM_DP_M2P_BASE, 0, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_store_ec(KVM_DP_M2P_BASE + dp_p2m[0] * sizeof(u64),
				    0, &error), PF_VECTOR);
}

DP_TEST(mmu_update_arguments)
{
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA), entry;
	struct kvm_dp_mmu_update req[3] = {};
	u32 done = UNTOUCHED;
	long r;

	entry = dp_maddr(gfn) | DP_LEAF;
	GUEST_ASSERT_EQ(dp_mmu_update(req, 0, &done), 0);
	GUEST_ASSERT_EQ(done, 0);
	GUEST_ASSERT_EQ(dp_mmu_update(NULL, 0, NULL), 0);

	/* No command, as the lowest three bits are one; nobody's frame. */
	GUEST_ASSERT_EQ(dp_set(maddr + 4, entry), -ENOSYS);
	GUEST_ASSERT_EQ(dp_set(maddr | 3, entry), -ENOSYS);
	GUEST_ASSERT_EQ(dp_set(DP_FOREIGN_MFN << PAGE_SHIFT, entry), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(~7ULL, entry), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(maddr, DP_FOREIGN_MFN << PAGE_SHIFT | DP_LEAF),
			-EPERM);
	GUEST_ASSERT_EQ(dp_get(maddr), 0);

	/* Up to the first error. */
	req[0] = (struct kvm_dp_mmu_update){ maddr, entry };
	req[1] = (struct kvm_dp_mmu_update){ maddr + 8, entry | DP_PCD };
	req[2] = (struct kvm_dp_mmu_update){ maddr + 16, entry };
	done = UNTOUCHED;
	GUEST_ASSERT_EQ(dp_mmu_update(req, 3, &done), -EINVAL);
	GUEST_ASSERT_EQ(done, 1);
	GUEST_ASSERT_EQ(dp_get(maddr), entry);
	GUEST_ASSERT_EQ(dp_get(maddr + 8), 0);
	GUEST_ASSERT_EQ(dp_get(maddr + 16), 0);
	req[1].val = 0;
	GUEST_ASSERT_EQ(dp_mmu_update(req, 3, &done), 0);
	GUEST_ASSERT_EQ(done, 3);

	/* Whose memory it is. */
	r = dp_hypercall(KVM_DP_HC_MMU_UPDATE, (u64)req, 1, 0, 0, 0);
	GUEST_ASSERT_EQ(r, -ESRCH);
	r = dp_hypercall(KVM_DP_HC_MMU_UPDATE, (u64)req, 1, 0,
			 KVM_DP_DOMID_SELF + 2, 0);
	GUEST_ASSERT_EQ(r, -EPERM);

	/* Lists that are not there; nothing is done then. */
	GUEST_ASSERT_EQ(dp_mmu_update(NULL, 1, NULL), -EFAULT);
	GUEST_ASSERT_EQ(dp_mmu_update((void *)(1ULL << 47), 1, NULL), -EFAULT);
	GUEST_ASSERT_EQ(dp_mmu_update((void *)-8ULL, 1, NULL), -EFAULT);
	req[0].val = 0;
	GUEST_ASSERT_EQ(dp_mmu_update(req, 1, (u32 *)8), -EFAULT);
	GUEST_ASSERT_EQ(dp_get(maddr) & ~(DP_A | DP_D), entry);

	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* Of a frame that is no table: nothing but memory that the host writes. */
DP_TEST(checked_store)
{
	u64 gfn = dp_alloc(), *p = dp_ptr(gfn);

	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 0), MARK), 0);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 511), ~0ULL), 0);
	/* What looks like an entry is none here, and no reference. */
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 2), dp_maddr(gfn) | DP_LEAF), 0);
	GUEST_ASSERT_EQ(READ_ONCE(p[0]), MARK);
	GUEST_ASSERT_EQ(READ_ONCE(p[511]), ~0ULL);
	GUEST_ASSERT_EQ(READ_ONCE(p[1]), 0);

	/* Also where nobody else can write it, as long as it is no table. */
	dp_seal(gfn);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 1), MARK), 0);
	GUEST_ASSERT_EQ(READ_ONCE(p[1]), MARK);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 1) + 1, MARK), 0);
	GUEST_ASSERT_EQ(READ_ONCE(p[1]), MARK);
	GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), MARK);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 1) + 1, gfn), 0);

	dp_unseal(gfn);
	dp_free(gfn);
}

DP_TEST(machphys)
{
	u64 gfn = dp_alloc(), maddr = dp_maddr(gfn);

	GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), gfn);
	GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_MACHPHYS_UPDATE, MARK), 0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), MARK);
	GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_MACHPHYS_UPDATE, gfn), 0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_m2p[dp_p2m[gfn]]), gfn);

	GUEST_ASSERT_EQ(dp_set(DP_FOREIGN_MFN << PAGE_SHIFT |
			       KVM_DP_MACHPHYS_UPDATE, 0), -EINVAL);
	dp_free(gfn);
}

/*
 * The host remembers its way to what calls pass, and must not go it when a link
 * changes: the list is in another page, behind the same address.
 */
DP_TEST(relinked_arguments)
{
	u64 l1 = dp_link(DP_VA), l2 = dp_walk(dp_root(), DP_VA, 2);
	u64 out = dp_link(OTHER_VA), flags, page[2], table[2], i;
	struct kvm_dp_mmu_update *req;

	table[0] = dp_gfn(l1 >> PAGE_SHIFT);
	table[1] = dp_alloc();
	for (i = 0; i < 2; i++) {
		page[i] = dp_alloc();
		req = (void *)dp_ptr(page[i]);
		req->ptr = out;
		req->val = dp_maddr(page[i]) | DP_P;
	}
	dp_map(DP_VA, page[0], DP_P);
	dp_ptr(table[1])[dp_index(DP_VA, 1)] = dp_maddr(page[1]) | DP_P;
	dp_seal(table[1]);
	GUEST_ASSERT_EQ(dp_pin(1, table[0]), 0);

	/* One of the tables is data whenever it is not linked. */
	flags = dp_get(l2) & (PAGE_SIZE - 1);
	for (i = 0; i < 5; i++) {
		GUEST_ASSERT_EQ(dp_set(l2, dp_maddr(table[i & 1]) | flags), 0);
		dp_invlpg(DP_VA);
		GUEST_ASSERT_EQ(dp_mmu_update((void *)DP_VA, 1, NULL), 0);
		GUEST_ASSERT_EQ(dp_get(out), dp_maddr(page[i & 1]) | DP_P);
	}

	GUEST_ASSERT_EQ(dp_unpin(table[0]), 0);
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
	dp_unmap(OTHER_VA);
	dp_unlink(OTHER_VA);
	dp_unseal(table[1]);
	dp_free(table[1]);
	dp_free(page[0]);
	dp_free(page[1]);
}

DP_TEST(update_va_arguments)
{
	u64 gfn = dp_alloc(), entry = dp_maddr(gfn) | DP_LEAF;
	u64 bitmap = 1;

	/* There is no level-1 table, or none of the guest's. */
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_update_va(1ULL << 47, entry, 0), -EINVAL);
	GUEST_ASSERT_EQ(dp_update_va(1ULL << 63, entry, KVM_DP_UVMF_INVLPG),
			-EINVAL);

	dp_link(DP_VA);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, DP_FOREIGN_MFN << PAGE_SHIFT |
				     DP_P, 0), -EPERM);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry | DP_PWT, 0), -EINVAL);

	/* Any part of the page says which one; each kind of flush. */
	GUEST_ASSERT_EQ(dp_update_va(DP_VA + 0x123, entry,
				     KVM_DP_UVMF_TLB_FLUSH), 0);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry & ~DP_RW, KVM_DP_UVMF_INVLPG |
				     (u64)&bitmap), 0);
	dp_assert_read_only(DP_VA);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, entry, KVM_DP_UVMF_TLB_FLUSH |
				     KVM_DP_UVMF_ALL), 0);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_update_va(DP_VA, 0, KVM_DP_UVMF_INVLPG | 0x1000),
			-EFAULT);
	dp_assert_writable(DP_VA);

	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* The hardware's word for it counts, not the guest's. */
DP_TEST(preserve_ad)
{
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA), entry;

	entry = dp_maddr(gfn) | DP_LEAF;
	dp_map(DP_VA, gfn, DP_LEAF);
	GUEST_ASSERT_EQ(dp_get(maddr), entry);
	GUEST_ASSERT_EQ(dp_load(DP_VA), 0);
	GUEST_ASSERT_EQ(dp_get(maddr), entry | DP_A);
	GUEST_ASSERT_EQ(dp_store(DP_VA, 1), 0);
	GUEST_ASSERT_EQ(dp_get(maddr), entry | DP_A | DP_D);

	GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_PT_UPDATE_PRESERVE_AD,
			       entry & ~DP_RW), 0);
	GUEST_ASSERT_EQ(dp_get(maddr), (entry & ~DP_RW) | DP_A | DP_D);
	GUEST_ASSERT_EQ(dp_set(maddr, entry), 0);
	GUEST_ASSERT_EQ(dp_get(maddr), entry);

	/* To take a page away and learn whether it is dirty, in one step. */
	dp_invlpg(DP_VA);
	GUEST_ASSERT_EQ(dp_store(DP_VA, 1), 0);
	GUEST_ASSERT_EQ(dp_set(maddr | KVM_DP_PT_UPDATE_PRESERVE_AD, 0), 0);
	GUEST_ASSERT_EQ(dp_get(maddr), DP_A | DP_D);
	dp_invlpg(DP_VA);
	dp_assert_unmapped(DP_VA);

	/* The writable reference went with it. */
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	dp_seal(gfn);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 0), 0), 0);
	GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
	dp_unseal(gfn);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* Results are of entries, and no entry ends the list. */
DP_TEST(multicall)
{
	struct kvm_dp_multicall_entry list[5] = {};
	struct kvm_dp_mmuext_op flush = { .cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL };
	u64 gfn = dp_alloc(), maddr = dp_link(DP_VA);
	struct kvm_dp_mmu_update req = { .ptr = maddr | 3 };

	list[0].op = KVM_DP_HC_UPDATE_VA_MAPPING;
	list[0].args[0] = DP_VA;
	list[0].args[1] = dp_maddr(gfn) | DP_LEAF;
	list[1].op = KVM_DP_HC_MMU_UPDATE;
	list[1].args[0] = (u64)&req;
	list[1].args[1] = 1;
	list[1].args[3] = KVM_DP_DOMID_SELF;
	list[2].op = 12345;
	list[3].op = KVM_DP_HC_MULTICALL;
	list[3].args[0] = (u64)list;
	list[3].args[1] = 1;
	list[4].op = KVM_DP_HC_MMUEXT_OP;
	list[4].args[0] = (u64)&flush;
	list[4].args[1] = 1;
	list[4].args[3] = KVM_DP_DOMID_SELF;

	GUEST_ASSERT_EQ(dp_multicall(list, 5), 0);
	GUEST_ASSERT_EQ(list[0].result, 0);
	GUEST_ASSERT_EQ((long)list[1].result, -ENOSYS);
	GUEST_ASSERT_EQ((long)list[2].result, -ENOSYS);
	GUEST_ASSERT_EQ((long)list[3].result, -ENOSYS);
	GUEST_ASSERT_EQ(list[4].result, 0);
	dp_assert_writable(DP_VA);

	GUEST_ASSERT_EQ(dp_multicall(list, 0), 0);
	GUEST_ASSERT_EQ(dp_multicall(NULL, 1), -EFAULT);
	GUEST_ASSERT_EQ(dp_multicall((void *)(1ULL << 47), 1), -EFAULT);
	dp_unmap(DP_VA);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

DP_TEST(page_operations)
{
	u64 a = dp_alloc(), b = dp_alloc(), root = dp_root();

	dp_ptr(a)[511] = MARK;
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_COPY_PAGE, dp_p2m[b], dp_p2m[a]),
			0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(b)[511]), MARK);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, dp_p2m[b], 0), 0);
	GUEST_ASSERT_EQ(READ_ONCE(dp_ptr(b)[511]), 0);

	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, dp_p2m[root], 0),
			-EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_COPY_PAGE, dp_p2m[root],
			       dp_p2m[a]), -EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_CLEAR_PAGE, DP_FOREIGN_MFN, 0),
			-EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_COPY_PAGE, dp_p2m[b],
			       DP_FOREIGN_MFN), -EINVAL);
	dp_free(a);
	dp_free(b);
}

DP_TEST(flushes)
{
	u64 bitmap = 1;
	u32 cmd;

	for (cmd = KVM_DP_MMUEXT_TLB_FLUSH_LOCAL;
	     cmd <= KVM_DP_MMUEXT_INVLPG_ALL; cmd++) {
		GUEST_ASSERT_EQ(dp_ext(cmd, DP_VA, (u64)&bitmap), 0);
		/* An address that is none is flushed without more ado. */
		GUEST_ASSERT_EQ(dp_ext(cmd, 1ULL << 47, (u64)&bitmap), 0);
	}
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_TLB_FLUSH_MULTI, 0, 8), -EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_INVLPG_MULTI, DP_VA, 8), -EINVAL);
	GUEST_ASSERT_EQ(dp_ext(0x1234, 0, 0), -ENOSYS);
	GUEST_ASSERT_EQ(dp_ext(~0U, 0, 0), -ENOSYS);
}

/* A flush on one vCPU that another one asked for. */
static u64 stage;

static void wait_for(u64 s)
{
	while (READ_ONCE(stage) != s)
		cpu_relax();
}

DP_SMP_TEST(remote_flush, 2)
{
	static u64 gfn;

	if (!cpu) {
		gfn = dp_alloc();
		dp_link(DP_VA);
		dp_map(DP_VA, gfn, DP_LEAF);
		WRITE_ONCE(stage, 1);
		wait_for(2);
		dp_map(DP_VA, gfn, DP_P);
		WRITE_ONCE(stage, 3);
		wait_for(4);
		dp_unmap(DP_VA);
		WRITE_ONCE(stage, 5);
		wait_for(6);
		dp_unlink(DP_VA);
		dp_free(gfn);
		return;
	}

	wait_for(1);
	dp_assert_writable(DP_VA);
	WRITE_ONCE(stage, 2);
	wait_for(3);
	dp_assert_read_only(DP_VA);
	WRITE_ONCE(stage, 4);
	wait_for(5);
	dp_assert_unmapped(DP_VA);
	WRITE_ONCE(stage, 6);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
