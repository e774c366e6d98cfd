// SPDX-License-Identifier: GPL-2.0-only
/* The guest's memory, as addresses in rings name it. */
#include <errno.h>

#include "direct.h"
#include "guest.h"
#include "virtio.h"

bool memory_has(const struct vm *vm, uint64_t addr, uint64_t len)
{
	return addr <= vm->mem_size && len <= vm->mem_size - addr;
}

void *memory_hold(struct vm *vm, uint64_t addr, uint64_t len, int *hold)
{
	uint64_t offset = addr & (PAGE_SIZE - 1);
	uint8_t *page;

	*hold = -1;
	if (!vm->direct)
		return vm->mem + addr;
	page = guest_hold(vm, addr >> PAGE_SHIFT, pages(offset + len), hold);
	return page ? page + offset : NULL;
}

void memory_release(struct vm *vm, int hold)
{
	if (vm->direct)
		guest_release(hold);
}
