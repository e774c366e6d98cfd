// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a guest wants for its vCPUs.
 *
 * A boost lasts from the event, accepted in whatever context, until the guest
 * says that it handles no interrupt any more.  It is a set of reasons, kept in
 * the vCPU; the thread that runs the vCPU has p_max while the set is not
 * empty, and else what the guest asked for.
 */
#include <linux/nospec.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define CREATE_TRACE_POINTS
#include <trace/events/kvm_pv_sched.h>

#include "pv_sched.h"

#define PV_SCHED_DONE_MASK (KVM_PV_SCHED_IRQ | KVM_PV_SCHED_NMI)
#define PV_SCHED_REASON_MASK (BIT(KVM_PV_SCHED_REASON_IRQ) |	\
			      BIT(KVM_PV_SCHED_REASON_NMI))

int __kvm_pv_sched_create_vcpu(struct kvm_vcpu *vcpu)
{
	struct kvm_pv_sched_vm *vm = vcpu->kvm->pv_sched;
	struct kvm_vcpu_pv_sched *ps;

	ps = kzalloc(sizeof(*ps), GFP_KERNEL_ACCOUNT);
	if (!ps)
		return -ENOMEM;

	ps->vcpu = vcpu;
	ps->vm = vm;
	pv_sched_budget_init(&ps->boost, vm->cfg.boost_budget_ns,
			     vm->cfg.boost_period_ns);
	pv_sched_budget_init(&ps->rt, vm->cfg.rt_budget_ns,
			     vm->cfg.rt_period_ns);
	vcpu->pv_sched = ps;
	return 0;
}

/* Give the vCPU another thread, or none. */
static void pv_sched_change_task(struct kvm_vcpu_pv_sched *ps,
				 struct pv_sched_task *ts)
{
	struct pv_sched_task *old = rcu_dereference_protected(ps->task, true);

	rcu_assign_pointer(ps->task, ts);
	if (!old)
		return;

	pv_sched_detach(old, ps);
	pv_sched_task_put(old);
}

void __kvm_pv_sched_destroy_vcpu(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	pv_sched_change_task(ps, NULL);
	vcpu->pv_sched = NULL;
	kfree(ps);
}

/* Of the thread that runs the vCPU, for that thread. */
static struct pv_sched_task *pv_sched_current(struct kvm_vcpu_pv_sched *ps)
{
	return rcu_dereference_protected(ps->task,
					 lockdep_is_held(&ps->vcpu->mutex));
}

/* Is there anything that the thread may have to be given or to give back? */
static bool pv_sched_busy(struct kvm_vcpu_pv_sched *ps,
			  struct pv_sched_task *ts)
{
	union pv_sched_request req = { .word = READ_ONCE(ps->request) };

	return READ_ONCE(ps->reasons) || req.valid || READ_ONCE(ts->lent) ||
	       pv_sched_moved(ts);
}

void __kvm_pv_sched_sync(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	kvm_clear_request(KVM_REQ_PV_SCHED, vcpu);
	/* Changes that come from here on make the request anew. */
	smp_mb__after_atomic();
	pv_sched_apply(pv_sched_current(ps));
}

/* State that user space set may hold an event that nobody reported. */
void __kvm_pv_sched_look(struct kvm_vcpu *vcpu)
{
	if (kvm_arch_pv_sched_pending(vcpu, KVM_PV_SCHED_REASON_IRQ))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_IRQ);
	if (kvm_arch_pv_sched_pending(vcpu, KVM_PV_SCHED_REASON_NMI))
		__kvm_pv_sched_event(vcpu, KVM_PV_SCHED_REASON_NMI);
}

int __kvm_pv_sched_enter(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	struct pv_sched_task *ts = pv_sched_current(ps);

	if (!ts || ts->task != current) {
		ts = pv_sched_task_get();
		if (!ts)
			return -ENOMEM;
		pv_sched_change_task(ps, ts);
	}
	if (ts->vcpu != ps)
		pv_sched_attach(ts, ps);

	/*
	 * Nobody tells of preemption yet: have events raise the thread.  But
	 * not before it enters the guest for the first time, as it creates
	 * threads until then, which would inherit reset-on-fork.
	 */
	WRITE_ONCE(ts->where, ps->entered ? PV_SCHED_OUT : PV_SCHED_FIRST);
	__kvm_pv_sched_look(vcpu);
	if (pv_sched_busy(ps, ts))
		kvm_make_request(KVM_REQ_PV_SCHED, vcpu);
	return 0;
}

