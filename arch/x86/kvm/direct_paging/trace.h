/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracepoints of direct paging.  They have a system of their own: tools that
 * count everything under "kvm" see nothing new.
 */
#if !defined(_TRACE_KVM_DP_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_KVM_DP_H

#include <linux/tracepoint.h>
#include <linux/types.h>

#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_dp

/* One operation was done, or refused; of a batch, each entry. */
TRACE_EVENT(kvm_dp_hypercall,
	TP_PROTO(unsigned int vcpu_id, unsigned long nr, u64 op, long error),
	TP_ARGS(vcpu_id, nr, op, error),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, nr)
		__field(u64, op)
		__field(long, error)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->nr = nr;
		__entry->op = op;
		__entry->error = error;
	),

	TP_printk("vcpu %u nr %lu op 0x%llx error %ld", __entry->vcpu_id,
		  __entry->nr, __entry->op, __entry->error)
);

DECLARE_EVENT_CLASS(kvm_dp_table,
	TP_PROTO(u64 gfn, u64 mfn, int level),
	TP_ARGS(gfn, mfn, level),

	TP_STRUCT__entry(
		__field(u64, gfn)
		__field(u64, mfn)
		__field(int, level)
	),

	TP_fast_assign(
		__entry->gfn = gfn;
		__entry->mfn = mfn;
		__entry->level = level;
	),

	TP_printk("gfn 0x%llx mfn 0x%llx level %d", __entry->gfn,
		  __entry->mfn, __entry->level)
);

/* A frame became a valid table. */
DEFINE_EVENT(kvm_dp_table, kvm_dp_promote,
	TP_PROTO(u64 gfn, u64 mfn, int level),
	TP_ARGS(gfn, mfn, level)
);

/* A table became data. */
DEFINE_EVENT(kvm_dp_table, kvm_dp_demote,
	TP_PROTO(u64 gfn, u64 mfn, int level),
	TP_ARGS(gfn, mfn, level)
);

/* The entry must not be in table mfn; or, if 0, the frame be such a table. */
TRACE_EVENT(kvm_dp_refuse,
	TP_PROTO(u64 mfn, u64 val, int level, int error),
	TP_ARGS(mfn, val, level, error),

	TP_STRUCT__entry(
		__field(u64, mfn)
		__field(u64, val)
		__field(int, level)
		__field(int, error)
	),

	TP_fast_assign(
		__entry->mfn = mfn;
		__entry->val = val;
		__entry->level = level;
		__entry->error = error;
	),

	TP_printk("mfn 0x%llx entry 0x%llx level %d error %d", __entry->mfn,
		  __entry->val, __entry->level, __entry->error)
);

/* All vCPUs have flushed; what was stale in an earlier generation is not. */
TRACE_EVENT(kvm_dp_flush,
	TP_PROTO(u64 generation),
	TP_ARGS(generation),

	TP_STRUCT__entry(
		__field(u64, generation)
	),

	TP_fast_assign(
		__entry->generation = generation;
	),

	TP_printk("generation %llu", __entry->generation)
);

/* A hypercall was cut short and is executed again, after so many entries. */
TRACE_EVENT(kvm_dp_continue,
	TP_PROTO(unsigned int vcpu_id, unsigned long nr, unsigned long done),
	TP_ARGS(vcpu_id, nr, done),

	TP_STRUCT__entry(
		__field(unsigned int, vcpu_id)
		__field(unsigned long, nr)
		__field(unsigned long, done)
	),

	TP_fast_assign(
		__entry->vcpu_id = vcpu_id;
		__entry->nr = nr;
		__entry->done = done;
	),

	TP_printk("vcpu %u nr %lu done %lu", __entry->vcpu_id,
		  __entry->nr, __entry->done)
);

#endif /* _TRACE_KVM_DP_H */

/*
 * Relative to include/trace of the kernel, as KVM's own; and, where that has
 * no sources beside it, to a directory of the include path that is two levels
 * below the top.
 */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH ../../arch/x86/kvm/direct_paging
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace

/* This part must be outside protection */
#include <trace/define_trace.h>
