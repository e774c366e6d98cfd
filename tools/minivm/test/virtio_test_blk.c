// SPDX-License-Identifier: GPL-2.0-only
/* Virtio disks: a driver, well-behaved and hostile. */
#include <sys/mman.h>

#include <linux/virtio_blk.h>
#include <linux/virtio_ids.h>

#include "virtio_test.h"

#define DISK_SECTORS	512
#define NEXT		VRING_DESC_F_NEXT
#define WRITE		VRING_DESC_F_WRITE

static struct virtio_blk_outhdr *hdr = (void *)mem[BUFFER_GFN];
static uint8_t *status = mem[BUFFER_GFN] + 100;
static uint8_t *data = mem[BUFFER_GFN + 1];
static int disk_fd;

static void start_disk(bool read_only)
{
	char path[64];

	disk_fd = memfd_create("disk", 0);
	check(!ftruncate(disk_fd, DISK_SECTORS * 512 + 100));
	snprintf(path, sizeof(path), "/proc/self/fd/%d%s", disk_fd,
		 read_only ? ":ro" : "");
	start_machine();
	virtio_blk_create(&vm, 0, path);
	dev = vm.virtio->devices[0];
	start_driver(1);
}

static bool is_input(uint32_t type)
{
	return type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
}

/* In three descriptors from 3 * slot on. */
static void prepare(unsigned int slot, uint32_t type, uint64_t sector,
		    uint32_t len)
{
	unsigned int i = 3 * slot;

	hdr[slot] = (struct virtio_blk_outhdr) {
		.type = type, .sector = sector,
	};
	status[slot] = 0xee;
	describe(0, i, gpa(&hdr[slot]), sizeof(*hdr), NEXT);
	if (len)
		describe(0, i + 1, gpa(data + slot * 4096), len,
			 NEXT | (is_input(type) ? WRITE : 0));
	else
		rings[0].desc[i].next = i + 2;
	describe(0, i + 2, gpa(&status[slot]), 1, WRITE);
	offer(0, i);
}

static int request(uint32_t type, uint64_t sector, uint32_t len)
{
	uint32_t written;
	uint16_t head;

	prepare(0, type, sector, len);
	kick();
	written = await(0, &head);
	check(head == 0);
	check(written == (is_input(type) && !*status ? len + 1 : 1));
	return *status;
}

static void disk_config(void)
{
	uint32_t features;

	start_disk(false);
	features = get(VIRTIO_MMIO_DEVICE_FEATURES);
	check(get(VIRTIO_MMIO_DEVICE_ID) == VIRTIO_ID_BLOCK);
	check(features == (1 << VIRTIO_BLK_F_SEG_MAX | 1 << VIRTIO_BLK_F_FLUSH |
			   1 << VIRTIO_BLK_F_BLK_SIZE));
	check(get(VIRTIO_MMIO_CONFIG) == DISK_SECTORS);
	check(get(VIRTIO_MMIO_CONFIG + 4) == 0);
	check(get(VIRTIO_MMIO_CONFIG + 12) == VIRTIO_QUEUE_MAX - 2);
	check(get(VIRTIO_MMIO_CONFIG + 20) == 512);
}

static void disk_reads_and_writes(void)
{
	char sector[512];
	int i;

	start_disk(false);
	memset(data, 'a', 4096);
	check(request(VIRTIO_BLK_T_OUT, 8, 4096) == VIRTIO_BLK_S_OK);
	memset(data, 'b', 512);
	check(request(VIRTIO_BLK_T_OUT, DISK_SECTORS - 1, 512) ==
	      VIRTIO_BLK_S_OK);
	check(pread(disk_fd, sector, 512, (DISK_SECTORS - 1) * 512) == 512);
	check(sector[0] == 'b' && sector[511] == 'b');
	memset(data, 'c', 4096);
	check(request(VIRTIO_BLK_T_IN, 9, 1024) == VIRTIO_BLK_S_OK);
	check(data[0] == 'a' && data[1023] == 'a' && data[1024] == 'c');
	check(request(VIRTIO_BLK_T_FLUSH, 0, 0) == VIRTIO_BLK_S_OK);
	check(request(VIRTIO_BLK_T_GET_ID, 0, VIRTIO_BLK_ID_BYTES) ==
	      VIRTIO_BLK_S_OK);
	check(!strcmp((char *)data, "minivm vda"));
	/* More than the buffer of the tool, and more than once round. */
	for (i = 0; i < 50; i++)
		check(request(i % 2 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, i,
			      30 * 4096) == VIRTIO_BLK_S_OK);
	check(nr_holds == 3 && !warnings);
}

