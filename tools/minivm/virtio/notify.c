// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kicks and interrupts, without the tool on the way: KVM turns a write to
 * QueueNotify into an eventfd, and an eventfd into an interrupt.
 *
 * The interrupt is a message, not a line of an IOAPIC: a guest with direct
 * paging has no MMIO and so no IOAPIC, one driver is enough for both kinds, and
 * a message is an edge, which nobody has to take back.  A guest of Xen's ABI
 * has an event channel instead.
 */
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <linux/virtio_mmio.h>

#include "ports.h"
#include "virtio.h"
#include "xen/xen.h"

/* Behind the lines of an IOAPIC, whose routes nobody here uses. */
#define FIRST_GSI	24

/* KVM takes all routes at a time. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entries[VIRTIO_MAX_DEVICES];
} routes;

static uint16_t port_of_device(const struct device *dev)
{
	return VIRTIO_PORTS_BASE + dev->index * VIRTIO_PORTS;
}

void notify_init(struct device *dev)
{
	struct kvm_ioeventfd kick = {
		.addr = port_of_device(dev) + VIRTIO_MMIO_QUEUE_NOTIFY,
		.len = 4, .fd = dev->kick, .flags = KVM_IOEVENTFD_FLAG_PIO,
	};
	struct kvm_irqfd irq = {
		.fd = dev->irq, .gsi = FIRST_GSI + dev->index,
	};

	if (ioctl(dev->vm->fd, KVM_IOEVENTFD, &kick) ||
	    ioctl(dev->vm->fd, KVM_IRQFD, &irq))
		fail(EX_OS, errno, NULL, "%s: KVM refuses its kicks or interrupts",
		     dev->name);
}

static bool set_route(struct device *dev, struct kvm_irq_routing_entry entry)
{
	bool ok;

	entry.gsi = FIRST_GSI + dev->index;
	pthread_mutex_lock(&lock);
	if (routes.head.nr <= dev->index)
		routes.head.nr = dev->index + 1;
	routes.entries[dev->index] = entry;
	ok = !ioctl(dev->vm->fd, KVM_SET_GSI_ROUTING, &routes);
	pthread_mutex_unlock(&lock);
	return ok;
}

/* Physical destinations of local APICs; a fixed vector, edge. */
static bool target_vector(struct device *dev, uint32_t target)
{
	uint32_t vector = target & 0xff, vcpu = target >> 8;

	return vector >= VIRTIO_PORTS_FIRST_VECTOR && vcpu < dev->vm->cpus &&
	       set_route(dev, (struct kvm_irq_routing_entry) {
			.type = KVM_IRQ_ROUTING_MSI,
			.u.msi.address_lo = 0xfee00000 | vcpu << 12,
			.u.msi.data = vector,
	       });
}

/* The guest can send on the port as well: that is nothing. */
static void ignore(void *arg)
{
}

static bool target_port(struct device *dev, uint32_t port)
{
	struct kvm_irq_routing_entry entry = {
		.type = KVM_IRQ_ROUTING_XEN_EVTCHN,
		.u.xen_evtchn = {
			.port = port,
			.priority = KVM_IRQ_ROUTING_XEN_EVTCHN_PRIO_2LEVEL,
		},
	};
	struct xen *xen = dev->vm->xen;
	bool ok;

	xen_lock(xen);
	ok = !event_bind(xen, port, ignore, dev);
	if (ok)
		entry.u.xen_evtchn.vcpu = event_vcpu(xen, port);
	xen_unlock(xen);
	return ok && set_route(dev, entry);
}

static void forget_port(struct device *dev)
{
	struct xen *xen = dev->vm->xen;

	if (!xen || !dev->target)
		return;
	xen_lock(xen);
	event_unbind(xen, dev->target, dev);
	xen_unlock(xen);
}

/* A device with no target interrupts nobody: its route is of no use then. */
void notify_target(struct device *dev, uint32_t target)
{
	bool ok = false;

	forget_port(dev);
	__atomic_store_n(&dev->target, 0, __ATOMIC_SEQ_CST);
	if (target)
		ok = dev->vm->xen ? target_port(dev, target) :
				    target_vector(dev, target);
	if (ok)
		__atomic_store_n(&dev->target, target, __ATOMIC_SEQ_CST);
}

void notify_guest(struct device *dev, uint32_t why)
{
	__atomic_or_fetch(&dev->isr, why, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&dev->target, __ATOMIC_SEQ_CST))
		eventfd_write(dev->irq, 1);
}
