/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of paravirtualized vCPU scheduling.  They have a system of their
 * own: tools that count everything under "kvm" see nothing new.
 */
#if !defined(_TRACE_KVM_PV_SCHED_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_PV_SCHED_H

#include <linux/sched.h>
#include <linux/tracepoint.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_pv_sched

/* Of a vCPU: an event set a reason that was not set. */
TRACE_EVENT(kvm_pv_sched_boost,
	TP_PROTO(unsigned int vcpu_id, unsigned int reason),
	TP_ARGS(vcpu_id, reason),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned int, reason)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->reason = reason;
	),

	TP_printk("vcpu %u reason %s", __entry->vcpu_id,
		  __print_symbolic(__entry->reason,
				   { 0, "irq" }, { 1, "nmi" },
				   { 2, "halt" }, { 3, "lent" }))
);

/* Of a vCPU: the guest said done; what is left. */
TRACE_EVENT(kvm_pv_sched_done,
	TP_PROTO(unsigned int vcpu_id, u64 flags, unsigned long reasons),
	TP_ARGS(vcpu_id, flags, reasons),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(u32, flags)
		__field(unsigned long, reasons)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->flags = flags;
		__entry->reasons = reasons;
	),

	TP_printk("vcpu %u flags 0x%x reasons 0x%lx", __entry->vcpu_id,
		  __entry->flags, __entry->reasons)
);

/* Of a vCPU: the guest asked for a policy and a priority, or nice value. */
TRACE_EVENT(kvm_pv_sched_params,
	TP_PROTO(unsigned int vcpu_id, unsigned int policy, int priority),
	TP_ARGS(vcpu_id, policy, priority),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned int, policy)
		__field(int, priority)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->policy = policy;
		__entry->priority = priority;
	),

	TP_printk("vcpu %u policy %u priority %d", __entry->vcpu_id,
		  __entry->policy, __entry->priority)
);

/* Of a vCPU: a budget ran empty. */
TRACE_EVENT(kvm_pv_sched_cut,
	TP_PROTO(unsigned int vcpu_id, unsigned int budget),
	TP_ARGS(vcpu_id, budget),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned int, budget)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->budget = budget;
	),

	TP_printk("vcpu %u budget %s", __entry->vcpu_id,
		  __print_symbolic(__entry->budget,
				   { 0, "boost" }, { 1, "rt" }, { 2, "cpu" }))
);

/* Of a thread: its attributes were changed. */
TRACE_EVENT(kvm_pv_sched_apply,
	TP_PROTO(struct task_struct *task, unsigned int policy,
		 unsigned int priority, int nice),
	TP_ARGS(task, policy, priority, nice),

	TP_STRUCT__entry(
		__field(pid_t, pid)
		__field(unsigned int, policy)
		__field(unsigned int, priority)
		__field(int, nice)
	),

	TP_fast_assign(
		__entry->pid = task->pid;
		__entry->policy = policy;
		__entry->priority = priority;
		__entry->nice = nice;
	),

	TP_printk("pid %d policy %u priority %u nice %d", __entry->pid,
		  __entry->policy, __entry->priority, __entry->nice)
);

#endif /* _TRACE_KVM_PV_SCHED_H */

#include <trace/define_trace.h>
