/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the files of xenstore: its requests, its tree, watches, its ring. */
#ifndef MINIVM_XEN_STORE_H
#define MINIVM_XEN_STORE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <xen/io/xs_wire.h>

#include "xen.h"

#define STORE_HOME		"/local/domain/1"	/* the guest's */

/* What one guest may make the tool keep; Xen's own limits, or less. */
#define STORE_MAX_NODES		1000
#define STORE_MAX_VALUE		2048
#define STORE_MAX_PATH		1024	/* absolute, without the NUL */
#define STORE_MAX_WATCHES	128
#define STORE_MAX_TOKEN		1024
#define STORE_MAX_TRANSACTIONS	10
#define STORE_MAX_QUEUE		(512 << 10)	/* bytes that wait to be read */

struct store_msg {
	struct xsd_sockmsg hdr;
	char body[XENSTORE_PAYLOAD_MAX + 1];	/* a NUL follows hdr.len bytes */
};

/* xen/store_tree.c: paths are absolute and checked; by_guest: rules apply. */
struct node {
	struct node *parent, *child, *next;
	char *value;		/* a NUL follows, so that it is a string too */
	size_t len;
	bool guest;		/* the guest may write it, and so below it */
	char name[];
};

struct tree {
	struct node *root;
	unsigned int nr_guest_nodes;
};

bool tree_path_valid(const char *path);
bool tree_init(struct tree *tree);
struct node *tree_find(const struct tree *tree, const char *path);
struct node *tree_make(struct tree *tree, const char *path, bool by_guest,
		       int *err);
int tree_write(struct tree *tree, const char *path, const void *value,
	       size_t len, bool by_guest);
/* By the guest. */
int tree_remove(struct tree *tree, const char *path);
/* Names of the children, each with its NUL; the length, or -errno. */
int tree_list(const struct node *node, char *buf, size_t size);

/* xen/store_ring.c: messages over a page whose indices the guest can write. */
struct store_ring {
	struct xenstore_domain_interface *page;	/* NULL: no connection */
	uint32_t req_prod;	/* when the guest was last asked */
	uint32_t req_cons, rsp_prod;
	size_t have;		/* bytes of the message that comes in */
	struct store_msg in;
	struct chunk *first, **last;	/* what waits for room in the page */
	size_t queued;
	bool moved;
	const char *why;	/* there is no connection any more; NULL: said */
};

void store_ring_init(struct store_ring *ring, void *page);
/* Look once at what there is to read: a call handles no more than that. */
void store_ring_poll(struct store_ring *ring);
bool store_ring_receive(struct store_ring *ring, struct store_msg *msg);
void store_ring_send(struct store_ring *ring, const struct xsd_sockmsg *hdr,
		     const void *body);
/* True: all that was sent is in the page. */
bool store_ring_flush(struct store_ring *ring);
/* Whether the guest has something to look at since the last call. */
bool store_ring_moved(struct store_ring *ring);

/* xen/store_watch.c: who is told of changes; removed: with all below it. */
struct watches {
	struct watch *guest;
	unsigned int nr_guest;
	struct tool_watch *tool;
};

int watch_add(struct watches *watches, const char *path, bool relative,
	      const char *token, struct watch **new);
int watch_remove(struct watches *watches, const char *path, const char *token);
void watches_remove(struct watches *watches);
bool watch_add_tool(struct watches *watches, const char *path, store_fn fn,
		    void *arg);
/* No path: that of the watch. */
void watch_send(struct store_ring *ring, const struct watch *w,
		const char *path);
void watches_tell_guest(const struct watches *watches, struct store_ring *ring,
			const char *path, bool removed);
void watches_tell_tool(const struct watches *watches, const char *path,
		       bool removed);

#endif
