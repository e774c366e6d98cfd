// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: operations of mmuext_op, and flushes that guests ask for.
 *
 * A guest flushes for itself.  Nothing in KVM relies on it.
 */
#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include <xen/interface/xen.h>

#include "x86.h"
#include "hypercall.h"
#include "kvm_cache_regs.h"

void kvm_dp_flush_self(struct kvm_dp_call *call, bool one, u64 va)
{
	if (!one)
		kvm_make_request(KVM_REQ_TLB_FLUSH_CURRENT, call->vcpu);
	else if (__is_canonical_address(va, DP_VA_BITS))
		kvm_x86_call(flush_tlb_gva)(call->vcpu, va);
}

/* Others drop all they have: one address would need a queue for each vCPU. */
void kvm_dp_flush_vcpus(struct kvm_dp_call *call, unsigned long *vcpus,
			bool one, u64 va)
{
	struct kvm_vcpu *vcpu = call->vcpu;

	if (one && !__is_canonical_address(va, DP_VA_BITS))
		return;

	if (__test_and_clear_bit(vcpu->vcpu_idx, vcpus))
		kvm_dp_flush_self(call, one, va);
	if (bitmap_empty(vcpus, KVM_MAX_VCPUS))
		return;

	kvm_dp_charge(call, DP_FLUSH_COST);
	kvm_make_vcpus_request_mask(vcpu->kvm, KVM_REQ_TLB_FLUSH, vcpus);
}

void kvm_dp_all_vcpus(struct kvm_dp_call *call, unsigned long *vcpus)
{
	bitmap_zero(vcpus, KVM_MAX_VCPUS);
	bitmap_set(vcpus, 0, atomic_read(&call->vcpu->kvm->online_vcpus));
}

static u32 dp_xen_vcpu_id(struct kvm_vcpu *vcpu)
{
#ifdef CONFIG_KVM_XEN
	return READ_ONCE(vcpu->arch.xen.vcpu_id);
#else
	return vcpu->vcpu_idx;
#endif
}

/*
 * Turn a guest's bitmap of Xen's vCPU numbers into one of KVM's.  Look up what
 * the guest says of each vCPU, not the vCPU of each bit: then no number of the
 * guest's is an index, bits of vCPUs that do not exist do nothing, and no more
 * of the bitmap is read than the vCPUs need.
 */
int kvm_dp_read_vcpus(struct kvm_dp_call *call, u64 gva, unsigned long *vcpus)
{
	u32 id, at = U32_MAX;
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 word = 0;

	bitmap_zero(vcpus, KVM_MAX_VCPUS);
	kvm_for_each_vcpu(i, vcpu, call->vcpu->kvm) {
		id = dp_xen_vcpu_id(vcpu);
		if (id / 64 != at) {
			at = id / 64;
			if (kvm_dp_copy_in(call, gva + at * sizeof(word), &word,
					   sizeof(word)))
				return -EFAULT;
		}
		if (word & BIT_ULL(id % 64))
			__set_bit(i, vcpus);
	}
	return 0;
}

static noinline int dp_flush_multi(struct kvm_dp_call *call,
				   const struct kvm_dp_mmuext_op *op)
{
	DECLARE_BITMAP(vcpus, KVM_MAX_VCPUS);

	if (kvm_dp_read_vcpus(call, op->arg2, vcpus))
		return -EINVAL;

	kvm_dp_flush_vcpus(call, vcpus, op->cmd == KVM_DP_MMUEXT_INVLPG_MULTI,
			   op->arg1);
	return 0;
}

static noinline int dp_flush_all(struct kvm_dp_call *call,
				 const struct kvm_dp_mmuext_op *op)
{
	DECLARE_BITMAP(vcpus, KVM_MAX_VCPUS);

	kvm_dp_all_vcpus(call, vcpus);
	kvm_dp_flush_vcpus(call, vcpus, op->cmd == KVM_DP_MMUEXT_INVLPG_ALL,
			   op->arg1);
	return 0;
}

static int dp_pin(struct kvm_dp_call *call, const struct kvm_dp_mmuext_op *op)
{
	int level = DP_L1 + array_index_nospec(op->cmd, DP_L4);
	int r;

	for (;;) {
		r = kvm_dp_pin(call->dp, op->arg1, level, false, &call->budget);
		if (r == -EAGAIN)
			call->begun = true;
		if (!kvm_dp_again(call, r))
			break;
	}
	if (r != -EEXIST)
		return r;

	/* Another vCPU may have completed what this one began. */
	return call->begun ? 0 : -EINVAL;
}

static int dp_unpin(struct kvm_dp_call *call, u64 mfn)
{
	int r;

	do {
		r = kvm_dp_unpin(call->dp, mfn, &call->budget);
	} while (kvm_dp_again(call, r));

	return r;
}

