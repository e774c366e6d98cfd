// SPDX-License-Identifier: GPL-2.0-only
/* Event channels: the table, and the ends of them that are the tool's. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "event.h"

struct port *port_of(struct xen *xen, uint32_t port)
{
	return port && port < NR_PORTS ? &xen->ports[port] : NULL;
}

long port_alloc(struct xen *xen, struct port init)
{
	uint32_t i;

	for (i = 1; i < NR_PORTS; i++) {
		if (xen->ports[i].state != EVTCHNSTAT_closed)
			continue;
		xen->ports[i] = init;
		return i;
	}
	return -ENOSPC;
}

bool virq_per_vcpu(uint32_t virq)
{
	return virq == VIRQ_TIMER || virq == VIRQ_DEBUG ||
	       virq == VIRQ_XENOPROF || virq == VIRQ_XENPMU;
}

uint32_t port_of_virq(struct xen *xen, uint32_t virq, uint32_t vcpu)
{
	struct port *p;
	uint32_t i;

	for (i = 1; i < NR_PORTS; i++) {
		p = &xen->ports[i];
		if (p->state == EVTCHNSTAT_virq && p->virq == virq &&
		    (p->vcpu == vcpu || !virq_per_vcpu(virq)))
			return i;
	}
	return 0;
}

uint32_t event_alloc(struct xen *xen)
{
	long port = port_alloc(xen, (struct port) {
		.state = EVTCHNSTAT_unbound, .remote = XEN_DOM_TOOL,
	});

	return port < 0 ? 0 : port;
}

int event_bind(struct xen *xen, uint32_t port, event_fn fn, void *arg)
{
	struct port *p = port_of(xen, port);

	if (!p || p->state != EVTCHNSTAT_unbound || p->remote != XEN_DOM_TOOL)
		return -EINVAL;
	p->state = EVTCHNSTAT_interdomain;
	p->remote_port = port;
	p->arg = arg;
	p->fn = fn;
	return 0;
}

/* The guest may have closed it and given its number to another meanwhile. */
void event_unbind(struct xen *xen, uint32_t port, void *arg)
{
	struct port *p = port_of(xen, port);

	if (!p || p->state != EVTCHNSTAT_interdomain ||
	    p->remote != XEN_DOM_TOOL || p->arg != arg)
		return;
	p->state = EVTCHNSTAT_unbound;
	p->fn = NULL;
	p->arg = NULL;
}

uint32_t event_vcpu(struct xen *xen, uint32_t port)
{
	return xen->ports[port].vcpu;
}

/* A port that the guest closes meanwhile gets an event too much: that is all. */
void event_notify(struct xen *xen, uint32_t port)
{
	struct kvm_irq_routing_xen_evtchn event = {
		.port = port,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};
	struct port *p = port_of(xen, port);

	if (!p || p->state == EVTCHNSTAT_closed)
		return;
	event.vcpu = p->vcpu;
	ioctl(xen->vm->fd, KVM_XEN_HVM_EVTCHN_SEND, &event);
}

void event_virq(struct xen *xen, uint32_t virq)
{
	event_notify(xen, port_of_virq(xen, virq, 0));
}

void event_init(struct xen *xen)
{
	xen->ports = calloc(NR_PORTS, sizeof(*xen->ports));
	if (!xen->ports)
		fail(EX_OS, ENOMEM, NULL, "no event channels");
}
