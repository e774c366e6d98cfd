// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: Xen's hypercalls that change page tables.
 *
 * What a list operation means that is executed again, because an earlier
 * execution ended in the middle of it, and another vCPU came in between:
 *
 *  - PIN of a table that the other pinned at this level is done, and returns
 *    0.  If the other unpinned it, or turned it round half-way, it begins anew.
 *    At another level it fails as it would have at first.
 *  - mmu_update has not written its entry yet: it writes it now, after the
 *    other, as a slower vCPU would have.  A child that was half validated is
 *    advanced from where it is, or begun anew.
 *  - UNPIN, NEW_BASEPTR, flushes and page operations are never cut: they are
 *    either counted as done or not begun.  What UNPIN leaves to take apart is
 *    the VM's and goes with whichever call comes next.
 *
 * update_va_mapping is as mmu_update; its flush is part of the execution that
 * wrote the entry.
 */
#include <linux/kvm_host.h>

#include <xen/interface/xen.h>

#include "x86.h"
#include "hypercall.h"

/* Bytes of operations that are copied at once, before the lock. */
#define DP_CHUNK		1024

/* An entry's address has three bits to spare; Xen knows no command above 3. */
#define DP_UPDATE_CMD		GENMASK_ULL(2, 0)

/* Does not wrap, and has no end in the hole between the canonical halves. */
bool kvm_dp_is_range(u64 gva, u64 size)
{
	u64 last = gva + size - 1;

	if (!size)
		return true;

	return last >= gva && (s64)last >> 63 == (s64)gva >> 63 &&
	       __is_canonical_address(gva, DP_VA_BITS) &&
	       __is_canonical_address(last, DP_VA_BITS);
}

int kvm_dp_copy_in(struct kvm_dp_call *call, u64 gva, void *to, u32 size)
{
	if (!kvm_dp_is_range(gva, size))
		return -EFAULT;

	return kvm_dp_read_virt(call->vcpu, gva, to, size);
}

int kvm_dp_copy_out(struct kvm_dp_call *call, u64 gva, const void *from,
		    u32 size)
{
	if (!kvm_dp_is_range(gva, size))
		return -EFAULT;

	return kvm_dp_write_virt(call->vcpu, gva, from, size);
}

/* No guest may act on another, nor on the pseudo-domains of Xen. */
int kvm_dp_check_domid(u64 domid)
{
	if ((u32)domid == KVM_DP_DOMID_SELF)
		return 0;

	return (u32)domid > DOMID_FIRST_RESERVED ? -EPERM : -ESRCH;
}

static int dp_drain(struct kvm_dp_call *call)
{
	int r;

	if (likely(!call->dp->doomed_mfn))
		return 0;

	do {
		r = kvm_dp_drain(call->dp, &call->budget);
	} while (kvm_dp_again(call, r));

	return r;
}

/*
 * Take the lock, and finish what earlier calls began to take apart: tables
 * that are on their way down refuse what a guest may now ask for.
 */
int kvm_dp_enter(struct kvm_dp_call *call)
{
	mutex_lock(&call->dp->lock);
	return dp_drain(call);
}

/* Tables that lost their last reference are data when the call returns. */
int kvm_dp_leave(struct kvm_dp_call *call, int r)
{
	lockdep_assert_held(&call->dp->lock);

	if (r != -EAGAIN)
		call->draining = dp_drain(call) == -EAGAIN;
	mutex_unlock(&call->dp->lock);

	return r;
}

static int dp_machphys_update(struct kvm_dp_call *call, u64 mfn, u64 pfn)
{
	struct kvm_dp_frame *frame = kvm_dp_find_frame(&call->dp->targets, mfn);

	if (!frame)
		return -EINVAL;

	/* Not the guest's number, which a CPU may use ahead of the check. */
	kvm_dp_m2p_set(call->dp, kvm_dp_mfn(frame), pfn);
	kvm_dp_charge(call, 1);
	return 0;
}

