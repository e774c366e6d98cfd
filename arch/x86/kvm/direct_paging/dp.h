/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging, inside.
 *
 * Lock order: kvm->slots_lock, kvm->slots_arch_lock, dp->lock,
 * region->map_lock.  mmap_lock and the invalidate lock of guest_memfd are
 * outside of the last two as well.  Never copy from or to user space, call
 * GUP, or wait for SRCU under dp->lock.  Readers of regions and frames are
 * within kvm->srcu.
 */
#ifndef __KVM_X86_DP_H
#define __KVM_X86_DP_H

#include <linux/bitfield.h>
#include <linux/bits.h>
#include <linux/hash.h>
#include <linux/kvm_host.h>
#include <linux/math.h>
#include <linux/nospec.h>
#include <linux/rtmutex.h>
#include <asm/pgtable_types.h>
#include <uapi/asm/kvm_direct_paging.h>

#include "direct_paging.h"

/* What a frame is; a level is the type of its tables. */
enum kvm_dp_type {
	DP_NONE,
	DP_L1,
	DP_L2,
	DP_L3,
	DP_L4,
	DP_DATA,	/* mapped writable, or held */
};

/*
 * kvm_dp_frame.word.  The type outlives its last reference: as long as no
 * other is asked for, no flush is due.  Of a table, entries below the cursor
 * hold references, whoever began to validate it or to take it apart.
 */
#define DP_TYPE			GENMASK_ULL(2, 0)
#define DP_VALID		BIT_ULL(3)	/* may be loaded, linked, updated */
#define DP_UP			BIT_ULL(4)	/* on its way to be valid */
#define DP_DOWN			BIT_ULL(5)	/* on its way to be data */
#define DP_PINNED		BIT_ULL(6)	/* one of the references */
#define DP_CONVERT		BIT_ULL(7)	/* entries hold guest frame numbers */
#define DP_CURSOR		GENMASK_ULL(25, 16)
#define DP_COUNT		GENMASK_ULL(63, 32)
#define DP_COUNT_ONE		BIT_ULL(32)

/* kvm_dp_frame.ident */
#define DP_MFN			GENMASK_ULL(39, 0)
#define DP_READERS		GENMASK_ULL(63, 40)
#define DP_READERS_ONE		BIT_ULL(40)

struct kvm_dp_frame {
	/*
	 * Type, state, and references of that type: writable leaves and holds
	 * of data; parent entries, roots and the pin of a table.  Changed
	 * under dp->lock, but for the count of a valid table of level 4 that
	 * becomes or ceases to be a root: that of a valid table only by
	 * cmpxchg.
	 */
	u64 word;
	/* Machine frame number, constant; references by read-only leaves. */
	u64 ident;
	union {
		/* dp->generation when the last reference of the type went. */
		u64 stale;
		/* While DP_DOWN: the next such frame, below this one. */
		u64 next_mfn;
	};
};

/*
 * 512 frames with consecutive page offsets in guest_memfd.  Large leaves are
 * counted here and nowhere else, so that they cost O(1).
 */
struct kvm_dp_block {
	u64 large_stale;	/* as kvm_dp_frame.stale, for writable leaves */
	u64 table_stale;	/* for the last table that became data */
	u32 large;		/* writable leaves of 2 MiB */
	u32 large_readers;	/* read-only ones */
	u16 tables;		/* frames that are valid or partial tables */
	bool aligned;		/* 2 MiB of machine memory, aligned */
};

/* The frames of a memslot. */
struct kvm_dp_region {
	struct kvm_dp *dp;
	struct inode *inode;	/* own reference, the file may be closed */
	gfn_t base;
	unsigned long npages;
	pgoff_t pgoff;
	u64 min_mfn;
	u64 max_mfn;
	u64 seed;
	bool can_be_table;
	/* Under dp->lock: reasons for which the slot cannot be deleted. */
	unsigned long users;

	/*
	 * Guards the two bitmaps and what user space maps.  Has priority
	 * inheritance: a fault of a thread of low priority must not hold up a
	 * vCPU of high priority for longer than it takes to insert one page.
	 */
	struct rt_mutex map_lock;
	unsigned long *sealed;	/* user space must not map the frame */
	unsigned long *mapped;	/* user space may have mapped the frame */
	u64 unseals;
	struct list_head list;

