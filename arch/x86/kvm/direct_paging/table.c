// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: page tables.
 *
 * A table is data, partial on its way up, valid, or partial on its way down.
 * Exactly its entries below the cursor hold references, and whoever meets a
 * partial table can carry on: nothing belongs to a vCPU or to a call.  A
 * partial table has no references of its own; it gets its first one in the
 * section of dp->lock in which it becomes valid.
 *
 * A table goes down when its last reference goes.  Such tables wait on a list,
 * last in, first out, and each call begins by taking them apart: so the list
 * never holds more than what one call left behind, and other calls see no
 * table that is on its way down.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "dp.h"
#include "trace.h"

/* A table below must be validated first. */
#define DP_CHILD		1

/* Entries that differ only in these refer to the same thing. */
#define DP_FLAGS		(DP_ACCESSED_DIRTY | _PAGE_USER | _PAGE_GLOBAL | \
				 _PAGE_SOFTW1 | _PAGE_SOFTW2 | _PAGE_SOFTW3 | \
				 GENMASK_ULL(58, 52) | _PAGE_NX)

static u64 dp_cursor(u64 word)
{
	return FIELD_GET(DP_CURSOR, word);
}

static u64 dp_partial(int level, u64 flags, u64 cursor)
{
	return level | flags | FIELD_PREP(DP_CURSOR, cursor);
}

/* Only partial tables have a cursor, and nobody changes these lock-free. */
static void dp_set_cursor(struct kvm_dp_frame *frame, u64 cursor)
{
	u64 word = READ_ONCE(frame->word) & ~DP_CURSOR;

	WRITE_ONCE(frame->word, word | FIELD_PREP(DP_CURSOR, cursor));
}

static bool dp_is_host_slot(int level, unsigned int index)
{
	return level == DP_L4 && index >= KVM_DP_M2P_SLOT &&
	       index < KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS;
}

static bool dp_is_large(u64 entry, int level)
{
	return level > DP_L1 && entry & _PAGE_PSE;
}

static unsigned long dp_large_blocks(int level)
{
	return level == DP_L2 ? 1 : PTRS_PER_PMD;
}

static void dp_write_host_slots(u64 *table, u64 entry)
{
	unsigned int i;

	WRITE_ONCE(table[KVM_DP_M2P_SLOT], entry);
	for (i = 1; i < KVM_DP_HOST_SLOTS; i++)
		WRITE_ONCE(table[KVM_DP_M2P_SLOT + i], 0);
}

/* One more reference of a valid table; a root may come or go meanwhile. */
static int dp_get_valid(struct kvm_dp_frame *frame, u64 flags)
{
	u64 word = READ_ONCE(frame->word);

	do {
		if ((word & DP_COUNT) == DP_COUNT)
			return -EBUSY;
	} while (!try_cmpxchg64(&frame->word, &word,
				(word + DP_COUNT_ONE) | flags));
	return 0;
}

static void dp_doom(struct kvm_dp *dp, struct kvm_dp_frame *frame)
{
	frame->next_mfn = dp->doomed_mfn;
	dp->doomed_mfn = kvm_dp_mfn(frame);
	kvm_dp_note_links(dp);
}

/* With its last reference, a table starts on its way down. */
static void dp_put_table(struct kvm_dp *dp, struct kvm_dp_frame *frame)
{
	u64 new, word = READ_ONCE(frame->word);

	do {
		new = word - DP_COUNT_ONE;
		if (!(new & DP_COUNT))
			new = dp_partial(kvm_dp_type(word), DP_DOWN,
					 PTRS_PER_PTE);
	} while (!try_cmpxchg64(&frame->word, &word, new));

	if (!(new & DP_DOWN))
		return;

	/* No vCPU is on it, and the guest must not see what the host put. */
	if (kvm_dp_type(new) == DP_L4)
		dp_write_host_slots(kvm_dp_table(frame), 0);
	dp_doom(dp, frame);
}

/* A table that did not get valid, or will not be wanted. */
static void dp_turn_round(struct kvm_dp *dp, struct kvm_dp_frame *frame)
{
	u64 word = READ_ONCE(frame->word);

	WRITE_ONCE(frame->word,
		   dp_partial(kvm_dp_type(word), DP_DOWN, dp_cursor(word)));
	dp_doom(dp, frame);
}

