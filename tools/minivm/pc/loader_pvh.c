// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start of an ELF kernel with Xen's note PHYS32_ENTRY in an ordinary VM: 32-bit
 * protected mode without paging, EBX = address of struct hvm_start_info.
 */
#include <stdint.h>

#include <xen/arch-x86/hvm/start_info.h>

#include "layout.h"
#include "pc.h"

/* The kernel takes them from physical addresses. */
struct info {
	struct hvm_start_info start;
	struct hvm_modlist_entry initrd;
	struct hvm_memmap_table_entry map[PC_RANGES];
};

static void fill_map(struct info *info, const struct vm *vm)
{
	struct pc_range map[PC_RANGES];
	unsigned int i;

	pc_memory_map(vm, map);
	for (i = 0; i < PC_RANGES; i++)
		info->map[i] = (struct hvm_memmap_table_entry) {
			.addr = map[i].start, .size = map[i].size,
			.type = map[i].type,
		};
}

static void fill_info(struct vm *vm, const struct initrd *initrd)
{
	struct info *info = (void *)(vm->mem + LOW_BOOT);

	*info = (struct info) {
		.start = {
			.magic = XEN_HVM_START_MAGIC_VALUE, .version = 1,
			.cmdline_paddr = LOW_ARGS,
			.memmap_paddr = LOW_BOOT + offsetof(struct info, map),
			.memmap_entries = PC_RANGES,
		},
		.initrd = { .paddr = initrd->addr, .size = initrd->size },
	};
	fill_map(info, vm);
	if (!initrd->size)
		return;
	info->start.nr_modules = 1;
	info->start.modlist_paddr = LOW_BOOT + offsetof(struct info, initrd);
}

static void check_entry(const struct image *image, uint64_t entry)
{
	const Elf64_Phdr *p = image->headers;

	for (; p < image->headers + image->nr_headers; p++)
		if (p->p_type == PT_LOAD && entry >= p->p_paddr &&
		    entry - p->p_paddr < p->p_memsz)
			return;
	image_bad(image, "its Xen note PHYS32_ENTRY 0x%llx is in no segment",
		  (unsigned long long)entry);
}

void loader_pvh(struct vm *vm, const struct image *image, uint64_t entry,
		const struct linux_options *options)
{
	struct initrd initrd;
	uint64_t end;

	check_entry(image, entry);
	end = loader_elf_segments(image, vm->mem, vm->mem_size, PC_LOW);
	initrd_load(&initrd, options->initrd, vm, end, vm->mem_size);
	join_args((char *)vm->mem + LOW_ARGS, LOW_ARGS_SIZE, options->args,
		  options->nr_args);
	fill_info(vm, &initrd);
	vm->entry = entry;
	vm->protected_mode = true;
}