	/* From a machine frame number to an index + 1 of frames, by hash. */
	u32 *hash;
	u32 hash_size;
	struct kvm_dp_block *blocks;
	unsigned long nr_blocks;
	struct kvm_dp_frame *frames;
};

/* Where a frame was found. */
struct kvm_dp_ref {
	struct kvm_dp_region *region;
	struct kvm_dp_frame *frame;
};

/*
 * Finds frames, and remembers where blocks are that are contiguous in machine
 * memory: by their number, so that there is nothing to search.
 */
#define DP_RUNS			32

struct kvm_dp_run {
	u64 nr;			/* of the block in machine memory, plus one */
	struct kvm_dp_frame *frames;
	struct kvm_dp_region *region;
};

struct kvm_dp_finder {
	struct kvm_dp *dp;
	struct kvm_dp_region *region;	/* of the last frame */
	struct kvm_dp_run runs[DP_RUNS];
};

struct kvm_dp {
	/* Guards types and counts.  No notifier and no shrinker takes it. */
	struct mutex lock;
	struct kvm *kvm;
	/* Flushes of all vCPUs begun, plus one; vCPUs read it at any time. */
	u64 generation;
	/* Changes of entries above level 1, and of what is a table. */
	u64 links;
	/* Tables that lost their last reference, last in, first out. */
	u64 doomed_mfn;
	struct kvm_dp_region __rcu *regions[KVM_X86_DP_MAX_SLOTS];
	/* For those who hold the lock: where the last frames were found. */
	struct kvm_dp_finder tables;
	struct kvm_dp_finder targets;
	struct kvm_dp_m2p *m2p;
	struct list_head holds;
	unsigned long nr_held;
	/* For the auditor: uses of frames that a vCPU had not flushed. */
	u64 unflushed;
	const char *unflushed_why;
};

/* What one execution of a hypercall may still do before it must continue. */
struct kvm_dp_budget {
	int entries;
	int tables;
};

#define DP_MAX_ENTRIES		512
#define DP_MAX_TABLES		8
#define DP_BUDGET		{ DP_MAX_ENTRIES, DP_MAX_TABLES }

/* What vCPUs remember of their walks is out of date. */
static inline void kvm_dp_note_links(struct kvm_dp *dp)
{
	lockdep_assert_held(&dp->lock);

	WRITE_ONCE(dp->links, dp->links + 1);
}

static inline bool kvm_dp_is_spent(const struct kvm_dp_budget *budget)
{
	return budget->entries <= 0 || budget->tables <= 0 || need_resched();
}

static inline u64 kvm_dp_mfn(const struct kvm_dp_frame *frame)
{
	return READ_ONCE(frame->ident) & DP_MFN;
}

static inline enum kvm_dp_type kvm_dp_type(u64 word)
{
	return word & DP_TYPE;
}

/* Valid, or partial. */
static inline bool kvm_dp_is_table(u64 word)
{
	return word & (DP_VALID | DP_UP | DP_DOWN);
}

static inline bool kvm_dp_is_valid_table(u64 word, int level)
{
	return (word & (DP_VALID | DP_TYPE)) == (DP_VALID | level);
}

static inline gfn_t kvm_dp_gfn(const struct kvm_dp_ref *ref)
{
	return ref->region->base + (ref->frame - ref->region->frames);
}

static inline u64 *kvm_dp_table(const struct kvm_dp_frame *frame)
{
	return pfn_to_kaddr(kvm_dp_mfn(frame));
}

/*
 * entry.c: pure.  May the entry be in a table of that level?  It does not look
 * at the frame that the entry names.  0, or -EINVAL.
 */
struct kvm_dp_entry_env {
	u64 l1tf_limit;		/* not-present entries: 0, or at least this ... */
	u64 l1tf_mask;		/* ... of these bits; limit 0: no such bug */
	bool large_pages;
	bool large_needs_nx;	/* ITLB multihit */
};

extern struct kvm_dp_entry_env kvm_dp_entry_env;
void kvm_dp_init_entry_env(struct kvm_dp_entry_env *env, bool large_pages);
int kvm_dp_check_rare_entry(u64 entry, int level,
			    const struct kvm_dp_entry_env *env);

