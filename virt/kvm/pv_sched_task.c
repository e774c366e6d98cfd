// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: what a thread owns and what it was lent.
 *
 * The state belongs to the task, not to the vCPU: one thread may run several
 * vCPUs in turn, and a vCPU may be run by several threads.  The thread's own
 * attributes are those it had while nothing was lent; they come back as soon
 * as there is no reason to lend.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/hashtable.h>
#include <linux/pid.h>
#include <linux/sched/rt.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>
#include <linux/slab.h>
#include <linux/wait_bit.h>
#include <uapi/linux/sched/types.h>

#include <trace/events/kvm_pv_sched.h>

#include "pv_sched.h"

static DEFINE_HASHTABLE(pv_sched_tasks, 7);
static DEFINE_SPINLOCK(pv_sched_tasks_lock);
static atomic_t pv_sched_nr_tasks;
static bool pv_sched_exiting;

/* All of a thread's attributes that a loan disturbs. */
struct pv_sched_snapshot {
	struct pv_sched_attr attr;
	bool reset_on_fork;
	u64 slice;
	u64 slack;
};

static bool pv_sched_same(const struct pv_sched_attr *a,
			  const struct pv_sched_attr *b)
{
	return a->policy == b->policy && a->priority == b->priority &&
	       a->nice == b->nice;
}

/* Order attributes by what they give: idle, fair by nice, then real time. */
static unsigned int pv_sched_rank(const struct pv_sched_attr *a)
{
	if (pv_sched_rt(a))
		return 100 + a->priority;
	if (a->policy == SCHED_IDLE)
		return 0;
	return 1 + MAX_NICE - a->nice;
}

/* A class that KVM neither lends to nor can restore. */
static bool pv_sched_foreign(const struct pv_sched_attr *a)
{
	return !pv_sched_rt(a) && a->policy != SCHED_NORMAL &&
	       a->policy != SCHED_BATCH && a->policy != SCHED_IDLE;
}

/*
 * Read policy and priorities as they were set, never the effective priority,
 * which a lock's waiter may have raised.  The scheduler changes them under
 * pi_lock.
 */
static void pv_sched_read(struct task_struct *p, struct pv_sched_snapshot *s)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&p->pi_lock, flags);
	s->attr.policy = p->policy;
	s->attr.priority = p->rt_priority;
	s->attr.nice = PRIO_TO_NICE(p->static_prio);
	s->reset_on_fork = p->sched_reset_on_fork;
	s->slice = p->se.custom_slice ? p->se.slice : 0;
	s->slack = p->timer_slack_ns;
	raw_spin_unlock_irqrestore(&p->pi_lock, flags);
}

/* Capable of itself, whoever asks. */
static bool pv_sched_is_capable(struct task_struct *task)
{
	const struct cred *cred;
	bool capable;

	rcu_read_lock();
	cred = __task_cred(task);
	capable = cred->user_ns == &init_user_ns &&
		  cap_raised(cred->cap_effective, CAP_SYS_NICE);
	rcu_read_unlock();
	return capable;
}

/*
 * Is a value that was set from outside the thread's new own value?  The
 * scheduler asks for no right to set what is not above the present priority,
 * and that may be lent: honour only what would have been allowed without any
 * loan, or what is above all loans and thus took a right.
 *
 * That holds for as long as the thread works for a vCPU or is watched.  The
 * scheduler checks the right without a lock, sets the value later, and does not
 * look again: what is found now may have been checked during a loan long ago.
 */
static bool pv_sched_honour(struct pv_sched_task *ts,
			    const struct pv_sched_attr *set)
{
	struct pv_sched_attr limit = {
		.policy = SCHED_FIFO,
		.priority = min(task_rlimit(ts->task, RLIMIT_RTPRIO),
				(unsigned long)MAX_RT_PRIO - 1),
	};
	unsigned int rank = pv_sched_rank(set);

	if (rank <= pv_sched_rank(&ts->own) || rank > READ_ONCE(ts->lent_rank))
		return true;

	/* It works for no vCPU, and needs no loan to set this. */
	if (!ts->vcpu && pv_sched_is_capable(ts->task))
		return true;

	/* No loan makes a nice value lower, so that is checked as without. */
	if (!pv_sched_rt(set) && ts->own.policy != SCHED_IDLE)
		return true;

	return pv_sched_rt(set) && limit.priority &&
	       rank <= pv_sched_rank(&limit);
}

