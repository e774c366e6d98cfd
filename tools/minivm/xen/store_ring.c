// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page that carries xenstore: a ring of bytes each way.  The guest can
 * write all of the page at any time, so the tool goes by indices of its own,
 * takes each of the guest's once, and ends the connection at the first that
 * cannot be.
 */
#include <stdlib.h>
#include <string.h>

#include "minivm.h"
#include "store.h"

/* What waits for room in the ring. */
struct chunk {
	struct chunk *next;
	size_t len, done;
	char data[];
};

static void drop_queue(struct store_ring *ring)
{
	struct chunk *c;

	while ((c = ring->first)) {
		ring->first = c->next;
		free(c);
	}
	ring->last = &ring->first;
	ring->queued = 0;
}

/* The lock is held: what is to be said, says who polls the ring, later. */
static void give_up(struct store_ring *ring, uint32_t error, const char *why)
{
	ring->why = why;
	ring->page->error = error;
	ring->page = NULL;
	ring->moved = true;
	drop_queue(ring);
}

void store_ring_init(struct store_ring *ring, void *page)
{
	ring->last = &ring->first;
	drop_queue(ring);
	ring->page = page;
	ring->page->server_features = XENSTORE_SERVER_FEATURE_ERROR;
	ring->req_cons = ring->page->req_cons;
	ring->req_prod = ring->req_cons;
	ring->rsp_prod = ring->page->rsp_prod;
	ring->have = 0;
}

void store_ring_poll(struct store_ring *ring)
{
	uint32_t prod;

	if (!ring->page)
		return;
	prod = __atomic_load_n(&ring->page->req_prod, __ATOMIC_ACQUIRE);
	if (prod - ring->req_cons > XENSTORE_RING_SIZE) {
		give_up(ring, XENSTORE_ERROR_RINGIDX,
			"the guest sent impossible indices of xenstore's requests");
		return;
	}
	ring->req_prod = prod;
}

/* Bytes that lie in one piece from that index on, at most n. */
static size_t in_one_piece(uint32_t idx, size_t n)
{
	size_t room = XENSTORE_RING_SIZE - MASK_XENSTORE_IDX(idx);

	return n < room ? n : room;
}

/* The message that comes in, up to that length; false: there is no more yet. */
static bool fill(struct store_ring *ring, size_t upto)
{
	size_t n;

	while (ring->have < upto) {
		n = ring->req_prod - ring->req_cons;
		if (!n)
			return false;
		if (n > upto - ring->have)
			n = upto - ring->have;
		n = in_one_piece(ring->req_cons, n);
		memcpy((char *)&ring->in + ring->have,
		       ring->page->req + MASK_XENSTORE_IDX(ring->req_cons), n);
		ring->have += n;
		ring->req_cons += n;
		__atomic_store_n(&ring->page->req_cons, ring->req_cons,
				 __ATOMIC_RELEASE);
		ring->moved = true;
	}
	return true;
}

bool store_ring_receive(struct store_ring *ring, struct store_msg *msg)
{
	uint32_t len;

	if (!ring->page || !fill(ring, sizeof(ring->in.hdr)))
		return false;
	len = ring->in.hdr.len;
	if (len > XENSTORE_PAYLOAD_MAX) {
		give_up(ring, XENSTORE_ERROR_PROTO,
			   "the guest sent a request to xenstore that is too long");
		return false;
	}
	if (!fill(ring, sizeof(ring->in.hdr) + len))
		return false;
	ring->have = 0;
	memcpy(msg, &ring->in, sizeof(msg->hdr) + len);
	msg->body[len] = 0;
	return true;
}

void store_ring_send(struct store_ring *ring, const struct xsd_sockmsg *hdr,
		     const void *body)
{
	struct chunk *c;

	if (!ring->page)
		return;
	c = malloc(sizeof(*c) + sizeof(*hdr) + hdr->len);
	if (!c) {
		give_up(ring, XENSTORE_ERROR_COMM,
			"there is no memory for an answer of xenstore");
		return;
	}
	if (ring->queued > STORE_MAX_QUEUE) {
		free(c);
		give_up(ring, XENSTORE_ERROR_COMM,
			   "the guest does not read what xenstore answers");
		return;
	}
	c->next = NULL;
	c->done = 0;
	c->len = sizeof(*hdr) + hdr->len;
	memcpy(c->data, hdr, sizeof(*hdr));
	memcpy(c->data + sizeof(*hdr), body, hdr->len);
	*ring->last = c;
	ring->last = &c->next;
	ring->queued += c->len;
}

/* As much of it as there is room for. */
static size_t put(struct store_ring *ring, const char *data, size_t len,
		  size_t room)
{
	size_t done = 0, n;

	if (len > room)
		len = room;
	while (done < len) {
		n = in_one_piece(ring->rsp_prod + done, len - done);
		memcpy(ring->page->rsp + MASK_XENSTORE_IDX(ring->rsp_prod + done),
		       data + done, n);
		done += n;
	}
	ring->rsp_prod += len;
	return len;
}

bool store_ring_flush(struct store_ring *ring)
{
	uint32_t used;
	struct chunk *c;

	while (ring->page && (c = ring->first)) {
		used = ring->rsp_prod - __atomic_load_n(&ring->page->rsp_cons,
						       __ATOMIC_ACQUIRE);
		if (used > XENSTORE_RING_SIZE) {
			give_up(ring, XENSTORE_ERROR_RINGIDX,
				   "the guest sent impossible indices of xenstore's answers");
			break;
		}
		if (used == XENSTORE_RING_SIZE)
			return false;
		c->done += put(ring, c->data + c->done, c->len - c->done,
			       XENSTORE_RING_SIZE - used);
		__atomic_store_n(&ring->page->rsp_prod, ring->rsp_prod,
				 __ATOMIC_RELEASE);
		ring->moved = true;
		if (c->done < c->len)
			continue;
		ring->first = c->next;
		if (!ring->first)
			ring->last = &ring->first;
		ring->queued -= c->len;
		free(c);
	}
	return true;
}

bool store_ring_moved(struct store_ring *ring)
{
	bool moved = ring->moved;

	ring->moved = false;
	return moved;
}
