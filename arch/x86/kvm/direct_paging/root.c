// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the level-4 tables that a vCPU runs on.
 *
 * A vCPU has a reference of each table in dp_roots.  One of them is its root.
 * The others are idle: CR3 targets of VMX, which the guest loads without an
 * exit.  As the set stays what it is, an exit only has to look which of them
 * the hardware is on.  SVM has no targets, so there it is the root alone.
 *
 * To switch between tables that stay pinned takes no lock: the count changes
 * by cmpxchg, and only as long as the pin, or another root, keeps it above
 * zero.  What could be the last reference is dropped under dp->lock, as it
 * begins to take the tree apart.  Without targets, such a switch can be done
 * with IRQs off, before anything else looks at the exit.
 *
 * Idle tables are pinned.  A guest that unpins a table wants it back as data,
 * and does not know that KVM remembers it, so UNPIN makes all vCPUs forget it.
 * A vCPU whose root is not pinned has no targets: it must exit to leave it.
 *
 * What makes this safe, see kvm_dp_revoke_root():
 *  - Only the vCPU sets dp_targets_on, and only under dp->lock.  UNPIN clears
 *    it, requests a load of the MMU's root, and waits for the kick.  From then
 *    on, the vCPU enters the guest without targets only.
 *  - The vCPU reads its root from the hardware with IRQs off, before it can
 *    answer the kick.  So UNPIN knows the root, and cannot take it for idle.
 *  - Whoever takes a table out of dp_roots, by cmpxchg or xchg, drops its
 *    reference.  A vCPU writes dp_root_mfn before the table is in dp_roots.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bitmap.h>

#include "dp.h"

/* The vCPU may sleep: what counts is that it does so before it enters. */
#define DP_REQ_REVOKE							\
	(KVM_REQ_LOAD_MMU_PGD | KVM_REQUEST_WAIT | KVM_REQUEST_NO_WAKEUP)

/* CR3 targets that the CPU has. */
static unsigned int dp_nr_targets __read_mostly;

void kvm_dp_setup_targets(unsigned int nr)
{
	dp_nr_targets = min(nr, KVM_DP_MAX_ROOTS);
}
EXPORT_SYMBOL_GPL(kvm_dp_setup_targets);

static bool dp_get_pinned(u64 *p)
{
	u64 word = READ_ONCE(*p);

	do {
		if (!(word & DP_PINNED) ||
		    !kvm_dp_is_valid_table(word, DP_L4) ||
		    (word & DP_COUNT) == DP_COUNT)
			return false;
	} while (!try_cmpxchg64(p, &word, word + DP_COUNT_ONE));
	return true;
}

static bool dp_put_but_last(u64 *p)
{
	u64 word = READ_ONCE(*p);

	do {
		if (FIELD_GET(DP_COUNT, word) < 2)
			return false;
	} while (!try_cmpxchg64(p, &word, word - DP_COUNT_ONE));
	return true;
}

enum dp_switch {
	DP_REFUSED,		/* it is not pinned: the lock can tell more */
	DP_GOT,			/* but the old one has to go, under the lock */
	DP_SWITCHED,
};

/* From a table to another one. */
static enum dp_switch dp_switch(u64 *new, u64 *old)
{
	if (!dp_get_pinned(new))
		return DP_REFUSED;
	return dp_put_but_last(old) ? DP_SWITCHED : DP_GOT;
}

static int dp_get_new_root(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;
	int r;

	if (!kvm_dp_find_unlocked(dp, mfn, &ref))
		return -EINVAL;
	if (dp_get_pinned(&ref.frame->word))
		return 0;

	mutex_lock(&dp->lock);
	r = kvm_dp_get_root(dp, mfn);
	mutex_unlock(&dp->lock);
	return r;
}

static void dp_put_old_root(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	if (kvm_dp_find_unlocked(dp, mfn, &ref) &&
	    dp_put_but_last(&ref.frame->word))
		return;

	mutex_lock(&dp->lock);
	kvm_dp_put_root(dp, mfn);
	mutex_unlock(&dp->lock);
}

/* Where the vCPU has that table, or 0; NULL if it has not. */
static u64 *dp_find_slot(struct kvm_vcpu *vcpu, u64 mfn)
{
	unsigned int i, nr = max(dp_nr_targets, 1U);

	for (i = 0; i < nr; i++) {
		if (READ_ONCE(vcpu->arch.dp_roots[i]) == mfn)
			return &vcpu->arch.dp_roots[i];
	}
	return NULL;
}