/* Real-time policies have no slack, and leave the slice as it was. */
static void pv_sched_set_own(struct pv_sched_task *ts,
			     const struct pv_sched_snapshot *s)
{
	ts->own = s->attr;
	ts->own_slice = s->slice;
	if (!ts->lent || !pv_sched_rt(&s->attr))
		ts->own_slack = s->slack;
}

/*
 * Learn what the thread owns now: the host wins.  Return false if KVM has to
 * leave the thread alone.
 */
static bool pv_sched_learn(struct pv_sched_task *ts)
{
	struct pv_sched_snapshot now;

	pv_sched_read(ts->task, &now);

	/* Keep what is known as its own: the foreign one cannot be restored. */
	if (pv_sched_foreign(&now.attr)) {
		ts->lent = false;
		return false;
	}

	if (!ts->lent && !pv_sched_honour(ts, &now.attr)) {
		/* Taken, not owned.  Treat it as lent, and so take it back. */
		ts->lent = true;
		ts->flag_lost = false;
		ts->applied = now.attr;
		return true;
	}

	if (!ts->lent) {
		pv_sched_set_own(ts, &now);
		ts->own_reset_on_fork = now.reset_on_fork;
		ts->applied = now.attr;
		return true;
	}

	/* Only a fair policy has a slack to set. */
	if (!pv_sched_rt(&now.attr) && !pv_sched_rt(&ts->applied))
		ts->own_slack = now.slack;

	/* The flag was set by the loan; clearing it takes a right. */
	ts->flag_lost = !now.reset_on_fork;
	if (ts->flag_lost)
		ts->own_reset_on_fork = false;

	if (now.attr.policy != ts->applied.policy ||
	    now.attr.priority != ts->applied.priority) {
		if (pv_sched_honour(ts, &now.attr))
			pv_sched_set_own(ts, &now);
	} else if (now.attr.nice != ts->applied.nice) {
		/* A loan never lowers nice: what was allowed is allowed. */
		ts->own.nice = now.attr.nice;
	}

	ts->applied = now.attr;
	return true;
}

/*
 * A thread that spends RLIMIT_RTTIME in a real-time class gets a signal, and
 * the guest decides how long it spins.  Stay out of real time unless the
 * budget takes the thread out of it earlier.
 */
static bool pv_sched_rttime_allows(struct pv_sched_task *ts)
{
	struct kvm_pv_sched *cfg = &ts->vcpu->vm->cfg;
	unsigned long limit = task_rlimit(ts->task, RLIMIT_RTTIME);

	if (limit == RLIM_INFINITY || pv_sched_rt(&ts->own))
		return true;

	return limit > div_u64(cfg->rt_budget_ns + 2 * TICK_NSEC, NSEC_PER_USEC);
}

/* The highest real-time priority that may be lent now; zero for none. */
static u32 pv_sched_limit(struct pv_sched_task *ts)
{
	u32 p_max = ts->vcpu->vm->cfg.p_max;

	if (!pv_sched_rttime_allows(ts))
		return 0;
	if (ts->unlimited)
		return p_max;

	return min_t(unsigned long, p_max,
		     task_rlimit(ts->task, RLIMIT_RTPRIO));
}

/* What the guest's own request asks for, within the VM's bounds. */
static void pv_sched_want_request(struct pv_sched_task *ts, u32 limit,
				  struct pv_sched_want *want)
{
	struct kvm_vcpu_pv_sched *ps = ts->vcpu;
	union pv_sched_request req = { .word = READ_ONCE(ps->request) };
	struct kvm_pv_sched *cfg = &ps->vm->cfg;
	u32 p;

	if (!req.valid || pv_sched_too_many_changes(ps))
		return;

