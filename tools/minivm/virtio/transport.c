// SPDX-License-Identifier: GPL-2.0-only
/* Registers of virtio-mmio in I/O ports; those of the selected queue, too. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "ports.h"
#include "virtio.h"

unsigned int virtio_count(const struct vm *vm)
{
	return vm->virtio ? vm->virtio->nr : 0;
}

void virtio_add(struct vm *vm, struct device *dev)
{
	if (!vm->virtio)
		vm->virtio = calloc(1, sizeof(*vm->virtio));
	if (!vm->virtio)
		fail(EX_OS, ENOMEM, NULL, "%s: cannot create it", dev->name);
	dev->index = vm->virtio->nr++;
	vm->virtio->devices[dev->index] = dev;
}

/* NULL: the guest selected one that there is not. */
static struct queue *selected(struct device *dev)
{
	return dev->queue_sel < dev->type->nr_queues ?
	       &dev->queues[dev->queue_sel] : NULL;
}

static uint32_t half(uint64_t val, uint32_t sel)
{
	return sel < 2 ? val >> 32 * sel : 0;
}

static void set_half(uint64_t *val, uint32_t sel, uint32_t half)
{
	if (sel < 2)
		*val = (*val & ~(0xffffffffULL << 32 * sel)) |
		       (uint64_t)half << 32 * sel;
}

static uint32_t read_register(struct device *dev, unsigned int reg)
{
	struct queue *q = selected(dev);

	switch (reg) {
	case VIRTIO_MMIO_MAGIC_VALUE:
		return VIRTIO_PORTS_MAGIC;
	case VIRTIO_MMIO_VERSION:
		return VIRTIO_PORTS_VERSION;
	case VIRTIO_MMIO_DEVICE_ID:
		return dev->type->id;
	case VIRTIO_MMIO_VENDOR_ID:
		return VIRTIO_PORTS_VENDOR;
	case VIRTIO_MMIO_DEVICE_FEATURES:
		return half(dev->features, dev->features_sel);
	case VIRTIO_MMIO_QUEUE_NUM_MAX:
		return q ? VIRTIO_QUEUE_MAX : 0;
	case VIRTIO_MMIO_QUEUE_READY:
		return q && q->ready;
	case VIRTIO_MMIO_INTERRUPT_STATUS:
		return __atomic_load_n(&dev->isr, __ATOMIC_SEQ_CST);
	case VIRTIO_MMIO_STATUS:
		return dev->status;
	case VIRTIO_PORTS_INTERRUPT:
		return dev->target;
	case VIRTIO_MMIO_SHM_LEN_LOW:
	case VIRTIO_MMIO_SHM_LEN_HIGH:
	case VIRTIO_MMIO_SHM_BASE_LOW:
	case VIRTIO_MMIO_SHM_BASE_HIGH:
		return ~0U;
	default:
		return 0;
	}
}

/* Features that the tool knows, or the bit does not stay. */
static bool features_are_ok(const struct device *dev)
{
	return !(dev->driver_features & ~dev->features) &&
	       dev->driver_features & 1ULL << VIRTIO_F_VERSION_1;
}

/* Bits come one after the other, and go by a reset. */
static void write_status(struct device *dev, uint32_t val)
{
	uint32_t next = dev->status | (val & 0xff &
				       ~VIRTIO_CONFIG_S_NEEDS_RESET);

	if (!val) {
		device_reset(dev);
		return;
	}
	if (next & ~dev->status & VIRTIO_CONFIG_S_FEATURES_OK &&
	    !features_are_ok(dev))
		next &= ~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(next & VIRTIO_CONFIG_S_FEATURES_OK))
		next &= ~VIRTIO_CONFIG_S_DRIVER_OK;
	dev->status = next;
	/* It may have been kicked before. */
	device_wake(dev);
}

static void write_ready(struct device *dev, struct queue *q, uint32_t val)
{
	const char *why;

	if (val & 1) {
		why = q->ready ? NULL : queue_enable(q);
		if (why)
			device_kill(dev, why);
	} else if (dev->busy) {
		q->stop = q->ready;
	} else {
		queue_disable(q);
	}
	device_wake(dev);
}