void kvm_dp_doom_partial(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	lockdep_assert_held(&dp->lock);

	if (READ_ONCE(ref->frame->word) & DP_UP)
		dp_turn_round(dp, ref->frame);
}

/* Data becomes a table that nobody has looked at yet. */
static int dp_promote(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		      int level, u64 flags, struct kvm_dp_budget *budget)
{
	struct kvm_dp_block *block = kvm_dp_block(ref);
	u64 word = READ_ONCE(ref->frame->word);

	if (!ref->region->can_be_table)
		return -EPERM;
	if (kvm_dp_has_failed(dp, ref->frame))
		return -EIO;
	if (kvm_dp_is_table(word) || word & DP_COUNT || block->large)
		return -EBUSY;

	WRITE_ONCE(ref->frame->word, dp_partial(level, DP_UP | flags, 0));
	block->tables++;
	ref->region->users++;
	budget->tables--;
	return 0;
}

/*
 * The type is visible, so nobody gets to write the frame any more.  Now remove
 * those who could: user space, and translations in TLBs.  Only then read.
 */
static int dp_prepare(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_block *block = kvm_dp_block(ref);

	if (!kvm_dp_seal(dp, ref))
		return -EAGAIN;
	if (ref->frame->stale == dp->generation ||
	    block->large_stale == dp->generation)
		kvm_dp_flush(dp);
	kvm_dp_assert_flushed(dp, max(ref->frame->stale, block->large_stale),
			      "data becomes a table");
	return 0;
}

/* DP_CHILD: *child has to be validated before it can be linked. */
static int dp_get_table(struct kvm_dp *dp, struct kvm_dp_ref *child, int level,
			u64 flags, struct kvm_dp_budget *budget)
{
	u64 word = READ_ONCE(child->frame->word);
	int r;

	if (kvm_dp_is_valid_table(word, level))
		return dp_get_valid(child->frame, 0);

	/* What becomes a table is sealed before the lock is dropped. */
	if (budget->tables <= 0)
		return -EAGAIN;
	if (word & DP_UP && kvm_dp_type(word) == level) {
		budget->tables--;
		return DP_CHILD;
	}

	r = dp_promote(dp, child, level, flags, budget);
	return r ?: DP_CHILD;
}

/* Take the reference that an entry of a table stands for. */
static int dp_get_entry(struct kvm_dp *dp, u64 entry, int level, u64 flags,
			struct kvm_dp_ref *child, struct kvm_dp_budget *budget)
{
	bool writable = entry & _PAGE_RW;

	if (kvm_dp_check_entry(entry, level, &kvm_dp_entry_env))
		return -EINVAL;
	if (!(entry & _PAGE_PRESENT))
		return 0;
	if (!kvm_dp_find(&dp->targets, kvm_dp_entry_mfn(entry), child))
		return -EPERM;

	if (dp_is_large(entry, level)) {
		budget->entries -= dp_large_blocks(level);
		return kvm_dp_get_large(dp, child, dp_large_blocks(level),
					writable);
	}
	if (level > DP_L1)
		return dp_get_table(dp, child, level - 1, flags, budget);
	if (writable)
		return kvm_dp_get_writable(dp, child);
	return kvm_dp_get_readable(child);
}

void kvm_dp_put_entry(struct kvm_dp *dp, u64 entry, int level)
{
	bool writable = entry & _PAGE_RW;
	struct kvm_dp_ref ref;

	if (!(entry & _PAGE_PRESENT))
		return;
	if (!kvm_dp_find(&dp->targets, kvm_dp_entry_mfn(entry), &ref)) {
		kvm_vm_bugged(dp->kvm);
		return;
	}

	if (dp_is_large(entry, level))
		kvm_dp_put_large(dp, &ref, dp_large_blocks(level), writable);
	else if (level > DP_L1)
		dp_put_table(dp, ref.frame);
	else if (writable)
		kvm_dp_put_writable(dp, &ref);
	else
		kvm_dp_put_readable(&ref);
}

