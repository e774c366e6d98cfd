// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loader of static 64-bit ELF images at their physical addresses.  The image
 * is not trusted: every number in it is checked before it is used.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "minivm.h"

static void bad(const char *path, const char *why)
{
	fail(EX_IMAGE, 0, "minivm runs static x86-64 ELF executables",
	     "%s: %s", path, why);
}

static const uint8_t *map_file(const char *path, size_t *size)
{
	struct stat st;
	void *map;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st))
		fail(exit_code_of(errno), errno, NULL, "cannot open image %s",
		     path);
	if (!S_ISREG(st.st_mode))
		bad(path, "not a regular file");
	if ((size_t)st.st_size < sizeof(Elf64_Ehdr))
		bad(path, "too short for an ELF header");
	map = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		fail(EX_OS, errno, NULL, "cannot map image %s", path);
	close(fd);
	*size = st.st_size;
	return map;
}

static void check_header(const char *path, const Elf64_Ehdr *e, size_t size)
{
	if (memcmp(e->e_ident, ELFMAG, SELFMAG))
		bad(path, "not an ELF file");
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64)
		bad(path, "not for x86-64");
	if (e->e_type != ET_EXEC)
		bad(path, "not linked at a fixed address (link with -static -no-pie)");
	if (e->e_phentsize != sizeof(Elf64_Phdr) || !e->e_phnum ||
	    e->e_phoff > size ||
	    e->e_phnum > (size - e->e_phoff) / sizeof(Elf64_Phdr))
		bad(path, "broken program headers");
}

static void load_segment(const char *path, const Elf64_Phdr *p,
			 const uint8_t *file, size_t size, uint8_t *mem,
			 uint64_t mem_size)
{
	if (p->p_filesz > p->p_memsz || p->p_offset > size ||
	    p->p_filesz > size - p->p_offset)
		bad(path, "a segment lies outside the file");
	if (p->p_paddr < MINIVM_LOW)
		bad(path, "a segment lies below 0x10000, which holds page tables and arguments");
	if (p->p_paddr > mem_size || p->p_memsz > mem_size - p->p_paddr)
		fail(EX_IMAGE, 0, "give the VM more with --mem",
		     "%s: a segment ends at 0x%llx, above the VM's memory of %lluM",
		     path, (unsigned long long)(p->p_paddr + p->p_memsz),
		     (unsigned long long)mem_size >> 20);
	memcpy(mem + p->p_paddr, file + p->p_offset, p->p_filesz);
}

uint64_t loader_elf(const char *path, uint8_t *mem, uint64_t mem_size)
{
	uint64_t entry = 0;
	const Elf64_Ehdr *e;
	const uint8_t *file;
	Elf64_Phdr p;
	size_t size;
	int i;

	file = map_file(path, &size);
	e = (const Elf64_Ehdr *)file;
	check_header(path, e, size);
	for (i = 0; i < e->e_phnum; i++) {
		memcpy(&p, file + e->e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_INTERP || p.p_type == PT_DYNAMIC)
			bad(path, "dynamically linked");
		if (p.p_type != PT_LOAD || !p.p_memsz)
			continue;
		load_segment(path, &p, file, size, mem, mem_size);
		/* The entry is virtual; execution starts where it was put. */
		if (e->e_entry >= p.p_vaddr &&
		    e->e_entry - p.p_vaddr < p.p_memsz)
			entry = e->e_entry - p.p_vaddr + p.p_paddr;
	}
	if (!entry)
		bad(path, "the entry point is in no segment");
	munmap((void *)file, size);
	return entry;
}
