// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the frames of a memslot, how they are found, and what user
 * space maps of them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/vmalloc.h>

#include "dp.h"

#define DP_BLOCK_FRAMES		PTRS_PER_PTE

/* For memory failures, which know no VM. */
static DEFINE_SPINLOCK(dp_regions_lock);
static LIST_HEAD(dp_regions);

static unsigned long dp_skew(const struct kvm_dp_region *region)
{
	return region->pgoff % DP_BLOCK_FRAMES;
}

/* Blocks count from the start of the file, as its folios do. */
struct kvm_dp_block *kvm_dp_block(const struct kvm_dp_ref *ref)
{
	struct kvm_dp_region *region = ref->region;
	unsigned long index = ref->frame - region->frames;

	return &region->blocks[(index + dp_skew(region)) / DP_BLOCK_FRAMES];
}

static u32 dp_hash(const struct kvm_dp_region *region, u64 mfn)
{
	return reciprocal_scale(hash_64(mfn ^ region->seed, 32),
				region->hash_size);
}

static void dp_hash_frame(struct kvm_dp_region *region, unsigned long index)
{
	u32 slot = dp_hash(region, kvm_dp_mfn(&region->frames[index]));

	while (region->hash[slot]) {
		if (++slot == region->hash_size)
			slot = 0;
	}
	region->hash[slot] = index + 1;
}

static struct kvm_dp_frame *dp_find_frame(struct kvm_dp_region *region, u64 mfn)
{
	if (mfn < region->min_mfn || mfn > region->max_mfn)
		return NULL;

	return kvm_dp_probe(region, mfn);
}

static void dp_remember(struct kvm_dp_finder *finder, u64 mfn,
			const struct kvm_dp_ref *ref)
{
	struct kvm_dp_run *run = kvm_dp_run(finder, mfn);

	WRITE_ONCE(finder->region, ref->region);
	if (!kvm_dp_block(ref)->aligned)
		return;

	run->nr = mfn / DP_BLOCK_FRAMES + 1;
	run->frames = ref->frame - mfn % DP_BLOCK_FRAMES;
	run->region = ref->region;
}

bool __kvm_dp_find_unlocked(struct kvm_dp *dp, u64 mfn, struct kvm_dp_ref *ref)
{
	unsigned int i;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		ref->region = kvm_dp_region(dp, i);
		if (!ref->region)
			continue;
		ref->frame = dp_find_frame(ref->region, mfn);
		if (ref->frame)
			return true;
	}
	return false;
}

bool __kvm_dp_find(struct kvm_dp_finder *finder, u64 mfn,
		   struct kvm_dp_ref *ref)
{
	lockdep_assert_held(&finder->dp->lock);

	/* Nearly all is in the slot where the last one was. */
	ref->region = finder->region;
	ref->frame = ref->region ? dp_find_frame(ref->region, mfn) : NULL;
	if (!ref->frame && !__kvm_dp_find_unlocked(finder->dp, mfn, ref))
		return false;

	dp_remember(finder, mfn, ref);
	return true;
}

struct kvm_dp_frame *__kvm_dp_find_frame(struct kvm_dp_finder *finder, u64 mfn)
{
	struct kvm_dp_ref ref;

	return __kvm_dp_find(finder, mfn, &ref) ? ref.frame : NULL;
}

bool kvm_dp_find_gfn(struct kvm_dp *dp, gfn_t gfn, struct kvm_dp_ref *ref)
{
	struct kvm_dp_region *region;
	unsigned int i;
	u64 index;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		region = kvm_dp_region(dp, i);
		if (!region)
			continue;
		index = gfn - region->base;
		if (index >= region->npages)
			continue;
		index = array_index_nospec(index, region->npages);
		ref->region = region;
		ref->frame = &region->frames[index];
		return true;
	}
	return false;
}

static void dp_zap(struct kvm_dp_region *region, unsigned long index)
{
	/*
	 * Nothing but unmap_mapping_range(): its MMU notifiers are what
	 * gfn_to_pfn_caches, and IOMMUs that walk the VMM's page tables,
	 * hear of.
	 */
	unmap_mapping_range(region->inode->i_mapping,
			    (loff_t)(region->pgoff + index) << PAGE_SHIFT,
			    PAGE_SIZE, 0);
}

/*
 * Make the frame inaccessible to user space.  False: the lock was dropped, as
 * user space decides how long it takes to unmap; look again.
 */