static u64 *dp_pick_slot(struct kvm_vcpu *vcpu, u64 root)
{
	u64 *slot = dp_find_slot(vcpu, 0);

	if (slot)
		return slot;

	do {
		slot = &vcpu->arch.dp_roots[vcpu->arch.dp_next_root++ %
					    dp_nr_targets];
	} while (*slot == root && dp_nr_targets > 1);
	return slot;
}

static bool dp_is_pinned(struct kvm_dp *dp, u64 mfn)
{
	struct kvm_dp_ref ref;

	return kvm_dp_find(&dp->tables, mfn, &ref) &&
	       READ_ONCE(ref.frame->word) & DP_PINNED;
}

/* The old root stays, as a target. */
static int dp_load_with_targets(struct kvm_vcpu *vcpu, u64 mfn)
{
	struct kvm_dp *dp = vcpu->kvm->arch.dp;
	u64 old = vcpu->arch.dp_root_mfn;
	bool add = !dp_find_slot(vcpu, mfn);
	u64 out = 0;
	int r;

	lockdep_assert_held(&dp->lock);

	if (add) {
		r = kvm_dp_get_root(dp, mfn);
		if (r)
			return r;
	}

	WRITE_ONCE(vcpu->arch.dp_root_mfn, mfn);
	if (old && old != mfn && !dp_is_pinned(dp, old))
		out = xchg(dp_find_slot(vcpu, old), 0);
	if (out)
		kvm_dp_put_root(dp, out);

	out = add ? xchg(dp_pick_slot(vcpu, old), mfn) : 0;
	if (out)
		kvm_dp_put_root(dp, out);

	WRITE_ONCE(vcpu->arch.dp_targets_on, dp_is_pinned(dp, mfn));
	return 0;
}

/*
 * Without targets, only the first of dp_roots is in use.  In the second one,
 * kvm_dp_switch_root() leaves the reference that dp_load_alone() goes on with.
 */
static u64 *dp_spare(struct kvm_vcpu *vcpu)
{
	return &vcpu->arch.dp_roots[1];
}

static bool dp_take_spare(struct kvm_vcpu *vcpu, u64 mfn)
{
	return !dp_nr_targets && cmpxchg(dp_spare(vcpu), mfn, 0) == mfn;
}

/* The new root takes the place of the old one. */
static int dp_load_alone(struct kvm_vcpu *vcpu, u64 mfn)
{
	u64 *slot = dp_find_slot(vcpu, vcpu->arch.dp_root_mfn);
	struct kvm_dp *dp = vcpu->kvm->arch.dp;
	u64 old;
	int r;

	r = dp_take_spare(vcpu, mfn) ? 0 : dp_get_new_root(dp, mfn);
	if (r)
		return r;

	/* It may be unpinned by now, and UNPIN did not find it here. */
	WRITE_ONCE(vcpu->arch.dp_targets_on, false);
	WRITE_ONCE(vcpu->arch.dp_root_mfn, mfn);
	old = xchg(slot, mfn);
	if (old)
		dp_put_old_root(dp, old);
	return 0;
}

/*
 * Do without targets for once rather than wait for the lock.  But a table must
 * not be in dp_roots twice.
 */
static bool dp_lock_targets(struct kvm_vcpu *vcpu, u64 mfn)
{
	struct kvm_dp *dp = vcpu->kvm->arch.dp;

	if (!dp_nr_targets)
		return false;
	if (mutex_trylock(&dp->lock))
		return true;
	if (!dp_find_slot(vcpu, mfn))
		return false;

	mutex_lock(&dp->lock);
	return true;
}

/*
 * 0, or -EINVAL if it is no validated level-4 table.  The vCPU is loaded, and
 * not in guest mode.  It enters on the new root, whatever becomes of the old,
 * as the caller requests that the MMU's root be loaded.
 */
int kvm_dp_load_root(struct kvm_vcpu *vcpu, u64 mfn)
{
	int r;

	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	/* In dp_roots, 0 is none. */
	if (!mfn)
		return -EINVAL;
	if (!dp_lock_targets(vcpu, mfn))
		return dp_load_alone(vcpu, mfn);

	r = dp_load_with_targets(vcpu, mfn);
	mutex_unlock(&vcpu->kvm->arch.dp->lock);
	return r;
}

/*
 * As kvm_dp_load_root(), but takes no lock.  False: call that, right away and
 * for the same root.
 */
