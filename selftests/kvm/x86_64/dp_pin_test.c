// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: trees that the guest fills as data become page tables, and
 * all of it data again.
 */
#include "dp.h"
#include "kselftest_harness.h"

#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	DP_TIMEOUT_S

#define BATCH	4096

/* Each level of a tree, by itself: the others follow or do not. */
DP_TEST(levels)
{
	struct dp_tree tree;
	int level, l;

	for (level = 1; level <= 4; level++) {
		dp_tree_fill(&tree, DP_VA);
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_pin(level, tree.gfn[level]), 0);

		for (l = 1; l <= 4; l++) {
			GUEST_ASSERT_EQ(dp_linear(tree.gfn[l], true),
					l <= level ? -EBUSY : 0);
			if (l > level)
				dp_seal(tree.gfn[l]);
		}

		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[level]), 0);
		dp_tree_unseal(&tree);
		dp_tree_free(&tree);
	}
}

/* Content survives both ways, but for what the host wrote. */
DP_TEST(content)
{
	struct dp_tree tree;
	u64 sum[5] = {};
	int level, i;

	dp_tree_fill(&tree, DP_VA);
	for (level = 1; level <= 4; level++) {
		dp_ptr(tree.gfn[level])[100] = 0x5ULL << 52 | DP_RW;
		for (i = 0; i < 512; i++)
			sum[level] += dp_ptr(tree.gfn[level])[i];
	}
	dp_ptr(tree.gfn[4])[KVM_DP_M2P_SLOT] = ~0ULL;
	dp_ptr(tree.gfn[4])[KVM_DP_M2P_SLOT + 15] = ~0ULL;
	dp_tree_seal(&tree);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	dp_tree_unseal(&tree);

	/* The host's frames are not the guest's to know. */
	for (i = 0; i < KVM_DP_HOST_SLOTS; i++)
		GUEST_ASSERT_EQ(dp_ptr(tree.gfn[4])[KVM_DP_M2P_SLOT + i], 0);
	for (level = 1; level <= 4; level++) {
		for (i = 0; i < 512; i++)
			sum[level] -= dp_ptr(tree.gfn[level])[i];
		GUEST_ASSERT_EQ(sum[level], 0);
	}
	dp_tree_free(&tree);
}

DP_TEST(pin_twice)
{
	struct dp_tree tree;
	u64 data = dp_alloc();

	dp_tree_up(&tree, DP_VA);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -EINVAL);

	/* Pins of its parts are their own. */
	GUEST_ASSERT_EQ(dp_pin(1, tree.gfn[1]), 0);
	GUEST_ASSERT_EQ(dp_pin(1, tree.gfn[1]), -EINVAL);
	GUEST_ASSERT_EQ(dp_pin(3, tree.gfn[3]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), 0);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), -EINVAL);
	dp_unseal(tree.gfn[4]);
	GUEST_ASSERT_EQ(dp_linear(tree.gfn[3], true), -EBUSY);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[3]), 0);
	dp_unseal(tree.gfn[3]);
	dp_unseal(tree.gfn[2]);
	GUEST_ASSERT_EQ(dp_linear(tree.gfn[1], true), -EBUSY);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[1]), 0);
	dp_tree_unseal(&tree);
	dp_tree_free(&tree);

	GUEST_ASSERT_EQ(dp_unpin(data), -EINVAL);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[1]), -EINVAL);
	dp_free(data);
}

DP_TEST(bad_frames)
{
	int level;

	for (level = 1; level <= 4; level++) {
		GUEST_ASSERT_EQ(dp_pin_mfn(level, DP_FOREIGN_MFN), -EINVAL);
		GUEST_ASSERT_EQ(dp_pin_mfn(level, 0), -EINVAL);
		GUEST_ASSERT_EQ(dp_pin_mfn(level, ~0ULL), -EINVAL);
		GUEST_ASSERT_EQ(dp_pin_mfn(level, 1ULL << 52 |
					   dp_p2m[DP_MAX_GFN - 1]), -EINVAL);
	}
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, DP_FOREIGN_MFN, 0),
			-EINVAL);
	GUEST_ASSERT_EQ(dp_ext(KVM_DP_MMUEXT_UNPIN_TABLE, ~0ULL, 0), -EINVAL);
}

