// SPDX-License-Identifier: GPL-2.0-only
/*
 * Xen's hypercalls of a guest in ring 0: how they come, and who answers.
 *
 * Page tables are KVM's part, in hypercall.c.  Events, timers and what else
 * KVM knows of Xen is in xen.c.  A call that neither answers goes to the VMM,
 * which plays the rest of Xen, and domain 0.
 *
 * The guest owns its descriptor tables, stacks and debug registers: what a
 * guest in ring 3 has to ask Xen for, it does by instructions.  These calls are
 * dead.  A VMM that answered them would have to lie, as it cannot do them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include <xen/interface/xen.h>
#include <xen/interface/sched.h>

#include "x86.h"
#include "../pv_sched.h"
#include "../trace.h"
#include "hypercall.h"
#include "lapic.h"
#include "pmu.h"
#include "xen.h"

#define DP_SYSCALL_LEN		2

static bool dp_is_dead(u64 nr)
{
	switch (nr) {
	case __HYPERVISOR_set_trap_table:
	case __HYPERVISOR_set_gdt:
	case __HYPERVISOR_stack_switch:
	case __HYPERVISOR_set_callbacks:
	case __HYPERVISOR_fpu_taskswitch:
	case __HYPERVISOR_set_debugreg:
	case __HYPERVISOR_get_debugreg:
	case __HYPERVISOR_update_descriptor:
	case __HYPERVISOR_iret:
	case __HYPERVISOR_set_segment_base:
	case __HYPERVISOR_nmi_op:
	case __HYPERVISOR_callback_op:
	/* Foreign tables, and all that Xen keeps for its own domain 0. */
	case __HYPERVISOR_update_va_mapping_otherdomain:
	case __HYPERVISOR_platform_op:
	case __HYPERVISOR_sysctl:
	case __HYPERVISOR_domctl:
		return true;
	default:
		return false;
	}
}

/* By somebody: KVM, or a VMM that asked for the rest. */
static bool dp_is_known(struct kvm *kvm, u64 nr)
{
	return kvm_xen_hypercall_enabled(kvm) && !dp_is_dead(nr);
}

void kvm_dp_count_refused(struct kvm *kvm, u64 nr, long error)
{
	u64 err = min_t(u64, -error, KVM_DP_NR_ERRORS - 1);

	/* The guest chose the number, and a VMM may have chosen the error. */
	nr = min_t(u64, nr, KVM_DP_NR_CALLS - 1);
	kvm->stat.dp_calls_refused[array_index_nospec(nr, KVM_DP_NR_CALLS)]++;
	kvm->stat.dp_call_errors[array_index_nospec(err, KVM_DP_NR_ERRORS)]++;
}

/*
 * Xen enables events and waits for one.  Here interrupts are what events come
 * by, so it is STI and HLT in one.
 */
static u64 dp_block(struct kvm_vcpu *vcpu)
{
	kvm_set_rflags(vcpu, kvm_get_rflags(vcpu) | X86_EFLAGS_IF);
	kvm_emulate_halt_noskip(vcpu);
	return 0;
}

/* False if it is for the VMM. */
bool kvm_dp_answer(struct kvm_dp_call *call, u64 *result)
{
	struct kvm_vcpu *vcpu = call->vcpu;

	if (!dp_is_known(vcpu->kvm, call->nr)) {
		*result = -ENOSYS;
		return true;
	}
	if (call->nr == __HYPERVISOR_sched_op &&
	    (u32)call->args[0] == SCHEDOP_block && lapic_in_kernel(vcpu)) {
		*result = dp_block(vcpu);
		return true;
	}

	return kvm_xen_handle_hypercall(vcpu, true, call->nr, call->args, result);
}

/*
 * The instruction faulted: no CPU says how long it is, and it would have left
 * the next RIP and RFLAGS in registers.
 */
int kvm_dp_skip_syscall(struct kvm_vcpu *vcpu)
{
	unsigned long rflags = kvm_get_rflags(vcpu) & ~X86_EFLAGS_RF;
	unsigned long rip = kvm_rip_read(vcpu) + DP_SYSCALL_LEN;

	kvm_rcx_write(vcpu, rip);
	kvm_r11_write(vcpu, rflags);
	kvm_set_rflags(vcpu, rflags);
	kvm_rip_write(vcpu, rip);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	kvm_pmu_trigger_event(vcpu, kvm_pmu_eventsel.INSTRUCTIONS_RETIRED);
	return 1;
}

#ifdef CONFIG_KVM_XEN
/* A VMM that moved the vCPU elsewhere has taken care of it. */
static bool dp_is_answered(struct kvm_vcpu *vcpu, u64 *result)
{
	struct kvm_dp_call call = {
		.vcpu = vcpu,
		.nr = vcpu->run->xen.u.hcall.input,
	};

	if (!kvm_is_linear_rip(vcpu, vcpu->arch.xen.hypercall_rip))
		return false;

	*result = kvm_dp_result(&call, DP_WHOLE_CALL,
				vcpu->run->xen.u.hcall.result);
	return true;
}

