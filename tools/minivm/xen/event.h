/* SPDX-License-Identifier: GPL-2.0-only */
/* The table of event channels, between xen/event.c and xen/event_op.c. */
#ifndef MINIVM_XEN_EVENT_H
#define MINIVM_XEN_EVENT_H

#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>

#include "xen.h"

#define NR_PORTS	EVTCHN_2L_NR_CHANNELS

struct port {
	uint8_t state;		/* EVTCHNSTAT_* */
	uint8_t remote;		/* unbound and interdomain: the domain */
	uint16_t remote_port;
	uint32_t vcpu;
	uint32_t virq;
	event_fn fn;
	void *arg;
};

/* NULL: there is no such number. */
struct port *port_of(struct xen *xen, uint32_t port);
/* A port that was closed, or -ENOSPC. */
long port_alloc(struct xen *xen, struct port init);
/* 0: it is not bound. */
uint32_t port_of_virq(struct xen *xen, uint32_t virq, uint32_t vcpu);
bool virq_per_vcpu(uint32_t virq);

#endif
