// SPDX-License-Identifier: GPL-2.0-only
/*
 * boot.h's start in a VM with direct paging.  Above the guest's memory lie its
 * page tables, mapped read-only, and the list of its machine frames.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "boot.h"
#include "layout.h"
#include "tables.h"

#define UPPER		(PTE_P | PTE_RW | PTE_US)

/* What is mapped one to one: all of it, so the tables map themselves. */
static uint64_t total_pages(struct vm *vm, uint64_t *nr_tables, uint64_t *nr_p2m)
{
	uint64_t mem = vm->mem_size >> PAGE_SHIFT, total = mem, before;

	do {
		before = total;
		*nr_tables = tables_count(0, total);
		*nr_p2m = pages(total * sizeof(uint64_t));
		total = mem + *nr_tables + *nr_p2m;
	} while (total != before);
	return total;
}

void plain_direct_create(struct vm *vm)
{
	uint64_t nr_tables, nr_p2m;

	total_pages(vm, &nr_tables, &nr_p2m);
	vm_direct_create(vm, nr_tables + nr_p2m, 0);
}

/* As in an ordinary VM: the descriptor table of layout.h, not none. */
static void load_descriptors(struct vcpu *vcpu)
{
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		fail(EX_OS, errno, NULL, "vCPU %u: cannot read its registers",
		     vcpu->id);
	vcpu_set_segments(&s);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s))
		fail(EX_OS, errno, NULL, "vCPU %u: cannot set its registers",
		     vcpu->id);
}

static void start_vcpu(struct vm *vm, struct vcpu *vcpu)
{
	int err;

	err = vcpu_direct_start(vcpu, vm->root_gfn, vm->entry, 0, vcpu->id,
				LOW_BOOT);
	if (err)
		fail(EX_OS, -err, NULL, "vCPU %u: cannot start it", vcpu->id);
	load_descriptors(vcpu);
}

void plain_direct_start(struct vm *vm)
{
	struct minivm_boot *boot = (void *)(vm->mem + LOW_BOOT);
	struct tables t = { .mem = vm->mem, .upper = UPPER };
	uint64_t nr_tables, nr_p2m, total;
	unsigned int i;

	total = total_pages(vm, &nr_tables, &nr_p2m);
	vm->root_gfn = t.gfn = vm->mem_size >> PAGE_SHIFT;
	tables_map(&t, 0, 0, total, PTE_P | PTE_RW | PTE_US);
	tables_map(&t, t.gfn << PAGE_SHIFT, t.gfn, nr_tables, PTE_P | PTE_US);
	boot->root = t.gfn << PAGE_SHIFT;
	boot->p2m = (t.gfn + nr_tables) << PAGE_SHIFT;
	boot->frames = total;
	vm_direct_p2m(vm, 0, total, boot->p2m);
	vm_direct_start(vm);
	for (i = 0; i < vm->cpus; i++)
		start_vcpu(vm, &vm->vcpus[i]);
}
