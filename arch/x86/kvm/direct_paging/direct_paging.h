/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: what the rest of KVM calls.  Callers need no #ifdef, and pay
 * a nop each while no VM of the host has direct paging, and one test of a
 * pointer otherwise.
 */
#ifndef __KVM_X86_DIRECT_PAGING_H
#define __KVM_X86_DIRECT_PAGING_H

#include <linux/jump_label_ratelimit.h>
#include <linux/kvm_host.h>

struct kvm_cpuid_entry2;
struct kvm_sregs;
struct x86_exception;

#ifdef CONFIG_KVM_DIRECT_PAGING
/* On from before the first such VM has its state until after the last had. */
extern struct static_key_false_deferred kvm_has_direct_paging;

static inline bool kvm_is_direct_paging(struct kvm *kvm)
{
	return static_branch_unlikely(&kvm_has_direct_paging.key) &&
	       kvm->arch.dp;
}

/* The guest asked for what it cannot have: INIT, SIPI, SMI. */
static inline bool kvm_dp_ignores_event(struct kvm_vcpu *vcpu)
{
	if (!kvm_is_direct_paging(vcpu->kvm))
		return false;

	vcpu->stat.dp_ignored++;
	return true;
}

void kvm_dp_note_switch(struct kvm_vcpu *vcpu, unsigned long cr3);

/*
 * At each exit, with IRQs off: what the vCPU ran on, said by the hardware.
 * The guest may have switched to a CR3 target.  Also proves to tests and to
 * the auditor that the mode is what it says.
 */
static inline void kvm_dp_note_hw(struct kvm_vcpu *vcpu, unsigned long cr3,
				  bool nested)
{
	if (unlikely(cr3 != vcpu->arch.dp_root_mfn << PAGE_SHIFT))
		kvm_dp_note_switch(vcpu, cr3);
	vcpu->arch.dp_hw_nested |= nested;
	vcpu->arch.dp_exits++;
}

/*
 * Around a flush of all translations that was asked for: begin before the
 * request is cleared, end after the flush.  Only the auditor reads this, so
 * it knows that what was asked for was done.
 */
static inline void kvm_dp_begin_flush(struct kvm_vcpu *vcpu)
{
	if (kvm_is_direct_paging(vcpu->kvm) &&
	    kvm_test_request(KVM_REQ_TLB_FLUSH, vcpu))
		WRITE_ONCE(vcpu->arch.dp_flushing, true);
}

u64 __kvm_dp_generation(struct kvm *kvm);

static inline u64 kvm_dp_generation(struct kvm *kvm)
{
	return kvm_is_direct_paging(kvm) ? __kvm_dp_generation(kvm) : 0;
}

static inline void kvm_dp_end_flush(struct kvm_vcpu *vcpu, u64 generation)
{
	if (!kvm_is_direct_paging(vcpu->kvm))
		return;

	WRITE_ONCE(vcpu->arch.dp_flushed, generation);
	/* Who sees that it is over also sees what was flushed. */
	smp_store_release(&vcpu->arch.dp_flushing, false);
}
#else
static inline bool kvm_is_direct_paging(struct kvm *kvm)
{
	return false;
}

static inline bool kvm_dp_ignores_event(struct kvm_vcpu *vcpu)
{
	return false;
}

static inline void kvm_dp_note_hw(struct kvm_vcpu *vcpu, unsigned long cr3,
				  bool nested)
{
}

static inline void kvm_dp_begin_flush(struct kvm_vcpu *vcpu)
{
}

static inline void kvm_dp_end_flush(struct kvm_vcpu *vcpu, u64 generation)
{
}

static inline u64 kvm_dp_generation(struct kvm *kvm)
{
	return 0;
}
#endif

/*
 * A whitelist: what is new in CR4 can change what the hardware takes a page
 * table for, or what it lets a guest write to.
 */
#define KVM_DP_CR4_ALLOWED						\
	(X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE |		\
	 X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR |	\
	 X86_CR4_OSXMMEXCPT | X86_CR4_UMIP | X86_CR4_FSGSBASE |		\
	 X86_CR4_OSXSAVE | X86_CR4_SMEP | X86_CR4_SMAP)

/* vm.c */
bool kvm_dp_supported(void);
void kvm_dp_setup(void);
int kvm_dp_init_vm(struct kvm *kvm);
void kvm_dp_pre_destroy_vm(struct kvm *kvm);
void kvm_dp_destroy_vm(struct kvm *kvm);
long kvm_dp_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp);

/* region.c */
int kvm_dp_prepare_memslot(struct kvm *kvm, struct kvm_memory_slot *new,
			   enum kvm_mr_change change);
void kvm_dp_free_memslot(struct kvm *kvm, struct kvm_memory_slot *slot);

/* vcpu.c */
long kvm_dp_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl,
		       void __user *argp);
int kvm_dp_set_cr3(struct kvm_vcpu *vcpu, unsigned long cr3);
bool kvm_dp_fastpath_cr3(struct kvm_vcpu *vcpu, int reg);
int kvm_dp_set_sregs_cr3(struct kvm_vcpu *vcpu, unsigned long cr3);
bool kvm_dp_is_valid_cr0(struct kvm_vcpu *vcpu, unsigned long cr0);
bool kvm_dp_is_valid_cr4(struct kvm_vcpu *vcpu, unsigned long cr4);
bool kvm_dp_is_valid_efer(struct kvm_vcpu *vcpu, u64 efer);
bool kvm_dp_is_ready(struct kvm_vcpu *vcpu);
void kvm_dp_reset_vcpu(struct kvm_vcpu *vcpu);
void kvm_dp_init_mmu(struct kvm_vcpu *vcpu, union kvm_cpu_role cpu_role);
int kvm_dp_load_mmu(struct kvm_vcpu *vcpu);
hpa_t kvm_dp_root(struct kvm_vcpu *vcpu);

/* root.c: CR3 targets, for VMX */
void kvm_dp_setup_targets(unsigned int nr);
unsigned int kvm_dp_cr3_targets(struct kvm_vcpu *vcpu, unsigned long *cr3s);

/* refuse.c */
bool kvm_dp_refuses_cap(long cap);
bool kvm_dp_refuses_vm_ioctl(unsigned int ioctl);
bool kvm_dp_refuses_vcpu_ioctl(unsigned int ioctl);
void kvm_dp_mask_cpuid(struct kvm_cpuid_entry2 *entries, int nent);

/* walk.c */
gpa_t kvm_dp_gva_to_gpa(struct kvm_vcpu *vcpu, struct kvm_mmu *mmu, gpa_t gva,
			u64 access, struct x86_exception *exception);

/* hypercall.c */
int kvm_dp_hypercall(struct kvm_vcpu *vcpu);
bool kvm_dp_is_syscall(struct kvm_vcpu *vcpu);
int kvm_dp_handle_syscall(struct kvm_vcpu *vcpu);

#endif /* __KVM_X86_DIRECT_PAGING_H */
