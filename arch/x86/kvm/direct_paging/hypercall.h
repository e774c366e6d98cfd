/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: one execution of a hypercall.
 *
 * A call that takes long is cut into executions: the guest executes the same
 * instruction again, with arguments that say what is left.  All state is in
 * these arguments and in the frames, so whoever comes along can go on with it.
 *
 * Inside, -EAGAIN means that the call has to continue.  No guest ever sees it.
 */
#ifndef __KVM_X86_DP_HYPERCALL_H
#define __KVM_X86_DP_HYPERCALL_H

#include <linux/sched/signal.h>

#include "dp.h"
#include "kvm_cache_regs.h"
#include "trace.h"

/* A sweep over a page costs about as much as that many checked entries. */
#define DP_PAGE_COST		64
/* So does asking other vCPUs to flush, and waiting for those that run. */
#define DP_FLUSH_COST		16

struct kvm_dp_call {
	struct kvm_vcpu *vcpu;
	struct kvm_dp *dp;
	u64 nr;
	/* As the guest passed them, and what is left of them on -EAGAIN. */
	u64 args[6];
	struct kvm_dp_budget budget;
	bool progress;		/* this execution has done something */
	bool continued;		/* not the first execution of a list */
	bool begun;		/* nor that of its next operation */
	bool draining;		/* tables are left that have to go */
	bool forwarded;		/* what is next is the VMM's to answer */
};

/* Runs operations of a list, and adds to @done those that succeeded. */
typedef int (*kvm_dp_run_t)(struct kvm_dp_call *call, const void *ops, u32 n,
			    u32 *done);

static inline bool kvm_dp_must_stop(const struct kvm_dp_call *call)
{
	return kvm_dp_is_spent(&call->budget) || signal_pending(current);
}

/* At least one operation in each execution, however late it is. */
static inline bool kvm_dp_may_begin(const struct kvm_dp_call *call)
{
	return !call->progress || !kvm_dp_must_stop(call);
}

static inline void kvm_dp_charge(struct kvm_dp_call *call, int entries)
{
	call->progress = true;
	call->budget.entries -= entries;
}

/* Does what returned @r go on in this execution?  Ends by the budget. */
static inline bool kvm_dp_again(struct kvm_dp_call *call, int r)
{
	if (r != -EAGAIN)
		return false;

	kvm_dp_charge(call, 1);
	return !kvm_dp_must_stop(call);
}

#define DP_WHOLE_CALL		U64_MAX

void kvm_dp_count_refused(struct kvm *kvm, u64 nr, long error);

/*
 * The result of each operation passes here, and that of each call for which
 * @op is DP_WHOLE_CALL: what refusals there are is seen in one place.
 */
static inline long kvm_dp_result(const struct kvm_dp_call *call, u64 op, long r)
{
	if (r == -EAGAIN)
		return r;

	trace_kvm_dp_hypercall(call->vcpu->vcpu_id, call->nr, op, r);
	if (op == DP_WHOLE_CALL && IS_ERR_VALUE(r))
		kvm_dp_count_refused(call->vcpu->kvm, call->nr, r);
	return r;
}

/* hypercall.c */
bool kvm_dp_is_range(u64 gva, u64 size);
int kvm_dp_copy_in(struct kvm_dp_call *call, u64 gva, void *to, u32 size);
int kvm_dp_copy_out(struct kvm_dp_call *call, u64 gva, const void *from,
		    u32 size);
int kvm_dp_check_domid(u64 domid);
int kvm_dp_enter(struct kvm_dp_call *call);
int kvm_dp_leave(struct kvm_dp_call *call, int r);
long kvm_dp_do_call(struct kvm_dp_call *call);

/* xen_pv.c */
bool kvm_dp_answer(struct kvm_dp_call *call, u64 *result);
void kvm_dp_forward_entry(struct kvm_dp_call *call);
int kvm_dp_pass_on(struct kvm_vcpu *vcpu, bool syscall);
int kvm_dp_skip_syscall(struct kvm_vcpu *vcpu);

static __always_inline void kvm_dp_read_args(struct kvm_vcpu *vcpu, u64 *args)
{
	args[0] = kvm_rdi_read(vcpu);
	args[1] = kvm_rsi_read(vcpu);
	args[2] = kvm_rdx_read(vcpu);
	args[3] = kvm_r10_read(vcpu);
	args[4] = kvm_r8_read(vcpu);
	args[5] = kvm_r9_read(vcpu);
}

static inline int kvm_dp_skip(struct kvm_vcpu *vcpu, bool syscall)
{
	return syscall ? kvm_dp_skip_syscall(vcpu) :
			 kvm_skip_emulated_instruction(vcpu);
}

static inline int kvm_dp_finish(struct kvm_vcpu *vcpu, bool syscall, s64 result)
{
	kvm_rax_write(vcpu, result);
	++vcpu->stat.hypercalls;
	return kvm_dp_skip(vcpu, syscall);
}

/* multicall.c */
int kvm_dp_multicall(struct kvm_dp_call *call);

/* mmuext.c */
int kvm_dp_mmuext_run(struct kvm_dp_call *call, const void *ops, u32 n,
		      u32 *done);
int kvm_dp_read_vcpus(struct kvm_dp_call *call, u64 gva, unsigned long *vcpus);
void kvm_dp_all_vcpus(struct kvm_dp_call *call, unsigned long *vcpus);
void kvm_dp_flush_vcpus(struct kvm_dp_call *call, unsigned long *vcpus,
			bool one, u64 va);
void kvm_dp_flush_self(struct kvm_dp_call *call, bool one, u64 va);

/* memory_op.c */
long kvm_dp_memory_op(struct kvm_dp_call *call);

#endif /* __KVM_X86_DP_HYPERCALL_H */
