// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: hypercalls, and where interrupts and timers
 * of x86 meet it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/nospec.h>

#include "cpuid.h"
#include "hyperv.h"
#include "i8254.h"
#include "irq.h"
#include "lapic.h"
#include "pv_sched.h"
#include "x86.h"
#include "xen.h"

#define PV_SCHED_FLAGS ((u64)KVM_PV_SCHED_IRQ | KVM_PV_SCHED_NMI)

static bool pv_sched_has_id(struct kvm_vcpu *vcpu, u64 id)
{
	if (!lapic_in_kernel(vcpu) || apic_x2apic_mode(vcpu->arch.apic))
		return vcpu->vcpu_id == id;

	return kvm_xapic_id(vcpu->arch.apic) == id;
}

static struct kvm_vcpu *pv_sched_find_mapped(struct kvm_vcpu *vcpu, u64 id)
{
	struct kvm_vcpu *target = NULL;
	struct kvm_apic_map *map;

	rcu_read_lock();
	map = rcu_dereference(vcpu->kvm->arch.apic_map);
	if (map && id <= map->max_apic_id) {
		id = array_index_nospec(id, map->max_apic_id + 1);
		if (map->phys_map[id])
			target = map->phys_map[id]->vcpu;
	}
	rcu_read_unlock();

	return target;
}

/*
 * A guest names vCPUs by APIC ID, or as user space numbered them if there is
 * no APIC.  The map lacks vCPUs that have not touched their APIC yet.
 */
static struct kvm_vcpu *pv_sched_find_vcpu(struct kvm_vcpu *vcpu, u64 id)
{
	struct kvm_vcpu *target;
	unsigned long i;

	if (pv_sched_has_id(vcpu, id))
		return vcpu;

	target = pv_sched_find_mapped(vcpu, id);
	if (target)
		return target;

	kvm_for_each_vcpu(i, target, vcpu->kvm) {
		if (pv_sched_has_id(target, id))
			return target;
	}
	return NULL;
}

static int pv_sched_hc_set(struct kvm_vcpu *vcpu, u64 id, u64 policy,
			   u64 priority, u64 flags)
{
	struct kvm_vcpu *target;
	int r;

	if (flags & ~PV_SCHED_FLAGS)
		return -KVM_EINVAL;

	target = pv_sched_find_vcpu(vcpu, id);
	if (!target || !target->pv_sched)
		return -KVM_EINVAL;

	/* A nice value may come as a negative number of 32 bits. */
	if (!(priority >> 32))
		priority = (s64)(s32)priority;

	r = kvm_pv_sched_set(vcpu, target, policy, priority);
	if (r)
		return r;

	kvm_pv_sched_done(vcpu, flags);
	__kvm_pv_sched_sync(vcpu);
	return 0;
}

static int pv_sched_hc_done(struct kvm_vcpu *vcpu, u64 flags)
{
	if (!flags || flags & ~PV_SCHED_FLAGS)
		return -KVM_EINVAL;

	kvm_pv_sched_done(vcpu, flags);
	__kvm_pv_sched_sync(vcpu);
	return 0;
}

/* The caller has checked the CPL. */
int kvm_x86_pv_sched_hypercall(struct kvm_vcpu *vcpu, unsigned long nr,
			       unsigned long a0, unsigned long a1,
			       unsigned long a2, unsigned long a3)
{
	if (!vcpu->pv_sched || !kvm_pv_sched_enabled(vcpu->kvm) ||
	    !guest_pv_has(vcpu, KVM_FEATURE_PV_SCHED))
		return -KVM_ENOSYS;

	if (nr == KVM_HC_PV_SCHED_SET)
		return pv_sched_hc_set(vcpu, a0, a1, a2, a3);

	return pv_sched_hc_done(vcpu, a0);
}

/*
 * A VM that speaks Xen's ABI passes arguments in Xen's registers, and all of
 * its hypercalls go to Xen's code but these, whose numbers Xen does not have.
 */
