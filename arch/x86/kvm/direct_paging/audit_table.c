// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the auditor's look at page tables, entry by entry.
 *
 * Counts the references that entries stand for, and has its own list of what
 * entries may hold.
 */
#include <linux/mm.h>

#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "audit.h"

/* What entries may have set, by level; anything else is an error. */
#define AUDIT_SOFT		(GENMASK_ULL(11, 9) | GENMASK_ULL(58, 52))
#define AUDIT_COMMON		(BIT_ULL(0) | BIT_ULL(1) | BIT_ULL(2) |	\
				 BIT_ULL(5) | BIT_ULL(6) | BIT_ULL(63) |	\
				 AUDIT_SOFT)
#define AUDIT_PS		BIT_ULL(7)
#define AUDIT_G			BIT_ULL(8)

static const u64 dp_audit_leaf_bits[] = {
	[DP_L1] = AUDIT_COMMON | AUDIT_G | GENMASK_ULL(51, 12),
	[DP_L2] = AUDIT_COMMON | AUDIT_G | AUDIT_PS | GENMASK_ULL(51, 21),
	[DP_L3] = AUDIT_COMMON | AUDIT_G | AUDIT_PS | GENMASK_ULL(51, 30),
};

/* The CPU ignores D there, and G but at level 4, where AMD's want zero. */
static const u64 dp_audit_link_bits[] = {
	[DP_L2] = AUDIT_COMMON | AUDIT_G | GENMASK_ULL(51, 12),
	[DP_L3] = AUDIT_COMMON | AUDIT_G | GENMASK_ULL(51, 12),
	[DP_L4] = AUDIT_COMMON | GENMASK_ULL(51, 12),
};

struct dp_audit_entry {
	struct dp_audit_frame table;
	int level;
	unsigned int index;
	u64 entry;
};

static void dp_bad_entry(struct dp_audit *a, const struct dp_audit_entry *e,
			 const char *what)
{
	kvm_dp_bad(a, "gfn %llx level %d index %u entry %llx: %s",
		   e->table.r->region->base + e->table.i, e->level, e->index,
		   e->entry, what);
}

/*
 * L1TF: bits that the cache compares are those of frame 0, or of no memory.
 * With PS not even frame 0 is safe: the CPU goes on in the first 2 MiB.
 */
static void dp_audit_absent(struct dp_audit *a, const struct dp_audit_entry *e)
{
	unsigned int bits = boot_cpu_data.x86_cache_bits;
	u64 addr;

	if (!boot_cpu_has_bug(X86_BUG_L1TF))
		return;

	if (__pa(high_memory - 1) >= BIT_ULL(bits - 1)) {
		addr = e->entry & GENMASK_ULL(51, 12);
	} else {
		addr = e->entry & GENMASK_ULL(bits - 1, 12);
		if (addr & BIT_ULL(bits - 1))
			return;
	}
	if (addr)
		dp_bad_entry(a, e, "not present, but has an address");
	else if (e->level > DP_L1 && e->entry & AUDIT_PS)
		dp_bad_entry(a, e, "not present, but large");
}

static void dp_audit_leaf(struct dp_audit *a, const struct dp_audit_entry *e)
{
	struct dp_audit_frame f;

	if (e->entry & ~dp_audit_leaf_bits[DP_L1])
		dp_bad_entry(a, e, "forbidden bits");

	if (!kvm_dp_audit_find(a, kvm_dp_entry_mfn(e->entry), &f)) {
		dp_bad_entry(a, e, "maps a frame of others");
		return;
	}

	if (e->entry & _PAGE_RW) {
		if (kvm_dp_type(dp_audit_word(&f)) != DP_DATA)
			dp_bad_entry(a, e, "writable, but not of data");
		dp_audit_count(&f)->writable++;
		a->out->writable++;
	} else {
		dp_audit_count(&f)->readers++;
		a->out->readable++;
	}
}

static void dp_audit_large(struct dp_audit *a, const struct dp_audit_entry *e)
{
	u64 mfn = kvm_dp_entry_mfn(e->entry);
	struct dp_audit_block *block;
	struct dp_audit_frame f;
	unsigned long n;

	if (e->entry & ~dp_audit_leaf_bits[e->level])
		dp_bad_entry(a, e, "forbidden bits of a large leaf");
	if (e->level == DP_L3 && !boot_cpu_has(X86_FEATURE_GBPAGES))
		dp_bad_entry(a, e, "the CPU has no such leaves");
	if (boot_cpu_has_bug(X86_BUG_ITLB_MULTIHIT) && !(e->entry & _PAGE_NX))
		dp_bad_entry(a, e, "large and executable");

	if (e->entry & _PAGE_RW)
		a->out->writable++;
	else
		a->out->readable++;

	for (n = e->level == DP_L2 ? 1 : AUDIT_ENTRIES; n; n--) {
		if (!kvm_dp_audit_find(a, mfn, &f) || mfn % AUDIT_ENTRIES ||
		    !f.r->blocks[dp_audit_block_of(&f)].aligned) {
			dp_bad_entry(a, e, "large, but not of one block");
			return;
		}
		block = &f.r->blocks[dp_audit_block_of(&f)];
		if (e->entry & _PAGE_RW)
			block->large++;
		else
			block->large_readers++;
		mfn += AUDIT_ENTRIES;
	}
}