	if (req.policy == SCHED_FIFO || req.policy == SCHED_RR) {
		if (!limit || READ_ONCE(ps->cut) & ~BIT(PV_SCHED_CUT_BOOST))
			return;
		p = max(1U, req.priority * cfg->p_max / (MAX_RT_PRIO - 1));
		want->attr.policy = req.policy;
		want->attr.priority = min(p, limit);
		return;
	}

	/* A fair thread never weighs more than it does by itself. */
	if (ts->own.policy == SCHED_IDLE)
		req.policy = SCHED_IDLE;
	want->attr.policy = req.policy;
	want->attr.priority = 0;
	if (req.policy != SCHED_IDLE)
		want->attr.nice = max3((s32)req.priority, cfg->nice_min,
				       ts->own.nice);
}

static void pv_sched_want(struct pv_sched_task *ts, struct pv_sched_want *want)
{
	struct kvm_vcpu_pv_sched *ps = ts->vcpu;
	bool user = READ_ONCE(ts->where) == PV_SCHED_USER;
	unsigned int own = pv_sched_rank(&ts->own);
	u32 limit;

	want->attr = ts->own;
	want->level = PV_SCHED_OWN;
	want->boost = false;
	want->denied = false;

	if (!ps)
		return;
	if (!pv_sched_vm_enabled(ps->vm)) {
		want->denied = true;
		return;
	}
	if ((READ_ONCE(ts->task->flags) & PF_EXITING) ||
	    fatal_signal_pending(ts->task)) {
		want->denied = true;
		return;
	}
	if (user && pv_sched_acct_lingered(ts))
		return;

	limit = pv_sched_limit(ts);
	want->denied = READ_ONCE(ps->reasons) && !limit;
	if (READ_ONCE(ps->reasons) && limit && !READ_ONCE(ps->cut)) {
		want->boost = true;
		want->attr.policy = SCHED_FIFO;
		want->attr.priority = limit;
	} else {
		pv_sched_want_request(ts, limit, want);
	}

	/*
	 * Neither a boost nor the way through user space, where the thread may
	 * hold locks of its VMM, goes below what the thread owns.
	 */
	if ((want->boost || user) && pv_sched_rank(&want->attr) <= own)
		want->attr = ts->own;
	if (pv_sched_rank(&want->attr) > own)
		want->level = want->boost ? PV_SCHED_BOOSTED : PV_SCHED_RAISED;
}

/* The thread has what it is to have. */
static void pv_sched_reached(struct pv_sched_task *ts,
			     const struct pv_sched_want *want)
{
	pv_sched_acct_level(ts, want->level);
	/* Events need not ask again for what they do not get. */
	WRITE_ONCE(ts->boosted, want->boost || want->denied);
}

/* Remember what a thread may be tempted to keep. */
static void pv_sched_note_loan(struct pv_sched_task *ts,
			       const struct pv_sched_attr *a)
{
	WRITE_ONCE(ts->lent_rank, max(ts->lent_rank, pv_sched_rank(a)));
	if (pv_sched_rt(a) &&
	    a->priority > task_rlimit(ts->task, RLIMIT_RTPRIO))
		ts->tempted = true;
}

/* What has to be set for what is wanted. */
static void pv_sched_prepare(struct pv_sched_task *ts,
			     struct pv_sched_change *c)
{
	const struct pv_sched_attr *a = &c->want.attr;

	c->attr = (struct sched_attr) {
		.size		= sizeof(c->attr),
		.sched_policy	= a->policy,
		.sched_priority	= a->priority,
		.sched_nice	= a->nice,
		.sched_runtime	= pv_sched_rt(a) ? 0 : ts->own_slice,
	};
	/* Or children and worker threads would inherit what is lent. */
	if (c->lend || ts->own_reset_on_fork)
		c->attr.sched_flags |= SCHED_FLAG_RESET_ON_FORK;
	/* Policies without a nice value leave that of the last one alone. */
	c->set_nice = a->policy != SCHED_NORMAL && a->policy != SCHED_BATCH &&
		      a->nice != ts->applied.nice;
}

/* Return false if nothing has to be set. */
static bool pv_sched_decide(struct pv_sched_task *ts,
			    struct pv_sched_change *c)
{
	struct pv_sched_want *want = &c->want;

