// SPDX-License-Identifier: GPL-2.0-only
/*
 * A VM with direct paging: memory of guest_memfd, interrupts by an in-kernel
 * APIC in x2APIC mode, as there is no MMIO.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "direct.h"

static void create(struct vm *vm)
{
	struct kvm_enable_cap split = { .cap = KVM_CAP_SPLIT_IRQCHIP };

	vm->kvm = kvm_open(vm->device);
	if (ioctl(vm->kvm, KVM_CHECK_EXTENSION, KVM_CAP_X86_DIRECT_PAGING) <= 0)
		fail(EX_NOKVM, 0,
		     "load this project's kvm module with direct_paging=1 (make install, modprobe kvm direct_paging=1); read its threat model first",
		     "KVM has no direct paging here");
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, KVM_X86_DIRECT_PAGING_VM);
	if (vm->fd < 0)
		fail(exit_code_of(errno), errno,
		     errno == EBUSY ? "another hypervisor holds the CPU" : NULL,
		     "cannot create a VM with direct paging");
	if (ioctl(vm->fd, KVM_ENABLE_CAP, &split))
		fail(EX_OS, errno, NULL, "cannot create the interrupt controller");
}

/* Memory in a file of its own, at its place in the VM and here. */
static void add_memory(struct vm *vm, uint32_t slot, uint64_t gpa,
		       uint64_t size, uint64_t flags)
{
	struct kvm_create_guest_memfd gmem = {
		.size = size,
		.flags = GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED |
			 flags,
	};
	struct kvm_userspace_memory_region2 region = {
		.slot = slot, .flags = KVM_MEM_GUEST_MEMFD,
		.guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)vm->mem + gpa,
	};
	int fd;

	fd = ioctl(vm->fd, KVM_CREATE_GUEST_MEMFD, &gmem);
	if (fd < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) ||
	    mmap(vm->mem + gpa, size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, fd, 0) == MAP_FAILED)
		fail(EX_OS, errno, "give less with --mem",
		     "cannot allocate %lluK of guest memory",
		     (unsigned long long)size >> 10);
	region.guest_memfd = fd;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION2, &region))
		fail(EX_OS, errno, "give less with --mem, or raise the memory limit of this cgroup",
		     "cannot give memory to the VM");
	/* The slot and the mapping keep it. */
	close(fd);
}

void vm_direct_create(struct vm *vm, uint64_t nr_table, uint64_t nr_data)
{
	uint64_t size = vm->mem_size + (nr_table << PAGE_SHIFT);

	vm->direct = true;
	create(vm);
	vm->mem = mmap(NULL, size + (nr_data << PAGE_SHIFT), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (vm->mem == MAP_FAILED)
		fail(EX_OS, errno, NULL, "no addresses for guest memory");
	add_memory(vm, 0, 0, size, GUEST_MEMFD_FLAG_PAGE_TABLES);
	if (nr_data)
		add_memory(vm, 1, size, nr_data << PAGE_SHIFT, 0);
	if (vm->pv)
		pv_sched_enable(vm->fd, &vm->pv_sched);
}

static void add_extent(struct vm *vm, uint64_t gfn, uint64_t mfn)
{
	struct extent *last = vm->extents + vm->nr_extents - 1;

	if (vm->nr_extents && last->gfn + last->npages == gfn &&
	    last->mfn + last->npages == mfn) {
		last->npages++;
		return;
	}
	/* At each power of two there is no more room. */
	if (!(vm->nr_extents & (vm->nr_extents - 1)))
		vm->extents = realloc(vm->extents, sizeof(*vm->extents) *
				      (vm->nr_extents ? 2 * vm->nr_extents : 1));
	if (!vm->extents)
		fail(EX_OS, ENOMEM, NULL, "cannot list the guest's memory");
	vm->extents[vm->nr_extents++] = (struct extent) {
		.gfn = gfn, .mfn = mfn, .npages = 1,
	};
}

void vm_direct_p2m(struct vm *vm, uint64_t gfn, uint64_t npages, uint64_t gpa)
{
	struct kvm_x86_dp_p2m p2m = {
		.gfn = gfn, .npages = npages, .gpa = gpa,
	};
	const uint64_t *list = (const uint64_t *)(vm->mem + gpa);
	uint64_t i;

	while (ioctl(vm->fd, KVM_X86_DP_P2M, &p2m))
		if (errno != EINTR)
			fail(EX_OS, errno, NULL,
			     "cannot find out about the VM's frames");
	for (i = 0; i < npages; i++)
		add_extent(vm, gfn + i, list[i]);
}

static int compare_mfn(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return x->mfn < y->mfn ? -1 : x->mfn > y->mfn;
}

/* All are known from here on. */
static void sort_by_mfn(struct vm *vm)
{
	size_t size = vm->nr_extents * sizeof(*vm->extents);

	vm->by_mfn = malloc(size);
	if (!vm->by_mfn)
		fail(EX_OS, ENOMEM, NULL, "cannot list the guest's memory");
	memcpy(vm->by_mfn, vm->extents, size);
	qsort(vm->by_mfn, vm->nr_extents, sizeof(*vm->by_mfn), compare_mfn);
}

void vm_direct_start(struct vm *vm)
{
	struct kvm_x86_dp_start start = { .root_gfn = vm->root_gfn };

	sort_by_mfn(vm);
	while (ioctl(vm->fd, KVM_X86_DP_START, &start))
		if (errno != EINTR)
			fail(EX_OS, errno, NULL,
			     "KVM does not accept the VM's page tables");
}

int vcpu_direct_start(struct vcpu *vcpu, uint64_t root_gfn, uint64_t rip,
		      uint64_t rsp, uint64_t rsi, uint64_t rdi)
{
	struct kvm_x86_dp_start_vcpu start = {
		.root_gfn = root_gfn, .rip = rip, .rsp = rsp, .rsi = rsi,
		.rdi = rdi,
	};

	return ioctl(vcpu->fd, KVM_X86_DP_START_VCPU, &start) ? -errno : 0;
}
