// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the level-4 table that a vCPU runs on.
 *
 * A vCPU's root is a reference of its table.  To switch between tables that
 * stay pinned takes no lock: the count changes by cmpxchg, and only as long as
 * the pin, or another root, keeps it above zero.  What could be the last
 * reference is dropped under dp->lock, as it begins to take the tree apart.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "dp.h"

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

/*
 * 0, or -EINVAL if it is no validated level-4 table.  The vCPU is loaded, and
 * not in guest mode: it enters on the new root, whatever becomes of the old.
 */
int kvm_dp_load_root(struct kvm_vcpu *vcpu, u64 mfn)
{
	struct kvm_dp *dp = vcpu->kvm->arch.dp;
	u64 old = vcpu->arch.dp_root_mfn;
	int r;

	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	r = dp_get_new_root(dp, mfn);
	if (r)
		return r;

	WRITE_ONCE(vcpu->arch.dp_root_mfn, mfn);
	if (old)
		dp_put_old_root(dp, old);
	return 0;
}

void kvm_dp_drop_root(struct kvm_vcpu *vcpu)
{
	u64 old = vcpu->arch.dp_root_mfn;

	lockdep_assert_once(srcu_read_lock_held(&vcpu->kvm->srcu));

	if (!old)
		return;
	WRITE_ONCE(vcpu->arch.dp_root_mfn, 0);
	dp_put_old_root(vcpu->kvm->arch.dp, old);
}
