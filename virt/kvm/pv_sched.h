/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Paravirtualized vCPU scheduling: the state that its files share.
 *
 * A VM holds the bounds, a vCPU what its guest wants, a task what it owns and
 * what it was lent.  Data goes one way: event or hypercall -> vCPU -> task ->
 * scheduler.
 *
 * Locks, outermost first: task->self, task->lock (rt_mutexes, so that whoever
 * applies an attribute inherits the priority of whoever waits for it), run
 * queue, task->acct, the budget of a host CPU.
 */
#ifndef __KVM_PV_SCHED_H
#define __KVM_PV_SCHED_H

#include <linux/hrtimer.h>
#include <linux/irq_work.h>
#include <linux/kvm_pv_sched.h>
#include <linux/llist.h>
#include <linux/refcount.h>
#include <linux/rtmutex.h>
#include <linux/sched.h>
#include <uapi/linux/sched/types.h>

#include "pv_sched_budget.h"

/* What a guest may ask for at most. */
#define PV_SCHED_POLICIES (BIT(SCHED_NORMAL) | BIT(SCHED_FIFO) |	\
			   BIT(SCHED_RR) | BIT(SCHED_BATCH) |		\
			   BIT(SCHED_IDLE))

/* How long a thread in user space keeps what it was lent. */
#define PV_SCHED_LINGER_NS	NSEC_PER_MSEC

/* Changes on request in one rt period; a guest that wants more gets none. */
#define PV_SCHED_MAX_CHANGES	1024

/* Requests of siblings in one boost period that a booster is woken for. */
#define PV_SCHED_MAX_HELPED	16

/* How long a spinning vCPU hands its boost to a sibling. */
#define PV_SCHED_LEND_NS	(50 * NSEC_PER_USEC)

struct kvm_pv_sched_vm {
	struct kvm_pv_sched cfg;
	bool enabled;
	/* The thread group that enabled, and whether it had CAP_SYS_NICE. */
	struct pid *tgid;
	bool capable;
	struct kthread_worker *worker;
};

/* What a guest asked for; fits into a word, so that it needs no lock. */
union pv_sched_request {
	struct {
		u8 valid;
		u8 policy;
		s16 priority;
		u32 pad;
	};
	u64 word;
};

/* Bits of kvm_vcpu_pv_sched.cut: which budget is empty. */
enum pv_sched_cut {
	PV_SCHED_CUT_BOOST,
	PV_SCHED_CUT_RT,
	PV_SCHED_CUT_CPU,
};

struct kvm_vcpu_pv_sched {
	struct kvm_vcpu *vcpu;
	struct kvm_pv_sched_vm *vm;
	struct pv_sched_task __rcu *task;

	unsigned long reasons;
	unsigned long cut;
	u64 request;
	bool entered;

	/* Under task->acct. */
	struct pv_sched_budget boost;
	struct pv_sched_budget rt;
	u64 lent_until;

	/* Changes on request in the rt period that ends then. */
	u64 changes_end;
	unsigned int changes;

	/* Requests of siblings that had help, in the boost period so far. */
	u64 helped_period;
	unsigned int helped;
};

/* Where the thread of a vCPU is. */
enum pv_sched_where {
	PV_SCHED_USER,
	/* On its way into the guest for the first time. */
	PV_SCHED_FIRST,
	PV_SCHED_IN,
	PV_SCHED_OUT,
};

/* What of a thread's attributes is compared. */
struct pv_sched_attr {
	u32 policy;
	u32 priority;
	s32 nice;
};

enum pv_sched_level {
	PV_SCHED_OWN,
	PV_SCHED_RAISED,
	PV_SCHED_BOOSTED,
};

struct pv_sched_want {
	struct pv_sched_attr attr;
	enum pv_sched_level level;
	bool boost;
	/* There is a reason to boost, but no right. */
	bool denied;
};

/* From what is wanted to what the scheduler is told. */
struct pv_sched_change {
	struct pv_sched_want want;
	struct sched_attr attr;
	bool set_nice;
	bool lend;
	/* What it was before. */
	enum pv_sched_level level;
};

/* A thread that runs a vCPU, or has run it last. */
struct pv_sched_task {
	struct task_struct *task;
	struct hlist_node hash;
	refcount_t refs;
	struct rcu_head rcu;

	/* Held by the thread while it changes its own attributes. */
	struct rt_mutex self;
	/* Serializes all changes of its attributes but for those. */
	struct rt_mutex lock;

	/* The vCPU it works for.  Written under lock and acct. */
	struct kvm_vcpu_pv_sched *vcpu;
	int where;
	/* p_max was applied, or is not above the thread's own priority. */
	bool boosted;

	/* Under lock.  The thread makes this change, without the lock. */
	struct pv_sched_change change;
	bool changing;

	/* Under lock. */
	bool lent;
	unsigned int lent_rank;
	bool flag_lost;
	/* Was lent what it has no right to have by itself. */
	bool tempted;
	bool held;
	bool unlimited;
	struct pv_sched_attr own;
	struct pv_sched_attr applied;
	bool own_reset_on_fork;
	u64 own_slice;
	u64 own_slack;