void __kvm_pv_sched_leave(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	struct pv_sched_task *ts = pv_sched_current(ps);

	/* KVM_RUN failed before it began. */
	if (!ts || ts->task != current || ts->vcpu != ps)
		return;

	/* Without an interrupt controller in the kernel, user space halts. */
	if (vcpu->run->exit_reason == KVM_EXIT_HLT)
		kvm_pv_sched_done(vcpu, PV_SCHED_DONE_MASK);

	WRITE_ONCE(ts->where, PV_SCHED_USER);
	/*
	 * An event either sees where the thread is and has it raised, or is
	 * seen here.  Pairs with the barrier in pv_sched_notify().
	 */
	smp_mb();
	pv_sched_acct_linger(ts);
	if (pv_sched_busy(ps, ts))
		__kvm_pv_sched_sync(vcpu);
}

void __kvm_pv_sched_in(struct kvm_vcpu *vcpu)
{
	struct pv_sched_task *ts = pv_sched_current(vcpu->pv_sched);

	vcpu->pv_sched->entered = true;
	WRITE_ONCE(ts->where, PV_SCHED_IN);
	pv_sched_acct_run(ts);
}

/*
 * KVM does not see any more when the thread loses the CPU, or it just did.
 * Leave what there is to do to the booster, as the run queue may be locked.
 */
void __kvm_pv_sched_out(struct kvm_vcpu *vcpu, bool switched)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	struct pv_sched_task *ts = pv_sched_current(ps);

	if (switched)
		pv_sched_acct_stop(ts);
	WRITE_ONCE(ts->where, PV_SCHED_OUT);
	/* Pairs with the barrier in pv_sched_notify(). */
	smp_mb();
	if (kvm_test_request(KVM_REQ_PV_SCHED, vcpu) ||
	    (READ_ONCE(ps->reasons) && !ts->boosted && !READ_ONCE(ps->cut)))
		irq_work_queue(&ts->irq_work);
	else if (vcpu->preempted && !READ_ONCE(ps->reasons))
		kvm_arch_pv_sched_preempted(vcpu);
}

/* Clear a reason unless the guest is going to take more of the kind. */
static void pv_sched_clear(struct kvm_vcpu *vcpu,
			   enum kvm_pv_sched_reason reason)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	if (!test_and_clear_bit(reason, &ps->reasons))
		return;

	/*
	 * Something that is pending by now sets its reason after the bit was
	 * cleared, or is seen here.
	 */
	smp_mb__after_atomic();
	if (kvm_arch_pv_sched_pending(vcpu, reason))
		set_bit(reason, &ps->reasons);
}

void kvm_pv_sched_done(struct kvm_vcpu *vcpu, u64 flags)
{
	if (flags & KVM_PV_SCHED_IRQ)
		pv_sched_clear(vcpu, KVM_PV_SCHED_REASON_IRQ);
	if (flags & KVM_PV_SCHED_NMI)
		pv_sched_clear(vcpu, KVM_PV_SCHED_REASON_NMI);
	trace_kvm_pv_sched_done(vcpu->vcpu_id, flags,
				vcpu->pv_sched->reasons);
}

void __kvm_pv_sched_block(struct kvm_vcpu *vcpu, bool poll)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	/* A vCPU that halts handles nothing. */
	kvm_pv_sched_done(vcpu, PV_SCHED_DONE_MASK);
	clear_bit(KVM_PV_SCHED_REASON_LENT, &ps->reasons);
	if (!poll)
		set_bit(KVM_PV_SCHED_REASON_HALT, &ps->reasons);
	__kvm_pv_sched_sync(vcpu);
}

void __kvm_pv_sched_unblock(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	/* Keep the boost if what woke the vCPU is a reason of its own. */
	__kvm_pv_sched_look(vcpu);
	clear_bit(KVM_PV_SCHED_REASON_HALT, &ps->reasons);
	if (!READ_ONCE(ps->reasons))
		__kvm_pv_sched_sync(vcpu);
}