bool kvm_dp_seal(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_region *region = ref->region;
	unsigned long index = ref->frame - region->frames;
	bool mapped;
	u64 unseals;

	lockdep_assert_held(&dp->lock);

	rt_mutex_lock(&region->map_lock);
	__set_bit(index, region->sealed);
	mapped = test_bit(index, region->mapped);
	unseals = region->unseals;
	rt_mutex_unlock(&region->map_lock);
	if (!mapped)
		return true;

	dp->kvm->stat.dp_zaps++;
	mutex_unlock(&dp->lock);
	dp_zap(region, index);
	mutex_lock(&dp->lock);

	/* If frames were unsealed meanwhile, this one may be mapped again. */
	rt_mutex_lock(&region->map_lock);
	if (region->unseals == unseals)
		__clear_bit(index, region->mapped);
	rt_mutex_unlock(&region->map_lock);
	return false;
}

/*
 * Wait for a table that is on its way down to become data; whoever else is
 * there helps.  What others put onto the list meanwhile is not waited for, but
 * comes first: hence the signal.
 */
static int dp_drain_frame(struct kvm_dp *dp, const struct kvm_dp_frame *frame)
{
	int r = 0;

	while (READ_ONCE(frame->word) & DP_DOWN) {
		struct kvm_dp_budget budget = DP_BUDGET;

		if (fatal_signal_pending(current))
			return -EINTR;

		mutex_lock(&dp->lock);
		r = kvm_dp_drain(dp, &budget);
		mutex_unlock(&dp->lock);
		if (r && r != -EAGAIN)
			return r;
		cond_resched();
	}
	return 0;
}

/*
 * User space wants a frame that was a table.  vCPUs may still walk through it,
 * and would follow whatever user space writes there.
 */
static int dp_unseal(struct kvm_dp *dp, const struct kvm_dp_ref *ref)
{
	struct kvm_dp_region *region = ref->region;
	int r;

	r = dp_drain_frame(dp, ref->frame);
	if (r)
		return r;

	r = -EFAULT;
	mutex_lock(&dp->lock);
	if (!kvm_dp_is_table(READ_ONCE(ref->frame->word))) {
		kvm_dp_flush_table(dp, ref);
		if (kvm_dp_type(READ_ONCE(ref->frame->word)) != DP_DATA)
			kvm_dp_assert_flushed(dp, ref->frame->stale,
					      "table is mapped by user space");
		rt_mutex_lock(&region->map_lock);
		__clear_bit(ref->frame - region->frames, region->sealed);
		region->unseals++;
		rt_mutex_unlock(&region->map_lock);
		dp->kvm->stat.dp_unseals++;
		r = 0;
	}
	mutex_unlock(&dp->lock);
	return r;
}

static int dp_touch_pte(pte_t *pte, unsigned long address, void *data)
{
	return 0;
}

bool kvm_arch_supports_gmem(struct kvm *kvm)
{
	return kvm_arch_has_private_mem(kvm) || kvm_is_direct_paging(kvm);
}

u64 kvm_arch_gmem_flags(struct kvm *kvm)
{
	if (!kvm_is_direct_paging(kvm))
		return 0;

	return GUEST_MEMFD_FLAG_MMAP | GUEST_MEMFD_FLAG_INIT_SHARED |
	       GUEST_MEMFD_FLAG_PAGE_TABLES;
}

/* Frames are the VM's for as long as there is a slot. */
bool kvm_arch_gmem_is_fixed(struct kvm *kvm)
{
	return kvm_is_direct_paging(kvm);
}

/* The caller keeps the slot and its file, by the file's invalidate lock. */
vm_fault_t kvm_arch_gmem_map_pfn(struct kvm_memory_slot *slot,
				 struct vm_fault *vmf, gfn_t gfn, kvm_pfn_t pfn)
{
	struct kvm_dp_region *region = slot->arch.dp;
	unsigned long index = gfn - slot->base_gfn;
	vm_fault_t ret = VM_FAULT_NOPAGE;
	struct kvm_dp_ref ref;
	bool sealed;

	if (!region)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);

	/* Allocate before, not under, a lock that vCPUs wait for. */
	if (apply_to_page_range(vmf->vma->vm_mm, vmf->address & PAGE_MASK,
				PAGE_SIZE, dp_touch_pte, NULL))
		return VM_FAULT_OOM;

	rt_mutex_lock(&region->map_lock);
	sealed = test_bit(index, region->sealed);
	if (!sealed) {
		__set_bit(index, region->mapped);
		ret = vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	}
	rt_mutex_unlock(&region->map_lock);
	if (!sealed)
		return ret;

	ref.region = region;
	ref.frame = &region->frames[index];
	/* A task that dies must not come back for the same fault. */
	if (dp_unseal(region->dp, &ref))
		return VM_FAULT_SIGBUS;

	/* Fault again: a vCPU may have made it a table in between. */
	return VM_FAULT_NOPAGE;
}

