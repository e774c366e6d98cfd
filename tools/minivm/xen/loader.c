// SPDX-License-Identifier: GPL-2.0-only
/*
 * Start of day of a Xen PV guest: the image, the list of its frames,
 * start_info, xenstore's and the console's page, page tables, a stack, and half
 * a megabyte at least up to a multiple of 4 MiB, in this order and mapped at
 * VIRT_BASE.
 */
#include <stdint.h>
#include <string.h>

#include <xen/xen.h>

#include "image.h"
#include "tables.h"
#include "xen.h"

#define PADDING		(512UL << 10)
#define REGION_ALIGN	(4UL << 20)
#define MAX_MEM		(3UL << 30)	/* as --mem */

/* Where Xen is, and here the host's window. */
#define HOLE_START	0xffff800000000000UL
#define HOLE_END	0xffff880000000000UL

#define LEAF_RW		(PTE_P | PTE_RW | PTE_A | PTE_D)
#define LEAF_RO		(PTE_P | PTE_A)

static uint64_t virt(const struct xen_start *s, uint64_t gfn)
{
	return s->notes.virt_base + (gfn << PAGE_SHIFT);
}

/* Of a segment, where its first byte is from VIRT_BASE on. */
static uint64_t offset_of(const struct image *image, const struct xen_start *s,
			  const Elf64_Phdr *p)
{
	if (p->p_paddr < s->notes.paddr_offset ||
	    p->p_paddr - s->notes.paddr_offset > MAX_MEM ||
	    p->p_memsz > MAX_MEM)
		image_bad(image, "a segment at 0x%llx is not in the %luM after its Xen note PADDR_OFFSET",
			  (unsigned long long)p->p_paddr, MAX_MEM >> 20);
	return p->p_paddr - s->notes.paddr_offset;
}

static uint64_t image_end(const struct image *image, const struct xen_start *s)
{
	const Elf64_Phdr *p = image->headers;
	uint64_t end = 0, last;

	for (; p < image->headers + image->nr_headers; p++) {
		if (p->p_type != PT_LOAD || !p->p_memsz)
			continue;
		last = offset_of(image, s, p) + p->p_memsz;
		if (last > end)
			end = last;
	}
	if (!end)
		image_bad(image, "it has no segment to load");
	return end;
}

static void check_inside(const struct image *image, const struct xen_start *s,
			 const char *what, uint64_t va, uint64_t size)
{
	const Elf64_Phdr *p = image->headers;
	uint64_t offset = va - s->notes.virt_base, first;

	for (; p < image->headers + image->nr_headers; p++) {
		if (p->p_type != PT_LOAD || p->p_memsz < size)
			continue;
		first = offset_of(image, s, p);
		if (offset >= first && offset - first <= p->p_memsz - size)
			return;
	}
	image_bad(image, "its %s 0x%llx is in no segment", what,
		  (unsigned long long)va);
}

static void check_range(const struct image *image, const char *what,
			uint64_t va, uint64_t size)
{
	uint64_t last = va + size - 1;

	if (va & (PAGE_SIZE - 1))
		image_bad(image, "its Xen note %s 0x%llx is not the start of a page",
			  what, (unsigned long long)va);
	if (last < va || (int64_t)va >> 47 != (int64_t)last >> 47 ||
	    ((int64_t)va >> 47 && (int64_t)va >> 47 != -1) ||
	    (va < HOLE_END && last >= HOLE_START))
		image_bad(image, "what it has from its Xen note %s 0x%llx on would lie at addresses that no guest has",
			  what, (unsigned long long)va);
}

static void check_notes(const struct image *image, const struct xen_start *s)
{
	const struct xen_notes *n = &s->notes;

	check_range(image, "VIRT_BASE", n->virt_base,
		    s->region << PAGE_SHIFT);
	check_inside(image, s, "entry point", n->entry, 1);
	if (n->init_p2m != ~0ULL) {
		check_range(image, "INIT_P2M", n->init_p2m,
			    s->nr_p2m << PAGE_SHIFT);
		if (n->init_p2m - n->virt_base < s->region << PAGE_SHIFT ||
		    n->virt_base - n->init_p2m < s->nr_p2m << PAGE_SHIFT)
			image_bad(image, "its Xen note INIT_P2M lies in its own image");
	}
	if (n->hypercall_page == ~0ULL)
		return;
	check_inside(image, s, "hypercall page", n->hypercall_page, PAGE_SIZE);
	if ((n->hypercall_page - n->virt_base) & (PAGE_SIZE - 1))
		image_bad(image, "its hypercall page 0x%llx is not one page",
			  (unsigned long long)n->hypercall_page);
}

static uint64_t count_tables(const struct xen_start *s)
{
	uint64_t n = tables_count(s->notes.virt_base, s->region);

	if (s->notes.init_p2m != ~0ULL)
		n += tables_count(s->notes.init_p2m, s->nr_p2m) - 1;
	return n;
}

