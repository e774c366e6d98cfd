// SPDX-License-Identifier: GPL-2.0-only
/* Disks: requests of a queue, one after the other, to and from a file. */
#include <errno.h>
#include <stdlib.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "disk_file.h"
#include "virtio.h"

#define BATCH		VIRTIO_QUEUE_MAX
#define ID_SIZE		VIRTIO_BLK_ID_BYTES

/* What is not set is 0: the guest looks at what was agreed only. */
struct blk {
	struct disk_file file;
	struct virtio_blk_config config;
	struct chain chain;
	uint8_t buf[64 << 10];
};

/* Its answer is for nobody when a reset came meanwhile. */
static uint8_t transfer(struct device *dev, const struct virtio_blk_outhdr *hdr,
			bool write)
{
	struct queue *q = &dev->queues[0];
	struct blk *blk = dev->arg;
	const struct chain *chain = &blk->chain;
	uint64_t pos = 0, size, n;
	bool ok;

	size = write ? chain->out_len - sizeof(*hdr) : chain->in_len - 1;
	if (!size || size % SECTOR_SIZE || hdr->sector > blk->file.sectors ||
	    size / SECTOR_SIZE > blk->file.sectors - hdr->sector ||
	    (write && blk->file.read_only))
		return VIRTIO_BLK_S_IOERR;
	for (; pos < size; pos += n) {
		n = size - pos < sizeof(blk->buf) ? size - pos :
						    sizeof(blk->buf);
		if (write && !chain_read(q, chain, sizeof(*hdr) + pos,
					 blk->buf, n))
			return VIRTIO_BLK_S_IOERR;
		ok = disk_file_access(&blk->file, blk->buf, n,
				      hdr->sector * SECTOR_SIZE + pos, write);
		if (!ok || device_wants_end(dev))
			return VIRTIO_BLK_S_IOERR;
		if (!write && !chain_write(q, chain, pos, blk->buf, n))
			return VIRTIO_BLK_S_IOERR;
	}
	return VIRTIO_BLK_S_OK;
}

static uint8_t get_id(struct device *dev)
{
	struct blk *blk = dev->arg;
	char id[ID_SIZE] = "";

	snprintf(id, sizeof(id), "minivm %s", dev->name);
	return blk->chain.in_len - 1 == ID_SIZE &&
	       chain_write(&dev->queues[0], &blk->chain, 0, id, ID_SIZE) ?
	       VIRTIO_BLK_S_OK : VIRTIO_BLK_S_IOERR;
}

static uint8_t do_request(struct device *dev,
			  const struct virtio_blk_outhdr *hdr)
{
	struct blk *blk = dev->arg;

	switch (hdr->type) {
	case VIRTIO_BLK_T_IN:
		return transfer(dev, hdr, false);
	case VIRTIO_BLK_T_OUT:
		return transfer(dev, hdr, true);
	case VIRTIO_BLK_T_FLUSH:
		return disk_file_sync(&blk->file) ? VIRTIO_BLK_S_OK :
						    VIRTIO_BLK_S_IOERR;
	case VIRTIO_BLK_T_GET_ID:
		return get_id(dev);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

static bool is_input(const struct virtio_blk_outhdr *hdr)
{
	return hdr->type == VIRTIO_BLK_T_IN || hdr->type == VIRTIO_BLK_T_GET_ID;
}

/* The last byte of the guest's input is the status, wherever it lies. */
static void serve_one(struct device *dev)
{
	struct queue *q = &dev->queues[0];
	struct blk *blk = dev->arg;
	struct virtio_blk_outhdr hdr;
	uint8_t status;

	if (blk->chain.out_len < sizeof(hdr) || !blk->chain.in_len) {
		q->bad = "a request of the guest has no room for header and status";
		return;
	}
	if (!chain_read(q, &blk->chain, 0, &hdr, sizeof(hdr)))
		return;
	status = do_request(dev, &hdr);
	if (q->bad || device_wants_end(dev) ||
	    !chain_write(q, &blk->chain, blk->chain.in_len - 1, &status, 1))
		return;
	/* Of an error only the status; else all that it gave room for. */
	device_used(dev, q, &blk->chain, is_input(&hdr) &&
		    status == VIRTIO_BLK_S_OK ? blk->chain.in_len : 1);
}

static bool serve(struct device *dev)
{
	struct blk *blk = dev->arg;
	unsigned int i;

	for (i = 0; i < BATCH && !device_wants_end(dev); i++) {
		if (!queue_take(&dev->queues[0], &blk->chain))
			return false;
		serve_one(dev);
	}
	return true;
}

static const struct device_type blk_type = {
	.id = VIRTIO_ID_BLOCK, .nr_queues = 1, .serve = serve,
};

void virtio_blk_create(struct vm *vm, unsigned int index, const char *disk)
{
	struct blk *blk = calloc(1, sizeof(*blk));
	struct device *dev;
	char name[8];

	if (!blk)
		fail(EX_OS, ENOMEM, NULL, "cannot attach disk %s", disk);
	snprintf(name, sizeof(name), "vd%c", 'a' + index);
	disk_file_open(&blk->file, name, disk);
	blk->config.capacity = blk->file.sectors;
	/* The others are for header and status. */
	blk->config.seg_max = VIRTIO_QUEUE_MAX - 2;
	blk->config.blk_size = SECTOR_SIZE;
	dev = device_create(vm, &blk_type, name, blk);
	dev->features |= 1ULL << VIRTIO_BLK_F_SEG_MAX |
			 1ULL << VIRTIO_BLK_F_BLK_SIZE |
			 1ULL << VIRTIO_BLK_F_FLUSH;
	if (blk->file.read_only)
		dev->features |= 1ULL << VIRTIO_BLK_F_RO;
	dev->config = &blk->config;
	dev->config_size = sizeof(blk->config);
	device_start(dev);
}