/* A VMM that builds the first tables knows guest frame numbers only. */
static int dp_convert(struct kvm_dp *dp, u64 *entry)
{
	struct kvm_dp_ref ref;

	if (!(*entry & _PAGE_PRESENT))
		return 0;
	if (!kvm_dp_find_gfn(dp, kvm_dp_entry_mfn(*entry), &ref))
		return -EPERM;

	*entry &= ~DP_ENTRY_ADDR;
	*entry |= kvm_dp_mfn(ref.frame) << PAGE_SHIFT;
	return 0;
}

static int dp_validate_entry(struct kvm_dp *dp, u64 *slot, u64 word,
			     struct kvm_dp_ref *child,
			     struct kvm_dp_budget *budget)
{
	u64 entry = READ_ONCE(*slot);
	int r;

	if (word & DP_CONVERT) {
		r = dp_convert(dp, &entry);
		if (r)
			return r;
	}

	r = dp_get_entry(dp, entry, kvm_dp_type(word), word & DP_CONVERT, child,
			 budget);
	if (!r && word & DP_CONVERT)
		WRITE_ONCE(*slot, entry);
	return r;
}

static void dp_finish_up(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_frame *frame = ref->frame;
	int level = kvm_dp_type(frame->word);

	if (level == DP_L4)
		dp_write_host_slots(kvm_dp_table(frame), kvm_dp_m2p_entry(dp));
	WRITE_ONCE(frame->word, level | DP_VALID);
	dp->kvm->stat.dp_promotions++;
	trace_kvm_dp_promote(kvm_dp_gfn(ref), kvm_dp_mfn(frame), level);
}

/* What the guest wants in, or to be, table @mfn of a level. */
static int dp_note_refusal(struct kvm_dp *dp, u64 mfn, u64 entry, int level,
			   int r)
{
	switch (r) {
	case -EINVAL:
		dp->kvm->stat.dp_refused_entry++;
		break;
	case -EPERM:
		dp->kvm->stat.dp_refused_frame++;
		break;
	case -EBUSY:
		dp->kvm->stat.dp_refused_busy++;
		break;
	default:
		return r;
	}
	trace_kvm_dp_refuse(mfn, entry, level, r);
	return r;
}

static bool dp_are_zero(const u64 *entry)
{
	return !(entry[0] | entry[1] | entry[2] | entry[3] |
		 entry[4] | entry[5] | entry[6] | entry[7]);
}

/* The first entry from @i on that is not zero: most tables are rather empty. */
static u64 dp_skip_zeros(const u64 *table, u64 i)
{
	while (i < PTRS_PER_PTE && !table[i]) {
		i++;
		while (i % 8 == 0 && i < PTRS_PER_PTE && dp_are_zero(&table[i]))
			i += 8;
	}
	return i;
}

/* The same from the end: how many entries are left. */
static u64 dp_skip_zeros_back(const u64 *table, u64 i)
{
	while (i && !table[i - 1]) {
		i--;
		while (i % 8 == 0 && i && dp_are_zero(&table[i - 8]))
			i -= 8;
	}
	return i;
}

/*
 * Validate entries from the cursor on, at least one: it may be that of a table
 * below that has just become valid, and has no other reference.  0: so is this
 * one, and the caller must take a reference before it drops the lock.
 */
static int dp_validate_table(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
			     struct kvm_dp_ref *child,
			     struct kvm_dp_budget *budget)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 *table = kvm_dp_table(frame);
	u64 word = READ_ONCE(frame->word);
	int level = kvm_dp_type(word);
	u64 n = 0, i = dp_cursor(word);
	int r = 0;

	if (!i) {
		r = dp_prepare(dp, ref);
		if (r)
			return r;
	}

	for (;;) {
		i = dp_skip_zeros(table, i);
		if (i == PTRS_PER_PTE)
			break;
		if (n && budget->entries <= 0) {
			r = -EAGAIN;
			break;
		}
		if (dp_is_host_slot(level, i)) {
			i++;
			continue;
		}
		n = 0;
		if (level == DP_L1 && !(word & DP_CONVERT))
			n = kvm_dp_get_leaves(dp, table, i, budget);
		if (!n) {
			r = dp_validate_entry(dp, &table[i], word, child,
					      budget);
			if (r) {
				dp_note_refusal(dp, kvm_dp_mfn(frame), table[i],
						level, r);
				break;
			}
			n = 1;
		}
		dp->kvm->stat.dp_entries += n;
		budget->entries -= n;
		i += n;
	}

	dp_set_cursor(frame, i);
	if (!r)
		dp_finish_up(dp, ref);
	return r;
}

