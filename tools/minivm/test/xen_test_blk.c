// SPDX-License-Identifier: GPL-2.0-only
/* Disks: a front end, well-behaved and hostile. */
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <xen/io/blkif.h>

#include "xen_test.h"

#define DISK_SECTORS 64
#define BACK "/local/domain/0/backend/vbd/1/51712/"

static blkif_sring_t *sring = (void *)mem[RING_GFN];
static uint32_t rsp_cons;
static int disk_fd;

static void start_disk(bool read_only)
{
	char path[64];

	disk_fd = memfd_create("disk", 0);
	check(!ftruncate(disk_fd, DISK_SECTORS * 512 + 100));
	snprintf(path, sizeof(path), "/proc/self/fd/%d%s", disk_fd,
		 read_only ? ":ro" : "");
	start_store();
	grant_init(&xen, table, TABLE_GFN, 2);
	blk_init(&xen, 0, path);
}

static bool back_is(const char *state)
{
	const char *now;
	bool equal = false;
	int i;

	for (i = 0; i < 5000 && !equal; i++) {
		xen_lock(&xen);
		now = store_get(&xen, BACK "state");
		equal = now && !strcmp(now, state);
		xen_unlock(&xen);
		if (!equal)
			usleep(1000);
	}
	return equal;
}

#define FRONT(text) SAYS(XS_WRITE, "device/vbd/51712/" text, "OK\0")

static void connect_disk(void)
{
	memset(sring, 0, 4096);
	sring->req_event = 1;
	sring->rsp_event = 1;
	rsp_cons = 0;
	grant_frame(0, RING_GFN, 0);
	grant_frame(1, DATA_GFN, 0);
	grant_frame(2, DATA_GFN + 1, 0);
	FRONT("ring-ref\0" "0");
	FRONT("event-channel\0" "5");
	FRONT("protocol\0" "x86_64-abi");
	FRONT("state\0" "3");
	check(back_is("4"));
}

static struct blkif_request *next_request(void)
{
	struct blkif_request *req = &sring->ring[sring->req_prod % 32].req;

	memset(req, 0, sizeof(*req));
	req->nr_segments = 1;
	req->id = 0x1234567890;
	req->seg[0].gref = 1;
	req->seg[0].last_sect = 7;
	return req;
}

static int result(void)
{
	struct blkif_response *rsp = &sring->ring[rsp_cons % 32].rsp;
	int i;

	for (i = 0; i < 5000; i++) {
		if (__atomic_load_n(&sring->rsp_prod, __ATOMIC_ACQUIRE) !=
		    rsp_cons)
			break;
		usleep(1000);
	}
	check(i < 5000);
	rsp_cons++;
	sring->rsp_event = rsp_cons + 1;
	check(rsp->id == 0x1234567890);
	return rsp->status;
}

static int submit(void)
{
	__atomic_add_fetch(&sring->req_prod, 1, __ATOMIC_RELEASE);
	send_event(DISK_PORT);
	return result();
}

static int transfer(uint8_t op, uint64_t sector, uint8_t first, uint8_t last)
{
	struct blkif_request *req = next_request();

	req->operation = op;
	req->sector_number = sector;
	req->seg[0].first_sect = first;
	req->seg[0].last_sect = last;
	return submit();
}

static void disk_nodes(void)
{
	start_disk(false);
	SAYS(XS_DIRECTORY, "device/vbd\0", "51712\0");
	SAYS(XS_READ, "device/vbd/51712/backend\0",
	     "/local/domain/0/backend/vbd/1/51712");
	SAYS(XS_READ, "device/vbd/51712/backend-id\0", "0");
	SAYS(XS_READ, "device/vbd/51712/state\0", "1");
	SAYS(XS_READ, BACK "dev\0", "xvda");
	SAYS(XS_READ, BACK "sectors\0", "64");
	SAYS(XS_READ, BACK "sector-size\0", "512");
	SAYS(XS_READ, BACK "state\0", "2");
	SAYS(XS_READ, BACK "mode\0", "w");
	REFUSES(XS_WRITE, BACK "sectors\0" "99999", "EACCES");
	REFUSES(XS_RM, "/local/domain/0/backend/vbd/1/51712\0", "EACCES");
}

