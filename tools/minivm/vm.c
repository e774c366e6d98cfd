// SPDX-License-Identifier: GPL-2.0-only
/* A VM: KVM's file, memory from 0 up, in-kernel irqchip, the low 64 KiB. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "boot.h"
#include "layout.h"
#include "minivm.h"
#include "virtio/ports.h"
#include "virtio/virtio.h"

static const char *open_remedy(int err)
{
	switch (err) {
	case ENOENT:
	case ENXIO:
	case ENODEV:
		return "load kvm-amd or kvm-intel (modprobe), enable virtualization in the firmware, see: minivm check";
	case EACCES:
	case EPERM:
		return "run as root or join the group that owns the device (usermod -aG kvm USER)";
	default:
		return NULL;
	}
}

int kvm_open(const char *device)
{
	int fd, version;

	fd = open(device, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		fail(errno == EACCES || errno == EPERM ? EX_NORIGHT : EX_NOKVM,
		     errno, open_remedy(errno), "cannot open %s", device);
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION)
		fail(EX_NOKVM, version < 0 ? errno : 0,
		     "is it the KVM device?", "%s does not speak KVM's API %d",
		     device, KVM_API_VERSION);
	return fd;
}

/* Memory comes first: an image that does not load needs no KVM to say so. */
void vm_memory(struct vm *vm)
{
	/* Populated: a real-time guest has no page to wait for. */
	vm->mem = mmap(NULL, vm->mem_size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (vm->mem == MAP_FAILED)
		fail(EX_OS, errno, "give less with --mem",
		     "cannot allocate %lluM of guest memory",
		     (unsigned long long)vm->mem_size >> 20);
}

void vm_create(struct vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = vm->mem_size,
		.userspace_addr = (uintptr_t)vm->mem,
	};
	uint64_t identity = 0xfffbc000;

	vm->kvm = kvm_open(vm->device);
	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		fail(exit_code_of(errno), errno,
		     errno == EBUSY ? "another hypervisor holds the CPU" : NULL,
		     "cannot create a VM");
	/* Three pages that VMX needs where guest memory never is. */
	if (ioctl(vm->fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) ||
	    ioctl(vm->fd, KVM_SET_TSS_ADDR, 0xfffbd000))
		fail(EX_OS, errno, NULL, "cannot place the TSS of the VM");
	if (ioctl(vm->fd, KVM_CREATE_IRQCHIP, 0))
		fail(EX_OS, errno, NULL, "cannot create the interrupt controller");
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		fail(EX_OS, errno, NULL, "cannot give memory to the VM");
	/* Before any vCPU, as its interface demands. */
	if (vm->pv)
		pv_sched_enable(vm->fd, &vm->pv_sched);
}

/*
 * Map memory for the vCPUs as well.  Where the guest's own page tables are
 * shadowed that is not to be had, and older kernels cannot do it: then the
 * guest waits once for each page.
 */
void vm_prefault(struct vm *vm)
{
	struct kvm_pre_fault_memory range = { .size = vm->mem_size };

	while (range.size) {
		if (ioctl(vm->vcpus[0].fd, KVM_PRE_FAULT_MEMORY, &range) &&
		    errno != EINTR && errno != EAGAIN)
			return;
	}
}

static uint64_t *low(struct vm *vm, uint64_t addr)
{
	return (uint64_t *)(vm->mem + addr);
}

/* 4 GiB one to one in 2 MiB pages: one root, one directory, four tables. */
static void write_page_tables(struct vm *vm)
{
	uint64_t i;

	*low(vm, LOW_PML4) = LOW_PDPT | 7;
	for (i = 0; i < 4; i++)
		low(vm, LOW_PDPT)[i] = (LOW_PD + i * 4096) | 7;
	for (i = 0; i < 2048; i++)
		low(vm, LOW_PD)[i] = i << 21 | 0x87;
}

static void write_gdt(struct vm *vm)
{
	low(vm, LOW_GDT)[SEL_CODE / 8] = 0x00af9b000000ffffULL;
	low(vm, LOW_GDT)[SEL_DATA / 8] = 0x00cf93000000ffffULL;
}

/* Words by blanks, ended by 0; size includes that. */
void join_args(char *text, size_t size, char *const *args, int nr_args)
{
	size_t used = 0, len;
	int i;

	for (i = 0; i < nr_args; i++) {
		len = strlen(args[i]);
		if (used + !!i + len + 1 > size)
			fail(EX_USAGE_, 0, NULL,
			     "the arguments of the guest are longer than %zu bytes",
			     size - 1);
		if (i)
			text[used++] = ' ';
		memcpy(text + used, args[i], len);
		used += len;
	}
	text[used] = 0;
}

void vm_low_tables(struct vm *vm)
{
	write_gdt(vm);
	write_page_tables(vm);
}

void vm_boot_info(struct vm *vm, char *const *args, int nr_args)
{
	struct minivm_boot *boot = (void *)(vm->mem + LOW_BOOT);

	join_args((char *)vm->mem + LOW_ARGS, LOW_ARGS_SIZE, args, nr_args);
	*boot = (struct minivm_boot) {
		.magic = MINIVM_BOOT_MAGIC, .mem_size = vm->mem_size,
		.args = LOW_ARGS, .cpus = vm->cpus,
		.tsc_khz = ioctl(vm->vcpus[0].fd, KVM_GET_TSC_KHZ, 0),
		.virtio_devices = virtio_count(vm),
		.virtio_base = VIRTIO_PORTS_BASE,
	};
	if (vm->direct)
		write_gdt(vm);
	else
		vm_low_tables(vm);
}
