// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: accounts.
 *
 * Time that a thread spends on a CPU above its own priority is charged to two
 * budgets of its vCPU and to one of the host CPU.  Inside of KVM_RUN the time
 * runs from sched_in to sched_out; in user space, where KVM does not see the
 * thread lose the CPU, all of the short time counts until the loan ends.
 *
 * A budget that runs empty cuts the loan, by way of the booster, until enough
 * of it came back.  The reasons stay recorded meanwhile.
 */
#include <linux/ktime.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>

#include <trace/events/kvm_pv_sched.h>

#include "pv_sched.h"

#define PV_SCHED_CPU_PERIOD_NS	(100 * NSEC_PER_MSEC)

static unsigned int pv_sched_cpu_budget_us = 95000;
module_param(pv_sched_cpu_budget_us, uint, 0644);

/* What all vCPUs together used of one host CPU. */
struct pv_sched_cpu {
	raw_spinlock_t lock;
	struct pv_sched_budget budget;
};

static DEFINE_PER_CPU(struct pv_sched_cpu, pv_sched_cpus);

void pv_sched_acct_cpu_init(void)
{
	struct pv_sched_cpu *c;
	int cpu;

	for_each_possible_cpu(cpu) {
		c = per_cpu_ptr(&pv_sched_cpus, cpu);
		raw_spin_lock_init(&c->lock);
		pv_sched_budget_init(&c->budget, 0, PV_SCHED_CPU_PERIOD_NS);
	}
}

static u64 pv_sched_cpu_limit(void)
{
	return clamp(READ_ONCE(pv_sched_cpu_budget_us) * NSEC_PER_USEC,
		     (u64)NSEC_PER_MSEC, (u64)PV_SCHED_CPU_PERIOD_NS);
}

/* Charge a CPU.  Return what is left there, and when more comes back. */
static u64 pv_sched_cpu_charge(int cpu, u64 now, u64 ns, u64 *next)
{
	struct pv_sched_cpu *c = per_cpu_ptr(&pv_sched_cpus, cpu);
	unsigned long flags;
	u64 left;

	raw_spin_lock_irqsave(&c->lock, flags);
	c->budget.limit = pv_sched_cpu_limit();
	pv_sched_budget_charge(&c->budget, now, ns);
	left = c->budget.empty ? 0 : pv_sched_budget_left(&c->budget);
	*next = pv_sched_budget_next(&c->budget);
	raw_spin_unlock_irqrestore(&c->lock, flags);

	return left;
}

/*
 * What is left of a CPU's budget, without a lock: it may be used up before the
 * caller looks again, and is charged then.
 */
static u64 pv_sched_cpu_left(int cpu)
{
	struct pv_sched_cpu *c = per_cpu_ptr(&pv_sched_cpus, cpu);
	u64 used = READ_ONCE(c->budget.used);
	u64 limit = pv_sched_cpu_limit();

	return used < limit ? limit - used : 0;
}

static bool pv_sched_cpu_is_empty(int cpu)
{
	struct pv_sched_cpu *c = per_cpu_ptr(&pv_sched_cpus, cpu);

	return READ_ONCE(c->budget.empty) || !pv_sched_cpu_left(cpu);
}

/* Charge this CPU for what a worker did since @begin. */
void pv_sched_acct_cpu(u64 begin)
{
	u64 now = ktime_get_mono_fast_ns(), next;

	pv_sched_cpu_charge(raw_smp_processor_id(), now, now - begin, &next);
}

bool pv_sched_acct_cpu_empty(int cpu)
{
	u64 next;

	return !pv_sched_cpu_charge(cpu, ktime_get_mono_fast_ns(), 0, &next);
}

/*
 * Record that a budget is empty, or no more.  Return true if that changes what
 * the vCPU may have.
 */
static bool pv_sched_cut(struct kvm_vcpu_pv_sched *ps, enum pv_sched_cut which,
			 bool empty)
{
	if (test_bit(which, &ps->cut) == empty)
		return false;

	if (!empty) {
		clear_bit(which, &ps->cut);
		return true;
	}

	set_bit(which, &ps->cut);
	trace_kvm_pv_sched_cut(ps->vcpu->vcpu_id, which);
	switch (which) {
	case PV_SCHED_CUT_BOOST:
		ps->vcpu->stat.generic.pv_sched_cuts_boost++;
		break;
	case PV_SCHED_CUT_RT:
		ps->vcpu->stat.generic.pv_sched_cuts_rt++;
		break;
	case PV_SCHED_CUT_CPU:
		ps->vcpu->stat.generic.pv_sched_cuts_cpu++;
		break;
	}
	return true;
}

/* Charge all budgets.  Return true if one of them begins or ends a cut. */
static bool pv_sched_acct_use(struct pv_sched_task *ts, u64 now, u64 ns,
			      bool boosted)
{
	struct kvm_vcpu_pv_sched *ps = ts->vcpu;
	bool changed;
	u64 left;

	pv_sched_budget_charge(&ps->rt, now, ns);
	pv_sched_budget_charge(&ps->boost, now, boosted ? ns : 0);
	left = pv_sched_cpu_charge(task_cpu(ts->task), now, ns, &ts->cpu_next);

	changed = pv_sched_cut(ps, PV_SCHED_CUT_RT, ps->rt.empty);
	changed |= pv_sched_cut(ps, PV_SCHED_CUT_BOOST, ps->boost.empty);
	changed |= pv_sched_cut(ps, PV_SCHED_CUT_CPU, !left);

	return changed;
}