static void disk_many_at_once(void)
{
	uint16_t head;
	int i;

	start_disk(false);
	for (i = 0; i < 5; i++) {
		memset(data + i * 4096, '0' + i, 4096);
		prepare(i, VIRTIO_BLK_T_OUT, 8 * i, 4096);
	}
	kick();
	for (i = 0; i < 5; i++)
		check(await(0, &head) == 1 && !status[head / 3]);
	memset(data, 0, 5 * 4096);
	for (i = 0; i < 5; i++)
		prepare(i, VIRTIO_BLK_T_IN, 8 * (4 - i), 4096);
	kick();
	for (i = 0; i < 5; i++)
		check(await(0, &head) == 4097 && !status[head / 3]);
	for (i = 0; i < 5; i++)
		check(data[i * 4096] == '4' - i &&
		      data[i * 4096 + 4095] == '4' - i);
	check(interrupts() >= 1 && !warnings);
}

/* Parts need not be where descriptors end. */
static void disk_odd_layouts(void)
{
	start_disk(false);
	/* Header with the data, in two parts. */
	memcpy(data, &(struct virtio_blk_outhdr) { .type = VIRTIO_BLK_T_OUT,
						   .sector = 3 }, 16);
	memset(data + 16, 'x', 1024);
	describe(0, 0, gpa(data), 9, NEXT);
	describe(0, 1, gpa(data + 9), 1031, NEXT);
	describe(0, 2, gpa(status), 1, WRITE);
	offer(0, 0);
	kick();
	check(await(0, NULL) == 1 && !*status);
	/* The status with the data. */
	memset(data, 0, 4096);
	hdr->type = VIRTIO_BLK_T_IN;
	hdr->sector = 3;
	describe(0, 0, gpa(hdr), 16, NEXT);
	describe(0, 1, gpa(data), 1, NEXT | WRITE);
	describe(0, 2, gpa(data + 4000), 1023 + 1, WRITE);
	memset(data + 4000, 0xee, 1025);
	offer(0, 0);
	kick();
	check(await(0, NULL) == 1025);
	check(data[0] == 'x' && data[1] == 0 && data[4000] == 'x' &&
	      data[5022] == 'x' && data[5023] == 0 && data[5024] == 0xee);
	check(!warnings);
}

static void disk_bad_requests(void)
{
	start_disk(false);
	check(request(77, 0, 512) == VIRTIO_BLK_S_UNSUPP);
	check(request(VIRTIO_BLK_T_DISCARD, 0, 512) == VIRTIO_BLK_S_UNSUPP);
	check(request(VIRTIO_BLK_T_IN, DISK_SECTORS, 512) ==
	      VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_IN, DISK_SECTORS - 1, 1024) ==
	      VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_OUT, ~0ULL, 512) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_OUT, 1ULL << 55, 512) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_IN, 0, 511) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_IN, 0, 0) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_OUT, 0, 513) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_OUT, 0, 0) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_GET_ID, 0, 19) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_GET_ID, 0, 21) == VIRTIO_BLK_S_IOERR);
	check(!warnings);
	check(!ftruncate(disk_fd, 512));
	check(request(VIRTIO_BLK_T_IN, 100, 512) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_IN, 100, 512) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_IN, 0, 512) == VIRTIO_BLK_S_OK);
	check(warnings == 1 && nr_holds == 3);
}

static void disk_read_only(void)
{
	start_disk(true);
	check(get(VIRTIO_MMIO_DEVICE_FEATURES) & 1 << VIRTIO_BLK_F_RO);
	check(request(VIRTIO_BLK_T_IN, 0, 4096) == VIRTIO_BLK_S_OK);
	check(request(VIRTIO_BLK_T_OUT, 0, 4096) == VIRTIO_BLK_S_IOERR);
	check(request(VIRTIO_BLK_T_FLUSH, 0, 0) == VIRTIO_BLK_S_OK);
	/* The file was not even asked. */
	check(!warnings);
}

static void revive(void)
{
	kick();
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0) && !nr_holds);
	start_driver(1);
	check(request(VIRTIO_BLK_T_IN, 0, 4096) == VIRTIO_BLK_S_OK);
	put(VIRTIO_MMIO_STATUS, 0);
	check(status_is(0xff, 0));
	start_driver(1);
}

