// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: from a linear address to a guest frame, as the hardware goes.
 *
 * Takes no lock.  A table may become data behind the walker's back, and what
 * it reads then is whatever the guest wrote there.  So each number on the way
 * is looked up among the VM's frames, and each frame must be a validated table
 * of its level: the worst that comes out is another frame of the guest.
 *
 * Accessed and dirty bits are left alone, as a lock-free store could hit a
 * frame that is a table no longer.
 *
 * A vCPU remembers its ways to some level-1 tables, as long as no link of the
 * VM changes: dp->links counts those that did.  They may be out of date by as
 * much as a TLB, which another vCPU flushes after the change.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/hash.h>
#include <linux/log2.h>

#include <asm/page.h>

#include "dp.h"
#include "kvm_emulate.h"
#include "mmu.h"
#include "mmu/spte.h"
#include "x86.h"

struct dp_walk {
	struct kvm_dp *dp;
	u64 va;
	struct kvm_dp_frame *table;	/* that holds the entry */
	int level;			/* of the entry */
	u64 entry;
	u64 access;	/* what all entries so far allow, NX inverted */
};

static unsigned int dp_index(const struct dp_walk *walk)
{
	unsigned int shift = PAGE_SHIFT + (walk->level - 1) * PTE_SHIFT;

	return walk->va >> shift & (PTRS_PER_PTE - 1);
}

static bool dp_is_large(const struct dp_walk *walk)
{
	return walk->level > DP_L1 && walk->level < DP_L4 &&
	       walk->entry & _PAGE_PSE;
}

/* False if it is not present, or in no validated table of that level. */
static __always_inline bool dp_read_entry(struct dp_walk *walk)
{
	walk->entry = READ_ONCE(kvm_dp_table(walk->table)[dp_index(walk)]);
	/* What was read counts only if it was no data by then. */
	smp_rmb();
	if (!(walk->entry & _PAGE_PRESENT) ||
	    !kvm_dp_is_valid_table(READ_ONCE(walk->table->word), walk->level))
		return false;

	walk->access &= walk->entry ^ _PAGE_NX;
	return true;
}

/*
 * Two that have the same hash: code and its data must not drive each other out.
 * Roots have different ways to the same address, and guests switch.
 */
static __always_inline struct kvm_dp_way *dp_ways(struct kvm_vcpu *vcpu, u64 va,
						  u64 root_mfn)
{
	u64 key = va >> PMD_SHIFT ^ root_mfn << PTE_SHIFT;

	return vcpu->arch.dp_ways[hash_64(key, ilog2(KVM_DP_WAY_SETS))];
}

static __always_inline bool dp_is_way(const struct kvm_dp_way *way, u64 va,
				      u64 root_mfn)
{
	return way->va == va >> PMD_SHIFT && way->root_mfn == root_mfn;
}

static void dp_remember_way(struct kvm_dp_way *ways, struct kvm_dp_way way)
{
	ways[1] = ways[0];
	ways[0] = way;
}

/* False if the way is not known, or may be another by now. */
static __always_inline bool dp_walk_again(struct dp_walk *walk,
					  struct kvm_vcpu *vcpu)
{
	u64 root_mfn = READ_ONCE(vcpu->arch.dp_root_mfn);
	const struct kvm_dp_way *way = dp_ways(vcpu, walk->va, root_mfn);

	if (!dp_is_way(way, walk->va, root_mfn))
		way++;
	if (!dp_is_way(way, walk->va, root_mfn) ||
	    way->links != READ_ONCE(walk->dp->links))
		return false;

	walk->level = DP_L1;
	walk->table = way->table;
	walk->access = way->access;
	return true;
}

