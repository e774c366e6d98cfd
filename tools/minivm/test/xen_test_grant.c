// SPDX-License-Identifier: GPL-2.0-only
/* Grants: entries and hypercalls, good and bad. */
#include <errno.h>
#include <string.h>

#include "xen_test.h"

grant_entry_v1_t *table = (void *)mem[TABLE_GFN];

void grant_frame(uint32_t ref, uint64_t gfn, uint16_t flags)
{
	table[ref].domid = 0;
	table[ref].frame = guest_mfn(&vm, gfn);
	table[ref].flags = GTF_permit_access | flags;
}

static void grants(void)
{
	struct grant a, b, c;

	grant_init(&xen, table, TABLE_GFN, 2);
	grant_frame(0, DATA_GFN, 0);
	check(!grant_map(&xen, 0, true, &a) && a.page == mem[DATA_GFN]);
	check(table[0].flags == (GTF_permit_access | GTF_reading | GTF_writing));
	check(!grant_map(&xen, 0, false, &b) && !grant_map(&xen, 0, true, &c));
	grant_unmap(&xen, &a);
	check(table[0].flags & GTF_writing);
	grant_unmap(&xen, &c);
	check(table[0].flags == (GTF_permit_access | GTF_reading));
	grant_unmap(&xen, &b);
	check(table[0].flags == GTF_permit_access && !nr_holds);
	/* The last entry there is. */
	grant_frame(1023, DATA_GFN, GTF_readonly);
	check(!grant_map(&xen, 1023, false, &a));
	check(!(table[1023].flags & GTF_writing));
	grant_unmap(&xen, &a);
}

static void bad_grants(void)
{
	struct grant g;
	uint16_t flags;

	grant_init(&xen, table, TABLE_GFN, 2);
	check(grant_map(&xen, 0, false, &g) == -EACCES);
	check(grant_map(&xen, 1024, false, &g) == -EINVAL);
	check(grant_map(&xen, UINT32_MAX, false, &g) == -EINVAL);
	for (flags = GTF_accept_transfer; flags <= GTF_transitive; flags++) {
		grant_frame(1, DATA_GFN, 0);
		table[1].flags = flags;
		check(grant_map(&xen, 1, false, &g) == -EACCES);
	}
	grant_frame(1, DATA_GFN, 0);
	table[1].domid = 2;
	check(grant_map(&xen, 1, false, &g) == -EACCES);
	grant_frame(1, DATA_GFN, GTF_readonly);
	check(grant_map(&xen, 1, true, &g) == -EACCES);
	grant_frame(1, DATA_GFN, 0);
	table[1].frame = 5;
	check(grant_map(&xen, 1, true, &g) == -ENXIO);
	check(table[1].flags == GTF_permit_access);
	grant_frame(1, DATA_GFN, 0);
	is_table[DATA_GFN] = true;
	check(grant_map(&xen, 1, false, &g) == -EBUSY);
	check(table[1].flags == GTF_permit_access && !nr_holds);
}

static void changed_while_mapped(void)
{
	struct grant a, b;

	grant_init(&xen, table, TABLE_GFN, 1);
	grant_frame(3, DATA_GFN, 0);
	check(!grant_map(&xen, 3, true, &a));
	grant_frame(3, DATA_GFN + 1, 0);
	check(!grant_map(&xen, 3, false, &b) && b.page == mem[DATA_GFN + 1]);
	memset(table, 0xff, 4096);
	grant_unmap(&xen, &a);
	check(holds[DATA_GFN] == 0 && holds[DATA_GFN + 1] == 1);
	grant_unmap(&xen, &b);
	check(!nr_holds);
}

#define ARG (VA_BASE + 20 * 4096)

static void grant_calls(void)
{
	gnttab_setup_table_t *setup = (void *)mem[20];
	gnttab_query_size_t *query = (void *)mem[20];
	gnttab_set_version_t *version = (void *)mem[20];
	gnttab_map_grant_ref_t *map = (void *)mem[20];
	gnttab_unmap_grant_ref_t *unmap = (void *)mem[20];
	uint64_t *list = (void *)mem[21];

	grant_init(&xen, table, TABLE_GFN, 2);
	version->version = 1;
	check(!grant_op(&vcpu, GNTTABOP_set_version, ARG, 1));
	version->version = 2;
	check(grant_op(&vcpu, GNTTABOP_set_version, ARG, 1) == -ENOSYS);
	check(version->version == 1);
	version->version = 3;
	check(grant_op(&vcpu, GNTTABOP_set_version, ARG, 1) == -EINVAL);

	setup->dom = DOMID_SELF;
	setup->nr_frames = 2;
	setup->frame_list.p = (void *)(uintptr_t)(VA_BASE + 21 * 4096);
	check(!grant_op(&vcpu, GNTTABOP_setup_table, ARG, 1));
	check(!setup->status && list[0] == MFN_BASE + TABLE_GFN &&
	      list[1] == MFN_BASE + TABLE_GFN + 1 && !list[2]);
	setup->nr_frames = 3;
	check(!grant_op(&vcpu, GNTTABOP_setup_table, ARG, 1));
	check(setup->status == GNTST_general_error);
	setup->dom = 0;
	check(!grant_op(&vcpu, GNTTABOP_setup_table, ARG, 1));
	check(setup->status == GNTST_bad_domain);
	setup->dom = 1;
	setup->nr_frames = 1;
	setup->frame_list.p = NULL;
	check(!grant_op(&vcpu, GNTTABOP_setup_table, ARG, 1));
	check(setup->status == GNTST_bad_virt_addr);
	check(grant_op(&vcpu, GNTTABOP_setup_table, ARG, 2) == -EINVAL);
	check(grant_op(&vcpu, GNTTABOP_setup_table, 0, 1) == -EFAULT);

	query->dom = DOMID_SELF;
	check(!grant_op(&vcpu, GNTTABOP_query_size, ARG, 1));
	check(!query->status && query->nr_frames == 2 &&
	      query->max_nr_frames == 2);

	map[0].dom = 0;
	map[1].dom = 9;
	check(!grant_op(&vcpu, GNTTABOP_map_grant_ref, ARG, 2));
	check(map[0].status == GNTST_bad_gntref &&
	      map[1].status == GNTST_bad_domain);
	check(!grant_op(&vcpu, GNTTABOP_unmap_grant_ref, ARG, 1));
	check(unmap->status == GNTST_bad_handle);
	check(!grant_op(&vcpu, GNTTABOP_map_grant_ref, 0, 0));
	check(grant_op(&vcpu, GNTTABOP_map_grant_ref, ARG, 513) == -EINVAL);
	check(grant_op(&vcpu, GNTTABOP_map_grant_ref, ARG, -1) == -EINVAL);
	check(grant_op(&vcpu, GNTTABOP_map_grant_ref,
		       VA_BASE + sizeof(mem) - 40, 2) == -EFAULT);
	check(grant_op(&vcpu, GNTTABOP_dump_table, ARG, 1) == -EPERM);
	check(grant_op(&vcpu, GNTTABOP_copy, ARG, 1) == -ENOSYS);
	check(grant_op(&vcpu, GNTTABOP_cache_flush, ARG, 1) == -ENOSYS);
	check(grant_op(&vcpu, UINT32_MAX, ARG, 1) == -ENOSYS);
}

void test_grants(void)
{
	run("grants: mapped and unmapped", grants);
	run("grants: bad ones", bad_grants);
	run("grants: entries that change while mapped", changed_while_mapped);
	run("grants: hypercalls", grant_calls);
}
