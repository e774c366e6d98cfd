// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: large leaves, of the last block of the pool: frames are
 * allocated from its other end.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define MARK		0x1122334455667788ULL

#define BLOCK_PAGES	512ULL
#define BLOCK_GFN	(DP_MAX_GFN - BLOCK_PAGES)
#define LARGE_SIZE	(BLOCK_PAGES * PAGE_SIZE)
#define GIB		BIT_ULL(30)

/* Beside what dp_link() made for it, in the same tables. */
#define LARGE_VA	(DP_VA + LARGE_SIZE)
#define HUGE_VA		(DP_VA + GIB)

#define LARGE		(DP_P | DP_PS | DP_NX)

static bool needs_nx;

static bool has_block(struct dp_vm *dp)
{
	u64 i, mfn = dp_host_mfn(dp, BLOCK_GFN);

	for (i = 1; i < BLOCK_PAGES; i++) {
		if (dp_host_mfn(dp, BLOCK_GFN + i) != mfn + i)
			return false;
	}
	return !(mfn % BLOCK_PAGES);
}

/* False if the host's memory is too fragmented to say anything. */
static bool large_test(dp_guest_fn guest)
{
	struct dp_vm dp;
	bool ok;

	dp_vm_create(&dp, guest, 1);
	ok = has_block(&dp);
	if (ok) {
		dp_write_global(&dp, needs_nx,
				dp_host_has_bug("itlb_multihit"));
		dp_vm_start(&dp);
		dp_run_all(&dp);
		dp_audit(&dp);
	}
	dp_vm_free(&dp);
	return ok;
}

#define LARGE_TEST(name)						\
static void guest_##name(int cpu);					\
TEST(name)								\
{									\
	if (!large_test(guest_##name))					\
		SKIP(return, "No 2 MiB of contiguous memory");		\
}									\
static void guest_##name(int cpu)

static u64 block_maddr(void)
{
	return dp_maddr(BLOCK_GFN);
}

static u64 large_slot(void)
{
	return dp_walk(dp_root(), LARGE_VA, 2);
}

static void set_large(u64 flags)
{
	GUEST_ASSERT_EQ(dp_set(large_slot(), block_maddr() | LARGE | flags), 0);
	dp_invlpg(LARGE_VA);
}

static void clear_large(void)
{
	GUEST_ASSERT_EQ(dp_set(large_slot(), 0), 0);
	dp_invlpg(LARGE_VA);
}

LARGE_TEST(large)
{
	u64 first = LARGE_VA, last = LARGE_VA + LARGE_SIZE - PAGE_SIZE;

	dp_link(DP_VA);
	set_large(DP_RW);
	dp_assert_writable(first);
	dp_assert_writable(last);
	WRITE_ONCE(*(u64 *)last, MARK);
	GUEST_ASSERT_EQ(*dp_ptr(DP_MAX_GFN - 1), MARK);

	/* Beside writable leaves of 4 KiB: all of that is data. */
	dp_assert_writable((u64)dp_ptr(BLOCK_GFN));
	set_large(0);
	dp_assert_read_only(first);
	dp_assert_read_only(last);
	set_large(DP_RW | DP_US | DP_A | DP_D | DP_G);
	dp_assert_writable(last);

	clear_large();
	dp_assert_unmapped(first);
	dp_assert_unmapped(last);
	dp_unlink(DP_VA);
}

/* The NX rule: a host that is affected refuses what could be executed. */
LARGE_TEST(large_nx)
{
	u64 entry = block_maddr() | DP_P | DP_PS;
	long want = READ_ONCE(needs_nx) ? -EINVAL : 0;

	dp_link(DP_VA);
	GUEST_ASSERT_EQ(dp_set(large_slot(), entry), want);
	GUEST_ASSERT_EQ(dp_set(large_slot(), entry | DP_RW), want);
	GUEST_ASSERT_EQ(dp_set(large_slot(), entry | DP_NX), 0);
	GUEST_ASSERT_EQ(dp_set(large_slot(), entry), want);
	clear_large();
	dp_unlink(DP_VA);
}

LARGE_TEST(large_refused)
{
	const u64 bad[] = {
		BIT_ULL(12),			/* PAT, or the next frame */
		BIT_ULL(13), BIT_ULL(20),	/* in the middle of the block */
		DP_PWT, DP_PCD, BIT_ULL(59), BIT_ULL(62),
	};
	u64 l2, l3, l4, entry = block_maddr() | LARGE;
	u64 gib = block_maddr() & ~(GIB - 1);
	int i;

	dp_link(DP_VA);
	l2 = large_slot();
	l3 = dp_walk(dp_root(), HUGE_VA, 3);
	l4 = dp_slot(dp_root(), dp_index(DP_VA, 4) + 1);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		GUEST_ASSERT_EQ(dp_set(l2, entry | bad[i]), -EINVAL);
		GUEST_ASSERT_EQ(dp_set(l2, entry | bad[i] | DP_RW), -EINVAL);
		GUEST_ASSERT_EQ(dp_get(l2), 0);
	}

	/* Frames of others, and of nobody. */
	entry = (DP_FOREIGN_MFN & ~(BLOCK_PAGES - 1)) << PAGE_SHIFT;
	GUEST_ASSERT_EQ(dp_set(l2, entry | LARGE), -EPERM);
	GUEST_ASSERT_EQ(dp_set(l3, (entry & ~(GIB - 1)) | LARGE), -EPERM);

	/* The VM has no contiguous GiB. */
	if (gib != block_maddr())
		GUEST_ASSERT_EQ(dp_set(l3, block_maddr() | LARGE), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l3, gib | LARGE),
			dp_is_own(gib >> PAGE_SHIFT) ? -EINVAL : -EPERM);
	GUEST_ASSERT_EQ(dp_set(l3, gib | BIT_ULL(12) | LARGE), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l4, gib | LARGE), -EINVAL);
	GUEST_ASSERT_EQ(dp_set(l4, block_maddr() | LARGE), -EINVAL);
	dp_unlink(DP_VA);
}

