// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory of a guest that may make a page table of any frame at any time: what
 * is not held is reached by calls that fail, never by a load or a store.
 */
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "direct.h"
#include "guest.h"

/* A linear address maps page by page. */
static size_t in_page(uint64_t addr, size_t size)
{
	size_t left = PAGE_SIZE - (addr & (PAGE_SIZE - 1));

	return size < left ? size : left;
}

bool guest_read(struct vm *vm, uint64_t gpa, void *to, size_t size)
{
	struct kvm_x86_dp_read read = {
		.gpa = gpa, .size = size, .buffer = (uintptr_t)to,
	};

	while (ioctl(vm->fd, KVM_X86_DP_READ, &read))
		if (errno != EINTR)
			return false;
	return true;
}

static bool write_page(struct vm *vm, uint64_t gpa, const void *from,
		       size_t size)
{
	uint8_t *page;
	int hold;

	page = guest_hold(vm, gpa >> PAGE_SHIFT, 1, &hold);
	if (!page)
		return false;
	memcpy(page + (gpa & (PAGE_SIZE - 1)), from, size);
	guest_release(hold);
	return true;
}

bool guest_write(struct vm *vm, uint64_t gpa, const void *from, size_t size)
{
	const char *p = from;
	size_t n;

	for (; size; size -= n, gpa += n, p += n) {
		n = in_page(gpa, size);
		if (!write_page(vm, gpa, p, n))
			return false;
	}
	return true;
}

bool guest_translate(struct vcpu *vcpu, uint64_t va, uint64_t *gpa)
{
	struct kvm_translation tr = { .linear_address = va };

	if (ioctl(vcpu->fd, KVM_TRANSLATE, &tr))
		return false;
	errno = EFAULT;
	*gpa = tr.physical_address;
	return tr.valid;
}

bool guest_read_va(struct vcpu *vcpu, uint64_t va, void *to, size_t size)
{
	uint64_t gpa;
	char *p = to;
	size_t n;

	for (; size; size -= n, va += n, p += n) {
		n = in_page(va, size);
		if (!guest_translate(vcpu, va, &gpa) ||
		    !guest_read(vcpu->vm, gpa, p, n))
			return false;
	}
	return true;
}

bool guest_write_va(struct vcpu *vcpu, uint64_t va, const void *from,
		    size_t size)
{
	const char *p = from;
	uint64_t gpa;
	size_t n;

	for (; size; size -= n, va += n, p += n) {
		n = in_page(va, size);
		if (!guest_translate(vcpu, va, &gpa) ||
		    !guest_write(vcpu->vm, gpa, p, n))
			return false;
	}
	return true;
}

void *guest_hold(struct vm *vm, uint64_t gfn, uint64_t npages, int *hold)
{
	struct kvm_x86_dp_hold args = { .gfn = gfn, .npages = npages };

	*hold = ioctl(vm->fd, KVM_X86_DP_HOLD, &args);
	return *hold < 0 ? NULL : vm->mem + (gfn << PAGE_SHIFT);
}

void guest_release(int hold)
{
	if (hold >= 0)
		close(hold);
}

uint64_t guest_mfn(struct vm *vm, uint64_t gfn)
{
	unsigned int low = 0, high = vm->nr_extents, mid;
	const struct extent *e;

	while (low < high) {
		mid = (low + high) / 2;
		e = &vm->extents[mid];
		if (gfn < e->gfn)
			high = mid;
		else if (gfn - e->gfn < e->npages)
			return e->mfn + (gfn - e->gfn);
		else
			low = mid + 1;
	}
	return ~0ULL;
}

static int compare_mfn(const void *key, const void *extent)
{
	const struct extent *e = extent;
	uint64_t mfn = *(const uint64_t *)key;

	return mfn < e->mfn ? -1 : mfn - e->mfn >= e->npages;
}

/* Where memory is in pieces there can be as many as pages. */
bool guest_gfn(struct vm *vm, uint64_t mfn, uint64_t *gfn)
{
	const struct extent *e = bsearch(&mfn, vm->by_mfn, vm->nr_extents,
					 sizeof(*e), compare_mfn);

	if (e)
		*gfn = e->gfn + (mfn - e->mfn);
	return e;
}
