// SPDX-License-Identifier: GPL-2.0-only
/*
 * An image as a file, ELF or Linux's own format.  It is not trusted: every number in it is checked
 * before it is used, and read once, as somebody may write the file meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

/* Kernels have less than ten; each is compared with each. */
#define MAX_HEADERS	128

/* Where a bzImage says what it is. */
#define BZIMAGE_MAGIC	0x202

void image_bad(const struct image *image, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	fail(EX_IMAGE, 0, image->remedy, "%s: %s", image->path, why);
}

void image_open_file(struct image *image)
{
	struct stat st;

	/* Not to wait for whoever writes a FIFO. */
	image->fd = open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (image->fd < 0 || fstat(image->fd, &st))
		fail(exit_code_of(errno), errno, NULL, "cannot open %s",
		     image->path);
	if (!S_ISREG(st.st_mode))
		image_bad(image, "not a regular file");
	image->size = st.st_size;
}

void image_read(const struct image *image, uint64_t offset, void *to,
		size_t size)
{
	size_t done = 0;
	ssize_t n;

	while (done < size) {
		n = pread(image->fd, (char *)to + done, size - done,
			  offset + done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			fail(EX_OS, errno, NULL, "cannot read %s", image->path);
		if (!n)
			image_bad(image, "it became shorter while it was read");
		done += n;
	}
}

/* What it says then is for its loader to check. */
static bool is_bzimage(const struct image *image)
{
	char head[BZIMAGE_MAGIC + 4];

	if (image->size < sizeof(head))
		return false;
	image_read(image, 0, head, sizeof(head));
	return memcmp(head, ELFMAG, SELFMAG) &&
	       !memcmp(head + BZIMAGE_MAGIC, "HdrS", 4);
}

static void read_headers(struct image *image)
{
	Elf64_Ehdr e;
	size_t size;

	if (image->size < sizeof(e))
		image_bad(image, "too short for an ELF header");
	image_read(image, 0, &e, sizeof(e));
	if (memcmp(e.e_ident, ELFMAG, SELFMAG))
		image_bad(image, "not an ELF file, and not a bzImage");
	if (e.e_ident[EI_CLASS] != ELFCLASS64 ||
	    e.e_ident[EI_DATA] != ELFDATA2LSB || e.e_machine != EM_X86_64)
		image_bad(image, "not for x86-64");
	if (e.e_type != ET_EXEC)
		image_bad(image, "not linked at a fixed address (link with -static -no-pie)");
	size = e.e_phnum * sizeof(*image->headers);
	if (e.e_phentsize != sizeof(*image->headers) || !e.e_phnum ||
	    e.e_phnum > MAX_HEADERS || e.e_phoff > image->size ||
	    size > image->size - e.e_phoff)
		image_bad(image, "broken program headers");
	image->headers = malloc(size);
	if (!image->headers)
		fail(EX_OS, ENOMEM, NULL, "cannot read image %s", image->path);
	image_read(image, e.e_phoff, image->headers, size);
	image->nr_headers = e.e_phnum;
	image->entry = e.e_entry;
}

/* What ends above all addresses is larger than any memory: loaders say so. */
static bool overlap(const Elf64_Phdr *a, const Elf64_Phdr *b)
{
	uint64_t a_end = a->p_paddr + a->p_memsz;
	uint64_t b_end = b->p_paddr + b->p_memsz;

	return a_end > a->p_paddr && b_end > b->p_paddr &&
	       a->p_paddr < b_end && b->p_paddr < a_end;
}

static void check_segment(const struct image *image, unsigned int i)
{
	const Elf64_Phdr *p = &image->headers[i], *other = image->headers;

	if (p->p_type == PT_INTERP || p->p_type == PT_DYNAMIC)
		image_bad(image, "dynamically linked");
	if (p->p_type != PT_LOAD && p->p_type != PT_NOTE)
		return;
	if (p->p_offset > image->size ||
	    p->p_filesz > image->size - p->p_offset)
		image_bad(image, "a segment lies outside the file");
	if (p->p_type != PT_LOAD)
		return;
	if (p->p_filesz > p->p_memsz)
		image_bad(image, "a segment lies outside the file, or outside of itself");
	for (; other < p; other++)
		if (other->p_type == PT_LOAD && overlap(p, other))
			image_bad(image, "two segments overlap at 0x%llx",
				  (unsigned long long)p->p_paddr);
}

void image_open(struct image *image, const char *path)
{
	unsigned int i;

	*image = (struct image) {
		.path = path,
		.remedy = "minivm runs static x86-64 ELF executables, and Linux's bzImage",
	};
	image_open_file(image);
	image->bzimage = is_bzimage(image);
	if (image->bzimage)
		return;
	read_headers(image);
	for (i = 0; i < image->nr_headers; i++)
		check_segment(image, i);
}

void image_close(struct image *image)
{
	close(image->fd);
	free(image->headers);
}