static int dp_page_op(struct kvm_dp_call *call, const struct kvm_dp_mmuext_op *op)
{
	kvm_dp_charge(call, DP_PAGE_COST);

	if (op->cmd == KVM_DP_MMUEXT_CLEAR_PAGE)
		return kvm_dp_clear_page(call->dp, op->arg1);

	return kvm_dp_copy_page(call->dp, op->arg1, op->arg2);
}

static int dp_frame_op(struct kvm_dp_call *call, const struct kvm_dp_mmuext_op *op)
{
	switch (op->cmd) {
	case KVM_DP_MMUEXT_PIN_L1_TABLE:
	case KVM_DP_MMUEXT_PIN_L2_TABLE:
	case KVM_DP_MMUEXT_PIN_L3_TABLE:
	case KVM_DP_MMUEXT_PIN_L4_TABLE:
		return dp_pin(call, op);
	case KVM_DP_MMUEXT_UNPIN_TABLE:
		return dp_unpin(call, op->arg1);
	default:
		return dp_page_op(call, op);
	}
}

/* The lock is for one operation: some of them must be called without it. */
static int dp_locked_op(struct kvm_dp_call *call, const struct kvm_dp_mmuext_op *op)
{
	int r;

	r = kvm_dp_enter(call);
	if (!r)
		r = dp_frame_op(call, op);
	return kvm_dp_leave(call, r);
}

/* As a write to CR3, which takes the lock only where it has to. */
static int dp_new_baseptr(struct kvm_dp_call *call, u64 mfn)
{
	struct kvm_vcpu *vcpu = call->vcpu;
	int r;

	do {
		r = kvm_dp_load_root(vcpu, mfn);
	} while (kvm_dp_again(call, r));
	if (r)
		return r;

	vcpu->arch.cr3 = mfn << PAGE_SHIFT;
	kvm_register_mark_dirty(vcpu, VCPU_EXREG_CR3);
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
	kvm_dp_flush_self(call, false, 0);

	/* The old table may have lost its last reference. */
	if (!READ_ONCE(call->dp->doomed_mfn))
		return 0;
	mutex_lock(&call->dp->lock);
	return kvm_dp_leave(call, 0);
}

static int dp_mmuext_one(struct kvm_dp_call *call, const struct kvm_dp_mmuext_op *op)
{
	switch (op->cmd) {
	case KVM_DP_MMUEXT_PIN_L1_TABLE:
	case KVM_DP_MMUEXT_PIN_L2_TABLE:
	case KVM_DP_MMUEXT_PIN_L3_TABLE:
	case KVM_DP_MMUEXT_PIN_L4_TABLE:
	case KVM_DP_MMUEXT_UNPIN_TABLE:
	case KVM_DP_MMUEXT_CLEAR_PAGE:
	case KVM_DP_MMUEXT_COPY_PAGE:
		return dp_locked_op(call, op);
	case KVM_DP_MMUEXT_NEW_BASEPTR:
		return dp_new_baseptr(call, op->arg1);
	case KVM_DP_MMUEXT_TLB_FLUSH_LOCAL:
	case KVM_DP_MMUEXT_INVLPG_LOCAL:
		kvm_dp_flush_self(call, op->cmd == KVM_DP_MMUEXT_INVLPG_LOCAL,
				  op->arg1);
		return 0;
	case KVM_DP_MMUEXT_TLB_FLUSH_MULTI:
	case KVM_DP_MMUEXT_INVLPG_MULTI:
		return dp_flush_multi(call, op);
	case KVM_DP_MMUEXT_TLB_FLUSH_ALL:
	case KVM_DP_MMUEXT_INVLPG_ALL:
		return dp_flush_all(call, op);
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL:
		/* For those who own devices. */
		return -EACCES;
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER:
		return -EOPNOTSUPP;
	case MMUEXT_SET_LDT:
	case MMUEXT_NEW_USER_BASEPTR:
		/*
		 * The guest is in ring 0: it executes LLDT, and U/S bits tell
		 * its kernel from its user space, so one root is enough.
		 */
	default:
		return -ENOSYS;
	}
}

int kvm_dp_mmuext_run(struct kvm_dp_call *call, const void *ops, u32 n, u32 *done)
{
	const struct kvm_dp_mmuext_op *op = ops;
	u32 i;
	int r;

	for (i = 0; i < n; i++) {
		if (!kvm_dp_may_begin(call))
			return -EAGAIN;

		r = dp_mmuext_one(call, &op[i]);
		kvm_dp_result(call, op[i].cmd, r);
		if (r)
			return r;

		call->begun = false;
		kvm_dp_charge(call, 1);
		++*done;
	}
	return 0;
}
