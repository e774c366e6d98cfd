/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work that a VM's interrupts wait for, see virt/kvm/pv_sched_worker.c.  Apart,
 * for headers that embed it.
 */
#ifndef __LINUX_KVM_PV_SCHED_WORK_H
#define __LINUX_KVM_PV_SCHED_WORK_H

#include <linux/kthread.h>

struct kvm_pv_sched_work {
	struct kthread_work work;
	struct kvm *kvm;
	void (*fn)(struct kvm_pv_sched_work *work);
};

void __kvm_pv_sched_init_work(struct kvm_pv_sched_work *work,
			      void (*fn)(struct kvm_pv_sched_work *work));

static inline void
kvm_pv_sched_init_work(struct kvm_pv_sched_work *work,
		       void (*fn)(struct kvm_pv_sched_work *work))
{
	if (IS_ENABLED(CONFIG_HAVE_KVM_PV_SCHED))
		__kvm_pv_sched_init_work(work, fn);
}

#endif /* __LINUX_KVM_PV_SCHED_WORK_H */
