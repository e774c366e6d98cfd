// SPDX-License-Identifier: GPL-2.0-only
/*
 * Event channels: what the guest asks for by hypercall.  KVM sends between
 * vCPUs and sets pending bits, so in operation only what goes to the tool
 * leaves KVM.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "event.h"

/* DOMID_SELF is as good as its number. */
static int domain(uint16_t dom)
{
	if (dom == DOMID_SELF || dom == XEN_DOM_GUEST)
		return XEN_DOM_GUEST;
	return dom == XEN_DOM_TOOL ? XEN_DOM_TOOL : -ESRCH;
}

/* Tell KVM where the guest's own sends go: to a port of the guest itself. */
static int kvm_route(struct xen *xen, uint32_t from, uint32_t to,
		     uint32_t flags)
{
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn = {
			.send_port = from, .type = xen->ports[from].state,
			.flags = flags,
			.deliver.port = {
				.port = to, .vcpu = xen->ports[to].vcpu,
				.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
			},
		},
	};

	return ioctl(xen->vm->fd, KVM_XEN_HVM_SET_ATTR, &attr) ? -errno : 0;
}

static bool is_loop(const struct port *p)
{
	return p->state == EVTCHNSTAT_interdomain &&
	       p->remote == XEN_DOM_GUEST;
}

static bool is_timer(const struct port *p)
{
	return p->state == EVTCHNSTAT_virq && p->virq == VIRQ_TIMER;
}

static int set_timer_port(struct vcpu *caller, uint32_t id, uint32_t port)
{
	struct kvm_xen_vcpu_attr attr = {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer = {
			.port = port,
			.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
		},
	};

	return xen_vcpu_ioctl(caller, &caller->vm->vcpus[id],
			      KVM_XEN_VCPU_SET_ATTR, &attr);
}

/* KVM is told by the caller. */
static void forget_port(struct vcpu *vcpu, uint32_t port)
{
	struct xen *xen = vcpu->vm->xen;
	struct port *p = &xen->ports[port];

	if (is_timer(p))
		set_timer_port(vcpu, p->vcpu, 0);
	*p = (struct port) { .state = EVTCHNSTAT_closed };
	__atomic_and_fetch(&xen->shared->evtchn_pending[port / 64],
			   ~(1UL << port % 64), __ATOMIC_SEQ_CST);
}

static void close_port(struct vcpu *vcpu, uint32_t port)
{
	struct xen *xen = vcpu->vm->xen;
	struct port *p = &xen->ports[port];

	if (p->state == EVTCHNSTAT_ipi || is_loop(p))
		kvm_route(xen, port, port, KVM_XEN_EVTCHN_DEASSIGN);
	if (is_loop(p)) {
		kvm_route(xen, p->remote_port, port, KVM_XEN_EVTCHN_DEASSIGN);
		xen->ports[p->remote_port].state = EVTCHNSTAT_unbound;
	}
	forget_port(vcpu, port);
}

static long op_alloc_unbound(struct vcpu *vcpu, void *arg)
{
	struct evtchn_alloc_unbound *op = arg;
	int remote = domain(op->remote_dom);
	long port;

	if (domain(op->dom) != XEN_DOM_GUEST)
		return -EPERM;
	if (remote < 0)
		return remote;
	port = port_alloc(vcpu->vm->xen, (struct port) {
		.state = EVTCHNSTAT_unbound, .remote = remote,
	});
	if (port < 0)
		return port;
	op->port = port;
	return 0;
}

/* Only to itself: the tool waits for nobody. */
static long op_bind_interdomain(struct vcpu *vcpu, void *arg)
{
	struct evtchn_bind_interdomain *op = arg;
	struct xen *xen = vcpu->vm->xen;
	struct port *remote = port_of(xen, op->remote_port);
	long port;
	int r;

	if (domain(op->remote_dom) != XEN_DOM_GUEST || !remote ||
	    remote->state != EVTCHNSTAT_unbound ||
	    remote->remote != XEN_DOM_GUEST)
		return -EINVAL;
	port = port_alloc(xen, (struct port) {
		.state = EVTCHNSTAT_interdomain, .remote = XEN_DOM_GUEST,
		.remote_port = op->remote_port,
	});
	if (port < 0)
		return port;
	remote->state = EVTCHNSTAT_interdomain;
	remote->remote_port = port;
	r = kvm_route(xen, port, op->remote_port, 0);
	if (!r)
		r = kvm_route(xen, op->remote_port, port, 0);
	if (r) {
		close_port(vcpu, port);
		return r;
	}
	/* What was sent before somebody listened is not lost, as under Xen. */
	event_notify(xen, port);
	op->local_port = port;
	return 0;
}

static long op_bind_virq(struct vcpu *vcpu, void *arg)
{
	struct evtchn_bind_virq *op = arg;
	struct xen *xen = vcpu->vm->xen;
	long port;
	int r = 0;

	if (op->virq >= NR_VIRQS || (op->vcpu && !virq_per_vcpu(op->virq)))
		return -EINVAL;
	if (op->vcpu >= vcpu->vm->cpus)
		return -ENOENT;
	if (port_of_virq(xen, op->virq, op->vcpu))
		return -EEXIST;
	port = port_alloc(xen, (struct port) {
		.state = EVTCHNSTAT_virq, .virq = op->virq, .vcpu = op->vcpu,
	});
	if (port < 0)
		return port;
	if (op->virq == VIRQ_TIMER)
		r = set_timer_port(vcpu, op->vcpu, port);
	if (r)
		close_port(vcpu, port);
	op->port = port;
	return r;
}