static void pv_sched_count(struct kvm_vcpu *vcpu,
			   enum kvm_pv_sched_reason reason)
{
	switch (reason) {
	case KVM_PV_SCHED_REASON_IRQ:
		vcpu->stat.generic.pv_sched_boosts_irq++;
		break;
	case KVM_PV_SCHED_REASON_NMI:
		vcpu->stat.generic.pv_sched_boosts_nmi++;
		break;
	case KVM_PV_SCHED_REASON_LENT:
		vcpu->stat.generic.pv_sched_boosts_lent++;
		break;
	default:
		break;
	}
	trace_kvm_pv_sched_boost(vcpu->vcpu_id, reason);
}

/* May a thread be raised that is not about to do it itself? */
static bool pv_sched_may_raise(struct pv_sched_task *ts)
{
	if (READ_ONCE(ts->where) == PV_SCHED_USER) {
		if (pv_sched_modest(ts))
			return false;
		pv_sched_acct_linger(ts);
	}
	return pv_sched_acct_may_raise(ts);
}

/* The scheduler may take a mutex.  On PREEMPT_RT a spinlock is an RCU reader. */
static bool pv_sched_may_sleep(void)
{
	return preemptible() && !in_interrupt() && !rcu_preempt_depth();
}

static void pv_sched_raise(struct kvm_vcpu *vcpu, struct pv_sched_task *ts,
			   bool direct)
{
	if (direct && pv_sched_try_apply(ts)) {
		vcpu->stat.generic.pv_sched_remote_direct++;
		return;
	}

	vcpu->stat.generic.pv_sched_remote_thread++;
	pv_sched_queue(ts);
}

/* A reason was set: see to it that it is applied. */
static void pv_sched_notify(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	bool direct = pv_sched_may_sleep();
	struct pv_sched_task *ts;
	int where;

	/*
	 * Order the reason before looking at what is applied and where the
	 * thread is.  Pairs with the barriers in pv_sched_decide(),
	 * __kvm_pv_sched_out() and __kvm_pv_sched_leave().
	 */
	smp_mb();

	/* An empty budget has the reasons looked at when it is refilled. */
	if (READ_ONCE(ps->cut))
		return;

	rcu_read_lock();
	ts = rcu_dereference(ps->task);
	if (!ts || READ_ONCE(ts->vcpu) != ps || READ_ONCE(ts->boosted))
		goto out;

	where = READ_ONCE(ts->where);
	if (where == PV_SCHED_IN || where == PV_SCHED_FIRST) {
		kvm_make_request(KVM_REQ_PV_SCHED, vcpu);
		goto out;
	}

	if (!pv_sched_may_raise(ts))
		goto out;
	if (direct && refcount_inc_not_zero(&ts->refs)) {
		rcu_read_unlock();
		pv_sched_raise(vcpu, ts, true);
		pv_sched_task_put(ts);
		return;
	}
	pv_sched_raise(vcpu, ts, false);
out:
	rcu_read_unlock();
}

void __kvm_pv_sched_event(struct kvm_vcpu *vcpu,
			  enum kvm_pv_sched_reason reason)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	if (!pv_sched_vm_enabled(ps->vm))
		return;

	if (!test_and_set_bit(reason, &ps->reasons))
		pv_sched_count(vcpu, reason);
	pv_sched_notify(vcpu);
}

/* Siblings may race here, and be counted once. */
static void pv_sched_count_change(struct kvm_vcpu_pv_sched *ps)
{
	u64 now = ktime_get_mono_fast_ns();

	if (now >= READ_ONCE(ps->changes_end)) {
		WRITE_ONCE(ps->changes_end, now + ps->rt.period);
		WRITE_ONCE(ps->changes, 0);
	}
	WRITE_ONCE(ps->changes, READ_ONCE(ps->changes) + 1);
}

/*
 * A guest may ask for its vCPUs at any rate, and what it does there costs the
 * host a booster's time: help a few times in each period.
 */
static bool pv_sched_may_help(struct kvm_vcpu_pv_sched *ps)
{
	u64 now = ktime_get_mono_fast_ns();

	if (now >= READ_ONCE(ps->helped_period)) {
		WRITE_ONCE(ps->helped_period, now + ps->boost.period);
		WRITE_ONCE(ps->helped, 0);
	}
	if (READ_ONCE(ps->helped) >= PV_SCHED_MAX_HELPED)
		return false;

	WRITE_ONCE(ps->helped, READ_ONCE(ps->helped) + 1);
	return true;
}

