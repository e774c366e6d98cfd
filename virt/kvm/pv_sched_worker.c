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

/* Have a kernel thread that injects for the VM run above its vCPUs. */
void __kvm_pv_sched_set_thread(struct kvm *kvm, struct task_struct *task)
{
	bool enabled = kvm_pv_sched_enabled(kvm);
	struct sched_attr attr = {
		.size		= sizeof(attr),
		.sched_policy	= enabled ? SCHED_FIFO : SCHED_NORMAL,
		.sched_priority	= enabled ? kvm->pv_sched->cfg.p_max + 1 : 0,
	};

	sched_setattr_nocheck(task, &attr);
}

static void pv_sched_work_fn(struct kthread_work *kwork)
{
	struct kvm_pv_sched_work *work =
		container_of(kwork, struct kvm_pv_sched_work, work);
	u64 begin = ktime_get_mono_fast_ns();

	work->fn(work);
	pv_sched_acct_cpu(begin);
}

void __kvm_pv_sched_init_work(struct kvm_pv_sched_work *work,
			      void (*fn)(struct kvm_pv_sched_work *work))
{
	kthread_init_work(&work->work, pv_sched_work_fn);
	work->fn = fn;
}

/*
 * Queue work from any context but NMI.  Return false if it has to go another
 * way: the VM has no worker, or the host CPU has no time left for it.
 */
bool __kvm_pv_sched_queue_work(struct kvm *kvm, struct kvm_pv_sched_work *work)
{
	struct kvm_pv_sched_vm *vm = kvm->pv_sched;

	if (!pv_sched_vm_enabled(vm) || pv_sched_acct_cpu_empty())
		return false;

	kthread_queue_work(vm->worker, &work->work);
	return true;
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
