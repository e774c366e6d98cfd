// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the auditor.
 *
 * Recomputes from the tables, the roots, the pins and the holds what the
 * validator keeps up to date step by step, and reports each difference.  It
 * has its own index of frames and its own list of bits that entries may have:
 * a mistake of the validator must not be repeated here.
 *
 * The snapshot is consistent, as dp->lock is held throughout; a fatal signal
 * ends it early.  For debugging: a VM of many frames stands still for long.
 *
 * Between data and table there are states that are no errors:
 *  - A table on its way up or down has no references, and those below its
 *    cursor only.  The first entry is read after user space lost the frame.
 *    Hence as long as the cursor is 0 the frame may still be mapped.
 *  - Host slots of a level-4 table are written when it becomes valid, and mean
 *    nothing before.
 *  - A vCPU that runs takes the reference of its new root first and drops that
 *    of the old one later, and may wait for dp->lock in between.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/rbtree.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>

#include <asm/cpufeature.h>
#include <asm/processor.h>

#include "audit.h"
#include "dp.h"
#include "hold.h"

#define AUDIT_ENTRIES		512UL

/* More would not fit into what lockdep follows. */
#define AUDIT_MAX_STOPPED	32

/* A vCPU between two roots is done after that many sleeps, or it waits. */
#define AUDIT_ROOT_TRIES	20

/* So is one that leaves or enters the guest, or flushes. */
#define AUDIT_FLUSH_TRIES	10000

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

/* Of a frame, recomputed. */
struct dp_audit_count {
	u32 refs;		/* as a table, by parent entries and its pin */
	u32 writable;
	u32 readers;
	u16 roots;
	u16 doomed;		/* times in the list */
};

struct dp_audit_block {
	u32 large;
	u32 large_readers;
	u16 tables;
	bool aligned;
};

struct dp_audit_region {
	struct kvm_dp_region *region;
	struct dp_audit_count *counts;
	struct dp_audit_block *blocks;
	unsigned long first;	/* frames of the regions before */
	unsigned long users;
};

struct dp_audit_frame {
	struct dp_audit_region *r;
	unsigned long i;
};

struct dp_audit_entry {
	struct dp_audit_frame table;
	int level;
	unsigned int index;
	u64 entry;
};

struct dp_audit_vcpu {
	bool stopped;
	bool pending;		/* loads its root before it enters the guest */
	u64 root;		/* counted as a reference; 0: none */
	u64 cr3;
};

struct dp_audit {
	struct kvm_dp *dp;
	struct kvm_x86_dp_audit *out;
	bool killed;
	u64 m2p;

	struct dp_audit_region regions[KVM_X86_DP_MAX_SLOTS];
	unsigned int nr_regions;
	unsigned long nr_frames;

	u32 *index;		/* number of a frame + 1, by its mfn */
	unsigned int index_bits;

	struct dp_audit_vcpu *vcpus;
	unsigned int nr_vcpus;
	unsigned int running;
};

static __printf(2, 3) void dp_bad(struct dp_audit *a, const char *fmt, ...)
{
	va_list args;

	if (a->out->errors++)
		return;

	va_start(args, fmt);
	vscnprintf(a->out->first, sizeof(a->out->first), fmt, args);
	va_end(args);
}

static struct kvm_dp_frame *dp_audit_frame(const struct dp_audit_frame *f)
{
	return &f->r->region->frames[f->i];
}

static struct dp_audit_count *dp_audit_count(const struct dp_audit_frame *f)
{
	return &f->r->counts[f->i];
}

static u64 dp_audit_mfn(const struct dp_audit_frame *f)
{
	return READ_ONCE(dp_audit_frame(f)->ident) & DP_MFN;
}

static u64 dp_audit_word(const struct dp_audit_frame *f)
{
	return READ_ONCE(dp_audit_frame(f)->word);
}

static u64 dp_audit_cursor(u64 word)
{
	return FIELD_GET(DP_CURSOR, word);
}

