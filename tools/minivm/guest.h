/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef MINIVM_GUEST_H
#define MINIVM_GUEST_H

#include "minivm.h"

/*
 * Memory of a hostile guest.  A frame may become a page table at any
 * time, and touching it would raise SIGBUS then: what the tool touches, it
 * holds; all else goes by calls that can fail.  False: errno says why.
 */
bool guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size);
bool guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size);
/* By linear address, in the tables of that vCPU, by its own thread. */
bool guest_read_va(struct vcpu *vcpu, uint64_t va, void *to, size_t size);
bool guest_write_va(struct vcpu *vcpu, uint64_t va, const void *from,
		    size_t size);
bool guest_translate(struct vcpu *vcpu, uint64_t va, uint64_t *gpa);
/* The frame's address here for as long as it is held; NULL: errno says why. */
void *guest_hold(struct vm *vm, uint64_t gfn, uint64_t npages, int *hold);
void guest_release(int hold);
/* By the tool's own list, which no guest can change; no mfn: ~0. */
uint64_t guest_mfn(struct vm *vm, uint64_t gfn);
bool guest_gfn(struct vm *vm, uint64_t mfn, uint64_t *gfn);

#endif
