// SPDX-License-Identifier: GPL-2.0-only
/*
 * A split ring.  The guest can write all of it at any time: each word is read
 * once, checked, and then it is the copy that counts.
 */
#include <stdint.h>
#include <string.h>

#include "direct.h"
#include "virtio.h"

void queue_init(struct queue *q, struct vm *vm)
{
	unsigned int i;

	*q = (struct queue) { .vm = vm };
	for (i = 0; i < RING_PARTS; i++)
		q->hold[i] = -1;
}

static uint64_t part_size(const struct queue *q, unsigned int part)
{
	switch (part) {
	case RING_DESC:
		return q->num * sizeof(struct vring_desc);
	case RING_AVAIL:
		return sizeof(struct vring_avail) + q->num * sizeof(__virtio16);
	default:
		return sizeof(struct vring_used) +
		       q->num * sizeof(struct vring_used_elem);
	}
}

static const char *check_registers(const struct queue *q)
{
	static const uint64_t align[RING_PARTS] = { 16, 2, 4 };
	unsigned int i;

	if (!q->num || q->num > VIRTIO_QUEUE_MAX || q->num & (q->num - 1))
		return "the guest set up a ring of an impossible size";
	for (i = 0; i < RING_PARTS; i++)
		if (q->addr[i] % align[i] ||
		    !memory_has(q->vm, q->addr[i], part_size(q, i)))
			return "the guest set up a ring where there is no memory, or not aligned";
	return NULL;
}

const char *queue_enable(struct queue *q)
{
	const char *why = check_registers(q);
	void *part[RING_PARTS];
	unsigned int i;

	if (why)
		return why;
	for (i = 0; i < RING_PARTS; i++) {
		part[i] = memory_hold(q->vm, q->addr[i], part_size(q, i),
				      &q->hold[i]);
		if (part[i])
			continue;
		queue_disable(q);
		return "the guest's ring is in a page table, or it has too many frames held";
	}
	q->desc = part[RING_DESC];
	q->avail = part[RING_AVAIL];
	q->used = part[RING_USED];
	q->avail_idx = q->used_idx = 0;
	q->ready = true;
	return NULL;
}

void queue_drop(struct queue *q)
{
	while (q->nr_spans)
		memory_release(q->vm, q->spans[--q->nr_spans].hold);
}

void queue_disable(struct queue *q)
{
	unsigned int i;

	queue_drop(q);
	for (i = 0; i < RING_PARTS; i++) {
		memory_release(q->vm, q->hold[i]);
		q->hold[i] = -1;
	}
	q->ready = q->stop = q->live = false;
	q->bad = NULL;
}

static bool blame(struct queue *q, const char *why)
{
	q->bad = why;
	return false;
}

static bool has_chain(struct queue *q)
{
	uint16_t n = __atomic_load_n(&q->avail->idx, __ATOMIC_ACQUIRE) -
		     q->avail_idx;

	if (n > q->num)
		return blame(q, "the guest's index of requests is impossible");
	return n;
}

bool queue_look(struct queue *q)
{
	if (!q->live || q->bad)
		return false;
	if (!has_chain(q)) {
		q->used->flags = 0;
		/* One that came meanwhile was perhaps not told of. */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (q->bad || !has_chain(q))
			return false;
	}
	q->used->flags = VRING_USED_F_NO_NOTIFY;
	return true;
}

static bool add_segment(struct queue *q, struct chain *chain,
			const struct vring_desc *d)
{
	if (d->flags & VRING_DESC_F_INDIRECT)
		return blame(q, "the guest uses indirect descriptors, which were not agreed");
	if (!d->len || !memory_has(q->vm, d->addr, d->len))
		return blame(q, "a buffer of the guest is empty or not in its memory");
	if (d->flags & VRING_DESC_F_WRITE) {
		chain->in_len += d->len;
	} else {
		if (chain->in_len)
			return blame(q, "the guest's output follows its input in a chain");
		chain->out_len += d->len;
		chain->nr_out++;
	}
	chain->segs[chain->nr++] = (struct segment) { d->addr, d->len };
	return true;
}

