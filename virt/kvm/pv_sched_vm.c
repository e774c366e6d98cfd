// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: the bounds that a VMM sets for a VM, and the
 * right that it takes to set them.
 */
#include <linux/capability.h>
#include <linux/kthread.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pv_sched.h"

#define PV_SCHED_BOOST_BUDGET_NS	(500 * NSEC_PER_USEC)
#define PV_SCHED_BOOST_PERIOD_NS	(10 * NSEC_PER_MSEC)
#define PV_SCHED_RT_BUDGET_NS		(90 * NSEC_PER_MSEC)
#define PV_SCHED_RT_PERIOD_NS		(100 * NSEC_PER_MSEC)
/* What it takes to raise, to switch and to enter the guest. */
#define PV_SCHED_EARLY_NS		(11 * NSEC_PER_USEC)

#define PV_SCHED_MIN_BUDGET_NS		(50 * NSEC_PER_USEC)
#define PV_SCHED_MIN_PERIOD_NS		NSEC_PER_MSEC
#define PV_SCHED_MAX_PERIOD_NS		NSEC_PER_SEC
#define PV_SCHED_MAX_EARLY_NS		(100 * NSEC_PER_USEC)

void __kvm_pv_sched_init(void)
{
	BUILD_BUG_ON(BIT(KVM_PV_SCHED_REASON_IRQ) != KVM_PV_SCHED_IRQ);
	BUILD_BUG_ON(BIT(KVM_PV_SCHED_REASON_NMI) != KVM_PV_SCHED_NMI);
	BUILD_BUG_ON(sizeof(union pv_sched_request) != sizeof(u64));

	pv_sched_acct_cpu_init();
	pv_sched_tasks_init();
}

void __kvm_pv_sched_exit(void)
{
	pv_sched_tasks_exit();
	pv_sched_booster_exit();
}

bool __kvm_pv_sched_enabled(struct kvm *kvm)
{
	return pv_sched_vm_enabled(READ_ONCE(kvm->pv_sched));
}

bool kvm_pv_sched_vector_boosts(struct kvm *kvm, u8 vector)
{
	struct kvm_pv_sched_vm *vm = kvm->pv_sched;

	return pv_sched_vm_enabled(vm) &&
	       vm->cfg.vectors[vector / 64] & BIT_ULL(vector % 64);
}

u64 kvm_pv_sched_early_ns(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_sched_vm *vm = vcpu->kvm->pv_sched;

	return vm ? vm->cfg.early_ns : 0;
}

static u64 pv_sched_default(u64 value, u64 def)
{
	return value ? value : def;
}

static bool pv_sched_budget_valid(u64 budget, u64 period)
{
	return period >= PV_SCHED_MIN_PERIOD_NS &&
	       period <= PV_SCHED_MAX_PERIOD_NS &&
	       budget >= PV_SCHED_MIN_BUDGET_NS &&
	       budget <= div_u64(period * 95, 100);
}

/* Fill in the defaults, then check each field. */
static int pv_sched_check(struct kvm_pv_sched *cfg)
{
	if (cfg->magic != KVM_PV_SCHED_MAGIC || cfg->flags ||
	    memchr_inv(cfg->reserved, 0, sizeof(cfg->reserved)))
		return -EINVAL;

	if (!cfg->p_max || cfg->p_max > MAX_RT_PRIO - 2)
		return -EINVAL;
	if (!cfg->policies || cfg->policies & ~PV_SCHED_POLICIES)
		return -EINVAL;
	if (cfg->nice_min < MIN_NICE || cfg->nice_min > MAX_NICE)
		return -EINVAL;

	cfg->boost_budget_ns = pv_sched_default(cfg->boost_budget_ns,
						PV_SCHED_BOOST_BUDGET_NS);
	cfg->boost_period_ns = pv_sched_default(cfg->boost_period_ns,
						PV_SCHED_BOOST_PERIOD_NS);
	cfg->rt_budget_ns = pv_sched_default(cfg->rt_budget_ns,
					     PV_SCHED_RT_BUDGET_NS);
	cfg->rt_period_ns = pv_sched_default(cfg->rt_period_ns,
					     PV_SCHED_RT_PERIOD_NS);
	if (!pv_sched_budget_valid(cfg->boost_budget_ns,
				   cfg->boost_period_ns) ||
	    !pv_sched_budget_valid(cfg->rt_budget_ns, cfg->rt_period_ns))
		return -EINVAL;

	if (cfg->early_ns == ~0ULL)
		return 0;
	cfg->early_ns = pv_sched_default(cfg->early_ns, PV_SCHED_EARLY_NS);
	return cfg->early_ns <= PV_SCHED_MAX_EARLY_NS ? 0 : -EINVAL;
}

