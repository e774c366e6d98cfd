// SPDX-License-Identifier: GPL-2.0-only
/* Xen's hypercalls that KVM neither answers nor knows: those of the tool. */
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "direct.h"
#include "image.h"
#include "xen.h"

#define VMASST_RUNSTATE_UPDATE	5

#define FEATURES	(1U << XENFEAT_supervisor_mode_kernel | \
			 1U << XENFEAT_mmu_pt_update_preserve_ad | \
			 1U << XENFEAT_gnttab_map_avail_bits | \
			 1U << XENFEAT_hvm_callback_vector | \
			 1U << XENFEAT_pae_pgdir_above_4gb)

static const char * const names[] = {
	[__HYPERVISOR_set_timer_op] = "set_timer_op",
	[__HYPERVISOR_xen_version] = "xen_version",
	[__HYPERVISOR_console_io] = "console_io",
	[__HYPERVISOR_grant_table_op] = "grant_table_op",
	[__HYPERVISOR_vm_assist] = "vm_assist",
	[__HYPERVISOR_vcpu_op] = "vcpu_op",
	[__HYPERVISOR_sched_op] = "sched_op",
	[__HYPERVISOR_event_channel_op] = "event_channel_op",
	[__HYPERVISOR_hvm_op] = "hvm_op",
	[__HYPERVISOR_physdev_op] = "physdev_op",
};

static long copy_out(struct vcpu *vcpu, uint64_t va, const void *from,
		     size_t size)
{
	return guest_write_va(vcpu, va, from, size) ? 0 : -EFAULT;
}

static long get_features(struct vcpu *vcpu, uint64_t arg)
{
	struct xen_feature_info info;

	if (!guest_read_va(vcpu, arg, &info, sizeof(info)))
		return -EFAULT;
	if (info.submap_idx >= XENFEAT_NR_SUBMAPS)
		return -EINVAL;
	info.submap = FEATURES;
	return copy_out(vcpu, arg, &info, sizeof(info));
}

static long xen_version(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
{
	static const struct xen_compile_info compile = {
		.compiler = __VERSION__, .compile_by = "minivm",
	};
	static const xen_capabilities_info_t capabilities = "xen-3.0-x86_64 ";
	static const xen_extraversion_t extra = ".minivm";
	static const char none[1024];
	uint64_t virt_start = KVM_DP_M2P_BASE;

	switch (cmd) {
	case XENVER_version:
		return 4 << 16 | 17;
	case XENVER_extraversion:
		return copy_out(vcpu, arg, extra, sizeof(extra));
	case XENVER_compile_info:
		return copy_out(vcpu, arg, &compile, sizeof(compile));
	case XENVER_capabilities:
		return copy_out(vcpu, arg, capabilities, sizeof(capabilities));
	case XENVER_changeset:
		return copy_out(vcpu, arg, none, sizeof(xen_changeset_info_t));
	case XENVER_platform_parameters:
		return copy_out(vcpu, arg, &virt_start, sizeof(virt_start));
	case XENVER_get_features:
		return get_features(vcpu, arg);
	case XENVER_pagesize:
		return PAGE_SIZE;
	case XENVER_guest_handle:
		return copy_out(vcpu, arg, none, sizeof(xen_domain_handle_t));
	case XENVER_commandline:
		return copy_out(vcpu, arg, none, sizeof(xen_commandline_t));
	default:
		return -ENOSYS;
	}
}

/* Does not come back, but from a suspend that did not happen. */
static long shutdown(struct vcpu *vcpu, uint64_t arg)
{
	struct sched_shutdown op;

	if (!guest_read_va(vcpu, arg, &op, sizeof(op)))
		return -EFAULT;
	switch (op.reason) {
	case SHUTDOWN_poweroff:
		exit(EX_OK_);
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

/* KVM does what waits: yield, block and poll. */
static long sched_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
{
	return cmd == SCHEDOP_shutdown ? shutdown(vcpu, arg) : -ENOSYS;
}

static long set_callback(struct vcpu *vcpu, uint64_t value)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR, .u.vector = value,
	};

	/* There are no lines that an interrupt could come by. */
	if (value && value >> 56 != HVM_PARAM_CALLBACK_TYPE_VECTOR)
		return -EINVAL;
	if (ioctl(vcpu->vm->fd, KVM_XEN_HVM_SET_ATTR, &attr))
		return -errno;
	vcpu->vm->xen->callback = value;
	return 0;
}

static long get_param(struct xen *xen, struct xen_hvm_param *p)
{
	switch (p->index) {
	case HVM_PARAM_CALLBACK_IRQ:
		p->value = xen->callback;
		return 0;
	case HVM_PARAM_STORE_PFN:
		p->value = xen->start->store;
		return 0;
	case HVM_PARAM_STORE_EVTCHN:
		p->value = xen->start->store_port;
		return 0;
	case HVM_PARAM_CONSOLE_PFN:
		p->value = xen->start->console;
		return 0;
	case HVM_PARAM_CONSOLE_EVTCHN:
		p->value = xen->start->console_port;
		return 0;
	default:
		return -EINVAL;
	}
}

static long hvm_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
{
	struct xen_hvm_param p;
	long r;

	if (cmd != HVMOP_set_param && cmd != HVMOP_get_param)
		return -ENOSYS;
	if (!guest_read_va(vcpu, arg, &p, sizeof(p)))
		return -EFAULT;
	if (p.domid != DOMID_SELF && p.domid != XEN_DOM_GUEST)
		return -ESRCH;
	if (cmd == HVMOP_set_param)
		return p.index == HVM_PARAM_CALLBACK_IRQ ?
			set_callback(vcpu, p.value) : -EINVAL;
	r = get_param(vcpu->vm->xen, &p);
	return r ? r : copy_out(vcpu, arg, &p, sizeof(p));
}

static long vm_assist(struct vcpu *vcpu, uint32_t cmd, uint32_t type)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_RUNSTATE_UPDATE_FLAG,
		/* runstate_update_flag, for which headers may be too old. */
		.u.long_mode = cmd == VMASST_CMD_enable,
	};

	if (type != VMASST_RUNSTATE_UPDATE || cmd > VMASST_CMD_disable)
		return -EINVAL;
	return ioctl(vcpu->vm->fd, KVM_XEN_HVM_SET_ATTR, &attr) ? -errno : 0;
}

