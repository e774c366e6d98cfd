// SPDX-License-Identifier: GPL-2.0-only
/* What the guest asks about the machine: versions, features, parameters. */
#include <stdint.h>
#include <errno.h>
#include <sys/ioctl.h>

#include <xen/xen.h>
#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/version.h>

#include "direct.h"
#include "image.h"
#include "xen.h"

#define FEATURES	(1U << XENFEAT_supervisor_mode_kernel | \
			 1U << XENFEAT_mmu_pt_update_preserve_ad | \
			 1U << XENFEAT_gnttab_map_avail_bits | \
			 1U << XENFEAT_hvm_callback_vector | \
			 1U << XENFEAT_pae_pgdir_above_4gb)

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

long xen_version(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
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
		return XEN_VERSION;
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

long hvm_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
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