	lockdep_assert_held(&ts->lock);

	c->level = ts->level;
	if (!pv_sched_learn(ts)) {
		pv_sched_acct_level(ts, PV_SCHED_OWN);
		/* Have events leave it alone as well. */
		WRITE_ONCE(ts->boosted, true);
		return false;
	}

	pv_sched_want(ts, want);
	if (ts->boosted && !want->boost && !want->denied) {
		WRITE_ONCE(ts->boosted, false);
		/*
		 * Announce that the boost ends before looking again whether it
		 * may: an event either is seen by the second look or sees the
		 * announcement.  Pairs with the barrier in pv_sched_notify().
		 */
		smp_mb();
		pv_sched_want(ts, want);
	}

	c->lend = !pv_sched_same(&want->attr, &ts->own);
	if (c->lend == ts->lent && pv_sched_same(&want->attr, &ts->applied) &&
	    !(c->lend && ts->flag_lost)) {
		pv_sched_reached(ts, want);
		return false;
	}

	/* Count time from before a loan begins until after it has ended. */
	if (want->level > c->level)
		pv_sched_acct_level(ts, want->level);
	if (want->level != PV_SCHED_OWN)
		pv_sched_note_loan(ts, &want->attr);
	pv_sched_prepare(ts, c);
	return true;
}

static int pv_sched_set_attr(struct task_struct *p,
			     const struct pv_sched_change *c)
{
	int r = sched_setattr_nocheck(p, &c->attr);

	if (!r && c->set_nice)
		set_user_nice(p, c->want.attr.nice);
	return r;
}

/* The scheduler has the change. */
static void pv_sched_made(struct pv_sched_task *ts,
			  const struct pv_sched_change *c)
{
	const struct pv_sched_attr *a = &c->want.attr;
	struct task_struct *p = ts->task;

	lockdep_assert_held(&ts->lock);

	/* A real-time class wiped the slack, and counted time for RTTIME. */
	if (pv_sched_rt(&ts->applied) && !pv_sched_rt(a)) {
		p->rt.timeout = 0;
		if (!pv_sched_rt(&ts->own))
			p->timer_slack_ns = ts->own_slack;
	}

	trace_kvm_pv_sched_apply(p, a->policy, a->priority, a->nice);
	ts->lent = c->lend;
	ts->applied = *a;
}

/* The change was tried. */
static void pv_sched_tried(struct pv_sched_task *ts,
			   const struct pv_sched_change *c, int r)
{
	if (r) {
		pv_sched_acct_level(ts, c->level);
		return;
	}

	pv_sched_made(ts, c);
	pv_sched_reached(ts, &c->want);
}

static void __pv_sched_apply(struct pv_sched_task *ts)
{
	struct pv_sched_change c;

	if (pv_sched_decide(ts, &c))
		pv_sched_tried(ts, &c, pv_sched_set_attr(ts->task, &c));
}

/*
 * The thread may be changing itself without the lock.  If the scheduler has the
 * change, count it as made; else return false.  Leave the account to what comes
 * next: the thread was switched out, and this is the way to a boost.
 */
static bool pv_sched_settle(struct pv_sched_task *ts)
{
	struct pv_sched_change *c = &ts->change;
	struct pv_sched_snapshot now;

	lockdep_assert_held(&ts->lock);

	if (!ts->changing)
		return true;

	pv_sched_read(ts->task, &now);
	if (!pv_sched_same(&now.attr, &c->want.attr) ||
	    now.reset_on_fork != !!(c->attr.sched_flags &
				    SCHED_FLAG_RESET_ON_FORK)) {
		/* It waits for the CPU to raise itself: do it as well. */
		if (!c->want.boost || pv_sched_set_attr(ts->task, c))
			return false;
	}

	ts->changing = false;
	pv_sched_made(ts, c);
	return true;
}

static void pv_sched_lock(struct pv_sched_task *ts)
{
	rt_mutex_lock(&ts->lock);
	if (pv_sched_settle(ts))
		return;
	rt_mutex_unlock(&ts->lock);

	/* Lend it the priority to get there, and have it begin no other. */
	rt_mutex_lock(&ts->self);
	rt_mutex_lock(&ts->lock);
	rt_mutex_unlock(&ts->self);
}

