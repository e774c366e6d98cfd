/* SPDX-License-Identifier: GPL-2.0-only */
/* tables.c: page tables that hold guest frame numbers. */
#ifndef MINIVM_TABLES_H
#define MINIVM_TABLES_H

#include "direct.h"

struct tables {
	uint8_t *mem;		/* guest memory, zero where tables will be */
	uint64_t gfn;		/* of the root; the others follow it */
	uint64_t used;
	uint64_t upper;		/* flags of entries that are no leaves */
};

uint64_t tables_count(uint64_t va, uint64_t npages);
void tables_map(struct tables *t, uint64_t va, uint64_t gfn, uint64_t npages,
		uint64_t flags);

#endif