/* Depth first, by the cursors: the path down is found again each time. */
static int dp_validate(struct kvm_dp *dp, const struct kvm_dp_ref *root,
		       struct kvm_dp_budget *budget)
{
	struct kvm_dp_ref path[DP_L4], child;
	int depth = 0, r;

	path[0] = *root;
	for (;;) {
		r = dp_validate_table(dp, &path[depth], &child, budget);
		if (r == DP_CHILD) {
			/* Levels go down by one, so this ends at level 1. */
			path[++depth] = child;
			continue;
		}
		if (r)
			break;
		if (!depth)
			return 0;
		depth--;
	}
	if (r == -EAGAIN)
		return r;

	for (; depth >= 0; depth--)
		dp_turn_round(dp, path[depth].frame);
	return r;
}

static void dp_finish_down(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_block *block = kvm_dp_block(ref);
	struct kvm_dp_frame *frame = ref->frame;
	int level = kvm_dp_type(frame->word);

	dp->doomed_mfn = frame->next_mfn;
	frame->stale = dp->generation;
	block->table_stale = dp->generation;
	block->tables--;
	ref->region->users--;
	WRITE_ONCE(frame->word, level);
	dp->kvm->stat.dp_demotions++;
	trace_kvm_dp_demote(kvm_dp_gfn(ref), kvm_dp_mfn(frame), level);
}

/* Drop references from the cursor down; false: a child has to go first. */
static bool dp_take_apart(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
			  struct kvm_dp_budget *budget)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 *table = kvm_dp_table(frame);
	int level = kvm_dp_type(frame->word);
	u64 i = dp_cursor(frame->word);
	u64 mfn = kvm_dp_mfn(frame);
	u64 n, entry;

	if (kvm_dp_has_failed(dp, frame))
		return false;

	while (budget->entries > 0 && dp->doomed_mfn == mfn) {
		i = dp_skip_zeros_back(table, i);
		if (!i)
			break;
		n = level == DP_L1 ? kvm_dp_put_leaves(dp, table, i, budget) : 0;
		if (n) {
			budget->entries -= n;
			i -= n;
			continue;
		}
		entry = READ_ONCE(table[--i]);
		if (dp_is_host_slot(level, i))
			continue;
		kvm_dp_put_entry(dp, entry, level);
		budget->entries -= dp_is_large(entry, level) ?
				   dp_large_blocks(level) : 1;
	}

	dp_set_cursor(frame, i);
	return !i && dp->doomed_mfn == mfn;
}

int kvm_dp_drain(struct kvm_dp *dp, struct kvm_dp_budget *budget)
{
	struct kvm_dp_ref ref;

	lockdep_assert_held(&dp->lock);

	while (dp->doomed_mfn) {
		if (READ_ONCE(dp->kvm->vm_dead))
			return -EIO;
		if (budget->entries <= 0 || budget->tables < 0)
			return -EAGAIN;
		if (!kvm_dp_find(&dp->tables, dp->doomed_mfn, &ref)) {
			kvm_vm_bugged(dp->kvm);
			return -EIO;
		}
		if (!dp_take_apart(dp, &ref, budget))
			continue;
		dp_finish_down(dp, &ref);
		budget->tables--;
	}
	return 0;
}

/*
 * Memory that has failed kills the VM, and reading it would kill the host: look
 * before each call.
 */
static int dp_begin(struct kvm_dp *dp, struct kvm_dp_budget *budget)
{
	if (READ_ONCE(dp->kvm->vm_dead))
		return -EIO;
	if (dp->doomed_mfn)
		return kvm_dp_drain(dp, budget);
	return 0;
}

/* A call that is over counts as done although tables still go down. */
static int dp_end(struct kvm_dp *dp, struct kvm_dp_budget *budget, int r)
{
	if (dp->doomed_mfn)
		kvm_dp_drain(dp, budget);
	return r;
}

int kvm_dp_pin(struct kvm_dp *dp, u64 mfn, int level, bool convert,
	       struct kvm_dp_budget *budget)
{
	u64 word, flags = convert ? DP_CONVERT : 0;
	struct kvm_dp_ref ref;
	int r;

