// SPDX-License-Identifier: GPL-2.0-only
/* A guest that speaks Xen's ABI: what it shares with the tool, and with KVM. */
#include <stdint.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <xen/xen.h>

#include "direct.h"
#include "image.h"
#include "xen.h"

void xen_lock(struct xen *xen)
{
	pthread_mutex_lock(&xen->lock);
}

void xen_unlock(struct xen *xen)
{
	pthread_mutex_unlock(&xen->lock);
}

void xen_complain(struct xen *xen, const char *remedy, const char *fmt, ...)
{
	va_list ap;

	if (xen->complaint[0])
		return;
	va_start(ap, fmt);
	vsnprintf(xen->complaint, sizeof(xen->complaint), fmt, ap);
	va_end(ap);
	xen->remedy = remedy;
	console_wake(xen);
}

struct xen *xen_create(struct vm *vm, struct xen_start *start)
{
	struct xen *xen = calloc(1, sizeof(*xen));

	if (!xen)
		fail(EX_OS, ENOMEM, NULL, "cannot set up the guest");
	xen->vm = vm;
	xen->start = start;
	vm->xen = xen;
	pi_mutex_init(&xen->lock);
	event_init(xen);
	start->store_port = event_alloc(xen);
	start->console_port = event_alloc(xen);
	return xen;
}

static void *hold(struct vm *vm, uint64_t gfn, uint64_t npages)
{
	void *page;
	int fd;

	/* For good: the file goes with the process. */
	page = guest_hold(vm, gfn, npages, &fd);
	if (!page)
		fail(EX_OS, errno, NULL, "cannot hold a page of the guest");
	return page;
}

static void set_vm_attr(struct vm *vm, struct kvm_xen_hvm_attr attr)
{
	if (ioctl(vm->fd, KVM_XEN_HVM_SET_ATTR, &attr))
		fail(EX_OS, errno, NULL, "KVM refuses a part of Xen's ABI (%u)",
		     attr.type);
}

static void configure_kvm(struct xen *xen)
{
	struct kvm_xen_hvm_config config = {
		.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL |
			 KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = XEN_MSR,
	};
	struct vm *vm = xen->vm;

	if (ioctl(vm->fd, KVM_XEN_HVM_CONFIG, &config))
		fail(EX_NOKVM, errno, "use a kernel with CONFIG_KVM_XEN",
		     "KVM does not know Xen's ABI");
	set_vm_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE, .u.long_mode = 1 });
	set_vm_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_XEN_VERSION,
		.u.xen_version = XEN_VERSION });
	set_vm_attr(vm, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = xen->start->shared });
}

static void configure_vcpu(struct xen *xen, struct vcpu *vcpu)
{
	struct kvm_xen_vcpu_attr attr = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = (xen->start->shared << PAGE_SHIFT) +
			 vcpu->id * sizeof(struct vcpu_info),
	};

	if (ioctl(vcpu->fd, KVM_XEN_VCPU_SET_ATTR, &attr))
		fail(EX_OS, errno, NULL, "vCPU %u: KVM refuses its vcpu_info",
		     vcpu->id);
	attr = (struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_ID, .u.vcpu_id = vcpu->id,
	};
	if (ioctl(vcpu->fd, KVM_XEN_VCPU_SET_ATTR, &attr))
		fail(EX_OS, errno, NULL, "vCPU %u: KVM refuses its number",
		     vcpu->id);
}

/* KVM fills it, with the instruction that this CPU has. */
static void fill_hypercall_page(struct xen *xen)
{
	const struct xen_notes *n = &xen->start->notes;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = {
			.index = XEN_MSR,
			.data = n->hypercall_page - n->virt_base,
		},
	};

	if (n->hypercall_page != ~0ULL &&
	    ioctl(xen->vm->vcpus[0].fd, KVM_SET_MSRS, &msrs) != 1)
		fail(EX_OS, errno, NULL, "KVM does not fill the hypercall page");
}

static void mask_events(struct xen *xen)
{
	unsigned int i;

	memset(xen->shared->evtchn_mask, 0xff, sizeof(xen->shared->evtchn_mask));
	for (i = 0; i < XEN_LEGACY_MAX_VCPUS; i++)
		xen->shared->vcpu_info[i].evtchn_upcall_mask = 1;
}

/* The image is loaded: what it shares with the tool, and what KVM answers. */
void xen_setup(struct xen *xen)
{
	const struct xen_start *s = xen->start;
	struct vm *vm = xen->vm;
	unsigned int i;

	xen->shared = hold(vm, s->shared, 1);
	mask_events(xen);
	configure_kvm(xen);
	for (i = 0; i < vm->cpus; i++)
		configure_vcpu(xen, &vm->vcpus[i]);
	xen_vcpu_init(xen);
	grant_init(xen, hold(vm, s->grants, XEN_GRANT_FRAMES), s->grants,
		   XEN_GRANT_FRAMES);
	store_init(xen, hold(vm, s->store, 1), s->store_port);
	console_init(xen, hold(vm, s->console, 1), s->console_port);
	if (xen->trace)
		refusals_init(vm);
}

void xen_start_vcpu(struct xen *xen)
{
	const struct xen_start *s = xen->start;
	struct vm *vm = xen->vm;
	int err;

	vm_direct_start(vm);
	err = vcpu_direct_start(&vm->vcpus[0], vm->root_gfn, vm->entry,
				s->notes.virt_base +
				((s->stack + 1) << PAGE_SHIFT),
				s->notes.virt_base +
				(s->start_info << PAGE_SHIFT), 0);
	if (err)
		fail(EX_OS, -err, NULL, "vCPU 0: cannot start it");
	fill_hypercall_page(xen);
}