static void disk_reads_and_writes(void)
{
	char sector[512];
	int i;

	start_disk(false);
	connect_disk();
	memset(mem[DATA_GFN], 'a', 4096);
	check(transfer(BLKIF_OP_WRITE, 8, 0, 7) == BLKIF_RSP_OKAY);
	check(notified[DISK_PORT] == 1);
	memset(mem[DATA_GFN], 'b', 4096);
	check(transfer(BLKIF_OP_WRITE, 63, 3, 3) == BLKIF_RSP_OKAY);
	check(pread(disk_fd, sector, 512, 63 * 512) == 512);
	check(sector[0] == 'b' && sector[511] == 'b');
	memset(mem[DATA_GFN], 'c', 4096);
	check(transfer(BLKIF_OP_READ, 8, 2, 5) == BLKIF_RSP_OKAY);
	check(mem[DATA_GFN][1023] == 'c' && mem[DATA_GFN][1024] == 'a' &&
	      mem[DATA_GFN][3071] == 'a' && mem[DATA_GFN][3072] == 'c');
	next_request()->operation = BLKIF_OP_FLUSH_DISKCACHE;
	check(submit() == BLKIF_RSP_OKAY);
	next_request()->operation = BLKIF_OP_WRITE_BARRIER;
	check(submit() == BLKIF_RSP_OKAY);
	/* More than once round the ring. */
	for (i = 0; i < 100; i++)
		check(transfer(BLKIF_OP_READ, i % 57, 0, 7) ==
		      BLKIF_RSP_OKAY);
	check(nr_holds == 1 && !warnings);
}

static void disk_segments(void)
{
	struct blkif_request *req;
	int i;

	start_disk(false);
	connect_disk();
	memset(mem[DATA_GFN], 'x', 4096);
	memset(mem[DATA_GFN + 1], 'y', 4096);
	req = next_request();
	req->operation = BLKIF_OP_WRITE;
	req->nr_segments = 11;
	for (i = 0; i < 11; i++) {
		req->seg[i].gref = 1 + i % 2;
		req->seg[i].first_sect = 6;
		req->seg[i].last_sect = 7;
	}
	req->sector_number = 42;
	check(submit() == BLKIF_RSP_OKAY);
	check(transfer(BLKIF_OP_READ, 56, 0, 7) == BLKIF_RSP_OKAY);
	check(mem[DATA_GFN][0] == 'y' && mem[DATA_GFN][1024] == 'x');
	req = next_request();
	*req = (struct blkif_request){
		.operation = BLKIF_OP_READ, .nr_segments = 12, .id = 0x1234567890,
	};
	check(submit() == BLKIF_RSP_ERROR);
	next_request()->nr_segments = 255;
	check(submit() == BLKIF_RSP_ERROR);
	next_request()->nr_segments = 0;
	check(submit() == BLKIF_RSP_ERROR);
}

