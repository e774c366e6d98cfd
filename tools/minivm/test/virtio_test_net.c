// SPDX-License-Identifier: GPL-2.0-only
/* Virtio network devices: a driver, and the other end of a socket. */
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <linux/virtio_ids.h>
#include <linux/virtio_net.h>

#include "virtio_test.h"

#define HEADER	sizeof(struct virtio_net_hdr_v1)
#define RX	0
#define TX	1

static char own[64], theirs[80], option[256];
static uint8_t *rx = mem[BUFFER_GFN], *tx = mem[BUFFER_GFN + 8];
static int peer;

static void name_sockets(void)
{
	snprintf(own, sizeof(own), "/tmp/minivm-test-%d", getpid());
	snprintf(theirs, sizeof(theirs), "%s.peer", own);
}

static int bind_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	strcpy(addr.sun_path, path);
	check(!bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	return fd;
}

static void connect_to(int fd, const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(addr.sun_path, path);
	check(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
}

static void start_net(const char *words)
{
	name_sockets();
	peer = bind_at(theirs);
	snprintf(option, sizeof(option), "unix:%s%s", own, words);
	start_machine();
	virtio_net_create(&vm, 0, option);
	dev = vm.virtio->devices[0];
	connect_to(peer, own);
	start_driver(2);
}

static void end_net(void)
{
	unlink(theirs);
	/* As the tool ends. */
	exit(0);
}

static void offer_rx(unsigned int i, uint32_t len)
{
	describe(RX, i, gpa(rx + 2048 * i), len, VRING_DESC_F_WRITE);
	offer(RX, i);
	kick();
}

static void send_frame(uint32_t len)
{
	memset(tx, 0, HEADER);
	describe(TX, 0, gpa(tx), HEADER + len, 0);
	offer(TX, 0);
	kick();
	check(await(TX, NULL) == 0);
}

static bool peer_has(uint8_t *frame, ssize_t len)
{
	struct pollfd p = { .fd = peer, .events = POLLIN };

	return poll(&p, 1, 5000) == 1 && recv(peer, frame, 2048, 0) == len;
}

static void net_config(void)
{
	uint32_t mac;

	start_net(",mac=02:0a:fF:00:10:99");
	check(get(VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_NET);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) ==
	      (1 << VIRTIO_NET_F_MAC | 1 << VIRTIO_NET_F_STATUS));
	check(get(VIRTIO_MMIO_CONFIG) == 0x00ff0a02);
	mac = get(VIRTIO_MMIO_CONFIG + 4);
	check(mac == (VIRTIO_NET_S_LINK_UP << 16 | 0x9910));
	end_net();
}

static void net_sends(void)
{
	uint8_t frame[2048];

	start_net("");
	memset(tx + HEADER, 'f', FRAME_MAX);
	send_frame(60);
	check(peer_has(frame, 60) && frame[0] == 'f' && frame[59] == 'f');
	/* What is no frame does not arrive, what follows does. */
	send_frame(0);
	send_frame(FRAME_MIN - 1);
	send_frame(FRAME_MAX + 1);
	send_frame(FRAME_MIN);
	check(peer_has(frame, FRAME_MIN));
	send_frame(FRAME_MAX);
	check(peer_has(frame, FRAME_MAX));
	/* In three parts. */
	describe(TX, 0, gpa(tx), 5, VRING_DESC_F_NEXT);
	describe(TX, 1, gpa(tx + 5), 100, VRING_DESC_F_NEXT);
	describe(TX, 2, gpa(tx + 200), 1, 0);
	offer(TX, 0);
	kick();
	await(TX, NULL);
	check(peer_has(frame, 106 - HEADER));
	/* Nobody listens: it is lost, and no reason to stop. */
	close(peer);
	send_frame(60);
	unlink(theirs);
	send_frame(60);
	check(!warnings);
	end_net();
}

static void net_receives(void)
{
	struct virtio_net_hdr_v1 *hdr = (void *)rx;
	char frame[2048];
	uint16_t head;
	int i;

	start_net("");
	memset(frame, 'r', sizeof(frame));
	/* It waits for a buffer. */
	check(send(peer, frame, 60, 0) == 60);
	check(!rings[RX].used->idx);
	memset(rx, 0xee, 4096);
	offer_rx(0, 2048);
	check(await(RX, NULL) == HEADER + 60);
	check(hdr->num_buffers == 1 && !hdr->flags && !hdr->gso_type);
	check(rx[HEADER] == 'r' && rx[HEADER + 59] == 'r' &&
	      rx[HEADER + 60] == 0xee);
	/* The buffer waits for it; what is no frame does not take one. */
	offer_rx(1, HEADER + FRAME_MAX);
	check(send(peer, frame, 0, 0) == 0);
	check(send(peer, frame, FRAME_MIN - 1, 0) > 0);
	check(send(peer, frame, FRAME_MAX + 1, 0) > 0);
	check(send(peer, frame, FRAME_MAX, 0) == FRAME_MAX);
	check(await(RX, &head) == HEADER + FRAME_MAX && head == 1);
	for (i = 0; i < 100; i++) {
		offer_rx(i % 4, 2048);
		check(send(peer, frame, 100 + i, 0) == 100 + i);
		check(await(RX, &head) == HEADER + 100 + i && head == i % 4);
	}
	check(nr_holds == 6 && !warnings);
	end_net();
}

