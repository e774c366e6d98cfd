/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A small virtio driver for guests whose memory is mapped one to one: split
 * rings in I/O ports, on one vCPU.  Whoever uses it has the interrupt.
 */
#ifndef MINIVM_VIRTIO_LIB_H
#define MINIVM_VIRTIO_LIB_H

#include <stdint.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>

#include "../virtio/ports.h"
#include "guest.h"

#define VQ_SIZE		16
#define VDEV_QUEUES	2

struct vq {
	struct vring_desc desc[VQ_SIZE] __attribute__((aligned(4096)));
	struct vring_avail avail;
	uint16_t avail_ring[VQ_SIZE];
	struct vring_used used __attribute__((aligned(8)));
	struct vring_used_elem used_ring[VQ_SIZE];
	/* The driver's own. */
	uint16_t port;			/* of QueueNotify */
	uint16_t index, seen, free;
	unsigned int nr_free, kicks;
} __attribute__((aligned(4096)));

struct vdev {
	uint16_t port;
	struct vq queues[VDEV_QUEUES];
};

struct vbuf {
	const void *data;
	uint32_t len;
};

static inline uint32_t vdev_get(const struct vdev *dev, unsigned int reg)
{
	return inl(dev->port + reg);
}

static inline void vdev_put(const struct vdev *dev, unsigned int reg,
			    uint32_t val)
{
	outl(dev->port + reg, val);
}

/* The nth device of that kind; false: there is none. */
bool vdev_find(struct vdev *dev, uint32_t id, unsigned int nth);
/* Waits until the device has let go of everything. */
void vdev_reset(struct vdev *dev);
/* Up to FEATURES_OK; false: the device does not agree. */
bool vdev_agree(struct vdev *dev, uint64_t features);
/* False: the device did not take it. */
bool vdev_queue(struct vdev *dev, unsigned int index);
/* All of the above, and DRIVER_OK.  The target is as ports.h says. */
bool vdev_start(struct vdev *dev, uint64_t features, unsigned int queues,
		uint32_t target);

/* First what the device reads, then what it writes; -1: no room. */
int vq_add(struct vq *q, const struct vbuf *bufs, unsigned int nr_out,
	   unsigned int nr_in);
/* Tells the device, unless it looks anyway. */
void vq_kick(struct vq *q);
/* The head of a chain that came back, and what was written; -1: none. */
int vq_get(struct vq *q, uint32_t *len);

#endif