/*
 * Does all of it fit?  A guest that builds a tree of its own, as GRUB does at
 * the end of its memory, needs that outside of what is mapped.
 */
static bool layout(struct xen_start *s, uint64_t end, uint64_t nr_pages)
{
	uint64_t base = s->notes.virt_base, top, n = 0;

	s->nr_pages = nr_pages;
	s->shared = nr_pages;
	s->grants = nr_pages + 1;
	s->p2m = pages(end);
	s->nr_p2m = pages(nr_pages * sizeof(uint64_t));
	s->start_info = s->p2m + s->nr_p2m;
	s->store = s->start_info + 1;
	s->console = s->store + 1;
	s->tables = s->console + 1;
	do {
		s->nr_tables = n;
		s->stack = s->tables + n;
		top = base + ((s->stack + 1) << PAGE_SHIFT) + PADDING;
		top = (top + REGION_ALIGN - 1) & ~(REGION_ALIGN - 1);
		s->region = (top - base) >> PAGE_SHIFT;
		n = count_tables(s);
	} while (n > s->nr_tables);

	return s->region + tables_count(0, nr_pages) + 1 + 2 <= nr_pages;
}

void loader_xen_plan(const struct image *image, struct xen_start *s,
		     uint64_t mem_size)
{
	uint64_t end = image_end(image, s), need;
	bool fits;

	fits = layout(s, end, mem_size >> PAGE_SHIFT);
	check_notes(image, s);
	if (fits)
		return;
	for (need = 1UL << 20; need <= MAX_MEM; need += 1UL << 20)
		if (layout(s, end, need >> PAGE_SHIFT))
			fail(EX_IMAGE, 0, "give the VM more with --mem",
			     "%s: it needs %lluM of memory at least, not %lluM",
			     image->path, (unsigned long long)need >> 20,
			     (unsigned long long)mem_size >> 20);
	image_bad(image, "it is larger than the memory that a VM can have");
}

static void load_segments(struct vm *vm, const struct image *image,
			  const struct xen_start *s)
{
	const Elf64_Phdr *p = image->headers;

	for (; p < image->headers + image->nr_headers; p++)
		if (p->p_type == PT_LOAD && p->p_memsz)
			image_read(image, p->p_offset,
				   vm->mem + offset_of(image, s, p),
				   p->p_filesz);
}

static void build_tables(struct vm *vm, const struct xen_start *s)
{
	struct tables t = {
		.mem = vm->mem, .gfn = s->tables,
		.upper = PTE_P | PTE_RW | PTE_A,
	};

	tables_map(&t, s->notes.virt_base, 0, s->region, LEAF_RW);
	tables_map(&t, virt(s, s->tables), s->tables, s->nr_tables, LEAF_RO);
	if (s->notes.init_p2m != ~0ULL)
		tables_map(&t, s->notes.init_p2m, s->p2m, s->nr_p2m, LEAF_RW);
	vm->root_gfn = s->tables;
}

static void fill_start_info(struct vm *vm, const struct xen_start *s,
			    char *const *args, int nr_args)
{
	struct start_info *info = (void *)(vm->mem +
					   (s->start_info << PAGE_SHIFT));

	strcpy(info->magic, "xen-3.0-x86_64");
	info->nr_pages = s->nr_pages;
	info->shared_info = guest_mfn(vm, s->shared) << PAGE_SHIFT;
	info->store_mfn = guest_mfn(vm, s->store);
	info->store_evtchn = s->store_port;
	info->console.domU.mfn = guest_mfn(vm, s->console);
	info->console.domU.evtchn = s->console_port;
	info->pt_base = virt(s, s->tables);
	info->nr_pt_frames = s->nr_tables;
	info->mfn_list = virt(s, s->p2m);
	if (s->notes.init_p2m != ~0ULL) {
		info->mfn_list = s->notes.init_p2m;
		info->first_p2m_pfn = s->p2m;
		info->nr_p2m_frames = s->nr_p2m;
	}
	join_args((char *)info->cmd_line, sizeof(info->cmd_line), args,
		  nr_args);
}

void loader_xen(struct vm *vm, const struct image *image,
		const struct xen_start *s, char *const *args, int nr_args)
{
	load_segments(vm, image, s);
	vm_direct_p2m(vm, 0, s->nr_pages, s->p2m << PAGE_SHIFT);
	/* Not the guest's own: that list is read, and forgotten. */
	vm_direct_p2m(vm, s->shared, 1 + XEN_GRANT_FRAMES,
		      s->shared << PAGE_SHIFT);
	memset(vm->mem + (s->shared << PAGE_SHIFT), 0, PAGE_SIZE);
	build_tables(vm, s);
	fill_start_info(vm, s, args, nr_args);
	vm->entry = s->notes.entry;
}
