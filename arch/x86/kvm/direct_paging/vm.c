// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: the VM, and what its VMM asks for by ioctl.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/moduleparam.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "dp.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static bool __read_mostly direct_paging;
module_param(direct_paging, bool, 0444);
MODULE_PARM_DESC(direct_paging,
		 "Allow VMs whose page tables the hardware walks; their guests learn host frame numbers, so on memory without effective Rowhammer protection a hostile guest can escape");

bool __read_mostly kvm_dp_audits;
module_param_named(direct_paging_audit, kvm_dp_audits, bool, 0644);
MODULE_PARM_DESC(direct_paging_audit,
		 "Let VMMs ask for an audit of their VMs with direct paging, and check each reuse of a frame; for debugging, slow");

/* With memory encryption, a bit of each entry would be the host's. */
bool kvm_dp_supported(void)
{
	return direct_paging && !sme_me_mask && boot_cpu_has(X86_FEATURE_NX);
}

void kvm_dp_setup(void)
{
	kvm_dp_init_entry_env(&kvm_dp_entry_env, true);
}

int kvm_dp_init_vm(struct kvm *kvm)
{
	struct kvm_dp *dp;
	int r;

	dp = kzalloc(sizeof(*dp), GFP_KERNEL_ACCOUNT);
	if (!dp)
		return -ENOMEM;

	mutex_init(&dp->lock);
	INIT_LIST_HEAD(&dp->holds);
	dp->kvm = kvm;
	/* What was never used is not stale. */
	dp->generation = 1;
	dp->links = 1;
	kvm_dp_init_finder(&dp->tables, dp);
	kvm_dp_init_finder(&dp->targets, dp);

	r = kvm_dp_m2p_init(dp);
	if (r) {
		kfree(dp);
		return r;
	}
	static_branch_deferred_inc(&kvm_has_direct_paging);
	kvm->arch.dp = dp;
	return 0;
}

/*
 * vCPUs are gone, and so are the files and their mappings, as they pin the VM.
 * Nobody walks the tables any more: no need to take them apart, or even to
 * read them.
 */
void kvm_dp_destroy_vm(struct kvm *kvm)
{
	struct kvm_dp *dp = kvm->arch.dp;

	if (!dp)
		return;
	kvm->arch.dp = NULL;
	static_branch_slow_dec_deferred(&kvm_has_direct_paging);
	kvm_dp_m2p_destroy(dp);
	kfree(dp);
}

static bool dp_is_zero(const void *p, size_t size)
{
	return !memchr_inv(p, 0, size);
}

/* Each step is bounded, and keeps what it has done: the next call carries on. */
static int dp_pin_converted(struct kvm_dp *dp, u64 mfn)
{
	int r;

	do {
		struct kvm_dp_budget budget = DP_BUDGET;

		mutex_lock(&dp->lock);
		r = kvm_dp_pin(dp, mfn, DP_L4, true, &budget);
		mutex_unlock(&dp->lock);
		if (r == -EAGAIN && signal_pending(current))
			return -EINTR;
		cond_resched();
	} while (r == -EAGAIN);
	return r;
}

static int dp_start(struct kvm_dp *dp, void __user *argp)
{
	struct kvm_x86_dp_start start;
	struct kvm_dp_ref ref;
	int idx, r = -EINVAL;

	if (copy_from_user(&start, argp, sizeof(start)))
		return -EFAULT;
	if (start.flags || !dp_is_zero(start.reserved, sizeof(start.reserved)))
		return -EINVAL;

	idx = srcu_read_lock(&dp->kvm->srcu);
	if (kvm_dp_find_gfn(dp, start.root_gfn, &ref))
		r = dp_pin_converted(dp, kvm_dp_mfn(ref.frame));
	srcu_read_unlock(&dp->kvm->srcu, idx);
	return r;
}

#define DP_P2M_CHUNK		64

/* As the VMM would write it: pages that are tables now refuse it. */
static int dp_write_p2m(struct kvm_dp *dp, const struct kvm_x86_dp_p2m *p2m,
			u64 first, unsigned int n)
{
	u64 gpa = p2m->gpa + first * sizeof(u64);
	unsigned long hva = gfn_to_hva(dp->kvm, gpa_to_gfn(gpa));
	u64 mfns[DP_P2M_CHUNK];
	struct kvm_dp_ref ref;
	unsigned int i;

	if (kvm_is_error_hva(hva))
		return -EFAULT;

	for (i = 0; i < n; i++) {
		if (!kvm_dp_find_gfn(dp, p2m->gfn + first + i, &ref))
			return -EINVAL;
		mfns[i] = kvm_dp_mfn(ref.frame);
	}

	if (copy_to_user((void __user *)hva + offset_in_page(gpa), mfns,
			 n * sizeof(u64)))
		return -EFAULT;
	return 0;
}

