// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: what a VMM cannot have in such a VM, and what its guest does
 * not see in CPUID.
 *
 * What is asked for by a call gets an error at that call.  What needs real
 * mode (SMM, the VMX TSS and identity map), another set of page tables (nested
 * virtualization, Hyper-V's flushes), faults that KVM would see (read-only
 * memory, dirty logging, asynchronous page faults), or memory whose content or
 * cache mode is not the host's (encryption, non-coherent DMA) is here.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm.h>

#include "dp.h"
#include "reverse_cpuid.h"

bool kvm_dp_refuses_cap(long cap)
{
	switch (cap) {
	case KVM_CAP_SET_TSS_ADDR:
	case KVM_CAP_SET_IDENTITY_MAP_ADDR:
	case KVM_CAP_X86_SMM:
	case KVM_CAP_NESTED_STATE:
	case KVM_CAP_READONLY_MEM:
	case KVM_CAP_ASYNC_PF:
	case KVM_CAP_ASYNC_PF_INT:
	case KVM_CAP_PRE_FAULT_MEMORY:
	case KVM_CAP_SMALLER_MAXPHYADDR:
	case KVM_CAP_VM_COPY_ENC_CONTEXT_FROM:
	case KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM:
	case KVM_CAP_HYPERV:
	case KVM_CAP_HYPERV_VAPIC:
	case KVM_CAP_HYPERV_SPIN:
	case KVM_CAP_HYPERV_TIME:
	case KVM_CAP_HYPERV_SYNIC:
	case KVM_CAP_HYPERV_SYNIC2:
	case KVM_CAP_HYPERV_VP_INDEX:
	case KVM_CAP_HYPERV_EVENTFD:
	case KVM_CAP_HYPERV_TLBFLUSH:
	case KVM_CAP_HYPERV_SEND_IPI:
	case KVM_CAP_HYPERV_CPUID:
	case KVM_CAP_HYPERV_ENFORCE_CPUID:
	case KVM_CAP_HYPERV_DIRECT_TLBFLUSH:
	case KVM_CAP_HYPERV_ENLIGHTENED_VMCS:
		return true;
	default:
		return false;
	}
}

bool kvm_dp_refuses_vm_ioctl(unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_SET_TSS_ADDR:
	case KVM_SET_IDENTITY_MAP_ADDR:
	case KVM_MEMORY_ENCRYPT_OP:
	case KVM_MEMORY_ENCRYPT_REG_REGION:
	case KVM_MEMORY_ENCRYPT_UNREG_REGION:
	case KVM_HYPERV_EVENTFD:
		return true;
	default:
		return false;
	}
}

bool kvm_dp_refuses_vcpu_ioctl(unsigned int ioctl)
{
	switch (ioctl) {
	case KVM_SMI:
	case KVM_GET_NESTED_STATE:
	case KVM_SET_NESTED_STATE:
		return true;
	default:
		return false;
	}
}

/* A device behind VFIO may not snoop, and could change what is cached. */
bool kvm_arch_refuses_device(struct kvm *kvm, u32 type)
{
	return kvm_is_direct_paging(kvm) && type == KVM_DEV_TYPE_VFIO;
}

static void dp_mask_leaf_7(struct kvm_cpuid_entry2 *entry)
{
	if (entry->index == 1) {
		cpuid_entry_clear(entry, X86_FEATURE_FRED);
		cpuid_entry_clear(entry, X86_FEATURE_LAM);
		return;
	}
	if (entry->index)
		return;

	cpuid_entry_clear(entry, X86_FEATURE_INTEL_PT);
	cpuid_entry_clear(entry, X86_FEATURE_PKU);
	cpuid_entry_clear(entry, X86_FEATURE_LA57);
	cpuid_entry_clear(entry, X86_FEATURE_SHSTK);
	cpuid_entry_clear(entry, X86_FEATURE_IBT);
}

/* Bits of CR4 and EFER that would be refused, and memory types. */
void kvm_dp_mask_cpuid(struct kvm_cpuid_entry2 *entries, int nent)
{
	struct kvm_cpuid_entry2 *entry;

	for (entry = entries; entry < entries + nent; entry++) {
		switch (entry->function) {
		case 1:
			cpuid_entry_clear(entry, X86_FEATURE_VMX);
			cpuid_entry_clear(entry, X86_FEATURE_PCID);
			cpuid_entry_clear(entry, X86_FEATURE_VME);
			cpuid_entry_clear(entry, X86_FEATURE_PAT);
			break;
		case 7:
			dp_mask_leaf_7(entry);
			break;
		case 0x80000001:
			cpuid_entry_clear(entry, X86_FEATURE_SVM);
			/* AMD repeats leaf 1's VME and PAT here. */
			entry->edx &= ~(feature_bit(VME) | feature_bit(PAT));
			break;
		}
	}
}