/* Four levels, as LA57 is refused. */
#define DP_VA_BITS		48

#define DP_ENTRY_ADDR		GENMASK_ULL(51, 12)
#define DP_ENTRY_SOFT		(GENMASK_ULL(11, 9) | GENMASK_ULL(58, 52))

/*
 * Memory is write-back, so no PWT, PCD or PAT.  Protection keys are the host's
 * to refuse, so not bits 59 to 62 either.  D and G mean nothing in an entry
 * that points to a table, and Linux sets D there.
 */
#define DP_ENTRY_MAY		(_PAGE_PRESENT | _PAGE_RW | _PAGE_USER |	\
				 _PAGE_ACCESSED | _PAGE_DIRTY | _PAGE_GLOBAL |	\
				 _PAGE_NX | DP_ENTRY_SOFT | DP_ENTRY_ADDR)

/* Nearly all entries pass with one test of a mask. */
static inline int kvm_dp_check_entry(u64 entry, int level,
				     const struct kvm_dp_entry_env *env)
{
	if (likely((entry & (~DP_ENTRY_MAY | _PAGE_PRESENT)) == _PAGE_PRESENT &&
		   level != PG_LEVEL_512G))
		return 0;

	return kvm_dp_check_rare_entry(entry, level, env);
}

static inline u64 kvm_dp_entry_mfn(u64 entry)
{
	return (entry & DP_ENTRY_ADDR) >> PAGE_SHIFT;
}

/* The slot's frames, or NULL.  Slots come and go, and leave holes. */
static inline struct kvm_dp_region *kvm_dp_region(struct kvm_dp *dp,
						  unsigned int i)
{
	return srcu_dereference_check(dp->regions[i], &dp->kvm->srcu,
				      lockdep_is_held(&dp->lock) ||
				      lockdep_is_held(&dp->kvm->slots_lock));
}

/* region.c: finding frames; what user space maps of them */
static inline void kvm_dp_init_finder(struct kvm_dp_finder *finder,
				      struct kvm_dp *dp)
{
	finder->dp = dp;
	WRITE_ONCE(finder->region, NULL);
	memset(finder->runs, 0, sizeof(finder->runs));
}

bool kvm_dp_has_failed(struct kvm_dp *dp, const struct kvm_dp_frame *frame);
bool __kvm_dp_find(struct kvm_dp_finder *finder, u64 mfn,
		   struct kvm_dp_ref *ref);
struct kvm_dp_frame *__kvm_dp_find_frame(struct kvm_dp_finder *finder, u64 mfn);
bool __kvm_dp_find_unlocked(struct kvm_dp *dp, u64 mfn, struct kvm_dp_ref *ref);
bool kvm_dp_find_gfn(struct kvm_dp *dp, gfn_t gfn, struct kvm_dp_ref *ref);
struct kvm_dp_block *kvm_dp_block(const struct kvm_dp_ref *ref);
bool kvm_dp_seal(struct kvm_dp *dp, const struct kvm_dp_ref *ref);

static __always_inline struct kvm_dp_run *
kvm_dp_run(struct kvm_dp_finder *finder, u64 mfn)
{
	return &finder->runs[mfn / PTRS_PER_PTE % DP_RUNS];
}

static __always_inline bool kvm_dp_is_in_run(const struct kvm_dp_run *run,
					     u64 mfn)
{
	return run->nr == mfn / PTRS_PER_PTE + 1;
}

/*
 * The guest chose mfn: a CPU that guesses that it is in the run reads one of
 * the 512 frames of the run all the same.
 */
static __always_inline bool kvm_dp_find(struct kvm_dp_finder *finder, u64 mfn,
					struct kvm_dp_ref *ref)
{
	const struct kvm_dp_run *run = kvm_dp_run(finder, mfn);

	if (!kvm_dp_is_in_run(run, mfn))
		return __kvm_dp_find(finder, mfn, ref);

	ref->region = run->region;
	ref->frame = run->frames + mfn % PTRS_PER_PTE;
	return true;
}

/*
 * Ends, as some slots are empty; soon, as nobody knows the seed.  Touches no
 * struct page, and nothing outside of the VM's own tables, whatever number the
 * guest gave.
 */