static long dispatch(struct vcpu *vcpu, uint64_t nr, const uint64_t *args)
{
	switch (nr) {
	case __HYPERVISOR_xen_version:
		return xen_version(vcpu, args[0], args[1]);
	case __HYPERVISOR_grant_table_op:
		return grant_op(vcpu, args[0], args[1], args[2]);
	case __HYPERVISOR_vm_assist:
		return vm_assist(vcpu, args[0], args[1]);
	case __HYPERVISOR_vcpu_op:
		return vcpu_op(vcpu, args[0], args[1], args[2]);
	case __HYPERVISOR_sched_op:
		return sched_op(vcpu, args[0], args[1]);
	case __HYPERVISOR_event_channel_op:
		return event_op(vcpu, args[0], args[1]);
	case __HYPERVISOR_hvm_op:
		return hvm_op(vcpu, args[0], args[1]);
	case __HYPERVISOR_set_timer_op:
		/* Its event is bound to no port, so it would not be seen. */
		return 0;
	default:
		return -ENOSYS;
	}
}

static void trace(struct vcpu *vcpu, uint64_t nr, const uint64_t *args, long r)
{
	const char *name = NULL;

	if (nr < sizeof(names) / sizeof(names[0]))
		name = names[nr];
	fprintf(stderr, "minivm: vCPU %u: hypercall %llu %s(0x%llx, 0x%llx, 0x%llx, 0x%llx) = %ld\n",
		vcpu->id, (unsigned long long)nr, name ? name : "",
		(unsigned long long)args[0], (unsigned long long)args[1],
		(unsigned long long)args[2], (unsigned long long)args[3], r);
}

static long locked_dispatch(struct vcpu *vcpu, uint64_t nr,
			    const uint64_t *args)
{
	long r;

	xen_lock(vcpu->vm->xen);
	r = dispatch(vcpu, nr, args);
	xen_unlock(vcpu->vm->xen);
	return r;
}

long xen_hypercall(struct vcpu *vcpu, uint64_t nr, const uint64_t *args)
{
	struct xen *xen = vcpu->vm->xen;
	long r;

	if (nr == __HYPERVISOR_sched_op && args[0] == SCHEDOP_shutdown) {
		/* The last words; it does not come back to tell. */
		console_drain(xen);
		if (xen->trace)
			trace(vcpu, nr, args, 0);
	}
	r = nr == __HYPERVISOR_console_io ?
		console_op(vcpu, args[0], args[1], args[2]) :
		locked_dispatch(vcpu, nr, args);
	if (xen->trace)
		trace(vcpu, nr, args, r);
	if (console_is_told(xen))
		console_drain(xen);
	return r;
}
