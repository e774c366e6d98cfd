// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: control registers, and the root that the hardware walks.
 *
 * On SVM, an unpaged vCPU without nested paging accesses host physical memory.
 * Three layers stand in front of that, none of which trusts another: the
 * vendor module forces PG, PE and WP into the hardware's CR0; its CR3 is a
 * validated root, or a page of zeroes; and a vCPU that is not ready does not
 * run.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/string.h>
#include <linux/uaccess.h>

#include "dp.h"
#include "kvm_cache_regs.h"
#include "mmu.h"
#include "mmu/mmu_internal.h"
#include "x86.h"

#define DP_CR0_ON	(X86_CR0_PG | X86_CR0_PE | X86_CR0_WP)
#define DP_CR0_OFF	(X86_CR0_CD | X86_CR0_NW)

#define DP_EFER_ON	(EFER_LME | EFER_LMA | EFER_NX)
#define DP_EFER_ALLOWED	(DP_EFER_ON | EFER_SCE | EFER_FFXSR)

/* What a vCPU starts with: as Linux and Xen leave it to a 64-bit kernel. */
#define DP_START_CR0	(DP_CR0_ON | X86_CR0_AM | X86_CR0_NE | X86_CR0_ET | \
			 X86_CR0_MP)
#define DP_START_CR4	(X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT)

#define DP_START_CS	0x08
#define DP_START_DS	0x10

/* Types of segments, all of them accessed. */
#define DP_SEG_DATA	3
#define DP_SEG_CODE	11
#define DP_SEG_LDT	2
#define DP_SEG_TSS	11

bool kvm_dp_is_valid_cr0(struct kvm_vcpu *vcpu, unsigned long cr0)
{
	return (cr0 & (DP_CR0_ON | DP_CR0_OFF)) == DP_CR0_ON;
}

bool kvm_dp_is_valid_cr4(struct kvm_vcpu *vcpu, unsigned long cr4)
{
	return cr4 & X86_CR4_PAE && !(cr4 & ~KVM_DP_CR4_ALLOWED);
}

bool kvm_dp_is_valid_efer(struct kvm_vcpu *vcpu, u64 efer)
{
	return (efer & DP_EFER_ON) == DP_EFER_ON && !(efer & ~DP_EFER_ALLOWED);
}

/* The last look before the hardware gets the vCPU. */
bool kvm_dp_is_ready(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.dp_root_mfn &&
	       kvm_dp_is_valid_cr0(vcpu, kvm_read_cr0(vcpu)) &&
	       kvm_dp_is_valid_cr4(vcpu, kvm_read_cr4(vcpu)) &&
	       kvm_dp_is_valid_efer(vcpu, vcpu->arch.efer);
}
EXPORT_SYMBOL_GPL(kvm_dp_is_ready);

/*
 * CR3 holds a machine address.  No cache bits, as tables are mapped write-back
 * by the host, and none of the upper bits, which mean other modes of paging.
 *
 * As on bare metal, a load of the same root flushes too.
 */
int kvm_dp_set_cr3(struct kvm_vcpu *vcpu, unsigned long cr3)
{
	u64 mfn = kvm_dp_entry_mfn(cr3);
	int r;

	if (cr3 & ~DP_ENTRY_ADDR || !mfn)
		return -EINVAL;

	if (mfn != vcpu->arch.dp_root_mfn) {
		r = kvm_dp_load_root(vcpu, mfn);
		if (r)
			return r;
	}

	vcpu->arch.cr3 = cr3;
	kvm_register_mark_dirty(vcpu, VCPU_EXREG_CR3);
	kvm_make_request(KVM_REQ_LOAD_MMU_PGD, vcpu);
	kvm_make_request(KVM_REQ_TLB_FLUSH_GUEST, vcpu);
	return 0;
}

/*
 * The same where nothing may sleep.  False: it may have to, or it is wrong, and
 * kvm_dp_set_cr3() must follow.
 */
static bool dp_set_cr3_irqoff(struct kvm_vcpu *vcpu, unsigned long cr3)
{
	u64 mfn = kvm_dp_entry_mfn(cr3);

	if (cr3 & ~DP_ENTRY_ADDR || !mfn)
		return false;
	if (mfn != vcpu->arch.dp_root_mfn && !kvm_dp_switch_root(vcpu, mfn))
		return false;

	vcpu->arch.cr3 = cr3;
	kvm_register_mark_dirty(vcpu, VCPU_EXREG_CR3);
	return true;
}

