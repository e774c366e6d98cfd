/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Xen's ABI as a guest in ring 0 uses it: calls, vCPUs, events, time, console.
 * The page tables are those of start of day, where virtual addresses are pfns.
 */
#ifndef MINIVM_XEN_LIB_H
#define MINIVM_XEN_LIB_H

#include <stdint.h>

#include <xen/xen.h>
#include <xen/event_channel.h>
#include <xen/io/console.h>
#include <xen/sched.h>
#include <xen/vcpu.h>

#include "guest.h"

#define XEN_UPCALL	0x30	/* vector of all events */
#define XEN_CPUS	4
#define XEN_PORTS	64
#define PAGE		__attribute__((aligned(4096)))

struct xen_cpu {
	struct xen_cpu *self;	/* at GS:0 */
	unsigned int id;
	uint64_t ports;		/* whose events it takes */
	volatile unsigned int count[XEN_PORTS];
};

extern struct xen_cpu xen_cpus[XEN_CPUS];
extern struct shared_info *xen_shared;
extern char hypercall_page[];

/* Each image's own start on vCPU 0; what it returns is the VM's exit status. */
int xen_main(struct start_info *start);

/* Called by the upcall for each event, if set; the event is counted already. */
extern void (*xen_on_event)(struct xen_cpu *cpu, unsigned int port);

static inline struct xen_cpu *xen_this_cpu(void)
{
	struct xen_cpu *cpu;

	asm volatile("mov %%gs:0, %0" : "=r"(cpu));
	return cpu;
}

static inline void irq_on(void)
{
	asm volatile("sti" : : : "memory");
}

static inline void irq_off(void)
{
	asm volatile("cli" : : : "memory");
}

long hypercall(unsigned int nr, uint64_t a, uint64_t b, uint64_t c,
	       uint64_t d);
long event_op(unsigned int cmd, void *arg);
long sched_op(unsigned int cmd, void *arg);
long vcpu_op(unsigned int cmd, unsigned int id, void *arg);
/* One operation. */
long grant_op(unsigned int cmd, void *arg);
/* With KVM's own number, by the instruction that this CPU has. */
long kvm_hypercall(uint64_t nr, uint64_t a, uint64_t b, uint64_t c,
		   uint64_t d);

/* vCPU 0: maps shared_info, then as below; what the call for that returned. */
long xen_init(struct start_info *start);
/* Descriptor tables and GS of the vCPU that calls; interrupts stay off. */
void xen_cpu_init(unsigned int id);
long xen_set_callback(uint8_t vector);
/* What VCPUOP_initialise wants: this vCPU's page tables, entry and stack. */
void xen_vcpu_context(struct vcpu_guest_context *ctx, void (*entry)(void),
		      void *stack_end);

/* Unmasks the port; its events are that vCPU's and no other's. */
void event_take(unsigned int cpu, uint32_t port);
long event_send(uint32_t port);
/* The new port, or an error. */
long event_bind_virq(uint32_t virq, unsigned int cpu);
long event_bind_ipi(unsigned int cpu);

/* The clock of the vCPU that calls, in nanoseconds, and its timer. */
uint64_t xen_now(void);
long xen_timer_set(uint64_t when);

/* One call for the text; and the ring, to which put_to() can send output. */
long console_call(const void *text, size_t len);
struct xencons_interface *console_ring(void);
void console_put(char c);

#endif