/* At its own priority the thread must not lose the CPU with the lock. */
static void pv_sched_lock_self(struct pv_sched_task *ts)
{
	rt_mutex_lock(&ts->lock);
	preempt_disable();
}

static void pv_sched_unlock_self(struct pv_sched_task *ts)
{
	rt_mutex_unlock(&ts->lock);
	preempt_enable();
}

/*
 * A thread that lowers itself is switched out by that.  Do not have it hold the
 * lock then, or the booster that raises it for the next event would have to
 * wait for it, and do not disable preemption, as the scheduler takes a mutex if
 * somebody makes the thread a deadline task.  Return true if somebody else has
 * raised it meanwhile, and may have gone on from there.
 */
static bool pv_sched_change_self(struct pv_sched_task *ts)
{
	struct pv_sched_change c;
	bool again = false;
	int r;

	pv_sched_lock_self(ts);
	if (!pv_sched_decide(ts, &c))
		goto out;

	ts->change = c;
	ts->changing = true;
	pv_sched_unlock_self(ts);

	r = pv_sched_set_attr(ts->task, &c);

	pv_sched_lock_self(ts);
	if (ts->changing) {
		ts->changing = false;
		pv_sched_tried(ts, &c, r);
	} else {
		again = c.want.boost;
	}
out:
	pv_sched_unlock_self(ts);
	return again;
}

static void pv_sched_apply_self(struct pv_sched_task *ts)
{
	rt_mutex_lock(&ts->self);
	while (pv_sched_change_self(ts))
		;
	rt_mutex_unlock(&ts->self);
}

/* Bring a thread's attributes up to date with what its vCPU wants. */
void pv_sched_apply(struct pv_sched_task *ts)
{
	if (ts->task == current) {
		pv_sched_apply_self(ts);
		return;
	}

	pv_sched_lock(ts);
	__pv_sched_apply(ts);
	rt_mutex_unlock(&ts->lock);
}

/* The same, unless somebody else is at it. */
bool pv_sched_try_apply(struct pv_sched_task *ts)
{
	bool settled;

	might_sleep();

	if (!rt_mutex_trylock(&ts->lock))
		return false;

	settled = pv_sched_settle(ts);
	if (settled)
		__pv_sched_apply(ts);
	rt_mutex_unlock(&ts->lock);
	return settled;
}

/*
 * May the thread be raised whatever its limits are?  If it belongs to the
 * thread group that enabled the VM it has that one's right, else its own.
 */
static bool pv_sched_unlimited(struct kvm_pv_sched_vm *vm)
{
	if (task_tgid(current) == vm->tgid)
		return vm->capable;

	return capable(CAP_SYS_NICE);
}

static void pv_sched_set_vcpu(struct pv_sched_task *ts,
			      struct kvm_vcpu_pv_sched *ps)
{
	/* Close the account of the vCPU that the thread worked for. */
	pv_sched_acct_level(ts, PV_SCHED_OWN);

	raw_spin_lock_irq(&ts->acct);
	WRITE_ONCE(ts->vcpu, ps);
	raw_spin_unlock_irq(&ts->acct);
	WRITE_ONCE(ts->boosted, false);
}

/* The current thread begins to work for a vCPU, with its own attributes. */
void pv_sched_attach(struct pv_sched_task *ts, struct kvm_vcpu_pv_sched *ps)
{
	pv_sched_lock(ts);
	if (ts->vcpu) {
		pv_sched_set_vcpu(ts, NULL);
		__pv_sched_apply(ts);
	}
	ts->unlimited = pv_sched_unlimited(ps->vm);
	pv_sched_set_vcpu(ts, ps);
	rt_mutex_unlock(&ts->lock);
}

/*
 * The thread works for the vCPU no more: it gets its own attributes back.
 * Watch it for a while, lest it gets away with what pv_sched_honour() refuses.
 */
