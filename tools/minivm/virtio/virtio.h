/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio devices of guests of our own: modern ones (1.0 and later), with split
 * rings, in windows of I/O ports (ports.h).
 *
 * A thread for each device does all that takes time.  A vCPU that writes a
 * register takes the device's lock for a moment and leaves word.
 */
#ifndef MINIVM_VIRTIO_H
#define MINIVM_VIRTIO_H

#include <linux/virtio_ring.h>

#include "minivm.h"

#define VIRTIO_QUEUE_MAX	128	/* entries of a ring */
#define VIRTIO_QUEUES		2
#define VIRTIO_MAX_DEVICES	(MINIVM_MAX_DISKS + MINIVM_MAX_NETS)

/*
 * virtio/memory.c: the guest's memory.  What is touched is held, or a guest
 * with direct paging could make a page table of it meanwhile.
 */
bool memory_has(const struct vm *vm, uint64_t addr, uint64_t len);
/* NULL: it is a page table, or too much is held; errno says why. */
void *memory_hold(struct vm *vm, uint64_t addr, uint64_t len, int *hold);
void memory_release(struct vm *vm, int hold);

/* virtio/queue.c: a split ring, and the chains of buffers in it. */
enum { RING_DESC, RING_AVAIL, RING_USED, RING_PARTS };

struct segment {
	uint64_t addr;
	uint32_t len;
};

struct chain {
	uint16_t head;
	unsigned int nr, nr_out;	/* segments; the guest's output is first */
	uint64_t out_len, in_len;	/* seen from the guest */
	struct segment segs[VIRTIO_QUEUE_MAX];
};

/* Buffers that are held: header and status are often one page. */
#define QUEUE_SPANS		4

struct span {
	uint64_t addr, len;		/* whole pages */
	uint8_t *mem;
	int hold;
};

struct queue {
	struct vm *vm;
	/* As the guest wrote it. */
	uint32_t num;
	uint64_t addr[RING_PARTS];
	bool ready;			/* the ring is held */
	bool stop;			/* the thread shall let go of it */
	/* The thread's, while it serves. */
	bool live;
	const char *bad;		/* what the guest did wrong */
	int hold[RING_PARTS];
	const volatile struct vring_desc *desc;
	volatile struct vring_avail *avail;
	volatile struct vring_used *used;
	uint16_t avail_idx, used_idx;	/* the tool's own, no guest's */
	struct span spans[QUEUE_SPANS];	/* until the chain is given back */
	unsigned int nr_spans;
};

void queue_init(struct queue *q, struct vm *vm);
/* NULL, or why not. */
const char *queue_enable(struct queue *q);
void queue_disable(struct queue *q);
/* What was held of a chain that is not given back. */
void queue_drop(struct queue *q);
/* Whether there is a chain; if not, the guest is asked to tell of the next. */
bool queue_look(struct queue *q);
/* The next one.  False: there is none, or q->bad. */
bool queue_take(struct queue *q, struct chain *chain);
/* Back to the guest; whether it wants to be interrupted. */
bool queue_give(struct queue *q, const struct chain *chain, uint32_t written);
/* Bytes of the guest's output, or input; false: q->bad. */
bool chain_read(struct queue *q, const struct chain *chain, uint64_t pos,
		void *to, size_t len);
bool chain_write(struct queue *q, const struct chain *chain, uint64_t pos,
		 const void *from, size_t len);

/* virtio/device.c: the life of a device, and its thread. */
struct device;

struct device_type {
	uint32_t id;
	unsigned int nr_queues;
	/* What is in its queues, but not for ever; true: there may be more. */
	bool (*serve)(struct device *dev);
};

struct device {
	struct vm *vm;
	const struct device_type *type;
	void *arg;			/* the type's */
	unsigned int index;
	char name[8];			/* vda, net0 */
	uint64_t features;
	const void *config;		/* never changes */
	size_t config_size;
	int kick;			/* eventfd: look what there is to do */
	int irq;			/* eventfd */
	int wait_fd;			/* what else the thread waits for, or -1 */

	/* Between the vCPUs and the thread. */
	pthread_mutex_t lock;
	bool busy;			/* the thread serves */
	bool reset;			/* the guest wants one, when that is over */
	uint32_t status, queue_sel, features_sel, driver_sel;
	uint64_t driver_features;
	uint32_t isr;			/* atomic */
	uint32_t target;		/* whom it interrupts; atomic */
	const char *blame;		/* to be said by the thread */
	bool warned;
	struct queue queues[VIRTIO_QUEUES];
};

struct device *device_create(struct vm *vm, const struct device_type *type,
			     const char *name, void *arg);
/* All is set up: let its thread run. */
void device_start(struct device *dev);
void device_wake(struct device *dev);
/* Whether the thread shall stop what it does soon. */
bool device_wants_end(struct device *dev);
void device_used(struct device *dev, struct queue *q, const struct chain *chain,
		 uint32_t written);
/* Under the lock. */
void device_reset(struct device *dev);
void device_kill(struct device *dev, const char *why);

/* virtio/notify.c: kicks and interrupts by KVM alone; under the device's lock. */
void notify_init(struct device *dev);
void notify_target(struct device *dev, uint32_t target);
void notify_guest(struct device *dev, uint32_t why);

/* virtio/transport.c: registers. */
struct virtio {
	unsigned int nr;
	struct device *devices[VIRTIO_MAX_DEVICES];
};

unsigned int virtio_count(const struct vm *vm);
void virtio_add(struct vm *vm, struct device *dev);
/* False: the port is no device's. */
bool virtio_io(struct vm *vm, uint16_t port, bool in, uint8_t *data, size_t len);

/* virtio/blk.c: FILE or FILE:ro. */
void virtio_blk_create(struct vm *vm, unsigned int index, const char *disk);

/* virtio/link.c: where frames go: a tap device or a datagram socket. */
#define FRAME_MIN	14
#define FRAME_MAX	1514

struct link_spec {
	char kind[8];			/* tap, unix */
	char path[108], peer[108];	/* as in a struct sockaddr_un */
	uint8_t mac[6];
};

void link_parse(const char *s, struct link_spec *spec);
struct link *link_open(const struct link_spec *spec);
int link_fd(const struct link *link);
/* A frame that cannot be sent is lost, as on a cable. */
void link_send(struct link *link, const void *frame, size_t len);
/* 0: there is none. */
size_t link_receive(struct link *link, void *frame, size_t size);

/* virtio/net.c */
void virtio_net_create(struct vm *vm, unsigned int index, const char *net);

#endif