/*
 * After an exit for a MOV from that register to CR3, with IRQs off, where the
 * CPU says what the next instruction is.  True: CR3 has changed, and the
 * instruction is skipped.  The caller tells the hardware, and flushes.
 */
bool kvm_dp_fastpath_cr3(struct kvm_vcpu *vcpu, int reg)
{
	bool done;

	lockdep_assert_irqs_disabled();

	/* A debugger wants to know of each instruction. */
	if (vcpu->guest_debug)
		return false;

	kvm_vcpu_srcu_read_lock(vcpu);
	done = dp_set_cr3_irqoff(vcpu, kvm_register_read(vcpu, reg));
	if (done)
		kvm_skip_emulated_instruction(vcpu);
	kvm_vcpu_srcu_read_unlock(vcpu);
	return done;
}
EXPORT_SYMBOL_GPL(kvm_dp_fastpath_cr3);

/*
 * For ioctls, which are not within kvm->srcu.  What the vCPU ran on before says
 * nothing about what it will run on.
 */
int kvm_dp_set_sregs_cr3(struct kvm_vcpu *vcpu, unsigned long cr3)
{
	int idx, r;

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	r = kvm_dp_set_cr3(vcpu, cr3);
	if (!r)
		kvm_dp_drop_targets(vcpu);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
	return r;
}

/*
 * The root of a parked vCPU is all zeroes: should it ever run, it stops at its
 * first access to memory.
 */
hpa_t kvm_dp_root(struct kvm_vcpu *vcpu)
{
	u64 mfn = READ_ONCE(vcpu->arch.dp_root_mfn);

	return mfn ? mfn << PAGE_SHIFT : kvm_mmu_get_dummy_root();
}

/*
 * Without a root, the vCPU stays parked until it is started.  Take the root
 * from the hardware first, it may not be a page table much longer.
 */
void kvm_dp_reset_vcpu(struct kvm_vcpu *vcpu)
{
	int idx;

	if (!vcpu->arch.dp_root_mfn) {
		/* It has not run: no translation is older. */
		if (!vcpu->arch.dp_exits)
			vcpu->arch.dp_flushed = __kvm_dp_generation(vcpu->kvm);
		return;
	}

	kvm_mmu_unload(vcpu);
	kvm_make_request(KVM_REQ_TLB_FLUSH, vcpu);

	idx = srcu_read_lock(&vcpu->kvm->srcu);
	kvm_dp_drop_root(vcpu);
	srcu_read_unlock(&vcpu->kvm->srcu, idx);
}

/* Page faults are the guest's own, none is intercepted. */
static int dp_page_fault(struct kvm_vcpu *vcpu, struct kvm_page_fault *fault)
{
	pr_err_ratelimited("page fault in a VM with direct paging\n");
	kvm_vm_bugged(vcpu->kvm);
	return -EIO;
}

void kvm_dp_init_mmu(struct kvm_vcpu *vcpu, union kvm_cpu_role cpu_role)
{
	struct kvm_mmu *mmu = &vcpu->arch.root_mmu;

	mmu->cpu_role.as_u64 = cpu_role.as_u64;
	mmu->root_role.word = cpu_role.base.word;
	mmu->page_fault = dp_page_fault;
	mmu->sync_spte = NULL;
	mmu->gva_to_gpa = kvm_dp_gva_to_gpa;
}

/*
 * The MMU's own root is a dummy: whoever looks at it takes it for a page of
 * the MMU, and a guest's frame is none.
 */
int kvm_dp_load_mmu(struct kvm_vcpu *vcpu)
{
	vcpu->arch.mmu->root.hpa = kvm_mmu_get_dummy_root();
	kvm_mmu_load_pgd(vcpu);
	kvm_x86_call(flush_tlb_current)(vcpu);
	return 0;
}

static struct kvm_segment dp_flat_segment(u16 selector, u8 type)
{
	return (struct kvm_segment){
		.limit = 0xffffffff,
		.selector = selector,
		.type = type,
		.present = 1,
		.s = 1,
		.g = 1,
		.l = type == DP_SEG_CODE,
		.db = type != DP_SEG_CODE,
	};
}