/*
 * Charge what was used until @now and look which budgets are empty.  Return
 * true if the thread's attributes have to be looked at again.
 */
static bool pv_sched_acct_charge(struct pv_sched_task *ts, u64 now)
{
	struct kvm_vcpu_pv_sched *ps = ts->vcpu;
	struct kvm_vcpu_stat_generic *stat;
	bool boosted = ts->level == PV_SCHED_BOOSTED;
	bool changed;
	u64 ns = 0;

	lockdep_assert_held(&ts->acct);

	if (ts->since) {
		if (ts->level != PV_SCHED_OWN && now > ts->since)
			ns = now - ts->since;
		ts->since = now;
	}
	changed = pv_sched_moved(ts);
	if (!ps)
		return changed || pv_sched_watched(ts, now);

	/* Budgets change by use, or if what is missing comes back. */
	if (ns || ps->cut || pv_sched_cpu_is_empty(task_cpu(ts->task))) {
		stat = &ps->vcpu->stat.generic;
		stat->pv_sched_raised_ns += ns;
		stat->pv_sched_boosted_ns += boosted ? ns : 0;
		changed |= pv_sched_acct_use(ts, now, ns, boosted);
	}

	if (ps->changes > PV_SCHED_MAX_CHANGES && now >= ps->changes_end) {
		ps->changes = 0;
		changed = true;
	}
	if (ps->lent_until && now >= ps->lent_until) {
		ps->lent_until = 0;
		clear_bit(KVM_PV_SCHED_REASON_LENT, &ps->reasons);
		changed = true;
	}
	if (ts->linger && ts->level != PV_SCHED_OWN)
		changed |= now >= ts->linger;

	return changed;
}

/* When, from @now on, has the account to be looked at again? */
static u64 pv_sched_acct_next(struct pv_sched_task *ts, u64 now)
{
	struct kvm_vcpu_pv_sched *ps = ts->vcpu;
	u64 next = ~0ULL, left;

	if (ts->returned && ts->level == PV_SCHED_OWN)
		next = now + (now - ts->returned < PV_SCHED_GUARD_FIRST_NS ?
			      PV_SCHED_GUARD_NS : PV_SCHED_GUARD_LATER_NS);
	if (!ps)
		return next;

	if (ts->since && ts->level != PV_SCHED_OWN) {
		left = min(pv_sched_cpu_left(task_cpu(ts->task)),
			   pv_sched_budget_left(&ps->rt));
		if (ts->level == PV_SCHED_BOOSTED)
			left = min(left, pv_sched_budget_left(&ps->boost));
		if (left)
			next = min(next, now + left);
	}
	if (test_bit(PV_SCHED_CUT_RT, &ps->cut))
		next = min(next, pv_sched_budget_next(&ps->rt));
	if (test_bit(PV_SCHED_CUT_BOOST, &ps->cut))
		next = min(next, pv_sched_budget_next(&ps->boost));
	if (test_bit(PV_SCHED_CUT_CPU, &ps->cut))
		next = min(next, ts->cpu_next);
	if (ps->changes > PV_SCHED_MAX_CHANGES && ps->changes_end > now)
		next = min(next, ps->changes_end);
	if (ps->lent_until)
		next = min(next, ps->lent_until);
	if (ts->linger > now && ts->level != PV_SCHED_OWN)
		next = min(next, ts->linger);

	return next;
}

static void pv_sched_acct_arm(struct pv_sched_task *ts, u64 now)
{
	u64 next = pv_sched_acct_next(ts, now);

	lockdep_assert_held(&ts->acct);

	if (next != ~0ULL)
		hrtimer_start(&ts->timer, ns_to_ktime(next),
			      HRTIMER_MODE_ABS_PINNED_HARD);
	else if (hrtimer_is_queued(&ts->timer))
		hrtimer_try_to_cancel(&ts->timer);
}

static enum hrtimer_restart pv_sched_timer(struct hrtimer *timer)
{
	struct pv_sched_task *ts = container_of(timer, struct pv_sched_task,
						timer);
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;
	bool changed;

	raw_spin_lock_irqsave(&ts->acct, flags);
	changed = pv_sched_acct_charge(ts, now);
	pv_sched_acct_arm(ts, now);
	raw_spin_unlock_irqrestore(&ts->acct, flags);

	if (changed)
		pv_sched_queue(ts);

	return HRTIMER_NORESTART;
}

static void pv_sched_irq_work(struct irq_work *work)
{
	pv_sched_queue(container_of(work, struct pv_sched_task, irq_work));
}

void pv_sched_acct_init(struct pv_sched_task *ts)
{
	ts->irq_work = IRQ_WORK_INIT_HARD(pv_sched_irq_work);
	raw_spin_lock_init(&ts->acct);
	hrtimer_init(&ts->timer, CLOCK_MONOTONIC, HRTIMER_MODE_ABS_PINNED_HARD);
	ts->timer.function = pv_sched_timer;
}

