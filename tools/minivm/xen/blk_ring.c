// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of a disk: from the ring, between file and granted frames, and
 * answered, one after the other.  The guest can write the ring at any time: the
 * tool goes by an index of its own, and copies a request before it looks at it.
 */
#include <string.h>

#include "blk.h"

#define RING_ENTRIES	__CONST_RING_SIZE(blkif, 4096)
#define PAGE_SECTORS	8

/*
 * By way of a buffer: some file systems pin the pages of whoever calls, and
 * the guest's have none that could be pinned.
 */
static bool do_segment(struct disk *disk,
		       const struct blkif_request_segment *seg, uint64_t sector,
		       bool write)
{
	size_t offset = seg->first_sect * SECTOR_SIZE;
	size_t size = (seg->last_sect - seg->first_sect + 1) * SECTOR_SIZE;
	char buf[PAGE_SECTORS * SECTOR_SIZE];
	struct grant grant;
	bool ok;
	int err;

	xen_lock(disk->xen);
	err = grant_map(disk->xen, seg->gref, !write, &grant);
	xen_unlock(disk->xen);
	if (err)
		return false;
	if (write)
		memcpy(buf, (char *)grant.page + offset, size);
	ok = disk_file_access(&disk->file, buf, size, sector * SECTOR_SIZE,
			      write);
	if (ok && !write)
		memcpy((char *)grant.page + offset, buf, size);
	xen_lock(disk->xen);
	grant_unmap(disk->xen, &grant);
	xen_unlock(disk->xen);
	return ok;
}

static bool is_valid(const struct disk *disk, const struct blkif_request *req)
{
	const struct blkif_request_segment *seg = req->seg;
	uint64_t count = 0;
	unsigned int i;

	if (req->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return false;
	for (i = 0; i < req->nr_segments; i++, seg++) {
		if (seg->first_sect > seg->last_sect ||
		    seg->last_sect >= PAGE_SECTORS)
			return false;
		count += seg->last_sect - seg->first_sect + 1;
	}
	return req->sector_number <= disk->file.sectors &&
	       count <= disk->file.sectors - req->sector_number;
}

static bool transfer(struct disk *disk, const struct blkif_request *req,
		     bool write)
{
	uint64_t sector = req->sector_number;
	unsigned int i;

	if (!is_valid(disk, req) || (write && disk->file.read_only))
		return false;
	for (i = 0; i < req->nr_segments; i++) {
		if (!do_segment(disk, &req->seg[i], sector, write))
			return false;
		sector += req->seg[i].last_sect - req->seg[i].first_sect + 1;
	}
	return true;
}

/* All that was written before, what comes with it, and then that is on disk. */
static bool flush(struct disk *disk, const struct blkif_request *req)
{
	if (!req->nr_segments)
		return disk_file_sync(&disk->file);
	return disk_file_sync(&disk->file) && transfer(disk, req, true) && disk_file_sync(&disk->file);
}

static int16_t do_request(struct disk *disk, const struct blkif_request *req)
{
	bool ok;

	switch (req->operation) {
	case BLKIF_OP_READ:
		ok = req->nr_segments && transfer(disk, req, false);
		break;
	case BLKIF_OP_WRITE:
		ok = req->nr_segments && transfer(disk, req, true);
		break;
	case BLKIF_OP_FLUSH_DISKCACHE:
	case BLKIF_OP_WRITE_BARRIER:
		ok = flush(disk, req);
		break;
	default:
		return BLKIF_RSP_EOPNOTSUPP;
	}
	return ok ? BLKIF_RSP_OKAY : BLKIF_RSP_ERROR;
}

/* In the place of the request, which was copied. */
static void respond(struct disk *disk, const struct blkif_request *req,
		    int16_t status)
{
	blkif_sring_t *sring = disk->sring;
	struct blkif_response *rsp;

	rsp = &sring->ring[disk->req_cons++ % RING_ENTRIES].rsp;
	rsp->id = req->id;
	rsp->operation = req->operation;
	rsp->status = status;
	/* Before the look at what the guest waits for. */
	__atomic_store_n(&sring->rsp_prod, disk->req_cons, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&sring->rsp_event, __ATOMIC_SEQ_CST) ==
	    disk->req_cons)
		event_notify(disk->xen, disk->port);
}

static uint32_t count_requests(const struct disk *disk)
{
	return __atomic_load_n(&disk->sring->req_prod, __ATOMIC_SEQ_CST) -
	       disk->req_cons;
}

/* If there is none, ask to be told of the next; it may have come meanwhile. */
static uint32_t look_for_requests(struct disk *disk)
{
	uint32_t count = count_requests(disk);

	if (count)
		return count;
	__atomic_store_n(&disk->sring->req_event, disk->req_cons + 1,
			 __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return count_requests(disk);
}

enum blk_result blk_ring_serve(struct disk *disk)
{
	struct blkif_request req;
	uint32_t count;
	unsigned int i;

	for (i = 0; i < RING_ENTRIES; i++) {
		count = look_for_requests(disk);
		if (!count)
			return BLK_IDLE;
		if (count > RING_ENTRIES)
			return BLK_BROKEN;
		memcpy(&req, &disk->sring->ring[disk->req_cons %
						RING_ENTRIES].req, sizeof(req));
		/* The copy is what counts, the compiler shall not look again. */
		__asm__ volatile("" ::: "memory");
		respond(disk, &req, do_request(disk, &req));
	}
	return BLK_MORE;
}