	/* Time above the own priority, charged to budgets. */
	raw_spinlock_t acct;
	enum pv_sched_level level;
	u64 since;
	u64 linger;
	u64 returned;
	u64 cpu_next;
	struct hrtimer timer;

	/* Work for the booster of a host CPU. */
	struct llist_node node;
	unsigned long queued;
	struct irq_work irq_work;
};

/* pv_sched_task.c: the module is about to go. */
bool pv_sched_leaving(void);

static inline bool pv_sched_vm_enabled(struct kvm_pv_sched_vm *vm)
{
	return vm && READ_ONCE(vm->enabled);
}

/*
 * How often to look whether a thread keeps what was taken back from it, see
 * pv_sched_honour(): at first, and later on.
 */
#define PV_SCHED_GUARD_NS	(10 * NSEC_PER_MSEC)
#define PV_SCHED_GUARD_FIRST_NS	NSEC_PER_SEC
#define PV_SCHED_GUARD_LATER_NS	NSEC_PER_SEC

static inline bool pv_sched_rt(const struct pv_sched_attr *a)
{
	return a->policy == SCHED_FIFO || a->policy == SCHED_RR;
}

/*
 * Would children of a raised thread be better off than it is by itself?
 * Reset-on-fork makes them ordinary tasks.  Lend such a thread nothing while
 * it is in user space.
 */
static inline bool pv_sched_modest(struct pv_sched_task *ts)
{
	return ts->own.policy == SCHED_IDLE || ts->own.nice > 0;
}

/* Has somebody changed a thread to which nothing is lent, but has been? */
static inline bool pv_sched_moved(struct pv_sched_task *ts)
{
	return READ_ONCE(ts->lent_rank) && !READ_ONCE(ts->lent) &&
	       (READ_ONCE(ts->task->policy) != READ_ONCE(ts->own.policy) ||
		READ_ONCE(ts->task->rt_priority) !=
		READ_ONCE(ts->own.priority));
}

/*
 * Has a thread that works for no vCPU any more been watched for long enough?  A
 * set that was checked during a loan may come at any time later: one that was
 * lent what it could not have set by itself is watched until it is gone.
 */
static inline bool pv_sched_watched(struct pv_sched_task *ts, u64 now)
{
	if (READ_ONCE(ts->task->flags) & PF_EXITING || pv_sched_leaving())
		return true;

	return now - ts->returned >= PV_SCHED_GUARD_FIRST_NS && !ts->tempted;
}

static inline bool pv_sched_too_many_changes(struct kvm_vcpu_pv_sched *ps)
{
	return READ_ONCE(ps->changes) > PV_SCHED_MAX_CHANGES &&
	       ktime_get_mono_fast_ns() < READ_ONCE(ps->changes_end);
}

/* pv_sched_task.c */
struct pv_sched_task *pv_sched_task_get(void);
void pv_sched_task_put(struct pv_sched_task *ts);
void pv_sched_attach(struct pv_sched_task *ts, struct kvm_vcpu_pv_sched *ps);
void pv_sched_detach(struct pv_sched_task *ts, struct kvm_vcpu_pv_sched *ps);
void pv_sched_release(struct pv_sched_task *ts);
bool pv_sched_tasks_left(void);
void pv_sched_tasks_init(void);
void pv_sched_tasks_exit(void);
void pv_sched_apply(struct pv_sched_task *ts);
bool pv_sched_try_apply(struct pv_sched_task *ts);

/* pv_sched_acct.c */
void pv_sched_acct_init(struct pv_sched_task *ts);
void pv_sched_acct_run(struct pv_sched_task *ts);
void pv_sched_acct_stop(struct pv_sched_task *ts);
void pv_sched_acct_linger(struct pv_sched_task *ts);
void pv_sched_acct_guard(struct pv_sched_task *ts);
bool pv_sched_acct_lend(struct pv_sched_task *ts);
bool pv_sched_acct_may_raise(struct pv_sched_task *ts);
void pv_sched_acct_level(struct pv_sched_task *ts, enum pv_sched_level level);
bool pv_sched_acct_lingered(struct pv_sched_task *ts);
void pv_sched_acct_cpu_init(void);
void pv_sched_acct_cpu(u64 begin);
bool pv_sched_acct_cpu_empty(int cpu);

/* pv_sched_worker.c */
int pv_sched_worker_create(struct kvm_pv_sched_vm *vm);
void pv_sched_worker_destroy(struct kvm_pv_sched_vm *vm);

/* pv_sched_boost.c */
int pv_sched_booster_get(u32 p_max);
void pv_sched_booster_put(u32 p_max);
void pv_sched_booster_relax(void);
void pv_sched_booster_exit(void);
void pv_sched_queue(struct pv_sched_task *ts);

#endif /* __KVM_PV_SCHED_H */