static __always_inline struct kvm_dp_frame *
kvm_dp_probe(const struct kvm_dp_region *region, u64 mfn)
{
	u32 index, slot = reciprocal_scale(hash_64(mfn ^ region->seed, 32),
					   region->hash_size);
	struct kvm_dp_frame *frame;

	while ((index = region->hash[slot])) {
		frame = &region->frames[index - 1];
		if (kvm_dp_mfn(frame) == mfn)
			return frame;
		if (++slot == region->hash_size)
			slot = 0;
	}
	return NULL;
}

/* As kvm_dp_find(), where nobody asks for the region. */
static __always_inline struct kvm_dp_frame *
kvm_dp_find_frame(struct kvm_dp_finder *finder, u64 mfn)
{
	const struct kvm_dp_run *run = kvm_dp_run(finder, mfn);

	if (likely(kvm_dp_is_in_run(run, mfn)))
		return run->frames + mfn % PTRS_PER_PTE;

	return __kvm_dp_find_frame(finder, mfn);
}

/*
 * Without dp->lock, where runs may change at any time.  A region that is gone
 * is out of the finder before kvm->srcu is waited for.
 */
static __always_inline bool kvm_dp_find_unlocked(struct kvm_dp *dp, u64 mfn,
						 struct kvm_dp_ref *ref)
{
	ref->region = READ_ONCE(dp->tables.region);
	if (likely(ref->region)) {
		ref->frame = kvm_dp_probe(ref->region, mfn);
		if (likely(ref->frame))
			return true;
	}
	return __kvm_dp_find_unlocked(dp, mfn, ref);
}

/*
 * One more writable reference, if the frame has some but not too many: neither
 * its type nor the count of its slot changes.  With type and flags out of the
 * way, and the halves exchanged, one comparison tells.
 */
static __always_inline bool kvm_dp_try_get_writable(struct kvm_dp_frame *frame)
{
	u64 word = READ_ONCE(frame->word);

	if (ror64(word - (DP_DATA | DP_COUNT_ONE), 32) >= U32_MAX - 1)
		return false;

	WRITE_ONCE(frame->word, word + DP_COUNT_ONE);
	return true;
}

/* One less, if it is not the last. */
static __always_inline bool kvm_dp_try_put_writable(struct kvm_dp_frame *frame)
{
	u64 word = READ_ONCE(frame->word);

	if (ror64(word - (DP_DATA | 2 * DP_COUNT_ONE), 32) >= U32_MAX)
		return false;

	WRITE_ONCE(frame->word, word - DP_COUNT_ONE);
	return true;
}

/*
 * frame.c: types and counts, under dp->lock.  0, -EBUSY if the frame has
 * another type or too many references.
 */
void kvm_dp_flush(struct kvm_dp *dp);
void kvm_dp_flush_table(struct kvm_dp *dp, const struct kvm_dp_ref *ref);
int kvm_dp_get_writable(struct kvm_dp *dp, const struct kvm_dp_ref *ref);
void kvm_dp_put_writable(struct kvm_dp *dp, const struct kvm_dp_ref *ref);
int kvm_dp_get_readable(const struct kvm_dp_ref *ref);
void kvm_dp_put_readable(const struct kvm_dp_ref *ref);
int kvm_dp_get_large(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		     unsigned long nr_blocks, bool writable);
void kvm_dp_put_large(struct kvm_dp *dp, const struct kvm_dp_ref *ref,
		      unsigned long nr_blocks, bool writable);

/*
 * table.c: under dp->lock, which it may drop and take again.  -EAGAIN: not
 * done, call again with the same arguments, as soon as the budget allows.
 */
int kvm_dp_pin(struct kvm_dp *dp, u64 mfn, int level, bool convert,
	       struct kvm_dp_budget *budget);	/* -EEXIST: is pinned already */
int kvm_dp_unpin(struct kvm_dp *dp, u64 mfn, struct kvm_dp_budget *budget);
int kvm_dp_update(struct kvm_dp *dp, u64 maddr, u64 entry, bool preserve_ad,
		  struct kvm_dp_budget *budget);
int kvm_dp_update_va(struct kvm_vcpu *vcpu, u64 va, u64 entry,
		     struct kvm_dp_budget *budget);
