// SPDX-License-Identifier: GPL-2.0-only
/* Calls what the tool and KVM do for Xen's ABI; TAP on the console port. */
#include <stdint.h>
#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/features.h>
#include <xen/io/console.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/vcpu.h>
#include <xen/version.h>

#include "guest.h"

#define UPCALL		0x30
#define MSR_X2APIC_ID	0x802
#define NR_PORTS	64
#define PAGE		__attribute__((aligned(4096)))

#define EPERM_		1
#define ENOENT_		2
#define EFAULT_		14
#define EBUSY_		16
#define EEXIST_		17
#define EINVAL_		22
#define ENOSYS_		38
#define ESRCH_		3

int xen_main(struct start_info *start);
extern char hypercall_page[];

static struct shared_info *shared;
static struct start_info *info;
static volatile unsigned int count[2][NR_PORTS];
static volatile unsigned int up;
static char window[4096] PAGE, second_stack[4096] PAGE, runstate[4096] PAGE;
static struct vcpu_guest_context second;
static uint32_t ipi[2];
static int failures, tests;

static long hypercall(unsigned int nr, uint64_t a, uint64_t b, uint64_t c,
		      uint64_t d)
{
	register uint64_t r10 asm("r10") = d;
	long ret;

	asm volatile("call *%[stub]"
		     : "=a"(ret), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
		     : [stub] "r"(hypercall_page + 32 * nr)
		     : "rcx", "r8", "r9", "r11", "memory");
	return ret;
}

static void ok(bool good, const char *name)
{
	tests++;
	failures += !good;
	put_str(good ? "ok " : "not ok ");
	put_dec(tests);
	put_char(' ');
	put_str(name);
	put_char('\n');
}

static void is(long got, long want, const char *name)
{
	ok(got == want, name);
	if (got == want)
		return;
	put_str("# got ");
	put_hex(got);
	put_char('\n');
}

static long event(unsigned int cmd, void *arg)
{
	return hypercall(__HYPERVISOR_event_channel_op, cmd, (uint64_t)arg, 0, 0);
}

static long sched(unsigned int cmd, void *arg)
{
	return hypercall(__HYPERVISOR_sched_op, cmd, (uint64_t)arg, 0, 0);
}

static long vcpu(unsigned int cmd, unsigned int id, void *arg)
{
	return hypercall(__HYPERVISOR_vcpu_op, cmd, id, (uint64_t)arg, 0);
}

static long send(uint32_t port)
{
	struct evtchn_send op = { .port = port };

	return event(EVTCHNOP_send, &op);
}

static void unmask(uint32_t port)
{
	__atomic_and_fetch(&shared->evtchn_mask[0], ~(1UL << port),
			   __ATOMIC_SEQ_CST);
}

static __attribute__((interrupt)) void upcall(void *frame)
{
	unsigned int cpu = rdmsr(MSR_X2APIC_ID) & 1, port;
	struct vcpu_info *v = &shared->vcpu_info[cpu];
	unsigned long pending;

	v->evtchn_upcall_pending = 0;
	__atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	pending = shared->evtchn_pending[0] & ~shared->evtchn_mask[0];
	for (port = 0; port < NR_PORTS; port++) {
		if (!(pending >> port & 1))
			continue;
		__atomic_and_fetch(&shared->evtchn_pending[0], ~(1UL << port),
				   __ATOMIC_SEQ_CST);
		count[cpu][port]++;
	}
}

static void load_tables(void)
{
	static uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} desc = { sizeof(gdt) - 1, (uint64_t)gdt };

	asm volatile("lgdt %0" : : "m"(desc));
	idt_set(UPCALL, (void (*)(void))upcall);
	idt_load();
}

static uint64_t now(void)
{
	volatile struct vcpu_time_info *t = &shared->vcpu_info[0].time;
	uint64_t delta = rdtsc() - t->tsc_timestamp;

	if (t->tsc_shift < 0)
		delta >>= -t->tsc_shift;
	else
		delta <<= t->tsc_shift;
	return t->system_time +
	       (uint64_t)((unsigned __int128)delta * t->tsc_to_system_mul >> 32);
}