bool __kvm_x86_pv_sched_xen_hypercall(struct kvm_vcpu *vcpu)
{
	bool long_mode = is_64_bit_hypercall(vcpu);
	unsigned long nr = kvm_rax_read(vcpu);
	long ret = -KVM_EPERM;

	if (!long_mode)
		nr = (u32)nr;
	if (nr != KVM_HC_PV_SCHED_SET && nr != KVM_HC_PV_SCHED_DONE)
		return false;

	if (kvm_x86_call(get_cpl)(vcpu))
		;
	else if (long_mode)
		ret = kvm_x86_pv_sched_hypercall(vcpu, nr, kvm_rdi_read(vcpu),
						 kvm_rsi_read(vcpu),
						 kvm_rdx_read(vcpu),
						 kvm_r10_read(vcpu));
	else
		ret = kvm_x86_pv_sched_hypercall(vcpu, nr,
						 (u32)kvm_rbx_read(vcpu),
						 (u32)kvm_rcx_read(vcpu),
						 (u32)kvm_rdx_read(vcpu),
						 (u32)kvm_rsi_read(vcpu));

	kvm_rax_write(vcpu, long_mode ? ret : (u32)ret);
	++vcpu->stat.hypercalls;
	return true;
}

void kvm_arch_pv_sched_enable(struct kvm *kvm, bool enable)
{
	/* KVM has to see each interrupt that reaches a vCPU. */
	kvm_set_or_clear_apicv_inhibit(kvm, APICV_INHIBIT_REASON_PV_SCHED,
				       enable);

	if (kvm->arch.vpit)
		__kvm_pv_sched_set_thread(kvm, kvm->arch.vpit->worker->task);
}

void __kvm_x86_pv_sched_irq(struct kvm_vcpu *vcpu, u8 vector)
{
	if (kvm_pv_sched_vector_boosts(vcpu->kvm, vector))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
}

/*
 * The local APIC accepted an interrupt.  If the vCPU was fast and has taken it
 * already, that was an event by itself, and the guest may be done with it.
 */
void __kvm_x86_pv_sched_accepted(struct kvm_vcpu *vcpu, u8 vector)
{
	u32 irr = kvm_lapic_get_reg(vcpu->arch.apic,
				    APIC_IRR + (vector >> 5) * 0x10);

	if (irr & BIT(vector & 31))
		__kvm_x86_pv_sched_irq(vcpu, vector);
}

static bool pv_sched_timer_boosts(struct kvm_vcpu *vcpu)
{
	u32 lvtt = kvm_lapic_get_reg(vcpu->arch.apic, APIC_LVTT);

	return !(lvtt & APIC_LVT_MASKED) &&
	       kvm_pv_sched_vector_boosts(vcpu->kvm, lvtt & APIC_VECTOR_MASK);
}

void __kvm_x86_pv_sched_timer(struct kvm_vcpu *vcpu)
{
	if (pv_sched_timer_boosts(vcpu))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
}

/* Until it is acknowledged the vector is one of sixteen. */
static bool pv_sched_pic_boosts(struct kvm *kvm)
{
	struct kvm_pic *pic = kvm->arch.vpic;
	int irq;

	for (irq = 0; irq < PIC_NUM_PINS; irq++) {
		if (kvm_pv_sched_vector_boosts(kvm,
					       pic->pics[irq >> 3].irq_base +
					       (irq & 7)))
			return true;
	}
	return false;
}

void __kvm_x86_pv_sched_pic(struct kvm_vcpu *vcpu)
{
	if (pv_sched_pic_boosts(vcpu->kvm))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
}

static u8 pv_sched_xen_vector(struct kvm_vcpu *vcpu)
{
#ifdef CONFIG_KVM_XEN
	return vcpu->arch.xen.upcall_vector ?:
	       vcpu->kvm->arch.xen.upcall_vector;
#else
	return 0;
#endif
}

void __kvm_x86_pv_sched_xen(struct kvm_vcpu *vcpu)
{
	__kvm_x86_pv_sched_irq(vcpu, pv_sched_xen_vector(vcpu));
}

/* A guest that does not take the interrupt says done for nothing. */
static bool pv_sched_apf_boosts(struct kvm_vcpu *vcpu)
{
	return kvm_pv_async_pf_enabled(vcpu) && !vcpu->arch.apf.halted &&
	       kvm_pv_sched_vector_boosts(vcpu->kvm, vcpu->arch.apf.vec);
}

void __kvm_x86_pv_sched_apf(struct kvm_vcpu *vcpu)
{
	if (pv_sched_apf_boosts(vcpu))
		kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
}

