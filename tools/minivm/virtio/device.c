// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of a device.  While its thread serves, the rings are the thread's;
 * what a vCPU wants done with them meanwhile, the thread does afterwards.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "virtio.h"

static void stop_queues(struct device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->type->nr_queues; i++)
		if (dev->queues[i].stop)
			queue_disable(&dev->queues[i]);
}

void device_reset(struct device *dev)
{
	unsigned int i;

	__atomic_store_n(&dev->reset, dev->busy, __ATOMIC_SEQ_CST);
	if (dev->busy)
		return;
	for (i = 0; i < dev->type->nr_queues; i++) {
		queue_disable(&dev->queues[i]);
		queue_init(&dev->queues[i], dev->vm);
	}
	notify_target(dev, 0);
	dev->queue_sel = dev->features_sel = dev->driver_sel = 0;
	dev->driver_features = 0;
	__atomic_store_n(&dev->isr, 0, __ATOMIC_SEQ_CST);
	dev->status = 0;
}

/* It does nothing more until the guest resets it. */
void device_kill(struct device *dev, const char *why)
{
	if (dev->status & VIRTIO_CONFIG_S_NEEDS_RESET)
		return;
	dev->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	dev->blame = why;
	if (dev->status & VIRTIO_CONFIG_S_DRIVER_OK)
		notify_guest(dev, VIRTIO_MMIO_INT_CONFIG);
	device_wake(dev);
}

void device_wake(struct device *dev)
{
	eventfd_write(dev->kick, 1);
}

bool device_wants_end(struct device *dev)
{
	return __atomic_load_n(&dev->reset, __ATOMIC_SEQ_CST);
}

void device_used(struct device *dev, struct queue *q, const struct chain *chain,
		 uint32_t written)
{
	if (queue_give(q, chain, written))
		notify_guest(dev, VIRTIO_MMIO_INT_VRING);
}

static bool is_live(const struct device *dev)
{
	return (dev->status & (VIRTIO_CONFIG_S_DRIVER_OK |
			       VIRTIO_CONFIG_S_NEEDS_RESET |
			       VIRTIO_CONFIG_S_FAILED)) ==
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

static bool begin(struct device *dev)
{
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	dev->busy = is_live(dev);
	for (i = 0; i < dev->type->nr_queues; i++)
		dev->queues[i].live = dev->queues[i].ready;
	pthread_mutex_unlock(&dev->lock);
	return dev->busy;
}

/* Said after the lock, and once: a guest cannot fill a log. */
static void end_turn(struct device *dev)
{
	const char *blame;
	unsigned int i;

	pthread_mutex_lock(&dev->lock);
	dev->busy = false;
	for (i = 0; i < dev->type->nr_queues; i++) {
		queue_drop(&dev->queues[i]);
		if (dev->queues[i].bad && !dev->reset)
			device_kill(dev, dev->queues[i].bad);
	}
	stop_queues(dev);
	if (dev->reset)
		device_reset(dev);
	blame = dev->warned ? NULL : dev->blame;
	dev->blame = NULL;
	pthread_mutex_unlock(&dev->lock);
	if (!blame)
		return;
	dev->warned = true;
	warn(0, "the device is dead until the guest resets it", "%s: %s",
	     dev->name, blame);
}

static void wait_for_work(struct device *dev)
{
	struct pollfd fds[] = {
		{ .fd = dev->kick, .events = POLLIN },
		{ .fd = dev->wait_fd, .events = POLLIN },
	};
	eventfd_t count;

	while (poll(fds, 2, -1) < 0)
		if (errno != EINTR)
			fail(EX_OS, errno, NULL, "%s: cannot wait", dev->name);
	if (fds[0].revents)
		eventfd_read(dev->kick, &count);
}

static void *device_thread(void *arg)
{
	struct device *dev = arg;
	bool more;

	name_thread(dev->name);
	io_policy_apply(dev->name);
	for (;;) {
		dev->wait_fd = -1;
		more = begin(dev) && dev->type->serve(dev);
		end_turn(dev);
		if (!more)
			wait_for_work(dev);
	}
	return NULL;
}

static int make_eventfd(const char *name)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	if (fd < 0)
		fail(EX_OS, errno, NULL, "%s: cannot create it", name);
	return fd;
}

struct device *device_create(struct vm *vm, const struct device_type *type,
			     const char *name, void *arg)
{
	struct device *dev = calloc(1, sizeof(*dev));
	unsigned int i;

	if (!dev)
		fail(EX_OS, ENOMEM, NULL, "%s: cannot create it", name);
	dev->vm = vm;
	dev->type = type;
	dev->arg = arg;
	dev->features = 1ULL << VIRTIO_F_VERSION_1;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	pi_mutex_init(&dev->lock);
	for (i = 0; i < type->nr_queues; i++)
		queue_init(&dev->queues[i], vm);
	dev->kick = make_eventfd(name);
	dev->irq = make_eventfd(name);
	virtio_add(vm, dev);
	return dev;
}

void device_start(struct device *dev)
{
	notify_init(dev);
	start_thread(dev->name, device_thread, dev);
}