	lockdep_assert_held(&dp->lock);

	r = dp_begin(dp, budget);
	if (r)
		return r;
	if (!kvm_dp_find(&dp->tables, mfn, &ref))
		return -EINVAL;

	word = READ_ONCE(ref.frame->word);
	if (word & DP_PINNED)
		return kvm_dp_type(word) == level ? -EEXIST : -EINVAL;
	if (kvm_dp_is_valid_table(word, level))
		return dp_get_valid(ref.frame, DP_PINNED);

	if (!(word & DP_UP) || kvm_dp_type(word) != level) {
		r = dp_promote(dp, &ref, level, flags, budget);
		if (r)
			return dp_note_refusal(dp, mfn, 0, level, r);
	}
	r = dp_validate(dp, &ref, budget);
	if (!r)
		r = dp_get_valid(ref.frame, DP_PINNED);
	return dp_end(dp, budget, r);
}

/*
 * Turn round what an abandoned PIN left: this table, and those below it that
 * it was about to link.
 */
static void dp_turn_round_all(struct kvm_dp *dp, struct kvm_dp_frame *frame)
{
	struct kvm_dp_ref child;
	u64 word, entry, cursor;

	do {
		word = READ_ONCE(frame->word);
		cursor = dp_cursor(word);
		dp_turn_round(dp, frame);
		if (kvm_dp_type(word) == DP_L1 || cursor >= PTRS_PER_PTE)
			return;

		entry = READ_ONCE(kvm_dp_table(frame)[cursor]);
		if (word & DP_CONVERT && dp_convert(dp, &entry))
			return;
		if (!(entry & _PAGE_PRESENT) || entry & _PAGE_PSE ||
		    !kvm_dp_find(&dp->targets, kvm_dp_entry_mfn(entry), &child))
			return;
		frame = child.frame;
	} while (READ_ONCE(frame->word) & DP_UP &&
		 kvm_dp_type(frame->word) == kvm_dp_type(word) - 1);
}

/* The reference of the pin is the caller's now. */
static void dp_clear_pinned(struct kvm_dp_frame *frame)
{
	u64 word = READ_ONCE(frame->word);

	while (!try_cmpxchg64(&frame->word, &word, word & ~DP_PINNED))
		;
}

int kvm_dp_unpin(struct kvm_dp *dp, u64 mfn, struct kvm_dp_budget *budget)
{
	struct kvm_dp_ref ref;
	u64 word;
	int r;

	lockdep_assert_held(&dp->lock);

	r = dp_begin(dp, budget);
	if (r)
		return r;
	if (!kvm_dp_find(&dp->tables, mfn, &ref))
		return -EINVAL;

	word = READ_ONCE(ref.frame->word);
	if (word & DP_PINNED) {
		dp_clear_pinned(ref.frame);
		if (kvm_dp_type(word) == DP_L4)
			kvm_dp_revoke_root(dp, mfn);
		dp_put_table(dp, ref.frame);
	} else if (word & DP_UP) {
		dp_turn_round_all(dp, ref.frame);
	} else {
		return -EINVAL;
	}
	return dp_end(dp, budget, 0);
}

/* Xen's checked store: the guest's own memory, written by the host. */
static int dp_store(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		    u64 *slot, u64 val)
{
	int r = kvm_dp_get_writable(dp, ref);

	if (r)
		return r;
	WRITE_ONCE(*slot, val);
	kvm_dp_put_writable(dp, ref);
	return 0;
}

/* Neither frame nor rights change: what both entries refer to is the same. */
static bool dp_is_same(u64 old, u64 new)
{
	return !((old ^ new) & ~DP_FLAGS);
}

static u64 dp_write_entry(struct kvm_dp *dp, u64 *slot, u64 entry, int level,
			  bool preserve_ad)
{
	u64 old = kvm_dp_write_entry(slot, entry, preserve_ad);

	if (level > DP_L1)
		kvm_dp_note_links(dp);
	return old;
}

static int dp_update_entry(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
			   u64 *slot, u64 entry, bool preserve_ad,
			   struct kvm_dp_budget *budget)
{
	int r, level = kvm_dp_type(READ_ONCE(ref->frame->word));
	u64 mfn = kvm_dp_mfn(ref->frame);
	struct kvm_dp_ref child;

