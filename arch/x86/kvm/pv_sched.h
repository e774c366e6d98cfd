/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_PV_SCHED_H
#define __KVM_X86_PV_SCHED_H

#include <linux/kvm_pv_sched.h>

int kvm_x86_pv_sched_hypercall(struct kvm_vcpu *vcpu, unsigned long nr,
			       unsigned long a0, unsigned long a1,
			       unsigned long a2, unsigned long a3);
bool __kvm_x86_pv_sched_xen_hypercall(struct kvm_vcpu *vcpu);

void __kvm_x86_pv_sched_irq(struct kvm_vcpu *vcpu, u8 vector);
void __kvm_x86_pv_sched_accepted(struct kvm_vcpu *vcpu, u8 vector);
void __kvm_x86_pv_sched_stimer(struct kvm_vcpu *vcpu, unsigned int index);
void __kvm_x86_pv_sched_timer(struct kvm_vcpu *vcpu);
void __kvm_x86_pv_sched_pic(struct kvm_vcpu *vcpu);
void __kvm_x86_pv_sched_xen(struct kvm_vcpu *vcpu);
void __kvm_x86_pv_sched_apf(struct kvm_vcpu *vcpu);
void __kvm_x86_pv_sched_injected(struct kvm_vcpu *vcpu,
				 enum kvm_pv_sched_reason reason, u8 vector);
bool __kvm_x86_pv_sched_wait_timer(struct kvm_vcpu *vcpu);

/* A hypercall of a guest that speaks Xen's ABI.  True if it was one of these. */
static inline bool kvm_x86_pv_sched_xen_hypercall(struct kvm_vcpu *vcpu)
{
	return kvm_has_pv_sched(vcpu) && __kvm_x86_pv_sched_xen_hypercall(vcpu);
}

/* The local APIC accepted an interrupt; any context but NMI. */
static inline void kvm_x86_pv_sched_accepted(struct kvm_vcpu *vcpu, u8 vector)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_accepted(vcpu, vector);
}

/* An interrupt waits for the vCPU elsewhere; any context but NMI. */
static inline void kvm_x86_pv_sched_irq(struct kvm_vcpu *vcpu, u8 vector)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_irq(vcpu, vector);
}

/* The PIC's output rose; its vector is known only when it is taken. */
static inline void kvm_x86_pv_sched_pic(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_pic(vcpu);
}

/* A Xen event channel or timer fired. */
static inline void kvm_x86_pv_sched_xen(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_xen(vcpu);
}

/* A page that the guest was told to wait for is there. */
static inline void kvm_x86_pv_sched_apf(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_apf(vcpu);
}

/* A SynIC timer fired. */
static inline void kvm_x86_pv_sched_stimer(struct kvm_vcpu *vcpu,
					   unsigned int index)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_stimer(vcpu, index);
}

/* The local APIC's timer expired. */
static inline void kvm_x86_pv_sched_timer(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_timer(vcpu);
}

static inline void kvm_x86_pv_sched_nmi(struct kvm_vcpu *vcpu)
{
	kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_NMI);
}

/* The vCPU takes it now, whatever held it back until here. */
static inline void kvm_x86_pv_sched_injected(struct kvm_vcpu *vcpu,
					     enum kvm_pv_sched_reason reason,
					     u8 vector)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_x86_pv_sched_injected(vcpu, reason, vector);
}

/*
 * A timer that was armed early, see kvm_arch_pv_sched_preempted(), must not be
 * seen early.  Return false if it is not due and was armed again.
 */
static inline bool kvm_x86_pv_sched_wait_timer(struct kvm_vcpu *vcpu)
{
	return !kvm_has_pv_sched(vcpu) || __kvm_x86_pv_sched_wait_timer(vcpu);
}

#endif /* __KVM_X86_PV_SCHED_H */