/*
 * A failure is marked before it is told.  Look before reading what nobody has
 * read for a while.
 */
bool kvm_dp_has_failed(struct kvm_dp *dp, const struct kvm_dp_frame *frame)
{
	if (!PageHWPoison(pfn_to_page(kvm_dp_mfn(frame))))
		return false;

	kvm_vm_dead(dp->kvm);
	return true;
}

/*
 * Stop the VM before it reads the memory.  Takes no lock that is held by those
 * who may be about to.
 */
void kvm_arch_gmem_poison(struct address_space *mapping, pgoff_t start,
			  pgoff_t end)
{
	struct kvm_dp_region *region;

	spin_lock(&dp_regions_lock);
	list_for_each_entry(region, &dp_regions, list) {
		if (region->inode->i_mapping != mapping ||
		    region->pgoff >= end ||
		    region->pgoff + region->npages <= start)
			continue;
		kvm_vm_dead(region->dp->kvm);
	}
	spin_unlock(&dp_regions_lock);
}

static void dp_free_region(struct kvm_dp_region *region, unsigned long npages)
{
	unsigned long i;

	for (i = 0; i < npages; i++) {
		put_page(pfn_to_page(kvm_dp_mfn(&region->frames[i])));
		if (!(i % DP_BLOCK_FRAMES))
			cond_resched();
	}
	if (region->inode)
		iput(region->inode);
	kvfree(region->sealed);
	kvfree(region->mapped);
	kvfree(region->blocks);
	kvfree(region->hash);
	kvfree(region->frames);
	kfree(region);
}

static u64 dp_region_bytes(const struct kvm_dp_region *region)
{
	return region->npages * sizeof(*region->frames) +
	       region->hash_size * sizeof(*region->hash) +
	       2 * BITS_TO_LONGS(region->npages) * sizeof(long) +
	       region->nr_blocks * sizeof(*region->blocks);
}

/* Fails for any size without a warning, as a VMM chooses it. */
static void *dp_alloc_array(size_t n, size_t size)
{
	return __vcalloc(n, size, GFP_KERNEL_ACCOUNT);
}

static struct kvm_dp_region *dp_alloc_region(struct kvm_dp *dp,
					     struct kvm_memory_slot *slot)
{
	unsigned long npages = slot->npages;
	struct kvm_dp_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;

	region->dp = dp;
	region->base = slot->base_gfn;
	region->npages = npages;
	region->pgoff = slot->gmem.pgoff;
	region->min_mfn = ~0ULL;
	region->nr_blocks = DIV_ROUND_UP(dp_skew(region) + npages,
					 DP_BLOCK_FRAMES);
	region->seed = get_random_u64();
	/* With 24 bytes a frame, 31 in all. */
	region->hash_size = npages + npages / 4 * 3 + 1;
	rt_mutex_init(&region->map_lock);
	INIT_LIST_HEAD(&region->list);

	region->sealed = dp_alloc_array(BITS_TO_LONGS(npages), sizeof(long));
	region->mapped = dp_alloc_array(BITS_TO_LONGS(npages), sizeof(long));
	region->blocks = dp_alloc_array(region->nr_blocks,
					sizeof(*region->blocks));
	/* One more, in case the CPU runs ahead beyond the end. */
	region->hash = dp_alloc_array(region->hash_size + 1,
				      sizeof(*region->hash));
	region->frames = dp_alloc_array(npages, sizeof(*region->frames));
	if (!region->sealed || !region->mapped || !region->blocks ||
	    !region->hash || !region->frames) {
		dp_free_region(region, 0);
		return NULL;
	}
	return region;
}

static void dp_add_frame(struct kvm_dp_region *region, unsigned long index,
			 u64 mfn)
{
	region->frames[index].ident = mfn;
	region->min_mfn = min(region->min_mfn, mfn);
	region->max_mfn = max(region->max_mfn, mfn);
	dp_hash_frame(region, index);
}

/*
 * Add what a folio has from this page on, which has a reference for the first
 * frame.  Stop before a page that failed: who asks the file for it is told.
 */
static unsigned long dp_add_folio(struct kvm_dp_region *region,
				  unsigned long index, kvm_pfn_t pfn)
{
	struct page *page = pfn_to_page(pfn);
	struct folio *folio = page_folio(page);
	unsigned long i, n;

	n = folio_nr_pages(folio) - folio_page_idx(folio, page);
	n = min(n, region->npages - index);
	for (i = 0; i < n; i++) {
		if (i && PageHWPoison(pfn_to_page(pfn + i)))
			break;
		dp_add_frame(region, index + i, pfn + i);
	}
	folio_ref_add(folio, i - 1);
	return i;
}