static void disk_bad_requests(void)
{
	static const uint8_t unknown[] = {
		BLKIF_OP_RESERVED_1, BLKIF_OP_DISCARD, BLKIF_OP_INDIRECT, 7, 255,
	};
	struct blkif_request *req;
	size_t i;

	start_disk(false);
	connect_disk();
	for (i = 0; i < sizeof(unknown); i++)
		check(transfer(unknown[i], 0, 0, 7) == BLKIF_RSP_EOPNOTSUPP);
	check(transfer(BLKIF_OP_READ, 56, 0, 7) == BLKIF_RSP_OKAY);
	check(transfer(BLKIF_OP_READ, 57, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE, 64, 0, 0) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, UINT64_MAX, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE, UINT64_MAX - 7, 0, 7) ==
	      BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE, 1ULL << 55, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 0, 5, 4) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 0, 0, 8) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 0, 0, 255) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 0, 255, 0) == BLKIF_RSP_ERROR);
	req = next_request();
	req->seg[0].gref = 99999;
	check(submit() == BLKIF_RSP_ERROR);
	/* The second is not granted: the first is given back. */
	req = next_request();
	req->nr_segments = 2;
	req->seg[1].gref = 7;
	check(submit() == BLKIF_RSP_ERROR);
	grant_frame(1, DATA_GFN, GTF_readonly);
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_OKAY);
	is_table[DATA_GFN] = true;
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_ERROR);
	is_table[DATA_GFN] = false;
	grant_frame(1, DATA_GFN, 0);
	check(!ftruncate(disk_fd, 512));
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_OKAY);
	check(!warnings);
	check(transfer(BLKIF_OP_READ, 40, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 40, 0, 7) == BLKIF_RSP_ERROR);
	check(nr_holds == 1 && warnings == 1);
}

/* The user is told, once. */
static void disk_without_room(void)
{
	struct rlimit none = { 0, 0 };

	start_disk(false);
	connect_disk();
	signal(SIGXFSZ, SIG_IGN);
	check(!setrlimit(RLIMIT_FSIZE, &none));
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	check(warnings == 1);
}

static void disk_read_only(void)
{
	start_disk(true);
	SAYS(XS_READ, BACK "mode\0", "r");
	SAYS(XS_READ, BACK "info\0", "4");
	connect_disk();
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	check(transfer(BLKIF_OP_WRITE, 0, 0, 7) == BLKIF_RSP_ERROR);
	check(transfer(BLKIF_OP_WRITE_BARRIER, 0, 0, 7) == BLKIF_RSP_ERROR);
	next_request()->operation = BLKIF_OP_FLUSH_DISKCACHE;
	sring->ring[sring->req_prod % 32].req.nr_segments = 0;
	check(submit() == BLKIF_RSP_OKAY);
}

static void full_ring(void)
{
	int i;

	start_disk(false);
	connect_disk();
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	for (i = 0; i < 32; i++) {
		next_request();
		sring->req_prod++;
	}
	send_event(DISK_PORT);
	for (i = 0; i < 32; i++)
		check(result() == BLKIF_RSP_OKAY);
	check(!warnings);
}

static void ring_is_impossible(uint32_t prod)
{
	start_disk(false);
	connect_disk();
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	sring->req_prod = prod;
	send_event(DISK_PORT);
	check(back_is("6"));
	check(warnings == 1 && !nr_holds && !has_fn(DISK_PORT));
	send_event(DISK_PORT);
	/* A front end that starts anew is served anew, without a word. */
	FRONT("state\0" "1");
	check(back_is("2"));
	connect_disk();
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	sring->req_prod = prod;
	send_event(DISK_PORT);
	check(back_is("6") && warnings == 1);
}

static void one_too_many(void)
{
	ring_is_impossible(1 + 33);
}

static void prod_goes_back(void)
{
	ring_is_impossible(0);
}

static void prod_is_wild(void)
{
	ring_is_impossible(0x80000001);
}

static void disk_closes_and_opens(void)
{
	int i;

	start_disk(false);
	for (i = 0; i < 30; i++) {
		connect_disk();
		check(transfer(BLKIF_OP_READ, i, 0, 7) == BLKIF_RSP_OKAY);
		FRONT("state\0" "6");
		check(back_is("6") && !nr_holds);
		check(table[0].flags == GTF_permit_access);
		FRONT("ring-ref\0");
		FRONT("event-channel\0");
		FRONT("state\0" "1");
		check(back_is("2"));
	}
	/* All at once, without a look at the answers. */
	connect_disk();
	FRONT("state\0" "5");
	FRONT("state\0" "6");
	FRONT("state\0" "1");
	check(back_is("2"));
	connect_disk();
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	SAYS(XS_RM, "device/vbd/51712\0", "OK\0");
	check(back_is("6") && !nr_holds && !warnings);
}

