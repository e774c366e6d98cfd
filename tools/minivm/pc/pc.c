// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is left of a PC in an ordinary VM for Linux.  Most ports answer nothing,
 * as on a bus; those here would otherwise cost Linux seconds of waiting.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "layout.h"
#include "pc.h"

#define E820_RAM	1
#define E820_RESERVED	2

#define PORT_KEYBOARD	0x64
#define KEYBOARD_RESET	0xfe
#define PORT_CMOS_DATA	0x71
#define PORT_RESET	0xcf9
#define RESET_CPU	0x04

void pc_memory_map(const struct vm *vm, struct pc_range map[PC_RANGES])
{
	map[0] = (struct pc_range) { 0, MPTABLE_ADDR, E820_RAM };
	map[1] = (struct pc_range) { MPTABLE_ADDR, MPTABLE_SIZE, E820_RESERVED };
	map[2] = (struct pc_range) { PC_LOW, vm->mem_size - PC_LOW, E820_RAM };
}

void pc_create(struct vm *vm)
{
	/* The speaker's port is where Linux sees the timer's second counter. */
	struct kvm_pit_config pit = { .flags = KVM_PIT_SPEAKER_DUMMY };

	if (ioctl(vm->fd, KVM_CREATE_PIT2, &pit))
		fail(EX_OS, errno, NULL, "cannot create the timer of the VM");
}

/* PVH: 32-bit, flat, no paging. */
static void set_protected_mode(struct kvm_sregs *s)
{
	s->cs.l = 0;
	s->cs.db = 1;
	s->cr0 = 0x11;		/* ET PE */
	s->cr3 = 0;
	s->cr4 = 0;
	s->efer = 0;
}

/* The others wait for the first to start them. */
void pc_start(struct vm *vm)
{
	struct vcpu *vcpu = &vm->vcpus[0];
	struct kvm_regs regs = {
		.rip = vm->entry, .rflags = 2,
		.rbx = LOW_BOOT,	/* PVH */
		.rsi = LOW_BOOT,	/* bzImage */
	};
	struct kvm_sregs s;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &s))
		fail(EX_OS, errno, NULL, "vCPU 0: cannot read its registers");
	vcpu_set_long_mode(&s);
	if (vm->protected_mode)
		set_protected_mode(&s);
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &s) ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		fail(EX_OS, errno, NULL, "vCPU 0: cannot set its registers");
	uart_init(vm);
}

static void read_port(uint16_t port, uint8_t *data, size_t len)
{
	memset(data, 0xff, len);
	/* A clock that Linux finds unusable at once, not after a second. */
	if (port == PORT_CMOS_DATA)
		*data = 0;
}

static void write_port(uint16_t port, uint8_t val)
{
	if ((port == PORT_KEYBOARD && val == KEYBOARD_RESET) ||
	    (port == PORT_RESET && val & RESET_CPU))
		reset_ask();
}

void pc_io(uint16_t port, bool in, uint8_t *data, size_t len)
{
	if (port >= UART_PORT && port < UART_PORT + UART_PORTS && len == 1)
		uart_io(port - UART_PORT, in, data);
	else if (in)
		read_port(port, data, len);
	else
		write_port(port, *data);
}
