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
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <asm/page.h>

#include "dp.h"
#include "kvm_emulate.h"
#include "mmu.h"
#include "mmu/spte.h"
#include "x86.h"

struct dp_walk {
	struct kvm_dp *dp;
	bool locked;		/* dp->lock is held */
	u64 va;
	int level;		/* of the entry */
	u64 mfn;		/* of the table that holds it */
	u64 entry;
	u64 access;		/* what all entries so far allow, NX inverted */
};

static unsigned int dp_index(const struct dp_walk *walk)
{
	unsigned int shift = PAGE_SHIFT + (walk->level - 1) * PTE_SHIFT;

	return walk->va >> shift & (PTRS_PER_PTE - 1);
}

static bool dp_is_leaf(const struct dp_walk *walk)
{
	return walk->level == 1 ||
	       (walk->level <= 3 && walk->entry & _PAGE_PSE);
}

static __always_inline bool dp_find_table(const struct dp_walk *walk,
					  struct kvm_dp_ref *ref)
{
	return walk->locked ? kvm_dp_find(&walk->dp->tables, walk->mfn, ref) :
			      kvm_dp_find_unlocked(walk->dp, walk->mfn, ref);
}

/* False if there is no validated table of that level. */
static __always_inline bool dp_read_entry(struct dp_walk *walk)
{
	struct kvm_dp_ref ref;

	if (!dp_find_table(walk, &ref))
		return false;

	walk->entry = READ_ONCE(kvm_dp_table(ref.frame)[dp_index(walk)]);
	/* What was read counts only if it was no data by then. */
	smp_rmb();
	return kvm_dp_is_valid_table(READ_ONCE(ref.frame->word), walk->level);
}

/*
 * Down to a leaf, or to the last level asked for.  False if an entry above it,
 * or the entry itself, is missing; walk->mfn is where it should have been.
 */
static __always_inline bool dp_walk(struct dp_walk *walk,
				    struct kvm_vcpu *vcpu, u64 va, int last,
				    bool locked)
{
	*walk = (struct dp_walk){
		.dp = vcpu->kvm->arch.dp,
		.locked = locked,
		.va = va,
		.level = DP_L4,
		.mfn = READ_ONCE(vcpu->arch.dp_root_mfn),
		.access = ~0ULL,
	};

	/* A VM whose memory has failed is dead, and its tables are not read. */
	if (READ_ONCE(vcpu->kvm->vm_dead))
		return false;
	if (!__is_canonical_address(va, DP_VA_BITS) || !walk->mfn)
		return false;

	while (dp_read_entry(walk)) {
		if (!(walk->entry & _PAGE_PRESENT))
			return false;

		walk->access &= walk->entry ^ _PAGE_NX;
		if (walk->level == last || dp_is_leaf(walk))
			return true;

		walk->mfn = kvm_dp_entry_mfn(walk->entry);
		walk->level--;
	}
	return false;
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

	if (!dp_walk(&walk, vcpu, gva, DP_L1, false))
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

static int dp_read_page(struct kvm_vcpu *vcpu, u64 gva, void *to, u32 size)
{
	struct kvm_dp_ref ref;
	struct dp_walk walk;

	if (!dp_walk(&walk, vcpu, gva, DP_L1, false) ||
	    permission_fault(vcpu, vcpu->arch.walk_mmu, dp_access(&walk), 0, 0))
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

/* The entry need not be present, only the table. */
u64 kvm_dp_walk_to_l1(struct kvm_vcpu *vcpu, u64 va)
{
	struct kvm_dp_ref ref;
	struct dp_walk walk;

	lockdep_assert_held(&vcpu->kvm->arch.dp->lock);

	if (!dp_walk(&walk, vcpu, va, DP_L2, true) || walk.level != DP_L2 ||
	    walk.entry & _PAGE_PSE)
		return 0;

	walk.mfn = kvm_dp_entry_mfn(walk.entry);
	walk.level = DP_L1;
	if (!dp_find_table(&walk, &ref) ||
	    !kvm_dp_is_valid_table(READ_ONCE(ref.frame->word), DP_L1))
		return 0;

	return (walk.mfn << PAGE_SHIFT) + dp_index(&walk) * sizeof(u64);
}
