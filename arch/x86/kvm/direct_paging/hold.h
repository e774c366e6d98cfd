/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Direct paging: what a VMM holds.  The auditor reads it, too.
 */
#ifndef __KVM_X86_DP_HOLD_H
#define __KVM_X86_DP_HOLD_H

#include <linux/list.h>

#include "dp.h"

/*
 * What one file holds; changed under dp->lock, and in dp->holds while n is not
 * zero.  Each of the n frames has one writable reference for it, and with it
 * the region stays.
 */
struct kvm_dp_held {
	struct list_head link;
	struct kvm_dp *dp;
	struct kvm_dp_region *region;
	unsigned long first;
	unsigned long n;
};

#endif /* __KVM_X86_DP_HOLD_H */
