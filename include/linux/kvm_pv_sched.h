/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paravirtualized vCPU scheduling: the guest says what it runs, the host lends
 * the vCPU's thread the priority for it.
 *
 * This is what KVM's generic code and the architectures call.  A VM that did
 * not ask for the feature has no vcpu->pv_sched, and each hook is a test for
 * that.
 */
#ifndef __LINUX_KVM_PV_SCHED_H
#define __LINUX_KVM_PV_SCHED_H

#include <linux/kvm_host.h>
#include <linux/kvm_pv_sched_work.h>

#include <uapi/linux/kvm_pv_sched.h>

/* Why a vCPU is boosted: bits of a set, not a count. */
enum kvm_pv_sched_reason {
	KVM_PV_SCHED_REASON_IRQ,
	KVM_PV_SCHED_REASON_NMI,
	/* About to sleep, or asleep: wake up boosted. */
	KVM_PV_SCHED_REASON_HALT,
	/* A boosted sibling spins for this one. */
	KVM_PV_SCHED_REASON_LENT,
};

int kvm_pv_sched_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap);
int kvm_pv_sched_vcpu_attr(struct kvm_vcpu *vcpu, unsigned int ioctl,
			   struct kvm_device_attr *attr);

bool kvm_pv_sched_vector_boosts(struct kvm *kvm, u8 vector);
u64 kvm_pv_sched_early_ns(struct kvm_vcpu *vcpu);

/* What a guest asks for, said by the thread that runs @vcpu. */
int kvm_pv_sched_set(struct kvm_vcpu *vcpu, struct kvm_vcpu *target,
		     u64 policy, s64 priority);
void kvm_pv_sched_done(struct kvm_vcpu *vcpu, u64 flags);

void __kvm_pv_sched_init(void);
void __kvm_pv_sched_exit(void);
bool __kvm_pv_sched_enabled(struct kvm *kvm);
void __kvm_pv_sched_destroy_vm(struct kvm *kvm);
int __kvm_pv_sched_create_vcpu(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_destroy_vcpu(struct kvm_vcpu *vcpu);
int __kvm_pv_sched_enter(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_leave(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_in(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_out(struct kvm_vcpu *vcpu, bool switched);
void __kvm_pv_sched_block(struct kvm_vcpu *vcpu, bool poll);
void __kvm_pv_sched_unblock(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_sync(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_look(struct kvm_vcpu *vcpu);
void __kvm_pv_sched_reset(struct kvm_vcpu *vcpu);
bool __kvm_pv_sched_on_spin(struct kvm_vcpu *vcpu);
bool __kvm_pv_sched_lend(struct kvm_vcpu *vcpu, struct kvm_vcpu *target);
void __kvm_pv_sched_event(struct kvm_vcpu *vcpu,
			  enum kvm_pv_sched_reason reason);
void __kvm_pv_sched_set_thread(struct kvm *kvm, struct task_struct *task);
u64 __kvm_pv_sched_begin_work(struct kvm *kvm);
void __kvm_pv_sched_end_work(struct kvm *kvm, u64 begin);
void __kvm_pv_sched_queue_work(struct kvm *kvm, struct kvm_pv_sched_work *work);
void __kvm_pv_sched_flush_work(struct kvm_pv_sched_work *work);

/* Without the feature in the kernel the compiler drops what hangs on this. */
static inline bool kvm_has_pv_sched(struct kvm_vcpu *vcpu)
{
	return IS_ENABLED(CONFIG_HAVE_KVM_PV_SCHED) && vcpu->pv_sched;
}

/* The feature is on in the VM, or was: what must not change with it. */
static inline bool kvm_uses_pv_sched(struct kvm *kvm)
{
	if (!IS_ENABLED(CONFIG_HAVE_KVM_PV_SCHED))
		return false;

	/* Pairs with the release in pv_sched_enable(). */
	return smp_load_acquire(&kvm->pv_sched);
}

static inline void kvm_pv_sched_init(void)
{
	if (IS_ENABLED(CONFIG_HAVE_KVM_PV_SCHED))
		__kvm_pv_sched_init();
}

static inline void kvm_pv_sched_exit(void)
{
	if (IS_ENABLED(CONFIG_HAVE_KVM_PV_SCHED))
		__kvm_pv_sched_exit();
}

static inline bool kvm_pv_sched_enabled(struct kvm *kvm)
{
	return kvm_uses_pv_sched(kvm) && __kvm_pv_sched_enabled(kvm);
}

static inline void kvm_pv_sched_destroy_vm(struct kvm *kvm)
{
	if (kvm_uses_pv_sched(kvm))
		__kvm_pv_sched_destroy_vm(kvm);
}

static inline int kvm_pv_sched_create_vcpu(struct kvm_vcpu *vcpu)
{
	return kvm_pv_sched_enabled(vcpu->kvm) ?
	       __kvm_pv_sched_create_vcpu(vcpu) : 0;
}

static inline void kvm_pv_sched_destroy_vcpu(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_destroy_vcpu(vcpu);
}

/* KVM_RUN begins and ends. */
static inline int kvm_pv_sched_enter(struct kvm_vcpu *vcpu)
{
	return kvm_has_pv_sched(vcpu) ? __kvm_pv_sched_enter(vcpu) : 0;
}

static inline void kvm_pv_sched_leave(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_leave(vcpu);
}

/* The vCPU is loaded, or its thread gets the CPU, inside of KVM_RUN. */
static inline void kvm_pv_sched_in(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu) && vcpu->wants_to_run)
		__kvm_pv_sched_in(vcpu);
}

/* The vCPU is put, or its thread was switched out, inside of KVM_RUN. */
static inline void kvm_pv_sched_out(struct kvm_vcpu *vcpu, bool switched)
{
	if (kvm_has_pv_sched(vcpu) && vcpu->wants_to_run)
		__kvm_pv_sched_out(vcpu, switched);
}

/* The vCPU halts: first it may poll, then it sleeps. */
static inline void kvm_pv_sched_block(struct kvm_vcpu *vcpu, bool poll)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_block(vcpu, poll);
}

static inline void kvm_pv_sched_unblock(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_unblock(vcpu);
}

/* Bring the running thread's attributes up to date.  May sleep. */
static inline void kvm_pv_sched_sync(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu) && kvm_test_request(KVM_REQ_PV_SCHED, vcpu))
		__kvm_pv_sched_sync(vcpu);
}

/* User space has set the vCPU's state; its lock is held. */
static inline void kvm_pv_sched_look(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_look(vcpu);
}

static inline void kvm_pv_sched_reset(struct kvm_vcpu *vcpu)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_reset(vcpu);
}

