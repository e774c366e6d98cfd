// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: types and references of frames, and flush before reuse.
 *
 * A frame is mapped writable, or it is a table, never both.  Its type changes
 * only while it has no reference of that type, and it is used as its new type
 * only after all vCPUs have flushed since the last one went.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "dp.h"
#include "trace.h"

/*
 * Waits for vCPUs in guest mode; others flush before they enter it.  Never
 * count on what the guest flushes.
 *
 * The generation comes first: a vCPU that takes the request then knows that
 * its flush belongs to the new one.
 */
void kvm_dp_flush(struct kvm_dp *dp)
{
	lockdep_assert_held(&dp->lock);

	WRITE_ONCE(dp->generation, dp->generation + 1);
	kvm_flush_remote_tlbs(dp->kvm);
	dp->kvm->stat.dp_flushes++;
	trace_kvm_dp_flush(dp->generation);
}

/* vCPUs may still walk through what was a table. */
void kvm_dp_flush_table(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	enum kvm_dp_type type = kvm_dp_type(READ_ONCE(ref->frame->word));

	lockdep_assert_held(&dp->lock);

	if (type != DP_NONE && type != DP_DATA &&
	    ref->frame->stale == dp->generation)
		kvm_dp_flush(dp);
}

static bool dp_is_full(u64 word)
{
	return (word & DP_COUNT) == DP_COUNT;
}

int kvm_dp_get_writable(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 word = READ_ONCE(frame->word);

	lockdep_assert_held(&dp->lock);

	if (word >= (DP_DATA | DP_COUNT_ONE) && kvm_dp_type(word) == DP_DATA) {
		if (dp_is_full(word))
			return -EBUSY;
		WRITE_ONCE(frame->word, word + DP_COUNT_ONE);
		return 0;
	}

	if (kvm_dp_is_table(word))
		return -EBUSY;

	kvm_dp_flush_table(dp, ref);
	if (kvm_dp_type(word) != DP_DATA)
		kvm_dp_assert_flushed(dp, frame->stale,
				      "table becomes writable");
	ref->region->users++;
	WRITE_ONCE(frame->word, DP_DATA | DP_COUNT_ONE);
	return 0;
}

void kvm_dp_put_writable(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 word = READ_ONCE(frame->word) - DP_COUNT_ONE;

	lockdep_assert_held(&dp->lock);

	WRITE_ONCE(frame->word, word);
	if (word & DP_COUNT)
		return;

	frame->stale = dp->generation;
	ref->region->users--;
}

/* Any frame may be mapped read-only, a table as well. */
int kvm_dp_get_readable(const struct kvm_dp_ref *ref)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 ident = frame->ident;

	if ((ident & DP_READERS) == DP_READERS)
		return -EBUSY;
	if (!(ident & DP_READERS))
		ref->region->users++;
	WRITE_ONCE(frame->ident, ident + DP_READERS_ONE);
	return 0;
}

void kvm_dp_put_readable(const struct kvm_dp_ref *ref)
{
	struct kvm_dp_frame *frame = ref->frame;
	u64 ident = frame->ident - DP_READERS_ONE;

	WRITE_ONCE(frame->ident, ident);
	if (!(ident & DP_READERS))
		ref->region->users--;
}

/* Blocks follow each other in machine memory, and in the region? */
static bool dp_are_contiguous(const struct kvm_dp_ref *ref,
			      unsigned long nr_blocks)
{
	unsigned long index = ref->frame - ref->region->frames;
	struct kvm_dp_block *block = kvm_dp_block(ref);
	u64 mfn = kvm_dp_mfn(ref->frame);
	unsigned long i;

	if (index + nr_blocks * PTRS_PER_PTE > ref->region->npages)
		return false;

	for (i = 0; i < nr_blocks; i++) {
		if (!block[i].aligned ||
		    kvm_dp_mfn(ref->frame + i * PTRS_PER_PTE) !=
		    mfn + i * PTRS_PER_PTE)
			return false;
	}
	return true;
}

static int dp_get_block(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
			struct kvm_dp_block *block, bool writable)
{
	u32 *count = writable ? &block->large : &block->large_readers;

	if (*count == U32_MAX || (writable && block->tables))
		return -EBUSY;
	if (writable && block->table_stale == dp->generation)
		kvm_dp_flush(dp);
	if (writable)
		kvm_dp_assert_flushed(dp, block->table_stale,
				      "tables become a large page");
	if (!(*count)++)
		ref->region->users++;
	return 0;
}

static void dp_put_block(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
			 struct kvm_dp_block *block, bool writable)
{
	u32 *count = writable ? &block->large : &block->large_readers;

	if (writable)
		block->large_stale = dp->generation;
	if (!--(*count))
		ref->region->users--;
}

/* The guest splits a large leaf, the host never does: -EBUSY has no cure here. */
int kvm_dp_get_large(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		     unsigned long nr_blocks, bool writable)
{
	struct kvm_dp_block *block = kvm_dp_block(ref);
	unsigned long i;
	int r;

	lockdep_assert_held(&dp->lock);

	if (!dp_are_contiguous(ref, nr_blocks))
		return -EINVAL;

	for (i = 0; i < nr_blocks; i++) {
		r = dp_get_block(dp, ref, &block[i], writable);
		if (r)
			goto undo;
	}
	return 0;

undo:
	while (i--)
		dp_put_block(dp, ref, &block[i], writable);
	return r;
}

void kvm_dp_put_large(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		      unsigned long nr_blocks, bool writable)
{
	struct kvm_dp_block *block = kvm_dp_block(ref);
	unsigned long i;

	lockdep_assert_held(&dp->lock);

	for (i = 0; i < nr_blocks; i++)
		dp_put_block(dp, ref, &block[i], writable);
}