/* A queue is set up after the features are agreed, and while it is not ready. */
static void write_queue(struct device *dev, unsigned int reg, uint32_t val)
{
	struct queue *q = selected(dev);

	if (!q || !(dev->status & VIRTIO_CONFIG_S_FEATURES_OK) ||
	    dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	if (reg == VIRTIO_MMIO_QUEUE_READY) {
		write_ready(dev, q, val);
		return;
	}
	if (q->ready)
		return;
	switch (reg) {
	case VIRTIO_MMIO_QUEUE_NUM:
		q->num = val;
		break;
	case VIRTIO_MMIO_QUEUE_DESC_LOW:
	case VIRTIO_MMIO_QUEUE_DESC_HIGH:
		set_half(&q->addr[RING_DESC], reg / 4 % 2, val);
		break;
	case VIRTIO_MMIO_QUEUE_AVAIL_LOW:
	case VIRTIO_MMIO_QUEUE_AVAIL_HIGH:
		set_half(&q->addr[RING_AVAIL], reg / 4 % 2, val);
		break;
	case VIRTIO_MMIO_QUEUE_USED_LOW:
	case VIRTIO_MMIO_QUEUE_USED_HIGH:
		set_half(&q->addr[RING_USED], reg / 4 % 2, val);
		break;
	}
}

static void write_register(struct device *dev, unsigned int reg, uint32_t val)
{
	/* Until it is reset it is deaf. */
	if (dev->reset)
		return;
	switch (reg) {
	case VIRTIO_MMIO_DEVICE_FEATURES_SEL:
		dev->features_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES_SEL:
		dev->driver_sel = val;
		break;
	case VIRTIO_MMIO_DRIVER_FEATURES:
		if (!(dev->status & VIRTIO_CONFIG_S_FEATURES_OK))
			set_half(&dev->driver_features, dev->driver_sel, val);
		break;
	case VIRTIO_MMIO_QUEUE_SEL:
		dev->queue_sel = val;
		break;
	case VIRTIO_MMIO_QUEUE_NOTIFY:
		/* KVM does it, but for what is no OUT of 32 bits. */
		device_wake(dev);
		break;
	case VIRTIO_MMIO_INTERRUPT_ACK:
		__atomic_and_fetch(&dev->isr, ~val, __ATOMIC_SEQ_CST);
		break;
	case VIRTIO_MMIO_STATUS:
		write_status(dev, val);
		break;
	case VIRTIO_PORTS_INTERRUPT:
		notify_target(dev, val);
		break;
	default:
		write_queue(dev, reg, val);
	}
}

static void read_config(const struct device *dev, unsigned int pos,
			uint8_t *data, size_t len)
{
	memset(data, 0, len);
	if (pos < dev->config_size)
		memcpy(data, (const uint8_t *)dev->config + pos,
		       len < dev->config_size - pos ? len :
		       dev->config_size - pos);
}

static void access_register(struct device *dev, unsigned int reg, bool in,
			    uint8_t *data)
{
	uint32_t val;

	memcpy(&val, data, sizeof(val));
	pthread_mutex_lock(&dev->lock);
	if (in)
		val = read_register(dev, reg);
	else
		write_register(dev, reg, val);
	pthread_mutex_unlock(&dev->lock);
	memcpy(data, &val, sizeof(val));
}

bool virtio_io(struct vm *vm, uint16_t port, bool in, uint8_t *data, size_t len)
{
	unsigned int index = (uint16_t)(port - VIRTIO_PORTS_BASE) / VIRTIO_PORTS;
	unsigned int reg = (uint16_t)(port - VIRTIO_PORTS_BASE) % VIRTIO_PORTS;
	struct device *dev;

	if (index >= virtio_count(vm))
		return false;
	dev = vm->virtio->devices[index];
	if (reg >= VIRTIO_MMIO_CONFIG && in)
		read_config(dev, reg - VIRTIO_MMIO_CONFIG, data, len);
	else if (reg < VIRTIO_MMIO_CONFIG && len == 4 && !(reg % 4))
		access_register(dev, reg, in, data);
	else if (in)
		memset(data, 0xff, len);
	return true;
}