/* The vCPU spins, for some other or for @target.  True if that one runs now. */
static inline bool kvm_pv_sched_on_spin(struct kvm_vcpu *vcpu)
{
	return kvm_has_pv_sched(vcpu) && __kvm_pv_sched_on_spin(vcpu);
}

static inline bool kvm_pv_sched_lend(struct kvm_vcpu *vcpu,
				     struct kvm_vcpu *target)
{
	return kvm_has_pv_sched(vcpu) && __kvm_pv_sched_lend(vcpu, target);
}

/*
 * An interrupt or NMI that boosts was accepted for the vCPU.  Call it from any
 * context but NMI, after the event is visible to kvm_arch_pv_sched_pending().
 */
static inline void kvm_pv_sched_event(struct kvm_vcpu *vcpu,
				      enum kvm_pv_sched_reason reason)
{
	if (kvm_has_pv_sched(vcpu))
		__kvm_pv_sched_event(vcpu, reason);
}

/* A kernel thread that injects interrupts for the VM was created. */
static inline void kvm_pv_sched_set_thread(struct kvm *kvm,
					   struct task_struct *task)
{
	if (kvm_pv_sched_enabled(kvm))
		__kvm_pv_sched_set_thread(kvm, task);
}

/* Around what such a thread does, to have it limited and charged. */
static inline u64 kvm_pv_sched_begin_work(struct kvm *kvm)
{
	return kvm_uses_pv_sched(kvm) ? __kvm_pv_sched_begin_work(kvm) : 0;
}

static inline void kvm_pv_sched_end_work(struct kvm *kvm, u64 begin)
{
	if (kvm_uses_pv_sched(kvm))
		__kvm_pv_sched_end_work(kvm, begin);
}

/* Do work above p_max.  False if it has to go the ordinary way. */
static inline bool kvm_pv_sched_queue_work(struct kvm *kvm,
					   struct kvm_pv_sched_work *work)
{
	if (!kvm_uses_pv_sched(kvm))
		return false;

	__kvm_pv_sched_queue_work(kvm, work);
	return true;
}

static inline void kvm_pv_sched_flush_work(struct kvm *kvm,
					   struct kvm_pv_sched_work *work)
{
	if (kvm_uses_pv_sched(kvm))
		__kvm_pv_sched_flush_work(work);
}

/*
 * Provided by the architecture: is something of that kind pending that the
 * vCPU is going to take?  Called by the thread that runs the vCPU.
 */
bool kvm_arch_pv_sched_pending(struct kvm_vcpu *vcpu,
			       enum kvm_pv_sched_reason reason);
/* The VM begins to use the feature, before it has vCPUs, or ends it. */
void kvm_arch_pv_sched_enable(struct kvm *kvm, bool enable);
/* The vCPU was preempted; the run queue is locked. */
void kvm_arch_pv_sched_preempted(struct kvm_vcpu *vcpu);

#endif /* __LINUX_KVM_PV_SCHED_H */
