// SPDX-License-Identifier: GPL-2.0-only
/* Calls what the tool and KVM do for Xen's ABI; TAP on the console port. */
#include <stdint.h>
#include <xen/xen.h>
#include <xen/features.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/version.h>

#include "xen_abi.h"

#define count(cpu, port) (xen_cpus[cpu].count[port])

static struct start_info *info;
static volatile unsigned int up;
static char second_stack[4096] PAGE, runstate[4096] PAGE;
static struct vcpu_guest_context second;
static uint32_t ipi[2];
static int failures, tests;

void ok(bool good, const char *name)
{
	tests++;
	failures += !good;
	put_str(good ? "ok " : "not ok ");
	put_dec(tests);
	put_char(' ');
	put_str(name);
	put_char('\n');
}

void is(long got, long want, const char *name)
{
	ok(got == want, name);
	if (got == want)
		return;
	put_str("# got ");
	put_hex(got);
	put_char('\n');
}

static void spin(volatile unsigned int *val)
{
	uint64_t end = xen_now() + 1000000000;

	while (!*val && xen_now() < end)
		asm volatile("pause");
}

static void versions(void)
{
	struct xen_feature_info f = { .submap_idx = 0 };
	xen_capabilities_info_t caps;
	domid_t self = DOMID_SELF;
	uint32_t r[4];

	is(hypercall(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0),
	   4 << 16 | 17, "version");
	is(hypercall(__HYPERVISOR_xen_version, XENVER_get_features,
		     (uint64_t)&f, 0, 0), 0, "features");
	ok(f.submap & 1 << XENFEAT_supervisor_mode_kernel &&
	   !(f.submap & 1 << XENFEAT_writable_page_tables), "which they are");
	is(hypercall(__HYPERVISOR_xen_version, XENVER_capabilities,
		     (uint64_t)caps, 0, 0), 0, "capabilities");
	is(hypercall(__HYPERVISOR_xen_version, XENVER_get_features,
		     0x123456789000, 0, 0), -EFAULT_, "features to nowhere");
	is(hypercall(__HYPERVISOR_set_trap_table, 0, 0, 0, 0), -ENOSYS_,
	   "a call for guests outside of ring 0");
	ok(hypercall(__HYPERVISOR_memory_op, XENMEM_maximum_reservation,
		     (uint64_t)&self, 0, 0) >= (long)info->nr_pages, "memory");
	cpuid(0x40000100, r);
	is(r[1], 0x566e6558, "Xen's CPUID leaf");
}

static void console(void)
{
	static const char text[] = "written by call\n";

	is(console_call(text, sizeof(text) - 1), 0, "console_io");
	is(console_call((void *)0x7000000000, 8), -EFAULT_,
	   "console_io from nowhere");
	is(console_call(text, -1U), -7, "console_io, too much");
}

static void parameters(void)
{
	struct xen_hvm_param p = {
		.domid = DOMID_SELF, .index = HVM_PARAM_CONSOLE_EVTCHN,
	};

	is(xen_set_callback(0x08), -EINVAL_,
	   "callback by an exception's vector");
	is(xen_set_callback(XEN_UPCALL), 0, "callback");
	is(hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, (uint64_t)&p, 0, 0),
	   0, "parameter of the console");
	is(p.value, info->console.domU.evtchn, "which is its port");
	p.domid = 7;
	is(hypercall(__HYPERVISOR_hvm_op, HVMOP_get_param, (uint64_t)&p, 0, 0),
	   -ESRCH_, "parameter of another domain");
}

static void events(void)
{
	struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF };
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF, .remote_dom = DOMID_SELF,
	};
	struct evtchn_status status = { .dom = DOMID_SELF };
	struct evtchn_unmask un;
	struct evtchn_close cl;

	is(event_op(EVTCHNOP_alloc_unbound, &alloc), 0, "alloc_unbound");
	is(event_send(alloc.port), 0, "send to nobody");
	bind.remote_port = alloc.port;
	is(event_op(EVTCHNOP_bind_interdomain, &bind), 0, "bind_interdomain");
	is(event_op(EVTCHNOP_bind_interdomain, &bind), -EINVAL_, "only once");
	status.port = bind.local_port;
	is(event_op(EVTCHNOP_status, &status), 0, "status");
	ok(status.status == EVTCHNSTAT_interdomain &&
	   status.u.interdomain.port == alloc.port, "which is interdomain");
	event_take(0, alloc.port);
	is(event_send(bind.local_port), 0, "send");
	is(count(0, alloc.port), 1, "an event at the other end");
	is(event_send(alloc.port), 0, "send where it is masked");
	is(count(0, bind.local_port), 0, "no event yet");
	un.port = bind.local_port;
	is(event_op(EVTCHNOP_unmask, &un), 0, "unmask");
	is(count(0, bind.local_port), 1, "now there is");
	cl.port = alloc.port;
	is(event_op(EVTCHNOP_close, &cl), 0, "close");
	is(event_op(EVTCHNOP_close, &cl), -EINVAL_, "closed is closed");
	is(event_send(alloc.port), -EINVAL_, "send to what is closed");
	status.port = bind.local_port;
	event_op(EVTCHNOP_status, &status);
	is(status.status, EVTCHNSTAT_unbound, "the other end waits again");
	is(event_send(0), -EINVAL_, "port 0");
	is(event_send(5000), -EINVAL_, "port 5000");
	is(event_send(info->console.domU.evtchn), 0, "send to the console");
	is(event_op(99, &cl), -ENOSYS_, "no such operation");
}