static struct vring_desc copy_desc(const volatile struct vring_desc *d)
{
	return (struct vring_desc) {
		.addr = d->addr, .len = d->len, .flags = d->flags,
		.next = d->next,
	};
}

bool queue_take(struct queue *q, struct chain *chain)
{
	struct vring_desc d;
	uint16_t i;

	if (!queue_look(q))
		return false;
	i = q->avail->ring[q->avail_idx % q->num];
	chain->head = i;
	chain->nr = chain->nr_out = 0;
	chain->out_len = chain->in_len = 0;
	do {
		if (i >= q->num)
			return blame(q, "the guest names a descriptor that the ring has not");
		if (chain->nr == q->num)
			return blame(q, "a chain of the guest has no end");
		d = copy_desc(&q->desc[i]);
		if (!add_segment(q, chain, &d))
			return false;
		i = d.next;
	} while (d.flags & VRING_DESC_F_NEXT);
	q->avail_idx++;
	return true;
}

bool queue_give(struct queue *q, const struct chain *chain, uint32_t written)
{
	volatile struct vring_used_elem *e;

	/* It may make page tables of its buffers at once. */
	queue_drop(q);
	e = &q->used->ring[q->used_idx++ % q->num];
	e->id = chain->head;
	e->len = written;
	__atomic_store_n(&q->used->idx, q->used_idx, __ATOMIC_RELEASE);
	/* Before the look at whether the guest waits for it. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return !(q->avail->flags & VRING_AVAIL_F_NO_INTERRUPT);
}

static struct span *find_span(struct queue *q, uint64_t addr, size_t len)
{
	unsigned int i;
	struct span *s;

	for (i = 0; i < q->nr_spans; i++) {
		s = &q->spans[i];
		if (addr >= s->addr && addr - s->addr + len <= s->len)
			return s;
	}
	return NULL;
}

/* Each costs two system calls of a guest with direct paging. */
static struct span *hold_span(struct queue *q, uint64_t addr, size_t len)
{
	struct span *s;

	if (q->nr_spans == QUEUE_SPANS)
		queue_drop(q);
	s = &q->spans[q->nr_spans];
	s->addr = addr & -PAGE_SIZE;
	s->len = ((addr + len + PAGE_SIZE - 1) & -PAGE_SIZE) - s->addr;
	s->mem = memory_hold(q->vm, s->addr, s->len, &s->hold);
	if (!s->mem)
		return NULL;
	q->nr_spans++;
	return s;
}

static bool copy(struct queue *q, uint64_t addr, void *buf, size_t len,
		 bool write)
{
	struct span *s = find_span(q, addr, len);
	void *mem;

	if (!s)
		s = hold_span(q, addr, len);
	if (!s)
		return blame(q, "a buffer of the guest is in a page table, or it has too many frames held");
	mem = s->mem + (addr - s->addr);
	if (write)
		memcpy(mem, buf, len);
	else
		memcpy(buf, mem, len);
	return true;
}

/* Callers ask for no more than there is. */
static bool copy_segments(struct queue *q, const struct segment *seg,
			  uint64_t pos, uint8_t *buf, size_t len, bool write)
{
	size_t n;

	for (; len; seg++) {
		if (pos >= seg->len) {
			pos -= seg->len;
			continue;
		}
		n = seg->len - pos < len ? seg->len - pos : len;
		if (!copy(q, seg->addr + pos, buf, n, write))
			return false;
		buf += n;
		len -= n;
		pos = 0;
	}
	return true;
}

bool chain_read(struct queue *q, const struct chain *chain, uint64_t pos,
		void *to, size_t len)
{
	return copy_segments(q, chain->segs, pos, to, len, false);
}

bool chain_write(struct queue *q, const struct chain *chain, uint64_t pos,
		 const void *from, size_t len)
{
	return copy_segments(q, chain->segs + chain->nr_out, pos,
			     (uint8_t *)from, len, true);
}
