/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where a guest finds its virtio devices: a window of I/O ports for each, the
 * disks first.  A window has the registers of virtio-mmio, version 2, at their
 * offsets: those below VIRTIO_MMIO_CONFIG by IN and OUT of 32 bits, the
 * configuration behind them by any.
 */
#ifndef MINIVM_VIRTIO_PORTS_H
#define MINIVM_VIRTIO_PORTS_H

#define VIRTIO_PORTS_BASE	0x8000	/* of device 0 */
#define VIRTIO_PORTS		0x200	/* to the next device */

#define VIRTIO_PORTS_MAGIC	0x74726976	/* else there is no device */
#define VIRTIO_PORTS_VERSION	2
#define VIRTIO_PORTS_VENDOR	0x6d76696d	/* "mivm" */

/*
 * A register of our own: whom the device interrupts, 0 (as after a reset) for
 * nobody.  With Xen's ABI it is an event channel that the guest left unbound
 * for domain 0, for the vCPU that this has then.  In all other guests it is a
 * vector, from 32 on, in bits 0 to 7, and a vCPU in bits 8 to 15.  What cannot
 * be reads back as 0.
 *
 * The interrupt is an edge: InterruptStatus and InterruptACK work, but need not
 * be used.
 */
#define VIRTIO_PORTS_INTERRUPT	0x0e0
#define VIRTIO_PORTS_TARGET(vector, vcpu)	((vector) | (vcpu) << 8)
#define VIRTIO_PORTS_FIRST_VECTOR	32

#endif
