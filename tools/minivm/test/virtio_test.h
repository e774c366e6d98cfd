/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's end of virtio, as tests play it. */
#ifndef MINIVM_VIRTIO_TEST_H
#define MINIVM_VIRTIO_TEST_H

#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>

#include "../disk_file.h"
#include "../virtio/ports.h"
#include "../virtio/virtio.h"
#include "xen_test.h"

#define DRIVER_UP	(VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER)
#define NEEDS_RESET	VIRTIO_CONFIG_S_NEEDS_RESET
#define QUEUE_SIZE	16
#define BUFFER_GFN	30	/* from here on there is room for buffers */
#define VECTOR		0x40

/* Rings lie in three pages for each queue. */
struct ring {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t seen;		/* of used->idx */
};

extern struct ring rings[VIRTIO_QUEUES];
extern struct device *dev;	/* the first, whose registers these are: */

uint32_t get(unsigned int reg);
void put(unsigned int reg, uint32_t val);

/* A machine with direct paging and nothing in it. */
void start_machine(void);
/* Features are agreed; what is set up of a queue is right, and not ready yet. */
void agree(uint64_t features);
void set_queue(unsigned int queue);
/* All of it, up to DRIVER_OK. */
void start_driver(unsigned int queues);
void describe(unsigned int queue, unsigned int i, uint64_t addr, uint32_t len,
	      uint16_t flags);
/* Make it available, and with kick() known; KVM would pass that on. */
void offer(unsigned int queue, uint16_t head);
void kick(void);
/* Wait for the next chain to come back; its length; and which it is. */
uint32_t await(unsigned int queue, uint16_t *head);
/* Wait for bits of the status. */
bool status_is(uint32_t mask, uint32_t bits);
/* How often the guest was interrupted since the last time. */
unsigned int interrupts(void);
uint64_t gpa(const void *p);

#endif
