// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: frames that the VMM keeps from becoming page tables.
 *
 * A VMM goes on reading and writing rings, consoles and granted frames for as
 * long as it likes.  Its accesses raise SIGBUS as soon as the guest makes a
 * table of such a frame, so it has to be able to say no.  A file owns what it
 * says no for: a VMM that dies, or forgets, gives all of it back.
 */
#include <linux/anon_inodes.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "dp.h"
#include "hold.h"

/* Frames that all files of a VM hold together. */
#define DP_MAX_HELD		4096UL

/* Frames for which dp->lock is held at a time: vCPUs wait for it. */
#define DP_HELD_AT_ONCE		512UL

static struct kvm_dp_ref dp_held_ref(struct kvm_dp_held *held, unsigned long i)
{
	return (struct kvm_dp_ref){
		.region = held->region,
		.frame = &held->region->frames[held->first + i],
	};
}

/*
 * All frames lie in one slot.  From the first reference on the region stays:
 * a slot that has references cannot be deleted, and those of guest_memfd
 * memory never move.
 */
static int dp_held_find(struct kvm_dp_held *held, gfn_t gfn, unsigned long npages)
{
	struct kvm_dp_ref ref;

	if (!kvm_dp_find_gfn(held->dp, gfn, &ref))
		return -EINVAL;

	held->region = ref.region;
	held->first = ref.frame - ref.region->frames;
	if (npages > held->region->npages - held->first)
		return -EINVAL;
	return 0;
}

static int dp_held_take_one(struct kvm_dp_held *held)
{
	struct kvm_dp_ref ref = dp_held_ref(held, held->n);
	struct kvm_dp *dp = held->dp;
	int r;

	if (dp->nr_held >= DP_MAX_HELD)
		return -ENOSPC;

	r = kvm_dp_get_writable(dp, &ref);
	if (r)
		return r;

	if (!held->n++)
		list_add(&held->link, &dp->holds);
	dp->nr_held++;
	return 0;
}

static void dp_held_put_one(struct kvm_dp_held *held)
{
	struct kvm_dp_ref ref;

	if (!--held->n)
		list_del(&held->link);
	ref = dp_held_ref(held, held->n);
	held->dp->nr_held--;
	kvm_dp_put_writable(held->dp, &ref);
}

static int dp_held_take(struct kvm_dp_held *held, gfn_t gfn, unsigned long npages)
{
	struct kvm_dp *dp = held->dp;
	unsigned long i;
	int r;

	do {
		mutex_lock(&dp->lock);
		r = held->n ? 0 : dp_held_find(held, gfn, npages);
		for (i = 0; !r && held->n < npages && i < DP_HELD_AT_ONCE; i++)
			r = dp_held_take_one(held);
		mutex_unlock(&dp->lock);
	} while (!r && held->n < npages);

	return r;
}

/* All frames, or those that were taken before one was refused. */
static void dp_held_put(struct kvm_dp_held *held)
{
	struct kvm_dp *dp = held->dp;
	unsigned long i;

	while (held->n) {
		mutex_lock(&dp->lock);
		for (i = 0; held->n && i < DP_HELD_AT_ONCE; i++)
			dp_held_put_one(held);
		mutex_unlock(&dp->lock);
	}
}

static void dp_held_free(struct kvm_dp_held *held)
{
	dp_held_put(held);
	kfree(held);
}

static int dp_held_release(struct inode *inode, struct file *file)
{
	struct kvm_dp_held *held = file->private_data;
	struct kvm *kvm = held->dp->kvm;

	dp_held_free(held);
	kvm_put_kvm(kvm);
	return 0;
}

static const struct file_operations dp_held_fops = {
	.owner = THIS_MODULE,
	.release = dp_held_release,
	.llseek = noop_llseek,
};

static int dp_held_open(struct kvm_dp_held *held)
{
	int fd;

	/* The VM outlives the file, or its regions would go with references. */
	kvm_get_kvm(held->dp->kvm);
	fd = anon_inode_getfd("kvm-dp-hold", &dp_held_fops, held, O_CLOEXEC);
	if (fd < 0)
		kvm_put_kvm_no_destroy(held->dp->kvm);
	return fd;
}

/*
 * The caller checked what must be zero.  Returns a file descriptor, -EINVAL if
 * the frames are not all in one slot, -EBUSY if one of them is a table, or
 * -ENOSPC if they are too many.
 */
int kvm_dp_hold(struct kvm_dp *dp, const struct kvm_x86_dp_hold *hold)
{
	struct kvm_dp_held *held;
	int r;

	if (!hold->npages)
		return -EINVAL;
	if (hold->npages > DP_MAX_HELD)
		return -ENOSPC;

	held = kzalloc(sizeof(*held), GFP_KERNEL_ACCOUNT);
	if (!held)
		return -ENOMEM;

	held->dp = dp;
	r = dp_held_take(held, hold->gfn, hold->npages);
	if (!r)
		r = dp_held_open(held);
	if (r < 0)
		dp_held_free(held);
	return r;
}
