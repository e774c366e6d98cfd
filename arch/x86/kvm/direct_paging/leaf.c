// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: short cuts for entries of level 1.
 *
 * Nearly all entries map a page writable that is mapped writable elsewhere too,
 * if only in the guest's own map of its memory.  These need neither a look at
 * the frame's type, beyond that it is data, nor at what was stale.  All others
 * are left to table.c, which also says what is wrong with them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "dp.h"

/* What of an entry says where in its block the frame is. */
#define DP_IN_BLOCK		GENMASK_ULL(20, 12)

/* Memory, in a table of level 1, with nothing special about it. */
static bool dp_is_plain_leaf(u64 entry)
{
	return (entry & (~DP_ENTRY_MAY | _PAGE_PRESENT)) == _PAGE_PRESENT;
}

static bool dp_is_plain_writable(u64 entry)
{
	return (entry & (~DP_ENTRY_MAY | _PAGE_PRESENT | _PAGE_RW)) ==
	       (_PAGE_PRESENT | _PAGE_RW);
}

/* @in_run: it is known where its whole block is. */
static __always_inline struct kvm_dp_frame *
dp_find_leaf(struct kvm_dp *dp, u64 entry, bool *in_run)
{
	u64 mfn = kvm_dp_entry_mfn(entry);
	const struct kvm_dp_run *run = kvm_dp_run(&dp->targets, mfn);

	*in_run = kvm_dp_is_in_run(run, mfn);
	if (likely(*in_run))
		return run->frames + mfn % PTRS_PER_PTE;

	return kvm_dp_find_frame(&dp->targets, mfn);
}

/*
 * Neighbours that go on with the next frame and the same flags need no check of
 * their own.  Returns how many entries from @p on were such, up to @n.
 */
static u64 dp_get_run(const u64 *p, u64 n, u64 entry, struct kvm_dp_frame *frame)
{
	const u64 *end = p + n, *first = p;

	for (; p < end; p++) {
		entry += PAGE_SIZE;
		frame++;
		if (READ_ONCE(*p) != entry || !kvm_dp_try_get_writable(frame))
			break;
	}
	return p - first;
}

/* The same from the end: how many entries before @p. */
static u64 dp_put_run(const u64 *p, u64 n, u64 entry, struct kvm_dp_frame *frame)
{
	const u64 *end = p - n, *first = p;

	for (; p > end; p--) {
		entry -= PAGE_SIZE;
		frame--;
		if (READ_ONCE(p[-1]) != entry || !kvm_dp_try_put_writable(frame))
			break;
	}
	return first - p;
}

/*
 * Take the references of writable leaves of frames that have such references
 * already, which is what most tables are full of.  Returns how many entries
 * from @first on were such.
 */
u64 kvm_dp_get_leaves(struct kvm_dp *dp, const u64 *table, u64 first,
		      const struct kvm_dp_budget *budget)
{
	u64 end = first + clamp_t(s64, budget->entries, 1, PTRS_PER_PTE - first);
	struct kvm_dp_frame *frame;
	u64 i = first;
	u64 entry, n;
	bool in_run;

	while (i < end) {
		entry = READ_ONCE(table[i]);
		if (!dp_is_plain_writable(entry))
			break;
		frame = dp_find_leaf(dp, entry, &in_run);
		if (unlikely(!frame) || !kvm_dp_try_get_writable(frame))
			break;

		if (++i < end && READ_ONCE(table[i]) == entry + PAGE_SIZE &&
		    in_run) {
			n = PTRS_PER_PTE - 1 - FIELD_GET(DP_IN_BLOCK, entry);
			i += dp_get_run(&table[i], min(n, end - i), entry,
					frame);
		}
	}
	return i - first;
}

/* The same from the end, to drop references: how many of @first entries. */
u64 kvm_dp_put_leaves(struct kvm_dp *dp, const u64 *table, u64 first,
		      const struct kvm_dp_budget *budget)
{
	u64 end = first - clamp_t(s64, budget->entries, 0, first);
	struct kvm_dp_frame *frame;
	u64 i = first;
	u64 entry, n;
	bool in_run;

	while (i > end) {
		entry = READ_ONCE(table[i - 1]);
		if (!dp_is_plain_writable(entry))
			break;
		frame = dp_find_leaf(dp, entry, &in_run);
		if (unlikely(!frame) || !kvm_dp_try_put_writable(frame))
			break;

		if (--i > end && READ_ONCE(table[i - 1]) == entry - PAGE_SIZE &&
		    in_run) {
			n = FIELD_GET(DP_IN_BLOCK, entry);
			i -= dp_put_run(&table[i], min(n, i - end), entry,
					frame);
		}
	}
	return first - i;
}