static void timers(void)
{
	uint64_t start;
	long port;

	port = event_bind_virq(VIRQ_TIMER, 0);
	ok(port > 0, "bind_virq of the timer");
	is(event_bind_virq(VIRQ_TIMER, 0), -EEXIST_, "only once");
	event_take(0, port);
	count(0, port) = 0;
	start = xen_now();
	is(hypercall(__HYPERVISOR_set_timer_op, start + 200000000, 0, 0, 0), 0,
	   "set_timer_op");
	while (!count(0, port) && xen_now() < start + 1000000000)
		sched_op(SCHEDOP_block, NULL);
	is(count(0, port), 1, "it fires");
	ok(xen_now() >= start + 200000000, "not too early");
	is(xen_timer_set(xen_now() + 20000000), 0, "singleshot");
	while (count(0, port) < 2 && xen_now() < start + 20000000000)
		asm volatile("hlt");
	is(count(0, port), 2, "it fires too");
}

static void second_main(void)
{
	xen_cpu_init(1);
	up++;
	irq_on();
	for (;;) {
		asm volatile("hlt");
		if (count(1, ipi[1]))
			event_send(ipi[0]);
	}
}

static void vcpus(void)
{
	unsigned long cr3;
	int i;

	is(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "vCPU 1 is down");
	is(vcpu_op(VCPUOP_up, 1, NULL), -EINVAL_, "and has no start");
	is(vcpu_op(VCPUOP_is_up, 2, NULL), -ENOENT_, "there is no vCPU 2");
	xen_vcpu_context(&second, second_main,
			 second_stack + sizeof(second_stack));
	cr3 = second.ctrlreg[3];
	second.ctrlreg[3] = 1 << 12;
	is(vcpu_op(VCPUOP_initialise, 1, &second), -EINVAL_,
	   "page tables that are not its own");
	second.ctrlreg[3] = cr3;
	is(vcpu_op(VCPUOP_initialise, 1, &second), 0, "initialise");
	for (i = 0; i < 2; i++) {
		ipi[i] = event_bind_ipi(i);
		ok((int)ipi[i] > 0, i ? "IPI to vCPU 1" : "IPI to vCPU 0");
		event_take(i, ipi[i]);
	}
	is(vcpu_op(VCPUOP_up, 1, NULL), 0, "up");
	spin(&up);
	ok(up, "it runs");
	is(event_send(ipi[1]), 0, "send an IPI");
	spin(&count(0, ipi[0]));
	ok(count(1, ipi[1]) == 1 && count(0, ipi[0]) == 1, "there and back");
}

static void second_down(void)
{
	struct vcpu_register_runstate_memory_area area = {
		.addr.p = (uint64_t)runstate,
	};

	ok(event_bind_virq(VIRQ_TIMER, 1) > 0, "timer of a vCPU that runs");
	is(vcpu_op(VCPUOP_register_runstate_memory_area, 1, &area), 0,
	   "runstate");
	is(vcpu_op(VCPUOP_down, 1, NULL), 0, "down");
	is(vcpu_op(VCPUOP_is_up, 1, NULL), 0, "it is");
	is(vcpu_op(VCPUOP_up, 1, NULL), 0, "up again");
	count(1, ipi[1]) = count(0, ipi[0]) = 0;
	event_send(ipi[1]);
	spin(&count(0, ipi[0]));
	is(count(0, ipi[0]), 1, "it goes on where it was");
}

/* What the tool looks at must not become a page table, or that kills it. */
static void held(const char *what, uint64_t mfn, uint64_t va, long want)
{
	struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = mfn };

	put_str("# ");
	put_str(what);
	put_char('\n');
	if (va)
		is(hypercall(__HYPERVISOR_update_va_mapping, va, mfn << 12 | 1,
			     UVMF_INVLPG, 0), 0, "mapped read-only");
	is(hypercall(__HYPERVISOR_mmuext_op, (uint64_t)&pin, 1, 0, DOMID_SELF),
	   want, "is no page table");
	if (va)
		hypercall(__HYPERVISOR_update_va_mapping, va, mfn << 12 | 3,
			  UVMF_INVLPG, 0);
}

static void hostile(void)
{
	struct xencons_interface *ring = console_ring();

	held("xenstore's page", info->store_mfn,
	     machine_to_phys_mapping[info->store_mfn] << 12, -EBUSY_);
	held("the console's page", info->console.domU.mfn, (uint64_t)ring,
	     -EBUSY_);
	held("shared_info", info->shared_info >> 12, 0, -EPERM_);
	ring->out_prod += 5000;
	is(event_send(info->console.domU.evtchn), 0, "an index that cannot be");
	is(ring->out_cons, ring->out_prod, "is passed over");
	ring->in_cons = ring->in_prod + 1;
	is(event_send(info->console.domU.evtchn), 0, "the same for input");
	ring->in_cons = ring->in_prod;
}

int xen_main(struct start_info *start)
{
	struct sched_shutdown op = { .reason = SHUTDOWN_crash };

	info = start;
	is(xen_init(start), 0, "shared_info");
	versions();
	console();
	parameters();
	irq_on();
	events();
	timers();
	wrong_arguments();
	vcpus();
	second_down();
	hostile();
	put_str("1..");
	put_dec(tests);
	put_char('\n');
	if (failures)
		return 1;
	sched_op(SCHEDOP_shutdown, &op);
	return 2;
}