static void dp_audit_link(struct dp_audit *a, const struct dp_audit_entry *e)
{
	struct dp_audit_frame f;
	u64 word;

	if (e->entry & ~dp_audit_link_bits[e->level])
		dp_bad_entry(a, e, "forbidden bits of a link");

	if (!kvm_dp_audit_find(a, kvm_dp_entry_mfn(e->entry), &f)) {
		dp_bad_entry(a, e, "links a frame of others");
		return;
	}

	word = dp_audit_word(&f);
	if (!(word & DP_VALID))
		dp_bad_entry(a, e, "links what is no valid table");
	else if (kvm_dp_type(word) != e->level - 1)
		dp_bad_entry(a, e, "links a table of a wrong level");
	dp_audit_count(&f)->refs++;
}

static void dp_audit_host_slot(struct dp_audit *a,
			       const struct dp_audit_entry *e)
{
	if (e->index != KVM_DP_M2P_SLOT || !a->m2p) {
		if (e->entry)
			dp_bad_entry(a, e, "host slot is not empty");
	} else if ((e->entry ^ a->m2p) & ~(u64)_PAGE_ACCESSED) {
		dp_bad_entry(a, e, "is not the M2P window");
	}
}

static void dp_audit_entry(struct dp_audit *a, const struct dp_audit_entry *e)
{
	if (!(e->entry & _PAGE_PRESENT))
		dp_audit_absent(a, e);
	else if (e->level == DP_L1)
		dp_audit_leaf(a, e);
	else if (e->level < DP_L4 && e->entry & AUDIT_PS)
		dp_audit_large(a, e);
	else
		dp_audit_link(a, e);
}

static void dp_audit_table(struct dp_audit *a, const struct dp_audit_frame *f)
{
	u64 word = dp_audit_word(f);
	struct dp_audit_entry e = { .table = *f, .level = kvm_dp_type(word) };
	u64 n = word & DP_VALID ? AUDIT_ENTRIES : dp_audit_cursor(word);
	u64 mfn = dp_audit_mfn(f);
	u64 *table;

	/* A read of a poisoned frame stops the host. */
	if (!pfn_valid(mfn) || PageHWPoison(pfn_to_page(mfn))) {
		kvm_dp_bad_frame(a, f, "readable", 0, 1);
		return;
	}

	table = pfn_to_kaddr(mfn);
	for (; e.index < min(n, AUDIT_ENTRIES); e.index++) {
		e.entry = READ_ONCE(table[e.index]);
		if (e.level != DP_L4 || e.index < KVM_DP_M2P_SLOT ||
		    e.index >= KVM_DP_M2P_SLOT + KVM_DP_HOST_SLOTS)
			dp_audit_entry(a, &e);
		else if (word & DP_VALID)
			dp_audit_host_slot(a, &e);
	}
}

/* Bits that go together, and those that do not. */
static void dp_audit_state(struct dp_audit *a, const struct dp_audit_frame *f)
{
	u64 word = dp_audit_word(f), allowed = DP_TYPE | DP_COUNT;
	u64 state = word & (DP_VALID | DP_UP | DP_DOWN);

	if (state == DP_VALID)
		allowed |= DP_VALID | DP_PINNED;
	else if (state == DP_UP)
		allowed |= DP_UP | DP_CONVERT | DP_CURSOR;
	else if (state == DP_DOWN)
		allowed |= DP_DOWN | DP_CURSOR;

	if (word & ~allowed)
		kvm_dp_bad_frame(a, f, "wrong state", word & ~allowed, 0);
	if (dp_audit_cursor(word) > AUDIT_ENTRIES)
		kvm_dp_bad_frame(a, f, "cursor", dp_audit_cursor(word),
				 AUDIT_ENTRIES);
	if (kvm_dp_type(word) > DP_DATA)
		kvm_dp_bad_frame(a, f, "type", kvm_dp_type(word), DP_NONE);
	if (!(state & DP_DOWN) &&
	    READ_ONCE(dp_audit_frame(f)->stale) > a->dp->generation)
		kvm_dp_bad_frame(a, f, "stale", dp_audit_frame(f)->stale,
				 a->dp->generation);
	if (!state)
		return;

	if (kvm_dp_type(word) < DP_L1 || kvm_dp_type(word) > DP_L4)
		kvm_dp_bad_frame(a, f, "level", kvm_dp_type(word), DP_L1);
	if (!f->r->region->can_be_table)
		kvm_dp_bad_frame(a, f, "table of memory for data", 1, 0);
}

static void dp_audit_sealed(struct dp_audit *a, const struct dp_audit_frame *f)
{
	struct kvm_dp_region *region = f->r->region;
	bool sealed, mapped;

	if (!region->can_be_table)
		return;

	rt_mutex_lock(&region->map_lock);
	sealed = test_bit(f->i, region->sealed);
	mapped = test_bit(f->i, region->mapped);
	rt_mutex_unlock(&region->map_lock);

	/* The seal comes in the section of dp->lock that makes it a table. */
	if (!sealed)
		kvm_dp_bad_frame(a, f, "table sealed", 0, 1);
	if (mapped && dp_audit_is_private(dp_audit_word(f)))
		kvm_dp_bad_frame(a, f, "table marked as mapped", 1, 0);
}

void kvm_dp_audit_tables(struct dp_audit *a)
{
	struct dp_audit_frame f = {};
	u64 word;
	int level;

	while (kvm_dp_audit_next(a, &f)) {
		dp_audit_state(a, &f);

		word = dp_audit_word(&f);
		level = kvm_dp_type(word);
		if (!dp_audit_is_table(word) || level < DP_L1 || level > DP_L4)
			continue;

		if (word & DP_VALID)
			a->out->tables[level - 1]++;
		else
			a->out->partial++;
		if (word & DP_PINNED)
			dp_audit_count(&f)->refs++;
		f.r->blocks[dp_audit_block_of(&f)].tables++;

		dp_audit_sealed(a, &f);
		dp_audit_table(a, &f);
		if (!kvm_dp_audit_relax(a))
			return;
	}
}