static bool dp_audit_is_table(u64 word)
{
	return word & (DP_VALID | DP_UP | DP_DOWN);
}

/* Entries were read, so nobody but the host may be able to write the frame. */
static bool dp_audit_is_private(u64 word)
{
	return word & DP_VALID ||
	       (dp_audit_is_table(word) && dp_audit_cursor(word));
}

static void dp_bad_frame(struct dp_audit *a, const struct dp_audit_frame *f,
			 const char *what, u64 found, u64 right)
{
	u64 word = dp_audit_word(f);

	dp_bad(a, "gfn %llx level %llu state %llx mfn %llx: %s %llu not %llu",
	       f->r->region->base + f->i, word & DP_TYPE,
	       word & GENMASK_ULL(31, 3), dp_audit_mfn(f), what, found, right);
}

static void dp_bad_entry(struct dp_audit *a, const struct dp_audit_entry *e,
			 const char *what)
{
	dp_bad(a, "gfn %llx level %d index %u entry %llx: %s",
	       e->table.r->region->base + e->table.i, e->level, e->index,
	       e->entry, what);
}

static bool dp_audit_relax(struct dp_audit *a)
{
	cond_resched();
	if (fatal_signal_pending(current))
		a->killed = true;
	return !a->killed;
}

static bool dp_audit_next(struct dp_audit *a, struct dp_audit_frame *f)
{
	struct dp_audit_region *end = a->regions + a->nr_regions;

	if (f->r)
		f->i++;
	else
		f->r = a->regions;

	if (!(f->i % AUDIT_ENTRIES) && !dp_audit_relax(a))
		return false;

	while (f->r < end && f->i >= f->r->region->npages) {
		f->r++;
		f->i = 0;
	}
	return f->r < end;
}

/* Blocks count from the start of the file. */
static unsigned long dp_audit_block_of(const struct dp_audit_frame *f)
{
	struct kvm_dp_region *region = f->r->region;

	return (region->pgoff + f->i) / AUDIT_ENTRIES -
	       region->pgoff / AUDIT_ENTRIES;
}

static u32 dp_audit_slot(struct dp_audit *a, u64 mfn)
{
	return hash_64(mfn, a->index_bits);
}

static u32 dp_audit_next_slot(struct dp_audit *a, u32 slot)
{
	return (slot + 1) & GENMASK(a->index_bits - 1, 0);
}

static struct dp_audit_frame dp_audit_nth(struct dp_audit *a, u32 nth)
{
	struct dp_audit_region *r = a->regions;

	while (nth - r->first >= r->region->npages)
		r++;
	return (struct dp_audit_frame){ .r = r, .i = nth - r->first };
}

static bool dp_audit_find(struct dp_audit *a, u64 mfn, struct dp_audit_frame *f)
{
	u32 slot = dp_audit_slot(a, mfn);

	for (; a->index[slot]; slot = dp_audit_next_slot(a, slot)) {
		*f = dp_audit_nth(a, a->index[slot] - 1);
		if (dp_audit_mfn(f) == mfn)
			return true;
	}
	return false;
}

/* Frame numbers are unique, and the validator finds what is there. */
static void dp_audit_index(struct dp_audit *a)
{
	struct kvm_dp_finder finder;
	struct dp_audit_frame f = {}, other;
	struct kvm_dp_ref ref;
	u64 mfn;
	u32 slot;

	while (dp_audit_next(a, &f)) {
		mfn = dp_audit_mfn(&f);
		if (dp_audit_find(a, mfn, &other)) {
			dp_bad_frame(a, &f, "is also gfn",
				     other.r->region->base + other.i, 0);
			continue;
		}
		slot = dp_audit_slot(a, mfn);
		while (a->index[slot])
			slot = dp_audit_next_slot(a, slot);
		a->index[slot] = f.r->first + f.i + 1;

		kvm_dp_init_finder(&finder, a->dp);
		if (!kvm_dp_find(&finder, mfn, &ref) ||
		    ref.frame != dp_audit_frame(&f))
			dp_bad_frame(a, &f, "found by mfn", 0, 1);
	}
}