static long op_bind_ipi(struct vcpu *vcpu, void *arg)
{
	struct evtchn_bind_ipi *op = arg;
	struct xen *xen = vcpu->vm->xen;
	long port;
	int r;

	if (op->vcpu >= vcpu->vm->cpus)
		return -ENOENT;
	port = port_alloc(xen, (struct port) {
		.state = EVTCHNSTAT_ipi, .vcpu = op->vcpu,
	});
	if (port < 0)
		return port;
	op->port = port;
	r = kvm_route(xen, port, port, 0);
	if (r)
		close_port(vcpu, port);
	return r;
}

static long op_close(struct vcpu *vcpu, void *arg)
{
	struct evtchn_close *op = arg;
	struct port *p = port_of(vcpu->vm->xen, op->port);

	if (!p || p->state == EVTCHNSTAT_closed)
		return -EINVAL;
	close_port(vcpu, op->port);
	return 0;
}

static long op_send(struct vcpu *vcpu, void *arg)
{
	struct evtchn_send *op = arg;
	struct port *p = port_of(vcpu->vm->xen, op->port);

	if (!p)
		return -EINVAL;
	switch (p->state) {
	case EVTCHNSTAT_interdomain:
		if (p->fn)
			p->fn(p->arg);
		return 0;
	case EVTCHNSTAT_unbound:
		return 0;
	default:
		return -EINVAL;
	}
}

static long op_status(struct vcpu *vcpu, void *arg)
{
	struct evtchn_status *op = arg;
	struct port *p = port_of(vcpu->vm->xen, op->port);

	if (domain(op->dom) != XEN_DOM_GUEST)
		return -EPERM;
	if (!p)
		return -EINVAL;
	op->status = p->state;
	op->vcpu = p->vcpu;
	switch (p->state) {
	case EVTCHNSTAT_unbound:
		op->u.unbound.dom = p->remote;
		break;
	case EVTCHNSTAT_interdomain:
		op->u.interdomain.dom = p->remote;
		op->u.interdomain.port = p->remote_port;
		break;
	case EVTCHNSTAT_virq:
		op->u.virq = p->virq;
		break;
	}
	return 0;
}

static long op_bind_vcpu(struct vcpu *vcpu, void *arg)
{
	struct evtchn_bind_vcpu *op = arg;
	struct xen *xen = vcpu->vm->xen;
	struct port *p = port_of(xen, op->port);

	if (op->vcpu >= vcpu->vm->cpus)
		return -ENOENT;
	if (!p || p->state == EVTCHNSTAT_closed || p->state == EVTCHNSTAT_ipi ||
	    (p->state == EVTCHNSTAT_virq && virq_per_vcpu(p->virq)))
		return -EINVAL;
	p->vcpu = op->vcpu;
	return is_loop(p) ? kvm_route(xen, p->remote_port, op->port,
				      KVM_XEN_EVTCHN_UPDATE) : 0;
}

/* What came while it was masked is sent once more. */
static long op_unmask(struct vcpu *vcpu, void *arg)
{
	struct evtchn_unmask *op = arg;
	struct xen *xen = vcpu->vm->xen;
	unsigned long bit = 1UL << op->port % 64;
	unsigned long *word;

	if (!port_of(xen, op->port))
		return -EINVAL;
	word = &xen->shared->evtchn_mask[op->port / 64];
	if (!(__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit))
		return 0;
	word = &xen->shared->evtchn_pending[op->port / 64];
	if (__atomic_fetch_and(word, ~bit, __ATOMIC_SEQ_CST) & bit)
		event_notify(xen, op->port);
	return 0;
}

static long op_reset(struct vcpu *vcpu, void *arg)
{
	/* One by one, KVM would wait for each. */
	struct kvm_xen_hvm_attr attr = {
		.type = KVM_XEN_ATTR_TYPE_EVTCHN,
		.u.evtchn.flags = KVM_XEN_EVTCHN_RESET,
	};
	struct xen *xen = vcpu->vm->xen;
	struct evtchn_reset *op = arg;
	uint32_t i;

	if (domain(op->dom) != XEN_DOM_GUEST)
		return -EPERM;
	if (ioctl(xen->vm->fd, KVM_XEN_HVM_SET_ATTR, &attr))
		return -errno;
	for (i = 1; i < NR_PORTS; i++)
		if (xen->ports[i].state != EVTCHNSTAT_closed)
			forget_port(vcpu, i);
	return 0;
}

#define OP(name, out) [EVTCHNOP_##name] = { \
	op_##name, sizeof(struct evtchn_##name), out }

static const struct {
	long (*fn)(struct vcpu *vcpu, void *arg);
	size_t size;
	bool out;		/* the guest reads an answer there */
} ops[] = {
	OP(bind_interdomain, true), OP(bind_virq, true), OP(close, false),
	OP(send, false), OP(status, true), OP(alloc_unbound, true),
	OP(bind_ipi, true), OP(bind_vcpu, false), OP(unmask, false),
	OP(reset, false),
};

long event_op(struct vcpu *vcpu, uint32_t cmd, uint64_t arg)
{
	uint64_t op[8];
	long r;

	if (cmd >= sizeof(ops) / sizeof(ops[0]) || !ops[cmd].fn)
		return -ENOSYS;
	if (!guest_read_va(vcpu, arg, op, ops[cmd].size))
		return -EFAULT;
	r = ops[cmd].fn(vcpu, op);
	if (!r && ops[cmd].out &&
	    !guest_write_va(vcpu, arg, op, ops[cmd].size))
		return -EFAULT;
	return r;
}