	if (dp_is_same(READ_ONCE(*slot), entry)) {
		r = kvm_dp_check_entry(entry, level, &kvm_dp_entry_env);
		if (!r)
			dp_write_entry(dp, slot, entry, level, preserve_ad);
		return dp_note_refusal(dp, mfn, entry, level, r);
	}

	r = dp_get_entry(dp, entry, level, 0, &child, budget);
	dp_note_refusal(dp, mfn, entry, level, r);
	if (r == DP_CHILD) {
		r = dp_validate(dp, &child, budget);
		if (!r)
			r = dp_get_valid(child.frame, 0);
	}
	if (r)
		return r;

	entry = dp_write_entry(dp, slot, entry, level, preserve_ad);
	kvm_dp_put_entry(dp, entry, level);
	return 0;
}

int kvm_dp_update(struct kvm_dp *dp, u64 maddr, u64 entry, bool preserve_ad,
		  struct kvm_dp_budget *budget)
{
	unsigned int index = offset_in_page(maddr) / sizeof(u64);
	struct kvm_dp_ref ref;
	u64 word, *slot;
	int r;

	lockdep_assert_held(&dp->lock);

	r = dp_begin(dp, budget);
	if (r)
		return r;
	if (maddr % sizeof(u64) ||
	    !kvm_dp_find(&dp->tables, maddr >> PAGE_SHIFT, &ref))
		return -EINVAL;

	budget->entries--;
	slot = kvm_dp_table(ref.frame) + index;
	word = READ_ONCE(ref.frame->word);
	if (!kvm_dp_is_table(word))
		return dp_store(dp, &ref, slot, entry);
	if (!(word & DP_VALID))
		return -EBUSY;
	if (dp_is_host_slot(kvm_dp_type(word), index))
		return -EPERM;

	/*
	 * The table itself cannot go meanwhile: if the lock was dropped, or
	 * the call is continued, the frame is looked at again.
	 */
	return dp_update_entry(dp, &ref, slot, entry, preserve_ad, budget);
}

int kvm_dp_update_va(struct kvm_vcpu *vcpu, u64 va, u64 entry,
		     struct kvm_dp_budget *budget)
{
	u64 *slot = kvm_dp_walk_to_l1(vcpu, va);
	struct kvm_dp *dp = vcpu->kvm->arch.dp;

	if (!slot)
		return -EINVAL;
	if (kvm_dp_update_leaf(dp, slot, entry)) {
		budget->entries--;
		return 0;
	}
	return kvm_dp_update(dp, __pa(slot), entry, false, budget);
}

int kvm_dp_get_root(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	lockdep_assert_held(&dp->lock);

	if (!kvm_dp_find(&dp->tables, mfn, &ref) ||
	    !kvm_dp_is_valid_table(READ_ONCE(ref.frame->word), DP_L4))
		return -EINVAL;
	return dp_get_valid(ref.frame, 0);
}

void kvm_dp_put_root(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	lockdep_assert_held(&dp->lock);

	if (kvm_dp_find(&dp->tables, mfn, &ref))
		dp_put_table(dp, ref.frame);
}

int kvm_dp_clear_page(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	lockdep_assert_held(&dp->lock);

	if (!kvm_dp_find(&dp->targets, mfn, &ref) ||
	    kvm_dp_get_writable(dp, &ref))
		return -EINVAL;
	clear_page(kvm_dp_table(ref.frame));
	kvm_dp_put_writable(dp, &ref);
	return 0;
}

int kvm_dp_copy_page(struct kvm_dp *dp, u64 to, u64 from)
{
	struct kvm_dp_ref ref, source;

	lockdep_assert_held(&dp->lock);

	if (!kvm_dp_find(&dp->targets, from, &source) ||
	    !kvm_dp_find(&dp->targets, to, &ref) ||
	    kvm_dp_has_failed(dp, source.frame) ||
	    kvm_dp_get_writable(dp, &ref))
		return -EINVAL;
	copy_page(kvm_dp_table(ref.frame), kvm_dp_table(source.frame));
	kvm_dp_put_writable(dp, &ref);
	return 0;
}
