// SPDX-License-Identifier: GPL-2.0-only
/* Memory of the guest, as one of its vCPUs sees it. */
#include <errno.h>
#include <string.h>

#include "../direct.h"
#include "../guest.h"
#include "gdb.h"

/* In an ordinary VM it is the tool's own, from 0 up. */
static bool is_memory(struct vm *vm, uint64_t gpa, size_t size)
{
	return gpa < vm->mem_size && size <= vm->mem_size - gpa;
}

bool memory_read_physical(struct vm *vm, uint64_t gpa, void *to, size_t size)
{
	if (vm->direct)
		return guest_read(vm, gpa, to, size);
	if (!is_memory(vm, gpa, size))
		return false;
	memcpy(to, vm->mem + gpa, size);
	return true;
}

bool memory_write_physical(struct vm *vm, uint64_t gpa, const void *from,
			   size_t size)
{
	if (vm->direct)
		return guest_write(vm, gpa, from, size);
	if (!is_memory(vm, gpa, size))
		return false;
	memcpy(vm->mem + gpa, from, size);
	return true;
}

/* A linear address maps page by page. */
static size_t in_page(uint64_t va, size_t size)
{
	size_t left = PAGE_SIZE - (va & (PAGE_SIZE - 1));

	return size < left ? size : left;
}

size_t memory_read(struct gdb *gdb, struct vcpu *vcpu, uint64_t va,
		   uint8_t *to, size_t size)
{
	size_t done, n;
	uint64_t gpa;

	for (done = 0; done < size; done += n) {
		n = in_page(va + done, size - done);
		if (!guest_translate(vcpu, va + done, &gpa) ||
		    !memory_read_physical(gdb->vm, gpa, to + done, n))
			break;
		breakpoint_hide(gdb, gpa, to + done, n);
	}
	return done;
}

static bool write_page(struct gdb *gdb, struct vcpu *vcpu, uint64_t va,
		       const uint8_t *from, size_t size)
{
	uint8_t page[PAGE_SIZE];
	uint64_t gpa;

	if (!guest_translate(vcpu, va, &gpa))
		return false;
	memcpy(page, from, size);
	breakpoint_keep(gdb, gpa, page, size);
	return memory_write_physical(gdb->vm, gpa, page, size);
}

int memory_write(struct gdb *gdb, struct vcpu *vcpu, uint64_t va,
		 const uint8_t *from, size_t size)
{
	size_t n;

	for (; size; size -= n, va += n, from += n) {
		n = in_page(va, size);
		if (!write_page(gdb, vcpu, va, from, n))
			return -EFAULT;
	}
	return 0;
}