/* All of the block, and in machine memory as well as in the file. */
static bool dp_audit_is_aligned(const struct dp_audit_frame *first)
{
	struct kvm_dp_region *region = first->r->region;
	u64 mfn = dp_audit_mfn(first);
	struct dp_audit_frame f = *first;
	unsigned long n;

	if (mfn % AUDIT_ENTRIES ||
	    (region->pgoff + first->i) % AUDIT_ENTRIES ||
	    region->npages - first->i < AUDIT_ENTRIES)
		return false;

	for (n = 0; n < AUDIT_ENTRIES; n++, f.i++) {
		if (dp_audit_mfn(&f) != mfn + n)
			return false;
	}
	return true;
}

static void dp_audit_align(struct dp_audit *a)
{
	struct dp_audit_frame f = {};

	while (dp_audit_next(a, &f)) {
		if (dp_audit_is_aligned(&f))
			f.r->blocks[dp_audit_block_of(&f)].aligned = true;
	}
}

/* What a finder remembers must be true as long as it is remembered. */
static void dp_audit_finder(struct dp_audit *a,
			    const struct kvm_dp_finder *finder)
{
	struct dp_audit_frame f;
	u64 i;

	for (i = 0; i < min_t(u64, finder->n, AUDIT_ENTRIES); i++) {
		if (dp_audit_find(a, finder->mfn + i, &f) &&
		    f.r->region == finder->region &&
		    dp_audit_frame(&f) == finder->frames + i)
			continue;
		dp_bad(a, "mfn %llx: remembered at a wrong place",
		       finder->mfn + i);
		return;
	}
	if (finder->n > AUDIT_ENTRIES)
		dp_bad(a, "mfn %llx: run of %llu frames remembered",
		       finder->mfn, finder->n);
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

	if (!dp_audit_find(a, kvm_dp_entry_mfn(e->entry), &f)) {
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
		if (!dp_audit_find(a, mfn, &f) || mfn % AUDIT_ENTRIES ||
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

	if (!dp_audit_find(a, kvm_dp_entry_mfn(e->entry), &f)) {
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
		dp_bad_frame(a, f, "readable", 0, 1);
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
		dp_bad_frame(a, f, "wrong state", word & ~allowed, 0);
	if (dp_audit_cursor(word) > AUDIT_ENTRIES)
		dp_bad_frame(a, f, "cursor", dp_audit_cursor(word),
			     AUDIT_ENTRIES);
	if (kvm_dp_type(word) > DP_DATA)
		dp_bad_frame(a, f, "type", kvm_dp_type(word), DP_NONE);
	if (!(state & DP_DOWN) &&
	    READ_ONCE(dp_audit_frame(f)->stale) > a->dp->generation)
		dp_bad_frame(a, f, "stale", dp_audit_frame(f)->stale,
			     a->dp->generation);
	if (!state)
		return;

	if (kvm_dp_type(word) < DP_L1 || kvm_dp_type(word) > DP_L4)
		dp_bad_frame(a, f, "level", kvm_dp_type(word), DP_L1);
	if (!f->r->region->can_be_table)
		dp_bad_frame(a, f, "table of memory for data", 1, 0);
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
		dp_bad_frame(a, f, "table sealed", 0, 1);
	if (mapped && dp_audit_is_private(dp_audit_word(f)))
		dp_bad_frame(a, f, "table marked as mapped", 1, 0);
}

static void dp_audit_tables(struct dp_audit *a)
{
	struct dp_audit_frame f = {};
	u64 word;
	int level;

	while (dp_audit_next(a, &f)) {
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
		if (!dp_audit_relax(a))
			return;
	}
}

static void dp_audit_held(struct dp_audit *a, const struct kvm_dp_held *held)
{
	struct dp_audit_region *r = a->regions;
	unsigned long i;

	while (r < a->regions + a->nr_regions && r->region != held->region)
		r++;
	if (r == a->regions + a->nr_regions ||
	    held->first > r->region->npages ||
	    held->n > r->region->npages - held->first) {
		dp_bad(a, "hold of frames that are not in the VM");
		return;
	}

	for (i = 0; i < held->n; i++)
		r->counts[held->first + i].writable++;
	a->out->writable += held->n;
}

static void dp_audit_holds(struct dp_audit *a)
{
	unsigned long n = 0;
	struct kvm_dp_held *held;

	list_for_each_entry(held, &a->dp->holds, link) {
		dp_audit_held(a, held);
		n += held->n;
		if (!dp_audit_relax(a))
			return;
	}
	if (n != a->dp->nr_held)
		dp_bad(a, "%lu frames are held, not %lu", n, a->dp->nr_held);
}

static void dp_audit_doomed(struct dp_audit *a)
{
	struct dp_audit_frame f;
	u64 mfn;

	for (mfn = a->dp->doomed_mfn; mfn; mfn = dp_audit_frame(&f)->next_mfn) {
		if (!dp_audit_find(a, mfn, &f)) {
			dp_bad(a, "mfn %llx: doomed, but not in the VM", mfn);
			return;
		}
		if (!(dp_audit_word(&f) & DP_DOWN)) {
			dp_bad_frame(a, &f, "doomed, going down", 0, 1);
			return;
		}
		if (dp_audit_count(&f)->doomed++) {
			dp_bad_frame(a, &f, "times doomed", 2, 1);
			return;
		}
		if (!dp_audit_relax(a))
			return;
	}
}

static bool dp_audit_is_root(struct dp_audit *a, u64 mfn,
			     struct dp_audit_frame *f)
{
	return dp_audit_find(a, mfn, f) &&
	       (dp_audit_word(f) & (DP_TYPE | DP_VALID)) == (DP_L4 | DP_VALID);
}

/* Of those that do not run: what the hardware would walk next. */
static void dp_audit_hardware(struct dp_audit *a)
{
	struct dp_audit_frame f;
	unsigned int i;
	u64 cr3;

	for (i = 0; i < a->nr_vcpus; i++) {
		cr3 = a->vcpus[i].cr3;
		if (!a->vcpus[i].stopped || a->vcpus[i].pending)
			continue;
		if (cr3 & ~GENMASK_ULL(51, 12))
			dp_bad(a, "vCPU %u: flags in CR3 %llx", i, cr3);
		if (!is_zero_pfn(kvm_dp_entry_mfn(cr3)) &&
		    !dp_audit_is_root(a, kvm_dp_entry_mfn(cr3), &f))
			dp_bad(a, "vCPU %u: CR3 %llx is no valid table of level 4",
			       i, cr3);
	}
}

static void dp_audit_count_root(struct dp_audit *a, u64 mfn, int delta)
{
	struct dp_audit_frame f;

	if (mfn && dp_audit_find(a, mfn, &f))
		dp_audit_count(&f)->roots += delta;
}

/* Replaces what an earlier try found. */
static void dp_audit_count_roots(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 root;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		root = READ_ONCE(vcpu->arch.dp_root_mfn);
		if (root == INVALID_PAGE)
			root = 0;
		dp_audit_count_root(a, a->vcpus[i].root, -1);
		dp_audit_count_root(a, root, 1);
		a->vcpus[i].root = root;
	}
}

static u64 dp_audit_references(const struct dp_audit_frame *f, u64 *right)
{
	const struct dp_audit_count *count = dp_audit_count(f);
	u64 word = dp_audit_word(f);

	if (dp_audit_is_table(word))
		*right = count->refs + count->roots;
	else
		*right = count->writable;
	return FIELD_GET(DP_COUNT, word);
}

/* The only references that others change meanwhile. */
static bool dp_audit_roots_settled(struct dp_audit *a)
{
	struct dp_audit_frame f = {};
	u64 right;

	while (dp_audit_next(a, &f)) {
		if (kvm_dp_type(dp_audit_word(&f)) == DP_L4 &&
		    dp_audit_references(&f, &right) != right)
			return false;
	}
	return true;
}

static void dp_audit_roots(struct dp_audit *a)
{
	struct dp_audit_frame f;
	int tries = 0;
	unsigned int i;

	dp_audit_count_roots(a);
	while (a->running && !dp_audit_roots_settled(a) && !a->killed &&
	       tries++ < AUDIT_ROOT_TRIES) {
		usleep_range(100, 1000);
		dp_audit_count_roots(a);
	}

	for (i = 0; i < a->nr_vcpus; i++) {
		if (!a->vcpus[i].root)
			continue;
		a->out->roots++;
		if (!dp_audit_is_root(a, a->vcpus[i].root, &f))
			dp_bad(a, "vCPU %u: root mfn %llx is no valid table of level 4",
			       i, a->vcpus[i].root);
	}
}

/*
 * To switch between pinned roots takes no lock, so a vCPU may have left this
 * one, or come to it, after its root was read: then read all of them again.
 */
static u64 dp_audit_settled_references(struct dp_audit *a,
				       const struct dp_audit_frame *f,
				       u64 *right)
{
	u64 n = dp_audit_references(f, right);
	int tries = 0;

	while (a->running && n != *right && !a->killed &&
	       (dp_audit_word(f) & (DP_TYPE | DP_VALID)) == (DP_L4 | DP_VALID) &&
	       tries++ < AUDIT_ROOT_TRIES) {
		usleep_range(100, 1000);
		dp_audit_count_roots(a);
		n = dp_audit_references(f, right);
	}
	return n;
}

static void dp_audit_counts(struct dp_audit *a)
{
	unsigned int slack = a->running;
	struct dp_audit_count *count;
	struct dp_audit_frame f = {};
	u64 word, n, right;

	while (dp_audit_next(a, &f)) {
		count = dp_audit_count(&f);
		word = dp_audit_word(&f);
		n = dp_audit_settled_references(a, &f, &right);

		/* All vCPUs together are late with that many old roots. */
		if (n > right && n - right <= slack && word & DP_VALID &&
		    kvm_dp_type(word) == DP_L4) {
			slack -= n - right;
			right = n;
		}
		if (n != right)
			dp_bad_frame(a, &f, "references", n, right);
		if (word & DP_VALID && !right)
			dp_bad_frame(a, &f, "valid, references", 0, 1);
		if (word & (DP_UP | DP_DOWN) && n)
			dp_bad_frame(a, &f, "partial, references", n, 0);
		if (dp_audit_is_table(word) && count->writable)
			dp_bad_frame(a, &f, "table, writable references",
				     count->writable, 0);
		if (!dp_audit_is_table(word) && (count->refs || count->roots))
			dp_bad_frame(a, &f, "no table, links",
				     count->refs + count->roots, 0);
		if (count->writable && kvm_dp_type(word) != DP_DATA)
			dp_bad_frame(a, &f, "type", kvm_dp_type(word), DP_DATA);

		n = FIELD_GET(DP_READERS, READ_ONCE(dp_audit_frame(&f)->ident));
		if (n != count->readers)
			dp_bad_frame(a, &f, "readers", n, count->readers);
		if (count->doomed != !!(word & DP_DOWN))
			dp_bad_frame(a, &f, "times doomed", count->doomed,
				     !!(word & DP_DOWN));

		f.r->users += dp_audit_is_table(word) + !!count->writable +
			      !!count->readers;
	}
}

static void dp_bad_block(struct dp_audit *a, struct dp_audit_region *r,
			 unsigned long i, const char *what, u64 found, u64 right)
{
	dp_bad(a, "gfn %llx block %lu: %s %llu not %llu", r->region->base, i,
	       what, found, right);
}

static void dp_audit_block(struct dp_audit *a, struct dp_audit_region *r,
			   unsigned long i)
{
	const struct kvm_dp_block *block = &r->region->blocks[i];
	const struct dp_audit_block *right = &r->blocks[i];
	u64 generation = a->dp->generation;

	if (block->large != right->large)
		dp_bad_block(a, r, i, "large", block->large, right->large);
	if (block->large_readers != right->large_readers)
		dp_bad_block(a, r, i, "large readers", block->large_readers,
			     right->large_readers);
	if (block->tables != right->tables)
		dp_bad_block(a, r, i, "tables", block->tables, right->tables);
	if (right->large && right->tables)
		dp_bad_block(a, r, i, "writable, tables", right->tables, 0);
	if (block->large_stale > generation)
		dp_bad_block(a, r, i, "stale", block->large_stale, generation);
	if (block->table_stale > generation)
		dp_bad_block(a, r, i, "stale", block->table_stale, generation);
	if (block->aligned && !right->aligned)
		dp_bad_block(a, r, i, "aligned", 1, 0);

	r->users += !!right->large + !!right->large_readers;
}

/* Too few users, and the slot is deleted under the guest; else never. */
static void dp_audit_blocks(struct dp_audit *a)
{
	struct dp_audit_region *r = a->regions;
	unsigned long i;

	for (; r < a->regions + a->nr_regions; r++) {
		for (i = 0; i < r->region->nr_blocks; i++) {
			dp_audit_block(a, r, i);
			if (!dp_audit_relax(a))
				return;
		}
		if (r->users != r->region->users)
			dp_bad(a, "gfn %llx: users of the slot %lu not %lu",
			       r->region->base, r->region->users, r->users);
	}
}

/*
 * Page tables of user space are the only witness that cannot be wrong, and
 * they stay as long as i_mmap_rwsem is held: a VMA leaves i_mmap before its
 * page tables go.
 */
static void dp_audit_vma(struct dp_audit *a, struct kvm_dp_region *region,
			 struct vm_area_struct *vma)
{
	struct follow_pfnmap_args args = { .vma = vma };
	unsigned long pgoff, first, end;
	struct dp_audit_frame f;
	u64 pfn;

	first = max(vma->vm_pgoff, region->pgoff);
	end = min(vma->vm_pgoff + vma_pages(vma),
		  region->pgoff + region->npages);

	for (pgoff = first; pgoff < end; pgoff++) {
		if (!((pgoff - first) % AUDIT_ENTRIES) && !dp_audit_relax(a))
			return;

		args.address = vma->vm_start +
			       ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
		if (follow_pfnmap_start(&args))
			continue;
		pfn = args.pfn;
		follow_pfnmap_end(&args);

		if (dp_audit_find(a, pfn, &f) &&
		    dp_audit_is_private(dp_audit_word(&f)))
			dp_bad_frame(a, &f, "user mappings", 1, 0);
	}
}

static void dp_audit_user(struct dp_audit *a, struct kvm_dp_region *region)
{
	struct address_space *mapping = region->inode->i_mapping;
	struct vm_area_struct *vma;
	struct rb_node *node;

	i_mmap_lock_read(mapping);
	for (node = rb_first_cached(&mapping->i_mmap); node && !a->killed;
	     node = rb_next(node)) {
		vma = rb_entry(node, struct vm_area_struct, shared.rb);
		if (vma->vm_flags & VM_PFNMAP)
			dp_audit_vma(a, region, vma);
		else
			dp_bad(a, "gfn %llx: user space can pin tables",
			       region->base);
	}
	i_mmap_unlock_read(mapping);
}

static void dp_audit_users(struct dp_audit *a)
{
	struct dp_audit_region *r = a->regions;

	for (; r < a->regions + a->nr_regions && !a->killed; r++) {
		if (r->region->can_be_table)
			dp_audit_user(a, r->region);
	}
}

static int dp_audit_alloc_region(struct dp_audit *a,
				 struct kvm_dp_region *region)
{
	struct dp_audit_region *r = &a->regions[a->nr_regions++];
	gfp_t gfp = GFP_KERNEL_ACCOUNT | __GFP_NOWARN;

	r->region = region;
	r->first = a->nr_frames;
	a->nr_frames += region->npages;
	r->counts = kvcalloc(region->npages, sizeof(*r->counts), gfp);
	r->blocks = kvcalloc(region->nr_blocks, sizeof(*r->blocks), gfp);

	if (!r->counts || !r->blocks || a->nr_frames > U32_MAX / 4)
		return -ENOMEM;
	/* Memory that has failed is what kills a VM of this kind. */
	return READ_ONCE(a->dp->kvm->vm_dead) ? -EIO : 0;
}

static int dp_audit_alloc(struct dp_audit *a)
{
	struct kvm_dp *dp = a->dp;
	struct kvm_dp_region *region;
	int i, r;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		region = srcu_dereference_check(dp->regions[i], &dp->kvm->srcu,
						lockdep_is_held(&dp->lock));
		if (!region)
			continue;
		r = dp_audit_alloc_region(a, region);
		if (r)
			return r;
	}

	/* At most half full, so that each search ends. */
	a->index_bits = ilog2(a->nr_frames + 1) + 2;
	a->index = kvcalloc(BIT(a->index_bits), sizeof(*a->index),
			    GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	return a->index ? 0 : -ENOMEM;
}

static void dp_audit_free(struct dp_audit *a)
{
	unsigned int i;

	for (i = 0; i < a->nr_regions; i++) {
		kvfree(a->regions[i].counts);
		kvfree(a->regions[i].blocks);
	}
	kvfree(a->index);
	kvfree(a->vcpus);
	kfree(a);
}

static void dp_audit_m2p(struct dp_audit *a)
{
	struct dp_audit_frame f;

	a->m2p = kvm_dp_m2p_entry(a->dp);
	if (a->m2p & (_PAGE_RW | _PAGE_USER) || (a->m2p && !(a->m2p & _PAGE_NX)))
		dp_bad(a, "M2P window %llx is not read-only data", a->m2p);
	if (a->m2p && dp_audit_find(a, kvm_dp_entry_mfn(a->m2p), &f))
		dp_bad_frame(a, &f, "table of the host", 1, 0);
}

/* Has it flushed since, or will it before it is in the guest again? */
static bool dp_has_flushed(struct kvm_vcpu *vcpu, u64 stale)
{
	u64 exits = READ_ONCE(vcpu->arch.dp_exits);
	bool inside, owes;
	int tries;

	for (tries = 0; tries < AUDIT_FLUSH_TRIES; tries++) {
		/* What is read later was written earlier. */
		inside = smp_load_acquire(&vcpu->mode) != OUTSIDE_GUEST_MODE;
		owes = kvm_test_request(KVM_REQ_TLB_FLUSH, vcpu);
		/* It says that it flushes before it clears the request. */
		smp_rmb();
		/* Else it is at it: wait for how that ends. */
		if (!owes && smp_load_acquire(&vcpu->arch.dp_flushing)) {
			usleep_range(10, 100);
			continue;
		}
		if (READ_ONCE(vcpu->arch.dp_flushed) > stale)
			return true;
		if (!owes)
			return !exits && !READ_ONCE(vcpu->arch.dp_exits);
		if (!inside)
			return true;

		/*
		 * On its way in, it sees the request and turns round.  If it
		 * comes out, it was in the guest without a flush.
		 */
		usleep_range(10, 100);
		if (READ_ONCE(vcpu->arch.dp_exits) != exits)
			return READ_ONCE(vcpu->arch.dp_flushed) > stale;
	}
	return false;
}

void kvm_dp_check_flushed(struct kvm_dp *dp, u64 stale, const char *why)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&dp->lock);

	/* What comes after the first is of no interest, and may take long. */
	if (dp->unflushed)
		return;

	kvm_for_each_vcpu(i, vcpu, dp->kvm) {
		if (dp_has_flushed(vcpu, stale))
			continue;
		if (!dp->unflushed++)
			dp->unflushed_why = why;
	}
}