/*
 * One of 1 GiB, for each frame that it could begin with or be around: no VM
 * here has that much in one piece.
 */
DP_TEST(huge_refused)
{
	u64 table = dp_alloc(), l3, maddr, entry;
	const u64 rights[] = { 0, DP_RW, DP_RW | DP_US | DP_A | DP_D };
	int i, j;
	long want;

	dp_link(DP_VA);
	l3 = dp_walk(dp_root(), HUGE_VA, 3);
	for (i = 0; i < 512; i++) {
		/* Own frames, each with and without what is below 1 GiB. */
		maddr = dp_maddr(DP_MAX_GFN - 1 - 8 * i);
		entry = (maddr & ~(GIB - 1)) | LARGE | rights[i % 3];
		want = dp_is_own(PTE_GET_PFN(entry)) ? -EINVAL : -EPERM;
		GUEST_ASSERT_EQ(dp_set(l3, entry), want);
		GUEST_ASSERT_EQ(dp_get(l3), 0);
		if (maddr & (GIB - 1))
			GUEST_ASSERT_EQ(dp_set(l3, maddr | LARGE |
					       rights[i % 3]), -EINVAL);
		GUEST_ASSERT_EQ(dp_get(l3), 0);
		if (i % 64)
			continue;

		for (j = 0; j < 2; j++) {
			dp_ptr(table)[i] = j ? entry : maddr | LARGE;
			if (!j && !(maddr & (GIB - 1)))
				continue;
			dp_seal(table);
			GUEST_ASSERT_EQ(dp_pin(3, table), j ? want : -EINVAL);
			dp_unseal(table);
			dp_ptr(table)[i] = 0;
		}
	}
	dp_assert_unmapped(HUGE_VA);
	dp_free(table);
	dp_unlink(DP_VA);
}

static void expect_no_table(u64 gfn)
{
	int level;

	for (level = 1; level <= 4; level++)
		GUEST_ASSERT_EQ(dp_pin(level, gfn), -EBUSY);
	GUEST_ASSERT_EQ(dp_set(large_slot() + sizeof(u64),
			       dp_maddr(gfn) | DP_LEAF), -EBUSY);
}