bool kvm_dp_switch_root(struct kvm_vcpu *vcpu, u64 mfn)
{
	struct kvm_dp *dp = vcpu->kvm->arch.dp;
	struct kvm_dp_ref new, old;

	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	if (dp_nr_targets || *dp_spare(vcpu))
		return false;

	if (!kvm_dp_find_unlocked(dp, vcpu->arch.dp_root_mfn, &old) ||
	    !kvm_dp_find_unlocked(dp, mfn, &new))
		return false;

	switch (dp_switch(&new.frame->word, &old.frame->word)) {
	case DP_SWITCHED:
		WRITE_ONCE(vcpu->arch.dp_root_mfn, mfn);
		WRITE_ONCE(vcpu->arch.dp_roots[0], mfn);
		return true;
	case DP_GOT:
		WRITE_ONCE(*dp_spare(vcpu), mfn);
		return false;
	default:
		return false;
	}
}

/* True if the caller has to drop the reference. */
static bool dp_take_idle(struct kvm_vcpu *vcpu, u64 *slot, u64 mfn)
{
	if (!mfn || READ_ONCE(*slot) != mfn)
		return false;

	/* A table that became the root since is in its slot after that. */
	smp_rmb();
	if (READ_ONCE(vcpu->arch.dp_root_mfn) == mfn)
		return false;

	return cmpxchg(slot, mfn, 0) == mfn;
}

/* Called by the vCPU's own thread. */
void kvm_dp_drop_targets(struct kvm_vcpu *vcpu)
{
	unsigned int i;
	u64 mfn, *slot;

	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	WRITE_ONCE(vcpu->arch.dp_targets_on, false);
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);

	for (i = 0; i < KVM_DP_MAX_ROOTS; i++) {
		slot = &vcpu->arch.dp_roots[i];
		mfn = READ_ONCE(*slot);
		if (dp_take_idle(vcpu, slot, mfn))
			dp_put_old_root(vcpu->kvm->arch.dp, mfn);
	}
}

void kvm_dp_drop_root(struct kvm_vcpu *vcpu)
{
	WRITE_ONCE(vcpu->arch.dp_root_mfn, 0);
	kvm_dp_drop_targets(vcpu);
}

/*
 * The table is not pinned any more, and the caller keeps the reference of the
 * pin meanwhile: so no vCPU loads the table lock-free, and here it does not
 * lose its last reference.  vCPUs whose root it is keep theirs.
 */
void kvm_dp_revoke_root(struct kvm_dp *dp, u64 mfn)
{
	DECLARE_BITMAP(vcpus, KVM_MAX_VCPUS);
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 *slot;

	lockdep_assert_held(&dp->lock);

	if (!dp_nr_targets)
		return;

	bitmap_zero(vcpus, KVM_MAX_VCPUS);
	kvm_for_each_vcpu(i, vcpu, dp->kvm) {
		if (!dp_find_slot(vcpu, mfn))
			continue;
		WRITE_ONCE(vcpu->arch.dp_targets_on, false);
		__set_bit(i, vcpus);
	}
	if (bitmap_empty(vcpus, KVM_MAX_VCPUS))
		return;

	kvm_make_vcpus_request_mask(dp->kvm, DP_REQ_REVOKE, vcpus);

	for_each_set_bit(i, vcpus, KVM_MAX_VCPUS) {
		vcpu = kvm_get_vcpu(dp->kvm, i);
		slot = dp_find_slot(vcpu, mfn);
		if (slot && dp_take_idle(vcpu, slot, mfn))
			kvm_dp_put_root(dp, mfn);
	}
}

/*
 * What to load together with the root.  If UNPIN takes one away meanwhile, its
 * request comes after that, and the vCPU is back here before it enters.
 */
unsigned int kvm_dp_cr3_targets(struct kvm_vcpu *vcpu, unsigned long *cr3s)
{
	unsigned int i, n = 0;
	u64 mfn;

	if (!READ_ONCE(vcpu->arch.dp_targets_on))
		return 0;

	for (i = 0; i < dp_nr_targets; i++) {
		mfn = READ_ONCE(vcpu->arch.dp_roots[i]);
		if (mfn)
			cr3s[n++] = mfn << PAGE_SHIFT;
	}
	return n;
}
EXPORT_SYMBOL_GPL(kvm_dp_cr3_targets);

/* The hardware is on another table than when it entered. */
void kvm_dp_note_switch(struct kvm_vcpu *vcpu, unsigned long cr3)
{
	u64 mfn = kvm_dp_entry_mfn(cr3);

	if (cr3 & ~DP_ENTRY_ADDR || !mfn || !dp_find_slot(vcpu, mfn)) {
		vcpu->arch.dp_hw_other_root = true;
		return;
	}

	WRITE_ONCE(vcpu->arch.dp_root_mfn, mfn);
	vcpu->arch.cr3 = cr3;
}
EXPORT_SYMBOL_GPL(kvm_dp_note_switch);

#ifdef CONFIG_KVM_DIRECT_PAGING_KUNIT_TEST
#include "root_test.c"
#endif
