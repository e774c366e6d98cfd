/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_GUEST_MEMFD_H__
#define __KVM_GUEST_MEMFD_H__ 1

#include <linux/kvm_host.h>
#include <linux/pagemap.h>

struct kvm_gmem {
	struct kvm *kvm;
	struct xarray bindings;
	struct list_head entry;
#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_TABLES
	atomic_t nr_table_vmas;
#endif
};

/**
 * folio_file_pfn - like folio_file_page, but return a pfn.
 * @folio: The folio which contains this index.
 * @index: The index we want to look up.
 *
 * Return: The pfn for this index.
 */
static inline kvm_pfn_t folio_file_pfn(struct folio *folio, pgoff_t index)
{
	return folio_pfn(folio) + (index & (folio_nr_pages(folio) - 1));
}

static inline void kvm_gmem_mark_prepared(struct folio *folio)
{
	folio_mark_uptodate(folio);
}

static inline u64 kvm_gmem_flags(struct inode *inode)
{
	return (unsigned long)inode->i_private;
}

struct folio *kvm_gmem_get_folio(struct inode *inode, pgoff_t index);

#ifdef CONFIG_HAVE_KVM_ARCH_GMEM_TABLES
static inline bool kvm_gmem_is_mappable(struct inode *inode)
{
	return kvm_gmem_flags(inode) & GUEST_MEMFD_FLAG_MMAP;
}

void kvm_gmem_init_mapping(struct inode *inode);
bool kvm_gmem_release_folio(struct folio *folio, gfp_t gfp);
int kvm_gmem_mmap(struct file *file, struct vm_area_struct *vma);
struct folio *kvm_gmem_add_large_folio(struct inode *inode, pgoff_t index);
void kvm_gmem_zero_folio(struct folio *folio);
bool kvm_gmem_is_fixed(struct inode *inode, pgoff_t start, pgoff_t end);
void kvm_gmem_truncate(struct inode *inode, loff_t offset, loff_t len);
void kvm_gmem_poison(struct address_space *mapping, struct folio *folio);
#else
#define kvm_gmem_release_folio NULL
#define kvm_gmem_mmap NULL

static inline void kvm_gmem_init_mapping(struct inode *inode)
{
}

static inline bool kvm_gmem_is_mappable(struct inode *inode)
{
	return false;
}

static inline struct folio *kvm_gmem_add_large_folio(struct inode *inode,
						     pgoff_t index)
{
	return NULL;
}

static inline void kvm_gmem_zero_folio(struct folio *folio)
{
}

static inline bool kvm_gmem_is_fixed(struct inode *inode, pgoff_t start,
				     pgoff_t end)
{
	return false;
}

static inline void kvm_gmem_truncate(struct inode *inode, loff_t offset,
				     loff_t len)
{
	truncate_inode_pages_range(inode->i_mapping, offset, offset + len - 1);
}

static inline void kvm_gmem_poison(struct address_space *mapping,
				   struct folio *folio)
{
}
#endif /* CONFIG_HAVE_KVM_ARCH_GMEM_TABLES */

#endif /* __KVM_GUEST_MEMFD_H__ */
