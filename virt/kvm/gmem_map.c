// SPDX-License-Identifier: GPL-2.0-only
/*
 * guest_memfd that user space can map.
 *
 * There are two kinds.  Memory for data only is mapped like that of any file,
 * and can be pinned.  Memory with GUEST_MEMFD_FLAG_PAGE_TABLES is mapped frame
 * by frame and without its struct pages (VM_PFNMAP), so that a mapping is all
 * that user space can have of a frame: once the architecture has refused to
 * map a frame any more, and has called unmap_mapping_range(), nothing but KVM
 * can reach it.
 */
#include <linux/highmem.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "guest_memfd.h"
#include "kvm_mm.h"

/*
 * Mappings of one file.  Whoever takes a frame away from user space waits
 * until it is gone from all of them.
 */
#define GMEM_MAX_TABLE_VMAS	512

/*
 * Try a folio as large as a PMD maps.  Returns it locked, or NULL if it would
 * reach beyond the end of the file, is not empty, or there is no memory.
 */
struct folio *kvm_gmem_add_large_folio(struct inode *inode, pgoff_t index)
{
	struct address_space *mapping = inode->i_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping) | __GFP_NORETRY | __GFP_NOWARN;
	pgoff_t start = ALIGN_DOWN(index, 1UL << PMD_ORDER);
	loff_t pos = (loff_t)start << PAGE_SHIFT;
	struct folio *folio;

	if (mapping_max_folio_order(mapping) < PMD_ORDER ||
	    pos + PMD_SIZE > i_size_read(inode) ||
	    filemap_range_has_page(mapping, pos, pos + PMD_SIZE - 1))
		return NULL;

	folio = filemap_alloc_folio(gfp, PMD_ORDER);
	if (!folio)
		return NULL;
	if (filemap_add_folio(mapping, folio, start, gfp)) {
		folio_put(folio);
		return NULL;
	}
	return folio;
}

/*
 * Keep folios whole.  To split one whose frames can become page tables, the
 * kernel would unmap it by its reverse map: there it would find the mappings
 * by their pfn, and drop references that they never had.  Others have users
 * that the kernel does not know of, and it would fail to split them late, after
 * it told nobody.
 */
bool kvm_gmem_release_folio(struct folio *folio, gfp_t gfp)
{
	/* All that is heard of a failure in a large folio. */
	if (folio_test_has_hwpoisoned(folio))
		kvm_gmem_poison(folio->mapping, folio);
	return false;
}

void kvm_gmem_init_mapping(struct inode *inode)
{
	u64 flags = kvm_gmem_flags(inode);

	if (!(flags & GUEST_MEMFD_FLAG_MMAP))
		return;

	mapping_set_large_folios(inode->i_mapping);
	mapping_set_release_always(inode->i_mapping);
}

/* A new folio, unless the allocator has done so: it takes long. */
void kvm_gmem_zero_folio(struct folio *folio)
{
	unsigned long i, nr_pages = folio_nr_pages(folio);

	if (want_init_on_alloc(mapping_gfp_mask(folio->mapping)))
		nr_pages = 0;

	for (i = 0; i < nr_pages; i++)
		clear_highpage(folio_page(folio, i));
	kvm_gmem_mark_prepared(folio);
}

/* Returns the folio locked, or NULL and sets *ret. */
static struct folio *gmem_fault_folio(struct vm_fault *vmf, vm_fault_t *ret)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	struct folio *folio;

	*ret = VM_FAULT_SIGBUS;
	if (vmf->pgoff >= i_size_read(inode) >> PAGE_SHIFT)
		return NULL;

	folio = kvm_gmem_get_folio(inode, vmf->pgoff);
	if (IS_ERR(folio)) {
		*ret = vmf_error(PTR_ERR(folio));
		return NULL;
	}

	if (PageHWPoison(folio_file_page(folio, vmf->pgoff))) {
		folio_unlock(folio);
		folio_put(folio);
		*ret = VM_FAULT_HWPOISON;
		return NULL;
	}

	if (!folio_test_uptodate(folio))
		kvm_gmem_zero_folio(folio);
	return folio;
}

