// SPDX-License-Identifier: GPL-2.0-only
/*
 * Grants: the guest lists frames, in a table that it shares, which the tool may
 * use.  It can write the table at any time: an entry is looked at once, marked
 * as in use in the same step, and its frame held for as long as that lasts.
 *
 * Nobody lends frames to the guest.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <xen/xen.h>
#include <xen/grant_table.h>

#include "direct.h"
#include "xen.h"

#define PER_FRAME	(PAGE_SIZE / sizeof(grant_entry_v1_t))
/* One call of the guest's does not keep its lock for longer. */
#define MAX_COUNT	512
/* A guest that writes an entry all the time only fools itself. */
#define MAX_TRIES	16

/* Flags and domain of an entry, which change together. */
union word {
	struct {
		uint16_t flags;
		domid_t domid;
	};
	uint32_t raw;
};

static struct {
	grant_entry_v1_t *entries;
	unsigned int nr_entries, nr_frames;
	uint64_t gfn;
	struct use {
		uint16_t maps, writers;
	} *uses;
} table;

void grant_init(struct xen *xen, void *page, uint64_t gfn, unsigned int frames)
{
	table.entries = page;
	table.gfn = gfn;
	table.nr_frames = frames;
	table.nr_entries = frames * PER_FRAME;
	table.uses = calloc(table.nr_entries, sizeof(*table.uses));
	if (!table.uses)
		fail(EX_OS, ENOMEM, NULL, "cannot make a grant table");
}

static bool may_map(union word word, bool write)
{
	return (word.flags & GTF_type_mask) == GTF_permit_access &&
	       word.domid == XEN_DOM_TOOL &&
	       !(write && word.flags & GTF_readonly);
}

static int mark(grant_entry_v1_t *entry, bool write)
{
	uint32_t *raw = (uint32_t *)entry;
	union word old, new;
	int i;

	old.raw = __atomic_load_n(raw, __ATOMIC_RELAXED);
	for (i = 0; i < MAX_TRIES; i++) {
		if (!may_map(old, write))
			return -EACCES;
		new = old;
		new.flags |= GTF_reading | (write ? GTF_writing : 0);
		if (__atomic_compare_exchange_n(raw, &old.raw, new.raw, false,
						__ATOMIC_SEQ_CST,
						__ATOMIC_RELAXED))
			return 0;
	}
	return -EAGAIN;
}

/* Other grants of the same reference keep their marks. */
static void unmark(grant_entry_v1_t *entry, const struct use *use)
{
	uint16_t gone = 0;

	if (!use->maps)
		gone |= GTF_reading;
	if (!use->writers)
		gone |= GTF_writing;
	if (gone)
		__atomic_and_fetch(&entry->flags, ~gone, __ATOMIC_SEQ_CST);
}

/* After the entry was marked: from then on the guest may not change it. */
static void *hold_frame(struct xen *xen, const grant_entry_v1_t *entry,
			int *hold)
{
	uint32_t mfn = __atomic_load_n(&entry->frame, __ATOMIC_RELAXED);
	uint64_t gfn;

	if (!guest_gfn(xen->vm, mfn, &gfn)) {
		errno = ENXIO;
		return NULL;
	}
	return guest_hold(xen->vm, gfn, 1, hold);
}

int grant_map(struct xen *xen, uint32_t ref, bool write, struct grant *grant)
{
	grant_entry_v1_t *entry;
	struct use *use;
	int err;

	if (ref >= table.nr_entries)
		return -EINVAL;
	entry = &table.entries[ref];
	use = &table.uses[ref];
	if (use->maps == UINT16_MAX)
		return -EBUSY;
	err = mark(entry, write);
	if (err)
		return err;
	grant->page = hold_frame(xen, entry, &grant->hold);
	if (!grant->page) {
		err = -errno;
		unmark(entry, use);
		return err;
	}
	grant->ref = ref;
	grant->write = write;
	use->maps++;
	use->writers += write;
	return 0;
}

void grant_unmap(struct xen *xen, struct grant *grant)
{
	struct use *use = &table.uses[grant->ref];

	guest_release(grant->hold);
	grant->page = NULL;
	use->maps--;
	use->writers -= grant->write;
	unmark(&table.entries[grant->ref], use);
}

static bool is_self(domid_t dom)
{
	return dom == DOMID_SELF || dom == XEN_DOM_GUEST;
}

static int16_t list_frames(struct vcpu *vcpu, gnttab_setup_table_t *op)
{
	uint64_t list = (uintptr_t)op->frame_list.p, mfn;
	uint32_t i;

	if (!is_self(op->dom))
		return GNTST_bad_domain;
	if (op->nr_frames > table.nr_frames)
		return GNTST_general_error;
	for (i = 0; i < op->nr_frames; i++) {
		mfn = guest_mfn(vcpu->vm, table.gfn + i);
		if (!guest_write_va(vcpu, list + i * sizeof(mfn), &mfn,
				    sizeof(mfn)))
			return GNTST_bad_virt_addr;
	}
	return GNTST_okay;
}