/*
 * The right to lend p_max: that to all priorities, or the limit that user
 * space sets for unprivileged threads.  LSMs are not asked: their hook for it
 * is not for modules.
 */
static int pv_sched_check_right(struct kvm_pv_sched *cfg, bool capable)
{
	unsigned long rttime = rlimit(RLIMIT_RTTIME);

	/* The budget has to end real time before the limit kills. */
	if (rttime != RLIM_INFINITY &&
	    rttime <= div_u64(cfg->rt_budget_ns + 2 * TICK_NSEC, NSEC_PER_USEC))
		return -EPERM;

	if (capable)
		return 0;
	if (cfg->p_max > rlimit(RLIMIT_RTPRIO))
		return -EPERM;
	if (cfg->nice_min < task_nice(current) &&
	    !can_nice(current, cfg->nice_min))
		return -EPERM;

	return 0;
}

static int pv_sched_enable(struct kvm *kvm, struct kvm_pv_sched __user *arg)
{
	struct kvm_pv_sched_vm *vm;
	struct kvm_pv_sched cfg;
	bool capable;
	int r;

	lockdep_assert_held(&kvm->lock);

	if (kvm->pv_sched)
		return -EEXIST;
	if (kvm->created_vcpus)
		return -EBUSY;
	if (copy_from_user(&cfg, arg, sizeof(cfg)))
		return -EFAULT;

	r = pv_sched_check(&cfg);
	if (r)
		return r;

	capable = ns_capable_noaudit(&init_user_ns, CAP_SYS_NICE);
	r = pv_sched_check_right(&cfg, capable);
	if (r)
		return r;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		return -ENOMEM;

	r = pv_sched_worker_create(vm);
	if (r)
		goto free;
	r = pv_sched_booster_get(cfg.p_max);
	if (r)
		goto destroy_worker;

	vm->cfg = cfg;
	vm->capable = capable;
	vm->tgid = get_pid(task_tgid(current));
	vm->enabled = true;
	/* Events look without a lock; pairs with kvm_uses_pv_sched(). */
	smp_store_release(&kvm->pv_sched, vm);
	__kvm_pv_sched_set_thread(kvm, vm->worker->task);
	kvm_arch_pv_sched_enable(kvm, true);
	return 0;

destroy_worker:
	pv_sched_worker_destroy(vm);
free:
	kfree(vm);
	return r;
}

static int pv_sched_get(struct kvm *kvm, struct kvm_pv_sched __user *arg)
{
	if (!kvm_pv_sched_enabled(kvm))
		return -ENOENT;

	return copy_to_user(arg, &kvm->pv_sched->cfg, sizeof(*arg)) ?
	       -EFAULT : 0;
}

/* Take back what was lent to the threads of all vCPUs. */
static int pv_sched_disable(struct kvm *kvm)
{
	struct kvm_vcpu_pv_sched *ps;
	struct pv_sched_task *ts;
	struct kvm_vcpu *vcpu;
	unsigned long i;

	lockdep_assert_held(&kvm->lock);

	if (!kvm_pv_sched_enabled(kvm))
		return -ENOENT;

	WRITE_ONCE(kvm->pv_sched->enabled, false);
	__kvm_pv_sched_set_thread(kvm, kvm->pv_sched->worker->task);
	kvm_arch_pv_sched_enable(kvm, false);

	kvm_for_each_vcpu(i, vcpu, kvm) {
		ps = vcpu->pv_sched;
		if (!ps)
			continue;

		rcu_read_lock();
		ts = rcu_dereference(ps->task);
		if (ts && !refcount_inc_not_zero(&ts->refs))
			ts = NULL;
		rcu_read_unlock();
		if (!ts)
			continue;

		pv_sched_apply(ts);
		pv_sched_task_put(ts);
	}
	return 0;
}

int kvm_pv_sched_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	struct kvm_pv_sched __user *arg = u64_to_user_ptr(cap->args[1]);
	int r;

	if (cap->flags || cap->args[2] || cap->args[3])
		return -EINVAL;

	mutex_lock(&kvm->lock);
	switch (cap->args[0]) {
	case KVM_PV_SCHED_ENABLE:
		r = pv_sched_enable(kvm, arg);
		break;
	case KVM_PV_SCHED_GET:
		r = pv_sched_get(kvm, arg);
		break;
	case KVM_PV_SCHED_DISABLE:
		r = cap->args[1] ? -EINVAL : pv_sched_disable(kvm);
		break;
	default:
		r = -EINVAL;
		break;
	}
	mutex_unlock(&kvm->lock);

	return r;
}

void __kvm_pv_sched_destroy_vm(struct kvm *kvm)
{
	struct kvm_pv_sched_vm *vm = kvm->pv_sched;

	pv_sched_worker_destroy(vm);
	pv_sched_booster_put(vm->cfg.p_max);
	put_pid(vm->tgid);
	kfree(vm);
}