/* A table of one level is none of another. */
DP_TEST(wrong_level)
{
	struct dp_tree tree;
	int level, l;

	dp_tree_up(&tree, DP_VA);
	for (level = 1; level <= 3; level++) {
		for (l = 1; l <= 4; l++) {
			if (l != level)
				GUEST_ASSERT_EQ(dp_pin(l, tree.gfn[level]),
						-EBUSY);
		}
	}
	dp_tree_down(&tree);

	/* Entries of what is below lead to data that is mapped writable. */
	dp_tree_fill(&tree, DP_VA);
	dp_tree_seal(&tree);
	GUEST_ASSERT_EQ(dp_pin(2, tree.gfn[1]), -EBUSY);
	GUEST_ASSERT_EQ(dp_pin(3, tree.gfn[2]), -EBUSY);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[3]), -EBUSY);
	/* The other way round, a table is but a page. */
	GUEST_ASSERT_EQ(dp_pin(1, tree.gfn[2]), 0);
	GUEST_ASSERT_EQ(dp_pin(1, tree.gfn[1]), -EBUSY);
	GUEST_ASSERT_EQ(dp_unpin(tree.gfn[2]), 0);
	dp_tree_unseal(&tree);
	dp_tree_free(&tree);
}

/* One writable mapping, of any table of it, and the tree is none. */
DP_TEST(writable_mapping)
{
	struct dp_tree tree;
	int level;

	dp_link(DP_VA);
	for (level = 1; level <= 4; level++) {
		dp_tree_fill(&tree, DP_VA + DP_L4_SIZE);
		dp_tree_seal(&tree);
		dp_map(DP_VA, tree.gfn[level], DP_LEAF);
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -EBUSY);
		dp_assert_writable(DP_VA);

		/* Nothing of the attempt is left. */
		dp_map(DP_VA, tree.gfn[level], DP_P);
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
		GUEST_ASSERT_EQ(dp_update_va(DP_VA, dp_maddr(tree.gfn[level]) |
					     DP_LEAF, 0), -EBUSY);
		dp_unmap(DP_VA);
		dp_tree_down(&tree);
	}
	dp_unlink(DP_VA);
}

/* The same by an entry of the tree itself. */
DP_TEST(writable_within)
{
	struct dp_tree tree;
	int level;

	for (level = 1; level <= 4; level++) {
		dp_tree_fill(&tree, DP_VA);
		dp_ptr(tree.gfn[1])[7] = dp_maddr(tree.gfn[level]) | DP_LEAF;
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -EBUSY);
		GUEST_ASSERT_EQ(dp_unpin(tree.gfn[4]), -EINVAL);
		dp_tree_unseal(&tree);
		dp_ptr(tree.gfn[1])[7] = dp_maddr(tree.gfn[level]) | DP_P;
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
		dp_tree_down(&tree);
	}
}

/* What no entry may hold, the last one that is looked at. */
struct spoiler {
	int level;
	u64 entry;
	int error;
	bool own;	/* names the tree's own page */
};

static const struct spoiler spoilers[] = {
	{ 1, DP_FOREIGN_MFN << PAGE_SHIFT | DP_P, EPERM },
	{ 2, DP_FOREIGN_MFN << PAGE_SHIFT | DP_P, EPERM },
	{ 3, DP_FOREIGN_MFN << PAGE_SHIFT | DP_P, EPERM },
	{ 4, DP_FOREIGN_MFN << PAGE_SHIFT | DP_P, EPERM },
	{ 1, DP_PCD | DP_P, EINVAL },
	{ 2, DP_PWT | DP_P, EINVAL },
	{ 3, DP_PCD | DP_P, EINVAL },
	{ 4, DP_PS | DP_P, EINVAL },
	/* All is well with it but that. */
	{ 1, DP_LEAF | DP_PWT, EINVAL, true },
	{ 1, DP_LEAF | BIT_ULL(62), EINVAL, true },
};

DP_TEST(bad_entries)
{
	const struct spoiler *s;
	struct dp_tree tree;
	u64 entry;
	int i;

	for (i = 0; i < ARRAY_SIZE(spoilers); i++) {
		s = &spoilers[i];
		dp_tree_fill(&tree, DP_VA);
		entry = s->entry | (s->own ? dp_maddr(tree.gfn[0]) : 0);
		dp_ptr(tree.gfn[s->level])[511] = entry;
		dp_tree_seal(&tree);
		GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -s->error);
		/* All of it is data, and as it was. */
		dp_tree_unseal(&tree);
		GUEST_ASSERT_EQ(dp_ptr(tree.gfn[s->level])[511], entry);
		dp_tree_free(&tree);
	}
}