void kvm_dp_put_entry(struct kvm_dp *dp, u64 entry, int level);
int kvm_dp_drain(struct kvm_dp *dp, struct kvm_dp_budget *budget);
void kvm_dp_doom_partial(struct kvm_dp *dp, const struct kvm_dp_ref *ref);
int kvm_dp_get_root(struct kvm_dp *dp, u64 mfn);
void kvm_dp_put_root(struct kvm_dp *dp, u64 mfn);
int kvm_dp_clear_page(struct kvm_dp *dp, u64 mfn);
int kvm_dp_copy_page(struct kvm_dp *dp, u64 to, u64 from);

/* leaf.c: how many entries, from the first on, were done at once */
u64 kvm_dp_get_leaves(struct kvm_dp *dp, const u64 *table, u64 first,
		      const struct kvm_dp_budget *budget);
u64 kvm_dp_put_leaves(struct kvm_dp *dp, const u64 *table, u64 first,
		      const struct kvm_dp_budget *budget);
bool kvm_dp_update_leaf(struct kvm_dp *dp, u64 *slot, u64 entry);
u32 kvm_dp_update_leaves(struct kvm_dp *dp,
			 const struct kvm_dp_mmu_update *updates, u32 n,
			 struct kvm_dp_budget *budget);

#define DP_ACCESSED_DIRTY	(_PAGE_ACCESSED | _PAGE_DIRTY)

/* Hardware may set A and D at any time: no plain store, which would lose them. */
static __always_inline u64 kvm_dp_write_entry(u64 *slot, u64 entry,
					      bool preserve_ad)
{
	u64 old = READ_ONCE(*slot);

	if (!preserve_ad)
		return xchg(slot, entry);

	while (!try_cmpxchg64(slot, &old, entry | (old & DP_ACCESSED_DIRTY)))
		;
	return old;
}

/*
 * root.c: lock-free where the new root is pinned and the old one keeps another
 * reference, so call it without dp->lock, but for revoke.
 */
int kvm_dp_load_root(struct kvm_vcpu *vcpu, u64 mfn);
bool kvm_dp_switch_root(struct kvm_vcpu *vcpu, u64 mfn);
void kvm_dp_drop_root(struct kvm_vcpu *vcpu);
void kvm_dp_drop_targets(struct kvm_vcpu *vcpu);
void kvm_dp_revoke_root(struct kvm_dp *dp, u64 mfn);

/* m2p.c: called with slots_lock (add, remove) or dp->lock (set) */
int kvm_dp_m2p_init(struct kvm_dp *dp);
void kvm_dp_m2p_destroy(struct kvm_dp *dp);
int kvm_dp_m2p_add(struct kvm_dp *dp, struct kvm_dp_region *region);
void kvm_dp_m2p_remove(struct kvm_dp *dp, struct kvm_dp_region *region);
void kvm_dp_m2p_set(struct kvm_dp *dp, u64 mfn, u64 pfn);
u64 kvm_dp_m2p_entry(struct kvm_dp *dp);	/* for slot 256; 0: no window */

/* walk.c: the level-1 entry of a linear address, or NULL; under dp->lock */
u64 *kvm_dp_walk_to_l1(struct kvm_vcpu *vcpu, u64 va);
int kvm_dp_read_virt(struct kvm_vcpu *vcpu, u64 gva, void *to, u32 size);
int kvm_dp_write_virt(struct kvm_vcpu *vcpu, u64 gva, const void *from, u32 size);

/* hold.c */
int kvm_dp_hold(struct kvm_dp *dp, const struct kvm_x86_dp_hold *hold);

/* audit.c: shares nothing with table.c but the layout of what it checks */
extern bool kvm_dp_audits;
int kvm_dp_audit(struct kvm_dp *dp, struct kvm_x86_dp_audit *audit);

/* stale.c */
void kvm_dp_check_flushed(struct kvm_dp *dp, u64 stale, const char *why);

/*
 * Before what was stale at that generation gets another use: have all vCPUs
 * flushed since?  Asks them, not those who were to see to it.
 */
static inline void kvm_dp_assert_flushed(struct kvm_dp *dp, u64 stale,
					 const char *why)
{
	if (unlikely(READ_ONCE(kvm_dp_audits)) && stale)
		kvm_dp_check_flushed(dp, stale, why);
}

#endif /* __KVM_X86_DP_H */
