// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: interrupts boost a vCPU that come from the
 * PIC and PIT, from Xen's event channels and timer and from Hyper-V's timer,
 * whatever the vCPU is doing.
 */
#include <sys/eventfd.h>

#include "hyperv.h"
#include "kselftest.h"
#include "pv_sched_stage.h"
#include "test_util.h"

/* Lines 0 and 1 of the PIC, of which one is vector A. */
#define PIC_BASE	(SCRIPT_VECTOR_A & ~7)
#define PIC_LINE	(SCRIPT_VECTOR_A & 7)

#define PIT_NS		4000000ULL
#define PIT_TICKS	(PIT_NS * 1193182 / 1000000000)

/* Two pages of Xen's: what the VM shares, what the vCPU shares. */
#define XEN_SLOT	6
#define XEN_MSR		0x40000000
#define XEN_SHINFO	0x40100000ULL
#define XEN_VCPU_INFO	(XEN_SHINFO + PAGE_SIZE)
#define XEN_PENDING_SEL	(XEN_VCPU_INFO + 8)
#define XEN_PENDING	(XEN_SHINFO + 2048)
#define XEN_PORT	3
#define XEN_GSI		30

static bool prepare_pit(struct stage *st)
{
	struct kvm_pit_config pit = {};

	return !__vm_ioctl(st->vm.vm, KVM_CREATE_PIT2, &pit);
}

/* A shot of the timer, from when the stage is set. */
static void fire_pit(struct stage *st)
{
	struct kvm_pit_state2 pit = {};

	vm_ioctl(st->vm.vm, KVM_GET_PIT2, &pit);
	pit.channels[0].mode = 0;
	pit.channels[0].gate = 1;
	pit.channels[0].count = PIT_TICKS;
	st->event = rdtsc() + script_ns_to_tsc(PIT_NS);
	vm_ioctl(st->vm.vm, KVM_SET_PIT2, &pit);
}

static void fire_pic(struct stage *st)
{
	kvm_irq_line(st->vm.vm, PIC_LINE, 1);
	kvm_irq_line(st->vm.vm, PIC_LINE, 0);
}

static void xen_vm_attr(struct stage *st, struct kvm_xen_hvm_attr attr)
{
	vm_ioctl(st->vm.vm, KVM_XEN_HVM_SET_ATTR, &attr);
}

static void xen_vcpu_attr(struct stage *st, struct kvm_xen_vcpu_attr attr)
{
	vcpu_ioctl(stage_vcpu(st)->vcpu, KVM_XEN_VCPU_SET_ATTR, &attr);
}

static bool prepare_xen(struct stage *st)
{
	struct kvm_xen_hvm_config cfg = {
		.flags = KVM_XEN_HVM_CONFIG_EVTCHN_SEND,
		.msr = XEN_MSR,
	};
	unsigned int caps = kvm_check_cap(KVM_CAP_XEN_HVM);

	if (!(caps & KVM_XEN_HVM_CONFIG_EVTCHN_SEND))
		return false;

	vm_userspace_mem_region_add(st->vm.vm, VM_MEM_SRC_ANONYMOUS, XEN_SHINFO,
				    XEN_SLOT, 2, 0);
	virt_map(st->vm.vm, XEN_SHINFO, XEN_SHINFO, 2);
	vm_ioctl(st->vm.vm, KVM_XEN_HVM_CONFIG, &cfg);
	xen_vm_attr(st, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_LONG_MODE,
		.u.long_mode = 1,
	});
	xen_vm_attr(st, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_SHARED_INFO,
		.u.shared_info.gfn = XEN_SHINFO / PAGE_SIZE,
	});
	xen_vcpu_attr(st, (struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_VCPU_INFO,
		.u.gpa = XEN_VCPU_INFO,
	});
	return true;
}

/* By the local APIC. */
static bool prepare_xen_vcpu(struct stage *st)
{
	if (!prepare_xen(st))
		return false;
	xen_vcpu_attr(st, (struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = st->path->vector,
	});
	return true;
}

/* Past the local APIC. */
static bool prepare_xen_vm(struct stage *st)
{
	if (!prepare_xen(st))
		return false;
	xen_vm_attr(st, (struct kvm_xen_hvm_attr) {
		.type = KVM_XEN_ATTR_TYPE_UPCALL_VECTOR,
		.u.vector = st->path->vector,
	});
	return true;
}

static void fire_xen(struct stage *st)
{
	struct kvm_irq_routing_xen_evtchn e = {
		.port = XEN_PORT,
		.vcpu = stage_vcpu(st)->vcpu->id,
		.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
	};

	vm_ioctl(st->vm.vm, KVM_XEN_HVM_EVTCHN_SEND, &e);
}