/* Each table as a child of each that is not above it. */
DP_TEST(loops)
{
	struct dp_tree tree;
	int at, to;

	for (at = 2; at <= 4; at++) {
		for (to = at; to <= 4; to++) {
			dp_tree_fill(&tree, DP_VA);
			dp_ptr(tree.gfn[at])[9] = dp_maddr(tree.gfn[to]) |
						  DP_LEAF;
			dp_tree_seal(&tree);
			GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -EBUSY);
			/* Read-only is no excuse: a table is a table. */
			GUEST_ASSERT_EQ(dp_set(dp_slot(tree.gfn[at], 9),
					       dp_maddr(tree.gfn[to]) | DP_P),
					0);
			GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), -EBUSY);
			dp_tree_unseal(&tree);
			dp_tree_free(&tree);
		}
	}
}

/* Two parents, of which the one that stays keeps what both share. */
DP_TEST(shared_subtrees)
{
	struct dp_tree a, b;
	int level;

	for (level = 1; level <= 3; level++) {
		dp_tree_fill(&a, DP_VA);
		dp_tree_fill(&b, DP_VA);
		dp_ptr(b.gfn[level + 1])[dp_index(DP_VA, level + 1)] =
			dp_maddr(a.gfn[level]) | DP_LEAF;
		dp_tree_seal(&a);
		dp_tree_seal(&b);
		GUEST_ASSERT_EQ(dp_pin(4, a.gfn[4]), 0);
		GUEST_ASSERT_EQ(dp_pin(4, b.gfn[4]), 0);

		GUEST_ASSERT_EQ(dp_unpin(a.gfn[4]), 0);
		dp_unseal(a.gfn[4]);
		GUEST_ASSERT_EQ(dp_linear(a.gfn[level], true), -EBUSY);
		/* What b does not link was never a table. */
		dp_unseal(b.gfn[level]);
		dp_seal(b.gfn[level]);
		GUEST_ASSERT_EQ(dp_unpin(b.gfn[4]), 0);
		dp_tree_unseal(&a);
		dp_tree_unseal(&b);
		dp_tree_free(&a);
		dp_tree_free(&b);
	}
}

/* Twice in one table, as often as there are entries. */
DP_TEST(many_references)
{
	struct dp_tree tree;
	int i;

	dp_tree_fill(&tree, DP_VA);
	for (i = 0; i < 512; i++) {
		dp_ptr(tree.gfn[1])[i] = dp_maddr(tree.gfn[0]) | DP_LEAF;
		dp_ptr(tree.gfn[2])[i] = dp_maddr(tree.gfn[1]) | DP_LEAF;
		dp_ptr(tree.gfn[3])[i] = dp_maddr(tree.gfn[2]) | DP_LEAF;
	}
	dp_tree_seal(&tree);
	GUEST_ASSERT_EQ(dp_pin(4, tree.gfn[4]), 0);
	dp_tree_down(&tree);
}

/* A link validates what it links, as Linux has it, and unlinking undoes it. */
DP_TEST(link_untyped)
{
	struct dp_tree tree;
	u64 maddr;

	dp_tree_fill(&tree, DP_VA);
	dp_seal(tree.gfn[1]);
	dp_seal(tree.gfn[2]);
	maddr = dp_slot(dp_root(), dp_index(DP_VA, 4));

	/* Not while one of them is writable. */
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF),
			-EBUSY);
	dp_unseal(tree.gfn[2]);
	dp_seal(tree.gfn[3]);
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF),
			-EBUSY);
	dp_seal(tree.gfn[2]);
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF), 0);
	dp_assert_writable(DP_VA);
	GUEST_ASSERT_EQ(dp_linear(tree.gfn[1], true), -EBUSY);

	/* Replaced by the same, then by nothing. */
	GUEST_ASSERT_EQ(dp_set(maddr, dp_maddr(tree.gfn[3]) | DP_LEAF | DP_A),
			0);
	GUEST_ASSERT_EQ(dp_set(maddr, 0), 0);
	dp_unseal(tree.gfn[1]);
	dp_unseal(tree.gfn[2]);
	dp_unseal(tree.gfn[3]);
	dp_tree_free(&tree);
}

