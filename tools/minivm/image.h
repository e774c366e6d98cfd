/* SPDX-License-Identifier: GPL-2.0-only */
/* Images, and how they get into a VM's memory. */
#ifndef MINIVM_IMAGE_H
#define MINIVM_IMAGE_H

#include <elf.h>

#include "minivm.h"

/* image.c: a hostile file, ELF mostly.  What is wrong ends the tool with EX_IMAGE. */
struct image {
	const char *path, *remedy;
	int fd;
	uint64_t size;
	bool bzimage;		/* Linux's format, which has none of these: */
	uint64_t entry;
	unsigned int nr_headers;
	Elf64_Phdr *headers;	/* checked, and not the file's any more */
};

void image_open(struct image *image, const char *path);
/* Any file: path and remedy are filled in. */
void image_open_file(struct image *image);
void image_close(struct image *image);
void image_bad(const struct image *image, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
void image_read(const struct image *image, uint64_t offset, void *to,
		size_t size);

/* loader_elf.c: at physical addresses; gives the entry point. */
uint64_t loader_elf(const struct image *image, uint8_t *mem,
		    uint64_t mem_size);
/* Only segments, none below an address; gives the end of the last. */
uint64_t loader_elf_segments(const struct image *image, uint8_t *mem,
			     uint64_t mem_size, uint64_t low);

/* xen/notes.c: what an image for Xen says of itself. */
struct xen_notes {
	bool found;		/* it is one, for PV guests */
	bool grub;
	uint64_t entry, virt_base;	/* linear addresses */
	uint64_t hypercall_page, init_p2m;	/* too, or ~0: none */
	uint64_t paddr_offset;
	uint64_t pvh_entry;	/* physical, of an ordinary VM, or ~0: none */
};

/* With pv, also what PV guests want; it must be right then. */
void xen_notes_read(const struct image *image, struct xen_notes *notes,
		    bool pv);

/* xen/loader.c: where the parts of a Xen guest lie, and their content. */
struct xen_start {
	struct xen_notes notes;
	uint64_t nr_pages;	/* of the guest's own memory */
	uint64_t region;	/* pages from virt_base on that are mapped */
	/* Guest frame numbers, which are the guest's pfns at the start. */
	uint64_t p2m, start_info, store, console, tables, stack;
	uint64_t nr_p2m, nr_tables;
	/* Outside of its memory. */
	uint64_t shared, grants;
	uint32_t store_port, console_port;
};

void loader_xen_plan(const struct image *image, struct xen_start *s,
		     uint64_t mem_size);
void loader_xen(struct vm *vm, const struct image *image,
		const struct xen_start *s, char *const *args, int nr_args);

#endif
