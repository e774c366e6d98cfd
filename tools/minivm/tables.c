// SPDX-License-Identifier: GPL-2.0-only
/*
 * Page tables for the start, built in guest memory before it is the guest's.
 * Entries hold guest frame numbers: the kernel converts them.
 */
#include "tables.h"

static uint64_t index_of(uint64_t va, int level)
{
	return va >> (PAGE_SHIFT + 9 * (level - 1)) & 511;
}

/* Tables that a range alone takes, the root among them. */
uint64_t tables_count(uint64_t va, uint64_t npages)
{
	uint64_t first = va >> PAGE_SHIFT, last = first + npages - 1;
	uint64_t n = 1;
	int level;

	for (level = 1; level < 4; level++) {
		first >>= 9;
		last >>= 9;
		n += last - first + 1;
	}
	return n;
}

static uint64_t *table_at(struct tables *t, uint64_t gfn)
{
	return (uint64_t *)(t->mem + (gfn << PAGE_SHIFT));
}

/* The level-1 table that maps va; what is missing above it is made. */
static uint64_t *walk(struct tables *t, uint64_t va)
{
	uint64_t *table = table_at(t, t->gfn), *entry;
	int level;

	if (!t->used)
		t->used = 1;
	for (level = 4; level > 1; level--) {
		entry = &table[index_of(va, level)];
		if (!*entry)
			*entry = (t->gfn + t->used++) << PAGE_SHIFT | t->upper;
		table = table_at(t, *entry >> PAGE_SHIFT);
	}
	return table;
}

void tables_map(struct tables *t, uint64_t va, uint64_t gfn, uint64_t npages,
		uint64_t flags)
{
	uint64_t *table = NULL;

	for (; npages--; va += PAGE_SIZE, gfn++) {
		if (!table || !index_of(va, 1))
			table = walk(t, va);
		table[index_of(va, 1)] = gfn << PAGE_SHIFT | flags;
	}
}
