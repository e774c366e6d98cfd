/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Paravirtualized vCPU scheduling: what a VMM and a guest share with KVM.
 *
 * All numbers are private until the interface is merged: they are far above
 * those that KVM hands out, and struct kvm_pv_sched carries a magic, so that
 * a VMM on another kernel gets an error instead of another feature.
 */
#ifndef _UAPI_LINUX_KVM_PV_SCHED_H
#define _UAPI_LINUX_KVM_PV_SCHED_H

#include <linux/types.h>

/* KVM_CHECK_EXTENSION on /dev/kvm and on a VM; KVM_ENABLE_CAP on a VM. */
#define KVM_CAP_PV_SCHED		0x50560001

#define KVM_PV_SCHED_MAGIC		0x3148435356504d4bULL

/* kvm_enable_cap.args[0]; args[1] is the address of a struct kvm_pv_sched. */
#define KVM_PV_SCHED_ENABLE		0
#define KVM_PV_SCHED_GET		1
#define KVM_PV_SCHED_DISABLE		2	/* args[1] must be zero */

/* The bounds that a VMM sets for a VM.  Times are in nanoseconds. */
struct kvm_pv_sched {
	__u64 magic;
	__u32 flags;		/* must be zero */
	__u32 p_max;		/* 1..98, the SCHED_FIFO priority of a boost */
	__u32 policies;		/* mask of 1 << SCHED_*, without DEADLINE */
	__s32 nice_min;		/* -20..19, the lowest nice value on request */
	__u64 boost_budget_ns;	/* zero selects the default of a field */
	__u64 boost_period_ns;
	__u64 rt_budget_ns;
	__u64 rt_period_ns;
	__u64 early_ns;		/* timer lead of a preempted vCPU, ~0 for none */
	__u64 vectors[4];	/* bit n: interrupt vector n boosts */
	__u64 reserved[5];	/* must be zero */
};

/* KVM_{HAS,GET,SET}_DEVICE_ATTR on a vCPU. */
#define KVM_VCPU_PV_SCHED_CTRL		0x50560001
#define  KVM_VCPU_PV_SCHED_STATE	0

/* The guest's own state, for migration. */
struct kvm_pv_sched_state {
	__u32 policy;		/* SCHED_*, as the guest asked */
	__s32 priority;		/* 1..99 or, for a fair policy, nice */
	__u32 reasons;		/* mask of KVM_PV_SCHED_IRQ and _NMI */
	__u32 flags;		/* mask of KVM_PV_SCHED_STATE_* */
	__u64 reserved[2];	/* must be zero */
};

#define KVM_PV_SCHED_STATE_SET		(1U << 0) /* guest has set parameters */

/*
 * Hypercalls.  SET: a0 is the number of a vCPU, a1 a policy, a2 a priority or
 * a nice value, a3 flags.  DONE: a0 is flags.
 */
#define KVM_HC_PV_SCHED_SET		0x50560001
#define KVM_HC_PV_SCHED_DONE		0x50560002

/* The caller handles no interrupt, no NMI any more. */
#define KVM_PV_SCHED_IRQ		(1U << 0)
#define KVM_PV_SCHED_NMI		(1U << 1)

#endif /* _UAPI_LINUX_KVM_PV_SCHED_H */
