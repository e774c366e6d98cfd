// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: memory_op, as far as a guest with fixed memory needs it.
 */
#include <linux/bitfield.h>
#include <linux/kvm_host.h>
#include <linux/minmax.h>

#include <xen/interface/xen.h>
#include <xen/interface/memory.h>

#include <asm/bootparam.h>
#include <asm/e820/types.h>

#include "hypercall.h"

/* The rest of the command is where to go on in a list of extents. */
#define DP_MEMORY_CMD		GENMASK(5, 0)
#define DP_MEMORY_EXTENT	GENMASK(31, 6)

/* Room for all that one level-3 table maps. */
#define DP_M2P_SIZE		BIT_ULL(39)

/* Linux's structure has no defined size of its handle but in a Xen guest. */
struct dp_memory_map {
	u32 nr_entries;
	u32 pad;
	u64 buffer;
};

/* There is no more to be had than what there is: current is maximum. */
static long dp_reservation(struct kvm_dp_call *call, u64 gva)
{
	struct kvm_dp *dp = call->dp;
	struct kvm_dp_region *region;
	unsigned int i;
	long pages = 0;
	u16 domid;
	int r;

	r = kvm_dp_copy_in(call, gva, &domid, sizeof(domid)) ?:
	    kvm_dp_check_domid(domid);
	if (r)
		return r;

	mutex_lock(&dp->lock);
	for (i = 0; i < ARRAY_SIZE(dp->regions); i++) {
		region = kvm_dp_region(dp, i);
		if (region)
			pages += region->npages;
	}
	mutex_unlock(&dp->lock);

	return pages;
}

/*
 * All of the window, as Xen says it: where the memory of slots to come will be
 * is not known, and entries of other frames are harmless to look up.
 */
static int dp_machphys_mapping(struct kvm_dp_call *call, u64 gva)
{
	struct xen_machphys_mapping mapping = {
		.v_start = KVM_DP_M2P_BASE,
		.v_end = KVM_DP_M2P_BASE + DP_M2P_SIZE,
		.max_mfn = DP_M2P_SIZE / sizeof(u64) - 1,
	};

	return kvm_dp_copy_out(call, gva, &mapping, sizeof(mapping));
}

static void dp_insert_entry(struct boot_e820_entry *map, u32 n,
			    const struct kvm_dp_region *region)
{
	u64 addr = gfn_to_gpa(region->base);

	for (; n && map[n - 1].addr > addr; n--)
		map[n] = map[n - 1];

	map[n] = (struct boot_e820_entry){
		.addr = addr,
		.size = (u64)region->npages << PAGE_SHIFT,
		.type = E820_TYPE_RAM,
	};
}

/* RAM is what page tables can be made of.  What else a slot holds, drivers know. */
static u32 dp_read_map(struct kvm_dp *dp, struct boot_e820_entry *map)
{
	struct kvm_dp_region *region;
	unsigned int i;
	u32 n = 0;

	mutex_lock(&dp->lock);
	for (i = 0; i < ARRAY_SIZE(dp->regions); i++) {
		region = kvm_dp_region(dp, i);
		if (region && region->can_be_table)
			dp_insert_entry(map, n++, region);
	}
	mutex_unlock(&dp->lock);

	return n;
}

static int dp_memory_map(struct kvm_dp_call *call, u64 gva)
{
	struct boot_e820_entry map[KVM_X86_DP_MAX_SLOTS];
	struct dp_memory_map arg;

	if (kvm_dp_copy_in(call, gva, &arg, sizeof(arg)))
		return -EFAULT;

	arg.nr_entries = min(arg.nr_entries, dp_read_map(call->dp, map));
	if (kvm_dp_copy_out(call, arg.buffer, map,
			    arg.nr_entries * sizeof(*map)))
		return -EFAULT;

	return kvm_dp_copy_out(call, gva, &arg, sizeof(arg));
}

/* (command, argument) */
long kvm_dp_memory_op(struct kvm_dp_call *call)
{
	u32 cmd = call->args[0];
	u64 gva = call->args[1];

	switch (cmd & DP_MEMORY_CMD) {
	case XENMEM_increase_reservation:
	case XENMEM_decrease_reservation:
	case XENMEM_populate_physmap:
		/* How many extents are done: none since the guest began. */
		return FIELD_GET(DP_MEMORY_EXTENT, cmd);
	case XENMEM_current_reservation:
	case XENMEM_maximum_reservation:
		return dp_reservation(call, gva);
	case XENMEM_memory_map:
		return dp_memory_map(call, gva);
	case XENMEM_machphys_mapping:
		return dp_machphys_mapping(call, gva);
	default:
		return -ENOSYS;
	}
}
