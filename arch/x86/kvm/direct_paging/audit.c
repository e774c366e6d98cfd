// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the auditor.
 *
 * Recomputes from the tables, the roots, the pins and the holds what the
 * validator keeps up to date step by step, and reports each difference.  It
 * has its own index of frames, and shares no code with it: a mistake of the
 * validator must not be repeated here.
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

#include "audit.h"
#include "hold.h"

/* More would not fit into what lockdep follows. */
#define AUDIT_MAX_STOPPED	32

/* A vCPU between two roots is done after that many sleeps, or it waits. */
#define AUDIT_ROOT_TRIES	20

void kvm_dp_bad(struct dp_audit *a, const char *fmt, ...)
{
	va_list args;

	if (a->out->errors++)
		return;

	va_start(args, fmt);
	vscnprintf(a->out->first, sizeof(a->out->first), fmt, args);
	va_end(args);
}

void kvm_dp_bad_frame(struct dp_audit *a, const struct dp_audit_frame *f,
		      const char *what, u64 found, u64 right)
{
	u64 word = dp_audit_word(f);

	kvm_dp_bad(a, "gfn %llx level %llu state %llx mfn %llx: %s %llu not %llu",
		   f->r->region->base + f->i, word & DP_TYPE,
		   word & GENMASK_ULL(31, 3), dp_audit_mfn(f), what, found, right);
}

bool kvm_dp_audit_relax(struct dp_audit *a)
{
	cond_resched();
	if (fatal_signal_pending(current))
		a->killed = true;
	return !a->killed;
}

bool kvm_dp_audit_next(struct dp_audit *a, struct dp_audit_frame *f)
{
	struct dp_audit_region *end = a->regions + a->nr_regions;

	if (f->r)
		f->i++;
	else
		f->r = a->regions;

	if (!(f->i % AUDIT_ENTRIES) && !kvm_dp_audit_relax(a))
		return false;

	while (f->r < end && f->i >= f->r->region->npages) {
		f->r++;
		f->i = 0;
	}
	return f->r < end;
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

bool kvm_dp_audit_find(struct dp_audit *a, u64 mfn, struct dp_audit_frame *f)
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
	struct dp_audit_frame f = {}, other;
	struct kvm_dp_ref ref;
	u64 mfn;
	u32 slot;

	while (kvm_dp_audit_next(a, &f)) {
		mfn = dp_audit_mfn(&f);
		if (kvm_dp_audit_find(a, mfn, &other)) {
			kvm_dp_bad_frame(a, &f, "is also gfn",
					 other.r->region->base + other.i, 0);
			continue;
		}
		slot = dp_audit_slot(a, mfn);
		while (a->index[slot])
			slot = dp_audit_next_slot(a, slot);
		a->index[slot] = f.r->first + f.i + 1;

		if (!kvm_dp_find_unlocked(a->dp, mfn, &ref) ||
		    ref.frame != dp_audit_frame(&f))
			kvm_dp_bad_frame(a, &f, "found by mfn", 0, 1);
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

	while (kvm_dp_audit_next(a, &f)) {
		if (dp_audit_is_aligned(&f))
			f.r->blocks[dp_audit_block_of(&f)].aligned = true;
	}
}

/* What a finder remembers must be true as long as it is remembered. */
static void dp_audit_finder(struct dp_audit *a,
			    const struct kvm_dp_finder *finder)
{
	const struct kvm_dp_run *run;
	struct dp_audit_frame f;
	unsigned int n;
	u64 i, mfn;

	for (n = 0; n < DP_RUNS; n++) {
		run = &finder->runs[n];
		mfn = (run->nr - 1) * AUDIT_ENTRIES;
		for (i = 0; run->nr && i < AUDIT_ENTRIES; i++) {
			if (kvm_dp_audit_find(a, mfn + i, &f) &&
			    f.r->region == run->region &&
			    dp_audit_frame(&f) == run->frames + i)
				continue;
			kvm_dp_bad(a, "mfn %llx: remembered at a wrong place",
				   mfn + i);
			return;
		}
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
		kvm_dp_bad(a, "hold of frames that are not in the VM");
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
		if (!kvm_dp_audit_relax(a))
			return;
	}
	if (n != a->dp->nr_held)
		kvm_dp_bad(a, "%lu frames are held, not %lu", n, a->dp->nr_held);
}

static void dp_audit_doomed(struct dp_audit *a)
{
	struct dp_audit_frame f;
	u64 mfn;

	for (mfn = a->dp->doomed_mfn; mfn; mfn = dp_audit_frame(&f)->next_mfn) {
		if (!kvm_dp_audit_find(a, mfn, &f)) {
			kvm_dp_bad(a, "mfn %llx: doomed, but not in the VM", mfn);
			return;
		}
		if (!(dp_audit_word(&f) & DP_DOWN)) {
			kvm_dp_bad_frame(a, &f, "doomed, going down", 0, 1);
			return;
		}
		if (dp_audit_count(&f)->doomed++) {
			kvm_dp_bad_frame(a, &f, "times doomed", 2, 1);
			return;
		}
		if (!kvm_dp_audit_relax(a))
			return;
	}
}

static bool dp_audit_is_root(struct dp_audit *a, u64 mfn,
			     struct dp_audit_frame *f)
{
	return kvm_dp_audit_find(a, mfn, f) &&
	       (dp_audit_word(f) & (DP_TYPE | DP_VALID)) == (DP_L4 | DP_VALID);
}

/* What the hardware itself has said at each exit so far. */
static void dp_audit_hardware(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		if (READ_ONCE(vcpu->arch.dp_hw_other_root))
			kvm_dp_bad(a, "vCPU %lu: CR3 was not its root", i);
		if (!READ_ONCE(vcpu->arch.dp_hw_nested))
			continue;
		a->out->np_enabled = true;
		kvm_dp_bad(a, "vCPU %lu: nested paging was on", i);
	}
}

