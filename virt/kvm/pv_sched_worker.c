// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: the VM's worker.
 *
 * Some interrupts cannot be injected where their source fires and wait for an
 * ordinary worker thread.  A boost that begins when that one ran begins too
 * late, as a busy host starves it.  Such work is done one above p_max instead,
 * lest it waits for the vCPU that it is for, on the account of the host CPU.
 */
#include <linux/kthread.h>
#include <uapi/linux/sched/types.h>

#include "pv_sched.h"

static void pv_sched_set_thread(struct kvm *kvm, struct task_struct *task,
				bool raised)
{
	struct sched_attr attr = {
		.size		= sizeof(attr),
		.sched_policy	= raised ? SCHED_FIFO : SCHED_NORMAL,
		.sched_priority	= raised ? kvm->pv_sched->cfg.p_max + 1 : 0,
	};

	sched_setattr_nocheck(task, &attr);
}

/* Have a kernel thread that injects for the VM run above its vCPUs. */
void __kvm_pv_sched_set_thread(struct kvm *kvm, struct task_struct *task)
{
	pv_sched_set_thread(kvm, task, kvm_pv_sched_enabled(kvm));
}

static void pv_sched_set_current(struct kvm *kvm, bool raised)
{
	pv_sched_set_thread(kvm, current, raised);
	if (!raised)
		return;

	/* Either see that the feature is off by now, or be lowered after it. */
	smp_mb();
	if (!kvm_pv_sched_enabled(kvm))
		pv_sched_set_thread(kvm, current, false);
}

/*
 * The current thread begins to inject.  Without time left on this CPU it does
 * so as an ordinary thread, which is not charged for it: return zero.
 */
u64 __kvm_pv_sched_begin_work(struct kvm *kvm)
{
	bool is_raised = current->policy == SCHED_FIFO;
	u64 begin = ktime_get_mono_fast_ns();
	bool raised;

	raised = kvm_pv_sched_enabled(kvm) &&
		 !pv_sched_acct_cpu_empty(raw_smp_processor_id());
	if (raised != is_raised)
		pv_sched_set_current(kvm, raised);
	if (raised)
		return begin;

	/* It woke up raised. */
	if (is_raised)
		pv_sched_acct_cpu(begin);
	return 0;
}

/* Sleep raised, or the next interrupt would wait for an ordinary thread. */
void __kvm_pv_sched_end_work(struct kvm *kvm, u64 begin)
{
	if (begin)
		pv_sched_acct_cpu(begin);
	else if (kvm_pv_sched_enabled(kvm))
		pv_sched_set_current(kvm, true);
}

static void pv_sched_work_fn(struct kthread_work *kwork)
{
	struct kvm_pv_sched_work *work =
		container_of(kwork, struct kvm_pv_sched_work, work);
	u64 begin = __kvm_pv_sched_begin_work(work->kvm);

	work->fn(work);
	__kvm_pv_sched_end_work(work->kvm, begin);
}

void __kvm_pv_sched_init_work(struct kvm_pv_sched_work *work,
			      void (*fn)(struct kvm_pv_sched_work *work))
{
	kthread_init_work(&work->work, pv_sched_work_fn);
	work->fn = fn;
}

/*
 * Queue work from any context but NMI.  Once there is a worker all of it goes
 * there, in order: two threads that inject the same edge could lose it.
 */
void __kvm_pv_sched_queue_work(struct kvm *kvm, struct kvm_pv_sched_work *work)
{
	work->kvm = kvm;
	kthread_queue_work(kvm->pv_sched->worker, &work->work);
}

void __kvm_pv_sched_flush_work(struct kvm_pv_sched_work *work)
{
	kthread_flush_work(&work->work);
}

int pv_sched_worker_create(struct kvm_pv_sched_vm *vm)
{
	vm->worker = kthread_create_worker(0, "kvm-pvinj/%d",
					   task_tgid_nr(current));
	return PTR_ERR_OR_ZERO(vm->worker);
}

void pv_sched_worker_destroy(struct kvm_pv_sched_vm *vm)
{
	kthread_destroy_worker(vm->worker);
}