#ifdef CONFIG_KVM_HYPERV
static bool pv_sched_stimer_boosts(struct kvm_vcpu *vcpu, unsigned int index)
{
	struct kvm_vcpu_hv *hv = to_hv_vcpu(vcpu);
	union hv_stimer_config config = hv->stimer[index].config;
	u64 sint;

	if (config.direct_mode)
		return kvm_pv_sched_vector_boosts(vcpu->kvm,
						  config.apic_vector);

	sint = atomic64_read(&hv->synic.sint[config.sintx]);
	return !(sint & HV_SYNIC_SINT_MASKED) &&
	       kvm_pv_sched_vector_boosts(vcpu->kvm,
					  sint & HV_SYNIC_SINT_VECTOR_MASK);
}

void __kvm_x86_pv_sched_stimer(struct kvm_vcpu *vcpu, unsigned int index)
{
	if (pv_sched_stimer_boosts(vcpu, index))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
}
#endif

static bool pv_sched_stimers_boost(struct kvm_vcpu *vcpu)
{
#ifdef CONFIG_KVM_HYPERV
	struct kvm_vcpu_hv_stimer *stimer;
	unsigned int i;

	if (!kvm_hv_has_stimer_pending(vcpu))
		return false;

	/* Those that are to be armed are marked as well. */
	for_each_set_bit(i, to_hv_vcpu(vcpu)->stimer_pending_bitmap,
			 HV_SYNIC_STIMER_COUNT) {
		stimer = &to_hv_vcpu(vcpu)->stimer[i];
		if (stimer->exp_time && !hrtimer_active(&stimer->timer) &&
		    pv_sched_stimer_boosts(vcpu, i))
			return true;
	}
#endif
	return false;
}

void __kvm_x86_pv_sched_injected(struct kvm_vcpu *vcpu,
				 enum kvm_pv_sched_reason reason, u8 vector)
{
	/* Interrupts of a nested guest are its own affair. */
	if (is_guest_mode(vcpu))
		return;
	if (reason == KVM_PV_SCHED_REASON_IRQ &&
	    !kvm_pv_sched_vector_boosts(vcpu->kvm, vector))
		return;

	__kvm_pv_sched_event(vcpu, reason);
	kvm_pv_sched_sync(vcpu);
}

/*
 * Look for a vector above the task priority.  One that waits for an EOI only
 * counts: the guest ends what is in service before it returns, and being
 * preempted in between would delay the one behind it.
 */
static bool pv_sched_irr_boosts(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic *apic = vcpu->arch.apic;
	u32 tpr = kvm_lapic_get_reg(apic, APIC_TASKPRI) & 0xf0;
	u32 vector, irr;

	for (vector = 0; vector < 256; vector += 32) {
		irr = kvm_lapic_get_reg(apic, APIC_IRR + (vector >> 1));
		while (irr) {
			u32 v = vector + __fls(irr);

			if ((v & 0xf0) > tpr &&
			    kvm_pv_sched_vector_boosts(vcpu->kvm, v))
				return true;
			irr &= ~BIT(v % 32);
		}
	}
	return false;
}

static bool pv_sched_extint_boosts(struct kvm_vcpu *vcpu)
{
	int vector = vcpu->arch.pending_external_vector;

	if (kvm_xen_has_interrupt(vcpu))
		return kvm_pv_sched_vector_boosts(vcpu->kvm,
						  pv_sched_xen_vector(vcpu));

	if (!kvm_apic_accept_pic_intr(vcpu))
		return false;
	if (irqchip_split(vcpu->kvm))
		return vector != -1 &&
		       kvm_pv_sched_vector_boosts(vcpu->kvm, vector);

	return vcpu->kvm->arch.vpic->output && pv_sched_pic_boosts(vcpu->kvm);
}

static bool pv_sched_irq_pending(struct kvm_vcpu *vcpu)
{
	if (vcpu->arch.interrupt.injected && !vcpu->arch.interrupt.soft &&
	    kvm_pv_sched_vector_boosts(vcpu->kvm, vcpu->arch.interrupt.nr))
		return true;
	if (!lapic_in_kernel(vcpu))
		return false;

	if (apic_has_pending_timer(vcpu) && pv_sched_timer_boosts(vcpu))
		return true;
	if (kvm_xen_timer_enabled(vcpu) && kvm_xen_has_pending_timer(vcpu) &&
	    kvm_pv_sched_vector_boosts(vcpu->kvm, pv_sched_xen_vector(vcpu)))
		return true;
	if (pv_sched_stimers_boost(vcpu))
		return true;
	if (kvm_test_request(KVM_REQ_APF_READY, vcpu) &&
	    pv_sched_apf_boosts(vcpu))
		return true;

	return pv_sched_irr_boosts(vcpu) || pv_sched_extint_boosts(vcpu);
}