static void dp_audit_count_root(struct dp_audit *a, u64 mfn, int delta)
{
	struct dp_audit_frame f;

	if (mfn && kvm_dp_audit_find(a, mfn, &f))
		dp_audit_count(&f)->roots += delta;
}

/* Replaces what an earlier try found. */
static void dp_audit_count_roots(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	unsigned int n;
	u64 *roots;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		roots = a->vcpus[i].roots;
		for (n = 0; n < KVM_DP_MAX_ROOTS; n++) {
			dp_audit_count_root(a, roots[n], -1);
			roots[n] = READ_ONCE(vcpu->arch.dp_roots[n]);
			dp_audit_count_root(a, roots[n], 1);
		}
		a->vcpus[i].root = READ_ONCE(vcpu->arch.dp_root_mfn);
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

	while (kvm_dp_audit_next(a, &f)) {
		if (kvm_dp_type(dp_audit_word(&f)) == DP_L4 &&
		    dp_audit_references(&f, &right) != right)
			return false;
	}
	return true;
}

/*
 * Its root is among what it has references of, once.  What it may switch to
 * without an exit is pinned, so that UNPIN finds it.
 */
static void dp_audit_vcpu_roots(struct dp_audit *a, unsigned int i)
{
	struct dp_audit_vcpu *vcpu = &a->vcpus[i];
	struct dp_audit_frame f;
	unsigned int n, own = 0;

	for (n = 0; n < KVM_DP_MAX_ROOTS; n++) {
		if (!vcpu->roots[n])
			continue;
		own += vcpu->roots[n] == vcpu->root;
		if (!dp_audit_is_root(a, vcpu->roots[n], &f))
			kvm_dp_bad(a, "vCPU %u: root mfn %llx is no valid table of level 4",
				   i, vcpu->roots[n]);
		else if (vcpu->stopped && vcpu->roots[n] != vcpu->root &&
			 !(dp_audit_word(&f) & DP_PINNED))
			kvm_dp_bad_frame(a, &f, "CR3 target, pinned", 0, 1);
	}
	if (vcpu->stopped && own != !!vcpu->root)
		kvm_dp_bad(a, "vCPU %u: %u references of its root", i, own);
}