static void dp_audit_flushes(struct dp_audit *a)
{
	if (a->dp->unflushed)
		dp_bad(a, "%s, but %llu vCPUs have not flushed",
		       a->dp->unflushed_why, a->dp->unflushed);
}

/* Slots may come meanwhile, but nothing refers to them under dp->lock. */
static int dp_audit_locked(struct dp_audit *a)
{
	int r;

	lockdep_assert_held(&a->dp->lock);

	r = dp_audit_alloc(a);
	if (r)
		return r;

	dp_audit_flushes(a);
	dp_audit_index(a);
	dp_audit_align(a);
	dp_audit_finder(a, &a->dp->tables);
	dp_audit_finder(a, &a->dp->targets);
	dp_audit_m2p(a);
	dp_audit_tables(a);
	dp_audit_holds(a);
	dp_audit_doomed(a);
	dp_audit_hardware(a);
	dp_audit_roots(a);
	dp_audit_counts(a);
	dp_audit_blocks(a);
	dp_audit_users(a);

	return a->killed ? -EINTR : 0;
}

static int dp_audit_vm(struct dp_audit *a)
{
	struct kvm *kvm = a->dp->kvm;
	int idx, r;

	idx = srcu_read_lock(&kvm->srcu);
	r = mutex_lock_killable(&a->dp->lock);
	if (!r) {
		r = dp_audit_locked(a);
		mutex_unlock(&a->dp->lock);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return r;
}

/*
 * Keep vCPUs that do not run from running, and read their hardware state.  To
 * wait for the others would be to wait for the guest; of them, only what is
 * in memory is looked at.
 */
static void dp_audit_stop_vcpus(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	u64 nested;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		if (i >= AUDIT_MAX_STOPPED || !mutex_trylock(&vcpu->mutex)) {
			a->running++;
			continue;
		}
		a->vcpus[i].stopped = true;
		a->vcpus[i].pending =
			kvm_test_request(KVM_REQ_LOAD_MMU_PGD, vcpu) ||
			!VALID_PAGE(vcpu->arch.mmu->root.hpa);

		nested = 0;
		vcpu_load(vcpu);
		kvm_dp_hw_state(vcpu, &a->vcpus[i].cr3, &nested);
		vcpu_put(vcpu);

		a->out->np_enabled |= nested;
		if (nested)
			dp_bad(a, "vCPU %lu: nested paging %llx", i, nested);
	}
}