/* Entries of the list that fit into one chunk, and into one page. */
static unsigned int dp_p2m_chunk(const struct kvm_x86_dp_p2m *p2m, u64 first)
{
	u64 offset = offset_in_page(p2m->gpa + first * sizeof(u64));

	return min3(p2m->npages - first, (PAGE_SIZE - offset) / sizeof(u64),
		    (u64)DP_P2M_CHUNK);
}

static int dp_p2m(struct kvm_dp *dp, void __user *argp)
{
	struct kvm_x86_dp_p2m p2m;
	unsigned int n;
	int idx, r;
	u64 i;

	if (copy_from_user(&p2m, argp, sizeof(p2m)))
		return -EFAULT;
	if (p2m.flags || p2m.gpa % sizeof(u64) ||
	    p2m.gfn + p2m.npages < p2m.gfn ||
	    !dp_is_zero(p2m.reserved, sizeof(p2m.reserved)))
		return -EINVAL;

	for (i = 0; i < p2m.npages; i += n) {
		n = dp_p2m_chunk(&p2m, i);
		idx = srcu_read_lock(&dp->kvm->srcu);
		r = dp_write_p2m(dp, &p2m, i, n);
		srcu_read_unlock(&dp->kvm->srcu, idx);
		if (r)
			return r;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* Tables cannot be mapped, so this is how a debugger sees them. */
static int dp_read(struct kvm_dp *dp, void __user *argp)
{
	struct kvm_x86_dp_read read;
	struct kvm_dp_ref ref;
	int idx, r = 0;
	u64 offset, n;

	if (copy_from_user(&read, argp, sizeof(read)))
		return -EFAULT;
	if (read.flags || read.gpa + read.size < read.gpa ||
	    !dp_is_zero(read.reserved, sizeof(read.reserved)))
		return -EINVAL;

	while (read.size && !r) {
		offset = offset_in_page(read.gpa);
		n = min(read.size, PAGE_SIZE - offset);

		idx = srcu_read_lock(&dp->kvm->srcu);
		if (dp->kvm->vm_dead)
			r = -EIO;
		else if (!kvm_dp_find_gfn(dp, gpa_to_gfn(read.gpa), &ref))
			r = -EINVAL;
		else if (kvm_dp_has_failed(dp, ref.frame))
			r = -EIO;
		else if (copy_to_user(u64_to_user_ptr(read.buffer),
				      (void *)kvm_dp_table(ref.frame) + offset,
				      n))
			r = -EFAULT;
		srcu_read_unlock(&dp->kvm->srcu, idx);

		read.gpa += n;
		read.buffer += n;
		read.size -= n;
		if (signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return r;
}

static int dp_hold(struct kvm_dp *dp, void __user *argp)
{
	struct kvm_x86_dp_hold hold;

	if (copy_from_user(&hold, argp, sizeof(hold)))
		return -EFAULT;
	if (hold.flags || !dp_is_zero(hold.reserved, sizeof(hold.reserved)))
		return -EINVAL;
	return kvm_dp_hold(dp, &hold);
}

static int dp_audit(struct kvm_dp *dp, void __user *argp)
{
	struct kvm_x86_dp_audit audit;
	int r;

	if (!kvm_dp_audits)
		return -EPERM;
	if (copy_from_user(&audit, argp, sizeof(audit)))
		return -EFAULT;

	r = kvm_dp_audit(dp, &audit);
	if (!r && copy_to_user(argp, &audit, sizeof(audit)))
		r = -EFAULT;
	return r;
}

long kvm_dp_vm_ioctl(struct kvm *kvm, unsigned int ioctl, void __user *argp)
{
	struct kvm_dp *dp = kvm->arch.dp;

	if (!dp)
		return -ENOTTY;

	switch (ioctl) {
	case KVM_X86_DP_START:
		return dp_start(dp, argp);
	case KVM_X86_DP_P2M:
		return dp_p2m(dp, argp);
	case KVM_X86_DP_HOLD:
		return dp_hold(dp, argp);
	case KVM_X86_DP_READ:
		return dp_read(dp, argp);
	case KVM_X86_DP_AUDIT:
		return dp_audit(dp, argp);
	default:
		return -ENOTTY;
	}
}
