// SPDX-License-Identifier: GPL-2.0-only
/* An image becomes a VM, of the kind that it or the user wants. */
#include "direct.h"
#include "image.h"
#include "pc/pc.h"
#include "virtio/virtio.h"
#include "xen/xen.h"

static void create_vcpus(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->cpus; i++) {
		vm->vcpus[i].vm = vm;
		vm->vcpus[i].id = i;
		vcpu_create(&vm->vcpus[i]);
	}
}

static void add_nets(struct vm *vm, const struct vm_options *options)
{
	unsigned int i;

	for (i = 0; i < options->nr_nets; i++)
		virtio_net_create(vm, i, options->nets[i]);
}

/* Disks first, as ports.h says. */
static void add_devices(struct vm *vm, const struct vm_options *options)
{
	unsigned int i;

	for (i = 0; i < options->nr_disks; i++)
		virtio_blk_create(vm, i, options->disks[i]);
	add_nets(vm, options);
}

static void make_nested(struct vm *vm, const struct vm_options *options,
			const struct image *image, char **args, int nr_args)
{
	vm_memory(vm);
	boot_timer("memory");
	vm->entry = loader_elf(image, vm->mem, vm->mem_size);
	boot_timer("image");
	vm_create(vm);
	create_vcpus(vm);
	add_devices(vm, options);
	vm_boot_info(vm, args, nr_args);
	boot_timer("VM, vCPUs, devices");
}

/* pvh is its entry point, for an image that is no bzImage. */
static void make_linux(struct vm *vm, const struct vm_options *options,
		       const struct image *image, uint64_t pvh, char **args,
		       int nr_args)
{
	struct linux_options linux_options = {
		.initrd = options->initrd, .args = args, .nr_args = nr_args,
	};

	vm->pc = true;
	vm_memory(vm);
	boot_timer("memory");
	if (image->bzimage)
		loader_bzimage(vm, image, &linux_options);
	else
		loader_pvh(vm, image, pvh, &linux_options);
	vm_low_tables(vm);
	mptable_write(vm);
	boot_timer("image");
	vm_create(vm);
	pc_create(vm);
	create_vcpus(vm);
	pc_start(vm);
	boot_timer("VM, vCPUs");
}

static void make_plain(struct vm *vm, const struct vm_options *options,
		       const struct image *image, char **args, int nr_args)
{
	plain_direct_create(vm);
	boot_timer("memory");
	vm->entry = loader_elf(image, vm->mem, vm->mem_size);
	boot_timer("image");
	create_vcpus(vm);
	add_devices(vm, options);
	boot_timer("vCPUs, devices");
	vm_boot_info(vm, args, nr_args);
	plain_direct_start(vm);
	boot_timer("page tables are the guest's");
}

static void make_xen(struct vm *vm, const struct vm_options *options,
		     const struct image *image, struct xen_start *start,
		     char **args, int nr_args)
{
	struct xen *xen;
	unsigned int i;

	vm->xen_abi = true;
	loader_xen_plan(image, start, vm->mem_size);
	vm_direct_create(vm, 0, 1 + XEN_GRANT_FRAMES);
	boot_timer("memory");
	create_vcpus(vm);
	boot_timer("vCPUs");
	xen = xen_create(vm, start);
	xen->trace = options->trace;
	loader_xen(vm, image, start, args, nr_args);
	boot_timer("image, page tables");
	xen_setup(xen);
	for (i = 0; i < options->nr_disks; i++)
		blk_init(xen, i, options->disks[i]);
	add_nets(vm, options);
	boot_timer("Xen's ABI, devices");
	xen_start_vcpu(xen);
	boot_timer("page tables are the guest's");
}

static void check_options(const struct vm_options *options,
			  const struct image *image, bool xen, bool linux_image)
{
	if (options->trace && !xen)
		fail(EX_USAGE_, 0, NULL,
		     "--trace-hypercalls: only images with Xen's notes make such calls, and not with --mode nested");
	if (options->set_io_policy && !xen && !linux_image &&
	    !options->nr_disks && !options->nr_nets)
		fail(EX_USAGE_, 0, NULL,
		     "--io-sched: this VM has no threads for devices");
	if (options->nr_disks && linux_image)
		fail(EX_USAGE_, 0, "put what it needs into its --initrd",
		     "--disk: Linux in an ordinary VM has no disks");
	if (options->nr_nets && linux_image)
		fail(EX_USAGE_, 0, NULL,
		     "--net: Linux in an ordinary VM has no network devices");
	if (options->initrd && !linux_image)
		fail(EX_USAGE_, 0, NULL,
		     "--initrd: only Linux, as bzImage or with a PVH note, takes one");
	if (options->mode == MODE_DIRECT && linux_image)
		image_bad(image, "Linux runs in an ordinary VM only (--mode nested)");
}

void vm_make(struct vm *vm, const struct vm_options *options, const char *path,
	     char **args, int nr_args)
{
	static struct xen_start start;	/* for as long as the VM lives */
	struct image image;
	bool linux_image;

	image_open(&image, path);
	/* An ordinary VM has no use for those of PV guests, right or wrong. */
	xen_notes_read(&image, &start.notes, options->mode != MODE_NESTED);
	linux_image = !start.notes.found &&
		      (image.bzimage || start.notes.pvh_entry != ~0ULL);
	check_options(options, &image, start.notes.found, linux_image);
	if (linux_image)
		make_linux(vm, options, &image, start.notes.pvh_entry, args,
			   nr_args);
	else if (start.notes.found)
		make_xen(vm, options, &image, &start, args, nr_args);
	else if (options->mode == MODE_DIRECT)
		make_plain(vm, options, &image, args, nr_args);
	else
		make_nested(vm, options, &image, args, nr_args);
	image_close(&image);
}