static int dp_complete(struct kvm_vcpu *vcpu, bool syscall)
{
	u64 result;

	if (!dp_is_answered(vcpu, &result))
		return 1;

	return kvm_dp_finish(vcpu, syscall, result);
}

static int dp_complete_syscall(struct kvm_vcpu *vcpu)
{
	return dp_complete(vcpu, true);
}

static int dp_complete_vmcall(struct kvm_vcpu *vcpu)
{
	return dp_complete(vcpu, false);
}

/*
 * The list's registers say which entry this was, as after any cut.  With its
 * result there, go on behind it; it may have been the last, of which nothing
 * is left to do.
 */
static int dp_complete_multicall(struct kvm_vcpu *vcpu)
{
	u64 entry = kvm_rdi_read(vcpu);
	struct kvm_dp_call call = { .vcpu = vcpu, .dp = vcpu->kvm->arch.dp };
	u64 result;

	if (!dp_is_answered(vcpu, &result))
		return 1;

	/* If that fails, executing the list again does, and says so. */
	if (kvm_dp_copy_out(&call, entry +
			    offsetof(struct kvm_dp_multicall_entry, result),
			    &result, sizeof(result)))
		return 1;

	kvm_rdi_write(vcpu, entry + sizeof(struct kvm_dp_multicall_entry));
	kvm_rsi_write(vcpu, (u32)kvm_rsi_read(vcpu) - 1);
	return 1;
}

void kvm_dp_forward_entry(struct kvm_dp_call *call)
{
	struct kvm_vcpu *vcpu = call->vcpu;

	kvm_xen_forward_hypercall(vcpu, true, 0, call->nr, call->args);
	vcpu->arch.complete_userspace_io = dp_complete_multicall;
}

static int dp_forward(struct kvm_dp_call *call, bool syscall)
{
	struct kvm_vcpu *vcpu = call->vcpu;

	kvm_xen_forward_hypercall(vcpu, true, 0, call->nr, call->args);
	vcpu->arch.complete_userspace_io = syscall ? dp_complete_syscall :
						     dp_complete_vmcall;
	return 0;
}
#else
void kvm_dp_forward_entry(struct kvm_dp_call *call)
{
}

static int dp_forward(struct kvm_dp_call *call, bool syscall)
{
	return kvm_dp_finish(call->vcpu, syscall, -ENOSYS);
}
#endif

static noinline int dp_ask(struct kvm_vcpu *vcpu, u64 nr, bool syscall)
{
	struct kvm_dp_call call __uninitialized;
	u64 *args = call.args;
	u64 result;

	call.vcpu = vcpu;
	call.dp = vcpu->kvm->arch.dp;
	call.nr = nr;
	kvm_dp_read_args(vcpu, args);
	trace_kvm_xen_hypercall(0, nr, args[0], args[1], args[2], args[3],
				args[4], args[5]);
	if (!kvm_dp_answer(&call, &result))
		return dp_forward(&call, syscall);

	return kvm_dp_finish(vcpu, syscall,
			     kvm_dp_result(&call, DP_WHOLE_CALL, result));
}

/* KVM's own hypercalls do not exist: their numbers are Xen's, and taken. */
int kvm_dp_pass_on(struct kvm_vcpu *vcpu, bool syscall)
{
	u64 nr = kvm_rax_read(vcpu);
	long error;

	if (kvm_x86_pv_sched_xen_hypercall(vcpu))
		return kvm_dp_skip(vcpu, syscall);

	if (kvm_x86_call(get_cpl)(vcpu))
		error = -EPERM;
	else if (!dp_is_known(vcpu->kvm, nr))
		error = -ENOSYS;
	else
		return dp_ask(vcpu, nr, syscall);

	trace_kvm_dp_hypercall(vcpu->vcpu_id, nr, DP_WHOLE_CALL, error);
	kvm_dp_count_refused(vcpu->kvm, nr, error);
	return kvm_dp_finish(vcpu, syscall, error);
}

/*
 * A guest that has not turned on system calls of its own yet calls Xen by
 * SYSCALL.  If the next RIP is not canonical, leave it to be a fault: nothing
 * can be done about it any more when the call is done.
 */
bool kvm_dp_is_syscall(struct kvm_vcpu *vcpu)
{
	static const u8 opcode[DP_SYSCALL_LEN] = { 0x0f, 0x05 };
	unsigned long rip = kvm_rip_read(vcpu);
	struct x86_exception e;
	u8 insn[DP_SYSCALL_LEN];

	if (!kvm_is_direct_paging(vcpu->kvm) ||
	    vcpu->arch.efer & EFER_SCE ||
	    !is_64_bit_mode(vcpu) ||
	    kvm_x86_call(get_cpl)(vcpu) ||
	    !__is_canonical_address(rip + DP_SYSCALL_LEN, DP_VA_BITS))
		return false;

	return !kvm_read_guest_virt(vcpu, rip, insn, sizeof(insn), &e) &&
	       !memcmp(insn, opcode, sizeof(insn));
}