/* Store what a guest wants for one of its vCPUs, and see to it. */
static void pv_sched_request(struct kvm_vcpu *vcpu, struct kvm_vcpu *target,
			     union pv_sched_request req)
{
	struct kvm_vcpu_pv_sched *ps = target->pv_sched;
	struct pv_sched_task *ts;

	if (READ_ONCE(ps->request) != req.word)
		pv_sched_count_change(ps);
	WRITE_ONCE(ps->request, req.word);
	kvm_make_request(KVM_REQ_PV_SCHED, target);
	/* Pairs with the barrier in __kvm_pv_sched_out(). */
	smp_mb__after_atomic();
	target->stat.generic.pv_sched_params++;
	trace_kvm_pv_sched_params(target->vcpu_id, req.policy, req.priority);

	if (vcpu == target)
		return;

	/*
	 * The target does it when it runs or loses the CPU.  Only if it has to
	 * rise to get there does it need help; the booster coalesces.
	 */
	rcu_read_lock();
	ts = rcu_dereference(ps->task);
	if (ts && READ_ONCE(ts->vcpu) == ps &&
	    READ_ONCE(ts->where) == PV_SCHED_OUT && !READ_ONCE(ts->boosted) &&
	    !(READ_ONCE(ps->cut) & ~BIT(PV_SCHED_CUT_BOOST)) &&
	    (req.policy == SCHED_FIFO || req.policy == SCHED_RR) &&
	    pv_sched_may_help(ps)) {
		target->stat.generic.pv_sched_remote_thread++;
		pv_sched_queue(ts);
	}
	rcu_read_unlock();
}

static int pv_sched_check_request(struct kvm_pv_sched *cfg, u64 policy,
				  s64 priority)
{
	if (policy > SCHED_IDLE || !(PV_SCHED_POLICIES & BIT(policy)))
		return -EINVAL;

	if (policy == SCHED_FIFO || policy == SCHED_RR) {
		if (priority < 1 || priority > MAX_RT_PRIO - 1)
			return -EINVAL;
	} else if (priority < MIN_NICE || priority > MAX_NICE) {
		return -EINVAL;
	}

	/* The guest chose the policy: do not let it speculate past the mask. */
	policy = array_index_nospec(policy, SCHED_IDLE + 1);
	return cfg->policies & BIT(policy) ? 0 : -EPERM;
}

int kvm_pv_sched_set(struct kvm_vcpu *vcpu, struct kvm_vcpu *target,
		     u64 policy, s64 priority)
{
	int r;

	r = pv_sched_check_request(&vcpu->pv_sched->vm->cfg, policy, priority);
	if (r)
		return r;

	pv_sched_request(vcpu, target, (union pv_sched_request) {
		.valid		= 1,
		.policy		= policy,
		.priority	= priority,
	});
	return 0;
}

/* Does the sibling wait for the CPU that the caller runs on? */
static bool pv_sched_waits_here(struct kvm_vcpu *target,
				struct pv_sched_task *ts)
{
	return ts && READ_ONCE(ts->vcpu) == target->pv_sched &&
	       READ_ONCE(ts->where) == PV_SCHED_OUT &&
	       READ_ONCE(target->preempted) &&
	       task_cpu(ts->task) == raw_smp_processor_id();
}

/*
 * Lend a sibling that waits here a boost for a moment.  Return false if it has
 * one anyway, and say so, or cannot have one.
 */
static bool pv_sched_lend(struct kvm_vcpu *target, bool *boosted)
{
	struct pv_sched_task *ts;
	bool waits, lend;

	rcu_read_lock();
	ts = rcu_dereference(target->pv_sched->task);
	waits = pv_sched_waits_here(target, ts);
	*boosted = waits && READ_ONCE(ts->boosted);
	lend = waits && !*boosted && pv_sched_acct_lend(ts);
	rcu_read_unlock();
	if (!lend)
		return false;

	pv_sched_count(target, KVM_PV_SCHED_REASON_LENT);
	pv_sched_notify(target);
	return true;
}

static bool pv_sched_may_lend(struct kvm_vcpu *vcpu)
{
	return kvm_pv_sched_enabled(vcpu->kvm) &&
	       pv_sched_current(vcpu->pv_sched)->level != PV_SCHED_OWN;
}

/*
 * A vCPU spins for a sibling that cannot run, because the spinner itself was
 * raised above it on the same CPU.  Have that one at p_max too, and go behind
 * it; directed yield does not cross scheduling classes.  Return true if that
 * was done.
 */
