// SPDX-License-Identifier: GPL-2.0-only
/* A file that Linux takes as its first file system. */
#include <unistd.h>

#include "direct.h"
#include "pc.h"

void initrd_load(struct initrd *initrd, const char *path, struct vm *vm,
		 uint64_t low, uint64_t high)
{
	struct image file = { .path = path };
	uint64_t room;

	*initrd = (struct initrd) { 0 };
	if (!path)
		return;
	image_open_file(&file);
	if (!file.size)
		image_bad(&file, "it is empty");
	if (high > vm->mem_size)
		high = vm->mem_size;
	high &= ~(PAGE_SIZE - 1);
	low = (low + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
	room = high > low ? high - low : 0;
	if (file.size > room)
		fail(EX_IMAGE, 0, "give the VM more with --mem",
		     "%s: its %llu bytes do not fit into the %llu that the kernel leaves for it",
		     path, (unsigned long long)file.size,
		     (unsigned long long)room);
	initrd->size = file.size;
	initrd->addr = (high - file.size) & ~(PAGE_SIZE - 1);
	image_read(&file, 0, vm->mem + initrd->addr, initrd->size);
	close(file.fd);
}
