// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the machine-to-physical window.
 *
 * A guest that reads its own page tables finds machine frame numbers.  It
 * looks them up in an array of u64 at KVM_DP_M2P_BASE, indexed by machine
 * frame number, and mapped by tables that the host owns: one of level 3 for
 * each VM, to which slot 256 of each level-4 table points, and those below.
 *
 * A page of the array that holds no frame of the VM is not present.  Entries
 * of frames of others read as all ones, whoever they belong to, so the window
 * says nothing about them.  Nothing is shared between VMs, nothing writable
 * or executable, nothing accessible to the guest's user mode.
 *
 * The host writes entries and never reads them: the guest chooses their
 * values.  The window's memory is the kernel's and in no memslot.  Hence the
 * software walker, which follows frames of the VM only, does not see the
 * window, and an instruction that KVM emulates cannot use it.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "dp.h"

#define M2P_ENTRIES_SHIFT	9
#define M2P_ENTRIES		BIT(M2P_ENTRIES_SHIFT)
#define M2P_ROOT_LEVEL		3

/* One level-3 table maps 512 GiB of the array: machine memory of 256 TiB. */
#define M2P_MAX_FRAMES		BIT_ULL(M2P_ENTRIES_SHIFT * (M2P_ROOT_LEVEL + 1))

#define M2P_INVALID		U64_MAX

/* At every level: not writable, not for user mode. */
#define M2P_ENTRY_FLAGS		(_PAGE_PRESENT | _PAGE_ACCESSED | _PAGE_NX)

/*
 * Frames of which no two are in the same 2 MiB of machine memory need a page
 * each: as much memory again as the guest has.  Allow an eighth of that, and
 * what no slot can do without: a page of the array and the tables above it.
 */
#define M2P_FRAMES_PER_PAGE	8
#define M2P_MIN_PAGES		(4UL * KVM_X86_DP_MAX_SLOTS)

/*
 * Tables and pages of the array are one tree; a page of the array is a table
 * of level 0.  page_private() counts the entries in use, and those of level 0
 * by frame: their values are the guest's and prove nothing.
 */
struct kvm_dp_m2p {
	u64 *root;
	struct list_head pages;
	unsigned long nr_pages;
	unsigned long nr_frames;
};

static u64 *dp_m2p_slot(u64 *table, int level, u64 mfn)
{
	return table + ((mfn >> (M2P_ENTRIES_SHIFT * level)) % M2P_ENTRIES);
}

static u64 *dp_m2p_child(u64 *table, int level, u64 mfn)
{
	u64 entry = READ_ONCE(*dp_m2p_slot(table, level, mfn));

	return entry ? phys_to_virt(entry & DP_ENTRY_ADDR) : NULL;
}

static unsigned long dp_m2p_count(u64 *table, int delta)
{
	struct page *page = virt_to_page(table);

	set_page_private(page, page_private(page) + delta);
	return page_private(page);
}

static bool dp_m2p_is_full(struct kvm_dp_m2p *m2p)
{
	return m2p->nr_pages >= M2P_MIN_PAGES + m2p->nr_frames / M2P_FRAMES_PER_PAGE;
}

static u64 *dp_m2p_alloc(struct kvm_dp_m2p *m2p, int level)
{
	struct page *page;

	page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!page)
		return NULL;

	if (!level)
		memset64(page_address(page), M2P_INVALID, M2P_ENTRIES);

	set_page_private(page, 0);
	list_add(&page->lru, &m2p->pages);
	m2p->nr_pages++;
	return page_address(page);
}

static void dp_m2p_free(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		set_page_private(page, 0);
		__free_page(page);
		cond_resched();
	}
}

/* The page of the array that has the frame's entry. */
static u64 *dp_m2p_find(struct kvm_dp_m2p *m2p, u64 mfn)
{
	u64 *table = m2p->root;
	int level;

	for (level = M2P_ROOT_LEVEL; table && level > 0; level--)
		table = dp_m2p_child(table, level, mfn);
	return table;
}

static int dp_m2p_link(struct kvm_dp_m2p *m2p, u64 *table, int level, u64 mfn)
{
	u64 *child;

	if (dp_m2p_is_full(m2p))
		return -ENOSPC;

	child = dp_m2p_alloc(m2p, level - 1);
	if (!child)
		return -ENOMEM;

	/* A vCPU may walk it from here on: what it holds is there before it. */
	smp_store_release(dp_m2p_slot(table, level, mfn), __pa(child) | M2P_ENTRY_FLAGS);
	dp_m2p_count(table, 1);
	return 0;
}

static int dp_m2p_populate(struct kvm_dp_m2p *m2p, u64 mfn)
{
	u64 *table = m2p->root;
	int level, r;

	for (level = M2P_ROOT_LEVEL; level > 0; level--) {
		if (!dp_m2p_child(table, level, mfn)) {
			r = dp_m2p_link(m2p, table, level, mfn);
			if (r)
				return r;
		}
		table = dp_m2p_child(table, level, mfn);
	}
	return 0;
}

/* Unlink what is empty on the way to the frame's entry, but for the root. */
static void dp_m2p_prune(struct kvm_dp_m2p *m2p, u64 mfn, struct list_head *unlinked)
{
	u64 *tables[M2P_ROOT_LEVEL + 1];
	int level = M2P_ROOT_LEVEL;
	u64 *child;

	tables[level] = m2p->root;
	while (level > 0) {
		child = dp_m2p_child(tables[level], level, mfn);
		if (!child)
			break;
		tables[--level] = child;
	}

	for (; level < M2P_ROOT_LEVEL; level++) {
		if (dp_m2p_count(tables[level], 0))
			return;
		WRITE_ONCE(*dp_m2p_slot(tables[level + 1], level + 1, mfn), 0);
		dp_m2p_count(tables[level + 1], -1);
		list_move(&virt_to_page(tables[level])->lru, unlinked);
		m2p->nr_pages--;
	}
}

