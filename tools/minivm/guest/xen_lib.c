// SPDX-License-Identifier: GPL-2.0-only
/* What all guests of Xen's ABI need; see xen_lib.h. */
#include <stdint.h>

#include <xen/xen.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>

#include "xen_lib.h"

#define MSR_GS_BASE	0xc0000101

struct xen_cpu xen_cpus[XEN_CPUS] = { { .ports = ~0UL } };
struct shared_info *xen_shared;
void (*xen_on_event)(struct xen_cpu *cpu, unsigned int port);

static struct start_info *info;
static char window[4096] PAGE;
static bool vmmcall;

long hypercall(unsigned int nr, uint64_t a, uint64_t b, uint64_t c,
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

/* The hypercall page has no room for these numbers. */
long kvm_hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c,
		   uint64_t d)
{
	register uint64_t r10 asm("r10") = d;

	if (vmmcall)
		asm volatile("vmmcall" : "+a"(nr), "+D"(a), "+S"(b), "+d"(c),
			     "+r"(r10) : : "memory");
	else
		asm volatile("vmcall" : "+a"(nr), "+D"(a), "+S"(b), "+d"(c),
			     "+r"(r10) : : "memory");
	return nr;
}

long event_op(unsigned int cmd, void *arg)
{
	return hypercall(__HYPERVISOR_event_channel_op, cmd, (uint64_t)arg, 0,
			 0);
}

long sched_op(unsigned int cmd, void *arg)
{
	return hypercall(__HYPERVISOR_sched_op, cmd, (uint64_t)arg, 0, 0);
}

long vcpu_op(unsigned int cmd, unsigned int id, void *arg)
{
	return hypercall(__HYPERVISOR_vcpu_op, cmd, id, (uint64_t)arg, 0);
}

long grant_op(unsigned int cmd, void *arg)
{
	return hypercall(__HYPERVISOR_grant_table_op, cmd, (uint64_t)arg, 1, 0);
}

/*
 * The callback is a level: it comes until the flag is clear, so clear that
 * first.  Pending bits are shared by all vCPUs: touch only one's own.
 */
static __attribute__((interrupt)) void upcall(void *frame)
{
	struct xen_cpu *cpu = xen_this_cpu();
	struct vcpu_info *v = &xen_shared->vcpu_info[cpu->id];
	uint64_t pending;
	unsigned int port;

	v->evtchn_upcall_pending = 0;
	__atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
	pending = __atomic_load_n(&xen_shared->evtchn_pending[0],
				  __ATOMIC_SEQ_CST) &
		  ~xen_shared->evtchn_mask[0] & cpu->ports;
	for (; pending; pending &= pending - 1) {
		port = __builtin_ctzll(pending);
		__atomic_and_fetch(&xen_shared->evtchn_pending[0],
				   ~(1UL << port), __ATOMIC_SEQ_CST);
		cpu->count[port]++;
		if (xen_on_event)
			xen_on_event(cpu, port);
	}
}

/* Code has the selector that each vCPU starts with, so it stays loaded. */
void xen_cpu_init(unsigned int id)
{
	static uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
	struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} desc = { sizeof(gdt) - 1, (uint64_t)gdt };
	struct xen_cpu *cpu = &xen_cpus[id];

	asm volatile("lgdt %0" : : "m"(desc));
	cpu->self = cpu;
	cpu->id = id;
	wrmsr(MSR_GS_BASE, (uint64_t)cpu);
	idt_set(XEN_UPCALL, (void (*)(void))upcall);
	idt_load();
}

long xen_init(struct start_info *start)
{
	uint32_t r[4];

	info = start;
	xen_shared = (struct shared_info *)window;
	xen_cpu_init(0);
	cpuid(0, r);
	vmmcall = r[1] == 0x68747541 || r[1] == 0x6f677948; /* Auth, Hygo */
	return hypercall(__HYPERVISOR_update_va_mapping, (uint64_t)window,
			 info->shared_info | 3, UVMF_INVLPG, 0);
}

