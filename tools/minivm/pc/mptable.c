// SPDX-License-Identifier: GPL-2.0-only
/*
 * Intel's MultiProcessor Specification 1.4: the table in which an operating
 * system finds the CPUs and how interrupts are wired, where there is no ACPI.
 */
#include <string.h>

#include "pc.h"

#define LAPIC_ADDR	0xfee00000
#define IOAPIC_ADDR	0xfec00000
#define APIC_VERSION	0x14
#define IOAPIC_VERSION	0x11
#define NR_ISA_IRQS	16
#define CASCADE		2	/* of the two 8259 */
#define ALL_APICS	0xff

enum { ENTRY_CPU, ENTRY_BUS, ENTRY_IOAPIC, ENTRY_IRQ, ENTRY_LINT };
enum { IRQ_VECTOR = 0, IRQ_NMI = 1, IRQ_8259 = 3 };
enum { CPU_ENABLED = 1, CPU_BOOT = 2 };

struct pointer {
	char signature[4];
	uint32_t table;
	uint8_t length, version, checksum, features[5];
};

struct header {
	char signature[4];
	uint16_t length;
	uint8_t version, checksum;
	char oem[8], product[12];
	uint32_t oem_table;
	uint16_t oem_size, nr_entries;
	uint32_t lapic, reserved;
};

struct cpu {
	uint8_t type, apic_id, apic_version, flags;
	uint32_t signature, features, reserved[2];
};

struct bus {
	uint8_t type, id;
	char name[6];
};

struct ioapic {
	uint8_t type, id, version, enabled;
	uint32_t addr;
};

/* Of an I/O APIC, or a local one's pin. */
struct irq {
	uint8_t type, kind;
	uint16_t flags;
	uint8_t bus, bus_irq, apic, pin;
};

static void add(struct header *h, const void *entry, size_t size)
{
	memcpy((uint8_t *)h + h->length, entry, size);
	h->length += size;
	h->nr_entries++;
}

static uint8_t checksum(const void *p, size_t size)
{
	const uint8_t *byte = p;
	uint8_t sum = 0;

	while (size--)
		sum -= *byte++;
	return sum;
}

static void add_cpus(struct header *h, unsigned int cpus)
{
	unsigned int i;

	for (i = 0; i < cpus; i++)
		add(h, &(struct cpu) {
			.type = ENTRY_CPU, .apic_id = i,
			.apic_version = APIC_VERSION,
			.flags = CPU_ENABLED | (i ? 0 : CPU_BOOT),
		    }, sizeof(struct cpu));
}

static void add_irqs(struct header *h, unsigned int ioapic)
{
	struct irq irq = { .type = ENTRY_IRQ, .kind = IRQ_VECTOR, .apic = ioapic };
	unsigned int i;

	/* As KVM wires them if nobody says otherwise. */
	for (i = 0; i < NR_ISA_IRQS; i++) {
		irq.bus_irq = i;
		irq.pin = i;
		if (i != CASCADE)
			add(h, &irq, sizeof(irq));
	}
	irq = (struct irq) { .type = ENTRY_LINT, .kind = IRQ_8259, .pin = 0 };
	add(h, &irq, sizeof(irq));
	irq = (struct irq) { .type = ENTRY_LINT, .kind = IRQ_NMI,
			     .apic = ALL_APICS, .pin = 1 };
	add(h, &irq, sizeof(irq));
}

void mptable_write(struct vm *vm)
{
	struct pointer *p = (void *)(vm->mem + MPTABLE_ADDR);
	struct header *h = (void *)(p + 1);

	*p = (struct pointer) {
		.signature = "_MP_", .table = MPTABLE_ADDR + sizeof(*p),
		.length = 1, .version = 4,
	};
	p->checksum = checksum(p, sizeof(*p));
	*h = (struct header) {
		.signature = "PCMP", .length = sizeof(*h), .version = 4,
		.oem = "MINIVM  ", .product = "            ",
		.lapic = LAPIC_ADDR,
	};
	add_cpus(h, vm->cpus);
	add(h, &(struct bus) { .type = ENTRY_BUS, .name = "ISA   " },
	    sizeof(struct bus));
	add(h, &(struct ioapic) {
		.type = ENTRY_IOAPIC, .id = vm->cpus, .version = IOAPIC_VERSION,
		.enabled = 1, .addr = IOAPIC_ADDR,
	    }, sizeof(struct ioapic));
	add_irqs(h, vm->cpus);
	h->checksum = checksum(h, h->length);
}