/* A frame is in a writable leaf, of whatever size, or it is a table. */
LARGE_TEST(large_or_table)
{
	const u64 gfns[] = { BLOCK_GFN, BLOCK_GFN + 5, DP_MAX_GFN - 1 };
	u64 gfn, va;
	int i;

	dp_link(DP_VA);
	for (i = 0; i < ARRAY_SIZE(gfns); i++) {
		gfn = gfns[i];
		va = LARGE_VA + ((gfn - BLOCK_GFN) << PAGE_SHIFT);
		memset(dp_ptr(gfn), 0, PAGE_SIZE);
		dp_seal(gfn);

		/* Written to, so that TLBs know; not flushed by the guest. */
		set_large(DP_RW);
		dp_assert_writable(va);
		expect_no_table(gfn);
		GUEST_ASSERT_EQ(dp_set(large_slot(), 0), 0);
		GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
		dp_assert_unmapped(va);

		GUEST_ASSERT_EQ(dp_set(large_slot(), block_maddr() | LARGE |
				       DP_RW), -EBUSY);
		set_large(0);
		dp_assert_read_only(va);
		GUEST_ASSERT_EQ(dp_set(large_slot(), block_maddr() | LARGE |
				       DP_RW), -EBUSY);

		/* A read-only leaf does not keep a frame from being a table. */
		GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
		GUEST_ASSERT_EQ(dp_pin(1, gfn), 0);
		GUEST_ASSERT_EQ(dp_unpin(gfn), 0);
		clear_large();
		dp_unseal(gfn);
		dp_assert_writable((u64)dp_ptr(gfn));
	}
	dp_unlink(DP_VA);
}

/* As part of a tree that is pinned, which maps one of its own tables. */
LARGE_TEST(large_in_tree)
{
	u64 table = BLOCK_GFN + 7, other = dp_alloc();

	memset(dp_ptr(table), 0, PAGE_SIZE);
	dp_ptr(table)[3] = block_maddr() | LARGE | DP_RW;
	dp_ptr(other)[3] = block_maddr() | LARGE | DP_RW;
	dp_seal(table);
	dp_seal(other);
	GUEST_ASSERT_EQ(dp_pin(2, table), -EBUSY);
	GUEST_ASSERT_EQ(dp_pin(2, other), 0);
	GUEST_ASSERT_EQ(dp_pin(2, table), -EBUSY);
	GUEST_ASSERT_EQ(dp_unpin(other), 0);

	dp_unseal(table);
	dp_ptr(table)[3] &= ~DP_RW;
	dp_seal(table);
	GUEST_ASSERT_EQ(dp_pin(2, table), 0);
	GUEST_ASSERT_EQ(dp_pin(2, other), -EBUSY);
	GUEST_ASSERT_EQ(dp_unpin(table), 0);
	GUEST_ASSERT_EQ(dp_pin(2, other), 0);
	GUEST_ASSERT_EQ(dp_unpin(other), 0);

	dp_unseal(table);
	dp_unseal(other);
	dp_free(other);
}

/* All entries of a table for the same block, in one list, and out again. */
LARGE_TEST(large_many)
{
	struct kvm_dp_mmu_update *reqs;
	u64 gfn = dp_alloc(), table = dp_alloc();
	u32 done = 0;
	int i;

	GUEST_ASSERT_EQ(dp_alloc(), table + 1);
	reqs = (void *)dp_ptr(table);
	dp_seal(gfn);
	GUEST_ASSERT_EQ(dp_pin(2, gfn), 0);
	for (i = 0; i < 512; i++) {
		reqs[i].ptr = dp_slot(gfn, i);
		reqs[i].val = block_maddr() | LARGE | (i & 1 ? DP_RW : 0);
	}
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, 512, &done), 0);
	GUEST_ASSERT_EQ(done, 512);
	dp_seal(BLOCK_GFN);
	GUEST_ASSERT_EQ(dp_pin(1, BLOCK_GFN), -EBUSY);

	/* The last writable one is what counts. */
	for (i = 0; i < 512; i++)
		reqs[i].val = i == 511 ? reqs[i].val : 0;
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, 512, &done), 0);
	GUEST_ASSERT_EQ(dp_pin(1, BLOCK_GFN), -EBUSY);
	GUEST_ASSERT_EQ(dp_set(dp_slot(gfn, 511), 0), 0);
	memset((void *)dp_ptr(table), 0, PAGE_SIZE);
	GUEST_ASSERT_EQ(dp_unpin(gfn), 0);

	dp_unseal(BLOCK_GFN);
	memset(dp_ptr(BLOCK_GFN), 0, PAGE_SIZE);
	dp_seal(BLOCK_GFN);
	GUEST_ASSERT_EQ(dp_pin(1, BLOCK_GFN), 0);
	GUEST_ASSERT_EQ(dp_unpin(BLOCK_GFN), 0);
	dp_unseal(BLOCK_GFN);
	dp_unseal(gfn);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
