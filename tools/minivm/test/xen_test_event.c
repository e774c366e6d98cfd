// SPDX-License-Identifier: GPL-2.0-only
/* Event channels and vCPUs, with a KVM that only counts what it is told. */
#include <stdint.h>
#include <errno.h>

#include <xen/event_channel.h>
#include <xen/vcpu.h>

#include "xen_test.h"

#define ARG_GFN	20
#define ARG	(VA_BASE + ARG_GFN * 4096)

static struct shared_info shared;
static struct kvm_run runs[2];

static void start_events(void)
{
	unsigned int i;

	xen.shared = &shared;
	vm.xen = &xen;
	vm.cpus = 2;
	for (i = 0; i < 2; i++) {
		vm.vcpus[i].vm = &vm;
		vm.vcpus[i].id = i;
		vm.vcpus[i].run = &runs[i];
	}
	xen_vcpu_init(&xen);
}

static long do_event_op(uint32_t cmd, void *op, size_t size)
{
	long r;

	memcpy(mem[ARG_GFN], op, size);
	r = event_op(&vm.vcpus[1], cmd, ARG);
	memcpy(op, mem[ARG_GFN], size);
	return r;
}

#define EVENT_OP(name, op) do_event_op(EVTCHNOP_##name, op, sizeof(*(op)))

static void bind_to_itself(struct evtchn_bind_interdomain *bind)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF, .remote_dom = DOMID_SELF,
	};

	check(!EVENT_OP(alloc_unbound, &alloc));
	bind->remote_dom = DOMID_SELF;
	bind->remote_port = alloc.port;
	check(!EVENT_OP(bind_interdomain, bind));
}

static void interdomain(void)
{
	struct evtchn_status status = { .dom = DOMID_SELF };
	struct evtchn_bind_interdomain bind;

	start_events();
	bind_to_itself(&bind);
	/* By vCPU 1, but for vCPU 0 until it says otherwise. */
	status.port = bind.local_port;
	check(!EVENT_OP(status, &status));
	check(status.status == EVTCHNSTAT_interdomain && !status.vcpu);
	check(notified[bind.local_port] == 1 && !notified[bind.remote_port]);
}

static void reset_is_one_call(void)
{
	struct evtchn_status status = { .dom = DOMID_SELF };
	struct evtchn_reset reset = { .dom = DOMID_SELF };
	struct evtchn_bind_ipi ipi = { .vcpu = 1 };
	struct evtchn_bind_interdomain bind;
	int before;

	start_events();
	bind_to_itself(&bind);
	check(!EVENT_OP(bind_ipi, &ipi) && !EVENT_OP(bind_ipi, &ipi));
	before = kvm_routes;
	check(!EVENT_OP(reset, &reset) && kvm_routes == before + 1);
	for (status.port = 1; status.port < NR_TEST_PORTS; status.port++) {
		check(!EVENT_OP(status, &status));
		check(status.status == EVTCHNSTAT_closed);
	}
}

static void nothing(void *arg)
{
}

static void port_of_another(void)
{
	struct evtchn_close close = { .port = 1 };
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF, .remote_dom = XEN_DOM_TOOL,
	};
	int first, second;

	start_events();
	check(!event_bind(&xen, 1, nothing, &first));
	check(!EVENT_OP(close, &close));
	check(!EVENT_OP(alloc_unbound, &alloc) && alloc.port == 1);
	check(!event_bind(&xen, 1, nothing, &second));
	event_unbind(&xen, 1, &first);
	check(has_fn(1));
	event_unbind(&xen, 1, &second);
	check(!has_fn(1));
}

static void last_vcpu_down(void)
{
	start_events();
	xen_lock(&xen);
	check(!vcpu_op(&vm.vcpus[0], VCPUOP_down, 1, 0) && !xen.powered_off);
	check(!vcpu_op(&vm.vcpus[0], VCPUOP_down, 0, 0) && xen.powered_off);
	xen_unlock(&xen);
}

void test_events(void)
{
	run("event: bound to itself", interdomain);
	run("event: a reset is one call of KVM", reset_is_one_call);
	run("event: a port that belongs to another now", port_of_another);
	run("vCPU: none is left", last_vcpu_down);
}