static void revive(void)
{
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0) && !nr_holds);
	start_driver(2);
}

static void net_bad_chains(void)
{
	uint8_t frame[2048];

	start_net("");
	/* A buffer for less than the longest frame. */
	check(send(peer, frame, 60, 0) == 60);
	offer_rx(0, HEADER + FRAME_MAX - 1);
	revive();
	/* One that is not to be written. */
	check(send(peer, frame, 60, 0) == 60);
	describe(RX, 0, gpa(rx), 2048, 0);
	offer(RX, 0);
	kick();
	revive();
	/* Part of one. */
	check(send(peer, frame, 60, 0) == 60);
	describe(RX, 0, gpa(rx), 1, VRING_DESC_F_NEXT);
	describe(RX, 1, gpa(rx), 2048, VRING_DESC_F_WRITE);
	offer(RX, 0);
	kick();
	revive();
	describe(TX, 0, gpa(tx), 100, VRING_DESC_F_NEXT);
	describe(TX, 1, gpa(tx), 100, VRING_DESC_F_WRITE);
	offer(TX, 0);
	kick();
	revive();
	/* One to send that is. */
	describe(TX, 0, gpa(tx), 100, VRING_DESC_F_WRITE);
	offer(TX, 0);
	kick();
	revive();
	/* Less than a header. */
	describe(TX, 0, gpa(tx), HEADER - 1, 0);
	offer(TX, 0);
	kick();
	revive();
	/* Page tables. */
	is_table[BUFFER_GFN] = is_table[BUFFER_GFN + 8] = true;
	check(send(peer, frame, 60, 0) == 60);
	offer_rx(0, 2048);
	revive();
	describe(TX, 0, gpa(tx), HEADER + 60, 0);
	offer(TX, 0);
	kick();
	revive();
	is_table[BUFFER_GFN] = is_table[BUFFER_GFN + 8] = false;
	offer_rx(0, 2048);
	check(send(peer, frame, 99, 0) == 99);
	check(await(RX, NULL) == HEADER + 99);
	check(warnings == 1);
	end_net();
}

/* What another left is no hindrance; what another has is. */
static void net_sockets(void)
{
	pid_t pid;
	int status, fd;

	name_sockets();
	fd = bind_at(own);
	pid = fork();
	if (!pid) {
		start_net("");
		end_net();
	}
	waitpid(pid, &status, 0);
	close(fd);
	unlink(own);

	/* It has other names. */
	fd = bind_at(own);
	snprintf(option, sizeof(option), "unix:%s", own);
	pid = fork();
	if (!pid) {
		start_machine();
		virtio_net_create(&vm, 0, option);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == EX_INUSE);
	close(fd);
	pid = fork();
	if (!pid) {
		start_machine();
		virtio_net_create(&vm, 0, option);
		exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && !status);
	check(access(own, F_OK));
}

static void parses(const char *text)
{
	struct link_spec spec;
	pid_t pid = fork();
	int status;

	if (!pid) {
		link_parse(text, &spec);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid && !status);
}

static void fails(const char *text)
{
	struct link_spec spec;
	pid_t pid = fork();
	int status;

	if (!pid) {
		close(1);
		link_parse(text, &spec);
		_exit(0);
	}
	check(waitpid(pid, &status, 0) == pid &&
	      WEXITSTATUS(status) == EX_USAGE_);
}

static void net_options(void)
{
	struct link_spec a, b;
	char path[200] = "unix:";

	parses("tap:tap0");
	parses("tap:tap0,mac=02:00:00:00:00:01");
	parses("unix:/a,peer=/b");
	parses("unix:/a,mac=fe:ff:ff:ff:ff:ff,peer=/b");
	fails("");
	fails("tap");
	fails("tap:");
	fails("unix:,peer=/b");
	fails("tap:a,peer=/b");
	fails("unix:/a,peer=");
	fails("vde:/a");
	fails("tap:abcdefghijklmnop");
	fails("tap:a,mac=02:00:00:00:00");
	fails("tap:a,mac=02:00:00:00:00:01:02");
	fails("tap:a,mac=02:00:00:00:00:0");
	fails("tap:a,mac=02:00:00:00:00:001");
	fails("tap:a,mac=02:00:00:00:00:0g");
	fails("tap:a,mac=00:00:00:00:00:00");
	fails("tap:a,mac=03:00:00:00:00:01");
	fails("tap:a,max=1");
	link_parse("unix:/a", &a);
	link_parse("unix:/b", &b);
	check(!strcmp(a.peer, "/a.peer") && memcmp(a.mac, b.mac, 6));
	check(a.mac[0] == 2);
	memset(path + 5, 'x', 107);
	fails(path);
	path[5 + 102] = 0;
	parses(path);
	path[5 + 102] = 'x';
	path[5 + 103] = 0;
	fails(path);
	strcat(path, ",peer=/b");
	parses(path);
}

void test_virtio_nets(void)
{
	run("virtio net: configuration", net_config);
	run("virtio net: sends", net_sends);
	run("virtio net: receives", net_receives);
	run("virtio net: bad chains", net_bad_chains);
	run("virtio net: sockets", net_sockets);
	run("virtio net: options", net_options);
}