static vm_fault_t gmem_fault_data(struct vm_fault *vmf)
{
	struct folio *folio;
	vm_fault_t ret;

	folio = gmem_fault_folio(vmf, &ret);
	if (!folio)
		return ret;

	vmf->page = folio_file_page(folio, vmf->pgoff);
	return VM_FAULT_LOCKED;
}

static const struct vm_operations_struct gmem_data_vm_ops = {
	.fault	= gmem_fault_data,
};

/* The invalidate lock keeps the slot, and whether there is one. */
static vm_fault_t gmem_map_pfn(struct vm_fault *vmf, kvm_pfn_t pfn)
{
	struct kvm_gmem *gmem = vmf->vma->vm_file->private_data;
	struct kvm_memory_slot *slot = xa_load(&gmem->bindings, vmf->pgoff);
	gfn_t gfn;

	if (!slot)
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);

	gfn = slot->base_gfn + vmf->pgoff - slot->gmem.pgoff;
	return kvm_arch_gmem_map_pfn(slot, vmf, gfn, pfn);
}

static vm_fault_t gmem_fault_tables(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	struct folio *folio;
	vm_fault_t ret;

	/* The kernel's own accesses look at no signal between two faults. */
	if (fatal_signal_pending(current))
		return VM_FAULT_SIGBUS;

	filemap_invalidate_lock_shared(mapping);
	folio = gmem_fault_folio(vmf, &ret);
	if (!folio)
		goto out;

	/*
	 * The invalidate lock alone keeps the frame in the file from here on,
	 * as the architecture may sleep for other reasons than this folio.
	 */
	folio_unlock(folio);
	ret = gmem_map_pfn(vmf, folio_file_pfn(folio, vmf->pgoff));

	/*
	 * A memory failure may have unmapped the frame just before it was
	 * mapped.  There is no reverse map to find it by later on.
	 */
	if (PageHWPoison(folio_file_page(folio, vmf->pgoff))) {
		unmap_mapping_pages(mapping, vmf->pgoff, 1, false);
		ret = VM_FAULT_HWPOISON;
	}
	folio_put(folio);
out:
	filemap_invalidate_unlock_shared(mapping);
	return ret;
}

static struct kvm_gmem *gmem_of_vma(struct vm_area_struct *vma)
{
	return vma->vm_file->private_data;
}

static void gmem_open_tables(struct vm_area_struct *vma)
{
	atomic_inc(&gmem_of_vma(vma)->nr_table_vmas);
}

static void gmem_close_tables(struct vm_area_struct *vma)
{
	atomic_dec(&gmem_of_vma(vma)->nr_table_vmas);
}

static int gmem_may_split_tables(struct vm_area_struct *vma, unsigned long addr)
{
	if (atomic_read(&gmem_of_vma(vma)->nr_table_vmas) >= GMEM_MAX_TABLE_VMAS)
		return -ENOMEM;

	return 0;
}

static const struct vm_operations_struct gmem_table_vm_ops = {
	.open		= gmem_open_tables,
	.close		= gmem_close_tables,
	.may_split	= gmem_may_split_tables,
	.fault		= gmem_fault_tables,
};

bool kvm_gmem_is_table_vma(struct vm_area_struct *vma)
{
	return vma->vm_ops == &gmem_table_vm_ops;
}

static int gmem_mmap_tables(struct vm_area_struct *vma)
{
	if (!atomic_add_unless(&gmem_of_vma(vma)->nr_table_vmas, 1,
			       GMEM_MAX_TABLE_VMAS))
		return -ENOMEM;

	/*
	 * A fork() would add mappings and could not be told that there are
	 * enough: children get none.  VM_IO keeps MADV_DOFORK from changing it.
	 */
	vm_flags_set(vma, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTDUMP |
			  VM_DONTCOPY);
	vma->vm_ops = &gmem_table_vm_ops;
	return 0;
}

