// SPDX-License-Identifier: GPL-2.0-only
/* See virtio_lib.h. */
#include "virtio_lib.h"

bool vdev_find(struct vdev *dev, uint32_t id, unsigned int nth)
{
	dev->port = VIRTIO_PORTS_BASE;
	while (vdev_get(dev, VIRTIO_MMIO_MAGIC_VALUE) == VIRTIO_PORTS_MAGIC) {
		if (vdev_get(dev, VIRTIO_MMIO_DEVICE_ID) == id && !nth--)
			return true;
		dev->port += VIRTIO_PORTS;
	}
	return false;
}

void vdev_reset(struct vdev *dev)
{
	vdev_put(dev, VIRTIO_MMIO_STATUS, 0);
	while (vdev_get(dev, VIRTIO_MMIO_STATUS))
		asm volatile("pause");
}

bool vdev_agree(struct vdev *dev, uint64_t features)
{
	uint32_t status = VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER;

	features |= 1ULL << VIRTIO_F_VERSION_1;
	vdev_put(dev, VIRTIO_MMIO_STATUS, status);
	vdev_put(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
	vdev_put(dev, VIRTIO_MMIO_DRIVER_FEATURES, features);
	vdev_put(dev, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	vdev_put(dev, VIRTIO_MMIO_DRIVER_FEATURES, features >> 32);
	vdev_put(dev, VIRTIO_MMIO_STATUS, status | VIRTIO_CONFIG_S_FEATURES_OK);
	return vdev_get(dev, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_FEATURES_OK;
}

static void put_address(struct vdev *dev, unsigned int low, const void *p)
{
	vdev_put(dev, low, (uint64_t)p);
	vdev_put(dev, low + 4, (uint64_t)p >> 32);
}

bool vdev_queue(struct vdev *dev, unsigned int index)
{
	struct vq *q = &dev->queues[index];
	unsigned int i;

	*q = (struct vq) {
		.port = dev->port + VIRTIO_MMIO_QUEUE_NOTIFY, .index = index,
		.nr_free = VQ_SIZE,
	};
	for (i = 0; i < VQ_SIZE; i++)
		q->desc[i].next = i + 1;
	vdev_put(dev, VIRTIO_MMIO_QUEUE_SEL, index);
	vdev_put(dev, VIRTIO_MMIO_QUEUE_NUM, VQ_SIZE);
	put_address(dev, VIRTIO_MMIO_QUEUE_DESC_LOW, q->desc);
	put_address(dev, VIRTIO_MMIO_QUEUE_AVAIL_LOW, &q->avail);
	put_address(dev, VIRTIO_MMIO_QUEUE_USED_LOW, &q->used);
	vdev_put(dev, VIRTIO_MMIO_QUEUE_READY, 1);
	return vdev_get(dev, VIRTIO_MMIO_QUEUE_READY);
}

bool vdev_start(struct vdev *dev, uint64_t features, unsigned int queues,
		uint32_t target)
{
	unsigned int i;

	vdev_reset(dev);
	if (!vdev_agree(dev, features))
		return false;
	for (i = 0; i < queues; i++)
		if (!vdev_queue(dev, i))
			return false;
	vdev_put(dev, VIRTIO_PORTS_INTERRUPT, target);
	vdev_put(dev, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_DRIVER_OK);
	return vdev_get(dev, VIRTIO_PORTS_INTERRUPT) == target;
}

int vq_add(struct vq *q, const struct vbuf *bufs, unsigned int nr_out,
	   unsigned int nr_in)
{
	unsigned int i, n = nr_out + nr_in;
	uint16_t head = q->free;
	struct vring_desc *d;

	if (n > q->nr_free)
		return -1;
	for (i = 0; i < n; i++) {
		d = &q->desc[q->free];
		d->addr = (uint64_t)bufs[i].data;
		d->len = bufs[i].len;
		d->flags = (i < n - 1 ? VRING_DESC_F_NEXT : 0) |
			   (i < nr_out ? 0 : VRING_DESC_F_WRITE);
		q->free = d->next;
	}
	q->nr_free -= n;
	q->avail_ring[q->avail.idx % VQ_SIZE] = head;
	__atomic_store_n(&q->avail.idx, q->avail.idx + 1, __ATOMIC_RELEASE);
	return head;
}

void vq_kick(struct vq *q)
{
	/* After the index, before the look at what the device wants. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (*(volatile uint16_t *)&q->used.flags & VRING_USED_F_NO_NOTIFY)
		return;
	q->kicks++;
	outl(q->port, q->index);
}

static void free_chain(struct vq *q, uint16_t head)
{
	struct vring_desc *d = &q->desc[head];

	q->nr_free++;
	for (; d->flags & VRING_DESC_F_NEXT; q->nr_free++)
		d = &q->desc[d->next];
	d->next = q->free;
	q->free = head;
}

int vq_get(struct vq *q, uint32_t *len)
{
	struct vring_used_elem *e;

	if (__atomic_load_n(&q->used.idx, __ATOMIC_ACQUIRE) == q->seen)
		return -1;
	e = &q->used_ring[q->seen++ % VQ_SIZE];
	if (len)
		*len = e->len;
	free_chain(q, e->id);
	return e->id;
}