/* Down to a table of level 1, or to a large leaf.  False if there is neither. */
static noinline bool dp_walk_down(struct dp_walk *walk, struct kvm_vcpu *vcpu)
{
	u64 root_mfn = READ_ONCE(vcpu->arch.dp_root_mfn);
	/* Before any entry: what changes later makes it out of date. */
	u64 links = smp_load_acquire(&walk->dp->links);
	u64 mfn = root_mfn;
	struct kvm_dp_ref ref;

	if (!__is_canonical_address(walk->va, DP_VA_BITS) || !mfn)
		return false;

	for (walk->level = DP_L4; ; walk->level--) {
		if (!kvm_dp_find_unlocked(walk->dp, mfn, &ref))
			return false;
		walk->table = ref.frame;
		if (walk->level == DP_L1)
			break;
		if (!dp_read_entry(walk))
			return false;
		if (dp_is_large(walk))
			return true;
		mfn = kvm_dp_entry_mfn(walk->entry);
	}

	dp_remember_way(dp_ways(vcpu, walk->va, root_mfn), (struct kvm_dp_way){
		.links = links,
		.root_mfn = root_mfn,
		.va = walk->va >> PMD_SHIFT,
		.access = walk->access,
		.table = walk->table,
	});
	return true;
}

static __always_inline bool dp_walk_to_table(struct dp_walk *walk,
					     struct kvm_vcpu *vcpu, u64 va)
{
	/* What keeps the frames of a table that is on the way. */
	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	walk->dp = vcpu->kvm->arch.dp;
	walk->va = va;
	walk->access = ~0ULL;

	/* A VM whose memory has failed is dead, and its tables are not read. */
	return !READ_ONCE(vcpu->kvm->vm_dead) &&
	       (dp_walk_again(walk, vcpu) || dp_walk_down(walk, vcpu));
}

static __always_inline bool dp_walk(struct dp_walk *walk, struct kvm_vcpu *vcpu,
				    u64 va)
{
	return dp_walk_to_table(walk, vcpu, va) &&
	       (walk->level > DP_L1 || dp_read_entry(walk));
}

static unsigned int dp_access(const struct dp_walk *walk)
{
	unsigned int access = 0;

	if (walk->access & _PAGE_RW)
		access |= ACC_WRITE_MASK;
	if (walk->access & _PAGE_USER)
		access |= ACC_USER_MASK;
	if (walk->access & _PAGE_NX)
		access |= ACC_EXEC_MASK;
	return access;
}

/* In a large leaf, the lowest bit of the address is another bit of its own. */
static u64 dp_leaf_mfn(const struct dp_walk *walk)
{
	u64 inside = (1ULL << (walk->level - 1) * PTE_SHIFT) - 1;

	return (kvm_dp_entry_mfn(walk->entry) & ~inside) |
	       (walk->va >> PAGE_SHIFT & inside);
}

static void dp_set_fault(struct x86_exception *exception, u64 va, u64 access,
			 u16 error)
{
	if (!exception)
		return;

	/* NX is always on, so the guest sees the fetch. */
	error |= access & (PFERR_WRITE_MASK | PFERR_USER_MASK |
			   PFERR_FETCH_MASK);
	*exception = (struct x86_exception){
		.vector = PF_VECTOR,
		.error_code_valid = true,
		.error_code = error,
		.address = va,
	};
}

gpa_t kvm_dp_gva_to_gpa(struct kvm_vcpu *vcpu, struct kvm_mmu *mmu, gpa_t gva,
			u64 access, struct x86_exception *exception)
{
	struct kvm_dp_ref ref;
	struct dp_walk walk;
	u16 error = 0;

	if (!dp_walk(&walk, vcpu, gva))
		goto fault;

	error = permission_fault(vcpu, mmu, dp_access(&walk), 0, access);
	if (error)
		goto fault;

	if (!kvm_dp_find_unlocked(walk.dp, dp_leaf_mfn(&walk), &ref))
		goto fault;

	return gfn_to_gpa(kvm_dp_gfn(&ref)) | offset_in_page(gva);

fault:
	dp_set_fault(exception, gva, access, error);
	return INVALID_GPA;
}