#define POST(text) post(XS_WRITE, "device/vbd/51712/" text,	\
			sizeof("device/vbd/51712/" text) - 1)

/* In one event: the disk's thread sees the end of it, and must not miss how. */
static void disk_moves_its_ring(void)
{
	int i;

	start_disk(false);
	connect_disk();
	grant_frame(3, RING_GFN + 10, 0);
	POST("state\0" "4");
	POST("state\0" "6");
	POST("ring-ref\0" "3");
	POST("state\0" "3");
	send_event(STORE_PORT);
	for (i = 0; i < 4; i++)
		check(get_answer() && answered(XS_WRITE, "OK", 3));
	for (i = 0; i < 5000 && !(table[3].flags & GTF_writing); i++)
		usleep(1000);
	check(back_is("4") && holds[RING_GFN] == 0 &&
	      holds[RING_GFN + 10] == 1);
	sring = (void *)mem[RING_GFN + 10];
	rsp_cons = 0;
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
}

static void bad_handshakes(void)
{
	start_disk(false);
	grant_frame(0, RING_GFN, 0);
	FRONT("state\0" "3");
	check(back_is("6") && warnings == 1);
	FRONT("state\0" "1");
	check(back_is("2"));
	FRONT("ring-ref\0" "99999");
	FRONT("event-channel\0" "5");
	FRONT("state\0" "3");
	check(back_is("6"));
	FRONT("state\0" "1");
	check(back_is("2"));
	FRONT("ring-ref\0" "0x0");
	FRONT("state\0" "3");
	check(back_is("6"));
	FRONT("state\0" "1");
	check(back_is("2"));
	FRONT("ring-ref\0" "0");
	FRONT("event-channel\0" "4294967296");
	FRONT("state\0" "3");
	check(back_is("6"));
	FRONT("state\0" "1");
	check(back_is("2"));
	FRONT("event-channel\0" "100");
	FRONT("state\0" "3");
	check(back_is("6") && !nr_holds);
	FRONT("state\0" "1");
	check(back_is("2"));
	FRONT("event-channel\0" "5");
	FRONT("protocol\0" "x86_32-abi");
	FRONT("state\0" "3");
	check(back_is("6"));
	FRONT("state\0" "1");
	check(back_is("2"));
	is_table[RING_GFN] = true;
	FRONT("protocol\0" "x86_64-abi");
	FRONT("state\0" "3");
	check(back_is("6"));
	is_table[RING_GFN] = false;
	FRONT("state\0" "0");
	FRONT("state\0" "77");
	FRONT("state\0" "2");
	FRONT("state\0" "nonsense");
	FRONT("state\0" "99999999999999999999");
	check(back_is("6") && warnings == 1 && !nr_holds);
	connect_disk();
	/* Twice is once. */
	FRONT("state\0" "4");
	FRONT("state\0" "3");
	check(transfer(BLKIF_OP_READ, 0, 0, 7) == BLKIF_RSP_OKAY);
	check(nr_holds == 1);
}

void test_disks(void)
{
	run("disk: nodes", disk_nodes);
	run("disk: reads and writes", disk_reads_and_writes);
	run("disk: segments", disk_segments);
	run("disk: bad requests", disk_bad_requests);
	run("disk: a file that cannot be written", disk_without_room);
	run("disk: read-only", disk_read_only);
	run("disk: a full ring", full_ring);
	run("disk: one request too many", one_too_many);
	run("disk: requests that were never sent", prod_goes_back);
	run("disk: a wild index", prod_is_wild);
	run("disk: closed and opened again", disk_closes_and_opens);
	run("disk: another ring, all in one event", disk_moves_its_ring);
	run("disk: bad handshakes", bad_handshakes);
}