static int dp_mmu_update_one(struct kvm_dp_call *call,
			     const struct kvm_dp_mmu_update *update)
{
	u64 maddr = update->ptr & ~DP_UPDATE_CMD;
	u64 cmd = update->ptr & DP_UPDATE_CMD;
	int r;

	switch (cmd) {
	case KVM_DP_NORMAL_PT_UPDATE:
	case KVM_DP_PT_UPDATE_PRESERVE_AD:
		do {
			r = kvm_dp_update(call->dp, maddr, update->val,
					  cmd == KVM_DP_PT_UPDATE_PRESERVE_AD,
					  &call->budget);
		} while (kvm_dp_again(call, r));
		return r;
	case KVM_DP_MACHPHYS_UPDATE:
		return dp_machphys_update(call, maddr >> PAGE_SHIFT,
					  update->val);
	default:
		/* Kept free for a command that clears the accessed bit. */
		return -ENOSYS;
	}
}

/* No more than a chunk of them, between two looks at who waits. */
static u32 dp_update_leaves(struct kvm_dp_call *call,
			    const struct kvm_dp_mmu_update *updates, u32 n,
			    u32 *done)
{
	u32 i;

	n = kvm_dp_update_leaves(call->dp, updates, n, &call->budget);
	call->progress |= n;
	*done += n;

	for (i = 0; trace_kvm_dp_hypercall_enabled() && i < n; i++)
		kvm_dp_result(call, updates[i].ptr & DP_UPDATE_CMD, 0);
	return n;
}

static int dp_mmu_update_run(struct kvm_dp_call *call, const void *ops, u32 n,
			     u32 *done)
{
	const struct kvm_dp_mmu_update *updates = ops;
	u32 i = 0;
	int r;

	r = kvm_dp_enter(call);
	for (; !r && i < n; i++) {
		i += dp_update_leaves(call, &updates[i], n - i, done);
		if (i == n)
			break;
		if (!kvm_dp_may_begin(call)) {
			r = -EAGAIN;
			break;
		}

		r = dp_mmu_update_one(call, &updates[i]);
		kvm_dp_result(call, updates[i].ptr & DP_UPDATE_CMD, r);
		if (r)
			break;

		call->progress = true;
		++*done;
	}
	return kvm_dp_leave(call, r);
}

/*
 * All operations are done, and what they took apart is not: Xen's form of that
 * is an empty list, with the result in place of the domain.  A guest that
 * makes it up gets back what it asked for.
 */
static int dp_end_list(struct kvm_dp_call *call)
{
	int r = (s32)call->args[3];

	if (kvm_dp_leave(call, kvm_dp_enter(call)) == -EAGAIN)
		return -EAGAIN;

	return r == -EAGAIN ? 0 : r;
}

static int dp_continue_list(struct kvm_dp_call *call, u64 list, u32 left)
{
	call->args[0] = list;
	call->args[1] = left | KVM_DP_PREEMPTED;
	if (call->begun)
		call->args[1] |= KVM_DP_BEGUN;
	return -EAGAIN;
}

/*
 * Count in the guest's memory how many operations succeeded, over all
 * executions.  Writing it first refuses what cannot be written before
 * anything is done.
 */
static int dp_begin_count(struct kvm_dp_call *call, u64 gva, u32 *total)
{
	if (!gva)
		return 0;
	if (call->continued && kvm_dp_copy_in(call, gva, total, sizeof(*total)))
		return -EFAULT;

	return kvm_dp_copy_out(call, gva, total, sizeof(*total));
}

static int dp_end_count(struct kvm_dp_call *call, u64 gva, u32 total, int r)
{
	int err;

	if (!gva)
		return r;

	err = kvm_dp_copy_out(call, gva, &total, sizeof(total));
	return r && r != -EAGAIN ? r : err ?: r;
}

