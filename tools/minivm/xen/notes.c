// SPDX-License-Identifier: GPL-2.0-only
/* The ELF notes by which an image for Xen says how it wants to be started. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <xen/xen.h>
#include <xen/elfnote.h>
#include <xen/features.h>

#include "image.h"

#define MAX_NOTES	65536
#define MISSING		(~0ULL)

/* A note's value is a number, in whatever width, or a string. */
struct note {
	const struct image *image;
	uint32_t type, size;
	const uint8_t *desc;
};

static const char * const type_names[] = {
	[XEN_ELFNOTE_ENTRY] = "ENTRY",
	[XEN_ELFNOTE_HYPERCALL_PAGE] = "HYPERCALL_PAGE",
	[XEN_ELFNOTE_VIRT_BASE] = "VIRT_BASE",
	[XEN_ELFNOTE_PADDR_OFFSET] = "PADDR_OFFSET",
	[XEN_ELFNOTE_XEN_VERSION] = "XEN_VERSION",
	[XEN_ELFNOTE_GUEST_OS] = "GUEST_OS",
	[XEN_ELFNOTE_LOADER] = "LOADER",
	[XEN_ELFNOTE_FEATURES] = "FEATURES",
	[XEN_ELFNOTE_INIT_P2M] = "INIT_P2M",
	[XEN_ELFNOTE_PHYS32_ENTRY] = "PHYS32_ENTRY",
};

/* What a guest may demand: the ABI of direct paging has these, and no others. */
static const char * const features[] = {
	"supervisor_mode_kernel", "pae_pgdir_above_4gb",
};

static uint64_t note_number(const struct note *n)
{
	uint64_t val = 0;

	if (n->size != 1 && n->size != 2 && n->size != 4 && n->size != 8)
		image_bad(n->image, "its Xen note %s is no number (%u bytes)",
			  type_names[n->type], n->size);
	memcpy(&val, n->desc, n->size);
	return val;
}

static const char *note_string(const struct note *n)
{
	if (!n->size || !memchr(n->desc, 0, n->size))
		image_bad(n->image, "its Xen note %s is a string without end",
			  type_names[n->type]);
	return (const char *)n->desc;
}

/* Names joined by |; those with ! are demanded. */
static void check_features(const struct note *n)
{
	const char *s = note_string(n);
	size_t i, len, nr = sizeof(features) / sizeof(features[0]);

	for (; *s; s += len) {
		if (strchr("| ", *s)) {
			len = 1;
			continue;
		}
		len = strcspn(s, "| ");
		if (*s != '!')
			continue;
		for (i = 0; i < nr; i++)
			if (strlen(features[i]) == len - 1 &&
			    !strncmp(features[i], s + 1, len - 1))
				break;
		if (i == nr)
			image_bad(n->image, "it needs Xen's feature %.*s, which direct paging does not have",
				  (int)(len < 64 ? len - 1 : 63), s + 1);
	}
}

static void expect_string(const struct note *n, const char *want)
{
	const char *s = note_string(n);

	if (strcmp(s, want))
		image_bad(n->image, "its Xen note %s is '%.32s', not '%s'",
			  type_names[n->type], s, want);
}

static void take_pv_note(const struct note *n, struct xen_notes *notes)
{
	switch (n->type) {
	case XEN_ELFNOTE_ENTRY:
		notes->entry = note_number(n);
		notes->found = true;
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		notes->virt_base = note_number(n);
		notes->found = true;
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		notes->hypercall_page = note_number(n);
		notes->found = true;
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		notes->paddr_offset = note_number(n);
		break;
	case XEN_ELFNOTE_INIT_P2M:
		notes->init_p2m = note_number(n);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		expect_string(n, "xen-3.0");
		break;
	case XEN_ELFNOTE_LOADER:
		expect_string(n, "generic");
		break;
	case XEN_ELFNOTE_GUEST_OS:
		notes->grub = !strcmp(note_string(n), "GRUB");
		break;
	case XEN_ELFNOTE_FEATURES:
		check_features(n);
		break;
	}
}

/* Each part of a note is padded to four bytes; the last may lack that. */
static size_t padded(uint32_t size)
{
	return ((size_t)size + 3) & ~3UL;
}

static void walk_notes(const struct image *image, const uint8_t *p,
		       const uint8_t *end, struct xen_notes *notes, bool pv)
{
	struct note n = { .image = image };
	Elf64_Nhdr h;
	bool ours;

	while ((size_t)(end - p) >= sizeof(h)) {
		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		if (padded(h.n_namesz) > (size_t)(end - p) ||
		    h.n_descsz > (size_t)(end - p) - padded(h.n_namesz))
			image_bad(image, "a note lies outside its segment");
		ours = h.n_namesz == 4 && !memcmp(p, "Xen", 4);
		p += padded(h.n_namesz);
		n.type = h.n_type;
		n.size = h.n_descsz;
		n.desc = p;
		if (ours && n.type == XEN_ELFNOTE_PHYS32_ENTRY)
			notes->pvh_entry = note_number(&n);
		else if (ours && pv)
			take_pv_note(&n, notes);
		if (padded(h.n_descsz) > (size_t)(end - p))
			return;
		p += padded(h.n_descsz);
	}
}

void xen_notes_read(const struct image *image, struct xen_notes *notes,
		    bool pv)
{
	const Elf64_Phdr *p = image->headers;
	uint8_t *text;

	*notes = (struct xen_notes) {
		.entry = image->entry, .hypercall_page = MISSING,
		.init_p2m = MISSING, .pvh_entry = MISSING,
	};
	for (; p < image->headers + image->nr_headers; p++) {
		if (p->p_type != PT_NOTE || !p->p_filesz)
			continue;
		if (p->p_filesz > MAX_NOTES)
			image_bad(image, "it has more than %d bytes of notes",
				  MAX_NOTES);
		text = malloc(p->p_filesz);
		if (!text)
			fail(EX_OS, 0, NULL, "no memory");
		image_read(image, p->p_offset, text, p->p_filesz);
		walk_notes(image, text, text + p->p_filesz, notes,
			   pv);
		free(text);
	}
}