static int dp_start_sregs(struct kvm_vcpu *vcpu, u64 mfn)
{
	struct kvm_sregs2 sregs = {
		.cs = dp_flat_segment(DP_START_CS, DP_SEG_CODE),
		.ds = dp_flat_segment(DP_START_DS, DP_SEG_DATA),
		.es = dp_flat_segment(DP_START_DS, DP_SEG_DATA),
		.fs = dp_flat_segment(DP_START_DS, DP_SEG_DATA),
		.gs = dp_flat_segment(DP_START_DS, DP_SEG_DATA),
		.ss = dp_flat_segment(DP_START_DS, DP_SEG_DATA),
		/* VMX demands a busy TSS, even one that has no room. */
		.tr = { .limit = 0xffff, .type = DP_SEG_TSS, .present = 1 },
		.ldt = { .limit = 0xffff, .type = DP_SEG_LDT, .unusable = 1 },
		.cr0 = DP_START_CR0,
		.cr3 = mfn << PAGE_SHIFT,
		.cr4 = DP_START_CR4,
		.efer = DP_EFER_ON,
		.apic_base = vcpu->arch.apic_base,
	};

	return kvm_vcpu_ioctl_x86_set_sregs2(vcpu, &sregs);
}

static void dp_start_regs(struct kvm_vcpu *vcpu,
			  const struct kvm_x86_dp_start_vcpu *start)
{
	int reg;

	/* Nor what an instruction that was being emulated left. */
	vcpu->arch.emulate_regs_need_sync_from_vcpu = true;
	vcpu->arch.emulate_regs_need_sync_to_vcpu = false;

	for (reg = VCPU_REGS_RAX; reg <= VCPU_REGS_R15; reg++)
		kvm_register_write_raw(vcpu, reg, 0);

	kvm_rsp_write(vcpu, start->rsp);
	kvm_rsi_write(vcpu, start->rsi);
	kvm_rdi_write(vcpu, start->rdi);
	kvm_rip_write(vcpu, start->rip);
	kvm_set_rflags(vcpu, X86_EFLAGS_FIXED);
}

/* What the vCPU was about to do in its former life. */
static void dp_forget_events(struct kvm_vcpu *vcpu)
{
	kvm_clear_exception_queue(vcpu);
	kvm_clear_interrupt_queue(vcpu);
	vcpu->arch.nmi_injected = false;
	vcpu->arch.nmi_pending = 0;
	atomic_set(&vcpu->arch.nmi_queued, 0);
	kvm_x86_call(set_nmi_mask)(vcpu, false);
	kvm_x86_call(set_interrupt_shadow)(vcpu, 0);
	kvm_clear_request(KVM_REQ_TRIPLE_FAULT, vcpu);

	/* Do not finish an instruction that waited for the VMM. */
	vcpu->arch.complete_userspace_io = NULL;
	vcpu->arch.pio.count = 0;
	vcpu->mmio_needed = 0;
}

static int dp_start_vcpu(struct kvm_vcpu *vcpu,
			 const struct kvm_x86_dp_start_vcpu *start)
{
	struct kvm *kvm = vcpu->kvm;
	struct kvm_dp_ref ref;
	u64 mfn = 0;
	int idx, r;

	idx = srcu_read_lock(&kvm->srcu);
	if (kvm_dp_find_gfn(kvm->arch.dp, start->root_gfn, &ref))
		mfn = kvm_dp_mfn(ref.frame);
	srcu_read_unlock(&kvm->srcu, idx);
	if (!mfn)
		return -EINVAL;

	r = dp_start_sregs(vcpu, mfn);
	if (r)
		return r;

	dp_start_regs(vcpu, start);
	dp_forget_events(vcpu);
	vcpu->arch.mp_state = KVM_MP_STATE_RUNNABLE;
	kvm_make_request(KVM_REQ_EVENT, vcpu);
	return 0;
}

/* The vCPU is loaded, and its mutex held. */
long kvm_dp_vcpu_ioctl(struct kvm_vcpu *vcpu, unsigned int ioctl,
		       void __user *argp)
{
	struct kvm_x86_dp_start_vcpu start;

	if (ioctl != KVM_X86_DP_START_VCPU)
		return -EINVAL;

	if (copy_from_user(&start, argp, sizeof(start)))
		return -EFAULT;

	if (start.flags || memchr_inv(start.reserved, 0, sizeof(start.reserved)) ||
	    !__is_canonical_address(start.rip, DP_VA_BITS))
		return -EINVAL;

	return dp_start_vcpu(vcpu, &start);
}