/* (list, count, done_out, domain) of mmu_update and mmuext_op. */
static __always_inline int dp_do_list(struct kvm_dp_call *call,
				      kvm_dp_run_t run, size_t size)
{
	union {
		struct kvm_dp_mmu_update updates[DP_CHUNK /
					sizeof(struct kvm_dp_mmu_update)];
		struct kvm_dp_mmuext_op ops[DP_CHUNK /
					sizeof(struct kvm_dp_mmuext_op)];
	} chunk __uninitialized;	/* most lists are short */
	u32 count = call->args[1] & ~(KVM_DP_PREEMPTED | KVM_DP_BEGUN);
	u64 done_out = call->args[2];
	u64 list = call->args[0];
	u32 done = 0, total = 0;
	int r;

	call->continued = call->args[1] & KVM_DP_PREEMPTED;
	call->begun = call->args[1] & KVM_DP_BEGUN;
	call->draining = false;
	if (call->continued && !list && !count)
		return dp_end_list(call);

	r = kvm_dp_check_domid(call->args[3]);
	if (r)
		return r;
	if (!kvm_dp_is_range(list, count * size) ||
	    dp_begin_count(call, done_out, &total))
		return -EFAULT;

	while (!r && done < count) {
		u32 n = min_t(u32, count - done, DP_CHUNK / size);

		r = kvm_dp_read_virt(call->vcpu, list + done * size, &chunk,
				     n * size);
		if (!r)
			r = run(call, &chunk, n, &done);
	}

	r = dp_end_count(call, done_out, total + done, r);
	if (r == -EAGAIN)
		return dp_continue_list(call, list + done * size, count - done);
	if (call->draining) {
		call->args[3] = (u32)r;
		return dp_continue_list(call, 0, 0);
	}
	return r;
}

/* Not inlined: the chunk of one would be on the stack of all. */
static noinline int dp_mmu_update(struct kvm_dp_call *call)
{
	return dp_do_list(call, dp_mmu_update_run,
			  sizeof(struct kvm_dp_mmu_update));
}

static noinline int dp_mmuext_op(struct kvm_dp_call *call)
{
	return dp_do_list(call, kvm_dp_mmuext_run,
			  sizeof(struct kvm_dp_mmuext_op));
}

static int dp_write_va(struct kvm_dp_call *call, u64 va, u64 entry)
{
	int r;

	r = kvm_dp_enter(call);
	if (!r) {
		do {
			r = kvm_dp_update_va(call->vcpu, va, entry,
					     &call->budget);
		} while (kvm_dp_again(call, r));
	}
	return kvm_dp_leave(call, r);
}

/* The bitmap is read first: nothing is done if it cannot be. */
static noinline int dp_write_va_remote(struct kvm_dp_call *call, u64 va,
				       u64 entry, u64 where, bool one)
{
	DECLARE_BITMAP(vcpus, KVM_MAX_VCPUS);
	int r;

	if (where == KVM_DP_UVMF_ALL)
		kvm_dp_all_vcpus(call, vcpus);
	else if (kvm_dp_read_vcpus(call, where, vcpus))
		return -EFAULT;

	r = dp_write_va(call, va, entry);
	if (!r)
		kvm_dp_flush_vcpus(call, vcpus, one, va);
	return r;
}

/*
 * (address, entry, flags).  Level-1 entries only, so it drops no table, and
 * its flush is not kept waiting for those that others dropped.
 */
static int dp_update_va_mapping(struct kvm_dp_call *call)
{
	u64 va = call->args[0], entry = call->args[1], flags = call->args[2];
	u64 where = flags & ~KVM_DP_UVMF_FLUSHTYPE_MASK;
	u64 type = flags & KVM_DP_UVMF_FLUSHTYPE_MASK;
	bool one = type == KVM_DP_UVMF_INVLPG;
	int r;

	if (!__is_canonical_address(va, DP_VA_BITS))
		return -EINVAL;

	/* Xen takes both bits for neither. */
	if (type == KVM_DP_UVMF_NONE || type == KVM_DP_UVMF_FLUSHTYPE_MASK)
		return dp_write_va(call, va, entry);
	if (where)
		return dp_write_va_remote(call, va, entry, where, one);

	r = dp_write_va(call, va, entry);
	if (!r)
		kvm_dp_flush_self(call, one, va);
	return r;
}