static void spin(volatile unsigned int *val)
{
	uint64_t end = now() + 1000000000;

	while (!*val && now() < end)
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

	is(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write,
		     sizeof(text) - 1, (uint64_t)text, 0), 0, "console_io");
	is(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, 8, 0x7000000000,
		     0), -EFAULT_, "console_io from nowhere");
	is(hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, -1U,
		     (uint64_t)text, 0), -7, "console_io, too much");
}

static void parameters(void)
{
	struct xen_hvm_param p = {
		.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
		.value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | 0x08,
	};

	is(hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param, (uint64_t)&p, 0, 0),
	   -EINVAL_, "callback by an exception's vector");
	p.value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 | UPCALL;
	is(hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param, (uint64_t)&p, 0, 0),
	   0, "callback");
	p.index = HVM_PARAM_CONSOLE_EVTCHN;
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

	is(event(EVTCHNOP_alloc_unbound, &alloc), 0, "alloc_unbound");
	is(send(alloc.port), 0, "send to nobody");
	bind.remote_port = alloc.port;
	is(event(EVTCHNOP_bind_interdomain, &bind), 0, "bind_interdomain");
	is(event(EVTCHNOP_bind_interdomain, &bind), -EINVAL_, "only once");
	status.port = bind.local_port;
	is(event(EVTCHNOP_status, &status), 0, "status");
	ok(status.status == EVTCHNSTAT_interdomain &&
	   status.u.interdomain.port == alloc.port, "which is interdomain");
	unmask(alloc.port);
	is(send(bind.local_port), 0, "send");
	is(count[0][alloc.port], 1, "an event at the other end");
	is(send(alloc.port), 0, "send where it is masked");
	is(count[0][bind.local_port], 0, "no event yet");
	un.port = bind.local_port;
	is(event(EVTCHNOP_unmask, &un), 0, "unmask");
	is(count[0][bind.local_port], 1, "now there is");
	cl.port = alloc.port;
	is(event(EVTCHNOP_close, &cl), 0, "close");
	is(event(EVTCHNOP_close, &cl), -EINVAL_, "closed is closed");
	is(send(alloc.port), -EINVAL_, "send to what is closed");
	status.port = bind.local_port;
	event(EVTCHNOP_status, &status);
	is(status.status, EVTCHNSTAT_unbound, "the other end waits again");
	is(send(0), -EINVAL_, "port 0");
	is(send(5000), -EINVAL_, "port 5000");
	is(send(info->console.domU.evtchn), 0, "send to the console");
	is(event(99, &cl), -ENOSYS_, "no such operation");
}

static void timers(void)
{
	struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER };
	struct vcpu_set_singleshot_timer shot = { 0 };
	uint64_t start;

	is(event(EVTCHNOP_bind_virq, &virq), 0, "bind_virq of the timer");
	is(event(EVTCHNOP_bind_virq, &virq), -EEXIST_, "only once");
	unmask(virq.port);
	count[0][virq.port] = 0;
	start = now();
	is(hypercall(__HYPERVISOR_set_timer_op, start + 200000000, 0, 0, 0), 0,
	   "set_timer_op");
	while (!count[0][virq.port] && now() < start + 1000000000)
		sched(SCHEDOP_block, NULL);
	is(count[0][virq.port], 1, "it fires");
	ok(now() >= start + 200000000, "not too early");
	shot.timeout_abs_ns = now() + 20000000;
	is(vcpu(VCPUOP_set_singleshot_timer, 0, &shot), 0, "singleshot");
	while (count[0][virq.port] < 2 && now() < start + 20000000000)
		asm volatile("hlt");
	is(count[0][virq.port], 2, "it fires too");
}

static void second_main(void)
{
	load_tables();
	up++;
	asm volatile("sti");
	for (;;) {
		asm volatile("hlt");
		if (count[1][ipi[1]])
			send(ipi[0]);
	}
}