/* Charge; leave a cut to the booster, as the run queue may be locked. */
static void pv_sched_acct_commit(struct pv_sched_task *ts, u64 now)
{
	if (pv_sched_acct_charge(ts, now))
		irq_work_queue(&ts->irq_work);
}

/* The thread gets the CPU inside of KVM_RUN. */
void pv_sched_acct_run(struct pv_sched_task *ts)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&ts->acct, flags);
	WRITE_ONCE(ts->linger, 0);
	if (!ts->since)
		ts->since = now;
	/* No stretch on the CPU is longer than the budget that is compared. */
	if (ts->level != PV_SCHED_OWN && !pv_sched_rt(&ts->own))
		ts->task->rt.timeout = 0;
	if (ts->level != PV_SCHED_OWN || (ts->vcpu && ts->vcpu->cut)) {
		pv_sched_acct_commit(ts, now);
		pv_sched_acct_arm(ts, now);
	}
	raw_spin_unlock_irqrestore(&ts->acct, flags);
}

/*
 * The thread loses the CPU; the run queue is locked.  If it waits for a lock,
 * the owner runs at its priority, and that is charged as well.
 */
void pv_sched_acct_stop(struct pv_sched_task *ts)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&ts->acct, flags);
	if (ts->level != PV_SCHED_OWN)
		pv_sched_acct_commit(ts, now);
	if (!ts->task->pi_blocked_on)
		ts->since = 0;
	if (ts->level != PV_SCHED_OWN)
		pv_sched_acct_arm(ts, now);
	raw_spin_unlock_irqrestore(&ts->acct, flags);
}

/*
 * The thread returns to user space, or an event finds it there.  Its loan ends
 * a little later.
 */
void pv_sched_acct_linger(struct pv_sched_task *ts)
{
	bool modest = pv_sched_modest(ts);
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&ts->acct, flags);
	WRITE_ONCE(ts->linger, now + (modest ? 0 : PV_SCHED_LINGER_NS));
	if (!ts->since)
		ts->since = now;
	if (ts->level != PV_SCHED_OWN) {
		pv_sched_acct_commit(ts, now);
		pv_sched_acct_arm(ts, now);
	}
	raw_spin_unlock_irqrestore(&ts->acct, flags);
}

/* The thread works for no vCPU any more: watch it from now on. */
void pv_sched_acct_guard(struct pv_sched_task *ts)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;

	raw_spin_lock_irqsave(&ts->acct, flags);
	ts->returned = now;
	pv_sched_acct_arm(ts, now);
	raw_spin_unlock_irqrestore(&ts->acct, flags);
}

/*
 * A sibling hands its boost over, for a slice of time.  Return false if there
 * is nothing that the vCPU could be given.
 */
bool pv_sched_acct_lend(struct pv_sched_task *ts)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;
	bool lend;

	raw_spin_lock_irqsave(&ts->acct, flags);
	lend = ts->vcpu && !ts->vcpu->cut;
	if (lend) {
		set_bit(KVM_PV_SCHED_REASON_LENT, &ts->vcpu->reasons);
		ts->vcpu->lent_until = now + PV_SCHED_LEND_NS;
		pv_sched_acct_arm(ts, now);
	}
	raw_spin_unlock_irqrestore(&ts->acct, flags);

	return lend;
}

/*
 * Is there time left to raise a thread?  The host CPU's may have been used up
 * by others; the timer has the reasons looked at when some is back.
 */
bool pv_sched_acct_may_raise(struct pv_sched_task *ts)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;
	bool may = false;

	if (!pv_sched_cpu_is_empty(task_cpu(ts->task)))
		return true;

	raw_spin_lock_irqsave(&ts->acct, flags);
	/* It has a reference until the vCPU is taken off: its timer may run. */
	if (ts->vcpu) {
		pv_sched_acct_commit(ts, now);
		pv_sched_acct_arm(ts, now);
		may = !ts->vcpu->cut;
	}
	raw_spin_unlock_irqrestore(&ts->acct, flags);

	return may;
}

bool pv_sched_acct_lingered(struct pv_sched_task *ts)
{
	u64 linger = READ_ONCE(ts->linger);

	return linger && ktime_get_mono_fast_ns() >= linger;
}

/* The thread's attributes change, or have changed, to those of @level. */
void pv_sched_acct_level(struct pv_sched_task *ts, enum pv_sched_level level)
{
	unsigned long flags;
	u64 now;

	if (ts->level == level &&
	    !(ts->vcpu && ts->vcpu->changes > PV_SCHED_MAX_CHANGES))
		return;

	now = ktime_get_mono_fast_ns();
	raw_spin_lock_irqsave(&ts->acct, flags);
	pv_sched_acct_commit(ts, now);
	if (level == PV_SCHED_OWN)
		ts->returned = now;
	ts->level = level;
	pv_sched_acct_arm(ts, now);
	raw_spin_unlock_irqrestore(&ts->acct, flags);
}