void pv_sched_detach(struct pv_sched_task *ts, struct kvm_vcpu_pv_sched *ps)
{
	pv_sched_lock(ts);
	if (ts->vcpu == ps) {
		pv_sched_set_vcpu(ts, NULL);
		__pv_sched_apply(ts);
		if (ts->lent_rank && !ts->held &&
		    !(READ_ONCE(ts->task->flags) & PF_EXITING)) {
			ts->held = true;
			refcount_inc(&ts->refs);
			pv_sched_acct_guard(ts);
		}
	}
	rt_mutex_unlock(&ts->lock);
}

/* End the watch over a thread that works for no vCPU any more. */
void pv_sched_release(struct pv_sched_task *ts)
{
	bool held;

	rt_mutex_lock(&ts->lock);
	held = ts->held && !ts->vcpu &&
	       pv_sched_watched(ts, ktime_get_mono_fast_ns());
	if (held)
		ts->held = false;
	rt_mutex_unlock(&ts->lock);

	if (held)
		pv_sched_task_put(ts);
}

static struct pv_sched_task *pv_sched_task_find(struct task_struct *task)
{
	struct pv_sched_task *ts;

	lockdep_assert_held(&pv_sched_tasks_lock);

	hash_for_each_possible(pv_sched_tasks, ts, hash, (unsigned long)task) {
		if (ts->task == task && refcount_inc_not_zero(&ts->refs))
			return ts;
	}
	return NULL;
}

static struct pv_sched_task *pv_sched_task_alloc(struct task_struct *task)
{
	struct pv_sched_task *ts;

	ts = kzalloc(sizeof(*ts), GFP_KERNEL_ACCOUNT);
	if (!ts)
		return NULL;

	atomic_inc(&pv_sched_nr_tasks);
	ts->task = get_task_struct(task);
	refcount_set(&ts->refs, 1);
	rt_mutex_init(&ts->self);
	rt_mutex_init(&ts->lock);
	pv_sched_acct_init(ts);
	return ts;
}

/*
 * Get the state of the current task.  No two exist for one task, or each would
 * take the other's loan for what the thread owns; one whose last reference is
 * gone has nothing lent.
 */
struct pv_sched_task *pv_sched_task_get(void)
{
	struct pv_sched_task *ts;

	spin_lock(&pv_sched_tasks_lock);
	ts = pv_sched_task_find(current);
	spin_unlock(&pv_sched_tasks_lock);
	if (ts)
		return ts;

	ts = pv_sched_task_alloc(current);
	if (!ts)
		return NULL;

	/* Nobody but the task itself adds its state. */
	spin_lock(&pv_sched_tasks_lock);
	hash_add(pv_sched_tasks, &ts->hash, (unsigned long)current);
	spin_unlock(&pv_sched_tasks_lock);
	return ts;
}

/* Events look at the thread under RCU only. */
static void pv_sched_task_free(struct rcu_head *rcu)
{
	struct pv_sched_task *ts = container_of(rcu, struct pv_sched_task, rcu);

	put_task_struct(ts->task);
	kfree(ts);
	if (!atomic_dec_and_test(&pv_sched_nr_tasks))
		return;

	pv_sched_booster_relax();
	wake_up_var(&pv_sched_nr_tasks);
}

bool pv_sched_tasks_left(void)
{
	return atomic_read(&pv_sched_nr_tasks);
}

bool pv_sched_leaving(void)
{
	return READ_ONCE(pv_sched_exiting);
}

void pv_sched_tasks_init(void)
{
	WRITE_ONCE(pv_sched_exiting, false);
}

/* No VM is left: wait until the last thread is watched no more. */
void pv_sched_tasks_exit(void)
{
	WRITE_ONCE(pv_sched_exiting, true);
	wait_var_event(&pv_sched_nr_tasks, !pv_sched_tasks_left());
	rcu_barrier();
}

void pv_sched_task_put(struct pv_sched_task *ts)
{
	if (!refcount_dec_and_test(&ts->refs))
		return;

	spin_lock(&pv_sched_tasks_lock);
	hash_del(&ts->hash);
	spin_unlock(&pv_sched_tasks_lock);

	hrtimer_cancel(&ts->timer);
	irq_work_sync(&ts->irq_work);
	call_rcu(&ts->rcu, pv_sched_task_free);
}
