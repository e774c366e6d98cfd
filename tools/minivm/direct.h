/* SPDX-License-Identifier: GPL-2.0-only */
/* What direct paging needs of KVM, for headers that are older than it. */
#ifndef MINIVM_DIRECT_H
#define MINIVM_DIRECT_H

#include <linux/kvm.h>
#include <asm/kvm_direct_paging.h>

#include "minivm.h"

#ifndef KVM_CREATE_GUEST_MEMFD
#define KVM_MEM_GUEST_MEMFD		(1UL << 2)
#define KVM_SET_USER_MEMORY_REGION2	\
	_IOW(KVMIO, 0x49, struct kvm_userspace_memory_region2)
#define KVM_CREATE_GUEST_MEMFD		\
	_IOWR(KVMIO, 0xd4, struct kvm_create_guest_memfd)

struct kvm_userspace_memory_region2 {
	__u32 slot;
	__u32 flags;
	__u64 guest_phys_addr;
	__u64 memory_size;
	__u64 userspace_addr;
	__u64 guest_memfd_offset;
	__u32 guest_memfd;
	__u32 pad1;
	__u64 pad2[14];
};

struct kvm_create_guest_memfd {
	__u64 size;
	__u64 flags;
	__u64 reserved[6];
};
#endif

#ifndef GUEST_MEMFD_FLAG_MMAP
#define GUEST_MEMFD_FLAG_MMAP		(1ULL << 0)
#define GUEST_MEMFD_FLAG_INIT_SHARED	(1ULL << 1)
#endif
#ifndef GUEST_MEMFD_FLAG_PAGE_TABLES
#define GUEST_MEMFD_FLAG_PAGE_TABLES	(1ULL << 62)
#endif

#ifndef KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG
#define KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG	0x5
/* A byte of the same union. */
#define runstate_update_flag	long_mode
#endif

#define PAGE_SIZE	4096UL
#define PAGE_SHIFT	12

#define PTE_P		0x01UL
#define PTE_RW		0x02UL
#define PTE_US		0x04UL
#define PTE_A		0x20UL
#define PTE_D		0x40UL

/* Frames whose machine numbers follow each other, sorted by gfn. */
struct extent {
	uint64_t gfn, mfn, npages;
};

/*
 * vm_direct.c: a VM whose own page tables the hardware walks.  Above its memory
 * are frames that can be page tables, then some that cannot.
 */
void vm_direct_create(struct vm *vm, uint64_t nr_table, uint64_t nr_data);
/* The machine frames of guest frames, as an array in guest memory. */
void vm_direct_p2m(struct vm *vm, uint64_t gfn, uint64_t npages, uint64_t gpa);
void vm_direct_start(struct vm *vm);
/* 0, or -errno. */
int vcpu_direct_start(struct vcpu *vcpu, uint64_t root_gfn, uint64_t rip,
		      uint64_t rsp, uint64_t rsi, uint64_t rdi);

/* plain_direct.c: boot.h's start in such a VM. */
void plain_direct_create(struct vm *vm);
void plain_direct_start(struct vm *vm);

static inline uint64_t pages(uint64_t bytes)
{
	return (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;
}

#endif
