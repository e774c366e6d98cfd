// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paravirtualized vCPU scheduling: interrupts and NMIs that come by the local
 * APIC and the I/O APIC boost a vCPU, whatever it is doing.
 */
#include <linux/kvm.h>
#include <sys/eventfd.h>

#include "kselftest.h"
#include "pv_sched_stage.h"
#include "test_util.h"

#define GSI_IOAPIC	5
#define GSI_MSI		30

static void route(struct stage *st, u32 vector)
{
	struct kvm_irq_routing *table = kvm_gsi_routing_create();
	struct kvm_irq_routing_entry *e = table->entries;

	e[0].gsi = GSI_IOAPIC;
	e[0].type = KVM_IRQ_ROUTING_IRQCHIP;
	e[0].u.irqchip.irqchip = KVM_IRQCHIP_IOAPIC;
	e[0].u.irqchip.pin = GSI_IOAPIC;
	e[1].gsi = GSI_MSI;
	e[1].type = KVM_IRQ_ROUTING_MSI;
	e[1].u.msi.address_lo = APIC_DEFAULT_GPA;
	e[1].u.msi.data = vector;
	table->nr = 2;
	kvm_gsi_routing_write(st->vm.vm, table);
}

/* Edge triggered, fixed, physical destination 0. */
static bool prepare_ioapic(struct stage *st)
{
	struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };

	route(st, st->path->vector);
	vm_ioctl(st->vm.vm, KVM_GET_IRQCHIP, &chip);
	chip.chip.ioapic.redirtbl[GSI_IOAPIC].bits = st->path->vector;
	vm_ioctl(st->vm.vm, KVM_SET_IRQCHIP, &chip);
	return true;
}

static void fire_line(struct stage *st)
{
	kvm_irq_line(st->vm.vm, GSI_IOAPIC, 1);
	kvm_irq_line(st->vm.vm, GSI_IOAPIC, 0);
}

static bool prepare_irqfd(struct stage *st, u32 gsi)
{
	struct kvm_irqfd irqfd = { .gsi = gsi };

	prepare_ioapic(st);
	st->fd = eventfd(0, EFD_CLOEXEC);
	TEST_ASSERT(st->fd >= 0, "eventfd: %s", strerror(errno));
	irqfd.fd = st->fd;
	vm_ioctl(st->vm.vm, KVM_IRQFD, &irqfd);
	return true;
}

static bool prepare_irqfd_msi(struct stage *st)
{
	return prepare_irqfd(st, GSI_MSI);
}

static bool prepare_irqfd_ioapic(struct stage *st)
{
	return prepare_irqfd(st, GSI_IOAPIC);
}

static void fire_eventfd(struct stage *st)
{
	u64 one = 1;

	TEST_ASSERT(write(st->fd, &one, sizeof(one)) == sizeof(one),
		    "Writing to an eventfd: %s", strerror(errno));
}

static void signal_msi(struct stage *st, u32 data)
{
	struct kvm_msi msi = {
		.address_lo = APIC_DEFAULT_GPA,
		.data = data,
	};
	int r = __vm_ioctl(st->vm.vm, KVM_SIGNAL_MSI, &msi);

	TEST_ASSERT(r > 0, "KVM_SIGNAL_MSI returns %d", r);
}

static void fire_msi(struct stage *st)
{
	signal_msi(st, st->path->vector);
}

static void fire_msi_nmi(struct stage *st)
{
	signal_msi(st, APIC_DM_NMI);
}

static void fire_ipi(struct stage *st)
{
	stage_send(st, OP(ICR, SCRIPT_IPI(0, st->path->vector)));
}

static void fire_ipi_hypercall(struct stage *st)
{
	stage_send(st, OP(SEND_IPI, SCRIPT_IPI(0, st->path->vector)));
}

static void fire_ipi_nmi(struct stage *st)
{
	stage_send(st, OP(ICR, SCRIPT_IPI(0, APIC_DM_NMI)));
}

#define PATH(_name)				\
	.name = _name,				\
	.states = STAGE_ALL,			\
	.vector = SCRIPT_VECTOR_A,		\
	.ack = { OP(EOI, 0) }

static const struct stage_path paths[] = {
	{
		PATH("APIC timer, TSC deadline"),
		.timer = true,
		.arm = OP(ARM, SCRIPT_TSC_DEADLINE),
	}, {
		PATH("APIC timer, one-shot"),
		.timer = true,
		.arm = OP(ARM, SCRIPT_ONESHOT),
	}, {
		PATH("APIC timer, periodic"),
		.timer = true,
		.arm = OP(ARM, SCRIPT_PERIODIC),
		.ack = { OP(DISARM, 0), OP(EOI, 0) },
	}, {
		PATH("KVM_IRQ_LINE to the I/O APIC"),
		.prepare = prepare_ioapic,
		.fire = fire_line,
	}, {
		PATH("irqfd, MSI"),
		.prepare = prepare_irqfd_msi,
		.fire = fire_eventfd,
	}, {
		PATH("irqfd, I/O APIC"),
		.prepare = prepare_irqfd_ioapic,
		.fire = fire_eventfd,
	}, {
		PATH("KVM_SIGNAL_MSI"),
		.fire = fire_msi,
	}, {
		PATH("IPI"),
		.fire = fire_ipi,
	}, {
		PATH("IPI by KVM_HC_SEND_IPI"),
		.fire = fire_ipi_hypercall,
	}, {
		.name = "NMI by KVM_SIGNAL_MSI",
		.states = STAGE_ALL,
		.nmi = true,
		.fire = fire_msi_nmi,
	}, {
		.name = "NMI by IPI",
		.states = STAGE_ALL,
		.nmi = true,
		.fire = fire_ipi_nmi,
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