/* Each frame holds a reference of its page: the file may lose its own. */
static int dp_fill_region(struct kvm_dp_region *region,
			  struct kvm_memory_slot *slot)
{
	unsigned long i = 0;
	kvm_pfn_t pfn;
	int r;

	while (i < region->npages) {
		r = kvm_gmem_get_pfn(region->dp->kvm, slot, region->base + i,
				     &pfn, NULL);
		if (!r && fatal_signal_pending(current)) {
			put_page(pfn_to_page(pfn));
			r = -EINTR;
		}
		if (r) {
			region->npages = i;
			return r;
		}
		i += dp_add_folio(region, i, pfn);
		cond_resched();
	}
	return 0;
}

static bool dp_is_aligned(struct kvm_dp_region *region, unsigned long first)
{
	u64 mfn = kvm_dp_mfn(&region->frames[first]);
	unsigned long i;

	if (mfn % DP_BLOCK_FRAMES)
		return false;

	for (i = 1; i < DP_BLOCK_FRAMES; i++) {
		if (kvm_dp_mfn(&region->frames[first + i]) != mfn + i)
			return false;
	}
	return true;
}

static void dp_find_blocks(struct kvm_dp_region *region)
{
	unsigned long i, first;

	for (i = 0; i < region->nr_blocks; i++) {
		first = i * DP_BLOCK_FRAMES - dp_skew(region);
		if (i * DP_BLOCK_FRAMES < dp_skew(region) ||
		    first + DP_BLOCK_FRAMES > region->npages)
			continue;
		region->blocks[i].aligned = dp_is_aligned(region, first);
		cond_resched();
	}
}

static bool dp_overlaps_region(struct kvm_dp_region *region,
			       struct kvm_dp_region *other)
{
	unsigned long i;

	if (region->max_mfn < other->min_mfn || region->min_mfn > other->max_mfn)
		return false;

	for (i = 0; i < region->npages; i++) {
		if (dp_find_frame(other, kvm_dp_mfn(&region->frames[i])))
			return true;
		cond_resched();
	}
	return false;
}

/* A frame in two slots would have two types. */
static bool dp_overlaps(struct kvm_dp *dp, struct kvm_dp_region *region)
{
	struct kvm_dp_region *other;
	unsigned int i;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		other = kvm_dp_region(dp, i);
		if (other && dp_overlaps_region(region, other))
			return true;
	}
	return false;
}

static int dp_free_slot(struct kvm_dp *dp)
{
	unsigned int i;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		if (!rcu_access_pointer(dp->regions[i]))
			return i;
	}
	return -ENOSPC;
}

/*
 * From here on, whoever maps a frame asks for it first.  Remove what was mapped
 * before.
 */
static void dp_take_mappings(struct kvm_dp_region *region,
			     struct kvm_memory_slot *slot)
{
	struct address_space *mapping = region->inode->i_mapping;

	filemap_invalidate_lock(mapping);
	slot->arch.dp = region;
	filemap_invalidate_unlock(mapping);

	if (region->can_be_table)
		unmap_mapping_range(mapping, (loff_t)region->pgoff << PAGE_SHIFT,
				    (loff_t)region->npages << PAGE_SHIFT, 0);
}

static void dp_watch_region(struct kvm_dp_region *region)
{
	spin_lock(&dp_regions_lock);
	list_add(&region->list, &dp_regions);
	spin_unlock(&dp_regions_lock);
}

static void dp_unwatch_region(struct kvm_dp_region *region)
{
	spin_lock(&dp_regions_lock);
	list_del_init(&region->list);
	spin_unlock(&dp_regions_lock);
}

/* Before the VM's vCPUs go. */
void kvm_dp_pre_destroy_vm(struct kvm *kvm)
{
	struct kvm_dp_region *region;
	unsigned int i;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		/* The last user is the only one. */
		region = rcu_dereference_protected(kvm->arch.dp->regions[i],
						   true);
		if (region)
			dp_unwatch_region(region);
	}
}

/* slots_lock and slots_arch_lock are held, and the file is bound. */
int kvm_dp_prepare_memslot(struct kvm *kvm, struct kvm_memory_slot *new,
			   enum kvm_mr_change change)
{
	struct kvm_dp *dp = kvm->arch.dp;
	struct kvm_dp_region *region;
	struct inode *inode;
	u64 flags;
	int i, r;

	lockdep_assert_held(&kvm->slots_lock);

	if (change != KVM_MR_CREATE || new->flags != KVM_MEM_GUEST_MEMFD)
		return -EINVAL;

