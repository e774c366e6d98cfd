// SPDX-License-Identifier: GPL-2.0-only
/*
 * Direct paging: several hypercalls in one.
 *
 * Each entry gets a result, and none of them ends the batch.  Nothing in it
 * can change the privilege level: the vCPU has executed one instruction, at
 * level 0, and what an entry may call touches neither segments nor flow.
 *
 * An entry that has to continue finds its progress in its own arguments in the
 * guest's memory.  Hence the list must be writable; that is tried before any
 * of a chunk is done.  vCPUs that share a list spoil each other's arguments
 * and nothing else.
 */
#include <linux/kvm_host.h>
#include <linux/stddef.h>

#include "x86.h"
#include "../pv_sched.h"
#include "hypercall.h"

/* Entries that are copied at once.  An entry cannot change one behind it. */
#define DP_MULTICALL_CHUNK	8

/* False if the VMM has to answer: then the list is cut before this entry. */
static bool dp_foreign_call(struct kvm_dp_call *call, u64 *result)
{
	u64 *args = call->args;

	switch (call->nr) {
	case KVM_HC_PV_SCHED_SET:
	case KVM_HC_PV_SCHED_DONE:
		if (!kvm_has_pv_sched(call->vcpu))
			break;
		*result = kvm_x86_pv_sched_hypercall(call->vcpu, call->nr,
						     args[0], args[1], args[2],
						     args[3]);
		return true;
	}

	if (!kvm_dp_answer(call, result)) {
		kvm_dp_forward_entry(call);
		return false;
	}

	*result = kvm_dp_result(call, DP_WHOLE_CALL, *result);
	return true;
}

static int dp_multicall_one(struct kvm_dp_call *call,
			    const struct kvm_dp_multicall_entry *entry, u64 gva)
{
	u64 result;
	long r;

	call->nr = entry->op;
	memcpy(call->args, entry->args, sizeof(call->args));

	switch (call->nr) {
	case KVM_DP_HC_MMU_UPDATE:
	case KVM_DP_HC_MEMORY_OP:
	case KVM_DP_HC_UPDATE_VA_MAPPING:
	case KVM_DP_HC_MMUEXT_OP:
		r = kvm_dp_do_call(call);
		if (r == -EAGAIN)
			return kvm_dp_copy_out(call, gva +
					       offsetof(typeof(*entry), args),
					       call->args, sizeof(call->args)) ?:
			       -EAGAIN;
		result = r;
		break;
	case KVM_DP_HC_MULTICALL:
		result = kvm_dp_result(call, DP_WHOLE_CALL, -ENOSYS);
		break;
	default:
		call->forwarded = !dp_foreign_call(call, &result);
		if (call->forwarded)
			return -EAGAIN;
		break;
	}

	return kvm_dp_copy_out(call, gva + offsetof(typeof(*entry), result),
			       &result, sizeof(result));
}

static int dp_multicall_chunk(struct kvm_dp_call *call, u64 gva, u32 n, u32 *done)
{
	struct kvm_dp_multicall_entry entries[DP_MULTICALL_CHUNK] __uninitialized;
	u32 i;
	int r;

	r = kvm_dp_copy_in(call, gva, entries, n * sizeof(*entries));
	if (!r)
		r = kvm_dp_copy_out(call, gva, entries, n * sizeof(*entries));

	for (i = 0; !r && i < n; i++) {
		if (!kvm_dp_may_begin(call))
			return -EAGAIN;

		r = dp_multicall_one(call, &entries[i],
				     gva + i * sizeof(*entries));
		if (r)
			break;

		kvm_dp_charge(call, 1);
		++*done;
	}
	return r;
}

/* (list, count) */
int kvm_dp_multicall(struct kvm_dp_call *call)
{
	const size_t size = sizeof(struct kvm_dp_multicall_entry);
	u64 list = call->args[0];
	u32 count = call->args[1];
	u64 nr = call->nr;
	u64 args[6];
	u32 done = 0;
	int r = 0;

	if (!kvm_dp_is_range(list, count * size))
		return kvm_dp_result(call, DP_WHOLE_CALL, -EFAULT);

	memcpy(args, call->args, sizeof(args));
	while (!r && done < count) {
		u32 n = min_t(u32, count - done, DP_MULTICALL_CHUNK);

		r = dp_multicall_chunk(call, list + done * size, n, &done);
	}

	/* The entries' have taken the place of its own. */
	call->nr = nr;
	memcpy(call->args, args, sizeof(args));
	call->args[0] = list + done * size;
	call->args[1] = count - done;
	return kvm_dp_result(call, DP_WHOLE_CALL, r);
}