int kvm_gmem_mmap(struct file *file, struct vm_area_struct *vma)
{
	u64 flags = kvm_gmem_flags(file_inode(file));
	unsigned long shared = VM_SHARED | VM_MAYSHARE;

	if (!(flags & GUEST_MEMFD_FLAG_MMAP))
		return -ENODEV;

	/* A private copy would be none of the guest's memory. */
	if ((vma->vm_flags & shared) != shared)
		return -EINVAL;

	if (flags & GUEST_MEMFD_FLAG_PAGE_TABLES)
		return gmem_mmap_tables(vma);

	/*
	 * VM_DONTEXPAND, because khugepaged and MADV_COLLAPSE would replace
	 * folios behind KVM's back in kernels that allow it for any file.
	 */
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_ops = &gmem_data_vm_ops;
	return 0;
}

/* Does a VM whose memory must not change have any of it bound? */
bool kvm_gmem_is_fixed(struct inode *inode, pgoff_t start, pgoff_t end)
{
	struct kvm_gmem *gmem;
	unsigned long index;

	list_for_each_entry(gmem, &inode->i_mapping->i_private_list, entry) {
		index = start;
		if (kvm_arch_gmem_is_fixed(gmem->kvm) &&
		    xa_find(&gmem->bindings, &index, end - 1, XA_PRESENT))
			return true;
	}
	return false;
}

/*
 * Zero [start, end) of the folio at index, if that is not all of it.  Returns
 * true and the folio's range if it did.
 */
static bool gmem_zero_partial(struct address_space *mapping, pgoff_t index,
			      pgoff_t *start, pgoff_t *end)
{
	struct folio *folio = filemap_lock_folio(mapping, index);
	pgoff_t first, last;
	bool partial;

	if (IS_ERR(folio))
		return false;

	first = max(*start, folio->index);
	last = min(*end, folio_next_index(folio));
	partial = last - first < folio_nr_pages(folio);
	if (partial) {
		folio_zero_range(folio, (first - folio->index) << PAGE_SHIFT,
				 (last - first) << PAGE_SHIFT);
		*start = first;
		*end = last;
	}
	folio_unlock(folio);
	folio_put(folio);
	return partial;
}

/*
 * Remove whole folios only, and zero what else is in the hole: a folio with
 * more than one user cannot be split, and the page cache would then drop all
 * of it, which is more than was asked for.
 */
void kvm_gmem_truncate(struct inode *inode, loff_t offset, loff_t len)
{
	struct address_space *mapping = inode->i_mapping;
	pgoff_t start = offset >> PAGE_SHIFT;
	pgoff_t end = (offset + len) >> PAGE_SHIFT;
	pgoff_t first, last;

	/* Frames that are mapped without a reverse map are found only so. */
	if (kvm_gmem_is_mappable(inode))
		unmap_mapping_pages(mapping, start, end - start, false);

	first = start;
	last = end;
	if (gmem_zero_partial(mapping, start, &first, &last))
		start = last;
	if (start == end)
		return;

	first = start;
	last = end;
	if (gmem_zero_partial(mapping, end - 1, &first, &last))
		end = first;
	if (start == end)
		return;

	truncate_inode_pages_range(mapping, (loff_t)start << PAGE_SHIFT,
				   ((loff_t)end << PAGE_SHIFT) - 1);
}

void kvm_gmem_poison(struct address_space *mapping, struct folio *folio)
{
	kvm_arch_gmem_poison(mapping, folio->index, folio_next_index(folio));

	if (kvm_gmem_is_mappable(mapping->host))
		unmap_mapping_pages(mapping, folio->index,
				    folio_nr_pages(folio), false);
}
