/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest finds when it starts: the contract between `minivm run` and an
 * image.  Every vCPU starts at the ELF entry point in 64-bit mode, interrupts
 * off, the first 4 GiB mapped one to one (with direct paging: the memory that
 * there is), RDI = address of struct minivm_boot, RSI = number of the vCPU (its
 * APIC ID).  There is no stack.
 */
#ifndef MINIVM_BOOT_H
#define MINIVM_BOOT_H

#define MINIVM_BOOT_MAGIC	0x746f6f626d76696dULL	/* "mivmboot" */

/* Page tables, GDT, boot structure and arguments: no segment lies below. */
#define MINIVM_LOW		0x10000

#define MINIVM_PORT_CONSOLE	0xe9	/* write: one byte of output */
#define MINIVM_PORT_EXIT	0xf4	/* write: end of the VM, 0..63 */
#define MINIVM_PORT_MARK	0x80	/* nobody listens: for traces */

#ifndef __ASSEMBLER__
struct minivm_boot {
	unsigned long long magic;
	unsigned long long mem_size;	/* RAM is 0 .. mem_size */
	unsigned long long args;	/* address of a string, words by blanks */
	unsigned int cpus;
	unsigned int tsc_khz;
	/* With direct paging, else 0.  They lie above the RAM. */
	unsigned long long root;	/* address of the level-4 table */
	unsigned long long p2m;		/* address of the list of frames */
	unsigned long long frames;	/* that the list has, all mapped */
	/* Virtio devices and the ports of the first, virtio/ports.h. */
	unsigned int virtio_devices;
	unsigned int virtio_base;
};
#endif

#endif
