/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paravirtualized vCPU scheduling: the calls of a guest, and what a VMM sets
 * and sees.
 */
#ifndef SELFTEST_KVM_PV_SCHED_H
#define SELFTEST_KVM_PV_SCHED_H

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <linux/kvm_para.h>
#include <linux/kvm_pv_sched.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

#include "kvm_util.h"
#include "processor.h"

#define X86_FEATURE_KVM_PV_SCHED	\
	KVM_X86_CPU_FEATURE(0x40000001, 0, EAX, 30)

#define PV_SCHED_POLICIES						\
	(BIT(SCHED_NORMAL) | BIT(SCHED_FIFO) | BIT(SCHED_RR) |		\
	 BIT(SCHED_BATCH) | BIT(SCHED_IDLE))

/* What the kernel takes for a field that is zero, and its limits. */
#define PV_SCHED_BOOST_BUDGET_NS	500000ULL
#define PV_SCHED_BOOST_PERIOD_NS	10000000ULL
#define PV_SCHED_RT_BUDGET_NS		90000000ULL
#define PV_SCHED_RT_PERIOD_NS		100000000ULL
#define PV_SCHED_EARLY_NS		11000ULL
#define PV_SCHED_MAX_EARLY_NS		100000ULL
#define PV_SCHED_MIN_BUDGET_NS		50000ULL
#define PV_SCHED_MIN_PERIOD_NS		1000000ULL
#define PV_SCHED_MAX_PERIOD_NS		1000000000ULL

/* How long a thread keeps in user space what it was lent. */
#define PV_SCHED_LINGER_NS		1000000ULL

/* Guest: ask for a policy, and a priority or a nice value, for a vCPU. */
static inline long pv_sched_set(u32 apic_id, u64 policy,
				s64 priority, u64 flags)
{
	return kvm_hypercall(KVM_HC_PV_SCHED_SET, apic_id, policy, priority,
			     flags);
}

/* Guest: this vCPU handles no interrupt, no NMI any more. */
static inline long pv_sched_done(u64 flags)
{
	return kvm_hypercall(KVM_HC_PV_SCHED_DONE, flags, 0, 0, 0);
}

/* The priority that p_guest is mapped to. */
static inline u32 pv_sched_map(u32 p_guest, u32 p_max)
{
	u32 p = p_guest * p_max / 99;

	return p ? p : 1;
}

/* Bounds with the default budgets, in which each vector boosts. */
static inline struct kvm_pv_sched pv_sched_defaults(u32 p_max)
{
	return (struct kvm_pv_sched) {
		.magic = KVM_PV_SCHED_MAGIC,
		.p_max = p_max,
		.policies = PV_SCHED_POLICIES,
		.vectors = { ~0ULL, ~0ULL, ~0ULL, ~0ULL },
	};
}

static inline int __pv_sched_op(struct kvm_vm *vm, u64 op, void *arg)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PV_SCHED,
		.args = { op, (unsigned long)arg },
	};

	return __vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static inline int __pv_sched_enable(struct kvm_vm *vm, struct kvm_pv_sched *cfg)
{
	return __pv_sched_op(vm, KVM_PV_SCHED_ENABLE, cfg);
}

/* To be called before the first vCPU is created. */
static inline void pv_sched_enable(struct kvm_vm *vm, struct kvm_pv_sched *cfg)
{
	int r = __pv_sched_enable(vm, cfg);

	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_PV_SCHED_ENABLE, r));
}

static inline void pv_sched_disable(struct kvm_vm *vm)
{
	int r = __pv_sched_op(vm, KVM_PV_SCHED_DISABLE, NULL);

	TEST_ASSERT(!r, KVM_IOCTL_ERROR(KVM_PV_SCHED_DISABLE, r));
}

/* The attributes of a thread as they are set, zero for the calling one. */
static inline int __pv_sched_getattr(pid_t tid, struct sched_attr *attr)
{
	return syscall(SYS_sched_getattr, tid, attr, sizeof(*attr), 0);
}

static inline struct sched_attr pv_sched_getattr(pid_t tid)
{
	struct sched_attr attr = {};
	int r = __pv_sched_getattr(tid, &attr);

	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("sched_getattr", r));
	return attr;
}

static inline int __pv_sched_setattr(pid_t tid, struct sched_attr *attr)
{
	attr->size = sizeof(*attr);
	return syscall(SYS_sched_setattr, tid, attr, 0);
}

static inline void pv_sched_setattr(pid_t tid, struct sched_attr attr)
{
	int r = __pv_sched_setattr(tid, &attr);

	TEST_ASSERT(!r, __KVM_SYSCALL_ERROR("sched_setattr", r));
}

/*
 * Watch a vCPU thread even on a machine with one CPU: the caller is above all
 * that can be lent, and its children begin as ordinary tasks.
 */
static inline void pv_sched_become_watcher(void)
{
	struct sched_attr attr = {
		.sched_policy = SCHED_FIFO,
		.sched_priority = 99,
		.sched_flags = SCHED_FLAG_RESET_ON_FORK,
	};

	__TEST_REQUIRE(!__pv_sched_setattr(0, &attr),
		       "CAP_SYS_NICE is needed to watch a raised thread");
}

/* SKIP where the kernel does not have the feature, or the user no right. */
static inline void pv_sched_require(void)
{
	struct sched_attr own;

	TEST_REQUIRE(kvm_has_cap(KVM_CAP_PV_SCHED));

	own = pv_sched_getattr(0);
	pv_sched_become_watcher();
	pv_sched_setattr(0, own);
}

#endif /* SELFTEST_KVM_PV_SCHED_H */