bool __kvm_pv_sched_lend(struct kvm_vcpu *vcpu, struct kvm_vcpu *target)
{
	bool boosted;

	if (!target->pv_sched || !pv_sched_may_lend(vcpu))
		return false;
	if (!pv_sched_lend(target, &boosted) && !boosted)
		return false;

	yield();
	return true;
}

/* The same for a spinner that does not say for whom: one more each time. */
bool __kvm_pv_sched_on_spin(struct kvm_vcpu *vcpu)
{
	bool boosted, any = false;
	struct kvm_vcpu *target;
	unsigned long i;

	if (!pv_sched_may_lend(vcpu))
		return false;

	kvm_for_each_vcpu(i, target, vcpu->kvm) {
		if (target == vcpu || !target->pv_sched)
			continue;
		if (pv_sched_lend(target, &boosted)) {
			any = true;
			break;
		}
		any |= boosted;
	}
	if (any)
		yield();
	return any;
}

/* Reset and INIT: the guest starts over. */
void __kvm_pv_sched_reset(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;

	clear_bit(KVM_PV_SCHED_REASON_IRQ, &ps->reasons);
	clear_bit(KVM_PV_SCHED_REASON_NMI, &ps->reasons);
	clear_bit(KVM_PV_SCHED_REASON_LENT, &ps->reasons);
	WRITE_ONCE(ps->request, 0);
	kvm_make_request(KVM_REQ_PV_SCHED, vcpu);
}

static int pv_sched_get_state(struct kvm_vcpu *vcpu, void __user *arg)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	union pv_sched_request req = { .word = READ_ONCE(ps->request) };
	struct kvm_pv_sched_state state = {
		.policy		= req.policy,
		.priority	= req.priority,
		.reasons	= READ_ONCE(ps->reasons) & PV_SCHED_REASON_MASK,
		.flags		= req.valid ? KVM_PV_SCHED_STATE_SET : 0,
	};

	return copy_to_user(arg, &state, sizeof(state)) ? -EFAULT : 0;
}

static int pv_sched_set_state(struct kvm_vcpu *vcpu, void __user *arg)
{
	struct kvm_vcpu_pv_sched *ps = vcpu->pv_sched;
	struct kvm_pv_sched_state state;
	union pv_sched_request req = {};
	unsigned int reason;
	int r;

	if (copy_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	if (state.flags & ~KVM_PV_SCHED_STATE_SET ||
	    state.reasons & ~PV_SCHED_REASON_MASK ||
	    memchr_inv(state.reserved, 0, sizeof(state.reserved)))
		return -EINVAL;

	if (state.flags & KVM_PV_SCHED_STATE_SET) {
		r = pv_sched_check_request(&ps->vm->cfg, state.policy,
					   state.priority);
		if (r)
			return r;
		req.valid = 1;
		req.policy = state.policy;
		req.priority = state.priority;
	} else if (state.policy || state.priority) {
		return -EINVAL;
	}

	/* The vCPU's lock is held; KVM_RUN applies what is set here. */
	WRITE_ONCE(ps->request, req.word);
	for (reason = KVM_PV_SCHED_REASON_IRQ;
	     reason <= KVM_PV_SCHED_REASON_NMI; reason++) {
		if (state.reasons & BIT(reason))
			set_bit(reason, &ps->reasons);
		else
			clear_bit(reason, &ps->reasons);
	}
	return 0;
}

int kvm_pv_sched_vcpu_attr(struct kvm_vcpu *vcpu, unsigned int ioctl,
			   struct kvm_device_attr *attr)
{
	void __user *arg = u64_to_user_ptr(attr->addr);

	if (!vcpu->pv_sched || !kvm_pv_sched_enabled(vcpu->kvm) ||
	    attr->attr != KVM_VCPU_PV_SCHED_STATE)
		return -ENXIO;
	if (attr->flags)
		return -EINVAL;

	switch (ioctl) {
	case KVM_HAS_DEVICE_ATTR:
		return 0;
	case KVM_GET_DEVICE_ATTR:
		return pv_sched_get_state(vcpu, arg);
	case KVM_SET_DEVICE_ATTR:
		return pv_sched_set_state(vcpu, arg);
	default:
		return -ENXIO;
	}
}