/*
 * Lists that no execution of the instruction gets through: one list of pins,
 * one of unpins, one of entries.
 */
static struct kvm_dp_mmuext_op *ops;
static struct kvm_dp_mmu_update *reqs;

/* In pool frames that the linear map has side by side. */
static void *alloc_run(unsigned int pages)
{
	u64 first = dp_alloc(), gfn;
	unsigned int i;

	for (i = 1; i < pages; i++) {
		gfn = dp_alloc();
		GUEST_ASSERT_EQ(gfn, first + i);
	}
	return dp_ptr(first);
}

#define TABLES	64

DP_TEST(batch_of_pins)
{
	struct dp_tree trees[TABLES];
	u32 done = 0;
	int i;

	ops = alloc_run(BATCH * sizeof(*ops) / PAGE_SIZE);
	for (i = 0; i < TABLES; i++) {
		dp_tree_fill(&trees[i], DP_VA);
		dp_tree_seal(&trees[i]);
	}

	/* Pin and unpin the same trees over and over. */
	for (i = 0; i < BATCH; i++) {
		ops[i].cmd = i & 1 ? KVM_DP_MMUEXT_UNPIN_TABLE :
				     KVM_DP_MMUEXT_PIN_L4_TABLE;
		ops[i].arg1 = dp_p2m[trees[i / 2 % TABLES].gfn[4]];
	}
	GUEST_ASSERT_EQ(dp_mmuext(ops, BATCH, &done), 0);
	GUEST_ASSERT_EQ(done, BATCH);

	for (i = 0; i < TABLES; i++) {
		dp_tree_unseal(&trees[i]);
		dp_tree_free(&trees[i]);
	}
}

DP_TEST(batch_of_entries)
{
	u64 maddr = dp_link(DP_VA), gfn = dp_alloc();
	u32 done = 0;
	int i;

	reqs = alloc_run(BATCH * sizeof(*reqs) / PAGE_SIZE);
	for (i = 0; i < BATCH; i++) {
		reqs[i].ptr = maddr + i % 512 * sizeof(u64);
		reqs[i].val = dp_maddr(gfn) | DP_LEAF | (u64)(i & 7) << 9;
	}
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, BATCH, &done), 0);
	GUEST_ASSERT_EQ(done, BATCH);
	for (i = 0; i < 512; i++)
		GUEST_ASSERT_EQ(dp_get(maddr + i * sizeof(u64)),
				reqs[BATCH - 512 + i].val);

	/* An error far into the list counts what came before it. */
	reqs[3000].val |= DP_PCD;
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, BATCH, &done), -EINVAL);
	GUEST_ASSERT_EQ(done, 3000);

	for (i = 0; i < BATCH; i++)
		reqs[i].val = 0;
	GUEST_ASSERT_EQ(dp_mmu_update(reqs, BATCH, &done), 0);
	GUEST_ASSERT_EQ(done, BATCH);
	dp_unlink(DP_VA);
	dp_free(gfn);
}

/* The same within a multicall, whose entries keep what is left of them. */
DP_TEST(batch_in_multicall)
{
	struct kvm_dp_multicall_entry list[8] = {};
	u64 maddr = dp_link(DP_VA), gfn = dp_alloc();
	u32 done[8] = {};
	int i;

	reqs = alloc_run(BATCH * sizeof(*reqs) / PAGE_SIZE);
	for (i = 0; i < BATCH; i++) {
		reqs[i].ptr = maddr + i % 512 * sizeof(u64);
		reqs[i].val = dp_maddr(gfn) | DP_LEAF;
	}
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		list[i].op = KVM_DP_HC_MMU_UPDATE;
		list[i].result = ~0ULL;
		list[i].args[0] = (u64)reqs;
		list[i].args[1] = BATCH;
		list[i].args[2] = (u64)&done[i];
		list[i].args[3] = KVM_DP_DOMID_SELF;
	}
	GUEST_ASSERT_EQ(dp_multicall(list, ARRAY_SIZE(list)), 0);
	for (i = 0; i < ARRAY_SIZE(list); i++) {
		GUEST_ASSERT_EQ(list[i].result, 0);
		GUEST_ASSERT_EQ(done[i], BATCH);
	}
	dp_unlink(DP_VA);
	dp_free(gfn);
}

int main(int argc, char *argv[])
{
	dp_require();

	return test_harness_run(argc, argv);
}
