/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Direct paging: what a VMM and a guest share with KVM.
 *
 * All numbers are private until the interface is merged: they are far above
 * those that KVM hands out.
 */
#ifndef _UAPI_ASM_X86_KVM_DIRECT_PAGING_H
#define _UAPI_ASM_X86_KVM_DIRECT_PAGING_H

#include <linux/types.h>

/* KVM_CREATE_VM's type; KVM_CHECK_EXTENSION on /dev/kvm and on a VM. */
#define KVM_X86_DIRECT_PAGING_VM	30
#define KVM_CAP_X86_DIRECT_PAGING	0x44500001

/* Slots that a VM with direct paging can have at a time. */
#define KVM_X86_DP_MAX_SLOTS		32

/*
 * VM: convert a tree of page tables, whose entries hold guest frame numbers,
 * to machine frame numbers, validate it, and pin its level-4 table.
 */
struct kvm_x86_dp_start {
	__u64 root_gfn;
	__u64 flags;		/* must be zero */
	__u64 reserved[6];	/* must be zero */
};

/* VM: write the machine frame numbers of guest frames into guest memory. */
struct kvm_x86_dp_p2m {
	__u64 gfn;
	__u64 npages;
	__u64 gpa;		/* of an array of npages __u64, 8-byte aligned */
	__u64 flags;		/* must be zero */
	__u64 reserved[4];	/* must be zero */
};

/*
 * VM: keep guest frames from becoming page tables.  Returns a file descriptor
 * that owns the references.
 */
struct kvm_x86_dp_hold {
	__u64 gfn;
	__u64 npages;
	__u64 flags;		/* must be zero */
	__u64 reserved[5];	/* must be zero */
};

/* VM: copy guest memory out, page tables included, which cannot be mapped. */
struct kvm_x86_dp_read {
	__u64 gpa;
	__u64 size;		/* in bytes */
	__u64 buffer;		/* user address */
	__u64 flags;		/* must be zero */
	__u64 reserved[4];	/* must be zero */
};

/*
 * vCPU: start in 64-bit mode, ring 0, flat segments, interrupts off, on a
 * validated level-4 table.
 */
struct kvm_x86_dp_start_vcpu {
	__u64 root_gfn;
	__u64 rip;
	__u64 rsp;
	__u64 rsi;
	__u64 rdi;
	__u64 flags;		/* must be zero */
	__u64 reserved[10];	/* must be zero */
};

/* VM: check all that direct paging keeps; see kvm.direct_paging_audit. */
struct kvm_x86_dp_audit {
	__u64 flags;		/* must be zero */
	__u64 errors;		/* broken invariants found */
	__u64 tables[4];	/* validated tables of level 1 to 4 */
	__u64 partial;		/* tables between data and validated */
	__u64 writable;		/* references by writable leaves and holds */
	__u64 readable;		/* references by read-only leaves */
	__u64 roots;		/* loaded by vCPUs */
	__u64 np_enabled;	/* nested paging seen on in any vCPU */
	char first[128];	/* the first broken invariant, in words */
	__u64 reserved[5];	/* must be zero */
};

#define KVM_X86_DP_START	_IOW(KVMIO, 0xe8, struct kvm_x86_dp_start)
#define KVM_X86_DP_P2M		_IOW(KVMIO, 0xe9, struct kvm_x86_dp_p2m)
#define KVM_X86_DP_HOLD		_IOW(KVMIO, 0xea, struct kvm_x86_dp_hold)
#define KVM_X86_DP_READ		_IOW(KVMIO, 0xeb, struct kvm_x86_dp_read)
#define KVM_X86_DP_START_VCPU	_IOW(KVMIO, 0xec, struct kvm_x86_dp_start_vcpu)
#define KVM_X86_DP_AUDIT	_IOWR(KVMIO, 0xed, struct kvm_x86_dp_audit)

/*
 * Hypercalls, numbered and called as Xen does on x86-64: number in RAX,
 * arguments in RDI, RSI, RDX, R10, R8, result in RAX.
 */
#define KVM_DP_HC_MMU_UPDATE		1
#define KVM_DP_HC_MEMORY_OP		12
#define KVM_DP_HC_MULTICALL		13
#define KVM_DP_HC_UPDATE_VA_MAPPING	14
#define KVM_DP_HC_MMUEXT_OP		26

#define KVM_DP_DOMID_SELF		0x7ff0
/* Set by KVM in a count to continue a call that was cut short. */
#define KVM_DP_PREEMPTED		(1U << 31)
/* Also: the first operation that is left has been begun. */
#define KVM_DP_BEGUN			(1U << 30)

/* The lowest two bits of kvm_dp_mmu_update.ptr. */
#define KVM_DP_NORMAL_PT_UPDATE		0
#define KVM_DP_MACHPHYS_UPDATE		1
#define KVM_DP_PT_UPDATE_PRESERVE_AD	2

struct kvm_dp_mmu_update {
	__u64 ptr;		/* machine address of the entry, and a command */
	__u64 val;
};

/* Flags of update_va_mapping. */
#define KVM_DP_UVMF_NONE		0UL
#define KVM_DP_UVMF_TLB_FLUSH		1UL
#define KVM_DP_UVMF_INVLPG		2UL
#define KVM_DP_UVMF_FLUSHTYPE_MASK	3UL
#define KVM_DP_UVMF_MULTI		0UL	/* or'ed with the bitmap's address */
#define KVM_DP_UVMF_LOCAL		0UL
#define KVM_DP_UVMF_ALL			(1UL << 2)

#define KVM_DP_MMUEXT_PIN_L1_TABLE	0
#define KVM_DP_MMUEXT_PIN_L2_TABLE	1
#define KVM_DP_MMUEXT_PIN_L3_TABLE	2
#define KVM_DP_MMUEXT_PIN_L4_TABLE	3
#define KVM_DP_MMUEXT_UNPIN_TABLE	4
#define KVM_DP_MMUEXT_NEW_BASEPTR	5
#define KVM_DP_MMUEXT_TLB_FLUSH_LOCAL	6
#define KVM_DP_MMUEXT_INVLPG_LOCAL	7
#define KVM_DP_MMUEXT_TLB_FLUSH_MULTI	8
#define KVM_DP_MMUEXT_INVLPG_MULTI	9
#define KVM_DP_MMUEXT_TLB_FLUSH_ALL	10
#define KVM_DP_MMUEXT_INVLPG_ALL	11
#define KVM_DP_MMUEXT_CLEAR_PAGE	16
#define KVM_DP_MMUEXT_COPY_PAGE		17

struct kvm_dp_mmuext_op {
	__u32 cmd;
	__u32 pad;
	__u64 arg1;		/* mfn, or linear address */
	__u64 arg2;		/* source mfn, or address of a vCPU bitmap */
};

struct kvm_dp_multicall_entry {
	__u64 op;
	__u64 result;
	__u64 args[6];
};

/* The window in which a guest reads the frame number of a machine frame. */
#define KVM_DP_M2P_BASE			0xffff800000000000ULL
#define KVM_DP_M2P_SLOT			256	/* of each level-4 table */
#define KVM_DP_HOST_SLOTS		16	/* 256 to 271 are the host's */

#endif /* _UAPI_ASM_X86_KVM_DIRECT_PAGING_H */