static void disk_bad_chains(void)
{
	start_disk(false);
	/* Nothing to read. */
	describe(0, 0, gpa(status), 1, WRITE);
	offer(0, 0);
	revive();
	/* A short header. */
	describe(0, 0, gpa(hdr), 15, NEXT);
	describe(0, 1, gpa(status), 1, WRITE);
	offer(0, 0);
	revive();
	/* No status. */
	describe(0, 0, gpa(hdr), 16, 0);
	offer(0, 0);
	revive();
	/* Data, status, header in a page table. */
	prepare(0, VIRTIO_BLK_T_IN, 0, 4096);
	is_table[BUFFER_GFN + 1] = true;
	kick();
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	is_table[BUFFER_GFN + 1] = false;
	revive();
	prepare(0, VIRTIO_BLK_T_OUT, 0, 2 * 4096);
	is_table[BUFFER_GFN + 2] = true;
	kick();
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	is_table[BUFFER_GFN + 2] = false;
	revive();
	prepare(0, VIRTIO_BLK_T_FLUSH, 0, 0);
	is_table[BUFFER_GFN] = true;
	kick();
	check(status_is(NEEDS_RESET, NEEDS_RESET));
	is_table[BUFFER_GFN] = false;
	revive();
	check(warnings == 1);
}

static void wait_at_gate(int before)
{
	int i;

	for (i = 0; i < 5000; i++) {
		if (__atomic_load_n(&at_gate, __ATOMIC_SEQ_CST) != before)
			break;
		usleep(1000);
	}
	check(i < 5000);
}

/* The guest does not wait, and what it gave is its own when the reset is over. */
static void disk_reset_in_flight(void)
{
	int before, i;

	start_disk(false);
	for (i = 0; i < 3; i++) {
		before = at_gate;
		pthread_mutex_lock(&disk_gate);
		memset(data, 'z', 4096);
		prepare(0, VIRTIO_BLK_T_IN, 0, 4096);
		prepare(1, VIRTIO_BLK_T_IN, 0, 4096);
		kick();
		wait_at_gate(before);
		put(VIRTIO_MMIO_QUEUE_READY, 0);
		check(get(VIRTIO_MMIO_QUEUE_READY) == 1);
		put(VIRTIO_MMIO_STATUS, 0);
		check(get(VIRTIO_MMIO_STATUS) != 0);
		/* Nothing is heard until then. */
		put(VIRTIO_PORTS_INTERRUPT, 0);
		check(get(VIRTIO_PORTS_INTERRUPT) != 0);
		put(VIRTIO_MMIO_STATUS, 0);
		pthread_mutex_unlock(&disk_gate);
		check(status_is(0xff, 0) && !nr_holds);
		check(rings[0].used->idx == rings[0].seen);
		check(data[0] == 'z' && *status == 0xee);
		check(get(VIRTIO_MMIO_QUEUE_READY) == 0);
		start_driver(1);
		check(request(VIRTIO_BLK_T_IN, 0, 4096) == VIRTIO_BLK_S_OK);
	}
	check(!warnings);
}

/* The queue ends after what is in flight. */
static void disk_queue_ends_in_flight(void)
{
	int before, i;

	start_disk(false);
	before = at_gate;
	pthread_mutex_lock(&disk_gate);
	prepare(0, VIRTIO_BLK_T_IN, 0, 4096);
	kick();
	wait_at_gate(before);
	put(VIRTIO_MMIO_QUEUE_READY, 0);
	check(get(VIRTIO_MMIO_QUEUE_READY) == 1);
	pthread_mutex_unlock(&disk_gate);
	check(await(0, NULL) == 4097);
	for (i = 0; i < 5000 && get(VIRTIO_MMIO_QUEUE_READY); i++)
		usleep(1000);
	check(!get(VIRTIO_MMIO_QUEUE_READY) && !nr_holds);
	set_queue(0);
	put(VIRTIO_MMIO_QUEUE_READY, 1);
	check(request(VIRTIO_BLK_T_IN, 0, 4096) == VIRTIO_BLK_S_OK);
}

void test_virtio_disks(void)
{
	run("virtio disk: configuration", disk_config);
	run("virtio disk: reads and writes", disk_reads_and_writes);
	run("virtio disk: many at once", disk_many_at_once);
	run("virtio disk: odd layouts", disk_odd_layouts);
	run("virtio disk: bad requests", disk_bad_requests);
	run("virtio disk: read-only", disk_read_only);
	run("virtio disk: bad chains", disk_bad_chains);
	run("virtio disk: reset in flight", disk_reset_in_flight);
	run("virtio disk: queue ends in flight", disk_queue_ends_in_flight);
}
