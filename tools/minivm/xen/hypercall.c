// SPDX-License-Identifier: GPL-2.0-only
/* Xen's hypercalls that KVM neither answers nor knows: those of the tool. */
#include <stdint.h>
#include <errno.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/sched.h>

#include "direct.h"
#include "xen.h"

#define VMASST_RUNSTATE_UPDATE	5

/*
 * Does not come back, but from a suspend that did not happen.  KVM does the
 * other operations, those that wait.
 */
static long sched_op(struct vcpu *vcpu, const uint64_t *args)
{
	struct sched_shutdown op;

	if ((uint32_t)args[0] != SCHEDOP_shutdown)
		return -ENOSYS;
	if (!guest_read_va(vcpu, args[1], &op, sizeof(op)))
		return -EFAULT;
	switch (op.reason) {
	case SHUTDOWN_poweroff:
		end(EX_OK_);
	case SHUTDOWN_reboot:
		reset_ask();
	case SHUTDOWN_suspend:
		return 1;
	case SHUTDOWN_crash:
		fail(EX_CRASH, 0, NULL, "vCPU %u: the guest says that it crashed",
		     vcpu->id);
	default:
		return -EINVAL;
	}
}

static long vm_assist(struct vcpu *vcpu, const uint64_t *args)
{
	uint32_t cmd = args[0], type = args[1];
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG,
		.u.runstate_update_flag = cmd == VMASST_CMD_enable,
	};

	if (type != VMASST_RUNSTATE_UPDATE || cmd > VMASST_CMD_disable)
		return -EINVAL;
	return ioctl(vcpu->vm->fd, KVM_XEN_HVM_SET_ATTR, &attr) ? -errno : 0;
}

/* Its event is bound to no port, so it would not be seen. */
static long set_timer_op(struct vcpu *vcpu, const uint64_t *args)
{
	return 0;
}

static long do_xen_version(struct vcpu *vcpu, const uint64_t *args)
{
	return xen_version(vcpu, args[0], args[1]);
}

static long do_console_io(struct vcpu *vcpu, const uint64_t *args)
{
	return console_op(vcpu, args[0], args[1], args[2]);
}

static long do_grant_op(struct vcpu *vcpu, const uint64_t *args)
{
	return grant_op(vcpu, args[0], args[1], args[2]);
}

static long do_vcpu_op(struct vcpu *vcpu, const uint64_t *args)
{
	return vcpu_op(vcpu, args[0], args[1], args[2]);
}

static long do_event_op(struct vcpu *vcpu, const uint64_t *args)
{
	return event_op(vcpu, args[0], args[1]);
}

static long do_hvm_op(struct vcpu *vcpu, const uint64_t *args)
{
	return hvm_op(vcpu, args[0], args[1]);
}

#define CALL(name, function, lock) \
	[__HYPERVISOR_##name] = { #name, function, lock }

static const struct call {
	const char *name;
	long (*fn)(struct vcpu *vcpu, const uint64_t *args);
	bool lock;		/* what may end the VM or waits, does not want it */
} calls[] = {
	CALL(set_timer_op, set_timer_op, false),
	CALL(xen_version, do_xen_version, true),
	CALL(console_io, do_console_io, false),
	CALL(grant_table_op, do_grant_op, true),
	CALL(vm_assist, vm_assist, true),
	CALL(vcpu_op, do_vcpu_op, true),
	CALL(sched_op, sched_op, false),
	CALL(event_channel_op, do_event_op, true),
	CALL(hvm_op, do_hvm_op, true),
};

static void trace(struct vcpu *vcpu, uint64_t nr, const char *name,
		  const uint64_t *args, long r)
{
	fprintf(stderr, "minivm: vCPU %u: hypercall %llu %s(0x%llx, 0x%llx, 0x%llx, 0x%llx) = %ld\n",
		vcpu->id, (unsigned long long)nr, name,
		(unsigned long long)args[0], (unsigned long long)args[1],
		(unsigned long long)args[2], (unsigned long long)args[3], r);
}

static long do_call(struct vcpu *vcpu, const struct call *call,
		    const uint64_t *args)
{
	struct xen *xen = vcpu->vm->xen;
	long r;

	if (!call->lock)
		return call->fn(vcpu, args);
	xen_lock(xen);
	r = call->fn(vcpu, args);
	xen_unlock(xen);
	return r;
}

long xen_hypercall(struct vcpu *vcpu, uint64_t nr, const uint64_t *args)
{
	struct xen *xen = vcpu->vm->xen;
	const struct call *call = NULL;
	long r = -ENOSYS;

	if (nr < sizeof(calls) / sizeof(calls[0]) && calls[nr].fn)
		call = &calls[nr];
	/* It does not come back to tell. */
	if (xen->trace && nr == __HYPERVISOR_sched_op &&
	    (uint32_t)args[0] == SCHEDOP_shutdown)
		trace(vcpu, nr, call->name, args, 0);
	if (call)
		r = do_call(vcpu, call, args);
	if (xen->trace)
		trace(vcpu, nr, call ? call->name : "", args, r);
	if (xen->powered_off)
		end(EX_OK_);
	return r;
}