/* What is not user mode's, its kernel can always read. */
static __always_inline bool dp_may_read(const struct dp_walk *walk,
					struct kvm_vcpu *vcpu)
{
	return !(walk->access & _PAGE_USER) ||
	       !permission_fault(vcpu, vcpu->arch.walk_mmu, dp_access(walk), 0,
				 0);
}

static int dp_read_page(struct kvm_vcpu *vcpu, u64 gva, void *to, u32 size)
{
	struct dp_walk walk __uninitialized;
	struct kvm_dp_ref ref;

	if (!dp_walk(&walk, vcpu, gva) || !dp_may_read(&walk, vcpu))
		return -EFAULT;

	if (!kvm_dp_find_unlocked(walk.dp, dp_leaf_mfn(&walk), &ref) ||
	    kvm_dp_has_failed(walk.dp, ref.frame))
		return -EFAULT;

	memcpy(to, (void *)kvm_dp_table(ref.frame) + offset_in_page(gva), size);
	return 0;
}

/*
 * Read what the guest's kernel can read, at its privilege level.  The memory is
 * the VM's as long as kvm->srcu is held, so it needs no way through the VMM's
 * mappings: this is what calls of the guest spend most of their time on.
 */
int kvm_dp_read_virt(struct kvm_vcpu *vcpu, u64 gva, void *to, u32 size)
{
	u32 n;
	int r;

	for (; size; size -= n, gva += n, to += n) {
		n = min_t(u32, size, PAGE_SIZE - offset_in_page(gva));
		r = dp_read_page(vcpu, gva, to, n);
		if (r)
			return r;
	}
	return 0;
}

/* A reference for as long as it takes: so it is no table, nor becomes one. */
static int dp_write_frame(struct kvm_dp *dp, u64 mfn, unsigned int offset,
			  const void *from, u32 size)
{
	struct kvm_dp_ref ref;
	int r = -EFAULT;

	mutex_lock(&dp->lock);
	if (kvm_dp_find(&dp->targets, mfn, &ref) &&
	    !kvm_dp_has_failed(dp, ref.frame) &&
	    !kvm_dp_get_writable(dp, &ref)) {
		memcpy((void *)kvm_dp_table(ref.frame) + offset, from, size);
		kvm_dp_put_writable(dp, &ref);
		r = 0;
	}
	mutex_unlock(&dp->lock);
	return r;
}

static int dp_write_page(struct kvm_vcpu *vcpu, u64 gva, const void *from,
			 u32 size)
{
	struct dp_walk walk __uninitialized;

	if (!dp_walk(&walk, vcpu, gva) ||
	    permission_fault(vcpu, vcpu->arch.walk_mmu, dp_access(&walk), 0,
			     PFERR_WRITE_MASK))
		return -EFAULT;

	return dp_write_frame(walk.dp, dp_leaf_mfn(&walk), offset_in_page(gva),
			      from, size);
}

/* The same for writes, without dp->lock, which it takes for each page. */
int kvm_dp_write_virt(struct kvm_vcpu *vcpu, u64 gva, const void *from, u32 size)
{
	u32 n;
	int r;

	for (; size; size -= n, gva += n, from += n) {
		n = min_t(u32, size, PAGE_SIZE - offset_in_page(gva));
		r = dp_write_page(vcpu, gva, from, n);
		if (r)
			return r;
	}
	return 0;
}

/* The entry need not be present, only the table. */
u64 *kvm_dp_walk_to_l1(struct kvm_vcpu *vcpu, u64 va)
{
	struct dp_walk walk __uninitialized;	/* this is a fast path */

	lockdep_assert_held(&vcpu->kvm->arch.dp->lock);

	if (!dp_walk_to_table(&walk, vcpu, va) || walk.level > DP_L1 ||
	    !kvm_dp_is_valid_table(READ_ONCE(walk.table->word), DP_L1))
		return NULL;

	return kvm_dp_table(walk.table) + dp_index(&walk);
}
