/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: what the auditor asks the hardware.
 */
#ifndef __KVM_X86_DP_AUDIT_H
#define __KVM_X86_DP_AUDIT_H

#include <linux/kvm_host.h>

/*
 * CR3 of the VMCB or VMCS, and the bits that switch nested paging on, those of
 * all entries so far.  The vCPU is loaded, and does not run.
 */
void kvm_dp_hw_state(struct kvm_vcpu *vcpu, u64 *cr3, u64 *nested);

#endif /* __KVM_X86_DP_AUDIT_H */