static void vcpus(void)
{
	struct evtchn_bind_ipi bind = { .vcpu = 0 };
	uint64_t cr3;

	is(vcpu(VCPUOP_is_up, 1, NULL), 0, "vCPU 1 is down");
	is(vcpu(VCPUOP_up, 1, NULL), -EINVAL_, "and has no start");
	is(vcpu(VCPUOP_is_up, 2, NULL), -ENOENT_, "there is no vCPU 2");
	asm("mov %%cr3, %0" : "=r"(cr3));
	second.user_regs.rip = (uint64_t)second_main;
	second.user_regs.rsp = (uint64_t)second_stack + sizeof(second_stack) - 8;
	second.ctrlreg[3] = 1 << 12;
	is(vcpu(VCPUOP_initialise, 1, &second), -EINVAL_,
	   "page tables that are not its own");
	second.ctrlreg[3] = cr3;
	is(vcpu(VCPUOP_initialise, 1, &second), 0, "initialise");
	is(event(EVTCHNOP_bind_ipi, &bind), 0, "IPI to vCPU 0");
	ipi[0] = bind.port;
	bind.vcpu = 1;
	is(event(EVTCHNOP_bind_ipi, &bind), 0, "IPI to vCPU 1");
	ipi[1] = bind.port;
	unmask(ipi[0]);
	unmask(ipi[1]);
	is(vcpu(VCPUOP_up, 1, NULL), 0, "up");
	spin(&up);
	ok(up, "it runs");
	is(send(ipi[1]), 0, "send an IPI");
	spin(&count[0][ipi[0]]);
	ok(count[1][ipi[1]] == 1 && count[0][ipi[0]] == 1, "there and back");
}

static void second_down(void)
{
	struct vcpu_register_runstate_memory_area area = {
		.addr.p = (uint64_t)runstate,
	};
	struct evtchn_bind_virq virq = { .virq = VIRQ_TIMER, .vcpu = 1 };

	is(event(EVTCHNOP_bind_virq, &virq), 0, "timer of a vCPU that runs");
	is(vcpu(VCPUOP_register_runstate_memory_area, 1, &area), 0, "runstate");
	is(vcpu(VCPUOP_down, 1, NULL), 0, "down");
	is(vcpu(VCPUOP_is_up, 1, NULL), 0, "it is");
	is(vcpu(VCPUOP_up, 1, NULL), 0, "up again");
	count[1][ipi[1]] = count[0][ipi[0]] = 0;
	send(ipi[1]);
	spin(&count[0][ipi[0]]);
	is(count[0][ipi[0]], 1, "it goes on where it was");
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
	struct xencons_interface *ring;

	/* Start of day has them in this order. */
	ring = (void *)((uint64_t)info + 2 * 4096);
	held("xenstore's page", info->store_mfn, (uint64_t)info + 4096,
	     -EBUSY_);
	held("the console's page", info->console.domU.mfn, (uint64_t)ring,
	     -EBUSY_);
	held("shared_info", info->shared_info >> 12, 0, -EPERM_);
	ring->out_prod += 5000;
	is(send(info->console.domU.evtchn), 0, "an index that cannot be");
	is(ring->out_cons, ring->out_prod, "is passed over");
	ring->in_cons = ring->in_prod + 1;
	is(send(info->console.domU.evtchn), 0, "the same for input");
	ring->in_cons = ring->in_prod;
}

int xen_main(struct start_info *start)
{
	struct sched_shutdown op = { .reason = SHUTDOWN_crash };

	info = start;
	shared = (struct shared_info *)window;
	load_tables();
	is(hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)window,
		     info->shared_info | 3, UVMF_INVLPG, 0), 0, "shared_info");
	versions();
	console();
	parameters();
	asm volatile("sti");
	events();
	timers();
	vcpus();
	second_down();
	hostile();
	put_str("1..");
	put_dec(tests);
	put_char('\n');
	if (failures)
		return 1;
	sched(SCHEDOP_shutdown, &op);
	return 2;
}
