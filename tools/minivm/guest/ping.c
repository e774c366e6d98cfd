// SPDX-License-Identifier: GPL-2.0-only
/* Frames there and back; see ping.h. */
#include <linux/virtio_net.h>

#include "ping.h"

#define TYPE		0xb588		/* 0x88b5, for experiments */
#define BURST		4
#define RX_BUFFERS	8
#define AGAIN		50000000	/* ticks of the TSC */

enum { PING, PONG, STOP };

struct frame {
	struct virtio_net_hdr_v1 hdr;
	uint8_t to[6], from[6];
	uint16_t type;
	uint16_t what;
	uint32_t number;
	uint8_t data[1400];
	uint8_t room[128];		/* for a longer one */
} __attribute__((packed));

#define FRAME_SIZE	(sizeof(struct frame) - 128)

static struct frame buffers[RX_BUFFERS], out[BURST];
static struct vq *rx, *tx;
static void (*wait_for_interrupt)(void);
static uint8_t mac[6];

static void offer(struct frame *f)
{
	struct vbuf buf = { f, sizeof(*f) };

	vq_add(rx, &buf, 0, 1);
	vq_kick(rx);
}

static void send_frame(unsigned int what, uint32_t number)
{
	struct frame *f = &out[number % BURST];
	struct vbuf buf = { f, FRAME_SIZE };
	unsigned int i;

	/* What was sent before has left its buffer then. */
	while (vq_get(tx, NULL) >= 0 || VQ_SIZE - tx->nr_free >= BURST)
		asm volatile("pause");
	f->hdr = (struct virtio_net_hdr_v1) { 0 };
	for (i = 0; i < 6; i++) {
		f->to[i] = 0xff;
		f->from[i] = mac[i];
	}
	f->type = TYPE;
	f->what = what;
	f->number = number;
	for (i = 0; i < sizeof(f->data); i++)
		f->data[i] = number + i;
	vq_add(tx, &buf, 1, 0);
	vq_kick(tx);
}

/* A frame has left when its buffer is back. */
static void all_sent(void)
{
	while (vq_get(tx, NULL) >= 0 || tx->nr_free < VQ_SIZE)
		asm volatile("pause");
}

static bool is_right(const struct frame *f, uint32_t len)
{
	unsigned int i;

	if (len != FRAME_SIZE || f->type != TYPE)
		return false;
	for (i = 0; i < sizeof(f->data); i++)
		if (f->data[i] != (uint8_t)(f->number + i))
			return false;
	return f->from[0] != mac[0] || f->from[5] != mac[5];
}

/* The next frame: what it says; -1: there is none, -2: it is damaged. */
static int receive(uint32_t *number)
{
	struct frame *f;
	uint32_t len;
	int head, what;

	head = vq_get(rx, &len);
	if (head < 0)
		return -1;
	f = (struct frame *)rx->desc[head].addr;
	what = is_right(f, len) ? f->what : -2;
	*number = f->number;
	offer(f);
	return what;
}

/* Frames get lost until the other is there. */
static void find_other(void)
{
	uint64_t start;
	uint32_t number;

	for (;;) {
		send_frame(PING, 0);
		for (start = rdtsc(); rdtsc() - start < AGAIN;)
			if (receive(&number) == PONG)
				return;
	}
}

static bool await_pong(uint32_t want)
{
	uint32_t number;
	int what;

	for (;;) {
		what = receive(&number);
		if (what == -1)
			wait_for_interrupt();
		else if (what != PONG)
			return false;
		else if (number == want)
			return true;
		else if (number)	/* 0: of a ping that was thought lost */
			return false;
	}
}

static int ask(uint32_t count)
{
	uint32_t i, j;

	find_other();
	outb(MINIVM_PORT_MARK, 1);
	for (i = 1; i <= count; i += BURST) {
		for (j = i; j < i + BURST; j++)
			send_frame(PING, j);
		for (j = i; j < i + BURST; j++)
			if (!await_pong(j))
				return 1;
	}
	outb(MINIVM_PORT_MARK, 2);
	send_frame(STOP, 0);
	all_sent();
	put_str("ping: answers ");
	put_dec(count);
	put_str(" kicks ");
	put_dec(rx->kicks + tx->kicks);
	put_char('\n');
	return 0;
}

static int answer(void)
{
	uint32_t number, count = 0;
	int what;

	while ((what = receive(&number)) != STOP) {
		if (what == -1) {
			wait_for_interrupt();
			continue;
		}
		if (what != PING)
			return 1;
		send_frame(PONG, number);
		count += !!number;
	}
	put_str("pong: answered ");
	put_dec(count);
	put_char('\n');
	return 0;
}

/* To somebody who speaks something else. */
static int listen(void)
{
	uint64_t start;
	uint32_t len;

	for (;;) {
		send_frame(PING, 0);
		for (start = rdtsc(); rdtsc() - start < AGAIN;)
			if (vq_get(rx, &len) >= 0)
				goto out;
	}
out:
	all_sent();
	put_str("ping: heard a frame of ");
	put_dec(len);
	put_char('\n');
	return 0;
}

int ping(struct vdev *net, const char *args, void (*wait)(void))
{
	const char *val = arg_find(args, "count");
	unsigned int i;

	rx = &net->queues[0];
	tx = &net->queues[1];
	wait_for_interrupt = wait;
	for (i = 0; i < 6; i++)
		mac[i] = inb(net->port + VIRTIO_MMIO_CONFIG + i);
	/* Nobody needs to be told that a frame has left. */
	tx->avail.flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (i = 0; i < RX_BUFFERS; i++)
		offer(&buffers[i]);
	if (arg_find(args, "do"))
		return listen();
	return val ? ask(arg_num(&val)) : answer();
}