static bool dp_is_own(u64 nr)
{
	switch (nr) {
	case KVM_DP_HC_MMU_UPDATE:
	case KVM_DP_HC_MEMORY_OP:
	case KVM_DP_HC_MULTICALL:
	case KVM_DP_HC_UPDATE_VA_MAPPING:
	case KVM_DP_HC_MMUEXT_OP:
		return true;
	default:
		return false;
	}
}

/* What is called by number is chosen by comparing, so nothing is indexed. */
long kvm_dp_do_call(struct kvm_dp_call *call)
{
	long r;

	switch (call->nr) {
	case KVM_DP_HC_MMU_UPDATE:
		r = dp_mmu_update(call);
		break;
	case KVM_DP_HC_MMUEXT_OP:
		r = dp_mmuext_op(call);
		break;
	case KVM_DP_HC_UPDATE_VA_MAPPING:
		r = dp_update_va_mapping(call);
		break;
	case KVM_DP_HC_MEMORY_OP:
		r = kvm_dp_memory_op(call);
		break;
	default:
		r = -ENOSYS;
		break;
	}
	return kvm_dp_result(call, DP_WHOLE_CALL, r);
}

/* What continues has no more than four arguments. */
static void dp_write_args(struct kvm_vcpu *vcpu, const u64 *args)
{
	kvm_rdi_write(vcpu, args[0]);
	kvm_rsi_write(vcpu, args[1]);
	kvm_rdx_write(vcpu, args[2]);
	kvm_r10_write(vcpu, args[3]);
}

/* Not inlined: calls of others should not pay for these variables. */
static noinline int dp_own_hypercall(struct kvm_vcpu *vcpu, bool syscall)
{
	struct kvm_dp_call call __uninitialized;
	long r;

	call.vcpu = vcpu;
	call.dp = vcpu->kvm->arch.dp;
	call.nr = kvm_rax_read(vcpu);
	call.budget = (struct kvm_dp_budget)DP_BUDGET;
	call.progress = false;
	call.continued = false;
	call.begun = false;
	call.draining = false;
	call.forwarded = false;
	kvm_dp_read_args(vcpu, call.args);

	if (kvm_x86_call(get_cpl)(vcpu))
		r = kvm_dp_result(&call, DP_WHOLE_CALL, -EPERM);
	else if (call.nr == KVM_DP_HC_MULTICALL)
		r = kvm_dp_multicall(&call);
	else
		r = kvm_dp_do_call(&call);

	if (r != -EAGAIN)
		return kvm_dp_finish(vcpu, syscall, r);

	/* RIP stays where it is: the guest executes the instruction again. */
	dp_write_args(vcpu, call.args);
	++vcpu->kvm->stat.dp_continuations;
	trace_kvm_dp_continue(vcpu->vcpu_id, call.nr,
			      DP_MAX_ENTRIES - call.budget.entries);
	return !call.forwarded;
}

static int dp_hypercall(struct kvm_vcpu *vcpu, bool syscall)
{
	if (dp_is_own(kvm_rax_read(vcpu)))
		return dp_own_hypercall(vcpu, syscall);

	return kvm_dp_pass_on(vcpu, syscall);
}

/* VMCALL and VMMCALL. */
int kvm_dp_hypercall(struct kvm_vcpu *vcpu)
{
	return dp_hypercall(vcpu, false);
}

int kvm_dp_handle_syscall(struct kvm_vcpu *vcpu)
{
	return dp_hypercall(vcpu, true);
}
