// SPDX-License-Identifier: GPL-2.0-only
/* Loader of static 64-bit ELF images at their physical addresses. */
#include <elf.h>

#include "boot.h"
#include "image.h"

static void load_segment(const struct image *image, const Elf64_Phdr *p,
			 uint8_t *mem, uint64_t mem_size, uint64_t low)
{
	if (p->p_paddr < low)
		image_bad(image, "a segment lies below 0x%llx, where page tables and arguments are",
			  (unsigned long long)low);
	if (p->p_paddr > mem_size || p->p_memsz > mem_size - p->p_paddr)
		fail(EX_IMAGE, 0, "give the VM more with --mem",
		     "%s: a segment ends at 0x%llx, above the VM's memory of %lluM",
		     image->path, (unsigned long long)(p->p_paddr + p->p_memsz),
		     (unsigned long long)mem_size >> 20);
	image_read(image, p->p_offset, mem + p->p_paddr, p->p_filesz);
}

uint64_t loader_elf_segments(const struct image *image, uint8_t *mem,
			     uint64_t mem_size, uint64_t low)
{
	const Elf64_Phdr *p = image->headers;
	uint64_t end = 0;

	for (; p < image->headers + image->nr_headers; p++) {
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		load_segment(image, p, mem, mem_size, low);
		if (p->p_paddr + p->p_memsz > end)
			end = p->p_paddr + p->p_memsz;
	}
	return end;
}

uint64_t loader_elf(const struct image *image, uint8_t *mem, uint64_t mem_size)
{
	const Elf64_Phdr *p = image->headers;
	uint64_t entry = 0;

	loader_elf_segments(image, mem, mem_size, MINIVM_LOW);
	for (; p < image->headers + image->nr_headers; p++) {
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		/* The entry is virtual; execution starts where it was put. */
		if (image->entry >= p->p_vaddr &&
		    image->entry - p->p_vaddr < p->p_memsz)
			entry = image->entry - p->p_vaddr + p->p_paddr;
	}
	if (!entry)
		image_bad(image, "the entry point is in no segment");
	return entry;
}