/* One operation each, whose argument is changed in place; 0, or -errno. */
static int setup_table(struct vcpu *vcpu, void *arg)
{
	gnttab_setup_table_t *op = arg;

	op->status = list_frames(vcpu, op);
	return 0;
}

static int query_size(struct vcpu *vcpu, void *arg)
{
	gnttab_query_size_t *op = arg;

	op->status = GNTST_bad_domain;
	if (!is_self(op->dom))
		return 0;
	op->nr_frames = table.nr_frames;
	op->max_nr_frames = table.nr_frames;
	op->status = GNTST_okay;
	return 0;
}

static int set_version(struct vcpu *vcpu, void *arg)
{
	gnttab_set_version_t *op = arg;
	uint32_t wanted = op->version;

	op->version = 1;
	return wanted == 1 ? 0 : wanted == 2 ? -ENOSYS : -EINVAL;
}

static int get_version(struct vcpu *vcpu, void *arg)
{
	gnttab_get_version_t *op = arg;

	if (!is_self(op->dom))
		return -ESRCH;
	op->version = 1;
	return 0;
}

static int get_status_frames(struct vcpu *vcpu, void *arg)
{
	gnttab_get_status_frames_t *op = arg;

	op->status = is_self(op->dom) ? GNTST_general_error : GNTST_bad_domain;
	return 0;
}

static int map_ref(struct vcpu *vcpu, void *arg)
{
	gnttab_map_grant_ref_t *op = arg;

	op->status = op->dom == XEN_DOM_TOOL || is_self(op->dom) ?
		     GNTST_bad_gntref : GNTST_bad_domain;
	return 0;
}

static int unmap_ref(struct vcpu *vcpu, void *arg)
{
	gnttab_unmap_grant_ref_t *op = arg;

	op->status = GNTST_bad_handle;
	return 0;
}

static int unmap_and_replace(struct vcpu *vcpu, void *arg)
{
	gnttab_unmap_and_replace_t *op = arg;

	op->status = GNTST_bad_handle;
	return 0;
}

static int transfer(struct vcpu *vcpu, void *arg)
{
	gnttab_transfer_t *op = arg;

	op->status = GNTST_permission_denied;
	return 0;
}

static int dump_table(struct vcpu *vcpu, void *arg)
{
	return -EPERM;
}

union any_op {
	gnttab_setup_table_t setup_table;
	gnttab_map_grant_ref_t map;
	gnttab_unmap_and_replace_t replace;
	gnttab_get_status_frames_t status_frames;
};

static const struct {
	int (*fn)(struct vcpu *vcpu, void *arg);
	size_t size;
	bool once;
} ops[] = {
	[GNTTABOP_map_grant_ref] = {
		map_ref, sizeof(gnttab_map_grant_ref_t) },
	[GNTTABOP_unmap_grant_ref] = {
		unmap_ref, sizeof(gnttab_unmap_grant_ref_t) },
	[GNTTABOP_setup_table] = {
		setup_table, sizeof(gnttab_setup_table_t), true },
	[GNTTABOP_dump_table] = {
		dump_table, sizeof(gnttab_dump_table_t), true },
	[GNTTABOP_transfer] = {
		transfer, sizeof(gnttab_transfer_t) },
	[GNTTABOP_query_size] = {
		query_size, sizeof(gnttab_query_size_t), true },
	[GNTTABOP_unmap_and_replace] = {
		unmap_and_replace, sizeof(gnttab_unmap_and_replace_t) },
	[GNTTABOP_set_version] = {
		set_version, sizeof(gnttab_set_version_t), true },
	[GNTTABOP_get_status_frames] = {
		get_status_frames, sizeof(gnttab_get_status_frames_t), true },
	[GNTTABOP_get_version] = {
		get_version, sizeof(gnttab_get_version_t), true },
};

long grant_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg, uint32_t count)
{
	union any_op op;
	uint32_t i;
	int err = 0;

	if (cmd >= sizeof(ops) / sizeof(ops[0]) || !ops[cmd].fn)
		return -ENOSYS;
	if (count > MAX_COUNT || (ops[cmd].once && count != 1))
		return -EINVAL;
	for (i = 0; i < count && !err; i++, arg += ops[cmd].size) {
		if (!guest_read_va(vcpu, arg, &op, ops[cmd].size))
			return -EFAULT;
		err = ops[cmd].fn(vcpu, &op);
		if (!guest_write_va(vcpu, arg, &op, ops[cmd].size))
			return -EFAULT;
	}
	return err;
}