static void dp_audit_release_vcpus(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		if (a->vcpus[i].stopped)
			mutex_unlock(&vcpu->mutex);
	}
}

static int dp_audit_vcpus(struct dp_audit *a)
{
	struct kvm *kvm = a->dp->kvm;
	int r;

	/* So that no vCPU is added. */
	r = mutex_lock_killable(&kvm->lock);
	if (r)
		return r;

	a->nr_vcpus = atomic_read(&kvm->online_vcpus);
	a->vcpus = kvcalloc(a->nr_vcpus + 1, sizeof(*a->vcpus),
			    GFP_KERNEL_ACCOUNT);
	r = -ENOMEM;
	if (a->vcpus) {
		dp_audit_stop_vcpus(a);
		r = dp_audit_vm(a);
		dp_audit_release_vcpus(a);
	}

	mutex_unlock(&kvm->lock);
	return r;
}

/*
 * Called with no lock.  0, whatever was found; -EINVAL, -ENOMEM, -EINTR, or
 * -EHWPOISON if memory of the VM must not be read any more.
 */
int kvm_dp_audit(struct kvm_dp *dp, struct kvm_x86_dp_audit *audit)
{
	struct dp_audit *a;
	int r;

	if (audit->flags ||
	    memchr_inv(audit->reserved, 0, sizeof(audit->reserved)))
		return -EINVAL;

	a = kzalloc(sizeof(*a), GFP_KERNEL_ACCOUNT);
	if (!a)
		return -ENOMEM;

	memset(audit, 0, sizeof(*audit));
	a->dp = dp;
	a->out = audit;
	r = dp_audit_vcpus(a);
	dp_audit_free(a);
	return r;
}