bool kvm_arch_pv_sched_pending(struct kvm_vcpu *vcpu,
			       enum kvm_pv_sched_reason reason)
{
	if (reason == KVM_PV_SCHED_REASON_NMI)
		return vcpu->arch.nmi_injected ||
		       atomic_read(&vcpu->arch.nmi_queued) ||
		       kvm_get_nr_pending_nmis(vcpu);

	return pv_sched_irq_pending(vcpu);
}

/*
 * A preempted vCPU takes a while to be raised and switched to.  Begin before
 * the deadline, so that it is there in time; in the other modes the timer's
 * handler moves the expiry without a lock, and must be left alone.
 */
void kvm_arch_pv_sched_preempted(struct kvm_vcpu *vcpu)
{
	u64 early_ns = kvm_pv_sched_early_ns(vcpu);
	struct kvm_timer *ktimer;

	if (!early_ns || early_ns == ~0ULL || !lapic_in_kernel(vcpu))
		return;

	ktimer = &vcpu->arch.apic->lapic_timer;
	if (ktimer->timer_mode != APIC_LVT_TIMER_TSCDEADLINE ||
	    !ktimer->tscdeadline ||
	    ktimer->early_tscdeadline == ktimer->tscdeadline ||
	    !pv_sched_timer_boosts(vcpu))
		return;

	/* The run queue is locked: do not wait for a handler that runs. */
	if (hrtimer_try_to_cancel(&ktimer->timer) != 1)
		return;

	ktimer->early_tscdeadline = ktimer->tscdeadline;
	hrtimer_start(&ktimer->timer,
		      ktime_sub_ns(hrtimer_get_expires(&ktimer->timer),
				   early_ns),
		      HRTIMER_MODE_ABS_HARD);
}

/* How long until the timer would have expired by KVM's own advance? */
static u64 pv_sched_timer_cycles(struct kvm_vcpu *vcpu)
{
	struct kvm_timer *ktimer = &vcpu->arch.apic->lapic_timer;
	u64 now, due = ktimer->expired_tscdeadline;

	if (!due)
		return 0;

	now = kvm_read_l1_tsc(vcpu, rdtsc()) +
	      nsec_to_cycles(vcpu, ktimer->timer_advance_ns);
	return now < due ? due - now : 0;
}

/*
 * Wait for the deadline before the interrupt is injected, so that neither the
 * guest nor KVM's tuning of its own advance sees that the timer expired early.
 * Anything else that there is to do comes first; then the timer is armed for
 * the time at which it would have expired.
 */
bool __kvm_x86_pv_sched_wait_timer(struct kvm_vcpu *vcpu)
{
	u64 requests = READ_ONCE(vcpu->requests);
	struct kvm_timer *ktimer;
	u64 left, longest;

	if (!lapic_in_kernel(vcpu))
		return true;

	ktimer = &vcpu->arch.apic->lapic_timer;
	if (!ktimer->early_tscdeadline || !atomic_read(&ktimer->pending) ||
	    ktimer->timer_mode != APIC_LVT_TIMER_TSCDEADLINE ||
	    ktimer->early_tscdeadline != ktimer->expired_tscdeadline)
		return true;

	ktimer->early_tscdeadline = 0;

	/* If the TSC was written meanwhile, the deadline can be anywhere. */
	longest = nsec_to_cycles(vcpu, kvm_pv_sched_early_ns(vcpu) +
				       NSEC_PER_USEC);

	while ((left = pv_sched_timer_cycles(vcpu))) {
		if (left > longest)
			break;
		if (need_resched() || signal_pending(current) ||
		    READ_ONCE(vcpu->requests) & ~requests) {
			/* Do not begin early again, but have it in time. */
			ktimer->early_tscdeadline = ktimer->tscdeadline;
			kvm_lapic_rearm_timer(vcpu);
			return false;
		}
		cpu_relax();
	}
	return true;
}