/* The same from a device, by an eventfd. */
static bool prepare_xen_irqfd(struct stage *st)
{
	struct kvm_irq_routing *table = kvm_gsi_routing_create();
	struct kvm_irqfd irqfd = { .gsi = XEN_GSI };

	if (!prepare_xen_vcpu(st))
		return false;

	table->entries[0].gsi = XEN_GSI;
	table->entries[0].type = KVM_IRQ_ROUTING_XEN_EVTCHN;
	table->entries[0].u.xen_evtchn.port = XEN_PORT;
	table->entries[0].u.xen_evtchn.vcpu = stage_vcpu(st)->vcpu->id;
	table->entries[0].u.xen_evtchn.priority =
		KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL;
	table->nr = 1;
	kvm_gsi_routing_write(st->vm.vm, table);

	st->fd = eventfd(0, EFD_CLOEXEC);
	TEST_ASSERT(st->fd >= 0, "eventfd: %s", strerror(errno));
	irqfd.fd = st->fd;
	vm_ioctl(st->vm.vm, KVM_IRQFD, &irqfd);
	return true;
}

static void fire_eventfd(struct stage *st)
{
	u64 one = 1;

	TEST_ASSERT(write(st->fd, &one, sizeof(one)) == sizeof(one),
		    "Writing to an eventfd: %s", strerror(errno));
}

/* The VM's time at which a timer of the host's has to expire. */
static u64 program_at(struct stage *st)
{
	struct kvm_clock_data clock;

	st->event = rdtsc() + script_ns_to_tsc(st->delay_ns);
	vm_ioctl(st->vm.vm, KVM_GET_CLOCK, &clock);
	return clock.clock + st->delay_ns;
}

static void program_xen(struct stage *st)
{
	xen_vcpu_attr(st, (struct kvm_xen_vcpu_attr) {
		.type = KVM_XEN_VCPU_ATTR_TYPE_TIMER,
		.u.timer.port = XEN_PORT,
		.u.timer.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
		.u.timer.expires_ns = program_at(st),
	});
}

static bool prepare_synic(struct stage *st)
{
	struct kvm_vcpu *vcpu = stage_vcpu(st)->vcpu;

	if (!kvm_has_cap(KVM_CAP_HYPERV_SYNIC2))
		return false;
	vcpu_enable_cap(vcpu, KVM_CAP_HYPERV_SYNIC2, 0);
	return true;
}

/* In direct mode: an interrupt of the local APIC, no message. */
static void program_synic(struct stage *st)
{
	struct kvm_vcpu *vcpu = stage_vcpu(st)->vcpu;
	u64 enable = BIT(0), direct = BIT(12);

	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_CONFIG, 0);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_COUNT, program_at(st) / 100 + 1);
	vcpu_set_msr(vcpu, HV_X64_MSR_STIMER0_CONFIG,
		     enable | direct | st->path->vector << 4);
}

static const struct stage_path paths[] = {
	{
		.name = "PIC",
		.states = STAGE_ALL,
		.arm = OP(PIC, PIC_BASE),
		.ack = { OP(PIC_EOI, 0) },
		.fire = fire_pic,
	}, {
		.name = "PIT",
		.states = STAGE_ALL,
		.arm = OP(PIC, PIC_BASE),
		.ack = { OP(PIC_EOI, 0) },
		.prepare = prepare_pit,
		.fire = fire_pit,
	}, {
		.name = "Xen event channel, the vCPU's vector",
		.states = STAGE_ALL,
		.vector = SCRIPT_VECTOR_A,
		.ack = { OP(CLEAR, XEN_VCPU_INFO), OP(CLEAR, XEN_PENDING_SEL),
			 OP(CLEAR, XEN_PENDING), OP(EOI, 0) },
		.prepare = prepare_xen_vcpu,
		.fire = fire_xen,
	}, {
		.name = "Xen event channel, the VM's vector",
		.states = STAGE_ALL,
		.vector = SCRIPT_VECTOR_A,
		.ack = { OP(CLEAR, XEN_VCPU_INFO), OP(CLEAR, XEN_PENDING_SEL),
			 OP(CLEAR, XEN_PENDING) },
		.prepare = prepare_xen_vm,
		.fire = fire_xen,
	}, {
		.name = "Xen event channel, irqfd",
		.states = STAGE_ALL,
		.vector = SCRIPT_VECTOR_A,
		.ack = { OP(CLEAR, XEN_VCPU_INFO), OP(CLEAR, XEN_PENDING_SEL),
			 OP(CLEAR, XEN_PENDING), OP(EOI, 0) },
		.prepare = prepare_xen_irqfd,
		.fire = fire_eventfd,
	}, {
		.name = "Xen timer",
		.states = STAGE_ALL,
		.vector = SCRIPT_VECTOR_A,
		.timer = true,
		.ack = { OP(CLEAR, XEN_VCPU_INFO), OP(CLEAR, XEN_PENDING_SEL),
			 OP(CLEAR, XEN_PENDING) },
		.prepare = prepare_xen_vm,
		.program = program_xen,
	}, {
		.name = "Hyper-V timer",
		.states = STAGE_ALL,
		.vector = SCRIPT_VECTOR_A,
		.timer = true,
		.ack = { OP(EOI, 0) },
		.prepare = prepare_synic,
		.program = program_synic,
	},
};

int main(int argc, char *argv[])
{
	struct stage st;
	unsigned int i;

	pv_sched_require();
	stage_create(&st);

	ksft_print_header();
	ksft_set_plan(stage_results(paths, ARRAY_SIZE(paths)));
	for (i = 0; i < ARRAY_SIZE(paths); i++)
		stage_run(&st, &paths[i]);
	stage_destroy(&st);

	ksft_finished();
}
