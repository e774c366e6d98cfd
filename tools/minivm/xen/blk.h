/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the two files of the block back end: a disk, and its ring. */
#ifndef MINIVM_XEN_BLK_H
#define MINIVM_XEN_BLK_H

#include <pthread.h>
#include <stdint.h>

#include <xen/xen.h>
#include <xen/io/blkif.h>

#include "disk_file.h"
#include "xen.h"

/* What the front end asked for; the disk's thread follows. */
struct blk_wish {
	bool close;		/* at some time since the last look */
	bool connect;		/* after that, with: */
	uint32_t ring_ref, port;
	unsigned int state;	/* the last that it wrote; 0: none new */
};

struct disk {
	struct xen *xen;
	char front[64], back[64];	/* paths in xenstore */
	struct disk_file file;

	/* Between the vCPUs and the thread; taken last. */
	pthread_mutex_t lock;
	pthread_cond_t wake;
	bool kicked;
	struct blk_wish wish;

	/* The thread's own. */
	unsigned int state;	/* that xenstore shows */
	const char *blame;	/* what the guest did wrong, to be said */
	int blame_err;
	bool warned;		/* of the guest */
	uint32_t port;
	struct grant grant;
	blkif_sring_t *sring;	/* NULL: not connected */
	uint32_t req_cons;	/* responses follow at once: rsp_prod too */
};

enum blk_result { BLK_IDLE, BLK_MORE, BLK_BROKEN };

/* xen/blk_ring.c: the requests that are there, at most as many as fit. */
enum blk_result blk_ring_serve(struct disk *disk);

#endif
