// SPDX-License-Identifier: GPL-2.0-only
/*
 * Network devices: frames between two queues and a link, without offloads.  A
 * frame stays with the host until the guest has a buffer for it.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "virtio.h"

enum { QUEUE_RX, QUEUE_TX };

#define BATCH	VIRTIO_QUEUE_MAX
#define HEADER	sizeof(struct virtio_net_hdr_v1)
/* What a driver gives without offloads, at least. */
#define RX_MIN	(HEADER + FRAME_MAX)

struct net {
	struct link *link;
	struct virtio_net_config config;
	struct chain chain;
	/* A byte more than the longest, to see what is longer. */
	uint8_t frame[HEADER + FRAME_MAX + 1];
};

static void send_one(struct device *dev)
{
	struct queue *q = &dev->queues[QUEUE_TX];
	struct net *net = dev->arg;
	const struct chain *chain = &net->chain;
	uint64_t len = chain->out_len - HEADER;

	if (chain->in_len || chain->out_len < HEADER) {
		q->bad = "a frame that the guest sends has no header, or wants an answer";
		return;
	}
	if (len >= FRAME_MIN && len <= FRAME_MAX) {
		if (!chain_read(q, chain, HEADER, net->frame, len))
			return;
		link_send(net->link, net->frame, len);
	}
	device_used(dev, q, chain, 0);
}

/* True: there may be more. */
static bool send_frames(struct device *dev)
{
	struct net *net = dev->arg;
	unsigned int i;

	for (i = 0; i < BATCH && !device_wants_end(dev); i++) {
		if (!queue_take(&dev->queues[QUEUE_TX], &net->chain))
			return false;
		send_one(dev);
	}
	return true;
}

/* The header says: one buffer, nothing is left to the guest. */
static void receive_one(struct device *dev, size_t len)
{
	struct virtio_net_hdr_v1 hdr = { .num_buffers = 1 };
	struct queue *q = &dev->queues[QUEUE_RX];
	struct net *net = dev->arg;

	if (!queue_take(q, &net->chain))
		return;
	if (net->chain.out_len || net->chain.in_len < RX_MIN) {
		q->bad = "a buffer of the guest for a frame is too short, or read-only";
		return;
	}
	len += HEADER;
	memcpy(net->frame, &hdr, HEADER);
	if (chain_write(q, &net->chain, 0, net->frame, len))
		device_used(dev, q, &net->chain, len);
}

static bool receive_frames(struct device *dev)
{
	struct net *net = dev->arg;
	unsigned int i;
	size_t len;

	for (i = 0; i < BATCH && !device_wants_end(dev); i++) {
		if (!queue_look(&dev->queues[QUEUE_RX]))
			return false;
		len = link_receive(net->link, net->frame + HEADER,
				   sizeof(net->frame) - HEADER);
		if (!len) {
			dev->wait_fd = link_fd(net->link);
			return false;
		}
		receive_one(dev, len);
	}
	return true;
}

static bool serve(struct device *dev)
{
	bool more = send_frames(dev);

	return receive_frames(dev) || more;
}

static const struct device_type net_type = {
	.id = VIRTIO_ID_NET, .nr_queues = 2, .serve = serve,
};

void virtio_net_create(struct vm *vm, unsigned int index, const char *text)
{
	struct net *net = calloc(1, sizeof(*net));
	struct link_spec spec;
	struct device *dev;
	char name[8];

	if (!net)
		fail(EX_OS, ENOMEM, NULL, "--net %s: no memory", text);
	link_parse(text, &spec);
	snprintf(name, sizeof(name), "net%u", index);
	net->link = link_open(&spec);
	memcpy(net->config.mac, spec.mac, sizeof(spec.mac));
	net->config.status = VIRTIO_NET_S_LINK_UP;
	dev = device_create(vm, &net_type, name, net);
	dev->features |= 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS;
	dev->config = &net->config;
	dev->config_size = sizeof(net->config);
	device_start(dev);
}
