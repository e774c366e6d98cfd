/* SPDX-License-Identifier: GPL-2.0-only */
/* An ordinary VM for Linux: what a PC has that Linux does not want to miss. */
#ifndef MINIVM_PC_H
#define MINIVM_PC_H

#include <signal.h>

#include "image.h"

/* Kernel and initrd lie above: what is below is for tables. */
#define PC_LOW		0x100000

/* pc/pc.c: memory map, timer, ports. */
#define PC_RANGES	3

struct pc_range {
	uint64_t start, size;
	uint32_t type;		/* E820's */
};

void pc_memory_map(const struct vm *vm, struct pc_range map[PC_RANGES]);
/* Once there is a VM, before it has vCPUs. */
void pc_create(struct vm *vm);
void pc_start(struct vm *vm);
void pc_io(uint16_t port, bool in, uint8_t *data, size_t len);

/* pc/mptable.c: CPUs and interrupts, where Linux looks for them. */
#define MPTABLE_ADDR	0x9fc00
#define MPTABLE_SIZE	0x400

void mptable_write(struct vm *vm);

/* pc/initrd.c: a file, as high as it fits from low on; none if there is no path. */
struct initrd {
	uint64_t addr, size;
};

void initrd_load(struct initrd *initrd, const char *path, struct vm *vm,
		 uint64_t low, uint64_t high);

/* What a loader is told; it leaves vm->entry. */
struct linux_options {
	const char *initrd;
	char *const *args;
	int nr_args;
};

void loader_pvh(struct vm *vm, const struct image *image, uint64_t entry,
		const struct linux_options *options);
void loader_bzimage(struct vm *vm, const struct image *image,
		    const struct linux_options *options);

/* pc/uart.c: an 8250 on standard input and output. */
#define UART_PORT	0x3f8
#define UART_PORTS	8

void uart_init(struct vm *vm);
void uart_io(unsigned int reg, bool in, uint8_t *data);

/* pc/halt.c: a VM in which no vCPU will ever run again ends with status 0. */
void halt_prepare(struct vcpu *vcpu);
int halt_wait(struct vm *vm, const sigset_t *signals);
void halt_report(struct vcpu *vcpu);

#endif