long xen_set_callback(uint8_t vector)
{
	struct xen_hvm_param p = {
		.domid = DOMID_SELF, .index = HVM_PARAM_CALLBACK_IRQ,
		.value = (uint64_t)HVM_PARAM_CALLBACK_TYPE_VECTOR << 56 |
			 vector,
	};

	return hypercall(__HYPERVISOR_hvm_op, HVMOP_set_param, (uint64_t)&p, 0,
			 0);
}

void xen_vcpu_context(struct vcpu_guest_context *ctx, void (*entry)(void),
		      void *stack_end)
{
	uint64_t cr3;

	asm("mov %%cr3, %0" : "=r"(cr3));
	ctx->user_regs.rip = (uint64_t)entry;
	/* As after a call. */
	ctx->user_regs.rsp = (uint64_t)stack_end - 8;
	ctx->ctrlreg[3] = cr3;
}

void event_take(unsigned int cpu, uint32_t port)
{
	unsigned int i;

	for (i = 0; i < XEN_CPUS; i++)
		__atomic_and_fetch(&xen_cpus[i].ports, ~(1UL << port),
				   __ATOMIC_SEQ_CST);
	__atomic_or_fetch(&xen_cpus[cpu].ports, 1UL << port, __ATOMIC_SEQ_CST);
	__atomic_and_fetch(&xen_shared->evtchn_mask[0], ~(1UL << port),
			   __ATOMIC_SEQ_CST);
}

long event_send(uint32_t port)
{
	struct evtchn_send op = { .port = port };

	return event_op(EVTCHNOP_send, &op);
}

long event_bind_virq(uint32_t virq, unsigned int cpu)
{
	struct evtchn_bind_virq op = { .virq = virq, .vcpu = cpu };
	long r = event_op(EVTCHNOP_bind_virq, &op);

	return r ? r : op.port;
}

long event_bind_ipi(unsigned int cpu)
{
	struct evtchn_bind_ipi op = { .vcpu = cpu };
	long r = event_op(EVTCHNOP_bind_ipi, &op);

	return r ? r : op.port;
}

/* KVM writes it with an odd version meanwhile. */
uint64_t xen_now(void)
{
	volatile struct vcpu_time_info *t =
		&xen_shared->vcpu_info[xen_this_cpu()->id].time;
	uint64_t delta, now;
	uint32_t version;

	do {
		version = t->version;
		delta = rdtsc() - t->tsc_timestamp;
		if (t->tsc_shift < 0)
			delta >>= -t->tsc_shift;
		else
			delta <<= t->tsc_shift;
		now = t->system_time +
		      (uint64_t)((unsigned __int128)delta *
				 t->tsc_to_system_mul >> 32);
	} while (version & 1 || version != t->version);
	return now;
}

long xen_timer_set(uint64_t when)
{
	struct vcpu_set_singleshot_timer shot = { .timeout_abs_ns = when };

	return vcpu_op(VCPUOP_set_singleshot_timer, xen_this_cpu()->id, &shot);
}

long console_call(const void *text, size_t len)
{
	return hypercall(__HYPERVISOR_console_io, CONSOLEIO_write, len,
			 (uint64_t)text, 0);
}

struct xencons_interface *console_ring(void)
{
	return (void *)(machine_to_phys_mapping[info->console.domU.mfn] << 12);
}

/* Tells of each line, and of a full ring, until there is room. */
void console_put(char c)
{
	volatile struct xencons_interface *ring = console_ring();
	uint32_t prod = ring->out_prod;

	while (prod - ring->out_cons >= sizeof(ring->out))
		event_send(info->console.domU.evtchn);
	ring->out[MASK_XENCONS_IDX(prod, ring->out)] = c;
	__atomic_store_n(&ring->out_prod, prod + 1, __ATOMIC_RELEASE);
	if (c == '\n')
		event_send(info->console.domU.evtchn);
}