	inode = file_inode(new->gmem.file);
	flags = (unsigned long)inode->i_private;
	if (!(flags & GUEST_MEMFD_FLAG_MMAP) ||
	    !(flags & GUEST_MEMFD_FLAG_INIT_SHARED))
		return -EINVAL;

	i = dp_free_slot(dp);
	if (i < 0)
		return i;

	region = dp_alloc_region(dp, new);
	if (!region)
		return -ENOMEM;

	region->can_be_table = flags & GUEST_MEMFD_FLAG_PAGE_TABLES;
	ihold(inode);
	region->inode = inode;
	dp_watch_region(region);

	r = dp_fill_region(region, new);
	if (r)
		goto err;

	r = -EEXIST;
	if (dp_overlaps(dp, region))
		goto err;

	dp_find_blocks(region);
	r = kvm_dp_m2p_add(dp, region);
	if (r)
		goto err;

	dp_take_mappings(region, new);
	rcu_assign_pointer(dp->regions[i], region);
	kvm->stat.dp_frame_bytes += dp_region_bytes(region);
	return 0;

err:
	dp_unwatch_region(region);
	dp_free_region(region, region->npages);
	return r;
}

/* Frames that a call left between data and table would stay so for ever. */
static int dp_doom_partial(struct kvm_dp *dp, struct kvm_dp_region *region)
{
	struct kvm_dp_ref ref = { .region = region };
	unsigned long i, end;
	int r = 0;

	for (i = 0; i < region->npages; i = end) {
		end = min(i + DP_BLOCK_FRAMES, region->npages);
		mutex_lock(&dp->lock);
		for (; i < end; i++) {
			ref.frame = &region->frames[i];
			kvm_dp_doom_partial(dp, &ref);
		}
		mutex_unlock(&dp->lock);
		cond_resched();
	}

	for (i = 0; i < region->npages && !r; i++) {
		r = dp_drain_frame(dp, &region->frames[i]);
		if (!(i % DP_BLOCK_FRAMES))
			cond_resched();
	}
	return r;
}

static int dp_region_slot(struct kvm_dp *dp, struct kvm_dp_region *region)
{
	int i;

	for (i = 0; i < KVM_X86_DP_MAX_SLOTS; i++) {
		if (rcu_access_pointer(dp->regions[i]) == region)
			return i;
	}
	return -ENOENT;
}

/*
 * Before anybody sees the slot go: is anything left that refers to it?  If
 * not, nothing finds its frames any more.
 */
int kvm_arch_prepare_delete_memslot(struct kvm *kvm,
				    struct kvm_memory_slot *slot)
{
	struct kvm_dp *dp = kvm->arch.dp;
	struct kvm_dp_region *region;
	u64 generation;
	int i, r;

	lockdep_assert_held(&kvm->slots_lock);

	if (!dp || !slot->arch.dp)
		return 0;

	region = slot->arch.dp;
	r = dp_doom_partial(dp, region);
	if (r)
		return r;

	r = -EBUSY;
	i = dp_region_slot(dp, region);
	if (i < 0)
		return 0;

	mutex_lock(&dp->lock);
	if (!region->users) {
		rcu_assign_pointer(dp->regions[i], NULL);
		kvm_dp_init_finder(&dp->tables, dp);
		kvm_dp_init_finder(&dp->targets, dp);
		kvm_dp_note_links(dp);
		/* vCPUs may still know read-only translations of its frames. */
		generation = dp->generation;
		kvm_dp_flush(dp);
		kvm_dp_assert_flushed(dp, generation, "slot is deleted");
		r = 0;
	}
	mutex_unlock(&dp->lock);
	return r;
}

/* The slot could not be deleted for another reason. */
void kvm_arch_cancel_delete_memslot(struct kvm *kvm,
				    struct kvm_memory_slot *slot)
{
	struct kvm_dp *dp = kvm->arch.dp;

	lockdep_assert_held(&kvm->slots_lock);

	if (dp && slot->arch.dp)
		rcu_assign_pointer(dp->regions[dp_free_slot(dp)],
				   slot->arch.dp);
}

/* No reader is left.  At the end of the VM, its dp is gone already. */
void kvm_dp_free_memslot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct kvm_dp_region *region = slot->arch.dp;

	if (!region)
		return;

	dp_unwatch_region(region);
	if (kvm->arch.dp) {
		kvm_dp_m2p_remove(kvm->arch.dp, region);
		kvm->stat.dp_frame_bytes -= dp_region_bytes(region);
	}
	slot->arch.dp = NULL;
	dp_free_region(region, region->npages);
}
