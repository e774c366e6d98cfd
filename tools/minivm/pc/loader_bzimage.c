// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linux's 64-bit boot protocol (Documentation/arch/x86/boot.rst): a header of
 * the file becomes part of boot_params, code and data lie where the header
 * prefers it, and the entry is 0x200 bytes after that.
 */
#include <stdint.h>
#include <string.h>

#include <asm/bootparam.h>

#include "layout.h"
#include "pc.h"

#define HEADER		0x1f1	/* of the file, and of boot_params */
#define HEADER_JUMP	0x202	/* its second byte says where the header ends */
#define SECTOR		512
#define DEFAULT_SECTORS	4
#define BOOT_FLAG	0xaa55
#define VERSION_64BIT	0x020c
#define ENTRY_64	0x200
#define LOADER_OTHER	0xff
#define VIDEO_NORMAL	0xffff

struct plan {
	struct setup_header header;
	uint64_t offset, size;		/* in the file, without the setup */
	uint64_t addr, end;		/* what the kernel takes, to begin with */
};

static void read_header(const struct image *image, struct setup_header *h)
{
	size_t end, need = HEADER + offsetof(struct setup_header,
					     handover_offset);

	if (image->size < HEADER + sizeof(*h))
		image_bad(image, "too short for a bzImage");
	image_read(image, HEADER, h, sizeof(*h));
	if (h->boot_flag != BOOT_FLAG)
		image_bad(image, "a bzImage without the mark of a boot sector");
	if (h->version < VERSION_64BIT || !(h->xloadflags & XLF_KERNEL_64))
		image_bad(image, "a bzImage without 64-bit entry (boot protocol %u.%u)",
			  h->version >> 8, h->version & 0xff);
	if (!(h->loadflags & LOADED_HIGH))
		image_bad(image, "a zImage, which lies below 1M");
	end = HEADER_JUMP + (h->jump >> 8);
	if (end < need)
		image_bad(image, "its setup header ends at 0x%zx, before 0x%zx",
			  end, need);
	/* What is not of the header any more is code. */
	if (end < HEADER + sizeof(*h))
		memset((uint8_t *)h + end - HEADER, 0,
		       HEADER + sizeof(*h) - end);
}

static void find_kernel(const struct image *image, struct plan *p)
{
	unsigned int sectors = p->header.setup_sects;

	p->offset = ((sectors ? sectors : DEFAULT_SECTORS) + 1) * SECTOR;
	p->size = (uint64_t)p->header.syssize * 16;
	if (p->size <= ENTRY_64)
		image_bad(image, "a bzImage with nothing at its entry");
	if (p->offset > image->size || p->size > image->size - p->offset)
		image_bad(image, "a bzImage that was cut off: it has %llu bytes and says that it has %llu",
			  (unsigned long long)image->size,
			  (unsigned long long)(p->offset + p->size));
}

static void place_kernel(const struct image *image, struct plan *p,
			 uint64_t mem_size)
{
	uint64_t size = p->header.init_size;

	if (size < p->size)
		size = p->size;
	p->addr = p->header.pref_address;
	if (p->addr < PC_LOW || p->addr > UINT32_MAX)
		image_bad(image, "a bzImage for the address 0x%llx",
			  (unsigned long long)p->addr);
	p->end = p->addr + size;
	if (p->end > mem_size)
		fail(EX_IMAGE, 0, "give the VM more with --mem",
		     "%s: it needs %lluM of memory at least, not %lluM",
		     image->path, (unsigned long long)(p->end + 0xfffff) >> 20,
		     (unsigned long long)mem_size >> 20);
}

static void fill_map(struct boot_params *params, const struct vm *vm)
{
	struct pc_range map[PC_RANGES];
	unsigned int i;

	pc_memory_map(vm, map);
	for (i = 0; i < PC_RANGES; i++)
		params->e820_table[i] = (struct boot_e820_entry) {
			.addr = map[i].start, .size = map[i].size,
			.type = map[i].type,
		};
	params->e820_entries = PC_RANGES;
}

static void fill_params(struct vm *vm, const struct plan *p,
			const struct initrd *initrd)
{
	struct boot_params *params = (void *)(vm->mem + LOW_BOOT);
	struct setup_header *h = &params->hdr;

	memset(params, 0, sizeof(*params));
	*h = p->header;
	h->vid_mode = VIDEO_NORMAL;
	h->type_of_loader = LOADER_OTHER;
	h->loadflags &= ~(CAN_USE_HEAP | KEEP_SEGMENTS);
	h->code32_start = p->addr;
	h->cmd_line_ptr = LOW_ARGS;
	h->ramdisk_image = initrd->addr;
	h->ramdisk_size = initrd->size;
	h->setup_data = 0;
	fill_map(params, vm);
}

static void fill_args(struct vm *vm, const struct plan *p,
		      const struct linux_options *options)
{
	size_t size = LOW_ARGS_SIZE;

	/* The end is not counted there. */
	if (p->header.cmdline_size < size)
		size = p->header.cmdline_size + 1;
	join_args((char *)vm->mem + LOW_ARGS, size, options->args,
		  options->nr_args);
}

void loader_bzimage(struct vm *vm, const struct image *image,
		    const struct linux_options *options)
{
	struct initrd initrd;
	struct plan p;

	read_header(image, &p.header);
	find_kernel(image, &p);
	place_kernel(image, &p, vm->mem_size);
	image_read(image, p.offset, vm->mem + p.addr, p.size);
	initrd_load(&initrd, options->initrd, vm, p.end,
		    (uint64_t)p.header.initrd_addr_max + 1);
	fill_args(vm, &p, options);
	fill_params(vm, &p, &initrd);
	vm->entry = p.addr + ENTRY_64;
}