static void dp_put_leaf(struct kvm_dp *dp, u64 entry)
{
	struct kvm_dp_frame *frame;

	if (!(entry & _PAGE_PRESENT))
		return;
	if (entry & _PAGE_RW) {
		frame = kvm_dp_find_frame(&dp->targets, kvm_dp_entry_mfn(entry));
		if (frame && kvm_dp_try_put_writable(frame))
			return;
	}
	kvm_dp_put_entry(dp, entry, DP_L1);
}

/* Nothing is done if it is not 0. */
static noinline int dp_get_rare_leaf(struct kvm_dp *dp, u64 entry)
{
	struct kvm_dp_ref ref;

	if (!kvm_dp_find(&dp->targets, kvm_dp_entry_mfn(entry), &ref))
		return -EPERM;

	return entry & _PAGE_RW ? kvm_dp_get_writable(dp, &ref) :
				  kvm_dp_get_readable(&ref);
}

static __always_inline bool dp_get_leaf(struct kvm_dp *dp, u64 entry)
{
	struct kvm_dp_frame *frame;

	if (!entry)
		return true;
	if (!dp_is_plain_leaf(entry))
		return false;
	if (entry & _PAGE_RW) {
		frame = kvm_dp_find_frame(&dp->targets, kvm_dp_entry_mfn(entry));
		if (frame && kvm_dp_try_get_writable(frame))
			return true;
	}
	return !dp_get_rare_leaf(dp, entry);
}

static __always_inline bool dp_update_leaf(struct kvm_dp *dp, u64 *slot,
					   u64 entry, bool preserve_ad)
{
	if (!dp_get_leaf(dp, entry))
		return false;

	dp_put_leaf(dp, kvm_dp_write_entry(slot, entry, preserve_ad));
	return true;
}

/* What has to be taken apart goes first, and a dead VM changes nothing. */
static bool dp_is_busy(struct kvm_dp *dp)
{
	return dp->doomed_mfn || READ_ONCE(dp->kvm->vm_dead);
}

/* One entry of a valid table of level 1, or false: as below. */
bool kvm_dp_update_leaf(struct kvm_dp *dp, u64 *slot, u64 entry)
{
	lockdep_assert_held(&dp->lock);

	return !dp_is_busy(dp) && dp_update_leaf(dp, slot, entry, false);
}

/* A valid table of level 1, which stays one as long as the lock is held. */
static u64 *dp_find_l1(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	if (!kvm_dp_find(&dp->tables, mfn, &ref) ||
	    !kvm_dp_is_valid_table(READ_ONCE(ref.frame->word), DP_L1))
		return NULL;

	return kvm_dp_table(ref.frame);
}

/*
 * Updates of valid tables of level 1 as kvm_dp_update() does them, without what
 * they cannot need.  It says what is wrong with those that are left to it.
 */
u32 kvm_dp_update_leaves(struct kvm_dp *dp,
			 const struct kvm_dp_mmu_update *updates, u32 n,
			 struct kvm_dp_budget *budget)
{
	u64 ptr, mfn = 0, *slot, *table = NULL;
	u32 i;

	lockdep_assert_held(&dp->lock);

	if (dp_is_busy(dp))
		return 0;

	n = clamp_t(int, budget->entries, 0, n);
	for (i = 0; i < n; i++) {
		ptr = updates[i].ptr;
		if (!table || ptr >> PAGE_SHIFT != mfn) {
			mfn = ptr >> PAGE_SHIFT;
			table = dp_find_l1(dp, mfn);
			if (!table)
				break;
		}
		slot = &table[offset_in_page(ptr) / sizeof(u64)];
		if (ptr % sizeof(u64) & ~KVM_DP_PT_UPDATE_PRESERVE_AD ||
		    !dp_update_leaf(dp, slot, updates[i].val,
				    ptr & KVM_DP_PT_UPDATE_PRESERVE_AD))
			break;
	}
	budget->entries -= i;
	return i;
}