static int dp_m2p_add_frame(struct kvm_dp_m2p *m2p, u64 mfn, gfn_t gfn)
{
	u64 *page;
	int r;

	if (mfn >= M2P_MAX_FRAMES)
		return -ERANGE;

	page = dp_m2p_find(m2p, mfn);
	if (!page) {
		cond_resched();
		r = dp_m2p_populate(m2p, mfn);
		if (r)
			return r;
		page = dp_m2p_find(m2p, mfn);
	}

	WRITE_ONCE(*dp_m2p_slot(page, 0, mfn), gfn);
	dp_m2p_count(page, 1);
	return 0;
}

static void dp_m2p_remove_frame(struct kvm_dp_m2p *m2p, u64 mfn,
				struct list_head *unlinked)
{
	u64 *page = dp_m2p_find(m2p, mfn);

	WRITE_ONCE(*dp_m2p_slot(page, 0, mfn), M2P_INVALID);
	if (!dp_m2p_count(page, -1))
		dp_m2p_prune(m2p, mfn, unlinked);
}

static void dp_m2p_account(struct kvm_dp *dp)
{
	dp->kvm->stat.dp_m2p_bytes = (u64)dp->m2p->nr_pages << PAGE_SHIFT;
}

/* Take back the first @n frames of a region. */
static void dp_m2p_remove_frames(struct kvm_dp *dp, struct kvm_dp_region *region,
				 unsigned long n, struct list_head *unlinked)
{
	unsigned long i;
	u64 generation;

	for (i = 0; i < n; i++) {
		if (!(i % M2P_ENTRIES))
			cond_resched();
		dp_m2p_remove_frame(dp->m2p, kvm_dp_mfn(&region->frames[i]), unlinked);
	}

	dp->m2p->nr_frames -= region->npages;
	dp_m2p_account(dp);
	if (list_empty(unlinked))
		return;

	/* vCPUs may have cached translations and entries of tables. */
	mutex_lock(&dp->lock);
	generation = dp->generation;
	kvm_dp_flush(dp);
	kvm_dp_assert_flushed(dp, generation, "page of the M2P window is freed");
	mutex_unlock(&dp->lock);
	dp_m2p_free(unlinked);
}

/*
 * The frames of a new slot, before the region is published.  Entries begin as
 * guest frame numbers.  Returns -ENOSPC if they are too scattered, -ENOMEM, or
 * -ERANGE for a frame beyond the window; then nothing is left to remove.
 */
int kvm_dp_m2p_add(struct kvm_dp *dp, struct kvm_dp_region *region)
{
	struct kvm_dp_m2p *m2p = dp->m2p;
	LIST_HEAD(unlinked);
	unsigned long i;
	u64 mfn;
	int r;

	lockdep_assert_held(&dp->kvm->slots_lock);

	m2p->nr_frames += region->npages;
	for (i = 0; i < region->npages; i++) {
		if (!(i % M2P_ENTRIES))
			cond_resched();
		mfn = kvm_dp_mfn(&region->frames[i]);
		r = dp_m2p_add_frame(m2p, mfn, region->base + i);
		if (r)
			goto undo;
	}
	dp_m2p_account(dp);
	return 0;

undo:
	if (mfn < M2P_MAX_FRAMES)
		dp_m2p_prune(m2p, mfn, &unlinked);
	dp_m2p_remove_frames(dp, region, i, &unlinked);
	return r;
}

/*
 * The frames of a region that was added.  None of them may be found any more:
 * kvm_dp_m2p_set() relies on that, it does not exclude this.
 */
void kvm_dp_m2p_remove(struct kvm_dp *dp, struct kvm_dp_region *region)
{
	LIST_HEAD(unlinked);

	/* The VM ends, the window went first. */
	if (!dp->m2p)
		return;

	lockdep_assert_held(&dp->kvm->slots_lock);
	dp_m2p_remove_frames(dp, region, region->npages, &unlinked);
}

/* The guest says what a frame of its own is called. */
void kvm_dp_m2p_set(struct kvm_dp *dp, u64 mfn, u64 pfn)
{
	u64 *page;

	lockdep_assert_held(&dp->lock);

	if (mfn >= M2P_MAX_FRAMES)
		return;

	page = dp_m2p_find(dp->m2p, mfn);
	if (page)
		WRITE_ONCE(*dp_m2p_slot(page, 0, mfn), pfn);
}

/* Constant as long as the VM lives: level-4 tables need no visit later on. */
u64 kvm_dp_m2p_entry(struct kvm_dp *dp)
{
	return dp->m2p ? __pa(dp->m2p->root) | M2P_ENTRY_FLAGS : 0;
}

int kvm_dp_m2p_init(struct kvm_dp *dp)
{
	struct kvm_dp_m2p *m2p;

	m2p = kzalloc(sizeof(*m2p), GFP_KERNEL_ACCOUNT);
	if (!m2p)
		return -ENOMEM;

	INIT_LIST_HEAD(&m2p->pages);
	m2p->root = dp_m2p_alloc(m2p, M2P_ROOT_LEVEL);
	if (!m2p->root) {
		kfree(m2p);
		return -ENOMEM;
	}

	dp->m2p = m2p;
	dp_m2p_account(dp);
	return 0;
}

/* No vCPU runs any more, so nothing has to be flushed. */
void kvm_dp_m2p_destroy(struct kvm_dp *dp)
{
	struct kvm_dp_m2p *m2p = dp->m2p;

	if (!m2p)
		return;

	dp->m2p = NULL;
	dp_m2p_free(&m2p->pages);
	kfree(m2p);
}