static void dp_audit_roots(struct dp_audit *a)
{
	int tries = 0;
	unsigned int i;

	dp_audit_count_roots(a);
	while (a->running && !dp_audit_roots_settled(a) && !a->killed &&
	       tries++ < AUDIT_ROOT_TRIES) {
		usleep_range(100, 1000);
		dp_audit_count_roots(a);
	}

	for (i = 0; i < a->nr_vcpus; i++) {
		a->out->roots += !!a->vcpus[i].root;
		dp_audit_vcpu_roots(a, i);
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

	while (kvm_dp_audit_next(a, &f)) {
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
			kvm_dp_bad_frame(a, &f, "references", n, right);
		if (word & DP_VALID && !right)
			kvm_dp_bad_frame(a, &f, "valid, references", 0, 1);
		if (word & (DP_UP | DP_DOWN) && n)
			kvm_dp_bad_frame(a, &f, "partial, references", n, 0);
		if (dp_audit_is_table(word) && count->writable)
			kvm_dp_bad_frame(a, &f, "table, writable references",
					 count->writable, 0);
		if (!dp_audit_is_table(word) && (count->refs || count->roots))
			kvm_dp_bad_frame(a, &f, "no table, links",
					 count->refs + count->roots, 0);
		if (count->writable && kvm_dp_type(word) != DP_DATA)
			kvm_dp_bad_frame(a, &f, "type", kvm_dp_type(word), DP_DATA);

		n = FIELD_GET(DP_READERS, READ_ONCE(dp_audit_frame(&f)->ident));
		if (n != count->readers)
			kvm_dp_bad_frame(a, &f, "readers", n, count->readers);
		if (count->doomed != !!(word & DP_DOWN))
			kvm_dp_bad_frame(a, &f, "times doomed", count->doomed,
					 !!(word & DP_DOWN));

		f.r->users += dp_audit_is_table(word) + !!count->writable +
			      !!count->readers;
	}
}

static void dp_bad_block(struct dp_audit *a, struct dp_audit_region *r,
			 unsigned long i, const char *what, u64 found, u64 right)
{
	kvm_dp_bad(a, "gfn %llx block %lu: %s %llu not %llu", r->region->base, i,
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
			if (!kvm_dp_audit_relax(a))
				return;
		}
		if (r->users != r->region->users)
			kvm_dp_bad(a, "gfn %llx: users of the slot %lu not %lu",
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
		if (!((pgoff - first) % AUDIT_ENTRIES) && !kvm_dp_audit_relax(a))
			return;

		args.address = vma->vm_start +
			       ((pgoff - vma->vm_pgoff) << PAGE_SHIFT);
		if (follow_pfnmap_start(&args))
			continue;
		pfn = args.pfn;
		follow_pfnmap_end(&args);

		if (kvm_dp_audit_find(a, pfn, &f) &&
		    dp_audit_is_private(dp_audit_word(&f)))
			kvm_dp_bad_frame(a, &f, "user mappings", 1, 0);
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
			kvm_dp_bad(a, "gfn %llx: user space can pin tables",
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
		region = kvm_dp_region(dp, i);
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
		kvm_dp_bad(a, "M2P window %llx is not read-only data", a->m2p);
	if (a->m2p && kvm_dp_audit_find(a, kvm_dp_entry_mfn(a->m2p), &f))
		kvm_dp_bad_frame(a, &f, "table of the host", 1, 0);
}

static void dp_audit_flushes(struct dp_audit *a)
{
	if (a->dp->unflushed)
		kvm_dp_bad(a, "%s, but %llu vCPUs have not flushed",
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
	kvm_dp_audit_tables(a);
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
 * Keep vCPUs that do not run from running, so that their roots stay.  To wait
 * for the others would be to wait for the guest.
 */
static void dp_audit_stop_vcpus(struct dp_audit *a)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, a->dp->kvm) {
		if (i >= AUDIT_MAX_STOPPED || !mutex_trylock(&vcpu->mutex)) {
			a->running++;
			continue;
		}
		a->vcpus[i].stopped = true;
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
 * -EIO if the VM is dead, as its memory may have failed.
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
