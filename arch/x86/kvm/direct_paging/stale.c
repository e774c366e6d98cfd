// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: have vCPUs flushed, before what they may have cached is used
 * for something else?
 *
 * For debugging.  Asks the vCPUs, and not the generations by which frame.c
 * decides whether to flush.  The auditor reports what was found.
 */
#include <linux/delay.h>

#include "dp.h"

/* A vCPU that leaves or enters the guest, or flushes, is done by then. */
#define STALE_TRIES		10000

u64 __kvm_dp_generation(struct kvm *kvm)
{
	return READ_ONCE(kvm->arch.dp->generation);
}

/* Has it flushed since, or will it before it is in the guest again? */
static bool dp_has_flushed(struct kvm_vcpu *vcpu, u64 stale)
{
	u64 exits = READ_ONCE(vcpu->arch.dp_exits);
	bool inside, owes;
	int tries;

	for (tries = 0; tries < STALE_TRIES; tries++) {
		/* What is read later was written earlier. */
		inside = smp_load_acquire(&vcpu->mode) != OUTSIDE_GUEST_MODE;
		owes = kvm_test_request(KVM_REQ_TLB_FLUSH, vcpu);
		/* It says that it flushes before it clears the request. */
		smp_rmb();
		/* Else it is at it: wait for how that ends. */
		if (!owes && smp_load_acquire(&vcpu->arch.dp_flushing)) {
			usleep_range(10, 100);
			continue;
		}
		if (READ_ONCE(vcpu->arch.dp_flushed) > stale)
			return true;
		if (!owes)
			return !exits && !READ_ONCE(vcpu->arch.dp_exits);
		if (!inside)
			return true;

		/*
		 * On its way in, it sees the request and turns round.  If it
		 * comes out, it was in the guest without a flush.
		 */
		usleep_range(10, 100);
		if (READ_ONCE(vcpu->arch.dp_exits) != exits)
			return READ_ONCE(vcpu->arch.dp_flushed) > stale;
	}
	return false;
}

void kvm_dp_check_flushed(struct kvm_dp *dp, u64 stale, const char *why)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&dp->lock);

	/* What comes after the first is of no interest, and may take long. */
	if (dp->unflushed)
		return;

	kvm_for_each_vcpu(i, vcpu, dp->kvm) {
		if (dp_has_flushed(vcpu, stale))
			continue;
		if (!dp->unflushed++)
			dp->unflushed_why = why;
	}
}
